/**
 * Kernels that reduce: a scalar expression of each element of the operands, combined along some dimensions by a sum, a product, an
 * extremum or logic, and a last expression of the total.
 *
 * There are two of each, for the two ways in which a reduced dimension can lie in memory. The row kernel runs along the reduced dimension
 * and makes one result at a time; the column kernel runs down it for a block of neighbouring results at once.
 *
 * Floating sums are pairwise in effect: partial sums are added into the next of four levels whenever a block of them is full. The blocks,
 * and which element goes to which accumulator, are those of PyTorch's CPU kernel (aten/src/ATen/native/cpu/SumKernel.cpp), so that
 * sums agree with it to the last bit.
 *
 * Descriptor, in 32-bit words: (0) the length of the row, or the number of columns; (1) the number of kept dimensions outside of the columns;
 * (2) the address of the table of reduced dimensions; (3) the number of rows under a column; for each operand and the result two words: its
 * address and its stride in bytes along the row or along the columns, or the number itself if it is a parameter; the parameter of the last
 * expression; then for each kept dimension, outermost first, its size and the strides of each operand and of the result. The table: (0)
 * how often the row or column is to be run through; (1) the number of the reduced dimensions outside of it; for each its size and the
 * strides of each operand; after them, for each operand, the stride from row to row under a column.
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
import { Cell, spreadLane } from './cell.ts';
import { bytesOf, type ElementType, isFloat } from './element.ts';
import type { Expr } from './expr.ts';
import * as s from './expr.ts';
import { type Lanes, Lowering } from './lower.ts';
import { compile, type Kernel } from './module.ts';
import { seekRow } from './pointwise.ts';
import {
  type Code,
  concat,
  FunctionBuilder,
  forLoop,
  type HostFunction,
  i32,
  type Local,
  select,
  v128,
  when,
  whileLoop,
} from './wasm.ts';

export const reductionHeaderWords = 4;

/** How the elements are combined; `and` and `or` take truth values. */
export type Combine = 'sum' | 'prod' | 'min' | 'max' | 'and' | 'or';

/** What a reduction computes: `finish` of the total of `map`, both in numbers of one dtype. */
export interface Reduction {
  readonly map: Expr;
  readonly combine: Combine;
  /** Of the total (input 0) and of the number in the descriptor (input 1). */
  readonly finish: Expr;
}

const combination: Record<Combine, Expr> = {
  sum: s.add(s.input(0), s.input(1)),
  prod: s.mul(s.input(0), s.input(1)),
  min: s.min(s.input(0), s.input(1)),
  max: s.max(s.input(0), s.input(1)),
  and: s.and(s.condition(0), s.condition(1)),
  or: s.or(s.condition(0), s.condition(1)),
};
/** Of floating numbers, by the instructions that do not mind NaN, which are eight times as fast as those that do. */
const floatExtremum: Partial<Record<Combine, Expr>> = {
  min: s.select(s.lt(s.input(1), s.input(0)), s.input(1), s.input(0)),
  max: s.select(s.lt(s.input(0), s.input(1)), s.input(1), s.input(0)),
};

const bits: Partial<Record<ElementType, number>> = { int8: 8, int16: 16, int32: 32, int64: 64 };

/** What combines with anything to that: the total of nothing. */
function identity(combine: Combine, type: ElementType): Expr {
  if (combine === 'sum' || combine === 'or') return s.constant(0);
  if (combine === 'prod' || combine === 'and') return s.constant(1);
  if (isFloat(type)) return s.constant(combine === 'min' ? Infinity : -Infinity);
  if (type === 'uint8') return s.constant(combine === 'min' ? 255 : 0);
  const least = s.constant(-(2 ** ((bits[type] as number) - 1)));
  return combine === 'min' ? s.bitNot(least) : least;
}

/** How many columns the column kernel takes at once, which are a unit of its work. */
export const columnBlock = (combine: Combine, type: ElementType): number =>
  4 * (combine === 'sum' ? vectorWidth(type) : 4);

/** The number of elements that one accumulator takes at once: PyTorch's vectors are of 256 bits. */
const vectorWidth = (type: ElementType): number => (type === 'float32' ? 8 : 4);

