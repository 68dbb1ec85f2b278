import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AdjointError } from '../../src/errors.ts';
import { autograd, isGradEnabled, nn, noGrad, ones, optim, type Tensor, tensor } from '../../src/index.ts';

const leaf = (data: number[]): Tensor => tensor(data, { requiresGrad: true });

/** Gives every parameter the gradient of sum(p^2). */
function differentiate(...params: Tensor[]): Tensor {
  const loss = params.map((p) => p.square().sum()).reduce((a, b) => a.add(b));
  loss.backward();
  return loss;
}

describe('step', () => {
  test('moves what has a gradient, and nothing else', () => {
    const [p, q] = [leaf([1, 2]), leaf([3])];
    const sgd = new optim.SGD([p, q], 0.25);
    differentiate(p);
    assert.equal(sgd.step(), null);
    assert.deepEqual([p.tolist(), q.tolist()], [[0.5, 1], [3]]);
    assert.ok(p.isLeaf && p.requiresGrad && p.gradFn === null);
  });

  test('counts as a write: a graph that needs the old parameter cannot be gone through', () => {
    const p = leaf([1, 2]);
    const sgd = new optim.SGD([p], 0.1);
    const loss = differentiate(p);
    assert.equal(loss.requiresGrad, true);
    const later = p.square().sum();
    sgd.step();
    assert.throws(() => later.backward(), { code: 'inplace' });
  });

  test('a closure runs with the graph recorded, and its result is returned', () => {
    const p = leaf([1]);
    const sgd = new optim.SGD([p], { lr: 0.5 });
    const loss = noGrad(() =>
      sgd.step(() => {
        assert.ok(isGradEnabled());
        sgd.zeroGrad();
        return differentiate(p);
      }),
    );
    assert.equal(loss.item(), 1);
    assert.deepEqual(p.tolist(), [0]);
    assert.throws(() => sgd.step(() => assert.fail('no loss')));
    assert.deepEqual(p.tolist(), [0]);
  });

  test('parameters that are views of a transposed or shared memory', () => {
    const base = ones(2, 3);
    const p = base.t().detach().requiresGrad_();
    const sgd = new optim.SGD([p], { lr: 0.5, momentum: 0.5 });
    p.sum().backward();
    sgd.step();
    assert.deepEqual(base.tolist(), Array(2).fill(Array(3).fill(0.5)));
  });

  test('a gradient that shares its memory with the parameter', () => {
    const memory = tensor([1, 2, 4]);
    const [p, q] = [memory.narrow(0, 0, 2).detach().requiresGrad_(), leaf([1, 2])];
    const adam = new optim.Adam([p, q], { lr: 0.5 });
    p.grad = memory.narrow(0, 1, 2);
    q.grad = tensor([2, 4]);
    adam.step();
    assert.deepEqual(p.tolist(), q.tolist());
    const sgd = new optim.SGD([q], { lr: 0.5, momentum: 0.5 });
    q.grad = q.detach();
    sgd.step();
    assert.deepEqual(q.tolist(), p.mul(0.5).tolist());
  });

  test('is one operator to those who look on', () => {
    const p = leaf([1, 2]);
    const adam = new optim.AdamW([p]);
    p.grad = tensor([2, 4]);
    const seen = autograd.profiler.profile(() => adam.step());
    assert.ok(seen.keyAverages().some(({ key }) => key === 'adam_'));
  });

  test('a parameter that does not decay is not multiplied', () => {
    const p = leaf([Number.POSITIVE_INFINITY, 1]);
    const sgd = new optim.SGD([p], 0.5);
    p.grad = tensor([1, 1]);
    sgd.step();
    assert.deepEqual(p.tolist(), [Number.POSITIVE_INFINITY, 0.5]);
  });
});

