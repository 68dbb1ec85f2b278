/** Custom functions in forward mode, over batches, and within the transforms of func. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { autograd, func, isGradEnabled, type Tensor, tensor, utils } from '../../src/index.ts';

const { dualLevel, makeDual, unpackDual } = autograd.forwardAd;
const { grad, hessian, jacfwd, jacrev, jvp, vjp, vmap } = func;
type Ctx = autograd.FunctionCtx;
type Numbers = readonly (number | Numbers)[];

const constant = (data: Numbers | number): Tensor => tensor(data, { dtype: 'float64' });
const leaf = (data: Numbers | number): Tensor => constant(data).requiresGrad_();
const values = (x: unknown): unknown => {
  if (Array.isArray(x)) return x.map(values);
  return typeof x === 'number' ? Number(x.toFixed(4)) : values((x as Tensor).tolist());
};

/** sin, with its derivatives in both modes. */
class Sin extends autograd.Function {
  static forward(ctx: Ctx, x: Tensor): Tensor {
    ctx.saveForBackward(x);
    ctx.saveForForward(x);
    return x.sin();
  }
  static jvp(ctx: Ctx, tangent: Tensor): Tensor {
    return tangent.mul(ctx.savedTensors[0].cos());
  }
  static backward(ctx: Ctx, gradient: Tensor): Tensor {
    return gradient.mul(ctx.savedTensors[0].cos());
  }
}

