/**
 * Reverse mode: carries gradients from the roots of a graph to its leaves. Each node runs once, when the gradients of all its outputs
 * have arrived; of those that are ready the latest recorded runs first. Nothing here recurses, so a graph may be of any depth.
 */

import { sameShape, showShape } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { AccumulateGrad } from './accumulate.ts';
import type { GradientHook } from './hooks.ts';
import { mode } from './modes.ts';
import type { Edge, Gradients, Metadata, Node } from './node.ts';

export interface BackwardOptions {
  /** Keep what the graph saved, to run through it again. */
  readonly retainGraph: boolean;
  /** Record the backward itself, to differentiate it in turn. */
  readonly createGraph: boolean;
  /** Where gradients are wanted. If absent: at every leaf, in its `grad`. */
  readonly inputs?: readonly Edge[];
  /** Whether gradients of `inputs` are added to their leaves' `grad` instead of being returned. */
  readonly accumulate?: boolean;
}

/** The nodes that are ready, latest first; leaves before all others, so that their gradients are not kept waiting. */
class ReadyQueue {
  private readonly heap: Node[] = [];

  get size(): number {
    return this.heap.length;
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

/** What one run knows of a node. */
interface Task {
  /** How many nodes have yet to send it gradients. */
  missing: number;
  /** The sums so far, one for each output. */
  gradients: (Tensor | null)[];
  /** Whether gradients are wanted at it or beyond it. */
  needed: boolean;
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
  const { inputs, accumulate = !inputs } = options;
  const tasks = explore(roots, inputs);
  const captured: (Tensor | null)[] = (inputs ?? []).map(() => null);
  const wantedAt = new Map<Node, number[]>();
  for (const [i, { node }] of (inputs ?? []).entries()) wantedAt.set(node, [...(wantedAt.get(node) ?? []), i]);

  const before = mode.grad;
  mode.grad = options.createGraph;
  try {
    const ready = new ReadyQueue();
    for (const [i, root] of roots.entries()) receive(tasks.get(root.node) as Task, root, seeds[i]);
    for (const node of new Set(roots.map((root) => root.node))) if (tasks.get(node)?.missing === 0) ready.push(node);

    while (ready.size > 0) {
      const node = ready.pop();
      const task = tasks.get(node) as Task;
      const gradients = runPreHooks(node, task.gradients);
      task.gradients = [];
      for (const i of wantedAt.get(node) ?? []) captured[i] = gradients[(inputs as Edge[])[i].nr] ?? null;
      if (!task.needed) continue;
      const isLeaf = node instanceof AccumulateGrad;
      if (isLeaf && !accumulate) continue;
      if (isLeaf && inputs && !wantedAt.has(node)) continue;
      const results = step(node, gradients, (k) => {
        const next = node.edges[k];
        return next !== null && (tasks.get(next.node)?.needed ?? false);
      });
      if (!options.retainGraph) node.release();
      node.edges.forEach((edge, k) => {
        const next = edge && tasks.get(edge.node);
        if (!next) return;
        const gradient = results[k];
        if (gradient) receive(next, edge, validate(node, gradient, edge.node.outputs[edge.nr]));
        if (--next.missing === 0) ready.push(edge.node);
      });
    }
  } finally {
    mode.grad = before;
  }
  return captured;
}

/** Finds the nodes that a run will visit, how many gradients each is to wait for, and which lead to the wanted ones. */
function explore(roots: readonly Edge[], inputs: readonly Edge[] | undefined): Map<Node, Task> {
  const tasks = new Map<Node, Task>();
  const order: Node[] = [];
  const visit = (node: Node): Task => {
    let task = tasks.get(node);
    if (!task) {
      task = { missing: 0, gradients: [], needed: !inputs };
      tasks.set(node, task);
      order.push(node);
    }
    return task;
  };
  for (const root of roots) visit(root.node);
  for (let i = 0; i < order.length; i++) {
    for (const edge of order[i].edges) if (edge) visit(edge.node).missing++;
  }
  if (inputs) markNeeded(tasks, order, inputs);
  return tasks;
}

/** Marks the nodes from which one of `inputs` is reached, from the inputs upward. */
function markNeeded(tasks: Map<Node, Task>, order: readonly Node[], inputs: readonly Edge[]): void {
  const parents = new Map<Node, Node[]>();
  for (const node of order) {
    for (const edge of node.edges) {
      if (!edge) continue;
      const list = parents.get(edge.node);
      if (list) list.push(node);
      else parents.set(edge.node, [node]);
    }
  }
  const pending = inputs.map((edge) => edge.node);
  const wanted = new Set(pending);
  for (const node of wanted) {
    // a wanted node runs itself only if something beyond it is wanted too, or if it is a leaf
    const task = tasks.get(node);
    if (task && node instanceof AccumulateGrad) task.needed = true;
  }
  for (let node = pending.pop(); node; node = pending.pop()) {
    for (const parent of parents.get(node) ?? []) {
      const task = tasks.get(parent) as Task;
      if (task.needed) continue;
      task.needed = true;
      pending.push(parent);
    }
  }
}

/** Adds a gradient to what has arrived for one output of a node. */
function receive(task: Task, { nr }: Edge, gradient: Tensor): void {
  const sum = task.gradients[nr];
  task.gradients[nr] = sum ? sum.add(gradient) : gradient;
}

function step(node: Node, gradients: Gradients, wanted: (input: number) => boolean): Gradients {
  const filled = Array.from(node.outputs, (_, nr) => gradients[nr] ?? null);
  let results = node.apply(filled, wanted);
  for (const hook of node.postHooks ?? []) results = hook(results, filled) ?? results;
  return results;
}

/** Lets the hooks of a node, and of the tensors that it made, see and change the gradients. */
function runPreHooks(node: Node, arrived: (Tensor | null)[]): (Tensor | null)[] {
  let gradients = arrived;
  for (const [nr, own] of node.tensorHooks ?? []) {
    for (const hook of own.hooks) gradients[nr] = afterHook(hook, gradients[nr] ?? null, node.outputs[nr]);
    const tensor = own.retainsGrad ? own.tensor?.deref() : undefined;
    const gradient = gradients[nr];
    if (tensor && gradient) tensor._grad = tensor._grad ? tensor._grad.add(gradient) : gradient;
  }
  for (const hook of node.preHooks ?? []) gradients = [...(hook(gradients) ?? gradients)];
  return gradients;
}

function afterHook(hook: GradientHook, gradient: Tensor | null, expected: Metadata): Tensor | null {
  if (!gradient) return null;
  const changed = hook(gradient);
  if (!changed) return gradient;
  if (!sameShape(changed.shape, expected.shape)) {
    throw new AdjointError(
      'shape',
      `a hook has changed the size of the gradient: expected ${showShape(expected.shape)}, got ${showShape(changed.shape)}`,
    );
  }
  return changed;
}

/** Fits a gradient to the tensor that it is the gradient of: undoes broadcasting, keeps the dtype. */
function validate(node: Node, gradient: Tensor, expected: Metadata): Tensor {
  let fitted = gradient;
  if (!sameShape(fitted.shape, expected.shape)) {
    const { length } = expected.shape;
    const expandable =
      fitted.shape.length >= length &&
      expected.shape.every((size, d) => size === 1 || size === fitted.shape[fitted.shape.length - length + d]);
    if (!expandable) {
      throw new AdjointError(
        'shape',
        `${node.name()} returned an invalid gradient: got shape ${showShape(fitted.shape)}, but expected shape compatible with ${showShape(expected.shape)}`,
      );
    }
    fitted = fitted.sumToSize(expected.shape);
  }
  return fitted.dtype === expected.dtype ? fitted : fitted.to(expected.dtype);
}
