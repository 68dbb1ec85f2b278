/** Medians, quantiles and modes: elements at a place in the order of all, in which NaN comes last. */
import { alongBatch } from '../../autograd/batch-rules.ts';
import { everywhere } from '../../autograd/everywhere.ts';
import {
  apply,
  applySeveral,
  type Primitive,
  primitive,
  primitiveOfSeveral,
  result,
  vjp,
} from '../../autograd/primitive.ts';
import { full, onesLike } from '../../core/creation.ts';
import { isFloatingPoint } from '../../core/dtype.ts';
import { named } from '../../core/named.ts';
import { checkDim, checkDims } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { sort } from '../indexing/sorting.ts';
import { lerp } from '../pointwise/pointwise.ts';
import { type Along, checkFloating, checkSome, type ValuesAndIndices } from './along.ts';
import { recurrence } from './recurrence.ts';
import { toEqualOrNan, toPosition } from './ties.ts';

/** The number of elements along `dim` that are not NaN, with this dimension as 1. */
const numbersAlong = (x: Tensor, dim: number): Tensor => x.detach().isnan().logicalNot().sum(dim, true);

/** The element in the middle along `dim`, and where it stands; with an even number, the lower of the two. */
function middle(x: Tensor, dim: number, ignoresNan: boolean): [Tensor, Tensor] {
  if (x.ndim === 0) return [x.clone(), full([], 0, { dtype: 'int64' })];
  const ordered = sort(x, dim);
  const n = x.shape[dim];
  const numbers = numbersAlong(x, dim);
  // the first NaN, if there is one, stands behind the numbers
  const place = ignoresNan
    ? numbers.sub(1).clampMin(0).floorDivide(2)
    : numbers.add(numbers.eq(n).mul(((n - 1) >> 1) - n));
  return [ordered.values.gather(dim, place), ordered.indices.gather(dim, place)];
}

const ofAll = (name: string, ignoresNan: boolean): Primitive<Along> =>
  alongBatch(
    primitive<Along>(
      name,
      ({ dims }, x) => {
        // all but the dimension of a batch
        const batch = x.shape.slice(0, x.ndim - dims.length);
        return middle(x.reshape([...batch, -1]), batch.length, ignoresNan)[0].reshape(batch);
      },
      [vjp(toEqualOrNan, 0, result)],
    ),
  );

const ofDim = (name: string, choose: (x: Tensor, dim: number) => [Tensor, Tensor]): Primitive<Along> =>
  alongBatch(
    primitiveOfSeveral<Along>(
      name,
      ({ dims: [dim = 0], keepdim }, x) => {
        const found = choose(x, dim);
        return keepdim || x.ndim === 0 ? found : found.map((t) => t.squeeze(dim));
      },
      [vjp(([g], node, indices) => toPosition(g, node, indices), result - 1)],
    ),
  );

function valuesAndIndices(
  call: string,
  operator: Primitive<Along>,
  x: Tensor,
  dim: number,
  keepdim: boolean,
): ValuesAndIndices {
  const dims = [checkDim(dim, x.ndim)].slice(0, x.ndim);
  checkSome(call, x, dim, dims);
  const [values, indices] = applySeveral(operator, { dims, keepdim }, [x]);
  return { values, indices };
}

/** The two forms of `median` and `nanmedian`. */
export interface MedianForms {
  /** The median of all elements; the gradient is shared equally among equals. */
  (x: Tensor): Tensor;
  /** The median along one dimension and where it stands, to which the gradient goes. */
  (x: Tensor, dim: number, keepdim?: boolean | { keepdim?: boolean }): ValuesAndIndices;
  (x: Tensor, options: { dim: number; keepdim?: boolean }): ValuesAndIndices;
}

function medianForms(call: string, all: Primitive<Along>, along: Primitive<Along>): MedianForms {
  const alongDim = named(call, ['dim', 'keepdim'], (x: Tensor, dim: number, keepdim: boolean = false) =>
    valuesAndIndices(call, along, x, dim, keepdim),
  );
  const forms = (x: Tensor, ...args: readonly unknown[]): Tensor | ValuesAndIndices => {
    if (x.dtype === 'bool')
      throw new AdjointError('dtype', `${call}: not implemented for bool; convert with to('uint8')`);
    if (args.length > 0) return alongDim(x, ...(args as [dim: number, keepdim?: boolean]));
    if (x.numel() === 0) {
      if (!isFloatingPoint(x.dtype))
        throw new AdjointError('shape', `${call}(): integers without elements have no median`);
      return x.mean();
    }
    return apply(all, { dims: checkDims(null, x.ndim), keepdim: false }, [x]);
  };
  return forms as MedianForms;
}

/**
 * The median of all elements, `median(x)`, or along a dimension with its position, `median(x, dim, keepdim)`, which gives
 * `{ values, indices }` (torch.median). Of an even number of elements it is the lower of the two in the middle; it is NaN if any element is.
 * @throws if the dtype is bool, or if there is no element along the dimension
 */
export const median = medianForms(
  'median',
  ofAll('Median', false),
  ofDim('MedianBackward1', (x, dim) => middle(x, dim, false)),
);
/** The median of the elements that are not NaN; otherwise as `median` (torch.nanmedian). */
export const nanmedian = medianForms(
  'nanmedian',
  ofAll('Nanmedian', true),
  ofDim('NanmedianBackward1', (x, dim) => middle(x, dim, true)),
);

