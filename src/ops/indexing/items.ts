/** What the items of `x.index(...)` pick, read and written. */
import { apply, type Primitive, primitive, type Vjp, vjp } from '../../autograd/primitive.ts';
import { filled } from '../../core/creation.ts';
import type { Scalar } from '../../core/dtype.ts';
import { broadcastShapes, type Shape, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { collect, deposit } from '../launch/gather.ts';
import { over } from '../view/part.ts';
import { type IndexItem, type Located, locate } from './index-expression.ts';
import { type Overwriting, overwriting, writeInto } from './overwriting.ts';
import { type Places, picked, type Span } from './places.ts';

/** Index tensors for some dimensions of a tensor. */
interface Picked {
  /** What each is for, ascending. */
  readonly spans: readonly Span[];
  readonly accumulate: boolean;
}

/** The places that index tensors pick, and the shape of what is picked. */
function pickedPlaces(x: Tensor, { spans }: Picked, indices: readonly Tensor[]): { places: Places; shape: Shape } {
  const common = indices.map((index) => index.shape).reduce((a, b) => broadcastIndices(a, b, indices));
  return picked(x, spans, indices, common);
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
  spans: readonly Span[],
  rule: (g: Tensor, shape: Shape, indices: readonly Tensor[]) => Tensor,
): Vjp<Picked> => ({
  saves: spans.map((_, k) => first + k),
  rule: (g, { shapes }, ...indices) => rule(g, shapes[0], indices),
});

const Index: Primitive<Picked> = {
  name: 'Index',
  forward(params, ...inputs) {
    const [x, ...indices] = inputs as Tensor[];
    const { places, shape } = pickedPlaces(x, params, indices);
    const out = Tensor.empty(shape, x.dtype);
    collect(x, places, out);
    return out;
  },
  vjp: (k, { spans }) =>
    k > 0
      ? null
      : savingIndices(1, spans, (g, shape, indices) =>
          writeInto(IndexPut, { spans, accumulate: true }, filled(shape, 0, g.dtype), [g, ...indices]),
        ),
};

const IndexPut: Overwriting<Picked> = overwriting<Picked>(
  'IndexPut',
  (params, self, values, ...indices) => {
    const { places, shape } = pickedPlaces(self, params, indices);
    deposit(self, places, fitted(values, shape), params.accumulate ? 'add' : 'set');
  },
  (k, { spans, accumulate }) => {
    if (k === 1)
      return savingIndices(2, spans, (g, _, indices) => apply(Index, { spans, accumulate }, [g, ...indices]));
    if (k > 1) return null;
    if (accumulate) return vjp((g) => g);
    return savingIndices(2, spans, (g, _, indices) =>
      apply(IndexPut, { spans, accumulate }, [g, filled([], 0, g.dtype), ...indices]),
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
  const { view, spans, indices } = locate(x, items);
  if (spans.length > 0) return apply(Index, { spans, accumulate: false }, [view, ...indices]);
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
  const { view, spans, indices } = located;
  const from = valuesFor(located, values);
  if (spans.length > 0) writeInto(IndexPut, { spans, accumulate }, view, [from, ...indices]);
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
  const { view, spans, indices } = located;
  if (view !== x || spans.length === 0) return writeItems(x.clone(), items, values, accumulate);
  return apply(IndexPut, { spans, accumulate }, [x, valuesFor(located, values), ...indices]);
}

function checkItems(items: readonly IndexItem[]): readonly IndexItem[] {
  if (Array.isArray(items)) return items;
  throw new AdjointError(
    'argument',
    `indexPut: the items go in an array, as in x.indexPut_([mask], 0); got ${show(items)}`,
  );
}

/** What is to be written, as a tensor of the right dtype and no more dimensions than the place has, without leading ones of size 1. */
function valuesFor({ view, spans, indices }: Located, values: Tensor | Scalar): Tensor {
  if (!(values instanceof Tensor)) {
    if (!['number', 'boolean', 'bigint'].includes(typeof values)) {
      throw new AdjointError('argument', `indexPut: values must be a Tensor or a number, got ${show(values)}`);
    }
    return filled([], values, view.dtype);
  }
  const covered = spans.reduce((sum, { count }) => sum + count, 0);
  const rank = view.ndim - covered + Math.max(0, ...indices.map((index) => index.ndim));
  const excess = values.shape.findIndex((size, d) => size !== 1 || values.ndim - d <= rank);
  const own = excess > 0 ? values.reshape(values.shape.slice(excess)) : values;
  return own.to(view.dtype);
}
