import type { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import type { Task } from './current.ts';
import type { Flight } from './flight.ts';
import { dimsByStride, laidOut } from './layout.ts';
import { leadsTo } from './memory-scope.ts';
import { mode } from './modes.ts';
import { type Gradients, Node } from './node.ts';

declare module './node.ts' {
  interface Node {
    /** Where gradients are accumulated: the leaf. */
    readonly variable?: Tensor;
  }
}

/** The end of the line: adds the gradient that arrives to the `grad` of a leaf. */
export class AccumulateGrad extends Node {
  override readonly variable: Tensor;

  constructor(variable: Tensor) {
    super([]);
    this.variable = variable;
    this.setOutputs([variable]);
  }

  name(): string {
    return 'AccumulateGrad';
  }

  /** Whether hooks wait for the gradient to have been added. */
  get awaited(): boolean {
    return this.postHooks !== null || (this.tensorHooks?.get(0)?.postAccumulate.size ?? 0) > 0;
  }

  /** Adds the gradient that has arrived, taking it over if nobody else has it. */
  accumulate(task: Task, flight: Flight): void {
    const { variable } = this;
    const [gradient] = task.gradients;
    // it may have been frozen since the forward
    if (!gradient || !variable.requiresGrad) return;
    const before = variable._grad;
    if (before && !mode.grad) {
      before.add_(gradient);
      return;
    }
    const dims = dimsByStride(variable);
    if (dims) variable._grad = laidOut(before?.add(gradient) ?? gradient, dims);
    else if (before) variable._grad = before.add(gradient);
    else if (mode.grad || !flight.isOurs(gradient, task) || !gradient.isContiguous()) variable._grad = gradient.clone();
    else variable._grad = flight.keep(gradient);
    leadsTo(variable.storage, variable);
  }

  /** Once the gradient has been added. */
  runPostHooks(gradients: Gradients): void {
    for (const hook of [...(this.tensorHooks?.get(0)?.postAccumulate ?? [])]) {
      const returned: unknown = hook(this.variable);
      if (returned === undefined || returned === null) continue;
      throw new AdjointError(
        'argument',
        `Tensor post accumulate grad hooks should return nothing, got ${show(returned)}: what one does to the gradient it does to grad itself`,
      );
    }
    for (const hook of [...(this.postHooks ?? [])]) hook([], gradients);
  }

  apply(): Gradients {
    return [];
  }
}
