/** utils.checkpoint: gradients without the memory for them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { collectGarbage } from '../../src/host/garbage.ts';
import {
  autograd,
  enableGrad,
  func,
  isGradEnabled,
  manualSeed,
  nn,
  noGrad,
  ones,
  rand,
  type Tensor,
  tensor,
  utils,
} from '../../src/index.ts';

const { checkpoint, checkpointSequential, graphExecGroup, setCheckpointDebugEnabled, setCheckpointEarlyStop } =
  utils.checkpoint;

const leaf = (...data: number[]): Tensor => tensor(data, { dtype: 'float64', requiresGrad: true });
const gradOf = ({ grad }: Tensor): unknown => grad?.tolist() ?? null;
/** The gradient of the sum of f(x), with x as a new leaf. */
const derivative = (f: (x: Tensor) => Tensor, ...data: number[]): unknown => {
  const x = leaf(...data);
  f(x).sum().backward();
  return gradOf(x);
};

const wave = (x: Tensor): Tensor => x.exp().sin().add(1);

/** `wave`, and how often it was begun and how often it came to its end. */
function counted(): { f: (x: Tensor) => Tensor; count: { begun: number; ended: number } } {
  const count = { begun: 0, ended: 0 };
  const f = (x: Tensor): Tensor => {
    count.begun++;
    const y = wave(x);
    count.ended++;
    return y;
  };
  return { f, count };
}

