/** backward and grad: what they compute, where it goes, and what they refuse. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { add, autograd, ones, type Tensor, tensor, zeros } from '../../src/index.ts';

/** The elements of the gradient, or null. */
const gradOf = ({ grad }: Tensor): unknown => grad?.tolist() ?? null;
const leaf = (data: number | number[] | number[][]): Tensor => tensor(data, { requiresGrad: true });
const values = (tensors: readonly (Tensor | null)[]): unknown[] => tensors.map((t) => t?.tolist() ?? null);

describe('backward', () => {
  test('a leaf has no gradient before, and the gradient after', () => {
    const x = leaf([1, 2]);
    assert.equal(gradOf(x), null);
    x.mul(x).sum().backward();
    assert.deepEqual(gradOf(x), [2, 4]);
    assert.equal(x.grad?.requiresGrad, false);
  });

  test('gradients add up over calls until they are cleared', () => {
    const x = leaf([1, 2]);
    x.mul(3).sum().backward();
    x.mul(4).sum().backward();
    assert.deepEqual(gradOf(x), [7, 7]);
    x.grad?.zero_();
    x.mul(4).sum().backward();
    assert.deepEqual(gradOf(x), [4, 4]);
    x.grad = null;
    x.mul(5).sum().backward();
    assert.deepEqual(gradOf(x), [5, 5]);
  });

  test('accumulation writes into the gradient that is there', () => {
    const x = leaf([1, 2]);
    x.sum().backward();
    const { grad } = x;
    x.sum().backward();
    assert.equal(x.grad, grad);
    assert.deepEqual(grad?.tolist(), [2, 2]);
  });

  test('two leaves never share the memory of their gradients', () => {
    const x = leaf([1, 2]);
    const y = leaf([1, 2]);
    const gradient = tensor([1, 1]);
    x.add(y).backward(gradient);
    x.grad?.add_(5);
    assert.deepEqual(gradOf(y), [1, 1]);
    assert.deepEqual(gradient.tolist(), [1, 1]);
  });

  test('a leaf is its own derivative', () => {
    const x = leaf(3);
    x.backward();
    assert.equal(x.grad?.item(), 1);
    const gradient = tensor([5, 6]);
    const y = leaf([1, 2]);
    y.backward(gradient);
    assert.deepEqual(gradOf(y), [5, 6]);
    gradient.zero_();
    assert.deepEqual(gradOf(y), [5, 6]);
  });

  test('a tensor of one element needs no gradient, whatever its shape', () => {
    const x = leaf([[3]]);
    x.mul(2).backward();
    assert.deepEqual(gradOf(x), [[2]]);
  });

  test('the gradient weighs the output', () => {
    const x = leaf([1, 2]);
    x.mul(x).backward(tensor([10, 100]));
    assert.deepEqual(gradOf(x), [20, 400]);
    x.grad = null;
    x.mul(x).backward({ gradient: tensor([10, 100]) });
    assert.deepEqual(gradOf(x), [20, 400]);
  });

  test('and is converted to its dtype', () => {
    for (const dtype of ['float64', 'int64', 'bool'] as const) {
      const x = leaf([1, 2]);
      x.mul(x).backward(ones(2, { dtype }));
      assert.deepEqual([x.grad?.dtype, gradOf(x)], ['float32', [2, 4]]);
      assert.equal(autograd.grad(x, x, { gradOutputs: ones(2, { dtype }) })[0].dtype, 'float32');
    }
    const c = tensor([3, 4], { dtype: 'float64', requiresGrad: true });
    const x = leaf([1, 2]);
    const [g] = autograd.grad(x.mul(x), x, { gradOutputs: c, createGraph: true });
    assert.deepEqual(values(autograd.grad(g.sum(), c)), [[2, 4]]);
  });

  test('several tensors at once are summed', () => {
    const x = leaf([1, 2]);
    autograd.backward([x.sum(), x.mul(x)], [null, tensor([1, 10])]);
    assert.deepEqual(gradOf(x), [3, 41]);
  });

  test('the same tensor counts as often as it is given, and one that leads to another as well', () => {
    const [a, b] = [leaf([1, 2]), leaf([3, 4])];
    const product = a.mul(b);
    autograd.backward([product, product], [tensor([1, 1]), tensor([1, 10])]);
    assert.deepEqual(
      [gradOf(a), gradOf(b)],
      [
        [6, 44],
        [2, 22],
      ],
    );
    const x = leaf([1, 2]);
    const y = x.mul(x);
    autograd.backward([y, y.mul(y)], [tensor([1, 1]), tensor([1, 0])]);
    assert.deepEqual(gradOf(x), [2 + 4, 4]);
  });

  test('a gradient that goes several ways is added up in each of them alone', () => {
    const [x, y] = [leaf([1]), leaf([1])];
    let [a, b, c]: Tensor[] = [x.add(2), y.add(2), x.add(2)];
    const short = a.add(b).add(c);
    for (let i = 0; i < 4; i++) [a, b, c] = [a, b, c].map((t) => t.mul(2));
    short.add(a.add(b).add(c)).backward(ones(1));
    assert.deepEqual([gradOf(x), gradOf(y)], [[34], [17]]);
  });

  test('empty gradients', () => {
    const [a, b] = [zeros(4, 0, { requiresGrad: true }), zeros(4, 1, { requiresGrad: true })];
    a.add(b).sum().backward();
    assert.deepEqual(a.grad?.shape, [4, 0]);
    assert.deepEqual(gradOf(b), [[0], [0], [0], [0]]);
  });

  test('a graph can be run through once, or as often as it is retained', () => {
    const x = leaf([1, 2]);
    const y = x.mul(x).sum();
    y.backward(null, { retainGraph: true });
    y.backward({ retainGraph: true });
    assert.deepEqual(gradOf(x), [4, 8]);
    y.backward();
    assert.deepEqual(gradOf(x), [6, 12]);
    assert.throws(() => y.backward(), {
      code: 'autograd',
      message:
        /^Trying to backward through the graph a second time \(or directly access saved tensors after they have already been freed\)\. .* Specify retainGraph: true /,
    });
    assert.deepEqual(gradOf(x), [6, 12]);
  });

  test('a graph that saved nothing can be run through again', () => {
    const x = leaf([1, 2]);
    const y = x.add(1).sum();
    y.backward();
    y.backward();
    assert.deepEqual(gradOf(x), [2, 2]);
  });

  test('a released part that two graphs share is missed by the second, and no leaf is added to', () => {
    const x = leaf([1, 2]);
    const other = leaf([3, 4]);
    const shared = x.exp();
    shared.sum().backward();
    const before = gradOf(x);
    assert.throws(() => shared.mul(other).sum().backward(), { code: 'autograd', message: /second time/ });
    assert.deepEqual(gradOf(x), before);
    assert.equal(gradOf(other), null);
  });

  test('inputs limits which leaves are added to', () => {
    const x = leaf([1, 2]);
    const y = leaf([3, 4]);
    x.mul(y).sum().backward({ inputs: x });
    assert.deepEqual(gradOf(x), [3, 4]);
    assert.equal(gradOf(y), null);
    x.mul(y)
      .sum()
      .backward(null, { inputs: [x, y] });
    assert.deepEqual(gradOf(x), [6, 8]);
    assert.deepEqual(gradOf(y), [1, 2]);
  });

  test('inputs may be intermediate: they get a grad, the leaves behind them none', () => {
    const x = leaf([1, 2]);
    const a = x.mul(2);
    const b = x.mul(3);
    a.add(b)
      .sum()
      .backward({ inputs: [a, b] });
    a.grad?.add_(5);
    assert.deepEqual(values([a.grad, b.grad, x.grad]), [[6, 6], [1, 1], null]);
  });

  test('the step that made an intermediate input is run, for nothing, and so released', () => {
    const x = leaf([1, 2]);
    const y = x.exp();
    const seen: unknown[] = [];
    y.gradFn?.registerHook((inputs) => void seen.push(inputs));
    y.sum().backward({ inputs: y });
    assert.deepEqual(seen, [[null]]);
    assert.throws(() => y.sum().backward(), /a second time/);
    const z = x.exp();
    autograd.grad(z.sum(), z);
    z.sum().backward();
  });

  test('under createGraph, gradients that were there are added to another tensor, which keeps its history', () => {
    const [x, y] = [leaf([2, 3]), leaf([4, 5])];
    const z = x.mul(x).add(y.mul(x)).add(y.mul(y));
    z.backward(ones(2), { createGraph: true });
    const { grad } = x;
    const before = gradOf(x);
    (x.grad as Tensor)
      .mul(2)
      .add(y.grad as Tensor)
      .backward(ones(2));
    // 2x + y and x + 2y, then 2 (2, 1) + (1, 2)
    assert.deepEqual(
      [before, gradOf(x), gradOf(y)],
      [
        [8, 11],
        [13, 16],
        [14, 17],
      ],
    );
    assert.equal(x.grad, grad);
    const w = leaf([1, 2]);
    w.grad = ones(2);
    const given = w.grad;
    w.mul(w).sum().backward({ createGraph: true });
    assert.notEqual(w.grad, given);
    assert.deepEqual(
      [given.tolist(), gradOf(w)],
      [
        [1, 1],
        [3, 5],
      ],
    );
  });

  test('createGraph leaves a gradient that can be differentiated', () => {
    const x = leaf([1, 2]);
    x.mul(x).sum().backward({ createGraph: true });
    assert.equal(x.grad?.requiresGrad, true);
    const [second] = autograd.grad((x.grad as Tensor).sum(), x);
    assert.deepEqual(second.tolist(), [2, 2]);
  });

  test('what was not recorded or is not used gets nothing', () => {
    const x = leaf([1, 2]);
    const unused = leaf([1, 2]);
    const y = x.mul(2);
    unused.mul(y.detach());
    y.sum().backward();
    assert.equal(gradOf(unused), null);
    assert.equal(gradOf(y), null);
  });

  test('the gradient fits the tensor, not the operation: broadcasting is summed down', () => {
    const row = leaf([1, 2, 3]);
    const column = leaf([[1], [2]]);
    const scalar = leaf(2);
    row.mul(column).mul(scalar).backward(ones(2, 3));
    assert.deepEqual(gradOf(row), [6, 6, 6]);
    assert.deepEqual(gradOf(column), [[12], [12]]);
    assert.equal(scalar.grad?.item(), 18);
  });

  test('each gradient is of the dtype of its tensor', () => {
    const x = tensor([1, 2], { dtype: 'float32', requiresGrad: true });
    const w = tensor([3, 4], { dtype: 'float64', requiresGrad: true });
    const y = x.mul(w);
    assert.equal(y.dtype, 'float64');
    y.sum().backward();
    assert.equal(x.grad?.dtype, 'float32');
    assert.equal(w.grad?.dtype, 'float64');
    assert.deepEqual(values([x.grad, w.grad]), [
      [3, 4],
      [1, 2],
    ]);

    const scalar = tensor(2, { dtype: 'float64', requiresGrad: true });
    const z = tensor([1, 2], { dtype: 'float32', requiresGrad: true });
    z.mul(scalar).sum().backward();
    assert.equal(scalar.grad?.dtype, 'float64');
    assert.equal(z.grad?.dtype, 'float32');
    assert.deepEqual(values([z.grad, scalar.grad]), [[2, 2], 3]);
  });
});

