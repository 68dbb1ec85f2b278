/**
 * Pointwise operators: a scalar expression for each element of broadcast operands. The derivative is an expression as well, so the
 * backward of a pointwise operator is one kernel, and a pointwise operator itself, that can be differentiated in turn.
 */
import { alignExamples } from '../../autograd/batch-rules.ts';
import { mode } from '../../autograd/modes.ts';
import { apply, applyInPlace, type Operand, type Primitive, result, type Vjp } from '../../autograd/primitive.ts';
import { zerosLike } from '../../core/creation.ts';
import {
  canCast,
  type DType,
  dtypeOfScalar,
  getDefaultDtype,
  isFloatingPoint,
  resultType,
  type Scalar,
} from '../../core/dtype.ts';
import { type Arguments, checkTensor, namedAfterAny } from '../../core/named.ts';
import { isOptions } from '../../core/options.ts';
import { broadcastShapes, type Shape, sameShape, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import type { Expr } from '../../kernels/expr.ts';
import * as s from '../../kernels/expr.ts';
import { launchPointwise, type PointwiseCode, pointwiseCode } from '../launch/pointwise.ts';
import { derivative } from './differentiate.ts';

type Expression = (...inputs: Expr[]) => Expr;

/** What is to be known of a pointwise operator beside its expression. */
export interface PointwiseOptions {
  /** 'floating' for functions that leave the integers: these then give the default dtype. Otherwise operands are only promoted. */
  readonly domain?: 'floating';
  /** The partial derivatives from the inputs and then the result, where convention or accuracy asks for more than the chain rule. */
  readonly derivatives?: readonly (((...inputsAndResult: Expr[]) => s.Scalar) | null)[];
  /**
   * The rule of a function of one tensor while the backward is recorded, where its kernel would lose sight of the input: the second
   * derivative of x^2 is constant, but still to be differentiated.
   */
  readonly recorded?: (cotangent: Tensor, x: Tensor) => Tensor;
  /** Which inputs are truth values. */
  readonly conditions?: readonly number[];
  /** Which inputs are cast to the dtype of the others, rather than promoted with them. */
  readonly cast?: readonly number[];
}

const none: readonly number[] = [];

/**
 * A pointwise operator of so many operands, named for its node: 'Mul' for MulBackward0. Functions are defined of it by `unary`, `binary` and
 * `pointwise`, below.
 */
export class Pointwise implements Primitive<undefined> {
  readonly name: string;
  operands?: Primitive['operands'];
  readonly diagonal = true;
  private readonly arity: number;
  private readonly root: Expr;
  private readonly options: PointwiseOptions;
  private readonly code: PointwiseCode;
  private readonly rules: (Vjp<undefined> | null | undefined)[] = [];

  constructor(name: string, expression: Expression | Expr, arity: number, options: PointwiseOptions = {}) {
    this.name = name;
    this.arity = arity;
    this.options = options;
    this.root = typeof expression === 'function' ? expression(...this.inputs()) : expression;
    this.code = pointwiseCode(this.root);
  }

  /** The same operator under the name that PyTorch has for it when called with other kinds of operands. */
  as(name: string): Pointwise {
    return new Pointwise(name, this.root, this.arity, this.options);
  }

  private inputs(): Expr[] {
    const { conditions = [] } = this.options;
    return Array.from({ length: this.arity }, (_, k) => (conditions.includes(k) ? s.condition(k) : s.input(k)));
  }

  /** Applies the operator to tensors and numbers. */
  call(...operands: readonly (Tensor | Scalar)[]): Tensor {
    return this.callFrom(0, operands);
  }

  /** The same for the operands from position `first` of a list on. */
  callFrom(first: number, list: readonly unknown[]): Tensor {
    const operands = new Array<Operand>(list.length - first);
    for (let k = 0; k < operands.length; k++) operands[k] = operand(list[first + k] as Tensor | Scalar);
    return apply(this, undefined, operands);
  }

  /** Applies the operator and writes the result over the first operand. */
  callInPlace(self: Tensor, ...others: readonly (Tensor | Scalar)[]): Tensor {
    const inputs = new Array<Operand>(1 + others.length);
    inputs[0] = self;
    for (let k = 0; k < others.length; k++) inputs[k + 1] = operand(others[k]);
    const out = this.resultDType(this.computeDType(inputs));
    if (out !== self.dtype && !canCast(out, self.dtype)) {
      throw new AdjointError('dtype', `result type ${out} can't be cast to the desired output type ${self.dtype}`);
    }
    const shape = shapeOf(inputs);
    if (!sameShape(shape, self.shape)) {
      throw new AdjointError(
        'shape',
        `output with shape ${showShape(self.shape)} doesn't match the broadcast shape ${showShape(shape)}`,
      );
    }
    return applyInPlace(this as Primitive<undefined>, undefined, inputs as [Tensor, ...Operand[]], this.overwrite);
  }

  /** Computes the result into the memory of the first operand. */
  private readonly overwrite = ([self, ...others]: readonly [Tensor, ...Operand[]]): void => {
    const inputs: Operand[] = [self];
    // a kernel may overwrite what it reads only element by element
    for (const x of others)
      inputs.push(x instanceof Tensor && x !== self && x.storage.shares(self.storage) ? x.clone() : x);
    launchPointwise(this.code, inputs, this.computeDType(inputs), self);
  };

  forward(_: undefined, ...operands: Operand[]): Tensor {
    const compute = this.computeDType(operands);
    const output = Tensor.empty(shapeOf(operands), this.resultDType(compute));
    launchPointwise(this.code, operands, compute, output);
    return output;
  }

  /** The dtype to compute in. */
  private computeDType(operands: readonly (number | Pick<Tensor, 'dtype' | 'shape'>)[]): DType {
    const { conditions = none, cast = none, domain } = this.options;
    const passive = conditions.length + cast.length > 0;
    const numbers = passive ? operands.filter((_, k) => !conditions.includes(k) && !cast.includes(k)) : operands;
    const compute = resultType(numbers);
    return domain === 'floating' && !isFloatingPoint(compute) ? getDefaultDtype() : compute;
  }

  private resultDType(compute: DType): DType {
    return this.root.logical ? 'bool' : compute;
  }

  /** The operands are promoted as those of one example are: what has no dimensions there has one here. */
  batch(_: undefined, inputs: readonly Operand[], batched: readonly boolean[]): Tensor {
    const { conditions = [], cast = [] } = this.options;
    const examples = inputs.map((x, k) =>
      batched[k] && x instanceof Tensor ? { dtype: x.dtype, shape: x.shape.slice(1) } : x,
    );
    const aligned = alignExamples(inputs, batched);
    const compute = this.computeDType(examples);
    if (this.computeDType(aligned) === compute) return apply(this, undefined, aligned);
    const isPassive = (k: number): boolean => conditions.includes(k) || cast.includes(k);
    return apply(
      this,
      undefined,
      aligned.map((x, k) => (x instanceof Tensor && !isPassive(k) ? x.to(compute) : x)),
    );
  }

  vjp(k: number): Vjp<undefined> | null {
    let rule = this.rules[k];
    if (rule === undefined) this.rules[k] = rule = this.derive(k);
    return rule;
  }

  /** Inputs are numbered as they are, the result comes after them, and the cotangent after that. */
  private derive(k: number): Vjp<undefined> | null {
    if (this.root.logical || this.options.conditions?.includes(k)) return null;
    const own = this.options.derivatives?.[k];
    if (own === null) return null;
    const { recorded } = this.options;
    if (recorded) {
      const kernel = this.kernelRule(k, own);
      return {
        saves: [0],
        rule: (g, node, x) => (mode.grad ? recorded(g, x) : kernel.rule(g, node, ...kernel.saves.map(() => x))),
      };
    }
    return this.kernelRule(k, own);
  }

  private kernelRule(k: number, own: ((...inputsAndResult: Expr[]) => s.Scalar) | undefined): Vjp<undefined> {
    const value = s.input(this.arity);
    const partial = own ? s.expr(own(...this.inputs(), value)) : reuse(derivative(this.root, k), this.root, value);
    if (partial === s.constant(1)) return { saves: [], rule: (g) => g };
    if (partial === s.constant(0)) return { saves: [], rule: (g) => zerosLike(g) };
    const product = times(s.input(this.arity + 1), partial);
    const used = s.inputsOf(product);
    const position = new Map(used.map((source, i) => [source, i]));
    const renumbered = s.substitute(product, (e) =>
      e.op !== 'input'
        ? undefined
        : e.logical
          ? s.condition(position.get(e.value) as number)
          : s.input(position.get(e.value) as number),
    );
    const saves = used
      .filter((source) => source <= this.arity)
      .map((source) => (source === this.arity ? result : source));
    const conditions = used.flatMap((source, i) => (this.options.conditions?.includes(source) ? [i] : []));
    const backward = new Pointwise(nameOf(renumbered), renumbered, used.length, { conditions });
    return { saves, rule: backwardRule(backward, saves.length) };
  }
}

/** The rule that gives saved values and then the cotangent to an operator. */
function backwardRule(backward: Pointwise, saves: number): Vjp<undefined>['rule'] {
  // by number, as a call with a list takes several times as long
  if (saves === 0) return (g) => apply(backward, undefined, [g]);
  if (saves === 1) return (g, _, x) => apply(backward, undefined, [x, g]);
  return (g, _, ...saved) => apply(backward, undefined, [...saved, g]);
}

/** PyTorch names the node of a product MulBackward0: a derived operator is called by the function at its root. */
const nameOf = ({ op }: Expr): string => (op === 'select' ? 'Where' : op[0].toUpperCase() + op.slice(1));

/** cotangent * partial, where a branch of the partial that is 0 drops the cotangent even if that is infinite. */
function times(cotangent: Expr, partial: Expr): Expr {
  if (partial.op === 'number') return s.select(partial.args[0], cotangent, 0);
  if (partial.op !== 'select') return s.mul(cotangent, partial);
  const [when, a, b] = partial.args;
  return s.select(when, times(cotangent, a), times(cotangent, b));
}

/** Reads the value of the function itself from the saved result. */
const reuse = (e: Expr, root: Expr, value: Expr): Expr =>
  root.op === 'input' || root.op === 'const' ? e : s.substitute(e, (part) => (part === root ? value : undefined));

/** Checks an operand and brings it to the form that kernels take. */
function operand(value: Tensor | Scalar): Operand {
  if (value instanceof Tensor || typeof value === 'number') return value;
  if (typeof value === 'boolean') return scalarTensor(value);
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : scalarTensor(value);
  throw new AdjointError('argument', `expected a Tensor, a number, a boolean or a bigint, got ${show(value)}`);
}

function scalarTensor(value: boolean | bigint): Tensor {
  const t = Tensor.empty([], dtypeOfScalar(value));
  t.storage.elements()[0] = typeof value === 'boolean' ? Number(value) : value;
  return t;
}

function shapeOf(operands: readonly Operand[]): Shape {
  let shape: Shape | undefined;
  for (const x of operands) {
    if (typeof x !== 'number') shape = shape === undefined ? x.shape : broadcastShapes(shape, x.shape);
  }
  return shape ?? [];
}

type Operands = readonly (Tensor | Scalar)[];

/** Chooses, from the arguments of a call, the operator to apply and its operands. */
type Selector<Params extends readonly unknown[]> = (
  x: Tensor | Scalar,
  ...params: Params
) => [operator: Pointwise, ...operands: Operands];

/** What each pointwise function chooses by, taking its arguments as the function does. */
const selectors = new WeakMap<object, unknown>();

/** Defines a pointwise function by the choice that it makes among operators. `names` are those of the parameters after the first. */
export function pointwise<const Names extends readonly string[], Params extends readonly unknown[]>(
  name: string,
  names: Names,
  select: Selector<Params>,
): (x: Tensor | Scalar, ...args: Arguments<Names, Params>) => Tensor {
  const choose = namedAfterAny(name, names, select);
  const f = (x: Tensor | Scalar, ...args: Arguments<Names, Params>): Tensor => {
    const named = args.length > 0 && isOptions(args[args.length - 1]);
    const chosen = named ? choose(x, ...args) : select(x, ...(args as readonly unknown[] as Params));
    return chosen[0].callFrom(1, chosen);
  };
  selectors.set(f, choose);
  return f;
}

/** Defines a function of one tensor. */
export function unary(name: string, expression: (x: Expr) => Expr, options?: PointwiseOptions): (x: Tensor) => Tensor {
  const operator = new Pointwise(capitalised(name), expression, 1, options);
  return pointwise(name, [], (x) => [operator, tensorOperand(name, x)]);
}

/** Defines a function of two operands, of which at least one is a tensor. */
export function binary(
  name: string,
  expression: (a: Expr, b: Expr) => Expr,
  options?: PointwiseOptions,
): (x: Tensor | Scalar, other: Tensor | Scalar) => Tensor {
  const operator = new Pointwise(capitalised(name), expression, 2, options);
  return pointwise(name, ['other'], (x, other: Tensor | Scalar) => [operator, x, other]) as (
    x: Tensor | Scalar,
    other: Tensor | Scalar,
  ) => Tensor;
}

/** The in-place form of a pointwise function: computes the same and writes it over its first argument, which it returns. */
export function inPlace<Args extends readonly unknown[]>(
  f: (x: Tensor, ...args: Args) => Tensor,
): (self: Tensor, ...args: Args) => Tensor {
  const choose = selectors.get(f) as (x: Tensor, ...args: Args) => ReturnType<Selector<[]>>;
  return (self, ...args) => {
    const [operator, , ...others] = choose(self, ...args);
    return operator.callInPlace(self, ...others);
  };
}

/** As PyTorch capitalises: each segment, and what follows a digit: Deg2Rad, Log1P. */
const capitalised = (name: string): string =>
  name[0].toUpperCase() + name.slice(1).replace(/(?<=\d)[a-z]/g, (letter) => letter.toUpperCase());

/** Throws unless `x` is a tensor. */
export const tensorOperand = (name: string, x: Tensor | Scalar): Tensor => checkTensor(name, x as Tensor);
