/**
 * torch.nn.init: initial values of parameters. Each function overwrites its tensor, unrecorded, and returns it; after the same
 * `manualSeed` the values are PyTorch's.
 */
import { noGrad } from '../autograd/modes.ts';
import { emptyLike, eye, tensor as tensorOf } from '../core/creation.ts';
import { named } from '../core/named.ts';
import { numelOf, showShape } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { where } from '../ops/pointwise/where.ts';
import type { GeneratorOption } from '../ops/random/sampling.ts';

/** Draws from the uniform distribution on [a, b) (torch.nn.init.uniform_). */
export const uniform_ = named(
  'uniform_',
  ['a', 'b', 'generator'],
  (tensor: Tensor, a: number = 0, b: number = 1, generator?: GeneratorOption): Tensor =>
    noGrad(() => tensor.uniform_(a, b, generator)),
);

/** Draws from the normal distribution (torch.nn.init.normal_). */
export const normal_ = named(
  'normal_',
  ['mean', 'std', 'generator'],
  (tensor: Tensor, mean: number = 0, std: number = 1, generator?: GeneratorOption): Tensor =>
    noGrad(() => tensor.normal_(mean, std, generator)),
);

/** Draws from the normal distribution what lies in [a, b], as PyTorch 2 does (torch.nn.init.trunc_normal_). */
export const truncNormal_ = named(
  'truncNormal_',
  ['mean', 'std', 'a', 'b', 'generator'],
  (
    tensor: Tensor,
    mean: number = 0,
    std: number = 1,
    a: number = -2,
    b: number = 2,
    generator?: GeneratorOption,
  ): Tensor => {
    if (!(std > 0 && a < b)) {
      throw new AdjointError(
        'argument',
        `truncNormal_: expected std > 0 and a < b, got ${[std, a, b].map(show).join(', ')}`,
      );
    }
    // draws whole tensors, and keeps of each what is still wanting
    const inside = normalCdf((b - mean) / std) - normalCdf((a - mean) / std);
    return noGrad(() => (inside > 0.3 ? drawNormal : drawUniform)(tensor, mean, std, a, b, generator));
  },
);

type Draw = (tensor: Tensor, mean: number, std: number, a: number, b: number, generator: GeneratorOption) => Tensor;

const normalCdf = (x: number): number =>
  (1 +
    Number(
      tensorOf(x / Math.SQRT2, { dtype: 'float64' })
        .erf()
        .item(),
    )) /
  2;

/** Normal numbers, drawn again where they are out of bounds. */
const drawNormal: Draw = (tensor, mean, std, a, b, generator) => {
  tensor.normal_(mean, std, generator);
  for (;;) {
    const outside = tensor.lt(a).logicalOr(tensor.gt(b));
    if (!outside.any().item()) return tensor;
    tensor.copy_(where(outside, emptyLike(tensor).normal_(mean, std, generator), tensor));
  }
};

/** Uniform numbers, accepted with the probability that the density there bears to its greatest. */
const drawUniform: Draw = (tensor, mean, std, a, b, generator) => {
  const logDensity = (x: Tensor): Tensor => x.sub(mean).div(std).square().mul(-0.5);
  const greatest = -0.5 * ((Math.max(a, Math.min(mean, b)) - mean) / std) ** 2;
  let pending: Tensor | null = null;
  for (;;) {
    const candidates = emptyLike(tensor).uniform_(a, b, generator);
    const rejected = emptyLike(tensor).uniform_({ generator }).log().gt(logDensity(candidates).sub(greatest));
    tensor.copy_(pending ? where(pending, candidates, tensor) : candidates);
    pending = pending ? pending.logicalAnd(rejected) : rejected;
    if (!pending.any().item()) return tensor;
  }
};

/** Sets every element to `value` (torch.nn.init.constant_). */
export const constant_ = (tensor: Tensor, value: number): Tensor => noGrad(() => tensor.fill_(value));
/** Sets every element to 1 (torch.nn.init.ones_). */
export const ones_ = (tensor: Tensor): Tensor => constant_(tensor, 1);
/** Sets every element to 0 (torch.nn.init.zeros_). */
export const zeros_ = (tensor: Tensor): Tensor => constant_(tensor, 0);

/** Makes a matrix the identity (torch.nn.init.eye_). */
export function eye_(tensor: Tensor): Tensor {
  if (tensor.ndim !== 2) {
    throw new AdjointError(
      'shape',
      `eye_: Only tensors with 2 dimensions are supported, got ${showShape(tensor.shape)}`,
    );
  }
  const [rows, columns] = tensor.shape;
  return noGrad(() => tensor.copy_(eye(rows, columns, { dtype: tensor.dtype })));
}

