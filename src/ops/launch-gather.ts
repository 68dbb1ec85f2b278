/** Hands tensors to the kernels that carry runs of elements out of places of a tensor and into them. */
import type { Tensor } from '../core/tensor.ts';
import { codeOf } from '../kernels/element.ts';
import { type Combination, gatherKernel, scatterKernel } from '../kernels/gather.ts';
import { allocate, descriptor, heap, release } from '../kernels/memory.ts';
import type { Kernel } from '../kernels/module.ts';
import { stage, unstage } from './launch.ts';
import type { Places } from './places.ts';

const combinations: readonly Combination[] = ['set', 'add', 'mul', 'min', 'max'];
const kernels = new Map<number, Kernel>();

function kernelFor(table: Tensor, how: Combination | null, single: boolean): Kernel {
  const step = how ? combinations.indexOf(how) : combinations.length;
  const key = (codeOf[table.dtype] * 8 + step) * 2 + Number(single);
  let kernel = kernels.get(key);
  if (!kernel) {
    kernel = how ? scatterKernel(table.dtype, how, single) : gatherKernel(table.dtype, single);
    kernels.set(key, kernel);
  }
  return kernel;
}

/** Fills `out`, which is contiguous, with what lies in the places of `table`. */
export function collect(table: Tensor, places: Places, out: Tensor): void {
  run(kernelFor(table, null, places.run === 1), table, places, out, out);
}

/** Puts the elements of `values`, in row-major order, into the places of `table`, or combines them with what is there. */
export function deposit(table: Tensor, places: Places, values: Tensor, how: Combination = 'set'): void {
  const dense = values.storage.shares(table.storage) ? values.clone() : values.contiguous();
  run(kernelFor(table, how, places.run === 1), table, places, dense, table);
}

function run(kernel: Kernel, table: Tensor, { starts, run }: Places, dense: Tensor, out: Tensor): void {
  if (starts.length === 0 || run === 0) return;
  const bytes = 4 * starts.length;
  const positions = allocate(bytes);
  heap.int32.set(starts, positions >> 2);
  const addresses = [stage(table), positions, stage(dense)];
  heap.int32.set([...addresses, run], descriptor >> 2);
  kernel(descriptor, 0, starts.length);
  unstage(out, out === table ? addresses[0] : addresses[2]);
  release(positions, bytes);
}
