/**
 * Reductions and scans: against what PyTorch gives for every dtype, special values and empty tensors, against plain loops on random
 * layouts, their gradients against finite differences, the names of their nodes, and what they refuse.
 * test/conformance/reductions.py says what is recorded.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { AdjointError } from '../../src/errors.ts';
import * as adjoint from '../../src/index.ts';
import { autograd, ones, rand, stdMean, Tensor, tensor, varMean, zeros } from '../../src/index.ts';
import { resolve } from '../conformance/names.ts';
import { decode, type Encoded, expected } from '../conformance/samples.ts';

type Case = [
  op: string,
  input: number,
  args: Encoded[],
  kwargs: { [name: string]: Encoded },
  results: Encoded[] | null,
];
type Sum = [
  dtype: 'float32' | 'float64',
  shape: number[],
  order: number[],
  step: number,
  dim: number,
  dims: number[] | null,
  result: Encoded,
];
interface Recorded {
  readonly inputs: Encoded[];
  readonly cases: Case[];
  readonly sums: Sum[];
}

const recorded: Recorded = JSON.parse(gunzipSync(readFileSync('test/conformance/reductions.json.gz')).toString('utf8'));

const show = (x: unknown): string =>
  x instanceof Tensor ? `${x.dtype} ${JSON.stringify(x.shape)} [${x.toTypedArray().join(', ')}]` : JSON.stringify(x);
const tensorsOf = (result: unknown): Tensor[] =>
  result instanceof Tensor ? [result] : (Object.values(result as object) as Tensor[]);

/** Results that are rounded in another order than PyTorch's differ in the last places; sums that cancel, near 0 as well. */
const close = (a: number, b: number, dtype: string): boolean =>
  Object.is(a, b) ||
  a === b ||
  Math.abs(a - b) <= (dtype === 'float32' ? 1e-6 * (Math.abs(b) + 0.1) : 1e-14 * (Math.abs(b) + 0.1));

function compare(actual: Tensor, encoded: Encoded, text: string, same = close): void {
  const { dtype, shape, elements } = expected(encoded);
  assert.equal(actual.dtype, dtype, `${text}: dtype`);
  assert.deepEqual([...actual.shape], [...shape], `${text}: shape`);
  const own = actual.toTypedArray();
  for (let i = 0; i < elements.length; i++) {
    const [a, b] = [own[i], elements[i]];
    assert.ok(
      typeof b === 'bigint' ? a === b : same(Number(a), Number(b), dtype),
      `${text}: element ${i} is ${a}, PyTorch's is ${b}`,
    );
  }
}

describe('as PyTorch computes them, for every dtype', () => {
  const byOperator = new Map<string, Case[]>();
  for (const one of recorded.cases) byOperator.set(one[0], [...(byOperator.get(one[0]) ?? []), one]);
  for (const [op, own] of byOperator) {
    test(`${op}: ${own.length} calls`, () => {
      const call = resolve(op);
      assert.ok(call, 'is missing');
      for (const [, input, encodedArgs, encodedKwargs, results] of own) {
        const x = decode(recorded.inputs[input], []) as Tensor;
        const args = [x, ...encodedArgs.map((arg) => decode(arg, []))];
        const kwargs = Object.fromEntries(Object.entries(encodedKwargs).map(([key, arg]) => [key, decode(arg, [])]));
        const text = `${op}(${[...args, kwargs].map(show).join(', ')})`;
        if (results === null) {
          assert.throws(() => call(args, kwargs), AdjointError, `${text} is an error in PyTorch`);
          continue;
        }
        const actual = tensorsOf(call(args, kwargs));
        assert.equal(actual.length, results.length, text);
        for (const [i, result] of results.entries()) compare(actual[i], result, text);
      }
    });
  }
});

describe('sums are PyTorch’s to the last bit', () => {
  /** The elements that reductions.py sums. */
  const element = (i: number): number => {
    const k = Number((BigInt(i) * 2654435761n) % 2n ** 32n);
    return ((k / 2 ** 32 - 0.5) / 3) * 2 ** (k % 7);
  };
  for (const [dtype, shape, order, step, dim, dims, result] of recorded.sums) {
    test(`${dtype} [${shape}] as [${order}], every ${step} along ${dim}, over ${dims ?? 'all'}`, () => {
      const n = shape.reduce((a, b) => a * b, 1);
      const whole = tensor(Float64Array.from({ length: n }, (_, i) => element(i)))
        .to(dtype)
        .reshape(shape)
        .permute(order);
      const sizes = whole.shape.with(dim, Math.ceil(whole.shape[dim] / step));
      const strides = whole.stride().with(dim, whole.stride(dim) * step);
      compare(whole.asStrided(sizes, strides).sum(dims), result, 'sum', Object.is);
    });
  }
});

