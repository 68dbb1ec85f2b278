/**
 * Memory whose life is known. Storages made while an arena is open belong to it, untracked by the garbage collector: it counts their uses and
 * releases each with the last one. The rest it hands over, as if it had just been made, when it closes.
 */
import { Storage } from './storage.ts';

export class Arena {
  /** The storages that are this arena's, each with the number of its uses. */
  private readonly uses = new Map<Storage, number>();
  /** What was made while it was open last. */
  readonly made: Storage[] = [];
  private outer: Storage[] | null = null;

  /** The storages that are made from now on are this arena's. */
  open(): void {
    this.made.length = 0;
    this.outer = Storage.nursery;
    Storage.nursery = this.made;
  }

  /** ... until here. */
  close(): void {
    Storage.nursery = this.outer;
    for (let i = 0; i < this.made.length; i++) this.uses.set(this.made[i], 0);
  }

  /** Whether a storage is this arena's, and there is one use of it. */
  isSole(storage: Storage): boolean {
    return this.uses.get(storage) === 1;
  }

  /** Counts a use that begins. */
  use(storage: Storage): void {
    if (storage.address === 0) return;
    const uses = this.uses.get(storage);
    if (uses !== undefined) this.uses.set(storage, uses + 1);
  }

  /** Counts a use that ends. After the last one the memory is freed at once. */
  drop(storage: Storage): void {
    if (storage.address === 0) return;
    const uses = this.uses.get(storage);
    if (uses === undefined) return;
    if (uses > 1) {
      this.uses.set(storage, uses - 1);
      return;
    }
    this.uses.delete(storage);
    storage.release();
  }

  /** Leaves a storage to whoever frees what is made outside of arenas: somebody else refers to it now. */
  handOver(storage: Storage): void {
    if (this.uses.delete(storage)) storage.settle();
  }

  /** Leaves all that is left. */
  handOverAll(): void {
    for (const storage of this.uses.keys()) storage.settle();
    this.uses.clear();
  }
}
