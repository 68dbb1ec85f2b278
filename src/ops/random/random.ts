/**
 * Sampling: tensors filled with, or made of, random numbers. The numbers are PyTorch's: the same calls after the same seed draw the same.
 *
 * A tensor is filled in the order of its memory: the elements of a transposed matrix are drawn column by column. `generator` is the source;
 * by default the one that `manualSeed` seeds. What is drawn does not depend on what was there, so the gradient is 0.
 */
import { drawn } from '../../autograd/lift.ts';
import { applyInPlace, interpreter, type Operand, type Primitive, primitive, vjp } from '../../autograd/primitive.ts';
import { emptyLike, zerosLike } from '../../core/creation.ts';
import { type DType, isFloatingPoint } from '../../core/dtype.ts';
import type { Generator } from '../../core/generator.ts';
import { named } from '../../core/named.ts';
import { checkOptions, isOptions } from '../../core/options.ts';
import { checkSize, isContiguous, type Shape, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import type { TypedArray } from '../../kernels/element.ts';
import {
  apart,
  applyApart,
  drawIntegers,
  fillInMemoryOrder,
  type GeneratorOption,
  generatorOf,
  memoryOrder,
} from './sampling.ts';

type FloatArray = Extract<TypedArray, Float32Array | Float64Array>;
type LongArray = Extract<TypedArray, BigInt64Array>;

/** Of the tensor that is filled and, where the numbers have been drawn apart, of these. */
const sampler = (name: string): Primitive =>
  apart(primitive(name, (_, x, numbers = x) => numbers.expand(x.shape), [vjp((g) => zerosLike(g)), null]));

/**
 * Fills `self` in place.
 * @param draw fills a tensor with numbers; it takes the inputs as they are for the examples of a batch, if these are to have their own
 */
function fillWith(
  operator: Primitive,
  self: Tensor,
  inputs: readonly Operand[],
  draw: (out: Tensor, inputs: readonly Operand[]) => void,
): Tensor {
  if (!interpreter.current) return applyInPlace(operator, undefined, [self], () => draw(self, inputs));
  const make = (given: readonly Operand[], batch: Shape): Tensor => {
    const out = Tensor.empty([...batch, ...self.shape], self.dtype);
    draw(out, given);
    return out;
  };
  return applyInPlace(operator, undefined, [self, drawn(inputs, make, self)]);
}

/** Fills `self` in place by way of `sample`. */
const fill = (operator: Primitive, self: Tensor, sample: (out: TypedArray) => void): Tensor =>
  fillWith(operator, self, [], (out) => fillInMemoryOrder(out, sample));

function checkFloating(call: string, x: Tensor): void {
  if (!isFloatingPoint(x.dtype)) {
    throw new AdjointError(
      'dtype',
      `${call}: the distribution is continuous, so the dtype must be floating, got ${x.dtype}`,
    );
  }
}

const Uniform = sampler('Uniform');
/**
 * Fills the tensor from the uniform distribution on [from, to) (torch.Tensor.uniform_).
 * @throws if the dtype is not floating or from > to
 */
export const uniform_ = named(
  'uniform_',
  ['from', 'to', 'generator'],
  (self: Tensor, from: number = 0, to: number = 1, generator?: GeneratorOption): Tensor => {
    checkFloating('uniform_', self);
    const source = generatorOf('uniform_', generator);
    return fill(Uniform, self, (out) => source.uniform(out as FloatArray, from, to));
  },
);

const Normal = sampler('Normal');
/**
 * Fills the tensor from the normal distribution with the given mean and standard deviation (torch.Tensor.normal_).
 * @throws if the dtype is not floating or std < 0
 */
export const normal_ = named(
  'normal_',
  ['mean', 'std', 'generator'],
  (self: Tensor, mean: number = 0, std: number = 1, generator?: GeneratorOption): Tensor => {
    checkFloating('normal_', self);
    const source = generatorOf('normal_', generator);
    return fillWith(Normal, self, [], (x) => {
      const contiguous = isContiguous(x.shape, x.strides);
      fillInMemoryOrder(x, (out) => source.normal(out as FloatArray, mean, std, contiguous));
    });
  },
);

const Exponential = sampler('Exponential');
/**
 * Fills the tensor from the exponential distribution of rate `lambd` (torch.Tensor.exponential_).
 * @throws if the dtype is not floating or lambd <= 0
 */
export const exponential_ = named(
  'exponential_',
  ['lambd', 'generator'],
  (self: Tensor, lambd: number = 1, generator?: GeneratorOption): Tensor => {
    checkFloating('exponential_', self);
    const source = generatorOf('exponential_', generator);
    return fill(Exponential, self, (out) => source.exponential(out as FloatArray, lambd));
  },
);

/** The probabilities of a floating tensor, in the order in which the elements of `out` are filled. */
function probabilities(call: string, p: Tensor, out: Tensor): FloatArray {
  checkFloating(`${call}: p`, p);
  return p.permute(memoryOrder(out)).toTypedArray() as FloatArray;
}

const Bernoulli = sampler('Bernoulli');
/**
 * Writes 1 with probability p and 0 otherwise; p is a number, or a tensor that broadcasts to this shape (torch.Tensor.bernoulli_).
 * @throws if a probability is not in [0, 1]
 */
export const bernoulli_ = named(
  'bernoulli_',
  ['p', 'generator'],
  (self: Tensor, p: Tensor | number = 0.5, generator?: GeneratorOption): Tensor => {
    const source = generatorOf('bernoulli_', generator);
    // of the shape of what is filled, so that those of the examples of a batch are, too
    const wanted = p instanceof Tensor ? p.expand(self.shape) : p;
    return fillWith(Bernoulli, self, [wanted], (x, [of]) => {
      const each = typeof of === 'number' ? of : probabilities('bernoulli_', of, x);
      fillInMemoryOrder(x, (out) => source.bernoulli(out, each));
    });
  },
);

function drawBernoulli(source: Generator, x: Tensor): Tensor {
  const out = Tensor.empty(x.shape, x.dtype);
  const each = probabilities('bernoulli', x, out);
  fillInMemoryOrder(out, (elements) => source.bernoulli(elements, each));
  return out;
}

const BernoulliOf = apart(
  primitive<Generator>('Bernoulli', (source, x, numbers = drawBernoulli(source, x)) => numbers, [
    vjp((g) => zerosLike(g)),
    null,
  ]),
);
/**
 * 1 with the probability that each element of `x` says and 0 otherwise, in the dtype of `x` (torch.bernoulli). Given a number `p`, that
 * is the probability for all, and `x` only lends its shape and dtype.
 * @throws if a probability is not in [0, 1], or x is not floating
 */
export const bernoulli = named(
  'bernoulli',
  ['p', 'generator'],
  (x: Tensor, p?: number | null, generator?: GeneratorOption): Tensor => {
    const source = generatorOf('bernoulli', generator);
    if (typeof p === 'number') return drawn([x], ([like]) => bernoulli_(emptyLike(like as Tensor), p, source));
    return applyApart(BernoulliOf, source, [x], ([of]) => drawBernoulli(source, of as Tensor));
  },
);

/** One more than the largest integer up to which the dtype holds all of them. */
const integerEnds: Record<DType, bigint> = {
  bool: 2n,
  uint8: 2n ** 8n,
  int8: 2n ** 7n,
  int16: 2n ** 15n,
  int32: 2n ** 31n,
  int64: 2n ** 63n,
  float32: 2n ** 24n + 1n,
  float64: 2n ** 53n + 1n,
};

const Random = sampler('Random');
type Integer = number | bigint;
interface RandomOptions {
  generator?: GeneratorOption;
}
/**
 * Fills the tensor with integers (torch.Tensor.random_): `random_()` with any that its dtype holds from 0 up, `random_(to)` from 0 to
 * to - 1, `random_(from, to)` from `from` to to - 1, where `null` for `to` means all that the dtype holds.
 * @throws if from >= to or the dtype does not hold them
 */
export function random_(
  self: Tensor,
  ...args: [...bounds: [] | [to: Integer] | [from: Integer, to: Integer | null], options?: RandomOptions]
): Tensor {
  const last = args[args.length - 1];
  const options = isOptions(last) ? last : undefined;
  if (options) checkOptions('random_', options, ['generator']);
  const bounds = (options ? args.slice(0, -1) : args) as (Integer | null | undefined)[];
  const [from, to] = bounds.length < 2 ? [0, bounds[0]] : bounds;
  const source = generatorOf('random_', (options as RandomOptions | undefined)?.generator);
  return fillWith(Random, self, [], (x) => drawIntegers(x, from as Integer, to ?? integerEnds[x.dtype], source));
}

/**
 * `numSamples` category numbers drawn with probability proportional to the weights `x`, for each row if it is a matrix; without
 * `replacement` all different (torch.multinomial). Gives int64.
 * @throws if the weights are not floating, negative or all 0, or there are not enough of them
 */
export const multinomial = named(
  'multinomial',
  ['numSamples', 'replacement', 'generator'],
  (x: Tensor, numSamples: number, replacement: boolean = false, generator?: GeneratorOption): Tensor => {
    checkFloating('multinomial', x);
    if (x.ndim !== 1 && x.ndim !== 2) {
      throw new AdjointError('shape', `multinomial: prob_dist must be 1 or 2 dim, got shape ${showShape(x.shape)}`);
    }
    if (checkSize(numSamples, 'numSamples') === 0) {
      throw new AdjointError('argument', 'multinomial: cannot sample n_sample <= 0 samples');
    }
    const source = generatorOf('multinomial', generator);
    return drawn([x], ([given]) => {
      const rows = given as Tensor;
      const weights = rows.toTypedArray() as FloatArray;
      const out = Tensor.empty(rows.shape.with(-1, numSamples), 'int64');
      const categories = rows.shape[rows.ndim - 1];
      source.multinomial(out.storage.elements() as LongArray, weights, categories, numSamples, replacement);
      return out;
    });
  },
);
