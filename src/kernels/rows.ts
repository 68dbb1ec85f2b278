/**
 * Kernels for rows whose elements know of each other: totals over the row, each of which may use those before it, then expressions of its
 * elements and the totals, with several results. A row is gone through once for each total and once for the results, while it is in the
 * nearest cache. Without totals it is a pointwise kernel with several results.
 *
 * Descriptor, in 32-bit words: (0) the length of a row; (1) the number of outer dimensions; for each operand and then each result two
 * words: its address and its stride in bytes along the row, or for a parameter the number itself as a float64; two words, of which the first
 * is the period of a triangle: of row r only the first r mod period + 1 elements count, the rest of the results is 0; where it is 0 all do;
 * then for each outer dimension, outermost first: its size and the strides of each operand and result. A unit of work is a row.
 */
import {
  loadFour,
  loadOne,
  loadParameter,
  loadStrided,
  type Operand,
  storeFour,
  storeOne,
  storeStrided,
} from './access.ts';
import { asPairs, Cell, firstLane, rotateLanes } from './cell.ts';
import { bytesOf, type ElementType } from './element.ts';
import type { Expr } from './expr.ts';
import * as s from './expr.ts';
import { type Lanes, Lowering } from './lower.ts';
import { compile, type Kernel } from './module.ts';
import { headerWords, operandWords, seekRow } from './pointwise.ts';
import {
  type Code,
  concat,
  FunctionBuilder,
  forLoop,
  type HostFunction,
  i32,
  i32x4,
  type Local,
  select,
  when,
  whileLoop,
} from './wasm.ts';

/** A total over the row. The greatest does not mind NaN: where it matters, a sum that does comes after it. */
export interface RowTotal {
  readonly map: Expr;
  readonly combine: 'sum' | 'max';
  /** Of the total (input 0) and of the number of elements (input 1). */
  readonly finish: Expr;
}

/**
 * What is computed of each row. Inputs of the expressions are the operands, then the totals. Where there are totals, results lie in memory of their
 * own.
 */
export interface RowProgram {
  readonly totals: readonly RowTotal[];
  readonly results: readonly Expr[];
}

const combinations = {
  sum: { empty: 0, of: s.add(s.input(0), s.input(1)) },
  max: { empty: -Infinity, of: s.select(s.lt(s.input(0), s.input(1)), s.input(1), s.input(0)) },
};

/** The words that say of which elements a row consists. */
export const triangleWords = 2;

/** So many elements are added up before their sums are added to those of the elements before. */
const blockLength = 2048;

/** The first steps of all, then the second ones: pairs of stores may have no other store in between. */
const bySteps = ([some, ...others]: readonly Code[][]): Code[] =>
  some.flatMap((step, i) => [step, ...others.map((other) => other[i])]);

/**
 * @param type the dtype in which numbers are computed
 * @param results where each result goes; one that does not move along the row is written once, and is made of totals alone
 */
