/** The transposes that are properties, as in PyTorch: `x.T`, `x.mT`, and `x.H`, `x.mH` for complex conjugates. */
import { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { permute, transpose } from './view.ts';

declare module '../core/tensor.ts' {
  interface Tensor {
    /** The dimensions in reverse order, as a view (torch.Tensor.T). */
    readonly T: Tensor;
    /** Each matrix transposed: the last two dimensions exchanged, as a view (torch.Tensor.mT). */
    readonly mT: Tensor;
    /** The matrix transposed and conjugated, for real numbers the same as `T` (torch.Tensor.H). */
    readonly H: Tensor;
    /** Each matrix transposed and conjugated, for real numbers the same as `mT` (torch.Tensor.mH). */
    readonly mH: Tensor;
  }
}

const reversed = (x: Tensor): Tensor =>
  permute(
    x,
    x.shape.map((_, d) => x.ndim - 1 - d),
  );

const ofMatrices = (name: string) => (x: Tensor) => {
  if (x.ndim === 0) return reversed(x);
  if (x.ndim > 1) return transpose(x, -2, -1);
  throw new AdjointError(
    'shape',
    `tensor.${name} is only supported on matrices or batches of matrices. Got ${x.ndim}-D tensor.`,
  );
};

const ofMatrix = (x: Tensor): Tensor => {
  if (x.ndim === 0) return reversed(x);
  if (x.ndim === 2) return transpose(x, 0, 1);
  throw new AdjointError(
    'shape',
    `tensor.H is only supported on matrices (2-D tensors). Got ${x.ndim}-D tensor; for batches of matrices use mH`,
  );
};

const properties = { T: reversed, mT: ofMatrices('mT'), H: ofMatrix, mH: ofMatrices('mH') };

/** Called once by the package's entry. */
export function installTransposed(): void {
  for (const [name, transposed] of Object.entries(properties)) {
    Object.defineProperty(Tensor.prototype, name, {
      get(this: Tensor) {
        return transposed(this);
      },
      configurable: true,
    });
  }
}
