/** Hands tensors to row kernels (kernels/rows.ts). */
import type { Operand } from '../../autograd/primitive.ts';
import type { DType } from '../../core/dtype.ts';
import { broadcastStrides, contiguousStrides, numelOf, type Shape, sameShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { bytesOf, codeOf, elementTypes } from '../../kernels/element.ts';
import { type Expr, input, inputsOf, substitute } from '../../kernels/expr.ts';
import { descriptor, heap } from '../../kernels/memory.ts';
import type { Kernel } from '../../kernels/module.ts';
import { headerWords, operandWords } from '../../kernels/pointwise.ts';
import { type RowProgram, rowKernel, triangleWords } from '../../kernels/rows.ts';
import { runUnits } from '../../kernels/threads.ts';
import { foldLoops, type Loops, modeOf, modes, parameter } from './loops.ts';
import { launchPointwise, type PointwiseCode, pointwiseCode, runRow } from './pointwise.ts';
import { launchReduction, type ReductionCode, reduction } from './reduction.ts';
import { stage, unstage } from './staging.ts';

/** A row program and the kernels made of it so far. */
export interface RowCode extends RowProgram {
  readonly kernels: { readonly kinds: readonly number[]; readonly kernel: Kernel }[];
  /** The same as a reduction for each total and a pointwise kernel for each result, made when they are needed. */
  apart?: { readonly totals: readonly ReductionCode[]; readonly results: readonly Result[] };
}

/** A pointwise kernel, and which of the operands and totals it is of. */
interface Result {
  readonly code: PointwiseCode;
  readonly inputs: readonly number[];
}

export const rowCode = (program: RowProgram): RowCode => ({ ...program, kernels: [] });

function resultOf(root: Expr): Result {
  const inputs = inputsOf(root);
  const own = substitute(root, ({ op, value }) => (op === 'input' ? input(inputs.indexOf(value)) : undefined));
  return { code: pointwiseCode(own), inputs };
}

/**
 * Computes a row program along `dim` of operands that broadcast to a shape: as rows where they are such, else one kernel after the other.
 * Results have that shape, or 1 along `dim` if they are made of nothing that moves along it. Where it has no elements, nothing is written.
 * @param causal whether of row r of each matrix only the first r + 1 elements count, and the rest of the results is 0: rows have to be such
 */
export function launchLines(
  code: RowCode,
  shape: Shape,
  operands: readonly Operand[],
  dim: number,
  type: DType,
  outs: readonly Tensor[],
  causal = false,
): void {
  if (numelOf(shape) === 0) return;
  const ndim = shape.length;
  const isRow = (x: Operand): boolean => typeof x === 'number' || x.strides[dim] <= 1 || shape[dim] === 1;
  if (causal || ndim === 0 || (dim === ndim - 1 && operands.every(isRow))) {
    launchRows(code, shape, operands, type, outs, causal);
    return;
  }
  code.apart ??= {
    totals: code.totals.map(({ combine, map, finish }) => reduction(combine, map, finish)),
    results: code.results.map(resultOf),
  };
  const all = [...operands];
  for (const total of code.apart.totals) {
    const out = Tensor.empty(shape.with(dim, 1), type);
    launchReduction(total, all, [dim], type, out, shape[dim]);
    all.push(out);
  }
  for (const [k, { code: own, inputs }] of code.apart.results.entries()) {
    launchPointwise(
      own,
      inputs.map((i) => all[i]),
      type,
      outs[k],
    );
  }
}

/**
 * Computes a row program of the operands, as numbers of dtype `type`, into results: all broadcast to the shape. Rows lie along its last
 * dimension.
 * @param causal as above
 */
export function launchRows(
  code: RowCode,
  shape: Shape,
  operands: readonly Operand[],
  type: DType,
  outs: readonly Tensor[],
  causal = false,
): void {
  const n = numelOf(shape);
  if (n === 0) return;
  const all: readonly Operand[] = [...operands, ...outs];
  const loops = loopsOf(all, shape, n, code.totals.length > 0);
  const inner = loops.sizes.length - 1;
  const kinds = new Array<number>(all.length + 1);
  for (let k = 0; k < all.length; k++) {
    const x = all[k];
    kinds[k] = typeof x === 'number' ? parameter : 4 * codeOf[x.dtype] + modeOf(loops.strides[k][inner]);
  }
  kinds[all.length] = codeOf[type];
  const kernel = kernelFor(code, kinds, operands.length);

  const words = heap.int32;
  const start = descriptor >> 2;
  words[start] = loops.sizes[inner];
  words[start + 1] = inner;
  let w = start + headerWords;
  for (let k = 0; k < all.length; k++, w += operandWords) {
    const x = all[k];
    if (typeof x === 'number') {
      heap.float64[w >> 1] = x;
    } else {
      words[w] = stage(x);
      words[w + 1] = loops.strides[k][inner] * bytesOf[x.dtype];
    }
  }
  words[w] = causal ? shape[shape.length - 2] : 0;
  w += triangleWords;
  let rows = 1;
  for (let d = 0; d < inner; d++) {
    words[w++] = loops.sizes[d];
    rows *= loops.sizes[d];
    for (let k = 0; k < all.length; k++) {
      const x = all[k];
      words[w++] = typeof x === 'number' ? 0 : loops.strides[k][d] * bytesOf[x.dtype];
    }
  }
  const first = start + headerWords + operandWords * operands.length;
  const addresses = outs.map((_, k) => words[first + operandWords * k]);
  if (code.totals.length > 0 || rows > 1) runUnits(kernel, descriptor, rows, words[start]);
  else runRow(kernel, operands, outs.length, triangleWords);
  for (let k = 0; k < outs.length; k++) unstage(outs[k], addresses[k]);
}

const single = [1];

/**
 * The loops over rows and, innermost, along them; of numbers, the strides mean nothing.
 * @param apart whether rows have to be kept as they are; else they are joined where they can be
 */
function loopsOf(all: readonly Operand[], shape: Shape, n: number, apart: boolean): Loops {
  const isDense = (x: Operand): boolean => typeof x === 'number' || (sameShape(x.shape, shape) && x.isContiguous());
  if (!apart && (n === 1 || all.every(isDense))) return { sizes: [n], strides: all.map(() => single) };
  const strides = all.map((x) =>
    typeof x === 'number' ? contiguousStrides(shape) : broadcastStrides(x.shape, x.strides, shape),
  );
  if (!apart) return foldLoops(shape, strides);
  const last = shape.length - 1;
  const outer = foldLoops(
    shape.slice(0, -1),
    strides.map((own) => own.slice(0, -1)),
  );
  return {
    sizes: [...outer.sizes, last < 0 ? 1 : shape[last]],
    strides: outer.strides.map((own, k) => [...own, last < 0 ? 1 : strides[k][last]]),
  };
}

/** @param kinds of each operand and result and of the numbers that are computed with */
function kernelFor(code: RowCode, kinds: readonly number[], operands: number): Kernel {
  const known = code.kernels.find((other) => other.kinds.every((kind, k) => kind === kinds[k]));
  if (known) return known.kernel;
  const all = kinds.slice(0, -1).map((kind) => ({ type: elementTypes[kind >> 2], mode: modes[kind & 3] }));
  const type = elementTypes[kinds[kinds.length - 1]];
  const own = all.map((o) => (o.mode === 'parameter' ? { ...o, type } : o));
  const kernel = rowKernel(code, type, own.slice(0, operands), own.slice(operands));
  code.kernels.push({ kinds, kernel });
  return kernel;
}
