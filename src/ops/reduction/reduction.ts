/** Reductions: one value of many, along some dimensions or all of them. Extrema are in extremum.ts, variances in variance.ts. */
import { alongBatch } from '../../autograd/batch-rules.ts';
import { apply, type OperatorNode, type Primitive, primitive, result, vjp } from '../../autograd/primitive.ts';
import { checkDType, type DType, getDefaultDtype, isFloatingPoint } from '../../core/dtype.ts';
import { named } from '../../core/named.ts';
import { checkDims, checkSize, type Shape, sameShape, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import * as s from '../../kernels/expr.ts';
import { launchReduction, type ReductionCode, reduction } from '../launch/reduction.ts';
import {
  type Along,
  accumulating,
  checkFloating,
  type Dims,
  reducedCount,
  reducedShape,
  restored,
  spread,
} from './along.ts';
import { amax } from './extremum.ts';
import { productBefore } from './recurrence.ts';
import { vectorNorm } from './vector-norm.ts';

/** A reduction that casts to a dtype first. */
interface Cast extends Along {
  readonly dtype: DType;
}

/** Reduces `x`, cast to the dtype of the result. */
function cast(code: ReductionCode, x: Tensor, along: Cast, compute: DType = along.dtype, finishing = 0): Tensor {
  const { dims, dtype } = along;
  const out = Tensor.empty(reducedShape(x.shape, along), dtype);
  // truth values are counted
  if (dtype === 'bool') launchReduction(code, [x.to('bool')], dims, 'int64', out, finishing);
  else launchReduction(code, [x], dims, compute, out, finishing);
  return out;
}

/** PyTorch tells the nodes of reductions of all elements from those along dimensions by a number. */
function allOrDims<P extends Along>(name: string, make: (name: string) => Primitive<P>): (dim: Dims) => Primitive<P> {
  const [all, along] = ['Backward0', 'Backward1'].map((suffix) => alongBatch(make(name + suffix)));
  return (dim) => (dim === null ? all : along);
}

const total = reduction('sum');
const sumOperator = allOrDims('Sum', (name) =>
  primitive<Cast>(name, (along, x) => cast(total, x, along), [vjp(spread)]),
);
/**
 * The sum along `dim`, one or several dimensions, or of all elements; integers and bool give int64 (torch.sum). The sum of nothing is 0.
 * Floating sums add in the order of PyTorch's CPU kernel. The gradient is the cotangent, repeated.
 * @param dtype to cast to before summing
 */
export const sum = named(
  'sum',
  ['dim', 'keepdim', 'dtype'],
  (x: Tensor, dim: Dims = null, keepdim: boolean = false, dtype: DType | null = null): Tensor =>
    apply(sumOperator(dim), { dims: checkDims(dim, x.ndim), keepdim, dtype: accumulating(x, dtype) }, [x]),
);

/** Whether `from` was broadcast from `to`. */
const isExpanded = (from: Shape, to: Shape): boolean => {
  const skip = from.length - to.length;
  return skip >= 0 && to.every((size, d) => size === 1 || size === from[d + skip]);
};

/**
 * `x` summed down to a shape that broadcasts to its own: the transpose of `expand` (torch.Tensor.sum_to_size).
 * @throws if the shape does not broadcast to that of `x`
 */
export function sumToSize(x: Tensor, ...sizes: number[] | [sizes: Shape]): Tensor {
  const shape = (Array.isArray(sizes[0]) ? sizes[0] : sizes) as Shape;
  for (const size of shape) checkSize(size);
  if (!isExpanded(x.shape, shape)) {
    throw new AdjointError(
      'shape',
      `sumToSize: size ${showShape(shape)} is not expandable to size ${showShape(x.shape)}`,
    );
  }
  if (sameShape(x.shape, shape)) return x;
  const skip = x.ndim - shape.length;
  const dims = x.shape.flatMap((size, d) => (d < skip || (shape[d - skip] === 1 && size !== 1) ? [d] : []));
  const summed = sum(x, dims, true, x.dtype);
  return skip === 0 ? summed : summed.reshape(shape);
}

const average = reduction('sum', s.input(0), s.div(s.input(0), s.input(1)));
const meanOperator = allOrDims('Mean', (name) =>
  primitive<Cast>(name, (along, x) => cast(average, x, along, along.dtype, reducedCount(x.shape, along)), [
    vjp((g, node) => spread(g.div(reducedCount(node.shapes[0], node.params)), node)),
  ]),
);
/**
 * The mean along `dim`, one or several dimensions, or of all elements (torch.mean); of nothing it is NaN.
 * @param dtype a floating dtype to cast to first
 * @throws if the dtype is not floating
 */
export const mean = named(
  'mean',
  ['dim', 'keepdim', 'dtype'],
  (x: Tensor, dim: Dims = null, keepdim: boolean = false, dtype: DType | null = null): Tensor => {
    const own = dtype === null ? x.dtype : checkDType(dtype);
    if (!isFloatingPoint(own)) {
      throw new AdjointError(
        'dtype',
        `mean(): could not infer output dtype. ${dtype === null ? 'Input' : 'Optional'} dtype must be floating. Got: ${own}; give dtype: 'float32'`,
      );
    }
    return apply(meanOperator(dim), { dims: checkDims(dim, x.ndim), keepdim, dtype: own }, [x]);
  },
);

const withoutNan = reduction('sum', s.select(s.isNan(s.input(0)), 0, s.input(0)));
const Nansum = alongBatch(
  primitive<Cast>('Nansum', (along, x) => cast(withoutNan, x, along), [
    vjp((g, node, x) => spread(g, node).mul(x.isnan().logicalNot()), 0),
  ]),
);
/**
 * The sum of the elements that are not NaN, otherwise as `sum` (torch.nansum).
 * @param dtype to cast to before summing
 */
export const nansum = named(
  'nansum',
  ['dim', 'keepdim', 'dtype'],
  (x: Tensor, dim: Dims = null, keepdim: boolean = false, dtype: DType | null = null): Tensor =>
    apply(Nansum, { dims: checkDims(dim, x.ndim), keepdim, dtype: accumulating(x, dtype) }, [x]),
);
/**
 * The mean of the elements that are not NaN (torch.nanmean).
 * @param dtype a floating dtype to cast to first
 * @throws if the dtype of `x` is not floating
 */
export const nanmean = named(
  'nanmean',
  ['dim', 'keepdim', 'dtype'],
  (x: Tensor, dim: Dims = null, keepdim: boolean = false, dtype: DType | null = null): Tensor => {
    checkFloating('nanmean', x.dtype);
    return nansum(x, dim, keepdim, dtype).div(x.detach().isnan().logicalNot().sum(dim, keepdim));
  },
);

const product = reduction('prod');
const prodOperator = allOrDims('Prod', (name) =>
  primitive<Cast>(name, (along, x) => cast(product, x, along, along.dtype === 'float32' ? 'float64' : along.dtype), [
    vjp((g, node, x) => {
      // each element changes the product by that of all others
      const [shape] = node.shapes;
      const { dims } = node.params;
      const all = dims.length !== 1;
      // all but the dimension of a batch
      const [dim] = all ? [shape.length - dims.length] : dims;
      const line = (all ? x.reshape([...shape.slice(0, dim), -1]) : x).to(g.dtype);
      const others = productBefore(line, dim, false).mul(productBefore(line, dim, true));
      return restored(g, node).mul(others.reshape(shape));
    }, 0),
  ]),
);
/**
 * The product along `dim`, or of all elements; integers and bool give int64 (torch.prod). The product of nothing is 1. Derivatives of any
 * order are right where elements are zero.
 * @param dtype to cast to before multiplying
 */
export const prod = named(
  'prod',
  ['dim', 'keepdim', 'dtype'],
  (x: Tensor, dim: number | null = null, keepdim: boolean = false, dtype: DType | null = null): Tensor => {
    if (dim !== null && typeof dim !== 'number') {
      throw new AdjointError(
        'argument',
        `prod: dim must be one dimension, got ${show(dim)}; take prod() for each in turn`,
      );
    }
    return apply(prodOperator(dim), { dims: checkDims(dim, x.ndim), keepdim, dtype: accumulating(x, dtype) }, [x]);
  },
);

const logical = (name: string, combine: 'and' | 'or') => {
  const code = reduction(combine, s.condition(0));
  const operator = alongBatch(
    primitive<Along>(
      name,
      (along, x) => {
        const out = Tensor.empty(reducedShape(x.shape, along), x.dtype === 'uint8' ? 'uint8' : 'bool');
        launchReduction(code, [x], along.dims, x.dtype, out);
        return out;
      },
      [null],
    ),
  );
  return (x: Tensor, dim: Dims = null, keepdim: boolean = false): Tensor => {
    // as in PyTorch, no dimensions are not all of them here
    const dims = typeof dim === 'object' && dim?.length === 0 ? [] : checkDims(dim, x.ndim);
    return apply(operator, { dims, keepdim }, [x]);
  };
};
/** Whether all elements along `dim`, or at all, differ from 0; of nothing, true (torch.all). bool, but uint8 for uint8. */
export const all = named('all', ['dim', 'keepdim'], logical('All', 'and'));
/** Whether any element along `dim`, or at all, differs from 0; of nothing, false (torch.any). bool, but uint8 for uint8. */
export const any = named('any', ['dim', 'keepdim'], logical('Any', 'or'));

const count = reduction('sum', s.number(s.condition(0)));
const CountNonzero = alongBatch(
  primitive<Along>(
    'CountNonzero',
    (along, x) => {
      const out = Tensor.empty(reducedShape(x.shape, along), 'int64');
      launchReduction(count, [x], along.dims, 'int64', out);
      return out;
    },
    [null],
  ),
);
/** The number of elements along `dim`, or at all, that differ from 0, as int64 (torch.count_nonzero). */
export const countNonzero = named(
  'countNonzero',
  ['dim'],
  (x: Tensor, dim: Dims = null): Tensor => apply(CountNonzero, { dims: checkDims(dim, x.ndim), keepdim: false }, [x]),
);

const logOfExponentials = reduction('sum', s.exp(s.sub(s.input(0), s.input(1))), s.log(s.input(0)));
const Logsumexp = alongBatch(
  primitive<Along>(
    'Logsumexp',
    (along, x) => {
      const { dims } = along;
      const out = Tensor.empty(reducedShape(x.shape, along), x.dtype);
      if (x.numel() === 0) return out.fill_(Number.NEGATIVE_INFINITY);
      const greatest = amax(x, dims, true);
      // beside an infinite one the others do not count, and need not be scaled
      const scale = greatest.maskedFill(greatest.isinf(), 0);
      launchReduction(logOfExponentials, [x, scale], dims, x.dtype, out);
      return out.add_(scale.reshape(out.shape));
    },
    [vjp((g, node: OperatorNode<Along>, x, y) => restored(g, node).mul(x.sub(restored(y, node)).exp()), 0, result)],
  ),
);
/**
 * log(sum of e^x) along `dim`, one or several dimensions, computed without overflow (torch.logsumexp). Integers give the default dtype.
 */
export const logsumexp = named(
  'logsumexp',
  ['dim', 'keepdim'],
  (x: Tensor, dim: number | readonly number[], keepdim: boolean = false): Tensor =>
    apply(Logsumexp, { dims: checkDims(dim, x.ndim), keepdim }, [
      isFloatingPoint(x.dtype) ? x : x.to(getDefaultDtype()),
    ]),
);

/**
 * The p-norm of the elements along `dim`, one or several dimensions, or of all: (sum |x|^p)^(1/p) (torch.norm). 'fro', the default, is 2; p = 0
 * counts the elements that are not 0, infinite p take the greatest or least |x|. The gradient at a norm of 0 is 0.
 * @param dtype to compute in, no narrower than that of `x`
 * @throws if the dtype is not floating, or for 'nuc', which is not here yet
 */
export const norm = named(
  'norm',
  ['p', 'dim', 'keepdim', 'dtype'],
  (
    x: Tensor,
    p: number | 'fro' | 'nuc' | null = 'fro',
    dim: Dims = null,
    keepdim: boolean = false,
    dtype: DType | null = null,
  ): Tensor => {
    if (p === 'nuc') {
      throw new AdjointError(
        'unsupported',
        "norm: the nuclear norm 'nuc' needs singular values, which are not here yet",
      );
    }
    if (p !== null && p !== 'fro' && typeof p !== 'number')
      throw new AdjointError('argument', `norm: p must be a number, 'fro' or null, got ${show(p)}`);
    return vectorNorm('norm', x, typeof p === 'number' ? p : 2, { dims: checkDims(dim, x.ndim), keepdim }, dtype);
  },
);