describe('checkpoint', () => {
  test('gives what the function gives, and its gradient by running it again as far as is needed', () => {
    const { f, count } = counted();
    const x = leaf(1, 2);
    const y = checkpoint(f, x);
    assert.deepEqual(y.tolist(), wave(x).tolist());
    assert.equal(y.gradFn?.name(), 'AddBackward0');
    assert.deepEqual(count, { begun: 1, ended: 1 });
    y.sum().backward();
    assert.deepEqual(count, { begun: 2, ended: 1 });
    assert.deepEqual(gradOf(x), derivative(wave, 1, 2));
  });

  test('runs to the end if asked', () => {
    for (const how of ['option', 'mode', 'guard']) {
      const { f, count } = counted();
      const x = leaf(1, 2);
      let y: Tensor;
      if (how === 'option') y = checkpoint(f, x, { earlyStop: false });
      else if (how === 'mode') y = setCheckpointEarlyStop(false, () => checkpoint(f, x));
      else {
        const guard = setCheckpointEarlyStop(false);
        y = checkpoint(f, x);
        guard[Symbol.dispose]();
      }
      y.sum().backward();
      assert.deepEqual(count, { begun: 2, ended: 2 });
      assert.deepEqual(gradOf(x), derivative(wave, 1, 2));
    }
  });

  test('runs again for every backward, and no more once the graph is released', () => {
    const { f, count } = counted();
    const y = checkpoint(f, leaf(1, 2)).sum();
    for (const retainGraph of [true, true, false]) y.backward({ retainGraph });
    assert.equal(count.begun, 4);
    assert.throws(() => y.backward(), /Trying to backward through the graph a second time/);
    assert.equal(count.begun, 4);
  });

  test('is the function itself where nothing is recorded', () => {
    const { f, count } = counted();
    assert.equal(checkpoint(f, tensor([1, 2])).requiresGrad, false);
    assert.equal(noGrad(() => checkpoint(f, leaf(1, 2))).requiresGrad, false);
    assert.equal(count.begun, 2);
  });

  test('keeps no intermediate result in memory', () => {
    const refs: WeakRef<Tensor>[] = [];
    const f = (x: Tensor): Tensor => {
      let y = x;
      for (let i = 0; i < 4; i++) {
        y = y.sin();
        refs.push(new WeakRef(y));
      }
      return y.mul(2);
    };
    const alive = (): number => {
      collectGarbage();
      return refs.filter((ref) => ref.deref() !== undefined).length;
    };
    const x = rand(1000, { requiresGrad: true });
    const kept = f(x);
    // the last one is not needed for the gradient
    assert.equal(alive(), 3);
    refs.length = 0;
    const y = checkpoint(f, x);
    assert.equal(alive(), 0);
    const nested = checkpoint((t: Tensor) => checkpoint(f, t.sin()).sin(), x);
    assert.equal(alive(), 0);
    y.add(nested).sum().backward({ retainGraph: true });
    assert.equal(alive(), 0);
    assert.deepEqual(kept.shape, y.shape);
  });

  test('works for gradients with respect to part of what it uses', () => {
    const { x, w } = { x: leaf(1, 2), w: leaf(3, 4) };
    let runs = 0;
    const y = checkpoint((t: Tensor) => {
      runs++;
      return t.mul(w).exp();
    }, x).sum();
    const expected = x.mul(w).exp();
    const [ofW] = autograd.grad(y, w, { retainGraph: true });
    assert.deepEqual(ofW.tolist(), expected.mul(x).tolist());
    const [ofX] = autograd.grad(y, x);
    assert.deepEqual(ofX.tolist(), expected.mul(w).tolist());
    assert.equal(runs, 3);
    assert.deepEqual([x.grad, w.grad], [null, null]);
  });

  test('works for derivatives of higher order', () => {
    autograd.gradcheck((t) => checkpoint(wave, t), leaf(0.3, -0.5));
    autograd.gradgradcheck((t) => checkpoint(wave, t), leaf(0.3, -0.5));
  });

  test('leaves gradients of parameters and hooks as they are, whether its input wants a gradient or not', () => {
    for (const requiresGrad of [true, false]) {
      manualSeed(3);
      const module = new nn.Sequential(new nn.Linear(3, 4), new nn.ReLU(), new nn.Linear(4, 2));
      const x = rand(5, 3, { requiresGrad });
      const gradients = [(): Tensor => module.forward(x), (): Tensor => checkpoint(module, x)].map((make) => {
        module.zeroGrad();
        make().mean().backward();
        return [...module.parameters()].map(gradOf);
      });
      assert.deepEqual(gradients[1], gradients[0]);
    }
    const w = leaf(1, 2);
    let calls = 0;
    w.registerHook(() => void calls++);
    checkpoint((t: Tensor) => w.mul(t), w.mul(3))
      .sum()
      .backward();
    assert.equal(calls, 1);
    assert.deepEqual(gradOf(w), [6, 12]);
  });

  test('looks into structures: tensors in objects and arrays take part', () => {
    const { a, b } = { a: leaf(1, 2), b: leaf(3, 4) };
    const { result } = checkpoint(
      (input: { a: Tensor; rest: Tensor[] }, f: (x: Tensor) => Tensor) => ({ result: f(input.a.mul(input.rest[0])) }),
      { a, rest: [b] },
      wave,
    );
    result.sum().backward();
    assert.deepEqual(
      gradOf(a),
      derivative((t) => wave(t.mul(tensor([3, 4]))), 1, 2),
    );
    assert.notEqual(b.grad, null);
  });

  test('has a form that is configured first', () => {
    const { f, count } = counted();
    const again = checkpoint({ earlyStop: false })(f);
    const x = leaf(1, 2);
    again(x).sum().backward();
    assert.deepEqual(count, { begun: 2, ended: 2 });
    assert.deepEqual(gradOf(x), derivative(wave, 1, 2));
    assert.throws(() => checkpoint({ earlystop: false } as object), /unknown option "earlystop"/);
    assert.throws(() => checkpoint(3 as never), { code: 'argument', message: /runs a function or a module, got 3/ });
    assert.throws(() => checkpoint(wave, x, { earlyStop: 1 as never }), /earlyStop takes true or false, got 1/);
  });

  test('passes on any arguments and results', () => {
    const x = leaf(1, 2);
    const [product, text, nothing, { power }] = checkpoint(
      (t: Tensor, factor: number, word: string) => [t.mul(factor), word, null, { power: t.pow(factor).exp() }] as const,
      x,
      3,
      'text',
    );
    assert.deepEqual([product.tolist(), text, nothing], [[3, 6], 'text', null]);
    power.sum().backward();
    assert.deepEqual(
      gradOf(x),
      derivative((t) => t.pow(3).exp(), 1, 2),
    );
  });

  test('works with what is detached inside', () => {
    const f = (t: Tensor): Tensor => t.exp().detach().mul(t);
    assert.deepEqual(
      derivative((x) => checkpoint(f, x), 1, 2),
      derivative(f, 1, 2),
    );
  });

  test('works with writes in place inside', () => {
    const f = (t: Tensor): Tensor => t.mul(2).add_(1).mul_(t).sin();
    assert.deepEqual(
      derivative((x) => checkpoint(f, x), 1, 2),
      derivative(f, 1, 2),
    );
  });

  test('works with custom functions that look at what they saved once', () => {
    class Exp extends autograd.Function {
      static forward(ctx: autograd.FunctionCtx, x: Tensor): Tensor {
        const y = x.exp();
        ctx.saveForBackward(x, y);
        return y;
      }
      static backward(ctx: autograd.FunctionCtx, g: Tensor): Tensor {
        const [, y] = ctx.savedTensors;
        assert.throws(() => ctx.savedTensors, {
          code: 'autograd',
          message: /Unpack is being triggered for a tensor that was already unpacked once\. .* do so only once/,
        });
        return g.mul(y);
      }
    }
    assert.deepEqual(
      derivative((x) => checkpoint((t) => Exp.apply(t), x), 0, 1),
      [1, Math.E],
    );
  });

  test('gives custom functions the very tensors that they saved, where these have no part in the graph', () => {
    let seen: Tensor | null = null;
    class First extends autograd.Function {
      static forward(ctx: autograd.FunctionCtx, x: Tensor, y: Tensor): Tensor {
        ctx.saveForBackward(y);
        return x.clone();
      }
      static backward(ctx: autograd.FunctionCtx, g: Tensor): [Tensor, null] {
        [seen] = ctx.savedTensors;
        return [g, null];
      }
    }
    const constant = tensor([1, 2]);
    for (const way of [
      First.apply.bind(First),
      (x: Tensor, y: Tensor) => checkpoint((a, b) => First.apply(a, b), x, y),
    ]) {
      seen = null;
      (way as (x: Tensor, y: Tensor) => Tensor)(leaf(1, 2), constant).sum().backward();
      assert.ok(seen === constant);
    }
  });

  test('takes a trailing object for options only if it has nothing but options', () => {
    const f = (t: Tensor, { power }: { power: number }): Tensor => t.pow(power).exp();
    const x = leaf(1, 2);
    checkpoint(f, x, { power: 2 }).sum().backward();
    checkpoint(f, x, { power: 2 }, { useReentrant: false }).sum().backward();
    assert.throws(
      () => checkpoint(wave, x, { determinismCheck: 'no' as 'none' }),
      /determinismCheck should be one of \["default", "none"\], but got "no"/,
    );
    assert.throws(() => checkpoint(wave, x, { useReentrant: true as false }), { code: 'unsupported' });
  });
});

