/**
 * The rules for batches (vmap.ts) that operators have in common. A rule gets the inputs with one dimension more in front, where they are
 * batches, and gives the results so. Most say where the examples' dimensions are then, and run the operator itself.
 */
import type { Tensor } from '../core/tensor.ts';
import { at } from './lift.ts';
import { type Operand, type Primitive, run, withBatchRule } from './primitive.ts';
import { BatchLevel } from './vmap.ts';

const sizeOf = (inputs: readonly Operand[], batched: readonly boolean[]): number =>
  (inputs[batched.indexOf(true)] as Tensor).shape[0];

/** The inputs as batches, all of them: what the examples share is repeated for each, without a copy. */
export function examplesOf(inputs: readonly Operand[], batched: readonly boolean[]): Operand[] {
  const size = sizeOf(inputs, batched);
  return inputs.map((x, k) => (batched[k] || typeof x === 'number' ? x : x.expand([size, ...x.shape])));
}

/** Gives all examples as many dimensions as the one that has most, so that batches broadcast example by example. */
export function alignExamples(inputs: readonly Operand[], batched: readonly boolean[]): Operand[] {
  const rank = Math.max(...inputs.map((x, k) => (typeof x === 'number' ? 0 : x.ndim - Number(batched[k]))));
  return inputs.map((x, k) => {
    if (!batched[k] || typeof x === 'number' || x.ndim === rank + 1) return x;
    const [size, ...example] = x.shape;
    return x.reshape([size, ...new Array<number>(rank - example.length).fill(1), ...example]);
  });
}

/** For an operator on the last dimensions, or on none: the batch is one more in front of them. */
export const inFront = <P>(operator: Primitive<P>): Primitive<P> =>
  withBatchRule(operator, (params, inputs, batched) => run(operator, params, examplesOf(inputs, batched)));

/** Parameters that number dimensions from the front. */
type Along = number | readonly number[] | { readonly dim: number } | { readonly dims: readonly number[] };

/** The same for a batch, whose examples' dimensions come one later. */
function shifted<P extends Along>(params: P): P {
  const given: Along = params;
  const next = (dim: number): number => dim + 1;
  const shift = (): Along => {
    if (typeof given === 'number') return next(given);
    if (!('length' in given)) {
      return 'dim' in given ? { ...given, dim: next(given.dim) } : { ...given, dims: given.dims.map(next) };
    }
    return given.map(next);
  };
  return shift() as P;
}

/**
 * For an operator along dimensions, which its parameters name: on a batch it runs along the next ones.
 * @param like the input that has as many dimensions as the results, but for those that are reduced
 */
export function alongBatch<P extends Along>(operator: Primitive<P>, like = 0): Primitive<P> {
  return withBatchRule(operator, (params, inputs, batched) => {
    const examples = examplesOf(inputs, batched);
    const isBare = (x: Operand): x is Tensor => typeof x !== 'number' && x.ndim === 1;
    if (!examples.some(isBare)) return run(operator, shifted(params), examples);
    // an example without dimensions counts as one with a single element
    const along = shifted(params);
    const lined = typeof along === 'object' && 'dims' in along ? { ...along, dims: [1] } : along;
    const lines = examples.map((x) => (isBare(x) ? x.unsqueeze(1) : x));
    const out = run(operator, lined, lines);
    if (!isBare(examples[like])) return out;
    const bare = (y: Tensor): Tensor => y.reshape([y.shape[0]]);
    return Array.isArray(out) ? out.map(bare) : bare(out);
  });
}

/** For an operator that `on` carries out on an example with operators that have rules: these are what is applied to the batch. */
export function composed<P>(
  operator: Primitive<P>,
  on = operator.forward as (params: P, ...inputs: Tensor[]) => Tensor | Tensor[],
): Primitive<P> {
  return withBatchRule(operator, (params, inputs, batched) =>
    at(new BatchLevel(sizeOf(inputs, batched)), (level) => {
      const examples = inputs.map((x, k) => (batched[k] ? level.lift(x as Tensor) : x));
      const out = on(params, ...(examples as Tensor[]));
      return Array.isArray(out) ? out.map((y) => level.lowerAll(y)) : level.lowerAll(out);
    }),
  );
}
