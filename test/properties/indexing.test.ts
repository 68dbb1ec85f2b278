/** What is read and written by index against plain loops over nested coordinates, in every dtype and layout. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ellipsis, type IndexItem, slice, type Tensor, tensor, where } from '../../src/index.ts';
import type { ElementType } from '../../src/kernels/element.ts';

/** A tensor and its elements in row-major order. */
interface Model {
  /** A new one for each use: properties write to them. */
  readonly make: () => Tensor;
  readonly shape: readonly number[];
  readonly data: number[];
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The coordinates of all elements of a shape, in row-major order. */
function* everyIndex(shape: readonly number[]): Generator<number[]> {
  for (let k = 0; k < sizeOf(shape); k++) {
    let rest = k;
    yield shape.map((_, d) => {
      const below = sizeOf(shape.slice(d + 1));
      const i = Math.floor(rest / below);
      rest %= below;
      return i;
    });
  }
}

const number = (shape: readonly number[], at: readonly number[]): number =>
  shape.reduce((sum, size, d) => sum * size + at[d], 0);

/** The same elements in one of several layouts: dense, with dimensions exchanged, or every other one of a larger tensor. */
function lay(data: readonly number[], shape: readonly number[], dtype: ElementType, layout: number): Tensor {
  const dense = tensor(data as number[], { dtype }).reshape(shape as number[]);
  if (layout === 1 && shape.length > 1) return dense.transpose(0, -1).contiguous().transpose(0, -1);
  if (layout === 2 && shape.length > 0) {
    const apart = tensor(
      data.flatMap((v) => [v, 99]),
      { dtype },
    ).reshape([...shape, 2]);
    return apart.select(-1, 0);
  }
  return dense;
}

const dtypes: readonly ElementType[] = ['float32', 'float64', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool'];
const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 });
const layouts = fc.nat(2);

const anyValue = (dtype: ElementType): fc.Arbitrary<number> =>
  dtype === 'bool' ? fc.nat(1) : fc.integer({ min: dtype === 'uint8' ? 0 : -5, max: 9 });

const modelOf = (shape: readonly number[], dtype: ElementType): fc.Arbitrary<Model> =>
  fc
    .tuple(fc.array(anyValue(dtype), { minLength: sizeOf(shape), maxLength: sizeOf(shape) }), layouts)
    .map(([data, layout]) => ({ make: () => lay(data, shape, dtype, layout), shape, data }));

/** Indices below `limit`, as a tensor of some integer dtype and layout; from -limit on if they may be negative. */
const indicesOf = (shape: readonly number[], limit: number, negative = false): fc.Arbitrary<Model> =>
  fc
    .tuple(
      fc.array(fc.integer({ min: negative ? -limit : 0, max: limit - 1 }), {
        minLength: sizeOf(shape),
        maxLength: sizeOf(shape),
      }),
      fc.constantFrom<ElementType>('int64', 'int32', 'int16', 'int8'),
      layouts,
    )
    .map(([data, dtype, layout]) => ({ make: () => lay(data, shape, dtype, layout), shape, data }));

const elements = (x: Tensor): number[] => [...x.toTypedArray()].map(Number);

/** A value as the dtype holds it: wrapped to the width of integers, 0 or 1 for bool. */
function held(value: number, dtype: ElementType): number {
  switch (dtype) {
    case 'bool':
      return Number(value !== 0);
    case 'uint8':
      return value & 255;
    case 'int8':
      return (value << 24) >> 24;
    case 'int16':
      return (value << 16) >> 16;
    case 'int32':
      return value | 0;
    case 'int64':
      return value + 0; // not -0
    default:
      return value;
  }
}

interface Along {
  readonly x: Model;
  readonly dim: number;
  readonly index: Model;
  readonly src: Model;
  readonly dtype: ElementType;
}

/** A tensor, an index tensor for one of its dimensions that is nowhere larger, and values that are nowhere smaller. */
const along: fc.Arbitrary<Along> = fc
  .tuple(shapes, fc.constantFrom(...dtypes), fc.nat(), fc.nat(3))
  .chain(([shape, dtype, pick, extra]) => {
    const dim = pick % shape.length;
    const smaller = fc.tuple(...shape.map((size, d) => (d === dim ? fc.nat(6) : fc.integer({ min: 0, max: size }))));
    return smaller.chain((own) =>
      fc.record({
        x: modelOf(shape, dtype),
        dim: fc.constantFrom(dim, dim - shape.length),
        index: indicesOf(own, shape[dim]),
        src: modelOf(
          own.map((size, d) => size + (d === extra ? 2 : 0)),
          dtype,
        ),
        dtype: fc.constant(dtype),
      }),
    );
  });

