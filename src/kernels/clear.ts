/** Zeros: by the instruction for it, since typed arrays over shared memory are filled with much care, and slowly. */
import { compile } from './module.ts';
import { runUnits } from './threads.ts';
import { FunctionBuilder, fill, i32 } from './wasm.ts';

const fn = new FunctionBuilder(['i32', 'i32', 'i32']);
const [address, begin, end] = fn.params;
let kernel: ReturnType<typeof compile> | undefined;

/** Sets `bytes` bytes of linear memory to 0. */
export function clear(at: number, bytes: number): void {
  kernel ??= compile(fn, fill(i32.add(address.get, begin.get), 0, i32.sub(end.get, begin.get)));
  runUnits(kernel, at, bytes, 1);
}
