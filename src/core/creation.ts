/** Tensors from numbers, and tensors of known content. */
import { AdjointError, show } from '../errors.ts';
import { clear } from '../kernels/clear.ts';
import { arrayOf, bytesOf, type TypedArray } from '../kernels/element.ts';
import {
  checkDType,
  type DType,
  dtypeOfScalar,
  getDefaultDtype,
  isFloatingPoint,
  promoteTypes,
  type Scalar,
} from './dtype.ts';
import { checkOptions, isOptions } from './options.ts';
import { checkSize, type Shape, showShape, toShape } from './shape.ts';
import { Tensor } from './tensor.ts';

/** What factories take last. */
export interface TensorOptions {
  dtype?: DType;
  /** Whether gradients with respect to the new tensor will be wanted; needs a floating dtype. */
  requiresGrad?: boolean;
  device?: 'cpu';
}

/** Sizes one by one or as an array, then options. */
export type SizesAndOptions =
  | [...sizes: number[]]
  | [...sizes: number[], options: TensorOptions]
  | [sizes: readonly number[], options?: TensorOptions];

/** Nested arrays of numbers. */
export type NestedArray = Scalar | readonly NestedArray[];

const known = ['dtype', 'requiresGrad', 'device'];

/** Checks a factory's options and fills in the dtype. */
export function readOptions(
  call: string,
  options: TensorOptions | undefined,
  fallback: DType,
): { dtype: DType; requiresGrad: boolean } {
  if (options !== undefined) checkOptions(call, options, known);
  const dtype = options?.dtype === undefined ? fallback : checkDType(options.dtype);
  const requiresGrad = options?.requiresGrad ?? false;
  if (typeof requiresGrad !== 'boolean')
    throw new AdjointError('argument', `${call}: requiresGrad must be true or false, got ${show(requiresGrad)}`);
  if (requiresGrad && !isFloatingPoint(dtype)) {
    throw new AdjointError(
      'dtype',
      `${call}: only Tensors of floating point dtype can require gradients, got ${dtype}`,
    );
  }
  if (options?.device !== undefined && options.device !== 'cpu') {
    throw new AdjointError('unsupported', `${call}: the only device is 'cpu', got ${show(options.device)}`);
  }
  return { dtype, requiresGrad };
}

/**
 * The parameters called `names` in order, whether they were given by position or by name in the object at the end, and then what is
 * left of that object.
 */
export function byName(names: readonly string[], args: readonly unknown[]): unknown[] {
  const last = args[args.length - 1];
  if (!isOptions(last)) return [...args];
  const rest = { ...last };
  const params = names.map((name, k) => {
    if (k < args.length - 1) return args[k];
    const param = rest[name];
    delete rest[name];
    return param;
  });
  return [...params, rest];
}

/** Splits the options off a list of sizes. */
export function readSizes(args: readonly unknown[]): { shape: number[]; options: TensorOptions | undefined } {
  const last = args[args.length - 1];
  const hasOptions = args.length > 0 && (isOptions(last) || last === undefined);
  return {
    shape: toShape(hasOptions ? args.slice(0, -1) : args),
    options: hasOptions ? (last as TensorOptions) : undefined,
  };
}

/** @internal Marks a new tensor as a leaf that wants a gradient, or not. */
export function leaf(t: Tensor, requiresGrad: boolean): Tensor {
  t._wantsGrad = requiresGrad;
  return t;
}

/** What integers hold; as in PyTorch, unsigned ones take negative numbers round the end. */
const limits: Partial<Record<DType, readonly [least: number, greatest: number]>> = {
  uint8: [-255, 255],
  int8: [-(2 ** 7), 2 ** 7 - 1],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-(2 ** 63), 2 ** 63 - 1024], // the greatest float64 below 2^63
};

/** @internal One value as an element of a dtype's array. @throws if an integer dtype does not reach that far */
export function element(value: Scalar, dtype: DType): number | bigint {
  if (dtype === 'bool') return Number(value) === 0 ? 0 : 1;
  const limit = limits[dtype];
  const whole = typeof value === 'bigint' && dtype === 'int64' ? BigInt.asIntN(64, value) === value : undefined;
  if (limit && !(whole ?? (Number(value) >= limit[0] && Number(value) <= limit[1]))) {
    throw new AdjointError('dtype', `value cannot be converted to type ${dtype} without overflow: got ${show(value)}`);
  }
  if (dtype !== 'int64') return Number(value);
  return typeof value === 'bigint' ? value : BigInt(Math.trunc(Number(value)));
}

