/** Hands matrices and vectors to the kernels that multiply them. */
import { numelOf } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { blasKernel, blasRows, currentBlas } from '../../kernels/blas.ts';
import { bytesOf } from '../../kernels/element.ts';
import * as s from '../../kernels/expr.ts';
import {
  gemm,
  gemmWord,
  panelBytesA,
  panelBytesB,
  productRoom,
  tileBytes,
  tileColumns,
  tileRows,
} from '../../kernels/gemm.ts';
import { type DenseLines, gemv, gemvBlock, gemvWord } from '../../kernels/gemv.ts';
import { descriptor, heap } from '../../kernels/memory.ts';
import type { ProductType } from '../../kernels/product-code.ts';
import { beginOf, copyDescriptor, getNumThreads, runParts, runUnits, setPart } from '../../kernels/threads.ts';
import { foldLoops, type Loops } from './loops.ts';
import { launchPointwise, pointwiseCode } from './pointwise.ts';
import { stage, unstage } from './staging.ts';
import { write } from './write.ts';

/** Whether there are kernels for the dtype. Narrower integers go through int32, which wraps around to the same. */
const computed = (x: Tensor): x is Tensor & { dtype: ProductType } => bytesOf[x.dtype] >= 4;

const sum = pointwiseCode(s.add(s.input(0), s.input(1)));

/**
 * The products of matrices [..., m, k] and [..., k, n] whose other dimensions are the same, added to `base` if there is one: [..., m, n].
 * Integers wrap around. It is unrecorded: a forward.
 */
export function multiply(a: Tensor, b: Tensor, base?: Tensor): Tensor {
  if (!computed(a)) return multiply(a.to('int32'), b.to('int32'), base?.to('int32')).to(a.dtype);
  const rank = a.ndim;
  const [m, k, n] = [a.shape[rank - 2], a.shape[rank - 1], b.shape[rank - 1]];
  const out = Tensor.empty([...a.shape.slice(0, -2), m, n], a.dtype);
  if (numelOf(out.shape) === 0) return out;
  if (k > 0 && timesVector(a, b, out)) {
    if (base) launchPointwise(sum, [out, base], out.dtype, out);
    return out;
  }
  if (base) write(out, base);
  else if (k === 0) out.zero_();
  if (k > 0) timesMatrix(a, b, out, base !== undefined);
  return out;
}

const noBatch: Loops = { sizes: [], strides: [[], [], []] };
/** How the batch dimensions of operands and result are walked through. */
const batchLoops = (tensors: readonly Tensor[]): Loops =>
  tensors[0].ndim === 2
    ? noBatch
    : foldLoops(
        tensors[0].shape.slice(0, -2),
        tensors.map((t) => t.strides.slice(0, -2)),
      );

/** Writes the batch dimensions of a descriptor from word `first` on, and returns the word behind them. */
function describeBatch({ sizes, strides }: Loops, first: number, bytes: number): number {
  const words = heap.int32;
  let w = first;
  for (let d = 0; d < sizes.length; d++) {
    words[w++] = sizes[d];
    for (const own of strides) words[w++] = own[d] * bytes;
  }
  return w;
}

/** Below so many multiplications, the call of a BLAS costs more than it saves. */
const leastForBlas = 2 ** 15;

/** The strides of a matrix whose rows, or columns, are dense and lie apart, as BLAS wants them; null for another. */
function stridesForBlas({ shape, strides }: Tensor): readonly [row: number, column: number] | null {
  const [rows, columns] = shape.slice(-2);
  const [row, column] = strides.slice(-2);
  if ((column === 1 || columns === 1) && (row >= columns || rows === 1)) return [Math.max(row, columns), 1];
  if ((row === 1 || rows === 1) && (column >= rows || columns === 1)) return [1, Math.max(column, rows)];
  return null;
}

/** How a BLAS of the system computes a product, if there is one and it can read the operands where they lie. */
function byBlas(a: Tensor, b: Tensor) {
  const { dtype } = a;
  if (dtype !== 'float32' && dtype !== 'float64') return null;
  const blas = currentBlas();
  const [stridesA, stridesB] = [stridesForBlas(a), stridesForBlas(b)];
  if (!blas || !stridesA || !stridesB) return null;
  return { kernel: blasKernel(blas, dtype), threads: blas.shareable ? getNumThreads() : 1, stridesA, stridesB };
}

/** Operands are read in steps of up to so many bytes along k where they lie: beyond that, lines of the cache evict each other. */
const nearBytes = 1024;
/** The least number of multiplications for which another thread is worth waking. */
const leastForThread = 2 ** 19;

