/** Gradients against finite differences: torch.autograd.gradcheck and gradgradcheck. */
import { Generator } from '../core/generator.ts';
import { checkOptions, isOptions } from '../core/options.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { grad } from './backward.ts';
import {
  checkBatchedCotangents,
  checkBatchedTangents,
  checkUndefinedCotangents,
  checkUndefinedTangents,
  checkZeroCotangents,
} from './gradcheck-contract.ts';
import { compareJacobians, GradcheckError, Point, type Results, uniform } from './gradcheck-jacobian.ts';

export { GradcheckError, type Results };

/** What both checks can be told. */
interface CommonOptions {
  /** How far the inputs are moved to either side for the finite difference. Defaults to 1e-6. */
  eps?: number;
  /** The absolute tolerance. Defaults to 1e-5. */
  atol?: number;
  /** The tolerance relative to the finite difference. Defaults to 1e-3. */
  rtol?: number;
  /** Whether to throw where a gradient is wrong; else the result tells. Defaults to true. */
  raiseException?: boolean;
  /** How far two runs of the same backward may differ. Defaults to 0. */
  nondetTol?: number;
  /** Whether to check that gradients (or tangents) that are absent count as zeros. Defaults to true. */
  checkUndefinedGrad?: boolean;
  /** Whether to check that gradients and tangents have the dtype of what they belong to, as they should in any case. Defaults to false. */
  checkGradDtypes?: boolean;
  /** Whether to check that a batch of cotangents gives what they give one by one. Defaults to false. */
  checkBatchedGrad?: boolean;
  /** Whether to compare one product with each Jacobian, v^T J u with u and v at random, rather than all of its elements. Defaults to false. */
  fastMode?: boolean;
}

export interface GradcheckOptions extends CommonOptions {
  /** Whether to check that a batch of tangents gives what they give one by one. Defaults to false. */
  checkBatchedForwardGrad?: boolean;
  /** Whether to check forward mode. Defaults to false. */
  checkForwardAd?: boolean;
  /** Whether to check reverse mode. Defaults to true. */
  checkBackwardAd?: boolean;
}

export interface GradgradcheckOptions extends CommonOptions {
  /** The cotangents of the outputs that require grad; chosen here if absent. */
  gradOutputs?: Tensor | readonly Tensor[] | null;
  /** Whether those that are chosen here are not contiguous. Defaults to false. */
  genNonContigGradOutputs?: boolean;
  /** Whether to check forward mode over reverse mode. Defaults to false. */
  checkFwdOverRev?: boolean;
  /** Whether to check reverse mode over reverse mode. Defaults to true. */
  checkRevOverRev?: boolean;
}

type CotangentsGiven = Omit<GradgradcheckOptions, 'gradOutputs'>;

const common = {
  eps: 1e-6,
  atol: 1e-5,
  rtol: 1e-3,
  raiseException: true,
  nondetTol: 0,
  checkUndefinedGrad: true,
  checkGradDtypes: false,
  checkBatchedGrad: false,
  fastMode: false,
};
const ofGradcheck = { ...common, checkBatchedForwardGrad: false, checkForwardAd: false, checkBackwardAd: true };
const ofGradgradcheck = {
  ...common,
  gradOutputs: null as GradgradcheckOptions['gradOutputs'],
  genNonContigGradOutputs: false,
  checkFwdOverRev: false,
  checkRevOverRev: true,
};

/**
 * Whether the gradients of `func` at `inputs` are those that central finite differences give, (f(x + eps) - f(x - eps)) / (2 eps), within
 * `atol` + `rtol` |difference| (torch.autograd.gradcheck). The Jacobians of each output with respect to each input that requires grad are
 * compared in full, unless in fast mode. Besides, the backward has to give the same when run again, zero for a cotangent of zero, and
 * not to mind cotangents that are absent; and the outputs that do not require grad have to be constant if none does.
 *
 * The inputs should be float64, as differences in float32 are accurate to two digits at best, and away from kinks. They are moved in
 * their own memory, and moved back, so that `func` may as well refer to them from outside.
 *
 * @param func takes the inputs and returns a tensor or several; it must depend on nothing else that changes between calls
 * @param inputs tensors, and anything else that `func` takes
 * @example gradcheck((x) => x.sin().mul(x), tensor([0.5, 1], { dtype: 'float64', requiresGrad: true })); // true
 * @throws GradcheckError if a gradient is wrong, with both Jacobians, whose rows belong to the elements of the input and whose columns to
 * those of the output; with `raiseException: false` it returns false instead. In any case if no input requires grad, if elements of one
 * share memory, if the shape of an output depends on the values of the inputs, and what `func` throws
 */
export function gradcheck(
  func: (...inputs: Tensor[]) => Results,
  inputs: Tensor | readonly Tensor[],
  options?: GradcheckOptions,
): boolean;
export function gradcheck<I extends readonly unknown[]>(
  func: (...inputs: I) => Results,
  inputs: readonly [...I],
  options?: GradcheckOptions,
): boolean;
export function gradcheck(
  func: (...inputs: never[]) => Results,
  inputs: unknown,
  options: GradcheckOptions = {},
): boolean {
  checkOptions('gradcheck', options, Object.keys(ofGradcheck));
  const all = withDefaults(options, ofGradcheck);
  if (!all.checkForwardAd && !all.checkBackwardAd)
    throw new AdjointError('argument', 'Expected at least one of checkForwardAd or checkBackwardAd to be true');
  checkImplied(all, 'checkBatchedGrad', 'checkBackwardAd');
  checkImplied(all, 'checkBatchedForwardGrad', 'checkForwardAd');
  try {
    runChecks(func as (...inputs: unknown[]) => Results, toList(inputs), all);
  } catch (error) {
    if (all.raiseException || !(error instanceof GradcheckError)) throw error;
    return false;
  }
  return true;
}

