/**
 * A BLAS of the system, where the host is Node, the package `koffi` is installed and a library is found. It is called on linear memory as
 * it lies.
 */
import { builtinModule, environment, platform } from './node.ts';

/** cblas_?gemm, in row-major order: C = A B of m x k and k x n matrices, either transposed, whose lines are so many elements apart. */
export type BlasProduct = (
  transposedA: boolean,
  transposedB: boolean,
  m: number,
  n: number,
  k: number,
  a: number,
  lineA: number,
  b: number,
  lineB: number,
  c: number,
  lineC: number,
) => void;

export interface Blas {
  /** What the library says of itself, or else its file. */
  readonly name: string;
  readonly float32: BlasProduct;
  readonly float64: BlasProduct;
  /** The address at which a typed array begins in the process. */
  addressOf(array: ArrayBufferView): number;
  setNumThreads(count: number): void;
}

type Native = (...args: (number | boolean)[]) => unknown;

interface Koffi {
  load(file: string): { func(prototype: string): Native };
  address(array: ArrayBufferView): bigint;
}

/** The files to try, in this order. */
const files: Readonly<Record<string, readonly string[]>> = {
  linux: ['libmkl_rt.so.2', 'libmkl_rt.so', 'libopenblas.so.0', 'libopenblas.so', 'libblis.so.4', 'libblis.so'],
  darwin: ['/System/Library/Frameworks/Accelerate.framework/Accelerate'],
  win32: ['mkl_rt.2.dll', 'libopenblas.dll', 'openblas.dll'],
};

/** How each of them is told the number of threads, and asked its name. Accelerate has neither. */
const threadSetters = [
  'void openblas_set_num_threads(int)',
  'void MKL_Set_Num_Threads(int)',
  'void bli_thread_set_num_threads(int64_t)',
];
const namers = ['str openblas_get_config()', 'str bli_info_get_version_str()'];

const rowMajor = 101;
const plain = 111;
const transposed = 112;

/**
 * The library that `ADJOINT_BLAS` names (a file; 0 for none), else the first of those known here that there is; null without one.
 */
export function findBlas(): Blas | null {
  const wanted = environment('ADJOINT_BLAS');
  const koffi = wanted === '0' ? null : loadKoffi();
  if (!koffi) return null;
  for (const file of wanted ? [wanted] : (files[platform ?? ''] ?? [])) {
    try {
      return open(koffi, file);
    } catch {
      // not on this machine
    }
  }
  return null;
}

function loadKoffi(): Koffi | null {
  const module = builtinModule<{ createRequire(from: string): (name: string) => unknown }>('module');
  try {
    return (module?.createRequire(import.meta.url)('koffi') as Koffi | undefined) ?? null;
  } catch {
    return null;
  }
}

function open(koffi: Koffi, file: string): Blas {
  const library = koffi.load(file);
  /** The first of some functions that the library has. */
  const firstOf = (prototypes: readonly string[]): Native | null => {
    for (const prototype of prototypes) {
      try {
        return library.func(prototype);
      } catch {
        // the function of another library
      }
    }
    return null;
  };
  const product = (name: string, real: string): BlasProduct => {
    const gemm = library.func(
      `void ${name}(int, int, int, int, int, int, ${real}, uintptr_t, int, uintptr_t, int, ${real}, uintptr_t, int)`,
    );
    return (transposedA, transposedB, m, n, k, a, lineA, b, lineB, c, lineC) => {
      const [orderA, orderB] = [transposedA ? transposed : plain, transposedB ? transposed : plain];
      gemm(rowMajor, orderA, orderB, m, n, k, 1, a, lineA, b, lineB, 0, c, lineC);
    };
  };
  const setThreads = firstOf(threadSetters);
  const name = firstOf(namers)?.();
  return {
    name: typeof name === 'string' ? name.trim() : file,
    float32: product('cblas_sgemm', 'float'),
    float64: product('cblas_dgemm', 'double'),
    addressOf: (array) => Number(koffi.address(array)),
    setNumThreads: (count) => void setThreads?.(count),
  };
}
