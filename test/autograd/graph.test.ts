/** The recorded graph: its nodes, its shape, its depth. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { autograd, fill, ones, pow, rsub, sub, type Tensor, tensor, varMean } from '../../src/index.ts';

/** The elements of the gradient, or null. */
const gradOf = ({ grad }: Tensor): unknown => grad?.tolist() ?? null;
const leaf = (data: number | number[]): Tensor => tensor(data, { requiresGrad: true });

describe('nodes', () => {
  test('have PyTorch’s names', () => {
    const x = leaf([1, 2]);
    const o = ones(2);
    const mask = tensor([true, false]);
    const names: [Tensor, string][] = [
      [x.add(1), 'AddBackward0'],
      [x.add(o), 'AddBackward0'],
      [x.add(o, { alpha: 2 }), 'AddBackward0'],
      [x.sub(1), 'SubBackward0'],
      [sub(1, x), 'RsubBackward1'],
      [rsub(x, 1), 'RsubBackward1'],
      [rsub(x, o), 'RsubBackward0'],
      [x.mul(2), 'MulBackward0'],
      [x.div(o), 'DivBackward0'],
      [x.div(o, { roundingMode: 'floor' }), 'DivBackward2'],
      [x.div(2, 'trunc'), 'DivBackward2'],
      [x.pow(2), 'PowBackward0'],
      [x.pow(1.7), 'PowBackward0'],
      [x.square(), 'PowBackward0'],
      [x.pow(o), 'PowBackward1'],
      [pow(2, x), 'PowBackward2'],
      [x.fmod(2), 'FmodBackward0'],
      [x.fmod(o), 'FmodBackward1'],
      [x.remainder(2), 'RemainderBackward0'],
      [x.remainder(o), 'RemainderBackward1'],
      [x.maximum(o), 'MaximumBackward0'],
      [x.atan2(o), 'Atan2Backward0'],
      [x.hypot(o), 'HypotBackward0'],
      [x.lerp(o, 0.5), 'LerpBackward0'],
      [x.lerp(o, o), 'LerpBackward1'],
      [x.addcmul(o, o), 'AddcmulBackward0'],
      [x.addcdiv(o, o), 'AddcdivBackward0'],
      [x.clamp(0, 1), 'ClampBackward1'],
      [x.clamp({ min: 0 }), 'ClampBackward1'],
      [x.clamp({ max: 1 }), 'ClampBackward1'],
      [x.clamp(o, o), 'ClampBackward0'],
      [x.clamp({ min: o }), 'ClampBackward0'],
      [x.clampMin(0), 'ClampMinBackward0'],
      [x.clampMin(o), 'ClampMinBackward1'],
      [x.clampMax(0), 'ClampMaxBackward0'],
      [x.clampMax(o), 'ClampMaxBackward1'],
      [fill(x, 1), 'FillBackward0'],
      [fill(x, tensor(1)), 'FillBackward1'],
      [x.clone().fill_(1), 'FillBackward2'],
      [x.clone().fill_(tensor(1)), 'FillBackward3'],
      [x.maskedFill(mask, 1), 'MaskedFillBackward0'],
      [x.maskedFill(mask, tensor(1)), 'MaskedFillBackward1'],
      [x.round(), 'RoundBackward0'],
      [x.round(2), 'RoundBackward1'],
      [x.logit(), 'LogitBackward0'],
      [x.nanToNum(), 'NanToNumBackward0'],
      [x.neg(), 'NegBackward0'],
      [x.abs(), 'AbsBackward0'],
      [x.sign(), 'SignBackward0'],
      [x.reciprocal(), 'ReciprocalBackward0'],
      [x.rsqrt(), 'RsqrtBackward0'],
      [x.exp(), 'ExpBackward0'],
      [x.exp2(), 'Exp2Backward0'],
      [x.log10(), 'Log10Backward0'],
      [x.frac(), 'FracBackward0'],
      [x.floor(), 'FloorBackward0'],
      [x.relu(), 'ReluBackward0'],
      [x.sigmoid(), 'SigmoidBackward0'],
      [x.tanh(), 'TanhBackward0'],
      [x.erf(), 'ErfBackward0'],
      [x.to('float64'), 'ToCopyBackward0'],
      [x.clone(), 'CloneBackward0'],
      [x.clone().add_(1), 'AddBackward0'],
      [x.sum(), 'SumBackward0'],
      [x.sum(0), 'SumBackward1'],
      [x.view(2, 1), 'ViewBackward0'],
      [x.t(), 'TBackward0'],
      [x.unsqueeze(0), 'UnsqueezeBackward0'],
      [x.squeeze(), 'SqueezeBackward0'],
      [x.squeeze(0), 'SqueezeBackward1'],
      [x.expand(3, 2), 'ExpandBackward0'],
      [x.permute(0), 'PermuteBackward0'],
      [x.select(0, 0), 'SelectBackward0'],
      [x.narrow(0, 0, 1), 'SliceBackward0'],
    ];
    for (const [y, name] of names) {
      assert.equal(y.gradFn?.name(), name);
      assert.equal(String(y.gradFn), `<${name}>`);
    }
  });

  test('know what the gradients of their outputs look like', () => {
    const x = tensor(
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      { dtype: 'float64', requiresGrad: true },
    );
    assert.deepEqual(x.mul(2).gradFn?._inputMetadata, [{ shape: [2, 3], dtype: 'float64' }]);
    const [variance] = varMean(x, 0);
    assert.deepEqual(
      variance.gradFn?._inputMetadata.map(({ shape }) => shape),
      [[3], [3]],
    );
  });

  test('lead to the nodes of their inputs, and at the end to the leaves', () => {
    const x = leaf([1, 2]);
    const y = x.mul(x).add(x).sum();
    const [[add, addNr]] = y.gradFn!.nextFunctions;
    assert.equal(add?.name(), 'AddBackward0');
    assert.equal(addNr, 0);
    const [[mul], [end]] = add!.nextFunctions;
    assert.equal(mul?.name(), 'MulBackward0');
    assert.equal(end?.name(), 'AccumulateGrad');
    assert.deepEqual(
      mul!.nextFunctions.map(([node]) => node === end),
      [true, true],
    );
    assert.equal((end as unknown as { variable: Tensor }).variable, x);
    assert.deepEqual(x.mul(ones(2)).gradFn?.nextFunctions[1], [null, 0]);
  });

  test('tell several outputs apart', () => {
    const [a, b] = leaf([1, 2]).mul(1).unbind(0);
    assert.equal(a.gradFn, b.gradFn);
    assert.deepEqual([a.outputNr, b.outputNr], [0, 1]);
    assert.deepEqual(b.mul(2).gradFn?.nextFunctions[0], [b.gradFn, 1]);
  });

  test('carry notes', () => {
    const { gradFn } = leaf([1, 2]).mul(1);
    gradFn!.metadata.note = 'mine';
    assert.equal(gradFn!.metadata.note, 'mine');
  });
});

