/** Tensors that a node keeps for its backward, and the hooks that may keep something else in their place. */

import { showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { edgeOf, requiresGrad, twin } from './edge.ts';
import { scoped, unrecorded } from './modes.ts';
import type { Edge, Node } from './node.ts';

/** A tensor that was saved. */
export interface Saved {
  /** The tensor as it was, in its place of the graph. @throws if it was written to since */
  unpack(): Tensor;
}

/** The same, where a tensor that nobody has written to yet stands for itself: most do. */
export type Content = Saved | Tensor;

/** What `save` keeps, without an object of its own if possible. */
export const keep = (tensor: Tensor, maker: Node | null): Content =>
  hooks.length === 0 && tensor.storage.version === 0 && !tensor.storage.inference ? tensor : save(tensor, maker);

/**
 * The tensor that was kept.
 * @param next where its gradient goes, if it is an input
 */
export function contentOf(content: Content, maker: Node | null, next: Node | null): Tensor {
  if (!(content instanceof Tensor)) return content.unpack();
  if (content.storage.version !== 0) throw changedError(content, 0, maker);
  if (content._node === null && next !== null && next.next.length > 0) throw detachedError();
  return content;
}

interface Hooks {
  readonly pack: (tensor: Tensor) => unknown;
  readonly unpack: (packed: unknown) => Tensor;
}

/** The pairs that are in force, innermost last, and why there may be none. */
const hooks: Hooks[] = [];
let disabled: string | null = null;

/**
 * Saves a tensor, in the way that the hooks in force have it.
 * @param maker the node that saves it, if that is the node that made it
 */
export function save(tensor: Tensor, maker: Node | null): Saved {
  if (tensor.storage.inference) {
    throw new AdjointError(
      'autograd',
      'Inference tensors cannot be saved for backward. To work around you can make a clone to get a normal tensor and use it in autograd, ' +
        'or use noGrad() instead of inferenceMode()',
    );
  }
  // a tensor that stands for a batch does so only while its transform runs: hooks could not give it back
  if (hooks.length === 0 || tensor._lift !== null) return new Kept(tensor, maker);
  return new Packed(tensor, hooks[hooks.length - 1]);
}

/** Runs `work` without the hooks in force: it saves tensors to use them at once, and not for a backward. */
export function withoutHooks<T>(work: () => T): T {
  const set = hooks.splice(0);
  try {
    return work();
  } finally {
    hooks.push(...set);
  }
}

export function releasedError(): AdjointError {
  return new AdjointError(
    'autograd',
    'Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). ' +
      'Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify ' +
      'retainGraph: true if you need to backward through the graph a second time or if you need to access saved tensors ' +
      'after calling backward.',
  );
}

/** The tensor itself, with the version that it had. */
export class Kept implements Saved {
  private readonly tensor: Tensor;
  private readonly maker: Node | null;
  private readonly version: number;
  /** Whether some other node made it. */
  private readonly computed: boolean;

  constructor(tensor: Tensor, maker: Node | null) {
    this.tensor = tensor;
    this.maker = maker;
    this.version = tensor.storage.version;
    this.computed = maker === null && tensor._node !== null && !tensor._wantsGrad;
  }

  unpack(): Tensor {
    const { tensor, version } = this;
    if (tensor.storage.version !== version) throw changedError(tensor, version, this.maker);
    if (this.computed && !tensor._node) throw detachedError();
    return tensor;
  }
}

function changedError(tensor: Tensor, version: number, maker: Node | null): AdjointError {
  const node = maker ?? tensor.gradFn;
  const origin = node ? ` which is output ${tensor._outputNr} of ${node.name()},` : '';
  return new AdjointError(
    'inplace',
    'one of the variables needed for gradient computation has been modified by an inplace operation: ' +
      `[${tensor.dtype} ${showShape(tensor.shape)}],${origin} is at version ${tensor.storage.version}; ` +
      `expected version ${version} instead. Hint: compute on a clone, or out of place; detectAnomaly(...) shows the call that saved it`,
  );
}

const detachedError = (): AdjointError =>
  new AdjointError(
    'inplace',
    'Trying to use a saved tensor that has been detached in-place, i.e. with .detach_(). This is not supported, please use ' +
      'out-of-place .detach() instead',
  );

/** What the hooks made of a tensor, and its place in the graph. */
export class Packed implements Saved {
  private readonly content: unknown;
  private readonly hooks: Hooks;
  private readonly edge: Edge | null;

  constructor(tensor: Tensor, hooks: Hooks) {
    const { version } = tensor.storage;
    this.hooks = hooks;
    this.edge = edgeOf(tensor);
    this.content = unrecorded(() => hooks.pack(tensor));
    if (tensor.storage.version !== version) {
      throw new AdjointError(
        'inplace',
        'A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook cannot be modified by in-place ' +
          'operations as this can lead to unexpected side-effects.',
      );
    }
  }

  unpack(): Tensor {
    const content = this.hooks.unpack(this.content);
    if (!(content instanceof Tensor)) {
      throw new AdjointError(
        'argument',
        `Output of saved tensor unpack hook expected to be a Tensor but got ${show(content)}`,
      );
    }
    if (this.edge === null && !requiresGrad(content)) return content;
    const { node = null, nr = 0 } = this.edge ?? {};
    return Object.assign(twin(content), { _node: node, _outputNr: nr, _view: null });
  }
}

/** What PyTorch calls the operands and results that operators save. */
export const savedNames = ['self', 'other', 'result', 'exponent', 'mat2', 'vec', 'tensor', 'condition'] as const;
export type SavedName = (typeof savedNames)[number];
type SavedValues = { readonly [name in SavedName as `_saved${Capitalize<name>}`]?: Tensor | number | null } & {
  readonly [name in SavedName as `_rawSaved${Capitalize<name>}`]?: SavedTensor;
};

declare module './node.ts' {
  /** `_savedSelf` is what a node has saved of that name, null if nothing in this case; `_rawSavedSelf` has it kept in another way. */
  interface Node extends SavedValues {
    /** What the context of a custom function gives as `savedTensors`. */
    readonly savedTensors?: readonly (Tensor | null)[];
    readonly _rawSavedTensors?: readonly SavedTensor[];
  }
}

/** One of the things that a node has saved (torch's SavedTensor). */
export class SavedTensor {
  /** What is kept in the place, unless the node has been released. */
  private readonly content: () => Content | number | null | undefined;
  private readonly replace: (packed: Packed) => void;

  constructor(content: () => Content | number | null | undefined, replace: (packed: Packed) => void) {
    this.content = content;
    this.replace = replace;
  }

  /**
   * Has `pack` make of the tensor what is kept in its stead, and `unpack` a tensor of that when the backward needs it, as `savedTensorsHooks`
   * does for all.
   * @throws if nothing was saved, if there are hooks already, or if the node has been released
   */
  registerHooks<P>(pack: (tensor: Tensor) => P, unpack: (packed: P) => Tensor): void {
    const content = this.content();
    const refuse = (why: string): AdjointError =>
      new AdjointError('autograd', `Calling registerHooks on a saved tensor ${why}`);
    if (content === undefined) throw refuse('after it has been freed. Specify retainGraph: true to keep it');
    if (content === null || typeof content === 'number') throw refuse('with value null is forbidden');
    if (content instanceof Packed)
      throw refuse('whose hooks have already been set. Hint: only one pair of hooks is allowed at a time');
    const tensor = content instanceof Tensor ? content : content.unpack();
    this.replace(new Packed(tensor, { pack, unpack: unpack as Hooks['unpack'] }));
  }
}

/**
 * While it is in force, every tensor that is saved for backward is given to `pack`, and what that returns is kept instead of the tensor; when
 * the backward needs it, `unpack` has to make a tensor of the same content out of it (torch.autograd.graph.saved_tensors_hooks).
 * `pack` runs without recording and must not write to the tensor. Nothing tells whether it was written to since. What has a meaning only
 * inside of a transform (func) is kept as it is. Of several pairs the innermost applies.
 * @example const y = savedTensorsHooks((x) => x.toTypedArray(), (data) => tensor(data), () => f(x));
 */
export function savedTensorsHooks<P, T>(
  pack: (tensor: Tensor) => P,
  unpack: (packed: P) => Tensor,
  callback: () => T,
): T;
export function savedTensorsHooks<P>(pack: (tensor: Tensor) => P, unpack: (packed: P) => Tensor): Disposable;
export function savedTensorsHooks<P, T>(
  pack: (tensor: Tensor) => P,
  unpack: (packed: P) => Tensor,
  callback?: () => T,
): T | Disposable {
  return scoped(() => {
    if (disabled !== null) throw new AdjointError('autograd', disabled);
    const before = hooks.length;
    hooks.push({ pack, unpack: unpack as Hooks['unpack'] });
    // with those inside that nobody has taken back
    return () => {
      hooks.length = before;
    };
  }, callback);
}

/**
 * While it is in force, using hooks for saved tensors is an error with the text `message`, for code that cannot work with them
 * (torch.autograd.graph.disable_saved_tensors_hooks).
 * @throws if there are hooks in force
 */
export function disableSavedTensorsHooks<T>(message: string, callback: () => T): T;
export function disableSavedTensorsHooks(message: string): Disposable;
export function disableSavedTensorsHooks<T>(message: string, callback?: () => T): T | Disposable {
  return scoped(() => {
    if (hooks.length > 0) throw new AdjointError('autograd', message);
    const before = disabled;
    disabled = message;
    return () => {
      disabled = before;
    };
  }, callback);
}
