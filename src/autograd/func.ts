/** Functions of functions: derivatives and batches as transforms that compose (torch.func). */

import { filled, zerosLike } from '../core/creation.ts';
import { type DType, isFloatingPoint } from '../core/dtype.ts';
import { positional } from '../core/named.ts';
import { checkOptions, isOptions } from '../core/options.ts';
import { checkDim, type Shape, sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { grad as gradients } from './backward.ts';
import { edgeOf, requiresGrad, twin } from './edge.ts';
import { checkTangent, DualLevel } from './forward.ts';
import { basis, blockOfColumns, blockOfRows } from './jacobian.ts';
import { at } from './lift.ts';
import { enableGrad, inferenceMode, mode, noGrad } from './modes.ts';
import { type Edge, type Gradients, Node } from './node.ts';
import { BatchLevel, type Randomness, together } from './vmap.ts';

/** A tensor, or arrays and objects of them: what transformed functions take and return. */
export type Tree = Tensor | readonly Tree[] | { readonly [key: string]: Tree };

/** One dimension for a whole argument or result, or one for each of its parts; null for what is no batch. */
export type Dims = number | null | readonly Dims[] | { readonly [key: string]: Dims };

function leavesOf(tree: Tree): Tensor[] {
  if (tree instanceof Tensor) return [tree];
  if (Array.isArray(tree) || isOptions(tree)) return Object.values(tree as Record<string, Tree>).flatMap(leavesOf);
  throw new AdjointError(
    'argument',
    `Expected tensors, got unsupported type ${typeof tree}: ${show(tree)} is neither a Tensor nor an array or object of Tensors`,
  );
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

/** How a structure is told in errors: `*` for what is in it. */
const structure = (tree: unknown): string => {
  if (Array.isArray(tree)) return `[${tree.map(structure).join(', ')}]`;
  if (!isOptions(tree)) return '*';
  return `{ ${Object.entries(tree)
    .map(([key, part]) => `${key}: ${structure(part)}`)
    .join(', ')} }`;
};

/** The tensors among the results of a function that is differentiated. @throws if there is anything else, or nothing */
function outputsOf(call: string, output: unknown): Tensor[] {
  const leaves = output === undefined || output === null ? [] : partsOf(output);
  if (leaves.length === 0) {
    throw new AdjointError(
      'argument',
      `${call}: Expected f to be a function that has non-empty output (got output = ${show(output)})`,
    );
  }
  for (const y of leaves) {
    if (y instanceof Tensor) continue;
    throw new AdjointError(
      'argument',
      `${call}: expected f(*primals) to return only tensors, got unsupported type ${typeof y}: ${show(y)}`,
    );
  }
  return leaves as Tensor[];
}

/** Takes the result of a function apart, which is [output, aux] if it has an aux. */
function withoutAux(call: string, result: unknown, hasAux: boolean): [output: unknown, aux: Tree | null] {
  if (!hasAux) return [result, null];
  if (!Array.isArray(result) || result.length !== 2) {
    throw new AdjointError(
      'argument',
      `${call}: output of function f should be a tuple: [output, aux] if hasAux is true, got ${show(result)}`,
    );
  }
  leavesOf(result[1]);
  return [result[0], result[1]];
}

/** Runs `work` outside of inference mode, whose tensors cannot be differentiated. Nothing is recorded, unless `work` sees to it. */
const outsideInference = <T>(work: () => T): T => (mode.inference ? inferenceMode(false, () => noGrad(work)) : work());

/** Runs `work` recording, in inference mode as well. */
const recording = <T>(work: () => T): T => (mode.inference ? inferenceMode(false, work) : enableGrad(work));

/** The tensor, or where it cannot be saved for a backward, because it was made in inference mode, a copy. */
const ordinary = (x: Tensor): Tensor => (x.storage.inference ? x.clone() : x);

// ---- reverse mode

/** An argument of a transform: the place where the gradient is wanted, in front of whatever made the argument outside. */
class Argument extends Node {
  /** Whether the transform is under way. */
  open = true;

  constructor(of: Tensor) {
    super([edgeOf(of)]);
    this.setOutputs([of]);
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
  leavesOf(args);
  const fresh = args.map((tree) =>
    mapTree(tree, (x) => {
      if (!isFloatingPoint(x.dtype)) {
        throw new AdjointError(
          'argument',
          `only Tensors of floating point dtype can require gradients, got ${x.dtype}`,
        );
      }
      const argument = twin(ordinary(x));
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

/** Whether a gradient can be wanted beyond a node: where a graph ends, or at an argument of a transform that is still under way. */
function isLive(node: Node): boolean {
  const reached = new Set([node]);
  for (const next of reached) {
    if (next instanceof Argument ? next.open : next.edges.length === 0) return true;
    for (const edge of next.edges as readonly (Edge | null)[]) if (edge) reached.add(edge.node);
  }
  return false;
}

/** A result as it leaves a transform: in the graph only as far as the graph goes on outside, and where that is recorded. */
function release<T extends Tree>(tree: T): T {
  return mapTree(tree, (x) => {
    if (mode.grad ? !x._node || isLive(x._node) : !requiresGrad(x)) return x;
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

/** What to differentiate with respect to, by position or by name; an object may have `More` as well. */
type Argnums<N extends Positions, More = unknown> = N | ({ readonly argnums?: N; readonly hasAux?: false } & More);

/** What may follow the positions of a function that returns what is differentiated. */
type NoAux<More = unknown> = false | ({ readonly hasAux?: false } & More);

/** The same for a function that returns [value, aux], of which only the value is differentiated. */
type WithAux<N extends Positions, More = unknown> = { readonly argnums?: N; readonly hasAux: true } & More;
type AndAux<More = unknown> = true | ({ readonly hasAux: true } & More);

/** Positions from the beginning, checked. */
function positions(argnums: Positions, count: number): number[] {
  const fail = (what: string): never => {
    throw new AdjointError('argument', what);
  };
  if (typeof argnums !== 'number' && !Array.isArray(argnums))
    fail(`argnums must be a whole number or an array of them, got: ${show(argnums)}`);
  const given: readonly number[] = typeof argnums === 'number' ? [argnums] : argnums;
  if (given.length === 0) fail('argnums must be non-empty');
  const found = given.map((k) => {
    if (!Number.isInteger(k)) fail(`argnum must be int, got: ${show(k)}`);
    if (k < -count || k >= count) fail(`Got argnum=${k}, but only ${count} positional inputs`);
    return k < 0 ? k + count : k;
  });
  if (new Set(found).size < found.length) fail(`argnums elements must be unique, got ${show(argnums)}`);
  return found;
}

/** The parameters of a transform in order: `argnums`, `hasAux` and one that is its own. */
function gradArguments<Own>(call: string, args: readonly unknown[], ...more: string[]): [Positions, boolean, Own?] {
  const names = ['argnums', 'hasAux', ...more];
  const [argnums = 0, hasAux = false, own] = positional<[Positions?, boolean?, Own?]>(call, names, args);
  return [argnums, hasAux, own];
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
  argnums?: Argnums<N>,
  hasAux?: NoAux,
): (...args: Args) => [gradient: Chosen<Args, N>, value: Tensor];
export function gradAndValue<Args extends readonly unknown[], Aux extends Tree, const N extends Positions = 0>(
  f: (...args: Args) => readonly [value: Tensor, aux: Aux],
  options: WithAux<N>,
): (...args: Args) => [gradient: Chosen<Args, N>, valueAndAux: [value: Tensor, aux: Aux]];
export function gradAndValue<Args extends readonly unknown[], Aux extends Tree, const N extends Positions>(
  f: (...args: Args) => readonly [value: Tensor, aux: Aux],
  argnums: N,
  hasAux: AndAux,
): (...args: Args) => [gradient: Chosen<Args, N>, valueAndAux: [value: Tensor, aux: Aux]];
export function gradAndValue(f: (...args: readonly unknown[]) => Tree, ...options: readonly unknown[]) {
  const [argnums, hasAux] = gradArguments('gradAndValue', options);
  return valued(f, argnums, hasAux);
}

/** The work of `gradAndValue`. */
function valued(f: (...args: readonly unknown[]) => Tree, argnums: Positions, hasAux: boolean) {
  const call = 'gradAndValue(f)(*args)';
  return (...args: readonly unknown[]): [Tree, Tree] => {
    const chosen = positions(argnums, args.length);
    const differentiate = (fresh: readonly Tree[]): [Tree, Tree] => {
      const [value, aux] = withoutAux(call, f(...replaced(args, chosen, fresh)), hasAux);
      if (!(value instanceof Tensor))
        throw new AdjointError('argument', `${call}: Expected f(*args) to return a Tensor, got ${show(value)}`);
      if (value.ndim !== 0) {
        throw new AdjointError(
          'shape',
          `${call}: Expected f(*args) to return a scalar Tensor, got tensor with ${value.ndim} dims. Maybe you wanted to use the vjp or ` +
            'jacrev APIs instead?',
        );
      }
      const found = pull([value], fresh, [filled([], 1, value.dtype)]);
      return [one(found, argnums) as Tree, aux === null ? value : [value, aux]];
    };
    return outsideInference(
      () =>
        withArguments(
          chosen.map((k) => args[k] as Tree),
          differentiate,
        ).map(release) as [Tree, Tree],
    );
  };
}

/**
 * The function that computes the gradient of a scalar function with respect to one or several of its arguments (torch.func.grad). With
 * `hasAux`, [gradient, aux]. Nests: `grad(grad(f))` is the second derivative.
 */
export function grad<Args extends readonly unknown[], const N extends Positions = 0>(
  f: (...args: Args) => Tensor,
  argnums?: Argnums<N>,
  hasAux?: NoAux,
): (...args: Args) => Chosen<Args, N>;
export function grad<Args extends readonly unknown[], Aux extends Tree, const N extends Positions = 0>(
  f: (...args: Args) => readonly [value: Tensor, aux: Aux],
  options: WithAux<N>,
): (...args: Args) => [gradient: Chosen<Args, N>, aux: Aux];
export function grad<Args extends readonly unknown[], Aux extends Tree, const N extends Positions>(
  f: (...args: Args) => readonly [value: Tensor, aux: Aux],
  argnums: N,
  hasAux: AndAux,
): (...args: Args) => [gradient: Chosen<Args, N>, aux: Aux];
export function grad(f: (...args: readonly unknown[]) => Tree, ...options: readonly unknown[]) {
  const [argnums, hasAux] = gradArguments('grad', options);
  const both = valued(f, argnums, hasAux);
  return (...args: readonly unknown[]) => {
    const [gradient, value] = both(...args);
    return hasAux ? [gradient, (value as readonly Tree[])[1]] : gradient;
  };
}

/** Says that a function returns [output, aux], of which only the output is differentiated. */
interface HasAux {
  readonly hasAux: true;
}

/**
 * The value of `f` at `primals`, and the function that takes cotangents of it to cotangents of the primals, in an array with one entry for
 * each (torch.func.vjp). With `{ hasAux: true }` after the primals, [output, vjpFn, aux].
 * @throws if `f` returns anything but tensors; from `vjpFn`, if the cotangents are not what `f` returns
 */
export function vjp<Args extends readonly Tree[], Out extends Tree, Aux extends Tree>(
  f: (...args: Args) => readonly [output: Out, aux: Aux],
  ...primals: [...Args, options: HasAux]
): [output: Out, vjpFn: (cotangents: Out) => Args, aux: Aux];
export function vjp<Args extends readonly Tree[], Out extends Tree>(
  f: (...args: Args) => Out,
  ...primals: Args
): [output: Out, vjpFn: (cotangents: Out) => Args];
export function vjp(f: (...args: readonly Tree[]) => unknown, ...given: readonly unknown[]): unknown[] {
  const last = given.at(-1);
  const hasOptions = isOptions(last) && typeof last.hasAux === 'boolean';
  const [output, vjpFn, aux] = pullback(
    f,
    (hasOptions ? given.slice(0, -1) : given) as readonly Tree[],
    hasOptions && last.hasAux === true,
  );
  return aux === null ? [output, vjpFn] : [output, vjpFn, aux];
}

/** The work of `vjp`. */
function pullback<Args extends readonly Tree[]>(
  f: (...args: Args) => unknown,
  primals: Args,
  hasAux = false,
): [output: Tree, vjpFn: (cotangents: Tree) => Args, aux: Tree | null] {
  const call = 'vjp(f, *primals)';
  const [output, fresh, aux] = outsideInference(() =>
    withArguments(primals, (own) => {
      const [output, aux] = withoutAux(call, f(...own), hasAux);
      outputsOf(call, output);
      return [output as Tree, own, aux] as const;
    }),
  );
  const outputs = leavesOf(output);
  const vjpFn = (cotangents: Tree): Args => {
    if (structure(cotangents) !== structure(output)) {
      throw new AdjointError(
        'argument',
        'Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. ' +
          `cotangents: ${structure(cotangents)}, primal output: ${structure(output)}`,
      );
    }
    const given = leavesOf(cotangents);
    return outsideInference(
      () => release(enableGrad(() => pull(outputs, fresh, given.map(ordinary))) as unknown as Tree) as unknown as Args,
    );
  };
  return [release(output), vjpFn, aux && release(aux)];
}

// ---- forward mode

export interface JvpOptions {
  /** Whether it is an error if the output does not depend on the primals. */
  readonly strict?: boolean;
  /** Whether `f` returns [output, aux], of which only the output is differentiated. */
  readonly hasAux?: boolean;
}

/**
 * The value of `f` at `primals` and its derivative in the direction `tangents` (torch.func.jvp), by forward mode. With `hasAux`,
 * [output, tangent, aux].
 * @throws if the tangents do not match the primals, or if `f` returns anything but tensors
 */
export function jvp<Args extends readonly Tree[], Out extends Tree, Aux extends Tree>(
  f: (...args: Args) => readonly [output: Out, aux: Aux],
  primals: Args,
  tangents: Args,
  options: JvpOptions & HasAux,
): [output: Out, tangent: Out, aux: Aux];
export function jvp<Args extends readonly Tree[], Out extends Tree>(
  f: (...args: Args) => Out,
  primals: Args,
  tangents: Args,
  options?: JvpOptions & { readonly hasAux?: false },
): [output: Out, tangent: Out];
export function jvp(
  f: (...args: readonly Tree[]) => unknown,
  primals: readonly Tree[],
  tangents: readonly Tree[],
  options: JvpOptions = {},
): Tree[] {
  checkOptions('jvp', options, ['strict', 'hasAux']);
  const { strict = false, hasAux = false } = options;
  const [output, tangent, aux] = pushed(f, primals, tangents, strict, hasAux);
  return aux === null ? [output, tangent] : [output, tangent, aux];
}

/** Throws unless there are as many tangents as primals, in the same structure. */
function checkTangents(call: string, primals: readonly Tree[], tangents: readonly Tree[]): void {
  const fail = (what: string): never => {
    throw new AdjointError('argument', `${call}: ${what}`);
  };
  if (!Array.isArray(primals)) fail('Expected primals to be an array. E.g. it should be valid to call f(...primals).');
  if (structure(primals) !== structure(tangents)) {
    fail(
      'Expected primals and tangents to have the same structure. For example, if primals is an array of 3 tensors, tangents also must be. ' +
        `Got primals with structure ${structure(primals)} and tangents with structure ${structure(tangents)}`,
    );
  }
  for (const [name, tree] of Object.entries({ primals, tangents })) {
    const wrong = partsOf(tree).find((x) => !(x instanceof Tensor));
    if (wrong !== undefined) fail(`Expected ${name} to only contain Tensors, got ${show(wrong)}`);
  }
  if (leavesOf(primals).length === 0) fail('Expected primals to contain at least one Tensor.');
}

/** The work of `jvp`. */
function pushed(
  f: (...args: readonly Tree[]) => unknown,
  primals: readonly Tree[],
  tangents: readonly Tree[],
  strict: boolean,
  hasAux: boolean,
): [output: Tree, tangent: Tree, aux: Tree | null] {
  const call = 'jvp(f, primals, tangents)';
  checkTangents(call, primals, tangents);
  return outsideInference(() => {
    const all = at(new DualLevel(), (level): [Tree, Tree, Tree | null] => {
      const directions = leavesOf(tangents);
      let next = 0;
      const duals = mapTree(primals, (x) => {
        const tangent = directions[next++];
        checkTangent(x, tangent);
        return level.lift(ordinary(x), ordinary(tangent));
      });
      const [output, aux] = withoutAux(call, f(...duals), hasAux);
      const pairs = outputsOf(call, output).map((y) => level.unpack(y));
      if (strict && pairs.some(({ tangent }) => !tangent)) {
        throw new AdjointError(
          'autograd',
          'jvp(f, primals, tangents, { strict: true }): The output of f is independent of the inputs. This is not allowed with strict: true.',
        );
      }
      return [
        withLeaves(
          output as Tree,
          pairs.map((pair) => pair.primal),
        ),
        withLeaves(
          output as Tree,
          pairs.map(({ primal, tangent }) => tangent ?? zerosLike(primal)),
        ),
        aux && mapTree(aux, (x) => level.unpack(x).primal),
      ];
    });
    return all.map((tree) => tree && release(tree)) as typeof all;
  });
}

/**
 * The value of `f` at `primals` and the function that takes tangents to tangents there, which can be called many times without
 * computing `f` again (torch.func.linearize).
 * @throws if the tangents do not match the primals
 */
export function linearize<Args extends readonly Tree[], Out extends Tree>(
  f: (...args: Args) => Out,
  ...primals: Args
): [output: Out, jvpFn: (...tangents: Args) => Out] {
  const [output, pullBack] = pullback(f, primals);
  const cotangents = outsideInference(() => leavesOf(output).map((y) => zerosLike(y).requiresGrad_()));
  // the pullback is linear: its own derivative, at any cotangent, is its transpose
  const pulled = recording(() => leavesOf(pullBack(withLeaves(output, cotangents))));
  const live = pulled.flatMap((g, k) => (g.requiresGrad ? [k] : []));
  const inputs = leavesOf(primals);
  const jvpFn = (...tangents: Args): Out => {
    if (structure(tangents) !== structure(primals)) {
      throw new AdjointError(
        'argument',
        `Expected the tangents ${structure(tangents)} to have the same argspec as the primals ${structure(primals)}`,
      );
    }
    const directions = leavesOf(tangents);
    for (const [k, { shape, dtype }] of directions.entries()) checkDirection(k, shape, dtype, inputs[k]);
    if (live.length === 0) return mapTree(output as Out, (y) => zerosLike(y));
    const found = recording(() =>
      gradients(
        live.map((k) => pulled[k]),
        cotangents,
        {
          gradOutputs: live.map((k) => ordinary(directions[k])),
          createGraph: true,
          materializeGrads: true,
        },
      ),
    );
    return release(withLeaves(output as Out, found));
  };
  return [output as Out, jvpFn];
}

function checkDirection(k: number, shape: Shape, dtype: DType, primal: Tensor): void {
  const fail = (what: string, own: string, other: string): never => {
    throw new AdjointError(
      what === 'shape' ? 'shape' : 'dtype',
      `tangent:${k} with ${what} ${own} in flattened pytree doesn't match the ${what} ${other} of the corresponding primal.`,
    );
  };
  if (!sameShape(shape, primal.shape)) fail('shape', showShape(shape), showShape(primal.shape));
  if (dtype !== primal.dtype) fail('dtype', dtype, primal.dtype);
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

// ---- Jacobians

/** Of a Jacobian by reverse mode, further: */
export interface JacrevOptions {
  /** So many rows are computed at a time, to bound memory; with 1, without vmap. */
  readonly chunkSize?: number | null;
}

/**
 * The function that computes the Jacobian of `f` with respect to one or several arguments, by reverse mode: all rows at once, as one batch
 * (torch.func.jacrev). It has the shape of the output followed by that of the input. With `hasAux`, [Jacobian, aux].
 */
export function jacrev<
  Args extends readonly unknown[],
  Out extends Tree,
  Aux extends Tree,
  const N extends Positions = 0,
>(
  f: (...args: Args) => readonly [output: Out, aux: Aux],
  options: WithAux<N, JacrevOptions>,
): (...args: Args) => [jacobian: Jacobian<Out, Chosen<Args, N>>, aux: Aux];
export function jacrev<Args extends readonly unknown[], Out extends Tree, Aux extends Tree, const N extends Positions>(
  f: (...args: Args) => readonly [output: Out, aux: Aux],
  argnums: N,
  hasAux: AndAux<JacrevOptions>,
): (...args: Args) => [jacobian: Jacobian<Out, Chosen<Args, N>>, aux: Aux];
export function jacrev<Args extends readonly unknown[], Out extends Tree, const N extends Positions>(
  f: (...args: Args) => Out,
  argnums: N,
  hasAux: NoAux<JacrevOptions>,
): (...args: Args) => Jacobian<Out, Chosen<Args, N>>;
export function jacrev<Args extends readonly unknown[], Out extends Tree, const N extends Positions = 0>(
  f: (...args: Args) => Out,
  argnums?: Argnums<N, JacrevOptions>,
): (...args: Args) => Jacobian<Out, Chosen<Args, N>>;
export function jacrev(f: (...args: readonly unknown[]) => unknown, ...options: readonly unknown[]) {
  const [argnums, hasAux, chunkSize = null] = gradArguments<number | null>('jacrev', options, 'chunkSize');
  if (chunkSize !== null && !(Number.isInteger(chunkSize) && chunkSize > 0)) {
    throw new AdjointError('argument', `jacrev: \`chunkSize\` should be greater than 0, got ${show(chunkSize)}`);
  }
  const jacobian = (...args: readonly unknown[]): Tree => {
    const chosen = positions(argnums, args.length);
    const differentiated = (...own: readonly Tree[]): unknown => f(...replaced(args, chosen, own));
    const [output, pullBack, aux] = pullback(
      differentiated,
      chosen.map((k) => args[k] as Tree),
      hasAux,
    );
    const outputs = leavesOf(output);
    const row = (...vectors: readonly Tensor[]): Tree => pullBack(withLeaves(output, vectors));
    const vectors = basis(outputs);
    const rows =
      chunkSize === 1
        ? stacked(Array.from({ length: vectors[0].shape[0] }, (_, i) => row(...vectors.map((x) => x.select(0, i)))))
        : vmap(row, { chunkSize })(...vectors);
    const result = withTrees(
      output,
      outputs.map((_, i) => one(mapTree(rows, (x) => blockOfRows(x, outputs, i)) as readonly Tree[], argnums) as Tree),
    );
    return aux === null ? result : [result, aux];
  };
  return (...args: readonly unknown[]) => outsideInference(() => jacobian(...args));
}

/** Trees of one structure as one, whose leaves are theirs together. */
function stacked(trees: readonly Tree[]): Tree {
  const columns = trees.map(leavesOf);
  return withLeaves(
    trees[0],
    columns[0].map((_, k) => together(columns.map((column) => column[k]))),
  );
}

export interface JacfwdOptions {
  /** What random operators do (see `vmap`): throw, by default, draw for each column, or draw once for all. */
  readonly randomness?: Randomness;
}

/**
 * The function that computes the Jacobian of `f` with respect to one or several arguments, by forward mode: all columns at once, as one batch
 * (torch.func.jacfwd). It has the shape of the output followed by that of the input. With `hasAux`, [Jacobian, aux].
 */
export function jacfwd<
  Args extends readonly unknown[],
  Out extends Tree,
  Aux extends Tree,
  const N extends Positions = 0,
>(
  f: (...args: Args) => readonly [output: Out, aux: Aux],
  options: WithAux<N, JacfwdOptions>,
): (...args: Args) => [jacobian: Jacobian<Out, Chosen<Args, N>>, aux: Aux];
export function jacfwd<Args extends readonly unknown[], Out extends Tree, Aux extends Tree, const N extends Positions>(
  f: (...args: Args) => readonly [output: Out, aux: Aux],
  argnums: N,
  hasAux: AndAux<JacfwdOptions>,
): (...args: Args) => [jacobian: Jacobian<Out, Chosen<Args, N>>, aux: Aux];
export function jacfwd<Args extends readonly unknown[], Out extends Tree, const N extends Positions>(
  f: (...args: Args) => Out,
  argnums: N,
  hasAux: NoAux<JacfwdOptions>,
): (...args: Args) => Jacobian<Out, Chosen<Args, N>>;
export function jacfwd<Args extends readonly unknown[], Out extends Tree, const N extends Positions = 0>(
  f: (...args: Args) => Out,
  argnums?: Argnums<N, JacfwdOptions>,
): (...args: Args) => Jacobian<Out, Chosen<Args, N>>;
export function jacfwd(f: (...args: readonly unknown[]) => unknown, ...options: readonly unknown[]) {
  const [argnums, hasAux, randomness = 'error'] = gradArguments<Randomness>('jacfwd', options, 'randomness');
  const jacobian = (...args: readonly unknown[]): Tree => {
    const chosen = positions(argnums, args.length);
    const own = chosen.map((k) => args[k] as Tree);
    const inputs = leavesOf(own);
    const differentiated = (...fresh: readonly Tree[]): unknown => f(...replaced(args, chosen, fresh));
    const column = (...vectors: readonly Tensor[]): readonly Tree[] => {
      const [, tangent, aux] = pushed(differentiated, own, withLeaves(own, vectors), false, hasAux);
      return aux === null ? [tangent] : [tangent, aux];
    };
    const [tangent, aux] = vmap(column, { randomness })(...basis(inputs));
    const jacobians = leavesOf(tangent).map((columns) => {
      const blocks = inputs.map((_, j) => blockOfColumns(columns, inputs, j));
      return one(withLeaves(own, blocks), argnums) as Tree;
    });
    const result = withTrees(tangent, jacobians);
    // the same for every column
    return aux ? [result, mapTree(aux, (x) => x.select(0, 0))] : result;
  };
  return (...args: readonly unknown[]) => outsideInference(() => jacobian(...args));
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
  options?: N | { readonly argnums?: N },
): (...args: Args) => Jacobian<Chosen<Args, N>, Chosen<Args, N>>;
export function hessian(f: (...args: readonly unknown[]) => Tensor, ...options: readonly unknown[]) {
  const [argnums = 0] = positional<[Positions?]>('hessian', ['argnums'], options);
  return jacfwd(jacrev(f, argnums), argnums);
}
