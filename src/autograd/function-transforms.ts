/**
 * Custom functions within transforms: in forward mode, what they say of tangents (`jvp`); over a batch, what they say of batches (`vmap`), or
 * what follows from what they do to one example.
 */

import { zerosLike } from '../core/creation.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { Application, backwardOf, type Definition, type FunctionCtx, isTensor, record } from './application.ts';
import { twin } from './edge.ts';
import { checkTangent, Dual, DualLevel } from './forward.ts';
import { at, innermost } from './lift.ts';
import { mode, setGradEnabled } from './modes.ts';
import { BatchLevel } from './vmap.ts';

/** Calls the function, within the transforms that are under way for its arguments. */
export function evaluate(application: Application, args: readonly unknown[]): unknown[] {
  const level = innermost(args.filter(isTensor));
  if (level instanceof DualLevel) return evaluateDual(application, args, level);
  if (level instanceof BatchLevel) return evaluateBatch(application, args, level);
  return record(application, args, application.definition.forward as NonNullable<Definition['forward']>);
}

/** In forward mode: `forward` is applied to the values, and `jvp` to their tangents. */
function evaluateDual(application: Application, args: readonly unknown[], level: DualLevel): unknown[] {
  const tangents = args.map((x) => (isTensor(x) ? level.lower(x).tangent : null));
  const values = args.map((x, k) => (tangents[k] ? level.strip(x as Tensor) : x));
  const results = evaluate(application, values);
  const versions = tangents.map((t) => t?.storage.version);
  const directions = push(
    application,
    tangents.map((t, k) => t ?? (isTensor(args[k]) && application.materializeGrads ? zerosLike(args[k]) : null)),
    results,
  );
  for (const [k, tangent] of tangents.entries()) {
    if (!tangent) continue;
    const written = tangent.storage.version !== versions[k];
    for (const [j, result] of results.entries())
      if (isTensor(result)) checkAlias(result, directions[j], values[k] as Tensor, tangent, written);
  }
  // what the backward finds has the tangents that it would have had without the function
  const given = new Map(values.map((value, k) => [value, args[k]]));
  const dual = (x: Tensor | null): Tensor | null => (given.get(x) ?? x) as Tensor | null;
  application.toSave = application.toSave.map(dual);
  application.toSaveForForward = application.toSaveForForward.map(dual);
  return results.map((result, j) => {
    if (!isTensor(result)) return result;
    // an input that was written to is returned as it was given
    const output = dual(result) as Tensor;
    const value = twin(result);
    if (output !== result) Object.assign(output, { _node: result._node, _outputNr: result._outputNr });
    output._lift = directions[j] ? new Dual(level, value, directions[j]) : value._lift;
    return output;
  });
}

const baseOf = (x: Tensor): Tensor => x._view?.base ?? x;

/**
 * Throws if a result of `forward` is an input that was written to, or a view of an input, and `jvp` has not done to the tangents what
 * `forward` did to the values.
 */
function checkAlias(result: Tensor, direction: Tensor | null, input: Tensor, tangent: Tensor, written: boolean): void {
  if (result === input) {
    if (written) return;
    throw new AdjointError(
      'autograd',
      'An inplace custom Function is not modifying the forward mode gradients inplace. If the forward is modifying an input inplace, ' +
        'then the jvp function must modify the corresponding gradient inplace.',
    );
  }
  if (!direction || !result._view || baseOf(result) !== baseOf(input)) return;
  if (!direction._view) {
    throw new AdjointError(
      'autograd',
      "A custom Function's forward is returning a view (or an input as-is) but the jvp is not returning a view.",
    );
  }
  if (baseOf(direction) !== baseOf(tangent)) {
    throw new AdjointError(
      'autograd',
      'A custom Function is returning a view but the jvp is not returning a view of the given grad input.',
    );
  }
}

