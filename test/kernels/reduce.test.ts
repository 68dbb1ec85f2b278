/**
 * Reduction kernels themselves: several operands, parameters and last expressions on any layout, the order of sums against a model that
 * is written down without loops over memory, NaN in every place of an extremum, and work done in parts.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { getNumThreads, setNumThreads, Tensor, tensor } from '../../src/index.ts';
import * as s from '../../src/kernels/expr.ts';
import { allocate, descriptor, heap, release } from '../../src/kernels/memory.ts';
import { columnBlock, columnKernel, reductionHeaderWords, rowKernel } from '../../src/kernels/reduce.ts';
import { launchReduction, reduction } from '../../src/ops/launch/reduction.ts';

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
/** Numbers whose sums need rounding, from a fixed recurrence. */
const noise = (n: number, seed = 1): number[] =>
  range(n).map((i) => Math.fround((((Math.imul(i + seed, 2654435761) >>> 0) / 2 ** 32 - 0.5) / 3) * 2 ** (i % 5)));

describe('several operands', () => {
  // sqrt(sum(|x - y| * p) / q), with y broadcast
  const code = reduction(
    'sum',
    s.mul(s.abs(s.sub(s.input(0), s.input(1))), s.input(2)),
    s.sqrt(s.div(s.input(0), s.input(1))),
  );
  test('broadcast against each other, with a parameter and a last expression', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 3, maxLength: 3 }),
        fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
        fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
        fc.subarray([0, 1, 2]),
        ([a, b, c], order, repeats, dims) => {
          const [m, n, o] = [a, Math.min(b, 12), Math.min(c, 9)];
          const x = tensor(noise(m * n * o))
            .reshape(m, n, o)
            .permute(order);
          const shape = x.shape.map((size, d) => (repeats[d] ? 1 : size));
          const y = tensor(
            noise(
              shape.reduce((p, q) => p * q, 1),
              7,
            ),
          ).reshape(shape);
          const kept = x.shape.filter((_, d) => !dims.includes(d));
          const out = Tensor.empty(kept, 'float64');
          launchReduction(code, [x, y, 3], dims, 'float64', out, 5);
          const terms = x
            .double()
            .sub(y.double())
            .abs()
            .mul(3)
            .permute(...[0, 1, 2].filter((d) => !dims.includes(d)), ...dims);
          const values = terms.reshape(-1).toTypedArray() as Float64Array;
          const size = values.length / out.numel();
          const own = out.toTypedArray() as Float64Array;
          for (let i = 0; i < own.length; i++) {
            const wanted = Math.sqrt(values.subarray(i * size, (i + 1) * size).reduce((p, q) => p + q, 0) / 5);
            assert.ok(Math.abs(own[i] - wanted) <= 1e-12 * wanted, `${own[i]} is not ${wanted}`);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('the order of sums', () => {
  // several threads sum parts of a long row
  const threads = getNumThreads();
  before(() => setNumThreads(1));
  after(() => setNumThreads(threads));
  const add = (a: number, b: number): number => Math.fround(a + b);
  const plain = (values: number[]): number => values.reduce(add, 0);
  /**
   * Sums values in full blocks, of which full blocks are summed in turn, through four levels; what is left of each level comes last,
   * from the lowest level up.
   */
  function cascade(values: number[]): number {
    const bits = Math.max(4, Math.ceil(Math.log2(Math.max(values.length, 1))) >> 2);
    const block = 2 ** bits;
    const rests: number[] = [];
    let level = values;
    for (let k = 0; k < 3; k++) {
      const full = Math.floor(level.length / block);
      rests.push(plain(level.slice(full * block)));
      level = range(full).map((i) => plain(level.slice(i * block, (i + 1) * block)));
    }
    return [...rests.slice(1), plain(level)].reduce(add, rests[0]);
  }
  /** Four cascades in turn, then what is left on the first of them. */
  function inTurn(values: number[]): number {
    const rows = values.length >> 2;
    const [first, ...others] = range(4).map((k) => cascade(range(rows).map((row) => values[4 * row + k])));
    return [...values.slice(4 * rows), ...others].reduce(add, first);
  }
  const sum = reduction('sum');
  const total = (x: Tensor, dims: number[]): number[] => {
    const out = Tensor.empty(
      x.shape.filter((_, d) => !dims.includes(d)),
      'float32',
    );
    launchReduction(sum, [x], dims, 'float32', out);
    return [...(out.toTypedArray() as Float32Array)];
  };

  for (const n of [0, 1, 3, 5, 100, 1000, 4097, 300_000]) {
    test(`${n} elements that lie apart: four accumulators in turn`, () => {
      const values = noise(n);
      const apart = tensor(values.flatMap((v) => [v, 99]))
        .reshape(n, 2)
        .select(1, 0);
      assert.deepEqual(total(apart, [0]), [inTurn(values)]);
    });
  }

  for (const n of [8, 9, 40, 77, 1000, 20_000]) {
    test(`${n} neighbours: the same in each lane of vectors of eight, after what no vector holds`, () => {
      const values = noise(n);
      const vectors = n >> 3;
      const lanes = range(8).map((lane) => inTurn(range(vectors).map((v) => values[8 * v + lane])));
      assert.deepEqual(total(tensor(values), [0]), [[...values.slice(8 * vectors), ...lanes].reduce(add, 0)]);
    });
  }

  for (const [rows, columns] of [
    [5, 32],
    [1000, 70],
    [4128, 64],
    [4100, 64],
    [2000, 6],
    [333, 3],
  ]) {
    test(`${rows} rows of ${columns} columns: straight down full blocks, in turn down the others`, () => {
      const values = noise(rows * columns);
      const wanted = range(columns).map((c) => {
        const column = range(rows).map((r) => values[r * columns + c]);
        const full = columns >= 8 ? c < columns - (columns % 32) : c < columns - (columns % 4);
        return full ? cascade(column) : inTurn(column);
      });
      assert.deepEqual(total(tensor(values).reshape(rows, columns), [0]), wanted);
    });
  }
});

describe('NaN in any place is the extremum', () => {
  for (const combine of ['min', 'max'] as const) {
    for (const type of ['float32', 'float64'] as const) {
      test(`${combine} of ${type}, along rows and down columns`, () => {
        const code = reduction(combine);
        for (const n of [1, 2, 5, 16, 17, 33, 50]) {
          for (let place = 0; place < n; place++) {
            const data = noise(n);
            data[place] = Number.NaN;
            const row = tensor(data, { dtype: type });
            const out = Tensor.empty([1], type);
            launchReduction(code, [row.reshape(1, n)], [1], type, out);
            assert.ok(Number.isNaN(out.item()), `place ${place} of a row of ${n}`);
            for (const width of [3, 20]) {
              const columns = Tensor.empty([width], type);
              const grid = tensor(noise(n * width), { dtype: type }).reshape(n, width);
              grid.select(1, place % width).copy_(row);
              launchReduction(code, [grid], [0], type, columns);
              const found = range(width).filter((c) => Number.isNaN(columns.toTypedArray()[c]));
              assert.deepEqual(found, [place % width], `place ${place} of ${n} in one of ${width} columns`);
            }
          }
        }
      });
    }
  }
});

test('many rows, reduced in groups: each extremum is found, and each NaN', () => {
  const [rows, columns] = [2100, 70];
  const values = noise(rows * columns);
  for (let c = 0; c < columns; c += 3) values[((c * 31) % rows) * columns + c] = Number.NaN;
  values[(rows - 1) * columns + 1] = 1000;
  for (const type of ['float32', 'float64'] as const) {
    const x = tensor(values, { dtype: type }).reshape(rows, columns);
    const out = Tensor.empty([columns], type);
    launchReduction(
      reduction('max', s.mul(s.input(0), s.input(1)), s.add(s.input(0), s.input(1))),
      [x, 2],
      [0],
      type,
      out,
      5,
    );
    const wanted = range(columns).map((c) => 2 * Math.max(...range(rows).map((r) => values[r * columns + c])) + 5);
    assert.deepEqual([...(out.toTypedArray() as Float32Array)], type === 'float32' ? wanted.map(Math.fround) : wanted);
  }
});

describe('work in parts', () => {
  const [rows, columns] = [50, 75];
  const size = 4 * rows * columns;
  /** Runs a kernel on the matrix in memory, its units cut at some places, and gives the results. */
  function run(inColumns: boolean, cuts: readonly number[]): number[] {
    const code = { map: s.input(0), combine: 'sum', finish: s.input(0) } as const;
    const operand = { type: 'float32', mode: 'contiguous' } as const;
    const kernel = (inColumns ? columnKernel : rowKernel)(code, 'float32', [operand], operand);
    const [input, output] = [allocate(size), allocate(size)];
    heap.float32.set(noise(rows * columns), input / 4);
    heap.float32.fill(-1, output / 4, output / 4 + columns);
    const words = heap.int32;
    const table = reductionHeaderWords + 6 + (inColumns ? 0 : 3);
    words.set(
      [
        columns,
        inColumns ? 0 : 1,
        descriptor + 4 * table,
        rows,
        ...[input, 4, output, 4, 0, 0],
        ...(inColumns ? [] : [rows, 4 * columns, 4]),
        ...[1, 0, 4 * columns],
      ],
      descriptor / 4,
    );
    const units = inColumns ? Math.ceil(columns / columnBlock('sum', 'float32')) : rows;
    const places = [0, ...cuts.map((cut) => cut % (units + 1)).sort((a, b) => a - b), units];
    for (const [i, place] of places.slice(1).entries()) kernel(descriptor, places[i], place);
    const results = [...heap.float32.subarray(output / 4, output / 4 + (inColumns ? columns : rows))];
    release(input, size);
    release(output, size);
    return results;
  }
  for (const inColumns of [false, true]) {
    test(`gives what the whole does, ${inColumns ? 'down columns' : 'along rows'}`, () => {
      const whole = run(inColumns, []);
      assert.ok(whole.every((value) => Number.isFinite(value) && value !== -1));
      fc.assert(fc.property(fc.array(fc.nat(100)), (cuts) => assert.deepEqual(run(inColumns, cuts), whole)));
    });
  }
});
