/**
 * Views: other ways to read the same memory. Each is given by its geometry, and its derivative takes the cotangent back to the
 * geometry of the base. A write through a view is a write to its base.
 */
import { alongBatch, inFront } from '../../autograd/batch-rules.ts';
import type { Gradients } from '../../autograd/node.ts';
import {
  apply,
  applySeveral,
  type OperatorNode,
  type Primitive,
  primitive,
  primitiveOfSeveral,
  vjp,
  withBatchRule,
} from '../../autograd/primitive.ts';
import { filled } from '../../core/creation.ts';
import { isFloatingPoint } from '../../core/dtype.ts';
import { listed } from '../../core/listed.ts';
import { named } from '../../core/named.ts';
import {
  checkDim,
  checkDims,
  checkSize,
  inferShape,
  isContiguous,
  pick,
  type Shape,
  showShape,
  viewStrides,
} from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { write } from '../launch/write.ts';
import { cat, stack } from './join.ts';
import { diagonals, type Geometry, over, overlaps, selecting, sliceOf, slicing, strided, windows } from './part.ts';

// The same elements in another shape.

const reshaping = (name: string, isView: boolean): Primitive<Shape> =>
  primitive(
    name,
    (shape, x) => {
      const strides = viewStrides(x.shape, x.strides, shape);
      if (strides) return over(x, shape, strides);
      throw new AdjointError(
        'shape',
        "view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces): " +
          `from shape ${showShape(x.shape)} with strides ${showShape(x.strides)} to ${showShape(shape)}. Use reshape(...) instead.`,
      );
    },
    [vjp((g, node) => reshape(g, node.shapes[0]))],
    isView,
  );
const View = reshaping('View', true);
const ReshapeAlias = reshaping('ReshapeAlias', true);
const UnsafeView = reshaping('UnsafeView', false);
withBatchRule(UnsafeView, (shape, [examples]) => {
  const x = examples as Tensor;
  return reshape(x, [x.shape[0], ...shape]);
});

/**
 * The same memory in another shape, in which one size may be -1 (torch.Tensor.view).
 * @throws if the number of elements differs, or if no strides can read the memory so: then use `reshape`
 */
export const view = listed('view', 'size', (x, size) => apply(View, inferShape(size, x.numel()), [x]));

/** The same memory in the shape of `other` (torch.Tensor.view_as). */
export const viewAs = named('viewAs', ['other'], (x: Tensor, other: Tensor) => view(x, other.shape));

/** `x` in another shape, in which one size may be -1: a view where possible, else a copy (torch.reshape). */
export const reshape = listed('reshape', 'shape', (x, sizes) => {
  const shape = inferShape(sizes, x.numel());
  if (x.isContiguous()) return apply(View, shape, [x]);
  // a view of a copy that nobody else sees is no view
  return viewStrides(x.shape, x.strides, shape)
    ? apply(ReshapeAlias, shape, [x])
    : apply(UnsafeView, shape, [clone(x)]);
});

/** `x` in the shape of `other`: a view where possible, else a copy (torch.Tensor.reshape_as). */
export const reshapeAs = named('reshapeAs', ['other'], (x: Tensor, other: Tensor) => reshape(x, other.shape));

/** The elements in one dimension: a view if they lie in row-major order, else a copy (torch.ravel). */
export const ravel = (x: Tensor): Tensor => view(contiguous(x), -1);

/**
 * The dimensions from `startDim` (0) to `endDim` (-1) as one: `x` itself if that is one already, a view where possible, else a copy
 * (torch.flatten). A tensor without dimensions gets one.
 */
export const flatten = named(
  'flatten',
  ['startDim', 'endDim'],
  (x: Tensor, startDim: number = 0, endDim: number = -1) => {
    const [start, end] = [checkDim(startDim, x.ndim), checkDim(endDim, x.ndim)];
    if (x.ndim === 0) return reshape(x, 1);
    if (start > end) {
      throw new AdjointError(
        'argument',
        `flatten() has invalid args: startDim cannot come after endDim: got ${startDim} and ${endDim} for shape ${showShape(x.shape)}`,
      );
    }
    if (start === end) return x;
    const size = x.shape.slice(start, end + 1).reduce((a, b) => a * b);
    return reshape(x, [...x.shape.slice(0, start), size, ...x.shape.slice(end + 1)]);
  },
);

