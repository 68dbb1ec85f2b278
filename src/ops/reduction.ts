/** Reductions: one value of many, along some dimensions or all of them. */
import { apply, type OperatorNode, type Primitive, primitive, vjp } from '../autograd/primitive.ts';
import { checkDType, type DType } from '../core/dtype.ts';
import { checkDims, checkSize, type Shape, sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import * as s from '../kernels/expr.ts';
import type { Combine } from '../kernels/reduce.ts';
import { accumulating, launchReduction, type ReductionCode, reducedShape } from './launch-reduction.ts';
import { named } from './named.ts';

/** Dimensions to reduce: one, several, or all of them. */
export type Dims = number | readonly number[] | null;

const reduction = (map: s.Expr, combine: Combine, finish: s.Expr = s.input(0)): ReductionCode => ({
  map,
  combine,
  finish,
  kernels: new Map(),
});

/** What a reduction along dimensions is told. */
interface Along {
  readonly dims: readonly number[];
  readonly keepdim: boolean;
}

/** A tensor shaped as the result of a reduction, with the reduced dimensions as 1 again. */
const restored = (r: Tensor, { shapes: [shape], params }: OperatorNode<Along>): Tensor =>
  r.reshape(reducedShape(shape, params.dims, true));

/** The cotangent of a reduction, repeated along what was reduced. */
const spread = (g: Tensor, node: OperatorNode<Along>): Tensor => restored(g, node).expand(node.shapes[0]);

interface SumAlong extends Along {
  readonly dtype: DType;
}

const total = reduction(s.input(0), 'sum');
const sumPrimitive = (name: string): Primitive<SumAlong> =>
  primitive(
    name,
    ({ dims, keepdim, dtype }: SumAlong, x) => {
      const out = Tensor.empty(reducedShape(x.shape, dims, keepdim), dtype);
      launchReduction(total, [x], dims, dtype, out);
      return out;
    },
    [vjp(spread)],
  );
const SumAll = sumPrimitive('SumBackward0');
const SumDims = sumPrimitive('SumBackward1');

/**
 * The sum along `dim`, one or several dimensions, or of all elements; integers and bool give int64 (torch.sum). The sum of nothing is 0.
 * Floating sums add in the order of PyTorch's CPU kernel. The gradient is the cotangent, repeated.
 * @param dtype to cast to before summing
 */
export const sum = named(
  'sum',
  ['dim', 'keepdim', 'dtype'],
  (x: Tensor, dim: Dims = null, keepdim: boolean = false, dtype: DType | null = null): Tensor =>
    apply(
      dim === null ? SumAll : SumDims,
      { dims: checkDims(dim, x.ndim), keepdim, dtype: accumulating(x, dtype && checkDType(dtype)) },
      [x],
    ),
);

/** Whether `from` was broadcast from `to`. */
const isExpanded = (from: Shape, to: Shape): boolean => {
  const skip = from.length - to.length;
  return skip >= 0 && to.every((size, d) => size === 1 || size === from[d + skip]);
};

/**
 * `x` summed down to a shape that broadcasts to its own: the transpose of `expand` (torch.Tensor.sum_to_size).
 * @throws if the shape does not broadcast to that of `x`
 */
export function sumToSize(x: Tensor, ...sizes: number[] | [sizes: Shape]): Tensor {
  const shape = (Array.isArray(sizes[0]) ? sizes[0] : sizes) as Shape;
  for (const size of shape) checkSize(size);
  if (!isExpanded(x.shape, shape)) {
    throw new AdjointError(
      'shape',
      `sumToSize: size ${showShape(shape)} is not expandable to size ${showShape(x.shape)}`,
    );
  }
  if (sameShape(x.shape, shape)) return x;
  const skip = x.ndim - shape.length;
  const dims = x.shape.flatMap((size, d) => (d < skip || (shape[d - skip] === 1 && size !== 1) ? [d] : []));
  const summed = sum(x, dims, true, x.dtype);
  return skip === 0 ? summed : summed.reshape(shape);
}
