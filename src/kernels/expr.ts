/**
 * Scalar expressions as data: what a pointwise operator computes for one element, free of any dtype. The same expression is
 * lowered to vector code (lower.ts) for each dtype it is called with, and differentiated as an expression (ops/pointwise/differentiate.ts).
 *
 * Expressions are interned: two that look alike are the same object, so shared parts are computed once.
 */

/** Functions of one number. For float32 they are evaluated by the approximations of approx.ts and narrow-approx.ts, for float64 by the host. */
export const transcendental1 = [
  'exp', 'exp2', 'expm1', 'log', 'log2', 'log10', 'log1p', 'sin', 'cos', 'tan', 'asin', 'acos', 'atan', 'sinh', 'cosh',
  'tanh', 'asinh', 'acosh', 'atanh', 'erf', 'erfc',
] as const; // biome-ignore format: a table
/** Functions of two numbers, likewise. */
export const transcendental2 = ['pow', 'atan2', 'hypot', 'fmod'] as const;

export type Transcendental1 = (typeof transcendental1)[number];
export type Transcendental2 = (typeof transcendental2)[number];
export type Transcendental = Transcendental1 | Transcendental2;

export type Op =
  | Transcendental
  // arithmetic
  | 'neg' | 'abs' | 'sqrt' | 'floor' | 'ceil' | 'round' | 'trunc' | 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max' | 'fma'
  // integer division, rounding toward zero, and its rest
  | 'quot' | 'rem'
  // comparison, giving truth values; logic on truth values
  | 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge' | 'and' | 'or' | 'xor' | 'not'
  | 'select'
  // bits of integers
  | 'bitAnd' | 'bitOr' | 'bitXor' | 'bitNot' | 'shiftLeft' | 'shiftRight'
  // functions that are made of others but have a derivative of their own
  | 'sigmoid' | 'expFlushed'
  // a truth value as a number, a number as a truth value
  | 'number' | 'truth'
  // the parts of a number: x = significand(x) * 2^exponent(x), and 2^n for whole n; for approx.ts and narrow-approx.ts
  | 'significand' | 'exponent' | 'exp2int' | 'copysign' | 'host'
  // float32 <-> float64 around an approximation
  | 'promote' | 'demote'
  | 'input' | 'const'; // biome-ignore format: a table

export interface Expr {
  readonly op: Op;
  readonly args: readonly Expr[];
  /** The value of a constant, the position of an input. */
  readonly value: number;
  /** The function that a 'host' node calls. */
  readonly host?: Transcendental;
  /** Whether it is a truth value rather than a number. */
  readonly logical: boolean;
}

export type Scalar = Expr | number;

