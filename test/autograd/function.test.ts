/** Custom functions: autograd.Function, what its context does, and onceDifferentiable. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  autograd,
  cat,
  enableGrad,
  inferenceMode,
  isGradEnabled,
  noGrad,
  ones,
  type Tensor,
  tensor,
} from '../../src/index.ts';

type Ctx = autograd.FunctionCtx;

const leaf = (...data: number[]): Tensor => tensor(data, { dtype: 'float64', requiresGrad: true });
const constant = (...data: number[]): Tensor => tensor(data, { dtype: 'float64' });
const gradOf = ({ grad }: Tensor): unknown => grad?.tolist() ?? null;
const nodeName = (x: Tensor): string | undefined => x.gradFn?.name();

class Exp extends autograd.Function {
  static forward(ctx: Ctx, x: Tensor): Tensor {
    const y = x.exp();
    ctx.saveForBackward(y);
    return y;
  }
  static backward(ctx: Ctx, gradient: Tensor): Tensor {
    const [y] = ctx.savedTensors;
    return gradient.mul(y);
  }
}

class Scale extends autograd.Function {
  static forward(ctx: autograd.FunctionCtx<{ factor: number }>, x: Tensor, factor: number): Tensor {
    ctx.factor = factor;
    return x.mul(factor);
  }
  static backward(ctx: autograd.FunctionCtx<{ factor: number }>, gradient: Tensor): [Tensor, null] {
    return [gradient.mul(ctx.factor), null];
  }
}

/** Returns its input, and says that its derivative is 2. */
class Unchanged extends autograd.Function {
  static forward(_: Ctx, x: Tensor): Tensor {
    return x;
  }
  static backward(_: Ctx, gradient: Tensor): Tensor {
    return gradient.mul(2);
  }
}

/** x + y in place of the input x; the derivatives are 2 and 3, to tell them from those of an addition. */
class AddInto extends autograd.Function {
  static forward(ctx: Ctx, x: Tensor, y: Tensor): Tensor {
    x.add_(y);
    ctx.markDirty(x);
    return x;
  }
  static backward(_: Ctx, gradient: Tensor): Tensor[] {
    return [gradient.mul(2), gradient.mul(3)];
  }
}

describe('a custom function', () => {
  test('is applied, recorded under its name and differentiated', () => {
    const x = leaf(0, 1);
    const y = Exp.apply(x);
    assert.equal(String(y), 'tensor([1.0000, 2.7183], dtype=torch.float64, grad_fn=<ExpBackward>)');
    assert.deepEqual(
      y.gradFn?.nextFunctions.map(([node]) => node?.name()),
      ['AccumulateGrad'],
    );
    y.sum().backward();
    assert.deepEqual(gradOf(x), [1, Math.E]);
  });

  test('has the types of its forward', () => {
    const x = leaf(1, 2);
    const y: Tensor = Scale.apply(x, 3);
    y.sum().backward();
    assert.deepEqual(gradOf(x), [3, 3]);
    // @ts-expect-error the factor is missing
    assert.throws(() => Scale.apply(x));
    // @ts-expect-error the factor is a number
    assert.throws(() => Scale.apply(x, '3'));
  });

  test('is differentiated any number of times if its backward is', () => {
    const x = leaf(0.5, 1);
    let y = Exp.apply(x.mul(2));
    for (const factor of [2, 4, 8]) {
      [y] = autograd.grad(y.sum(), x, { createGraph: true });
      const expected = [factor * Math.exp(1), factor * Math.exp(2)];
      (y.tolist() as number[]).forEach((value, i) => {
        assert.ok(Math.abs(value - expected[i]) < 1e-12);
      });
    }
    autograd.gradgradcheck((t) => Exp.apply(t), leaf(0.3, -0.2));
  });

  test('runs its forward unrecorded, and its backward as the run has it', () => {
    const seen: boolean[] = [];
    class Watch extends autograd.Function {
      static forward(_: Ctx, x: Tensor): Tensor {
        seen.push(isGradEnabled());
        return x.mul(2);
      }
      static backward(_: Ctx, gradient: Tensor): Tensor {
        seen.push(isGradEnabled());
        return gradient.mul(2);
      }
    }
    const x = leaf(1);
    Watch.apply(x).backward();
    autograd.grad(Watch.apply(x), x, { createGraph: true });
    assert.deepEqual(seen, [false, false, false, true]);
  });

  test('is not recorded where nothing is asked for', () => {
    assert.equal(Exp.apply(constant(1)).gradFn, null);
    assert.equal(noGrad(() => Exp.apply(leaf(1))).requiresGrad, false);
    assert.equal(inferenceMode(() => Exp.apply(leaf(1))).requiresGrad, false);
  });

  test('what is recorded inside forward does not count', () => {
    class Inner extends autograd.Function {
      static forward(_: Ctx, x: Tensor): Tensor {
        return Exp.apply(x);
      }
      static backward(_: Ctx, gradient: Tensor): Tensor {
        return gradient.mul(7);
      }
    }
    const x = leaf(1, 2);
    const y = Inner.apply(x);
    assert.equal(nodeName(y), 'InnerBackward');
    y.sum().backward();
    assert.deepEqual(gradOf(x), [7, 7]);
  });

  test('may run another backward in its backward', () => {
    class Square extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor {
        ctx.saveForBackward(x);
        return x.mul(x);
      }
      static backward(ctx: Ctx, gradient: Tensor): Tensor {
        const x = ctx.savedTensors[0].detach().requiresGrad_();
        enableGrad(() => x.mul(x).sum().backward());
        return gradient.mul(x.grad as Tensor);
      }
    }
    const x = leaf(1, 2);
    Square.apply(x).sum().backward();
    assert.deepEqual(gradOf(x), [2, 4]);
  });

  test('what its backward throws is what the caller sees', () => {
    class Fail extends autograd.Function {
      static forward(_: Ctx, x: Tensor): Tensor {
        return x.mul(2);
      }
      static backward(): never {
        throw new TypeError('mine');
      }
    }
    const [x, y] = [leaf(1), leaf(1)];
    assert.throws(() => Fail.apply(x).add(y.mul(2)).backward(), /^TypeError: mine/);
    assert.deepEqual([gradOf(x), gradOf(y)], [null, null]);
    assert.ok(isGradEnabled());
  });

  test('may keep the gradient that it sees', () => {
    const kept: Tensor[] = [];
    class Keep extends autograd.Function {
      static forward(_: Ctx, x: Tensor): Tensor {
        return x.mul(2);
      }
      static backward(_: Ctx, gradient: Tensor): Tensor {
        kept.push(gradient, gradient.mul(5));
        return gradient;
      }
    }
    const x = ones(100, { dtype: 'float64', requiresGrad: true });
    Keep.apply(x.mul(2)).mul(3).sum().backward();
    assert.deepEqual(
      kept.map((g) => g.toTypedArray()[99]),
      [3, 15],
    );
  });

  test('has hooks like any node', () => {
    const seen: unknown[] = [];
    const x = leaf(1, 2);
    const y = Unchanged.apply(x);
    y.gradFn?.registerPrehook((outputs) => void seen.push(outputs.map((g) => g?.tolist())));
    y.gradFn?.registerHook((inputs) => void seen.push(inputs.map((g) => g?.tolist())));
    y.sum().backward();
    assert.deepEqual(seen, [[[1, 1]], [[2, 2]]]);
  });
});

