/** Channels moved into pixels and back. */

import { named } from '../../core/named.ts';
import { checkSize, showShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';

/** The batch dimensions and the last three, or an error. */
function image(call: string, x: Tensor): [batch: number[], channels: number, height: number, width: number] {
  if (x.ndim < 3) {
    throw new AdjointError(
      'shape',
      `${call} expects input to have at least 3 dimensions, got shape ${showShape(x.shape)}`,
    );
  }
  const [channels, height, width] = x.shape.slice(-3);
  return [x.shape.slice(0, -3), channels, height, width];
}

/**
 * Rearranges (..., C * r^2, H, W) to (..., C, H * r, W * r) for r = `upscaleFactor` (torch.nn.functional.pixel_shuffle).
 * @throws if the channels cannot be divided so
 */
export const pixelShuffle = named('pixelShuffle', ['upscaleFactor'], (x: Tensor, upscaleFactor: number): Tensor => {
  const [batch, channels, height, width] = image('pixelShuffle', x);
  const r = checkSize(upscaleFactor, 'upscaleFactor');
  if (r === 0 || channels % (r * r) !== 0) {
    throw new AdjointError(
      'shape',
      `pixelShuffle expects its input's 'channel' dimension to be divisible by the square of upscaleFactor, but ${channels} is not divisible by ${r * r}`,
    );
  }
  const [n, c] = [batch.length, channels / (r * r)];
  const order = [...batch.keys(), n, n + 3, n + 1, n + 4, n + 2];
  return x
    .reshape([...batch, c, r, r, height, width])
    .permute(order)
    .reshape([...batch, c, height * r, width * r]);
});

/**
 * Rearranges (..., C, H * r, W * r) to (..., C * r^2, H, W) for r = `downscaleFactor` (torch.nn.functional.pixel_unshuffle).
 * @throws if height or width cannot be divided so
 */
export const pixelUnshuffle = named(
  'pixelUnshuffle',
  ['downscaleFactor'],
  (x: Tensor, downscaleFactor: number): Tensor => {
    const [batch, c, height, width] = image('pixelUnshuffle', x);
    const r = checkSize(downscaleFactor, 'downscaleFactor');
    if (r === 0 || height % r !== 0 || width % r !== 0) {
      throw new AdjointError(
        'shape',
        `pixelUnshuffle expects height and width to be divisible by downscaleFactor, but ${height} x ${width} is not divisible by ${r}`,
      );
    }
    const n = batch.length;
    const order = [...batch.keys(), n, n + 2, n + 4, n + 1, n + 3];
    return x
      .reshape([...batch, c, height / r, r, width / r, r])
      .permute(order)
      .reshape([...batch, c * r * r, height / r, width / r]);
  },
);

/**
 * Interleaves `groups` groups of neighbouring channels, dimension 1 of shape (N, C, ...) (torch.nn.functional.channel_shuffle).
 * @throws if the channels cannot be divided so
 */
export const channelShuffle = named('channelShuffle', ['groups'], (x: Tensor, groups: number): Tensor => {
  if (x.ndim < 3) {
    throw new AdjointError('shape', `channelShuffle expects input with > 2 dims, got shape ${showShape(x.shape)}`);
  }
  const [batch, channels, ...rest] = x.shape;
  if (checkSize(groups, 'groups') === 0 || channels % groups !== 0) {
    throw new AdjointError(
      'shape',
      `Number of channels must be divisible by groups. Got ${channels} channels and ${groups} groups.`,
    );
  }
  return x
    .reshape([batch, groups, channels / groups, ...rest])
    .transpose(1, 2)
    .reshape(x.shape);
});
