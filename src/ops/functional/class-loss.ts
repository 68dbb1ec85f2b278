/** Losses of the probabilities of many classes, which lie along dimension 1, or 0 of a single sample. */
import { composed } from '../../autograd/batch-rules.ts';
import { everywhere } from '../../autograd/everywhere.ts';
import { apply, type Primitive, primitive, vjp } from '../../autograd/primitive.ts';
import { filled, fromElements } from '../../core/creation.ts';
import { isFloatingPoint } from '../../core/dtype.ts';
import { named } from '../../core/named.ts';
import { numelOf, sameShape, showShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import * as s from '../../kernels/expr.ts';
import { Pointwise } from '../pointwise/pointwise-operator.ts';
import { type ClassLosses, lossOfLogits, scaled } from './logit-loss.ts';
import { checkReduction, checkTensors, type LossReduction, reduced } from './loss.ts';

const NllLoss: Primitive<ClassLosses> = primitive<ClassLosses>(
  'NllLoss',
  (params, x, places, samples, factors) => {
    const losses = x.take(places).mul(factors);
    if (params.reduction === 'none') return filled(params.shape, 0, x.dtype).put(samples, losses);
    return scaled(losses.sum(), params);
  },
  [
    vjp(
      (g, { params, shapes: [shape] }, _, places, samples, factors) => {
        const share = params.reduction === 'none' ? g.take(samples) : scaled(g, params);
        const values = factors.mul(share);
        const zeros = filled(shape, 0, g.dtype);
        // zeros are the same for all examples of a batch, what is written is not
        return values._lift ? zeros.put(places, values) : zeros.put_(places, values);
      },
      0,
      1,
      2,
      3,
    ),
    null,
    null,
    null,
  ],
);

composed(NllLoss);

/** The dimension of the classes: of shape (C), (N, C) and (N, C, d1, ...). */
const classDim = (input: Tensor): number => (input.ndim === 1 ? 0 : 1);

/**
 * -weight[target] * input[target], the input being log probabilities of classes in dimension 1 (torch.nn.functional.nll_loss). The mean
 * weighs the samples by the weights of their classes.
 * @param input of shape (N, C), (N, C, d1, ...) or (C)
 * @param target the classes, of shape (N), (N, d1, ...) or ()
 * @param weight one for each class
 * @param ignoreIndex a target that does not count
 * @throws if a target is no class, or the shapes do not fit
 */
export const nllLoss = named(
  'nllLoss',
  ['target', 'weight', 'ignoreIndex', 'reduction'],
  (
    input: Tensor,
    target: Tensor,
    weight: Tensor | null = null,
    ignoreIndex: number = -100,
    reduction: LossReduction = 'mean',
  ): Tensor => {
    checkReduction('nllLoss', reduction);
    checkClasses('nllLoss', input, target, weight);
    const dim = classDim(input);
    const classes = input.shape[dim];
    const inner = numelOf(input.shape.slice(dim + 1));
    if (target._lift || weight?._lift) return nllOfBatch(input, target, weight, ignoreIndex, reduction);
    const { targets, factors: all, total } = factorsOf(target, classes, weight, ignoreIndex);
    const places: number[] = [];
    const samples: number[] = [];
    const factors: number[] = [];
    for (const [i, c] of targets.entries()) {
      if (c === ignoreIndex) continue;
      const outer = Math.floor(i / inner);
      places.push((outer * classes + c) * inner + (i - outer * inner));
      samples.push(i);
      factors.push(all ? all[i] : -1);
    }
    const count = [places.length];
    return apply(NllLoss, { reduction, shape: target.shape, total }, [
      input,
      fromElements(places, count, 'int32'),
      fromElements(samples, count, 'int32'),
      fromElements(factors, count, input.dtype),
    ]);
  },
);

/**
 * The targets, and what the samples count: minus the weight of the class of each, 0 for one that is ignored, and null if that is -1 for all; the sum of the
 * weights; and whether samples are ignored.
 */
function factorsOf(
  target: Tensor,
  classes: number,
  weight: Tensor | null,
  ignoreIndex: number,
): { targets: Float64Array; factors: Float64Array | null; total: number; ignores: boolean } {
  // big integers take several times as long to read, and classes are far below 2^53
  const targets = target.to('float64').toTypedArray() as Float64Array;
  const weights = weight?.toTypedArray();
  const factors = weights ? new Float64Array(targets.length) : null;
  let total = 0;
  let ignores = false;
  for (let i = 0; i < targets.length; i++) {
    const c = targets[i];
    if (c === ignoreIndex) {
      ignores = true;
      continue;
    }
    if (!(c >= 0 && c < classes))
      throw new AdjointError('index', `Target ${c} is out of bounds: there are ${classes} classes.`);
    const w = weights ? Number(weights[c]) : 1;
    if (factors) factors[i] = -w;
    total += w;
  }
  return { targets, factors, total, ignores };
}

/** The same where targets or weights cannot be read. */
function nllOfBatch(
  input: Tensor,
  target: Tensor,
  weight: Tensor | null,
  ignoreIndex: number,
  reduction: LossReduction,
): Tensor {
  const dim = classDim(input);
  const ignored = target.eq(ignoreIndex);
  const classes = target.maskedFill(ignored, 0);
  if (!everywhere(classes.ge(0).logicalAnd(classes.lt(input.shape[dim])))) {
    throw new AdjointError('index', `A target is out of bounds: there are ${input.shape[dim]} classes.`);
  }
  const picked = input.gather(dim, classes.unsqueeze(dim)).squeeze(dim);
  const factors = weight?.take(classes).maskedFill(ignored, 0);
  const losses = (factors ? picked.mul(factors) : picked).neg().maskedFill(ignored, 0);
  if (reduction === 'none') return losses;
  if (reduction === 'sum') return losses.sum();
  return losses.sum().div((factors ?? ignored.logicalNot()).sum());
}

function checkClasses(call: string, input: Tensor, target: Tensor, weight: Tensor | null): void {
  checkTensors(call, input, target);
  if (isFloatingPoint(target.dtype)) {
    throw new AdjointError('dtype', `${call}: target must hold classes in an integer dtype, got ${target.dtype}`);
  }
  if (input.ndim === 0)
    throw new AdjointError('shape', `${call}: input must have a dimension of classes, got shape []`);
  const dim = classDim(input);
  const expected = input.shape.filter((_, d) => d !== dim);
  if (!sameShape(expected, target.shape)) {
    throw new AdjointError(
      'shape',
      `${call}: Expected target size ${showShape(expected)} for input of shape ${showShape(input.shape)}, got ${showShape(target.shape)}`,
    );
  }
  if (weight !== null && !sameShape(weight.shape, [input.shape[dim]])) {
    throw new AdjointError(
      'shape',
      `${call}: weight tensor should be defined either for all ${input.shape[dim]} classes or no classes but got weight tensor of shape: ${showShape(weight.shape)}`,
    );
  }
}

/**
 * The negative log likelihood of the log softmax of `input` (torch.nn.functional.cross_entropy). With classes as the target, and without label
 * smoothing, it is one node of the graph, which keeps the logits and not their log softmax: so they must not be written over before the backward.
 * @param input logits of shape (N, C), (N, C, d1, ...) or (C)
 * @param target classes as for `nllLoss`, or probabilities of all classes, of the shape of `input` and a floating dtype
 * @param weight one for each class
 * @param ignoreIndex a class that does not count
 * @param labelSmoothing the part of the target, from 0 to 1, that is spread over all classes
 */
export const crossEntropy = named(
  'crossEntropy',
  ['target', 'weight', 'ignoreIndex', 'reduction', 'labelSmoothing'],
  (
    input: Tensor,
    target: Tensor,
    weight: Tensor | null = null,
    ignoreIndex: number = -100,
    reduction: LossReduction = 'mean',
    labelSmoothing: number = 0,
  ): Tensor => {
    checkReduction('crossEntropy', reduction);
    if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
      throw new AdjointError('argument', `label_smoothing must be between 0.0 and 1.0. Got: ${show(labelSmoothing)}`);
    }
    checkTensors('crossEntropy', input, target);
    const ofClasses = labelSmoothing === 0 && isFloatingPoint(input.dtype) && !isFloatingPoint(target.dtype);
    // targets and weights are read, and rows have totals if they have elements
    if (ofClasses && !target._lift && !weight?._lift && input.numel() > 0) {
      checkClasses('crossEntropy', input, target, weight);
      return ofLogits(input, target, weight, ignoreIndex, reduction);
    }
    const logs = input.logSoftmax(classDim(input));
    if (sameShape(input.shape, target.shape) && isFloatingPoint(target.dtype)) {
      return ofProbabilities(logs, target, weight, reduction, labelSmoothing);
    }
    checkClasses('crossEntropy', input, target, weight);
    const loss = nllLoss(logs, target, weight, ignoreIndex, reduction);
    if (labelSmoothing === 0) return loss;
    const smooth = spreadLoss(logs, target, weight, ignoreIndex, reduction);
    return loss.mul(1 - labelSmoothing).add(smooth.mul(labelSmoothing / input.shape[classDim(input)]));
  },
);

