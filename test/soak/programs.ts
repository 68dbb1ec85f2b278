/** Programs that make garbage for as long as one lets them. Each works on tensors of `n` elements, and knows what has to be true in the end. */
import { AdjointError, autograd, memoryScope, ones, optim, rand, type Tensor } from '../../src/index.ts';

export interface Program {
  step(i: number): void;
  /** Throws if a tensor that was still referred to has changed. */
  check(): void;
}

function expectAll(x: Tensor, value: number): void {
  const wrong = x.toTypedArray().find((v) => Math.abs(Number(v) - value) > 1e-5 * Math.abs(value));
  if (wrong !== undefined) throw new Error(`expected ${value} everywhere, found ${wrong}`);
}

function expectThrow(f: () => unknown, message: string): void {
  try {
    f();
  } catch (error) {
    if (error instanceof Error && error.message.includes(message)) return;
    throw error;
  }
  throw new Error(`expected an error: ${message}`);
}

class FailsForward extends autograd.Function {
  static forward(ctx: autograd.FunctionCtx, x: Tensor): Tensor {
    const y = x.exp();
    ctx.saveForBackward(x, y);
    throw new Error('stopped in a forward');
  }
}

class FailsBackward extends autograd.Function {
  static forward(ctx: autograd.FunctionCtx, x: Tensor): Tensor {
    const y = x.exp();
    ctx.saveForBackward(y);
    return y;
  }
  static backward(ctx: autograd.FunctionCtx, gradient: Tensor): Tensor {
    gradient.mul(ctx.savedTensors[0] as Tensor).add(1);
    throw new Error('stopped in a backward');
  }
}

/** The places of the last few tensors that are kept. */
function ring(size: number): { put(i: number, x: Tensor, value: number): void; check(): void } {
  const kept: { x: Tensor; value: number }[] = [];
  return {
    put: (i, x, value) => void (kept[i % size] = { x, value }),
    check: () => {
      for (const { x, value } of kept) expectAll(x, value);
    },
  };
}

const trained = (n: number): (() => number) => {
  const w = rand(n, { requiresGrad: true });
  const x = ones(n);
  const optimizer = new optim.SGD([w], { lr: n / 4, momentum: 0.1 });
  return () => {
    optimizer.zeroGrad();
    const loss = w.mul(x).sub(3).square().mean();
    loss.backward();
    optimizer.step();
    return loss.item() as number;
  };
};

export const programs: Record<string, (n: number) => Program> = {
  tensors(n) {
    const x = ones(n);
    return { step: () => void x.mul(2).add(x).sub(1), check: () => expectAll(x, 1) };
  },
  'training steps'(n) {
    const step = trained(n);
    let loss = Number.NaN;
    return {
      step: () => {
        loss = step();
      },
      check: () => {
        if (!(loss < 1e-6)) throw new Error(`trained to a loss of ${loss}`);
      },
    };
  },
  'training steps in scopes'(n) {
    const step = trained(n);
    let loss = Number.NaN;
    return {
      step: () => {
        loss = memoryScope(step);
      },
      check: () => {
        if (!(loss < 1e-6)) throw new Error(`trained to a loss of ${loss}`);
      },
    };
  },
  'graphs without a backward'(n) {
    const w = ones(n, { requiresGrad: true });
    return { step: () => void w.mul(2).exp().tanh().sum(), check: () => expectAll(w, 1) };
  },
  'graphs that refer to themselves'(n) {
    const w = ones(n, { requiresGrad: true });
    return {
      step: () => {
        const y: Tensor = w.mul(2).exp();
        y.registerHook((g) => g.mul(y));
      },
      check: () => expectAll(w, 1),
    };
  },
  'exceptions in a forward'(n) {
    const w = ones(n, { requiresGrad: true });
    const other = ones(7);
    return {
      step: (i) => {
        const y = w.mul(2).exp();
        if (i % 2) expectThrow(() => y.tanh().add(other), 'must match the size');
        else expectThrow(() => FailsForward.apply(y.tanh()), 'stopped in a forward');
      },
      check: () => expectAll(w, 1),
    };
  },
  'exceptions in a backward'(n) {
    const w = ones(n, { requiresGrad: true });
    const stop = () => {
      throw new AdjointError('argument', 'stopped by a hook');
    };
    return {
      step: (i) => {
        const y = w.mul(2);
        if (i % 2) y.registerHook(stop);
        const z = i % 2 ? y.tanh() : (FailsBackward.apply(y) as Tensor);
        expectThrow(() => z.exp().sum().backward(), 'stopped');
      },
      check: () => {
        if (w.grad) throw new Error('a backward that failed has left a gradient');
      },
    };
  },
  'views that outlive their bases'(n) {
    const kept = ring(16);
    return {
      step: (i) => {
        const base = ones(n).mul(i);
        kept.put(i, base.view(-1, 5).t(), i);
      },
      check: () => kept.check(),
    };
  },
  'sizes that change'(n) {
    const kept = ring(32);
    return {
      step: (i) => {
        const size = Math.ceil(n / 4 + ((i * 7919) % 101) * (n / 101));
        const x = ones(size).mul(i);
        if (i % 3 === 0) kept.put(i / 3, x.add(1), i + 1);
      },
      check: () => kept.check(),
    };
  },
};

export const sizes = [10, 1000, 100_000];
