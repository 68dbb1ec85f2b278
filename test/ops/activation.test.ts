import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AdjointError } from '../../src/errors.ts';
import { autograd, nn, type Tensor, tensor } from '../../src/index.ts';

const F = nn.functional;

/** The value and the derivative at each of some points. */
function at(f: (x: Tensor) => Tensor, points: number[]): [values: number[], derivatives: number[]] {
  const x = tensor(points, { dtype: 'float64', requiresGrad: true });
  const y = f(x);
  const [derivative] = autograd.grad(y.sum(), x);
  return [y.tolist() as number[], (derivative as Tensor).tolist() as number[]];
}

function assertNear(actual: readonly number[], expected: readonly number[], where: string, tolerance = 1e-12): void {
  expected.forEach((value, i) => {
    const near = Object.is(actual[i], value) || Math.abs(actual[i] - value) <= tolerance * Math.max(1, Math.abs(value));
    assert.ok(near, `${where}: [${i}] is ${actual[i]}, not ${value}`);
  });
}

// as PyTorch 2.15 gives them
const kinks: [name: string, f: (x: Tensor) => Tensor, points: number[], values: number[], derivatives: number[]][] = [
  ['relu', F.relu, [0], [0], [0]],
  ['relu6', F.relu6, [0, 6], [0, 6], [0, 0]],
  ['hardtanh', F.hardtanh, [-1, 1], [-1, 1], [0, 0]],
  ['hardsigmoid', F.hardsigmoid, [-3, 3], [0, 1], [0, 0]],
  ['hardswish', F.hardswish, [-3, 3], [0, 3], [0, 1]],
  ['leakyRelu', F.leakyRelu, [0], [0], [0.01]],
  ['elu', (x) => F.elu(x, 2), [0], [0], [2]],
  ['celu', (x) => F.celu(x, 2), [0, -1], [0, 2 * Math.expm1(-0.5)], [1, Math.exp(-0.5)]],
  ['selu', F.selu, [0, 1], [0, 1.0507009873554805], [1.7580993408473766, 1.0507009873554805]],
  ['softplus', (x) => F.softplus(x, 2, 10), [5, 5.0001], [5.000022699449687, 5.0001], [0.9999546021312976, 1]],
  ['softsign', F.softsign, [0, 1], [0, 0.5], [1, 0.25]],
  ['softshrink', F.softshrink, [0.5, -0.5], [0, 0], [0, 0]],
  ['hardshrink', F.hardshrink, [0.5, -0.5], [0, 0], [0, 0]],
  ['threshold', (x) => F.threshold(x, 1, 5), [1, 2], [5, 2], [0, 1]],
  ['logsigmoid', F.logsigmoid, [0], [-Math.LN2], [0.5]],
  ['prelu', (x) => F.prelu(x, tensor([0.3], { dtype: 'float64' })), [0, -1], [0, -0.3], [0.3, 0.3]],
  ['rrelu', F.rrelu, [0, -1, 2], [0, -0.22916666666666666, 2], [0.22916666666666666, 0.22916666666666666, 1]],
];

describe('at a kink, value and derivative are those of PyTorch', () => {
  for (const [name, f, points, values, derivatives] of kinks) {
    test(name, () => {
      const [y, dy] = at(f, points);
      assertNear(y, values, 'value');
      assertNear(dy, derivatives, 'derivative');
    });
  }
});

describe('far from 0 nothing overflows, in either dtype and any order', () => {
  const limits: [name: string, f: (x: Tensor) => Tensor, ends: [value: number, derivative: number][]][] = [
    // what is approached at -800 and at 800
    [
      'softplus',
      F.softplus,
      [
        [0, 0],
        [800, 1],
      ],
    ],
    [
      'logsigmoid',
      F.logsigmoid,
      [
        [-800, 1],
        [0, 0],
      ],
    ],
    [
      'silu',
      F.silu,
      [
        [0, 0],
        [800, 1],
      ],
    ],
    [
      'mish',
      F.mish,
      [
        [0, 0],
        [800, 1],
      ],
    ],
    [
      'gelu',
      F.gelu,
      [
        [0, 0],
        [800, 1],
      ],
    ],
    [
      'geluTanh',
      (x) => F.gelu(x, 'tanh'),
      [
        [0, 0],
        [800, 1],
      ],
    ],
    [
      'elu',
      F.elu,
      [
        [-1, 0],
        [800, 1],
      ],
    ],
  ];
  for (const [name, f, ends] of limits) {
    for (const dtype of ['float64', 'float32'] as const) {
      test(`${name} in ${dtype}`, () => {
        const x = tensor([-800, 800], { dtype, requiresGrad: true });
        const y = f(x);
        const [first] = autograd.grad(y.sum(), x, { createGraph: true }) as Tensor[];
        const [second] = autograd.grad(first.sum(), x) as Tensor[];
        assertNear(
          y.tolist() as number[],
          ends.map(([value]) => value),
          'value',
        );
        assertNear(
          first.tolist() as number[],
          ends.map(([, derivative]) => derivative),
          'derivative',
        );
        assertNear((second.tolist() as number[]).map(Math.abs), [0, 0], 'second derivative');
      });
    }
  }
});

