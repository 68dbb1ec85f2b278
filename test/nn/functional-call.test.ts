import assert from 'node:assert/strict';
import { test } from 'node:test';
import { func, manualSeed, nn, randn, stack, type Tensor } from '../../src/index.ts';

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
    () => func.functionalCall(model, { 'one.weight': x }, [x]),
    /has no parameter or buffer "one.weight"; it has 0.weight/,
  );
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
