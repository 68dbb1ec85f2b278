/**
 * Random programs: whatever the graph, its gradients are the same whether the run is recorded or not, whether they are returned or
 * accumulated, and they are those of finite differences. Memory that a run has freed is written over before its results are read.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { autograd, full, type Tensor, tensor } from '../../src/index.ts';

/** A step of a program: which operation, and which earlier values it takes. */
interface Step {
  readonly operation: number;
  readonly operands: readonly [number, number];
}

// Matrices of 5 x 5 float64 lie in linear memory, where freed blocks are used again.
const size = 5;

const operations: readonly ((x: Tensor, y: Tensor) => Tensor)[] = [
  (x, y) => x.add(y),
  (x, y) => x.sub(y, { alpha: 0.5 }),
  (x, y) => x.mul(y.tanh()),
  (x) => x.sin(),
  (x) => x.tanh(),
  (x, y) => x.atan2(y.square().add(1)),
  (x) => x.t(),
  (x, y) => x.add(y.select(0, 1)),
  (x) => x.sum(0).expand(size, size).mul(0.3),
  (x, y) => x.mul(y.sum().tanh()),
  (x) => x.reshape(size * size).view(size, size),
  (x) => x.clone(),
  (x, y) => x.clone().mul_(y),
  (x) => x.mul(-0.7).sub_(1).exp_(),
  (x, y) => {
    const z = x.mul(2);
    z.select(0, 2).mul_(y.select(1, 0));
    z.t()
      .narrow(0, 1, 2)
      .add_(y.narrow(0, 3, 2));
    return z;
  },
  (x) => x.unbind(0)[3].unsqueeze(1).expand(size, size).sin(),
  // from here on with kinks, or with parts that are held constant
  (x, y) => {
    const z = x.detach().clone();
    z.select(1, 1).copy_(y.select(0, 0));
    return z;
  },
  (x, y) => x.maximum(y.mul(0.9).add(0.1)),
];

const programs = (count: number): fc.Arbitrary<Step[]> =>
  fc.array(fc.record({ operation: fc.nat(count - 1), operands: fc.tuple(fc.nat(1e6), fc.nat(1e6)) }), {
    minLength: 1,
    maxLength: 14,
  });
const allPrograms = programs(operations.length);
const smoothPrograms = programs(operations.length - 2);

/** The weighted sum of all values of a program. */
function run(program: readonly Step[], leaves: readonly Tensor[], hooked = false): Tensor {
  const values = [...leaves];
  for (const { operation, operands } of program) {
    const [x, y] = operands.map((k) => values[values.length - 1 - (k % Math.min(values.length, 6))]);
    const value = operations[operation](x, y);
    if (hooked && value.requiresGrad) value.registerHook((g) => g.mul(1));
    values.push(value);
  }
  return values.reduce((sum, value, i) => sum.add(value.mul(0.1 * i + 0.2).sum()), tensor(0, { dtype: 'float64' }));
}

const leavesOf = (seeds: readonly number[]): Tensor[] =>
  [0, 1].map((k) =>
    tensor(seeds.slice(k * size * size, (k + 1) * size * size), { dtype: 'float64' })
      .view(size, size)
      .clone()
      .detach()
      .requiresGrad_(),
  );

const numbers = fc.array(
  fc.integer({ min: -999, max: 999 }).map((n) => n / 600),
  { minLength: 2 * size * size, maxLength: 2 * size * size },
);

/** Takes the memory that is free now and writes other numbers into it. */
const overwriteFreed = (): Tensor[] => Array.from({ length: 60 }, () => full([size, size], 777, { dtype: 'float64' }));

const close = (a: Tensor, b: Tensor, what: string): void => {
  const [p, q] = [a, b].map((t) => Array.from(t.toTypedArray(), Number));
  for (const [i, x] of p.entries()) {
    assert.ok(Math.abs(x - q[i]) <= 1e-10 * (1 + Math.abs(q[i])), `${what}: element ${i} is ${x} rather than ${q[i]}`);
  }
};

