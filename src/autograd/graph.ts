/** Tools for the recorded graph: torch.autograd.graph. */

import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { engine, type Run } from './current.ts';
import { edgeOf } from './edge.ts';
import { hooksAt, type RemovableHandle, register, removable } from './hooks.ts';
import { type Edge, GradientEdge } from './node.ts';

export { allowMutationOnSavedTensors } from './mutation.ts';
export { GradientEdge, Node } from './node.ts';
export { saveOnCpu } from './offload.ts';
export { disableSavedTensorsHooks, type SavedTensor, savedTensorsHooks } from './saved.ts';

/**
 * The place where the gradient with respect to a tensor arrives: `grad(y, getGradientEdge(x))` is `grad(y, x)`, also after `x` was written to
 * or has gone (torch.autograd.graph.get_gradient_edge).
 * @throws if the tensor does not require grad
 */
export function getGradientEdge(tensor: Tensor): GradientEdge {
  const { node, nr } = edgeTo(tensor);
  return new GradientEdge(node, nr);
}

function edgeTo(tensor: Tensor): Edge {
  const edge = edgeOf(tensor);
  if (edge) return edge;
  throw new AdjointError(
    'autograd',
    'It is not possible to get the gradient edge for a Tensor that does not require gradients',
  );
}

/**
 * Tells autograd that the memory of these tensors was written to in a way that it could not see, so that a backward that needs what was there
 * is an error (torch.autograd.graph.increment_version). Inference tensors are left as they are: they have no version.
 */
export function incrementVersion(tensors: Tensor | Iterable<Tensor>): void {
  for (const { storage } of tensors instanceof Tensor ? [tensors] : tensors) if (!storage.inference) storage.version++;
}

/**
 * Calls `fn` in each backward that comes by some of `tensors` (torch.autograd.graph.register_multi_grad_hook). `fn` must not write to the
 * gradients; what it returns is ignored.
 *
 * With `mode: 'all'` (the default), it is called once all the gradients that will be computed have been, with one entry for each tensor:
 * null for those that the outputs do not depend on, or whose gradient is not wanted in this run. With `mode: 'any'`, it is called with
 * the first of them alone.
 *
 * @returns a handle that takes the hook back
 * @throws if one of the tensors does not require grad; with `mode: 'any'`, such tensors are passed over
 */
export function registerMultiGradHook(
  tensors: readonly Tensor[],
  fn: (gradients: (Tensor | null)[]) => void,
  options?: { mode?: 'all' },
): RemovableHandle;
export function registerMultiGradHook(
  tensors: readonly Tensor[],
  fn: (gradient: Tensor) => void,
  options: { mode: 'any' },
): RemovableHandle;
export function registerMultiGradHook(
  tensors: readonly Tensor[],
  fn: ((gradients: (Tensor | null)[]) => void) | ((gradient: Tensor) => void),
  { mode = 'all' }: { mode?: 'all' | 'any' } = {},
): RemovableHandle {
  if (mode !== 'all' && mode !== 'any')
    throw new AdjointError('argument', `Expects mode to be one of 'all', 'any' but got ${show(mode)}`);
  const handles =
    mode === 'all'
      ? hookAll(tensors, fn as (gradients: (Tensor | null)[]) => void)
      : hookAny(tensors, fn as (gradient: Tensor) => void);
  return removable(() => {
    for (const handle of handles) handle.remove();
  });
}

function hookAll(tensors: readonly Tensor[], fn: (gradients: (Tensor | null)[]) => void): RemovableHandle[] {
  const edges = tensors.map(edgeTo);
  const seen = new WeakMap<Run, { missing: number; readonly gradients: (Tensor | null)[] }>();
  return edges.map((edge, i) =>
    register(hooksAt(edge).hooks, (gradient) => {
      const run = engine.run as Run;
      let state = seen.get(run);
      if (!state) {
        state = { missing: edges.filter(({ node }) => run.wants(node)).length, gradients: tensors.map(() => null) };
        seen.set(run, state);
      }
      state.gradients[i] = gradient;
      if (--state.missing === 0) fn(state.gradients);
    }),
  );
}

function hookAny(tensors: readonly Tensor[], fn: (gradient: Tensor) => void): RemovableHandle[] {
  const done = new WeakSet<Run>();
  return tensors
    .filter((tensor) => tensor.requiresGrad)
    .map((tensor) =>
      tensor.registerHook((gradient) => {
        const run = engine.run as Run;
        if (done.has(run)) return;
        done.add(run);
        fn(gradient);
      }),
    );
}
