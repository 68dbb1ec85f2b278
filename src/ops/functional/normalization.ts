/**
 * Normalisation: the mean taken off and the standard deviation divided out, over the elements of each sample (layer), group of channels
 * (group), channel of a batch (batch) or channel of a sample (instance); then a weight and a bias.
 */
import { alignExamples, examplesOf } from '../../autograd/batch-rules.ts';
import { noGrad } from '../../autograd/modes.ts';
import type { Gradients } from '../../autograd/node.ts';
import {
  applySeveral,
  type Operand,
  type Primitive,
  primitiveOfSeveral,
  result,
  run,
  type Source,
  type Vjp,
  vjp,
  withBatchRule,
} from '../../autograd/primitive.ts';
import { isShared } from '../../autograd/vmap.ts';
import { named } from '../../core/named.ts';
import { checkSize, numelOf, type Shape, sameShape, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import * as s from '../../kernels/expr.ts';
import { Pointwise, tensorOperand } from '../pointwise/pointwise-operator.ts';
import { varMean } from '../reduction/variance.ts';
import { constantPadNd } from './padding.ts';

interface Over {
  /** The dimensions that are normalised together. */
  readonly dims: readonly number[];
  readonly eps: number;
}

const ReciprocalDeviation = new Pointwise('Rsqrt', (v, eps) => s.div(1, s.sqrt(s.add(v, eps))), 2);
const Standard = new Pointwise('Mul', (x, mean, rstd) => s.mul(s.sub(x, mean), rstd), 3);
const Affine = new Pointwise(
  'NativeBatchNorm',
  (x, mean, rstd, weight, bias) => s.add(s.mul(s.mul(s.sub(x, mean), rstd), weight), bias),
  5,
);
/** The cotangent of the input: that of the standardised values, less what moves with their mean and with their length. */
const Centred = new Pointwise(
  'Mul',
  (g, standard, rstd, meanOfG, meanOfProduct) => s.mul(rstd, s.sub(s.sub(g, meanOfG), s.mul(standard, meanOfProduct))),
  5,
);

const [input, weight] = [0, 1];
const [mean, rstd]: Source[] = [result - 1, result - 2];

/**
 * [out, mean, rstd] with rstd = 1 / sqrt(var + eps) and out = (x - mean) * rstd * weight + bias. Weight and bias broadcast with the input
 * or are the numbers 1 and 0.
 */
const normalization = (name: string): Primitive<Over> =>
  primitiveOfSeveral<Over>(
    name,
    ({ dims, eps }, x, w, b) => {
      const [variance, average] = varMean(x, dims, { correction: 0, keepdim: true });
      const deviation = ReciprocalDeviation.call(variance, eps);
      return [Affine.call(x, average, deviation, w, b), average, deviation];
    },
    [
      vjp<Over, Gradients>(
        ([g, gMean, gRstd], { params: { dims }, shapes: [shape] }, x, w, average, deviation) => {
          const parts: Tensor[] = [];
          if (g) {
            const standard = Standard.call(x, average, deviation);
            const own = typeof w === 'number' ? g : g.mul(w);
            parts.push(
              Centred.call(own, standard, deviation, own.mean(dims, true), own.mul(standard).mean(dims, true)),
            );
          }
          const count = numelOf(dims.map((d) => shape[d]));
          if (gMean) parts.push(gMean.div(count).expand(shape));
          if (gRstd) parts.push(gRstd.mul(deviation.pow(3)).mul(x.sub(average)).div(-count));
          return parts.length > 0 ? parts.reduce((sum, part) => sum.add(part)) : null;
        },
        input,
        weight,
        mean,
        rstd,
      ),
      vjp<Over, Gradients>(
        ([g], _, x, average, deviation) => g?.mul(Standard.call(x, average, deviation)) ?? null,
        input,
        mean,
        rstd,
      ),
      vjp<Over, Gradients>(([g]) => g),
    ] as (Vjp<Over, Gradients> | null)[],
  );
const LayerNorm = normalization('NativeLayerNorm');
const GroupNorm = normalization('NativeGroupNorm');
const BatchNorm = normalization('NativeBatchNorm');
for (const operator of [LayerNorm, GroupNorm, BatchNorm]) {
  withBatchRule(operator, ({ dims, eps }, inputs, batched) => {
    const examples = examplesOf(inputs, batched);
    const aligned = alignExamples(
      examples,
      examples.map((x) => typeof x !== 'number'),
    );
    return run(operator, { dims: dims.map((d) => d + 1), eps }, aligned);
  });
}

type Affinity = Tensor | null;
const operands = (x: Tensor, w: Affinity, b: Affinity): Operand[] => [x, w ?? 1, b ?? 0];

/** The last dimensions that a layer is normalised over, checked. */
function trailing(call: string, x: Tensor, normalizedShape: Shape, parameters: readonly Affinity[]): number[] {
  tensorOperand(call, x);
  if (!Array.isArray(normalizedShape) || normalizedShape.length === 0) {
    throw new AdjointError(
      'argument',
      `${call}: Expected normalizedShape to be an array of at least one size, got ${show(normalizedShape)}`,
    );
  }
  const first = x.ndim - normalizedShape.length;
  if (first < 0 || !sameShape(x.shape.slice(first), normalizedShape)) {
    throw new AdjointError(
      'shape',
      `Given normalized_shape=${showShape(normalizedShape)}, expected input with shape [*, ${normalizedShape.join(', ')}], but got input of size${showShape(x.shape)}`,
    );
  }
  for (const parameter of parameters) {
    if (parameter && !sameShape(parameter.shape, normalizedShape)) {
      throw new AdjointError(
        'shape',
        `${call}: Expected weight and bias to be of the normalized shape ${showShape(normalizedShape)}, got ${showShape(parameter.shape)}`,
      );
    }
  }
  return normalizedShape.map((_, k) => first + k);
}

/**
 * Layer normalisation with what its derivative needs, outside the graph: `[out, mean, rstd]` (torch.native_layer_norm).
 * @throws if the input does not end in `normalizedShape`, or weight or bias are not of it
 */
export const nativeLayerNorm = named(
  'nativeLayerNorm',
  ['normalizedShape', 'weight', 'bias', 'eps'],
  (x: Tensor, normalizedShape: Shape, w: Affinity, b: Affinity, eps: number): [Tensor, Tensor, Tensor] => {
    const dims = trailing('nativeLayerNorm', x, normalizedShape, [w, b]);
    const [out, average, deviation] = applySeveral(LayerNorm, { dims, eps }, operands(x, w, b));
    return [out, average.detach(), deviation.detach()];
  },
);

/**
 * (x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, those of `normalizedShape` (torch.nn.functional.layer_norm).
 * @throws if the input does not end in `normalizedShape`, or weight or bias are not of it
 */
export const layerNorm = named(
  'layerNorm',
  ['normalizedShape', 'weight', 'bias', 'eps'],
  (x: Tensor, normalizedShape: Shape, w: Affinity = null, b: Affinity = null, eps: number = 1e-5): Tensor => {
    const dims = trailing('layerNorm', x, normalizedShape, [w, b]);
    return applySeveral(LayerNorm, { dims, eps }, operands(x, w, b))[0];
  },
);

/**
 * x / sqrt(mean(x^2) + eps) * weight over the last dimensions, those of `normalizedShape`; eps is by default the spacing of the dtype at
 * 1 (torch.nn.functional.rms_norm).
 */
export const rmsNorm = named(
  'rmsNorm',
  ['normalizedShape', 'weight', 'eps'],
  (x: Tensor, normalizedShape: Shape, w: Affinity = null, eps: number | null = null): Tensor => {
    const dims = trailing('rmsNorm', x, normalizedShape, [w]);
    const tiny = eps ?? (x.dtype === 'float32' ? 2 ** -23 : 2 ** -52);
    const scaled = x.mul(ReciprocalDeviation.call(x.square().mean(dims, true), tiny));
    return w ? scaled.mul(w) : scaled;
  },
);

/** Throws unless a parameter or statistic has one element for each channel. */
function checkChannels(call: string, channels: number, tensors: readonly Affinity[]): void {
  for (const t of tensors) {
    if (t && !sameShape(t.shape, [channels])) {
      throw new AdjointError(
        'shape',
        `${call}: expected one element for each of ${channels} channels, got shape ${showShape(t.shape)}`,
      );
    }
  }
}

/** One element for each channel, shaped to broadcast with (N, C, ...). */
const perChannel = (t: Tensor, ndim: number): Tensor => t.reshape([t.numel(), ...new Array<number>(ndim - 2).fill(1)]);

function checkRank(call: string, x: Tensor): void {
  if (tensorOperand(call, x).ndim < 2) {
    throw new AdjointError('shape', `${call}: expected an input of shape (N, C, ...), got ${showShape(x.shape)}`);
  }
}

/**
 * Normalises each of `numGroups` groups of neighbouring channels of each sample, for an input of shape (N, C, ...); weight and bias have
 * one element for each channel (torch.nn.functional.group_norm).
 * @throws if the channels cannot be divided so
 */
export const groupNorm = named(
  'groupNorm',
  ['numGroups', 'weight', 'bias', 'eps'],
  (x: Tensor, numGroups: number, w: Affinity = null, b: Affinity = null, eps: number = 1e-5): Tensor => {
    checkRank('groupNorm', x);
    const [samples, channels] = x.shape;
    if (checkSize(numGroups, 'numGroups') === 0 || channels % numGroups !== 0) {
      throw new AdjointError(
        'shape',
        `Expected number of channels in input to be divisible by num_groups, but got input of shape ${showShape(x.shape)} and num_groups=${numGroups}`,
      );
    }
    checkChannels('groupNorm', channels, [w, b]);
    const size = channels / numGroups;
    const rest = numelOf(x.shape.slice(2));
    const shaped = (t: Affinity): Affinity => t?.reshape([numGroups, size, 1]) ?? null;
    const inputs = operands(x.reshape([samples, numGroups, size, rest]), shaped(w), shaped(b));
    return applySeveral(GroupNorm, { dims: [2, 3], eps }, inputs)[0].reshape(x.shape);
  },
);

/** Moves running statistics toward those of a batch; the variance is the unbiased one. */
function updateRunning(x: Tensor, dims: readonly number[], momentum: number, mean: Affinity, variance: Affinity): void {
  if (!mean && !variance) return;
  if ([mean, variance].some((running) => running && isShared(running, x))) {
    throw new AdjointError(
      'unsupported',
      'Batch norm got a batched tensor as input while the runningMean or runningVar, which will be updated in place, were not batched. ' +
        'If you are using a module and do not need eval mode, please set `trackRunningStats` to be false',
    );
  }
  noGrad(() => {
    const [batchVariance, batchMean] = varMean(x, dims);
    const toward = (running: Affinity, now: Tensor): void => {
      // of instances there is one for each sample
      const average = now.ndim > 1 ? now.mean(0) : now;
      running?.mul_(1 - momentum).add_(average.mul(momentum));
    };
    toward(mean, batchMean);
    toward(variance, batchVariance);
  });
}

/** Batch normalisation by the statistics of the input over `dims`. */
function normalizedBy(
  x: Tensor,
  dims: readonly number[],
  [w, b]: readonly Affinity[],
  [runningMean, runningVar]: readonly Affinity[],
  momentum: number,
  eps: number,
): Tensor[] {
  if (numelOf(dims.map((d) => x.shape[d])) === 1) {
    throw new AdjointError(
      'argument',
      `Expected more than 1 value per channel when training, got input size ${showShape(x.shape)}`,
    );
  }
  updateRunning(x, dims, momentum, runningMean, runningVar);
  const shaped = (t: Affinity): Affinity => t && perChannel(t, x.ndim);
  return applySeveral(BatchNorm, { dims, eps }, operands(x, shaped(w), shaped(b)));
}

/** Batch normalisation by running statistics. */
function normalizedByRunning(
  call: string,
  x: Tensor,
  [w, b]: readonly Affinity[],
  [runningMean, runningVar]: readonly Affinity[],
  eps: number,
): Tensor {
  if (!runningMean || !runningVar) {
    throw new AdjointError('argument', `${call}: Expected runningMean and runningVar to be defined when not training`);
  }
  const shaped = (t: Affinity, otherwise: number): Tensor | number => (t ? perChannel(t, x.ndim) : otherwise);
  const deviation = ReciprocalDeviation.call(runningVar, eps);
  return Affine.call(x, shaped(runningMean, 0), shaped(deviation, 1), shaped(w, 1), shaped(b, 0));
}

const allBut = (x: Tensor, kept: readonly number[]): number[] =>
  x.shape.flatMap((_, d) => (kept.includes(d) ? [] : [d]));

/**
 * Normalises each channel of an input of shape (N, C, ...): in training by its own mean and variance, toward which the running statistics
 * are moved in place, by `momentum`; else by the running statistics (torch.nn.functional.batch_norm).
 * @throws in training if there is but one value per channel; else if there are no running statistics
 */
export const batchNorm = named(
  'batchNorm',
  ['runningMean', 'runningVar', 'weight', 'bias', 'training', 'momentum', 'eps'],
  (
    x: Tensor,
    runningMean: Affinity,
    runningVar: Affinity,
    w: Affinity = null,
    b: Affinity = null,
    training: boolean = false,
    momentum: number = 0.1,
    eps: number = 1e-5,
  ): Tensor => {
    if (tensorOperand('batchNorm', x).numel() === 0) return x.clone();
    checkRank('batchNorm', x);
    checkChannels('batchNorm', x.shape[1], [runningMean, runningVar, w, b]);
    const running = [runningMean, runningVar];
    if (!training) return normalizedByRunning('batchNorm', x, [w, b], running, eps);
    return normalizedBy(x, allBut(x, [1]), [w, b], running, momentum, eps)[0];
  },
);

/**
 * Batch normalisation with what its derivative needs, outside the graph: `[out, mean, rstd]`, of which the last two are empty unless in
 * training (torch.native_batch_norm).
 */
export const nativeBatchNorm = named(
  'nativeBatchNorm',
  ['weight', 'bias', 'runningMean', 'runningVar', 'training', 'momentum', 'eps'],
  (
    x: Tensor,
    w: Affinity,
    b: Affinity,
    runningMean: Affinity,
    runningVar: Affinity,
    training: boolean,
    momentum: number,
    eps: number,
  ): [Tensor, Tensor, Tensor] => {
    checkRank('nativeBatchNorm', x);
    checkChannels('nativeBatchNorm', x.shape[1], [runningMean, runningVar, w, b]);
    const running = [runningMean, runningVar];
    if (!training) {
      const out = normalizedByRunning('nativeBatchNorm', x, [w, b], running, eps);
      return [out, Tensor.empty([0], x.dtype), Tensor.empty([0], x.dtype)];
    }
    const [out, average, deviation] = normalizedBy(x, allBut(x, [1]), [w, b], running, momentum, eps);
    return [out, average.detach().reshape([-1]), deviation.detach().reshape([-1])];
  },
);

/**
 * Normalises each channel of each sample of an input of shape (N, C, ...) by its own mean and variance, toward whose averages the running
 * statistics are moved in place; or, with useInputStats: false, by the running statistics (torch.nn.functional.instance_norm).
 */
export const instanceNorm = named(
  'instanceNorm',
  ['runningMean', 'runningVar', 'weight', 'bias', 'useInputStats', 'momentum', 'eps'],
  (
    x: Tensor,
    runningMean: Affinity = null,
    runningVar: Affinity = null,
    w: Affinity = null,
    b: Affinity = null,
    useInputStats: boolean = true,
    momentum: number = 0.1,
    eps: number = 1e-5,
  ): Tensor => {
    checkRank('instanceNorm', x);
    checkChannels('instanceNorm', x.shape[1], [runningMean, runningVar, w, b]);
    const running = [runningMean, runningVar];
    if (!useInputStats) return normalizedByRunning('instanceNorm', x, [w, b], running, eps);
    return normalizedBy(x, allBut(x, [0, 1]), [w, b], running, momentum, eps)[0];
  },
);

/**
 * x / (k + alpha * mean of x^2 over `size` neighbouring channels)^beta (torch.nn.functional.local_response_norm). Channels beyond the edges
 * count as 0.
 */
export const localResponseNorm = named(
  'localResponseNorm',
  ['size', 'alpha', 'beta', 'k'],
  (x: Tensor, size: number, alpha: number = 1e-4, beta: number = 0.75, k: number = 1): Tensor => {
    if (tensorOperand('localResponseNorm', x).ndim < 3) {
      throw new AdjointError('shape', `Expected 3D or higher dimensionality input (got ${x.ndim} dimensions)`);
    }
    if (x.numel() === 0) return x;
    const inner = new Array<number>(2 * (x.ndim - 2)).fill(0);
    const padded = constantPadNd(x.square(), [...inner, Math.floor(size / 2), Math.floor((size - 1) / 2)]);
    const windows = Array.from({ length: size }, (_, i) => padded.narrow(1, i, x.shape[1]));
    const mean = windows.reduce((sum, window) => sum.add(window)).div(size);
    return x.div(mean.mul(alpha).add(k).pow(beta));
  },
);
