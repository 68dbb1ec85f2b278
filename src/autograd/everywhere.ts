import type { Tensor } from '../core/tensor.ts';

/** Whether all elements are true: of a tensor that stands for a batch, in all examples. What is checked of values is checked so. */
export function everywhere(condition: Tensor): boolean {
  return condition._lift ? everywhere(condition._lift.value) : condition.all().item() === true;
}
