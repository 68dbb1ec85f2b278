/** The softmax and its logarithm, computed without overflow. */
import { alongBatch } from '../../autograd/batch-rules.ts';
import { apply, type Primitive, primitive, result, vjp } from '../../autograd/primitive.ts';
import { checkDType, type DType } from '../../core/dtype.ts';
import { named } from '../../core/named.ts';
import { checkDim } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import * as s from '../../kernels/expr.ts';
import { launchPointwise, type PointwiseCode } from '../launch/pointwise.ts';
import { launchReduction, reduction } from '../launch/reduction.ts';
import { Pointwise } from '../pointwise/pointwise-operator.ts';
import { checkFloating, reducedShape } from './along.ts';
import { amax } from './extremum.ts';

const exponential = s.expFlushed(s.sub(s.input(0), s.input(1)));
const scaled: PointwiseCode = { root: exponential, kernels: new Map() };
const logOfExponentials = reduction('sum', exponential, s.log(s.input(0)));
const lessBoth: PointwiseCode = { root: s.sub(s.sub(s.input(0), s.input(1)), s.input(2)), kernels: new Map() };

const products = reduction('sum', s.mul(s.input(0), s.input(1)));
/** The sum of a b along a dimension, which becomes 1: all that the elements of a line know of each other. */
const InnerProduct: Primitive<number> = primitive<number>(
  'InnerProduct',
  (dim, a, b) => {
    const out = Tensor.empty(reducedShape(a.shape, { dims: [dim], keepdim: true }), a.dtype);
    launchReduction(products, [a, b], a.ndim === 0 ? [] : [dim], a.dtype, out);
    return out;
  },
  [vjp((g, _, b) => g.mul(b), 1), vjp((g, _, a) => g.mul(a), 0)],
);
const ofSoftmax = new Pointwise('SoftmaxBackwardData', (g, y, common) => s.mul(y, s.sub(g, common)), 3);
const ofLogSoftmax = new Pointwise(
  'LogSoftmaxBackwardData',
  (g, y, total) => s.sub(g, s.mul(s.expFlushed(y), total)),
  3,
);

const Softmax: Primitive<number> = primitive<number>(
  'Softmax',
  (dim, x) => {
    const out = Tensor.empty(x.shape, x.dtype);
    if (out.numel() === 0) return out;
    launchPointwise(scaled, [x, amax(x, dim, true)], x.dtype, out);
    return out.div_(out.sum(dim, true));
  },
  [vjp((g, { params: dim }, y) => ofSoftmax.call(g, y, apply(InnerProduct, dim, [g, y])), result)],
);

const LogSoftmax: Primitive<number> = primitive<number>(
  'LogSoftmax',
  (dim, x) => {
    const out = Tensor.empty(x.shape, x.dtype);
    if (out.numel() === 0) return out;
    const greatest = amax(x, dim, true);
    const log = Tensor.empty(greatest.shape, x.dtype);
    launchReduction(logOfExponentials, [x, greatest], x.ndim === 0 ? [] : [dim], x.dtype, log);
    launchPointwise(lessBoth, [x, greatest, log], x.dtype, out);
    return out;
  },
  [vjp((g, { params: dim }, y) => ofLogSoftmax.call(g, y, g.sum(dim, true)), result)],
);

for (const operator of [InnerProduct, Softmax, LogSoftmax]) alongBatch(operator);

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
