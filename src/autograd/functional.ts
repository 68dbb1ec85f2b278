/** Derivatives of functions of tensors, as functions: torch.autograd.functional. */
import { filled, zerosLike } from '../core/creation.ts';
import { type Arguments, positional } from '../core/named.ts';
import { sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { grad } from './backward.ts';
import { jacfwd, vmap } from './func.ts';
import { basis, blockOfRows } from './jacobian.ts';
import { enableGrad } from './modes.ts';
import { together } from './vmap.ts';

/** One tensor or several, where PyTorch has a tensor or a tuple. */
type Tensors = Tensor | readonly Tensor[];

/** What a function of `I` is called with. */
type Spread<I> = I extends readonly Tensor[] ? I : [Tensor];

/** Tensors in the same arrangement. */
type Like<T> = T extends readonly Tensor[] ? { -readonly [K in keyof T]: Tensor } : Tensor;

/** A tensor for each pair of an output and an input. */
type Pairs<O, I> = O extends readonly Tensor[] ? { -readonly [K in keyof O]: Like<I> } : Like<I>;

type OfVector = Arguments<
  ['v', 'createGraph', 'strict'],
  [v?: Tensors | null, createGraph?: boolean, strict?: boolean]
>;
/** Which mode of differentiation a Jacobian is computed by. */
type Strategy = 'reverse-mode' | 'forward-mode';
type MatrixParams = [createGraph?: boolean, strict?: boolean, vectorize?: boolean, strategy?: Strategy];
type OfJacobian = Arguments<['createGraph', 'strict', 'vectorize', 'strategy'], MatrixParams>;
type OfHessian = Arguments<['createGraph', 'strict', 'vectorize', 'outerJacobianStrategy'], MatrixParams>;

interface Options {
  readonly v?: Tensors | null;
  readonly createGraph: boolean;
  readonly strict: boolean;
}

interface MatrixOptions extends Options {
  readonly vectorize: boolean;
  readonly strategy: Strategy;
}

function ofVector(call: string, args: readonly unknown[]): Options {
  const names = ['v', 'createGraph', 'strict'];
  const [v, createGraph, strict] = positional<[(Tensors | null)?, boolean?, boolean?]>(call, names, args);
  return { v: v ?? null, createGraph: createGraph ?? false, strict: strict ?? false };
}

function ofMatrix(call: string, strategyName: string, args: readonly unknown[]): MatrixOptions {
  const names = ['createGraph', 'strict', 'vectorize', strategyName];
  const [createGraph = false, strict = false, vectorize = false, strategy = 'reverse-mode'] = positional<MatrixParams>(
    call,
    names,
    args,
  );
  if (strategy !== 'reverse-mode' && strategy !== 'forward-mode') {
    throw new AdjointError(
      'argument',
      `${call}: Expected ${strategyName} to be either "forward-mode" or "reverse-mode", got ${show(strategy)}`,
    );
  }
  const unsupported = (what: string): AdjointError => new AdjointError('unsupported', `${call}: ${what}`);
  const forward = strategy === 'forward-mode';
  if (forward && createGraph)
    throw unsupported(`createGraph: true and ${strategyName}: "forward-mode" are not supported together`);
  if (forward && strict)
    throw unsupported(`strict: true and ${strategyName}: "forward-mode" are not supported together`);
  if (forward && !vectorize)
    throw unsupported(`${strategyName}: "forward-mode" is only implemented for vectorize: true`);
  if (vectorize && strict) throw unsupported('strict: true and vectorize: true are not supported together');
  return { createGraph, strict, vectorize, strategy };
}

/** Tensors as an array, whatever they were. */
function listed(call: string, what: string, value: unknown): readonly Tensor[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  list.forEach((x, i) => {
    if (x instanceof Tensor) return;
    const which = Array.isArray(value) ? `the value at index ${i}` : `the given ${what}`;
    throw new AdjointError(
      'argument',
      `The ${what} given to ${call} must be either a Tensor or an array of Tensors but ${which} is ${show(x)}.`,
    );
  });
  return list as readonly Tensor[];
}

/** A list in the arrangement of `model`. */
const arranged = <T, R>(list: readonly T[], model: unknown): R => (Array.isArray(model) ? list : list[0]) as R;

/** A function at a point: the point as it is differentiated at, and the results there. */
interface Evaluation {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** What the function returned, for its arrangement. */
  readonly returned: unknown;
}

const forGraph = (x: Tensor, createGraph: boolean, wanted: boolean): Tensor =>
  createGraph && x.requiresGrad ? x.viewAs(x) : x.detach().requiresGrad_(wanted);

function evaluate<I extends Tensors>(
  call: string,
  func: (...inputs: Spread<I>) => unknown,
  at: I,
  options: Options,
): Evaluation {
  const { createGraph, strict } = options;
  const given = listed(call, 'inputs', at);
  return enableGrad(() => {
    const inputs = given.map((x) => forGraph(x, createGraph, true));
    const returned = func(...(inputs as readonly Tensor[] as Spread<I>));
    const outputs = listed(call, 'outputs of the user-provided function', returned);
    if (strict) {
      check(
        outputs,
        (y) => y.requiresGrad,
        (i) =>
          `Output ${i} of the user-provided function does not require gradients. The outputs must be computed in a differentiable ` +
          'manner from the input when running in strict mode.',
      );
    }
    return { inputs, outputs, returned };
  });
}

/** The same for a function that has to return a single element. */
function evaluateScalar<I extends Tensors>(
  call: string,
  func: (...inputs: Spread<I>) => unknown,
  at: I,
  options: Options,
): Evaluation {
  const evaluation = evaluate(call, func, at, options);
  if (Array.isArray(evaluation.returned))
    throw new AdjointError('argument', `The function given to ${call} should return a single Tensor`);
  const [y] = evaluation.outputs;
  if (y.numel() !== 1) {
    throw new AdjointError(
      'shape',
      `The Tensor returned by the function given to ${call} should contain a single element, got shape ${showShape(y.shape)}`,
    );
  }
  return evaluation;
}

/** Throws at the first that is not as it should be. */
function check<T>(list: readonly T[], right: (x: T) => boolean, message: (i: number) => string): void {
  const i = list.findIndex((x) => !right(x));
  if (i >= 0) throw new AdjointError('autograd', message(i));
}

/** The vector of a product, which has to look like `model`. */
function vectorLike(
  call: string,
  { v, createGraph }: Options,
  tensors: readonly Tensor[],
  model: unknown,
  what: string,
): readonly Tensor[] | null {
  if (!v) {
    if (tensors.length === 1 && tensors[0].numel() === 1) return null;
    throw new AdjointError(
      'argument',
      `The vector v can only be null if ${what} a single Tensor with a single element.`,
    );
  }
  const vectors = listed(call, 'v', v);
  const several = Array.isArray(model);
  if (vectors.length !== tensors.length) {
    throw new AdjointError(
      'argument',
      several
        ? `v is an array of invalid length: should be ${tensors.length} but got ${vectors.length}.`
        : 'The given v should contain a single Tensor.',
    );
  }
  vectors.forEach((x, i) => {
    if (sameShape(x.shape, tensors[i].shape)) return;
    throw new AdjointError(
      'shape',
      `${several ? `Entry ${i} in ` : ''}v has invalid size: should be ${showShape(tensors[i].shape)} but got ${showShape(x.shape)}.`,
    );
  });
  return enableGrad(() => vectors.map((x) => forGraph(x, createGraph, false)));
}

const ofInputs = 'the input to the user-provided function is';
const ofOutputs = 'the user-provided function returns';

/** The gradients of those `outputs` that have any; null for inputs that they do not depend on. */
function gradients(
  outputs: readonly (Tensor | null)[],
  inputs: readonly Tensor[],
  cotangents: readonly Tensor[] | null,
  createGraph: boolean,
  retainGraph = createGraph,
): (Tensor | null)[] {
  const used = outputs.flatMap((y, i) => (y?.requiresGrad ? [{ y, cotangent: cotangents?.[i] ?? null }] : []));
  if (used.length === 0) return inputs.map(() => null);
  return grad(
    used.map(({ y }) => y),
    inputs,
    { gradOutputs: used.map(({ cotangent }) => cotangent), allowUnused: true, createGraph, retainGraph },
  );
}

/** A result's independence of something in words, for strict mode. */
type Independent = (i: number) => string;

/** Zeros where there is no gradient; in strict mode an error, as is a gradient that does not depend on the inputs if it should be differentiated. */
function filledIn(
  found: readonly (Tensor | null)[],
  like: readonly Tensor[],
  { strict, createGraph }: Options,
  missing: Independent,
  constant: Independent,
): Tensor[] {
  if (strict) {
    check(found, (g) => g !== null, missing);
    if (createGraph) check(found, (g) => g?.requiresGrad === true, constant);
  }
  return found.map((g, i) => g ?? zerosLike(like[i]));
}

const notAllowed = 'This is not allowed in strict mode';
const ofInput: Independent = (i) =>
  `The output of the user-provided function is independent of input ${i}. ${notAllowed}.`;
const constantJacobian: Independent = (i) =>
  `The jacobian of the user-provided function is independent of input ${i}. ${notAllowed} when createGraph: true.`;
const constantHessian: Independent = (i) =>
  `The hessian of the user-provided function is independent of input ${i}. ${notAllowed} when createGraph: true.`;

const results = (tensors: readonly Tensor[], { createGraph }: Options): readonly Tensor[] =>
  createGraph ? tensors : tensors.map((x) => x.detach());

/** The gradient of a function of one element, recorded. */
function recordedGradient({ inputs, outputs }: Evaluation, { strict }: Options): (Tensor | null)[] {
  const gradient = gradients(outputs, inputs, null, true);
  if (strict) {
    check(gradient, (g) => g !== null, ofInput);
    checkVaries(gradient);
  }
  return gradient;
}

function checkVaries(gradient: readonly (Tensor | null)[]): void {
  check(
    gradient,
    (g) => g?.requiresGrad === true,
    (i) =>
      `While computing the hessian, found that the jacobian of the user-provided function with respect to input ${i} is independent of ` +
      `the input. ${notAllowed}. You should ensure that your function is twice differentiable and that the jacobian depends on the ` +
      'inputs (this would be violated by a linear function for example).',
  );
}

/**
 * The outputs of `func` at `inputs`, and the product v^T J of a vector with its Jacobian there, in the arrangement of the inputs
 * (torch.autograd.functional.vjp).
 * @param func takes the inputs and returns a tensor or an array of tensors
 * @param v of the shapes of the outputs; may be left out if there is a single one with a single element
 * @param createGraph whether outputs and product are recorded, to be differentiated in turn
 * @param strict whether it is an error, rather than zeros, if the outputs do not depend on an input
 * @example const [y, product] = vjp((x) => x.exp(), x, v);
 */
export function vjp<const I extends Tensors, const O extends Tensors>(
  func: (...inputs: Spread<I>) => O,
  inputs: I,
  ...args: OfVector
): [outputs: Like<O>, product: Like<I>] {
  const options = ofVector('vjp', args);
  const evaluation = evaluate('vjp', func, inputs, options);
  const { outputs, returned } = evaluation;
  const v = vectorLike('vjp', options, outputs, returned, ofOutputs);
  const found = gradients(outputs, evaluation.inputs, v, options.createGraph);
  const product = filledIn(found, evaluation.inputs, options, ofInput, constantJacobian);
  return [arranged(results(outputs, options), returned), arranged(results(product, options), inputs)];
}

/**
 * The outputs of `func` at `inputs`, and the product J v of its Jacobian there with a vector, in the arrangement of the outputs
 * (torch.autograd.functional.jvp). It is computed as the derivative of v^T J with respect to its vector: two backwards.
 * @param func takes the inputs and returns a tensor or an array of tensors
 * @param v of the shapes of the inputs; may be left out if there is a single one with a single element
 * @param createGraph whether outputs and product are recorded, to be differentiated in turn
 * @param strict whether it is an error, rather than zeros, if the outputs do not depend on an input
 */
export function jvp<const I extends Tensors, const O extends Tensors>(
  func: (...inputs: Spread<I>) => O,
  inputs: I,
  ...args: OfVector
): [outputs: Like<O>, product: Like<O>] {
  const options = ofVector('jvp', args);
  const given = listed('jvp', 'inputs', inputs);
  const v = vectorLike('jvp', options, given, inputs, ofInputs);
  const evaluation = evaluate('jvp', func, inputs, options);
  const { outputs, returned } = evaluation;
  // The product is linear in these, so that their values do not matter.
  const cotangents = outputs.map((y) => zerosLike(y).requiresGrad_());
  const pulled = gradients(outputs, evaluation.inputs, cotangents, true);
  if (options.strict) {
    check(pulled, (g) => g !== null, ofInput);
    check(
      pulled,
      (g) => g?.requiresGrad === true,
      (i) =>
        `The gradient with respect to input ${i} is independent of the inputs of the user-provided function. ${notAllowed}.`,
    );
  }
  const found = gradients(pulled, cotangents, v, options.createGraph);
  const product = filledIn(
    found,
    outputs,
    options,
    (i) =>
      `The gradient with respect to the input is independent of entry ${i} in the grad_outputs when using the double backward trick to ` +
      `compute forward mode gradients. ${notAllowed}.`,
    constantJacobian,
  );
  return [arranged(results(outputs, options), returned), arranged(results(product, options), returned)];
}

/**
 * The output of `func` at `inputs`, and the product v^T H of a vector with its Hessian there, in the arrangement of the inputs
 * (torch.autograd.functional.vhp).
 * @param func takes the inputs and returns a tensor of one element
 * @param v of the shapes of the inputs; may be left out if there is a single one with a single element
 * @param createGraph whether output and product are recorded, to be differentiated in turn
 * @param strict whether it is an error, rather than zeros, if the gradient does not depend on an input
 */
export function vhp<const I extends Tensors>(
  func: (...inputs: Spread<I>) => Tensor,
  inputs: I,
  ...args: OfVector
): [output: Tensor, product: Like<I>] {
  const options = ofVector('vhp', args);
  const v = vectorLike('vhp', options, listed('vhp', 'inputs', inputs), inputs, ofInputs);
  const evaluation = evaluateScalar('vhp', func, inputs, options);
  const jacobian = recordedGradient(evaluation, options);
  const found = gradients(jacobian, evaluation.inputs, v, options.createGraph);
  const product = filledIn(
    found,
    evaluation.inputs,
    options,
    (i) => `The jacobian of the user-provided function is independent of input ${i}. ${notAllowed}.`,
    constantHessian,
  );
  return [results(evaluation.outputs, options)[0], arranged(results(product, options), inputs)];
}

/**
 * The output of `func` at `inputs`, and the product H v of its Hessian there with a vector, in the arrangement of the inputs
 * (torch.autograd.functional.hvp). Where the second derivatives are continuous H is symmetric, and `vhp` gives the same for less.
 * @param func takes the inputs and returns a tensor of one element
 * @param v of the shapes of the inputs; may be left out if there is a single one with a single element
 * @param createGraph whether output and product are recorded, to be differentiated in turn
 * @param strict whether it is an error, rather than zeros, if the gradient does not depend on an input
 */
export function hvp<const I extends Tensors>(
  func: (...inputs: Spread<I>) => Tensor,
  inputs: I,
  ...args: OfVector
): [output: Tensor, product: Like<I>] {
  const options = ofVector('hvp', args);
  const v = vectorLike('hvp', options, listed('hvp', 'inputs', inputs), inputs, ofInputs);
  const evaluation = evaluateScalar('hvp', func, inputs, options);
  const jacobian = recordedGradient(evaluation, options);
  const cotangents = evaluation.inputs.map((x) => zerosLike(x).requiresGrad_());
  const pulled = gradients(jacobian, evaluation.inputs, cotangents, true);
  const found = gradients(pulled, cotangents, v, options.createGraph);
  const product = filledIn(
    found,
    evaluation.inputs,
    options,
    (i) =>
      `The hessian of the user-provided function is independent of entry ${i} in the grad_jacobian. ${notAllowed} as it prevents from ` +
      'using the double backward trick to replace forward mode AD.',
    constantHessian,
  );
  return [results(evaluation.outputs, options)[0], arranged(results(product, options), inputs)];
}

/**
 * The Jacobian of `func` at `inputs` (torch.autograd.functional.jacobian): for each output and each input a tensor of both shapes, one after
 * the other. It is `jacobian[i][j]` for output i and input j; an index is missing where there is a tensor instead of an array.
 * @param func takes the inputs and returns a tensor or an array of tensors
 * @param createGraph whether the Jacobian is recorded, to be differentiated in turn
 * @param strict whether it is an error, rather than zeros, if an output does not depend on an input
 * @param vectorize whether all rows are computed as one batch (func.vmap), rather than one after the other
 * @param strategy with `vectorize`, 'forward-mode' computes columns instead of rows: for more outputs than inputs
 */
export function jacobian<const I extends Tensors, const O extends Tensors>(
  func: (...inputs: Spread<I>) => O,
  inputs: I,
  ...args: OfJacobian
): Pairs<O, I> {
  return jacobianOf('jacobian', func, inputs, ofMatrix('jacobian', 'strategy', args));
}

function jacobianOf<I extends Tensors, O extends Tensors>(
  call: string,
  func: (...inputs: Spread<I>) => O,
  inputs: I,
  options: MatrixOptions,
): Pairs<O, I> {
  if (options.strategy === 'forward-mode') return jacobianByColumns(call, func, inputs);
  const evaluation = evaluate(call, func, inputs, options);
  const blocks = options.vectorize
    ? blocksAtOnce(evaluation, options)
    : evaluation.outputs.map((y, i) => blockRow(y, i, evaluation.inputs, options));
  return arranged(
    blocks.map((row) => arranged(results(row, options), inputs)),
    evaluation.returned,
  );
}

/** The derivatives of one output with respect to each input, a row after the other. */
function blockRow(y: Tensor, i: number, inputs: readonly Tensor[], options: Options): Tensor[] {
  const rows = Array.from({ length: y.numel() }, (_, e) =>
    filledIn(
      gradients([y], inputs, [unit(y, e)], options.createGraph, true),
      inputs,
      options,
      (j) => `Output ${i} of the user-provided function is independent of input ${j}. ${notAllowed}.`,
      constantJacobian,
    ),
  );
  return inputs.map((x, j) => {
    const shape = [...y.shape, ...x.shape];
    return rows.length === 0 ? filled(shape, 0, x.dtype) : together(rows.map((row) => row[j])).view(shape);
  });
}

/** Zeros like `y` with a one at element `e`. */
function unit(y: Tensor, e: number): Tensor {
  const u = zerosLike(y);
  u.storage.elements()[e] = 1;
  return u;
}

/** The derivatives of each output with respect to each input, all rows as one batch. */
function blocksAtOnce({ inputs, outputs }: Evaluation, { createGraph }: Options): Tensor[][] {
  const pullBack = (...cotangents: Tensor[]): Tensor[] =>
    gradients(outputs, inputs, cotangents, createGraph, true).map((g, j) => g ?? zerosLike(inputs[j]));
  const rows = vmap(pullBack)(...basis(outputs));
  return outputs.map((_, i) => rows.map((x) => blockOfRows(x, outputs, i)));
}

/** The same by forward mode, all columns as one batch. */
function jacobianByColumns<I extends Tensors, O extends Tensors>(
  call: string,
  func: (...inputs: Spread<I>) => O,
  at: I,
): Pairs<O, I> {
  const inputs = listed(call, 'inputs', at);
  let returned: unknown;
  const evaluated = (...duals: readonly Tensor[]): readonly Tensor[] => {
    returned = func(...(duals as Spread<I>));
    return listed(call, 'outputs of the user-provided function', returned);
  };
  const blocks = jacfwd(evaluated, [...inputs.keys()])(...inputs) as readonly (readonly Tensor[])[];
  return arranged(
    blocks.map((row) => arranged(row, at)),
    returned,
  );
}

/**
 * The Hessian of `func` at `inputs`, the Jacobian of its gradient (torch.autograd.functional.hessian): for each pair of inputs a tensor of
 * both shapes, `hessian[i][j]` for inputs i and j, or a single one for a single input.
 * @param func takes the inputs and returns a tensor of one element
 * @param createGraph whether the Hessian is recorded, to be differentiated in turn
 * @param strict whether it is an error, rather than zeros, if the gradient does not depend on an input
 * @param vectorize whether the Jacobian of the gradient is computed as one batch
 * @param outerJacobianStrategy with `vectorize`, 'forward-mode' computes it by forward mode over reverse
 */
export function hessian<const I extends Tensors>(
  func: (...inputs: Spread<I>) => Tensor,
  inputs: I,
  ...args: OfHessian
): Pairs<I, I> {
  const options = ofMatrix('hessian', 'outerJacobianStrategy', args);
  const gradient = (...at: readonly Tensor[]): readonly Tensor[] => {
    // duals have to be in the graph for their gradient to have a tangent
    if (options.strategy === 'forward-mode') for (const x of at) x.requiresGrad_();
    const evaluation = evaluateScalar('hessian', func, at as I, { ...options, createGraph: true });
    const found = gradients(evaluation.outputs, evaluation.inputs, null, true);
    if (options.strict) checkVaries(found);
    return found.map((g, i) => g ?? zerosLike(evaluation.inputs[i]));
  };
  const blocks = jacobianOf('hessian', gradient, listed('hessian', 'inputs', inputs), options);
  return arranged(
    blocks.map((row) => arranged(row, inputs)),
    inputs,
  );
}