/** Dimension `dim` cut into several of the given sizes, of which one may be -1, as a view (torch.unflatten). */
export const unflatten = named('unflatten', ['dim', 'sizes'], (x: Tensor, dim: number, sizes: Shape) => {
  if (sizes.length === 0) throw new AdjointError('shape', 'unflatten: sizes must be non-empty');
  const [d, whole] = sizeAlong('unflatten', x, dim);
  const known = sizes.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const fits = sizes.includes(-1) ? known > 0 && whole % known === 0 : whole === known;
  if (!fits) {
    throw new AdjointError(
      'shape',
      `unflatten: Provided sizes ${showShape(sizes)} don't multiply up to the size of dim ${d} (${whole}) in the input tensor`,
    );
  }
  return view(x, [...x.shape.slice(0, d), ...inferShape(sizes, whole), ...x.shape.slice(d + 1)]);
});

const Clone = inFront(primitive('Clone', (_, x) => write(Tensor.empty(x.shape, x.dtype), x), [vjp((g) => g)]));
/** A copy with memory of its own, in row-major order; the gradient passes through (torch.clone). */
export function clone(x: Tensor): Tensor {
  return apply(Clone, undefined, [x]);
}

/** `x` itself if it lies in row-major order, else a copy that does (torch.Tensor.contiguous). */
export function contiguous(x: Tensor): Tensor {
  return isContiguous(x.shape, x.strides) ? x : clone(x);
}

// The dimensions in another order.

const inverse = (order: readonly number[]): number[] => order.map((_, d) => order.indexOf(d));

const Permute: Primitive<readonly number[]> = primitive(
  'Permute',
  (dims, x) => over(x, pick(x.shape, dims), pick(x.strides, dims)),
  [vjp((g, { params: dims }) => permute(g, inverse(dims)))],
  true,
);
/** The dimensions in another order (torch.permute). */
export const permute = listed('permute', 'dims', (x, dims) => {
  if (dims.length !== x.ndim) {
    throw new AdjointError(
      'shape',
      'permute: number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. ' +
        `input.dim() = ${x.ndim} is not equal to len(dims) = ${dims.length}: shape ${showShape(x.shape)}, dims ${show(dims)}`,
    );
  }
  const order = dims.map((d) => checkDim(d, x.ndim));
  if (new Set(order).size !== order.length)
    throw new AdjointError('argument', `permute(): duplicate dims are not allowed, got ${show(dims)}`);
  return apply(Permute, order, [x]);
});

const Transpose: Primitive<readonly [number, number]> = primitive(
  'Transpose',
  ([a, b], x) => {
    const swapped = (list: Shape): Shape => {
      if (list.length === 0) return list;
      const own = [...list];
      own[a] = list[b];
      own[b] = list[a];
      return own;
    };
    return over(x, swapped(x.shape), swapped(x.strides));
  },
  [vjp((g, { params }) => transpose(g, ...params))],
  true,
);
/** Two dimensions exchanged (torch.transpose). */
export const transpose = named('transpose', ['dim0', 'dim1'], (x: Tensor, dim0: number, dim1: number) =>
  apply(Transpose, [checkDim(dim0, x.ndim), checkDim(dim1, x.ndim)] as const, [x]),
);
/** Two dimensions exchanged: `transpose` under NumPy's name (torch.swapaxes). */
export const swapaxes = named('swapaxes', ['axis0', 'axis1'], (x: Tensor, axis0: number, axis1: number) =>
  transpose(x, axis0, axis1),
);
/** Two dimensions exchanged: `transpose` under another name (torch.swapdims). */
export const swapdims = named('swapdims', ['dim0', 'dim1'], (x: Tensor, dim0: number, dim1: number) =>
  transpose(x, dim0, dim1),
);

const T: Primitive = primitive(
  'T',
  (_, x) => over(x, [...x.shape].reverse(), [...x.strides].reverse()),
  [vjp((g) => t(g))],
  true,
);
/** The transpose of a matrix; a vector or a scalar is left as it is (torch.t). */
export function t(x: Tensor): Tensor {
  if (x.ndim > 2)
    throw new AdjointError(
      'shape',
      `t() expects a tensor with <= 2 dimensions, but self is ${x.ndim}D; use transpose or mT`,
    );
  return apply(T, undefined, [x]);
}

