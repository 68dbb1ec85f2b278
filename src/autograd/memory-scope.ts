/** Memory that is freed when a scope ends, and not when the garbage collector gets to it. */
import { Storage, type StorageScope } from '../core/storage.ts';
import { AdjointError } from '../errors.ts';
import { dispose, scoped } from './modes.ts';
import { Node, recorded } from './node.ts';

/** See `memoryScope`. */
export class MemoryScope implements StorageScope, Disposable {
  private readonly outer = Storage.scope as MemoryScope | null;
  private readonly start = recorded();
  private readonly made: Storage[] = [];
  private readonly kept: unknown[] = [];
  /** What tensors have come to refer to, each with the storage of the tensor that does; null for what else does. */
  private readonly held = new Map<object, Storage | null>();
  private ended = false;

  constructor() {
    Storage.scope = this;
  }

  /** @internal */
  adopt(storage: Storage): void {
    this.made.push(storage);
  }

  /** @internal */
  hold(value: object, holder: Storage | null): void {
    this.held.set(value, holder);
  }

  /**
   * Has a tensor survive the scope, with all that its graph has saved; or all tensors that an array, an object, a map or a module leads to.
   * They belong to the scope around this one, if there is one.
   * @returns what it was given
   */
  keep<T>(value: T): T {
    if (this.ended)
      throw new AdjointError('argument', 'keep: this memoryScope has ended, and what was made in it is gone');
    this.kept.push(value);
    return value;
  }

  /** Ends the scope, and those that began in it and were left open. */
  [dispose](): void {
    if (this.ended) return;
    while (Storage.scope !== this) (Storage.scope as MemoryScope)[dispose]();
    this.ended = true;
    Storage.scope = this.outer;
    const inside = new Set(this.made);
    for (const [value, holder] of this.held) {
      if (holder && inside.has(holder)) continue;
      this.kept.push(value);
      this.outer?.hold(value, holder);
    }
    const reached = reach(this.kept, this.start);
    for (const storage of this.made) {
      if (reached.has(storage)) storage.settle();
      else storage.end();
    }
  }
}

/** All objects that some values lead to, through properties, elements and entries, but for nodes older than `start` and what is behind them. */
function reach(values: readonly unknown[], start: number): Set<unknown> {
  const seen = new Set<unknown>();
  const pending = [...values];
  while (pending.length > 0) {
    const value = pending.pop();
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) continue;
    if (ArrayBuffer.isView(value) || seen.has(value)) continue;
    if (value instanceof Node && value.sequence < start) continue;
    seen.add(value);
    if (value instanceof Map) for (const entry of value) pending.push(...entry);
    else if (value instanceof Set) for (const element of value) pending.push(element);
    else for (const property of Object.values(value)) pending.push(property);
  }
  return seen;
}

/**
 * Tells an open scope that the tensor in `holder` leads to `value` from now on: if it is from outside of the scope, that survives.
 * @param holder null for something from outside of all scopes
 */
export function leadsTo(holder: Storage | null, value: object): void {
  (Storage.scope as MemoryScope | null)?.hold(value, holder);
}

/**
 * Runs `callback`, then frees the memory of all tensors that were made in it, at once, but for those that it returns; without a callback, does
 * so when the scope that it returns is disposed of (`using scope = memoryScope()`). Nothing needs this: tensors that are no longer referred
 * to are found and freed anyway. A scope does it at a time that is known, and is faster where a step makes many small tensors.
 *
 * What survives: the results of the callback, what `scope.keep` was given, gradients of tensors from outside, the state of optimizers, and
 * whatever the graphs of these have saved. Each of them may be a tensor, or anything that leads to tensors through properties; what only the
 * code of a function refers to, as a hook may, is for `scope.keep`. Any other tensor throws an error when its elements are used after the
 * scope. A scope holds on to what is made in it until it ends, so give each step of a loop its own. What other asynchronous code makes
 * meanwhile belongs to it too: do not await inside.
 * @throws if the callback is asynchronous
 * @example const loss = memoryScope(() => { const y = model.forward(x); const loss = lossOf(y); loss.backward(); return loss.detach(); });
 * @example { using scope = memoryScope(); best = scope.keep(f(x)); }
 */
export function memoryScope(): MemoryScope;
export function memoryScope<T>(callback: (scope: MemoryScope) => T): T;
export function memoryScope<T>(callback?: (scope: MemoryScope) => T): T | MemoryScope {
  const scope = new MemoryScope();
  if (!callback) return scope;
  return scoped(
    () => () => scope[dispose](),
    () => scope.keep(callback(scope)),
  ) as T;
}
