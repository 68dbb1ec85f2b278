/** Several tensors made one, or brought to one shape. */
import { composed, examplesOf } from '../../autograd/batch-rules.ts';
import { apply, type Primitive, primitive, run, vjp, withBatchRule } from '../../autograd/primitive.ts';
import { filled } from '../../core/creation.ts';
import { getDefaultDtype, resultType } from '../../core/dtype.ts';
import { checkTensors, listOf, type SomeTensors, type Tensors } from '../../core/listed.ts';
import { namedAfterAny } from '../../core/named.ts';
import { broadcastShapes, checkDim, type Shape, sameShape, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import { write } from '../launch/write.ts';
import { expand, narrow, reshape, select, unsqueeze } from './view.ts';

/** Joined along `dim`, each tensor from its own index on. */
const Cat: Primitive<{ dim: number; starts: readonly number[]; size: number }> = primitive(
  'Cat',
  ({ dim, starts, size }, ...tensors) => {
    const like = tensors.find((x) => !isNothing(x)) ?? tensors[0];
    const out = Tensor.empty(
      like.shape.map((own, d) => (d === dim ? size : own)),
      resultType(tensors),
    );
    tensors.forEach((x, k) => {
      if (!isNothing(x)) write(narrow(out, dim, starts[k], x.shape[dim]), x);
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

withBatchRule(Cat, (params, inputs, batched) => {
  const examples = examplesOf(inputs, batched) as Tensor[];
  const rank = Math.max(...examples.map((x) => x.ndim));
  const known = examples.map((x) => (x.ndim === rank ? x : filled([0], 0, x.dtype)));
  return run(Cat, { ...params, dim: params.dim + 1 }, known);
});

/**
 * The tensors one after the other along a dimension that they have; their other sizes are the same (torch.cat). The dtype is what theirs
 * promote to. Tensors of shape [0] are left out.
 */
export const cat = namedAfterAny('cat', ['dim'], (tensors: Tensors, dim: number = 0): Tensor => {
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
      write(select(out, dim, k), x);
    });
    return out;
  },
  (k) => vjp((g, { params: dim }) => select(g, dim, k)),
);
// examples without dimensions can be stacked as well
withBatchRule(Stack, (dim, inputs, batched) => run(Stack, dim + 1, examplesOf(inputs, batched)));
/** Tensors of one shape along a new dimension (torch.stack). */
export const stack = namedAfterAny('stack', ['dim'], (tensors: Tensors, dim: number = 0): Tensor => {
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

/** All expanded, as views, to the shape that they broadcast to (torch.broadcast_tensors). */
export function broadcastTensors(...tensors: SomeTensors): Tensor[] {
  const list = listOf('broadcastTensors', tensors);
  const shape = list.reduce((all: Shape, x) => broadcastShapes(all, x.shape), []);
  return list.map((x) => expand(x, shape));
}

/** Defines a function of one tensor that also takes several, or an array of them, and gives an array. */
function each(name: string, operator: (x: Tensor) => Tensor): ForEach {
  return ((...tensors: SomeTensors) => {
    const results = listOf(name, tensors).map(operator);
    return tensors.length === 1 && tensors[0] instanceof Tensor ? results[0] : results;
  }) as ForEach;
}
interface ForEach {
  (x: Tensor): Tensor;
  (...tensors: SomeTensors): Tensor[];
}

/** `x`, with a dimension if it has none (torch.atleast_1d). Of several tensors, an array. */
export const atleast1d = each('atleast1d', (x) => (x.ndim === 0 ? reshape(x, 1) : x));
/** `x` with dimensions in front until there are two (torch.atleast_2d). Of several tensors, an array. */
export const atleast2d = each('atleast2d', (x) => {
  if (x.ndim === 0) return reshape(x, 1, 1);
  return x.ndim === 1 ? unsqueeze(x, 0) : x;
});
/** `x` with three dimensions at least: a vector becomes [1, n, 1], a matrix [m, n, 1] (torch.atleast_3d). Of several tensors, an array. */
export const atleast3d = each('atleast3d', (x) => {
  if (x.ndim === 0) return reshape(x, 1, 1, 1);
  if (x.ndim === 1) return unsqueeze(unsqueeze(x, 0), -1);
  return x.ndim === 2 ? unsqueeze(x, -1) : x;
});

/** Joined from left to right: along dimension 1, vectors along 0 (torch.hstack). */
export function hstack(tensors: Tensors): Tensor {
  const list = checkTensors('hstack', tensors).map((x) => atleast1d(x));
  return cat(list, list[0].ndim === 1 ? 0 : 1);
}
/** Joined from top to bottom: along dimension 0, vectors as rows (torch.vstack). */
export function vstack(tensors: Tensors): Tensor {
  return cat(
    checkTensors('vstack', tensors).map((x) => atleast2d(x)),
    0,
  );
}
/** `vstack` by its other name (torch.row_stack). */
export const rowStack = vstack;
/** Joined from front to back: along dimension 2, matrices as [m, n, 1] (torch.dstack). */
export function dstack(tensors: Tensors): Tensor {
  return cat(
    checkTensors('dstack', tensors).map((x) => atleast3d(x)),
    2,
  );
}
/** Joined from left to right, vectors as columns (torch.column_stack). */
export function columnStack(tensors: Tensors): Tensor {
  return hstack(checkTensors('columnStack', tensors).map((x) => (x.ndim <= 1 ? reshape(x, x.numel(), 1) : x)));
}

const BlockDiag = primitive<Shape>(
  'BlockDiag',
  (shape, ...blocks) => {
    const out = filled(shape, 0, resultType(blocks));
    let [row, column] = [0, 0];
    for (const block of blocks) {
      const [rows, columns] = matrixShape(block.shape);
      write(narrow(narrow(out, 0, row, rows), 1, column, columns), block);
      row += rows;
      column += columns;
    }
    return out;
  },
  (k) =>
    vjp((g, { shapes }) => {
      const [row, column] = sizesOf(shapes.slice(0, k));
      const [rows, columns] = matrixShape(shapes[k]);
      return reshape(narrow(narrow(g, 0, row, rows), 1, column, columns), shapes[k]);
    }),
);
composed(BlockDiag, ([, width], ...blocks) => {
  let column = 0;
  const rows = blocks.map((block) => {
    const [rows, columns] = matrixShape(block.shape);
    const before = filled([rows, column], 0, block.dtype);
    column += columns;
    return cat([before, reshape(block, [rows, columns]), filled([rows, width - column], 0, block.dtype)], 1);
  });
  return cat(rows, 0);
});
const matrixShape = (shape: Shape): [rows: number, columns: number] => [1, 1, ...shape].slice(-2) as [number, number];
/** How many rows and columns the blocks of these shapes take in all. */
const sizesOf = (shapes: readonly Shape[]): [rows: number, columns: number] =>
  shapes.map(matrixShape).reduce(([rows, columns], [m, n]) => [rows + m, columns + n], [0, 0]);

/** A matrix of zeros with the given matrices along its diagonal; vectors count as one row (torch.block_diag). */
export function blockDiag(...tensors: SomeTensors): Tensor {
  const blocks = listOf('blockDiag', tensors);
  blocks.forEach((x, k) => {
    if (x.ndim > 2)
      throw new AdjointError(
        'shape',
        `blockDiag: Input tensors must have 2 or fewer dimensions. Input ${k} has ${x.ndim} dimensions`,
      );
  });
  if (blocks.length === 0) return Tensor.empty([1, 0], getDefaultDtype());
  return apply(BlockDiag, sizesOf(blocks.map((x) => x.shape)), blocks);
}
