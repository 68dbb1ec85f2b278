/** Products of vectors, matrices and batches, against three plain loops, and what they refuse. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AdjointError } from '../../src/errors.ts';
import * as adjoint from '../../src/index.ts';
import { autograd, type Tensor, tensor } from '../../src/index.ts';
import { bilinear, linear } from '../../src/ops/functional/linear.ts';

type DType = Tensor['dtype'];
const { gradcheck, gradgradcheck } = autograd;
const names = (y: Tensor): string[] => {
  const list: string[] = [];
  for (let node = y.gradFn; node; node = node.nextFunctions.find(([next]) => next)?.[0] ?? null) list.push(node.name());
  return list;
};
const leaf = (...shape: number[]): Tensor => adjoint.randn(shape, { dtype: 'float64', requiresGrad: true });
const ones = (...shape: number[]): Tensor => adjoint.ones(shape);

/** A tensor of small whole numbers, whose products are exact in every dtype, in memory of a random order with gaps. */
const tensorOf = (shape: readonly number[], dtype: DType): fc.Arbitrary<Tensor> => {
  const dims = shape.map((_, d) => d);
  return fc
    .record({
      order: fc.shuffledSubarray(dims, { minLength: dims.length }),
      step: fc.integer({ min: 1, max: 2 }),
      seed: fc.integer({ min: 1, max: 1000 }),
    })
    .map(({ order, step, seed }) => {
      const strides = new Array<number>(shape.length);
      let size = step;
      for (const d of order) {
        strides[d] = size;
        size *= Math.max(shape[d], 1);
      }
      const data = Float64Array.from(
        { length: size },
        (_, i) => ((i * 7 + seed * 13 + ((i * i) % 5)) % 9) - (dtype === 'uint8' ? 0 : 4),
      );
      return tensor(data).to(dtype).asStrided(shape, strides);
    });
};

const dtypes = fc.constantFrom<DType>('float32', 'float64', 'int64', 'int32', 'int16', 'int8', 'uint8');
const wrap = (value: number, dtype: DType): number =>
  dtype === 'int8' ? (value << 24) >> 24 : dtype === 'uint8' ? value & 255 : value;

/** The product of x [..., m, k] and y [..., k, n], element by element. */
function naive(x: Tensor, y: Tensor): { shape: number[]; elements: number[] } {
  const [m, k] = x.shape.slice(-2);
  const n = y.shape[y.ndim - 1];
  const [p, q] = [x.shape.slice(0, -2), y.shape.slice(0, -2)];
  const batch = Array.from({ length: Math.max(p.length, q.length) }, (_, d, rank = Math.max(p.length, q.length)) => {
    const [a, b] = [p[d - rank + p.length] ?? 1, q[d - rank + q.length] ?? 1];
    return a === 1 ? b : a;
  });
  const element = (t: Tensor, index: readonly number[]): number => {
    const own = index.slice(index.length - t.ndim);
    const at = own.reduce((sum, i, d) => sum + (t.shape[d] === 1 ? 0 : i * t.stride(d)), t.storageOffset());
    return Number(t.at(at));
  };
  const elements: number[] = [];
  const count = batch.reduce((a, b) => a * b, 1);
  for (let b = 0; b < count; b++) {
    const index: number[] = [];
    for (let d = batch.length - 1, rest = b; d >= 0; d--) {
      index.unshift(rest % batch[d]);
      rest = Math.floor(rest / batch[d]);
    }
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let total = 0;
        for (let l = 0; l < k; l++) total += element(x, [...index, i, l]) * element(y, [...index, l, j]);
        elements.push(wrap(total, x.dtype));
      }
    }
  }
  return { shape: [...batch, m, n], elements };
}

const elementsOf = (x: Tensor): number[] => Array.from(x.toTypedArray() as ArrayLike<number | bigint>, Number);

function assertProduct(actual: Tensor, x: Tensor, y: Tensor, shape?: readonly number[]): void {
  const expected = naive(x, y);
  assert.equal(actual.dtype, x.dtype);
  assert.deepEqual(actual.shape, shape ?? expected.shape);
  assert.deepEqual(
    elementsOf(actual).map((v) => v + 0),
    expected.elements.map((v) => v + 0),
  );
}

