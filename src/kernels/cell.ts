/** What loops keep in locals: four values, as lower.ts has them. */
import { bytesOf, type ElementType } from './element.ts';
import { type Lanes, laneOf, repeat } from './lower.ts';
import { type Code, concat, type FunctionBuilder, i32x4, type Local, v128 } from './wasm.ts';

/** Four values that a loop changes. */
export class Cell {
  readonly type: ElementType;
  readonly locals: readonly Local[];

  constructor(fn: FunctionBuilder, type: ElementType) {
    this.type = type;
    this.locals = Array.from({ length: bytesOf[type] === 8 ? 2 : 1 }, () => fn.local('v128'));
  }

  get value(): Lanes {
    return { type: this.type, parts: this.locals.map((local) => local.get) };
  }

  set(value: Lanes): Code {
    return concat(this.locals.map((local, i) => local.set(value.parts[i])));
  }
}

/** One lane of a value, in all lanes. */
export function spreadLane({ type, parts }: Lanes, lane: number): Lanes {
  const wide = parts.length === 2;
  const part = wide ? parts[lane >> 1] : parts[0];
  const size = wide ? 8 : 4;
  const first = size * (wide ? lane & 1 : lane);
  const bytes = Array.from({ length: 16 }, (_, i) => first + (i % size));
  return { type, parts: parts.map(() => v128.shuffle(part, part, bytes)) };
}

/** Each lane's value in the lane `by` before it, the first ones' in the last. */
export function rotateLanes({ type, parts }: Lanes, by: 1 | 2): Lanes {
  const wide = parts.length === 2;
  if (wide && by === 2) return { type, parts: [parts[1], parts[0]] };
  const first = by * (wide ? 8 : 4);
  const bytes = Array.from({ length: 16 }, (_, i) => first + i);
  return { type, parts: parts.map((part, i) => v128.shuffle(part, parts[(i + 1) % parts.length], bytes)) };
}

/** The first lane in all lanes, by way of a number: from there V8 does not look further for pairs of vectors. */
export const firstLane = (value: Lanes): Lanes => ({
  type: value.type,
  parts: value.parts.map(() => repeat(laneOf(value, 0), value.type)),
});

/**
 * A value, computed such that V8 finds that the first of `vectors` and the second, the third and the fourth, and so on are pairs: besides stores
 * side by side it looks where integers are added. What comes of that is left out.
 */
export function asPairs({ type, parts }: Lanes, vectors: readonly Code[]): Lanes {
  const all = v128.const(new Array<number>(16).fill(255));
  let [first, ...rest] = parts;
  for (let i = 0; i < vectors.length; i += 2) {
    first = v128.bitselect(all, first, i32x4.add(vectors[i], vectors[i + 1]));
  }
  return { type, parts: [first, ...rest] };
}
