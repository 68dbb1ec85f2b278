/**
 * Matrix products C = A B, or C + A B, for any strides of A and B and any number of batch dimensions, block by block as the caches have
 * room (K. Goto and R. van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008).
 *
 * The innermost piece is a tile of C, of a few rows by a few vectors, that stays in registers while k runs. Tiles read A and B where they lie if
 * that is in small steps along k, and else from panels: copies of a block in the order in which tiles read it. So an operand that is a
 * transpose costs no more than another.
 *
 * Where a matrix ends inside a tile, the tile is computed whole: for rows that are missing it reads the last one again, for columns that are
 * missing it reads whatever lies behind B (see `slack` in memory.ts), and then only the part that exists is written.
 */
import { widens } from '../host/wide.ts';
import { allocate, release } from './memory.ts';
import { compile, type Kernel } from './module.ts';
import { seekRow } from './pointwise.ts';
import { type Arithmetic, arithmetic, least, type ProductType, parameters, times } from './product-code.ts';
import {
  type Code,
  call,
  concat,
  doWhile,
  type FunctionBuilder,
  forLoop,
  type InnerFunction,
  i32,
  type Local,
  select,
  v128,
  when,
  whileLoop,
} from './wasm.ts';

/**
 * Where vectors have 256 bits, 6 rows by 2 of them: 12 sums, 2 vectors of B and one element of A are the 15 registers that V8 hands out, and
 * the speed is that of a BLAS in 256 bits. They are written as pairs of 128 bits that lie side by side, and all are loaded before the first
 * is stored, so that V8 can join them (host/wide.ts).
 *
 * Else 4 rows by 2 vectors: 8 sums, 2 vectors of B and one element of each row of A, which is what fits 16 registers in engines that load all
 * elements of a step before they use the first, as V8 does in Node 20 and 22. Of the tiles 3x12, 4x8, 5x8, 6x8 and 12x4 this is the only one
 * that is fast in Node 20, 22, 24 and 26: 6x8 gains 8 % in the last two, but takes 1.6 times as long in the first and twice as long in the second.
 */
export const tileRows = widens ? 6 : 4;
const tileVectors = widens ? 4 : 2;
/** In elements. */
export const tileColumns = (type: ProductType): number => tileVectors * arithmetic[type].lanes;
/** A block of A has blockRows by blockDepth elements, for the second-level cache; a block of B blockDepth by blockColumns, for the third. */
const blockDepth = 256;
const blockRows = 120;
const blockColumns = 2048;

/** The descriptor, in 32-bit words. Sizes count elements, addresses and strides bytes. */
export const gemmWord = {
  /** Rows of tiles in one matrix. A unit of work is one of them. */
  units: 0,
  batchDims: 1,
  m: 2,
  n: 3,
  k: 4,
  /** Whether C is added to rather than overwritten. */
  accumulate: 5,
  a: 6,
  rowStrideA: 7,
  columnStrideA: 8,
  b: 9,
  rowStrideB: 10,
  columnStrideB: 11,
  /** C is dense along its rows. */
  c: 12,
  rowStrideC: 13,
  /** Room for a block of A in panels, and for one of B: 0 to read the operand where it lies, which for B takes dense rows. */
  panelsA: 14,
  panelsB: 15,
  /** Room for a tile. */
  tile: 16,
  /** Here begin the batch dimensions, outermost first: the size of each, then the strides of A, B and C. */
  batch: 17,
} as const;

let room = 0;
let roomBytes = 0;
/** At least so many bytes of memory, which are kept for the next product. */
export function productRoom(bytes: number): number {
  if (bytes > roomBytes) {
    const grown = allocate(bytes);
    if (roomBytes > 0) release(room, roomBytes);
    room = grown;
    roomBytes = bytes;
  }
  return room;
}

const upTo = (size: number, block: number, unit: number): number => Math.ceil(Math.min(size, block) / unit) * unit;

/** What a tile takes, and what a block of A and one of B take in panels. */
export const tileBytes = tileRows * tileVectors * 16;
export const panelBytesA = (type: ProductType, m: number, k: number): number =>
  upTo(m, blockRows, tileRows) * Math.min(k, blockDepth) * arithmetic[type].bytes + 16;
export const panelBytesB = (type: ProductType, n: number, k: number): number =>
  upTo(n, blockColumns, tileColumns(type)) * Math.min(k, blockDepth) * arithmetic[type].bytes;

