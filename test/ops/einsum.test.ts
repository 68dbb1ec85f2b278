/** einsum and tensordot against a loop over all indices; their notation, and what they refuse. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AdjointError } from '../../src/errors.ts';
import * as adjoint from '../../src/index.ts';
import { autograd, einsum, linalg, type Tensor, tensor, tensordot } from '../../src/index.ts';

const leaf = (...shape: number[]): Tensor => adjoint.randn(shape, { dtype: 'float64', requiresGrad: true });
const ones = (...shape: number[]): Tensor => adjoint.ones(shape);
const numbered = (...shape: number[]): Tensor => {
  const n = shape.reduce((a, b) => a * b, 1);
  return adjoint.arange(n, { dtype: 'float64' }).remainder(7).sub(3).reshape(shape);
};

/** The sum over all values of all labels, one at a time. */
function naive(
  inputs: readonly string[],
  output: string,
  operands: readonly Tensor[],
): { shape: number[]; elements: number[] } {
  const sizes = new Map<string, number>();
  inputs.forEach((labels, i) => {
    [...labels].forEach((label, d) => {
      const size = operands[i].shape[d];
      if (size !== 1 || !sizes.has(label)) sizes.set(label, size);
    });
  });
  const labels = [...output, ...[...sizes.keys()].filter((label) => !output.includes(label))];
  const shape = [...output].map((label) => sizes.get(label) as number);
  const elements = new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(0);
  const data = operands.map((x) => x.contiguous().toTypedArray());
  const index = new Map<string, number>();
  const visit = (at: number): void => {
    if (at < labels.length) {
      for (let i = 0; i < (sizes.get(labels[at]) as number); i++) {
        index.set(labels[at], i);
        visit(at + 1);
      }
      return;
    }
    let product = 1;
    operands.forEach((x, i) => {
      let position = 0;
      [...inputs[i]].forEach((label, d) => {
        position = position * x.shape[d] + (x.shape[d] === 1 ? 0 : (index.get(label) as number));
      });
      product *= Number(data[i][position]);
    });
    let to = 0;
    [...output].forEach((label, d) => {
      to = to * shape[d] + (index.get(label) as number);
    });
    elements[to] += product;
  };
  visit(0);
  return { shape, elements };
}

test('any equation is the sum over all indices', () => {
  const letters = ['a', 'b', 'c', 'D', 'e'];
  const cases = fc
    .record({
      sizes: fc.tuple(...letters.map(() => fc.integer({ min: 0, max: 4 }))),
      inputs: fc.array(fc.array(fc.constantFrom(...letters), { maxLength: 4 }), { minLength: 1, maxLength: 3 }),
      outputs: fc.shuffledSubarray(letters),
      broadcast: fc.integer({ min: 0, max: 4095 }),
      reversed: fc.boolean(),
    })
    .map(({ sizes, inputs, outputs, broadcast, reversed }) => {
      const texts = inputs.map((labels) => labels.join(''));
      const operands = inputs.map((labels, i) => {
        const shape = labels.map((label, d) => {
          // what an operand repeats must not broadcast within it
          const single = labels.indexOf(label) === labels.lastIndexOf(label);
          return single && (broadcast >> (4 * i + d)) & 1 ? 1 : sizes[letters.indexOf(label)];
        });
        const order = shape.map((_, d) => shape.length - 1 - d);
        return reversed ? numbered(...[...shape].reverse()).permute(order) : numbered(...shape);
      });
      return { texts, output: outputs.filter((label) => texts.join('').includes(label)).join(''), operands };
    });
  fc.assert(
    fc.property(cases, ({ texts, output, operands }) => {
      const expected = naive(texts, output, operands);
      const actual = einsum(`${texts.join(',')}->${output}`, ...operands);
      assert.deepEqual([...actual.shape], expected.shape);
      assert.deepEqual(
        Array.from(actual.toTypedArray() as ArrayLike<number>, (v) => v + 0),
        expected.elements.map((v) => v + 0),
      );
    }),
    { numRuns: 500 },
  );
});

