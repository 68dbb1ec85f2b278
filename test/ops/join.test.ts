/** Tensors joined, brought to one shape and laid out in grids: PyTorch's facts, gradients, errors. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AdjointError } from '../../src/errors.ts';
import {
  arange,
  atleast1d,
  atleast2d,
  atleast3d,
  autograd,
  blockDiag,
  broadcastTensors,
  cartesianProd,
  cat,
  columnStack,
  combinations,
  concat,
  concatenate,
  dstack,
  hstack,
  meshgrid,
  ones,
  rowStack,
  stack,
  type Tensor,
  tensor,
  vstack,
  zeros,
} from '../../src/index.ts';

const counted = (...shape: number[]): Tensor =>
  arange(
    shape.reduce((a, b) => a * b, 1),
    { dtype: 'float32' },
  ).view(shape);

describe('cat and stack', () => {
  test('undo split and unbind, gradients included', () => {
    const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(shapes, fc.nat(), fc.integer({ min: 1, max: 3 }), (shape, pick, size) => {
        const dim = pick % shape.length;
        const x = counted(...shape).requiresGrad_();
        const weights = counted(...shape).cos();
        const both = [
          cat(x.split(size, dim), dim),
          ...(shape[dim] > 0 ? [stack(x.unbind(dim), dim - shape.length)] : []),
        ];
        for (const y of both) {
          assert.deepEqual(y.tolist(), x.tolist());
          assert.deepEqual(autograd.grad(y.mul(weights).sum(), x)[0].tolist(), weights.tolist());
        }
      }),
    );
  });

  test('names, dtypes, forms', () => {
    const x = ones(2, 3, { requiresGrad: true });
    assert.equal(cat([x, x]).gradFn?.name(), 'CatBackward0');
    assert.equal(stack([x, x]).gradFn?.name(), 'StackBackward0');
    assert.deepEqual(cat([x, zeros(1, 3)], 0).shape, [3, 3]);
    assert.deepEqual(cat([x, zeros(2, 0)], { dim: -1 }).shape, [2, 3]);
    assert.deepEqual(stack([x, x], -1).shape, [2, 3, 2]);
    assert.deepEqual(stack([tensor(1), tensor(2)]).tolist(), [1, 2]);
    const whole = tensor([1, 2], { dtype: 'int64' });
    assert.equal(cat([whole, tensor([true])]).dtype, 'int64');
    assert.equal(cat([whole, tensor([0.5])]).dtype, 'float32');
    assert.equal(stack([whole, tensor([1, 2], { dtype: 'float64' })]).dtype, 'float64');
    assert.deepEqual([concat([x, x]), concatenate([x, x])].map(String), [String(cat([x, x])), String(cat([x, x]))]);
  });

  test('cat leaves out what has shape [0]', () => {
    const nothing = zeros(0, { requiresGrad: true });
    const x = ones(2, 3, { requiresGrad: true });
    const y = cat([nothing, x, nothing], 1);
    assert.deepEqual(y.tolist(), x.tolist());
    const [dn, dx] = autograd.grad(y.sum(), [nothing, x]);
    assert.deepEqual([dn.shape, dx.tolist()], [[0], x.tolist()]);
    assert.deepEqual(cat([nothing, nothing]).shape, [0]);
  });

  test('gradients in the dtype of each operand', () => {
    const [a, b] = [ones(2, { requiresGrad: true }), ones(2, { dtype: 'float64', requiresGrad: true })];
    const [da, db] = autograd.grad(cat([a, b]).sum(), [a, b]);
    assert.deepEqual([da.dtype, db.dtype], ['float32', 'float64']);
  });
});

test('hstack, vstack, dstack, columnStack, rowStack', () => {
  const [v, w] = [tensor([1, 2]), tensor([3, 4])];
  const m = tensor([
    [5, 6],
    [7, 8],
  ]);
  assert.deepEqual(hstack([v, w]).tolist(), [1, 2, 3, 4]);
  assert.deepEqual(hstack([tensor(1), w]).tolist(), [1, 3, 4]);
  assert.deepEqual(hstack([m, m]).tolist(), [
    [5, 6, 5, 6],
    [7, 8, 7, 8],
  ]);
  assert.deepEqual(vstack([v, m]).tolist(), [
    [1, 2],
    [5, 6],
    [7, 8],
  ]);
  assert.deepEqual(rowStack([v, w]).tolist(), [
    [1, 2],
    [3, 4],
  ]);
  assert.deepEqual(dstack([v, w]).tolist(), [
    [
      [1, 3],
      [2, 4],
    ],
  ]);
  assert.deepEqual(columnStack([v, m, w]).tolist(), [
    [1, 5, 6, 3],
    [2, 7, 8, 4],
  ]);
});

test('atleast1d, atleast2d and atleast3d take one tensor or several', () => {
  const s = tensor(1, { requiresGrad: true });
  const v = ones(2, { requiresGrad: true });
  assert.deepEqual(
    [atleast1d(s), atleast2d(s), atleast3d(s), atleast2d(v), atleast3d(v), atleast3d(ones(2, 3))].map((x) => x.shape),
    [[1], [1, 1], [1, 1, 1], [1, 2], [1, 2, 1], [2, 3, 1]],
  );
  assert.equal(atleast1d(v), v);
  assert.equal(atleast2d(s).gradFn?.name(), 'ViewBackward0');
  assert.equal(atleast3d(v).gradFn?.name(), 'UnsqueezeBackward0');
  assert.deepEqual(
    atleast1d(s, v).map((x) => x.shape),
    [[1], [2]],
  );
  assert.deepEqual(
    atleast2d([s]).map((x) => x.shape),
    [[1, 1]],
  );
});

test('broadcastTensors gives views of one shape', () => {
  const [a, b] = [counted(2, 1), counted(3)];
  const [x, y] = broadcastTensors(a, b);
  assert.deepEqual(
    [x.shape, y.shape, x.stride(), y.stride()],
    [
      [2, 3],
      [2, 3],
      [1, 0],
      [0, 1],
    ],
  );
  assert.ok(x.storage.shares(a.storage));
  assert.deepEqual(broadcastTensors([a])[0].shape, [2, 1]);
  assert.deepEqual(broadcastTensors(), []);
});

test('blockDiag', () => {
  const m = counted(2, 2).add(1).requiresGrad_();
  const v = tensor([5, 6], { requiresGrad: true });
  const s = tensor(7, { requiresGrad: true });
  const y = blockDiag(m, v, s);
  assert.equal(y.gradFn?.name(), 'BlockDiagBackward0');
  assert.deepEqual(y.tolist(), [
    [1, 2, 0, 0, 0],
    [3, 4, 0, 0, 0],
    [0, 0, 5, 6, 0],
    [0, 0, 0, 0, 7],
  ]);
  const [dm, dv, ds] = autograd.grad(y.mul(counted(4, 5)).sum(), [m, v, s]);
  assert.deepEqual(dm.tolist(), [
    [0, 1],
    [5, 6],
  ]);
  assert.deepEqual([dv.tolist(), ds.item()], [[12, 13], 19]);
  assert.deepEqual(
    [blockDiag().shape, blockDiag([v]).shape],
    [
      [1, 0],
      [1, 2],
    ],
  );
});

describe('grids', () => {
  const [a, b] = [tensor([1, 2, 3], { requiresGrad: true }), tensor([4, 5])];
  test('meshgrid, down the rows or along the columns', () => {
    const [x, y] = meshgrid(a, b);
    assert.deepEqual(x.tolist(), [
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
    assert.deepEqual(y.tolist(), [
      [4, 5],
      [4, 5],
      [4, 5],
    ]);
    assert.equal(x.gradFn?.name(), 'ExpandBackward0');
    assert.ok(x.storage.shares(a.storage));
    const [u, v] = meshgrid([a, b], { indexing: 'xy' });
    assert.deepEqual([u.tolist(), v.tolist()], [x.t().tolist(), y.t().tolist()]);
    assert.deepEqual(
      meshgrid(a, tensor(1), b, { indexing: 'xy' }).map((g) => g.shape),
      [
        [1, 3, 2],
        [1, 3, 2],
        [1, 3, 2],
      ],
    );
  });
  test('cartesianProd and combinations', () => {
    assert.deepEqual(cartesianProd(b, tensor([6, 7])).tolist(), [
      [4, 6],
      [4, 7],
      [5, 6],
      [5, 7],
    ]);
    assert.equal(cartesianProd(b), b);
    const pairs = combinations(a);
    assert.equal(pairs.gradFn?.name(), 'IndexBackward0');
    assert.deepEqual(pairs.tolist(), [
      [1, 2],
      [1, 3],
      [2, 3],
    ]);
    assert.deepEqual(autograd.grad(pairs.mul(counted(3, 2)).sum(), a)[0].tolist(), [2, 5, 8]);
    assert.deepEqual(combinations(b, { withReplacement: true }).tolist(), [
      [4, 4],
      [4, 5],
      [5, 5],
    ]);
    assert.deepEqual(
      [combinations(b, 1).tolist(), combinations(b, 0).shape, combinations(b, 3).shape],
      [[[4], [5]], [0], [0, 3]],
    );
  });
});

describe('errors', () => {
  const x = counted(2, 3, 4);
  const [m, v, s] = [counted(3, 4), counted(4), tensor(1)];
  const cases: [call: () => unknown, code: AdjointError['code'], message: RegExp][] = [
    [() => cat([]), 'argument', /^cat\(\) expects a non-empty TensorList/],
    // @ts-expect-error
    [() => cat(x), 'argument', /^cat\(\): expected an array of Tensors, got a Tensor/],
    // @ts-expect-error
    [() => cat([x, 3]), 'argument', /^cat\(\): expected a Tensor at position 1, got 3/],
    [() => cat([x, m]), 'shape', /^Tensors must have same number of dimensions: got 3 and 2/],
    [
      () => cat([x, zeros(2, 2, 4)]),
      'shape',
      /^Sizes of tensors must match except in dimension 0\. Expected size 3 but got size 2 for tensor number 1 in the list/,
    ],
    [() => cat([s, s]), 'shape', /^zero-dimensional tensor \(at position 0\) cannot be concatenated/],
    [() => cat([x, zeros(0, 1)]), 'shape', /^Tensors must have same number of dimensions/],
    [() => cat([x, x], 3), 'index', /^Dimension out of range/],
    [() => stack([]), 'argument', /^stack expects a non-empty TensorList/],
    [
      () => stack([x, m]),
      'shape',
      /^stack expects each tensor to be equal size, but got \[2, 3, 4\] at entry 0 and \[3, 4\] at entry 1/,
    ],
    [() => stack([x, x], 4), 'index', /^Dimension out of range \(expected to be in range of \[-4, 3\], but got 4\)/],
    [() => hstack([]), 'argument', /^hstack expects a non-empty TensorList/],
    [() => hstack([v, m]), 'shape', /^Tensors must have same number of dimensions: got 1 and 2/],
    [() => broadcastTensors(v, zeros(3)), 'shape', /^The size of tensor a \(4\) must match the size of tensor b \(3\)/],
    [
      () => blockDiag(x),
      'shape',
      /^blockDiag: Input tensors must have 2 or fewer dimensions\. Input 0 has 3 dimensions/,
    ],
    [() => meshgrid(m, v), 'shape', /^meshgrid: Expected 0D or 1D tensor in the tensor list/],
    [() => meshgrid(v, v.to('float64')), 'dtype', /^meshgrid expects all tensors to have the same dtype/],
    [() => meshgrid(), 'argument', /^meshgrid expects a non-empty TensorList/],
    [
      // @ts-expect-error
      () => meshgrid(v, { indexing: 'zz' }),
      'argument',
      /^meshgrid: indexing must be one of "xy" or "ij", but received: "zz"/,
    ],
    // @ts-expect-error
    [() => meshgrid(v, { index: 'ij' }), 'argument', /^meshgrid: unknown option "index"; known are "indexing"/],
    [() => cartesianProd(m), 'shape', /^Expect a 1D vector, but got shape \[3, 4\]/],
    [() => cartesianProd(), 'argument', /^meshgrid expects a non-empty TensorList/],
    [() => combinations(m), 'shape', /^Expect a 1D vector, but got shape \[3, 4\]/],
    [() => combinations(v, -1), 'argument', /must not be negative, got -1/],
  ];
  for (const [call, code, message] of cases) {
    test(String(call).replace(/^\(\) => /, ''), () => {
      assert.throws(call, (error: unknown) => {
        assert.ok(error instanceof AdjointError, String(error));
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      });
    });
  }
});
