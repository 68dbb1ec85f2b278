/** Pointwise operators: the same for every layout and length, near the true value everywhere, and with the derivative of their values. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { autograd, type DType, type Tensor, tensor } from '../../src/index.ts';
import { laid, shapes, strided } from './layouts.ts';

type Unary = (x: Tensor) => Tensor;

/** Functions, their references, and where they are smooth. */
const functions: { [name: string]: [Unary, (x: number) => number, min: number, max: number] } = {
  neg: [(x) => x.neg(), (x) => -x, -1e6, 1e6],
  exp: [(x) => x.exp(), Math.exp, -80, 80],
  expm1: [(x) => x.expm1(), Math.expm1, -20, 20],
  log: [(x) => x.log(), Math.log, 1e-6, 1e6],
  log1p: [(x) => x.log1p(), Math.log1p, -0.99, 1e6],
  log2: [(x) => x.log2(), Math.log2, 1e-6, 1e6],
  log10: [(x) => x.log10(), Math.log10, 1e-6, 1e6],
  sqrt: [(x) => x.sqrt(), Math.sqrt, 1e-6, 1e6],
  rsqrt: [(x) => x.rsqrt(), (x) => 1 / Math.sqrt(x), 1e-6, 1e6],
  reciprocal: [(x) => x.reciprocal(), (x) => 1 / x, 0.01, 100],
  square: [(x) => x.square(), (x) => x * x, -1e3, 1e3],
  sin: [(x) => x.sin(), Math.sin, -1e4, 1e4],
  cos: [(x) => x.cos(), Math.cos, -1e4, 1e4],
  tan: [(x) => x.tan(), Math.tan, -1.5, 1.5],
  asin: [(x) => x.asin(), Math.asin, -0.99, 0.99],
  acos: [(x) => x.acos(), Math.acos, -0.99, 0.99],
  atan: [(x) => x.atan(), Math.atan, -1e3, 1e3],
  sinh: [(x) => x.sinh(), Math.sinh, -20, 20],
  cosh: [(x) => x.cosh(), Math.cosh, -20, 20],
  tanh: [(x) => x.tanh(), Math.tanh, -20, 20],
  asinh: [(x) => x.asinh(), Math.asinh, -1e3, 1e3],
  acosh: [(x) => x.acosh(), Math.acosh, 1.01, 1e3],
  atanh: [(x) => x.atanh(), Math.atanh, -0.99, 0.99],
  sigmoid: [(x) => x.sigmoid(), (x) => 1 / (1 + Math.exp(-x)), -30, 30],
  'pow 2.5': [(x) => x.pow(2.5), (x) => x ** 2.5, 0.01, 100],
  'pow 3': [(x) => x.pow(3), (x) => x ** 3, -100, 100],
};

const between = (min: number, max: number): fc.Arbitrary<number> => fc.double({ min, max, noNaN: true });

for (const [name, [f, reference, min, max]] of Object.entries(functions)) {
  describe(name, () => {
    test('is near the true value in both precisions', () => {
      fc.assert(
        fc.property(fc.array(between(min, max), { minLength: 1, maxLength: 9 }), (numbers) => {
          for (const [dtype, tolerance] of [
            ['float64', 1e-14],
            ['float32', 3e-7],
          ] as const) {
            const x = tensor(numbers, { dtype });
            const inputs = Array.from(x.toTypedArray(), Number);
            const outputs = Array.from(f(x).toTypedArray(), Number);
            for (const [i, input] of inputs.entries()) {
              const expected = reference(input);
              assert.ok(
                Math.abs(outputs[i] - expected) <= tolerance * Math.abs(expected) + 1e-45,
                `${name}(${input}) in ${dtype} is ${outputs[i]}, not ${expected}`,
              );
            }
          }
        }),
      );
    });

    test('has the derivatives of its values', () => {
      fc.assert(
        fc.property(between(min, max), (number) => {
          const h = 1e-4 * Math.max(1, Math.abs(number));
          fc.pre(number - 2 * h > min && number + 2 * h < max);
          const x = tensor(number, { dtype: 'float64', requiresGrad: true });
          const [first] = autograd.grad(f(x), x, { createGraph: true });
          const derivative = (reference(number + h) - reference(number - h)) / (2 * h);
          const third =
            (reference(number + 2 * h) -
              2 * reference(number + h) +
              2 * reference(number - h) -
              reference(number - 2 * h)) /
            (2 * h ** 3);
          // the error of the difference: of its own formula, and of rounding
          const slack =
            Math.abs(third) * h * h + (Math.abs(reference(number)) + Math.abs(derivative * number)) * 1e-10 + 1e-9;
          assert.ok(
            Math.abs(Number(first.item()) - derivative) <= slack,
            `${first.item()} at ${number}, not ${derivative}`,
          );
        }),
        { numRuns: 60 },
      );
    });
  });
}

describe('layouts and lengths', () => {
  test('every length from 0 to 70, so that all tails of the loops are met', () => {
    for (const dtype of ['float32', 'float64', 'int32', 'int64', 'int16', 'uint8'] as DType[]) {
      for (let n = 0; n <= 70; n++) {
        const numbers = Array.from({ length: n }, (_, i) => (i * 7) % 100);
        const x = tensor(numbers, { dtype });
        assert.deepEqual(
          Array.from(x.add(x).toTypedArray(), Number),
          numbers.map((v) => 2 * v),
        );
        assert.deepEqual(Array.from(x.mul(1).toTypedArray(), Number), numbers);
        assert.deepEqual(
          x.gt(50).tolist(),
          numbers.map((v) => v > 50),
        );
      }
    }
  });

  test('any layout gives what a contiguous tensor gives', () => {
    const operations: Unary[] = [
      (x) => x.exp(),
      (x) => x.mul(3),
      (x) => x.gt(1),
      (x) => x.clamp(-1, 2),
      (x) => x.to('float32'),
    ];
    fc.assert(
      fc.property(
        shapes.chain((shape) => laid(shape)),
        fc.constantFrom('float32', 'float64', 'int32'),
        (a, dtype) => {
          const x = strided(a, dtype as DType);
          for (const f of operations) assert.deepEqual(f(x).tolist(), f(x.clone()).tolist());
        },
      ),
    );
  });

  test('in place is out of place', () => {
    fc.assert(
      fc.property(
        shapes.chain((shape) => laid(shape)),
        (a) => {
          const x = strided(a);
          const expected = x.exp().add(1).mul(x).tolist();
          const original = x.clone();
          assert.deepEqual(x.exp_().add_(1).mul_(original).tolist(), expected);
        },
      ),
    );
  });

  test('overlapping reads and writes do not disturb each other', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 2, maxLength: 40 }), (numbers) => {
        const x = tensor(numbers, { dtype: 'float64' });
        const n = numbers.length - 1;
        x.narrow(0, 1, n).add_(x.narrow(0, 0, n));
        const expected = numbers.map((v, i) => (i === 0 ? v : v + numbers[i - 1]));
        assert.deepEqual(x.tolist(), expected);
      }),
    );
  });
});