describe('jvp', () => {
  test('takes a tangent for each argument and gives one for each result', () => {
    let seen: unknown[] = [];
    class Product extends autograd.Function {
      static forward(ctx: autograd.FunctionCtx<{ factor: number }>, x: Tensor, factor: number, y: Tensor) {
        ctx.saveForForward(x, y);
        ctx.factor = factor;
        assert.equal(unpackDual(x).tangent, null);
        return [x.mul(y).mul(factor), x.gt(0), 'text', y.add(1)] as const;
      }
      static jvp(ctx: autograd.FunctionCtx<{ factor: number }>, ...tangents: (Tensor | null)[]): (Tensor | null)[] {
        seen = [tangents.map((t) => t?.tolist() ?? null), isGradEnabled(), ctx.factor];
        const [, y] = ctx.savedTensors;
        return [(tangents[0] as Tensor).mul(y).mul(ctx.factor), null, null, tangents[2]];
      }
    }
    dualLevel(() => {
      const [product, mask, text, next] = Product.apply(
        makeDual(constant([1, 2]), constant([1, 10])),
        3,
        constant([3, 4]),
      );
      assert.deepEqual(seen, [[[1, 10], null, [0, 0]], true, 3]);
      assert.deepEqual(values(unpackDual(product).primal), [9, 24]);
      assert.deepEqual(values(unpackDual(product).tangent), [9, 120]);
      assert.deepEqual(values(unpackDual(next).tangent), [0, 0]);
      assert.deepEqual([unpackDual(mask).tangent, text], [null, 'text']);
    });
  });

  test('gets null for tangents that are not there, if they are not to be made up', () => {
    class Add extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor, y: Tensor): Tensor {
        ctx.setMaterializeGrads(false);
        return x.add(y);
      }
      static jvp(_: Ctx, t: Tensor | null, s: Tensor | null): Tensor | null {
        assert.equal(s, null);
        return t;
      }
    }
    dualLevel(() => {
      const { tangent } = unpackDual(Add.apply(makeDual(constant([1]), constant([7])), constant([2])));
      assert.deepEqual(values(tangent), [7]);
    });
  });

  test('finds in savedTensors what was saved for it, and nothing else', () => {
    class Save extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor {
        ctx.saveForBackward(x);
        return x.mul(2);
      }
      static jvp(ctx: Ctx, t: Tensor): Tensor {
        assert.deepEqual(ctx.savedTensors, []);
        return t.mul(2);
      }
    }
    dualLevel(() => assert.deepEqual(values(unpackDual(Save.apply(makeDual(leaf([1]), constant([1])))).tangent), [2]));
  });

  test('is a part of the graph: reverse over forward', () => {
    const x = leaf([1, 2]);
    const t = leaf([1, 10]);
    dualLevel(() => {
      const tangent = unpackDual(Sin.apply(makeDual(x, t))).tangent as Tensor;
      const [ofX, ofT] = autograd.grad(tangent.sum(), [x, t]);
      assert.deepEqual(values(ofX), values(x.sin().neg().mul(t)));
      assert.deepEqual(values(ofT), values(x.cos()));
    });
  });

  test('is carried through backward: forward over reverse', () => {
    const x = leaf([1, 2]);
    dualLevel(() => {
      const dual = makeDual(x, constant([1, 10]));
      const [g] = autograd.grad(Sin.apply(dual).sum(), dual, { createGraph: true });
      assert.deepEqual(values(unpackDual(g).primal), values(x.cos()));
      assert.deepEqual(
        values(unpackDual(g).tangent),
        values(
          x
            .sin()
            .neg()
            .mul(constant([1, 10])),
        ),
      );
    });
  });

  test('of an input that is returned has to be a view, as the result is', () => {
    const pushed = (jvp: (t: Tensor) => Tensor): unknown => {
      class Unchanged extends autograd.Function {
        static forward(_: Ctx, x: Tensor, y: Tensor): [Tensor, Tensor] {
          return [x.add(y), x];
        }
        static jvp(_: Ctx, t: Tensor, u: Tensor): [Tensor, Tensor] {
          return [t.add(u), jvp(t)];
        }
      }
      return dualLevel(() => {
        const x = makeDual(constant([1, 2]), constant([1, 10]));
        return values(unpackDual(Unchanged.apply(x, constant([0, 0]))[1]).tangent);
      });
    };
    assert.deepEqual(
      pushed((t) => t.viewAs(t)),
      [1, 10],
    );
    const wrong = { code: 'autograd', message: /forward is returning a view .* but the jvp is not returning a view/ };
    assert.throws(() => pushed((t) => t), wrong);
    assert.throws(() => pushed((t) => t.mul(2)), wrong);
  });

  test('of a view has to be a view of the tangent that was given', () => {
    const pushed = (jvp: (t: Tensor) => Tensor): unknown => {
      class Front extends autograd.Function {
        static forward(_: Ctx, x: Tensor): Tensor {
          return x.narrow(0, 0, 1);
        }
        static jvp(_: Ctx, t: Tensor): Tensor {
          return jvp(t);
        }
      }
      const x = constant([1, 2]);
      return dualLevel(() => values(unpackDual(Front.apply(makeDual(x, constant([1, 10])))).tangent));
    };
    assert.deepEqual(
      pushed((t) => t.narrow(0, 0, 1)),
      [1],
    );
    assert.throws(() => pushed((t) => t.narrow(0, 0, 1).clone()), /the jvp is not returning a view\.$/);
    assert.throws(
      () => pushed((t) => t.clone().narrow(0, 0, 1)),
      /the jvp is not returning a view of the given grad input\.$/,
    );
  });

  test('of an input that was written to has to be written to as well', () => {
    const double = (jvp: (t: Tensor) => Tensor) => {
      class Double extends autograd.Function {
        static forward(ctx: Ctx, x: Tensor): Tensor {
          ctx.markDirty(x.mul_(2));
          return x;
        }
        static jvp(_: Ctx, t: Tensor): Tensor {
          return jvp(t);
        }
        static backward(_: Ctx, g: Tensor): Tensor {
          return g.mul(2);
        }
      }
      return Double;
    };
    dualLevel(() => {
      const start = leaf([1, 2]);
      const tangent = constant([1, 10]);
      const z = makeDual(start.mul(1), tangent);
      assert.equal(double((t) => t.mul_(7)).apply(z), z);
      assert.equal(unpackDual(z).tangent, tangent);
      assert.deepEqual(
        [values(unpackDual(z).primal), values(tangent)],
        [
          [2, 4],
          [7, 70],
        ],
      );
      assert.deepEqual(values(autograd.grad(z.sum(), start)[0]), [2, 2]);
      for (const wrong of [(t: Tensor) => t, (t: Tensor) => t.mul(2)]) {
        assert.throws(() => double(wrong).apply(makeDual(constant([1, 2]), tangent)), {
          code: 'autograd',
          message: /^An inplace custom Function is not modifying the forward mode gradients inplace/,
        });
      }
    });
  });

  test('must fit the results', () => {
    const pushed = (returned: (t: Tensor) => unknown): unknown => {
      class Two extends autograd.Function {
        static forward(_: Ctx, x: Tensor): [Tensor, Tensor] {
          return [x.mul(2), x.gt(0)];
        }
        static jvp(_: Ctx, t: Tensor): unknown {
          return returned(t);
        }
      }
      return dualLevel(() => values(unpackDual(Two.apply(makeDual(constant([1, 2]), constant([1, 1])))[0]).tangent));
    };
    assert.deepEqual(
      pushed((t) => [t, null]),
      [1, 1],
    );
    assert.throws(
      () => pushed((t) => t),
      /Function's jvp returned an invalid number of forward gradients \(expected 2 but got 1\)/,
    );
    assert.throws(
      () => pushed((t) => [t, t]),
      /returned a gradient at position 1, but the corresponding forward output is not a differ/,
    );
    assert.throws(() => pushed((t) => [t.narrow(0, 0, 1), null]), { code: 'shape' });
    assert.throws(() => pushed(() => [3, null]), { code: 'dtype' });
  });

  test('has to be there', () => {
    class None extends autograd.Function {
      static forward(_: Ctx, x: Tensor): Tensor {
        return x.mul(2);
      }
    }
    assert.throws(
      () => dualLevel(() => None.apply(makeDual(constant(1), constant(1)))),
      /You must implement the jvp function for custom autograd\.Function to use it with forward mode AD\./,
    );
  });
});

