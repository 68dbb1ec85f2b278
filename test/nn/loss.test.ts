import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { AdjointError } from '../../src/errors.ts';
import { autograd, func, linspace, nn, ones, stack, Tensor, tensor } from '../../src/index.ts';

const F = nn.functional;

interface Numbers {
  shape: number[];
  values: number[];
}
interface Call {
  call: string;
  args: (string | number)[];
  kwargs: Record<string, unknown>;
  output: Numbers;
  gradients: Record<string, Numbers | null>;
}
const recording: {
  tensors: Record<string, Numbers & { dtype: 'float64' | 'int64'; leaf: boolean }>;
  calls: Call[];
} = JSON.parse(readFileSync('test/nn/losses.json', 'utf8'));

const camelCase = (name: string): string => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

function assertNumbers(actual: Tensor, { shape, values }: Numbers, where: string): void {
  assert.deepEqual(actual.shape, shape, where);
  const own = Array.from(actual.toTypedArray(), Number);
  values.forEach((value, i) => {
    const near = Object.is(own[i], value) || Math.abs(own[i] - value) <= 1e-12 * Math.max(1, Math.abs(value));
    assert.ok(near, `${where}: [${i}] is ${own[i]}, not ${value}`);
  });
}

describe('values and gradients as PyTorch gives them', () => {
  for (const { call, args, kwargs, output, gradients } of recording.calls) {
    test(`${call}(${args.join(', ')}) ${JSON.stringify(kwargs)}`, () => {
      const leaves = Object.fromEntries(
        Object.entries(recording.tensors).map(([name, { shape, values, dtype, leaf }]) => {
          const t = tensor(dtype === 'int64' ? values.map(BigInt) : Float64Array.from(values)).reshape(shape);
          return [name, leaf ? t.requiresGrad_() : t];
        }),
      );
      const of = (value: unknown): unknown => (typeof value === 'string' ? leaves[value] : value);
      const options = Object.entries(kwargs).map(([name, value]) => [
        camelCase(name),
        name === 'reduction' ? value : of(value),
      ]);
      const f = F[camelCase(call) as 'mseLoss'] as (...all: unknown[]) => Tensor;
      const out = f(...args.map(of), Object.fromEntries(options));
      assertNumbers(out, output, 'output');
      const weights = linspace(0.5, 1.5, out.numel(), { dtype: 'float64' }).reshape(out.shape);
      const names = Object.keys(gradients);
      const found = autograd.grad(
        out.mul(weights).sum(),
        names.map((name) => leaves[name]),
        { allowUnused: true },
      );
      names.forEach((name, k) => {
        const [own, expected] = [found[k], gradients[name]];
        if (expected === null || own === null) assert.equal(own, expected, name);
        else assertNumbers(own, expected, `gradient of ${name}`);
      });
    });
  }
});

test('a sample that does not count is not even looked at', () => {
  const x = tensor(
    [
      [Number.NEGATIVE_INFINITY, Number.NaN],
      [1, 2],
    ],
    { requiresGrad: true },
  );
  const loss = F.nllLoss(x, tensor([-100n, 1n]));
  loss.backward();
  assert.deepEqual(
    [loss.item(), x.grad?.tolist()],
    [
      -2,
      [
        [0, 0],
        [0, -1],
      ],
    ],
  );
  assert.ok(Number.isNaN(F.nllLoss(x, tensor([-100n, -100n])).item()));
});

test('classes may be of any integer dtype', () => {
  const x = tensor([[1, 2, 4]]);
  for (const dtype of ['int64', 'int32', 'uint8'] as const) {
    assert.equal(F.nllLoss(x, tensor([2], { dtype })).item(), -4);
  }
});

test('losses of logits do not overflow', () => {
  const x = tensor([-1000, 1000], { requiresGrad: true });
  const loss = F.binaryCrossEntropyWithLogits(x, tensor([1, 0]), { reduction: 'sum' });
  loss.backward();
  assert.deepEqual([loss.item(), x.grad?.tolist()], [2000, [-1, 1]]);
  assert.equal(F.crossEntropy(tensor([[1000, -1000]]), tensor([1n])).item(), 2000);
  assert.equal(F.softMarginLoss(tensor([-1000]), tensor([1])).item(), 1000);
  assert.equal(F.binaryCrossEntropy(tensor([0]), tensor([1])).item(), 100);
});

test('what is not finite comes out of the cross-entropy as in PyTorch, also where a sample is ignored', () => {
  const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];
  const loss = (logits: number[][], target: bigint[], options = {}): [loss: unknown, gradient: unknown] => {
    const x = tensor(logits, { requiresGrad: true });
    const loss = F.crossEntropy(x, tensor(target), options);
    loss.sum().backward();
    return [loss.tolist(), x.grad?.mul(1e4).round().tolist()];
  };
  assert.deepEqual(loss([[1, 2, 3]], [-100n]), [nan, [[0, 0, 0]]]);
  const half = [1753, -9609, 7856];
  assert.deepEqual(
    loss(
      [
        [1, nan, 3],
        [0.5, -1, 2],
      ],
      [-100n, 1n],
    )[1],
    [[nan, nan, nan], half],
  );
  assert.deepEqual(
    loss(
      [
        [1, nan, 3],
        [0.5, -1, 2],
      ],
      [0n, 1n],
      { ignoreIndex: 0 },
    )[1],
    [[nan, nan, nan], half],
  );
  assert.deepEqual(
    loss(
      [
        [inf, 0, 1],
        [0.5, -inf, 2],
      ],
      [0n, 1n],
      { reduction: 'none' },
    ),
    [
      [nan, inf],
      [
        [nan, nan, nan],
        [1824, -10000, 8176],
      ],
    ],
  );
  assert.deepEqual(loss([[0.5, -1, 2]], [1n], { weight: tensor([1, 0, 1]) }), [nan, [[nan, nan, nan]]]);
});