export function rowKernel(
  { totals, results: expressions }: RowProgram,
  type: ElementType,
  operands: readonly Operand[],
  results: readonly Operand[],
): Kernel {
  const fn = new FunctionBuilder(['i32', 'i32', 'i32']);
  const [descriptor, begin, end] = fn.params;
  const imports: HostFunction[] = [];
  const lowering = new Lowering(fn, imports);
  const all = [...operands, ...results];
  const wordOf = (k: number): number => 4 * (headerWords + operandWords * k);
  const field = (k: number, word: number): Code => i32.load(descriptor.get, wordOf(k) + 4 * word);
  const row = fn.local('i32');
  const size = fn.local('i32');
  const length = fn.local('i32');
  const period = fn.local('i32');
  const left = fn.local('i32');
  const stop = fn.local('i32');
  /** Never set: what locals of a pair are set to in the end. To V8, a pair is worth less if one of the two is still there in the next round. */
  const nothing = fn.local('v128');
  const starts = all.map((o) => (o.mode === 'parameter' ? undefined : fn.local('i32')));
  const cursors = all.map((o) => (o.mode === 'contiguous' || o.mode === 'strided' ? fn.local('i32') : undefined));
  const strides = all.map((o) => (o.mode === 'strided' ? fn.local('i32') : undefined));

  const compute = (inputs: readonly Lanes[], use: () => void): Code => {
    lowering.begin(inputs);
    use();
    return concat(lowering.body);
  };
  const assign = (cell: Cell, e: Expr, ...inputs: Lanes[]): Code => {
    let value!: Lanes;
    const code = compute(inputs, () => {
      value = lowering.value(e, type);
    });
    return [...code, ...cell.set(value)];
  };

  /** What does not move along the row: parameters, operands that are loaded before it, and totals. */
  const still: Lanes[] = [];
  const ofCall = compute([], () => {
    for (const [k, o] of operands.entries()) {
      const address = i32.add(descriptor.get, i32.const(wordOf(k)));
      if (o.mode === 'parameter') still[k] = loadParameter(lowering, o.type, address);
    }
  });
  const ofRow = compute([], () => {
    for (const [k, o] of operands.entries()) {
      if (o.mode === 'splat') still[k] = loadOne(lowering, o.type, (starts[k] as Local).get);
    }
  });

  const load = (k: number, count: number, shift: number): Lanes => {
    const { type: own } = all[k];
    const address = (cursors[k] as Local).get;
    const stride = strides[k]?.get;
    if (count === 1) return loadOne(lowering, own, address);
    return stride
      ? loadStrided(lowering, own, i32.add(address, i32.mul(stride, i32.const(shift))), stride)
      : loadFour(lowering, own, address, shift * bytesOf[own]);
  };
  const store = (k: number, value: Lanes, count: number, shift: number): Code => {
    const { type: own } = all[k];
    const address = (cursors[k] as Local).get;
    const stride = strides[k]?.get;
    return compute([], () => {
      const converted = lowering.convert(value, own);
      if (count === 1) storeOne(lowering, address, converted);
      else if (stride) storeStrided(lowering, i32.add(address, i32.mul(stride, i32.const(shift))), stride, converted);
      else storeFour(lowering, address, converted, shift * bytesOf[own]);
    });
  };

  /**
   * Goes through what is left of the row and computes expressions of the elements, eight at a time as long as there are so many. All is loaded
   * before anything is written, and the halves of eight are alike: so the host can make wide vectors of them.
   * @param written the results to which `use` writes
   * @param use the steps of what is done with the values of elements that lie `shift` after the cursors, `width` being how many are handled at once
   * @param flush what is done after every so many elements
   */
  const through = (
    roots: readonly Expr[],
    written: readonly number[],
    use: (values: readonly Lanes[], width: number, shift: number) => Code[],
    flush: Code = [],
  ): Code => {
    const read = [...new Set(roots.flatMap(s.inputsOf))].filter((k) => !still[k]);
    const moving = new Set([...read.map(placeOf), ...written]);
    const group = (count: 8 | 4 | 1): Code => {
      const shifts = count === 8 ? [0, 4] : [0];
      const inputs = shifts.map(() => [...still]);
      const values: Lanes[][] = [];
      const before = lowering.kept.length;
      const code = concat([
        ...shifts.map((shift, i) =>
          compute([], () => {
            for (const k of read) inputs[i][k] = load(placeOf(k), count, shift);
          }),
        ),
        ...inputs.map((own) => compute(own, () => values.push(roots.map((e) => lowering.value(e, type))))),
        ...bySteps(shifts.map((shift, i) => use(values[i], count, shift))),
        ...[...moving].map((k) => {
          const stride = strides[k]?.get;
          return (cursors[k] as Local).add(stride ? i32.mul(stride, i32.const(count)) : count * bytesOf[all[k].type]);
        }),
        left.add(-count),
      ]);
      return count === 8 ? [...code, ...concat(lowering.kept.slice(before).map((x) => x.set(nothing.get)))] : code;
    };
    const atLeast = (count: number): Code => i32.geS(left.get, i32.const(count));
    const eights = whileLoop(atLeast(8), [
      ...stop.set(i32.sub(left.get, i32.const(blockLength))),
      ...stop.set(select(atLeast(blockLength + 8), stop.get, i32.const(7))),
      ...whileLoop(i32.gtS(left.get, stop.get), group(8)),
      ...flush,
    ]);
    return concat([eights, whileLoop(atLeast(4), group(4)), whileLoop(atLeast(1), group(1))]);
  };
  const toStart = concat([
    ...cursors.map((cursor, k) => cursor?.set((starts[k] as Local).get) ?? []),
    left.set(length.get),
  ]);

  // What the last total has computed of an element and the first result is made of waits in the place of that result.
  const first = operands.length;
  const reread = first + totals.length;
  const placeOf = (k: number): number => (k === reread ? first : k);
  const computed = totals.at(-1)?.map;
  const finals =
    results[0].mode === 'splat' || results[0].type !== type
      ? expressions
      : expressions.with(
          0,
          s.substitute(expressions[0], (e) => (e === computed && e.op !== 'input' ? s.input(reread) : undefined)),
        );
  const keeps = finals[0] !== expressions[0];

  const total = ({ map, combine, finish }: RowTotal, j: number): Code => {
    const { empty, of } = combinations[combine];
    const cells = (count: number): Cell[] => Array.from({ length: count }, () => new Cell(fn, type));
    const halves = cells(2);
    const [rest, single, count, outcome] = cells(4);
    const sums = combine === 'sum' ? cells(2) : halves;
    const flushes = sums !== halves;
    const clear = (all: readonly Cell[]): Code => concat(all.map((cell) => assign(cell, s.constant(empty))));
    const into = (to: Cell, value: Lanes): Code => assign(to, of, to.value, value);
    const kept = keeps && j === totals.length - 1;
    const elements = through(
      [map],
      kept ? [first] : [],
      ([value], width, shift) => [
        ...(kept ? [store(first, value, width, shift)] : []),
        into(width === 8 ? halves[shift / 4] : width === 4 ? rest : single, value),
      ],
      flushes ? concat([...sums.map((sum, i) => into(sum, halves[i].value)), clear(halves)]) : [],
    );
    still[first + j] = outcome.value;
    return concat([
      clear([...halves, ...(flushes ? sums : []), rest, single]),
      toStart,
      elements,
      compute([], () => {
        const whole: Lanes = { type: 'int32', parts: [lowering.keep(i32x4.splat(length.get))] };
        lowering.body.push(count.set(lowering.convert(whole, type)));
      }),
      into(rest, sums[0].value),
      into(rest, sums[1].value),
      rest.set(
        asPairs(
          rest.value,
          sums.flatMap((sum) => sum.value.parts),
        ),
      ),
      ...([2, 1] as const).map((by) => into(rest, rotateLanes(rest.value, by))),
      into(rest, single.value),
      assign(outcome, finish, rest.value, count.value),
      outcome.set(firstLane(outcome.value)),
    ]);
  };

  const allTotals = totals.map(total);
  const indices = [...results.keys()];
  const moving = indices.filter((k) => results[k].mode !== 'splat');
  const stores = (values: readonly Lanes[], count: number, shift: number): Code[] =>
    moving.map((k, i) => store(first + k, values[i], count, shift));
  const ofTotals = compute(still, () => {
    for (const k of indices) {
      if (results[k].mode !== 'splat') continue;
      const value = lowering.convert(lowering.value(finals[k], type), results[k].type);
      storeOne(lowering, (starts[first + k] as Local).get, value);
    }
  });
  const ofElements = through(
    moving.map((k) => finals[k]),
    moving.map((k) => first + k),
    stores,
  );
  const beyond = through(
    moving.map(() => s.constant(0)),
    moving.map((k) => first + k),
    stores,
  );
  const body = forLoop(row, begin.get, end.get, 1, [
    ...concat(starts.map((start, k) => start?.set(field(k, 0)) ?? [])),
    ...seekRow(fn, descriptor, row, headerWords + operandWords * all.length + triangleWords, starts),
    ...ofRow,
    ...length.set(size.get),
    ...when(period.get, [
      ...length.set(i32.add(i32.remU(row.get, period.get), i32.const(1))),
      ...length.set(select(i32.ltS(length.get, size.get), length.get, size.get)),
    ]),
    ...concat(allTotals),
    ...ofTotals,
    ...(moving.length > 0 ? [...toStart, ...ofElements, ...left.set(i32.sub(size.get, length.get)), ...beyond] : []),
  ]);
  const setup = [
    ...size.set(i32.load(descriptor.get)),
    ...period.set(field(all.length, 0)),
    ...concat(strides.map((stride, k) => stride?.set(field(k, 1)) ?? [])),
    ...ofCall,
  ];
  return compile(fn, concat([setup, ...lowering.prologue, body]), imports);
}
