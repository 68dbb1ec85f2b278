/** Finding what a backward that goes wrong is the backward of. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { AdjointError, autograd, type Tensor, tensor, zeros } from '../../src/index.ts';

const { detectAnomaly, isAnomalyCheckNanEnabled, isAnomalyEnabled, setDetectAnomaly } = autograd;

const leaf = (...data: number[]): Tensor => tensor(data, { dtype: 'float64', requiresGrad: true });

/** The error that a call throws, and the texts of its causes. */
function failure(call: () => unknown): { error: Error; causes: string[] } {
  try {
    call();
  } catch (error) {
    const causes: string[] = [];
    for (let at = (error as Error).cause; at !== undefined; at = (at as Error).cause)
      causes.push((at as Error).message);
    return { error: error as Error, causes };
  }
  return assert.fail('nothing was thrown');
}

/** 0 where the input is 0, with NaN for a gradient there. */
function rootOfZero(x: Tensor): Tensor {
  return x.sqrt().mul(0);
}

class Failing extends autograd.Function {
  static forward(_ctx: autograd.FunctionCtx, x: Tensor): Tensor {
    return x.clone();
  }
  static backward(): Tensor {
    throw new RangeError('mine');
  }
}

class Poisoned extends autograd.Function {
  static forward(ctx: autograd.FunctionCtx<{ place: number }>, x: Tensor, y: Tensor, place: number): Tensor {
    ctx.place = place;
    return x.add(y);
  }
  static backward(ctx: autograd.FunctionCtx<{ place: number }>, g: Tensor): (Tensor | null)[] {
    return [...[0, 1].map((k) => (k === ctx.place ? g.mul(Number.NaN) : g)), null];
  }
}

afterEach(() => assert.equal(isAnomalyEnabled(), false));

