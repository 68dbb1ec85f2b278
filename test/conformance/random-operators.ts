/** What can be said of the results of operators that draw random numbers, which are not PyTorch's under another generator's state. */
import assert from 'node:assert/strict';
import { autograd, type Tensor } from '../../src/index.ts';
import { type Case, decode, type Expected, expected } from './samples.ts';

interface Trial {
  readonly args: readonly unknown[];
  readonly kwargs: { readonly [name: string]: unknown };
  /** The elements of the first result. */
  readonly result: readonly number[];
  readonly shape: readonly number[];
  /** The cotangent of the first result and the gradients that it gives. */
  readonly cotangent: readonly number[];
  readonly gradients: readonly (readonly number[] | null)[];
  readonly expectedGradients: readonly (Expected | null)[];
}

const elements = (x: unknown): number[] => Array.from((x as Tensor).toTypedArray(), Number);

/** What became of an element: the slope and the intercept of the line on which its result lies. */
interface Line {
  readonly slope: number;
  readonly intercept: number;
}

/** Every element is kept or dropped, together with all others of its channel, and its gradient with it. */
function dropout({ args, result, cotangent, gradients }: Trial, kept: Line, dropped: Line, channelSize: number): void {
  const input = elements(args[0]);
  const lies = ({ slope, intercept }: Line, i: number): boolean =>
    Math.abs(result[i] - (slope * input[i] + intercept)) < 1e-12 &&
    Math.abs((gradients[0]?.[i] ?? Number.NaN) - cotangent[i] * slope) < 1e-12;
  for (let start = 0; start < result.length; start += channelSize) {
    const channel = Array.from({ length: channelSize }, (_, i) => start + i);
    assert.ok(
      [kept, dropped].some((line) => channel.every((i) => lies(line, i))),
      `elements ${start} to ${start + channelSize - 1} are neither kept nor dropped`,
    );
  }
}

const probability = ({ kwargs: { p = 0.5, training } }: Trial, byDefault: boolean): number =>
  (training ?? byDefault) ? (p as number) : 0;
const sizeFrom = (shape: readonly number[], dim: number): number => shape.slice(dim).reduce((a, b) => a * b, 1);

/** What is kept is scaled by 1 / (1 - p). */
function plainDropout(trial: Trial, channelSize: number): void {
  const p = probability(trial, true);
  const zero = { slope: 0, intercept: 0 };
  const kept = { slope: 1 / (1 - p), intercept: 0 };
  dropout(trial, p === 1 ? zero : kept, p === 0 ? kept : zero, channelSize);
}

/** What is dropped becomes the least value of selu, and everything is scaled to keep mean and variance. */
function alphaDropout(trial: Trial, channelSize: number): void {
  const p = probability(trial, false);
  const least = -1.7580993408473766;
  const slope = 1 / Math.sqrt((least * least * p + 1) * (1 - p));
  const kept = { slope, intercept: -slope * least * p };
  const dropped = { slope: 0, intercept: slope * least * (1 - p) };
  const zero = { slope: 0, intercept: 0 };
  dropout(trial, p === 1 ? zero : kept, p === 1 ? zero : p === 0 ? kept : dropped, channelSize);
}

/** Negative elements are multiplied by slopes between `lower` and `upper`, or by the mean of both when not training. */
function randomSlopes({ args, kwargs, result, cotangent, gradients }: Trial): void {
  let { lower = 1 / 8, upper = 1 / 3 } = kwargs as { lower?: number; upper?: number };
  if (!kwargs.training) lower = upper = (lower + upper) / 2;
  elements(args[0]).forEach((x, i) => {
    const slope = x === 0 ? 1 : result[i] / x;
    const [least, greatest] = x < 0 ? [lower, upper] : [1, 1];
    assert.ok(slope >= least - 1e-12 && slope <= greatest + 1e-12, `element ${i} has slope ${slope}`);
    assert.ok(Math.abs((gradients[0]?.[i] ?? Number.NaN) - cotangent[i] * slope) < 1e-12, `gradient ${i}`);
  });
}

/** The samples have no derivative: PyTorch gives zeros. */
function undifferentiated({ gradients, expectedGradients }: Trial): void {
  gradients.forEach((own, k) => {
    assert.equal(own?.length, expectedGradients[k]?.elements.length, `gradient ${k}: the number of elements`);
    assert.ok(own?.every((g) => g === 0) ?? true, `gradient ${k} is not zero`);
  });
}

const properties: { readonly [op: string]: (trial: Trial) => void } = {
  'nn.functional.dropout': (trial) => plainDropout(trial, 1),
  // (N, C, H, W) or (N, C, L); (N, C, D, H, W) or (C, D, H, W)
  'nn.functional.dropout2d': (trial) => plainDropout(trial, sizeFrom(trial.shape, 2)),
  'nn.functional.dropout3d': (trial) => plainDropout(trial, sizeFrom(trial.shape, -3)),
  'nn.functional.alpha_dropout': (trial) => alphaDropout(trial, 1),
  'nn.functional.feature_alpha_dropout': (trial) => alphaDropout(trial, sizeFrom(trial.shape, 2)),
  'nn.functional.rrelu': randomSlopes,
  normal: (trial) => {
    assert.ok(trial.result.every(Number.isFinite), 'a sample is not finite');
    undifferentiated(trial);
  },
  bernoulli: (trial) => {
    assert.ok(
      trial.result.every((x) => x === 0 || x === 1),
      'a sample is neither 0 nor 1',
    );
    undifferentiated(trial);
  },
};

/** Throws unless the results have PyTorch's dtypes and shapes and the properties of their operator. */
export function checkRandom(
  op: string,
  args: readonly unknown[],
  kwargs: { readonly [name: string]: unknown },
  leaves: readonly Tensor[],
  results: readonly Tensor[],
  sample: Case,
): void {
  sample.outputs.map(expected).forEach(({ dtype, shape }, i) => {
    assert.equal(results[i].dtype, dtype, `output ${i}: dtype`);
    assert.deepEqual([...results[i].shape], [...shape], `output ${i}: shape`);
  });
  const property = properties[op];
  assert.ok(property, 'say in random-operators.ts what is true of its results');
  const cotangent = decode(sample.cotangents?.['0'] ?? null, []) as Tensor | null;
  const gradients = cotangent ? autograd.grad(results[0], leaves, { gradOutputs: cotangent, allowUnused: true }) : [];
  property({
    args,
    kwargs,
    result: elements(results[0]),
    shape: results[0].shape,
    cotangent: cotangent ? elements(cotangent) : [],
    gradients: gradients.map((g) => g && elements(g)),
    expectedGradients: (sample.grads ?? []).map((g) => (g === null ? null : expected(g))),
  });
}
