/**
 * Views of a part of a tensor. Each comes with the operators that are its derivatives and those of which it is the derivative: the
 * part's cotangent embedded in zeros, and a copy of the tensor in which the part is replaced.
 */
import { examplesOf } from '../../autograd/batch-rules.ts';
import { apply, primitive, vjp, withBatchRule } from '../../autograd/primitive.ts';
import { spreadLike, viewExamples } from '../../autograd/vmap.ts';
import { filled } from '../../core/creation.ts';
import { checkDim, type Shape, sameShape, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { write } from '../launch/write.ts';

/** How a tensor lies in its storage. */
export interface Geometry {
  readonly shape: Shape;
  readonly strides: Shape;
  readonly offset: number;
}

/** Another geometry over the memory of `x`. */
export const over = (x: Tensor, shape: Shape, strides: Shape, offset = x.offset): Tensor =>
  new Tensor(x.storage, shape, strides, offset);

/** Whether several elements may lie at one place. */
export function overlaps({ shape, strides }: Omit<Geometry, 'offset'>): boolean {
  const dims = strides.map((_, d) => d).filter((d) => shape[d] > 1);
  dims.sort((a, b) => strides[a] - strides[b]);
  let reach = 0;
  return dims.some((d) => {
    const clash = strides[d] <= reach;
    reach += (shape[d] - 1) * strides[d];
    return clash;
  });
}

/** A view of a part, seen from all sides. */
export interface Part<P> {
  /** The part of `x`. */
  view(x: Tensor, params: P): Tensor;
  /** A tensor of zeros of this shape with `values` added to its part: what the view does to a cotangent. */
  embed(values: Tensor, shape: Shape, params: P): Tensor;
  /** A copy of `x` whose part is `values`. */
  scatter(x: Tensor, values: Tensor, params: P): Tensor;
}

/**
 * Defines the view of a part.
 * @param name of the view's node
 * @param geometry the view itself; of two tensors of one shape, the first contiguous, it shows the same elements
 */
export function part<P>(name: string, geometry: (x: Tensor, params: P) => Tensor): Part<P> {
  const View = primitive<P>(
    name,
    (params, x) => geometry(x, params),
    [vjp((g, { params, shapes }) => embed(g, shapes[0], params))],
    true,
  );
  const Embed = primitive<{ params: P; shape: Shape }>(
    `${name}Backward`,
    ({ params, shape }, values) => {
      const whole = filled(shape, 0, values.dtype);
      accumulate(geometry(whole, params), values);
      return whole;
    },
    [vjp((g, node) => view(g, node.params.params))],
  );
  const EmbedExamples = primitive<{ params: P; shape: Shape }>(
    `${name}Backward`,
    ({ params, shape }, values) => {
      const whole = filled([values.shape[0], ...shape], 0, values.dtype);
      accumulate(viewExamples(View, params, whole) as Tensor, values);
      return whole;
    },
    [vjp((g, { params: { params } }) => viewExamples(View, params, g) as Tensor)],
  );
  withBatchRule(Embed, (params, [values]) => apply(EmbedExamples, params, [values]));
  const Scatter = primitive<P>(
    `${name}Scatter`,
    (params, x, values) => {
      const whole = x.clone();
      write(geometry(whole, params), values);
      return whole;
    },
    [
      vjp((g, { params, shapes }) => scatter(g, filled(shapes[1], 0, g.dtype), params)),
      vjp((g, { params }) => view(g, params)),
    ],
  );
  // the examples of a copy, in which the part of each is written
  withBatchRule(Scatter, (params, inputs, batched) => {
    const [x, values] = examplesOf(inputs, batched) as Tensor[];
    const whole = spreadLike(x, [values]).clone();
    (viewExamples(View, params, whole) as Tensor).copy_(values);
    return whole;
  });
  const view = (x: Tensor, params: P): Tensor => apply(View, params, [x]);
  const embed = (values: Tensor, shape: Shape, params: P): Tensor => apply(Embed, { params, shape }, [values]);
  const scatter = (x: Tensor, values: Tensor, params: P): Tensor => {
    const { shape } = geometry(x, params);
    if (!sameShape(values.shape, shape)) {
      throw new AdjointError(
        'shape',
        `expected src to have a size equal to the slice of self. src size = ${showShape(values.shape)}, slice size = ${showShape(shape)}`,
      );
    }
    return apply(Scatter, params, [x, values]);
  };
  return { view, embed, scatter };
}

/** Adds `values` to a part of a tensor of zeros, as often as its elements lie at the same place. */
function accumulate(target: Tensor, values: Tensor): void {
  if (!overlaps(target)) {
    write(target, values);
    return;
  }
  const add = (to: Tensor, from: Tensor): void => {
    if (!overlaps(to)) {
      to.add_(from);
      return;
    }
    // layer by layer, along the dimension that has the fewest
    const sizes = to.shape.map((size) => (size > 1 ? size : Infinity));
    const dim = sizes.indexOf(Math.min(...sizes));
    for (let i = 0; i < to.shape[dim]; i++) add(layer(to, [dim, i]), layer(from, [dim, i]));
  };
  add(target, values);
}

const without = (list: Shape, dim: number): number[] => list.filter((_, d) => d !== dim);
const layer = (x: Tensor, [dim, index]: readonly [dim: number, index: number]): Tensor =>
  over(x, without(x.shape, dim), without(x.strides, dim), x.offset + index * x.strides[dim]);

function replaced(list: Shape, dim: number, value: number): number[] {
  const own = [...list];
  own[dim] = value;
  return own;
}

/** One index of a dimension, which goes. */
export const selecting = part('Select', layer);

/** Every `step`th of the indices from `start` below `end`. */
export const slicing = part(
  'Slice',
  (x, [dim, start, end, step]: readonly [dim: number, start: number, end: number, step: number]) =>
    over(
      x,
      replaced(x.shape, dim, Math.ceil((end - start) / step)),
      replaced(x.strides, dim, step * x.strides[dim]),
      x.offset + start * x.strides[dim],
    ),
);

/** The elements whose indices of two dimensions differ by `offset`; their dimension comes last. */
export const diagonals = part(
  'Diagonal',
  (x, [offset, dim1, dim2]: readonly [offset: number, dim1: number, dim2: number]) => {
    const [rows, columns] = [x.shape[dim1], x.shape[dim2]];
    const length = Math.max(0, offset >= 0 ? Math.min(rows, columns - offset) : Math.min(rows + offset, columns));
    const first = length === 0 ? 0 : offset >= 0 ? offset * x.strides[dim2] : -offset * x.strides[dim1];
    const others = (list: Shape): number[] => list.filter((_, d) => d !== dim1 && d !== dim2);
    return over(
      x,
      [...others(x.shape), length],
      [...others(x.strides), x.strides[dim1] + x.strides[dim2]],
      x.offset + first,
    );
  },
);

/** Windows of `size` indices, `step` apart; the dimension counts them, and a new last one runs through each. */
export const windows = part('Unfold', (x, [dim, size, step]: readonly [dim: number, size: number, step: number]) =>
  x.ndim === 0
    ? over(x, [size], [1])
    : over(
        x,
        [...replaced(x.shape, dim, Math.floor((x.shape[dim] - size) / step) + 1), size],
        [...replaced(x.strides, dim, step * x.strides[dim]), x.strides[dim]],
      ),
);

/** Any geometry over a contiguous tensor, from its first element on. */
export const strided = part('AsStrided', (x, { shape, strides, offset }: Geometry) =>
  over(x, shape, strides, x.offset + offset),
);

/**
 * The indices of a dimension from `start` (0) to below `end` (its size) by `step`, as a view: `x[start:end:step]`. Negative bounds count
 * from the end; bounds beyond the ends are moved to them.
 */
export function slice(x: Tensor, dim = 0, start: number | null = null, end: number | null = null, step = 1): Tensor {
  return slicing.view(x, sliceOf('slice', x, dim, start, end, step));
}

/** The parameters of a slice with its bounds inside the dimension. */
export function sliceOf(
  call: string,
  x: Tensor,
  dim: number,
  start: number | null,
  end: number | null,
  step: number,
): [dim: number, start: number, end: number, step: number] {
  if (x.ndim === 0) throw new AdjointError('shape', `${call}() cannot be applied to a 0-dim tensor.`);
  const d = checkDim(dim, x.ndim);
  for (const bound of [start ?? 0, end ?? 0, step]) {
    if (!Number.isInteger(bound)) {
      throw new AdjointError('argument', `${call}: the bounds and the step must be whole numbers, got ${show(bound)}`);
    }
  }
  if (step <= 0) throw new AdjointError('argument', `slice step must be positive, got ${step}`);
  const size = x.shape[d];
  const within = (bound: number): number => Math.min(Math.max(bound < 0 ? bound + size : bound, 0), size);
  const first = within(start ?? 0);
  return [d, first, Math.max(first, within(end ?? size)), step];
}