const truths: ReadonlySet<Op> = new Set(['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'and', 'or', 'xor', 'not', 'truth']);
const interned = new Map<string, Expr>();
const ids = new Map<Expr, number>();

function intern(op: Op, args: readonly Expr[], value = 0, logical = truths.has(op), host?: Transcendental): Expr {
  const key = `${op}:${Object.is(value, -0) ? '-0' : value}:${logical ? 't' : 'n'}:${host ?? ''}:${args.map((a) => ids.get(a)).join()}`;
  let expr = interned.get(key);
  if (!expr) {
    expr = { op, args, value, logical, host };
    interned.set(key, expr);
    ids.set(expr, ids.size);
  }
  return expr;
}

/** Operand `position` of the operator. */
export const input = (position: number): Expr => intern('input', [], position);
/** Operand `position`, which is a truth value. */
export const condition = (position: number): Expr => intern('input', [], position, true);
export const constant = (value: number): Expr => intern('const', [], value);
/** An operand as an expression. */
export const expr = (a: Scalar): Expr => (typeof a === 'number' ? constant(a) : a);

/** Any operation, taken as it is. */
export const raw = (op: Op, ...args: Scalar[]): Expr => intern(op, args.map(expr));

const op1 = (op: Op) => (a: Scalar) => intern(op, [expr(a)]);
const op2 = (op: Op) => (a: Scalar, b: Scalar) => intern(op, [expr(a), expr(b)]);
const is = (a: Expr, value: number): boolean => a.op === 'const' && a.value === value;

// Arithmetic drops what it can see to be neutral: derivative expressions are built by rule and full of it.
export function add(x: Scalar, y: Scalar): Expr {
  const a = expr(x);
  const b = expr(y);
  if (is(a, 0)) return b;
  if (is(b, 0)) return a;
  if (a.op === 'const' && b.op === 'const') return constant(a.value + b.value);
  return intern('add', [a, b]);
}

export function sub(x: Scalar, y: Scalar): Expr {
  const a = expr(x);
  const b = expr(y);
  if (is(b, 0)) return a;
  if (is(a, 0)) return neg(b);
  if (a.op === 'const' && b.op === 'const') return constant(a.value - b.value);
  return intern('sub', [a, b]);
}

export function mul(x: Scalar, y: Scalar): Expr {
  const a = expr(x);
  const b = expr(y);
  if (is(a, 1)) return b;
  if (is(b, 1)) return a;
  if (is(a, 0)) return a;
  if (is(b, 0)) return b;
  if (is(a, -1)) return neg(b);
  if (is(b, -1)) return neg(a);
  if (a.op === 'const' && b.op === 'const') return constant(a.value * b.value);
  return intern('mul', [a, b]);
}

export function div(x: Scalar, y: Scalar): Expr {
  const a = expr(x);
  const b = expr(y);
  return is(b, 1) ? a : intern('div', [a, b]);
}

export function neg(x: Scalar): Expr {
  const a = expr(x);
  if (a.op === 'const') return constant(-a.value);
  return a.op === 'neg' ? a.args[0] : intern('neg', [a]);
}

export const abs = op1('abs');
export const sqrt = op1('sqrt');
export const floor = op1('floor');
export const ceil = op1('ceil');
/** To the nearest whole number, ties to even. */
export const round = op1('round');
export const trunc = op1('trunc');
/** NaN where either is NaN. */
export const min = op2('min');
export const max = op2('max');
/** a * b + c, with one rounding where the processor has it. */
export const fma = (a: Scalar, b: Scalar, c: Scalar): Expr => intern('fma', [expr(a), expr(b), expr(c)]);
export const quot = op2('quot');
export const rem = op2('rem');

export const eq = op2('eq');
export const ne = op2('ne');
export const lt = op2('lt');
export const le = op2('le');
export const gt = op2('gt');
export const ge = op2('ge');
export const and = op2('and');
export const or = op2('or');
export const xor = op2('xor');
export const not = op1('not');
export const isNan = (a: Scalar): Expr => ne(a, a);
export const isInfinite = (a: Scalar): Expr => eq(abs(a), Number.POSITIVE_INFINITY);

/** `then` where the condition holds, `otherwise` elsewhere. */
export function select(when: Expr, then: Scalar, otherwise: Scalar): Expr {
  const a = expr(then);
  const b = expr(otherwise);
  return a === b ? a : intern('select', [when, a, b], 0, a.logical);
}

export const bitAnd = op2('bitAnd');
export const bitOr = op2('bitOr');
export const bitXor = op2('bitXor');
export const bitNot = op1('bitNot');
export const shiftLeft = op2('shiftLeft');
export const shiftRight = op2('shiftRight');

/** 1 where true, 0 where false. */
export const number = op1('number');
/** Whether a number differs from 0. */
export const truth = (a: Expr): Expr => (a.logical ? a : intern('truth', [a]));

export const copysign = op2('copysign');
/** In [1, 2), whatever the sign; of 0, infinity and NaN it is some finite number. In float32 it is in [3/4, 3/2), and minds the sign. */
export const significand = op1('significand');
export const exponent = op1('exponent');
/** 2^n for whole n, taken modulo 4096 as the bits of a float64 are: 2^2048 comes out as -1. */
export const exp2int = op1('exp2int');
/**
 * `fast`, but in the lanes where `rare` holds (and only if there is one) what the host function gives for `args`: for arguments that an
 * approximation does not reach.
 */
export const hostWhere = (rare: Expr, fast: Expr, host: Transcendental, ...args: Expr[]): Expr =>
  intern('host', [rare, fast, ...args], 0, false, host);

export const exp = op1('exp');
export const exp2 = op1('exp2');
export const expm1 = op1('expm1');
export const log = op1('log');
export const log2 = op1('log2');
export const log10 = op1('log10');
export const log1p = op1('log1p');
export const sin = op1('sin');
export const cos = op1('cos');
export const tan = op1('tan');
export const asin = op1('asin');
export const acos = op1('acos');
export const atan = op1('atan');
export const sinh = op1('sinh');
export const cosh = op1('cosh');
export const tanh = op1('tanh');
export const asinh = op1('asinh');
export const acosh = op1('acosh');
export const atanh = op1('atanh');
export const erf = op1('erf');
export const erfc = op1('erfc');
export const pow = op2('pow');
export const atan2 = op2('atan2');
export const hypot = op2('hypot');
export const fmod = op2('fmod');

/** 1 / (1 + e^-x), whose derivative is y (1 - y) wherever e^-x overflows, too. */
export const sigmoid = op1('sigmoid');
/** e^x for x up to 88, with 0 for what float32 has no full precision for: the weights of a softmax. */
export const expFlushed = op1('expFlushed');
export const square = (a: Scalar): Expr => mul(a, a);

/** The polynomial c[0] + c[1] x + c[2] x^2 + ... by Horner's rule. */
export const polynomial = (x: Expr, c: readonly number[]): Expr =>
  c.slice(0, -1).reduceRight<Expr>((sum, coefficient) => fma(sum, x, coefficient), constant(c[c.length - 1]));

/** The expression with each input replaced. */
export function substitute(root: Expr, replacement: (e: Expr) => Expr | undefined): Expr {
  const done = new Map<Expr, Expr>();
  const visit = (e: Expr): Expr => {
    let result = done.get(e);
    if (!result) {
      result = replacement(e) ?? (e.args.length ? intern(e.op, e.args.map(visit), e.value, e.logical, e.host) : e);
      done.set(e, result);
    }
    return result;
  };
  return visit(root);
}

/** The positions of the inputs that the expression reads, ascending. */
export function inputsOf(root: Expr): number[] {
  const positions = new Set<number>();
  const seen = new Set<Expr>();
  const visit = (e: Expr): void => {
    if (seen.has(e)) return;
    seen.add(e);
    if (e.op === 'input') positions.add(e.value);
    e.args.forEach(visit);
  };
  visit(root);
  return [...positions].sort((a, b) => a - b);
}