/** A tensor of whole numbers in memory of a random order with gaps, and along some dimensions repeated without a copy. */
const layouts = (dtype: Tensor['dtype'], longest: number): fc.Arbitrary<Tensor> =>
  fc.integer({ min: 0, max: 4 }).chain((rank) =>
    fc
      .record({
        shape: fc.array(fc.integer({ min: 0, max: rank < 3 ? longest : 6 }), { minLength: rank, maxLength: rank }),
        order: fc.shuffledSubarray(
          Array.from({ length: rank }, (_, d) => d),
          { minLength: rank },
        ),
        repeated: fc.array(fc.integer({ min: 0, max: 7 }), { minLength: rank, maxLength: rank }),
        gap: fc.integer({ min: 1, max: 3 }),
        seed: fc.integer({ min: 0, max: 999 }),
      })
      .map(({ shape, order, repeated, gap, seed }) => {
        const strides = new Array<number>(rank).fill(0);
        let size = gap;
        for (const d of order) {
          if (repeated[d] === 0) continue;
          strides[d] = size;
          size *= Math.max(shape[d], 1);
        }
        const data = Float64Array.from({ length: size }, (_, i) => (Math.imul(i + seed, 2654435761) >>> 8) % 7);
        const signed = dtype === 'uint8' || dtype === 'bool' ? data : data.map((v) => v - 3);
        return tensor(signed).to(dtype).asStrided(shape, strides);
      }),
  );

/** Splits a tensor into the groups of elements that a reduction along `dims` makes one of, in row-major order. */
function groups(x: Tensor, dims: readonly number[]): number[][] {
  const kept = x.shape.flatMap((_, d) => (dims.includes(d) ? [] : [d]));
  const rows = x.permute([...kept, ...dims]);
  const values = Array.from(rows.toTypedArray() as Float64Array, Number);
  const size = dims.reduce((n, d) => n * x.shape[d], 1);
  const count = kept.reduce((n, d) => n * x.shape[d], 1);
  return Array.from({ length: count }, (_, i) => values.slice(i * size, (i + 1) * size));
}

const reductions: { [name: string]: (values: number[]) => number } = {
  sum: (values) => values.reduce((a, b) => a + b, 0),
  prod: (values) => values.reduce((a, b) => a * b, 1),
  amax: (values) => Math.max(...values),
  amin: (values) => Math.min(...values),
  all: (values) => Number(values.every((v) => v !== 0)),
  any: (values) => Number(values.some((v) => v !== 0)),
  countNonzero: (values) => values.filter((v) => v !== 0).length,
};
/** The product of what is not 0, without signs. */
const magnitude = (values: number[]): number => values.reduce((a, b) => a * Math.abs(b || 1), 1);
const dtypes = ['bool', 'uint8', 'int8', 'int16', 'int32', 'int64', 'float32', 'float64'] as const;

