/**
 * `npm test`: every test, on the oldest and on the newest Node, and on the newest once more with checks of memory; on a fresh clone, what
 * they need first.
 * `npm test -- test/core/shape.test.ts --test-name-pattern=broadcast`: some files, with options for Node's test runner.
 */
import { dirname } from 'node:path';
import { build, install, newestNode, oldestNode, programsUnder, run } from './setup.mjs';

await install();
await build();
const { bundle } = await import('./bundle.mjs');
const args = process.argv.slice(2);
const options = args.filter((arg) => arg.startsWith('-'));
const named = args.filter((arg) => !arg.startsWith('-'));
const tests = named.length > 0 ? named : programsUnder('test', '.test.ts');
const poison = 'test/poison.ts';
const bundled = await bundle([...tests, poison, ...programsUnder('examples')]);
const suites = bundled.slice(0, tests.length);
// those that lie in no folder start programs of their own
const poisoned = suites.filter((_, i) => dirname(tests[i]) !== 'test');

for (const [node, note, files, extra] of [
  [oldestNode, '', suites, []],
  [newestNode, '', suites, []],
  [newestNode, ', with checks of memory', poisoned, ['--import', `./${bundled[tests.length]}`]],
]) {
  if (files.length === 0) continue;
  await run(node, ['-p', `"\\nNode " + process.version + "${note}"`]);
  await run(node, ['--test', '--enable-source-maps', '--test-reporter=spec', ...extra, ...options, ...files]);
}
