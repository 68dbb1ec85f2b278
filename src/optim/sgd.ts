import { type Arguments, positional } from '../core/named.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import * as s from '../kernels/expr.ts';
import { Pointwise } from '../ops/pointwise/pointwise-operator.ts';
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

const Direction = new Pointwise('Direction', direction, 4);
const Accumulate = new Pointwise(
  'Accumulate',
  (buffer, g, p, sign, decay, momentum, share) =>
    s.add(s.mul(momentum, buffer), s.mul(share, direction(g, p, sign, decay))),
  7,
);
const Descend = new Pointwise(
  'Descend',
  (p, g, decaying, sign, decay, lr) => s.sub(p, s.mul(lr, direction(g, decaying, sign, decay))),
  6,
);
const Follow = new Pointwise('Follow', (p, buffer, lr) => s.sub(p, s.mul(lr, buffer)), 3);
const LookAhead = new Pointwise(
  'LookAhead',
  (p, g, decaying, sign, decay, buffer, momentum, lr) =>
    s.sub(p, s.mul(lr, s.add(direction(g, decaying, sign, decay), s.mul(momentum, buffer)))),
  8,
);

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
    const state = this.state.get(p);
    const buffer = state
      ? Accumulate.callInPlace(state.momentumBuffer, ...down, momentum, 1 - dampening)
      : Direction.call(...down);
    if (!state) this.state.set(p, { momentumBuffer: buffer });
    if (nesterov) LookAhead.callInPlace(p, ...down, buffer, momentum, lr);
    else Follow.callInPlace(p, buffer, lr);
  }
}
