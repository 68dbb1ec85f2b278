/** The methods that tsover calls for operators; programs compiled with it are under examples/. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Operator } from 'tsover-runtime';
import { AdjointError, type Tensor, tensor } from '../../src/index.ts';

const x = tensor([1, 4], { requiresGrad: true });
const cases: [name: string, result: Tensor, values: number[], node: string][] = [
  ['x + 2', x[Operator.plus](x, 2), [3, 6], 'AddBackward0'],
  ['2 + x', x[Operator.plus](2, x), [3, 6], 'AddBackward0'],
  ['x - 2', x[Operator.minus](x, 2), [-1, 2], 'SubBackward0'],
  ['2 - x', x[Operator.minus](2, x), [1, -2], 'RsubBackward1'],
  ['x * 2', x[Operator.star](x, 2), [2, 8], 'MulBackward0'],
  ['2 * x', x[Operator.star](2, x), [2, 8], 'MulBackward0'],
  ['x / 2', x[Operator.slash](x, 2), [0.5, 2], 'DivBackward0'],
  ['2 / x', x[Operator.slash](2, x), [2, 0.5], 'MulBackward0'],
  ['x % 3', x[Operator.percent](x, 3), [1, 1], 'RemainderBackward0'],
  ['x ** 2', x[Operator.starStar](x, 2), [1, 16], 'PowBackward0'],
  ['2 ** x', x[Operator.starStar](2, x), [2, 16], 'PowBackward2'],
  ['x * x', x[Operator.star](x, x), [1, 16], 'MulBackward0'],
  ['x + 1n', x[Operator.plus](x, 1n), [2, 5], 'AddBackward0'],
  ['x + true', x[Operator.plus](x, true), [2, 5], 'AddBackward0'],
];

for (const [name, result, values, node] of cases) {
  test(`${name}: its value and its node are PyTorch's`, () => {
    assert.deepEqual(result.tolist(), values);
    assert.equal(result.gradFn?.name(), node);
  });
}

test('an operand that is neither tensor nor number is left to the language', () => {
  assert.equal((x[Operator.plus] as (a: unknown, b: unknown) => unknown)(x, 'text'), Operator.deferOperation);
});

test('arithmetic outside of tsover is an error, text is not', () => {
  assert.equal(`${tensor(2)}`, 'tensor(2.)');
  assert.throws(
    () => Number(x),
    (error) =>
      error instanceof AdjointError && error.code === 'argument' && /a Tensor is no number/.test(error.message),
  );
});