/** Which elements a cell loads next: four neighbours, one in all lanes, or four by the operand's stride. */
type Width = 'four' | 'one' | 'strided';

/** How many bytes after its cursor, or before, an operand's element lies. */
type Offset = (k: number) => Code | number;

/** What elements come to, and for a floating extremum whether there is NaN among them. */
interface Value {
  readonly value: Lanes;
  readonly nan?: Lanes;
}

/** Where elements are combined. */
interface Accumulator {
  readonly cell: Cell;
  readonly nan?: Cell;
}

const valueIn = ({ cell, nan }: Accumulator): Value => ({ value: cell.value, nan: nan?.value });
/** One lane of a value, in all lanes. */
const laneIn = ({ value, nan }: Value, lane: number): Value => ({
  value: spreadLane(value, lane),
  nan: nan && spreadLane(nan, lane),
});

/** The parts that both kernels are made of. */
class ReductionBuilder {
  readonly fn = new FunctionBuilder(['i32', 'i32', 'i32', 'i32']);
  readonly lowering: Lowering;
  readonly descriptor: Local;
  readonly table: Local;
  /** Where the current unit begins, and the place in it. */
  readonly bases: readonly (Local | undefined)[];
  readonly cursors: readonly (Local | undefined)[];
  readonly output: Local;
  readonly setup: Code[] = [];
  readonly cascades: boolean;
  private readonly combination: Expr;
  private readonly mindsNan: boolean;
  readonly total: ElementType;
  private readonly imports: HostFunction[] = [];
  private readonly reduction: Reduction;
  private readonly type: ElementType;
  private readonly operands: readonly Operand[];
  private readonly result: Operand;
  private readonly parameters: readonly (Lanes | undefined)[];
  private readonly finishParameter: Lanes;

  constructor(reduction: Reduction, type: ElementType, operands: readonly Operand[], result: Operand) {
    this.reduction = reduction;
    this.type = type;
    this.operands = operands;
    this.result = result;
    this.total = reduction.map.logical ? 'bool' : type;
    this.cascades = reduction.combine === 'sum' && isFloat(type);
    const extremum = isFloat(this.total) ? floatExtremum[reduction.combine] : undefined;
    this.mindsNan = extremum !== undefined;
    this.combination = extremum ?? combination[reduction.combine];
    const { fn } = this;
    this.lowering = new Lowering(fn, this.imports);
    this.descriptor = fn.params[0];
    this.table = fn.local('i32');
    const pointer = (o: Operand): Local | undefined => (o.mode === 'parameter' ? undefined : fn.local('i32'));
    this.bases = operands.map(pointer);
    this.cursors = operands.map(pointer);
    this.output = fn.local('i32');
    this.setup.push(this.table.set(this.header(2)));
    this.lowering.begin([]);
    const at = (k: number): Code => i32.add(this.descriptor.get, i32.const(4 * (reductionHeaderWords + 2 * k)));
    this.parameters = operands.map((o, k) =>
      o.mode === 'parameter' ? loadParameter(this.lowering, o.type, at(k)) : undefined,
    );
    this.finishParameter = loadParameter(this.lowering, type, at(operands.length + 1));
    this.setup.push(...this.lowering.body);
  }

  header(word: number): Code {
    return i32.load(this.descriptor.get, 4 * word);
  }

  /** Word 0 or 1 of operand k, or of the result. */
  field(k: number, word: number): Code {
    return this.header(reductionHeaderWords + 2 * k + word);
  }

  accumulator(): Accumulator {
    return { cell: new Cell(this.fn, this.total), nan: this.mindsNan ? new Cell(this.fn, 'bool') : undefined };
  }

  accumulators(count: number): Accumulator[] {
    return Array.from({ length: count }, () => this.accumulator());
  }

  set(to: Accumulator, { value, nan }: Value): Code {
    return [...to.cell.set(value), ...(to.nan && nan ? to.nan.set(nan) : [])];
  }

