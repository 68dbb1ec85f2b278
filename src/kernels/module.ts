import { widenAll } from '../host/wide.ts';
import { hostMath } from './host-math.ts';
import { allocate, heap, memory, shared } from './memory.ts';
import { type Code, encodeModule, type FunctionBuilder, type HostFunction, type InnerFunction } from './wasm.ts';

/** Compiled code: does units of work `begin` to `end` of what the descriptor at an address says, with what the thread has for scratch. */
export type Kernel = (descriptor: number, begin: number, end: number, scratch?: number) => void;

/**
 * What another thread needs to have a kernel too: its number, and where bytes to make it of lie in linear memory, which are those of a module,
 * or the text of a JSON object for `nativeProducts`.
 */
export interface Program {
  readonly id: number;
  readonly address: number;
  readonly bytes: number;
}

/** The programs of kernels that other threads can run: those that call no functions of the host, which only this thread has. */
export const programOf = new Map<Kernel, Program>();

export function compile(
  builder: FunctionBuilder,
  body: Code,
  host: readonly HostFunction[] = [],
  inner: readonly InnerFunction[] = [],
): Kernel {
  const bytes = encodeModule(builder, body, host, inner, shared);
  const exported = instantiate(bytes);
  widenAll(exported);
  const kernel = exported.run as Kernel;
  if (host.length === 0) shareProgram(kernel, bytes);
  return kernel;
}

/** What a module exports. */
export const instantiate = (bytes: Uint8Array<ArrayBuffer>): WebAssembly.Exports =>
  new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory, ...hostMath } }).exports;

/** Lets other threads, where there can be any, make a kernel of such bytes. */
export function shareProgram(kernel: Kernel, bytes: Uint8Array): void {
  if (!shared) return;
  const address = allocate(bytes.length);
  heap.uint8.set(bytes, address);
  programOf.set(kernel, { id: programOf.size, address, bytes: bytes.length });
}
