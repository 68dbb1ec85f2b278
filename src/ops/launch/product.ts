/** Hands matrices and vectors to the kernels that multiply them. */
import { numelOf } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { bytesOf } from '../../kernels/element.ts';
import { gemm, gemmWord, productRoom, tileColumns, tileRows } from '../../kernels/gemm.ts';
import { type DenseLines, gemv, gemvBlock, gemvWord } from '../../kernels/gemv.ts';
import { descriptor, heap } from '../../kernels/memory.ts';
import type { ProductType } from '../../kernels/product-code.ts';
import { foldLoops, type Loops } from './loops.ts';
import { stage, unstage } from './staging.ts';

/** Whether there are kernels for the dtype. Narrower integers go through int32, which wraps around to the same. */
const computed = (x: Tensor): x is Tensor & { dtype: ProductType } => bytesOf[x.dtype] >= 4;

/**
 * The products of matrices [..., m, k] and [..., k, n] whose other dimensions are the same: [..., m, n]. Integers wrap around. It is
 * unrecorded: a forward.
 */
export function multiply(a: Tensor, b: Tensor): Tensor {
  if (!computed(a)) return multiply(a.to('int32'), b.to('int32')).to(a.dtype);
  const batch = a.shape.slice(0, -2);
  const [m, k] = a.shape.slice(-2);
  const n = b.shape[b.ndim - 1];
  const out = Tensor.empty([...batch, m, n], a.dtype);
  if (numelOf(out.shape) === 0) return out;
  if (k === 0) return out.zero_();
  if (n === 1 && timesVector(a, b, out)) return out;
  // a row times a matrix is the transposed matrix times a column
  if (m === 1 && timesVector(b.transpose(-2, -1), a.transpose(-2, -1), out)) return out;
  timesMatrix(a, b as typeof a, out);
  return out;
}

/** How the batch dimensions of operands and result are walked through. */
const batchLoops = (tensors: readonly Tensor[]): Loops =>
  foldLoops(
    tensors[0].shape.slice(0, -2),
    tensors.map((t) => t.strides.slice(0, -2)),
  );

/** Writes the batch dimensions of a descriptor, and returns how many products there are. */
function describeBatch({ sizes, strides }: Loops, first: number, bytes: number): number {
  const words = heap.int32;
  let count = 1;
  let w = first;
  sizes.forEach((size, d) => {
    count *= size;
    words[w++] = size;
    for (const own of strides) words[w++] = own[d] * bytes;
  });
  return count;
}

/** Operands are read in steps of up to so many bytes along k where they lie: beyond that, lines of the cache evict each other. */
const nearBytes = 1024;

function timesMatrix(a: Tensor & { dtype: ProductType }, b: Tensor, out: Tensor): void {
  const { dtype } = a;
  const bytes = bytesOf[dtype];
  const [m, k] = a.shape.slice(-2);
  const n = b.shape[b.ndim - 1];
  const [rowA, columnA] = a.strides.slice(-2);
  const [rowB, columnB] = b.strides.slice(-2);
  const packA = columnA * bytes > nearBytes && n > 2 * tileColumns(dtype);
  const packB = columnB !== 1 || (rowB * bytes > nearBytes && m > tileRows);
  const kernel = gemm(dtype);
  const loops = batchLoops([a, b, out]);
  const room = productRoom(dtype, m, n, k);
  const units = Math.ceil(m / tileRows);
  const address = stage(out);
  const words = heap.int32;
  const base = descriptor >> 2;
  words[base + gemmWord.units] = units;
  words[base + gemmWord.batchDims] = loops.sizes.length;
  words[base + gemmWord.m] = m;
  words[base + gemmWord.n] = n;
  words[base + gemmWord.k] = k;
  words[base + gemmWord.accumulate] = 0;
  words[base + gemmWord.a] = stage(a);
  words[base + gemmWord.rowStrideA] = rowA * bytes;
  words[base + gemmWord.columnStrideA] = columnA * bytes;
  words[base + gemmWord.b] = stage(b);
  words[base + gemmWord.rowStrideB] = rowB * bytes;
  words[base + gemmWord.columnStrideB] = columnB * bytes;
  words[base + gemmWord.c] = address;
  words[base + gemmWord.rowStrideC] = n * bytes;
  words[base + gemmWord.panelsA] = packA ? room.a : 0;
  words[base + gemmWord.panelsB] = packB ? room.b : 0;
  words[base + gemmWord.tile] = room.tile;
  const count = describeBatch(loops, base + gemmWord.batch, bytes);
  kernel(descriptor, 0, count * units);
  unstage(out, address);
}

/** Dense columns are worth a kernel of their own from this length on. */
const longColumn = 4;

/** Computes matrix [..., m, k] times column [..., k, 1] into out [..., m, 1] or [..., 1, m], if the matrix has dense rows or columns. */
function timesVector(matrix: Tensor, column: Tensor, out: Tensor): boolean {
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
  const count = describeBatch(loops, base + gemvWord.batch, bytes);
  kernel(descriptor, 0, count * units);
  unstage(out, address);
  return true;
}
