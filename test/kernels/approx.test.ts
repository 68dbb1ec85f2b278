import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { approximation } from '../../src/kernels/approx.ts';
import { type Expr, input, type Transcendental, transcendental1, transcendental2 } from '../../src/kernels/expr.ts';
import { hostMath } from '../../src/kernels/host-math.ts';
import { flushedExp, narrowApproximation } from '../../src/kernels/narrow-approx.ts';

// An evaluator of expressions in float64. Truth values are 0 and 1.

const bits = new DataView(new ArrayBuffer(8));

function withHighWord(x: number, change: (high: number) => number): number {
  bits.setFloat64(0, x);
  bits.setUint32(0, change(bits.getUint32(0)));
  return bits.getFloat64(0);
}

/** The whole number nearest to x, ties to even. */
function nearestEven(x: number): number {
  const magnitude = Math.abs(x) < 2 ** 52 ? Math.abs(x) + 2 ** 52 - 2 ** 52 : Math.abs(x);
  return x < 0 || Object.is(x, -0) ? -magnitude : magnitude;
}

const isNegative = (x: number): boolean => x < 0 || Object.is(x, -0);

const operations: Record<string, (a: number, b: number, c: number) => number> = {
  neg: (a) => -a,
  abs: Math.abs,
  sqrt: Math.sqrt,
  floor: Math.floor,
  trunc: Math.trunc,
  round: nearestEven,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  fma: (a, b, c) => a * b + c,
  eq: (a, b) => Number(a === b),
  ne: (a, b) => Number(a !== b),
  lt: (a, b) => Number(a < b),
  gt: (a, b) => Number(a > b),
  ge: (a, b) => Number(a >= b),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  not: (a) => 1 - a,
  select: (when, a, b) => (when ? a : b),
  copysign: (a, b) => (isNegative(b) ? -Math.abs(a) : Math.abs(a)),
  significand: (a) => withHighWord(a, (high) => (high & 0x000fffff) | 0x3ff00000),
  exponent: (a) => {
    bits.setFloat64(0, a);
    return ((bits.getUint32(0) >>> 20) & 0x7ff) - 1023;
  },
  // sign and exponent are the low twelve bits of n + 1023
  exp2int: (n) => withHighWord(0, () => (n + 1023) << 20),
};

/** The exponent of a float32, whose significand is in [3/4, 3/2). */
const narrowExponent = (x: number): number => (bitsOf(x) - 0x3f400000) >> 23;

/** The same in float32, whose smallest exponent stands for 0. */
const narrowOperations: typeof operations = {
  ...operations,
  exp2int: (n) => (n < -126 ? 0 : 2 ** n),
  significand: (x) => fromBits(bitsOf(x) - (narrowExponent(x) << 23)),
  exponent: narrowExponent,
};

/** What happens to the result of each operation. */
type Rounding = (x: number) => number;
const toDouble: Rounding = (x) => x;

/** The value of an expression for each row of its inputs, rounded to float32. */
function evaluate(root: Expr, inputs: readonly Float32Array[], rounded = toDouble): Float32Array {
  const known = new Map<Expr, ArrayLike<number>>();
  const column = (e: Expr): ArrayLike<number> => {
    let result = known.get(e);
    if (!result) {
      const values = new Float64Array(inputs[0].length);
      const columns = e.args.map(column);
      const [a, b, c] = [...columns, values, values, values];
      const operation = (rounded === toDouble ? operations : narrowOperations)[e.op];
      if (e.op === 'input') values.set(inputs[e.value]);
      else if (e.op === 'const') values.fill(rounded(e.value));
      else if (e.op === 'host') {
        values.forEach((_, i) => {
          values[i] = a[i] ? hostMath[e.host as Transcendental](...columns.slice(2).map((arg) => arg[i])) : b[i];
        });
      } else for (let i = 0; i < values.length; i++) values[i] = rounded(operation(a[i], b[i], c[i]));
      known.set(e, (result = values));
    }
    return result;
  };
  return Float32Array.from(column(root));
}

function approximate(name: Transcendental, inputs: readonly Float32Array[]): Float32Array {
  const narrow = narrowApproximation[name];
  if (narrow) return evaluate(narrow(input(0)), inputs, Math.fround);
  return evaluate(approximation[name](...inputs.map((_, i) => input(i))), inputs);
}

// Samples of float32.

const words = new DataView(new ArrayBuffer(4));
function fromBits(pattern: number): number {
  words.setUint32(0, pattern);
  return words.getFloat32(0);
}
function bitsOf(x: number): number {
  words.setFloat32(0, x);
  return words.getUint32(0);
}

