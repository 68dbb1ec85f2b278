/** Lists as arguments, one by one or in an array, as API.md's rule 8 has them: `permute(x, 1, 0)`, `permute(x, [1, 0])`, `permute(x, { dims: [1, 0] })`. */

import { AdjointError, show } from '../errors.ts';
import { checkTensor } from './named.ts';
import { checkOptions, isOptions } from './options.ts';
import { Tensor } from './tensor.ts';

/** Numbers one by one, as one array, or by name. */
export type Listed<Key extends string> =
  | number[]
  | [list: readonly number[]]
  | [options: { [K in Key]: readonly number[] }];

/**
 * Lets the list of numbers that `operator` takes after its first parameter be given in each of these ways.
 * @param key its name
 */
export function listed<const Key extends string, R>(
  name: string,
  key: Key,
  operator: (x: Tensor, list: readonly number[]) => R,
): (x: Tensor, ...list: Listed<Key>) => R {
  return (x, ...args) => {
    checkTensor(name, x);
    const first: unknown = args[0];
    if (args.length !== 1 || typeof first === 'number') return operator(x, args as number[]);
    let list = first;
    if (isOptions(first)) {
      checkOptions(name, first, [key]);
      list = first[key];
    }
    if (!Array.isArray(list)) {
      throw new AdjointError(
        'argument',
        `${name}: ${key} must be numbers, one by one or in an array, got ${show(list)}`,
      );
    }
    return operator(x, list);
  };
}

export type Tensors = readonly Tensor[];

/** Tensors one by one or in one array. */
export type SomeTensors = Tensor[] | [tensors: Tensors];

/** The tensors that were given one by one or in one array. */
export function listOf(call: string, args: readonly (Tensor | Tensors)[]): Tensors {
  const list = args.length === 1 && Array.isArray(args[0]) ? args[0] : args;
  if (list.length > 0) checkTensors(call, list as Tensors);
  return list as Tensors;
}

/** Throws unless `tensors` is an array of tensors, and not empty. */
export function checkTensors(call: string, tensors: Tensors): Tensors {
  if (!Array.isArray(tensors)) {
    throw new AdjointError('argument', `${call}: expected an array of Tensors, got ${show(tensors)}`);
  }
  tensors.forEach((x, k) => {
    if (!(x instanceof Tensor))
      throw new AdjointError('argument', `${call}: expected a Tensor at position ${k}, got ${show(x)}`);
  });
  if (tensors.length === 0) throw new AdjointError('argument', `${call} expects a non-empty TensorList`);
  return tensors;
}
