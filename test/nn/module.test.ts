import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AdjointError } from '../../src/errors.ts';
import { manualSeed, nn, ones, optim, Tensor, tensor, zeros } from '../../src/index.ts';

class Block extends nn.Module {
  linear = new nn.Linear(2, 2);
  scale: nn.Parameter | null;
  constructor(scaled = true) {
    super();
    this.scale = scaled ? new nn.Parameter(ones(2)) : null;
    this.registerBuffer('count', zeros(1, { dtype: 'int64' }));
    this.registerBuffer('cache', zeros(2), { persistent: false });
  }
  forward(x: Tensor): Tensor {
    const out = this.linear.forward(x);
    return this.scale ? out.mul(this.scale) : out;
  }
}

class Net extends nn.Module {
  first = new Block();
  layers = new nn.ModuleList([new Block(false), new nn.Linear(2, 1, { bias: false })]);
  note = 'not a part';
  forward(x: Tensor): Tensor {
    let out = this.first.forward(x);
    for (const layer of this.layers) out = layer.forward(out);
    return out;
  }
}

const names = <T>(list: readonly (readonly [string, T])[]): string[] => list.map(([name]) => name);

function assertFails(call: () => unknown, code: string, message: RegExp): void {
  assert.throws(
    call,
    (error) => error instanceof AdjointError && error.code === code && message.test(error.message),
    String(call),
  );
}

describe('parts', () => {
  test('are found among the fields, in order', () => {
    const net = new Net();
    assert.deepEqual(names(net.namedParameters()), [
      'first.scale',
      'first.linear.weight',
      'first.linear.bias',
      'layers.0.linear.weight',
      'layers.0.linear.bias',
      'layers.1.weight',
    ]);
    assert.equal(net.parameters().length, 6);
    assert.ok(net.parameters().every((p) => p.requiresGrad && p.isLeaf));
    assert.deepEqual(names(net.namedBuffers()), ['first.count', 'first.cache', 'layers.0.count', 'layers.0.cache']);
    assert.deepEqual(names(net.namedChildren()), ['first', 'layers']);
    assert.deepEqual(names(net.namedModules()), [
      '',
      'first',
      'first.linear',
      'layers',
      'layers.0',
      'layers.0.linear',
      'layers.1',
    ]);
    assert.deepEqual(names(net.first.namedParameters('encoder', false)), ['encoder.scale']);
    assert.deepEqual(net.parameters(false), []);
    assert.deepEqual([net.children().length, net.modules()[0] === net, net.buffers().length], [2, true, 4]);
  });

  test('that are shared are listed once', () => {
    const linear = new nn.Linear(2, 2);
    const twice = new nn.Sequential(linear, linear);
    assert.deepEqual([twice.parameters().length, twice.children().length, twice.length], [2, 1, 2]);
    const tied = new nn.Linear(2, 2);
    tied.weight = linear.weight;
    assert.equal(new nn.ModuleList([linear, tied]).parameters().length, 3);
    assert.deepEqual(Object.keys(twice.stateDict()), ['0.weight', '0.bias', '1.weight', '1.bias']);
    assert.equal(String(twice).match(/Linear/g)?.length, 2);
  });

  test('are reached by path', () => {
    const net = new Net();
    assert.equal(net.getSubmodule('layers.0.linear'), net.layers.at(0).children()[0]);
    assert.equal(net.getSubmodule(''), net);
    assert.equal(net.getParameter('first.scale'), net.first.scale);
    assert.equal(net.getBuffer('first.count').dtype, 'int64');
    assertFails(() => net.getSubmodule('first.other'), 'argument', /Block has no attribute `other`/);
    assertFails(() => net.getParameter('first.count'), 'argument', /Block has no parameter `count`/);
    assertFails(() => net.getBuffer('first.linear.weight'), 'argument', /Linear has no buffer `weight`/);
  });

  test('are replaced by assignment and registered by name', () => {
    const block = new Block();
    block.scale = null;
    block.linear = new nn.Linear(2, 3);
    assert.deepEqual(names(block.namedParameters()), ['linear.weight', 'linear.bias']);
    block.registerParameter('shift', new nn.Parameter(ones(3)));
    block.registerModule('extra', new nn.Identity());
    block.registerParameter('scale', new nn.Parameter(ones(3)));
    assert.deepEqual(names(block.namedParameters()), ['scale', 'shift', 'linear.weight', 'linear.bias']);
    assert.deepEqual(names(block.namedChildren()), ['linear', 'extra']);
    assertFails(() => block.registerParameter('forward', null), 'argument', /attribute 'forward' already exists/);
    assertFails(() => block.registerBuffer('training', null), 'argument', /attribute 'training' already exists/);
    assertFails(() => block.registerBuffer('a.b', null), 'argument', /has no "\."/);
    assertFails(
      () => block.registerParameter('w', ones(2) as never),
      'argument',
      /cannot assign a Tensor object to parameter 'w'/,
    );
    assertFails(() => block.registerBuffer('w', 3 as never), 'argument', /cannot assign 3 object to buffer 'w'/);
    assertFails(() => block.registerModule('w', {} as never), 'argument', /is not a Module subclass/);
  });
});

