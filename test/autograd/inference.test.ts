/** Inference mode: what is made in it, what may be done with that, and what it means for tensors made outside. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import {
  autograd,
  enableGrad,
  inferenceMode,
  isGradEnabled,
  isInference,
  isInferenceModeEnabled,
  noGrad,
  ones,
  stack,
  type Tensor,
  tensor,
} from '../../src/index.ts';

const both = [true, false];
/** Ways to write to a tensor of shape [1, 2, 3]: to its values, from another tensor, and to its geometry. */
const writes: { [name: string]: (x: Tensor) => unknown } = {
  add_: (x) => x.add_(2),
  copy_: (x) => x.copy_(ones(1, 2, 3)),
  transpose_: (x) => x.transpose_(0, 1),
};
const made = (requiresGrad = false): Tensor => inferenceMode(() => ones(1, 2, 3, { requiresGrad }));
const computed = (requiresGrad: boolean): Tensor => ones(1, 2, 3, { requiresGrad }).clone();
const outside = {
  code: 'inplace',
  message: /^Inplace update to inference tensor outside InferenceMode is not allowed/,
};
const saved = { code: 'autograd', message: /^Inference tensors cannot be saved for backward/ };

afterEach(() => {
  assert.equal(isGradEnabled(), true, 'a test left the mode switched');
  assert.equal(isInferenceModeEnabled(), false, 'a test left the mode switched');
});

describe('the mode', () => {
  test('nests, and is left again', () => {
    inferenceMode(() => {
      assert.equal(isInferenceModeEnabled(), true);
      assert.equal(isGradEnabled(), false);
      inferenceMode(false, () => {
        assert.equal(isInferenceModeEnabled(), false);
        assert.equal(computed(true).requiresGrad, true);
      });
      assert.equal(isInferenceModeEnabled(), true);
    });
    assert.equal(isInferenceModeEnabled(), false);
  });

  test('of true or false, for a callback', () => {
    for (const mode of both) {
      const x = ones(2, { requiresGrad: true });
      const y = inferenceMode(mode, () => {
        assert.equal(isInferenceModeEnabled(), mode);
        return x.mul(x);
      });
      assert.equal(isInference(y), mode);
      assert.equal(y.requiresGrad, !mode);
    }
  });

  test('recording may be switched on in it, but nothing is recorded', () => {
    inferenceMode(() =>
      enableGrad(() => {
        assert.equal(isGradEnabled(), true);
        assert.equal(computed(true).requiresGrad, false);
      }),
    );
    // leaving it records again, also inside noGrad
    noGrad(() => inferenceMode(false, () => assert.equal(computed(true).requiresGrad, true)));
  });

  test('the form for `using`', () => {
    const x = ones(2, { requiresGrad: true });
    const guard = inferenceMode();
    assert.equal(x.mul(2).requiresGrad, false);
    guard[Symbol.dispose]();
    assert.equal(x.mul(2).requiresGrad, true);
  });
});

