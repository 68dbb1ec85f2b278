/** The two entry points of reverse mode: torch.autograd.backward and torch.autograd.grad. */

import { filled } from '../core/creation.ts';
import { positional } from '../core/named.ts';
import { numelOf, sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { edgeOf } from './edge.ts';
import { runBackward } from './engine.ts';
import { hooksAt } from './hooks.ts';
import { at, underWay } from './lift.ts';
import { type Edge, type GradientEdge, type Metadata, Node } from './node.ts';
import { BatchLevel } from './vmap.ts';

type OneOrMore<T> = T | readonly T[];
const list = <T>(value: OneOrMore<T>): readonly T[] => (Array.isArray(value) ? value : [value as T]);

/** Where a gradient starts or ends: a tensor, or its place in the graph. */
export type Place = Tensor | GradientEdge;

type Cotangents = OneOrMore<Tensor | null> | null;

export interface BackwardCall {
  /** Keep the graph's saved tensors, to run backward through it again. Defaults to `createGraph`. */
  retainGraph?: boolean | null;
  /** Record the backward itself, for derivatives of higher order. */
  createGraph?: boolean;
  /** The tensors whose `grad` to add to; all leaves if absent. */
  inputs?: OneOrMore<Place> | null;
}
/** The same by position. */
export type BackwardRun = [retainGraph?: boolean | null, createGraph?: boolean, inputs?: OneOrMore<Place> | null];

export interface GradCall {
  /** The cotangents of the outputs; null for one of a single element. */
  gradOutputs?: Cotangents;
  /** Keep the graph's saved tensors, to run backward through it again. Defaults to `createGraph`. */
  retainGraph?: boolean | null;
  /** Record the backward itself, for derivatives of higher order. */
  createGraph?: boolean;
  /** Give null for inputs that the outputs do not depend on, rather than an error. */
  allowUnused?: boolean;
  /** Give zeros for such inputs. Implies `allowUnused`. */
  materializeGrads?: boolean;
  /** Whether `gradOutputs` hold batches of cotangents along dimension 0: the gradients then do, too, from one run by `vmap`. */
  isGradsBatched?: boolean;
}

/** @param what names the place in errors */
function edgeAt(place: Place, what: string): Edge | null {
  if (place instanceof Tensor) return edgeOf(place);
  if (!(place?.node instanceof Node))
    throw new AdjointError('argument', `${what} must be a Tensor or a GradientEdge, got ${show(place)}`);
  if (!(place.outputNr in place.node.outputs)) {
    throw new AdjointError(
      'index',
      `${what}: ${place.node.name()} has ${place.node.outputs.length} outputs, got outputNr ${show(place.outputNr)}`,
    );
  }
  return { node: place.node, nr: place.outputNr };
}

function rootOf(output: Place, index: number): Edge {
  const edge = edgeAt(output, `output ${index}`);
  if (!edge)
    throw new AdjointError('autograd', `element ${index} of tensors does not require grad and does not have a grad_fn`);
  return edge;
}

// made by push, as shapes are (core/shape.ts): the engine goes through it
function rootsOf(outputs: OneOrMore<Place>): Edge[] {
  const roots: Edge[] = [];
  for (const [i, output] of list(outputs).entries()) roots.push(rootOf(output, i));
  return roots;
}

function seedOf({ shape, dtype, anyDtype }: Metadata, gradient: Tensor | null | undefined, index: number): Tensor {
  if (!gradient) {
    if (numelOf(shape) !== 1) {
      throw new AdjointError(
        'autograd',
        `grad can be implicitly created only for scalar outputs; output ${index} has shape ${showShape(shape)}: ` +
          'give its gradient, or reduce it to one element first',
      );
    }
    return filled(shape, 1, dtype);
  }
  if (!(gradient instanceof Tensor))
    throw new AdjointError('argument', `gradient ${index} must be a Tensor or null, got ${show(gradient)}`);
  if (!sameShape(gradient.shape, shape)) {
    throw new AdjointError(
      'shape',
      `Mismatch in shape: grad_output[${index}] has a shape of ${showShape(gradient.shape)} and output[${index}] has a shape of ${showShape(shape)}.`,
    );
  }
  return anyDtype || gradient.dtype === dtype ? gradient : gradient.to(dtype);
}

function seedsOf(roots: readonly Edge[], gradients: readonly (Tensor | null)[] | null): Tensor[] {
  if (gradients && gradients.length !== roots.length) {
    throw new AdjointError('argument', `got ${roots.length} tensors and ${gradients.length} gradients`);
  }
  const seeds: Tensor[] = [];
  for (const [i, { node, nr }] of roots.entries()) seeds.push(seedOf(node.outputs[nr], gradients?.[i], i));
  return seeds;
}

/**
 * Adds to the `grad` of the leaves the gradient of the sum of <tensor, gradient> over all `tensors` (torch.autograd.backward).
 * @param gradTensors the cotangents; may be null for tensors of one element
 * @throws if a tensor is outside the graph, if a gradient is missing or does not fit, or if the graph was released
 */
export function backward(tensors: OneOrMore<Place>, options?: BackwardCall & { gradTensors?: Cotangents }): void;
export function backward(tensors: OneOrMore<Place>, gradTensors: Cotangents | undefined, options?: BackwardCall): void;
export function backward(tensors: OneOrMore<Place>, gradTensors: Cotangents | undefined, ...run: BackwardRun): void;
export function backward(tensors: OneOrMore<Place>, ...args: readonly unknown[]): void {
  const names = ['gradTensors', 'retainGraph', 'createGraph', 'inputs'];
  const [gradients, retain, createGraph = false, to] = positional<[Cotangents?, ...BackwardRun]>(
    'backward',
    names,
    args,
  );
  if (underWay().some((level) => level instanceof BatchLevel)) {
    throw new AdjointError(
      'unsupported',
      'backward() called inside of vmap. This is not supported, as leaves have one gradient for all examples: please use func.grad or ' +
        'func.vjp instead or call backward() outside',
    );
  }
  const roots = rootsOf(tensors);
  const seeds = seedsOf(roots, gradients ? list(gradients) : null);
  const run = { retainGraph: retain ?? createGraph, createGraph, accumulate: true, allowUnused: true };
  if (!to) {
    runBackward(roots, seeds, { ...run, inputs: [] });
    return;
  }
  const inputs = list(to);
  if (inputs.length === 0) throw new AdjointError('argument', '`inputs` argument to `backward` cannot be empty.');
  const edges = inputs.map(inputEdge);
  inputs.forEach((input, i) => {
    if (input instanceof Tensor && !input.isLeaf) hooksAt(edges[i]).retainedBy = new WeakRef(input);
  });
  runBackward(roots, seeds, { ...run, inputs: edges });
}

function inputEdge(input: Place, index: number): Edge {
  const edge = edgeAt(input, `input ${index}`);
  if (!edge) throw new AdjointError('autograd', 'One of the differentiated Tensors does not require grad');
  return edge;
}

/** The gradients for every cotangent of a batch, which lie along dimension 0, in one run. */
function batchedGrad(
  outputs: OneOrMore<Place>,
  inputs: OneOrMore<Place>,
  { gradOutputs, isGradsBatched, ...options }: GradCall,
): (Tensor | null)[] {
  const batches = gradOutputs ? list(gradOutputs) : [];
  const [first] = batches.filter((batch) => batch !== null);
  if (!first || first.ndim === 0) {
    throw new AdjointError('argument', 'isGradsBatched: gradOutputs must be given, as batches along dimension 0');
  }
  for (const [i, { node, nr }] of rootsOf(outputs).entries()) {
    const [batch, { shape }] = [batches[i], node.outputs[nr]];
    if (!batch || sameShape(batch.shape.slice(1), shape)) continue;
    throw new AdjointError(
      'shape',
      'If isGradsBatched: true, we interpret the first dimension of each grad_output as the batch dimension. The sizes of the remaining ' +
        'dimensions are expected to match the shape of corresponding output, but a mismatch was detected: ' +
        `grad_output[${i}] has a shape of ${showShape(batch.shape)} and output[${i}] has a shape of ${showShape(shape)}.`,
    );
  }
  return at(new BatchLevel(first.shape[0]), (level) => {
    const each = batches.map((batch) => batch && level.lift(batch));
    return grad(outputs, inputs, { ...options, gradOutputs: each }).map(
      (gradient) => gradient && level.lowerAll(gradient),
    );
  });
}

type GradOptions = Omit<GradCall, 'gradOutputs'>;
type Materialized = { materializeGrads: true };
const gradNames = [
  'gradOutputs',
  'retainGraph',
  'createGraph',
  'allowUnused',
  'isGradsBatched',
  'materializeGrads',
] as const;

/**
 * The gradients of the sum of <output, gradOutput> with respect to `inputs`, as an array with one entry for each (torch.autograd.grad).
 * The leaves' `grad` is left alone.
 * @example const [dx] = autograd.grad(y, x, { createGraph: true });
 * @throws if an input is not in the graph (see `allowUnused`), if a cotangent is missing or does not fit, or if the graph was released
 */
export function grad(
  outputs: OneOrMore<Place>,
  inputs: OneOrMore<Place>,
  options?: GradCall & { allowUnused?: false },
): Tensor[];
export function grad(outputs: OneOrMore<Place>, inputs: OneOrMore<Place>, options: GradCall & Materialized): Tensor[];
export function grad(outputs: OneOrMore<Place>, inputs: OneOrMore<Place>, options?: GradCall): (Tensor | null)[];
export function grad(
  outputs: OneOrMore<Place>,
  inputs: OneOrMore<Place>,
  gradOutputs: Cotangents,
  options?: GradOptions & { allowUnused?: false },
): Tensor[];
export function grad(
  outputs: OneOrMore<Place>,
  inputs: OneOrMore<Place>,
  gradOutputs: Cotangents,
  options: GradOptions & Materialized,
): Tensor[];
export function grad(
  outputs: OneOrMore<Place>,
  inputs: OneOrMore<Place>,
  gradOutputs: Cotangents,
  options?: GradOptions,
): (Tensor | null)[];
export function grad(
  outputs: OneOrMore<Place>,
  inputs: OneOrMore<Place>,
  gradOutputs: Cotangents,
  retainGraph: boolean | null,
  createGraph?: boolean,
): Tensor[];
export function grad(
  outputs: OneOrMore<Place>,
  inputs: OneOrMore<Place>,
  gradOutputs: Cotangents,
  retainGraph: boolean | null,
  createGraph: boolean,
  allowUnused: boolean,
  isGradsBatched?: boolean,
  materializeGrads?: boolean,
): (Tensor | null)[];
export function grad(
  outputs: OneOrMore<Place>,
  inputs: OneOrMore<Place>,
  ...args: readonly unknown[]
): (Tensor | null)[] {
  const params = positional('grad', gradNames, args);
  const options: GradCall = Object.fromEntries(gradNames.map((name, k) => [name, params[k]]));
  if (options.isGradsBatched) return batchedGrad(outputs, inputs, options);
  const { createGraph = false, materializeGrads = false } = options;
  const { allowUnused = materializeGrads } = options;
  if (materializeGrads && !allowUnused) {
    throw new AdjointError('argument', 'Expected allowUnused to be true or not passed when materializeGrads: true');
  }
  const roots = rootsOf(outputs);
  const seeds = seedsOf(roots, options.gradOutputs ? list(options.gradOutputs) : null);
  const to = list(inputs);
  if (to.length === 0) throw new AdjointError('argument', 'grad requires non-empty inputs.');
  const gradients = runBackward(roots, seeds, {
    retainGraph: options.retainGraph ?? createGraph,
    createGraph,
    inputs: to.map(inputEdge),
    accumulate: false,
    allowUnused,
  });
  if (!materializeGrads) return gradients;
  return gradients.map((gradient, i) => {
    const input = to[i];
    if (gradient) return gradient;
    if (input instanceof Tensor) return filled(input.shape, 0, input.dtype).requiresGrad_(createGraph);
    throw new AdjointError('argument', 'materializeGrads cannot be used when the given input is a GradientEdge');
  });
}
