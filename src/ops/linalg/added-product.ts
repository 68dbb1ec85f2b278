/**
 * A product added to something: beta * x + alpha * (a b), where x is broadcast to the shape of the product. With beta 0, x is not read and
 * may hold nan or infinity. All have one dtype. In place, the result is written over x, which must have its shape.
 */
import { composed } from '../../autograd/batch-rules.ts';
import { apply, applyInPlace, type Primitive, primitive, vjp } from '../../autograd/primitive.ts';
import { isFloatingPoint, type Scalar } from '../../core/dtype.ts';
import { named } from '../../core/named.ts';
import { type Shape, sameShape, showShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import * as s from '../../kernels/expr.ts';
import { launchPointwise, pointwiseCode } from '../launch/pointwise.ts';
import { multiply } from '../launch/product.ts';
import { mul } from '../pointwise/pointwise.ts';
import { expand, permute, reshape, t } from '../view/view.ts';
import { mm, mv, outer } from './linalg.ts';
import {
  bmmShape,
  checkOperands,
  checkRank,
  liesInColumns,
  mmShape,
  multiplyBatches,
  multiplyVector,
  mvShape,
  towardSecond,
  transposed,
} from './product.ts';

/** beta * x + alpha * product */
interface Scales {
  readonly beta: number;
  readonly alpha: number;
  /** Whether the second of two matrices lies column by column. */
  readonly inColumns: boolean;
}

/** A way to multiply two tensors whose product can be added to a third. */
interface Addition {
  readonly name: string;
  /** The shape of the product of what can be multiplied; else throws. */
  readonly shape: (a: Tensor, b: Tensor) => Shape;
  readonly primitive: Primitive<Scales>;
}

const scaled = pointwiseCode(s.mul(s.input(0), s.input(1)));
const scaledSum = pointwiseCode(s.add(s.mul(s.input(0), s.input(1)), s.mul(s.input(2), s.input(3))));

const scale = (x: Tensor, factor: number): Tensor => (factor === 1 ? x : mul(x, factor));

/**
 * @param product a new tensor
 * @param multiplied the product as operators that have rules for batches
 * @param toA the cotangent of `a` from that of the product, and likewise `toB`
 */
function addition(
  name: string,
  shape: Addition['shape'],
  product: (a: Tensor, b: Tensor) => Tensor,
  multiplied: (a: Tensor, b: Tensor) => Tensor,
  toA: (g: Tensor, b: Tensor) => Tensor,
  toB: (g: Tensor, a: Tensor, inColumns: boolean) => Tensor,
): Addition {
  const capitalised = name[0].toUpperCase() + name.slice(1);
  const forward = ({ beta, alpha }: Scales, x: Tensor, a: Tensor, b: Tensor): Tensor => {
    const base = expand(x, shape(a, b));
    // a product of matrices begins with what it is added to
    if (beta === 1 && alpha === 1 && product === multiply) return multiply(a, b, base);
    const out = product(a, b);
    // what is multiplied by 0 is not read, so that it may be anything
    if (beta === 0) launchPointwise(scaled, [out, alpha], out.dtype, out);
    else launchPointwise(scaledSum, [base, beta, out, alpha], out.dtype, out);
    return out;
  };
  const rules = [
    vjp<Scales>((g, { params }) => scale(g, params.beta)),
    vjp<Scales>((g, { params }, b) => scale(toA(g, b), params.alpha), 2),
    vjp<Scales>((g, { params }, a) => scale(toB(g, a, params.inColumns), params.alpha), 1),
  ];
  const operator = composed(primitive(capitalised, forward, rules), ({ beta, alpha }, x, a, b) => {
    const scaledProduct = scale(multiplied(a, b), alpha);
    return beta === 0 ? scaledProduct : scaledProduct.add(scale(x, beta));
  });
  return { name, shape, primitive: operator };
}

function scalesOf(name: string, x: Tensor, b: Tensor, beta: Scalar, alpha: Scalar): Scales {
  const scales = { beta: Number(beta), alpha: Number(alpha) };
  for (const [key, value] of Object.entries(scales)) {
    if (!isFloatingPoint(x.dtype) && !Number.isInteger(value)) {
      throw new AdjointError(
        'argument',
        `${name}: For integral input tensors, argument ${key} must not be a floating point number, got ${value}`,
      );
    }
  }
  return { ...scales, inColumns: liesInColumns(b) };
}

type Operands = [a: Tensor, b: Tensor, beta?: Scalar, alpha?: Scalar];

function added(of: Addition, x: Tensor, ...[a, b, beta = 1, alpha = 1]: Operands): Tensor {
  checkOperands(of.name, [x, a, b]);
  of.shape(a, b);
  return apply(of.primitive, scalesOf(of.name, x, b, beta, alpha), [x, a, b]);
}

function addedInPlace(of: Addition, self: Tensor, ...[a, b, beta = 1, alpha = 1]: Operands): Tensor {
  checkOperands(of.name, [self, a, b]);
  const shape = of.shape(a, b);
  if (!sameShape(self.shape, shape)) {
    throw new AdjointError(
      'shape',
      `${of.name}_: Bad in-place call: input tensor size ${showShape(self.shape)} and output tensor size ${showShape(shape)} should match`,
    );
  }
  return applyInPlace(of.primitive, scalesOf(of.name, self, b, beta, alpha), [self, a, b]);
}

const Addmm = addition(
  'addmm',
  (a, b) => mmShape('addmm', a, b),
  multiply,
  mm,
  (g, b) => mm(g, t(b)),
  (g, a, inColumns) => towardSecond(mm, g, a, inColumns),
);
const matrices = ['mat1', 'mat2', 'beta', 'alpha'] as const;
/** beta * x + alpha * mat1 mat2 for matrices [m, k] and [k, n] (torch.addmm). */
export const addmm = named('addmm', matrices, (x: Tensor, ...rest: Operands) => added(Addmm, x, ...rest));
/** x = beta * x + alpha * mat1 mat2 (torch.Tensor.addmm_). */
export const addmm_ = named('addmm_', matrices, (x: Tensor, ...rest: Operands) => addedInPlace(Addmm, x, ...rest));

const Addmv = addition(
  'addmv',
  (a, b) => mvShape('addmv', a, b),
  multiplyVector,
  mv,
  (g, b) => outer(g, b),
  (g, a) => mv(t(a), g),
);
const matrixAndVector = ['mat', 'vec', 'beta', 'alpha'] as const;
/** beta * x + alpha * mat vec for a matrix [m, k] and a vector [k] (torch.addmv). */
export const addmv = named('addmv', matrixAndVector, (x: Tensor, ...rest: Operands) => added(Addmv, x, ...rest));
/** x = beta * x + alpha * mat vec (torch.Tensor.addmv_). */
export const addmv_ = named('addmv_', matrixAndVector, (x: Tensor, ...rest: Operands) =>
  addedInPlace(Addmv, x, ...rest),
);

const Baddbmm = addition(
  'baddbmm',
  (a, b) => bmmShape('baddbmm', a, b),
  multiply,
  multiplyBatches,
  (g, b) => multiplyBatches(g, transposed(b)),
  (g, a) => multiplyBatches(transposed(a), g),
);
const batches = ['batch1', 'batch2', 'beta', 'alpha'] as const;
/** beta * x + alpha * batch1[i] batch2[i] for each i, for batches [b, m, k] and [b, k, n] (torch.baddbmm). */
export const baddbmm = named('baddbmm', batches, (x: Tensor, ...rest: Operands) => added(Baddbmm, x, ...rest));
/** x = beta * x + alpha * batch1[i] batch2[i] for each i (torch.Tensor.baddbmm_). */
export const baddbmm_ = named('baddbmm_', batches, (x: Tensor, ...rest: Operands) => addedInPlace(Baddbmm, x, ...rest));

/** The cotangent of each product of a sum of products. */
const ofEach = (g: Tensor, batch: Tensor): Tensor => expand(g, [batch.shape[0], ...g.shape]);
const Addbmm = addition(
  'addbmm',
  (a, b) => bmmShape('addbmm', a, b).slice(1),
  // the sum over the batch and that along k are one sum
  (a, b) => {
    const [batch, m, k] = a.shape;
    return multiply(reshape(permute(a, 1, 0, 2), [m, batch * k]), reshape(b, [batch * k, b.shape[2]]));
  },
  (a, b) => multiplyBatches(a, b).sum(0, false, a.dtype),
  (g, b) => multiplyBatches(ofEach(g, b), transposed(b)),
  (g, a) => multiplyBatches(transposed(a), ofEach(g, a)),
);
/** beta * x + alpha * (the sum of batch1[i] batch2[i] over i) for batches [b, m, k] and [b, k, n] (torch.addbmm). */
export const addbmm = named('addbmm', batches, (x: Tensor, ...rest: Operands) => added(Addbmm, x, ...rest));
/** x = beta * x + alpha * (the sum of batch1[i] batch2[i] over i) (torch.Tensor.addbmm_). */
export const addbmm_ = named('addbmm_', batches, (x: Tensor, ...rest: Operands) => addedInPlace(Addbmm, x, ...rest));

const Addr = addition(
  'addr',
  (a, b) => {
    checkRank('addr', 'vec1', a, 1);
    checkRank('addr', 'vec2', b, 1);
    return [a.shape[0], b.shape[0]];
  },
  outer,
  outer,
  (g, b) => mv(g, b),
  (g, a) => mv(t(g), a),
);
const vectors = ['vec1', 'vec2', 'beta', 'alpha'] as const;
/** beta * x + alpha * vec1[i] vec2[j] for each i and j (torch.addr). */
export const addr = named('addr', vectors, (x: Tensor, ...rest: Operands) => added(Addr, x, ...rest));
/** x = beta * x + alpha * vec1[i] vec2[j] for each i and j (torch.Tensor.addr_). */
export const addr_ = named('addr_', vectors, (x: Tensor, ...rest: Operands) => addedInPlace(Addr, x, ...rest));