describe('detectAnomaly', () => {
  test('names the node that computes NaN, and shows the call that made it', () => {
    const { error, causes } = failure(() => detectAnomaly(() => rootOfZero(leaf(0, 1)).sum().backward()));
    assert.ok(error instanceof AdjointError);
    assert.equal(error.code, 'autograd');
    assert.equal(error.message, "Function 'SqrtBackward0' returned nan values in its 0th output.");
    assert.equal(causes.length, 1);
    assert.match(causes[0], /^Error detected in SqrtBackward0\. Traceback of forward call that caused the error:\n/);
    assert.match(causes[0], /\n {4}at rootOfZero \(/);
    assert.match(causes[0], /anomaly\.test/);
    assert.match((error.cause as Error).stack ?? '', /at rootOfZero/);
  });

  test('tells which of the gradients it is', () => {
    for (const [place, name] of ['0th', '1th'].entries()) {
      const x = leaf(1, 2);
      const { error, causes } = failure(() => detectAnomaly(() => Poisoned.apply(x, x, place).sum().backward()));
      assert.equal(error.message, `Function 'PoisonedBackward' returned nan values in its ${name} output.`);
      assert.match(causes[0], /(Poisoned|Function)\.apply/);
      assert.equal(x.grad, null);
    }
  });

  test('leaves infinities and what is finite alone', () => {
    const x = leaf(0, 1);
    detectAnomaly(() => x.sqrt().sum().backward());
    assert.deepEqual(x.grad?.tolist(), [Number.POSITIVE_INFINITY, 0.5]);
  });

  test('a node that throws is named in the last cause of what it throws', () => {
    const x = leaf(1, 2);
    const { error, causes } = failure(() => detectAnomaly(() => Failing.apply(x).sum().backward()));
    assert.ok(error instanceof RangeError);
    assert.equal(error.message, 'mine');
    assert.match(causes[0], /^Error detected in FailingBackward\. Traceback of forward call/);
    assert.match(causes[0], /(Failing|Function)\.apply/);
  });

  test('errors of the library and of hooks as well; a cause that is there stays', () => {
    const x = leaf(1, 2);
    const written = failure(() =>
      detectAnomaly(() => {
        const y = x.mul(1);
        const z = y.pow(2);
        y.add_(1);
        z.sum().backward();
      }),
    );
    assert.match(written.error.message, /modified by an inplace operation/);
    assert.match(written.causes[0], /^Error detected in PowBackward0/);
    const own = new Error('the reason');
    const hooked = failure(() =>
      detectAnomaly(() => {
        const y = x.exp();
        y.registerHook(() => {
          throw new Error('in a hook', { cause: own });
        });
        y.sum().backward();
      }),
    );
    assert.equal(hooked.error.cause, own);
    assert.deepEqual(hooked.causes[0], 'the reason');
    assert.match(hooked.causes[1], /^Error detected in ExpBackward0/);
    assert.equal(hooked.causes.length, 2);
  });

  test('an error that passes through several runs has one account, of the innermost', () => {
    const x = leaf(1, 2);
    const { causes } = failure(() =>
      detectAnomaly(() => {
        const inner = rootOfZero(leaf(0)).sum();
        const y = x.exp();
        y.registerHook(() => inner.backward());
        y.sum().backward();
      }),
    );
    assert.equal(causes.length, 1);
    assert.match(causes[0], /^Error detected in SqrtBackward0/);
  });

  test('a node of a recorded backward shows also what that was the backward of', () => {
    const x = leaf(0, 1);
    const inducing = (): Tensor => x.pow(1.5).sum();
    const inducedBy = (y: Tensor): Tensor => autograd.grad(y, x, { createGraph: true })[0];
    const { error, causes } = failure(() => detectAnomaly(() => inducedBy(inducing()).sum().mul(0).backward()));
    assert.match(error.message, /^Function '\w+Backward0' returned nan values in its 0th output\.$/);
    const [here, before, ...rest] = causes[0].split('\n\n');
    assert.match(here, /at inducedBy \(/);
    assert.match(
      before,
      /^Previous calculation was induced by PowBackward0\. Traceback of forward call that induced the previous calculation:\n/,
    );
    assert.match(before, /at inducing \(/);
    assert.deepEqual(rest, []);
  });

  test('of nodes that were made before, it knows the name only', () => {
    const y = rootOfZero(leaf(0));
    const { causes } = failure(() => detectAnomaly(() => y.sum().backward()));
    assert.equal(
      causes[0],
      'Error detected in SqrtBackward0. No forward pass information available. ' +
        'Enable detect anomaly during forward pass for more information.',
    );
    const x = leaf(0);
    const [g] = autograd.grad(x.pow(1.5).sum(), x, { createGraph: true });
    assert.match(
      failure(() => detectAnomaly(() => g.mul(0).sum().backward())).causes[0],
      /No forward pass information available/,
    );
  });

  test('a failing run changes nothing', () => {
    const [x, y] = [leaf(0), leaf(1)];
    const z = rootOfZero(x).add(y.mul(2)).sum();
    failure(() => detectAnomaly(() => z.backward()));
    assert.deepEqual([x.grad, y.grad], [null, null]);
    z.backward();
    assert.deepEqual(y.grad?.tolist(), [2]);
  });

  test('checkNan: false only shows the calls of what throws', () => {
    const x = leaf(0);
    detectAnomaly({ checkNan: false }, () => {
      assert.equal(isAnomalyCheckNanEnabled(), false);
      const y = rootOfZero(x).sum();
      y.backward({ retainGraph: true });
      assert.ok(Number.isNaN(x.grad?.item()));
      detectAnomaly(true, () => assert.throws(() => y.backward({ retainGraph: true }), /returned nan values/));
      y.backward();
    });
    const { causes } = failure(() => detectAnomaly(false, () => Failing.apply(x).backward()));
    assert.match(causes[0], /(Failing|Function)\.apply/);
  });

  test('writes through views, large tensors and other dtypes', () => {
    const names = (call: () => void): string => failure(() => detectAnomaly(call)).error.message;
    const x = zeros(300, { requiresGrad: true });
    const written = names(() => {
      const y = x.mul(1);
      y.narrow(0, 10, 5).sqrt_();
      y.mul(0).sum().backward();
    });
    assert.equal(written, "Function 'CopySlices' returned nan values in its 0th output.");
    assert.match(
      names(() => x.sqrt().mul(0).sum().backward()),
      /^Function 'SqrtBackward0'/,
    );
  });
});

describe('the mode', () => {
  test('nests, and ends when a callback throws', () => {
    assert.equal(isAnomalyCheckNanEnabled(), true);
    detectAnomaly(() => {
      assert.ok(isAnomalyEnabled());
      setDetectAnomaly(false, () => assert.equal(isAnomalyEnabled(), false));
      assert.throws(() =>
        detectAnomaly(false, () => {
          throw new Error('mine');
        }),
      );
      assert.deepEqual([isAnomalyEnabled(), isAnomalyCheckNanEnabled()], [true, true]);
    });
    assert.equal(isAnomalyEnabled(), false);
  });

  test('returns what the callback returns, and refuses an async one', () => {
    assert.equal(
      detectAnomaly(() => 3),
      3,
    );
    assert.throws(() => detectAnomaly(async () => {}), { code: 'argument', message: /async callback/ });
  });

  test('the form for `using`', () => {
    const guard = detectAnomaly({ checkNan: false });
    assert.deepEqual([isAnomalyEnabled(), isAnomalyCheckNanEnabled()], [true, false]);
    guard[Symbol.dispose]();
    assert.deepEqual([isAnomalyEnabled(), isAnomalyCheckNanEnabled()], [false, true]);
  });

  test('setDetectAnomaly switches from now on, or until its guard is disposed of', () => {
    const guard = setDetectAnomaly(true);
    assert.throws(() => rootOfZero(leaf(0)).backward(), /returned nan values/);
    setDetectAnomaly(true, { checkNan: false });
    rootOfZero(leaf(0)).backward();
    guard[Symbol.dispose]();
    assert.deepEqual([isAnomalyEnabled(), isAnomalyCheckNanEnabled()], [false, true]);
    setDetectAnomaly(true, false);
    assert.deepEqual([isAnomalyEnabled(), isAnomalyCheckNanEnabled()], [true, false]);
    setDetectAnomaly(false);
    assert.deepEqual([isAnomalyEnabled(), isAnomalyCheckNanEnabled()], [false, true]);
  });

  test('takes truth values and known options', () => {
    assert.throws(() => setDetectAnomaly(1 as never), {
      code: 'argument',
      message: 'setDetectAnomaly takes true or false, got 1',
    });
    assert.throws(() => detectAnomaly({ checkNaN: true } as never), {
      code: 'argument',
      message: 'detectAnomaly: unknown option "checkNaN"; known are "checkNan"',
    });
  });
});
