import type { Tensor } from '../core/tensor.ts';
import type { Edge } from './node.ts';

/** Sees a gradient, and may return another to take its place. */
export type GradientHook = (gradient: Tensor) => Tensor | null | undefined | void;

/** A registration that can be taken back (torch.utils.hooks.RemovableHandle). */
export interface RemovableHandle {
  remove(): void;
}

/** What is to be done with the gradient that arrives for one output of a node. */
export class TensorHooks {
  /** In the order in which they were registered. */
  readonly hooks = new Set<GradientHook>();
  /** Called after a leaf's `grad` was added to. */
  readonly postAccumulate = new Set<(tensor: Tensor) => void>();
  /** The tensor that keeps the gradient although it is no leaf. */
  retainedBy: WeakRef<Tensor> | null = null;
}

/** Adds to a set of hooks; the same function may be registered twice. */
export function register<A extends unknown[], R>(
  hooks: Set<(...args: A) => R>,
  hook: (...args: A) => R,
): RemovableHandle {
  const own = (...args: A): R => hook(...args);
  hooks.add(own);
  return { remove: () => void hooks.delete(own) };
}

/** The hooks of the output that an edge leads to. */
export function hooksAt({ node, nr }: Edge): TensorHooks {
  node.tensorHooks ??= new Map();
  let own = node.tensorHooks.get(nr);
  if (!own) node.tensorHooks.set(nr, (own = new TensorHooks()));
  return own;
}

/** @internal Whether a tensor that is no leaf keeps its gradient. */
export const retainsGrad = ({ _node, _outputNr }: Tensor): boolean =>
  _node?.tensorHooks?.get(_outputNr)?.retainedBy != null;
