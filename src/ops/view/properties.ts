/**
 * Views that are properties, as in PyTorch: the transposes `x.T`, `x.mT`, with complex conjugates `x.H`, `x.mH`, and `x.real`; and those that
 * iteration gives.
 */
import { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import { permute, transpose, unbind } from './view.ts';

declare module '../../core/tensor.ts' {
  interface Tensor {
    /** The parts along dimension 0, as views: `for (const row of x)`, `const [a, b] = x` (torch.Tensor.__iter__). */
    [Symbol.iterator](): Iterator<Tensor>;
    /** The dimensions in reverse order, as a view (torch.Tensor.T). */
    readonly T: Tensor;
    /** Each matrix transposed: the last two dimensions exchanged, as a view (torch.Tensor.mT). */
    readonly mT: Tensor;
    /** The matrix transposed and conjugated, for real numbers the same as `T` (torch.Tensor.H). */
    readonly H: Tensor;
    /** Each matrix transposed and conjugated, for real numbers the same as `mT` (torch.Tensor.mH). */
    readonly mH: Tensor;
    /** The real part: of a real tensor, itself (torch.Tensor.real). */
    readonly real: Tensor;
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

/** The real part of each element: of a real tensor, itself (torch.real). */
export const real = (x: Tensor): Tensor => x;

const properties = { T: reversed, mT: ofMatrices('mT'), H: ofMatrix, mH: ofMatrices('mH'), real };

function rows(this: Tensor): Iterator<Tensor> {
  if (this.ndim === 0) throw new AdjointError('shape', 'iteration over a 0-d tensor: item() gives its value');
  return unbind(this)[Symbol.iterator]();
}

/** Called once by the package's entry. */
export function installProperties(): void {
  Object.defineProperty(Tensor.prototype, Symbol.iterator, { value: rows, configurable: true });
  for (const [name, property] of Object.entries(properties)) {
    Object.defineProperty(Tensor.prototype, name, {
      get(this: Tensor) {
        return property(this);
      },
      configurable: true,
    });
  }
}
