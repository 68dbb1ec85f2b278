/**
 * Tensors that stand for more than their elements while a transform runs: for a value together with a tangent (forward.ts), or for a whole
 * batch of values (vmap.ts). Transforms nest, each in a level of its own; an operator is interpreted for the innermost level among its
 * inputs first, and what that comes to for the levels outside of it.
 */

import { type Shape, sameShape, showShape } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { requiresGrad } from './edge.ts';
import { mode } from './modes.ts';
import { type Interpreter, interpreter, type Operand, type Primitive, run } from './primitive.ts';
import { checkInPlace, rewrite } from './write.ts';

/** What a lifted tensor stands for at one level. */
export abstract class Lift {
  readonly level: Level;

  constructor(level: Level) {
    this.level = level;
  }

  /** The tensor outside of this level that holds the elements. */
  abstract readonly value: Tensor;

  /** What the tensor whose lift this is stands for outside the graph, as an ordinary tensor's `detach` gives. */
  abstract detach(): Tensor;

  /** `x`, an ordinary tensor, standing for as much as this does, so that it can be written to with that. */
  abstract like(x: Tensor): Tensor;

  /** Writes what `source` stands for over what `target` stands for; this is the lift of one of them. */
  abstract write(target: Tensor, source: Tensor): void;

  /** What a view of the tensor stands for that was taken before the tensor was lifted; null if that is not known. */
  ofView(_view: Tensor, _base: Tensor): Lift | null {
    return null;
  }

  /** What the tensor stands for when the level is over. */
  get outside(): Lift | null {
    return null;
  }

  /** A tangent that is shown with the tensor. */
  get shown(): Tensor | null {
    return null;
  }

  /** What is shown of the tensor, if it is not shown as its elements. */
  text(): string | null {
    return null;
  }
}

/** A call that draws random numbers. */
export interface Draw {
  /** What the numbers are written over, if anything is. */
  readonly self: Tensor | null;
  /** What they depend on. */
  readonly inputs: readonly Operand[];
  /**
   * Draws them.
   * @param batch the sizes of the batches for which they are to differ: dimensions in front of those of the result, and of the inputs
   */
  make(inputs: readonly Operand[], batch: Shape): Tensor;
}

/** One transform under way. */
export abstract class Level {
  readonly depth: number;

  constructor() {
    this.depth = open.length;
  }

  /** Applies an operator of which some inputs are lifted to this level, and none further in. */
  abstract run(primitive: Primitive<unknown>, params: unknown, inputs: readonly Operand[]): Tensor | Tensor[];

  /** Draws random numbers while it is under way; `outside` draws them for the levels outside of it. */
  abstract draw(call: Draw, outside: (call: Draw) => Tensor): Tensor;
}

const open: Level[] = [];

/** The transforms under way, the outermost first. */
export const underWay = (): readonly Level[] => open;

/** Whether a transform is under way. */
export const isOpen = (level: Level): boolean => open[level.depth] === level;

/** What a tensor stands for, null if for itself: what has escaped from a transform that is over is again what it is outside of it. */
export function liftOf(x: Tensor): Lift | null {
  while (x._lift !== null && !isOpen(x._lift.level)) x._lift = x._lift.outside;
  const own = x._lift;
  const view = x._view;
  if (view === null || view.opaque) return own;
  const whole = liftOf(view.base);
  if (whole === null || (own && own.level.depth >= whole.level.depth)) return own;
  const lift = whole.ofView(x, view.base);
  if (lift) x._lift = lift;
  return lift ?? own;
}

/** The innermost level to which one of the operands is lifted. */
export function innermost(inputs: readonly Operand[]): Level | null {
  let found: Level | null = null;
  for (const x of inputs) {
    const level = typeof x === 'number' ? null : liftOf(x)?.level;
    if (level && (found === null || level.depth > found.depth)) found = level;
  }
  return found;
}

/** Draws random numbers for all levels under way, the innermost first. */
export function drawn(inputs: readonly Operand[], make: Draw['make'], self: Tensor | null = null): Tensor {
  const from = (depth: number, call: Draw): Tensor => {
    if (depth > 0) return open[depth - 1].draw(call, (outer) => from(depth - 1, outer));
    const { current } = interpreter;
    interpreter.current = null;
    try {
      return call.make(call.inputs, []);
    } finally {
      interpreter.current = current;
    }
  };
  return from(open.length, { self, inputs, make });
}

/** Whether a tensor has a tangent at any level. */
function hasTangent(x: Tensor): boolean {
  const lift = liftOf(x);
  return lift !== null && (lift.shown !== null || hasTangent(lift.value));
}

/** Writes the result of an operator over its first input, whichever of its inputs are lifted. */
function writeLifted(operator: Primitive<unknown>, params: unknown, self: Tensor, others: readonly Operand[]): boolean {
  const inputs = [self, ...others];
  if (!innermost(inputs)) return false;
  const recording = mode.grad && inputs.some(requiresGrad);
  checkInPlace(self, recording, operator.uniform ?? false);
  // what a rule needs of the old value is about to be overwritten, and so is the tangent, which the new one is recorded to depend on
  const needed = (recording && hasTangent(self)) || inputs.some((_, k) => operator.vjp(k, params)?.saves.includes(0));
  const out = run(operator, params, [needed ? self.clone() : self, ...others]) as Tensor;
  if (!sameShape(out.shape, self.shape)) {
    throw new AdjointError(
      'shape',
      `output with shape ${showShape(self.shape)} doesn't match the broadcast shape ${showShape(out.shape)}`,
    );
  }
  overwrite(self, out);
  if (out._node) rewrite(self, { node: out._node, nr: out._outputNr }, 0);
  return true;
}

/** Makes `self` stand, in its own memory, for what `source` stands for. */
export function overwrite(self: Tensor, source: Tensor): void {
  const [own, other] = [liftOf(self), liftOf(source)];
  const lift = own && other && other.level.depth > own.level.depth ? other : (own ?? other);
  if (lift) lift.write(self, source);
  else self.copy_(source);
}

const lifting: Interpreter = {
  run: (operator, params, inputs) => innermost(inputs)?.run(operator, params, inputs) ?? null,
  write: writeLifted,
};

/** Runs `work` at a level, and closes it with those inside that `work` has left open. */
export function at<L extends Level, T>(level: L, work: (level: L) => T): T {
  enter(level);
  try {
    return work(level);
  } finally {
    close(level);
  }
}

/** Opens a level, until it is left. */
export function enter(level: Level): void {
  open.push(level);
  interpreter.current = lifting;
}

/** Closes the innermost level. @throws if that is another one */
export function leave(level: Level): void {
  if (open[open.length - 1] !== level) {
    throw new AdjointError(
      'autograd',
      'levels of transforms have to be left in the order opposite to that in which they were entered',
    );
  }
  close(level);
}

function close(level: Level): void {
  open.length = level.depth;
  if (open.length === 0) interpreter.current = null;
}
