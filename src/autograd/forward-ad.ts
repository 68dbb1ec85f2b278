/** torch.autograd.forward_ad. */
export { dualLevel, makeDual, unpackDual } from './forward.ts';
