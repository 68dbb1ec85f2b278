/** Elements of a tensor read and written by index, mask or number: Python's `x[...]` and its relatives. */
import { composed, examplesOf } from '../../autograd/batch-rules.ts';
import { apply, type Primitive, primitive, run, vjp, withBatchRule } from '../../autograd/primitive.ts';
import { isBatch } from '../../autograd/vmap.ts';
import { arange, filled, fromElements } from '../../core/creation.ts';
import type { Scalar } from '../../core/dtype.ts';
import { named } from '../../core/named.ts';
import { checkOptions } from '../../core/options.ts';
import { broadcastShapes, numelOf, sameShape, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { collect, deposit } from '../launch/gather.ts';
import { where } from '../pointwise/where.ts';
import type { IndexItem } from './index-expression.ts';
import { readItems, replaceItems } from './items.ts';
import { checkValues, intoZeros, type Overwriting, overwriter, overwriting, shaped } from './overwriting.ts';
import { checkIndex, coordinates, numbered, numbersOfTrue, type Places, ranked } from './places.ts';
import { fromFront } from './slices-of-batches.ts';

// ---- x[...]

/**
 * The elements that Python's `x[item, item, ...]` picks: `x.index(0, slice(1, 3))`, `x.index(ellipsis, null)`, `x.index(x.gt(0))`,
 * `x.index([0, 2], [1, 1])`.
 *
 * Numbers, slices, `ellipsis` and `null` give views. Tensors and arrays of indices, of any integer dtype and counting from the end where
 * negative, are broadcast together and give a copy; bool tensors and arrays stand for the indices of their true elements. The
 * dimensions of the indices take the place of those that they index where these are adjacent, and come first where they are not.
 * @throws if an index is out of bounds, if there are more than the tensor has dimensions, or if their shapes do not fit
 */
export const index = (x: Tensor, ...items: IndexItem[]): Tensor => readItems(x, items);

/**
 * A copy of `x` in which the elements that `x.index(...indices)` picks are `values`, broadcast and cast, or with `accumulate` have
 * `values` added, as often as they are picked (torch.index_put). Where several values are put at one place the last one counts; each gets
 * the cotangent of the place.
 * @throws as `index` does, or if the values do not broadcast to what is picked
 */
export const indexPut = named(
  'indexPut',
  ['indices', 'values', 'accumulate'],
  (x: Tensor, indices: readonly IndexItem[], values: Tensor | Scalar, accumulate: boolean = false) =>
    replaceItems(x, indices, values, accumulate),
);

// ---- elements by their number in row-major order

/** All elements of each example in one dimension. */
const rows = (x: Tensor): Tensor => x.reshape([x.shape[0], numelOf(x.shape.slice(1))]);

/** The places of elements that are given as row-major numbers. */
const placesOfTrue = (x: Tensor, numbers: Int32Array): Places =>
  numbered(x, fromElements(numbers, [numbers.length], 'int32'));

const Take: Primitive = primitive(
  'Take',
  (_, x, index) => {
    const out = Tensor.empty(index.shape, x.dtype);
    collect(x, numbered(x, index), out);
    return out;
  },
  [vjp((g, { shapes }, index) => intoZeros(Put, true, shapes[0], g.dtype, [index, g]), 1), null],
);
withBatchRule(Take, (_, inputs, batched) => {
  if (!batched[0]) return run(Take, undefined, inputs);
  const [x, index] = examplesOf(inputs, batched) as Tensor[];
  const [lines, places] = [rows(x), rows(index)];
  return lines.gather(1, fromFront(places, lines.shape[1])).reshape(index.shape);
});
/**
 * The elements of `x`, as if it had one dimension, whose indices are in `index`, in the shape of that (torch.take). Negative ones count
 * from the end.
 * @throws if an index is out of bounds
 */
export const take = named('take', ['index'], (x: Tensor, index: Tensor) => {
  checkIndex('take', index);
  return apply(Take, undefined, [x, index]);
});

const Put: Overwriting<boolean> = overwriting<boolean>(
  'Put',
  (accumulate, self, index, source) => deposit(self, numbered(self, index), source, accumulate ? 'add' : 'set'),
  (k, accumulate) => {
    if (k === 2) return vjp((g, { shapes }, index) => shaped(take(g, index), shapes[2]), 1);
    if (k === 1) return null;
    if (accumulate) return vjp((g) => g);
    return vjp((g, _, index) => put(g, index, filled(index.shape, 0, g.dtype)), 1);
  },
);
withBatchRule(Put, (accumulate, inputs, batched) => {
  const examples = examplesOf(inputs, batched) as Tensor[];
  const [lines, index, source] = examples.map(rows);
  const places = fromFront(index, lines.shape[1]);
  const out = accumulate ? lines.scatterAdd(1, places, source) : lines.scatter(1, places, source);
  return out.reshape(examples[0].shape);
});
/**
 * A copy of `x` in which the elements that `take(x, index)` gives are those of `source`, or with `accumulate` have them added
 * (torch.Tensor.put). `source` has as many elements as `index`. Of several for one place the last one counts; each gets the cotangent of
 * the place.
 * @throws if an index is out of bounds, or if the dtypes differ
 */
export const put = overwriter(
  'put',
  ['index', 'source', 'accumulate'],
  (x, index: Tensor, source: Tensor, accumulate: boolean = false) => {
    checkIndex('put', index);
    checkValues('put', x, 'source', source);
    if (source.numel() !== index.numel()) {
      throw new AdjointError(
        'shape',
        'put: Expected source and index to have the same number of elements, ' +
          `but got source.numel() = ${source.numel()}, index.numel() = ${index.numel()}`,
      );
    }
    return [Put, accumulate, index, source];
  },
);

// ---- elements by a mask

function checkMask(call: string, mask: unknown): void {
  if (mask instanceof Tensor && mask.dtype === 'bool') return;
  const got = mask instanceof Tensor ? `a Tensor of ${mask.dtype}` : show(mask);
  throw new AdjointError('dtype', `${call}: expected a bool tensor as mask, got ${got}`);
}

const MaskedSelect: Primitive = primitive(
  'MaskedSelect',
  (_, x, mask) => {
    const numbers = numbersOfTrue(mask);
    const out = Tensor.empty([numbers.length], x.dtype);
    collect(x, placesOfTrue(x, numbers), out);
    return out;
  },
  [vjp((g, { shapes }, mask) => intoZeros(MaskedScatter, undefined, shapes[0], g.dtype, [mask, g]), 1), null],
);
withBatchRule(MaskedSelect, (_, [x, mask], [, differs]) => {
  if (differs) {
    throw new AdjointError(
      'unsupported',
      'vmap: Attempted to vmap over `mask` in maskedSelect(x, mask). We cannot support this because for each example this would return ' +
        'a differently shaped Tensor. Use where(mask, x, other) instead',
    );
  }
  const numbers = numbersOfTrue(mask as Tensor);
  return rows(x as Tensor).indexSelect(1, fromElements(numbers, [numbers.length], 'int32'));
});
/**
 * The elements of `x` where `mask` is true, after both were broadcast together, in one dimension (torch.masked_select).
 * @throws if the mask is not of dtype bool
 */
export const maskedSelect = named('maskedSelect', ['mask'], (x: Tensor, mask: Tensor) => {
  checkMask('maskedSelect', mask);
  const shape = broadcastShapes(x.shape, mask.shape);
  return apply(MaskedSelect, undefined, [x.expand(shape), mask.expand(shape)]);
});

const MaskedScatter: Overwriting<undefined> = overwriting<undefined>(
  'MaskedScatter',
  (_, self, mask, source) => {
    if (!sameShape(self.shape, mask.shape)) {
      throw new AdjointError(
        'shape',
        `maskedScatter_: mask of shape ${showShape(mask.shape)} cannot be broadcast to ${showShape(self.shape)}`,
      );
    }
    const numbers = numbersOfTrue(mask);
    if (numbers.length > source.numel()) {
      throw new AdjointError(
        'shape',
        `maskedScatter: Number of elements of source < number of ones in mask: ${source.numel()} < ${numbers.length}`,
      );
    }
    deposit(self, placesOfTrue(self, numbers), source);
  },
  [
    vjp((g, _, mask) => g.maskedFill(mask, 0), 1),
    null,
    vjp((g, { shapes }, mask) => {
      if (mask._lift) {
        const rest = g.maskedFill(mask.logicalNot(), 0);
        return intoZeros(Put, true, shapes[2], g.dtype, [numbersInMask(mask), rest]);
      }
      const used = maskedSelect(g, mask);
      return intoZeros(Put, false, shapes[2], g.dtype, [arange(used.numel()), used]);
    }, 1),
  ],
  (x, mask) => x.expand(mask.shape).clone(),
);
composed(MaskedScatter, (_, x, mask, source) => {
  return source.numel() === 0 ? x.expand(mask.shape) : where(mask, source.take(numbersInMask(mask)), x);
});
/** The number of each true element among them. */
const numbersInMask = (mask: Tensor): Tensor => mask.reshape(-1).cumsum(0).sub(1).clampMin(0).reshape(mask.shape);

/**
 * A copy of `x`, broadcast with `mask`, in which the elements where `mask` is true are those of `source` in row-major order, of which
 * there may be more than it takes (torch.Tensor.masked_scatter).
 * @throws if there are fewer, if the mask is not of dtype bool, or if the dtypes differ
 */
export const maskedScatter = overwriter('maskedScatter', ['mask', 'source'], (x, mask: Tensor, source: Tensor) => {
  checkMask('maskedScatter', mask);
  checkValues('maskedScatter', x, 'source', source);
  return [MaskedScatter, undefined, mask.expand(broadcastShapes(x.shape, mask.shape)), source];
});

// ---- the indices themselves

/**
 * The indices of the elements that are not 0, in row-major order: an int64 tensor of one row for each and one column for each dimension;
 * with `asTuple` an array of the columns, with which `x.index(...)` picks these elements (torch.nonzero).
 */
export function nonzero(x: Tensor): Tensor;
export function nonzero(x: Tensor, options: { asTuple: true } | true): Tensor[];
export function nonzero(x: Tensor, options?: { asTuple?: boolean } | boolean): Tensor | Tensor[];
export function nonzero(x: Tensor, options: { asTuple?: boolean } | boolean = false): Tensor | Tensor[] {
  if (typeof options === 'object') checkOptions('nonzero', options, ['asTuple']);
  const asTuple = typeof options === 'object' ? (options.asTuple ?? false) : options;
  if (isBatch(x)) {
    throw new AdjointError(
      'unsupported',
      'vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over nonzero. ' +
        'Use where(condition, x, other) instead',
    );
  }
  const numbers = numbersOfTrue(x);
  const columns = coordinates(asTuple ? ranked(x.shape) : x.shape, numbers);
  if (asTuple) return columns.map((column) => fromElements(column, [column.length], 'int32').to('int64'));
  const rows = new Int32Array(numbers.length * x.ndim);
  columns.forEach((column, d) => {
    for (let i = 0; i < column.length; i++) rows[i * x.ndim + d] = column[i];
  });
  return fromElements(rows, [numbers.length, x.ndim], 'int32').to('int64');
}

declare module '../../core/tensor.ts' {
  interface Tensor {
    /** The indices of the elements that are not 0 (torch.nonzero). */
    nonzero(): Tensor;
    nonzero(options: { asTuple: true } | true): Tensor[];
  }
}
