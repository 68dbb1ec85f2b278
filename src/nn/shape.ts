/** Modules that change shapes only. */

import { type Arguments, positional } from '../core/named.ts';
import type { Tensor } from '../core/tensor.ts';
import { Module } from './module.ts';
import { pythonTuple } from './repr.ts';

/** Joins the dimensions from startDim to endDim, by default all but the first (torch.nn.Flatten). */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;

  constructor(...args: Arguments<['startDim', 'endDim'], [startDim?: number, endDim?: number]>) {
    super();
    const params = positional<[startDim?: number, endDim?: number]>('Flatten', ['startDim', 'endDim'], args);
    [this.startDim, this.endDim] = [params[0] ?? 1, params[1] ?? -1];
  }

  forward(x: Tensor): Tensor {
    return x.flatten(this.startDim, this.endDim);
  }

  override extraRepr(): string {
    return `start_dim=${this.startDim}, end_dim=${this.endDim}`;
  }
}

/** Splits a dimension into several (torch.nn.Unflatten). */
export class Unflatten extends Module {
  readonly dim: number;
  readonly unflattenedSize: readonly number[];

  constructor(...args: Arguments<['dim', 'unflattenedSize'], [dim: number, unflattenedSize: readonly number[]]>) {
    super();
    const names = ['dim', 'unflattenedSize'];
    const params = positional<[dim: number, unflattenedSize: readonly number[]]>('Unflatten', names, args);
    [this.dim, this.unflattenedSize] = params;
  }

  forward(x: Tensor): Tensor {
    return x.unflatten(this.dim, this.unflattenedSize);
  }

  override extraRepr(): string {
    return `dim=${this.dim}, unflattened_size=${pythonTuple(this.unflattenedSize)}`;
  }
}