  clear(accumulators: readonly Accumulator[]): Code {
    this.lowering.begin([]);
    const value = this.lowering.value(identity(this.reduction.combine, this.total), this.total);
    const nan: Lanes = { type: 'bool', parts: [v128.zero] };
    return concat([...this.lowering.body, ...accumulators.map((to) => this.set(to, { value, nan }))]);
  }

  /** Combines a value into what is there. */
  into(to: Accumulator, { value, nan }: Value): Code {
    const { lowering } = this;
    lowering.begin([to.cell.value, value]);
    const combined = lowering.value(this.combination, this.type);
    const code = [...concat(lowering.body), ...to.cell.set(combined)];
    if (!to.nan || !nan) return code;
    lowering.begin([to.nan.value, nan]);
    const either = lowering.value(combination.or, this.type);
    return [...code, ...concat(lowering.body), ...to.nan.set(either)];
  }

  /**
   * Puts the contents of accumulators that go over neighbouring elements side by side in memory, and takes them from there. It is from
   * neighbouring stores that V8 looks for what it can make wide vectors of (see host/wide.ts), and the higher address has to go first.
   */
  settle(accumulators: readonly Accumulator[]): Code {
    const scratch = this.fn.params[3].get;
    const cells = accumulators.map(({ cell }) => cell);
    const nans = accumulators.flatMap(({ nan }) => nan ?? []);
    const locals = [...cells, ...nans].flatMap((cell) => cell.locals);
    return concat([
      ...locals.map((local, i) => v128.store(scratch, local.get, 16 * i)).reverse(),
      ...locals.map((local, i) => local.set(v128.load(scratch, 16 * i))),
    ]);
  }

  /** The code that computes what `map` makes of the elements that lie `offset(k)` bytes after each cursor, and the value. */
  private element(width: Width, offset: Offset): { code: Code; value: Value } {
    const { lowering } = this;
    lowering.begin([]);
    const inputs = this.operands.map((o, k): Lanes => {
      const parameter = this.parameters[k];
      if (parameter) return parameter;
      const cursor = (this.cursors[k] as Local).get;
      const shift = offset(k);
      if (width === 'four' && o.mode === 'contiguous' && typeof shift === 'number')
        return loadFour(lowering, o.type, cursor, shift);
      const address = shift === 0 ? cursor : i32.add(cursor, typeof shift === 'number' ? i32.const(shift) : shift);
      if (o.mode === 'splat' || width === 'one') return loadOne(lowering, o.type, address);
      return o.mode === 'strided'
        ? loadStrided(lowering, o.type, address, this.field(k, 1))
        : loadFour(lowering, o.type, address);
    });
    const loads = lowering.body;
    lowering.begin(inputs);
    const { map } = this.reduction;
    const value = lowering.value(map, this.type);
    const nan = this.mindsNan ? lowering.value(s.isNan(map), this.type) : undefined;
    return { code: concat([...loads, ...lowering.body]), value: { value, nan } };
  }

  /** Combines such a value into an accumulator. */
  take(to: Accumulator, width: Width, offset: Offset): Code {
    const { code, value } = this.element(width, offset);
    return [...code, ...this.into(to, value)];
  }

  /** Moves every cursor by what `step` says for its operand. */
  advance(step: Offset): Code {
    return concat(this.cursors.map((cursor, k) => cursor?.add(step(k)) ?? []));
  }

  /** How far operand k moves over `count` elements of a row or a line of columns. */
  along(k: number, count: number): Code | number {
    const { mode, type } = this.operands[k];
    if (mode === 'strided') return i32.mul(this.field(k, 1), i32.const(count));
    return mode === 'contiguous' ? bytesOf[type] * count : 0;
  }

