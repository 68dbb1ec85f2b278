/** Modules as functions of their parameters, for transforms (torch.func). */

import { noGrad } from '../autograd/modes.ts';
import { checkOptions, isOptions } from '../core/options.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { stack } from '../ops/view/join.ts';
import type { Module } from './module.ts';
import { Parameter } from './parameter.ts';

/** Tensors by the path of the parameter or buffer that they stand for. */
export type NamedTensors = { readonly [path: string]: Tensor };

export interface FunctionalCallOptions {
  /** Whether a tensor stands for a parameter wherever the module has it, if it has it in several places. Default: true. */
  readonly tieWeights?: boolean;
  /** Whether there must be a tensor for every parameter and buffer. Default: false. */
  readonly strict?: boolean;
}

const fail = (what: string): never => {
  throw new AdjointError('argument', `functionalCall: ${what}`);
};

/** A field that holds a parameter or a buffer. */
interface Member {
  readonly path: string;
  readonly owner: Record<string, unknown>;
  readonly field: string;
  readonly tensor: Tensor;
}

/** Every such field, also those that hold the same tensor. */
function membersOf(module: Module): Member[] {
  return module.namedModules().flatMap(([prefix, owner]) => {
    const buffers: unknown[] = owner.buffers(false);
    return Object.entries(owner)
      .filter(([, value]) => value instanceof Parameter || buffers.includes(value))
      .map(([field, tensor]) => ({
        path: prefix === '' ? field : `${prefix}.${field}`,
        owner: owner as unknown as Record<string, unknown>,
        field,
        tensor,
      }));
  });
}

/** All given tensors by their paths. */
function together(given: unknown): NamedTensors {
  const parts: readonly unknown[] = Array.isArray(given) ? given : [given];
  const wrong = parts.find((part) => !isOptions(part));
  if (wrong !== undefined) fail(`Expected tensors to be in an object, or in a list of objects, but got ${show(wrong)}`);
  const all = (parts as NamedTensors[]).flatMap((part) => Object.entries(part));
  const paths = all.map(([path]) => path);
  const repeated = paths.filter((path, k) => paths.indexOf(path) !== k);
  if (repeated.length > 0) {
    fail(`${show(repeated)} appeared in multiple dictionaries; behavior of functional call is ambiguous`);
  }
  for (const [path, tensor] of all)
    if (!(tensor instanceof Tensor)) fail(`${show(tensor)}, which was given for ${show(path)}, is not a Tensor`);
  return Object.fromEntries(all);
}

/**
 * The result of `module.forward(...args)` with other tensors in the place of some of its parameters and buffers, which are put back
 * afterwards (torch.func.functional_call). Gradients with respect to these tensors go to them.
 * @param parametersAndBuffers one object, or several
 * @throws if a path names no parameter or buffer of the module, or if two that are the same parameter get different tensors
 */
export function functionalCall<Args extends readonly unknown[], Out>(
  module: Module & { forward(...args: Args): Out },
  parametersAndBuffers: NamedTensors | readonly NamedTensors[],
  args: Args | Args[0],
  options: FunctionalCallOptions = {},
): Out {
  checkOptions('functionalCall', options, ['tieWeights', 'strict']);
  const { tieWeights = true, strict = false } = options;
  const given = together(parametersAndBuffers);
  const members = membersOf(module);
  const replaced = new Map<Member, [path: string, tensor: Tensor]>();
  for (const [path, tensor] of Object.entries(given)) {
    const dot = path.lastIndexOf('.');
    const named = members.find((member) => member.path === path) ?? aliased(module, members, path, dot);
    if (!named) {
      const known = members.map((member) => member.path).join(', ');
      throw new AdjointError(
        'argument',
        `functionalCall: the module has no parameter or buffer ${show(path)}; it has ${known}`,
      );
    }
    for (const member of members) {
      if (tieWeights ? member.tensor !== named.tensor : member !== named) continue;
      const [other, before] = replaced.get(member) ?? [path, tensor];
      if (before !== tensor) {
        fail(`got multiple values for keys ${show([other, path])}, which are tied. Consider using tieWeights: false`);
      }
      replaced.set(member, [path, tensor]);
    }
  }
  const missing = members.filter((member) => !replaced.has(member)).map(({ path }) => path);
  if (strict && missing.length > 0) fail(`Missing key(s): ${missing.map(show).join(', ')}`);
  try {
    for (const [{ owner, field }, [, tensor]] of replaced) owner[field] = tensor;
    return module.forward(...((Array.isArray(args) ? args : [args]) as unknown as Args));
  } finally {
    for (const { owner, field, tensor } of replaced.keys()) owner[field] = tensor;
  }
}

/** The field at a path that leads to a module by another of its names. */
function aliased(module: Module, members: readonly Member[], path: string, dot: number): Member | undefined {
  if (dot < 0) return undefined;
  const owner: unknown = module.getSubmodule(path.slice(0, dot));
  return members.find((member) => member.owner === owner && member.field === path.slice(dot + 1));
}

/**
 * The parameters and the buffers of several modules of one structure, stacked along a new first dimension, for `vmap` over an ensemble
 * (torch.func.stack_module_state). The parameters are new leaves, which require grad if those of the modules do.
 * @throws if the modules are not of one class, or not all in the same mode
 */
export function stackModuleState(
  modules: readonly Module[],
): [params: Record<string, Tensor>, buffers: Record<string, Tensor>] {
  const wrong = (what: string): never => {
    throw new AdjointError('argument', `stackModuleState: ${what}`);
  };
  if (modules.length === 0) wrong('Expected at least one model, got 0.');
  const [first] = modules;
  if (modules.some(({ training }) => training !== first.training))
    wrong('Expected all models to have the same training/eval mode.');
  if (modules.some((module) => module.constructor !== first.constructor))
    wrong('Expected all models to be of the same class.');
  const stacked = (members: readonly (readonly [string, Tensor])[][]): Record<string, Tensor> =>
    Object.fromEntries(
      members[0].map(([path, { requiresGrad }], k) => {
        const own = members.map((all) => all[k][1]);
        if (own.some((tensor) => tensor.requiresGrad !== requiresGrad))
          wrong(`Expected ${path} from each model to have the same .requiresGrad`);
        return [path, noGrad(() => stack(own)).requiresGrad_(requiresGrad)];
      }),
    );
  return [
    stacked(modules.map((module) => module.namedParameters())),
    stacked(modules.map((module) => module.namedBuffers())),
  ];
}
