/** What autograd adds to tensors: torch.Tensor's grad, gradFn, requiresGrad, backward and their like. */

import { checkDType, type DType, isFloatingPoint } from '../core/dtype.ts';
import { positional } from '../core/named.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { AccumulateGrad } from './accumulate.ts';
import { type BackwardCall, type BackwardRun, backward } from './backward.ts';
import { edgeOf, nodeOf, requiresGrad } from './edge.ts';
import { type GradientHook, hooksAt, type RemovableHandle, register, retainsGrad, type TensorHooks } from './hooks.ts';
import { leadsTo } from './memory-scope.ts';
import { isInference, mode } from './modes.ts';
import type { Node } from './node.ts';

declare module '../core/tensor.ts' {
  interface Tensor {
    /** The gradient accumulated by `backward`, or null before there is one (torch.Tensor.grad). */
    get grad(): Tensor | null;
    set grad(gradient: Tensor | null);
    /**
     * The dtype of the gradients that are added to this leaf's `grad`: the tensor's own unless another one is set; null for whatever they
     * come in (torch.Tensor.grad_dtype).
     * @throws on a tensor that is no leaf; when set, if there is a `grad` of another dtype
     */
    get gradDtype(): DType | null;
    set gradDtype(dtype: DType | null);
    /** The node that made this tensor; null for a leaf (torch.Tensor.grad_fn). */
    readonly gradFn: Node | null;
    /** Whether gradients with respect to this tensor can be computed (torch.Tensor.requires_grad). Can be set on leaves of floating dtype. */
    get requiresGrad(): boolean;
    set requiresGrad(value: boolean);
    /** Sets `requiresGrad` and returns the tensor (torch.Tensor.requires_grad_). */
    requiresGrad_(requiresGrad?: boolean): this;
    /** Whether no recorded operation made it (torch.Tensor.is_leaf). */
    readonly isLeaf: boolean;
    /** Whether a tensor that is no leaf keeps its gradient. */
    readonly retainsGrad: boolean;
    /** Keeps the gradient in `grad` although this is no leaf (torch.Tensor.retain_grad). */
    retainGrad(): void;
    /** Which output of `gradFn` it is. */
    readonly outputNr: number;
    /** How often its memory has been written to in place. @throws for inference tensors, whose writes are not counted */
    readonly _version: number;
    /** The tensor whose memory this is a view of, or null (torch.Tensor._base). */
    readonly _base: Tensor | null;
    /** Whether this is a view of another tensor, so that recorded writes to one are seen by the other (torch.Tensor._is_view). */
    _isView(): boolean;
    /** Whether it was made in inference mode (torch.Tensor.is_inference). */
    isInference(): boolean;
    /** The same memory as a tensor outside the graph, whose writes autograd does not notice (torch.Tensor.data). */
    get data(): Tensor;
    set data(source: Tensor);
    /** The same memory as a leaf outside the graph (torch.Tensor.detach). */
    detach(): Tensor;
    /** Takes this tensor out of the graph that made it (torch.Tensor.detach_). */
    detach_(): this;
    /**
     * Calls `hook` with the gradient whenever it is computed; what the hook returns takes its place (torch.Tensor.register_hook).
     * Of a tensor that is one of several results of a step, it is called with null where a gradient arrives only for the others.
     */
    registerHook(hook: GradientHook): RemovableHandle;
    /** Calls `hook` after a gradient was added to this leaf's `grad` (torch.Tensor.register_post_accumulate_grad_hook). */
    registerPostAccumulateGradHook(hook: (tensor: Tensor) => void): RemovableHandle;
    /**
     * Adds to the `grad` of every leaf that this tensor was computed from the gradient of this tensor (torch.Tensor.backward).
     * @param gradient the cotangent; may be left out for a tensor of one element
     * @throws if the tensor is outside the graph, has several elements and no `gradient` is given, or the graph was released
     */
    backward(options?: BackwardCall & { gradient?: Tensor | null }): void;
    backward(gradient: Tensor | null | undefined, options?: BackwardCall): void;
    backward(gradient: Tensor | null | undefined, ...run: BackwardRun): void;
  }
}

