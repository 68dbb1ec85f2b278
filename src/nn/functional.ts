/** torch.nn.functional: the operators of neural networks as functions. */
import type { DType } from '../core/dtype.ts';
import { named } from '../core/named.ts';
import type { Tensor } from '../core/tensor.ts';
import { softmax } from '../ops/reduction/softmax.ts';

export * from '../ops/functional/activation.ts';
export { scaledDotProductAttention } from '../ops/functional/attention.ts';
export * from '../ops/functional/class-loss.ts';
export { cosineSimilarity, normalize, pairwiseDistance, pdist } from '../ops/functional/distance.ts';
export * from '../ops/functional/dropout.ts';
export { embedding, embeddingBag, oneHot } from '../ops/functional/embedding.ts';
export { bilinear, linear } from '../ops/functional/linear.ts';
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
} from '../ops/functional/loss.ts';
export * from '../ops/functional/margin-loss.ts';
export {
  batchNorm,
  groupNorm,
  instanceNorm,
  layerNorm,
  localResponseNorm,
  rmsNorm,
} from '../ops/functional/normalization.ts';
export { type Padding, type PaddingMode, pad } from '../ops/functional/padding.ts';
export { channelShuffle, pixelShuffle, pixelUnshuffle } from '../ops/functional/shuffle.ts';
export { sigmoid, tanh } from '../ops/pointwise/pointwise.ts';
export { logSoftmax, softmax } from '../ops/reduction/softmax.ts';

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