describe('grad', () => {
  test('returns the gradients and leaves grad alone', () => {
    const x = leaf([1, 2]);
    const y = leaf([3, 4]);
    const gradients = autograd.grad(x.mul(y).sum(), [x, y]);
    assert.deepEqual(values(gradients), [
      [3, 4],
      [1, 2],
    ]);
    assert.equal(gradOf(x), null);
    assert.equal(gradOf(y), null);
  });

  test('of several outputs and of the same input twice', () => {
    const x = leaf([1, 2]);
    assert.deepEqual(values(autograd.grad([x.sum(), x.mul(x).sum()], [x, x])), [
      [3, 5],
      [3, 5],
    ]);
  });

  test('with respect to intermediate results', () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    const z = y.mul(y);
    assert.deepEqual(values(autograd.grad(z.sum(), [y, x])), [
      [4, 8],
      [8, 16],
    ]);
  });

  test('of a tensor with respect to itself is the cotangent', () => {
    const x = leaf([1, 2]);
    assert.deepEqual(values(autograd.grad(x, x, { gradOutputs: tensor([5, 6]) })), [[5, 6]]);
  });

  test('runs only what leads to the inputs', () => {
    const x = leaf([1, 2]);
    const y = leaf([1, 2]);
    const a = x.mul(2);
    const b = y.mul(2);
    let ran = false;
    b.gradFn?.registerHook(() => {
      ran = true;
    });
    autograd.grad(a.add(b).sum(), x);
    assert.equal(ran, false);
  });

  test('cotangents, null for those of one element', () => {
    const x = leaf([1, 2]);
    const y = x.mul(2);
    assert.deepEqual(values(autograd.grad([y.sum(), y], x, { gradOutputs: [null, tensor([1, 10])] })), [[4, 22]]);
  });

  test('unused inputs: an error, null or zeros, as asked for', () => {
    const x = leaf([1, 2]);
    const z = tensor([1, 2], { dtype: 'float64', requiresGrad: true });
    assert.throws(() => autograd.grad(x.sum(), [x, z]), {
      code: 'autograd',
      message:
        'The differentiated Tensor at index 1 appears to not have been used in the graph. Set allowUnused: true if this is the desired behavior.',
    });
    assert.deepEqual(values(autograd.grad(x.sum(), [x, z], { allowUnused: true })), [[1, 1], null]);
    const [, zero] = autograd.grad(x.sum(), [x, z], { materializeGrads: true });
    assert.deepEqual(zero.tolist(), [0, 0]);
    assert.equal(zero.dtype, 'float64');
    assert.throws(() => autograd.grad(x.sum(), [x, z], { materializeGrads: true, allowUnused: false } as object), {
      code: 'argument',
      message: /Expected allowUnused to be true or not passed when materializeGrads: true/,
    });
  });

  test('zeros in place of a gradient are differentiable under createGraph', () => {
    const [x, a] = [leaf(0.5), leaf(1)];
    const options = { createGraph: true, allowUnused: true };
    const [slope] = autograd.grad(x.mul(a), x, options) as Tensor[];
    assert.deepEqual(autograd.grad(slope, x, options), [null]);
    const [zero] = autograd.grad(slope, x, { createGraph: true, materializeGrads: true });
    assert.deepEqual([zero.item(), zero.requiresGrad], [0, true]);
    assert.deepEqual(values(autograd.grad(zero, x, { materializeGrads: true })), [0]);
    const [used, unused] = autograd.grad(x.mul(x), [x, a], { materializeGrads: true });
    assert.deepEqual([used.requiresGrad, unused.requiresGrad], [false, false]);
  });

  test('a step that leads to none of the inputs is not run', () => {
    class Forbidden extends autograd.Function {
      static forward(_: autograd.FunctionCtx, x: Tensor): Tensor {
        return x;
      }
      static backward(): never {
        throw new Error('ran');
      }
    }
    const [y, z] = [leaf(1), leaf(2)];
    const branch = (): Tensor => Forbidden.apply(leaf(3).mul(2));
    assert.deepEqual(autograd.grad(branch(), y, { allowUnused: true }), [null]);
    assert.deepEqual(values(autograd.grad(branch().add(z), [y, z], { allowUnused: true })), [null, 1]);
    branch().backward({ inputs: y });
    assert.equal(gradOf(y), null);
  });

  test('of one loss in parts, each graph once', () => {
    const leaves = [1, 2, 3, 4].map((i) => leaf([i]));
    const between = leaves.map((x, i) => x.mul(i).add(x.mul(x)));
    const loss = between.reduce((sum, v, i) => sum.add(v.mul(i)), zeros(1)).sum();
    const cotangents = [0, 2].flatMap((i) => autograd.grad(loss, between.slice(i, i + 2)));
    autograd.backward(between, cotangents);
    assert.deepEqual(
      leaves.map(gradOf),
      [1, 2, 3, 4].map((x, i) => [i * (i + 2 * x)]),
    );
  });

  test('to the third order', () => {
    const x = leaf([1, 2]);
    const [first] = autograd.grad(x.pow(3).sum(), x, { createGraph: true });
    const [second] = autograd.grad(first.sum(), x, { createGraph: true });
    const [third] = autograd.grad(second.sum(), x);
    assert.deepEqual(values([first, second, third]), [
      [3, 12],
      [6, 12],
      [6, 6],
    ]);
    assert.ok(first.requiresGrad && second.requiresGrad && !third.requiresGrad);
  });

  test('createGraph differentiates with respect to the cotangents too', () => {
    const x = leaf([1, 2]);
    const c = leaf([3, 4]);
    const [gx] = autograd.grad(x.mul(2), x, { gradOutputs: c, createGraph: true });
    assert.deepEqual(values(autograd.grad(gx.sum(), c)), [[2, 2]]);
  });

  test('without createGraph the gradients are outside the graph, which is released', () => {
    const x = leaf([1, 2]);
    const y = x.exp().sum();
    const [g] = autograd.grad(y, x);
    assert.equal(g.requiresGrad, false);
    assert.equal(g.gradFn, null);
    assert.throws(() => autograd.grad(y, x), { code: 'autograd', message: /a second time/ });
  });

  test('a sum over steps written with a loop', () => {
    const w = leaf(0.5);
    let h: Tensor = zeros([]);
    for (let step = 0; step < 4; step++) h = add(h.mul(w), 1);
    // h = 1 + w + w^2 + w^3
    assert.equal(h.item(), 1.875);
    assert.equal(autograd.grad(h, w)[0].item(), 1 + 2 * 0.5 + 3 * 0.25);
  });
});