/** [n exp(x w), sum x], for examples x and common w. */
class Wave extends autograd.Function {
  static generateVmapRule = true;
  static forward(x: Tensor, w: Tensor, n: number): [Tensor, Tensor] {
    return [x.mul(w).exp().mul(n), x.sum()];
  }
  static setupContext(ctx: Ctx, [x, w]: readonly [Tensor, Tensor, number], [y]: [Tensor, Tensor]): void {
    ctx.saveForBackward(x, w, y);
    ctx.saveForForward(x, w, y);
  }
  static backward(ctx: Ctx, g: Tensor, h: Tensor): (Tensor | null)[] {
    const [x, w, y] = ctx.savedTensors;
    return [g.mul(y).mul(w).add(h), g.mul(y).mul(x), null];
  }
  static jvp(ctx: Ctx, t: Tensor, s: Tensor): Tensor[] {
    const [x, w, y] = ctx.savedTensors;
    return [y.mul(t.mul(w).add(s.mul(x))), t.sum()];
  }
}

describe('over a batch, by the rule for one example', () => {
  const [examples, common] = [
    constant([
      [1, 2],
      [3, 4],
      [0.5, 0.25],
    ]),
    constant([0.1, 0.2]),
  ];
  const inDims = [0, null];
  const custom = (x: Tensor, w: Tensor): [Tensor, Tensor] => Wave.apply(x, w, 3);
  const plain = (x: Tensor, w: Tensor): [Tensor, Tensor] => [x.mul(w).exp().mul(3), x.sum()];
  const scalar =
    (f: typeof plain) =>
    (x: Tensor, w: Tensor): Tensor => {
      const [y, z] = f(x, w);
      return y.mul(y).sum().add(z);
    };

  test('is what the same operators give', () => {
    const out = vmap(custom, { inDims })(examples, common);
    assert.deepEqual(values(out), values(vmap(plain, { inDims })(examples, common)));
  });

  test('is differentiated from outside, to any order', () => {
    const derivatives = (f: typeof plain): unknown => {
      const [x, w] = [examples.clone().requiresGrad_(), common.clone().requiresGrad_()];
      const [y, z] = vmap(f, { inDims })(x, w);
      const first = autograd.grad(y.mul(y).sum().add(z.sum()), [x, w], { createGraph: true });
      return values([...first, ...autograd.grad(first[0].sum().add(first[1].sum()), [x, w])]);
    };
    assert.deepEqual(derivatives(custom), derivatives(plain));
    const [y] = vmap(custom, { inDims })(examples.clone().requiresGrad_(), common);
    assert.equal(y.gradFn?.name(), 'VmappedWaveBackward');
  });

  test('is differentiated inside, to any order', () => {
    const first = (f: typeof plain): unknown => vmap(grad(scalar(f), [0, 1]), { inDims })(examples, common);
    assert.deepEqual(values(first(custom)), values(first(plain)));
    const second = (f: typeof plain): unknown => {
      const inner = (x: Tensor, w: Tensor): Tensor => (grad(scalar(f))(x, w) as Tensor).sum();
      return vmap(grad(inner, [0, 1]), { inDims })(examples, common);
    };
    assert.deepEqual(values(second(custom)), values(second(plain)));
  });

  test('has tangents, inside and outside', () => {
    const inside = (f: typeof plain): unknown =>
      vmap((x: Tensor, w: Tensor) => jvp(f, [x, w], [x, w]), { inDims })(examples, common);
    assert.deepEqual(values(inside(custom)), values(inside(plain)));
    const outside = (f: typeof plain): unknown => jvp(vmap(f, { inDims }), [examples, common], [examples, common]);
    assert.deepEqual(values(outside(custom)), values(outside(plain)));
  });

  test('may be a batch of batches', () => {
    const nested = (f: typeof plain): unknown =>
      vmap(vmap(f, { inDims: [null, 0] }), { inDims })(examples.narrow(1, 0, 1), common.unsqueeze(1));
    assert.deepEqual(values(nested(custom)), values(nested(plain)));
  });

  test('sums the gradients of what all examples share, though the result be the same for all', () => {
    class Shared extends Wave {
      static override forward(_: Tensor, w: Tensor, n: number): [Tensor, Tensor] {
        return [w.exp().mul(n), w.sum()];
      }
      static override backward(ctx: Ctx, g: Tensor): (Tensor | null)[] {
        return [null, g.mul(ctx.savedTensors[2]), null];
      }
    }
    const w = common.clone().requiresGrad_();
    const [y] = vmap((x: Tensor, v: Tensor) => Shared.apply(x, v, 3), { inDims })(examples, w);
    const [g] = autograd.grad(y.pow(2).sum(), w, { createGraph: true });
    assert.deepEqual(values(g), values(w.mul(2).exp().mul(54)));
    assert.deepEqual(values(autograd.grad(g.sum(), w)[0]), values(w.mul(2).exp().mul(108)));
  });

  test('serves the matrices of derivatives', () => {
    for (const matrix of [jacrev, jacfwd, hessian]) {
      const of = (f: typeof plain): unknown => matrix(scalar(f))(examples.select(0, 0), common);
      assert.deepEqual(values(of(custom)), values(of(plain)));
    }
  });
});

