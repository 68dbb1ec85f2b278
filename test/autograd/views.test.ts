/** Views in the graph: which may be written to, read in another geometry, or differentiated, by how they were taken. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { autograd, func, noGrad, ones, setGradEnabled, type Tensor, tensor, zeros } from '../../src/index.ts';

const leaf = (data: number | number[] | number[][]): Tensor => tensor(data, { requiresGrad: true });
const gradientOf = (y: Tensor, x: Tensor): unknown => autograd.grad(y.sum(), x)[0].tolist();
type Ctx = autograd.FunctionCtx;

/** A custom function whose result is a view. */
class Viewed extends autograd.Function {
  static forward(_: Ctx, x: Tensor): Tensor {
    return x.viewAs(x);
  }
  static backward(_: Ctx, g: Tensor): Tensor {
    return g;
  }
}

const reasons = {
  noGrad: /noGrad mode and/,
  several: /function that returns multiple views/,
  custom: /created inside a custom Function/,
};
type Reason = keyof typeof reasons;

/** Throws for the reason given, or for none. */
function expect(work: () => unknown, reason: Reason | null, label: string): void {
  if (reason === null) work();
  else assert.throws(work, { code: 'inplace', message: reasons[reason] }, label);
}

describe('a view that is written to, and one that is read in another geometry', () => {
  const kinds: { [kind: string]: [take: (x: Tensor) => Tensor, recorded: Reason | null] } = {
    'one view': [(x) => x.viewAs(x), null],
    'one of several': [(x) => x.unbind()[0], 'several'],
    'of a custom function': [(x) => Viewed.apply(x), 'custom'],
  };
  const inPlaceViews: { [name: string]: (x: Tensor) => unknown } = {
    asStrided_: (x) => x.asStrided_([1, 0], [2, 2]),
    transpose_: (x) => x.transpose_(0, 0),
    t_: (x) => x.t_(),
    squeeze_: (x) => x.squeeze_(0),
    unsqueeze_: (x) => x.unsqueeze_(0),
    swapdims_: (x) => x.swapdims_(0, 0),
    swapaxes_: (x) => x.swapaxes_(0, 0),
  };

  for (const [kind, [take, sealed]] of Object.entries(kinds)) {
    test(kind, () => {
      for (const [name, turn] of Object.entries(inPlaceViews)) {
        for (const requiresGrad of [true, false]) {
          for (const recorded of [true, false]) {
            const view = (): Tensor => {
              const base = ones(2, 3, { requiresGrad }).clone();
              return setGradEnabled(recorded, () => take(base));
            };
            const reason = !requiresGrad ? null : recorded ? sealed : 'noGrad';
            const label = `${name}, requiresGrad ${requiresGrad}, recorded ${recorded}`;
            expect(() => view().add_(1), reason, label);
            expect(() => turn(view()), reason, label);
            // where nothing is recorded it may be turned, and is then what it was
            const turned = view();
            noGrad(() => turn(turned));
            expect(() => turned.add_(1), reason, label);
          }
        }
      }
    });
  }

  test('also if only what is written requires grad', () => {
    const w = leaf([1]);
    expect(() => Viewed.apply(ones(1, 2)).add_(w), 'custom', 'add_');
    expect(() => Viewed.apply(ones(1, 2)).copy_(w), 'custom', 'copy_');
    expect(() => ones(1, 2).unbind()[0].copy_(w), 'several', 'copy_');
    const a = ones(1, 2);
    a.select(1, 0).copy_(w);
    assert.equal(String(a.gradFn), '<CopySlices>');
  });

  test('a view of one that may not be written to', () => {
    const several = ones(4, { requiresGrad: true }).clone().unbind()[0];
    expect(() => several.viewAs(several).mul_(2), 'several', 'of several');
    const base = ones(4, { requiresGrad: true }).clone();
    expect(() => base.viewAs(base).unbind()[0].mul_(2), 'several', 'several of a view');

    const x = zeros(2);
    const unrecorded = noGrad(() => x.view(2));
    unrecorded.requiresGrad_();
    assert.throws(() => unrecorded.view(2).div_(2), {
      code: 'inplace',
      message: /^Output 0 of ViewBackward0 is a view of a view which was created in noGrad mode and is being modified/,
    });
  });

  test('parts of a tensor', () => {
    for (const parts of [
      (x: Tensor) => x.split(1),
      (x: Tensor) => x.splitWithSizes([1, 1, 1]),
      (x: Tensor) => x.chunk(3),
    ]) {
      const a = ones(3, 3, { requiresGrad: true });
      const [first, second] = parts(a.add(a));
      expect(() => first.mul_(second), 'several', String(parts));
    }
  });

  test('parts by operators that promise nothing, each of which has a history and versions of its own', () => {
    const cuts: { [node: string]: (x: Tensor) => Tensor[] } = {
      UnsafeSplit: (x) => x.unsafeSplit(1),
      UnsafeSplitWithSizes: (x) => x.unsafeSplitWithSizes([1, 1, 1]),
    };
    cuts.UnsafeSplit_ = (x) => x.unsafeChunk(3);
    for (const [node, parts] of Object.entries(cuts)) {
      const a = ones(3, 3, { requiresGrad: true });
      const [first, second] = parts(a.add(a));
      assert.equal(String(first.gradFn), `<${node.replace('_', '')}Backward0>`);
      assert.equal(first._isView(), false);
      first.mul_(second);
      assert.deepEqual([first._version, second._version], [1, 0]);
      assert.deepEqual(gradientOf(first, a), [
        [4, 4, 4],
        [4, 4, 4],
        [0, 0, 0],
      ]);
      const examples = ones(2, 3, 3);
      assert.deepEqual(
        func
          .vmap((x: Tensor) => parts(x)[1].sum())(examples)
          .tolist(),
        [3, 3],
      );
    }
  });

  test('a result of a custom function that was called where nothing is recorded', () => {
    const x = leaf([1, 2]);
    const y = noGrad(() => Viewed.apply(x));
    assert.equal(y.requiresGrad, noGrad(() => x.viewAs(x)).requiresGrad);
    assert.throws(() => y.zero_(), { message: /^A view was created in noGrad mode and is being modified inplace/ });
  });
});