/** The tangents of the results, by `jvp`; null where there is none. */
function push(
  application: Application,
  tangents: readonly (Tensor | null)[],
  results: readonly unknown[],
): (Tensor | null)[] {
  const { definition, ctx } = application;
  if (!definition.jvp) {
    throw new AdjointError(
      'autograd',
      'You must implement the jvp function for custom autograd.Function to use it with forward mode AD.',
    );
  }
  application.pushing = true;
  let returned: unknown;
  try {
    returned = definition.jvp(ctx, ...tangents);
  } finally {
    application.pushing = false;
  }
  const all = listed(returned);
  if (all.length !== results.length) {
    throw new AdjointError(
      'autograd',
      `Function's jvp returned an invalid number of forward gradients (expected ${results.length} but got ${all.length})`,
    );
  }
  return all.map((tangent, j) => {
    if (tangent == null) return null;
    const result = results[j];
    if (!application.isDifferentiable(result)) {
      throw new AdjointError(
        'autograd',
        `Function's jvp returned a gradient at position ${j}, but the corresponding forward output is not a differentiable Tensor. ` +
          'You should return null at that position instead.',
      );
    }
    checkTangent(result, tangent as Tensor);
    return tangent as Tensor;
  });
}

/** Over a batch: the function is applied to all examples at once, and recorded as it is for one of them. */
function evaluateBatch(application: Application, args: readonly unknown[], level: BatchLevel): unknown[] {
  const { definition } = application;
  const { name, vmap, generateVmapRule = false, setupContext } = definition;
  if (vmap && generateVmapRule) {
    throw new AdjointError(
      'autograd',
      `You tried to vmap over ${name}, but it has both generateVmapRule = true and a vmap staticmethod. Please delete one of them to ` +
        'avoid ambiguity.',
    );
  }
  if (!vmap && !generateVmapRule) {
    throw new AdjointError(
      'unsupported',
      `You tried to vmap over ${name}, but it does not have vmap support. Please implement the vmap staticmethod or set ` +
        'static generateVmapRule = true.',
    );
  }
  if (!setupContext) {
    throw new AdjointError(
      'unsupported',
      `In order to use an autograd.Function with vmap, it must have the setupContext staticmethod; ${name} does not.`,
    );
  }
  const recording = mode.grad;
  return record(application, args, (...examples) => {
    const batched = examples.map((x) => isTensor(x) && level.lower(x) !== null);
    const values = examples.map((x, k) => (batched[k] ? level.lower(x as Tensor) : x));
    return setGradEnabled(recording, () =>
      vmap ? byOwnRule(definition, level, batched, values) : byGeneratedRule(definition, level, batched, values),
    );
  });
}

function byOwnRule(
  definition: Definition,
  level: BatchLevel,
  batched: readonly boolean[],
  values: readonly unknown[],
): unknown {
  const info = { batchSize: level.size, randomness: level.randomness };
  const returned = definition.vmap?.(
    info,
    batched.map((b) => (b ? 0 : null)),
    ...values,
  );
  if (!Array.isArray(returned) || returned.length !== 2) {
    throw new AdjointError(
      'argument',
      'Expected the vmap staticmethod to have two returns, an output and outDims with structure compatible with the output. ' +
        `Got ${Array.isArray(returned) ? `${returned.length} returns` : show(returned)} instead`,
    );
  }
  const [output, outDims] = returned as [unknown, unknown];
  const lift = (y: unknown, dim: unknown): unknown => (isTensor(y) && typeof dim === 'number' ? level.lift(y, dim) : y);
  if (Array.isArray(outDims) && !(Array.isArray(output) && output.length === outDims.length)) {
    throw new AdjointError(
      'argument',
      `The vmap staticmethod of ${definition.name} returned an incompatible [output, outDims]. Expected outDims ${show(outDims)} to be ` +
        'compatible with the structure of the output: one for each of its results, or one for all.',
    );
  }
  if (!Array.isArray(output)) return lift(output, outDims);
  return output.map((y, j) => lift(y, Array.isArray(outDims) ? outDims[j] : outDims));
}

