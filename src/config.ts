/** What the library works with on this machine. */
import { widens } from './host/wide.ts';
import { currentBlas } from './kernels/blas.ts';
import { relaxedSimd } from './kernels/features.ts';
import { shared } from './kernels/memory.ts';
import { getNumThreads } from './kernels/threads.ts';

/** See `config`. */
export interface Config {
  /** The BLAS that matrix products are handed to, as it names itself, or null: they are computed in WebAssembly. */
  readonly blas: string | null;
  /** How many threads kernels are shared among. */
  readonly threads: number;
  /** Whether threads can share memory: in Node, and on pages that are cross-origin isolated. */
  readonly sharedMemory: boolean;
  /** Whether the engine has relaxed SIMD: its fused multiply-add makes matrix products in WebAssembly half as fast again. */
  readonly fusedMultiplyAdd: boolean;
  /**
   * Whether the engine joins pairs of 128-bit instructions to vectors of 256 bits where the processor has them (Node from 24 on, on x64). The
   * environment variable `ADJOINT_VECTORS=128` does without.
   */
  readonly wideVectors: boolean;
}

/**
 * What the library found to work with (torch.__config__.show): print it to see whether a BLAS is in use. `setBlasEnabled` and
 * `setNumThreads` change it.
 */
export const config = (): Config => ({
  blas: currentBlas()?.name ?? null,
  threads: getNumThreads(),
  sharedMemory: shared,
  fusedMultiplyAdd: relaxedSimd,
  wideVectors: widens,
});
