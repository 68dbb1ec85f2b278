import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { defaultGenerator, Generator } from '../../src/core/generator.ts';
import { AdjointError } from '../../src/errors.ts';
import type { TypedArray } from '../../src/kernels/element.ts';

/** What PyTorch yielded for one call; see the README of the conformance data. */
type Recorded = { dtype: string; shape: number[]; values: number[] };
type Stream = { calls: Record<string, Recorded>; sequence: [call: string, recorded: Recorded][] };
const recording: { seeds: Record<string, Stream> } = JSON.parse(readFileSync('test/conformance/random.json', 'utf8'));

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);
const floats = (dtype: unknown, n: number) => (dtype === 'float64' ? new Float64Array(n) : new Float32Array(n));

const numbers = (values: TypedArray): number[] => Array.from(values as ArrayLike<number | bigint>, Number);
const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b) / values.length;

/** `sample` applied to `out`, and `out` returned. */
function filled<A extends TypedArray>(out: A, sample: (out: A) => void): A {
  sample(out);
  return out;
}

/** Weight and bias as PyTorch's layers draw them: Kaiming's uniform bound with a = sqrt(5), then 1/sqrt(fanIn). */
function layer(generator: Generator, outputs: number, fanIn: number) {
  const bound = Math.sqrt(3) * (Math.sqrt(2 / (1 + Math.sqrt(5) ** 2)) / Math.sqrt(fanIn));
  const weight = filled(new Float32Array(outputs * fanIn), (out) => generator.uniform(out, -bound, bound));
  const bias = filled(new Float32Array(outputs), (out) => {
    generator.uniform(out, -1 / Math.sqrt(fanIn), 1 / Math.sqrt(fanIn));
  });
  return { weight, bias };
}

/** The kinds of call in the recording, by the call's text with every argument list taken out. */
const CALLS: Record<string, (generator: Generator, args: unknown[][]) => TypedArray> = {
  'rand()': (g, [sizes]) => filled(floats(sizes.at(-1), numel(sizes)), (out) => g.uniform(out)),
  'randn()': (g, [sizes]) => filled(floats(sizes.at(-1), numel(sizes)), (out) => g.normal(out)),
  'randint()': (g, [[low, high, shape]]) =>
    filled(new BigInt64Array(product(shape as number[])), (out) => g.randint(out, low as number, high as number)),
  'randperm()': (g, [[n]]) => filled(new BigInt64Array(n as number), (out) => g.randperm(out)),
  'full().bernoulli()': (g, [[shape, p]]) => {
    const probabilities = new Float32Array(product(shape as number[])).fill(p as number);
    return filled(probabilities, (out) => g.bernoulli(out, probabilities));
  },
  'dropout(ones())': (g, [[n], [p]]) => {
    const keep = 1 - (p as number);
    return filled(new Float32Array(n as number), (out) => g.bernoulli(out, keep)).map(
      (kept) => kept / Math.fround(keep),
    );
  },
  'normal()': (g, [[mean, std, shape]]) =>
    filled(new Float32Array(product(shape as number[])), (out) => g.normal(out, mean as number, std as number)),
  'empty().uniform_()': (g, [[n], [from, to]]) =>
    filled(new Float32Array(n as number), (out) => g.uniform(out, from as number, to as number)),
  'empty().exponential_()': (g, [[n], [lambda]]) =>
    filled(new Float32Array(n as number), (out) => g.exponential(out, lambda as number)),
  'multinomial()': (g, [[weights, samples, replacement]]) => {
    const row = Float32Array.from(weights as number[]);
    return filled(new BigInt64Array(samples as number), (out) => {
      g.multinomial(out, row, row.length, samples as number, replacement === true);
    });
  },
  'nn.Linear().weight': (g, [[inputs, outputs]]) => layer(g, outputs as number, inputs as number).weight,
  'nn.Linear().bias': (g, [[inputs, outputs]]) => layer(g, outputs as number, inputs as number).bias,
  'nn.Conv2d().weight': (g, [[inputs, outputs, size]]) =>
    layer(g, outputs as number, (inputs as number) * (size as number) ** 2).weight,
  'nn.Embedding().weight': (g, [sizes]) => filled(new Float32Array(numel(sizes)), (out) => g.normal(out)),
};

