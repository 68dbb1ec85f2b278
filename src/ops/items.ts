/** What the items of `x.index(...)` pick, read and written. */
import { apply, type Primitive, primitive, type Vjp, vjp } from '../autograd/primitive.ts';
import { filled } from '../core/creation.ts';
import type { Scalar } from '../core/dtype.ts';
import { broadcastShapes, numelOf, type Shape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { type IndexItem, type Located, locate } from './index-expression.ts';
import { collect, deposit } from './launch-gather.ts';
import { type Overwriting, overwriting, writeInto } from './overwriting.ts';
import { over } from './part.ts';
import { axesOf, type Places, product, readIndices } from './places.ts';

/** Index tensors for some dimensions of a tensor. */
interface Picked {
  /** The dimensions, ascending. */
  readonly dims: readonly number[];
  readonly accumulate: boolean;
}

/** The places that index tensors for `dims` pick, and the shape of the result. */
function pickedPlaces(
  x: Tensor,
  dims: readonly number[],
  indices: readonly Tensor[],
): { places: Places; shape: Shape } {
  const common = indices.map((index) => index.shape).reduce((a, b) => broadcastIndices(a, b, indices));
  const joint = new Int32Array(numelOf(common));
  dims.forEach((d, k) => {
    const own = readIndices(indices[k].expand(common), d, x.shape[d], true);
    const stride = x.strides[d];
    for (let i = 0; i < joint.length; i++) joint[i] += own[i] * stride;
  });
  const others = x.shape.map((_, d) => d).filter((d) => !dims.includes(d));
  // index tensors for adjacent dimensions stay where these are, others come first
  const adjacent = dims.every((d, k) => k === 0 || d === dims[k - 1] + 1);
  const position = adjacent ? dims[0] : 0;
  const axes = axesOf(x);
  const places = product(others.map((d) => axes[d]).toSpliced(position, 0, joint));
  return { places, shape: others.map((d) => x.shape[d]).toSpliced(position, 0, ...common) };
}

function broadcastIndices(a: Shape, b: Shape, indices: readonly Tensor[]): Shape {
  try {
    return broadcastShapes(a, b);
  } catch {
    throw new AdjointError(
      'shape',
      'shape mismatch: indexing tensors could not be broadcast together with shapes ' +
        indices.map((index) => showShape(index.shape)).join(', '),
    );
  }
}

/** A rule that saves all index tensors, which are the inputs from `first` on. */
const savingIndices = (
  first: number,
  dims: readonly number[],
  rule: (g: Tensor, shape: Shape, indices: readonly Tensor[]) => Tensor,
): Vjp<Picked> => ({
  saves: dims.map((_, k) => first + k),
  rule: (g, { shapes }, ...indices) => rule(g, shapes[0], indices),
});

const Index: Primitive<Picked> = {
  name: 'Index',
  forward({ dims }, ...inputs) {
    const [x, ...indices] = inputs as Tensor[];
    const { places, shape } = pickedPlaces(x, dims, indices);
    const out = Tensor.empty(shape, x.dtype);
    collect(x, places, out);
    return out;
  },
  vjp: (k, { dims }) =>
    k > 0
      ? null
      : savingIndices(1, dims, (g, shape, indices) =>
          writeInto(IndexPut, { dims, accumulate: true }, filled(shape, 0, g.dtype), [g, ...indices]),
        ),
};

const IndexPut: Overwriting<Picked> = overwriting<Picked>(
  'IndexPut',
  ({ dims, accumulate }, self, values, ...indices) => {
    const { places, shape } = pickedPlaces(self, dims, indices);
    deposit(self, places, fitted(values, shape), accumulate ? 'add' : 'set');
  },
  (k, { dims, accumulate }) => {
    if (k === 1) return savingIndices(2, dims, (g, _, indices) => apply(Index, { dims, accumulate }, [g, ...indices]));
    if (k > 1) return null;
    if (accumulate) return vjp((g) => g);
    return savingIndices(2, dims, (g, _, indices) =>
      apply(IndexPut, { dims, accumulate }, [g, filled([], 0, g.dtype), ...indices]),
    );
  },
);

/** `values` broadcast to the shape of what they are written to. */
function fitted(values: Tensor, shape: Shape): Tensor {
  const skip = shape.length - values.ndim;
  if (skip >= 0 && values.shape.every((size, d) => size === 1 || size === shape[d + skip])) return values.expand(shape);
  throw new AdjointError(
    'shape',
    `shape mismatch: value tensor of shape ${showShape(values.shape)} cannot be broadcast to indexing result of shape ${showShape(shape)}`,
  );
}

const Alias = primitive<undefined>('Alias', (_, x) => over(x, x.shape, x.strides), [vjp((g) => g)], true);

/** The elements that the items pick: a view where all items are numbers, slices, `ellipsis` or `null`, else a copy. */
export function readItems(x: Tensor, items: readonly IndexItem[]): Tensor {
  const { view, dims, indices } = locate(x, items);
  if (dims.length > 0) return apply(Index, { dims, accumulate: false }, [view, ...indices]);
  return view === x ? apply(Alias, undefined, [x]) : view;
}

/** Writes values over the elements that the items pick, or adds them. */
export function writeItems(
  self: Tensor,
  items: readonly IndexItem[],
  values: Tensor | Scalar,
  accumulate: boolean,
): Tensor {
  const located = locate(self, checkItems(items));
  const { view, dims, indices } = located;
  const from = valuesFor(located, values);
  if (dims.length > 0) writeInto(IndexPut, { dims, accumulate }, view, [from, ...indices]);
  else if (accumulate) view.add_(from);
  else view.copy_(from);
  return self;
}

/** The same in a copy of `x`. */
export function replaceItems(
  x: Tensor,
  items: readonly IndexItem[],
  values: Tensor | Scalar,
  accumulate: boolean,
): Tensor {
  const located = locate(x, checkItems(items));
  const { view, dims, indices } = located;
  if (view !== x || dims.length === 0) return writeItems(x.clone(), items, values, accumulate);
  return apply(IndexPut, { dims, accumulate }, [x, valuesFor(located, values), ...indices]);
}

function checkItems(items: readonly IndexItem[]): readonly IndexItem[] {
  if (Array.isArray(items)) return items;
  throw new AdjointError(
    'argument',
    `indexPut: the items go in an array, as in x.indexPut_([mask], 0); got ${show(items)}`,
  );
}

/** What is to be written, as a tensor of the right dtype and no more dimensions than the place has, without leading ones of size 1. */
function valuesFor({ view, dims, indices }: Located, values: Tensor | Scalar): Tensor {
  if (!(values instanceof Tensor)) {
    if (!['number', 'boolean', 'bigint'].includes(typeof values)) {
      throw new AdjointError('argument', `indexPut: values must be a Tensor or a number, got ${show(values)}`);
    }
    return filled([], values, view.dtype);
  }
  const rank = view.ndim - dims.length + Math.max(0, ...indices.map((index) => index.ndim));
  const excess = values.shape.findIndex((size, d) => size !== 1 || values.ndim - d <= rank);
  const own = excess > 0 ? values.reshape(values.shape.slice(excess)) : values;
  return own.to(view.dtype);
}