const size = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 4, max: 20 }));

describe('against plain loops', () => {
  test('mm and mv, dot and outer', () => {
    const operands = fc.tuple(size, size, size, dtypes).chain(([m, k, n, dtype]) =>
      fc.record({
        x: tensorOf([m, k], dtype),
        y: tensorOf([k, n], dtype),
        u: tensorOf([k], dtype),
        v: tensorOf([m], dtype),
      }),
    );
    fc.assert(
      fc.property(operands, ({ x, y, u, v }) => {
        assertProduct(x.mm(y), x, y);
        assertProduct(y.t().mm(x.t()), y.t(), x.t());
        assertProduct(x.mv(u), x, u.unsqueeze(1), [x.shape[0]]);
        assertProduct(u.dot(u), u.unsqueeze(0), u.unsqueeze(1), []);
        assertProduct(v.outer(u), v.unsqueeze(1), u.unsqueeze(0));
      }),
      { numRuns: 300 },
    );
  });

  test('matmul of any ranks, its batch dimensions broadcast', () => {
    const small = fc.integer({ min: 0, max: 6 });
    const batch = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 });
    const operands = fc
      .record({
        m: small,
        k: small,
        n: small,
        batch,
        dtype: dtypes,
        cutX: fc.nat(3),
        cutY: fc.nat(3),
        ones: fc.nat(63),
      })
      .chain(({ m, k, n, batch, dtype, cutX, cutY, ones }) => {
        const part = (cut: number, mask: number) => batch.slice(cut).map((b, d) => ((mask >> d) & 1 ? 1 : b));
        return fc.record({
          x: tensorOf([...part(cutX, ones), m, k], dtype),
          y: tensorOf([...part(cutY, ones >> 3), k, n], dtype),
          row: tensorOf([k], dtype),
        });
      });
    fc.assert(
      fc.property(operands, ({ x, y, row }) => {
        const product = x.matmul(y);
        assertProduct(product, x, y);
        const left = naive(row.unsqueeze(0), y);
        assertProduct(
          row.matmul(y),
          row.unsqueeze(0),
          y,
          left.shape.filter((_, d) => d !== left.shape.length - 2),
        );
        assertProduct(x.matmul(row), x, row.unsqueeze(1), x.shape.slice(0, -1));
      }),
      { numRuns: 300 },
    );
  });

  test('products large enough for several blocks', () => {
    for (const [m, k, n] of [
      [150, 300, 40],
      [40, 20, 2060],
      [1, 700, 600],
      [600, 700, 1],
    ]) {
      fc.assert(
        fc.property(tensorOf([m, k], 'float32'), tensorOf([k, n], 'float32'), (x, y) => assertProduct(x.mm(y), x, y)),
        { numRuns: 3 },
      );
    }
  });

  test('a product of an expanded matrix', () => {
    const x = tensor([1, 2, 3]).expand(4, 3);
    const y = tensor([1, 10]).expand(3, 2);
    assertProduct(x.mm(y), x, y);
    assertProduct(x.mv(tensor(2).expand(3)), x, ones(3, 1).mul(2), [4]);
  });
});

