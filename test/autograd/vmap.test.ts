/** func.vmap: what it takes and returns, what it refuses, writes in place, indices, random numbers. Every operator is in test/conformance/batches.ts. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type Primitive, primitive, primitiveOfSeveral, run, vjp } from '../../src/autograd/primitive.ts';
import {
  arange,
  autograd,
  bernoulli,
  cat,
  eye,
  func,
  Generator,
  manualSeed,
  nn,
  normal,
  ones,
  onesLike,
  rand,
  randint,
  randintLike,
  randLike,
  randn,
  randnLike,
  randperm,
  stack,
  type Tensor,
  tensor,
  utils,
  where,
  zeros,
  zerosLike,
} from '../../src/index.ts';
import { slice } from '../../src/ops/indexing/index-expression.ts';

const { grad, vmap } = func;
const { functional: F } = nn;

function same(actual: Tensor, expected: Tensor, tolerance = 1e-5): void {
  assert.equal(actual.dtype, expected.dtype);
  assert.deepEqual([...actual.shape], [...expected.shape]);
  assert.ok(actual.allclose(expected, tolerance, tolerance, true), `${actual}\nis not\n${expected}`);
}

/** What a function gives for each example, one after the other. */
const looped = (f: (...xs: Tensor[]) => Tensor, inDims: readonly (number | null)[], ...xs: Tensor[]): Tensor => {
  const size = xs[inDims.findIndex((dim) => dim !== null)].shape[inDims.find((dim) => dim !== null) as number];
  const example = (i: number): Tensor[] =>
    xs.map((x, k) => (inDims[k] === null ? x : x.select(inDims[k] as number, i)));
  return stack(Array.from({ length: size }, (_, i) => f(...example(i))));
};

const long = { dtype: 'int64' } as const;
const a = randn(2, 3, 5);
const b = randn(2, 3, 5);

suite('what it takes', () => {
  test('tensors, several of them, and structures of them', () => {
    same(vmap((x: Tensor, y: Tensor) => x.mul(y))(a, b), a.mul(b));
    same(vmap(([x, y]: Tensor[]) => x.add(y))([a, b]), a.add(b));
    const nested = (z: { x: [Tensor, [Tensor]]; y: Tensor }): Tensor => z.x[0].add(z.x[1][0]).mul(z.y);
    same(vmap(nested)({ x: [a, [b]], y: a }), a.add(b).mul(a));
  });

  test('a dimension of each, from either end, and null for what all examples share', () => {
    const mul = (x: Tensor, y: Tensor): Tensor => x.mul(y);
    const [x, y] = [randn(2, 3), randn(3, 2)];
    same(vmap(mul, { inDims: [0, 1] })(x, y), x.mul(y.t()));
    same(vmap(mul, { inDims: [-1, 0] })(x, y), x.t().mul(y));
    same(vmap(mul, { inDims: [0, null] })(x, x), x.view(2, 1, 3).mul(x));
    same(vmap((v: Tensor, factor: number) => v.mul(factor), { inDims: [0, null] })(x, 2), x.mul(2));
    const pair = ({ p, q }: { p: Tensor; q: Tensor[] }): Tensor => p.mul(q[0]);
    same(vmap(pair, { inDims: [{ p: 0, q: [1] }] })({ p: x, q: [y] }), x.mul(y.t()));
    same(vmap(pair, { inDims: [{ p: 0, q: [null] }] })({ p: x, q: [x] }), x.view(2, 1, 3).mul(x));
  });

  test('a function that is nested, over the same dimensions and others', () => {
    const mul = (x: Tensor, y: Tensor): Tensor => x.mul(y);
    same(vmap(vmap(vmap(mul)))(a, b), a.mul(b));
    const [x, y, z] = [randn(2, 3), randn(5, 3), randn(7, 3)];
    const each = vmap((u: Tensor) => vmap((v: Tensor) => vmap((w: Tensor) => u.mul(v).mul(w))(z))(y))(x);
    same(
      each,
      x
        .view(2, 1, 1, 3)
        .mul(y.view(5, 1, 3))
        .mul(z),
    );
    same(vmap((u: Tensor) => vmap((_: Tensor) => u)(y))(x), x.view(2, 1, 3).expand(2, 5, 3));
    const three = vmap(vmap(vmap(mul), { inDims: [1, 0] }), { inDims: [1, 2] });
    same(three(randn(5, 2, 3).fill_(2), b.permute(1, 2, 0).reshape(3, 5, 2)).mul(0), zeros(2, 3, 5));
    same(
      three(a.permute(2, 0, 1), b.permute(1, 2, 0)),
      vmap(vmap(vmap(mul)))(a.permute(2, 0, 1).permute(1, 2, 0), b.permute(1, 2, 0).permute(2, 0, 1)),
    );
  });

  test('modules, and captured tensors', () => {
    const layer = new nn.Linear(5, 4);
    same(vmap((x: Tensor) => layer.forward(x))(a), layer.forward(a));
    const captured = randn(3);
    same(vmap((x: Tensor) => captured.mul(x))(randn(2, 3).fill_(1)), captured.expand(2, 3));
  });

  test('no examples at all', () => {
    assert.deepEqual(vmap((x: Tensor) => x.sort().values.cumsum(0).exp())(zeros(0, 3)).shape, [0, 3]);
    assert.deepEqual(vmap((x: Tensor) => x.matmul(x.t()).softmax(0))(zeros(0, 3, 2)).shape, [0, 3, 3]);
  });

  test('a part of the examples at a time', () => {
    const f = (x: Tensor): { sum: Tensor; all: [Tensor, string] } => ({ sum: x.sum(), all: [x.sin(), 'sin'] });
    for (const chunkSize of [1, 2, 3, 7, 100]) {
      const result = vmap(f, { inDims: 1, outDims: { sum: 0, all: [-1, null] }, chunkSize })(a);
      same(result.sum, a.sum([0, 2]));
      same(result.all[0], a.sin().movedim(1, -1));
      assert.equal(result.all[1], 'sin');
    }
  });
});

