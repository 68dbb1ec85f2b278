/** The choice between two values, element by element. */
import type { Scalar } from '../../core/dtype.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import * as s from '../../kernels/expr.ts';
import { nonzero } from '../indexing/indexing.ts';
import { Pointwise } from './pointwise-operator.ts';

const Where = new Pointwise('Where', (condition, x, other) => s.select(condition, x, other), 3, { conditions: [0] });
Where.operands = ['condition', 'self', 'other'];

/**
 * `x` where `condition` is true, `other` elsewhere; all three are broadcast together, and x and other promoted to one dtype (torch.where).
 * With the condition alone, the indices where it is not 0, as `nonzero(condition, { asTuple: true })` gives them.
 * @throws if the condition is not of dtype bool
 */
export function where(condition: Tensor): Tensor[];
export function where(condition: Tensor, x: Tensor | Scalar, other: Tensor | Scalar): Tensor;
export function where(condition: Tensor, x?: Tensor | Scalar, other?: Tensor | Scalar): Tensor | Tensor[] {
  if (x === undefined && other === undefined) return nonzero(condition, { asTuple: true });
  if (x === undefined || other === undefined) {
    throw new AdjointError('argument', 'where: give both values, where(condition, x, other), or the condition alone');
  }
  if (!(condition instanceof Tensor) || condition.dtype !== 'bool') {
    throw new AdjointError(
      'dtype',
      'where expected condition to be a boolean tensor, ' +
        `but got ${condition instanceof Tensor ? `a tensor with dtype ${condition.dtype}` : show(condition)}`,
    );
  }
  return Where.call(condition, x, other);
}

/** As a method of its second argument: `x.where(condition, other)`. */
export const whereMethod = {
  /** This where `condition` is true, `other` elsewhere (torch.Tensor.where). */
  where: (x: Tensor, condition: Tensor, other: Tensor | Scalar): Tensor => where(condition, x, other),
};