/** @internal A tensor in which every element is `value`. */
export function filled(shape: Shape, value: Scalar, dtype: DType): Tensor {
  const t = Tensor.empty(shape, dtype);
  const { address, length } = t.storage;
  if (address > 0 && Number(value) === 0 && !Object.is(value, -0)) clear(address, length * bytesOf[dtype]);
  else (t.storage.elements() as Float64Array).fill(element(value, dtype) as number);
  return t;
}

/** @internal A tensor that takes a copy of the elements of a typed array. */
export function fromElements(elements: ArrayLike<number> | ArrayLike<bigint>, shape: Shape, dtype: DType): Tensor {
  const t = Tensor.empty(shape, dtype);
  (t.storage.elements() as Float64Array).set(elements as ArrayLike<number>);
  return t;
}

/**
 * A tensor of zeros (torch.zeros): `zeros(2, 3)` or `zeros([2, 3], { dtype: 'float64' })`.
 * @throws if a size is negative or no whole number, or if there is not enough memory
 */
export function zeros(...args: SizesAndOptions): Tensor {
  return ofSizes('zeros', args, 0);
}

/** A tensor of ones (torch.ones). */
export function ones(...args: SizesAndOptions): Tensor {
  return ofSizes('ones', args, 1);
}

/** A tensor whose elements are not set: whatever the memory held (torch.empty). */
export function empty(...args: SizesAndOptions): Tensor {
  const { shape, options } = readSizes(args);
  const { dtype, requiresGrad } = readOptions('empty', options, getDefaultDtype());
  return leaf(Tensor.empty(shape, dtype), requiresGrad);
}

function ofSizes(call: string, args: readonly unknown[], value: number): Tensor {
  const { shape, options } = readSizes(args);
  const { dtype, requiresGrad } = readOptions(call, options, getDefaultDtype());
  return leaf(filled(shape, value, dtype), requiresGrad);
}

type FullArguments = [size: readonly number[], fillValue: Scalar, options?: TensorOptions];

/** A tensor in which every element is `fillValue`, of the dtype of the value unless told otherwise (torch.full). */
export function full(size: readonly number[], fillValue: Scalar, options?: TensorOptions): Tensor;
export function full(size: readonly number[], options: TensorOptions & { fillValue: Scalar }): Tensor;
export function full(options: TensorOptions & { size: readonly number[]; fillValue: Scalar }): Tensor;
export function full(...args: readonly unknown[]): Tensor {
  const [size, fillValue, options] = byName(['size', 'fillValue'], args) as FullArguments;
  const value = checkScalar('full', fillValue);
  const natural = typeof value === 'number' ? getDefaultDtype() : dtypeOfScalar(value);
  const { dtype, requiresGrad } = readOptions('full', options, natural);
  return leaf(filled(toShape([size]), value, dtype), requiresGrad);
}

function checkScalar(call: string, value: Scalar): Scalar {
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return value;
  throw new AdjointError('argument', `${call}: fillValue must be a number, a boolean or a bigint, got ${show(value)}`);
}

const like = (
  call: string,
  x: Tensor,
  options: TensorOptions | undefined,
  make: (shape: Shape, dtype: DType) => Tensor,
): Tensor => {
  if (!(x instanceof Tensor)) throw new AdjointError('argument', `${call}: expected a Tensor, got ${show(x)}`);
  const { dtype, requiresGrad } = readOptions(call, options, x.dtype);
  const made = make(x.shape, dtype);
  return leaf(x._lift?.like(made) ?? made, requiresGrad);
};

/** Zeros of the shape and, unless told otherwise, the dtype of `x` (torch.zeros_like). */
export const zerosLike = (x: Tensor, options?: TensorOptions): Tensor =>
  like('zerosLike', x, options, (s, d) => filled(s, 0, d));
/** Ones of the shape and dtype of `x` (torch.ones_like). */
export const onesLike = (x: Tensor, options?: TensorOptions): Tensor =>
  like('onesLike', x, options, (s, d) => filled(s, 1, d));
/** An unset tensor of the shape and dtype of `x` (torch.empty_like). */
export const emptyLike = (x: Tensor, options?: TensorOptions): Tensor => like('emptyLike', x, options, Tensor.empty);
/** A tensor of the shape and dtype of `x` in which every element is `fillValue` (torch.full_like). */
export function fullLike(x: Tensor, fillValue: Scalar, options?: TensorOptions): Tensor;
export function fullLike(x: Tensor, options: TensorOptions & { fillValue: Scalar }): Tensor;
export function fullLike(x: Tensor, ...args: readonly unknown[]): Tensor {
  const [fillValue, options] = byName(['fillValue'], args) as [Scalar, TensorOptions?];
  return like('fullLike', x, options, (s, d) => filled(s, checkScalar('fullLike', fillValue), d));
}