describe('its arguments and results', () => {
  class Many extends autograd.Function {
    static seen: unknown[] = [];
    static forward(
      ctx: autograd.FunctionCtx<{ factor: number }>,
      x: Tensor,
      factor: number,
      y: Tensor,
    ): [Tensor, string, Tensor, null, Tensor] {
      ctx.factor = factor;
      return [x.mul(factor), 'text', y.add(1), null, x.gt(0)];
    }
    static backward(ctx: autograd.FunctionCtx<{ factor: number }>, ...gradients: (Tensor | null)[]): (Tensor | null)[] {
      Many.seen = [gradients.map((g) => g?.tolist() ?? null), ctx.needsInputGrad];
      return [(gradients[0] as Tensor).mul(ctx.factor), null, gradients[2]];
    }
  }

  test('what is no tensor passes through, integer results have no gradient, unused ones get zeros', () => {
    const [x, y] = [leaf(1, 2), leaf(3, 4)];
    const [a, text, b, nothing, mask] = Many.apply(x, 3, y);
    assert.deepEqual([a.tolist(), text, b.tolist(), nothing], [[3, 6], 'text', [4, 5], null]);
    assert.deepEqual([a.outputNr, b.outputNr], [0, 2]);
    assert.deepEqual([a.requiresGrad, b.requiresGrad, mask.requiresGrad, mask.dtype], [true, true, false, 'bool']);
    assert.deepEqual(
      a.gradFn?.nextFunctions.map(([node, nr]) => [node?.name(), nr]),
      [
        ['AccumulateGrad', 0],
        ['AccumulateGrad', 0],
      ],
    );
    a.sum().backward();
    assert.deepEqual(Many.seen, [
      [[1, 1], null, [0, 0], null, [false, false]],
      [true, false, true],
    ]);
    assert.deepEqual(
      [gradOf(x), gradOf(y)],
      [
        [3, 3],
        [0, 0],
      ],
    );
  });

  test('needsInputGrad says which arguments require grad', () => {
    const [x, y] = [leaf(1, 2), constant(3, 4)];
    const [a, , b] = Many.apply(x, 3, y);
    assert.equal(b.requiresGrad, true);
    a.sum().backward();
    assert.deepEqual(Many.seen[1], [true, false, false]);
    assert.deepEqual(gradOf(x), [3, 3]);
  });

  test('setMaterializeGrads(false) leaves null for what did not arrive', () => {
    let seen: unknown[] = [];
    class Three extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor, materialize: boolean): Tensor[] {
        ctx.setMaterializeGrads(materialize);
        const constant = x.mul(3);
        ctx.markNonDifferentiable(constant);
        return [x.mul(2), constant, x.mul(4)];
      }
      static backward(_: Ctx, ...gradients: (Tensor | null)[]): (Tensor | null)[] {
        seen = gradients.map((g) => g?.tolist() ?? null);
        return [gradients[0], null];
      }
    }
    const x = leaf(1, 2);
    const results = Three.apply(x, false);
    assert.deepEqual(
      results.map((y) => y.requiresGrad),
      [true, false, true],
    );
    results[0].sum().backward();
    assert.deepEqual(seen, [[1, 1], null, null]);
    Three.apply(x, true)[0].sum().backward();
    assert.deepEqual(seen, [
      [1, 1],
      [0, 0],
      [0, 0],
    ]);
  });

  test('an array of one result is an array', () => {
    class One extends autograd.Function {
      static forward(_: Ctx, x: Tensor): [Tensor] {
        return [x.mul(2)];
      }
      static backward(_: Ctx, gradient: Tensor): [Tensor] {
        return [gradient.mul(2)];
      }
    }
    const x = leaf(1);
    const [y] = One.apply(x);
    y.backward();
    assert.deepEqual(gradOf(x), [2]);
  });

  test('one tensor returned twice is the second result', () => {
    class Twice extends autograd.Function {
      static forward(_: Ctx, x: Tensor): Tensor[] {
        const y = x.mul(2);
        return [y, y];
      }
      static backward(_: Ctx, first: Tensor, second: Tensor): Tensor {
        assert.deepEqual([first.tolist(), second.tolist()], [[0], [11]]);
        return first.add(second);
      }
    }
    const x = leaf(1);
    const [y, z] = Twice.apply(x);
    assert.deepEqual([y === z, y.outputNr], [true, 1]);
    y.add(z.mul(10)).backward();
    assert.deepEqual(gradOf(x), [11]);
  });

  test('a tensor inside an array is no argument of its own', () => {
    class First extends autograd.Function {
      static forward(_: Ctx, xs: Tensor[]): Tensor {
        return xs[0].mul(2);
      }
    }
    assert.equal(First.apply([leaf(1)]).requiresGrad, false);
  });
});

