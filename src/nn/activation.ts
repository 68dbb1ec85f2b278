/** Activations as modules: each computes the function of the same name in nn.functional, with its options. */
import type { DType } from '../core/dtype.ts';
import { type Arguments, positional } from '../core/named.ts';
import { checkSize } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { unsetParameter } from './factory.ts';
import { ofOne, showOptions } from './from-function.ts';
import * as F from './functional.ts';
import * as init from './init.ts';
import { Module } from './module.ts';
import type { Parameter } from './parameter.ts';
import { pythonFloat } from './repr.ts';

/** max(x, 0) (torch.nn.ReLU). */
export class ReLU extends ofOne(F.relu, { inplace: false }) {}
/** x limited to [0, 6] (torch.nn.ReLU6). */
export class ReLU6 extends ofOne(F.relu6, { inplace: false }) {}
/** x where it is positive, else negativeSlope * x (torch.nn.LeakyReLU). */
export class LeakyReLU extends ofOne(F.leakyRelu, { negativeSlope: 0.01, inplace: false }) {}
/** x where it is positive, else alpha * (e^x - 1) (torch.nn.ELU). */
export class ELU extends ofOne(F.elu, { alpha: 1, inplace: false }) {}
/** x where it is positive, else alpha * (e^(x / alpha) - 1) (torch.nn.CELU). */
export class CELU extends ofOne(F.celu, { alpha: 1, inplace: false }) {}
/** The scaled elu that normalises by itself (torch.nn.SELU). */
export class SELU extends ofOne(F.selu, { inplace: false }) {}
/** x * Phi(x), exactly or approximated by tanh (torch.nn.GELU). */
export class GELU extends ofOne(F.gelu, { approximate: 'none' }) {}
/** x * sigmoid(x) (torch.nn.SiLU). */
export class SiLU extends ofOne(F.silu, { inplace: false }) {}
/** x * tanh(log(1 + e^x)) (torch.nn.Mish). */
export class Mish extends ofOne(F.mish, { inplace: false }) {}
/** log(1 + e^(beta * x)) / beta (torch.nn.Softplus). */
export class Softplus extends ofOne(F.softplus, { beta: 1, threshold: 20 }) {}
/** x limited to [minVal, maxVal] (torch.nn.Hardtanh). */
export class Hardtanh extends ofOne(F.hardtanh, { minVal: -1, maxVal: 1, inplace: false }) {}
/** (x + 3) / 6 limited to [0, 1] (torch.nn.Hardsigmoid). */
export class Hardsigmoid extends ofOne(F.hardsigmoid, { inplace: false }) {}
/** x * hardsigmoid(x) (torch.nn.Hardswish). */
export class Hardswish extends ofOne(F.hardswish, { inplace: false }) {
  override extraRepr(): string {
    return '';
  }
}
/** 1 / (1 + e^-x) (torch.nn.Sigmoid). */
export class Sigmoid extends ofOne(F.sigmoid, {}) {}
/** The hyperbolic tangent (torch.nn.Tanh). */
export class Tanh extends ofOne(F.tanh, {}) {}
/** log(1 / (1 + e^-x)) (torch.nn.LogSigmoid). */
export class LogSigmoid extends ofOne(F.logsigmoid, {}) {}
/** x / (1 + |x|) (torch.nn.Softsign). */
export class Softsign extends ofOne(F.softsign, {}) {}
/** x - tanh(x) (torch.nn.Tanhshrink). */
export class Tanhshrink extends ofOne(F.tanhshrink, {}) {}
/** x moved toward 0 by lambd (torch.nn.Softshrink). */
export class Softshrink extends ofOne(F.softshrink, { lambd: 0.5 }) {
  override extraRepr(): string {
    return pythonFloat(this.lambd);
  }
}
/** 0 where |x| <= lambd, else x (torch.nn.Hardshrink). */
export class Hardshrink extends ofOne(F.hardshrink, { lambd: 0.5 }) {
  override extraRepr(): string {
    return pythonFloat(this.lambd);
  }
}
/** The first half along dim times the sigmoid of the second (torch.nn.GLU). */
export class GLU extends ofOne(F.glu, { dim: -1 }) {}
/** x where it is above the threshold, else value; both must be given (torch.nn.Threshold). */
export class Threshold extends ofOne(F.threshold, { threshold: Number.NaN, value: Number.NaN, inplace: false }) {}

/** Leaky relu with slopes drawn at random in training (torch.nn.RReLU). */
export class RReLU extends Module {
  readonly lower: number;
  readonly upper: number;
  readonly inplace: boolean;

  constructor(...args: Arguments<['lower', 'upper', 'inplace'], [lower?: number, upper?: number, inplace?: boolean]>) {
    super();
    const given = positional<[lower?: number, upper?: number, inplace?: boolean]>(
      'RReLU',
      ['lower', 'upper', 'inplace'],
      args,
    );
    [this.lower, this.upper, this.inplace] = [given[0] ?? 1 / 8, given[1] ?? 1 / 3, given[2] ?? false];
  }

  forward(x: Tensor): Tensor {
    return F.rrelu(x, this.lower, this.upper, this.training, this.inplace);
  }

  override extraRepr(): string {
    return showOptions(this, ['lower', 'upper', 'inplace']);
  }
}

/** x where it is positive, else weight * x, with one weight or one for each channel, to be learnt (torch.nn.PReLU). */
export class PReLU extends Module {
  readonly numParameters: number;
  weight: Parameter;

  constructor(
    ...args: Arguments<
      ['numParameters', 'init', 'device', 'dtype'],
      [numParameters?: number, init?: number, device?: 'cpu' | null, dtype?: DType | null]
    >
  ) {
    super();
    const [numParameters = 1, start = 0.25, device, dtype] = positional<
      [numParameters?: number, init?: number, device?: 'cpu' | null, dtype?: DType | null]
    >('PReLU', ['numParameters', 'init', 'device', 'dtype'], args);
    this.numParameters = checkSize(numParameters, 'numParameters');
    this.weight = unsetParameter('PReLU', [numParameters], { device, dtype });
    init.constant_(this.weight, start);
  }

  forward(x: Tensor): Tensor {
    return F.prelu(x, this.weight);
  }

  override extraRepr(): string {
    return `num_parameters=${this.numParameters}`;
  }
}

/** A function along one dimension. */
abstract class AlongDim extends Module {
  readonly dim: number;

  constructor(...args: Arguments<['dim'], [dim: number]>) {
    super();
    const [dim] = positional<[dim: number]>(new.target.name, ['dim'], args);
    if (!Number.isInteger(dim)) {
      throw new AdjointError(
        'argument',
        `${new.target.name}: give the dimension along which values add up to 1, as in new ${new.target.name}(1)`,
      );
    }
    this.dim = dim;
  }

  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/** The softmax along dim (torch.nn.Softmax). */
export class Softmax extends AlongDim {
  forward(x: Tensor): Tensor {
    return F.softmax(x, this.dim);
  }
}

/** The softmax of -x along dim (torch.nn.Softmin). */
export class Softmin extends AlongDim {
  forward(x: Tensor): Tensor {
    return F.softmin(x, this.dim);
  }
}

/** The logarithm of the softmax along dim (torch.nn.LogSoftmax). */
export class LogSoftmax extends AlongDim {
  forward(x: Tensor): Tensor {
    return F.logSoftmax(x, this.dim);
  }
}
