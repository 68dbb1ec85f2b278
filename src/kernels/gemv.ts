/**
 * Products of a matrix and a vector, y = M x, at the speed at which memory gives M. A matrix with dense rows is multiplied row by row,
 * four at once; one with dense columns column by column, four at once, into a stretch of y that stays in the first-level cache.
 */
import { compile, type Kernel } from './module.ts';
import { seekRow } from './pointwise.ts';
import { type Arithmetic, arithmetic, least, type ProductType, parameters, times } from './product-code.ts';
import {
  type Code,
  call,
  concat,
  type FunctionBuilder,
  fill,
  forLoop,
  type InnerFunction,
  i32,
  type Local,
  v128,
  whileLoop,
} from './wasm.ts';

/** The descriptor, in 32-bit words. Sizes count elements, addresses and strides bytes; x and y are dense. */
export const gemvWord = {
  /** In one product. A unit of work is `gemvBlock` elements of y. */
  units: 0,
  batchDims: 1,
  /** The lengths of y and of x. */
  m: 2,
  k: 3,
  matrix: 4,
  /** From one dense line of the matrix to the next. */
  lineStride: 5,
  x: 6,
  y: 7,
  /** Here begin the batch dimensions, outermost first: the size of each, then the strides of the matrix, x and y. */
  batch: 8,
} as const;

export const gemvBlock = 1024;

/** Lines that are handled at once. */
const lines = 4;

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Pointers to `count` lines that begin at `first`, and their setup. */
function linePointers(fn: FunctionBuilder, count: number, first: Local, stride: Local): [Local[], Code] {
  const pointers = numbers(count).map((i) => (i === 0 ? first : fn.local('i32')));
  return [pointers, concat(pointers.slice(1).map((p, i) => p.set(i32.add(pointers[i].get, stride.get))))];
}

/** dots(rows, stride, x, y, k): the products of `count` dense rows with x; `unroll` vectors of each row are under way at once. */
function dots(own: Arithmetic, count: number, unroll: number): InnerFunction {
  const { bytes, lanes, add, multiplyAdd, extractLane, scalar } = own;
  const builder = parameters(5);
  const [first, stride, x, y, k] = builder.params;
  const [rows, setup] = linePointers(builder, count, first, stride);
  const sums = rows.map(() => numbers(unroll).map(() => builder.local('v128')));
  const totals = rows.map(() => builder.local(own.scalarType));
  const part = builder.local('v128');
  const advance = (distance: number): Code => concat([...rows, x].map((p) => p.add(distance)));
  const vectors = (width: number): Code =>
    whileLoop(
      i32.geS(k.get, i32.const(width * lanes)),
      concat([
        ...numbers(width).map((u) => [
          ...part.set(v128.load(x.get, 16 * u)),
          ...concat(
            rows.map((row, i) => sums[i][u].set(multiplyAdd(v128.load(row.get, 16 * u), part.get, sums[i][u].get))),
          ),
        ]),
        advance(16 * width),
        k.add(-width * lanes),
      ]),
    );
  const body = concat([
    setup,
    vectors(unroll),
    vectors(1),
    ...rows.map((_, i) => {
      const all = sums[i].map((s) => s.get).reduce(add);
      return [
        ...part.set(all),
        ...totals[i].set(
          numbers(lanes)
            .map((lane) => extractLane(part.get, lane))
            .reduce(scalar.add),
        ),
      ];
    }),
    whileLoop(
      k.get,
      concat([
        ...rows.map((row, i) =>
          totals[i].set(scalar.add(totals[i].get, scalar.mul(scalar.load(row.get), scalar.load(x.get)))),
        ),
        advance(bytes),
        k.add(-1),
      ]),
    ),
    ...totals.map((total, i) => scalar.store(y.get, total.get, i * bytes)),
  ]);
  return { builder, body };
}