describe('what backward and grad refuse', () => {
  const untouched = (call: (x: Tensor, y: Tensor) => unknown, expected: object): void => {
    const x = leaf([1, 2]);
    const y = x.mul(x);
    assert.throws(() => call(x, y), expected);
    assert.equal(gradOf(x), null);
    y.sum().backward(); // the graph is still there
    assert.deepEqual(gradOf(x), [2, 4]);
  };

  test('an output of several elements without a gradient', () => {
    const expected = {
      code: 'autograd',
      message: /^grad can be implicitly created only for scalar outputs; output 0 has shape \[2\]/,
    };
    untouched((_, y) => y.backward(), expected);
    untouched((x, y) => autograd.grad(y, x), expected);
    untouched((x, y) => autograd.grad([y.sum(), y], x, { gradOutputs: [ones([]), null] }), {
      code: 'autograd',
      message: /output 1 has shape \[2\]/,
    });
  });

  test('a gradient of the wrong shape, even if it would broadcast', () => {
    untouched((_, y) => y.backward(ones(3)), {
      code: 'shape',
      message: 'Mismatch in shape: grad_output[0] has a shape of [3] and output[0] has a shape of [2].',
    });
    untouched((_, y) => y.backward(ones(1)), { code: 'shape', message: /has a shape of \[1\] and output\[0\]/ });
    untouched((x, y) => autograd.grad(y, x, { gradOutputs: ones(2, 1) }), { code: 'shape' });
  });

  test('another number of gradients than tensors', () => {
    untouched((x, y) => autograd.grad(y, x, { gradOutputs: [ones(2), ones(2)] }), {
      code: 'argument',
      message: 'got 1 tensors and 2 gradients',
    });
  });

  test('tensors outside the graph', () => {
    const x = tensor([1, 2]);
    assert.throws(() => x.mul(2).sum().backward(), {
      code: 'autograd',
      message: 'element 0 of tensors does not require grad and does not have a grad_fn',
    });
    untouched((leafX, y) => autograd.grad([y.sum(), x.sum()], leafX), {
      code: 'autograd',
      message: /^element 1 of tensors/,
    });
    untouched((_, y) => autograd.grad(y.sum(), x), {
      code: 'autograd',
      message: 'One of the differentiated Tensors does not require grad',
    });
    untouched((_, y) => y.sum().backward({ inputs: x }), { code: 'autograd' });
  });

  test('no inputs at all', () => {
    untouched((_, y) => autograd.grad(y.sum(), []), { code: 'argument', message: /non-empty inputs/ });
    untouched((_, y) => y.sum().backward({ inputs: [] }), { code: 'argument', message: /cannot be empty/ });
  });

  test('unknown options and other values', () => {
    untouched((_, y) => y.sum().backward({ retain: true } as object), {
      code: 'argument',
      message: 'backward: unknown option "retain"; known are "gradient", "retainGraph", "createGraph", "inputs"',
    });
    untouched((x, y) => autograd.grad(y.sum(), x, { retain_graph: true } as object), {
      code: 'argument',
      message: /^grad: unknown option "retain_graph"/,
    });
    untouched((_, y) => y.backward(1 as never), { code: 'argument' });
    untouched((x) => autograd.grad(1 as never, x), {
      code: 'argument',
      message: /output 0 must be a Tensor or a GradientEdge, got 1/,
    });
    untouched((_, y) => autograd.grad(y.sum(), 'x' as never), {
      code: 'argument',
      message: /input 0 must be a Tensor or a GradientEdge, got "x"/,
    });
    untouched((x, y) => autograd.grad(y, x, { gradOutputs: [1] as never }), { code: 'argument', message: /got 1/ });
  });
});