let state = 1;
/** A whole number in [0, 2^32), from a xorshift generator. */
function random(): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state >>> 0;
}
const uniform = (low: number, high: number): number => low + ((high - low) * random()) / 2 ** 32;

/** Where something happens: zeros, poles, limits of domains and of float32, changes of method in the approximations. */
const landmarks = [
  0, 2 ** -149, 2 ** -126, 2 ** -64, 2 ** -24, 2 ** -12, 0.25, Math.SQRT2 / 4, Math.LN2 / 2, Math.SQRT2 - 1, 0.5, Math.SQRT1_2,
  Math.PI / 4, 1, Math.SQRT2, 1.5, Math.PI / 2, 2, 2.5, Math.E, 3, Math.PI, 3.92, (3 * Math.PI) / 2, 2 * Math.PI, 9.01, 9.05, 10,
  10.0543, 16.6, 87.3365, 88.7228, 89.416, 100, 103.9721, 104, 126, 127, 128, 149, 150, 1000, 1e5, 2 ** 22, 2 ** 24, 1e10, 1e20,
  Number.POSITIVE_INFINITY,
]; // biome-ignore format: a table

function samples(): Float32Array {
  const values: number[] = [];
  const both = (x: number): unknown => values.push(x, -x);
  for (const x of landmarks) {
    // beyond infinity are NaNs
    for (let step = -100; step <= 100; step++) both(fromBits(Math.max(0, bitsOf(x) + step)));
  }
  for (let pattern = 0; pattern < 0x7f800000; pattern += 0x7f800000 / 20000) both(fromBits(pattern));
  for (let i = 0; i < 10000; i++) {
    values.push(fromBits(random()), uniform(-1, 1), uniform(-10, 10), uniform(-150, 150), 1 + uniform(-0.01, 0.01));
  }
  return Float32Array.from(values);
}

/** The distance of neighbouring float32 numbers at x. */
function ulp(x: number): number {
  const exponent = operations.exponent(x, 0, 0);
  return 2 ** (Math.min(Math.max(exponent, -126), 127) - 23);
}

/** The error that an approximation may have, in units in the last place. */
const tolerance = (name: Transcendental): number => (narrowApproximation[name] ? 1 : 0.52);

/** Compares an approximation with the host's function: specials exactly, the rest within the tolerance. */
function check(name: Transcendental, ...inputs: Float32Array[]): void {
  approximate(name, inputs).forEach((actual, i) => {
    const args = inputs.map((column) => column[i]);
    const exact = hostMath[name](...args);
    const expected = Math.fround(exact);
    const special = !Number.isFinite(expected) || expected === 0 || !Number.isFinite(actual) || actual === 0;
    const right = special ? Object.is(actual, expected) : Math.abs(actual - exact) <= tolerance(name) * ulp(exact);
    // a message is built only for a failure: there are millions of comparisons
    if (!right) assert.fail(`${name}(${args.join(', ')}) is ${exact}, approximated by ${actual}`);
  });
}

describe('float32 approximations', () => {
  for (const name of transcendental1) {
    test(`${name} is within ${tolerance(name)} units in the last place`, () => check(name, samples()));
  }

  test('exp of the softmax is within 0.95 units in the last place, or 0 where that is small', () => {
    const x = samples().filter((value) => value <= 88);
    evaluate(flushedExp(input(0)), [x], Math.fround).forEach((actual, i) => {
      const exact = Math.exp(x[i]);
      const flushed = actual === 0 && exact < 2 ** -125;
      if (!flushed && !(Math.abs(actual - exact) <= 0.95 * ulp(exact)))
        assert.fail(`exp(${x[i]}) is approximated by ${actual}`);
    });
    const [nan, least] = evaluate(flushedExp(input(0)), [Float32Array.of(Number.NaN, -Infinity)], Math.fround);
    assert.ok(Number.isNaN(nan));
    assert.equal(least, 0);
  });

  const count = 40000;
  const column = (f: (i: number) => number): Float32Array => Float32Array.from({ length: count }, (_, i) => f(i));
  const pairs: Record<string, () => [Float32Array, Float32Array]> = {
    'any bits': () => [column(() => fromBits(random())), column(() => fromBits(random()))],
    'alike in size': () => [column(() => uniform(-20, 20)), column(() => uniform(-20, 20))],
    'whole and half numbers': () => [column(() => (random() % 401) / 2 - 100), column(() => (random() % 81) / 2 - 20)],
    'landmarks and their neighbours': () => {
      const near = (): number => {
        const x = fromBits(Math.max(0, bitsOf(landmarks[random() % landmarks.length]) + (random() % 3) - 1));
        return random() % 2 ? x : -x;
      };
      return [column(near), column(near)];
    },
    'powers within float32': () => {
      const base = column((i) => (i % 2 ? fromBits(random() >>> 1) : 1 + uniform(-1, 1) * 2 ** -(random() % 24)));
      return [base, base.map((x) => uniform(-152, 130) / Math.log2(Math.abs(x)))];
    },
  };
  for (const name of transcendental2) {
    for (const [kind, make] of Object.entries(pairs)) test(`${name} of ${kind}`, () => check(name, ...make()));
  }
});

