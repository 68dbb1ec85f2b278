/** Sums of products over named dimensions: what einsum and tensordot are made of. */
import { numelOf } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { mul } from '../pointwise/pointwise.ts';
import { sum } from '../reduction/reduction.ts';
import { permute, reshape, squeeze, view } from '../view/view.ts';
import { mm } from './linalg.ts';
import { checkOperands, multiplyBatches } from './product.ts';

/** A tensor whose dimensions have names, all different. */
export interface Labelled {
  readonly x: Tensor;
  readonly labels: readonly string[];
}

const sizeOf = ({ x, labels }: Labelled, label: string): number => x.shape[labels.indexOf(label)];

/** The tensor with its dimensions in the order of `labels`. */
export const arranged = (of: Labelled, labels: readonly string[]): Tensor =>
  permute(
    of.x,
    labels.map((label) => of.labels.indexOf(label)),
  );

/** The sum along the dimensions that are not `kept`. */
export function summed(of: Labelled, kept: (label: string) => boolean): Labelled {
  const dims = of.labels.flatMap((label, d) => (kept(label) ? [] : [d]));
  return dims.length === 0 ? of : { x: sum(of.x, dims), labels: of.labels.filter(kept) };
}

/** Without the dimensions of size 1 that broadcast against another size in `other`. */
function withoutBroadcast(of: Labelled, other: Labelled): Labelled {
  const broadcasts = (label: string): boolean =>
    other.labels.includes(label) && sizeOf(of, label) === 1 && sizeOf(other, label) !== 1;
  const dims = of.labels.flatMap((label, d) => (broadcasts(label) ? [d] : []));
  if (dims.length === 0) return of;
  return { x: squeeze(of.x, dims), labels: of.labels.filter((label) => !broadcasts(label)) };
}

/**
 * The product of two tensors, summed along the dimensions that are not `kept`. Dimensions of one name are one: their sizes are the same, or
 * one is 1. First in the result come those that both have, then those of `first` and of `second`.
 */
export function contract(first: Labelled, second: Labelled, kept: (label: string) => boolean): Labelled {
  const [p, q] = [withoutBroadcast(first, second), withoutBroadcast(second, first)];
  const a = summed(p, (label) => kept(label) || q.labels.includes(label));
  const b = summed(q, (label) => kept(label) || p.labels.includes(label));
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const batch = shared.filter(kept);
  const inner = shared.filter((label) => !kept(label));
  const left = a.labels.filter((label) => !shared.includes(label));
  const right = b.labels.filter((label) => !shared.includes(label));
  const labels = [...batch, ...left, ...right];

  const batchShape = batch.map((label) => sizeOf(a, label));
  const leftShape = left.map((label) => sizeOf(a, label));
  const rightShape = right.map((label) => sizeOf(b, label));
  if (inner.length === 0) {
    const x = reshape(arranged(a, [...batch, ...left]), [...batchShape, ...leftShape, ...right.map(() => 1)]);
    const y = reshape(arranged(b, [...batch, ...right]), [...batchShape, ...left.map(() => 1), ...rightShape]);
    return { x: mul(x, y), labels };
  }
  checkOperands('a sum of products', [a.x, b.x]);
  const k = numelOf(inner.map((label) => sizeOf(a, label)));
  const x = reshape(arranged(a, [...batch, ...left, ...inner]), [...batchShape, numelOf(leftShape), k]);
  const y = reshape(arranged(b, [...batch, ...inner, ...right]), [...batchShape, k, numelOf(rightShape)]);
  const product = batch.length > 0 ? multiplyBatches(x, y) : mm(x, y);
  return { x: view(product, [...batchShape, ...leftShape, ...rightShape]), labels };
}
