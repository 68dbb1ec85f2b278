/**
 * Memory for time: torch.utils.checkpoint, in its non-reentrant form. A function that is run under a checkpoint leaves, in place of each
 * tensor that its graph would save, an empty place. When a backward asks for the first of them, the function is run once more, and what is
 * saved on the way goes to the places in the same order.
 */
import { enableGrad, isGradEnabled, scoped } from '../autograd/modes.ts';
import type { Metadata } from '../autograd/node.ts';
import { interpreter } from '../autograd/primitive.ts';
import { Kept, save, savedTensorsHooks } from '../autograd/saved.ts';
import { defaultGenerator } from '../core/generator.ts';
import { checkOptions, isOptions } from '../core/options.ts';
import { sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';

/** How `checkpoint` runs its function again. */
export interface CheckpointOptions {
  /** Whether random numbers are the same when the function is run again, and the generator is left as it was then. Defaults to true. */
  preserveRngState?: boolean;
  /** Whether what is saved again must have the shapes and dtypes of the first time; 'none' leaves it unchecked. */
  determinismCheck?: 'default' | 'none';
  /** Whether the function is left as soon as everything is there that is needed. Defaults to true. */
  earlyStop?: boolean;
  /** The reentrant form of PyTorch is not here: the one that is has none of its restrictions. */
  useReentrant?: false;
}

const known = ['preserveRngState', 'determinismCheck', 'earlyStop', 'useReentrant'];

/** What `setCheckpointEarlyStop` has set. */
let earlyStopForAll: boolean | null = null;

/** Where a tensor goes that the graph would have saved. */
interface Place extends Metadata {
  tensor: Kept | null;
}

/** An argument, to be had again later: a tensor is saved as a node saves it. */
function keep(argument: unknown): { unpack(): unknown } {
  return argument instanceof Tensor ? save(argument, null) : { unpack: () => argument };
}

/** A call of a function under a checkpoint. The graph refers to it, so it holds no tensor but those among the arguments. */
class Call {
  private readonly func: (...args: unknown[]) => unknown;
  private readonly args: readonly { unpack(): unknown }[];
  private readonly randomState: Uint8Array | null;
  private readonly earlyStop: boolean;
  private readonly checked: boolean;
  private readonly places: Place[] = [];
  /** Whether the function has returned. */
  complete = false;

  constructor(func: (...args: unknown[]) => unknown, args: readonly unknown[], options: CheckpointOptions) {
    const { preserveRngState = true, earlyStop = true, determinismCheck = 'default' } = options;
    this.func = func;
    this.args = args.map(keep);
    this.randomState = preserveRngState ? defaultGenerator.getState() : null;
    this.earlyStop = earlyStopForAll ?? earlyStop;
    this.checked = determinismCheck === 'default';
  }

  /** An empty place for a tensor that is being saved. */
  readonly reserve = ({ shape, dtype }: Tensor): Place => {
    const place = { shape, dtype, tensor: null };
    this.places.push(place);
    return place;
  };

  /** The tensor that belongs to a place. It does not stay there. */
  readonly take = (place: Place): Tensor => {
    if (place.tensor === null) this.fill();
    const tensor = (place.tensor as unknown as Kept).unpack();
    place.tensor = null;
    return tensor;
  };

  /** Runs the function once more. */
  private fill(): void {
    const { places, complete, earlyStop } = this;
    const finished = new Error('everything is there');
    const differences: string[] = [];
    const args = this.args.map((argument) => argument.unpack());
    let count = 0;
    const fillNext = (given: Tensor): Tensor => {
      const tensor = given.detach();
      if (count < places.length) {
        places[count].tensor = new Kept(tensor, null);
        if (this.checked) differences.push(...difference(count, places[count], tensor));
      } else if (complete) {
        // while the function is still running for the first time, what comes after a backward inside of it has no place yet
        throw mismatch('trying to save more tensors during recomputation than during the original forward pass.');
      }
      count++;
      if (earlyStop && count === places.length) throw finished;
      return tensor;
    };
    try {
      enableGrad(() =>
        savedTensorsHooks(
          fillNext,
          (tensor) => tensor,
          () => this.runAgain(args),
        ),
      );
    } catch (error) {
      if (error !== finished) throw this.emptied(error);
    }
    if (count < places.length) {
      throw this.emptied(
        mismatch(
          'A different number of tensors was saved during the original forward and recomputation.\n' +
            `Number of tensors saved during forward: ${places.length}\nNumber of tensors saved during recomputation: ${count}.`,
        ),
      );
    }
    if (differences.length > 0) {
      const text = 'Recomputed values for the following tensors have different metadata than during the forward pass.';
      throw this.emptied(mismatch(`${text}\n${differences.join('\n')}`));
    }
  }

  /** With the random numbers of the first time, if they are to be the same; the generator is left as it is. */
  private runAgain(args: readonly unknown[]): void {
    const { func, randomState } = this;
    if (randomState === null) {
      func(...args);
      return;
    }
    const now = defaultGenerator.getState();
    defaultGenerator.setState(randomState);
    try {
      func(...args);
    } finally {
      defaultGenerator.setState(now);
    }
  }

  /** Drops what a failed attempt has left, and returns its error. */
  private emptied(error: unknown): unknown {
    for (const place of this.places) place.tensor = null;
    return error;
  }
}

function difference(i: number, { shape, dtype }: Metadata, again: Tensor): string[] {
  if (sameShape(again.shape, shape) && again.dtype === dtype) return [];
  const recomputed = `${again.dtype} ${showShape(again.shape)}`;
  return [`tensor at position ${i}: saved as ${dtype} ${showShape(shape)}, recomputed as ${recomputed}`];
}

const mismatch = (what: string): AdjointError =>
  new AdjointError('autograd', `utils.checkpoint: ${what}\nThe function must do the same whenever it is run.`);

/** Throws unless these are options that make sense. */
function checkCheckpointOptions(call: string, options: CheckpointOptions): void {
  checkOptions(call, options, known);
  const { determinismCheck = 'default', useReentrant = false } = options;
  if (determinismCheck !== 'default' && determinismCheck !== 'none') {
    throw new AdjointError(
      'argument',
      `${call}: determinismCheck should be 'default' or 'none', but got ${show(determinismCheck)}`,
    );
  }
  if (useReentrant !== false) {
    throw new AdjointError('unsupported', `${call}: there is no reentrant form; leave useReentrant out`);
  }
}

/**
 * Returns `func(...args)`, without keeping in memory what its gradient needs but for the tensors among `args`: when a backward gets there,
 * `func` is run once more (torch.utils.checkpoint.checkpoint with use_reentrant=False). Gradients are those of `func` itself, of
 * any order, with respect to `args` or to anything else that it uses. Checkpoints may be nested.
 *
 * `func` must do the same whenever it is run. While a transform is under way (func, forward mode), it is simply called. A last argument that is a plain object is taken for options if it has nothing but options.
 * @example const y = utils.checkpoint.checkpoint((t) => block.forward(t), x);
 * @throws in the backward, if running `func` again saved other tensors than the first time
 */
export function checkpoint<A extends readonly unknown[], R>(
  func: (...args: A) => R,
  ...args: [...A, options: CheckpointOptions]
): R;
export function checkpoint<A extends readonly unknown[], R>(func: (...args: A) => R, ...args: A): R;
export function checkpoint(func: (...args: unknown[]) => unknown, ...rest: readonly unknown[]): unknown {
  const last = rest.at(-1);
  const hasOptions = isOptions(last) && Object.keys(last).every((key) => known.includes(key));
  const args = hasOptions ? rest.slice(0, -1) : rest;
  const options: CheckpointOptions = hasOptions ? last : {};
  checkCheckpointOptions('checkpoint', options);
  if (!isGradEnabled() || interpreter.current !== null) return func(...args);
  const call = new Call(func, args, options);
  const result = savedTensorsHooks(call.reserve, call.take, () => func(...args));
  call.complete = true;
  return result;
}

/** A module, or a function. */
type Step = { forward(x: Tensor): Tensor } | ((x: Tensor) => Tensor);

/**
 * Runs modules or functions one after the other, each on the result of the one before, in `segments` parts of which all but the last are
 * under a checkpoint of their own (torch.utils.checkpoint.checkpoint_sequential).
 * @param functions an nn.Sequential, or an array of modules and functions
 * @throws if there are fewer functions than segments
 */
export function checkpointSequential(
  functions: Iterable<Step>,
  segments: number,
  input: Tensor,
  options: CheckpointOptions = {},
): Tensor {
  checkCheckpointOptions('checkpointSequential', options);
  const steps = [...functions];
  if (!Number.isInteger(segments) || segments < 1 || segments > steps.length) {
    throw new AdjointError(
      'argument',
      `checkpointSequential: segments must be a whole number from 1 to the number of functions, ${steps.length}, but got ${show(segments)}`,
    );
  }
  const size = Math.floor(steps.length / segments);
  const run = (part: readonly Step[], x: Tensor): Tensor =>
    part.reduce((y, step) => (typeof step === 'function' ? step(y) : step.forward(y)), x);
  const checkpointed = size * (segments - 1);
  let x = input;
  for (let start = 0; start < checkpointed; start += size) {
    const part = steps.slice(start, start + size);
    x = checkpoint((y: Tensor) => run(part, y), x, options);
  }
  return run(steps.slice(checkpointed), x);
}

/**
 * Whether checkpoints made while it is in force stop running their function as soon as everything that a backward needs is there, whatever
 * their own options say (torch.utils.checkpoint.set_checkpoint_early_stop). For functions that have to be run to the end.
 */
export function setCheckpointEarlyStop<T>(enable: boolean, callback: () => T): T;
export function setCheckpointEarlyStop(enable: boolean): Disposable;
export function setCheckpointEarlyStop<T>(enable: boolean, callback?: () => T): T | Disposable {
  return scoped(() => {
    const before = earlyStopForAll;
    earlyStopForAll = enable;
    return () => {
      earlyStopForAll = before;
    };
  }, callback);
}
