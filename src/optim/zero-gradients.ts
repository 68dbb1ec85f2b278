import type { Tensor } from '../core/tensor.ts';

/** Clears gradients, by setting them to null or else to zeros: what `zeroGrad` of modules and of optimizers does. */
export function zeroGradients(tensors: Iterable<Tensor>, setToNone: boolean | { setToNone?: boolean }): void {
  const drop = typeof setToNone === 'boolean' ? setToNone : (setToNone.setToNone ?? true);
  for (const tensor of tensors) {
    if (tensor.grad === null) continue;
    tensor.grad = drop ? null : tensor.grad.detach().zero_();
  }
}
