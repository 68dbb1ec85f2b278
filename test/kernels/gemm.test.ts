/** Matrix products against three plain loops: every type, layout, way of reading, and block boundary. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arrayOf, bytesOf } from '../../src/kernels/element.ts';
import {
  gemm,
  gemmWord,
  panelBytesA,
  panelBytesB,
  productRoom,
  tileBytes,
  tileColumns,
  tileRows,
} from '../../src/kernels/gemm.ts';
import { type DenseLines, gemv, gemvBlock, gemvWord } from '../../src/kernels/gemv.ts';
import { allocate, descriptor, heap, release, slack } from '../../src/kernels/memory.ts';
import type { ProductType } from '../../src/kernels/product-code.ts';

const types: readonly ProductType[] = ['float32', 'float64', 'int32', 'int64'];

/** Elements of linear memory under two strides, in elements, and a batch stride. */
interface Block {
  readonly address: number;
  readonly count: number;
  readonly strides: readonly [batch: number, row: number, column: number];
}

/** Numbers that are exact in every type, as are their products' sums. */
let state = 1;
const small = (): number => {
  state = (Math.imul(state, 1103515245) + 12345) | 0;
  return ((state >>> 16) % 17) - 8;
};

const blocks: [address: number, bytes: number][] = [];
const freeBlocks = (): void => {
  for (const [address, bytes] of blocks.splice(0)) release(address, bytes);
};

function block(type: ProductType, strides: Block['strides'], sizes: readonly number[]): Block {
  const count = 1 + sizes.reduce((sum, size, d) => sum + (size - 1) * strides[d], 0);
  const bytes = count * bytesOf[type];
  const address = allocate(bytes);
  blocks.push([address, bytes]);
  const elements = new arrayOf[type](heap.uint8.buffer, address, count);
  for (let i = 0; i < count; i++) elements[i] = type === 'int64' ? BigInt(small()) : small();
  return { address, count, strides };
}

const read = (type: ProductType, { address, count }: Block): number[] =>
  Array.from(new arrayOf[type](heap.uint8.buffer, address, count) as ArrayLike<number | bigint>, Number);

interface Layout {
  readonly type: ProductType;
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Whether to swap the strides of an operand, and how many elements lie between its rows beyond the dense. */
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly gapA: number;
  readonly gapB: number;
  readonly gapC: number;
  /** Elements between neighbours, for operands in which no line is dense. */
  readonly spreadA: number;
  readonly packA: boolean;
  readonly packB: boolean;
  readonly accumulate: boolean;
  /** One call for all units, or one for each half. */
  readonly halves: boolean;
}

function layOut(rows: number, columns: number, transpose: boolean, gap: number, spread = 1): Block['strides'] {
  const line = (transpose ? rows : columns) * spread + gap;
  const [row, column] = transpose ? [spread, line] : [line, spread];
  return [(transpose ? columns : rows) * line, row, column];
}

function multiply(layout: Layout): void {
  const { type, batch, m, n, k } = layout;
  const bytes = bytesOf[type];
  const a = block(type, layOut(m, k, layout.transposeA, layout.gapA, layout.spreadA), [batch, m, k]);
  const b = block(type, layOut(k, n, layout.transposeB, layout.gapB), [batch, k, n]);
  const c = block(type, layOut(m, n, false, layout.gapC), [batch, m, n]);
  const [x, y, before] = [read(type, a), read(type, b), read(type, c)];
  const tile = productRoom(tileBytes + panelBytesA(type, m, k) + panelBytesB(type, n, k));
  const panelsA = tile + tileBytes;
  const units = Math.ceil(m / tileRows);
  const fields: Record<keyof typeof gemmWord, number> = {
    units,
    batchDims: 1,
    m,
    n,
    k,
    accumulate: Number(layout.accumulate),
    a: a.address,
    rowStrideA: a.strides[1] * bytes,
    columnStrideA: a.strides[2] * bytes,
    b: b.address,
    rowStrideB: b.strides[1] * bytes,
    columnStrideB: b.strides[2] * bytes,
    c: c.address,
    rowStrideC: c.strides[1] * bytes,
    panelsA: layout.packA ? panelsA : 0,
    // where B has no dense rows, it can only be read from panels
    panelsB: layout.packB || layout.transposeB ? panelsA + panelBytesA(type, m, k) : 0,
    tile,
    batch,
  };
  for (const [name, at] of Object.entries(gemmWord)) {
    heap.int32[descriptor / 4 + at] = fields[name as keyof typeof gemmWord];
  }
  [a, b, c].forEach((operand, i) => {
    heap.int32[descriptor / 4 + gemmWord.batch + 1 + i] = operand.strides[0] * bytes;
  });
  const middle = layout.halves ? Math.floor((batch * units) / 2) : 0;
  gemm(type)(descriptor, 0, middle);
  gemm(type)(descriptor, middle, batch * units);

  const after = read(type, c);
  const expected = [...before];
  for (let p = 0; p < batch; p++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        const at = p * c.strides[0] + i * c.strides[1] + j;
        let total = layout.accumulate ? before[at] : 0;
        for (let l = 0; l < k; l++) {
          total +=
            x[p * a.strides[0] + i * a.strides[1] + l * a.strides[2]] *
            y[p * b.strides[0] + l * b.strides[1] + j * b.strides[2]];
        }
        expected[at] = total;
      }
    }
  }
  freeBlocks();
  // what lies between the rows of C must be as it was, too
  assert.deepEqual(after, expected);
}

const plain = { batch: 1, transposeA: false, transposeB: false, gapA: 0, gapB: 0, gapC: 0, spreadA: 1 };
const ways = { packA: false, packB: false, accumulate: false, halves: false };