/**
 * The same for the gradients of the gradients: whether the derivatives of the gradients of `func`, with respect to `inputs` and to the
 * cotangents that they were computed for, are right (torch.autograd.gradgradcheck).
 * @param gradOutputs the cotangents, also as an option
 * @throws as gradcheck
 */
export function gradgradcheck(
  func: (...inputs: Tensor[]) => Results,
  inputs: Tensor | readonly Tensor[],
  gradOutputs?: Tensor | readonly Tensor[] | null | GradgradcheckOptions,
  options?: CotangentsGiven,
): boolean;
export function gradgradcheck<I extends readonly unknown[]>(
  func: (...inputs: I) => Results,
  inputs: readonly [...I],
  gradOutputs?: Tensor | readonly Tensor[] | null | GradgradcheckOptions,
  options?: CotangentsGiven,
): boolean;
export function gradgradcheck(
  func: (...inputs: never[]) => Results,
  inputs: unknown,
  first: Tensor | readonly Tensor[] | null | GradgradcheckOptions = null,
  rest: CotangentsGiven = {},
): boolean {
  const options: GradgradcheckOptions = isOptions(first) ? first : { ...rest, gradOutputs: first as Tensor | null };
  checkOptions('gradgradcheck', options, Object.keys(ofGradgradcheck));
  const all = withDefaults(options, ofGradgradcheck);
  const { gradOutputs, genNonContigGradOutputs, checkFwdOverRev, checkRevOverRev, ...shared } = all;
  if (!checkFwdOverRev && !checkRevOverRev)
    throw new AdjointError('argument', 'Expected at least one of checkFwdOverRev or checkRevOverRev to be true');
  checkImplied(all, 'checkUndefinedGrad', 'checkRevOverRev');
  checkImplied(all, 'checkBatchedGrad', 'checkRevOverRev');
  const primals = toList(inputs);
  const point = new Point(func as (...inputs: unknown[]) => Results, primals);
  const cotangents = gradOutputs ? toList(gradOutputs) : chosenCotangents(point, genNonContigGradOutputs);
  const wanted = [...primals, ...cotangents].map((x) => x instanceof Tensor && x.requiresGrad);
  const gradients = (...both: unknown[]): Tensor[] => {
    // forward mode gives tensors that do not require grad
    for (const [i, x] of both.entries()) if (wanted[i]) (x as Tensor).requiresGrad_();
    const outputs = point.call(both.slice(0, primals.length)).filter(({ tensor }) => tensor.requiresGrad);
    const found = grad(
      outputs.map(({ tensor }) => tensor),
      point.variables.map(({ position }) => both[position] as Tensor),
      { gradOutputs: both.slice(primals.length) as Tensor[], createGraph: true, allowUnused: true },
    );
    return found.filter((g) => g !== null);
  };
  return gradcheck(gradients, [...primals, ...cotangents], {
    ...shared,
    checkForwardAd: checkFwdOverRev,
    checkBackwardAd: checkRevOverRev,
  });
}

const toList = (inputs: unknown): readonly unknown[] => (Array.isArray(inputs) ? inputs : [inputs]);

function withDefaults<Defaults extends object>(options: Partial<Defaults>, defaults: Defaults): Defaults {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) };
}

function checkImplied<K extends string>(options: Record<K, unknown>, option: K, needed: K): void {
  if (options[option] && !options[needed])
    throw new AdjointError('argument', `Setting ${option}: true requires ${needed} to be true`);
}

/** Numbers between -1 and 1 for each output that requires grad. */
function chosenCotangents(point: Point, strided: boolean): Tensor[] {
  const generator = new Generator();
  return point.differentiable.map(({ tensor }) => {
    const pairs = uniform(generator, [...tensor.shape, 2], tensor, -1);
    const every = pairs.select(-1, 0);
    return (strided ? every : every.contiguous()).detach().requiresGrad_();
  });
}

function checkInputs(inputs: readonly unknown[]): void {
  let any = false;
  for (const [k, x] of inputs.entries()) {
    if (!(x instanceof Tensor) || !x.requiresGrad) continue;
    any = true;
    const places = new Set(Array.from({ length: x.numel() }, (_, i) => x.locate(i)));
    if (places.size === x.numel()) continue;
    const stuck = x.strides.some((stride, d) => stride === 0 && x.shape[d] > 1);
    throw new AdjointError(
      'argument',
      `The ${k}th input has ${stuck ? 'a dimension with stride 0' : 'elements that share memory'}. gradcheck only supports inputs that are ` +
        'non-overlapping to be able to compute the numerical gradients correctly. You should call .contiguous() on the input before ' +
        'passing it to gradcheck.',
    );
  }
  if (any) return;
  throw new AdjointError(
    'argument',
    'gradcheck expects at least one input tensor to require gradient, but none of them have requiresGrad: true.',
  );
}

function runChecks(
  func: (...inputs: unknown[]) => Results,
  inputs: readonly unknown[],
  options: typeof ofGradcheck,
): void {
  checkInputs(inputs);
  const { checkBackwardAd, checkForwardAd, checkUndefinedGrad } = options;
  const point = new Point(func, inputs);
  if (checkBackwardAd) compareJacobians(point, false, options);
  if (checkForwardAd) {
    compareJacobians(point, true, options);
    if (checkUndefinedGrad) checkUndefinedTangents(point);
  }
  if (options.checkBatchedForwardGrad) checkBatchedTangents(point);
  if (!checkBackwardAd) return;
  if (options.checkBatchedGrad) for (const output of point.differentiable) checkBatchedCotangents(point, output);
  checkZeroCotangents(point);
  if (checkUndefinedGrad) checkUndefinedCotangents(point);
}