/** Each matrix transposed and conjugated: for real numbers `x.mT` (torch.adjoint). */
export const adjoint = (x: Tensor): Tensor => x.mH;

type OneOrMore = number | readonly number[];
const list = (dims: OneOrMore): readonly number[] => (typeof dims === 'number' ? [dims] : dims);

/** The dimensions `source` at the places `destination`, the others in their order in what is left (torch.movedim). */
export const movedim = named(
  'movedim',
  ['source', 'destination'],
  (x: Tensor, source: OneOrMore, destination: OneOrMore) => {
    const [from, to] = [list(source), list(destination)];
    if (from.length !== to.length) {
      throw new AdjointError(
        'argument',
        `movedim: Invalid source or destination dims: source (${show(from)} dims) should contain the same number of dims as destination (${show(to)} dims)`,
      );
    }
    const distinct = (name: string, dims: readonly number[]): number[] => {
      const checked = dims.map((d) => checkDim(d, x.ndim));
      if (new Set(checked).size < checked.length)
        throw new AdjointError('argument', `movedim: repeated dim in \`${name}\` (${show(dims)})`);
      return checked;
    };
    const [moved, places] = [distinct('source', from), distinct('destination', to)];
    const others = x.shape.map((_, d) => d).filter((d) => !moved.includes(d));
    return permute(
      x,
      x.shape.map((_, d) => (places.includes(d) ? moved[places.indexOf(d)] : (others.shift() as number))),
    );
  },
);
/** `movedim` under NumPy's name (torch.moveaxis). */
export const moveaxis = named(
  'moveaxis',
  ['source', 'destination'],
  (x: Tensor, source: OneOrMore, destination: OneOrMore) => movedim(x, source, destination),
);

// Dimensions of size 1.

const squeezing = (name: string): Primitive<readonly number[]> =>
  primitive(
    name,
    (dims, x) => {
      const kept = x.shape.map((_, d) => d).filter((d) => x.shape[d] !== 1 || !dims.includes(d));
      return over(x, pick(x.shape, kept), pick(x.strides, kept));
    },
    [vjp((g, node) => reshape(g, node.shapes[0]))],
    true,
  );
const SqueezeAll = squeezing('Squeeze');
const SqueezeOne = squeezing('SqueezeBackward1');
const SqueezeSome = squeezing('SqueezeBackward2');
/** Without the dimensions of size 1: all of them, or those of `dim` that are (torch.squeeze). */
export const squeeze = named('squeeze', ['dim'], (x: Tensor, dim?: OneOrMore | null) => {
  if (dim === undefined || dim === null) return apply(SqueezeAll, checkDims(null, x.ndim), [x]);
  if (typeof dim === 'number') return apply(SqueezeOne, [checkDim(dim, x.ndim)], [x]);
  return apply(SqueezeSome, dim.length === 0 ? [] : checkDims(dim, x.ndim), [x]);
});

const Unsqueeze = primitive<number>(
  'Unsqueeze',
  (dim, x) => {
    const stride = dim < x.ndim ? x.shape[dim] * x.strides[dim] : 1;
    return over(
      x,
      [...x.shape.slice(0, dim), 1, ...x.shape.slice(dim)],
      [...x.strides.slice(0, dim), stride, ...x.strides.slice(dim)],
    );
  },
  [vjp((g, { params: dim }) => squeeze(g, dim))],
  true,
);
/** A new dimension of size 1 at `dim` (torch.unsqueeze). */
export const unsqueeze = named('unsqueeze', ['dim'], (x: Tensor, dim: number) =>
  apply(Unsqueeze, checkDim(dim, x.ndim + 1), [x]),
);

