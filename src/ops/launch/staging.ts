/** Where kernels find the elements of tensors. */
import type { Tensor } from '../../core/tensor.ts';
import { bytesOf } from '../../kernels/element.ts';
import { heap, slotBytes, slots } from '../../kernels/memory.ts';

let usedSlots = 0;

/** The address of a tensor's first element. One too small for linear memory is copied into a slot for the duration of a call. */
export function stage(t: Tensor): number {
  const { storage } = t;
  const size = bytesOf[t.dtype];
  if (storage.address !== 0) {
    if (storage.address < 0) {
      usedSlots = 0;
      storage.elements(); // says why there are none
    }
    return storage.address + t.offset * size;
  }
  const address = slots + slotBytes * usedSlots++;
  const { array } = storage;
  const view = heap[t.dtype] as Float64Array;
  const first = address / size;
  if (array === null) view[first] = storage.value;
  else for (let i = 0; i < array.length; i++) view[first + i] = array[i] as number;
  return address + t.offset * size;
}

/** Copies a result out of its slot, if it has one, and frees all slots. */
export function unstage(t: Tensor, address: number): void {
  usedSlots = 0;
  const { storage } = t;
  if (storage.address !== 0) return;
  const { array } = storage;
  const view = heap[t.dtype] as Float64Array;
  const first = address / bytesOf[t.dtype] - t.offset;
  if (array === null) storage.value = view[first];
  else for (let i = 0; i < array.length; i++) array[i] = view[first + i];
}