suite('what it returns', () => {
  test('tensors in any structure, each with the batch where it is wanted', () => {
    const f = (x: Tensor): [Tensor, { y: Tensor; z: Tensor[] }] => [x, { y: x.sin(), z: [x.mul(2)] }];
    const [x, { y, z }] = vmap(f, { outDims: [1, { y: 0, z: [-1] }] })(a);
    same(x, a.movedim(0, 1));
    same(y, a.sin());
    same(z[0], a.mul(2).movedim(0, -1));
    same(vmap(f, { outDims: 2 })(a)[1].y, a.sin().movedim(0, 2));
    same(vmap((v: Tensor) => v, { outDims: [1] })(a), a.movedim(0, 1));
    same(vmap((v: Tensor) => vmap((u: Tensor) => u, { outDims: 1 })(v), { outDims: -1 })(a), a.permute(2, 1, 0));
    assert.deepEqual(Object.keys(vmap((v: Tensor) => v.max(0))(a)), ['values', 'indices']);
  });

  test('views, where only the dimension of the batch moves', () => {
    for (const result of [
      vmap((x: Tensor) => x, { inDims: 1, outDims: 2 })(a),
      vmap((x: Tensor) => x.t().select(0, 1))(a),
      vmap((x: Tensor) => x.reshape(-1))(a),
    ]) {
      assert.ok(result.storage === a.storage);
    }
  });

  test('what is the same for all examples, once for each, or as it is', () => {
    same(vmap((_: Tensor) => tensor(3.5))(ones(3)), tensor([3.5, 3.5, 3.5]));
    const shared = arange(3);
    assert.equal(vmap((_: Tensor) => shared, { outDims: null })(a), shared);
    assert.equal(vmap((_: Tensor) => 'text', { outDims: null })(a), 'text');
    const [x, text] = vmap((v: Tensor): [Tensor, string] => [v, 'text'], { outDims: [0, null] })(a);
    same(x, a);
    assert.equal(text, 'text');
  });

  test('results with a graph', () => {
    const x = randn(3, requiresGrad);
    const rows = vmap((v: Tensor) => autograd.grad(x.square().mul(3), x, { gradOutputs: v })[0])(eye(3));
    same(rows, x.detach().mul(6).diag());
    const y = vmap((v: Tensor) => v.square().sum())(a.clone().requiresGrad_());
    assert.equal(y.gradFn?.name(), 'SumBackward0');
  });
});
const requiresGrad = { requiresGrad: true } as const;