test('batches of cotangents must be of the shapes of the outputs, one dimension more in front', () => {
  const x = leaf([1, 2]);
  const batched = (y: Tensor, gradOutputs: Tensor): Tensor[] =>
    autograd.grad(y, x, { gradOutputs, isGradsBatched: true });
  assert.deepEqual(values(batched(x.mul(2).sum(), tensor([0n, 1n, 2n]))), [
    [
      [0, 0],
      [2, 2],
      [4, 4],
    ],
  ]);
  const message =
    /^If isGradsBatched: true, we interpret the first dimension .* a mismatch was detected: grad_output\[0\] has a shape of \[2\]/;
  assert.throws(() => batched(x.mul(2), ones(2)), { code: 'shape', message });
  assert.throws(() => batched(x.sum(), ones(2, 1)), {
    code: 'shape',
    message: /shape of \[2, 1\] and output\[0\] has a shape of \[\]/,
  });
});

test('all arguments by position', () => {
  const x = leaf([1, 2]);
  const z = leaf([3, 4]);
  const y = x.mul(x);
  y.backward(ones(2), true);
  y.backward(ones(2), true, false, x);
  autograd.backward(y.sum(), null, true);
  autograd.backward([y, y], { gradTensors: [ones(2), ones(2)], inputs: x, createGraph: true });
  assert.deepEqual(x.grad?.detach().tolist(), [10, 20]);
  assert.equal(x.grad?.requiresGrad, true);
  const [slope] = autograd.grad(y, x, ones(2), null, true);
  assert.deepEqual(values(autograd.grad(slope, [x, z], ones(2), true, false, true)), [[2, 2], null]);
  const [, zero] = autograd.grad(slope, [x, z], ones(2), true, false, true, false, true);
  assert.deepEqual(zero?.tolist(), [0, 0]);
  assert.throws(() => y.backward(ones(2), { gradient: ones(2) } as object), {
    code: 'argument',
    message: /unknown option "gradient"/,
  });
});

