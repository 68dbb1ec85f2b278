/**
 * Losses: how far an input is from a target, for each element or sample, and then reduced: 'none' leaves the values as they are, 'mean'
 * averages and 'sum' adds them. Here are those of regression and of two classes; class-loss.ts and margin-loss.ts have others.
 */
import { alignExamples, examplesOf } from '../../autograd/batch-rules.ts';
import { everywhere } from '../../autograd/everywhere.ts';
import { noGrad } from '../../autograd/modes.ts';
import {
  apply,
  type OperatorNode,
  type Primitive,
  primitive,
  type Vjp,
  vjp,
  withBatchRule,
} from '../../autograd/primitive.ts';
import { filled } from '../../core/creation.ts';
import { named } from '../../core/named.ts';
import { broadcastShapes, numelOf, type Shape, sameShape, showShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import type { Expr } from '../../kernels/expr.ts';
import * as s from '../../kernels/expr.ts';
import { Pointwise, tensorOperand } from '../pointwise/pointwise-operator.ts';

/** What becomes of the losses of all elements or samples. */
export type LossReduction = 'none' | 'mean' | 'sum';

/** Throws unless `reduction` is one. */
export function checkReduction(call: string, reduction: unknown): void {
  if (reduction !== 'none' && reduction !== 'mean' && reduction !== 'sum') {
    throw new AdjointError(
      'argument',
      `${call}: ${show(reduction)} is not a valid value for reduction: 'none', 'mean' or 'sum'`,
    );
  }
}

/** Throws unless all of these are tensors. */
export function checkTensors(call: string, ...operands: readonly unknown[]): void {
  for (const x of operands) tensorOperand(call, x as Tensor);
}

/** The losses reduced as told. */
export function reduced(call: string, losses: Tensor, reduction: LossReduction): Tensor {
  checkReduction(call, reduction);
  return reduction === 'none' ? losses : reduction === 'mean' ? losses.mean() : losses.sum();
}

type Operand = Tensor | number;
type Expression = (...inputs: Expr[]) => s.Scalar;

/**
 * Defines a loss that is an expression of the elements of its operands, reduced, as one node.
 * @param partials the derivatives of the expression with respect to the operands, null where there is none
 */
export function elementwise(
  name: string,
  expression: (...inputs: Expr[]) => Expr,
  partials: readonly (Expression | null)[],
): (call: string, reduction: LossReduction, input: Tensor, target: Tensor, ...options: Operand[]) => Tensor {
  const arity = partials.length;
  const losses = new Pointwise(name, expression, arity);
  /** The mean's share of the cotangent is the same for every element. */
  const share = (g: Tensor, { params: reduction, shapes }: OperatorNode<LossReduction>): Tensor =>
    reduction === 'mean' ? g.div(numelOf(shapes.reduce(broadcastShapes))) : g;
  const rules = partials.map((partial): Vjp<LossReduction> | null => {
    if (!partial) return null;
    const product = new Pointwise(
      `${name}Backward`,
      (...inputs) => s.mul(inputs[arity], partial(...inputs.slice(0, arity))),
      arity + 1,
    );
    return vjp((g, node, ...inputs) => product.call(...inputs, share(g, node)), ...partials.keys());
  });
  const Loss: Primitive<LossReduction> = primitive<LossReduction>(
    name,
    (reduction, ...inputs) => reduced(name, losses.call(...inputs), reduction),
    rules,
  );
  withBatchRule(Loss, (reduction, inputs, batched) => {
    const aligned = alignExamples(
      examplesOf(inputs, batched),
      inputs.map((x) => typeof x !== 'number'),
    );
    const each = apply(Loss, 'none', aligned);
    if (reduction === 'none') return each;
    const lines = each.reshape([each.shape[0], numelOf(each.shape.slice(1))]);
    return reduction === 'mean' ? lines.mean(1) : lines.sum(1);
  });
  return (call, reduction, ...operands) => {
    checkReduction(call, reduction);
    checkTensors(call, operands[0], operands[1]);
    return apply(Loss, reduction, operands);
  };
}

// ---- regression

const squaredError = elementwise('MseLoss', (x, y) => s.square(s.sub(x, y)), [
  (x, y) => s.mul(2, s.sub(x, y)),
  (x, y) => s.mul(2, s.sub(y, x)),
]);
/** (input - target)^2 (torch.nn.functional.mse_loss). */
export const mseLoss = named(
  'mseLoss',
  ['target', 'reduction'],
  (input: Tensor, target: Tensor, reduction: LossReduction = 'mean'): Tensor =>
    squaredError('mseLoss', reduction, input, target),
);

/** |input - target|, with derivative 0 where they are equal (torch.nn.functional.l1_loss). */
export const l1Loss = named(
  'l1Loss',
  ['target', 'reduction'],
  (input: Tensor, target: Tensor, reduction: LossReduction = 'mean'): Tensor => {
    checkTensors('l1Loss', input, target);
    return reduced('l1Loss', input.sub(target).abs(), reduction);
  },
);

/** Quadratic with the given slope up to a distance of `limit`, linear beyond. */
const clipped = (difference: Expr, limit: Expr): Expr => s.max(s.min(difference, limit), s.neg(limit));

const smoothError = elementwise(
  'SmoothL1Loss',
  (x, y, beta) => {
    const size = s.abs(s.sub(x, y));
    return s.select(s.lt(size, beta), s.div(s.mul(0.5, s.square(size)), beta), s.sub(size, s.mul(0.5, beta)));
  },
  [
    (x, y, beta) => s.div(clipped(s.sub(x, y), beta), beta),
    (x, y, beta) => s.div(clipped(s.sub(y, x), beta), beta),
    null,
  ],
);
/**
 * (input - target)^2 / (2 beta) where they are nearer than beta, else |input - target| - beta / 2 (torch.nn.functional.smooth_l1_loss).
 * @throws if beta < 0
 */
export const smoothL1Loss = named(
  'smoothL1Loss',
  ['target', 'reduction', 'beta'],
  (input: Tensor, target: Tensor, reduction: LossReduction = 'mean', beta: number = 1): Tensor => {
    if (!(beta >= 0)) {
      throw new AdjointError('argument', `smooth_l1_loss does not support negative values for beta, got ${show(beta)}`);
    }
    if (beta === 0) return l1Loss(input, target, reduction);
    return smoothError('smoothL1Loss', reduction, input, target, beta);
  },
);

const huberError = elementwise(
  'HuberLoss',
  (x, y, delta) => {
    const size = s.abs(s.sub(x, y));
    return s.select(s.le(size, delta), s.mul(0.5, s.square(size)), s.mul(delta, s.sub(size, s.mul(0.5, delta))));
  },
  [(x, y, delta) => clipped(s.sub(x, y), delta), (x, y, delta) => clipped(s.sub(y, x), delta), null],
);
/**
 * (input - target)^2 / 2 where they are within delta, else delta * (|input - target| - delta / 2) (torch.nn.functional.huber_loss).
 * @throws unless delta > 0
 */
export const huberLoss = named(
  'huberLoss',
  ['target', 'reduction', 'delta'],
  (input: Tensor, target: Tensor, reduction: LossReduction = 'mean', delta: number = 1): Tensor => {
    if (!(delta > 0)) {
      throw new AdjointError(
        'argument',
        `huber_loss does not support non-positive values for delta, got ${show(delta)}`,
      );
    }
    return huberError('huberLoss', reduction, input, target, delta);
  },
);

/**
 * Poisson negative log likelihood e^input - target * input or, for an input that is no logarithm (logInput: false),
 * input - target * log(input + eps); with `full`, plus Stirling's approximation of log(target!) where target > 1
 * (torch.nn.functional.poisson_nll_loss).
 */
export const poissonNllLoss = named(
  'poissonNllLoss',
  ['target', 'logInput', 'full', 'eps', 'reduction'],
  (
    input: Tensor,
    target: Tensor,
    logInput: boolean = true,
    full: boolean = false,
    eps: number = 1e-8,
    reduction: LossReduction = 'mean',
  ): Tensor => {
    checkTensors('poissonNllLoss', input, target);
    let losses = logInput ? input.exp().sub(target.mul(input)) : input.sub(target.mul(input.add(eps).log()));
    if (full) {
      const stirling = target
        .mul(target.log())
        .sub(target)
        .add(
          target
            .mul(2 * Math.PI)
            .log()
            .mul(0.5),
        );
      losses = losses.add(stirling.maskedFill(target.le(1), 0));
    }
    return reduced('poissonNllLoss', losses, reduction);
  },
);

/**
 * Gaussian negative log likelihood (log(var) + (input - target)^2 / var) / 2, plus log(2 pi) / 2 with `full`, where var is at least eps
 * (torch.nn.functional.gaussian_nll_loss). The gradient ignores that limit.
 * @param variance of the shape of `input`, or without its last dimension, or with size 1 in some
 * @throws if it is of another shape or has a negative element
 */
export const gaussianNllLoss = named(
  'gaussianNllLoss',
  ['target', 'var', 'full', 'eps', 'reduction'],
  (
    input: Tensor,
    target: Tensor,
    variance: Tensor | number,
    full: boolean = false,
    eps: number = 1e-6,
    reduction: LossReduction = 'mean',
  ): Tensor => {
    checkTensors('gaussianNllLoss', input, target);
    const given = typeof variance === 'number' ? filled(input.shape, variance, input.dtype) : variance;
    const spread = alignVariance(input.shape, given);
    if (!everywhere(given.lt(0).logicalNot())) throw new AdjointError('argument', 'var has negative entry/entries');
    const limited = spread.add(noGrad(() => spread.clamp(eps).sub(spread)));
    const losses = limited.log().add(input.sub(target).square().div(limited)).mul(0.5);
    return reduced('gaussianNllLoss', full ? losses.add(0.5 * Math.log(2 * Math.PI)) : losses, reduction);
  },
);

function alignVariance(shape: Shape, variance: Tensor): Tensor {
  if (sameShape(shape.slice(0, -1), variance.shape) && !sameShape(shape, variance.shape)) return variance.unsqueeze(-1);
  if (variance.ndim === shape.length && variance.shape.every((size, d) => size === 1 || size === shape[d])) {
    return variance;
  }
  throw new AdjointError(
    'shape',
    `var is of incorrect size: ${showShape(variance.shape)} for an input of ${showShape(shape)}`,
  );
}

// ---- probabilities of two classes

const crossEntropyOfTwo = elementwise(
  'BinaryCrossEntropy',
  (x, y, weight) => {
    const yes = s.mul(y, s.max(s.log(x), -100));
    const no = s.mul(s.sub(1, y), s.max(s.log1p(s.neg(x)), -100));
    return s.neg(s.mul(weight, s.add(yes, no)));
  },
  [
    (x, y, weight) => s.mul(weight, s.div(s.sub(x, y), s.max(s.mul(s.sub(1, x), x), 1e-12))),
    (x, _, weight) => s.mul(weight, s.sub(s.log(s.sub(1, x)), s.log(x))),
    null,
  ],
);
/**
 * -weight * (target * log(input) + (1 - target) * log(1 - input)), the logarithms being at least -100
 * (torch.nn.functional.binary_cross_entropy).
 * @throws if the shapes differ or an input is not from 0 to 1
 */
export const binaryCrossEntropy = named(
  'binaryCrossEntropy',
  ['target', 'weight', 'reduction'],
  (input: Tensor, target: Tensor, weight: Tensor | null = null, reduction: LossReduction = 'mean'): Tensor => {
    checkSameShape('binaryCrossEntropy', input, target);
    if (!everywhere(input.ge(0).logicalAnd(input.le(1)))) {
      throw new AdjointError('argument', 'all elements of input should be between 0 and 1');
    }
    return crossEntropyOfTwo('binaryCrossEntropy', reduction, input, target, weight ?? 1);
  },
);

/** Throws unless input and target have the same shape. */
export function checkSameShape(call: string, input: Tensor, target: Tensor): void {
  checkTensors(call, input, target);
  if (!sameShape(input.shape, target.shape)) {
    throw new AdjointError(
      'shape',
      `${call}: Target size (${showShape(target.shape)}) must be the same as input size (${showShape(input.shape)})`,
    );
  }
}

/** log(1 / (1 + e^-x)). */
export const logSigmoidExpr = (x: Expr): Expr => s.sub(s.min(x, 0), s.log1p(s.exp(s.neg(s.abs(x)))));
const crossEntropyOfLogits = elementwise(
  'BinaryCrossEntropyWithLogits',
  (x, y, weight, positive) => {
    const yes = s.mul(s.mul(positive, y), logSigmoidExpr(x));
    const no = s.mul(s.sub(1, y), logSigmoidExpr(s.neg(x)));
    return s.neg(s.mul(weight, s.add(yes, no)));
  },
  [
    (x, y, weight, positive) => {
      const yes = s.mul(s.mul(positive, y), s.sigmoid(s.neg(x)));
      return s.mul(weight, s.sub(s.mul(s.sub(1, y), s.sigmoid(x)), yes));
    },
    (x, _, weight, positive) => s.mul(weight, s.sub(logSigmoidExpr(s.neg(x)), s.mul(positive, logSigmoidExpr(x)))),
    null,
    null,
  ],
);
/**
 * The cross entropy of sigmoid(input) without overflow: -weight * (posWeight * target * log sigmoid(input) + (1 - target) * log sigmoid(-input))
 * (torch.nn.functional.binary_cross_entropy_with_logits).
 * @throws if the shapes differ
 */
export const binaryCrossEntropyWithLogits = named(
  'binaryCrossEntropyWithLogits',
  ['target', 'weight', 'reduction', 'posWeight'],
  (
    input: Tensor,
    target: Tensor,
    weight: Tensor | null = null,
    reduction: LossReduction = 'mean',
    posWeight: Tensor | null = null,
  ): Tensor => {
    checkSameShape('binaryCrossEntropyWithLogits', input, target);
    return crossEntropyOfLogits('binaryCrossEntropyWithLogits', reduction, input, target, weight ?? 1, posWeight ?? 1);
  },
);