describe('what backward returns', () => {
  const [x, y] = [leaf(1, 2), leaf(3, 4)];
  const gradients = (returned: (g: Tensor) => unknown): unknown => {
    class B extends autograd.Function {
      static forward(_: Ctx, a: Tensor, b: Tensor | number): Tensor {
        return a.add(b);
      }
      static backward(_: Ctx, gradient: Tensor): unknown {
        return returned(gradient);
      }
    }
    return autograd.grad(B.apply(x, y).sum(), [x, y], { allowUnused: true }).map((g) => g?.tolist() ?? null);
  };

  test('is one gradient for each argument', () => {
    assert.deepEqual(
      gradients((g) => [g, g.mul(2)]),
      [
        [1, 1],
        [2, 2],
      ],
    );
    assert.deepEqual(
      gradients(() => [null, null]),
      [null, null],
    );
    assert.deepEqual(
      gradients((g) => [g.float(), g]),
      [
        [1, 1],
        [1, 1],
      ],
    );
  });

  test('may end in more nulls, and must not be too few or too many', () => {
    assert.deepEqual(
      gradients((g) => [g, g, null, null]),
      [
        [1, 1],
        [1, 1],
      ],
    );
    const error = (got: number): RegExp =>
      new RegExp(`function BBackward returned an incorrect number of gradients \\(expected 2, got ${got}\\)`);
    assert.throws(() => gradients((g) => g), error(1));
    assert.throws(() => gradients(() => null), error(1));
    assert.throws(() => gradients((g) => [g, g, g]), error(3));
  });

  test('has the shape of the argument, or one that broadcasting made of it', () => {
    assert.throws(
      () => gradients((g) => [g, ones(3, { dtype: 'float64' })]),
      /Function BBackward returned an invalid gradient at index 1 - got \[3\] but expected shape compatible with \[2\]/,
    );
    assert.throws(
      () => gradients((g) => [g.sum(), g]),
      /Function BBackward returned an invalid gradient at index 0 - got \[\] but expected shape compatible with \[2\]/,
    );
    assert.deepEqual(
      gradients((g) => [g.expand(3, 2), g]),
      [
        [3, 3],
        [1, 1],
      ],
    );
  });

  test('is made of tensors', () => {
    assert.throws(
      () => gradients((g) => ['a', g]),
      /expected Tensor or null at position 1 of what BBackward returned, got "a"/,
    );
  });

  test('is null for arguments that are no tensors', () => {
    class B extends autograd.Function {
      static forward(_: Ctx, a: Tensor, b: number): Tensor {
        return a.add(b);
      }
      static backward(_: Ctx, gradient: Tensor): Tensor[] {
        return [gradient, gradient];
      }
    }
    assert.throws(
      () => B.apply(x, 2).sum().backward(),
      /function BBackward returned a gradient different than null at position 2, but the corresponding forward input was not a Tensor/,
    );
  });

  test('needs a backward, and apply a forward', () => {
    class Half extends autograd.Function {
      static forward(_: Ctx, a: Tensor): Tensor {
        return a.div(2);
      }
    }
    assert.throws(
      () => Half.apply(x).sum().backward(),
      /You must implement either the backward or vjp method for your custom autograd\.Function/,
    );
    class Again extends Half {
      static vjp(_: Ctx, g: Tensor): Tensor {
        return g.div(2);
      }
    }
    assert.deepEqual(autograd.grad(Again.apply(x).sum(), x)[0].tolist(), [0.5, 0.5]);
    class Both extends Again {
      static backward(_: Ctx, g: Tensor): Tensor {
        return g;
      }
    }
    assert.throws(() => Both.apply(x).sum().backward(), /Implementing both 'backward' and 'vjp' .* is not allowed/);
    class None extends autograd.Function {}
    // @ts-expect-error there is no forward
    assert.throws(() => None.apply(x), /You must implement the forward function for custom autograd\.Function\./);
  });
});

