/** Operators whose derivatives their author writes: torch.autograd.Function. */

import { filled } from '../core/creation.ts';
import { isFloatingPoint } from '../core/dtype.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { edgeOf, requiresGrad, twin } from './edge.ts';
import { DualLevel } from './forward.ts';
import { evaluateBatch, evaluateDual } from './function-transforms.ts';
import { innermost } from './lift.ts';
import { mode, noGrad, unrecorded } from './modes.ts';
import { type Edge, type Gradients, type Metadata, Node } from './node.ts';
import { releasedError, type Saved, SavedTensor, save } from './saved.ts';
import { viewOf } from './view.ts';
import { BatchLevel } from './vmap.ts';
import { checkInPlace, rewrite } from './write.ts';

/** One application of a custom function. */
export class Application {
  readonly definition: Definition;
  readonly ctx = new Context<readonly Tensor[]>(this);
  readonly needsInputGrad: readonly boolean[];
  toSave: readonly (Tensor | null)[] = [];
  toSaveForForward: readonly (Tensor | null)[] = [];
  dirty: readonly Tensor[] = [];
  nonDifferentiable: readonly Tensor[] = [];
  materializeGrads = true;
  /** Whether `forward` returned an array. */
  several = false;
  /** Whether `jvp` is running. */
  pushing = false;
  /** Null where the application is not recorded. */
  node: FunctionNode | null = null;
  /** What is kept for the backward; null once released. */
  saved: readonly (Saved | null)[] | null = [];

  constructor(definition: Definition, needsInputGrad: readonly boolean[]) {
    this.definition = definition;
    this.needsInputGrad = needsInputGrad;
  }

  static to(definition: Definition, args: readonly unknown[]): Application {
    return new Application(
      definition,
      args.map((x) => isTensor(x) && requiresGrad(x)),
    );
  }

  /** An application with the context that this one has, but for what is saved. */
  reopened(saved: readonly (Tensor | null)[]): Application {
    const again = new Application(this.definition, this.needsInputGrad);
    again.saved = saved.map((x) => x && { unpack: () => x });
    Object.assign(again.ctx, this.ctx);
    return again;
  }

  isDifferentiable(result: unknown): result is Tensor {
    return result instanceof Tensor && isFloatingPoint(result.dtype) && !this.nonDifferentiable.includes(result);
  }
}

const accessedError = (): AdjointError =>
  new AdjointError(
    'autograd',
    'savedTensors can only be accessed once where the autograd.Function says static clearSavedTensorsOnAccess = true: keep what it gives in ' +
      'a variable. They are not there in a second backward either',
  );

/** The part of a context that every custom function has. */
class Context<S extends readonly (Tensor | null)[]> {
  readonly #application: Application;

  constructor(application: Application) {
    this.#application = application;
  }

  /** For each argument of `forward`, whether it is a tensor that requires grad. Gradients of the others are not asked for. */
  get needsInputGrad(): readonly boolean[] {
    return this.#application.needsInputGrad;
  }

  /**
   * Keeps tensors for `backward`, which finds them in `savedTensors`. Save inputs and outputs here and nowhere else: that way a write to
   * one of them is noticed, and what is saved goes with the graph. To be called once.
   */
  saveForBackward(...tensors: S): void {
    this.#application.toSave = tensors;
  }

  /**
   * In `backward`, what `saveForBackward` was given; in `jvp`, what `saveForForward` was. Empty until `forward` is over.
   * @throws if one was written to since, or if the graph was released
   */
  get savedTensors(): S {
    const { definition, saved, pushing, toSaveForForward } = this.#application;
    if (pushing) return toSaveForForward as S;
    const once = definition.clearSavedTensorsOnAccess ?? false;
    if (saved === null) throw once ? accessedError() : releasedError();
    if (once) this.#application.saved = null;
    return saved.map((s) => s?.unpack() ?? null) as readonly (Tensor | null)[] as S;
  }

