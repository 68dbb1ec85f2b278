/**
 * A BLAS of the system, where the host is Node, the package `koffi` is installed and a library is found. It is called on linear memory as
 * it lies, by any thread: the library itself uses only the one that calls it.
 */
import { builtinModule, environment, platform } from './node.ts';

export interface Blas {
  /** What the library says of itself, or else its file. */
  readonly name: string;
  readonly file: string;
  /** Whether it can be told to use one thread only, so that all of ours may call it at once. */
  readonly shareable: boolean;
  /** Kept because a library that nothing refers to is unloaded, and loaded anew forgets that it was told. */
  readonly library: object;
}

type Native = (...args: unknown[]) => unknown;

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

/** The library that `ADJOINT_BLAS` names (a file; 0 for none), else the first of those known here that there is. */
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
  library.func('void cblas_sgemm()');
  const setThreads = firstOf(threadSetters);
  setThreads?.(1);
  const name = firstOf(namers)?.();
  return { name: typeof name === 'string' ? name.trim() : file, file, shareable: setThreads !== null, library };
}

/** Where a product is described: words of 32 bits behind a descriptor. Sizes count elements, addresses and strides bytes. */
export interface ProductWords {
  /** Blocks of `unitRows` rows in one matrix. A unit of work is one of them. */
  readonly units: number;
  readonly batchDims: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Whether C is added to rather than overwritten. */
  readonly accumulate: number;
  readonly a: number;
  readonly rowStrideA: number;
  readonly columnStrideA: number;
  readonly b: number;
  readonly rowStrideB: number;
  readonly columnStrideB: number;
  readonly c: number;
  readonly rowStrideC: number;
  /** Here begin the batch dimensions, outermost first: the size of each, then the strides of A, B and C. */
  readonly batch: number;
}

/** What a thread needs to know to hand products to a library. */
export interface NativeProducts {
  /** The module that `koffi` is looked for from. */
  readonly from: string;
  readonly file: string;
  readonly type: 'float32' | 'float64';
  readonly unitRows: number;
  readonly word: ProductWords;
}

/** What `NativeProducts` says of this module. */
export const from: string = import.meta.url;

/**
 * A kernel that has a library compute its units of work. It refers to nothing outside of itself, as other threads make it from its source.
 */
export function nativeProducts(
  { from, file, type, unitRows, word }: NativeProducts,
  memory: WebAssembly.Memory,
): (descriptor: number, begin: number, end: number) => void {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: 'module'): { createRequire(from: string): (name: string) => unknown } };
  };
  const koffi = process.getBuiltinModule('module').createRequire(from)('koffi') as Koffi;
  const [name, real, bytes] = type === 'float32' ? ['cblas_sgemm', 'float', 4] : ['cblas_dgemm', 'double', 8];
  const multiply = koffi
    .load(file)
    .func(
      `void ${name}(int, int, int, int, int, int, ${real}, uintptr_t, int, uintptr_t, int, ${real}, uintptr_t, int)`,
    );
  const [rowMajor, plain, transposed] = [101, 111, 112];
  let words = new Int32Array(0);
  /** Where linear memory begins in the process. */
  let origin = 0;
  return (descriptor, begin, end) => {
    if (words.buffer !== memory.buffer) {
      words = new Int32Array(memory.buffer);
      origin = Number(koffi.address(words));
    }
    const at = descriptor >> 2;
    const field = (index: number): number => words[at + index];
    const [units, m, n, k] = [field(word.units), field(word.m), field(word.n), field(word.k)];
    const [rowA, columnA] = [field(word.rowStrideA), field(word.columnStrideA)];
    const [rowB, columnB] = [field(word.rowStrideB), field(word.columnStrideB)];
    const rowC = field(word.rowStrideC);
    const [orderA, lineA] = columnA === bytes ? [plain, rowA / bytes] : [transposed, columnA / bytes];
    const [orderB, lineB] = columnB === bytes ? [plain, rowB / bytes] : [transposed, columnB / bytes];
    const beta = field(word.accumulate) ? 1 : 0;
    for (let unit = begin; unit < end; ) {
      let batch = Math.floor(unit / units);
      const next = Math.min(end, (batch + 1) * units);
      const top = (unit - batch * units) * unitRows;
      const rows = Math.min((next - batch * units) * unitRows, m) - top;
      let a = origin + (field(word.a) >>> 0) + top * rowA;
      let b = origin + (field(word.b) >>> 0);
      let c = origin + (field(word.c) >>> 0) + top * rowC;
      for (let d = field(word.batchDims) - 1; d >= 0; d--) {
        const dim = word.batch + 4 * d;
        const size = field(dim);
        const index = batch % size;
        batch = (batch - index) / size;
        a += index * field(dim + 1);
        b += index * field(dim + 2);
        c += index * field(dim + 3);
      }
      multiply(rowMajor, orderA, orderB, rows, n, k, 1, a, lineA, b, lineB, beta, c, rowC / bytes);
      unit = next;
    }
  };
}
