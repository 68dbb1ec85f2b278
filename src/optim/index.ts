/** torch.optim: algorithms that update parameters by their gradients. */
export { Adam, type AdamOptions, type AdamState } from './adam.ts';
export { AdamW } from './adamw.ts';
export {
  Optimizer,
  type OptimizerParams,
  type OptimizerState,
  type ParamGroup,
  type ParamGroupOptions,
} from './optimizer.ts';
export { SGD, type SGDOptions, type SGDState } from './sgd.ts';
