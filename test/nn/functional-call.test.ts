/** Modules as functions of their parameters, and ensembles of them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { func, manualSeed, nn, randn, stack, type Tensor, tensor } from '../../src/index.ts';

const close = (a: Tensor, b: Tensor): void => {
  assert.deepEqual([...a.shape], [...b.shape]);
  assert.ok((a.detach().sub(b.detach()).abs().max().item() as number) < 1e-5);
};

test('a module with other parameters, which are put back', () => {
  manualSeed(0);
  const model = new nn.Sequential(new nn.Linear(3, 4), new nn.Tanh(), new nn.Linear(4, 2));
  const x = randn(5, 3);
  const before = model.forward(x);
  const zeros = Object.fromEntries(model.namedParameters().map(([path, p]) => [path, p.detach().mul(0)]));
  close(func.functionalCall(model, zeros, [x]), before.detach().mul(0));
  close(model.forward(x), before);
  assert.throws(
    () => func.functionalCall(model, { '0.w': x }, [x]),
    /the module has no parameter or buffer "0\.w"; it has 0\.weight, 0\.bias, 2\.weight, 2\.bias/,
  );
  assert.throws(() => func.functionalCall(model, { 'one.weight': x }, [x]), /has no attribute `one` that is a Module/);
});

/** The same parameter twice, and a buffer. */
class Tied extends nn.Module {
  a = new nn.Parameter(tensor([1]));
  b = this.a;
  declare shift: Tensor;
  constructor() {
    super();
    this.registerBuffer('shift', tensor([10]));
  }
  forward(x: Tensor, factor = 1): Tensor {
    return this.a.add(this.b).mul(x).mul(factor).add(this.shift);
  }
}

describe('functionalCall', () => {
  const module = new Tied();
  const [zero, one, two] = [0, 1, 2].map((value) => tensor([value]));
  const call = (
    given: Parameters<typeof func.functionalCall>[1],
    options?: Parameters<typeof func.functionalCall>[3],
  ): unknown => func.functionalCall(module, given, [one], options).tolist();

  test('replaces a parameter wherever it is, unless told not to', () => {
    assert.deepEqual(call({ a: zero }), [10]);
    assert.deepEqual(call({ b: zero }), [10]);
    assert.deepEqual(call({ a: zero }, { tieWeights: false }), [11]);
    assert.deepEqual(call({ a: zero, b: zero }), [10]);
    assert.throws(() => call({ a: zero, b: two }), {
      code: 'argument',
      message: /got multiple values for keys \["a", "b"\], which are tied. Consider using tieWeights: false/,
    });
    assert.deepEqual(call({ a: zero, b: two }, { tieWeights: false }), [12]);
    assert.deepEqual(module.forward(one).tolist(), [12]);
  });

  test('takes modules by any of their names', () => {
    const inner = new nn.Linear(1, 1, { bias: false });
    const twice = new nn.Sequential(inner, inner);
    assert.deepEqual(func.functionalCall(twice, { '1.weight': tensor([[3]]) }, [one]).tolist(), [9]);
  });

  test('takes one object or several, which do not overlap', () => {
    assert.deepEqual(call([{ a: zero }, { shift: zero }]), [0]);
    assert.throws(() => call([{ a: zero }, { a: zero }]), /\["a"\] appeared in multiple dictionaries/);
    assert.throws(() => call([1 as never]), /in an object, or in a list of objects, but got 1/);
    assert.throws(() => call({ a: 1 as never }), /1, which was given for "a", is not a Tensor/);
  });

  test('takes one argument alone, several in an array', () => {
    assert.deepEqual(func.functionalCall(module, { a: two }, one).tolist(), [14]);
    assert.deepEqual(func.functionalCall(module, { a: two }, [one, 3]).tolist(), [22]);
  });

  test('may be strict: everything has to be given', () => {
    assert.throws(() => call({ a: zero }, { strict: true }), {
      code: 'argument',
      message: /Missing key\(s\): "shift"/,
    });
    assert.deepEqual(call({ a: zero, shift: zero }, { strict: true }), [0]);
    assert.throws(() => call({ a: zero }, { stric: true } as never), /unknown option "stric"/);
  });

  test('puts everything back, also what forward has assigned, and after a throw', () => {
    class Counter extends nn.Module {
      declare n: Tensor;
      constructor() {
        super();
        this.registerBuffer('n', tensor([0]));
      }
      forward(x: Tensor): Tensor {
        this.n = this.n.add(1);
        return x.add(this.n).reshape(x.numel() === 1 ? [1] : [3]);
      }
    }
    const counter = new Counter();
    assert.deepEqual(func.functionalCall(counter, { n: two }, one).tolist(), [4]);
    assert.deepEqual([counter.n.tolist(), two.tolist()], [[0], [2]]);
    assert.throws(() => func.functionalCall(counter, { n: two }, tensor([1, 2])), { code: 'shape' });
    assert.deepEqual(counter.n.tolist(), [0]);
  });
});

describe('stackModuleState', () => {
  test('gives new leaves, which require grad as the parameters do', () => {
    const frozen = [0, 1].map(() => new nn.Linear(2, 2));
    for (const { weight } of frozen) weight.requiresGrad_(false);
    const [params, buffers] = func.stackModuleState(frozen);
    assert.deepEqual(
      Object.entries(params).map(([path, { shape, requiresGrad, isLeaf }]) => [path, shape, requiresGrad, isLeaf]),
      [
        ['weight', [2, 2, 2], false, true],
        ['bias', [2, 2], true, true],
      ],
    );
    assert.deepEqual(buffers, {});
    const [tied, shifts] = func.stackModuleState([new Tied(), new Tied()]);
    assert.deepEqual(Object.keys(tied), ['a']);
    assert.deepEqual(shifts.shift.tolist(), [[10], [10]]);
  });

  test('wants modules that fit together', () => {
    const wrong = (message: RegExp, ...modules: nn.Module[]): void =>
      assert.throws(() => func.stackModuleState(modules), { code: 'argument', message });
    const linear = new nn.Linear(2, 2);
    wrong(/Expected at least one model, got 0\./);
    wrong(/Expected all models to be of the same class\./, linear, new nn.ReLU());
    wrong(/Expected all models to have the same training\/eval mode\./, linear, new nn.Linear(2, 2).eval());
    const frozen = new nn.Linear(2, 2).requiresGrad_(false);
    wrong(/Expected weight from each model to have the same \.requiresGrad/, linear, frozen);
    assert.throws(() => func.stackModuleState([linear, new nn.Linear(2, 3)]), { code: 'shape' });
  });
});

test('gradients with respect to parameters, and an ensemble in one batch', () => {
  manualSeed(1);
  const models = [0, 1, 2].map(() => new nn.Linear(3, 2));
  const x = randn(4, 3);
  const [params] = func.stackModuleState(models);
  const all = func.vmap((p: Record<string, Tensor>) => func.functionalCall(models[0], p, [x]))(params);
  close(all, stack(models.map((model) => model.forward(x))));
  const loss = (p: Record<string, Tensor>): Tensor => func.functionalCall(models[0], p, [x]).square().sum();
  const own = Object.fromEntries(models[0].namedParameters().map(([path, p]) => [path, p.detach()]));
  const gradient = func.grad(loss)(own);
  models[0].forward(x).square().sum().backward();
  close(gradient.weight, models[0].weight.grad as Tensor);
});
