/**
 * Elements in order. All orders are stable, take NaN for greater than every number, and carry the cotangent of each result back to the
 * element that it was.
 */

import { alongBatch } from '../../autograd/batch-rules.ts';
import type { Gradients } from '../../autograd/node.ts';
import { applySeveral, type Primitive, primitiveOfSeveral, result, vjp } from '../../autograd/primitive.ts';
import { filled, fromElements } from '../../core/creation.ts';
import { named } from '../../core/named.ts';
import { checkDim } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { keysOf, smallest } from '../../kernels/sort.ts';
import type { ValuesAndIndices } from '../reduction/along.ts';

interface Selection {
  readonly dim: number;
  readonly descending: boolean;
  /** Which of the elements in order are wanted. */
  readonly from: number;
  readonly to: number;
  /** Whether the dimension goes. */
  readonly drop: boolean;
}

/** The indices along `dim` of the elements in order, from number `from` below `to`. */
function orderedIndices(x: Tensor, { dim, descending, from, to }: Selection): Tensor {
  if (x.ndim === 0) return filled([], 0, 'int64');
  const length = x.shape[dim];
  const rows = x.transpose(dim, -1);
  const keys = keysOf(rows.toTypedArray(), x.dtype, descending);
  const width = to - from;
  const count = length === 0 ? 0 : x.numel() / length;
  const indices = new Int32Array(count * width);
  const foremost = new Int32Array(to);
  for (let row = 0; row < count; row++) {
    smallest(keys, row * length, length, foremost);
    indices.set(foremost.subarray(from), row * width);
  }
  const shape = rows.shape.with(-1, width);
  return fromElements(indices, shape, 'int32').to('int64').transpose(dim, -1).contiguous();
}

const ordering = (name: string): Primitive<Selection> =>
  alongBatch(
    primitiveOfSeveral<Selection>(
      name,
      (selection, x) => {
        const { dim, drop } = selection;
        const indices = orderedIndices(x, selection);
        const results = [x.gather(dim, indices), indices];
        return drop && x.ndim > 0 ? results.map((r) => r.squeeze(dim)) : results;
      },
      [
        vjp<Selection, Gradients>(([g], { params: { dim, drop }, shapes }, indices) => {
          if (!g) return null;
          const [own, at] = drop && shapes[0].length > 0 ? [g.unsqueeze(dim), indices.unsqueeze(dim)] : [g, indices];
          return filled(shapes[0], 0, g.dtype).scatterAdd(dim, at, own);
        }, result - 1),
      ],
    ),
  );

function applyOrdering(operator: Primitive<Selection>, selection: Selection, x: Tensor): ValuesAndIndices {
  const [values, indices] = applySeveral(operator, selection, [x]);
  return { values, indices };
}

const lengthOf = (x: Tensor, dim: number): number => x.shape[dim] ?? 1;

function checkNumber(call: string, k: number, least: number, x: Tensor, dim: number): void {
  if (Number.isInteger(k) && k >= least && k <= lengthOf(x, dim)) return;
  throw new AdjointError(
    'index',
    `${call}(): selected number k out of range for dimension ${dim}: expected a whole number from ${least} to ${lengthOf(x, dim)}, got ${show(k)}`,
  );
}

const Sort = ordering('Sort');
const StableSort = ordering('SortBackward1');
/**
 * The elements along `dim` (the last one) in ascending order, or `descending`, and their indices (torch.sort). Equal ones stay in order,
 * whether `stable` or not.
 */
export const sort = named(
  'sort',
  ['dim', 'descending', 'stable'],
  (x: Tensor, dim: number = -1, descending: boolean = false, stable?: boolean): ValuesAndIndices => {
    const d = checkDim(dim, x.ndim);
    return applyOrdering(
      stable === undefined ? Sort : StableSort,
      { dim: d, descending, from: 0, to: lengthOf(x, d), drop: false },
      x,
    );
  },
);

/** The indices that sort `x` along `dim`, as int64 (torch.argsort): `x.takeAlongDim(x.argsort(dim), dim)` is sorted. */
export const argsort = named(
  'argsort',
  ['dim', 'descending', 'stable'],
  (x: Tensor, dim: number = -1, descending: boolean = false, _stable: boolean = true): Tensor =>
    sort(x, dim, descending).indices,
);

/** The elements along the first dimension in ascending order (torch.msort). */
export const msort = (x: Tensor): Tensor => sort(x, 0).values;

const Topk = ordering('Topk');
/**
 * The `k` greatest elements along `dim` (the last one), or with `largest` false the least, the foremost first, and their indices
 * (torch.topk). They come in order, whether `sorted` or not; of equal ones the first are taken.
 * @throws if there are fewer than k
 */
export const topk = named(
  'topk',
  ['k', 'dim', 'largest', 'sorted'],
  (x: Tensor, k: number, dim: number = -1, largest: boolean = true, _sorted: boolean = true): ValuesAndIndices => {
    const d = checkDim(dim, x.ndim);
    checkNumber('topk', k, 0, x, d);
    return applyOrdering(Topk, { dim: d, descending: largest, from: 0, to: k, drop: false }, x);
  },
);

const Kthvalue = ordering('Kthvalue');
/**
 * The `k`th least element along `dim` (the last one), counted from 1, and its index (torch.kthvalue).
 * @throws if there are fewer than k
 */
export const kthvalue = named(
  'kthvalue',
  ['k', 'dim', 'keepdim'],
  (x: Tensor, k: number, dim: number = -1, keepdim: boolean = false): ValuesAndIndices => {
    const d = checkDim(dim, x.ndim);
    checkNumber('kthvalue', k, 1, x, d);
    return applyOrdering(Kthvalue, { dim: d, descending: false, from: k - 1, to: k, drop: !keepdim }, x);
  },
);