describe('nested checkpoints', () => {
  test('recompute what they need of each other', () => {
    let log = '';
    const inner = (x: Tensor): Tensor => {
      log += 'i';
      return x.exp().sin();
    };
    const middle = (x: Tensor): Tensor => {
      log += 'm';
      return checkpoint(inner, x).cos();
    };
    const outer = (x: Tensor): Tensor => {
      log += 'o';
      return checkpoint(middle, x.sin()).exp();
    };
    const x = leaf(0.1, 0.2);
    const y = checkpoint(outer, x);
    log += '|';
    y.sum().backward();
    assert.equal(log, 'omi|omimii');
    assert.deepEqual(
      gradOf(x),
      derivative((t) => t.sin().exp().sin().cos().exp(), 0.1, 0.2),
    );
  });

  test('one after the other in a third', () => {
    let log = '';
    const inner = (x: Tensor): Tensor => {
      log += 'i';
      return x.exp().sin();
    };
    const outer = (x: Tensor): Tensor => {
      log += 'o';
      return checkpoint(inner, checkpoint(inner, x.sin())).exp();
    };
    const x = leaf(0.1, 0.2);
    const y = checkpoint(outer, x);
    log += '|';
    y.sum().backward();
    assert.equal(log, 'oii|oiiii');
    autograd.gradgradcheck((t) => checkpoint(outer, t), leaf(0.1, 0.2));
  });
});

