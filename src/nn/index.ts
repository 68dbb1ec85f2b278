/** torch.nn: modules, and the functions that they are made of. */
export * from './container.ts';
export * as functional from './functional.ts';
export { type ForwardHook, type ForwardPreHook, type Layer, Module, type StateDict } from './module.ts';
export { Parameter } from './parameter.ts';
