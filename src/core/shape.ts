/**
 * Sizes and strides. The lists that every operator makes are made by `push`: those of `map` and `new Array` have holes to V8, sometimes or
 * always, and code that meets lists with and without them is compiled again and again.
 */
import { AdjointError, show } from '../errors.ts';

export type Shape = readonly number[];

/** Sizes one by one or as one array: `rand(2, 3)` and `rand([2, 3])`. */
export type Sizes = number[] | [sizes: readonly number[]];

export const numelOf = (shape: Shape): number => {
  let n = 1;
  for (let d = 0; d < shape.length; d++) n *= shape[d];
  return n;
};

/** The entries at these places. */
export function pick(list: Shape, places: readonly number[]): number[] {
  const picked: number[] = [];
  for (const place of places) picked.push(list[place]);
  return picked;
}

export const showShape = (shape: Shape): string => `[${shape.join(', ')}]`;

/** The shape of which strides were asked for last, and these: results of pointwise operators share the shape of an operand. */
let recent: { readonly shape: Shape; readonly strides: Shape } = { shape: [], strides: [] };

/** The strides of a row-major tensor, in elements. */
export function contiguousStrides(shape: Shape): Shape {
  if (shape.length === 0) return shape;
  if (recent.shape !== shape) recent = { shape, strides: stridesOf(shape) };
  return recent.strides;
}

function stridesOf(shape: Shape): Shape {
  const strides: number[] = [];
  let step = 1;
  for (let d = 0; d < shape.length; d++) step *= Math.max(shape[d], 1);
  for (let d = 0; d < shape.length; d++) {
    step /= Math.max(shape[d], 1);
    strides.push(step);
  }
  return strides;
}

/** How far from the first element number `index`, in row-major order, lies. */
export function positionOf(index: number, shape: Shape, strides: Shape): number {
  let position = 0;
  let rest = index;
  for (let d = shape.length - 1; d >= 0; d--) {
    position += (rest % shape[d]) * strides[d];
    rest = Math.floor(rest / shape[d]);
  }
  return position;
}

/** Whether the elements, if there are any, lie in row-major order. */
export const isContiguous = (shape: Shape, strides: Shape): boolean =>
  liesInRows(shape, strides) || (shape.length > 0 && shape.includes(0));

function liesInRows(shape: Shape, strides: Shape): boolean {
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (strides[d] !== step && shape[d] !== 1) return false;
    step *= shape[d];
  }
  return true;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let d = 0; d < a.length; d++) if (a[d] !== b[d]) return false;
  return true;
}

/** Checks one size: a whole number that is not negative. */
export function checkSize(size: unknown, what = 'size'): number {
  if (typeof size !== 'number' || !Number.isInteger(size)) {
    throw new AdjointError('argument', `${what} must be a whole number, got ${show(size)}`);
  }
  if (size < 0) throw new AdjointError('argument', `${what} must not be negative, got ${size}`);
  return size;
}

/** The sizes given one by one or as one array, checked. */
export function toShape(sizes: readonly unknown[]): number[] {
  const list = sizes.length === 1 && Array.isArray(sizes[0]) ? (sizes[0] as unknown[]) : sizes;
  const shape: number[] = [];
  for (const [d, size] of list.entries()) shape.push(checkSize(size, `size of dimension ${d}`));
  return shape;
}

/** A dimension counted from the front; negative ones count from the back. `rank` 0 takes 0 and -1, as in PyTorch. */
export function checkDim(dim: unknown, rank: number): number {
  if (typeof dim !== 'number' || !Number.isInteger(dim)) {
    throw new AdjointError('argument', `a dimension must be a whole number, got ${show(dim)}`);
  }
  const range = Math.max(rank, 1);
  if (dim < -range || dim >= range) {
    throw new AdjointError(
      'index',
      `Dimension out of range (expected to be in range of [${-range}, ${range - 1}], but got ${dim})`,
    );
  }
  return dim < 0 ? dim + range : dim;
}