const numel = (sizes: unknown[]) => product(sizes.filter((size) => typeof size === 'number'));

/** Makes the call that `text` spells, as in `randn(20, float64)` or `empty(6).uniform_(-2, 5)`. */
function call(generator: Generator, text: string): TypedArray {
  const args: unknown[][] = [];
  const kind = text.replace(/\(([^()]*)\)|, ([^(),]+)\)$/g, (_, inner, last) => {
    const json = (inner ?? last).replace(/float\d+/g, '"$&"').replace(/(^|[^\d])\./g, '$10.');
    args.push(JSON.parse(`[${json}]`));
    return inner === undefined ? ')' : '()';
  });
  assert.ok(kind in CALLS, `no such kind of call: ${kind}`);
  return CALLS[kind](generator, args);
}

/** float32 and integers to the bit; float64 up to the rounding of the platform's log, cos and sin. */
function assertRecorded(actual: TypedArray, expected: Recorded, where: string): void {
  const dtype = actual.constructor.name.toLowerCase().replace(/^big|array$/g, '');
  assert.equal(dtype, expected.dtype, where);
  assert.equal(actual.length, expected.values.length, where);
  const tolerance = actual instanceof Float64Array ? 4 * Number.EPSILON : 0;
  expected.values.forEach((value, i) => {
    const difference = Math.abs(Number(actual[i]) - value);
    assert.ok(difference <= tolerance * Math.max(1, Math.abs(value)), `${where}: [${i}] is ${actual[i]}, not ${value}`);
  });
}

for (const [seed, { calls, sequence }] of Object.entries(recording.seeds)) {
  test(`seed ${seed}: each of PyTorch's ${Object.keys(calls).length} recorded calls alone`, () => {
    for (const [text, expected] of Object.entries(calls)) {
      assertRecorded(call(new Generator(Number(seed)), text), expected, text);
    }
  });

  test(`seed ${seed}: PyTorch's ${sequence.length} recorded calls in sequence`, () => {
    const generator = new Generator().manualSeed(BigInt(seed));
    for (const [text, expected] of sequence) assertRecorded(call(generator, text), expected, text);
  });
}

/** A generator, and another on the same stream to predict it with. */
const twins = (seed = 7): [Generator, Generator] => [new Generator(seed), new Generator(seed)];

test('the words are those of the Mersenne Twister', () => {
  const generator = new Generator(5489);
  for (let i = 1; i < 10_000; i++) generator.random();
  assert.equal(generator.random(), 4123659995); // what the C++ standard requires of std::mt19937
  const [wide, narrow] = twins();
  assert.equal(wide.random64(), (BigInt(narrow.random()) << 32n) | BigInt(narrow.random()));
});

