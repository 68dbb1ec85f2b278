/**
 * Forward mode: a dual tensor carries the derivative of its value along one direction, and each operator the derivative of its result.
 * The rules of reverse mode serve here as well. The operator's Jacobian J comes as the map v -> J^T v, which is linear: that of a
 * pointwise operator is diagonal, hence its own transpose, a view does to the tangent what it does to the value, and any other map is
 * transposed by differentiating it in v.
 */

import { filled, zerosLike } from '../core/creation.ts';
import { isFloatingPoint } from '../core/dtype.ts';
import { sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { grad } from './backward.ts';
import { edgeOf, requiresGrad, twin } from './edge.ts';
import { inOrderOf, sameOrder } from './layout.ts';
import { type Draw, isOpen, Level, Lift, liftOf, overwrite } from './lift.ts';
import { enableGrad, mode } from './modes.ts';
import { Node } from './node.ts';
import { type Operand, OperatorNode, type Primitive, record, run } from './primitive.ts';
import { withoutHooks } from './saved.ts';
import { viewOf } from './view.ts';

/** A value and its tangent. */
export class Dual extends Lift {
  readonly primal: Tensor;
  readonly tangent: Tensor;

  constructor(level: DualLevel, primal: Tensor, tangent: Tensor) {
    super(level);
    this.primal = primal;
    this.tangent = tangent;
  }

  get value(): Tensor {
    return this.primal;
  }

  detach(): Tensor {
    return this.primal.detach();
  }

  like(x: Tensor): Tensor {
    return this.primal._lift?.like(x) ?? x;
  }

  write(target: Tensor, source: Tensor): void {
    const level = this.level as DualLevel;
    const from = level.lower(source);
    const { tangent } = level.lower(target);
    if (from.tangent) (tangent ?? level.blank(target, from.tangent)).copy_(from.tangent);
    else tangent?.zero_();
    overwrite(level.lower(target).primal, from.primal);
  }

  override get outside(): Lift | null {
    return this.primal._lift;
  }

  override get shown(): Tensor | null {
    return isOpen(this.level) ? this.tangent : null;
  }

  override ofView({ shape, strides, offset }: Tensor, base: Tensor): Dual {
    const of = (x: Tensor): Tensor => x.asStrided(shape, strides, offset - base.offset + x.offset);
    return new Dual(this.level as DualLevel, of(this.primal), of(this.tangent));
  }
}

/** The same elements in the same place of the graph, which take no part in tangents. */
function bare(x: Tensor, lift: Lift | null): Tensor {
  const copy = twin(x);
  copy._lift = lift;
  if (copy._view) copy._view = { ...copy._view, opaque: true };
  return copy;
}

/** The elements of a tensor, in no place of the graph at this level: what becomes of them is recorded with the duals. */
const elementsOf = (x: Tensor): Tensor => Object.assign(twin(x), { _node: null, _outputNr: 0 });

/** Where the gradients go that are computed only to be transposed. */
class Sink extends Node {
  name(): string {
    return 'Sink';
  }

  apply(): [] {
    return [];
  }
}
const sink = new Sink([]);

export class DualLevel extends Level {
  draw(call: Draw, outside: (call: Draw) => Tensor): Tensor {
    const value = (x: Tensor): Tensor => this.lower(x).primal;
    return outside({
      self: call.self && value(call.self),
      inputs: call.inputs.map((x) => (typeof x === 'number' ? x : value(x))),
      make: call.make,
    });
  }

  /** A tensor of value `primal` with the tangent `tangent` at this level: a view, whose writes are seen by `primal` but for their tangents. */
  lift(primal: Tensor, tangent: Tensor): Tensor {
    const view = primal.viewAs(primal);
    const dual = bare(view, view._lift);
    const held = liftOf(tangent) ? tangent : (liftOf(primal)?.like(tangent) ?? tangent);
    dual._lift = new Dual(this, elementsOf(bare(primal, primal._lift)), inOrderOf(primal, held));
    return dual;
  }

  /** The value, of a dual in no place of the graph, and the tangent, null if it has none at this level. */
  lower(x: Tensor): { primal: Tensor; tangent: Tensor | null } {
    const lift = liftOf(x);
    return lift instanceof Dual && lift.level === this
      ? { primal: lift.primal, tangent: lift.tangent }
      : { primal: x, tangent: null };
  }

  /** The value of a dual, in the dual's place of the graph. */
  strip(dual: Tensor): Tensor {
    const edge = edgeOf(dual);
    return Object.assign(bare(dual, this.lower(dual).primal._lift), { _node: edge?.node ?? null });
  }

  /** The same for what may be a dual, and its tangent. */
  unpack(x: Tensor): { primal: Tensor; tangent: Tensor | null } {
    const { tangent } = this.lower(x);
    return { primal: tangent ? this.strip(x) : x, tangent };
  }

  /**
   * Gives a tensor without a tangent one of zeros, to be written over with tangents like `model`. That of a view is a view of the one that its
   * base is given.
   */
  blank(target: Tensor, model: Tensor): Tensor {
    const base = target._view && !target._view.opaque ? target._view.base : target;
    const zeros = inOrderOf(base, filled(base.shape, 0, base.dtype));
    const lift = new Dual(this, elementsOf(base), model._lift?.like(zeros) ?? zeros);
    base._lift = lift;
    if (base === target) return lift.tangent;
    const part = lift.ofView(target, base);
    target._lift = part;
    return part.tangent;
  }

  run(primitive: Primitive<unknown>, params: unknown, inputs: readonly Operand[]): Tensor | Tensor[] {
    const pairs = inputs.map((x) => (typeof x === 'number' ? { primal: x, tangent: null } : this.lower(x)));
    const primals = pairs.map(({ primal, tangent }) =>
      tangent || !requiresGrad(primal) ? primal : elementsOf(primal),
    );
    const tangents = pairs.map((pair) => pair.tangent);
    const out = run(primitive, params, primals);
    const results = Array.isArray(out) ? out : [out];
    if (mode.grad) record(primitive, params, inputs, results);
    // tangents depend on the values, so these have to be in their place of the graph
    const placed = inputs.map((x, k) =>
      typeof x !== 'number' && tangents[k] && requiresGrad(x) ? this.strip(x) : pairs[k].primal,
    );
    const directions = pushForward(primitive, params, placed, tangents, results);
    for (const [k, result] of results.entries()) {
      const value = elementsOf(result);
      if (primitive.view) result._view = viewOf(inputs[0] as Tensor, primitive.several ?? false);
      const direction = directions[k];
      if (direction)
        result._lift = new Dual(this, value, primitive.view ? direction : ofItsOwn(direction, result, tangents));
    }
    return out;
  }
}

/** A tangent of the shape of `result` that lies in memory as it does, in memory of its own, so that each can be written to. */
function ofItsOwn(direction: Tensor, result: Tensor, tangents: readonly (Tensor | null)[]): Tensor {
  const whole = sameShape(direction.shape, result.shape) ? direction : direction.expand(result.shape);
  const own = inOrderOf(result, whole);
  return tangents.some((t) => t?.storage === own.storage) ? inOrderOf(result, own.clone()) : own;
}

/** The tangents of the results, null where they are zero. */
function pushForward(
  primitive: Primitive<unknown>,
  params: unknown,
  primals: readonly Operand[],
  tangents: readonly (Tensor | null)[],
  results: readonly Tensor[],
): (Tensor | null)[] {
  // where the value can be viewed so, its tangent may lie otherwise
  if (primitive.view && sameOrder(tangents[0] as Tensor, primals[0] as Tensor)) {
    const out = run(primitive, params, [tangents[0] as Tensor, ...primals.slice(1)]);
    return Array.isArray(out) ? out : [out];
  }
  const node = new OperatorNode(
    primitive,
    params,
    primals,
    tangents.map((t) => (t ? sink : null)),
  );
  node.setOutputs(results);
  const values = results.map(twin);
  withoutHooks(() => node.save(primals, values));
  if (primitive.diagonal) {
    let sum: Tensor | null = null;
    for (const [k, t] of tangents.entries()) {
      const term = t && node.apply([t], (input) => input === k)[k];
      if (term) sum = sum ? sum.add(term) : term;
    }
    return [sum];
  }
  return transpose(node, primals, tangents, results);
}

/** A tensor with respect to which a computation is differentiated, and never anything outside of it. */
function variable(x: Tensor): Tensor {
  const node = new Sink([]);
  node.setOutputs([x]);
  x._node = node;
  return x;
}

/** Transposes the backward of a node by differentiating it with respect to the cotangents, in which it is linear. */
function transpose(
  node: OperatorNode<unknown>,
  primals: readonly Operand[],
  tangents: readonly (Tensor | null)[],
  results: readonly Tensor[],
): (Tensor | null)[] {
  const { grad: recording } = mode;
  return enableGrad(() => {
    const differentiable = results.flatMap((r, k) => (isFloatingPoint(r.dtype) ? [k] : []));
    const cotangents = differentiable.map((k) => variable(zerosLike(results[k])));
    const arrived = results.map((_, k) => cotangents[differentiable.indexOf(k)] ?? null);
    const pulled: Tensor[] = [];
    const weights: Tensor[] = [];
    const gradients = withoutHooks(() => node.apply(arrived, (input) => tangents[input] !== null));
    for (const [k, gradient] of gradients.entries()) {
      if (!gradient || !requiresGrad(gradient)) continue;
      const { shape, dtype } = primals[k] as Tensor;
      pulled.push(gradient.sumToSize(shape).to(dtype));
      weights.push(tangents[k] as Tensor);
    }
    const directions: (Tensor | null)[] = results.map(() => null);
    if (pulled.length === 0) return directions;
    const found = grad(pulled, cotangents, {
      gradOutputs: weights,
      createGraph: recording,
      retainGraph: true,
      allowUnused: true,
    });
    for (const [i, k] of differentiable.entries()) directions[k] = found[i];
    return directions;
  });
}

/** Throws unless `tangent` can be the tangent of `tensor`. */
export function checkTangent(tensor: Tensor, tangent: Tensor): void {
  for (const [what, x] of [
    ['primal', tensor],
    ['tangent', tangent],
  ] as const) {
    if (!(x instanceof Tensor) || !isFloatingPoint(x.dtype)) {
      throw new AdjointError(
        'dtype',
        `Expected ${what} to be floating point, but got: ${x instanceof Tensor ? x.dtype : show(x)}`,
      );
    }
  }
  if (!sameShape(tensor.shape, tangent.shape)) {
    throw new AdjointError(
      'shape',
      'Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. Tensor is of ' +
        `size ${showShape(tensor.shape)} while the given forward gradient is of size ${showShape(tangent.shape)}.`,
    );
  }
  if (tensor.dtype !== tangent.dtype) {
    throw new AdjointError(
      'dtype',
      `Expected the tangent to have the dtype of the primal, ${tensor.dtype}, but got ${tangent.dtype}`,
    );
  }
}
