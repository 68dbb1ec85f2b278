/** Writes in place: version counters, views, and what must not be written to. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { autograd, noGrad, ones, type Tensor, tensor, zeros } from '../../src/index.ts';

const leaf = (data: number | number[] | number[][]): Tensor => tensor(data, { requiresGrad: true });
const gradientOf = (y: Tensor, x: Tensor): unknown => autograd.grad(y.sum(), x)[0].tolist();
const modified = {
  code: 'inplace',
  message:
    /^one of the variables needed for gradient computation has been modified by an inplace operation: \[float32 \[.*\]\], which is (input|output) \d of \w+Backward0, is at version \d; expected version \d instead/,
};

describe('version counters', () => {
  test('count writes, for all that share the memory', () => {
    const x = zeros(2, 3);
    const row = x.select(0, 0);
    assert.equal(x._version, 0);
    row.add_(1);
    x.t().mul_(2);
    x.detach().zero_();
    assert.equal(x._version, 3);
    assert.equal(row._version, 3);
    assert.equal(x.clone()._version, 0);
  });

  test('a saved result must not change', () => {
    for (const f of ['exp', 'sqrt', 'tanh', 'sigmoid', 'reciprocal', 'tan'] as const) {
      const y = leaf([1, 2])[f]();
      y.add_(1);
      assert.throws(() => y.sum().backward(), modified, f);
    }
  });

  test('a saved operand must not change', () => {
    const saved: { [name: string]: (a: Tensor) => Tensor } = {
      mul: (a) => a.mul(a),
      div: (a) => ones(2).div(a),
      sin: (a) => a.sin(),
      log: (a) => a.log(),
      pow: (a) => a.pow(3),
      atan2: (a) => a.atan2(ones(2)),
    };
    for (const [name, f] of Object.entries(saved)) {
      const a = leaf([1, 2]).mul(1);
      const y = f(a);
      a.add_(1);
      assert.throws(() => y.sum().backward(), modified, name);
    }
  });

  test('neither through a view of it nor through its base', () => {
    const x = leaf([
      [1, 2],
      [3, 4],
    ]);
    const y = x.exp();
    y.select(0, 0).zero_();
    assert.throws(() => y.sum().backward(), modified);

    const base = x.mul(1);
    const z = base.select(0, 0).exp();
    base.zero_();
    assert.deepEqual(gradientOf(z, x), [
      [Math.fround(Math.E), Math.fround(Math.E ** 2)],
      [0, 0],
    ]);

    const other = x.mul(1);
    const w = other.select(0, 0).sin();
    other.select(0, 1).zero_();
    assert.throws(() => w.sum().backward(), modified);
  });

  test('not even without a graph', () => {
    const a = leaf([1, 2]).mul(1);
    const y = a.mul(a);
    noGrad(() => a.add_(1));
    assert.throws(() => y.sum().backward(), modified);
  });

  test('what is not saved may change', () => {
    const x = leaf([1, 2]);
    const a = x.mul(1);
    const y = a.add(a);
    a.mul_(2);
    assert.deepEqual(gradientOf(y, x), [2, 2]);

    const b = x.mul(1);
    const z = b.mul(3);
    b.zero_();
    assert.deepEqual(gradientOf(z, x), [3, 3]);

    const c = x.mul(1);
    const e = c.exp();
    c.zero_();
    assert.deepEqual(gradientOf(e, x), [Math.fround(Math.E), Math.fround(Math.E ** 2)]);
  });

  test('an operand is saved only if the other one asks for it', () => {
    const x = leaf([1, 2]);
    const constant = tensor([3, 4]);
    const a = x.mul(1);
    const y = a.mul(constant);
    a.zero_();
    assert.deepEqual(gradientOf(y, x), [3, 4]);
  });
});

describe('in-place operators', () => {
  test('return their tensor, which becomes a result', () => {
    const x = leaf([2, 3]);
    const a = x.clone();
    assert.equal(a.pow_(2), a);
    assert.equal(String(a.gradFn), '<PowBackward0>');
    assert.deepEqual(gradientOf(a, x), [4, 6]);
  });

  test('chain', () => {
    const x = leaf([1, 2]);
    const a = x.clone().mul_(3).add_(1).mul_(x);
    // (3 x + 1) x
    assert.deepEqual(gradientOf(a, x), [7, 13]);
  });

  test('bring a plain tensor into the graph', () => {
    const x = leaf([2, 3]);
    const a = ones(2);
    a.mul_(x);
    a.mul_(x);
    assert.equal(a.isLeaf, false);
    assert.deepEqual(gradientOf(a, x), [4, 6]);
  });

  test('on themselves', () => {
    const x = leaf([1, 2]);
    const a = x.clone();
    a.add_(a);
    assert.deepEqual(a.tolist(), [2, 4]);
    assert.deepEqual(gradientOf(a, x), [2, 2]);
    const b = x.clone();
    b.mul_(b);
    assert.deepEqual(b.tolist(), [1, 4]);
    assert.throws(() => b.sum().backward(), modified);
  });

  test('overwriting cuts the history off', () => {
    const x = leaf([1, 2]);
    const a = x.mul(2);
    a.zero_();
    assert.deepEqual(gradientOf(a.add(x), x), [1, 1]);
    const b = x.mul(2);
    b.copy_(x.mul(5));
    assert.deepEqual(gradientOf(b, x), [5, 5]);
  });

  test('second derivatives through them', () => {
    const x = leaf([2, 3]);
    const a = x.clone().pow_(3);
    const [g] = autograd.grad(a.sum(), x, { createGraph: true });
    assert.deepEqual(autograd.grad(g.sum(), x)[0].tolist(), [12, 18]);
  });
});

describe('writes through views', () => {
  test('to a plain base bring it into the graph', () => {
    const w = leaf([1, 2, 3]);
    const x = zeros(2, 3);
    x.select(0, 0).add_(w);
    assert.deepEqual(x.tolist(), [
      [1, 2, 3],
      [0, 0, 0],
    ]);
    assert.ok(x.requiresGrad && !x.isLeaf);
    assert.equal(String(x.gradFn), '<CopySlices>');
    const weights = tensor([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    assert.deepEqual(gradientOf(x.mul(weights), w), [0, 1, 2]);
    assert.equal(x.select(0, 1).requiresGrad, true);
  });

  test('to a computed base change the history of what was written only', () => {
    const x = leaf([
      [1, 2],
      [3, 4],
    ]);
    const a = x.mul(1);
    const row = a.select(0, 0);
    row.mul_(10);
    assert.deepEqual(a.tolist(), [
      [10, 20],
      [3, 4],
    ]);
    assert.deepEqual(gradientOf(a, x), [
      [10, 10],
      [1, 1],
    ]);
    assert.equal(String(a.gradFn), '<CopySlices>');
  });

  test('through several shapes of the same memory', () => {
    const x = leaf([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const a = x.mul(1);
    a.t().select(0, 1).mul_(2); // the second column
    a.view(6).narrow(0, 4, 2).mul_(3); // the last two elements
    assert.deepEqual(a.tolist(), [
      [1, 4, 3],
      [4, 30, 18],
    ]);
    assert.deepEqual(gradientOf(a, x), [
      [1, 2, 1],
      [1, 6, 3],
    ]);
  });

  test('an older view sees the write to its base', () => {
    const w = leaf([1, 2, 3]);
    const x = ones(2, 3);
    const row = x.select(0, 0);
    assert.equal(row.requiresGrad, false);
    x.mul_(w);
    assert.equal(row.requiresGrad, true);
    assert.deepEqual(gradientOf(row, w), [1, 1, 1]);
  });

  test('and a write through another view', () => {
    const w = leaf([1, 2, 3]);
    const x = ones(2, 3);
    const column = x.select(1, 0);
    x.select(0, 1).mul_(w);
    assert.deepEqual(column.tolist(), [1, 1]);
    assert.deepEqual(gradientOf(column, w), [1, 0, 0]);
  });

  test('second derivatives through a write to a part', () => {
    const x = leaf([2, 3]);
    const a = x.mul(1);
    a.narrow(0, 0, 1).pow_(3);
    const [g] = autograd.grad(a.sum(), x, { createGraph: true });
    assert.deepEqual(g.tolist(), [12, 1]);
    assert.deepEqual(autograd.grad(g.sum(), x)[0].tolist(), [12, 0]);
  });

  test('ask only for the gradients that are wanted', () => {
    class Forbidden extends autograd.Function {
      static forward(_: autograd.FunctionCtx, x: Tensor): Tensor {
        return x.clone();
      }
      static backward(): never {
        throw new RangeError('ran');
      }
    }
    const write = (x: Tensor, y: Tensor): Tensor => x.clone().view(-1).add_(y);
    const writeAfterUse = (x: Tensor, y: Tensor): Tensor => {
      const view = x.clone().view(-1);
      const used = view.mul(2);
      return view.add_(y).add(used);
    };
    for (const [f, slope] of [
      [write, 1],
      [writeAfterUse, 3],
    ] as const) {
      const [x, y] = [leaf([1, 2]), leaf([3, 4])];
      const forbidden = Forbidden.apply(y);
      const out = (): Tensor => f(x, forbidden).sum();
      assert.throws(() => out().backward(), RangeError);
      assert.throws(() => autograd.grad(out(), y), RangeError);
      assert.equal(x.grad, null);
      assert.deepEqual(gradientOf(out(), x), [slope, slope]);
      assert.deepEqual(gradientOf(out(), forbidden), [1, 1]);
      assert.deepEqual(
        autograd.grad(out(), [x, forbidden]).map((g) => g.tolist()),
        [
          [slope, slope],
          [1, 1],
        ],
      );
    }
  });

  test('run what led to the view before only if it is wanted', () => {
    const [x, y] = [leaf([1, 2]), leaf([3, 4]).mul(1)];
    const view = x.clone().view(-1);
    view.registerHook(() => assert.fail('a gradient that nobody asked for'));
    const sum = view.add(y);
    view.add_(y);
    const gradients = autograd.grad(view.add(sum).sum(), [sum, y]);
    assert.deepEqual(
      gradients.map((g) => g.tolist()),
      [
        [1, 1],
        [2, 2],
      ],
    );
  });

  test('by an operator that saves its result', () => {
    const x = leaf([-1, 0, 1, 2]);
    const base = x.narrow(0, 0, 3).clone();
    const view = base.view(-1);
    view.relu_();
    const out = view.clone();
    assert.deepEqual(out.tolist(), [0, 0, 1]);
    assert.deepEqual(autograd.grad(out.sum(), x, { retainGraph: true })[0].tolist(), [0, 0, 1, 0]);
    base.exp_();
    assert.throws(() => out.sum().backward(), modified);
  });

  test('without recording change values only', () => {
    const x = leaf([1, 2]);
    const a = x.mul(2);
    noGrad(() => a.narrow(0, 0, 1).zero_());
    assert.deepEqual(a.tolist(), [0, 4]);
    assert.deepEqual(gradientOf(a, x), [2, 2]);
  });
});

describe('one buffer for many steps', () => {
  test('detached and filled anew, as only what a derivative needs is saved', () => {
    const mean = ones(1, { requiresGrad: true });
    const buffer = zeros(1);
    let loss = zeros([]);
    for (let i = 0; i < 3; i++) {
      buffer.detach_();
      buffer.copy_(mean.add(i));
      loss = loss.add(buffer.mul(tensor([i])).sum());
    }
    loss.backward();
    assert.deepEqual(mean.grad?.tolist(), [3]);
  });

  test('the result of a write and what was computed before it, each with its own history', () => {
    const [x, y] = [ones(2, { requiresGrad: true }), tensor([4, 4], { requiresGrad: true })];
    const half = x.div(2).add(y.div(8));
    const [product, sum] = [half.mul(y), half.add(y)];
    const version = half._version;
    const written = half.exp_();
    assert.notEqual(half._version, version);
    assert.deepEqual(autograd.grad(sum.sum(), x, { retainGraph: true })[0].tolist(), [0.5, 0.5]);
    const [g] = autograd.grad(written.sum(), x, { retainGraph: true });
    assert.deepEqual(g.tolist(), [Math.fround(Math.E) / 2, Math.fround(Math.E) / 2]);
    assert.throws(() => product.sum().backward(), modified);
  });
});

describe('what must not be written to', () => {
  const leafError = /^a leaf Variable that requires grad is being used in an in-place operation\./;
  const viewError = /^a view of a leaf Variable that requires grad is being used in an in-place operation\./;

  test('a leaf that requires grad, by any in-place operator', () => {
    const writes: ((x: Tensor) => unknown)[] = [
      (x) => x.add_(1),
      (x) => x.zero_(),
      (x) => x.copy_(ones(2)),
      (x) => x.fill_(3),
      (x) => x.exp_(),
      (x) => x.clamp_(0, 1),
      (x) => x.maskedFill_(tensor([true, false]), 0),
    ];
    for (const write of writes) {
      const x = leaf([1, 2]);
      assert.throws(() => write(x), { code: 'inplace', message: leafError }, String(write));
      assert.deepEqual(x.tolist(), [1, 2]);
      assert.equal(x._version, 0);
    }
  });

  test('a view of such a leaf', () => {
    const x = leaf([[1, 2]]);
    const views = [x.view(2), x.select(0, 0), x.t(), x.narrow(1, 0, 1)];
    for (const view of views) assert.throws(() => view.add_(1), { code: 'inplace', message: viewError });
    assert.deepEqual(x.tolist(), [[1, 2]]);
    noGrad(() => views[0].add_(1));
    assert.deepEqual(x.tolist(), [[2, 3]]);
  });

  test('one of several views, while it is recorded', () => {
    const x = leaf([
      [1, 2],
      [3, 4],
    ]).mul(1);
    const [first] = x.unbind(0);
    assert.throws(() => first.mul_(2), {
      code: 'inplace',
      message: /^Output .*is a view and is being modified inplace\..*multiple views/,
    });
    assert.deepEqual(x.tolist(), [
      [1, 2],
      [3, 4],
    ]);
  });

  test('a view that was taken without recording', () => {
    const x = leaf([1, 2]).mul(1);
    const view = noGrad(() => x.narrow(0, 0, 1));
    assert.throws(() => view.mul_(2), {
      code: 'inplace',
      message: /^A view was created in noGrad mode and is being modified inplace with grad mode enabled/,
    });
    assert.deepEqual(x.tolist(), [1, 2]);
    noGrad(() => view.mul_(2));
    assert.deepEqual(x.tolist(), [2, 2]);
  });

  test('an expanded tensor, whose elements share memory', () => {
    for (const x of [ones(1).expand(3), leaf([1, 2]).mul(1).expand(3, 2)]) {
      const before = x.tolist();
      assert.throws(() => x.add_(1), {
        code: 'inplace',
        message: /more than one element of the written-to tensor refers to a single memory location/,
      });
      assert.deepEqual(x.tolist(), before);
    }
  });

  test('where several reasons apply, the history comes first', () => {
    assert.throws(() => leaf([1, 2]).expand(3, 2).add_(1), { code: 'inplace', message: viewError });
  });

  test('a tensor that cannot hold the result', () => {
    const integers = ones(2, { dtype: 'int64' });
    assert.throws(() => integers.mul_(leaf([0.5, 0.5])), {
      code: 'dtype',
      message: "result type float32 can't be cast to the desired output type int64",
    });
    assert.throws(() => ones(2).add_(ones(3, 2)), {
      code: 'shape',
      message: "output with shape [2] doesn't match the broadcast shape [3, 2]",
    });
    assert.deepEqual(integers.tolist(), [1, 1]);
  });
});

test('the gradient that is kept is that of what a tensor has become, also by a write through a view', () => {
  for (const write of [(y: Tensor) => y.mul_(3), (y: Tensor) => y.select(0, 0).mul_(3)]) {
    const x = leaf([1, 1]);
    const y = x.mul(2);
    y.retainGrad();
    write(y);
    y.sum().backward();
    assert.deepEqual(y.grad?.tolist(), [1, 1]);
    assert.equal(y.retainsGrad, true);
  }
});
