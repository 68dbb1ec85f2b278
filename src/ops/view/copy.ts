/** Values carried from one tensor to another, and from one dtype to another. */
import { alignExamples, examplesOf, inFront } from '../../autograd/batch-rules.ts';
import { apply, applyInPlace, type Primitive, primitive, run, vjp, withBatchRule } from '../../autograd/primitive.ts';
import { filled } from '../../core/creation.ts';
import { checkDType, type DType, type Scalar } from '../../core/dtype.ts';
import { named } from '../../core/named.ts';
import { broadcastShapes, sameShape, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import { write } from '../launch/write.ts';

const Copy = primitive('CopyBackwards', (_, self, source) => write(Tensor.empty(self.shape, self.dtype), source), [
  vjp((g) => filled(g.shape, 0, g.dtype)),
  vjp((g) => g),
]);
/** On a batch, what is written is aligned with what it is written to. */
const writesExamples = (operator: Primitive): Primitive =>
  withBatchRule(operator, (_, [self, ...others], batched) => {
    const [whole] = examplesOf([self, ...others], batched);
    return run(operator, undefined, alignExamples([whole, ...others], [true, ...batched.slice(1)]));
  });
writesExamples(Copy);
/**
 * Writes `source`, broadcast to this shape and cast to this dtype, over this tensor (torch.Tensor.copy_).
 * @throws if the shapes do not fit, if elements of this tensor share memory, or if it is a leaf that requires grad while the graph is
 * recorded
 */
export function copy_(self: Tensor, source: Tensor | Scalar): Tensor {
  const from = source instanceof Tensor ? source : Number(source);
  if (from instanceof Tensor && !sameShape(broadcastShapes(self.shape, from.shape), self.shape)) {
    throw new AdjointError(
      'shape',
      `copy_: a tensor of shape ${showShape(from.shape)} does not broadcast to ${showShape(self.shape)}`,
    );
  }
  return applyInPlace(Copy, undefined, [self, from], () => write(self, from));
}

const filling = (name: string): Primitive => ({
  ...primitive(name, (_, x, value) => write(Tensor.empty(x.shape, x.dtype), value), [
    vjp((g) => filled(g.shape, 0, g.dtype)),
    vjp((g, { shapes: [, shape] }) => g.sumToSize(shape)),
  ]),
  uniform: true,
});
const Fill = writesExamples(filling('Fill'));
const FillTensor = writesExamples(filling('FillBackward1'));
const FillInPlace = writesExamples(filling('FillBackward2'));
const FillTensorInPlace = writesExamples(filling('FillBackward3'));
const Zero = writesExamples(filling('Zero'));

/** What to fill with: a number, or a tensor of one. */
function single(call: string, value: Tensor | Scalar): Tensor | number {
  if (!(value instanceof Tensor)) return Number(value);
  if (value.ndim === 0) return value;
  throw new AdjointError(
    'shape',
    `${call} only supports 0-dimension value tensor but got tensor with ${value.ndim} dimensions: shape ${showShape(value.shape)}`,
  );
}

/** A tensor like `x` in which every element is `value` (torch.fill). */
export const fill = named('fill', ['value'], (x: Tensor, value: Tensor | Scalar) =>
  apply(value instanceof Tensor ? FillTensor : Fill, undefined, [x, single('fill', value)]),
);
/** Writes `value` over every element (torch.Tensor.fill_). */
export const fill_ = named('fill_', ['value'], (self: Tensor, value: Tensor | Scalar) => {
  const one = single('fill_', value);
  const operator = value instanceof Tensor ? FillTensorInPlace : FillInPlace;
  return applyInPlace(operator, undefined, [self, one], () => write(self, one));
});

/** Writes 0 over every element (torch.Tensor.zero_). */
export const zero_ = (self: Tensor): Tensor => applyInPlace(Zero, undefined, [self, 0], () => write(self, 0));

const ToCopy = inFront(
  primitive<DType>('ToCopy', (dtype, x) => write(Tensor.empty(x.shape, dtype), x), [vjp((g) => g)]),
);
/**
 * The same values in another dtype; `x` itself if it has that dtype (torch.Tensor.to). The gradient is cast back.
 * Floating numbers lose their fraction as integers.
 */
export function to(x: Tensor, dtype: DType | 'cpu' | { dtype?: DType; copy?: boolean; device?: 'cpu' }): Tensor {
  if (dtype === 'cpu') return x;
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
