/** Views taken in place: the tensor itself is read in another geometry from then on, and its memory is left alone. */
import { requiresGrad } from '../../autograd/edge.ts';
import { mode } from '../../autograd/modes.ts';
import { checkInPlace } from '../../autograd/write.ts';
import type { Tensor } from '../../core/tensor.ts';
import * as v from './view.ts';

/** Gives a tensor the geometry, and the place in the graph, of a view of itself. */
const inPlaceView =
  <Args extends readonly unknown[]>(take: (x: Tensor, ...args: Args) => Tensor) =>
  (self: Tensor, ...args: Args): Tensor => {
    checkInPlace(self, mode.grad && requiresGrad(self), true);
    const { shape, strides, offset, _node, _outputNr, _lift } = take(self, ...args);
    Object.assign(self, { shape, strides, offset, _lift });
    self.storage.version++;
    if (!self._view && _node) Object.assign(self, { _node, _outputNr });
    return self;
  };

/** Exchanges two dimensions in place (torch.Tensor.transpose_). */
export const transpose_ = inPlaceView(v.transpose);
/** Exchanges two dimensions in place (torch.Tensor.swapaxes_). */
export const swapaxes_ = inPlaceView(v.swapaxes);
/** Exchanges two dimensions in place (torch.Tensor.swapdims_). */
export const swapdims_ = inPlaceView(v.swapdims);
/** Reads the memory of the tensor with any sizes and strides, in place (torch.Tensor.as_strided_). */
export const asStrided_ = inPlaceView(v.asStrided);
/** Transposes a matrix in place (torch.Tensor.t_). */
export const t_ = inPlaceView(v.t);
/** Drops dimensions of size 1 in place (torch.Tensor.squeeze_). */
export const squeeze_ = inPlaceView(v.squeeze);
/** Adds a dimension of size 1 in place (torch.Tensor.unsqueeze_). */
export const unsqueeze_ = inPlaceView(v.unsqueeze);