/** The identity matrix, or the first `columns` columns of one with `rows` rows (torch.eye). */
export function eye(rows: number, columns?: number | TensorOptions, options?: TensorOptions): Tensor {
  const [m, given] = typeof columns === 'number' ? [columns, options] : [rows, columns ?? options];
  const { dtype, requiresGrad } = readOptions('eye', given, getDefaultDtype());
  checkSize(rows, 'the number of rows');
  const t = filled([rows, checkSize(m, 'the number of columns')], 0, dtype);
  const elements = t.storage.elements();
  for (let i = 0; i < Math.min(rows, m); i++) elements[i * (m + 1)] = element(1, dtype);
  return leaf(t, requiresGrad);
}

function generated(
  call: string,
  n: number,
  options: TensorOptions | undefined,
  natural: DType,
  value: (i: number) => number,
): Tensor {
  const { dtype, requiresGrad } = readOptions(call, options, natural);
  const t = Tensor.empty([n], dtype);
  const elements = t.storage.elements();
  for (let i = 0; i < n; i++) elements[i] = element(value(i), dtype);
  return leaf(t, requiresGrad);
}

function checkFinite(call: string, ...values: number[]): void {
  for (const value of values) {
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw new AdjointError('argument', `${call}: expected finite numbers, got ${show(value)}`);
  }
}

/**
 * The numbers `start`, `start + step`, ... before `end` (torch.arange): `arange(5)`, `arange(1, 5)`, `arange(1, 5, 0.5)`. Whole
 * numbers give int64, others the default dtype.
 */
export function arange(end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, step: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, options: TensorOptions & { step?: number }): Tensor;
export function arange(start: number, options: TensorOptions & { end: number; step?: number }): Tensor;
export function arange(options: TensorOptions & { start?: number; end: number; step?: number }): Tensor;
export function arange(...args: readonly unknown[]): Tensor {
  // a number alone is where to end
  const alone = typeof args[0] === 'number' && typeof args[1] !== 'number' && !(isOptions(args[1]) && 'end' in args[1]);
  const params = byName(['start', 'end', 'step'], alone ? [0, ...args] : args);
  const [start = 0, end, step = 1, options] = params as [number | undefined, number, number?, TensorOptions?];
  checkFinite('arange', start, end, step);
  if (step === 0) throw new AdjointError('argument', 'arange: step must be nonzero');
  if ((end - start) / step < 0) {
    throw new AdjointError(
      'argument',
      `arange: upper bound and larger bound inconsistent with step sign: from ${start} to ${end} by ${step}`,
    );
  }
  const whole = [start, end, step].every(Number.isInteger);
  return generated(
    'arange',
    Math.ceil((end - start) / step),
    options,
    whole ? 'int64' : getDefaultDtype(),
    (i) => start + i * step,
  );
}

/** `steps` numbers from `start` to `end`, evenly spaced, both included (torch.linspace). */
export function linspace(start: number, end: number, steps: number, options?: TensorOptions): Tensor;
export function linspace(start: number, end: number, options: TensorOptions & { steps: number }): Tensor;
export function linspace(options: TensorOptions & { start: number; end: number; steps: number }): Tensor;
export function linspace(...args: readonly unknown[]): Tensor {
  const params = byName(['start', 'end', 'steps'], args);
  const [start, end, steps, options] = params as [number, number, number, TensorOptions?];
  checkFinite('linspace', start, end);
  return spaced('linspace', start, end, steps, options, (x) => x);
}

/** `steps` numbers from `base ** start` to `base ** end`, evenly spaced on a logarithmic scale (torch.logspace). */
export function logspace(start: number, end: number, steps: number, base?: number, options?: TensorOptions): Tensor;
export function logspace(start: number, end: number, steps: number, options: TensorOptions & { base?: number }): Tensor;
export function logspace(start: number, end: number, options: TensorOptions & { steps: number; base?: number }): Tensor;
export function logspace(options: TensorOptions & { start: number; end: number; steps: number; base?: number }): Tensor;
export function logspace(...args: readonly unknown[]): Tensor {
  const params = byName(['start', 'end', 'steps', 'base'], args);
  const [start, end, steps, base = 10, options] = params as [number, number, number, number?, TensorOptions?];
  checkFinite('logspace', start, end, base);
  return spaced('logspace', start, end, steps, options, (x) => base ** x);
}

