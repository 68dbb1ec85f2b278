/** Loads and stores of four elements, for each element type and each way in which they may lie in memory. */
import type { ElementType } from './element.ts';
import { bytesOf } from './element.ts';
import { type Lanes, type Lowering, laneOf } from './lower.ts';
import { type Code, f32, f32x4, f64, f64x2, i8x16, i16x8, i32, i32x4, i64, i64x2, v128 } from './wasm.ts';

/** How an operand moves along the inner loop: one element after another, not at all, by a stride, or a number in the descriptor. */
export type Mode = 'contiguous' | 'splat' | 'strided' | 'parameter';

export interface Operand {
  readonly type: ElementType;
  readonly mode: Mode;
}

const load1: Partial<Record<ElementType, (address: Code) => Code>> = {
  int16: i32.load16s,
  int8: i32.load8s,
  uint8: i32.load8u,
  bool: i32.load8u,
};

const lanes = (type: ElementType, parts: readonly Code[]): Lanes => ({ type, parts });

/** Truth values are stored as bytes: load them as such and make masks of them. */
function loaded(into: Lowering, type: ElementType, parts: readonly Code[]): Lanes {
  const kept = parts.map((part) => into.keep(part));
  return type === 'bool' ? into.convert(lanes('uint8', kept), 'bool') : lanes(type, kept);
}

/** Four adjacent elements, `offset` bytes after the address. */
export function loadFour(into: Lowering, type: ElementType, address: Code, offset = 0): Lanes {
  switch (type) {
    case 'float32':
    case 'int32':
      return loaded(into, type, [v128.load(address, offset)]);
    case 'float64':
    case 'int64':
      return loaded(into, type, [v128.load(address, offset), v128.load(address, offset + 16)]);
    case 'int16':
      return loaded(into, type, [i32x4.extendLowI16x8S(v128.load64Zero(address, offset))]);
    case 'int8':
      return loaded(into, type, [i32x4.extendLowI16x8S(i16x8.extendLowI8x16S(v128.load32Zero(address, offset)))]);
    default:
      return loaded(into, type, [i32x4.extendLowI16x8U(i16x8.extendLowI8x16U(v128.load32Zero(address, offset)))]);
  }
}

/** One element in all four lanes. */
export function loadOne(into: Lowering, type: ElementType, address: Code): Lanes {
  const narrow = load1[type];
  if (narrow) return loaded(into, type, [i32x4.splat(narrow(address))]);
  if (bytesOf[type] === 4) return loaded(into, type, [v128.load32Splat(address)]);
  const both = into.keep(v128.load64Splat(address));
  return lanes(type, [both, both]);
}

/** Four elements, `stride` bytes apart. */
export function loadStrided(into: Lowering, type: ElementType, address: Code, stride: Code): Lanes {
  const at = (lane: number): Code => (lane === 0 ? address : i32.add(address, i32.mul(stride, i32.const(lane))));
  const narrow = load1[type];
  if (narrow) {
    const rest = [1, 2, 3];
    return loaded(into, type, [
      rest.reduce((v, k) => i32x4.replaceLane(v, k, narrow(at(k))), i32x4.splat(narrow(at(0)))),
    ]);
  }
  if (bytesOf[type] === 4) {
    return loaded(into, type, [[1, 2, 3].reduce<Code>((v, k) => lane32(at(k), v, k), v128.load32Zero(at(0)))]);
  }
  return loaded(into, type, [lane64(at(1), v128.load64Zero(at(0)), 1), lane64(at(3), v128.load64Zero(at(2)), 1)]);
}

const lane32 = (address: Code, value: Code, lane: number): Code => v128.load32Lane(address, value, lane);
const lane64 = (address: Code, value: Code, lane: number): Code => v128.load64Lane(address, value, lane);

/** A float64 of the descriptor in all four lanes, as `type`. */
export const loadParameter = (into: Lowering, type: ElementType, address: Code): Lanes =>
  ofNumber(into, type, f64.load(address));

/** A float64 in all four lanes, as `type`. */
export function ofNumber(into: Lowering, type: ElementType, value: Code): Lanes {
  switch (type) {
    case 'float32':
      return lanes(type, [into.keep(f32x4.splat(f32.demoteF64(value)))]);
    case 'float64':
      return doubled(into, type, f64x2.splat(value));
    case 'int64':
      return doubled(into, type, i64x2.splat(i64.truncSatF64S(value)));
    case 'bool':
      return lanes(type, [into.keep(i32x4.splat(i32.sub(i32.const(0), f64.ne(value, f64.const(0)))))]);
    default:
      return lanes(type, [into.keep(i32x4.splat(wrapped(i32.wrapI64(i64.truncSatF64S(value)), type)))]);
  }
}

/** A whole number in the range of a narrow type. */
function wrapped(value: Code, type: ElementType): Code {
  if (type === 'uint8') return i32.and(value, i32.const(255));
  const bits = i32.const(32 - 8 * bytesOf[type]);
  return i32.shrS(i32.shl(value, bits), bits);
}

function doubled(into: Lowering, type: ElementType, code: Code): Lanes {
  const both = into.keep(code);
  return lanes(type, [both, both]);
}

/** The lanes as they are stored: truth values become bytes. */
const storable = (into: Lowering, value: Lanes): Lanes =>
  value.type === 'bool' ? into.convert(value, 'uint8') : value;

/** Stores four adjacent elements, `offset` bytes after the address. Of two vectors the second goes first: V8 stores a pair at once only then. */
export function storeFour(into: Lowering, address: Code, value: Lanes, offset = 0): void {
  const { type, parts } = storable(into, value);
  const [low, high] = parts;
  switch (type) {
    case 'float32':
    case 'int32':
      into.body.push(v128.store(address, low, offset));
      break;
    case 'float64':
    case 'int64':
      into.body.push(v128.store(address, high, offset + 16), v128.store(address, low, offset));
      break;
    case 'int16':
      into.body.push(v128.store64Lane(address, i16x8.narrowI32x4S(low, low), 0, offset));
      break;
    case 'int8':
      into.body.push(v128.store32Lane(address, narrowed(i16x8.narrowI32x4S(low, low), i8x16.narrowI16x8S), 0, offset));
      break;
    default:
      into.body.push(v128.store32Lane(address, narrowed(i16x8.narrowI32x4S(low, low), i8x16.narrowI16x8U), 0, offset));
  }
}

const narrowed = (code: Code, narrow: (a: Code, b: Code) => Code): Code => narrow(code, v128.zero);

/** Stores the first lane. */
export function storeOne(into: Lowering, address: Code, value: Lanes): void {
  const stored = storable(into, value);
  into.body.push(storeLane(stored, address, 0));
}

/** Stores four elements, `stride` bytes apart. */
export function storeStrided(into: Lowering, address: Code, stride: Code, value: Lanes): void {
  const stored = storable(into, value);
  for (let k = 0; k < 4; k++) {
    into.body.push(storeLane(stored, k === 0 ? address : i32.add(address, i32.mul(stride, i32.const(k))), k));
  }
}

function storeLane(value: Lanes, address: Code, lane: number): Code {
  switch (bytesOf[value.type]) {
    case 8:
      return v128.store64Lane(address, value.parts[lane >> 1], lane & 1);
    case 4:
      return v128.store32Lane(address, value.parts[0], lane);
    case 2:
      return i32.store16(address, laneOf(value, lane));
    default:
      return i32.store8(address, laneOf(value, lane));
  }
}
