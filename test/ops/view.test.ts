/** Views: their node names, geometry, argument forms, errors and gradients where elements overlap, all as PyTorch has them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AdjointError } from '../../src/errors.ts';
import * as adjoint from '../../src/index.ts';
import { arange, autograd, noGrad, ones, Tensor, tensor, zeros } from '../../src/index.ts';
import { slice } from '../../src/ops/view/part.ts';

/** The numbers from 0 on, in float32. */
const counted = (...shape: number[]): Tensor =>
  arange(
    shape.reduce((a, b) => a * b, 1),
    { dtype: 'float32' },
  ).view(shape);

const first = (result: Tensor | Tensor[]): Tensor => (result instanceof Tensor ? result : result[0]);
const shares = (a: Tensor, b: Tensor): boolean => a.storage.shares(b.storage);

describe('views', () => {
  /** The call, PyTorch's name of the node, and the shape, strides and offset of the (first) result. */
  const facts: [
    call: (x: Tensor) => Tensor | Tensor[],
    name: string,
    shape: number[],
    strides: number[],
    at?: number,
  ][] = [
    [(x) => x.view(6, 4), 'ViewBackward0', [6, 4], [4, 1]],
    [(x) => x.view(2, 3, 4), 'ViewBackward0', [2, 3, 4], [12, 4, 1]],
    [(x) => x.viewAs(zeros(6, 4)), 'ViewBackward0', [6, 4], [4, 1]],
    [(x) => x.reshape(6, -1), 'ViewBackward0', [6, 4], [4, 1]],
    [(x) => x.mT.reshape(2, 4, 3), 'ReshapeAliasBackward0', [2, 4, 3], [12, 1, 4]],
    [(x) => x.reshapeAs(zeros(4, 6)), 'ViewBackward0', [4, 6], [6, 1]],
    [(x) => x.ravel(), 'ViewBackward0', [24], [1]],
    [(x) => x.flatten(), 'ViewBackward0', [24], [1]],
    [(x) => x.flatten(1), 'ViewBackward0', [2, 12], [12, 1]],
    [(x) => x.unflatten(1, [3, 1]), 'ViewBackward0', [2, 3, 1, 4], [12, 4, 4, 1]],
    [(x) => x.permute(1, 0, 2), 'PermuteBackward0', [3, 2, 4], [4, 12, 1]],
    [(x) => x.transpose(0, 1), 'TransposeBackward0', [3, 2, 4], [4, 12, 1]],
    [(x) => x.swapaxes(0, -1), 'TransposeBackward0', [4, 3, 2], [1, 4, 12]],
    [(x) => x.swapdims(1, 1), 'TransposeBackward0', [2, 3, 4], [12, 4, 1]],
    [(x) => x.T, 'PermuteBackward0', [4, 3, 2], [1, 4, 12]],
    [(x) => x.mT, 'TransposeBackward0', [2, 4, 3], [12, 1, 4]],
    [(x) => x.mH, 'TransposeBackward0', [2, 4, 3], [12, 1, 4]],
    [(x) => x.adjoint(), 'TransposeBackward0', [2, 4, 3], [12, 1, 4]],
    [(x) => x.select(0, 1).H, 'TransposeBackward0', [4, 3], [1, 4], 12],
    [(x) => x.select(0, 1).t(), 'TBackward0', [4, 3], [1, 4], 12],
    [(x) => x.movedim(0, 2), 'PermuteBackward0', [3, 4, 2], [4, 1, 12]],
    [(x) => x.moveaxis([0, 1], [1, 2]), 'PermuteBackward0', [4, 2, 3], [1, 12, 4]],
    [(x) => x.squeeze(), 'SqueezeBackward0', [2, 3, 4], [12, 4, 1]],
    [(x) => x.squeeze(0), 'SqueezeBackward1', [2, 3, 4], [12, 4, 1]],
    [(x) => x.narrow(1, 2, 1).squeeze([0, 1]), 'SqueezeBackward2', [2, 4], [12, 1], 8],
    [(x) => x.unsqueeze(0), 'UnsqueezeBackward0', [1, 2, 3, 4], [24, 12, 4, 1]],
    [(x) => x.unsqueeze(-1), 'UnsqueezeBackward0', [2, 3, 4, 1], [12, 4, 1, 1]],
    [(x) => x.expand(5, -1, 3, 4), 'ExpandBackward0', [5, 2, 3, 4], [0, 12, 4, 1]],
    [(x) => x.expand(1, 2, 3, 4), 'ExpandBackward0', [1, 2, 3, 4], [24, 12, 4, 1]],
    [(x) => x.narrow(1, 2, 1).expandAs(x), 'ExpandBackward0', [2, 3, 4], [12, 0, 1], 8],
    [(x) => x.broadcastTo([1, 2, 3, 4]), 'ExpandBackward0', [1, 2, 3, 4], [24, 12, 4, 1]],
    [(x) => x.select(1, -1), 'SelectBackward0', [2, 4], [12, 1], 8],
    [(x) => slice(x, 2, 1, null, 2), 'SliceBackward0', [2, 3, 2], [12, 4, 2], 1],
    [(x) => x.narrow(1, tensor(1, { dtype: 'int64' }), 2), 'SliceBackward0', [2, 2, 4], [12, 4, 1], 4],
    [(x) => x.diagonal(), 'DiagonalBackward0', [4, 2], [1, 16]],
    [(x) => x.diagonal(-1, 1, 2), 'DiagonalBackward0', [2, 2], [12, 5], 4],
    [(x) => x.diagonal(10), 'DiagonalBackward0', [4, 0], [1, 16]],
    [(x) => x.unbind(), 'UnbindBackward0', [3, 4], [4, 1]],
    [(x) => x.split(1), 'SplitBackward0', [1, 3, 4], [12, 4, 1]],
    [(x) => x.split([1, 2], 1), 'SplitWithSizesBackward0', [2, 1, 4], [12, 4, 1]],
    [(x) => x.splitWithSizes([1, 2], 1), 'SplitWithSizesBackward0', [2, 1, 4], [12, 4, 1]],
    [(x) => x.chunk(2, 1), 'SplitBackward0', [2, 2, 4], [12, 4, 1]],
    [(x) => x.tensorSplit(2, 1), 'SliceBackward0', [2, 2, 4], [12, 4, 1]],
    [(x) => x.hsplit(3), 'SliceBackward0', [2, 1, 4], [12, 4, 1]],
    [(x) => x.vsplit([1]), 'SliceBackward0', [1, 3, 4], [12, 4, 1]],
    [(x) => x.dsplit(2), 'SliceBackward0', [2, 3, 2], [12, 4, 1]],
    [(x) => x.unfold(1, 2, 1), 'UnfoldBackward0', [2, 2, 4, 2], [12, 4, 1, 4]],
    [(x) => x.asStrided([2, 2], [1, 1], 3), 'AsStridedBackward0', [2, 2], [1, 1], 3],
  ];
  for (const [call, name, shape, strides, at = 0] of facts) {
    test(`${String(call).replace(/^\(x\) => /, '')}: ${name}`, () => {
      const x = counted(2, 3, 4).requiresGrad_();
      const view = first(call(x));
      assert.equal(view.gradFn?.name(), name);
      assert.deepEqual([view.shape, view.stride(), view.storageOffset()], [shape, strides, at]);
      assert.ok(shares(view, x), 'it has the memory of its base');
    });
  }

  test('of a scalar', () => {
    const s = tensor(7, { requiresGrad: true });
    const names = [s.t(), s.T, s.mT, s.transpose(0, -1), s.unsqueeze(0), s.flatten(), s.ravel(), s.unfold(0, 1, 1)].map(
      (view) => [view.gradFn?.name(), view.shape.length, view.tolist()],
    );
    assert.deepEqual(names, [
      ['TBackward0', 0, 7],
      ['PermuteBackward0', 0, 7],
      ['PermuteBackward0', 0, 7],
      ['TransposeBackward0', 0, 7],
      ['UnsqueezeBackward0', 1, [7]],
      ['ViewBackward0', 1, [7]],
      ['ViewBackward0', 1, [7]],
      ['UnfoldBackward0', 1, [7]],
    ]);
    assert.deepEqual(s.expand(1).stride(), [0], 'as PyTorch expands a scalar');
  });

  test('what changes nothing is the tensor itself', () => {
    const x = counted(2, 3);
    for (const same of [
      x.flatten(1, 1),
      x.contiguous(),
      x.real,
      x.conj(),
      x.resolveNeg(),
      x.positive(),
      counted(3).flatten(),
    ])
      assert.equal(same.gradFn, null);
    assert.equal(x.flatten(1, 1), x);
    assert.equal(x.contiguous(), x);
    assert.equal(x.real, x);
  });

  test('reshape copies where no view can be, and the copy is no view', () => {
    const x = counted(2, 3).requiresGrad_();
    const y = x.t().reshape(6);
    assert.deepEqual(y.tolist(), [0, 3, 1, 4, 2, 5]);
    assert.equal(y.gradFn?.name(), 'UnsafeViewBackward0');
    assert.equal(y.gradFn?.nextFunctions[0][0]?.name(), 'CloneBackward0');
    assert.ok(!shares(x, y));
    y.mul_(2);
    assert.equal(y.gradFn?.name(), 'MulBackward0', 'not CopySlices');
  });

  test('contiguous and ravel copy what is not in row-major order', () => {
    const x = counted(2, 3).t();
    assert.ok(!shares(x, x.contiguous()));
    assert.deepEqual(x.contiguous().stride(), [2, 1]);
    assert.deepEqual(x.ravel().tolist(), [0, 3, 1, 4, 2, 5]);
  });

  test('of every dtype', () => {
    for (const dtype of ['int64', 'int32', 'int16', 'int8', 'uint8', 'bool', 'float32', 'float64'] as const) {
      for (const size of [3, 30]) {
        const x = arange(size, { dtype: 'int64' }).remainder(2).to(dtype);
        const y = x.view(3, -1).t().select(1, 2);
        assert.equal(y.dtype, dtype);
        assert.deepEqual(y.tolist(), (x.tolist() as number[]).slice((2 * size) / 3));
      }
    }
  });
});

