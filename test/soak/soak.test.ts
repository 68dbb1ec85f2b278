/**
 * Nothing to dispose of: loops that never yield stay within a bound that is small next to what they allocate. A short run is part of the
 * tests; `npm run soak` makes it a million steps of each.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isMemoryDebugEnabled, memoryReserved } from '../../src/index.ts';
import { programs, sizes } from './programs.ts';

const megabyte = 2 ** 20;
// checks of memory make every step slow
const fewer = isMemoryDebugEnabled() ? 20 : 1;
const steps = (n: number): number => Number(process.env.SOAK_STEPS ?? Math.min(5000, 40_000_000 / n) / fewer);
/** Linear memory, in all; and what is resident, of which the host's own heap is the greater part. */
const bounds = { reserved: 250 * megabyte, resident: 768 * megabyte };
const before = process.memoryUsage.rss();

for (const [name, program] of Object.entries(programs)) {
  describe(name, () => {
    for (const n of sizes) {
      test(`with ${n} elements`, (t) => {
        const { step, check } = program(n);
        const count = steps(n);
        let resident = 0;
        for (let i = 0; i < count; i++) {
          step(i);
          if (i % 1024 === 0 || i === count - 1) resident = Math.max(resident, process.memoryUsage.rss() - before);
        }
        check();
        const reserved = memoryReserved();
        t.diagnostic(`${count} steps: ${reserved / megabyte} MB reserved, ${resident / megabyte} MB resident`);
        assert.ok(reserved < bounds.reserved, `${reserved / megabyte} MB of linear memory`);
        assert.ok(resident < bounds.resident, `${resident / megabyte} MB resident`);
      });
    }
  });
}
