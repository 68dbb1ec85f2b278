/** Hooks on tensors and on nodes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { autograd, cat, isGradEnabled, ones, type Tensor, tensor } from '../../src/index.ts';

/** The elements of the gradient, or null. */
const gradOf = ({ grad }: Tensor): unknown => grad?.tolist() ?? null;
const leaf = (data: number[]): Tensor => tensor(data, { requiresGrad: true });

describe('registerHook on a tensor', () => {
  test('sees the gradient, once for each run', () => {
    const x = leaf([1, 2]);
    const seen: unknown[] = [];
    x.registerHook((g) => {
      seen.push(g.tolist());
    });
    x.mul(2).add(x).sum().backward();
    x.mul(3).sum().backward();
    assert.deepEqual(seen, [
      [3, 3],
      [3, 3],
    ]);
    assert.deepEqual(gradOf(x), [6, 6]);
  });

  test('changes the gradient of a leaf and of what comes before it', () => {
    const x = leaf([1, 2]);
    const y = x.mul(3);
    y.registerHook((g) => g.mul(10));
    y.retainGrad();
    y.sum().backward();
    assert.deepEqual(gradOf(y), [10, 10]);
    assert.deepEqual(gradOf(x), [30, 30]);
  });

  test('acts on autograd.grad as well', () => {
    const x = leaf([1, 2]);
    x.registerHook((g) => g.mul(2));
    assert.deepEqual(autograd.grad(x.mul(2).sum(), x)[0].tolist(), [4, 4]);
    const y = x.mul(2);
    y.registerHook((g) => g.mul(5));
    assert.deepEqual(autograd.grad(y.sum(), [y])[0].tolist(), [5, 5]);
  });

  test('those of leaves come in the order in which the leaves are ready', () => {
    const leaves = [1, 2, 3, 4, 5].map((i) => leaf([i]));
    const log: number[] = [];
    leaves.forEach((x, i) => void x.registerHook(() => void log.push(i)));
    const order = (y: Tensor): number[] => {
      y.sum().backward();
      return log.splice(0);
    };
    assert.deepEqual(order(leaves[1].mul(leaves[0])), [1, 0]);
    assert.deepEqual(order(leaves[0].mul(leaves[1])), [0, 1]);
    assert.deepEqual(order(cat(leaves)), [0, 2, 4, 1, 3]);
    assert.deepEqual(order(leaves[0].mul(leaves[1]).add(leaves[2])), [2, 0, 1]);
  });

  test('several run in the order of registration, and can be removed', () => {
    const x = leaf([1, 2]);
    const double = x.registerHook((g) => g.mul(2));
    x.registerHook((g) => g.add(1));
    x.mul(2).sum().backward();
    assert.deepEqual(gradOf(x), [5, 5]);
    double.remove();
    double.remove();
    x.grad = null;
    x.mul(2).sum().backward();
    assert.deepEqual(gradOf(x), [3, 3]);
  });

  test('a handle for `using` is removed at the end of its scope', () => {
    const x = leaf([1, 2]);
    let calls = 0;
    const handles = [
      x.registerHook(() => void calls++),
      x.registerPostAccumulateGradHook(() => void calls++),
      autograd.graph.registerMultiGradHook([x], () => void calls++),
    ];
    x.sum().backward();
    for (const handle of handles) handle[Symbol.dispose]();
    x.sum().backward();
    assert.equal(calls, 3);
  });

  test('the same function may be registered twice', () => {
    const x = leaf([1, 2]);
    const double = (g: Tensor): Tensor => g.mul(2);
    const first = x.registerHook(double);
    x.registerHook(double);
    x.sum().backward();
    assert.deepEqual(gradOf(x), [4, 4]);
    first.remove();
    x.grad = null;
    x.sum().backward();
    assert.deepEqual(gradOf(x), [2, 2]);
  });

  test('is part of the graph under createGraph', () => {
    const x = leaf([3]);
    const y = x.mul(1);
    y.registerHook((g) => g.mul(x));
    const [g] = autograd.grad(y.sum(), x, { createGraph: true });
    assert.deepEqual(autograd.grad(g.sum(), x)[0].tolist(), [1]);
  });

  test('belongs to the value that the tensor had when it was registered', () => {
    const y = leaf([1, 2]).mul(2);
    const seen: unknown[] = [];
    y.registerHook((g) => void seen.push(['before', g.tolist()]));
    y.mul_(3);
    y.registerHook((g) => void seen.push(['after', g.tolist()]));
    y.sum().backward();
    assert.deepEqual(seen, [
      ['after', [1, 1]],
      ['before', [3, 3]],
    ]);
  });

  test('a gradient that it keeps is not written to', () => {
    const x = leaf([1, 2]);
    const kept: Tensor[] = [];
    const a = x.mul(2);
    const b = a.mul(3);
    b.registerHook((g) => void kept.push(g));
    a.registerHook((g) => void kept.push(g));
    b.add(a.mul(5)).sum().backward();
    ones(1000).mul(2).exp(); // memory that was freed would be used again
    assert.deepEqual(
      kept.map((g) => g.tolist()),
      [
        [1, 1],
        [8, 8],
      ],
    );
  });

  test('may run the engine itself', () => {
    const x = leaf([1, 2]);
    const w = leaf([3, 4]);
    const penalty = w.mul(w).sum();
    const y = x.mul(1);
    y.registerHook((g) => g.add(autograd.grad(penalty, w)[0]));
    y.mul(w).sum().backward();
    assert.deepEqual(gradOf(x), [9, 12]);
    assert.deepEqual(gradOf(w), [1, 2]);
  });

  test('runs in the mode of the backward that calls it', () => {
    const x = leaf([1, 2]);
    const modes: boolean[] = [];
    x.registerHook(() => void modes.push(isGradEnabled()));
    autograd.grad(x.mul(x).sum(), x);
    autograd.grad(x.mul(x).sum(), x, { createGraph: true });
    assert.deepEqual(modes, [false, true]);
  });

  test('must keep the shape, and needs a graph', () => {
    const x = leaf([1, 2]);
    x.registerHook(() => ones(3));
    assert.throws(() => x.mul(2).sum().backward(), {
      code: 'shape',
      message: /a hook has changed the size of the gradient: expected \[2\], got \[3\]/,
    });
    assert.equal(gradOf(x), null);
    assert.throws(() => ones(2).registerHook(() => null), {
      code: 'autograd',
      message: /cannot register a hook on a tensor that doesn't require gradient/,
    });
  });
});

