/** The cross-entropy of logits with classes: neither the logarithms of probabilities nor the cotangents of these are ever in memory. */
import { examplesOf } from '../../autograd/batch-rules.ts';
import type { Gradients } from '../../autograd/node.ts';
import {
  apply,
  applySeveral,
  type Operand,
  type Primitive,
  primitive,
  primitiveOfSeveral,
  result,
  run,
  type Vjp,
  vjp,
  withBatchRule,
} from '../../autograd/primitive.ts';
import { filled } from '../../core/creation.ts';
import { numelOf, type Shape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import * as s from '../../kernels/expr.ts';
import { launchPointwise, pointwiseCode } from '../launch/pointwise.ts';
import { launchLines, rowCode } from '../launch/rows.ts';
import { Pointwise } from '../pointwise/pointwise-operator.ts';
import { reducedShape } from '../reduction/along.ts';
import { inner, logSoftmaxOf, logSoftmaxTotals, softmaxBackward } from '../reduction/softmax.ts';
import type { LossReduction } from './loss.ts';

export interface ClassLosses {
  readonly reduction: LossReduction;
  /** The shape of the losses. */
  readonly shape: Shape;
  /** What the mean divides by. */
  readonly total: number;
}

/** What a sum of losses comes to, and, as that is linear, a cotangent of it. */
export const scaled = (sum: Tensor, { reduction, total }: ClassLosses): Tensor =>
  reduction === 'mean' ? sum.div(total) : sum;

interface Params extends ClassLosses {
  /** The dimension of the classes. */
  readonly dim: number;
}

const totals = rowCode({ totals: logSoftmaxTotals, results: [s.input(1), s.input(2)] });

// samples whose target is below 0 do not count
const counted = (target: s.Expr, value: s.Expr): s.Expr => s.select(s.lt(target, 0), 0, value);
const Loss = new Pointwise(
  'Mul',
  (chosen, greatest, logOfTotal, factor, target) =>
    counted(target, s.mul(factor, s.sub(s.sub(chosen, greatest), logOfTotal))),
  5,
);
const Counted = new Pointwise('Mul', (share, factor, target) => counted(target, s.mul(share, factor)), 3);
const indexOf = (target: Tensor): Tensor => target.clampMin(0);

const spread = pointwiseCode(
  // 0 rather than -0 for what does not count
  s.raw('sub', 0, s.mul(s.input(3), s.expFlushed(logSoftmaxOf))),
);
/** c ([class = target] - e^(x - greatest - logOfTotal)), the last two being those of x, for a c of each sample. */
const NllLossBackward: Primitive<number> = primitive<number>(
  'NllLossBackward',
  (dim, x, greatest, logOfTotal, c, target) => {
    const out = Tensor.empty(x.shape, x.dtype);
    launchPointwise(spread, [x, greatest, logOfTotal, c], x.dtype, out);
    return out.scatterAdd_(dim, indexOf(target), c);
  },
  [
    vjp(
      (h, { params: dim }, x, c) => softmaxBackward({ dim, scale: -1, causal: false }, h.mul(c), x.softmax(dim)),
      0,
      3,
    ),
    null,
    null,
    vjp(
      (h, { params: dim, shapes: [, , , shape] }, x, greatest, logOfTotal, target) =>
        inner(dim, h, apply(NllLossBackward, dim, [x, greatest, logOfTotal, filled(shape, 1, x.dtype), target])),
      0,
      1,
      2,
      4,
    ),
    null,
  ],
);
withBatchRule(NllLossBackward, (dim, inputs, batched) => run(NllLossBackward, dim + 1, examplesOf(inputs, batched)));

/** [losses, greatest, logOfTotal] of x, the targets and the factors. */
const NllLoss: Primitive<Params> = primitiveOfSeveral<Params>(
  'NllLoss',
  (params, x, target, factor) => {
    const { dim, reduction, shape } = params;
    const known = [0, 1].map(() => Tensor.empty(reducedShape(x.shape, { dims: [dim], keepdim: true }), x.dtype));
    launchLines(totals, x.shape, [x], dim, x.dtype, known);
    const losses = Loss.call(x.gather(dim, indexOf(target)), known[0], known[1], factor, target);
    return [reduction === 'none' ? losses.reshape(shape) : scaled(losses.sum(), params), ...known];
  },
  [
    vjp<Params, Gradients>(
      ([g], { params }, x, target, factor, greatest, logOfTotal) => {
        if (!g) return null;
        const { dim, reduction } = params;
        const share = reduction === 'none' ? g.unsqueeze(dim) : scaled(g, params);
        const c = Counted.call(share, factor, target);
        return apply(NllLossBackward, dim, [x, greatest, logOfTotal, c, target]);
      },
      0,
      1,
      2,
      result - 1,
      result - 2,
    ),
    null,
    null,
  ] as (Vjp<Params, Gradients> | null)[],
);
withBatchRule(NllLoss, (params, inputs, batched) => {
  const { dim, reduction, shape } = params;
  const examples = examplesOf(inputs, batched);
  const [size] = (examples[0] as Tensor).shape;
  const each: Params = { ...params, dim: dim + 1, reduction: 'none', shape: [size, ...shape] };
  const [losses, ...known] = run(NllLoss, each, examples) as Tensor[];
  const rows = losses.reshape([size, numelOf(shape)]);
  return [reduction === 'none' ? losses : scaled(rows.sum(1), params), ...known];
});

/**
 * The losses factor log(softmax(x)[target]) along `dim`, reduced.
 * @param target the class of each sample, below 0 for one that does not count, with 1 along `dim`
 * @param factor minus its weight
 */
export const lossOfLogits = (params: Params, x: Tensor, target: Tensor, factor: Operand): Tensor =>
  applySeveral(NllLoss, params, [x, target, factor])[0];
