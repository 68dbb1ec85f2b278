/** Several tensors made one, or brought to one shape. */
import { apply, primitive, vjp } from '../autograd/primitive.ts';
import { filled } from '../core/creation.ts';
import { resultType } from '../core/dtype.ts';
import { checkDim, sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { named } from './named.ts';
import { narrow, select } from './view.ts';

type Tensors = readonly Tensor[];

function checkTensors(call: string, tensors: Tensors): Tensors {
  if (!Array.isArray(tensors)) {
    throw new AdjointError('argument', `${call}: expected an array of Tensors, got ${show(tensors)}`);
  }
  tensors.forEach((x, k) => {
    if (!(x instanceof Tensor))
      throw new AdjointError('argument', `${call}: expected a Tensor at position ${k}, got ${show(x)}`);
  });
  if (tensors.length === 0) throw new AdjointError('argument', `${call} expects a non-empty TensorList`);
  return tensors;
}

/** Joined along `dim`, each tensor from its own index on. */
const Cat = primitive<{ dim: number; starts: readonly number[]; size: number }>(
  'Cat',
  ({ dim, starts, size }, ...tensors) => {
    const like = tensors.find((x) => !isNothing(x)) ?? tensors[0];
    const out = Tensor.empty(
      like.shape.map((own, d) => (d === dim ? size : own)),
      resultType(tensors),
    );
    tensors.forEach((x, k) => {
      if (!isNothing(x)) narrow(out, dim, starts[k], x.shape[dim]).copy_(x);
    });
    return out;
  },
  (k) =>
    vjp((g, { params: { dim, starts }, shapes }) =>
      g.ndim > 1 && shapes[k].length === 1 ? filled(shapes[k], 0, g.dtype) : narrow(g, dim, starts[k], shapes[k][dim]),
    ),
);

/** An empty vector: it may be joined to tensors of any shape. */
const isNothing = (x: Tensor): boolean => x.ndim === 1 && x.shape[0] === 0;

/**
 * The tensors one after the other along a dimension that they have; their other sizes are the same (torch.cat). The dtype is what theirs
 * promote to. Tensors of shape [0] are left out.
 */
export const cat = named('cat', ['dim'], (tensors: Tensors, dim: number = 0): Tensor => {
  checkTensors('cat()', tensors);
  tensors.forEach((x, k) => {
    if (x.ndim === 0)
      throw new AdjointError('shape', `zero-dimensional tensor (at position ${k}) cannot be concatenated; use stack`);
  });
  const like = tensors.find((x) => !isNothing(x)) ?? tensors[0];
  const d = checkDim(dim, like.ndim);
  let size = 0;
  const starts = tensors.map((x, k) => {
    const start = size;
    if (isNothing(x)) return start;
    if (x.ndim !== like.ndim) {
      throw new AdjointError(
        'shape',
        `Tensors must have same number of dimensions: got ${like.ndim} and ${x.ndim}: shapes ${showShape(like.shape)} and ${showShape(x.shape)}`,
      );
    }
    const differs = x.shape.findIndex((own, i) => i !== d && own !== like.shape[i]);
    if (differs >= 0) {
      throw new AdjointError(
        'shape',
        `Sizes of tensors must match except in dimension ${d}. Expected size ${like.shape[differs]} but got size ${x.shape[differs]} for tensor number ${k} in the list.`,
      );
    }
    size += x.shape[d];
    return start;
  });
  return apply(Cat, { dim: d, starts, size }, tensors);
});
/** `cat` by its full name (torch.concat). */
export const concat = cat;
/** `cat` under NumPy's name (torch.concatenate). */
export const concatenate = cat;

const Stack = primitive<number>(
  'Stack',
  (dim, ...tensors) => {
    const { shape } = tensors[0];
    const out = Tensor.empty([...shape.slice(0, dim), tensors.length, ...shape.slice(dim)], resultType(tensors));
    tensors.forEach((x, k) => {
      select(out, dim, k).copy_(x);
    });
    return out;
  },
  (k) => vjp((g, { params: dim }) => select(g, dim, k)),
);
/** Tensors of one shape along a new dimension (torch.stack). */
export const stack = named('stack', ['dim'], (tensors: Tensors, dim: number = 0): Tensor => {
  const [first] = checkTensors('stack', tensors);
  const d = checkDim(dim, first.ndim + 1);
  tensors.forEach((x, k) => {
    if (!sameShape(x.shape, first.shape)) {
      throw new AdjointError(
        'shape',
        `stack expects each tensor to be equal size, but got ${showShape(first.shape)} at entry 0 and ${showShape(x.shape)} at entry ${k}`,
      );
    }
  });
  return apply(Stack, d, tensors);
});
