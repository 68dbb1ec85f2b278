/** Rows of a table looked up by number, and numbers as rows. */
import { noGrad } from '../autograd/modes.ts';
import { apply, primitive, vjp } from '../autograd/primitive.ts';
import { filled, fromElements } from '../core/creation.ts';
import { isFloatingPoint } from '../core/dtype.ts';
import { showShape } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { named } from './named.ts';
import { tensorOperand } from './pointwise-operator.ts';

interface Lookup {
  /** The row that is not learnt, or -1. */
  readonly paddingIdx: number;
  readonly scaleGradByFreq: boolean;
}

const Embedding = primitive<Lookup>(
  'Embedding',
  (_, weight, input) => weight.indexSelect(0, input.reshape([-1])).reshape([...input.shape, weight.shape[1]]),
  [
    vjp((g, { params: { paddingIdx, scaleGradByFreq }, shapes: [shape] }, input) => {
      const rows = input.reshape([-1]);
      let own = g.reshape([-1, shape[1]]);
      if (paddingIdx >= 0) own = own.maskedFill(rows.eq(paddingIdx).unsqueeze(1), 0);
      if (scaleGradByFreq) own = own.div(frequencies(rows).unsqueeze(1));
      return filled(shape, 0, g.dtype).indexAdd(0, rows, own);
    }, 1),
    null,
  ],
);

/** How often the index at each position occurs. */
function frequencies(rows: Tensor): Tensor {
  const indices = Array.from(rows.toTypedArray(), Number);
  const counts = new Map<number, number>();
  for (const i of indices) counts.set(i, (counts.get(i) ?? 0) + 1);
  return fromElements(
    indices.map((i) => counts.get(i) as number),
    [indices.length],
    'float32',
  );
}

/** Shortens in place the rows that are looked up and whose p-norm is above a limit. */
function renormalize(weight: Tensor, input: Tensor, maxNorm: number, normType: number): void {
  noGrad(() => {
    const used = [...new Set(Array.from(input.toTypedArray(), Number))];
    const rows = fromElements(used, [used.length], 'int32');
    const picked = weight.detach().indexSelect(0, rows);
    const norms = picked.norm(normType, 1, true);
    const factors = norms.add(1e-7).reciprocal().mul(maxNorm).maskedFill(norms.le(maxNorm), 1);
    weight.indexCopy_(0, rows, picked.mul(factors));
  });
}

/**
 * The rows of `weight` with the numbers in `input`, in a new last dimension (torch.nn.functional.embedding).
 * @param paddingIdx a row that gets no gradient; negative ones count from the end
 * @param maxNorm rows that are looked up and whose norm is more are first shortened to it, in place
 * @param scaleGradByFreq whether the gradient of a row is divided by how often it is looked up
 * @throws if a number is out of range, or `weight` is no matrix
 */
export const embedding = named(
  'embedding',
  ['weight', 'paddingIdx', 'maxNorm', 'normType', 'scaleGradByFreq', 'sparse'],
  (
    input: Tensor,
    weight: Tensor,
    paddingIdx: number | null = null,
    maxNorm: number | null = null,
    normType: number = 2,
    scaleGradByFreq: boolean = false,
    sparse: boolean = false,
  ): Tensor => {
    if (tensorOperand('embedding: weight', weight).ndim !== 2) {
      throw new AdjointError('shape', `embedding: 'weight' must be 2-D, got shape ${showShape(weight.shape)}`);
    }
    if (isFloatingPoint(tensorOperand('embedding', input).dtype)) {
      throw new AdjointError('dtype', `embedding: expected indices of an integer dtype, got ${input.dtype}`);
    }
    if (sparse) throw new AdjointError('unsupported', 'embedding: there are no sparse gradients; leave sparse out');
    const rows = weight.shape[0];
    if (paddingIdx !== null && !(paddingIdx >= -rows && paddingIdx < rows)) {
      throw new AdjointError('index', `Padding_idx must be within num_embeddings: ${show(paddingIdx)} of ${rows}`);
    }
    if (maxNorm !== null) renormalize(weight, input, maxNorm, normType);
    const padding = paddingIdx === null ? -1 : paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
    return apply(Embedding, { paddingIdx: padding, scaleGradByFreq }, [weight, input]);
  },
);

/**
 * A 1 at the place of each class, in a new last dimension of size `numClasses`, or one more than the greatest class (torch.nn.functional.one_hot).
 * @throws if a class is negative or not below `numClasses`
 */
export const oneHot = named('oneHot', ['numClasses'], (x: Tensor, numClasses: number = -1): Tensor => {
  if (isFloatingPoint(tensorOperand('oneHot', x).dtype)) {
    throw new AdjointError('dtype', `oneHot is only applicable to index tensors of an integer dtype, got ${x.dtype}`);
  }
  const classes = Array.from(x.toTypedArray(), Number);
  const greatest = classes.reduce((a, b) => Math.max(a, b), -1);
  if (classes.length === 0 && numClasses <= 0) {
    throw new AdjointError('argument', 'Can not infer total number of classes from empty tensor.');
  }
  if (classes.some((c) => c < 0)) throw new AdjointError('argument', 'Class values must be non-negative.');
  const size = numClasses === -1 ? greatest + 1 : numClasses;
  if (size < 1 || greatest >= size) {
    throw new AdjointError(
      'argument',
      `Class values must be smaller than num_classes: ${greatest} is not below ${size}.`,
    );
  }
  return filled([...x.shape, size], 0, 'int64').scatter(-1, x.unsqueeze(-1), 1);
});
