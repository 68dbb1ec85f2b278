import { zerosLike } from '../core/creation.ts';
import { type Arguments, positional } from '../core/named.ts';
import type { Tensor } from '../core/tensor.ts';
import * as s from '../kernels/expr.ts';
import { Update } from '../ops/pointwise/update.ts';
import { direction, directionOf } from './direction.ts';
import { checkOption, Optimizer, type OptimizerParams, type ParamGroup } from './optimizer.ts';

/** What `Adam` goes by, in each parameter group; the formula there says what they do. */
export interface AdamOptions {
  lr: number;
  betas: readonly [number, number];
  eps: number;
  weightDecay: number;
  amsgrad: boolean;
  maximize: boolean;
  decoupledWeightDecay: boolean;
}

/** What `Adam` keeps for each parameter. */
export interface AdamState {
  /** How many updates there were. */
  step: number;
  /** The running mean of the gradients. */
  expAvg: Tensor;
  /** The running mean of their squares. */
  expAvgSq: Tensor;
  /** Its greatest value so far, with amsgrad. */
  maxExpAvgSq?: Tensor;
}

const names = ['lr', 'betas', 'eps', 'weightDecay', 'amsgrad', 'maximize', 'decoupledWeightDecay'] as const;
type Names = typeof names;
type Params = [
  lr?: number,
  betas?: readonly [number, number],
  eps?: number,
  weightDecay?: number,
  amsgrad?: boolean,
  maximize?: boolean,
  decoupledWeightDecay?: boolean,
];

type Step = (p: s.Expr, mean: s.Expr, meanSquare: s.Expr, ...others: s.Expr[]) => [p: s.Expr, ...state: s.Expr[]];

/** @param greatest what the root is taken of, from the mean of squares */
const adapting =
  (greatest: (meanSquare: s.Expr) => s.Expr): Step =>
  (p, mean, meanSquare, ...others) => {
    const [g, decaying, sign, decay, share, keepSquare, shareSquare, keep, size, correction, eps] = others;
    const down = direction(g, decaying, sign, decay);
    const newMean = s.add(mean, s.mul(share, s.sub(down, mean)));
    const newSquare = s.add(s.mul(keepSquare, meanSquare), s.mul(shareSquare, s.square(down)));
    const root = s.sqrt(greatest(newSquare));
    return [
      s.sub(s.mul(keep, p), s.div(s.mul(size, newMean), s.add(s.mul(root, correction), eps))),
      newMean,
      newSquare,
    ];
  };
const Adapt = new Update(
  'Adam',
  adapting((newSquare) => newSquare),
  14,
);
const AdaptByGreatest = new Update(
  'Adam',
  (p, mean, square, greatest, ...others) => {
    const adapted = adapting((newSquare) => s.max(greatest, newSquare))(p, mean, square, ...others);
    return [...adapted, s.max(greatest, adapted[2])];
  },
  15,
);

/**
 * Adam (torch.optim.Adam): with g = gradient + weightDecay * p, the running means m = beta1 * m + (1 - beta1) * g and
 * v = beta2 * v + (1 - beta2) * g^2, and after t updates
 *
 *     p -= lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)
 *
 * `amsgrad` takes the greatest v so far; `maximize` ascends instead; `decoupledWeightDecay` takes lr * weightDecay * p off p instead of adding
 * it to the gradient.
 * @example new optim.Adam(model.parameters(), { lr: 1e-3 })
 * @throws if lr, eps or weightDecay is negative, or a beta is not in [0, 1)
 */
export class Adam extends Optimizer<AdamOptions, AdamState> {
  constructor(params: OptimizerParams<AdamOptions>, ...args: Arguments<Names, Params>) {
    const given = positional<Params>('Adam', names, args);
    const [lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0, amsgrad = false] = given;
    const [, , , , , maximize = false, decoupledWeightDecay = false] = given;
    super(params, { lr, betas, eps, weightDecay, amsgrad, maximize, decoupledWeightDecay });
  }

  protected check({ lr, betas, eps, weightDecay }: AdamOptions): void {
    checkOption(lr >= 0, 'Invalid learning rate', lr);
    checkOption(eps >= 0, 'Invalid epsilon value', eps);
    for (const [k, beta] of betas.entries()) {
      checkOption(beta >= 0 && beta < 1, `Invalid beta parameter at index ${k}`, beta);
    }
    checkOption(weightDecay >= 0, 'Invalid weight_decay value', weightDecay);
  }

  protected update(p: Tensor, g: Tensor, group: ParamGroup<AdamOptions>): void {
    const { lr, betas, eps, weightDecay } = group;
    const [beta1, beta2] = betas;
    let state = this.state.get(p);
    if (!state) {
      state = { step: 0, expAvg: zerosLike(p), expAvgSq: zerosLike(p) };
      if (group.amsgrad) state.maxExpAvgSq = zerosLike(p);
      this.state.set(p, state);
    }
    const { expAvg, expAvgSq, maxExpAvgSq } = state;
    const step = ++state.step;
    const down = directionOf(g, p, group.maximize, group.decoupledWeightDecay ? 0 : weightDecay);
    const keep = group.decoupledWeightDecay ? 1 - lr * weightDecay : 1;
    const correction = 1 / Math.sqrt(1 - beta2 ** step);
    const numbers = [1 - beta1, beta2, 1 - beta2, keep, lr / (1 - beta1 ** step), correction, eps];
    if (maxExpAvgSq) AdaptByGreatest.call(p, expAvg, expAvgSq, maxExpAvgSq, ...down, ...numbers);
    else Adapt.call(p, expAvg, expAvgSq, ...down, ...numbers);
  }
}