const inf = Number.POSITIVE_INFINITY;
const nan = Number.NaN;
const { PI } = Math;

/** Arguments and the value that C99 gives. */
const specials: Record<Transcendental, number[][]> = {
  exp: [[0, 1], [-0, 1], [inf, inf], [-inf, 0], [nan, nan]],
  exp2: [[0, 1], [-0, 1], [3, 8], [-149, 2 ** -149], [inf, inf], [-inf, 0], [nan, nan]],
  expm1: [[0, 0], [-0, -0], [inf, inf], [-inf, -1], [nan, nan]],
  log: [[1, 0], [0, -inf], [-0, -inf], [-1, nan], [-inf, nan], [inf, inf], [nan, nan]],
  log2: [[1, 0], [8, 3], [2 ** -149, -149], [0, -inf], [-0, -inf], [-1, nan], [-inf, nan], [inf, inf], [nan, nan]],
  log10: [[1, 0], [1000, 3], [0, -inf], [-0, -inf], [-1, nan], [-inf, nan], [inf, inf], [nan, nan]],
  log1p: [[0, 0], [-0, -0], [-1, -inf], [-2, nan], [-inf, nan], [inf, inf], [nan, nan]],
  sin: [[0, 0], [-0, -0], [inf, nan], [-inf, nan], [nan, nan]],
  cos: [[0, 1], [-0, 1], [inf, nan], [-inf, nan], [nan, nan]],
  tan: [[0, 0], [-0, -0], [inf, nan], [-inf, nan], [nan, nan]],
  asin: [[0, 0], [-0, -0], [1, PI / 2], [-1, -PI / 2], [1.5, nan], [-1.5, nan], [inf, nan], [-inf, nan], [nan, nan]],
  acos: [[1, 0], [0, PI / 2], [-0, PI / 2], [-1, PI], [1.5, nan], [-1.5, nan], [inf, nan], [-inf, nan], [nan, nan]],
  atan: [[0, 0], [-0, -0], [inf, PI / 2], [-inf, -PI / 2], [nan, nan]],
  sinh: [[0, 0], [-0, -0], [inf, inf], [-inf, -inf], [nan, nan]],
  cosh: [[0, 1], [-0, 1], [inf, inf], [-inf, inf], [nan, nan]],
  tanh: [[0, 0], [-0, -0], [inf, 1], [-inf, -1], [nan, nan]],
  asinh: [[0, 0], [-0, -0], [inf, inf], [-inf, -inf], [nan, nan]],
  acosh: [[1, 0], [0.5, nan], [-1, nan], [-2, nan], [-inf, nan], [inf, inf], [nan, nan]],
  atanh: [[0, 0], [-0, -0], [1, inf], [-1, -inf], [1.5, nan], [-1.5, nan], [inf, nan], [-inf, nan], [nan, nan]],
  erf: [[0, 0], [-0, -0], [inf, 1], [-inf, -1], [nan, nan]],
  erfc: [[0, 1], [-0, 1], [inf, 0], [-inf, 2], [nan, nan]],
  pow: [
    [0, 0, 1], [nan, 0, 1], [nan, -0, 1], [inf, 0, 1], [1, nan, 1], [1, inf, 1], [1, -inf, 1], [nan, 1, nan], [2, nan, nan],
    [-1, inf, 1], [-1, -inf, 1], [-1, nan, nan], [-2, 3, -8], [-2, 2, 4], [-2, 0.5, nan], [-2, -1, -0.5],
    [0, 3, 0], [-0, 3, -0], [0, 2, 0], [-0, 2, 0], [-0, 0.5, 0], [0, -3, inf], [-0, -3, -inf], [-0, -2, inf], [-0, -0.5, inf],
    [0, -inf, inf], [-0, -inf, inf], [0, inf, 0], [-0, inf, 0],
    [0.5, inf, 0], [0.5, -inf, inf], [2, inf, inf], [2, -inf, 0], [-0.5, inf, 0], [-2, inf, inf], [-2, -inf, 0],
    [inf, 2, inf], [inf, -2, 0], [inf, inf, inf], [inf, -inf, 0], [-inf, 3, -inf], [-inf, 2, inf], [-inf, 0.5, inf],
    [-inf, -3, -0], [-inf, -2, 0], [-inf, -0.5, 0], [-inf, inf, inf], [-inf, -inf, 0],
  ],
  atan2: [
    [0, 0, 0], [-0, 0, -0], [0, -0, PI], [-0, -0, -PI], [0, 1, 0], [-0, 1, -0], [0, -1, PI], [-0, -1, -PI],
    [1, 0, PI / 2], [1, -0, PI / 2], [-1, 0, -PI / 2], [-1, -0, -PI / 2], [1, 1, PI / 4], [1, -1, 0.75 * PI],
    [-1, 1, -PI / 4], [-1, -1, -0.75 * PI], [1, inf, 0], [-1, inf, -0], [1, -inf, PI], [-1, -inf, -PI],
    [inf, 1, PI / 2], [inf, -1, PI / 2], [-inf, 1, -PI / 2], [inf, inf, PI / 4], [inf, -inf, 0.75 * PI],
    [-inf, inf, -PI / 4], [-inf, -inf, -0.75 * PI], [nan, 1, nan], [1, nan, nan], [nan, nan, nan], [nan, inf, nan], [0, nan, nan],
  ],
  hypot: [
    [3, 4, 5], [-3, 4, 5], [0, -0, 0], [-0, -0, 0], [inf, nan, inf], [nan, -inf, inf], [-inf, 1, inf], [nan, 0, nan], [0, nan, nan],
  ],
  fmod: [
    [5, 3, 2], [-5, 3, -2], [5, -3, 2], [6, 3, 0], [-6, 3, -0], [0, 3, 0], [-0, 3, -0], [5.5, inf, 5.5], [-5.5, -inf, -5.5],
    [-0, inf, -0], [1, 0, nan], [1, -0, nan], [0, 0, nan], [inf, 3, nan], [-inf, inf, nan], [nan, 1, nan], [1, nan, nan],
  ],
}; // biome-ignore format: a table

