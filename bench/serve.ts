/**
 * What the process of each library does: it takes requests as lines of JSON from its standard input, one at a time, and answers
 * each with a line on its standard output. peers/serve.py does the same for Python.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** The parameters of a program: sizes and variants. */
export type Parameters = Record<string, number | string | boolean>;

/** Prepares a program. What it returns does the work once, and hands over what it computed. */
export type Program<T> = (parameters: Parameters) => Step<T> | Promise<Step<T>>;
export type Step<T> = () => T[];

export interface Library<T> {
  /** The version and whatever else a reader of the figures should know. */
  about: Record<string, unknown>;
  programs: Record<string, Program<T>>;
  /** The elements of a tensor. */
  read(value: T): ArrayLike<number> | Promise<ArrayLike<number>>;
  /** What a user of the library has to do with results: wait for them, dispose of them. Nothing, at best. */
  finish?(results: T[]): void | Promise<void>;
}

/** Thrown by a program that its library cannot run. */
export class Lacks extends Error {}

export type Request =
  | { do: 'prepare'; program: string; parameters: Parameters; warmUp: number }
  | { do: 'measure'; seconds: number }
  | { do: 'memory'; program: string; parameters: Parameters; steps: number; seconds: number };

/** Steps, the seconds that each took, and its seconds of processor time: more than the former if there are threads. */
export interface Measured {
  steps: number;
  seconds: number;
  processor: number;
}
/** What the first steps computed: of each result its value if it is a scalar, else the root of its sum of squares. */
export interface Prepared {
  checks: number[];
}
/** Resident memory in bytes: before the first step, and at most until the last. */
export interface Memory {
  baseline: number;
  peak: number;
  steps: number;
}
export type Answer = Prepared | Measured | Memory | { lacks: string } | { error: string };

const checkedSteps = 3;
/** From how many seconds on a program is slow. */
const slow = 0.5;

/** Runs a step again and again, as a user's loop would: without a turn of the event loop unless the library needs one. */
async function repeat<T>(library: Library<T>, step: Step<T>, steps: number, until = Infinity): Promise<number> {
  let done = 0;
  while (done < steps) {
    let results: T[] | undefined = step();
    const finished = library.finish?.(results);
    if (finished) await finished;
    results = undefined; // no step runs while the results of the last one are held
    done++;
    if (until !== Infinity && performance.now() > until) break;
  }
  return done;
}

async function timed<T>(library: Library<T>, step: Step<T>, steps: number): Promise<Measured> {
  const processor = process.cpuUsage();
  const start = performance.now();
  await repeat(library, step, steps);
  const seconds = (performance.now() - start) / 1e3;
  const { user, system } = process.cpuUsage(processor);
  return { steps, seconds: seconds / steps, processor: (user + system) / 1e6 / steps };
}

/** What a result is compared by. */
export function check(values: ArrayLike<number>): number {
  if (values.length === 1) return values[0];
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += values[i] * values[i];
  return Math.sqrt(squares);
}

/** The first steps of a program, by their check values, and the seconds that the last of them took; only one if it is slow. */
export async function firstSteps<T>(
  library: Library<T>,
  step: Step<T>,
): Promise<{ checks: number[]; seconds: number }> {
  const checks: number[] = [];
  let seconds = 0;
  for (let i = 0; i < checkedSteps && seconds < slow; i++) {
    const start = performance.now();
    const results = step();
    for (const result of results) checks.push(check(await library.read(result)));
    await library.finish?.(results);
    seconds = (performance.now() - start) / 1e3;
  }
  return { checks, seconds };
}

/** A line of Linux's account of this process, in bytes. */
function resident(what: 'VmRSS' | 'VmHWM'): number {
  const line = readFileSync('/proc/self/status', 'utf8').match(new RegExp(`^${what}:\\s+(\\d+) kB$`, 'm'));
  return Number(line![1]) * 1024;
}

async function answer<T>(
  library: Library<T>,
  request: Request,
  current: { step?: Step<T>; estimate: number },
): Promise<Answer> {
  if (request.do === 'measure') {
    return timed(library, current.step!, Math.max(1, Math.round(request.seconds / current.estimate)));
  }
  current.step = undefined; // what the last program held may go
  const program = library.programs[request.program];
  if (request.do === 'prepare') {
    const step = await program(request.parameters);
    const { checks, seconds } = await firstSteps(library, step);
    // Warm up with more and more steps, until the last run of them is long enough to go by.
    let estimate = seconds;
    let spent = estimate < slow ? 0 : Infinity;
    for (let steps = 0; spent < request.warmUp; ) {
      steps = Math.max(steps + 1, Math.ceil(request.warmUp / 4 / estimate));
      estimate = (await timed(library, step, steps)).seconds;
      spent += estimate * steps;
    }
    current.step = step;
    current.estimate = estimate;
    return { checks };
  }
  if (!existsSync('/proc/self/status')) throw new Lacks('memory is read from /proc, which is not here');
  const baseline = resident('VmRSS');
  writeFileSync('/proc/self/clear_refs', '5'); // the peak starts anew from here
  const step = await program(request.parameters);
  const steps = await repeat(library, step, request.steps, performance.now() + request.seconds * 1e3);
  return { baseline, peak: resident('VmHWM'), steps };
}

/** Answers requests until there are no more. */
export async function serve<T>(library: Library<T>): Promise<void> {
  const tell = (message: unknown) => process.stdout.write(`${JSON.stringify(message)}\n`);
  tell(library.about);
  const current: { step?: Step<T>; estimate: number } = { estimate: 0 };
  for await (const line of createInterface(process.stdin)) {
    try {
      tell(await answer(library, JSON.parse(line), current));
    } catch (error) {
      current.step = undefined;
      tell(error instanceof Lacks ? { lacks: error.message } : { error: String(error) });
    }
  }
  process.exit();
}