test('the cross-entropy of logits is the likelihood of their log softmax, with derivatives of any order', () => {
  const targets = tensor([
    [0n, 2n, 3n],
    [1n, 0n, -7n],
  ]);
  const weight = tensor([1, 2, 0.5, 3], { dtype: 'float64' });
  for (const options of [{}, { weight }, { reduction: 'sum' }, { weight, reduction: 'none' }] as const) {
    const given = { ...options, ignoreIndex: -7 };
    const whole = (x: Tensor): Tensor => F.crossEntropy(x, targets, given);
    const parts = (x: Tensor): Tensor => F.nllLoss(x.logSoftmax(1), targets, given);
    const x = linspace(-2, 3, 24, { dtype: 'float64' }).reshape(2, 4, 3).sin().requiresGrad_();
    const near = (a: Tensor, b: Tensor): void => assert.ok(Number(a.sub(b).abs().max().item()) < 1e-12);
    near(whole(x), parts(x));
    const [first, other] = [whole, parts].map((f) => autograd.grad(f(x).square().sum(), x, { createGraph: true })[0]);
    near(first, other);
    near(...([first, other].map((g) => autograd.grad(g.cos().sum(), x)[0]) as [Tensor, Tensor]));
    const tangent = x.detach().cos();
    near(func.jvp(whole, [x.detach()], [tangent])[1], func.jvp(parts, [x.detach()], [tangent])[1]);
    const batch = stack([x.detach(), tangent]);
    near(func.vmap(whole)(batch), stack(batch.unbind(0).map(parts)));
  }
});

test('nodes are named as in PyTorch', () => {
  const x = tensor([[0.25, 0.5]], { requiresGrad: true });
  const y = tensor([[0.5, 0.75]]);
  const names: [loss: Tensor, name: string][] = [
    [F.mseLoss(x, y), 'MseLossBackward0'],
    [F.l1Loss(x, y), 'MeanBackward0'],
    [F.smoothL1Loss(x, y), 'SmoothL1LossBackward0'],
    [F.huberLoss(x, y, 'none'), 'HuberLossBackward0'],
    [F.binaryCrossEntropy(x, y), 'BinaryCrossEntropyBackward0'],
    [F.binaryCrossEntropyWithLogits(x, y), 'BinaryCrossEntropyWithLogitsBackward0'],
    [F.softMarginLoss(x, y), 'SoftMarginLossBackward0'],
    [F.crossEntropy(x, tensor([1n])), 'NllLossBackward0'],
  ];
  for (const [loss, name] of names) assert.equal(loss.gradFn?.name(), name);
});

test('what does not fit', () => {
  const x = ones(2, 3);
  const classes = tensor([0n, 1n]);
  const cases: [() => unknown, string, RegExp][] = [
    [() => F.mseLoss(x, ones(2)), 'shape', /The size of tensor a \(3\) must match the size of tensor b \(2\)/],
    [() => F.mseLoss(x, x, 'avg' as never), 'argument', /"avg" is not a valid value for reduction/],
    [() => F.mseLoss(x, 1 as never), 'argument', /mseLoss: expected a Tensor, got 1/],
    [() => F.mseLoss(x, x, { reduce: true } as never), 'argument', /unknown option "reduce"/],
    [() => F.smoothL1Loss(x, x, { beta: -1 }), 'argument', /does not support negative values for beta/],
    [() => F.huberLoss(x, x, { delta: 0 }), 'argument', /does not support non-positive values for delta/],
    [() => F.nllLoss(x, tensor([0n, 5n])), 'index', /Target 5 is out of bounds/],
    [() => F.crossEntropy(x, tensor([0n, -1n])), 'index', /Target -1 is out of bounds/],
    [() => F.nllLoss(x, tensor([0n])), 'shape', /Expected target size \[2\] for input of shape \[2, 3\], got \[1\]/],
    [() => F.nllLoss(x, tensor([0, 1])), 'dtype', /classes in an integer dtype, got float32/],
    [() => F.nllLoss(tensor(1), tensor(1n)), 'shape', /dimension of classes/],
    [() => F.nllLoss(x, classes, ones(2)), 'shape', /either for all 3 classes or no classes but got .* \[2\]/],
    [() => F.crossEntropy(x, ones(2, 2)), 'dtype', /classes in an integer dtype/],
    [() => F.crossEntropy(x, classes, { labelSmoothing: 2 }), 'argument', /label_smoothing must be between/],
    [() => F.binaryCrossEntropy(x.mul(2), x), 'argument', /between 0 and 1/],
    [
      () => F.binaryCrossEntropy(x, ones(3)),
      'shape',
      /Target size \(\[3\]\) must be the same as input size \(\[2, 3\]\)/,
    ],
    [() => F.binaryCrossEntropyWithLogits(x, ones(3)), 'shape', /Target size/],
    [() => F.gaussianNllLoss(x, x, ones(4)), 'shape', /var is of incorrect size/],
    [() => F.gaussianNllLoss(x, x, x.neg()), 'argument', /var has negative/],
    [() => F.cosineEmbeddingLoss(x, x, x), 'shape', /expected inputs of \(N, D\)/],
    [() => F.multiMarginLoss(x, classes, 3), 'argument', /only p == 1 and p == 2/],
    [() => F.multiMarginLoss(x, tensor([0n])), 'shape', /got \[2, 3\] and \[1\]/],
    [() => F.multilabelMarginLoss(x, classes), 'shape', /Target size/],
    [
      () =>
        F.multilabelMarginLoss(
          x,
          tensor([
            [7n, 0n, 0n],
            [0n, 0n, 0n],
          ]),
        ),
      'index',
      /Target 7 is out of bounds/,
    ],
  ];
  for (const [call, code, message] of cases) {
    assert.throws(
      call,
      (error) => error instanceof AdjointError && error.code === code && message.test(error.message),
      String(call),
    );
  }
});

