/** Operators that copy elements to other places: each element of the result against its definition by indices, and PyTorch's facts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AdjointError } from '../../src/errors.ts';
import * as adjoint from '../../src/index.ts';
import { arange, autograd, type Tensor, tensor, zeros } from '../../src/index.ts';

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const counted = (...shape: number[]): Tensor => arange(1, 1 + count(shape), { dtype: 'float64' }).view(shape);
const int64 = (...numbers: number[]): Tensor => tensor(numbers, { dtype: 'int64' });
const values = (x: Tensor): number[] => Array.from(x.toTypedArray() as Float64Array);
const indices = (shape: readonly number[]): number[][] =>
  shape.reduce<number[][]>(
    (all, size) => all.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );
const mod = (a: number, n: number): number => ((a % n) + n) % n;

/** Checks values and gradient of a result in which the element at each index is that of `x` at `from(index)`, or 0 for null. */
function checkPlaces(
  x: Tensor,
  operator: (x: Tensor) => Tensor,
  shape: readonly number[],
  from: (index: number[]) => number[] | null,
): void {
  x = x.detach().requiresGrad_();
  const y = operator(x);
  assert.deepEqual(y.shape, shape);
  const places = indices(shape).map((index) => from(index)?.reduce((flat, i, d) => flat * x.shape[d] + i, 0) ?? -1);
  const elements = values(x);
  assert.deepEqual(
    values(y),
    places.map((place) => (place < 0 ? 0 : elements[place])),
  );
  const cotangent = counted(...shape).requiresGrad_();
  const [gradient] = autograd.grad(y, x, { gradOutputs: cotangent, createGraph: true });
  const sums = new Array<number>(elements.length).fill(0);
  places.forEach((place, i) => {
    if (place >= 0) sums[place] += i + 1;
  });
  assert.deepEqual(values(gradient), sums);
  const [again] = autograd.grad(gradient, cotangent, { gradOutputs: x.detach() });
  assert.deepEqual(values(again), values(y));
}

/** A tensor of some shape, its dimensions in some order in memory. */
const tensors = (minLength: number): fc.Arbitrary<Tensor> =>
  fc
    .array(fc.integer({ min: 0, max: 4 }), { minLength, maxLength: 4 })
    .chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        fc.shuffledSubarray(
          shape.map((_, d) => d),
          { minLength: shape.length },
        ),
      ),
    )
    .map(([shape, order]) => counted(...shape).permute(order));
const small = fc.integer({ min: -6, max: 6 });
const holds = <T>(arbitrary: fc.Arbitrary<T>, check: (value: T) => void): void =>
  fc.assert(fc.property(arbitrary, check), { numRuns: 150 });

