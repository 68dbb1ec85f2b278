/** func.grad to func.hessian: arguments, structures, what is returned beside, errors, modes, and transforms of transforms. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  autograd,
  enableGrad,
  func,
  inferenceMode,
  isInferenceModeEnabled,
  manualSeed,
  noGrad,
  ones,
  rand,
  randn,
  stack,
  Tensor,
  tensor,
  zeros,
} from '../../src/index.ts';

const { grad, gradAndValue, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap } = func;

const double = { dtype: 'float64' } as const;
const scalar = (value: number, requiresGrad = false): Tensor => tensor(value, { ...double, requiresGrad });
const vector = (...values: number[]): Tensor => tensor(values, double);
const sin = (x: Tensor): Tensor => x.sin();
const mul = (x: Tensor, y: Tensor): Tensor => x.mul(y);
const cube = (x: Tensor): Tensor => x.pow(3);

/** The numbers of a structure of tensors, rounded. */
const values = (tree: unknown): unknown => {
  if (tree instanceof Tensor)
    return JSON.parse(JSON.stringify(tree.tolist()), (_, v) =>
      typeof v === 'number' ? Number(v.toPrecision(9)) + 0 : v,
    );
  if (Array.isArray(tree)) return tree.map(values);
  return Object.fromEntries(Object.entries(tree as object).map(([key, part]) => [key, values(part)]));
};
const same = (actual: unknown, expected: unknown): void => assert.deepEqual(values(actual), values(expected));

/** For functions that are called with what their types forbid. */
// biome-ignore lint/suspicious/noExplicitAny: so that anything can be given
const any = (f: unknown): any => f;

describe('argnums', () => {
  const [x, y] = [scalar(2), scalar(3)];

  test('one argument or several, in any order, from either end', () => {
    same(grad(mul, 0)(x, y), y);
    same(grad(mul, 1)(x, y), x);
    same(grad(mul, [0])(x, y), [y]);
    same(grad(mul, [0, 1])(x, y), [y, x]);
    same(grad(mul, [1, 0])(x, y), [x, y]);
    same(grad(mul, -2)(x, y), y);
    same(grad(mul, [-2, -1])(x, y), [y, x]);
    same(grad(mul, { argnums: -1 })(x, y), x);
  });

  for (const [name, transform] of Object.entries({ grad, gradAndValue, jacrev, jacfwd, hessian })) {
    test(`that do not fit are errors: ${name}`, () => {
      const wrong = (argnums: unknown, message: RegExp): void =>
        assert.throws(() => any(transform)(mul, argnums)(x, y), { code: 'argument', message });
      wrong(-3, /^Got argnum=-3, but only 2 positional inputs/);
      wrong(2, /^Got argnum=2, but only 2 positional inputs/);
      wrong([], /^argnums must be non-empty/);
      wrong('0', /^argnums must be a whole number or an array of them, got: "0"/);
      wrong(['0'], /^argnum must be int, got: "0"/);
      wrong(0.5, /^argnum must be int, got: 0.5/);
      wrong([0, 0], /^argnums elements must be unique, got \[0, 0\]/);
      wrong([0, -2], /^argnums elements must be unique, got \[0, -2\]/);
    });
  }
});