describe('savedTensors', () => {
  test('are the inputs themselves and the outputs in their place of the graph', () => {
    class Save extends autograd.Function {
      static forward(ctx: autograd.FunctionCtx<object, (Tensor | null)[]>, x: Tensor): Tensor {
        const y = x.exp();
        ctx.saveForBackward(x, null, y);
        assert.deepEqual(ctx.savedTensors, []);
        return y;
      }
      static backward(ctx: autograd.FunctionCtx<object, (Tensor | null)[]>, gradient: Tensor): Tensor {
        const [a, nothing, y] = ctx.savedTensors;
        assert.equal(a, x);
        assert.equal(nothing, null);
        assert.equal((y as Tensor).gradFn?.name(), 'SaveBackward');
        return gradient.mul(y as Tensor);
      }
    }
    const x = leaf(1, 2);
    Save.apply(x).sum().backward();
    assert.notEqual(x.grad, null);
  });

  test('are released after a backward', () => {
    const x = leaf(1, 2);
    const y = Exp.apply(x).sum();
    y.backward({ retainGraph: true });
    y.backward();
    assert.throws(() => y.backward(), /Trying to backward through the graph a second time/);
    // a function that saves nothing has nothing to release
    const z = Scale.apply(x, 2);
    z.backward(ones(2, { dtype: 'float64' }));
    z.backward(ones(2, { dtype: 'float64' }));
  });

  test('must not have been written to', () => {
    class Square extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor {
        ctx.saveForBackward(x);
        return x.mul(x);
      }
      static backward(ctx: Ctx, gradient: Tensor): Tensor {
        return gradient.mul(ctx.savedTensors[0]).mul(2);
      }
    }
    const x = leaf(1, 2).mul(1);
    const y = Square.apply(x);
    x.add_(1);
    assert.throws(() => y.sum().backward(), {
      code: 'inplace',
      message:
        /^one of the variables needed .* \[float64 \[2\]\], which is output 0 of AddBackward0, is at version 1; expected version 0 instead/,
    });
    const z = Exp.apply(leaf(1, 2));
    z.add_(1);
    assert.throws(() => z.sum().backward(), {
      message: /which is output 0 of ExpBackward, is at version 1; expected version 0 instead/,
    });
  });

  test('may be let go when they are asked for', () => {
    let times = 1;
    class Squared extends autograd.Function {
      static clearSavedTensorsOnAccess = true;
      static forward(ctx: Ctx, a: Tensor): Tensor {
        ctx.saveForBackward(a);
        return a.mul(a);
      }
      static backward(ctx: Ctx, g: Tensor): Tensor {
        const all = Array.from({ length: times }, () => ctx.savedTensors[0]);
        return g.mul(all[0]).mul(2);
      }
    }
    const a = tensor([1, 2], { requiresGrad: true });
    assert.deepEqual(autograd.grad(Squared.apply(a).sum(), a)[0].tolist(), [2, 4]);
    const y = Squared.apply(a).sum();
    y.backward(null, { retainGraph: true });
    assert.throws(() => y.backward(), /savedTensors can only be accessed once/);
    times = 2;
    assert.throws(() => Squared.apply(a).sum().backward(), {
      code: 'autograd',
      message:
        /^savedTensors can only be accessed once where the autograd\.Function says static clearSavedTensorsOnAccess = true/,
    });
  });

  test('are tensors', () => {
    class Bad extends autograd.Function {
      static forward(ctx: autograd.FunctionCtx<object, Tensor[]>, x: Tensor): Tensor {
        ctx.saveForBackward(x, 3 as unknown as Tensor);
        return x.mul(2);
      }
    }
    assert.throws(() => Bad.apply(leaf(1)), /saveForBackward can only save Tensors, but argument 1 is 3/);
  });

  test('pass through the hooks for saved tensors', () => {
    const x = leaf(0, 0);
    const y = autograd.graph.savedTensorsHooks(
      (t) => t.mul(10),
      (t) => t,
      () => Exp.apply(x),
    );
    y.sum().backward();
    assert.deepEqual(gradOf(x), [10, 10]);
  });
});

