/** Norms of elements taken as one vector, of which those of torch.norm and torch.linalg are made. */
import { alongBatch } from '../../autograd/batch-rules.ts';
import { apply, type OperatorNode, primitive, result, vjp } from '../../autograd/primitive.ts';
import { checkDType, type DType, promoteTypes } from '../../core/dtype.ts';
import { showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import * as s from '../../kernels/expr.ts';
import { launchReduction, type ReductionCode, reduction } from '../launch/reduction.ts';
import { type Along, checkFloating, reducedShape, restored } from './along.ts';

interface Norm extends Along {
  readonly p: number;
  readonly dtype: DType;
}

const magnitude = s.abs(s.input(0));
const special = new Map<number, ReductionCode>([
  [0, reduction('sum', s.number(s.ne(s.input(0), 0)))],
  [1, reduction('sum', magnitude)],
  [2, reduction('sum', s.square(s.input(0)), s.sqrt(s.input(0)))],
  [Number.POSITIVE_INFINITY, reduction('max', magnitude)],
  [Number.NEGATIVE_INFINITY, reduction('min', magnitude)],
]);
/** The exponent is an operand, and its reciprocal what the last expression takes. */
const general = reduction('sum', s.pow(magnitude, s.input(1)), s.pow(s.input(0), s.input(1)));

/** x / norm, or a like ratio, where the norm is not 0; the subgradient there is 0. */
const orZero = (ratio: Tensor, norm: Tensor): Tensor => ratio.maskedFill(norm.eq(0), 0);

/** The gradient, by the formula that is stable for the exponent. */
function gradient(cotangent: Tensor, node: OperatorNode<Norm>, x: Tensor, y: Tensor): Tensor | null {
  const { p, dims } = node.params;
  const g = restored(cotangent, node);
  const norm = restored(y, node);
  if (p === 0) return null;
  if (p === 1) return x.sign().mul(g);
  if (p === 2) return g.mul(orZero(x.div(norm), norm));
  if (Math.abs(p) === Number.POSITIVE_INFINITY) {
    const size = x.abs();
    const mask = size.eq(norm).logicalOr(size.isnan());
    return x.sign().mul(g.div(mask.sum(dims, true)).mul(mask));
  }
  if (p < 1) {
    const scaled = x.sign().mul(orZero(x.abs().pow(p - 1), x));
    return scaled.mul(g).mul(norm.pow(1 - p));
  }
  const scaled = p < 2 ? x.sign().mul(x.abs().pow(p - 1)) : x.mul(x.abs().pow(p - 2));
  return scaled.mul(orZero(g.div(norm.pow(p - 1)), norm));
}

const VectorNorm = alongBatch(
  primitive<Norm>(
    'LinalgVectorNorm',
    (params, x) => {
      const { p, dims, dtype } = params;
      const out = Tensor.empty(reducedShape(x.shape, params), dtype);
      const known = special.get(p);
      // what is cheap is accumulated in float64
      if (known) launchReduction(known, [x], dims, 'float64', out);
      else launchReduction(general, [x, p], dims, dtype, out, 1 / p);
      return out;
    },
    [vjp(gradient, 0, result)],
  ),
);

/**
 * (sum |x|^p)^(1/p) along dimensions; for p = 0 the number of elements that are not 0, for infinite p the greatest or least |x|, of which
 * equals share the gradient. The gradient at a norm of 0 is 0.
 * @param dims from the front, ascending
 * @throws if the dtype is not floating or narrower than that of `x`, or if there is no element to take an extremum of
 */
export function vectorNorm(
  call: string,
  x: Tensor,
  p: number,
  { dims, keepdim }: Along,
  dtype: DType | null = null,
): Tensor {
  checkFloating(call, x.dtype);
  const own = dtype === null ? x.dtype : checkFloating(call, checkDType(dtype));
  if (promoteTypes(x.dtype, own) !== own) {
    throw new AdjointError(
      'dtype',
      `${call}: the dtype of the input (${x.dtype}) should be convertible without narrowing to the specified dtype (${own})`,
    );
  }
  if ((p < 0 || p === Number.POSITIVE_INFINITY) && dims.some((d) => x.shape[d] === 0)) {
    throw new AdjointError(
      'shape',
      `${call} cannot compute the ${p} norm on an empty dimension, got shape ${showShape(x.shape)}: the operation does not have an identity`,
    );
  }
  return apply(VectorNorm, { p, dims, keepdim, dtype: own }, [x]);
}
