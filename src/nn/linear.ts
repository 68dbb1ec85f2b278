/** Modules of linear maps. */
import type { DType } from '../core/dtype.ts';
import { type Arguments, positional } from '../core/named.ts';
import { checkSize } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { unsetParameter } from './factory.ts';
import * as F from './functional.ts';
import * as init from './init.ts';
import { Module } from './module.ts';
import type { Parameter } from './parameter.ts';
import { pythonBool } from './repr.ts';

/** Gives back its input (torch.nn.Identity). */
export class Identity extends Module {
  forward(x: Tensor): Tensor {
    return x;
  }
}

type LinearNames = ['inFeatures', 'outFeatures', 'bias', 'device', 'dtype'];
type LinearParams = [
  inFeatures: number,
  outFeatures: number,
  bias?: boolean,
  device?: 'cpu' | null,
  dtype?: DType | null,
];

/**
 * x @ weight^T + bias, for x of shape (..., inFeatures) (torch.nn.Linear). Both are drawn at first from the uniform distribution on
 * (-1 / sqrt(inFeatures), 1 / sqrt(inFeatures)).
 * @example new nn.Linear(784, 128), new nn.Linear(784, 128, { bias: false })
 */
export class Linear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** (outFeatures, inFeatures) */
  weight: Parameter;
  /** (outFeatures), or null */
  bias: Parameter | null;

  constructor(...args: Arguments<LinearNames, LinearParams>) {
    super();
    const names: LinearNames = ['inFeatures', 'outFeatures', 'bias', 'device', 'dtype'];
    const [inFeatures, outFeatures, bias = true, device, dtype] = positional<LinearParams>('Linear', names, args);
    this.inFeatures = checkSize(inFeatures, 'inFeatures');
    this.outFeatures = checkSize(outFeatures, 'outFeatures');
    this.weight = unsetParameter('Linear', [outFeatures, inFeatures], { device, dtype });
    this.bias = bias ? unsetParameter('Linear', [outFeatures], { device, dtype }) : null;
    this.resetParameters();
  }

  /** Draws weight and bias anew. */
  resetParameters(): void {
    init.kaimingUniform_(this.weight, Math.sqrt(5));
    const bound = this.inFeatures > 0 ? 1 / Math.sqrt(this.inFeatures) : 0;
    // without inputs a bias is 0, and not -0
    if (this.bias) init.uniform_(this.bias, 0 - bound, bound);
  }

  forward(x: Tensor): Tensor {
    return F.linear(x, this.weight, this.bias);
  }

  override extraRepr(): string {
    return `in_features=${this.inFeatures}, out_features=${this.outFeatures}, bias=${pythonBool(this.bias !== null)}`;
  }
}

type BilinearNames = ['in1Features', 'in2Features', 'outFeatures', 'bias', 'device', 'dtype'];
type BilinearParams = [
  in1Features: number,
  in2Features: number,
  outFeatures: number,
  bias?: boolean,
  device?: 'cpu' | null,
  dtype?: DType | null,
];

/** x1^T @ weight[k] @ x2 + bias[k] for each result k (torch.nn.Bilinear). */
export class Bilinear extends Module {
  readonly in1Features: number;
  readonly in2Features: number;
  readonly outFeatures: number;
  /** (outFeatures, in1Features, in2Features) */
  weight: Parameter;
  /** (outFeatures), or null */
  bias: Parameter | null;

  constructor(...args: Arguments<BilinearNames, BilinearParams>) {
    super();
    const names: BilinearNames = ['in1Features', 'in2Features', 'outFeatures', 'bias', 'device', 'dtype'];
    const params = positional<BilinearParams>('Bilinear', names, args);
    const [in1Features, in2Features, outFeatures, bias = true, device, dtype] = params;
    this.in1Features = checkSize(in1Features, 'in1Features');
    this.in2Features = checkSize(in2Features, 'in2Features');
    this.outFeatures = checkSize(outFeatures, 'outFeatures');
    this.weight = unsetParameter('Bilinear', [outFeatures, in1Features, in2Features], { device, dtype });
    this.bias = bias ? unsetParameter('Bilinear', [outFeatures], { device, dtype }) : null;
    this.resetParameters();
  }

  /** Draws weight and bias anew. */
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.in1Features);
    init.uniform_(this.weight, -bound, bound);
    if (this.bias) init.uniform_(this.bias, -bound, bound);
  }

  forward(x1: Tensor, x2: Tensor): Tensor {
    return F.bilinear(x1, x2, this.weight, this.bias);
  }

  override extraRepr(): string {
    return (
      `in1_features=${this.in1Features}, in2_features=${this.in2Features}, out_features=${this.outFeatures}, ` +
      `bias=${pythonBool(this.bias !== null)}`
    );
  }
}