function byGeneratedRule(
  definition: Definition,
  level: BatchLevel,
  batched: readonly boolean[],
  values: readonly unknown[],
): unknown {
  const application = Application.to(onBatches(definition, level, batched), values);
  const results = evaluate(application, values);
  application.node?.save();
  const lifted = results.map((y) => (isTensor(y) ? level.lift(y) : y));
  return application.several ? lifted : lifted[0];
}

/** The context of a batch: that of an example, and which of the tensors that it saves are batches. */
type BatchCtx = FunctionCtx<{ example: Application; forBackward: readonly boolean[]; forForward: readonly boolean[] }>;

/**
 * What a custom function does to one example, done to all examples of a batch at once.
 * @param batched which arguments are batches; the others are the same for all examples
 */
function onBatches(definition: Definition, { size, randomness }: BatchLevel, batched: readonly boolean[]): Definition {
  const { name, jvp } = definition;
  const backward = backwardOf(definition);
  const within = <T>(work: (level: BatchLevel) => T): T => at(new BatchLevel(size, randomness), work);
  const lift = (level: BatchLevel, x: unknown, isBatch: boolean): unknown =>
    isTensor(x) && isBatch ? level.lift(x) : x;
  const lower = (level: BatchLevel, x: unknown): unknown => (isTensor(x) ? level.lowerAll(x) : x);
  const mapped = (output: unknown, f: (y: unknown) => unknown): unknown =>
    Array.isArray(output) ? output.map(f) : f(output);

  return {
    name: `Vmapped${name}`,
    generateVmapRule: true,
    forward: (...values) =>
      within((level) =>
        mapped(definition.forward?.(...values.map((x, k) => lift(level, x, batched[k]))), (y) => lower(level, y)),
      ),
    setupContext: (given, values, output) =>
      within((level) => {
        const ctx = given as BatchCtx;
        const example = new Application(definition, ctx.needsInputGrad);
        definition.setupContext?.(
          example.ctx,
          values.map((x, k) => lift(level, x, batched[k])),
          mapped(output, (y) => lift(level, y, true)),
        );
        if (example.dirty.length > 0) {
          throw new AdjointError(
            'unsupported',
            `vmap over ${name}: a function that writes to its inputs needs a vmap staticmethod`,
          );
        }
        const isBatch = (x: Tensor | null): boolean => x !== null && level.lower(x) !== null;
        const whole = (x: Tensor): Tensor => x && (level.lower(x) ?? x);
        Object.assign(ctx, {
          example,
          forBackward: example.toSave.map(isBatch),
          forForward: example.toSaveForForward.map(isBatch),
        });
        ctx.saveForBackward(...(example.toSave as Tensor[]).map(whole));
        ctx.saveForForward(...(example.toSaveForForward as Tensor[]).map(whole));
        ctx.markNonDifferentiable(...example.nonDifferentiable.map(whole));
        ctx.setMaterializeGrads(example.materializeGrads);
      }),
    backward:
      backward &&
      ((given, ...gradients) =>
        within((level) => {
          const ctx = given as BatchCtx;
          const saved = ctx.savedTensors.map((x, i) => lift(level, x, ctx.forBackward[i]) as Tensor | null);
          const own = ctx.example.reopened(saved).ctx;
          const returned = backward.call(definition, own, ...gradients.map((g) => g && level.lift(g)));
          return listed(returned).map((g, k) =>
            isTensor(g) && !batched[k] ? level.lowerAll(g).sum(0) : lower(level, g),
          );
        })),
    jvp:
      jvp &&
      ((given, ...tangents) =>
        within((level) => {
          const ctx = given as BatchCtx;
          const saved = ctx.savedTensors.map((x, i) => lift(level, x, ctx.forForward[i]) as Tensor | null);
          const own = ctx.example.reopened(saved).ctx;
          const returned = jvp.call(
            definition,
            own,
            ...tangents.map((t, k) => lift(level, t, batched[k]) as Tensor | null),
          );
          return listed(returned).map((t) => lower(level, t));
        })),
  };
}

const listed = (returned: unknown): readonly unknown[] => (Array.isArray(returned) ? returned : [returned]);
