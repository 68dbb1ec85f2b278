/** Tensors compared as a whole, and up to rounding. */
import { isFloatingPoint } from '../../core/dtype.ts';
import { named } from '../../core/named.ts';
import { sameShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import * as s from '../../kernels/expr.ts';
import { eq } from './pointwise.ts';
import { Pointwise, tensorOperand } from './pointwise-operator.ts';

/** Near, or equal: infinities are, and so are integers. */
const Close = new Pointwise(
  'Isclose',
  (a, b, rtol, atol) => {
    const distance = s.abs(s.sub(a, b));
    const allowed = s.add(atol, s.abs(s.mul(rtol, b)));
    return s.or(s.eq(a, b), s.and(s.le(distance, allowed), s.lt(distance, Number.POSITIVE_INFINITY)));
  },
  4,
  { domain: 'floating' },
);
const bothNan = new Pointwise('LogicalAnd', (a, b) => s.and(s.isNan(a), s.isNan(b)), 2);

/**
 * Whether |x - other| <= atol + rtol * |other|, element by element; equal infinities are close, and NaN is to NaN if `equalNan`
 * (torch.isclose).
 * @throws if the dtypes differ
 */
export const isclose = named(
  'isclose',
  ['other', 'rtol', 'atol', 'equalNan'],
  (x: Tensor, other: Tensor, rtol: number = 1e-5, atol: number = 1e-8, equalNan: boolean = false): Tensor => {
    if (tensorOperand('isclose', x).dtype !== tensorOperand('isclose: other', other).dtype) {
      throw new AdjointError(
        'dtype',
        `isclose: ${x.dtype} did not match ${other.dtype}; cast one to the dtype of the other`,
      );
    }
    if (!(rtol >= 0 && atol >= 0)) {
      throw new AdjointError(
        'argument',
        `isclose: rtol and atol must not be negative, got ${show(rtol)} and ${show(atol)}`,
      );
    }
    if (!isFloatingPoint(x.dtype)) return Close.call(x.to('float64'), other.to('float64'), rtol, atol);
    const close = Close.call(x, other, rtol, atol);
    return equalNan ? close.logicalOr(bothNan.call(x, other)) : close;
  },
);

/** Whether all elements are close, as `isclose` has it (torch.allclose). */
export const allclose = named(
  'allclose',
  ['other', 'rtol', 'atol', 'equalNan'],
  (x: Tensor, other: Tensor, rtol: number = 1e-5, atol: number = 1e-8, equalNan: boolean = false): boolean =>
    isclose(x, other, rtol, atol, equalNan).all().item() === true,
);

/** Whether both have the same shape and elements (torch.equal). */
export const equal = named('equal', ['other'], (x: Tensor, other: Tensor): boolean => {
  if (!sameShape(tensorOperand('equal', x).shape, tensorOperand('equal: other', other).shape)) return false;
  return eq(x, other).all().item() === true;
});