describe('parameters', () => {
  test('are leaves that share the memory of what they are made of', () => {
    const data = ones(2);
    const parameter = new nn.Parameter(data);
    assert.ok(parameter instanceof Tensor && parameter.isLeaf && parameter.requiresGrad);
    data.mul_(3);
    assert.deepEqual(parameter.tolist(), [3, 3]);
    assert.equal(String(parameter), 'Parameter containing:\ntensor([3., 3.], requires_grad=True)');
    assert.equal(new nn.Parameter(data, false).requiresGrad, false);
    assert.equal(new nn.Parameter(data, { requiresGrad: false }).requiresGrad, false);
    assert.ok(!(parameter.mul(2) instanceof nn.Parameter));
    assertFails(() => new nn.Parameter(tensor([1n])), 'dtype', /floating point dtype can require gradients, got int64/);
    assertFails(() => new nn.Parameter([1] as never), 'argument', /expected a Tensor/);
  });

  test('are frozen, and their gradients cleared', () => {
    const net = new Net().requiresGrad_(false);
    assert.ok(net.parameters().every((p) => !p.requiresGrad));
    net.requiresGrad_();
    net.forward(ones(1, 2)).sum().backward();
    const { weight } = net.first.linear;
    assert.notEqual(weight.grad, null);
    net.zeroGrad(false);
    assert.deepEqual(weight.grad?.tolist(), zeros(2, 2).tolist());
    net.zeroGrad();
    assert.equal(weight.grad, null);
  });
});

test('modes and functions reach every module, those below first', () => {
  const net = new Net();
  assert.equal(net.eval(), net);
  assert.ok(net.modules().every((module) => !module.training));
  net.first.train();
  assert.deepEqual([net.training, net.first.linear.training, net.layers.training], [false, true, false]);
  const seen: string[] = [];
  assert.equal(
    net.apply((module) => void seen.push(module.constructor.name)),
    net,
  );
  assert.deepEqual(seen, ['Linear', 'Block', 'Linear', 'Block', 'Linear', 'ModuleList', 'Net']);
  assertFails(() => net.train(1 as never), 'argument', /training mode is expected to be boolean, got 1/);
});

test('another dtype keeps the parameters what they are to others', () => {
  const net = new Block();
  const { weight } = net.linear;
  const sgd = new optim.SGD(net.parameters(), 0.5);
  net.forward(ones(1, 2)).sum().backward();
  assert.equal(net.double(), net);
  assert.equal(net.linear.weight, weight);
  assert.deepEqual([weight.dtype, weight.grad?.dtype, net.getBuffer('cache').dtype], ['float64', 'float64', 'float64']);
  assert.equal(net.getBuffer('count').dtype, 'int64');
  net.zeroGrad();
  net
    .forward(ones(1, 2, { dtype: 'float64' }))
    .sum()
    .backward();
  assert.deepEqual(weight.grad?.tolist(), [
    [1, 1],
    [1, 1],
  ]);
  const before = weight.tolist() as number[][];
  sgd.step();
  assert.deepEqual(
    weight.tolist(),
    before.map((row) => row.map((v) => v - 0.5)),
  );
  assert.equal(net.to({ dtype: 'float32' }).linear.weight.dtype, 'float32');
  assertFails(() => net.to('int64'), 'dtype', /only accepts floating point dtypes/);
  assert.equal(weight.dtype, 'float32');
});

