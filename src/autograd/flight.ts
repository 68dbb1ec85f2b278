/**
 * The gradients in flight during one run of the engine, and the memory they lie in. What a step makes and does not pass on is freed at
 * once, and so is a gradient when the last node that it was sent to has run.
 */
import { Arena } from '../core/arena.ts';
import { sameShape, showShape } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import type { Task } from './current.ts';
import { replacements } from './hooks.ts';
import type { Gradients, Metadata, Node } from './node.ts';

export class Flight {
  /** Null where the backward is recorded: the graph then refers to everything. */
  private readonly arena: Arena | null;

  constructor(temporary: boolean) {
    this.arena = temporary ? new Arena() : null;
  }

  /** Runs a node and its hooks; the gradients of its inputs, of the shapes and dtypes that they have to be, are in flight until they land. */
  step(node: Node, gradients: Gradients, wanted: (input: number) => boolean): Gradients {
    const { arena } = this;
    // code of users may keep what it is shown
    if (arena === null || node.foreign) return fitted(node, withHooks(node, [...gradients], wanted));
    let results: Gradients;
    arena.open();
    try {
      results = fitted(node, node.apply(gradients, wanted));
    } finally {
      arena.close();
    }
    for (let k = 0; k < results.length; k++) this.use(results[k]);
    for (const storage of arena.made) {
      if (results.some((gradient) => gradient?.storage === storage)) continue;
      arena.drop(storage);
    }
    return results;
  }

  /** Sends a gradient to output `nr` of a node: adds it to what has arrived there. */
  send(gradient: Tensor, task: Task, nr: number): void {
    const sum = task.gradients[nr];
    if (sum === null) {
      task.gradients[nr] = gradient;
      this.use(gradient);
    } else if (this.isOurs(sum, task)) sum._accumulate(gradient);
    else task.gradients[nr] = this.arena ? (task.sum = this.sumOf(sum, gradient, this.arena)) : sum.add(gradient);
  }

  private sumOf(sum: Tensor, gradient: Tensor, arena: Arena): Tensor {
    let total: Tensor;
    arena.open();
    try {
      total = sum.add(gradient);
    } finally {
      arena.close();
    }
    arena.use(total.storage);
    arena.drop(sum.storage);
    return total;
  }

  /** Whether nobody else reads or writes this gradient, so that it can be written to or given away. */
  isOurs(gradient: Tensor, task: Task): boolean {
    if (gradient === task.sum) return true;
    const { storage } = gradient;
    return this.arena?.isSole(storage) === true && storage.length === gradient.numel();
  }

  /** A gradient that may outlive the run. */
  keep(gradient: Tensor | null): Tensor | null {
    if (gradient) this.arena?.handOver(gradient.storage);
    return gradient;
  }

  /** These gradients are done with: what they were sent to has run, or has added them to its own. */
  land(gradients: Gradients): void {
    if (this.arena) for (const gradient of gradients) if (gradient) this.arena.drop(gradient.storage);
  }

  end(): void {
    this.arena?.handOverAll();
  }

  private use(gradient: Tensor | null): void {
    if (gradient) this.arena?.use(gradient.storage);
  }
}

/** What a node makes of the gradients of its outputs, and the hooks that are called after it of that. */
function withHooks(node: Node, gradients: Gradients, wanted: (input: number) => boolean): Gradients {
  let results = node.apply(gradients, wanted);
  for (const hook of [...(node.postHooks ?? [])]) results = replacements(hook(results, gradients), results);
  return results;
}

/** The gradients that go on from a node, each as it has to be. */
function fitted(node: Node, results: Gradients): Gradients {
  const { next } = node;
  const gradients = new Array<Tensor | null>(next.length);
  for (let k = 0; k < next.length; k++) {
    const to = next[k];
    const gradient = results[k];
    gradients[k] = to && gradient ? fit(node, k, gradient, to.outputs[node.nextNr(k)]) : null;
  }
  return gradients;
}

/** Fits a gradient to the tensor that it is the gradient of: undoes broadcasting, keeps the dtype. */
function fit(node: Node, index: number, gradient: Tensor, expected: Metadata): Tensor {
  let fitted = gradient;
  if (!sameShape(fitted.shape, expected.shape)) {
    const { length } = expected.shape;
    const expandable =
      fitted.shape.length >= length &&
      expected.shape.every((size, d) => size === 1 || size === fitted.shape[fitted.shape.length - length + d]);
    if (!expandable) {
      throw new AdjointError(
        'shape',
        `Function ${node.name()} returned an invalid gradient at index ${index} - got ${showShape(fitted.shape)} ` +
          `but expected shape compatible with ${showShape(expected.shape)}`,
      );
    }
    fitted = fitted.sumToSize(expected.shape);
  }
  return expected.anyDtype || fitted.dtype === expected.dtype ? fitted : fitted.to(expected.dtype);
}