describe('each element comes from its place', () => {
  test('repeat and tile', () => {
    const repeats = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 5 });
    holds(fc.tuple(tensors(0), repeats), ([x, repeats]) => {
      const all = [...new Array<number>(Math.max(0, x.ndim - repeats.length)).fill(1), ...repeats];
      const sizes = [...new Array<number>(all.length - x.ndim).fill(1), ...x.shape];
      const from = (index: number[]): number[] => index.map((i, d) => mod(i, sizes[d])).slice(all.length - x.ndim);
      const shape = sizes.map((size, d) => size * all[d]);
      checkPlaces(x, (x) => x.tile(repeats), shape, from);
      checkPlaces(x, (x) => x.repeat(all), shape, from);
    });
  });

  test('repeatInterleave', () => {
    holds(fc.tuple(tensors(1), fc.nat(), fc.array(fc.nat(3), { minLength: 4, maxLength: 4 })), ([x, pick, counts]) => {
      const dim = pick % x.ndim;
      const repeats = counts.slice(0, x.shape[dim]);
      const sources = repeats.flatMap((n, i) => new Array<number>(n).fill(i));
      const sized = (size: number): number[] => x.shape.map((own, d) => (d === dim ? size : own));
      const from = (index: number[]): number[] => index.map((i, d) => (d === dim ? sources[i] : i));
      checkPlaces(x, (x) => x.repeatInterleave(int64(...repeats), dim), sized(sources.length), from);
      const times = counts[0];
      checkPlaces(
        x,
        (x) => x.repeatInterleave(times, dim),
        sized(x.shape[dim] * times),
        (index) => index.map((i, d) => (d === dim ? Math.floor(i / times) : i)),
      );
    });
  });

  test('flip', () => {
    holds(fc.tuple(tensors(0), fc.nat()), ([x, mask]) => {
      const dims = x.shape.map((_, d) => d).filter((d) => mask & (1 << d));
      checkPlaces(
        x,
        (x) => x.flip(dims),
        x.shape,
        (index) => index.map((i, d) => (dims.includes(d) ? x.shape[d] - 1 - i : i)),
      );
    });
    holds(tensors(2), (x) => {
      checkPlaces(
        x,
        (x) => x.flipud(),
        x.shape,
        ([i, ...rest]) => [x.shape[0] - 1 - i, ...rest],
      );
      checkPlaces(
        x,
        (x) => x.fliplr(),
        x.shape,
        ([i, j, ...rest]) => [i, x.shape[1] - 1 - j, ...rest],
      );
    });
  });

  test('roll', () => {
    holds(fc.tuple(tensors(1), small, small, fc.nat(), fc.nat()), ([x, s, t, d, e]) => {
      const dims = [d % x.ndim, e % x.ndim];
      checkPlaces(
        x,
        (x) => x.roll([s, t], dims),
        x.shape,
        (index) => index.map((i, k) => mod(i - (k === dims[0] ? s : 0) - (k === dims[1] ? t : 0), x.shape[k])),
      );
      checkPlaces(
        x,
        (x) => x.roll(s),
        x.shape,
        (index) => {
          let flat = mod(index.reduce((n, i, k) => n * x.shape[k] + i, 0) - s, x.numel());
          const source: number[] = [];
          for (let k = x.ndim - 1; k >= 0; k--) {
            source[k] = flat % x.shape[k];
            flat = Math.floor(flat / x.shape[k]);
          }
          return source;
        },
      );
    });
  });

  test('rot90', () => {
    holds(fc.tuple(tensors(2), small, fc.nat(), fc.nat()), ([x, k, d, e]) => {
      const [from, to] = [d % x.ndim, e % x.ndim];
      fc.pre(from !== to);
      const turns = mod(k, 4);
      const shape = [...x.shape];
      if (turns % 2 === 1) [shape[from], shape[to]] = [shape[to], shape[from]];
      checkPlaces(
        x,
        (x) => x.rot90(k, [from, to]),
        shape,
        (index) => {
          const source = [...index];
          for (let n = 0; n < turns; n++) {
            // the result of a quarter turn at (i, j) was at (j, last - i)
            const last = (n % 2 === (turns - 1) % 2 ? x.shape[to] : x.shape[from]) - 1;
            [source[from], source[to]] = [source[to], last - source[from]];
          }
          return source;
        },
      );
    });
  });

  test('tril and triu', () => {
    holds(fc.tuple(tensors(2), small), ([x, k]) => {
      const below = (index: number[]): boolean => index[x.ndim - 1] - index[x.ndim - 2] <= k;
      checkPlaces(
        x,
        (x) => x.tril(k),
        x.shape,
        (index) => (below(index) ? index : null),
      );
      checkPlaces(
        x,
        (x) => x.triu(k + 1),
        x.shape,
        (index) => (below(index) ? null : index),
      );
      const copies = [x.clone().mul(1), x.clone().mul(1)];
      assert.deepEqual(values(copies[0].tril_(k)), values(x.tril(k)));
      assert.deepEqual(values(copies[1].triu_(k)), values(x.triu(k)));
    });
  });

  test('diagEmbed, diagflat and diag', () => {
    holds(fc.tuple(tensors(1), small, fc.nat(), fc.nat()), ([x, offset, d, e]) => {
      const [dim1, dim2] = [d % (x.ndim + 1), e % (x.ndim + 1)];
      fc.pre(dim1 !== dim2);
      const size = x.shape[x.ndim - 1] + Math.abs(offset);
      const shape = x.shape.slice(0, -1);
      for (const dim of [dim1, dim2].sort((a, b) => a - b)) shape.splice(dim, 0, size);
      checkPlaces(
        x,
        (x) => x.diagEmbed(offset, dim1, dim2),
        shape,
        (index) =>
          index[dim2] - index[dim1] === offset
            ? [...index.filter((_, k) => k !== dim1 && k !== dim2), Math.min(index[dim1], index[dim2])]
            : null,
      );
      const side = x.numel() + Math.abs(offset);
      assert.deepEqual(values(x.diagflat(offset)), values(x.ravel().diagEmbed(offset)));
      assert.deepEqual(x.diagflat(offset).shape, [side, side]);
    });
    assert.deepEqual(counted(2).diag(-1).tolist(), [
      [0, 0, 0],
      [1, 0, 0],
      [0, 2, 0],
    ]);
    const m = counted(2, 3);
    assert.deepEqual(m.diag(1).tolist(), [2, 6]);
    assert.ok(!m.diag().storage.shares(m.storage), 'a copy, unlike diagonal');
  });

  test('trace', () => {
    const x = counted(2, 3).requiresGrad_();
    const y = x.trace();
    assert.equal(y.item(), 6);
    assert.equal(y.gradFn?.name(), 'TraceBackward0');
    assert.deepEqual(autograd.grad(y, x)[0].tolist(), [
      [1, 0, 0],
      [0, 1, 0],
    ]);
    assert.equal(adjoint.trace(zeros(2, 2, { dtype: 'uint8' })).dtype, 'int64');
  });
});

