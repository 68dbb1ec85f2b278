/**
 * Kernels that walk along one dimension: four lines at a time, one in each lane, or a single one. What is done at each step is up to
 * scan.ts and arg-reduce.ts.
 *
 * Descriptor, in 32-bit words: (0) the number of neighbouring lines; (1) the number of dimensions outside of them; (2) the number of steps
 * along a line; for each operand and then each result three words: the address at which its first line begins, and its strides in bytes
 * from line to line and along a line; then for each outer dimension, outermost first, its size and the strides of each operand and
 * result.
 */
import { loadFour, loadOne, loadStrided, type Operand, storeFour, storeOne, storeStrided } from './access.ts';
import { Cell } from './cell.ts';
import { bytesOf, type ElementType } from './element.ts';
import type { Expr } from './expr.ts';
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
  when,
  whileLoop,
} from './wasm.ts';

export const lineHeaderWords = 3;
export const lineWords = 3;

/** How many lines, or elements, are handled at once. */
export type Width = 4 | 1;

export class LineBuilder {
  readonly fn = new FunctionBuilder(['i32', 'i32', 'i32']);
  readonly lowering: Lowering;
  readonly steps: Local;
  private readonly operands: readonly Operand[];
  private readonly all: readonly Operand[];
  private readonly starts: readonly Local[];
  private readonly cursors: readonly Local[];
  private readonly imports: HostFunction[] = [];
  private readonly setup: Code[] = [];

  /** The mode of an operand or a result says how it moves from line to line. */
  constructor(operands: readonly Operand[], results: readonly Operand[]) {
    this.operands = operands;
    this.all = [...operands, ...results];
    this.lowering = new Lowering(this.fn, this.imports);
    this.starts = this.all.map(() => this.fn.local('i32'));
    this.cursors = this.all.map(() => this.fn.local('i32'));
    this.steps = this.fn.local('i32');
    this.setup.push(this.steps.set(this.header(2)));
  }

  cell(type: ElementType): Cell {
    return new Cell(this.fn, type);
  }

  /** The code that computes expressions of some inputs and does something with the values. */
  compute(inputs: readonly Lanes[], use: () => void): Code {
    this.lowering.begin(inputs);
    use();
    return concat(this.lowering.body);
  }

  /** Sets a cell to an expression of the inputs, in numbers of `type`. */
  assign(cell: Cell, e: Expr, type: ElementType, ...inputs: Lanes[]): Code {
    let value!: Lanes;
    const code = this.compute(inputs, () => {
      value = this.lowering.value(e, type);
    });
    return [...code, ...cell.set(value)];
  }

  private header(word: number): Code {
    return i32.load(this.descriptor.get, 4 * word);
  }

  private field(k: number, word: number): Code {
    return this.header(lineHeaderWords + lineWords * k + word);
  }

  private get descriptor(): Local {
    return this.fn.params[0];
  }

  /** The operands at the cursors: the code that loads them, and their values. */
  load(width: Width): { code: Code; values: Lanes[] } {
    let values: Lanes[] = [];
    const code = this.compute([], () => {
      values = this.operands.map((o, k) => {
        const cursor = this.cursors[k].get;
        if (o.mode === 'splat' || width === 1) return loadOne(this.lowering, o.type, cursor);
        if (o.mode === 'strided') return loadStrided(this.lowering, o.type, cursor, this.field(k, 1));
        return loadFour(this.lowering, o.type, cursor);
      });
    });
    return { code, values };
  }

  /** Four neighbours along the line of operand 0, which lies contiguously, `offset` elements after its cursor. */
  loadAlong(width: Width, offset: number): { code: Code; value: Lanes } {
    const { type } = this.operands[0];
    const address = i32.add(this.cursors[0].get, i32.const(offset * bytesOf[type]));
    let value!: Lanes;
    const code = this.compute([], () => {
      value = (width === 4 ? loadFour : loadOne)(this.lowering, type, address);
    });
    return { code, value };
  }

  /** Writes a value to result k at its cursor; to be called within `compute`. */
  store(k: number, width: Width, value: Lanes): void {
    const at = this.operands.length + k;
    const { type, mode } = this.all[at];
    const converted = this.lowering.convert(value, type);
    const cursor = this.cursors[at].get;
    if (width === 1) storeOne(this.lowering, cursor, converted);
    else if (mode === 'strided') storeStrided(this.lowering, cursor, this.field(at, 1), converted);
    else storeFour(this.lowering, cursor, converted);
  }

  /** Moves all cursors `count` steps along the line. */
  advance(count = 1): Code {
    return concat(this.cursors.map((cursor, k) => cursor.add(i32.mul(this.field(k, 2), i32.const(count)))));
  }

  /**
   * The kernel in which `line` does its work for each group of four lines and each line that is left over. A unit of work is a group
   * of at most `group` lines.
   */
  finish(group: Width, line: (width: Width) => Code): Kernel {
    const { fn } = this;
    const [descriptor, begin, end] = fn.params;
    const unit = fn.local('i32');
    const groups = fn.local('i32');
    const number = fn.local('i32');
    const first = fn.local('i32');
    const left = fn.local('i32');
    const toCursors = concat(this.cursors.map((cursor, k) => cursor.set(this.starts[k].get)));
    const one = whileLoop(i32.gtS(left.get, i32.const(0)), [
      ...toCursors,
      ...line(1),
      ...concat(this.starts.map((start, k) => start.add(this.field(k, 1)))),
      ...left.add(-1),
    ]);
    const lines = this.header(0);
    const body = forLoop(unit, begin.get, end.get, 1, [
      ...number.set(i32.divU(unit.get, groups.get)),
      ...first.set(i32.mul(i32.remU(unit.get, groups.get), i32.const(group))),
      ...concat(
        this.starts.map((start, k) => start.set(i32.add(this.field(k, 0), i32.mul(first.get, this.field(k, 1))))),
      ),
      ...seekRow(fn, descriptor, number, lineHeaderWords + lineWords * this.all.length, this.starts),
      ...left.set(i32.sub(lines, first.get)),
      ...(group === 1
        ? [...left.set(i32.const(1)), ...one]
        : when(i32.geS(left.get, i32.const(4)), [...toCursors, ...line(4)], one)),
    ]);
    this.setup.push(groups.set(i32.divU(i32.add(lines, i32.const(group - 1)), i32.const(group))));
    return compile(fn, concat([...this.setup, ...this.lowering.prologue, body]), this.imports);
  }
}
