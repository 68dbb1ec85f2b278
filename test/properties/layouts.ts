/** Arbitrary tensors for properties: shapes that broadcast, and the many ways in which the same elements can lie in memory. */
import fc from 'fast-check';
import { type DType, type Tensor, tensor } from '../../src/index.ts';

/** The elements of a tensor of a shape, and how they are to lie. */
export interface Laid {
  readonly shape: readonly number[];
  readonly elements: readonly number[];
  /** The order of the dimensions in memory, outermost first. */
  readonly order: readonly number[];
  /** How many elements apart neighbours lie in memory, along each dimension. */
  readonly gaps: readonly number[];
  /** How many elements lie before the first. */
  readonly offset: number;
}

const numel = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Numbers with few digits, so that sums and products of a few are exact in any order. */
export const tame = fc.integer({ min: -64, max: 64 }).map((n) => n / 8);

/** A shape of up to four dimensions. */
export const shapes = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 });

/** A tensor of a shape, with any layout. */
export const laid = (shape: readonly number[], values: fc.Arbitrary<number> = tame): fc.Arbitrary<Laid> =>
  fc.record({
    shape: fc.constant(shape),
    elements: fc.array(values, { minLength: numel(shape), maxLength: numel(shape) }),
    order: fc.shuffledSubarray([...shape.keys()], { minLength: shape.length }),
    gaps: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: shape.length, maxLength: shape.length }),
    offset: fc.integer({ min: 0, max: 3 }),
  });

/** Two shapes that broadcast, and a shape that both broadcast to. */
export const broadcastable = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.constantFrom('both', 'first', 'second')), { maxLength: 4 })
  .chain((dims) =>
    fc.record({
      full: fc.constant(dims.map(([size]) => size)),
      a: trimmed(dims.map(([size, who]) => (who === 'second' ? 1 : size))),
      b: trimmed(dims.map(([size, who]) => (who === 'first' ? 1 : size))),
    }),
  )
  // where one lacks leading dimensions, the other must not lack them too
  .map(({ full, a, b }) => ({ a, b, full: full.slice(full.length - Math.max(a.length, b.length)) }));

/** A shape without some of its leading ones. */
const trimmed = (shape: readonly number[]): fc.Arbitrary<readonly number[]> => {
  const ones = shape.findIndex((size) => size !== 1);
  return fc.integer({ min: 0, max: ones < 0 ? shape.length : ones }).map((count) => shape.slice(count));
};

/** The tensor, contiguous. */
export const dense = ({ shape, elements }: Laid, dtype: DType = 'float64'): Tensor =>
  tensor([...elements], { dtype }).reshape([...shape]);

/** The same tensor, lying as it is to lie; what lies between its elements is 777. */
export function strided({ shape, elements, order, gaps, offset }: Laid, dtype: DType = 'float64'): Tensor {
  const strides = shape.map(() => 0);
  let step = 1;
  for (const d of [...order].reverse()) {
    strides[d] = step * gaps[d];
    step = strides[d] * Math.max(shape[d], 1);
  }
  const memory = tensor(new Array<number>(offset + step + 1).fill(777), { dtype });
  const t = memory.asStrided([...shape], strides, offset);
  return t.copy_(tensor([...elements], { dtype }).reshape([...shape]));
}