test('every dtype keeps its own', () => {
  for (const dtype of ['int64', 'int32', 'uint8', 'int8', 'int16', 'bool', 'float32'] as const) {
    for (const size of [2, 20]) {
      const x = adjoint.ones(size, size, { dtype });
      const all = [
        x.tril(),
        x.flip(0),
        x.roll(1),
        x.rot90(),
        x.repeat(2, 1),
        x.select(0, 0).diagEmbed(),
        x.repeatInterleave(2, 0),
      ];
      for (const y of all) assert.equal(y.dtype, dtype);
      assert.equal(x.tril().sum().item(), (size * (size + 1)) / 2);
    }
  }
});

test('nodes are called as in PyTorch', () => {
  const x = counted(2, 3, 4).requiresGrad_();
  const names: [Tensor, string][] = [
    [x.repeat(2, 1, 1), 'Repeat'],
    [x.tile(2), 'Repeat'],
    [x.repeatInterleave(2, 1), 'View'],
    [x.repeatInterleave(int64(1, 2, 0), 1), 'IndexSelect'],
    [x.flip(0), 'Flip'],
    [x.fliplr(), 'Flip'],
    [x.roll(1), 'Roll'],
    [x.roll(1, 0), 'Roll'],
    [x.rot90(), 'Rot90'],
    [x.rot90(4), 'Rot90'],
    [x.tril(), 'Tril'],
    [x.triu(), 'Triu'],
    [x.diagEmbed(), 'DiagEmbed'],
    [x.diagflat(), 'DiagEmbed'],
    [adjoint.fill(x, 2), 'Fill'],
  ];
  for (const [y, name] of names) assert.equal(y.gradFn?.name(), `${name}Backward0`);
  // a result of its own memory: a write makes it the output of the write
  for (const y of [x.rot90(), x.roll(1), x.flip(0)]) assert.equal(y.mul_(2).gradFn?.name(), 'MulBackward0');
});

test('argument forms', () => {
  const x = counted(2, 3);
  const same = (...results: Tensor[]): void => {
    for (const r of results) assert.deepEqual(r.tolist(), results[0].tolist());
  };
  same(x.repeat(2, 1), x.repeat([2, 1]), x.repeat({ repeats: [2, 1] }));
  same(x.tile(2), x.tile([2]), adjoint.tile(x, 2), x.tile({ dims: [2] }));
  same(x.flip(0, 1), x.flip([-2, -1]), x.flip({ dims: [1, 0] }), adjoint.flip(x, [0, 1]));
  same(x.flip({ dims: [] }), x.flip([]), x);
  same(x.roll(1, 0), x.roll([1], [0]), x.roll({ shifts: 1, dims: 0 }), x.roll(1, { dims: 0 }));
  same(x.rot90(), x.rot90(1, [0, 1]), x.rot90({ k: 1 }), x.rot90(-3), x.rot90({ dims: [1, 0], k: 3 }));
  same(x.tril(1), x.tril({ diagonal: 1 }));
  same(x.repeatInterleave(2), x.repeatInterleave({ repeats: 2 }), x.repeatInterleave(2, { outputSize: 12 }));
  same(x.repeatInterleave(2, 1), x.repeatInterleave({ repeats: int64(2), dim: -1 }));
  same(x.diag(1), x.diag({ diagonal: 1 }));
  same(tensor(1).repeat(), tensor(1).repeat([]), tensor(1).tile([]), tensor(1).roll(3), tensor(1).flip(0));
});