const sum = (...terms: Code[]): Code => terms.reduce(i32.add);
const lessOne = (local: Local): Code => local.tee(i32.sub(local.get, i32.const(1)));

/** Pointers to `first` and the lines that follow it, `step` bytes apart; those from `count` on stay at the last one. */
function linePointers(fn: FunctionBuilder, size: number, first: Local, step: Local, count: Local): [Local[], Code] {
  const pointers = Array.from({ length: size }, (_, i) => (i === 0 ? first : fn.local('i32')));
  const setup = pointers.map((p, i) => {
    if (i === 0) return [];
    const previous = pointers[i - 1].get;
    return p.set(select(i32.gtS(count.get, i32.const(i)), i32.add(previous, step.get), previous));
  });
  return [pointers, concat(setup)];
}

/** tile(a, rowStrideA, columnStrideA, rows, b, rowStrideB, c, rowStrideC, k, accumulate) computes a whole tile at c. */
function tileFunction({ loadSplat, add, multiplyAdd }: Arithmetic): InnerFunction {
  const builder = parameters(10);
  const [a, rowA, columnA, rows, b, rowB, c, rowC, k, accumulate] = builder.params;
  const [pointers, setup] = linePointers(builder, tileRows, a, rowA, rows);
  const columns = Array.from({ length: tileVectors }, () => builder.local('v128'));
  const sums = pointers.map(() => columns.map(() => builder.local('v128')));
  const element = builder.local('v128');
  const write = (value: (sum: Local, offset: number) => Code): Code =>
    concat(
      sums.map((line) => [
        ...concat(line.map((s, v) => s.set(value(s, 16 * v)))),
        ...concat(line.map((s, v) => v128.store(c.get, s.get, 16 * v))),
        ...c.add(rowC.get),
      ]),
    );
  const step = concat([
    ...columns.map((column, v) => column.set(v128.load(b.get, 16 * v))),
    ...pointers.map((p, i) => [
      ...element.set(loadSplat(p.get)),
      ...concat(sums[i].map((s, v) => s.set(multiplyAdd(element.get, columns[v].get, s.get)))),
      ...p.add(columnA.get),
    ]),
    b.add(rowB.get),
  ]);
  const body = concat([
    setup,
    doWhile(step, lessOne(k)),
    when(
      accumulate.get,
      write((s, offset) => add(v128.load(c.get, offset), s.get)),
      write((s) => s.get),
    ),
  ]);
  return { builder, body };
}

/** place(tile, c, rowStrideC, rows, columns, accumulate) writes to C the part of a tile that lies in it. */
function placeFunction({ bytes, scalar }: Arithmetic): InnerFunction {
  const builder = parameters(6);
  const [tile, c, rowC, rows, columns, accumulate] = builder.params;
  const offset = builder.local('i32');
  const width = builder.local('i32');
  const from = (base: Local): Code => i32.add(base.get, offset.get);
  const write = (value: Code): Code => scalar.store(from(c), value);
  const body = concat([
    width.set(times(columns.get, bytes)),
    doWhile(
      concat([
        forLoop(
          offset,
          i32.const(0),
          width.get,
          bytes,
          when(
            accumulate.get,
            write(scalar.add(scalar.load(from(c)), scalar.load(from(tile)))),
            write(scalar.load(from(tile))),
          ),
        ),
        tile.add(16 * tileVectors),
        c.add(rowC.get),
      ]),
      lessOne(rows),
    ),
  ]);
  return { builder, body };
}

/**
 * pack(panel, source, across, along, width, length) copies `width` lines of `length` elements into a panel for `size` lines, in which the
 * elements at one position of the lines are neighbours. Lines are `across` bytes apart and the elements of one `along` bytes. Where lines are no
 * whole number of vectors, the last vector is written whole and its end overwritten by what follows it.
 */