suite('what it refuses', () => {
  const x = ones(2, 3);
  const refused = (work: () => unknown, code: string, message: RegExp): void => {
    assert.throws(work, (error: Error & { code?: string }) => {
      assert.match(error.message, message);
      assert.equal(error.code, code);
      return true;
    });
  };
  const identity = (v: unknown): Tensor => v as Tensor;

  test('inDims that do not fit', () => {
    const structure = /inDims is not compatible with the structure of the inputs/;
    refused(() => vmap((u: Tensor, _: Tensor) => u, { inDims: [0] })(x, x), 'argument', structure);
    refused(() => vmap((u: Tensor, _: Tensor) => u, { inDims: [0, 0, 0] })(x, x), 'argument', structure);
    refused(() => vmap(identity, { inDims: [[0, 0]] })({ p: x, q: x }), 'argument', structure);
    refused(() => vmap(identity, { inDims: [{ p: 0 }] })({ p: x, q: x }), 'argument', structure);
    refused(() => vmap(identity, { inDims: [[0]] })(x), 'argument', structure);
    const kind = /expected inDims to be a whole number or a \(potentially nested\) array/;
    for (const inDims of ['a', 1.5, [0.5], null, new Set([0])] as never[]) {
      refused(() => vmap(identity, { inDims })(x), 'argument', kind);
    }
  });

  test('inputs that are no batches', () => {
    refused(() => vmap(() => x)(), 'argument', /got no inputs/);
    refused(() => vmap(identity, { inDims: [null] })(x), 'argument', /Expected at least one Tensor to vmap over/);
    refused(() => vmap((v: Tensor, _: number) => v)(x, 2), 'argument', /We cannot vmap over non-Tensor arguments/);
    const outside = /Got inDim=-?\d for some input, but that input is a Tensor of dimensionality \d/;
    refused(() => vmap(identity)(tensor(1)), 'index', outside);
    refused(() => vmap(identity, { inDims: 2 })(x), 'index', outside);
    refused(() => vmap(identity, { inDims: [-3] })(x), 'index', outside);
    const sizes = /Expected all tensors to have the same size in the mapped dimension, got sizes 2, 3/;
    refused(() => vmap((u: Tensor, _: Tensor) => u)(x, ones(3)), 'shape', sizes);
    refused(() => vmap(([u]: Tensor[]) => u)([x, ones(3)]), 'shape', sizes);
  });

  test('outDims that do not fit, and results that are no batches', () => {
    const structure = /outDims is not compatible with the structure of the outputs/;
    const two = (v: Tensor): Tensor[] => [v, v];
    refused(() => vmap(two, { outDims: [0] })(x), 'argument', structure);
    refused(() => vmap(two, { outDims: [0, 0, 0] })(x), 'argument', structure);
    refused(() => vmap(identity, { outDims: [0, 0] })(x), 'argument', structure);
    refused(() => vmap(two, { outDims: { a: 0, b: 0 } })(x), 'argument', structure);
    refused(() => vmap(two, { outDims: [0], chunkSize: 1 })(x), 'argument', structure);
    refused(
      () => vmap(identity, { outDims: 'a' as never })(x),
      'argument',
      /expected outDims to be a whole number, null/,
    );
    refused(() => vmap(identity, { outDims: 3 })(x), 'index', /Dimension out of range/);
    refused(() => vmap(identity, { outDims: -4 })(x), 'index', /Dimension out of range/);
    refused(
      () => vmap(identity, { outDims: null })(x),
      'argument',
      /can not return a batched Tensor when outDim is null/,
    );
    for (const result of [1.5, 'a', null, undefined]) {
      refused(() => vmap((_: Tensor) => result)(x), 'argument', /must only return Tensors, got type/);
      refused(() => vmap((v: Tensor) => [v, result])(x), 'argument', /must only return Tensors, got type/);
    }
  });

  test('options that mean nothing', () => {
    for (const chunkSize of [0, -1, 1.5]) {
      refused(() => vmap(identity, { chunkSize }), 'argument', /chunkSize should be null or greater than 0/);
    }
    refused(
      () => vmap(identity, { randomness: 'diffrent' as never }),
      'argument',
      /Only allowed values for randomness/,
    );
    refused(() => vmap(identity, { chunks: 2 } as never), 'argument', /chunks/);
  });

  test('to read the elements of an example', () => {
    const reading = /item\(\) on a Tensor.*data-dependent control flow/;
    refused(() => vmap((v: Tensor) => (v.sum().item() ? v : v.neg()))(x), 'unsupported', reading);
    refused(() => vmap((v: Tensor) => tensor(v.tolist() as number[]))(x), 'unsupported', reading);
    refused(() => vmap((v: Tensor) => (v.equal(v) ? v : v))(x), 'unsupported', reading);
    refused(() => vmap((v: Tensor) => v.narrow(0, v.sum().to('int64'), 1))(x), 'unsupported', reading);
    const dynamic = /dynamic shape/;
    refused(() => vmap((v: Tensor) => v.nonzero())(x), 'unsupported', dynamic);
    refused(() => vmap((v: Tensor) => where(v.gt(0)))(x), 'unsupported', dynamic);
    refused(() => vmap((v: Tensor) => v.index(v.gt(0)))(x), 'unsupported', dynamic);
    refused(() => vmap((v: Tensor) => v.indexPut([v.gt(0)], ones(3)))(x), 'unsupported', dynamic);
    refused(() => vmap((v: Tensor) => v.maskedSelect(v.gt(0)))(x), 'unsupported', /over `mask` in maskedSelect/);
    refused(() => vmap((v: Tensor) => F.oneHot(v.long()))(x), 'unsupported', /explicit positive numClasses/);
    same(vmap((v: Tensor) => F.oneHot(v.long(), 2))(x), F.oneHot(x.long(), 2));
  });

  test('what would reach other examples', () => {
    refused(() => vmap((v: Tensor) => v.asStrided([3], [1], 1))(x), 'unsupported', /not supported inside of vmap/);
    same(vmap((v: Tensor) => v.asStrided([2], [2]))(arange(6).view(2, 3)), tensor([[0, 2], [3, 5]], long)); // biome-ignore format: a matrix
    refused(() => vmap((v: Tensor) => v.view(6), { inDims: 1 })(ones(2, 3, 3)), 'shape', /Use reshape/);
  });

  test('backward, and tensors that have escaped', () => {
    const w = ones(3, requiresGrad);
    const inner = (v: Tensor): Tensor => {
      w.mul(v).sum().backward();
      return v;
    };
    refused(() => vmap(inner)(x), 'unsupported', /backward\(\) called inside of vmap/);
    assert.equal(w.grad, null);
    let escaped = x;
    vmap((v: Tensor) => {
      escaped = v;
      assert.equal(
        String(v),
        'BatchedTensor(lvl=1, bdim=0, value=\n    tensor([[1., 1., 1.],\n            [1., 1., 1.]])\n)',
      );
      return v;
    })(x);
    refused(() => escaped.sin(), 'unsupported', /may have escaped/);
    refused(() => vmap((v: Tensor) => v.add(escaped))(x), 'unsupported', /may have escaped/);
    same(vmap((v: Tensor) => v.add(1))(x), x.add(1));
  });

  test('values that no example may have', () => {
    const probabilities = tensor([[0.1, 0.2], [0.3, 2]]); // biome-ignore format: a matrix
    const loss = (p: Tensor): Tensor => F.binaryCrossEntropy(p, p);
    refused(() => vmap(loss)(probabilities), 'argument', /between 0 and 1/);
    same(vmap(loss)(probabilities.div(2)), looped(loss, [0], probabilities.div(2)));
    const spread = (v: Tensor): Tensor => F.gaussianNllLoss(v, v, v.sub(1));
    refused(() => vmap(spread)(probabilities), 'argument', /negative/);
    refused(() => vmap((v: Tensor, i: Tensor) => v.index(i))(x, tensor([0, 5], long)), 'index', /out of bounds/);
    refused(
      () => vmap((v: Tensor, i: Tensor) => v.indexSelect(0, i))(x, tensor([0, 3], long)),
      'index',
      /out of bounds/,
    );
    const table = (t: Tensor, i: Tensor): Tensor => F.embedding(i, t);
    refused(() => vmap(table)(ones(2, 3, 2), tensor([0, 3], long)), 'index', /out of range/);
  });
});

