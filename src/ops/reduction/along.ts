/** What operators along dimensions share: the shapes of their results, and the way of a cotangent back to the shape of the input. */
import type { OperatorNode } from '../../autograd/primitive.ts';
import { arange } from '../../core/creation.ts';
import { checkDType, type DType, isFloatingPoint } from '../../core/dtype.ts';
import { type Shape, showShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';

/** Dimensions to reduce: one, several, or all of them. */
export type Dims = number | readonly number[] | null;

/** An extremum along a dimension, and where it stands. */
export interface ValuesAndIndices {
  readonly values: Tensor;
  readonly indices: Tensor;
}

/** What a reduction along dimensions is told; the dimensions are counted from the front and ascend. */
export interface Along {
  readonly dims: readonly number[];
  readonly keepdim: boolean;
}

/** The shape without the dimensions `dims`, or with them as 1. */
export function reducedShape(shape: Shape, { dims, keepdim }: Along): number[] {
  const reduced: number[] = [];
  for (let d = 0; d < shape.length; d++) {
    if (!dims.includes(d)) reduced.push(shape[d]);
    else if (keepdim) reduced.push(1);
  }
  return reduced;
}

/** How many elements each result is made of. */
export const reducedCount = (shape: Shape, { dims }: Along): number => dims.reduce((n, d) => n * shape[d], 1);

/** A tensor shaped as a result, with the reduced dimensions as 1 again; without dimensions it broadcasts as it is. */
export const restored = (r: Tensor, { shapes: [shape], params }: OperatorNode<Along>): Tensor =>
  params.keepdim || r.ndim === 0 ? r : r.reshape(reducedShape(shape, { dims: params.dims, keepdim: true }));

/** The cotangent of a reduction, repeated along what was reduced. */
export const spread = <P extends Along>(g: Tensor, node: OperatorNode<P>): Tensor =>
  restored(g, node).expand(node.shapes[0]);

/** The positions along `dim` of a tensor of this shape, with all other dimensions as 1. */
export const positions = (shape: Shape, dim: number): Tensor =>
  arange(shape[dim]).reshape(shape.map((size, d) => (d === dim ? size : 1)));

/** The dtype of a sum or a product of elements: int64 for integers and bool, unless another is asked for. */
export const accumulating = (x: Tensor, dtype: DType | null): DType =>
  dtype === null ? (isFloatingPoint(x.dtype) ? x.dtype : 'int64') : checkDType(dtype);

/** Throws unless the dtype is floating. */
export function checkFloating(call: string, dtype: DType): DType {
  if (isFloatingPoint(dtype)) return dtype;
  throw new AdjointError('dtype', `${call}: expected a floating dtype, got ${dtype}; convert with to('float32')`);
}

/** Throws if there is no element to choose along `dim`, or at all if it is null: an extremum of nothing is not defined. */
export function checkSome(call: string, x: Tensor, dim: Dims, dims: readonly number[]): void {
  const empty = dims.find((d) => x.shape[d] === 0);
  if (empty === undefined) return;
  throw new AdjointError(
    'shape',
    dim === null
      ? `${call}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.`
      : `${call}(): Expected reduction dim ${empty} to have non-zero size, got shape ${showShape(x.shape)}`,
  );
}
