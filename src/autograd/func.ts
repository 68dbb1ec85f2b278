/** Functions of functions: derivatives as transforms that compose with each other and with batches (torch.func). */

import { filled, zerosLike } from '../core/creation.ts';
import type { DType } from '../core/dtype.ts';
import { positional } from '../core/named.ts';
import { checkOptions, isOptions } from '../core/options.ts';
import { type Shape, sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { ordinary, outsideInference, recording, release, withArguments } from './argument.ts';
import { grad as gradients } from './backward.ts';
import { checkTangent, DualLevel } from './forward.ts';
import { vmap } from './func-vmap.ts';
import { basis, blockOfColumns, blockOfRows } from './jacobian.ts';
import { at } from './lift.ts';
import { enableGrad } from './modes.ts';
import { leavesOf, mapTree, partsOf, structure, type Tree, withParts } from './tree.ts';
import { type Randomness, together } from './vmap.ts';

export { type Dims, type VmapOptions, vmap } from './func-vmap.ts';
export type { Tree } from './tree.ts';

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

// ---- reverse mode

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
        withParts(
          output as Tree,
          pairs.map((pair) => pair.primal),
        ),
        withParts(
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
  const pulled = recording(() => leavesOf(pullBack(withParts(output, cotangents))));
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
    return release(withParts(output as Out, found));
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
    const row = (...vectors: readonly Tensor[]): Tree => pullBack(withParts(output, vectors));
    const vectors = basis(outputs);
    const rows =
      chunkSize === 1
        ? stacked(Array.from({ length: vectors[0].shape[0] }, (_, i) => row(...vectors.map((x) => x.select(0, i)))))
        : vmap(row, { chunkSize })(...vectors);
    const result = withParts(
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
  return withParts(
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
      const [, tangent, aux] = pushed(differentiated, own, withParts(own, vectors), false, hasAux);
      return aux === null ? [tangent] : [tangent, aux];
    };
    const [tangent, aux] = vmap(column, { randomness })(...basis(inputs));
    const jacobians = leavesOf(tangent).map((columns) => {
      const blocks = inputs.map((_, j) => blockOfColumns(columns, inputs, j));
      return one(withParts(own, blocks), argnums) as Tree;
    });
    const result = withParts(tangent, jacobians);
    // the same for every column
    return aux ? [result, mapTree(aux, (x) => x.select(0, 0))] : result;
  };
  return (...args: readonly unknown[]) => outsideInference(() => jacobian(...args));
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