describe('argument forms', () => {
  const x = counted(2, 3, 4);
  const same = (...results: Tensor[]): void => {
    for (const r of results) assert.deepEqual([r.shape, r.tolist()], [results[0].shape, results[0].tolist()]);
  };
  test('sizes and dimensions one by one, in an array, by name', () => {
    same(
      x.view(4, 6),
      x.view([4, 6]),
      x.view({ size: [4, 6] }),
      adjoint.reshape(x, 4, 6),
      x.reshape({ shape: [4, 6] }),
    );
    same(x.permute(2, 0, 1), x.permute([2, 0, 1]), x.permute({ dims: [-1, 0, 1] }), adjoint.permute(x, 2, 0, 1));
    same(x.expand(2, 2, 3, 4), x.expand([2, 2, 3, 4]), x.broadcastTo({ size: [2, 2, 3, 4] }));
    same(tensor(1).view(), tensor(1).view([]), tensor(1).permute([]), tensor(1).expand([]));
  });
  test('parameters by name', () => {
    same(x.select(1, 2), x.select({ dim: 1, index: 2 }), x.select(1, { index: 2 }), adjoint.select(x, 1, 2));
    same(x.flatten(1, -1), x.flatten({ startDim: 1 }), x.flatten({ startDim: 1, endDim: 2 }));
    same(x.diagonal(1, 1, 2), x.diagonal({ offset: 1, dim1: 1, dim2: 2 }), x.diagonal(1, { dim1: 1, dim2: 2 }));
    same(x.transpose(0, 2), x.transpose({ dim0: 0, dim1: 2 }));
  });
  test('an unknown name is an error', () => {
    // @ts-expect-error
    assert.throws(() => x.select({ dim: 1, idx: 2 }), /select: unknown option "idx"; known are "dim", "index"/);
    // @ts-expect-error
    assert.throws(() => x.permute({ dim: [1] }), /permute: unknown option "dim"; known are "dims"/);
  });
});

