/** gradcheck and gradgradcheck, and what they find in a dozen operators. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { autograd, cat, eye, manualSeed, ones, rand, stack, type Tensor, tensor, zeros } from '../../src/index.ts';

const { gradcheck, gradgradcheck } = autograd;
const leaf = (data: number | number[] | number[][]): Tensor => tensor(data, { dtype: 'float64', requiresGrad: true });

const a = leaf([
  [0.3, -1.2, 0.7],
  [1.9, 0.4, -0.6],
]);
const b = leaf([[0.8, 0.5, 1.1]]);
const positive = leaf([[0.4], [1.7]]);

const cases: { [name: string]: [(...inputs: Tensor[]) => Tensor | Tensor[], Tensor[]] } = {
  mul: [(x, y) => x.mul(y), [a, b]],
  div: [(x, y) => x.div(y), [a, positive]],
  pow: [(x, y) => x.pow(y), [positive, a]],
  atan2: [(x, y) => x.atan2(y), [a, b]],
  hypot: [(x, y) => x.hypot(y), [a, b]],
  'tanh of exp': [(x) => x.exp().tanh(), [a]],
  sigmoid: [(x) => x.sigmoid(), [a]],
  erf: [(x) => x.erf(), [a]],
  'log1p and sqrt': [(x) => x.log1p().mul(x.sqrt()), [positive]],
  lerp: [(x, y, w) => x.lerp(y, w), [a, b, positive]],
  addcdiv: [(x, y, z) => x.addcdiv(y, z, { value: 0.5 }), [a, b, positive]],
  'sum of a view': [(x) => x.t().select(0, 1).pow(3).sum(), [a]],
  expand: [(x) => x.expand(4, 2, 3).sin(), [b.detach().narrow(1, 0, 1).requiresGrad_()]],
  'several outputs': [(x) => [x.sin(), x.cos().sum()], [a]],
  'in place': [(x) => x.clone().mul_(x).exp_(), [a]],
  'a write to a part': [
    (x, y) => {
      const z = x.mul(2);
      z.select(0, 0).mul_(y.select(0, 0));
      return z.sin();
    },
    [a, b],
  ],
};

for (const [name, [f, inputs]] of Object.entries(cases)) {
  test(`${name}: gradients are those of finite differences, to the second order`, () => {
    assert.equal(gradcheck(f, inputs), true);
    assert.equal(gradgradcheck(f, inputs), true);
  });
}

describe('gradcheck', () => {
  // a function that claims a wrong derivative
  const wrong = (x: Tensor): Tensor => x.mul(x.detach());

  test('shows both Jacobians where they differ', () => {
    assert.throws(() => gradcheck(wrong, leaf([1, 2])), {
      code: 'autograd',
      message: `Jacobian mismatch for output 0 with respect to input 0,
numerical:tensor([[2.0000, 0.0000],
        [0.0000, 4.0000]], dtype=torch.float64)
analytical:tensor([[1., 0.],
        [0., 2.]], dtype=torch.float64)`,
    });
  });

  test('or returns false', () => {
    assert.equal(gradcheck(wrong, leaf([1, 2]), { raiseException: false }), false);
    assert.equal(
      gradgradcheck((x) => x.mul(x).mul(x.detach()), leaf([1, 2]), { raiseException: false }),
      false,
    );
  });

  test('names the output and the input', () => {
    assert.throws(() => gradcheck((x, y) => [x.mul(y), wrong(y)], [a, b]), /output 1 with respect to input 1/);
  });

  test('finds a missing derivative', () => {
    assert.throws(() => gradcheck((x) => [x.detach().mul(2).add(x.mul(0))], leaf([1, 2])), /Jacobian mismatch/);
  });

  test('tolerances', () => {
    const almost = (x: Tensor): Tensor => x.mul(2).add(x.detach().mul(0.01));
    assert.equal(gradcheck(almost, leaf([1, 2]), { raiseException: false }), false);
    assert.equal(gradcheck(almost, leaf([1, 2]), { rtol: 0.01 }), true);
    assert.equal(gradcheck(almost, leaf([1, 2]), { atol: 0.1 }), true);
    assert.equal(
      gradcheck((x) => x.pow(3), leaf([1, 2]), { eps: 0.5, raiseException: false }),
      false,
    );
  });

  test('leaves the inputs as they were', () => {
    const x = leaf([1, 2]);
    gradcheck((y) => y.exp(), x);
    assert.deepEqual(x.tolist(), [1, 2]);
    assert.equal(x._version, 0);
    assert.equal(x.grad, null);
  });

  test('gradgradcheck takes cotangents', () => {
    const x = leaf([1, 2]);
    assert.equal(
      gradgradcheck((y) => y.pow(3), x, { gradOutputs: leaf([3, 4]) }),
      true,
    );
  });

  test('names the places of the output and the input, whatever else there is', () => {
    assert.throws(
      () => gradcheck((n, x, y) => [x.argmax(), x.mul(n).mul(y), wrong(y)], [2, a.detach().clone(), a]),
      /output 2 with respect to input 2/,
    );
  });

  test('knows its options', () => {
    assert.throws(() => gradcheck((x) => x.exp(), leaf([1]), { epsilon: 1 } as object), {
      code: 'argument',
      message: /^gradcheck: unknown option "epsilon"/,
    });
    assert.throws(() => gradgradcheck((x) => x.exp(), leaf([1]), { checkForwardAd: true } as object), {
      code: 'argument',
      message: /^gradgradcheck: unknown option "checkForwardAd"/,
    });
  });
});

/** The elements as they come, and in backward what a function makes of the gradient. */
function withBackward(backward: (gradient: Tensor) => Tensor | null): (x: Tensor) => Tensor {
  class Custom extends autograd.Function {
    static forward(ctx: autograd.FunctionCtx, x: Tensor): Tensor {
      ctx.setMaterializeGrads(false);
      return x.clone();
    }
    static backward(_: autograd.FunctionCtx, gradient: Tensor): Tensor | null {
      return backward(gradient);
    }
    static jvp(_: autograd.FunctionCtx, tangent: Tensor): Tensor {
      return tangent.clone();
    }
  }
  return (x) => Custom.apply(x);
}

