/** Checks of memory find what they are there for. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { empty, isMemoryDebugEnabled, ones, setMemoryDebug, type Tensor, zeros } from '../../src/index.ts';
import { allocate, heap, release } from '../../src/kernels/memory.ts';

describe('with checks of memory', () => {
  const enabled = isMemoryDebugEnabled();
  before(() => setMemoryDebug(true));
  after(() => setMemoryDebug(enabled));

  test('elements that were not set are NaN or -1, however few there are', () => {
    assert.ok(isMemoryDebugEnabled());
    for (const n of [3, 300]) {
      for (const dtype of ['float32', 'float64'] as const) {
        assert.ok(empty([n], { dtype }).isnan().all().item(), `${n} of ${dtype}`);
      }
      for (const dtype of ['int8', 'int32', 'int64'] as const) {
        assert.ok(empty([n], { dtype }).eq(-1).all().item(), `${n} of ${dtype}`);
      }
      assert.equal(zeros(n).sum().item(), 0);
    }
  });

  test('memory that is free reads as NaN, and is not used again soon', () => {
    const address = allocate(400);
    heap.float32.fill(1, address / 4, address / 4 + 100);
    release(address, 400);
    assert.ok(heap.float32.slice(address / 4, address / 4 + 100).every(Number.isNaN));
    const others = Array.from({ length: 20 }, () => allocate(400));
    assert.ok(!others.includes(address));
    for (const other of others) release(other, 400);
  });

  test('releases that cannot be', () => {
    const address = allocate(400);
    assert.throws(() => release(address + 32, 400), { code: 'memory', message: /there is no block at \d+ to release/ });
    assert.throws(() => release(address, 4000), { code: 'memory', message: /released as one of/ });
    release(address, 400);
    assert.throws(() => release(address, 400), { code: 'memory', message: /released twice/ });
  });

  test('writes to memory that is free', () => {
    const address = allocate(400);
    release(address, 400);
    heap.uint8[address + 17] = 0;
    const provoke = (): void => {
      for (let i = 0; i < 200; i++) release(allocate(2 ** 17), 2 ** 17);
    };
    assert.throws(provoke, { code: 'memory', message: /was written to after its release/ });
  });

  test('tensors that are referred to keep their values through many collections', () => {
    const kept: Tensor[] = [];
    for (let i = 0; i < 400; i++) {
      const x = ones(5000).mul(i).view(50, 100);
      if (i % 20 === 0) kept.push(x.t());
    }
    for (const [k, x] of kept.entries())
      assert.ok(
        x
          .eq(20 * k)
          .all()
          .item(),
      );
  });
});
