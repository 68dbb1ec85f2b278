/**
 * The in-place forms of what writes by index. Each takes the arguments of the function that it is named for, writes over its first
 * argument and returns it.
 *
 * @throws as the function does, before anything is written, or if the first argument is a leaf that requires grad while the graph is recorded
 */
import type { Scalar } from '../../core/dtype.ts';
import { named } from '../../core/named.ts';
import type { Tensor } from '../../core/tensor.ts';
import * as along from './gather-scatter.ts';
import type { IndexItem } from './index-expression.ts';
import * as indexing from './indexing.ts';
import { writeItems } from './items.ts';
import { inPlace } from './overwriting.ts';

export const scatter_ = inPlace(along.scatter);
export const scatterAdd_ = inPlace(along.scatterAdd);
export const scatterReduce_ = inPlace(along.scatterReduce);
export const indexAdd_ = inPlace(along.indexAdd);
export const indexCopy_ = inPlace(along.indexCopy);
export const indexFill_ = inPlace(along.indexFill);
export const indexReduce_ = inPlace(along.indexReduce);
export const put_ = inPlace(indexing.put);
export const maskedScatter_ = inPlace(indexing.maskedScatter);

/**
 * Writes `values`, broadcast and cast, over the elements that `x.index(...indices)` picks, or with `accumulate` adds them as often as they
 * are picked: Python's `x[...] = values` (torch.Tensor.index_put_).
 */
export const indexPut_ = named(
  'indexPut_',
  ['indices', 'values', 'accumulate'],
  (self: Tensor, indices: readonly IndexItem[], values: Tensor | Scalar, accumulate: boolean = false) =>
    writeItems(self, indices, values, accumulate),
);

/** The same, named for `index`. */
export const index_ = named(
  'index_',
  ['indices', 'values'],
  (self: Tensor, indices: readonly IndexItem[], values: Tensor | Scalar) => writeItems(self, indices, values, false),
);
