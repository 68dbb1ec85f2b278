/**
 * Gives blocks of linear memory back when the storages that owned them are garbage. Nobody frees a tensor by hand: a weak reference to
 * each storage tells that it is gone. Dead ones are swept up when memory is about to grow by half of what was alive after the last
 * sweep; where the host offers it, a garbage collection is made at that moment, so that a loop that never yields stays bounded.
 */

import { collectGarbage } from '../host/garbage.ts';
import { onPressure, release, usage } from '../kernels/memory.ts';

interface Tracked {
  readonly owner: WeakRef<object>;
  readonly address: number;
  readonly bytes: number;
}

let tracked: Tracked[] = [];
/** Below this, it is not worth looking. */
const leastGrowth = 64 * 2 ** 20;
/** Bytes in use at which the next sweep is due. */
let due = leastGrowth;

/** How often the dead were swept up. */
export const sweeps = { count: 0 };

/** Has `owner` watched: once it is garbage, the block at `address` is released. */
export function track(owner: object, address: number, bytes: number): void {
  tracked.push({ owner: new WeakRef(owner), address, bytes });
}

/** Releases the blocks of storages that have been collected. */
function sweep(): void {
  const alive: Tracked[] = [];
  for (const entry of tracked) {
    if (entry.owner.deref()) alive.push(entry);
    else release(entry.address, entry.bytes);
  }
  tracked = alive;
  sweeps.count++;
}

onPressure((bytes, last) => {
  if (!last && usage.bytes + bytes < due) return false;
  collectGarbage();
  sweep();
  // Half as much again as what is alive may accumulate before it is worth looking again.
  due = Math.max(usage.bytes * 1.5, usage.bytes + leastGrowth);
  return true;
});
