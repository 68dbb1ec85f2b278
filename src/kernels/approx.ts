/**
 * Transcendental functions of float32 as expressions in float64 arithmetic (the most frequent are in narrow-approx.ts). The arguments are float32 values, so that
 * powers and products of a few of them neither overflow nor lose much; the result is rounded to float32 afterwards,
 * which also makes infinities and zeros of results beyond its range. With a relative error below 1e-9 before that
 * rounding, a result is within 0.52 units in the last place of the true value. The special cases are those of C99.
 *
 * The coefficients are minimax for the relative error, which is noted beside them; scripts/fit.py finds them.
 */
import {
  abs,
  add,
  and,
  copysign,
  div,
  type Expr,
  eq,
  exp2int,
  exponent,
  floor,
  fma,
  ge,
  gt,
  hostWhere,
  lt,
  mul,
  ne,
  neg,
  not,
  or,
  polynomial,
  raw,
  round,
  type Scalar,
  select,
  significand,
  sqrt,
  square,
  sub,
  type Transcendental,
  trunc,
} from './expr.ts';

/** The lesser and the greater of x and a bound, NaN where x is, in the shape of the instructions pmin and pmax. */
export const atMost = (x: Expr, bound: Scalar): Expr => select(lt(bound, x), bound, x);
export const atLeast = (x: Expr, bound: Scalar): Expr => select(lt(x, bound), bound, x);
const clamp = (x: Expr, bound: number): Expr => atLeast(atMost(x, bound), -bound);

/** Stands in for infinity where that would make NaN: its square is finite, and beside it all float32 numbers vanish. */
const huge = 2 ** 400;

/** y, which is finite, made infinite or NaN where x is: beside it, x * 1e-300 vanishes. */
const followBeyond = (y: Expr, x: Expr): Expr => fma(x, 1e-300, y);

/** The nearest multiple of a power of two. Unlike `round` it makes +0 of -0, which keeps the sign in `x - nearest(x)`. */
function nearest(x: Expr, step = 1): Expr {
  const magic = 1.5 * 2 ** 52 * step;
  return sub(add(x, magic), magic);
}

// Exponential functions: 2^t = 2^k 2^f with k whole and |f| <= 1/2. t is clamped to 160 either way, where the result has
// long left float32 but neither 2^t nor its inverse has left float64.

/**
 * 2^(f/4) in powers of f, whose fourth power is cheaper than a longer series. 2^(f/4) - 1 has an error of 4.2e-10, so
 * that 2^f has one of 1.5e-10 and whole powers are exact.
 */
const fourthRoot = [
  1, 0.17328679513771386, 0.015014155950674898, 0.0008672517524414107, 3.758256848637297e-5, 1.3021052540362898e-6,
];

/** 2^t for |t| <= 1000. */
function boundedExp2(t: Expr): Expr {
  const whole = round(t);
  return mul(square(square(polynomial(sub(t, whole), fourthRoot))), exp2int(whole));
}

const exp2 = (x: Expr): Expr => boundedExp2(clamp(x, 160));
const exp = (x: Expr): Expr => exp2(mul(x, Math.LOG2E));

/** (2^f - 1) / f, error 2.3e-10. */
const growth = [
  0.6931471805815764, 0.2402265092005048, 0.05550410727542454, 0.009618057037197175, 0.0013333669510259272,
  0.00015461329833588167, 1.5252704101964554e-5,
];

/** e^x - 1 and, accurate where that is near -1, e^x. */
function growthOf(x: Expr): { grown: Expr; whole: Expr } {
  const t = clamp(mul(x, Math.LOG2E), 160);
  const k = nearest(t);
  const f = sub(t, k);
  const scale = exp2int(k);
  const product = mul(mul(f, polynomial(f, growth)), scale);
  return { grown: sub(product, sub(1, scale)), whole: add(product, scale) };
}

function sinh(x: Expr): Expr {
  const { grown, whole } = growthOf(x);
  return mul(add(grown, div(grown, whole)), 0.5);
}

function cosh(x: Expr): Expr {
  const e = exp(x);
  return mul(add(e, div(1, e)), 0.5);
}

