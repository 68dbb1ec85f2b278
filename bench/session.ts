/** A run of the benchmark: the libraries' processes, and who is asked what when. */
import { cpus } from 'node:os';
import type { MemoryRow, Row } from './catalog.ts';
import { type Library, Running } from './libraries.ts';
import { measured, mismatch, type Outcome, type Report, type Result } from './report.ts';
import type { Measured, Memory, Prepared, Request } from './serve.ts';

export interface Settings {
  threads: number;
  rounds: number;
  /** Seconds: at least of a measurement, at least of warming up, of all measurements of a row by a library, at most of an answer. */
  measurement: number;
  warmUp: number;
  row: number;
  answer: number;
  /** The part of the steps of rows about memory that is done, and the seconds after which a library does no more. */
  steps: number;
  memory: number;
}

/** The keys of Adjoint and of Adjoint without a BLAS. */
const [adjoint, alone] = ['adjoint', 'adjoint-wasm'];

type Failure = { lacks: string } | { error: string };

export class Session {
  /** What is to be reported apart from figures: results that differ, and what Adjoint failed to do. */
  readonly problems: string[] = [];
  #libraries: readonly Library[];
  readonly #settings: Settings;
  readonly #tell: (progress: string) => void;
  readonly #running = new Map<string, Running>();
  /** The libraries that failed in a row, with the name of the row but for its size: larger sizes are not tried. */
  readonly #failed = new Set<string>();
  /** Processor time in seconds while measurements were made: of all programs, and of the libraries. */
  readonly #processor = { all: 0, own: 0, elapsed: 0 };

  constructor(libraries: readonly Library[], settings: Settings, tell: (progress: string) => void) {
    this.#libraries = libraries;
    this.#settings = settings;
    this.#tell = tell;
  }

  /** How many cores other programs kept busy meanwhile. */
  get disturbance(): number {
    const { all, own, elapsed } = this.#processor;
    return elapsed === 0 ? 0 : Math.max(0, (all - own) / elapsed);
  }

