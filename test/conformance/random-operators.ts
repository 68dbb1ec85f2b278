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

/** Each element, or each channel, is dropped or scaled by 1 / (1 - p), and the gradient with it. */
function dropout({ args, kwargs, result, shape, cotangent, gradients }: Trial, channelDims: number): void {
  const p = kwargs.training ? (kwargs.p as number) : 0;
  const input = elements(args[0]);
  const factors = result.map((y, i) => (input[i] === 0 ? 0 : y / input[i]));
  const channelSize = shape.slice(shape.length - channelDims).reduce((a, b) => a * b, 1);
  factors.forEach((factor, i) => {
    const kept = Math.abs(factor * (1 - p) - 1) < 1e-12;
    assert.ok(p < 1 && kept ? true : p > 0 && factor === 0, `element ${i} is scaled by ${factor} at p = ${p}`);
    assert.equal(factor, factors[i - (i % channelSize)], `element ${i} is not scaled like its channel`);
    assert.ok(Math.abs((gradients[0]?.[i] ?? Number.NaN) - cotangent[i] * factor) < 1e-12, `gradient ${i}`);
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
  'nn.functional.dropout': (trial) => dropout(trial, 0),
  'nn.functional.dropout2d': (trial) => dropout(trial, 2),
  'nn.functional.dropout3d': (trial) => dropout(trial, 3),
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
