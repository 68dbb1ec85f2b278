/** The process in which Adjoint's programs run: the built library, as users get it. */
import { config, setNumThreads, type Tensor } from 'adjoint';
import manifest from 'adjoint/package.json' with { type: 'json' };
import { programs } from './rows.ts';
import { serve } from './serve.ts';

setNumThreads(Number(process.env.BENCH_THREADS));

await serve({
  about: { version: manifest.version, node: process.version, ...config() },
  programs,
  read: (x: Tensor) => x.toTypedArray() as Float32Array,
});
