/** Where a tensor stands in the graph. */
import { Tensor } from '../core/tensor.ts';
import { AccumulateGrad } from './accumulate.ts';
import type { Edge, Node } from './node.ts';
import type { Operand } from './primitive.ts';
import { refreshView } from './view.ts';

/** Whether a gradient with respect to `operand` may be asked for. */
export function requiresGrad(operand: Operand): operand is Tensor {
  if (typeof operand === 'number') return false;
  if (operand._wantsGrad || operand._node !== null) return true;
  // a view that was taken unrecorded is a leaf of its own
  return operand._view !== null && requiresGrad(operand._view.base);
}

/** The node that made a tensor, brought up to date if it is a view whose base was written to. */
export function nodeOf(tensor: Tensor): Node | null {
  if (tensor._view !== null && tensor._view.version !== tensor.storage.version) refreshView(tensor);
  return tensor._node;
}

/** Where the gradient with respect to a tensor goes, or null if it wants none. */
export function edgeOf(operand: Operand): Edge | null {
  if (!requiresGrad(operand)) return null;
  operand._node = nodeOf(operand) ?? new AccumulateGrad(operand);
  return { node: operand._node, nr: operand._outputNr };
}

/** Another tensor object over the same elements in the same place of the graph, lifted to the same levels. */
export function twin(x: Tensor): Tensor {
  const copy = new Tensor(x.storage, x.shape, x.strides, x.offset);
  copy._node = x._node;
  copy._outputNr = x._outputNr;
  copy._view = x._view;
  copy._lift = x._lift;
  return copy;
}
