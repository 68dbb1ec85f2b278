/** Forward mode through dual tensors. That it agrees with reverse mode for every operator is for test/conformance/opinfo.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { autograd, ones, type Tensor, tensor } from '../../src/index.ts';

const { dualLevel, makeDual, unpackDual } = autograd.forwardAd;
const tangentOf = (x: Tensor): unknown => unpackDual(x).tangent?.tolist() ?? null;

test('a dual tensor carries its derivative along', () => {
  dualLevel(() => {
    const x = makeDual(tensor([1, 2, 3]), tensor([1, 0, 1]));
    assert.deepEqual(tangentOf(x.mul(x)), [2, 0, 6]);
    assert.deepEqual(tangentOf(x.mul(5).sum()), 10);
    assert.deepEqual(tangentOf(x.view(3, 1).t()), [[1, 0, 1]]);
    assert.deepEqual(tangentOf(x.prod()), 8);
    assert.equal(unpackDual(ones(2)).tangent, null);
    assert.deepEqual(unpackDual(x).primal.tolist(), [1, 2, 3]);
  });
});

test('forward over reverse: the tangent of a gradient', () => {
  const x = tensor([1, 2, 3], { requiresGrad: true });
  dualLevel(() => {
    const dual = makeDual(x, tensor([1, 0, 0]));
    const [gradient] = autograd.grad(dual.pow(3).sum(), dual, { createGraph: true });
    assert.deepEqual(gradient.tolist(), [3, 12, 27]);
    assert.deepEqual(tangentOf(gradient), [6, 0, 0]);
  });
});

test('reverse over forward: the gradient of a tangent', () => {
  const x = tensor([1, 2], { requiresGrad: true });
  dualLevel(() => {
    const { tangent } = unpackDual(makeDual(x, ones(2)).pow(3).sum());
    assert.deepEqual(autograd.grad(tangent as Tensor, x)[0].tolist(), [6, 12]);
  });
});

test('what does not fit is refused', () => {
  assert.throws(() => makeDual(ones(2), ones(2)), /no level exists/);
  dualLevel(() => {
    assert.throws(
      () => makeDual(ones(2), ones(3)),
      /Expected the tangent to have the shape and dtype of the primal, \[2\] and float32; got \[3\]/,
    );
    assert.throws(() => dualLevel(() => 0), /Nested forward mode AD is not supported/);
  });
  assert.throws(() => makeDual(ones(2), ones(2)), /no level exists/);
});

test('writes in place carry tangents', () => {
  dualLevel(() => {
    const x = makeDual(tensor([1, 2]), tensor([1, 10])).clone();
    x.mul_(x).add_(1);
    assert.deepEqual([x.tolist(), tangentOf(x)], [[2, 5], [2, 40]]); // biome-ignore format: two lists
    const plain = tensor([3, 4]);
    plain.mul_(makeDual(tensor([5, 6]), ones(2)));
    assert.deepEqual([plain.tolist(), tangentOf(plain)], [[15, 24], [3, 4]]); // biome-ignore format: two lists
    x.zero_();
    // no tangent is a tangent of zero
    assert.deepEqual([x.tolist(), tangentOf(x.add(1))], [[0, 0], null]);
  });
});
