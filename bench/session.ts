/** A run of the benchmark: the libraries' processes, and who is asked what when. */
import { cpus } from 'node:os';
import type { MemoryRow, Row } from './catalog.ts';
import { type Library, Running } from './libraries.ts';
import { difference, digits, measured, median, type Outcome, type Report, type Result } from './report.ts';
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

/** How far results may be apart, relatively. */
const tolerance = 1e-3;

type Failure = { lacks: string } | { error: string };

export class Session {
  /** What is to be reported apart from figures: results that differ, and what Adjoint failed to do. */
  readonly problems: string[] = [];
  #libraries: readonly Library[];
  readonly #settings: Settings;
  readonly #tell: (progress: string) => void;
  readonly #running = new Map<string, Running>();
  /** The libraries that failed in a row, with its family: what comes after it of that family is not tried. */
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
    const { program, parameters, nodes = 1 } = row;
    for (const library of this.#takingPart(row)) {
      this.#tell(`${row.name}: ${library.name} warms up`);
      const failed = `${family(row)}, ${library.key}`;
      if (this.#failed.has(failed)) {
        outcomes[library.key] = { lacks: 'not tried, since it failed before' };
        continue;
      }
      const { warmUp } = this.#settings;
      const prepared = await this.#ask<Prepared>(library, { do: 'prepare', program, parameters, warmUp });
      if ('checks' in prepared) checks[library.key] = prepared.checks;
      else outcomes[library.key] = prepared;
      if ('error' in prepared) this.#failed.add(failed);
    }
    const ready = this.#libraries.filter(({ key }) => key in checks);
    const taken = new Map<Library, Measured[]>(ready.map((library) => [library, []]));
    for (let round = 0; round < this.#settings.rounds; round++) {
      this.#tell(`${row.name}: round ${round + 1} of ${this.#settings.rounds}`);
      for (const library of ready) {
        const own = taken.get(library)!;
        if (
          library.key in outcomes ||
          (round >= 1 && own.reduce((sum, { steps, seconds }) => sum + steps * seconds, 0) > this.#settings.row)
        )
          continue;
        const answer = await this.#measure(library);
        if ('seconds' in answer) own.push(answer);
        else outcomes[library.key] = answer;
      }
    }
    for (const [{ key }, own] of taken) {
      const cores = median(own.map(({ processor, seconds }) => processor / seconds));
      const times = own.map(({ seconds }) => seconds / nodes);
      outcomes[key] ??= measured(times, { checks: checks[key], cores });
    }
    this.#compare(row, outcomes);
    return results(row.name, 'seconds', outcomes);
  }

  /** A row about memory: the peak as it is, and how far that is above what was there before the first step. */
  async remember(row: MemoryRow): Promise<Result[]> {
    const { program, parameters } = row;
    const steps = Math.ceil(row.steps * this.#settings.steps);
    const [peaks, added]: Record<string, Outcome>[] = [{}, {}];
    for (const library of this.#takingPart(row).filter(({ only }) => !only)) {
      this.#tell(`${row.name}: ${library.name}`);
      if (this.#failed.has(`${family(row)}, ${library.key}`)) {
        peaks[library.key] = { lacks: 'not tried, since it failed before' };
        continue;
      }
      const request = { do: 'memory', program, parameters, steps, seconds: this.#settings.memory } as const;
      const outcome = await this.#askAlone<Memory>(library, request);
      if ('peak' in outcome) {
        const note = outcome.steps < steps ? { note: `${outcome.steps} steps of ${steps}, for want of time` } : {};
        peaks[library.key] = measured([outcome.peak], note);
        added[library.key] = measured([(outcome.peak - outcome.baseline) / (row.nodes ?? 1)], note);
      } else peaks[library.key] = outcome;
    }
    this.#compare(row, peaks);
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

  /** Holds what the others computed against what Adjoint did. */
  #compare({ name: row, drift = 0 }: Row, outcomes: Record<string, Outcome>): void {
    const own = outcomes[adjoint];
    for (const { key, name, addsInTurn } of this.#libraries.filter(({ key }) => key in outcomes)) {
      const outcome = outcomes[key];
      if ((key === adjoint || key === alone) && !('values' in outcome)) {
        this.problems.push(`${row}, ${name}: ${'error' in outcome ? outcome.error : outcome.lacks}`);
      } else if ('values' in own && 'values' in outcome && own.checks && outcome.checks) {
        const off = difference(own.checks, outcome.checks);
        if (off <= tolerance) continue;
        const percent = `${digits(off * 100)} %`;
        if (addsInTurn && off <= drift) outcome.note = `its result is off by ${percent}, since it adds up in turn`;
        else
          this.problems.push(`${row}, ${name}: differs from Adjoint by ${percent}: ${outcome.checks}; ${own.checks}`);
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

/** The name of a row but for its size, and whether it is about time or memory. */
function family({ name }: Row): string {
  return name.replace(/^memory-/, '').replace(/-\d[\de]*$/, '');
}

/** How long the processor's cores have been busy, all together and with whatever program. */
function busySeconds(): number {
  return cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0) / 1e3;
}
