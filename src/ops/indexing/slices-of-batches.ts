/** The rule for batches of operators that take a vector of indices for whole slices. */
import { examplesOf } from '../../autograd/batch-rules.ts';
import { type Operand, type Primitive, run, withBatchRule } from '../../autograd/primitive.ts';
import type { Tensor } from '../../core/tensor.ts';
import { where } from '../pointwise/where.ts';

/** Indices that may count from the end, counted from the front. */
export const fromFront = (index: Tensor, size: number): Tensor => where(index.lt(0), index.add(size), index);

/**
 * Where all examples share the indices, an operator runs along the next dimension; else `each` is applied, which is told an index for each
 * element.
 * @param each takes the dimension, the parameters, the examples, and of the indices and the values one for each element of all slices
 * @param single whether what is written is one value for all places
 */
export function bySlices<P extends number | { readonly dim: number }>(
  operator: Primitive<P>,
  each: (dim: number, params: P, x: Tensor, index: Tensor, values: Tensor) => Tensor,
  single = false,
): void {
  withBatchRule(operator, (params, inputs, batched) => {
    const [all, indices, ...rest] = examplesOf(inputs, batched) as Tensor[];
    const [size] = all.shape;
    const bare = all.ndim === 1;
    const x = bare ? all.unsqueeze(1) : all;
    const dim = (typeof params === 'number' ? params : params.dim) + 1;
    const count = indices.ndim === 1 ? 1 : indices.shape[1];
    const slots = x.shape.with(dim, count);
    const ones = x.shape.slice(1).map(() => 1);
    const values = rest.map((other: Operand) => {
      if (typeof other === 'number') return other;
      return single ? other.reshape([size, ...ones]).expand(slots) : other.reshape(slots);
    });
    let out: Tensor;
    if (batched[1] || (single && batched[2])) {
      const index = indices.reshape([size, ...ones].with(dim, count)).expand(slots);
      out = each(dim, params, x, index, values[0] as Tensor);
    } else {
      const next = (typeof params === 'number' ? dim : { ...(params as { dim: number }), dim }) as P;
      out = run(operator, next, [x, inputs[1], ...(single ? inputs.slice(2) : values)]) as Tensor;
    }
    return bare ? out.reshape([size]) : out;
  });
}
