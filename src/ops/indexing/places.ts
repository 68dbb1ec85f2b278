/**
 * Places in a tensor: where in its memory the elements lie that an operator reads or writes by index. They are given as runs of adjacent
 * elements, so that whole rows travel at once, and the runs as a grid along which indices are read.
 */
import { fromElements } from '../../core/creation.ts';
import { isFloatingPoint } from '../../core/dtype.ts';
import {
  broadcastStrides,
  contiguousStrides,
  isContiguous,
  numelOf,
  outOfBounds,
  type Shape,
} from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { foldLoops } from '../launch/loops.ts';

/** Indices for one dimension of a tensor. */
export interface Indices {
  readonly index: Tensor;
  /** How they are read along the grid, in elements. */
  readonly along: Shape;
  readonly dim: number;
  readonly size: number;
  readonly stride: number;
  /** Whether negative ones count from the end. */
  readonly wrap: boolean;
}

export interface Places {
  readonly grid: Shape;
  /** How far a step along the grid leads in the tensor, apart from the indices. */
  readonly strides: Shape;
  readonly indices: readonly Indices[];
  /** How many adjacent elements there are at each place. */
  readonly run: number;
}

type Geometry = Pick<Tensor, 'shape' | 'strides'>;

const zeros = (count: number): number[] => new Array<number>(count).fill(0);

/** A tensor without dimensions counts as one of a single element. */
export const ranked = (shape: Shape): Shape => (shape.length === 0 ? [1] : shape);

/** Makes runs of the last dimensions of a grid where the elements lie densely and no indices vary. */
function inRuns(grid: Shape, strides: Shape, indices: readonly Indices[]): Places {
  let run = 1;
  let inner = grid.length;
  for (; inner > 0; inner--) {
    const d = inner - 1;
    const still = indices.every(({ along }) => along[d] === 0);
    if (!still || (grid[d] !== 1 && strides[d] !== run)) break;
    run *= grid[d];
  }
  const outer = indices.map((own) => ({ ...own, along: own.along.slice(0, inner) }));
  return { grid: grid.slice(0, inner), strides: strides.slice(0, inner), indices: outer, run };
}

/** What indices for dimension `dim` have to know of a tensor. */
const dimension = (x: Geometry, dim: number) => ({ dim, size: x.shape[dim] ?? 1, stride: x.strides[dim] ?? 1 });

/** For each element of `index` the place that has the same coordinates but, along `dim`, the element for its coordinate. */
export function along(x: Geometry, dim: number, index: Tensor): Places {
  const strides = index.shape.map((_, d) => (d === dim ? 0 : (x.strides[d] ?? 0)));
  const own = { index, along: index.strides, ...dimension(x, dim), wrap: false };
  return { grid: index.shape, strides, indices: [own], run: 1 };
}

/** The slices of `x` across `dim` that a vector of indices names. */
export function slices(x: Geometry, dim: number, index: Tensor, wrap = false): Places {
  const grid = ranked(x.shape).with(dim, index.numel());
  const own = { index, along: zeros(grid.length).with(dim, index.strides[0] ?? 0), ...dimension(x, dim), wrap };
  return inRuns(grid, ranked(x.strides).with(dim, 0), [own]);
}

/** A dimension that an index tensor is for, or several that it numbers in row-major order. */
export interface Span {
  readonly dim: number;
  readonly count: number;
}

/** The dimensions that spans cover, and where those of the indices go: in their place if they are adjacent, else to the front. */
export function coverage(spans: readonly Span[]): { covered: number[]; position: number } {
  const covered = spans.flatMap(({ dim, count }) => Array.from({ length: count }, (_, k) => dim + k));
  const adjacent = covered.every((d, k) => d === covered[0] + k);
  return { covered, position: adjacent ? covered[0] : 0 };
}

/**
 * The places that index tensors, which broadcast to `common`, pick along dimensions of `x`, and the shape of what is picked: the
 * dimensions of the indices stay where those are that they index, if these are adjacent, and come first if they are not.
 */
