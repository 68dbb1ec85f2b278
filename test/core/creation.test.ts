/** Factories: their arguments by position and by name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  arange,
  full,
  fullLike,
  linspace,
  logspace,
  manualSeed,
  normal,
  randint,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.ts';

const alike = (...ways: (() => Tensor)[]): void => {
  const [first, ...others] = ways.map((way) => {
    manualSeed(7);
    const t = way();
    return { dtype: t.dtype, shape: t.shape, values: t.tolist(), requiresGrad: t.requiresGrad };
  });
  for (const other of others) assert.deepEqual(other, first);
};

test('each parameter may be given by name', () => {
  alike(
    () => linspace(0, 1, 5),
    () => linspace(0, 1, { steps: 5 }),
    () => linspace({ start: 0, end: 1, steps: 5 }),
  );
  alike(
    () => linspace(0, 1, 5, { dtype: 'float64', requiresGrad: true }),
    () => linspace(0, 1, { steps: 5, dtype: 'float64', requiresGrad: true }),
  );
  alike(
    () => logspace(0, 3, 4, 2),
    () => logspace(0, 3, 4, { base: 2 }),
    () => logspace(0, 3, { steps: 4, base: 2 }),
    () => logspace({ start: 0, end: 3, steps: 4, base: 2 }),
    () => tensor([1, 2, 4, 8]),
  );
  alike(
    () => arange(1, 9, 2),
    () => arange(1, 9, { step: 2 }),
    () => arange(1, { end: 9, step: 2 }),
    () => arange({ start: 1, end: 9, step: 2 }),
  );
  alike(
    () => arange(3),
    () => arange({ end: 3 }),
    () => arange(0, 3),
  );
  alike(
    () => full([2, 3], 7),
    () => full([2, 3], { fillValue: 7 }),
    () => full({ size: [2, 3], fillValue: 7 }),
    () => fullLike(zeros(2, 3), 7),
    () => fullLike(zeros(2, 3), { fillValue: 7 }),
  );
  alike(
    () => randint(10, [4]),
    () => randint(0, 10, [4]),
    () => randint(10, { size: [4] }),
    () => randint(0, 10, { size: [4] }),
    () => randint(0, { high: 10, size: [4] }),
    () => randint({ high: 10, size: [4] }),
    () => randint({ low: 0, high: 10, size: [4] }),
  );
  alike(
    () => normal(1, 2, [4]),
    () => normal(1, 2, { size: [4] }),
    () => normal({ mean: 1, std: 2, size: [4] }),
  );
});

test('a parameter twice, one that is missing and one that is unknown are errors', () => {
  const refuses = (call: () => unknown, message: RegExp): void => assert.throws(call, { code: 'argument', message });
  refuses(() => linspace(0, 1, 5, { steps: 3 } as object), /^linspace: unknown option "steps"/);
  refuses(() => linspace(0, 1, {} as never), /steps must be a whole number, got undefined/);
  refuses(() => linspace(0, 1, { step: 3 } as never), /steps must be a whole number/);
  refuses(() => arange(0, 5, { stepp: 2 } as object), /^arange: unknown option "stepp"/);
  refuses(() => arange(5, { start: 1 } as object), /^arange: unknown option "start"/);
  refuses(() => full([2], {} as never), /^full: fillValue must be a number, a boolean or a bigint, got undefined/);
  refuses(() => fullLike(zeros(2), undefined as unknown as number), /^fullLike: fillValue must be a number/);
  refuses(() => fullLike(zeros(2), { value: 3 } as never), /unknown option "value"/);
  refuses(() => randint({ size: [2] } as never), /./);
  refuses(() => randint(5, { sizes: [2] } as never), /unknown option "sizes"/);
  refuses(() => normal({ mean: 0, std: 1 } as never), /two numbers need a size/);
  refuses(() => normal({ std: 1, size: [2] } as never), /expected a Tensor or a number, got undefined/);
  refuses(() => normal(zeros(2), 1, { bogus: 1 } as object), /unknown option "bogus"/);
});

test('the only device is named', () => {
  const x = zeros(2);
  assert.equal(x.to('cpu'), x);
  assert.throws(() => x.to('cuda' as never), { code: 'dtype' });
});

test('an integer that a dtype does not reach is an error', () => {
  const overflow = (dtype: string): RegExp => new RegExp(`value cannot be converted to type ${dtype} without overflow`);
  assert.throws(() => tensor([2 ** 31], { dtype: 'int32' }), overflow('int32'));
  assert.throws(() => full([1], 300, { dtype: 'uint8' }), overflow('uint8'));
  assert.throws(() => tensor([2n ** 63n]), overflow('int64'));
  assert.deepEqual(tensor([-1], { dtype: 'uint8' }).tolist(), [255]);
  assert.deepEqual([...(tensor([-(2n ** 63n)]).toTypedArray() as BigInt64Array)], [-(2n ** 63n)]);
});