describe('custom functions that return views', () => {
  let runs = 0;
  const part = (x: Tensor, view: boolean): Tensor => (view ? x.narrow(0, 0, 2) : x.clone());
  class One extends autograd.Function {
    static forward(_: Ctx, a: Tensor, view: boolean): Tensor {
      return part(a, view);
    }
    static backward(_: Ctx, g: Tensor): [Tensor, null] {
      runs++;
      return [g, null];
    }
  }
  class Two extends autograd.Function {
    static forward(_: Ctx, a: Tensor, view: boolean, b: Tensor): [Tensor, Tensor] {
      return [part(a, view), a.add(b)];
    }
    static backward(_: Ctx, g: Tensor, both: Tensor): [Tensor, null, Tensor] {
      runs++;
      return [g.add(both), null, both];
    }
  }
  class OfTemporary extends autograd.Function {
    static forward(_: Ctx, a: Tensor): Tensor {
      return a.clone().select(0, 0);
    }
    static backward(_: Ctx, g: Tensor): Tensor {
      runs++;
      const all = zeros(2);
      all.select(0, 0).copy_(g);
      return all;
    }
  }

  test('have their own backward, and are not written to', () => {
    const bump = (y: Tensor, inPlace: boolean): Tensor => (inPlace ? y.add_(3) : y.add(3));
    const programs: { [name: string]: [(a: Tensor, b: Tensor, inPlace: boolean) => Tensor, Reason | null, unknown] } = {
      'a view': [(a, _, w) => bump(One.apply(a, true), w), 'custom', [1, 1]],
      'a copy': [(a, _, w) => bump(One.apply(a, false), w), null, [1, 1]],
      'of a temporary': [(a, b, w) => bump(OfTemporary.apply(a.add(b)), w), 'custom', [1, 0]],
      'a view and another': [
        (a, b, w) => {
          const [y, z] = Two.apply(a, true, b);
          return bump(y, w).mul(bump(z, w));
        },
        'several',
        [9, 9],
      ],
      'a copy and another': [
        (a, b, w) => {
          const [y, z] = Two.apply(a, false, b);
          return bump(y, w).mul(bump(z, w));
        },
        null,
        [9, 9],
      ],
    };
    for (const [name, [program, reason, expected]] of Object.entries(programs)) {
      for (const inPlace of [true, false]) {
        const [a, b] = [leaf([1, 1]), leaf([1, 1])];
        runs = 0;
        const work = (): void => {
          assert.deepEqual(gradientOf(program(a.clone(), b.clone(), inPlace), a), expected, name);
          assert.equal(runs, 1, name);
        };
        expect(work, inPlace ? reason : null, name);
      }
    }
  });

  test('which were written to before they were returned', () => {
    class Front extends autograd.Function {
      static forward(_: Ctx, x: Tensor, write: boolean): Tensor {
        const y = x.clone().narrow(0, 0, 2);
        return write ? y.add_(2) : y;
      }
      static backward(_: Ctx, g: Tensor): [Tensor, null] {
        return [g.repeat(2), null];
      }
    }
    for (const write of [true, false]) {
      const x = leaf([1, 2, 3, 4]);
      const y = Front.apply(x, write);
      assert.equal(String(y.gradFn), '<FrontBackward>');
      assert.deepEqual(gradientOf(y, x), [1, 1, 1, 1]);
    }
  });

  test('say that they wrote to an input only if it is one', () => {
    class Marked extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor {
        const y = x.clone().viewAs(x);
        ctx.markDirty(y);
        return y;
      }
    }
    assert.throws(() => Marked.apply(leaf([1]).clone()), {
      code: 'autograd',
      message: /received a tensor that was not an input/,
    });
  });
});

