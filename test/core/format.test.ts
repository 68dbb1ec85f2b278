import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, describe, test } from 'node:test';
import {
  formatTensor,
  type Printable,
  type PrintableElement,
  type PrintOptions,
  setPrintoptions,
} from '../../src/core/format.ts';
import { AdjointError } from '../../src/errors.ts';

type Encoded = number | boolean | string | [Encoded, Encoded];

/** A case of print.json; the texts of results with a `grad_fn` are of `x * 1` and of `x.sum()`. */
interface Case {
  dtype: string;
  shape: number[];
  values: Encoded[];
  text: string;
  requiresGradText?: string;
  mulText?: string;
  sumText?: string;
}

/** A case of print-more.json; print_more.py says what its fields are. */
interface StridedCase {
  dtype: string;
  shape: number[];
  strides?: number[];
  storage: Encoded[];
  options: { [name: string]: number | boolean | string } | null;
  text: string;
  requiresGradTail?: string;
  gradFnTails?: { [gradFn: string]: string };
}

const load = <C>(name: string): { torch: string; cases: C[] } =>
  JSON.parse(readFileSync(`test/conformance/${name}`, 'utf8'));

const named: { [text: string]: number } = { nan: Number.NaN, inf: Infinity, '-inf': -Infinity, '-0.0': -0 };

function decode(value: Encoded): PrintableElement {
  if (Array.isArray(value)) return [decode(value[0]) as number, decode(value[1]) as number];
  return typeof value === 'string' ? (named[value] ?? BigInt(value)) : value;
}

const contiguous = (shape: number[]): number[] =>
  shape.map((_, dim) => shape.slice(dim + 1).reduce((a, b) => a * b, 1));

function printable(dtype: string, shape: number[], values: PrintableElement[], strides = contiguous(shape)): Printable {
  return { dtype, shape, strides, offset: 0, at: (position) => values[position] };
}

/**
 * The sum in the order of PyTorch's CPU kernel, for up to 8192 elements: lanes of a vector register, four accumulators
 * each, which are summed in blocks of sixteen.
 */
function sumLikePyTorch(values: number[], dtype: string): number {
  const round = dtype === 'float32' ? Math.fround : (value: number) => value;
  const add = (a: number, b: number) => round(a + b);
  const width = dtype === 'float32' ? 8 : 4;
  const lanes = values.length < width ? 1 : width;
  const vectors = Math.floor(values.length / lanes);
  const rows = Math.floor(vectors / 4);
  const range = (length: number) => Array.from({ length }, (_, i) => i);
  const totals = range(lanes).map((lane) => {
    const accumulators = range(4).map((k) => {
      const column = range(rows).map((row) => values[(4 * row + k) * lanes + lane]);
      const blocks = range(Math.floor(rows / 16)).map((b) => column.slice(16 * b, 16 * b + 16).reduce(add, 0));
      return add(column.slice(16 * blocks.length).reduce(add, 0), blocks.reduce(add, 0));
    });
    for (let vector = 4 * rows; vector < vectors; vector++) {
      accumulators[0] = add(accumulators[0], values[vector * lanes + lane]);
    }
    return accumulators.reduce(add);
  });
  return [...values.slice(vectors * lanes), ...totals].reduce(add, 0);
}

const vector = (...values: number[]) => printable('float32', [values.length], values);

afterEach(() => setPrintoptions({ profile: 'default' }));

describe('print.json: tensors as PyTorch 1.13 prints them', () => {
  const { cases } = load<Case>('print.json');
  assert.ok(cases.length > 0);
  for (const [i, { dtype, shape, values, ...texts }] of cases.entries()) {
    test(`${i}: ${dtype} [${shape}]`, () => {
      const elements = values.map(decode);
      const x = printable(dtype, shape, elements);
      assert.equal(formatTensor(x), texts.text);
      if (texts.sumText === undefined) return;
      assert.equal(formatTensor(x, { requiresGrad: true }), texts.requiresGradText);
      assert.equal(formatTensor(x, { requiresGrad: true, gradFn: 'MulBackward0' }), texts.mulText);
      const total = printable(dtype, [], [sumLikePyTorch(elements as number[], dtype)]);
      assert.equal(formatTensor(total, { gradFn: 'SumBackward0' }), texts.sumText);
    });
  }
});

