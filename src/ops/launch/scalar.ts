/** Computes with single elements that live on the JavaScript heap as the numbers that they are. */
import type { Operand } from '../../autograd/primitive.ts';
import type { DType } from '../../core/dtype.ts';
import type { Tensor } from '../../core/tensor.ts';
import { codeOf } from '../../kernels/element.ts';
import type { Expr } from '../../kernels/expr.ts';
import { type ScalarKernel, scalarKernel } from '../../kernels/scalar.ts';

/** An expression and the kernels made of it so far that compute it of numbers: the one that was used last, and all. */
export interface ScalarCode {
  readonly root: Expr;
  scalar?: { readonly key: number; readonly kernel: ScalarKernel };
  scalars?: Map<number, ScalarKernel>;
}

/** Whether the first element can be had as a number. */
const isAtHand = ({ storage, dtype }: Tensor): boolean => storage.address === 0 && dtype !== 'int64';

const numberOf = (x: Operand): number => {
  if (typeof x === 'number') return x;
  const { array, value } = x.storage;
  return array === null ? value : (array[x.offset] as number);
};

/** Computes an expression of single elements into `out`, which has one; returns false where they do not all live on the JavaScript heap. */
export function computeScalar(code: ScalarCode, operands: readonly Operand[], type: DType, out: Tensor): boolean {
  if (!isAtHand(out)) return false;
  let key = codeOf[type] * 8 + codeOf[out.dtype];
  for (let k = 0; k < operands.length; k++) {
    const x = operands[k];
    if (typeof x !== 'number' && !isAtHand(x)) return false;
    key = key * 8 + codeOf[typeof x === 'number' ? type : x.dtype];
  }
  if (code.scalar?.key !== key) code.scalar = { key, kernel: kernelOf(code, key, operands, type, out) };
  const value = evaluate(code.scalar.kernel, operands);
  const { storage } = out;
  if (storage.array === null) storage.value = value;
  else storage.array[out.offset] = value;
  return true;
}

function kernelOf(code: ScalarCode, key: number, operands: readonly Operand[], type: DType, out: Tensor): ScalarKernel {
  code.scalars ??= new Map();
  let kernel = code.scalars.get(key);
  if (!kernel) {
    const types = operands.map((x) => (typeof x === 'number' ? type : x.dtype));
    code.scalars.set(key, (kernel = scalarKernel(code.root, type, types, out.dtype)));
  }
  return kernel;
}

// by number, as a call with a list takes several times as long
function evaluate(kernel: ScalarKernel, operands: readonly Operand[]): number {
  switch (operands.length) {
    case 1:
      return kernel(numberOf(operands[0]));
    case 2:
      return kernel(numberOf(operands[0]), numberOf(operands[1]));
    case 3:
      return kernel(numberOf(operands[0]), numberOf(operands[1]), numberOf(operands[2]));
    default:
      return kernel(...operands.map(numberOf));
  }
}
