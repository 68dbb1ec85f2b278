import type { Tensor } from '../core/tensor.ts';
import type { Node } from './node.ts';

/** A run of the engine, as the code that it calls can see it. */
export interface Run {
  /** The node whose turn it is. */
  node: Node | null;
  /** Whether the gradients that arrive at a node are wanted, at the node or beyond it. */
  wants(node: Node): boolean;
}

/** The innermost run under way. */
export const engine: { run: Run | null } = { run: null };

const nothing: readonly number[] = [];

/** What one run knows of a node. The node refers to it while the run is under way. */
export class Task {
  readonly run: Run;
  readonly node: Node;
  /** What a run knows of the node that this one takes place within. */
  readonly outer: Task | null;
  /** How many gradients have yet to be sent to it. */
  missing = 0;
  /** The sums so far, one for each output. */
  gradients: (Tensor | null)[];
  /** The one among these that was made last and that nobody else has seen. */
  sum: Tensor | null = null;
  /** Whether it has to run, because a gradient is wanted beyond it. */
  needed: boolean;
  /** The positions among the wanted inputs of what arrives here. */
  captures = nothing;

  constructor(run: Run, node: Node, needed: boolean) {
    this.run = run;
    this.node = node;
    this.outer = node.task;
    this.gradients = node.outputs.length === 1 ? [null] : node.outputs.map(() => null);
    this.needed = needed;
    node.task = this;
  }

  get wanted(): boolean {
    return this.needed || this.captures.length > 0;
  }
}
