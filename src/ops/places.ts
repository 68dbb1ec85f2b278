/**
 * Places in a tensor: where in its memory the elements lie that an operator reads or writes by index. They are given as runs of adjacent
 * elements, so that whole rows travel at once.
 */
import { isFloatingPoint } from '../core/dtype.ts';
import { contiguousStrides, isContiguous, numelOf, type Shape } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';

export interface Places {
  /** Where each run begins, in elements from the tensor's first one. */
  readonly starts: Int32Array;
  /** How many elements are in a run. */
  readonly run: number;
}

type Geometry = Pick<Tensor, 'shape' | 'strides'>;

/** Steps along one axis: by a stride, or to the places in a table. */
export type Axis = { readonly size: number; readonly stride: number } | Int32Array;

/** The places that are reached by one step along each axis, outermost first. */
export function product(axes: readonly Axis[]): Places {
  let run = 1;
  let inner = axes.length;
  for (; inner > 0; inner--) {
    const axis = axes[inner - 1];
    if (axis instanceof Int32Array || (axis.size !== 1 && axis.stride !== run)) break;
    run *= axis.size;
  }
  const sizes = axes.slice(0, inner).map((axis) => (axis instanceof Int32Array ? axis.length : axis.size));
  const starts = new Int32Array(numelOf(sizes));
  if (starts.length === 0) return { starts, run };
  let count = 1;
  for (let a = 0; a < inner; a++) {
    const axis = axes[a];
    const size = sizes[a];
    // each start becomes `size` of them; from the end, so that none is overwritten before it is read
    for (let i = count - 1; i >= 0; i--) {
      const start = starts[i];
      const first = i * size;
      if (axis instanceof Int32Array) for (let j = 0; j < size; j++) starts[first + j] = start + axis[j];
      else for (let j = 0; j < size; j++) starts[first + j] = start + j * axis.stride;
    }
    count *= size;
  }
  return { starts, run };
}

/** A tensor without dimensions counts as one of a single element. */
export const ranked = (shape: Shape): Shape => (shape.length === 0 ? [1] : shape);

/** Each dimension of a tensor as an axis. */
export const axesOf = ({ shape, strides }: Geometry): Axis[] => shape.map((size, d) => ({ size, stride: strides[d] }));

/** The same, but along dimension `dim` only `indices`. A tensor without dimensions counts as one of a single element. */
export function selected(x: Geometry, dim: number, indices: Int32Array): Places {
  const stride = x.strides[dim] ?? 1;
  const axes = axesOf(x);
  axes[dim] = indices.map((i) => i * stride);
  return product(axes);
}

/** For each element of `index` the place that has the same coordinates but, along `dim`, the element for its coordinate. */
export function along(x: Geometry, dim: number, index: Tensor): Places {
  const size = x.shape[dim] ?? 1;
  const stride = x.strides[dim] ?? 1;
  const indices = readIndices(index, dim, size, false);
  const strides = index.shape.map((_, d) => (d === dim ? 0 : (x.strides[d] ?? 0)));
  const { starts } = product([...axesOf({ shape: index.shape, strides }), new Int32Array(1)]);
  for (let i = 0; i < starts.length; i++) starts[i] += indices[i] * stride;
  return { starts, run: 1 };
}

/** The places of the elements that have these numbers in row-major order. */
export function numbered(x: Tensor, numbers: Int32Array): Places {
  if (isContiguous(x.shape, x.strides)) return { starts: numbers, run: 1 };
  return { starts: numbers.map((i) => x.locate(i) - x.offset), run: 1 };
}

/** The row-major numbers of the elements of a bool tensor that are true, or of any tensor that are not 0. */
export function numbersOfTrue(mask: Tensor): Int32Array {
  const elements = mask.toTypedArray();
  const numbers = new Int32Array(elements.length);
  let count = 0;
  // biome-ignore lint/suspicious/noDoubleEquals: 0n is 0 too
  for (let i = 0; i < elements.length; i++) if (elements[i] != 0) numbers[count++] = i;
  return numbers.slice(0, count);
}

/** The coordinates along each dimension of the elements that have these numbers in row-major order. */
export function coordinates(shape: Shape, numbers: Int32Array): Int32Array[] {
  const steps = contiguousStrides(shape);
  return shape.map((size, d) => numbers.map((i) => Math.floor(i / steps[d]) % size));
}

/** Throws unless `index` is a tensor of integers. */
export function checkIndex(call: string, index: Tensor): void {
  if (typeof index !== 'object' || index === null || !('dtype' in index)) {
    throw new AdjointError('argument', `${call}: expected a tensor of integers as index, got ${show(index)}`);
  }
  if (isFloatingPoint(index.dtype) || index.dtype === 'bool') {
    throw new AdjointError('dtype', `${call}: expected an integer dtype for index, got ${index.dtype}`);
  }
}

/**
 * The elements of an index tensor, in row-major order, for a dimension of `size`.
 * @param wrap whether negative ones count from the end
 * @throws if one is out of bounds
 */
export function readIndices(index: Tensor, dim: number, size: number, wrap: boolean): Int32Array {
  const elements = index.toTypedArray();
  const indices = new Int32Array(elements.length);
  const [words, step] =
    elements instanceof BigInt64Array ? [new Int32Array(elements.buffer), 2] : [elements as Int32Array, 1];
  for (let i = 0; i < indices.length; i++) {
    const value = words[i * step];
    // an int64 that is small is its low word with its sign in the high one
    const small = step === 1 || words[2 * i + 1] === value >> 31;
    const wrapped = wrap && value < 0 ? value + size : value;
    if (!small || wrapped < 0 || wrapped >= size) {
      throw new AdjointError('index', `index ${elements[i]} is out of bounds for dimension ${dim} with size ${size}`);
    }
    indices[i] = wrapped;
  }
  return indices;
}