describe('over a batch, by a rule of its own', () => {
  let seen: unknown[] = [];
  class Exp extends autograd.Function {
    static forward(x: Tensor, factor: number): Tensor {
      return x.exp().mul(factor);
    }
    static setupContext(ctx: Ctx, _: readonly [Tensor, number], output: Tensor): void {
      ctx.saveForBackward(output);
    }
    static backward(ctx: Ctx, g: Tensor): (Tensor | null)[] {
      return [g.mul(ctx.savedTensors[0]), null];
    }
    static vmap(
      info: autograd.VmapInfo,
      inDims: readonly (number | null)[],
      x: Tensor,
      factor: number,
    ): [Tensor, number | null] {
      seen = [info, inDims, x.shape];
      return [Exp.apply(x, factor), inDims[0]];
    }
  }
  const [x, expected] = [constant([0.1, 0.2]), values(constant([0.1, 0.2]).exp().mul(3))];
  const f = (t: Tensor): Tensor => Exp.apply(t, 3);

  test('gets the batches and says where they are in the results', () => {
    assert.deepEqual(values(vmap(f)(x)), expected);
    assert.deepEqual(seen, [{ batchSize: 2, randomness: 'error' }, [0, null], [2]]);
  });

  test('is differentiated, inside and outside', () => {
    assert.deepEqual(values(vmap(grad(f))(x)), expected);
    const t = leaf([0.1, 0.2]);
    assert.deepEqual(values(autograd.grad(vmap(f)(t).sum(), t)[0]), expected);
  });

  test('is one of two rules, not both and not neither', () => {
    class Both extends Exp {
      static generateVmapRule = true;
    }
    assert.throws(
      () => vmap((t: Tensor) => Both.apply(t, 3))(x),
      /it has both generateVmapRule = true and a vmap staticmethod/,
    );
    assert.throws(() => vmap((t: Tensor) => Sin.apply(t))(x), {
      code: 'unsupported',
      message: /^You tried to vmap over Sin, but it does not have vmap support\./,
    });
    class Old extends Sin {
      static generateVmapRule = true;
    }
    assert.throws(
      () => vmap((t: Tensor) => Old.apply(t))(x),
      /it must have the setupContext staticmethod; Old does not/,
    );
  });
});

