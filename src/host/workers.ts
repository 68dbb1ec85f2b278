/** Threads, where the host lets workers share memory: Node, and browsers on pages that are cross-origin isolated. */
import { builtinModule } from './node.ts';

interface NodeWorker {
  unref(): void;
  on(event: 'error', listener: () => void): void;
}

interface WorkerThreads {
  Worker: new (source: string, options: { eval: true; workerData: unknown }) => NodeWorker;
}

const threads = builtinModule<WorkerThreads>('worker_threads');

/** Whether workers can be started that share memory with this thread. */
export const canShare: boolean =
  typeof SharedArrayBuffer !== 'undefined' &&
  (threads !== undefined || (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === true);

/** How many threads the processor runs at once. */
export function processors(): number {
  const os = builtinModule<{ availableParallelism(): number }>('os');
  return os?.availableParallelism() ?? globalThis.navigator?.hardwareConcurrency ?? 1;
}

/** Whether this thread may block: the main thread of a page may not. */
export function canBlock(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs `serve(data, helper)` in a worker that does not keep the process alive. Both functions may refer to nothing but their arguments and
 * globals: their sources are what the worker is given. Where workers are forbidden, by a policy of the page or of the process, nothing is run.
 */
export function startWorker<T, H>(serve: (data: T, helper: H) => void, data: T, helper: H): void {
  const run = (data: string): string => `(${serve})(${data}, ${helper})`;
  try {
    if (threads) startThread(threads, run, data);
    else startPageWorker(run, data);
  } catch {
    // the work is done without it
  }
}

function startThread({ Worker }: WorkerThreads, run: (data: string) => string, data: unknown): void {
  // options of the process say whether the source is read as a module, where there is no `require`
  const source = run("process.getBuiltinModule('worker_threads').workerData");
  const worker = new Worker(source, { eval: true, workerData: data });
  worker.on('error', () => {});
  worker.unref();
}

function startPageWorker(run: (data: string) => string, data: unknown): void {
  const source = `onmessage = (event) => ${run('event.data')}`;
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const worker = new Worker(url);
  worker.postMessage(data);
}
