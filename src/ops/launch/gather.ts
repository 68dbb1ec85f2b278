/** Hands tensors to the kernels that carry runs of elements out of places of a tensor and into them. */
import { numelOf, outOfBounds } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { bytesOf, codeOf } from '../../kernels/element.ts';
import { type Combination, gatherKernel, scatterKernel } from '../../kernels/gather.ts';
import { allocate, descriptor, heap, release } from '../../kernels/memory.ts';
import type { Kernel } from '../../kernels/module.ts';
import { outOfBoundsWord, positionsKernel } from '../../kernels/positions.ts';
import { runUnits } from '../../kernels/threads.ts';
import type { Places } from '../indexing/places.ts';
import { foldLoops } from './loops.ts';
import { stage, unstage } from './staging.ts';

/** Fills `out`, which is contiguous, with what lies in the places of `table`. */
export function collect(table: Tensor, places: Places, out: Tensor): void {
  run(null, table, places, out);
}

/**
 * Puts the elements of `values`, in row-major order, into the places of `table`, or combines them with what is there.
 * @throws if an index is out of bounds, before anything is written
 */
export function deposit(table: Tensor, places: Places, values: Tensor, how: Combination = 'set'): void {
  run(how, table, places, values.storage.shares(table.storage) ? values.clone() : values.contiguous());
}

const combinations: readonly Combination[] = ['set', 'add', 'mul', 'min', 'max'];
const movers = new Map<number, Kernel>();

function mover(table: Tensor, how: Combination | null, single: boolean): Kernel {
  const step = how ? combinations.indexOf(how) : combinations.length;
  const key = (codeOf[table.dtype] * 8 + step) * 2 + Number(single);
  let kernel = movers.get(key);
  if (!kernel) {
    kernel = how ? scatterKernel(table.dtype, how, single) : gatherKernel(table.dtype, single);
    movers.set(key, kernel);
  }
  return kernel;
}

function run(how: Combination | null, table: Tensor, places: Places, dense: Tensor): void {
  const count = numelOf(places.grid);
  if (count === 0 || places.run === 0) return;
  const bytes = count * bytesOf.int32;
  const positions = allocate(bytes);
  try {
    for (let k = 0; k < places.indices.length; k++) fillPositions(places, k, positions);
    const kernel = mover(table, how, places.run === 1);
    const addresses = [stage(table), positions, stage(dense)];
    heap.int32.set([...addresses, places.run], descriptor >> 2);
    // two elements may be carried to one place
    if (how) kernel(descriptor, 0, count);
    else runUnits(kernel, descriptor, count, places.run);
    if (how) unstage(table, addresses[0]);
    else unstage(dense, addresses[2]);
  } finally {
    release(positions, bytes);
  }
}

const fillers = new Map<number, Kernel>();

/** Computes the positions that index tensor number `k` leads to, on top of those before it. */
function fillPositions({ grid, strides, indices }: Places, k: number, positions: number): void {
  const { index, along, dim, size, stride, wrap } = indices[k];
  const further = k > 0;
  const key = codeOf[index.dtype] * 2 + Number(further);
  let kernel = fillers.get(key);
  if (!kernel) fillers.set(key, (kernel = positionsKernel(index.dtype, further)));

  const loops = foldLoops(grid, [along, strides]);
  const inner = loops.sizes.length - 1;
  const [steps, gridSteps] = loops.strides;
  const width = bytesOf[index.dtype];
  const address = stage(index);
  const start = descriptor >> 2;
  const words = heap.int32;
  const length = inner < 0 ? 1 : loops.sizes[inner];
  words.set([length, Math.max(inner, 0), positions, size, stride, wrap ? size : 0, -1, address], start);
  words.set([(steps[inner] ?? 0) * width, gridSteps[inner] ?? 0], start + 8);
  let rows = 1;
  for (let d = 0; d < inner; d++) {
    words.set([loops.sizes[d], steps[d] * width, gridSteps[d]], start + 10 + 3 * d);
    rows *= loops.sizes[d];
  }
  kernel(descriptor, 0, rows);
  unstage(index, address);
  const bad = heap.int32[start + outOfBoundsWord];
  if (bad < 0) return;
  // its coordinates in the grid say where it lies
  let rest = bad;
  let position = index.offset;
  for (let d = grid.length - 1; d >= 0; d--) {
    position += (rest % grid[d]) * along[d];
    rest = Math.floor(rest / grid[d]);
  }
  throw outOfBounds(index.at(position), dim, size);
}
