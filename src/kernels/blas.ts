/** Matrix products by the system's BLAS on linear memory. */
import { type Blas, findBlas, from, type NativeProducts, nativeProducts } from '../host/blas.ts';
import { gemmWord } from './gemm.ts';
import { memory } from './memory.ts';
import { type Kernel, shareProgram } from './module.ts';

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
  if (found === undefined) found = findBlas();
  return found;
}

/** Rows in a unit of work: a multiple of what the libraries compute at once. */
export const blasRows = 16;

const kernels: Partial<Record<NativeProducts['type'], Kernel>> = {};

/** The kernel that hands products of `type`, described as for that of gemm.ts, to a library. */
export function blasKernel({ file }: Blas, type: NativeProducts['type']): Kernel {
  const made = kernels[type];
  if (made) return made;
  const setup: NativeProducts = { from, file, type, unitRows: blasRows, word: gemmWord };
  const kernel = nativeProducts(setup, memory);
  shareProgram(kernel, new TextEncoder().encode(JSON.stringify(setup)));
  kernels[type] = kernel;
  return kernel;
}
