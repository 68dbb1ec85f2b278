/**
 * Views: other ways to read the same memory. Each is given by its geometry, and its derivative takes the cotangent back to the
 * geometry of the base.
 */
import { apply, type Primitive, primitive, vjp } from '../autograd/primitive.ts';
import { checkDim, checkSize, inferShape, isContiguous, type Shape, showShape, viewStrides } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { named } from './named.ts';

/** Sizes or dimensions one by one, or as one array. */
type List = number[] | [list: readonly number[]];
const toList = (list: List): number[] =>
  list.length === 1 && Array.isArray(list[0]) ? [...list[0]] : [...(list as number[])];

/** Another geometry over the memory of `x`. */
const over = (x: Tensor, shape: Shape, strides: Shape, offset = x.offset): Tensor =>
  new Tensor(x.storage, shape, strides, offset);

const View: Primitive<Shape> = primitive(
  'View',
  (shape: Shape, x) => {
    const strides = viewStrides(x.shape, x.strides, shape);
    if (strides) return over(x, shape, strides);
    throw new AdjointError(
      'shape',
      `view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces): ` +
        `from shape ${showShape(x.shape)} with strides ${showShape(x.strides)} to ${showShape(shape)}. Use reshape(...) instead.`,
    );
  },
  [vjp((g, node) => reshape(g, node.shapes[0]))],
  true,
);

/**
 * The same memory in another shape, in which one size may be -1 (torch.Tensor.view).
 * @throws if the number of elements differs, or if no strides can read the memory so: then use `reshape`
 */
export function view(x: Tensor, ...sizes: List): Tensor {
  return apply(View, inferShape(toList(sizes), x.numel()), [x]);
}

/** `x` in another shape, in which one size may be -1: a view where possible, else a copy (torch.reshape). */
export function reshape(x: Tensor, ...sizes: List | [sizes: Shape]): Tensor {
  const shape = inferShape(toList(sizes as List), x.numel());
  return apply(View, shape, [viewStrides(x.shape, x.strides, shape) ? x : contiguous(x)]);
}

const Clone = primitive('Clone', (_, x) => Tensor.empty(x.shape, x.dtype).copy_(x), [vjp((g) => g)]);
/** A copy with memory of its own, in row-major order; the gradient passes through (torch.clone). */
export function clone(x: Tensor): Tensor {
  return apply(Clone, undefined, [x]);
}

/** `x` itself if it lies in row-major order, else a copy that does (torch.Tensor.contiguous). */
export function contiguous(x: Tensor): Tensor {
  return isContiguous(x.shape, x.strides) ? x : clone(x);
}

const Permute: Primitive<readonly number[]> = primitive(
  'Permute',
  (dims: readonly number[], x) =>
    over(
      x,
      dims.map((d) => x.shape[d]),
      dims.map((d) => x.strides[d]),
    ),
  [
    vjp((g, { params: dims }) =>
      permute(
        g,
        dims.map((_, d) => dims.indexOf(d)),
      ),
    ),
  ],
  true,
);
/** The dimensions in another order (torch.permute). */
export function permute(x: Tensor, ...dims: List): Tensor {
  const order = toList(dims);
  if (order.length !== x.ndim) {
    throw new AdjointError(
      'shape',
      `permute: expected an order of ${x.ndim} dimensions for shape ${showShape(x.shape)}, got ${show(order)}`,
    );
  }
  const checked = order.map((d) => checkDim(d, x.ndim));
  if (new Set(checked).size !== checked.length)
    throw new AdjointError('argument', `permute: repeated dim in ${show(order)}`);
  return apply(Permute, checked, [x]);
}

const Transpose: Primitive<readonly [number, number]> = primitive(
  'Transpose',
  (dims: readonly [number, number], x) => {
    const swap = (list: Shape): number[] => {
      const swapped = [...list];
      [swapped[dims[0]], swapped[dims[1]]] = [list[dims[1]], list[dims[0]]];
      return swapped;
    };
    return x.ndim === 0 ? over(x, x.shape, x.strides) : over(x, swap(x.shape), swap(x.strides));
  },
  [vjp((g, { params }) => transpose(g, ...params))],
  true,
);
/** Two dimensions exchanged (torch.transpose). */
export const transpose = named('transpose', ['dim0', 'dim1'], (x: Tensor, dim0: number, dim1: number) =>
  apply(Transpose, [checkDim(dim0, x.ndim), checkDim(dim1, x.ndim)] as const, [x]),
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

const Expand: Primitive<Shape> = primitive(
  'Expand',
  (shape: Shape, x) => {
    const skip = shape.length - x.ndim;
    const strides = shape.map((size, d) =>
      d < skip || (x.shape[d - skip] === 1 && size !== 1) ? 0 : x.strides[d - skip],
    );
    return over(x, shape, strides);
  },
  [vjp((g, node) => g.sumToSize(node.shapes[0]))],
  true,
);
/** Dimensions of size 1 repeated without a copy, and new ones in front; -1 leaves a size as it is (torch.Tensor.expand). */
export function expand(x: Tensor, ...sizes: List | [sizes: Shape]): Tensor {
  const wanted = toList(sizes as List);
  const skip = wanted.length - x.ndim;
  const shape = wanted.map((size, d) => (size === -1 && d >= skip ? x.shape[d - skip] : checkSize(size)));
  if (skip < 0 || x.shape.some((size, d) => size !== 1 && size !== shape[d + skip])) {
    throw new AdjointError(
      'shape',
      `expand: The expanded size ${showShape(wanted)} must match the existing size ${showShape(x.shape)} in each dimension that is not 1, with new dimensions in front`,
    );
  }
  return apply(Expand, shape, [x]);
}

const Squeeze: Primitive<readonly number[]> = primitive(
  'Squeeze',
  (dims: readonly number[], x) => {
    const kept = x.shape.flatMap((_, d) => (dims.includes(d) ? [] : [d]));
    return over(
      x,
      kept.map((d) => x.shape[d]),
      kept.map((d) => x.strides[d]),
    );
  },
  [vjp((g, node) => reshape(g, node.shapes[0]))],
  true,
);
/** Without the dimensions of size 1: all of them, or those of `dim` that are (torch.squeeze). */
export const squeeze = named('squeeze', ['dim'], (x: Tensor, dim?: number | readonly number[] | null) => {
  const candidates =
    dim === undefined || dim === null
      ? x.shape.map((_, d) => d)
      : typeof dim === 'number'
        ? [checkDim(dim, x.ndim)]
        : dim.map((d) => checkDim(d, x.ndim));
  return apply(
    Squeeze,
    candidates.filter((d) => x.shape[d] === 1),
    [x],
  );
});

const Unsqueeze: Primitive<number> = primitive(
  'Unsqueeze',
  (dim: number, x) => {
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