test('calls that the recording lacks, as PyTorch makes them', () => {
  const after = <A extends TypedArray>(out: A, sample: (generator: Generator, out: A) => void) => {
    return Array.from(filled(out, (array) => sample(new Generator(7), array)) as ArrayLike<number | bigint>);
  };
  const weights = Float32Array.of(0.1, 0.2, 0.3, 0.4, 4, 3, 0, 1);
  assert.deepEqual(
    after(new Float32Array(16), (g, out) => g.normal(out, 1, 2, false)),
    [
      0.7064098119735718, 2.572282552719116, 2.8936431407928467, -1.2286880016326904, 4.381580352783203,
      -0.7896557450294495, 0.28874993324279785, 3.4647715091705322, 1.2763453722000122, -2.3643970489501953,
      1.6353566646575928, 1.2656139135360718, 1.2746481895446777, 1.4810922145843506, 3.7909016609191895,
      3.694045305252075,
    ],
  );
  assert.deepEqual(
    after(new Float64Array(4), (g, out) => g.uniform(out, 0.1, 0.7)),
    [0.2676282579438424, 0.2642162281910594, 0.6172557768505753, 0.4940130583529208],
  );
  assert.deepEqual(
    after(new BigInt64Array(4), (g, out) => g.randint(out, -5, 2 ** 40 + 1)),
    [752588009247n, 108665648485n, 291920112458n, 650423957584n],
  );
  assert.deepEqual(
    after(new BigInt64Array(4), (g, out) => g.randint(out, -(2n ** 63n), 2n ** 63n - 1n)),
    [-7815732517915138876n, 5163590386780219894n, -1136149262272507693n, 4122204982959224423n],
  );
  assert.deepEqual(
    after(new BigInt64Array(4), (g, out) => g.randint(out, 2n ** 62n, 2n ** 62n + 100n)),
    [4611686018427387919n, 4611686018427387996n, 4611686018427387925n, 4611686018427387990n],
  );
  assert.deepEqual(
    after(new Uint8Array(12), (g, out) => g.bernoulli(out, new Float64Array(12).fill(0.3))),
    [1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1],
  );
  assert.deepEqual(
    after(new BigInt64Array(6), (g, out) => g.multinomial(out, weights, 4, 3)),
    [1n, 3n, 0n, 1n, 0n, 3n],
  );
  assert.deepEqual(
    after(new BigInt64Array(12), (g, out) => g.multinomial(out, weights, 4, 6, true)),
    [1n, 1n, 3n, 3n, 3n, 3n, 0n, 1n, 1n, 1n, 0n, 0n],
  );
  assert.deepEqual(
    after(new BigInt64Array(2), (g, out) => g.multinomial(out, weights, 4, 1, true)),
    [1n, 1n],
  );
});

test('each call spends as many words as in PyTorch', () => {
  const spends: [words: number, sample: (generator: Generator) => void][] = [
    [5, (g) => g.uniform(new Float32Array(5))],
    [5, (g) => g.uniform(new Float32Array(5), 2, 2)],
    [10, (g) => g.uniform(new Float64Array(5))],
    [12, (g) => g.normal(new Float32Array(5), 0, 0)],
    [16, (g) => g.normal(new Float32Array(16))],
    [36, (g) => g.normal(new Float32Array(20))],
    [40, (g) => g.normal(new Float32Array(20), 0, 1, false)],
    [72, (g) => g.normal(new Float64Array(20))],
    [1300, (g) => g.uniform(new Float32Array(1300))],
    [18, (g) => g.bernoulli(new Float32Array(9), 0.6)],
    [10, (g) => g.bernoulli(new Uint8Array(5), 0)],
    [5, (g) => g.bernoulli(new Float64Array(5), new Float32Array(5))],
    [10, (g) => g.bernoulli(new Float32Array(5), new Float64Array(5))],
    [4, (g) => g.randint(new BigInt64Array(4), 0, 2 ** 32 - 1)],
    [8, (g) => g.randint(new BigInt64Array(4), 0, 2 ** 32)],
    [8, (g) => g.randint(new Float64Array(4), 0, 2 ** 32)],
    [4, (g) => g.randint(new Int32Array(4), -(2 ** 31), 2 ** 31)],
    [9, (g) => g.randperm(new BigInt64Array(10))],
    [0, (g) => g.randperm(new BigInt64Array(1))],
    [8, (g) => g.exponential(new Float32Array(4))],
    [16, (g) => g.multinomial(new BigInt64Array(6), new Float32Array(8).fill(1), 4, 3)],
    [12, (g) => g.multinomial(new BigInt64Array(6), new Float32Array(8).fill(1), 4, 3, true)],
    [0, (g) => g.normal(new Float32Array(0))],
  ];
  for (const [words, sample] of spends) {
    const [generator, twin] = twins();
    sample(generator);
    for (let i = 0; i < words; i++) twin.random();
    assert.equal(generator.random(), twin.random(), String(sample));
  }
});

