/** The order in which the elements of tensors lie in memory. */
import { isContiguous } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';

/**
 * The dimensions of a tensor from the widest stride to the narrowest, if its elements lie without gaps or overlaps in that order; null if that
 * is row-major order, or if they do not.
 */
export function dimsByStride({ shape, strides }: Tensor): number[] | null {
  if (isContiguous(shape, strides)) return null;
  const dims = [...shape.keys()].sort((a, b) => strides[b] - strides[a]);
  const sorted = (values: readonly number[]): number[] => dims.map((d) => values[d]);
  return isContiguous(sorted(shape), sorted(strides)) ? dims : null;
}

/** A copy whose elements lie in that order. */
export const laidOut = (x: Tensor, dims: readonly number[]): Tensor =>
  x
    .permute([...dims])
    .clone()
    .permute(dims.map((_, d) => dims.indexOf(d)));

/** Whether two tensors of one shape are read with the same strides. */
export const sameOrder = (a: Tensor, b: Tensor): boolean =>
  a.shape.includes(0) || a.shape.every((size, d) => size === 1 || a.strides[d] === b.strides[d]);

/** `x` if its elements lie in the order of those of `model`, else a copy: in that order, or in row-major order if `model` has gaps or overlaps. */
export function inOrderOf(model: Tensor, x: Tensor): Tensor {
  if (sameOrder(x, model)) return x;
  const dims = dimsByStride(model);
  return dims ? laidOut(x, dims) : x.contiguous();
}
