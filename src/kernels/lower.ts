/**
 * Lowers scalar expressions to SIMD code for four elements at a time. A value of a 32-bit type or a truth value is one v128 (truth is a
 * mask of all ones), a value of a 64-bit type is two. Types narrower than 32 bits are computed in 32 and wrapped.
 */
import { approximation } from './approx.ts';
import { type ElementType, isFloat } from './element.ts';
import * as expr from './expr.ts';
import { type Expr, type Op, type Transcendental, transcendental2 } from './expr.ts';
import { relaxedSimd } from './features.ts';
import { flushedExp, narrowApproximation } from './narrow-approx.ts';
import {
  type Code,
  call,
  concat,
  type FunctionBuilder,
  f32,
  f32x4,
  f64,
  f64x2,
  type HostFunction,
  i32,
  i32x4,
  i64,
  i64x2,
  select,
  v128,
  when,
  whileLoop,
} from './wasm.ts';

/** Four elements: of `type`, or truth values if `type` is 'bool'. */
export interface Lanes {
  readonly type: ElementType;
  readonly parts: readonly Code[];
}

const wide = (type: ElementType): boolean => type === 'float64' || type === 'int64';
const evenWords = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27];
const firstHalves = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
const lowToHigh = [8, 9, 10, 11, 12, 13, 14, 15, 0, 0, 0, 0, 0, 0, 0, 0];

/** A number in all lanes of a vector. */
export const repeat = (scalar: Code, type: ElementType): Code =>
  type === 'float32'
    ? f32x4.splat(scalar)
    : type === 'float64'
      ? f64x2.splat(scalar)
      : type === 'int64'
        ? i64x2.splat(scalar)
        : i32x4.splat(scalar);

function constantOf(value: number, type: ElementType): Code {
  if (type === 'float32') return f32x4.splat(f32.const(value));
  if (type === 'float64') return f64x2.splat(f64.const(value));
  if (type === 'int64') return i64x2.splat(i64.const(BigInt(Math.trunc(value))));
  return i32x4.splat(i32.const(type === 'bool' ? -Number(value !== 0) : Math.trunc(value)));
}

type Vector1 = (a: Code) => Code;
type Vector2 = (a: Code, b: Code) => Code;

/** Instruction families by shape. */
const instructions = { float32: f32x4, float64: f64x2, int64: i64x2, int32: i32x4 };
type Compute = keyof typeof instructions;
const computeOf = (type: ElementType): Compute => (isFloat(type) || type === 'int64' ? (type as Compute) : 'int32');

const comparisons = new Set<Op>(['eq', 'ne', 'lt', 'le', 'gt', 'ge']);
const logic: Partial<Record<Op, Vector2>> = { and: v128.and, or: v128.or, xor: v128.xor };
/** Arithmetic of truth values: a sum is true if one of them is, a product if both are. */
const ofTruths: Partial<Record<Op, Vector2>> = { add: v128.or, max: v128.or, mul: v128.and, min: v128.and };
const bitwise: Partial<Record<Op, Vector2>> = { bitAnd: v128.and, bitOr: v128.or, bitXor: v128.xor };
const plain = new Set<Op>(['add', 'sub', 'mul', 'div', 'min', 'max', 'neg', 'abs', 'sqrt', 'floor', 'ceil', 'trunc']);
const identityOnIntegers = new Set<Op>(['floor', 'ceil', 'trunc', 'round']);

/** Code under construction: statements that run once per group of four elements, and before them those that run once per call. */
export class Lowering {
  readonly fn: FunctionBuilder;
  readonly prologue: Code[] = [];
  body: Code[] = [];
  /** Whether lanes of 32 bits and of 64 have been converted to each other. */
  changesWidth = false;
  private readonly imports: HostFunction[];
  private readonly constants = new Map<string, Code>();
  private readonly known = new Map<ElementType, Map<Expr, Lanes>>();
  private inputs: readonly Lanes[] = [];

  constructor(fn: FunctionBuilder, imports: HostFunction[]) {
    this.fn = fn;
    this.imports = imports;
  }

  /** Begins another group of statements, which reads these inputs. */
  begin(inputs: readonly Lanes[]): void {
    this.body = [];
    this.known.clear();
    this.inputs = inputs;
  }