/** A message that holds all of these. */
const saying =
  (...parts: string[]) =>
  (error: unknown): true => {
    for (const part of parts) assert.ok(String(error).includes(part), `${error}\nshould say: ${part}`);
    return true;
  };

for (const fastMode of [false, true]) {
  describe(`gradcheck in ${fastMode ? 'fast' : 'slow'} mode`, () => {
    const x = leaf([0.5, -1.5]);
    /** That the check fails, in an error or in the result. */
    const fails = (
      f: (...inputs: Tensor[]) => autograd.Results,
      inputs: Tensor | Tensor[],
      expected: RegExp,
      options: autograd.GradcheckOptions = {},
    ): void => {
      assert.throws(
        () => gradcheck(f, inputs, { fastMode, ...options }),
        (error) =>
          error instanceof autograd.GradcheckError && error.code === 'autograd' && expected.test(error.message),
      );
      assert.equal(gradcheck(f, inputs, { fastMode, ...options, raiseException: false }), false);
    };

    test('of what is right', () => {
      const all = { fastMode, checkForwardAd: true, checkBatchedGrad: true, checkBatchedForwardGrad: true };
      assert.equal(
        gradcheck((y) => y.mul(5), x, all),
        true,
      );
      assert.equal(
        gradcheck((y, z) => [y.add(z), z.mul(y).sum()], [x, leaf([2, 3])], all),
        true,
      );
      assert.equal(
        gradcheck((y) => y.max(0), x, all),
        true,
      );
      assert.equal(
        gradgradcheck((y) => y.mul(5), x, { fastMode, checkFwdOverRev: true, checkBatchedGrad: true }),
        true,
      );
    });

    test('of a wrong backward', () => {
      const off = withBackward((g) => g.add(1e-2));
      fails(off, leaf([[1, 2], [3, 4]]), /^Jacobian mismatch for output 0 with respect to input 0,\nnumerical:.*\nanalytical:/s); // biome-ignore format: a matrix
      fails((y) => [y.exp(), off(y)], x, /mismatch for output 1 with respect to input 0/);
    });

    test('of a backward that differs from run to run', () => {
      const noisy =
        (jitter: number) =>
        (y: Tensor): Tensor =>
          withBackward((g) => noisy(jitter)(g).mul(rand(g.shape, { dtype: g.dtype }).mul(jitter).add(1)))(y);
      const expected = /^Backward is not reentrant, .* The tolerance for nondeterminism was 0\./;
      assert.equal(gradcheck(noisy(0), x, { fastMode, checkUndefinedGrad: false }), true);
      fails(noisy(1e-6), x, expected, { checkUndefinedGrad: false });
      assert.throws(
        () => gradgradcheck(noisy(1e-12), x, { fastMode, checkUndefinedGrad: false }),
        (error: Error) => expected.test(error.message),
      );
      const tolerant = { fastMode, nondetTol: 1e-5, checkUndefinedGrad: false };
      assert.equal(gradcheck(noisy(1e-6), x, tolerant), true);
      assert.equal(gradgradcheck(noisy(1e-12), x, tolerant), true);
    });

    test('of inputs that cannot be checked, which are errors even if failures are not', () => {
      const quiet = { fastMode, raiseException: false };
      assert.throws(() => gradcheck((y) => y.exp(), tensor([1, 2]), quiet), {
        code: 'argument',
        message:
          'gradcheck expects at least one input tensor to require gradient, but none of them have requiresGrad: true.',
      });
      assert.throws(() => gradcheck((y) => y.exp(), [1] as never, quiet), /at least one input tensor/);
      assert.throws(() => gradcheck((_, y) => y, [x, leaf([1]).expand(2, 2)], quiet), {
        code: 'argument',
        message: /^The 1th input has a dimension with stride 0\. .* You should call \.contiguous\(\)/,
      });
      const windows = tensor([1, 2, 3], { dtype: 'float64' }).unfold(0, 2, 1).requiresGrad_();
      assert.throws(
        () => gradcheck((y) => y, windows, quiet),
        /^AdjointError: The 0th input has elements that share memory\./,
      );
      // sizes of one may have any stride
      assert.equal(
        gradcheck((y) => y.exp(), leaf([1, 2]).detach().asStrided([1, 2], [0, 1]).requiresGrad_(), quiet),
        true,
      );
    });

    test('of single precision, which is named as what may be behind a failure', () => {
      const single = tensor([1], { requiresGrad: true });
      assert.equal(
        gradcheck((y) => y, single, { fastMode, atol: 0.1 }),
        true,
      );
      fails(
        withBackward((g) => g?.mul(2)),
        x,
        /^(?!.*double precision)/s,
      );
      fails(
        (_, y) => y.sin(),
        [x, single],
        /\nInput #1 requires gradient and is not a double precision floating point\./,
      );
    });

    test('of functions that return something else than tensors', () => {
      const quiet = { fastMode, raiseException: false };
      assert.throws(() => gradcheck((y) => [y, 3 as never], x, quiet), {
        code: 'argument',
        message: 'gradcheck: expected the function to return Tensors, but its result 1 is 3',
      });
      assert.throws(() => gradcheck(() => null as never, x, quiet), /its result 0 is null/);
    });

    test('of outputs that do not require grad', () => {
      fails((y) => y.detach(), x, /^Numerical gradient for function expected to be zero$/);
      assert.equal(
        gradcheck((y) => y.detach().sign(), x, { fastMode }),
        true,
      );
      assert.equal(
        gradcheck(() => [], x, { fastMode }),
        true,
      );
      // beside others that do, they are left alone
      assert.equal(
        gradcheck((y) => [y.detach(), y.argmax(), y.sin(), y.gt(0)], x, { fastMode, checkForwardAd: true }),
        true,
      );
    });

    test('of a backward that is not multiplied by the gradient', () => {
      fails(
        withBackward((g) => g.add(1e-2)),
        x,
        /^backward not multiplied by grad_output/,
        { atol: 0.1 },
      );
    });

    test('of a backward that does not understand absent gradients', () => {
      const expected = /^Expected backward function to handle undefined output grads, .* it threw: no gradient here/;
      const strict = withBackward((g) => {
        if (!g) throw new Error('no gradient here');
        return g.mul(1);
      });
      fails(strict, x, expected);
      const hooked = (y: Tensor): Tensor => {
        const z = y.clone();
        z.registerHook((g) => {
          if (!g) throw new Error('no gradient here');
        });
        return z;
      };
      fails(hooked, x, expected);
      assert.equal(gradcheck(hooked, x, { fastMode, checkUndefinedGrad: false }), true);
      fails(
        withBackward((g) => g ?? ones(2, { dtype: 'float64' })),
        x,
        /^Expected all input grads to be undefined or zero when all output grads are undefined or zero/,
      );
      assert.equal(gradcheck(withBackward((g) => g ?? null), x, { fastMode }), true); // biome-ignore format: one line
    });

    test('of several outputs, the gradient of each of which may be absent', () => {
      class Both extends autograd.Function {
        static forward(ctx: autograd.FunctionCtx, y: Tensor, z: Tensor): [Tensor, Tensor] {
          ctx.setMaterializeGrads(false);
          return [y.mul(2), z.mul(3)];
        }
        static backward(_: autograd.FunctionCtx, g: Tensor | null, h: Tensor | null): (Tensor | null)[] {
          return [g ? g.mul(2) : null, h ? h.mul(3) : (g?.add(1) ?? null)];
        }
      }
      const both = (y: Tensor, z: Tensor): Tensor[] => Both.apply(y, z);
      fails(both, [x, leaf([3, 4])], /^Jacobian mismatch for output 0 with respect to input 1/);
      class Careful extends Both {
        static override backward(_: autograd.FunctionCtx, g: Tensor | null, h: Tensor | null): (Tensor | null)[] {
          return [g?.mul(2) ?? null, h?.mul(3) ?? null];
        }
      }
      assert.equal(gradcheck((y, z) => Careful.apply(y, z), [x, leaf([3, 4])], { fastMode }), true); // biome-ignore format: one line
    });

    test('of the absence of one gradient among several', () => {
      class Three extends autograd.Function {
        static forward(ctx: autograd.FunctionCtx, y: Tensor): Tensor[] {
          ctx.setMaterializeGrads(false);
          return [y.mul(1), y.mul(2), y.mul(3)];
        }
        static backward(_: autograd.FunctionCtx, ...all: (Tensor | null)[]): Tensor | null {
          const weighed = all.flatMap((g, k) => (g ? [g.mul(k + 1)] : []));
          if (weighed.length === 2) throw new Error('all or one');
          return weighed.reduce<Tensor | null>((sum, g) => (sum ? sum.add(g) : g), null);
        }
      }
      fails((y) => Three.apply(y), x, /^Expected backward function to handle undefined output grads, .* all or one/);
      assert.equal(gradcheck((y) => Three.apply(y), x, { fastMode, checkUndefinedGrad: false }), true); // biome-ignore format: one line
    });

    test('of outputs whose shape or dtype depends on the values', () => {
      const one = leaf([1]);
      const beyond = (y: Tensor): boolean => y.ge(1).all().item() as boolean;
      assert.throws(() => gradcheck((y) => (beyond(y) ? cat([y, y]) : y), one, { fastMode, raiseException: false }), {
        code: 'shape',
        message:
          'Expected `func` to return outputs with the same shape when inputs are perturbed by 0.000001, but got: shapes [1] and [2].',
      });
      assert.throws(() => gradcheck((y) => (beyond(y) ? y.to('float32') : y), one, { fastMode }), {
        code: 'dtype',
        message: /return outputs with the same dtype when inputs are perturbed .* dtypes float64 and float32\.$/,
      });
      assert.throws(() => gradcheck((y) => (beyond(y) ? [y, y] : y), one, { fastMode }), { code: 'shape' });
      assert.deepEqual(one.tolist(), [1]);
    });

    test('throws what the function throws', () => {
      const broken = (): never => {
        throw new RangeError('not about gradients');
      };
      assert.throws(() => gradcheck(broken, x, { fastMode, raiseException: false }), RangeError);
    });

    test('moves the inputs where they are, and back', () => {
      const [y, z] = [leaf([[1, 2], [3, 4]]), leaf([0.5, 0.25])]; // biome-ignore format: a matrix
      // the function need not use its arguments
      assert.equal(
        gradcheck(() => y.mul(z).sin(), [y, z], { fastMode }),
        true,
      );
      const strided = y.detach().t().requiresGrad_();
      assert.equal(
        gradcheck((w) => w.exp(), strided, { fastMode, checkForwardAd: true }),
        true,
      );
      assert.deepEqual([y.tolist(), z.tolist(), y._version, y.grad], [[[1, 2], [3, 4]], [0.5, 0.25], 0, null]); // biome-ignore format: a matrix
    });

    test('returns its input, writes in place, ignores an input, has none', () => {
      assert.equal(
        gradcheck((y) => y, x, { fastMode }),
        true,
      );
      assert.equal(
        gradcheck((y) => y.clone().exp_(), x, { fastMode, checkForwardAd: true }),
        true,
      );
      const all = { fastMode, checkForwardAd: true, checkBatchedGrad: true, checkBatchedForwardGrad: true };
      assert.equal(
        gradcheck((y, _) => y.clone(), [x, leaf([1])], all),
        true,
      );
      assert.equal(
        gradcheck((y) => y.mul(2), zeros(0, 3, { dtype: 'float64', requiresGrad: true }), all),
        true,
      );
    });

    test('of NaN, and of an infinite derivative', () => {
      fails((y) => y.mul(NaN), x, /^Jacobian mismatch/);
      assert.equal(
        gradcheck((y) => y.mul(1e308).mul(100), leaf([1e-3]), { fastMode }),
        true,
      );
    });

    test('of forward mode', () => {
      const claims = (factor: number): ((y: Tensor, z: Tensor) => Tensor[]) => {
        class Sum extends autograd.Function {
          static forward(_: autograd.FunctionCtx, y: Tensor, z: Tensor): Tensor[] {
            return [y.add(z), z.clone()];
          }
          static backward(_: autograd.FunctionCtx, g: Tensor, h: Tensor): Tensor[] {
            return [g, g.add(h)];
          }
          static jvp(_: autograd.FunctionCtx, t: Tensor, u: Tensor): Tensor[] {
            return [t.add(u.mul(factor)), u.clone()];
          }
        }
        return (y, z) => Sum.apply(y, z);
      };
      const inputs = [x, leaf([2, 3])];
      assert.equal(gradcheck(claims(1), inputs, { fastMode, checkForwardAd: true }), true);
      assert.equal(gradcheck(claims(1.1), inputs, { fastMode }), true);
      fails(
        claims(1.1),
        inputs,
        /^Jacobian computed with forward mode mismatch for output 0 with respect to input 1,\n/,
        {
          checkForwardAd: true,
        },
      );
    });

    test('of forward or reverse mode alone', () => {
      const run = (badForward: boolean, badBackward: boolean, options: autograd.GradcheckOptions): unknown => {
        class Doubled extends autograd.Function {
          static forward(_: autograd.FunctionCtx, y: Tensor, _more: string): Tensor {
            return y.mul(2);
          }
          static backward(_: autograd.FunctionCtx, g: Tensor): (Tensor | null)[] {
            if (badBackward) throw new Error('reverse mode');
            return [g.mul(2), null];
          }
          static jvp(_: autograd.FunctionCtx, t: Tensor): Tensor {
            if (badForward) throw new Error('forward mode');
            return t.mul(2);
          }
        }
        try {
          return gradcheck((y, s) => Doubled.apply(y, s), [x, 'no tensor'], { fastMode, ...options });
        } catch (error) {
          return (error as Error).message;
        }
      };
      for (const forward of [false, true]) {
        for (const reverse of [false, true]) {
          const options = { checkForwardAd: forward, checkBackwardAd: reverse, checkUndefinedGrad: reverse };
          for (const bad of [
            [false, false],
            [true, false],
            [false, true],
            [true, true],
          ] as const) {
            // biome-ignore format: a table
            let expected: unknown = true;
            if (bad[0] && forward) expected = 'forward mode';
            if (bad[1] && reverse) expected = 'reverse mode';
            if (!forward && !reverse)
              expected = 'Expected at least one of checkForwardAd or checkBackwardAd to be true';
            assert.equal(run(bad[0], bad[1], options), expected);
          }
        }
      }
    });

    test('of the gradients of gradients', () => {
      // its gradient is right, but claims not to depend on anything
      const flat = (y: Tensor): Tensor => y.square().detach().add(y.mul(y.detach().mul(2))).sub(y.mul(y.detach().mul(2)).detach()); // biome-ignore format: one line
      assert.equal(gradcheck(flat, x, { fastMode }), true);
      assert.throws(
        () => gradgradcheck(flat, x, { fastMode }),
        saying('Jacobian mismatch for output 0 with respect to input 0'),
      );
      assert.equal(gradgradcheck(flat, x, { fastMode, raiseException: false }), false);
      const g = leaf([3, 4]);
      assert.equal(
        gradgradcheck((y, _) => y.pow(3), [x, leaf([1])], { fastMode, checkFwdOverRev: true }),
        true,
      );
      assert.equal(
        gradgradcheck((y) => y.pow(3), x, g, { fastMode }),
        true,
      );
      assert.equal(
        gradgradcheck((y) => [y.pow(3), y.sin()], x, { gradOutputs: [g, ones(2, { dtype: 'float64' })], fastMode }),
        true,
      );
      assert.throws(() => gradgradcheck((y) => y.pow(3), x, leaf([1, 2, 3]), { fastMode }), {
        code: 'shape',
        message: /^Mismatch in shape: grad_output\[0\] has a shape of \[3\]/,
      });
    });
  });
}

