/** Rows of a table looked up by number, and numbers as rows. */
import { examplesOf } from '../../autograd/batch-rules.ts';
import { everywhere } from '../../autograd/everywhere.ts';
import { noGrad } from '../../autograd/modes.ts';
import { apply, type Primitive, primitive, run, vjp, withBatchRule } from '../../autograd/primitive.ts';
import { arange, filled, fromElements } from '../../core/creation.ts';
import { isFloatingPoint } from '../../core/dtype.ts';
import { named } from '../../core/named.ts';
import { showShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { tensorOperand } from '../pointwise/pointwise-operator.ts';

interface Lookup {
  /** The row that is not learnt, or -1. */
  readonly paddingIdx: number;
  readonly scaleGradByFreq: boolean;
  /** How many rows there are, of each table where there are several one after the other. */
  readonly rows: number;
}

const Embedding: Primitive<Lookup> = primitive<Lookup>(
  'Embedding',
  (_, weight, input) => weight.indexSelect(0, input.reshape([-1])).reshape([...input.shape, weight.shape[1]]),
  [
    vjp((g, { params: { paddingIdx, scaleGradByFreq, rows }, shapes: [shape] }, input) => {
      const all = input.reshape([-1]);
      let own = g.reshape([-1, shape[1]]);
      if (paddingIdx >= 0) own = own.maskedFill(all.remainder(rows).eq(paddingIdx).unsqueeze(1), 0);
      if (scaleGradByFreq) own = own.div(frequencies(all).unsqueeze(1));
      return filled(shape, 0, g.dtype).indexAdd(0, all, own);
    }, 1),
    null,
  ],
);
// the tables of all examples one after the other; one that all share is as good, unless what is looked up elsewhere counts
withBatchRule(Embedding, (params, inputs, batched) => {
  if (!batched[0] && !params.scaleGradByFreq) return run(Embedding, params, inputs);
  const [weight, input] = examplesOf(inputs, batched) as Tensor[];
  const [size, rows, width] = weight.shape;
  checkRows(input, rows);
  const first = arange(size).mul(rows);
  const all = input.add(first.reshape([size, ...input.shape.slice(1).map(() => 1)]));
  return apply(Embedding, params, [weight.reshape([size * rows, width]), all]);
});

/** Throws unless all indices are of rows of a table, whose neighbours would be of another. */
function checkRows(input: Tensor, rows: number): void {
  if (everywhere(input.ge(0).logicalAnd(input.lt(rows)))) return;
  throw new AdjointError('index', `embedding: index out of range: there are ${rows} rows`);
}

/** How often the index at each position occurs. */
function frequencies(rows: Tensor): Tensor {
  if (rows._lift) return rows.unsqueeze(0).eq(rows.unsqueeze(1)).sum(0);
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

function checkTable(call: string, input: Tensor, weight: Tensor, sparse: boolean): void {
  if (tensorOperand(`${call}: weight`, weight).ndim !== 2) {
    throw new AdjointError('shape', `${call}: 'weight' must be 2-D, got shape ${showShape(weight.shape)}`);
  }
  if (isFloatingPoint(tensorOperand(call, input).dtype)) {
    throw new AdjointError('dtype', `${call}: expected indices of an integer dtype, got ${input.dtype}`);
  }
  if (sparse) throw new AdjointError('unsupported', `${call}: there are no sparse gradients; leave sparse out`);
}

/** The row that is not learnt, counted from the front, or -1. */
function checkPadding(paddingIdx: number | null, rows: number): number {
  if (paddingIdx === null) return -1;
  if (!(paddingIdx >= -rows && paddingIdx < rows)) {
    throw new AdjointError('index', `Padding_idx must be within num_embeddings: ${show(paddingIdx)} of ${rows}`);
  }
  return paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
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
    checkTable('embedding', input, weight, sparse);
    const padding = checkPadding(paddingIdx, weight.shape[0]);
    if (maxNorm !== null) renormalize(weight, input, maxNorm, normType);
    return apply(Embedding, { paddingIdx: padding, scaleGradByFreq, rows: weight.shape[0] }, [weight, input]);
  },
);

/** Which bag each index is in, and how many bags there are. */
function bagsOf(input: Tensor, offsets: Tensor | null, includeLastOffset: boolean): { bags: number[]; count: number } {
  if (input.ndim === 2) {
    if (offsets) throw new AdjointError('argument', 'embeddingBag: if input is 2D, then offsets has to be null');
    const [count, size] = input.shape;
    return { bags: Array.from({ length: count * size }, (_, i) => Math.floor(i / size)), count };
  }
  if (input.ndim !== 1 || offsets?.ndim !== 1) {
    throw new AdjointError(
      'shape',
      `embeddingBag: expected an input of 2D, or of 1D with offsets of 1D, got ${showShape(input.shape)}`,
    );
  }
  const starts = Array.from(offsets.toTypedArray(), Number);
  const total = input.numel();
  if (starts[0] !== 0 || starts.some((start, k) => start < (starts[k - 1] ?? 0) || start > total)) {
    throw new AdjointError(
      'argument',
      `embeddingBag: offsets must start at 0, ascend and not exceed the ${total} indices, got ${show(starts)}`,
    );
  }
  const count = includeLastOffset ? starts.length - 1 : starts.length;
  const bags: number[] = [];
  for (let bag = 0; bag < count; bag++) {
    const end = starts[bag + 1] ?? total;
    for (let i = starts[bag]; i < end; i++) bags.push(bag);
  }
  return { bags, count };
}

/**
 * The sum, mean or maximum of the rows of `weight` in each bag of numbers (torch.nn.functional.embedding_bag).
 * @param input the numbers: a row for each bag, or all in one dimension
 * @param offsets where each bag begins in an input of one dimension; with `includeLastOffset` also where the last one ends
 * @param perSampleWeights what each row is multiplied by before a sum
 * @param paddingIdx a row that does not count
 */
export const embeddingBag = named(
  'embeddingBag',
  [
    'weight',
    'offsets',
    'maxNorm',
    'normType',
    'scaleGradByFreq',
    'mode',
    'sparse',
    'perSampleWeights',
    'includeLastOffset',
    'paddingIdx',
  ],
  (
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | null = null,
    maxNorm: number | null = null,
    normType: number = 2,
    scaleGradByFreq: boolean = false,
    mode: 'sum' | 'mean' | 'max' = 'mean',
    sparse: boolean = false,
    perSampleWeights: Tensor | null = null,
    includeLastOffset: boolean = false,
    paddingIdx: number | null = null,
  ): Tensor => {
    checkTable('embeddingBag', input, weight, sparse);
    if (mode !== 'sum' && mode !== 'mean' && mode !== 'max') {
      throw new AdjointError('argument', `embeddingBag: mode has to be one of sum, mean or max, got ${show(mode)}`);
    }
    if (perSampleWeights && (mode !== 'sum' || perSampleWeights.numel() !== input.numel())) {
      throw new AdjointError(
        'argument',
        `embeddingBag: perSampleWeights needs mode 'sum' and the shape of the input, got mode ${show(mode)} and ${showShape(perSampleWeights.shape)}`,
      );
    }
    const padding = checkPadding(paddingIdx, weight.shape[0]);
    const { bags, count } = bagsOf(input, offsets, includeLastOffset);
    if (maxNorm !== null) renormalize(weight, input, maxNorm, normType);
    // only what is in a bag and counts
    const indices = Array.from(input.toTypedArray(), Number);
    const kept = bags.flatMap((_, i) => (indices[i] === padding ? [] : [i]));
    const places = fromElements(kept, [kept.length], 'int32');
    const bag = fromElements(
      kept.map((i) => bags[i]),
      [kept.length],
      'int32',
    );
    const looked = apply(Embedding, { paddingIdx: -1, scaleGradByFreq, rows: weight.shape[0] }, [
      weight,
      input.take(places),
    ]);
    const rows = perSampleWeights ? looked.mul(perSampleWeights.take(places).unsqueeze(1)) : looked;
    const none = filled([count, weight.shape[1]], 0, weight.dtype);
    if (mode === 'max') return none.indexReduce(0, bag, rows, 'amax', false);
    const sums = none.indexAdd(0, bag, rows);
    if (mode === 'sum') return sums;
    const sizes = new Array<number>(count).fill(0);
    for (const i of kept) sizes[bags[i]]++;
    const divisors = fromElements(
      sizes.map((size) => Math.max(size, 1)),
      [count, 1],
      weight.dtype,
    );
    return sums.div(divisors);
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
  if (x._lift) return oneHotOfBatch(x, numClasses);
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

/** The same where the classes cannot be read, so that their number is to be given. */
function oneHotOfBatch(x: Tensor, numClasses: number): Tensor {
  if (!(numClasses > 0)) {
    throw new AdjointError(
      'unsupported',
      'When vmap-ing oneHot, please provide an explicit positive numClasses argument.',
    );
  }
  if (!everywhere(x.ge(0).logicalAnd(x.lt(numClasses)))) {
    throw new AdjointError(
      'argument',
      `Class values must be non-negative and smaller than num_classes, ${numClasses}.`,
    );
  }
  return filled([...x.shape, numClasses], 0, 'int64').scatter(-1, x.unsqueeze(-1), 1);
}
