// What these add to Tensor: a bare import is kept in the declarations, one of a function is not.
import './autograd/members.ts';
import './ops/methods.ts';
import './ops/operators.ts';
import './ops/properties.ts';
import { installMembers } from './autograd/members.ts';
import { installNames } from './nn/names.ts';
import { installMethods } from './ops/methods.ts';
import { installOperators } from './ops/operators.ts';
import { installProperties } from './ops/properties.ts';

export * as func from './autograd/func.ts';
export * as autograd from './autograd/index.ts';
export {
  enableGrad,
  inferenceMode,
  isGradEnabled,
  isInferenceModeEnabled,
  noGrad,
  setGradEnabled,
} from './autograd/modes.ts';
export {
  arange,
  empty,
  emptyLike,
  eye,
  full,
  fullLike,
  linspace,
  logspace,
  type NestedArray,
  ones,
  onesLike,
  type SizesAndOptions,
  type TensorOptions,
  tensor,
  zeros,
  zerosLike,
} from './core/creation.ts';
export {
  canCast,
  type DType,
  type FloatDType,
  getDefaultDtype,
  promoteTypes,
  resultType,
  type Scalar,
  setDefaultDtype,
} from './core/dtype.ts';
export { Generator } from './core/generator.ts';
export { type Nested, Tensor } from './core/tensor.ts';
export { AdjointError, type ErrorCode } from './errors.ts';
export * as linalg from './linalg.ts';
export * as nn from './nn/index.ts';
export { celu, hardshrink, prelu, rrelu, selu, threshold } from './ops/activation.ts';
export { addbmm, addmm, addmv, addr, baddbmm } from './ops/added-product.ts';
export type { ValuesAndIndices } from './ops/along.ts';
export { klDiv } from './ops/class-loss.ts';
export { allclose, equal, isclose } from './ops/comparison.ts';
export { fill } from './ops/copy.ts';
export { cosineSimilarity, pairwiseDistance, pdist } from './ops/distance.ts';
export { alphaDropout, dropout, featureAlphaDropout } from './ops/dropout.ts';
export { einsum, type TensordotDims, tensordot } from './ops/einsum.ts';
export { embedding } from './ops/embedding.ts';
export * from './ops/extremum.ts';
export * from './ops/gather-scatter.ts';
export * from './ops/grid.ts';
export { ellipsis, type IndexItem, type Slice, slice } from './ops/index-expression.ts';
export { indexPut, maskedScatter, maskedSelect, nonzero, put, take } from './ops/indexing.ts';
export * from './ops/join.ts';
export * from './ops/linalg.ts';
export { binaryCrossEntropyWithLogits, poissonNllLoss } from './ops/loss.ts';
export { cosineEmbeddingLoss, hingeEmbeddingLoss, marginRankingLoss, tripletMarginLoss } from './ops/margin-loss.ts';
export * from './ops/median.ts';
export {
  batchNorm,
  groupNorm,
  instanceNorm,
  layerNorm,
  nativeBatchNorm,
  nativeLayerNorm,
  rmsNorm,
} from './ops/normalization.ts';
export { constantPadNd } from './ops/padding.ts';
export * from './ops/pointwise.ts';
export { real } from './ops/properties.ts';
export { bernoulli, multinomial } from './ops/random.ts';
export * from './ops/random-creation.ts';
export {
  diag,
  diagEmbed,
  diagflat,
  flip,
  fliplr,
  flipud,
  repeatInterleave,
  roll,
  rot90,
  tile,
  trace,
  tril,
  triu,
} from './ops/rearrange.ts';
export {
  all,
  any,
  countNonzero,
  logsumexp,
  mean,
  nanmean,
  nansum,
  norm,
  prod,
  sum,
} from './ops/reduction.ts';
export { cummax, cummin, cumprod, cumsum, logcumsumexp } from './ops/scan.ts';
export { channelShuffle, pixelShuffle, pixelUnshuffle } from './ops/shuffle.ts';
export * from './ops/softmax.ts';
export * from './ops/sorting.ts';
export { std, stdMean, var, varMean } from './ops/variance.ts';
export {
  adjoint,
  asStrided,
  broadcastTo,
  chunk,
  clone,
  conj,
  conjPhysical,
  diagonal,
  diagonalScatter,
  dsplit,
  flatten,
  hsplit,
  moveaxis,
  movedim,
  narrow,
  permute,
  positive,
  ravel,
  reshape,
  resolveConj,
  resolveNeg,
  select,
  selectScatter,
  sliceScatter,
  split,
  splitWithSizes,
  squeeze,
  swapaxes,
  swapdims,
  t,
  tensorSplit,
  transpose,
  unbind,
  unflatten,
  unsqueeze,
  vsplit,
} from './ops/view.ts';
export { where } from './ops/where.ts';
export * as optim from './optim/index.ts';
export * as utils from './utils/index.ts';

installMembers();
installMethods();
installNames();
installProperties();
installOperators();
