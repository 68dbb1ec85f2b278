/** Leaves and what is made of them: requiresGrad, isLeaf, detach, data, grad. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  autograd,
  inferenceMode,
  nn,
  noGrad,
  normal,
  ones,
  rand,
  randn,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.ts';

/** The elements of the gradient, or null. */
const gradOf = ({ grad }: Tensor): unknown => grad?.tolist() ?? null;
const leaf = (data: number | number[]): Tensor => tensor(data, { requiresGrad: true });

describe('requiresGrad', () => {
  test('spreads from any operand to floating results', () => {
    const x = leaf([1, 2]);
    assert.equal(x.add(ones(2)).requiresGrad, true);
    assert.equal(ones(2).add(ones(2)).requiresGrad, false);
    assert.equal(x.gt(1).requiresGrad, false);
    assert.equal(x.gt(1).gradFn, null);
    assert.equal(x.to('int64').requiresGrad, false);
  });

  test('can be set on leaves of floating dtype', () => {
    const x = tensor([1, 2]);
    assert.equal(x.requiresGrad_(), x);
    assert.equal(x.requiresGrad, true);
    x.requiresGrad = false;
    assert.equal(x.mul(2).requiresGrad, false);
    assert.throws(() => tensor([1, 2], { dtype: 'int64' }).requiresGrad_(), {
      code: 'dtype',
      message: /^only Tensors of floating point dtype can require gradients, got int64/,
    });
    const bool = tensor([true]);
    assert.throws(() => {
      bool.requiresGrad = true;
    }, /got bool/);
    assert.equal(bool.requiresGrad, false);
    assert.equal(tensor([1n]).requiresGrad_(false).requiresGrad, false);
    assert.throws(() => tensor([1, 2], { dtype: 'int32', requiresGrad: true }), {
      code: 'dtype',
      message: /only Tensors of floating point dtype can require gradients, got int32/,
    });
  });

  test('can not be taken from a computed tensor', () => {
    const y = leaf([1, 2]).mul(2);
    assert.equal(y.requiresGrad_().requiresGrad, true);
    assert.throws(() => y.requiresGrad_(false), {
      code: 'autograd',
      message: /^you can only change requiresGrad flags of leaf variables\..* variable\.detach\(\)/,
    });
    for (const value of [true, false]) {
      assert.throws(() => {
        y.requiresGrad = value;
      }, /^AdjointError: you can only change requiresGrad flags of leaf variables\./);
    }
    assert.equal(y.requiresGrad, true);
    for (const value of ['yes', 1, null]) {
      assert.throws(() => leaf([1]).requiresGrad_(value as never), {
        code: 'argument',
        message: /^requiresGrad must be true or false, got/,
      });
    }
  });

  test('a leaf that asked later is not part of the graph before', () => {
    const x = tensor([1, 2]);
    const before = x.mul(2);
    x.requiresGrad_();
    assert.equal(before.requiresGrad, false);
    assert.equal(x.mul(2).requiresGrad, true);
  });

  test('a view that was taken before sees that its base asks for a gradient', () => {
    const x = zeros(2, 3);
    const view = x.view(6);
    x.requiresGrad = true;
    assert.deepEqual([view.requiresGrad, view.gradFn], [true, null]);
    assert.throws(() => x.add_(5), { code: 'inplace', message: /^a leaf Variable that requires grad/ });
    assert.throws(() => view.add_(5), { code: 'inplace', message: /^a view of a leaf Variable that requires grad/ });
    x.sum().backward();
    assert.deepEqual(gradOf(x), [
      [1, 1, 1],
      [1, 1, 1],
    ]);
  });

  test('a view knows the tensor at its root', () => {
    const x = leaf([1, 2, 3]).mul(2);
    const view = x.narrow(0, 1, 2);
    for (const v of [view, view.select(0, 0), x.viewAs(x), noGrad(() => x.view(3)), x.split(2)[0], x.expand(2, 3)]) {
      assert.equal(v._base, x);
      assert.equal(v._isView(), true);
    }
    for (const v of [x, x.clone(), x.contiguous(), view.detach(), x.data, inferenceMode(() => ones(3).view(3))]) {
      assert.equal(v._base, null);
      assert.equal(v._isView(), false);
    }
  });

  test('leaves', () => {
    const x = leaf([1, 2]);
    assert.ok(x.isLeaf && tensor([1, 2]).isLeaf && x.detach().isLeaf);
    assert.equal(x.mul(2).isLeaf, false);
    assert.equal(x.gradFn, null);
    assert.equal(String(x.mul(2).gradFn), '<MulBackward0>');
    assert.equal(noGrad(() => x.mul(2)).isLeaf, true);
  });
});

