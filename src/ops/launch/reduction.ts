/** Hands tensors to reduction kernels: sorts the dimensions, folds them, finds the kernel for what is left and runs it. */
import type { Operand } from '../../autograd/primitive.ts';
import type { DType } from '../../core/dtype.ts';
import { broadcastShapes, broadcastStrides, contiguousStrides, numelOf, pick, type Shape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { bytesOf, codeOf } from '../../kernels/element.ts';
import { type Expr, input } from '../../kernels/expr.ts';
import { descriptor, heap } from '../../kernels/memory.ts';
import type { Kernel } from '../../kernels/module.ts';
import {
  type Combine,
  columnBlock,
  columnKernel,
  type Reduction,
  reductionHeaderWords,
  rowKernel,
} from '../../kernels/reduce.ts';
import { getNumThreads, runUnits } from '../../kernels/threads.ts';
import { foldLoops, type Loops, modeOf, modes, parameter } from './loops.ts';
import { stage, unstage } from './staging.ts';

/** A reduction and the kernels made of it so far. */
export interface ReductionCode extends Reduction {
  readonly kernels: Map<number, Kernel>;
  /** The same without `finish`, and `finish` of what that gives for parts; made when they are needed. */
  partial?: ReductionCode;
  final?: ReductionCode;
}

/** The reduction that combines `map` of each element and takes `finish` of the total. */
export const reduction = (combine: Combine, map: Expr = input(0), finish: Expr = input(0)): ReductionCode => ({
  map,
  combine,
  finish,
  kernels: new Map(),
});

/**
 * Reduces the operands, broadcast together, along `dims` into `out`: contiguous, and without these dimensions or with them as 1.
 * @param type the dtype to compute in
 * @param finishing the number that the reduction's last expression takes
 */
export function launchReduction(
  code: ReductionCode,
  operands: readonly Operand[],
  dims: readonly number[],
  type: DType,
  out: Tensor,
  finishing = 0,
): void {
  if (numelOf(out.shape) === 0) return;
  const tensors: Tensor[] = [];
  for (const x of operands) if (typeof x !== 'number') tensors.push(x);
  const [kept, reduced] = denseLoops(tensors, dims) ?? loopsOf(tensors, dims);
  const [count = 0, ...outer] = reduced.sizes;
  if (kept.sizes.length === 0 && outer.length === 0 && count >= longRow && getNumThreads() > 1 && !code.map.logical) {
    reduceInParts(
      code,
      operands,
      type,
      reduced.strides.map(([stride]) => stride),
      count,
      out,
      finishing,
    );
    return;
  }
  if (walksFar(code, type, kept, reduced)) {
    reduceInGroups(
      code,
      operands,
      type,
      tensors.map((_, t) => [reduced.strides[t][0], kept.strides[t][0]]),
      [reduced.sizes[0], kept.sizes[0]],
      out,
      finishing,
    );
    return;
  }
  const last = reduced.sizes.length - 1;
  const innermost = last < 0 ? 0 : reduced.strides[0][last];
  let column = -1;
  if (last < 0 || !isDense(reduced, last, tensors.length)) {
    column = kept.sizes.findIndex((_, d) => isDense(kept, d, tensors.length));
    // or across what lies closer than the rows
    if (column < 0) column = kept.strides[0].findLastIndex((stride) => stride > 0 && stride < innermost);
  }
  run(code, operands, type, out, kept, reduced, column, finishing);
}

/** Whether the first `count` operands move by one element along a loop, or stay, but not all of them. */
function isDense({ strides }: Loops, d: number, count: number): boolean {
  let moves = false;
  for (let t = 0; t < count; t++) {
    const stride = strides[t][d];
    if (stride === 1) moves = true;
    else if (stride !== 0) return false;
  }
  return moves;
}

/** The loops over the dimensions that stay, for the operands and the result, and over those that are reduced, for the operands. */
function loopsOf(tensors: readonly Tensor[], dims: readonly number[]): [kept: Loops, reduced: Loops] {
  const shape = tensors.map((t) => t.shape).reduce(broadcastShapes);
  const strides = tensors.map((t) => broadcastStrides(t.shape, t.strides, shape));
  const keptDims = [...shape.keys()].filter((d) => !dims.includes(d));
  // the one in which elements lie closest innermost
  const reducedDims = [...dims].sort((a, b) => strides[0][b] - strides[0][a]);
  const keptShape = pick(shape, keptDims);
  return [
    foldLoops(keptShape, [...strides.map((own) => pick(own, keptDims)), contiguousStrides(keptShape)]),
    foldLoops(
      pick(shape, reducedDims),
      strides.map((own) => pick(own, reducedDims)),
    ),
  ];
}

/** What these come to in the common case, a dense tensor of which the first dimensions are reduced or the last ones. */
function denseLoops([x, ...others]: readonly Tensor[], dims: readonly number[]): [kept: Loops, reduced: Loops] | null {
  const { shape, ndim } = x;
  const first = dims.length > 0 && dims[0] === 0;
  if (others.length > 0 || !x.isContiguous() || !isRange(dims, first ? 0 : ndim - dims.length)) return null;
  const split = first ? dims.length : ndim - dims.length;
  let [before, after] = [1, 1];
  for (let d = 0; d < split; d++) before *= shape[d];
  for (let d = split; d < ndim; d++) after *= shape[d];
  return first ? [two(after, 1, 1), one(before, after)] : [two(before, after, 1), one(after, 1)];
}

/** A loop over one dimension, if there is anything to it, with the stride of one operand, and of two. */
const one = (size: number, a: number): Loops =>
  size === 1 ? { sizes: [], strides: [[]] } : { sizes: [size], strides: [[a]] };
const two = (size: number, a: number, b: number): Loops =>
  size === 1 ? { sizes: [], strides: [[], []] } : { sizes: [size], strides: [[a], [b]] };

/** Whether the numbers count up from `start`. */
function isRange(numbers: readonly number[], start: number): boolean {
  for (let i = 0; i < numbers.length; i++) if (numbers[i] !== start + i) return false;
  return true;
}

/** From this length on, a single row is reduced in parts, by all threads. */
const longRow = 2 ** 18;
/** The number of parts: a result does not depend on how many threads there are, as soon as there are several. */
const parts = 16;

/** Elements `begin` to `begin + count` of a dense row. */
const part = (row: Tensor, begin: number, count: number): Tensor =>
  new Tensor(row.storage, [count], [1], row.offset + begin);

/** Reduces one long row: parts of equal length each to a number, and these and what is left over to one. */
function reduceInParts(
  code: ReductionCode,
  operands: readonly Operand[],
  type: DType,
  strides: readonly number[],
  count: number,
  out: Tensor,
  finishing: number,
): void {
  code.partial ??= reduction(code.combine, code.map);
  code.final ??= reduction(code.combine, input(0), code.finish);
  const length = Math.floor(count / parts);
  /** The operands from element `begin` on, as so many rows. */
  const rows = (begin: number, shape: Shape): Operand[] => {
    let t = 0;
    return operands.map((x) => {
      if (typeof x === 'number') return x;
      const stride = strides[t++];
      return new Tensor(x.storage, shape, [length * stride, stride], x.offset + begin * stride);
    });
  };
  const totals = Tensor.empty([parts + 1], type);
  const [most, rest] = [part(totals, 0, parts), part(totals, parts, 1)];
  launchReduction(code.partial, rows(0, [parts, length]), [1], type, most);
  const left = count - parts * length;
  if (left > 0) launchReduction(code.partial, rows(parts * length, [1, left]), [1], type, rest);
  launchReduction(code.final, [left > 0 ? totals : most], [0], type, out, finishing);
}

/** So many neighbouring rows are reduced before others: what the first level of a cascading sum takes. */
const groupRows = 16;
/** From so many elements on, walking down a few columns at a time costs more than a second pass over what groups of rows come to. */
const manyElements = 2 ** 17;

/**
 * Whether all there is are rows below each other, so many that to walk down them through a few columns is to leave the cache, and whether
 * reducing groups of them first makes no difference: it does to sums unless the groups are those of their cascade.
 */
function walksFar(code: Reduction, type: DType, kept: Loops, reduced: Loops): boolean {
  if (kept.sizes.length !== 1 || reduced.sizes.length !== 1 || code.map.logical) return false;
  const [columns] = kept.sizes;
  const [rows] = reduced.sizes;
  if (rows < 4 * groupRows || rows * columns < manyElements) return false;
  if (kept.strides.some(([stride]) => stride !== 1) || reduced.strides.some(([stride]) => stride < columns))
    return false;
  if (code.combine !== 'sum') return true;
  return rows <= 2 ** 19 && rows % groupRows === 0 && columns % columnBlock(code.combine, type) === 0;
}

/** Reduces rows below each other: groups of neighbouring rows to one row each, and these to the result. */
function reduceInGroups(
  code: ReductionCode,
  operands: readonly Operand[],
  type: DType,
  strides: readonly [row: number, column: number][],
  [rows, columns]: readonly [number, number],
  out: Tensor,
  finishing: number,
): void {
  code.partial ??= reduction(code.combine, code.map);
  code.final ??= reduction(code.combine, input(0), code.finish);
  /** The operands from row `begin` on. */
  const from = (begin: number, shape: Shape, stridesOf: (row: number, column: number) => Shape): Operand[] => {
    let t = 0;
    return operands.map((x) => {
      if (typeof x === 'number') return x;
      const [row, column] = strides[t++];
      return new Tensor(x.storage, shape, stridesOf(row, column), x.offset + begin * row);
    });
  };
  const groups = Math.floor(rows / groupRows);
  const left = rows % groupRows;
  const totals = Tensor.empty([groups + (left > 0 ? 1 : 0), columns], type);
  const whole = from(0, [groups, groupRows, columns], (row, column) => [groupRows * row, row, column]);
  launchReduction(
    code.partial,
    whole,
    [1],
    type,
    new Tensor(totals.storage, [groups, columns], [columns, 1], totals.offset),
  );
  if (left > 0) {
    const rest = from(groups * groupRows, [left, columns], (row, column) => [row, column]);
    launchReduction(code.partial, rest, [0], type, part(totals, groups * columns, columns));
  }
  launchReduction(code.final, [totals], [0], type, out, finishing);
}

/** @param column which kept dimension the column kernel runs across, or -1 to run along rows */
function run(
  code: ReductionCode,
  operands: readonly Operand[],
  type: DType,
  out: Tensor,
  kept: Loops,
  reduced: Loops,
  column: number,
  finishing: number,
): void {
  const inColumns = column >= 0;
  const row = reduced.sizes.length - 1;
  // what the kernel itself runs along; with nothing left of it, along a single element
  const [inner, innermost] = inColumns ? [kept, column] : [reduced, row];
  const innerStride = (t: number): number => (innermost < 0 ? 1 : inner.strides[t][innermost]);
  const resultStride = inColumns ? kept.strides[kept.strides.length - 1][column] : 1;

  let key = codeOf[type] * 2 + (inColumns ? 1 : 0);
  let t = 0;
  for (const x of operands) {
    key = key * 32 + (typeof x === 'number' ? parameter : codeOf[x.dtype] * 4 + modeOf(innerStride(t++)));
  }
  key = key * 32 + codeOf[out.dtype] * 4 + modeOf(resultStride);
  let kernel = code.kernels.get(key);
  if (!kernel) {
    t = 0;
    const kinds = operands.map((x) =>
      typeof x === 'number'
        ? { type, mode: modes[parameter] }
        : { type: x.dtype, mode: modes[modeOf(innerStride(t++))] },
    );
    const make = inColumns ? columnKernel : rowKernel;
    kernel = make(code, type, kinds, { type: out.dtype, mode: modes[modeOf(resultStride)] });
    code.kernels.set(key, kernel);
  }

  const words = heap.int32;
  const start = descriptor >> 2;
  const length = innermost < 0 ? 1 : inner.sizes[innermost];
  const keptCount = kept.sizes.length - (inColumns ? 1 : 0);
  words[start] = length;
  words[start + 1] = keptCount;
  words[start + 3] = row < 0 ? 1 : reduced.sizes[row];
  let w = start + reductionHeaderWords;
  t = 0;
  for (const x of operands) {
    if (typeof x === 'number') heap.float64[w >> 1] = x;
    else {
      words[w] = stage(x);
      words[w + 1] = innerStride(t++) * bytesOf[x.dtype];
    }
    w += 2;
  }
  const address = stage(out);
  words[w] = address;
  words[w + 1] = resultStride * bytesOf[out.dtype];
  w += 2;
  heap.float64[w >> 1] = finishing;
  w += 2;

  /** Writes one line of a table: the size of a dimension, and the stride of each operand. */
  const line = (loops: Loops, d: number): void => {
    words[w++] = loops.sizes[d];
    t = 0;
    for (const x of operands) words[w++] = typeof x === 'number' ? 0 : loops.strides[t++][d] * bytesOf[x.dtype];
  };
  let units = 1;
  for (let d = 0; d < kept.sizes.length; d++) {
    if (d === column) continue;
    line(kept, d);
    words[w++] = kept.strides[t][d] * bytesOf[out.dtype];
    units *= kept.sizes[d];
  }
  words[start + 2] = w << 2;
  const rounds = w++;
  words[w++] = Math.max(row, 0);
  words[rounds] = 1;
  for (let d = 0; d < row; d++) {
    line(reduced, d);
    words[rounds] *= reduced.sizes[d];
  }
  t = 0;
  for (const x of operands)
    words[w++] = typeof x === 'number' || row < 0 ? 0 : reduced.strides[t++][row] * bytesOf[x.dtype];

  if (inColumns) units *= Math.ceil(length / columnBlock(code.combine, type));
  // most of the code of these kernels is for what is left over at the ends of rows
  const elements = numelOf(reduced.sizes) * numelOf(kept.sizes);
  runUnits(kernel, descriptor, units, elements / (8 * units));
  unstage(out, address);
}
