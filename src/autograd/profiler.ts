/** Where the time goes: torch.autograd.profiler. */
import { checkOptions, isOptions } from '../core/options.ts';
import { type Shape, showShape } from '../core/shape.ts';
import { AdjointError, show } from '../errors.ts';
import { writeText } from '../host/file.ts';
import { surround } from './around.ts';
import { dispose, scoped } from './modes.ts';
import { type Figures, FunctionEvent, profiler, Recorder } from './recorder.ts';

export { FunctionEvent };

/** All calls of one kind: of one name, and if asked of inputs of the same shapes, or from the same place. */
export interface FunctionEventAvg extends Figures {
  readonly key: string;
  readonly count: number;
  /** The mean time of a call. */
  readonly cpuTime: number;
  readonly inputShapes?: readonly Shape[];
  readonly stack?: readonly string[];
  /** What the first of them is inside of. */
  readonly cpuParent?: FunctionEvent | null;
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
  /** How many rows there may be; any number if it is negative. Default: 100. */
  rowLimit?: number;
  /** A text above the table. */
  header?: string | null;
  /** Whether only calls are shown that are not inside of others. */
  topLevelEventsOnly?: boolean;
  /** Longer names are cut. Default: 55. */
  maxNameColumnWidth?: number;
}

export interface AverageOptions {
  /** A row for each combination of name and shapes of the inputs, which `recordShapes` has noted. */
  groupByInputShape?: boolean;
  /** A row for each combination of name and so many of the innermost calls that lead to it, which `withStack` has noted. */
  groupByStackN?: number;
}

const time = (us: number): string => {
  if (us >= 1e6) return `${(us / 1e6).toFixed(3)}s`;
  return us >= 1e3 ? `${(us / 1e3).toFixed(3)}ms` : `${us.toFixed(3)}us`;
};