describe('state dicts', () => {
  test('hold parameters and persistent buffers, and share their memory', () => {
    const net = new Net();
    const state = net.stateDict();
    assert.deepEqual(Object.keys(state), [
      'first.scale',
      'first.count',
      'first.linear.weight',
      'first.linear.bias',
      'layers.0.count',
      'layers.0.linear.weight',
      'layers.0.linear.bias',
      'layers.1.weight',
    ]);
    assert.ok(Object.values(state).every((t) => !t.requiresGrad));
    state['first.count'].add_(5);
    assert.deepEqual(net.first.getBuffer('count').tolist(), [5]);
    assert.deepEqual(Object.keys(net.layers.at(1).stateDict('head.')), ['head.weight']);
  });

  test('are loaded by copying', () => {
    manualSeed(1);
    const [from, to] = [new Net(), new Net()];
    assert.notDeepEqual(to.layers.at(1).parameters()[0].tolist(), from.layers.at(1).parameters()[0].tolist());
    assert.deepEqual(to.loadStateDict(from.stateDict()), { missingKeys: [], unexpectedKeys: [] });
    assert.deepEqual(to.forward(ones(1, 2)).tolist(), from.forward(ones(1, 2)).tolist());
    from.first.linear.weight.data.zero_();
    assert.notDeepEqual(to.first.linear.weight.tolist(), from.first.linear.weight.tolist());
    assert.ok(to.first.linear.weight.requiresGrad && to.first.linear.weight.isLeaf);
  });

  test('are cast, and may be partial if that is said', () => {
    const linear = new nn.Linear(1, 1);
    const state = { weight: tensor([[0.5]], { dtype: 'float64' }), other: ones(1) };
    assert.deepEqual(linear.loadStateDict(state, false), { missingKeys: ['bias'], unexpectedKeys: ['other'] });
    assert.deepEqual([linear.weight.tolist(), linear.weight.dtype], [[[0.5]], 'float32']);
    assert.deepEqual(linear.loadStateDict({ bias: ones(1) }, { strict: false }).missingKeys, ['weight']);
  });

  test('that do not fit change nothing, and all that is wrong is said', () => {
    const linear = new nn.Sequential(new nn.Linear(1, 1), new nn.Linear(1, 2));
    const before = JSON.stringify(linear.parameters().map((p) => p.tolist()));
    const state = { '0.bias': ones(1), '1.weight': ones(3, 1), other: ones(1) };
    assertFails(
      () => linear.loadStateDict(state),
      'shape',
      /^Error\(s\) in loading state_dict for Sequential:\n\tMissing key\(s\) in state_dict: "0\.weight", "1\.bias"\. \n\tUnexpected key\(s\) in state_dict: "other"\. \n\tsize mismatch for 1\.weight: copying a param with shape \[3, 1\] from checkpoint, the shape in current model is \[2, 1\]\.$/,
    );
    assertFails(() => linear.loadStateDict(state, false), 'shape', /size mismatch/);
    assertFails(
      () => linear.loadStateDict({ '0.bias': 3 } as never, false),
      'shape',
      /expected a Tensor for "0.bias", got 3/,
    );
    assert.equal(JSON.stringify(linear.parameters().map((p) => p.tolist())), before);
  });
});

