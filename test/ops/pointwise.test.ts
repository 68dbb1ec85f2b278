/**
 * Pointwise operators against PyTorch, for every dtype and pair of dtypes: what they promote to, how integers wrap, what becomes of
 * infinities, NaN and signed zeros, and which results a write in place can hold. test/conformance/pointwise.py says what is recorded.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { add, bitwiseAnd, clamp, div, fmod, mul, ones, pow, remainder, sub, Tensor, tensor } from '../../src/index.ts';
import { resolve } from '../conformance/names.ts';
import { decode, type Encoded, expected } from '../conformance/samples.ts';

type Case = [op: string, args: Encoded[], kwargs: { [name: string]: Encoded }, result: Encoded];

const { cases } = JSON.parse(gunzipSync(readFileSync('test/conformance/pointwise.json.gz')).toString('utf8')) as {
  cases: Case[];
};

const show = (x: unknown): string => (x instanceof Tensor ? `${x.dtype} [${x.toTypedArray().join(', ')}]` : String(x));

/** Float32 results may differ from PyTorch's in the last places, as PyTorch's own do between machines; float64 and integers hardly. */
function same(a: number, b: number, dtype: string): boolean {
  if (Object.is(a, b)) return true;
  if (a === 0 && b === 0) return false;
  const [relative, least] = dtype === 'float32' ? [5e-7, 1.5e-45] : dtype === 'float64' ? [1e-14, 5e-324] : [0, 0];
  return Math.abs(a - b) <= relative * Math.abs(b) + least;
}

