/**
 * Gives blocks of linear memory back when the storages that owned them are garbage. Nobody frees a tensor by hand.
 *
 * Where the host makes garbage collections on demand, a weak reference to each storage tells that it is gone. Dead ones are swept up when
 * memory is about to grow for what may be garbage, in the midst of a loop that never yields if need be.
 * Elsewhere a registry of finalizers tells when the event loop turns. The host does not know how much memory hangs on a storage; so that it
 * looks for garbage as often as it should, storages refer to buffers of about the same size in all, which nobody writes to.
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
/** Garbage that may accumulate before what died young is collected, in less than a millisecond, and before all is. */
const youngGrowth = 16 * megabyte;
const fullGrowth = 64 * megabyte;
/** What is freed too early shows if collections are frequent. */
const debugGrowth = megabyte;
/** Bytes in use at which a collection is due, and at which it has to be a full one. */
let due = youngGrowth;
let fullDue = fullGrowth;
/** What had been allocated in all when the last full one was made. */
let fullAt = 0;

/** How often the dead were swept up. */
export const sweeps = { count: 0 };

/** The host keeps every target of a new weak reference in a set until the next checkpoint: beyond this many, the set is what costs. */
const between = 1024;
let untilCheckpoint = between;

/** Storages that were made one after the other share a buffer of this size; a larger one has one to itself. */
const weightBytes = 4 * megabyte;
let weight: ArrayBuffer | null = null;
let weighed = weightBytes;

function weightFor(bytes: number): ArrayBuffer | null {
  weighed += bytes;
  if (weighed > weightBytes) {
    weight = new ArrayBuffer(weightBytes);
    weighed = bytes;
  }
  return weight;
}

/** Has `owner` watched: once it is garbage, the block at `address` is released. */
export function track(owner: { weight: ArrayBuffer | null }, address: number, bytes: number): void {
  const host = collector();
  if (host) {
    tracked.push(new Tracked(owner, address, bytes));
    if (--untilCheckpoint > 0) return;
    untilCheckpoint = between;
    host.checkpoint();
  } else {
    registry.register(owner, { address, bytes });
    owner.weight = weightFor(bytes);
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
  const host = collector();
  if (!host || (!last && usage.bytes + bytes < due)) return false;
  const growth = isMemoryDebugEnabled() ? debugGrowth : youngGrowth;
  const before = usage.bytes;
  const young = !last && host.young();
  if (young) {
    sweep();
    due = usage.bytes + growth;
    // while the host is about a full collection of its own, it sees little of what died young: it is better to have done with that
    const blind = before - usage.bytes < growth / 2 && usage.totalBytes - fullAt > fullGrowth;
    if (!blind && usage.bytes + bytes < fullDue) return true;
  }
  host.full();
  sweep();
  fullAt = usage.totalBytes;
  // Half as much again as what is alive may accumulate before it is worth looking at everything again.
  fullDue = usage.bytes + Math.max(usage.bytes / 2, fullGrowth);
  due = young || isMemoryDebugEnabled() ? usage.bytes + growth : fullDue;
  return true;
});
