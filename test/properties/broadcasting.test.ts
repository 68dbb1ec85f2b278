/** Broadcasting: what it computes, whatever the shapes and layouts, and where it sends gradients. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { add, autograd, mul, type Tensor } from '../../src/index.ts';
import { broadcastable, dense, type Laid, laid, strided } from './layouts.ts';

const pairs = broadcastable.chain(({ a, b, full }) => fc.record({ a: laid(a), b: laid(b), full: fc.constant(full) }));

/** The element of a laid tensor that position `index` of a broadcast result reads. */
function read({ shape, elements }: Laid, index: readonly number[]): number {
  let position = 0;
  for (const [d, size] of shape.entries()) {
    position = position * size + (size === 1 ? 0 : index[index.length - shape.length + d]);
  }
  return elements[position];
}

/** Every index of a shape, in row-major order. */
function indicesOf(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (prefixes, size) => prefixes.flatMap((prefix) => Array.from({ length: size }, (_, i) => [...prefix, i])),
    [[]],
  );
}

const operations: { [name: string]: [(x: Tensor, y: Tensor) => Tensor, (x: number, y: number) => number] } = {
  add: [add, (x, y) => x + y],
  mul: [mul, (x, y) => x * y],
  sub: [(x, y) => x.sub(y), (x, y) => x - y],
  maximum: [(x, y) => x.maximum(y), Math.max],
  lt: [(x, y) => x.lt(y), (x, y) => Number(x < y)],
};

describe('broadcasting', () => {
  for (const [name, [operation, reference]] of Object.entries(operations)) {
    test(`${name}: each element is made of the elements that its index stands for`, () => {
      fc.assert(
        fc.property(pairs, ({ a, b, full }) => {
          const result = operation(strided(a), strided(b));
          assert.deepEqual([...result.shape], full);
          const expected = indicesOf(full).map((index) => reference(read(a, index), read(b, index)));
          assert.deepEqual(Array.from(result.toTypedArray(), Number), expected);
        }),
        { numRuns: 150 },
      );
    });
  }

  test('does not depend on the layout of the operands', () => {
    fc.assert(
      fc.property(pairs, ({ a, b }) => {
        const expected = dense(a).mul(dense(b)).tolist();
        assert.deepEqual(strided(a).mul(dense(b)).tolist(), expected);
        assert.deepEqual(dense(a).mul(strided(b)).tolist(), expected);
        assert.deepEqual(strided(a).mul(strided(b)).tolist(), expected);
      }),
    );
  });

  test('is what expanding first gives', () => {
    fc.assert(
      fc.property(pairs, ({ a, b, full }) => {
        const expanded = strided(a).expand(full).add(strided(b).expand(full));
        assert.deepEqual(strided(a).add(strided(b)).tolist(), expanded.tolist());
      }),
    );
  });

  test('writes in place give the same, into any layout', () => {
    const fitting = broadcastable
      .filter(({ a, full }) => a.length === full.length && a.every((size, d) => size === full[d]))
      .chain(({ a, b }) => fc.record({ a: laid(a), b: laid(b) }));
    fc.assert(
      fc.property(fitting, ({ a, b }) => {
        const expected = dense(a).mul(dense(b)).tolist();
        const target = strided(a);
        assert.equal(target.mul_(strided(b)), target);
        assert.deepEqual(target.tolist(), expected);
      }),
    );
  });

  test('a write in place leaves what lies between the elements alone', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }).chain((shape) => laid(shape)),
        (a) => {
          const target = strided(a);
          const memory = Array.from(target.storage.elements(), Number);
          target.add_(1);
          const after = Array.from(target.storage.elements(), Number);
          const changed = after.filter((x, i) => x !== memory[i]).length;
          assert.equal(changed, target.numel());
        },
      ),
    );
  });

  test('gradients have the shapes of the operands, and are sums over what was broadcast', () => {
    fc.assert(
      fc.property(pairs, ({ a, b, full }) => {
        const x = strided(a).detach().requiresGrad_();
        const y = strided(b).detach().requiresGrad_();
        const product = x.mul(y);
        const weights = dense({ ...a, shape: full, elements: indicesOf(full).map((_, i) => (i % 5) - 2) });
        const [gx, gy] = autograd.grad(product, [x, y], { gradOutputs: weights });
        const gradient = (of: Laid, other: Laid): number[] => {
          const sums = new Array<number>(of.elements.length).fill(0);
          const places = { ...of, elements: [...of.elements.keys()] };
          for (const [i, index] of indicesOf(full).entries())
            sums[read(places, index)] += ((i % 5) - 2) * read(other, index);
          return sums;
        };
        assert.deepEqual([...gx.shape], [...a.shape]);
        assert.deepEqual([...gy.shape], [...b.shape]);
        // adding 0 makes -0 and 0 the same
        assert.deepEqual(gx.add(0).toTypedArray(), Float64Array.from(gradient(a, b)));
        assert.deepEqual(gy.add(0).toTypedArray(), Float64Array.from(gradient(b, a)));
      }),
    );
  });
});
