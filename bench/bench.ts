/** The benchmark: README.md says what it measures and how. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, platform, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { chosen, type MemoryRow, memoryRows, type Row, rows } from './catalog.ts';
import { type Library, libraries, Running, TooSlow } from './libraries.ts';
import { chart, measured, mismatch, type Outcome, type Report, type Result, table } from './report.ts';
import type { Measured, Memory, Prepared, Request } from './serve.ts';

const usage = `npm run bench -- [options] [rows]

Rows are names or patterns: deep, 'matmul-*', memory. Without any, all of them.

  --quick        small sizes, few rounds
  --rounds N     rounds (7; 3 if quick)
  --threads N    threads of each library (2)
  --peers A,B    only these peers: pytorch, jax, jax-js, jax-js-eager, tfjs
  --json PATH    where the figures go (bench/results/latest.json); the chart goes beside them, as .svg
  --help         this text`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const { values: options, positionals: patterns } = parseArgs({
  allowPositionals: true,
  options: { quick: flag, rounds: text, threads: text, peers: text, json: text, help: flag },
});
if (options.help) {
  console.log(usage);
  process.exit();
}
const quick = options.quick ?? false;
const rounds = count('rounds', quick ? 3 : 7);
const threads = count('threads', 2);
const json = options.json ?? 'bench/results/latest.json';

/** Seconds: of a measurement, of the warm-up before it, of all of a row's measurements by one library, at most for one answer. */
const limits = quick
  ? { measurement: 0.03, warmUp: 0.1, row: 1, answer: 15, memory: 5 }
  : { measurement: 0.05, warmUp: 0.25, row: 8, answer: 40, memory: 20 };

const { adjoint, withoutBlas, peers } = libraries();
const wanted = options.peers?.split(',');
const unknown = wanted?.filter((key) => !peers.some((peer) => peer.key === key)) ?? [];
if (unknown.length > 0)
  fail(`No such peer: ${unknown.join(', ')}. There are ${peers.map(({ key }) => key).join(', ')}.`);
const timed = chosen(rows, patterns, quick);
const remembered = chosen(memoryRows, patterns, quick);
if (timed.length + remembered.length === 0) {
  fail(
    `No such row: ${patterns.join(', ')}. There are ${[...rows, ...memoryRows].map(({ name }) => name).join(', ')}.`,
  );
}

const compared: Library[] = [adjoint, withoutBlas];
const missing: Report['missing'] = [];
for (const peer of peers.filter(({ key }) => wanted?.includes(key) ?? true)) {
  if ('command' in peer) compared.push(peer);
  else {
    missing.push({ name: peer.name, install: peer.install });
    console.log(`${peer.name}: not found. To install it: ${peer.install}`);
  }
}

const report: Report = {
  date: new Date().toISOString(),
  host: {
    processor: cpus()[0]?.model ?? '',
    cores: cpus().length,
    memory: totalmem(),
    system: `${platform()} ${release()}`,
  },
  threads,
  libraries: {},
  missing,
  results: [],
};
const problems: string[] = [];

/** Programs that a library has been too slow for, with the sizes before this one. */
const tooSlow = new Set<string>();
const running = new Map<string, Running>();
try {
  for (const library of compared)
    report.libraries[library.key] = { name: library.name, about: (await processOf(library)).about };
  for (const row of timed) report.results.push(...(await measure(row)));
} finally {
  for (const library of running.values()) library.stop();
}
for (const row of remembered) report.results.push(...(await measureMemory(row)));

progress('');
for (const { name, about } of Object.values(report.libraries)) console.log(`${name}: ${describe(about)}`);
console.log(
  `\nTime and memory of Adjoint as a multiple of the peer's: below 1 Adjoint is ahead. In brackets the peer's own figures.\n`,
);
console.log(table(report));
mkdirSync(dirname(json), { recursive: true });
const picture = json.replace(/(\.json)?$/, '.svg');
writeFileSync(json, `${JSON.stringify(report, null, 1)}\n`);
writeFileSync(picture, chart(report));
console.log(`\nWritten: ${json}, ${picture}`);
if (problems.length > 0) fail(`\n${problems.join('\n')}`);

/** The process of a library; a new one if the last one has ended. */
async function processOf(library: Library): Promise<Running> {
  let found = running.get(library.key);
  if (!found) {
    progress(`starting ${library.name}`);
    found = await Running.start(library, threads);
    running.set(library.key, found);
  }
  return found;
}

/** An answer, or why there is none. */
async function ask<T>(library: Library, request: Request): Promise<T | { lacks: string } | { error: string }> {
  try {
    return (await (await processOf(library)).ask(request, limits.answer)) as T;
  } catch (error) {
    running.delete(library.key);
    return error instanceof TooSlow ? { lacks: error.message } : { error: (error as Error).message };
  }
}