function hooksOf(tensor: Tensor): TensorHooks {
  const edge = edgeOf(tensor);
  if (!edge) throw new AdjointError('autograd', "cannot register a hook on a tensor that doesn't require gradient");
  return hooksAt(edge);
}

function checkLeaf(tensor: Tensor, wanted: boolean): void {
  if (typeof wanted !== 'boolean')
    throw new AdjointError('argument', `requiresGrad must be true or false, got ${show(wanted)}`);
  if (wanted && !isFloatingPoint(tensor.dtype)) {
    throw new AdjointError('dtype', `only Tensors of floating point dtype can require gradients, got ${tensor.dtype}`);
  }
  if (wanted && tensor.storage.inference && !mode.inference) {
    throw new AdjointError(
      'autograd',
      'Setting requiresGrad on an inference tensor outside InferenceMode is not allowed. Make a clone to get a normal tensor',
    );
  }
  if (!tensor.isLeaf) {
    const instead =
      " If you want to use a computed variable in a subgraph that doesn't require differentiation use const var_no_grad = variable.detach()";
    throw new AdjointError(
      'autograd',
      `you can only change requiresGrad flags of leaf variables.${wanted ? '' : instead}`,
    );
  }
}

function checkIsLeaf(tensor: Tensor): void {
  if (!tensor.isLeaf)
    throw new AdjointError('autograd', 'gradDtype belongs to leaf tensors, and this one was computed');
}

/** The nodes of leaves that want no gradient for now, with their hooks. */
const resting = new WeakMap<Tensor, Node>();

const accessors: { [name: string]: PropertyDescriptor & ThisType<Tensor> } = {
  grad: {
    get() {
      return this._grad;
    },
    set(gradient: Tensor | null) {
      if (gradient !== null) {
        if (!(gradient instanceof Tensor))
          throw new AdjointError('argument', `grad must be a Tensor or null, got ${show(gradient)}`);
        if (gradient === this) throw new AdjointError('argument', "can't assign a Tensor as its own grad");
        const dtype = this.isLeaf ? this.gradDtype : this.dtype;
        if ((dtype ?? gradient.dtype) !== gradient.dtype || gradient.shape.join() !== this.shape.join()) {
          throw new AdjointError(
            'shape',
            `attempting to assign a gradient of size ${show(gradient.shape)} and dtype ${gradient.dtype} to a tensor of size ` +
              `${show(this.shape)} and gradDtype ${dtype ?? 'any'}. Please ensure that the gradient and the tensor are the same size and dtype`,
          );
        }
      }
      this._grad = gradient;
      if (gradient) leadsTo(this.storage, gradient);
    },
  },
  gradDtype: {
    get() {
      checkIsLeaf(this);
      const metadata = (this._node ?? resting.get(this))?.outputs[0];
      if (metadata?.anyDtype) return null;
      return metadata?.dtype ?? this.dtype;
    },
    set(dtype: DType | null) {
      checkIsLeaf(this);
      if (dtype !== null) checkDType(dtype);
      if (dtype !== null && this._grad && this._grad.dtype !== dtype) {
        throw new AdjointError(
          'dtype',
          `Cannot set gradDtype to ${dtype} because there is already a gradient with dtype ${this._grad.dtype}. Set grad to null before`,
        );
      }
      const node = this._node ?? resting.get(this) ?? new AccumulateGrad(this);
      if (requiresGrad(this)) this._node = node;
      else resting.set(this, node);
      node.outputs = [{ shape: this.shape, dtype: dtype ?? this.dtype, anyDtype: dtype === null }];
    },
  },
  gradFn: {
    get() {
      const node = nodeOf(this);
      return node instanceof AccumulateGrad ? null : node;
    },
  },
  requiresGrad: {
    get() {
      return requiresGrad(this);
    },
    set(value: boolean) {
      checkLeaf(this, value);
      this._wantsGrad = value;
      if (value) this._node ??= resting.get(this) ?? null;
      else if (this._node) {
        resting.set(this, this._node);
        this._node = null;
      }
    },
  },
  isLeaf: {
    get() {
      return this.gradFn === null;
    },
  },
  retainsGrad: {
    get() {
      return retainsGrad(this);
    },
  },
  outputNr: {
    get() {
      return this._outputNr;
    },
  },
  _version: {
    get() {
      if (isInference(this)) throw new AdjointError('autograd', 'Inference tensors do not track version counter.');
      return this.storage.version;
    },
  },
  _base: {
    get() {
      return this._view?.base ?? null;
    },
  },
  data: {
    get() {
      return this._lift?.detach() ?? new Tensor(this.storage.alias(), this.shape, this.strides, this.offset);
    },
    set(source: Tensor) {
      if (!(source instanceof Tensor)) throw new AdjointError('argument', `data must be a tensor, got ${show(source)}`);
      const { dtype, shape, strides, offset } = source;
      const before = this.storage;
      if (!isFloatingPoint(dtype) && requiresGrad(this)) {
        throw new AdjointError(
          'dtype',
          `data must be a tensor of dtype float32 or float64 while this tensor requires gradients, got ${dtype}`,
        );
      }
      // gradients that arrive from now on look like the new data, unless their dtype was set
      if (this._node instanceof AccumulateGrad) {
        const [before] = this._node.outputs;
        this._node.outputs = [{ ...before, shape, dtype: before.dtype === this.dtype ? dtype : before.dtype }];
      }
      Object.assign(this, { dtype, storage: source.storage.succeeding(before), shape, strides, offset });
      leadsTo(before, this);
    },
  },
};

