import type { Lift } from '../autograd/lift.ts';
import type { Node } from '../autograd/node.ts';
import type { ViewInfo } from '../autograd/view.ts';
import { AdjointError } from '../errors.ts';
import type { TypedArray } from '../kernels/element.ts';
import { arrayOf, isFloat } from '../kernels/element.ts';
import type { DType } from './dtype.ts';
import { formatTensor } from './format.ts';
import { checkDim, contiguousStrides, isContiguous, numelOf, positionOf, type Shape, showShape } from './shape.ts';
import { Storage } from './storage.ts';

/** Nested arrays of elements, as `tolist` gives them. */
export type Nested<T> = T | Nested<T>[];

/**
 * A strided array of elements of one dtype, and its place in the graph that differentiation runs through (torch.Tensor).
 *
 * A tensor is a way to read a storage: element (i, j, ...) lies at `offset + i * strides[0] + j * strides[1] + ...`. Views share the
 * storage of the tensor they were taken of. Nobody frees a tensor: its memory goes with it.
 *
 * The operators are methods too; they are declared beside their definitions in src/ops.
 */
export class Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** @internal */
  readonly strides: readonly number[];
  /** @internal */
  readonly storage: Storage;
  /** @internal In elements. */
  readonly offset: number;

  // What autograd keeps of a tensor; see src/autograd/members.ts for the public side of it.
  /** @internal Whether it is a leaf that asked for a gradient. */
  _wantsGrad = false;
  /** @internal The node whose output it is; of a leaf, the node that accumulates its gradient, once there is one. */
  _node: Node | null = null;
  /** @internal */
  _outputNr = 0;
  /** @internal */
  _grad: Tensor | null = null;
  /** @internal What it stands for while a transform runs, if for more than its elements. */
  _lift: Lift | null = null;
  /** @internal Set if it is a view. */
  _view: ViewInfo | null = null;

  /** @internal Tensors are made by the factories. */
  constructor(storage: Storage, shape: Shape, strides: Shape, offset: number) {
    this.dtype = storage.dtype;
    this.storage = storage;
    this.shape = shape;
    this.strides = strides;
    this.offset = offset;
  }

  /** @internal A contiguous tensor whose elements are not set. */
  static empty(shape: Shape, dtype: DType): Tensor {
    return new Tensor(Storage.allocate(dtype, numelOf(shape)), shape, contiguousStrides(shape), 0);
  }

  /** The number of dimensions. */
  dim(): number {
    return this.shape.length;
  }

  /** The number of dimensions. */
  get ndim(): number {
    return this.shape.length;
  }

  /** The number of elements. */
  numel(): number {
    return numelOf(this.shape);
  }

  /** The shape, or the size of one dimension. */
  size(): readonly number[];
  size(dim: number): number;
  size(dim?: number): readonly number[] | number {
    return dim === undefined ? this.shape : this.shape[this.dimension(dim)];
  }

  /** How many elements lie between neighbours along each dimension, or along one. */
  stride(): readonly number[];
  stride(dim: number): number;
  stride(dim?: number): readonly number[] | number {
    return dim === undefined ? this.strides : this.strides[this.dimension(dim)];
  }

  private dimension(dim: number): number {
    if (this.shape.length === 0)
      throw new AdjointError('index', 'a tensor without dimensions has no size or stride along one');
    return checkDim(dim, this.shape.length);
  }

  /** The position of the first element in the storage. */
  storageOffset(): number {
    return this.offset;
  }

  isContiguous(): boolean {
    return isContiguous(this.shape, this.strides);
  }

  get device(): 'cpu' {
    return 'cpu';
  }

  /** Whether the dtype is floating. */
  isFloatingPoint(): boolean {
    return isFloat(this.dtype);
  }

  /** @internal Where element number `index`, in row-major order, lies in the storage. */
  locate(index: number): number {
    return this.offset + positionOf(index, this.shape, this.strides);
  }

  /** @internal The element at a position of the storage. */
  at(position: number): number | bigint | boolean {
    const value = this.storage.elements()[position];
    return this.dtype === 'bool' ? value !== 0 : value;
  }

  /**
   * The value of a tensor of one element: a number, or a boolean for `bool` (torch.Tensor.item).
   * @throws if there is not exactly one element, or if an int64 is beyond 2^53
   */
  item(): number | boolean {
    if (this.numel() !== 1) {
      throw new AdjointError(
        'shape',
        `a Tensor with ${this.numel()} elements cannot be converted to Scalar: item() needs one element, got shape ${showShape(this.shape)}; use tolist() or toTypedArray()`,
      );
    }
    return exact(this.at(this.offset));
  }

  /** The elements as nested arrays; of a tensor without dimensions, the value itself (torch.Tensor.tolist). */
  tolist(): Nested<number | boolean> {
    const elements = this.toTypedArray();
    const bool = this.dtype === 'bool';
    const build = (d: number, start: number, count: number): Nested<number | boolean> => {
      if (d === this.shape.length) return bool ? elements[start] !== 0 : exact(elements[start]);
      const size = this.shape[d];
      return Array.from({ length: size }, (_, i) => build(d + 1, start + (i * count) / size, count / size));
    };
    return build(0, 0, elements.length);
  }

  /** The elements in row-major order, as a copy in the dtype's own typed array (`bool` as bytes). */
  toTypedArray(): TypedArray {
    const n = this.numel();
    const elements = this.storage.elements();
    if (this.isContiguous()) return elements.slice(this.offset, this.offset + n) as TypedArray;
    const copy = new arrayOf[this.dtype](n);
    const innermost = this.shape.length - 1;
    const size = this.shape[innermost];
    const stride = this.strides[innermost];
    for (let start = 0; start < n; start += size) {
      const position = this.locate(start);
      for (let i = 0; i < size; i++) copy[start + i] = elements[position + i * stride];
    }
    return copy;
  }

  /** PyTorch's text of the tensor, to the character. */
  toString(): string {
    const text = this._lift?.text();
    if (typeof text === 'string') return text;
    let gradFn: string | undefined;
    try {
      gradFn = this.gradFn?.name();
    } catch {
      gradFn = 'Invalid'; // a view that its base was written under, without recording
    }
    return formatTensor(this, { requiresGrad: this.requiresGrad, gradFn, tangent: this._lift?.shown?.toString() });
  }

  /** What `console.log` shows in Node. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }

  get [Symbol.toStringTag](): string {
    return 'Tensor';
  }
}

function exact(value: number | bigint | boolean): number | boolean {
  if (typeof value !== 'bigint') return value;
  const number = Number(value);
  if (!Number.isSafeInteger(number)) {
    throw new AdjointError(
      'dtype',
      `the int64 ${value} is beyond 2^53 and has no exact number; read it with toTypedArray()`,
    );
  }
  return number;
}
