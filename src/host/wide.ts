/**
 * Vectors of 256 bits. WebAssembly has instructions for 128, but V8 can make one of two that do the same to neighbouring elements, where the
 * processor has them (x64 with AVX2). It is an experiment of V8's that is off unless asked for, so it is on for our modules only, while they
 * are compiled: at once and by the optimizing compiler, the only one that has it.
 */
import { builtinModule, environment, variable } from './node.ts';

interface V8 {
  setFlagsFromString(flags: string): void;
}

const v8 = builtinModule<V8>('v8');

/** Whether the host can do so: a V8 that was not built with it would complain about the flag. */
export const widens: boolean =
  v8 !== undefined && variable('v8_enable_wasm_simd256_revec') === 1 && environment('ADJOINT_VECTORS') !== '128';

const on = ['--experimental-wasm-revectorize', '--no-liftoff', '--no-wasm-lazy-compilation'];
const off = ['--no-experimental-wasm-revectorize', '--liftoff', '--wasm-lazy-compilation'];

/** Compiles a module, with wide vectors where there are any. */
export function compileWide(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  if (!widens) return new WebAssembly.Module(bytes);
  for (const flag of on) v8?.setFlagsFromString(flag);
  try {
    return new WebAssembly.Module(bytes);
  } finally {
    for (const flag of off) v8?.setFlagsFromString(flag);
  }
}