export function picked(
  x: Geometry,
  spans: readonly Span[],
  indices: readonly Tensor[],
  common: Shape,
): { places: Places; shape: Shape } {
  const { covered, position } = coverage(spans);
  const others = x.shape.map((_, d) => d).filter((d) => !covered.includes(d));
  const along = (index: Tensor): number[] =>
    zeros(others.length).toSpliced(position, 0, ...broadcastStrides(index.shape, index.strides, common));
  const own = spans.flatMap(({ dim, count }, k): Indices[] => {
    const shape = x.shape.slice(dim, dim + count);
    const stride = jointStride(shape, x.strides.slice(dim, dim + count));
    if (stride !== null) {
      return [{ index: indices[k], along: along(indices[k]), dim, size: numelOf(shape), stride, wrap: true }];
    }
    return coordinates(shape, indices[k].toTypedArray() as Int32Array).map((list, j) => {
      const index = fromElements(list, indices[k].shape, 'int32');
      return { index, along: along(index), ...dimension(x, dim + j), wrap: false };
    });
  });
  const shape = others.map((d) => x.shape[d]).toSpliced(position, 0, ...common);
  const strides = others.map((d) => x.strides[d]).toSpliced(position, 0, ...zeros(common.length));
  return { places: inRuns(shape, strides, own), shape };
}

/** The stride in which all elements of these dimensions can be walked through in order, or null if there is none. */
function jointStride(shape: Shape, strides: Shape): number | null {
  const { sizes, strides: folded } = foldLoops(shape, [strides]);
  if (sizes.length > 1) return null;
  return folded[0][0] ?? 1;
}

/** The places of the elements that have these numbers in row-major order; negative ones count from the end. */
export function numbered(x: Tensor, numbers: Tensor): Places {
  const count = x.numel();
  const grid = numbers.shape;
  const own = { index: numbers, along: numbers.strides, dim: 0, size: count, stride: 1, wrap: true };
  if (!isContiguous(x.shape, x.strides)) {
    const located = readIndices(numbers, count).map((i) => x.locate(i) - x.offset);
    const extent = x.shape.reduce((last, size, d) => last + (size - 1) * x.strides[d], 1);
    Object.assign(own, {
      index: fromElements(located, grid, 'int32'),
      along: contiguousStrides(grid),
      size: extent,
    });
  }
  return { grid, strides: zeros(grid.length), indices: [own], run: 1 };
}

/** The elements of an index tensor, in row-major order, for a dimension of `size`; negative ones count from the end. */
function readIndices(index: Tensor, size: number): Int32Array {
  return Int32Array.from(index.toTypedArray() as Int32Array, (element) => {
    const i = Number(element);
    if (i < -size || i >= size) throw outOfBounds(element, 0, size);
    return i < 0 ? i + size : i;
  });
}

/** The row-major numbers of the elements that are true, or not 0. */
export function numbersOfTrue(mask: Tensor): Int32Array {
  const truths = mask.to('bool').toTypedArray() as Uint8Array;
  const numbers = new Int32Array(truths.length);
  let count = 0;
  for (let i = 0; i < truths.length; i++) {
    numbers[count] = i;
    count += truths[i];
  }
  return numbers.slice(0, count);
}

/** The coordinates along each dimension of the elements that have these numbers in row-major order. */
export function coordinates(shape: Shape, numbers: Int32Array): Int32Array[] {
  const columns: Int32Array[] = [];
  let rest = numbers;
  for (let d = shape.length - 1; d > 0; d--) {
    const size = shape[d];
    const own = new Int32Array(rest.length);
    const outer = new Int32Array(rest.length);
    for (let i = 0; i < rest.length; i++) {
      outer[i] = rest[i] / size;
      own[i] = rest[i] - outer[i] * size;
    }
    columns.unshift(own);
    rest = outer;
  }
  return shape.length === 0 ? [] : [rest, ...columns];
}

/** Throws unless `index` is a tensor of integers. */
export function checkIndex(call: string, index: unknown): void {
  if (!(index instanceof Tensor)) {
    throw new AdjointError('argument', `${call}: expected a tensor of integers as index, got ${show(index)}`);
  }
  if (isFloatingPoint(index.dtype) || index.dtype === 'bool') {
    throw new AdjointError('dtype', `${call}: expected an integer dtype for index, got ${index.dtype}`);
  }
}