describe('in place', () => {
  const forms: [name: string, inPlace: (x: Tensor) => Tensor, apart: (x: Tensor) => Tensor][] = [
    ['relu', (x) => F.relu(x, true), F.relu],
    ['relu6', (x) => F.relu6(x, { inplace: true }), F.relu6],
    ['hardtanh', (x) => F.hardtanh(x, -0.5, 0.5, true), (x) => F.hardtanh(x, -0.5, 0.5)],
    ['hardsigmoid', (x) => F.hardsigmoid(x, true), F.hardsigmoid],
    ['hardswish', (x) => F.hardswish(x, true), F.hardswish],
    ['leakyRelu', (x) => F.leakyRelu(x, { inplace: true }), F.leakyRelu],
    ['elu', (x) => F.elu(x, 2, { inplace: true }), (x) => F.elu(x, 2)],
    ['celu', (x) => F.celu(x, 2, true), (x) => F.celu(x, 2)],
    ['selu', (x) => F.selu(x, true), F.selu],
    ['silu', (x) => F.silu(x, true), F.silu],
    ['mish', (x) => F.mish(x, true), F.mish],
    ['threshold', (x) => F.threshold(x, 0, 7, true), (x) => F.threshold(x, 0, 7)],
    ['rrelu', (x) => F.rrelu(x, { inplace: true }), F.rrelu],
    ['relu_', F.relu_, F.relu],
    ['leakyRelu_', (x) => F.leakyRelu_(x, 0.2), (x) => F.leakyRelu(x, 0.2)],
    ['hardtanh_', (x) => F.hardtanh_(x), F.hardtanh],
    ['elu_', (x) => F.elu_(x), F.elu],
    ['celu_', (x) => F.celu_(x), F.celu],
    ['selu_', (x) => F.selu_(x), F.selu],
    ['threshold_', (x) => F.threshold_(x, 0, 7), (x) => F.threshold(x, 0, 7)],
    ['rrelu_', (x) => F.rrelu_(x, 0.1, 0.3), (x) => F.rrelu(x, 0.1, 0.3)],
  ];
  const points = [-4, -1, -0.25, 0, 0.25, 1, 4];
  for (const [name, inPlace, apart] of forms) {
    test(name, () => {
      const x = tensor(points, { requiresGrad: true });
      const own = x.clone();
      assert.equal(inPlace(own), own);
      const y = apart(x);
      assert.deepEqual(own.tolist(), y.tolist());
      const [a] = autograd.grad(own.sum(), x) as Tensor[];
      const [b] = autograd.grad(y.sum(), x) as Tensor[];
      assert.deepEqual(a.tolist(), b.tolist());
      assert.throws(() => inPlace(x), { code: 'inplace' });
      assert.deepEqual(x.tolist(), points);
    });
  }
});

test('nodes are named as in PyTorch', () => {
  const names: [f: (x: Tensor) => Tensor, name: string][] = [
    [F.relu6, 'HardtanhBackward0'],
    [F.hardswish, 'HardswishBackward0'],
    [F.leakyRelu, 'LeakyReluBackward0'],
    [F.selu, 'EluBackward0'],
    [F.celu, 'CeluBackward0'],
    [F.gelu, 'GeluBackward0'],
    [F.silu, 'SiluBackward0'],
    [F.softplus, 'SoftplusBackward0'],
    [F.softsign, 'DivBackward0'],
    [F.tanhshrink, 'SubBackward0'],
    [F.softshrink, 'SoftshrinkBackward0'],
    [F.glu, 'GluBackward0'],
    [(x) => F.prelu(x, tensor([0.1])), 'PreluKernelBackward0'],
    [(x) => F.rrelu(x, { training: true }), 'RreluWithNoiseBackward0'],
  ];
  for (const [f, name] of names) {
    assert.equal(f(tensor([1, -2], { requiresGrad: true })).gradFn?.name(), name);
  }
});

test('prelu has a weight for each channel, with its gradient', () => {
  const x = tensor([[[1, -1]], [[-2, -3]]]).expand(2, 2, 2);
  const weight = tensor([0.5, 0.25], { requiresGrad: true });
  const y = F.prelu(x, weight);
  assert.deepEqual(y.tolist(), [
    [
      [1, -0.5],
      [1, -0.25],
    ],
    [
      [-1, -1.5],
      [-0.5, -0.75],
    ],
  ]);
  y.sum().backward();
  assert.deepEqual(weight.grad?.tolist(), [-6, -6]);
});

test('what cannot be', () => {
  const x = tensor([1, 2, 3]);
  const cases: [() => unknown, string, RegExp][] = [
    [() => F.gelu(x, 'none2' as never), 'argument', /approximate must be 'none' or 'tanh', got "none2"/],
    [() => F.celu(x, 0), 'argument', /alpha must not be 0/],
    [() => F.softshrink(x, -1), 'argument', /lambda must be greater or equal to 0/],
    [() => F.glu(x), 'shape', /Halving dimension must be even, but dimension 0 is size 3/],
    [() => F.glu(tensor(1)), 'shape', /0-dimensional/],
    [() => F.glu(x, 1), 'index', /Dimension out of range/],
    [() => F.prelu(x, tensor([1, 2])), 'shape', /Found parameter numbers = 2 and channel size = 1/],
    [() => F.elu(3 as never), 'argument', /elu: expected a Tensor, got 3/],
    [() => F.elu(x, { beta: 1 } as never), 'argument', /unknown option "beta"; known are "alpha", "inplace"/],
    [() => F.threshold(x, 1, undefined as never), 'argument', /got undefined/],
    [() => F.elu_(tensor([1n])), 'dtype', /can't be cast/],
  ];
  for (const [call, code, message] of cases) {
    assert.throws(
      call,
      (error) => error instanceof AdjointError && error.code === code && message.test(error.message),
      String(call),
    );
  }
  assert.deepEqual(x.tolist(), [1, 2, 3]);
});