describe('writes and the histories of views', () => {
  class Plus extends autograd.Function {
    static forward(ctx: Ctx, x: Tensor, y: Tensor): Tensor {
      ctx.markDirty(x.add_(y));
      return x;
    }
    static backward(_: Ctx, g: Tensor): [Tensor, Tensor] {
      return [g, g];
    }
  }

  test('by a custom function, into overlapping parts', () => {
    const [a, b] = [ones(4, 4, { requiresGrad: true }), ones(2, 2, { requiresGrad: true })];
    const x = a.clone();
    Plus.apply(x.narrow(1, 2, 2).narrow(0, 1, 2), b);
    Plus.apply(x.narrow(1, 1, 2).narrow(0, 1, 2), b);
    assert.equal(String(x.gradFn), '<CopySlices>');
    const [da, db] = autograd.grad(x.mul(x).sum(), [a, b]);
    assert.deepEqual(da.tolist(), [
      [2, 2, 2, 2],
      [2, 4, 6, 4],
      [2, 4, 6, 4],
      [2, 2, 2, 2],
    ]);
    assert.deepEqual(db.tolist(), [
      [10, 10],
      [10, 10],
    ]);
  });

  test('whose gradient is for some of the arguments only', () => {
    class Doubled extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor, _: Tensor): Tensor {
        ctx.markDirty(x.mul_(2));
        return x;
      }
      static backward(_: Ctx, g: Tensor): [Tensor, null] {
        return [g.mul(2), null];
      }
    }
    const [a, b] = [leaf([1]), leaf(1)];
    Doubled.apply(a.clone().narrow(0, 0, 1), b).backward();
    assert.deepEqual([a.grad?.tolist(), b.grad], [[2], null]);
  });

  test('through a layout that is not row-major', () => {
    const root = ones(2, 3, 2).select(2, 1).t().requiresGrad_();
    const x = root.clone();
    x.narrow(0, 0, 1).narrow(1, 1, 1).mul_(2);
    assert.deepEqual(gradientOf(x, root), [
      [1, 2],
      [1, 1],
      [1, 1],
    ]);
  });

  test('are found anew also where nothing is recorded', () => {
    const a = ones(3, 1, { requiresGrad: true });
    const b = a.mul(2);
    const view = b.viewAs(b);
    view.select(0, 0).fill_(3);
    assert.equal(
      noGrad(() => String(view.gradFn)),
      '<AsStridedBackward0>',
    );
    assert.deepEqual(gradientOf(view, a), [[0], [2], [2]]);
  });

  test('of views that were taken before, by a write that makes the base require grad', () => {
    const r = ones(1, { requiresGrad: true });
    const x = ones(5);
    const view = x.select(0, 1);
    assert.deepEqual([view.requiresGrad, view.gradFn], [false, null]);
    x.add_(r);
    assert.equal(view.requiresGrad, true);
    assert.equal(String(view), 'tensor(2., grad_fn=<AsStridedBackward0>)');
    assert.deepEqual(gradientOf(view, r), [1]);
  });

  test('have no place in the graph if they were taken unrecorded of what was written to since', () => {
    const base = leaf([1]);
    const view = noGrad(() => base.narrow(0, 0, 1).mul_(2));
    assert.equal(view.requiresGrad, true);
    assert.throws(() => view.gradFn, {
      code: 'inplace',
      message: /its base or another view of its base has been modified/,
    });
    assert.equal(String(view), 'tensor([2.], grad_fn=<Invalid>)');
  });

  test('what is not asked for is not run', () => {
    class Fails extends autograd.Function {
      static forward(_: Ctx, x: Tensor): Tensor {
        return x.clone();
      }
      static backward(): Tensor {
        throw new Error('asked for');
      }
    }
    const [x, y] = [leaf([1, 2]), leaf([1, 2])];
    const failing = Fails.apply(y);
    const programs = [
      () => x.clone().view(-1).add_(failing),
      () => {
        const out = x.clone().view(-1);
        const twice = out.mul(2);
        return out.add_(failing).add(twice);
      },
    ];
    for (const program of programs) {
      assert.throws(() => program().sum().backward(), /asked for/);
      assert.throws(() => autograd.grad(program().sum(), y), /asked for/);
      assert.equal(autograd.grad(program().sum(), x).length, 1);
      assert.deepEqual(gradientOf(program(), failing), [1, 1]);
      assert.equal(autograd.grad(program().sum(), [x, failing]).length, 2);
    }
  });
});
