/** Hands tensors to pointwise kernels: folds dimensions, finds the kernel for what is left, writes its descriptor and runs it. */
import type { Operand } from '../../autograd/primitive.ts';
import type { DType } from '../../core/dtype.ts';
import { broadcastStrides, isContiguous, numelOf, type Shape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { bytesOf, codeOf } from '../../kernels/element.ts';
import type { Expr } from '../../kernels/expr.ts';
import { descriptor, heap } from '../../kernels/memory.ts';
import type { Kernel } from '../../kernels/module.ts';
import { headerWords, operandWords, pointwiseKernel } from '../../kernels/pointwise.ts';
import { beginOf, copyDescriptor, partsFor, runParts, runUnits, setPart } from '../../kernels/threads.ts';
import { foldLoops, type Loops, modeOf, modes, parameter } from './loops.ts';
import { computeScalar, type ScalarCode } from './scalar.ts';
import { stage, unstage } from './staging.ts';

/** An expression and the kernels made of it so far. */
export interface PointwiseCode extends ScalarCode {
  readonly kernels: Map<number, Kernel>;
}

const codes = new WeakMap<Expr, PointwiseCode>();

/** The kernels of an expression: all that compute the same share them. */
export function pointwiseCode(root: Expr): PointwiseCode {
  let code = codes.get(root);
  if (!code) codes.set(root, (code = { root, kernels: new Map() }));
  return code;
}

/** Computes an expression of the operands, as numbers of dtype `type`, into `out`, whose shape they broadcast to. */
export function launchPointwise(code: PointwiseCode, operands: readonly Operand[], type: DType, out: Tensor): void {
  const n = numelOf(out.shape);
  if (n === 0 || (n === 1 && computeScalar(code, operands, type, out))) return;
  const loops = liesDensely(operands, out, n) ? null : loopsOf(operands, out);
  const inner = loops ? loops.sizes.length - 1 : 0;
  const count = operands.length;
  let key = codeOf[type];
  for (let k = 0; k < count; k++) {
    const x = operands[k];
    key = key * 32 + (typeof x === 'number' ? parameter : codeOf[x.dtype] * 4 + modeOf(steps[k]));
  }
  key = key * 32 + codeOf[out.dtype] * 4 + modeOf(steps[count]);
  let kernel = code.kernels.get(key);
  if (!kernel) {
    const kinds = operands.map((x, k) =>
      typeof x === 'number' ? { type, mode: modes[parameter] } : { type: x.dtype, mode: modes[modeOf(steps[k])] },
    );
    kernel = pointwiseKernel(code.root, type, kinds, { type: out.dtype, mode: modes[modeOf(steps[count])] });
    code.kernels.set(key, kernel);
  }

  const words = heap.int32;
  const first = descriptor >> 2;
  let w = first;
  words[w++] = loops === null ? n : inner < 0 ? 1 : loops.sizes[inner];
  words[w++] = Math.max(inner, 0);
  for (let k = 0; k < count; k++, w += operandWords) {
    const x = operands[k];
    if (typeof x === 'number') {
      heap.float64[w >> 1] = x;
    } else {
      words[w] = stage(x);
      words[w + 1] = steps[k] * bytesOf[x.dtype];
    }
  }
  const address = stage(out);
  words[w] = address;
  words[w + 1] = steps[count] * bytesOf[out.dtype];
  w += operandWords;
  let rows = 1;
  for (let d = 0; loops !== null && d < inner; d++) {
    words[w++] = loops.sizes[d];
    rows *= loops.sizes[d];
    for (let k = 0; k < count; k++) {
      const x = operands[k];
      words[w++] = typeof x === 'number' ? 0 : loops.strides[k][d] * bytesOf[x.dtype];
    }
    words[w++] = loops.strides[count][d] * bytesOf[out.dtype];
  }
  if (rows > 1) runUnits(kernel, descriptor, rows, words[first]);
  else runRow(kernel, operands);
  unstage(out, address);
}

/** How far each operand, and after the last the result, moves along the innermost loop, in elements; of one launch at a time. */
const steps: number[] = [];

/** The common case, which needs no folding: everything lies in row-major order without gaps, or is one element for all. Sets `steps`. */
function liesDensely(operands: readonly Operand[], out: Tensor, n: number): boolean {
  if (!isContiguous(out.shape, out.strides)) return false;
  for (let k = 0; k < operands.length; k++) {
    const x = operands[k];
    if (typeof x === 'number') steps[k] = 0;
    else if (x.shape === out.shape && x.strides === out.strides) steps[k] = 1;
    else if (isSpread(x)) steps[k] = 0;
    else if (numelOf(x.shape) === n && isContiguous(x.shape, x.strides)) steps[k] = 1;
    else return false;
  }
  steps[operands.length] = 1;
  return true;
}

/** Whether all elements are one in memory. */
function isSpread({ shape, strides }: Tensor): boolean {
  for (let d = 0; d < shape.length; d++) if (strides[d] !== 0 && shape[d] !== 1) return false;
  return true;
}

/** The loops through the result; of operands that are numbers, the strides mean nothing. Sets `steps`. */
function loopsOf(operands: readonly Operand[], out: Tensor): Loops {
  const { shape } = out;
  const strides: Shape[] = [];
  for (const x of operands) {
    strides.push(typeof x === 'number' ? out.strides : broadcastStrides(x.shape, x.strides, shape));
  }
  strides.push(out.strides);
  const loops = foldLoops(shape, strides);
  const inner = loops.sizes.length - 1;
  for (let k = 0; k < strides.length; k++) steps[k] = inner < 0 ? 1 : loops.strides[k][inner];
  return loops;
}

/** Elements at whose multiples a row is split: whole lines of the cache for every dtype. */
const splitAt = 64;

/**
 * Runs the one row that a descriptor says, split among threads if that pays.
 * @param results how many results there are after the operands
 * @param more how many words there are after these
 */
export function runRow(kernel: Kernel, operands: readonly Operand[], results = 1, more = 0): void {
  const words = heap.int32;
  const first = descriptor >> 2;
  const length = words[first];
  const stretches = Math.ceil(length / splitAt);
  const count = partsFor(kernel, stretches, splitAt);
  if (count === 1) {
    kernel(descriptor, 0, 1);
    return;
  }
  const moving = operands.length + results;
  const used = headerWords + operandWords * moving + more;
  for (let p = 0; p < count; p++) {
    const own = copyDescriptor(p, used);
    const base = own >> 2;
    const begin = beginOf(p, count, stretches) * splitAt;
    const end = Math.min(beginOf(p + 1, count, stretches) * splitAt, length);
    words[base] = end - begin;
    for (let k = 0; k < moving; k++) {
      if (typeof operands[k] === 'number') continue;
      const w = base + headerWords + operandWords * k;
      words[w] += begin * words[w + 1];
    }
    setPart(p, own, 0, 1);
  }
  runParts(kernel, count);
}
