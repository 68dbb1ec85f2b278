/** The standard basis of several tensors, along which Jacobians are computed, and the blocks that what is computed for it consists of. */
import { filled } from '../core/creation.ts';
import type { Tensor } from '../core/tensor.ts';

/** How many of the basis vectors come before those of tensor `i`. */
const offset = (tensors: readonly Tensor[], i: number): number =>
  tensors.slice(0, i).reduce((sum, x) => sum + x.numel(), 0);

/** The vectors of the standard basis of `tensors` taken together, along dimension 0: of each tensor its part of all of them. */
export function basis(tensors: readonly Tensor[]): Tensor[] {
  const count = offset(tensors, tensors.length);
  return tensors.map((x, i) => {
    const part = filled([count, x.numel()], 0, x.dtype);
    part.diagonal(-offset(tensors, i)).fill_(1);
    return part.view([count, ...x.shape]);
  });
}

/** What belongs to the basis vectors of tensor `i`. */
const ofTensor = (all: Tensor, tensors: readonly Tensor[], i: number): Tensor =>
  all.narrow(0, offset(tensors, i), tensors[i].numel());

/** Of the gradients of one input for the basis of all outputs, the Jacobian of output `i`. */
export const blockOfRows = (rows: Tensor, outputs: readonly Tensor[], i: number): Tensor =>
  ofTensor(rows, outputs, i).reshape([...outputs[i].shape, ...rows.shape.slice(1)]);

/** Of the tangents of one output for the basis of all inputs, the Jacobian with respect to input `j`. */
export const blockOfColumns = (columns: Tensor, inputs: readonly Tensor[], j: number): Tensor =>
  ofTensor(columns, inputs, j)
    .movedim(0, -1)
    .reshape([...columns.shape.slice(1), ...inputs[j].shape]);
