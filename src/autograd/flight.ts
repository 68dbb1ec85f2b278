/**
 * The gradients in flight during one run of the engine, and the memory they lie in. What a step makes and does not pass on is freed at
 * once, and so is a gradient when the last node that it was sent to has run.
 */
import { Arena } from '../core/arena.ts';
import { sameShape, showShape } from '../core/shape.ts';
import type { Storage } from '../core/storage.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { replacements } from './hooks.ts';
import type { Gradients, Metadata, Node } from './node.ts';

export class Flight {
  /** Null where the backward is recorded: the graph then refers to everything. */
  private readonly arena: Arena | null;
  /** How many gradients in flight lie in each storage. */
  private readonly uses = new Map<Storage, number>();
  /** The storages of sums that were made here and nobody has seen yet, where they are too small to be the arena's. */
  private readonly sums = new Set<Storage>();

  constructor(temporary: boolean) {
    this.arena = temporary ? new Arena() : null;
  }

  /** Runs a node and its hooks; the gradients of its inputs, of the shapes and dtypes that they have to be, are in flight until they land. */
  step(node: Node, gradients: Gradients, wanted: (input: number) => boolean): Gradients {
    if (this.sums.size > 0) for (const gradient of gradients) if (gradient) this.sums.delete(gradient.storage);
    // code of users may keep what it is shown
    if (!this.arena || node.foreign) return fitted(node, withHooks(node, [...gradients], wanted));
    const { result, made } = this.arena.collect(() => fitted(node, node.apply(gradients, wanted)));
    for (const storage of made) if (!result.some((g) => g?.storage === storage)) this.arena.release(storage);
    for (const gradient of result) if (gradient) this.use(gradient, 1);
    return result;
  }

  /** Adds a gradient to the sum in place `nr`. */
  add(sums: (Tensor | null)[], nr: number, gradient: Tensor): void {
    const sum = sums[nr];
    if (!sum) {
      sums[nr] = gradient;
      this.use(gradient, 1);
      return;
    }
    if (this.isOurs(sum)) {
      sum.add_(gradient);
      return;
    }
    if (!this.arena) {
      sums[nr] = sum.add(gradient);
      return;
    }
    const total = this.arena.collect(() => sum.add(gradient)).result;
    sums[nr] = total;
    if (total.storage.address === 0) this.sums.add(total.storage);
    this.use(total, 1);
    this.use(sum, -1);
  }

  /** Whether nobody else reads or writes this gradient, so that it can be written to or given away. */
  isOurs(gradient: Tensor): boolean {
    const { storage } = gradient;
    if (storage.address === 0) return this.sums.has(storage);
    return this.arena?.owns(storage) === true && this.uses.get(storage) === 1 && storage.length === gradient.numel();
  }

  /** A gradient that may outlive the run. */
  keep(gradient: Tensor | null): Tensor | null {
    if (!gradient) return null;
    this.sums.delete(gradient.storage);
    this.arena?.handOver(gradient.storage);
    return gradient;
  }

  /** These gradients are done with: what they were sent to has run, or has added them to its own. */
  land(gradients: Gradients): void {
    for (const gradient of gradients) if (gradient) this.use(gradient, -1);
  }

  end(): void {
    this.arena?.close();
  }

  private use(gradient: Tensor, change: 1 | -1): void {
    const { storage } = gradient;
    if (storage.address === 0 || !this.arena?.owns(storage)) return;
    const uses = (this.uses.get(storage) ?? 0) + change;
    if (uses > 0) {
      this.uses.set(storage, uses);
      return;
    }
    this.uses.delete(storage);
    this.arena.release(storage);
  }
}

/** What a node makes of the gradients of its outputs, and the hooks that are called after it of that. */
function withHooks(node: Node, gradients: Gradients, wanted: (input: number) => boolean): Gradients {
  let results = node.apply(gradients, wanted);
  for (const hook of [...(node.postHooks ?? [])]) results = replacements(hook(results, gradients), results);
  return results;
}

/** The gradients that go along the edges of a node, each as it has to be. */
function fitted(node: Node, results: Gradients): Gradients {
  return node.edges.map((edge, k) => {
    const gradient = results[k];
    return edge && gradient ? fit(node, k, gradient, edge.node.outputs[edge.nr]) : null;
  });
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