describe('checkpoints within functions that differentiate', () => {
  type Scalar = (x: Tensor) => Tensor;
  const grad =
    (f: Scalar): Scalar =>
    (x) =>
      enableGrad(() => autograd.grad(f(x), x, { createGraph: true })[0]);
  const sum =
    (f: Scalar): Scalar =>
    (x) =>
      f(x).sum();
  const c = (f: Scalar): Scalar => checkpoint()(f);
  const plain: Scalar = (x) => x.sin().exp().sin();
  const withBackward: Scalar = (x) => {
    autograd.grad(x.sin().exp().sin(), x);
    autograd.grad(x.sin().exp().sin(), x);
    return x.sin();
  };
  const value = (f: Scalar, x: Tensor): unknown => f(x).tolist();
  /** How many nodes of the graph of f(x) are alive when it is not needed any more. */
  const survivors = (f: Scalar): number => {
    const refs: WeakRef<object>[] = [];
    const visit = (node: Tensor['gradFn']): void => {
      if (!node) return;
      refs.push(new WeakRef(node));
      for (const [next] of node.nextFunctions) visit(next);
    };
    visit(f(tensor(0.3, { requiresGrad: true })).gradFn);
    assert.ok(refs.length > 0);
    const alive = (): number => refs.filter((ref) => ref.deref()).length;
    // what the stack has left over may look like a reference to the last of them
    for (let attempt = 0; attempt < 20 && alive() > 0; attempt++) collectGarbage();
    return alive();
  };
  for (const earlyStop of [true, false]) {
    test(`of any order, checkpointed or not at any level, earlyStop ${earlyStop}`, () => {
      setCheckpointEarlyStop(earlyStop, () => {
        for (const f of [plain, withBackward]) {
          const forms: [Scalar, Scalar[]][] = [
            [f, [c(f), c(c(f))]],
            [grad(f), [grad(c(f)), grad(c(c(f)))]],
            [grad(grad(f)), [grad(c(grad(f))), c(grad(grad(c(f)))), grad(c(grad(c(f))))]],
            [grad(grad(grad(f))), [grad(c(grad(grad(c(f))))), grad(c(grad(c(grad(c(f))))))]],
          ];
          for (const [expected, actual] of forms) {
            const x = tensor(0.7, { dtype: 'float64', requiresGrad: true });
            for (const form of actual) {
              assert.deepEqual(value(form, x), value(expected, x));
              assert.equal(survivors(form), 0);
            }
          }
        }
      });
    });

    test(`two of them one after the other inside of a third, earlyStop ${earlyStop}`, () => {
      setCheckpointEarlyStop(earlyStop, () => {
        const f: Scalar = (x) => x.sin().exp().sin();
        const g: Scalar = (x) => x.cos().sin().exp();
        const both: Scalar = (x) => c(g)(c(f)(x));
        const x = leaf(0.1, 0.2, 0.3);
        const expected = value(grad(sum(grad(sum((t) => g(f(t)))))), x);
        assert.deepEqual(value(grad(sum(grad(sum(c(both))))), x), expected);
        assert.deepEqual(value(grad(sum(c(grad(sum(c(both)))))), x), expected);
      });
    });

    test(`the graph is that of the first run, earlyStop ${earlyStop}`, () => {
      const x = leaf(1);
      const y = setCheckpointEarlyStop(earlyStop, () => checkpoint((t: Tensor) => t.sin().cos().sin(), x));
      let calls = 0;
      y.gradFn?.nextFunctions[0]?.[0]?.registerHook(() => void calls++);
      y.backward();
      assert.equal(calls, 1);
    });

    test(`a backward within a hook recomputes for itself, earlyStop ${earlyStop}`, () => {
      const x = leaf(1);
      const [inner, outer] = setCheckpointEarlyStop(earlyStop, () =>
        checkpoint((t: Tensor) => {
          const u = t.sin().cos();
          return [u, u.sin()] as const;
        }, x),
      );
      outer.gradFn?.registerHook(() => inner.backward({ retainGraph: true }));
      outer.backward({ retainGraph: true });
      const u = Math.cos(Math.sin(1));
      const slope = -Math.sin(Math.sin(1)) * Math.cos(1);
      assert.ok(Math.abs((gradOf(x) as number[])[0] - slope * (1 + Math.cos(u))) < 1e-12);
    });
  }
});

describe('early stop', () => {
  /** How often the last operator of the function ran. */
  const runs = (make: (f: (x: Tensor) => Tensor, x: Tensor) => Tensor): number => {
    let count = 0;
    make((x) => {
      const y = x.sin().cos();
      count++;
      return y.clone();
    }, leaf(1)).backward();
    return count;
  };

  test('the setting in force, the innermost one, goes before the option', () => {
    const f = [true, false];
    assert.equal(
      runs((g, x) => checkpoint(g, x)),
      1,
    );
    for (const earlyStop of f)
      assert.equal(
        runs((g, x) => checkpoint(g, x, { earlyStop })),
        earlyStop ? 1 : 2,
      );
    for (const setting of f) {
      for (const earlyStop of f) {
        const y = runs((g, x) => setCheckpointEarlyStop(setting, () => checkpoint(g, x, { earlyStop })));
        assert.equal(y, setting ? 1 : 2);
      }
      const nested = runs((g, x) =>
        setCheckpointEarlyStop(!setting, () => setCheckpointEarlyStop(setting, () => checkpoint(g, x))),
      );
      assert.equal(nested, setting ? 1 : 2);
    }
  });

  test('nothing is run again where nothing was saved; where only an input was, up to there', () => {
    for (const earlyStop of [true, false]) {
      const runs = (f: (x: Tensor) => Tensor): number => {
        let count = 0;
        const counting = (x: Tensor): Tensor => {
          count++;
          return f(x);
        };
        checkpoint(counting, leaf(1), { earlyStop }).backward();
        return count;
      };
      assert.equal(
        runs((x) => x.clone()),
        1,
      );
      assert.equal(
        runs((x) => x.sin()),
        2,
      );
    }
  });
});

