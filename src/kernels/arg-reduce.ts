/**
 * Kernels that find an extremum along a line and where it stands: the first of those that are equal. NaN counts as the extremum.
 * Results: the value, then the position.
 */
import type { Operand } from './access.ts';
import { type Cell, spreadLane } from './cell.ts';
import type { ElementType } from './element.ts';
import type { Expr } from './expr.ts';
import * as s from './expr.ts';
import { LineBuilder, type Width } from './lines.ts';
import type { Lanes } from './lower.ts';
import type { Kernel } from './module.ts';
import { type Code, concat, forLoop, i32, i32x4, whileLoop } from './wasm.ts';

export type Extremum = 'min' | 'max';

/** Truth values are ordered as numbers. */
const orderedType = (type: ElementType): ElementType => (type === 'bool' ? 'uint8' : type);

/** Whether input 0 beats input 1. */
const beats = (seek: Extremum): Expr => {
  const [x, best] = [s.input(0), s.input(1)];
  return s.or((seek === 'max' ? s.gt : s.lt)(x, best), s.and(s.isNan(x), s.not(s.isNan(best))));
};
/** Whether neither of inputs 0 and 1 beats the other. */
const ties = s.or(s.eq(s.input(0), s.input(1)), s.and(s.isNan(s.input(0)), s.isNan(s.input(1))));
const pick = s.select(s.condition(0), s.input(1), s.input(2));

/** What the loops keep. */
interface Best {
  readonly value: Cell;
  readonly position: Cell;
}

const candidates = (b: LineBuilder, type: ElementType): Best => ({ value: b.cell(type), position: b.cell('int32') });

/** Replaces the best by another where `better` holds. */
const replace = (b: LineBuilder, best: Best, better: Cell, value: Lanes, position: Lanes): Code => [
  ...b.assign(best.value, pick, best.value.type, better.value, value, best.value.value),
  ...b.assign(best.position, pick, 'int32', better.value, position, best.position.value),
];

const storeBest = (b: LineBuilder, best: Best, width: Width): Code =>
  b.compute([], () => {
    b.store(0, width, best.value.value);
    b.store(1, width, best.position.value);
  });

/** Four lines at a time. */
export function argReduceKernel(seek: Extremum, operand: Operand, results: readonly [Operand, Operand]): Kernel {
  const b = new LineBuilder([operand], results);
  const type = orderedType(operand.type);
  const best = candidates(b, type);
  const better = b.cell('bool');
  const step = b.fn.local('i32');
  const line = (width: Width): Code => {
    const { code, values } = b.load(width);
    return [
      ...code,
      ...b.assign(best.value, s.input(0), type, ...values),
      ...b.assign(best.position, s.constant(0), 'int32'),
      ...forLoop(step, i32.const(0), b.steps.get, 1, [
        ...code,
        ...b.assign(better, beats(seek), type, values[0], best.value.value),
        ...replace(b, best, better, values[0], { type: 'int32', parts: [i32x4.splat(step.get)] }),
        ...b.advance(),
      ]),
      ...storeBest(b, best, width),
    ];
  };
  return b.finish(4, line);
}

/** Where nothing beat the first element the position is 0, elsewhere one more than that of the step: add where in the step it was. */
const located = s.select(s.eq(s.input(0), 0), 0, s.add(s.input(0), s.input(1)));
const lanePositions = (first: number): Code =>
  [1, 2, 3].reduce((v, lane) => i32x4.replaceLane(v, lane, i32.const(first + lane)), i32x4.splat(i32.const(first)));

/** One line at a time, which lies contiguously, by four vectors of four lanes that each look for their own. */
export function argReduceRowKernel(seek: Extremum, operand: Operand, results: readonly [Operand, Operand]): Kernel {
  const b = new LineBuilder([operand], results);
  const type = orderedType(operand.type);
  const bests = [0, 1, 2, 3].map(() => candidates(b, type));
  const other = candidates(b, type);
  const better = b.cell('bool');
  const step = b.fn.local('i32');
  const at = (code: Code): Lanes => ({ type: 'int32', parts: [code] });
  const line = (): Code => {
    const first = b.loadAlong(1, 0);
    const vectors = [0, 1, 2, 3].map((k) => b.loadAlong(4, 4 * k));
    const [best] = bests;
    // between equals the lesser position decides
    const merge = concat([
      b.assign(better, s.lt(s.input(0), s.input(1)), 'int32', other.position.value, best.position.value),
      b.assign(
        better,
        s.or(beats(seek), s.and(ties, s.condition(2))),
        type,
        other.value.value,
        best.value.value,
        better.value,
      ),
      replace(b, best, better, other.value.value, other.position.value),
    ]);
    return concat([
      first.code,
      ...bests.map((own) => b.assign(own.value, s.input(0), type, first.value)),
      ...bests.map((own) => b.assign(own.position, s.constant(0), 'int32')),
      step.set(i32.const(0)),
      whileLoop(i32.leS(i32.add(step.get, i32.const(16)), b.steps.get), [
        ...concat(
          vectors.map(({ code, value }, k) => [
            ...code,
            ...b.assign(better, beats(seek), type, value, bests[k].value.value),
            ...replace(b, bests[k], better, value, at(i32x4.splat(i32.add(step.get, i32.const(1))))),
          ]),
        ),
        ...b.advance(16),
        ...step.add(16),
      ]),
      ...bests.map(({ position }, k) =>
        b.assign(position, located, 'int32', position.value, at(lanePositions(4 * k - 1))),
      ),
      ...bests
        .slice(1)
        .flatMap((own) => [other.value.set(own.value.value), other.position.set(own.position.value), merge]),
      ...[1, 2, 3].flatMap((lane) => [
        other.value.set(spreadLane(best.value.value, lane)),
        other.position.set(spreadLane(best.position.value, lane)),
        merge,
      ]),
      best.value.set(spreadLane(best.value.value, 0)),
      best.position.set(spreadLane(best.position.value, 0)),
      whileLoop(i32.ltS(step.get, b.steps.get), [
        ...first.code,
        ...b.assign(better, beats(seek), type, first.value, best.value.value),
        ...replace(b, best, better, first.value, at(i32x4.splat(step.get))),
        ...b.advance(),
        ...step.add(1),
      ]),
      storeBest(b, best, 1),
    ]);
  };
  return b.finish(1, line);
}
