/**
 * The memory behind tensors. A storage of at most 64 bytes lives on the JavaScript heap, where it costs nothing to track and to collect: as a
 * typed array, or a single element as a number for as long as only kernels ask for it. A larger one is a block of linear memory, given back when its Storage object has died (see reclaim.ts).
 */
import { AdjointError } from '../errors.ts';
import { arrayOf, bytesOf, type ElementType, type TypedArray } from '../kernels/element.ts';
import { allocate, heap, outOfMemory, release, slotBytes } from '../kernels/memory.ts';
import type { Arena } from './arena.ts';
import { mode } from './mode.ts';
import { isMemoryDebugEnabled, poison } from './poison.ts';
import { track } from './reclaim.ts';

/** Addresses out of bounds: of what has no elements, and of what has none any more because its scope has ended. */
const nowhere = -1;
const ended = -2;

/** Takes the storages that are made while it is open, to end them with it. */
export interface StorageScope {
  adopt(storage: Storage): void;
}

export class Storage {
  /** Where new storages are noted instead of being tracked, while an arena collects them. */
  static nursery: Storage[] | null = null;
  /** The innermost scope that is open (autograd/memory-scope.ts). */
  static scope: StorageScope | null = null;

  readonly dtype: ElementType;
  readonly length: number;
  /** Its address in linear memory; 0 if it lives on the JavaScript heap; out of bounds if there are no elements (any more). */
  address: number;
  /** The elements on the JavaScript heap, unless `value` is the only one. */
  array: TypedArray | null;
  value = 0;
  private writes = 0;
  /** Where the writes are counted if other storages count theirs there as well. */
  private counter: { writes: number } | null = null;
  /** Whether it was made in inference mode, and so is never part of a graph. */
  readonly inference: boolean;
  /** Keeps the memory alive that this storage shares under a version counter of its own. */
  private readonly owner: Storage | null;

  /** The arena that it belongs to, and how often it is used there. */
  arena: Arena | null = null;
  uses = 0;

  /** What shows the host how much memory it is, where the host has to be shown (see reclaim.ts). */
  weight: ArrayBuffer | null = null;

  private constructor(
    dtype: ElementType,
    length: number,
    address: number,
    array: TypedArray | null,
    owner: Storage | null,
  ) {
    this.dtype = dtype;
    this.length = length;
    this.address = address;
    this.array = array;
    this.owner = owner;
    this.inference = owner?.inference ?? mode.inference;
  }

  /** Room for `length` elements, whose values are not set. */
  static allocate(dtype: ElementType, length: number): Storage {
    const bytes = length * bytesOf[dtype];
    if (bytes <= slotBytes) {
      const array = length === 1 && dtype !== 'int64' && !isMemoryDebugEnabled() ? null : new arrayOf[dtype](length);
      if (array) poison(array);
      const storage = new Storage(dtype, length, 0, array, null);
      Storage.scope?.adopt(storage);
      return storage;
    }
    if (!(bytes < 2 ** 32)) throw outOfMemory(bytes);
    const storage = new Storage(dtype, length, allocate(bytes), null, null);
    if (Storage.nursery) Storage.nursery.push(storage);
    else storage.settle();
    return storage;
  }

  /** No memory at all, but as many places as one asks for: of tensors that stand for others. */
  static none(dtype: ElementType): Storage {
    return new Storage(dtype, Number.POSITIVE_INFINITY, nowhere, null, null);
  }

  /** Leaves it to the scope that is open, or else to the garbage collector, to say when the memory is free. */
  settle(): void {
    if (Storage.scope) Storage.scope.adopt(this);
    else if (this.address > 0 && this.owner === null) track(this, this.address, this.length * bytesOf[this.dtype]);
  }

  /** Gives the memory back at once. A later access would be out of bounds, and not somebody else's data. */
  release(): void {
    release(this.address, this.length * bytesOf[this.dtype]);
    this.address = nowhere;
  }

  /** The scope that it was made in is over: gives the memory back, and has every later access say so. */
  end(): void {
    if (this.address > 0 && this.owner === null) this.release();
    this.address = ended;
    this.array = null;
  }

  /** Counts the writes in place, for all tensors that share this storage. */
  get version(): number {
    return this.counter ? this.counter.writes : this.writes;
  }
  set version(value: number) {
    if (this.counter) this.counter.writes = value;
    else this.writes = value;
  }

  /** The same memory under another version counter: writes to one are not seen as changes of the other. */
  alias(): Storage {
    if (this.address === 0) this.elements();
    const alias = new Storage(this.dtype, this.length, this.address, this.array, this.owner ?? this);
    Storage.scope?.adopt(alias);
    return alias;
  }

  /** The same memory under the version counter that `before` has. */
  succeeding(before: Storage): Storage {
    const storage = this.alias();
    storage.counter = before.counter ??= { writes: before.writes };
    return storage;
  }

  /** The elements, to read or write at once: the next allocation may move linear memory. */
  elements(): TypedArray {
    if (this.array) return this.array;
    if (this.address === 0) {
      this.array = new arrayOf[this.dtype](1);
      this.array[0] = this.value;
      return this.array;
    }
    if (this.address === ended) {
      throw new AdjointError(
        'memory',
        'this tensor was made in a memoryScope that has ended, which has freed its memory. Return it from the callback of the scope, or ' +
          'call scope.keep(...) with it, to use it afterwards',
      );
    }
    if (this.address === nowhere) {
      throw new AdjointError(
        'unsupported',
        "vmap: It looks like you're calling item() on a Tensor, or attempting to use one in some data-dependent control flow. Its " +
          'elements cannot be read: inside vmap it stands for a whole batch, so what is computed must not depend on their values. ' +
          'Compute with tensors, with where(...) for instance. Or else your tensor may have escaped from inside a function being vmapped: ' +
          'return what is needed outside',
      );
    }
    return new arrayOf[this.dtype](heap.uint8.buffer, this.address, this.length);
  }

  /** Whether both lie in the same memory. */
  shares(other: Storage): boolean {
    // a number has no alias
    if (this.address === 0) return this.array ? this.array === other.array : this === other;
    return this.address === other.address;
  }
}