test('the notation is that of PyTorch', () => {
  const shapeOf = (equation: string, ...shapes: number[][]): readonly number[] =>
    einsum(equation, ...shapes.map((shape) => ones(...shape))).shape;
  assert.deepEqual(shapeOf(' i j , j k -> i k ', [2, 3], [3, 4]), [2, 4]);
  assert.deepEqual(shapeOf('ij,jk', [2, 3], [3, 4]), [2, 4]);
  assert.deepEqual(shapeOf('ba', [2, 3]), [3, 2]);
  assert.deepEqual(shapeOf('bA', [2, 3]), [3, 2]);
  assert.deepEqual(shapeOf('Zz', [2, 3]), [2, 3]);
  assert.deepEqual(shapeOf('...ij->...ji', [5, 2, 3]), [5, 3, 2]);
  assert.deepEqual(shapeOf('...i,...i', [5, 3], [2, 5, 3]), [2, 5]);
  assert.deepEqual(shapeOf('i...j', [5, 2, 3]), [2, 5, 3]);
  assert.deepEqual(shapeOf('...,...', [2, 3], [3]), [2, 3]);
  assert.deepEqual(shapeOf('...i->i', [5, 3]), [3]);
  assert.deepEqual(shapeOf('i->...i', [2]), [2]);
  assert.deepEqual(shapeOf(',->', [], []), []);
  assert.deepEqual(einsum('ii', numbered(3, 3)).item(), numbered(3, 3).trace().item());
  assert.deepEqual(einsum('ij,j', [ones(2, 3), tensor([1, 2, 3])]).tolist(), [6, 6]);
});

test('a result that is no sum is a view, under the node that PyTorch gives it', () => {
  const x = leaf(2, 3);
  assert.equal(einsum('ij->ji', x).gradFn?.name(), 'PermuteBackward0');
  assert.equal(einsum('i,j->ij', leaf(2), leaf(3)).gradFn?.nextFunctions[0][0]?.name(), 'MulBackward0');
  const y = ones(2, 2);
  einsum('ii->i', y).zero_();
  assert.deepEqual(y.tolist(), [
    [0, 1],
    [1, 0],
  ]);
});

test('tensordot is the same over pairs of dimensions', () => {
  const [a, b] = [numbered(2, 3, 4), numbered(4, 3, 5)];
  const close = (x: Tensor, y: Tensor): void => assert.deepEqual(x.tolist(), y.tolist());
  close(
    tensordot(a, b, [
      [2, 1],
      [0, 1],
    ]),
    einsum('ijk,kjl->il', a, b),
  );
  close(tensordot(a, b, { dims: [[-1], [0]] }), einsum('ijk,klm->ijlm', a, b));
  close(tensordot(a, numbered(3, 4, 5)), einsum('ijk,jkl->il', a, numbered(3, 4, 5)));
  close(tensordot(a, b, 0), einsum('ijk,lmn->ijklmn', a, b));
  close(
    tensordot(numbered(1, 3), numbered(2, 3), [[0], [0]]),
    einsum('i,kj->ij', numbered(1, 3).squeeze(0), numbered(2, 3)),
  );
});

test('linalg.multiDot and linalg.vecdot', () => {
  const [a, b, c] = [numbered(2, 30), numbered(30, 4), numbered(4, 50)];
  assert.deepEqual(linalg.multiDot([a, b, c]).tolist(), a.mm(b).mm(c).tolist());
  const vector = numbered(30);
  assert.equal(
    linalg.multiDot([vector, b, c, numbered(50)]).item(),
    vector.matmul(b).matmul(c).matmul(numbered(50)).item(),
  );
  assert.deepEqual(linalg.vecdot(numbered(2, 3), numbered(2, 3), 0).shape, [3]);
  assert.throws(() => linalg.multiDot([a]), /multiDot\(\): expected at least 2 tensors/);
  assert.throws(() => linalg.multiDot([a, ones(3), b]), /tensor 1 must be a matrix/);
});

