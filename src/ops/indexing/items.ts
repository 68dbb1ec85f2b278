/** What the items of `x.index(...)` pick, read and written. */
import { examplesOf } from '../../autograd/batch-rules.ts';
import { apply, type Primitive, primitive, type Vjp, vjp, withBatchRule } from '../../autograd/primitive.ts';
import { spreadLike } from '../../autograd/vmap.ts';
import { arange, filled } from '../../core/creation.ts';
import type { Scalar } from '../../core/dtype.ts';
import { broadcastShapes, type Shape, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { collect, deposit } from '../launch/gather.ts';
import { where } from '../pointwise/where.ts';
import { over } from '../view/part.ts';
import { type IndexItem, type Located, locate } from './index-expression.ts';
import { intoZeros, type Overwriting, overwriting, writeInto } from './overwriting.ts';
import { coverage, type Places, picked, type Span } from './places.ts';

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
          intoZeros(IndexPut, { spans, accumulate: true }, shape, g.dtype, [g, ...indices]),
        ),
  batch: (params, [x, ...indices], [differs, ...indicesDiffer]) => {
    const { way, spans, all } = pickedInBatch(params, x as Tensor, differs, indices as Tensor[], indicesDiffer);
    const out = apply(Index, { ...params, spans }, all);
    return out.movedim(...way);
  },
};

/**
 * How indices pick from a batch of examples: the tensor and the indices to do it with at once, and where the dimension of the batch, and those
 * of the indices, then are to go: `movedim(...way)`.
 */
function pickedInBatch(
  { spans }: Picked,
  x: Tensor,
  differs: boolean,
  indices: readonly Tensor[],
  indicesDiffer: readonly boolean[],
): { way: [from: number[], to: number[]]; spans: Span[]; all: Tensor[] } {
  const { position } = coverage(spans);
  const later = spans.map(({ dim, count }) => ({ dim: dim + 1, count }));
  const ranks = indices.map((index, k) => index.ndim - Number(indicesDiffer[k]));
  const rank = Math.max(...ranks);
  if (!indicesDiffer.includes(true)) {
    // the batch is a dimension that is not picked from
    return { way: [[coverage(later).position > 0 ? 0 : rank], [0]], spans: later, all: [x, ...indices] };
  }
  const aligned = indices.map((index, k) => {
    if (!indicesDiffer[k]) return index;
    const [size, ...shape] = index.shape;
    return index.reshape([size, ...new Array<number>(rank - ranks[k]).fill(1), ...shape]);
  });
  if (!differs) return { way: [[position], [0]], spans: [...spans], all: [x, ...aligned] };
  // the number of the example is one more index
  const [size] = x.shape;
  const numbers = arange(size).reshape([size, ...new Array<number>(rank).fill(1)]);
  const own = Array.from({ length: rank }, (_, k) => k + 1);
  return {
    way: [own, own.map((d) => d + position)],
    spans: [{ dim: 0, count: 1 }, ...later],
    all: [x, numbers, ...aligned],
  };
}

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

withBatchRule(IndexPut, (params, inputs, batched) => {
  const [x, values] = examplesOf(inputs, batched) as Tensor[];
  const indicesDiffer = batched.slice(2);
  const indices = inputs.slice(2) as Tensor[];
  const { way, spans, all } = pickedInBatch(params, x, true, indices, indicesDiffer);
  const { covered, position } = coverage(params.spans);
  const [size, ...example] = x.shape;
  const common = indices.map(({ shape }, k) => (indicesDiffer[k] ? shape.slice(1) : shape)).reduce(broadcastShapes);
  const shape = example.filter((_, d) => !covered.includes(d)).toSpliced(position, 0, ...common);
  const [, ...own] = values.shape;
  const aligned = values.reshape([size, ...new Array<number>(shape.length - own.length).fill(1), ...own]);
  const [from, to] = way;
  const written = aligned.expand([size, ...shape]).movedim(to, from);
  return apply(IndexPut, { ...params, spans }, [all[0], written, ...all.slice(1)]);
});

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
  const masked = replacedByMask(self, items, values, accumulate);
  if (masked) return self.copy_(masked);
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
  const masked = replacedByMask(x, items, values, accumulate);
  if (masked) return masked;
  const located = locate(x, checkItems(items));
  const { view, spans, indices } = located;
  if (view !== x || spans.length === 0) {
    const written = values instanceof Tensor ? [values, ...indices] : indices;
    return writeItems(spreadLike(x, written).clone(), items, values, accumulate);
  }
  return apply(IndexPut, { spans, accumulate }, [x, valuesFor(located, values), ...indices]);
}

/** The same for a mask that stands for more than its elements, which cannot be read: one value for all that it picks. */
function replacedByMask(
  x: Tensor,
  items: readonly IndexItem[],
  values: Tensor | Scalar,
  accumulate: boolean,
): Tensor | null {
  const [mask] = items;
  if (items.length !== 1 || !(mask instanceof Tensor) || mask.dtype !== 'bool' || !mask._lift) return null;
  if (values instanceof Tensor && values.numel() !== 1) return null;
  const value = values instanceof Tensor ? values.reshape([]).to(x.dtype) : filled([], values, x.dtype);
  const broadcast = mask.reshape([...mask.shape, ...new Array<number>(x.ndim - mask.ndim).fill(1)]);
  return where(broadcast, accumulate ? x.add(value) : value, x);
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
