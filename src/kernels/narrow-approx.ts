/**
 * The transcendental functions that programs spend most of their time on, as expressions in float32 arithmetic: half the time of those in
 * float64 (approx.ts), for an error of up to 1 unit in the last place, or 1.2 where multiplications and additions are rounded apart.
 *
 * Little is lost but by the last rounding: where terms are added, the greater is exact or what its rounding took away is carried along.
 */
import { atLeast, atMost } from './approx.ts';
import {
  abs,
  add,
  copysign,
  div,
  type Expr,
  eq,
  exp2int,
  exponent,
  fma,
  gt,
  lt,
  mul,
  polynomial,
  round,
  select,
  significand,
  square,
  sub,
  type Transcendental,
} from './expr.ts';

/** log 2 in two parts, of which the first has so few bits that whole multiples of it up to 2^14 are exact. */
const [ln2High, ln2Low] = [0.693359375, -2.1219444005469057e-4];

/** (e^f - 1 - f) / f^2 in powers of f for |f| <= 0.3475, error 1.3e-7, and with error 2.7e-9 for expm1. */
const growth = [
  0.49999999545440205, 0.16666576361511334, 0.041666855487017394, 0.008363300018274955, 0.0013901340075048107,
];
const fineGrowth = [
  0.500000001359528, 0.16666666530190966, 0.04166646336910969, 0.008333361011300106, 0.0013933837046137467,
  0.00019857886144835211,
];

/** The whole number k for which x = k log 2 + f with the least f. */
const powerOf = (x: Expr): Expr => round(mul(x, Math.LOG2E));
/** x less k times the first part of log 2, which is exact, and f itself. */
const restOf = (x: Expr, k: Expr): Expr => fma(k, -ln2High, x);
const fractionOf = (x: Expr, k: Expr): Expr => fma(k, -ln2Low, restOf(x, k));

const expOf = (x: Expr, k: Expr): Expr => polynomial(fractionOf(x, k), [1, 1, ...growth]);

/** e^x = 2^k e^f. Beyond the bounds of x the result is infinite or 0; 2^k alone may be so before. */
function exp(x: Expr): Expr {
  const bounded = atLeast(atMost(x, 89), -104);
  const k = powerOf(bounded);
  const half = round(mul(k, 0.5));
  return mul(mul(expOf(bounded, k), exp2int(half)), exp2int(sub(k, half)));
}

/** The same for x up to 88, with 0 where the result would lose precision to its small exponent: 2^k then needs no care. */
export function flushedExp(x: Expr): Expr {
  const bounded = atLeast(x, -88);
  const k = powerOf(bounded);
  return mul(expOf(bounded, k), exp2int(k));
}

/**
 * e^x - 1 = 2^k f + (2^k - 1) + 2^k (e^f - 1 - f), of which the last is small. All is halved, for the greatest k, but x where it is the result.
 */
function expm1(x: Expr): Expr {
  const bounded = atLeast(atMost(x, 89), -18);
  const k = powerOf(bounded);
  const scale = exp2int(sub(k, 1));
  const rest = restOf(bounded, k);
  const f = fractionOf(bounded, k);
  const whole = sub(scale, 0.5);
  const sum = fma(scale, rest, whole);
  const lost = fma(scale, rest, sub(whole, sum));
  const small = fma(square(f), polynomial(f, fineGrowth), mul(k, -ln2Low));
  const y = add(sum, fma(scale, small, lost));
  return select(lt(abs(x), 1e-8), x, add(y, y));
}

/** (tanh(x) / x - 1) / x^2 in powers of x^2 for |x| <= 0.7, error 1.7e-8. */
const tanhSeries = [
  -0.33333332769591945, 0.13333250237219868, -0.053948181346324224, 0.021689468302325633, -0.008113651639078715,
  0.0020607389054891003,
];

/** (d - 2) / d for d = e^(2 |x|) + 1, whose numerator is exact for |x| up to 8.66; beyond 9.01 tanh rounds to 1. */
function tanh(x: Expr): Expr {
  const a = abs(x);
  const z = square(a);
  const near = fma(mul(a, z), polynomial(z, tanhSeries), a);
  const bounded = atMost(a, 8.66);
  const twice = add(bounded, bounded);
  const k = powerOf(twice);
  const f = fractionOf(twice, k);
  const scale = exp2int(k);
  const d = fma(scale, fma(square(f), polynomial(f, growth), f), add(scale, 1));
  const far = select(gt(a, 9.01), 1, div(sub(d, 2), d));
  return copysign(select(lt(a, 0.7), near, far), x);
}

/** (log(1 + f) - f) / f^2 in powers of f for -1/4 <= f <= 1/2, error 7.7e-9. */
const logSeries = [
  -0.4999999962168706, 0.33333334935532627, -0.25000153697052135, 0.2000001392338011, -0.16656773637290814,
  0.14268090858297372, -0.12693604885146648, 0.11731769479445246, -0.09355143663023816, 0.03998485296353508,
];

/** e log 2 + log(1 + f) for f in the range of the series: e log 2 + f, what its rounding took away, and the rest of the series. */
function logOf(e: Expr, f: Expr): Expr {
  const sum = fma(e, ln2High, f);
  const lost = sub(f, fma(e, -ln2High, sum));
  return add(sum, fma(square(f), polynomial(f, logSeries), fma(e, ln2Low, lost)));
}

/** A logarithm that is y where `from` is positive and finite. */
const whereDefined = (from: Expr, y: Expr): Expr => {
  const infinity = Number.POSITIVE_INFINITY;
  return select(gt(from, 0), select(eq(from, infinity), from, y), select(eq(from, 0), -infinity, Number.NaN));
};

function log(x: Expr): Expr {
  const small = lt(x, 2 ** -126);
  const normal = select(small, mul(x, 2 ** 23), x);
  const e = sub(exponent(normal), select(small, 23, 0));
  return whereDefined(x, logOf(e, sub(significand(normal), 1)));
}

/** log(1 + x), to whose significand is added what the rounding of 1 + x took away. */
function log1p(x: Expr): Expr {
  const u = add(x, 1);
  const e = exponent(u);
  const scale = exp2int(atLeast(sub(0, e), -126));
  const f = fma(sub(x, sub(u, 1)), scale, sub(significand(u), 1));
  return copysign(whereDefined(u, logOf(e, f)), x);
}

/** The approximations, to be evaluated in float32. */
export const narrowApproximation: Partial<Record<Transcendental, (x: Expr) => Expr>> = { exp, expm1, log, log1p, tanh };
