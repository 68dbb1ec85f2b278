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
