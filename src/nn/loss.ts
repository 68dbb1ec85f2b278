/** Losses as modules: each computes the function of the same name in nn.functional, with its options. */
import type { Tensor } from '../core/tensor.ts';
import { ofThree, ofTwo } from './from-function.ts';
import * as F from './functional.ts';

type Reduction = F.LossReduction;
const mean: Reduction = 'mean';
const noTensor = null as Tensor | null;

/** (input - target)^2 (torch.nn.MSELoss). */
export class MSELoss extends ofTwo(F.mseLoss, { reduction: mean }) {}
/** |input - target| (torch.nn.L1Loss). */
export class L1Loss extends ofTwo(F.l1Loss, { reduction: mean }) {}
/** Quadratic where the distance is below beta, else linear (torch.nn.SmoothL1Loss). */
export class SmoothL1Loss extends ofTwo(F.smoothL1Loss, { reduction: mean, beta: 1 }) {}
/** Quadratic within a distance of delta, linear beyond (torch.nn.HuberLoss). */
export class HuberLoss extends ofTwo(F.huberLoss, { reduction: mean, delta: 1 }) {}
/** -weight[target] * input[target], for log probabilities (torch.nn.NLLLoss). */
export class NLLLoss extends ofTwo(F.nllLoss, { weight: noTensor, ignoreIndex: -100, reduction: mean }) {}
/** NLLLoss of the log softmax, for logits (torch.nn.CrossEntropyLoss). */
export class CrossEntropyLoss extends ofTwo(F.crossEntropy, {
  weight: noTensor,
  ignoreIndex: -100,
  reduction: mean,
  labelSmoothing: 0,
}) {}
/** The cross entropy of probabilities of yes and no (torch.nn.BCELoss). */
export class BCELoss extends ofTwo(F.binaryCrossEntropy, { weight: noTensor, reduction: mean }) {}
/** BCELoss of the sigmoid, for logits (torch.nn.BCEWithLogitsLoss). */
export class BCEWithLogitsLoss extends ofTwo(F.binaryCrossEntropyWithLogits, {
  weight: noTensor,
  reduction: mean,
  posWeight: noTensor,
}) {}
/** The Kullback-Leibler divergence, for log probabilities (torch.nn.KLDivLoss). */
export class KLDivLoss extends ofTwo(F.klDiv, { reduction: mean as Reduction | 'batchmean', logTarget: false }) {}
/** The negative log likelihood of Poisson's distribution (torch.nn.PoissonNLLLoss). */
export class PoissonNLLLoss extends ofTwo(F.poissonNllLoss, {
  logInput: true,
  full: false,
  eps: 1e-8,
  reduction: mean,
}) {}
/** The negative log likelihood of a normal distribution, of input, target and variance (torch.nn.GaussianNLLLoss). */
export class GaussianNLLLoss extends ofThree(F.gaussianNllLoss, { full: false, eps: 1e-6, reduction: mean }) {}
/** input where the target is 1, max(0, margin - input) where it is -1 (torch.nn.HingeEmbeddingLoss). */
export class HingeEmbeddingLoss extends ofTwo(F.hingeEmbeddingLoss, { margin: 1, reduction: mean }) {}
/** log(1 + e^(-target * input)) (torch.nn.SoftMarginLoss). */
export class SoftMarginLoss extends ofTwo(F.softMarginLoss, { reduction: mean }) {}
/** 1 - cos(input1, input2) where the target is 1, what it exceeds the margin by where it is -1 (torch.nn.CosineEmbeddingLoss). */
export class CosineEmbeddingLoss extends ofThree(F.cosineEmbeddingLoss, { margin: 0, reduction: mean }) {}
/** max(0, -target * (input1 - input2) + margin) (torch.nn.MarginRankingLoss). */
export class MarginRankingLoss extends ofThree(F.marginRankingLoss, { margin: 0, reduction: mean }) {}
/** max(0, d(anchor, positive) - d(anchor, negative) + margin) (torch.nn.TripletMarginLoss). */
export class TripletMarginLoss extends ofThree(F.tripletMarginLoss, {
  margin: 1,
  p: 2,
  eps: 1e-6,
  swap: false,
  reduction: mean,
}) {}
/** The mean of what other classes exceed the target's by, plus a margin (torch.nn.MultiMarginLoss). */
export class MultiMarginLoss extends ofTwo(F.multiMarginLoss, {
  p: 1,
  margin: 1,
  weight: noTensor,
  reduction: mean,
}) {}
/** The same for several target classes (torch.nn.MultiLabelMarginLoss). */
export class MultiLabelMarginLoss extends ofTwo(F.multilabelMarginLoss, { reduction: mean }) {}
/** The mean over classes of BCEWithLogitsLoss (torch.nn.MultiLabelSoftMarginLoss). */
export class MultiLabelSoftMarginLoss extends ofTwo(F.multilabelSoftMarginLoss, {
  weight: noTensor,
  reduction: mean,
}) {}
/** The cosine of the angle between two tensors along dim (torch.nn.CosineSimilarity). */
export class CosineSimilarity extends ofTwo(F.cosineSimilarity, { dim: 1, eps: 1e-8 }) {}
/** The p-norm of the difference of two tensors (torch.nn.PairwiseDistance). */
export class PairwiseDistance extends ofTwo(F.pairwiseDistance, { p: 2, eps: 1e-6, keepdim: false }) {}
