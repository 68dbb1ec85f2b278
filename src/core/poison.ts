/**
 * A way to run in which errors with memory show. Memory that has not been written to, or is free, is filled with 0xFF: NaN in every floating
 * dtype, -1 in the integers. A freed block stays out of use for a while; that it still is as it was left is checked when it comes back.
 */
import { AdjointError } from '../errors.ts';
import { classOf, returnBlock } from '../kernels/blocks.ts';
import type { TypedArray } from '../kernels/element.ts';
import { heap, usage, watchBlocks } from '../kernels/memory.ts';

const pattern = 0xff;
/** So many bytes are out of use at most. */
const quarantineBytes = 16 * 2 ** 20;

const isPattern = (word: number): boolean => word === -1;

const error = (what: string): AdjointError => new AdjointError('memory', `${what}. This is a bug in Adjoint`);

class Quarantine {
  /** What was in use below this when it began is not known. */
  private readonly start = usage.reserved;
  private readonly sizes = new Map<number, number>();
  private readonly freed = new Set<number>();
  private queue: { address: number; size: number }[] = [];
  private bytes = 0;

  allocated(address: number, size: number): void {
    if (this.sizes.has(address)) throw error(`the block at ${address} was handed out twice`);
    this.sizes.set(address, size);
    this.freed.delete(address);
    heap.uint8.fill(pattern, address, address + size);
  }

  released(address: number, size: number): void {
    const known = this.sizes.get(address) ?? (address < this.start && !this.freed.has(address) ? size : undefined);
    if (known === undefined) {
      throw error(
        this.freed.has(address)
          ? `the block at ${address} was released twice`
          : `there is no block at ${address} to release`,
      );
    }
    if (known !== size) throw error(`the block at ${address} has ${known} bytes, and was released as one of ${size}`);
    this.sizes.delete(address);
    this.freed.add(address);
    heap.uint8.fill(pattern, address, address + size);
    this.queue.push({ address, size });
    this.bytes += size;
    if (this.bytes > quarantineBytes) this.empty(quarantineBytes / 2);
  }

  /** Gives back what came first, until no more than so many bytes are left. */
  empty(left: number): void {
    let done = 0;
    let written: number | undefined;
    for (; this.bytes > left; done++) {
      const { address, size } = this.queue[done];
      this.bytes -= size;
      if (heap.int32.subarray(address / 4, (address + size) / 4).every(isPattern)) returnBlock(classOf(size), address);
      else written = address;
    }
    this.queue = this.queue.slice(done);
    if (written !== undefined) throw error(`the block at ${written} was written to after its release`);
  }
}

let quarantine: Quarantine | null = null;

/**
 * Switches checks of memory on or off, which cost time: elements that were not set, or whose memory is free, read as NaN (as -1 in integer
 * dtypes), and an error says so when memory is freed twice or written to after that. For finding bugs in Adjoint itself and in programs that
 * read what `empty` gives.
 */
export function setMemoryDebug(enabled: boolean): void {
  if (enabled === isMemoryDebugEnabled()) return;
  quarantine?.empty(0);
  quarantine = enabled ? new Quarantine() : null;
  watchBlocks(quarantine);
}

/** Whether `setMemoryDebug(true)` is in force. */
export const isMemoryDebugEnabled = (): boolean => quarantine !== null;

/** Elements that were not set, of a tensor that is not in linear memory. */
export function poison(array: TypedArray): void {
  if (quarantine) new Uint8Array(array.buffer).fill(pattern);
}
