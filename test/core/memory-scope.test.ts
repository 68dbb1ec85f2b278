/** Scopes: what is made in one is freed when it ends, and what survives does so whole. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  memoryAllocated,
  memoryScope,
  nn,
  noGrad,
  ones,
  optim,
  rand,
  type Tensor,
  tensor,
  utils,
} from '../../src/index.ts';

const gone = { code: 'memory', message: /made in a memoryScope that has ended/ };
const values = (x: Tensor | null): number[] => Array.from((x as Tensor).toTypedArray() as Float32Array);
const n = 1000;

describe('memoryScope', () => {
  test('frees at once what was made in it, of any size, and keeps what the callback returns', () => {
    const x = ones(n);
    memoryScope(() => void x.mul(2).add(1)); // kernels have memory of their own
    const before = memoryAllocated();
    let lost: Tensor | undefined;
    let small: Tensor | undefined;
    const { y, list } = memoryScope(() => {
      lost = x.mul(2);
      small = tensor([1, 2]);
      const y = lost.add(1);
      return { y, list: [small.mul(2), new Map([['k', x.mul(7)]])] as const };
    });
    assert.equal(memoryAllocated() - before, 2 * 4096);
    assert.ok(values(y).every((v) => v === 3));
    assert.deepEqual(values(list[0]), [2, 4]);
    assert.ok(values(list[1].get('k') as Tensor).every((v) => v === 7));
    for (const tensor of [lost, small] as Tensor[]) {
      assert.throws(() => tensor.add(1), gone);
      assert.throws(() => ones(1).add(tensor), gone);
      assert.throws(() => tensor.toTypedArray(), gone);
      assert.throws(() => String(tensor), gone);
      assert.throws(() => tensor.add_(1), gone);
      assert.throws(() => tensor.view(-1).data.sum(), gone);
    }
    assert.ok(values(x).every((v) => v === 1));
  });

  test('as a guard: what it is told to keep survives, also when the code throws', () => {
    let kept: Tensor | undefined;
    let lost: Tensor | undefined;
    assert.throws(() => {
      using scope = memoryScope();
      kept = scope.keep(ones(n));
      lost = ones(n);
      throw new Error('stop');
    }, /stop/);
    assert.equal((kept as Tensor).sum().item(), n);
    assert.throws(() => (lost as Tensor).sum(), gone);
  });

  test('views and data keep the memory that they share, and end with it', () => {
    const x = ones(n);
    const [view, data] = memoryScope(() => [x.mul(2).view(10, 100).t(), x.mul(3).data]);
    assert.deepEqual(view.shape, [100, 10]);
    assert.equal(view.sum().item(), 2 * n);
    assert.equal(data.sum().item(), 3 * n);
    let aliased: Tensor | undefined;
    memoryScope(() => {
      aliased = x.mul(5).data;
    });
    assert.throws(() => (aliased as Tensor).sum(), gone);
  });

  test('a kept tensor keeps what its graph has saved, and no more', () => {
    const x = rand(n, { requiresGrad: true });
    memoryScope(() => void x.mul(2).tanh().exp());
    const before = memoryAllocated();
    let between: Tensor | undefined;
    let beside: Tensor | undefined;
    const y = memoryScope(() => {
      between = x.mul(2).tanh();
      beside = between.add(7);
      return between.exp();
    });
    // tanh and exp save their results
    assert.equal(memoryAllocated() - before, 2 * 4096);
    assert.throws(() => (beside as Tensor).sum(), gone);
    y.backward(ones(n));
    const expected = values(x).map((v) => {
      const t = Math.tanh(2 * v);
      return Math.exp(t) * (1 - t * t) * 2;
    });
    for (const [k, v] of values(x.grad).entries()) assert.ok(Math.abs(v - expected[k]) < 1e-5);
  });

  test('a graph that was not kept cannot be differentiated afterwards', () => {
    const x = rand(n, { requiresGrad: true });
    let y: Tensor | undefined;
    memoryScope(() => {
      y = x.exp().sum();
    });
    assert.throws(() => (y as Tensor).backward(), gone);
    assert.equal(x.grad, null);
  });

  test('gradients of tensors from outside survive, as does what was written to them', () => {
    const w = ones(n, { requiresGrad: true });
    const small = ones(2, { requiresGrad: true });
    const hidden = w.mul(1);
    hidden.retainGrad();
    const total = ones(n);
    const assigned = ones(n);
    memoryScope(() => {
      hidden.mul(3).sum().add(small.sum()).backward();
      total.add_(w.exp());
      assigned.grad = ones(n).mul(5);
    });
    assert.ok(values(w.grad).every((v) => v === 3));
    assert.ok(values(hidden.grad).every((v) => v === 3));
    assert.deepEqual(values(small.grad), [1, 1]);
    assert.ok(values(assigned.grad).every((v) => v === 5));
    w.grad = null;
    total.sum().backward();
    assert.ok(values(w.grad).every((v) => Math.abs(v - Math.E) < 1e-5));
    memoryScope(() => {
      w.data = ones(n).mul(9);
    });
    assert.ok(values(w).every((v) => v === 9));
  });

  test('training step by step in scopes is the same as without', () => {
    const train = (step: (f: () => number) => number): number[] => {
      const model = new nn.Sequential(new nn.Linear(8, 30), new nn.Tanh(), new nn.Linear(30, 1));
      noGrad(() => model.parameters().forEach((p, k) => void p.copy_(ones(p.shape).mul(0.1 * (k + 1)))));
      const optimizer = new optim.Adam(model.parameters(), { lr: 0.01 });
      const x = ones(64, 8).cumsum(0).div(64);
      return Array.from({ length: 20 }, () =>
        step(() => {
          optimizer.zeroGrad();
          const loss = model.forward(x).sub(x.sum(1, true)).square().mean();
          loss.backward();
          optimizer.step();
          return loss.item() as number;
        }),
      );
    };
    const expected = train((f) => f());
    assert.ok(expected[19] < expected[0]);
    assert.deepEqual(
      train((f) => memoryScope(f)),
      expected,
    );
    assert.deepEqual(
      train((f) => memoryScope(() => memoryScope(f))),
      expected,
    );
  });

  test('a model that is returned survives whole; its next steps may be anywhere', () => {
    const model = memoryScope(() => new nn.Sequential(new nn.Linear(20, 30), new nn.Tanh(), new nn.Linear(30, 1)));
    const { optimizer } = memoryScope(() => ({ optimizer: new optim.Adam(model.parameters()) }));
    for (let i = 0; i < 3; i++) {
      const loss = memoryScope(() => model.forward(ones(5, 20)).square().mean());
      loss.backward();
      memoryScope(() => optimizer.step());
    }
    assert.ok(Number.isFinite(model.forward(ones(5, 20)).sum().item()));
  });

  test('within each other: what the inner one keeps is the outer one’s', () => {
    const x = ones(n, { requiresGrad: true });
    let inner: Tensor | undefined;
    const outer = memoryScope(() => {
      inner = memoryScope(() => x.mul(2));
      memoryScope(() => inner?.sum().backward());
      return inner.add(1);
    });
    assert.equal(outer.sum().item(), 3 * n);
    assert.throws(() => (inner as Tensor).sum(), gone);
    assert.ok(values(x.grad).every((v) => v === 2));
  });

  test('what a checkpoint keeps for its second run survives with its result', () => {
    const { checkpoint, createSelectiveCheckpointContexts } = utils.checkpoint;
    const contextFn = () => createSelectiveCheckpointContexts(['exp']);
    const f = (x: Tensor): Tensor => x.exp().sin();
    const g = ({ x }: { x: Tensor }): Tensor => f(x);
    const runs = [
      (x: Tensor) => checkpoint(f, x.mul(2)),
      (x: Tensor) => checkpoint(g, { x: x.mul(2) }),
      (x: Tensor) => checkpoint(f, x.mul(2), { contextFn }),
      (x: Tensor) => checkpoint((y: Tensor) => memoryScope(() => f(memoryScope(() => y.mul(2)))), x),
    ];
    for (const run of runs) {
      const x = ones(n).requiresGrad_();
      memoryScope(() => run(x))
        .sum()
        .backward();
      const e = Math.exp(2);
      assert.ok(values(x.grad).every((v) => Math.abs(v - 2 * e * Math.cos(e)) < 1e-4));
    }
  });

  test('ends with those inside that were left open', () => {
    const outer = memoryScope();
    const inner = memoryScope();
    const [lost, kept] = [ones(n), inner.keep(ones(n))];
    outer.keep(kept);
    outer[Symbol.dispose]();
    inner[Symbol.dispose]();
    outer[Symbol.dispose]();
    assert.throws(() => lost.sum(), gone);
    assert.equal(kept.sum().item(), n);
    const failing = (): Tensor =>
      memoryScope(() => {
        memoryScope();
        throw new RangeError('from inside');
      });
    assert.throws(failing, RangeError);
    assert.equal(ones(n).sum().item(), n);
  });

  test('what cannot be', async () => {
    const over = memoryScope();
    over[Symbol.dispose]();
    assert.throws(() => over.keep(ones(2)), { code: 'argument' });
    assert.throws(() => memoryScope(async () => ones(2)), { code: 'argument', message: /async/ });
    await null;
    assert.equal(ones(n).sum().item(), n);
  });
});