describe('the returns of a batch rule', () => {
  const x = constant([[1, 2], [3, 4], [5, 6]]); // biome-ignore format: a matrix
  /** A function with that rule. */
  const ruled = (vmap: (info: autograd.VmapInfo, inDims: readonly (number | null)[], t: Tensor) => unknown) =>
    class Ruled extends autograd.Function {
      static forward(_: Tensor): Tensor {
        throw new Error('not to be called');
      }
      static setupContext(): void {}
      static vmap = vmap;
    };
  const run = (rule: Parameters<typeof ruled>[0], randomness: 'error' | 'same' | 'different' = 'error'): unknown =>
    values(vmap((t: Tensor) => ruled(rule).apply(t), { randomness })(x));

  test('are a result, or several, and where their batches are: one for all, one for each, or none', () => {
    assert.deepEqual(
      run((_, [dim], t) => [t, dim]),
      values(x),
    );
    const sum = values(x.sum(0));
    assert.deepEqual(
      run((_, __, t) => [t.sum(0), null]),
      [sum, sum, sum],
    );
    assert.deepEqual(
      run((_, __, t) => [[t, t], 0]),
      [values(x), values(x)],
    );
    assert.deepEqual(
      run((_, __, t) => [
        [t, t.t()],
        [0, 1],
      ]),
      [values(x), values(x)],
    );
    assert.deepEqual(
      run((_, __, t) => [[t.sum(0), t.sum(0)], null]),
      [
        [sum, sum, sum],
        [sum, sum, sum],
      ],
    );
  });

  test('are two, and fit together', () => {
    const two = { code: 'argument', message: /^Expected the vmap staticmethod to have two returns, .*/ };
    assert.throws(() => run((_, __, t) => t), two);
    assert.throws(() => run((_, __, t) => [t, t, 0, 0]), { message: /Got 4 returns instead/ });
    for (const rule of [(t: Tensor) => [t, [null]], (t: Tensor) => [[t], [0, 0]], (t: Tensor) => [[t, t], [0]]]) {
      assert.throws(() => run((_, __, t) => rule(t)), {
        code: 'argument',
        message: /^The vmap staticmethod of Ruled returned an incompatible \[output, outDims\]/,
      });
    }
  });

  test('may depend on how random numbers are drawn', () => {
    for (const randomness of ['error', 'same', 'different'] as const) {
      const rule: Parameters<typeof ruled>[0] = (info, inDims, t) => {
        assert.deepEqual([info, inDims], [{ batchSize: 3, randomness }, [0]]);
        return [t, 0];
      };
      run(rule, randomness);
    }
  });

  test('are not asked for where no argument is a batch', () => {
    class Plain extends autograd.Function {
      static forward(t: Tensor): Tensor {
        return t.mul(2);
      }
      static setupContext(): void {}
      static vmap(): never {
        throw new Error('not to be called');
      }
    }
    assert.deepEqual(values(vmap((t: Tensor) => t.mul(Plain.apply(constant(1))))(x)), values(x.mul(2)));
  });
});

