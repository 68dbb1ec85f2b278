/**
 * Programs for one example, run on a whole batch at once (torch.func.vmap). Inside, a tensor that stands for a batch has the shape of
 * one example; an operator on such tensors is carried out on the batch by its rule: a pointwise operator broadcasts, a view is taken of
 * all examples in one geometry, others say it in their definition (`batch`). An operator without a rule is applied to one example
 * after the other, which is right but no faster than a loop.
 */
import { Storage } from '../core/storage.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { Level, Lift, overwrite } from './lift.ts';
import { mode, unrecorded } from './modes.ts';
import { apply, type Operand, type Primitive, primitive, record, run, vjp } from './primitive.ts';

/** A batch of examples along dimension 0 of `value`. */
class Batch extends Lift {
  readonly value: Tensor;

  constructor(level: BatchLevel, value: Tensor) {
    super(level);
    this.value = value;
  }

  detach(): Tensor {
    return (this.level as BatchLevel).lift(this.value.detach());
  }

  write(target: Tensor, source: Tensor): void {
    const level = this.level as BatchLevel;
    const own = level.lower(target);
    if (!own) {
      throw new AdjointError(
        'unsupported',
        'vmap: inplace arithmetic is not possible because the tensor that is written to is the same for all examples, and what is ' +
          'written is not: compute out of place',
      );
    }
    overwrite(own, level.lower(source) ?? source);
  }
}

export class BatchLevel extends Level {
  readonly size: number;

  constructor(size: number) {
    super();
    this.size = size;
  }

  /** A tensor that stands for all examples of `value`, which lie along its dimension `dim`. */
  lift(value: Tensor, dim = 0): Tensor {
    const inFront = dim === 0 ? value : value.movedim(dim, 0);
    const example = new Tensor(Storage.none(value.dtype), inFront.shape.slice(1), inFront.strides.slice(1), 0);
    example._lift = new Batch(this, inFront);
    return example;
  }

  /** The batch that a tensor stands for, or null if it is the same for all examples. */
  lower(x: Operand): Tensor | null {
    const lift = typeof x === 'number' ? null : x._lift;
    return lift instanceof Batch && lift.level === this ? lift.value : null;
  }

  /** The same, with what is common to all examples repeated for each. */
  lowerAll(x: Tensor): Tensor {
    return this.lower(x) ?? x.expand([this.size, ...x.shape]);
  }

  run(operator: Primitive<unknown>, params: unknown, inputs: readonly Operand[]): Tensor | Tensor[] {
    const values = inputs.map((x) => this.lower(x) ?? x);
    const batched = inputs.map((x) => this.lower(x) !== null);
    const out = this.onBatch(operator, params, values, batched);
    const results = Array.isArray(out) ? out.map((value) => this.lift(value)) : [this.lift(out)];
    // the graph of an example, if one is recorded inside; that of the batch has been recorded on the way
    if (mode.grad) record(operator, params, inputs, results);
    return Array.isArray(out) ? results : results[0];
  }

  private onBatch(
    operator: Primitive<unknown>,
    params: unknown,
    values: readonly Operand[],
    batched: readonly boolean[],
  ): Tensor | Tensor[] {
    if (operator.diagonal) return run(operator, params, alignExamples(values, batched));
    if (operator.batch) return operator.batch(params, values, batched);
    if (operator.view) return viewExamples(operator, params, values[0] as Tensor);
    return this.oneByOne(operator, params, values, batched);
  }

  private oneByOne(
    operator: Primitive<unknown>,
    params: unknown,
    values: readonly Operand[],
    batched: readonly boolean[],
  ): Tensor | Tensor[] {
    const runs = Array.from({ length: this.size }, (_, i) =>
      run(
        operator,
        params,
        values.map((x, k) => (batched[k] ? (x as Tensor).select(0, i) : x)),
      ),
    );
    const [first] = runs;
    return Array.isArray(first)
      ? first.map((_, j) => together((runs as Tensor[][]).map((r) => r[j])))
      : together(runs as Tensor[]);
  }
}

const Together = primitive(
  'Stack',
  (_, ...parts) => {
    const batch = Tensor.empty([parts.length, ...parts[0].shape], parts[0].dtype);
    for (const [i, part] of parts.entries()) batch.select(0, i).copy_(part);
    return batch;
  },
  (k) => vjp((g) => g.select(0, k)),
);

/** Tensors of one shape along a new first dimension. */
export const together = (parts: readonly Tensor[]): Tensor => apply(Together, undefined, parts);

/** Gives all examples as many dimensions as the one that has most, so that batches broadcast example by example. */
function alignExamples(values: readonly Operand[], batched: readonly boolean[]): Operand[] {
  const rank = Math.max(...values.map((x, k) => (typeof x === 'number' ? 0 : x.ndim - Number(batched[k]))));
  return values.map((x, k) => {
    if (!batched[k] || typeof x === 'number' || x.ndim === rank + 1) return x;
    const [size, ...example] = x.shape;
    return x.reshape([size, ...new Array<number>(rank - example.length).fill(1), ...example]);
  });
}

/** Takes a view of each example, which lie along dimension 0, by finding the geometry of the first one's. */
export function viewExamples<P>(operator: Primitive<P>, params: P, value: Tensor): Tensor | Tensor[] {
  const [size, ...shape] = value.shape;
  const [stride, ...strides] = value.strides;
  const example = new Tensor(value.storage, shape, strides, value.offset);
  const out = unrecorded(() => operator.forward(params, example));
  const all = (view: Tensor): Tensor => value.asStrided([size, ...view.shape], [stride, ...view.strides], view.offset);
  return Array.isArray(out) ? out.map(all) : all(out);
}
