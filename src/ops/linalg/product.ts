/** What the operators on matrices have in common: what can be multiplied, and the products without and with a record. */
import { apply, type Primitive, primitive, vjp, withBatchRule } from '../../autograd/primitive.ts';
import { checkTensor } from '../../core/named.ts';
import { contiguousStrides, type Shape, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import { multiply } from '../launch/product.ts';
import { reshape, transpose } from '../view/view.ts';

/** Throws unless all operands are tensors of one dtype that has products. */
export function checkOperands(name: string, operands: readonly Tensor[]): void {
  for (const x of operands) checkTensor(name, x);
  const [{ dtype }, ...others] = operands;
  const different = others.find((other) => other.dtype !== dtype);
  if (different) {
    const who = others.length === 1 ? 'm1 and m2' : 'all operands';
    throw new AdjointError(
      'dtype',
      `${name}: expected ${who} to have the same dtype, but got: ${dtype} != ${different.dtype}; convert with to(...)`,
    );
  }
  if (dtype === 'bool') {
    throw new AdjointError('dtype', `${name}: not implemented for 'bool'; convert with to(...) first`);
  }
}

/** Throws unless `x` has so many dimensions. */
export function checkRank(name: string, role: string, x: Tensor, rank: number): void {
  if (x.ndim === rank) return;
  const kind = ['', 'a vector (1-D)', 'a matrix (2-D)', 'a batch of matrices (3-D)'][rank];
  throw new AdjointError(
    'shape',
    `${name}: ${role} must be ${kind}, got ${x.ndim}-D tensor of shape ${showShape(x.shape)}`,
  );
}

const sizes = (x: Tensor): string => x.shape.join('x');

/** The shape of the product of two matrices. */
export function mmShape(name: string, a: Tensor, b: Tensor): Shape {
  checkRank(name, 'mat1', a, 2);
  checkRank(name, 'mat2', b, 2);
  if (a.shape[1] !== b.shape[0]) {
    throw new AdjointError(
      'shape',
      `${name}: mat1 and mat2 shapes cannot be multiplied (${sizes(a)} and ${sizes(b)}): ` +
        'the columns of the first must be as many as the rows of the second',
    );
  }
  return [a.shape[0], b.shape[1]];
}

/** The shape of the products of two batches of matrices. */
export function bmmShape(name: string, a: Tensor, b: Tensor): Shape {
  checkRank(name, 'batch1', a, 3);
  checkRank(name, 'batch2', b, 3);
  const [batch, m, k] = a.shape;
  if (b.shape[0] !== batch || b.shape[1] !== k) {
    throw new AdjointError(
      'shape',
      `${name}: Expected size for first two dimensions of batch2 tensor to be: [${batch}, ${k}] but got: [${b.shape[0]}, ${b.shape[1]}].`,
    );
  }
  return [batch, m, b.shape[2]];
}

/** The shape of the product of a matrix and a vector. */
export function mvShape(name: string, matrix: Tensor, vector: Tensor): Shape {
  checkRank(name, 'mat', matrix, 2);
  checkRank(name, 'vec', vector, 1);
  if (matrix.shape[1] !== vector.shape[0]) {
    throw new AdjointError('shape', `${name}: size mismatch, got mat (${sizes(matrix)}), vec (${vector.shape[0]})`);
  }
  return [matrix.shape[0]];
}

/** A vector as a matrix of one row. */
const row = (x: Tensor): Tensor => new Tensor(x.storage, [1, x.shape[0]], [1, x.strides[0]], x.offset);
/** A vector as a matrix of one column. */
const column = (x: Tensor): Tensor => new Tensor(x.storage, [x.shape[0], 1], [x.strides[0], 1], x.offset);

/** The product of a matrix and a vector, unrecorded. */
export function multiplyVector(matrix: Tensor, vector: Tensor): Tensor {
  const product = multiply(matrix, column(vector));
  return new Tensor(product.storage, [matrix.shape[0]], [1], 0);
}

/** The product of two vectors, unrecorded. */
export function multiplyVectors(a: Tensor, b: Tensor): Tensor {
  const product = multiply(row(a), column(b));
  return new Tensor(product.storage, [], [], 0);
}

/** Whether a matrix lies column by column. */
export const liesInColumns = ({ ndim, shape, strides }: Tensor): boolean =>
  ndim === 2 && strides[0] === 1 && strides[1] === shape[0];

/** Its matrices transposed. */
export const transposed = (x: Tensor): Tensor => transpose(x, -2, -1);

/** The cotangent of b from that of a b, so that it lies as b does: that of a weight then lies as the weight. */
export const towardSecond = (
  product: (a: Tensor, b: Tensor) => Tensor,
  g: Tensor,
  a: Tensor,
  inColumns: boolean,
): Tensor => (inColumns ? transposed(product(transposed(g), a)) : product(transposed(a), g));

const Bmm: Primitive = withBatchRule(
  primitive('Bmm', (_, a, b) => multiply(a, b), [
    vjp((g, _, b) => multiplyBatches(g, transposed(b)), 1),
    vjp((g, _, a) => multiplyBatches(transposed(a), g), 0),
  ]),
  (_, inputs) => (inputs[0] as Tensor).matmul(inputs[1] as Tensor),
);
Bmm.operands = ['self', 'mat2'];
/** The products of matrices [..., m, k] and [..., k, n], recorded as PyTorch's bmm, whatever the number of batch dimensions. */
export const multiplyBatches = (a: Tensor, b: Tensor): Tensor => apply(Bmm, undefined, [a, b]);

const UnsafeView: Primitive<Shape> = primitive(
  'UnsafeView',
  (shape: Shape, x) => new Tensor(x.storage, shape, contiguousStrides(shape), x.offset),
  [vjp((g, node) => reshape(g, node.shapes[0]))],
);
withBatchRule(UnsafeView, (shape, [examples]) => {
  const x = examples as Tensor;
  return reshape(x, [x.shape[0], ...shape]);
});
/** A dense intermediate result in another shape. Nobody else holds it, so that the view need not be known as one. */
export const unsafeView = (x: Tensor, shape: Shape): Tensor => apply(UnsafeView, shape, [x]);