test('numbers in tensors without dimensions are promoted as such', () => {
  const dtypeOf = (f: (...xs: Tensor[]) => Tensor, ...xs: Tensor[]): string => vmap(f)(...xs).dtype;
  const double = { dtype: 'float64' } as const;
  assert.equal(
    dtypeOf((x, y) => x.mul(y), ones(3, double), ones(3, 2)),
    'float32',
  );
  assert.equal(
    dtypeOf((x) => x.mul(ones(2)), ones(3, double)),
    'float32',
  );
  assert.equal(
    dtypeOf((x) => x.mul(tensor(1, double)), ones(3)),
    'float64',
  );
  assert.equal(
    dtypeOf((x) => x.mul(tensor(1, double)), ones(3, 2)),
    'float32',
  );
  assert.equal(
    dtypeOf((x) => x.mul(tensor([1], long)), ones(3, { dtype: 'int32' })),
    'int64',
  );
  assert.equal(
    dtypeOf((x, y) => where(x.gt(0), x, y), ones(3, double), ones(3, 2)),
    'float32',
  );
  // the gradient has the dtype of what it is of
  const x = ones(3, double).requiresGrad_();
  const [g] = autograd.grad(vmap((u: Tensor) => u.mul(ones(2)))(x).sum(), x);
  same(g, tensor([2, 2, 2], double));
});

suite('writes in place', () => {
  test('reach the tensor that is a batch', () => {
    const x = a.clone();
    const y = vmap((v: Tensor) => v.mul_(2), { inDims: 1, outDims: 1 })(x);
    same(x, a.mul(2));
    assert.ok(y.storage === x.storage);
    const z = a.clone();
    vmap(vmap((v: Tensor, w: Tensor) => v.copy_(w)))(z, b);
    same(z, b);
    vmap((v: Tensor, n: Tensor) => v.fill_(n))(z, tensor([4, 5]));
    same(z, tensor([4, 5]).view(2, 1, 1).expand(2, 3, 5));
    vmap((v: Tensor) => v.select(0, 1).zero_())(z);
    same(z.select(1, 1), zeros(2, 5));
    assert.throws(
      () => vmap((v: Tensor) => v.add_(1))(ones(3, requiresGrad)),
      /a leaf Variable that requires grad is being used in an in-place operation/,
    );
  });

  test('need a tensor that is a batch', () => {
    const shared = zeros(5);
    const impossible = /inplace arithmetic.*is not possible because there exists a Tensor `other`/;
    for (const write of [
      (x: Tensor) => shared.add_(x),
      (x: Tensor) => shared.copy_(x),
      (x: Tensor) => shared.fill_(x.select(0, 0)),
      (x: Tensor) => shared.scatter_(0, tensor([0], long), x),
      (x: Tensor) => shared.select(0, 0).copy_(x.select(0, 0)),
      (x: Tensor) => shared.indexPut_([[0]], x.select(0, 0)),
    ]) {
      assert.throws(() => vmap(vmap(write))(a), impossible);
    }
    same(shared, zeros(5));
    const inner = (x: Tensor): Tensor => vmap((y: Tensor) => x.add_(y))(b.select(0, 0));
    assert.throws(() => vmap(inner)(a.select(0, 0).clone()), impossible);
    same(vmap((x: Tensor) => zerosLike(x).add_(x))(a), a);
    same(vmap(vmap((x: Tensor) => onesLike(x).mul_(x)))(a), a);
  });

  test('have gradients, of the batch and of each example', () => {
    const programs: ((x: Tensor) => Tensor)[] = [
      (x) => x.clone().mul_(2),
      (x) => x.clone().pow_(3).add_(x),
      (x) => {
        const z = x.clone();
        z.select(0, 0).mul_(5);
        return z.mul(x);
      },
      (x) => {
        const z = zerosLike(x);
        z.index(slice(0, 2), 1).copy_(x.select(0, 0).narrow(0, 0, 2));
        z.select(0, 2).add_(x.select(0, 1).sin());
        return z.square();
      },
      (x) => {
        const z = x.mul(x);
        const view = z.t();
        view.index(slice(1, 3), slice(1, 3)).mul_(2);
        view.index(slice(0, 3), slice(0, 3)).diagonal().sin_();
        return view.cos_();
      },
      (x) => x.clone().indexPut_([[0, 2]], x.select(0, 1)),
      (x) => x.clone().fill_(x.sum()),
      (x) => x.clone().t_().unsqueeze_(0).mul_(x.t()),
    ];
    for (const f of programs) {
      const weighed = (x: Tensor): Tensor => f(x).mul(f(x.cos())).sum();
      same(vmap(f)(a), looped(f, [0], a));
      const wanted = looped(grad(weighed), [0], a);
      same(vmap(grad(weighed))(a), wanted, 1e-4);
      same(grad((x: Tensor) => vmap(weighed)(x).sum())(a), wanted, 1e-4);
    }
  });

  test('under many cotangents at once', () => {
    const leaf = randn(4, 4, 5, requiresGrad);
    const base = leaf.mul(leaf);
    const view = base
      .transpose(0, 2)
      .select(0, 1)
      .diagonal()
      .index(slice(null, null, 2));
    view.cos_();
    const cotangents = randn(3, 2);
    const each = (c: Tensor): Tensor => autograd.grad(view, leaf, { gradOutputs: c, retainGraph: true })[0];
    const [all] = autograd.grad(view, leaf, { gradOutputs: cotangents, isGradsBatched: true, retainGraph: true });
    same(all, stack(cotangents.unbind(0).map(each)));
  });

  test('that would change what was saved are an error', () => {
    const f = (x: Tensor): Tensor => {
      const y = x.exp();
      const z = y.sum();
      y.add_(1);
      return z;
    };
    assert.throws(() => vmap(grad(f))(a), /modified by an inplace operation/);
  });

  test('of running statistics are for a batch of these', () => {
    const x = randn(4, 6, 3);
    const [mean, variance] = [zeros(3), ones(3)];
    const normalise = (v: Tensor, m: Tensor, s: Tensor): Tensor => F.batchNorm(v, m, s, { training: true });
    assert.throws(() => vmap((v: Tensor) => normalise(v, mean, variance))(x), /were not batched/);
    same(mean, zeros(3));
    same(variance, ones(3));
    const [means, variances] = [zeros(4, 3), ones(4, 3)];
    const out = vmap(normalise)(x, means, variances);
    for (const i of [0, 3]) {
      const [m, s] = [zeros(3), ones(3)];
      same(out.select(0, i), normalise(x.select(0, i), m, s));
      same(means.select(0, i), m);
      same(variances.select(0, i), s);
    }
  });
});

