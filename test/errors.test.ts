/** What bad input gets: an error of one class with a stable code, a message that says what was wrong, and nothing changed. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  AdjointError,
  add,
  arange,
  autograd,
  cat,
  type ErrorCode,
  empty,
  eye,
  full,
  isGradEnabled,
  linspace,
  manualSeed,
  noGrad,
  ones,
  permute,
  rand,
  randint,
  randn,
  resultType,
  setDefaultDtype,
  softmax,
  sort,
  stack,
  sub,
  sum,
  type Tensor,
  tensor,
  where,
  zeros,
} from '../src/index.ts';

/** Checks the error of a call, and that the tensors it was given are as before. */
function refuses(call: () => unknown, code: ErrorCode, message: string | RegExp, ...given: Tensor[]): void {
  const state = (t: Tensor): unknown => [t.tolist(), [...t.shape], t.requiresGrad, t._version, t.grad, t.gradFn];
  const before = given.map(state);
  const recording = isGradEnabled();
  assert.throws(call, (error) => {
    assert.ok(error instanceof AdjointError, `an AdjointError expected, got ${error}`);
    assert.equal(error.name, 'AdjointError');
    assert.equal(error.code, code, error.message);
    if (typeof message === 'string') assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  });
  assert.deepEqual(given.map(state), before, 'something has changed');
  assert.equal(isGradEnabled(), recording);
}

const indices = (...values: number[]): Tensor => tensor(values, { dtype: 'int64' });

describe('shapes', () => {
  test('that do not broadcast', () => {
    const x = ones(2, 3);
    const y = ones(2);
    const message =
      'The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension 1: shapes [2, 3] and [2] do not broadcast';
    refuses(() => add(x, y), 'shape', message, x, y);
    refuses(() => x.mul(y), 'shape', message, x, y);
    refuses(() => x.pow(y), 'shape', message, x, y);
    refuses(() => where(x.gt(0), x, y), 'shape', /do not broadcast/, x, y);
    refuses(() => x.add_(y), 'shape', message, x, y);
    refuses(() => y.add_(x.t()), 'shape', "output with shape [2] doesn't match the broadcast shape [3, 2]", x, y);
    refuses(() => y.copy_(x), 'shape', /do not broadcast|does not broadcast/, x, y);
  });

  test('that do not fit an operation', () => {
    const x = ones(2, 3);
    refuses(() => x.matmul(x), 'shape', /shapes cannot be multiplied \(2x3 and 2x3\)/, x);
    refuses(() => ones(2).dot(ones(3)), 'shape', /expected .* to have the same number of elements, but got 2 and 3/);
    refuses(() => cat([ones(2, 2), ones(3, 3)]), 'shape', /Sizes of tensors must match except in dimension 0/);
    refuses(() => stack([ones(2), ones(3)]), 'shape', /stack expects each tensor to be equal size/);
    refuses(() => x.view(4, 2), 'shape', "shape '[4, 2]' is invalid for input of size 6", x);
    refuses(() => x.view(-1, -1), 'shape', 'only one dimension can be inferred, got shape [-1, -1]', x);
    refuses(() => x.t().view(6), 'shape', /Use reshape\(\.\.\.\) instead\.$/, x);
    refuses(
      () => x.expand(4, 3),
      'shape',
      /The expanded size of the tensor \(4\) must match the existing size \(2\)/,
      x,
    );
    refuses(() => x.item(), 'shape', /a Tensor with 6 elements cannot be converted to Scalar/, x);
  });
});

