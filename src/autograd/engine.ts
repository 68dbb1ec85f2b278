/**
 * Reverse mode: carries gradients from the roots of a graph to its leaves. Each node runs once, when the gradients of all its outputs
 * have arrived; of those that are ready the latest recorded runs first. Nothing here recurses, so a graph may be of any depth.
 *
 * Gradients are added to leaves, and the graph is released, when everything has run: a run that throws changes nothing. Only a leaf whose
 * own hooks wait for its gradient gets it at once, so that they can use it up while others are still under way.
 */

import type { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { AccumulateGrad } from './accumulate.ts';
import { anomaly, blame, checkNan } from './anomaly.ts';
import { engine, type Run } from './current.ts';
import { Flight } from './flight.ts';
import { replacement, replacements } from './hooks.ts';
import { mode } from './modes.ts';
import type { Edge, Node } from './node.ts';
import { interpreter } from './primitive.ts';
import { profiler } from './recorder.ts';

export interface BackwardOptions {
  /** Keep what the graph saved, to run through it again. */
  readonly retainGraph: boolean;
  /** Record the backward itself, to differentiate it in turn. */
  readonly createGraph: boolean;
  /** Where gradients are wanted; if empty, at every leaf. */
  readonly inputs: readonly Edge[];
  /** Whether gradients that reach leaves are added to their `grad`. */
  readonly accumulate: boolean;
  /** Whether none may arrive at one of `inputs`. */
  readonly allowUnused: boolean;
}

/** The nodes that are ready, latest first; leaves before all others, so that their gradients are not kept waiting. */
class ReadyQueue {
  private readonly heap: Node[] = [];

  get size(): number {
    return this.heap.length;
  }

  has(node: Node): boolean {
    return this.heap.includes(node);
  }

  private static before(a: Node, b: Node): boolean {
    const [x, y] = [a instanceof AccumulateGrad, b instanceof AccumulateGrad];
    return x !== y ? x : a.sequence > b.sequence;
  }

  push(node: Node): void {
    const { heap } = this;
    let i = heap.length;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!ReadyQueue.before(node, heap[parent])) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = node;
  }

  pop(): Node {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop() as Node;
    const size = heap.length;
    if (size > 0) {
      let i = 0;
      for (;;) {
        let child = 2 * i + 1;
        if (child >= size) break;
        if (child + 1 < size && ReadyQueue.before(heap[child + 1], heap[child])) child++;
        if (!ReadyQueue.before(heap[child], last)) break;
        heap[i] = heap[child];
        i = child;
      }
      heap[i] = last;
    }
    return first;
  }
}

const nothing: readonly number[] = [];

/** What one run knows of a node. */
interface Task {
  /** How many nodes have yet to send it gradients. */
  missing: number;
  /** The sums so far, one for each output. */
  readonly gradients: (Tensor | null)[];
  /** Whether it has to run, because a gradient is wanted beyond it. */
  needed: boolean;
  /** The positions among the wanted inputs of what arrives here. */
  captures: readonly number[];
}

/**
 * Runs a graph backward from `roots`, at which the gradients are `seeds`.
 * @returns the gradient at each of `options.inputs` (null where none arrived), or nothing if they went to the leaves
 */
