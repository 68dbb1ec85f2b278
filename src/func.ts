/** torch.func: transforms of functions, and modules as functions. */
export * from './autograd/func.ts';
export {
  type FunctionalCallOptions,
  functionalCall,
  type NamedTensors,
  stackModuleState,
} from './nn/functional-call.ts';
