/** The process in which Adjoint's programs run: the built library, as users get it. */
import * as adjoint from 'adjoint';
import manifest from 'adjoint/package.json' with { type: 'json' };
import { programs } from './rows.ts';
import { serve } from './serve.ts';

// Until the library has threads and says what it runs on.
const { setNumThreads, config } = adjoint as { setNumThreads?: (n: number) => void; config?: () => unknown };
setNumThreads?.(Number(process.env.BENCH_THREADS));

await serve({
  about: {
    version: manifest.version,
    node: process.version,
    threads: setNumThreads ? Number(process.env.BENCH_THREADS) : 1,
    config: config?.(),
  },
  programs,
  read: (x: adjoint.Tensor) => x.toTypedArray() as Float32Array,
});
