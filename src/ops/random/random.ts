/**
 * Sampling: tensors filled with, or made of, random numbers. The numbers are PyTorch's: the same calls after the same seed draw the same.
 *
 * A tensor is filled in the order of its memory: the elements of a transposed matrix are drawn column by column. `generator` is the source;
 * by default the one that `manualSeed` seeds. What is drawn does not depend on what was there, so the gradient is 0.
 */
import { apply, applyInPlace, type Primitive, primitive, vjp } from '../../autograd/primitive.ts';
import { zerosLike } from '../../core/creation.ts';
import { type DType, isFloatingPoint } from '../../core/dtype.ts';
import type { Generator } from '../../core/generator.ts';
import { named } from '../../core/named.ts';
import { checkOptions, isOptions } from '../../core/options.ts';
import { checkSize, isContiguous, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import type { TypedArray } from '../../kernels/element.ts';
import { drawIntegers, fillInMemoryOrder, type GeneratorOption, generatorOf, memoryOrder } from './sampling.ts';

type FloatArray = Extract<TypedArray, Float32Array | Float64Array>;
type LongArray = Extract<TypedArray, BigInt64Array>;

const sampler = (name: string): Primitive => primitive(name, (_, x) => x, [vjp((g) => zerosLike(g))]);

/** Fills `self` in place by way of `sample`. */
const fill = (operator: Primitive, self: Tensor, sample: (out: TypedArray) => void): Tensor =>
  applyInPlace(operator, undefined, self, [], () => fillInMemoryOrder(self, sample));

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
    const contiguous = isContiguous(self.shape, self.strides);
    return fill(Normal, self, (out) => source.normal(out as FloatArray, mean, std, contiguous));
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
    return applyInPlace(Bernoulli, undefined, self, [], () => {
      const each = p instanceof Tensor ? probabilities('bernoulli_', p.expand(self.shape), self) : p;
      fillInMemoryOrder(self, (out) => source.bernoulli(out, each));
    });
  },
);

const BernoulliOf = primitive<Generator>(
  'Bernoulli',
  (source, x) => {
    const out = Tensor.empty(x.shape, x.dtype);
    const each = probabilities('bernoulli', x, out);
    fillInMemoryOrder(out, (elements) => source.bernoulli(elements, each));
    return out;
  },
  [vjp((g) => zerosLike(g))],
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
    return typeof p === 'number'
      ? bernoulli_(Tensor.empty(x.shape, x.dtype), p, source)
      : apply(BernoulliOf, source, [x]);
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
  return applyInPlace(Random, undefined, self, [], () =>
    drawIntegers(self, from as Integer, to ?? integerEnds[self.dtype], source),
  );
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
    const weights = x.toTypedArray() as FloatArray;
    const out = Tensor.empty([...x.shape.slice(0, -1), numSamples], 'int64');
    const categories = x.shape[x.ndim - 1];
    generatorOf('multinomial', generator).multinomial(
      out.storage.elements() as LongArray,
      weights,
      categories,
      numSamples,
      replacement,
    );
    return out;
  },
);