describe('errors', () => {
  const x = counted(2, 3, 4);
  const v = counted(4);
  const s = tensor(1);
  const cases: [call: () => unknown, code: AdjointError['code'], message: RegExp][] = [
    [
      () => x.repeat(2, 2),
      'shape',
      /^Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor/,
    ],
    [() => x.repeat(2, 2, -1), 'argument', /must not be negative, got -1/],
    [() => x.repeat(2, 2, 0.5), 'argument', /must be a whole number, got 0\.5/],
    [() => x.repeatInterleave(-1), 'argument', /^Repeats must not be negative, got -1/],
    [() => x.repeatInterleave(int64(1, -2), 0), 'argument', /^repeats can not be negative, got -2/],
    [() => x.repeatInterleave(int64(1, 2, 3), 0), 'shape', /got repeats\.size\(0\) = 3 and input\.size\(0\) = 2/],
    [() => x.repeatInterleave(zeros(1, 2, { dtype: 'int64' }), 0), 'shape', /^repeats must be 0-dim or 1-dim tensor/],
    [() => x.repeatInterleave(tensor([1, 2]), 0), 'dtype', /^repeats must be of an integer dtype, got float32/],
    [() => x.repeatInterleave(2, 0, 5), 'shape', /outputSize is 5, the repeats add up to 4/],
    [() => s.repeatInterleave(2, 0), 'index', /^Dimension specified as 0 but tensor has no dimensions/],
    [() => x.flip(3), 'index', /^Dimension out of range \(expected to be in range of \[-3, 2\], but got 3\)/],
    [() => x.flip(0, 0), 'argument', /^dim 0 appears multiple times in the list of dims/],
    [() => v.fliplr(), 'shape', /Input must be >= 2-d/],
    [() => s.flipud(), 'shape', /Input must be >= 1-d/],
    [() => x.roll([1, 2], 0), 'argument', /^shifts and dimensions must align\. shifts: 2, dims:1/],
    [() => x.roll([]), 'argument', /`shifts` required/],
    [() => x.roll(1, 3), 'index', /^Dimension out of range/],
    [() => x.roll(1.5, 0), 'argument', /a shift must be a whole number, got 1\.5/],
    [() => s.roll(1, 0), 'index', /^Dimension specified as 0 but tensor has no dimensions/],
    [() => x.rot90(1, [0]), 'argument', /^expected total rotation dims == 2, but got dims = 1/],
    [() => x.rot90(1, [0, 0]), 'argument', /^expected rotation dims to be different, but got dim0 = 0 and dim1 = 0/],
    [() => v.rot90(), 'shape', /^expected total dims >= 2, but got total dims = 1/],
    [() => v.tril(), 'shape', /^tril: input tensor must have at least 2 dimensions/],
    [() => x.triu(0.5), 'argument', /^triu: diagonal must be a whole number, got 0\.5/],
    [() => x.diag(), 'shape', /^diag\(\): Supports 1D or 2D tensors\. Got 3D/],
    [() => v.diagEmbed(0, 1, 1), 'argument', /^diagonal dimensions cannot be identical 1, 1/],
    [() => x.trace(), 'shape', /^trace: expected a matrix, but got tensor with dim 3/],
    [
      () => zeros(2, 2, { requiresGrad: true }).tril_(),
      'inplace',
      /^a leaf Variable that requires grad is being used in an in-place/,
    ],
    [() => x.fill_(v), 'shape', /^fill_ only supports 0-dimension value tensor but got tensor with 1 dimensions/],
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

test('the caller may go on using the array of a padding', () => {
  const x = zeros(2, 3).requiresGrad_();
  const widths: [number, number] = [1, 1];
  const padded = adjoint.nn.functional.pad(x, widths);
  widths[0] = 0;
  assert.deepEqual(autograd.grad(padded.sum(), x)[0].shape, [2, 3]);
});
