/**
 * The linear memory that all kernels work on, and its allocator: blocks in size classes, four to each doubling, with a free list
 * each. A freed block is handed out again for its own class only, so allocation and release are a push and a pop.
 */
import { AdjointError } from '../errors.ts';

const pageBytes = 65536;
const maximumPages = 65536;

export const memory = new WebAssembly.Memory({ initial: 16, maximum: maximumPages });

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

/** Where a kernel's descriptor is written before it is called. */
export const descriptor = 64;
const descriptorBytes = 8192;
/** So far may a kernel read, but not write, beyond the end of a block. */
export const slack = 32;
/** Slots that stand in for tensors too small to live in linear memory, for the duration of one call. */
export const slotBytes = 64;
export const slots = descriptor + descriptorBytes;
const slotCount = 256;

let top = slots + slotCount * slotBytes;
const smallest = 128;
/** Free blocks by size class; the class of a size is the index of the smallest class that holds it. */
const free: number[][] = [];

/** Bytes in class c: 128, 160, 192, 224, 256, 320, ... */
const classBytes = (c: number): number => smallest * 2 ** (c >> 2) * (1 + (c & 3) / 4);

function classOf(bytes: number): number {
  if (bytes <= smallest) return 0;
  const doubling = 31 - Math.clz32(Math.ceil(bytes / smallest) - 1 || 1);
  let c = doubling * 4;
  while (classBytes(c) < bytes) c++;
  return c;
}

export const memoryStats = { allocated: 0, peak: 0, reserved: top };

/** Called when no free block fits, before memory grows by `bytes`: returns whether it has freed something worth looking at. */
let reclaim: (bytes: number) => boolean = () => false;

export function onPressure(callback: (bytes: number) => boolean): void {
  reclaim = callback;
}

/** The address of `bytes` bytes, aligned to 16; their content is whatever was there. */
export function allocate(bytes: number): number {
  const c = classOf(bytes);
  const size = classBytes(c);
  let address = free[c]?.pop();
  if (address === undefined && reclaim(size)) address = free[c]?.pop();
  address ??= extend(size);
  memoryStats.allocated += size;
  if (memoryStats.allocated > memoryStats.peak) memoryStats.peak = memoryStats.allocated;
  return address;
}

export function release(address: number, bytes: number): void {
  const c = classOf(bytes);
  memoryStats.allocated -= classBytes(c);
  (free[c] ??= []).push(address);
}

function extend(size: number): number {
  const end = top + size;
  const missing = Math.ceil((end + slack - memory.buffer.byteLength) / pageBytes);
  if (missing > 0) {
    // Grow by an eighth at least, so that growing stays rare.
    const have = memory.buffer.byteLength / pageBytes;
    const wanted = Math.min(Math.max(missing, have >> 3), maximumPages - have);
    if (wanted < missing || !grow(wanted, missing)) throw outOfMemory(size);
  }
  const address = top;
  top = end;
  memoryStats.reserved = top;
  return address;
}

function grow(wanted: number, missing: number): boolean {
  for (const pages of [wanted, missing]) {
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
  return new AdjointError(
    'memory',
    `out of memory: tried to allocate ${bytes} bytes (${megabytes(bytes)}); ${megabytes(memoryStats.allocated)} are in use ` +
      `of at most ${megabytes(maximumPages * pageBytes)}. Use smaller tensors or drop references to those no longer needed.`,
  );
}