suite('indices that differ by example', () => {
  const index = tensor([[0, 2, 1], [1, 1, 0]], long); // biome-ignore format: a matrix
  const check = (f: (...xs: Tensor[]) => Tensor, ...xs: Tensor[]): void => {
    for (const inDims of [xs.map(() => 0), [0, null, 0], [null, 0, null], [null, 0, 0], [0, 0, null]]) {
      const own = inDims.slice(0, xs.length);
      if (!own.includes(0)) continue;
      const given = xs.map((x, k) => (own[k] === null ? x.select(0, 0) : x));
      const [got, wanted] = [
        vmap(f as never, { inDims: own })(...(given as never[])) as Tensor,
        looped(f, own, ...given),
      ];
      same(got, wanted);
    }
  };
  const x = randn(2, 3, 4, 5);

  test('read, in any place among other items', () => {
    check((v, i) => v.index(i), x, index);
    check((v, i) => v.index(slice(), i), x, index);
    check((v, i) => v.index(slice(), slice(), i), x, index);
    check((v, i) => v.index(i, slice(), i), x, index);
    check((v, i) => v.index(i, i.unsqueeze(1)), x, index);
    check((v, i) => v.index([1], slice(), i), x, index);
    check((v, i) => v.index(slice(), i.sub(2)), x, index);
    check((v, i) => v.index(i.select(0, 0)), x, index);
    check((v, i) => v.index(slice(), i.select(0, 0), 2), x, index);
  });

  test('written', () => {
    const values = randn(2, 3, 4, 5);
    check((v, i, w) => v.indexPut([i], w), x, index, values);
    check((v, i, w) => v.indexPut([i], w.select(0, 0), true), x, index, values);
    check((v, i, w) => v.indexPut([slice(), i], w.narrow(1, 0, 3)), x, index, values);
    check(
      (v, i, w) => v.indexPut([i, slice(), i], w.select(1, 0).narrow(1, 0, 4).narrow(0, 0, 1), true),
      x,
      index,
      values,
    );
    check((v, i) => v.indexPut([i.select(0, 0)], 9), x, index);
    check((v) => v.indexPut([v.gt(0)], 9), x);
    check((v) => v.clone().index_([v.sum([1, 2]).gt(0)], 9), x);
    const write = (v: Tensor, i: Tensor, w: Tensor): Tensor => v.clone().index_([slice(), i], w.narrow(1, 0, 3));
    same(vmap(write)(x, index, values), looped(write, [0, 0, 0], x, index, values));
    check((v) => v.indexPut([v.gt(0)], tensor(2), true), x);
  });

  test('along a dimension', () => {
    const matrix = randn(2, 3, 4);
    const source = randn(2, 3, 4);
    check((v, i) => v.indexSelect(0, i), matrix, index);
    check((v, i) => v.indexSelect(-1, i), matrix, index);
    check((v, i, s) => v.indexAdd(0, i, s, { alpha: 2 }), matrix, index, source);
    check((v, i) => v.indexFill(-1, i.sub(1), 7), matrix, index);
    check((v, i, s) => v.indexFill(0, i, s.sum()), matrix, index, source);
    check((v, i, s) => v.indexReduce(0, i, s, 'amax'), matrix, index, source);
    check((v, i) => v.take(i.sub(1)), matrix, index);
    check((v, i, s) => v.put(i, s.select(1, 0), true), matrix, index, source);
    check((v, i) => v.gather(0, i.unsqueeze(1)), matrix, index);
    check((v, i) => v.takeAlongDim(i.unsqueeze(0).add(1), 1), matrix, index);
    check((v, _, s) => v.maskedScatter(v.gt(0), s), matrix, index, source);
    check((v, i) => v.index(0, 0).indexSelect(0, i.narrow(0, 0, 1).mul(0)), matrix, index);
  });

  test('of rows of a table', () => {
    const table = randn(2, 4, 3);
    for (const options of [
      {},
      { paddingIdx: 1 },
      { scaleGradByFreq: true },
      { paddingIdx: -4, scaleGradByFreq: true },
    ]) {
      const f = (t: Tensor, i: Tensor): Tensor => F.embedding(i, t, options).pow(3).sum();
      for (const inDims of [
        [0, 0],
        [0, null],
        [null, 0],
      ]) {
        // biome-ignore format: pairs
        const given = [inDims[0] === null ? table.select(0, 0) : table, inDims[1] === null ? index.select(0, 0) : index];
        const wanted = looped(grad(f), inDims, ...given);
        same(vmap(grad(f), { inDims })(given[0], given[1]), wanted);
        const whole = grad((t: Tensor) => vmap(f, { inDims })(t, given[1]).sum())(given[0]);
        same(whole, inDims[0] === null ? wanted.sum(0) : wanted);
      }
    }
  });

  test('of classes: gradients for each sample', () => {
    const [weight, x] = [randn(4, 3), randn(5, 3)];
    const classes = tensor([0, 3, -100, 1, 1], long);
    for (const options of [{}, { weight: tensor([1, 2, 3, 4]) }, { labelSmoothing: 0.1, reduction: 'sum' }] as const) {
      const loss = (w: Tensor, v: Tensor, c: Tensor): Tensor =>
        F.crossEntropy(w.mv(v).unsqueeze(0), c.unsqueeze(0), options);
      const perSample = vmap(grad(loss), { inDims: [null, 0, 0] })(weight, x, classes);
      same(perSample, looped(grad(loss), [null, 0, 0], weight, x, classes));
    }
    const wrong = (v: Tensor, c: Tensor): Tensor => F.nllLoss(v, c);
    assert.throws(() => vmap(wrong)(x, tensor([0, 1, 2, 3, 0], long)), /out of bounds/);
    same(vmap(wrong)(x, tensor([0, 1, 2, 1, 0], long)), looped(wrong, [0, 0], x, tensor([0, 1, 2, 1, 0], long)));
  });

  test('what is joined', () => {
    const [v, w] = [randn(4, 2), randn(4, 3)];
    same(vmap((p: Tensor, q: Tensor) => cat([p, q]))(v, w), cat([v, w], 1));
    same(vmap((p: Tensor) => cat([p, zeros(0), ones(2)]))(v), cat([v, ones(4, 2)], 1));
    same(vmap((p: Tensor) => stack([p, tensor(1)]))(randn(3).fill_(2)), tensor([2, 1]).expand(3, 2));
  });
});

