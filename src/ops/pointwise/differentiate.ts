/** Symbolic derivatives of scalar expressions, by the chain rule from a table of the derivatives of each function. */

import type { Expr, Op } from '../../kernels/expr.ts';
import * as s from '../../kernels/expr.ts';

/** The partial derivatives of a function, from its arguments and its value. */
type Rule = (args: readonly Expr[], value: Expr) => Scalars;
type Scalars = readonly s.Scalar[];

const zero = s.constant(0);
const isZero = (e: Expr): boolean => e === zero;

const rules: Partial<Record<Op, Rule>> = {
  add: () => [1, 1],
  sub: () => [1, -1],
  mul: ([a, b]) => [b, a],
  div: ([, b], y) => [s.div(1, b), s.neg(s.div(y, b))],
  neg: () => [-1],
  abs: ([a]) => [s.sub(s.number(s.gt(a, 0)), s.number(s.lt(a, 0)))],
  sqrt: (_, y) => [s.div(0.5, y)],
  fma: ([a, b]) => [b, a, 1],
  min: ([a, b]) => shares(s.lt(a, b), s.lt(b, a)),
  max: ([a, b]) => shares(s.gt(a, b), s.gt(b, a)),
  number: () => [0],
  floor: () => [0],
  ceil: () => [0],
  round: () => [0],
  trunc: () => [0],
  exp: (_, y) => [y],
  exp2: (_, y) => [s.mul(y, Math.LN2)],
  expm1: (_, y) => [s.add(y, 1)],
  log: ([x]) => [s.div(1, x)],
  log2: ([x]) => [s.div(1 / Math.LN2, x)],
  log10: ([x]) => [s.div(1 / Math.LN10, x)],
  log1p: ([x]) => [s.div(1, s.add(x, 1))],
  sin: ([x]) => [s.cos(x)],
  cos: ([x]) => [s.neg(s.sin(x))],
  tan: (_, y) => [s.add(1, s.square(y))],
  asin: ([x]) => [s.div(1, s.sqrt(s.sub(1, s.square(x))))],
  acos: ([x]) => [s.div(-1, s.sqrt(s.sub(1, s.square(x))))],
  atan: ([x]) => [s.div(1, s.add(1, s.square(x)))],
  sinh: ([x]) => [s.cosh(x)],
  cosh: ([x]) => [s.sinh(x)],
  sigmoid: (_, y) => [s.mul(y, s.sub(1, y))],
  expFlushed: (_, y) => [y],
  tanh: (_, y) => [s.sub(1, s.square(y))],
  asinh: ([x]) => [s.div(1, s.sqrt(s.add(s.square(x), 1)))],
  acosh: ([x]) => [s.div(1, s.sqrt(s.sub(s.square(x), 1)))],
  atanh: ([x]) => [s.div(1, s.sub(1, s.square(x)))],
  erf: ([x]) => [s.mul(2 / Math.sqrt(Math.PI), s.exp(s.neg(s.square(x))))],
  erfc: ([x]) => [s.mul(-2 / Math.sqrt(Math.PI), s.exp(s.neg(s.square(x))))],
  // no power of zero to divide by: 0 ** 0 has the derivative 0, and d/db 0 ** b is 0 wherever b >= 0
  pow: ([a, b], y) => [
    s.select(s.eq(b, 0), 0, s.mul(b, s.pow(a, s.sub(b, 1)))),
    s.select(s.and(s.eq(a, 0), s.ge(b, 0)), 0, s.mul(y, s.log(a))),
  ],
  atan2: ([a, b]) => {
    const r2 = s.add(s.square(a), s.square(b));
    return [s.div(b, r2), s.neg(s.div(a, r2))];
  },
  hypot: ([a, b], y) => [s.div(a, y), s.div(b, y)],
  fmod: ([a, b]) => [1, s.neg(s.trunc(s.div(a, b)))],
  copysign: ([a], y) => [s.select(s.eq(a, 0), 0, s.div(y, a)), 0],
};

/** At a tie, half to each side. */
const shares = (first: Expr, second: Expr): Scalars => {
  const half = (wins: Expr, loses: Expr): Expr => s.select(wins, 1, s.select(loses, 0, 0.5));
  return [half(first, second), half(second, first)];
};

/** The derivative of `root` with respect to input `position`. */
export function derivative(root: Expr, position: number): Expr {
  const done = new Map<Expr, Expr>();
  const visit = (e: Expr): Expr => {
    if (e.op === 'input' && !e.logical) return s.constant(e.value === position ? 1 : 0);
    if (e.args.length === 0 || e.logical) return zero;
    let total = done.get(e);
    if (total) return total;
    const inner = e.args.map(visit);
    total = zero;
    if (!inner.every(isZero)) {
      if (e.op === 'select') total = s.select(e.args[0], inner[1], inner[2]);
      else {
        const rule = rules[e.op];
        if (!rule) throw new Error(`no derivative for ${e.op}`);
        rule(e.args, e).forEach((partial, k) => {
          if (!isZero(inner[k])) total = s.add(total as Expr, s.mul(inner[k], s.expr(partial)));
        });
      }
    }
    done.set(e, total);
    return total;
  };
  return visit(root);
}
