/** Hands tensors to pointwise kernels: folds dimensions, finds the kernel for what is left, writes its descriptor and runs it. */
import type { Operand } from '../../autograd/primitive.ts';
import type { DType } from '../../core/dtype.ts';
import { broadcastStrides, isContiguous, numelOf } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { bytesOf, codeOf } from '../../kernels/element.ts';
import type { Expr } from '../../kernels/expr.ts';
import { descriptor, heap } from '../../kernels/memory.ts';
import type { Kernel } from '../../kernels/module.ts';
import { headerWords, operandWords, pointwiseKernel } from '../../kernels/pointwise.ts';
import { beginOf, copyDescriptor, partsFor, runParts, runUnits, setPart } from '../../kernels/threads.ts';
import { foldLoops, type Loops, modeOf, modes, parameter } from './loops.ts';
import { stage, unstage } from './staging.ts';

/** An expression and the kernels made of it so far. */
export interface PointwiseCode {
  readonly root: Expr;
  readonly kernels: Map<number, Kernel>;
}

/** The strides of an operand with one dimension. */
const dense = [1];
const still = [0];

/** Computes an expression of the operands, as numbers of dtype `type`, into `out`, whose shape they broadcast to. */
export function launchPointwise(code: PointwiseCode, operands: readonly Operand[], type: DType, out: Tensor): void {
  const { shape } = out;
  const n = numelOf(shape);
  if (n === 0) return;
  const tensors: Tensor[] = [];
  for (const x of operands) if (typeof x !== 'number') tensors.push(x);
  tensors.push(out);
  // The common case needs no folding: everything lies densely in the same order, or is a single element.
  let simple = true;
  for (const t of tensors) {
    const count = numelOf(t.shape);
    if (count !== 1 && !(count === n && isContiguous(t.shape, t.strides))) simple = false;
  }
  const loops = simple
    ? { sizes: [n], strides: tensors.map((t) => (numelOf(t.shape) === 1 && n !== 1 ? still : dense)) }
    : foldLoops(
        shape,
        tensors.map((t) => broadcastStrides(t.shape, t.strides, shape)),
      );
  run(code, operands, type, tensors, loops);
}

function run(
  code: PointwiseCode,
  operands: readonly Operand[],
  type: DType,
  tensors: readonly Tensor[],
  { sizes, strides }: Loops,
): void {
  const inner = sizes.length - 1;
  const out = tensors[tensors.length - 1];
  const strideOf = (t: number): number => (inner < 0 ? 1 : strides[t][inner]);

  let key = codeOf[type];
  let t = 0;
  for (const x of operands) {
    const tensor = typeof x !== 'number';
    key = key * 32 + (tensor ? codeOf[x.dtype] * 4 + modeOf(strideOf(t++)) : parameter);
  }
  key = key * 32 + codeOf[out.dtype] * 4 + modeOf(strideOf(t));
  let kernel = code.kernels.get(key);
  if (!kernel) {
    t = 0;
    const kinds = operands.map((x) =>
      typeof x === 'number' ? { type, mode: modes[parameter] } : { type: x.dtype, mode: modes[modeOf(strideOf(t++))] },
    );
    kernel = pointwiseKernel(code.root, type, kinds, { type: out.dtype, mode: modes[modeOf(strideOf(t))] });
    code.kernels.set(key, kernel);
  }

  const words = heap.int32;
  const first = descriptor >> 2;
  let w = first;
  words[w++] = inner < 0 ? 1 : sizes[inner];
  words[w++] = Math.max(inner, 0);
  t = 0;
  for (const x of operands) {
    if (typeof x === 'number') {
      heap.float64[w >> 1] = x;
    } else {
      words[w] = stage(x);
      words[w + 1] = inner < 0 ? 0 : strides[t][inner] * bytesOf[x.dtype];
      t++;
    }
    w += operandWords;
  }
  const address = stage(out);
  words[w] = address;
  words[w + 1] = inner < 0 ? 0 : strides[t][inner] * bytesOf[out.dtype];
  w += operandWords;
  let rows = 1;
  for (let d = 0; d < inner; d++) {
    words[w++] = sizes[d];
    rows *= sizes[d];
    t = 0;
    for (const x of operands) words[w++] = typeof x === 'number' ? 0 : strides[t++][d] * bytesOf[x.dtype];
    words[w++] = strides[t][d] * bytesOf[out.dtype];
  }
  if (rows > 1) runUnits(kernel, descriptor, rows, words[first]);
  else runRow(kernel, operands);
  unstage(out, address);
}

/** Elements at whose multiples a row is split: whole lines of the cache for every dtype. */
const splitAt = 64;

/** Runs the one row that a descriptor says, split among threads if that pays. */
function runRow(kernel: Kernel, operands: readonly Operand[]): void {
  const words = heap.int32;
  const first = descriptor >> 2;
  const length = words[first];
  const stretches = Math.ceil(length / splitAt);
  const count = partsFor(kernel, stretches, splitAt);
  if (count === 1) {
    kernel(descriptor, 0, 1);
    return;
  }
  const used = headerWords + operandWords * (operands.length + 1);
  for (let p = 0; p < count; p++) {
    const own = copyDescriptor(p, used);
    const base = own >> 2;
    const begin = beginOf(p, count, stretches) * splitAt;
    const end = Math.min(beginOf(p + 1, count, stretches) * splitAt, length);
    words[base] = end - begin;
    for (let k = 0; k <= operands.length; k++) {
      if (typeof operands[k] === 'number') continue;
      const w = base + headerWords + operandWords * k;
      words[w] += begin * words[w + 1];
    }
    setPart(p, own, 0, 1);
  }
  runParts(kernel, count);
}