suite('random numbers', () => {
  const x = randn(4, 3, 2);
  const seeded = (work: () => Tensor): Tensor => {
    manualSeed(7);
    return work();
  };
  const errors = /called random operation while in randomness error mode/;
  type Draw = (like: Tensor, size: readonly number[]) => Tensor;

  // each of a shape, which the examples of a batch add a dimension to
  const factories: { [name: string]: Draw } = {
    rand: (_, size) => rand(size),
    randn: (_, size) => randn(size, { dtype: 'float64' }),
    randint: (_, size) => randint(0, 100, size),
    normal: (_, size) => normal(0, 1, size),
    generator: (_, size) => randn(size, { generator: new Generator().manualSeed(3) }),
    randLike: (like) => randLike(like),
    randnLike: (like) => randnLike(like),
    randintLike: (like) => randintLike(like, 5, 100),
    uniform_: (like) => zerosLike(like).uniform_(-1, 1),
    normal_: (like) => zerosLike(like).normal_(),
    exponential_: (like) => zerosLike(like).exponential_(),
    random_: (like) => zerosLike(like).random_(-5, 100),
    bernoulli_: (like) => zerosLike(like).bernoulli_(0.5),
    dropout: (like) => F.dropout(onesLike(like)),
    alphaDropout: (like) => F.alphaDropout(onesLike(like), { training: true }),
  };
  for (const [name, draw] of Object.entries(factories)) {
    test(`${name}: an error, different, or the same`, () => {
      const one = (v: Tensor): Tensor => draw(v, [3, 2]);
      assert.throws(() => vmap(one)(x), errors);
      same(
        seeded(() => vmap(one, { randomness: 'same' })(x)),
        seeded(() => draw(x.select(0, 0), [3, 2])).expand(4, 3, 2),
      );
      same(
        seeded(() => vmap(one, { randomness: 'different' })(x)),
        seeded(() => draw(x, [4, 3, 2])),
      );
    });
  }

  // each of an input that says how they are distributed
  const distributed: { [name: string]: (p: Tensor) => Tensor } = {
    'normal of means': (p) => normal(p, 1),
    'normal of deviations': (p) => normal(0, p),
    'normal of both': (p) => normal(p, ones(3, 2)),
    'bernoulli of probabilities': (p) => bernoulli(p),
    'bernoulli of a number': (p) => bernoulli(p, 0.5),
    multinomial: (p) => p.multinomial(1).to('float32'),
  };
  for (const [name, draw] of Object.entries(distributed)) {
    test(`${name}: an error, different, or the same where it is the same for all`, () => {
      const p = rand(4, 3, 2);
      assert.throws(() => vmap(draw)(p), errors);
      assert.throws(() => vmap(draw, { randomness: 'same' })(p), /same randomness with a batched tensor input/);
      const shared = (_: Tensor): Tensor => draw(p.select(0, 0));
      same(
        seeded(() => vmap(shared, { randomness: 'same' })(x)),
        seeded(() => {
          const once = draw(p.select(0, 0));
          return once.expand(4, ...once.shape);
        }),
      );
      const rows = (v: Tensor): Tensor => (name === 'multinomial' ? draw(v.reshape(-1, 2)).view(4, 3, 1) : draw(v));
      same(
        seeded(() => vmap(draw, { randomness: 'different' })(p)),
        seeded(() => rows(p)),
      );
      same(
        seeded(() => vmap(shared, { randomness: 'different' })(x)),
        seeded(() => rows(p.select(0, 0).expand(4, 3, 2))),
      );
    });
  }

  test('permutations, one after the other', () => {
    const order = (_: Tensor): Tensor => randperm(6);
    same(
      seeded(() => vmap(order, { randomness: 'different' })(x)),
      seeded(() => stack([randperm(6), randperm(6), randperm(6), randperm(6)])),
    );
  });

  test('written over what all examples share', () => {
    const shared = zeros(3);
    const fill = (_: Tensor): Tensor => shared.uniform_();
    assert.throws(
      () => vmap(fill, { randomness: 'different' })(x),
      /different inplace randomness on an unbatched tensor/,
    );
    same(shared, zeros(3));
    const by = (p: Tensor): Tensor => shared.bernoulli_(p);
    assert.throws(() => vmap(by, { randomness: 'different' })(rand(2, 3)), /there exists a Tensor `other`/);
    vmap(fill, { randomness: 'same' })(x);
    assert.ok(shared.gt(0).all().item());
  });

  test('in batches of batches', () => {
    const draw = (_: Tensor): Tensor => randn([]);
    const nested = (outer: 'same' | 'different' | 'error', inner: 'same' | 'different' | 'error'): Tensor =>
      seeded(() => vmap(vmap(draw, { randomness: inner }), { randomness: outer })(ones(3, 2)));
    const drawn = (...size: number[]): Tensor => seeded(() => randn(size));
    same(nested('same', 'same'), drawn().expand(3, 2));
    same(nested('same', 'different'), drawn(2).expand(3, 2));
    same(nested('different', 'same'), drawn(3).view(3, 1).expand(3, 2));
    same(nested('different', 'different'), drawn(3, 2));
    for (const other of ['same', 'different', 'error'] as const) {
      assert.throws(() => nested(other, 'error'), errors);
      assert.throws(() => nested('error', other), errors);
    }
    const moments = (m: Tensor, s: Tensor): Tensor => normal(m, s);
    const [m, s] = [randn(3, 2, 5), rand(3, 2)];
    same(
      seeded(() => vmap(vmap(moments, { randomness: 'different' }), { randomness: 'different' })(m, s)),
      seeded(() => normal(m, s.unsqueeze(-1).expand(3, 2, 5))),
    );
    const write = (v: Tensor): Tensor => v.clone().uniform_();
    same(
      seeded(() => vmap(vmap(write, { randomness: 'same' }), { randomness: 'different' })(ones(3, 2, 4))),
      seeded(() => rand(3, 4))
        .unsqueeze(1)
        .expand(3, 2, 4),
    );
  });

  test('a part of the examples at a time', () => {
    const draw = (v: Tensor): Tensor => v.mul(0).add(randLike(v));
    const chunks = seeded(() => vmap(draw, { randomness: 'different', chunkSize: 3 })(x));
    same(
      chunks,
      seeded(() => cat([rand(3, 3, 2), rand(1, 3, 2)])),
    );
  });

  test('dropout leaves examples alone where it has nothing to draw', () => {
    same(vmap((v: Tensor) => F.dropout(v, 0.5, false))(x), x);
    same(vmap((v: Tensor) => F.dropout(v, 0))(x), x);
    same(vmap((v: Tensor) => F.dropout(v, 1))(x), zeros(4, 3, 2));
    const channels = seeded(() =>
      vmap((v: Tensor) => F.dropout2d(v), { randomness: 'different' })(ones(4, 5, 6, 2, 2)),
    );
    assert.ok(
      channels
        .sum([3, 4])
        .eq(0)
        .logicalOr(channels.sum([3, 4]).eq(8))
        .all()
        .item(),
    );
    const rows = channels.sum([2, 3, 4]);
    assert.ok(!rows.select(0, 0).equal(rows.select(0, 1)));
  });

  test('within derivatives, and derivatives of them', () => {
    const drop = (v: Tensor): Tensor => F.dropout(v).sum();
    const mask = seeded(() => F.dropout(onesLike(x)));
    same(
      seeded(() => vmap(grad(drop), { randomness: 'different' })(x)),
      mask,
    );
    same(
      seeded(() => grad((v: Tensor) => vmap(drop, { randomness: 'different' })(v).sum())(x)),
      mask,
    );
    const [, tangent] = seeded2(() =>
      vmap((v: Tensor) => func.jvp(drop, [v], [onesLike(v)]), { randomness: 'different' })(x),
    );
    same(tangent, mask.sum([1, 2]));
    same(
      vmap(
        grad((v: Tensor) => v.clone().uniform_().sum()),
        { randomness: 'same' },
      )(x),
      zerosLike(x),
    );
    same(
      vmap(
        grad((v: Tensor) => bernoulli(v.sigmoid()).mul(v).sum()),
        { randomness: 'different' },
      )(x).mul(0),
      zerosLike(x),
    );
  });
  const seeded2 = <T>(work: () => T): T => {
    manualSeed(7);
    return work();
  };

  test('in what is made of batches', () => {
    const v = ones(3);
    const drop = (u: Tensor): Tensor => F.dropout(u);
    same(
      seeded(() => func.jacrev(drop)(v)),
      seeded(() => F.dropout(v)).diag(),
    );
    assert.throws(() => func.jacfwd(drop)(v), errors);
    assert.throws(() => func.hessian((u: Tensor) => drop(u.square()).sum())(v), errors);
    same(
      seeded(() => func.jacfwd(drop, { argnums: 0, randomness: 'same' })(v)),
      seeded(() => F.dropout(v)).diag(),
    );
    const different = seeded(() => func.jacfwd(drop, { argnums: 0, randomness: 'different' })(v));
    same(different, seeded(() => F.dropout(ones(3, 3))).mul(eye(3)));
    const { jacobian, hessian } = autograd.functional;
    same(
      seeded(() => jacobian(drop, v, { vectorize: true })),
      seeded(() => F.dropout(v)).diag(),
    );
    assert.throws(() => jacobian(drop, v, { vectorize: true, strategy: 'forward-mode' }), errors);
    same(
      seeded(() => hessian((u: Tensor) => drop(u.square()).sum(), v, { vectorize: true })),
      seeded(() => F.dropout(v))
        .mul(2)
        .diag(),
    );
    const leaf = ones(3, requiresGrad);
    const batched = (y: Tensor): Tensor => autograd.grad(y, leaf, { gradOutputs: eye(3), isGradsBatched: true })[0];
    same(
      seeded(() => batched(drop(leaf))),
      seeded(() => F.dropout(v)).diag(),
    );
    assert.throws(() => batched(utils.checkpoint.checkpoint(drop, leaf)), errors);
  });
});

