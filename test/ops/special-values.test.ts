import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { AdjointError } from '../../src/errors.ts';
import { allclose, autograd, equal, heaviside, isclose, ones, type Tensor, tensor } from '../../src/index.ts';

interface Call {
  call: string;
  output: string[];
  gradients: string[][] | null;
}
const recording: { values: string[]; calls: Call[] } = JSON.parse(readFileSync('test/ops/special-values.json', 'utf8'));

const number = (text: string): number => Number(text.replace('inf', 'Infinity'));
const values = recording.values.map(number);
const camelCase = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

describe('functions of zeros, infinities and NaN as in PyTorch', () => {
  for (const { call, output, gradients } of recording.calls) {
    test(call, () => {
      const leaf = (data: number[]): Tensor => tensor(Float64Array.from(data)).requiresGrad_();
      const inputs =
        output.length === values.length
          ? [leaf(values)]
          : [leaf(values.flatMap((v) => values.map(() => v))), leaf(values.flatMap(() => values))];
      const check = (actual: Tensor, expected: string[], what: string, signs: boolean): void => {
        const own = Array.from(actual.toTypedArray(), Number);
        expected.map(number).forEach((value, i) => {
          const same = Object.is(own[i], value) || (!signs && own[i] === value);
          const near = Math.abs(own[i] - value) <= 1e-14 * Math.abs(value);
          const at = inputs.map((x) => x.toTypedArray()[i]).join(', ');
          assert.ok(same || (near && value !== 0), `${what} at (${at}) is ${own[i]}, not ${value}`);
        });
      };
      const out = inputs[0][camelCase(call) as 'fmax'](inputs[1]);
      // which of two zeros is the greater is up to the C library
      check(out, output, 'the value', call !== 'fmax' && call !== 'fmin');
      assert.equal(out.requiresGrad, gradients !== null);
      if (!gradients) return;
      const found = autograd.grad(out.sum(), inputs) as Tensor[];
      gradients.forEach((expected, k) => {
        check(found[k], expected, `derivative ${k}`, false);
      });
    });
  }
});

describe('tensors compared', () => {
  const x = tensor([1, Number.POSITIVE_INFINITY, Number.NaN]);
  test('up to rounding', () => {
    assert.deepEqual(isclose(x, x).tolist(), [true, true, false]);
    assert.deepEqual(x.isclose(x.add(0.5), { atol: 1, equalNan: true }).tolist(), [true, true, true]);
    assert.deepEqual(isclose(tensor([100]), tensor([101]), 0.01).tolist(), [true]);
    assert.deepEqual(isclose(tensor([101]), tensor([100]), 0.0099).tolist(), [false]);
    assert.deepEqual(isclose(tensor([1n, 2n]), tensor([1n, 3n])).tolist(), [true, false]);
    assert.equal(allclose(ones(2, 2), ones(2).mul(1 + 1e-6)), true);
    assert.equal(ones(2).allclose(ones(2).mul(1.1)), false);
  });

  test('as a whole', () => {
    assert.equal(equal(ones(2, 3), ones(2, 3)), true);
    assert.equal(ones(2, 3).equal(ones(3)), false);
    assert.equal(equal(x, x), false);
    assert.equal(equal(ones(0), ones(0)), true);
  });

  test('that cannot be', () => {
    const cases: [() => unknown, string, RegExp][] = [
      [() => isclose(x, x.double()), 'dtype', /float32 did not match float64/],
      [() => isclose(x, x, -1), 'argument', /must not be negative/],
      [() => isclose(x, 1 as never), 'argument', /isclose: other: expected a Tensor, got 1/],
      [() => equal(x, [1] as never), 'argument', /equal: other: expected a Tensor/],
      [() => heaviside(x, x.double()), 'dtype', /different dtypes, got float32 and float64/],
    ];
    for (const [call, code, message] of cases) {
      assert.throws(
        call,
        (error) => error instanceof AdjointError && error.code === code && message.test(error.message),
      );
    }
  });
});

test('in place', () => {
  for (const name of ['sgn', 'sinc', 'deg2rad', 'rad2deg'] as const) {
    const x = tensor([-1, 0, 0.5]);
    const expected = x[name]().tolist();
    assert.equal(x[`${name}_`](), x);
    assert.deepEqual(x.tolist(), expected, name);
  }
  for (const name of ['xlogy', 'copysign', 'ldexp', 'heaviside', 'trueDivide'] as const) {
    const x = tensor([-1, 0, 0.5]);
    const other = tensor([2, -3, 4]);
    const expected = x[name](other).tolist();
    assert.equal(x[`${name}_`](other), x);
    assert.deepEqual(x.tolist(), expected, name);
  }
});
