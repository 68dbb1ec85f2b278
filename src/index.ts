// What these add to Tensor: a bare import is kept in the declarations, one of a function is not.
import './autograd/members.ts';
import './ops/methods.ts';
import './ops/pointwise/operators.ts';
import './ops/view/properties.ts';
import { installMembers } from './autograd/members.ts';
import { installNames } from './nn/names.ts';
import { installMethods } from './ops/methods.ts';
import { installOperators } from './ops/pointwise/operators.ts';
import { installProperties } from './ops/view/properties.ts';

export { isAnomalyCheckNanEnabled, isAnomalyEnabled } from './autograd/anomaly.ts';
export { vmap } from './autograd/func.ts';
export * as autograd from './autograd/index.ts';
export { type MemoryScope, memoryScope } from './autograd/memory-scope.ts';
export {
  enableGrad,
  inferenceMode,
  isGradEnabled,
  isInference,
  isInferenceModeEnabled,
  noGrad,
  setGradEnabled,
} from './autograd/modes.ts';
export { type Config, config } from './config.ts';
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
export { type PrintOptions, setPrintoptions } from './core/format.ts';
export { Generator } from './core/generator.ts';
export {
  type MemoryStat,
  type MemoryStats,
  maxMemoryAllocated,
  memoryAllocated,
  memoryReserved,
  memoryStats,
  memorySummary,
  resetPeakMemoryStats,
} from './core/memory-stats.ts';
export { isMemoryDebugEnabled, setMemoryDebug } from './core/poison.ts';
export { type Nested, Tensor } from './core/tensor.ts';
export { AdjointError, type ErrorCode } from './errors.ts';
export * as func from './func.ts';
export { setBlasEnabled } from './kernels/blas.ts';
export { getNumThreads, setNumThreads } from './kernels/threads.ts';
export * as linalg from './linalg.ts';
export * as nn from './nn/index.ts';
export { celu, hardshrink, prelu, rrelu, selu, threshold } from './ops/functional/activation.ts';
export { klDiv } from './ops/functional/class-loss.ts';
export { cosineSimilarity, pairwiseDistance, pdist } from './ops/functional/distance.ts';
export { alphaDropout, dropout, featureAlphaDropout } from './ops/functional/dropout.ts';
export { embedding } from './ops/functional/embedding.ts';
export { binaryCrossEntropyWithLogits, poissonNllLoss } from './ops/functional/loss.ts';
export {
  cosineEmbeddingLoss,
  hingeEmbeddingLoss,
  marginRankingLoss,
  tripletMarginLoss,
} from './ops/functional/margin-loss.ts';
export {
  batchNorm,
  groupNorm,
  instanceNorm,
  layerNorm,
  nativeBatchNorm,
  nativeLayerNorm,
  rmsNorm,
} from './ops/functional/normalization.ts';
export { constantPadNd } from './ops/functional/padding.ts';
export { channelShuffle, pixelShuffle, pixelUnshuffle } from './ops/functional/shuffle.ts';
export * from './ops/indexing/gather-scatter.ts';
export { ellipsis, type IndexItem, type Slice, slice } from './ops/indexing/index-expression.ts';
export { indexPut, maskedScatter, maskedSelect, nonzero, put, take } from './ops/indexing/indexing.ts';
export * from './ops/indexing/sorting.ts';
export { addbmm, addmm, addmv, addr, baddbmm } from './ops/linalg/added-product.ts';
export { einsum, type TensordotDims, tensordot } from './ops/linalg/einsum.ts';
export * from './ops/linalg/linalg.ts';
export { allclose, equal, isclose } from './ops/pointwise/comparison.ts';
export * from './ops/pointwise/pointwise.ts';
export { where } from './ops/pointwise/where.ts';
export { bernoulli, multinomial } from './ops/random/random.ts';
export * from './ops/random/random-creation.ts';
export type { ValuesAndIndices } from './ops/reduction/along.ts';
export * from './ops/reduction/extremum.ts';
export * from './ops/reduction/median.ts';
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
} from './ops/reduction/reduction.ts';
export { cummax, cummin, cumprod, cumsum, logcumsumexp } from './ops/reduction/scan.ts';
export { logSoftmax, softmax } from './ops/reduction/softmax.ts';
export { std, stdMean, var, varMean } from './ops/reduction/variance.ts';
export { fill } from './ops/view/copy.ts';
export * from './ops/view/grid.ts';
export * from './ops/view/join.ts';
export { real } from './ops/view/properties.ts';
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
} from './ops/view/rearrange.ts';
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
  unsafeChunk,
  unsafeSplit,
  unsafeSplitWithSizes,
  unsqueeze,
  vsplit,
} from './ops/view/view.ts';
export * as optim from './optim/index.ts';
export * as utils from './utils/index.ts';

installMembers();
installMethods();
installNames();
installProperties();
installOperators();
