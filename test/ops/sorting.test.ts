/** Elements in order, against a comparison sort and against what PyTorch says of NaN, ties and errors. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { argsort, autograd, kthvalue, msort, sort, type Tensor, tensor, topk, zeros } from '../../src/index.ts';
import type { ElementType } from '../../src/kernels/element.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const ranges: { readonly [D in ElementType]?: fc.Arbitrary<number | bigint> } = {
  float32: fc.float(),
  float64: fc.double(),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  int16: fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 }),
  int8: fc.integer({ min: -128, max: 127 }),
  uint8: fc.nat(255),
  bool: fc.nat(1),
};

/** Below 0 if a comes before b: NaN comes last, -0 with 0. */
const compare = (a: number | bigint, b: number | bigint): number => {
  const [x, y] = [Number.isNaN(a), Number.isNaN(b)];
  return x || y ? Number(x) - Number(y) : a < b ? -1 : a > b ? 1 : 0;
};

/** The indices that put values in order, equal ones as they stand. */
const orderOf = (values: readonly (number | bigint)[], descending: boolean): number[] =>
  values.map((_, i) => i).sort((i, j) => (descending ? compare(values[j], values[i]) : compare(values[i], values[j])));

const elements = (x: Tensor): (number | bigint)[] => [...x.toTypedArray()];

describe('against a comparison sort', () => {
  for (const [dtype, values] of Object.entries(ranges)) {
    test(dtype, () => {
      // few different ones, so that there are ties; short rows and long ones are sorted in different ways
      const drawn = fc.array(values, { minLength: 1, maxLength: 12 }).chain((some) =>
        fc.record({
          data: fc.oneof(
            fc.array(fc.constantFrom(...some), { minLength: 1, maxLength: 40 }),
            fc.array(fc.constantFrom(...some), { minLength: 49, maxLength: 300 }),
            fc.array(values, { minLength: 49, maxLength: 120 }),
          ),
          rows: fc.integer({ min: 1, max: 3 }),
          descending: fc.boolean(),
          down: fc.boolean(),
          pick: fc.nat(),
        }),
      );
      fc.assert(
        fc.property(drawn, ({ data, rows, descending, down, pick }) => {
          const length = Math.ceil(data.length / rows);
          const table = Array.from({ length: rows }, (_, r) =>
            Array.from({ length }, (_, i) => data[(r * length + i) % data.length]),
          );
          const x = tensor(table, { dtype: dtype as ElementType });
          // of rows that lie in columns, too
          const [own, dim] = down ? [x.t().contiguous().t(), 1] : [x, -1];
          const orders = table.map((row) => orderOf(row, descending));
          const held = elements(x);
          const inOrder = orders.flatMap((order, r) => order.map((i) => held[r * length + i]));

          const { values: sorted, indices } = sort(own, dim, descending);
          assert.equal(indices.dtype, 'int64');
          assert.deepEqual(indices.tolist(), orders);
          assert.deepEqual(elements(sorted), inOrder);
          assert.deepEqual(argsort(own, { dim, descending }).tolist(), orders);

          const k = pick % (length + 1);
          const top = topk(own, k, dim, descending);
          assert.deepEqual(
            top.indices.tolist(),
            orders.map((order) => order.slice(0, k)),
          );
          if (k === 0) return;
          const kth = kthvalue(own, k, dim);
          assert.deepEqual(
            kth.indices.tolist(),
            table.map((row) => orderOf(row, false)[k - 1]),
          );
          assert.deepEqual(elements(kth.values), elements(own.gather(dim, kth.indices.unsqueeze(dim))));
        }),
        { numRuns: 60 },
      );
    });
  }

  test('along the first of three dimensions', () => {
    const x = tensor([[[3, 1]], [[2, 9]], [[2, 0]]]);
    assert.deepEqual(sort(x, 0).values.tolist(), [[[2, 0]], [[2, 1]], [[3, 9]]]);
    assert.deepEqual(sort(x, 0).indices.tolist(), [[[1, 2]], [[2, 0]], [[0, 1]]]);
    assert.deepEqual(msort(x).tolist(), sort(x, 0).values.tolist());
    assert.deepEqual(x.topk(1, 0).values.tolist(), [[[3, 9]]]);
    assert.deepEqual(x.kthvalue(2, 0).values.tolist(), [[2, 1]]);
    assert.deepEqual(x.kthvalue(2, 0, true).values.tolist(), [[[2, 1]]]);
  });
});