describe('hooks', () => {
  test('see and replace arguments and results', () => {
    const linear = new nn.Identity();
    const model = new nn.Sequential(linear);
    const seen: unknown[] = [];
    const before = linear.registerForwardPreHook((module, args) => {
      seen.push(['before', module === linear, args.length]);
      return [(args[0] as Tensor).add(1)];
    });
    const after = linear.registerForwardHook((_, args, output) => {
      seen.push(['after', (args[0] as Tensor).item()]);
      return (output as Tensor).mul(10);
    });
    const silent = linear.registerForwardHook(() => void seen.push('silent'));
    assert.equal(model.forward(tensor(1)).item(), 20);
    assert.deepEqual(seen, [['before', true, 1], ['after', 2], 'silent']);
    before.remove();
    silent.remove();
    assert.equal(model.forward(tensor(1)).item(), 10);
    after.remove();
    assert.equal(model.forward(tensor(1)).item(), 1);
    assert.deepEqual(names(model.namedChildren()), ['0']);
    assert.deepEqual(Object.keys(linear), ['training']);
  });

  test('wrap a forward that is a field, and what super.forward does is its own', () => {
    class Arrow extends nn.Module {
      override forward = (x: Tensor): Tensor => x.mul(2);
    }
    const arrow = new Arrow();
    arrow.registerForwardHook((_, __, output) => (output as Tensor).add(1));
    assert.equal(arrow.forward(tensor(3)).item(), 7);
    class Doubled extends nn.Linear {
      override forward(x: Tensor): Tensor {
        return super.forward(super.forward(x));
      }
    }
    const doubled = new Doubled(1, 1);
    let calls = 0;
    doubled.registerForwardHook(() => void calls++);
    doubled.forward(ones(1, 1));
    assert.equal(calls, 1);
  });
});

describe('containers', () => {
  test('Sequential applies its modules in order', () => {
    const model = new nn.Sequential({ up: new nn.Linear(1, 2), act: new nn.ReLU(), down: new nn.Linear(2, 1) });
    assert.deepEqual(names(model.namedParameters()), ['up.weight', 'up.bias', 'down.weight', 'down.bias']);
    assert.deepEqual(model.forward(ones(3, 1)).shape, [3, 1]);
    assert.deepEqual(new nn.Sequential().forward(ones(1)).tolist(), [1]);
    assert.ok(model.at(-1) === model.at(2) && model.at(1) instanceof nn.ReLU);
  });

  test('lists grow and shrink', () => {
    const [a, b, c, d] = [new nn.ReLU(), new nn.Tanh(), new nn.Sigmoid(), new nn.Identity()];
    const list = new nn.ModuleList<nn.Layer>([a]).append(b).extend([c]).insert(1, d);
    assert.deepEqual([...list], [a, d, b, c]);
    assert.deepEqual(names(list.namedChildren()), ['0', '1', '2', '3']);
    assert.equal(list.pop(1), d);
    assert.equal(list.pop(), c);
    assert.deepEqual([[...list], list.length], [[a, b], 2]);
    assertFails(() => list.at(2), 'index', /index 2 is out of range for a list of 2/);
    assertFails(() => list.append(3 as never), 'argument', /not a Module subclass/);
    assertFails(
      () => list.forward(),
      'unsupported',
      /Module \[ModuleList\] is missing the required "forward" function/,
    );
  });

  test('dicts and lists of parameters', () => {
    const dict = new nn.ModuleDict<nn.Layer>({ relu: new nn.ReLU() }).set('linear', new nn.Linear(1, 1));
    assert.deepEqual([names([...dict]), dict.has('relu'), dict.get('tanh')], [['relu', 'linear'], true, undefined]);
    assertFails(() => dict.set('forward', new nn.ReLU()), 'argument', /attribute 'forward' already exists/);
    const list = new nn.ParameterList([ones(1), new nn.Parameter(ones(2))]);
    assert.deepEqual([list.length, list.at(-1).shape, list.parameters().length], [2, [2], 2]);
    assert.deepEqual(Object.keys(list.stateDict()), ['0', '1']);
    assert.ok([...list].every((p) => p instanceof nn.Parameter));
  });
});