describe('several backwards', () => {
  const twice = (work: (go: () => void) => void): number => {
    let runs = 0;
    const x = leaf(1, 2);
    const [y, z] = checkpoint((t: Tensor) => {
      runs++;
      const u = t.sin().cos();
      return [u, u.sin().cos()] as const;
    }, x);
    work(() => {
      const [ofY] = autograd.grad(z, y, { gradOutputs: ones(2, { dtype: 'float64' }) });
      const [ofX] = autograd.grad(y, x, { gradOutputs: ofY });
      assert.deepEqual(
        ofX.tolist(),
        derivative((t) => t.sin().cos().sin().cos(), 1, 2),
      );
    });
    return runs;
  };

  test('each run the function again, unless they are a group', () => {
    assert.equal(
      twice((go) => go()),
      3,
    );
    assert.equal(
      twice((go) => graphExecGroup(go)),
      2,
    );
    assert.equal(
      twice((go) => {
        const guard = graphExecGroup();
        go();
        guard[Symbol.dispose]();
      }),
      2,
    );
  });

  test('of a group go through different parts of the graph', () => {
    const y = checkpoint((x: Tensor) => x.sin().cos(), leaf(1, 2)).sum();
    graphExecGroup(() => {
      y.backward({ retainGraph: true });
      assert.throws(() => y.backward(), { code: 'autograd', message: /Performing two backward calls that overlap/ });
      assert.throws(() => graphExecGroup(() => {}), /cannot be nested/);
    });
    y.backward();
  });

  test('and looks at what a node has saved run it again, each time', () => {
    let runs = 0;
    const y = checkpoint(
      (x: Tensor) => {
        runs++;
        const square = x.mul(x);
        x.mul(square);
        return x.exp();
      },
      leaf(1, 2),
    );
    const look = (): unknown => (y.gradFn!._savedResult as Tensor).tolist();
    assert.deepEqual(look(), [Math.E, Math.exp(2)]);
    assert.equal(runs, 2);
    look();
    assert.equal(runs, 3);
    y.sum().backward();
    assert.equal(runs, 4);
    assert.throws(look, /directly access saved tensors after they have already been freed/);
    assert.equal(runs, 4);
  });

  test('give back what was computed again as they go, whether the graph is retained or not', () => {
    for (const retainGraph of [true, false]) {
      const refs: WeakRef<Tensor>[] = [];
      const alive: number[] = [];
      const track = (x: Tensor): Tensor => {
        refs.push(new WeakRef(x));
        x.registerHook(() => {
          collectGarbage();
          alive.push(refs.filter((ref) => ref.deref()?.numel() === 1000).length);
        });
        return x;
      };
      checkpoint(
        (x: Tensor) => {
          let y = x;
          for (let i = 0; i < 3; i++) y = track(y.pow(2));
          return y.pow(2).sum();
        },
        rand(1000, { requiresGrad: true }),
      ).backward({ retainGraph });
      assert.equal(alive.length, 3);
      assert.ok(alive[0] >= alive[1] && alive[1] >= alive[2] && alive[2] === 0, `${alive}`);
    }
  });
});

describe('what a checkpointed function runs in', () => {
  const logging = (log: string[], name: string): utils.checkpoint.CheckpointContext => {
    return (work) => {
      log.push(`${name} begins`);
      try {
        return work();
      } finally {
        log.push(`${name} ends`);
      }
    };
  };

  test('two contexts, for the forward and for the recomputation, whether that stops early or not', () => {
    for (const earlyStop of [true, false]) {
      const log: string[] = [];
      const contextFn = () => [logging(log, 'forward'), logging(log, 'again')] as const;
      const x = leaf(1, 2);
      const y = checkpoint(wave, x, { contextFn, earlyStop }).sum();
      assert.deepEqual(log, ['forward begins', 'forward ends']);
      y.backward({ retainGraph: true });
      y.backward();
      assert.deepEqual(log.slice(2), ['again begins', 'again ends', 'again begins', 'again ends']);
      assert.deepEqual(
        gradOf(x),
        derivative((t) => wave(t).mul(2), 1, 2),
      );
    }
  });

  test('modes are such contexts', () => {
    const seen: boolean[] = [];
    const f = (x: Tensor): Tensor => {
      seen.push(isGradEnabled());
      return enableGrad(() => wave(x));
    };
    const x = leaf(1, 2);
    checkpoint(f, x, { contextFn: () => [noGrad, enableGrad] })
      .sum()
      .backward();
    assert.deepEqual(seen, [false, true]);
    assert.deepEqual(gradOf(x), derivative(wave, 1, 2));
  });

  test('they have to let errors through', () => {
    const silent: utils.checkpoint.CheckpointContext = (work) => {
      try {
        work();
      } catch {}
    };
    const broken = (): Tensor => {
      throw new TypeError('broken');
    };
    const x = leaf(1, 2);
    assert.throws(() => checkpoint(broken, { contextFn: () => [silent, silent] }), {
      code: 'autograd',
      message: /the forward context provided by contextFn suppressed an exception/,
    });
    assert.throws(() => checkpoint(broken, { contextFn: () => [logging([], ''), silent] }), /^TypeError: broken/);
    assert.throws(() => checkpoint(wave, x, { contextFn: (() => [silent]) as never }), {
      code: 'argument',
      message: /contextFn returns \[forward, recomputation\], two functions that call the function they are given/,
    });
  });

  test('an async function is refused', () => {
    assert.throws(() => checkpoint(async (x: Tensor) => x, leaf(1)), /an async callback cannot run in a mode/);
  });
});

