import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arange, type Tensor, zeros } from '../../src/index.ts';

const values = (x: Tensor | null): unknown => x?.tolist();

test('a tensor changes its geometry in place, and its memory stays', () => {
  const x = arange(6).view(2, 3).clone();
  const alias = x.view(-1);
  assert.equal(x.t_(), x);
  assert.deepEqual(x.shape, [3, 2]);
  assert.deepEqual(values(x), [[0, 3], [1, 4], [2, 5]]); // biome-ignore format: a matrix
  assert.deepEqual(x.unsqueeze_(0).shape, [1, 3, 2]);
  assert.deepEqual(x.squeeze_().shape, [3, 2]);
  assert.deepEqual(x.transpose_(0, 1).shape, [2, 3]);
  x.add_(10);
  assert.deepEqual(values(alias), [10, 11, 12, 13, 14, 15]);
});

test('the graph follows, as in PyTorch', () => {
  const x = zeros(2, 3, { requiresGrad: true });
  assert.throws(() => x.t_(), /a leaf Variable that requires grad is being used in an in-place operation/);
  const y = x.mul(2);
  y.t_();
  assert.equal(String(y.gradFn), '<TBackward0>');
  assert.equal(y._version, 1);
  y.mul(arange(6).view(3, 2)).sum().backward();
  assert.deepEqual(values(x.grad), [[0, 4, 8], [2, 6, 10]]); // biome-ignore format: a matrix
});

test('a view taken of a view in place leaves the base as it is', () => {
  const x = zeros(2, 3, { requiresGrad: true });
  const z = x.mul(2);
  const row = z.select(0, 1);
  row.unsqueeze_(0);
  assert.deepEqual(row.shape, [1, 3]);
  assert.equal(String(z.gradFn), '<MulBackward0>');
  row.mul(3).sum().backward();
  assert.deepEqual(values(x.grad), [[0, 0, 0], [6, 6, 6]]); // biome-ignore format: a matrix
});