const memory = (bytes: number): string => {
  const power = Math.min(Math.floor(Math.log2(Math.abs(bytes) || 1) / 10), 3);
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(2)} ${'KMG'[power - 1]}B`;
};

const shapes = (all: readonly Shape[] = []): string => `[${all.map(showShape).join(', ')}]`;

/** A column of a table: what is above it, and its text for a row. */
interface Column {
  readonly title: string;
  readonly cell: (row: FunctionEventAvg) => string;
  /** Its width, or the greatest that it may have where it is as wide as what is in it. */
  readonly width?: number;
  readonly limit?: number;
}

const columnWidth = 12;

/** Calls, or figures by name in the order of the first calls. */
export class EventList<Row extends FunctionEventAvg = FunctionEventAvg> extends Array<Row> {
  /** Whether tables have columns for memory. */
  profileMemory = true;

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
    return this.reduce(added, nothing('Total'));
  }

  /** The figures of all calls of one name, for each name; or for each combination that the options name. */
  keyAverages(options: AverageOptions = {}): EventList {
    checkOptions('keyAverages', options, ['groupByInputShape', 'groupByStackN']);
    const { groupByInputShape = false, groupByStackN = 0 } = options;
    const rows = new Map<string, FunctionEventAvg>();
    for (const event of this) {
      const group: Pick<FunctionEventAvg, 'inputShapes' | 'stack' | 'cpuParent'> = {
        ...(groupByInputShape && { inputShapes: event.inputShapes ?? [] }),
        ...(groupByStackN > 0 && { stack: (event.stack ?? []).slice(0, groupByStackN) }),
      };
      const key = JSON.stringify([event.key, group]);
      rows.set(key, added(rows.get(key) ?? { ...nothing(event.key), ...group, cpuParent: event.cpuParent }, event));
    }
    return listed([...rows.values()], this.profileMemory);
  }

  /**
   * The rows as text: for each the time in it alone, the time in it and what it calls, mean, memory, calls; and shapes and places, if the rows are
   * grouped by these.
   * @param sortBy and `rowLimit`: by position or by name
   * @throws if `sortBy` is no column
   */
  table(sortBy?: SortKey | null, rowLimit?: number): string;
  table(options: TableOptions): string;
  table(first: SortKey | null | TableOptions = null, second = 100): string {
    const options: TableOptions = isOptions(first) ? first : { sortBy: first as SortKey | null, rowLimit: second };
    checkOptions('table', options, ['sortBy', 'rowLimit', 'header', 'topLevelEventsOnly', 'maxNameColumnWidth']);
    const {
      sortBy = null,
      rowLimit = 100,
      header = null,
      topLevelEventsOnly = false,
      maxNameColumnWidth = 55,
    } = options;
    if (sortBy !== null && !sortKeys.includes(sortBy)) {
      throw new AdjointError(
        'argument',
        `table: sortBy is one of ${sortKeys.map(show).join(', ')}, got ${show(sortBy)}`,
      );
    }
    if (this.length === 0) return '';
    const sorted = sortBy === null ? [...this] : [...this].sort((a, b) => b[sortBy] - a[sortBy]);
    const shown = topLevelEventsOnly ? sorted.filter((row) => !row.cpuParent) : sorted;
    const rows = rowLimit < 0 ? shown : shown.slice(0, rowLimit);
    const columns = this.columns(maxNameColumnWidth);
    const widths = columns.map(({ cell, width = 0, limit = 0 }) =>
      Math.max(width, Math.min(Math.max(0, ...this.map((row) => cell(row).length)) + 4, limit)),
    );
    const line = (texts: readonly string[], fill = ' '): string =>
      texts.map((text, i) => `${text.padStart(widths[i], fill)}  `).join('');
    const cut = (text: string, limit = Number.POSITIVE_INFINITY): string =>
      text.length < limit - 3 ? text : `${text.slice(0, limit - 3)}...`;
    const rule = line(Array(columns.length).fill(''), '-');
    const body = rows.flatMap((row) => [
      line(columns.map(({ cell, limit }) => cut(cell(row), limit))),
      ...(row.stack ?? []).slice(1).map((frame) => line([...Array(columns.length - 1).fill(''), cut(frame, 75)])),
    ]);
    const above = [header, topLevelEventsOnly ? 'Only calls that are not inside of others' : null].filter(
      (text) => text !== null,
    );
    return [
      ...above.flatMap((text) => ['='.repeat(rule.length), text]),
      ...[rule, line(columns.map(({ title }) => title)), rule, ...body, rule],
      `Self CPU time total: ${time(this.selfCpuTimeTotal)}\n`,
    ].join('\n');
  }

  private columns(nameLimit: number): Column[] {
    const total = this.selfCpuTimeTotal;
    const share = (us: number): string => (total === 0 ? 'NaN' : `${((us * 100) / total).toFixed(2)}%`);
    const width = columnWidth;
    const columns: Column[] = [
      { title: 'Name', cell: (row) => row.key, limit: nameLimit },
      { title: 'Self CPU %', cell: (row) => share(row.selfCpuTimeTotal), width },
      { title: 'Self CPU', cell: (row) => time(row.selfCpuTimeTotal), width },
      { title: 'CPU total %', cell: (row) => share(row.cpuTimeTotal), width },
      { title: 'CPU total', cell: (row) => time(row.cpuTimeTotal), width },
      { title: 'CPU time avg', cell: (row) => time(row.cpuTime), width },
    ];
    if (this.profileMemory) {
      columns.push(
        { title: 'CPU Mem', cell: (row) => memory(row.cpuMemoryUsage), width },
        { title: 'Self CPU Mem', cell: (row) => memory(row.selfCpuMemoryUsage), width },
      );
    }
    columns.push({ title: '# of Calls', cell: (row) => String(row.count), width });
    if (this.some((row) => row.inputShapes?.length))
      columns.push({ title: 'Input Shapes', cell: (row) => shapes(row.inputShapes), width, limit: 80 });
    if (this.some((row) => row.stack?.length))
      columns.push({ title: 'Source Location', cell: (row) => row.stack?.[0] ?? '', width: 15, limit: 75 });
    return columns;
  }

  override toString(): string {
    return this.table();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.table();
  }
}

function listed<Row extends FunctionEventAvg>(rows: readonly Row[], profileMemory: boolean): EventList<Row> {
  return Object.assign(EventList.from(rows) as EventList<Row>, { profileMemory });
}

const nothing = (key: string): FunctionEventAvg => ({
  key,
  count: 0,
  cpuTime: 0,
  cpuTimeTotal: 0,
  selfCpuTimeTotal: 0,
  cpuMemoryUsage: 0,
  selfCpuMemoryUsage: 0,
});

function added(row: FunctionEventAvg, more: FunctionEventAvg): FunctionEventAvg {
  const count = row.count + more.count;
  const cpuTimeTotal = row.cpuTimeTotal + more.cpuTimeTotal;
  return {
    ...row,
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
  private readonly profileMemory: boolean;

  /** @internal */
  constructor(recorder: Recorder, profileMemory: boolean) {
    this.recorder = recorder;
    this.profileMemory = profileMemory;
  }

  /** Every call that is over, in the order in which they began. */
  get functionEvents(): EventList<FunctionEvent> {
    return listed(this.recorder.events, this.profileMemory);
  }

  /** The time of all calls together, in microseconds. */
  get selfCpuTimeTotal(): number {
    return this.functionEvents.selfCpuTimeTotal;
  }

  /** The figures of all calls of one name, for each name; or for each combination that the options name. */
  keyAverages(options?: AverageOptions): EventList {
    return this.functionEvents.keyAverages(options);
  }

  /** All calls added up. */
  totalAverage(): FunctionEventAvg {
    return this.functionEvents.totalAverage();
  }

  /**
   * The calls as JSON for chrome://tracing, Perfetto and their like, with arrows from operators to the nodes that they left.
   * @param path where to write the text as well, if the host has files
   */
  exportChromeTrace(path?: string): string {
    const place = { pid: 1, tid: 1 };
    const process = { ph: 'M', name: 'process_name', ...place, ts: 0, args: { name: 'adjoint' } };
    const calls = this.functionEvents.map((event) => ({
      ph: 'X',
      cat: event.kind === 'user' ? 'user_annotation' : 'cpu_op',
      name: event.name,
      ...place,
      ts: event.start,
      dur: event.cpuTimeTotal,
      args: {
        kind: event.kind,
        bytes: event.cpuMemoryUsage,
        ...(event.sequenceNr >= 0 && { 'Sequence number': event.sequenceNr }),
        ...(event.inputShapes.length > 0 && { 'Input Dims': event.inputShapes }),
        ...(event.stack.length > 0 && { 'Call stack': event.stack.join(';') }),
      },
    }));
    const text = JSON.stringify({ displayTimeUnit: 'ms', traceEvents: [process, ...calls, ...this.arrows(place)] });
    if (path !== undefined) writeText(path, text);
    return text;
  }

  private arrows(place: { pid: number; tid: number }): object[] {
    const events = this.functionEvents.filter(({ sequenceNr }) => sequenceNr >= 0);
    const operators = new Map(
      events.filter(({ kind }) => kind === 'operator').map((event) => [event.sequenceNr, event]),
    );
    return events.flatMap((node) => {
      const operator = operators.get(node.sequenceNr);
      if (node.kind !== 'backward' || !operator) return [];
      const flow = { cat: 'fwdbwd', name: 'fwdbwd', id: node.sequenceNr, ...place };
      return [
        { ph: 's', ...flow, ts: operator.start },
        { ph: 'f', bp: 'e', ...flow, ts: node.start },
      ];
    });
  }

  /** The calls as text, one row each; arguments as `EventList.table` takes them. */
  table(sortBy?: SortKey | null, rowLimit?: number): string;
  table(options: TableOptions): string;
  table(first?: SortKey | null | TableOptions, second?: number): string {
    return this.functionEvents.table(first as SortKey | null, second);
  }

  toString(): string {
    return this.table();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

export interface ProfileOptions {
  /** Whether anything is recorded. Default: true. */
  enabled?: boolean;
  /** Whether the shapes of inputs are noted. Default: false. */
  recordShapes?: boolean;
  /** Whether memory is counted. Default: true. */
  profileMemory?: boolean;
  /** Whether the calls that lead to operators are noted, which takes time. Default: false. */
  withStack?: boolean;
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
export function profile<T>(options: ProfileOptions, callback: () => T): Profile & { readonly result: T };
export function profile(options?: ProfileOptions): Profile & Disposable;
export function profile<T>(first: ProfileOptions | (() => T) = {}, second?: () => T): Profile {
  const [options, callback] = typeof first === 'function' ? [{}, first] : [first, second];
  checkOptions('profile', options, ['enabled', 'recordShapes', 'profileMemory', 'withStack']);
  const { enabled = true, recordShapes = false, profileMemory = true, withStack = false } = options;
  const recorder = new Recorder({ recordShapes, profileMemory, withStack });
  const enter = () => {
    if (!enabled) return () => {};
    if (profiler.recorder) throw new AdjointError('argument', 'a profile is being made already: profiles do not nest');
    profiler.recorder = recorder;
    const guard = surround(recorder.operator) as Disposable;
    return () => {
      profiler.recorder = null;
      guard[dispose]();
    };
  };
  const result = callback ? { result: scoped(enter, callback) } : scoped(enter);
  return Object.assign(new Profile(recorder, profileMemory), result);
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
    const end = profiler.recorder?.part(name);
    return () => end?.();
  }, callback);
}