describe('setupContext', () => {
  class Scale2 extends autograd.Function {
    static forward(x: Tensor, factor: number): Tensor {
      assert.equal(isGradEnabled(), false);
      return x.mul(factor);
    }
    static setupContext(
      ctx: autograd.FunctionCtx<{ factor: number }>,
      [x, factor]: readonly [Tensor, number],
      output: Tensor,
    ): void {
      assert.deepEqual(ctx.needsInputGrad, [true, false]);
      ctx.factor = factor;
      ctx.saveForBackward(x, output);
    }
    static backward(ctx: autograd.FunctionCtx<{ factor: number }>, gradient: Tensor): (Tensor | null)[] {
      assert.deepEqual(
        ctx.savedTensors.map((t) => t.tolist()),
        [
          [1, 2],
          [3, 6],
        ],
      );
      return [gradient.mul(ctx.factor), null];
    }
  }

  test('sees the arguments and the results after forward', () => {
    const x = leaf(1, 2);
    const y: Tensor = Scale2.apply(x, 3);
    assert.equal(nodeName(y), 'Scale2Backward');
    y.sum().backward();
    assert.deepEqual(gradOf(x), [3, 3]);
    // @ts-expect-error the factor is missing
    assert.throws(() => Scale2.apply(x));
  });

  test('must not save an input that is returned as it is', () => {
    class Return extends autograd.Function {
      static forward(x: Tensor): Tensor {
        return x;
      }
      static setupContext(ctx: Ctx, _: readonly [Tensor], output: Tensor): void {
        ctx.saveForBackward(output);
      }
    }
    const message = /^An input that has been returned as-is as output is being saved for backward\./;
    assert.throws(() => Return.apply(leaf(1)), { message });
    assert.throws(() => Return.apply(constant(1)), { message });
  });
});

describe('an input as the result', () => {
  test('is a view of it with a history of its own', () => {
    const x = leaf(1, 2);
    const y = Unchanged.apply(x);
    assert.notEqual(y, x);
    assert.equal(nodeName(y), 'UnchangedBackward');
    y.sum().backward();
    assert.deepEqual(gradOf(x), [2, 2]);
  });

  test('twice is two tensors', () => {
    class Two extends autograd.Function {
      static forward(_: Ctx, x: Tensor): Tensor[] {
        return [x, x];
      }
      static backward(_: Ctx, first: Tensor, second: Tensor): Tensor {
        return first.add(second);
      }
    }
    const x = leaf(1);
    const [y, z] = Two.apply(x);
    assert.deepEqual([y === z, y.outputNr, z.outputNr], [false, 0, 1]);
    y.add(z.mul(10)).backward();
    assert.deepEqual(gradOf(x), [11]);
  });

  test('is another tensor even where nothing is recorded', () => {
    const x = leaf(1, 2);
    const y = noGrad(() => Unchanged.apply(x));
    assert.deepEqual([y === x, y.requiresGrad, x.requiresGrad], [false, false, true]);
    const c = constant(1, 2);
    const d = Unchanged.apply(c);
    assert.notEqual(d, c);
    d.add_(1);
    assert.deepEqual(c.tolist(), [2, 3]);
  });

  test('marked as not differentiable is outside of the graph', () => {
    class Both extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor[] {
        ctx.markNonDifferentiable(x);
        return [x, x.mul(2)];
      }
      static backward(_: Ctx, first: Tensor, second: Tensor): Tensor {
        assert.deepEqual(first.tolist(), [0, 0]);
        return second;
      }
    }
    const x = leaf(1, 2);
    const [a, b] = Both.apply(x);
    assert.deepEqual([a === x, a.requiresGrad, b.requiresGrad, x.requiresGrad], [false, false, true, true]);
    b.sum().backward();
    assert.deepEqual(gradOf(x), [1, 1]);
  });

  const custom = /This view was created inside a custom Function \(or because an input was returned as-is\)/;

  test('and any result that is a view, must not be written to', () => {
    class Reshape extends autograd.Function {
      static forward(_: Ctx, x: Tensor): Tensor {
        return x.view(2, 1);
      }
      static backward(_: Ctx, gradient: Tensor): Tensor {
        return gradient.view(2).mul(3);
      }
    }
    const x = leaf(1, 2);
    assert.throws(() => Unchanged.apply(x.mul(1)).add_(1), {
      code: 'inplace',
      message:
        /^Output 0 of UnchangedBackward is a view and is being modified inplace\. This view was created inside a custom Function/,
    });
    assert.throws(() => Reshape.apply(x.mul(1)).add_(1), custom);
    assert.throws(() => Reshape.apply(constant(1, 2)).add_(x.view(2, 1)), custom);
    const unrecorded = noGrad(() => Reshape.apply(x));
    assert.deepEqual([unrecorded.requiresGrad, unrecorded.isLeaf], [true, true]);
    assert.throws(() => unrecorded.add_(1), custom);
    const base = x.mul(1);
    const y = Unchanged.apply(base);
    base.add_(1);
    assert.throws(
      () => y.gradFn,
      /its base or another view of its base has been modified inplace\. This view was created inside a custom/,
    );
  });

  test('and several views are several views', () => {
    class Halves extends autograd.Function {
      static forward(_: Ctx, x: Tensor): Tensor[] {
        return [x.narrow(0, 0, 1), x.narrow(0, 1, 1)];
      }
      static backward(_: Ctx, first: Tensor, second: Tensor): Tensor {
        return cat([first, second]).mul(2);
      }
    }
    const x = leaf(1, 2);
    const [y, z] = Halves.apply(x.mul(1));
    assert.throws(() => y.add_(1), /This view is the output of a function that returns multiple views\./);
    y.mul(z).backward();
    assert.deepEqual(gradOf(x), [4, 2]);
  });
});

