/** Checkpoints that keep some results: torch.utils.checkpoint.create_selective_checkpoint_contexts. */

import { type Around, operatorName, surround } from '../autograd/around.ts';
import { engine } from '../autograd/current.ts';
import { twin } from '../autograd/edge.ts';
import { mode } from '../autograd/modes.ts';
import { interpreter, type Operand, record } from '../autograd/primitive.ts';
import { checkOptions } from '../core/options.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';

/** What a checkpoint runs its function in: calls `work`, once. `noGrad` and the like are such contexts. */
export type CheckpointContext = (work: () => unknown) => unknown;

/** Whether the result of an operator is kept or computed again. `MUST` and `PREFER` come to the same here. */
export const CheckpointPolicy = {
  MUST_SAVE: 'MUST_SAVE',
  PREFER_SAVE: 'PREFER_SAVE',
  MUST_RECOMPUTE: 'MUST_RECOMPUTE',
  PREFER_RECOMPUTE: 'PREFER_RECOMPUTE',
} as const;
export type CheckpointPolicy = (typeof CheckpointPolicy)[keyof typeof CheckpointPolicy];

/** What a policy is told beside the operator. */
export interface SelectiveCheckpointContext {
  readonly opOutput: Tensor | Tensor[];
}

/** @param op the name of the operator, as profiles show it */
export type PolicyFn = (
  ctx: SelectiveCheckpointContext,
  op: string,
  ...inputs: readonly Operand[]
) => CheckpointPolicy | boolean;

/** Outside of the graph, so that what keeps it does not keep the graph. */
const outside = (x: Tensor): Tensor => Object.assign(twin(x), { _node: null, _outputNr: 0, _view: null });

/** A result that is kept. */
interface Entry {
  readonly several: boolean;
  readonly results: readonly { readonly tensor: Tensor; readonly version: number }[];
}

/**
 * Runs `work`, with `each` around the operators that it applies itself: not around those that transforms or backwards inside of it
 * apply, nor around views and writes in place, which have no result of their own.
 */
function select(each: Around, work: () => unknown): unknown {
  const { run } = engine;
  let busy = false;
  const around: Around = (applied, compute) => {
    const skipped = busy || interpreter.current !== null || engine.run !== run;
    if (skipped || applied.inPlace || applied.primitive.view) return compute();
    busy = true;
    try {
      return each(applied, compute);
    } finally {
      busy = false;
    }
  };
  return surround(around, work);
}

function policyOf(given: PolicyFn | readonly string[]): PolicyFn {
  if (typeof given === 'function') return given;
  if (!Array.isArray(given)) {
    throw new AdjointError(
      'argument',
      `createSelectiveCheckpointContexts: the policy must be either a function or a list of ops, got ${show(given)}`,
    );
  }
  for (const op of given) {
    if (typeof op === 'string') continue;
    throw new AdjointError(
      'argument',
      `createSelectiveCheckpointContexts: expected ops in the list to be names of operators, as profiles show them, got ${show(op)}`,
    );
  }
  return (_, op) => given.includes(op);
}

const saving: readonly unknown[] = [true, CheckpointPolicy.MUST_SAVE, CheckpointPolicy.PREFER_SAVE];
const recomputing: readonly unknown[] = [false, CheckpointPolicy.MUST_RECOMPUTE, CheckpointPolicy.PREFER_RECOMPUTE];

/**
 * For the `contextFn` of a checkpoint: contexts in which the results of some operators are kept when the function is first run, and taken
 * instead of being computed when it is run again.
 *
 * A policy is asked about every operator that makes a tensor of its own: not about views and writes in place. A
 * region can be gone through backward once.
 *
 * @param policy a function that returns a CheckpointPolicy, or true to keep; or the names of the operators whose results are kept
 * @param allowCacheEntryMutation whether a kept result may be written to, whereupon gradients are wrong
 * @example
 * const contextFn = () => createSelectiveCheckpointContexts(['mm', 'addmm']);
 * const y = checkpoint(f, x, { contextFn });
 * @throws in the backward, if a kept result was written to, if the function applies other operators than before, or if it is the second
 * backward
 */
export function createSelectiveCheckpointContexts(
  policy: PolicyFn | readonly string[],
  options: { allowCacheEntryMutation?: boolean } = {},
): [forward: CheckpointContext, recomputation: CheckpointContext] {
  checkOptions('createSelectiveCheckpointContexts', options, ['allowCacheEntryMutation']);
  const { allowCacheEntryMutation = false } = options;
  const ask = policyOf(policy);
  /** For each operator, in the order of its calls: what is kept, or why nothing is. */
  const store = new Map<string, (Entry | 'recompute' | 'consumed')[]>();

  const keepSome: Around = (applied, compute) => {
    const opOutput = compute();
    const op = operatorName(applied);
    const answer = ask({ opOutput }, op, ...applied.inputs);
    if (!saving.includes(answer) && !recomputing.includes(answer)) {
      throw new AdjointError(
        'argument',
        `a checkpoint policy returns a CheckpointPolicy or a boolean, got ${show(answer)}`,
      );
    }
    if (!store.has(op)) store.set(op, []);
    const results = [opOutput].flat().map((x) => ({ tensor: outside(x), version: x.storage.version }));
    store.get(op)?.push(saving.includes(answer) ? { several: Array.isArray(opOutput), results } : 'recompute');
    return opOutput;
  };

  const takeKept = (): Around => {
    const counts = new Map<string, number>();
    return (applied, compute) => {
      const op = operatorName(applied);
      const index = counts.get(op) ?? 0;
      counts.set(op, index + 1);
      const entries = store.get(op);
      const entry = entries?.[index];
      if (!entries || entry === undefined) {
        throw new AdjointError(
          'autograd',
          `${op} invocation index ${index} encountered during backward but not found in storage. The operations in the checkpointed ` +
            'region are nondeterministic or depend on something that has changed since.',
        );
      }
      if (entry === 'consumed') {
        throw new AdjointError(
          'autograd',
          'Trying to backward an extra time. You are only allowed to backward once on any region computed under selective activation checkpoint.',
        );
      }
      if (entry === 'recompute') return compute();
      if (!allowCacheEntryMutation && entry.results.some(({ tensor, version }) => tensor.storage.version !== version)) {
        throw new AdjointError('inplace', 'Tensor cached during selective activation checkpoint has been mutated');
      }
      entries[index] = 'consumed';
      const results = entry.results.map(({ tensor }) => tensor);
      if (mode.grad && !mode.inference) record(applied.primitive, applied.params, applied.inputs, results);
      return entry.several ? results : results[0];
    };
  };

  const forward: CheckpointContext = (work) => select(keepSome, work);
  const recomputation: CheckpointContext = (work) => select(takeKept(), work);
  // so that a graph leads to what is kept: memory-scope.ts looks
  return [forward, Object.assign(recomputation, { store })];
}
