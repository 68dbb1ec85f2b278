/** The applications of custom functions (function.ts): the context that the functions see, and the nodes that they leave. */

import { filled } from '../core/creation.ts';
import { isFloatingPoint } from '../core/dtype.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { edgeOf, requiresGrad, twin } from './edge.ts';
import { mode, unrecorded } from './modes.ts';
import { dividedEdges, type Edge, type Gradients, type Metadata, Node } from './node.ts';
import { releasedError, type Saved, SavedTensor, save } from './saved.ts';
import { viewOf } from './view.ts';
import type { Randomness } from './vmap.ts';
import { checkInPlace, rewrite } from './write.ts';

type Call = (...args: readonly unknown[]) => unknown;

/** What the batch rule of a custom function is told (torch.autograd.function.VmapInfo). */
export interface VmapInfo {
  readonly batchSize: number;
  readonly randomness: Randomness;
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

/** The `backward` of a custom function, which may be called `vjp` as well. */
export function backwardOf({ backward, vjp }: Definition): Backward | undefined {
  if (!backward || !vjp) return backward ?? vjp;
  throw new AdjointError(
    'autograd',
    "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of them.",
  );
}

export const isTensor = (x: unknown): x is Tensor => x instanceof Tensor;

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

/** Calls `forward`, and records the call as a node. */
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

/** The node of an application that is recorded. */
class FunctionNode extends Node {
  private readonly application: Application;
  /** Which arguments of `forward` are tensors: the edges belong to these. */
  private readonly isTensor: readonly boolean[];

  constructor(application: Application, args: readonly unknown[], edges: readonly (Edge | null)[]) {
    super(...dividedEdges(edges));
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