const place = ({ x, dim, index }: Along, at: readonly number[]): number =>
  number(x.shape, at.with(dim, index.data[number(index.shape, at)]));

/** What comes to each place, in order. */
function arrivals(call: Along): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (const at of everyIndex(call.index.shape)) {
    const to = place(call, at);
    found.set(to, [...(found.get(to) ?? []), call.src.data[number(call.src.shape, at)]]);
  }
  return found;
}

const check = <T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => void): void =>
  fc.assert(fc.property(arbitrary, property), { numRuns: 150 });

describe('along one dimension', () => {
  test('gather reads and scatter writes the same places, the last value counts', () => {
    check(along, (call) => {
      const { x, dim, index, src } = call;
      const t = x.make();
      const read = t.gather(dim, index.make());
      assert.deepEqual(read.shape, index.shape);
      assert.deepEqual(
        elements(read),
        [...everyIndex(index.shape)].map((at) => x.data[place(call, at)]),
      );

      const expected = [...x.data];
      for (const [to, values] of arrivals(call)) expected[to] = values[values.length - 1];
      assert.deepEqual(elements(t.scatter(dim, index.make(), src.make())), expected);
      assert.deepEqual(elements(t), x.data, 'x itself stays');
      assert.equal(t.scatter_(dim, index.make(), src.make()), t);
      assert.deepEqual(elements(t), expected);
      assert.deepEqual(
        elements(t.scatter(dim, index.make(), 1)),
        expected.map((v, k) => (arrivals(call).has(k) ? 1 : v)),
      );
    });
  });

  type Fold = (values: readonly number[], dtype: ElementType) => number;
  const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const folds: { readonly [reduce: string]: Fold } = {
    sum: total,
    prod: (values, dtype) => values.reduce((a, b) => held(a * b, dtype), 1),
    amax: (values) => Math.max(...values),
    amin: (values) => Math.min(...values),
    mean: (values, dtype) => {
      const mean = total(values) / values.length;
      return dtype === 'float64' || dtype === 'float32' ? mean : Math.floor(mean);
    },
  };
  for (const [reduce, fold] of Object.entries(folds)) {
    test(`scatterReduce ${reduce}`, () => {
      check(fc.tuple(along, fc.boolean()), ([call, includeSelf]) => {
        const { x, dim, index, src, dtype } = call;
        const t = x.make();
        if (reduce === 'mean' && dtype === 'bool') return;
        const expected = [...x.data];
        for (const [to, values] of arrivals(call)) {
          const all = includeSelf ? [x.data[to], ...values] : values;
          expected[to] = held(fold(all, dtype), dtype);
        }
        const kind = reduce as 'sum';
        const result = t.scatterReduce(dim, index.make(), src.make(), kind, includeSelf);
        assert.deepEqual(elements(result).map(Math.fround), expected.map(Math.fround));
        if (reduce === 'sum' && includeSelf) {
          assert.deepEqual(elements(t.scatterAdd(dim, index.make(), src.make())), expected);
          assert.deepEqual(elements(t.scatter(dim, index.make(), src.make(), 'add')), expected);
        }
        if (reduce === 'prod' && includeSelf) {
          assert.deepEqual(elements(t.scatter(dim, index.make(), src.make(), 'multiply')), expected);
        }
        t.scatterReduce_(dim, index.make(), src.make(), { reduce: kind, includeSelf });
        assert.deepEqual(elements(t).map(Math.fround), expected.map(Math.fround));
      });
    });
  }

  /** A tensor, a vector of indices for one of its dimensions, and as many slices. */
  const slices = fc
    .tuple(shapes, fc.constantFrom(...dtypes), fc.nat(), fc.nat(6))
    .chain(([shape, dtype, pick, count]) => {
      const dim = pick % shape.length;
      return fc.record({
        x: modelOf(shape, dtype),
        dim: fc.constantFrom(dim, dim - shape.length),
        index: indicesOf([count], shape[dim]),
        src: modelOf(shape.with(dim, count), dtype),
        dtype: fc.constant(dtype),
      });
    });
  /** As an operator with an index for each element. */
  const spread = ({ x, dim, index, src, dtype }: Along): Along => ({
    ...{ x, dim, src, dtype },
    index: {
      make: index.make,
      shape: src.shape,
      data: [...everyIndex(src.shape)].map((at) => index.data[at.at(dim < 0 ? dim : dim - at.length) as number]),
    },
  });

  test('indexSelect, indexCopy, indexAdd and indexFill move whole slices', () => {
    check(slices, (call) => {
      const { x, dim, index, src, dtype } = call;
      const t = x.make();
      const each = spread(call);
      const read = t.indexSelect(dim, index.make());
      assert.deepEqual(read.shape, src.shape);
      assert.deepEqual(
        elements(read),
        [...everyIndex(src.shape)].map((at) => x.data[place(each, at)]),
      );

      const came = arrivals(each);
      const after = (change: (old: number, values: number[]) => number): number[] =>
        x.data.map((old, k) => held(came.has(k) ? change(old, came.get(k) as number[]) : old, dtype));
      const values = src.make();
      assert.deepEqual(
        elements(t.indexCopy(dim, index.make(), values)),
        after((_, v) => v[v.length - 1]),
      );
      assert.deepEqual(
        elements(t.indexAdd(dim, index.make(), values)),
        after((old, v) => old + total(v)),
      );
      assert.deepEqual(
        elements(t.indexFill(dim, index.make(), 1)),
        after(() => 1),
      );
      const back = index
        .make()
        .to('int64')
        .sub(x.shape.at(dim) as number);
      assert.deepEqual(
        elements(t.indexFill(dim, back, 1)),
        after(() => 1),
      );
      assert.deepEqual(
        elements(t.indexReduce(dim, index.make(), values, 'amax')),
        after((old, v) => Math.max(old, ...v)),
      );
      assert.deepEqual(elements(t), x.data, 'x itself stays');
      const expected = after((old, v) => old + total(v));
      assert.deepEqual(elements(t.indexAdd_(dim, index.make(), values)), expected);
    });
  });

  test('alpha scales what indexAdd adds', () => {
    const x = tensor([[1, 2], [3, 4]]); // biome-ignore format: a matrix
    const index = tensor([1, 1], { dtype: 'int64' });
    const added = x.indexAdd(0, index, tensor([[1, 10], [100, 1000]]), { alpha: -2 }); // biome-ignore format: a matrix
    assert.deepEqual(added.tolist(), [[1, 2], [-199, -2016]]); // biome-ignore format: a matrix
  });
});

