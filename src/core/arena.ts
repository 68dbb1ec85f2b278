/**
 * Memory whose life is known. Storages made while an arena is open belong to it, untracked by the garbage collector: their owner releases
 * each as soon as it is done with, and hands over the rest, as if they had just been made, when it closes the arena.
 */
import { Storage } from './storage.ts';

export class Arena {
  private readonly owned = new Set<Storage>();

  /** The storages that `work` makes become this arena's. Returns those, and its result. */
  collect<T>(work: () => T): { result: T; made: readonly Storage[] } {
    const outer = Storage.nursery;
    const made: Storage[] = [];
    Storage.nursery = made;
    try {
      return { result: work(), made };
    } finally {
      Storage.nursery = outer;
      for (const storage of made) this.owned.add(storage);
    }
  }

  owns(storage: Storage): boolean {
    return this.owned.has(storage);
  }

  /** Frees a storage at once, if it is this arena's. Nobody may use it again. */
  release(storage: Storage): void {
    if (this.owned.delete(storage)) storage.release();
  }

  /** Leaves a storage to whoever frees what is made outside of arenas: somebody else refers to it now. */
  handOver(storage: Storage): void {
    if (this.owned.delete(storage)) storage.settle();
  }

  close(): void {
    for (const storage of this.owned) storage.settle();
    this.owned.clear();
  }
}
