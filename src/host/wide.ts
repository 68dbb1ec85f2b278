/**
 * Vectors of 256 bits. WebAssembly has instructions for 128, but V8's optimizing compiler can make one of two that do the same to
 * neighbouring elements, where the processor has them (x64 with AVX2). It is an experiment of V8's that is off unless asked for, so it is on
 * only while functions of ours are compiled, which has to be at a time that we choose.
 */
import { builtinModule, environment, variable, version } from './node.ts';

interface V8 {
  setFlagsFromString(flags: string): void;
}

interface VM {
  Script: new (code: string) => { runInThisContext(): unknown };
}

/** The versions of V8 that this is known to work with: those of Node 24 to 26. */
const [oldest, newest] = [13.6, 14.6];

/** What is on while a function is compiled: the experiment, and what lets a script ask for it to be compiled at once. */
const flags = ['experimental-wasm-revectorize', 'allow-natives-syntax'];

type Exported = WebAssembly.Exports[string];

function prepare(): ((f: Exported) => void) | null {
  const v8 = builtinModule<V8>('v8');
  const vm = builtinModule<VM>('vm');
  const known = Number.parseFloat(version('v8') ?? '');
  // a V8 that was built without it would complain about the flag
  const built = variable('v8_enable_wasm_simd256_revec') === 1;
  if (!v8 || !vm || !built || !(known >= oldest && known <= newest) || environment('ADJOINT_VECTORS') === '128')
    return null;
  return (f) => {
    for (const flag of flags) v8.setFlagsFromString(`--${flag}`);
    try {
      const optimize = new vm.Script('(f) => %WasmTierUpFunction(f)').runInThisContext() as (f: Exported) => void;
      optimize(f);
    } finally {
      for (const flag of flags) v8.setFlagsFromString(`--no-${flag}`);
    }
  };
}
const widen = prepare();

/** Whether the host can do so. */
export const widens: boolean = widen !== null;

/** Compiles functions that an instance exports with wide vectors, if there are any. */
export function widenAll(exported: WebAssembly.Exports): void {
  if (widen) for (const f of Object.values(exported)) widen(f);
}
