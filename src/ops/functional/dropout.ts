/** Dropout: elements or whole channels set to 0 at random, drawn as PyTorch draws them; without `training` all give back their input. */

import { drawn } from '../../autograd/lift.ts';
import { named } from '../../core/named.ts';
import { showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import * as s from '../../kernels/expr.ts';
import { Pointwise, tensorOperand } from '../pointwise/pointwise-operator.ts';
import { bernoulli_ } from '../random/random.ts';
import { laidOutLike } from '../random/sampling.ts';

// the noise is 1 for what is kept, which then weighs more; PyTorch's own last steps give the nodes their names
const Drop = new Pointwise('Mul', (x, noise, keep) => s.mul(x, s.div(noise, keep)), 3, {
  derivatives: [(_x, noise, keep) => s.div(noise, keep), null, null],
});
const AlphaDrop = new Pointwise(
  'Add',
  (x, noise, scale, low, shift) => s.add(s.mul(x, s.mul(noise, scale)), s.add(s.mul(s.sub(noise, 1), low), shift)),
  5,
  { derivatives: [(_x, noise, scale) => s.mul(noise, scale), null, null, null, null] },
);
const Nothing = new Pointwise('Mul', (x) => s.raw('mul', x, 0), 1);

/** -alpha * scale is what selu approaches far below 0: there is where alpha dropout puts what it drops. */
const alpha = 1.7580993408473766;

type Kind = 'plain' | 'alpha';

/** Drops elements, with one draw for each element of `like`, which broadcasts to `x`. */
function drop(
  call: string,
  kind: Kind,
  x: Tensor,
  p: number,
  training: boolean,
  inplace: boolean,
  like: (x: Tensor) => Tensor,
): Tensor {
  tensorOperand(call, x);
  if (!(p >= 0 && p <= 1)) {
    throw new AdjointError('argument', `${call}: dropout probability has to be between 0 and 1, but got ${show(p)}`);
  }
  const apply = (operator: Pointwise, ...operands: (Tensor | number)[]): Tensor =>
    inplace ? operator.callInPlace(x, ...operands) : operator.call(x, ...operands);
  if (p === 0 || !training || x.numel() === 0) return x;
  if (p === 1) return apply(Nothing);
  const noise = drawn([], (_, batch) => {
    const own = like(x);
    return bernoulli_(batch.length === 0 ? own : Tensor.empty([...batch, ...own.shape], own.dtype), 1 - p);
  });
  if (kind === 'plain') return apply(Drop, noise, 1 - p);
  const scale = 1 / Math.sqrt((alpha * alpha * p + 1) * (1 - p));
  return apply(AlphaDrop, noise, scale, alpha * scale, alpha * scale * p);
}

const everyElement = (x: Tensor): Tensor => laidOutLike(x);

/** One element for each channel of each sample. */
function everyChannel(x: Tensor): Tensor {
  if (x.ndim < 2) {
    throw new AdjointError(
      'shape',
      `Feature dropout requires at least 2 dimensions in the input, samples and channels, got shape ${showShape(x.shape)}`,
    );
  }
  return Tensor.empty(
    x.shape.map((size, d) => (d < 2 ? size : 1)),
    x.dtype,
  );
}

/** The same for an input without a dimension of samples. */
const everyChannelOfOne = (x: Tensor): Tensor => Tensor.empty([x.shape[0], ...x.shape.slice(1).map(() => 1)], x.dtype);

const parameters = ['p', 'training', 'inplace'] as const;

/** Defines a dropout by what it drops together, `like` having one element for each, and whether it takes itself to be in training. */
const dropping = (call: string, kind: Kind, like: (x: Tensor) => Tensor, byDefault: boolean) =>
  named(
    call,
    parameters,
    (x: Tensor, p: number = 0.5, training: boolean = byDefault, inplace: boolean = false): Tensor =>
      drop(call, kind, x, p, training, inplace, like),
  );

/**
 * In training, sets each element to 0 with probability p and divides the others by 1 - p; else `x` itself (torch.nn.functional.dropout).
 * @throws if p is not from 0 to 1
 */
export const dropout = dropping('dropout', 'plain', everyElement, true);

/** `dropout` of whole channels, dimension 1 of shape (N, C, ...) (torch.nn.functional.dropout2d). */
export const dropout2d = dropping('dropout2d', 'plain', everyChannel, true);

/** `dropout` of whole channels of shape (N, C, L) or (C, L) (torch.nn.functional.dropout1d). */
export const dropout1d = named(
  'dropout1d',
  parameters,
  (x: Tensor, p: number = 0.5, training: boolean = true, inplace: boolean = false): Tensor => {
    if (x.ndim !== 2 && x.ndim !== 3) {
      throw new AdjointError('shape', `dropout1d: Expected 2D or 3D input, but received shape ${showShape(x.shape)}`);
    }
    return drop('dropout1d', 'plain', x, p, training, inplace, x.ndim === 3 ? everyChannel : everyChannelOfOne);
  },
);

/** `dropout` of whole channels of shape (N, C, D, H, W) or (C, D, H, W) (torch.nn.functional.dropout3d). */
export const dropout3d = dropping(
  'dropout3d',
  'plain',
  (x) => (x.ndim === 5 ? everyChannel(x) : everyChannelOfOne(x)),
  true,
);

/**
 * Dropout for networks of selu: drops to the value that selu has far below 0, and keeps mean 0 and variance 1
 * (torch.nn.functional.alpha_dropout).
 */
export const alphaDropout = dropping('alphaDropout', 'alpha', everyElement, false);

/** `alphaDropout` of whole channels, dimension 1 of shape (N, C, ...) (torch.nn.functional.feature_alpha_dropout). */
export const featureAlphaDropout = dropping('featureAlphaDropout', 'alpha', everyChannel, false);