describe('markDirty', () => {
  test('an input that was written to becomes the output', () => {
    const [x, y] = [leaf(1, 2), leaf(3, 4)];
    const z = x.mul(1);
    const version = z._version;
    const out = AddInto.apply(z, y);
    assert.equal(out, z);
    assert.ok(z._version > version);
    assert.equal(nodeName(z), 'AddIntoBackward');
    assert.deepEqual(
      z.gradFn?.nextFunctions.map(([node]) => node?.name()),
      ['MulBackward0', 'AccumulateGrad'],
    );
    z.sum().backward();
    assert.deepEqual(
      [gradOf(x), gradOf(y)],
      [
        [2, 2],
        [3, 3],
      ],
    );
  });

  test('makes a constant a part of the graph', () => {
    const [x, y] = [constant(1, 2), leaf(3, 4)];
    const out = AddInto.apply(x, y);
    assert.deepEqual([out === x, x.isLeaf, x.requiresGrad], [true, false, true]);
    x.sum().backward();
    assert.deepEqual(gradOf(y), [3, 3]);
  });

  test('a gradient that was retained is that of what the tensor has become', () => {
    const x = leaf(1, 2);
    const z = x.mul(1);
    z.retainGrad();
    AddInto.apply(z, constant(1, 1));
    z.mul(5).sum().backward();
    assert.deepEqual(
      [gradOf(z), gradOf(x)],
      [
        [5, 5],
        [10, 10],
      ],
    );
  });

  test('one of several results', () => {
    class AddOne extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor[] {
        x.add_(1);
        ctx.markDirty(x);
        return [x.mul(2), x];
      }
      static backward(_: Ctx, double: Tensor, same: Tensor): Tensor {
        return double.mul(2).add(same);
      }
    }
    const x = leaf(1, 2);
    const z = x.mul(1);
    const [double, same] = AddOne.apply(z);
    assert.deepEqual([same === z, z.outputNr], [true, 1]);
    z.mul_(3);
    double.add(z).sum().backward();
    assert.deepEqual(gradOf(x), [5, 5]);
    assert.throws(
      () => AddOne.apply(leaf(1, 2, 3).mul(1).narrow(0, 1, 2)),
      /a view of another Tensor, your Function cannot return more than one Tensor/,
    );
  });

  test('a view carries the write to its base', () => {
    const x = leaf(1, 2, 3);
    const base = x.mul(1);
    const part = base.narrow(0, 1, 2);
    assert.equal(AddInto.apply(part, constant(5, 5)), part);
    assert.deepEqual(base.tolist(), [1, 7, 8]);
    assert.deepEqual([nodeName(base), nodeName(part)], ['CopySlices', 'AsStridedBackward0']);
    base
      .mul(constant(1, 10, 100))
      .sum()
      .backward();
    assert.deepEqual(gradOf(x), [1, 20, 200]);
  });

  test('at any place among the arguments', () => {
    class AddTo extends autograd.Function {
      static forward(ctx: Ctx, y: Tensor, x: Tensor): Tensor {
        x.add_(y);
        ctx.markDirty(x);
        return x;
      }
      static backward(_: Ctx, gradient: Tensor): Tensor[] {
        return [gradient.mul(3), gradient.mul(2)];
      }
    }
    const [x, y] = [leaf(1, 2, 3), leaf(5, 5)];
    const base = x.mul(1);
    AddTo.apply(y, base.narrow(0, 1, 2));
    base
      .mul(constant(1, 10, 100))
      .sum()
      .backward();
    assert.deepEqual(
      [gradOf(x), gradOf(y)],
      [
        [1, 20, 200],
        [30, 300],
      ],
    );
  });

  test('is refused where a write is', () => {
    const y = constant(1, 1);
    assert.throws(() => AddInto.apply(leaf(1, 2), y), /a leaf Variable that requires grad/);
    assert.throws(
      () => AddInto.apply(leaf(1, 2, 3).narrow(0, 1, 2), y),
      /a view of a leaf Variable that requires grad/,
    );
    const [first] = leaf(1, 2, 3).mul(1).unbind();
    assert.throws(
      () => AddInto.apply(first, tensor(1, { dtype: 'float64' })),
      /Output 0 of UnbindBackward0 is a view and is being modified inplace\. This view is the output of a function that returns multiple/,
    );
    const x = leaf(1, 2);
    const z = noGrad(() => AddInto.apply(x, y));
    assert.deepEqual([z === x, x.tolist()], [false, [2, 3]]);
  });

  test('needs the input among the results', () => {
    class Hide extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor {
        ctx.markDirty(x.add_(1));
        return x.mul(2);
      }
    }
    assert.throws(
      () => Hide.apply(leaf(1).mul(1)),
      /^AdjointError: Some elements marked as dirty during the forward method were not returned/,
    );
  });

  test('takes tensors', () => {
    class Wrong extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor, which: 'markDirty' | 'markNonDifferentiable' | 'saveForForward'): Tensor {
        ctx[which](3 as unknown as Tensor);
        return x;
      }
    }
    assert.throws(() => Wrong.apply(leaf(1), 'markDirty'), /markDirty can only accept Tensors, but argument 0 is 3/);
    assert.throws(
      () => Wrong.apply(leaf(1), 'markNonDifferentiable'),
      /markNonDifferentiable only accepts Tensors, but got 3/,
    );
    assert.throws(
      () => Wrong.apply(leaf(1), 'saveForForward'),
      /saveForForward expects all arguments to be Tensors, got 3/,
    );
  });
});

