/** Gradients against finite differences: torch.autograd.gradcheck and gradgradcheck. */
import { eye, fromElements } from '../core/creation.ts';
import { isFloatingPoint } from '../core/dtype.ts';
import { checkOptions } from '../core/options.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { grad } from './backward.ts';
import { dualLevel, makeDual, unpackDual } from './forward.ts';
import { enableGrad } from './modes.ts';

type OneOrMore<T> = T | readonly T[];

/** A function of tensors, as the checks call it. */
export type Checked = (...inputs: Tensor[]) => OneOrMore<Tensor>;

export interface GradcheckOptions {
  /** How far each element is moved to either side for the finite difference. Defaults to 1e-6. */
  eps?: number;
  /** The absolute tolerance. Defaults to 1e-5. */
  atol?: number;
  /** The tolerance relative to the finite difference. Defaults to 1e-3. */
  rtol?: number;
  /** Whether to throw where the gradients differ; else the result tells. Defaults to true. */
  raiseException?: boolean;
  /** Whether to check the Jacobians of forward mode, too. */
  checkForwardAd?: boolean;
  /** Whether to check that a batch of cotangents gives what they give one by one, too. */
  checkBatchedGrad?: boolean;
}

export interface GradgradcheckOptions extends GradcheckOptions {
  /** The cotangents of the outputs; chosen here if absent. */
  gradOutputs?: OneOrMore<Tensor> | null;
}

const known = ['eps', 'atol', 'rtol', 'raiseException', 'checkForwardAd', 'checkBatchedGrad'];

/**
 * Whether the gradients of `func` at `inputs` are those that central finite differences give, (f(x + eps) - f(x - eps)) / (2 eps), within
 * `atol` + `rtol` |difference| (torch.autograd.gradcheck). The Jacobians are compared in full, one element at a time: keep inputs small.
 * They should be float64, as differences in float32 are hardly accurate to two digits, and away from kinks.
 * @param func takes the inputs and returns a tensor or several; it must depend on nothing that changes between calls
 * @example gradcheck((x) => x.sin().mul(x), tensor([0.5, 1], { dtype: 'float64', requiresGrad: true })); // true
 * @throws if the gradients differ, with both Jacobians, whose rows belong to the elements of the input; or if no input requires grad
 */
export function gradcheck(func: Checked, inputs: OneOrMore<Tensor>, options: GradcheckOptions = {}): boolean {
  checkOptions('gradcheck', options, known);
  const { raiseException = true } = options;
  const mismatch = firstMismatch(func, toList('gradcheck', inputs), options);
  if (mismatch !== null && raiseException) throw new AdjointError('autograd', mismatch);
  return mismatch === null;
}

/**
 * The same for the gradients of the gradients: whether the derivatives of <gradients of `func`> with respect to `inputs` and to the
 * cotangents are right (torch.autograd.gradgradcheck).
 * @throws as gradcheck
 */
export function gradgradcheck(func: Checked, inputs: OneOrMore<Tensor>, options: GradgradcheckOptions = {}): boolean {
  checkOptions('gradgradcheck', options, [...known, 'gradOutputs']);
  const { gradOutputs, ...rest } = options;
  const primals = toList('gradgradcheck', inputs);
  const cotangents = gradOutputs
    ? toList('gradgradcheck', gradOutputs)
    : differentiable(evaluate(func, primals)).map(someCotangent);
  const gradients: Checked = (...both) => {
    const xs = both.slice(0, primals.length);
    const outputs = differentiable(evaluate(func, xs));
    return grad(outputs, differentiable(xs), {
      gradOutputs: both.slice(primals.length),
      createGraph: true,
      materializeGrads: true,
    });
  };
  return gradcheck(gradients, [...primals, ...cotangents], rest);
}

function toList(call: string, tensors: OneOrMore<Tensor>): readonly Tensor[] {
  const list = tensors instanceof Tensor ? [tensors] : tensors;
  for (const x of list) {
    if (!(x instanceof Tensor)) throw new AdjointError('argument', `${call}: expected Tensors, got ${show(x)}`);
  }
  return list;
}

const differentiable = (tensors: readonly Tensor[]): Tensor[] => tensors.filter((x) => x.requiresGrad);

/** The outputs at `inputs`, recorded. */
const evaluate = (func: Checked, inputs: readonly Tensor[]): readonly Tensor[] =>
  toList(
    'gradcheck: the result of the function',
    enableGrad(() => func(...inputs)),
  );

/** Weights without a pattern, always the same, so that a failure can be repeated. */
function someCotangent(y: Tensor): Tensor {
  const weights = Array.from({ length: y.numel() }, (_, i) => Math.sin(1 + 2.4 * i));
  return fromElements(weights, y.shape, y.dtype).requiresGrad_();
}

