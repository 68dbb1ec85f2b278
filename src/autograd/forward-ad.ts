/** torch.autograd.forward_ad. */
export { dualLevel, enterDualLevel, exitDualLevel, makeDual, unpackDual } from './forward.ts';