test('the second normal number of a pair waits for the next call, of either dtype, and for nothing else', () => {
  const [whole, parts] = twins();
  const expected = filled(new Float64Array(8), (out) => whole.normal(out));
  const [first, second] = [new Float64Array(3), new Float64Array(5)];
  parts.normal(first);
  parts.uniform(new Float32Array(0));
  parts.normal(second);
  assert.deepEqual([...first, ...second], [...expected]);

  const [generator, twin] = twins();
  generator.normal(new Float32Array(1));
  generator.normal(new Float32Array(16)); // in blocks: neither takes the spare number nor drops it
  const spare = filled(new Float32Array(1), (out) => generator.normal(out));
  assert.deepEqual([...spare], [...filled(new Float32Array(2), (out) => twin.normal(out)).subarray(1)]);
  generator.normal(new Float32Array(1));
  generator.manualSeed(7);
  assert.deepEqual(call(generator, 'randn(1)'), call(new Generator(7), 'randn(1)'));
});

test('randint is low + word mod range in every dtype', () => {
  const ranges: [out: TypedArray, low: number | bigint, high: number | bigint, bits: 32 | 64][] = [
    [new Uint8Array(700), 0, 256, 32],
    [new Int8Array(700), -128, 128, 32],
    [new Int16Array(700), -32768, 32768, 32],
    [new Int32Array(700), -(2 ** 31), 2 ** 31, 32],
    [new Int32Array(700), -5, 2 ** 31, 32],
    [new BigInt64Array(700), 3, 4, 32],
    [new BigInt64Array(700), -(2 ** 53) + 1, -(2 ** 53) + 10, 32],
    [new BigInt64Array(700), -(2n ** 63n), -(2n ** 63n) + 77n, 32],
    [new BigInt64Array(700), -7, 2 ** 32 - 8, 32],
    [new BigInt64Array(700), -7, 2 ** 32 - 7, 64],
    [new BigInt64Array(700), -(2n ** 63n), 2n ** 63n, 64],
    [new Float32Array(700), -(2 ** 24), 2 ** 24, 32],
    [new Float64Array(700), -(2n ** 53n), 2n ** 53n, 64],
  ];
  for (const [out, low, high, bits] of ranges) {
    const [generator, twin] = twins();
    generator.randint(out, low, high);
    const range = BigInt(high) - BigInt(low);
    for (const value of out) {
      const word = bits === 64 ? twin.random64() : BigInt(twin.random());
      assert.equal(BigInt(value), BigInt(low) + (word % range), `${out.constructor.name} from ${low} to ${high}`);
    }
  }
});

