/** The examples in the READMEs run and print what they say. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const root = new URL('.', import.meta.resolve('adjoint/package.json'));

const examplesIn = (file: string): string[] =>
  [...readFileSync(new URL(file, root), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);

/** The last bits of a sum differ between processors, and with them whether a number prints as `32.` or as `32.0000`. */
const rounded = (text: string): string => text.replace(/\.0+\b/g, '.').trim();

test('the ten lines', () => {
  const [code] = examplesIn('README.md');
  const comment = code.match(/^\/\/ (.*)$/m)?.[1];
  assert.ok(comment, 'the example says what it prints');
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: root,
    encoding: 'utf8',
  });
  assert.equal(rounded(printed), rounded(comment));
});

test('both READMEs have the same examples', () => {
  assert.deepEqual(examplesIn('README.ko.md'), examplesIn('README.md'));
});
