/** Modules without parameters: a function of tensors, whose options are the module's fields. */

import { positional } from '../core/named.ts';
import { Tensor } from '../core/tensor.ts';
import { Module } from './module.ts';
import { pythonBool, pythonFloat } from './repr.ts';

type Options = Readonly<Record<string, unknown>>;

/** A module that computes a function of `Inputs`, with its options as fields. */
export type FunctionModule<Inputs extends readonly Tensor[], O extends Options> = Module &
  O & {
    /** Applies the function. */
    forward(...inputs: Inputs): Tensor;
  };

/** The arguments that may follow `First`, of all ways to give `Args`. */
type After<First extends readonly unknown[], Args extends readonly unknown[]> = First extends readonly [
  infer Needed,
  ...infer More,
]
  ? Args extends readonly [infer Given, ...infer Rest]
    ? [Needed] extends [Given]
      ? After<More, Rest>
      : never
    : never
  : Args;

/**
 * The class of modules that compute `f` of one tensor. Its constructor takes the further arguments of `f`, in order or by name.
 * It shows them as PyTorch does.
 * @param defaults these further arguments in their order, with their values when they are not given
 */
export function ofOne<Args extends readonly unknown[], O extends Options>(
  f: (x: Tensor, ...args: Args) => Tensor,
  defaults: O,
): new (
  ...args: Args
) => FunctionModule<[x: Tensor], O> {
  return moduleOf(f, defaults, true) as unknown as new (
    ...args: Args
  ) => FunctionModule<[x: Tensor], O>;
}

/** The same for a function of an input and a target; it does not show its options. */
export function ofTwo<Args extends readonly unknown[], O extends Options>(
  f: (input: Tensor, ...args: Args) => Tensor,
  defaults: O,
): new (
  ...args: After<[Tensor], Args>
) => FunctionModule<[input: Tensor, target: Tensor], O> {
  return moduleOf(f, defaults, false) as unknown as new (
    ...args: After<[Tensor], Args>
  ) => FunctionModule<[input: Tensor, target: Tensor], O>;
}

/** The same for a function of three tensors; it does not show its options. */
export function ofThree<Args extends readonly unknown[], O extends Options>(
  f: (first: Tensor, ...args: Args) => Tensor,
  defaults: O,
): new (
  ...args: After<[Tensor, Tensor], Args>
) => FunctionModule<[first: Tensor, second: Tensor, third: Tensor], O> {
  return moduleOf(f, defaults, false) as unknown as new (
    ...args: After<[Tensor, Tensor], Args>
  ) => FunctionModule<[first: Tensor, second: Tensor, third: Tensor], O>;
}

function moduleOf(f: (x: Tensor, ...args: never) => Tensor, defaults: Options, showsOptions: boolean) {
  const names = Object.keys(defaults);
  return class extends Module {
    constructor(...args: readonly unknown[]) {
      super();
      const given = positional(new.target.name, names, args);
      names.forEach((name, k) => {
        const value = given[k] ?? defaults[name];
        // a weight is state of the module, though it is not learnt
        if (value instanceof Tensor) this.registerBuffer(name, value);
        else (this as Record<string, unknown>)[name] = value;
      });
    }

    forward(...inputs: [Tensor, ...Tensor[]]): Tensor {
      const [first, ...others] = inputs;
      return f(first, ...([...others, ...names.map((name) => (this as Record<string, unknown>)[name])] as never));
    }

    override extraRepr(): string {
      return showsOptions ? showOptions(this, names) : '';
    }
  };
}

/** Options as PyTorch shows them, `alpha=1.0, inplace=True`; `inplace` only where it is so. */
export function showOptions(module: Module, names: readonly string[]): string {
  return names
    .map((name): [string, unknown] => [name, (module as unknown as Options)[name]])
    .filter(([name, value]) => name !== 'inplace' || value === true)
    .map(([name, value]) => `${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}=${shown(name, value)}`)
    .join(', ');
}

/** An option as PyTorch shows it: dimensions are integers, other numbers floats. */
function shown(name: string, value: unknown): string {
  if (typeof value === 'number') return name === 'dim' ? String(value) : pythonFloat(value);
  if (typeof value === 'boolean') return pythonBool(value);
  return typeof value === 'string' ? `'${value}'` : 'None';
}