describe('differentiation', () => {
  const leaf = (): Tensor => tensor([1, 2], { requiresGrad: true });

  test('backward of several elements without a gradient', () => {
    const x = leaf();
    const y = x.mul(2);
    refuses(() => y.backward(), 'autograd', /^grad can be implicitly created only for scalar outputs/, x, y);
    refuses(() => autograd.grad(y, x), 'autograd', /^grad can be implicitly created only for scalar outputs/, x, y);
  });

  test('a gradient of the wrong shape', () => {
    const x = leaf();
    const y = x.mul(2);
    refuses(
      () => y.backward(ones(3)),
      'shape',
      'Mismatch in shape: grad_output[0] has a shape of [3] and output[0] has a shape of [2].',
      x,
      y,
    );
  });

  test('outside the graph, or through it again', () => {
    refuses(
      () => ones(1).backward(),
      'autograd',
      'element 0 of tensors does not require grad and does not have a grad_fn',
    );
    const x = leaf();
    const y = x.mul(x).sum();
    y.backward();
    x.grad = null;
    refuses(
      () => y.backward(),
      'autograd',
      /^Trying to backward through the graph a second time.*retainGraph: true/,
      x,
    );
  });

  test('requiresGrad on integers', () => {
    const x = indices(1, 2);
    const message = /nly Tensors of floating point dtype can require gradients, got int64/;
    refuses(() => tensor([1, 2], { dtype: 'int64', requiresGrad: true }), 'dtype', message);
    refuses(() => zeros(2, { dtype: 'int64', requiresGrad: true }), 'dtype', message);
    refuses(() => x.requiresGrad_(), 'dtype', message, x);
    refuses(
      () => {
        x.requiresGrad = true;
      },
      'dtype',
      message,
      x,
    );
    refuses(() => ones(2, { dtype: 'bool' }).requiresGrad_(), 'dtype', /got bool/);
  });

  test('a write to a leaf that requires grad, and to what was saved', () => {
    const x = leaf();
    const message = /^a leaf Variable that requires grad is being used in an in-place operation\./;
    refuses(() => x.add_(1), 'inplace', message, x);
    refuses(() => x.zero_(), 'inplace', message, x);
    refuses(() => x.index_([0], 5), 'inplace', /^a view of a leaf Variable that requires grad/, x);
    refuses(() => x.select(0, 0).mul_(2), 'inplace', /^a view of a leaf Variable that requires grad/, x);
    const a = x.mul(1);
    const y = a.mul(a).sum();
    a.add_(1);
    refuses(
      () => y.backward(),
      'inplace',
      /^one of the variables needed for gradient computation has been modified by an inplace operation: \[float32 \[2\]\].*is at version 1; expected version 0 instead/,
      x,
    );
  });
});

describe('arguments', () => {
  test('an unknown option, with the known ones', () => {
    refuses(
      () => zeros(2, { requires_grad: true } as object),
      'argument',
      'zeros: unknown option "requires_grad"; known are "dtype", "requiresGrad", "device"',
    );
    refuses(
      () => sum(ones(2), { dims: 0 } as object),
      'argument',
      'sum: unknown option "dims"; known are "dim", "keepdim", "dtype"',
    );
    refuses(() => ones(2).sum(0, { dim: 0 } as never), 'argument', /^sum: unknown option "dim"; known are "keepdim"/);
    refuses(() => ones(2).add(1, { beta: 2 } as never), 'argument', 'add: unknown option "beta"; known are "alpha"');
    refuses(() => ones(1).backward({ keepGraph: true } as object), 'argument', /^backward: unknown option "keepGraph"/);
  });

  test('an option of the wrong kind', () => {
    refuses(
      () => zeros(2, { requiresGrad: 1 as never }),
      'argument',
      'zeros: requiresGrad must be true or false, got 1',
    );
    refuses(() => zeros(2, { dtype: 'float' as never }), 'dtype', /^unknown dtype "float"; known are float32, float64/);
    refuses(() => zeros(2, { device: 'cuda' as never }), 'unsupported', `zeros: the only device is 'cpu', got "cuda"`);
    refuses(() => setDefaultDtype('int32' as never), 'dtype', /the default dtype is 'float32' or 'float64'/);
    assert.equal(tensor([1]).dtype, 'float32');
  });

  test('ragged nested arrays, and what is no number', () => {
    refuses(
      () => tensor([[1, 2], [3]]),
      'shape',
      'tensor: nested arrays are ragged: expected sequence of length 2 at dim 1 (got length 1 at [1])',
    );
    refuses(() => tensor([[1], 2]), 'shape', /ragged: expected sequence of length 1 at dim 1 \(got 2 at \[1\]\)/);
    refuses(() => tensor([1, [2]]), 'argument', 'tensor: expected a number, a boolean or a bigint at [1], got [2]');
    refuses(
      () =>
        tensor([
          [[1], [2]],
          [[3], [4, 5]],
        ]),
      'shape',
      /at dim 2 \(got length 2 at \[1, 1\]\)/,
    );
    refuses(() => tensor([1, 'a'] as never), 'argument', /at \[1\], got "a"/);
    refuses(() => tensor(undefined as never), 'argument', /got undefined/);
    refuses(() => tensor([Number.NaN], { dtype: 'int64' }), 'dtype', /NaN and infinity cannot be converted to int64/);
    refuses(() => tensor(ones(2) as never), 'argument', /use x\.clone\(\)/);
  });

  test('sizes that are none', () => {
    refuses(() => zeros(Number.NaN), 'argument', 'size of dimension 0 must be a whole number, got NaN');
    refuses(() => zeros([2, Number.NaN]), 'argument', 'size of dimension 1 must be a whole number, got NaN');
    refuses(() => zeros(1.5), 'argument', /must be a whole number, got 1\.5/);
    refuses(() => zeros(Number.POSITIVE_INFINITY), 'argument', /must be a whole number, got Infinity/);
    refuses(() => zeros('2' as never), 'argument', /must be a whole number, got "2"/);
    refuses(() => zeros(2, -3), 'argument', 'size of dimension 1 must not be negative, got -3');
    refuses(() => rand(-1), 'argument', /must not be negative, got -1/);
    refuses(() => full([-1], 2), 'argument', /must not be negative/);
    refuses(() => eye(-1), 'argument', 'the number of rows must not be negative, got -1');
    refuses(() => linspace(0, 1, -1), 'argument', 'steps must not be negative, got -1');
    refuses(() => arange(Number.NaN), 'argument', 'arange: expected finite numbers, got NaN');
    refuses(() => arange(0, 5, 0), 'argument', /step must be nonzero/);
  });

  test('shapes beyond all memory, with what was asked for', () => {
    const message = /^out of memory: tried to allocate 4000000000000 bytes/;
    for (const make of [zeros, ones, empty, rand, randn]) refuses(() => make(1e6, 1e6), 'memory', message);
    refuses(() => full([1e6, 1e6], 1), 'memory', message);
    refuses(() => eye(1e6), 'memory', message);
    refuses(() => zeros(2 ** 40, { dtype: 'float64' }), 'memory', /tried to allocate 8796093022208 bytes/);
    refuses(() => arange(1e12), 'memory', /tried to allocate 8000000000000 bytes/);
    const large = ones(1).expand(1e5, 1e5);
    refuses(() => large.add(1), 'memory', /tried to allocate 40000000000 bytes/);
    assert.equal(ones(1000).sum().item(), 1000);
  });
});

