/**
 * Programs for one example, run on a whole batch at once (torch.func.vmap). Inside, a tensor that stands for a batch has the shape of
 * one example; an operator on such tensors is carried out on the batch by its rule: a view is taken of all examples in one geometry,
 * all others have theirs beside their definition (batch-rules.ts). An operator without a rule is applied to one example after the other,
 * which is right but no faster than a loop.
 */
import type { Shape } from '../core/shape.ts';
import { Storage } from '../core/storage.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { type Draw, Level, Lift, liftOf, overwrite } from './lift.ts';
import { mode, unrecorded } from './modes.ts';
import { apply, type Operand, type Primitive, primitive, record, run, vjp } from './primitive.ts';
import { viewOf } from './view.ts';

/**
 * What random operators do inside vmap: 'error', throw; 'different', draw other numbers for each example; 'same', draw once for all
 * examples.
 */
export type Randomness = 'error' | 'different' | 'same';

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

  like(x: Tensor): Tensor {
    const level = this.level as BatchLevel;
    const each = unrecorded(() => x.expand([level.size, ...x.shape]).clone());
    return level.lift(this.value._lift?.like(each) ?? each);
  }

  write(target: Tensor, source: Tensor): void {
    const level = this.level as BatchLevel;
    const own = level.lower(target);
    if (!own) throw sharedError();
    overwrite(own, level.lower(source) ?? source);
    target.storage.version++;
  }

  override text(): string {
    const lines = this.value.toString().split('\n');
    return `BatchedTensor(lvl=${this.level.depth + 1}, bdim=0, value=\n${lines.map((line) => `    ${line}`).join('\n')}\n)`;
  }
}

const sharedError = (): AdjointError =>
  new AdjointError(
    'unsupported',
    'vmap: inplace arithmetic(self, ...others) is not possible because there exists a Tensor `other` in others that has more elements than ' +
      '`self`. This happened due to `other` being vmapped over but `self` not being vmapped over: it is the same for all examples. ' +
      'Please try to use out-of-place operators, or make `self` by zerosLike(...) of a tensor that is vmapped over',
  );

export class BatchLevel extends Level {
  readonly size: number;
  readonly randomness: Randomness;

  constructor(size: number, randomness: Randomness = 'error') {
    super();
    this.size = size;
    this.randomness = randomness;
  }

  /**
   * A tensor that stands for all examples of `value`, which lie along its dimension `dim`.
   * @param storage that of the tensor of which it is a view
   */
  lift(value: Tensor, dim = 0, storage: Storage = Storage.none(value.dtype)): Tensor {
    const inFront = dim === 0 ? value : value.movedim(dim, 0);
    const example = new Tensor(storage, inFront.shape.slice(1), inFront.strides.slice(1), inFront.offset);
    example._lift = new Batch(this, inFront);
    return example;
  }

  /** The batch that a tensor stands for, or null if it is the same for all examples. */
  lower(x: Operand): Tensor | null {
    const lift = typeof x === 'number' ? null : liftOf(x);
    return lift instanceof Batch && lift.level === this ? lift.value : null;
  }

  /** The same, with what is common to all examples repeated for each. */
  lowerAll(x: Tensor): Tensor {
    return this.lower(x) ?? x.expand([this.size, ...x.shape]);
  }

  /** A tensor that is the same for all examples as a batch of them. */
  spread(x: Tensor): Tensor {
    const inner = x._lift?.level;
    // a batch of a level further in is one of batches
    if (inner instanceof BatchLevel && inner.depth > this.depth) {
      return inner.lift(this.spread((x._lift as Lift).value));
    }
    return this.lift(x.expand([this.size, ...x.shape]));
  }

