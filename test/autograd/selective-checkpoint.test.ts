/** utils.checkpoint with a policy: some results are kept, the others computed again. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { collectGarbage } from '../../src/host/garbage.ts';
import { autograd, type Tensor, tensor, utils, varMean } from '../../src/index.ts';

const { checkpoint, createSelectiveCheckpointContexts, CheckpointPolicy } = utils.checkpoint;
type Policy = Parameters<typeof createSelectiveCheckpointContexts>[0];

const leaf = (...data: number[]): Tensor => tensor(data, { dtype: 'float64', requiresGrad: true });
const square = (...data: number[]): Tensor =>
  leaf(...data)
    .detach()
    .view(2, 2)
    .requiresGrad_();

const gradOf = ({ grad }: Tensor): unknown => grad?.tolist();
/** The function under a checkpoint with that policy. */
const run = (
  f: (...xs: Tensor[]) => Tensor,
  policy: Policy,
  xs: Tensor[],
  options: { allowCacheEntryMutation?: boolean } = {},
): Tensor => checkpoint({ contextFn: () => createSelectiveCheckpointContexts(policy, options) })(f)(...xs);

/** How often operators of a name run in a backward: those of the forward that are run again, and those that the rules need. */
const count = (op: string, work: () => void): number =>
  autograd.profiler.profile(work).functionEvents.filter(({ name }) => name === op).length;