  /** The same for `jvp`, which finds them in `savedTensors` as well. To be called once. */
  saveForForward(...tensors: readonly (Tensor | null)[]): void {
    for (const x of tensors) {
      if (x === null || x instanceof Tensor) continue;
      throw new AdjointError(
        'argument',
        `saveForForward expects all arguments to be Tensors, got ${show(x)}; keep what is no tensor as a property of ctx`,
      );
    }
    this.#application.toSaveForForward = tensors;
  }

  /** Tells which inputs `forward` has written to. All of them have to be outputs as well. To be called once. */
  markDirty(...inputs: Tensor[]): void {
    for (const [i, input] of inputs.entries()) {
      if (!(input instanceof Tensor)) {
        throw new AdjointError('argument', `markDirty can only accept Tensors, but argument ${i} is ${show(input)}`);
      }
      input.storage.version++;
    }
    this.#application.dirty = inputs;
  }

  /** Tells which outputs have no gradient, beside those of integer dtypes. `backward` gets zeros for them. To be called once. */
  markNonDifferentiable(...outputs: Tensor[]): void {
    for (const output of outputs) {
      if (!(output instanceof Tensor))
        throw new AdjointError('argument', `markNonDifferentiable only accepts Tensors, but got ${show(output)}`);
    }
    this.#application.nonDifferentiable = outputs;
  }

  /** Whether `backward` gets zeros (the default) or null for outputs that no gradient arrived for. */
  setMaterializeGrads(value: boolean): void {
    this.#application.materializeGrads = value;
  }
}

/**
 * What `forward` leaves for `backward`: the first argument of both (torch.autograd.function.FunctionCtx). Anything that is no tensor is kept as a
 * property of the context itself.
 * @typeParam Own the properties that the function adds
 * @typeParam S what it gives to `saveForBackward`
 * @example static forward(ctx: autograd.FunctionCtx<{ exponent: number }>, x: Tensor, exponent: number) { ... }
 */
export type FunctionCtx<
  Own extends object = object,
  S extends readonly (Tensor | null)[] = readonly Tensor[],
> = Context<S> & Own;

/** A class with `static forward(ctx, ...args)`. */
interface Combined<A extends readonly unknown[], R> {
  forward(ctx: never, ...args: A): R;
}

/** A class with `static forward(...args)` and `static setupContext(ctx, inputs, output)`. */
interface Separate<A extends readonly unknown[], R> {
  forward(...args: A): R;
  setupContext(ctx: never, inputs: A, output: R): void;
}

/** The types of the arguments and of the result are those of `forward`. */
interface Apply {
  <A extends readonly unknown[], R>(this: Separate<A, R>, ...args: A): R;
  <A extends readonly unknown[], R>(this: Combined<A, R>, ...args: A): R;
}

type Call = (...args: readonly unknown[]) => unknown;

/** What the batch rule of a custom function is told (torch.autograd.function.VmapInfo). */
export interface VmapInfo {
  readonly batchSize: number;
  readonly randomness: 'error' | 'different' | 'same';
}

type Backward = (ctx: unknown, ...gradients: (Tensor | null)[]) => unknown;

/** A subclass as it is at run time, whatever it lacks. */
export interface Definition {
  readonly name: string;
  readonly forward?: Call;
  readonly setupContext?: (ctx: unknown, inputs: readonly unknown[], output: unknown) => void;
  readonly backward?: Backward;
  readonly vjp?: Backward;
  readonly clearSavedTensorsOnAccess?: boolean;
  readonly jvp?: (ctx: unknown, ...tangents: (Tensor | null)[]) => unknown;
  readonly generateVmapRule?: boolean;
  readonly vmap?: (info: VmapInfo, inDims: readonly (number | null)[], ...args: readonly unknown[]) => unknown;
}

