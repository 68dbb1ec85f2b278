import type { Tensor } from '../core/tensor.ts';
import type { Flight } from './flight.ts';
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

  /** Adds the gradient, taking it over if nobody else has it. */
  accumulate(gradient: Tensor | null, flight: Flight): void {
    if (!gradient) return;
    const { variable } = this;
    const before = variable._grad;
    if (before) {
      if (mode.grad) variable._grad = before.add(gradient);
      else before.add_(gradient);
    } else if (mode.grad) variable._grad = gradient.clone();
    else variable._grad = flight.isOurs(gradient) && gradient.isContiguous() ? flight.keep(gradient) : gradient.clone();
  }

  /** Once the gradient has been added. */
  runPostHooks(gradients: Gradients): void {
    for (const hook of this.tensorHooks?.get(0)?.postAccumulate ?? []) hook(this.variable);
    for (const hook of this.postHooks ?? []) hook([], gradients);
  }

  apply(): Gradients {
    return [];
  }
}
