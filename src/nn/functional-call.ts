/** Modules as functions of their parameters, for transforms (torch.func). */

import { noGrad } from '../autograd/modes.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { stack } from '../ops/view/join.ts';
import type { Module } from './module.ts';

/** Tensors by the path of the parameter or buffer that they stand for. */
export type NamedTensors = { readonly [path: string]: Tensor };

/**
 * The result of `module.forward(...args)` with other tensors in the place of some of its parameters and buffers, which are put back
 * afterwards (torch.func.functional_call). Gradients with respect to these tensors go to them.
 * @throws if a path names no parameter or buffer of the module
 */
export function functionalCall<Args extends readonly unknown[], Out>(
  module: Module & { forward(...args: Args): Out },
  parametersAndBuffers: NamedTensors | readonly NamedTensors[],
  args: Args | Args[0],
): Out {
  const given: NamedTensors = Array.isArray(parametersAndBuffers)
    ? Object.assign({}, ...parametersAndBuffers)
    : (parametersAndBuffers as NamedTensors);
  const known = new Set([...module.namedParameters(), ...module.namedBuffers()].map(([path]) => path));
  for (const path of Object.keys(given)) {
    if (!known.has(path)) {
      throw new AdjointError(
        'argument',
        `functionalCall: the module has no parameter or buffer ${show(path)}; it has ${[...known].join(', ')}`,
      );
    }
  }
  const before: [owner: Record<string, unknown>, field: string, value: unknown][] = [];
  try {
    for (const [path, tensor] of Object.entries(given)) {
      const dot = path.lastIndexOf('.');
      const owner = module.getSubmodule(dot < 0 ? '' : path.slice(0, dot)) as unknown as Record<string, unknown>;
      const field = path.slice(dot + 1);
      before.push([owner, field, owner[field]]);
      owner[field] = tensor;
    }
    return module.forward(...((Array.isArray(args) ? args : [args]) as unknown as Args));
  } finally {
    for (const [owner, field, value] of before.reverse()) owner[field] = value;
  }
}

/**
 * The parameters and the buffers of several modules of one structure, stacked along a new first dimension, for `vmap` over an ensemble
 * (torch.func.stack_module_state). The parameters are new leaves that require grad.
 */
export function stackModuleState(
  modules: readonly Module[],
): [params: Record<string, Tensor>, buffers: Record<string, Tensor>] {
  if (modules.length === 0) throw new AdjointError('argument', 'stackModuleState: Expected at least one model, got 0.');
  const stacked = (members: readonly (readonly [string, Tensor])[][], learnt: boolean): Record<string, Tensor> =>
    Object.fromEntries(
      members[0].map(([path], k) => {
        const all = noGrad(() => stack(members.map((own) => own[k][1])));
        return [path, learnt ? all.requiresGrad_() : all];
      }),
    );
  return [
    stacked(
      modules.map((module) => module.namedParameters()),
      true,
    ),
    stacked(
      modules.map((module) => module.namedBuffers()),
      false,
    ),
  ];
}