function packFunction({ bytes, lanes, scalar }: Arithmetic, size: number): InnerFunction {
  const builder = parameters(6);
  const [panel, source, across, along, width, length] = builder.params;
  const [pointers, setup] = linePointers(builder, size, source, across, width);
  const step = size * bytes;
  const groups = Array.from({ length: Math.ceil(size / lanes) }, (_, g) => g);

  const neighbours = whileLoop(
    length.get,
    concat([
      ...groups.map((g) => v128.store(panel.get, v128.load(source.get, 16 * g), 16 * g)),
      source.add(along.get),
      panel.add(step),
      length.add(-1),
    ]),
  );
  const squares = groups.map(() => Array.from({ length: lanes }, () => builder.local('v128')));
  const columns = squares.map(transposed);
  const bySquares = whileLoop(
    i32.geS(length.get, i32.const(lanes)),
    concat([
      ...squares.flatMap((square, g) =>
        square.map((line, u) => line.set(v128.load(pointers[Math.min(g * lanes + u, size - 1)].get))),
      ),
      ...squares[0].flatMap((_, u) => groups.map((g) => v128.store(panel.get, columns[g][u], u * step + 16 * g))),
      ...pointers.map((p) => p.add(16)),
      panel.add(lanes * step),
      length.add(-lanes),
    ]),
  );
  const single = whileLoop(
    length.get,
    concat([
      ...pointers.map((p, i) => [...scalar.store(panel.get, scalar.load(p.get), i * bytes), ...p.add(along.get)]),
      panel.add(step),
      length.add(-1),
    ]),
  );
  const body = when(i32.eq(across.get, i32.const(bytes)), neighbours, [
    ...setup,
    ...when(i32.eq(along.get, i32.const(bytes)), bySquares),
    ...single,
  ]);
  return { builder, body };
}

/** The columns of a square matrix that is given by its rows. */
function transposed(rows: readonly Local[]): Code[] {
  const interleave = (a: Code, b: Code, bytes: 4 | 8, half: 0 | 8): Code => {
    const positions: number[] = [];
    for (let at = half; positions.length < 16; at += bytes) {
      for (const source of [0, 16]) for (let i = 0; i < bytes; i++) positions.push(source + at + i);
    }
    return v128.shuffle(a, b, positions);
  };
  const [a, b, c, d] = rows.map((row) => row.get);
  const halves = [0, 8] as const;
  if (rows.length === 2) return halves.map((half) => interleave(a, b, 8, half));
  return halves.flatMap((half) => {
    const [ab, cd] = [interleave(a, b, 4, half), interleave(c, d, 4, half)];
    return halves.map((part) => interleave(ab, cd, 8, part));
  });
}

function locals<const Name extends string>(fn: FunctionBuilder, names: readonly Name[]): Record<Name, Local> {
  return Object.fromEntries(names.map((name) => [name, fn.local('i32')])) as Record<Name, Local>;
}

