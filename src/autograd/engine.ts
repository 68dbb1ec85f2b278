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
import { engine, type Run, Task } from './current.ts';
import { Flight } from './flight.ts';
import { replacement, replacements, type TensorHooks } from './hooks.ts';
import { leadsTo } from './memory-scope.ts';
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

/** Whether one task goes before another: leaves before all others, so that their gradients are not kept waiting, then the latest. */
function before({ node: a }: Task, { node: b }: Task): boolean {
  if (b instanceof AccumulateGrad) return false;
  return a instanceof AccumulateGrad || a.sequence > b.sequence;
}

/**
 * The tasks that are ready, as a heap. The place of the first sinks to the bottom, to the right among equals, before the last rises from
 * there: so leaves that are ready together come in PyTorch's order.
 */
class ReadyQueue {
  private readonly heap: Task[] = [];

  get size(): number {
    return this.heap.length;
  }

  has(task: Task): boolean {
    return this.heap.includes(task);
  }

  push(task: Task): void {
    this.rise(task, this.heap.length);
  }

  pop(): Task {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop() as Task;
    const size = heap.length;
    if (size === 0) return first;
    let i = 0;
    for (let child = 2; child <= size; child = 2 * i + 2) {
      if (child === size || before(heap[child - 1], heap[child])) child--;
      heap[i] = heap[child];
      i = child;
    }
    this.rise(last, i);
    return first;
  }

  /** Puts a task in place `i`, or as far above as it belongs. */
  private rise(task: Task, i: number): void {
    const { heap } = this;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(task, heap[parent])) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = task;
  }
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
  const run: Run = {
    node: null,
    wants: ({ task }) => task?.run === run && task.wanted,
  };
  const tasks = explore(run, roots, inputs, accumulate);
  const captured: (Tensor | null)[] = inputs.map(() => null);
  const reached: Task[] = [];
  const retained: [Tensor, Tensor][] = [];
  const flight = new Flight(!createGraph && interpreter.current === null);
  const ready = new ReadyQueue();
  /** Whether input k of the node whose turn it is wants a gradient. */
  const wanted = (k: number): boolean => {
    const edge = (run.node as Node).edges[k];
    return edge !== null && (edge.node.task as Task).wanted;
  };
  const arrive = ({ node, gradients }: Task): void => {
    run.node = node;
    const end = profiler.recorder?.turn(node, gradients);
    (node as AccumulateGrad).accumulate(gradients[0], flight);
    end?.();
    flight.land(gradients);
  };
  const outer = engine.run;
  const recording = mode.grad;
  engine.run = run;
  mode.grad = createGraph;
  try {
    for (const [i, { node, nr }] of roots.entries()) flight.add((node.task as Task).gradients, nr, seeds[i]);
    for (const { node } of roots) {
      const task = node.task as Task;
      if (task.missing === 0 && !ready.has(task)) ready.push(task);
    }
    while (ready.size > 0) {
      const task = ready.pop();
      const { node, gradients, needed } = task;
      const { edges } = node;
      run.node = node;
      if (node.foreign) for (const gradient of gradients) flight.keep(gradient);
      if (node.tensorHooks && task.wanted) runTensorHooks(node, gradients, retained);
      for (const i of task.captures) captured[i] = flight.keep(gradients[inputs[i].nr]);
      if (needed && node.preHooks) runPreHooks(node, gradients);
      if (needed && node instanceof AccumulateGrad) {
        if (node.awaited) {
          arrive(task);
          node.runPostHooks(gradients);
        } else reached.push(task);
        continue;
      }
      if (needed) {
        const end = profiler.recorder?.turn(node, gradients);
        const results = flight.step(node, gradients, wanted);
        end?.();
        if (anomaly.enabled && anomaly.checkNan) checkNan(node, results);
        for (let k = 0; k < edges.length; k++) {
          const edge = edges[k];
          const gradient = results[k];
          if (edge && gradient) flight.add((edge.node.task as Task).gradients, edge.nr, gradient);
        }
        flight.land(results);
      }
      flight.land(gradients);
      task.gradients = landed;
      for (const edge of edges) {
        const next = edge?.node.task;
        if (next && --next.missing === 0) ready.push(next);
      }
    }
    run.node = null;
    if (!options.allowUnused) checkUsed(captured);
    if (!options.retainGraph) for (const { node, needed } of tasks) if (needed) node.release();
    for (const [tensor, gradient] of retained) {
      tensor._grad = tensor._grad ? tensor._grad.add(gradient) : gradient.clone();
      leadsTo(tensor.storage, tensor);
    }
    for (const leaf of reached) arrive(leaf);
  } catch (error) {
    if (anomaly.enabled && run.node) blame(run.node, error);
    throw error;
  } finally {
    engine.run = outer;
    mode.grad = recording;
    flight.end();
    for (const { node, outer } of tasks) node.task = outer;
  }
  return captured;
}

/** What is left of the gradients of a node that has run. */
const landed: (Tensor | null)[] = [];

/** Finds the nodes that a run will reach, how many gradients each is to wait for, and which lead to where gradients are wanted. */
function explore(run: Run, roots: readonly Edge[], inputs: readonly Edge[], accumulate: boolean): Task[] {
  const everywhere = inputs.length === 0;
  const tasks: Task[] = [];
  const taskOf = (node: Node): Task => {
    const known = node.task;
    if (known?.run === run) return known;
    const task = new Task(run, node, everywhere);
    tasks.push(task);
    return task;
  };
  for (const { node } of roots) taskOf(node);
  // the list of tasks is the queue as well
  for (let i = 0; i < tasks.length; i++) {
    for (const edge of tasks[i].node.edges) if (edge) taskOf(edge.node).missing++;
  }
  for (const [i, { node }] of inputs.entries()) {
    const { task } = node;
    if (task?.run !== run) continue;
    task.captures = [...task.captures, i];
    task.needed = accumulate;
  }
  if (!everywhere) markNeeded(tasks, inputs);
  return tasks;
}

/** Marks every node from which one of `inputs` is reached. */
function markNeeded(tasks: readonly Task[], inputs: readonly Edge[]): void {
  const parents = new Map<Node, Task[]>();
  for (const task of tasks) {
    for (const edge of task.node.edges) {
      if (!edge) continue;
      const list = parents.get(edge.node);
      if (list) list.push(task);
      else parents.set(edge.node, [task]);
    }
  }
  const pending = inputs.map((edge) => edge.node);
  for (let node = pending.pop(); node; node = pending.pop()) {
    for (const parent of parents.get(node) ?? []) {
      if (parent.needed) continue;
      parent.needed = true;
      pending.push(parent.node);
    }
  }
}

/** Lets the hooks of the tensors that a node made see and change the gradients that have arrived; those that they register wait for the next run. */
function runTensorHooks(node: Node, gradients: (Tensor | null)[], retained: [Tensor, Tensor][]): void {
  for (const [nr, own] of node.tensorHooks as Map<number, TensorHooks>) {
    for (const hook of [...own.hooks]) {
      const gradient = gradients[nr];
      gradients[nr] = replacement(hook(gradient as Tensor), gradient) ?? gradient;
    }
    const tensor = own.retainedBy?.deref();
    if (tensor && gradients[nr]) retained.push([tensor, gradients[nr]]);
  }
}

/** The same for the hooks of the node itself. */
function runPreHooks(node: Node, gradients: (Tensor | null)[]): void {
  for (const hook of [...(node.preHooks ?? [])]) {
    const all = [...gradients];
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
