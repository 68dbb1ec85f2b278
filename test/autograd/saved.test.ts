/** Hooks for what is saved for backward: graph.savedTensorsHooks and graph.disableSavedTensorsHooks. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { autograd, isGradEnabled, noGrad, ones, type Tensor, tensor, where } from '../../src/index.ts';

const { savedTensorsHooks, disableSavedTensorsHooks } = autograd.graph;

const leaf = (data: number[]): Tensor => tensor(data, { dtype: 'float64', requiresGrad: true });
const gradOf = ({ grad }: Tensor): unknown => grad?.tolist() ?? null;
const same = (x: Tensor): Tensor => x;

describe('savedTensorsHooks', () => {
  test('pack sees each tensor that is saved, unpack each packed value that is needed', () => {
    const log: unknown[] = [];
    const a = leaf([2, 3]);
    const z = savedTensorsHooks(
      (x) => {
        log.push(['pack', x.tolist(), x.gradFn?.name() ?? null, isGradEnabled()]);
        return log.length;
      },
      (n) => {
        log.push(['unpack', n]);
        return tensor([2, 3], { dtype: 'float64' });
      },
      () => a.mul(a).sqrt(),
    );
    assert.deepEqual(log, [
      ['pack', [2, 3], null, false],
      ['pack', [2, 3], null, false],
      ['pack', [2, 3], 'SqrtBackward0', false],
    ]);
    z.sum().backward();
    assert.deepEqual(
      log.slice(3).map((entry) => (entry as unknown[])[0]),
      ['unpack', 'unpack', 'unpack'],
    );
    assert.deepEqual(gradOf(a), [1, 1]);
  });

  test('what unpack returns is what the backward computes with', () => {
    const a = leaf([2, 3]);
    const y = savedTensorsHooks(
      (x) => x.mul(2),
      same,
      () => a.mul(a),
    );
    y.sum().backward();
    assert.deepEqual(gradOf(a), [8, 12]);
  });

  test('only the innermost pair applies', () => {
    const a = leaf([2, 3]);
    const [y, z] = savedTensorsHooks(
      (x) => x.mul(2),
      same,
      () => [
        savedTensorsHooks(
          (x) => x.mul(10),
          same,
          () => a.mul(a),
        ),
        a.mul(a),
      ],
    );
    y.sum().backward();
    assert.deepEqual(gradOf(a), [40, 60]);
    a.grad = null;
    z.sum().backward();
    assert.deepEqual(gradOf(a), [8, 12]);
  });

  test('an unpacked tensor has its place in the graph, so derivatives of any order work', () => {
    const a = leaf([0.5, 1]);
    const y = savedTensorsHooks(
      (x) => x.tolist() as number[],
      (data) => tensor(data, { dtype: 'float64' }),
      () => a.exp().mul(a),
    );
    const [g] = autograd.grad(y.sum(), a, { createGraph: true });
    const [gg] = autograd.grad(g.sum(), a);
    const expected = a.exp().mul(a.add(2)).tolist() as number[];
    (gg.tolist() as number[]).forEach((x, i) => {
      assert.ok(Math.abs(x - expected[i]) < 1e-12);
    });
  });

  test('packs once, unpacks in every run, and what was packed goes with the graph', () => {
    let [packs, unpacks] = [0, 0];
    const a = leaf([2, 3]);
    const y = savedTensorsHooks(
      (x) => {
        packs++;
        return x;
      },
      (x) => {
        unpacks++;
        return x;
      },
      () => a.exp(),
    );
    for (const retainGraph of [true, true, false]) y.sum().backward({ retainGraph });
    assert.deepEqual([packs, unpacks], [1, 3]);
    assert.throws(() => y.sum().backward(), /Trying to backward through the graph a second time/);
    assert.deepEqual([packs, unpacks], [1, 3]);
  });

  test('a value that several gradients need is unpacked once for a run', () => {
    let unpacks = 0;
    const [a, b] = [leaf([2, 3]), leaf([4, 5])];
    const y = savedTensorsHooks(
      same,
      (x) => {
        unpacks++;
        return x;
      },
      () => a.atan2(b),
    );
    y.sum().backward();
    assert.equal(unpacks, 2);
  });

  test('nothing is packed where nothing is recorded', () => {
    let packs = 0;
    const pack = (x: Tensor): Tensor => {
      packs++;
      return x;
    };
    const a = leaf([2, 3]);
    savedTensorsHooks(pack, same, () => {
      noGrad(() => a.exp());
      ones(2).exp();
      a.add(a);
    });
    assert.equal(packs, 0);
  });

  test('works for writes in place', () => {
    const seen: unknown[] = [];
    const a = leaf([2, 3]);
    const b = a.mul(1);
    savedTensorsHooks(
      (x) => {
        seen.push([x.tolist(), x.gradFn?.name() ?? null]);
        return x.tolist() as number[];
      },
      (data) => tensor(data, { dtype: 'float64' }),
      () => b.mul_(a),
    );
    b.sum().backward();
    assert.deepEqual(gradOf(a), [4, 6]);
    assert.equal(seen.length, 2);
  });

  test('what unpack keeps is its own', () => {
    const kept: Tensor[] = [];
    const a = tensor(
      Array.from({ length: 100 }, (_, i) => i),
      { dtype: 'float64', requiresGrad: true },
    );
    const b = savedTensorsHooks(
      same,
      (x) => {
        kept.push(x.mul(2));
        return x;
      },
      () => a.mul(1).pow(2),
    );
    b.sum().backward();
    assert.equal((kept[0].toTypedArray() as Float64Array)[99], 198);
  });

  test('writes to a packed tensor are not noticed', () => {
    const a = leaf([2, 3]);
    const y = savedTensorsHooks(same, same, () => a.mul(a));
    noGrad(() => a.add_(1));
    y.sum().backward();
    assert.deepEqual(gradOf(a), [6, 8]);
  });

  test('pack must not write to what it is given', () => {
    const a = leaf([2, 3]);
    assert.throws(
      () =>
        savedTensorsHooks(
          (x) => x.mul_(2),
          same,
          () => a.mul(1).mul(a),
        ),
      { code: 'inplace', message: /^A saved tensor pack hook is modifying its input in place\./ },
    );
  });

  test('unpack must return a tensor', () => {
    const a = leaf([2, 3]);
    const wrong = (() => 3) as unknown as (packed: Tensor) => Tensor;
    const y = savedTensorsHooks(same, wrong, () => a.mul(a));
    assert.throws(
      () => y.sum().backward(),
      /^AdjointError: Output of saved tensor unpack hook expected to be a Tensor but got 3/,
    );
    assert.equal(a.grad, null);
  });

  test('a hook that throws is what the caller sees, and the hooks end', () => {
    const a = leaf([2, 3]);
    const fail = (): never => {
      throw new Error('mine');
    };
    assert.throws(() => savedTensorsHooks(fail, same, () => a.exp()), /^Error: mine/);
    const y = savedTensorsHooks(same, fail, () => a.exp());
    assert.throws(() => y.sum().backward(), /^Error: mine/);
    assert.equal(a.grad, null);
    assert.ok(isGradEnabled());
    a.exp().sum().backward();
  });

  test('the form for `using` lasts until it is disposed of', () => {
    let packs = 0;
    const guard = savedTensorsHooks((x) => {
      packs++;
      return x;
    }, same);
    const a = leaf([2, 3]);
    a.exp();
    guard[Symbol.dispose]();
    a.exp();
    assert.equal(packs, 1);
  });
});

describe('disableSavedTensorsHooks', () => {
  test('makes the use of hooks an error, for as long as it is in force', () => {
    disableSavedTensorsHooks('none here', () => {
      assert.throws(() => savedTensorsHooks(same, same), { code: 'autograd', message: 'none here' });
      disableSavedTensorsHooks('nor here', () => {
        assert.throws(() => savedTensorsHooks(same, same), { message: 'nor here' });
      });
      assert.throws(() => savedTensorsHooks(same, same), { message: 'none here' });
    });
    assert.equal(
      savedTensorsHooks(same, same, () => 1),
      1,
    );
  });

  test('is an error where hooks are in force', () => {
    savedTensorsHooks(same, same, () => {
      assert.throws(() => disableSavedTensorsHooks('too late', () => 1), { message: 'too late' });
    });
    assert.equal(
      savedTensorsHooks(same, same, () => 1),
      1,
    );
  });
});

describe('what a node has saved', () => {
  const savedBy = (y: Tensor): autograd.graph.Node => y.gradFn as autograd.graph.Node;

  test('is found under the names that PyTorch has for operands and results', () => {
    const a = leaf([2, 3]);
    assert.deepEqual((savedBy(a.pow(2))._savedSelf as Tensor).tolist(), [2, 3]);
    const y = a.exp();
    const result = savedBy(y)._savedResult as Tensor;
    assert.deepEqual([result.tolist(), result.gradFn], [y.tolist(), y.gradFn]);
    const power = savedBy(a.pow(2.5));
    assert.deepEqual([(power._savedSelf as Tensor).tolist(), power._savedExponent], [[2, 3], 2.5]);
    const product = savedBy(a.mul(tensor([5, 6], { dtype: 'float64' })));
    assert.deepEqual([product._savedSelf, (product._savedOther as Tensor).tolist()], [null, [5, 6]]);
    const m = ones(2, 2, { dtype: 'float64', requiresGrad: true });
    assert.equal(savedBy(m.mm(m))._savedMat2, m);
    assert.equal(savedBy(m.mv(a))._savedVec, a);
    assert.equal(savedBy(a.dot(a))._savedTensor, a);
    assert.deepEqual((savedBy(where(a.gt(2), a, 0))._savedCondition as Tensor).tolist(), [false, true]);
  });

  test('is nothing where the derivative does not need it', () => {
    const a = leaf([2, 3]);
    const node = savedBy(a.exp());
    assert.deepEqual(
      [node._savedSelf, node._rawSavedSelf, savedBy(a.add(a))._savedOther],
      [undefined, undefined, undefined],
    );
    assert.equal(savedBy(a.clone())._savedResult, undefined);
  });

  test('must not have been written to, and goes with the graph', () => {
    const a = leaf([2, 3]);
    const b = a.mul(1);
    const y = b.sin();
    b.add_(1);
    assert.throws(() => savedBy(y)._savedSelf, { code: 'inplace', message: /is at version 1; expected version 0/ });
    const z = a.exp();
    z.sum().backward();
    assert.throws(() => savedBy(z)._savedResult, {
      code: 'autograd',
      message: /or directly access saved tensors after they have already been freed/,
    });
  });

  test('is what unpack makes of it', () => {
    const a = leaf([2, 3]);
    const y = savedTensorsHooks(
      (x) => x.mul(2),
      same,
      () => a.sin(),
    );
    assert.deepEqual((savedBy(y)._savedSelf as Tensor).tolist(), [4, 6]);
  });

  test('by a custom function is a list', () => {
    class Triple extends autograd.Function {
      static forward(ctx: autograd.FunctionCtx, x: Tensor): Tensor {
        const y = x.mul(3);
        ctx.saveForBackward(x, null as never, y);
        return y;
      }
      static backward(ctx: autograd.FunctionCtx, g: Tensor): Tensor {
        return g.mul(ctx.savedTensors[0]);
      }
    }
    const a = leaf([2, 3]);
    const y = Triple.apply(a);
    const node = savedBy(y);
    assert.deepEqual(
      node.savedTensors?.map((x) => x?.tolist() ?? null),
      [[2, 3], null, [6, 9]],
    );
    assert.equal(node.savedTensors?.[2]?.gradFn, node);
    const [first, second] = node._rawSavedTensors ?? [];
    first.registerHooks((x) => x.mul(10), same);
    assert.throws(() => second.registerHooks(same, same), /with value null is forbidden/);
    assert.deepEqual(node.savedTensors?.[0]?.tolist(), [20, 30]);
    y.sum().backward();
    assert.deepEqual(gradOf(a), [20, 30]);
    assert.throws(() => node.savedTensors, /after they have already been freed/);
    assert.throws(() => node._rawSavedTensors, /after they have already been freed/);
  });

  test('can be kept in another way, each tensor for itself', () => {
    const a = leaf([2, 3]);
    const y = a.exp();
    const kept: unknown[] = [];
    savedBy(y)._rawSavedResult?.registerHooks(
      (x) => kept.push(x.tolist()) - 1,
      (i) => tensor(kept[i] as number[], { dtype: 'float64' }),
    );
    assert.deepEqual(kept, [y.tolist()]);
    assert.deepEqual((savedBy(y)._savedResult as Tensor).tolist(), y.tolist());
    const [g] = autograd.grad(y.sum(), a, { createGraph: true });
    assert.deepEqual(autograd.grad(g.sum(), a)[0].tolist(), y.tolist());
  });

  test('can be kept in another way once, while it is there', () => {
    const a = leaf([2, 3]);
    const raw = (y: Tensor): autograd.graph.SavedTensor => savedBy(y)._rawSavedSelf as autograd.graph.SavedTensor;
    const y = a.sin();
    raw(y).registerHooks(same, same);
    assert.throws(() => raw(y).registerHooks(same, same), {
      code: 'autograd',
      message: /^Calling registerHooks on a saved tensor whose hooks have already been set/,
    });
    const packed = savedTensorsHooks(same, same, () => a.sin());
    assert.throws(() => raw(packed).registerHooks(same, same), /hooks have already been set/);
    assert.throws(() => raw(a.mul(ones(2))).registerHooks(same, same), /with value null is forbidden/);
    const z = a.sin();
    const late = raw(z);
    z.sum().backward();
    assert.throws(
      () => late.registerHooks(same, same),
      /^AdjointError: Calling registerHooks on a saved tensor after it has been freed/,
    );
    assert.throws(() => raw(a.mul(1).sin()).registerHooks((x) => x.mul_(2), same), {
      code: 'inplace',
      message: /^A saved tensor pack hook is modifying its input in place/,
    });
  });
});
