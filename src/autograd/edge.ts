/** Where a tensor stands in the graph. */
import { Tensor } from '../core/tensor.ts';
import { AccumulateGrad } from './accumulate.ts';
import { moveRetaining } from './hooks.ts';
import { enableGrad } from './modes.ts';
import type { Edge, Node } from './node.ts';
import type { Operand } from './primitive.ts';
import { checkSeal, isLeaf, type ViewInfo } from './view.ts';

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

/** Finds the node of a view anew after its base's memory has been written to. */
export function refreshView(tensor: Tensor): void {
  const view = tensor._view as ViewInfo;
  if (isLeaf(tensor) && !requiresGrad(view.base)) return;
  checkSeal(tensor, view, 'its base or another view of its base has been modified inplace');
  view.version = tensor.storage.version;
  const before = tensor._node?.tensorHooks?.get(tensor._outputNr);
  const { _node } = enableGrad(() => view.base.asStrided(tensor.shape, tensor.strides, tensor.offset));
  tensor._node = _node;
  tensor._outputNr = 0;
  if (_node) moveRetaining(before, { node: _node, nr: 0 });
}

/** The node at which the gradient with respect to a tensor arrives, for the tensor's `_outputNr`; null if it wants none. */
export function destinationOf(operand: Operand): Node | null {
  if (!requiresGrad(operand)) return null;
  operand._node = nodeOf(operand) ?? new AccumulateGrad(operand);
  return operand._node;
}

/** Where the gradient with respect to a tensor goes, or null if it wants none. */
export function edgeOf(operand: Operand): Edge | null {
  const node = destinationOf(operand);
  return node && { node, nr: (operand as Tensor)._outputNr };
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