describe('parts', () => {
  test('split, chunk and tensorSplit cut where PyTorch does', () => {
    const sizes = (parts: Tensor[]): number[] => parts.map((part) => part.shape[0]);
    assert.deepEqual(sizes(counted(5).split(2)), [2, 2, 1]);
    assert.deepEqual(sizes(counted(5).split([0, 4, 1])), [0, 4, 1]);
    assert.deepEqual(sizes(zeros(0).split(0)), [0]);
    assert.deepEqual(sizes(zeros(0).split(3)), [0]);
    assert.deepEqual(sizes(counted(5).chunk(4)), [2, 2, 1], 'fewer than asked for');
    assert.deepEqual(sizes(zeros(0).chunk(3)), [0, 0, 0]);
    assert.deepEqual(sizes(counted(7).tensorSplit(3)), [3, 2, 2]);
    assert.deepEqual(sizes(counted(2).tensorSplit(3)), [1, 1, 0]);
    assert.deepEqual(sizes(counted(5).tensorSplit([1, 3])), [1, 2, 2]);
    assert.deepEqual(sizes(counted(5).tensorSplit([4, 1, 9])), [4, 0, 4, 0], 'bounds as those of slices');
    assert.deepEqual(sizes(counted(5).tensorSplit([-1])), [4, 1]);
    assert.deepEqual(sizes(counted(5).tensorSplit([])), [5]);
    assert.deepEqual(sizes(counted(5).tensorSplit(tensor([2], { dtype: 'int64' }))), [2, 3]);
    assert.deepEqual(sizes(counted(6).tensorSplit(tensor(2, { dtype: 'int64' }))), [3, 3]);
  });

  test('a gradient comes through the parts that are used, zeros elsewhere', () => {
    const x = counted(5).requiresGrad_();
    const [, b] = x.split(2);
    const [, , c] = x.unbind();
    assert.deepEqual(autograd.grad(b.sum().add(c.mul(10)), x)[0].tolist(), [0, 0, 11, 1, 0]);
  });

  test('slices clamp their bounds and count from the end', () => {
    const x = counted(5);
    const cut = (...bounds: [start: number | null, end: number | null, step?: number]) =>
      slice(x, 0, ...bounds).tolist();
    assert.deepEqual(cut(1, 3), [1, 2]);
    assert.deepEqual(cut(-2, null), [3, 4]);
    assert.deepEqual(cut(-9, 9, 2), [0, 2, 4]);
    assert.deepEqual(cut(3, 1), []);
    assert.deepEqual(cut(null, -1, 3), [0, 3]);
  });

  test('the scatters replace a part of a copy', () => {
    const x = zeros(2, 3, { requiresGrad: true });
    const row = tensor([1, 2, 3], { requiresGrad: true });
    const y = x.selectScatter(row, 0, 1);
    assert.equal(y.gradFn?.name(), 'SelectScatterBackward0');
    assert.deepEqual(y.tolist(), [
      [0, 0, 0],
      [1, 2, 3],
    ]);
    assert.deepEqual(x.tolist(), zeros(2, 3).tolist());
    const [dx, drow] = autograd.grad(y.mul(counted(2, 3)).sum(), [x, row]);
    assert.deepEqual(dx.tolist(), [
      [0, 1, 2],
      [0, 0, 0],
    ]);
    assert.deepEqual(drow.tolist(), [3, 4, 5]);
    assert.deepEqual(x.sliceScatter(ones(2, 1), 1, 2).select(1, 2).tolist(), [1, 1]);
    assert.deepEqual(x.diagonalScatter(ones(2), 1).tolist(), [
      [0, 1, 0],
      [0, 0, 1],
    ]);
  });
});

