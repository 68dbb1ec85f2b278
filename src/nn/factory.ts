import { empty, readOptions } from '../core/creation.ts';
import { type DType, getDefaultDtype } from '../core/dtype.ts';
import type { Shape } from '../core/shape.ts';
import { Parameter } from './parameter.ts';

/** Where and in which dtype a module makes its parameters. */
export interface ParameterOptions {
  readonly device?: 'cpu' | null;
  readonly dtype?: DType | null;
}

/** A parameter whose elements are not set. */
export function unsetParameter(call: string, shape: Shape, { device, dtype }: ParameterOptions): Parameter {
  const options = readOptions(call, { device: device ?? 'cpu', dtype: dtype ?? undefined }, getDefaultDtype());
  return new Parameter(empty(shape, { dtype: options.dtype }));
}
