/** Nothing to dispose of: memory in synchronous loops, and what must not be reclaimed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdjointError } from '../../src/errors.ts';
import { empty, isMemoryDebugEnabled, memoryStats, ones, type Tensor, tensor, zeros } from '../../src/index.ts';
import { usage } from '../../src/kernels/memory.ts';

const megabyte = 2 ** 20;
// checks of memory make every step slow
const many = isMemoryDebugEnabled() ? 50 : 1000;

test('a synchronous loop of forwards and backwards stays within a bound', () => {
  const w = ones(250_000, { requiresGrad: true });
  const before = usage.reserved;
  // 3 GB in all
  for (let i = 0; i < many; i++) {
    w.grad = null;
    w.mul(2).exp().tanh().backward(w.detach());
  }
  assert.ok(usage.reserved - before < 300 * megabyte, `grew by ${(usage.reserved - before) / megabyte} MB`);
});

test('graphs that are dropped without a backward are reclaimed', () => {
  const w = ones(250_000, { requiresGrad: true });
  const before = usage.reserved;
  for (let i = 0; i < many; i++) w.mul(2).exp();
  assert.ok(usage.reserved - before < 300 * megabyte);
});

test('tensors that are still referred to keep their values while others come and go', () => {
  const kept: Tensor[] = [];
  const views: Tensor[] = [];
  for (let i = 0; i < 2 * many; i++) {
    const t = ones(100_000).mul(i);
    if (i % 100 === 0) kept.push(t);
    if (i % 100 === 50) views.push(t.view(100, 1000).t());
  }
  for (const [k, t] of kept.entries()) {
    assert.ok(t.toTypedArray().every((v) => v === k * 100));
  }
  for (const [k, t] of views.entries()) {
    assert.ok(t.toTypedArray().every((v) => v === k * 100 + 50));
  }
});

test('gradients that a hook, a leaf or the caller was given outlive the backward that made them', () => {
  const n = 1000;
  const x = ones(n, { requiresGrad: true });
  const y = x.mul(3);
  const seen: Tensor[] = [];
  y.registerHook((g) => void seen.push(g));
  y.mul(x).backward(ones(n).mul(2));
  // memory that was freed too early would be taken by these
  const noise = Array.from({ length: 50 }, () => ones(n).mul(-7));
  assert.ok(seen[0].toTypedArray().every((v) => v === 2));
  assert.ok((x.grad as Tensor).toTypedArray().every((v) => v === 12));
  assert.equal(noise.length, 50);
});

test('a throw in the middle of a backward leaves nothing allocated for good', () => {
  const x = ones(100_000, { requiresGrad: true });
  const before = usage.reserved;
  for (let i = 0; i < many / 2; i++) {
    const y = x.mul(2).exp();
    y.registerHook(() => {
      throw new Error('stop');
    });
    assert.throws(() => y.tanh().backward(x.detach()), /stop/);
  }
  assert.ok(usage.reserved - before < 300 * megabyte);
});

test('at the end of memory garbage is looked for once more before giving up', {
  skip: isMemoryDebugEnabled() && 'it would fill gigabytes',
}, () => {
  const size = 2 ** 24;
  const kept = Array.from({ length: 45 }, () => empty(size));
  for (let i = 0; i < 60; i++) empty(size);
  assert.equal(memoryStats().numOoms, 0);
  assert.throws(
    () => {
      for (;;) kept.push(empty(size));
    },
    { code: 'memory', message: /^out of memory: tried to allocate 67108864 bytes .* of them are in use/ },
  );
  assert.equal(memoryStats().numOoms, 1);
  assert.ok(kept.length > 60);
  kept.length = 0;
  assert.equal(empty(size).numel(), size);
});

test('too large a tensor is an error that says how much was asked for, and changes nothing', () => {
  const { bytes } = usage;
  assert.throws(
    () => zeros(100_000, 100_000),
    (error) => error instanceof AdjointError && error.code === 'memory' && /40000000000 bytes/.test(error.message),
  );
  assert.equal(usage.bytes, bytes);
  assert.equal(tensor([1, 2]).add(1).toString(), 'tensor([2., 3.])');
});
