/**
 * Memory for time: torch.utils.checkpoint, in its non-reentrant form. A function that is run under a checkpoint leaves, in place of each
 * tensor that its graph would save, an empty place. When a backward asks for the first of them, the function is run once more, and what is
 * saved on the way goes to the places in the same order, for that backward.
 */
import { engine } from '../autograd/current.ts';
import { leadsTo } from '../autograd/memory-scope.ts';
import { enableGrad, isGradEnabled, scoped } from '../autograd/modes.ts';
import type { Metadata } from '../autograd/node.ts';
import { interpreter } from '../autograd/primitive.ts';
import { Kept, save, savedTensorsHooks } from '../autograd/saved.ts';
import { defaultGenerator } from '../core/generator.ts';
import { checkOptions, isOptions } from '../core/options.ts';
import { sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { CheckpointLog } from './checkpoint-log.ts';
import type { CheckpointContext } from './selective-checkpoint.ts';

export * from './selective-checkpoint.ts';

/** How `checkpoint` runs its function again. */
export interface CheckpointOptions {
  /** Whether random numbers are the same when the function is run again, and the generator is left as it was then. Defaults to true. */
  preserveRngState?: boolean;
  /** Makes what the function runs in, at first and again: two functions that call what they are given, as `noGrad` does. */
  contextFn?: () => readonly [forward: CheckpointContext, recomputation: CheckpointContext];
  /** Whether what is saved again must have the shapes and dtypes of the first time; 'none' leaves it unchecked. */
  determinismCheck?: 'default' | 'none';
  /** Whether the error of a function that does not do the same again tells which operators ran. Not with `contextFn`. */
  debug?: boolean;
  /** Whether the function is left as soon as everything is there that is needed. Defaults to true. */
  earlyStop?: boolean;
  /** The reentrant form of PyTorch is not here: the one that is has none of its restrictions. */
  useReentrant?: false;
}

const known = ['preserveRngState', 'contextFn', 'determinismCheck', 'debug', 'earlyStop', 'useReentrant'];

/** What the setters below have set. */
let earlyStopForAll: boolean | null = null;
let debugForAll: boolean | null = null;

/** For as long as a `graphExecGroup` lasts. */
let group: object | null = null;

type Func = (...args: unknown[]) => unknown;

/** Where a tensor goes that the graph would have saved. It refers to the call so that a graph leads to the arguments: memory-scope.ts looks. */
interface Place extends Metadata {
  readonly call: Call;
}

interface Argument {
  readonly argument?: unknown;
  unpack(): unknown;
}

/** An argument, to be had again later: a tensor is saved as a node saves it. */
function keep(argument: unknown): Argument {
  return argument instanceof Tensor ? save(argument, null) : { argument, unpack: () => argument };
}

/** A call of a function under a checkpoint. The graph refers to it, so it holds no tensor but those among the arguments. */
class Call {
  private readonly func: Func;
  private readonly args: readonly Argument[];
  private readonly context: CheckpointContext;
  private readonly log: CheckpointLog | null;
  private readonly randomState: Uint8Array | null;
  private readonly earlyStop: boolean;
  private readonly checked: boolean;
  private readonly places: Place[] = [];
  /** What was computed again for each backward (or group of them), as far as it has not been taken yet. */
  private readonly recomputed = new WeakMap<object, Map<Place, Kept>>();
  /** Whether the function has returned. */
  complete = false;

  constructor(
    func: Func,
    args: readonly unknown[],
    options: CheckpointOptions,
    context: CheckpointContext,
    log: CheckpointLog | null,
  ) {
    const { preserveRngState = true, earlyStop = true, determinismCheck = 'default' } = options;
    this.func = func;
    this.args = args.map(keep);
    this.context = context;
    this.log = log;
    this.randomState = preserveRngState ? defaultGenerator.getState() : null;
    this.earlyStop = earlyStopForAll ?? earlyStop;
    this.checked = determinismCheck === 'default';
  }

  /** An empty place for a tensor that is being saved. */
  readonly reserve = ({ shape, dtype }: Tensor): Place => {
    const place = { shape, dtype, call: this };
    this.places.push(place);
    return place;
  };

  /** The tensor that belongs to a place. Each backward can have it once. */
  readonly take = (place: Place): Tensor => {
    const { recomputed } = this;
    const backward = group ?? engine.run;
    let filled = backward && recomputed.get(backward);
    if (!filled) {
      filled = this.recompute();
      if (backward) recomputed.set(backward, filled);
    }
    const kept = filled.get(place);
    if (!kept) {
      throw checkpointError(
        'Unpack is being triggered for a tensor that was already unpacked once. ' +
          (group
            ? 'Performing two backward calls that overlap (i.e. require the same saved activation in order to compute gradients) is not ' +
              'allowed inside of a graphExecGroup.'
            : 'If you are reading ctx.savedTensors in a backward, do so only once: const [x, y] = ctx.savedTensors.'),
      );
    }
    filled.delete(place);
    return kept.unpack();
  };

  /** Runs the function once more. */
  private recompute(): Map<Place, Kept> {
    const { places, complete, earlyStop } = this;
    const finished = new Error('everything is there');
    const differences: string[] = [];
    const args = this.args.map((argument) => argument.unpack());
    const filled = new Map<Place, Kept>();
    let count = 0;
    const fillNext = (given: Tensor): Tensor => {
      const tensor = given.requiresGrad ? given.detach() : given;
      if (count < places.length) {
        filled.set(places[count], new Kept(tensor, null));
        leadsTo(null, tensor); // the function may be left before a scope of its own has returned it
        if (this.checked) differences.push(...difference(count, places[count], tensor));
      } else if (complete) {
        // while the function is still running for the first time, what comes after a backward inside of it has no place yet
        throw this.mismatch('trying to save more tensors during recomputation than during the original forward pass.');
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
      if (error !== finished) throw error;
    }
    if (count < places.length) {
      throw this.mismatch(
        'A different number of tensors was saved during the original forward and recomputation.\n' +
          `Number of tensors saved during forward: ${places.length}\nNumber of tensors saved during recomputation: ${count}.`,
      );
    }
    if (differences.length > 0) {
      const text = 'Recomputed values for the following tensors have different metadata than during the forward pass.';
      throw this.mismatch(`${text}\n${differences.join('\n')}`);
    }
    return filled;
  }

  /** With the random numbers of the first time, if they are to be the same; the generator is left as it is. */
  private runAgain(args: readonly unknown[]): void {
    const { func, context, randomState } = this;
    const now = randomState && defaultGenerator.getState();
    if (randomState) defaultGenerator.setState(randomState);
    try {
      context(() => func(...args));
    } finally {
      if (now) defaultGenerator.setState(now);
    }
  }

  /** What is wrong if the function has not done the same again. */
  private mismatch(what: string): AdjointError {
    const error = checkpointError(
      `${what}\nThe function must do the same whenever it is run. Tip: to see which operators ran, pass \`debug: true\` to checkpoint, or ` +
        'run the program in setCheckpointDebugEnabled(true, ...).',
    );
    if (!this.log) return error;
    return Object.assign(checkpointError(`${what}\n\n${this.log}`), { cause: error });
  }
}

function difference(i: number, { shape, dtype }: Metadata, again: Tensor): string[] {
  if (sameShape(again.shape, shape) && again.dtype === dtype) return [];
  const metadata = (x: Metadata): string => `${x.dtype} ${showShape(x.shape)}`;
  return [
    `tensor at position ${i}:\nsaved metadata: ${metadata({ shape, dtype })}\nrecomputed metadata: ${metadata(again)}`,
  ];
}

const checkpointError = (what: string): AdjointError => new AdjointError('autograd', `utils.checkpoint: ${what}`);

/** Throws unless these are options that make sense. */
function checkCheckpointOptions(call: string, options: CheckpointOptions): void {
  checkOptions(call, options, known);
  const { determinismCheck = 'default', useReentrant = false, contextFn } = options;
  const fail = (code: 'argument' | 'unsupported', what: string): never => {
    throw new AdjointError(code, `${call}: ${what}`);
  };
  if (determinismCheck !== 'default' && determinismCheck !== 'none') {
    fail('argument', `determinismCheck should be one of ["default", "none"], but got ${show(determinismCheck)}`);
  }
  if (useReentrant !== false) fail('unsupported', 'there is no reentrant form; leave useReentrant out');
  if (contextFn !== undefined && typeof contextFn !== 'function') {
    fail('argument', `contextFn is a function that returns two contexts, got ${show(contextFn)}`);
  }
  for (const key of ['preserveRngState', 'debug', 'earlyStop'] as const) {
    const value = options[key] ?? false;
    if (typeof value !== 'boolean') fail('argument', `${key} takes true or false, got ${show(value)}`);
  }
  if (contextFn && (debugForAll ?? options.debug)) fail('argument', 'debug: true is incompatible with a contextFn');
}

const noContext: CheckpointContext = (work) => work();

function contextsOf(contextFn: NonNullable<CheckpointOptions['contextFn']>): readonly CheckpointContext[] {
  const contexts: unknown = contextFn();
  if (Array.isArray(contexts) && contexts.length === 2 && contexts.every((c) => typeof c === 'function'))
    return contexts;
  throw new AdjointError(
    'argument',
    `checkpoint: contextFn returns [forward, recomputation], two functions that call the function they are given, got ${show(contexts)}`,
  );
}

/** Runs a function under a checkpoint. */
function run(func: Func, args: readonly unknown[], options: CheckpointOptions): unknown {
  checkCheckpointOptions('checkpoint', options);
  if (!isGradEnabled() || interpreter.current !== null) return func(...args);
  const { debug = false, contextFn } = options;
  const log = (debugForAll ?? debug) ? new CheckpointLog() : null;
  const [context, contextAgain] = log?.contexts ?? (contextFn ? contextsOf(contextFn) : [noContext, noContext]);
  const call = new Call(func, args, options, contextAgain, log);
  let returned: { readonly result: unknown } | null = null;
  const work = (): unknown => {
    returned = { result: func(...args) };
    return returned.result;
  };
  savedTensorsHooks(call.reserve, call.take, () => context(work));
  if (returned === null) {
    throw checkpointError(
      'the forward context provided by contextFn suppressed an exception, or did not call what it was given, so there is no result to return.',
    );
  }
  call.complete = true;
  return (returned as { readonly result: unknown }).result;
}

/** A function, or a module. */
type Callable<A extends readonly unknown[], R> = ((...args: A) => R) | { forward(...args: A): R };

/**
 * Returns `func(...args)`, without keeping in memory what its gradient needs but for the tensors among `args`: when a backward gets there,
 * `func` is run once more (torch.utils.checkpoint.checkpoint with use_reentrant=False). Gradients are those of `func` itself, of
 * any order, with respect to `args` or to anything else that it uses. Checkpoints may be nested.
 *
 * `func`, a function or a module, must do the same whenever it is run. While a transform is under way (func, forward mode), it is simply
 * called. A last argument that is a plain object is taken for options if it has nothing but options. Without a
 * function, returns what makes the checkpointed form of one: `checkpoint(options)(func)(...args)`.
 * @example const y = utils.checkpoint.checkpoint(block, x);
 * @throws in the backward, if running `func` again saved other tensors than the first time, or if a custom function reads
 * `ctx.savedTensors` more than once
 */
export function checkpoint(options?: CheckpointOptions): Checkpointed;
export function checkpoint<A extends readonly unknown[], R>(
  func: Callable<A, R>,
  ...args: [...A, options: CheckpointOptions]
): R;
export function checkpoint<A extends readonly unknown[], R>(func: Callable<A, R>, ...args: A): R;
export function checkpoint(first?: unknown, ...rest: readonly unknown[]): unknown {
  if (first === undefined || (isOptions(first) && !('forward' in first))) {
    const options: CheckpointOptions = first ?? {};
    checkCheckpointOptions('checkpoint', options);
    return (func: unknown) => {
      const callable = functionOf(func);
      return (...args: unknown[]) => run(callable, args, options);
    };
  }
  const func = functionOf(first);
  const last = rest.at(-1);
  const hasOptions = isOptions(last) && Object.keys(last).every((key) => known.includes(key));
  return run(func, hasOptions ? rest.slice(0, -1) : rest, hasOptions ? last : {});
}

/** Makes the checkpointed form of a function or module. */
type Checkpointed = <A extends readonly unknown[], R>(func: Callable<A, R>) => (...args: A) => R;

function functionOf(func: unknown): Func {
  if (typeof func === 'function') return func as Func;
  if (typeof func === 'object' && func !== null && 'forward' in func && typeof func.forward === 'function') {
    return func.forward.bind(func);
  }
  throw new AdjointError('argument', `checkpoint runs a function or a module, got ${show(func)}`);
}

/**
 * Runs modules or functions one after the other, each on the result of the one before, in `segments` parts of which all but the last are
 * under a checkpoint of their own (torch.utils.checkpoint.checkpoint_sequential).
 * @param functions an nn.Sequential, or an array of modules and functions
 * @throws if there are fewer functions than segments
 */
export function checkpointSequential(
  functions: Iterable<Callable<[x: Tensor], Tensor>>,
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
  const apply = (part: typeof steps, x: Tensor): Tensor =>
    part.reduce((y, step) => (typeof step === 'function' ? step(y) : step.forward(y)), x);
  const checkpointed = size * (segments - 1);
  let x = input;
  for (let start = 0; start < checkpointed; start += size) {
    const part = steps.slice(start, start + size);
    x = checkpoint((y: Tensor) => apply(part, y), x, options);
  }
  return apply(steps.slice(checkpointed), x);
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

/**
 * Whether checkpoints made while it is in force tell in their errors which operators ran, whatever their own `debug` says; null leaves
 * it to that (torch.utils.checkpoint.set_checkpoint_debug_enabled).
 */
export function setCheckpointDebugEnabled<T>(enabled: boolean | null, callback: () => T): T;
export function setCheckpointDebugEnabled(enabled: boolean | null): Disposable;
export function setCheckpointDebugEnabled<T>(enabled: boolean | null, callback?: () => T): T | Disposable {
  return scoped(() => {
    const before = debugForAll;
    debugForAll = enabled;
    return () => {
      debugForAll = before;
    };
  }, callback);
}

/**
 * While it is in force, the function of a checkpoint is run again at most once, for all backwards together (torch.utils.checkpoint.GraphExecGroup).
 * They must go through different parts of the graph.
 * @throws if it is in force already
 */
export function graphExecGroup<T>(callback: () => T): T;
export function graphExecGroup(): Disposable;
export function graphExecGroup<T>(callback?: () => T): T | Disposable {
  return scoped(() => {
    if (group) throw checkpointError('graphExecGroup cannot be nested.');
    group = {};
    return () => {
      group = null;
    };
  }, callback);
}