test('products of small matrices in every layout', () => {
  const size = fc.integer({ min: 1, max: 21 });
  const gap = fc.integer({ min: 0, max: 3 });
  const layout = fc.record<Layout>({
    type: fc.constantFrom(...types),
    batch: fc.integer({ min: 1, max: 3 }),
    m: size,
    n: size,
    k: size,
    transposeA: fc.boolean(),
    transposeB: fc.boolean(),
    gapA: gap,
    gapB: gap,
    gapC: gap,
    spreadA: fc.integer({ min: 1, max: 2 }),
    packA: fc.boolean(),
    packB: fc.boolean(),
    accumulate: fc.boolean(),
    halves: fc.boolean(),
  });
  fc.assert(fc.property(layout, multiply), { numRuns: 1000 });
});

test('products that take several blocks in each direction', () => {
  for (const type of types) {
    for (const [m, n, k] of [
      [261, 9, 3],
      [3, 2 * 2048 + 5, 2],
      [5, 11, 2 * 256 + 3],
      [130, 2050, 258],
    ]) {
      if (m * n * k > 1e7 && type !== 'float32') continue;
      for (const transpose of [false, true]) {
        for (const pack of [false, true]) {
          const layout = { ...plain, ...ways, type, m, n, k, transposeA: transpose, transposeB: transpose };
          multiply({ ...layout, packA: pack, packB: pack, accumulate: pack, halves: true });
        }
      }
    }
  }
});

test('integers wrap around', () => {
  for (const type of ['int32', 'int64'] as const) {
    const bytes = bytesOf[type];
    const [a, b, c] = [1, 2, 3].map(() => block(type, [0, 1, 1], [1, 1, 1]));
    const elements = (at: Block) => new arrayOf[type](heap.uint8.buffer, at.address, 1);
    const large = type === 'int32' ? 2 ** 31 - 1 : 2n ** 63n - 1n;
    elements(a)[0] = large;
    elements(b)[0] = large;
    const tile = productRoom(tileBytes);
    const fields = { units: 1, batchDims: 0, m: 1, n: 1, k: 1, accumulate: 0, panelsA: 0, panelsB: 0, tile };
    const addresses = { a: a.address, b: b.address, c: c.address };
    for (const [name, value] of Object.entries({ ...fields, ...addresses })) {
      heap.int32[descriptor / 4 + gemmWord[name as keyof typeof gemmWord]] = value;
    }
    for (const at of ['rowStrideA', 'columnStrideA', 'rowStrideB', 'columnStrideB', 'rowStrideC'] as const) {
      heap.int32[descriptor / 4 + gemmWord[at]] = bytes;
    }
    gemm(type)(descriptor, 0, 1);
    assert.equal(Number(elements(c)[0]), 1);
    freeBlocks();
  }
});

test('what a tile reads beyond a matrix is memory, wherever the matrix lies', () => {
  const before = heap.uint8.buffer;
  const size = 128;
  while (heap.uint8.buffer === before) {
    const address = allocate(size);
    blocks.push([address, size]);
    assert.ok(address + size + slack <= heap.uint8.buffer.byteLength);
  }
  freeBlocks();
  // at most one element of a row of B is not beyond it
  const overread = Math.max(...types.map((type) => (tileColumns(type) - 1) * bytesOf[type]));
  assert.ok(overread <= slack);
});

interface VectorLayout {
  readonly type: ProductType;
  readonly dense: DenseLines;
  readonly batch: number;
  readonly m: number;
  readonly k: number;
  readonly gap: number;
  readonly halves: boolean;
}

function multiplyVector({ type, dense, batch, m, k, gap, halves }: VectorLayout): void {
  const bytes = bytesOf[type];
  const a = block(type, layOut(m, k, dense === 'columns', gap), [batch, m, k]);
  const x = block(type, [k, 1, 1], [batch, k, 1]);
  const y = block(type, [m, 1, 1], [batch, m, 1]);
  const [matrix, vector] = [read(type, a), read(type, x)];
  const units = Math.ceil(m / gemvBlock);
  const fields: Record<keyof typeof gemvWord, number> = {
    units,
    batchDims: 1,
    m,
    k,
    matrix: a.address,
    lineStride: a.strides[dense === 'rows' ? 1 : 2] * bytes,
    x: x.address,
    y: y.address,
    batch,
  };
  for (const [name, at] of Object.entries(gemvWord)) {
    heap.int32[descriptor / 4 + at] = fields[name as keyof typeof gemvWord];
  }
  [a, x, y].forEach((operand, i) => {
    heap.int32[descriptor / 4 + gemvWord.batch + 1 + i] = operand.strides[0] * bytes;
  });
  const middle = halves ? Math.floor((batch * units) / 2) : 0;
  gemv(type, dense)(descriptor, 0, middle);
  gemv(type, dense)(descriptor, middle, batch * units);
  const expected: number[] = [];
  for (let p = 0; p < batch; p++) {
    for (let i = 0; i < m; i++) {
      let total = 0;
      for (let l = 0; l < k; l++) {
        total += matrix[p * a.strides[0] + i * a.strides[1] + l * a.strides[2]] * vector[p * k + l];
      }
      expected.push(total);
    }
  }
  const after = read(type, y);
  freeBlocks();
  assert.deepEqual(after, expected);
}

test('products with vectors in every layout', () => {
  const size = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1020, max: 1030 }));
  const layout = fc.record<VectorLayout>({
    type: fc.constantFrom(...types),
    dense: fc.constantFrom<DenseLines>('rows', 'columns'),
    batch: fc.integer({ min: 1, max: 3 }),
    m: size,
    k: fc.integer({ min: 1, max: 40 }),
    gap: fc.integer({ min: 0, max: 3 }),
    halves: fc.boolean(),
  });
  fc.assert(fc.property(layout, multiplyVector), { numRuns: 500 });
});
