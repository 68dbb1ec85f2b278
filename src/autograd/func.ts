/** Functions of functions: derivatives and batches as transforms that compose (torch.func). */
import { eye, filled, zerosLike } from '../core/creation.ts';
import { checkOptions, isOptions } from '../core/options.ts';
import { checkDim, numelOf, type Shape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { AccumulateGrad } from './accumulate.ts';
import { grad as gradients } from './backward.ts';
import { checkTangent, DualLevel } from './forward.ts';
import { at, twin } from './lift.ts';
import { enableGrad } from './modes.ts';
import { type Edge, type Gradients, Node } from './node.ts';
import { edgeOf } from './primitive.ts';
import { BatchLevel, type Randomness, together } from './vmap.ts';

/** A tensor, or arrays and objects of them: what transformed functions take and return. */
export type Tree = Tensor | readonly Tree[] | { readonly [key: string]: Tree };

/** One dimension for a whole argument or result, or one for each of its parts; null for what is no batch. */
export type Dims = number | null | readonly Dims[];

function leavesOf(tree: Tree): Tensor[] {
  if (tree instanceof Tensor) return [tree];
  if (Array.isArray(tree) || isOptions(tree)) return Object.values(tree as Record<string, Tree>).flatMap(leavesOf);
  throw new AdjointError('argument', `expected a Tensor, or arrays and objects of Tensors, got ${show(tree)}`);
}

/** The same structure with other leaves, which `f` is asked for in order. */
function mapTree<T extends Tree>(tree: T, f: (leaf: Tensor) => Tensor): T {
  if (tree instanceof Tensor) return f(tree) as T;
  if (Array.isArray(tree)) return tree.map((part) => mapTree(part, f)) as unknown as T;
  return Object.fromEntries(Object.entries(tree).map(([key, part]) => [key, mapTree(part, f)])) as T;
}

const withLeaves = <T extends Tree>(tree: T, leaves: readonly Tensor[]): T => {
  let next = 0;
  return mapTree(tree, () => leaves[next++]);
};

// ---- reverse mode

/** An argument of a transform: the place where the gradient is wanted, in front of whatever made the argument outside. */
class Argument extends Node {
  /** Whether the transform is under way. */
  open = true;

  constructor(of: Tensor) {
    super([edgeOf(of)]);
    this.outputs.push({ shape: of.shape, dtype: of.dtype });
  }

  name(): string {
    return 'Argument';
  }

  apply(gradients: Gradients): Gradients {
    return gradients;
  }
}

/** Runs `work` with arguments that it can differentiate with respect to. */
function withArguments<Args extends readonly Tree[], T>(args: Args, work: (fresh: Args) => T): T {
  const nodes: Argument[] = [];
  const fresh = args.map((tree) =>
    mapTree(tree, (x) => {
      const argument = twin(x);
      const node = new Argument(x);
      nodes.push(node);
      argument._node = node;
      argument._outputNr = 0;
      return argument;
    }),
  );
  try {
    return enableGrad(() => work(fresh as unknown as Args));
  } finally {
    for (const node of nodes) node.open = false;
  }
}

/** Whether a gradient can be wanted beyond a node: at a leaf, or at an argument of a transform that is still under way. */
function isLive(node: Node): boolean {
  const reached = new Set([node]);
  for (const next of reached) {
    if (next instanceof Argument ? next.open : next instanceof AccumulateGrad) return true;
    for (const edge of next.edges as readonly (Edge | null)[]) if (edge) reached.add(edge.node);
  }
  return false;
}

/** A result as it leaves a transform: in the graph only as far as the graph goes on outside. */
function release<T extends Tree>(tree: T): T {
  return mapTree(tree, (x) => {
    if (!x._node || isLive(x._node)) return x;
    return Object.assign(twin(x), { _node: null, _outputNr: 0, _view: null });
  });
}

/** One argument or several, by their positions. */
export type Positions = number | readonly number[];

/** The arguments at the positions `N`. */
type Chosen<Args extends readonly unknown[], N extends Positions> = N extends readonly number[]
  ? { -readonly [K in keyof N]: Args[N[K] & number] }
  : Args[N & number];

/** The Jacobian of one tensor with respect to another is a tensor; between structures of tensors it is a structure of such. */
type Jacobian<Out, In> = Out extends Tensor ? (In extends Tensor ? Tensor : Tree) : Tree;

/** What to differentiate with respect to: positions, or an object that has them. */
type Argnums<N extends Positions> = N | { readonly argnums?: N };

/** The same for a function that returns [value, aux], of which only the value is differentiated. */
export interface WithAux<N extends Positions> {
  readonly argnums?: N;
  readonly hasAux: true;
}

function positions(call: string, argnums: Positions, count: number): number[] {
  return (typeof argnums === 'number' ? [argnums] : [...argnums]).map((k) => {
    const position = k < 0 ? k + count : k;
    if (!Number.isInteger(k) || position < 0 || position >= count) {
      throw new AdjointError('argument', `${call}: argnums ${show(argnums)} do not fit a call with ${count} arguments`);
    }
    return position;
  });
}

interface GradOptions {
  readonly argnums: Positions;
  readonly hasAux: boolean;
}

function gradOptions(call: string, given: Argnums<Positions> | WithAux<Positions>): GradOptions {
  const options = isOptions(given) ? given : { argnums: given };
  checkOptions(call, options, ['argnums', 'hasAux']);
  return { argnums: 0, hasAux: false, ...options } as GradOptions;
}

/** The given arguments, some of them replaced. */
const replaced = <T>(args: readonly T[], at: readonly number[], by: readonly T[]): T[] =>
  args.map((x, k) => (at.includes(k) ? by[at.indexOf(k)] : x));

const one = <T>(list: readonly T[], argnums: Positions): T | readonly T[] =>
  typeof argnums === 'number' ? list[0] : list;

/** The gradients of `outputs` with respect to all leaves of `args`, zeros where nothing depends on them, shaped as `args`. */
function pull<Args extends readonly Tree[]>(outputs: Tensor[], args: Args, cotangents: Tensor[]): Args {
  const leaves = args.flatMap(leavesOf);
  const live = outputs.flatMap((y, k) => (y.requiresGrad ? [k] : []));
  const found =
    live.length === 0
      ? leaves.map((x) => zerosLike(x))
      : gradients(
          live.map((k) => outputs[k]),
          leaves,
          {
            gradOutputs: live.map((k) => cotangents[k]),
            createGraph: true,
            materializeGrads: true,
          },
        );
  let next = 0;
  return args.map((tree) => mapTree(tree, () => found[next++])) as unknown as Args;
}

/**
 * The function that computes the gradient of a scalar function, and its value (torch.func.grad_and_value): [gradient, value]. With
 * `argnums` a list, an array of gradients; with `hasAux`, [gradient, [value, aux]].
 * @throws if the function does not return a tensor of one element without dimensions
 */
export function gradAndValue<Args extends readonly unknown[], const N extends Positions = 0>(
  f: (...args: Args) => Tensor,
  options?: Argnums<N>,
): (...args: Args) => [gradient: Chosen<Args, N>, value: Tensor];
export function gradAndValue<Args extends readonly unknown[], Aux extends Tree, const N extends Positions = 0>(
  f: (...args: Args) => readonly [value: Tensor, aux: Aux],
  options: WithAux<N>,
): (...args: Args) => [gradient: Chosen<Args, N>, valueAndAux: [value: Tensor, aux: Aux]];
export function gradAndValue(
  f: (...args: readonly unknown[]) => Tree,
  options: Argnums<Positions> | WithAux<Positions> = {},
) {
  const { argnums, hasAux } = gradOptions('gradAndValue', options);
  return (...args: readonly unknown[]): [Tree, Tree] => {
    const chosen = positions('gradAndValue', argnums, args.length);
    return withArguments(
      chosen.map((k) => args[k] as Tree),
      (fresh) => {
        const result = f(...replaced(args, chosen, fresh));
        const [value, aux] = hasAux ? (result as readonly Tree[]) : [result];
        if (!(value instanceof Tensor) || value.ndim !== 0) {
          throw new AdjointError(
            'shape',
            `grad: Expected f(*args) to return a scalar tensor, got ${value instanceof Tensor ? `a tensor of shape ${showShape(value.shape)}` : show(value)}`,
          );
        }
        const found = pull([value], fresh, [filled([], 1, value.dtype)]);
        return [one(found, argnums), hasAux ? [value, aux as Tree] : value] as [Tree, Tree];
      },
    ).map(release) as [Tree, Tree];
  };
}

/**
 * The function that computes the gradient of a scalar function with respect to one or several of its arguments (torch.func.grad). With
 * `hasAux`, [gradient, aux]. Nests: `grad(grad(f))` is the second derivative.
 */
export function grad<Args extends readonly unknown[], const N extends Positions = 0>(
  f: (...args: Args) => Tensor,
  options?: Argnums<N>,
): (...args: Args) => Chosen<Args, N>;
export function grad<Args extends readonly unknown[], Aux extends Tree, const N extends Positions = 0>(
  f: (...args: Args) => readonly [value: Tensor, aux: Aux],
  options: WithAux<N>,
): (...args: Args) => [gradient: Chosen<Args, N>, aux: Aux];
export function grad(f: (...args: readonly unknown[]) => Tree, options: Argnums<Positions> | WithAux<Positions> = {}) {
  const { argnums, hasAux } = gradOptions('grad', options);
  if (!hasAux) {
    const both = gradAndValue(f as (...args: readonly unknown[]) => Tensor, { argnums });
    return (...args: readonly unknown[]) => both(...args)[0];
  }
  const all = gradAndValue(f as (...args: readonly unknown[]) => readonly [Tensor, Tree], { argnums, hasAux });
  return (...args: readonly unknown[]) => {
    const [gradient, [, aux]] = all(...args);
    return [gradient, aux];
  };
}

/**
 * The value of `f` at `primals`, and the function that takes cotangents of it to cotangents of the primals, in an array with one entry for
 * each (torch.func.vjp).
 */
export function vjp<Args extends readonly Tree[], Out extends Tree>(
  f: (...args: Args) => Out,
  ...primals: Args
): [output: Out, vjpFn: (cotangents: Out) => Args] {
  const [output, fresh] = withArguments(primals, (own) => [f(...own), own] as const);
  const outputs = leavesOf(output);
  const vjpFn = (cotangents: Out): Args => {
    const given = leavesOf(cotangents);
    if (given.length !== outputs.length) {
      throw new AdjointError(
        'argument',
        `vjp: expected ${outputs.length} cotangents, as many as there are outputs, got ${given.length}`,
      );
    }
    return release(enableGrad(() => pull(outputs, fresh, given)) as unknown as Tree) as unknown as Args;
  };
  return [release(output), vjpFn];
}

// ---- forward mode

/**
 * The value of `f` at `primals` and its derivative in the direction `tangents` (torch.func.jvp), by forward mode.
 * @throws if the tangents do not match the primals
 */
export function jvp<Args extends readonly Tree[], Out extends Tree>(
  f: (...args: Args) => Out,
  primals: Args,
  tangents: Args,
): [output: Out, tangent: Out] {
  const pair = at(new DualLevel(), (level): [Out, Out] => {
    const directions = (tangents as readonly Tree[]).flatMap(leavesOf);
    let next = 0;
    const duals = primals.map((tree) =>
      mapTree(tree, (x) => {
        const tangent = directions[next++];
        checkTangent(x, tangent);
        return level.lift(x, tangent);
      }),
    );
    if (next !== directions.length) {
      throw new AdjointError(
        'argument',
        `jvp: expected ${next} tangents, as many as there are primals, got ${directions.length}`,
      );
    }
    const lowered = f(...(duals as unknown as Args));
    const pairs = leavesOf(lowered).map((y) => level.unpack(y));
    return [
      withLeaves(
        lowered,
        pairs.map((pair) => pair.primal),
      ),
      withLeaves(
        lowered,
        pairs.map(({ primal, tangent }) => tangent ?? zerosLike(primal)),
      ),
    ];
  });
  return [release(pair[0]), release(pair[1])];
}

/**
 * The value of `f` at `primals` and the function that takes tangents to tangents there, which can be called many times without
 * computing `f` again (torch.func.linearize).
 */
export function linearize<Args extends readonly Tree[], Out extends Tree>(
  f: (...args: Args) => Out,
  ...primals: Args
): [output: Out, jvpFn: (...tangents: Args) => Out] {
  const [output, pullBack] = vjp(f, ...primals);
  const cotangents = leavesOf(output).map((y) => zerosLike(y).requiresGrad_());
  // the pullback is linear: its own derivative, at any cotangent, is its transpose
  const pulled = enableGrad(() => pullBack(withLeaves(output, cotangents)) as readonly Tree[]).flatMap(leavesOf);
  const live = pulled.flatMap((g, k) => (g.requiresGrad ? [k] : []));
  const jvpFn = (...tangents: Args): Out => {
    const directions = (tangents as readonly Tree[]).flatMap(leavesOf);
    if (live.length === 0) return mapTree(output, (y) => zerosLike(y));
    const found = gradients(
      live.map((k) => pulled[k]),
      cotangents,
      {
        gradOutputs: live.map((k) => directions[k]),
        retainGraph: true,
        materializeGrads: true,
      },
    );
    return withLeaves(output, found);
  };
  return [output, jvpFn];
}

// ---- batches

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

/** A non-empty list of dimensions, or one, as `inDims` and `outDims` are. */
const isDims = (dims: unknown): dims is Dims =>
  dims === null || Number.isInteger(dims) || (Array.isArray(dims) && dims.every(isDims));

/** One entry of `dims` for each leaf, or null if they have not the structure of the tree. */
function spreadDims(dims: Dims, tree: unknown): (number | null)[] | null {
  if (dims === null || typeof dims === 'number') return partsOf(tree).map(() => dims);
  if (!Array.isArray(tree) && !isOptions(tree)) return null;
  const parts = Object.values(tree as Record<string, unknown>);
  if (parts.length !== dims.length) return null;
  const spread = parts.map((part, k) => spreadDims(dims[k], part));
  return spread.includes(null) ? null : (spread as (number | null)[][]).flat();
}

/** Everything in a structure that is no array and no object, tensors or not. */
function partsOf(tree: unknown): unknown[] {
  if (Array.isArray(tree) || isOptions(tree)) return Object.values(tree as Record<string, unknown>).flatMap(partsOf);
  return [tree];
}

/** The same structure with other parts, which `f` is asked for in order. */
function mapParts(tree: unknown, f: (part: unknown) => unknown): unknown {
  if (Array.isArray(tree)) return tree.map((part) => mapParts(part, f));
  if (!isOptions(tree)) return f(tree);
  return Object.fromEntries(Object.entries(tree).map(([key, part]) => [key, mapParts(part, f)]));
}

/** How a structure is told in errors: `*` for what is in it. */
const structure = (tree: unknown): string => {
  if (Array.isArray(tree)) return `[${tree.map(structure).join(', ')}]`;
  if (!isOptions(tree)) return '*';
  return `{ ${Object.entries(tree)
    .map(([key, part]) => `${key}: ${structure(part)}`)
    .join(', ')} }`;
};

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

/** What is checked of the results: all are tensors, and `outDims` has their structure. Gives one of these for each. */
function checkOutputs(outDims: Dims, result: unknown): (number | null)[] {
  const parts = partsOf(result);
  const wrong = parts.find((y) => !(y instanceof Tensor));
  if ((parts.length > 0 && wrong !== undefined) || parts.includes(undefined)) {
    throw new AdjointError('argument', `vmap: the function must only return Tensors, got ${show(wrong)}`);
  }
  const to = spreadDims(outDims, result);
  if (to) return to;
  throw new AdjointError(
    'argument',
    `vmap: outDims is not compatible with the structure of the outputs. outDims ${show(outDims)} has structure ${structure(outDims)} but ` +
      `outputs has structure ${structure(result)}`,
  );
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
export function vmap<Args extends readonly unknown[], Out extends Tree>(
  f: (...args: Args) => Out,
  options: VmapOptions = {},
): (...args: Args) => Out {
  checkOptions('vmap', options, ['inDims', 'outDims', 'randomness', 'chunkSize']);
  const { inDims = 0, outDims = 0, randomness = 'error', chunkSize = null } = options;
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
      const to = checkOutputs(outDims, result);
      let k = 0;
      const lowered = mapTree(result, (y) => {
        const dim = to[k++];
        if (dim !== null) {
          const all = level.lowerAll(y);
          return checkDim(dim, all.ndim) === 0 ? all : all.movedim(0, dim);
        }
        if (!level.lower(y)) return y;
        throw new AdjointError('argument', 'vmap: the function can not return a batched Tensor when outDim is null');
      });
      return release(lowered);
    });
  };
  return batch;
}

