import { alignExamples } from '../../autograd/batch-rules.ts';
import { apply, type Primitive, primitive, result, run, vjp, withBatchRule } from '../../autograd/primitive.ts';
import { filled } from '../../core/creation.ts';
import { named } from '../../core/named.ts';
import { broadcastShapes, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import * as s from '../../kernels/expr.ts';
import { launchRows, type RowCode } from '../launch/rows.ts';
import { checkFloating } from '../reduction/along.ts';
import { softmaxBackward, softmaxCode } from '../reduction/softmax.ts';
import { dropout } from './dropout.ts';

interface Weighing {
  readonly scale: number;
  readonly causal: boolean;
}

const [greatest, total] = [s.input(0), s.input(0)];
/** The weights where everything is masked are 0: then the greatest score is -inf, and the total 0. */
const codeOf = (score: s.Expr, operands: number): RowCode =>
  softmaxCode(
    score,
    operands,
    s.select(s.eq(greatest, Number.NEGATIVE_INFINITY), 0, greatest),
    s.select(s.eq(total, 0), 1, total),
  );
const scaled = s.mul(s.input(0), s.input(1));
const plain = codeOf(scaled, 2);
const masked = codeOf(s.add(scaled, s.input(2)), 3);

/** The softmax of scale * scores + mask, the mask being optional; of a causal one, query l has weights for the keys up to l only. */
const Weights: Primitive<Weighing> = primitive<Weighing>(
  'Softmax',
  ({ scale, causal }, scores, mask?: Tensor) => {
    const out = Tensor.empty(mask ? broadcastShapes(scores.shape, mask.shape) : scores.shape, scores.dtype);
    if (mask) launchRows(masked, out.shape, [scores, scale, mask], scores.dtype, [out]);
    else launchRows(plain, out.shape, [scores, scale], scores.dtype, [out], causal);
    return out;
  },
  [
    vjp((g, { params }, y) => softmaxBackward({ dim: y.ndim - 1, ...params }, g, y), result),
    vjp((g, _, y) => softmaxBackward({ dim: y.ndim - 1, scale: 1, causal: false }, g, y), result),
  ],
);
withBatchRule(Weights, (params, inputs, batched) => run(Weights, params, alignExamples(inputs, batched)));

/**
 * softmax(query @ key^T * scale + mask) @ value, the scale being 1 / sqrt(E) for queries and keys of length E by default
 * (torch.nn.functional.scaled_dot_product_attention).
 * @param query of shape (..., L, E)
 * @param key of shape (..., S, E)
 * @param value of shape (..., S, V)
 * @param attnMask broadcast to (..., L, S): of dtype bool, what takes part; else what is added
 * @param dropoutP the probability with which weights are dropped
 * @param isCausal whether position l attends to the positions up to l only; excludes a mask
 */
export const scaledDotProductAttention = named(
  'scaledDotProductAttention',
  ['key', 'value', 'attnMask', 'dropoutP', 'isCausal', 'scale'],
  (
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attnMask: Tensor | null = null,
    dropoutP: number = 0,
    isCausal: boolean = false,
    scale: number | null = null,
  ): Tensor => {
    for (const x of [query, key, value]) {
      if (x.ndim < 2) {
        throw new AdjointError(
          'shape',
          `scaledDotProductAttention: Expected query, key, and value to all be at least 2 dimensional, got ${showShape(x.shape)}`,
        );
      }
    }
    if (isCausal && attnMask) {
      throw new AdjointError(
        'argument',
        'scaledDotProductAttention: Explicit attn_mask should not be set when is_causal=True',
      );
    }
    const scores = query.matmul(key.transpose(-2, -1));
    checkFloating('scaledDotProductAttention', scores.dtype);
    const mask =
      attnMask?.dtype === 'bool'
        ? filled(attnMask.shape, 0, scores.dtype).maskedFill(attnMask.logicalNot(), Number.NEGATIVE_INFINITY)
        : attnMask?.to(scores.dtype);
    const params = { scale: scale ?? 1 / Math.sqrt(query.shape[query.ndim - 1] || 1), causal: isCausal };
    const weights = apply(Weights, params, mask ? [scores, mask] : [scores]);
    return dropout(weights, dropoutP).matmul(value);
  },
);
