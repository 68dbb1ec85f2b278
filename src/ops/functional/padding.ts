/** Padding: a border around the elements, constant or made of the elements themselves. */
import { inFront } from '../../autograd/batch-rules.ts';
import { apply, type Primitive, primitive, vjp } from '../../autograd/primitive.ts';
import { filled, fromElements } from '../../core/creation.ts';
import { named } from '../../core/named.ts';
import { type Shape, showShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { tensorOperand } from '../pointwise/pointwise-operator.ts';

/** How many elements to add before and after those of each dimension, the last dimension first; negative numbers take away. */
export type Padding = readonly number[];

/** The same by dimension, for all dimensions. */
function borders(call: string, x: Tensor, pad: Padding): [before: number, after: number][] {
  tensorOperand(call, x);
  if (!Array.isArray(pad) || !pad.every(Number.isInteger)) {
    throw new AdjointError('argument', `${call}: pad must be an array of whole numbers, got ${show(pad)}`);
  }
  if (pad.length % 2 !== 0) {
    throw new AdjointError(
      'argument',
      `Padding length must be divisible by 2, got ${pad.length}: two for each dimension`,
    );
  }
  if (pad.length > 2 * x.ndim) {
    throw new AdjointError(
      'shape',
      `Padding length should be less than or equal to two times the input dimension but got padding length ${pad.length} and input of dimension ${x.ndim}`,
    );
  }
  return x.shape.map((size, d) => {
    const k = 2 * (x.ndim - 1 - d);
    const [before, after] = [pad[k] ?? 0, pad[k + 1] ?? 0];
    if (size + before + after < 0) {
      throw new AdjointError(
        'shape',
        `${call}: the input size ${size}, plus negative padding ${before} and ${after}, resulted in a negative output size, at dimension ${d} of input ${showShape(x.shape)}`,
      );
    }
    return [before, after];
  });
}

interface Border {
  readonly pad: Padding;
  readonly value: number;
}

const ConstantPadNd: Primitive<Border> = primitive<Border>(
  'ConstantPadNd',
  ({ pad, value }, x) => {
    const around = borders('pad', x, pad);
    const out = filled(grown(x.shape, around), value, x.dtype);
    let from = x;
    let to = out;
    around.forEach(([before, after], d) => {
      // what a negative border takes away is not copied
      const kept = Math.max(x.shape[d] + Math.min(before, 0) + Math.min(after, 0), 0);
      from = from.narrow(d, kept === 0 ? 0 : Math.max(-before, 0), kept);
      to = to.narrow(d, kept === 0 ? 0 : Math.max(before, 0), kept);
    });
    to.copy_(from);
    return out;
  },
  [
    vjp((g, { params: { pad } }) =>
      constantPadNd(
        g,
        pad.map((n) => -n),
      ),
    ),
  ],
);

inFront(ConstantPadNd);

const grown = (shape: Shape, around: readonly [number, number][]): number[] =>
  shape.map((size, d) => size + around[d][0] + around[d][1]);

/**
 * `x` with a border of `value`; negative sizes take elements away (torch.constant_pad_nd).
 * @param pad how many elements to add before and after those of the last dimension, then of the one before it, and so on
 * @throws if there are more dimensions in `pad` than in `x`, or too many elements to take away
 */
export const constantPadNd = named(
  'constantPadNd',
  ['pad', 'value'],
  (x: Tensor, pad: Padding, value: number = 0): Tensor => {
    borders('constantPadNd', x, pad);
    return apply(ConstantPadNd, { pad: [...pad], value }, [x]);
  },
);

/** What `pad` fills a border with: one value; the elements mirrored at the edge; the one at the edge; those from the opposite edge. */
export type PaddingMode = 'constant' | 'reflect' | 'replicate' | 'circular';

/** Which element to take for position `i` of the padded dimension, counted from the first element. */
const sources: Record<Exclude<PaddingMode, 'constant'>, (i: number, size: number) => number> = {
  reflect: (i, size) => (i < 0 ? -i : i < size ? i : 2 * (size - 1) - i),
  replicate: (i, size) => Math.min(Math.max(i, 0), size - 1),
  circular: (i, size) => (i + size) % size,
};

/** How wide a border may be at most. */
const widest: Record<Exclude<PaddingMode, 'constant'>, (size: number) => number> = {
  reflect: (size) => size - 1,
  replicate: (size) => (size > 0 ? Number.POSITIVE_INFINITY : 0),
  circular: (size) => size,
};

/**
 * `x` with a border (torch.nn.functional.pad): 'constant' of `value`; 'reflect' of the elements seen in a mirror at the edge, which is not
 * repeated; 'replicate' of the element at the edge; 'circular' of the elements from the other end.
 * @param pad how many elements to add before and after those of the last dimension, then of the one before it, and so on; all modes but
 * 'constant' leave at least the first dimension as it is
 * @throws if the border is wider than the mode allows
 */
export const pad = named(
  'pad',
  ['pad', 'mode', 'value'],
  (x: Tensor, widths: Padding, mode: PaddingMode = 'constant', value: number | null = null): Tensor => {
    const around = borders('pad', x, widths);
    if (mode === 'constant') return constantPadNd(x, widths, value ?? 0);
    if (!Object.hasOwn(sources, mode)) throw new AdjointError('argument', `Unrecognised padding mode ${show(mode)}`);
    if (value !== null) throw new AdjointError('argument', `Padding mode ${show(mode)} doesn't take in value argument`);
    const dims = widths.length / 2;
    if (dims < 1 || dims > 3 || x.ndim < dims + 1 || x.ndim > dims + 2) {
      throw new AdjointError(
        'unsupported',
        `Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: of the last one, two or three dimensions after ` +
          `one or two others; got input ${showShape(x.shape)} and pad ${showShape(widths)}`,
      );
    }
    // what a negative border takes away does not come round again
    const start =
      mode === 'circular'
        ? constantPadNd(
            x,
            widths.map((n) => Math.min(n, 0)),
          )
        : x;
    return around.reduce((padded, border, d) => {
      const size = padded.shape[d];
      const [before, after] = mode === 'circular' ? border.map((n) => Math.max(n, 0)) : border;
      if (before === 0 && after === 0) return padded;
      if (Math.max(before, after) > widest[mode](size)) {
        throw new AdjointError(
          'shape',
          `pad: Padding size should be at most ${widest[mode](size)} at dimension ${d} of input ${showShape(x.shape)} in mode ${show(mode)}, but got ${before} and ${after}`,
        );
      }
      const picked = Array.from({ length: size + before + after }, (_, i) => sources[mode](i - before, size));
      return padded.indexSelect(d, fromElements(picked, [picked.length], 'int32'));
    }, start);
  },
);
