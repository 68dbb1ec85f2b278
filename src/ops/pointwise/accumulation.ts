/** How the engine adds up gradients. */
import { interpreter } from '../../autograd/primitive.ts';
import type { Tensor } from '../../core/tensor.ts';
import * as s from '../../kernels/expr.ts';
import { launchPointwise, pointwiseCode } from '../launch/pointwise.ts';

const sum = pointwiseCode(s.add(s.input(0), s.input(1)));

export const accumulation = {
  /** @internal Adds a tensor of the same shape and dtype to one that nobody has seen yet: without a record, and it counts as no write. */
  _accumulate(self: Tensor, other: Tensor): void {
    if (interpreter.current) self.add_(other);
    else launchPointwise(sum, [self, other], self.dtype, self);
  },
};