/** combine(columns, stride, x, y, m): adds to y `count` dense columns, each times its element of x. */
function combine(own: Arithmetic, count: number): InnerFunction {
  const { bytes, lanes, loadSplat, multiplyAdd, extractLane, scalar } = own;
  const builder = parameters(5);
  const [first, stride, x, y, m] = builder.params;
  const [columns, setup] = linePointers(builder, count, first, stride);
  const factors = columns.map(() => builder.local('v128'));
  const advance = (distance: number): Code => concat([...columns, y].map((p) => p.add(distance)));
  const body = concat([
    setup,
    ...factors.map((factor, i) => factor.set(loadSplat(i32.add(x.get, i32.const(i * bytes))))),
    whileLoop(
      i32.geS(m.get, i32.const(lanes)),
      concat([
        v128.store(
          y.get,
          columns.reduce(
            (total, column, i) => multiplyAdd(v128.load(column.get), factors[i].get, total),
            v128.load(y.get),
          ),
        ),
        advance(16),
        m.add(-lanes),
      ]),
    ),
    whileLoop(
      m.get,
      concat([
        scalar.store(
          y.get,
          columns.reduce(
            (total, column, i) =>
              scalar.add(total, scalar.mul(scalar.load(column.get), extractLane(factors[i].get, 0))),
            scalar.load(y.get),
          ),
        ),
        advance(bytes),
        m.add(-1),
      ]),
    ),
  ]);
  return { builder, body };
}

/** Which lines of the matrix are dense. */
export type DenseLines = 'rows' | 'columns';

function gemvKernel(type: ProductType, dense: DenseLines): Kernel {
  const own = arithmetic[type];
  const { bytes } = own;
  const kinds = dense === 'rows' ? [dots(own, lines, 2), dots(own, 1, 4)] : [combine(own, lines), combine(own, 1)];

  const fn = parameters(3);
  const [descriptor, begin, end] = fn.params;
  const field = (name: keyof typeof gemvWord): Code => i32.load(descriptor.get, 4 * gemvWord[name]);
  const [unit, batch, start, length] = numbers(4).map(() => fn.local('i32'));
  const [matrix, stride, x, y, k, left] = numbers(6).map(() => fn.local('i32'));
  /** Goes through the lines that are dense, by fours as long as it can; `element` is where x or y has the elements that go with them. */
  const eachLine = (count: Code, element: Local, other: Local, length: Local): Code => {
    const step = (size: number, kind: number): Code => [
      ...call(
        1 + kind,
        matrix.get,
        stride.get,
        ...(dense === 'rows' ? [other.get, element.get] : [element.get, other.get]),
        length.get,
      ),
      ...matrix.add(times(stride.get, size)),
      ...element.add(size * bytes),
      ...left.add(-size),
    ];
    return [
      ...left.set(count),
      ...whileLoop(i32.geS(left.get, i32.const(lines)), step(lines, 0)),
      ...whileLoop(left.get, step(1, 1)),
    ];
  };
  const block =
    dense === 'rows'
      ? [...matrix.add(times(start.get, stride.get)), ...eachLine(length.get, y, x, k)]
      : [
          ...matrix.add(times(start.get, bytes)),
          ...fill(y.get, 0, times(length.get, bytes)),
          ...eachLine(k.get, x, y, length),
        ];
  const body = concat([
    stride.set(field('lineStride')),
    k.set(field('k')),
    forLoop(
      unit,
      begin.get,
      end.get,
      1,
      concat([
        matrix.set(field('matrix')),
        x.set(field('x')),
        y.set(field('y')),
        batch.set(i32.divU(unit.get, field('units'))),
        seekRow(fn, descriptor, batch, gemvWord.batch, [matrix, x, y]),
        start.set(times(i32.remU(unit.get, field('units')), gemvBlock)),
        length.set(least(i32.sub(field('m'), start.get), i32.const(gemvBlock))),
        y.add(times(start.get, bytes)),
        block,
      ]),
    ),
  ]);
  return compile(fn, body, [], kinds);
}

const kernels: Record<DenseLines, Partial<Record<ProductType, Kernel>>> = { rows: {}, columns: {} };

/** The kernel for a matrix whose rows, or whose columns, are dense. */
export const gemv = (type: ProductType, dense: DenseLines): Kernel =>
  (kernels[dense][type] ??= gemvKernel(type, dense));