test('prints as PyTorch does', () => {
  const texts: [module: nn.Module, text: string][] = [
    [new nn.Linear(3, 2), 'Linear(in_features=3, out_features=2, bias=True)'],
    [new nn.Bilinear(2, 3, 4, { bias: false }), 'Bilinear(in1_features=2, in2_features=3, out_features=4, bias=False)'],
    [new nn.Identity(), 'Identity()'],
    [new nn.ReLU(), 'ReLU()'],
    [new nn.ReLU(true), 'ReLU(inplace=True)'],
    [new nn.LeakyReLU(0.2, true), 'LeakyReLU(negative_slope=0.2, inplace=True)'],
    [new nn.ELU(), 'ELU(alpha=1.0)'],
    [new nn.GELU('tanh'), "GELU(approximate='tanh')"],
    [new nn.Softplus(), 'Softplus(beta=1.0, threshold=20.0)'],
    [new nn.Hardtanh(0, 2, true), 'Hardtanh(min_val=0.0, max_val=2.0, inplace=True)'],
    [new nn.Hardswish(true), 'Hardswish()'],
    [new nn.Softshrink(), 'Softshrink(0.5)'],
    [new nn.Threshold(0.1, 20), 'Threshold(threshold=0.1, value=20.0)'],
    [new nn.PReLU(3), 'PReLU(num_parameters=3)'],
    [new nn.RReLU(), 'RReLU(lower=0.125, upper=0.3333333333333333)'],
    [new nn.GLU(), 'GLU(dim=-1)'],
    [new nn.LogSoftmax(1), 'LogSoftmax(dim=1)'],
    [new nn.Dropout(0.2), 'Dropout(p=0.2, inplace=False)'],
    [new nn.LayerNorm(3), 'LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=True)'],
    [new nn.LayerNorm([2, 3], 1e-12, false), 'LayerNorm((2, 3), eps=1e-12, elementwise_affine=False, bias=False)'],
    [new nn.GroupNorm(2, 4), 'GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)'],
    [new nn.Embedding(10, 3, 0), 'Embedding(10, 3, padding_idx=0)'],
    [
      new nn.Embedding(10, 3, { maxNorm: 1, normType: 1.5, scaleGradByFreq: true }),
      'Embedding(10, 3, max_norm=1.0, norm_type=1.5, scale_grad_by_freq=True)',
    ],
    [new nn.Flatten(), 'Flatten(start_dim=1, end_dim=-1)'],
    [new nn.Unflatten(1, [2, 3]), 'Unflatten(dim=1, unflattened_size=(2, 3))'],
    [new nn.CrossEntropyLoss(ones(3)), 'CrossEntropyLoss()'],
    [new nn.Sequential(), 'Sequential()'],
    [
      new nn.ModuleList([new nn.Linear(1, 2), new nn.Linear(1, 2), new nn.ReLU(), new nn.Sequential(new nn.Tanh())]),
      'ModuleList(\n  (0-1): 2 x Linear(in_features=1, out_features=2, bias=True)\n  (2): ReLU()\n  (3): Sequential(\n    (0): Tanh()\n  )\n)',
    ],
    [
      new nn.ParameterList([ones(2), ones(3, 2)]),
      'ParameterList(\n    (0): Parameter containing: [torch.float32 of size 2]\n    (1): Parameter containing: [torch.float32 of size 3x2]\n)',
    ],
    [new Block(false), 'Block(\n  (linear): Linear(in_features=2, out_features=2, bias=True)\n)'],
  ];
  for (const [module, text] of texts) assert.equal(String(module), text);
});

// what the compiler must say: tsc reads these, nobody runs them
export function types(x: Tensor): void {
  const out: Tensor = new Net().forward(x);
  const weight: Tensor | null = new nn.CrossEntropyLoss({ weight: out }).weight;
  const alpha: number = new nn.ELU({ alpha: 2 }).alpha;
  new nn.Linear(1, 2, true, 'cpu', 'float64');
  new nn.Linear({ inFeatures: 1, outFeatures: 2, bias: false });
  // @ts-expect-error: no such option
  new nn.Linear(1, 2, { biases: false });
  // @ts-expect-error: a second size is missing
  new nn.Linear(1);
  // @ts-expect-error: no such reduction
  new nn.MSELoss('average');
  // @ts-expect-error: takes two tensors
  new nn.MSELoss().forward(x);
  // @ts-expect-error: not a module from one tensor to another
  new nn.Sequential(new nn.Bilinear(1, 2, 3));
  // @ts-expect-error: what forward takes is not known of any module
  (new nn.ReLU() as nn.Module).forward(x);
  // @ts-expect-error: a module must say what it computes
  class Nothing extends nn.Module {}
  return void [weight, alpha, Nothing];
}
