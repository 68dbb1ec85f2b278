import { installMethods } from './ops/methods.ts';
import './autograd/members.ts';

export * as autograd from './autograd/index.ts';
export * from './autograd/modes.ts';
export * from './core/creation.ts';
export { Tensor } from './core/tensor.ts';
export * from './ops/pointwise.ts';

installMethods();
