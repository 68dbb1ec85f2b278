/** torch.nn.functional: the operators of neural networks as functions. */
import type { DType } from '../core/dtype.ts';
import type { Tensor } from '../core/tensor.ts';
import { named } from '../ops/named.ts';
import { softmax } from '../ops/softmax.ts';

export * from '../ops/activation.ts';
export { scaledDotProductAttention } from '../ops/attention.ts';
export * from '../ops/class-loss.ts';
export { cosineSimilarity, normalize, pairwiseDistance, pdist } from '../ops/distance.ts';
export * from '../ops/dropout.ts';
export { embedding, embeddingBag, oneHot } from '../ops/embedding.ts';
export { bilinear, linear } from '../ops/linear.ts';
export {
  binaryCrossEntropy,
  binaryCrossEntropyWithLogits,
  gaussianNllLoss,
  huberLoss,
  type LossReduction,
  l1Loss,
  mseLoss,
  poissonNllLoss,
  smoothL1Loss,
} from '../ops/loss.ts';
export * from '../ops/margin-loss.ts';
export { batchNorm, groupNorm, instanceNorm, layerNorm, localResponseNorm, rmsNorm } from '../ops/normalization.ts';
export { type Padding, type PaddingMode, pad } from '../ops/padding.ts';
export { sigmoid, tanh } from '../ops/pointwise.ts';
export { channelShuffle, pixelShuffle, pixelUnshuffle } from '../ops/shuffle.ts';
export { logSoftmax, softmax } from '../ops/softmax.ts';

/** max(x, 0), with derivative 0 at 0 (torch.nn.functional.relu). */
export const relu = named(
  'relu',
  ['inplace'],
  (x: Tensor, inplace: boolean = false): Tensor => (inplace ? x.relu_() : x.relu()),
);
/** `relu` in place (torch.nn.functional.relu_). */
export const relu_ = (x: Tensor): Tensor => x.relu_();

/** The softmax of -x along `dim` (torch.nn.functional.softmin). */
export const softmin = named(
  'softmin',
  ['dim', 'dtype'],
  (x: Tensor, dim: number, dtype: DType | null = null): Tensor => softmax(x.neg(), dim, dtype),
);