describe('what a custom function keeps of the graph', () => {
  class Square extends autograd.Function {
    static forward(ctx: Ctx, x: Tensor): Tensor {
      const y = x.mul(x);
      ctx.saveForBackward(x, y);
      return y;
    }
    static backward(ctx: Ctx, gradient: Tensor): Tensor {
      const [x, y] = ctx.savedTensors;
      return gradient.mul(2).mul(y).div(x);
    }
  }

  test('stays under createGraph, though its own result is in it', () => {
    const x = leaf(2);
    const y = Square.apply(x);
    const [g] = autograd.grad(y, x, { createGraph: true });
    const [again] = autograd.grad(y, x, { retainGraph: true });
    assert.deepEqual([g.tolist(), again.tolist()], [[4], [4]]);
    assert.deepEqual(autograd.grad(g, x, { retainGraph: true })[0].tolist(), [2]);
    assert.deepEqual(autograd.grad(g, x)[0].tolist(), [2]);
    assert.throws(() => autograd.grad(y, x), /a second time/);
  });

  test('tells which output a saved tensor was', () => {
    class Halves extends autograd.Function {
      static forward(_: Ctx, x: Tensor): Tensor[] {
        return [x.narrow(0, 0, 2), x.narrow(0, 2, 2)];
      }
      static backward(_: Ctx, ...gradients: Tensor[]): Tensor {
        return cat(gradients);
      }
    }
    let saved: Tensor | undefined;
    class Keep extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor {
        ctx.saveForBackward(x);
        return x.mul(2);
      }
      static backward(ctx: Ctx): null {
        [saved] = ctx.savedTensors;
        return null;
      }
    }
    const [, second] = Halves.apply(leaf(1, 2, 3, 4));
    Keep.apply(second).sum().backward();
    assert.deepEqual([saved?.outputNr, saved?.gradFn], [1, second.gradFn]);
  });

  test('100,000 deep', () => {
    class Sum extends autograd.Function {
      static forward(_: Ctx, x: Tensor, y: Tensor): Tensor {
        return x.add(y);
      }
      static backward(_: Ctx, gradient: Tensor): Tensor[] {
        return [gradient.div(2), gradient.div(2)];
      }
    }
    const x = leaf(1);
    let y: Tensor = x;
    for (let i = 0; i < 100_000; i++) y = Sum.apply(y, y);
    y.backward();
    assert.deepEqual(gradOf(x), [1]);
  });
});

