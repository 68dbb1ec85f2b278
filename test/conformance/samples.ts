/** PyTorch's operator samples: what opinfo.json.gz holds, and its encodings as values of ours. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { contiguousStrides } from '../../src/core/shape.ts';
import { Storage } from '../../src/core/storage.ts';
import * as adjoint from '../../src/index.ts';
import { arrayOf, type ElementType, elementTypes, type TypedArray } from '../../src/kernels/element.ts';

const { Tensor } = adjoint;

/** A value of the file: a tensor, a dtype, a number, a string, null or a list of them. */
export type Encoded = null | boolean | number | string | readonly Encoded[] | { readonly [key: string]: Encoded };

/** One call that PyTorch made. */
export interface Case {
  readonly args: readonly Encoded[];
  readonly kwargs: { readonly [name: string]: Encoded };
  /** Every tensor that the call returned, in order. */
  readonly outputs: readonly Encoded[];
  /** Whether the result was one tensor. */
  readonly single: boolean;
  /** The vectors that weigh the outputs, by the number of the output. */
  readonly cotangents?: { readonly [output: string]: Encoded };
  /** One for each tensor among the arguments that requires grad; null where unused. */
  readonly grads?: readonly Encoded[];
  /** The vectors that weigh the gradients, and the gradients of that product. */
  readonly v?: readonly Encoded[];
  readonly grads2?: readonly Encoded[];
  /** Some gradient is not finite. */
  readonly nonfinite?: boolean;
  /** Outputs that are unique only up to a gauge, such as the sign of a singular vector: no gradients to compare. */
  readonly noGrad?: 'gauge';
}

export interface Operator {
  readonly op: string;
  readonly variant: string;
  /** Whether the result depends on the random generator. */
  readonly random: boolean;
  readonly aliases: readonly string[];
  readonly cases: readonly Case[];
}

/**
 * Gradients that are zero. PyTorch gave them as tensors of zeros without memory of their own, and the file holds what lay in memory
 * instead.
 */
const zeroGradients: { readonly [title: string]: readonly ('grads' | 'grads2')[] } = {
  abs: ['grads2'],
  sgn: ['grads', 'grads2'],
  'norm:inf': ['grads2'],
  'nn.functional.l1_loss': ['grads2'],
};

/** The name of an operator with its variant. */
export const titleOf = ({ op, variant }: Pick<Operator, 'op' | 'variant'>): string =>
  variant ? `${op}:${variant}` : op;

export function readSamples(path: string): { torch: string; ops: Operator[] } {
  const samples = JSON.parse(gunzipSync(readFileSync(path)).toString('utf8'));
  for (const { op, variant, cases } of samples.ops) {
    for (const key of zeroGradients[titleOf({ op, variant })] ?? []) {
      for (const sample of cases) {
        for (const gradient of sample[key] ?? []) {
          if (gradient) gradient.data = Buffer.alloc(Buffer.byteLength(gradient.data, 'base64')).toString('base64');
        }
      }
    }
  }
  return samples;
}

/** Every tensor of a result, in order: of a tensor, an array or an object with named fields. */
export function tensorsOf(result: unknown): adjoint.Tensor[] {
  if (result instanceof Tensor) return [result];
  if (typeof result !== 'object' || result === null) return [];
  return Object.values(result).flatMap(tensorsOf);
}

/** Thrown for a case that needs what is not here yet: not a failure, but counted and named. */
export class Missing extends Error {}

/** A dense array of numbers as PyTorch gave it. */
export interface Expected {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  readonly elements: TypedArray;
}

type Fields = { readonly [key: string]: Encoded };

export function expected(encoded: Encoded): Expected {
  const { $tensor: dtype, shape, data } = encoded as Fields;
  if (!(elementTypes as readonly Encoded[]).includes(dtype)) throw new Missing(`dtype ${dtype}`);
  const bytes = Uint8Array.from(Buffer.from(data as string, 'base64'));
  const elements = new arrayOf[dtype as ElementType](
    bytes.buffer,
    0,
    (shape as number[]).reduce((a, b) => a * b, 1),
  );
  return { dtype: dtype as ElementType, shape: shape as number[], elements };
}

/** A tensor with the strides of PyTorch's, so that operators meet inputs that are not contiguous. */
function decodeTensor(encoded: Fields): adjoint.Tensor {
  const { dtype, shape, elements } = expected(encoded);
  const strides = (encoded.strides as readonly number[] | undefined) ?? contiguousStrides(shape);
  const extent = elements.length === 0 ? 0 : 1 + shape.reduce((last, size, d) => last + (size - 1) * strides[d], 0);
  const t = new Tensor(Storage.allocate(dtype, extent), shape, strides, 0);
  const laid = t.storage.elements();
  for (let i = 0; i < elements.length; i++) laid[t.locate(i)] = elements[i];
  return t.requiresGrad_(encoded.requiresGrad === true);
}

/** A value of the file as an argument; every tensor that requires grad is added to `leaves`. */
export function decode(encoded: Encoded, leaves: adjoint.Tensor[]): unknown {
  if (encoded === null || typeof encoded !== 'object') return encoded;
  if (Array.isArray(encoded)) return encoded.map((inner) => decode(inner, leaves));
  const fields = encoded as Fields;
  if ('$tensor' in fields) {
    const t = decodeTensor(fields);
    if (t.requiresGrad) leaves.push(t);
    return t;
  }
  if ('$dtype' in fields) {
    if (!(elementTypes as readonly Encoded[]).includes(fields.$dtype)) throw new Missing(`dtype ${fields.$dtype}`);
    return fields.$dtype;
  }
  if ('$float' in fields) return Number(String(fields.$float).replace('inf', 'Infinity'));
  if ('$complex' in fields) throw new Missing('complex scalars');
  const { slice, ellipsis } = adjoint as unknown as { slice?: (...bounds: unknown[]) => unknown; ellipsis?: unknown };
  if ('$slice' in fields) {
    if (!slice) throw new Missing('slice');
    return slice(...(fields.$slice as Encoded[]));
  }
  if ('$ellipsis' in fields) {
    if (!ellipsis) throw new Missing('ellipsis');
    return ellipsis;
  }
  throw new Error(`unknown encoding ${JSON.stringify(encoded)}`);
}
