/** Arguments by position or by name, as API.md's rule 7 has them: `sum(x, 1, true)`, `sum(x, 1, { keepdim: true })`, `sum(x, { dim: 1 })`. */

import { AdjointError, show } from '../errors.ts';
import { checkOptions, isOptions } from './options.ts';
import { Tensor } from './tensor.ts';

type Tail<T extends readonly unknown[]> = T extends readonly [unknown?, ...infer Rest] ? Rest : [];

/** An object of the parameters `Params` under the names `Names`; the optional ones are optional. */
type ByName<Names extends readonly unknown[], Params extends readonly unknown[]> = number extends Params['length']
  ? unknown
  : Names extends readonly [infer Name extends string, ...infer MoreNames]
    ? Params extends readonly [infer First, ...infer More]
      ? { [K in Name]: First } & ByName<MoreNames, More>
      : Params extends readonly [(infer First)?, ...infer More]
        ? { [K in Name]?: First } & ByName<MoreNames, More>
        : unknown
    : unknown;

/** One object type instead of an intersection: it reads better in an editor. */
type Flat<T> = { [K in keyof T]: T[K] };

/** Any number of parameters by position, the rest by name. */
export type Arguments<
  Names extends readonly unknown[],
  Params extends readonly unknown[],
> = number extends Params['length']
  ? Params
  : Params extends readonly []
    ? []
    : Params extends readonly [infer First, ...infer More]
      ? [options: Flat<ByName<Names, Params>>] | [First, ...Arguments<Tail<Names>, More>]
      : Params extends readonly [(infer First)?, ...infer More]
        ? [options?: Flat<ByName<Names, Params>>] | [First | undefined, ...Arguments<Tail<Names>, More>]
        : [];

/**
 * Lets every parameter of `operator` after its first, which is a tensor, also be given by name, in one object at the end.
 * @param names of the parameters after the first, in order
 */
export function named<const Names extends readonly string[], X, Params extends readonly unknown[], R>(
  name: string,
  names: Names,
  operator: (x: X, ...params: Params) => R,
): (x: X, ...args: Arguments<Names, Params>) => R {
  return (x: X, ...args: readonly unknown[]): R =>
    operator(checkTensor(name, x), ...positional<Params>(name, names, args));
}

/** The same where the first parameter may be something else, which `operator` checks. */
export function namedAfterAny<const Names extends readonly string[], X, Params extends readonly unknown[], R>(
  name: string,
  names: Names,
  operator: (x: X, ...params: Params) => R,
): (x: X, ...args: Arguments<Names, Params>) => R {
  return (x: X, ...args: readonly unknown[]): R => operator(x, ...positional<Params>(name, names, args));
}

/** `x`, if it is a tensor; an error says what else it is. */
export function checkTensor<X>(name: string, x: X): X {
  if (x instanceof Tensor) return x;
  throw new AdjointError('argument', `${name}: expected a Tensor, got ${show(x)}; make one with tensor(...)`);
}

/** The parameters of a call in order, those that were given by name at their places. */
export function positional<Params extends readonly unknown[]>(
  name: string,
  names: readonly string[],
  args: readonly unknown[],
): Params {
  const options = args[args.length - 1];
  if (!isOptions(options)) return args as Params;
  checkOptions(name, options, names.slice(args.length - 1));
  const params: readonly unknown[] = names.map((key, k) => (k < args.length - 1 ? args[k] : options[key]));
  return params as Params;
}

/** A function as a method of its first argument, with each of up to four overloads. */
type Method<F> = F extends {
  (x: Tensor, ...rest: infer A): infer P;
  (x: Tensor, ...rest: infer B): infer Q;
  (x: Tensor, ...rest: infer C): infer R;
  (x: Tensor, ...rest: infer D): infer S;
}
  ? ((...args: A) => P) & ((...args: B) => Q) & ((...args: C) => R) & ((...args: D) => S)
  : never;

/** The functions of a module as methods of their first argument. */
export type Methods<Ops> = { [K in keyof Ops]: Method<Ops[K]> };
