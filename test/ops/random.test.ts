import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { AdjointError } from '../../src/errors.ts';
import * as adjoint from '../../src/index.ts';

const { empty, Generator, manualSeed, nn, ones, rand, randn, tensor } = adjoint;
type Tensor = adjoint.Tensor;

interface Recorded {
  dtype: string;
  shape: number[];
  values: (number | boolean)[];
}

/** float32 and integers to the bit; float64 up to the rounding of the platform's log, cos and sin. */
function assertRecorded(actual: Tensor, expected: Recorded, where: string, tolerance = 0): void {
  assert.equal(actual.dtype, expected.dtype, where);
  assert.deepEqual(actual.shape, expected.shape, where);
  const allowed = actual.dtype === 'float64' ? 4 * Number.EPSILON : tolerance;
  const values = actual.toTypedArray();
  expected.values.forEach((recorded, i) => {
    const value = Number(recorded);
    const difference = Math.abs(Number(values[i]) - value);
    assert.ok(difference <= allowed * Math.max(1, Math.abs(value)), `${where}: [${i}] is ${values[i]}, not ${value}`);
  });
}

/** Evaluates a call as the recordings write it down. */
function evaluate(call: string, scope: Readonly<Record<string, unknown>>): Tensor {
  const names = call.match(/\b[a-z]\w*/gi)?.filter((name) => name in scope) ?? [];
  return new Function(...names, `return ${call}`)(...names.map((name) => scope[name]));
}

/** Lets a dtype come last. */
const withDType =
  (f: (...args: never[]) => Tensor) =>
  (...args: unknown[]): Tensor => {
    const dtype = args[args.length - 1];
    return f(...((typeof dtype === 'string' ? [...args.slice(0, -1), { dtype }] : args) as never[]));
  };

const dtypes = Object.fromEntries(['float64', 'int32', 'int64', 'uint8', 'bool'].map((dtype) => [dtype, dtype]));

describe("PyTorch's recorded streams", () => {
  interface Stream {
    calls: Record<string, Recorded>;
    sequence: [call: string, recorded: Recorded][];
  }
  const recording: { seeds: Record<string, Stream> } = JSON.parse(readFileSync('test/conformance/random.json', 'utf8'));
  const scope = {
    ...dtypes,
    ...adjoint,
    rand: withDType(rand),
    randn: withDType(randn),
    multinomial: (weights: number[], samples: number, replacement?: boolean) =>
      adjoint.multinomial(tensor(weights), samples, replacement),
    nn: {
      Linear: (inputs: number, outputs: number) => new nn.Linear(inputs, outputs),
      Embedding: (rows: number, columns: number) => new nn.Embedding(rows, columns),
      // as the layer of this name initialises itself
      Conv2d: (inputs: number, outputs: number, size: number) => {
        const weight = nn.init.kaimingUniform_(empty(outputs, inputs, size, size), Math.sqrt(5));
        const bound = 1 / Math.sqrt(inputs * size * size);
        return { weight, bias: nn.init.uniform_(empty(outputs), -bound, bound) };
      },
    },
  };

  for (const [seed, { calls, sequence }] of Object.entries(recording.seeds)) {
    test(`seed ${seed}: each of ${Object.keys(calls).length} calls alone`, () => {
      for (const [call, expected] of Object.entries(calls)) {
        manualSeed(Number(seed));
        assertRecorded(evaluate(call, scope), expected, call);
      }
    });

    test(`seed ${seed}: ${sequence.length} calls in sequence`, () => {
      manualSeed(BigInt(seed));
      for (const [call, expected] of sequence) assertRecorded(evaluate(call, scope), expected, call);
    });
  }
});

