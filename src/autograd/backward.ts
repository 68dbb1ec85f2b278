/** The two entry points of reverse mode: torch.autograd.backward and torch.autograd.grad. */
import { filled } from '../core/creation.ts';
import { isFloatingPoint } from '../core/dtype.ts';
import { checkOptions } from '../core/options.ts';
import { sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { runBackward } from './engine.ts';
import type { Edge } from './node.ts';
import { edgeOf } from './primitive.ts';

type OneOrMore<T> = T | readonly T[];
const list = <T>(value: OneOrMore<T>): readonly T[] => (Array.isArray(value) ? value : [value as T]);

export interface BackwardCall {
  /** The cotangent, where it is not given before the options. */
  gradient?: Tensor | null;
  /** Keep the graph's saved tensors, to run backward through it again. Defaults to `createGraph`. */
  retainGraph?: boolean;
  /** Record the backward itself, for derivatives of higher order. */
  createGraph?: boolean;
  /** The tensors whose `grad` to add to; all leaves if absent. */
  inputs?: OneOrMore<Tensor>;
}

export interface GradCall {
  /** The cotangents of the outputs; null for one of a single element. */
  gradOutputs?: OneOrMore<Tensor | null> | null;
  /** Keep the graph's saved tensors, to run backward through it again. Defaults to `createGraph`. */
  retainGraph?: boolean;
  /** Record the backward itself, for derivatives of higher order. */
  createGraph?: boolean;
  /** Give null for inputs that the outputs do not depend on, rather than an error. */
  allowUnused?: boolean;
  /** Give zeros for such inputs. Implies `allowUnused`. */
  materializeGrads?: boolean;
}

function rootOf(tensor: Tensor, index: number): Edge {
  if (!(tensor instanceof Tensor))
    throw new AdjointError('argument', `output ${index} must be a Tensor, got ${show(tensor)}`);
  const edge = edgeOf(tensor);
  if (!edge)
    throw new AdjointError('autograd', `element ${index} of tensors does not require grad and does not have a grad_fn`);
  return edge;
}

function seedOf(tensor: Tensor, gradient: Tensor | null | undefined, index: number): Tensor {
  if (!gradient) {
    if (tensor.numel() !== 1) {
      throw new AdjointError(
        'autograd',
        `grad can be implicitly created only for scalar outputs; output ${index} has shape ${showShape(tensor.shape)}: ` +
          'give its gradient, or reduce it to one element first',
      );
    }
    return filled(tensor.shape, 1, tensor.dtype);
  }
  if (!(gradient instanceof Tensor))
    throw new AdjointError('argument', `gradient ${index} must be a Tensor or null, got ${show(gradient)}`);
  if (!sameShape(gradient.shape, tensor.shape)) {
    throw new AdjointError(
      'shape',
      `Mismatch in shape: grad_output[${index}] has a shape of ${showShape(gradient.shape)} and output[${index}] has a shape of ${showShape(tensor.shape)}.`,
    );
  }
  if (!isFloatingPoint(gradient.dtype) || gradient.dtype !== tensor.dtype) {
    throw new AdjointError(
      'dtype',
      `gradient ${index} must be of the output's dtype ${tensor.dtype}, got ${gradient.dtype}`,
    );
  }
  return gradient;
}

function seedsOf(outputs: readonly Tensor[], gradients: readonly (Tensor | null)[] | null): Tensor[] {
  if (gradients && gradients.length !== outputs.length) {
    throw new AdjointError('argument', `got ${outputs.length} tensors and ${gradients.length} gradients`);
  }
  return outputs.map((tensor, i) => seedOf(tensor, gradients?.[i], i));
}

/**
 * Adds to the `grad` of the leaves the gradient of the sum of <tensor, gradient> over all `tensors` (torch.autograd.backward).
 * @param gradients the cotangents; may be null for tensors of one element
 * @throws if a tensor is outside the graph, if a gradient is missing or does not fit, or if the graph was released
 */
export function backward(
  tensors: OneOrMore<Tensor>,
  gradients?: OneOrMore<Tensor | null> | null,
  options: BackwardCall = {},
): void {
  checkOptions('backward', options, ['gradient', 'retainGraph', 'createGraph', 'inputs']);
  const outputs = list(tensors);
  const roots = outputs.map(rootOf);
  const seeds = seedsOf(outputs, gradients ? list(gradients) : null);
  const { createGraph = false, retainGraph = createGraph } = options;
  const run = { retainGraph, createGraph, accumulate: true, allowUnused: true };
  if (!options.inputs) {
    runBackward(roots, seeds, { ...run, inputs: [] });
    return;
  }
  const inputs = list(options.inputs);
  if (inputs.length === 0) throw new AdjointError('argument', '`inputs` argument to `backward` cannot be empty.');
  const edges = inputs.map(inputEdge);
  const captured = runBackward(roots, seeds, { ...run, inputs: edges });
  inputs.forEach((input, i) => {
    // leaves have been added to on the way
    const gradient = captured[i];
    if (input.isLeaf || !gradient) return;
    input._grad = input._grad ? input._grad.add(gradient) : gradient.clone();
  });
}

function inputEdge(input: Tensor): Edge {
  if (!(input instanceof Tensor)) throw new AdjointError('argument', `an input must be a Tensor, got ${show(input)}`);
  const edge = edgeOf(input);
  if (!edge) throw new AdjointError('autograd', 'One of the differentiated Tensors does not require grad');
  return edge;
}

/**
 * The gradients of the sum of <output, gradOutput> with respect to `inputs`, as an array with one entry for each (torch.autograd.grad).
 * The leaves' `grad` is left alone.
 * @example const [dx] = autograd.grad(y, x, { createGraph: true });
 * @throws if an input is not in the graph (see `allowUnused`), if a cotangent is missing or does not fit, or if the graph was released
 */
export function grad(
  outputs: OneOrMore<Tensor>,
  inputs: OneOrMore<Tensor>,
  options?: GradCall & { allowUnused?: false },
): Tensor[];
export function grad(
  outputs: OneOrMore<Tensor>,
  inputs: OneOrMore<Tensor>,
  options: GradCall & { materializeGrads: true },
): Tensor[];
export function grad(outputs: OneOrMore<Tensor>, inputs: OneOrMore<Tensor>, options?: GradCall): (Tensor | null)[];
export function grad(outputs: OneOrMore<Tensor>, inputs: OneOrMore<Tensor>, options: GradCall = {}): (Tensor | null)[] {
  checkOptions('grad', options, ['gradOutputs', 'retainGraph', 'createGraph', 'allowUnused', 'materializeGrads']);
  const { createGraph = false, retainGraph = createGraph, materializeGrads = false } = options;
  const { allowUnused = materializeGrads } = options;
  if (materializeGrads && !allowUnused) {
    throw new AdjointError('argument', 'Expected allowUnused to be true or not passed when materializeGrads: true');
  }
  const from = list(outputs);
  const roots = from.map(rootOf);
  const seeds = seedsOf(from, options.gradOutputs ? list(options.gradOutputs) : null);
  const to = list(inputs);
  if (to.length === 0) throw new AdjointError('argument', 'grad requires non-empty inputs.');
  const gradients = runBackward(roots, seeds, {
    retainGraph,
    createGraph,
    inputs: to.map(inputEdge),
    accumulate: false,
    allowUnused,
  });
  if (!materializeGrads) return gradients;
  return gradients.map((gradient, i) => gradient ?? filled(to[i].shape, 0, to[i].dtype));
}
