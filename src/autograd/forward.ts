/**
 * Forward mode: a dual tensor carries the derivative of its value along one direction, and each operator the derivative of its result.
 * The rules of reverse mode serve here as well. The operator's Jacobian J comes as the map v -> J^T v, which is linear: that of a
 * pointwise operator is diagonal, hence its own transpose, a view does to the tangent what it does to the value, and any other map is
 * transposed by differentiating it in v.
 */
import { zerosLike } from '../core/creation.ts';
import { isFloatingPoint } from '../core/dtype.ts';
import { sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { grad } from './backward.ts';
import { type Draw, enter, Level, Lift, leave, overwrite, twin } from './lift.ts';
import { enableGrad, mode, scoped, unrecorded } from './modes.ts';
import { type Edge, Node } from './node.ts';
import { edgeOf, type Operand, OperatorNode, type Primitive, record, requiresGrad, run } from './primitive.ts';

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
    if (target._view) {
      throw new AdjointError(
        'unsupported',
        'in forward mode, a write through a view does not reach the tensor that it is a view of: compute out of place',
      );
    }
    const [own, from] = [level.lower(target).primal, level.lower(source)];
    overwrite(own, from.primal);
    target._lift = from.tangent ? new Dual(level, own === target ? twin(target) : own, from.tangent) : own._lift;
  }
}

/** Where the gradients go that are computed only to be transposed. */
class Sink extends Node {
  name(): string {
    return 'Sink';
  }

  apply(): [] {
    return [];
  }
}
const sink: Edge = { node: new Sink([]), nr: 0 };

export class DualLevel extends Level {
  draw(call: Draw, outside: (call: Draw) => Tensor): Tensor {
    const value = (x: Tensor): Tensor => this.lower(x).primal;
    return outside({
      self: call.self && value(call.self),
      inputs: call.inputs.map((x) => (typeof x === 'number' ? x : value(x))),
      make: call.make,
    });
  }

  /** A tensor of value `primal` with the tangent `tangent` at this level. */
  lift(primal: Tensor, tangent: Tensor): Tensor {
    const dual = twin(primal);
    if (primal._wantsGrad) dual._node = (edgeOf(primal) as Edge).node;
    dual._lift = new Dual(this, primal, tangent);
    return dual;
  }

  /** The value and the tangent, null if it has none at this level. */
  lower(x: Tensor): { primal: Tensor; tangent: Tensor | null } {
    const lift = x._lift;
    return lift instanceof Dual && lift.level === this
      ? { primal: lift.primal, tangent: lift.tangent }
      : { primal: x, tangent: null };
  }

  /** The value of a dual, in the dual's place of the graph. */
  strip(dual: Tensor): Tensor {
    const value = twin(dual);
    const edge = edgeOf(dual);
    return Object.assign(value, { _lift: this.lower(dual).primal._lift, _node: edge?.node ?? null });
  }

  run(primitive: Primitive<unknown>, params: unknown, inputs: readonly Operand[]): Tensor | Tensor[] {
    const pairs = inputs.map((x) => (typeof x === 'number' ? { primal: x, tangent: null } : this.lower(x)));
    const primals = pairs.map((pair) => pair.primal);
    const tangents = pairs.map((pair) => pair.tangent);
    const recording = mode.grad;
    const out = unrecorded(() => run(primitive, params, primals));
    const results = Array.isArray(out) ? out : [out];
    if (recording) record(primitive, params, inputs, results);
    const directions = pushForward(primitive, params, primals, tangents, results);
    for (const [k, result] of results.entries()) {
      const direction = directions[k];
      if (!direction) continue;
      const primal = twin(result);
      result._lift = new Dual(
        this,
        primal,
        sameShape(direction.shape, result.shape) ? direction : direction.expand(result.shape),
      );
    }
    return out;
  }
}

/** The tangents of the results, null where they are zero. */
function pushForward(
  primitive: Primitive<unknown>,
  params: unknown,
  primals: readonly Operand[],
  tangents: readonly (Tensor | null)[],
  results: readonly Tensor[],
): (Tensor | null)[] {
  if (primitive.view) {
    // where the value can be viewed so, its tangent may lie otherwise
    const out = run(primitive, params, [(tangents[0] as Tensor).contiguous(), ...primals.slice(1)]);
    return Array.isArray(out) ? out : [out];
  }
  const node = new OperatorNode(
    primitive,
    params,
    primals,
    tangents.map((t) => (t ? sink : null)),
  );
  for (const { shape, dtype } of results) node.outputs.push({ shape, dtype });
  const values = results.map(twin);
  node.save(primals, values);
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
  node.outputs.push({ shape: x.shape, dtype: x.dtype });
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
    for (const [k, gradient] of node.apply(arrived, (input) => tangents[input] !== null).entries()) {
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

let current: DualLevel | null = null;

/**
 * Opens the level at which `makeDual` lifts tensors, for as long as `callback` runs; without a callback, until the returned guard is
 * disposed of (torch.autograd.forward_ad.dual_level).
 * @throws if a level is open already
 */
export function dualLevel<T>(callback: () => T): T;
export function dualLevel(): Disposable;
export function dualLevel<T>(callback?: () => T): T | Disposable {
  return scoped(
    () => {
      if (current) {
        throw new AdjointError(
          'autograd',
          'Nested forward mode AD is not supported at the moment. If you are seeing this error, please nest func.jvp instead',
        );
      }
      const level = new DualLevel();
      enter(level);
      current = level;
      return () => {
        current = null;
        leave(level);
      };
    },
    callback as () => T,
  );
}

/**
 * A tensor of value `tensor` whose derivative is `tangent`, of the same shape and dtype (torch.autograd.forward_ad.make_dual).
 * @throws outside of a dual level, or if the tangent does not fit
 */
export function makeDual(tensor: Tensor, tangent: Tensor): Tensor {
  if (!current) {
    throw new AdjointError(
      'autograd',
      'Trying to create a dual Tensor for forward AD but no level exists, make sure to open a dualLevel() first.',
    );
  }
  checkTangent(tensor, tangent);
  return current.lift(tensor, tangent);
}

/** @internal Throws unless `tangent` can be the tangent of `tensor`. */
export function checkTangent(tensor: Tensor, tangent: Tensor): void {
  for (const [what, x] of [
    ['the primal', tensor],
    ['the tangent', tangent],
  ] as const) {
    if (!(x instanceof Tensor) || !isFloatingPoint(x.dtype)) {
      throw new AdjointError(
        'dtype',
        `Expected ${what} to be a floating Tensor, got ${x instanceof Tensor ? x.dtype : show(x)}`,
      );
    }
  }
  if (!sameShape(tensor.shape, tangent.shape) || tensor.dtype !== tangent.dtype) {
    throw new AdjointError(
      'shape',
      `Expected the tangent to have the shape and dtype of the primal, ${showShape(tensor.shape)} and ${tensor.dtype}; ` +
        `got ${showShape(tangent.shape)} and ${tangent.dtype}`,
    );
  }
}

/** The value of a tensor and its tangent, null if it has none (torch.autograd.forward_ad.unpack_dual). */
export function unpackDual(tensor: Tensor): { primal: Tensor; tangent: Tensor | null } {
  if (!(tensor instanceof Tensor))
    throw new AdjointError('argument', `unpackDual: expected a Tensor, got ${show(tensor)}`);
  return current ? current.lower(tensor) : { primal: tensor, tangent: null };
}
