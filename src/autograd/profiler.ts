/** Where the time goes: torch.autograd.profiler. */
import { checkOptions, isOptions } from '../core/options.ts';
import { AdjointError, show } from '../errors.ts';
import { writeText } from '../host/file.ts';
import { surround } from './around.ts';
import { dispose, scoped } from './modes.ts';
import { type Figures, type FunctionEvent, profiler, Recorder } from './recorder.ts';

export type { FunctionEvent };

/** All calls of one name. */
export interface FunctionEventAvg extends Figures {
  readonly key: string;
  readonly count: number;
  /** The mean time of a call. */
  readonly cpuTime: number;
}

const sortKeys = [
  'count',
  'cpuTime',
  'cpuTimeTotal',
  'selfCpuTimeTotal',
  'cpuMemoryUsage',
  'selfCpuMemoryUsage',
] as const;
export type SortKey = (typeof sortKeys)[number];

export interface TableOptions {
  /** What to sort by, greatest first; by default the rows are in the order of the first calls. */
  sortBy?: SortKey | null;
  /** How many rows there may be. Default: 100. */
  rowLimit?: number;
}

const time = (us: number): string => {
  if (us >= 1e6) return `${(us / 1e6).toFixed(3)}s`;
  return us >= 1e3 ? `${(us / 1e3).toFixed(3)}ms` : `${us.toFixed(3)}us`;
};

