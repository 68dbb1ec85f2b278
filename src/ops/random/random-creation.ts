/** Tensors of random numbers, and the seed of the generator that all of them come from unless told otherwise. */
import { everywhere } from '../../autograd/everywhere.ts';
import { drawn } from '../../autograd/lift.ts';
import { type Operand, primitive, vjp } from '../../autograd/primitive.ts';
import {
  byName,
  fromElements,
  leaf,
  readOptions,
  readSizes,
  type TensorOptions,
  zerosLike,
} from '../../core/creation.ts';
import { type DType, getDefaultDtype } from '../../core/dtype.ts';
import { defaultGenerator, type Generator } from '../../core/generator.ts';
import { checkOptions, isOptions } from '../../core/options.ts';
import { broadcastShapes, checkSize, type Shape, toShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { normal_, uniform_ } from './random.ts';
import { apart, applyApart, drawIntegers, type GeneratorOption, generatorOf, laidOutLike } from './sampling.ts';

/** What random factories take last. */
export interface RandomTensorOptions extends TensorOptions {
  generator?: GeneratorOption;
}

/** Sizes one by one or as an array, then options. */
export type RandomSizesAndOptions =
  | [...sizes: number[]]
  | [...sizes: number[], options: RandomTensorOptions]
  | [sizes: readonly number[], options?: RandomTensorOptions];

/** Checks the options of a random factory and fills in dtype and generator. */
function readRandomOptions(
  call: string,
  options: RandomTensorOptions | undefined,
  fallback: DType,
): { dtype: DType; requiresGrad: boolean; source: Generator } {
  const source = generatorOf(call, isOptions(options) ? (options.generator as GeneratorOption) : undefined);
  if (!isOptions(options)) return { ...readOptions(call, options, fallback), source };
  const { generator: _, ...rest } = options;
  return { ...readOptions(call, rest, fallback), source };
}

type Fill = (x: Tensor, source: Generator) => Tensor;
const normally = (x: Tensor, generator: Generator): Tensor => normal_(x, { generator });
const uniformly = (x: Tensor, generator: Generator): Tensor => uniform_(x, { generator });

/** A tensor that was made and filled: that is no write to it. */
function fresh(x: Tensor): Tensor {
  x.storage.version = 0;
  return x;
}

/** A tensor of this shape, filled: with one draw for every example of a batch that is to have its own. */
const drawnOf = (shape: Shape, dtype: DType, source: Generator, fill: Fill): Tensor =>
  drawn([], (_, batch) => fresh(fill(Tensor.empty([...batch, ...shape], dtype), source)));

function ofSizes(call: string, args: readonly unknown[], fill: Fill): Tensor {
  const { shape, options } = readSizes(args);
  const { dtype, requiresGrad, source } = readRandomOptions(call, options, getDefaultDtype());
  return leaf(drawnOf(shape, dtype, source, fill), requiresGrad);
}

function like(call: string, x: Tensor, options: RandomTensorOptions | undefined, fill: Fill): Tensor {
  if (!(x instanceof Tensor)) throw new AdjointError('argument', `${call}: expected a Tensor, got ${show(x)}`);
  const { dtype, requiresGrad, source } = readRandomOptions(call, options, x.dtype);
  const make = (batch: Shape): Tensor =>
    batch.length === 0 ? laidOutLike(x, dtype) : Tensor.empty([...batch, ...x.shape], dtype);
  return leaf(
    drawn([], (_, batch) => fresh(fill(make(batch), source))),
    requiresGrad,
  );
}

/** Random numbers from the uniform distribution on [0, 1) (torch.rand): `rand(2, 3)`, `rand([2, 3], { dtype: 'float64' })`. */
export const rand = (...args: RandomSizesAndOptions): Tensor => ofSizes('rand', args, uniformly);
/** Random numbers from the normal distribution with mean 0 and variance 1 (torch.randn). */
export const randn = (...args: RandomSizesAndOptions): Tensor => ofSizes('randn', args, normally);
/** `rand` of the shape, dtype and memory order of `x` (torch.rand_like). */
export const randLike = (x: Tensor, options?: RandomTensorOptions): Tensor => like('randLike', x, options, uniformly);
/** `randn` of the shape, dtype and memory order of `x` (torch.randn_like). */
export const randnLike = (x: Tensor, options?: RandomTensorOptions): Tensor => like('randnLike', x, options, normally);

type Integer = number | bigint;
const isBound = (v: unknown): v is Integer => typeof v === 'number' || typeof v === 'bigint';
const integers =
  (low: Integer, high: Integer): Fill =>
  (x, source) => {
    drawIntegers(x, low, high, source);
    return x;
  };

/**
 * Random integers from `low`, or 0, to high - 1, int64 unless told otherwise (torch.randint): `randint(10, [3])`, `randint(-5, 5, [2, 2])`.
 * @throws if low >= high or the dtype does not hold them
 */
export function randint(high: Integer, size: readonly number[], options?: RandomTensorOptions): Tensor;
export function randint(low: Integer, high: Integer, size: readonly number[], options?: RandomTensorOptions): Tensor;
export function randint(high: Integer, options: RandomTensorOptions & { size: readonly number[] }): Tensor;
export function randint(
  low: Integer,
  high: Integer,
  options: RandomTensorOptions & { size: readonly number[] },
): Tensor;
export function randint(
  low: Integer,
  options: RandomTensorOptions & { high: Integer; size: readonly number[] },
): Tensor;
export function randint(
  options: RandomTensorOptions & { low?: Integer; high: Integer; size: readonly number[] },
): Tensor;
export function randint(...args: readonly unknown[]): Tensor {
  // one bound alone is the upper one
  const alone = isBound(args[0]) && !isBound(args[1]) && !(isOptions(args[1]) && 'high' in args[1]);
  const params = byName(['low', 'high', 'size'], alone ? [0, ...args] : args);
  const [low = 0, high, size, given] = params;
  const { dtype, requiresGrad, source } = readRandomOptions(
    'randint',
    given as RandomTensorOptions | undefined,
    'int64',
  );
  if (!Array.isArray(size)) {
    throw new AdjointError(
      'argument',
      `randint: the size must be an array, as in randint(0, 10, [2, 3]), got ${show(size)}`,
    );
  }
  const fill = integers(low as Integer, high as Integer);
  return leaf(drawnOf(toShape([size]), dtype, source, fill), requiresGrad);
}

/** `randint` of the shape, dtype and memory order of `x` (torch.randint_like): `randintLike(x, 10)`, `randintLike(x, -5, 5)`. */
export function randintLike(x: Tensor, high: Integer, options?: RandomTensorOptions): Tensor;
export function randintLike(x: Tensor, low: Integer, high: Integer, options?: RandomTensorOptions): Tensor;
export function randintLike(x: Tensor, ...args: readonly unknown[]): Tensor {
  const [low, high, options] = isBound(args[1]) ? args : [0, ...args];
  return like('randintLike', x, options as RandomTensorOptions, integers(low as Integer, high as Integer));
}

/** The integers from 0 to n - 1 in random order, int64 unless told otherwise (torch.randperm). */
export function randperm(n: number, options?: RandomTensorOptions): Tensor {
  const { dtype, requiresGrad, source } = readRandomOptions('randperm', options, 'int64');
  const shape = [checkSize(n, 'randperm: n')];
  const shuffle = (x: Tensor): Tensor => {
    const elements = x.storage.elements();
    for (let end = n; end <= elements.length && n > 0; end += n) source.randperm(elements.subarray(end - n, end));
    return x;
  };
  return leaf(drawnOf(shape, dtype, source, shuffle), requiresGrad);
}

/** Standard normal numbers times `std` plus `mean`. */
function drawNormal(generator: Generator, mean: Operand, std: Operand): Tensor {
  if (typeof mean === 'number') {
    const { shape, dtype } = std as Tensor;
    return normal_(Tensor.empty(shape, dtype), { generator }).mul_(std).add_(mean);
  }
  if (typeof std === 'number') return normal_(Tensor.empty(mean.shape, mean.dtype), 0, std, generator).add_(mean);
  const out = Tensor.empty(broadcastShapes(mean.shape, std.shape), mean.dtype);
  return normal_(out, { generator }).mul_(std).add_(mean);
}

/** Drawn independently of both moments, so that the gradient is 0. */
const Normal = apart(
  primitive<Generator>('Normal', (generator, mean, std, numbers = drawNormal(generator, mean, std)) => numbers, [
    vjp((g) => zerosLike(g)),
    vjp((g) => zerosLike(g)),
    null,
  ]),
);

/**
 * Random numbers from normal distributions (torch.normal): of each mean and each standard deviation of two tensors that broadcast; of one tensor
 * and one number; or, given a size, all of the same.
 * @throws if a standard deviation is negative
 */
export function normal(mean: Tensor, std?: Tensor | number, options?: { generator?: GeneratorOption }): Tensor;
export function normal(mean: number, std: Tensor, options?: { generator?: GeneratorOption }): Tensor;
export function normal(mean: number, std: number, size: readonly number[], options?: RandomTensorOptions): Tensor;
export function normal(mean: number, std: number, options: RandomTensorOptions & { size: readonly number[] }): Tensor;
export function normal(options: RandomTensorOptions & { mean: number; std: number; size: readonly number[] }): Tensor;
export function normal(...args: readonly unknown[]): Tensor {
  const [mean, std = 1, size, options] = byName(['mean', 'std', 'size'], args) as [
    Tensor | number,
    (Tensor | number)?,
    (readonly number[])?,
    RandomTensorOptions?,
  ];
  for (const moment of [mean, std]) {
    if (!(moment instanceof Tensor) && typeof moment !== 'number')
      throw new AdjointError('argument', `normal: expected a Tensor or a number, got ${show(moment)}`);
  }
  if (typeof mean === 'number' && typeof std === 'number') {
    const { dtype, requiresGrad, source } = readRandomOptions('normal', options, getDefaultDtype());
    if (size === undefined)
      throw new AdjointError('argument', 'normal: two numbers need a size, as in normal(0, 1, [2, 3])');
    const fill = (x: Tensor): Tensor => normal_(x, mean, std, source);
    return leaf(drawnOf(toShape([size]), dtype, source, fill), requiresGrad);
  }
  if (options) checkOptions('normal', options, ['generator']);
  const source = generatorOf('normal', options?.generator);
  if (std instanceof Tensor && !everywhere(std.lt(0).logicalNot()))
    throw new AdjointError('argument', 'normal expects all elements of std >= 0.0');
  return applyApart(Normal, source, [mean, std], (moments, batch) => {
    const own = (x: Tensor): Shape => x.shape.slice(batch.length);
    const rank = Math.max(...moments.map((x) => (typeof x === 'number' ? 0 : own(x).length)));
    const aligned = moments.map((x) => {
      if (typeof x === 'number' || batch.length === 0) return x;
      return x.reshape([...batch, ...new Array<number>(rank - own(x).length).fill(1), ...own(x)]);
    });
    return drawNormal(source, aligned[0], aligned[1]);
  });
}

/**
 * Seeds the generator that random calls use, so that from here on they draw what PyTorch draws after `torch.manual_seed` of the same
 * seed (torch.manual_seed).
 */
export const manualSeed = (seed: number | bigint): Generator => defaultGenerator.manualSeed(seed);
/** Seeds the generator from the platform's entropy and returns the seed (torch.seed). */
export const seed = (): bigint => defaultGenerator.seed();
/** The seed that the generator was last given (torch.initial_seed). */
export const initialSeed = (): bigint => defaultGenerator.initialSeed();

/** The state of the generator as a tensor of bytes, in PyTorch's own layout (torch.get_rng_state). */
export function getRngState(): Tensor {
  const state = defaultGenerator.getState();
  return fromElements(state, [state.length], 'uint8');
}
/** Takes the generator back to a state that `getRngState` returned (torch.set_rng_state). @throws if the tensor holds no such state */
export function setRngState(state: Tensor): void {
  if (!(state instanceof Tensor) || state.dtype !== 'uint8') {
    throw new AdjointError(
      'argument',
      `setRngState: expected a uint8 tensor that getRngState returned, got ${show(state)}`,
    );
  }
  defaultGenerator.setState(state.toTypedArray() as Uint8Array);
}