describe('groups', () => {
  test('have options of their own', () => {
    const [p, q, r] = [leaf([1]), leaf([1]), leaf([1])];
    const sgd = new optim.SGD([{ params: [p] }, { params: q, lr: 0.25 }], { lr: 0.125, momentum: 0.5 });
    sgd.addParamGroup({ params: [r], lr: 0 });
    assert.deepEqual(
      sgd.paramGroups.map(({ lr, momentum }) => [lr, momentum]),
      [
        [0.125, 0.5],
        [0.25, 0.5],
        [0, 0.5],
      ],
    );
    differentiate(p, q, r);
    sgd.step();
    assert.deepEqual(
      [p, q, r].map((t) => t.item()),
      [0.75, 0.5, 1],
    );
    sgd.paramGroups[0].lr = 0.5;
    sgd.zeroGrad();
    differentiate(p);
    sgd.step();
    assert.equal(p.item(), 0.75 - 0.5 * (0.5 * 2 + 1.5));
  });

  test('zeroGrad drops gradients or makes them zeros', () => {
    const [p, q] = [leaf([1]), leaf([1])];
    const sgd = new optim.SGD([p, q]);
    differentiate(p);
    const { grad } = p;
    sgd.zeroGrad(false);
    assert.deepEqual([p.grad?.tolist(), q.grad, grad?.tolist()], [[0], null, [0]]);
    sgd.zeroGrad({ setToNone: true });
    assert.equal(p.grad, null);
  });
});

describe('state', () => {
  const build = (p: Tensor, q: Tensor): optim.Adam =>
    new optim.Adam([{ params: [p] }, { params: [q], lr: 0.3 }], { lr: 0.1, amsgrad: true });

  test('continues in another optimizer', () => {
    const [p, q] = [leaf([1, 2]), leaf([3])];
    const adam = build(p, q);
    const run = (own: optim.Adam, ...params: Tensor[]): number[][] => {
      own.zeroGrad();
      differentiate(...params);
      own.step();
      return params.map((t) => t.tolist() as number[]);
    };
    run(adam, p, q);
    const saved = adam.stateDict();
    assert.deepEqual(Object.keys(saved.state), ['0', '1']);
    assert.deepEqual(Object.keys(saved.state[0]), ['step', 'expAvg', 'expAvgSq', 'maxExpAvgSq']);
    assert.deepEqual(saved.paramGroups[1], {
      lr: 0.3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0,
      amsgrad: true,
      maximize: false,
      decoupledWeightDecay: false,
      params: [1],
    });
    const [p2, q2] = [leaf(p.tolist() as number[]), leaf(q.tolist() as number[])];
    const other = build(p2, q2);
    other.paramGroups[0].lr = 7;
    other.loadStateDict(saved);
    assert.deepEqual(run(other, p2, q2), run(adam, p, q));
    assert.equal(other.state.get(p2)?.step, 2);
    // a copy: the other's steps did not touch what was saved from it
    assert.notEqual(other.state.get(p2)?.expAvg, adam.state.get(p)?.expAvg);
  });

  test('is cast to the dtype of the parameter', () => {
    const p = leaf([1]);
    const sgd = new optim.SGD([p], { momentum: 0.9 });
    differentiate(p);
    sgd.step();
    const q = tensor([1], { dtype: 'float64', requiresGrad: true });
    const other = new optim.SGD([q]);
    other.loadStateDict(sgd.stateDict());
    assert.equal(other.state.get(q)?.momentumBuffer.dtype, 'float64');
    assert.equal(other.paramGroups[0].momentum, 0.9);
  });

  test('that does not fit changes nothing', () => {
    const [p, q] = [leaf([1, 2]), leaf([3])];
    const adam = build(p, q);
    differentiate(p, q);
    adam.step();
    const before = JSON.stringify(adam.paramGroups.map(({ params, ...options }) => options));
    const saved = adam.stateDict();
    assert.throws(
      () => adam.loadStateDict({ ...saved, paramGroups: [] }),
      /different number of parameter groups: 0, not 2/,
    );
    const [first, second] = saved.paramGroups;
    assert.throws(
      () => adam.loadStateDict({ ...saved, paramGroups: [first, { ...second, params: [] }] }),
      /doesn't match the size of optimizer's group: 0, not 1 in group 1/,
    );
    assert.throws(
      () => adam.loadStateDict({ ...saved, paramGroups: [first, { ...second, eps: -1 }] }),
      /Invalid epsilon value: -1/,
    );
    assert.equal(JSON.stringify(adam.paramGroups.map(({ params, ...options }) => options)), before);
    assert.equal(adam.state.get(p)?.step, 1);
  });
});