describe('indices and dimensions out of range', () => {
  const x = ones(2, 3);

  test('dimensions', () => {
    const message = 'Dimension out of range (expected to be in range of [-2, 1], but got 2)';
    refuses(() => x.sum(2), 'index', message, x);
    refuses(() => x.select(2, 0), 'index', message, x);
    refuses(() => x.size(2), 'index', message, x);
    refuses(() => x.softmax(2), 'index', message, x);
    refuses(() => x.transpose(0, 2), 'index', message, x);
    refuses(() => x.sum(-3), 'index', /but got -3\)/, x);
    refuses(() => x.sum(0.5), 'argument', 'a dimension must be a whole number, got 0.5', x);
    refuses(() => x.sum([0, 0]), 'argument', /^dim 0 appears multiple times in the list of dims \[0, 0\]/, x);
  });

  test('indices', () => {
    const message = 'index 2 is out of bounds for dimension 0 with size 2';
    refuses(() => x.index(2), 'index', message, x);
    refuses(() => x.index(indices(0, 2)), 'index', message, x);
    refuses(() => x.index([0, 2]), 'index', message, x);
    refuses(() => x.indexSelect(0, indices(2)), 'index', message, x);
    refuses(() => x.gather(0, indices(2, 0, 0).unsqueeze(0)), 'index', message, x);
    refuses(() => x.select(0, -3), 'index', /index -3 out of range for tensor of size \[2, 3\] at dimension 0/, x);
    refuses(() => x.narrow(1, 2, 2), 'index', /start \(2\) \+ length \(2\) exceeds dimension size \(3\)/, x);
    refuses(() => x.index(0, 0, 0), 'index', 'too many indices for tensor of dimension 2, shape [2, 3]', x);
    refuses(() => x.index(tensor([true])), 'index', /The shape of the mask \[1\] at index 0 does not match/, x);
    refuses(() => x.index(tensor([0.5])), 'dtype', /must be of an integer dtype or bool, got float32/, x);
  });

  test('indices of a write, which then writes nothing', () => {
    const y = zeros(3);
    refuses(() => y.index_([3], 1), 'index', /index 3 is out of bounds for dimension 0 with size 3/, y);
    refuses(() => y.index_([[0, 5]], 1), 'index', /index 5 is out of bounds/, y);
    refuses(() => y.scatter_(0, indices(0, 5), ones(2)), 'index', /index 5 is out of bounds/, y);
    refuses(() => y.scatterAdd_(0, indices(1, -1), ones(2)), 'index', /index -1 is out of bounds/, y);
  });
});