test('every sampler stays within its distribution', () => {
  const generator = new Generator(3);
  for (const out of [new Float32Array(100_000), new Float64Array(100_000)]) {
    const large = out instanceof Float32Array ? 2 ** 20 : 2 ** 48; // where one number in 16 or 32 rounds up to large + 1
    generator.uniform(out, large, large + 1);
    assert.ok(out.every((value) => value >= large && value < large + 1));
    generator.uniform(out, -Number.MAX_VALUE / 2 ** 900, Number.MAX_VALUE / 2 ** 900);
    assert.ok(out.every(Number.isFinite));
    generator.normal(out, 5, 2);
    const center = mean(out);
    const variance = mean(Array.from(out, (value) => (value - center) ** 2));
    assert.ok(Math.abs(center - 5) < 0.05 && Math.abs(variance - 4) < 0.1, `mean ${center}, variance ${variance}`);
    generator.exponential(out, 4);
    assert.ok(out.every((value) => value >= 0));
    assert.ok(Math.abs(mean(out) - 0.25) < 0.01);
  }
  const doubles = filled(new Float64Array(1000), (out) => generator.uniform(out, 0, Number.MAX_VALUE));
  assert.ok(doubles.every(Number.isFinite));
  for (const out of [new Float32Array(1000), new Uint8Array(1000), new BigInt64Array(1000)]) {
    generator.bernoulli(out, 0);
    assert.ok(out.every((value) => Number(value) === 0));
    generator.bernoulli(out, 1);
    assert.ok(out.every((value) => Number(value) === 1));
    generator.bernoulli(out, new Float32Array(1000).fill(0.25));
    assert.ok(Math.abs(mean(numbers(out)) - 0.25) < 0.1);
  }
  for (const out of [new BigInt64Array(1000), new Int32Array(1000), new Float32Array(1000), new Uint8Array(256)]) {
    generator.randperm(out);
    assert.deepEqual(
      numbers(out).sort((a, b) => a - b),
      numbers(out).map((_, i) => i),
    );
  }
  const halves = filled(new BigInt64Array(1000), (out) => {
    generator.multinomial(out, Float32Array.of(0.01, 0.01), 2, 1000, true);
  });
  assert.ok(Math.abs(mean(numbers(halves)) - 0.5) < 0.1);
  for (const replacement of [true, false]) {
    const out = new BigInt64Array(2000);
    generator.multinomial(out, new Float32Array(4000).fill(1).fill(0, 2500), 4000, 2000, replacement);
    assert.ok(out.every((category) => category < 2500n));
    assert.equal(new Set(out).size === out.length, !replacement);
  }
});

test('a seed is any 64-bit integer, and its low half selects the stream', () => {
  assert.equal(new Generator().initialSeed(), 67280421310721n);
  assert.equal(new Generator(-5).initialSeed(), 2n ** 64n - 5n);
  assert.equal(new Generator(-5).random(), new Generator(2n ** 64n - 5n).random());
  assert.equal(new Generator(2 ** 33 + 12345).random(), new Generator(12345).random());
  assert.deepEqual(
    [...call(new Generator(-5), 'rand(3)')],
    [0.9308151006698608, 0.6607242226600647, 0.9807688593864441],
  );
  const generator = new Generator();
  assert.equal(generator.seed(), generator.initialSeed());
  assert.notEqual(generator.seed(), generator.seed());
  assert.notEqual(defaultGenerator.initialSeed(), new Generator().initialSeed());
  assert.equal(defaultGenerator.manualSeed(3), defaultGenerator);
  assert.equal(defaultGenerator.random(), new Generator(3).random());
});

test('a state resumes the stream where it was saved', () => {
  for (const words of [0, 1, 300, 623, 624, 625, 2000]) {
    for (const spare of [false, true]) {
      const generator = new Generator(11);
      if (spare) generator.normal(new Float32Array(1));
      for (let i = 0; i < words; i++) generator.random();
      const state = generator.getState();
      const resumed = new Generator().setState(state);
      assert.deepEqual(resumed.getState(), state);
      assert.equal(resumed.initialSeed(), 11n);
      for (const text of ['randn(3)', 'rand(700)', 'randn(1)', 'randn(40, float64)']) {
        assert.deepEqual(call(resumed, text), call(generator, text), `${text} after ${words} words`);
      }
    }
  }
});

test("a state has the bytes of PyTorch's", async () => {
  const generator = new Generator(7);
  generator.normal(new Float32Array(1));
  generator.uniform(new Float32Array(630));
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', generator.getState() as BufferSource));
  assert.equal(Buffer.from(digest).toString('hex'), '7bc83344ea6bb7d38aa0bf4fae8da04f4d1396eaa82d8af13ee093da78693bd8');
});

