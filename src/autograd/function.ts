/** Operators whose derivatives their author writes: torch.autograd.Function. */

import { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { Application, type Definition } from './application.ts';
import { requiresGrad } from './edge.ts';
import { evaluate } from './function-transforms.ts';
import { mode, noGrad } from './modes.ts';
import { type Gradients, Node } from './node.ts';

export type { FunctionCtx, VmapInfo } from './application.ts';

/** A class with `static forward(ctx, ...args)`. */
interface Combined<A extends readonly unknown[], R> {
  forward(ctx: never, ...args: A): R;
}

/** A class with `static forward(...args)` and `static setupContext(ctx, inputs, output)`. */
interface Separate<A extends readonly unknown[], R> {
  forward(...args: A): R;
  setupContext(ctx: never, inputs: A, output: R): void;
}

/** The types of the arguments and of the result are those of `forward`. */
interface Apply {
  <A extends readonly unknown[], R>(this: Separate<A, R>, ...args: A): R;
  <A extends readonly unknown[], R>(this: Combined<A, R>, ...args: A): R;
}

/**
 * Base class of operators that say themselves what their gradient is (torch.autograd.Function). A subclass has static methods and is
 * never instantiated:
 *
 * @example
 * class Exp extends autograd.Function {
 *   static forward(ctx: autograd.FunctionCtx, x: Tensor): Tensor {
 *     const y = x.exp();
 *     ctx.saveForBackward(y);
 *     return y;
 *   }
 *   static backward(ctx: autograd.FunctionCtx, gradient: Tensor): Tensor {
 *     const [y] = ctx.savedTensors;
 *     return gradient.mul(y);
 *   }
 * }
 * const y = Exp.apply(x);
 *
 * `forward` takes a context and any arguments, runs unrecorded, and returns a tensor or an array of results. `backward` takes the context and
 * one gradient for each result (null for results that are no tensors), and returns one gradient for each argument of `forward`, null
 * where there is none; alone or in an array. It is written with differentiable operators, so that it can be differentiated in turn;
 * if it is not, wrap it in `onceDifferentiable`. It may be called `vjp` instead. With `static clearSavedTensorsOnAccess = true` the saved
 * tensors are let go as soon as `backward` has asked for them, so that they can be collected while it runs.
 *
 * A class with `static setupContext(ctx, inputs, output)` keeps what concerns the context out of `forward`, which then takes the arguments only.
 *
 * For forward mode it has `static jvp(ctx, ...tangents)`, which takes a tangent for each argument (null for those that are no tensors) and returns
 * one for each result. For func.vmap it needs `setupContext` and `static generateVmapRule = true`, whereupon all of the above is run on whole
 * batches; or `static vmap(info, inDims, ...args)`, which is called with batches and returns [output, outDims].
 */
// biome-ignore lint/complexity/noStaticOnlyClass: what it has is for subclasses
abstract class CustomFunction {
  /**
   * Calls `forward` and records the call. An input that `forward` returns comes back as a view of itself, unless it was marked as dirty.
   * It belongs to its class wherever it is called from: `gradcheck(Exp.apply, x)`.
   * @throws what `forward` throws; or if what it marked does not fit together
   */
  static get apply(): Apply {
    // biome-ignore lint/complexity/noThisInStatic: it is the subclass
    const apply = (...args: readonly unknown[]): never => applyFunction(this as unknown as Definition, args) as never;
    return apply; // under a name for stack traces
  }
}

export { CustomFunction as Function };

function applyFunction(definition: Definition, args: readonly unknown[]): unknown {
  if (!definition.forward)
    throw new AdjointError('autograd', 'You must implement the forward function for custom autograd.Function.');
  const application = Application.to(definition, args);
  const results = evaluate(application, args);
  application.node?.save();
  return application.several ? results : results[0];
}

/** The end of a graph that goes no further: running it is an error. */
class DelayedError extends Node {
  private readonly message: string;

  constructor(message: string) {
    super([]);
    this.message = message;
  }

  name(): string {
    return 'Error';
  }

  apply(): Gradients {
    throw new AdjointError('autograd', this.message);
  }
}

/**
 * Makes a `backward` of a custom function, computed without recording, an error to differentiate
 * (torch.autograd.function.once_differentiable).
 * @example static backward = autograd.onceDifferentiable((ctx: autograd.FunctionCtx, gradient: Tensor) => ...);
 */
export function onceDifferentiable<C, G extends readonly (Tensor | null)[], R>(
  backward: (ctx: C, ...gradients: G) => R,
): (ctx: C, ...gradients: G) => R {
  return (ctx, ...gradients) => {
    const returned = noGrad(() => backward(ctx, ...gradients));
    if (!mode.grad || !gradients.some((g) => g && requiresGrad(g))) return returned;
    const node = new DelayedError('trying to differentiate twice a function that was marked with onceDifferentiable');
    const marked = (value: unknown): unknown => {
      if (!(value instanceof Tensor)) return value;
      const g = value.detach();
      g._node = node;
      g._outputNr = node.outputs.length;
      node.setOutputs([...node.outputs, g]);
      return g;
    };
    return (Array.isArray(returned) ? returned.map(marked) : marked(returned)) as R;
  };
}
