/** Operators that write into a part of their first argument: into a copy of it, or in place. */
import { apply, applyInPlace, type Operand, type Primitive, type Vjp } from '../../autograd/primitive.ts';
import { filled } from '../../core/creation.ts';
import type { DType } from '../../core/dtype.ts';
import { type Arguments, named } from '../../core/named.ts';
import { type Shape, sameShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';

/** A primitive that is given by what it writes into its first input. */
export interface Overwriting<P> extends Primitive<P> {
  write(params: P, self: Tensor, ...others: Tensor[]): void;
}

/**
 * @param write checks what is left to check before it writes anything
 * @param copy makes what is written to when the first input itself is to stay
 */
export function overwriting<P>(
  name: string,
  write: Overwriting<P>['write'],
  rules: readonly (Vjp<P> | null)[] | ((input: number, params: P) => Vjp<P> | null),
  copy = (x: Tensor, ..._others: Tensor[]): Tensor => x.clone(),
): Overwriting<P> {
  const forward = (params: P, x: Tensor, ...others: Tensor[]): Tensor => {
    const out = copy(x, ...others);
    write(params, out, ...others);
    return out;
  };
  const vjp = typeof rules === 'function' ? rules : (input: number) => rules[input];
  return { name, forward: forward as Primitive<P>['forward'], vjp, write };
}

/** Applies such a primitive in place. */
export const writeInto = <P>(operator: Overwriting<P>, params: P, self: Tensor, others: readonly Operand[]): Tensor =>
  applyInPlace(operator, params, [self, ...others], () => operator.write(params, self, ...(others as Tensor[])));

/** What such a primitive writes into zeros of this shape. */
export function intoZeros<P>(
  operator: Overwriting<P>,
  params: P,
  shape: Shape,
  dtype: DType,
  others: readonly Operand[],
): Tensor {
  const zeros = filled(shape, 0, dtype);
  // zeros are the same for all examples, what is written need not be
  const isLifted = others.some((x) => typeof x !== 'number' && x._lift !== null);
  return isLifted ? apply(operator, params, [zeros, ...others]) : writeInto(operator, params, zeros, others);
}

/** Chooses, from the arguments of a call that it checks, the primitive to apply, its parameters and its inputs after the first. */
type Selector<Params extends readonly unknown[], P> = (
  x: Tensor,
  ...params: Params
) => [operator: Overwriting<P>, params: P, ...others: Operand[]];

const forms = new WeakMap<object, (self: Tensor, ...args: readonly unknown[]) => Tensor>();

/** Defines a function by the choice that it makes among primitives. `names` are those of the parameters after the first. */
export function overwriter<const Names extends readonly string[], Params extends readonly unknown[], P>(
  name: string,
  names: Names,
  select: Selector<Params, P>,
): (x: Tensor, ...args: Arguments<Names, Params>) => Tensor {
  const f = named(name, names, (x: Tensor, ...params: Params): Tensor => {
    const [operator, own, ...others] = select(x, ...params);
    return apply(operator, own, [x, ...others]);
  });
  const form = named(`${name}_`, names, (x: Tensor, ...params: Params): Tensor => {
    const [operator, own, ...others] = select(x, ...params);
    return writeInto(operator, own, x, others);
  });
  forms.set(f, form as (self: Tensor, ...args: readonly unknown[]) => Tensor);
  return f;
}

/** The in-place form of such a function: takes the same arguments, writes into the first and returns it. */
export const inPlace = <Args extends readonly unknown[]>(
  f: (x: Tensor, ...args: Args) => Tensor,
): ((self: Tensor, ...args: Args) => Tensor) => forms.get(f) as (self: Tensor, ...args: Args) => Tensor;

/** What is written to a place of this shape: a tensor as it is, or a number as often as it takes. */
export const spread = (value: Operand, shape: Shape, dtype: DType): Tensor =>
  typeof value === 'number' ? filled(shape, value, dtype) : value;

/** `g` with dimensions of size 1 more or less. */
export const shaped = (g: Tensor, shape: Shape): Tensor => (sameShape(g.shape, shape) ? g : g.reshape(shape));

/** Throws unless `values` is a tensor of the dtype of what it is to be written into. */
export function checkValues(call: string, x: Tensor, what: string, values: unknown): asserts values is Tensor {
  if (!(values instanceof Tensor)) {
    throw new AdjointError('argument', `${call}: expected a Tensor as ${what}, got ${show(values)}`);
  }
  if (values.dtype !== x.dtype) {
    throw new AdjointError(
      'dtype',
      `${call}(): Expected self.dtype to be equal to ${what}.dtype, got ${x.dtype} and ${values.dtype}; convert one with to()`,
    );
  }
}
