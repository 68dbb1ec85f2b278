/**
 * What is asked of derivatives beside being right: a backward is linear in the cotangent and understands its absence, a jvp does so for
 * tangents, and both can be run on batches.
 */

import { zerosLike } from '../core/creation.ts';
import { Generator } from '../core/generator.ts';
import type { Tensor } from '../core/tensor.ts';
import { grad } from './backward.ts';
import { edgeOf } from './edge.ts';
import { vmap } from './func.ts';
import { type Entry, GradcheckError, isClose, type Point, uniform } from './gradcheck-jacobian.ts';
import { dividedEdges, type Gradients, Node } from './node.ts';
import { attach } from './primitive.ts';
import { together } from './vmap.ts';

/** The gradients of all variables, null where there is none. */
function gradients(point: Point, outputs: readonly Tensor[], cotangents: readonly Tensor[]): (Tensor | null)[] {
  const variables = point.variables.map(({ tensor }) => tensor);
  return grad(outputs, variables, { gradOutputs: cotangents, retainGraph: true, allowUnused: true });
}

const isZero = (x: Tensor): boolean => x.toTypedArray().every((element) => Number(element) === 0);

/** Throws unless cotangents of zero give gradients of zero. */
export function checkZeroCotangents(point: Point): void {
  const outputs = point.differentiable.map(({ tensor }) => tensor);
  const found = gradients(
    point,
    outputs,
    outputs.map((y) => zerosLike(y)),
  );
  if (!found.every((g) => g === null || isZero(g)))
    throw new GradcheckError(
      'backward not multiplied by grad_output: cotangents of zero give a gradient other than zero',
    );
}

/** Where a gradient is lost. */
class UndefinedGrad extends Node {
  name(): string {
    return 'UndefinedGradBackward';
  }

  apply(): Gradients {
    return [null];
  }
}

/** A tensor of the same elements, the cotangent of which never arrives. */
function withoutCotangent(x: Tensor): Tensor {
  const y = x.detach();
  attach(new UndefinedGrad(...dividedEdges([edgeOf(x)])), [y]);
  return y;
}

/** Throws unless the backward takes cotangents that are absent, all of them and each in turn, as zeros. */
export function checkUndefinedCotangents(point: Point): void {
  const outputs = point.differentiable.map(({ tensor }) => tensor);
  const all = outputs.map(withoutCotangent);
  const inTurn = outputs.length > 1 ? outputs.map((_, i) => outputs.map((y, j) => (i === j ? all[i] : y))) : [];
  for (const list of [all, ...inTurn]) {
    const found = whileChecking(
      (message) =>
        'Expected backward function to handle undefined output grads, which are null, but it threw: ' +
        `${message}. checkUndefinedGrad: false leaves this check out.`,
      () =>
        gradients(
          point,
          list,
          list.map((y) => zerosLike(y)),
        ),
    );
    if (found.every((g) => g === null || isZero(g))) continue;
    throw new GradcheckError(
      'Expected all input grads to be undefined or zero when all output grads are undefined or zero. checkUndefinedGrad: false leaves ' +
        'this check out.',
    );
  }
}

/** Throws unless an input without a tangent counts as one whose tangent is zero. */
export function checkUndefinedTangents(point: Point): void {
  const generator = new Generator();
  const tangents = point.variables.map(({ tensor }) => uniform(generator, tensor.shape, tensor));
  for (const [k, { tensor, position }] of point.variables.entries()) {
    const zero = point.push(tangents.map((t, i) => (i === k ? zerosLike(tensor) : t)));
    const absent = point.push(tangents.map((t, i) => (i === k ? null : t)));
    for (const [j, t] of absent.entries()) {
      const expected = zero[j];
      if (!t || !expected || isClose(expected, t, 1e-5, 1e-8)) continue;
      throw new GradcheckError(
        `Mismatch in tangent values for output with index ${point.outputs[j].position} when input ${position} has an undefined tangent ` +
          `value. Got: ${t} but expected: ${expected}`,
      );
    }
  }
}

/** Throws unless a batch of cotangents gives what they give one by one. */
export function checkBatchedCotangents(point: Point, output: Entry): void {
  const variables = point.variables.map(({ tensor }) => tensor);
  const generator = new Generator();
  const pull = (v: Tensor): Tensor[] =>
    gradients(point, [output.tensor], [v]).map((g, k) => g ?? zerosLike(variables[k]));
  compareBatches(
    pull,
    uniform(generator, [2, ...output.tensor.shape], output.tensor, -1),
    (k) => `output ${output.position} and input ${point.variables[k].position}`,
    'gradcheck or gradgradcheck failed while testing batched gradient computation: an operator that the backward consists of does not do ' +
      'to a batch, by func.vmap, what it does to each example. checkBatchedGrad: false leaves this check out.',
  );
}

/** Throws unless a batch of tangents gives what they give one by one. */
export function checkBatchedTangents(point: Point): void {
  const generator = new Generator();
  for (const [k, { tensor, position }] of point.variables.entries()) {
    const push = (t: Tensor): Tensor[] =>
      point
        .push(point.variables.map((_, i) => (i === k ? t : null)))
        .map((tangent, j) => tangent ?? zerosLike(point.outputs[j].tensor));
    compareBatches(
      push,
      uniform(generator, [2, ...tensor.shape], tensor, -1),
      (j) => `output ${point.outputs[j].position} and input ${position}`,
      'gradcheck failed while testing batched gradient computation with forward-mode AD: an operator that carries the tangents does not do ' +
        'to a batch, by func.vmap, what it does to each example. checkBatchedForwardGrad: false leaves this check out.',
    );
  }
}

/** Throws unless `f` gives for a batch what it gives for each example. */
function compareBatches(
  f: (example: Tensor) => Tensor[],
  batch: Tensor,
  where: (result: number) => string,
  hint: string,
): void {
  const each = [...batch].map(f);
  const results = whileChecking(
    (message) => `While computing batched gradients, got: ${message}\n\n${hint}`,
    () => vmap(f)(batch),
  );
  for (const [i, result] of results.entries()) {
    const expected = together(each.map((list) => list[i]));
    if (isClose(result, expected, 1e-5, 1e-8)) continue;
    throw new GradcheckError(`For ${where(i)}:\n\n${hint}\n\nGot:\n${result}\n\nExpected:\n${expected}`);
  }
}

/** What `work` gives; if it throws, that it did is the failure of the check. */
function whileChecking<T>(failure: (message: string) => string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new GradcheckError(failure(error instanceof Error ? error.message : String(error)), error);
  }
}