/**
 * Base class of operators that say themselves what their gradient is (torch.autograd.Function). A subclass has static methods and is
 * never instantiated:
 *
 * @example
 * class Exp extends autograd.Function {
 *   static forward(ctx: autograd.FunctionCtx, x: Tensor): Tensor {
 *     const y = x.exp();
 *     ctx.saveForBackward(y);
 *     return y;
 *   }
 *   static backward(ctx: autograd.FunctionCtx, gradient: Tensor): Tensor {
 *     const [y] = ctx.savedTensors;
 *     return gradient.mul(y);
 *   }
 * }
 * const y = Exp.apply(x);
 *
 * `forward` takes a context and any arguments, runs unrecorded, and returns a tensor or an array of results. `backward` takes the context and
 * one gradient for each result (null for results that are no tensors), and returns one gradient for each argument of `forward`, null
 * where there is none; alone or in an array. It is written with differentiable operators, so that it can be differentiated in turn;
 * if it is not, wrap it in `onceDifferentiable`. It may be called `vjp` instead. With `static clearSavedTensorsOnAccess = true` the saved
 * tensors are let go as soon as `backward` has asked for them, so that they can be collected while it runs.
 *
 * A class with `static setupContext(ctx, inputs, output)` keeps what concerns the context out of `forward`, which then takes the arguments only.
 *
 * For forward mode it has `static jvp(ctx, ...tangents)`, which takes a tangent for each argument (null for those that are no tensors) and returns
 * one for each result. For func.vmap it needs `setupContext` and `static generateVmapRule = true`, whereupon all of the above is run on whole
 * batches; or `static vmap(info, inDims, ...args)`, which is called with batches and returns [output, outDims].
 */
// biome-ignore lint/complexity/noStaticOnlyClass: what it has is for subclasses
abstract class CustomFunction {
  /**
   * Calls `forward` and records the call. An input that `forward` returns comes back as a view of itself, unless it was marked as dirty.
   * It belongs to its class wherever it is called from: `gradcheck(Exp.apply, x)`.
   * @throws what `forward` throws; or if what it marked does not fit together
   */
  static get apply(): Apply {
    // biome-ignore lint/complexity/noThisInStatic: it is the subclass
    const apply = (...args: readonly unknown[]): never => applyFunction(this as unknown as Definition, args) as never;
    return apply; // under a name for stack traces
  }
}

export { CustomFunction as Function };

/** The `backward` of a custom function, which may be called `vjp` as well. */
export function backwardOf({ backward, vjp }: Definition): Backward | undefined {
  if (!backward || !vjp) return backward ?? vjp;
  throw new AdjointError(
    'autograd',
    "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of them.",
  );
}

function applyFunction(definition: Definition, args: readonly unknown[]): unknown {
  if (!definition.forward)
    throw new AdjointError('autograd', 'You must implement the forward function for custom autograd.Function.');
  const application = Application.to(definition, args);
  const results = evaluate(application, args);
  application.node?.save();
  return application.several ? results : results[0];
}

export const isTensor = (x: unknown): x is Tensor => x instanceof Tensor;

/** Calls the function, within the transforms that are under way for its arguments. */
export function evaluate(application: Application, args: readonly unknown[]): unknown[] {
  const level = innermost(args.filter(isTensor));
  if (level instanceof DualLevel) return evaluateDual(application, args, level);
  if (level instanceof BatchLevel) return evaluateBatch(application, args, level);
  return record(application, args, application.definition.forward as Call);
}

/** Calls `forward` and records the call. */
export function record(application: Application, args: readonly unknown[], forward: Call): unknown[] {
  const { definition, ctx } = application;
  const { setupContext } = definition;
  const tensors = args.filter(isTensor);
  if (mode.grad && !mode.inference && tensors.some(requiresGrad)) {
    application.node = new FunctionNode(application, args, tensors.map(edgeOf));
  }
  const output = unrecorded(() => {
    if (!setupContext) return forward.call(definition, ctx, ...args);
    const result = forward.call(definition, ...args);
    setupContext.call(definition, ctx, args, result);
    return result;
  });
  application.several = Array.isArray(output);
  const results: readonly unknown[] = Array.isArray(output) ? output : [output];
  const { dirty, toSave, node } = application;
  if (!dirty.every((x) => results.includes(x))) {
    throw new AdjointError(
      'autograd',
      'Some elements marked as dirty during the forward method were not returned as output. The inputs that are modified inplace must ' +
        'all be outputs of the Function.',
    );
  }
  if (dirty.some((x) => !tensors.includes(x) && x._view)) {
    throw new AdjointError(
      'autograd',
      'ctx.markDirty() received a tensor that was not an input. Only input Tensors that have been mutated should be passed to ctx.markDirty().',
    );
  }
  const isUnchanged = (y: Tensor): boolean => tensors.includes(y) && !dirty.includes(y);
  if (setupContext && toSave.some((x) => x && isUnchanged(x) && results.includes(x))) {
    throw new AdjointError(
      'autograd',
      'An input that has been returned as-is as output is being saved for backward. This is not supported if you override setupContext. ' +
        'You should return and save a view of the input instead, e.g. with x.viewAs(x) or setup ctx inside the forward function itself.',
    );
  }
  return node ? node.attach(results, tensors) : results.map((y) => detached(y, tensors, dirty));
}

