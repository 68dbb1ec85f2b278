/**
 * Kernels that compute a scalar expression once: numbers in, a number out, without a look at memory. Their code is that of the other kernels,
 * for four equal elements, so that a single element comes out as it would among many.
 */
import { ofNumber } from './access.ts';
import type { ElementType } from './element.ts';
import type { Expr } from './expr.ts';
import { type Lanes, Lowering, laneOf } from './lower.ts';
import { shared } from './memory.ts';
import { instantiate } from './module.ts';
import { type Code, concat, encodeModule, FunctionBuilder, f64, type HostFunction, i32 } from './wasm.ts';

/** Takes the operands as numbers, truth values as 0 and 1. */
export type ScalarKernel = (...operands: number[]) => number;

/** The first lane as a float64. */
function asNumber(value: Lanes): Code {
  const lane = laneOf(value, 0);
  if (value.type === 'float64') return lane;
  if (value.type === 'float32') return f64.promoteF32(lane);
  return f64.convertI32S(value.type === 'bool' ? i32.and(lane, i32.const(1)) : lane);
}

/**
 * @param e what to compute
 * @param type the dtype in which the expression's numbers are computed
 * @param operands the dtype of each input; any but int64, of which not all are numbers of JavaScript
 * @param result the dtype of the value, likewise
 */
export function scalarKernel(
  e: Expr,
  type: ElementType,
  operands: readonly ElementType[],
  result: ElementType,
): ScalarKernel {
  const fn = new FunctionBuilder(
    operands.map(() => 'f64'),
    'f64',
  );
  const imports: HostFunction[] = [];
  const lowering = new Lowering(fn, imports);
  lowering.begin([]);
  const inputs = operands.map((own, k) => ofNumber(lowering, own, fn.params[k].get));
  const loads = lowering.body;
  lowering.begin(inputs);
  const value = lowering.convert(lowering.value(e, type), result);
  const code = [...lowering.prologue, ...loads, ...lowering.body, asNumber(value)];
  const bytes = encodeModule(fn, concat(code), imports, [], shared);
  return instantiate(bytes).run as ScalarKernel;
}
