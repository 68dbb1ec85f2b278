/**
 * `npm run soak`: a million steps of each program in test/soak, with small and large tensors, on three versions of Node and in Chromium. That
 * takes hours; `npm run soak -- 20000` makes it so many steps.
 */
import { allNodes, install, newestNode, run } from './setup.mjs';

await install();
const { bundle } = await import('./bundle.mjs');
const [steps = '1000000'] = process.argv.slice(2);
const [loops, browser] = await bundle(['test/soak/soak.test.ts', 'test/soak/browser.test.ts']);
const env = { ...process.env, SOAK_STEPS: steps };

for (const [node, suite] of [...allNodes.map((node) => [node, loops]), [newestNode, browser]]) {
  await run(node, ['-p', '"\\nNode " + process.version']);
  await run(node, ['--test', '--enable-source-maps', '--test-reporter=spec', suite], { env });
}