describe('by number and by mask', () => {
  const flat = fc
    .tuple(shapes, fc.constantFrom(...dtypes), fc.array(fc.nat(3), { maxLength: 2 }))
    .chain(([shape, dtype, own]) =>
      fc.record({
        x: modelOf(shape, dtype),
        index: indicesOf(own, sizeOf(shape), true),
        src: modelOf([sizeOf(own)], dtype),
        dtype: fc.constant(dtype),
      }),
    );
  test('take and put', () => {
    check(flat, ({ x, index, src, dtype }) => {
      const t = x.make();
      const n = x.data.length;
      const numbers = index.data.map((i) => (i + n) % n);
      const taken = t.take(index.make());
      assert.deepEqual(taken.shape, index.shape);
      assert.deepEqual(
        elements(taken),
        numbers.map((i) => x.data[i]),
      );
      const set = [...x.data];
      const added = [...x.data];
      numbers.forEach((i, k) => {
        set[i] = src.data[k];
        added[i] = held(added[i] + src.data[k], dtype);
      });
      assert.deepEqual(elements(t.put(index.make(), src.make())), set);
      assert.deepEqual(elements(t.put(index.make(), src.make(), { accumulate: true })), added);
      t.put_(index.make(), src.make());
      assert.deepEqual(elements(t), set);
    });
  });

  const masked = fc.tuple(shapes, fc.constantFrom(...dtypes), fc.nat(2)).chain(([shape, dtype, skip]) =>
    fc.record({
      x: modelOf(shape, dtype),
      mask: modelOf(shape.slice(Math.min(skip, shape.length - 1)), 'bool'),
      src: modelOf([sizeOf(shape) + 1], dtype),
    }),
  );
  test('maskedSelect, maskedScatter, nonzero and where', () => {
    check(masked, ({ x, mask, src }) => {
      const t = x.make();
      const rank = mask.shape.length;
      const holds = [...everyIndex(x.shape)].map((at) => mask.data[number(mask.shape, at.slice(-rank))] === 1);
      const selected = x.data.filter((_, k) => holds[k]);
      assert.deepEqual(elements(t.maskedSelect(mask.make())), selected);
      let next = 0;
      const scattered = x.data.map((v, k) => (holds[k] ? src.data[next++] : v));
      assert.deepEqual(elements(t.maskedScatter(mask.make(), src.make())), scattered);
      const [other] = src.data;
      const chosen = where(mask.make(), t, tensor(other, { dtype: t.dtype }));
      assert.deepEqual(
        elements(chosen),
        x.data.map((v, k) => (holds[k] ? v : other)),
      );
      assert.deepEqual(elements(t.where(mask.make(), tensor(other, { dtype: t.dtype }))), elements(chosen));

      const coordinates = [...everyIndex(x.shape)].filter((_, k) => x.data[k] !== 0);
      assert.deepEqual(t.nonzero().tolist(), coordinates);
      const columns = t.nonzero({ asTuple: true });
      assert.deepEqual(
        columns.map((c) => c.tolist()),
        x.shape.map((_, d) => coordinates.map((at) => at[d])),
      );
      assert.deepEqual(
        elements(t.index(...columns)),
        x.data.filter((v) => v !== 0),
      );
      t.maskedScatter_(mask.make(), src.make());
      assert.deepEqual(elements(t), scattered);
    });
  });
});