describe('overlapping elements', () => {
  /** PyTorch's gradient of <view, 1 2 3 ...>. */
  const cases: [what: string, base: number[], view: (x: Tensor) => Tensor, gradient: number[]][] = [
    ['asStrided that reads elements twice', [3, 3], (x) => x.asStrided([3, 3], [1, 2]), [1, 4, 9, 5, 11, 6, 9, 0, 0]],
    [
      'asStrided with a stride of 0',
      [3, 3],
      (x) => x.asStrided([2, 3, 2], [0, 1, 3], 1),
      [0, 8, 12, 16, 10, 14, 18, 0, 0],
    ],
    ['asStrided of a transpose', [3, 3], (x) => x.t().asStrided([2, 2], [1, 2], 1), [0, 1, 3, 2, 4, 0, 0, 0, 0]],
    ['asStrided of an expanded tensor', [3], (x) => x.expand(2, 3).asStrided([2, 2], [1, 1]), [1, 5, 4]],
    ['asStrided that repeats an expansion', [3], (x) => x.expand(2, 3).asStrided([2, 3], [0, 1]), [5, 7, 9]],
    ['asStrided of windows', [6], (x) => x.unfold(0, 3, 1).asStrided([5], [1], 1), [0, 1, 2, 3, 4, 5]],
    [
      'asStrided beyond what its operand sees',
      [3, 3],
      (x) => x.narrow(0, 1, 2).narrow(1, 1, 2).asStrided([2, 2], [1, 1], 3),
      [0, 0, 0, 0, 5, 4, 0, 0, 0],
    ],
    ['unfold with steps of 1', [5], (x) => x.unfold(0, 3, 1), [1, 6, 15, 14, 9]],
    ['unfold with steps of 2', [5], (x) => x.unfold(0, 3, 2), [1, 2, 7, 5, 6]],
    ['unfold without overlap', [5], (x) => x.unfold(0, 2, 2), [1, 2, 3, 4, 0]],
  ];
  for (const [what, shape, view, gradient] of cases) {
    test(`${what}: gradients add up`, () => {
      const x = counted(...shape).requiresGrad_();
      const y = view(x);
      const weights = counted(...y.shape)
        .add(1)
        .requiresGrad_();
      const [g] = autograd.grad(y.mul(weights).sum(), x, { createGraph: true });
      assert.deepEqual(g.flatten().tolist(), gradient);
      // the gradient is linear in the weights, and its derivative is the view again
      const [again] = autograd.grad(g.mul(x.detach()).sum(), weights);
      if (what !== 'asStrided beyond what its operand sees') assert.deepEqual(again.tolist(), view(x).tolist());
    });
  }

  test('an expanded tensor takes only what is one value', () => {
    const x = zeros(1, 2).expand(3, 2);
    const refused = {
      code: 'inplace',
      message:
        /^unsupported operation: more than one element of the written-to tensor refers to a single memory location/,
    };
    assert.throws(() => x.add_(1), refused);
    assert.throws(() => x.copy_(ones(3, 2)), refused);
    assert.throws(() => x.fill_(tensor(1)).add_(1), refused);
    assert.deepEqual(x.tolist(), ones(3, 2).tolist());
    assert.deepEqual(x.zero_().tolist(), zeros(3, 2).tolist());
    x.select(0, 1).add_(1);
    assert.deepEqual(x.tolist(), ones(3, 2).tolist());
    assert.deepEqual(zeros(1, 0).expand(3, 0).add_(1).shape, [3, 0]);
  });
});

