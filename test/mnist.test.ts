/** The training run, as a reader starts it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

const root = new URL('.', import.meta.resolve('adjoint/package.json'));

const start = (...args: string[]) => spawn(process.execPath, ['build/examples/mnist.js', ...args], { cwd: root });

test('one epoch reads above 96 % of the test digits', async () => {
  const run = start('--epochs', '1');
  const [printed, complaints] = await Promise.all([text(run.stdout), text(run.stderr)]);
  assert.equal(complaints, '');
  const accuracy = Number(printed.match(/^Test accuracy ([\d.]+) %$/m)?.[1]);
  assert.ok(accuracy > 96, printed);
});

test('an interrupt in the midst of an epoch, even twice, ends it without complaint', {
  skip: process.platform === 'win32' && 'there are no signals on Windows',
}, async () => {
  const run = start();
  run.stdout.on('data', (lines: Buffer) => {
    if (!lines.includes('Epoch 1/3  20 %')) return;
    run.kill('SIGINT');
    run.kill('SIGINT');
  });
  const [printed, complaints, [, signal]] = await Promise.all([text(run.stdout), text(run.stderr), once(run, 'exit')]);
  assert.equal(complaints, '');
  assert.match(printed, /\nStopped\.\n$/);
  assert.doesNotMatch(printed, /Test accuracy/);
  assert.equal(signal, 'SIGINT');
});

test('options that are none are explained', async () => {
  for (const [args, complaint] of [
    [['--epochs', '0'], /^--epochs must be a whole number above 0, got 0\n/],
    [['--rate', '1'], /^Unknown option '--rate'/],
  ] as const) {
    const run = start(...args);
    const [complaints, [code]] = await Promise.all([text(run.stderr), once(run, 'exit')]);
    assert.match(complaints, complaint);
    assert.match(complaints, /--epochs N {2}passes over the training images/);
    assert.equal(code, 1);
  }
});
