import { leaf } from '../core/creation.ts';
import { isFloatingPoint } from '../core/dtype.ts';
import { checkOptions, isOptions } from '../core/options.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';

/**
 * A tensor that a module learns: a leaf that requires grad, which the module that has it as a field lists among its `parameters()`
 * (torch.nn.Parameter). It shares the memory of `data`.
 * @example this.weight = new Parameter(randn(3, 4));
 */
export class Parameter extends Tensor {
  constructor(data: Tensor, requiresGrad: boolean | { requiresGrad?: boolean } = true) {
    if (!(data instanceof Tensor))
      throw new AdjointError('argument', `Parameter: expected a Tensor, got ${show(data)}`);
    if (isOptions(requiresGrad)) checkOptions('Parameter', requiresGrad, ['requiresGrad']);
    const wanted = typeof requiresGrad === 'boolean' ? requiresGrad : (requiresGrad.requiresGrad ?? true);
    if (wanted && !isFloatingPoint(data.dtype)) {
      throw new AdjointError(
        'dtype',
        `Parameter: only Tensors of floating point dtype can require gradients, got ${data.dtype}`,
      );
    }
    super(data.storage, data.shape, data.strides, data.offset);
    leaf(this, wanted);
  }

  override toString(): string {
    return `Parameter containing:\n${super.toString()}`;
  }
}