function check([op, encodedArgs, kwargs, result]: Case): void {
  const args = encodedArgs.map((arg) => decode(arg, []));
  const call = resolve(op);
  assert.ok(call, 'is missing');
  const text = `${op}(${args.map(show).join(', ')}, ${JSON.stringify(kwargs)})`;
  if (result === null) {
    const before = show(args[0]);
    assert.throws(
      () => call(args, kwargs),
      { code: 'dtype', message: /can't be cast to the desired output type/ },
      text,
    );
    assert.equal(show(args[0]), before);
    return;
  }
  const { dtype, shape, elements } = expected(result);
  const actual = call(args, kwargs) as Tensor;
  assert.equal(actual.dtype, dtype, `${text}: dtype`);
  assert.deepEqual([...actual.shape], [...shape], `${text}: shape`);
  if (op.endsWith('_')) assert.equal(actual, args[0], `${text}: returns the tensor written to`);
  const own = actual.toTypedArray();
  for (let i = 0; i < elements.length; i++) {
    if (typeof elements[i] === 'bigint' ? own[i] !== elements[i] : !same(Number(own[i]), Number(elements[i]), dtype)) {
      assert.fail(`${text}: element ${i} is ${own[i]}, PyTorch's is ${elements[i]}`);
    }
  }
}

const byOperator = new Map<string, Case[]>();
for (const sample of cases) byOperator.set(sample[0], [...(byOperator.get(sample[0]) ?? []), sample]);

for (const [op, own] of byOperator) {
  test(`${op}: ${own.length} calls`, () => {
    const failures = own.flatMap((sample) => {
      try {
        check(sample);
        return [];
      } catch (error) {
        return [(error as Error).message];
      }
    });
    assert.equal(failures.length, 0, `${failures.length} of ${own.length} fail\n${failures.join('\n')}`);
  });
}

describe('arguments', () => {
  const x = tensor([1, 2]);
  const same = (a: Tensor, b: Tensor): void => assert.deepEqual(a.tolist(), b.tolist());

  test('by position and by name', () => {
    const y = tensor([3, 4]);
    same(add(x, y, 2), add(x, y, { alpha: 2 }));
    same(x.add(y, 2), x.add({ other: y, alpha: 2 }));
    same(div(y, x, 'floor'), div(y, x, { roundingMode: 'floor' }));
    same(x.clone().add_(y, { alpha: 2 }), x.add(y, 2));
    same(y.clone().div_(x, { roundingMode: 'floor' }), y.div(x, 'floor'));
    same(x.clone().clamp_({ max: 1.5 }), tensor([1, 1.5]));
    same(x.clone().addcmul_(x, y, { value: 2 }), tensor([7, 18]));
  });

  test('numbers, booleans and bigints stand on either side', () => {
    same(sub(3, x), tensor([2, 1]));
    same(pow(2, x), tensor([2, 4]));
    same(div(2, x), tensor([2, 1]));
    same(mul(x, true), x);
  });

  test('bigints beyond 2^53 are exact', () => {
    const big = 2n ** 62n + 1n;
    assert.deepEqual([...add(tensor([1n]), big).toTypedArray()], [big + 1n]);
    assert.deepEqual([...tensor([big]).mul(1n).toTypedArray()], [big]);
  });

  test('operands without dimensions promote by category only', () => {
    assert.equal(tensor([1, 2], { dtype: 'int32' }).add(tensor(1n)).dtype, 'int32');
    assert.equal(tensor([1, 2]).add(tensor(1, { dtype: 'float64' })).dtype, 'float32');
    assert.equal(tensor([1n]).add(1.5).dtype, 'float32');
    assert.equal(tensor([true]).add(1).dtype, 'int64');
  });
});

describe('what pointwise operators refuse', () => {
  const integers = tensor([7, -7], { dtype: 'int32' });
  const bools = tensor([true, false]);
  const refuses = (call: () => unknown, code: string, message: RegExp): void =>
    assert.throws(call, { name: 'AdjointError', code, message });

  test('shapes that do not broadcast', () => {
    refuses(
      () => add(ones(2, 3), ones(2)),
      'shape',
      /^The size of tensor a \(3\) must match the size of tensor b \(2\) at non-singleton dimension 1: shapes \[2, 3\] and \[2\] do not broadcast$/,
    );
    refuses(() => ones(2).clamp(ones(3)), 'shape', /do not broadcast/);
  });

  test('a division of integers by zero', () => {
    refuses(() => div(integers, 0, 'floor'), 'argument', /division by zero/);
    refuses(() => integers.remainder(tensor([1, 0], { dtype: 'int32' })), 'argument', /division by zero/);
    refuses(() => fmod(integers, 0), 'argument', /division by zero/);
    assert.deepEqual(
      remainder(tensor([1]), 0)
        .isnan()
        .tolist(),
      [true],
    );
  });

  test('dtypes that have no meaning for the operation', () => {
    refuses(() => bools.sub(bools), 'dtype', /Subtraction, the `-` operator, with two bool tensors is not supported/);
    refuses(() => bitwiseAnd(tensor([1.5]), 1), 'dtype', /expected integers or bool, got float32/);
    refuses(() => bitwiseAnd(integers, 1.5), 'dtype', /expected integers or bool, got 1.5/);
    refuses(() => integers.pow(-1), 'argument', /Integers to negative integer powers are not allowed/);
    refuses(() => integers.addcdiv(integers, integers), 'dtype', /Integer division with addcdiv/);
    refuses(() => integers.add(integers, 1.5), 'dtype', /argument alpha must not be a floating point number, got 1.5/);
    refuses(() => integers.maskedFill(integers, 1), 'dtype', /mask must be a bool tensor, got int32/);
    refuses(() => integers.maskedFill(bools, ones(2)), 'shape', /value tensor without dimensions, got shape \[2\]/);
  });

  test('arguments of other kinds, and unknown names', () => {
    refuses(() => add('x' as never, 1), 'argument', /expected a Tensor, a number, a boolean or a bigint, got "x"/);
    refuses(() => ones(2).mul([1, 2] as never), 'argument', /got \[1, 2\]/);
    refuses(() => ones(2).add(1, { alfa: 2 } as never), 'argument', /^add: unknown option "alfa"/);
    refuses(
      () =>
        ones(2)
          .clone()
          .div_(2, { rounding_mode: 'floor' } as never),
      'argument',
      /unknown option "rounding_mode"/,
    );
    refuses(() => ones(2).div(2, 'up' as never), 'argument', /roundingMode must be null, 'trunc' or 'floor', got "up"/);
    refuses(() => clamp(ones(2)), 'argument', /At least one of 'min' or 'max' must not be null/);
  });
});
