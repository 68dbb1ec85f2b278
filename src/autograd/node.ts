import type { DType } from '../core/dtype.ts';
import type { Shape } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { anomaly, noteOrigin } from './anomaly.ts';
import type { Task } from './current.ts';
import type { RemovableHandle } from './hooks.ts';
import { register, type TensorHooks } from './hooks.ts';

/** One output of a node, as the place where a gradient arrives. */
export interface Edge {
  readonly node: Node;
  readonly nr: number;
}

/**
 * The place in a graph where the gradient with respect to a tensor arrives: output `outputNr` of `node`. `grad` and `backward` take it in
 * the tensor's stead (torch.autograd.graph.GradientEdge).
 */
export class GradientEdge {
  readonly node: Node;
  readonly outputNr: number;

  constructor(node: Node, outputNr: number) {
    this.node = node;
    this.outputNr = outputNr;
  }
}

/** What a gradient that arrives must look like. */
export interface Metadata {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Whether any other dtype will do as well. */
  readonly anyDtype?: boolean;
}

export type Gradients = readonly (Tensor | null)[];

let nodes = 0;
const nothing: readonly Metadata[] = [];

/** How many there are so far: the number of the next one. */
export const recorded = (): number => nodes;

/**
 * A step of the recorded program, seen backward: it takes the gradients with respect to its outputs and gives those with respect to its
 * inputs. `edges` says where each of these goes: to an output of the node that made that input, or nowhere.
 */
export abstract class Node {
  /** Later nodes have greater numbers: gradients flow from greater to smaller. */
  readonly sequence: number;
  readonly edges: readonly (Edge | null)[];
  /** One for each output of the step. */
  outputs: readonly Metadata[] = nothing;
  /** The hooks of tensors that are outputs of this step. */
  tensorHooks: Map<number, TensorHooks> | null = null;
  /** Called before and after the gradients are computed. */
  preHooks: Set<(gradients: Gradients) => Gradients | void> | null = null;
  postHooks: Set<(gradInputs: Gradients, gradOutputs: Gradients) => Gradients | void> | null = null;
  /** What the innermost run of the engine that reaches it knows of it. */
  task: Task | null = null;
  /** A place for users to leave notes on the node. */
  private notes: Record<string, unknown> | null = null;

  constructor(edges: readonly (Edge | null)[]) {
    this.sequence = nodes++;
    this.edges = edges;
    if (anomaly.enabled) noteOrigin(this, new.target);
  }

  /** Says what its outputs look like: like these. */
  setOutputs(like: readonly Metadata[]): void {
    this.outputs = like.map(({ shape, dtype }) => ({ shape, dtype }));
  }

  /** The name as PyTorch gives it: `AddBackward0`. */
  abstract name(): string;

  /** The gradients with respect to the inputs; null where there is none. `wanted` says which are asked for. */
  abstract apply(gradients: Gradients, wanted: (input: number) => boolean): Gradients;

  /** Whether running it calls code that is not ours, which may keep the gradients. */
  get foreign(): boolean {
    return this.preHooks !== null || this.postHooks !== null || this.tensorHooks !== null;
  }

  /** Drops what was saved for `apply`. */
  release(): void {}

  /** The tensors that it keeps for `apply`, each under a name. */
  namedSaved(): readonly (readonly [name: string, tensor: Tensor])[] {
    return [];
  }

  /** Its place among all nodes in the order in which they were recorded (torch's Node._sequence_nr). */
  _sequenceNr(): number {
    return this.sequence;
  }

  /** The nodes that gradients go to next, each with the number of its output. */
  get nextFunctions(): (readonly [Node | null, number])[] {
    return this.edges.map((edge) => [edge?.node ?? null, edge?.nr ?? 0]);
  }

  /** What the gradients that arrive here look like, one for each output of the step. */
  get _inputMetadata(): readonly Metadata[] {
    return this.outputs;
  }

  /** Anything that users want to attach (torch.autograd.graph.Node.metadata). */
  get metadata(): Record<string, unknown> {
    return (this.notes ??= {});
  }

  /** Calls `hook` after this node has run, with the gradients of its inputs and outputs; it may return others for the inputs. */
  registerHook(hook: (gradInputs: Gradients, gradOutputs: Gradients) => Gradients | void): RemovableHandle {
    return register((this.postHooks ??= new Set()), hook);
  }

  /** Calls `hook` before this node runs, with the gradients of its outputs; it may return others. */
  registerPrehook(hook: (gradOutputs: Gradients) => Gradients | void): RemovableHandle {
    return register((this.preHooks ??= new Set()), hook);
  }

  toString(): string {
    return `<${this.name()}>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}