/** Applies a batched function to parts of the batch, and joins what it returns. */
function inChunks<Args extends readonly unknown[], Out extends Tree>(
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
  const to = checkOutputs(outDims, parts[0]);
  const columns = parts.map(leavesOf);
  const joined = to.map((dim, k) => {
    const pieces = columns.map((column) => column[k]);
    if (dim === null) return pieces[0];
    const along = checkDim(dim, pieces[0].ndim);
    const all = together(pieces.flatMap((piece) => piece.unbind(along)));
    return along === 0 ? all : all.movedim(0, along);
  });
  return withLeaves(parts[0], joined);
}

// ---- Jacobians

/** The vectors of the standard basis, each in the shape given. */
function basis(shape: Shape, like: Tensor): Tensor {
  const n = numelOf(shape);
  return eye(n, { dtype: like.dtype }).view([n, ...shape]);
}

/** A zero for every leaf, and `vector` for one. */
const only = (leaves: readonly Tensor[], chosen: number, vector: Tensor): Tensor[] =>
  leaves.map((x, k) => (k === chosen ? vector : zerosLike(x)));

/**
 * The function that computes the Jacobian of `f` with respect to one or several arguments, by reverse mode: all rows at once, as one batch
 * (torch.func.jacrev). It has the shape of the output followed by that of the input.
 */
