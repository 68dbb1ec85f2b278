/** Hands tensors to the kernels that walk along one dimension (kernels/lines.ts). */
import type { DType } from '../../core/dtype.ts';
import { broadcastStrides, contiguousStrides, numelOf, type Shape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Operand } from '../../kernels/access.ts';
import { argReduceKernel, argReduceRowKernel, type Extremum } from '../../kernels/arg-reduce.ts';
import { bytesOf, codeOf } from '../../kernels/element.ts';
import { lineHeaderWords, lineWords, type Width } from '../../kernels/lines.ts';
import { descriptor, heap } from '../../kernels/memory.ts';
import type { Kernel } from '../../kernels/module.ts';
import { extremumScanKernel, type Scan, scanKernel } from '../../kernels/scan.ts';
import { runUnits } from '../../kernels/threads.ts';
import { foldLoops, modeOf, modes } from './loops.ts';
import { stage, unstage } from './staging.ts';

/** How tensors lie that are to be walked along one dimension. */
interface Layout {
  /** How many lines to walk along at once: one where the first operand's lie contiguously, as four would have to be gathered. */
  readonly lines: Width;
  readonly operands: readonly Operand[];
}

type Kernels = Map<number, Kernel>;

/** A tensor with at least one dimension to walk along. */
const lined = (t: Tensor): Tensor => (t.ndim > 0 ? t : new Tensor(t.storage, [1], [1], t.offset));

/** From this length on, it pays to walk along a contiguous line alone. */
const longRow = 16;

/**
 * Walks along dimension `dim`. The shape is that of the first operand; a tensor that has 1 there stays where it is.
 * @param make the kernel for a layout
 * @param results as many of the last `tensors`
 * @param reverse from the last step to the first
 */
function launch(
  kernels: Kernels,
  make: (layout: Layout) => Kernel,
  tensors: readonly Tensor[],
  results: number,
  dim: number,
  { reverse = false, gathers = false }: { reverse?: boolean; gathers?: boolean } = {},
): void {
  const all = tensors.map(lined);
  const { shape } = all[0];
  if (numelOf(shape) === 0) return;
  const strides = all.map((t) => broadcastStrides(t.shape, t.strides, shape));
  const others = (list: Shape): number[] => list.filter((_, d) => d !== dim);
  const { sizes, strides: folded } = foldLoops(others(shape), strides.map(others));
  const dense = sizes.findIndex((_, d) => folded.every((own) => own[d] === 0 || own[d] === 1));
  const inner = dense >= 0 ? dense : sizes.length - 1;
  const across = (k: number): number => (inner < 0 ? 1 : folded[k][inner]);
  const group = dense < 0 && !gathers && strides[0][dim] === 1 && shape[dim] >= longRow ? 1 : 4;

  let key: number = group;
  const operands = all.map(({ dtype }, k): Operand => {
    const mode = modeOf(across(k));
    key = key * 32 + codeOf[dtype] * 4 + mode;
    return { type: dtype, mode: modes[mode] };
  });
  let kernel = kernels.get(key);
  if (!kernel) kernels.set(key, (kernel = make({ lines: group, operands })));

  const words = heap.int32;
  const start = descriptor >> 2;
  const lines = inner < 0 ? 1 : sizes[inner];
  words[start] = lines;
  words[start + 1] = Math.max(sizes.length - 1, 0);
  words[start + 2] = shape[dim];
  let w = start + lineHeaderWords;
  const addresses = all.map((t, k) => {
    const size = bytesOf[t.dtype];
    const address = stage(t);
    const along = strides[k][dim];
    words[w] = address + (reverse ? (shape[dim] - 1) * along * size : 0);
    words[w + 1] = across(k) * size;
    words[w + 2] = (reverse ? -along : along) * size;
    w += lineWords;
    return address;
  });
  let units = Math.ceil(lines / group);
  sizes.forEach((size, d) => {
    if (d === inner) return;
    units *= size;
    words[w++] = size;
    all.forEach((t, k) => {
      words[w++] = folded[k][d] * bytesOf[t.dtype];
    });
  });
  runUnits(kernel, descriptor, units, numelOf(shape) / units);
  for (let k = all.length - results; k < all.length; k++) unstage(all[k], addresses[k]);
}

/** A scan and the kernels made of it so far. */
export interface ScanCode extends Scan {
  readonly kernels: Kernels;
  /** Whether a step costs more than to gather the elements of four lines. */
  readonly gathers?: boolean;
}

/** Scans the operands along `dim` into `out`, from the last step to the first if `reverse`; computes in dtype `type`. */
export function launchScan(
  code: ScanCode,
  operands: readonly Tensor[],
  dim: number,
  type: DType,
  out: Tensor,
  reverse: boolean,
): void {
  const make = ({ lines, operands: all }: Layout): Kernel =>
    scanKernel(code, type, all.slice(0, -1), all[all.length - 1], lines);
  launch(code.kernels, make, [...operands, out], 1, dim, { reverse, gathers: code.gathers });
}

/** Finds extrema along a dimension. */
export interface ExtremumCode {
  readonly seek: Extremum;
  readonly kernels: Kernels;
}

/** The running extremum of `x` and its position along `dim`, in results of the shape of `x`. */
export function launchExtremumScan(code: ExtremumCode, x: Tensor, dim: number, values: Tensor, indices: Tensor): void {
  const make = ({ lines, operands: [operand, ...results] }: Layout): Kernel =>
    extremumScanKernel(code.seek, operand, results as [Operand, Operand], lines);
  launch(code.kernels, make, [x, values, indices], 2, dim);
}

/** The extremum of `x` and its position along `dim`, in contiguous results that lack this dimension or have it as 1. */
export function launchArgReduce(code: ExtremumCode, x: Tensor, dim: number, values: Tensor, indices: Tensor): void {
  const from = lined(x);
  const shape = from.shape.map((size, d) => (d === dim ? 1 : size));
  const strides = contiguousStrides(shape).map((stride, d) => (d === dim ? 0 : stride));
  const still = (t: Tensor): Tensor => new Tensor(t.storage, shape, strides, t.offset);
  const make = ({ lines, operands: [operand, ...results] }: Layout): Kernel =>
    (lines === 1 ? argReduceRowKernel : argReduceKernel)(code.seek, operand, results as [Operand, Operand]);
  launch(code.kernels, make, [from, still(values), still(indices)], 2, dim);
}
