/** What random operators share: where the numbers come from, and in which order they go into a tensor. */
import { composed } from '../../autograd/batch-rules.ts';
import { type Draw, drawn } from '../../autograd/lift.ts';
import { apply, interpreter, type Operand, type Primitive } from '../../autograd/primitive.ts';
import { defaultGenerator, Generator } from '../../core/generator.ts';
import { contiguousStrides, isContiguous, type Shape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { arrayOf, type TypedArray } from '../../kernels/element.ts';

/** Where random numbers may be told to come from. */
export type GeneratorOption = Generator | null | undefined;

/** The generator that a call was given, or the common one. */
export function generatorOf(call: string, generator: GeneratorOption): Generator {
  if (generator === undefined || generator === null) return defaultGenerator;
  if (generator instanceof Generator) return generator;
  throw new AdjointError('argument', `${call}: generator must be a Generator, got ${show(generator)}`);
}

/**
 * For an operator that draws what it gives, or gives what has been drawn apart, by the rules of the transforms under way, where that comes
 * as its last input.
 */
export const apart = <P>(operator: Primitive<P>): Primitive<P> => composed(operator);

/** Applies such an operator. */
export const applyApart = <P>(
  operator: Primitive<P>,
  params: P,
  inputs: readonly Operand[],
  make: Draw['make'],
): Tensor => apply(operator, params, interpreter.current ? [...inputs, drawn(inputs, make)] : inputs);

/** The dimensions in the order in which memory is walked through: that of the smallest stride is the last, which runs fastest. */
export function memoryOrder({ shape, strides }: { shape: Shape; strides: Shape }): number[] {
  const dims = shape.map((_, d) => d);
  // a broadcast tensor has no order of its own
  if (isContiguous(shape, strides) || dims.some((d) => strides[d] === 0 && shape[d] > 1)) return dims;
  const step = (d: number): number => (shape[d] === 1 ? Number.POSITIVE_INFINITY : strides[d]);
  return dims.sort((a, b) => step(b) - step(a));
}

/** An unset tensor of the shape of `x`, dense and in the order of its memory. */
export function laidOutLike(x: Tensor, dtype = x.dtype): Tensor {
  const order = memoryOrder(x);
  const dense = contiguousStrides(order.map((d) => x.shape[d]));
  const strides = new Array<number>(x.ndim);
  order.forEach((d, k) => {
    strides[d] = dense[k];
  });
  return new Tensor(Tensor.empty(x.shape, dtype).storage, x.shape, strides, 0);
}

/** Writes what `sample` puts into an array over the elements of `x`, in the order of its memory. */
export function fillInMemoryOrder(x: Tensor, sample: (out: TypedArray) => void): void {
  const order = memoryOrder(x);
  const pick = (list: Shape): number[] => order.map((d) => list[d]);
  const walked = new Tensor(x.storage, pick(x.shape), pick(x.strides), x.offset);
  const n = x.numel();
  const elements = x.storage.elements();
  if (isContiguous(walked.shape, walked.strides)) {
    sample(elements.subarray(x.offset, x.offset + n));
    return;
  }
  const drawn = new arrayOf[x.dtype](n);
  sample(drawn);
  for (let i = 0; i < n; i++) elements[walked.locate(i)] = drawn[i];
}

/** Fills `x` with integers from `low` to `high - 1`; of a bool tensor, whose array would hold more, at most 0 and 1. */
export function drawIntegers(x: Tensor, low: number | bigint, high: number | bigint, source: Generator): void {
  if (x.dtype === 'bool' && !(low >= 0 && high <= 2)) {
    throw new AdjointError('argument', `random_: from ${low} to ${high} - 1 is out of bounds for bool`);
  }
  fillInMemoryOrder(x, (out) => source.randint(out, low, high));
}
