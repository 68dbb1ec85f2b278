/**
 * `npm test`: every test, on the oldest and on the newest Node; on a fresh clone, what they need first.
 * `npm test -- test/core/shape.test.ts --test-name-pattern=broadcast`: some files, with options for Node's test runner.
 */
import { build, install, newestNode, oldestNode, programsUnder, run } from './setup.mjs';

await install();
await build();
const { bundle } = await import('./bundle.mjs');
const args = process.argv.slice(2);
const options = args.filter((arg) => arg.startsWith('-'));
const named = args.filter((arg) => !arg.startsWith('-'));
const tests = named.length > 0 ? named : programsUnder('test', '.test.ts');
const bundled = await bundle([...tests, ...programsUnder('examples')]);
const suites = bundled.slice(0, tests.length);

for (const node of [oldestNode, newestNode]) {
  await run(node, ['-p', '"\\nNode " + process.version']);
  await run(node, ['--test', '--enable-source-maps', '--test-reporter=spec', ...options, ...suites]);
}
