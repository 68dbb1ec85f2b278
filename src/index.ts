import { installMembers } from './autograd/members.ts';
import { installMethods } from './ops/methods.ts';
import { installOperators } from './ops/operators.ts';
import { installTransposed } from './ops/transposed.ts';

export * as autograd from './autograd/index.ts';
export * from './autograd/modes.ts';
export * from './core/creation.ts';
export { Generator } from './core/generator.ts';
export { Tensor } from './core/tensor.ts';
export * from './ops/join.ts';
export * from './ops/pointwise.ts';
export { bernoulli, multinomial } from './ops/random.ts';
export * from './ops/random-creation.ts';
export * from './ops/reduction.ts';
export {
  adjoint,
  asStrided,
  broadcastTo,
  chunk,
  clone,
  diagonal,
  diagonalScatter,
  dsplit,
  flatten,
  hsplit,
  moveaxis,
  movedim,
  narrow,
  permute,
  ravel,
  reshape,
  select,
  selectScatter,
  sliceScatter,
  split,
  splitWithSizes,
  squeeze,
  swapaxes,
  swapdims,
  t,
  tensorSplit,
  transpose,
  unbind,
  unflatten,
  unsqueeze,
  vsplit,
} from './ops/view.ts';

installMembers();
installMethods();
installTransposed();
installOperators();
