import { sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { dispose } from './modes.ts';
import type { Edge, Gradients } from './node.ts';

/**
 * Sees a gradient, and may return another to take its place. The gradient is null where none arrives for this result of a step, but for
 * another one; the type leaves that to the few hooks that can meet it, as PyTorch's does.
 */
export type GradientHook = (gradient: Tensor) => Tensor | null | undefined | void;

/** A registration that can be taken back, or that lasts as long as `using` holds it (torch.utils.hooks.RemovableHandle). */
export interface RemovableHandle extends Disposable {
  remove(): void;
}

/** @internal */
export const removable = (remove: () => void): RemovableHandle => ({ remove, [dispose]: remove }) as RemovableHandle;

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
  return removable(() => void hooks.delete(own));
}

/** The hooks of the output that an edge leads to. */
export function hooksAt({ node, nr }: Edge): TensorHooks {
  node.tensorHooks ??= new Map();
  let own = node.tensorHooks.get(nr);
  if (!own) node.tensorHooks.set(nr, (own = new TensorHooks()));
  return own;
}

/** The gradient that a tensor keeps is that of what it has become, at `edge`. */
export function moveRetaining(before: TensorHooks | undefined, edge: Edge): void {
  if (!before?.retainedBy) return;
  hooksAt(edge).retainedBy = before.retainedBy;
  before.retainedBy = null;
}

/** @internal Whether a tensor that is no leaf keeps its gradient. */
export const retainsGrad = ({ _node, _outputNr }: Tensor): boolean =>
  _node?.tensorHooks?.get(_outputNr)?.retainedBy != null;

/**
 * The gradient that a hook has returned to take the place of `before`, or null.
 * @throws if it does not look like it
 */
export function replacement(returned: unknown, before: Tensor | null): Tensor | null {
  if (returned === null || returned === undefined) return null;
  if (!(returned instanceof Tensor))
    throw new AdjointError('argument', `expected a Tensor or null, but a hook returned ${show(returned)}`);
  if (!before) throw new AdjointError('autograd', "a hook can't replace a null gradient with a non-null value");
  if (!sameShape(returned.shape, before.shape)) {
    throw new AdjointError(
      'shape',
      `a hook has changed the size of the gradient: expected ${showShape(before.shape)}, got ${showShape(returned.shape)}`,
    );
  }
  if (returned.dtype !== before.dtype) {
    throw new AdjointError(
      'dtype',
      `a hook has changed the type of the gradient: expected ${before.dtype}, got ${returned.dtype}`,
    );
  }
  return returned;
}

/** The same for all gradients on one side of a node; a hook that returns nothing leaves them. */
export function replacements(returned: unknown, before: Gradients): Gradients {
  if (returned === null || returned === undefined) return before;
  if (!Array.isArray(returned))
    throw new AdjointError('argument', `expected an array of gradients, but a hook returned ${show(returned)}`);
  if (returned.length !== before.length) {
    throw new AdjointError(
      'argument',
      `a hook has returned an incorrect number of values (got ${returned.length}, but expected ${before.length})`,
    );
  }
  return before.map((gradient, k) => replacement(returned[k], gradient));
}