describe('gradcheck', () => {
  test('asks for options that go together', () => {
    const x = leaf([1, 2]);
    const f = (y: Tensor): Tensor => y.pow(3);
    const first = { checkBackwardAd: false };
    const cases: [() => boolean, string][] = [
      [() => gradcheck(f, x, first), 'Expected at least one of checkForwardAd or checkBackwardAd to be true'],
      [
        () => gradcheck(f, x, { ...first, checkForwardAd: true, checkBatchedGrad: true }),
        'Setting checkBatchedGrad: true requires checkBackwardAd to be true',
      ],
      [
        () => gradcheck(f, x, { checkBatchedForwardGrad: true }),
        'Setting checkBatchedForwardGrad: true requires checkForwardAd to be true',
      ],
      [
        () => gradgradcheck(f, x, { checkRevOverRev: false }),
        'Expected at least one of checkFwdOverRev or checkRevOverRev to be true',
      ],
      [
        () => gradgradcheck(f, x, { checkRevOverRev: false, checkFwdOverRev: true }),
        'Setting checkUndefinedGrad: true requires checkRevOverRev to be true',
      ],
      [
        () =>
          gradgradcheck(f, x, {
            checkRevOverRev: false,
            checkFwdOverRev: true,
            checkUndefinedGrad: false,
            checkBatchedGrad: true,
          }),
        'Setting checkBatchedGrad: true requires checkRevOverRev to be true',
      ],
    ];
    for (const [call, message] of cases) assert.throws(call, { code: 'argument', message });
    const forwardOnly = { checkRevOverRev: false, checkFwdOverRev: true, checkUndefinedGrad: false };
    assert.equal(gradgradcheck(f, x, forwardOnly), true);
    // of reverse mode over reverse mode, this is wrong
    const flat = (y: Tensor): Tensor => y.mul(y.detach().mul(2));
    assert.throws(
      () => gradgradcheck(flat, x, forwardOnly),
      /^GradcheckError: Jacobian computed with forward mode mismatch/,
    );
  });

  test('takes undefined for what is not given', () => {
    const x = leaf([1, 2]);
    assert.equal(
      gradcheck((y) => y.exp(), x, { eps: undefined, raiseException: undefined }),
      true,
    );
    assert.throws(() => gradgradcheck((y) => y.exp(), x, undefined, { checkRevOverRev: false }), /at least one of/);
  });

  test('in fast mode shows what it compared, and the Jacobians', () => {
    // the numbers are PyTorch's
    assert.throws(() => gradcheck((x) => x.mul(x.detach()), leaf([1, 2]), { fastMode: true }), {
      message: `Jacobian mismatch for output 0 with respect to input 0,
numerical:3.3147731476242064
analytical:1.6573865738089877

The above quantities relating the numerical and analytical jacobians are computed in fast mode. Below, we recompute numerical and analytical jacobians in slow mode:

Numerical:
tensor([[2.0000, 0.0000],
        [0.0000, 4.0000]], dtype=torch.float64)
Analytical:
tensor([[1., 0.],
        [0., 2.]], dtype=torch.float64)

The max per-element difference (slow mode) is: 2.0000000001150227.`,
    });
  });

  test('in fast mode of forward mode shows the product', () => {
    class Claims extends autograd.Function {
      static forward(_: autograd.FunctionCtx, x: Tensor): Tensor {
        return x.mul(2);
      }
      static jvp(_: autograd.FunctionCtx, t: Tensor): Tensor {
        return t.mul(2.2);
      }
    }
    const forwardOnly = { checkForwardAd: true, checkBackwardAd: false, checkUndefinedGrad: false };
    assert.throws(
      () => gradcheck((x) => Claims.apply(x), leaf([1, 2]), { ...forwardOnly, fastMode: true }),
      saying(
        'numerical:tensor([0.5858, 1.9123], dtype=torch.float64)\nanalytical:tensor([0.6444, 2.1035], dtype=torch.float64)\n\nThe above',
        'Analytical:\ntensor([[2.2000, 0.0000],\n        [0.0000, 2.2000]], dtype=torch.float64)\n\nThe max per-element difference (slow mode) is: 0.2',
      ),
    );
  });

  test('in fast mode says so if the Jacobians are close in each element', () => {
    // many errors that each are within the tolerance of an element of 1, but not of what is nearly 0 in sum
    const f = (x: Tensor): Tensor => {
      const signs = tensor(
        Array.from({ length: 100 }, (_, i) => (i % 2 ? 1 : -1)),
        { dtype: 'float64' },
      );
      return x.mul(signs).add(x.detach().mul(5e-4)).sum();
    };
    const x = leaf(Array.from({ length: 100 }, (_, i) => i / 100));
    assert.equal(gradcheck(f, x), true);
    assert.throws(
      () => gradcheck(f, x, { fastMode: true }),
      saying('Fast gradcheck failed but element-wise differences are small.', 'fastMode: false'),
    );
  });

  test('scales the absolute tolerance of fast mode to that of each element', () => {
    const x = leaf([1, 2, 3]);
    const off = (by: number) => (y: Tensor) => y.mul(2).sub(y.detach().mul(by)).sum();
    for (const fastMode of [false, true]) {
      assert.equal(gradcheck(off(9e-3), x, { atol: 1e-2, rtol: 0, fastMode }), true);
      assert.equal(gradcheck(off(11e-3), x, { atol: 1e-2, rtol: 0, fastMode, raiseException: false }), false);
    }
  });

  test('leaves the random generator alone', () => {
    const draws = (between: () => void): unknown => {
      manualSeed(3);
      between();
      return rand(2).tolist();
    };
    const options = { fastMode: true, checkBatchedGrad: true };
    const used = draws(() => {
      gradcheck((x) => x.exp(), leaf([1, 2]), { ...options, checkForwardAd: true, checkBatchedForwardGrad: true });
      gradgradcheck((x) => x.exp(), leaf([1, 2]), options);
    });
    assert.deepEqual(
      used,
      draws(() => {}),
    );
  });

  test('gradgradcheck can choose cotangents that are not contiguous', () => {
    const seen: boolean[] = [];
    const f = (x: Tensor): Tensor => {
      const y = x.exp();
      y.registerHook((g) => {
        if (g) seen.push(g.isContiguous());
      });
      return y;
    };
    gradgradcheck(f, a, { genNonContigGradOutputs: true });
    assert.ok(seen.length > 0 && !seen[0]);
    seen.length = 0;
    gradgradcheck(f, a);
    assert.ok(seen.length > 0 && seen[0]);
  });

  test('runs forward mode on inputs that do not require grad, as often as it has to', () => {
    let pushes = 0;
    let required = 0;
    class Both extends autograd.Function {
      static forward(_: autograd.FunctionCtx, x: Tensor, y: Tensor): Tensor[] {
        return [x.clone(), y.clone()];
      }
      static jvp(_: autograd.FunctionCtx, t: Tensor, u: Tensor): Tensor[] {
        pushes++;
        return [t.clone(), u.clone()];
      }
    }
    const f = (x: Tensor, y: Tensor): Tensor[] => {
      required += Number(x.requiresGrad) + Number(y.requiresGrad);
      return Both.apply(x, y);
    };
    const count = (y: Tensor, options: autograd.GradcheckOptions): [number, number] => {
      pushes = required = 0;
      assert.equal(gradcheck(f, [leaf([2]), y], { checkForwardAd: true, checkBackwardAd: false, ...options }), true);
      return [pushes, required];
    };
    const one = leaf([1]);
    // the function is called once at the beginning, and twice for each finite difference, with what it was given
    assert.deepEqual(count(one, { checkUndefinedGrad: false }), [2, 10]);
    assert.deepEqual(count(one, {}), [2 + 4, 10]);
    assert.deepEqual(count(one, { checkBatchedForwardGrad: true }), [2 + 4 + 6, 10]);
    assert.deepEqual(count(one.detach(), { checkBatchedForwardGrad: true }), [1 + 1 + 3, 3]);
  });

  test('of an absent tangent that does not count as zero', () => {
    class Sum extends autograd.Function {
      static forward(_: autograd.FunctionCtx, x: Tensor, y: Tensor): Tensor {
        return x.add(y);
      }
      static backward(_: autograd.FunctionCtx, g: Tensor): Tensor[] {
        return [g, g];
      }
      static jvp(_: autograd.FunctionCtx, t: Tensor, u: Tensor): Tensor {
        return t.add(u);
      }
    }
    let level = false;
    // adds a tangent of its own where its second argument has none
    const f = (x: Tensor, y: Tensor): Tensor => {
      level = autograd.forwardAd.unpackDual(x).tangent !== null;
      const absent = level && autograd.forwardAd.unpackDual(y).tangent === null;
      return absent ? Sum.apply(x, autograd.forwardAd.makeDual(y, ones(2, { dtype: 'float64' }))) : Sum.apply(x, y);
    };
    const inputs = [leaf([1, 2]), leaf([3, 4])];
    assert.throws(
      () => gradcheck(f, inputs, { checkForwardAd: true }),
      /^GradcheckError: Mismatch in tangent values for output with index 0 when input 1 has an undefined tangent value\. Got: tensor/,
    );
    assert.equal(gradcheck(f, inputs, { checkForwardAd: true, checkUndefinedGrad: false }), true);
  });

  test('of batches that come out otherwise than one by one', () => {
    // a backward and a jvp that notice a batch by its lack of elements of its own
    const inBatch = (g: Tensor): boolean => {
      try {
        g.tolist();
        return false;
      } catch {
        return true;
      }
    };
    class Peeks extends autograd.Function {
      static forward(_: autograd.FunctionCtx, x: Tensor): Tensor {
        return x.clone();
      }
      static backward(_: autograd.FunctionCtx, g: Tensor): Tensor {
        return inBatch(g) ? g.mul(2) : g.mul(1);
      }
      static jvp(_: autograd.FunctionCtx, t: Tensor): Tensor {
        return inBatch(t) ? t.mul(2) : t.mul(1);
      }
    }
    const f = (x: Tensor): Tensor => Peeks.apply(x);
    const x = leaf([1, 2]);
    for (const fastMode of [false, true]) {
      assert.throws(
        () => gradcheck(f, x, { checkBatchedGrad: true, fastMode }),
        saying(
          'GradcheckError: For output 0 and input 0:',
          'gradcheck or gradgradcheck failed while testing batched gradient computation',
          'checkBatchedGrad: false',
          'Got:\ntensor(',
          'Expected:\ntensor(',
        ),
      );
      assert.throws(
        () => gradcheck(f, x, { checkForwardAd: true, checkBatchedForwardGrad: true, fastMode }),
        saying(
          'GradcheckError: For output 0 and input 0:',
          'gradcheck failed while testing batched gradient computation with forward-mode AD',
          'checkBatchedForwardGrad: false',
        ),
      );
      assert.equal(gradcheck(f, x, { checkBatchedGrad: true, fastMode, raiseException: false }), false);
    }
  });

  test('of a backward that cannot be run on a batch', () => {
    const f = withBackward((g) => g && tensor(g.tolist() as number[], { dtype: 'float64' }));
    assert.equal(gradcheck(f, leaf([1, 2])), true);
    assert.throws(
      () => gradcheck(f, leaf([1, 2]), { checkBatchedGrad: true }),
      (error: Error) =>
        error instanceof autograd.GradcheckError &&
        error.message.startsWith('While computing batched gradients, got: ') &&
        error.cause instanceof Error,
    );
  });

  test('of a jvp that draws random numbers, which cannot be run on a batch', () => {
    class Draws extends autograd.Function {
      static forward(_: autograd.FunctionCtx, x: Tensor): Tensor {
        return x.mul(2);
      }
      static jvp(_: autograd.FunctionCtx, t: Tensor): Tensor {
        rand(2);
        return t.mul(2);
      }
    }
    const options = { checkForwardAd: true, checkBackwardAd: false };
    const f = (x: Tensor): Tensor => Draws.apply(x);
    assert.equal(gradcheck(f, leaf([1, 2]), options), true);
    assert.throws(
      () => gradcheck(f, leaf([1, 2]), { ...options, checkBatchedForwardGrad: true }),
      saying('While computing batched gradients, got: vmap: called random operation while in randomness error mode'),
    );
  });

  test('of functions that mix dtypes, whose gradients and tangents have the dtypes of what they belong to', () => {
    const f = (x: Tensor, y: Tensor): Tensor[] => [x.to('float32').dot(y), y.to('float64').exp(), x.mul(y)];
    const loose = { checkForwardAd: true, checkGradDtypes: true, eps: 1e-2, atol: 1e-3 };
    assert.equal(gradcheck(f, [leaf([1, 2]), tensor([0.5, -1], { requiresGrad: true })], loose), true);
  });
});

test('batched cotangents give what they give one by one', () => {
  const x = tensor([1, 2, 3], { requiresGrad: true });
  const y = x.square().mul(x.sum());
  const units = eye(3);
  const [batch] = autograd.grad(y, x, { gradOutputs: units, isGradsBatched: true, retainGraph: true });
  const loop = stack([...units].map((unit) => autograd.grad(y, x, { gradOutputs: unit, retainGraph: true })[0]));
  assert.deepEqual(batch.tolist(), loop.tolist());
  assert.throws(() => autograd.grad(y, x, { isGradsBatched: true }), /gradOutputs must be given, as batches/);
});
