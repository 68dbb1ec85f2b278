/** Values carried from one tensor to another, and from one dtype to another. */
import { apply, applyInPlace, primitive, vjp } from '../autograd/primitive.ts';
import { checkDType, type DType, type Scalar } from '../core/dtype.ts';
import { broadcastShapes, sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import * as s from '../kernels/expr.ts';
import { launchPointwise } from './launch.ts';

const identity = { root: s.input(0), kernels: new Map() };

/** Writes `source`, broadcast and cast, into the memory of `self`. */
function write(self: Tensor, source: Tensor | number): void {
  const safe =
    source instanceof Tensor && source.storage.shares(self.storage) && source !== self ? source.clone() : source;
  // computed in the source's dtype, so that the cast is the store's
  launchPointwise(identity, [safe], source instanceof Tensor ? source.dtype : self.dtype, self);
}

const Copy = primitive<undefined>('Copy', (_, self, source) => Tensor.empty(self.shape, self.dtype).copy_(source), [
  vjp((g) => g.mul(0)),
  vjp((g) => g),
]);
/**
 * Writes `source`, broadcast to this shape and cast to this dtype, over this tensor (torch.Tensor.copy_).
 * @throws if the shapes do not fit, or if this is a leaf that requires grad while the graph is recorded
 */
export function copy_(self: Tensor, source: Tensor | Scalar): Tensor {
  const from = source instanceof Tensor ? source : Number(source);
  if (from instanceof Tensor && !sameShape(broadcastShapes(self.shape, from.shape), self.shape)) {
    throw new AdjointError(
      'shape',
      `copy_: a tensor of shape ${showShape(from.shape)} does not broadcast to ${showShape(self.shape)}`,
    );
  }
  return applyInPlace(Copy, undefined, self, [from], () => write(self, from));
}

/** Writes `value` over every element (torch.Tensor.fill_). */
export const fill_ = (self: Tensor, value: Tensor | Scalar): Tensor => {
  if (value instanceof Tensor && value.ndim > 0) {
    throw new AdjointError(
      'shape',
      `fill_ only supports a value tensor without dimensions, got shape ${showShape(value.shape)}`,
    );
  }
  return copy_(self, value);
};

/** Writes 0 over every element (torch.Tensor.zero_). */
export const zero_ = (self: Tensor): Tensor => copy_(self, 0);

const ToCopy = primitive<DType>(
  'ToCopy',
  (dtype, x) => {
    const out = Tensor.empty(x.shape, dtype);
    write(out, x);
    return out;
  },
  [vjp((g) => g)],
);
/**
 * The same values in another dtype; `x` itself if it has that dtype (torch.Tensor.to). The gradient is cast back.
 * Floating numbers lose their fraction as integers.
 */
export function to(x: Tensor, dtype: DType | { dtype?: DType; copy?: boolean; device?: 'cpu' }): Tensor {
  const wanted = checkDType(typeof dtype === 'object' ? (dtype.dtype ?? x.dtype) : dtype);
  const copy = typeof dtype === 'object' && dtype.copy === true;
  return wanted === x.dtype ? (copy ? x.clone() : x) : apply(ToCopy, wanted, [x]);
}

/** As float32 (torch.Tensor.float). */
export const float = (x: Tensor): Tensor => to(x, 'float32');
/** As float64 (torch.Tensor.double). */
export const double = (x: Tensor): Tensor => to(x, 'float64');
/** As int32 (torch.Tensor.int). */
export const int = (x: Tensor): Tensor => to(x, 'int32');
/** As int64 (torch.Tensor.long). */
export const long = (x: Tensor): Tensor => to(x, 'int64');
/** As bool: whether each element differs from 0 (torch.Tensor.bool). */
export const bool = (x: Tensor): Tensor => to(x, 'bool');
/** As uint8 (torch.Tensor.byte). */
export const byte = (x: Tensor): Tensor => to(x, 'uint8');
/** In the dtype of `other` (torch.Tensor.type_as). */
export const typeAs = (x: Tensor, other: Tensor): Tensor => to(x, other.dtype);