const memory = (bytes: number): string => {
  const power = Math.min(Math.floor(Math.log2(Math.abs(bytes) || 1) / 10), 3);
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(2)} ${'KMG'[power - 1]}B`;
};

const longestName = 55;
const columnWidth = 12;

/** Figures by name, in the order of the first calls. */
export class EventList extends Array<FunctionEventAvg> {
  /** What is made of the rows (`map`, `filter`) is a plain array. */
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  /** The time of all calls together. */
  get selfCpuTimeTotal(): number {
    return this.reduce((sum, row) => sum + row.selfCpuTimeTotal, 0);
  }

  /** All rows added up, as one that is named `Total`. */
  totalAverage(): FunctionEventAvg {
    return this.reduce((a, b) => added(a, b, b.count), nothing('Total'));
  }

  /**
   * The rows as text, one for each name: time in it, time in it and what it calls, mean, memory, calls.
   * @param sortBy and `rowLimit`: by position or by name
   * @throws if `sortBy` is no column
   */
  table(sortBy?: SortKey | null, rowLimit?: number): string;
  table(options: TableOptions): string;
  table(first: SortKey | null | TableOptions = null, second = 100): string {
    const options: TableOptions = isOptions(first) ? first : { sortBy: first as SortKey | null, rowLimit: second };
    checkOptions('table', options, ['sortBy', 'rowLimit']);
    const { sortBy = null, rowLimit = 100 } = options;
    if (sortBy !== null && !sortKeys.includes(sortBy)) {
      throw new AdjointError(
        'argument',
        `table: sortBy is one of ${sortKeys.map(show).join(', ')}, got ${show(sortBy)}`,
      );
    }
    if (this.length === 0) return '';
    const rows = sortBy === null ? [...this] : [...this].sort((a, b) => b[sortBy] - a[sortBy]);
    const total = this.selfCpuTimeTotal;
    const share = (us: number): string => (total === 0 ? 'NaN' : `${((us * 100) / total).toFixed(2)}%`);
    const cells = rows
      .slice(0, rowLimit)
      .map((row) => [
        row.key.length < longestName - 3 ? row.key : `${row.key.slice(0, longestName - 3)}...`,
        share(row.selfCpuTimeTotal),
        time(row.selfCpuTimeTotal),
        share(row.cpuTimeTotal),
        time(row.cpuTimeTotal),
        time(row.cpuTime),
        memory(row.cpuMemoryUsage),
        memory(row.selfCpuMemoryUsage),
        String(row.count),
      ]);
    const nameWidth = Math.min(Math.max(...rows.map((row) => row.key.length)) + 4, longestName);
    const line = (texts: readonly string[], fill = ' '): string =>
      texts.map((text, i) => `${text.padStart(i === 0 ? nameWidth : columnWidth, fill)}  `).join('');
    const rule = line(Array(headers.length).fill(''), '-');
    const body = [rule, line(headers), rule, ...cells.map((row) => line(row)), rule];
    return `${body.join('\n')}\nSelf CPU time total: ${time(total)}\n`;
  }

  override toString(): string {
    return this.table();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.table();
  }
}

const headers = [
  'Name',
  'Self CPU %',
  'Self CPU',
  'CPU total %',
  'CPU total',
  'CPU time avg',
  'CPU Mem',
  'Self CPU Mem',
  '# of Calls',
];

const nothing = (key: string): FunctionEventAvg => ({
  key,
  count: 0,
  cpuTime: 0,
  cpuTimeTotal: 0,
  selfCpuTimeTotal: 0,
  cpuMemoryUsage: 0,
  selfCpuMemoryUsage: 0,
});

function added(row: FunctionEventAvg, more: Figures, calls: number): FunctionEventAvg {
  const count = row.count + calls;
  const cpuTimeTotal = row.cpuTimeTotal + more.cpuTimeTotal;
  return {
    key: row.key,
    count,
    cpuTime: cpuTimeTotal / count,
    cpuTimeTotal,
    selfCpuTimeTotal: row.selfCpuTimeTotal + more.selfCpuTimeTotal,
    cpuMemoryUsage: row.cpuMemoryUsage + more.cpuMemoryUsage,
    selfCpuMemoryUsage: row.selfCpuMemoryUsage + more.selfCpuMemoryUsage,
  };
}

/** What `profile` has recorded. */
export class Profile {
  private readonly recorder: Recorder;

  /** @internal */
  constructor(recorder: Recorder) {
    this.recorder = recorder;
  }

  /** Every call that is over, in the order in which they began. */
  get functionEvents(): FunctionEvent[] {
    return this.recorder.events.filter((event) => event !== null);
  }

  /** The time of all calls together, in microseconds. */
  get selfCpuTimeTotal(): number {
    return this.keyAverages().selfCpuTimeTotal;
  }

  /** The figures of all calls of one name, for each name. */
  keyAverages(): EventList {
    const rows = new Map<string, FunctionEventAvg>();
    for (const event of this.functionEvents)
      rows.set(event.name, added(rows.get(event.name) ?? nothing(event.name), event, 1));
    return EventList.from(rows.values()) as EventList;
  }

  /** All calls added up. */
  totalAverage(): FunctionEventAvg {
    return this.keyAverages().totalAverage();
  }

  /**
   * The calls as JSON for chrome://tracing, Perfetto and their like.
   * @param path where to write the text as well, if the host has files
   */
  exportChromeTrace(path?: string): string {
    const place = { pid: 1, tid: 1 };
    const traceEvents = this.functionEvents.map((event) => ({
      ph: 'X',
      cat: event.kind === 'user' ? 'user_annotation' : 'cpu_op',
      name: event.name,
      ...place,
      ts: event.start,
      dur: event.cpuTimeTotal,
      args: { kind: event.kind, bytes: event.cpuMemoryUsage },
    }));
    const process = { ph: 'M', name: 'process_name', ...place, ts: 0, args: { name: 'adjoint' } };
    const text = JSON.stringify({ displayTimeUnit: 'ms', traceEvents: [process, ...traceEvents] });
    if (path !== undefined) writeText(path, text);
    return text;
  }

  /** The calls as text, one row each; arguments as `EventList.table` takes them. */
  table(sortBy?: SortKey | null, rowLimit?: number): string;
  table(options: TableOptions): string;
  table(first?: SortKey | null | TableOptions, second?: number): string {
    const rows = this.functionEvents.map((event) => added(nothing(event.name), event, 1));
    return (EventList.from(rows) as EventList).table(first as SortKey | null, second);
  }

  toString(): string {
    return this.table();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/**
 * Records the operators and the nodes of backwards that run, with their calls, times and memory (torch.autograd.profiler.profile): while
 * `callback` runs, whose result is the `result` of the profile; without a callback, until what it returns is disposed of.
 *
 * @throws if a profile is being made already
 * @example
 * const prof = profiler.profile(() => model.forward(x).sum().backward());
 * console.log(prof.keyAverages().table({ sortBy: 'selfCpuTimeTotal', rowLimit: 10 }));
 */
export function profile<T>(callback: () => T): Profile & { readonly result: T };
export function profile(): Profile & Disposable;
export function profile<T>(callback?: () => T): Profile {
  const recorder = new Recorder();
  const enter = () => {
    if (profiler.recorder) throw new AdjointError('argument', 'a profile is being made already: profiles do not nest');
    profiler.recorder = recorder;
    const guard = surround(recorder.operator) as Disposable;
    return () => {
      profiler.recorder = null;
      guard[dispose]();
    };
  };
  const result = callback ? { result: scoped(enter, callback) } : scoped(enter);
  return Object.assign(new Profile(recorder), result);
}

/**
 * Makes a part of the program show up in profiles under a name (torch.autograd.profiler.record_function); where none is being made, only
 * calls `callback`. Without a callback, the part ends when the returned guard is disposed of.
 */
export function recordFunction<T>(name: string, callback: () => T): T;
export function recordFunction(name: string): Disposable;
export function recordFunction<T>(name: string, callback?: () => T): T | Disposable {
  if (typeof name !== 'string')
    throw new AdjointError('argument', `recordFunction: a name is a string, got ${show(name)}`);
  return scoped(() => {
    const end = profiler.recorder?.begin(name, 'user');
    return () => end?.();
  }, callback);
}