  /**
   * `rows` times, combines into each accumulator the element that lies `offset(i)` after the cursors, and moves these by `step`. If sums
   * cascade, they are added into those of the next level whenever the bits of a level in the row count come round to zero.
   */
  accumulate(
    accumulators: readonly Accumulator[],
    rows: Local,
    width: Width,
    offset: (i: number) => Offset,
    step: Offset,
  ): Code {
    const { fn } = this;
    const row = fn.local('i32');
    const each = concat([
      ...accumulators.map((to, i) => this.take(to, width, offset(i))),
      this.advance(step),
      row.add(1),
    ]);
    const plain = whileLoop(i32.ltS(row.get, rows.get), each);
    if (!this.cascades) return concat([this.clear(accumulators), row.set(i32.const(0)), plain]);
    const power = fn.local('i32');
    const block = fn.local('i32');
    const stop = fn.local('i32');
    const levels = [accumulators, ...[1, 2, 3].map(() => this.accumulators(accumulators.length))];
    const add = (to: readonly Accumulator[], from: readonly Accumulator[]): Code =>
      concat(to.map((one, i) => this.into(one, valueIn(from[i]))));
    const carry = (level: number): Code => [
      ...add(levels[level], levels[level - 1]),
      ...this.clear(levels[level - 1]),
      ...(level === 3
        ? []
        : when(
            i32.eqz(i32.and(row.get, i32.shl(i32.sub(block.get, i32.const(1)), i32.mul(power.get, i32.const(level))))),
            carry(level + 1),
          )),
    ];
    return concat([
      this.clear(levels.flat()),
      row.set(i32.const(0)),
      // blocks of 2^power rows: a quarter of the bits of the row count, but at least 4
      power.set(i32.shrU(i32.sub(i32.const(32), i32.clz(i32.sub(rows.get, i32.const(1)))), i32.const(2))),
      power.set(select(i32.gtS(power.get, i32.const(4)), power.get, i32.const(4))),
      block.set(i32.shl(i32.const(1), power.get)),
      stop.set(block.get),
      whileLoop(i32.leS(stop.get, rows.get), [
        ...whileLoop(i32.ltS(row.get, stop.get), each),
        ...carry(1),
        ...stop.add(block.get),
      ]),
      plain,
      ...[1, 2, 3].map((level) => add(accumulators, levels[level])),
    ]);
  }

  /** For each round of the outer reduced dimensions: lets `round` reduce from the cursors into `results`, and combines these. */
  overRounds(results: readonly Accumulator[], totals: readonly Accumulator[], round: Code): Code {
    const lap = this.fn.local('i32');
    return [
      ...this.clear(totals),
      ...forLoop(lap, i32.const(0), i32.load(this.table.get), 1, [
        ...concat(this.cursors.map((cursor, k) => cursor?.set((this.bases[k] as Local).get) ?? [])),
        ...seekRow(this.fn, this.table, lap, 2, this.cursors),
        ...round,
        ...concat(totals.map((total, i) => this.into(total, valueIn(results[i])))),
      ]),
    ];
  }

  /** Writes what `finish` makes of a total to the result. */
  store({ cell, nan }: Accumulator, width: Width, offset = 0): Code {
    const { lowering } = this;
    const total = s.input(0);
    const finish = nan
      ? s.substitute(this.reduction.finish, (e) =>
          e === total ? s.select(s.condition(2), Number.NaN, total) : undefined,
        )
      : this.reduction.finish;
    lowering.begin([cell.value, this.finishParameter, ...(nan ? [nan.value] : [])]);
    const value = lowering.convert(lowering.value(finish, this.type), this.result.type);
    const address = this.output.get;
    const stride = this.field(this.operands.length, 1);
    if (width === 'one') storeOne(lowering, address, value);
    else if (this.result.mode === 'strided')
      storeStrided(lowering, i32.add(address, i32.mul(stride, i32.const(offset))), stride, value);
    else storeFour(lowering, address, value, offset * bytesOf[this.result.type]);
    return concat(lowering.body);
  }

  /** Sets the pointers of a unit from the descriptor and its number among the kept dimensions. */
  seek(number: Local): Code {
    const all = [...this.bases, this.output];
    return [
      ...concat(all.map((pointer, k) => pointer?.set(this.field(k, 0)) ?? [])),
      ...seekRow(this.fn, this.descriptor, number, reductionHeaderWords + 2 * (all.length + 1), all),
    ];
  }

  compile(body: Code): Kernel {
    return compile(this.fn, concat([...this.setup, ...this.lowering.prologue, body]), this.imports);
  }
}

