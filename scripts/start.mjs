/**
 * `npm start`: the tutorial, then one epoch of training on handwritten digits; on a fresh clone, what they need first.
 * `npm start tutorial.ko`, `npm start -- mnist --epochs 3`: one of the examples, with its options.
 */
import { build, install, newestNode, run } from './setup.mjs';

const [named, ...options] = process.argv.slice(2);
const programs = named ? [[named, ...options]] : [['tutorial'], ['mnist', '--epochs', '1']];

await install();
await build();
const { bundle } = await import('./bundle.mjs');
const bundled = await bundle(programs.map(([name]) => `examples/${name}.ts`));
for (const [i, [, ...args]] of programs.entries()) await run(newestNode, [bundled[i], ...args]);