function gemmKernel(type: ProductType): Kernel {
  const own = arithmetic[type];
  const { bytes } = own;
  const width = tileColumns(type);
  const tile = (...args: Code[]): Code => call(1, ...args);
  const place = (...args: Code[]): Code => call(2, ...args);
  const packA = (...args: Code[]): Code => call(3, ...args);
  const packB = (...args: Code[]): Code => call(4, ...args);
  const inner = [tileFunction(own), placeFunction(own), packFunction(own, tileRows), packFunction(own, width)];

  const fn = parameters(3);
  const [descriptor, begin, end] = fn.params;
  const fields = Object.keys(gemmWord) as (keyof typeof gemmWord)[];
  const d = locals(fn, fields);
  // the matrices of one batch, and the rows of them to compute
  const { unit, batch, a, b, c, top, bottom } = locals(fn, ['unit', 'batch', 'a', 'b', 'c', 'top', 'bottom']);
  // a block: where it begins, and how far it reaches
  const { row, column, depth } = locals(fn, ['row', 'column', 'depth']);
  const { rows, columns, depths, accumulate } = locals(fn, ['rows', 'columns', 'depths', 'accumulate']);
  // a tile in it
  const { i, j, height, breadth, target } = locals(fn, ['i', 'j', 'height', 'breadth', 'target']);
  /**
   * A block of an operand: how tiles read its lines, which are the rows of A and the columns of B, and the code that makes it so. The
   * lines of the next tile begin `next` bytes further.
   */
  const blockOf = (
    operand: Local,
    [panels, acrossLines, alongLines]: readonly Local[],
    [first, count]: readonly Local[],
    size: number,
    pack: (...args: Code[]) => Code,
  ) => {
    const { block, across, along, next } = locals(fn, ['block', 'across', 'along', 'next']);
    const source = sum(operand.get, times(first.get, acrossLines.get), times(depth.get, alongLines.get));
    const packed = concat([
      block.set(panels.get),
      across.set(i32.const(bytes)),
      along.set(i32.const(size * bytes)),
      next.set(times(depths.get, size * bytes)),
      forLoop(
        i,
        i32.const(0),
        count.get,
        size,
        pack(
          sum(block.get, times(times(i.get, depths.get), bytes)),
          sum(source, times(i.get, acrossLines.get)),
          acrossLines.get,
          alongLines.get,
          i32.sub(count.get, i.get),
          depths.get,
        ),
      ),
    ]);
    const inPlace = concat([
      block.set(source),
      across.set(acrossLines.get),
      along.set(alongLines.get),
      next.set(times(acrossLines.get, size)),
    ]);
    return { block, across, along, next, take: when(panels.get, packed, inPlace) };
  };
  const blockA = blockOf(a, [d.panelsA, d.rowStrideA, d.columnStrideA], [row, rows], tileRows, packA);
  const blockB = blockOf(b, [d.panelsB, d.columnStrideB, d.rowStrideB], [column, columns], width, packB);

  const { lineA, lineB } = locals(fn, ['lineA', 'lineB']);
  const operands = [lineA, blockA.across, blockA.along, height, lineB, blockB.along].map((local) => local.get);
  const oneTile = concat([
    height.set(least(i32.sub(rows.get, i.get), i32.const(tileRows))),
    when(
      i32.and(i32.eq(height.get, i32.const(tileRows)), i32.eq(breadth.get, i32.const(width))),
      tile(...operands, target.get, d.rowStrideC.get, depths.get, accumulate.get),
      [
        ...tile(...operands, d.tile.get, i32.const(16 * tileVectors), depths.get, i32.const(0)),
        ...place(d.tile.get, target.get, d.rowStrideC.get, height.get, breadth.get, accumulate.get),
      ],
    ),
    lineA.add(blockA.next.get),
    target.add(times(d.rowStrideC.get, tileRows)),
  ]);
  const tiles = concat([
    lineB.set(blockB.block.get),
    forLoop(
      j,
      i32.const(0),
      columns.get,
      width,
      concat([
        breadth.set(least(i32.sub(columns.get, j.get), i32.const(width))),
        lineA.set(blockA.block.get),
        target.set(sum(c.get, times(row.get, d.rowStrideC.get), times(i32.add(column.get, j.get), bytes))),
        forLoop(i, i32.const(0), rows.get, tileRows, oneTile),
        lineB.add(blockB.next.get),
      ]),
    ),
  ]);
  const upTo = (length: Local, start: Local, last: Local, block: number): Code =>
    length.set(least(i32.sub(last.get, start.get), i32.const(block)));
  const blocks = forLoop(column, i32.const(0), d.n.get, blockColumns, [
    ...upTo(columns, column, d.n, blockColumns),
    ...forLoop(depth, i32.const(0), d.k.get, blockDepth, [
      ...upTo(depths, depth, d.k, blockDepth),
      ...accumulate.set(i32.or(d.accumulate.get, depth.get)),
      ...blockB.take,
      ...forLoop(row, top.get, bottom.get, blockRows, [
        ...upTo(rows, row, bottom, blockRows),
        ...blockA.take,
        ...tiles,
      ]),
    ]),
  ]);
  const body = concat([
    ...fields.map((name) => d[name].set(i32.load(descriptor.get, 4 * gemmWord[name]))),
    unit.set(begin.get),
    whileLoop(
      i32.ltS(unit.get, end.get),
      concat([
        batch.set(i32.divU(unit.get, d.units.get)),
        top.set(times(i32.remU(unit.get, d.units.get), tileRows)),
        unit.set(least(times(i32.add(batch.get, i32.const(1)), d.units.get), end.get)),
        bottom.set(least(times(i32.sub(unit.get, times(batch.get, d.units.get)), tileRows), d.m.get)),
        a.set(d.a.get),
        b.set(d.b.get),
        c.set(d.c.get),
        seekRow(fn, descriptor, batch, gemmWord.batch, [a, b, c]),
        blocks,
      ]),
    ),
  ]);
  return compile(fn, body, [], inner);
}

const kernels: Partial<Record<ProductType, Kernel>> = {};

/** The kernel that multiplies matrices of `type`. Its sizes must not be 0. */
export const gemm = (type: ProductType): Kernel => (kernels[type] ??= gemmKernel(type));
