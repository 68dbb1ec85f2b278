/** A single element, which is computed as a number, comes out as it does among many. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DType, nn, type Tensor, tensor, where } from '../../src/index.ts';

const values: Partial<Record<DType, readonly number[]>> = {
  float32: [0, -0, 1, -1, 0.1, -2.5, 3, 1e-40, 1e30, -90, Number.NaN, Number.POSITIVE_INFINITY],
  float64: [0, -0, 1, -1, 0.1, -2.5, 3, 1e-310, 1e300, -800, Number.NaN, Number.NEGATIVE_INFINITY],
  int64: [0, 1, -1, 7, -128, 2 ** 31],
  int32: [0, 1, -1, 7, -128, 2 ** 31 - 1],
  int16: [0, 1, -1, 7, -128, 2 ** 15 - 1],
  int8: [0, 1, -1, 7, -128, 127],
  uint8: [0, 1, 2, 7, 200, 255],
  bool: [0, 1],
};

const unary: Record<string, (x: Tensor) => Tensor> = {
  neg: (x) => (x.dtype === 'bool' ? x : x.neg()),
  exp: (x) => x.exp(),
  tanh: (x) => x.tanh(),
  sigmoid: (x) => x.sigmoid(),
  log: (x) => x.log(),
  sin: (x) => x.sin(),
  sqrt: (x) => x.sqrt(),
  square: (x) => x.square(),
  relu: (x) => (x.dtype === 'bool' ? x : x.relu()),
  gelu: (x) => (x.isFloatingPoint() ? nn.functional.gelu(x) : x),
  positive: (x) => x.gt(0),
  half: (x) => x.mul(0.5),
  clamp: (x) => (x.dtype === 'bool' ? x : x.clamp(-2, 2)),
  logicalNot: (x) => x.logicalNot(),
};

const binary: Record<string, (x: Tensor, y: Tensor) => Tensor> = {
  add: (x, y) => x.add(y),
  mul: (x, y) => x.mul(y),
  div: (x, y) => x.div(y),
  pow: (x, y) => (x.isFloatingPoint() ? x.pow(y) : x),
  maximum: (x, y) => x.maximum(y),
  eq: (x, y) => x.eq(y),
  where: (x, y) => where(x.gt(y), x, y),
  atan2: (x, y) => x.atan2(y),
};

/** The elements of the result for all numbers at once, and for each number on its own. */
function check(numbers: readonly number[], dtype: DType, compute: (x: Tensor) => Tensor): void {
  const make = (data: number | readonly number[]): Tensor => tensor(data as number[], { dtype: 'float64' }).to(dtype);
  const among = compute(make(numbers)).toTypedArray();
  numbers.forEach((number, i) => {
    const [alone] = compute(make(number)).toTypedArray();
    assert.ok(Object.is(alone, among[i]), `of ${number}: ${alone} alone, ${among[i]} among others`);
  });
}

for (const [dtype, numbers] of Object.entries(values) as [DType, readonly number[]][]) {
  for (const [name, f] of Object.entries(unary)) test(`${name} of ${dtype}`, () => check(numbers, dtype, f));
  for (const [name, f] of Object.entries(binary)) {
    test(`${name} of ${dtype}`, () => {
      for (const other of numbers) {
        const y = tensor(other, { dtype: 'float64' }).to(dtype);
        check(numbers, dtype, (x) => f(x, x.ndim === 0 ? y : y.expand(x.shape).clone()));
      }
    });
  }
}

test('single elements of different dtypes', () => {
  const half = tensor(0.5);
  assert.equal(half.mul(tensor(3, { dtype: 'int32' })).item(), 1.5);
  assert.equal(half.add(tensor(true)).item(), 1.5);
  assert.equal(half.to('float64').add(half).dtype, 'float64');
  assert.equal(tensor(2n).mul(half).item(), 1);
  assert.equal(tensor([1, 2, 3])[Symbol.iterator]().next().value?.add(1).item(), 2);
});
