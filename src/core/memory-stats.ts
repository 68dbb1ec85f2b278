/** What linear memory is used for, in the words of torch.cuda. */
import { usage } from '../kernels/memory.ts';
import { sweeps } from './reclaim.ts';

/** How one quantity stands and how it came to that. */
export interface MemoryStat {
  readonly current: number;
  /** The most since the start, or since `resetPeakMemoryStats()`. */
  readonly peak: number;
  /** All that was ever added ... */
  readonly allocated: number;
  /** ... and taken away. */
  readonly freed: number;
}

/** See `memoryStats`. */
export interface MemoryStats {
  /** Blocks in use. */
  readonly allocation: MemoryStat;
  /** Bytes of these blocks. */
  readonly allocatedBytes: MemoryStat;
  /** Bytes of linear memory that have been used so far: blocks that were freed stay there for the next ones. */
  readonly reservedBytes: MemoryStat;
  /** How often the memory of tensors that are garbage was gathered. */
  readonly numSweeps: number;
  /** How often it was because memory could not grow. */
  readonly numAllocRetries: number;
  /** How often that was not enough, so that the allocation failed. */
  readonly numOoms: number;
}

const stat = (current: number, peak: number, allocated: number): MemoryStat => ({
  current,
  peak,
  allocated,
  freed: allocated - current,
});

/**
 * The state of the memory that tensors lie in (torch.cuda.memory_stats, as nested objects). What belongs to tensors that are garbage
 * counts as allocated until the next sweep finds it. Tensors of at most 64 bytes live with the objects of JavaScript and are not counted.
 */
export function memoryStats(): MemoryStats {
  return {
    allocation: stat(usage.blocks, usage.peakBlocks, usage.totalBlocks),
    allocatedBytes: stat(usage.bytes, usage.peakBytes, usage.totalBytes),
    reservedBytes: stat(usage.reserved, usage.reserved, usage.reserved),
    numSweeps: sweeps.count,
    numAllocRetries: usage.retries,
    numOoms: usage.failures,
  };
}

/** Bytes in use by tensors now (torch.cuda.memory_allocated). */
export const memoryAllocated = (): number => usage.bytes;

/** The most bytes that were ever in use, since the start or since `resetPeakMemoryStats()` (torch.cuda.max_memory_allocated). */
export const maxMemoryAllocated = (): number => usage.peakBytes;

/** Bytes of linear memory used so far, in use or free for the next tensors (torch.cuda.memory_reserved). */
export const memoryReserved = (): number => usage.reserved;

/** Has the peaks start again from what is in use now (torch.cuda.reset_peak_memory_stats). */
export function resetPeakMemoryStats(): void {
  usage.peakBytes = usage.bytes;
  usage.peakBlocks = usage.blocks;
}

const bytePrefixes = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
const countPrefixes = ['', 'K', 'M', 'G'];

function scaled(value: number, factor: number, prefixes: readonly string[]): string {
  let power = 0;
  while (value >= 10_000 && power < prefixes.length - 1) {
    value /= factor;
    power++;
  }
  return `${String(Math.floor(value)).padStart(6)} ${prefixes[power].padEnd(3)}`;
}

/**
 * `memoryStats()` as a table for people to read (torch.cuda.memory_summary).
 * @example console.log(memorySummary());
 */
export function memorySummary(): string {
  const stats = memoryStats();
  const line = (name: string, ...cells: string[]): string => ` ${name.padEnd(18)} | ${cells.join(' | ')} `;
  const row = (name: string, stat: MemoryStat, factor: number, prefixes: readonly string[]): string =>
    line(name, ...[stat.current, stat.peak, stat.allocated, stat.freed].map((v) => scaled(v, factor, prefixes)));
  const rows = [
    line('Metric', 'Cur Usage ', 'Peak Usage', 'Tot Alloc ', 'Tot Freed '),
    row('Allocated memory', stats.allocatedBytes, 1024, bytePrefixes),
    row('Reserved memory', stats.reservedBytes, 1024, bytePrefixes),
    row('Allocations', stats.allocation, 1000, countPrefixes),
  ];
  const width = rows[0].length;
  const wide = (text: string): string => text.padStart((width + text.length) >> 1).padEnd(width);
  const counts = `Sweeps: ${stats.numSweeps} | Retries: ${stats.numAllocRetries} | OOMs: ${stats.numOoms}`;
  const between = (sign: string): string => sign.repeat(width);
  return [
    between('='),
    wide('Memory of Adjoint'),
    between('-'),
    wide(counts),
    between('='),
    ...rows.flatMap((text) => [text, between('-')]).slice(0, -1),
    between('='),
  ]
    .map((text) => `|${text}|`)
    .join('\n');
}
