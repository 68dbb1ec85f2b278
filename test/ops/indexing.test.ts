/** Elements read and written by index: PyTorch's own results for many index expressions, node names, dtypes, views, errors. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { AdjointError } from '../../src/errors.ts';
import {
  arange,
  autograd,
  ellipsis,
  gather,
  type IndexItem,
  ones,
  scatter,
  slice,
  type Tensor,
  tensor,
  where,
  zeros,
} from '../../src/index.ts';

type EncodedItem = null | boolean | number | string | EncodedItem[] | Fields;
interface Fields {
  slice?: [start: number | null, stop: number | null, step: number | null];
  tensor?: 'int64' | 'int32' | 'bool' | 'float32';
  shape?: number[];
  data?: (number | boolean)[];
}
interface Case {
  shape: number[];
  items: EncodedItem[];
  error?: string;
  picked?: { shape: number[]; data: number[] };
  view?: boolean;
  grad?: number[];
  put?: number[] | null;
}

const { cases }: { cases: Case[] } = JSON.parse(readFileSync('test/conformance/index-expressions.json', 'utf8'));

function decode(item: EncodedItem): IndexItem {
  if (item === '...') return ellipsis;
  if (item === null || typeof item !== 'object' || Array.isArray(item)) return item as IndexItem;
  if (item.slice) return slice(...item.slice);
  return tensor(item.data as number[], { dtype: item.tensor }).reshape(item.shape as number[]);
}

/** Messages of PyTorch's that say less than ours or speak of Python. */
const reworded = [
  'slice step cannot be zero',
  'tensors used as indices',
  'index is out of bounds for dimension with size 0',
  'too many indices for tensor of dimension 0',
];

const ramp = (shape: readonly number[]): Tensor =>
  arange(
    shape.reduce((a, b) => a * b, 1),
    { dtype: 'float32' },
  ).reshape(shape);
const flat = (x: Tensor): number[] => [...x.toTypedArray()].map(Number);
const ints = (data: number | number[] | number[][]): Tensor => tensor(data, { dtype: 'int64' });

/** Reads, differentiates and writes as one case says. */
function check({ shape, items, error, picked, view, grad, put }: Case): void {
  const x = ramp(shape);
  if (error !== undefined) {
    assert.throws(
      () => x.index(...items.map(decode)),
      (thrown) => {
        assert.ok(thrown instanceof AdjointError);
        // what a mask or an index tensor is compared with depends on whether views were taken before
        const start = error.match(/^(The shape of the mask|index -?\d+ is out of bounds)/)?.[0] ?? error;
        if (!reworded.some((text) => error.startsWith(text)))
          assert.ok(thrown.message.startsWith(start), thrown.message);
        return true;
      },
    );
    assert.throws(() => x.indexPut_(items.map(decode), 1), AdjointError);
    assert.deepEqual(flat(x), flat(ramp(shape)));
    return;
  }
  const index = items.map(decode);
  const result = x.index(...index);
  assert.deepEqual(result.shape, picked?.shape);
  assert.deepEqual(flat(result), picked?.data);
  assert.equal(result.storage === x.storage, view, 'whether it is a view');

  const weights = ramp(result.shape).add(1);
  const leaf = ramp(shape).requiresGrad_();
  const [g] = autograd.grad(
    leaf
      .index(...index)
      .mul(weights)
      .sum(),
    leaf,
  );
  assert.deepEqual(flat(g), grad);

  if (!put) return;
  const written = ramp(shape);
  assert.equal(written.indexPut_(index, weights.neg()), written);
  assert.deepEqual(flat(written), put);
  assert.deepEqual(flat(ramp(shape).indexPut(index, weights.neg())), put);
  assert.deepEqual(
    flat(ramp(shape).indexPut_(index, weights.neg(), true)),
    flat(x).map((v, k) => v - flat(g)[k]),
  );
}

test(`${cases.length} index expressions give what PyTorch gives`, () => {
  for (const [i, sample] of cases.entries()) {
    try {
      check(sample);
    } catch (cause) {
      const text = JSON.stringify(sample.items).slice(1, -1);
      throw new Error(`case ${i}: x[${text}] of shape [${sample.shape}]: ${(cause as Error).message}`, { cause });
    }
  }
});

const named = (x: Tensor): string => String(x.gradFn);
const matrix = (): Tensor => ramp([3, 4]);

