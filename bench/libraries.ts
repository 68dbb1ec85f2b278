/** The libraries that are compared: how each is found, and the process that it runs in. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Answer, Request } from './serve.ts';

export interface Library {
  key: string;
  name: string;
  /** Program and arguments. */
  command: readonly string[];
  environment?: Readonly<Record<string, string>>;
  /** The programs that are timed, if not all and their memory. */
  only?: readonly string[];
  /** Whether it adds numbers up one after the other: in long sums small terms are lost to rounding. */
  addsInTurn?: boolean;
}
export interface Missing {
  key: string;
  name: string;
  /** How to install it. */
  install: string;
}

const peers = 'bench/peers';
const onWindows = process.platform === 'win32';

/** Interpreters of Python that may have the peers: the one that is named, or else the benchmark's own, an active environment's, the system's. */
function pythons(): string[] {
  if (process.env.BENCH_PYTHON) return [process.env.BENCH_PYTHON];
  const inside = onWindows ? 'Scripts/python.exe' : 'bin/python';
  const environments = [join(peers, '.venv'), '.venv', process.env.VIRTUAL_ENV, process.env.CONDA_PREFIX];
  const found = environments.filter((path) => path !== undefined).map((path) => join(path, inside));
  return [...found.filter(existsSync), 'python3', 'python'];
}

/** Whether an interpreter finds a package. */
function has(python: string, module: string): boolean {
  try {
    execFileSync(
      python,
      ['-c', `import importlib.util as u, sys; sys.exit(u.find_spec(${JSON.stringify(module)}) is None)`],
      { stdio: 'ignore' },
    );
    return true;
  } catch {
    return false;
  }
}

function inPython(key: string, name: string, module: string, program: string): Library | Missing {
  const python = pythons().find((candidate) => has(candidate, module));
  const environment = `${peers}/.venv`;
  const pip = `${environment}/${onWindows ? 'Scripts/pip' : 'bin/pip'}`;
  if (!python) return { key, name, install: `python3 -m venv ${environment} && ${pip} install ${module}` };
  return { key, name, command: [python, join(peers, program)] };
}

function inNode(
  key: string,
  name: string,
  module: string,
  command: readonly string[],
  only?: readonly string[],
): Library | Missing {
  if (!existsSync(join(peers, 'node_modules', module))) return { key, name, install: `npm install --prefix ${peers}` };
  return { key, name, command: [process.execPath, ...command], only, addsInTurn: true };
}

/** Adjoint, Adjoint without a BLAS, and the peers, those that are there and those that are not. */
export function libraries(): { adjoint: Library; withoutBlas: Library; peers: (Library | Missing)[] } {
  const command = [process.execPath, 'bench/build/adjoint.js'];
  const jaxJs = 'bench/peers/build/jax-js.js';
  const small = ['scalar', 'poly', 'chain', 'pointwise', 'mlp-tiny'];
  const large = ['pointwise', 'reduce', 'softmax', 'matmul', 'mlp', 'attention'];
  return {
    adjoint: { key: 'adjoint', name: 'Adjoint', command },
    withoutBlas: { key: 'adjoint-wasm', name: 'Adjoint, wasm alone', command, environment: { ADJOINT_BLAS: '0' } },
    peers: [
      inPython('pytorch', 'PyTorch', 'torch', 'pytorch.py'),
      inPython('jax', 'JAX', 'jax', 'jax_cpu.py'),
      inNode('jax-js', 'jax-js', '@jax-js/jax', [jaxJs]),
      inNode('jax-js-eager', 'jax-js eager', '@jax-js/jax', [jaxJs, '--eager'], small),
      inNode('jax-js-threads', 'jax-js threads', '@jax-js/jax', [jaxJs, '--threads'], large),
      inNode('tfjs', 'TensorFlow.js', '@tensorflow/tfjs-backend-wasm', ['bench/peers/build/tfjs.js']),
    ],
  };
}

/** What every library is told about threads, in the ways that they listen to. */
function threadVariables(threads: number): Record<string, string> {
  const names = [
    'BENCH_THREADS',
    'OMP_NUM_THREADS',
    'MKL_NUM_THREADS',
    'OPENBLAS_NUM_THREADS',
    'VECLIB_MAXIMUM_THREADS',
    'NPROC',
  ];
  const several = threads > 1;
  return {
    ...Object.fromEntries(names.map((name) => [name, String(threads)])),
    JAX_PLATFORMS: 'cpu',
    XLA_FLAGS: `--xla_cpu_multi_thread_eigen=${several} intra_op_parallelism_threads=${threads}`,
  };
}

/** Every process that was started, so that none outlives this one. */
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));

/**
 * The process of a library. It is asked one thing at a time, and held up in between: the threads of several libraries go on spinning for a
 * while after they have done their work, in case there is more.
 */
export class Running {
  readonly library: Library;
  readonly about: Record<string, unknown>;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  readonly #ended: Promise<string>;
  #complaints: string;

  private constructor(library: Library, child: ChildProcess) {
    this.library = library;
    this.about = {};
    this.#child = child;
    this.#complaints = '';
    child.stderr!.on('data', (text) => (this.#complaints = `${this.#complaints}${text}`.slice(-2000)));
    child.stdin!.on('error', () => {}); // a process that has ended is noticed by its silence
    this.#reader = createInterface(child.stdout!);
    this.#lines = this.#reader[Symbol.asyncIterator]();
    children.add(child);
    this.#ended = new Promise((resolve) => {
      child.on('error', ({ message }) => resolve(message));
      child.on('close', (code, signal) => resolve(this.#complaints.trim() || (signal ?? `exit code ${code}`)));
    });
    child.on('close', () => children.delete(child));
  }

  static async start(library: Library, threads: number): Promise<Running> {
    const [program, ...args] = library.command;
    const env = { ...process.env, ...threadVariables(threads), ...library.environment };
    const running = new Running(library, spawn(program, args, { env, stdio: 'pipe' }));
    Object.assign(running.about, await running.#line(120));
    return running;
  }

  /** Has it do something. If that takes longer than so many seconds, the process is ended. */
  async ask(request: Request, limit: number): Promise<Answer> {
    if (!onWindows) this.#child.kill('SIGCONT');
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    return this.#line(limit);
  }

  stop(): void {
    this.#reader.close();
    this.#child.kill('SIGKILL');
  }

  /** The next line that is JSON: libraries may print lines of their own. */
  async #line(limit: number): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`more than ${limit} s`)), limit * 1e3);
    });
    try {
      for (;;) {
        const { value, done } = await Promise.race([this.#lines.next(), late]);
        if (done) throw new Error(`the process ended: ${await this.#ended}`);
        if (!value.startsWith('{')) continue;
        if (!onWindows) this.#child.kill('SIGSTOP');
        return JSON.parse(value);
      }
    } catch (error) {
      this.stop();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}