describe('what cannot be mixed', () => {
  test('dtypes of matrix products', () => {
    const x = ones(2, 3);
    const y = ones(3, 2, { dtype: 'float64' });
    refuses(
      () => x.mm(y),
      'dtype',
      'mm: expected m1 and m2 to have the same dtype, but got: float32 != float64; convert with to(...)',
      x,
      y,
    );
    refuses(() => x.matmul(ones(3, { dtype: 'int64' })), 'dtype', /but got: float32 != int64/, x);
  });

  test('results with tensors that cannot hold them', () => {
    const x = indices(1, 2);
    refuses(() => x.add_(0.5), 'dtype', "result type float32 can't be cast to the desired output type int64", x);
    refuses(() => x.mul_(ones(2)), 'dtype', /float32 can't be cast/, x);
    refuses(() => tensor([true]).add_(1), 'dtype', /int64 can't be cast to the desired output type bool/);
  });

  test('truth values with subtraction, numbers with conditions', () => {
    const x = tensor([true, false]);
    refuses(() => x.sub(x), 'dtype', /^Subtraction, the `-` operator, with two bool tensors is not supported/, x);
    refuses(() => x.sub(1), 'dtype', /^Subtraction, the `-` operator, with a bool tensor is not supported/, x);
    refuses(() => sub(1, x), 'dtype', /with a bool tensor is not supported. To invert a mask, use logicalNot/, x);
    refuses(
      () => where(ones(2), 1, 0),
      'dtype',
      /condition to be a boolean tensor, but got a tensor with dtype float32/,
    );
    refuses(() => ones(2).maskedFill(ones(2), 0), 'dtype', 'maskedFill: mask must be a bool tensor, got float32');
  });

  test('what is no tensor', () => {
    refuses(() => sum([1, 2] as never), 'argument', 'sum: expected a Tensor, got [1, 2]; make one with tensor(...)');
    refuses(() => sum(undefined as never), 'argument', /^sum: expected a Tensor, got undefined/);
    refuses(() => softmax(3 as never, 0), 'argument', /^softmax: expected a Tensor, got 3/);
    refuses(() => permute(null as never, 0), 'argument', /^permute: expected a Tensor, got null/);
    refuses(() => sort('x' as never), 'argument', /^sort: expected a Tensor, got "x"/);
    refuses(() => sum(ones(2), 'a' as never), 'argument', 'a dimension must be a whole number, got "a"');
  });

  test('tensors with anything else', () => {
    refuses(
      () => add('1' as never, ones(2)),
      'argument',
      /expected a Tensor, a number, a boolean or a bigint, got "1"/,
    );
    refuses(() => ones(2).mul(null as never), 'argument', /got null/);
    refuses(() => cat([ones(2), 1 as never]), 'argument', /expected a Tensor at position 1, got 1/);
    refuses(() => Number(ones(2)), 'argument', /^a Tensor is no number: use add, sub, mul/);
    assert.equal(resultType([ones(2), 1.5]), 'float32');
  });
});

describe('a failed call', () => {
  test('draws no random numbers', () => {
    const next = (fail: () => unknown): unknown => {
      manualSeed(7);
      assert.throws(fail, AdjointError);
      return rand(3).tolist();
    };
    manualSeed(7);
    const expected = rand(3).tolist();
    assert.deepEqual(
      next(() => rand(2, Number.NaN)),
      expected,
    );
    assert.deepEqual(
      next(() => rand(2, { dtype: 'int64' })),
      expected,
    );
    assert.deepEqual(
      next(() => randint(5, 2, [3])),
      expected,
    );
    assert.deepEqual(
      next(() => randn(1e6, 1e6)),
      expected,
    );
  });

  test('leaves the modes as they were', () => {
    assert.throws(() => noGrad(() => ones(2).add(ones(3))), AdjointError);
    assert.equal(isGradEnabled(), true);
    assert.throws(() => tensor([1], { requiresGrad: true }).mul('x' as never), AdjointError);
    assert.equal(isGradEnabled(), true);
  });

  test('is told apart by its code', () => {
    try {
      ones(2).add(ones(3));
      assert.fail('no error');
    } catch (error) {
      assert.ok(error instanceof Error && error instanceof AdjointError);
      assert.equal(error.code, 'shape');
      assert.equal(error.name, 'AdjointError');
    }
  });
});
