/** `npm start`: the tutorial, then one epoch of training on handwritten digits; on a fresh clone, what they need first. */
import { build, install, newestNode, run } from './setup.mjs';

await install();
await build();
const { bundle } = await import('./bundle.mjs');
await bundle(['examples/tutorial.ts', 'examples/mnist.ts']);
await run(newestNode, ['build/examples/tutorial.js']);
await run(newestNode, ['build/examples/mnist.js', '--epochs', '1']);
