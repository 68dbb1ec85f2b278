import type { Tensor } from '../core/tensor.ts';
import type { Expr } from '../kernels/expr.ts';
import * as s from '../kernels/expr.ts';

/** The direction to go against: the gradient, or its opposite to ascend (sign -1), plus part of the parameter, which then decays. */
export const direction = (g: Expr, p: Expr, sign: Expr, decay: Expr): Expr => s.add(s.mul(sign, g), s.mul(decay, p));

/** The operands of `direction`; a parameter that does not decay is not read. */
export const directionOf = (
  g: Tensor,
  p: Tensor,
  maximize: boolean,
  decay: number,
): [g: Tensor, p: Tensor | number, sign: number, decay: number] => [g, decay === 0 ? 0 : p, maximize ? -1 : 1, decay];