/** The loss of logits of samples of one class each. */
function ofLogits(
  input: Tensor,
  target: Tensor,
  weight: Tensor | null,
  ignoreIndex: number,
  reduction: LossReduction,
): Tensor {
  const dim = classDim(input);
  const { factors, total, ignores } = factorsOf(target, input.shape[dim], weight, ignoreIndex);
  const classes = ignores ? target.to('int32').maskedFill(target.eq(ignoreIndex), -1) : target;
  const factor = factors ? fromElements(factors, target.shape, input.dtype).unsqueeze(dim) : -1;
  return lossOfLogits({ dim, reduction, shape: target.shape, total }, input, classes.unsqueeze(dim), factor);
}

/** One weight for each class, shaped to broadcast with the input. */
const alongClasses = (weight: Tensor, input: Tensor): Tensor =>
  weight.reshape(input.shape.map((size, d) => (d === classDim(input) ? size : 1)));

function ofProbabilities(
  logs: Tensor,
  target: Tensor,
  weight: Tensor | null,
  reduction: LossReduction,
  labelSmoothing: number,
): Tensor {
  const dim = classDim(logs);
  const classes = logs.shape[dim];
  const smoothed = labelSmoothing === 0 ? target : target.mul(1 - labelSmoothing).add(labelSmoothing / classes);
  const products = logs.mul(smoothed).neg();
  const losses = weight ? products.mul(alongClasses(weight, logs)) : products;
  if (reduction === 'none') return losses.sum(dim);
  return reduction === 'sum' ? losses.sum() : losses.sum().div(logs.numel() / classes);
}

