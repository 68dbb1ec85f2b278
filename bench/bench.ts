/** The benchmark: README.md says what it measures and how. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, platform, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { chosen, memoryRows, rows } from './catalog.ts';
import { type Library, libraries } from './libraries.ts';
import { chart, digits, type Report, remarks, table } from './report.ts';
import { Session, type Settings } from './session.ts';

const usage = `npm run bench -- [options] [rows]

Rows are names or patterns: deep, 'matmul-*', memory. Without any, all of them.

  --quick        small sizes, few rounds
  --rounds N     rounds (5; 3 if quick)
  --threads N    threads of each library (2)
  --peers A,B    only these of pytorch, jax, jax-js, jax-js-eager, jax-js-threads, tfjs
  --json PATH    where the figures go (bench/results/latest.json); the chart goes beside them, as .svg
  --help         this text`;

const { values: options, positionals: patterns } = readOptions();
if (options.help) {
  console.log(usage);
  process.exit();
}
const json = options.json ?? 'bench/results/latest.json';
const quick = options.quick ?? false;
const settings: Settings = {
  threads: count('threads', 2),
  rounds: count('rounds', quick ? 3 : 5),
  measurement: 0.05,
  ...(quick
    ? { warmUp: 0.3, row: 1, answer: 15, steps: 0.1, memory: 3 }
    : { warmUp: 1, row: 4, answer: 20, steps: 1, memory: 20 }),
};

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
for (const peer of peers.filter(({ key }) => wanted?.includes(key) ?? true)) {
  if ('command' in peer) compared.push(peer);
  else console.log(`${peer.name}: not found. To install it: ${peer.install}`);
}

const report: Report = {
  date: new Date().toISOString(),
  host: {
    processor: cpus()[0]?.model ?? '',
    cores: cpus().length,
    memory: totalmem(),
    system: `${platform()} ${release()}`,
  },
  threads: settings.threads,
  disturbance: 0,
  libraries: {},
  results: [],
};
const session = new Session(compared, settings, progress);
try {
  report.libraries = await session.start();
  for (const row of timed) report.results.push(...(await session.time(row)));
} finally {
  session.end();
}
for (const row of remembered) report.results.push(...(await session.remember(row)));
report.disturbance = session.disturbance;

progress('');
for (const { name, about } of Object.values(report.libraries)) console.log(`${name}: ${describe(about)}`);
console.log(`
Time and memory of Adjoint as multiples of the peer's, with the peer's own in brackets: below 1 Adjoint is ahead. Medians.

${table(report, 'median')}

The same of the fastest rounds, which other programs disturb least.

${table({ ...report, results: report.results.filter(({ unit }) => unit === 'seconds') }, 'minimum')}

${remarks(report)}While times were taken, other programs kept ${digits(report.disturbance)} of the ${cpus().length} cores busy.`);
if (report.disturbance > 0.1) {
  console.log(
    'That is too much: libraries with threads suffer from it out of proportion. Repeat this on a quiet machine.',
  );
}
mkdirSync(dirname(json), { recursive: true });
const picture = json.replace(/(\.json)?$/, '.svg');
writeFileSync(json, `${JSON.stringify(report, null, 1)}\n`);
writeFileSync(picture, chart(report));
console.log(`Written: ${json}, ${picture}`);
if (session.problems.length > 0) fail(`\n${session.problems.join('\n')}`);

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

function readOptions() {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      allowPositionals: true,
      options: { quick: flag, rounds: text, threads: text, peers: text, json: text, help: flag },
    });
  } catch (error) {
    fail(`${(error as Error).message}\n\n${usage}`);
  }
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
