/**
 * Views under in-place writes. A view shares its base's memory, so a write through it is a write to the base: the base's history
 * then goes through CopySlices, and every view of it finds its own history anew, as a strided view of the new base.
 */

import { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { AccumulateGrad } from './accumulate.ts';
import { edgeOf, requiresGrad } from './edge.ts';
import { hooksAt, type TensorHooks } from './hooks.ts';
import { enableGrad, mode } from './modes.ts';
import { type Edge, type Gradients, Node } from './node.ts';

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

export type Seal = 'several' | 'noGrad' | 'inference' | 'custom';

/** What is kept of a new view of `of`; nothing of inference tensors, which no graph follows. */
export function viewOf(of: Tensor, several: boolean): ViewInfo | null {
  if (of.storage.inference) return null;
  const { grad, inference } = mode;
  const sealed = inference ? 'inference' : !grad ? 'noGrad' : several ? 'several' : (of._view?.sealed ?? null);
  return { base: of._view?.base ?? of, version: of.storage.version, sealed, opaque: of._view?.opaque ?? false };
}

/** Throws where a write to `self` would lose a gradient, or would not know which of several values to keep. */
export function checkInPlace(self: Tensor, recording: boolean, uniform: boolean): void {
  if (self.storage.inference && !mode.inference) {
    throw new AdjointError(
      'inplace',
      'Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get a normal tensor before ' +
        'doing inplace update.',
    );
  }
  if (recording) checkHistory(self);
  if (!uniform && self.numel() > 0 && self.strides.some((stride, d) => stride === 0 && self.shape[d] > 1)) {
    throw new AdjointError(
      'inplace',
      'unsupported operation: more than one element of the written-to tensor refers to a single memory location. ' +
        'Please clone() the tensor before performing the operation.',
    );
  }
}

/** The same for what is about to be recorded. */
function checkHistory(self: Tensor): void {
  const view = self._view;
  if (view) checkSeal(self, view, 'is being modified inplace');
  if (!requiresGrad(self)) return;
  if (view && isLeaf(view.base)) {
    throw new AdjointError(
      'inplace',
      'a view of a leaf Variable that requires grad is being used in an in-place operation. Write inside noGrad(), or to a clone',
    );
  }
  if (isLeaf(self)) {
    throw new AdjointError(
      'inplace',
      'a leaf Variable that requires grad is being used in an in-place operation. Write inside noGrad(), or to a clone',
    );
  }
}

const isLeaf = (tensor: Tensor): boolean => tensor._node === null || tensor._node instanceof AccumulateGrad;

function checkSeal(tensor: Tensor, { sealed }: ViewInfo, event: string): void {
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

/**
 * Makes a write the history of what was written to, and of what that is a view of.
 * @param input the input of the write that it was before
 */
export function rebase(self: Tensor, write: Edge, input: number): void {
  const view = self._view;
  if (!view) {
    self._node = write.node;
    self._outputNr = write.nr;
    return;
  }
  const { base } = view;
  const copy = new CopySlices(edgeOf(base), write.node, input, geometry(base), geometry(self));
  copy.setOutputs([base]);
  const before = base._node?.tensorHooks?.get(base._outputNr);
  base._node = copy;
  base._outputNr = 0;
  moveRetaining(before, { node: copy, nr: 0 });
  refreshView(self);
}

/** The gradient that a tensor keeps is that of what it has become, at `edge`. */
export function moveRetaining(before: TensorHooks | undefined, edge: Edge): void {
  if (!before?.retainedBy) return;
  hooksAt(edge).retainedBy = before.retainedBy;
  before.retainedBy = null;
}

/** Finds the node of a view anew after its base's memory has been written to. */
export function refreshView(tensor: Tensor): void {
  const view = tensor._view as ViewInfo;
  if (isLeaf(tensor) && !requiresGrad(view.base)) return;
  checkSeal(tensor, view, 'its base or another view of its base has been modified inplace');
  view.version = tensor.storage.version;
  const before = tensor._node?.tensorHooks?.get(tensor._outputNr);
  const { _node } = enableGrad(() => view.base.asStrided(tensor.shape, tensor.strides, tensor.offset));
  tensor._node = _node;
  tensor._outputNr = 0;
  if (_node) moveRetaining(before, { node: _node, nr: 0 });
}

interface Geometry {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

const geometry = ({ shape, strides, offset }: Tensor): Geometry => ({ shape, strides, offset });

/** A write into a part of the base, seen backward: the part's gradient goes through the write, the rest passes by. */
class CopySlices extends Node {
  private readonly write: Node;
  private readonly input: number;
  private readonly base: Geometry;
  private readonly view: Geometry;

  constructor(baseEdge: Edge | null, write: Node, input: number, base: Geometry, view: Geometry) {
    super(write.edges.with(input, baseEdge));
    this.write = write;
    this.input = input;
    this.base = base;
    this.view = view;
  }

  name(): string {
    return 'CopySlices';
  }

  apply([gradient]: Gradients, wanted: (input: number) => boolean): Gradients {
    if (!gradient) return this.edges.map(() => null);
    const { base, view, input } = this;
    const reach = base.shape.reduce((last, size, d) => last + (size - 1) * base.strides[d], 1);
    const memory = Tensor.empty([Math.max(reach, 0)], gradient.dtype);
    const whole = (
      gradient._lift
        ? gradient._lift.like(memory).asStrided(base.shape, base.strides)
        : new Tensor(memory.storage, base.shape, base.strides, 0)
    ).copy_(gradient);
    const part = whole.asStrided(view.shape, view.strides, whole.offset + view.offset - base.offset);
    const gradients = this.write.apply([part.clone()], (k) => k === input || wanted(k));
    const own = gradients[input];
    if (own) part.copy_(own);
    else part.zero_();
    return gradients.with(input, whole);
  }

  override namedSaved(): readonly (readonly [string, Tensor])[] {
    return this.write.namedSaved();
  }

  override get foreign(): boolean {
    return this.write.foreign || super.foreign;
  }

  override release(): void {
    this.write.release();
  }
}