describe('derivatives of the first and second order', () => {
  const cases: { [name: string]: [(...inputs: Tensor[]) => Tensor, Tensor[]] } = {
    'a product of matrices': [(x, y) => einsum('ij,kj->ki', x, y), [leaf(2, 3), leaf(2, 3)]],
    'batches, with an ellipsis': [(x, y) => einsum('...ij,...j->...i', x, y), [leaf(2, 2, 3), leaf(3)]],
    'a diagonal': [(x, y) => einsum('iij,j->i', x, y), [leaf(2, 2, 3), leaf(3)]],
    'three operands': [(x, y, z) => einsum('i,ij,j->', x, y, z), [leaf(2), leaf(2, 3), leaf(3)]],
    'a size of 1': [(x, y) => einsum('ij,jk->ik', x, y), [leaf(2, 1), leaf(3, 2)]],
    tensordot: [
      (x, y) =>
        tensordot(x, y, [
          [0, 1],
          [1, 0],
        ]),
      [leaf(2, 3, 2), leaf(3, 2)],
    ],
    multiDot: [(x, y, z) => linalg.multiDot([x, y, z]), [leaf(2), leaf(2, 3), leaf(3, 2)]],
    vecdot: [(x, y) => linalg.vecdot(x, y), [leaf(2, 3), leaf(3)]],
  };
  for (const [name, [f, inputs]] of Object.entries(cases)) {
    test(name, () => {
      assert.ok(autograd.gradcheck(f, inputs));
      assert.ok(autograd.gradgradcheck(f, inputs));
    });
  }
});

describe('refused with a message that says why', () => {
  const cases: [call: () => unknown, code: AdjointError['code'], message: RegExp][] = [
    [
      () => einsum('ii->i', ones(2, 3)),
      'shape',
      /subscript i is repeated for operand 0 but the sizes don't match, 3 != 2/,
    ],
    [
      () => einsum('ij,jk->ik', ones(2, 3), ones(4, 4)),
      'shape',
      /subscript j has size 4 for operand 1 which does not broadcast with previously seen size 3/,
    ],
    [
      () => einsum('ij->ik', ones(2, 3)),
      'argument',
      /output subscript k does not appear in the equation for any input/,
    ],
    [() => einsum('ij->ii', ones(2, 3)), 'argument', /output subscript i appears more than once in the output/],
    [
      () => einsum('ij', ones(2, 3, 4)),
      'shape',
      /subscripts in the equation \(2\) does not match .* \(3\) for operand 0 and no ellipsis/,
    ],
    [() => einsum('ij...', ones(2)), 'shape', /subscripts in the equation \(2\) is more than .* \(1\) for operand 0/],
    [() => einsum('i..j', ones(2, 3)), 'argument', /found '.' for operand 0 that is not part of any ellipsis/],
    [
      () => einsum('...i...', ones(2, 3)),
      'argument',
      /found '.' for operand 0 for which an ellipsis was already found/,
    ],
    [() => einsum('i->..', ones(2)), 'argument', /found '.' for output that is not part of any ellipsis/],
    [() => einsum('i$', ones(2)), 'argument', /invalid subscript given at index 1 .* must be in \[a-zA-Z\], got "\$"/],
    [() => einsum('i,j', ones(2)), 'argument', /fewer operands were provided than specified in the equation: 1 for 2/],
    [
      () => einsum('i', ones(2), ones(2)),
      'argument',
      /more operands were provided than specified in the equation: 2 for 1/,
    ],
    [() => einsum('i'), 'argument', /must provide at least one operand/],
    [() => einsum('i', 3 as unknown as Tensor), 'argument', /einsum: expected a Tensor, got 3/],
    [() => einsum('ij,jk', ones(2, 3), ones(3, 2).double()), 'dtype', /same dtype, but got: float32 != float64/],
    [() => tensordot(ones(2, 3), ones(2, 3), 1), 'shape', /first has size 3 in dim 1 and second has size 2 in dim 0/],
    [() => tensordot(ones(2, 3), ones(2, 3), -1), 'argument', /dims >= 0 .* got dims=-1/],
    [() => tensordot(ones(2, 3), ones(2, 3), 3), 'argument', /at most the dimensions of either tensor, but got dims=3/],
    [
      () => tensordot(ones(2, 3), ones(2, 3), [[0], [0, 1]]),
      'argument',
      /both dimension lists should have same length/,
    ],
    [
      () =>
        tensordot(ones(2, 2), ones(2, 2), [
          [0, 0],
          [0, 1],
        ]),
      'argument',
      /dim 0 appears multiple times/,
    ],
    [() => tensordot(ones(2, 2), ones(2, 2), [[2], [0]]), 'index', /Dimension out of range/],
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