describe('what is added to a product', () => {
  const [x, a, b] = [leaf(2, 4), leaf(2, 3), leaf(3, 4)];
  const close = (actual: Tensor, expected: Tensor): void => {
    assert.deepEqual(actual.shape, expected.shape);
    assert.ok(Number(actual.sub(expected).abs().max().item()) < 1e-12);
  };

  test('is scaled by beta, and the product by alpha', () => {
    const [batch1, batch2, u, v] = [leaf(5, 2, 3), leaf(5, 3, 4), leaf(2), leaf(4)];
    const scales = { beta: 0.5, alpha: 2 };
    const half = x.mul(0.5);
    close(x.addmm(a, b, scales), half.add(a.mm(b).mul(2)));
    close(u.addmv(x, v, scales), u.mul(0.5).add(x.mv(v).mul(2)));
    close(x.addr(u, v, scales), half.add(u.outer(v).mul(2)));
    close(x.addbmm(batch1, batch2, scales), half.add(batch1.bmm(batch2).sum(0).mul(2)));
    close(x.baddbmm(batch1, batch2, scales), half.add(batch1.bmm(batch2).mul(2)));
    close(adjoint.addmm(v, a, b), v.add(a.mm(b)));
    close(adjoint.addmm(tensor(3, { dtype: 'float64' }), a, b), a.mm(b).add(3));
  });

  test('is not read where beta is 0', () => {
    const nan = tensor([[Number.NaN, Infinity]]);
    assert.deepEqual(nan.addmm(ones(1, 2), ones(2, 2), { beta: 0 }).tolist(), [[2, 2]]);
    assert.deepEqual(nan.addr(ones(1), ones(2), { beta: 0, alpha: 3 }).tolist(), [[3, 3]]);
  });

  test('takes integers, and only whole scales of them', () => {
    const whole = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { dtype: 'int64' },
    );
    assert.deepEqual(whole.addmm(whole, whole, { beta: 2, alpha: -1 }).tolist(), [
      [-5, -6],
      [-9, -14],
    ]);
    assert.throws(
      () => whole.addmm(whole, whole, { alpha: 0.5 }),
      /argument alpha must not be a floating point number, got 0.5/,
    );
  });

  test('is overwritten by the forms in place', () => {
    const y = x.detach().clone();
    assert.equal(y.addmm_(a.detach(), b.detach(), { beta: 0.5 }), y);
    close(y, x.mul(0.5).add(a.mm(b)));
    const parts = adjoint.zeros(3, 2, 4, { dtype: 'float64' });
    parts.select(0, 1).addmm_(a.detach(), b.detach());
    close(parts.sum(0), a.mm(b));
    assert.throws(() => ones(2).addmm_(ones(2, 2), ones(2, 2)), {
      message: 'addmm_: Bad in-place call: input tensor size [2] and output tensor size [2, 2] should match',
    });
    assert.throws(() => leaf(2, 4).addmm_(a, b), /a leaf Variable that requires grad/);
  });
});

test('nodes are named as in PyTorch', () => {
  const node = (y: Tensor): string[] => names(y).filter((name) => name !== 'AccumulateGrad');
  assert.deepEqual(node(leaf(2, 3).mm(leaf(3, 4))), ['MmBackward0']);
  assert.deepEqual(node(leaf(2, 3).matmul(leaf(3, 4))), ['MmBackward0']);
  assert.deepEqual(node(leaf(2, 3).matmul(leaf(3))), ['MvBackward0']);
  assert.deepEqual(node(leaf(3).matmul(leaf(3))), ['DotBackward0']);
  assert.deepEqual(node(leaf(3).vdot(leaf(3))), ['VdotBackward0']);
  assert.deepEqual(node(leaf(3).matmul(leaf(3, 4))).slice(1), ['MmBackward0', 'UnsqueezeBackward0']);
  assert.deepEqual(node(leaf(5, 2, 3).matmul(leaf(3, 4))), ['UnsafeViewBackward0', 'MmBackward0', 'ViewBackward0']);
  assert.deepEqual(node(leaf(5, 2, 3).matmul(leaf(3))), ['UnsafeViewBackward0', 'MvBackward0', 'ViewBackward0']);
  assert.deepEqual(node(leaf(5, 2, 3).matmul(leaf(5, 3, 4))).slice(0, 2), ['UnsafeViewBackward0', 'BmmBackward0']);
  assert.deepEqual(node(leaf(5, 2, 3).bmm(leaf(5, 3, 4))), ['BmmBackward0']);
  assert.deepEqual(node(leaf(3).outer(leaf(2))), ['MulBackward0', 'ViewBackward0']);
  assert.deepEqual(node(leaf(2, 3).inner(leaf(4, 3))).slice(0, 2), ['ViewBackward0', 'MmBackward0']);
  assert.deepEqual(node(linear(leaf(2, 3), leaf(4, 3), leaf(4))), ['AddmmBackward0']);
  assert.deepEqual(node(linear(leaf(5, 2, 3), leaf(4, 3), leaf(4))).slice(0, 2), [
    'UnsafeViewBackward0',
    'AddmmBackward0',
  ]);
  assert.equal(node(leaf(2, 4).addmm(leaf(2, 3), leaf(3, 4)))[0], 'AddmmBackward0');
  assert.equal(node(leaf(2).addmv(leaf(2, 3), leaf(3)))[0], 'AddmvBackward0');
  assert.equal(node(leaf(2, 3).addr(leaf(2), leaf(3)))[0], 'AddrBackward0');
  assert.equal(node(leaf(2, 4).addbmm(leaf(5, 2, 3), leaf(5, 3, 4)))[0], 'AddbmmBackward0');
  assert.equal(node(leaf(5, 2, 4).baddbmm(leaf(5, 2, 3), leaf(5, 3, 4)))[0], 'BaddbmmBackward0');
});