export function jacrev<Args extends readonly unknown[], Out extends Tree, const N extends Positions = 0>(
  f: (...args: Args) => Out,
  options?: Argnums<N>,
): (...args: Args) => Jacobian<Out, Chosen<Args, N>>;
export function jacrev(f: (...args: readonly unknown[]) => Tree, options: Argnums<Positions> = {}) {
  const { argnums } = gradOptions('jacrev', options);
  return (...args: readonly unknown[]): Tree => {
    const chosen = positions('jacrev', argnums, args.length);
    const differentiated = (...own: readonly Tree[]): Tree => f(...replaced(args, chosen, own));
    const [output, pullBack] = vjp(differentiated, ...chosen.map((k) => args[k] as Tree));
    const outputs = leavesOf(output);
    const rows = outputs.map((y, k) =>
      vmap((vector: Tensor) => pullBack(withLeaves(output, only(outputs, k, vector))) as Tree)(basis(y.shape, y)),
    );
    return withTrees(
      output,
      rows.map(
        (row, k) =>
          one(
            mapTree(row, (j) => j.reshape([...outputs[k].shape, ...j.shape.slice(1)])) as readonly Tree[],
            argnums,
          ) as Tree,
      ),
    );
  };
}

/**
 * The function that computes the Jacobian of `f` with respect to one or several arguments, by forward mode: all columns at once, as one batch
 * (torch.func.jacfwd). It has the shape of the output followed by that of the input.
 */
