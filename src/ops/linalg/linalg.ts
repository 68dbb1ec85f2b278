/**
 * Products of matrices and vectors. The operands of a product have one dtype, integers included (they wrap around) and bool not; their
 * strides are free: a transpose is read as it lies.
 */
import { apply, type Operand, type Primitive, primitive, vjp, withBatchRule } from '../../autograd/primitive.ts';
import { broadcastShapes, numelOf, showShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import { multiply } from '../launch/product.ts';
import { mul } from '../pointwise/pointwise.ts';
import { tensorOperand } from '../pointwise/pointwise-operator.ts';
import { expand, reshape, squeeze, t, unsqueeze, view } from '../view/view.ts';
import {
  bmmShape,
  checkOperands,
  checkRank,
  liesInColumns,
  mmShape,
  multiplyBatches,
  multiplyVector,
  multiplyVectors,
  mvShape,
  towardSecond,
  unsafeView,
} from './product.ts';

/** The parameter says whether the second matrix lies column by column. */
const Mm: Primitive<boolean> = withBatchRule(
  primitive<boolean>('Mm', (_, a, b) => multiply(a, b), [
    vjp((g, _, b) => mm(g, t(b)), 1),
    vjp((g, { params: inColumns }, a) => towardSecond(mm, g, a, inColumns), 0),
  ]),
  (_, inputs) => matmul(...(inputs as [Tensor, Tensor])),
);
Mm.operands = ['self', 'mat2'];
/**
 * The product of two matrices: out[i, j] = sum over l of x[i, l] mat2[l, j] (torch.mm).
 * @throws if the dtypes differ or the shapes are not [m, k] and [k, n]
 */
export function mm(x: Tensor, mat2: Tensor): Tensor {
  checkOperands('mm', [x, mat2]);
  mmShape('mm', x, mat2);
  return apply(Mm, liesInColumns(mat2), [x, mat2]);
}

/**
 * The products of the matrices of two batches: out[b] = x[b] mat2[b] (torch.bmm).
 * @throws if the dtypes differ or the shapes are not [b, m, k] and [b, k, n]
 */
export function bmm(x: Tensor, mat2: Tensor): Tensor {
  checkOperands('bmm', [x, mat2]);
  bmmShape('bmm', x, mat2);
  return multiplyBatches(x, mat2);
}

const Mv: Primitive = withBatchRule(
  primitive('Mv', (_, matrix, vector) => multiplyVector(matrix, vector), [
    vjp((g, _, vector) => outer(g, vector), 1),
    vjp((g, _, matrix) => mv(t(matrix), g), 0),
  ]),
  (_, inputs, [, vectors]) => {
    const [matrix, vector] = inputs as [Tensor, Tensor];
    return vectors ? squeeze(matmul(matrix, unsqueeze(vector, -1)), -1) : matmul(matrix, vector);
  },
);
Mv.operands = ['self', 'vec'];
/**
 * The product of a matrix and a vector: out[i] = sum over j of x[i, j] vec[j] (torch.mv).
 * @throws if the dtypes differ or the shapes are not [m, k] and [k]
 */
export function mv(x: Tensor, vec: Tensor): Tensor {
  checkOperands('mv', [x, vec]);
  mvShape('mv', x, vec);
  return apply(Mv, undefined, [x, vec]);
}

const dotPrimitive = (name: string): Primitive =>
  primitive(name, (_, a, b) => multiplyVectors(a, b), [vjp((g, _, b) => mul(g, b), 1), vjp((g, _, a) => mul(g, a), 0)]);
const onExamples = (_: undefined, inputs: readonly Operand[]): Tensor => (inputs[0] as Tensor).mul(inputs[1]).sum(-1);
const Dot = withBatchRule(dotPrimitive('Dot'), onExamples);
Dot.operands = ['self', 'tensor'];
const Vdot = withBatchRule(dotPrimitive('Vdot'), onExamples);

function applyDot(name: string, operator: Primitive, x: Tensor, other: Tensor): Tensor {
  checkOperands(name, [x, other]);
  if (x.ndim !== 1 || other.ndim !== 1) {
    throw new AdjointError('shape', `${name}: 1D tensors expected, but got ${x.ndim}D and ${other.ndim}D tensors`);
  }
  const [n, m] = [x.shape[0], other.shape[0]];
  if (n !== m) {
    throw new AdjointError(
      'shape',
      `${name}: inconsistent tensor size, expected tensor [${n}] and src [${m}] to have the same number of elements, ` +
        `but got ${n} and ${m} elements respectively`,
    );
  }
  return apply(operator, undefined, [x, other]);
}

/** The sum of x[i] other[i] of two vectors (torch.dot). */
export const dot = (x: Tensor, other: Tensor): Tensor => applyDot('dot', Dot, x, other);
/** The same: it differs from `dot` for complex vectors only (torch.vdot). */
export const vdot = (x: Tensor, other: Tensor): Tensor => applyDot('vdot', Vdot, x, other);

/**
 * The products of all pairs of elements of two vectors: out[i, j] = x[i] vec2[j], in the promoted dtype (torch.outer).
 */
export function outer(x: Tensor, vec2: Tensor): Tensor {
  checkRank('outer', 'self', tensorOperand('outer', x), 1);
  checkRank('outer', 'vec2', tensorOperand('outer', vec2), 1);
  return mul(reshape(x, [x.shape[0], 1]), vec2);
}

/** Another name of `outer` (torch.ger). */
export const ger = outer;

/**
 * The product of vectors, matrices and batches of matrices (torch.matmul): of two vectors their `dot`; of a matrix and a vector `mv`; of
 * two matrices `mm`. A vector on the left is a row and one on the right a column, and that dimension is then left out of the result. Of
 * more dimensions the last two are those of matrices, and the others are broadcast: [..., m, k] times [..., k, n] is [..., m, n].
 * @throws if the dtypes differ, an operand has no dimensions, or the shapes do not fit
 */
export function matmul(x: Tensor, other: Tensor): Tensor {
  checkOperands('matmul', [x, other]);
  if (x.ndim === 0 || other.ndim === 0) {
    throw new AdjointError(
      'shape',
      `matmul: both arguments need to be at least 1D, but they are ${x.ndim}D and ${other.ndim}D; multiply by a scalar with mul`,
    );
  }
  if (x.ndim === 1 && other.ndim === 1) return dot(x, other);
  if (x.ndim === 1 && other.ndim === 2) return squeeze(mm(unsqueeze(x, 0), other), 0);
  if (other.ndim <= 2) {
    const multiplied = other.ndim === 1 ? mv : mm;
    if (x.ndim === 2) return multiplied(x, other);
    // all rows of the batch are the rows of one matrix
    const rows = x.shape.slice(0, -1);
    const product = multiplied(reshape(x, [numelOf(rows), x.shape[x.ndim - 1]]), other);
    return unsafeView(product, [...rows, ...other.shape.slice(1)]);
  }
  const left = x.ndim === 1 ? unsqueeze(x, 0) : x;
  const [a, b] = [left.shape.slice(-2), other.shape.slice(-2)];
  if (a[1] !== b[0]) {
    throw new AdjointError(
      'shape',
      `matmul: matrices of ${a.join('x')} and ${b.join('x')} cannot be multiplied, in operands of shapes ${showShape(x.shape)} and ${showShape(other.shape)}`,
    );
  }
  const batch = broadcastShapes(left.shape.slice(0, -2), other.shape.slice(0, -2));
  const product = multiplyBatches(expand(left, [...batch, ...a]), expand(other, [...batch, ...b]));
  return unsafeView(product, x.ndim === 1 ? [...batch, b[1]] : product.shape);
}

/**
 * The products along the last dimensions: out[..., ...] = sum over k of x[..., k] other[..., k]; with an operand that has no
 * dimensions, the product with that number (torch.inner).
 */
export function inner(x: Tensor, other: Tensor): Tensor {
  if (x.ndim === 0 || other.ndim === 0) return mul(x, other);
  checkOperands('inner', [x, other]);
  const [a, b] = [x.shape.slice(0, -1), other.shape.slice(0, -1)];
  const [k, l] = [x.shape[a.length], other.shape[b.length]];
  if (k !== l) {
    throw new AdjointError(
      'shape',
      `inner() the last dimension must match on both input tensors but got shapes ${showShape(x.shape)} and ${showShape(other.shape)}`,
    );
  }
  return view(mm(reshape(x, [numelOf(a), k]), t(reshape(other, [numelOf(b), k]))), [...a, ...b]);
}

/**
 * The Kronecker product: each element of `x` times the whole of `other`, laid out as a grid of blocks (torch.kron). The shape is the product of
 * the shapes, of which the shorter is filled up with 1 in front.
 */
export function kron(x: Tensor, other: Tensor): Tensor {
  const rank = Math.max(x.ndim, other.ndim);
  const filled = ({ shape }: Tensor): number[] => [...new Array<number>(rank - shape.length).fill(1), ...shape];
  const [a, b] = [filled(tensorOperand('kron', x)), filled(tensorOperand('kron', other))];
  const product = mul(
    reshape(
      x,
      a.flatMap((size) => [size, 1]),
    ),
    reshape(
      other,
      b.flatMap((size) => [1, size]),
    ),
  );
  return unsafeView(
    product,
    a.map((size, d) => size * b[d]),
  );
}
