/**
 * What every operator that is not made of others consists of: its forward and, for each input, the rule that carries a cotangent back.
 * Applying one runs the forward and, where a gradient may be wanted later, records a node.
 */
import { isFloatingPoint } from '../core/dtype.ts';
import type { Shape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { amid, surroundings } from './around.ts';
import { destinationOf, edgeOf, requiresGrad } from './edge.ts';
import { mode, unrecorded } from './modes.ts';
import { mutation } from './mutation.ts';
import { dividedEdges, type Gradients, Node } from './node.ts';
import {
  type Content,
  contentOf,
  keep,
  Packed,
  releasedError,
  type SavedName,
  SavedTensor,
  savedNames,
} from './saved.ts';
import { viewOf } from './view.ts';
import { checkInPlace, rewrite } from './write.ts';

/** An input: a tensor, or a number that stands for one. */
export type Operand = Tensor | number;

/** Where a rule's saved values come from: input k, or `result` (of several: `result - j`). */
export type Source = number;
export const result: Source = -1;

/**
 * The rule for one input: the product of the cotangent with the derivative, written with differentiable operators, from the values
 * that it names in `saves`.
 */
export interface Vjp<P, G = Tensor> {
  readonly saves: readonly Source[];
  readonly rule: (cotangent: G, node: OperatorNode<P>, ...saved: Tensor[]) => Tensor | null;
}

/** The vector-Jacobian product with respect to one input; `saves` lists the inputs (0, 1, ...) or `result` that `rule` needs. */
export const vjp = <P, G = Tensor>(rule: Vjp<P, G>['rule'], ...saves: Source[]): Vjp<P, G> => ({ saves, rule });

export interface Primitive<P = undefined> {
  /** As in PyTorch's node names: 'Mul' stands for MulBackward0; another number is given in full, as SumBackward1. */
  readonly name: string;
  /** What PyTorch calls its operands; self and other if absent. */
  operands?: readonly SavedName[];
  /** Whether the result is a view of input 0. */
  readonly view?: boolean;
  /** Whether there are several results: the rules then take all their cotangents, null where there is none. */
  readonly several?: boolean;
  /** Whether each element of the result depends on one element of each input, so that its Jacobians are diagonal. */
  readonly diagonal?: boolean;
  /** Whether it gives all elements one value, so that in place they may share memory. */
  readonly uniform?: boolean;
  forward(params: P, ...inputs: Operand[]): Tensor | Tensor[];
  /**
   * The operator on a whole batch (vmap.ts): the inputs in `batched` have one dimension more, in front, and so have the results. Absent
   * where the batch is to be taken apart.
   */
  batch?(params: P, inputs: readonly Operand[], batched: readonly boolean[]): Tensor | Tensor[];
  /** The rule for one input, or null if it has no derivative. */
  vjp(input: number, params: P): Vjp<P, never> | null;
}

type Forward<P, R> = (params: P, ...inputs: Tensor[]) => R;
type Rules<P, G> = readonly (Vjp<P, G> | null)[] | ((input: number) => Vjp<P, G>);

/** An operator with one result. `rules` has one entry for each input, or is a function where their number varies. */
export function primitive<P = undefined>(
  name: string,
  forward: Forward<P, Tensor>,
  rules: Rules<P, Tensor>,
  view = false,
): Primitive<P> {
  const rule = typeof rules === 'function' ? rules : (k: number) => rules[k];
  return { name, view, forward: forward as Primitive<P>['forward'], vjp: rule as Primitive<P>['vjp'] };
}

/** An operator with several results; its rules get all cotangents. */
export function primitiveOfSeveral<P = undefined>(
  name: string,
  forward: Forward<P, Tensor[]>,
  rules: Rules<P, Gradients>,
  view = false,
): Primitive<P> {
  const rule = typeof rules === 'function' ? rules : (k: number) => rules[k];
  return { name, view, several: true, forward: forward as Primitive<P>['forward'], vjp: rule as Primitive<P>['vjp'] };
}

/** Gives an operator its rule for batches (vmap.ts) and returns it. */
export function withBatchRule<P>(operator: Primitive<P>, rule: NonNullable<Primitive<P>['batch']>): Primitive<P> {
  operator.batch = rule;
  return operator;
}

const nothing: never[] = [];
const usual: readonly SavedName[] = ['self', 'other'];

/** The node of an applied primitive. */
export class OperatorNode<P> extends Node {
  readonly primitive: Primitive<P>;
  readonly params: P;
  /** The shapes of the inputs; of a diagonal primitive, whose rules do not ask for them, none. */
  readonly shapes: readonly Shape[];
  /** The saved values, each at the place of its source: inputs first, then results. Null once released. */
  private saved: (Content | number)[] | null = nothing;
  /** Whether hooks of users unpack some of them. */
  private packed = false;

  constructor(
    primitive: Primitive<P>,
    params: P,
    inputs: readonly Operand[],
    next: readonly (Node | null)[],
    nextNrs: readonly number[] | null = null,
  ) {
    super(next, nextNrs);
    this.primitive = primitive;
    this.params = params;
    this.shapes = primitive.diagonal ? nothing : inputs.map((x) => (typeof x === 'number' ? nothing : x.shape));
  }

  private slot(source: Source): number {
    return source >= 0 ? source : this.next.length - 1 - source;
  }

  /** Keeps what the rules of the inputs that want gradients need, as far as it is given. */
  save(inputs: readonly Operand[], results: readonly Tensor[]): void {
    let saved = this.saved === nothing ? null : this.saved;
    for (let k = 0; k < this.next.length; k++) {
      const rule = this.next[k] && this.primitive.vjp(k, this.params);
      if (!rule) continue;
      for (const source of rule.saves) {
        const value = source >= 0 ? inputs[source] : results[-1 - source];
        const slot = this.slot(source);
        // of its final length from the start: a list that grows by pushing takes four times the room
        saved ??= new Array<Content | number>(this.next.length + (source < 0 ? 1 : 0));
        if (value === undefined || saved[slot] !== undefined) continue;
        const own = typeof value === 'number' ? value : keep(value, source < 0 ? this : null);
        saved[slot] = own;
        this.packed ||= own instanceof Packed;
      }
    }
    if (saved) this.saved = saved;
  }

  override get foreign(): boolean {
    return this.packed || super.foreign;
  }

  name(): string {
    const { name } = this.primitive;
    return /Backward[\ds]$/.test(name) ? name : `${name}Backward0`;
  }

  apply(gradients: Gradients, wanted: (input: number) => boolean): (Tensor | null)[] {
    const { primitive, params, next } = this;
    const cotangent = (primitive.several ? gradients : gradients[0]) as never;
    const none = primitive.several ? gradients.every((gradient) => gradient === null) : cotangent === null;
    // hooks of users unpack each value once
    const unpacked: Tensor[] | null = this.packed ? [] : null;
    const results = new Array<Tensor | null>(next.length);
    for (let k = 0; k < next.length; k++) {
      const rule = !none && next[k] !== null && wanted(k) ? primitive.vjp(k, params) : null;
      results[k] = rule && this.carry(rule, cotangent, unpacked);
    }
    return results;
  }

  /** What a rule makes of the cotangent. */
  private carry({ saves, rule }: Vjp<P, never>, cotangent: never, unpacked: Tensor[] | null): Tensor | null {
    // by number, as a call with a list takes several times as long
    switch (saves.length) {
      case 0:
        return rule(cotangent, this);
      case 1:
        return rule(cotangent, this, this.unpack(saves[0], unpacked) as Tensor);
      default:
        return rule(cotangent, this, ...saves.map((source) => this.unpack(source, unpacked) as Tensor));
    }
  }

  private unpack(source: Source, unpacked: Tensor[] | null = null): Operand {
    const slot = this.slot(source);
    if (unpacked?.[slot]) return unpacked[slot];
    const content = this.saved?.[slot];
    if (content === undefined) throw releasedError();
    if (typeof content === 'number') return content;
    const value = contentOf(content, source < 0 ? this : null, source < 0 ? null : this.next[slot]);
    if (unpacked) unpacked[slot] = value;
    return value;
  }

  override namedSaved(): [string, Tensor][] {
    const inputs = this.next.length;
    return (this.saved ?? []).flatMap((content, slot): [string, Tensor][] => {
      if (typeof content === 'number') return [];
      const name = slot < inputs ? `input ${slot}` : `result ${slot - inputs}`;
      return [[name, this.unpack(slot < inputs ? slot : inputs - 1 - slot) as Tensor]];
    });
  }

  /** The operand or result that PyTorch calls so; undefined if no rule of the operator needs it. */
  private sourceOf(name: SavedName): Source | undefined {
    const { primitive, params, next } = this;
    const source = name === 'result' ? result : (primitive.operands ?? usual).indexOf(name);
    if (name !== 'result' && source < 0) return undefined;
    return next.some((_, k) => primitive.vjp(k, params)?.saves.includes(source)) ? source : undefined;
  }

  savedAs(name: SavedName): Operand | null | undefined {
    const source = this.sourceOf(name);
    if (source === undefined) return undefined;
    if (!this.saved) throw releasedError();
    return this.saved[this.slot(source)] === undefined ? null : this.unpack(source);
  }

  rawSavedAs(name: SavedName): SavedTensor | undefined {
    const source = this.sourceOf(name);
    if (source === undefined) return undefined;
    const place = this.slot(source);
    return new SavedTensor(
      () => (this.saved ? (this.saved[place] ?? null) : undefined),
      (packed) => {
        this.saved = this.saved?.with(place, packed) ?? null;
        this.packed = true;
      },
    );
  }

  override release(): void {
    this.saved = null;
  }
}

for (const name of savedNames) {
  const suffix = name[0].toUpperCase() + name.slice(1);
  const show = (key: string, get: (this: OperatorNode<unknown>) => unknown): void =>
    void Object.defineProperty(OperatorNode.prototype, key + suffix, { get });
  show('_saved', function () {
    return this.savedAs(name);
  });
  show('_rawSaved', function () {
    return this.rawSavedAs(name);
  });
}

/** Runs a primitive and records it if one of its inputs requires grad. */
export function apply<P>(primitive: Primitive<P>, params: P, inputs: readonly Operand[]): Tensor {
  return run(primitive, params, inputs) as Tensor;
}

/** The same for a primitive with several results. */
export function applySeveral<P>(primitive: Primitive<P>, params: P, inputs: readonly Operand[]): Tensor[] {
  return run(primitive, params, inputs) as Tensor[];
}

/** What takes operators over while a transform is under way (lift.ts), unless all their inputs are ordinary tensors. */
export interface Interpreter {
  run(operator: Primitive<unknown>, params: unknown, inputs: readonly Operand[]): Tensor | Tensor[] | null;
  /** Whether it has written the result over `self`. */
  write(operator: Primitive<unknown>, params: unknown, self: Tensor, others: readonly Operand[]): boolean;
}
export const interpreter: { current: Interpreter | null } = { current: null };

export function run<P>(primitive: Primitive<P>, params: P, inputs: readonly Operand[]): Tensor | Tensor[] {
  if (surroundings.length === 0) return execute(primitive, params, inputs);
  return surrounded(primitive, params, inputs);
}

// apart, so that only who looks on pays for the closure
function surrounded<P>(primitive: Primitive<P>, params: P, inputs: readonly Operand[]): Tensor | Tensor[] {
  const applied = { primitive: primitive as Primitive<unknown>, params, inputs, inPlace: false };
  return amid(applied, () => execute(primitive, params, inputs));
}

function execute<P>(primitive: Primitive<P>, params: P, inputs: readonly Operand[]): Tensor | Tensor[] {
  const interpreted = interpreter.current?.run(primitive as Primitive<unknown>, params, inputs);
  if (interpreted) return interpreted;
  if (!mode.grad) return placed(primitive, inputs, forward(primitive, params, inputs));
  let out: Tensor | Tensor[];
  mode.grad = false;
  try {
    out = forward(primitive, params, inputs);
  } finally {
    mode.grad = true;
  }
  placed(primitive, inputs, out);
  if (!mode.inference) record(primitive, params, inputs, out);
  return out;
}

// by number, as a call with a list takes several times as long
function forward<P>(primitive: Primitive<P>, params: P, inputs: readonly Operand[]): Tensor | Tensor[] {
  switch (inputs.length) {
    case 1:
      return primitive.forward(params, inputs[0]);
    case 2:
      return primitive.forward(params, inputs[0], inputs[1]);
    case 3:
      return primitive.forward(params, inputs[0], inputs[1], inputs[2]);
    default:
      return primitive.forward(params, ...inputs);
  }
}

/** Notes what results are views of; views that the forward took of its own work are nobody else's. */
function placed<P, R extends Tensor | Tensor[]>(primitive: Primitive<P>, inputs: readonly Operand[], out: R): R {
  if (out instanceof Tensor) out._view = primitive.view ? viewOf(inputs[0] as Tensor, false) : null;
  else for (const r of out) r._view = primitive.view ? viewOf(inputs[0] as Tensor, true) : null;
  return out;
}

const isInference = (x: Operand): boolean => typeof x !== 'number' && x.storage.inference;

export function record<P>(
  primitive: Primitive<P>,
  params: P,
  inputs: readonly Operand[],
  out: Tensor | readonly Tensor[],
): void {
  const count = inputs.length;
  let next: (Node | null)[] | null = null;
  let nextNrs: number[] | null = null;
  for (let k = 0; k < count; k++) {
    const x = inputs[k];
    if (!requiresGrad(x) || primitive.vjp(k, params) === null) continue;
    next ??= count === 1 ? [null] : count === 2 ? [null, null] : new Array<Node | null>(count).fill(null);
    next[k] = destinationOf(x);
    if (x._outputNr > 0) (nextNrs ??= new Array<number>(count).fill(0))[k] = x._outputNr;
  }
  if (next === null || inputs.every(isInference)) return;
  const results = out instanceof Tensor ? [out] : out;
  const node = new OperatorNode(primitive, params, inputs, next, nextNrs);
  attach(node, results);
  node.save(inputs, results);
}

/** Makes `results` the outputs of `node`; those of integer dtypes are no part of the graph. */
export function attach(node: Node, results: readonly Tensor[]): void {
  node.setOutputs(results);
  for (let nr = 0; nr < results.length; nr++) {
    const r = results[nr];
    if (!isFloatingPoint(r.dtype)) continue;
    r._node = node;
    r._outputNr = nr;
  }
}

/** The inputs of an operator that writes its result over the first of them. */
type InPlaceInputs = readonly [self: Tensor, ...others: Operand[]];

/**
 * Runs a primitive and writes its result over its first input, which becomes the output of the node.
 * @param write computes the result into that input's memory; by default it is computed apart and copied
 */
export function applyInPlace<P>(
  primitive: Primitive<P>,
  params: P,
  inputs: InPlaceInputs,
  write?: (inputs: InPlaceInputs) => void,
): Tensor {
  if (surroundings.length === 0) return executeInPlace(primitive, params, inputs, write);
  const applied = { primitive: primitive as Primitive<unknown>, params, inputs, inPlace: true };
  return amid(applied, () => executeInPlace(primitive, params, inputs, write)) as Tensor;
}

function executeInPlace<P>(
  primitive: Primitive<P>,
  params: P,
  inputs: InPlaceInputs,
  write?: (inputs: InPlaceInputs) => void,
): Tensor {
  const [self] = inputs;
  if (interpreter.current?.write(primitive as Primitive<unknown>, params, self, inputs.slice(1))) return self;
  const recording = mode.grad && !mode.inference && inputs.some(requiresGrad);
  checkInPlace(self, recording, primitive.uniform ?? false);
  let node: OperatorNode<P> | undefined;
  if (recording) {
    const edges = inputs.map((x, k) => (primitive.vjp(k, params) ? edgeOf(x) : null));
    node = new OperatorNode(primitive, params, inputs, ...dividedEdges(edges));
    // what a rule needs of the old value is about to be overwritten
    const needed = edges.some((edge, k) => edge && primitive.vjp(k, params)?.saves.includes(0));
    node.save([needed ? snapshot(self) : self, ...inputs.slice(1)], []);
  }
  mutation.scope?.beforeWrite(self.storage);
  const grad = mode.grad;
  mode.grad = false;
  try {
    if (write) write(inputs);
    else self.copy_(primitive.forward(params, ...inputs) as Tensor);
  } finally {
    mode.grad = grad;
  }
  self.storage.version++;
  if (node) {
    node.setOutputs([self]);
    rewrite(self, { node, nr: 0 }, 0);
    node.save([], [self]);
  }
  return self;
}

/** A copy of a tensor in the same place of the graph. */
function snapshot(x: Tensor): Tensor {
  const copy = unrecorded(() => x.clone());
  const edge = edgeOf(x);
  if (edge) {
    copy._node = edge.node;
    copy._outputNr = edge.nr;
  }
  return copy;
}
