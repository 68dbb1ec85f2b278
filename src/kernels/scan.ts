/** Kernels that carry a state along a line and write something at each step. */
import type { Operand } from './access.ts';
import type { ElementType } from './element.ts';
import type { Expr } from './expr.ts';
import * as s from './expr.ts';
import { LineBuilder, type Width } from './lines.ts';
import type { Lanes } from './lower.ts';
import type { Kernel } from './module.ts';
import { forLoop, i32, i32x4 } from './wasm.ts';

/** What a scan does at each step, as expressions of the operands and then of the state. */
export interface Scan {
  /** The state before the first step. */
  readonly initial: number;
  /** What is written. */
  readonly output: Expr;
  /** The state after the step. */
  readonly next: Expr;
}

/**
 * @param type the dtype in which the state is kept and the expressions are computed
 * @param lines how many to walk along at once
 */
export function scanKernel(
  scan: Scan,
  type: ElementType,
  operands: readonly Operand[],
  result: Operand,
  lines: Width,
): Kernel {
  const b = new LineBuilder(operands, [result]);
  const step = b.fn.local('i32');
  const state = b.cell(type);
  const line = (width: Width) => {
    const { code, values } = b.load(width);
    return [
      ...b.assign(state, s.constant(scan.initial), type),
      ...forLoop(step, i32.const(0), b.steps.get, 1, [
        ...code,
        ...b.compute([...values, state.value], () => {
          const output = b.lowering.value(scan.output, type);
          const next = b.lowering.value(scan.next, type);
          b.store(0, width, output);
          b.lowering.body.push(state.set(next));
        }),
        ...b.advance(),
      ]),
    ];
  };
  return b.finish(lines, line);
}

/** Whether the element is NaN, or at least or at most (whichever is sought) the extremum (input 1) so far. */
const replaces = (compare: (a: Expr, b: Expr) => Expr): Expr =>
  s.or(compare(s.input(0), s.input(1)), s.isNan(s.input(0)));

/**
 * The running extremum and, as a second result, where it stands: the last of those that are equal.
 * @param lines how many to walk along at once
 */
export function extremumScanKernel(
  seek: 'min' | 'max',
  operand: Operand,
  results: readonly [Operand, Operand],
  lines: Width,
): Kernel {
  const b = new LineBuilder([operand], results);
  // truth values are ordered as numbers
  const type = operand.type === 'bool' ? 'uint8' : operand.type;
  const value = b.cell(type);
  const position = b.cell('int32');
  const better = b.cell('bool');
  const step = b.fn.local('i32');
  const here: Lanes = { type: 'int32', parts: [i32x4.splat(step.get)] };
  const pick = s.select(s.condition(0), s.input(1), s.input(2));
  const line = (width: Width) => {
    const { code, values } = b.load(width);
    return [
      ...code,
      ...b.assign(value, s.input(0), type, ...values),
      ...forLoop(step, i32.const(0), b.steps.get, 1, [
        ...code,
        ...b.assign(better, replaces(seek === 'max' ? s.ge : s.le), type, values[0], value.value),
        ...b.assign(value, pick, type, better.value, values[0], value.value),
        ...b.assign(position, pick, 'int32', better.value, here, position.value),
        ...b.compute([], () => {
          b.store(0, width, value.value);
          b.store(1, width, position.value);
        }),
        ...b.advance(),
      ]),
    ];
  };
  return b.finish(lines, line);
}