/** Dimensions as a sorted list without repeats; none or an empty list means all. */
export function checkDims(dims: number | readonly number[] | null | undefined, rank: number): number[] {
  const given: readonly unknown[] = Array.isArray(dims) ? dims : dims === null || dims === undefined ? [] : [dims];
  const list: number[] = [];
  if (given.length === 0) {
    for (let d = 0; d < rank; d++) list.push(d);
    return list;
  }
  for (const d of given) list.push(checkDim(d, rank));
  list.sort((a, b) => a - b);
  for (let i = 1; i < list.length; i++) {
    if (list[i] === list[i - 1]) {
      throw new AdjointError('argument', `dim ${list[i]} appears multiple times in the list of dims ${show(dims)}`);
    }
  }
  return rank === 0 ? [] : list;
}

/** The shape that both broadcast to (torch.broadcast_shapes). */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  if (sameShape(a, b)) return a;
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let d = 0; d < rank; d++) {
    const [inA, inB] = [d - rank + a.length, d - rank + b.length];
    const x = inA < 0 ? 1 : a[inA];
    const y = inB < 0 ? 1 : b[inB];
    if (x !== y && x !== 1 && y !== 1) {
      throw new AdjointError(
        'shape',
        `The size of tensor a (${x}) must match the size of tensor b (${y}) at non-singleton dimension ${d}: ` +
          `shapes ${showShape(a)} and ${showShape(b)} do not broadcast`,
      );
    }
    shape.push(x === 1 ? y : x);
  }
  return shape;
}

/** The strides with which a tensor of `shape` and `strides` is read as one of `target`: 0 along each broadcast dimension. */
export function broadcastStrides(shape: Shape, strides: Shape, target: Shape): Shape {
  if (sameShape(shape, target)) return strides;
  const skip = target.length - shape.length;
  const list: number[] = [];
  for (let d = 0; d < target.length; d++) {
    list.push(d < skip || (shape[d - skip] === 1 && target[d] !== 1) ? 0 : strides[d - skip]);
  }
  return list;
}

/** Replaces a -1 among the sizes by what makes their product `numel`. */
export function inferShape(sizes: readonly number[], numel: number): number[] {
  let known = 1;
  let unknown = -1;
  sizes.forEach((size, d) => {
    if (size === -1) {
      if (unknown >= 0)
        throw new AdjointError('shape', `only one dimension can be inferred, got shape ${showShape(sizes)}`);
      unknown = d;
    } else known *= checkSize(size, `size of dimension ${d}`);
  });
  const shape = [...sizes];
  if (unknown >= 0) {
    if (known === 0) {
      throw new AdjointError(
        'shape',
        `cannot reshape tensor of 0 elements into shape ${showShape(sizes)} because the unspecified dimension size -1 can be any value`,
      );
    }
    shape[unknown] = numel / known;
  }
  if (!Number.isInteger(shape[unknown] ?? 0) || numelOf(shape) !== numel) {
    throw new AdjointError('shape', `shape '${showShape(sizes)}' is invalid for input of size ${numel}`);
  }
  return shape;
}

/** The strides of `shape` over the same elements as (`from`, `strides`), or null where no view can have them. */
export function viewStrides(from: Shape, strides: Shape, shape: Shape): Shape | null {
  if (numelOf(from) === 0) return sameShape(from, shape) ? strides : contiguousStrides(shape);
  const result = [...shape]; // a list of its length
  let d = shape.length - 1;
  // Each run of dimensions that lie densely in one another can be cut anew.
  let chunkSize = 1;
  let chunkStride = from.length ? strides[from.length - 1] : 1;
  for (let s = from.length - 1; s >= 0; s--) {
    chunkSize *= from[s];
    if (s > 0 && (from[s - 1] === 1 || strides[s - 1] === chunkSize * chunkStride)) continue;
    let size = 1;
    while (d >= 0 && (size < chunkSize || shape[d] === 1)) {
      result[d] = size * chunkStride;
      size *= shape[d];
      d--;
    }
    if (size !== chunkSize) return null;
    if (s > 0) {
      chunkSize = 1;
      chunkStride = strides[s - 1];
    }
  }
  for (; d >= 0; d--) result[d] = chunkSize * chunkStride;
  return result;
}

/** The error for an element of an index tensor. */
export const outOfBounds = (index: number | bigint | boolean, dim: number, size: number): AdjointError =>
  new AdjointError('index', `index ${index} is out of bounds for dimension ${dim} with size ${size}`);