describe('results that want a gradient and results that do not', () => {
  test('an input that is returned is a result of its own beside the input', () => {
    class First extends autograd.Function {
      static forward(_: Ctx, a: Tensor, b: Tensor): Tensor[] {
        return [a, a.add(b)];
      }
      static backward(_: Ctx, first: Tensor, second: Tensor): Tensor[] {
        return [first.add(second), second];
      }
    }
    const [x, y] = [leaf(1, 2), leaf(3, 4)];
    const [same, sum] = First.apply(x, y);
    const seen: unknown[] = [];
    same.registerHook((g) => void seen.push(g.tolist()));
    same.add(sum).add(x).sum().backward();
    assert.deepEqual([seen, gradOf(x), gradOf(y)], [[[1, 1]], [3, 3], [1, 1]]);
  });

  test('a constant that is returned becomes a result, whose gradient goes nowhere', () => {
    class Both extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor, y: Tensor): Tensor[] {
        assert.deepEqual(ctx.needsInputGrad, [true, false]);
        return [x, y];
      }
      static backward(_: Ctx, gradient: Tensor): (Tensor | null)[] {
        return [gradient, null];
      }
    }
    const [x, y] = [leaf(1, 2), constant(3, 4)];
    const [a, b] = Both.apply(x, y);
    let calls = 0;
    for (const t of [a, b]) t.registerHook((g) => void (calls += g === null ? 0 : 1));
    a.mul(b).sum().backward();
    assert.deepEqual([calls, gradOf(x), y.requiresGrad, y.grad], [2, [3, 4], false, null]);
  });

  test('one that has none, used by another function', () => {
    class WithNoise extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor[] {
        const noise = constant(5, 6);
        ctx.markNonDifferentiable(noise);
        return [x, noise];
      }
      static backward(_: Ctx, gradient: Tensor): Tensor {
        return gradient;
      }
    }
    class Ignore extends autograd.Function {
      static forward(_: Ctx, x: Tensor, _noise: Tensor): Tensor {
        return x;
      }
      static backward(_: Ctx, gradient: Tensor): (Tensor | null)[] {
        return [gradient, null];
      }
    }
    const x = leaf(1, 2);
    const [a, noise] = WithNoise.apply(x);
    const shifted = noise.add(1);
    assert.deepEqual([a.requiresGrad, shifted.requiresGrad], [true, false]);
    Ignore.apply(a, shifted).sum().backward();
    assert.deepEqual(gradOf(x), [1, 1]);
  });

  test('one that was written to, twice', () => {
    class DoubleInPlace extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor[] {
        x.mul_(2);
        ctx.markDirty(x);
        return [x, x];
      }
      static backward(_: Ctx, first: Tensor, second: Tensor): Tensor {
        return first.mul(2).add(second.mul(2));
      }
    }
    const x = leaf(1, 2);
    const [a, b] = DoubleInPlace.apply(x.clone());
    assert.equal(a, b);
    a.add(b).sum().backward();
    assert.deepEqual(gradOf(x), [4, 4]);
    assert.throws(() => DoubleInPlace.apply(leaf(1)), {
      code: 'inplace',
      message: /^a leaf Variable that requires grad/,
    });
    assert.throws(() => DoubleInPlace.apply(x.clone().narrow(0, 0, 1)), {
      code: 'inplace',
      message:
        /modifies inplace an input that is a view of another Tensor, your Function cannot return more than one Tensor/,
    });
  });
});

describe('onceDifferentiable', () => {
  class Square extends autograd.Function {
    static forward(ctx: Ctx, x: Tensor): Tensor {
      ctx.saveForBackward(x);
      return x.mul(x);
    }
    static backward = autograd.onceDifferentiable((ctx: Ctx, gradient: Tensor): Tensor => {
      assert.equal(isGradEnabled(), false);
      return gradient.mul(ctx.savedTensors[0]).mul(2);
    });
  }

  test('gives the first derivative', () => {
    const x = leaf(1, 2);
    Square.apply(x).sum().backward();
    assert.deepEqual(gradOf(x), [2, 4]);
  });

  test('makes the second an error', () => {
    const x = leaf(1, 2);
    const y = Square.apply(x);
    const [g] = autograd.grad(y.mul(y).sum(), x, { createGraph: true });
    assert.deepEqual([g.tolist(), nodeName(g)], [[4, 32], 'Error']);
    assert.throws(
      () => g.sum().backward(),
      /trying to differentiate twice a function that was marked with onceDifferentiable/,
    );
  });

  test('a gradient that does not depend on anything is a constant', () => {
    const x = leaf(1, 2);
    const [g] = autograd.grad(Square.apply(x).sum(), x, { createGraph: true });
    assert.equal(g.requiresGrad, false);
    const [h] = autograd.grad(Square.apply(x), x, { gradOutputs: leaf(1, 1), createGraph: true });
    assert.equal(h.requiresGrad, true);
    assert.throws(() => autograd.grad(h.sum(), x), /appears to not have been used in the graph/);
  });
});

test('apply belongs to its class when it is handed on', () => {
  class Square extends Exp {
    static override forward(ctx: autograd.FunctionCtx, x: Tensor): Tensor {
      ctx.saveForBackward(x.mul(2));
      return x.pow(2);
    }
  }
  const { apply } = Square as { apply: (x: Tensor) => Tensor };
  assert.deepEqual(apply(constant(3)).tolist(), [9]);
  assert.ok(autograd.gradcheck(Exp.apply, leaf(1, 2)));
  assert.ok(autograd.gradcheck(Square.apply, leaf(1, 2)));
});