describe('the shape of the graph', () => {
  test('a node runs once, however many paths lead through it', () => {
    const x = leaf([1, 2]);
    const a = x.mul(2);
    let runs = 0;
    a.gradFn!.registerHook(() => void runs++);
    const b = a.mul(3);
    const c = a.mul(4);
    b.add(c).add(a).sum().backward();
    assert.equal(runs, 1);
    assert.deepEqual(gradOf(x), [16, 16]);
  });

  test('of a tower of diamonds the paths are many and the nodes few', () => {
    const x = leaf([1]);
    let y = x;
    for (let level = 0; level < 60; level++) y = y.add(y);
    y.sum().backward();
    assert.equal(x.grad?.item(), 2 ** 60);
  });

  test('an output may be an input of another output', () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    const z = y.mul(3);
    autograd.backward([y.sum(), z.sum()]);
    assert.deepEqual(gradOf(x), [8, 8]);
  });

  test('some outputs of a node may go unused', () => {
    const x = leaf([1, 2, 3]);
    const [, middle] = x.mul(1).unbind(0);
    middle.mul(5).backward();
    assert.deepEqual(gradOf(x), [0, 5, 0]);
  });

  test('100,000 operations deep', () => {
    const x = leaf([1, 2]);
    let y = x;
    for (let step = 0; step < 100_000; step++) y = y.add(1);
    y.sum().backward();
    assert.deepEqual(gradOf(x), [1, 1]);
  });

  test('10,000 operations deep, differentiated twice', () => {
    const x = leaf(1.0001);
    let y = x;
    for (let step = 0; step < 10_000; step++) y = y.mul(1);
    const [g] = autograd.grad(y.mul(y), x, { createGraph: true });
    assert.equal(autograd.grad(g, x)[0].item(), 2);
  });

  test('a graph can be dropped without being run', () => {
    for (let step = 0; step < 200; step++) {
      const x = ones(100_000, { requiresGrad: true });
      x.mul(2).exp();
    }
  });

  test('views of leaves pass gradients on', () => {
    const x = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { requiresGrad: true },
    );
    x.t()
      .select(0, 1)
      .mul(tensor([10, 100]))
      .sum()
      .backward();
    assert.deepEqual(gradOf(x), [
      [0, 10],
      [0, 100],
    ]);
  });
});

test('nodes say when they were recorded, and the end of a graph which leaf it is for', () => {
  const x = leaf(2);
  const y = x.mul(3);
  const z = y.mul(y);
  assert.equal((z.gradFn?._sequenceNr() ?? 0) - (y.gradFn?._sequenceNr() ?? 0), 1);
  assert.equal(y.gradFn?.variable, undefined);
  assert.equal(y.gradFn?.nextFunctions[0][0]?.variable, x);
});
