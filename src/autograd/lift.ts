/**
 * Tensors that stand for more than their elements while a transform runs: for a value together with a tangent (forward.ts), or for a whole
 * batch of values (vmap.ts). Transforms nest, each in a level of its own; an operator is interpreted for the innermost level among its
 * inputs first, and what that comes to for the levels outside of it.
 */
import { sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { unrecorded } from './modes.ts';
import { type Interpreter, interpreter, type Operand, type Primitive, run } from './primitive.ts';

/** What a lifted tensor stands for at one level. */
export abstract class Lift {
  readonly level: Level;

  constructor(level: Level) {
    this.level = level;
  }

  /** What the tensor whose lift this is stands for outside the graph, as an ordinary tensor's `detach` gives. */
  abstract detach(): Tensor;

  /** Writes what `source` stands for over what `target` stands for, of which this is the lift. */
  abstract write(target: Tensor, source: Tensor): void;
}

/** One transform under way. */
export abstract class Level {
  readonly depth: number;

  constructor() {
    this.depth = open.length;
  }

  /** Applies an operator of which some inputs are lifted to this level, and none further in. */
  abstract run(primitive: Primitive<unknown>, params: unknown, inputs: readonly Operand[]): Tensor | Tensor[];
}

const open: Level[] = [];

/** The innermost level to which one of the operands is lifted. */
export function innermost(inputs: readonly Operand[]): Level | null {
  let found: Level | null = null;
  for (const x of inputs) {
    const level = typeof x === 'number' ? undefined : x._lift?.level;
    // what has escaped from a transform that is over is an ordinary tensor again
    if (level && open[level.depth] === level && (found === null || level.depth > found.depth)) found = level;
  }
  return found;
}

/** Writes the result of an operator over its first input, whichever of its inputs are lifted. */
function writeLifted(operator: Primitive<unknown>, params: unknown, self: Tensor, others: readonly Operand[]): boolean {
  const level = innermost([self, ...others]);
  if (!level) return false;
  if (self._view) {
    throw new AdjointError(
      'unsupported',
      'inside a transform, a write through a view does not reach the tensor that it is a view of: compute out of place',
    );
  }
  const out = run(operator, params, [self, ...others]) as Tensor;
  if (!sameShape(out.shape, self.shape)) {
    throw new AdjointError(
      'shape',
      `output with shape ${showShape(self.shape)} doesn't match the broadcast shape ${showShape(out.shape)}`,
    );
  }
  unrecorded(() => overwrite(self, out));
  self._node = out._node;
  self._outputNr = out._outputNr;
  return true;
}

/** Makes `self` stand, in its own memory, for what `source` stands for. */
export function overwrite(self: Tensor, source: Tensor): void {
  const lift = self._lift ?? source._lift;
  if (lift) lift.write(self, source);
  else self.copy_(source);
}

const lifting: Interpreter = {
  run: (operator, params, inputs) => innermost(inputs)?.run(operator, params, inputs) ?? null,
  write: writeLifted,
};

/** Runs `work` at a level. */
export function at<L extends Level, T>(level: L, work: (level: L) => T): T {
  enter(level);
  try {
    return work(level);
  } finally {
    leave(level);
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
  open.pop();
  if (open.length === 0) interpreter.current = null;
}

/** Another tensor object over the same elements in the same place of the graph, lifted to the same levels. */
export function twin(x: Tensor): Tensor {
  const copy = new Tensor(x.storage, x.shape, x.strides, x.offset);
  copy._node = x._node;
  copy._outputNr = x._outputNr;
  copy._view = x._view;
  copy._lift = x._lift;
  return copy;
}