/** What to take where a quantile falls between two elements. */
export type Interpolation = 'linear' | 'lower' | 'higher' | 'midpoint' | 'nearest';
const interpolations: readonly string[] = ['linear', 'lower', 'higher', 'midpoint', 'nearest'];

const quantiles = (call: string, ignoresNan: boolean) =>
  named(
    call,
    ['q', 'dim', 'keepdim', 'interpolation'],
    (
      x: Tensor,
      q: number | Tensor,
      dim: number | null = null,
      keepdim: boolean = false,
      interpolation: Interpolation = 'linear',
    ): Tensor => {
      checkFloating(call, x.dtype);
      if (!interpolations.includes(interpolation))
        throw new AdjointError(
          'argument',
          `${call}: interpolation must be one of ${interpolations.map(show).join(', ')}, got ${show(interpolation)}`,
        );
      const wanted = probabilities(call, x, q);
      const along = checkDim(dim ?? 0, dim === null ? 1 : x.ndim);
      const lines = dim === null || x.ndim === 0 ? x.reshape(-1) : x;
      if (x.numel() === 0) throw new AdjointError('shape', `${call}() input tensor must be non-empty`);
      const ordered = sort(lines.movedim(along, -1), -1).values;
      const n = ordered.size(-1);
      const numbers = numbersAlong(ordered, -1);
      // where the quantiles stand in the order; among NaN, to give that, if there is one
      const ranks = ignoresNan
        ? wanted.mul(numbers.sub(1).clampMin(0).to(x.dtype))
        : wanted.mul(n - 1).maskedFill(numbers.lt(n), n - 1);
      const between = pick(ordered, ranks, interpolation);
      const shape =
        dim === null || x.ndim === 0
          ? keepdim
            ? x.shape.map(() => 1)
            : []
          : lines.shape.toSpliced(along, 1, ...(keepdim ? [1] : []));
      const several = typeof q !== 'number' && q.ndim > 0;
      return between.movedim(-1, 0).reshape(several ? [between.size(-1), ...shape] : shape);
    },
  );

/** The probabilities as a vector of the dtype of `x`. */
function probabilities(call: string, x: Tensor, q: number | Tensor): Tensor {
  if (q instanceof Tensor) {
    if (q.ndim > 1)
      throw new AdjointError('shape', `${call}() q must be a scalar or 1D tensor, got ${q.ndim} dimensions`);
    if (q.dtype !== x.dtype)
      throw new AdjointError(
        'dtype',
        `${call}() q tensor must be same dtype as the input tensor: got ${q.dtype} for ${x.dtype}`,
      );
  }
  const vector = q instanceof Tensor ? q.reshape(-1) : full([1], q, { dtype: x.dtype });
  if (!everywhere(vector.ge(0).logicalAnd(vector.le(1))))
    throw new AdjointError(
      'argument',
      `${call}() q values must be in the range [0, 1], got ${q instanceof Tensor ? q : show(q)}`,
    );
  return vector;
}

/** The values at `ranks` of the last dimension, interpolated. */
function pick(ordered: Tensor, ranks: Tensor, interpolation: Interpolation): Tensor {
  const at = (places: Tensor): Tensor => {
    const indices = places.detach().long();
    const shape = [...ordered.shape.slice(0, -1), indices.size(-1)];
    return ordered.gather(-1, indices.expand(shape));
  };
  if (interpolation === 'lower') return at(ranks.floor());
  if (interpolation === 'higher') return at(ranks.ceil());
  if (interpolation === 'nearest') return at(ranks.round());
  const below = ranks.detach().floor();
  const weights = interpolation === 'midpoint' ? full([], 0.5, { dtype: ordered.dtype }) : ranks.sub(below);
  return lerp(at(below), at(ranks.ceil()), weights);
}

/**
 * The `q`-quantiles, for a number or a vector of them between 0 and 1, of all elements or along `dim`; NaN where any element is
 * (torch.quantile). Quantiles for a vector come first among the dimensions. Between two elements it is by default their linear
 * interpolation.
 * @throws if the dtype is not floating, if a q lies outside of [0, 1], or if there are no elements
 */
export const quantile = quantiles('quantile', false);
/** The quantiles of the elements that are not NaN; otherwise as `quantile` (torch.nanquantile). */
export const nanquantile = quantiles('nanquantile', true);

/** The value along `dim` that is most frequent, the least of several, and the last of the places where it stands. */
function mostFrequent(x: Tensor, dim: number): [Tensor, Tensor] {
  if (x.ndim === 0) return [x.clone(), full([], 0, { dtype: 'int64' })];
  const { values, indices } = sort(x, dim, false, true);
  const n = x.shape[dim];
  const isRepeated = full(x.shape, 0, { dtype: 'float64' });
  isRepeated.narrow(dim, 1, n - 1).copy_(values.narrow(dim, 1, n - 1).eq(values.narrow(dim, 0, n - 1)));
  const runs = recurrence(isRepeated, onesLike(isRepeated), { dim, reverse: false, after: false });
  const longest = runs.argmax(dim, true);
  return [values.gather(dim, longest), indices.gather(dim, longest)];
}

const Mode = ofDim('Mode', mostFrequent);
/**
 * The most frequent value along `dim`, the least of several, and the position of its last occurrence (torch.mode). The gradient goes there.
 * @throws if there is no element along the dimension
 */
export const mode = named('mode', ['dim', 'keepdim'], (x: Tensor, dim: number = -1, keepdim: boolean = false) =>
  valuesAndIndices('mode', Mode, x, dim, keepdim),
);
