/** Products of torch.linalg that are no methods. */

import { named } from '../../core/named.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { mul } from '../pointwise/pointwise.ts';
import { tensorOperand } from '../pointwise/pointwise-operator.ts';
import { sum } from '../reduction/reduction.ts';
import { reshape, unsqueeze } from '../view/view.ts';
import { mm } from './linalg.ts';
import { checkRank } from './product.ts';

/** The sum of x[..., i] other[..., i] along `dim`, other dimensions broadcast (torch.linalg.vecdot). */
export const vecdot = named('vecdot', ['other', 'dim'], (x: Tensor, other: Tensor, dim: number = -1) =>
  sum(mul(tensorOperand('vecdot', x), tensorOperand('vecdot', other)), dim),
);

/**
 * The product of several matrices, multiplied in the order that takes the fewest operations (torch.linalg.multi_dot). The first may be a vector,
 * taken as a row, and the last one, taken as a column: the result is then without that dimension.
 * @throws if there are fewer than two tensors, or their shapes do not fit
 */
export function multiDot(tensors: readonly Tensor[]): Tensor {
  if (!Array.isArray(tensors) || tensors.length < 2) {
    throw new AdjointError('argument', `multiDot(): expected at least 2 tensors, got ${show(tensors)}`);
  }
  const last = tensors.length - 1;
  const matrices = tensors.map((x, i) => {
    const vector = tensorOperand('multiDot', x).ndim === 1 && (i === 0 || i === last);
    const matrix = vector ? unsqueeze(x, i === 0 ? 0 : 1) : x;
    checkRank('multiDot', `tensor ${i}`, matrix, 2);
    return matrix;
  });
  const split = bestSplits([matrices[0].shape[0], ...matrices.map(({ shape }) => shape[1])]);
  const product = (from: number, to: number): Tensor => {
    if (from === to) return matrices[from];
    const middle = split[from][to];
    return mm(product(from, middle), product(middle + 1, to));
  };
  const shape = [...tensors[0].shape.slice(0, -1), ...tensors[last].shape.slice(1)];
  return reshape(product(0, last), shape);
}

/** Where to cut the product of matrices i to j, of sizes[i] by sizes[i + 1] and so on, so that the least is to be done. */
function bestSplits(sizes: readonly number[]): number[][] {
  const count = sizes.length - 1;
  const cost = Array.from({ length: count }, () => new Array<number>(count).fill(0));
  const split = Array.from({ length: count }, () => new Array<number>(count).fill(0));
  for (let length = 1; length < count; length++) {
    for (let i = 0; i + length < count; i++) {
      const j = i + length;
      cost[i][j] = Number.POSITIVE_INFINITY;
      for (let middle = i; middle < j; middle++) {
        const own = cost[i][middle] + cost[middle + 1][j] + sizes[i] * sizes[middle + 1] * sizes[j + 1];
        if (own < cost[i][j]) {
          cost[i][j] = own;
          split[i][j] = middle;
        }
      }
    }
  }
  return split;
}
