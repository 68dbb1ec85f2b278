/** How the cotangent of an extremum, or of another element that was chosen, is given to the elements. */
import type { OperatorNode } from '../../autograd/primitive.ts';
import type { Tensor } from '../../core/tensor.ts';
import { type Along, positions, restored } from './along.ts';

/** The cotangent, shared equally among the elements that `mask` marks. */
const share = (g: Tensor, node: OperatorNode<Along>, mask: Tensor): Tensor =>
  restored(g, node).div(mask.sum(node.params.dims, true)).mul(mask);

/** Among the elements that equal the result; NaN equals nothing. */
export const toEqual = (g: Tensor, node: OperatorNode<Along>, x: Tensor, y: Tensor): Tensor =>
  share(g, node, x.eq(restored(y, node)));

/** Among the elements that equal the result, or are NaN as it is. */
export const toEqualOrNan = (g: Tensor, node: OperatorNode<Along>, x: Tensor, y: Tensor): Tensor => {
  const value = restored(y, node);
  return share(g, node, x.eq(value).logicalOr(x.isnan().logicalAnd(value.isnan())));
};

/** To the element at each of `indices` along the one dimension that was reduced. */
export function toPosition(g: Tensor | null, node: OperatorNode<Along>, indices: Tensor): Tensor | null {
  const { shapes, params } = node;
  if (!g || shapes[0].length === 0) return g;
  const elsewhere = restored(indices, node).ne(positions(shapes[0], params.dims[0]));
  return restored(g, node).maskedFill(elsewhere, 0);
}