/** An input as a result: another tensor in the same memory. */
function alias(x: Tensor): Tensor {
  const y = twin(x);
  y._view = viewOf(x, false);
  return y;
}

/** A result that has no part in the graph. */
function detached(y: unknown, inputs: readonly Tensor[], dirty: readonly Tensor[]): unknown {
  if (!(y instanceof Tensor)) return y;
  if (!inputs.includes(y)) return requiresGrad(y) && !y._view ? y.detach_() : seal(y, 'custom');
  if (requiresGrad(y)) return y.detach();
  return dirty.includes(y) ? y : seal(alias(y), 'custom');
}

/** Forbids recorded writes to a result that is a view. */
function seal(y: Tensor, sealed: 'custom' | 'several'): Tensor {
  if (y._view) y._view = { ...y._view, version: y.storage.version, sealed };
  return y;
}

/** Stands for a result that is no tensor. */
const noTensor: Metadata = { shape: [], dtype: 'bool' };

class FunctionNode extends Node {
  private readonly application: Application;
  /** Which arguments of `forward` are tensors: the edges belong to these. */
  private readonly isTensor: readonly boolean[];

  constructor(application: Application, args: readonly unknown[], edges: readonly (Edge | null)[]) {
    super(edges);
    this.application = application;
    this.isTensor = args.map(isTensor);
  }

  name(): string {
    return `${this.application.definition.name}Backward`;
  }

  /** Makes the results of `forward` the outputs of this node. */
  attach(results: readonly unknown[], inputs: readonly Tensor[]): unknown[] {
    const { application } = this;
    const { dirty } = application;
    const sealed = results.filter((y) => application.isDifferentiable(y)).length > 1 ? 'several' : 'custom';
    this.outputs = results.map((y) => (y instanceof Tensor ? { shape: y.shape, dtype: y.dtype } : noTensor));
    return results.map((result, nr) => {
      if (!application.isDifferentiable(result)) return detached(result, inputs, dirty);
      if (dirty.includes(result) && inputs.includes(result)) {
        this.rewrite(result, nr, inputs.indexOf(result), results.length);
        return result;
      }
      const y = seal(inputs.includes(result) ? alias(result) : result, sealed);
      y._node = this;
      y._outputNr = nr;
      return y;
    });
  }

  private rewrite(self: Tensor, nr: number, input: number, results: number): void {
    checkInPlace(self, true, true);
    if (self._view && results > 1) {
      throw new AdjointError(
        'inplace',
        'If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return more than one Tensor. ' +
          'You should either make sure the input is not a view (using .clone() for example) or make your Function only return one ' +
          'Tensor (potentially splitting it into two Functions: one doing the inplace that returns a single Tensor and a second one ' +
          'that does the other operations).',
      );
    }
    rewrite(self, { node: this, nr }, input);
  }

  /** Keeps what `forward` has asked to keep. */
  save(): void {
    const { application } = this;
    application.saved = application.toSave.map((x, i) => {
      if (x === null) return null;
      if (x instanceof Tensor) return save(x, x._node === this ? this : null);
      throw new AdjointError('argument', `saveForBackward can only save Tensors, but argument ${i} is ${show(x)}`);
    });
    application.toSave = [];
  }

