/** What loops keep in locals: four values, as lower.ts has them. */
import { bytesOf, type ElementType } from './element.ts';
import type { Lanes } from './lower.ts';
import { type Code, concat, type FunctionBuilder, type Local, v128 } from './wasm.ts';

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