test('shows its groups', () => {
  assert.equal(
    String(new optim.SGD([leaf([1])], 0.1)),
    'SGD (\nParameter Group 0\n    lr: 0.1\n    momentum: 0\n    dampening: 0\n    weightDecay: 0\n    nesterov: false\n    maximize: false\n)',
  );
});

test('takes what a module gives', () => {
  const model = new nn.Linear(2, 1);
  const adamw = new optim.AdamW(model.parameters(), { lr: 0.1 });
  assert.equal(adamw.paramGroups[0].weightDecay, 0.01);
  assert.equal(adamw.paramGroups[0].params[0], model.weight);
  model.forward(ones(1, 2)).sum().backward();
  adamw.step();
  assert.ok(model.weight instanceof nn.Parameter);
});

test('what cannot be optimized, or not so', () => {
  const p = leaf([1]);
  const cases: [() => unknown, string, RegExp][] = [
    [() => new optim.SGD([p], -1), 'argument', /Invalid learning rate: -1/],
    [() => new optim.SGD([p], { momentum: -1 }), 'argument', /Invalid momentum value: -1/],
    [() => new optim.SGD([p], { weightDecay: -1 }), 'argument', /Invalid weight_decay value: -1/],
    [
      () => new optim.SGD([p], { nesterov: true }),
      'argument',
      /Nesterov momentum requires a momentum and zero dampening/,
    ],
    [() => new optim.SGD([p], { learningRate: 1 } as never), 'argument', /unknown option "learningRate"/],
    [() => new optim.SGD([p], Number.NaN), 'argument', /Invalid learning rate: NaN/],
    [() => new optim.Adam([p], -1), 'argument', /Invalid learning rate: -1/],
    [() => new optim.Adam([p], { eps: -1 }), 'argument', /Invalid epsilon value: -1/],
    [() => new optim.Adam([p], { betas: [1, 0.9] }), 'argument', /Invalid beta parameter at index 0: 1/],
    [() => new optim.Adam([p], { betas: [0.9, 1.5] }), 'argument', /Invalid beta parameter at index 1: 1.5/],
    [() => new optim.AdamW([p], { weightDecay: -1 }), 'argument', /Invalid weight_decay value: -1/],
    [() => new optim.SGD([]), 'argument', /optimizer got an empty parameter list/],
    [
      () => new optim.SGD(p as never),
      'argument',
      /should be an iterable of Tensors or of objects .*, but got a Tensor/,
    ],
    [() => new optim.SGD([1] as never), 'argument', /can only optimize Tensors, but one of the params is 1/],
    [() => new optim.SGD([p.mul(2)]), 'autograd', /can't optimize a non-leaf Tensor/],
    [() => new optim.SGD([p, p]), 'argument', /more than one parameter group, or twice/],
    [() => new optim.SGD([{ params: [p] }, { params: [p] }]), 'argument', /more than one parameter group/],
    [() => new optim.SGD([{ params: [p], learningRate: 2 } as never]), 'argument', /unknown option "learningRate"/],
    [() => new optim.SGD([{ lr: 2 } as never]), 'argument', /params of a group should be an iterable/],
    [() => new optim.SGD([{ params: [p], lr: -3 }]), 'argument', /Invalid learning rate: -3/],
  ];
  for (const [call, code, message] of cases) {
    assert.throws(
      call,
      (error) => error instanceof AdjointError && error.code === code && message.test(error.message),
      String(call),
    );
  }
  const sgd = new optim.SGD([p]);
  assert.throws(() => sgd.addParamGroup({ params: [p] }), { code: 'argument' });
  assert.equal(sgd.paramGroups.length, 1);
});
