import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AdjointError } from '../../src/errors.ts';
import {
  arange,
  autograd,
  empty,
  func,
  manualSeed,
  nn,
  noGrad,
  ones,
  randn,
  stack,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.ts';

const F = nn.functional;
const { init } = nn;

function assertFails(call: () => unknown, code: string, message: RegExp): void {
  assert.throws(
    call,
    (error) => error instanceof AdjointError && error.code === code && message.test(error.message),
    String(call),
  );
}

function assertNear(actual: Tensor, expected: Tensor, tolerance = 1e-6): void {
  assert.deepEqual(actual.shape, expected.shape);
  const difference = Number(actual.sub(expected).abs().amax().item());
  assert.ok(difference <= tolerance, `differs by ${difference}`);
}

describe('linear maps', () => {
  test('Linear is x @ weight^T + bias', () => {
    const linear = new nn.Linear(2, 3);
    const x = randn(4, 5, 2);
    assertNear(linear.forward(x), x.matmul(linear.weight.t()).add(linear.bias as Tensor));
    assert.deepEqual([linear.weight.shape, linear.bias?.shape], [[3, 2], [3]]);
    const plain = new nn.Linear(2, 3, false, { dtype: 'float64' });
    assert.deepEqual([plain.bias, plain.weight.dtype, plain.parameters().length], [null, 'float64', 1]);
    assert.deepEqual(new nn.Linear(0, 2).forward(empty(3, 0)).tolist(), Array(3).fill([0, 0]));
  });

  test('are drawn below the bound of their inputs', () => {
    const linear = new nn.Linear(16, 400);
    for (const p of linear.parameters()) {
      const [least, greatest] = [Number(p.amin().item()), Number(p.amax().item())];
      assert.ok(least >= -0.25 && least < -0.24 && greatest <= 0.25 && greatest > 0.24);
    }
    const before = linear.weight.tolist();
    linear.resetParameters();
    assert.notDeepEqual(linear.weight.tolist(), before);
  });

  test('Bilinear', () => {
    const bilinear = new nn.Bilinear(2, 3, 4);
    const [a, b] = [randn(5, 2), randn(5, 3)];
    const expected = a.unsqueeze(1).unsqueeze(1).matmul(bilinear.weight).matmul(b.unsqueeze(1).unsqueeze(-1));
    assertNear(bilinear.forward(a, b), expected.reshape([5, 4]).add(bilinear.bias as Tensor));
  });

  test('sizes are checked', () => {
    assertFails(() => new nn.Linear(-1, 2), 'argument', /inFeatures must not be negative, got -1/);
    assertFails(() => new nn.Linear(1.5, 2), 'argument', /inFeatures must be a whole number/);
    assertFails(() => new nn.Linear(1, 2, { dtype: 'int64' }), 'dtype', /floating point dtype/);
    assertFails(() => new nn.Linear(1, 2, { biass: true } as never), 'argument', /unknown option "biass"/);
  });
});

test('activations compute their functions', () => {
  const x = tensor([[-2, -0.5, 0, 0.25, 1, 7]]);
  const pairs: [module: nn.Layer, f: Tensor][] = [
    [new nn.ReLU(), F.relu(x)],
    [new nn.ReLU6(), F.relu6(x)],
    [new nn.LeakyReLU(0.2), F.leakyRelu(x, 0.2)],
    [new nn.ELU({ alpha: 2 }), F.elu(x, 2)],
    [new nn.CELU(2), F.celu(x, 2)],
    [new nn.SELU(), F.selu(x)],
    [new nn.GELU('tanh'), F.gelu(x, 'tanh')],
    [new nn.SiLU(), F.silu(x)],
    [new nn.Mish(), F.mish(x)],
    [new nn.Softplus(2, 1), F.softplus(x, 2, 1)],
    [new nn.Hardtanh({ maxVal: 0.5 }), F.hardtanh(x, -1, 0.5)],
    [new nn.Hardsigmoid(), F.hardsigmoid(x)],
    [new nn.Hardswish(), F.hardswish(x)],
    [new nn.Sigmoid(), x.sigmoid()],
    [new nn.Tanh(), x.tanh()],
    [new nn.LogSigmoid(), F.logsigmoid(x)],
    [new nn.Softsign(), F.softsign(x)],
    [new nn.Tanhshrink(), F.tanhshrink(x)],
    [new nn.Softshrink(0.3), F.softshrink(x, 0.3)],
    [new nn.Hardshrink(0.3), F.hardshrink(x, 0.3)],
    [new nn.Threshold(0.1, -3), F.threshold(x, 0.1, -3)],
    [new nn.GLU(), F.glu(x)],
    [new nn.PReLU(), F.prelu(x, tensor(0.25))],
    [new nn.PReLU({ init: 0.5 }), F.prelu(x, tensor(0.5))],
    [new nn.RReLU().eval() as nn.RReLU, F.rrelu(x)],
    [new nn.Softmax(1), x.softmax(1)],
    [new nn.LogSoftmax({ dim: -1 }), x.logSoftmax(1)],
    [new nn.Softmin(1), x.neg().softmax(1)],
    [new nn.Identity(), x],
    [new nn.Flatten(0), x.reshape(6)],
    [new nn.Unflatten(1, [2, 3]), x.reshape(1, 2, 3)],
  ];
  for (const [module, f] of pairs) {
    const out = module.forward(x);
    assert.deepEqual([out.tolist(), out.shape], [f.tolist(), f.shape], String(module));
  }
  const own = x.clone();
  assert.equal(new nn.ReLU({ inplace: true }).forward(own), own);
  assertFails(() => new (nn.Softmax as never as new () => nn.Softmax)(), 'argument', /give the dimension/);
});

describe('dropout', () => {
  const all: [name: string, module: nn.Layer, x: Tensor][] = [
    ['Dropout', new nn.Dropout(0.5), ones(100)],
    ['Dropout1d', new nn.Dropout1d(0.5), ones(50, 10)],
    ['Dropout2d', new nn.Dropout2d(0.5), ones(10, 10, 2, 2)],
    ['Dropout3d', new nn.Dropout3d(0.5), ones(10, 10, 2, 2, 2)],
    ['AlphaDropout', new nn.AlphaDropout(0.5), ones(100)],
    ['FeatureAlphaDropout', new nn.FeatureAlphaDropout(0.5), ones(10, 10, 2)],
  ];
  for (const [name, module, x] of all) {
    test(`${name} is for training only`, () => {
      manualSeed(2);
      const out = module.forward(x);
      const values = new Set(out.flatten().tolist() as number[]);
      assert.equal(values.size, 2);
      assert.equal(module.eval().forward(x), x);
      assert.notEqual(module.train().forward(x), x);
    });
  }

  test('drops whole channels', () => {
    manualSeed(3);
    const out = new nn.Dropout2d(0.5).forward(ones(8, 4, 3, 3));
    assert.ok(out.flatten(2).amax(-1).eq(out.flatten(2).amin(-1)).all().item());
  });

  test('its gradient is what was kept', () => {
    manualSeed(4);
    const x = ones(50).requiresGrad_();
    const out = F.dropout(x, 0.2);
    out.sum().backward();
    assert.deepEqual(x.grad?.tolist(), out.tolist());
  });

  test('alpha dropout keeps mean and variance', () => {
    manualSeed(5);
    const out = new nn.AlphaDropout(0.3).forward(randn(100_000));
    assert.ok(Math.abs(Number(out.mean().item())) < 0.02);
    assert.ok(Math.abs(Number(out.var().item()) - 1) < 0.02);
  });

  test('in place, and probabilities that are none', () => {
    const x = ones(10);
    assert.equal(new nn.Dropout(1, true).forward(x), x);
    assert.deepEqual(x.tolist(), Array(10).fill(0));
    assertFails(() => new nn.Dropout(-0.1), 'argument', /between 0 and 1, but got -0.1/);
  });
});

describe('normalisation', () => {
  test('LayerNorm', () => {
    const norm = new nn.LayerNorm([2, 3]);
    const x = randn(4, 2, 3).mul(5).add(3);
    const flat = norm.forward(x).flatten(1);
    assertNear(flat.mean(1), ones(4).mul(0), 1e-5);
    assertNear(flat.var(1, { correction: 0 }), ones(4), 1e-4);
    noGrad(() => {
      norm.weight?.fill_(2);
      norm.bias?.fill_(1);
    });
    assertNear(norm.forward(x).flatten(1), flat.mul(2).add(1), 1e-5);
    const plain = new nn.LayerNorm(3, { elementwiseAffine: false });
    assert.deepEqual([plain.weight, plain.bias, plain.parameters().length], [null, null, 0]);
    assert.equal(new nn.LayerNorm(3, { bias: false }).parameters().length, 1);
    assertFails(
      () => norm.forward(ones(4, 3, 2)),
      'shape',
      /Given normalized_shape=\[2, 3\], expected input with shape/,
    );
  });

  test('GroupNorm', () => {
    const norm = new nn.GroupNorm(2, 4);
    const out = norm.forward(randn(3, 4, 5)).reshape(3, 2, 10);
    assertNear(out.mean(2), out.mean(2).mul(0), 1e-5);
    assertFails(() => new nn.GroupNorm(3, 4), 'argument', /num_channels \(4\) must be divisible by num_groups \(3\)/);
    assertFails(() => F.groupNorm(ones(1, 4), 3), 'shape', /divisible by num_groups/);
  });

  test('batch normalisation moves its running statistics in training only', () => {
    const [mean, variance] = [tensor([0, 0]), tensor([1, 1])];
    const x = tensor([
      [1, 10],
      [3, 30],
    ]);
    const out = F.batchNorm(x, mean, variance, { training: true, eps: 0 });
    assert.deepEqual(out.tolist(), [
      [-1, -1],
      [1, 1],
    ]);
    assertNear(mean, tensor([0.2, 2]));
    assertNear(variance, tensor([1.1, 20.9]), 1e-5);
    const still = F.batchNorm(x, mean, variance, null, null, false, 0.1, 0);
    assertNear(still, x.sub(mean).div(variance.sqrt()), 1e-5);
    assertNear(mean, tensor([0.2, 2]));
    assertFails(
      () => F.batchNorm(ones(1, 2), null, null, { training: true }),
      'argument',
      /more than 1 value per channel/,
    );
    assertFails(() => F.batchNorm(ones(2, 2), null, null), 'argument', /to be defined when not training/);
  });

  test('rmsNorm', () => {
    const x = tensor([[3, 4]]);
    assertNear(F.rmsNorm(x, [2], tensor([1, 2]), 0), tensor([[3, 8]]).div(Math.sqrt(12.5)));
  });
});

describe('Embedding', () => {
  test('looks up rows, and its gradient goes to them', () => {
    const table = new nn.Embedding(4, 2);
    const out = table.forward(tensor([[1n, 3n, 1n]]));
    assert.deepEqual(out.shape, [1, 3, 2]);
    assert.deepEqual(out.tolist(), [[1, 3, 1].map((i) => (table.weight.tolist() as number[][])[i])]);
    out.sum().backward();
    assert.deepEqual(table.weight.grad?.tolist(), [
      [0, 0],
      [2, 2],
      [0, 0],
      [1, 1],
    ]);
  });

  test('a row of padding is zero and not learnt', () => {
    const table = new nn.Embedding(3, 2, { paddingIdx: -1 });
    assert.equal(table.paddingIdx, 2);
    assert.deepEqual((table.weight.tolist() as number[][])[2], [0, 0]);
    table
      .forward(tensor([2n, 0n]))
      .sum()
      .backward();
    assert.deepEqual(table.weight.grad?.tolist(), [
      [1, 1],
      [0, 0],
      [0, 0],
    ]);
  });

  test('rows that are too long are shortened, and frequent ones share their gradient', () => {
    const weight = tensor([
      [3, 4],
      [0.3, 0.4],
      [6, 8],
    ]);
    const table = nn.Embedding.fromPretrained(weight, { freeze: false, maxNorm: 1, scaleGradByFreq: true });
    const out = table.forward(tensor([0n, 1n, 0n]));
    assertNear(
      out,
      tensor([
        [0.6, 0.8],
        [0.3, 0.4],
        [0.6, 0.8],
      ]),
    );
    assert.deepEqual((table.weight.tolist() as number[][])[2], [6, 8]);
    out.sum().backward();
    assert.deepEqual(table.weight.grad?.tolist(), [
      [1, 1],
      [1, 1],
      [0, 0],
    ]);
    assert.equal(nn.Embedding.fromPretrained(weight).weight.requiresGrad, false);
  });

  test('what is no row', () => {
    const table = new nn.Embedding(3, 2);
    assertFails(() => table.forward(tensor([3n])), 'index', /3/);
    assertFails(() => table.forward(tensor([1])), 'dtype', /indices of an integer dtype, got float32/);
    assertFails(() => new nn.Embedding(3, 2, 5), 'argument', /Padding_idx must be within num_embeddings: 5 of 3/);
    assertFails(() => F.embedding(tensor([0n]), ones(3)), 'shape', /'weight' must be 2-D, got shape \[3\]/);
    assertFails(() => F.embedding(tensor([0n]), ones(3, 1), { sparse: true }), 'unsupported', /no sparse gradients/);
  });

  test('oneHot', () => {
    assert.deepEqual(F.oneHot(tensor([2n, 0n])).tolist(), [
      [0, 0, 1],
      [1, 0, 0],
    ]);
    assert.deepEqual(F.oneHot(tensor(1n), 2).tolist(), [0, 1]);
    assert.deepEqual(F.oneHot(empty(0, { dtype: 'int64' }), 3).shape, [0, 3]);
    assertFails(() => F.oneHot(tensor([2n]), 2), 'argument', /must be smaller than num_classes/);
    assertFails(() => F.oneHot(tensor([-1n])), 'argument', /must be non-negative/);
    assertFails(() => F.oneHot(empty(0, { dtype: 'int64' })), 'argument', /Can not infer/);
    assertFails(() => F.oneHot(tensor([1])), 'dtype', /integer dtype/);
  });

  test('embeddingBag', () => {
    const weight = tensor([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    const input = tensor([0n, 1n, 2n, 2n]);
    const offsets = tensor([0n, 2n, 2n]);
    const bags = (mode: 'sum' | 'mean' | 'max'): unknown => F.embeddingBag(input, weight, offsets, { mode }).tolist();
    assert.deepEqual(bags('sum'), [
      [4, 6],
      [0, 0],
      [10, 12],
    ]);
    assert.deepEqual(bags('mean'), [
      [2, 3],
      [0, 0],
      [5, 6],
    ]);
    assert.deepEqual(bags('max'), [
      [3, 4],
      [0, 0],
      [5, 6],
    ]);
    assertFails(() => F.embeddingBag(input, weight), 'shape', /1D with offsets/);
    assertFails(() => F.embeddingBag(input, weight, tensor([1n])), 'argument', /offsets must start at 0/);
  });
});

test('attention', () => {
  const [q, k, v] = [randn(2, 4, 3), randn(2, 5, 3), randn(2, 5, 6)];
  const scores = q.matmul(k.mT).div(Math.sqrt(3));
  assertNear(F.scaledDotProductAttention(q, k, v), scores.softmax(-1).matmul(v), 1e-5);
  const causal = F.scaledDotProductAttention(q, k, v, { isCausal: true });
  assertNear(causal.select(1, 0), v.select(1, 0), 1e-5);
  const mask = arange(5).lt(2).expand(4, 5);
  const own = F.scaledDotProductAttention(q, k.narrow(1, 0, 2), v.narrow(1, 0, 2));
  assertNear(F.scaledDotProductAttention(q, k, v, mask), own, 1e-5);
  assertFails(() => F.scaledDotProductAttention(q, k, v, mask, 0, true), 'argument', /should not be set when/);
  // by hand: a mask for the triangle, and a scale
  const triangle = ones(4, 5, { dtype: 'bool' }).tril();
  assertNear(F.scaledDotProductAttention(q, k, v, { attnMask: triangle }), causal, 1e-6);
  const added = zeros(2, 4, 5).maskedFill(triangle.logicalNot(), Number.NEGATIVE_INFINITY);
  assertNear(F.scaledDotProductAttention(q, k, v, { attnMask: added }), causal, 1e-6);
  const half = F.scaledDotProductAttention(q, k, v, { scale: 0.5 });
  assertNear(half, q.matmul(k.mT).mul(0.5).softmax(-1).matmul(v), 1e-5);
  // as in PyTorch, nothing comes of nothing
  const none = F.scaledDotProductAttention(q, k, v, { attnMask: triangle.logicalAnd(arange(4).ne(2).unsqueeze(1)) });
  assert.deepEqual(none.select(1, 2).tolist(), zeros(2, 6).tolist());
});

test('attention has derivatives of any order, forward mode and batches', () => {
  const double = (...shape: number[]): Tensor => randn(...shape, { dtype: 'float64', requiresGrad: true });
  const inputs = [double(2, 3, 2), double(2, 4, 2), double(2, 4, 3)];
  const mask = double(3, 4);
  const blind = ones(3, 4, { dtype: 'bool' }).tril(-1);
  for (const attention of [
    (q: Tensor, k: Tensor, v: Tensor) => F.scaledDotProductAttention(q, k, v, { isCausal: true }),
    (q: Tensor, k: Tensor, v: Tensor) => F.scaledDotProductAttention(q, k, v, { attnMask: blind }),
    (q: Tensor, k: Tensor, v: Tensor) => F.scaledDotProductAttention(q, k, v, mask),
  ]) {
    assert.ok(autograd.gradcheck(attention, inputs, { checkForwardAd: true }));
    assert.ok(autograd.gradgradcheck(attention, inputs));
    const [q, k, v] = inputs;
    assertNear(func.vmap(attention)(q, k, v), attention(q, k, v), 1e-12);
  }
  const masked = (m: Tensor): Tensor => F.scaledDotProductAttention(...(inputs as [Tensor, Tensor, Tensor]), m);
  assert.ok(autograd.gradcheck(masked, [mask]) && autograd.gradgradcheck(masked, [mask]));
  const masks = randn(5, 3, 4, { dtype: 'float64' });
  assertNear(func.vmap(masked)(masks), stack(masks.unbind(0).map(masked)), 1e-12);
});

describe('padding', () => {
  const x = tensor([[1, 2, 3]]);
  test('modes', () => {
    assert.deepEqual(F.pad(x, [1, 2]).tolist(), [[0, 1, 2, 3, 0, 0]]);
    assert.deepEqual(F.pad(x, [-1, 1], 'constant', 9).tolist(), [[2, 3, 9]]);
    assert.deepEqual(F.pad(x, [0, 0, 1, 0], { value: 7 }).tolist(), [
      [7, 7, 7],
      [1, 2, 3],
    ]);
    assert.deepEqual(F.pad(x, [2, 1], 'reflect').tolist(), [[3, 2, 1, 2, 3, 2]]);
    assert.deepEqual(F.pad(x, [2, 1], 'replicate').tolist(), [[1, 1, 1, 2, 3, 3]]);
    assert.deepEqual(F.pad(x, [2, 1], 'circular').tolist(), [[2, 3, 1, 2, 3, 1]]);
    assert.deepEqual(F.pad(x, [-5, 3]).shape, [1, 1]);
  });

  test('that cannot be', () => {
    assertFails(() => F.pad(x, [1]), 'argument', /divisible by 2/);
    assertFails(() => F.pad(x, [1, 1, 1, 1, 1, 1]), 'shape', /two times the input dimension/);
    assertFails(() => F.pad(x, [-2, -2]), 'shape', /resulted in a negative output size/);
    assertFails(() => F.pad(x, [3, 0], 'reflect'), 'shape', /should be at most 2 at dimension 1/);
    assertFails(() => F.pad(x, [4, 0], 'circular'), 'shape', /should be at most 3/);
    assertFails(() => F.pad(x, [1, 1], 'mirror' as never), 'argument', /Unrecognised padding mode "mirror"/);
    assertFails(() => F.pad(x, [1, 1], 'reflect', 2), 'argument', /doesn't take in value argument/);
    assertFails(() => F.pad(x, [1, 1, 1, 1], 'reflect'), 'unsupported', /Only 2D, 3D, 4D, 5D padding/);
  });
});

describe('initial values', () => {
  const spread = (t: Tensor): [mean: number, std: number, least: number, greatest: number] => [
    Number(t.mean().item()),
    Number(t.std().item()),
    Number(t.amin().item()),
    Number(t.amax().item()),
  ];

  test('write over a leaf unrecorded and return it', () => {
    const p = new nn.Parameter(ones(2, 3));
    for (const f of [init.uniform_, init.normal_, init.truncNormal_, init.zeros_, init.ones_, init.eye_]) {
      assert.equal(f(p), p);
      assert.ok(p.isLeaf && p.requiresGrad);
    }
    assert.deepEqual(p.tolist(), [
      [1, 0, 0],
      [0, 1, 0],
    ]);
    assert.deepEqual(init.constant_(p, 0.5).tolist(), Array(2).fill([0.5, 0.5, 0.5]));
  });

  test('have the spread that they should', () => {
    manualSeed(11);
    const weight = empty(200, 50, 2); // fan in 100, fan out 400
    const near = (actual: number, expected: number): void =>
      assert.ok(Math.abs(actual - expected) <= 0.02 * Math.abs(expected), `${actual} is not about ${expected}`);
    near(spread(init.xavierUniform_(weight, { gain: 2 }))[3], 2 * Math.sqrt(6 / 500));
    near(spread(init.xavierNormal_(weight))[1], Math.sqrt(2 / 500));
    near(spread(init.kaimingUniform_(weight))[3], Math.sqrt(6 / 100));
    near(spread(init.kaimingUniform_(weight, { mode: 'fanOut', nonlinearity: 'linear' }))[3], Math.sqrt(3 / 400));
    near(spread(init.kaimingNormal_(weight, Math.sqrt(5)))[1], Math.sqrt(2 / 6 / 100));
    const [, , least, greatest] = spread(init.truncNormal_(weight, 0, 1, -0.5, 0.25));
    assert.ok(least >= -0.5 && least < -0.49 && greatest <= 0.25 && greatest > 0.24);
  });

  test('calculateGain', () => {
    assert.equal(init.calculateGain('relu'), Math.SQRT2);
    assert.equal(init.calculateGain('tanh'), 5 / 3);
    assert.equal(init.calculateGain('leakyRelu', 1), 1);
    assert.equal(init.calculateGain('leakyRelu'), Math.sqrt(2 / 1.0001));
    assertFails(() => init.calculateGain('swish' as never), 'argument', /Unsupported nonlinearity "swish"/);
  });

  test('that cannot be', () => {
    assertFails(() => init.kaimingUniform_(ones(3)), 'shape', /fewer than 2 dimensions, got shape \[3\]/);
    assertFails(
      () => init.kaimingUniform_(ones(3, 2), { mode: 'fan_in' as never }),
      'argument',
      /use one of 'fanIn', 'fanOut'/,
    );
    assertFails(() => init.eye_(ones(3)), 'shape', /Only tensors with 2 dimensions/);
    assertFails(() => init.truncNormal_(ones(3), 0, 1, 2, 1), 'argument', /a < b/);
    assert.deepEqual(init.kaimingNormal_(empty(0, 3)).shape, [0, 3]);
  });
});
