import { installMethods } from './ops/methods.ts';
import { installOperators } from './ops/operators.ts';
import { installMembers } from './autograd/members.ts';

export * as autograd from './autograd/index.ts';
export * from './autograd/modes.ts';
export * from './core/creation.ts';
export { Generator } from './core/generator.ts';
export { Tensor } from './core/tensor.ts';
export * from './ops/pointwise.ts';
export { bernoulli, multinomial } from './ops/random.ts';
export * from './ops/random-creation.ts';
export * from './ops/reduction.ts';

installMembers();
installMethods();
installOperators();
