/** Matrix products by the system's BLAS on linear memory. */
import { type Blas, findBlas } from '../host/blas.ts';
import { heap } from './memory.ts';
import { getNumThreads, onThreadCount } from './threads.ts';

let enabled = true;
/** Undefined until it is first looked for. */
let found: Blas | null | undefined;

/**
 * Whether matrix products may be handed to a BLAS of the system where there is one; otherwise they are computed in WebAssembly. The
 * environment variable `ADJOINT_BLAS` says the same before the program starts: `0` for never, or the file of the library to use.
 */
export function setBlasEnabled(on: boolean): void {
  enabled = on;
}

/** The library in use, or null. */
export function currentBlas(): Blas | null {
  if (!enabled) return null;
  if (found === undefined) {
    found = findBlas();
    found?.setNumThreads(getNumThreads());
  }
  return found;
}

onThreadCount((count) => found?.setNumThreads(count));

/** The view of linear memory whose address is known, and that address. */
let view: Uint8Array | null = null;
let origin = 0;

/** Where linear memory begins in the process: it may have moved when it grew. */
export function originFor(blas: Blas): number {
  if (view !== heap.uint8) {
    view = heap.uint8;
    origin = blas.addressOf(view);
  }
  return origin;
}