/** How many inputs feed an element of the result of a layer with this weight, and how many results an input feeds. */
export function fans(weight: Tensor): { fanIn: number; fanOut: number } {
  if (weight.ndim < 2) {
    throw new AdjointError(
      'shape',
      `Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, got shape ${showShape(weight.shape)}`,
    );
  }
  const field = numelOf(weight.shape.slice(2));
  return { fanIn: weight.shape[1] * field, fanOut: weight.shape[0] * field };
}

const gains = {
  linear: 1,
  conv1d: 1,
  conv2d: 1,
  conv3d: 1,
  convTranspose1d: 1,
  convTranspose2d: 1,
  convTranspose3d: 1,
  sigmoid: 1,
  tanh: 5 / 3,
  relu: Math.SQRT2,
  selu: 3 / 4,
};

/** The functions that `calculateGain` knows. */
export type Nonlinearity = keyof typeof gains | 'leakyRelu';

/**
 * By how much the deviation of initial weights should be greater for the sake of the nonlinearity that follows (torch.nn.init.calculate_gain).
 * @param param the negative slope of leakyRelu, 0.01 by default
 */
export function calculateGain(nonlinearity: Nonlinearity, param: number | null = null): number {
  if (nonlinearity === 'leakyRelu') return Math.sqrt(2 / (1 + (param ?? 0.01) ** 2));
  if (Object.hasOwn(gains, nonlinearity)) return gains[nonlinearity];
  throw new AdjointError(
    'argument',
    `Unsupported nonlinearity ${show(nonlinearity)}; known are ${[...Object.keys(gains), 'leakyRelu'].join(', ')}`,
  );
}

const xavierDeviation = (tensor: Tensor, gain: number): number => {
  const { fanIn, fanOut } = fans(tensor);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
};

/** Glorot's uniform initialisation: on (-a, a) with a = gain * sqrt(6 / (fanIn + fanOut)) (torch.nn.init.xavier_uniform_). */
export const xavierUniform_ = named(
  'xavierUniform_',
  ['gain', 'generator'],
  (tensor: Tensor, gain: number = 1, generator?: GeneratorOption): Tensor => {
    const bound = Math.sqrt(3) * xavierDeviation(tensor, gain);
    return uniform_(tensor, -bound, bound, generator);
  },
);

/** Glorot's normal initialisation: of deviation gain * sqrt(2 / (fanIn + fanOut)) (torch.nn.init.xavier_normal_). */
export const xavierNormal_ = named(
  'xavierNormal_',
  ['gain', 'generator'],
  (tensor: Tensor, gain: number = 1, generator?: GeneratorOption): Tensor =>
    normal_(tensor, 0, xavierDeviation(tensor, gain), generator),
);

/** Which fan the deviation of Kaiming's initialisation keeps the variance for: forward or backward. */
export type FanMode = 'fanIn' | 'fanOut';

function kaimingDeviation(tensor: Tensor, a: number, mode: FanMode, nonlinearity: Nonlinearity): number {
  if (mode !== 'fanIn' && mode !== 'fanOut') {
    throw new AdjointError('argument', `Mode ${show(mode)} not supported, please use one of 'fanIn', 'fanOut'`);
  }
  return calculateGain(nonlinearity, a) / Math.sqrt(fans(tensor)[mode]);
}

/**
 * He's uniform initialisation: on (-bound, bound) with bound = gain * sqrt(3 / fan) (torch.nn.init.kaiming_uniform_).
 * @param a the negative slope, if a leakyRelu follows
 */
export const kaimingUniform_ = named(
  'kaimingUniform_',
  ['a', 'mode', 'nonlinearity', 'generator'],
  (
    tensor: Tensor,
    a: number = 0,
    mode: FanMode = 'fanIn',
    nonlinearity: Nonlinearity = 'leakyRelu',
    generator?: GeneratorOption,
  ): Tensor => {
    if (tensor.numel() === 0) return tensor;
    const bound = Math.sqrt(3) * kaimingDeviation(tensor, a, mode, nonlinearity);
    return uniform_(tensor, -bound, bound, generator);
  },
);

/**
 * He's normal initialisation: of deviation gain / sqrt(fan) (torch.nn.init.kaiming_normal_).
 * @param a the negative slope, if a leakyRelu follows
 */
export const kaimingNormal_ = named(
  'kaimingNormal_',
  ['a', 'mode', 'nonlinearity', 'generator'],
  (
    tensor: Tensor,
    a: number = 0,
    mode: FanMode = 'fanIn',
    nonlinearity: Nonlinearity = 'leakyRelu',
    generator?: GeneratorOption,
  ): Tensor =>
    tensor.numel() === 0 ? tensor : normal_(tensor, 0, kaimingDeviation(tensor, a, mode, nonlinearity), generator),
);
