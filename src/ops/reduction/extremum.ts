/** The greatest and the least of elements, and where they stand. NaN is both. */
import { alongBatch } from '../../autograd/batch-rules.ts';
import {
  apply,
  applySeveral,
  type Primitive,
  primitive,
  primitiveOfSeveral,
  result,
  vjp,
} from '../../autograd/primitive.ts';
import { named } from '../../core/named.ts';
import { checkOptions, isOptions } from '../../core/options.ts';
import { checkDims } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import * as s from '../../kernels/expr.ts';
import { launchArgReduce } from '../launch/lines.ts';
import { launchReduction, type ReductionCode, reduction } from '../launch/reduction.ts';
import { maximum, minimum } from '../pointwise/pointwise.ts';
import { type Along, checkSome, type Dims, reducedShape, type ValuesAndIndices } from './along.ts';
import { toEqual, toEqualOrNan, toPosition } from './ties.ts';

type Seek = 'min' | 'max';

const numbers: Record<Seek, ReductionCode> = { min: reduction('min'), max: reduction('max') };
// of truth values, the greatest is whether any is true
const truths: Record<Seek, ReductionCode> = {
  min: reduction('and', s.condition(0)),
  max: reduction('or', s.condition(0)),
};

function reduce(seek: Seek, x: Tensor, along: Along): Tensor {
  const out = Tensor.empty(reducedShape(x.shape, along), x.dtype);
  launchReduction((x.dtype === 'bool' ? truths : numbers)[seek], [x], along.dims, x.dtype, out);
  return out;
}

const alongDims = (name: string, seek: Seek, rule: typeof toEqual): Primitive<Along> =>
  alongBatch(primitive<Along>(name, (along, x) => reduce(seek, x, along), [vjp(rule, 0, result)]));

const dimsReduction = (call: string, operator: Primitive<Along>) =>
  named(call, ['dim', 'keepdim'], (x: Tensor, dim: Dims = null, keepdim: boolean = false): Tensor => {
    const dims = checkDims(dim, x.ndim);
    checkSome(call, x, dim, dims);
    return apply(operator, { dims, keepdim }, [x]);
  });

/**
 * The greatest element along `dim`, one or several dimensions, or of all (torch.amax). The gradient is shared equally among equals.
 * @throws if there is no element along a dimension
 */
export const amax = dimsReduction('amax', alongDims('Amax', 'max', toEqual));
/** The least element along `dim`, one or several dimensions, or of all; otherwise as `amax` (torch.amin). */
export const amin = dimsReduction('amin', alongDims('Amin', 'min', toEqual));

const Aminmax = alongBatch(
  primitiveOfSeveral<Along>('Aminmax', (along, x) => [reduce('min', x, along), reduce('max', x, along)], [
    vjp(
      ([gMin, gMax], node, x, min, max) => {
        const low = gMin && toEqual(gMin, node, x, min);
        const high = gMax && toEqual(gMax, node, x, max);
        return low && high ? low.add(high) : (low ?? high);
      },
      0,
      result,
      result - 1,
    ),
  ]),
);
/**
 * The least and the greatest element along `dim`, or of all (torch.aminmax). Gradients are shared equally among equals.
 * @throws if there is no element along the dimension
 */
export const aminmax = named(
  'aminmax',
  ['dim', 'keepdim'],
  (x: Tensor, dim: number | null = null, keepdim: boolean = false): { readonly min: Tensor; readonly max: Tensor } => {
    const dims = checkDims(dim, x.ndim);
    checkSome('aminmax', x, dim, dims);
    const [min, max] = applySeveral(Aminmax, { dims, keepdim }, [x]);
    return { min, max };
  },
);

const codes = { min: { seek: 'min', kernels: new Map() }, max: { seek: 'max', kernels: new Map() } } as const;

/** The extremum along one dimension and its position. */
function extremumAlong(seek: Seek, x: Tensor, { dims: [dim = 0], keepdim }: Along): [Tensor, Tensor] {
  const shape = reducedShape(x.shape, { dims: [dim], keepdim });
  const values = Tensor.empty(shape, x.dtype);
  const indices = Tensor.empty(shape, 'int64');
  launchArgReduce(codes[seek], x, dim, values, indices);
  return [values, indices];
}