/** The loss of the part of the target that is spread over all classes. */
function spreadLoss(
  logs: Tensor,
  target: Tensor,
  weight: Tensor | null,
  ignoreIndex: number,
  reduction: LossReduction,
): Tensor {
  const weighted = weight ? logs.mul(alongClasses(weight, logs)) : logs;
  const ignored = target.eq(ignoreIndex);
  const losses = weighted.sum(classDim(logs)).neg().maskedFill(ignored, 0);
  if (reduction === 'none') return losses;
  if (reduction === 'sum') return losses.sum();
  const counted = ignored.logicalNot();
  const total = weight ? weight.take(target.maskedFill(ignored, 0)).mul(counted).sum() : counted.sum();
  return losses.sum().div(total);
}

const xlogx = new Pointwise('Xlogy', (x) => s.select(s.eq(x, 0), 0, s.mul(x, s.log(x))), 1, {
  derivatives: [(x) => s.add(s.log(x), 1)],
});
/**
 * The Kullback-Leibler divergence target * (log(target) - input), the input being log probabilities and, with `logTarget`, the target as
 * well (torch.nn.functional.kl_div). 'batchmean' divides the sum by the size of dimension 0.
 */
export const klDiv = named(
  'klDiv',
  ['target', 'reduction', 'logTarget'],
  (
    input: Tensor,
    target: Tensor,
    reduction: LossReduction | 'batchmean' = 'mean',
    logTarget: boolean = false,
  ): Tensor => {
    checkTensors('klDiv', input, target);
    const losses = logTarget ? target.exp().mul(target.sub(input)) : xlogx.call(target).sub(target.mul(input));
    if (reduction === 'batchmean') return input.ndim === 0 ? losses.sum() : losses.sum().div(input.shape[0]);
    return reduced('klDiv', losses, reduction);
  },
);