describe('detach and data', () => {
  test('detach shares memory and version, but not history', () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    const d = y.detach();
    assert.ok(d.isLeaf && !d.requiresGrad && d.gradFn === null);
    d.zero_();
    assert.deepEqual(y.tolist(), [0, 0]);
    assert.equal(y._version, 1);
    assert.equal(y.requiresGrad, true);
  });

  test('a write through detach to what was saved is noticed', () => {
    const a = leaf([1, 2]).mul(1);
    const y = a.mul(a);
    a.detach().zero_();
    assert.throws(() => y.sum().backward(), { code: 'inplace', message: /modified by an inplace operation/ });
  });

  test('a write through data is not', () => {
    const x = leaf([1, 2]);
    const a = x.mul(1);
    const y = a.mul(a);
    a.data.zero_();
    assert.equal(a._version, 0);
    y.sum().backward();
    assert.deepEqual(gradOf(x), [0, 0]);
  });

  test('data can be written to and replaced', () => {
    const x = leaf([1, 2]);
    assert.equal(x.data.requiresGrad, false);
    x.data.mul_(10);
    assert.deepEqual(x.tolist(), [10, 20]);
    x.data = tensor([[5, 6, 7]]);
    assert.deepEqual(x.tolist(), [[5, 6, 7]]);
    assert.ok(x.requiresGrad && x.isLeaf);
    assert.throws(
      () => {
        x.data = tensor([1n]);
      },
      { code: 'dtype', message: /^data must be a tensor of dtype float32/ },
    );
    assert.deepEqual(x.tolist(), [[5, 6, 7]]);
  });

  test('new data keeps the version counter, and who shares it', () => {
    const x = zeros(1, 2);
    const view = x.view(2);
    view.add_(1);
    const source = zeros(2, 3).add_(1).add_(1);
    x.data = source;
    assert.deepEqual([x._version, view._version], [1, 1]);
    x.add_(1);
    view.add_(1);
    x.data = zeros(3);
    assert.deepEqual([x._version, view._version], [3, 3]);
    source.add_(1);
    x.add_(1);
    assert.deepEqual([x._version, view._version, source._version], [4, 4, 3]);
    assert.deepEqual(
      [x.tolist(), view.tolist(), source.select(0, 0).tolist()],
      [
        [1, 1, 1],
        [2, 2],
        [4, 4, 4],
      ],
    );
  });

  test('a parameter shares the memory that it is made of, and its version counter', () => {
    const x = zeros(2).add_(1);
    const parameter = new nn.Parameter(x);
    assert.deepEqual([x._version, parameter._version], [1, 1]);
    noGrad(() => parameter.add_(1));
    assert.deepEqual([x.tolist(), x._version], [[2, 2], 2]);
  });

  test('a new tensor counts no writes', () => {
    for (const x of [zeros(2), ones(2), tensor([1, 2]), rand(2), randn(2), normal(0, 1, [2])])
      assert.equal(x._version, 0);
  });

  test('detaching a base leaves its views in the graph', () => {
    const x = zeros(4, { requiresGrad: true });
    const view = x.narrow(0, 1, 2);
    x.detach_();
    assert.deepEqual([x.requiresGrad, view.requiresGrad, view.gradFn?.name()], [false, true, 'SliceBackward0']);
    assert.equal(view._base, x);
  });

  test('hooks outlast detach_, in the graph that was recorded before', () => {
    const y = leaf([1, 2]).mul(3);
    let calls = 0;
    y.registerHook(() => void calls++);
    const z = y.mul(1);
    y.detach_();
    z.sum().backward();
    assert.equal(calls, 1);
  });

  test('detach_ takes a tensor out of the graph that made it', () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    assert.equal(y.detach_(), y);
    assert.ok(y.isLeaf && !y.requiresGrad);
    assert.throws(() => x.mul(2).select(0, 0).detach_(), {
      code: 'inplace',
      message: "Can't detach views in-place. Use detach() instead",
    });
  });

  test('what a graph saved must not be detached in place, unless it is the result of what saved it', () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    const z = y.sin();
    y.detach_();
    assert.throws(() => z.sum().backward(), {
      code: 'inplace',
      message: /^Trying to use a saved tensor that has been detached in-place/,
    });

    const e = x.sqrt();
    const s = e.sum();
    e.detach_();
    assert.deepEqual(autograd.grad(s, x)[0].tolist(), [0.5, Math.fround(0.5 / Math.fround(Math.SQRT2))]);
  });
});