describe('views and copies', () => {
  test('a write through what x.index gives is a write to x, unless an index tensor was among the items', () => {
    const x = matrix();
    x.index(1).fill_(-1);
    x.index(slice(), 0).zero_();
    x.index(slice(2), slice(null, null, 2)).mul_(10);
    x.index([0, 0]).fill_(77);
    assert.deepEqual(x.tolist(), [
      [0, 1, 2, 3],
      [0, -1, -1, -1],
      [0, 9, 100, 11],
    ]);
  });

  test('x.index() and x.index(ellipsis) are new tensors over the same memory', () => {
    const x = matrix();
    for (const all of [x.index(), x.index(ellipsis)]) {
      assert.notEqual(all, x);
      assert.equal(all.storage, x.storage);
    }
  });

  test('gradients flow through writes to parts', () => {
    const x = matrix().requiresGrad_();
    const v = tensor([1, 2], { requiresGrad: true });
    const y = x.mul(1);
    y.indexPut_([1, slice(1, 3)], v);
    y.indexPut_([[0, 2], [3, 3]], 5); // biome-ignore format: two index arrays
    y.index_([y.detach().gt(10)], v.index(0));
    const [dx, dv] = autograd.grad(y.mul(ramp([3, 4]).add(1)).sum(), [x, v]);
    assert.deepEqual(dx.tolist(), [
      [1, 2, 3, 0],
      [5, 0, 0, 8],
      [9, 10, 11, 0],
    ]);
    assert.deepEqual(dv.tolist(), [6, 7]);
  });

  test('the gradient of values broadcast, cast, or with leading dimensions of size 1', () => {
    const v = tensor([[[1, 2, 3, 4]]], { dtype: 'float64', requiresGrad: true });
    const y = matrix().indexPut([[0, 2]], v);
    assert.equal(y.dtype, 'float32');
    assert.deepEqual(y.index(2).tolist(), [1, 2, 3, 4]);
    const [g] = autograd.grad(y.mul(matrix()).sum(), v);
    assert.equal(g.dtype, 'float64');
    assert.deepEqual(g.tolist(), [[[8, 10, 12, 14]]]);
  });

  test('what is written may come from the tensor itself', () => {
    const x = arange(5);
    x.indexPut_([slice(1)], x.index(slice(null, -1)));
    assert.deepEqual(x.tolist(), [0, 0, 1, 2, 3]);
    const order = ints([4, 3, 2, 1, 0]);
    assert.deepEqual(x.indexPut_([order], x).tolist(), [3, 2, 1, 0, 0]);
    assert.deepEqual(order.indexPut_([order], order).tolist(), [0, 1, 2, 3, 4]);
    assert.deepEqual(x.scatter_(0, x, x).tolist(), [0, 1, 2, 3, 0]);
  });
});

describe('nodes', () => {
  const x = (): Tensor => matrix().requiresGrad_();
  const row = ints([[1, 0, 2, 1]]);
  const names: { readonly [name: string]: () => Tensor } = {
    AliasBackward0: () => x().index(),
    SelectBackward0: () => x().index(1),
    SliceBackward0: () => x().index(slice(1)),
    UnsqueezeBackward0: () => x().index(null),
    IndexBackward0: () => x().index([1, 1]),
    IndexPutBackward0: () => x().indexPut([[1]], 0),
    CopySlices: () => x().mul(1).indexPut_([1], 0),
    GatherBackward0: () => x().gather(0, row),
    ScatterBackward0: () => x().scatter(0, row, x()),
    ScatterBackward1: () => x().scatter(0, row, 1),
    ScatterAddBackward0: () => x().scatterAdd(0, row, x()),
    ScatterReduceBackward0: () => x().scatterReduce(0, row, x(), 'mean'),
    IndexSelectBackward0: () => x().indexSelect(0, ints([1])),
    IndexAddBackward0: () => x().indexAdd(0, ints([1]), ones(1, 4)),
    IndexCopyBackward0: () => x().indexCopy(0, ints([1]), ones(1, 4)),
    IndexFillBackward0: () => x().indexFill(0, ints([1]), 2),
    IndexFillBackward1: () => x().indexFill(0, ints([1]), tensor(2)),
    IndexReduceBackward0: () => x().indexReduce(0, ints([1]), ones(1, 4), 'prod'),
    TakeBackward0: () => x().take(ints([1])),
    PutBackward0: () => x().put(ints([1]), ones(1)),
    MaskedSelectBackward0: () => x().maskedSelect(x().gt(1)),
    MaskedScatterBackward0: () => x().maskedScatter(x().gt(1), x()),
    WhereBackward0: () => where(x().gt(1), x(), 0),
  };
  for (const [name, make] of Object.entries(names)) {
    test(name, () => assert.equal(named(make()), `<${name}>`));
  }

  test('an index that is written to before the backward is an error', () => {
    const index = ints([0, 1]);
    const y = x().index(index);
    index.zero_();
    assert.throws(() => y.sum().backward(), { code: 'inplace', message: /modified by an inplace operation/ });
  });
});

