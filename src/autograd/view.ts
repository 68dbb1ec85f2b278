/**
 * Views under in-place writes. A view shares its base's memory, so a write through it is a write to the base: the base's history
 * then goes through CopySlices, and every view of it finds its own history anew, as a strided view of the new base.
 */
import { Storage } from '../core/storage.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { type Edge, type Gradients, Node } from './node.ts';
import { edgeOf, type OperatorNode, requiresGrad } from './primitive.ts';

export interface ViewInfo {
  /** The tensor at the root: never a view itself. */
  readonly base: Tensor;
  /** The version of the memory at which the view's node was right. */
  version: number;
  /** Whether it is one of several outputs of its operator. */
  readonly several: boolean;
  /** Whether it was taken while the graph was recorded. */
  readonly recorded: boolean;
}

/** Throws where a write to `self` would lose a gradient. */
export function checkInPlace(self: Tensor, recording: boolean): void {
  if (!recording) return;
  if (self._wantsGrad) {
    throw new AdjointError(
      'inplace',
      'a leaf Variable that requires grad is being used in an in-place operation. Write inside noGrad(), or to a clone',
    );
  }
  const view = self._view;
  if (!view) return;
  if (view.base._wantsGrad) {
    throw new AdjointError(
      'inplace',
      'a view of a leaf Variable that requires grad is being used in an in-place operation. Write inside noGrad(), or to a clone',
    );
  }
  if (view.several) {
    throw new AdjointError(
      'inplace',
      'Output of a function that returns multiple views is a view and is being modified inplace. Such views are not allowed to be ' +
        'modified inplace: replace the write by one that is out of place, or write to a clone',
    );
  }
}

/** Makes `node` the history of `self`, and of what it is a view of. */
export function rebase(self: Tensor, node: OperatorNode<unknown>): void {
  const view = self._view;
  if (!view) {
    self._node = node;
    self._outputNr = 0;
    return;
  }
  const { base } = view;
  const copy = new CopySlices(edgeOf(base), node, geometry(base), geometry(self));
  copy.outputs.push({ shape: base.shape, dtype: base.dtype });
  base._node = copy;
  base._outputNr = 0;
  refreshView(self);
}

/** Finds the node of a view anew after its base's memory has been written to. */
export function refreshView(tensor: Tensor): void {
  const view = tensor._view as ViewInfo;
  view.version = tensor.storage.version;
  const edge = edgeOf(view.base);
  if (!edge || !requiresGrad(view.base)) return;
  const node = new AsStrided(edge, geometry(view.base), geometry(tensor));
  node.outputs.push({ shape: tensor.shape, dtype: tensor.dtype });
  tensor._node = node;
  tensor._outputNr = 0;
}

interface Geometry {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

const geometry = ({ shape, strides, offset }: Tensor): Geometry => ({ shape, strides, offset });

/** A tensor of zeros laid out as `base`, and the part of it that `view` sees. */
function laidOut(like: Tensor, base: Geometry, view: Geometry): [whole: Tensor, part: Tensor] {
  const extent = base.shape.includes(0)
    ? 0
    : 1 + base.shape.reduce((last, size, d) => last + (size - 1) * base.strides[d], 0);
  const storage = Storage.allocate(like.dtype, extent);
  const whole = new Tensor(storage, base.shape, base.strides, 0);
  whole.zero_();
  return [whole, new Tensor(storage, view.shape, view.strides, view.offset - base.offset)];
}

/** A strided view of the base, seen backward. */
class AsStrided extends Node {
  private readonly base: Geometry;
  private readonly view: Geometry;

  constructor(edge: Edge, base: Geometry, view: Geometry) {
    super([edge]);
    this.base = base;
    this.view = view;
  }

  name(): string {
    return 'AsStridedBackward0';
  }

  apply([gradient]: Gradients): Gradients {
    if (!gradient) return [null];
    const [whole, part] = laidOut(gradient, this.base, this.view);
    part._view = { base: whole, version: 0, several: false, recorded: true };
    part.copy_(gradient);
    return [whole];
  }
}

/** A write into a part of the base, seen backward: the part's gradient goes through the write, the rest passes by. */
class CopySlices extends Node {
  private readonly write: OperatorNode<unknown>;
  private readonly base: Geometry;
  private readonly view: Geometry;

  constructor(baseEdge: Edge | null, write: OperatorNode<unknown>, base: Geometry, view: Geometry) {
    super([baseEdge, ...write.edges.slice(1)]);
    this.write = write;
    this.base = base;
    this.view = view;
  }

  name(): string {
    return 'CopySlices';
  }

  apply([gradient]: Gradients, wanted: (input: number) => boolean): Gradients {
    if (!gradient) return this.edges.map(() => null);
    const [whole, part] = laidOut(gradient, this.base, this.view);
    part._view = { base: whole, version: 0, several: false, recorded: true };
    whole.copy_(gradient);
    const [own, ...others] = this.write.apply([part.clone()], (k) => (k === 0 ? true : wanted(k)));
    if (own) part.copy_(own);
    else part.zero_();
    return [whole, ...others];
  }

  override release(): void {
    this.write.release();
  }
}
