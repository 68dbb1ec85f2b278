/**
 * Gives blocks of linear memory back when the storages that owned them are garbage. Nobody frees a tensor by hand: a weak reference to
 * each storage tells that it is gone. Dead ones are swept up when memory is about to grow by half of what was alive after the last
 * sweep; where the host offers it, a garbage collection is made at that moment, so that a loop that never yields stays bounded.
 */
import { collector } from '../host/garbage.ts';
import { onPressure, release, usage } from '../kernels/memory.ts';
import { isMemoryDebugEnabled } from './poison.ts';

class Tracked extends WeakRef<object> {
  readonly address: number;
  readonly bytes: number;

  constructor(owner: object, address: number, bytes: number) {
    super(owner);
    this.address = address;
    this.bytes = bytes;
  }
}

let tracked: Tracked[] = [];
/** Below this, it is not worth looking. */
const leastGrowth = 64 * 2 ** 20;
/** What is freed too early shows if collections are frequent. */
const debugGrowth = 2 ** 20;
/** Bytes in use after the last full collection, and those at which the next one is due. */
let alive = 0;
let due = leastGrowth;

/** How often the dead were swept up. */
export const sweeps = { count: 0 };

/** The host keeps every target of a new weak reference in a set until the next checkpoint: beyond this many, the set is what costs. */
const between = 1024;
let untilCheckpoint = between;

/** Has `owner` watched: once it is garbage, the block at `address` is released. */
export function track(owner: object, address: number, bytes: number): void {
  tracked.push(new Tracked(owner, address, bytes));
  if (--untilCheckpoint > 0) return;
  untilCheckpoint = between;
  collector().checkpoint();
}

/** Releases the blocks of storages that have been collected. */
function sweep(): void {
  const left: Tracked[] = [];
  for (const entry of tracked) {
    if (entry.deref()) left.push(entry);
    else release(entry.address, entry.bytes);
  }
  tracked = left;
  sweeps.count++;
}

onPressure((bytes, last) => {
  const limit = isMemoryDebugEnabled() ? alive + debugGrowth : due;
  if (!last && usage.bytes + bytes < limit) return false;
  const { young, full } = collector();
  if (young && !last) {
    young();
    sweep();
    // what died old stays: as long as half of the room is free again, that does not matter
    if (usage.bytes + bytes < (alive + due) / 2) return true;
  }
  const start = performance.now();
  full();
  sweep();
  const milliseconds = performance.now() - start;
  alive = usage.bytes;
  // Half as much again as what is alive may accumulate before it is worth looking again, and more where looking takes long.
  due = alive + Math.max(alive / 2, leastGrowth * Math.min(Math.max(milliseconds / 16, 1), 8));
  return true;
});
