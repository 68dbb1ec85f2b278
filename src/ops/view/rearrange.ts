/** Copies of a tensor's elements in other places: repeated, reversed, shifted, turned, cut to a triangle, put on a diagonal. */
import { alongBatch, composed, inFront } from '../../autograd/batch-rules.ts';
import { apply, applyInPlace, type Primitive, primitive, run, vjp, withBatchRule } from '../../autograd/primitive.ts';
import { element, filled, fromElements } from '../../core/creation.ts';
import { isFloatingPoint } from '../../core/dtype.ts';
import { listed } from '../../core/listed.ts';
import { named } from '../../core/named.ts';
import { checkDim, checkDims, checkSize, contiguousStrides, type Shape, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { write } from '../launch/write.ts';
import { diagonals, over } from './part.ts';
import { clone, diagonal, expand, flatten, narrow, ravel, reshape, transpose, unsqueeze } from './view.ts';

// Repeated.

/** Each size after the number of its repeats. */
const interleaved = (repeats: readonly number[], shape: Shape): number[] =>
  repeats.flatMap((count, d) => [count, shape[d - repeats.length + shape.length] ?? 1]);

const Repeat: Primitive<readonly number[]> = primitive(
  'Repeat',
  (repeats, x) => {
    const grid = interleaved(repeats, x.shape);
    const once = interleaved(
      repeats.map(() => 1),
      x.shape,
    );
    const out = Tensor.empty(
      repeats.map((_, d) => grid[2 * d] * grid[2 * d + 1]),
      x.dtype,
    );
    write(over(out, grid, contiguousStrides(grid)), reshape(x, once));
    return out;
  },
  [
    vjp((g, { params: repeats, shapes: [shape] }) => {
      if (repeats.length === 0) return g;
      const copies = reshape(g, interleaved(repeats, shape)).sum(repeats.map((_, d) => 2 * d));
      return reshape(copies, shape);
    }),
  ],
);
withBatchRule(Repeat, (repeats, [examples]) => {
  const { shape } = examples as Tensor;
  const ones = new Array<number>(repeats.length + 1 - shape.length).fill(1);
  return run(Repeat, [1, ...repeats], [reshape(examples as Tensor, [shape[0], ...ones, ...shape.slice(1)])]);
});
/** The tensor `repeats[d]` times along each dimension d, of which there may be more in front (torch.Tensor.repeat). */
export const repeat = listed('repeat', 'repeats', (x, repeats) => {
  if (repeats.length < x.ndim) {
    throw new AdjointError(
      'shape',
      'Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: ' +
        `got repeats ${show(repeats)} for shape ${showShape(x.shape)}`,
    );
  }
  return apply(
    Repeat,
    repeats.map((count) => checkSize(count, 'repeat: a number of repeats')),
    [x],
  );
});

/** `repeat` with as many ones put before `dims` as dimensions lack a number of repeats (torch.tile). */
export const tile = listed('tile', 'dims', (x, dims) =>
  repeat(x, [...new Array<number>(Math.max(0, x.ndim - dims.length)).fill(1), ...dims]),
);

/**
 * Each element `repeats` times in a row, or as often as a tensor of integers says for each index of `dim`; without `dim`, of the
 * flattened tensor (torch.repeat_interleave).
 */
export const repeatInterleave = named(
  'repeatInterleave',
  ['repeats', 'dim', 'outputSize'],
  (x: Tensor, repeats: number | Tensor, dim: number | null = null, outputSize: number | null = null) => {
    if (dim === null) return repeatAlong(flatten(x), repeats, 0, outputSize);
    if (x.ndim === 0) throw new AdjointError('index', `Dimension specified as ${dim} but tensor has no dimensions`);
    return repeatAlong(x, repeats, checkDim(dim, x.ndim), outputSize);
  },
);

function repeatAlong(x: Tensor, repeats: number | Tensor, dim: number, outputSize: number | null): Tensor {
  if (!(repeats instanceof Tensor)) {
    const count = checkSize(repeats, 'Repeats');
    checkOutputSize(outputSize, x.shape[dim] * count);
    const layers = unsqueeze(x, dim + 1);
    const sizes = layers.shape.map((size, d) => (d === dim + 1 ? count : size));
    return flatten(clone(expand(layers, sizes)), dim, dim + 1);
  }
  if (isFloatingPoint(repeats.dtype) || repeats.dtype === 'bool')
    throw new AdjointError('dtype', `repeats must be of an integer dtype, got ${repeats.dtype}`);
  if (repeats.ndim > 1)
    throw new AdjointError('shape', `repeats must be 0-dim or 1-dim tensor, got shape ${showShape(repeats.shape)}`);
  const size = x.shape[dim];
  const counts = Array.from(repeats.toTypedArray() as Iterable<number | bigint>, Number);
  if (counts.length !== 1 && counts.length !== size) {
    throw new AdjointError(
      'shape',
      `repeats must have the same size as input along dim, but got repeats.size(0) = ${counts.length} and input.size(${dim}) = ${size}`,
    );
  }
  for (const count of counts)
    if (count < 0) throw new AdjointError('argument', `repeats can not be negative, got ${count}`);
  const indices: number[] = [];
  for (let i = 0; i < size; i++) {
    for (let n = counts[counts.length === 1 ? 0 : i]; n > 0; n--) indices.push(i);
  }
  checkOutputSize(outputSize, indices.length);
  return x.indexSelect(dim, fromElements(BigInt64Array.from(indices, BigInt), [indices.length], 'int64'));
}

function checkOutputSize(given: number | null, actual: number): void {
  if (given !== null && given !== actual)
    throw new AdjointError(
      'shape',
      `allocated size does not match required size: outputSize is ${given}, the repeats add up to ${actual}`,
    );
}

// Reversed, shifted, turned.

const Flip: Primitive<readonly number[]> = primitive(
  'Flip',
  (dims, x) => {
    const strides = x.strides.map((stride, d) => (dims.includes(d) ? -stride : stride));
    const last = dims.reduce((offset, d) => offset + (x.shape[d] - 1) * x.strides[d], x.offset);
    return write(Tensor.empty(x.shape, x.dtype), over(x, x.shape, strides, last));
  },
  [vjp((g, { params }) => flip(g, params))],
);
alongBatch(Flip);
/** A copy in which the order of the indices of each of `dims` is reversed (torch.flip). */
export const flip = listed('flip', 'dims', (x, dims) =>
  apply(Flip, dims.length === 0 ? [] : checkDims(dims, x.ndim), [x]),
);
/** A copy mirrored from left to right: along dimension 1 (torch.fliplr). */
export function fliplr(x: Tensor): Tensor {
  if (x.ndim < 2) throw new AdjointError('shape', `fliplr: Input must be >= 2-d, got shape ${showShape(x.shape)}`);
  return flip(x, 1);
}
/** A copy mirrored from top to bottom: along dimension 0 (torch.flipud). */
export function flipud(x: Tensor): Tensor {
  if (x.ndim < 1) throw new AdjointError('shape', 'flipud: Input must be >= 1-d, got a tensor without dimensions');
  return flip(x, 0);
}

interface Shifts {
  readonly shifts: readonly number[];
  /** One for each shift; none where the flattened tensor is shifted. */
  readonly dims: readonly number[];
}
const Roll: Primitive<Shifts> = primitive(
  'Roll',
  ({ shifts, dims }, x) => {
    if (dims.length === 0) return reshape(rolled(ravel(x), shifts[0], 0), x.shape);
    return dims.reduce((all, dim, k) => rolled(all, shifts[k], dim), x);
  },
  [vjp((g, { params: { shifts, dims } }) => apply(Roll, { shifts: shifts.map((shift) => -shift), dims }, [g]))],
);

withBatchRule(Roll, ({ shifts, dims }, [examples]) => {
  const x = examples as Tensor;
  if (dims.length > 0) return run(Roll, { shifts, dims: dims.map((d) => d + 1) }, [x]);
  return reshape(apply(Roll, { shifts, dims: [1] }, [reshape(x, [x.shape[0], -1])]), x.shape);
});

/** A copy in which index i of a dimension has gone to i + shift, around the end. */
function rolled(x: Tensor, shift: number, dim: number): Tensor {
  const out = Tensor.empty(x.shape, x.dtype);
  const size = x.shape[dim];
  if (size === 0) return out;
  const by = ((shift % size) + size) % size;
  write(narrow(out, dim, by, size - by), narrow(x, dim, 0, size - by));
  write(narrow(out, dim, 0, by), narrow(x, dim, size - by, by));
  return out;
}

type OneOrMore = number | readonly number[];
const list = (numbers: OneOrMore): readonly number[] => (typeof numbers === 'number' ? [numbers] : numbers);

/**
 * A copy whose elements are shifted along each of `dims`, those that leave at one end entering at the other; without `dims`, along the
 * flattened tensor (torch.roll).
 */
export const roll = named('roll', ['shifts', 'dims'], (x: Tensor, shifts: OneOrMore, dims: OneOrMore = []) => {
  const [by, along] = [list(shifts), list(dims)];
  if (by.length === 0) throw new AdjointError('argument', 'roll: `shifts` required');
  for (const shift of by) {
    if (!Number.isInteger(shift))
      throw new AdjointError('argument', `roll: a shift must be a whole number, got ${show(shift)}`);
  }
  if (by.length !== along.length && !(along.length === 0 && by.length === 1)) {
    throw new AdjointError('argument', `shifts and dimensions must align. shifts: ${by.length}, dims:${along.length}`);
  }
  if (x.ndim === 0 && along.length > 0)
    throw new AdjointError('index', `Dimension specified as ${along[0]} but tensor has no dimensions`);
  return apply(Roll, { shifts: by, dims: along.map((d) => checkDim(d, x.ndim)) }, [x]);
});

interface Turns {
  /** From 0 to 3. */
  readonly quarters: number;
  readonly plane: readonly [from: number, to: number];
}
const Rot90: Primitive<Turns> = primitive(
  'Rot90',
  ({ quarters, plane: [from, to] }, x) => {
    if (quarters === 0) return clone(x);
    if (quarters === 2) return flip(x, from, to);
    return transpose(flip(x, quarters === 1 ? to : from), from, to);
  },
  [vjp((g, { params: { quarters, plane } }) => apply(Rot90, { quarters: (4 - quarters) % 4, plane }, [g]))],
);
withBatchRule(Rot90, ({ quarters, plane: [from, to] }, examples) =>
  run(Rot90, { quarters, plane: [from + 1, to + 1] }, examples),
);
/** A copy turned by `k` quarters in the plane of two dimensions, from the first towards the second (torch.rot90). */
export const rot90 = named('rot90', ['k', 'dims'], (x: Tensor, k: number = 1, dims: readonly number[] = [0, 1]) => {
  if (!Number.isInteger(k)) throw new AdjointError('argument', `rot90: k must be a whole number, got ${show(k)}`);
  if (dims.length !== 2)
    throw new AdjointError('argument', `expected total rotation dims == 2, but got dims = ${dims.length}`);
  if (x.ndim < 2) throw new AdjointError('shape', `expected total dims >= 2, but got total dims = ${x.ndim}`);
  const plane = [checkDim(dims[0], x.ndim), checkDim(dims[1], x.ndim)] as const;
  if (plane[0] === plane[1]) {
    throw new AdjointError(
      'argument',
      `expected rotation dims to be different, but got dim0 = ${dims[0]} and dim1 = ${dims[1]}`,
    );
  }
  return apply(Rot90, { quarters: ((k % 4) + 4) % 4, plane }, [x]);
});

// Triangles and diagonals.

/** A copy with zeros in the columns of each row of each matrix that `cleared` tells. */
function triangle(x: Tensor, cleared: (row: number, columns: number) => readonly [start: number, end: number]): Tensor {
  const out = clone(x);
  const elements = out.storage.elements() as Float64Array;
  const zero = element(0, x.dtype) as number;
  const [rows, columns] = x.shape.slice(-2);
  for (let row = 0; row * columns < elements.length; row++) {
    const [start, end] = cleared(row % rows, columns);
    elements.fill(zero, row * columns + start, row * columns + end);
  }
  return out;
}

const within = (column: number, columns: number): number => Math.min(Math.max(column, 0), columns);

const Tril: Primitive<number> = primitive(
  'Tril',
  (diagonal, x) => triangle(x, (row, columns) => [within(row + diagonal + 1, columns), columns]),
  [vjp((g, { params }) => tril(g, params))],
);
const Triu: Primitive<number> = primitive(
  'Triu',
  (diagonal, x) => triangle(x, (row, columns) => [0, within(row + diagonal, columns)]),
  [vjp((g, { params }) => triu(g, params))],
);

inFront(Tril);
inFront(Triu);

/** The number of a diagonal of the matrices of `x`, checked. */
function checkDiagonal(name: string, x: Tensor, diagonal: number): number {
  if (x.ndim < 2) {
    throw new AdjointError(
      'shape',
      `${name}: input tensor must have at least 2 dimensions, got shape ${showShape(x.shape)}`,
    );
  }
  if (!Number.isInteger(diagonal))
    throw new AdjointError('argument', `${name}: diagonal must be a whole number, got ${show(diagonal)}`);
  return diagonal;
}

/** A copy with zeros above the given diagonal of each matrix, 0 being the main one and 1 the one above (torch.tril). */
export const tril = named('tril', ['diagonal'], (x: Tensor, diagonal: number = 0) =>
  apply(Tril, checkDiagonal('tril', x, diagonal), [x]),
);
/** A copy with zeros below the given diagonal of each matrix, 0 being the main one and 1 the one above (torch.triu). */
export const triu = named('triu', ['diagonal'], (x: Tensor, diagonal: number = 0) =>
  apply(Triu, checkDiagonal('triu', x, diagonal), [x]),
);
/** Writes zeros above the given diagonal of each matrix (torch.Tensor.tril_). */
export const tril_ = named('tril_', ['diagonal'], (x: Tensor, diagonal: number = 0) =>
  applyInPlace(Tril, checkDiagonal('tril_', x, diagonal), [x]),
);
/** Writes zeros below the given diagonal of each matrix (torch.Tensor.triu_). */
export const triu_ = named('triu_', ['diagonal'], (x: Tensor, diagonal: number = 0) =>
  applyInPlace(Triu, checkDiagonal('triu_', x, diagonal), [x]),
);

interface Diagonal {
  readonly offset: number;
  readonly dim1: number;
  readonly dim2: number;
}
const DiagEmbed: Primitive<Diagonal> = primitive(
  'DiagEmbed',
  ({ offset, dim1, dim2 }, x) => {
    const size = x.shape[x.ndim - 1] + Math.abs(offset);
    const shape = x.shape.slice(0, -1);
    for (const dim of [Math.min(dim1, dim2), Math.max(dim1, dim2)]) shape.splice(dim, 0, size);
    const out = filled(shape, 0, x.dtype);
    write(diagonal(out, offset, dim1, dim2), x);
    return out;
  },
  [vjp((g, { params: { offset, dim1, dim2 } }) => diagonal(g, offset, dim1, dim2))],
);
withBatchRule(DiagEmbed, ({ offset, dim1, dim2 }, examples) =>
  run(DiagEmbed, { offset, dim1: dim1 + 1, dim2: dim2 + 1 }, examples),
);
/**
 * Zeros with the last dimension of `x` on the diagonal of two new dimensions, `offset` above the main one (torch.diag_embed): the inverse
 * of `diagonal`.
 */
export const diagEmbed = named(
  'diagEmbed',
  ['offset', 'dim1', 'dim2'],
  (x: Tensor, offset: number = 0, dim1: number = -2, dim2: number = -1) => {
    const dims = { dim1: checkDim(dim1, x.ndim + 1), dim2: checkDim(dim2, x.ndim + 1) };
    if (dims.dim1 === dims.dim2)
      throw new AdjointError('argument', `diagonal dimensions cannot be identical ${dim1}, ${dim2}`);
    if (!Number.isInteger(offset))
      throw new AdjointError('argument', `diagEmbed: offset must be a whole number, got ${show(offset)}`);
    return apply(DiagEmbed, { offset, ...dims }, [x]);
  },
);

/** A matrix with the vector `x` on a diagonal, or a copy of a diagonal of the matrix `x` (torch.diag). */
export const diag = named('diag', ['diagonal'], (x: Tensor, offset: number = 0) => {
  if (x.ndim === 1) return diagEmbed(x, offset);
  if (x.ndim === 2) return clone(diagonal(x, offset));
  throw new AdjointError('shape', `diag(): Supports 1D or 2D tensors. Got ${x.ndim}D`);
});

/** A matrix with the elements of `x` on a diagonal (torch.diagflat). */
export const diagflat = named('diagflat', ['offset'], (x: Tensor, offset: number = 0) => diagEmbed(ravel(x), offset));

const Trace = composed(
  primitive('Trace', (_, x) => diagonal(x).sum(), [
    vjp((g, { shapes: [shape] }) => diagonals.embed(expand(g, Math.min(...shape)), shape, [0, 0, 1])),
  ]),
);
/** The sum of the diagonal of a matrix; of integers in int64 (torch.trace). */
export function trace(x: Tensor): Tensor {
  if (x.ndim !== 2) throw new AdjointError('shape', `trace: expected a matrix, but got tensor with dim ${x.ndim}`);
  return apply(Trace, undefined, [x]);
}