describe('draws in the order of memory, by dtype and mode', () => {
  interface Call extends Recorded {
    call: string;
    next: number;
  }
  const recording: { seed: number; calls: Call[] } = JSON.parse(readFileSync('test/ops/draws.json', 'utf8'));
  const F = nn.functional;
  const scope = {
    ...dtypes,
    ...adjoint,
    ...F,
    empty: withDType(empty),
    ones: withDType(ones),
    tensor: withDType(tensor as never),
    randperm: withDType(adjoint.randperm as never),
    True: true,
    math: Math,
    init: nn.init,
    alphaDropout: (x: Tensor, p: number) => F.alphaDropout(x, p, true),
    featureAlphaDropout: (x: Tensor, p: number) => F.featureAlphaDropout(x, p, true),
    rrelu: (x: Tensor, lower: number, upper: number) => F.rrelu(x, lower, upper, true),
  };
  for (const expected of recording.calls) {
    test(expected.call, () => {
      manualSeed(recording.seed);
      assertRecorded(evaluate(expected.call, scope), expected, expected.call, 2 ** -23);
      assert.equal(rand(1).item(), expected.next, 'the stream goes on elsewhere');
    });
  }
});

describe('generators', () => {
  test('a generator of its own leaves the common one alone', () => {
    manualSeed(3);
    const first = rand(3).tolist();
    manualSeed(3);
    const generator = new Generator(3);
    assert.deepEqual(rand(3, { generator }).tolist(), first);
    assert.deepEqual(rand(3).tolist(), first);
    assert.deepEqual(
      empty(3)
        .uniform_({ generator: generator.manualSeed(3) })
        .tolist(),
      first,
    );
    assert.deepEqual(empty(3).uniform_(0, 1, generator.manualSeed(3)).tolist(), first);
  });

  test('the state is taken back', () => {
    manualSeed(5);
    randn(3);
    const state = adjoint.getRngState();
    assert.deepEqual([state.dtype, state.shape], ['uint8', [5056]]);
    const after = randn(5).tolist();
    adjoint.setRngState(state);
    assert.deepEqual(randn(5).tolist(), after);
    assert.equal(adjoint.initialSeed(), 5n);
    assert.notEqual(adjoint.seed(), 5n);
    assert.equal(manualSeed(9).initialSeed(), 9n);
  });
});