/** tanh(x) / x = p(x^2) / q(x^2) for |x| <= 9.05, where tanh rounds to 1; error 9.9e-10. */
const tanhNumerator = [
  0.999999999015707, 0.13783921324294884, 0.004006669324356709, 3.154899051111399e-5, 5.062105822992481e-8,
];
const tanhDenominator = [
  1, 0.4711725369651278, 0.02773086394706479, 0.00042040788834631375, 1.6143750288358678e-6, 7.3459776913523e-10,
];

function tanh(x: Expr): Expr {
  const bounded = clamp(x, 9.05);
  const z = square(bounded);
  return div(mul(bounded, polynomial(z, tanhNumerator)), polynomial(z, tanhDenominator));
}

// Logarithms: x = m 2^e with m in [1/c, 2/c), c near the square root of 2, and log m = 2 atanh s for
// s = (m - 1) / (m + 1) = (c m - c) / (c m + c). c has so few bits that c x, its significand c m, and c m - c are exact.

const c = 181 / 128;

/** 2 atanh(s) / s in powers of s^2, error 6.9e-10, and with error 4.2e-12 for pow, which magnifies it by up to 110. */
const logSeries = [1.999999998617954, 0.6666681622614048, 0.3997476376608447, 0.29926497170617483];
const fineLogSeries = [
  2.0000000000084492, 0.6666666523696358, 0.4000038658116158, 0.2853494077015099, 0.23618342324543293,
];

/** The logarithm of finite x > 0 to the base whose natural logarithm is given. */
function boundedLog(x: Expr, lnBase: number, series = logSeries): Expr {
  const scaled = mul(x, c);
  const m = significand(scaled);
  const s = div(sub(m, c), add(m, c));
  const coefficients = series.map((a) => a / lnBase);
  const fraction = mul(s, polynomial(square(s), coefficients));
  return lnBase === Math.LN2 ? add(exponent(scaled), fraction) : fma(exponent(scaled), Math.LN2 / lnBase, fraction);
}

/** A logarithm of x where x > 0; -inf at 0 and NaN below. */
const whereDefined = (x: Expr, logarithm: Expr): Expr =>
  select(gt(x, 0), logarithm, sub(mul(mul(x, -1e200), 1e200), Number.POSITIVE_INFINITY));

const log = (lnBase: number) => (x: Expr) => whereDefined(x, followBeyond(boundedLog(x, lnBase), x));

/**
 * log(1 + x) for finite x > -1. With m = (1 + x) 2^-e, m - 1 = x 2^-e - (1 - 2^-e) is x itself where e = 0. The exponent
 * is negated by a subtraction, which makes +0 of 0, so that the sum keeps the sign of -0.
 */
function boundedLog1p(x: Expr): Expr {
  const minusE = raw('sub', 0, exponent(mul(add(x, 1), c)));
  const scale = exp2int(minusE);
  const m1 = sub(mul(x, scale), sub(1, scale));
  const s = div(m1, add(m1, 2));
  return fma(minusE, -Math.LN2, mul(s, polynomial(square(s), logSeries)));
}

function log1p(x: Expr): Expr {
  const bounded = atMost(x, huge);
  return whereDefined(add(bounded, 1), followBeyond(boundedLog1p(bounded), x));
}

/** log(a + sqrt(1 + a^2)) for a = |x|; sqrt(1 + a^2) - 1 = a^2 / (1 + sqrt(1 + a^2)). */
function asinh(x: Expr): Expr {
  const a = atMost(abs(x), huge);
  const z = square(a);
  return copysign(followBeyond(boundedLog1p(add(a, div(z, add(sqrt(add(z, 1)), 1)))), x), x);
}

/** log(1 + t + sqrt(t (t + 2))) for t = x - 1; the square root of t sees to x < 1. */
function acosh(x: Expr): Expr {
  const t = sub(atMost(x, huge), 1);
  const root = sqrt(t);
  return followBeyond(boundedLog1p(mul(root, add(root, sqrt(add(t, 2))))), x);
}

/** log((1 + a) / (1 - a)) / 2 for a = |x|. */
function atanh(x: Expr): Expr {
  const a = abs(x);
  return copysign(mul(log1p(div(add(a, a), sub(1, a))), 0.5), x);
}

// Trigonometric functions: the argument less a multiple of pi or pi / 2, which is subtracted in two parts. The first has
// 31 bits, so that its products are exact for arguments up to `reach`.

