/**
 * Memory whose life is known. Storages made while an arena is open belong to it, untracked by the garbage collector: it counts their uses and
 * releases each with the last one. The rest it hands over, as if it had just been made, when it closes.
 */
import { Storage } from './storage.ts';

export class Arena {
  /** All that are this arena's, and some that were. */
  private all: Storage[] = [];
  /** At this length it is worth looking which are. */
  private due = 1024;
  /** What was made while it was open last. */
  made: Storage[] = [];
  private outer: Storage[] | null = null;

  /** The storages that are made from now on are this arena's. */
  open(): void {
    // shortening a list costs more than a new one
    this.made = [];
    this.outer = Storage.nursery;
    Storage.nursery = this.made;
  }

  /** ... until here. */
  close(): void {
    Storage.nursery = this.outer;
    for (let i = 0; i < this.made.length; i++) {
      const storage = this.made[i];
      storage.arena = this;
      this.all.push(storage);
    }
    if (this.all.length < this.due) return;
    this.all = this.all.filter((storage) => storage.arena === this);
    this.due = Math.max(this.due, 2 * this.all.length);
  }

  /** Whether a storage is this arena's, and there is one use of it. */
  isSole(storage: Storage): boolean {
    return storage.arena === this && storage.uses === 1;
  }

  /** Counts a use that begins. */
  use(storage: Storage): void {
    if (storage.arena === this) storage.uses++;
  }

  /** Counts a use that ends. After the last one the memory is freed at once. */
  drop(storage: Storage): void {
    if (storage.arena !== this || --storage.uses > 0) return;
    storage.arena = null;
    storage.release();
  }

  /** Leaves a storage to whoever frees what is made outside of arenas: somebody else refers to it now. */
  handOver(storage: Storage): void {
    if (storage.arena !== this) return;
    storage.arena = null;
    storage.settle();
  }

  /** Leaves all that is left. */
  handOverAll(): void {
    for (let i = 0; i < this.all.length; i++) this.handOver(this.all[i]);
  }
}
