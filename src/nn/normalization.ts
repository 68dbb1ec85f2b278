/** Normalisation as modules. */
import type { DType } from '../core/dtype.ts';
import { type Arguments, positional } from '../core/named.ts';
import { checkSize } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { type ParameterOptions, unsetParameter } from './factory.ts';
import * as F from './functional.ts';
import * as init from './init.ts';
import { Module } from './module.ts';
import type { Parameter } from './parameter.ts';
import { pythonBool, pythonFloat, pythonTuple } from './repr.ts';

/** A weight of ones and a bias of zeros. */
abstract class AffineModule extends Module {
  weight: Parameter | null;
  bias: Parameter | null;

  constructor(shape: readonly number[], hasWeight: boolean, hasBias: boolean, options: ParameterOptions) {
    super();
    this.weight = hasWeight ? unsetParameter(new.target.name, shape, options) : null;
    this.bias = hasWeight && hasBias ? unsetParameter(new.target.name, shape, options) : null;
    this.resetParameters();
  }

  /** Sets the weight to 1 and the bias to 0. */
  resetParameters(): void {
    if (this.weight) init.ones_(this.weight);
    if (this.bias) init.zeros_(this.bias);
  }
}

type LayerNormNames = ['normalizedShape', 'eps', 'elementwiseAffine', 'bias', 'device', 'dtype'];
type LayerNormParams = [
  normalizedShape: number | readonly number[],
  eps?: number,
  elementwiseAffine?: boolean,
  bias?: boolean,
  device?: 'cpu' | null,
  dtype?: DType | null,
];

/** (x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, those of normalizedShape (torch.nn.LayerNorm). */
export class LayerNorm extends AffineModule {
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  readonly elementwiseAffine: boolean;

  constructor(...args: Arguments<LayerNormNames, LayerNormParams>) {
    const names: LayerNormNames = ['normalizedShape', 'eps', 'elementwiseAffine', 'bias', 'device', 'dtype'];
    const params = positional<LayerNormParams>('LayerNorm', names, args);
    const [given, eps = 1e-5, elementwiseAffine = true, bias = true, device, dtype] = params;
    const shape = (Array.isArray(given) ? given : [given]).map((size: number) => checkSize(size, 'normalizedShape'));
    super(shape, elementwiseAffine, bias, { device, dtype });
    this.normalizedShape = shape;
    this.eps = eps;
    this.elementwiseAffine = elementwiseAffine;
  }

  forward(x: Tensor): Tensor {
    return F.layerNorm(x, this.normalizedShape, this.weight, this.bias, this.eps);
  }

  override extraRepr(): string {
    const affine = `elementwise_affine=${pythonBool(this.elementwiseAffine)}, bias=${pythonBool(this.bias !== null)}`;
    return `${pythonTuple(this.normalizedShape)}, eps=${pythonFloat(this.eps)}, ${affine}`;
  }
}

type GroupNormNames = ['numGroups', 'numChannels', 'eps', 'affine', 'device', 'dtype', 'bias'];
type GroupNormParams = [
  numGroups: number,
  numChannels: number,
  eps?: number,
  affine?: boolean,
  device?: 'cpu' | null,
  dtype?: DType | null,
  bias?: boolean,
];

/** Normalises each of numGroups groups of neighbouring channels of each sample (torch.nn.GroupNorm). */
export class GroupNorm extends AffineModule {
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;
  readonly affine: boolean;

  constructor(...args: Arguments<GroupNormNames, GroupNormParams>) {
    const names: GroupNormNames = ['numGroups', 'numChannels', 'eps', 'affine', 'device', 'dtype', 'bias'];
    const params = positional<GroupNormParams>('GroupNorm', names, args);
    const [numGroups, numChannels, eps = 1e-5, affine = true, device, dtype, bias = true] = params;
    if (checkSize(numChannels, 'numChannels') % checkSize(numGroups, 'numGroups') !== 0) {
      throw new AdjointError(
        'argument',
        `num_channels (${numChannels}) must be divisible by num_groups (${numGroups})`,
      );
    }
    super([numChannels], affine, bias, { device, dtype });
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = eps;
    this.affine = affine;
  }

  forward(x: Tensor): Tensor {
    return F.groupNorm(x, this.numGroups, this.weight, this.bias, this.eps);
  }

  override extraRepr(): string {
    const affine = `affine=${pythonBool(this.affine)}, bias=${pythonBool(this.bias !== null)}`;
    return `${this.numGroups}, ${this.numChannels}, eps=${pythonFloat(this.eps)}, ${affine}`;
  }
}