type TwoParts = readonly [high: number, low: number];
const pi: TwoParts = [3.1415926534682512, 1.2154201013012384e-10];
const halfPi: TwoParts = [pi[0] / 2, pi[1] / 2];
const reach = 2 ** 22;

/**
 * x = r + (n - shift) period with whole n and |r| <= period / 2: gives r and (-1)^n. exp2int assembles the eleven bits
 * of an exponent, above which is the sign: counting 2^11 for each period puts the parity of n there.
 */
function reduce(x: Expr, [high, low]: TwoParts, shift = 0): { r: Expr; sign: Expr } {
  const step = 2 ** 11;
  const n = nearest(add(mul(x, step / high), step * shift), step);
  const periods = sub(n, step * shift);
  return { r: fma(periods, -low / step, fma(periods, -high / step, x)), sign: exp2int(n) };
}

const withinReach = (name: Transcendental, x: Expr, y: Expr): Expr => hostWhere(gt(abs(x), reach), y, name, x);

/** sin(r) / r in powers of r^2 for |r| <= pi / 2, error 2.1e-11. */
const sinSeries = [
  0.9999999999788493, -0.1666666660882618, 0.008333330720562054, -0.00019840832823881345, 2.7523971108263306e-6,
  -2.3868347145026073e-8,
];

/** sin x, or sin(x + pi / 2) with a shift of half a period. */
const sine = (name: 'sin' | 'cos', shift: number) => (x: Expr) => {
  const { r, sign } = reduce(x, pi, shift);
  return withinReach(name, x, mul(mul(r, sign), polynomial(square(r), sinSeries)));
};

/** tan(r) / r = p(r^2) / q(r^2) for |r| <= pi / 4, error 2.2e-11. */
const tanNumerator = [1.0000000000220868, -0.11136143895239443, 0.00107515464180456];
const tanDenominator = [1, -0.4446947706238884, 0.0159733915686094];

/** tan(r + pi / 2) = -1 / tan r. */
function tan(x: Expr): Expr {
  const { r, sign } = reduce(x, halfPi);
  const z = square(r);
  const p = mul(r, polynomial(z, tanNumerator));
  const q = polynomial(z, tanDenominator);
  const even = gt(sign, 0);
  return withinReach('tan', x, div(select(even, p, neg(q)), select(even, q, p)));
}

/** atan(q) / q in powers of q^2 for |q| <= 1, error 3.7e-10. */
const atanSeries = [
  0.999999999628217, -0.3333332393499543, 0.19999604627644196, -0.142791595246672, 0.11054500569670651,
  -0.0879876995709054, 0.06716103531079189, -0.04435744857935342, 0.022274321697184407, -0.007199370709642945,
  0.001091108536609181,
];

/** atan q for |q| <= 1, the square of q being given. */
const boundedAtan = (q: Expr, z = square(q)): Expr => mul(q, polynomial(z, atanSeries));

/** pi / 2 - atan(1 / a) beyond 1. */
function atan(x: Expr): Expr {
  const a = abs(x);
  const angle = boundedAtan(div(atMost(a, 1), atLeast(a, 1)));
  return copysign(select(gt(a, 1), sub(Math.PI / 2, angle), angle), x);
}

/** The angle of the first octant, mirrored at the diagonal, then at the vertical axis, then at the horizontal one. */
function atan2(y: Expr, x: Expr): Expr {
  const a = atMost(abs(y), huge);
  const b = atMost(abs(x), huge);
  const steep = lt(b, a);
  const octant = boundedAtan(div(select(steep, b, a), atLeast(select(steep, a, b), 1e-300)));
  const quadrant = select(steep, sub(Math.PI / 2, octant), octant);
  const half = add(copysign(quadrant, x), sub(Math.PI / 2, copysign(Math.PI / 2, x)));
  return copysign(half, y);
}

/** 2 atan(x / (1 + sqrt(1 - x^2))). */
const asin = (x: Expr): Expr => mul(boundedAtan(div(x, add(sqrt(sub(1, square(x))), 1))), 2);

