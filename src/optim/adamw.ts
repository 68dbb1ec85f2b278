import { type Arguments, positional } from '../core/named.ts';
import { Adam, type AdamOptions } from './adam.ts';
import type { OptimizerParams } from './optimizer.ts';

const names = ['lr', 'betas', 'eps', 'weightDecay', 'amsgrad', 'maximize'] as const;
type Names = typeof names;
type Params = [
  lr?: number,
  betas?: readonly [number, number],
  eps?: number,
  weightDecay?: number,
  amsgrad?: boolean,
  maximize?: boolean,
];

/**
 * Adam whose weight decay, 0.01 by default, does not go through the running means: each update first multiplies p by 1 - lr * weightDecay
 * (torch.optim.AdamW).
 * @example new optim.AdamW(model.parameters(), { lr: 1e-3, weightDecay: 0.05 })
 */
export class AdamW extends Adam {
  constructor(params: OptimizerParams<AdamOptions>, ...args: Arguments<Names, Params>) {
    const [lr, betas, eps, weightDecay = 1e-2, amsgrad, maximize] = positional<Params>('AdamW', names, args);
    super(params, { lr, betas, eps, weightDecay, amsgrad, maximize, decoupledWeightDecay: true });
  }
}
