/**
 * Arithmetic, elementary functions, comparison and logic: one expression for each element of broadcast operands. The derivative follows
 * from the expression by the chain rule (differentiate.ts) unless it is given here, because of accuracy or of a convention.
 *
 * Every function broadcasts its operands, promotes their dtypes as PyTorch does and returns a new tensor. The functions of a real number
 * give floating results for integers.
 */
import { everywhere } from '../../autograd/everywhere.ts';
import { isFloatingPoint, type Scalar } from '../../core/dtype.ts';
import { named } from '../../core/named.ts';
import { showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import type { Expr } from '../../kernels/expr.ts';
import * as s from '../../kernels/expr.ts';
import { binary, Pointwise, type PointwiseOptions, pointwise, tensorOperand, unary } from './pointwise-operator.ts';

type Operand = Tensor | Scalar;
const floating = { domain: 'floating' } as const;

// ---- functions of one number

/** -x (torch.neg). */
export const neg = unary('neg', s.neg);
/** |x|; its derivative is sign(x), 0 at 0 (torch.abs). */
export const abs = unary('abs', s.abs);
/** `abs` by its full name (torch.absolute). */
export const absolute = abs;
const signOf = (x: Expr): Expr => s.sub(s.number(s.gt(x, 0)), s.number(s.lt(x, 0)));
/** The sign: -1, 0 or 1, with derivative 0 (torch.sign). */
export const sign = unary('sign', signOf, { derivatives: [() => 0] });
/** The sign, which for real numbers is `sign` (torch.sgn). */
export const sgn = unary('sgn', signOf, { derivatives: [() => 0] });
/** x^n for a whole n, given without a logarithm; the derivative n x^(n-1) is recorded as a power, which can be differentiated on. */
const wholePower = (n: number, power: (x: Expr) => Expr, before: (x: Expr) => s.Scalar): Pointwise =>
  new Pointwise('Pow', power, 1, {
    derivatives: [(x) => s.mul(n, before(x))],
    recorded: (g, x) => mul(g, mul(pow(x, n - 1), n)),
  });
const Square = wholePower(2, s.square, (x) => x);
/** x * x (torch.square). */
export const square = pointwise('square', [], (x) => (isBool(tensorOperand('square', x)) ? [Pow, x, 2] : [Square, x]));
/** 1 / x (torch.reciprocal). */
export const reciprocal = unary('reciprocal', (x) => s.div(1, x), {
  ...floating,
  derivatives: [(_, y) => s.neg(s.square(y))],
});
/** The square root; its derivative at 0 is infinite (torch.sqrt). */
export const sqrt = unary('sqrt', s.sqrt, floating);
/** 1 / sqrt(x) (torch.rsqrt). */
export const rsqrt = unary('rsqrt', (x) => s.div(1, s.sqrt(x)), {
  ...floating,
  derivatives: [(_, y) => s.mul(-0.5, s.mul(y, s.square(y)))],
});
/** e^x (torch.exp). */
export const exp = unary('exp', s.exp, floating);
/** 2^x (torch.exp2). */
export const exp2 = unary('exp2', s.exp2, floating);
/** e^x - 1, accurate near 0 (torch.expm1). */
export const expm1 = unary('expm1', s.expm1, floating);
/** The natural logarithm (torch.log). */
export const log = unary('log', s.log, floating);
/** The logarithm to base 2 (torch.log2). */
export const log2 = unary('log2', s.log2, floating);
/** The logarithm to base 10 (torch.log10). */
export const log10 = unary('log10', s.log10, floating);
/** log(1 + x), accurate near 0 (torch.log1p). */
export const log1p = unary('log1p', s.log1p, floating);
/** The sine (torch.sin). */
export const sin = unary('sin', s.sin, floating);
/** The cosine (torch.cos). */
export const cos = unary('cos', s.cos, floating);
/** The tangent, with derivative 1 + tan(x)^2 (torch.tan). */
export const tan = unary('tan', s.tan, floating);
/** The inverse sine (torch.asin). */
export const asin = unary('asin', s.asin, floating);
/** The inverse cosine (torch.acos). */
export const acos = unary('acos', s.acos, floating);
/** The inverse tangent (torch.atan). */
export const atan = unary('atan', s.atan, floating);
/** The hyperbolic sine (torch.sinh). */
export const sinh = unary('sinh', s.sinh, floating);
/** The hyperbolic cosine (torch.cosh). */
export const cosh = unary('cosh', s.cosh, floating);
/** The hyperbolic tangent, with derivative 1 - tanh(x)^2 (torch.tanh). */
export const tanh = unary('tanh', s.tanh, floating);
/** The inverse hyperbolic sine (torch.asinh). */
export const asinh = unary('asinh', s.asinh, floating);
/** The inverse hyperbolic cosine (torch.acosh). */
export const acosh = unary('acosh', s.acosh, floating);
/** The inverse hyperbolic tangent (torch.atanh). */
export const atanh = unary('atanh', s.atanh, floating);
/** The error function 2/sqrt(pi) * integral of e^(-t^2) from 0 to x (torch.erf). */
export const erf = unary('erf', s.erf, floating);
/** 1 - erf(x), accurate where erf(x) is near 1 (torch.erfc). */
export const erfc = unary('erfc', s.erfc, floating);
/** The logistic function 1 / (1 + e^-x), with derivative y (1 - y) (torch.sigmoid). */
export const sigmoid = unary('sigmoid', s.sigmoid, floating);
/** max(x, 0), with derivative 0 at 0 (torch.relu). */
export const relu = unary('relu', (x) => s.select(s.lt(x, 0), 0, x), { derivatives: [(_, y) => s.number(s.gt(y, 0))] });

const atPi = (x: Expr): Expr => s.mul(Math.PI, x);
/** sin(pi x) / (pi x), and 1 at 0, where the derivative is 0 (torch.sinc). */
export const sinc = unary('sinc', (x) => s.select(s.eq(x, 0), 1, s.div(s.sin(atPi(x)), atPi(x))), {
  ...floating,
  derivatives: [
    (x) => {
      const slope = s.sub(s.mul(atPi(x), s.cos(atPi(x))), s.sin(atPi(x)));
      return s.select(s.eq(x, 0), 0, s.div(slope, s.mul(atPi(x), x)));
    },
  ],
});
const Deg2Rad = new Pointwise('Deg2Rad', (x) => s.mul(x, Math.PI / 180), 1, floating);
/** Degrees in radians (torch.deg2rad). */
export const deg2rad = pointwise('deg2rad', [], (x) => [Deg2Rad, tensorOperand('deg2rad', x)]);
const Rad2Deg = new Pointwise('Rad2Deg', (x) => s.mul(x, 180 / Math.PI), 1, floating);
/** Radians in degrees (torch.rad2deg). */
export const rad2deg = pointwise('rad2deg', [], (x) => [Rad2Deg, tensorOperand('rad2deg', x)]);

/** The greatest whole number that is at most x; derivative 0 (torch.floor). */
export const floor = unary('floor', s.floor);
/** The least whole number that is at least x; derivative 0 (torch.ceil). */
export const ceil = unary('ceil', s.ceil);
/** x without its fraction; derivative 0 (torch.trunc). */
export const trunc = unary('trunc', s.trunc);
/** x - trunc(x); derivative 1 (torch.frac). */
export const frac = unary('frac', (x) => s.sub(x, s.trunc(x)), { derivatives: [() => 1] });

const Round = new Pointwise('Round', s.round, 1);
const RoundDecimals = new Pointwise('RoundBackward1', (x, scale) => s.div(s.round(s.mul(x, scale)), scale), 2, {
  derivatives: [() => 0, null],
});
/** The nearest whole number, ties to even, or the nearest with `decimals` decimals; derivative 0 (torch.round). */
export const round = pointwise('round', ['decimals'], (x, decimals: number = 0) =>
  decimals === 0 ? [Round, x] : [RoundDecimals, x, 10 ** decimals],
);

const Logit = new Pointwise('Logit', (x) => s.log(s.div(x, s.sub(1, x))), 1, {
  ...floating,
  derivatives: [(x) => s.select(s.and(s.ge(x, 0), s.le(x, 1)), s.div(1, s.mul(x, s.sub(1, x))), Number.NaN)],
});
const LogitClamped = new Pointwise(
  'Logit',
  (x, low, high) => {
    const z = s.select(s.lt(x, low), low, s.select(s.gt(x, high), high, x));
    return s.log(s.div(z, s.sub(1, z)));
  },
  3,
  {
    ...floating,
    derivatives: [
      (x, low, high) => s.select(s.and(s.ge(x, low), s.le(x, high)), s.div(1, s.mul(x, s.sub(1, x))), 0),
      null,
      null,
    ],
  },
);
/**
 * log(x / (1 - x)) (torch.logit). With `eps`, x is first clamped to [eps, 1 - eps], outside of which the derivative is 0; without, it
 * is NaN outside of [0, 1].
 */
export const logit = pointwise('logit', ['eps'], (x, eps: number | null = null) =>
  eps === null ? [Logit, x] : [LogitClamped, x, eps, 1 - eps],
);

const NanToNum = new Pointwise(
  'NanToNum',
  (x, nan, high, low) =>
    s.select(
      s.isNan(x),
      nan,
      s.select(s.eq(x, Number.POSITIVE_INFINITY), high, s.select(s.eq(x, Number.NEGATIVE_INFINITY), low, x)),
    ),
  4,
  { derivatives: [(x) => s.number(s.not(s.or(s.isNan(x), s.isInfinite(x)))), null, null, null] },
);
const Same = new Pointwise('NanToNum', (x) => x, 1);
/**
 * Replaces NaN by `nan`, infinity by `posinf` and -infinity by `neginf`, which default to 0 and the dtype's greatest and least values;
 * the derivative there is 0 (torch.nan_to_num).
 */
export const nanToNum = pointwise(
  'nanToNum',
  ['nan', 'posinf', 'neginf'],
  (x, nan: number | null = 0, posinf: number | null = null, neginf: number | null = null) => {
    const t = tensorOperand('nanToNum', x);
    if (!isFloatingPoint(t.dtype)) return [Same, t];
    const greatest = t.dtype === 'float32' ? 3.4028234663852886e38 : Number.MAX_VALUE;
    return [NanToNum, t, nan ?? 0, posinf ?? greatest, neginf ?? -greatest];
  },
);

// ---- arithmetic

const Add = new Pointwise('Add', s.add, 2);
const AddScaled = new Pointwise('Add', (a, b, alpha) => s.add(a, s.mul(alpha, b)), 3, {
  cast: [2],
  derivatives: [() => 1, (_a, _b, alpha) => alpha, null],
});
/** x + alpha * other (torch.add). */
export const add = pointwise('add', ['other', 'alpha'], (x, other: Operand, alpha: number = 1) =>
  alpha === 1 ? [Add, x, other] : [AddScaled, x, other, checkScale('alpha', alpha, x, other)],
);

const Sub = new Pointwise('Sub', s.sub, 2);
const SubScaled = new Pointwise('Sub', (a, b, alpha) => s.sub(a, s.mul(alpha, b)), 3, {
  cast: [2],
  derivatives: [() => 1, (_a, _b, alpha) => s.neg(alpha), null],
});
const RsubNumber = Sub.as('RsubBackward1');
const Rsub = Sub.as('Rsub');
const RsubScaled = SubScaled.as('Rsub');
const subtract = (x: Operand, other: Operand, alpha: number, reversed: boolean): [Pointwise, ...Operand[]] => {
  if (isBool(x) || isBool(other)) {
    throw new AdjointError(
      'dtype',
      isBool(x) && isBool(other)
        ? 'Subtraction, the `-` operator, with two bool tensors is not supported, use logicalXor() instead.'
        : 'Subtraction, the `-` operator, with a bool tensor is not supported. To invert a mask, use logicalNot() instead.',
    );
  }
  if (alpha !== 1) return [reversed ? RsubScaled : SubScaled, x, other, checkScale('alpha', alpha, x, other)];
  return [x instanceof Tensor ? (reversed ? Rsub : Sub) : RsubNumber, x, other];
};
const isNumber = (x: Operand): boolean => !(x instanceof Tensor);
const isBool = (x: Operand): boolean => (x instanceof Tensor ? x.dtype === 'bool' : typeof x === 'boolean');
/** x - alpha * other (torch.sub). */
export const sub = pointwise('sub', ['other', 'alpha'], (x, other: Operand, alpha: number = 1) =>
  subtract(x, other, alpha, false),
);
/** other - alpha * x (torch.rsub). */
export const rsub = pointwise('rsub', ['other', 'alpha'], (x, other: Operand, alpha: number = 1) =>
  subtract(other, x, alpha, true),
);

/** x * other (torch.mul). */
export const mul = binary('mul', s.mul);

const Div = new Pointwise('Div', s.div, 2, floating);
const flat = { derivatives: [() => 0, () => 0] };
const DivTrunc = new Pointwise('DivBackward2', (a, b) => s.trunc(s.div(a, b)), 2, flat);
const DivFloor = new Pointwise('DivBackward2', floorDivideExpr, 2, flat);
const Quotient = new Pointwise('Div', s.quot, 2);
const FloorQuotient = new Pointwise(
  'Div',
  (a, b) => s.sub(s.quot(a, b), s.number(s.and(s.ne(s.rem(a, b), 0), s.lt(s.bitXor(a, b), 0)))),
  2,
);

/** floor(a / b) without the error of rounding a / b first, as Python and PyTorch compute it. */
function floorDivideExpr(a: Expr, b: Expr): Expr {
  const rest = s.fmod(a, b);
  const adjusted = s.select(
    s.and(s.ne(rest, 0), s.xor(s.lt(b, 0), s.lt(rest, 0))),
    s.sub(s.div(s.sub(a, rest), b), 1),
    s.div(s.sub(a, rest), b),
  );
  const floored = s.floor(adjusted);
  const nearest = s.select(s.gt(s.sub(adjusted, floored), 0.5), s.add(floored, 1), floored);
  return s.select(s.eq(b, 0), s.div(a, b), s.select(s.eq(adjusted, 0), s.copysign(0, s.div(a, b)), nearest));
}

/** Whether an operand is an integer. */
const isWhole = (v: Operand): boolean =>
  v instanceof Tensor ? !isFloatingPoint(v.dtype) : typeof v !== 'number' || Number.isInteger(v);

/** The factor `scale` of an operand; it has to be whole if all operands are. */
function checkScale(name: string, scale: number, ...operands: Operand[]): number {
  if (isWhole(scale) || !operands.every(isWhole)) return scale;
  throw new AdjointError(
    'dtype',
    `For integral input tensors, argument ${name} must not be a floating point number, got ${scale}`,
  );
}

/** Whether the operands are all integers, and so are divided as such; throws if one then divides by zero. */
function integral(x: Operand, other: Operand): boolean {
  if (!isWhole(x) || !isWhole(other)) return false;
  const hasZero = other instanceof Tensor ? !everywhere(other.ne(0)) : Number(other) === 0;
  if (hasZero)
    throw new AdjointError(
      'argument',
      'ZeroDivisionError: integer division by zero; make the operands floating to get inf or nan',
    );
  return true;
}

/** How `div` rounds the quotient: towards zero, down, or not at all. */
export type RoundingMode = 'trunc' | 'floor' | null;

const divide = (x: Operand, other: Operand, roundingMode: RoundingMode): [Pointwise, ...Operand[]] => {
  if (roundingMode === null) return [Div, x, other];
  if (roundingMode !== 'trunc' && roundingMode !== 'floor') {
    throw new AdjointError('argument', `div: roundingMode must be null, 'trunc' or 'floor', got ${show(roundingMode)}`);
  }
  const whole = integral(x, other);
  if (roundingMode === 'trunc') return [whole ? Quotient : DivTrunc, x, other];
  return [whole ? FloorQuotient : DivFloor, x, other];
};
/**
 * x / other, floating also for integers; with `roundingMode` 'trunc' or 'floor' the quotient rounded so, of the operands' own dtype and
 * with derivative 0 (torch.div).
 */
export const div = pointwise('div', ['other', 'roundingMode'], (x, other: Operand, roundingMode: RoundingMode = null) =>
  divide(x, other, roundingMode),
);
/** x / other (torch.true_divide). */
export const trueDivide = pointwise('trueDivide', ['other'], (x, other: Operand) => [Div, x, other]);
/** x / other rounded down (torch.floor_divide). */
export const floorDivide = pointwise('floorDivide', ['other'], (x, other: Operand) => divide(x, other, 'floor'));

const Fmod = new Pointwise('Fmod', s.fmod, 2, { derivatives: [() => 1, (a, b) => s.neg(s.trunc(s.div(a, b)))] });
const FmodTensor = Fmod.as('FmodBackward1');
const IntegerFmod = new Pointwise('Fmod', s.rem, 2);
/** The rest of x / other, with the sign of x (torch.fmod). Derivative -trunc(x / other) with respect to `other`. */
export const fmod = pointwise('fmod', ['other'], (x, other: Operand) => [
  integral(x, other) ? IntegerFmod : isNumber(other) ? Fmod : FmodTensor,
  x,
  other,
]);

/** The rest r with the sign of the divisor. */
const signedRest = (r: Expr, b: Expr): Expr =>
  s.select(s.and(s.ne(r, 0), s.xor(s.lt(b, 0), s.lt(r, 0))), s.add(r, b), r);
const Remainder = new Pointwise('Remainder', (a, b) => signedRest(s.fmod(a, b), b), 2, {
  // whole already: the outer floor tells that the derivative of the quotient is 0
  derivatives: [() => 1, (a, b) => s.neg(s.floor(floorDivideExpr(a, b)))],
});
const RemainderTensor = Remainder.as('RemainderBackward1');
const IntegerRemainder = new Pointwise('Remainder', (a, b) => signedRest(s.rem(a, b), b), 2);
/** The rest of x / other, with the sign of `other`, as Python's % (torch.remainder). Derivative -floor(x / other) with respect to `other`. */
export const remainder = pointwise('remainder', ['other'], (x, other: Operand) => [
  integral(x, other) ? IntegerRemainder : isNumber(other) ? Remainder : RemainderTensor,
  x,
  other,
]);

const Pow = new Pointwise('Pow', s.pow, 2);
const PowTensor = Pow.as('PowBackward1');
const PowOfNumber = Pow.as('PowBackward2');
for (const power of [Pow, PowTensor, PowOfNumber]) power.operands = ['self', 'exponent'];
/** Powers by small constants need no logarithm; x^n has the derivative n x^(n-1), for n = 0 exactly 0. */
const constantPowers = new Map<number, Pointwise>([
  [0, new Pointwise('Pow', () => s.constant(1), 1)],
  [
    1,
    wholePower(
      1,
      (x) => x,
      () => 1,
    ),
  ],
  [2, Square],
  [3, wholePower(3, (x) => s.mul(s.square(x), x), s.square)],
  [
    4,
    wholePower(
      4,
      (x) => s.square(s.square(x)),
      (x) => s.mul(s.square(x), x),
    ),
  ],
  [0.5, new Pointwise('Pow', s.sqrt, 1)],
  [-0.5, new Pointwise('Pow', (x) => s.div(1, s.sqrt(x)), 1)],
  [-1, new Pointwise('Pow', (x) => s.div(1, x), 1)],
]);
/** The exponent, if x and it are such that a constant power serves. */
const constantPower = (x: Operand, exponent: Operand): Pointwise | undefined => {
  if (typeof exponent !== 'number' || !(x instanceof Tensor)) return undefined;
  if (!isFloatingPoint(x.dtype) && !(exponent >= 1 && Number.isInteger(exponent))) return undefined;
  return x.dtype === 'bool' ? undefined : constantPowers.get(exponent);
};
/**
 * x ** exponent (torch.pow). At x = 0 the derivative with respect to the exponent is 0 for exponents of at least 0.
 * @throws if integers are raised to a negative integer constant
 */
export const pow = pointwise('pow', ['exponent'], (x, exponent: Operand) => {
  const constant = constantPower(x, exponent);
  if (constant) return [constant, x];
  if (
    typeof exponent === 'number' &&
    exponent < 0 &&
    Number.isInteger(exponent) &&
    x instanceof Tensor &&
    !isFloatingPoint(x.dtype)
  ) {
    throw new AdjointError('argument', 'Integers to negative integer powers are not allowed: make the base floating');
  }
  return [isNumber(exponent) ? Pow : isNumber(x) ? PowOfNumber : PowTensor, x, exponent];
});

/** x^exponent in float64 (torch.float_power). */
export const floatPower = named('floatPower', ['exponent'], (x: Tensor | Scalar, exponent: Tensor | Scalar): Tensor => {
  const wide = (v: Tensor | Scalar): Tensor | number => (typeof v === 'object' ? v.to('float64') : Number(v));
  return pow(wide(x), wide(exponent));
});

/** The greater of both, NaN if either is; a tie shares the gradient equally (torch.maximum). */
export const maximum = binary('maximum', s.max);
/** The lesser of both, NaN if either is; a tie shares the gradient equally (torch.minimum). */
export const minimum = binary('minimum', s.min);

/** The greater of both, or the one that is not NaN; a tie shares the gradient equally (torch.fmax). */
export const fmax = binary('fmax', (a, b) => s.select(s.isNan(b), a, s.select(s.isNan(a), b, s.max(a, b))));
/** The lesser of both, or the one that is not NaN; a tie shares the gradient equally (torch.fmin). */
export const fmin = binary('fmin', (a, b) => s.select(s.isNan(b), a, s.select(s.isNan(a), b, s.min(a, b))));

/** f(max) + log(1 + e^-|a - b|) to some base; equal infinities are what they are. */
const ofSum = (a: Expr, b: Expr, lesser: (distance: Expr) => Expr): Expr =>
  s.select(s.and(s.isInfinite(a), s.eq(a, b)), a, s.add(s.max(a, b), lesser(s.neg(s.abs(s.sub(a, b))))));
/** log(e^x + e^other) without overflow (torch.logaddexp). */
export const logaddexp = binary('logaddexp', (a, b) => ofSum(a, b, (d) => s.log1p(s.exp(d))), {
  ...floating,
  derivatives: [(a, b) => s.sigmoid(s.sub(a, b)), (a, b) => s.sigmoid(s.sub(b, a))],
});
/** log2(2^x + 2^other) without overflow (torch.logaddexp2). */
export const logaddexp2 = binary('logaddexp2', (a, b) => ofSum(a, b, (d) => s.div(s.log1p(s.exp2(d)), Math.LN2)), {
  ...floating,
  derivatives: [(a, b) => s.div(1, s.add(1, s.exp2(s.sub(b, a)))), (a, b) => s.div(1, s.add(1, s.exp2(s.sub(a, b))))],
});
/** x * log(other), and 0 where x is 0 unless other is NaN (torch.xlogy). */
export const xlogy = binary('xlogy', (a, b) => s.select(s.isNan(b), b, s.select(s.eq(a, 0), 0, s.mul(a, s.log(b)))), {
  ...floating,
  derivatives: [(a, b) => s.select(s.and(s.eq(a, 0), s.le(b, 0)), 0, s.log(b)), (a, b) => s.div(a, b)],
});
/** |x| with the sign of `other`, also of -0; the derivative at x = 0 is 0 (torch.copysign). */
export const copysign = binary('copysign', s.copysign, {
  ...floating,
  derivatives: [(a, b) => s.select(s.eq(a, 0), 0, s.div(s.copysign(a, b), a)), () => 0],
});
const Ldexp = new Pointwise('Mul', (a, b) => s.mul(a, s.exp2(b)), 2, floating);
/** x * 2^other (torch.ldexp). */
export const ldexp = pointwise('ldexp', ['other'], (x, other: Operand) => [Ldexp, x, other]);
const Heaviside = new Pointwise('Heaviside', (x, v) => s.select(s.eq(x, 0), v, s.number(s.gt(x, 0))), 2, {
  derivatives: [null, null],
});
/** 0 where x is negative, 1 where it is positive and `values` where it is 0; not differentiable (torch.heaviside). */
export const heaviside = pointwise('heaviside', ['values'], (x, values: Tensor) => {
  if (tensorOperand('heaviside', x).dtype !== tensorOperand('heaviside: values', values).dtype) {
    throw new AdjointError(
      'dtype',
      `heaviside is not implemented for tensors with different dtypes, got ${(x as Tensor).dtype} and ${values.dtype}`,
    );
  }
  return [Heaviside, x, values];
});

const overSquares = (numerator: Expr, a: Expr, b: Expr): Expr => {
  const squares = s.add(s.square(a), s.square(b));
  return s.select(s.eq(squares, 0), 0, s.div(numerator, squares));
};
/** The angle of the point (other, x), in (-pi, pi]; derivative 0 at the origin (torch.atan2). */
export const atan2 = binary('atan2', s.atan2, {
  ...floating,
  derivatives: [(a, b) => overSquares(b, a, b), (a, b) => s.neg(overSquares(a, a, b))],
});
/** sqrt(x^2 + other^2) without overflow (torch.hypot). */
export const hypot = binary('hypot', s.hypot, floating);

const Lerp = new Pointwise(
  'Lerp',
  // from the nearer end, so that both ends are met exactly
  (a, b, w) =>
    s.select(s.lt(s.abs(w), 0.5), s.add(a, s.mul(w, s.sub(b, a))), s.sub(b, s.mul(s.sub(b, a), s.sub(1, w)))),
  3,
  { derivatives: [(_a, _b, w) => s.sub(1, w), (_a, _b, w) => w, (a, b) => s.sub(b, a)] },
);
const LerpTensor = Lerp.as('LerpBackward1');
/** start + weight * (end - start) (torch.lerp). */
export const lerp = pointwise('lerp', ['end', 'weight'], (x, end: Tensor, weight: Tensor | number) => [
  isNumber(weight) ? Lerp : LerpTensor,
  x,
  end,
  weight,
]);

const Addcmul = new Pointwise('Addcmul', (x, a, b, value) => s.add(x, s.mul(value, s.mul(a, b))), 4, { cast: [3] });
/** x + value * tensor1 * tensor2 (torch.addcmul). */
export const addcmul = pointwise(
  'addcmul',
  ['tensor1', 'tensor2', 'value'],
  (x, tensor1: Tensor, tensor2: Tensor, value: number = 1) => [
    Addcmul,
    x,
    tensor1,
    tensor2,
    checkScale('value', value, x, tensor1, tensor2),
  ],
);

const Addcdiv = new Pointwise('Addcdiv', (x, a, b, value) => s.add(x, s.mul(value, s.div(a, b))), 4, { cast: [3] });
/** x + value * tensor1 / tensor2 (torch.addcdiv). @throws if all are integers: divide first, with the rounding that is meant */
export const addcdiv = pointwise(
  'addcdiv',
  ['tensor1', 'tensor2', 'value'],
  (x, tensor1: Tensor, tensor2: Tensor, value: number = 1) => {
    if (![x, tensor1, tensor2].some((t) => t instanceof Tensor && isFloatingPoint(t.dtype))) {
      throw new AdjointError(
        'dtype',
        'Integer division with addcdiv is not supported: compute x.add(tensor1.div(tensor2, { roundingMode }).mul(value))',
      );
    }
    return [Addcdiv, x, tensor1, tensor2, value];
  },
);

const below: PointwiseOptions = {
  derivatives: [(x, low) => s.number(s.ge(x, low)), (x, low) => s.number(s.lt(x, low))],
};
const above: PointwiseOptions = {
  derivatives: [(x, high) => s.number(s.le(x, high)), (x, high) => s.number(s.gt(x, high))],
};
const between: PointwiseOptions = {
  derivatives: [
    (x, low, high) => s.number(s.and(s.ge(x, low), s.le(x, high))),
    (x, low, high) => s.number(s.and(s.lt(low, high), s.lt(x, low))),
    (x, low, high) => s.number(s.or(s.gt(x, high), s.lt(high, low))),
  ],
};
const ClampBelow = new Pointwise('Clamp', s.max, 2, below);
const ClampAbove = new Pointwise('Clamp', s.min, 2, above);
const Clamp = new Pointwise('Clamp', (x, low, high) => s.min(s.max(x, low), high), 3, between);
// a limit that is known not to be NaN takes one instruction, which also leaves the sign of zero alone
const atLeast = (x: Expr, low: Expr): Expr => s.select(s.lt(x, low), low, x);
const atMost = (x: Expr, high: Expr): Expr => s.select(s.lt(high, x), high, x);
const ClampBelowNumber = new Pointwise('ClampBackward1', atLeast, 2, below);
const ClampAboveNumber = new Pointwise('ClampBackward1', atMost, 2, above);
const ClampNumbers = new Pointwise('ClampBackward1', (x, low, high) => atMost(atLeast(x, low), high), 3, between);
const isLimit = (v: Operand): boolean => isNumber(v) && !Number.isNaN(v);
/**
 * x limited to [min, max]; either may be absent, but not both (torch.clamp). The derivative is 1 inside and on the limits, 0 outside.
 */
export const clamp = pointwise('clamp', ['min', 'max'], (x, min: Operand | null = null, max: Operand | null = null) => {
  if (min !== null && max !== null) return [isLimit(min) && isLimit(max) ? ClampNumbers : Clamp, x, min, max];
  if (min !== null) return [isLimit(min) ? ClampBelowNumber : ClampBelow, x, min];
  if (max !== null) return [isLimit(max) ? ClampAboveNumber : ClampAbove, x, max];
  throw new AdjointError('argument', "clamp: At least one of 'min' or 'max' must not be null");
});
const ClampMin = ClampBelowNumber.as('ClampMin');
const ClampMinTensor = ClampBelow.as('ClampMinBackward1');
/** `clamp` under NumPy's name (torch.clip). */
export const clip = clamp;
/** x, but at least `min` (torch.clamp_min). */
export const clampMin = pointwise('clampMin', ['min'], (x, min: Operand) => [
  isLimit(min) ? ClampMin : ClampMinTensor,
  x,
  min,
]);
const ClampMax = ClampAboveNumber.as('ClampMax');
const ClampMaxTensor = ClampAbove.as('ClampMaxBackward1');
/** x, but at most `max` (torch.clamp_max). */
export const clampMax = pointwise('clampMax', ['max'], (x, max: Operand) => [
  isLimit(max) ? ClampMax : ClampMaxTensor,
  x,
  max,
]);

// ---- choice

const MaskedFill = new Pointwise('MaskedFill', (x, mask, value) => s.select(mask, value, x), 3, {
  conditions: [1],
  cast: [2],
});
const MaskedFillTensor = MaskedFill.as('MaskedFillBackward1');
/** `value` where `mask` is true, x elsewhere (torch.Tensor.masked_fill). @throws if the mask is not of dtype bool */
export const maskedFill = pointwise('maskedFill', ['mask', 'value'], (x, mask: Tensor, value: Operand) => {
  if (!(mask instanceof Tensor) || mask.dtype !== 'bool') {
    throw new AdjointError(
      'dtype',
      `maskedFill: mask must be a bool tensor, got ${mask instanceof Tensor ? mask.dtype : show(mask)}`,
    );
  }
  if (value instanceof Tensor && value.ndim > 0) {
    throw new AdjointError(
      'shape',
      `maskedFill: only supports a value tensor without dimensions, got shape ${showShape(value.shape)}`,
    );
  }
  return [isNumber(value) ? MaskedFill : MaskedFillTensor, x, mask, value];
});

// ---- comparison and logic, giving bool

/** x = other (torch.eq). */
export const eq = binary('eq', s.eq);
/** x != other (torch.ne). */
export const ne = binary('ne', s.ne);
/** x < other (torch.lt). */
export const lt = binary('lt', s.lt);
/** x <= other (torch.le). */
export const le = binary('le', s.le);
/** x > other (torch.gt). */
export const gt = binary('gt', s.gt);
/** x >= other (torch.ge). */
export const ge = binary('ge', s.ge);
/** Whether x is NaN (torch.isnan). */
export const isnan = unary('isnan', s.isNan);
/** Whether x is infinite (torch.isinf). */
export const isinf = unary('isinf', (x) => s.eq(s.abs(x), Number.POSITIVE_INFINITY), floating);
/** Whether x is neither infinite nor NaN (torch.isfinite). */
export const isfinite = unary('isfinite', (x) => s.lt(s.abs(x), Number.POSITIVE_INFINITY), floating);

const both = { conditions: [0, 1] };
/** Whether both differ from 0 (torch.logical_and). */
export const logicalAnd = binary('logicalAnd', s.and, both);
/** Whether either differs from 0 (torch.logical_or). */
export const logicalOr = binary('logicalOr', s.or, both);
/** Whether exactly one differs from 0 (torch.logical_xor). */
export const logicalXor = binary('logicalXor', s.xor, both);
/** Whether x is 0 (torch.logical_not). */
export const logicalNot = unary('logicalNot', s.not, { conditions: [0] });

/** Bits of integers; on bool, logic. */
function bits(name: string, onIntegers: (a: Expr, b: Expr) => Expr, onBool: (a: Expr, b: Expr) => Expr) {
  const integers = new Pointwise(name, onIntegers, 2);
  const bools = new Pointwise(name, onBool, 2, both);
  return pointwise(name, ['other'], (x, other: Operand) => {
    for (const v of [x, other]) {
      if (v instanceof Tensor ? isFloatingPoint(v.dtype) : typeof v === 'number' && !Number.isInteger(v)) {
        throw new AdjointError('dtype', `${name}: expected integers or bool, got ${v instanceof Tensor ? v.dtype : v}`);
      }
    }
    return [isBool(x) && isBool(other) ? bools : integers, x, other];
  });
}
/** The bits that are set in both; on bool, logical and (torch.bitwise_and). */
export const bitwiseAnd = bits('bitwiseAnd', s.bitAnd, s.and);
/** The bits that are set in either; on bool, logical or (torch.bitwise_or). */
export const bitwiseOr = bits('bitwiseOr', s.bitOr, s.or);
/** The bits that are set in exactly one; on bool, logical xor (torch.bitwise_xor). */
export const bitwiseXor = bits('bitwiseXor', s.bitXor, s.xor);
const BitNot = new Pointwise('BitwiseNot', s.bitNot, 1);
const BoolNot = new Pointwise('BitwiseNot', s.not, 1, { conditions: [0] });
/** All bits inverted; on bool, logical not (torch.bitwise_not). */
export const bitwiseNot = pointwise('bitwiseNot', [], (x) => [isBool(x) ? BoolNot : BitNot, x]);