/** The text of the first disagreement, or null. */
function firstMismatch(func: Checked, inputs: readonly Tensor[], options: GradcheckOptions): string | null {
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3 } = options;
  if (differentiable(inputs).length === 0) {
    throw new AdjointError(
      'argument',
      'gradcheck expects at least one input tensor to require gradient, but none of them has requiresGrad: true',
    );
  }
  const outputs = evaluate(func, inputs);
  // of a function without any differentiable output, all have to be constant
  const anyDifferentiable = outputs.some((y) => y.requiresGrad);
  for (const [j, y] of outputs.entries()) {
    if (!isFloatingPoint(y.dtype) || (anyDifferentiable && !y.requiresGrad)) continue;
    for (const [k, x] of inputs.entries()) {
      if (!x.requiresGrad) continue;
      const numerical = numericalJacobian(func, inputs, k, j, eps);
      const jacobians: [how: string, analytical: Float64Array][] = [['', analyticalJacobian(y, x)]];
      if (options.checkForwardAd) jacobians.push([' computed with forward mode', forwardJacobian(func, inputs, k, j)]);
      if (options.checkBatchedGrad) jacobians.push([' computed with batched gradients', batchedJacobian(y, x)]);
      for (const [how, analytical] of jacobians) {
        if (numerical.every((n, i) => Math.abs(analytical[i] - n) <= atol + rtol * Math.abs(n))) continue;
        const size = [x.numel(), y.numel()];
        return (
          `Jacobian${how} mismatch for output ${j} with respect to input ${k},\n` +
          `numerical:${fromElements(numerical, size, 'float64')}\nanalytical:${fromElements(analytical, size, 'float64')}`
        );
      }
    }
  }
  return null;
}

/** One row for each element of the input, one column for each of the output: here by reverse mode, a column at a time. */
function analyticalJacobian(y: Tensor, x: Tensor): Float64Array {
  const columns = y.numel();
  const jacobian = new Float64Array(x.numel() * columns);
  if (!y.requiresGrad) return jacobian;
  for (let c = 0; c < columns; c++) {
    const unit = Array.from({ length: columns }, (_, i) => (i === c ? 1 : 0));
    const gradOutputs = fromElements(unit, y.shape, y.dtype);
    const [gradient] = grad(y, x, { gradOutputs, retainGraph: true, allowUnused: true });
    gradient?.toTypedArray().forEach((g, r) => {
      jacobian[r * columns + c] = Number(g);
    });
  }
  return jacobian;
}

/** The same with all columns in one batch. */
function batchedJacobian(y: Tensor, x: Tensor): Float64Array {
  const columns = y.numel();
  if (!y.requiresGrad) return new Float64Array(x.numel() * columns);
  const units = eye(columns, { dtype: y.dtype }).view([columns, ...y.shape]);
  const [rows] = grad(y, x, { gradOutputs: units, isGradsBatched: true, retainGraph: true, materializeGrads: true });
  return rows.reshape([columns, x.numel()]).t().to('float64').toTypedArray() as Float64Array;
}

/** The same by forward mode, a row at a time. */
function forwardJacobian(func: Checked, inputs: readonly Tensor[], input: number, output: number): Float64Array {
  const x = inputs[input];
  const rows = Array.from({ length: x.numel() }, (_, r) => {
    const unit = fromElements(
      Array.from({ length: x.numel() }, (_, i) => Number(i === r)),
      x.shape,
      x.dtype,
    );
    return dualLevel(() => {
      const y = evaluate(func, replaced(inputs, input, makeDual(x, unit)))[output];
      const { tangent } = unpackDual(y);
      return tangent ? Array.from(tangent.toTypedArray() as Float64Array) : new Array<number>(y.numel()).fill(0);
    });
  });
  return Float64Array.from(rows.flat());
}

const replaced = (list: readonly Tensor[], k: number, by: Tensor): Tensor[] => list.map((x, i) => (i === k ? by : x));

/** The same by central differences, a row at a time. */
function numericalJacobian(
  func: Checked,
  inputs: readonly Tensor[],
  input: number,
  output: number,
  eps: number,
): Float64Array {
  const rows = inputs[input].numel();
  const at = (r: number, distance: number): Tensor => {
    const moved = inputs.map((x) => x.detach().clone().requiresGrad_(x.requiresGrad));
    (moved[input].storage.elements() as Float64Array)[r] += distance;
    return evaluate(func, moved)[output];
  };
  const differences = Array.from({ length: rows }, (_, r) => {
    const after = at(r, eps).toTypedArray();
    const before = at(r, -eps).toTypedArray();
    return Array.from(after as Float64Array, (a, c) => (a - Number(before[c])) / (2 * eps));
  });
  return Float64Array.from(differences.flat());
}
