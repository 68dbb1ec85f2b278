/** Transforms of functions against what calculus says, against each other, and nested. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { autograd, func, manualSeed, ones, randn, stack, type Tensor, tensor, vmap } from '../../src/index.ts';

const close = (a: unknown, b: unknown, tolerance = 1e-5): void => {
  const [x, y] = [a as Tensor, b as Tensor];
  assert.deepEqual([...x.shape], [...y.shape]);
  const difference = x.detach().sub(y.detach()).abs().max().item() as number;
  assert.ok(difference <= tolerance, `${x} differs from ${y}`);
};

test('grad nests, and results are outside the graph', () => {
  const first = func.grad((x: Tensor) => x.sin())(tensor(1));
  const second = func.grad((x: Tensor) => func.grad((y: Tensor) => y.sin())(x))(tensor(1));
  close(first, tensor(Math.cos(1)));
  close(second, tensor(-Math.sin(1)));
  assert.equal(second.requiresGrad, false);
});

test('nested derivatives keep their variables apart', () => {
  const reverse = func.grad((x: Tensor) => x.mul(func.grad((y: Tensor) => x.add(y))(tensor(1))))(tensor(1));
  close(reverse, tensor(1));
  const forward = func.jvp(
    (x: Tensor) => x.mul(func.jvp((y: Tensor) => x.mul(y), [tensor(2)], [tensor(1)])[1]),
    [tensor(3)],
    [tensor(1)],
  );
  close(forward[0], tensor(9));
  close(forward[1], tensor(6));
});

test('transforms compose with the graph outside', () => {
  const w = tensor(2, { requiresGrad: true });
  const g = func.grad((x: Tensor) => x.square().mul(w))(tensor(3));
  assert.equal(g.item(), 12);
  g.backward();
  assert.equal(w.grad?.item(), 6);
});

test('gradAndValue, argnums and aux', () => {
  const f = (x: Tensor, y: Tensor): [Tensor, Tensor] => [x.mul(y).sum(), x.add(y)];
  const [[gx, gy], [value, aux]] = func.gradAndValue(f, { argnums: [0, 1], hasAux: true })(
    tensor([1, 2]),
    tensor([3, 4]),
  ) as [[Tensor, Tensor], [Tensor, Tensor]];
  assert.deepEqual([gx.tolist(), gy.tolist(), value.item(), aux.tolist()], [[3, 4], [1, 2], 11, [4, 6]]);
  assert.throws(
    () => func.grad((x: Tensor) => x)(ones(2)),
    /Expected f\(\*args\) to return a scalar Tensor, got tensor with 1 dims/,
  );
});

test('vjp and jvp are transposes of one another', () => {
  manualSeed(0);
  const f = (x: Tensor, y: Tensor): Tensor => x.matmul(y).tanh().softmax(-1);
  const [x, y, dx, dy] = [randn(3, 4), randn(4, 2), randn(3, 4), randn(4, 2)];
  const [out, pullBack] = func.vjp(f, x, y);
  const cotangent = randn(3, 2);
  const [gx, gy] = pullBack(cotangent);
  const [primal, tangent] = func.jvp(f, [x, y], [dx, dy]);
  close(out, primal);
  close(tangent.mul(cotangent).sum(), gx.mul(dx).sum().add(gy.mul(dy).sum()));
  const [same, pushForward] = func.linearize(f, x, y);
  close(same, out);
  close(pushForward(dx, dy), tangent);
  close(pushForward(dx.mul(2), dy.mul(2)), tangent.mul(2));
});

test('Jacobians by both modes, and Hessians', () => {
  const f = (x: Tensor): Tensor => x.square().mul(x.sum());
  const x = tensor([1, 2, 3]);
  const want = tensor([[13, 1, 1], [4, 28, 4], [9, 9, 45]]); // biome-ignore format: a matrix
  close(func.jacrev(f)(x), want);
  close(func.jacfwd(f)(x), want);
  const g = (p: Tensor): Tensor => p.pow(3).sum().mul(p.prod());
  const hessian = func.hessian(g)(x);
  const leaf = x.detach().requiresGrad_();
  const [gradient] = autograd.grad(g(leaf), leaf, { createGraph: true });
  const rows = [0, 1, 2].map((i) => autograd.grad(gradient.select(0, i), leaf, { retainGraph: true })[0]);
  close(hessian, stack(rows), 1e-3);
  assert.equal(hessian.requiresGrad, false);
});

test('vmap gives what a loop gives', () => {
  manualSeed(1);
  const x = randn(5, 4, 3);
  const programs: [name: string, f: (x: Tensor) => Tensor][] = [
    ['pointwise', (a) => a.tanh().add(a.select(1, 0).unsqueeze(1))],
    ['views', (a) => a.t().narrow(0, 1, 2).reshape(-1)],
    ['reductions', (a) => a.sum(0).add(a.mean()).mul(a.amax(0))],
    ['products', (a) => a.matmul(a.t()).mv(a.select(1, 0))],
    ['softmax', (a) => a.softmax(0).add(a.logSoftmax(1))],
    ['operators without a rule', (a) => a.sort(1).values.cumsum(0)],
  ];
  for (const [name, f] of programs) {
    const loop = stack(x.unbind(0).map(f));
    close(func.vmap(f)(x), loop);
    close(func.vmap(f, { inDims: 1, outDims: -1 })(x.transpose(0, 1)), loop.movedim(0, -1));
    close(func.vmap(f, { chunkSize: 2 })(x), loop);
    assert.ok(name);
  }
});

test('gradients for each sample', () => {
  manualSeed(2);
  const [w, x, y] = [randn(3, 4), randn(5, 4), randn(5, 3)];
  const loss = (weight: Tensor, input: Tensor, target: Tensor): Tensor => weight.mv(input).sub(target).square().sum();
  const perSample = func.vmap((a: Tensor, b: Tensor, c: Tensor) => func.grad(loss)(a, b, c), {
    inDims: [null, 0, 0],
  })(w, x, y);
  const loop = [0, 1, 2, 3, 4].map((i) => func.grad(loss)(w, x.select(0, i), y.select(0, i)));
  close(perSample, stack(loop));
});

test('what vmap cannot do is an error that says so', () => {
  assert.throws(
    () => func.vmap((x: Tensor) => (Number(x.item()) > 0 ? x : x.neg()))(ones(3)),
    /inside vmap it stands for a whole batch/,
  );
  assert.throws(
    () => func.vmap((x: Tensor, y: Tensor) => x.add(y))(ones(3), ones(4)),
    /same size in the mapped dimension, got sizes 3, 4/,
  );
  assert.throws(() => func.vmap((x: Tensor) => x, { inDims: [null] })(ones(3)), /inDims are all null/);
  assert.equal(ones(2).add(1).toString(), 'tensor([2., 2.])');
});

test('writes in place inside vmap', () => {
  const add = (x: Tensor): Tensor => x.clone().mul_(2).add_(x);
  close(func.vmap(add)(tensor([[1, 2], [3, 4]])), tensor([[3, 6], [9, 12]])); // biome-ignore format: matrices
  const shared = ones(2);
  assert.throws(() => func.vmap((x: Tensor) => shared.add_(x))(ones(3, 2)), /the same for all examples/);
});

test('what follows the function is given by position or by name', () => {
  const f = (x: Tensor, y: Tensor): Tensor => x.mul(y.pow(2)).sum();
  const withAux = (x: Tensor, y: Tensor): readonly [Tensor, Tensor] => [f(x, y), x.add(y)];
  const [x, y] = [tensor([2, 3]), tensor([5, 7])];
  const given = [withAux(x, y)[1].tolist(), x.mul(y).mul(2).tolist()];
  for (const [gradient, aux] of [
    func.grad(withAux, 1, true)(x, y),
    func.grad(withAux, 1, { hasAux: true })(x, y),
    func.grad(withAux, { argnums: 1, hasAux: true })(x, y),
    func.jacrev(withAux, 1, { hasAux: true })(x, y),
    func.jacfwd(withAux, 1, true)(x, y),
    func.jacfwd(withAux, 1, { hasAux: true, randomness: 'same' })(x, y),
  ]) {
    assert.deepEqual([(aux as Tensor).tolist(), (gradient as Tensor).tolist()], given);
  }
  const [[dx, dy], [value]] = func.gradAndValue(withAux, [0, 1], true)(x, y);
  assert.deepEqual([dx.tolist(), dy.tolist(), value.item()], [[25, 49], given[1], 197]);
  assert.deepEqual(func.jacrev(f, 1, { chunkSize: 1 })(x, y).tolist(), given[1]);
});

test('vmap takes dimensions by position or by name', () => {
  const [x, y] = [
    tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]),
    tensor([1, 10]),
  ];
  const f = (x: Tensor, y: Tensor): Tensor => x.add(y.sum());
  const all = [
    [12, 13, 14],
    [15, 16, 17],
  ];
  assert.deepEqual(func.vmap(f, [1, null], 1)(x, y).tolist(), all);
  assert.deepEqual(func.vmap(f, [1, null], { outDims: 1 })(x, y).tolist(), all);
  assert.deepEqual(func.vmap(f, [1, null], 1, 'error', { chunkSize: 2 })(x, y).tolist(), all);
  assert.deepEqual(vmap((x: Tensor) => x.sum(), -1)(x).tolist(), [5, 7, 9]);
  // @ts-expect-error: an object by position is for options
  assert.throws(() => func.vmap(f, { inDimz: 1 }), { code: 'argument', message: /unknown option "inDimz"/ });
});