describe('structures', () => {
  const one = scalar(1);

  test('of arguments, of which gradients have the structure', () => {
    const f = ([a, b]: readonly [Tensor, Tensor], { foo }: { foo: Tensor }): Tensor => a.add(b.mul(2)).add(foo.mul(3));
    same(grad(f)([one, one], { foo: one }), [one, scalar(2)]);
    same(grad(f, [0])([one, one], { foo: one }), [[one, scalar(2)]]);
    same(grad(f, [0, 1])([one, one], { foo: one }), [[one, scalar(2)], { foo: scalar(3) }]);
  });

  test('what does not matter has gradient zero', () => {
    same(grad((x: { a: Tensor; b: Tensor }) => x.a.pow(2).sum())({ a: vector(1, 2), b: vector(3) }), {
      a: vector(2, 4),
      b: vector(0),
    });
    same(grad((_: Tensor) => scalar(2))(one), scalar(0));
    const [outputs, vjpFn] = vjp((_: Tensor, x: Tensor) => [scalar(2), scalar(2), x], scalar(3), scalar(4));
    same(outputs, [scalar(2), scalar(2), scalar(4)]);
    same(vjpFn([one, one, one]), [scalar(0), scalar(1)]);
    const w = randn(5, 3);
    same(jacrev(jacrev((x: Tensor) => w.mv(x)))(randn(3)), zeros(5, 3, 3));
  });

  test('of results', () => {
    const [, vjpFn] = vjp((x: Tensor) => [x, [x, { a: x }]] as const, one);
    same(vjpFn([scalar(1), [scalar(2), { a: scalar(4) }]]), [scalar(7)]);
    same(jvp((x: Tensor) => ({ a: x.sin(), b: [x.sum(), [x]] }), [vector(1)], [vector(2)])[1], {
      a: vector(2 * Math.cos(1)),
      b: [scalar(2), [vector(2)]],
    });
    const [, pushForward] = linearize(
      ({ x, yz: [y, z] }: { x: Tensor; yz: [Tensor, Tensor] }) => ({
        a: x.sum(),
        b: { c: y.add(z), d: [x.mul(z), y.exp()] },
      }),
      { x: vector(1, 2), yz: [vector(3, 4), vector(5, 6)] as [Tensor, Tensor] },
    );
    const directions = { x: vector(1, 0), yz: [vector(0, 1), vector(1, 1)] as [Tensor, Tensor] };
    same(pushForward(directions), {
      a: scalar(1),
      b: { c: vector(1, 2), d: [vector(6, 2), vector(0, Math.exp(4))] },
    });
  });

  test('that are no tensors, or none, are errors', () => {
    const x = vector(1, 2);
    for (const output of [null, undefined, [], {}]) {
      const message = /: Expected f to be a function that has non-empty output \(got output = /;
      for (const work of [
        () => any(vjp)(() => output, x),
        () => any(jvp)(() => output, [x], [x]),
        () => any(jacrev)(() => output)(x),
        () => any(jacfwd)(() => output)(x),
      ])
        assert.throws(work, { code: 'argument', message });
    }
    for (const output of [1, true, 'abc', [x, 1]]) {
      const message =
        /\): expected f\(\*primals\) to return only tensors, got unsupported type (number|boolean|string)/;
      for (const work of [
        () => any(vjp)(() => output, x),
        () => any(jvp)(() => output, [x], [x]),
        () => any(jacrev)(() => output)(x),
        () => any(jacfwd)(() => output)(x),
      ])
        assert.throws(work, { code: 'argument', message });
    }
    assert.throws(() => any(grad)(() => 1)(x), /Expected f\(\*args\) to return a Tensor, got 1/);
    assert.throws(() => grad((t: Tensor) => t)(ones(1)), /scalar Tensor, got tensor with 1 dims. .* vjp or jacrev/);
    assert.throws(() => any(grad)((t: Tensor) => t)(1), /Expected tensors, got unsupported type number: 1/);
    assert.throws(() => grad((t: Tensor) => t.sum())(tensor([1, 2], { dtype: 'int64' })), {
      code: 'argument',
      message: /only Tensors of floating point dtype can require gradients, got int64/,
    });
  });

  test('of cotangents must be that of the results', () => {
    const x = vector(1, 2);
    const [, vjpFn] = vjp((t: Tensor) => [t, [t, t]], x);
    assert.throws(() => any(vjpFn)([[x, [x, x]]]), {
      code: 'argument',
      message:
        /Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. cotangents: \[\[\*, \[\*, \*\]\]\], primal output: \[\*, \[\*, \*\]\]/,
    });
    assert.throws(() => any(vjpFn)(x), /cotangents: \*, primal output/);
    assert.throws(() => vjp(sin, x)[1](vector(1, 2, 3)), /Mismatch in shape: grad_output\[0\] has a shape of/);
    const [, reused] = vjp(sin, x);
    same(reused(x), reused(x));
  });

  test('of tangents must be that of the primals', () => {
    const x = vector(1, 2);
    const wrong = (primals: unknown, tangents: unknown, message: RegExp): void =>
      assert.throws(() => any(jvp)((t: Tensor) => t.sin(), primals, tangents), { code: 'argument', message });
    wrong(x, [x], /^jvp\(f, primals, tangents\): Expected primals to be an array/);
    wrong([x], x, /Expected primals and tangents to have the same structure/);
    wrong([x], [x, x], /primals with structure \[\*\] and tangents with structure \[\*, \*\]/);
    wrong([[x, x], x], [x, x], /same structure/);
    wrong([1], [x], /Expected primals to only contain Tensors, got 1/);
    wrong([x], [1], /Expected tangents to only contain Tensors, got 1/);
    wrong([], [], /Expected primals to contain at least one Tensor/);
    assert.throws(() => jvp(sin, [x], [vector(1)]), /different size than that of the original Tensor/);
    const [, pushForward] = linearize(sin, x);
    assert.throws(() => any(pushForward)(x, x), /tangents \[\*, \*\] to have the same argspec as the primals \[\*\]/);
    assert.throws(() => pushForward(vector(1)), {
      code: 'shape',
      message:
        /tangent:0 with shape \[1\] in flattened pytree doesn't match the shape \[2\] of the corresponding primal/,
    });
    assert.throws(() => pushForward(ones(2)), { code: 'dtype', message: /doesn't match the dtype float64/ });
  });
});

describe('results that are not differentiated', () => {
  const x = vector(0.5, 1);
  const f = (t: Tensor) => [t.sin(), { a: t.cos(), b: [t.tan()] }] as const;
  const aux = f(x)[1];

  test('are returned beside', () => {
    const g = (t: Tensor) => [t.sin().sum(), f(t)[1]] as const;
    same(grad(g, { hasAux: true })(x), [x.cos(), aux]);
    same(gradAndValue(g, { hasAux: true })(x), [x.cos(), [x.sin().sum(), aux]]);
    const [output, vjpFn, ofVjp] = vjp(f, x, { hasAux: true });
    same([output, ofVjp, vjpFn(x)], [x.sin(), aux, [x.mul(x.cos())]]);
    same(jvp(f, [x], [x], { hasAux: true }), [x.sin(), x.mul(x.cos()), aux]);
    same(jacrev(f, { hasAux: true })(x), [x.cos().diag(), aux]);
    same(jacfwd(f, { hasAux: true })(x), [x.cos().diag(), aux]);
    same(jacfwd(f, { argnums: [0], hasAux: true })(x), [[x.cos().diag()], aux]);
  });

  test('are outside of the graph, unless it goes on outside', () => {
    const results = (t: Tensor): Tensor[] => {
      const [, , a] = vjp(f, t, { hasAux: true });
      const [, , b] = jvp(f, [t], [x], { hasAux: true });
      return [a.a, b.a, jacrev(f, { hasAux: true })(t)[1].a, jacfwd(f, { hasAux: true })(t)[1].a];
    };
    assert.deepEqual(
      results(x).map((r) => r.requiresGrad),
      [false, false, false, false],
    );
    for (const r of results(x.detach().requiresGrad_())) assert.equal(r.requiresGrad, true);
  });

  test('have to be there, and to be tensors', () => {
    const transforms = {
      gradAndValue: (g: unknown) => any(grad)(g, { hasAux: true })(x),
      vjp: (g: unknown) => any(vjp)(g, x, { hasAux: true }),
      jvp: (g: unknown) => any(jvp)(g, [x], [x], { hasAux: true }),
      'vjp of jacrev': (g: unknown) => any(jacrev)(g, { hasAux: true })(x),
      'jvp of jacfwd': (g: unknown) => any(jacfwd)(g, { hasAux: true })(x),
    };
    for (const [name, apply] of Object.entries(transforms)) {
      const prefix = name.split(' ')[0];
      for (const g of [(t: Tensor) => t, (t: Tensor) => [t, t, t]]) {
        assert.throws(() => apply(g), {
          code: 'argument',
          message: new RegExp(
            `^${prefix}\\(f.*: output of function f should be a tuple: \\[output, aux\\] if hasAux is true`,
          ),
        });
      }
      for (const wrong of [1, 'abc']) {
        assert.throws(() => apply((t: Tensor) => [t.sum(), wrong]), /Expected tensors, got unsupported type/);
        assert.throws(() => apply((t: Tensor) => [t.sum(), [t, wrong]]), /Expected tensors, got unsupported type/);
      }
    }
  });
});

describe('jvp', () => {
  test('of what does not depend on the primals is zero, or an error if it is strict', () => {
    const [x, y] = [vector(1, 2), vector(3)];
    same(
      jvp((_: Tensor) => y, [x], [x]),
      [y, vector(0)],
    );
    same(jvp((a: Tensor, _: Tensor) => a, [x, y], [x, y])[1], x);
    assert.throws(() => jvp((a: Tensor) => [a, y], [x], [x], { strict: true }), {
      code: 'autograd',
      message: /The output of f is independent of the inputs. This is not allowed with strict: true/,
    });
    same(jvp(sin, [x], [x], { strict: true })[0], x.sin());
    assert.throws(() => any(jvp)(sin, [x], [x], { loose: true }), /unknown option "loose"/);
  });

  test('inside of a custom function', () => {
    class Sine extends autograd.Function {
      static forward(ctx: autograd.FunctionCtx, x: Tensor): Tensor {
        ctx.saveForBackward(x);
        return jvp((t: Tensor) => t.cos(), [x], [ones(x.shape, double)])[1].neg();
      }
      static backward(ctx: autograd.FunctionCtx, g: Tensor): Tensor {
        const [x] = ctx.savedTensors;
        return g.mul(jvp(sin, [x], [ones(x.shape, double)])[1]);
      }
    }
    const x = scalar(0.5, true);
    const y = Sine.apply(x);
    same(y, x.sin());
    same(autograd.grad(y, x), [x.cos()]);
  });
});

describe('modes', () => {
  const x = scalar(1.5, true);
  /** x² - x², of which the second is a constant. */
  const shifted = (t: Tensor): Tensor => t.pow(2).sub(noGrad(() => t.pow(2)));
  const doubled = x.mul(2);

  test('noGrad outside: results are constants', () => {
    const results = noGrad(() => [
      grad(sin)(x),
      ...gradAndValue(sin)(x),
      vjp(sin, x)[0],
      ...vjp(sin, x)[1](scalar(1)),
      ...jvp(sin, [x], [x]),
      linearize(sin, x)[1](x),
      jacrev(sin)(x),
      jacfwd(sin)(x),
      hessian(sin)(x),
    ]);
    for (const result of results) assert.equal(result.requiresGrad, false);
    same(results[0], x.cos());
    const recorded = [grad(sin)(x), vjp(sin, x)[0], jvp(sin, [x], [x])[1], jacrev(sin)(x), jacfwd(sin)(x)];
    for (const result of recorded) assert.equal(result.requiresGrad, true);
  });

  test('noGrad inside: a constant to the transforms around it', () => {
    same(grad(shifted)(x), doubled);
    same(grad(grad(shifted))(x), scalar(2));
    same(autograd.grad(grad(shifted)(x), x), [scalar(2)]);
    const mixed = noGrad(() => grad(shifted)(x));
    same(mixed, doubled);
    assert.equal(mixed.requiresGrad, false);
  });

  test('transforms inside of noGrad inside of transforms', () => {
    const h = (t: Tensor): Tensor => t.pow(3).sub(noGrad(() => grad((u: Tensor) => u.pow(4).mul(0.25))(t)));
    const y = grad(h)(x);
    same(y, x.pow(2).mul(3));
    same(autograd.grad(y, x), [x.mul(6)]);
    const f = (t: Tensor): Tensor => cube(t).sub(noGrad(() => cube(t)));
    const g = (t: Tensor): Tensor => grad(f)(t).sub(noGrad(() => grad(f)(t)));
    same(grad(g)(x), x.mul(6));
    const value = (t: Tensor): Tensor => cube(t).sub(noGrad(() => gradAndValue(cube)(t)[1]));
    same(grad(value)(x), x.pow(2).mul(3));
  });

  test('vjp and what it returns can be in different modes', () => {
    const square = (t: Tensor): Tensor => t.pow(2);
    const [output, vjpFn] = vjp(square, x);
    const [constant] = noGrad(() => vjpFn(scalar(1)));
    assert.deepEqual([output.requiresGrad, constant.requiresGrad], [true, false]);
    same(constant, doubled);
    same(autograd.grad(output, x), [doubled]);
    const [unrecorded, later] = noGrad(() => vjp(square, x));
    const [recorded] = later(scalar(1));
    assert.deepEqual([unrecorded.requiresGrad, recorded.requiresGrad], [false, true]);
    same(autograd.grad(recorded, x), [scalar(2)]);
  });

  test('inference mode outside does not matter', () => {
    const [v, xs] = [vector(1, 2), tensor([[1, 2], [3, 4]], double)]; // biome-ignore format: a matrix
    const square = (t: Tensor): Tensor => t.pow(2).sum();
    inferenceMode(() => {
      same(grad(square)(v), v.mul(2));
      const [, vjpFn] = vjp(square, v);
      same(vjpFn(scalar(1)), [v.mul(2)]);
      same(jvp(square, [v], [v])[1], v.mul(v).mul(2).sum());
      same(jacrev((t: Tensor) => t.pow(2))(v), v.mul(2).diag());
      same(jacfwd((t: Tensor) => t.pow(2))(v), v.mul(2).diag());
      same(vmap(grad(square))(xs), xs.mul(2));
      same(grad((t: Tensor) => vmap((u: Tensor) => u.pow(2).sum())(t).sum())(v), v.mul(2));
      same(grad(grad(cube))(scalar(2)), scalar(12));
      same(jacrev(grad((t: Tensor) => cube(t).sum()))(v), v.mul(6).diag());
      same(hessian((t: Tensor) => cube(t).sum())(v), v.mul(6).diag());
      same(linearize(sin, v)[1](v), v.mul(v.cos()));
      same(grad((t: Tensor) => t.sub(inferenceMode(() => v.pow(2))).sum())(v), vector(1, 1));
      noGrad(() => same(grad(square)(v), v.mul(2)));
      assert.equal(isInferenceModeEnabled(), true);
    });
    assert.equal(isInferenceModeEnabled(), false);
  });

  test('a throw leaves everything as it was', () => {
    const fail = (_: Tensor): Tensor => {
      throw new RangeError('mine');
    };
    for (const work of [
      () => grad(fail)(x),
      () => vjp(fail, x),
      () => jvp(fail, [x], [x]),
      () => jacrev(fail)(x),
      () => jacfwd(fail)(x),
      () => inferenceMode(() => grad(fail)(x)),
    ])
      assert.throws(work, RangeError);
    assert.equal(isInferenceModeEnabled(), false);
    assert.equal(enableGrad(() => x.mul(2)).requiresGrad, true);
    same(grad(sin)(x), x.cos());
  });
});

describe('transforms of transforms', () => {
  const [x, y] = [scalar(0.7), scalar(1.3)];

  test('grad and vjp of one another, and of the graph', () => {
    same(grad((v: Tensor) => vjp(sin, x)[1](v)[0])(y), x.cos());
    same(vjp(grad(sin), x)[1](y), [y.mul(x.sin()).neg()]);
    same(
      grad(
        (v: Tensor) =>
          vjp(
            grad((t: Tensor) => t.cos().neg()),
            x,
          )[1](v)[0],
      )(y),
      x.cos(),
    );
    const [, vjpFn] = vjp(sin, x);
    same(vjp((v: Tensor) => vjpFn(v)[0], x)[0], x.mul(x.cos()));
    const v = vector(1, 2);
    same(grad((t: Tensor) => vjp(sin, t)[1](t)[0].sum())(v), grad((t: Tensor) => t.mul(t.cos()).sum())(v));
    const leaf = scalar(0.7, true);
    same(autograd.grad(grad(sin)(leaf), leaf), [leaf.sin().neg()]);
  });

  test('with vmap', () => {
    const v = vector(1, 2, 3);
    same(grad((t: Tensor) => vmap(sin)(t).sum())(v), v.cos());
    same(vmap(grad(sin))(v), v.cos());
    same(vmap((t: Tensor) => vjp(sin, t)[1](t)[0])(v), v.mul(v.cos()));
    const [, vjpFn] = vjp(vmap(sin), v);
    same(vjpFn(v), [v.mul(v.cos())]);
    const many = rand(4, 3, double);
    same(vmap((t: Tensor) => vjp(sin, v)[1](t)[0])(many), many.mul(v.cos()));
    const [, pushForward] = linearize((t: Tensor) => [t.cos(), t.sum()] as const, v);
    same(vmap((t: Tensor) => pushForward(t))(many), [many.mul(v.sin()).neg(), many.sum(1)]);
    same(vmap((t: Tensor) => jvp(sin, [t], [t])[1])(v), v.mul(v.cos()));
    same(vmap(jacrev(sin))(many), stack(many.unbind(0).map((t) => t.cos().diag())));
    same(vmap(jacfwd(sin))(many), stack(many.unbind(0).map((t) => t.cos().diag())));
  });

  test('linearize of a gradient; derivatives of what linearize returns', () => {
    const v = vector(1, 2, 3);
    const z = ones(3, double);
    same(linearize((t: Tensor) => grad((u: Tensor) => z.dot(u))(t), v)[1](v), zeros(3));
    same(
      linearize(
        grad((t: Tensor) => cube(t).sum()),
        v,
      )[1](ones(3, double)),
      v.mul(6),
    );
    const [, pushForward] = linearize(sin, v);
    same(grad((t: Tensor) => pushForward(t).sum())(v), v.cos());
    const tangent = vector(1, 1, 1).requiresGrad_();
    same(autograd.grad(pushForward(tangent).sum(), tangent), [v.cos()]);
  });

  test('writes in place inside, also through views', () => {
    same(grad((t: Tensor) => t.clone().sin_())(x), x.cos());
    const v = vector(1, 2, 3);
    const first = (t: Tensor): Tensor => {
      const u = t.clone();
      u.select(0, 0).sin_();
      return u.sum();
    };
    same(grad(first)(v), vector(Math.cos(1), 1, 1));
    const base = (t: Tensor): Tensor => {
      const u = t.clone();
      const part = u.select(0, 0);
      u.sin_();
      return part;
    };
    same(grad(base)(v), vector(Math.cos(1), 0, 0));
    same(
      jacrev((a: Tensor, b: Tensor) => b.clone().copy_(a))(vector(1, 2), vector(3, 4)),
      tensor([[1, 0], [0, 1]], double), // biome-ignore format: a matrix
    );
  });

  test('what escapes from a transform is an ordinary tensor', () => {
    const escaped: Tensor[] = [];
    const keep = (t: Tensor): Tensor => {
      escaped.push(t.sin());
      return t.sin();
    };
    grad(keep)(x);
    jvp(keep, [x], [x]);
    vmap(keep)(vector(1, 2));
    same(escaped[0].sum(), x.sin());
    same(escaped[1].sum(), x.sin());
  });

  test('random numbers inside are those of the generator', () => {
    const f = (t: Tensor): Tensor => {
      manualSeed(0);
      return t.mul(randn(1, double).squeeze());
    };
    const expected = f(scalar(1));
    same(grad(f)(x), expected);
    same(jvp(f, [x], [scalar(1)])[1], expected);
  });

  test('tensors look inside as they do outside', () => {
    const v = rand(2, 3, 5, double);
    const look = (t: Tensor): unknown[] => [t.shape, t.dtype, t.numel(), t.ndim, t.stride()];
    const seen: unknown[] = [];
    const f = (t: Tensor): Tensor => {
      seen.push(look(t));
      return t.sum();
    };
    grad(f)(v);
    jvp(f, [v], [v]);
    assert.deepEqual(seen, [look(v), look(v)]);
  });
});

for (const [name, jacobian] of Object.entries({ jacrev, jacfwd: jacfwd as typeof jacrev })) {
  describe(name, () => {
    const [x, y] = [vector(1, 2, 3), vector(4, 5, 6)];
    const eye = ones(3, double).diag();

    test('of pointwise functions is diagonal, of the shapes of output and input', () => {
      same(jacobian(sin)(x), x.cos().diag());
      const m = rand(2, 3, double);
      same(jacobian(sin)(m), m.view(6).cos().diag().view(2, 3, 2, 3));
      const part = jacobian((t: Tensor) => t.select(0, 0).narrow(0, 1, 2).unsqueeze(-1))(m);
      assert.deepEqual(part.shape, [2, 1, 2, 3]);
      same(part.select(1, 0).view(2, 6), tensor([[0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]])); // biome-ignore format: a matrix
      assert.deepEqual(jacobian((t: Tensor) => t)(scalar(1)).shape, []);
      assert.deepEqual(jacobian((t: Tensor) => t)(vector(1)).shape, [1, 1]);
    });

    test('with several outputs and inputs', () => {
      const f = (a: Tensor, b: Tensor) => [a.mul(2).add(b.mul(3)), a.mul(4).add(b.mul(5))] as const;
      const [two, three, four, five] = [2, 3, 4, 5].map((c) => eye.mul(c));
      same(jacobian(f)(x, y), [two, four]);
      same(jacobian(f, [0])(x, y), [[two], [four]]);
      same(jacobian(f, [0, 1])(x, y), [[two, three], [four, five]]); // biome-ignore format: a matrix
      same(jacobian(mul, 1)(x, y), x.diag());
      const g = (a: Tensor, b: Tensor) => ({ left: f(a, b)[0], right: f(a, b)[1] });
      same(jacobian(g, [0, 1])(x, y), { left: [two, three], right: [four, five] });
    });

    test('with structures of inputs and outputs', () => {
      const s = scalar(2);
      const f = ([a, b]: readonly [Tensor, Tensor], c: Tensor) => [a.add(b.mul(2)), { foo: c.mul(3) }] as const;
      const [zero, one] = [scalar(0), scalar(1)];
      same(jacobian(f)([s, s], s), [[one, scalar(2)], { foo: [zero, zero] }]);
      same(jacobian(f, [0, 1])([s, s], s), [[[one, scalar(2)], zero], { foo: [[zero, zero], scalar(3)] }]); // biome-ignore format: as the others
      const g = ({ a, b }: { a: Tensor; b: Tensor }) => ({ c: a.sin(), d: b.cos() });
      same(jacobian(g)({ a: x, b: x }), {
        c: { a: x.cos().diag(), b: zeros(3, 3) },
        d: { a: zeros(3, 3), b: x.sin().neg().diag() },
      });
    });

    test('is zero for what does not depend', () => {
      same(jacobian((a: Tensor, _: Tensor) => a, [0, 1])(x, y), [eye, zeros(3, 3)]);
      same(jacobian((_: Tensor) => y)(x), zeros(3, 3));
    });

    test('passes on what is no tensor', () => {
      same(jacobian((t: Tensor, n: number) => t.mul(n))(x, 3), eye.mul(3));
    });

    test('is that of autograd.functional', () => {
      const f = (a: Tensor, b: Tensor) => [a.mul(a).matmul(b), a.matmul(a.sum(1).mul(b)), b.sum()] as const;
      const [a, b] = [rand(5, 3, double), rand(3, 5, double)];
      same(jacobian(f, [0, 1])(a, b), autograd.functional.jacobian(f, [a, b]));
    });

    test('nests', () => {
      const s = (t: Tensor): Tensor => t.sin().sum();
      same(jacobian((t: Tensor) => jacobian(s)(t))(x), x.sin().neg().diag());
    });
  });
}

describe('chunks of jacrev', () => {
  const [x, y] = [rand(4, 2, double), rand(1, 2, double)];
  const f = (a: Tensor, b: Tensor) => [a.sin(), a.add(b), [a.add(2), a.sum()]] as const;

  test('do not matter', () => {
    const expected = jacrev(f, [0, 1])(x, y);
    for (const chunkSize of [1, 2, 3, 7, 8, 1000, null])
      same(jacrev(f, { argnums: [0, 1], chunkSize })(x, y), expected);
    const g = (t: Tensor): Tensor => t.sin().mul(t.sum());
    const twice = (chunkSize: number | null) =>
      jacrev((t: Tensor) => jacrev(g, { chunkSize })(t) as Tensor, { chunkSize })(vector(1, 2, 3));
    same(twice(2), twice(null));
    same(twice(1), twice(null));
  });

  test('of one row run without vmap', () => {
    class Looks extends autograd.Function {
      static forward(_: autograd.FunctionCtx, t: Tensor): Tensor {
        return t.clone();
      }
      static backward(_: autograd.FunctionCtx, g: Tensor): Tensor {
        assert.equal(typeof g.sum().item(), 'number');
        return g;
      }
    }
    const look = (t: Tensor): Tensor => Looks.apply(t);
    same(jacrev(look, { chunkSize: 1 })(vector(1, 2)), ones(2, double).diag());
    assert.throws(() => jacrev(look, { chunkSize: 2 })(vector(1, 2)));
  });

  test('have at least one row', () => {
    for (const chunkSize of [0, -2, 1.5]) {
      assert.throws(() => jacrev(f, { chunkSize }), {
        code: 'argument',
        message: /jacrev: `chunkSize` should be greater than 0/,
      });
    }
  });
});

describe('hessian', () => {
  test('is that of autograd.functional, and of jacrev twice', () => {
    const f = (x: Tensor, y: Tensor, z: Tensor): Tensor => x.relu().mul(x).matmul(y.sin()).matmul(z).sum();
    const args = [rand(2, 3, double), rand(3, 4, double), rand(4, 4, double)] as const;
    const expected = autograd.functional.hessian(f, [...args]);
    same(hessian(f, [0, 1, 2])(...args), expected);
    const loss = (a: Tensor, x: Tensor): Tensor => x.sub(a.mm(x.t()).t()).pow(2).sum();
    const [a, x] = [rand(3, 2, 2, double), rand(3, 4, 2, double)];
    same(vmap(hessian(loss))(a, x), vmap(jacrev((w: Tensor, t: Tensor) => jacrev(loss)(w, t) as Tensor))(a, x));
  });

  test('of what does not depend on an input is zero', () => {
    const [x, y] = [vector(1, 2), vector(3)];
    same(hessian((a: Tensor, _: Tensor) => a.pow(2).sum(), [0, 1])(x, y), [
      [ones(2, double).mul(2).diag(), zeros(2, 1)],
      [zeros(1, 2), zeros(1, 1)],
    ]);
    same(hessian((_: Tensor) => ones([], double))(x), zeros(2, 2));
  });
});

test('tangents that are written over can be differentiated', () => {
  const x = vector(0.3, 0.5, -1);
  const pairs: [(z: Tensor) => Tensor, (z: Tensor) => Tensor][] = [
    [(z) => z.clone().sigmoid_().mul(z), (z) => z.sigmoid().mul(z)],
    [(z) => z.mul(2).exp_().mul_(z), (z) => z.mul(2).exp().mul(z)],
    [(z) => z.clone().mul_(z).sin_(), (z) => z.mul(z).sin()],
  ];
  for (const [inPlace, plain] of pairs) {
    const slope = (f: (z: Tensor) => Tensor) => (z: Tensor) => jvp(f, [z], [vector(1, 2, 3)])[1].sum();
    same(grad(slope(inPlace))(x), grad(slope(plain))(x));
    same(vmap(grad(slope(inPlace)))(stack([x, x.neg()])), vmap(grad(slope(plain)))(stack([x, x.neg()])));
  }
});

test('reverse mode over forward mode, over a batch', () => {
  const x = vector(0.3, 0.5, -1);
  const xs = stack([x, x.neg()]);
  const functions: ((z: Tensor) => Tensor)[] = [
    sin,
    cube,
    (z) => z.sigmoid().mul(z),
    (z) => z.outer(z).matmul(z.exp()),
  ];
  for (const f of functions) {
    for (const part of [0, 1] as const) {
      const gradient = grad((z: Tensor) => jvp(f, [z], [vector(1, 2, 3)])[part].sum());
      same(vmap(gradient)(xs), stack([...xs].map((z) => gradient(z))));
    }
  }
  // what leaves a dual level is a batch as before
  const slope = (z: Tensor): Tensor =>
    autograd.forwardAd.dualLevel(() => autograd.forwardAd.makeDual(z, vector(1, 2, 3)).mul(z));
  same(vmap(slope)(xs), xs.square());
});
