/** Hands tensors to kernels: folds dimensions together, finds the kernel for what is left, writes its descriptor and runs it. */
import type { Operand } from '../../autograd/primitive.ts';
import type { DType } from '../../core/dtype.ts';
import { broadcastStrides, isContiguous, numelOf, type Shape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Mode } from '../../kernels/access.ts';
import { bytesOf, codeOf } from '../../kernels/element.ts';
import type { Expr } from '../../kernels/expr.ts';
import { descriptor, heap, slotBytes, slots } from '../../kernels/memory.ts';
import type { Kernel } from '../../kernels/module.ts';
import { operandWords, pointwiseKernel } from '../../kernels/pointwise.ts';

/** An expression and the kernels made of it so far. */
export interface PointwiseCode {
  readonly root: Expr;
  readonly kernels: Map<number, Kernel>;
}

const modes: readonly Mode[] = ['contiguous', 'splat', 'strided', 'parameter'];
const contiguous = 0;
const splat = 1;
const strided = 2;
const parameter = 3;

let usedSlots = 0;

/** The address of a tensor's first element. One too small for linear memory is copied into a slot for the duration of a call. */
export function stage(t: Tensor): number {
  const { storage } = t;
  const size = bytesOf[t.dtype];
  if (storage.array === null) {
    if (storage.address < 0) storage.elements(); // says why there are none
    return storage.address + t.offset * size;
  }
  const address = slots + slotBytes * usedSlots++;
  const { array } = storage;
  const view = heap[t.dtype] as Float64Array;
  const first = address / size;
  for (let i = 0; i < array.length; i++) view[first + i] = array[i] as number;
  return address + t.offset * size;
}

/** Copies a result out of its slot, if it has one, and frees all slots. */
export function unstage(t: Tensor, address: number): void {
  usedSlots = 0;
  const { array } = t.storage;
  if (array === null) return;
  const view = heap[t.dtype] as Float64Array;
  const first = address / bytesOf[t.dtype] - t.offset;
  for (let i = 0; i < array.length; i++) array[i] = view[first + i];
}

/** Dimensions of a loop nest, outermost first, and the strides of each operand along them, in elements. */
export interface Loops {
  readonly sizes: number[];
  /** strides[k][d] */
  readonly strides: number[][];
}

/** Drops dimensions of size 1 and joins those that all operands walk through in one stride. */
export function foldLoops(shape: Shape, strides: readonly Shape[]): Loops {
  const sizes: number[] = [];
  const folded: number[][] = strides.map(() => []);
  for (let d = shape.length - 1; d >= 0; d--) {
    const size = shape[d];
    if (size === 1) continue;
    const outer = sizes.length - 1;
    if (outer >= 0 && folded.every((own, k) => strides[k][d] === own[outer] * sizes[outer])) sizes[outer] *= size;
    else {
      sizes.push(size);
      for (const [k, own] of folded.entries()) own.push(strides[k][d]);
    }
  }
  sizes.reverse();
  for (const own of folded) own.reverse();
  return { sizes, strides: folded };
}

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
    ? { sizes: [n], strides: tensors.map((t) => [numelOf(t.shape) === 1 && n !== 1 ? 0 : 1]) }
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
  const modeOf = (t: number): number => {
    const stride = inner < 0 ? 1 : strides[t][inner];
    return stride === 1 ? contiguous : stride === 0 ? splat : strided;
  };

  let key = codeOf[type];
  let t = 0;
  for (const x of operands) {
    const tensor = typeof x !== 'number';
    key = key * 32 + (tensor ? codeOf[x.dtype] * 4 + modeOf(t++) : parameter);
  }
  key = key * 32 + codeOf[out.dtype] * 4 + modeOf(t);
  let kernel = code.kernels.get(key);
  if (!kernel) {
    t = 0;
    const kinds = operands.map((x) =>
      typeof x === 'number' ? { type, mode: modes[parameter] } : { type: x.dtype, mode: modes[modeOf(t++)] },
    );
    kernel = pointwiseKernel(code.root, type, kinds, { type: out.dtype, mode: modes[modeOf(t)] });
    code.kernels.set(key, kernel);
  }

  const words = heap.int32;
  let w = descriptor >> 2;
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
  kernel(descriptor, 0, rows);
  unstage(out, address);
}
