/** Where the time goes: calls, times and memory of operators and nodes, tables and traces. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { autograd, ones, type Tensor, utils } from '../../src/index.ts';

const { EventList, profile, recordFunction } = autograd.profiler;
type Row = autograd.profiler.FunctionEventAvg;

const x = ones(100, 100, { requiresGrad: true });
const loss = (): Tensor => x.mm(x).add(x).tanh().sum();
const namesIn = (prof: { functionEvents: autograd.profiler.FunctionEvent[] }): string[] =>
  prof.functionEvents.map(({ name }) => name);
const close = (a: number, b: number): void =>
  assert.ok(Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(b)), `${a}, ${b}`);

describe('profile', () => {
  test('records operators of forward and backward in the order in which they begin', () => {
    const prof = profile(() => {
      const y = loss();
      y.backward();
      return y;
    });
    assert.deepEqual(prof.result.shape, []);
    const names = namesIn(prof);
    assert.deepEqual(names.slice(0, 4), ['mm', 'add', 'tanh', 'sum']);
    const nodes = prof.functionEvents.filter(({ kind }) => kind === 'backward').map(({ name }) => name);
    assert.deepEqual(nodes, ['SumBackward0', 'TanhBackward0', 'AddBackward0', 'MmBackward0', 'AccumulateGrad']);
    assert.equal(prof.keyAverages().find(({ key }) => key === 'mm')?.count, 3);
    const starts = prof.functionEvents.map(({ start }) => start);
    assert.deepEqual(
      starts,
      [...starts].sort((a, b) => a - b),
    );
  });

  test('writes in place end in an underscore', () => {
    const prof = profile(() => ones(3).mul_(2).add_(1));
    assert.deepEqual(namesIn(prof), ['mul_', 'add_']);
  });

  test('own times add up to the times of the outermost calls', () => {
    const prof = profile(() => recordFunction('all', () => loss().backward()));
    const [all] = prof.functionEvents;
    close(prof.selfCpuTimeTotal, all.cpuTimeTotal);
    assert.ok(prof.functionEvents.every((event) => event.selfCpuTimeTotal >= 0));
    assert.ok(prof.functionEvents.every((event) => event.selfCpuTimeTotal <= event.cpuTimeTotal));
    assert.ok(all.cpuTimeTotal > 0);
  });

  test('memory is that of the results: none for views and writes in place', () => {
    const prof = profile(() => loss().backward());
    const of = (key: string): Row => prof.keyAverages().find((row) => row.key === key) as Row;
    const bytes = 4 * 100 * 100;
    assert.equal(of('tanh').cpuMemoryUsage, bytes);
    assert.equal(of('mm').cpuMemoryUsage, 3 * bytes);
    assert.equal(of('sum').cpuMemoryUsage, 4);
    assert.equal(of('expand').cpuMemoryUsage, 0);
    assert.deepEqual([of('MmBackward0').cpuMemoryUsage, of('MmBackward0').selfCpuMemoryUsage], [2 * bytes, 0]);
    assert.equal(
      profile(() => x.detach().mul_(1)).functionEvents.every((event) => event.cpuMemoryUsage === 0),
      true,
    );
  });

  test('ends with the callback, also if it throws', () => {
    const prof = profile(() => x.exp());
    x.exp();
    assert.equal(prof.functionEvents.length, 1);
    assert.throws(
      () =>
        profile(() => {
          throw new RangeError('mine');
        }),
      RangeError,
    );
    assert.throws(() => profile(() => recordFunction('part', () => x.mm(ones(3)))), { code: 'shape' });
    assert.equal(profile(() => 1).functionEvents.length, 0);
  });

  test('does not nest, and refuses an async callback', () => {
    profile(() => {
      assert.throws(() => profile(() => 1), { code: 'argument', message: /profiles do not nest/ });
    });
    assert.throws(() => profile(async () => {}), { code: 'argument', message: /async callback/ });
    assert.equal(profile(() => 1).result, 1);
  });

  test('the form for `using`', () => {
    const prof = profile();
    x.exp();
    prof[Symbol.dispose]();
    x.exp();
    assert.deepEqual(namesIn(prof), ['exp']);
  });

  test('goes on after what throws', () => {
    const prof = profile(() => {
      assert.throws(() => recordFunction('bad', () => x.mm(ones(3, 3))), { code: 'shape' });
      const y = x.exp();
      y.registerHook(() => {
        throw new RangeError('mine');
      });
      assert.throws(() => recordFunction('outer', () => y.sum().backward()), RangeError);
      x.tanh();
    });
    const names = namesIn(prof);
    assert.equal(names[0], 'bad');
    assert.ok(names.includes('SumBackward0'));
    assert.ok(!names.includes('ExpBackward0'));
    assert.equal(names.at(-1), 'tanh');
    const [bad, outer, tanh] = ['bad', 'outer', 'tanh'].map((name) => prof.functionEvents[names.indexOf(name)]);
    assert.ok(bad.start + bad.cpuTimeTotal <= outer.start);
    assert.ok(outer.start + outer.cpuTimeTotal <= tanh.start);
  });

  test('gradients are those without it', () => {
    const [plain] = autograd.grad(loss(), x);
    const [profiled] = profile(() => autograd.grad(loss(), x)).result;
    assert.ok(profiled.equal(plain));
    assert.ok(profile(() => autograd.grad(loss(), x, { createGraph: true })).result[0].requiresGrad);
  });
});

describe('events', () => {
  const events = (options: autograd.profiler.ProfileOptions, work: () => void): autograd.profiler.FunctionEvent[] => [
    ...profile(options, work).functionEvents,
  ];

  test('form trees: what a call is inside of, and what is inside of it', () => {
    const all = events({}, () => recordFunction('outer', () => loss().backward()));
    const [outer] = all;
    assert.equal(outer.cpuParent, null);
    const direct = all.filter(({ cpuParent }) => cpuParent === outer);
    assert.deepEqual(outer.cpuChildren, direct);
    assert.deepEqual(
      direct.slice(0, 5).map(({ name }) => name),
      ['mm', 'add', 'tanh', 'sum', 'SumBackward0'],
    );
    for (const event of all) {
      const inside = event.cpuChildren.reduce((sum, { cpuTimeTotal }) => sum + cpuTimeTotal, 0);
      close(event.selfCpuTimeTotal, event.cpuTimeTotal - inside);
      for (const child of event.cpuChildren) {
        assert.ok(child.start >= event.start);
        assert.ok(child.start + child.cpuTimeTotal <= event.start + event.cpuTimeTotal + 1e-6);
      }
    }
    const end = (event: autograd.profiler.FunctionEvent): number => event.start + event.cpuTimeTotal;
    for (const [i, event] of direct.slice(1).entries()) assert.ok(event.start >= end(direct[i]));
  });

  test('of an operator and of the node that it left have one number', () => {
    const a = ones(10, 10, { requiresGrad: true });
    const all = events({}, () => {
      const b = a.add(a);
      b.add_(1);
      b.mul(ones(10, 10)).sum().backward();
      a.detach().exp();
    });
    const numbers = (name: string): number[] => all.filter((event) => event.name === name).map((e) => e.sequenceNr);
    for (const [operator, node] of [
      ['sum', 'SumBackward0'],
      ['add_', 'AddBackward0'],
    ]) {
      assert.equal(numbers(operator)[0], numbers(node)[0]);
      assert.ok(numbers(operator)[0] >= 0);
    }
    assert.equal(numbers('add')[0], numbers('AddBackward0')[1]);
    assert.deepEqual(numbers('AccumulateGrad'), [-1]);
    assert.deepEqual(numbers('exp'), [-1]);
  });

  test('have the shapes of inputs if asked', () => {
    const [w, input] = [ones(20, 5, { requiresGrad: true }), ones(10, 20)];
    const work = (): void => input.mm(w).mul(2).sum().backward();
    const of = (name: string) => events({ recordShapes: true }, work).find((event) => event.name === name)?.inputShapes;
    assert.deepEqual(of('mm'), [
      [10, 20],
      [20, 5],
    ]);
    assert.deepEqual(of('mul'), [[10, 5], []]);
    assert.deepEqual(of('MulBackward0'), [[10, 5]]);
    assert.deepEqual(of('AccumulateGrad'), [[20, 5]]);
    assert.ok(events({}, work).every(({ inputShapes }) => inputShapes.length === 0));
  });

  test('have the calls that led to them if asked; in a backward, those of the operator of the node', () => {
    const a = ones(3, { requiresGrad: true });
    function caller(): Tensor {
      return a.exp().mul(2);
    }
    const all = events({ withStack: true }, () => caller().sum().backward());
    const inCaller = all.filter(({ stack }) => stack.some((frame) => frame.includes('caller')));
    const names = inCaller.map(({ name }) => name);
    for (const name of ['exp', 'mul', 'MulBackward0', 'ExpBackward0']) assert.ok(names.includes(name), name);
    assert.ok(!names.includes('sum') && !names.includes('SumBackward0'));
    const inBackward = all.filter(({ cpuParent }) => cpuParent?.name === 'ExpBackward0');
    assert.ok(inBackward.length > 0 && inBackward.every(({ stack }) => stack.some((f) => f.includes('caller'))));
    assert.ok(events({}, () => caller()).every(({ stack }) => stack.length === 0));
  });

  test('are none if it is not enabled, and no memory if that is not wanted', () => {
    const off = profile({ enabled: false }, () => x.exp());
    assert.deepEqual([off.functionEvents.length, off.result.shape, off.table()], [0, [100, 100], '']);
    profile({ enabled: false }, () => profile(() => x.exp()));
    const prof = profile({ profileMemory: false }, () => loss().backward());
    assert.ok(prof.functionEvents.every(({ cpuMemoryUsage }) => cpuMemoryUsage === 0));
    for (const table of [prof.table(), prof.keyAverages().table()]) assert.doesNotMatch(table, /CPU Mem/);
    const guard = profile({ recordShapes: true });
    x.exp();
    guard[Symbol.dispose]();
    assert.deepEqual(guard.functionEvents[0].inputShapes, [[100, 100]]);
    assert.throws(() => profile({ record: true } as never, () => 1), {
      code: 'argument',
      message: /unknown option "record"/,
    });
  });

  test('see what checkpoints compute again', () => {
    const prof = profile(() =>
      utils.checkpoint
        .checkpoint((t: Tensor) => t.sin().exp(), x)
        .sum()
        .backward(),
    );
    assert.equal(prof.keyAverages().find(({ key }) => key === 'sin')?.count, 2);
    const again = prof.functionEvents.filter(({ name }) => name === 'sin')[1];
    assert.equal(again.cpuParent?.name, 'ExpBackward0');
  });
});

describe('recordFunction', () => {
  test('names a part of the program, with what happens in it inside', () => {
    const prof = profile(() => {
      const y = recordFunction('outer', () => {
        const z = x.mul(2).add(4);
        return recordFunction('inner', () => z.sub(1));
      });
      return y.div(1);
    });
    assert.deepEqual(namesIn(prof), ['outer', 'mul', 'add', 'inner', 'sub', 'div']);
    const [outer, mul, add, inner] = prof.functionEvents;
    assert.equal(outer.kind, 'user');
    close(outer.cpuTimeTotal, outer.selfCpuTimeTotal + mul.cpuTimeTotal + add.cpuTimeTotal + inner.cpuTimeTotal);
    assert.equal(outer.cpuMemoryUsage, 3 * 40000);
    assert.equal(inner.cpuMemoryUsage, 40000);
  });

  test('without a profile it only calls the callback', () => {
    assert.equal(
      recordFunction('alone', () => 3),
      3,
    );
    const guard = recordFunction('alone');
    const prof = profile();
    guard[Symbol.dispose]();
    const inside = recordFunction('inside');
    prof[Symbol.dispose]();
    inside[Symbol.dispose]();
    assert.deepEqual(namesIn(prof), ['inside']);
    assert.throws(() => recordFunction(3 as never), { code: 'argument', message: /a name is a string, got 3/ });
  });
});

/** Rows with figures that do not depend on a clock. */
function made(): InstanceType<typeof EventList> {
  const rows: Row[] = [
    {
      key: 'mm',
      count: 3,
      cpuTime: 500,
      cpuTimeTotal: 1500,
      selfCpuTimeTotal: 1500,
      cpuMemoryUsage: 120000,
      selfCpuMemoryUsage: 120000,
    },
    {
      key: 'a'.repeat(60),
      count: 1,
      cpuTime: 2e6,
      cpuTimeTotal: 2e6,
      selfCpuTimeTotal: 0.25,
      cpuMemoryUsage: 3 * 2 ** 30,
      selfCpuMemoryUsage: -(5 * 2 ** 20),
    },
    {
      key: 'add_',
      count: 12,
      cpuTime: 12.5,
      cpuTimeTotal: 150,
      selfCpuTimeTotal: 150,
      cpuMemoryUsage: 0,
      selfCpuMemoryUsage: -4,
    },
  ];
  return EventList.from(rows) as InstanceType<typeof EventList>;
}

