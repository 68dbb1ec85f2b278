/** What stands around operators as they are applied, if anything does: a profile, a log, a store of their results. */
import type { Tensor } from '../core/tensor.ts';
import { scoped } from './modes.ts';
import type { Operand, Primitive } from './primitive.ts';

/** An operator that is being applied. */
export interface Applied {
  readonly primitive: Primitive<unknown>;
  readonly params: unknown;
  readonly inputs: readonly Operand[];
  /** Whether it writes its result over the first input. */
  readonly inPlace: boolean;
}

type Result = Tensor | Tensor[];

/** Is called in place of an operator; `compute` applies it. */
export type Around = (applied: Applied, compute: () => Result) => Result;

/** Those in force, innermost last. */
export const surroundings: Around[] = [];

/** Applies an operator amid what stands around it: the innermost is called first. */
export function amid(applied: Applied, compute: () => Result, depth = surroundings.length): Result {
  if (depth === 0) return compute();
  return surroundings[depth - 1](applied, () => amid(applied, compute, depth - 1));
}

/** Has `around` called for all operators, for as long as `callback` runs or until what is returned is disposed of. */
export function surround<T>(around: Around, callback?: () => T): T | Disposable {
  return scoped(() => {
    surroundings.push(around);
    return () => void surroundings.splice(surroundings.lastIndexOf(around), 1);
  }, callback);
}

/** The name of an operator: that of its node, without `Backward0`; one that writes in place ends in an underscore. */
export function operatorName({ primitive, inPlace }: Applied): string {
  const plain = primitive.name.replace(/Backwards?\d?$/, '');
  return plain[0].toLowerCase() + plain.slice(1) + (inPlace ? '_' : '');
}
