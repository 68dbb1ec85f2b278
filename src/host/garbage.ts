/**
 * A garbage collection on demand, where the host is Node. A weak reference is only seen dead after a microtask checkpoint, which
 * a synchronous loop never reaches by itself: running a script in a context of its own microtask mode performs one.
 */
interface NodeModules {
  v8: { setFlagsFromString(flags: string): void };
  vm: {
    createContext(object: object, options: { microtaskMode: 'afterEvaluate' }): object;
    runInNewContext(code: string): unknown;
    Script: new (code: string) => { runInContext(context: object): unknown };
  };
}

type GetBuiltin = <K extends keyof NodeModules>(name: K) => NodeModules[K] | undefined;

function prepare(): () => void {
  const host = (globalThis as { process?: { getBuiltinModule?: GetBuiltin } }).process;
  const v8 = host?.getBuiltinModule?.('v8');
  const vm = host?.getBuiltinModule?.('vm');
  if (!v8 || !vm) return () => {};
  v8.setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc') as () => void;
  const context = vm.createContext({}, { microtaskMode: 'afterEvaluate' });
  const checkpoint = new vm.Script('0');
  return () => {
    checkpoint.runInContext(context);
    gc();
    checkpoint.runInContext(context);
  };
}

let collect: (() => void) | undefined;

/** Collects garbage now if the host can; otherwise does nothing. */
export function collectGarbage(): void {
  collect ??= prepare();
  collect();
}