describe('tensors made in it', () => {
  test('are inference tensors, whether they ask for gradients or not', () => {
    inferenceMode(() => {
      for (const requiresGrad of both) {
        const x = ones(2, { requiresGrad });
        assert.equal(x.requiresGrad, requiresGrad);
        assert.equal(x.isInference(), true);
        assert.equal(isInference(x), true);
      }
      assert.equal(isInference(ones(2).requiresGrad_(false)), true);
    });
    assert.equal(isInference(ones(2)), false);
  });

  test('and so are results, which require no grad and are leaves', () => {
    for (const requiresGrad of both) {
      inferenceMode(() => {
        const x = ones(1, 2, 3, { requiresGrad });
        for (const y of [x.mul(x), x.view(-1), x.detach(), x.data]) {
          assert.equal(isInference(y), true);
          assert.equal(y.requiresGrad, false);
          assert.equal(y.isLeaf, true);
        }
        assert.equal(x.view(-1)._isView(), false);
      });
    }
  });

  test('may be written to in it, and stay what they are', () => {
    for (const [name, write] of Object.entries(writes)) {
      for (const requiresGrad of both) {
        inferenceMode(() => {
          const x = ones(1, 2, 3, { requiresGrad });
          write(x);
          assert.equal(isInference(x), true, name);
          assert.equal(x.requiresGrad, requiresGrad, name);
        });
      }
    }
  });

  test('count no versions', () => {
    assert.throws(() => made()._version, {
      code: 'autograd',
      message: 'Inference tensors do not track version counter.',
    });
  });

  test('cannot be written to outside of it, or ask for gradients there', () => {
    for (const [name, write] of Object.entries(writes)) {
      const x = made();
      assert.throws(() => write(x), outside, name);
      assert.deepEqual(x.shape, [1, 2, 3]);
    }
    const x = made();
    assert.throws(() => x.requiresGrad_(), {
      code: 'autograd',
      message: /on an inference tensor outside InferenceMode/,
    });
    x.requiresGrad = false;
    assert.equal(x.clone().requiresGrad_().requiresGrad, true);
  });

  test('by themselves give ordinary results outside, and inference views; neither is recorded', () => {
    for (const requiresGrad of both) {
      const x = made(requiresGrad);
      const y = x.mul(x);
      assert.deepEqual([isInference(y), y.requiresGrad, y.isLeaf], [false, false, true]);
      assert.equal(stack([x, x]).requiresGrad, false);
      const view = x.view(-1);
      assert.deepEqual([isInference(view), view.requiresGrad, view.isLeaf], [true, false, true]);
      assert.equal(view._isView(), false);
    }
  });

  test('take part in a graph with ordinary ones as far as nothing of them is saved', () => {
    const x = ones(1, 2, 3, { requiresGrad: true });
    const c = made(true);
    const y = c.add(x);
    assert.deepEqual([isInference(y), y.requiresGrad], [false, true]);
    y.sum().backward();
    assert.deepEqual(c.grad?.tolist(), ones(1, 2, 3).tolist());
    assert.throws(() => c.mul(x), saved);
    assert.equal(stack([c, x]).requiresGrad, true);
    assert.equal(c.clone().mul(x).requiresGrad, true);

    const plain = ones(1, 2, 3);
    assert.equal(made().mul(plain).requiresGrad, false);
  });

  test('also in writes', () => {
    const a = computed(true);
    assert.throws(() => a.mul_(made()), saved);
    assert.deepEqual([a._version, String(a.gradFn)], [0, '<CloneBackward0>']);
    const b = computed(false);
    b.mul_(made());
    assert.equal(b.requiresGrad, false);
  });

  test('give their shapes to views of ordinary ones, and take theirs', () => {
    for (const requiresGrad of both) {
      const x = ones(1, 2, 3, { requiresGrad });
      const c = made();
      assert.equal(isInference(c.viewAs(x)), true);
      assert.equal(c.viewAs(x).requiresGrad, false);
      assert.equal(isInference(x.viewAs(c)), false);
      assert.equal(x.viewAs(c).requiresGrad, requiresGrad);
    }
  });

  test('cannot be saved by a custom function that is recorded', () => {
    class Scale extends autograd.Function {
      static forward(ctx: autograd.FunctionCtx, x: Tensor, factor: Tensor): Tensor {
        ctx.saveForBackward(factor);
        return x.mul(factor);
      }
      static backward(ctx: autograd.FunctionCtx, g: Tensor): [Tensor, null] {
        return [g.mul(ctx.savedTensors[0]), null];
      }
    }
    assert.equal(Scale.apply(ones(1, 2, 3), made()).requiresGrad, false);
    assert.throws(() => Scale.apply(ones(1, 2, 3, { requiresGrad: true }), made()), saved);
  });
});