describe('custom functions inside of grad', () => {
  test('may want null for gradients that there are none of', () => {
    let calls = 0;
    class Two extends autograd.Function {
      static forward(x: Tensor, y: Tensor): [Tensor, Tensor] {
        return [x.clone(), y.clone()];
      }
      static setupContext(ctx: Ctx): void {
        ctx.setMaterializeGrads(false);
      }
      static backward(_: Ctx, gx: Tensor | null, gy: Tensor | null): (Tensor | null)[] {
        calls++;
        assert.notEqual(gx, null);
        assert.equal(gy, null);
        return [gx, gy];
      }
    }
    const f = (y: Tensor, x: Tensor): Tensor => Two.apply(x, y)[0].pow(2);
    const both = (x: Tensor, y: Tensor): Tensor => f(y, x);
    assert.deepEqual(values(grad(f)(constant(3), constant(2))), 0);
    assert.deepEqual(values(grad(both)(constant(2), constant(3))), 4);
    assert.deepEqual(values(grad(grad(both))(constant(2), constant(3))), 2);
    assert.ok(calls > 0);
  });

  test('know which of their arguments are differentiated', () => {
    let calls = 0;
    class Product extends autograd.Function {
      static forward(x: Tensor, y: Tensor): Tensor {
        return x.mul(y);
      }
      static setupContext(ctx: Ctx, inputs: [Tensor, Tensor]): void {
        ctx.saveForBackward(...inputs);
      }
      static backward(ctx: Ctx, g: Tensor): (Tensor | null)[] {
        calls++;
        assert.deepEqual(ctx.needsInputGrad, [true, false]);
        return [g.mul(ctx.savedTensors[1]), null];
      }
    }
    const f = (x: Tensor, y: Tensor): Tensor => Product.apply(x, y);
    assert.deepEqual(values(grad(f)(constant(2), constant(3))), 3);
    assert.deepEqual(values(grad(grad(f))(constant(2), constant(3))), 0);
    assert.ok(calls >= 2);
  });

  test('can be differentiated twice, unless they say that they cannot', () => {
    class Once extends autograd.Function {
      static forward(x: Tensor): Tensor {
        return x.pow(3);
      }
      static setupContext(ctx: Ctx, [x]: [Tensor]): void {
        ctx.saveForBackward(x);
      }
      static backward = autograd.onceDifferentiable((ctx: Ctx, g: Tensor) => g.mul(ctx.savedTensors[0].pow(2).mul(3)));
    }
    const f = (x: Tensor): Tensor => Once.apply(x);
    assert.deepEqual(values(grad(f)(constant(2))), 12);
    const [, vjpFn] = vjp(f, leaf(2));
    const [gradient] = vjpFn(leaf(1));
    assert.throws(
      () => gradient.backward(),
      /trying to differentiate twice a function that was marked with onceDifferentiable/,
    );
  });

  test('may return an input, which cannot be saved as it is', () => {
    const make = (what: 'input' | 'output' | 'view') =>
      class Same extends autograd.Function {
        static forward(x: Tensor): Tensor {
          return what === 'view' ? x.viewAs(x) : x;
        }
        static setupContext(ctx: Ctx, [x]: [Tensor], output: Tensor): void {
          ctx.saveForBackward(what === 'input' ? x : output);
        }
        static backward(_: Ctx, g: Tensor): Tensor {
          return g;
        }
      };
    for (const what of ['input', 'output'] as const) {
      const f = (x: Tensor): Tensor => make(what).apply(x.clone());
      assert.throws(() => grad(f)(constant(2)), /An input that has been returned as-is as output is being saved/);
    }
    assert.deepEqual(values(grad((x: Tensor) => make('view').apply(x.clone()))(constant(2))), 1);
  });

  test('are named as they are outside', () => {
    let name = '';
    grad((x: Tensor) => {
      const y = Sin.apply(x);
      name = y.gradFn?.name() ?? '';
      return y;
    })(constant(1));
    assert.equal(name, 'SinBackward');
  });
});

test('func differentiates custom functions', () => {
  const x = constant([1, 2]);
  assert.deepEqual(values(grad((t: Tensor) => Sin.apply(t).sum())(x)), values(x.cos()));
  assert.deepEqual(values(grad(grad((t: Tensor) => Sin.apply(t)))(constant(1))), values(constant(1).sin().neg()));
  const second = jvp(
    (t: Tensor) => jvp((u: Tensor) => Sin.apply(u), [t], [constant([1, 1])])[1],
    [x],
    [constant([1, 10])],
  );
  assert.deepEqual(
    values(second[1]),
    values(
      x
        .sin()
        .neg()
        .mul(constant([1, 10])),
    ),
  );
});

test('within a transform, a checkpoint is the function itself', () => {
  const f = (t: Tensor): Tensor => t.exp().sin();
  const checkpointed = (t: Tensor): Tensor => utils.checkpoint.checkpoint(f, t);
  const x = leaf([0.1, 0.2]);
  assert.deepEqual(values(autograd.grad(vmap(checkpointed)(x).sum(), x)), values(autograd.grad(f(x).sum(), x)));
  assert.deepEqual(values(grad((t: Tensor) => checkpointed(t).sum())(x)), values(autograd.grad(f(x).sum(), x)[0]));
  assert.deepEqual(
    values(hessian((t: Tensor) => checkpointed(t).sum())(x)),
    values(hessian((t: Tensor) => f(t).sum())(x)),
  );
});

test('hooks for saved tensors keep what a tensor is lifted to', () => {
  const kept = <T>(work: () => T): T =>
    autograd.graph.savedTensorsHooks(
      (x) => x,
      (x) => x,
      work,
    );
  const f = (t: Tensor): Tensor => t.exp().mul(t).sum();
  const x = constant([0.1, 0.2]);
  assert.deepEqual(values(kept(() => hessian(f)(x))), values(hessian(f)(x)));
});
