/**
 * Elements of a tensor read and written by their indices along one dimension. What reads has the derivative that adds at the same places,
 * what adds has the one that reads there, and what overwrites drops the cotangent of the overwritten.
 */
import { alongBatch } from '../../autograd/batch-rules.ts';
import { apply, type Operand, type Primitive, primitive, vjp } from '../../autograd/primitive.ts';
import { filled } from '../../core/creation.ts';
import type { Scalar } from '../../core/dtype.ts';
import { named } from '../../core/named.ts';
import { broadcastShapes, checkDim, type Shape, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import type { Combination } from '../../kernels/gather.ts';
import { collect, deposit } from '../launch/gather.ts';
import { where } from '../pointwise/where.ts';
import { slice } from '../view/part.ts';
import { checkValues, intoZeros, type Overwriting, overwriter, overwriting, shaped, spread } from './overwriting.ts';
import { along, checkIndex, ranked, slices } from './places.ts';
import { indexReduction, type Reduction, scatterReduction } from './scatter-reduction.ts';
import { bySlices, fromFront } from './slices-of-batches.ts';

// ---- along one dimension, each element its own index

const Gather: Primitive<number> = primitive<number>(
  'Gather',
  (dim, x, index) => {
    const out = Tensor.empty(index.shape, x.dtype);
    collect(x, along(x, dim, index), out);
    return out;
  },
  [vjp((g, { params: dim, shapes }, index) => intoZeros(ScatterAdd, dim, shapes[0], g.dtype, [index, g]), 1), null],
);
alongBatch(Gather, 1);
/**
 * out[i][j][k] = x[index[i][j][k]][j][k] for dim = 0, and so on (torch.gather). `index` has as many dimensions as `x` and is nowhere
 * larger but along `dim`; it may be of any integer dtype.
 * @throws if an index is negative or not below the size of `dim`
 */
export const gather = named('gather', ['dim', 'index'], (x: Tensor, dim: number, index: Tensor) => {
  const d = checkAlong('gather', x, dim, index);
  return apply(Gather, d, [x, index]);
});

/** Checks the index tensor of an operator along one dimension, and that dimension. */
function checkAlong(call: string, x: Tensor, dim: number, index: Tensor): number {
  checkIndex(call, index);
  const d = checkDim(dim, x.ndim);
  const [own, wanted] = [ranked(x.shape), ranked(index.shape)];
  if (index.numel() === 0) return d;
  if (own.length !== wanted.length) {
    throw new AdjointError(
      'shape',
      `${call}: Index tensor must have the same number of dimensions as input tensor, got ${showShape(index.shape)} for ${showShape(x.shape)}`,
    );
  }
  const wrong = wanted.findIndex((size, k) => k !== d && size > own[k]);
  if (wrong >= 0) {
    throw new AdjointError(
      'shape',
      `${call}: Size does not match at dimension ${wrong} expected index ${showShape(index.shape)} to be no larger than self ` +
        `${showShape(x.shape)} apart from dimension ${d}`,
    );
  }
  return d;
}

/** The same where elements of `src` are written: gives the part of it that there are indices for. */
function checkScatter(
  call: string,
  x: Tensor,
  dim: number,
  index: Tensor,
  src: Tensor,
): [dim: number, index: Tensor, src: Tensor] {
  const d = checkAlong(call, x, dim, index);
  checkValues(call, x, 'src', src);
  const [own, wanted] = [ranked(src.shape), ranked(index.shape)];
  if (index.numel() === 0) return [d, index, src.reshape(-1).narrow(0, 0, 0)];
  if (own.length !== wanted.length || wanted.some((size, k) => size > own[k])) {
    throw new AdjointError(
      'shape',
      `${call}: Expected index ${showShape(index.shape)} to be no larger size than src ${showShape(src.shape)}`,
    );
  }
  const part = wanted.reduce((s, size, k) => (size === own[k] ? s : slice(s, k, 0, size)), shaped(src, own));
  return [d, index, part];
}

const scattered =
  (how: Combination) =>
  (dim: number, self: Tensor, index: Tensor, src: Operand): void =>
    deposit(self, along(self, dim, index), spread(src, index.shape, self.dtype), how);
const gathered = vjp<number>((g, { params: dim, shapes }, index) => shaped(gather(g, dim, index), shapes[2]), 1);

const setting = (name: string): Overwriting<number> =>
  overwriting<number>(name, scattered('set'), [
    vjp((g, { params: dim }, index) => scatter(g, dim, index, 0), 1),
    null,
    gathered,
  ]);
const Scatter = setting('Scatter');
const ScatterNumber = setting('ScatterBackward1');
for (const operator of [Scatter, ScatterNumber]) alongBatch(operator);
const ScatterAdd: Overwriting<number> = overwriting<number>('ScatterAdd', scattered('add'), [
  vjp((g) => g),
  null,
  gathered,
]);
alongBatch(ScatterAdd);

/**
 * A copy of `x` with self[index[i][j][k]][j][k] = src[i][j][k] for dim = 0, and so on, or a number at all these places (torch.scatter).
 * With `reduce` 'add' or 'multiply' the values are combined with what is there. `index` is nowhere larger than `src`, nor than `x` but
 * along `dim`. Where several values go to one place the last one counts; each gets the cotangent of the place.
 * @throws if an index is negative or not below the size of `dim`, or if the dtypes differ
 */
export const scatter = overwriter(
  'scatter',
  ['dim', 'index', 'src', 'reduce'],
  (x, dim: number, index: Tensor, src: Tensor | Scalar, reduce: 'add' | 'multiply' | null = null) => {
    if (reduce !== null && reduce !== 'add' && reduce !== 'multiply') {
      throw new AdjointError('argument', `scatter: reduce must be 'add' or 'multiply', got ${show(reduce)}`);
    }
    const combining = reduce === null ? null : reduce === 'add' ? ScatterAdd : scatterReduction('prod', true);
    if (src instanceof Tensor) return [combining ?? Scatter, ...checkScatter('scatter', x, dim, index, src)];
    const d = checkAlong('scatter', x, dim, index);
    return combining
      ? [combining, d, index, filled(index.shape, src, x.dtype)]
      : [ScatterNumber, d, index, Number(src)];
  },
);

/**
 * A copy of `x` with self[index[i][j][k]][j][k] += src[i][j][k] for dim = 0, and so on (torch.scatter_add).
 * @throws as `scatter` does
 */
export const scatterAdd = overwriter(
  'scatterAdd',
  ['dim', 'index', 'src'],
  (x, dim: number, index: Tensor, src: Tensor) => [ScatterAdd, ...checkScatter('scatterAdd', x, dim, index, src)],
);

/**
 * The elements of `x` whose indices along `dim` are in `indices`, which broadcasts with `x` along the other dimensions; without `dim`,
 * of both flattened (torch.take_along_dim). `indices` is what `argsort` or `argmax` with `keepdim` give; negative ones count from the end.
 * @throws if an index is out of bounds
 */
export const takeAlongDim = named(
  'takeAlongDim',
  ['indices', 'dim'],
  (x: Tensor, indices: Tensor, dim?: number | null): Tensor => {
    checkIndex('takeAlongDim', indices);
    if (dim === undefined || dim === null) return takeAlongDim(x.reshape(-1), indices.reshape(-1), 0);
    if (x.ndim !== indices.ndim) {
      throw new AdjointError(
        'shape',
        `takeAlongDim: input and indices should have the same number of dimensions, but got ${x.ndim} dimensions for input, ` +
          `and ${indices.ndim} dimensions for indices`,
      );
    }
    const d = checkDim(dim, x.ndim);
    const except = (shape: Shape): number[] => shape.map((size, k) => (k === d ? 1 : size));
    const common = broadcastShapes(except(x.shape), except(indices.shape));
    const across = (t: Tensor): Tensor => t.expand(common.map((size, k) => (k === d ? t.shape[k] : size)));
    const wide = indices.to('int64');
    return gather(across(x), d, across(where(wide.lt(0), wide.add(x.shape[d] ?? 1), wide)));
  },
);

// ---- along one dimension, one index for all that lies across it

/** Checks a vector of indices for one dimension, and that dimension. */
function checkVector(call: string, x: Tensor, dim: number, index: Tensor): number {
  checkIndex(call, index);
  if (index.ndim > 1) {
    throw new AdjointError(
      'shape',
      `${call}(): Index is supposed to be a vector, but got shape ${showShape(index.shape)}`,
    );
  }
  return checkDim(dim, x.ndim);
}

/** The same where `source` is written: it has one slice for each index. */
function checkSlices(
  call: string,
  x: Tensor,
  dim: number,
  index: Tensor,
  source: Tensor,
): [dim: number, index: Tensor, source: Tensor] {
  const d = checkVector(call, x, dim, index);
  checkValues(call, x, 'source', source);
  const [own, theirs] = [ranked(x.shape), ranked(source.shape)];
  if (theirs[d] !== index.numel()) {
    throw new AdjointError(
      'shape',
      `${call}(): Number of indices (${index.numel()}) should be equal to source.size(dim): (${theirs[d]}), for dim: ${d}`,
    );
  }
  if (own.length !== theirs.length || own.some((size, k) => k !== d && size !== theirs[k])) {
    throw new AdjointError(
      'shape',
      `${call}(): source tensor shape must match self tensor shape, excluding the specified dimension. ` +
        `Got self.shape = ${showShape(x.shape)} source.shape = ${showShape(source.shape)}`,
    );
  }
  return [d, index, source];
}

const IndexSelect: Primitive<number> = primitive<number>(
  'IndexSelect',
  (dim, x, index) => {
    const out = Tensor.empty(x.ndim === 0 ? [] : x.shape.with(dim, index.numel()), x.dtype);
    collect(x, slices(x, dim, index), out);
    return out;
  },
  [
    vjp(
      (g, { params: dim, shapes }, index) => intoZeros(IndexAdd, { dim, alpha: 1 }, shapes[0], g.dtype, [index, g]),
      1,
    ),
    null,
  ],
);
bySlices(IndexSelect, (dim, _, x, index) => gather(x, dim, index));
/**
 * The slices of `x` across `dim` whose indices are in the vector `index`, of any integer dtype (torch.index_select).
 * @throws if an index is negative or not below the size of `dim`
 */
export const indexSelect = named('indexSelect', ['dim', 'index'], (x: Tensor, dim: number, index: Tensor) => {
  const d = checkVector('indexSelect', x, dim, index);
  if (x.ndim === 0 && index.numel() !== 1) {
    throw new AdjointError(
      'shape',
      `indexSelect(): Index to scalar can have only 1 value, got ${index.numel()} value(s)`,
    );
  }
  return apply(IndexSelect, d, [x, index]);
});

const IndexAdd: Overwriting<{ dim: number; alpha: number }> = overwriting(
  'IndexAdd',
  ({ dim, alpha }, self, index, source) =>
    deposit(self, slices(self, dim, index), alpha === 1 ? source : source.mul(alpha), 'add'),
  [
    vjp((g) => g),
    null,
    vjp((g, { params: { dim, alpha }, shapes }, index) => {
      const own = shaped(indexSelect(g, dim, index), shapes[2]);
      return alpha === 1 ? own : own.mul(alpha);
    }, 1),
  ],
);
bySlices(IndexAdd, (dim, { alpha }, x, index, source) =>
  scatterAdd(x, dim, index, alpha === 1 ? source : source.mul(alpha)),
);
/**
 * A copy of `x` to whose slices across `dim` with the indices of the vector `index` those of `alpha * source` are added, as often as each
 * is named (torch.index_add).
 * @throws if an index is negative or not below the size of `dim`, if the shapes do not fit or the dtypes differ
 */
export const indexAdd = overwriter(
  'indexAdd',
  ['dim', 'index', 'source', 'alpha'],
  (x, dim: number, index: Tensor, source: Tensor, alpha: number = 1) => {
    const [d, ...others] = checkSlices('indexAdd', x, dim, index, source);
    return [IndexAdd, { dim: d, alpha }, ...others];
  },
);

const IndexCopy: Overwriting<number> = overwriting<number>(
  'IndexCopy',
  (dim, self, index, source) => deposit(self, slices(self, dim, index), source),
  [
    vjp((g, { params: dim }, index) => indexFill(g, dim, index, 0), 1),
    null,
    vjp((g, { params: dim, shapes }, index) => shaped(indexSelect(g, dim, index), shapes[2]), 1),
  ],
);
bySlices(IndexCopy, (dim, _, x, index, source) => scatter(x, dim, index, source));
/**
 * A copy of `x` whose slices across `dim` with the indices of the vector `index` are those of `source` (torch.index_copy). Of several for
 * one index the last one counts; each gets the cotangent of the place.
 * @throws as `indexAdd` does
 */
export const indexCopy = overwriter(
  'indexCopy',
  ['dim', 'index', 'source'],
  (x, dim: number, index: Tensor, source: Tensor) => [IndexCopy, ...checkSlices('indexCopy', x, dim, index, source)],
);

const filling = (name: string): Overwriting<number> =>
  overwriting<number>(
    name,
    (dim, self, index, value) => {
      const count = index.numel() * (self.numel() / (self.shape[dim] ?? 1));
      const places = slices(self, dim, index, true);
      deposit(self, places, spread(value, [count], self.dtype).to(self.dtype).expand(count));
    },
    [
      vjp((g, { params: dim }, index) => indexFill(g, dim, index, 0), 1),
      null,
      vjp((g, { params: dim }, index) => {
        const others = indexFill(filled(g.shape, true, 'bool'), dim, index, false);
        return g.maskedFill(others, 0);
      }, 1),
    ],
  );
const IndexFill = filling('IndexFill');
const IndexFillTensor = filling('IndexFillBackward1');
for (const operator of [IndexFill, IndexFillTensor]) {
  bySlices(
    operator,
    (dim, _, x, index, value: Tensor | number) => {
      const own = typeof value === 'number' ? value : value.to(x.dtype);
      return scatter(x, dim, fromFront(index, x.shape[dim]), own);
    },
    true,
  );
}
/**
 * A copy of `x` whose slices across `dim` with the indices of the vector `index` are `value`, a number or a tensor without dimensions
 * (torch.index_fill). Negative indices count from the end.
 * @throws if an index is out of bounds
 */
export const indexFill = overwriter(
  'indexFill',
  ['dim', 'index', 'value'],
  (x, dim: number, index: Tensor, value: Tensor | Scalar) => {
    const d = checkVector('indexFill', x, dim, index);
    if (!(value instanceof Tensor)) return [IndexFill, d, index, Number(value)];
    if (value.ndim === 0) return [IndexFillTensor, d, index, value];
    throw new AdjointError(
      'shape',
      `indexFill only supports a 0-dimensional value tensor, but got tensor with ${value.ndim} dimension(s).`,
    );
  },
);

// ---- reductions of what comes to one place

function checkReduction(call: string, reduction: Reduction, known: readonly Reduction[]): void {
  if (known.includes(reduction)) return;
  throw new AdjointError(
    'argument',
    `${call}: reduce argument must be either ${known.map(show).join(', ')}, got ${show(reduction)}`,
  );
}

/**
 * A copy of `x` in which each element is the sum, product, mean, greatest or least of those of `src` whose `index` names it, as in
 * `scatterAdd`, and with `includeSelf` of itself (torch.scatter_reduce). Elements that no index names stay as they are. Ties for the
 * greatest or least share the cotangent equally.
 * @throws as `scatter` does; in a second derivative of 'prod' where several zeros come to one place
 */
export const scatterReduce = overwriter(
  'scatterReduce',
  ['dim', 'index', 'src', 'reduce', 'includeSelf'],
  (x, dim: number, index: Tensor, src: Tensor, reduce: Reduction, includeSelf: boolean = true) => {
    checkReduction('scatterReduce', reduce, ['sum', 'prod', 'mean', 'amax', 'amin']);
    return [scatterReduction(reduce, includeSelf), ...checkScatter('scatterReduce', x, dim, index, src)];
  },
);

/**
 * The same with whole slices of `source`, as in `indexAdd` (torch.Tensor.index_reduce).
 * @throws as `indexAdd` does; in a second derivative of 'prod' where several zeros come to one place
 */
export const indexReduce = overwriter(
  'indexReduce',
  ['dim', 'index', 'source', 'reduce', 'includeSelf'],
  (x, dim: number, index: Tensor, source: Tensor, reduce: Exclude<Reduction, 'sum'>, includeSelf: boolean = true) => {
    checkReduction('indexReduce', reduce, ['prod', 'mean', 'amax', 'amin']);
    return [indexReduction(reduce, includeSelf), ...checkSlices('indexReduce', x, dim, index, source)];
  },
);