test('recorded, unrecorded, returned, accumulated and hooked gradients agree', () => {
  fc.assert(
    fc.property(allPrograms, numbers, (program, seeds) => {
      const leaves = leavesOf(seeds);
      const y = run(program, leaves);
      const plain = autograd.grad(y, leaves, { retainGraph: true, materializeGrads: true });
      const inUse = overwriteFreed();
      const recorded = autograd.grad(y, leaves, { createGraph: true, materializeGrads: true });
      y.backward();
      const alsoInUse = overwriteFreed();
      const hooked = autograd.grad(run(program, leaves, true), leaves, { materializeGrads: true });
      for (const [k, leaf] of leaves.entries()) {
        close(plain[k], recorded[k], 'unrecorded');
        if (leaf.grad) close(leaf.grad, recorded[k], 'accumulated');
        close(hooked[k], recorded[k], 'hooked');
      }
      // a second run adds the same again
      run(program, leaves).backward();
      for (const [k, leaf] of leaves.entries()) if (leaf.grad) close(leaf.grad, recorded[k].mul(2), 'added');
      for (const t of [...inUse, ...alsoInUse])
        assert.equal(t.sum().item(), 777 * size * size, 'memory in use was written to');
    }),
    { numRuns: 150 },
  );
});

test('gradients are those of finite differences, along a direction', () => {
  fc.assert(
    fc.property(smoothPrograms, numbers, (program, seeds) => {
      const leaves = leavesOf(seeds);
      const gradients = autograd.grad(run(program, leaves), leaves, { materializeGrads: true });
      const direction = leaves.map((_, k) => full([size, size], k === 0 ? 1 : -0.5, { dtype: 'float64' }));
      const along = gradients.reduce((sum, g, k) => sum + Number(g.mul(direction[k]).sum().item()), 0);
      const h = 1e-5;
      const at = (t: number): number =>
        Number(
          run(
            program,
            leaves.map((leaf, k) => leaf.detach().add(direction[k], { alpha: t })),
          ).item(),
        );
      const [a, b, c, d] = [at(h), at(-h), at(2 * h), at(-2 * h)];
      const difference = (8 * (a - b) - (c - d)) / (12 * h);
      fc.pre(Number.isFinite(difference) && Math.abs(difference) < 1e6 && Math.abs(a) < 1e6);
      assert.ok(
        Math.abs(along - difference) <= 1e-4 * (1 + Math.abs(difference)),
        `${along} rather than ${difference}`,
      );
    }),
    { numRuns: 100 },
  );
});

test('second derivatives are those of finite differences of the first', () => {
  fc.assert(
    fc.property(smoothPrograms, numbers, (program, seeds) => {
      const leaves = leavesOf(seeds);
      const weighted = (at: readonly Tensor[]): Tensor => {
        const gradients = autograd.grad(run(program, at), at, { createGraph: true, materializeGrads: true });
        return gradients.reduce((sum, g, k) => sum.add(g.mul(0.3 + k).sum()), tensor(0, { dtype: 'float64' }));
      };
      const first = weighted(leaves);
      fc.pre(first.requiresGrad);
      const second = autograd.grad(first, leaves, { materializeGrads: true });
      const h = 1e-4;
      const moved = (t: number): Tensor[] => leaves.map((leaf) => leaf.detach().add(t).requiresGrad_());
      const at = (t: number): number => Number(weighted(moved(t)).item());
      const difference = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
      const along = second.reduce((sum, g) => sum + Number(g.sum().item()), 0);
      fc.pre(Number.isFinite(difference) && Math.abs(difference) < 1e5);
      assert.ok(
        Math.abs(along - difference) <= 1e-3 * (1 + Math.abs(difference)),
        `${along} rather than ${difference}`,
      );
    }),
    { numRuns: 60 },
  );
});