const Expand = primitive<Shape>(
  'Expand',
  (shape, x) => {
    const skip = shape.length - x.ndim;
    const strides = [...shape]; // a list of its length
    for (let d = shape.length - 1; d >= 0; d--) {
      const inner = d + 1 < shape.length ? shape[d + 1] * strides[d + 1] : 1;
      const [size, stride] = d < skip ? [1, inner] : [x.shape[d - skip], x.strides[d - skip]];
      strides[d] = shape[d] === size && x.ndim > 0 ? stride : 0;
    }
    return over(x, shape, strides);
  },
  [vjp((g, node) => g.sumToSize(node.shapes[0]))],
  true,
);
/** Dimensions of size 1 repeated without a copy, and new ones in front; -1 leaves a size as it is (torch.Tensor.expand). */
export const expand = listed('expand', 'size', (x, sizes) => {
  const skip = sizes.length - x.ndim;
  if (skip < 0) {
    throw new AdjointError(
      'shape',
      `expand(${showShape(x.shape)}, size=${showShape(sizes)}): the number of sizes provided (${sizes.length}) must be greater or equal ` +
        `to the number of dimensions in the tensor (${x.ndim})`,
    );
  }
  const sizeOf = (size: number, d: number): number => {
    if (d < skip) {
      if (size === -1)
        throw new AdjointError(
          'shape',
          `The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ${d}`,
        );
      return checkSize(size);
    }
    const own = x.shape[d - skip];
    if (size === -1 || size === own) return own;
    if (own === 1) return checkSize(size);
    throw new AdjointError(
      'shape',
      `The expanded size of the tensor (${size}) must match the existing size (${own}) at non-singleton dimension ${d}.  ` +
        `Target sizes: ${showShape(sizes)}.  Tensor sizes: ${showShape(x.shape)}`,
    );
  };
  const shape: number[] = [];
  for (let d = 0; d < sizes.length; d++) shape.push(sizeOf(sizes[d], d));
  return apply(Expand, shape, [x]);
});
/** `x` expanded to the shape of `other` (torch.Tensor.expand_as). */
export const expandAs = named('expandAs', ['other'], (x: Tensor, other: Tensor) => expand(x, other.shape));
/** `x` expanded to a shape: `expand` under NumPy's name (torch.broadcast_to). */
export const broadcastTo = listed('broadcastTo', 'size', (x, size) => expand(x, size));

// Parts.

/**
 * One index of a dimension, which goes (torch.select).
 * @throws if the index, which counts from the end if it is negative, is out of range
 */
export const select = named('select', ['dim', 'index'], (x: Tensor, dim: number, index: number) =>
  selecting.view(x, selectionOf(x, dim, index)),
);

function selectionOf(x: Tensor, dim: number, index: number): [dim: number, index: number] {
  if (x.ndim === 0) throw new AdjointError('shape', 'select() cannot be applied to a 0-dim tensor.');
  const d = checkDim(dim, x.ndim);
  const size = x.shape[d];
  if (!Number.isInteger(index))
    throw new AdjointError('argument', `select: an index must be a whole number, got ${show(index)}`);
  if (index < -size || index >= size) {
    throw new AdjointError(
      'index',
      `select(): index ${index} out of range for tensor of size ${showShape(x.shape)} at dimension ${d}`,
    );
  }
  return [d, index < 0 ? index + size : index];
}

/** A copy of `x` in which `src` takes the place of `x.select(dim, index)` (torch.select_scatter). */
export const selectScatter = named(
  'selectScatter',
  ['src', 'dim', 'index'],
  (x: Tensor, src: Tensor, dim: number, index: number) => selecting.scatter(x, src, selectionOf(x, dim, index)),
);

/** A copy of `x` in which `src` takes the place of `x[start:end:step]` along `dim` (torch.slice_scatter). */
export const sliceScatter = named(
  'sliceScatter',
  ['src', 'dim', 'start', 'end', 'step'],
  (x: Tensor, src: Tensor, dim: number = 0, start: number | null = null, end: number | null = null, step: number = 1) =>
    slicing.scatter(x, src, sliceOf('sliceScatter', x, dim, start, end, step)),
);

/** `length` indices of dimension `dim` from `start`, a number or an integer tensor without dimensions, on (torch.narrow). */
export const narrow = named(
  'narrow',
  ['dim', 'start', 'length'],
  (x: Tensor, dim: number, start: number | Tensor, length: number) => {
    if (x.ndim === 0) throw new AdjointError('shape', 'narrow() cannot be applied to a 0-dim tensor.');
    const d = checkDim(dim, x.ndim);
    const size = x.shape[d];
    const from = wholeNumber(start);
    if (checkSize(length, 'narrow(): length') < 0 || from < -size || from > size) {
      throw new AdjointError(
        'index',
        `start out of range (expected to be in range of [${-size}, ${size}], but got ${from})`,
      );
    }
    const first = from < 0 ? from + size : from;
    if (first + length > size)
      throw new AdjointError('index', `start (${first}) + length (${length}) exceeds dimension size (${size}).`);
    return slicing.view(x, [d, first, first + length, 1]);
  },
);

