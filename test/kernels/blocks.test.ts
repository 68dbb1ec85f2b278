/** Blocks of linear memory: none overlap, and what is free of one size serves for others before memory grows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { setMemoryDebug } from '../../src/core/poison.ts';
import { classBytes, classOf } from '../../src/kernels/blocks.ts';
import { allocate, release, usage } from '../../src/kernels/memory.ts';

const megabyte = 2 ** 20;
// these count blocks, and checks of memory keep some back
setMemoryDebug(false);
const { blocks, bytes: used } = usage;

test('the class of a size is the smallest that holds it, and wastes at most a quarter', () => {
  for (const bytes of [0, 1, 127, 128, 129, 160, 161, 2 ** 20, 2 ** 20 + 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32]) {
    const c = classOf(bytes);
    assert.ok(classBytes(c) >= bytes);
    if (c > 0) assert.ok(classBytes(c - 1) < bytes && classBytes(c) <= 1.25 * bytes, `${bytes}`);
  }
});

test('blocks in use never overlap, in whatever order sizes come and go', () => {
  const step = fc.record({ bytes: fc.integer({ min: 65, max: 300_000 }), drop: fc.nat(), keep: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const live: { address: number; bytes: number }[] = [];
      for (const { bytes, drop, keep } of steps) {
        const address = allocate(bytes);
        assert.equal(address % 16, 0);
        for (const other of live) assert.ok(address + bytes <= other.address || other.address + other.bytes <= address);
        live.push({ address, bytes });
        if (keep) continue;
        const [gone] = live.splice(drop % live.length, 1);
        release(gone.address, gone.bytes);
      }
      for (const { address, bytes } of live) release(address, bytes);
    }),
    { numRuns: 30 },
  );
  assert.equal(usage.blocks, blocks);
  assert.equal(usage.bytes, used);
});

test('memory does not grow by what another size has left behind', () => {
  const before = usage.reserved;
  for (let kilobytes = 100; kilobytes <= 40_000; kilobytes *= 1.3) {
    const bytes = Math.round(kilobytes * 1024);
    const blocks = Array.from({ length: Math.ceil((80 * megabyte) / bytes) }, () => allocate(bytes));
    for (const address of blocks) release(address, bytes);
  }
  const grown = (usage.reserved - before) / megabyte;
  assert.ok(grown < 180, `${grown} MB for 80 to 120 in use at once, in 24 sizes`);
});

test('the whole of memory can change hands', () => {
  const part = 100 * megabyte;
  const halves: number[] = [];
  for (let i = 0; i < 30; i++) halves.push(allocate(part));
  for (const address of halves) release(address, part);
  const whole = 3000 * megabyte;
  release(allocate(whole), whole);
  assert.equal(usage.failures, 0);
  assert.throws(
    () => allocate(2 ** 32),
    /out of memory: tried to allocate 4294967296 bytes .* No tensor can be larger/,
  );
  assert.equal(usage.failures, 1);
  assert.equal(usage.bytes, used);
  const small = allocate(100);
  release(small, 100);
});
