import type { Tensor } from '../core/tensor.ts';

/** Sees a gradient, and may return another to take its place. */
export type GradientHook = (gradient: Tensor) => Tensor | null | undefined | void;

/** A registration that can be taken back (torch.utils.hooks.RemovableHandle). */
export interface RemovableHandle {
  remove(): void;
}

/** What a tensor keeps beside its gradient, if anything. */
export interface TensorHooks {
  /** In the order in which they were registered. */
  readonly hooks: Set<GradientHook>;
  readonly postAccumulate: Set<(tensor: Tensor) => void>;
  /** Whether a tensor that is no leaf keeps its gradient. */
  retainsGrad: boolean;
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
