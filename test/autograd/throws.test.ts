/** Code of users that throws, wherever it is called: nothing stays switched, and the graph can be gone through again. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  autograd,
  enableGrad,
  func,
  inferenceMode,
  isAnomalyEnabled,
  isGradEnabled,
  isInferenceModeEnabled,
  memoryScope,
  noGrad,
  onesLike,
  setGradEnabled,
  type Tensor,
  tensor,
  utils,
} from '../../src/index.ts';

const { checkpoint, createSelectiveCheckpointContexts } = utils.checkpoint;
const { savedTensorsHooks, allowMutationOnSavedTensors, saveOnCpu, registerMultiGradHook } = autograd.graph;
const data = Array.from({ length: 24 }, (_, i) => Math.sin(i + 1)); // more than fit into a small storage
const leaf = (): Tensor => tensor(data, { dtype: 'float64', requiresGrad: true });
const gradOf = ({ grad }: Tensor): unknown => grad?.tolist() ?? null;

/** What all the code below calls: the call with the number `fatal` throws. */
const calls = { count: 0, fatal: 0 };
class Fatal extends Error {}
function call(): void {
  if (++calls.count === calls.fatal) throw new Fatal();
}

/** Everything that is switched while something runs is off, and can be switched on. */
function assertAtRest(): void {
  assert.deepEqual([isGradEnabled(), isInferenceModeEnabled(), isAnomalyEnabled()], [true, false, false]);
  const x = leaf();
  let packed = 0;
  const pack = (y: Tensor): Tensor => {
    packed++;
    return y;
  };
  const y = x.sin();
  // each of these refuses if one is in force already
  autograd.profiler.profile(() =>
    allowMutationOnSavedTensors(() => autograd.forwardAd.dualLevel(() => y.mul(y).sum().backward())),
  );
  savedTensorsHooks(
    pack,
    (z) => z,
    () => x.exp(),
  );
  assert.equal(packed, 1);
  assert.deepEqual(gradOf(x), x.detach().sin().mul(x.detach().cos()).mul(2).tolist());
}

class Combined extends autograd.Function {
  static forward(ctx: autograd.FunctionCtx, x: Tensor): Tensor {
    call();
    ctx.saveForBackward(x);
    return x.sin();
  }
  static backward(ctx: autograd.FunctionCtx, gradient: Tensor): Tensor {
    call();
    const [x] = ctx.savedTensors;
    return gradient.mul(x.cos());
  }
}

class Separate extends autograd.Function {
  static generateVmapRule = true;
  static forward(x: Tensor): Tensor {
    call();
    return x.square();
  }
  static setupContext(ctx: autograd.FunctionCtx, [x]: [Tensor]): void {
    call();
    ctx.saveForBackward(x);
    ctx.saveForForward(x);
  }
  static backward(ctx: autograd.FunctionCtx, gradient: Tensor): Tensor {
    call();
    return gradient.mul(ctx.savedTensors[0]).mul(2);
  }
  static jvp(ctx: autograd.FunctionCtx, tangent: Tensor): Tensor {
    call();
    return tangent.mul(ctx.savedTensors[0]).mul(2);
  }
}

class OwnRule extends autograd.Function {
  static forward(x: Tensor): Tensor {
    call();
    return x.mul(3);
  }
  static setupContext(): void {
    call();
  }
  static backward(_: unknown, gradient: Tensor): Tensor {
    call();
    return gradient.mul(3);
  }
  static vmap(_: autograd.VmapInfo, inDims: readonly (number | null)[], x: Tensor): [Tensor, number | null] {
    call();
    return [OwnRule.apply(x), inDims[0]];
  }
}

/** Its backward runs another one. */
class Reentrant extends autograd.Function {
  static forward(ctx: autograd.FunctionCtx, x: Tensor): Tensor {
    ctx.saveForBackward(x);
    return x.sin();
  }
  static backward(ctx: autograd.FunctionCtx, gradient: Tensor): Tensor {
    const x = ctx.savedTensors[0].detach().requiresGrad_();
    enableGrad(() => {
      const y = x.sin();
      y.registerHook(call);
      y.mul(gradient.detach()).sum().backward();
    });
    call();
    return x.grad as Tensor;
  }
}

const calling =
  (f: (x: Tensor) => Tensor) =>
  (x: Tensor): Tensor => {
    call();
    const y = f(x);
    call();
    return y;
  };
const wave = (x: Tensor): Tensor => Separate.apply(x.sin().mul(x));
const context = <T>(work: () => T): T => {
  call();
  const result = work();
  call();
  return result;
};
const seen = (x: Tensor): Tensor => {
  call();
  return x;
};