export function runBackward(
  roots: readonly Edge[],
  seeds: readonly Tensor[],
  options: BackwardOptions,
): (Tensor | null)[] {
  const { inputs, accumulate, createGraph } = options;
  const tasks = explore(roots, inputs, accumulate);
  const task = (node: Node): Task => tasks.get(node) as Task;
  const captured: (Tensor | null)[] = inputs.map(() => null);
  const reached: AccumulateGrad[] = [];
  const retained: [Tensor, Tensor][] = [];
  const flight = new Flight(!createGraph && interpreter.current === null);
  const ready = new ReadyQueue();
  const run: Run = {
    node: null,
    wants(node) {
      const found = tasks.get(node);
      return found !== undefined && (found.needed || found.captures.length > 0);
    },
  };
  const arrive = (leaf: AccumulateGrad): void => {
    run.node = leaf;
    const { gradients } = task(leaf);
    const end = profiler.recorder?.turn(leaf, gradients);
    leaf.accumulate(gradients[0] ?? null, flight);
    end?.();
    flight.land(gradients);
  };
  const outer = engine.run;
  const before = mode.grad;
  engine.run = run;
  mode.grad = createGraph;
  try {
    for (const [i, root] of roots.entries()) flight.add(task(root.node).gradients, root.nr, seeds[i]);
    for (const { node } of roots) if (task(node).missing === 0 && !ready.has(node)) ready.push(node);
    while (ready.size > 0) {
      const node = ready.pop();
      run.node = node;
      const { gradients, needed, captures } = task(node);
      if (node.foreign) for (const gradient of gradients) flight.keep(gradient ?? null);
      if (run.wants(node)) runTensorHooks(node, gradients, retained);
      for (const i of captures) captured[i] = flight.keep(gradients[inputs[i].nr] ?? null);
      if (needed) runPreHooks(node, gradients);
      if (needed && node instanceof AccumulateGrad) {
        if (node.awaited) {
          arrive(node);
          node.runPostHooks(gradients);
        } else reached.push(node);
        continue;
      }
      if (needed) {
        const wanted = (k: number): boolean => node.edges[k] !== null && run.wants(node.edges[k].node);
        const end = profiler.recorder?.turn(node, gradients);
        const results = flight.step(node, gradients, wanted);
        end?.();
        if (anomaly.enabled && anomaly.checkNan) checkNan(node, results);
        for (const [k, edge] of node.edges.entries()) {
          const gradient = results[k];
          if (edge && gradient) flight.add(task(edge.node).gradients, edge.nr, gradient);
        }
        flight.land(results);
      }
      flight.land(gradients);
      gradients.length = 0;
      for (const edge of node.edges) if (edge && --task(edge.node).missing === 0) ready.push(edge.node);
    }
    run.node = null;
    if (!options.allowUnused) checkUsed(captured);
    if (!options.retainGraph) for (const [node, { needed }] of tasks) if (needed) node.release();
    for (const [tensor, gradient] of retained)
      tensor._grad = tensor._grad ? tensor._grad.add(gradient) : gradient.clone();
    for (const leaf of reached) arrive(leaf);
  } catch (error) {
    if (anomaly.enabled && run.node) blame(run.node, error);
    throw error;
  } finally {
    engine.run = outer;
    mode.grad = before;
    flight.end();
  }
  return captured;
}

/** Finds the nodes that a run will reach, how many gradients each is to wait for, and which lead to where gradients are wanted. */
function explore(roots: readonly Edge[], inputs: readonly Edge[], accumulate: boolean): Map<Node, Task> {
  const everywhere = inputs.length === 0;
  const tasks = new Map<Node, Task>();
  // Nodes are visited in the order in which they are first reached, so the map serves as the queue.
  for (const { node } of roots) tasks.set(node, { missing: 0, gradients: [], needed: everywhere, captures: nothing });
  for (const node of tasks.keys()) {
    for (const edge of node.edges) {
      if (!edge) continue;
      const task = tasks.get(edge.node);
      if (task) task.missing++;
      else tasks.set(edge.node, { missing: 1, gradients: [], needed: everywhere, captures: nothing });
    }
  }
  for (const [i, { node }] of inputs.entries()) {
    const task = tasks.get(node);
    if (!task) continue;
    task.captures = [...task.captures, i];
    task.needed = accumulate;
  }
  if (!everywhere) markNeeded(tasks, inputs);
  return tasks;
}

/** Marks every node from which one of `inputs` is reached. */
function markNeeded(tasks: Map<Node, Task>, inputs: readonly Edge[]): void {
  const parents = new Map<Node, Node[]>();
  for (const node of tasks.keys()) {
    for (const edge of node.edges) {
      if (!edge) continue;
      const list = parents.get(edge.node);
      if (list) list.push(node);
      else parents.set(edge.node, [node]);
    }
  }
  const pending = inputs.map((edge) => edge.node);
  for (let node = pending.pop(); node; node = pending.pop()) {
    for (const parent of parents.get(node) ?? []) {
      const task = tasks.get(parent) as Task;
      if (task.needed) continue;
      task.needed = true;
      pending.push(parent);
    }
  }
}

/** Lets the hooks of the tensors that a node made see and change the gradients that have arrived; those that they register wait for the next run. */
function runTensorHooks(node: Node, gradients: (Tensor | null)[], retained: [Tensor, Tensor][]): void {
  for (const [nr, own] of node.tensorHooks ?? []) {
    for (const hook of [...own.hooks]) {
      const gradient = gradients[nr] ?? null;
      gradients[nr] = replacement(hook(gradient as Tensor), gradient) ?? gradient;
    }
    const tensor = own.retainedBy?.deref();
    if (tensor && gradients[nr]) retained.push([tensor, gradients[nr]]);
  }
}

/** The same for the hooks of the node itself. */
function runPreHooks(node: Node, gradients: (Tensor | null)[]): void {
  if (!node.preHooks) return;
  for (const hook of [...node.preHooks]) {
    const all = node.outputs.map((_, nr) => gradients[nr] ?? null);
    Object.assign(gradients, replacements(hook(all), all));
  }
}

function checkUsed(captured: readonly (Tensor | null)[]): void {
  const unused = captured.indexOf(null);
  if (unused < 0) return;
  throw new AdjointError(
    'autograd',
    `The differentiated Tensor at index ${unused} appears to not have been used in the graph. ` +
      'Set allowUnused: true if this is the desired behavior.',
  );
}
