/** A backward that is run from within another: by hooks and by custom functions. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { autograd, enableGrad, isGradEnabled, ones, type Tensor, tensor } from '../../src/index.ts';

type Ctx = autograd.FunctionCtx;
const leaf = (...data: number[]): Tensor => tensor(data, { requiresGrad: true });
const gradOf = ({ grad }: Tensor): unknown => grad?.tolist() ?? null;

/** Runs `work` once, while the gradient of `x` is under way. */
function once(x: Tensor, work: (gradient: Tensor) => Tensor | void): void {
  const handle = x.registerHook((gradient) => {
    handle.remove();
    return enableGrad(() => work(gradient));
  });
}

/** x - 1, whose backward runs a backward through itself for as long as the result is positive; each of them is logged. */
function countdown(log: string[]): (x: Tensor) => Tensor {
  class Countdown extends autograd.Function {
    static forward(ctx: autograd.FunctionCtx<{ y: Tensor }>, x: Tensor): Tensor {
      ctx.y = enableGrad(() => x.detach().requiresGrad_().sub(1));
      return ctx.y.detach();
    }
    static backward(ctx: autograd.FunctionCtx<{ y: Tensor }>, gradient: Tensor): Tensor {
      log.push('countdown');
      if ((ctx.y.item() as number) > 0) enableGrad(() => Countdown.apply(ctx.y).sum().backward());
      return gradient;
    }
  }
  return (x) => Countdown.apply(x);
}

describe('a backward in a hook', () => {
  test('adds to the gradient of the same leaf before the one outside does', () => {
    for (const through of [(x: Tensor) => x, (x: Tensor) => x.mul(1)]) {
      const x = leaf(2);
      const y = through(x);
      once(y, () => x.pow(3).sum().backward());
      let between: unknown;
      y.registerHook(() => {
        between = gradOf(x);
      });
      y.mul(y).sum().backward();
      assert.deepEqual([between, gradOf(x)], [[12], [16]]);
    }
  });

  test('may replace what was accumulated, and the gradient itself', () => {
    const x = leaf(1, 2);
    once(x, (gradient) => {
      x.grad = null;
      const g = gradient.detach().requiresGrad_();
      g.mul(2).add(x.detach().requiresGrad_()).sum().backward();
      x.grad = gradient;
      return (g.grad as Tensor).add(gradient);
    });
    x.mul(x).sum().backward();
    assert.deepEqual(gradOf(x), [6, 10]);
  });

  test('may go through the same graph, if that is retained', () => {
    const run = (retainGraph: boolean): Tensor => {
      const x = leaf(2);
      const y = x.mul(x);
      once(y, () => y.sum().backward({ retainGraph }));
      if (retainGraph) y.sum().backward();
      else assert.throws(() => y.sum().backward(), { code: 'autograd', message: /a second time/ });
      return x;
    };
    assert.deepEqual(gradOf(run(true)), [8]);
    assert.deepEqual(gradOf(run(false)), [4]);
  });

  test('may fail without the one outside failing', () => {
    const [x, z] = [leaf(2), leaf(3)];
    once(x, () => {
      assert.throws(() => ones(1).backward(), { code: 'autograd' });
    });
    x.mul(z).sum().backward();
    assert.deepEqual([gradOf(x), gradOf(z), isGradEnabled()], [[3], [2], true]);
  });

  test('fails the one outside if nobody catches what it throws', () => {
    class Fail extends autograd.Function {
      static forward(_: Ctx, x: Tensor): Tensor {
        return x.clone();
      }
      static backward(): never {
        throw new RangeError('from inside');
      }
    }
    const [a, b] = [leaf(1, 2), leaf(3, 4)];
    const inner = Fail.apply(b.mul(b)).sum();
    const y = a.mul(a);
    once(y, () => inner.backward());
    assert.throws(() => y.sum().backward(), { name: 'RangeError', message: 'from inside' });
    assert.deepEqual([gradOf(a), gradOf(b), isGradEnabled()], [null, null, true]);
    y.sum().backward();
    assert.deepEqual(gradOf(a), [2, 4]);
  });
});

describe('a backward in a custom function', () => {
  test('is over before the one outside goes on', () => {
    const log: string[] = [];
    class Log extends autograd.Function {
      static forward(_: Ctx, x: Tensor): Tensor {
        return x;
      }
      static backward(_: Ctx, gradient: Tensor): Tensor {
        log.push('log');
        return gradient;
      }
    }
    const [a, b] = [tensor(6, { requiresGrad: true }), tensor(4, { requiresGrad: true })];
    Log.apply(a).mul(countdown(log)(b)).backward();
    assert.deepEqual(log, ['countdown', 'countdown', 'countdown', 'countdown', 'log']);
    assert.deepEqual([gradOf(a), gradOf(b)], [3, 6]);
  });

  test('200 deep', () => {
    const log: string[] = [];
    const x = tensor(200, { requiresGrad: true });
    countdown(log)(x).backward();
    assert.deepEqual([log.length, gradOf(x)], [200, 1]);
  });
});
