/**
 * Writes in place: when they are allowed, and the history that they give. A view shares its base's memory, so a write through it is a
 * write to the base: the base's history then goes through CopySlices, and every view of it finds its own history anew, as a strided view
 * of the new base (edge.ts).
 */
import { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { edgeOf, refreshView, requiresGrad } from './edge.ts';
import { moveRetaining } from './hooks.ts';
import { leadsTo } from './memory-scope.ts';
import { mode } from './modes.ts';
import { dividedEdges, type Edge, type Gradients, Node } from './node.ts';
import { checkSeal, isLeaf } from './view.ts';

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
  if (!uniform && overlapsItself(self)) {
    throw new AdjointError(
      'inplace',
      'unsupported operation: more than one element of the written-to tensor refers to a single memory location. ' +
        'Please clone() the tensor before performing the operation.',
    );
  }
}

/** Whether several elements lie in one place because a dimension is broadcast. */
function overlapsItself({ shape, strides }: Tensor): boolean {
  for (let d = 0; d < shape.length; d++) if (strides[d] === 0 && shape[d] > 1) return !shape.includes(0);
  return false;
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

/**
 * Makes a tensor that was written to the output of the write.
 * @param input the input of the write that it was before
 */
export function rewrite(self: Tensor, write: Edge, input: number): void {
  const before = self._node?.tensorHooks?.get(self._outputNr);
  rebase(self, write, input);
  leadsTo(self.storage, self);
  if (before) moveRetaining(before, edgeOf(self) as Edge);
}

/** The same, and of what it is a view of. */
function rebase(self: Tensor, write: Edge, input: number): void {
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
    super(...dividedEdges(write.edges.with(input, baseEdge)));
    this.write = write;
    this.input = input;
    this.base = base;
    this.view = view;
  }

  name(): string {
    return 'CopySlices';
  }

  apply([gradient]: Gradients, wanted: (input: number) => boolean): Gradients {
    if (!gradient) return this.next.map(() => null);
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