describe('one of several views', () => {
  const base = (): Tensor => zeros(3, 3, { requiresGrad: true }).clone();
  test('is not written to where that is recorded', () => {
    assert.throws(() => base().unbind()[1].add_(1), {
      code: 'inplace',
      message:
        /^Output 1 of UnbindBackward0 is a view and is being modified inplace\. This view is the output of a function that/,
    });
    assert.throws(
      () => base().split([1, 2])[1].add_(1),
      /^AdjointError: Output 1 of SplitWithSizesBackward0 is a view/,
    );
    assert.throws(
      () => base().unbind()[1].select(0, 0).add_(1),
      /^AdjointError: Output 0 of SelectBackward0 is a view/,
    );
    const written = noGrad(() => base().unbind()[1].add_(1));
    assert.deepEqual(written.tolist(), [1, 1, 1]);
  });
  test('has no history after a write to its base', () => {
    const x = base();
    const [, row] = x.unbind();
    x.add_(1);
    assert.deepEqual(row.tolist(), [1, 1, 1]);
    assert.throws(
      () => row.mul(2),
      /^AdjointError: Output 1 of UnbindBackward0 is a view and its base or another view of its base/,
    );
  });
});

test('a view that was taken unrecorded is a leaf', () => {
  const x = zeros(3, 3, { requiresGrad: true });
  const row = noGrad(() => x.select(0, 1));
  assert.deepEqual([row.requiresGrad, row.isLeaf, row.gradFn], [true, true, null]);
  row.mul(2).sum().backward();
  assert.deepEqual(row.grad?.tolist(), [2, 2, 2]);
  assert.equal(x.grad, null);
  assert.throws(
    () => row.add_(1),
    /^AdjointError: A view was created in noGrad mode and is being modified inplace with grad mode/,
  );
});