/** Reduces along rows; a unit of work is one result. */
export function rowKernel(
  reduction: Reduction,
  type: ElementType,
  operands: readonly Operand[],
  result: Operand,
): Kernel {
  const b = new ReductionBuilder(reduction, type, operands, result);
  const { fn } = b;
  const [, begin, end] = fn.params;
  const unit = fn.local('i32');
  const length = fn.local('i32');
  const rows = fn.local('i32');
  const left = fn.local('i32');
  const found = b.accumulator();
  const total = b.accumulator();
  b.setup.push(length.set(b.header(0)));
  const elements = (count: number): Code => [
    ...rows.set(i32.divU(length.get, i32.const(count))),
    ...left.set(i32.remU(length.get, i32.const(count))),
  ];
  const ones = whileLoop(i32.gtS(left.get, i32.const(0)), [
    ...b.take(found, 'one', () => 0),
    ...b.advance((k) => b.along(k, 1)),
    ...left.add(-1),
  ]);
  const lanes = (from: Accumulator, first: number): Code =>
    concat([0, 1, 2, 3].slice(first).map((lane) => b.into(found, laneIn(valueIn(from), lane))));

  // four accumulators, each of which takes a vector at a time
  const vector = b.cascades ? vectorWidth(type) / 4 : 1;
  const wideOnes = b.accumulators(4 * vector);
  const wide = (): Code => {
    const offset = (k: number, cell: number): number => b.along(k, 4 * cell) as number;
    return [
      ...elements(16 * vector),
      ...b.accumulate(
        wideOnes,
        rows,
        'four',
        (i) => (k) => offset(k, i),
        (k) => b.along(k, 16 * vector),
      ),
      ...b.settle(wideOnes),
      ...whileLoop(i32.geS(left.get, i32.const(4 * vector)), [
        ...concat(wideOnes.slice(0, vector).map((to, i) => b.take(to, 'four', (k) => offset(k, i)))),
        ...b.advance((k) => b.along(k, 4 * vector)),
        ...left.add(-4 * vector),
      ]),
      ...concat(wideOnes.slice(vector).map((from, i) => b.into(wideOnes[i % vector], valueIn(from)))),
      ...b.clear([found]),
      ...ones,
      ...concat(wideOnes.slice(0, vector).map((from) => lanes(from, 0))),
    ];
  };
  // four accumulators, each of which takes an element at a time: the lanes of one cell
  const narrowOne = b.accumulator();
  const narrow = (): Code => [
    ...elements(4),
    ...b.accumulate(
      [narrowOne],
      rows,
      'four',
      () => () => 0,
      (k) => b.along(k, 4),
    ),
    ...b.set(found, laneIn(valueIn(narrowOne), 0)),
    ...ones,
    ...lanes(narrowOne, 1),
  ];

  const round = operands.some((o) => o.mode === 'strided')
    ? narrow()
    : b.cascades
      ? when(i32.ltS(length.get, i32.const(vectorWidth(type))), narrow(), wide())
      : wide();
  return b.compile(
    forLoop(unit, begin.get, end.get, 1, [
      ...b.seek(unit),
      ...b.overRounds([found], [total], round),
      ...b.store(total, 'one'),
    ]),
  );
}

