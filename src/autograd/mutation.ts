import type { Storage } from '../core/storage.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { dispose, scoped, unrecorded } from './modes.ts';
import { savedTensorsHooks } from './saved.ts';

/** A tensor as it was when it was saved. */
interface Keepsake {
  readonly scope: Scope;
  readonly version: number;
  /** A view of it until it is about to be written to, then a copy. */
  tensor: Tensor;
}

/** What was saved in one call. Keepsakes belong to the graph: here they are only found. */
class Scope {
  private readonly byStorage = new WeakMap<Storage, Set<WeakRef<Keepsake>>>();
  private readonly byTensor = new WeakMap<Tensor, WeakRef<Keepsake>>();

  save(tensor: Tensor): Keepsake {
    const before = this.byTensor.get(tensor)?.deref();
    const { version } = tensor.storage;
    if (before?.version === version) return before;
    const keepsake = { scope: this, version, tensor: tensor.detach() };
    const ref = new WeakRef(keepsake);
    this.byTensor.set(tensor, ref);
    const all = this.byStorage.get(tensor.storage);
    if (all) all.add(ref);
    else this.byStorage.set(tensor.storage, new Set([ref]));
    return keepsake;
  }

  beforeWrite(storage: Storage): void {
    const all = this.byStorage.get(storage);
    if (!all) return;
    this.byStorage.delete(storage);
    for (const ref of all) {
      const keepsake = ref.deref();
      if (keepsake) keepsake.tensor = unrecorded(() => keepsake.tensor.clone());
    }
  }
}

/** Looked at before each write in place. */
export const mutation: { scope: Scope | null } = { scope: null };

/**
 * While it is in force, tensors that were saved for backward may be written to: they are copied just before, and the backward uses the copy
 * (torch.autograd.graph.allow_mutation_on_saved_tensors). Forward and backward have to run inside of the same call.
 * @throws if it is in force already, and, of a backward, if the graph was recorded in another call
 * @example allowMutationOnSavedTensors(() => { const y = x.pow(2); x.sin_(); y.sum().backward(); });
 */
export function allowMutationOnSavedTensors<T>(callback: () => T): T;
export function allowMutationOnSavedTensors(): Disposable;
export function allowMutationOnSavedTensors<T>(callback?: () => T): T | Disposable {
  return scoped(() => {
    if (mutation.scope) {
      throw new AdjointError('autograd', 'allowMutationOnSavedTensors contexts cannot be nested');
    }
    const scope = new Scope();
    const hooks = savedTensorsHooks(
      (tensor) => scope.save(tensor),
      ({ scope, tensor }) => {
        if (mutation.scope === scope) return tensor;
        throw new AdjointError(
          'autograd',
          "Trying to backward outside of the 'allowMutationOnSavedTensors' context in which the graph was originally recorded.",
        );
      },
    );
    mutation.scope = scope;
    return () => {
      mutation.scope = null;
      hooks[dispose]();
    };
  }, callback);
}