describe('ordinary tensors in it', () => {
  test('stay ordinary when they are written to, and so do their views', () => {
    for (const [name, write] of Object.entries(writes)) {
      for (const requiresGrad of both) {
        const a = computed(requiresGrad);
        inferenceMode(() => {
          for (let i = 0; i < 2; i++) {
            write(a);
            assert.deepEqual([isInference(a), a.requiresGrad], [false, requiresGrad], name);
          }
          const view = a.view(-1);
          assert.deepEqual([isInference(view), view.requiresGrad], [false, requiresGrad], name);
        });
        write(a);
        assert.deepEqual([isInference(a), a.requiresGrad], [false, requiresGrad], name);
        assert.equal(a.view(-1).requiresGrad, requiresGrad, name);
      }
    }
  });

  test('count writes: what was saved before must not change', () => {
    const a = computed(true);
    const y = a.mul(a);
    inferenceMode(() => a.add_(2));
    assert.throws(() => y.sum().backward(), { code: 'inplace', message: /modified by an inplace operation/ });
  });

  test('leaves may be written to', () => {
    const x = ones(2, { requiresGrad: true });
    inferenceMode(() => x.add_(1));
    assert.deepEqual([x.requiresGrad, x.isLeaf, x._version, x.tolist()], [true, true, 1, [2, 2]]);
  });

  test('gradients that are computed in it are inference tensors', () => {
    const x = ones(2, { requiresGrad: true });
    const y = x.mul(x).sum();
    inferenceMode(() => y.backward());
    assert.deepEqual(x.grad?.tolist(), [2, 2]);
    assert.equal(isInference(x.grad as Tensor), true);
  });
});

describe('views taken in it of ordinary tensors', () => {
  test('are views, which require grad as their base does', () => {
    for (const requiresGrad of both) {
      const a = computed(requiresGrad);
      inferenceMode(() => {
        const view = a.view(-1);
        const again = view.view(-1);
        for (const v of [view, again]) {
          assert.deepEqual([isInference(v), v.requiresGrad, v._isView(), v.isLeaf], [false, requiresGrad, true, true]);
        }
        again.add_(2);
        assert.deepEqual([again.requiresGrad, again._version, a._version], [requiresGrad, 1, 1]);
      });
    }
  });

  test('may be used outside', () => {
    for (const requiresGrad of both) {
      const a = computed(requiresGrad);
      const view = inferenceMode(() => a.view(-1));
      assert.equal(view.mul(view).requiresGrad, requiresGrad);
      assert.equal(view.view(2, 3).requiresGrad, requiresGrad);
    }
  });

  test('may not be written to outside while that is recorded', () => {
    for (const [name, write] of Object.entries(writes)) {
      const view = (requiresGrad: boolean): Tensor => {
        const a = computed(requiresGrad);
        return inferenceMode(() => a.viewAs(a));
      };
      assert.throws(
        () => write(view(true)),
        {
          code: 'inplace',
          message: /^A view was created in inference mode and is being modified inplace in normal mode\./,
        },
        name,
      );
      write(view(false));
    }
  });

  test('have no place in the graph once their base was written to outside', () => {
    for (const [name, write] of Object.entries(writes)) {
      for (const requiresGrad of both) {
        const a = computed(requiresGrad);
        const view = inferenceMode(() => a.view(-1));
        write(a);
        if (!requiresGrad) {
          assert.equal(view.gradFn, null);
          continue;
        }
        assert.throws(
          () => view.gradFn,
          {
            message:
              /^A view was created in inference mode and its base or another view of its base has been modified inplace in normal mode/,
          },
          name,
        );
        assert.match(String(view), /grad_fn=<Invalid>/);
      }
    }
  });

  test('nor may views of them be written to', () => {
    const x = tensor([0, 0]);
    const view = inferenceMode(() => x.view(2));
    view.requiresGrad_();
    assert.throws(() => view.view(2).div_(2), {
      code: 'inplace',
      message: /is a view of a view which was created in inference mode and is being modified inplace in normal mode/,
    });
  });
});
