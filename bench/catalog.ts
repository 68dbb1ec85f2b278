/** The rows of the table: which program each runs, with what. */
import type { Parameters } from './serve.ts';

export interface Row {
  name: string;
  program: string;
  parameters: Parameters;
  /** Shown per node of the graph rather than per step: how many there are. */
  nodes?: number;
  /** Left out of a quick run. */
  long?: boolean;
  /** How far off its sums may be, relatively, where float32 numbers are added one after the other. */
  drift?: number;
  /** Also measured with Adjoint's own kernels in the place of a BLAS. */
  withoutBlas?: boolean;
}

/** A row about memory: the peak over so many steps in a process of its own. */
export interface MemoryRow extends Row {
  steps: number;
}

/** 1000 as 1e3. */
const power = (n: number): string => n.toExponential().replace('e+', 'e');

/** A chain of so many nodes: half of them are multiplications, half additions. */
const chained = (name: string, nodes: number): Row => ({
  name,
  program: 'chain',
  parameters: { n: nodes / 2 },
  nodes,
});
const block = { batch: 8, tokens: 128, width: 128, heads: 4 };

export const rows: Row[] = [
  { name: 'scalar', program: 'scalar', parameters: { record: false } },
  { name: 'scalar-recorded', program: 'scalar', parameters: { record: true } },
  { name: 'poly', program: 'poly', parameters: {} },
  chained('chain', 2000),
  ...[1e4, 1e5, 1e6].map((n) => ({ ...chained(`deep-${power(n)}`, n), long: n > 1e4 })),
  ...[1e3, 1e5, 1e6, 1e7].map((n) => ({
    name: `pointwise-${power(n)}`,
    program: 'pointwise',
    parameters: { n },
    long: n > 1e6,
    drift: n > 1e6 ? 0.03 : undefined,
  })),
  ...[256, 2048].flatMap((n) =>
    ['sum', 'max-last', 'max-first', 'var'].map((what) => ({
      name: `reduce-${what}-${n}`,
      program: 'reduce',
      parameters: { n, what },
      long: n > 256,
      drift: n > 256 ? 0.005 : undefined,
    })),
  ),
  { name: 'softmax', program: 'softmax', parameters: { rows: 512, classes: 1000 } },
  ...[16, 64, 256, 1024, 2048].map((n) => ({
    name: `matmul-${n}`,
    program: 'matmul',
    parameters: { n },
    long: n > 256,
    withoutBlas: true,
  })),
  { name: 'mlp-tiny', program: 'mlp-tiny', parameters: {} },
  { name: 'mlp', program: 'mlp', parameters: {}, withoutBlas: true },
  { name: 'attention', program: 'attention', parameters: block, withoutBlas: true },
];

export const memoryRows: MemoryRow[] = [
  { name: 'memory-mlp', program: 'mlp', parameters: {}, steps: 300, long: true },
  { name: 'memory-attention', program: 'attention', parameters: block, steps: 50, long: true },
  { name: 'memory-mlp-tiny', program: 'mlp-tiny', parameters: {}, steps: 100_000 },
  { ...chained('memory-deep-1e6', 1e6), steps: 1, long: true },
];

/** The rows that patterns ask for; all if there are none, or in a quick run those that are not long. */
export function chosen<R extends Row>(from: readonly R[], patterns: readonly string[], quick: boolean): R[] {
  if (patterns.length === 0) return from.filter(({ long }) => !(quick && long));
  const everywhere = [...rows, ...memoryRows];
  const asked = patterns.map((pattern) => {
    // A name stands for its row, and otherwise for all that begin with it.
    const whole = pattern.includes('*') || everywhere.some(({ name }) => name === pattern) ? pattern : `${pattern}*`;
    return new RegExp(`^${whole.replace(/[^\w-]/g, (c) => (c === '*' ? '.*' : `\\${c}`))}$`);
  });
  return from.filter(({ name }) => asked.some((pattern) => pattern.test(name)));
}
