/** Lists of numbers as arguments, as API.md's rule 8 has them: `permute(x, 1, 0)`, `permute(x, [1, 0])`, `permute(x, { dims: [1, 0] })`. */
import { checkOptions, isOptions } from '../core/options.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';

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
