/** Zeros: by the instruction for it, since typed arrays over shared memory are filled with much care, and slowly. */
import { compile } from './module.ts';
import { FunctionBuilder, fill } from './wasm.ts';

const fn = new FunctionBuilder(['i32', 'i32', 'i32']);
const [address, , end] = fn.params;
let kernel: ReturnType<typeof compile> | undefined;

/** Sets `bytes` bytes of linear memory to 0. */
export function clear(at: number, bytes: number): void {
  kernel ??= compile(fn, fill(address.get, 0, end.get));
  kernel(at, 0, bytes);
}
