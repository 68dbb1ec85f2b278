/** The parts of the benchmark; times are none of a test's business. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chosen, memoryRows, rows } from '../bench/catalog.ts';
import { labels, linear, uniform } from '../bench/data.ts';
import { Running } from '../bench/libraries.ts';
import {
  chart,
  difference,
  digits,
  measured,
  median,
  type Report,
  ratio,
  remarks,
  show,
  table,
} from '../bench/report.ts';
import { programs } from '../bench/rows.ts';
import { check, firstSteps, type Parameters, type Program } from '../bench/serve.ts';

const small: Parameters = { n: 8, rows: 4, classes: 5, batch: 2, tokens: 4, width: 8, heads: 2 };

for (const { name, program, parameters } of [...rows, ...memoryRows]) {
  test(`${name}, small: three steps with finite results that are not all zero`, async () => {
    const sizes = Object.fromEntries(Object.entries(parameters).map(([key, value]) => [key, small[key] ?? value]));
    const prepare: Program<{ toTypedArray(): ArrayLike<number | bigint> }> = programs[program as keyof typeof programs];
    const { checks: found } = await firstSteps(
      { about: {}, programs, read: (x) => x.toTypedArray() as ArrayLike<number> },
      await prepare(sizes),
    );
    assert.ok(found.length >= 3 && found.length % 3 === 0);
    assert.ok(found.every(Number.isFinite), `${found}`);
    assert.ok(found.some((value) => value !== 0));
  });
}

test('training goes on from one step to the next', async () => {
  for (const program of ['mlp-tiny', 'mlp'] as const) {
    const step = programs[program]();
    const [first, second, third] = [step(), step(), step()].map(([loss]) => loss.item());
    assert.ok(first > second && second > third, program);
  }
});

test('the numbers that all libraries start from are the same everywhere', () => {
  // As peers/data.py gives them.
  assert.deepEqual([...uniform(3, 1)], [-0.21574974060058594, -0.26424896717071533, -0.9345483779907227]);
  assert.deepEqual([...labels(4, 10, 2)], [6, 0, 6, 7]);
  const { weight, bias } = linear(4, 2, 1);
  assert.equal(weight.length, 8);
  assert.equal(bias.length, 2);
  assert.ok(weight.every((value) => Math.abs(value) <= 0.5));
});

test('rows are chosen by name, by the beginning of one and by pattern', () => {
  const names = (patterns: string[], quick = false) => chosen(rows, patterns, quick).map(({ name }) => name);
  assert.equal(names([]).length, rows.length);
  assert.ok(!names([], true).includes('deep-1e6'));
  assert.deepEqual(names(['deep-1e6'], true), ['deep-1e6']);
  assert.deepEqual(names(['deep']), ['deep-1e4', 'deep-1e5', 'deep-1e6']);
  assert.deepEqual(names(['mlp']), ['mlp']);
  assert.deepEqual(names(['reduce-*-256', 'poly']).length, 5);
  assert.deepEqual(names(['nothing']), []);
  assert.equal(new Set([...rows, ...memoryRows].map(({ name }) => name)).size, rows.length + memoryRows.length);
});

test('results are compared by the value of a scalar and the norm of anything else', () => {
  assert.equal(check([-3]), -3);
  assert.equal(check([3, -4]), 5);
  assert.equal(difference([1, 100], [1, 100]), 0);
  assert.equal(difference([0, -2], [1e-8, -1]), 0.5);
  assert.equal(difference([1, 2, 3], [1]), 0); // a slow library does fewer steps
  assert.equal(difference([1], [Number.NaN]), Infinity);
});

const report: Report = {
  date: '',
  host: {},
  threads: 2,
  disturbance: 0,
  libraries: { adjoint: { name: 'Adjoint', about: {} }, a: { name: 'A & B', about: {} }, c: { name: 'C', about: {} } },
  results: [
    {
      row: 'first',
      unit: 'seconds',
      subject: 'adjoint',
      outcomes: {
        adjoint: measured([3e-6, 8e-6, 6e-6]),
        a: measured([2e-6, 2e-6, 1e-6]),
        c: { lacks: 'has no such thing' },
      },
    },
    {
      row: 'second',
      unit: 'bytes',
      subject: 'adjoint',
      outcomes: {
        adjoint: measured([5e6]),
        a: measured([2e7], { note: 'for the most part' }),
        c: { error: 'broken\n at' },
      },
    },
  ],
};

test('medians, and ratios within each round', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  const [first, second] = report.results;
  assert.equal(ratio(first, 'a', 'median'), 4);
  assert.equal(ratio(first, 'a', 'minimum'), 3);
  assert.equal(ratio(first, 'c', 'median'), null);
  assert.equal(ratio(second, 'a', 'median'), 0.25);
});

test('figures have three digits and a unit', () => {
  assert.equal(show(1.23456e-6, 'seconds'), '1.23 us');
  assert.equal(show(0.5e-9, 'seconds'), '0.50 ns');
  assert.equal(show(123456789, 'bytes'), '123 MB');
  assert.deepEqual([0.001234, 0.0512, 0.5, 1, 9.999, 12.34, 99.99, 123.4, 12345].map(digits), [
    '0.001',
    '0.051',
    '0.50',
    '1.00',
    '10.0',
    '12.3',
    '100',
    '123',
    '12300',
  ]);
});

test('the table has a line for each row, and remarks', () => {
  const [head, first, second, ...others] = table(report, 'median').split('\n');
  assert.match(head, /^ +Adjoint +A & B +C$/);
  assert.match(first, /^first +6.00 us +4.00 {2}\(2.00 us\) +-$/);
  assert.match(second, /^second +5.00 MB +0.25 {2}\(20.0 MB\*\) +failed$/);
  assert.deepEqual(others, []);
  assert.match(table(report, 'minimum'), /^first +3.00 us +3.00 {2}\(1.00 us\) +-$/m);
  assert.deepEqual(remarks(report).split('\n'), [
    '- first, C: has no such thing',
    '* second, A & B: for the most part',
    'failed second, C: broken',
    '',
  ]);
});

test('the chart has a point for each ratio, as far from 1 as it says', () => {
  const svg = chart(report);
  const points = [...svg.matchAll(/<circle cx="([\d.]+)" cy="[\d.]+" r="5" fill="#\w+"><title>(.*?)<\/title>/g)];
  assert.deepEqual(
    points.map(([, , title]) => title),
    ['first, A &amp; B: 0.25×', 'second, A &amp; B: 4.00×'],
  );
  const one = Number(svg.match(/<line x1="([\d.]+)"[^>]*stroke-opacity="0.9"/)![1]);
  const [behind, ahead] = points.map(([, x]) => Number(x) - one);
  assert.ok(behind < 0 && Math.abs(ahead / behind + 1) < 0.02);
  assert.ok(!svg.includes('NaN'));
});

const answering = `
  console.log('a line of the library itself');
  console.log(JSON.stringify({ version: '1' }));
  require('readline').createInterface(process.stdin).on('line', (line) => {
    const { do: what } = JSON.parse(line);
    if (what === 'measure') console.log(JSON.stringify({ seconds: 2, processor: Number(process.env.OMP_NUM_THREADS) }));
    if (what === 'memory') process.exit(3);
  });`;
const start = () => Running.start({ key: 'x', name: 'X', command: [process.execPath, '-e', answering] }, 2);
const memory = { do: 'memory', program: 'x', parameters: {}, steps: 1, seconds: 1 } as const;

test('a library answers in its own process, which is told how many threads to use', async () => {
  const running = await start();
  assert.deepEqual(running.about, { version: '1' });
  for (let i = 0; i < 2; i++) {
    assert.deepEqual(await running.ask({ do: 'measure', seconds: 1 }, 10), { seconds: 2, processor: 2 });
  }
  await assert.rejects(running.ask(memory, 10), /^Error: the process ended: exit code 3$/);
});

test('a library that takes too long is ended', async () => {
  const running = await start();
  await assert.rejects(
    running.ask({ do: 'prepare', program: 'x', parameters: {}, warmUp: 1 }, 0.2),
    /^Error: more than 0.2 s$/,
  );
});
