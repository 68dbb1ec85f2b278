/** Dropout as modules: in training mode only. */

import { type Arguments, positional } from '../core/named.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import * as F from './functional.ts';
import { Module } from './module.ts';
import { pythonBool, pythonFloat } from './repr.ts';

type Names = ['p', 'inplace'];
type Params = [p?: number, inplace?: boolean];

abstract class DropoutModule extends Module {
  readonly p: number;
  readonly inplace: boolean;

  constructor(...args: Arguments<Names, Params>) {
    super();
    const [p = 0.5, inplace = false] = positional<Params>(new.target.name, ['p', 'inplace'], args);
    if (!(p >= 0 && p <= 1)) {
      throw new AdjointError('argument', `dropout probability has to be between 0 and 1, but got ${show(p)}`);
    }
    this.p = p;
    this.inplace = inplace;
  }

  override extraRepr(): string {
    return `p=${pythonFloat(this.p)}, inplace=${pythonBool(this.inplace)}`;
  }
}

/** In training, sets each element to 0 with probability p and divides the others by 1 - p (torch.nn.Dropout). */
export class Dropout extends DropoutModule {
  forward(x: Tensor): Tensor {
    return F.dropout(x, this.p, this.training, this.inplace);
  }
}

/** Drops whole channels of shape (N, C, L) or (C, L) (torch.nn.Dropout1d). */
export class Dropout1d extends DropoutModule {
  forward(x: Tensor): Tensor {
    return F.dropout1d(x, this.p, this.training, this.inplace);
  }
}

/** Drops whole channels of shape (N, C, H, W) (torch.nn.Dropout2d). */
export class Dropout2d extends DropoutModule {
  forward(x: Tensor): Tensor {
    return F.dropout2d(x, this.p, this.training, this.inplace);
  }
}

/** Drops whole channels of shape (N, C, D, H, W) or (C, D, H, W) (torch.nn.Dropout3d). */
export class Dropout3d extends DropoutModule {
  forward(x: Tensor): Tensor {
    return F.dropout3d(x, this.p, this.training, this.inplace);
  }
}

/** Dropout that keeps mean and variance, for networks of SELU (torch.nn.AlphaDropout). */
export class AlphaDropout extends DropoutModule {
  forward(x: Tensor): Tensor {
    return F.alphaDropout(x, this.p, this.training, this.inplace);
  }
}

/** AlphaDropout of whole channels (torch.nn.FeatureAlphaDropout). */
export class FeatureAlphaDropout extends DropoutModule {
  forward(x: Tensor): Tensor {
    return F.featureAlphaDropout(x, this.p, this.training, this.inplace);
  }
}