  /** Starts the libraries, and returns what they say of themselves. Those that do not start take no part. */
  async start(): Promise<Report['libraries']> {
    const started: Report['libraries'] = {};
    for (const library of this.#libraries) {
      try {
        started[library.key] = { name: library.name, about: (await this.#processOf(library)).about };
      } catch (error) {
        this.problems.push(`${library.name} does not start: ${(error as Error).message}`);
      }
    }
    this.#libraries = this.#libraries.filter(({ key }) => key in started);
    return started;
  }

  /** One row: everyone prepares, then they are measured in turn. */
  async time(row: Row): Promise<Result[]> {
    const outcomes: Record<string, Outcome> = {};
    const checks: Record<string, number[]> = {};
    const family = row.name.replace(/-[^-]*$/, '');
    const { program, parameters, nodes = 1 } = row;
    for (const library of this.#takingPart(row)) {
      this.#tell(`${row.name}: ${library.name} warms up`);
      const failed = `${family}, ${library.key}`;
      if (this.#failed.has(failed)) {
        outcomes[library.key] = { lacks: 'not tried, since a smaller size failed' };
        continue;
      }
      const { warmUp } = this.#settings;
      const prepared = await this.#ask<Prepared>(library, { do: 'prepare', program, parameters, warmUp });
      if ('checks' in prepared) checks[library.key] = prepared.checks;
      else outcomes[library.key] = prepared;
      if ('error' in prepared) this.#failed.add(failed);
    }
    const ready = this.#libraries.filter(({ key }) => key in checks);
    const times = new Map<Library, number[]>(ready.map((library) => [library, []]));
    for (let round = 0; round < this.#settings.rounds; round++) {
      this.#tell(`${row.name}: round ${round + 1} of ${this.#settings.rounds}`);
      for (const library of ready) {
        const own = times.get(library)!;
        if (library.key in outcomes || (round >= 2 && this.#spent(own) > this.#settings.row)) continue;
        const answer = await this.#measure(library);
        if ('seconds' in answer) own.push(answer.seconds / nodes);
        else outcomes[library.key] = answer;
      }
    }
    for (const [library, own] of times) outcomes[library.key] ??= measured(own, { checks: checks[library.key] });
    this.#compare(row.name, outcomes);
    return results(row.name, 'seconds', outcomes);
  }

  /** A row about memory: the peak as it is, and how far that is above what was there before the first step. */
  async remember(row: MemoryRow): Promise<Result[]> {
    const { program, parameters } = row;
    const steps = Math.ceil(row.steps * this.#settings.steps);
    const [peaks, added]: Record<string, Outcome>[] = [{}, {}];
    for (const library of this.#takingPart(row)) {
      this.#tell(`${row.name}: ${library.name}`);
      const request = { do: 'memory', program, parameters, steps, seconds: this.#settings.memory } as const;
      const outcome = await this.#askAlone<Memory>(library, request);
      if ('peak' in outcome) {
        const note = outcome.steps < steps ? { note: `${outcome.steps} steps of ${steps}, for want of time` } : {};
        peaks[library.key] = measured([outcome.peak], note);
        added[library.key] = measured([(outcome.peak - outcome.baseline) / (row.nodes ?? 1)], note);
      } else peaks[library.key] = outcome;
    }
    this.#compare(row.name, peaks);
    return [
      ...results(row.name, 'bytes', peaks),
      ...results(`${row.name}, ${row.nodes ? 'per node' : 'added'}`, 'bytes', added),
    ];
  }

  end(): void {
    for (const running of this.#running.values()) running.stop();
    this.#running.clear();
  }

  #takingPart({ program, withoutBlas }: Row): Library[] {
    return this.#libraries.filter(({ key, only }) => (key === alone ? withoutBlas : (only?.includes(program) ?? true)));
  }

  /** The process of a library; a new one if the last one has ended. */
  async #processOf(library: Library): Promise<Running> {
    let found = this.#running.get(library.key);
    if (!found) {
      this.#tell(`starting ${library.name}`);
      found = await Running.start(library, this.#settings.threads);
      this.#running.set(library.key, found);
    }
    return found;
  }

  async #ask<T>(library: Library, request: Request): Promise<T | Failure> {
    try {
      return (await (await this.#processOf(library)).ask(request, this.#settings.answer)) as T;
    } catch (error) {
      this.#running.delete(library.key);
      return { error: (error as Error).message };
    }
  }

  /** As `#ask`, of a process that is new and does nothing else. */
  async #askAlone<T>(library: Library, request: Request): Promise<T | Failure> {
    try {
      const running = await Running.start(library, this.#settings.threads);
      try {
        return (await running.ask(request, this.#settings.answer + this.#settings.memory)) as T;
      } finally {
        running.stop();
      }
    } catch (error) {
      return { error: (error as Error).message };
    }
  }

  async #measure(library: Library): Promise<Measured | Failure> {
    const [busy, start] = [busySeconds(), performance.now()];
    const answer = await this.#ask<Measured>(library, { do: 'measure', seconds: this.#settings.measurement });
    if ('seconds' in answer) {
      this.#processor.all += busySeconds() - busy;
      this.#processor.elapsed += (performance.now() - start) / 1e3;
      this.#processor.own += answer.processor * answer.steps;
    }
    return answer;
  }

  /** Seconds that measurements have taken: each at least the time that it was to take. */
  #spent(times: readonly number[]): number {
    return times.reduce((sum, time) => sum + Math.max(time, this.#settings.measurement), 0);
  }

  /** Holds what the others computed against what Adjoint did. */
  #compare(row: string, outcomes: Record<string, Outcome>): void {
    const own = outcomes[adjoint];
    for (const { key, name } of this.#libraries.filter(({ key }) => key in outcomes)) {
      const outcome = outcomes[key];
      if ((key === adjoint || key === alone) && !('values' in outcome)) {
        this.problems.push(`${row}, ${name}: ${'error' in outcome ? outcome.error : outcome.lacks}`);
      } else if ('values' in own && 'values' in outcome && own.checks && outcome.checks) {
        const difference = mismatch(own.checks, outcome.checks);
        if (difference) this.problems.push(`${row}, ${name}: ${difference}`);
      }
    }
  }
}

/** A line of the table for Adjoint, and one for Adjoint without a BLAS if it took part. */
function results(row: string, unit: Result['unit'], outcomes: Record<string, Outcome>): Result[] {
  const { [alone]: withoutBlas, ...others } = outcomes;
  const line: Result = { row, unit, subject: adjoint, outcomes: others };
  if (!withoutBlas) return [line];
  const figures = Object.entries(others).filter(([key, outcome]) => key !== adjoint && 'values' in outcome);
  const second = { [alone]: withoutBlas, ...Object.fromEntries(figures) };
  return [line, { row: `${row}, wasm alone`, unit, subject: alone, outcomes: second }];
}

/** How long the processor's cores have been busy, all together and with whatever program. */
function busySeconds(): number {
  return cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0) / 1e3;
}