describe('hooks on nodes', () => {
  test('before a node: sees and changes the gradients of its outputs', () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    y.gradFn?.registerPrehook(([g]) => [(g as Tensor).mul(5)]);
    y.sum().backward();
    assert.deepEqual(gradOf(x), [10, 10]);
  });

  test('after a node: sees both sides, and changes the gradients of its inputs', () => {
    const x = leaf([1, 2]);
    const y = x.mul(tensor([2, 3]));
    const seen: unknown[] = [];
    const handle = y.gradFn?.registerHook((inputs, outputs) => {
      seen.push(
        inputs.map((g) => g?.tolist() ?? null),
        outputs.map((g) => g?.tolist()),
      );
      return inputs.map((g) => g?.mul(7) ?? null);
    });
    y.sum().backward({ retainGraph: true });
    assert.deepEqual(seen, [[[2, 3], null], [[1, 1]]]);
    assert.deepEqual(gradOf(x), [14, 21]);
    handle?.remove();
    x.grad = null;
    y.sum().backward();
    assert.deepEqual(gradOf(x), [2, 3]);
  });
});

test('hooks of a leaf are passed over where the gradients of others are asked for', () => {
  const [a, b] = [leaf([1]), leaf([2])];
  const copy = a.clone();
  a.registerHook(() => assert.fail('the gradient of a was computed'));
  copy.gradFn?.nextFunctions[0][0]?.registerHook(() => assert.fail('the node of a was run'));
  a.registerPostAccumulateGradHook(() => assert.fail('a was added to'));
  a.add(b).add(copy).sum().backward({ inputs: b });
  assert.deepEqual([gradOf(a), gradOf(b)], [null, [1]]);
});

describe('hooks where there is no gradient', () => {
  class Stop extends autograd.Function {
    static forward(_: autograd.FunctionCtx, x: Tensor): Tensor {
      return x.mul(2);
    }
    static backward(): null {
      return null;
    }
  }

  test('are called with null, all the way to the leaves, which get none', () => {
    const x = leaf([1]);
    const square = x.pow(2);
    const log: unknown[] = [];
    square.registerHook((g) => void log.push('tensor', g));
    square.retainGrad();
    square.gradFn?.registerPrehook((gradients) => void log.push('before', gradients));
    square.gradFn?.registerHook((inputs, outputs) => void log.push('after', inputs, outputs));
    x.registerHook((g) => void log.push('leaf', g));
    x.registerPostAccumulateGradHook((t) => void log.push('accumulated', t.grad));
    Stop.apply(square).backward();
    assert.deepEqual(log, [
      'tensor',
      null,
      'before',
      [null],
      'after',
      [null],
      [null],
      'leaf',
      null,
      'accumulated',
      null,
    ]);
    assert.deepEqual([x.grad, square.grad], [null, null]);
    assert.deepEqual(autograd.grad(Stop.apply(x), x, { allowUnused: true }), [null]);
    assert.throws(() => autograd.grad(Stop.apply(x), x), /appears to not have been used in the graph/);
  });

  test('a step with several results has none for its operands if none came for any of them', () => {
    const x = leaf([1, 2, 3]);
    const [a, b] = x.unbind();
    const seen: unknown[] = [];
    x.registerHook((g) => void seen.push(g));
    Stop.apply(a).add(Stop.apply(b)).backward();
    assert.deepEqual([seen, x.grad], [[null], null]);
  });

  test('a custom function that is reached gets zeros, unless it asks for null', () => {
    for (const materialize of [true, false]) {
      const seen: unknown[] = [];
      class Watch extends autograd.Function {
        static forward(ctx: autograd.FunctionCtx, x: Tensor): Tensor {
          ctx.setMaterializeGrads(materialize);
          return x.mul(1);
        }
        static backward(_: autograd.FunctionCtx, gradient: Tensor | null): Tensor | null {
          seen.push(gradient?.tolist() ?? null);
          return gradient;
        }
      }
      const x = leaf([1, 2]);
      Stop.apply(Watch.apply(x)).sum().backward();
      assert.deepEqual(seen, [materialize ? [0, 0] : null]);
      assert.deepEqual(gradOf(x), materialize ? [0, 0] : null);
    }
  });
});