describe('debugging', () => {
  const broken = (options: utils.checkpoint.CheckpointOptions): Tensor => {
    let runs = 0;
    const f = (x: Tensor): Tensor => (++runs === 1 ? x.sin().exp() : x.sin().mul(tensor([1, 2, 3]).view(3, 1)));
    return checkpoint(f, leaf(1, 2), options).sum();
  };
  const full = /You are seeing this error because you passed `debug: true` to checkpoint/;
  const messageOf = (work: () => void): string => {
    try {
      work();
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };

  test('shows the operators of both runs and where they were called', () => {
    const message = messageOf(() => broken({ debug: true }).backward());
    assert.match(message, /have different metadata than during the forward pass\./);
    assert.match(message, full);
    const [, first, second] = message.match(
      /Operators executed during the original forward\n\n([\s\S]*)\n\nOperators executed during recomputation\n\n([\s\S]*)\n\n4\./,
    ) as string[];
    assert.equal(first, 'sin(float64 [2]) -> float64 [2]\nexp(float64 [2]) -> float64 [2]');
    assert.equal(second, 'sin(float64 [2]) -> float64 [2]\nview(float32 [3]) -> float32 [3, 1]');
    assert.match(message, /exp\(.*\(2 of 2 in original\)\n.*\n?[\s\S]*checkpoint\.test/);
  });

  test('is switched on and off for all, whatever their options', () => {
    assert.match(
      messageOf(() => setCheckpointDebugEnabled(true, () => broken({ debug: false }).backward())),
      full,
    );
    const off = messageOf(() => setCheckpointDebugEnabled(false, () => broken({ debug: true }).backward()));
    assert.match(off, /Recomputed values for the following tensors have different metadata/);
    assert.doesNotMatch(off, full);
    assert.match(
      messageOf(() => setCheckpointDebugEnabled(null, () => broken({ debug: true }).backward())),
      full,
    );
    const guard = setCheckpointDebugEnabled(true);
    const y = broken({});
    guard[Symbol.dispose]();
    assert.match(
      messageOf(() => y.backward()),
      full,
    );
  });

  test('does not go with contexts', () => {
    const contextFn = () => [noGrad, noGrad] as const;
    assert.throws(() => broken({ debug: true, contextFn }), {
      code: 'argument',
      message: /debug: true is incompatible with a contextFn/,
    });
  });
});

describe('random numbers under a checkpoint', () => {
  test('so that dropout drops the same', () => {
    const drop = new nn.Dropout(0.5);
    const gradients = [(x: Tensor) => drop.forward(x), (x: Tensor) => checkpoint(drop, x)].map((second) => {
      manualSeed(7);
      const x = ones(1000, { requiresGrad: true });
      second(drop.forward(x)).sum().backward();
      return gradOf(x);
    });
    assert.deepEqual(gradients[1], gradients[0]);
  });

  const noisy = (seen: Tensor[], preserveRngState: boolean): { same: boolean; undisturbed: boolean } => {
    manualSeed(0);
    const x = ones(5, { dtype: 'float64', requiresGrad: true });
    const f = (t: Tensor): Tensor => {
      const noise = rand(5, { dtype: 'float64' });
      seen.push(noise);
      return t.mul(noise).exp().sin();
    };
    const y = checkpoint(f, x, { preserveRngState });
    const after = rand(3).tolist();
    manualSeed(0);
    rand(5, { dtype: 'float64' });
    y.sum().backward();
    return {
      same: seen[0].equal(seen[1]),
      undisturbed: JSON.stringify(rand(3).tolist()) === JSON.stringify(after),
    };
  };

  test('are the same again, and leave the generator where it is', () => {
    assert.deepEqual(noisy([], true), { same: true, undisturbed: true });
  });

  test('go on if they may', () => {
    assert.deepEqual(noisy([], false), { same: false, undisturbed: false });
  });
});

describe('a function that does not do the same again', () => {
  /** Runs `first`, and `second` when it is run again. */
  const changing = (
    first: (x: Tensor) => Tensor,
    second: (x: Tensor) => Tensor,
    options: utils.checkpoint.CheckpointOptions = {},
  ): unknown => {
    let runs = 0;
    return derivative((x) => checkpoint((t: Tensor) => (++runs === 1 ? first : second)(t), x, options), 1, 2);
  };
  const short = (x: Tensor): Tensor => x.exp();
  const long = (x: Tensor): Tensor => x.exp().sin();
  const narrow = (x: Tensor): Tensor => x.narrow(0, 0, 1).exp().sin();

  test('saves too few tensors', () => {
    assert.throws(() => changing(long, short), {
      code: 'autograd',
      message:
        /A different number of tensors was saved during the original forward and recomputation\.\nNumber of tensors saved during forward: 2\nNumber of tensors saved during recomputation: 1\./,
    });
  });

  test('saves too many, unless it stops before', () => {
    assert.deepEqual(changing(short, long), derivative(short, 1, 2));
    assert.throws(
      () => changing(short, long, { earlyStop: false }),
      /trying to save more tensors during recomputation than during the original forward pass/,
    );
  });

  test('saves others, unless this is left unchecked', () => {
    assert.throws(
      () => changing(long, narrow),
      /Recomputed values for the following tensors have different metadata than during the forward pass\.\ntensor at position 0:\nsaved metadata: float64 \[2\]\nrecomputed metadata: float64 \[1\]\ntensor at position 1:/,
    );
    assert.notDeepEqual(changing(long, narrow, { determinismCheck: 'none' }), derivative(long, 1, 2));
  });

  test('throws: the error is the caller’s, and the next attempt starts anew', () => {
    const x = leaf(1, 2);
    let runs = 0;
    const y = checkpoint((t: Tensor) => {
      if (++runs === 2) throw new TypeError('second');
      return long(t);
    }, x).sum();
    assert.throws(() => y.backward({ retainGraph: true }), /^TypeError: second/);
    assert.equal(x.grad, null);
    y.backward();
    assert.deepEqual(gradOf(x), derivative(long, 1, 2));
  });

  test('a failed attempt leaves nothing behind', () => {
    const x = leaf(1, 2);
    let runs = 0;
    const y = checkpoint((t: Tensor) => (++runs === 2 ? narrow : long)(t), x).sum();
    assert.throws(() => y.backward({ retainGraph: true }), /different metadata/);
    y.backward();
    assert.deepEqual(gradOf(x), derivative(long, 1, 2));
  });

  test('inputs that were written to since are an error', () => {
    const x = leaf(1, 2).mul(1);
    const y = checkpoint(long, x);
    x.add_(1);
    assert.throws(() => y.sum().backward(), {
      code: 'inplace',
      message: /is at version 1; expected version 0 instead/,
    });
  });

  test('so is a write inside to what was saved before', () => {
    const f = (t: Tensor): Tensor => {
      const y = t.sin();
      const z = y.mul(y);
      y.add_(1);
      return z.exp();
    };
    assert.throws(() => derivative(f, 1, 2), { code: 'inplace' });
    assert.throws(() => derivative((x) => checkpoint(f, x), 1, 2), { code: 'inplace' });
  });
});

describe('a backward inside of a checkpointed function', () => {
  for (const retainGraph of [true, false]) {
    for (const earlyStop of [true, false]) {
      test(`retainGraph ${retainGraph}, earlyStop ${earlyStop}`, () => {
        const f = (x: Tensor): Tensor => {
          const z = x.sin().cos();
          const [g] = autograd.grad(z.sum(), x, { retainGraph });
          return g.mul(retainGraph ? z : x.cos());
        };
        assert.deepEqual(
          derivative((x) => checkpoint(f, x, { earlyStop }), 1, 2),
          derivative(f, 1, 2),
        );
      });
    }
  }
});

describe('hooks for saved tensors around and inside of a checkpoint', () => {
  const logged = <T>(log: string[], work: () => T): T =>
    autograd.graph.savedTensorsHooks(
      (x) => {
        log.push('pack');
        return x;
      },
      (x) => {
        log.push('unpack');
        return x;
      },
      work,
    );

  test('those around it have its inputs', () => {
    const log: string[] = [];
    const x = leaf(1, 2);
    logged(log, () => checkpoint(wave, x))
      .sum()
      .backward();
    assert.deepEqual(log, ['pack', 'unpack']);
  });

  test('those inside of it have what is theirs', () => {
    const log: string[] = [];
    const f = (t: Tensor): Tensor => logged(log, () => t.exp()).sin();
    assert.deepEqual(
      derivative((x) => checkpoint(f, x), 1, 2),
      derivative((t) => t.exp().sin(), 1, 2),
    );
    assert.deepEqual(log, ['pack', 'pack', 'unpack']);
  });

  test('what forward mode saves for its own use is none of theirs', () => {
    const x = leaf(0.5, 2);
    const { dualLevel, makeDual, unpackDual } = autograd.forwardAd;
    const slope = (y: Tensor): Tensor =>
      dualLevel(() => unpackDual(makeDual(y, y.cos()).sin().outer(y.exp())).tangent as Tensor);
    let packed = 0;
    const count = (y: Tensor): Tensor => {
      packed++;
      return y;
    };
    autograd.graph.savedTensorsHooks(count, count, () => slope(x.detach()));
    assert.equal(packed, 0);
    assert.deepEqual(
      derivative((y) => checkpoint(slope, y), 0.5, 2),
      derivative(slope, 0.5, 2),
    );
  });

  test('what lives inside of a transform only is none of theirs', () => {
    const gradients = (y: Tensor): Tensor =>
      func.vmap(func.grad((z: Tensor) => z.sin().mul(z.exp()).sum()))(y.reshape([2, 2]));
    const plain = derivative(gradients, 0.5, 2, -1, 0.2);
    assert.deepEqual(
      derivative((y) => checkpoint(gradients, y), 0.5, 2, -1, 0.2),
      plain,
    );
    assert.deepEqual(
      derivative((y) => autograd.graph.saveOnCpu(() => gradients(y)), 0.5, 2, -1, 0.2),
      plain,
    );
  });

  test('where they are disabled it cannot be', () => {
    const { disableSavedTensorsHooks } = autograd.graph;
    assert.throws(() => disableSavedTensorsHooks('no hooks', () => checkpoint(wave, leaf(1, 2))), {
      message: 'no hooks',
    });
  });
});

describe('checkpointSequential', () => {
  const operators = [(x: Tensor) => x.sin(), (x: Tensor) => x.exp(), (x: Tensor) => x.cos()];
  const logging = (log: unknown[], length: number): ((x: Tensor) => Tensor)[] =>
    Array.from({ length }, (_, i) => (x: Tensor) => {
      log.push(i);
      return operators[i % 3](x);
    });

  test('puts all segments but the last under checkpoints', () => {
    const log: unknown[] = [];
    const x = leaf(0.1, 0.2);
    const y = checkpointSequential(logging(log, 5), 2, x);
    log.push('backward');
    y.sum().backward();
    assert.deepEqual(log, [0, 1, 2, 3, 4, 'backward', 0, 1]);
    assert.deepEqual(
      gradOf(x),
      derivative((t) => logging([], 5).reduce((u, f) => f(u), t), 0.1, 0.2),
    );
  });

  test('takes modules as well', () => {
    const module = { forward: (x: Tensor): Tensor => x.tanh() };
    assert.deepEqual(
      derivative(
        (x) => checkpointSequential([module, (t) => t.exp(), module], 3, x, { preserveRngState: false }),
        1,
        2,
      ),
      derivative((x) => x.tanh().exp().tanh(), 1, 2),
    );
  });

  test('takes a Sequential as well as a list of its modules', () => {
    manualSeed(5);
    const module = new nn.Sequential(new nn.Linear(6, 5), new nn.ReLU(), new nn.Linear(5, 4), new nn.ReLU());
    const results = [
      (x: Tensor) => module.forward(x),
      (x: Tensor) => checkpointSequential(module, 2, x),
      (x: Tensor) => checkpointSequential([...module], 2, x),
    ].map((make) => {
      module.zeroGrad();
      const x = ones(3, 6, { requiresGrad: true });
      const y = make(x);
      y.sum().backward();
      return [y, x.grad, ...[...module.parameters()].map((w) => w.grad)].map((t) => t?.tolist());
    });
    assert.deepEqual(results[1], results[0]);
    assert.deepEqual(results[2], results[0]);
  });

  test('has at least one function for each segment', () => {
    const x = leaf(1);
    assert.equal(checkpointSequential(operators, 1, x).requiresGrad, true);
    for (const segments of [0, 4, 1.5]) {
      assert.throws(() => checkpointSequential(operators, segments, x), {
        code: 'argument',
        message: /segments must be a whole number from 1 to the number of functions, 3, but got/,
      });
    }
    // @ts-expect-error there is no such option
    assert.throws(() => checkpointSequential(operators, 1, x, { early: true }), /unknown option "early"/);
  });
});
