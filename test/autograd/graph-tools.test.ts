/** Tools for the recorded graph: edges, hooks over several tensors, what may happen to saved tensors. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  autograd,
  inferenceMode,
  isGradEnabled,
  noGrad,
  ones,
  rand,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.ts';
import { usage } from '../../src/kernels/memory.ts';

const {
  allowMutationOnSavedTensors,
  disableSavedTensorsHooks,
  GradientEdge,
  getGradientEdge,
  incrementVersion,
  Node,
  registerMultiGradHook,
  saveOnCpu,
  savedTensorsHooks,
} = autograd.graph;

const leaf = (...data: number[]): Tensor => tensor(data, { requiresGrad: true });
const scalar = (value: number): Tensor => tensor(value, { requiresGrad: true });
const gradOf = ({ grad }: Tensor): unknown => grad?.tolist() ?? null;
const listed = (gradients: readonly (Tensor | null)[]): unknown => gradients.map((g) => g?.tolist() ?? null);

class Double extends autograd.Function {
  static forward(_ctx: autograd.FunctionCtx, x: Tensor): Tensor {
    return x.mul(2);
  }
  static backward(_ctx: autograd.FunctionCtx, gradient: Tensor): Tensor {
    return gradient.mul(2);
  }
}

describe('gradient edges', () => {
  test('name the node and the output', () => {
    const x = leaf(1, 2);
    const { node, outputNr } = getGradientEdge(x);
    assert.equal(node.name(), 'AccumulateGrad');
    assert.equal(outputNr, 0);
    const [, second] = x.unbind();
    assert.equal(getGradientEdge(second).node, second.gradFn);
    assert.equal(getGradientEdge(second).outputNr, 1);
    assert.equal(second.outputNr, 1);
    assert.ok(second.gradFn instanceof Node);
    assert.throws(() => getGradientEdge(ones(2)), {
      code: 'autograd',
      message: 'It is not possible to get the gradient edge for a Tensor that does not require gradients',
    });
  });

  test('stand for inputs of grad: leaves, results, results of custom functions and of several', () => {
    const start = leaf(3, 4);
    const inputs = [start, start.mul(1), Double.apply(start), start.reshape([2, 1]).split(1)[1]];
    for (const x of inputs) {
      const [expected] = autograd.grad(x.mul(x).sum(), x);
      const [got] = autograd.grad(x.mul(x).sum(), getGradientEdge(x));
      assert.deepEqual(got.tolist(), expected.tolist());
    }
  });

  test('stay where they were when the tensor is written to', () => {
    const x = leaf(1, 2).mul(1);
    const before = getGradientEdge(x);
    x.mul_(2);
    assert.deepEqual(listed(autograd.grad(x.sum(), [before, x])), [
      [2, 2],
      [1, 1],
    ]);
  });

  test('can be made by hand, with or without the class', () => {
    const [x, y] = [leaf(1, 2).mul(1), leaf(3, 4).mul(1)];
    const edges = [new GradientEdge(x.gradFn!, x.outputNr), { node: y.gradFn!, outputNr: y.outputNr }];
    assert.deepEqual(listed(autograd.grad(x.mul(y).sum(), edges)), [
      [3, 4],
      [1, 2],
    ]);
    assert.throws(() => autograd.grad(x.sum(), { node: x.gradFn!, outputNr: 1 }), {
      code: 'index',
      message: 'input 0: MulBackward0 has 1 outputs, got outputNr 1',
    });
    assert.throws(() => autograd.grad(x.sum(), { node: 'x', outputNr: 0 } as never), {
      code: 'argument',
      message: /input 0 must be a Tensor or a GradientEdge/,
    });
  });

  test('cannot be filled with zeros', () => {
    const [x, y] = [leaf(1, 2).mul(1), leaf(3, 4).mul(1)];
    const [ex, ey] = [getGradientEdge(x), getGradientEdge(y)];
    const run = (inputs: Parameters<typeof autograd.grad>[1]): unknown =>
      listed(autograd.grad(x.mul(1).sum(), inputs, { materializeGrads: true }));
    assert.deepEqual(run([ex, y]), [
      [1, 1],
      [0, 0],
    ]);
    assert.throws(() => run([x, ey]), {
      code: 'argument',
      message: 'materializeGrads cannot be used when the given input is a GradientEdge',
    });
    assert.deepEqual(listed(autograd.grad(x.mul(1).sum(), [x, ey], { allowUnused: true })), [[1, 1], null]);
  });

  test('as outputs: a backward in two steps', () => {
    const f = (x: Tensor): [Tensor, Tensor] => {
      const middle = x.sin().cos().sum();
      return [middle.exp().sin(), middle];
    };
    const x = leaf(1, 2);
    const [whole] = autograd.grad(f(x)[0], x);
    const [out, middle] = f(x);
    const edge = getGradientEdge(middle);
    const gradOutputs = autograd.grad(out, edge);
    const [twoSteps] = autograd.grad(edge, x, { gradOutputs });
    assert.deepEqual(twoSteps.tolist(), whole.tolist());
  });

  test('as outputs of backward, alone, in an array, and beside tensors', () => {
    const x = leaf(1, 2);
    const y = x.mul(3);
    const edge = getGradientEdge(y.sum());
    autograd.backward(edge, null, { retainGraph: true });
    assert.deepEqual(gradOf(x), [3, 3]);
    autograd.backward([edge, y.sum()], [tensor(2), null]);
    assert.deepEqual(gradOf(x), [12, 12]);
  });

  test('as outputs: of one element without a cotangent, else with one that fits', () => {
    const x = leaf(1, 2);
    const edge = getGradientEdge(x.mul(2));
    assert.throws(() => autograd.grad(edge, x), /grad can be implicitly created only for scalar outputs/);
    assert.throws(() => autograd.grad(edge, x, { gradOutputs: ones(3) }), {
      code: 'shape',
      message: 'Mismatch in shape: grad_output[0] has a shape of [3] and output[0] has a shape of [2].',
    });
    assert.equal(gradOf(x), null);
    autograd.backward(edge, ones(2, { dtype: 'float64' }));
    assert.deepEqual(gradOf(x), [2, 2]);
  });

  test('as inputs of backward: leaves get their gradient, others have no tensor to keep it', () => {
    const x = leaf(1, 2);
    const y = x.mul(2);
    autograd.backward(y.sum(), null, { inputs: getGradientEdge(y), retainGraph: true });
    assert.equal(gradOf(y), null);
    assert.equal(y.retainsGrad, false);
    assert.equal(gradOf(x), null);
    autograd.backward(y.sum(), null, { inputs: [getGradientEdge(x), y] });
    assert.deepEqual(gradOf(x), [2, 2]);
    assert.deepEqual(gradOf(y), [1, 1]);
    assert.equal(y.retainsGrad, true);
  });
});

describe('registerMultiGradHook', () => {
  test('all: called once, with the gradients that a run computes', () => {
    const [a, b] = [leaf(1, 2), leaf(3, 4)];
    const [c, d] = [a.mul(b), a.mul(b)];
    const seen: boolean[][] = [];
    const handle = registerMultiGradHook([a, b, c, d], (gradients) => void seen.push(gradients.map((g) => g !== null)));
    c.sum().backward({ retainGraph: true });
    c.sum().backward({ inputs: a, retainGraph: true });
    c.add(d).sum().backward({ retainGraph: true });
    autograd.grad(c.sum(), a, { retainGraph: true });
    assert.deepEqual(seen, [
      [true, true, true, false],
      [true, false, true, false],
      [true, true, true, true],
      [true, false, true, false],
    ]);
    handle.remove();
    c.sum().backward();
    assert.equal(seen.length, 4);
  });

  test('all: with the gradients themselves, the same tensor as often as it is given', () => {
    const [a, b] = [leaf(1, 2), leaf(3, 4)];
    const seen: unknown[] = [];
    registerMultiGradHook([a, b, a], (gradients) => void seen.push(listed(gradients)));
    a.mul(b).sum().backward();
    assert.deepEqual(seen, [
      [
        [3, 4],
        [1, 2],
        [3, 4],
      ],
    ]);
  });

  test('all: an output that nothing arrives for, of a node that runs, counts as null', () => {
    const [first, second] = leaf(1, 2).unbind();
    const seen: unknown[] = [];
    registerMultiGradHook([first, second], (gradients) => void seen.push(listed(gradients)));
    first.backward();
    assert.deepEqual(seen, [[1, null]]);
  });

  test('all: needs tensors that require grad', () => {
    assert.throws(() => registerMultiGradHook([leaf(1), ones(1)], () => {}), { code: 'autograd' });
  });

  test('any: called with the first gradient of a run only', () => {
    const [a, b] = [leaf(1, 2), leaf(3, 4)];
    const c = a.mul(b);
    const seen: unknown[] = [];
    const handle = registerMultiGradHook([a, b, c, ones(2)], (gradient) => void seen.push(gradient.tolist()), {
      mode: 'any',
    });
    c.sum().backward({ retainGraph: true });
    c.mul(5).sum().backward({ retainGraph: true });
    assert.deepEqual(seen, [
      [1, 1],
      [5, 5],
    ]);
    handle.remove();
    c.sum().backward();
    assert.equal(seen.length, 2);
  });

  test('a run inside of a run counts for itself', () => {
    const x = leaf(1, 2);
    const seen: unknown[] = [];
    const y = x.mul(3);
    registerMultiGradHook([x, y], (gradients) => void seen.push(listed(gradients)));
    const inner = x.mul(10).sum();
    y.registerHook(() => void autograd.grad(inner, x));
    y.sum().backward();
    assert.deepEqual(seen, [
      [[10, 10], null],
      [
        [3, 3],
        [1, 1],
      ],
    ]);
  });

  test('a mode is all or any', () => {
    assert.throws(() => registerMultiGradHook([leaf(1)], () => {}, { mode: 'some' as 'all' }), {
      code: 'argument',
      message: "Expects mode to be one of 'all', 'any' but got \"some\"",
    });
  });

  test('one that throws changes nothing', () => {
    const x = leaf(1, 2);
    const handle = registerMultiGradHook([x], () => {
      throw new RangeError('mine');
    });
    assert.throws(() => x.mul(2).sum().backward(), RangeError);
    assert.equal(gradOf(x), null);
    assert.ok(isGradEnabled());
    handle.remove();
    x.mul(2).sum().backward();
    assert.deepEqual(gradOf(x), [2, 2]);
  });
});

describe('saveOnCpu', () => {
  test('gives the gradients that there are without it, to the second order', () => {
    const x = rand(50, 4, { dtype: 'float64', requiresGrad: true });
    const w = rand(3, 4, { dtype: 'float64', requiresGrad: true });
    const f = (): Tensor => x.matmul(w.t()).tanh().mul(x.sum(1, true)).exp().sum();
    const gradients = (y: Tensor): unknown[] => {
      const [gx, gw] = autograd.grad(y, [x, w], { createGraph: true });
      return [gx, gw, ...autograd.grad(gx.mul(gw.sum()).sum(), [x, w])].map((g) => g.tolist());
    };
    const [plain, offloaded] = [gradients(f()), gradients(saveOnCpu(f))];
    assert.deepEqual(offloaded, plain);
    assert.deepEqual(
      saveOnCpu(() => gradients(f())),
      plain,
    );
  });

  test('keeps dtypes, views, scalars and empty tensors', () => {
    const x = rand(6, 5, { requiresGrad: true });
    const rows = tensor([0, 2], { dtype: 'int64' });
    const none = tensor([], { dtype: 'int64' });
    const f = (): Tensor => {
      const chosen = x.t().t().mul(x).where(x.gt(0.5), x.exp());
      return chosen.sum().mul(x.index(rows).prod()).add(x.index(none).exp().sum());
    };
    const [plain] = autograd.grad(f(), x);
    const [offloaded] = autograd.grad(saveOnCpu(f), x);
    assert.deepEqual(offloaded.tolist(), plain.tolist());
  });

  test('what was saved is out of linear memory until it is needed', () => {
    const n = 1 << 20;
    const x = rand(n, { requiresGrad: true });
    usage.peakBytes = usage.bytes;
    const before = usage.bytes;
    // every result is saved
    const loss = saveOnCpu(() => {
      let y = x;
      for (let i = 0; i < 80; i++) y = y.tanh();
      return y.sum();
    });
    const tensors = (usage.peakBytes - before) / (4 * n);
    assert.ok(tensors < 40, `${tensors} tensors at once`);
    loss.backward();
  });

  test('copies a tensor once, and again after a write', () => {
    let copies = 0;
    const a = leaf(2, 3);
    const original = a.toTypedArray;
    a.toTypedArray = () => {
      copies++;
      return original.call(a);
    };
    const y = saveOnCpu(() => {
      const before = a.mul(a);
      noGrad(() => a.add_(1));
      return before.add(a.mul(a));
    });
    assert.equal(copies, 2);
    y.sum().backward();
    assert.deepEqual(gradOf(a), [10, 14]);
  });

  test('the form for `using`, and where hooks are disabled', () => {
    const x = leaf(2, 3);
    const guard = saveOnCpu();
    const y = x.mul(x);
    guard[Symbol.dispose]();
    y.sum().backward();
    assert.deepEqual(gradOf(x), [4, 6]);
    disableSavedTensorsHooks('not here', () => assert.throws(() => saveOnCpu(() => 1), { message: 'not here' }));
  });

  test('takes what programs for other devices say', () => {
    const x = leaf(2, 3);
    assert.equal(saveOnCpu({ pinMemory: true }, () => x.pow(2).sum()).item(), 13);
    assert.throws(() => saveOnCpu({ pinned: true } as never), { code: 'argument', message: /unknown option "pinned"/ });
  });
});

describe('allowMutationOnSavedTensors', () => {
  test('a saved tensor that is written to is used as it was', () => {
    allowMutationOnSavedTensors(() => {
      const a = leaf(2, 3);
      const b = a.mul(1);
      const y = b.pow(2).sum();
      b.sin_();
      b.mul_(5);
      y.backward();
      assert.deepEqual(gradOf(a), [4, 6]);
    });
  });

  test('also if it is saved or written to through a view', () => {
    const saves: [string, (b: Tensor) => Tensor][] = [
      ['itself', (b) => b],
      ['a view', (b) => b.view(4)],
      ['a transposed view', (b) => b.t()],
      ['a part', (b) => b.select(0, 0)],
    ];
    const writes: [string, (b: Tensor) => void][] = [
      ['itself', (b) => void b.sin_()],
      ['a view', (b) => void b.view(4).mul_(3)],
      ['a part', (b) => void b.select(1, 1).zero_()],
      ['unrecorded', (b) => void noGrad(() => b.fill_(7))],
      ['its detached self', (b) => void b.detach().fill_(7)],
      ['in another geometry', (b) => void b.t_()],
    ];
    for (const [saved, save] of saves) {
      for (const [written, write] of writes) {
        const run = (writes: boolean): unknown => {
          const a = tensor(
            [
              [2, 3],
              [4, 5],
            ],
            { requiresGrad: true },
          );
          const b = a.mul(1);
          const y = save(b).pow(2).sum();
          if (writes) write(b);
          return autograd.grad(y, a)[0].tolist();
        };
        assert.deepEqual(
          allowMutationOnSavedTensors(() => run(true)),
          run(false),
          `${saved} saved, ${written} written`,
        );
      }
    }
  });

  test('operands of the write itself', () => {
    allowMutationOnSavedTensors(() => {
      const a = leaf(2, 3);
      const b = a.mul(1);
      const c = b.mul(b);
      b.mul_(b);
      c.add(b).sum().backward();
      assert.deepEqual(gradOf(a), [8, 12]);
    });
  });

  test('writes before and between', () => {
    allowMutationOnSavedTensors(() => {
      const a = leaf(2, 3);
      const b = a.mul(1);
      b.mul_(2); // 4 6
      const y = b.pow(2);
      b.mul_(2); // 8 12
      const z = b.pow(2);
      b.zero_();
      const [g] = autograd.grad(y.add(z).sum(), a);
      assert.deepEqual(g.tolist(), [16 + 64, 24 + 96]);
    });
  });

  test('what a recorded backward saves', () => {
    allowMutationOnSavedTensors(() => {
      const a = leaf(2, 3);
      const b = a.mul(1);
      const y = b.pow(3).sum();
      b.zero_();
      const [g] = autograd.grad(y, a, { createGraph: true });
      assert.deepEqual(g.tolist(), [12, 27]);
      assert.deepEqual(autograd.grad(g.sum(), a)[0].tolist(), [12, 18]);
    });
  });

  test('does not nest, and ends with the call', () => {
    const a = leaf(2, 3);
    allowMutationOnSavedTensors(() => {
      assert.throws(() => allowMutationOnSavedTensors(() => 1), {
        code: 'autograd',
        message: 'allowMutationOnSavedTensors contexts cannot be nested',
      });
      const b = a.mul(1);
      const y = b.exp();
      b.zero_();
      assert.equal(autograd.grad(y.sum(), a).length, 1);
    });
    const b = a.mul(1);
    const y = b.pow(2).sum();
    b.zero_();
    assert.throws(() => y.backward(), { code: 'inplace' });
  });

  test('a graph belongs to the call in which it was recorded', () => {
    const outside = {
      code: 'autograd',
      message: /^Trying to backward outside of the 'allowMutationOnSavedTensors' context/,
    };
    const a = leaf(2, 3);
    const y = allowMutationOnSavedTensors(() => a.pow(2).sum());
    assert.throws(() => y.backward(), outside);
    allowMutationOnSavedTensors(() => assert.throws(() => y.backward(), outside));
    assert.equal(gradOf(a), null);
  });

  test('the form for `using`', () => {
    const a = leaf(2, 3);
    const guard = allowMutationOnSavedTensors();
    const b = a.mul(1);
    const y = b.pow(2).sum();
    b.zero_();
    y.backward();
    guard[Symbol.dispose]();
    assert.deepEqual(gradOf(a), [4, 6]);
    savedTensorsHooks(
      (x) => x,
      (x) => x,
      () => 1,
    );
  });
});

describe('incrementVersion', () => {
  test('makes what was saved unusable', () => {
    const a = leaf(1, 2);
    const b = a.exp();
    incrementVersion(b);
    assert.throws(() => b.sum().backward(), { code: 'inplace', message: /is at version 1; expected version 0/ });
  });

  test('takes several, and counts for all that share the memory', () => {
    const a = leaf(1, 2).mul(1);
    const view = a.view(2);
    const b = ones(3);
    incrementVersion([a, b]);
    incrementVersion(new Set([b]));
    assert.deepEqual([a._version, view._version, b._version], [1, 1, 2]);
    assert.equal(view.gradFn?.name(), 'AsStridedBackward0');
    view.sum().backward();
  });

  test('passes over inference tensors', () => {
    const t = inferenceMode(() => ones(3));
    incrementVersion(t);
    assert.equal(t.storage.version, 0);
  });
});

describe('hooks in order', () => {
  test('of a tensor before those of its node, those before those after', () => {
    const log: unknown[] = [];
    const a = scalar(1);
    const b = a.mul(1);
    const tensorHook = (g: Tensor): Tensor => {
      log.push(1);
      return g.mul(3);
    };
    const preHook = (gradients: readonly (Tensor | null)[]): (Tensor | null)[] => {
      log.push(2);
      return gradients.map((g) => g?.mul(2) ?? null);
    };
    b.gradFn?.registerPrehook(preHook);
    b.registerHook(tensorHook);
    b.gradFn?.registerPrehook(preHook);
    const accumulator = b.gradFn?.nextFunctions[0][0];
    a.registerHook(tensorHook);
    accumulator?.registerPrehook(preHook);
    a.registerHook(tensorHook);
    b.sum().backward({ retainGraph: true });
    assert.deepEqual(log.splice(0), [1, 2, 2, 1, 1, 2]);
    assert.equal(gradOf(a), 3 * 2 * 2 * 3 * 3 * 2);
    autograd.grad(b.sum(), a, { retainGraph: true });
    assert.deepEqual(log.splice(0), [1, 2, 2, 1, 1]);
    b.sum().backward({ inputs: b, retainGraph: true });
    assert.deepEqual(log.splice(0), [1, 2, 2]);
    assert.equal(gradOf(b), 3);
  });

  test('of a leaf: tensor, node before, after accumulation, node after', () => {
    const x = leaf(1, 1, 1);
    const accumulator = x.view(3).gradFn?.nextFunctions[0][0];
    x.registerHook((g) => g.sub(2));
    accumulator?.registerPrehook(([g]) => [(g as Tensor).div(4)]);
    x.registerPostAccumulateGradHook((t) => {
      t.grad?.add_(0.5);
    });
    accumulator?.registerHook((inputs, [g]) => {
      assert.deepEqual(inputs, []);
      assert.deepEqual(g?.tolist(), [-0.25, -0.25, -0.25]);
      assert.deepEqual(gradOf(x), [0.25, 0.25, 0.25]);
      x.grad = (g as Tensor).mul(8);
    });
    x.sum().backward();
    assert.deepEqual(gradOf(x), [-2, -2, -2]);
  });

  test('of a node run only if it does, and do not change what is asked for at its outputs', () => {
    const count = { tensor: 0, before: 0, after: 0 };
    const seen = (): number[] => {
      const { tensor, before, after } = count;
      Object.assign(count, { tensor: 0, before: 0, after: 0 });
      return [tensor, before, after];
    };
    const a = scalar(1);
    const b = a.mul(2);
    const c = b.mul(2);
    const node = b.gradFn as autograd.graph.Node;
    const nodes = [node, node.nextFunctions[0][0] as autograd.graph.Node];
    for (const x of [a, b]) x.registerHook(() => void count.tensor++);
    for (const node of nodes) {
      node.registerPrehook(() => void count.before++);
      node.registerHook(() => void count.after++);
    }
    autograd.grad(c, b, { retainGraph: true });
    assert.deepEqual(seen(), [1, 0, 0]);
    autograd.grad(c, [a, b], { retainGraph: true });
    assert.deepEqual(seen(), [2, 1, 1]);
    c.backward({ retainGraph: true });
    assert.deepEqual(seen(), [2, 2, 2]);
    c.backward({ inputs: [a, b], retainGraph: true });
    assert.deepEqual(seen(), [2, 2, 2]);
    b.gradFn?.registerPrehook(([g]) => [(g as Tensor).mul(10)]);
    assert.deepEqual(listed(autograd.grad(c, [a, b])), [40, 2]);
  });

  test('a retained gradient is what all hooks of the tensor have made of it', () => {
    for (const late of [true, false]) {
      const b = scalar(1).mul(1);
      const double = (g: Tensor): Tensor => g.mul(2);
      if (late) b.registerHook(double);
      b.retainGrad();
      b.registerHook(double);
      b.mul(1).backward();
      assert.equal(gradOf(b), late ? 4 : 2);
    }
  });

  test('those of a run are the ones that there are when it comes by', () => {
    const x = leaf(1);
    const b = x.mul(2);
    const node = b.gradFn as autograd.graph.Node;
    let [before, added] = [0, 0];
    const removed: { remove(): void }[] = [];
    node.registerPrehook(() => {
      for (const handle of removed) handle.remove();
    });
    removed.push(
      node.registerPrehook(() => void before++),
      node.registerPrehook(() => void before++),
    );
    removed[1].remove();
    b.registerHook(() => void b.registerHook(() => void added++));
    x.registerPostAccumulateGradHook(() => void x.registerPostAccumulateGradHook(() => void added++));
    b.sum().backward({ retainGraph: true });
    assert.deepEqual([before, added], [1, 0]);
    b.sum().backward();
    assert.deepEqual([before, added], [1, 2]);
  });

  test('of a leaf stay when it wants no gradient for a while, and when its data changes', () => {
    const x = leaf(1, 2);
    const log: string[] = [];
    x.registerHook(() => void log.push('hook'));
    x.registerPostAccumulateGradHook(() => void log.push('after'));
    x.requiresGrad = false;
    assert.equal(x.requiresGrad, false);
    assert.equal(x.mul(2).requiresGrad, false);
    x.requiresGrad = true;
    x.sum().backward();
    x.data = zeros(2);
    noGrad(() => x.add_(1));
    x.sum().backward();
    assert.deepEqual(log, ['hook', 'after', 'hook', 'after']);
  });

  test('a hook after a node may be registered while the node runs', () => {
    const a = leaf(1, 3);
    const y = savedTensorsHooks(
      (x) => x,
      (x) => {
        y.gradFn?.registerHook((inputs) => inputs.map((g) => g?.div(2) ?? null));
        return x;
      },
      () => a.exp(),
    );
    const [expected] = autograd.grad(a.exp().div(2).sum(), a);
    assert.deepEqual(autograd.grad(y.sum(), a)[0].tolist(), expected.tolist());
  });

  test('a node with several outputs shows all of them to its hooks', () => {
    const x = leaf(1, 2, 3);
    const [a, , c] = x.unbind();
    const seen: unknown[] = [];
    a.gradFn?.registerPrehook((gradients) => {
      seen.push(listed(gradients));
      return gradients.map((g) => g?.mul(10) ?? null);
    });
    a.add(c.mul(2)).backward();
    assert.deepEqual(seen, [[1, null, 2]]);
    assert.deepEqual(gradOf(x), [10, 0, 20]);
  });

  test('a tensor hook sees null where gradients arrive for other outputs of the node only', () => {
    const x = leaf(1, 2, 3);
    const [a, b] = x.unbind();
    const seen: unknown[] = [];
    const handle = a.registerHook((g: Tensor | null) => void seen.push(g?.item() ?? null));
    registerMultiGradHook([a], (g: Tensor | null) => void seen.push(g), { mode: 'any' });
    a.retainGrad();
    b.backward();
    assert.deepEqual(seen, [null, null]);
    assert.equal(gradOf(a), null);
    assert.deepEqual(gradOf(x), [0, 1, 0]);
    handle.remove();
    const [c, d] = x.unbind();
    c.registerHook(() => ones([]));
    assert.throws(() => d.backward(), {
      code: 'autograd',
      message: /can't replace a null gradient with a non-null value/,
    });
  });
});

describe('what hooks return', () => {
  const run = (register: (y: Tensor) => void): unknown => {
    const x = leaf(1, 2);
    const y = x.mul(tensor([2, 2]));
    register(y);
    y.sum().backward();
    return gradOf(x);
  };

  test('must look like what it replaces', () => {
    const wrong: [(y: Tensor) => void, RegExp, string][] = [
      [
        (y) => y.registerHook((g) => g.to('float64')),
        /has changed the type of the gradient: expected float32, got float64/,
        'dtype',
      ],
      [
        (y) => y.registerHook(() => ones(3)),
        /has changed the size of the gradient: expected \[2\], got \[3\]/,
        'shape',
      ],
      [(y) => y.registerHook((() => 3) as never), /expected a Tensor or null, but a hook returned 3/, 'argument'],
      [
        (y) => y.gradFn?.registerPrehook(([g]) => [g, g]),
        /incorrect number of values \(got 2, but expected 1\)/,
        'argument',
      ],
      [
        (y) => y.gradFn?.registerPrehook((([g]: Tensor[]) => g) as never),
        /expected an array of gradients, but a hook returned a Tensor/,
        'argument',
      ],
      [(y) => y.gradFn?.registerPrehook(() => [ones(3)]), /has changed the size/, 'shape'],
      [(y) => y.gradFn?.registerHook(([g]) => [g]), /incorrect number of values \(got 1, but expected 2\)/, 'argument'],
      [(y) => y.gradFn?.registerHook(([g]) => [(g as Tensor).to('float64'), null]), /has changed the type/, 'dtype'],
      [(y) => y.gradFn?.registerHook(() => [ones(2, 2), null]), /has changed the size/, 'shape'],
      [
        (y) => y.gradFn?.registerHook(([g]) => [g, ones(2)]),
        /can't replace a null gradient with a non-null value/,
        'autograd',
      ],
    ];
    for (const [register, message, code] of wrong) assert.throws(() => run(register), { code, message });
  });

  test('null among the gradients of a node stops them', () => {
    assert.equal(
      run((y) => y.gradFn?.registerPrehook(() => [null])),
      null,
    );
    assert.equal(
      run((y) => y.gradFn?.registerHook(() => [null, null])),
      null,
    );
  });

  test('is nothing for hooks after accumulation', () => {
    const x = leaf(1, 2);
    x.registerPostAccumulateGradHook(((t: Tensor) => t.grad) as (t: Tensor) => void);
    assert.throws(() => x.sum().backward(), { code: 'argument', message: /hooks should return nothing, got a Tensor/ });
  });
});

describe('hooks after accumulation', () => {
  test('run in order, for each leaf', () => {
    const [x, y] = [leaf(4, 6), leaf(8)];
    for (const t of [x, y]) {
      t.registerPostAccumulateGradHook((p) => void noGrad(() => p.sub_(p.grad as Tensor)));
      t.registerPostAccumulateGradHook((p) => void noGrad(() => p.mul_(2)));
    }
    x.sum().add(y.sum()).backward();
    assert.deepEqual([x.tolist(), y.tolist()], [[6, 10], [14]]);
  });
});

describe('hooks, retained gradients and writes in place', () => {
  test('two outputs of one node, one of which is written to', () => {
    const counts = [0, 0, 0];
    const expect = (i: number, value: number) => (g: Tensor) => {
      counts[i]++;
      assert.deepEqual(g.tolist(), [value, value]);
    };
    class Twice extends autograd.Function {
      static forward(_ctx: autograd.FunctionCtx, x: Tensor): Tensor[] {
        return [x.mul(2), x.mul(3)];
      }
      static backward(_ctx: autograd.FunctionCtx, g: Tensor, h: Tensor): Tensor {
        return g.mul(2).add(h.mul(3));
      }
    }
    const [a, b] = Twice.apply(leaf(1, 2)) as Tensor[];
    a.registerHook(expect(0, 2));
    b.registerHook(expect(1, 3));
    a.retainGrad();
    b.retainGrad();
    a.mul_(2);
    a.registerHook(expect(2, 1));
    a.add(b.mul(3)).sum().backward();
    assert.deepEqual(counts, [1, 1, 1]);
    assert.deepEqual(
      [gradOf(a), gradOf(b)],
      [
        [1, 1],
        [3, 3],
      ],
    );
  });

  test('a base and its views keep the gradient of what they have become', () => {
    const x = leaf(1).mul(1);
    x.retainGrad();
    x.view(1).mul_(2);
    x.mul_(2);
    x.sum().backward();
    assert.deepEqual(gradOf(x), [1]);
    const base = leaf(1).mul(1);
    const [view, other] = [base.view(1), base.view(1)];
    view.retainGrad();
    other.retainGrad();
    view.mul_(2);
    view.add(other).sum().backward();
    assert.deepEqual([gradOf(view), gradOf(other)], [[1], [1]]);
  });

  test('hooks of a view are those of what it was', () => {
    const base = leaf(1).mul(1);
    const [view, other] = [base.view(1), base.view(1)];
    const log: unknown[] = [];
    view.registerHook(() => void log.push('view'));
    other.registerHook(() => void log.push('other'));
    view.mul_(2);
    other.registerHook((g) => void log.push(g.tolist()));
    view.add(other).sum().backward();
    assert.deepEqual(log, [[1]]);
  });

  test('a tensor that nobody holds keeps no gradient', () => {
    const x = leaf(1, 2);
    const z = ((): Tensor => {
      const y = x.mul(2);
      y.retainGrad();
      return y.div(2);
    })();
    z.sum().backward();
    assert.deepEqual(gradOf(x), [1, 1]);
  });
});

describe('layouts of gradients', () => {
  for (const createGraph of [false, true]) {
    test(`a leaf without gaps and overlaps has a gradient laid out as it is${createGraph ? ', recorded' : ''}`, () => {
      const dense = zeros(3, 4).t().detach().requiresGrad_();
      const turned = zeros(2, 3, 4).permute(2, 0, 1).detach().requiresGrad_();
      const row = zeros(2, 3, { requiresGrad: true });
      const expanded = zeros(1, 4).expand(3, 4).detach().requiresGrad_();
      const gapped = zeros(3, 4).select(1, 0).detach().requiresGrad_();
      for (let i = 1; i <= 2; i++) {
        for (const x of [dense, turned, row, expanded, gapped]) {
          const weights = rand(...x.shape);
          const expected = x.grad ? x.grad.add(weights).tolist() : weights.tolist();
          x.mul(weights).sum().backward({ createGraph });
          assert.deepEqual(gradOf(x), expected);
        }
        assert.deepEqual(dense.grad?.stride(), [1, 4]);
        assert.deepEqual(turned.grad?.stride(), [1, 12, 4]);
        assert.deepEqual(row.grad?.stride(), [3, 1]);
        assert.deepEqual(expanded.grad?.stride(), [4, 1]);
        assert.deepEqual(gapped.grad?.stride(), [1]);
      }
    });
  }

  test('one that is recorded can be differentiated', () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ])
      .t()
      .detach()
      .requiresGrad_();
    x.pow(3).sum().backward({ createGraph: true });
    assert.deepEqual(autograd.grad(x.grad!.sum(), x)[0].tolist(), [
      [6, 18],
      [12, 24],
    ]);
  });

  test('a retained one is in row-major order and has memory of its own', () => {
    const y = zeros(3, 4, { requiresGrad: true }).mul(2);
    y.retainGrad();
    y.sum().backward({ retainGraph: true });
    y.sum().backward();
    assert.deepEqual(y.grad?.stride(), [4, 1]);
    y.grad?.mul_(3);
    assert.deepEqual(y.grad?.sum().item(), 72);
  });
});