function spaced(
  call: string,
  start: number,
  end: number,
  steps: number,
  options: TensorOptions | undefined,
  value: (x: number) => number,
): Tensor {
  const step = (end - start) / (checkSize(steps, 'steps') - 1);
  // from either end, so that both are exact
  const at = (i: number): number => value(i < steps / 2 ? start + i * step : end - (steps - 1 - i) * step);
  return generated(call, steps, options, getDefaultDtype(), steps === 1 ? () => value(start) : at);
}

function shapeOfNested(data: NestedArray): number[] {
  const shape: number[] = [];
  for (let part = data; Array.isArray(part); part = part[0]) {
    shape.push(part.length);
    if (part.length === 0) break;
  }
  return shape;
}

/** The leaves of nested arrays that all have the shape of their first branch. */
function flatten(data: NestedArray, shape: Shape): Scalar[] {
  const leaves: Scalar[] = [];
  const visit = (part: NestedArray, d: number, path: number[]): void => {
    if (d === shape.length) {
      if (typeof part !== 'number' && typeof part !== 'boolean' && typeof part !== 'bigint') {
        throw new AdjointError(
          'argument',
          `tensor: expected a number, a boolean or a bigint at ${showShape(path)}, got ${show(part)}`,
        );
      }
      leaves.push(part);
      return;
    }
    if (!Array.isArray(part) || part.length !== shape[d]) {
      const got = Array.isArray(part) ? `length ${part.length}` : show(part);
      throw new AdjointError(
        'shape',
        `tensor: nested arrays are ragged: expected sequence of length ${shape[d]} at dim ${d} (got ${got} at ${showShape(path)})`,
      );
    }
    for (const [i, inner] of part.entries()) visit(inner, d + 1, [...path, i]);
  };
  visit(data, 0, []);
  return leaves;
}

const typedArrayDType = (data: unknown): DType | undefined => {
  if (!ArrayBuffer.isView(data)) return undefined;
  if (data instanceof Uint8ClampedArray) return 'uint8';
  const dtypes: DType[] = ['float32', 'float64', 'int64', 'int32', 'int16', 'int8', 'uint8'];
  const found = dtypes.find((dtype) => data instanceof arrayOf[dtype]);
  if (!found)
    throw new AdjointError(
      'dtype',
      `tensor: no dtype holds the elements of ${show(data)}; give it as one of ${dtypes.join(', ')}`,
    );
  return found;
};

/**
 * A tensor with a copy of `data`: a number, nested arrays, or a typed array, which gives a tensor of one dimension (torch.tensor).
 * Numbers become float32, booleans bool, bigints int64, mixtures what they promote to; a typed array keeps its type; `dtype` overrides.
 * @throws if the arrays are ragged or hold anything else
 */
export function tensor(data: NestedArray | ArrayBufferView, options?: TensorOptions): Tensor {
  const ownType = typedArrayDType(data);
  if (ownType) {
    const { dtype, requiresGrad } = readOptions('tensor', options, ownType);
    const elements = data as unknown as TypedArray;
    const sameKind = (dtype === 'int64') === (ownType === 'int64') && dtype !== 'bool';
    const converted = sameKind
      ? elements
      : Array.from(elements as Iterable<Scalar>, (v) => element(v, dtype) as number);
    return leaf(fromElements(converted as ArrayLike<number>, [elements.length], dtype), requiresGrad);
  }
  if (data instanceof Tensor)
    throw new AdjointError('argument', 'tensor: to copy a Tensor use x.clone() or x.detach().clone()');
  const shape = shapeOfNested(data as NestedArray);
  const leaves = flatten(data as NestedArray, shape);
  let natural: DType | undefined;
  for (const value of leaves) {
    const own = typeof value === 'number' ? getDefaultDtype() : dtypeOfScalar(value);
    natural = natural === undefined ? own : promoteTypes(natural, own);
  }
  const { dtype, requiresGrad } = readOptions('tensor', options, natural ?? getDefaultDtype());
  if (!isFloatingPoint(dtype) && dtype !== 'bool' && leaves.some((v) => typeof v === 'number' && !Number.isFinite(v))) {
    throw new AdjointError('dtype', `tensor: NaN and infinity cannot be converted to ${dtype}`);
  }
  return leaf(fromElements(leaves.map((v) => element(v, dtype)) as number[], shape, dtype), requiresGrad);
}
