/** torch.nn: modules, and the functions that they are made of. */
export * from './activation.ts';
export * from './container.ts';
export * from './dropout.ts';
export * as functional from './functional.ts';
export * as init from './init.ts';
export * from './linear.ts';
export * from './loss.ts';
export { type ForwardHook, type ForwardPreHook, type Layer, Module, type StateDict } from './module.ts';
export * from './normalization.ts';
export { Parameter } from './parameter.ts';
export * from './shape.ts';
export * from './sparse.ts';