function wholeNumber(start: number | Tensor): number {
  if (start instanceof Tensor) {
    if (start.ndim > 0 || isFloatingPoint(start.dtype) || start.dtype === 'bool')
      throw new AdjointError(
        'argument',
        `narrow: start must be an 0-dim integral Tensor, got ${start.dtype} of shape ${showShape(start.shape)}`,
      );
    return Number(start.item());
  }
  if (!Number.isInteger(start))
    throw new AdjointError('argument', `narrow: start must be a whole number or a tensor of one, got ${show(start)}`);
  return start;
}

function diagonalOf(
  x: Tensor,
  offset: number,
  dim1: number,
  dim2: number,
): [offset: number, dim1: number, dim2: number] {
  const dims = [checkDim(dim1, x.ndim), checkDim(dim2, x.ndim)] as const;
  if (dims[0] === dims[1])
    throw new AdjointError('argument', `diagonal dimensions cannot be identical ${dim1}, ${dim2}`);
  if (!Number.isInteger(offset))
    throw new AdjointError('argument', `diagonal: offset must be a whole number, got ${show(offset)}`);
  return [offset, ...dims];
}

/**
 * The elements x[..., i, ..., i + offset, ...] of two dimensions, as a last dimension in the place of both (torch.diagonal). Empty if
 * the offset is beyond the ends.
 */
export const diagonal = named(
  'diagonal',
  ['offset', 'dim1', 'dim2'],
  (x: Tensor, offset: number = 0, dim1: number = 0, dim2: number = 1) =>
    diagonals.view(x, diagonalOf(x, offset, dim1, dim2)),
);
/** A copy of `x` in which `src` takes the place of `x.diagonal(offset, dim1, dim2)` (torch.diagonal_scatter). */
export const diagonalScatter = named(
  'diagonalScatter',
  ['src', 'offset', 'dim1', 'dim2'],
  (x: Tensor, src: Tensor, offset: number = 0, dim1: number = 0, dim2: number = 1) =>
    diagonals.scatter(x, src, diagonalOf(x, offset, dim1, dim2)),
);

/**
 * The windows of `size` indices of `dimension` that start `step` apart, in a new last dimension (torch.Tensor.unfold). Where windows
 * overlap they share memory; gradients are summed.
 */
export const unfold = named(
  'unfold',
  ['dimension', 'size', 'step'],
  (x: Tensor, dimension: number, size: number, step: number) => {
    const d = checkDim(dimension, x.ndim);
    const largest = x.ndim === 0 ? 1 : x.shape[d];
    if (checkSize(size, 'unfold: size') > largest)
      throw new AdjointError('shape', `maximum size for tensor at dimension ${d} is ${largest} but size is ${size}`);
    if (checkSize(step, 'unfold: step') === 0) throw new AdjointError('argument', 'step is 0 but must be > 0');
    return windows.view(x, [d, size, step]);
  },
);

// Several parts.

/** The cotangents of a node's results, zeros where there is none. */
const complete = (gradients: Gradients, node: OperatorNode<unknown>): Tensor[] =>
  gradients.map((g, nr) => g ?? filled(node.outputs[nr].shape, 0, node.outputs[nr].dtype));

const Unbind = primitiveOfSeveral<number>(
  'Unbind',
  (dim, x) => Array.from({ length: x.shape[dim] }, (_, i) => select(x, dim, i)),
  [vjp((gradients, node) => stack(complete(gradients, node), node.params))],
  true,
);
/** Every index of a dimension as a tensor without it (torch.unbind). */
export const unbind = named('unbind', ['dim'], (x: Tensor, dim: number = 0) => {
  if (x.ndim === 0) throw new AdjointError('index', `Dimension specified as ${dim} but tensor has no dimensions`);
  return applySeveral(Unbind, checkDim(dim, x.ndim), [x]);
});