  // the code of users may keep the gradients that it sees
  override get foreign(): boolean {
    return true;
  }

  apply(gradients: Gradients): Gradients {
    const { isTensor } = this;
    const { definition, ctx } = this.application;
    const backward = backwardOf(definition);
    if (!backward) {
      throw new AdjointError(
        'autograd',
        'You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD.',
      );
    }
    const returned = backward.call(
      definition,
      ctx,
      ...this.outputs.map((output, nr) => this.cotangent(gradients[nr], output)),
    );
    const all: readonly unknown[] = Array.isArray(returned) ? returned : [returned];
    const count = isTensor.length;
    if (all.length < count || all.slice(count).some((g) => g != null)) {
      throw new AdjointError(
        'autograd',
        `function ${this.name()} returned an incorrect number of gradients (expected ${count}, got ${all.length})`,
      );
    }
    return isTensor.flatMap((wanted, i) => this.checked(all[i] ?? null, i, wanted));
  }

  private cotangent(gradient: Tensor | null, output: Metadata): Tensor | null {
    if (gradient || output === noTensor || !this.application.materializeGrads) return gradient;
    return filled(output.shape, 0, output.dtype);
  }

  private checked(gradient: unknown, i: number, wanted: boolean): (Tensor | null)[] {
    if (gradient !== null && !wanted) {
      throw new AdjointError(
        'autograd',
        `function ${this.name()} returned a gradient different than null at position ${i + 1}, but the corresponding forward input was not a Tensor`,
      );
    }
    if (gradient !== null && !(gradient instanceof Tensor)) {
      throw new AdjointError(
        'argument',
        `expected Tensor or null at position ${i + 1} of what ${this.name()} returned, got ${show(gradient)}`,
      );
    }
    return wanted ? [gradient] : [];
  }

  override get savedTensors(): readonly (Tensor | null)[] {
    return this.application.ctx.savedTensors;
  }

  override get _rawSavedTensors(): readonly SavedTensor[] {
    const { application } = this;
    if (!application.saved) throw releasedError();
    return application.saved.map(
      (_, i) =>
        new SavedTensor(
          () => application.saved?.[i],
          (packed) => {
            application.saved = application.saved?.with(i, packed) ?? null;
          },
        ),
    );
  }

  override namedSaved(): [string, Tensor][] {
    return (this.application.saved ?? []).flatMap((saved, i): [string, Tensor][] =>
      saved ? [[`saved ${i}`, saved.unpack()]] : [],
    );
  }

  override release(): void {
    this.application.saved = null;
  }
}

/** The end of a graph that goes no further: running it is an error. */
class DelayedError extends Node {
  private readonly message: string;

  constructor(message: string) {
    super([]);
    this.message = message;
  }

  name(): string {
    return 'Error';
  }

  apply(): Gradients {
    throw new AdjointError('autograd', this.message);
  }
}

/**
 * Makes a `backward` of a custom function, computed without recording, an error to differentiate
 * (torch.autograd.function.once_differentiable).
 * @example static backward = autograd.onceDifferentiable((ctx: autograd.FunctionCtx, gradient: Tensor) => ...);
 */
export function onceDifferentiable<C, G extends readonly (Tensor | null)[], R>(
  backward: (ctx: C, ...gradients: G) => R,
): (ctx: C, ...gradients: G) => R {
  return (ctx, ...gradients) => {
    const returned = noGrad(() => backward(ctx, ...gradients));
    if (!mode.grad || !gradients.some((g) => g && requiresGrad(g))) return returned;
    const node = new DelayedError('trying to differentiate twice a function that was marked with onceDifferentiable');
    const marked = (value: unknown): unknown => {
      if (!(value instanceof Tensor)) return value;
      const g = value.detach();
      g._node = node;
      g._outputNr = node.outputs.length;
      node.setOutputs([...node.outputs, g]);
      return g;
    };
    return (Array.isArray(returned) ? returned.map(marked) : marked(returned)) as R;
  };
}