  /** Keeps a vector in a local, computed in the body. */
  keep(code: Code): Code {
    const local = this.fn.local('v128');
    this.body.push(local.set(code));
    return local.get;
  }

  lanes(type: ElementType, ...parts: Code[]): Lanes {
    return { type, parts: parts.map((part) => this.keep(part)) };
  }

  constant(value: number, type: ElementType): Lanes {
    const key = `${type}${Object.is(value, -0) ? '-0' : value}`;
    let get = this.constants.get(key);
    if (!get) {
      const local = this.fn.local('v128');
      this.prologue.push(local.set(constantOf(value, type)));
      get = local.get;
      this.constants.set(key, get);
    }
    return { type, parts: wide(type) ? [get, get] : [get] };
  }

  /** The value of an expression whose numbers are of `type`. */
  value(e: Expr, type: ElementType): Lanes {
    let known = this.known.get(type);
    if (!known) this.known.set(type, (known = new Map()));
    let lanes = known.get(e);
    if (!lanes) {
      lanes = this.lower(e, type);
      known.set(e, lanes);
    }
    return lanes;
  }

  private lower(e: Expr, type: ElementType): Lanes {
    const { op, args } = e;
    if (op === 'input') return this.convert(this.inputs[e.value], e.logical ? 'bool' : type);
    if (op === 'const') return this.constant(e.value, type);
    if (op === 'promote') return this.convert(this.value(args[0], 'float32'), 'float64');
    if (op === 'demote') return this.convert(this.value(args[0], 'float64'), 'float32');
    if (op === 'sigmoid') return this.value(expr.div(1, expr.add(1, expr.exp(expr.neg(args[0])))), type);
    if (op === 'expFlushed') {
      return this.value(type === 'float32' ? flushedExp(args[0]) : expr.exp(args[0]), type);
    }
    if (op === 'number') return this.convert(this.value(args[0], type), type);
    const approximate = approximation[op as Transcendental];
    if (approximate) {
      if (type === 'float64')
        return this.host(
          op as Transcendental,
          args.map((a) => this.value(a, type)),
        );
      if (type === 'float32') {
        const narrow = narrowApproximation[op as Transcendental];
        if (narrow) return this.value(narrow(args[0]), type);
        return this.value(expr.raw('demote', approximate(...args.map((a) => expr.raw('promote', a)))), type);
      }
      if (op === 'pow') return this.integerPower(this.value(args[0], type), this.value(args[1], type));
      throw new Error(`${op} of ${type}: integers are to be made floating first`);
    }
    if (op === 'select' && isFloat(type)) {
      const [when, a, b] = args;
      const [p, q] = when.args;
      const shape = type === 'float64' ? f64x2 : f32x4;
      if (when.op === 'lt' && a === p && b === q) return this.pairwise(shape.pmin, q, p, type);
      if (when.op === 'lt' && a === q && b === p) return this.pairwise(shape.pmax, p, q, type);
    }
    const operands = args.map((a) => this.value(a, type));
    const parts = (i: number): readonly Code[] => operands[i].parts;
    if (op === 'select') return this.select(operands[0], operands[1], operands[2]);
    if (op === 'truth') return this.convert(operands[0], 'bool');
    if (op === 'not') return this.lanes('bool', v128.not(parts(0)[0]));
    if (logic[op]) return this.lanes('bool', logic[op](parts(0)[0], parts(1)[0]));
    if (comparisons.has(op)) return this.compare(op as 'eq', operands[0], operands[1]);
    const map1 = (f: Vector1): Lanes => this.lanes(type, ...parts(0).map(f));
    const map2 = (f: Vector2): Lanes => this.lanes(type, ...parts(0).map((a, i) => f(a, parts(1)[i])));
    if (bitwise[op]) return map2(bitwise[op]);
    if (type === 'bool' && ofTruths[op]) return map2(ofTruths[op]);
    if (op === 'bitNot') return this.wrap(map1(v128.not));
    const compute = computeOf(type);
    if (!isFloat(type)) {
      if (identityOnIntegers.has(op)) return operands[0];
      if (op === 'quot' || op === 'rem') return this.wrap(this.divide(op, operands[0], operands[1]));
      if (op === 'shiftLeft' || op === 'shiftRight') return this.wrap(this.shift(op, operands[0], operands[1]));
      if (compute === 'int64' && (op === 'min' || op === 'max')) {
        return this.select(
          this.compare(op === 'min' ? 'lt' : 'gt', operands[0], operands[1]),
          operands[0],
          operands[1],
        );
      }
    }
    if (op === 'round') return map1((instructions[compute] as typeof f32x4).nearest);
    if (op === 'fma') return this.fma(operands, type);
    if (op === 'host') return this.hostWhere(e, operands);
    if (op === 'copysign') {
      const [sign] = this.constant(-0, type).parts;
      return map2((a, b) => v128.bitselect(sign, b, a));
    }
    if (plain.has(op)) {
      const instruction = (instructions[compute] as unknown as Record<string, Vector1 & Vector2>)[op];
      return this.wrap(args.length === 1 ? map1(instruction) : map2(instruction));
    }
    return map1(type === 'float32' ? singleBits(op) : doubleBits(op));
  }

