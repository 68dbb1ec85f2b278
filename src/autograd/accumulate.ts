import type { Tensor } from '../core/tensor.ts';
import { mode } from './modes.ts';
import { type Gradients, Node } from './node.ts';

/** The end of the line: adds the gradient that arrives to the `grad` of a leaf. */
export class AccumulateGrad extends Node {
  readonly variable: Tensor;

  constructor(variable: Tensor) {
    super([]);
    this.variable = variable;
    this.outputs.push({ shape: variable.shape, dtype: variable.dtype });
  }

  name(): string {
    return 'AccumulateGrad';
  }

  apply([gradient]: Gradients): Gradients {
    if (!gradient) return [];
    const { variable } = this;
    const before = variable._grad;
    if (!before) variable._grad = mode.grad ? gradient.clone() : owned(gradient);
    else if (mode.grad) variable._grad = before.add(gradient);
    else before.add_(gradient);
    for (const hook of variable._hooks?.postAccumulate ?? []) hook(variable);
    return [];
  }
}

/** The gradient as a tensor that nothing else writes to or reads: another path may hold the same one. */
function owned(gradient: Tensor): Tensor {
  return gradient.detach().clone();
}