const methods: Partial<Tensor> & ThisType<Tensor> = {
  requiresGrad_(value = true) {
    // what was computed has it already
    if (value !== true || this.isLeaf) this.requiresGrad = value;
    return this;
  },
  retainGrad() {
    if (!requiresGrad(this))
      throw new AdjointError('autograd', "can't retain_grad on Tensor that has requiresGrad: false");
    if (this.isLeaf) return;
    hooksOf(this).retainedBy = new WeakRef(this);
  },
  _isView() {
    return this._base !== null;
  },
  detach() {
    return this._lift?.detach() ?? new Tensor(this.storage, this.shape, this.strides, this.offset);
  },
  detach_() {
    if (this._view) {
      throw new AdjointError('inplace', "Can't detach views in-place. Use detach() instead");
    }
    this._node = null;
    this._outputNr = 0;
    this._wantsGrad = false;
    this._lift = this._lift?.detach()._lift ?? null;
    return this;
  },
  isInference() {
    return isInference(this);
  },
  registerHook(hook) {
    return register(hooksOf(this).hooks, hook);
  },
  registerPostAccumulateGradHook(hook) {
    if (!this.isLeaf)
      throw new AdjointError('autograd', 'post accumulate grad hooks cannot be registered on non-leaf tensors');
    return register(hooksOf(this).postAccumulate, hook);
  },
  backward(...args: readonly unknown[]) {
    const names = ['gradient', 'retainGraph', 'createGraph', 'inputs'];
    const [gradient, ...run] = positional<[(Tensor | null)?, ...BackwardRun]>('backward', names, args);
    backward(this, gradient, ...run);
  },
};

/** Called once by the package's entry. */
export function installMembers(): void {
  for (const [name, descriptor] of Object.entries(accessors)) {
    Object.defineProperty(Tensor.prototype, name, { ...descriptor, configurable: true });
  }
  Object.assign(Tensor.prototype, methods);
}
