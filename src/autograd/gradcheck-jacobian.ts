/**
 * The Jacobian of a function at a point, by finite differences, by reverse mode and by forward mode, and their comparison. What is computed
 * is the product of the Jacobian with given directions: with the vectors of a basis, in slow mode, that is the Jacobian itself; with one
 * vector at random, in fast mode, it costs no more than a few calls of the function.
 */
import { eye, fromElements, zeros, zerosLike } from '../core/creation.ts';
import { isFloatingPoint } from '../core/dtype.ts';
import { Generator } from '../core/generator.ts';
import { numelOf, type Shape, sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { grad } from './backward.ts';
import { dualLevel, makeDual, unpackDual } from './forward-ad.ts';

/** What a checked function may return: a tensor, an array of tensors, or an object of them. */
export type Results = Tensor | readonly Tensor[] | object;

/** Thrown where a gradient is wrong (torch.autograd.gradcheck.GradcheckError); its code is `autograd`. */
export class GradcheckError extends AdjointError {
  constructor(message: string, cause?: unknown) {
    super('autograd', message);
    this.name = 'GradcheckError';
    if (cause !== undefined) this.cause = cause;
  }
}

/** A tensor among the inputs or the outputs, and its position there. */
export interface Entry {
  readonly position: number;
  readonly tensor: Tensor;
}

/** A function and the inputs at which it is looked at. */
export class Point {
  readonly inputs: readonly unknown[];
  /** The inputs that require grad. */
  readonly variables: readonly Entry[];
  /** The outputs of floating dtype at these inputs. */
  readonly outputs: readonly Entry[];
  private readonly func: (...inputs: unknown[]) => Results;

  constructor(func: (...inputs: unknown[]) => Results, inputs: readonly unknown[]) {
    this.func = func;
    this.inputs = inputs;
    this.variables = inputs.flatMap((tensor, position) =>
      tensor instanceof Tensor && tensor.requiresGrad ? [{ tensor, position }] : [],
    );
    this.outputs = this.call();
  }

  /** The outputs that require grad. */
  get differentiable(): readonly Entry[] {
    return this.outputs.filter(({ tensor }) => tensor.requiresGrad);
  }

  call(inputs: readonly unknown[] = this.inputs): Entry[] {
    const returned = this.func(...inputs);
    const list: readonly unknown[] =
      returned instanceof Tensor || returned === null || typeof returned !== 'object'
        ? [returned]
        : Object.values(returned);
    return list.flatMap((tensor, position) => {
      if (!(tensor instanceof Tensor)) {
        throw new AdjointError(
          'argument',
          `gradcheck: expected the function to return Tensors, but its result ${position} is ${show(tensor)}`,
        );
      }
      return isFloatingPoint(tensor.dtype) ? [{ tensor, position }] : [];
    });
  }

  /**
   * The tangents of the outputs by forward mode, given one for each variable; null where there is none. The function gets inputs that do
   * not require grad.
   */
  push(tangents: readonly (Tensor | null)[]): (Tensor | null)[] {
    return dualLevel(() => {
      const inputs = [...this.inputs];
      for (const [k, { tensor, position }] of this.variables.entries()) {
        const tangent = tangents[k];
        inputs[position] = tangent ? makeDual(tensor.detach(), tangent) : tensor.detach();
      }
      return this.call(inputs).map(({ tensor }) => unpackDual(tensor).tangent);
    });
  }
}

export interface JacobianOptions {
  readonly eps: number;
  readonly atol: number;
  readonly rtol: number;
  readonly nondetTol: number;
  readonly checkGradDtypes: boolean;
  readonly fastMode: boolean;
}

/** Numbers between `from` and 1, the same in every run; the generator of everybody else is left alone. */
export function uniform(generator: Generator, shape: Shape, like: Tensor, from = 0): Tensor {
  const numbers = new Float32Array(numelOf(shape));
  generator.uniform(numbers, from, 1);
  return fromElements(numbers, shape, like.dtype);
}

/** Whether all elements are equal within `atol` + `rtol` |expected| (torch.allclose). */
export function isClose(actual: Tensor, expected: Tensor, rtol: number, atol: number): boolean {
  const values = actual.toTypedArray();
  return Array.from(expected.toTypedArray(), Number).every((e, i) => {
    const a = Number(values[i]);
    return a === e || Math.abs(a - e) <= atol + rtol * Math.abs(e);
  });
}

/** How far two elements at the same place are apart at most. */
function greatestDifference(a: Tensor, b: Tensor): number {
  const others = b.toTypedArray();
  return Array.from(a.toTypedArray(), Number).reduce(
    (most, e, i) => Math.max(most, Math.abs(e - Number(others[i]))),
    0,
  );
}

/** One table for each of `entries`: a row for each of `directions`, with the elements that `row` gives for it, null for zeros. */
function tabulate(
  directions: Tensor,
  entries: readonly Entry[],
  row: (direction: Tensor) => readonly (Tensor | null)[],
  checkGradDtypes = false,
): Tensor[] {
  const tables = entries.map(({ tensor }) => zeros([directions.shape[0], tensor.numel()], { dtype: tensor.dtype }));
  for (const [r, direction] of [...directions].entries()) {
    for (const [i, elements] of row(direction).entries()) {
      if (!elements) continue;
      if (checkGradDtypes && elements.dtype !== tables[i].dtype)
        throw new GradcheckError(`Gradient has dtype mismatch: ${elements.dtype}, expected ${tables[i].dtype}`);
      tables[i].select(0, r).copy_(elements.detach().reshape(-1));
    }
  }
  return tables;
}

/** How each output changes along directions of one variable, by central differences. */
function differences(point: Point, variable: Entry, directions: Tensor, eps: number): Tensor[] {
  const { data } = variable.tensor; // writes to it go unnoticed: what was recorded stays valid
  const center = data.clone();
  const at = (offset: Tensor): Tensor[] => {
    data.copy_(center.add(offset));
    return point.call().map(({ tensor }) => tensor.detach().clone());
  };
  return tabulate(directions, point.outputs, (direction) => {
    const step = direction.view([...data.shape]).mul(eps);
    try {
      const before = at(step.neg());
      const after = at(step);
      checkAlike(before, after, eps);
      return after.map((y, i) => y.sub(before[i]).div(2 * eps));
    } finally {
      data.copy_(center);
    }
  });
}

function checkAlike(before: readonly Tensor[], after: readonly Tensor[], eps: number): void {
  const differ = (what: string, a: string, b: string): string =>
    `Expected \`func\` to return outputs with the same ${what} when inputs are perturbed by ${eps}, but got: ${what}s ${a} and ${b}.`;
  const shapes = (list: readonly Tensor[]): string => list.map(({ shape }) => showShape(shape)).join(', ');
  const dtypes = (list: readonly Tensor[]): string => list.map(({ dtype }) => dtype).join(', ');
  if (before.length !== after.length || !before.every((y, i) => sameShape(y.shape, after[i].shape)))
    throw new AdjointError('shape', differ('shape', shapes(before), shapes(after)));
  if (!before.every((y, i) => y.dtype === after[i].dtype))
    throw new AdjointError('dtype', differ('dtype', dtypes(before), dtypes(after)));
}

/** The same by forward mode. */
function pushforwards(point: Point, variable: Entry, directions: Tensor, checkGradDtypes: boolean): Tensor[] {
  const push = (direction: Tensor): (Tensor | null)[] =>
    point.push(
      point.variables.map((other) =>
        other === variable ? direction.view([...other.tensor.shape]) : zerosLike(other.tensor),
      ),
    );
  return tabulate(directions, point.outputs, push, checkGradDtypes);
}

/** How much each variable counts in the given combinations of the elements of one output, by reverse mode: a column for each of them. */
function pullbacks(point: Point, output: Tensor, cotangents: Tensor, checkGradDtypes: boolean): Tensor[] {
  const variables = point.variables.map(({ tensor }) => tensor);
  const pull = (cotangent: Tensor): (Tensor | null)[] =>
    grad(output, variables, {
      gradOutputs: cotangent.view([...output.shape]),
      retainGraph: true,
      allowUnused: true,
    });
  return tabulate(cotangents, point.variables, pull, checkGradDtypes).map((table) => table.t());
}

/** The same, computed twice to see whether it comes out the same. */
function checkedPullbacks(point: Point, output: Tensor, cotangents: Tensor, options: JacobianOptions): Tensor[] {
  const { nondetTol, checkGradDtypes } = options;
  const first = pullbacks(point, output, cotangents, checkGradDtypes);
  const second = pullbacks(point, output, cotangents, checkGradDtypes);
  if (first.some((table, k) => greatestDifference(table, second[k]) > nondetTol)) {
    throw new GradcheckError(
      'Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different values. ' +
        `The tolerance for nondeterminism was ${nondetTol}. If the backward is meant to be nondeterministic, set nondetTol.`,
    );
  }
  return first;
}

/** The vectors of the standard basis, one in each row. */
const basis = ({ tensor }: Entry): Tensor => eye(tensor.numel(), { dtype: tensor.dtype });

/** A vector of length 1 without negative elements, in a single row. */
function unitVector(generator: Generator, { tensor }: Entry): Tensor {
  const vector = uniform(generator, [1, tensor.numel()], tensor);
  return vector.div(vector.square().sum().sqrt());
}

/** Throws unless the Jacobian that reverse or forward mode gives is that of finite differences. */
export function compareJacobians(point: Point, forward: boolean, options: JacobianOptions): void {
  const { eps, atol, rtol, nondetTol, checkGradDtypes, fastMode } = options;
  const generator = new Generator();
  const choose = fastMode ? (entry: Entry): Tensor => unitVector(generator, entry) : basis;
  const directions = point.variables.map(choose);
  const numerical = point.variables.map((variable, k) => differences(point, variable, directions[k], eps));
  if (point.differentiable.length === 0) {
    checkConstant(numerical.flat(), fastMode ? nondetTol : 0);
    return;
  }
  const pushed = forward
    ? point.variables.map((variable, k) => pushforwards(point, variable, directions[k], checkGradDtypes))
    : null;
  for (const [j, output] of point.outputs.entries()) {
    if (!output.tensor.requiresGrad) continue;
    const cotangents = pushed ? null : choose(output);
    const pulled = cotangents && checkedPullbacks(point, output.tensor, cotangents, options);
    for (const [k, variable] of point.variables.entries()) {
      let n = numerical[k][j];
      let a = (pushed?.[k][j] ?? pulled?.[k]) as Tensor;
      let tolerance = atol;
      if (fastMode) {
        // an error of atol in each element of the Jacobian comes to this
        tolerance *= total(directions[k]) * (cotangents ? total(cotangents) : 1);
        n = cotangents ? n.mul(cotangents).sum() : n.select(0, 0);
        a = cotangents ? a.t().mul(directions[k]).sum() : a.select(0, 0);
      }
      if (isClose(a, n, rtol, tolerance)) continue;
      const details = fastMode ? elementwise(point, j, k, forward, options) : '';
      throw new GradcheckError(
        `Jacobian ${forward ? 'computed with forward mode ' : ''}mismatch for output ${output.position} with respect to input ${variable.position},\n` +
          `numerical:${text(n)}\nanalytical:${text(a)}${details}${singlePrecision(point)}`,
      );
    }
  }
}

const total = (x: Tensor): number => Number(x.sum().item());
const text = (x: Tensor): string => (x.ndim === 0 ? String(x.item()) : x.toString());

/** Throws unless the outputs, of which none requires grad, depend on no input. */
function checkConstant(tables: readonly Tensor[], tolerance: number): void {
  if (tables.every((table) => greatestDifference(table, zerosLike(table)) <= tolerance)) return;
  throw new GradcheckError('Numerical gradient for function expected to be zero');
}

/** What may be behind a failure. */
function singlePrecision({ variables }: Point): string {
  const single = variables.find(({ tensor }) => tensor.dtype !== 'float64');
  if (!single) return '';
  return (
    `\n\nInput #${single.position} requires gradient and is not a double precision floating point. This check will likely fail if all the ` +
    'inputs are not of double precision floating point.'
  );
}

/** The account of a failure in fast mode: both Jacobians in full. */
function elementwise(point: Point, j: number, k: number, forward: boolean, options: JacobianOptions): string {
  const { eps, atol, rtol } = options;
  const [variable, output] = [point.variables[k], point.outputs[j]];
  const numerical = differences(point, variable, basis(variable), eps)[j];
  const analytical = forward
    ? pushforwards(point, variable, basis(variable), false)[j]
    : pullbacks(point, output.tensor, basis(output), false)[k];
  return (
    '\n\nThe above quantities relating the numerical and analytical jacobians are computed in fast mode. Below, we recompute numerical and ' +
    `analytical jacobians in slow mode:\n\nNumerical:\n${numerical}\nAnalytical:\n${analytical}\n\n` +
    `The max per-element difference (slow mode) is: ${greatestDifference(numerical, analytical)}.` +
    (isClose(analytical, numerical, rtol, atol)
      ? "\nFast gradcheck failed but element-wise differences are small. This means that the test might've passed in slow mode! " +
        'Call with fastMode: false to see.'
      : '')
  );
}
