import { Tensor } from '../../core/tensor.ts';
import * as s from '../../kernels/expr.ts';
import { launchPointwise, pointwiseCode } from './pointwise.ts';

const identity = pointwiseCode(s.input(0));

/**
 * Writes `source`, broadcast and cast, over `target`, which it returns: the work inside operators. What autograd has to know of is
 * `copy_`.
 */
export function write(target: Tensor, source: Tensor | number): Tensor {
  const safe =
    source instanceof Tensor && source.storage.shares(target.storage) && source !== target ? source.clone() : source;
  // computed in the source's dtype, so that the cast is the store's
  launchPointwise(identity, [safe], source instanceof Tensor ? source.dtype : target.dtype, target);
  return target;
}
