import { zerosLike } from '../core/creation.ts';
import { type Arguments, positional } from '../core/named.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import * as s from '../kernels/expr.ts';
import { Pointwise } from '../ops/pointwise/pointwise-operator.ts';
import { Update } from '../ops/pointwise/update.ts';
import { direction, directionOf } from './direction.ts';
import { checkOption, Optimizer, type OptimizerParams, type ParamGroup } from './optimizer.ts';

/** What `SGD` goes by, in each parameter group; the formula there says what they do. */
export interface SGDOptions {
  lr: number;
  momentum: number;
  dampening: number;
  weightDecay: number;
  nesterov: boolean;
  maximize: boolean;
}

/** What `SGD` keeps for each parameter, if there is momentum. */
export interface SGDState {
  /** The running sum of gradients. */
  momentumBuffer: Tensor;
}

const names = ['lr', 'momentum', 'dampening', 'weightDecay', 'nesterov', 'maximize'] as const;
type Names = typeof names;
type Params = [
  lr?: number,
  momentum?: number,
  dampening?: number,
  weightDecay?: number,
  nesterov?: boolean,
  maximize?: boolean,
];

const Descend = new Pointwise(
  'Descend',
  (p, g, decaying, sign, decay, lr) => s.sub(p, s.mul(lr, direction(g, decaying, sign, decay))),
  6,
);
type Follow = (down: s.Expr, buffer: s.Expr, momentum: s.Expr) => s.Expr;
/** Accumulates, and goes where `follow` says. */
const accumulating = (follow: Follow): Update =>
  new Update(
    'Sgd',
    (p, buffer, g, decaying, sign, decay, momentum, share, lr) => {
      const down = direction(g, decaying, sign, decay);
      const sum = s.add(s.mul(momentum, buffer), s.mul(share, down));
      return [s.sub(p, s.mul(lr, follow(down, sum, momentum))), sum];
    },
    9,
  );
const Momentum = accumulating((_, sum) => sum);
const Nesterov = accumulating((down, sum, momentum) => s.add(down, s.mul(momentum, sum)));

/**
 * Stochastic gradient descent (torch.optim.SGD): with g = gradient + weightDecay * p, p -= lr * g; with momentum, b = momentum * b + (1 - dampening)
 * * g, starting from b = g, and p -= lr * b, or, with nesterov, p -= lr * (g + momentum * b). `maximize` ascends instead.
 * @example new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 })
 * @throws if lr, momentum or weightDecay is negative, or for nesterov without momentum or with dampening
 */
export class SGD extends Optimizer<SGDOptions, SGDState> {
  constructor(params: OptimizerParams<SGDOptions>, ...args: Arguments<Names, Params>) {
    const given = positional<Params>('SGD', names, args);
    const [lr = 1e-3, momentum = 0, dampening = 0, weightDecay = 0, nesterov = false, maximize = false] = given;
    super(params, { lr, momentum, dampening, weightDecay, nesterov, maximize });
  }

  protected check({ lr, momentum, dampening, weightDecay, nesterov }: SGDOptions): void {
    checkOption(lr >= 0, 'Invalid learning rate', lr);
    checkOption(momentum >= 0, 'Invalid momentum value', momentum);
    checkOption(weightDecay >= 0, 'Invalid weight_decay value', weightDecay);
    if (nesterov && (momentum <= 0 || dampening !== 0)) {
      throw new AdjointError('argument', 'Nesterov momentum requires a momentum and zero dampening');
    }
  }

  protected update(p: Tensor, g: Tensor, group: ParamGroup<SGDOptions>): void {
    const { lr, momentum, dampening, weightDecay, nesterov, maximize } = group;
    const down = directionOf(g, p, maximize, weightDecay);
    if (momentum === 0) {
      Descend.callInPlace(p, ...down, lr);
      return;
    }
    const before = this.state.get(p);
    const { momentumBuffer } = before ?? { momentumBuffer: zerosLike(p) };
    if (!before) this.state.set(p, { momentumBuffer });
    const share = before ? 1 - dampening : 1;
    (nesterov ? Nesterov : Momentum).call(p, momentumBuffer, ...down, momentum, share, lr);
  }
}