/** Reduces down columns; a unit of work is a block of neighbouring columns. */
export function columnKernel(
  reduction: Reduction,
  type: ElementType,
  operands: readonly Operand[],
  result: Operand,
): Kernel {
  const b = new ReductionBuilder(reduction, type, operands, result);
  const { fn } = b;
  const [, begin, end] = fn.params;
  const unit = fn.local('i32');
  const columns = fn.local('i32');
  const blocks = fn.local('i32');
  const number = fn.local('i32');
  const first = fn.local('i32');
  const height = fn.local('i32');
  const rows = fn.local('i32');
  const left = fn.local('i32');
  const width = columnBlock(reduction.combine, b.total);
  const down = operands.map(() => fn.local('i32'));
  const afterTable = fn.local('i32');
  b.setup.push(
    columns.set(b.header(0)),
    blocks.set(i32.divU(i32.add(columns.get, i32.const(width - 1)), i32.const(width))),
    height.set(b.header(3)),
    afterTable.set(
      i32.add(
        i32.add(b.table.get, i32.const(8)),
        i32.mul(i32.load(b.table.get, 4), i32.const(4 * (1 + operands.length))),
      ),
    ),
    ...down.map((step, k) => step.set(i32.load(afterTable.get, 4 * k))),
  );

  // each column by one accumulator, from row to row
  const straight = (count: number): Code => {
    const cells = b.accumulators(count);
    const totals = b.accumulators(count);
    return [
      ...rows.set(height.get),
      ...b.overRounds(
        cells,
        totals,
        concat([
          b.accumulate(
            cells,
            rows,
            'four',
            (i) => (k) => b.along(k, 4 * i),
            (k) => down[k].get,
          ),
          b.settle(cells),
        ]),
      ),
      ...concat(totals.map((total, i) => b.store(total, 'four', 4 * i)).reverse()),
    ];
  };
  // each column by four accumulators, every fourth row each
  const interleaved = (lanes: Width): Code => {
    const cells = b.accumulators(4);
    const total = b.accumulator();
    return [
      ...b.overRounds(
        [cells[0]],
        [total],
        concat([
          rows.set(i32.shrU(height.get, i32.const(2))),
          b.accumulate(
            cells,
            rows,
            lanes,
            (i) => (k) => (i === 0 ? 0 : i32.mul(down[k].get, i32.const(i))),
            (k) => i32.shl(down[k].get, i32.const(2)),
          ),
          left.set(i32.and(height.get, i32.const(3))),
          whileLoop(i32.gtS(left.get, i32.const(0)), [
            ...b.take(cells[0], lanes, () => 0),
            ...b.advance((k) => down[k].get),
            ...left.add(-1),
          ]),
          ...[1, 2, 3].map((i) => b.into(cells[0], valueIn(cells[i]))),
        ]),
      ),
      ...b.store(total, lanes),
    ];
  };
  const next = (count: number): Code => [
    ...concat(b.bases.map((base, k) => base?.add(b.along(k, count)) ?? [])),
    ...b.output.add(i32.mul(b.field(operands.length, 1), i32.const(count))),
  ];
  const over = fn.local('i32');
  // Only the order of sums depends on the way. PyTorch takes columns straight in full blocks, or four at a time where they are too few for
  // its vectors or do not lie contiguously, and only where one dimension is reduced.
  const single = i32.eqz(i32.load(b.table.get, 4));
  const few = i32.ltS(columns.get, i32.const(vectorWidth(type)));
  const fours = !b.cascades
    ? interleaved('four')
    : when(
        operands.some((o) => o.mode === 'strided') ? single : i32.and(single, few),
        straight(1),
        interleaved('four'),
      );
  const isBlock = i32.geS(over.get, i32.const(width));

  const toBlock: Code = [
    ...b.seek(number),
    ...concat(b.bases.map((base, k) => base?.add(i32.mul(first.get, b.field(k, 1))) ?? [])),
    ...b.output.add(i32.mul(first.get, b.field(operands.length, 1))),
  ];
  // Blocks follow each other: only the first has to be looked for, and those that begin a line of columns.
  return b.compile([
    ...number.set(i32.divU(begin.get, blocks.get)),
    ...first.set(i32.mul(i32.remU(begin.get, blocks.get), i32.const(width))),
    ...toBlock,
    ...forLoop(unit, begin.get, end.get, 1, [
      ...over.set(i32.sub(columns.get, first.get)),
      ...over.set(select(isBlock, i32.const(width), over.get)),
      ...first.add(width),
      ...when(
        b.cascades ? i32.and(isBlock, single) : isBlock,
        [...straight(width / 4), ...next(width)],
        concat([
          whileLoop(i32.geS(over.get, i32.const(4)), [...fours, ...next(4), ...over.add(-4)]),
          whileLoop(i32.gtS(over.get, i32.const(0)), [...interleaved('one'), ...next(1), ...over.add(-1)]),
        ]),
      ),
      ...when(i32.geS(first.get, columns.get), [...first.set(i32.const(0)), ...number.add(1), ...toBlock]),
    ]),
  ]);
}
