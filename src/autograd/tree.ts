/** Structures of tensors: what transformed functions take and return. */
import { isOptions } from '../core/options.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';

/** A tensor, or arrays and objects of them. */
export type Tree = Tensor | readonly Tree[] | { readonly [key: string]: Tree };

/** Everything in a structure that is no array and no object, tensors or not. */
export function partsOf(tree: unknown): unknown[] {
  if (Array.isArray(tree) || isOptions(tree)) return Object.values(tree as Record<string, unknown>).flatMap(partsOf);
  return [tree];
}

/** The same structure with other parts, which `f` is asked for in order. */
export function mapParts(tree: unknown, f: (part: unknown) => unknown): unknown {
  if (Array.isArray(tree)) return tree.map((part) => mapParts(part, f));
  if (!isOptions(tree)) return f(tree);
  return Object.fromEntries(Object.entries(tree).map(([key, part]) => [key, mapParts(part, f)]));
}

/** The tensors of a structure. @throws if there is anything else */
export function leavesOf(tree: Tree): Tensor[] {
  const parts = partsOf(tree);
  const wrong = parts.findIndex((part) => !(part instanceof Tensor));
  if (wrong < 0) return parts as Tensor[];
  throw new AdjointError(
    'argument',
    `Expected tensors, got unsupported type ${typeof parts[wrong]}: ${show(parts[wrong])} is neither a Tensor nor an array or object of Tensors`,
  );
}

/** The same structure with other tensors, which `f` is asked for in order. */
export const mapTree = <T extends Tree>(tree: T, f: (leaf: Tensor) => Tensor): T =>
  mapParts(tree, f as (part: unknown) => unknown) as T;

/** The same structure with other parts: the given ones in order. */
export function withParts<T extends Tree>(tree: T, parts: readonly Tree[]): T {
  let next = 0;
  return mapParts(tree, () => parts[next++]) as T;
}

/** How a structure is told in errors: `*` for what is in it. */
export const structure = (tree: unknown): string => {
  if (Array.isArray(tree)) return `[${tree.map(structure).join(', ')}]`;
  if (!isOptions(tree)) return '*';
  return `{ ${Object.entries(tree)
    .map(([key, part]) => `${key}: ${structure(part)}`)
    .join(', ')} }`;
};