describe('functions, methods and names of arguments', () => {
  const index = ints([[0, 1, 2, 0]]);
  test('the same call in every form', () => {
    const x = matrix();
    const expected = [[0, 5, 10, 3]];
    assert.deepEqual(gather(x, 0, index).tolist(), expected);
    assert.deepEqual(x.gather({ dim: 0, index }).tolist(), expected);
    assert.deepEqual(x.gather(-2, { index }).tolist(), expected);
    assert.deepEqual(scatter(x, 0, index, 9, { reduce: 'add' }).tolist(), x.scatter(0, index, 9, 'add').tolist());
    assert.deepEqual(x.takeAlongDim(ints([[1]]), 0).tolist(), [[4, 5, 6, 7]]);
    assert.deepEqual(x.takeAlongDim(ints([11, -12])).tolist(), [11, 0]);
    assert.deepEqual(x.takeAlongDim(ints([[-1], [0], [-4]]), 1).tolist(), [[3], [4], [8]]);
  });

  test('where promotes its values and takes numbers', () => {
    const condition = tensor([true, false]);
    assert.equal(where(condition, 1, 2).dtype, 'int64');
    assert.equal(where(condition, 1.5, 2).dtype, 'float32');
    assert.equal(where(condition, ones(2, { dtype: 'float64' }), 2).dtype, 'float64');
    assert.deepEqual(where(condition, ints([1, 2]), 0.5).tolist(), [1, 0.5]);
    assert.deepEqual(ones(2).where(condition, -1).tolist(), [1, -1]);
    assert.deepEqual(
      where(tensor([[0, 3], [4, 0]])).map((t) => t.tolist()), // biome-ignore format: a matrix
      [[0, 1], [1, 0]], // biome-ignore format: pairs
    );
  });

  test('an index without elements may be of any shape', () => {
    const none = zeros(2, 0, { dtype: 'uint8' });
    assert.deepEqual(tensor([1, 2]).gather(0, none).shape, [2, 0]);
    const src = ones(3).requiresGrad_();
    const y = tensor([1, 2]).scatterReduce(0, none, src, 'amax');
    assert.deepEqual(y.tolist(), [1, 2]);
    assert.deepEqual(autograd.grad(y.sum(), src)[0].tolist(), [0, 0, 0]);
  });

  test('nonzero of a tensor without dimensions', () => {
    assert.deepEqual(tensor(3).nonzero().shape, [1, 0]);
    assert.deepEqual(tensor(0).nonzero().shape, [0, 0]);
    assert.deepEqual(
      tensor(3)
        .nonzero({ asTuple: true })
        .map((t) => t.tolist()),
      [[0]],
    );
    assert.equal(tensor([Number.NaN]).nonzero().numel(), 1);
  });

  test('tensors without dimensions count as ones of a single element', () => {
    const x = tensor(3);
    assert.deepEqual(x.gather(0, ints([0, 0])).tolist(), [3, 3]);
    assert.equal(x.scatter(0, ints(0), 5).item(), 5);
    assert.equal(x.scatterAdd(-1, ints([0]), tensor([4])).item(), 7);
    assert.equal(x.indexSelect(0, ints([0])).item(), 3);
    assert.equal(x.indexAdd(0, ints(0), tensor(1)).item(), 4);
    assert.equal(x.indexFill(0, ints([-1]), 1).item(), 1);
    assert.equal(x.take(ints(0)).item(), 3);
    assert.deepEqual(x.maskedSelect(tensor(true)).tolist(), [3]);
  });

  test('means of integers round down, and the first derivative of products takes zeros', () => {
    const four = ints([-4, -4]);
    assert.deepEqual(
      ints([1, 2])
        .scatterReduce(0, ints([0, 0]), four, 'mean')
        .tolist(),
      [-3, 2],
    );
    const src = tensor([0, 2, 0, 0], { requiresGrad: true });
    const x = tensor([3, 5], { requiresGrad: true });
    const y = x.scatterReduce(0, ints([0, 0, 1, 1]), src, 'prod');
    const [dx, ds] = autograd.grad(y.sum(), [x, src], { createGraph: true });
    assert.deepEqual(dx.tolist(), [0, 0]);
    assert.deepEqual(ds.tolist(), [6, 0, 0, 0]);
    assert.throws(() => autograd.grad(ds.sum(), src), {
      code: 'autograd',
      message: /Double backward is unsupported for src when >1 zeros in src are scattered to the same position/,
    });
  });

  test('ties for the greatest share the gradient', () => {
    const src = tensor([2, 2, 1], { requiresGrad: true });
    const x = tensor([2, 0], { requiresGrad: true });
    const [dx, ds] = autograd.grad(
      x
        .scatterReduce(0, ints([0, 0, 1]), src, 'amax')
        .mul(3)
        .sum(),
      [x, src],
    );
    assert.deepEqual(dx.tolist(), [1, 0]);
    assert.deepEqual(ds.tolist(), [1, 1, 3]);
  });

  test('a part of src that has no index has the gradient 0', () => {
    const src = ones(3, 5).requiresGrad_();
    const [g] = autograd.grad(zeros(2, 4).scatterAdd(0, ints([[0, 1], [1, 1]]), src).sum(), src); // biome-ignore format: a matrix
    assert.deepEqual(g.tolist(), [
      [1, 1, 0, 0, 0],
      [1, 1, 0, 0, 0],
      [0, 0, 0, 0, 0],
    ]);
  });
});

