/** Hands tensors to row kernels (kernels/rows.ts). */
import type { Operand } from '../../autograd/primitive.ts';
import type { DType } from '../../core/dtype.ts';
import { broadcastStrides, numelOf } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { bytesOf, codeOf } from '../../kernels/element.ts';
import { descriptor, heap } from '../../kernels/memory.ts';
import type { Kernel } from '../../kernels/module.ts';
import { headerWords, operandWords } from '../../kernels/pointwise.ts';
import { type RowProgram, rowKernel, triangleWords } from '../../kernels/rows.ts';
import { runUnits } from '../../kernels/threads.ts';
import { foldLoops, modeOf, modes, parameter } from './loops.ts';
import { launchPointwise, type PointwiseCode, runRow } from './pointwise.ts';
import { launchReduction, type ReductionCode, reduction } from './reduction.ts';
import { stage, unstage } from './staging.ts';

/** A row program and the kernels made of it so far. */
export interface RowCode extends RowProgram {
  readonly kernels: Map<string, Kernel>;
  /** The same as a reduction for each total and a pointwise kernel for each result, made when they are needed. */
  apart?: { readonly totals: readonly ReductionCode[]; readonly results: readonly PointwiseCode[] };
}

export const rowCode = (program: RowProgram): RowCode => ({ ...program, kernels: new Map() });

/** Computes a row program of tensors of one shape along `dim`: as rows where they are such, else one kernel after the other. */
export function launchLines(
  code: RowCode,
  operands: readonly Tensor[],
  dim: number,
  type: DType,
  outs: readonly Tensor[],
): void {
  const [{ shape, ndim }] = outs;
  if (numelOf(shape) === 0) return;
  if (dim >= ndim - 1 && operands.every((x) => ndim === 0 || x.strides[dim] <= 1 || shape[dim] === 1)) {
    launchRows(code, operands, type, outs);
    return;
  }
  code.apart ??= {
    totals: code.totals.map(({ combine, map, finish }) => reduction(combine, map, finish)),
    results: code.results.map((root) => ({ root, kernels: new Map() })),
  };
  const all = [...operands];
  for (const total of code.apart.totals) {
    const out = Tensor.empty(shape.with(dim, 1), type);
    launchReduction(total, all, [dim], type, out, shape[dim]);
    all.push(out);
  }
  for (const [k, out] of outs.entries()) launchPointwise(code.apart.results[k], all, type, out);
}

/**
 * Computes a row program of the operands, as numbers of dtype `type`, into results that broadcast to the shape of the first. Rows lie along
 * the last dimension.
 * @param period if not 0, of row r only the first r mod period + 1 elements count
 */
export function launchRows(
  code: RowCode,
  operands: readonly Operand[],
  type: DType,
  outs: readonly Tensor[],
  period = 0,
): void {
  const { shape } = outs[0];
  if (numelOf(shape) === 0) return;
  const all: readonly Operand[] = [...operands, ...outs];
  const own = all.map((x) => (typeof x === 'number' ? null : broadcastStrides(x.shape, x.strides, shape)));
  const strides = own.map((list) => list ?? outs[0].strides);
  // where elements know nothing of each other, rows may be joined
  const whole = code.totals.length > 0;
  const outer = whole ? shape.slice(0, -1) : shape;
  const loops = foldLoops(outer, whole ? strides.map((list) => list.slice(0, -1)) : strides);
  const inner = whole ? loops.sizes.length : loops.sizes.length - 1;
  const along = (k: number): number => (whole ? (strides[k].at(-1) ?? 1) : inner < 0 ? 1 : loops.strides[k][inner]);
  const modeAt = (k: number): number => (typeof all[k] === 'number' ? parameter : modeOf(along(k)));

  let key = type as string;
  for (let k = 0; k < all.length; k++) {
    const x = all[k];
    key += String.fromCharCode(modeAt(k) + (typeof x === 'number' ? 0 : 4 * codeOf[x.dtype]));
  }
  let kernel = code.kernels.get(key);
  if (!kernel) {
    const kinds = all.map((x, k) => ({ type: typeof x === 'number' ? type : x.dtype, mode: modes[modeAt(k)] }));
    kernel = rowKernel(code, type, kinds.slice(0, operands.length), kinds.slice(operands.length));
    code.kernels.set(key, kernel);
  }

  const words = heap.int32;
  const start = descriptor >> 2;
  const length = whole ? (shape.at(-1) ?? 1) : inner < 0 ? 1 : loops.sizes[inner];
  words[start] = length;
  words[start + 1] = Math.max(inner, 0);
  let w = start + headerWords;
  const addresses = all.map((x, k) => {
    const at = w;
    w += operandWords;
    if (typeof x === 'number') {
      heap.float64[at >> 1] = x;
      return 0;
    }
    words[at + 1] = along(k) * bytesOf[x.dtype];
    return (words[at] = stage(x));
  });
  words[w] = period;
  w += triangleWords;
  let rows = 1;
  for (let d = 0; d < inner; d++) {
    words[w++] = loops.sizes[d];
    rows *= loops.sizes[d];
    all.forEach((x, k) => {
      words[w++] = typeof x === 'number' ? 0 : loops.strides[k][d] * bytesOf[x.dtype];
    });
  }
  if (whole || rows > 1) runUnits(kernel, descriptor, rows, length);
  else runRow(kernel, operands, outs.length, triangleWords);
  for (const [k, out] of outs.entries()) unstage(out, addresses[operands.length + k]);
}