describe('derivatives of the first and second order', () => {
  const scales = { beta: 0.7, alpha: -1.3 };
  const cases: { [name: string]: [(...inputs: Tensor[]) => Tensor, Tensor[]] } = {
    'mm of a transpose': [(x, y) => x.t().mm(y), [leaf(3, 2), leaf(3, 4)]],
    'mm with nothing to sum': [(x, y) => x.mm(y), [leaf(2, 0), leaf(0, 3)]],
    mv: [(x, y) => x.mv(y), [leaf(2, 3), leaf(3)]],
    dot: [(x, y) => x.dot(y), [leaf(3), leaf(3)]],
    bmm: [(x, y) => x.bmm(y), [leaf(2, 2, 3), leaf(2, 3, 2)]],
    'matmul, broadcast': [(x, y) => x.matmul(y), [leaf(3, 1, 2, 2), leaf(2, 2, 3)]],
    'matmul, row': [(x, y) => x.matmul(y), [leaf(3), leaf(2, 3, 2)]],
    'matmul, folded': [(x, y) => x.transpose(0, 1).matmul(y), [leaf(2, 3, 2), leaf(2, 2)]],
    'addmm, broadcast': [(x, a, b) => x.addmm(a, b, scales), [leaf(3), leaf(2, 2), leaf(2, 3)]],
    addmv: [(x, a, b) => x.addmv(a, b, scales), [leaf(2), leaf(2, 3), leaf(3)]],
    addr: [(x, a, b) => x.addr(a, b, scales), [leaf(2, 3), leaf(2), leaf(3)]],
    addbmm: [(x, a, b) => x.addbmm(a, b, scales), [leaf(2, 2), leaf(3, 2, 2), leaf(3, 2, 2)]],
    baddbmm: [(x, a, b) => x.baddbmm(a, b, scales), [leaf(1, 2), leaf(2, 2, 2), leaf(2, 2, 2)]],
    'addmm_ ': [(x, a, b) => x.mul(2).addmm_(a, b, scales).tanh(), [leaf(2, 2), leaf(2, 3), leaf(3, 2)]],
    inner: [(x, y) => x.inner(y), [leaf(2, 3), leaf(2, 3)]],
    kron: [(x, y) => x.kron(y), [leaf(2, 2), leaf(3)]],
    'linear of a batch': [(x, w, b) => linear(x, w, b), [leaf(2, 2, 3), leaf(2, 3), leaf(2)]],
    'linear of a vector': [(x, w) => linear(x, w), [leaf(3), leaf(2, 3)]],
    bilinear: [(x, y, w, b) => bilinear(x, y, w, b), [leaf(2, 2), leaf(2, 3), leaf(2, 2, 3), leaf(2)]],
  };
  for (const [name, [f, inputs]] of Object.entries(cases)) {
    test(name, () => {
      assert.ok(gradcheck(f, inputs));
      assert.ok(gradgradcheck(f, inputs));
    });
  }
});

