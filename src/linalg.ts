/** torch.linalg, as far as it is here. */
export { matmul } from './ops/linalg/linalg.ts';
export { multiDot, vecdot } from './ops/linalg/linalg-products.ts';
