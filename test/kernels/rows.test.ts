/** Row kernels themselves: totals of totals, several results, triangles, and every way in which operands and results can lie. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { getNumThreads, setNumThreads, Tensor, tensor } from '../../src/index.ts';
import * as s from '../../src/kernels/expr.ts';
import { launchLines, launchRows, rowCode } from '../../src/ops/launch/rows.ts';

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const noise = (n: number, seed: number): number[] =>
  range(n).map((i) => (Math.imul(i + seed, 2654435761) >>> 0) / 2 ** 31 - 1);
const numbers = (x: Tensor): number[] => Array.from(x.contiguous().toTypedArray(), Number);
const filled = (shape: number[], dtype: 'float32' | 'float64', seed: number): Tensor =>
  tensor(
    noise(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    { dtype },
  ).reshape(shape);

function near(actual: Tensor, expected: readonly number[], tolerance: number): void {
  const values = numbers(actual);
  assert.equal(values.length, expected.length);
  for (const [i, value] of values.entries()) {
    assert.ok(
      Math.abs(value - expected[i]) <= tolerance * (1 + Math.abs(expected[i])),
      `[${i}]: ${value}, ${expected[i]}`,
    );
  }
}

// of x and y, and a number a: the greatest m of a x + y, the mean t of e^(a x + y - m), e^(a x + y - m) / t; and the product of both
const [x, y, a] = [0, 1, 2].map(s.input);
const score = s.add(s.mul(a, x), y);
const weight = s.expFlushed(s.sub(score, s.input(3)));
const code = rowCode({
  totals: [
    { map: score, combine: 'max', finish: s.input(0) },
    { map: weight, combine: 'sum', finish: s.div(s.input(0), s.input(1)) },
  ],
  results: [s.div(weight, s.input(4)), s.mul(x, y), s.input(4)],
});

function model(a: number, xs: readonly number[], ys: readonly number[], count: number): number[][] {
  const scores = xs.slice(0, count).map((x, i) => a * x + ys[i]);
  const greatest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - greatest));
  const mean = weights.reduce((p, q) => p + q, 0) / count;
  const padded = (values: number[]): number[] => [...values, ...new Array<number>(xs.length - count).fill(0)];
  return [padded(weights.map((w) => w / mean)), padded(range(count).map((i) => xs[i] * ys[i])), [mean]];
}

const layouts = ['dense', 'spread', 'transposed', 'outer'] as const;
/** A tensor of this shape that lies so. */
function laid(
  layout: (typeof layouts)[number],
  [m, n, o]: number[],
  dtype: 'float32' | 'float64',
  seed: number,
): Tensor {
  if (layout === 'spread') return filled([m, n, 1], dtype, seed).expand(m, n, o);
  if (layout === 'transposed') return filled([o, m, n], dtype, seed).permute(1, 2, 0);
  if (layout === 'outer') return filled([n, m, o], dtype, seed).transpose(0, 1);
  return filled([m, n, o], dtype, seed);
}

test('rows are what a model makes of them, however they lie', () => {
  fc.assert(
    fc.property(
      fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 40 })),
      fc.constantFrom(...layouts),
      fc.constantFrom(...layouts),
      fc.boolean(),
      fc.constantFrom('float32', 'float64'),
      (shape, first, second, causal, dtype) => {
        const [m, n, o] = shape;
        const operands = [laid(first, shape, dtype, 1), laid(second, shape, dtype, 99)];
        const outs = [Tensor.empty(shape, dtype), laid(first === 'spread' ? 'outer' : first, shape, dtype, 5)];
        const means = Tensor.empty([m, n, 1], dtype);
        launchRows(code, shape, [...operands, 1.5], dtype, [...outs, means], causal);
        const [xs, ys] = operands.map(numbers);
        const rows = range(m * n).map((r) => {
          const part = (values: number[]): number[] => values.slice(r * o, (r + 1) * o);
          return model(1.5, part(xs), part(ys), causal ? Math.min((r % n) + 1, o) : o);
        });
        for (const [k, out] of [...outs, means].entries()) {
          near(
            out,
            rows.flatMap((row) => row[k]),
            dtype === 'float32' ? 1e-5 : 1e-13,
          );
        }
      },
    ),
    { numRuns: 150 },
  );
});

describe('long rows', () => {
  for (const length of [2047, 2056, 2057, 4111, 50001]) {
    test(`of ${length} elements`, () => {
      const [xs, ys] = [filled([2, length], 'float64', 1), filled([2, length], 'float64', 9)];
      const out = [0, 1].map(() => Tensor.empty([2, length], 'float32'));
      launchRows(code, [2, length], [xs.float(), ys.float(), 1], 'float32', [...out, Tensor.empty([2, 1], 'float32')]);
      const part = (values: Tensor, r: number): number[] => numbers(values.select(0, r));
      near(
        out[0],
        [0, 1].flatMap((r) => model(1, part(xs, r), part(ys, r), length)[0]),
        1e-5,
      );
    });
  }
});

test('lines along another dimension come to the same', () => {
  const operands = [filled([5, 7, 3], 'float32', 1), filled([5, 7, 3], 'float32', 2), 0.5];
  for (const dim of [0, 1, 2]) {
    const outs = range(3).map((k) => Tensor.empty(k < 2 ? [5, 7, 3] : [5, 7, 3].with(dim, 1), 'float32'));
    launchLines(code, [5, 7, 3], operands, dim, 'float32', outs);
    const moved = operands.map((x) => (typeof x === 'number' ? x : x.movedim(dim, -1).contiguous()));
    const expected = range(3).map((k) => Tensor.empty(outs[k].movedim(dim, -1).shape, 'float32'));
    launchRows(code, outs[0].movedim(dim, -1).shape, moved, 'float32', expected);
    for (const [k, out] of outs.entries()) near(out.movedim(dim, -1), numbers(expected[k]), 1e-6);
  }
});

test('without totals, rows are split among threads, and results may lie over operands', () => {
  const sums = rowCode({
    totals: [],
    results: [s.add(s.input(0), s.input(1)), s.sub(s.input(0), s.mul(2, s.input(1)))],
  });
  const threads = getNumThreads();
  try {
    for (const count of [1, 2, 3]) {
      setNumThreads(count);
      const n = 300_007;
      const operands = [filled([n], 'float32', 1), filled([n], 'float32', 7)];
      const [p, q] = operands.map(numbers);
      launchRows(sums, [n], operands, 'float32', operands);
      near(
        operands[0],
        p.map((value, i) => value + q[i]),
        1e-6,
      );
      near(
        operands[1],
        p.map((value, i) => value - 2 * q[i]),
        1e-6,
      );
    }
  } finally {
    setNumThreads(threads);
  }
});
