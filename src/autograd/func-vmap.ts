/** Programs for one example as functions of a batch: func.vmap, with the structures that it takes and returns. */
import { positional } from '../core/named.ts';
import { isOptions } from '../core/options.ts';
import { checkDim } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { release } from './argument.ts';
import { at } from './lift.ts';
import { mapParts, partsOf, structure } from './tree.ts';
import { BatchLevel, type Randomness, together } from './vmap.ts';

/** One dimension for a whole argument or result, or one for each of its parts; null for what is no batch. */
export type Dims = number | null | readonly Dims[] | { readonly [key: string]: Dims };

export interface VmapOptions {
  /** The dimension of the batch in each argument, or one for all; null for an argument that all examples share. */
  readonly inDims?: Dims;
  /** Where the batch goes in the results; null for one that is no batch. */
  readonly outDims?: Dims;
  /** What random operators do inside: 'error' (throw), 'different' (draw for each example) or 'same' (draw once for all). */
  readonly randomness?: Randomness;
  /** Run so many examples at a time, to bound memory. */
  readonly chunkSize?: number | null;
}

/** Dimensions as `vmap` takes them by position, where an object would be its options. */
type Listed = number | null | readonly Dims[];
type OfVmap =
  | [options?: VmapOptions]
  | [inDims: Listed, options?: Omit<VmapOptions, 'inDims'>]
  | [inDims: Listed, outDims: Listed, options?: Omit<VmapOptions, 'inDims' | 'outDims'>]
  | [inDims: Listed, outDims: Listed, randomness: Randomness, options?: Pick<VmapOptions, 'chunkSize'>];

/** A non-empty list of dimensions, or one, as `inDims` and `outDims` are. */
const isDims = (dims: unknown): dims is Dims =>
  dims === null ||
  Number.isInteger(dims) ||
  ((Array.isArray(dims) || isOptions(dims)) && Object.values(dims as Record<string, unknown>).every(isDims));

/** One entry of `dims` for each leaf, or null if they have not the structure of the tree. */
function spreadDims(dims: Dims, tree: unknown): (number | null)[] | null {
  if (dims === null || typeof dims === 'number') return partsOf(tree).map(() => dims);
  if (Array.isArray(dims) !== Array.isArray(tree) || !(Array.isArray(tree) || isOptions(tree))) return null;
  const own = dims as Record<string, Dims>;
  const parts = tree as Record<string, unknown>;
  const keys = Object.keys(parts);
  if (keys.length !== Object.keys(own).length || !keys.every((key) => Object.hasOwn(own, key))) return null;
  const spread = keys.map((key) => spreadDims(own[key], parts[key]));
  return spread.includes(null) ? null : (spread as (number | null)[][]).flat();
}

/** The dimension of the batch in each part of the arguments, checked, and its size. */
function batchOf(inDims: Dims, args: readonly unknown[]): { dims: (number | null)[]; size: number } {
  if (args.length === 0) {
    throw new AdjointError(
      'argument',
      'vmap: got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a function with no inputs. The latter is unsupported.',
    );
  }
  const given = spreadDims(inDims, args);
  if (!given) {
    throw new AdjointError(
      'argument',
      `vmap: inDims is not compatible with the structure of the inputs. inDims ${show(inDims)} has structure ${structure(inDims)} ` +
        `but inputs has structure ${structure(args)}`,
    );
  }
  const sizes: number[] = [];
  const dims = partsOf(args).map((x, k) => {
    const dim = given[k];
    if (dim === null) return null;
    if (!(x instanceof Tensor)) {
      throw new AdjointError(
        'argument',
        `vmap: Got inDim=${dim} for an input but the input is ${show(x)}. We cannot vmap over non-Tensor arguments, please use null as ` +
          'the respective inDim',
      );
    }
    if (dim < -x.ndim || dim >= x.ndim) {
      throw new AdjointError(
        'index',
        `vmap: Got inDim=${dim} for some input, but that input is a Tensor of dimensionality ${x.ndim} so expected inDim to satisfy ` +
          `-${x.ndim} <= inDim < ${x.ndim}.`,
      );
    }
    const own = dim < 0 ? dim + x.ndim : dim;
    sizes.push(x.shape[own]);
    return own;
  });
  if (sizes.length === 0) {
    throw new AdjointError('argument', 'vmap: Expected at least one Tensor to vmap over, but inDims are all null');
  }
  if (sizes.some((size) => size !== sizes[0])) {
    throw new AdjointError(
      'shape',
      `vmap: Expected all tensors to have the same size in the mapped dimension, got sizes ${sizes.join(', ')} for the mapped dimension`,
    );
  }
  return { dims, size: sizes[0] };
}

