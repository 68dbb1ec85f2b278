/**
 * Threads that work on linear memory together. A job is a kernel and a table of parts, each a descriptor with the units of work to do; the
 * calling thread and the workers claim parts one after the other until none is left. So a worker that wakes up late, or is kept from
 * running by other programs, delays nothing but the part that it holds.
 *
 * Workers are started when there is work for them first. Between jobs they look for the next one for a while, then sleep.
 */
import { AdjointError, show } from '../errors.ts';
import { nativeProducts } from '../host/blas.ts';
import { canBlock, canShare, processors, startWorker } from '../host/workers.ts';
import { allocate, descriptor, heap, maximumThreads, memory, scratchBytes } from './memory.ts';
import { type Kernel, type Program, programOf } from './module.ts';

/** What the threads share, in 32-bit words; those that are written often are a cache line apart. */
const word = {
  /** The number of the job above, and of the parts nobody has claimed yet in the lowest 8 bits. */
  claim: 0,
  /** Parts that are done. */
  done: 16,
  /** Workers that sleep and have to be woken. */
  sleeping: 32,
  /** How many workers may take part. */
  workers: 48,
  /** Whether a part has failed. */
  failed: 49,
  /** The kernel of the job: its number, and the bytes to make it of. */
  kernel: 50,
  program: 51,
  programBytes: 52,
  /** How large memory is. */
  pages: 53,
  /** Here begins the table of parts: descriptor, begin, end. */
  parts: 64,
} as const;
type Words = typeof word;

/** Below so many elements nothing is split. */
const leastSteps = 8192;
/** The least work of a part: elements times bytes of code. */
const partCost = 2 ** 24;
const partWords = 3;
const maximumParts = 64;
/** Parts for each thread, so that one that is late has little left to do. */
const partsPerThread = 4;
const partDescriptorBytes = 512;
/**
 * How often a thread looks for what it waits for before it sleeps: for about a millisecond, as between the kernels of a program there is
 * often a tenth of that, and a thread that sleeps takes as long to wake.
 */
const patience = 200000;

interface Shared {
  readonly memory: WebAssembly.Memory;
  /** Where the words begin. */
  readonly base: number;
  readonly index: number;
  /** The address of the worker's scratch memory. */
  readonly scratch: number;
  readonly word: Words;
  readonly patience: number;
}

/** A worker's whole life. It refers to nothing outside of itself: its source is what a worker is given. */
function serve({ memory, base, index, scratch, word, patience }: Shared, native: typeof nativeProducts): void {
  const words = new Int32Array(memory.buffer);
  /** Null for those that cannot be had in this thread, which leaves them to the others. */
  const kernels: (Kernel | null)[] = [];
  const make = (bytes: Uint8Array<ArrayBuffer>): Kernel | null => {
    try {
      if (bytes[0] !== 0) return native(JSON.parse(new TextDecoder().decode(bytes)), memory);
      return new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports.run as Kernel;
    } catch {
      return null;
    }
  };
  for (;;) {
    const claim = Atomics.load(words, base + word.claim);
    const left = claim & 255;
    const [id, program, programBytes] = words.subarray(base + word.kernel, base + word.kernel + 3);
    if (left === 0 || index >= words[base + word.workers] || kernels[id] === null) {
      let looks = 0;
      while (Atomics.load(words, base + word.claim) === claim) {
        if (++looks < patience) continue;
        Atomics.add(words, base + word.sleeping, 1);
        Atomics.wait(words, base + word.claim, claim);
        Atomics.sub(words, base + word.sleeping, 1);
      }
      continue;
    }
    // as long as parts are left, the words are those of this job
    if (Atomics.load(words, base + word.claim) !== claim) continue;
    // a thread may not have heard yet that another has made memory grow
    if (memory.buffer.byteLength !== words[base + word.pages] * 65536) memory.grow(0);
    if (kernels[id] === undefined) {
      // before a part is claimed, which others would wait for
      kernels[id] = make(new Uint8Array(memory.buffer, program, programBytes).slice());
      continue;
    }
    if (Atomics.compareExchange(words, base + word.claim, claim, claim - 1) !== claim) continue;
    try {
      const part = base + word.parts + 3 * (left - 1);
      kernels[id](words[part], words[part + 1], words[part + 2], scratch);
    } catch {
      words[base + word.failed] = 1;
    }
    Atomics.add(words, base + word.done, 1);
    Atomics.notify(words, base + word.done);
  }
}

let threads = canShare ? processors() : 1;

/** How many threads kernels are shared among (torch.get_num_threads): by default as many as the processor has. */
export const getNumThreads = (): number => threads;

/**
 * Shares kernels among so many threads (torch.set_num_threads). Results do not depend on it but for the order in which some sums are
 * added. Where threads cannot share memory, as on a page that is not cross-origin isolated, there is one, whatever is asked for.
 */
