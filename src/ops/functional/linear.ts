/** The maps of neural networks that are products with a weight (torch.nn.functional). */

import { named } from '../../core/named.ts';
import { numelOf, sameShape, showShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import { addmm } from '../linalg/added-product.ts';
import { matmul, mm } from '../linalg/linalg.ts';
import { checkOperands, checkRank, multiplyBatches, unsafeView } from '../linalg/product.ts';
import { add } from '../pointwise/pointwise.ts';
import { permute, reshape, t, unsqueeze, view } from '../view/view.ts';

/**
 * x weight^T + bias, along the last dimension: [..., k] with a weight of [n, k] and a bias of [n] is [..., n]; a weight of [k]
 * leaves that dimension out (torch.nn.functional.linear).
 */
export const linear = named('linear', ['weight', 'bias'], (x: Tensor, weight: Tensor, bias: Tensor | null = null) => {
  checkOperands('linear', bias ? [x, weight, bias] : [x, weight]);
  if (!bias) return matmul(x, t(weight));
  if (weight.ndim === 1 || x.ndim === 0) return add(matmul(x, t(weight)), bias);
  if (x.ndim === 2) return addmm(bias, x, t(weight));
  const rows = x.shape.slice(0, -1);
  const flat = reshape(x, [numelOf(rows), x.shape[x.ndim - 1]]);
  return unsafeView(addmm(bias, flat, t(weight)), [...rows, weight.shape[0]]);
});

/**
 * out[..., o] = sum over i and j of x1[..., i] weight[o, i, j] x2[..., j], + bias[o] (torch.nn.functional.bilinear). Apart from their last
 * dimensions the inputs have the same shape.
 */
export const bilinear = named(
  'bilinear',
  ['x2', 'weight', 'bias'],
  (x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor | null = null) => {
    checkOperands('bilinear', bias ? [x1, x2, weight, bias] : [x1, x2, weight]);
    checkRank('bilinear', 'weight', weight, 3);
    const [n, i, j] = weight.shape;
    const batch = x1.shape.slice(0, -1);
    const rows = numelOf(batch);
    const given = [x1.shape, x2.shape, weight.shape, ...(bias ? [bias.shape] : [])].map(showShape).join(', ');
    if (
      !sameShape([...batch, i], x1.shape) ||
      !sameShape([...batch, j], x2.shape) ||
      (bias && !sameShape(bias.shape, [n]))
    ) {
      throw new AdjointError(
        'shape',
        `bilinear: expected inputs of shapes [..., i] and [..., j], a weight of [o, i, j] and a bias of [o], got ${given}`,
      );
    }
    const left = mm(reshape(x1, [rows, i]), reshape(permute(weight, 1, 0, 2), [i, n * j]));
    const both = multiplyBatches(view(left, [rows, n, j]), unsqueeze(reshape(x2, [rows, j]), 2));
    const out = view(both, [...batch, n]);
    return bias ? add(out, bias) : out;
  },
);
