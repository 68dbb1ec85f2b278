/** The pieces of `x.index(...)`, which stands for Python's `x[...]`, and what they pick out of a tensor. */
import { filled, fromElements, type NestedArray, tensor } from '../../core/creation.ts';
import { isFloatingPoint } from '../../core/dtype.ts';
import { sameShape, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { selecting, slice as sliceAlong } from '../view/part.ts';
import { numbersOfTrue, type Span } from './places.ts';

/** Every `step`th index from `start` below `stop`: Python's `start:stop:step`. */
export class Slice {
  readonly start: number | null;
  readonly stop: number | null;
  readonly step: number;

  /** @internal Made by `slice`. */
  constructor(start: number | null, stop: number | null, step: number) {
    this.start = start;
    this.stop = stop;
    this.step = step;
  }
}

/**
 * Python's `start:stop:step` as an item of `x.index(...)`: `slice(1)` is `1:`, `slice(null, -1)` is `:-1`, `slice()` is `:`. Negative
 * bounds count from the end; bounds beyond the ends are moved to them.
 * @throws if a bound is no whole number, or the step is not a positive one
 */
export function slice(start: number | null = null, stop: number | null = null, step: number | null = 1): Slice {
  for (const bound of [start ?? 0, stop ?? 0, step ?? 1]) {
    if (!Number.isInteger(bound)) {
      throw new AdjointError('argument', `slice: the bounds and the step must be whole numbers, got ${show(bound)}`);
    }
  }
  if (step !== null && step <= 0) {
    throw new AdjointError('argument', `step must be greater than zero, got ${step}; use flip to reverse a dimension`);
  }
  return new Slice(start, stop, step ?? 1);
}

/** Python's `...` as an item of `x.index(...)`: all dimensions that the other items leave. */
export const ellipsis: unique symbol = Symbol('ellipsis');

/** Nested arrays of whole numbers, as a tensor of indices, or of booleans, as a mask. */
export type NestedIndices = readonly (number | bigint | boolean | NestedIndices)[];

/**
 * An item of `x.index(...)`: an index, `slice(...)`, `ellipsis`, `null` for a new dimension of size 1, a boolean for a new dimension of
 * size 1 or 0, a tensor or nested arrays of indices, or a bool tensor as a mask over as many dimensions as it has.
 */
export type IndexItem = number | bigint | boolean | null | Slice | typeof ellipsis | Tensor | NestedIndices;

/** What the items pick out of a tensor: of a view of it, what the `indices` name along the dimensions that they are for. */
export interface Located {
  readonly view: Tensor;
  readonly spans: readonly Span[];
  readonly indices: readonly Tensor[];
}

/** Reads the items of `x.index(...)` from left to right. */
export function locate(x: Tensor, items: readonly IndexItem[]): Located {
  const known = items.map(checked);
  const named = known.reduce<number>((count, item) => count + dimsOf(item), 0);
  if (named > x.ndim) throw tooMany(x, known);
  if (known.filter((item) => item === ellipsis).length > 1) {
    throw new AdjointError('index', 'an index can only have a single ellipsis');
  }
  let view = x;
  // the dimension that the next item is about, of the view and of x itself
  let dim = 0;
  let own = 0;
  const spans: Span[] = [];
  const indices: Tensor[] = [];
  const pick = (index: Tensor, count = 1): void => {
    spans.push({ dim, count });
    indices.push(index);
    dim += count;
  };
  for (const item of known) {
    const covered = item === ellipsis ? x.ndim - named : dimsOf(item);
    if (item === ellipsis) dim += covered;
    else if (item === null) view = view.unsqueeze(dim++);
    else if (item instanceof Slice) view = sliceAlong(view, dim++, item.start, item.stop, item.step);
    else if (typeof item === 'number') view = selecting.view(view, [dim, checkBounds(item, own, x.shape[own])]);
    else if (item.dtype !== 'bool') pick(item);
    else if (item._lift) throw differentMasks();
    else if (item.ndim === 0) {
      view = view.unsqueeze(dim);
      pick(filled([item.item() ? 1 : 0], 0, 'int32'));
    } else {
      if (!sameShape(item.shape, view.shape.slice(dim, dim + covered))) throw maskMismatch(item, view, dim);
      const numbers = numbersOfTrue(item);
      pick(fromElements(numbers, [numbers.length], 'int32'), covered);
    }
    own += covered;
  }
  return { view, spans, indices };
}

type Checked = number | null | Slice | typeof ellipsis | Tensor;

/** An item in its plainest form: numbers for single indices, tensors for several, bool tensors for masks. */
function checked(item: IndexItem, position: number): Checked {
  if (typeof item === 'bigint') return Number(item);
  if (typeof item === 'boolean') return tensor(item);
  if (Array.isArray(item)) return ofArrays(item, position);
  if (item instanceof Tensor) {
    if (isFloatingPoint(item.dtype)) {
      throw new AdjointError(
        'dtype',
        `tensors used as indices must be of an integer dtype or bool, got ${item.dtype} at position ${position}`,
      );
    }
    // of a tensor that stands for more than its elements there is no one index
    return item.ndim === 0 && item.dtype !== 'bool' && !item._lift ? (item.item() as number) : item;
  }
  const known = item === null || item === ellipsis || item instanceof Slice || Number.isInteger(item);
  if (!known) {
    throw new AdjointError(
      'index',
      'only integers, slice(...), ellipsis, null, booleans, arrays and tensors of integers or of bool are valid indices, ' +
        `got ${show(item)} at position ${position}`,
    );
  }
  return item as Checked;
}

function ofArrays(item: NestedIndices, position: number): Tensor {
  const leaves = (item as readonly unknown[]).flat(Number.POSITIVE_INFINITY);
  if (leaves.every((leaf) => typeof leaf === 'boolean') && leaves.length > 0) return tensor(item as NestedArray);
  const wrong = leaves.find((leaf) => typeof leaf !== 'bigint' && !Number.isInteger(leaf));
  if (wrong !== undefined) {
    throw new AdjointError(
      'index',
      `an array of indices must hold whole numbers, or booleans as a mask, got ${show(wrong)} at position ${position}`,
    );
  }
  return tensor(item as NestedArray, { dtype: 'int64' });
}

/** How many dimensions of the tensor an item takes. */
function dimsOf(item: Checked): number {
  if (item === null || item === ellipsis) return 0;
  return item instanceof Tensor && item.dtype === 'bool' ? item.ndim : 1;
}

function checkBounds(index: number, dim: number, size: number): number {
  if (index < -size || index >= size) {
    throw new AdjointError('index', `index ${index} is out of bounds for dimension ${dim} with size ${size}`);
  }
  return index < 0 ? index + size : index;
}

function tooMany(x: Tensor, items: readonly Checked[]): AdjointError {
  if (x.ndim === 0 && items.length === 1 && typeof items[0] === 'number') {
    return new AdjointError(
      'index',
      'invalid index of a 0-dim tensor. Use x.item() to convert a 0-dim tensor to a number',
    );
  }
  return new AdjointError('index', `too many indices for tensor of dimension ${x.ndim}, shape ${showShape(x.shape)}`);
}

const differentMasks = (): AdjointError =>
  new AdjointError(
    'unsupported',
    'vmap: We do not support batching operators that can support dynamic shape. Attempting to batch over indexing with a boolean mask: ' +
      'what it picks differs in shape from example to example. Use where(mask, x, other) instead',
  );

function maskMismatch(mask: Tensor, view: Tensor, dim: number): AdjointError {
  const first = mask.shape.findIndex((size, d) => size !== view.shape[dim + d]);
  return new AdjointError(
    'index',
    `The shape of the mask ${showShape(mask.shape)} at index ${first} does not match the shape of the indexed tensor ` +
      `${showShape(view.shape)} at index ${dim + first}`,
  );
}
