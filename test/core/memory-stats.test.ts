/** What memory is used for, as users see it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  maxMemoryAllocated,
  memoryAllocated,
  memoryReserved,
  memoryScope,
  memoryStats,
  memorySummary,
  ones,
  resetPeakMemoryStats,
} from '../../src/index.ts';

test('what comes and goes is counted', () => {
  memoryScope(() => ones(1000).sum().item()); // kernels have memory of their own
  resetPeakMemoryStats();
  const before = memoryStats();
  assert.equal(before.allocatedBytes.peak, before.allocatedBytes.current);
  memoryScope(() => {
    const x = ones(1000);
    ones(16); // lies with the objects of JavaScript
    assert.equal(memoryAllocated() - before.allocatedBytes.current, 4096);
    assert.equal(x.sum().item(), 1000);
  });
  const { allocation, allocatedBytes, reservedBytes } = memoryStats();
  assert.equal(allocatedBytes.current, before.allocatedBytes.current);
  assert.equal(allocatedBytes.peak - before.allocatedBytes.peak, 4096);
  assert.equal(maxMemoryAllocated(), allocatedBytes.peak);
  assert.equal(allocatedBytes.allocated - before.allocatedBytes.allocated, 4096);
  assert.equal(allocatedBytes.freed - before.allocatedBytes.freed, 4096);
  assert.equal(allocation.allocated - before.allocation.allocated, 1);
  assert.equal(allocation.current, before.allocation.current);
  assert.equal(reservedBytes.current, memoryReserved());
  assert.ok(reservedBytes.current >= allocatedBytes.peak);
  resetPeakMemoryStats();
  assert.equal(maxMemoryAllocated(), memoryAllocated());
});

test('the summary says the same in a table', () => {
  const kept = ones(300_000);
  const lines = memorySummary().split('\n');
  assert.equal(new Set(lines.map((line) => line.length)).size, 1);
  const cells = (name: string): string[] => {
    const line = lines.find((text) => text.includes(name)) as string;
    return line
      .split('|')
      .slice(2, -1)
      .map((cell) => cell.trim());
  };
  const { current } = memoryStats().allocation;
  assert.equal(cells('Allocations')[0], String(current));
  assert.match(cells('Allocated memory')[0], /^\d+ KiB$/);
  assert.equal(Number.parseInt(cells('Allocated memory')[0], 10), Math.floor(memoryAllocated() / 1024));
  assert.equal(kept.numel(), 300_000);
});
