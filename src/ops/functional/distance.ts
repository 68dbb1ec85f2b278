/** Distances and angles between vectors, and vectors of length 1. */
import { noGrad } from '../../autograd/modes.ts';
import { fromElements } from '../../core/creation.ts';
import { named } from '../../core/named.ts';
import { showShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import { tensorOperand } from '../pointwise/pointwise-operator.ts';
import { broadcastTensors } from '../view/join.ts';

/**
 * The cosine of the angle between x1 and x2 along `dim`, where no length counts as less than eps (torch.nn.functional.cosine_similarity).
 * The operands are broadcast. The gradient ignores that limit.
 */
export const cosineSimilarity = named(
  'cosineSimilarity',
  ['x2', 'dim', 'eps'],
  (x1: Tensor, x2: Tensor, dim: number = 1, eps: number = 1e-8): Tensor => {
    const unit = (x: Tensor): Tensor => {
      const length = x.norm(2, dim, true);
      return x.div(length.add(noGrad(() => length.clampMin(eps).sub(length))));
    };
    const [a, b] = broadcastTensors(x1, x2);
    return unit(a).mul(unit(b)).sum(dim);
  },
);

/** The p-norm of x1 - x2 + eps along the last dimension (torch.nn.functional.pairwise_distance). */
export const pairwiseDistance = named(
  'pairwiseDistance',
  ['x2', 'p', 'eps', 'keepdim'],
  (x1: Tensor, x2: Tensor, p: number = 2, eps: number = 1e-6, keepdim: boolean = false): Tensor =>
    tensorOperand('pairwiseDistance', x1).sub(tensorOperand('pairwiseDistance: x2', x2)).add(eps).norm(p, -1, keepdim),
);

/** The p-norms of the differences between all pairs of rows, those of the first row first (torch.nn.functional.pdist). */
export const pdist = named('pdist', ['p'], (x: Tensor, p: number = 2): Tensor => {
  if (tensorOperand('pdist', x).ndim !== 2) {
    throw new AdjointError('shape', `pdist only supports 2D tensors, got shape ${showShape(x.shape)}`);
  }
  const [rows] = x.shape;
  const first: number[] = [];
  const second: number[] = [];
  for (let i = 0; i < rows; i++) {
    for (let j = i + 1; j < rows; j++) {
      first.push(i);
      second.push(j);
    }
  }
  const select = (list: number[]): Tensor => x.indexSelect(0, fromElements(list, [list.length], 'int32'));
  const differences = select(first).sub(select(second));
  // the number of those that are not 0, which has a gradient, if of 0
  return p === 0 ? differences.sign().abs().sum(-1) : differences.norm(p, -1);
});

/** x divided by its p-norm along `dim`, or by eps where that is more (torch.nn.functional.normalize). */
export const normalize = named(
  'normalize',
  ['p', 'dim', 'eps'],
  (x: Tensor, p: number = 2, dim: number = 1, eps: number = 1e-12): Tensor =>
    tensorOperand('normalize', x).div(x.norm(p, dim, true).clampMin(eps).expand(x.shape)),
);