/** 2 atan(sqrt((1 - a) / (1 + a))) for a = |x|. */
function acos(x: Expr): Expr {
  const a = abs(x);
  const z = div(sub(1, a), add(a, 1));
  const angle = mul(boundedAtan(sqrt(z), z), 2);
  return select(lt(x, 0), sub(Math.PI, angle), angle);
}

// Error functions.

/** erf(x) / x = p(x^2) / q(x^2) for |x| <= 3.93, where erf rounds to 1; error 7.8e-10. */
const erfNumerator = [
  1.1283791679663688, 0.16252836535467277, 0.0501612612901585, 0.002746266315741176, 0.0002894071915151538,
  -1.4480152594578325e-6, -5.2654836070848726e-8,
];
const erfDenominator = [
  1, 0.4773703794590531, 0.10357749398116527, 0.013032750955384725, 0.0009784194346827233, 3.603393938005015e-5,
  -7.693350682538145e-7,
];

function erf(x: Expr): Expr {
  const bounded = clamp(x, 3.93);
  const z = square(bounded);
  return div(mul(bounded, polynomial(z, erfNumerator)), polynomial(z, erfDenominator));
}

/** exp(a^2) erfc(a) / t in powers of t = 1 / (1 + 0.3 a) for 0 <= a <= 10.1, where erfc rounds to 0; error 4.5e-10. */
const erfcSeries = [
  0.16928020836662877, 0.16871095832019017, 0.16731299143869366, 0.11188326934032827, 0.26110377925300654,
  -0.2689724279294166, 0.7518008442518597, -0.8188441140272137, 0.7305852078216312, -0.32775332424150083,
  0.054892606951575496,
];

function erfc(x: Expr): Expr {
  const a = atMost(abs(x), 10.1);
  const t = div(1, fma(a, 0.3, 1));
  const tail = mul(mul(t, polynomial(t, erfcSeries)), boundedExp2(mul(square(a), -Math.LOG2E)));
  return select(lt(x, 0), sub(2, tail), tail);
}

/** 2^(y log2 |x|), with the sign of x where y is odd and NaN where x is negative and y is not whole. */
function pow(x: Expr, y: Expr): Expr {
  const a = abs(x);
  const logarithm = select(eq(a, 0), Number.NEGATIVE_INFINITY, followBeyond(boundedLog(a, Math.LN2, fineLogSeries), a));
  // y is bounded for the sake of (-1)^inf, whose logarithm is 0
  const magnitude = exp2(mul(clamp(y, huge), logarithm));
  const half = mul(y, 0.5);
  const whole = eq(floor(y), y);
  const odd = and(whole, ne(floor(half), half));
  const complex = and(not(whole), and(lt(x, 0), gt(x, Number.NEGATIVE_INFINITY)));
  const power = select(complex, Number.NaN, select(odd, copysign(magnitude, x), magnitude));
  return select(or(eq(x, 1), eq(y, 0)), 1, power);
}

/** Squares of float32 stay within float64. An infinite side outweighs a NaN. */
function hypot(x: Expr, y: Expr): Expr {
  const a = square(x);
  const b = square(y);
  const infinity = Number.POSITIVE_INFINITY;
  return select(or(eq(a, infinity), eq(b, infinity)), infinity, sqrt(add(a, b)));
}

/**
 * a - trunc(a / b) b for a = |x| and b = |y|, with the sign of x. Quotients below 2^28 of numbers of 24 bits are too far
 * below the next whole number to be rounded up to it, and their products with b are exact; greater ones are the host's.
 */
function fmod(x: Expr, y: Expr): Expr {
  const a = abs(x);
  const b = atMost(abs(y), huge);
  const quotient = trunc(div(a, b));
  return hostWhere(ge(quotient, 2 ** 28), copysign(sub(a, mul(quotient, b)), x), 'fmod', x, y);
}

/** The approximation of each function, to be evaluated in float64 for arguments that are float32 values. */
export const approximation: Record<Transcendental, (...x: Expr[]) => Expr> = {
  exp,
  exp2,
  expm1: (x) => growthOf(x).grown,
  log: log(1),
  log2: log(Math.LN2),
  log10: log(Math.LN10),
  log1p,
  sin: sine('sin', 0),
  cos: sine('cos', 0.5),
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  erf,
  erfc,
  pow,
  atan2,
  hypot,
  fmod,
};