interface Cuts {
  readonly dim: number;
  /** Adding up to the size of the dimension. */
  readonly sizes: readonly number[];
}
/** @param views whether autograd is told that the parts share the memory of the whole */
function cutting(name: string, views: boolean): Primitive<Cuts> {
  const operator = primitiveOfSeveral<Cuts>(
    name,
    ({ dim, sizes }, x) => {
      let end = 0;
      return sizes.map((size) => {
        end += size;
        const part = narrow(x, dim, end - size, size);
        return views ? part : part.data;
      });
    },
    [vjp((gradients, node) => cat(complete(gradients, node), node.params.dim))],
    views,
  );
  return views ? operator : alongBatch(operator);
}

/** The size of a dimension of a tensor that has one. */
function sizeAlong(call: string, x: Tensor, dim: number): [dim: number, size: number] {
  if (x.ndim === 0) throw new AdjointError('shape', `${call} expects at least a 1-dimensional tensor`);
  const d = checkDim(dim, x.ndim);
  return [d, x.shape[d]];
}

const splittingBySizes = (name: string, operator: Primitive<Cuts>) =>
  named(name, ['splitSizes', 'dim'], (x: Tensor, splitSizes: readonly number[], dim: number = 0) => {
    const [d, size] = sizeAlong('split', x, dim);
    if (splitSizes.some((part) => !(part >= 0))) {
      throw new AdjointError(
        'argument',
        `splitWithSizes expects splitSizes have only non-negative entries, but got splitSizes=${show(splitSizes)}`,
      );
    }
    if (splitSizes.reduce((total, part) => total + checkSize(part), 0) !== size) {
      throw new AdjointError(
        'shape',
        `splitWithSizes expects splitSizes to sum exactly to ${size} (input tensor's size at dimension ${d}), but got splitSizes=${show(splitSizes)}`,
      );
    }
    return applySeveral(operator, { dim: d, sizes: splitSizes }, [x]);
  });
/** The parts of a dimension that have the given sizes (torch.split_with_sizes). */
export const splitWithSizes = splittingBySizes('splitWithSizes', cutting('SplitWithSizes', true));
/** `splitWithSizes` with parts that may be written to, as `unsafeSplit` has them (torch.unsafe_split_with_sizes). */
export const unsafeSplitWithSizes = splittingBySizes('unsafeSplitWithSizes', cutting('UnsafeSplitWithSizes', false));

/** The sizes of the parts of `size` that are `each` but for the last. */
function evenSizes(size: number, each: number): number[] {
  const count = Math.max(1, Math.ceil(size / each));
  return Array.from({ length: count }, (_, i) => Math.min(each, size - i * each));
}

const splitting = (name: string, operator: Primitive<Cuts>, bySizes: typeof splitWithSizes) =>
  named(name, ['splitSize', 'dim'], (x: Tensor, splitSize: number | readonly number[], dim: number = 0) => {
    if (typeof splitSize !== 'number') return bySizes(x, splitSize, dim);
    const [d, size] = sizeAlong('split', x, dim);
    if (splitSize < 0)
      throw new AdjointError('argument', `split expects splitSize be non-negative, but got splitSize=${splitSize}`);
    if (checkSize(splitSize, 'splitSize') === 0 && size > 0) {
      throw new AdjointError(
        'argument',
        `splitSize can only be 0 if dimension size is 0, but got dimension size of ${size}`,
      );
    }
    return applySeveral(operator, { dim: d, sizes: evenSizes(size, Math.max(splitSize, 1)) }, [x]);
  });
/**
 * The parts of a dimension of `splitSize` indices each, the last maybe of fewer; or of the sizes in a list (torch.split).
 */
export const split = splitting('split', cutting('Split', true), splitWithSizes);
/**
 * `split` with parts that may be written to while that is recorded: autograd is not told that they share memory, so nothing that is
 * computed later may depend on the memory of `x` or on another part that overlaps (torch.unsafe_split).
 */
export const unsafeSplit = splitting('unsafeSplit', cutting('UnsafeSplit', false), unsafeSplitWithSizes);