describe('on any layout, as plain loops', () => {
  for (const [name, reduce] of Object.entries(reductions)) {
    test(name, () => {
      fc.assert(
        fc.property(
          fc.constantFrom(...dtypes).chain((dtype) => layouts(dtype, name === 'prod' ? 9 : 70)),
          fc.array(fc.nat(3), { maxLength: 4 }),
          (x, picks) => {
            const dims = [...new Set(picks.map((d) => d % Math.max(x.ndim, 1)))].sort().slice(0, x.ndim);
            const one = name === 'prod';
            const along = dims.length === 0 ? null : one ? dims[0] : dims;
            const reduced = along === null ? x.shape.map((_, d) => d) : one ? dims.slice(0, 1) : dims;
            if (name.startsWith('am') && reduced.some((d) => x.shape[d] === 0)) return;
            // no order of operations on these rounds: sums of small whole numbers, and products that are not too great
            if (one && groups(x, reduced).some((row) => magnitude(row) > 2 ** 24)) return;
            const y = (adjoint as unknown as Record<string, (x: Tensor, dim: unknown) => Tensor>)[name](x, along);
            assert.deepEqual(
              [...y.shape],
              x.shape.filter((_, d) => !reduced.includes(d)),
            );
            assert.deepEqual(
              Array.from(y.toTypedArray() as Float64Array, (v) => Number(v) + 0),
              groups(x, reduced).map((v) => reduce(v) + 0),
            );
          },
        ),
        { numRuns: 400 },
      );
    });
  }

  test('max, min, argmax and argmin along a dimension find the first of equals', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...dtypes).chain((dtype) => layouts(dtype, 70)),
        fc.nat(3),
        fc.boolean(),
        (x, pick, keepdim) => {
          if (x.ndim === 0) return;
          const dim = pick % x.ndim;
          if (x.shape[dim] === 0) return;
          const rows = groups(x, [dim]);
          for (const [name, extreme] of [
            ['max', Math.max],
            ['min', Math.min],
          ] as const) {
            const { values, indices } = x[name](dim, keepdim);
            assert.deepEqual([...values.shape], keepdim ? x.shape.with(dim, 1) : x.shape.toSpliced(dim, 1));
            assert.equal(indices.dtype, 'int64');
            assert.deepEqual(
              Array.from(values.toTypedArray(), Number),
              rows.map((row) => extreme(...row)),
            );
            const first = rows.map((row) => row.indexOf(extreme(...row)));
            assert.deepEqual(Array.from(indices.toTypedArray(), Number), first);
            if (x.dtype !== 'bool') assert.ok(x[`arg${name}`](dim, keepdim).eq(indices).all().item());
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  /** What a scan gives for one line. */
  const scans: { [name: string]: (line: number[]) => number[][] } = {
    cumsum: (line) => [line.map((_, i) => line.slice(0, i + 1).reduce((a, b) => a + b, 0))],
    cumprod: (line) => [line.map((_, i) => line.slice(0, i + 1).reduce((a, b) => a * b, 1))],
    cummax: (line) => running(line, Math.max),
    cummin: (line) => running(line, Math.min),
  };
  const running = (line: number[], extreme: (...values: number[]) => number): number[][] => {
    const values = line.map((_, i) => extreme(...line.slice(0, i + 1)));
    return [values, values.map((v, i) => line.lastIndexOf(v, i))];
  };
  for (const [name, scan] of Object.entries(scans)) {
    test(name, () => {
      fc.assert(
        fc.property(
          fc.constantFrom(...dtypes).chain((dtype) => layouts(dtype, name === 'cumprod' ? 9 : 70)),
          fc.nat(3),
          (x, pick) => {
            if (x.ndim === 0) return;
            const dim = pick % x.ndim;
            const call = (adjoint as unknown as Record<string, (x: Tensor, dim: number) => unknown>)[name];
            const results = tensorsOf(call(x, dim)).map((y) => groups(y, [dim]));
            for (const [k, line] of groups(x, [dim]).entries()) {
              for (const [j, wanted] of scan(line).entries())
                assert.deepEqual(
                  results[j][k].map((v) => v + 0),
                  wanted.map((v) => v + 0),
                );
            }
          },
        ),
        { numRuns: 300 },
      );
    });
  }

  test('sumToSize undoes expand', () => {
    fc.assert(
      fc.property(layouts('float64', 20), fc.array(fc.boolean(), { minLength: 4 }), fc.nat(4), (x, drop, cut) => {
        const shape = x.shape.map((size, d) => (drop[d] ? 1 : size)).slice(Math.min(cut, x.ndim));
        const summed = x.sumToSize(shape);
        assert.deepEqual([...summed.shape], shape);
        const y = ones(shape.length === 0 ? [] : shape, { dtype: 'float64' });
        // <x, expand y> = <sumToSize x, y>
        assert.equal(x.mul(y.expand(x.shape)).sum().item(), summed.mul(y).sum().item());
      }),
    );
  });

  test('softmax, logSoftmax and logsumexp agree with each other and with exp', () => {
    fc.assert(
      fc.property(layouts('float64', 20), fc.nat(3), (x, pick) => {
        const dim = x.ndim === 0 ? 0 : pick % x.ndim;
        if (x.numel() === 0) return;
        const e = x.exp();
        const near = (a: Tensor, b: Tensor): void =>
          assert.ok(a.sub(b).abs().le(1e-13).all().item(), `${a} is not ${b}`);
        near(x.softmax(dim), e.div(e.sum(dim, true)));
        near(x.logSoftmax(dim), x.softmax(dim).log());
        near(x.logsumexp(dim), e.sum(dim).log());
        near(x.add(1000).softmax(dim), x.softmax(dim));
        near(x.logcumsumexp(dim), e.cumsum(dim).log());
      }),
    );
  });
});

describe('gradients, twice, against finite differences', () => {
  const leaf = (data: number[][] | number[] | number): Tensor => tensor(data, { dtype: 'float64', requiresGrad: true });
  const matrix = [
    [0.3, -1.2, 2.5, 0.7],
    [1.9, 0.4, -0.6, -2.2],
    [-0.9, 1.1, 0.2, 1.6],
  ];
  const functions: { [name: string]: (x: Tensor) => Tensor | Tensor[] } = {
    sum: (x) => x.sum(0).mul(x.sum()),
    mean: (x) => x.mean(1, true).mul(x.mean()),
    nansum: (x) => x.nansum(0).square(),
    nanmean: (x) => x.nanmean(0).square(),
    prod: (x) => [x.prod(), x.prod(0), x.prod(1, true)],
    amax: (x) => x.amax([0, 1]).mul(x.amin(1)),
    aminmax: (x) => tensorsOf(adjoint.aminmax(x, { dim: 0 })).map((y) => y.square()),
    max: (x) => [x.max().square(), x.max(0).values.square(), x.min(1, true).values.square()],
    median: (x) => [
      x.median().square(),
      x.median(1).values.square(),
      x.quantile(0.3, 0).square(),
      x.mode(1).values.square(),
    ],
    var: (x) => [x.var(), x.var(0), x.var(1, { correction: 0 })],
    std: (x) => [x.std(), x.std(0, false, true)],
    varMean: (x) => [...varMean(x, 0), ...stdMean(x)],
    norm: (x) => [x.norm(), x.norm(3, 0), x.norm(1.5, 1), x.norm(0.5), x.norm(Number.POSITIVE_INFINITY, 0).square()],
    logsumexp: (x) => [x.logsumexp(0), x.logsumexp([0, 1], true)],
    cumsum: (x) => x.cumsum(0).square(),
    cumprod: (x) => [x.cumprod(0), x.cumprod(1)],
    cummax: (x) => [x.cummax(0).values.square(), x.cummin(1).values.square()],
    logcumsumexp: (x) => [x.logcumsumexp(0), x.logcumsumexp(1)],
    softmax: (x) => [x.softmax(0), x.softmax(1)],
    logSoftmax: (x) => [x.logSoftmax(0), x.logSoftmax(1)],
    sumToSize: (x) => x.square().sumToSize(1, x.size(1)),
  };
  for (const [name, f] of Object.entries(functions)) {
    test(name, () => {
      assert.ok(autograd.gradcheck(f, leaf(matrix)));
      assert.ok(autograd.gradgradcheck(f, leaf(matrix)));
      assert.ok(autograd.gradcheck((x) => f(x.t()), leaf(matrix.slice(0, 2))));
    });
  }

  test('products with zeros among the factors', () => {
    const zeros = leaf([
      [0, 2, 3, 0.5],
      [0, 1.5, 0, 2],
      [0, 0, 0, 1],
    ]);
    for (const f of [
      (x: Tensor) => x.prod(1),
      (x: Tensor) => x.prod(),
      (x: Tensor) => x.cumprod(1),
      (x: Tensor) => x.cumprod(0),
    ]) {
      assert.ok(autograd.gradcheck(f, zeros));
      assert.ok(autograd.gradgradcheck(f, zeros));
    }
    // the third derivative of a b c is 1 with respect to each of them
    const x = leaf([0, 0, 0]);
    const [g] = autograd.grad(x.prod(), [x], { createGraph: true });
    const [g2] = autograd.grad(g.select(0, 0), [x], { createGraph: true });
    const [g3] = autograd.grad(g2.select(0, 1), [x]);
    assert.deepEqual(g3.tolist(), [0, 0, 1]);
  });

  test('equals share the gradient of amax, of max without a dimension and of infinite norms; max along one gives it to the first', () => {
    const gradientOf = (f: (x: Tensor) => Tensor): unknown => {
      const x = leaf([2, 1, 2, -2]);
      return autograd.grad(f(x), [x])[0].tolist();
    };
    assert.deepEqual(
      gradientOf((x) => x.amax()),
      [0.5, 0, 0.5, 0],
    );
    assert.deepEqual(
      gradientOf((x) => x.max()),
      [0.5, 0, 0.5, 0],
    );
    assert.deepEqual(
      gradientOf((x) => x.max(0).values),
      [1, 0, 0, 0],
    );
    assert.deepEqual(
      gradientOf((x) => x.cummax(0).values.sum()),
      [2, 0, 2, 0],
    );
    assert.deepEqual(
      gradientOf((x) => x.norm(Number.POSITIVE_INFINITY)),
      [1 / 3, 0, 1 / 3, -1 / 3],
    );
    assert.deepEqual(
      gradientOf((x) => adjoint.aminmax(x).max),
      [0.5, 0, 0.5, 0],
    );
  });

  test('subgradients where there is no derivative', () => {
    const gradientOf = (f: (x: Tensor) => Tensor, data: number[]): unknown => {
      const x = leaf(data);
      return autograd.grad(f(x), [x])[0].tolist();
    };
    assert.deepEqual(
      gradientOf((x) => x.norm(), [0, 0]),
      [0, 0],
    );
    assert.deepEqual(
      gradientOf((x) => x.norm(3), [0, 0]),
      [0, 0],
    );
    assert.deepEqual(
      gradientOf((x) => x.norm(0.5), [0, 1]),
      [0, 1],
    );
    assert.deepEqual(
      gradientOf((x) => x.std(), [1, 1]),
      [0, 0],
    );
    assert.deepEqual(
      gradientOf((x) => x.var({ correction: 2 }), [1, 2]),
      [Infinity, Infinity],
    );
    assert.deepEqual(
      gradientOf((x) => x.max(), [1, Number.NaN]),
      [0, 1],
    );
  });
});

test('nodes have PyTorch’s names', () => {
  const x = rand(3, 4, { requiresGrad: true });
  const named: [Tensor, string][] = [
    [x.sum(), 'SumBackward0'],
    [x.sum(0), 'SumBackward1'],
    [x.mean(), 'MeanBackward0'],
    [x.mean([0, 1]), 'MeanBackward1'],
    [x.prod(), 'ProdBackward0'],
    [x.prod(0), 'ProdBackward1'],
    [x.amax(), 'AmaxBackward0'],
    [x.amin(0), 'AminBackward0'],
    [adjoint.aminmax(x).min, 'AminmaxBackward0'],
    [x.max(), 'MaxBackward1'],
    [x.max(0).values, 'MaxBackward0'],
    [x.max(x), 'MaximumBackward0'],
    [x.min(), 'MinBackward1'],
    [x.min(0).values, 'MinBackward0'],
    [x.median(), 'MedianBackward0'],
    [x.nanmedian(0).values, 'NanmedianBackward1'],
    [x.mode(0).values, 'ModeBackward0'],
    [x.var(), 'VarBackward0'],
    [x.std(0), 'StdBackward0'],
    [varMean(x)[1], 'VarMeanBackward0'],
    [stdMean(x)[0], 'StdMeanBackward0'],
    [x.norm(), 'LinalgVectorNormBackward0'],
    [x.logsumexp(0), 'LogsumexpBackward0'],
    [x.nansum(), 'NansumBackward0'],
    [x.nanmean(), 'DivBackward0'],
    [x.cumsum(0), 'CumsumBackward0'],
    [x.cumprod(0), 'CumprodBackward0'],
    [x.cummax(0).values, 'CummaxBackward0'],
    [x.cummin(0).values, 'CumminBackward0'],
    [x.logcumsumexp(0), 'LogcumsumexpBackward0'],
    [x.softmax(0), 'SoftmaxBackward0'],
    [x.logSoftmax(0), 'LogSoftmaxBackward0'],
  ];
  for (const [y, name] of named) assert.equal(y.gradFn?.name(), name);
  assert.equal(x.max(0).indices.requiresGrad, false);
  assert.equal(x.argmax().requiresGrad, false);
  assert.equal(x.sumToSize(3, 4), x);
});

describe('arguments', () => {
  const x = tensor([
    [1, 5],
    [4, 2],
  ]);

  test('by position and by name are the same call', () => {
    assert.equal(String(x.sum(1, true)), String(x.sum({ dim: 1, keepdim: true })));
    assert.equal(String(x.sum(1, { keepdim: true })), String(adjoint.sum(x, -1, true)));
    assert.equal(String(x.max({ dim: 1 }).indices), String(x.max(1).indices));
    assert.equal(String(x.max({ other: x.t() })), String(x.maximum(x.t())));
    assert.equal(x.var(false).item(), x.var({ correction: 0 }).item());
    assert.equal(x.var(null, false).item(), x.var({ unbiased: false }).item());
  });

  test('cumsum_ and cumprod_ write over the tensor', () => {
    const y = tensor([1, 2, 3]);
    assert.equal(y.cumsum_(0), y);
    assert.deepEqual(y.cumprod_(0).tolist(), [1, 3, 18]);
    assert.throws(() => y.cumsum_(0, 'float64'), { code: 'dtype', message: /must match the dtype of self/ });
  });

  const refused: [what: string, call: () => unknown, code: string, message: RegExp][] = [
    [
      'max of nothing',
      () => zeros(0).max(),
      'shape',
      /^max\(\): Expected reduction dim to be specified for input\.numel\(\) == 0/,
    ],
    [
      'amax along nothing',
      () => zeros(2, 0).amax(1),
      'shape',
      /^amax\(\): Expected reduction dim 1 to have non-zero size, got shape \[2, 0\]$/,
    ],
    ['argmin along nothing', () => zeros(0, 2).argmin(0), 'shape', /Expected reduction dim 0 to have non-zero size/],
    ['argmax of bool', () => tensor([true]).argmax(), 'dtype', /does not support bool input/],
    [
      'a dimension out of range',
      () => x.sum(2),
      'index',
      /Dimension out of range \(expected to be in range of \[-2, 1\], but got 2\)/,
    ],
    ['a dimension that is no whole number', () => x.sum(0.5), 'argument', /whole number, got 0.5/],
    ['a repeated dimension', () => x.mean([0, -2]), 'argument', /dim 0 appears multiple times in the list of dims/],
    ['the mean of integers', () => tensor([1n]).mean(), 'dtype', /could not infer output dtype.*Got: int64/],
    ['the variance of integers', () => tensor([1n]).var(), 'dtype', /expected a floating dtype, got int64/],
    [
      'unbiased and correction',
      () => x.var({ unbiased: true, correction: 0 }),
      'argument',
      /either unbiased or correction/,
    ],
    [
      'several dimensions of prod',
      () => x.prod([0, 1] as unknown as number),
      'argument',
      /one dimension, got \[0, 1\]/,
    ],
    [
      'an unknown option',
      () => x.sum({ axis: 0 } as object),
      'argument',
      /unknown option "axis"; known are "dim", "keepdim", "dtype"/,
    ],
    ['an unknown dtype', () => x.sum({ dtype: 'float' as 'float32' }), 'dtype', /unknown dtype "float"/],
    ['a size that does not broadcast', () => x.sumToSize(3), 'shape', /size \[3\] is not expandable to size \[2, 2\]/],
    ['the nuclear norm', () => x.norm('nuc'), 'unsupported', /nuclear norm/],
    ['an unknown norm', () => x.norm('max' as 'fro'), 'argument', /p must be a number, 'fro' or null, got "max"/],
    ['the infinite norm of nothing', () => zeros(0).norm(Infinity), 'shape', /does not have an identity/],
    ['a narrower norm', () => x.double().norm(2, { dtype: 'float32' }), 'dtype', /without narrowing/],
    ['the softmax of integers', () => tensor([1n]).softmax(0), 'dtype', /expected a floating dtype, got int64/],
    ['running sums of truth values', () => x.cumsum(0, 'bool'), 'dtype', /no running sums/],
    ['a quantile beyond 1', () => x.quantile(1.5), 'argument', /q values must be in the range \[0, 1\], got 1.5/],
    ['the median of bool', () => tensor([true]).median(), 'dtype', /not implemented for bool/],
  ];
  for (const [what, call, code, message] of refused) {
    test(`refuse ${what}`, () => {
      assert.throws(call, (error) => {
        assert.ok(error instanceof AdjointError);
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      });
    });
  }
});

test('large float32 sums keep their digits', () => {
  const n = 5_000_000;
  const x = tensor(new Float32Array(n).fill(0.1));
  const near = (y: Tensor, wanted: number): void =>
    assert.ok(Math.abs((y.item() as number) / wanted - 1) < 1e-6, `${y.item()} is not ${wanted}`);
  near(x.sum(), Math.fround(0.1) * n);
  near(x.reshape(-1, 10).sum(0).sum(), Math.fround(0.1) * n);
  near(x.mean(), Math.fround(0.1));
  near(x.cumsum(0).select(0, -1), Math.fround(0.1) * n);
});