  /** The lesser or greater of two by one instruction: what a comparison and a choice between its operands come to. */
  private pairwise(instruction: Vector2, a: Expr, b: Expr, type: ElementType): Lanes {
    const [x, y] = [this.value(a, type).parts, this.value(b, type).parts];
    return this.lanes(type, ...x.map((part, i) => instruction(part, y[i])));
  }

  /** Brings the value of a narrow type back into its range. */
  private wrap(a: Lanes): Lanes {
    if (a.type === 'uint8') return this.lanes('uint8', v128.and(a.parts[0], this.constant(255, 'int32').parts[0]));
    if (a.type !== 'int8' && a.type !== 'int16') return a;
    const bits = i32.const(a.type === 'int8' ? 24 : 16);
    return this.lanes(a.type, i32x4.shrS(i32x4.shl(a.parts[0], bits), bits));
  }

  private fma(operands: readonly Lanes[], type: ElementType): Lanes {
    const [a, b, c] = operands.map((lanes) => lanes.parts);
    const shape = type === 'float64' ? f64x2 : f32x4;
    return this.lanes(
      type,
      ...a.map((_, i) => (relaxedSimd ? shape.relaxedMadd(a[i], b[i], c[i]) : shape.add(shape.mul(a[i], b[i]), c[i]))),
    );
  }

  private compare(op: 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge', a: Lanes, b: Lanes): Lanes {
    const instruction = instructions[computeOf(a.type)][op];
    // truth is -1 as an integer, and yet the greater
    if (a.type === 'bool') [a, b] = [b, a];
    const masks = a.parts.map((part, i) => instruction(part, b.parts[i]));
    return this.lanes('bool', masks.length === 1 ? masks[0] : v128.shuffle(masks[0], masks[1], evenWords));
  }

  private select(when: Lanes, a: Lanes, b: Lanes): Lanes {
    const [mask] = when.parts;
    const masks = wide(a.type)
      ? [this.keep(i64x2.extendLowI32x4S(mask)), this.keep(i64x2.extendHighI32x4S(mask))]
      : [mask];
    return this.lanes(a.type, ...masks.map((m, i) => v128.bitselect(m, a.parts[i], b.parts[i])));
  }

  /** Applies scalar code to each of the four lanes. */
  private laneByLane(type: ElementType, operands: readonly Lanes[], f: (...scalars: Code[]) => Code): Lanes {
    const results = [0, 1, 2, 3].map((lane) => f(...operands.map((a) => laneOf(a, lane))));
    const shape = instructions[computeOf(type)];
    const per = wide(type) ? 2 : 4;
    const part = (first: number): Code => {
      const rest = results.slice(first + 1, first + per);
      return rest.reduce((v, r, i) => shape.replaceLane(v, i + 1, r), repeat(results[first], type));
    };
    return this.lanes(type, ...(wide(type) ? [part(0), part(2)] : [part(0)]));
  }

  private host(name: Transcendental, args: readonly Lanes[]): Lanes {
    let index = this.imports.findIndex((f) => f.name === name);
    if (index < 0) {
      const arity = (transcendental2 as readonly string[]).includes(name) ? 2 : 1;
      index = this.imports.push({ name, arity }) - 1;
    }
    return this.laneByLane('float64', args, (...scalars) => call(index, ...scalars));
  }

