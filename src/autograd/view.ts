/** What is kept of a view, and why a write to it or to its base may not be recorded. */
import type { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { AccumulateGrad } from './accumulate.ts';
import { mode } from './modes.ts';

export interface ViewInfo {
  /** The tensor at the root: never a view itself. */
  readonly base: Tensor;
  /** The version of the memory at which the view's node was right. */
  version: number;
  /**
   * Why a write may not be recorded: it is one of several results of its operator, it was taken while nothing was recorded, or it is
   * the result of a custom function, which says itself what the gradient is.
   */
  readonly sealed: Seal | null;
  /** Whether it takes no part in the tangent that its base may have (forward.ts). */
  readonly opaque: boolean;
}

type Seal = 'several' | 'noGrad' | 'inference' | 'custom';

/** What is kept of a new view of `of`; nothing of inference tensors, which no graph follows. */
export function viewOf(of: Tensor, several: boolean): ViewInfo | null {
  if (of.storage.inference) return null;
  const { grad, inference } = mode;
  const sealed = inference ? 'inference' : !grad ? 'noGrad' : several ? 'several' : (of._view?.sealed ?? null);
  return { base: of._view?.base ?? of, version: of.storage.version, sealed, opaque: of._view?.opaque ?? false };
}

/** Whether no recorded operation made a tensor, as far as is known without looking for writes to its base. */
export const isLeaf = (tensor: Tensor): boolean => tensor._node === null || tensor._node instanceof AccumulateGrad;

/** Throws if what has happened to the memory of a view cannot be recorded. */
export function checkSeal(tensor: Tensor, { sealed }: ViewInfo, event: string): void {
  if (sealed === null) return;
  const inference = sealed === 'inference';
  const taken = `created in ${inference ? 'inference' : 'noGrad'} mode and ${event} ${inference ? 'in normal mode' : 'with grad mode enabled'}`;
  const unrecorded = inference || sealed === 'noGrad';
  const which = isLeaf(tensor)
    ? `A view was ${taken}`
    : `Output ${tensor._outputNr} of ${tensor._node?.name()} is a view ${unrecorded ? `of a view which was ${taken}` : `and ${event}`}`;
  throw new AdjointError('inplace', `${which}. ${sealReasons[sealed]}`);
}

const ambiguous = (mode: string): string =>
  'Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the ' +
  `inplace either both inside ${mode} (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked).`;

const sealReasons: { [seal in Seal]: string } = {
  noGrad: ambiguous('noGrad'),
  inference: ambiguous('inferenceMode'),
  several:
    'This view is the output of a function that returns multiple views. Such functions do not allow the output views to be modified ' +
    'inplace. You should replace the inplace operation by an out-of-place one.',
  custom:
    'This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to handle ' +
    'view+inplace would override the custom backward associated with the custom Function, leading to incorrect gradients. This ' +
    'behavior is forbidden. You can fix this by cloning the output of the custom Function.',
};