const chunking = (name: string, even: typeof split, bySizes: typeof splitWithSizes) =>
  named(name, ['chunks', 'dim'], (x: Tensor, chunks: number, dim: number = 0) => {
    const [d, size] = sizeAlong('chunk', x, dim);
    if (!(chunks > 0))
      throw new AdjointError('argument', `chunk expects \`chunks\` to be greater than 0, got: ${show(chunks)}`);
    if (size === 0) return bySizes(x, new Array<number>(checkSize(chunks, 'chunks')).fill(0), d);
    return even(x, Math.ceil(size / checkSize(chunks, 'chunks')), d);
  });
/** A dimension in at most `chunks` parts of one size, the last maybe smaller (torch.chunk). */
export const chunk = chunking('chunk', split, splitWithSizes);
/** `chunk` with parts that may be written to, as `unsafeSplit` has them (torch.unsafe_chunk). */
export const unsafeChunk = chunking('unsafeChunk', unsafeSplit, unsafeSplitWithSizes);

/**
 * A dimension cut into `sections` parts, the first ones larger by one where they cannot all be of one size, or cut before each of the
 * indices in a list (torch.tensor_split). Either may be an integer tensor.
 */
export const tensorSplit = named(
  'tensorSplit',
  ['indicesOrSections', 'dim'],
  (x: Tensor, indicesOrSections: number | readonly number[] | Tensor, dim: number = 0) => {
    if (x.ndim === 0) {
      throw new AdjointError(
        'shape',
        'tensorSplit expected at least a 1-dimensional tensor, but got a tensor with 0 dims',
      );
    }
    const d = checkDim(dim, x.ndim);
    const cuts = indicesOrSections instanceof Tensor ? numbersOf(indicesOrSections) : indicesOrSections;
    const bounds = typeof cuts === 'number' ? evenCuts(x.shape[d], cuts) : cuts;
    return [...bounds, null].map((end, i) => slicing.view(x, sliceOf('tensorSplit', x, d, bounds[i - 1] ?? 0, end, 1)));
  },
);

function evenCuts(size: number, sections: number): number[] {
  if (!(sections > 0))
    throw new AdjointError('argument', `number of sections must be larger than 0, got ${show(sections)}`);
  checkSize(sections, 'sections');
  const each = Math.floor(size / sections);
  return Array.from({ length: sections - 1 }, (_, i) => each * (i + 1) + Math.min(i + 1, size % sections));
}

function numbersOf(tensor: Tensor): number | number[] {
  if (tensor.ndim > 1) {
    throw new AdjointError(
      'shape',
      `tensorSplit expected indicesOrSections to be a zero-dimensional or one-dimensional tensor, but got a tensor with ${tensor.ndim} dims`,
    );
  }
  if (isFloatingPoint(tensor.dtype) || tensor.dtype === 'bool') {
    throw new AdjointError(
      'dtype',
      `tensorSplit expected indicesOrSections to have dtype int64, but got ${tensor.dtype}`,
    );
  }
  return tensor.tolist() as number | number[];
}

type Cut = number | readonly number[];

const splitAlong = (name: string, rank: number, dimOf: (x: Tensor) => number) =>
  named(name, ['indicesOrSections'], (x: Tensor, indicesOrSections: Cut) => {
    if (x.ndim < rank) {
      throw new AdjointError(
        'shape',
        `${name} requires a tensor with at least ${rank} dimension, but got a tensor with ${x.ndim} dimensions!`,
      );
    }
    const dim = dimOf(x);
    if (typeof indicesOrSections === 'number' && x.shape[dim] % indicesOrSections !== 0) {
      throw new AdjointError(
        'shape',
        `${name} attempted to split along dimension ${dim}, but the size of the dimension ${x.shape[dim]} is not divisible by the splitSize ${indicesOrSections}!`,
      );
    }
    return tensorSplit(x, indicesOrSections, dim);
  });
/** Cut into equal sections, or before each index of a list, from left to right: along dimension 1, of a vector 0 (torch.hsplit). */
export const hsplit = splitAlong('hsplit', 1, (x) => (x.ndim === 1 ? 0 : 1));
/** The same from top to bottom: along dimension 0 (torch.vsplit). */
export const vsplit = splitAlong('vsplit', 2, () => 0);
/** The same from front to back: along dimension 2 (torch.dsplit). */
export const dsplit = splitAlong('dsplit', 3, () => 2);