const selecting = (name: string, seek: Seek): Primitive<Along> =>
  alongBatch(
    primitiveOfSeveral<Along>(name, (along, x) => extremumAlong(seek, x, along), [
      vjp(([g], node, indices) => toPosition(g, node, indices), result - 1),
    ]),
  );

/** The three forms of `max` and `min`. */
export interface ExtremumForms {
  /** The extremum of all elements; the gradient is shared equally among equals. */
  (x: Tensor): Tensor;
  /** The extremum along one dimension and the position of the first that equals it, to which the gradient goes. */
  (x: Tensor, dim: number, keepdim?: boolean | { keepdim?: boolean }): ValuesAndIndices;
  (x: Tensor, options: { dim: number; keepdim?: boolean }): ValuesAndIndices;
  /** Element by element the extremum of both, broadcast together. */
  (x: Tensor, other: Tensor | { other: Tensor }): Tensor;
}

function extremum(
  call: string,
  ofAll: Primitive<Along>,
  ofDim: Primitive<Along>,
  binary: typeof maximum,
): ExtremumForms {
  const alongDim = named(call, ['dim', 'keepdim'], (x: Tensor, dim: number, keepdim: boolean = false) => {
    const dims = checkDims(dim, x.ndim);
    checkSome(call, x, dim, dims);
    const [values, indices] = applySeveral(ofDim, { dims, keepdim }, [x]);
    return { values, indices };
  });
  const forms = (x: Tensor, ...args: readonly unknown[]): Tensor | ValuesAndIndices => {
    const [first] = args;
    if (first instanceof Tensor) return binary(x, first);
    if (isOptions(first) && 'other' in first) {
      checkOptions(call, first, ['other']);
      return binary(x, first.other as Tensor);
    }
    if (args.length > 0) return alongDim(x, ...(args as [dim: number, keepdim?: boolean]));
    const dims = checkDims(null, x.ndim);
    checkSome(call, x, null, dims);
    return apply(ofAll, { dims, keepdim: false }, [x]);
  };
  return forms as ExtremumForms;
}

/**
 * The greatest element of all, `max(x)`; along a dimension with its position, `max(x, dim, keepdim)`, which gives `{ values, indices }`; or of
 * two tensors element by element, `max(x, other)` (torch.max). NaN counts as the greatest.
 * @throws if there is no element to choose
 */
export const max = extremum('max', alongDims('MaxBackward1', 'max', toEqualOrNan), selecting('Max', 'max'), maximum);
/** The least element; otherwise as `max` (torch.min). */
export const min = extremum('min', alongDims('MinBackward1', 'min', toEqualOrNan), selecting('Min', 'min'), minimum);

const positionOf = (call: string, seek: Seek) => {
  const operator = alongBatch(primitive<Along>(call, (along, x) => extremumAlong(seek, x, along)[1], [null]));
  return named(call, ['dim', 'keepdim'], (x: Tensor, dim: number | null = null, keepdim: boolean = false): Tensor => {
    if (x.dtype === 'bool')
      throw new AdjointError('dtype', `${call}(): does not support bool input; convert with to('uint8')`);
    const dims = checkDims(dim, x.ndim);
    checkSome(call, x, dim, dims);
    if (dim !== null) return apply(operator, { dims, keepdim }, [x]);
    const index = apply(operator, { dims: [0], keepdim: false }, [x.detach().reshape(-1)]);
    return keepdim ? index.reshape(x.shape.map(() => 1)) : index;
  });
};

/**
 * The position of the greatest element along `dim`, or in all elements in row-major order: the first among equals (torch.argmax). An int64
 * tensor without gradient.
 * @throws if there is no element to choose, or if the dtype is bool
 */
export const argmax = positionOf('argmax', 'max');
/** The position of the least element; otherwise as `argmax` (torch.argmin). */
export const argmin = positionOf('argmin', 'min');