test('modules compute the functions, with their options', () => {
  const [x, y, z] = [tensor([[0.25, 0.5]]), tensor([[0.5, 0.75]]), tensor([[0.1, 0.2]])];
  const classes = tensor([1n]);
  const weight = tensor([0.5, 2]);
  const sum = { reduction: 'sum' } as const;
  const pairs: [module: Tensor, f: Tensor][] = [
    [new nn.MSELoss().forward(x, y), F.mseLoss(x, y)],
    [new nn.MSELoss('sum').forward(x, y), F.mseLoss(x, y, 'sum')],
    [new nn.L1Loss(sum).forward(x, y), F.l1Loss(x, y, sum)],
    [new nn.SmoothL1Loss({ beta: 0.125 }).forward(x, y), F.smoothL1Loss(x, y, { beta: 0.125 })],
    [new nn.HuberLoss('sum', 0.125).forward(x, y), F.huberLoss(x, y, 'sum', 0.125)],
    [new nn.NLLLoss(weight, { reduction: 'sum' }).forward(x, classes), F.nllLoss(x, classes, weight, -100, 'sum')],
    [
      new nn.CrossEntropyLoss({ labelSmoothing: 0.1 }).forward(x, classes),
      F.crossEntropy(x, classes, { labelSmoothing: 0.1 }),
    ],
    [new nn.BCELoss(weight).forward(x, y), F.binaryCrossEntropy(x, y, weight)],
    [
      new nn.BCEWithLogitsLoss({ posWeight: weight }).forward(x, y),
      F.binaryCrossEntropyWithLogits(x, y, { posWeight: weight }),
    ],
    [new nn.KLDivLoss('batchmean').forward(x, y), F.klDiv(x, y, 'batchmean')],
    [new nn.PoissonNLLLoss({ full: true }).forward(x, y), F.poissonNllLoss(x, y, { full: true })],
    [new nn.GaussianNLLLoss({ full: true }).forward(x, y, z), F.gaussianNllLoss(x, y, z, { full: true })],
    [new nn.HingeEmbeddingLoss(2).forward(x, y), F.hingeEmbeddingLoss(x, y, 2)],
    [new nn.SoftMarginLoss().forward(x, y), F.softMarginLoss(x, y)],
    [new nn.CosineEmbeddingLoss(0.5).forward(x, y, tensor([-1])), F.cosineEmbeddingLoss(x, y, tensor([-1]), 0.5)],
    [new nn.MarginRankingLoss(1).forward(x, y, z), F.marginRankingLoss(x, y, z, 1)],
    [new nn.TripletMarginLoss({ p: 1 }).forward(x, y, z), F.tripletMarginLoss(x, y, z, { p: 1 })],
    [new nn.MultiMarginLoss({ p: 2 }).forward(x, classes), F.multiMarginLoss(x, classes, 2)],
    [new nn.MultiLabelSoftMarginLoss(weight).forward(x, y), F.multilabelSoftMarginLoss(x, y, weight)],
    [new nn.CosineSimilarity().forward(x, y), F.cosineSimilarity(x, y)],
    [new nn.PairwiseDistance({ keepdim: true }).forward(x, y), F.pairwiseDistance(x, y, { keepdim: true })],
  ];
  for (const [module, f] of pairs) {
    assert.ok(module instanceof Tensor);
    assert.deepEqual([module.tolist(), module.shape], [f.tolist(), f.shape]);
  }
  const loss = new nn.CrossEntropyLoss(weight);
  assert.deepEqual([loss.reduction, loss.ignoreIndex, Object.keys(loss.stateDict())], ['mean', -100, ['weight']]);
});
