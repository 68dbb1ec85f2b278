/** The primitives that combine what comes together at one place: a sum, a product, a mean, the greatest or the least. */
import { alongBatch, inFront } from '../../autograd/batch-rules.ts';
import { everywhere } from '../../autograd/everywhere.ts';
import { apply, type Primitive, primitive, result, type Vjp, vjp } from '../../autograd/primitive.ts';
import { filled } from '../../core/creation.ts';
import { type DType, isFloatingPoint } from '../../core/dtype.ts';
import type { Shape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import type { Combination } from '../../kernels/gather.ts';
import { deposit } from '../launch/gather.ts';
import { where } from '../pointwise/where.ts';
import { type Overwriting, overwriting, shaped } from './overwriting.ts';
import { along, type Places, slices } from './places.ts';
import { bySlices } from './slices-of-batches.ts';

/** How an operator addresses places: gather and scatter with an index for each element, or whole slices. */
interface Addressing {
  places(x: Tensor, dim: number, index: Tensor): Places;
  read(x: Tensor, dim: number, index: Tensor): Tensor;
  add(x: Tensor, dim: number, index: Tensor, src: Tensor): Tensor;
  clear(x: Tensor, dim: number, index: Tensor): Tensor;
  /** Gives an operator its rule for batches. */
  batch(operator: Primitive<number>, reduction: Reduction, includeSelf: boolean): void;
}

export type Reduction = 'sum' | 'prod' | 'mean' | 'amax' | 'amin';

const combinationOf: Record<Reduction, Combination> = {
  sum: 'add',
  prod: 'mul',
  mean: 'add',
  amax: 'max',
  amin: 'min',
};

const FailTwice = inFront(
  primitive<string>('DelayedError', (_, x) => x.clone(), [
    vjp((_, { params: name }) => {
      throw new AdjointError(
        'autograd',
        `${name[0].toLowerCase()}${name.slice(1)}(): Double backward is unsupported for src when >1 zeros in src are scattered to the same position in self`,
      );
    }),
  ]),
);

/** The primitive that combines all elements of `src` that come to one place, and with `includeSelf` the one that is there. */
function reducing(name: string, at: Addressing, reduction: Reduction, includeSelf: boolean): Overwriting<number> {
  /** By how many elements each place is shared, at least 1. */
  const counts = (shape: Shape, dtype: DType, dim: number, index: Tensor, src: Shape): Tensor =>
    at.add(filled(shape, Number(includeSelf), dtype), dim, index, filled(src, 1, dtype)).clampMin(1);

  const write = (dim: number, self: Tensor, index: Tensor, src: Tensor): void => {
    const places = at.places(self, dim, index);
    if (!includeSelf) {
      const extreme = reduction === 'amax' || reduction === 'amin';
      deposit(self, places, extreme ? src : filled(src.shape, Number(reduction === 'prod'), self.dtype));
    }
    deposit(self, places, src, combinationOf[reduction]);
    if (reduction !== 'mean') return;
    if (isFloatingPoint(self.dtype)) self.div_(counts(self.shape, self.dtype, dim, index, src.shape));
    else self.div_(counts(self.shape, 'int64', dim, index, src.shape), 'floor');
  };

  const kept = (g: Tensor, dim: number, index: Tensor): Tensor => (includeSelf ? g : at.clear(g, dim, index));
  const read = (g: Tensor, dim: number, index: Tensor, shape: Shape): Tensor => shaped(at.read(g, dim, index), shape);
  type Rules = [self: Vjp<number>, index: null, src: Vjp<number>];
  const sum = (): Rules => [
    vjp((g, { params: dim }, index) => kept(g, dim, index), 1),
    null,
    vjp((g, { params: dim, shapes }, index) => read(g, dim, index, shapes[2]), 1),
  ];
  const mean = (): Rules => [
    vjp((g, { params: dim, shapes }, index) => {
      return kept(g.div(counts(g.shape, g.dtype, dim, index, shapes[2])), dim, index);
    }, 1),
    null,
    vjp((g, { params: dim, shapes }, index) => {
      return read(g.div(counts(g.shape, g.dtype, dim, index, shapes[2])), dim, index, shapes[2]);
    }, 1),
  ];
  /** Every element that is the extreme one of its place gets an equal share. */
  const extreme = (): Rules => {
    const shares = (dim: number, self: Tensor, index: Tensor, src: Tensor, value: Tensor): [Tensor, Tensor, Tensor] => {
      const selfIs = kept(self.eq(value).to(value.dtype), dim, index);
      const srcIs = src.eq(read(value, dim, index, src.shape)).to(value.dtype);
      return [selfIs, srcIs, at.add(selfIs, dim, index, srcIs)];
    };
    return [
      vjp(
        (g, { params: dim }, self, index, src, value) => {
          const [selfIs, , count] = shares(dim, self, index, src, value);
          return g.div(count).mul(selfIs);
        },
        ...[0, 1, 2, result],
      ),
      null,
      vjp(
        (g, { params: dim }, self, index, src, value) => {
          const [, srcIs, count] = shares(dim, self, index, src, value);
          return read(g.div(count), dim, index, src.shape).mul(srcIs);
        },
        ...[0, 1, 2, result],
      ),
    ];
  };
  /** The product of the others is the product over the element where that is not 0, and computed without it where it is. */
  const prod = (): Rules => [
    vjp(
      (g, { params: dim }, self, index, src) => {
        const nonzero = self.maskedFill(self.eq(0), 1);
        return kept(g.mul(apply(operator, dim, [nonzero, index, src])).div(nonzero), dim, index);
      },
      ...[0, 1, 2],
    ),
    null,
    vjp(
      (g, { params: dim }, self, index, src, value) => {
        const isZero = src.eq(0);
        const zeros = read(
          at.add(filled(self.shape, 0, g.dtype), dim, index, isZero.to(g.dtype)),
          dim,
          index,
          src.shape,
        );
        const onlyZero = isZero.logicalAnd(zeros.eq(1));
        const others = apply(operator, dim, [self, index, src.maskedFill(onlyZero, 1)]);
        const own = where(
          onlyZero,
          read(g.mul(others), dim, index, src.shape),
          read(g.mul(value), dim, index, src.shape).div(src.maskedFill(isZero, 1)),
        );
        return everywhere(zeros.le(1)) ? own : apply(FailTwice, name, [own]);
      },
      ...[0, 1, 2, result],
    ),
  ];
  const rules = { sum, mean, prod, amax: extreme, amin: extreme }[reduction]();
  const operator: Overwriting<number> = overwriting(name, write, rules);
  at.batch(operator, reduction, includeSelf);
  return operator;
}

const kept = new Map<string, Overwriting<number>>();

const chosen =
  (name: string, at: Addressing) =>
  (reduction: Reduction, includeSelf: boolean): Overwriting<number> => {
    const key = `${name} ${reduction} ${includeSelf}`;
    let operator = kept.get(key);
    if (!operator) kept.set(key, (operator = reducing(name, at, reduction, includeSelf)));
    return operator;
  };

/** Reduces the elements that an index for each of them brings to one place. */
export const scatterReduction = chosen('ScatterReduce', {
  places: along,
  read: (x, dim, index) => x.gather(dim, index),
  add: (x, dim, index, src) => x.scatterAdd(dim, index, src),
  clear: (x, dim, index) => x.scatter(dim, index, 0),
  batch: (operator) => alongBatch(operator),
});

/** Reduces the slices that a vector of indices brings to one place. */
export const indexReduction = chosen('IndexReduce', {
  places: slices,
  read: (x, dim, index) => x.indexSelect(dim, index),
  add: (x, dim, index, src) => x.indexAdd(dim, index, src),
  clear: (x, dim, index) => x.indexFill(dim, index, 0),
  batch: (operator, reduction, includeSelf) =>
    bySlices(operator, (dim, _, x, index, source) =>
      apply(scatterReduction(reduction, includeSelf), dim, [x, index, source]),
    ),
});
