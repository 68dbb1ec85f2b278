/** torch.linalg, as far as it is here. */
export { matmul } from './ops/linalg.ts';
export { multiDot, vecdot } from './ops/linalg-products.ts';