export function setNumThreads(count: number): void {
  if (!Number.isInteger(count) || count < 1) {
    throw new AdjointError('argument', `setNumThreads: expected a positive integer, got ${show(count)}`);
  }
  threads = canShare ? Math.min(count, maximumThreads) : 1;
  words[base + word.workers] = threads - 1;
}

/** In 32-bit words. */
const base = allocate(4 * (word.parts + partWords * maximumParts)) >> 2;
const descriptors = allocate(partDescriptorBytes * maximumParts);
/** Memory grows, but what this view shows of it stays. */
const words = heap.int32;
const mayBlock = canShare && canBlock();
let workers = 0;
let jobs = 0;

/** Starts the workers that there have to be, if they have not been started. */
function startWorkers(): void {
  words[base + word.workers] = threads - 1;
  for (; workers < threads - 1; workers++) {
    const own = scratchBytes * (workers + 1);
    startWorker(serve, { memory, base, index: workers, scratch: own, word, patience }, nativeProducts);
  }
}

/**
 * Into how many parts it pays to split so many units of work: another thread is worth waking for some 10 microseconds of it.
 * @param steps about how many elements a unit handles, each by the kernel's code once: the longer that is, the longer it takes
 */
export function partsFor(kernel: Kernel, units: number, steps: number): number {
  if (threads === 1 || units * steps < leastSteps) return 1;
  const program = programOf.get(kernel);
  if (!program) return 1;
  const worthwhile = Math.floor((units * steps * program.bytes) / partCost);
  return Math.max(1, Math.min(units, worthwhile, threads * partsPerThread, maximumParts));
}

/** Where part `p` begins, of `count` into which so many units are split. */
export const beginOf = (p: number, count: number, units: number): number => Math.floor((units * p) / count);

/** A descriptor of part `p`'s own: a copy of the first `count` words of the common one, which are at most 128. */
export function copyDescriptor(p: number, count: number): number {
  const own = descriptors + partDescriptorBytes * p;
  words.copyWithin(own >> 2, descriptor >> 2, (descriptor >> 2) + count);
  return own;
}

/** Says what part `p` of the next job is: units `begin` to `end` of a descriptor. */
export function setPart(p: number, descriptor: number, begin: number, end: number): void {
  const at = base + word.parts + partWords * p;
  words[at] = descriptor;
  words[at + 1] = begin;
  words[at + 2] = end;
}

/** Runs the units 0 to `units` of a descriptor, in parts if that pays; see `partsFor`. */
export function runUnits(kernel: Kernel, descriptor: number, units: number, steps: number): void {
  const count = partsFor(kernel, units, steps);
  if (count === 1) {
    kernel(descriptor, 0, units);
    return;
  }
  for (let p = 0; p < count; p++) setPart(p, descriptor, beginOf(p, count, units), beginOf(p + 1, count, units));
  runParts(kernel, count);
}

/** Runs the first `count` parts that were set, and returns when all are done. */
export function runParts(kernel: Kernel, count: number): void {
  if (count === 1) {
    const at = base + word.parts;
    kernel(words[at], words[at + 1], words[at + 2]);
    return;
  }
  if (workers < threads - 1) startWorkers();
  const program = programOf.get(kernel) as Program;
  words[base + word.kernel] = program.id;
  words[base + word.program] = program.address;
  words[base + word.programBytes] = program.bytes;
  words[base + word.pages] = memory.buffer.byteLength / 65536;
  words[base + word.done] = 0;
  jobs = (jobs + 1) & 0x7fffff;
  Atomics.store(words, base + word.claim, (jobs << 8) | count);
  if (Atomics.load(words, base + word.sleeping) > 0) Atomics.notify(words, base + word.claim);
  claimParts(kernel);
  awaitParts(count);
  if (words[base + word.failed] === 0) return;
  words[base + word.failed] = 0;
  throw new AdjointError('unsupported', 'a kernel failed in one of its threads');
}

function claimParts(kernel: Kernel): void {
  for (;;) {
    const claim = Atomics.load(words, base + word.claim);
    const left = claim & 255;
    if (left === 0) return;
    if (Atomics.compareExchange(words, base + word.claim, claim, claim - 1) !== claim) continue;
    const part = base + word.parts + partWords * (left - 1);
    try {
      kernel(words[part], words[part + 1], words[part + 2]);
    } catch {
      words[base + word.failed] = 1;
    }
    Atomics.add(words, base + word.done, 1);
  }
}

/** Waits for the parts that workers have claimed: they are short, so it is only after a while that this thread blocks. */
function awaitParts(count: number): void {
  for (let looks = 0; ; looks++) {
    const done = Atomics.load(words, base + word.done);
    if (done === count) return;
    if (mayBlock && looks > patience) Atomics.wait(words, base + word.done, done);
  }
}
