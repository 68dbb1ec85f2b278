/** Variances and standard deviations, of themselves or with the mean. */
import { alongBatch } from '../../autograd/batch-rules.ts';
import {
  apply,
  applySeveral,
  type OperatorNode,
  type Primitive,
  primitive,
  primitiveOfSeveral,
  result,
  vjp,
} from '../../autograd/primitive.ts';
import { named } from '../../core/named.ts';
import { checkDims } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import * as s from '../../kernels/expr.ts';
import { launchReduction, type ReductionCode, reduction } from '../launch/reduction.ts';
import { type Along, checkFloating, type Dims, reducedCount, reducedShape, restored, spread } from './along.ts';

interface Spread extends Along {
  readonly correction: number;
}

const ratio = s.div(s.input(0), s.input(1));
const average = reduction('sum', s.input(0), ratio);
const squares = s.square(s.sub(s.input(0), s.input(1)));
const variance = reduction('sum', squares, ratio);
const deviation = reduction('sum', squares, s.sqrt(ratio));

/** The number to divide by: that of the elements less the correction, but no less than 0. */
const freedom = (x: Tensor, along: Spread): number => Math.max(0, reducedCount(x.shape, along) - along.correction);

/** Of float32, too, the mean is taken and the squares of what differs from it are summed in float64. */
function withMean(code: ReductionCode, x: Tensor, along: Spread): { out: Tensor; mean: Tensor } {
  const { dims } = along;
  const mean = Tensor.empty(reducedShape(x.shape, { dims, keepdim: true }), 'float64');
  launchReduction(average, [x], dims, 'float64', mean, reducedCount(x.shape, along));
  const out = Tensor.empty(reducedShape(x.shape, along), x.dtype);
  launchReduction(code, [x, mean], dims, 'float64', out, freedom(x, along));
  return { out, mean };
}

/** 2 (x - mean) / freedom times the cotangent of the variance. */
function ofVariance(cotangent: Tensor, node: OperatorNode<Spread>, x: Tensor): Tensor {
  const { dims } = node.params;
  const g = restored(cotangent, node);
  const n = freedom(x, node.params);
  const difference = x.sub(x.mean(dims, true));
  if (n > 0) return g.mul(2 / n).mul(difference);
  // the variance itself is infinite, or NaN where all elements are the mean
  return g.mul(difference.detach().mul(0).add(Number.POSITIVE_INFINITY).maskedFill(difference.eq(0), Number.NaN));
}

/** The standard deviation y changes by 1 / 2y with the variance; where it is 0, the subgradient is 0. */
const ofDeviation = (g: Tensor, node: OperatorNode<Spread>, x: Tensor, y: Tensor): Tensor =>
  ofVariance(g.div(y.mul(2)).maskedFill(y.eq(0), 0), node, x);

const ofMean = (g: Tensor, node: OperatorNode<Spread>): Tensor =>
  spread(g, node).div(reducedCount(node.shapes[0], node.params));

const sumOf = (a: Tensor | null, b: Tensor | null): Tensor | null => (a && b ? a.add(b) : (a ?? b));

const Var: Primitive<Spread> = primitive<Spread>('Var', (along, x) => withMean(variance, x, along).out, [
  vjp(ofVariance, 0),
]);
const Std: Primitive<Spread> = primitive<Spread>('Std', (along, x) => withMean(deviation, x, along).out, [
  vjp(ofDeviation, 0, result),
]);

const pair = (code: ReductionCode, along: Spread, x: Tensor): Tensor[] => {
  const { out, mean } = withMean(code, x, along);
  return [out, mean.to(x.dtype).reshape(out.shape)];
};
const VarMean: Primitive<Spread> = primitiveOfSeveral<Spread>('VarMean', (along, x) => pair(variance, along, x), [
  vjp(([gVar, gMean], node, x) => sumOf(gVar && ofVariance(gVar, node, x), gMean && ofMean(gMean, node)), 0),
]);
const StdMean: Primitive<Spread> = primitiveOfSeveral<Spread>('StdMean', (along, x) => pair(deviation, along, x), [
  vjp(
    ([gStd, gMean], node, x, y) => sumOf(gStd && ofDeviation(gStd, node, x, y), gMean && ofMean(gMean, node)),
    0,
    result,
  ),
]);

for (const operator of [Var, Std, VarMean, StdMean]) alongBatch(operator);

/** Defines a function of the arguments that these have in common. */
const spreadFunction = <R>(call: string, compute: (x: Tensor, along: Spread) => R) =>
  named(
    call,
    ['dim', 'unbiased', 'keepdim', 'correction'],
    (
      x: Tensor,
      dim: Dims | boolean = null,
      unbiased: boolean | null = null,
      keepdim: boolean = false,
      correction: number | null = null,
    ): R => {
      checkFloating(call, x.dtype);
      const all = typeof dim === 'boolean';
      const asked = all ? dim : unbiased;
      if (asked !== null && correction !== null)
        throw new AdjointError('argument', `${call}: give either unbiased or correction, not both`);
      return compute(x, {
        dims: checkDims(all ? null : dim, x.ndim),
        keepdim,
        correction: correction ?? (asked === false ? 0 : 1),
      });
    },
  );

/**
 * The variance along `dim`, one or several dimensions, or of all elements: the sum of (x - mean)^2 divided by their number less
 * `correction`, which is 1 by default, or 0 if `unbiased` is false (torch.var): `x.var(dim, unbiased, keepdim)`, `x.var(unbiased)`,
 * `x.var(dim, { correction, keepdim })`.
 * @throws if the dtype is not floating
 */
const varOf = spreadFunction('var', (x, along) => apply(Var, along, [x]));
/** The standard deviation, the square root of the variance, with the arguments of `var` (torch.std). Its gradient at 0 is 0. */
const stdOf = spreadFunction('std', (x, along) => apply(Std, along, [x]));
/** The variance and the mean, `[var, mean]`, with the arguments of `var` (torch.var_mean). */
export const varMean = spreadFunction('varMean', (x, along) => tuple(applySeveral(VarMean, along, [x])));
/** The standard deviation and the mean, `[std, mean]`, with the arguments of `var` (torch.std_mean). */
export const stdMean = spreadFunction('stdMean', (x, along) => tuple(applySeveral(StdMean, along, [x])));

const tuple = ([first, mean]: Tensor[]): [Tensor, Tensor] => [first, mean];

export { stdOf as std, varOf as var };

/** Those that PyTorch has as methods, too. */
export const varianceMethods = { std: stdOf, var: varOf };