  private hostWhere(e: Expr, [rare, fast, ...args]: readonly Lanes[]): Lanes {
    const results = fast.parts.map((part) => {
      const local = this.fn.local('v128');
      this.body.push(local.set(part));
      return local;
    });
    const outer = this.body;
    this.body = [];
    const exact = this.select(rare, this.host(e.host as Transcendental, args), {
      type: 'float64',
      parts: results.map((r) => r.get),
    });
    this.body.push(...results.map((r, i) => r.set(exact.parts[i])));
    outer.push(when(v128.anyTrue(rare.parts[0]), concat(this.body)));
    this.body = outer;
    return { type: 'float64', parts: results.map((r) => r.get) };
  }

  /** Integer quotient and rest toward zero. A zero divisor is refused before a kernel runs; here it merely must not trap. */
  private divide(op: 'quot' | 'rem', a: Lanes, b: Lanes): Lanes {
    if (a.type === 'int64') {
      const safe = (d: Code): Code => select(i64.eqz(d), i64.const(1n), d);
      return this.laneByLane('int64', [a, b], (x, y) => {
        // the least integer divided by -1 traps: negate instead
        const isMinusOne = i64.eq(y, i64.const(-1n));
        const divisor = select(isMinusOne, i64.const(1n), safe(y));
        return op === 'rem'
          ? i64.remS(x, safe(y))
          : i64.mul(i64.divS(x, divisor), select(isMinusOne, i64.const(-1n), i64.const(1n)));
      });
    }
    const safe = (d: Code): Code => select(i32.eqz(d), i32.const(1), d);
    return this.laneByLane(a.type, [a, b], (x, y) => {
      const isMinusOne = i32.eq(y, i32.const(-1));
      const divisor = select(isMinusOne, i32.const(1), safe(y));
      return op === 'rem'
        ? i32.remS(x, safe(y))
        : i32.mul(i32.divS(x, divisor), select(isMinusOne, i32.const(-1), i32.const(1)));
    });
  }

  /** base ** exponent by repeated squaring, in the low bits; a negative exponent gives what 1 / base ** -exponent truncates to. */
  private integerPower(base: Lanes, exponent: Lanes): Lanes {
    const [b, e, result] = [this.fn.local('i64'), this.fn.local('i64'), this.fn.local('i64')];
    const one = i64.const(1n);
    const odd = i32.wrapI64(i64.and(e.get, one));
    const power = this.laneByLane('int64', [this.convert(base, 'int64'), this.convert(exponent, 'int64')], (x, y) => [
      ...b.set(x),
      ...e.set(y),
      ...result.set(one),
      // the inverse of a unit is itself, of any other whole number it truncates to 0
      ...when(i64.ltS(e.get, i64.const(0n)), [
        ...e.set(i64.and(e.get, one)),
        ...when(i32.and(i64.ne(b.get, one), i64.ne(b.get, i64.const(-1n))), [...e.set(one), ...b.set(i64.const(0n))]),
      ]),
      ...whileLoop(i64.gtS(e.get, i64.const(0n)), [
        ...when(odd, result.set(i64.mul(result.get, b.get))),
        ...b.set(i64.mul(b.get, b.get)),
        ...e.set(i64.shrS(e.get, one)),
      ]),
      ...result.get,
    ]);
    return this.convert(power, base.type);
  }

  private shift(op: 'shiftLeft' | 'shiftRight', a: Lanes, b: Lanes): Lanes {
    const shape = a.type === 'int64' ? i64 : i32;
    const f = (op === 'shiftLeft' ? shape.shl : shape.shrS) as Vector2;
    return this.laneByLane(a.type, [a, b], f);
  }

