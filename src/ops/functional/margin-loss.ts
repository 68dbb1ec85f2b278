/** Losses that are 0, or little, where a margin is kept. */
import { filled, fromElements } from '../../core/creation.ts';
import { isFloatingPoint } from '../../core/dtype.ts';
import { named } from '../../core/named.ts';
import { showShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import * as s from '../../kernels/expr.ts';
import { where } from '../pointwise/where.ts';
import { logsigmoid } from './activation.ts';
import { pairwiseDistance } from './distance.ts';
import {
  checkReduction,
  checkSameShape,
  checkTensors,
  elementwise,
  type LossReduction,
  logSigmoidExpr,
  reduced,
} from './loss.ts';

const softMargin = elementwise('SoftMarginLoss', (x, y) => s.neg(logSigmoidExpr(s.mul(x, y))), [
  (x, y) => s.neg(s.mul(y, s.sigmoid(s.neg(s.mul(x, y))))),
  null,
]);
/** log(1 + e^(-target * input)) for targets 1 and -1 (torch.nn.functional.soft_margin_loss). */
export const softMarginLoss = named(
  'softMarginLoss',
  ['target', 'reduction'],
  (input: Tensor, target: Tensor, reduction: LossReduction = 'mean'): Tensor => {
    checkSameShape('softMarginLoss', input, target);
    return softMargin('softMarginLoss', reduction, input, target);
  },
);

const positivePart = (x: Tensor): Tensor => x.clampMin(0);

/** max(0, -target * (input1 - input2) + margin) for targets 1 and -1 (torch.nn.functional.margin_ranking_loss). */
export const marginRankingLoss = named(
  'marginRankingLoss',
  ['input2', 'target', 'margin', 'reduction'],
  (input1: Tensor, input2: Tensor, target: Tensor, margin: number = 0, reduction: LossReduction = 'mean'): Tensor => {
    checkTensors('marginRankingLoss', input1, input2, target);
    const losses = positivePart(target.neg().mul(input1.sub(input2)).add(margin));
    return reduced('marginRankingLoss', losses, reduction);
  },
);

/** input where target is 1, max(0, margin - input) where it is -1 (torch.nn.functional.hinge_embedding_loss). */
export const hingeEmbeddingLoss = named(
  'hingeEmbeddingLoss',
  ['target', 'margin', 'reduction'],
  (input: Tensor, target: Tensor, margin: number = 1, reduction: LossReduction = 'mean'): Tensor => {
    checkTensors('hingeEmbeddingLoss', input, target);
    const far = where(target.ne(1), positivePart(input.neg().add(margin)), 0);
    const near = where(target.ne(-1), input, 0);
    return reduced('hingeEmbeddingLoss', far.add(near), reduction);
  },
);

/**
 * 1 - cos(input1, input2) where target is 1, max(0, cos(input1, input2) - margin) where it is -1
 * (torch.nn.functional.cosine_embedding_loss).
 * @param target of shape (N) for inputs of shape (N, D), or () for (D)
 */
export const cosineEmbeddingLoss = named(
  'cosineEmbeddingLoss',
  ['input2', 'target', 'margin', 'reduction'],
  (input1: Tensor, input2: Tensor, target: Tensor, margin: number = 0, reduction: LossReduction = 'mean'): Tensor => {
    checkTensors('cosineEmbeddingLoss', input1, input2, target);
    if (target.ndim > 1 || input1.ndim !== target.ndim + 1 || input2.ndim !== input1.ndim) {
      throw new AdjointError(
        'shape',
        `cosineEmbeddingLoss: expected inputs of (N, D) and a target of (N), or (D) and (), got ${[input1, input2, target].map((t) => showShape(t.shape)).join(', ')}`,
      );
    }
    const dim = target.ndim;
    const tiny = 1e-12;
    const squares = (x: Tensor): Tensor => x.square().sum(dim).add(tiny);
    const cosine = input1
      .mul(input2)
      .sum(dim)
      .div(squares(input1).mul(squares(input2)).sqrt());
    const near = where(target.eq(1), cosine.neg().add(1), 0);
    const far = where(target.eq(-1), positivePart(cosine.sub(margin)), 0);
    return reduced('cosineEmbeddingLoss', near.add(far), reduction);
  },
);

/**
 * max(0, d(anchor, positive) - d(anchor, negative) + margin) for the distance of norm p (torch.nn.functional.triplet_margin_loss).
 * @param swap whether d(positive, negative) counts where it is less than d(anchor, negative)
 */
export const tripletMarginLoss = named(
  'tripletMarginLoss',
  ['positive', 'negative', 'margin', 'p', 'eps', 'swap', 'reduction'],
  (
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: number = 1,
    p: number = 2,
    eps: number = 1e-6,
    swap: boolean = false,
    reduction: LossReduction = 'mean',
  ): Tensor => {
    checkTensors('tripletMarginLoss', anchor, positive, negative);
    const near = pairwiseDistance(anchor, positive, p, eps);
    const far = pairwiseDistance(anchor, negative, p, eps);
    const farthest = swap ? far.minimum(pairwiseDistance(positive, negative, p, eps)) : far;
    return reduced('tripletMarginLoss', positivePart(near.sub(farthest).add(margin)), reduction);
  },
);

/** The classes of targets as `multiMarginLoss` takes them, checked, with a dimension for the samples. */
function checkTargets(call: string, input: Tensor, target: Tensor): void {
  checkTensors(call, input, target);
  if (isFloatingPoint(target.dtype)) {
    throw new AdjointError('dtype', `${call}: target must hold classes in an integer dtype, got ${target.dtype}`);
  }
  const samples = input.ndim < 2 ? 1 : input.shape[0];
  if (input.ndim > 2 || target.ndim > 1 || target.numel() !== samples) {
    throw new AdjointError(
      'shape',
      `${call}: expected an input of (N, C) and a target of (N), or (C) and (), got ${showShape(input.shape)} and ${showShape(target.shape)}`,
    );
  }
}

/**
 * The mean over the classes c of weight[target] * max(0, margin - input[target] + input[c])^p, without c = target
 * (torch.nn.functional.multi_margin_loss).
 * @param target the classes, of shape (N) for an input of (N, C), or () for (C)
 * @throws if p is neither 1 nor 2, or a target is no class
 */
export const multiMarginLoss = named(
  'multiMarginLoss',
  ['target', 'p', 'margin', 'weight', 'reduction'],
  (
    input: Tensor,
    target: Tensor,
    p: number = 1,
    margin: number = 1,
    weight: Tensor | null = null,
    reduction: LossReduction = 'mean',
  ): Tensor => {
    if (p !== 1 && p !== 2)
      throw new AdjointError('argument', `multiMarginLoss: only p == 1 and p == 2 supported, got ${show(p)}`);
    checkTargets('multiMarginLoss', input, target);
    const rows = input.ndim < 2 ? input.reshape([1, input.numel()]) : input;
    const classes = target.reshape([rows.shape[0], 1]);
    const excess = positivePart(rows.sub(rows.gather(1, classes)).add(margin)).scatter(1, classes, 0);
    const powers = p === 1 ? excess : excess.square();
    const losses = (weight ? powers.mul(weight.take(classes)) : powers).mean(1);
    return reduced('multiMarginLoss', input.ndim < 2 ? losses.reshape([]) : losses, reduction);
  },
);

/**
 * The sum of max(0, 1 - input[t] + input[c]) over the target classes t and all others c, divided by the number of classes
 * (torch.nn.functional.multilabel_margin_loss).
 * @param target of the shape of `input`, (N, C) or (C): the classes of each sample, and -1 where there are no more
 */
export const multilabelMarginLoss = named(
  'multilabelMarginLoss',
  ['target', 'reduction'],
  (input: Tensor, target: Tensor, reduction: LossReduction = 'mean'): Tensor => {
    checkReduction('multilabelMarginLoss', reduction);
    checkSameShape('multilabelMarginLoss', input, target);
    const classes = input.ndim === 0 ? 1 : input.shape[input.ndim - 1];
    const samples = input.ndim < 2 ? [] : input.shape.slice(0, -1);
    const pairs = targetPairs(target, classes);
    const place = (list: number[]): Tensor => fromElements(list, [list.length], 'int32');
    const excess = positivePart(
      input
        .take(place(pairs.others))
        .sub(input.take(place(pairs.targets)))
        .add(1),
    );
    const losses = filled(samples, 0, input.dtype).put(place(pairs.samples), excess, true).div(classes);
    return reduced('multilabelMarginLoss', losses, reduction);
  },
);

/** The places in the input of each target class and each class that is none, for each sample. */
function targetPairs(target: Tensor, classes: number): { targets: number[]; others: number[]; samples: number[] } {
  const pairs = { targets: [] as number[], others: [] as number[], samples: [] as number[] };
  const elements = Array.from(target.toTypedArray(), Number);
  for (let start = 0; start < elements.length; start += classes) {
    const row = elements.slice(start, start + classes);
    const end = row.indexOf(-1);
    const chosen = end < 0 ? row : row.slice(0, end);
    for (const t of chosen) {
      if (!(t >= 0 && t < classes)) {
        throw new AdjointError(
          'index',
          `multilabelMarginLoss: Target ${t} is out of bounds: there are ${classes} classes.`,
        );
      }
      for (let c = 0; c < classes; c++) {
        if (chosen.includes(c)) continue;
        pairs.targets.push(start + t);
        pairs.others.push(start + c);
        pairs.samples.push(start / classes);
      }
    }
  }
  return pairs;
}

/**
 * The mean over the classes of -weight * (target * log sigmoid(input) + (1 - target) * log sigmoid(-input))
 * (torch.nn.functional.multilabel_soft_margin_loss).
 */
export const multilabelSoftMarginLoss = named(
  'multilabelSoftMarginLoss',
  ['target', 'weight', 'reduction'],
  (input: Tensor, target: Tensor, weight: Tensor | null = null, reduction: LossReduction = 'mean'): Tensor => {
    checkTensors('multilabelSoftMarginLoss', input, target);
    const yes = target.mul(logsigmoid(input));
    const no = target.neg().add(1).mul(logsigmoid(input.neg()));
    const losses = yes.add(no).neg();
    return reduced('multilabelSoftMarginLoss', (weight ? losses.mul(weight) : losses).mean(-1), reduction);
  },
);