describe('as PyTorch has it', () => {
  const x = tensor([nan, 1, -0, 0, inf]);
  test('NaN is the greatest, and both zeros are equal', () => {
    assert.deepEqual(x.sort().values.tolist(), [-0, 0, 1, inf, nan]);
    assert.deepEqual(x.sort().indices.tolist(), [2, 3, 1, 4, 0]);
    assert.deepEqual(x.sort({ descending: true }).indices.tolist(), [0, 4, 1, 2, 3]);
    assert.deepEqual(x.topk(2).indices.tolist(), [0, 4]);
    assert.deepEqual(x.topk(2, { largest: false }).indices.tolist(), [2, 3]);
    assert.equal(x.kthvalue(5).indices.item(), 0);
  });

  test('without dimensions, and without elements', () => {
    assert.equal(tensor(3).sort().values.item(), 3);
    assert.equal(tensor(3).topk(1, 0).indices.item(), 0);
    assert.deepEqual(tensor(3).kthvalue(1, { keepdim: true }).values.shape, []);
    assert.equal(msort(tensor(3)).item(), 3);
    assert.deepEqual(zeros(0).sort().indices.shape, [0]);
    assert.deepEqual(zeros(2, 0).topk(0).values.shape, [2, 0]);
    assert.deepEqual(zeros(0, 3).kthvalue(1).values.shape, [0]);
    assert.deepEqual(zeros(0, 3).sort(0, true).values.shape, [0, 3]);
  });

  test('nodes', () => {
    const leaf = tensor([2, 1], { requiresGrad: true });
    const names = [leaf.sort().values, leaf.sort({ stable: true }).values, msort(leaf), leaf.topk(1).values];
    assert.deepEqual(
      [...names, leaf.kthvalue(1).values].map((y) => String(y.gradFn)),
      ['<SortBackward0>', '<SortBackward1>', '<SortBackward0>', '<TopkBackward0>', '<KthvalueBackward0>'],
    );
    assert.equal(leaf.sort().indices.requiresGrad, false);
  });

  test('each result sends its cotangent to the element that it was', () => {
    const leaf = tensor([[3, 1, 2], [5, 5, 4]], { requiresGrad: true }); // biome-ignore format: a matrix
    const w = tensor([[1, 10, 100], [1, 10, 100]]); // biome-ignore format: a matrix
    const gradient = (y: Tensor): unknown => autograd.grad(y, leaf)[0].tolist();
    assert.deepEqual(gradient(leaf.sort().values.mul(w).sum()), [[100, 1, 10], [10, 100, 1]]); // biome-ignore format: a matrix
    assert.deepEqual(gradient(leaf.topk(1).values.mul(7).sum()), [[7, 0, 0], [7, 0, 0]]); // biome-ignore format: a matrix
    assert.deepEqual(gradient(leaf.kthvalue(2).values.pow(2).sum()), [[0, 0, 4], [10, 0, 0]]); // biome-ignore format: a matrix
    assert.deepEqual(gradient(leaf.kthvalue(1, 0, true).values.sum()), [[1, 1, 1], [0, 0, 0]]); // biome-ignore format: a matrix
  });

  for (const [name, call, message] of [
    [
      'topk of more',
      () => x.topk(6),
      /topk\(\): selected number k out of range for dimension 0: .* from 0 to 5, got 6/,
    ],
    ['topk of fewer than none', () => x.topk(-1), /got -1/],
    ['topk of a part', () => x.topk(1.5), /got 1.5/],
    ['the 0th', () => x.kthvalue(0), /from 1 to 5, got 0/],
    ['the 6th', () => x.kthvalue(6), /from 1 to 5, got 6/],
    ['one of none', () => zeros(0).kthvalue(1), /from 1 to 0, got 1/],
    ['no such dimension', () => x.sort(1), /Dimension out of range/],
  ] as const) {
    test(`refused: ${name}`, () => assert.throws(call, { name: 'AdjointError', code: 'index', message }));
  }
});