describe('derivatives of first and second order against finite differences', () => {
  const wide = (shape: readonly number[], from = 1): Tensor =>
    tensor(
      flat(ramp(shape)).map((v) => Math.sin(v * 7 + from) * 2),
      { dtype: 'float64' },
    ).reshape([...shape]);
  const leafOf = (shape: readonly number[], from?: number): Tensor => wide(shape, from).requiresGrad_();
  const two = ints([1, 1]);
  const rows = ints([
    [0, 2, 1, 0],
    [0, 2, 0, 1],
  ]);
  const mask = tensor([[true], [false], [true]]);
  const withZero = (): Tensor => leafOf([2, 4], 3).detach().indexPut_([0, 1], 0).requiresGrad_();
  type Operator = (x: Tensor, src: Tensor) => Tensor;
  const bySrc: { readonly [name: string]: Operator } = {
    scatter: (x, src) => x.scatter(0, ints([[0, 2, 1, 0]]), src),
    'scatter in place': (x, src) => x.mul(x).scatter_(0, ints([[0, 2, 1, 0]]), src.mul(src)),
    scatterAdd: (x, src) => x.mul(x).scatterAdd(0, rows, src.mul(src)),
    'scatterReduce mean': (x, src) => x.mul(x).scatterReduce(0, rows, src.mul(src), 'mean', false),
    'scatterReduce prod': (x, src) => x.scatterReduce(0, rows, src, 'prod'),
    'scatterReduce prod of others': (x, src) => x.scatterReduce(0, rows, src, 'prod', { includeSelf: false }),
    'scatterReduce amax': (x, src) => x.mul(x).scatterReduce(0, rows, src.mul(src), 'amax'),
    'scatterReduce amin of others': (x, src) => x.mul(x).scatterReduce(0, rows, src.mul(src), 'amin', false),
    'scatter multiply': (x, src) => x.scatter(0, rows, src, 'multiply'),
    indexAdd: (x, src) => x.mul(x).indexAdd(0, two, src.mul(src), { alpha: 3 }),
    indexCopy: (x, src) => x.mul(x).indexCopy(0, ints([2, 0]), src.mul(src)),
    indexFill: (x, src) => x.mul(x).indexFill(1, two, src.mul(src).index(0, 0)),
    'indexReduce prod': (x, src) => x.indexReduce(0, two, src, 'prod'),
    'indexReduce amax': (x, src) => x.mul(x).indexReduce(0, two, src.mul(src), 'amax', false),
    put: (x, src) => x.mul(x).put(ints([[5, -1, 7, 0]]), src.mul(src).index(0)),
    'put accumulate': (x, src) => x.mul(x).put(ints([5, -1, 5, 0]), src.mul(src).index(1), true),
    maskedScatter: (x, src) => x.mul(x).maskedScatter(mask, src.mul(src)),
    indexPut: (x, src) => x.mul(x).indexPut([ints([2, 0]), slice()], src.mul(src)),
    'indexPut accumulate': (x, src) => x.mul(x).indexPut([two], src.mul(src), true),
    'indexPut by a mask': (x, src) => x.mul(x).indexPut([mask.squeeze(1)], src.mul(src)),
    where: (x, src) => where(mask, x.mul(x), src.mul(src).index(0)),
  };
  for (const [name, operator] of Object.entries(bySrc)) {
    test(name, () => {
      const inputs = [leafOf([3, 4]), name.endsWith('prod') ? withZero() : leafOf([2, 4], 5)];
      assert.ok(autograd.gradcheck(operator, inputs));
      assert.ok(autograd.gradgradcheck(operator, inputs));
    });
  }

  const reading: { readonly [name: string]: (x: Tensor) => Tensor } = {
    gather: (x) => x.mul(x).gather(0, rows),
    takeAlongDim: (x) => x.mul(x).takeAlongDim(ints([[-1], [0], [0]]), 1),
    indexSelect: (x) => x.mul(x).indexSelect(1, two),
    take: (x) => x.mul(x).take(ints([[5, -1], [5, 0]])), // biome-ignore format: a matrix
    maskedSelect: (x) => x.mul(x).maskedSelect(mask),
    'index tensors apart': (x) => x.mul(x).reshape(3, 2, 2).index([0, 0, 2], slice(), [1, 1, 0]),
    'a mask over dimensions that lie apart': (x) =>
      x
        .mul(x)
        .t()
        .index(wide([4, 3]).gt(0)),
    sort: (x) => x.mul(x).sort(0, true).values,
    topk: (x) => x.mul(x).topk(2).values,
    kthvalue: (x) => x.mul(x).kthvalue(2, 0).values,
  };
  for (const [name, operator] of Object.entries(reading)) {
    test(name, () => {
      assert.ok(autograd.gradcheck(operator, leafOf([3, 4])));
      assert.ok(autograd.gradgradcheck(operator, leafOf([3, 4])));
    });
  }
});

