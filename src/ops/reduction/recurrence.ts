/**
 * First-order linear recurrences along a dimension, which the derivatives of running products, sums and extrema are. They are closed
 * under differentiation and divide by nothing, so derivatives of any order are right where factors are zero.
 */
import { alongBatch } from '../../autograd/batch-rules.ts';
import { apply, type OperatorNode, type Primitive, primitive, result, vjp } from '../../autograd/primitive.ts';
import type { DType } from '../../core/dtype.ts';
import { Tensor } from '../../core/tensor.ts';
import * as s from '../../kernels/expr.ts';
import { launchScan, type ScanCode } from '../launch/lines.ts';

/** The dtype in which running values are kept. */
export const scanType = (dtype: DType): DType => (dtype === 'float32' ? 'float64' : dtype);

interface Direction {
  readonly dim: number;
  /** From the last element to the first. */
  readonly reverse: boolean;
  /** Whether an element's factor is applied after it, on the way to the next, rather than before. */
  readonly after: boolean;
}

const [factor, term, state] = [s.input(0), s.input(1), s.input(2)];
const before = s.add(s.mul(factor, state), term);
const carried = s.add(state, term);
const codes: Record<'before' | 'after', ScanCode> = {
  before: { initial: 0, output: before, next: before, kernels: new Map() },
  after: { initial: 0, output: carried, next: s.mul(factor, carried), kernels: new Map() },
};

const Shift: Primitive<Omit<Direction, 'after'>> = primitive(
  'Shift',
  ({ dim, reverse }, x) => {
    const out = Tensor.empty(x.shape, x.dtype).zero_();
    const n = x.ndim === 0 ? 1 : x.shape[dim];
    if (n < 2) return out;
    const [from, to] = reverse ? [1, 0] : [0, 1];
    out.narrow(dim, to, n - 1).copy_(x.narrow(dim, from, n - 1));
    return out;
  },
  [vjp((g, { params: { dim, reverse } }) => shift(g, dim, !reverse))],
);

/** Each element in the place of the next along `dim` (of the one before, if `reverse`), and 0 in the first place. */
export const shift = (x: Tensor, dim: number, reverse: boolean): Tensor => apply(Shift, { dim, reverse }, [x]);

/** The gradient with respect to the terms: the recurrence the other way, with factors that take the other side. */
const towardTerms = (
  g: Tensor,
  { params: { dim, reverse, after } }: OperatorNode<Direction>,
  factors: Tensor,
): Tensor => apply(Recurrence, { dim, reverse: !reverse, after: !after }, [factors, g]);

const Recurrence: Primitive<Direction> = primitive<Direction>(
  'Recurrence',
  ({ dim, reverse, after }, factors, terms) => {
    const out = Tensor.empty(terms.shape, terms.dtype);
    launchScan(after ? codes.after : codes.before, [factors, terms], dim, scanType(terms.dtype), out, reverse);
    return out;
  },
  [
    vjp(
      (g, node, factors, y) => {
        const { dim, reverse, after } = node.params;
        const terms = towardTerms(g, node, factors);
        // a factor multiplies the value before it, or the one it belongs to
        return after ? shift(terms, dim, !reverse).mul(y) : terms.mul(shift(y, dim, reverse));
      },
      0,
      result,
    ),
    vjp(towardTerms, 0),
  ],
);

alongBatch(Shift);
alongBatch(Recurrence);

/**
 * y with y[i] = factors[i] * y[i - 1] + terms[i] along `dim`, or with `after` y[i] = factors[i - 1] * y[i - 1] + terms[i]; from the
 * other end if `reverse`. Both operands are of one shape and floating dtype.
 */
export const recurrence = (factors: Tensor, terms: Tensor, direction: Direction): Tensor =>
  apply(Recurrence, direction, [factors, terms]);

/** The product of the elements before each along `dim`, or behind each if `reverse`. */
export function productBefore(x: Tensor, dim: number, reverse: boolean): Tensor {
  const start = Tensor.empty(x.shape, x.dtype).zero_();
  if (start.numel() > 0) (x.ndim === 0 ? start : start.select(dim, reverse ? -1 : 0)).fill_(1);
  return recurrence(x, start, { dim, reverse, after: true });
}
