/** The parts of the benchmark; times are none of a test's business. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chosen, memoryRows, rows } from '../bench/catalog.ts';
import { labels, linear, uniform } from '../bench/data.ts';
import type { Library } from '../bench/libraries.ts';
import {
  chart,
  difference,
  digits,
  type Figures,
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
import { Session, type Settings } from '../bench/session.ts';

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
  assert.deepEqual([0.000371, 0.0512, 0.5, 1, 9.999, 12.34, 99.99, 123.4, 12345].map(digits), [
    '0.0004',
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

/** A library that computes such values, each step in so many seconds; without values it fails. */
function pretended(key: string, values: number[], seconds: number, more: Partial<Library> = {}): Library {
  const answering = `
    console.log('a line of the library itself');
    console.log(JSON.stringify({ version: '1' }));
    require('node:readline').createInterface(process.stdin).on('line', (line) => {
      const { do: what, program, parameters, steps } = JSON.parse(line);
      const answers = {
        prepare: ${values.length > 0} ? { checks: ${JSON.stringify(values)} } : { error: 'RangeError: too deep' },
        measure: { steps: 1, seconds: ${seconds}, processor: ${seconds} * Number(process.env.OMP_NUM_THREADS) },
        memory: { baseline: 100e6, peak: 100e6 + ${seconds} * 1e6, steps: steps - 1 },
      };
      if (program === 'crash') process.exit(3);
      if (program !== 'sleep') console.log(JSON.stringify(answers[what]));
    });`;
  return { key, name: key.toUpperCase(), command: [process.execPath, '-e', answering], ...more };
}
const settings = { threads: 2, rounds: 3, measurement: 0.05, warmUp: 0, row: 100, answer: 20, steps: 0.5, memory: 1 };

async function session(libraries: Library[], run: (session: Session) => Promise<void>, more: Partial<Settings> = {}) {
  const started = new Session(libraries, { ...settings, ...more }, () => {});
  try {
    await started.start();
    await run(started);
  } finally {
    started.end();
  }
  return started.problems;
}

test('libraries are measured in turn, and told how many threads to use', async () => {
  const libraries = [pretended('adjoint', [1, 2], 3), pretended('adjoint-wasm', [1, 2], 5), pretended('x', [1, 2], 6)];
  const problems = await session(libraries, async (session) => {
    const row = { name: 'row-8', program: 'row', parameters: {}, nodes: 10, withoutBlas: true };
    const [whole, alone, ...others] = await session.time(row);
    assert.deepEqual(others, []);
    assert.deepEqual([whole.row, whole.subject, Object.keys(whole.outcomes)], ['row-8', 'adjoint', ['adjoint', 'x']]);
    assert.deepEqual(whole.outcomes.x, measured([0.6, 0.6, 0.6], { checks: [1, 2], cores: 2 }));
    assert.equal(ratio(whole, 'x', 'median'), 0.5);
    assert.deepEqual([alone.row, alone.subject], ['row-8, wasm alone', 'adjoint-wasm']);
    assert.deepEqual(Object.keys(alone.outcomes), ['adjoint-wasm', 'x']);
    const [{ outcomes }] = await session.time({ ...row, withoutBlas: false });
    assert.deepEqual(Object.keys(outcomes), ['adjoint', 'x']);
  });
  assert.deepEqual(problems, []);
});

test('peak memory is as it is, and above what was there before; who did less is remarked upon', async () => {
  await session([pretended('adjoint', [1], 3)], async (session) => {
    const row = { name: 'memory-row', program: 'row', parameters: {}, steps: 20 };
    const [peak, added] = await session.remember(row);
    const note = '9 steps of 10, for want of time';
    assert.deepEqual(peak.outcomes.adjoint, measured([103e6], { note }));
    assert.deepEqual([added.row, added.outcomes.adjoint], ['memory-row, added', measured([3e6], { note })]);
    const [, perNode] = await session.remember({ ...row, nodes: 1000 });
    assert.deepEqual([perNode.row, perNode.outcomes.adjoint], ['memory-row, per node', measured([3e3], { note })]);
  });
});

test('results that differ are problems, unless sums drift where terms are added in turn', async () => {
  const libraries = [
    pretended('adjoint', [100], 1),
    pretended('x', [102], 1),
    pretended('y', [102], 1, { addsInTurn: true }),
  ];
  const problems = await session(libraries, async (session) => {
    const [{ outcomes }] = await session.time({ name: 'row', program: 'row', parameters: {}, drift: 0.05 });
    assert.match((outcomes.y as Figures).note!, /^its result is off by 1.96 %/);
  });
  assert.deepEqual(problems, ['row, X: differs from Adjoint by 1.96 %: 102; 100']);
});

test('what failed is not tried with larger sizes; a process that ends or takes too long is started anew', async () => {
  const libraries = [pretended('adjoint', [1], 1), pretended('x', [], 1)];
  const run = async (session: Session) => {
    const row = { name: 'deep-1e4', program: 'row', parameters: {} };
    const of = async (more: object) => (await session.time({ ...row, ...more }))[0].outcomes;
    assert.deepEqual((await of({})).x, { error: 'RangeError: too deep' });
    const { adjoint, x } = await of({ name: 'deep-1e5' });
    assert.deepEqual(x, { lacks: 'not tried, since it failed before' });
    assert.ok('values' in adjoint);
    assert.deepEqual((await of({ name: 'other', program: 'crash' })).x, { error: 'the process ended: exit code 3' });
    assert.deepEqual((await of({ name: 'another', program: 'sleep' })).x, { error: 'more than 1.5 s' });
    assert.ok('values' in (await of({ name: 'deep-1e6' })).adjoint);
  };
  const problems = await session(libraries, run, { answer: 1.5 });
  assert.deepEqual(problems, ['other, ADJOINT: the process ended: exit code 3', 'another, ADJOINT: more than 1.5 s']);
});

test('a library that does not start takes no part', async () => {
  const broken = {
    key: 'x',
    name: 'X',
    command: [process.execPath, '-e', 'console.error("no such module"); process.exit(1)'],
  };
  const problems = await session([pretended('adjoint', [1], 1), broken], async (session) => {
    const [{ outcomes }] = await session.time({ name: 'row', program: 'row', parameters: {} });
    assert.deepEqual(Object.keys(outcomes), ['adjoint']);
  });
  assert.deepEqual(problems, ['X does not start: the process ended: no such module']);
});
