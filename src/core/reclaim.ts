/**
 * Gives blocks of linear memory back when the storages that owned them are garbage. Nobody frees a tensor by hand.
 *
 * Where the host makes garbage collections on demand, a weak reference to each storage tells that it is gone. Dead ones are swept up when
 * memory is about to grow by half of what was alive after the last sweep, in the midst of a loop that never yields if need be.
 * Elsewhere a registry of finalizers tells when the event loop turns. The host does not know how much memory hangs on its objects; it
 * is shown buffers of the same size in passing, so that it looks for garbage as often as it should.
 */
import { collector } from '../host/garbage.ts';
import { onPressure, release, usage } from '../kernels/memory.ts';
import { isMemoryDebugEnabled } from './poison.ts';

interface Block {
  readonly address: number;
  readonly bytes: number;
}

class Tracked extends WeakRef<object> implements Block {
  readonly address: number;
  readonly bytes: number;

  constructor(owner: object, address: number, bytes: number) {
    super(owner);
    this.address = address;
    this.bytes = bytes;
  }
}

let tracked: Tracked[] = [];
const registry = new FinalizationRegistry<Block>(({ address, bytes }) => release(address, bytes));

const megabyte = 2 ** 20;
/** Below this, it is not worth looking. */
const leastGrowth = 64 * megabyte;
/** What is freed too early shows if collections are frequent. */
const debugGrowth = megabyte;
/** Bytes in use after the last full collection, and those at which the next one is due. */
let alive = 0;
let due = leastGrowth;

/** How often the dead were swept up. */
export const sweeps = { count: 0 };

/** The host keeps every target of a new weak reference in a set until the next checkpoint: beyond this many, the set is what costs. */
const between = 1024;
let untilCheckpoint = between;

/** The host is shown this much at a time of what was allocated. */
const shownBytes = 4 * megabyte;
let unshown = 0;

/** Has `owner` watched: once it is garbage, the block at `address` is released. */
export function track(owner: object, address: number, bytes: number): void {
  const host = collector();
  if (host) {
    tracked.push(new Tracked(owner, address, bytes));
    if (--untilCheckpoint > 0) return;
    untilCheckpoint = between;
    host.checkpoint();
  } else {
    registry.register(owner, { address, bytes });
    unshown += bytes;
    if (unshown < shownBytes) return;
    new ArrayBuffer(shownBytes);
    unshown = 0;
  }
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
  const host = collector();
  if (!host || (!last && usage.bytes + bytes < limit)) return false;
  if (!last && host.young()) {
    sweep();
    // what died old stays: as long as half of the room is free again, that does not matter
    if (usage.bytes + bytes < (alive + limit) / 2) return true;
  }
  host.full();
  sweep();
  alive = usage.bytes;
  // Half as much again as what is alive may accumulate before it is worth looking again.
  due = alive + Math.max(alive / 2, leastGrowth);
  return true;
});
