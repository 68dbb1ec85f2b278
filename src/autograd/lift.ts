/**
 * Tensors that stand for more than their elements while a transform runs: for a value together with a tangent (forward.ts), or for a whole
 * batch of values (vmap.ts). Transforms nest, each in a level of its own; an operator is interpreted for the innermost level among its
 * inputs first, and what that comes to for the levels outside of it.
 */
import { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { interpreter, type Operand, type Primitive } from './primitive.ts';

/** What a lifted tensor stands for at one level. */
export abstract class Lift {
  readonly level: Level;

  constructor(level: Level) {
    this.level = level;
  }
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
function innermost(inputs: readonly Operand[]): Level | null {
  let found: Level | null = null;
  for (const x of inputs) {
    const level = typeof x === 'number' ? undefined : x._lift?.level;
    if (level && (found === null || level.depth > found.depth)) found = level;
  }
  return found;
}

/** Runs `work` at a new level. What it returns must have been brought down from the level. */
export function atLevel<L extends Level, T>(make: () => L, work: (level: L) => T): T {
  const level = make();
  enter(level);
  try {
    return work(level);
  } finally {
    leave(level);
  }
}

export function enter(level: Level): void {
  open.push(level);
  interpreter.run = (primitive, params, inputs) => innermost(inputs)?.run(primitive, params, inputs) ?? null;
}

export function leave(level: Level): void {
  if (open[open.length - 1] !== level) {
    throw new AdjointError(
      'autograd',
      'levels of transforms have to be left in the order opposite to that in which they were entered',
    );
  }
  open.pop();
  if (open.length === 0) interpreter.run = null;
}

/** The level at which a tensor is lifted outermost to the user: null if it is an ordinary tensor. */
export const isLiftedTo = (x: Operand, level: Level): x is Tensor => typeof x !== 'number' && x._lift?.level === level;

/** Another tensor object over the same elements in the same place of the graph, lifted to the same levels. */
export function twin(x: Tensor): Tensor {
  const copy = new Tensor(x.storage, x.shape, x.strides, x.offset);
  copy._node = x._node;
  copy._outputNr = x._outputNr;
  copy._view = x._view;
  copy._lift = x._lift;
  return copy;
}