describe('print-more.json: tricky tensors as PyTorch 2 prints them', () => {
  const { cases } = load<StridedCase>('print-more.json');
  assert.ok(cases.length > 0);
  for (const [i, { dtype, shape, strides, storage, options, text, ...tails }] of cases.entries()) {
    test(`${i}: ${dtype} [${shape}] ${JSON.stringify(options ?? {})}`, () => {
      const { sci_mode: sciMode, ...rest } = options ?? {};
      setPrintoptions({ ...rest, sciMode } as PrintOptions);
      const x = printable(dtype, shape, storage.map(decode), strides);
      assert.equal(formatTensor(x), text);
      if (tails.requiresGradTail === undefined) return;
      assert.equal(formatTensor(x, { requiresGrad: true }), text.slice(0, -1) + tails.requiresGradTail);
      for (const [gradFn, tail] of Object.entries(tails.gradFnTails ?? {})) {
        assert.equal(formatTensor(x, { gradFn }), text.slice(0, -1) + tail);
      }
    });
  }
});

describe('formatTensor', () => {
  test('reads only the elements it shows, through offset and strides', () => {
    const positions: number[] = [];
    const at = (position: number) => positions.push(position);
    const text = formatTensor({ dtype: 'int64', shape: [1e9, 1e9], strides: [-10, 2], offset: 1e12, at });
    assert.deepEqual(
      positions,
      [0, 1, 2, 1e9 - 3, 1e9 - 2, 1e9 - 1].flatMap((row) =>
        [0, 1, 2, 1e9 - 3, 1e9 - 2, 1e9 - 1].map((column) => 1e12 - 10 * row + 2 * column),
      ),
    );
    assert.match(text, /^tensor\(\[\[ 1, {2}2, {2}3, {2}\.\.\., {2}4, {2}5, {2}6\],\n/);
  });

  test('takes an int64 as a number or as a bigint, a bool as a boolean or as 0 and 1', () => {
    assert.equal(formatTensor(printable('int64', [2], [1, 2n ** 62n])), `tensor([${' '.repeat(18)}1, ${2n ** 62n}])`);
    assert.equal(formatTensor(printable('bool', [3], [true, 0, 1])), 'tensor([ True, False,  True])');
  });
});

describe('setPrintoptions', () => {
  const x = vector(1.25, 1234.5, -0.5);
  const plain = 'tensor([ 1.2500e+00,  1.2345e+03, -5.0000e-01])';

  test('sets sciMode back to automatic unless told otherwise, and leaves other options', () => {
    setPrintoptions({ sciMode: false, precision: 1 });
    assert.equal(formatTensor(x), 'tensor([   1.2, 1234.5,   -0.5])');
    setPrintoptions({ edgeitems: 2 });
    assert.equal(formatTensor(x), 'tensor([ 1.2e+00,  1.2e+03, -5.0e-01])');
    setPrintoptions({ precision: null, profile: 'default' });
    assert.equal(formatTensor(x), plain);
  });

  const rejected: [options: object, message: string][] = [
    [
      { sci_mode: true },
      'setPrintoptions: unknown option "sci_mode"; the options are precision, threshold, edgeitems, linewidth, sciMode, profile',
    ],
    [{ precision: 2.5 }, 'setPrintoptions: precision should be an integer from 0 to 100, but got 2.5'],
    [{ precision: 101 }, 'setPrintoptions: precision should be an integer from 0 to 100, but got 101'],
    [{ threshold: Number.NaN }, 'setPrintoptions: threshold should be a number that is not negative, but got NaN'],
    [{ edgeitems: -1 }, 'setPrintoptions: edgeitems should be a non-negative integer, but got -1'],
    [{ linewidth: 0 }, 'setPrintoptions: linewidth should be a positive integer, but got 0'],
    [{ sciMode: 'yes' }, 'setPrintoptions: sciMode should be true, false or null, but got "yes"'],
    [{ profile: 'long' }, 'setPrintoptions: profile should be "default", "short", "full", but got "long"'],
  ];
  for (const [options, message] of rejected) {
    test(`rejects ${Object.keys(options)}, setting nothing`, () => {
      const call = () => setPrintoptions({ precision: 1, ...options } as PrintOptions);
      assert.throws(
        call,
        (error) => error instanceof AdjointError && error.code === 'argument' && error.message === message,
      );
      assert.equal(formatTensor(x), plain);
    });
  }

  test('rejects what is no object', () => {
    assert.throws(() => setPrintoptions(2 as PrintOptions), {
      code: 'argument',
      message: 'setPrintoptions: expected an object of options, but got 2',
    });
  });
});
