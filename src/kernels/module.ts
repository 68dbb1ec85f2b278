import { hostMath } from './host-math.ts';
import { memory } from './memory.ts';
import { type Code, encodeModule, type FunctionBuilder, type HostFunction, type InnerFunction } from './wasm.ts';

/** Compiled code: does units of work `begin` to `end` of what the descriptor at an address says. */
export type Kernel = (descriptor: number, begin: number, end: number) => void;

export function compile(
  builder: FunctionBuilder,
  body: Code,
  host: readonly HostFunction[] = [],
  inner: readonly InnerFunction[] = [],
): Kernel {
  const module = new WebAssembly.Module(encodeModule(builder, body, host, inner));
  const instance = new WebAssembly.Instance(module, { env: { memory, ...hostMath } });
  return instance.exports.run as Kernel;
}
