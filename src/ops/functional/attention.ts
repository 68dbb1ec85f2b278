import { filled, ones } from '../../core/creation.ts';
import { named } from '../../core/named.ts';
import { showShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import { dropout } from './dropout.ts';

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
    const [queries, keys] = [query.shape[query.ndim - 2], key.shape[key.ndim - 2]];
    const scores = query.mul(scale ?? 1 / Math.sqrt(query.shape[query.ndim - 1])).matmul(key.transpose(-2, -1));
    const mask = isCausal ? ones(queries, keys, { dtype: 'bool' }).tril() : attnMask;
    const added =
      mask?.dtype === 'bool'
        ? filled(mask.shape, 0, query.dtype).maskedFill(mask.logicalNot(), Number.NEGATIVE_INFINITY)
        : mask;
    const weights = (added ? scores.add(added) : scores).softmax(-1);
    return dropout(weights, dropoutP).matmul(value);
  },
);