  /** The same values in another type, as a cast in C. */
  convert(a: Lanes, to: ElementType): Lanes {
    const from = a.type;
    if (from === to) return a;
    const [low, high] = a.parts;
    if (wide(from) !== wide(to)) this.changesWidth = true;
    if (to === 'bool') return this.compare('ne', a, this.constant(0, from));
    if (from === 'bool') {
      if (to === 'float32') return this.lanes(to, v128.and(low, this.constant(1, 'float32').parts[0]));
      return this.convert(this.lanes('int32', v128.and(low, this.constant(1, 'int32').parts[0])), to);
    }
    const source = computeOf(from);
    const target = computeOf(to);
    const narrowed = ({ parts }: Lanes): Lanes => this.wrap({ type: to, parts });
    if (source === target) return narrowed(a);
    switch (`${source} ${target}`) {
      case 'float32 float64':
        return this.lanes(to, f64x2.promoteLowF32x4(low), f64x2.promoteLowF32x4(v128.shuffle(low, low, lowToHigh)));
      case 'float64 float32':
        return this.lanes(to, v128.shuffle(f32x4.demoteF64x2Zero(low), f32x4.demoteF64x2Zero(high), firstHalves));
      case 'int32 float32':
        return this.lanes(to, f32x4.convertI32x4S(low));
      case 'int32 float64':
        return this.lanes(to, f64x2.convertLowI32x4S(low), f64x2.convertLowI32x4S(v128.shuffle(low, low, lowToHigh)));
      case 'int32 int64':
        return this.lanes(to, i64x2.extendLowI32x4S(low), i64x2.extendHighI32x4S(low));
      case 'int64 int32':
        return narrowed(this.lanes('int32', v128.shuffle(low, high, evenWords)));
      case 'float64 int32':
        return narrowed(
          this.lanes('int32', v128.shuffle(i32x4.truncSatF64x2SZero(low), i32x4.truncSatF64x2SZero(high), firstHalves)),
        );
      case 'float32 int32':
      case 'float32 int64':
        return this.convert(this.convert(a, 'float64'), to);
      case 'float64 int64':
        return this.laneByLane('int64', [a], i64.truncSatF64S);
      case 'int64 float64':
        return this.laneByLane('float64', [a], f64.convertI64S);
      case 'int64 float32':
        return this.laneByLane('float32', [a], f32.convertI64S);
    }
    throw new Error(`no conversion from ${from} to ${to}`);
  }
}

/** One lane as a scalar. */
export function laneOf(a: Lanes, lane: number): Code {
  const shape = instructions[computeOf(a.type)];
  return wide(a.type) ? shape.extractLane(a.parts[lane >> 1], lane & 1) : shape.extractLane(a.parts[0], lane);
}

/** The bit tricks of float32 that approximations are made of. */
function singleBits(op: Op): Vector1 {
  // Adding 3 * 2^22 leaves a whole number in the low bits of the significand.
  const magic = 3 * 2 ** 22;
  /** The exponent of a, whose significand is below 3/2 (0x3f400000 is 3/4). */
  const power = (a: Code): Code => i32x4.shrS(i32x4.sub(a, i32x4.splat(i32.const(0x3f400000))), i32.const(23));
  switch (op) {
    case 'significand':
      return (a) => i32x4.sub(a, i32x4.shl(power(a), i32.const(23)));
    case 'exponent':
      return (a) => f32x4.convertI32x4S(power(a));
    case 'exp2int':
      return (a) => i32x4.shl(f32x4.add(a, f32x4.splat(f32.const(magic + 127))), i32.const(23));
  }
  throw new Error(`no vector code for ${op} of float32`);
}

/** The bit tricks of float64 that approximations are made of. */
function doubleBits(op: Op): Vector1 {
  const word = (high: number): Code => i64x2.splat(i64.const(BigInt(high) << 32n));
  // Adding 3 * 2^51 leaves a whole number in the low bits of the significand.
  const magic = 3 * 2 ** 51;
  switch (op) {
    case 'significand':
      return (a) => v128.or(v128.and(a, i64x2.splat(i64.const(0x000fffffffffffffn))), word(0x3ff00000));
    case 'exponent': {
      // 2^52 + e as the bits of a float64, minus 2^52 + 1023
      const biased = (a: Code): Code => i64x2.shrU(v128.andnot(a, word(0x80000000)), i32.const(52));
      return (a) => f64x2.sub(v128.or(biased(a), word(0x43300000)), f64x2.splat(f64.const(2 ** 52 + 1023)));
    }
    case 'exp2int':
      return (a) => i64x2.shl(f64x2.add(a, f64x2.splat(f64.const(magic + 1023))), i32.const(52));
  }
  throw new Error(`no vector code for ${op}`);
}