/** Writes a product, or adds it to `out`. */
function timesMatrix(a: Tensor & { dtype: ProductType }, b: Tensor, out: Tensor, accumulate: boolean): void {
  const { dtype } = a;
  const bytes = bytesOf[dtype];
  const rank = a.ndim;
  const [m, k, n] = [a.shape[rank - 2], a.shape[rank - 1], b.shape[rank - 1]];
  const native = m * n * k < leastForBlas ? null : byBlas(a, b);
  const [rowA, columnA] = native?.stridesA ?? [a.strides[rank - 2], a.strides[rank - 1]];
  const [rowB, columnB] = native?.stridesB ?? [b.strides[rank - 2], b.strides[rank - 1]];
  const unitRows = native ? blasRows : tileRows;

  const loops = batchLoops([a, b, out]);
  const batch = numelOf(loops.sizes);
  const unitsInOne = Math.ceil(m / unitRows);
  // parts are some of the rows, or of few and long rows some of the columns
  const breadth = batch === 1 && n > m ? tileColumns(dtype) : 0;
  const units = breadth > 0 ? Math.ceil(n / breadth) : batch * unitsInOne;
  const worthwhile = Math.floor((batch * m * n * k) / leastForThread);
  const count = Math.max(1, Math.min(worthwhile, units, native ? native.threads : getNumThreads()));

  const packA = !native && columnA * bytes > nearBytes && n > 2 * tileColumns(dtype);
  const packB = !native && (columnB !== 1 || (rowB * bytes > nearBytes && m > tileRows));
  const roomA = tileBytes + (packA ? panelBytesA(dtype, m, k) : 0);
  const roomBytes = roomA + (packB ? panelBytesB(dtype, n, k) : 0);
  const room = productRoom(count * roomBytes);

  const address = stage(out);
  const words = heap.int32;
  const base = descriptor >> 2;
  words[base + gemmWord.units] = unitsInOne;
  words[base + gemmWord.batchDims] = loops.sizes.length;
  words[base + gemmWord.m] = m;
  words[base + gemmWord.n] = n;
  words[base + gemmWord.k] = k;
  words[base + gemmWord.accumulate] = Number(accumulate);
  words[base + gemmWord.a] = stage(a);
  words[base + gemmWord.rowStrideA] = rowA * bytes;
  words[base + gemmWord.columnStrideA] = columnA * bytes;
  words[base + gemmWord.b] = stage(b);
  words[base + gemmWord.rowStrideB] = rowB * bytes;
  words[base + gemmWord.columnStrideB] = columnB * bytes;
  words[base + gemmWord.c] = address;
  words[base + gemmWord.rowStrideC] = n * bytes;
  const used = describeBatch(loops, base + gemmWord.batch, bytes) - base;
  for (let p = 0; p < count; p++) {
    const own = count === 1 ? descriptor : copyDescriptor(p, used);
    const ownRoom = room + p * roomBytes;
    words[(own >> 2) + gemmWord.tile] = ownRoom;
    words[(own >> 2) + gemmWord.panelsA] = packA ? ownRoom + tileBytes : 0;
    words[(own >> 2) + gemmWord.panelsB] = packB ? ownRoom + roomA : 0;
    const [begin, end] = [beginOf(p, count, units), beginOf(p + 1, count, units)];
    if (breadth === 0) setPart(p, own, begin, end);
    else {
      const left = begin * breadth;
      words[(own >> 2) + gemmWord.n] = Math.min(n, end * breadth) - left;
      words[(own >> 2) + gemmWord.b] += left * columnB * bytes;
      words[(own >> 2) + gemmWord.c] += left * bytes;
      setPart(p, own, 0, unitsInOne);
    }
  }
  runParts(native ? native.kernel : gemm(dtype), count);
  unstage(out, address);
}

/** Dense columns are worth a kernel of their own from this length on. */
const longColumn = 4;

/** Computes a product of which an operand is a vector, if the other one has dense rows or columns. */
function timesVector(a: Tensor, b: Tensor, out: Tensor): boolean {
  const rank = a.ndim;
  if (b.shape[rank - 1] === 1 && timesColumn(a, b, out)) return true;
  // a row times a matrix is the transposed matrix times a column
  return a.shape[rank - 2] === 1 && timesColumn(b.transpose(-2, -1), a.transpose(-2, -1), out);
}

/** Computes matrix [..., m, k] times column [..., k, 1] into out [..., m, 1] or [..., 1, m], if the matrix has dense rows or columns. */
function timesColumn(matrix: Tensor, column: Tensor, out: Tensor): boolean {
  const [m, k] = matrix.shape.slice(-2);
  const [rowStride, columnStride] = matrix.strides.slice(-2);
  const dense: DenseLines | null = columnStride === 1 || k === 1 ? 'rows' : rowStride === 1 ? 'columns' : null;
  if (!dense || (dense === 'columns' && m < longColumn)) return false;
  const x = column.strides[column.ndim - 2] === 1 || k === 1 ? column : column.contiguous();
  const bytes = bytesOf[matrix.dtype];
  const kernel = gemv(matrix.dtype as ProductType, dense);
  const loops = batchLoops([matrix, x, out]);
  const units = Math.ceil(m / gemvBlock);
  const address = stage(out);
  const words = heap.int32;
  const base = descriptor >> 2;
  words[base + gemvWord.units] = units;
  words[base + gemvWord.batchDims] = loops.sizes.length;
  words[base + gemvWord.m] = m;
  words[base + gemvWord.k] = k;
  words[base + gemvWord.matrix] = stage(matrix);
  words[base + gemvWord.lineStride] = (dense === 'rows' ? rowStride : columnStride) * bytes;
  words[base + gemvWord.x] = stage(x);
  words[base + gemvWord.y] = address;
  describeBatch(loops, base + gemvWord.batch, bytes);
  // four lines at a time, four elements of each
  runUnits(kernel, descriptor, numelOf(loops.sizes) * units, (gemvBlock * k) / 16);
  unstage(out, address);
  return true;
}