  run(operator: Primitive<unknown>, params: unknown, inputs: readonly Operand[]): Tensor | Tensor[] {
    const values = inputs.map((x) => this.lower(x) ?? x);
    const batched = inputs.map((x) => this.lower(x) !== null);
    const out = this.onBatch(operator, params, values, batched);
    const results = (Array.isArray(out) ? out : [out]).map((value) => {
      if (!operator.view) return this.lift(value);
      // a view counts the writes to what it is a view of
      const [base] = inputs as readonly Tensor[];
      const view = this.lift(value, 0, base.storage);
      view._view = viewOf(base, operator.several ?? false);
      return view;
    });
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
    if (this.size === 0) {
      throw new AdjointError(
        'unsupported',
        `vmap: ${operator.name} has no rule for batches, so that there has to be an example`,
      );
    }
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

  draw({ self, inputs, make }: Draw, outside: (call: Draw) => Tensor): Tensor {
    if (this.randomness === 'error') {
      throw new AdjointError(
        'unsupported',
        "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' randomness options " +
          'on vmap or perform the randomness operation out of vmap',
      );
    }
    const own = self && this.lower(self);
    const batched = inputs.some((x) => this.lower(x));
    if (this.randomness === 'same') {
      if (batched) {
        throw new AdjointError(
          'unsupported',
          'Vmap does not currently support same randomness with a batched tensor input: what is drawn depends on the example. Please use ' +
            "randomness: 'different' instead",
        );
      }
      return outside({ self: own ?? self, inputs, make });
    }
    if (self && !own) {
      if (batched) throw sharedError();
      throw new AdjointError(
        'unsupported',
        'vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will appear like same randomness. ' +
          'Please draw out of place instead',
      );
    }
    const { size } = this;
    const values = inputs.map((x) => (typeof x === 'number' ? x : this.lowerAll(x)));
    return this.lift(outside({ self: own, inputs: values, make: (all, batch: Shape) => make(all, [...batch, size]) }));
  }
}

/** Whether a tensor stands for a batch, at one level or several. */
export const isBatch = (x: Tensor): boolean => x._lift !== null && (x._lift instanceof Batch || isBatch(x._lift.value));

/** The levels at which a tensor stands for a batch, the outermost first. */
function levelsOf(x: Tensor): BatchLevel[] {
  if (!x._lift) return [];
  const outer = levelsOf(x._lift.value);
  return x._lift instanceof Batch ? [...outer, x._lift.level as BatchLevel] : outer;
}

/** Whether `x` is the same for all examples of a batch in which `source` differs, so that nothing of that can be written to it. */
export function isShared(x: Tensor, source: Tensor): boolean {
  const own = levelsOf(x);
  return levelsOf(source).some((level) => !own.includes(level));
}

/** `x` as a batch wherever one of `others` is. */
export function spreadLike(x: Tensor, others: readonly Tensor[]): Tensor {
  const own = levelsOf(x);
  const missing = new Set(others.flatMap(levelsOf).filter((level) => !own.includes(level)));
  return [...missing].reduce((all, level) => level.spread(all), x);
}

const Together: Primitive = {
  ...primitive(
    'Stack',
    (_, ...parts) => {
      const batch = Tensor.empty([parts.length, ...parts[0].shape], parts[0].dtype);
      for (const [i, part] of parts.entries()) batch.select(0, i).copy_(part);
      return batch;
    },
    (k) => vjp((g) => g.select(0, k)),
  ),
  batch: (_, parts, batched) => {
    const { shape } = parts[batched.indexOf(true)] as Tensor;
    return together((parts as readonly Tensor[]).map((x) => x.expand(shape))).movedim(0, 1);
  },
};

/** Tensors of one shape along a new first dimension. */
export const together = (parts: readonly Tensor[]): Tensor => apply(Together, undefined, parts);

/** Takes a view of each example, which lie along dimension 0, by finding the geometry of the first one's. */
export function viewExamples<P>(operator: Primitive<P>, params: P, value: Tensor): Tensor | Tensor[] {
  const [size, ...shape] = value.shape;
  const [stride, ...strides] = value.strides;
  const example = new Tensor(value.storage, shape, strides, value.offset);
  const out = unrecorded(() => operator.forward(params, example));
  const all = (view: Tensor): Tensor => value.asStrided([size, ...view.shape], [stride, ...view.strides], view.offset);
  return Array.isArray(out) ? out.map(all) : all(out);
}
