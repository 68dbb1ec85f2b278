/** Bundles tests and examples for Node into build/, with the operators in files marked 'use tsover' rewritten to calls. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import tsover from 'typescript-tsover/plugin/esbuild';
import { programsUnder, root } from './setup.mjs';

const usesOperators = (file) => /^(['"])use tsover\1/m.test(readFileSync(join(root, file), 'utf8'));

/** Takes paths of TypeScript files relative to the project and returns those of the bundles: `test/a.ts` is `build/test/a.js`. */
export async function bundle(files) {
  rmSync(join(root, 'build'), { recursive: true, force: true });
  const include = programsUnder('examples')
    .filter(usesOperators)
    .map((file) => join(root, file));
  await build({
    absWorkingDir: root,
    entryPoints: files,
    outdir: 'build',
    outbase: '.',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: true,
    logLevel: 'warning',
    plugins: [tsover({ tsconfigPath: join(root, 'tsconfig.tsover.json'), include })],
  });
  return files.map((file) => join('build', file).replace(/\.ts$/, '.js'));
}