describe('errors', () => {
  const x = counted(2, 3, 4);
  const m = counted(3, 4);
  const v = counted(4);
  const s = tensor(1);
  const cases: [call: () => unknown, code: AdjointError['code'], message: RegExp][] = [
    [() => x.view(5, 5), 'shape', /^shape '\[5, 5\]' is invalid for input of size 24/],
    [() => x.view(-1, -1), 'shape', /^only one dimension can be inferred/],
    [() => x.view(-1, 5), 'shape', /^shape '\[-1, 5\]' is invalid for input of size 24/],
    [() => x.view(2, -3), 'argument', /must not be negative, got -3/],
    [() => x.view(Number.NaN), 'argument', /must be a whole number, got NaN/],
    [() => x.mT.view(24), 'shape', /^view size is not compatible with input tensor's size and stride .* Use reshape/],
    [() => zeros(0, 3).view(-1, 0), 'shape', /^cannot reshape tensor of 0 elements into shape \[-1, 0\]/],
    [() => x.reshape(5, 5), 'shape', /^shape '\[5, 5\]' is invalid for input of size 24/],
    [() => x.permute(0, 1), 'shape', /input\.dim\(\) = 3 is not equal to len\(dims\) = 2/],
    [() => x.permute(0, 0, 1), 'argument', /^permute\(\): duplicate dims are not allowed/],
    [() => x.permute(0, 1, 3), 'index', /^Dimension out of range \(expected to be in range of \[-3, 2\], but got 3\)/],
    [() => x.transpose(0, 3), 'index', /^Dimension out of range \(expected to be in range of \[-3, 2\], but got 3\)/],
    [() => x.t(), 'shape', /^t\(\) expects a tensor with <= 2 dimensions, but self is 3D/],
    [() => v.mT, 'shape', /^tensor\.mT is only supported on matrices or batches of matrices\. Got 1-D tensor/],
    [() => v.adjoint(), 'shape', /^tensor\.mH is only supported on matrices or batches of matrices\. Got 1-D tensor/],
    [() => x.H, 'shape', /^tensor\.H is only supported on matrices \(2-D tensors\)\. Got 3-D tensor/],
    [() => x.movedim(0, [1, 2]), 'argument', /^movedim: Invalid source or destination dims/],
    [() => x.movedim([0, 0], [1, 2]), 'argument', /^movedim: repeated dim in `source` \(\[0, 0\]\)/],
    [() => x.movedim([0, 1], [2, 2]), 'argument', /^movedim: repeated dim in `destination` \(\[2, 2\]\)/],
    [
      () => x.expand(3),
      'shape',
      /number of sizes provided \(1\) must be greater or equal to the number of dimensions in the tensor \(3\)/,
    ],
    [
      () => x.expand(3, 3, 4),
      'shape',
      /^The expanded size of the tensor \(3\) must match the existing size \(2\) at non-singleton dimension 0\. {2}Target sizes: \[3, 3, 4\]\. {2}Tensor sizes: \[2, 3, 4\]/,
    ],
    [() => x.expand(-1, 2, 3, 4), 'shape', /\(-1\) isn't allowed in a leading, non-existing dimension 0/],
    [() => x.squeeze(5), 'index', /^Dimension out of range \(expected to be in range of \[-3, 2\], but got 5\)/],
    [() => x.squeeze([0, -3]), 'argument', /^dim 0 appears multiple times in the list of dims/],
    [() => x.unsqueeze(5), 'index', /^Dimension out of range \(expected to be in range of \[-4, 3\], but got 5\)/],
    [() => x.select(0, 2), 'index', /^select\(\): index 2 out of range for tensor of size \[2, 3, 4\] at dimension 0/],
    [() => s.select(0, 0), 'shape', /^select\(\) cannot be applied to a 0-dim tensor/],
    [() => x.narrow(0, 0, 3), 'index', /^start \(0\) \+ length \(3\) exceeds dimension size \(2\)/],
    [() => x.narrow(0, 3, 0), 'index', /^start out of range \(expected to be in range of \[-2, 2\], but got 3\)/],
    [() => x.narrow(0, 0, -1), 'argument', /^narrow\(\): length must not be negative, got -1/],
    [() => x.narrow(0, tensor([0], { dtype: 'int64' }), 1), 'argument', /start must be an 0-dim integral Tensor/],
    [() => slice(x, 0, 0, 1, 0), 'argument', /^slice step must be positive, got 0/],
    [() => x.diagonal(0, 1, -2), 'argument', /^diagonal dimensions cannot be identical 1, -2/],
    [() => x.flatten(2, 1), 'argument', /^flatten\(\) has invalid args: startDim cannot come after endDim/],
    [
      () => x.unflatten(1, [2, 2]),
      'shape',
      /^unflatten: Provided sizes \[2, 2\] don't multiply up to the size of dim 1 \(3\)/,
    ],
    [() => x.unflatten(1, []), 'shape', /^unflatten: sizes must be non-empty/],
    [() => x.unfold(0, 3, 1), 'shape', /^maximum size for tensor at dimension 0 is 2 but size is 3/],
    [() => x.unfold(0, 1, 0), 'argument', /^step is 0 but must be > 0/],
    [() => s.unbind(), 'index', /^Dimension specified as 0 but tensor has no dimensions/],
    [() => x.split(-1), 'argument', /^split expects splitSize be non-negative, but got splitSize=-1/],
    [() => x.split(0), 'argument', /^splitSize can only be 0 if dimension size is 0, but got dimension size of 2/],
    [() => x.split([1, 2]), 'shape', /expects splitSizes to sum exactly to 2 .* but got splitSizes=\[1, 2\]/],
    [() => x.split([3, -1]), 'argument', /expects splitSizes have only non-negative entries/],
    [() => x.chunk(0), 'argument', /^chunk expects `chunks` to be greater than 0, got: 0/],
    [() => s.chunk(1), 'shape', /^chunk expects at least a 1-dimensional tensor/],
    [() => x.tensorSplit(0), 'argument', /^number of sections must be larger than 0, got 0/],
    [() => x.tensorSplit(tensor(2)), 'dtype', /to have dtype int64, but got float32/],
    [
      () => x.tensorSplit(zeros(1, 1)),
      'shape',
      /to be a zero-dimensional or one-dimensional tensor, but got a tensor with 2 dims/,
    ],
    [
      () => v.hsplit(3),
      'shape',
      /^hsplit attempted to split along dimension 0, but the size of the dimension 4 is not divisible/,
    ],
    [
      () => v.vsplit(2),
      'shape',
      /^vsplit requires a tensor with at least 2 dimension, but got a tensor with 1 dimensions/,
    ],
    [() => m.dsplit(2), 'shape', /^dsplit requires a tensor with at least 3 dimension/],
    [() => x.asStrided([2, 2], [1]), 'shape', /mismatch in length of strides and shape/],
    [() => x.asStrided([2, 20], [1, 2]), 'index', /^setStorage: .* are out of bounds for storage of 24/],
    [() => x.asStrided([2], [-1]), 'argument', /Negative strides are not supported/],
    [() => x.asStrided([2], [1], -1), 'argument', /storage offset must not be negative, got -1/],
    [() => x.selectScatter(v, 0, 0), 'shape', /src size = \[4\], slice size = \[3, 4\]/],
    [() => zeros(2, { dtype: 'bool' }).positive(), 'dtype', /^The `\+` operator, on a bool tensor is not supported/],
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

test('a tensor is iterated along its first dimension', () => {
  const x = arange(6).view(3, 2);
  const [first, ...rest] = x;
  assert.deepEqual(
    [first, ...rest].map((row) => row.tolist()),
    [
      [0, 1],
      [2, 3],
      [4, 5],
    ],
  );
  for (const row of x) row.add_(10);
  assert.equal(x.sum().item(), 75);
  assert.throws(() => [...tensor(1)], /iteration over a 0-d tensor/);
});