export function jacfwd<Args extends readonly unknown[], Out extends Tree, const N extends Positions = 0>(
  f: (...args: Args) => Out,
  options?: Argnums<N>,
): (...args: Args) => Jacobian<Out, Chosen<Args, N>>;
export function jacfwd(f: (...args: readonly unknown[]) => Tree, options: Argnums<Positions> = {}) {
  const { argnums } = gradOptions('jacfwd', options);
  return (...args: readonly unknown[]): Tree => {
    const chosen = positions('jacfwd', argnums, args.length);
    const own = chosen.map((k) => args[k] as Tree);
    const inputs = own.flatMap(leavesOf);
    const differentiated = (...fresh: readonly Tree[]): Tree => f(...replaced(args, chosen, fresh));
    const columns = inputs.map((x, k) =>
      vmap((vector: Tensor) => {
        let next = 0;
        const directions = only(inputs, k, vector);
        return jvp(
          differentiated,
          own,
          own.map((tree) => mapTree(tree, () => directions[next++])),
        )[1];
      })(basis(x.shape, x)),
    );
    const parts = columns.map(leavesOf);
    // of each output, one Jacobian for each input
    const jacobians = parts[0].map((_, k) => {
      const ofInputs = inputs.map((x, i) => {
        const column = parts[i][k];
        return column.movedim(0, -1).reshape([...column.shape.slice(1), ...x.shape]);
      });
      let next = 0;
      return one(
        own.map((tree) => mapTree(tree, () => ofInputs[next++])),
        argnums,
      ) as Tree;
    });
    return withTrees(columns[0], jacobians);
  };
}

/** A structure with a tree in the place of each leaf. */
function withTrees(tree: Tree, trees: readonly Tree[]): Tree {
  let next = 0;
  const visit = (part: Tree): Tree => {
    if (part instanceof Tensor) return trees[next++];
    if (Array.isArray(part)) return part.map(visit);
    return Object.fromEntries(Object.entries(part).map(([key, inner]) => [key, visit(inner)]));
  };
  return visit(tree);
}

/** The function that computes the Hessian of a scalar function: forward mode over reverse (torch.func.hessian). */
export function hessian<Args extends readonly unknown[], const N extends Positions = 0>(
  f: (...args: Args) => Tensor,
  options?: Argnums<N>,
): (...args: Args) => Jacobian<Chosen<Args, N>, Chosen<Args, N>>;
export function hessian(f: (...args: readonly unknown[]) => Tensor, options: Argnums<Positions> = {}) {
  return jacfwd(jacrev(f, options), options);
}