describe('grad', () => {
  test('may be given, if it fits', () => {
    const x = leaf([1, 2]);
    x.grad = tensor([10, 10]);
    x.sum().backward();
    assert.deepEqual(x.grad.tolist(), [11, 11]);
    for (const [gradient, expected] of [
      [ones(3), { code: 'shape', message: /attempting to assign a gradient of size \[3\] and dtype float32/ }],
      [
        ones(2, { dtype: 'float64' }),
        { code: /shape|dtype/, message: /of size \[2\] and dtype float64 to a tensor of size \[2\]/ },
      ],
      [3, { code: 'argument', message: 'grad must be a Tensor or null, got 3' }],
      [x, { code: 'argument', message: "can't assign a Tensor as its own grad" }],
    ] as const) {
      assert.throws(() => {
        x.grad = gradient as Tensor;
      }, expected);
    }
    assert.deepEqual(x.grad.tolist(), [11, 11]);
  });

  test('of what is no leaf is null, unless it is retained', () => {
    const x = leaf([1, 2]);
    const y = x.mul(3);
    y.retainGrad();
    const z = y.mul(2);
    z.sum().backward();
    assert.deepEqual(gradOf(y), [2, 2]);
    assert.equal(y.retainsGrad, true);
    assert.equal(gradOf(z), null);
    assert.equal(z.retainsGrad, false);
    assert.deepEqual(gradOf(x), [6, 6]);
  });

  test('retainGrad on a leaf changes nothing, and elsewhere needs a graph', () => {
    const x = leaf([1, 2]);
    x.retainGrad();
    assert.equal(x.retainsGrad, false);
    assert.throws(() => zeros(2).retainGrad(), { code: 'autograd', message: /^can't retain_grad on Tensor/ });
  });

  test('a retained gradient follows a tensor through a change in place', () => {
    const y = leaf([1, 2]).mul(2);
    y.retainGrad();
    y.mul_(3);
    y.sum().backward();
    assert.deepEqual(gradOf(y), [1, 1]);
  });
});

describe('gradDtype', () => {
  test('is that of the tensor, until it is set', () => {
    const x = ones(2);
    assert.equal(x.gradDtype, 'float32');
    x.gradDtype = 'float64';
    x.requiresGrad = true;
    x.mul(2).sum().backward();
    x.mul(3).sum().backward();
    assert.deepEqual([x.gradDtype, x.grad?.dtype, gradOf(x)], ['float64', 'float64', [5, 5]]);
    assert.equal(autograd.grad(x.sum(), x)[0].dtype, 'float64');
    const seen: unknown[] = [];
    x.registerHook((g) => void seen.push(g.dtype));
    x.backward(ones(2));
    assert.deepEqual([seen, gradOf(x)], [['float64'], [6, 6]]);
    x.data = ones(3);
    assert.equal(x.gradDtype, 'float64');
  });

  test('follows new data while it was not set', () => {
    const x = leaf([1, 2]);
    x.sum();
    x.data = ones(3, { dtype: 'float64' });
    assert.equal(x.gradDtype, 'float64');
    x.sum().backward();
    assert.equal(x.grad?.dtype, 'float64');
  });

  test('null takes gradients as they come', () => {
    class Widen extends autograd.Function {
      static forward(_: autograd.FunctionCtx, x: Tensor): Tensor {
        return x.mul(2);
      }
      static backward(_: autograd.FunctionCtx, g: Tensor): Tensor {
        return g.to('float64');
      }
    }
    const x = leaf([1, 2]);
    Widen.apply(x).sum().backward();
    assert.equal(x.grad?.dtype, 'float32');
    x.grad = null;
    x.gradDtype = null;
    assert.equal(x.gradDtype, null);
    Widen.apply(x).sum().backward();
    assert.deepEqual([(x.grad as Tensor | null)?.dtype, gradOf(x)], ['float64', [1, 1]]);
    x.mul(2).sum().backward();
    assert.deepEqual([(x.grad as Tensor | null)?.dtype, gradOf(x)], ['float64', [3, 3]]);
    x.grad = ones(2);
    x.grad = ones(2, { dtype: 'float64' });
    x.requiresGrad = false;
    x.requiresGrad = true;
    assert.equal(x.gradDtype, null);
  });

  test('does not change under a gradient, and is for leaves', () => {
    const x = leaf([1, 2]);
    x.sum().backward();
    x.gradDtype = 'float32';
    assert.throws(
      () => {
        x.gradDtype = 'float64';
      },
      {
        code: 'dtype',
        message: /^Cannot set gradDtype to float64 because there is already a gradient with dtype float32/,
      },
    );
    assert.equal(x.gradDtype, 'float32');
    x.grad = null;
    x.gradDtype = 'float64';
    assert.throws(
      () => {
        x.grad = ones(2);
      },
      { code: 'shape', message: /dtype float32 to a tensor of size \[2\] and gradDtype float64/ },
    );
    assert.throws(
      () => {
        x.gradDtype = 'half' as never;
      },
      { code: 'dtype' },
    );
    const y = x.mul(2);
    assert.throws(() => y.gradDtype, { code: 'autograd', message: /^gradDtype belongs to leaf tensors/ });
    assert.throws(() => {
      y.gradDtype = null;
    }, /gradDtype belongs to leaf tensors/);
  });
});
