/** Forward mode through dual tensors. That it agrees with reverse mode for every operator is for test/conformance/opinfo.test.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { autograd, diagonal, func, inferenceMode, noGrad, ones, Tensor, tensor, zeros } from '../../src/index.ts';

const { dualLevel, enterDualLevel, exitDualLevel, makeDual, unpackDual } = autograd.forwardAd;
const tangentOf = (x: Tensor): unknown => unpackDual(x).tangent?.tolist() ?? null;
const leaf = (data: number[]): Tensor => tensor(data, { requiresGrad: true });
const gradients = (y: Tensor, ...xs: Tensor[]): unknown[] =>
  autograd.grad(y.sum(), xs, { retainGraph: true, allowUnused: true }).map((g) => g?.tolist() ?? null);

describe('a dual tensor', () => {
  test('carries its derivative along', () => {
    dualLevel(() => {
      const x = makeDual(tensor([1, 2, 3]), tensor([1, 0, 1]));
      assert.deepEqual(tangentOf(x.mul(x)), [2, 0, 6]);
      assert.deepEqual(tangentOf(x.mul(5).sum()), 10);
      assert.deepEqual(tangentOf(x.view(3, 1).t()), [[1, 0, 1]]);
      assert.deepEqual(tangentOf(x.prod()), 8);
      assert.equal(unpackDual(ones(2)).tangent, null);
      assert.deepEqual(unpackDual(x).primal.tolist(), [1, 2, 3]);
    });
  });

  test('is made of its parts as they are', () => {
    dualLevel(() => {
      const value = tensor([1, 2]);
      const tangent = tensor([3, 4]);
      const x = makeDual(value, tangent);
      assert.equal(unpackDual(x).tangent, tangent);
      assert.deepEqual(unpackDual(x).primal.tolist(), [1, 2]);
      // the parts know nothing of it
      assert.equal(unpackDual(value).tangent, null);
      assert.equal(unpackDual(unpackDual(x).primal).tangent, null);
    });
  });

  test('shares memory and versions with its parts', () => {
    dualLevel(() => {
      const value = tensor([1, 2]);
      const tangent = tensor([1, 1]);
      const x = makeDual(value, tangent);
      value.add_(1);
      assert.deepEqual([x._version, x.tolist()], [1, [2, 3]]);
      const { primal } = unpackDual(x);
      value.add_(1);
      assert.deepEqual([primal._version, primal.tolist()], [2, [3, 4]]);
      tangent.add_(1);
      assert.equal(unpackDual(x).tangent?._version, 1);
    });
  });

  test('is a view of its value, in the graph: both parts pass gradients on', () => {
    dualLevel(() => {
      const value = leaf([1, 2]);
      const tangent = leaf([1, 1]);
      const x = makeDual(value, tangent);
      assert.deepEqual([x.requiresGrad, x.isLeaf, String(x.gradFn)], [true, false, '<ViewBackward0>']);
      const { primal, tangent: own } = unpackDual(x);
      assert.deepEqual(gradients(primal, value, tangent), [[1, 1], null]);
      assert.deepEqual(gradients(own as Tensor, value, tangent), [null, [1, 1]]);
      assert.equal(makeDual(tensor([1, 2]), tangent).requiresGrad, false);
    });
  });

  test('loses its tangent by being detached, not by being computed with where nothing is recorded', () => {
    dualLevel(() => {
      const x = makeDual(leaf([1, 2]), tensor([1, 1]));
      for (const y of [x.detach(), x.data, x.clone().detach_()]) {
        assert.equal(tangentOf(y.mul(2)), null);
        assert.equal(y.mul(2).requiresGrad, false);
      }
      const y = noGrad(() => x.mul(3));
      assert.deepEqual([y.requiresGrad, tangentOf(y)], [false, [3, 3]]);
      assert.equal(tangentOf(x.gt(1)), null);
    });
  });

  test('is shown with its tangent', () => {
    dualLevel(() => {
      const value = tensor([1, 2]);
      const x = makeDual(value, tensor([3, 4]));
      assert.equal(String(x), 'tensor([1., 2.], tangent=tensor([3., 4.]))');
      assert.equal(String(value), 'tensor([1., 2.])');
      assert.equal(String(unpackDual(x).primal), 'tensor([1., 2.])');
      assert.equal(
        String(makeDual(leaf([1, 2]), tensor([3, 4]))),
        'tensor([1., 2.], grad_fn=<ViewBackward0>, tangent=tensor([3., 4.]))',
      );
      assert.equal(
        String(makeDual(ones(2, 2), ones(2, 2))),
        'tensor([[1., 1.],\n        [1., 1.]], tangent=tensor([[1., 1.],\n        [1., 1.]]))',
      );
    });
  });

  test('takes any layouts', () => {
    const value = tensor([
      [1, 2],
      [3, 4],
    ]);
    const tangent = tensor([
      [5, 6],
      [7, 8],
    ]);
    dualLevel(() => {
      const x = makeDual(value.t(), tangent);
      assert.deepEqual(tangentOf(x), tangent.tolist());
      assert.deepEqual(tangentOf(x.asStrided([4], [1], 0)), [5, 7, 6, 8]);
      assert.deepEqual(tangentOf(x.select(0, 1).asStrided([2], [1], 1)), [7, 6]);
      const expanded = makeDual(tensor([1]).expand(3), tensor([4, 5, 6]));
      assert.deepEqual(tangentOf(expanded.view(3, 1)), [[4], [5], [6]]);
      const gaps = makeDual(ones(2, 3).narrow(1, 0, 2), tangent);
      assert.deepEqual(tangentOf(gaps.t()), tangent.t().tolist());
      assert.deepEqual(tangentOf(gaps.asStrided([2, 3], [3, 1], 0)), [
        [5, 6, 0],
        [7, 8, 0],
      ]);
      const empty = makeDual(ones(0).asStrided([0, 1], [1, 1], 0), ones(0).asStrided([0, 1], [1, 0], 0));
      assert.deepEqual(diagonal(empty).shape, [0]);
    });
  });
});

describe('the level', () => {
  test('ends with the callback, and tangents with it', () => {
    const tangent = tensor([1, 1]);
    const x = dualLevel(() => makeDual(tensor([1, 2]), tangent));
    assert.equal(unpackDual(x).tangent, null);
    assert.deepEqual(x.mul(2).tolist(), [2, 4]);
    dualLevel(() => {
      assert.equal(unpackDual(x).tangent, null);
      const other = tensor([5, 5]);
      assert.equal(unpackDual(makeDual(x, other)).tangent, other);
    });
  });

  test('may be entered and left by hand', () => {
    assert.equal(enterDualLevel(), 0);
    assert.deepEqual(tangentOf(makeDual(ones(2), ones(2)).mul(2)), [2, 2]);
    assert.throws(() => enterDualLevel(), /Nested forward mode AD is not supported/);
    assert.throws(() => exitDualLevel({ level: 1 }), { code: 'argument', message: /expected 0, got 1/ });
    assert.throws(() => makeDual(tensor(1), tensor(1), { level: 1 }), {
      code: 'argument',
      message: /expected 0, got 1/,
    });
    const dual = makeDual(tensor(1), tensor(2), { level: 0 });
    assert.equal(unpackDual(dual, { level: 0 }).tangent?.item(), 2);
    assert.throws(() => unpackDual(dual, { level: -1 }), { code: 'argument', message: /expected 0, got -1/ });
    exitDualLevel({ level: 0 });
    assert.throws(() => exitDualLevel(), { code: 'autograd', message: /no level exists/ });
    enterDualLevel();
    exitDualLevel();
  });

  test('the form for `using`', () => {
    const guard = dualLevel();
    const x = makeDual(ones(2), ones(2));
    assert.deepEqual(tangentOf(x), [1, 1]);
    guard[Symbol.dispose]();
    assert.equal(tangentOf(x), null);
  });

  test('is one', () => {
    dualLevel(() => assert.throws(() => dualLevel(() => 0), /Nested forward mode AD is not supported at the moment/));
  });
});

test('what does not fit is refused', () => {
  assert.throws(() => makeDual(ones(2), ones(2)), { code: 'autograd', message: /no level exists/ });
  const integers = ones(2, { dtype: 'int64' });
  dualLevel(() => {
    assert.throws(() => makeDual(ones(2), ones(3)), {
      code: 'shape',
      message:
        'Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. ' +
        'Tensor is of size [2] while the given forward gradient is of size [3].',
    });
    assert.throws(
      () => makeDual(ones(2), integers),
      /^AdjointError: Expected tangent to be floating point, but got: int64/,
    );
    assert.throws(
      () => makeDual(integers, ones(2)),
      /^AdjointError: Expected primal to be floating point, but got: int64/,
    );
    assert.throws(() => makeDual(integers, integers), /Expected primal/);
    assert.throws(
      () => makeDual(ones(2), ones(2, { dtype: 'float64' })),
      /dtype of the primal, float32, but got float64/,
    );
    const dual = makeDual(ones(2), ones(2));
    assert.throws(() => makeDual(dual, ones(2)), /Tensor that already has a forward gradient at the same level/);
    assert.throws(() => makeDual(ones(2), dual), /forward grad that itself has a forward gradient at the same level/);
  });
  assert.throws(() => makeDual(ones(2), ones(2)), /no level exists/);
});

describe('with reverse mode', () => {
  test('forward over reverse: the tangent of a gradient', () => {
    const x = leaf([1, 2, 3]);
    dualLevel(() => {
      const dual = makeDual(x, tensor([1, 0, 0]));
      const [gradient] = autograd.grad(dual.pow(3).sum(), dual, { createGraph: true });
      assert.deepEqual(gradient.tolist(), [3, 12, 27]);
      assert.deepEqual(tangentOf(gradient), [6, 0, 0]);
    });
  });

  test('reverse over forward: the gradient of a tangent', () => {
    const x = leaf([1, 2]);
    dualLevel(() => {
      const { tangent } = unpackDual(makeDual(x, ones(2)).pow(3).sum());
      assert.deepEqual(autograd.grad(tangent as Tensor, x)[0].tolist(), [6, 12]);
    });
  });
});

describe('writes in place', () => {
  test('carry tangents, which are written to as well', () => {
    dualLevel(() => {
      const value = tensor([1, 2]);
      const tangent = tensor([1, 10]);
      const x = makeDual(value, tangent);
      x.mul_(x).add_(1);
      assert.deepEqual([value.tolist(), tangent.tolist()], [[2, 5], [2, 40]]); // biome-ignore format: two lists
      assert.equal(unpackDual(x).tangent, tangent);
      assert.equal(unpackDual(value).tangent, null);
      x.zero_();
      assert.deepEqual([x.tolist(), tangentOf(x)], [[0, 0], [0, 0]]); // biome-ignore format: two lists
    });
  });

  test('to one part leave the other', () => {
    dualLevel(() => {
      const x = makeDual(tensor([1, 2]), tensor([3, 4]));
      unpackDual(x).primal.mul_(2);
      assert.deepEqual([x.tolist(), tangentOf(x)], [[2, 4], [3, 4]]); // biome-ignore format: two lists
      unpackDual(x).tangent?.mul_(2);
      assert.deepEqual([x.tolist(), tangentOf(x)], [[2, 4], [6, 8]]); // biome-ignore format: two lists
    });
  });

  test('to what has no tangent give it one', () => {
    dualLevel(() => {
      const plain = tensor([3, 4]);
      plain.mul_(makeDual(tensor([5, 6]), ones(2)));
      assert.deepEqual([plain.tolist(), tangentOf(plain)], [[15, 24], [3, 4]]); // biome-ignore format: two lists
      const wide = zeros(1, 2, 2);
      wide.copy_(makeDual(ones(2), tensor([1, 2])));
      // biome-ignore format: a tensor
      assert.deepEqual(tangentOf(wide), [[[1, 2], [1, 2]]]);
    });
  });

  test('change no tangent but that of what is written to', () => {
    dualLevel(() => {
      const x = makeDual(tensor([3, 4]), tensor([5, 6]));
      const copy = zeros(2).copy_(x);
      const results = [copy, x.add(1), x.clone(), x.view(2, 1).reshape(2).clone()];
      for (const y of results) y.mul_(2);
      assert.deepEqual(results.map(tangentOf), Array(4).fill([10, 12]));
      assert.deepEqual(tangentOf(x), [5, 6]);
    });
  });

  test('follow the rules for leaves and their views', () => {
    dualLevel(() => {
      const tangent = leaf([5, 6]);
      const x = makeDual(tensor([3, 4]), tangent);
      assert.throws(() => x.mul_(2), { code: 'inplace', message: /^a leaf Variable that requires grad/ });
      assert.deepEqual([x.tolist(), tangent.tolist()], [[3, 4], [5, 6]]); // biome-ignore format: two lists
      assert.throws(() => makeDual(leaf([3, 4]), ones(2)).mul_(2), /^AdjointError: a view of a leaf Variable/);
    });
  });

  test('where nothing is recorded leave the history as it is', () => {
    dualLevel(() => {
      const x = makeDual(leaf([1, 2]), ones(2)).mul(2);
      noGrad(() => x.mul_(3));
      assert.deepEqual([String(x.gradFn), tangentOf(x)], ['<MulBackward0>', [6, 6]]);
    });
  });

  test('in inference mode', () => {
    inferenceMode(() =>
      dualLevel(() => {
        const value = ones(2);
        const x = makeDual(value, tensor([1, 2]));
        assert.equal(x._isView(), false);
        x.mul_(2);
        assert.deepEqual([value.tolist(), tangentOf(x)], [[2, 2], [2, 4]]); // biome-ignore format: two lists
      }),
    );
  });
});

describe('writes through views', () => {
  test('reach the tangent of what is viewed', () => {
    dualLevel(() => {
      const value = tensor([1, 2]);
      const x = makeDual(value, tensor([1, 1]));
      const part = x.narrow(0, 0, 1);
      part.mul_(2);
      assert.deepEqual([tangentOf(x), tangentOf(part), tangentOf(value)], [[2, 1], [2], null]);
    });
  });

  test('give what is viewed a tangent, of zeros where nothing was written', () => {
    dualLevel(() => {
      const x = makeDual(tensor([1, 2]), tensor([3, 4]));
      const base = ones(2);
      const before = base.narrow(0, 0, 2);
      base.select(0, 0).copy_(x.select(0, 1));
      assert.deepEqual([base.tolist(), tangentOf(base)], [[2, 1], [4, 0]]); // biome-ignore format: two lists
      // and views that were there before
      assert.deepEqual([tangentOf(before), tangentOf(before.mul(2))], [[4, 0], [8, 0]]); // biome-ignore format: two lists
      before.mul_(3);
      assert.deepEqual(tangentOf(base), [12, 0]);
    });
  });

  test('whatever the layout', () => {
    const writes: { [name: string]: [(x: Tensor, y: Tensor) => unknown, number[][]] } = {
      add_: [(x, y) => x.add_(y), [[5, 7], [6, 8]]], // biome-ignore format: a matrix
      mul_: [(x, y) => x.mul_(y), [[5, 14], [18, 32]]], // biome-ignore format: a matrix
      copy_: [(x, y) => x.copy_(y), [[5, 7], [6, 8]]], // biome-ignore format: a matrix
    };
    for (const [name, [write, expected]] of Object.entries(writes)) {
      const matrix = (a: number): Tensor => tensor([a, a + 1, a + 2, a + 3]).view(2, 2);
      dualLevel(() => {
        const base = matrix(1);
        const view = base.t();
        write(view, makeDual(matrix(1), matrix(5)));
        assert.deepEqual(tangentOf(base), expected, name);
        view.mul_(2);
        assert.deepEqual(
          tangentOf(base),
          expected.map((row) => row.map((x) => 2 * x)),
          name,
        );
        const transposed = makeDual(matrix(1), matrix(5).t());
        transposed.view(4).mul_(2);
        assert.deepEqual(tangentOf(transposed), [[10, 14], [12, 16]], name); // biome-ignore format: a matrix
      });
    }
  });

  test('do not pass through detached views', () => {
    dualLevel(() => {
      const base = ones(2);
      const view = base.detach();
      view.add_(makeDual(ones(2), tensor([3, 1])));
      assert.deepEqual([tangentOf(base), tangentOf(view)], [null, [3, 1]]);
    });
  });

  test('of one level are not seen in the next', () => {
    const base = zeros(3);
    const part = base.narrow(0, 1, 2);
    dualLevel(() => part.copy_(makeDual(tensor([1, 2]), tensor([4, 5]))));
    dualLevel(() => {
      assert.deepEqual([tangentOf(part), tangentOf(base), base.tolist()], [null, null, [0, 1, 2]]);
      base.add_(makeDual(ones(3), tensor([1, 2, 3])));
      assert.deepEqual(tangentOf(part), [2, 3]);
    });
  });

  test('by index, by mask and in place of itself', () => {
    dualLevel(() => {
      const x = makeDual(tensor([1, 2, 3]), tensor([4, 5, 6])).clone();
      const positions = tensor([0, 1], { dtype: 'int64' });
      const y = zeros(3);
      y.indexPut_([positions], x.narrow(0, 1, 2));
      x.index_([0], 7);
      y.maskedFill_(tensor([true, false, false]), 0);
      assert.deepEqual([tangentOf(x), tangentOf(y)], [[0, 5, 6], [0, 6, 0]]); // biome-ignore format: two lists
      const turned = makeDual(ones(2, 3), tensor([1, 2, 3, 4, 5, 6]).view(2, 3)).clone();
      turned.t_().unsqueeze_(0);
      assert.deepEqual(tangentOf(turned), [[[1, 4], [2, 5], [3, 6]]]); // biome-ignore format: a tensor
    });
  });
});

describe('a program that writes in place', () => {
  const value = tensor([0.1, 0.7, 0.3, 0.5, 0.9, 0.2, 0.8, 0.4, 0.6], { dtype: 'float64' }).view(3, 3);
  const direction = value.cos();
  const inPlace = (x: Tensor): Tensor => {
    const y = x.clone();
    y.select(0, 0).mul_(y.select(0, 1).clone());
    y.narrow(0, 1, 2).sin_();
    y.t().select(0, 0).add_(x.select(0, 2));
    const z = y.mul(0).detach();
    z.select(1, 1).copy_(y.select(1, 0).clone());
    z.select(1, 0).add_(y.sum(1));
    return z.mul(y).pow(2).sum();
  };
  const outOfPlace = (x: Tensor): Tensor => {
    const [a, b, c] = x.unbind();
    const [p, q, r] = [a.mul(b), b.sin(), c.sin()].map((row, i) => {
      const [first, ...others] = row.unbind();
      return [first.add(c.select(0, i)), ...others];
    });
    const z = [p, q, r].map((row) => [row[0].add(row[1]).add(row[2]), row[0]]);
    const terms = [p, q, r].flatMap((row, i) => [z[i][0].mul(row[0]), z[i][1].mul(row[1])]);
    return terms.map((t) => t.pow(2)).reduce((sum, t) => sum.add(t));
  };
  const close = (a: Tensor, b: Tensor, name = ''): void => {
    const error = a.sub(b).abs().max().item() as number;
    assert.ok(error < 1e-12 && (b.abs().max().item() as number) > 1e-3, `${name}\n${a}\n${b}`);
  };

  test('has the derivatives of one that does not, in any nesting of modes', () => {
    type Derivative = (f: (x: Tensor) => Tensor) => Tensor;
    const derivatives: { [name: string]: Derivative } = {
      jvp: (f) => func.jvp(f, [value], [direction])[1],
      grad: (f) => func.grad(f)(value),
      'jvp of jvp': (f) => func.jvp((x: Tensor) => func.jvp(f, [x], [direction])[1], [value], [direction])[1],
      'jvp of grad': (f) => func.jvp(func.grad(f), [value], [direction])[1],
      'grad of jvp': (f) => func.grad((x: Tensor) => func.jvp(f, [x], [direction])[1])(value),
      hessian: (f) => func.hessian(f)(value),
      'jacfwd of jacfwd': (f) => func.jacfwd(func.jacfwd(f))(value),
      'jacrev of jacrev': (f) => func.jacrev(func.jacrev(f))(value),
      'vmap of jvp': (f) => func.vmap((x: Tensor) => func.jvp(f, [x], [direction])[1])(value.expand(2, 3, 3).clone()),
      'functional.hessian': (f) => autograd.functional.hessian(f, value, { vectorize: true }),
      'functional.hessian by forward mode': (f) =>
        autograd.functional.hessian(f, value, { vectorize: true, outerJacobianStrategy: 'forward-mode' }),
    };
    for (const [name, derivative] of Object.entries(derivatives)) {
      close(derivative(inPlace), derivative(outOfPlace), name);
    }
  });

  test('passes gradients to values and tangents of duals', () => {
    const parts = (f: (x: Tensor) => Tensor): Tensor[] =>
      dualLevel(() => {
        const [x, t] = [value, direction].map((part) => part.clone().requiresGrad_());
        const { primal, tangent } = unpackDual(f(makeDual(x, t)));
        return [...autograd.grad(tangent as Tensor, [x, t], { retainGraph: true }), ...autograd.grad(primal, x)];
      });
    const [expected, found] = [parts(outOfPlace), parts(inPlace)];
    for (const [k, gradient] of found.entries()) close(gradient, expected[k]);
  });
});

test('a gradient through vmap of jvp reaches what was made outside', () => {
  const x = leaf([1, 2]);
  const cube = (y: Tensor): Tensor => y.pow(3);
  const both = func.vmap((y: Tensor) => func.jvp(cube, [y], [ones([])]))(x);
  assert.deepEqual(gradients(both[0], x), [[3, 12]]);
  assert.deepEqual(gradients(both[1], x), [[6, 12]]);
  assert.ok(both[0] instanceof Tensor);
});
