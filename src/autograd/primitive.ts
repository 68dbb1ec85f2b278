/**
 * What every operator that is not made of others consists of: its forward and, for each input, the rule that carries a cotangent back.
 * Applying one runs the forward and, where a gradient may be wanted later, records a node.
 */
import { isFloatingPoint } from '../core/dtype.ts';
import type { Shape } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { amid, surroundings } from './around.ts';
import { edgeOf, requiresGrad } from './edge.ts';
import { mode, unrecorded } from './modes.ts';
import { mutation } from './mutation.ts';
import { type Edge, type Gradients, Node } from './node.ts';
import { Packed, releasedError, type Saved, type SavedName, SavedTensor, save, savedNames } from './saved.ts';
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
  /** The shapes of the inputs. */
  readonly shapes: readonly Shape[];
  /** The saved values, each at the place of its source: inputs first, then results. Null once released. */
  private saved: (Saved | number)[] | null = nothing;
  /** Whether hooks of users unpack some of them. */
  private packed = false;

  constructor(primitive: Primitive<P>, params: P, inputs: readonly Operand[], edges: readonly (Edge | null)[]) {
    super(edges);
    this.primitive = primitive;
    this.params = params;
    this.shapes = inputs.map((x) => (typeof x === 'number' ? [] : x.shape));
  }

  private slot(source: Source): number {
    return source >= 0 ? source : this.shapes.length - 1 - source;
  }

  /** Keeps what the rules of the inputs that want gradients need, as far as it is given. */
  save(inputs: readonly Operand[], results: readonly Tensor[]): void {
    let saved = this.saved === nothing ? null : this.saved;
    for (let k = 0; k < this.edges.length; k++) {
      const rule = this.edges[k] && this.primitive.vjp(k, this.params);
      if (!rule) continue;
      for (const source of rule.saves) {
        const value = source >= 0 ? inputs[source] : results[-1 - source];
        const slot = this.slot(source);
        saved ??= new Array<Saved | number>(this.shapes.length + (source < 0 ? 1 : 0));
        if (value === undefined || saved[slot] !== undefined) continue;
        const own = typeof value === 'number' ? value : save(value, source < 0 ? this : null);
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

  apply(gradients: Gradients, wanted: (input: number) => boolean): Gradients {
    const cotangent = (this.primitive.several ? gradients : gradients[0]) as never;
    const none = gradients.every((gradient) => gradient === null);
    const unpacked: Operand[] = [];
    return this.edges.map((edge, k) => {
      const rule = edge && wanted(k) ? this.primitive.vjp(k, this.params) : null;
      if (!rule || none) return null;
      const values = rule.saves.map((source) => (unpacked[this.slot(source)] ??= this.unpack(source)));
      return rule.rule(cotangent, this, ...(values as Tensor[]));
    });
  }

  private unpack(source: Source): Operand {
    const value = this.saved?.[this.slot(source)];
    if (value === undefined) throw releasedError();
    return typeof value === 'number' ? value : value.unpack();
  }

  override namedSaved(): [string, Tensor][] {
    const inputs = this.shapes.length;
    return (this.saved ?? []).flatMap((value, slot): [string, Tensor][] => {
      if (typeof value === 'number') return [];
      return [[slot < inputs ? `input ${slot}` : `result ${slot - inputs}`, value.unpack()]];
    });
  }

  /** Where the operand or result is saved that PyTorch calls so; undefined if no rule of the operator needs it. */
  private placeOf(name: SavedName): number | undefined {
    const { primitive, params, edges } = this;
    const source = name === 'result' ? result : (primitive.operands ?? usual).indexOf(name);
    if (name !== 'result' && source < 0) return undefined;
    return edges.some((_, k) => primitive.vjp(k, params)?.saves.includes(source)) ? this.slot(source) : undefined;
  }

  savedAs(name: SavedName): Operand | null | undefined {
    const place = this.placeOf(name);
    if (place === undefined) return undefined;
    if (!this.saved) throw releasedError();
    const value = this.saved[place] ?? null;
    return value === null || typeof value === 'number' ? value : value.unpack();
  }

  rawSavedAs(name: SavedName): SavedTensor | undefined {
    const place = this.placeOf(name);
    if (place === undefined) return undefined;
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
  const recording = mode.grad;
  let out: Tensor | Tensor[];
  mode.grad = false;
  try {
    out = primitive.forward(params, ...inputs);
  } finally {
    mode.grad = recording;
  }
  const results = Array.isArray(out) ? out : [out];
  // views that the forward took of its own work are nobody else's
  for (const r of results) r._view = primitive.view ? viewOf(inputs[0] as Tensor, primitive.several ?? false) : null;
  if (recording && !mode.inference) record(primitive, params, inputs, results);
  return out;
}

const isInference = (x: Operand): boolean => typeof x !== 'number' && x.storage.inference;

export function record<P>(
  primitive: Primitive<P>,
  params: P,
  inputs: readonly Operand[],
  results: readonly Tensor[],
): void {
  if (!inputs.some(requiresGrad) || inputs.every(isInference)) return;
  // of its final length from the start: a list that grows by pushing takes four times the room
  const edges = new Array<Edge | null>(inputs.length);
  let any = false;
  for (let k = 0; k < inputs.length; k++) {
    const edge = typeof inputs[k] !== 'number' && primitive.vjp(k, params) ? edgeOf(inputs[k]) : null;
    edges[k] = edge;
    any ||= edge !== null;
  }
  if (!any) return;
  const node = new OperatorNode(primitive, params, inputs, edges);
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

/**
 * Runs a primitive and writes its result over `self`, its first input, as `self` becomes the output of the node.
 * @param write computes the result into self's memory; by default it is computed apart and copied
 */
export function applyInPlace<P>(
  primitive: Primitive<P>,
  params: P,
  self: Tensor,
  others: readonly Operand[],
  write?: () => void,
): Tensor {
  if (surroundings.length === 0) return executeInPlace(primitive, params, self, others, write);
  const applied = { primitive: primitive as Primitive<unknown>, params, inputs: [self, ...others], inPlace: true };
  return amid(applied, () => executeInPlace(primitive, params, self, others, write)) as Tensor;
}

function executeInPlace<P>(
  primitive: Primitive<P>,
  params: P,
  self: Tensor,
  others: readonly Operand[],
  write?: () => void,
): Tensor {
  if (interpreter.current?.write(primitive as Primitive<unknown>, params, self, others)) return self;
  const inputs = [self, ...others];
  const recording = mode.grad && !mode.inference && inputs.some(requiresGrad);
  checkInPlace(self, recording, primitive.uniform ?? false);
  let node: OperatorNode<P> | undefined;
  if (recording) {
    const edges = inputs.map((x, k) => (primitive.vjp(k, params) ? edgeOf(x) : null));
    node = new OperatorNode(primitive, params, inputs, edges);
    // what a rule needs of the old value is about to be overwritten
    const needed = edges.some((edge, k) => edge && primitive.vjp(k, params)?.saves.includes(0));
    node.save([needed ? snapshot(self) : self, ...others], []);
  }
  mutation.scope?.beforeWrite(self.storage);
  const grad = mode.grad;
  mode.grad = false;
  try {
    if (write) write();
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
