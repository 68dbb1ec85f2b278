/** The linear memory that all kernels work on: how it is laid out, and where its blocks come from (see blocks.ts). */
import { AdjointError } from '../errors.ts';
import { canShare } from '../host/workers.ts';
import { classBytes, classOf, cutBlock, joinBlocks, returnBlock, takeBlock } from './blocks.ts';
import { maximumPages } from './wasm.ts';

const pageBytes = 65536;

/** Whether other threads can have the memory too. */
export const shared = canShare;

export const memory = new WebAssembly.Memory({ initial: 16, maximum: maximumPages, shared });

/** The memory as typed arrays. Growing replaces them: never keep one across an allocation. */
export const heap = viewsOf(memory.buffer);

function viewsOf(buffer: ArrayBuffer) {
  return {
    float32: new Float32Array(buffer),
    float64: new Float64Array(buffer),
    int64: new BigInt64Array(buffer),
    int32: new Int32Array(buffer),
    int16: new Int16Array(buffer),
    int8: new Int8Array(buffer),
    uint8: new Uint8Array(buffer),
    bool: new Uint8Array(buffer),
  };
}

/** Memory of each thread's own, for kernels to put things aside in: that of the calling thread is at address 0, those of others follow. */
export const scratchBytes = 256;
export const maximumThreads = 64;
/** Where a kernel's descriptor is written before it is called. */
export const descriptor = scratchBytes * maximumThreads;
const descriptorBytes = 8192;
/** So far may a kernel read, but not write, beyond the end of a block. */
export const slack = 64;
/** Slots that stand in for tensors too small to live in linear memory, for the duration of one call. */
export const slotBytes = 64;
export const slots = descriptor + descriptorBytes;
const slotCount = 256;

/** Blocks lie between these. */
const bottom = slots + slotCount * slotBytes;
let top = bottom;

/** Bytes in blocks, as far as they are counted as they come and go; see core/memory-stats.ts for what users see of it. */
export const usage = {
  /** In use, and the most that ever were. */
  bytes: 0,
  peakBytes: 0,
  blocks: 0,
  peakBlocks: 0,
  /** All that were ever handed out. */
  totalBytes: 0,
  totalBlocks: 0,
  /** The memory that has been in use, at most. */
  reserved: bottom,
  /** How often memory came to its end before garbage was looked for everywhere, and how often that did not help. */
  retries: 0,
  failures: 0,
};

/**
 * Called when no free block fits: returns whether it has freed something worth looking at.
 * @param last whether memory cannot grow by so many bytes
 */
let reclaim: (bytes: number, last: boolean) => boolean = () => false;

export function onPressure(callback: typeof reclaim): void {
  reclaim = callback;
}

/** Sees every block that comes and goes: for debugging. */
export interface Watcher {
  allocated(address: number, size: number): void;
  /** The block is the watcher's until it returns it (`returnBlock`). @throws if it may not be released */
  released(address: number, size: number): void;
}
let watcher: Watcher | null = null;

export function watchBlocks(by: Watcher | null): void {
  watcher = by;
}

/** The address of `bytes` bytes, aligned to 16; their content is whatever was there. */
export function allocate(bytes: number): number {
  const c = classOf(bytes);
  const size = classBytes(c);
  const address = takeBlock(c) ?? findBlock(c, size, bytes);
  usage.bytes += size;
  usage.totalBytes += size;
  usage.totalBlocks++;
  if (usage.bytes > usage.peakBytes) usage.peakBytes = usage.bytes;
  if (++usage.blocks > usage.peakBlocks) usage.peakBlocks = usage.blocks;
  if (watcher) watcher.allocated(address, size);
  return address;
}

export function release(address: number, bytes: number): void {
  const c = classOf(bytes);
  const size = classBytes(c);
  if (watcher) watcher.released(address, size);
  else returnBlock(c, address);
  usage.bytes -= size;
  usage.blocks--;
}

/** A block where none of its class is at hand: out of garbage, out of what is free in other classes, or by growing. */
function findBlock(c: number, size: number, bytes: number): number {
  let address = reclaim(size, false) ? takeBlock(c) : undefined;
  address ??= cutBlock(size);
  if (address === undefined && !fits(size) && joiningPays()) {
    join();
    address = cutBlock(size);
  }
  address ??= extend(size);
  if (address !== undefined) return address;
  usage.retries++;
  reclaim(size, true);
  join();
  address = cutBlock(size) ?? extend(size);
  if (address !== undefined) return address;
  usage.failures++;
  throw outOfMemory(bytes);
}

/** What had been handed out when free blocks were last joined. */
let joinedAt = 0;

function join(): void {
  top = joinBlocks(top);
  joinedAt = usage.totalBytes;
}

/** Whether enough lies free, and has changed since the last time, that a new look is worth its price. */
function joiningPays(): boolean {
  const size = top - bottom;
  return size - usage.bytes > size / 4 && usage.totalBytes - joinedAt > size / 8;
}

const fits = (size: number): boolean => top + size + slack <= memory.buffer.byteLength;

/** A block beyond all others, unless memory cannot grow so far. */
function extend(size: number): number | undefined {
  if (!fits(size) && !grow(Math.ceil((top + size + slack - memory.buffer.byteLength) / pageBytes))) return undefined;
  const address = top;
  top += size;
  if (top > usage.reserved) usage.reserved = top;
  return address;
}

/** Grows by so many pages; by an eighth if possible, so that growing stays rare. */
function grow(missing: number): boolean {
  const have = memory.buffer.byteLength / pageBytes;
  for (const pages of [Math.min(Math.max(missing, have >> 3), maximumPages - have), missing]) {
    if (pages < missing) return false;
    try {
      memory.grow(pages);
      Object.assign(heap, viewsOf(memory.buffer));
      return true;
    } catch {}
  }
  return false;
}

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export function outOfMemory(bytes: number): AdjointError {
  const limit = `the ${megabytes(maximumPages * pageBytes)} that a WebAssembly memory with addresses of 32 bits can have`;
  const state =
    bytes < maximumPages * pageBytes
      ? `${megabytes(usage.bytes)} of them are in use, and it has grown to ${megabytes(memory.buffer.byteLength)} so far. ` +
        'Drop references to tensors that are no longer needed (in a browser, await between steps: garbage is only found when the event ' +
        'loop turns), free them early with memoryScope(...), or compute in smaller parts'
      : 'No tensor can be larger than that: compute in smaller parts, or in a dtype of fewer bytes';
  return new AdjointError(
    'memory',
    `out of memory: tried to allocate ${bytes} bytes (${megabytes(bytes)}) out of ${limit}. ${state}.`,
  );
}