describe('grad with its cotangents by position', () => {
  test('as by name', () => {
    const x = leaf([1, 2]);
    const z = leaf([3, 4]);
    const y = x.mul(x);
    const options = { retainGraph: true };
    assert.deepEqual(values(autograd.grad(y, x, ones(2), options)), [[2, 4]]);
    assert.deepEqual(values(autograd.grad([y, y.sum()], x, [ones(2), null], options)), [[4, 8]]);
    assert.deepEqual(values(autograd.grad(y.sum(), x, null, options)), [[2, 4]]);
    assert.deepEqual(values(autograd.grad(y, [x, z], tensor([1, 10]), { allowUnused: true, ...options })), [
      [2, 40],
      null,
    ]);
    const [first] = autograd.grad(y, x, ones(2), { createGraph: true });
    assert.deepEqual(values(autograd.grad(first, x, ones(2))), [[2, 2]]);
  });

  test('not by both, and nothing else', () => {
    const x = leaf([1, 2]);
    const y = x.mul(x);
    assert.throws(() => autograd.grad(y, x, ones(2), { gradOutputs: ones(2) } as object), {
      code: 'argument',
      message: /unknown option "gradOutputs"/,
    });
    assert.throws(() => autograd.grad(y, x, 1 as never), {
      code: 'argument',
      message: /must be a Tensor or null, got 1/,
    });
  });
});

test('powers stay differentiable until they are constant, and then once more', () => {
  const x = tensor(2, { requiresGrad: true });
  let y: Tensor = x.pow(3);
  const values: unknown[] = [];
  for (let order = 1; order <= 4; order++) {
    [y] = autograd.grad(y, x, { createGraph: true });
    values.push(y.item());
  }
  assert.deepEqual(values, [12, 12, 6, 0]);
});

test('a leaf that was frozen after the forward gets no gradient', () => {
  const x = tensor([1, 2], { requiresGrad: true });
  const y = x.mul(3).sum();
  x.requiresGrad_(false);
  y.backward();
  assert.equal(x.grad, null);
});
