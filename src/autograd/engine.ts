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

interface BackwardOptions {
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

/** What is left of the gradients of a node that has run. */
const landed: (Tensor | null)[] = [];

/** One run through a graph. */
class Backward implements Run {
  node: Node | null = null;
  private readonly options: BackwardOptions;
  /** One for each node that is reached, first those of the roots. */
  private readonly tasks: Task[] = [];
  private rootCount = 0;
  private readonly ready = new ReadyQueue();
  private readonly flight: Flight;
  /** The gradients that have arrived at `options.inputs`. */
  private readonly captured: (Tensor | null)[];
  /** The leaves whose gradients are to be added to theirs when everything has run. */
  private readonly leaves: Task[] = [];
  /** The tensors that keep their gradients although they are no leaves, with these. */
  private readonly retained: [Tensor, Tensor][] = [];

  constructor(options: BackwardOptions) {
    this.options = options;
    this.captured = options.inputs.map(() => null);
    this.flight = new Flight(!options.createGraph && interpreter.current === null);
  }

  wants({ task }: Node): boolean {
    return task?.run === this && task.wanted;
  }

  run(roots: readonly Edge[], seeds: readonly Tensor[]): (Tensor | null)[] {
    const outer = engine.run;
    const { grad, inference } = mode;
    engine.run = this;
    try {
      this.explore(roots);
      mode.grad = this.options.createGraph;
      for (let i = 0; i < roots.length; i++) this.flight.send(seeds[i], roots[i].node.task as Task, roots[i].nr);
      for (let i = 0; i < this.rootCount; i++) if (this.tasks[i].missing === 0) this.ready.push(this.tasks[i]);
      while (this.ready.size > 0) this.turn(this.ready.pop());
      this.finish();
    } catch (error) {
      if (anomaly.enabled && this.node) blame(this.node, error);
      throw error;
    } finally {
      engine.run = outer;
      mode.grad = grad;
      mode.inference = inference;
      for (const { node, outer } of this.tasks) node.task = outer;
      this.flight.end();
    }
    return this.captured;
  }

  /** Finds the nodes that will be reached, how many gradients each is to wait for, and which lead to where gradients are wanted. */
  private explore(roots: readonly Edge[]): void {
    const { tasks } = this;
    const { inputs, accumulate } = this.options;
    for (const { node } of roots) this.taskOf(node);
    this.rootCount = tasks.length;
    // the list of tasks is the queue as well
    for (let i = 0; i < tasks.length; i++) {
      for (const next of tasks[i].node.next) if (next) this.taskOf(next).missing++;
    }
    for (let i = 0; i < inputs.length; i++) {
      const { task } = inputs[i].node;
      if (task?.run !== this) continue;
      task.captures = [...task.captures, i];
      task.needed = accumulate;
    }
    if (inputs.length > 0) markNeeded(tasks, inputs);
  }

  private taskOf(node: Node): Task {
    const known = node.task;
    if (known?.run === this) return known;
    const task = new Task(this, node, this.options.inputs.length === 0);
    this.tasks.push(task);
    return task;
  }

  /** The turn of a node, at which all gradients have arrived. */
  private turn(task: Task): void {
    const { flight } = this;
    const { node, gradients, needed } = task;
    this.node = node;
    // a hook may have left it switched
    mode.grad = this.options.createGraph;
    if (node.foreign || task.captures.length > 0) this.show(task);
    if (node.tensorHooks && task.wanted) runTensorHooks(node, gradients, this.retained);
    for (const i of task.captures) this.captured[i] = gradients[this.options.inputs[i].nr];
    if (needed && node.preHooks) runPreHooks(node, gradients);
    if (needed && node instanceof AccumulateGrad) {
      if (!node.awaited) {
        this.leaves.push(task);
        return;
      }
      this.accumulate(task);
      node.runPostHooks(gradients);
      return;
    }
    if (needed) this.send(node, gradients);
    flight.land(gradients);
    task.gradients = landed;
    for (const next of node.next) {
      if (next === null) continue;
      const following = next.task as Task;
      if (--following.missing === 0) this.ready.push(following);
    }
  }

  /** The gradients of a node are about to be seen by others, who may keep them. */
  private show(task: Task): void {
    for (const gradient of task.gradients) this.flight.keep(gradient);
    task.sum = null;
  }

  /** Runs a node, and sends the gradients that it computes along its edges. */
  private send(node: Node, gradients: (Tensor | null)[]): void {
    const { flight, wanted } = this;
    const { next } = node;
    const results = profiler.recorder
      ? profiler.recorder.turn(node, gradients, () => flight.step(node, gradients, wanted))
      : flight.step(node, gradients, wanted);
    if (anomaly.enabled && anomaly.checkNan) checkNan(node, results);
    for (let k = 0; k < next.length; k++) {
      const to = next[k];
      const gradient = results[k];
      if (to && gradient) flight.send(gradient, to.task as Task, node.nextNr(k));
    }
    flight.land(results);
  }

  /** Whether input k of the node whose turn it is wants a gradient. */
  private readonly wanted = (k: number): boolean => {
    const next = (this.node as Node).next[k];
    return next !== null && (next.task as Task).wanted;
  };

  /** Adds the gradient of a leaf to its `grad`. */
  private accumulate(task: Task): void {
    const { flight } = this;
    const { node, gradients } = task;
    this.node = node;
    const add = (): void => (node as AccumulateGrad).accumulate(task, flight);
    if (profiler.recorder) profiler.recorder.turn(node, gradients, add);
    else add();
    flight.land(gradients);
  }

  /** When everything has run. */
  private finish(): void {
    const { allowUnused, retainGraph, createGraph } = this.options;
    this.node = null;
    mode.grad = createGraph;
    if (!allowUnused) checkUsed(this.captured);
    if (!retainGraph) for (const { node, needed } of this.tasks) if (needed) node.release();
    for (const [tensor, gradient] of this.retained) {
      tensor._grad = tensor._grad ? tensor._grad.add(gradient) : gradient.clone();
      leadsTo(tensor.storage, tensor);
    }
    for (const leaf of this.leaves) this.accumulate(leaf);
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
  return new Backward(options).run(roots, seeds);
}

/** Marks every node from which one of `inputs` is reached. */
function markNeeded(tasks: readonly Task[], inputs: readonly Edge[]): void {
  const parents = new Map<Node, Task[]>();
  for (const task of tasks) {
    for (const next of task.node.next) {
      if (!next) continue;
      const list = parents.get(next);
      if (list) list.push(task);
      else parents.set(next, [task]);
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
  for (const [nr, own] of [...(node.tensorHooks as Map<number, TensorHooks>)]) {
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
