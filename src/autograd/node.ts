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
const none: readonly Metadata[] = [];

/** What the results of the operators looked like that were recorded last: one list serves as long as their shape stays the same object. */
let recent = none;

/** What results look like. */
function metadataOf(results: readonly Metadata[]): readonly Metadata[] {
  if (results.length !== 1) return results.map(({ shape, dtype }) => ({ shape, dtype }));
  const [{ shape, dtype }] = results;
  if (recent.length === 0 || recent[0].shape !== shape || recent[0].dtype !== dtype) recent = [{ shape, dtype }];
  return recent;
}

/** Edges as nodes keep them: the nodes that they lead to, and to which of their outputs, null if to the first of each. */
export function dividedEdges(
  edges: readonly (Edge | null)[],
): [next: readonly (Node | null)[], outputNrs: readonly number[] | null] {
  const next = edges.map((edge) => edge?.node ?? null);
  return [next, edges.some((edge) => edge && edge.nr > 0) ? edges.map((edge) => edge?.nr ?? 0) : null];
}

/** How many there are so far: the number of the next one. */
export const recorded = (): number => nodes;

/**
 * A step of the recorded program, seen backward: it takes the gradients with respect to its outputs and gives those with respect to its
 * inputs. Each of these goes to an output of the node that made that input, or nowhere.
 */
export abstract class Node {
  /** Later nodes have greater numbers: gradients flow from greater to smaller. */
  readonly sequence: number;
  /** The node that the gradient of each input goes to, and to which of its outputs: null if to the first of each. */
  readonly next: readonly (Node | null)[];
  readonly nextNrs: readonly number[] | null;
  /** One for each output of the step. */
  outputs: readonly Metadata[] = none;
  /** The hooks of tensors that are outputs of this step. */
  tensorHooks: Map<number, TensorHooks> | null = null;
  /** Called before and after the gradients are computed. */
  preHooks: Set<(gradients: Gradients) => Gradients | void> | null = null;
  postHooks: Set<(gradInputs: Gradients, gradOutputs: Gradients) => Gradients | void> | null = null;
  /** What the innermost run of the engine that reaches it knows of it. */
  task: Task | null = null;
  /** A place for users to leave notes on the node. */
  private notes: Record<string, unknown> | null = null;

  constructor(next: readonly (Node | null)[], nextNrs: readonly number[] | null = null) {
    this.sequence = nodes++;
    this.next = next;
    this.nextNrs = nextNrs;
    if (anomaly.enabled) noteOrigin(this, new.target);
  }

  /** To which output of its node the gradient of input `k` goes. */
  nextNr(k: number): number {
    return this.nextNrs === null ? 0 : this.nextNrs[k];
  }

  /** Where the gradient of each input goes. */
  get edges(): readonly (Edge | null)[] {
    return this.next.map((node, k) => node && { node, nr: this.nextNr(k) });
  }

  /** Says what its outputs look like: like these. */
  setOutputs(like: readonly Metadata[]): void {
    this.outputs = metadataOf(like);
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
