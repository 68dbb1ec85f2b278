import { noGrad } from '../autograd/modes.ts';
import type { DType } from '../core/dtype.ts';
import { type Arguments, positional } from '../core/named.ts';
import { isOptions } from '../core/options.ts';
import { checkSize } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { unsetParameter } from './factory.ts';
import * as F from './functional.ts';
import * as init from './init.ts';
import { Module } from './module.ts';
import { Parameter } from './parameter.ts';
import { pythonFloat } from './repr.ts';

const names = [
  'numEmbeddings',
  'embeddingDim',
  'paddingIdx',
  'maxNorm',
  'normType',
  'scaleGradByFreq',
  'sparse',
  'device',
  'dtype',
] as const;
type Names = typeof names;
type Params = [
  numEmbeddings: number,
  embeddingDim: number,
  paddingIdx?: number | null,
  maxNorm?: number | null,
  normType?: number,
  scaleGradByFreq?: boolean,
  sparse?: boolean,
  device?: 'cpu' | null,
  dtype?: DType | null,
];

/**
 * A table of vectors, looked up by number (torch.nn.Embedding). They are drawn at first from the normal distribution.
 * @example new nn.Embedding(10000, 64, { paddingIdx: 0 })
 */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  /** The row that starts at 0 and is not learnt. */
  readonly paddingIdx: number | null;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;
  readonly sparse: boolean;
  /** (numEmbeddings, embeddingDim) */
  weight: Parameter;

  constructor(...args: Arguments<Names, Params>) {
    super();
    const params = positional<Params>('Embedding', names, args);
    const [rows, columns, paddingIdx = null, maxNorm = null, normType = 2, scaleGradByFreq = false, sparse = false] =
      params;
    this.numEmbeddings = checkSize(rows, 'numEmbeddings');
    this.embeddingDim = checkSize(columns, 'embeddingDim');
    if (paddingIdx !== null && !(paddingIdx >= -rows && paddingIdx < rows)) {
      throw new AdjointError('argument', `Padding_idx must be within num_embeddings: ${show(paddingIdx)} of ${rows}`);
    }
    this.paddingIdx = paddingIdx !== null && paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
    this.maxNorm = maxNorm;
    this.normType = normType;
    this.scaleGradByFreq = scaleGradByFreq;
    this.sparse = sparse;
    this.weight = unsetParameter('Embedding', [rows, columns], { device: params[7], dtype: params[8] });
    this.resetParameters();
  }

  /** Draws the vectors anew; that of paddingIdx is 0. */
  resetParameters(): void {
    init.normal_(this.weight);
    const { paddingIdx } = this;
    if (paddingIdx !== null) noGrad(() => this.weight.select(0, paddingIdx).fill_(0));
  }

  /** A module that looks up the rows of a matrix, which are learnt unless `freeze` (torch.nn.Embedding.from_pretrained). */
  static fromPretrained(
    embeddings: Tensor,
    options: {
      freeze?: boolean;
      paddingIdx?: number;
      maxNorm?: number;
      normType?: number;
      scaleGradByFreq?: boolean;
    } = {},
  ): Embedding {
    if (embeddings.ndim !== 2) {
      throw new AdjointError('shape', 'Embeddings parameter is expected to be 2-dimensional');
    }
    const { freeze = true, ...others } = isOptions(options) ? options : {};
    const [rows, columns] = embeddings.shape;
    const module = new Embedding(rows, columns, others);
    module.weight = new Parameter(embeddings, !freeze);
    return module;
  }

  forward(input: Tensor): Tensor {
    const { weight, paddingIdx, maxNorm, normType, scaleGradByFreq, sparse } = this;
    return F.embedding(input, weight, paddingIdx, maxNorm, normType, scaleGradByFreq, sparse);
  }

  override extraRepr(): string {
    const parts = [`${this.numEmbeddings}, ${this.embeddingDim}`];
    if (this.paddingIdx !== null) parts.push(`padding_idx=${this.paddingIdx}`);
    if (this.maxNorm !== null) parts.push(`max_norm=${pythonFloat(this.maxNorm)}`);
    if (this.normType !== 2) parts.push(`norm_type=${pythonFloat(this.normType)}`);
    if (this.scaleGradByFreq) parts.push('scale_grad_by_freq=True');
    return parts.join(', ');
  }
}