describe('index expressions', () => {
  /** Items of every kind for the dimensions of a shape. */
  const items = (shape: readonly number[]): fc.Arbitrary<IndexItem[]> =>
    fc
      .tuple(
        ...shape.map((size) =>
          fc.oneof(
            fc.integer({ min: -size, max: size - 1 }),
            fc
              .tuple(
                fc.option(fc.integer({ min: -7, max: 7 })),
                fc.option(fc.integer({ min: -7, max: 7 })),
                fc.integer({ min: 1, max: 3 }),
              )
              .map((bounds) => slice(...bounds)),
            fc.array(fc.integer({ min: -size, max: size - 1 }), { minLength: 2, maxLength: 2 }),
            indicesOf([2], size, true).map((m) => m.make()),
          ),
        ),
        fc.nat(3),
        fc.constantFrom<IndexItem[]>([], [null], [ellipsis], [true]),
        fc.nat(3),
      )
      .map((drawn) => {
        const [cut, extra, position] = drawn.slice(shape.length) as [number, IndexItem[], number];
        const own = drawn.slice(0, Math.max(0, shape.length - cut)) as IndexItem[];
        // an ellipsis before the last items would move them to the last dimensions
        const at = own.length < shape.length ? own.length : position;
        return own.toSpliced(at, 0, ...extra);
      });
  const indexed = fc
    .tuple(shapes, fc.constantFrom(...dtypes))
    .chain(([shape, dtype]) =>
      fc.record({ x: modelOf(shape, dtype), items: items(shape), layout: layouts, dtype: fc.constant(dtype) }),
    );

  test('pick the same places in every layout and dtype, for reading and for writing', () => {
    check(indexed, ({ x, items: own, dtype }) => {
      const t = x.make();
      const numbers = tensor(
        x.data.map((_, k) => k),
        { dtype: 'int64' },
      )
        .reshape([...x.shape])
        .index(...own);
      const picked = elements(numbers);
      const read = t.index(...own);
      assert.deepEqual(read.shape, numbers.shape);
      assert.deepEqual(
        elements(read),
        picked.map((k) => x.data[k]),
      );

      const values = picked.map((_, i) => i % 2);
      const source = tensor(values, { dtype: 'float64' }).reshape([...read.shape]);
      const set = [...x.data];
      picked.forEach((k, i) => {
        set[k] = values[i];
      });
      assert.deepEqual(elements(t.indexPut(own, source)), set);
      const added = [...x.data];
      picked.forEach((k, i) => {
        added[k] = held(added[k] + values[i], dtype);
      });
      assert.deepEqual(elements(t.indexPut(own, source, { accumulate: true })), added);
      assert.deepEqual(elements(t), x.data, 'x itself stays');
      t.index_(own, 1);
      assert.deepEqual(
        elements(t),
        x.data.map((v, k) => (picked.includes(k) ? 1 : v)),
      );
    });
  });
});