describe('selective checkpoints', () => {
  const f = (x: Tensor, y: Tensor): Tensor => x.cos().mm(y).sin().sum();
  const products = (make: (x: Tensor, y: Tensor) => Tensor): { backward: number; gradients: unknown[] } => {
    const [x, y] = [square(0.1, 0.2, 0.3, 0.4), square(1, 2, 3, 4)];
    const z = make(x, y);
    return { backward: count('mm', () => z.backward()), gradients: [gradOf(x), gradOf(y)] };
  };
  const plain = products(f);

  test('without a policy compute every product again', () => {
    assert.equal(plain.backward, 2);
    const again = products((x, y) => checkpoint(f, x, y));
    assert.equal(again.backward, 3);
    assert.deepEqual(again.gradients, plain.gradients);
  });

  const policies: Record<string, Policy> = {
    'a list': ['mm'],
    'a function': (_, op) => (op === 'mm' ? CheckpointPolicy.MUST_SAVE : CheckpointPolicy.PREFER_RECOMPUTE),
    'a function of booleans': (_, op) => op === 'mm',
    'everything kept': () => CheckpointPolicy.PREFER_SAVE,
  };
  for (const [name, policy] of Object.entries(policies)) {
    test(`keep what they are told to: ${name}`, () => {
      const kept = products((x, y) => run(f, policy, [x, y]));
      assert.equal(kept.backward, 2);
      assert.deepEqual(kept.gradients, plain.gradients);
    });
  }

  test('keep nothing if everything is to be computed again', () => {
    assert.equal(products((x, y) => run(f, () => CheckpointPolicy.MUST_RECOMPUTE, [x, y])).backward, 3);
  });

  test('ask the policy once about each call, in the forward, with inputs and result', () => {
    const asked: unknown[] = [];
    const x = leaf(1, 2);
    const y = run(
      (t) => t.sin().mul(2).view(2, 1).add_(1).exp(),
      ({ opOutput }, op, ...inputs) => {
        asked.push([op, inputs.map((v) => (typeof v === 'number' ? v : v.shape)), (opOutput as Tensor).shape]);
        return false;
      },
      [x],
    );
    y.sum().backward();
    assert.deepEqual(asked, [
      ['sin', [[2]], [2]],
      ['mul', [[2], 2], [2]],
      ['exp', [[2, 1]], [2, 1]],
    ]);
  });

  test('keep results of several tensors', () => {
    const g = (x: Tensor): Tensor => {
      const [variance, mean] = varMean(x);
      return variance.mul(mean);
    };
    const x = leaf(1, 2, 4);
    const [expected] = autograd.grad(g(x), x);
    const [actual] = autograd.grad(
      run(g, () => true, [x]),
      x,
    );
    assert.deepEqual(actual.tolist(), expected.tolist());
  });

  test('work with other checkpoints around and inside', () => {
    const g = (x: Tensor): Tensor => x.sin().exp().mul(x);
    const derivative = (h: (x: Tensor) => Tensor): unknown => {
      const x = leaf(0.3, -0.5);
      return autograd.grad(h(x).sum(), x)[0].tolist();
    };
    const expected = derivative((x) => g(x).cos());
    assert.deepEqual(
      derivative((x) => checkpoint((t: Tensor) => run(g, ['exp'], [t]).cos(), x)),
      expected,
    );
    assert.deepEqual(
      derivative((x) => run((t) => checkpoint(g, t).cos(), ['exp', 'cos'], [x])),
      expected,
    );
  });

  test('leave alone what a backward inside of them computes', () => {
    const x = leaf(0.1, 0.2);
    const outside = x.exp().mul(x).sum();
    const asked: string[] = [];
    const g = (t: Tensor): Tensor => autograd.grad(outside, x, { retainGraph: true })[0].mul(t.sin());
    const policy: Policy = (_, op) => asked.push(op) > 0;
    const [expected] = autograd.grad(g(x).sum(), x);
    const [actual] = autograd.grad(run(g, policy, [x]).sum(), x);
    assert.deepEqual(actual.tolist(), expected.tolist());
    assert.deepEqual(asked, ['sin', 'mul']);
  });

  test('can be gone through backward once', () => {
    const y = run((x) => x.sin().cos().exp(), ['sin'], [leaf(1, 2)]).sum();
    y.backward({ retainGraph: true });
    assert.throws(() => y.backward(), { code: 'autograd', message: /Trying to backward an extra time/ });
  });

  test('notice that a kept result was written to, unless told not to', () => {
    const g = (x: Tensor): Tensor => x.sin().mul_(2).cos().exp();
    assert.throws(
      () =>
        run(g, ['sin'], [leaf(1, 2)])
          .sum()
          .backward(),
      {
        code: 'inplace',
        message: /cached during selective activation checkpoint has been mutated/,
      },
    );
    run(g, ['sin'], [leaf(1, 2)], { allowCacheEntryMutation: true })
      .sum()
      .backward();
  });

  test('notice that other operators are applied than before', () => {
    let runs = 0;
    const g = (x: Tensor): Tensor => (++runs === 1 ? x.sin() : x.cos()).exp().mul(x);
    assert.throws(
      () =>
        run(g, ['exp'], [leaf(1, 2)])
          .sum()
          .backward(),
      {
        code: 'autograd',
        message: /cos invocation index 0 encountered during backward but not found in storage/,
      },
    );
  });

  test('let go of what they keep, with the graph or as soon as it was used', () => {
    let ref: WeakRef<object> = new WeakRef({});
    const g = (x: Tensor): Tensor => {
      const y = x.cos().exp();
      ref = new WeakRef(y.storage);
      return y.sin();
    };
    const alive = (): boolean => {
      collectGarbage();
      return ref.deref() !== undefined;
    };
    const keepAll = (): Tensor => run(g, () => true, [leaf(1, 2)]).sum();
    let y: Tensor | null = keepAll();
    assert.equal(alive(), true);
    y = null;
    assert.equal(alive(), false);
    y = keepAll();
    const first = ref;
    y.backward({ retainGraph: true });
    ref = first;
    assert.equal(alive(), false);
    assert.equal(y.ndim, 0);
  });

  test('take a policy, not just anything', () => {
    const make = createSelectiveCheckpointContexts as (policy: unknown, options?: object) => unknown;
    assert.throws(() => make(2), { code: 'argument', message: /must be either a function or a list of ops, got 2/ });
    assert.throws(() => make([2]), { code: 'argument', message: /expected ops in the list to be names .*, got 2/ });
    assert.throws(() => make([], { mutable: true }), { code: 'argument', message: /unknown option "mutable"/ });
    assert.throws(() => run((x) => x.exp(), (() => 'perhaps') as unknown as Policy, [leaf(1)]), {
      code: 'argument',
      message: /a checkpoint policy returns a CheckpointPolicy or a boolean, got "perhaps"/,
    });
  });
});