describe('tables', () => {
  test('look like PyTorch’s', () => {
    const lines = made().table().split('\n');
    const rule = [55, 12, 12, 12, 12, 12, 12, 12, 12].map((width) => `${'-'.repeat(width)}  `).join('');
    const row = (...cells: string[]): string =>
      cells.map((cell, i) => `${cell.padStart(i === 0 ? 55 : 12)}  `).join('');
    assert.deepEqual(lines, [
      rule,
      row(
        'Name',
        'Self CPU %',
        'Self CPU',
        'CPU total %',
        'CPU total',
        'CPU time avg',
        'CPU Mem',
        'Self CPU Mem',
        '# of Calls',
      ),
      rule,
      row('mm', '90.90%', '1.500ms', '90.90%', '1.500ms', '500.000us', '117.19 KB', '117.19 KB', '3'),
      row(`${'a'.repeat(52)}...`, '0.02%', '0.250us', '121193.76%', '2.000s', '2.000s', '3.00 GB', '-5.00 MB', '1'),
      row('add_', '9.09%', '150.000us', '9.09%', '150.000us', '12.500us', '0 B', '-4 B', '12'),
      rule,
      'Self CPU time total: 1.650ms',
      '',
    ]);
  });

  test('the name column is as wide as it has to be, and no rows are no table', () => {
    const [first] = (EventList.from([made()[0]]) as InstanceType<typeof EventList>).table().split('\n');
    assert.equal(first.indexOf(' '), 6);
    assert.equal(
      profile(() => 1)
        .keyAverages()
        .table(),
      '',
    );
  });

  test('sorted by any column, greatest first, and cut', () => {
    const order = (table: string): string[] =>
      table
        .split('\n')
        .slice(3, -3)
        .map((line) => line.trim().split(' ')[0].slice(0, 4));
    assert.deepEqual(order(made().table('count')), ['add_', 'mm', 'aaaa']);
    assert.deepEqual(order(made().table('cpuTimeTotal')), ['aaaa', 'mm', 'add_']);
    assert.deepEqual(order(made().table('selfCpuMemoryUsage', 2)), ['mm', 'add_']);
    assert.deepEqual(order(made().table({ sortBy: 'selfCpuTimeTotal', rowLimit: 1 })), ['mm']);
    assert.deepEqual(order(made().table(null, 2)), ['mm', 'aaaa']);
    assert.throws(() => made().table('time' as never), {
      code: 'argument',
      message: /sortBy is one of "count".*, got "time"/,
    });
    assert.throws(() => made().table({ sort: 'count' } as never), {
      code: 'argument',
      message: /unknown option "sort"/,
    });
  });

  test('of any number of rows, with a text above, of the outermost calls, with short names', () => {
    assert.equal(made().table(null, -1), made().table());
    const lines = made().table({ header: 'Three rows' }).split('\n');
    assert.equal(lines[0], '='.repeat(lines[2].length));
    assert.equal(lines[1], 'Three rows');
    assert.deepEqual(lines.slice(2), made().table().split('\n'));
    const prof = profile(() => recordFunction('outer', () => recordFunction('inner', () => x.exp())));
    for (const list of [prof, prof.keyAverages()]) {
      const top = list.table({ topLevelEventsOnly: true });
      assert.match(top, /Only calls that are not inside of others/);
      assert.match(top, / outer /);
      assert.doesNotMatch(top, /inner|exp/);
    }
    const short = made().table({ maxNameColumnWidth: 20 }).split('\n')[4];
    assert.ok(short.startsWith(`${'a'.repeat(17)}...  `), short);
  });

  test('of calls grouped by the shapes of their inputs', () => {
    const prof = profile({ recordShapes: true }, () => {
      for (const n of [2, 3, 3]) ones(n, n).mm(ones(n, n));
    });
    const count = (options?: autograd.profiler.AverageOptions): [number, unknown][] =>
      prof
        .keyAverages(options)
        .filter(({ key }) => key === 'mm')
        .map((row) => [row.count, row.inputShapes]);
    assert.deepEqual(count(), [[3, undefined]]);
    const [two, three] = [2, 3].map((n) => [
      [n, n],
      [n, n],
    ]);
    assert.deepEqual(count({ groupByInputShape: true }), [
      [1, two],
      [2, three],
    ]);
    const table = prof.keyAverages({ groupByInputShape: true }).table('count');
    assert.match(table, /# of Calls +Input Shapes/);
    assert.match(table, / 2 +\[\[3, 3\], \[3, 3\]\] /);
    assert.doesNotMatch(prof.keyAverages().table(), /Input Shapes/);
    assert.throws(() => prof.keyAverages({ by: 1 } as never), { code: 'argument', message: /unknown option "by"/ });
  });

  test('of calls grouped by where they come from', () => {
    const prof = profile({ withStack: true }, () => {
      for (let i = 0; i < 3; i++) x.exp();
      x.exp();
    });
    const counts = (groupByStackN: number): number[] =>
      [...prof.keyAverages({ groupByStackN })].map(({ count }) => count);
    assert.deepEqual(counts(0), [4]);
    assert.deepEqual(
      counts(50).reduce((a, b) => a + b),
      4,
    );
    assert.ok(counts(50).length > 1);
    const table = prof.keyAverages({ groupByStackN: 2 }).table();
    assert.match(table, /Source Location/);
    assert.match(table, / at /);
  });

  test('averages and totals', () => {
    const prof = profile(() => {
      for (let i = 0; i < 5; i++) x.exp();
      x.tanh();
    });
    const rows = prof.keyAverages();
    assert.deepEqual(
      rows.map(({ key, count }) => [key, count]),
      [
        ['exp', 5],
        ['tanh', 1],
      ],
    );
    close(rows[0].cpuTime * 5, rows[0].cpuTimeTotal);
    const total = prof.totalAverage();
    assert.deepEqual([total.key, total.count, total.cpuMemoryUsage], ['Total', 6, 6 * 40000]);
    close(total.selfCpuTimeTotal, prof.selfCpuTimeTotal);
    assert.equal(String(prof), prof.table());
    assert.equal(prof.table().split('\n').length, 3 + 6 + 3);
    assert.equal(String(rows), rows.table());
  });
});

describe('traces', () => {
  test('are JSON with one entry for each call', () => {
    const prof = profile(() => recordFunction('part', () => loss().backward()));
    const { traceEvents } = JSON.parse(prof.exportChromeTrace());
    const [head, ...rest] = traceEvents;
    assert.deepEqual([head.ph, head.name], ['M', 'process_name']);
    const calls = rest.filter(({ ph }: { ph: string }) => ph === 'X');
    assert.deepEqual(
      calls.map(({ name }: { name: string }) => name),
      namesIn(prof),
    );
    for (const [i, event] of prof.functionEvents.entries()) {
      assert.equal(calls[i].ph, 'X');
      close(calls[i].ts, event.start);
      close(calls[i].dur, event.cpuTimeTotal);
    }
    assert.equal(calls[0].cat, 'user_annotation');
    assert.equal(calls[1].cat, 'cpu_op');
  });

  test('have an arrow from each operator to its node', () => {
    const prof = profile({ recordShapes: true, withStack: true }, () => x.mm(x).sum().backward());
    const { traceEvents } = JSON.parse(prof.exportChromeTrace());
    const arrows = traceEvents.filter(({ cat }: { cat: string }) => cat === 'fwdbwd');
    const times = (name: string): number | undefined => prof.functionEvents.find((event) => event.name === name)?.start;
    assert.deepEqual(
      arrows.map(({ ph, ts }: { ph: string; ts: number }) => [ph, ts]),
      [
        ['s', times('sum')],
        ['f', times('SumBackward0')],
        ['s', times('mm')],
        ['f', times('MmBackward0')],
      ],
    );
    const { args } = traceEvents.find(({ name }: { name: string }) => name === 'mm');
    assert.deepEqual(args['Input Dims'], [
      [100, 100],
      [100, 100],
    ]);
    assert.equal(args['Sequence number'], arrows[2].id);
    assert.match(args['Call stack'], /profiler\.test/);
  });

  test('are written to a file where there are files', () => {
    const folder = mkdtempSync(join(tmpdir(), 'adjoint-'));
    try {
      const path = join(folder, 'trace.json');
      const text = profile(() => x.exp()).exportChromeTrace(path);
      assert.equal(readFileSync(path, 'utf8'), text);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
