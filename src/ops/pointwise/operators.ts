/**
 * Tensors under `+ - * / % **`, for programs compiled with tsover: in a file that begins with 'use tsover', `9 * x ** 4 + 1` calls
 * these. A number may stand on either side.
 */
import { Operator } from 'tsover-runtime';
import type { Scalar } from '../../core/dtype.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import { add, div, mul, pow, reciprocal, remainder, rsub, sub } from './pointwise.ts';

type Operand = Tensor | Scalar;
type Binary = (left: Operand, right: Operand) => Tensor;

declare module '../../core/tensor.ts' {
  interface Tensor {
    [Operator.plus](left: Operand, right: Operand): Tensor;
    [Operator.minus](left: Operand, right: Operand): Tensor;
    [Operator.star](left: Operand, right: Operand): Tensor;
    [Operator.slash](left: Operand, right: Operand): Tensor;
    [Operator.percent](left: Operand, right: Operand): Tensor;
    [Operator.starStar](left: Operand, right: Operand): Tensor;
    /** Text for template strings; arithmetic on a tensor outside of tsover is an error rather than NaN. */
    [Symbol.toPrimitive](hint: string): string;
  }
}

const operators: [symbol: symbol, operation: Binary][] = [
  [Operator.plus, add],
  // as Python's reflected operators
  [Operator.minus, (left, right) => (left instanceof Tensor ? sub(left, right) : rsub(right, left))],
  [Operator.star, mul],
  [
    Operator.slash,
    (left, right) => (left instanceof Tensor ? div(left, right) : mul(reciprocal(right as Tensor), left)),
  ],
  [Operator.percent, remainder],
  [Operator.starStar, pow],
];

const isOperand = (value: unknown): value is Operand =>
  value instanceof Tensor || typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint';

/** Called once by the package's entry. */
export function installOperators(): void {
  for (const [symbol, operation] of operators) {
    // anything else, a string say, is left to the language
    const value = (left: unknown, right: unknown): unknown =>
      isOperand(left) && isOperand(right) ? operation(left, right) : Operator.deferOperation;
    Object.defineProperty(Tensor.prototype, symbol, { value });
  }
  Object.defineProperty(Tensor.prototype, Symbol.toPrimitive, {
    value(this: Tensor, hint: string) {
      if (hint !== 'number') return this.toString();
      throw new AdjointError(
        'argument',
        'a Tensor is no number: use add, sub, mul, div, pow and neg, or the operators + - * / % ** in a file compiled with tsover ' +
          "('use tsover'; unary minus is x.neg()); item() gives the value of a tensor of one element",
      );
    },
  });
}