test('linear and bilinear leave the batch as it is', () => {
  const x = tensor([
    [1, 2],
    [3, 4],
  ]);
  const weight = tensor([
    [1, 0],
    [0, 1],
    [1, 1],
  ]);
  assert.deepEqual(linear(x, weight, tensor([0, 10, 100])).tolist(), [
    [1, 12, 103],
    [3, 14, 107],
  ]);
  assert.deepEqual(linear(x, weight).tolist(), [
    [1, 2, 3],
    [3, 4, 7],
  ]);
  assert.deepEqual(linear(x, tensor([1, 1]), { bias: tensor(1) }).tolist(), [4, 8]);
  assert.deepEqual(linear(ones(2, 3, 0, 2), weight).shape, [2, 3, 0, 3]);
  // x1^T W x2 with W all ones is the product of the sums
  assert.deepEqual(bilinear(x, ones(2, 3), ones(1, 2, 3)).tolist(), [[9], [21]]);
});

describe('refused with a message that says why', () => {
  const int = ones(2, 2).to('int64');
  const bool = ones(2, 2).to('bool');
  const cases: [call: () => unknown, code: AdjointError['code'], message: RegExp][] = [
    [() => ones(2, 3).mm(ones(2, 3)), 'shape', /mat1 and mat2 shapes cannot be multiplied \(2x3 and 2x3\)/],
    [() => ones(2, 3).matmul(ones(2, 3)), 'shape', /mat1 and mat2 shapes cannot be multiplied \(2x3 and 2x3\)/],
    [() => ones(2, 3).mm(ones(3)), 'shape', /mm: mat2 must be a matrix \(2-D\), got 1-D tensor of shape \[3\]/],
    [() => ones(2, 3).bmm(ones(1, 3, 3)), 'shape', /batch1 must be a batch of matrices \(3-D\), got 2-D/],
    [
      () => ones(2, 2, 3).bmm(ones(3, 3, 3)),
      'shape',
      /Expected size for first two dimensions of batch2 tensor to be: \[2, 3\] but got: \[3, 3\]/,
    ],
    [() => ones(2, 3).mv(ones(2)), 'shape', /mv: size mismatch, got mat \(2x3\), vec \(2\)/],
    [() => ones(2, 3).dot(ones(2)), 'shape', /1D tensors expected, but got 2D and 1D tensors/],
    [() => ones(3).dot(ones(2)), 'shape', /but got 3 and 2 elements respectively/],
    [
      () => ones(3, 1).outer(ones(2)),
      'shape',
      /outer: self must be a vector \(1-D\), got 2-D tensor of shape \[3, 1\]/,
    ],
    [() => tensor(1).matmul(ones(2)), 'shape', /need to be at least 1D, but they are 0D and 1D/],
    [() => ones(2, 3, 4).matmul(ones(2, 3, 4)), 'shape', /matrices of 3x4 and 3x4 cannot be multiplied/],
    [
      () => ones(2, 3, 4).matmul(ones(3, 4, 5)),
      'shape',
      /The size of tensor a \(2\) must match the size of tensor b \(3\)/,
    ],
    [() => ones(2, 3).inner(ones(2)), 'shape', /inner\(\) the last dimension must match/],
    [() => ones(3).addmm(ones(2, 2), ones(2, 2)), 'shape', /expanded size .* must match the existing size/],
    [() => bilinear(ones(2, 3), ones(3, 4), ones(5, 3, 4)), 'shape', /got \[2, 3\], \[3, 4\], \[5, 3, 4\]/],
    [
      () => ones(2, 2).mm(ones(2, 2).double()),
      'dtype',
      /m1 and m2 to have the same dtype, but got: float32 != float64/,
    ],
    [
      () => ones(2, 2).addmm(ones(2, 2), int),
      'dtype',
      /all operands to have the same dtype, but got: float32 != int64/,
    ],
    [() => bool.mm(bool), 'dtype', /not implemented for 'bool'/],
    [() => adjoint.mm(ones(2, 2), 3 as unknown as Tensor), 'argument', /mm: expected a Tensor, got 3/],
  ];
  for (const [call, code, message] of cases) {
    test(String(message), () => {
      assert.throws(
        call,
        (error) => error instanceof AdjointError && error.code === code && message.test(error.message),
      );
    });
  }
});