/** One row: everyone prepares, then they are measured in turn. */
async function measure(row: Row): Promise<Result[]> {
  const { name, program, parameters, nodes = 1 } = row;
  const ready: { library: Library; times: number[]; processor: number; checks: number[] }[] = [];
  const outcomes: Record<string, Outcome> = {};
  for (const library of compared) {
    if (library === withoutBlas && !row.withoutBlas) continue;
    progress(`${name}: ${library.name} warms up`);
    const key = `${library.key} ${program}`;
    if (tooSlow.has(key)) {
      outcomes[library.key] = { lacks: 'too slow with a smaller size already' };
      continue;
    }
    const prepared = await ask<Prepared>(library, { do: 'prepare', program, parameters, warmUp: limits.warmUp });
    if ('checks' in prepared) ready.push({ library, times: [], processor: 0, checks: prepared.checks });
    else outcomes[library.key] = prepared;
    if ('lacks' in prepared && prepared.lacks.startsWith('more than')) tooSlow.add(key);
  }
  for (let round = 0; round < rounds; round++) {
    progress(`${name}: round ${round + 1} of ${rounds}`);
    for (const each of ready) {
      const { library, times } = each;
      if (library.key in outcomes || (round >= 2 && spent(times) > limits.row)) continue;
      const answer = await ask<Measured>(library, { do: 'measure', seconds: limits.measurement });
      if ('seconds' in answer) {
        times.push(answer.seconds);
        each.processor = answer.processor / answer.seconds;
      } else outcomes[library.key] = answer;
    }
  }
  for (const { library, times, processor, checks } of ready) {
    outcomes[library.key] ??= measured(
      times.map((time) => time / nodes),
      { checks, processor },
    );
  }
  const own = outcomes[adjoint.key];
  for (const [key, outcome] of Object.entries(outcomes)) {
    if (key.startsWith(adjoint.key) && !('values' in outcome)) {
      problems.push(`${name}, ${report.libraries[key].name}: ${'error' in outcome ? outcome.error : outcome.lacks}`);
    } else if ('values' in own && 'values' in outcome) {
      const found = mismatch(own.checks!, outcome.checks!);
      if (found) problems.push(`${name}, ${report.libraries[key].name}: ${found}`);
    }
  }
  const { [withoutBlas.key]: alone, ...others } = outcomes;
  const results: Result[] = [{ row: name, unit: 'seconds', subject: adjoint.key, outcomes: others }];
  if (alone) {
    const { [adjoint.key]: _, ...theirs } = others;
    results.push({
      row: `${name}, wasm alone`,
      unit: 'seconds',
      subject: withoutBlas.key,
      outcomes: { [withoutBlas.key]: alone, ...theirs },
    });
  }
  return results;
}

/** Seconds that measurements have taken, all together: each at least the time that it was to take. */
function spent(times: readonly number[]): number {
  return times.reduce((sum, time) => sum + Math.max(time, limits.measurement), 0);
}

/** A row about memory: the peak as it is, and above what was there before the first step. */
async function measureMemory({ name, program, parameters, nodes, steps: all }: MemoryRow): Promise<Result[]> {
  const steps = quick ? Math.ceil(all / 10) : all;
  const [peaks, added]: Record<string, Outcome>[] = [{}, {}];
  for (const library of compared) {
    if (library === withoutBlas) continue;
    progress(`${name}: ${library.name}`);
    const outcome = await inItsOwnProcess(library, {
      do: 'memory',
      program,
      parameters,
      steps,
      seconds: limits.memory,
    });
    if ('peak' in outcome) {
      const note = outcome.steps < steps ? { note: `${outcome.steps} steps of ${steps}, for want of time` } : {};
      peaks[library.key] = measured([outcome.peak], note);
      added[library.key] = measured([(outcome.peak - outcome.baseline) / (nodes ?? 1)], note);
    } else {
      peaks[library.key] = added[library.key] = outcome;
      if (library === adjoint) problems.push(`${name}: ${'error' in outcome ? outcome.error : outcome.lacks}`);
    }
  }
  const result = (row: string, outcomes: Record<string, Outcome>): Result => ({
    row,
    unit: 'bytes',
    subject: adjoint.key,
    outcomes,
  });
  return [result(name, peaks), result(nodes ? `${name}, per node` : `${name}, added`, added)];
}

async function inItsOwnProcess(
  library: Library,
  request: Request,
): Promise<Memory | { lacks: string } | { error: string }> {
  try {
    const own = await Running.start(library, threads);
    try {
      return (await own.ask(request, limits.answer + limits.memory)) as Memory;
    } finally {
      own.stop();
    }
  } catch (error) {
    return error instanceof TooSlow ? { lacks: error.message } : { error: (error as Error).message };
  }
}

function describe(about: Record<string, unknown>): string {
  return Object.entries(about)
    .map(([what, value]) =>
      what === 'version' ? value : `${what} ${typeof value === 'object' ? JSON.stringify(value) : value}`,
    )
    .join(', ');
}

/** One line that is written over by the next, on a terminal. */
function progress(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}`);
}

function count(name: 'rounds' | 'threads', fallback: number): number {
  const value = options[name] === undefined ? fallback : Number(options[name]);
  if (!Number.isSafeInteger(value) || value < 1) fail(`--${name} must be a whole number above 0, got ${options[name]}`);
  return value;
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