const programs: { [name: string]: (x: Tensor) => Tensor } = {
  'custom functions': (x) => OwnRule.apply(Separate.apply(Combined.apply(x))),
  'a backward in a custom function': (x) => Reentrant.apply(Reentrant.apply(x).mul(x)),
  'hooks of tensors and of nodes': (x) => {
    const y = x.sin();
    y.retainGrad();
    y.registerHook(call);
    y.gradFn?.registerPrehook(call);
    y.gradFn?.registerHook(call);
    registerMultiGradHook([y, x], call);
    registerMultiGradHook([y, x], call, { mode: 'any' });
    return y.mul(x);
  },
  'hooks of saved tensors': (x) => savedTensorsHooks(seen, seen, () => x.sin().mul(x).exp()),
  'a checkpoint within a checkpoint': (x) =>
    checkpoint(
      calling((y) => checkpoint(calling(wave), y).mul(y)),
      x,
    ),
  'a checkpoint in contexts': (x) => checkpoint(wave, x, { contextFn: () => [context, context], earlyStop: false }),
  'a selective checkpoint': (x) =>
    checkpoint(wave, x, {
      contextFn: () =>
        createSelectiveCheckpointContexts(() => {
          call();
          return false;
        }),
    }),
  'func.grad and func.vjp': (x) => {
    const gradient = func.grad(calling((y) => wave(y).sum()))(x);
    const [, pull] = func.vjp(calling(wave), x);
    return gradient.add(pull(gradient)[0]);
  },
  'func.jvp': (x) => func.jvp(calling(wave), [x], [onesLike(x)])[1],
  'func.vmap': (x) => func.vmap(calling((y) => OwnRule.apply(wave(y))))(x),
  'jacrev of jacfwd': (x) =>
    func
      .jacrev(func.jacfwd(calling((y) => wave(y).sum())))(x.narrow(0, 0, 3))
      .sum()
      .mul(x),
  dualLevel: (x) =>
    autograd.forwardAd.dualLevel(() => {
      const y = calling(wave)(autograd.forwardAd.makeDual(x, onesLike(x)));
      return autograd.forwardAd.unpackDual(y).tangent as Tensor;
    }),
  modes: (x) => noGrad(() => inferenceMode(() => inferenceMode(false, () => enableGrad(() => calling(wave)(x))))),
  'saved tensors elsewhere': (x) => saveOnCpu(() => calling(wave)(x)),
  'anomaly detection and a profile': (x) =>
    autograd.detectAnomaly(() => autograd.profiler.profile({ withStack: true }, () => calling(wave)(x)).result),
  'a scope of memory': (x) => memoryScope(() => calling(wave)(x)),
};

describe('a throw from any call of', () => {
  for (const [name, program] of Object.entries(programs)) {
    test(name, () => {
      const run = (fatal: number): unknown => {
        const x = leaf();
        Object.assign(calls, { count: 0, fatal });
        let y: Tensor;
        try {
          y = program(x).mul(x).sum();
        } catch (error) {
          assert.ok(error instanceof Fatal);
          return null;
        }
        try {
          y.backward();
        } catch (error) {
          assert.ok(error instanceof Fatal);
          assert.equal(x.grad, null);
          y.backward();
        }
        return gradOf(x);
      };
      const expected = run(0);
      const { count } = calls;
      assert.ok(count > 1);
      for (let fatal = 1; fatal <= count; fatal++) {
        const gradient = run(fatal);
        if (gradient) assert.deepEqual(gradient, expected);
        assertAtRest();
      }
    });
  }
});

describe('guards that were left behind by a throw are taken back by what is around them', () => {
  const pairs: [name: string, around: (work: () => void) => void, leave: () => void][] = [
    [
      'func.jvp',
      (work) => void func.jvp((x: Tensor) => work() ?? x, [leaf()], [leaf()]),
      autograd.forwardAd.enterDualLevel,
    ],
    ['savedTensorsHooks', (work) => savedTensorsHooks(seen, seen, work), saveOnCpu],
    ['noGrad', noGrad, () => void setGradEnabled(true)],
    ['memoryScope', memoryScope, memoryScope],
  ];
  for (const [name, around, leave] of pairs) {
    test(name, () => {
      const failing = (): void => {
        leave();
        throw new Fatal();
      };
      assert.throws(() => around(failing), Fatal);
      assertAtRest();
    });
  }
});

test('a mode that a hook leaves switched is back at the next node', () => {
  const x = leaf();
  const modes: boolean[] = [];
  const [y, z] = [x.sin(), x.exp()];
  z.registerHook(() => void setGradEnabled(true));
  y.registerHook(() => void modes.push(isGradEnabled()));
  y.mul(z).sum().backward();
  assert.deepEqual(modes, [false]);
  assert.equal(x.grad?.requiresGrad, false);
});

test('a profile goes on after a backward that failed in it', () => {
  const x = leaf();
  const { functionEvents } = autograd.profiler.profile(() => {
    const y = x.sin();
    y.gradFn?.registerHook(() => {
      throw new Fatal();
    });
    assert.throws(() => y.sum().backward(), Fatal);
    x.exp();
  });
  const named = (name: string) => functionEvents.find((event) => event.name === name);
  assert.equal(named('exp')?.cpuParent, null);
  assert.equal(named('SinBackward0')?.over, true);
});