test('what is said of tensors holds for those of a batch', () => {
  const programs: ((x: Tensor) => Tensor)[] = [
    (x) => x.data.mul(x),
    (x) => x.detach().mul(x),
    (x) => utils.checkpoint.checkpoint((y: Tensor) => y.sin().exp(), x),
    (x) => autograd.graph.saveOnCpu(() => x.exp().square()),
  ];
  for (const f of programs) {
    const loss = (x: Tensor): Tensor => f(x).sum();
    same(vmap(grad(loss))(a), looped(grad(loss), [0], a));
    same(grad((x: Tensor) => vmap(loss)(x).sum())(a), looped(grad(loss), [0], a));
  }
  const hooked = (x: Tensor): Tensor => {
    const y = x.exp();
    y.registerHook((g) => g.mul(3));
    return y.sum();
  };
  same(vmap(grad(hooked))(a), a.exp().mul(3));
  vmap((x: Tensor) => {
    assert.deepEqual([x.shape, x.stride(), x.isContiguous(), x.ndim, x.numel()], [[5, 3], [1, 5], false, 2, 15]);
    return x;
  })(a.transpose(1, 2));
});

suite('operators without a rule', () => {
  // of which there are none but these
  const Cube: Primitive = primitive('Cube', (_, x) => x.pow(3), [vjp((g, _, x) => g.mul(x.square()).mul(3), 0)]);
  const Both: Primitive = primitiveOfSeveral('Both', (_, x, y) => [x.add(y), x.mul(y)], [
    vjp(([sum, product], _, y) => (sum as Tensor).add((product as Tensor).mul(y)), 1),
    vjp(([sum, product], _, x) => (sum as Tensor).add((product as Tensor).mul(x)), 0),
  ]);
  const cube = (x: Tensor): Tensor => run(Cube, undefined, [x]) as Tensor;

  test('are applied to one example after the other', () => {
    same(vmap(vmap(cube))(a), a.pow(3), 1e-4);
    same(vmap(grad((x: Tensor) => cube(x).sum()))(a), a.square().mul(3), 1e-4);
    same(grad((x: Tensor) => vmap(cube, { inDims: 1 })(x).sum())(a), a.square().mul(3), 1e-4);
    const both = (x: Tensor, y: Tensor): Tensor[] => run(Both, undefined, [x, y]) as Tensor[];
    const [sum, product] = vmap(both, { inDims: [0, null] })(a, b.select(0, 0));
    same(sum, a.add(b.select(0, 0)));
    same(product, a.mul(b.select(0, 0)));
    assert.throws(() => vmap(cube)(zeros(0, 2)), /Cube has no rule for batches/);
  });
});

test('a backward that gives NaN inside of a batch is named', () => {
  autograd.detectAnomaly(() => {
    same(vmap(grad((x: Tensor) => x.sum()))(ones(3)), ones(3));
    assert.throws(() => vmap(grad((x: Tensor) => x.sqrt().sum()))(ones(3).neg()), /SqrtBackward0' returned nan/);
  });
});
