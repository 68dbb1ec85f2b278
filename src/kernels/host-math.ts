/**
 * Transcendental functions of JavaScript numbers: `Math`'s, with C99's special cases where those differ, and the error
 * functions that `Math` lacks. For float64 tensors, and for the arguments that approx.ts leaves to the host.
 */
import type { Transcendental } from './expr.ts';

/** The polynomial c[0] + c[1] x + c[2] x^2 + ... by Horner's rule. */
const polynomial = (x: number, c: readonly number[]): number => c.reduceRight((sum, a) => sum * x + a, 0);

// The coefficients are fitted by scripts/fit.py.

/** erf(x) / x in powers of x^2 for |x| <= 1/2, error 2.4e-20. */
const erfSeries = [
  1.1283791670955126, -0.3761263890318375, 0.1128379167095487, -0.02686617064499972, 0.0052239776220169365,
  -0.0008548326510724796, 0.00012055286202005714, -1.4923003368152099e-5, 1.637123442577e-6, -1.462091340945175e-7,
];

/**
 * (1 + 2 x) exp(x^2) erfc(x) in powers of u = (x - 3) / (x + 3) for x >= 1/2, as far as erfc does not underflow; error
 * 6.2e-18. The form is that of M. M. Shepherd and J. G. Laframboise, "Chebyshev approximation of (1+2x)exp(x^2)erfc x in
 * 0 <= x < inf", Mathematics of Computation 36 (1981).
 */
const scaledErfcSeries = [
  1.2530080582697296, -0.13562110612458134, -0.0475622943534505, 0.12964515870278284, -0.11927366341532929,
  0.06830802734309559, -0.02377051491791144, 0.0025293918322334256, 0.0018886903450160539, -0.0007798324355084428,
  -0.00010515964069906031, 0.0001251003468578827, 4.948402609450152e-6, -2.010435477261737e-5, -7.269216796933644e-7,
  3.481443986513932e-6, 3.4459772809061184e-7, -6.295479703033587e-7, -1.2148571959494379e-7, 1.114661426287752e-7,
  2.2844239450311897e-8, -1.5297562848736167e-8,
];

/** erfc of x >= 1/2. */
function erfcTail(x: number): number {
  if (x > 28) return 0;
  // x^2 = high^2 + (x - high) (x + high), the first of which is exact: the exponential would magnify its rounding.
  const high = Math.fround(x);
  const gaussian = Math.exp(-high * high) * Math.exp((high - x) * (high + x));
  return (gaussian * polynomial((x - 3) / (x + 3), scaledErfcSeries)) / (1 + 2 * x);
}

const erfNearZero = (x: number): number => x * polynomial(x * x, erfSeries);

function erf(x: number): number {
  const a = Math.abs(x);
  return a < 0.5 ? erfNearZero(x) : Math.sign(x) * (1 - erfcTail(a));
}

function erfc(x: number): number {
  if (Math.abs(x) < 0.5) return 1 - erfNearZero(x);
  return x < 0 ? 2 - erfcTail(-x) : erfcTail(x);
}

/** C99 has 1 where JavaScript has NaN. */
const pow = (x: number, y: number): number =>
  x === 1 || (x === -1 && Math.abs(y) === Number.POSITIVE_INFINITY) ? 1 : x ** y;

export const hostMath: Record<Transcendental, (...x: number[]) => number> = {
  exp: Math.exp,
  exp2: (x) => 2 ** x,
  expm1: Math.expm1,
  log: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  erf,
  erfc,
  pow,
  atan2: Math.atan2,
  hypot: Math.hypot,
  fmod: (x, y) => x % y,
};