describe('many hooks on one node', () => {
  class Twice extends autograd.Function {
    static forward(_: autograd.FunctionCtx, x: Tensor): Tensor {
      return x.mul(2);
    }
    static backward(_: autograd.FunctionCtx, gradient: Tensor): Tensor {
      return gradient.mul(2);
    }
  }
  for (const [name, twice] of [
    ['an operator', (x: Tensor) => x.mul(2)],
    ['a custom function', (x: Tensor) => Twice.apply(x)],
  ] as const) {
    test(`run in order, each with what the one before has made of the gradients, on ${name}`, () => {
      const x = leaf([1]);
      const y = twice(x);
      const node = y.gradFn as autograd.graph.Node;
      const seen: unknown[] = [];
      const double = ([g]: readonly (Tensor | null)[]): Tensor[] => [(g as Tensor).mul(2)];
      for (const hook of [double, () => undefined, double, double, (g: readonly (Tensor | null)[]) => g])
        node.registerPrehook(hook);
      for (let i = 0; i < 2; i++) {
        node.registerHook(([input], [output]) => {
          seen.push([input?.item(), output?.item()]);
          return input && i === 0 ? [input.mul(10), ...node.edges.slice(1).map(() => null)] : undefined;
        });
      }
      y.sum().backward();
      assert.deepEqual(seen, [
        [16, 8],
        [160, 8],
      ]);
      assert.deepEqual(gradOf(x), [160]);
    });
  }
});

describe('registerPostAccumulateGradHook', () => {
  test('runs after the gradient was added', () => {
    const x = leaf([1, 2]);
    const seen: unknown[] = [];
    const handle = x.registerPostAccumulateGradHook((leafOf) => void seen.push(leafOf === x, gradOf(leafOf)));
    x.mul(2).sum().backward();
    handle.remove();
    x.mul(2).sum().backward();
    assert.deepEqual(seen, [true, [2, 2]]);
    assert.throws(() => x.mul(2).registerPostAccumulateGradHook(() => {}), {
      code: 'autograd',
      message: 'post accumulate grad hooks cannot be registered on non-leaf tensors',
    });
  });

  test('may use up the gradient', () => {
    const x = leaf([1, 2]);
    x.registerPostAccumulateGradHook((leafOf) => {
      leafOf.grad = null;
    });
    x.sum().backward();
    assert.equal(gradOf(x), null);
  });

  test('runs as soon as the gradient is there, between the hooks before it and those of the node, while others are under way', () => {
    const [x, y] = [leaf([1, 2]), leaf([1, 2])];
    const log: string[] = [];
    const note = (event: string) => (): void => void log.push(`${event}: ${x.grad?.tolist()}`);
    const node = autograd.graph.getGradientEdge(x).node;
    node.registerHook(note('after the node'));
    x.registerPostAccumulateGradHook(note('accumulated'));
    node.registerPrehook(note('before the node'));
    x.registerHook(note('arrived'));
    const earlier = y.mul(2);
    earlier.registerHook(note('earlier node'));
    earlier.add(x.mul(3)).sum().backward();
    assert.deepEqual(log, [
      'arrived: undefined',
      'before the node: undefined',
      'accumulated: 3,3',
      'after the node: 3,3',
      'earlier node: 3,3',
    ]);
  });
});

test('a hook that throws changes nothing: modes, gradients and graph stay', () => {
  const x = leaf([1, 2]);
  const y = leaf([1, 2]);
  const a = x.mul(x);
  const handle = a.registerHook(() => {
    throw new RangeError('from the hook');
  });
  const z = a.mul(2).add(y.mul(3));
  y.retainGrad();
  assert.throws(() => z.sum().backward(), RangeError);
  assert.equal(isGradEnabled(), true);
  assert.equal(gradOf(x), null);
  assert.equal(gradOf(y), null);
  handle.remove();
  z.sum().backward();
  assert.deepEqual(gradOf(x), [4, 8]);
  assert.deepEqual(gradOf(y), [3, 3]);
});
