/** gradcheck and gradgradcheck, and what they find in a dozen operators. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { autograd, eye, stack, type Tensor, tensor } from '../../src/index.ts';

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
    assert.throws(() => gradcheck((x) => x.detach().mul(2), leaf([1, 2])), /Jacobian mismatch/);
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

  test('needs an input that requires grad, and known options', () => {
    assert.throws(() => gradcheck((x) => x.exp(), tensor([1, 2])), {
      code: 'argument',
      message: /^gradcheck expects at least one input tensor to require gradient/,
    });
    assert.throws(() => gradcheck((x) => x.exp(), leaf([1]), { epsilon: 1 } as object), {
      code: 'argument',
      message: /^gradcheck: unknown option "epsilon"/,
    });
    assert.throws(() => gradcheck((x) => x.exp(), [1] as never), {
      code: 'argument',
      message: /expected Tensors, got 1/,
    });
  });
});

test('forward mode and batches of cotangents are checked where asked for', () => {
  const x = tensor([[0.5, -1], [2, 0.3]], { dtype: 'float64', requiresGrad: true }); // biome-ignore format: a matrix
  const f = (a: Tensor): Tensor => a.tanh().matmul(a).softmax(1);
  const all = { checkForwardAd: true, checkBatchedGrad: true };
  assert.equal(autograd.gradcheck(f, x, all), true);
  assert.equal(autograd.gradgradcheck(f, x, all), true);
  class Tripled extends autograd.Function {
    static forward(_: autograd.FunctionCtx, a: Tensor): Tensor {
      return a.mul(2);
    }
    static backward(_: autograd.FunctionCtx, g: Tensor): Tensor {
      return g.mul(2);
    }
    static jvp(_: autograd.FunctionCtx, t: Tensor): Tensor {
      return t.mul(3);
    }
  }
  assert.equal(
    autograd.gradcheck((a) => Tripled.apply(a), x),
    true,
  );
  assert.throws(
    () => autograd.gradcheck((a) => Tripled.apply(a), x, { checkForwardAd: true }),
    /Jacobian computed with forward mode mismatch for output 0 with respect to input 0/,
  );
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