describe('tensors that are sampled', () => {
  test('options', () => {
    const x = rand(2, 2, { requiresGrad: true, dtype: 'float64' });
    assert.deepEqual([x.requiresGrad, x.dtype, x.isLeaf], [true, 'float64', true]);
    assert.deepEqual(adjoint.randLike(x).requiresGrad, false);
    assert.equal(adjoint.randnLike(x, { dtype: 'float32', requiresGrad: true }).dtype, 'float32');
    assert.equal(adjoint.randint(0, 2, [3], { dtype: 'bool' }).dtype, 'bool');
    assert.deepEqual(adjoint.randint(3, [0, 2]).shape, [0, 2]);
    assert.deepEqual(rand([2, 3]).shape, [2, 3]);
    assert.deepEqual(rand().shape, []);
  });

  test('writes in place count, and their gradient is zero', () => {
    for (const name of ['uniform_', 'normal_', 'exponential_', 'bernoulli_', 'random_'] as const) {
      const x = ones(3, { requiresGrad: true });
      const y = x.mul(2);
      const version = y._version;
      assert.equal(y[name](), y);
      assert.equal(y._version, version + 1);
      y.sum().backward();
      assert.deepEqual(x.grad?.tolist(), [0, 0, 0]);
      assert.throws(() => x[name](), { code: 'inplace' });
      assert.deepEqual(x.tolist(), [1, 1, 1]);
    }
    const p = tensor([0.5, 0.5], { requiresGrad: true });
    adjoint.bernoulli(p).add(adjoint.normal(p, p)).sum().backward();
    assert.deepEqual(p.grad?.tolist(), [0, 0]);
    assert.match(String(ones(1, { requiresGrad: true }).clone().uniform_()), /UniformBackward0/);
  });

  test('a view is filled, its surroundings are not', () => {
    const x = ones(3, 3);
    x.narrow(1, 1, 1).uniform_(5, 6);
    const rows = x.tolist() as number[][];
    assert.ok(rows.every(([a, b, c]) => a === 1 && b >= 5 && c === 1));
  });

  test('errors change nothing', () => {
    const x = tensor([1, 2, 3]);
    const long = tensor([1n, 2n]);
    const cases: [() => unknown, string, RegExp][] = [
      [() => x.uniform_(2, 1), 'argument', /from=2 and to=1/],
      [() => x.normal_(0, -1), 'argument', /std >= 0/],
      [() => x.exponential_(0), 'argument', /lambda > 0/],
      [() => x.bernoulli_(1.5), 'argument', /p to be in \[0, 1\]/],
      [() => x.bernoulli_(tensor([0, 1])), 'shape', /expand/],
      [() => x.bernoulli_(tensor([1n, 0n, 1n])), 'dtype', /p: /],
      [() => x.random_(3, 3), 'argument', /'from' to be less than 'to'/],
      [() => x.random_(5, { seed: 1 } as never), 'argument', /unknown option "seed"/],
      [() => x.uniform_({ low: 0 } as never), 'argument', /unknown option "low"/],
      [() => x.uniform_(0, 1, 7 as never), 'argument', /generator must be a Generator, got 7/],
      [() => long.uniform_(), 'dtype', /must be floating, got int64/],
      [() => long.normal_(), 'dtype', /must be floating/],
      [() => long.exponential_(), 'dtype', /must be floating/],
      [() => adjoint.bernoulli(long), 'dtype', /must be floating/],
      [() => rand(3, { dtype: 'int64' }), 'dtype', /must be floating/],
      [() => rand(-1), 'argument', /must not be negative/],
      [() => rand(2, { requiresGrad: true, dtype: 'int32' }), 'dtype', /require gradients/],
      [() => adjoint.randint(0, 3, [2], { dtype: 'bool' }), 'argument', /out of bounds for bool/],
      [() => adjoint.randint(0, 257, [2], { dtype: 'uint8' }), 'argument', /high from 0 to 256/],
      [() => adjoint.randint(5, 5 as never), 'argument', /the size must be an array/],
      [() => adjoint.randperm(-1), 'argument', /must not be negative/],
      [() => adjoint.normal(0, tensor([1, -1])), 'argument', /all elements of std/],
      [() => adjoint.normal(0, 1 as never), 'argument', /need a size/],
      [() => adjoint.multinomial(tensor([1, 2]), 3), 'argument', /without replacement/],
      [() => adjoint.multinomial(tensor([1, -2]), 1), 'argument', /element < 0/],
      [() => adjoint.multinomial(tensor([1, 2]), 0), 'argument', /n_sample <= 0/],
      [() => adjoint.multinomial(ones(1, 1, 1), 1), 'shape', /1 or 2 dim/],
      [() => adjoint.multinomial(long, 1), 'dtype', /must be floating/],
      [() => adjoint.setRngState(x), 'argument', /uint8 tensor/],
      [() => adjoint.setRngState(adjoint.zeros(10, { dtype: 'uint8' })), 'argument', /5056 bytes/],
      [() => nn.functional.dropout(x, 2), 'argument', /between 0 and 1, but got 2/],
      [() => nn.functional.dropout2d(x), 'shape', /at least 2 dimensions/],
    ];
    manualSeed(0);
    const before = rand(1).item();
    manualSeed(0);
    const versions = [x._version, long._version];
    for (const [call, code, message] of cases) {
      assert.throws(
        call,
        (error) => error instanceof AdjointError && error.code === code && message.test(error.message),
        String(call),
      );
    }
    assert.deepEqual([x.tolist(), long.tolist(), x._version, long._version], [[1, 2, 3], [1, 2], ...versions]);
    assert.equal(rand(1).item(), before, 'the stream stays where it was');
  });
});