// Any geometry.

/** How many elements from its offset on a tensor of this geometry reaches. */
const extent = ({ shape, strides }: Geometry): number =>
  shape.includes(0) ? 0 : 1 + shape.reduce((reach, size, d) => reach + (size - 1) * strides[d], 0);

const AsStrided = primitive<{ base: Geometry; view: Geometry }>(
  'AsStrided',
  ({ base, view }, x) => {
    const offset = x.offset + view.offset - base.offset;
    const needed = offset + extent(view);
    if (needed > x.storage.length && !view.shape.includes(0)) {
      throw new AdjointError(
        'index',
        `setStorage: sizes ${showShape(view.shape)}, strides ${showShape(view.strides)}, storage offset ${offset} ` +
          `requiring ${needed} elements are out of bounds for storage of ${x.storage.length}`,
      );
    }
    return over(x, view.shape, view.strides, offset);
  },
  [
    vjp((g, { params: { base, view } }) => {
      // the cotangent of the storage, between the first and the last element that either can see
      const first = Math.min(base.offset, view.offset);
      const length = Math.max(base.offset + extent(base), view.offset + extent(view)) - first;
      const within = (seen: Geometry): Geometry => ({ ...seen, offset: seen.offset - first });
      let storage = strided.embed(g, [length], within(view));
      // elements of the base that share a place share its cotangent
      if (overlaps(base)) storage = storage.div(strided.embed(filled(base.shape, 1, g.dtype), [length], within(base)));
      return strided.view(storage, within(base));
    }),
  ],
  true,
);
withBatchRule(AsStrided, ({ base, view }, [examples]) => {
  const x = examples as Tensor;
  const first = view.offset - base.offset;
  if (extent(view) > 0 && (first < 0 || first + extent(view) > extent(base))) {
    throw new AdjointError(
      'unsupported',
      `asStrided: the result can access memory from ${first} to ${first + extent(view)}, but the tensor only from 0 to ${extent(base)}. ` +
        'This is not supported inside of vmap, please try to rewrite the call as a sequence of view operations',
    );
  }
  const offset = x.offset + first;
  return asStrided(x, [x.shape[0], ...view.shape], [x.strides[0], ...view.strides], offset);
});
/**
 * The memory of `x` read with any sizes and strides, from `storageOffset` on (torch.as_strided). Gradients of elements at one place are
 * summed; those of places that `x` does not see are dropped.
 * @throws if that reaches beyond the memory
 */
export const asStrided = named(
  'asStrided',
  ['size', 'stride', 'storageOffset'],
  (x: Tensor, size: Shape, stride: Shape, storageOffset: number | null = null) => {
    if (size.length !== stride.length) {
      throw new AdjointError(
        'shape',
        `asStrided: mismatch in length of strides and shape: got size ${show(size)} and stride ${show(stride)}`,
      );
    }
    const view: Geometry = {
      shape: size.map((n) => checkSize(n)),
      strides: stride.map((n) => checkSize(n, 'asStrided: Negative strides are not supported: a stride')),
      offset: checkSize(storageOffset ?? x.offset, 'storage offset'),
    };
    const { shape, strides, offset } = x;
    return apply(AsStrided, { base: { shape, strides, offset }, view }, [x]);
  },
);

// What a real tensor is to complex numbers: its own conjugate, with nothing left to resolve.

/** The complex conjugate: of a real tensor, itself (torch.conj). */
export const conj = (x: Tensor): Tensor => x;
/** The complex conjugate written out: of a real tensor, itself (torch.conj_physical). */
export const conjPhysical = (x: Tensor): Tensor => x;
/** `x` with a pending conjugation carried out: a real tensor itself (torch.resolve_conj). */
export const resolveConj = (x: Tensor): Tensor => x;
/** `x` with a pending negation carried out: a real tensor itself (torch.resolve_neg). */
export const resolveNeg = (x: Tensor): Tensor => x;
/** `x` itself (torch.positive). @throws for bool */
export function positive(x: Tensor): Tensor {
  if (x.dtype === 'bool') throw new AdjointError('dtype', 'The `+` operator, on a bool tensor is not supported.');
  return x;
}