/** The dimension of the batch in each part of the results, checked: whatever has one is a tensor. */
function outputDims(outDims: Dims, result: unknown): (number | null)[] {
  const alone = result instanceof Tensor && Array.isArray(outDims) && outDims.length === 1;
  const to = spreadDims(alone ? (outDims as readonly Dims[])[0] : outDims, result);
  if (!to) {
    throw new AdjointError(
      'argument',
      `vmap: outDims is not compatible with the structure of the outputs. outDims ${show(outDims)} has structure ${structure(outDims)} ` +
        `but outputs has structure ${structure(result)}`,
    );
  }
  for (const [k, y] of partsOf(result).entries()) {
    if (to[k] === null || y instanceof Tensor) continue;
    throw new AdjointError(
      'argument',
      `vmap: the function must only return Tensors, got type ${typeof y}: ${show(y)}. Did you mean to set outDims to null for output?`,
    );
  }
  return to;
}

/**
 * The function that applies `f`, which is written for one example, to a whole batch (torch.func.vmap). Inside of `f` the tensors of the batch
 * have the shape of one example.
 *
 * All operators run on the whole batch at once. What depends on the values of an example has no place there and throws: `item()` and
 * control flow by it, and what would differ in shape from example to example, `nonzero`, `maskedSelect` and `x.index(mask)` with a mask
 * that is part of the batch.
 * @example const perSample = vmap(grad(loss), { inDims: [null, 0, 0] });
 * @throws if the batches differ in size, or if there is none; of `inDims`, `outDims` and `chunkSize` that do not fit; and of random
 * operators inside, unless `randomness` says what they are to do
 */
export function vmap<Args extends readonly unknown[], Out>(
  f: (...args: Args) => Out,
  ...options: OfVmap
): (...args: Args) => Out {
  const names = ['inDims', 'outDims', 'randomness', 'chunkSize'];
  const [inDims = 0, outDims = 0, randomness = 'error', chunkSize = null] = positional<
    [Dims?, Dims?, Randomness?, (number | null)?]
  >('vmap', names, options);
  if (randomness !== 'error' && randomness !== 'different' && randomness !== 'same') {
    throw new AdjointError(
      'argument',
      `Only allowed values for randomness are 'error', 'different', or 'same'. Got ${show(randomness)}`,
    );
  }
  if (chunkSize !== null && !(Number.isInteger(chunkSize) && chunkSize > 0)) {
    throw new AdjointError('argument', `vmap: chunkSize should be null or greater than 0. (got ${show(chunkSize)})`);
  }
  for (const [name, dims] of Object.entries({ inDims, outDims })) {
    if (!isDims(dims) || (name === 'inDims' && dims === null)) {
      throw new AdjointError(
        'argument',
        `vmap: expected ${name} to be a whole number${name === 'outDims' ? ', null' : ''} or a (potentially nested) array of them and of ` +
          `null, matching the structure of the ${name === 'inDims' ? 'inputs' : 'outputs'}, got: ${show(dims)}`,
      );
    }
  }
  const batch = (...args: Args): Out => {
    const { dims, size } = batchOf(inDims, args);
    if (chunkSize !== null && chunkSize < size) return inChunks(batch, args, dims, size, chunkSize, outDims);
    return at(new BatchLevel(size, randomness), (level) => {
      let next = 0;
      const lifted = mapParts(args, (x) => {
        const dim = dims[next++];
        return dim === null ? x : level.lift(x as Tensor, dim);
      });
      const result = f(...(lifted as Args));
      const to = outputDims(outDims, result);
      let k = 0;
      return mapParts(result, (y) => {
        const dim = to[k++];
        if (!(y instanceof Tensor)) return y;
        if (dim !== null) {
          const all = level.lowerAll(y);
          return release(checkDim(dim, all.ndim) === 0 ? all : all.movedim(0, dim));
        }
        if (!level.lower(y)) return release(y);
        throw new AdjointError('argument', 'vmap: the function can not return a batched Tensor when outDim is null');
      }) as Out;
    });
  };
  return batch;
}

/** Applies a batched function to parts of the batch, and joins what it returns. */
function inChunks<Args extends readonly unknown[], Out>(
  f: (...args: Args) => Out,
  args: Args,
  dims: readonly (number | null)[],
  size: number,
  chunk: number,
  outDims: Dims,
): Out {
  const parts: Out[] = [];
  for (let start = 0; start < size; start += chunk) {
    let k = 0;
    const part = mapParts(args, (x) => {
      const dim = dims[k++];
      return dim === null ? x : (x as Tensor).narrow(dim, start, Math.min(chunk, size - start));
    });
    parts.push(f(...(part as Args)));
  }
  const to = outputDims(outDims, parts[0]);
  const columns = parts.map(partsOf);
  let k = 0;
  return mapParts(parts[0], (first) => {
    const dim = to[k++];
    if (dim === null) return first;
    const pieces = columns.map((column) => column[k - 1] as Tensor);
    const along = checkDim(dim, pieces[0].ndim);
    const all = together(pieces.flatMap((piece) => piece.unbind(along)));
    return along === 0 ? all : all.movedim(0, along);
  }) as Out;
}
