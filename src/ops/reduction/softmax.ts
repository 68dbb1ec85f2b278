/** The softmax and its logarithm, computed without overflow. */
import { alongBatch } from '../../autograd/batch-rules.ts';
import { apply, type Primitive, primitive, result, vjp } from '../../autograd/primitive.ts';
import { checkDType, type DType } from '../../core/dtype.ts';
import { named } from '../../core/named.ts';
import { checkDim } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import * as s from '../../kernels/expr.ts';
import type { RowTotal } from '../../kernels/rows.ts';
import { launchReduction, reduction } from '../launch/reduction.ts';
import { launchLines, type RowCode, rowCode } from '../launch/rows.ts';
import { checkFloating, reducedShape } from './along.ts';

/** An operator on a tensor that computes a row program along a dimension. */
const along =
  (code: RowCode) =>
  (dim: number, x: Tensor): Tensor => {
    const out = Tensor.empty(x.shape, x.dtype);
    launchLines(code, x.shape, [x], dim, x.dtype, [out]);
    return out;
  };

/**
 * The softmax of a score of so many operands.
 * @param greatest what is made of the greatest score, and `total` of the sum of exponentials
 */
export function softmaxCode(score: s.Expr, operands: number, greatest = s.input(0), total = s.input(0)): RowCode {
  const weight = s.expFlushed(s.sub(score, s.input(operands)));
  return rowCode({
    totals: [
      { map: score, combine: 'max', finish: greatest },
      { map: weight, combine: 'sum', finish: total },
    ],
    results: [s.div(weight, s.input(operands + 1))],
  });
}

const [x, greatest, logOfTotal] = [0, 1, 2].map(s.input);
/** The greatest element x of a row, and the logarithm of the sum of e^(x - greatest). */
export const logSoftmaxTotals: readonly RowTotal[] = [
  { map: x, combine: 'max', finish: s.input(0) },
  { map: s.expFlushed(s.sub(x, greatest)), combine: 'sum', finish: s.log(s.input(0)) },
];
export const logSoftmaxOf: s.Expr = s.sub(s.sub(x, greatest), logOfTotal);
const logSoftmaxCode = rowCode({ totals: logSoftmaxTotals, results: [logSoftmaxOf] });

const products = reduction('sum', s.mul(s.input(0), s.input(1)));
/** The sum of a b along a dimension, which becomes 1. */
const InnerProduct: Primitive<number> = primitive<number>(
  'InnerProduct',
  (dim, a, b) => {
    const out = Tensor.empty(reducedShape(a.shape, { dims: [dim], keepdim: true }), a.dtype);
    launchReduction(products, [a, b], a.ndim === 0 ? [] : [dim], a.dtype, out);
    return out;
  },
  [vjp((g, _, b) => g.mul(b), 1), vjp((g, _, a) => g.mul(a), 0)],
);
export const inner = (dim: number, a: Tensor, b: Tensor): Tensor => apply(InnerProduct, dim, [a, b]);

// of the cotangent, the result, a number, and what the elements of a row know of each other
const [g, y, scale, common] = [0, 1, 2, 3].map(s.input);
const softmaxBackwardCode = rowCode({
  totals: [{ map: s.mul(g, y), combine: 'sum', finish: s.input(0) }],
  results: [s.mul(s.mul(y, s.sub(g, common)), scale)],
});
const logSoftmaxBackwardCode = rowCode({
  totals: [{ map: g, combine: 'sum', finish: s.input(0) }],
  results: [s.sub(g, s.mul(s.expFlushed(y), s.input(2)))],
});

/** A softmax along a dimension, of scores times a number. */
interface Scaled {
  readonly dim: number;
  readonly scale: number;
  /** Whether row r of each matrix [..., r, s] ends with element r, after which all is 0. */
  readonly causal: boolean;
}

/** scale y (g - sum(g y)), whose Jacobian in g is symmetric. */
const SoftmaxBackward: Primitive<Scaled> = primitive<Scaled>(
  'SoftmaxBackwardData',
  ({ dim, scale, causal }, g, y) => {
    const out = Tensor.empty(y.shape, y.dtype);
    launchLines(softmaxBackwardCode, y.shape, [g, y, scale], dim, y.dtype, [out], causal);
    return out;
  },
  [
    vjp((h, { params }, y) => apply(SoftmaxBackward, params, [h, y]), 1),
    vjp(
      (h, { params: { dim, scale } }, g, y) =>
        h
          .mul(g.sub(inner(dim, g, y)))
          .sub(g.mul(inner(dim, h, y)))
          .mul(scale),
      0,
      1,
    ),
  ],
);

/** g - e^y sum(g). */
const LogSoftmaxBackward: Primitive<number> = primitive<number>(
  'LogSoftmaxBackwardData',
  (dim, g, y) => {
    const out = Tensor.empty(y.shape, y.dtype);
    launchLines(logSoftmaxBackwardCode, y.shape, [g, y], dim, y.dtype, [out]);
    return out;
  },
  [
    vjp((h, { params: dim }, y) => h.sub(inner(dim, h, y.exp())), 1),
    vjp((h, { params: dim }, g, y) => h.mul(y.exp()).mul(g.sum(dim, true)).neg(), 0, 1),
  ],
);

/** The cotangent of what a softmax was taken of, from that of its result y. */
export const softmaxBackward = (params: Scaled, g: Tensor, y: Tensor): Tensor => apply(SoftmaxBackward, params, [g, y]);

const Softmax: Primitive<number> = primitive<number>('Softmax', along(softmaxCode(x, 1)), [
  vjp((g, { params: dim }, y) => softmaxBackward({ dim, scale: 1, causal: false }, g, y), result),
]);

const LogSoftmax: Primitive<number> = primitive<number>('LogSoftmax', along(logSoftmaxCode), [
  vjp((g, { params: dim }, y) => apply(LogSoftmaxBackward, dim, [g, y]), result),
]);

alongBatch(SoftmaxBackward);
for (const operator of [InnerProduct, LogSoftmaxBackward, Softmax, LogSoftmax]) alongBatch(operator);

const alongDim = (call: string, operator: Primitive<number>) =>
  named(call, ['dim', 'dtype'], (x: Tensor, dim: number, dtype: DType | null = null): Tensor => {
    const along = checkDim(dim, x.ndim);
    const own = checkFloating(call, dtype === null ? x.dtype : checkDType(dtype));
    return apply(operator, along, [x.to(own)]);
  });

/**
 * e^x divided by its sum along `dim` (torch.softmax).
 * @param dtype a floating dtype to cast to first
 * @throws if the dtype is not floating
 */
export const softmax = alongDim('softmax', Softmax);
/**
 * The logarithm of the softmax along `dim`: x - log(sum of e^x) (torch.log_softmax).
 * @param dtype a floating dtype to cast to first
 * @throws if the dtype is not floating
 */
export const logSoftmax = alongDim('logSoftmax', LogSoftmax);