test('a bad argument is an error that says what was given, and changes nothing', () => {
  const invalid = new Uint8Array(5056);
  const missing = undefined as unknown as Uint8Array;
  const calls: [code: string, message: RegExp, attempt: (g: Generator, out: Float32Array<ArrayBuffer>) => void][] = [
    ['argument', /manualSeed expects the seed to be a safe integer or a bigint, but got 1.5/, (g) => g.manualSeed(1.5)],
    ['argument', /but got NaN/, (g) => g.manualSeed(Number.NaN)],
    ['argument', /but got "7"/, (g) => g.manualSeed('7' as unknown as number)],
    ['argument', /expects the seed from -9223372036854775808 to 18446744073709551615/, (g) => g.manualSeed(2n ** 64n)],
    ['argument', /setState expects the 5056 bytes .* but got 5 bytes/, (g) => g.setState(new Uint8Array(5))],
    ['argument', /setState expects the 5056 bytes .* but got undefined/, (g) => g.setState(missing)],
    ['argument', /setState got bytes that are not the state of a generator/, (g) => g.setState(invalid)],
    ['argument', /uniform_ expects .* but found from=3 and to=1/, (g, out) => g.uniform(out, 3, 1)],
    ['argument', /from=NaN/, (g, out) => g.uniform(out, Number.NaN, 1)],
    ['argument', /to=1e\+39/, (g, out) => g.uniform(out, 0, 1e39)],
    ['argument', /from=-3e\+38 and to=3e\+38/, (g, out) => g.uniform(out, -3e38, 3e38)],
    ['argument', /normal expects std >= 0.0, but found std -1/, (g, out) => g.normal(out, 0, -1)],
    ['argument', /found std NaN/, (g, out) => g.normal(out, 0, Number.NaN)],
    ['argument', /bernoulli_ expects p to be in \[0, 1\], but got p=1.2/, (g, out) => g.bernoulli(out, 1.2)],
    ['argument', /but got p=NaN/, (g, out) => g.bernoulli(out, new Float32Array(20).fill(Number.NaN, 19))],
    ['shape', /one p per element, 20 of them, but got 3/, (g, out) => g.bernoulli(out, new Float32Array(3))],
    ['argument', /exponential_ expects lambda > 0.0, but found lambda=0/, (g, out) => g.exponential(out, 0)],
    ['argument', /'from' to be less than 'to', but got from=3 >= to=3/, (g, out) => g.randint(out, 3, 3)],
    ['argument', /randint expects high from -16777216 to 16777217/, (g, out) => g.randint(out, 0, 2 ** 25)],
    ['argument', /randint expects low from 0 to 255, but got -1/, (g) => g.randint(new Uint8Array(1), -1, 5)],
    ['argument', /randint expects high to be a safe integer/, (g, out) => g.randint(out, 0, 2.5)],
    ['argument', /randperm of 257 elements .* holds 256/, (g) => g.randperm(new Uint8Array(257))],
    [
      'argument',
      /without replacement: 3 of 2/,
      (g) => g.multinomial(new BigInt64Array(3), Float32Array.of(1, 1), 2, 3),
    ],
    ['argument', /sum of probabilities <= 0/, (g) => g.multinomial(new BigInt64Array(2), new Float32Array(2), 1, 1)],
    ['argument', /`nan`/, (g) => g.multinomial(new BigInt64Array(1), Float32Array.of(1, -1), 2, 1, true)],
    ['argument', /`inf`/, (g) => g.multinomial(new BigInt64Array(1), Float32Array.of(1, Infinity), 2, 1, true)],
    ['shape', /at least one/, (g) => g.multinomial(new BigInt64Array(0), Float32Array.of(1, 1), 2, 0)],
    ['shape', /rows x 3 categories/, (g) => g.multinomial(new BigInt64Array(1), Float32Array.of(1, 1), 3, 1)],
  ];
  for (const [code, message, attempt] of calls) {
    const generator = new Generator(1);
    generator.normal(new Float32Array(1));
    const before = generator.getState();
    const out = new Float32Array(20).fill(9);
    assert.throws(
      () => attempt(generator, out),
      (error) => error instanceof AdjointError && error.code === code && message.test(error.message),
      String(attempt),
    );
    assert.deepEqual(generator.getState(), before, String(attempt));
    assert.ok(out.every((value) => value === 9));
  }
});
