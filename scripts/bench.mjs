/**
 * `npm run bench`: Adjoint and other libraries, in turn; on a fresh clone, what it needs first.
 * `npm run bench -- --quick 'matmul-*'`: some rows, with options; `--help` lists them.
 */
import { build, install, newestNode, run } from './setup.mjs';

await install();
await build();
const { build: bundle } = await import('esbuild');
const options = { bundle: true, format: 'esm', platform: 'node', packages: 'external', logLevel: 'warning' };
// Compiled first: what Node needs to read TypeScript itself would be measured as memory of the libraries.
await bundle({ ...options, entryPoints: ['bench/bench.ts', 'bench/adjoint.ts'], outdir: 'bench/build' });
await bundle({
  ...options,
  entryPoints: ['bench/peers/jax-js.mjs', 'bench/peers/tfjs.mjs'],
  outdir: 'bench/peers/build',
});
await run(newestNode, ['bench/build/bench.js', ...process.argv.slice(2)]);