describe('special cases', () => {
  for (const [name, rows] of Object.entries(specials) as [Transcendental, number[][]][]) {
    test(name, () => {
      const columns = rows[0].slice(1).map((_, k) => Float32Array.from(rows, (row) => row[k]));
      const approximated = approximate(name, columns);
      rows.forEach((row, i) => {
        const args = row.slice(0, -1);
        const expected = Math.fround(row[row.length - 1]);
        assert.ok(Object.is(approximated[i], expected), `${name}(${args.join(', ')}) approximated: ${approximated[i]}`);
        const host = Math.fround(hostMath[name](...args));
        assert.ok(Object.is(host, expected), `${name}(${args.join(', ')}) by the host: ${host}`);
      });
    });
  }
});

describe('the error functions of float64', () => {
  // x, erf x, erfc x, computed to 40 digits with mpmath 1.3
  const table = [
    [1e-300, 1.1283791670955126e-300, 1.0],
    [1e-10, 1.1283791670955126e-10, 0.999999999887162],
    [0.1, 0.1124629160182849, 0.887537083981715],
    [0.25, 0.27632639016823696, 0.7236736098317631],
    [0.499, 0.5196206559894685, 0.48037934401053156],
    [0.5, 0.5204998778130465, 0.4795001221869535],
    [0.75, 0.7111556336535151, 0.28884436634648486],
    [1, 0.8427007929497149, 0.15729920705028513],
    [1.5, 0.9661051464753108, 0.033894853524689274],
    [2, 0.9953222650189527, 0.004677734981047266],
    [3, 0.9999779095030014, 2.209049699858544e-5],
    [4.5, 0.9999999998033839, 1.9661604415428876e-10],
    [5.9, 0.9999999999999999, 7.190409783550478e-17],
    [-0.3, -0.3286267594591274, 1.3286267594591274],
    [-1, -0.8427007929497149, 1.8427007929497148],
    [-3, -0.9999779095030014, 1.9999779095030015],
    [10, 1, 2.088487583762545e-45],
    [20, 1, 5.395865611607901e-176],
    [26, 1, 5.663192408856143e-296],
    [26.5, 1, 2.2109076642637343e-307],
    [27, 1, 5.23705e-319],
  ];

  test('erf and erfc are relatively accurate, erfc until it underflows', () => {
    for (const [x, erf, erfc] of table) {
      for (const [name, expected] of [
        ['erf', erf],
        ['erfc', erfc],
      ] as const) {
        const error = Math.abs(hostMath[name](x) - expected);
        assert.ok(error <= Math.max(1e-15 * Math.abs(expected), Number.MIN_VALUE), `${name}(${x}) is off by ${error}`);
      }
    }
  });
});