describe('what does not fit is refused, and nothing is written', () => {
  const x = matrix();
  const halves = tensor([0.5]);
  const mask = x.gt(5);
  const calls: readonly [name: string, call: () => unknown, code: string, message: RegExp][] = [
    ['index', () => x.index([0, 3]), 'index', /index 3 is out of bounds for dimension 0 with size 3/],
    ['a huge index', () => x.index(tensor([2n ** 32n])), 'index', /index 4294967296 is out of bounds/],
    ['index of strings', () => x.index('a' as never), 'index', /only integers, slice.* got "a" at position 0/],
    ['a fraction', () => x.index(0, 0.5), 'index', /got 0.5 at position 1/],
    ['undefined', () => x.index(undefined as never), 'index', /got undefined at position 0/],
    ['an array of fractions', () => x.index([0.5]), 'index', /whole numbers, or booleans as a mask, got 0.5/],
    ['ragged arrays', () => x.index([[0], [0, 1]]), 'shape', /ragged/],
    ['two ellipses', () => x.index(ellipsis, ellipsis), 'index', /single ellipsis/],
    ['slice of a fraction', () => slice(0.5), 'argument', /whole numbers, got 0.5/],
    ['a step backward', () => slice(null, null, -1), 'argument', /step must be greater than zero, got -1/],
    ['items outside an array', () => x.indexPut_(mask as never, 0), 'argument', /x.indexPut_\(\[mask\], 0\)/],
    ['values of no kind', () => x.indexPut_([mask], '0' as never), 'argument', /must be a Tensor or a number, got "0"/],
    [
      'values too many',
      () => x.indexPut_([[0, 1]], ones(3)),
      'shape',
      /value tensor of shape \[3\] cannot be broadcast to indexing result of shape \[2, 4\]/,
    ],
    ['values too many for a view', () => x.indexPut_([0], ones(3)), 'shape', /must match/],
    ['gather', () => x.gather(0, ints([[3]])), 'index', /index 3 is out of bounds for dimension 0 with size 3/],
    [
      'gather below 0',
      () => x.gather(1, ints([[-1]])),
      'index',
      /index -1 is out of bounds for dimension 1 with size 4/,
    ],
    ['gather by floats', () => x.gather(0, halves), 'dtype', /expected an integer dtype for index, got float32/],
    ['gather by a mask', () => x.gather(0, mask), 'dtype', /got bool/],
    ['gather by an array', () => x.gather(0, [[0]] as never), 'argument', /expected a tensor of integers/],
    [
      'gather of another rank',
      () => x.gather(0, ints([0])),
      'shape',
      /same number of dimensions as input tensor, got \[1\] for \[3, 4\]/,
    ],
    ['gather of more', () => x.gather(1, ints([[0], [0], [0], [0]])), 'shape', /Size does not match at dimension 0/],
    ['gather along no dimension', () => x.gather(2, ints([[0]])), 'index', /Dimension out of range/],
    ['scatter', () => x.scatter_(0, ints([[3]]), 1), 'index', /index 3 is out of bounds/],
    ['scatter late', () => x.scatter_(0, ints([[0, 0, 0, 3]]), ones(1, 4)), 'index', /index 3 is out of bounds/],
    [
      'scatter too little',
      () => x.scatter_(0, ints([[0, 0]]), ones(1, 1)),
      'shape',
      /no larger size than src \[1, 1\]/,
    ],
    ['scatter another dtype', () => x.scatter_(0, ints([[0]]), ints([[1]])), 'dtype', /got float32 and int64/],
    [
      'scatter otherwise',
      () => x.scatter(0, ints([[0]]), x, 'mean' as 'add'),
      'argument',
      /must be 'add' or 'multiply', got "mean"/,
    ],
    ['scatterReduce', () => x.scatterReduce(0, ints([[0]]), x, 'max' as 'amax'), 'argument', /"amin", got "max"/],
    ['takeAlongDim', () => x.takeAlongDim(ints([0]), 0), 'shape', /same number of dimensions/],
    ['indexSelect', () => x.indexSelect(0, ints([-1])), 'index', /index -1 is out of bounds/],
    ['indexSelect by a matrix', () => x.indexSelect(0, ints([[0]])), 'shape', /supposed to be a vector/],
    ['indexSelect of a scalar', () => tensor(1).indexSelect(0, ints([0, 0])), 'shape', /can have only 1 value/],
    ['indexAdd', () => x.indexAdd_(0, ints([0, 3]), ones(2, 4)), 'index', /index 3 is out of bounds/],
    [
      'indexAdd too few',
      () => x.indexAdd_(0, ints([0, 1]), ones(1, 4)),
      'shape',
      /Number of indices \(2\) should be equal to source.size\(dim\): \(1\)/,
    ],
    ['indexAdd too short', () => x.indexAdd_(0, ints([0]), ones(1, 3)), 'shape', /must match self tensor shape/],
    ['indexCopy another dtype', () => x.indexCopy_(0, ints([0]), ones(1, 4, { dtype: 'float64' })), 'dtype', /float64/],
    ['indexFill', () => x.indexFill_(0, ints([-4]), 1), 'index', /index -4 is out of bounds/],
    ['indexFill with several', () => x.indexFill_(0, ints([0]), ones(1)), 'shape', /0-dimensional value/],
    ['take', () => x.take(ints([12])), 'index', /index 12 is out of bounds for dimension 0 with size 12/],
    ['put', () => x.put_(ints([0, -13]), ones(2)), 'index', /index -13 is out of bounds/],
    ['put too few', () => x.put_(ints([0, 1]), ones(1)), 'shape', /source.numel\(\) = 1, index.numel\(\) = 2/],
    ['maskedSelect', () => x.maskedSelect(x), 'dtype', /expected a bool tensor as mask, got a Tensor of float32/],
    ['maskedScatter too few', () => x.maskedScatter_(mask, ones(3)), 'shape', /3 < 6/],
    [
      'maskedScatter in place by more',
      () => x.maskedScatter_(ones(2, 3, 4).gt(0), ones(24)),
      'shape',
      /cannot be broadcast/,
    ],
    ['where', () => where(x, 1, 2), 'dtype', /boolean tensor, but got a tensor with dtype float32/],
    ['half of where', () => where(mask, 1 as never, undefined as never), 'argument', /give both values/],
    ['an unknown name', () => x.gather({ dim: 0, indices: halves } as never), 'argument', /unknown option "indices"/],
    [
      'a leaf',
      () =>
        zeros(3, 4)
          .requiresGrad_()
          .scatterAdd_(0, ints([[0]]), ones(1, 1)),
      'inplace',
      /leaf/,
    ],
    ['a view of a leaf', () => matrix().requiresGrad_().indexPut_([0], 1), 'inplace', /view of a leaf/],
    [
      'an expanded tensor',
      () =>
        zeros(1, 4)
          .expand(3, 4)
          .indexPut_([[0]], 1),
      'inplace',
      /single memory location/,
    ],
  ];
  for (const [name, call, code, message] of calls) {
    test(name, () => {
      assert.throws(call, { name: 'AdjointError', code, message });
      assert.deepEqual(x.tolist(), matrix().tolist());
      assert.equal(x._version, 0);
    });
  }
});
