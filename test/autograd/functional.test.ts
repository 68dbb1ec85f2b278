/** autograd.functional: products with Jacobians and Hessians, and the matrices themselves. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { autograd, noGrad, type Tensor, tensor, zeros } from '../../src/index.ts';

const { vjp, jvp, hvp, vhp, jacobian, hessian } = autograd.functional;

const vector = (...data: number[]): Tensor => tensor(data, { dtype: 'float64' });
const leaf = (...data: number[]): Tensor => vector(...data).requiresGrad_();

/** The numbers, rounded to what is sure, in the arrangement of the tensors. */
const values = (x: unknown): unknown => {
  if (Array.isArray(x)) return x.map(values);
  if (typeof x === 'number') return Number(x.toFixed(4));
  return values((x as Tensor).tolist());
};
const [x, y, v] = [vector(1, 2), vector(3, 5), vector(1, 10)];

const ofOneInput =
  /^AdjointError: The output of the user-provided function is independent of input 1\. This is not allowed in strict mode\.$/;
const constantJacobian =
  /^AdjointError: The jacobian of the user-provided function is independent of input 0\. This is not allowed in strict mode when createGraph: true\.$/;
const linear =
  /^AdjointError: While computing the hessian, found that the jacobian of the user-provided function with respect to input 0 is independent/;
const notComputed = /^AdjointError: Output 0 of the user-provided function does not require gradients\./;

describe('vjp and jvp', () => {
  const curve = (t: Tensor): Tensor => t.pow(2).mul(t.sum());

  test('are products with the Jacobian from either side', () => {
    assert.deepEqual(values(vjp(curve, x, v)), [
      [3, 12],
      [47, 161],
    ]);
    assert.deepEqual(values(jvp(curve, x, v)), [
      [3, 12],
      [17, 164],
    ]);
  });

  test('take and return arrays', () => {
    const both = (a: Tensor, b: Tensor): [Tensor, Tensor] => [a.mul(b), a.sum()];
    const [outputs, product] = vjp(both, [x, y], [v, tensor(2, { dtype: 'float64' })]);
    assert.deepEqual(values(outputs), [[3, 10], 3]);
    assert.deepEqual(values(product), [
      [5, 52],
      [1, 20],
    ]);
    const [, pushed] = jvp(both, [x, y], [v, v]);
    assert.deepEqual(values(pushed), [[4, 70], 11]);
  });

  test('need no vector where it can only be a factor', () => {
    assert.deepEqual(values(vjp((t) => t.pow(3), vector(2))), [[8], [12]]);
    assert.deepEqual(values(jvp((t) => t.pow(3), vector(2))), [[8], [12]]);
    assert.throws(
      () => vjp((t) => t.pow(3), x),
      /The vector v can only be null if the user-provided function returns a single Tensor with a single element\./,
    );
    assert.throws(
      () => jvp((t) => t.pow(3), x),
      /The vector v can only be null if the input to the user-provided function is a single Tensor with a single element\./,
    );
  });

  test('take the vector and the options by name as well', () => {
    assert.deepEqual(values(vjp(curve, x, { v })[1]), [47, 161]);
    assert.equal(vjp(curve, x, { v, createGraph: true })[0].requiresGrad, true);
    assert.equal(vjp(curve, x, v, true)[0].requiresGrad, true);
    // @ts-expect-error there is no such option
    assert.throws(() => vjp(curve, x, { vector: v }), /unknown option "vector"/);
  });

  test('give zeros where there is no dependence, an error in strict mode', () => {
    const first = (a: Tensor, _: Tensor): Tensor => a.mul(2);
    assert.deepEqual(values(vjp(first, [x, y], v)[1]), [
      [2, 20],
      [0, 0],
    ]);
    assert.deepEqual(values(jvp(first, [x, y], [v, v])[1]), [2, 20]);
    assert.throws(() => vjp(first, [x, y], v, { strict: true }), ofOneInput);
    assert.throws(() => jvp(first, [x, y], [v, v], { strict: true }), ofOneInput);
    const constant = (): Tensor => vector(1, 2);
    assert.deepEqual(values(vjp(constant, x, v)), [
      [1, 2],
      [0, 0],
    ]);
    assert.deepEqual(values(jvp(constant, x, v)[1]), [0, 0]);
    assert.throws(() => vjp(constant, x, v, { strict: true }), notComputed);
    assert.throws(() => jvp(constant, x, v, { strict: true }), notComputed);
  });

  test('are outside of the graph unless it is to be created', () => {
    const t = leaf(1, 2);
    for (const product of [vjp, jvp]) {
      const [output, derivative] = product((a) => a.pow(3), t, v);
      assert.deepEqual([output.requiresGrad, derivative.requiresGrad], [false, false]);
      const recorded = product((a) => a.pow(3), t, v, { createGraph: true });
      assert.deepEqual(values(recorded), [
        [1, 8],
        [3, 120],
      ]);
      const [second] = autograd.grad(recorded[1].sum(), t);
      assert.deepEqual(values(second), [6, 120]);
    }
    assert.equal(t.grad, null);
  });

  test('can be differentiated in the vector', () => {
    const w = leaf(1, 10);
    for (const product of [vjp, jvp]) {
      const [, derivative] = product((a) => a.pow(3), x, w, { createGraph: true });
      assert.deepEqual(values(autograd.grad(derivative.sum(), w)[0]), [3, 12]);
    }
  });

  test('in strict mode, what is recorded has to depend on the inputs', () => {
    const double = (a: Tensor): Tensor => a.mul(2);
    for (const product of [vjp, jvp]) {
      assert.deepEqual(values(product(double, x, v, { strict: true })[1]), [2, 20]);
      assert.throws(() => product(double, leaf(1, 2), v, { strict: true, createGraph: true }), constantJacobian);
    }
  });

  test('work where nothing is recorded', () => {
    const t = leaf(1, 2);
    noGrad(() => {
      for (const product of [vjp, jvp]) {
        assert.deepEqual(values(product((a) => a.pow(3), t, v)[1]), [3, 120]);
        assert.equal(product((a) => a.pow(3), t, v, { createGraph: true })[1].requiresGrad, true);
      }
    });
  });

  test('check the vector', () => {
    const cube = (a: Tensor): Tensor => a.pow(3);
    const pair = (a: Tensor, b: Tensor): [Tensor, Tensor] => [a.pow(3), b];
    assert.throws(() => vjp(cube, x, vector(1)), /^AdjointError: v has invalid size: should be \[2\] but got \[1\]\./);
    assert.throws(() => jvp(cube, x, [x, x]), /The given v should contain a single Tensor\./);
    assert.throws(() => vjp(pair, [x, y], x), /v is an array of invalid length: should be 2 but got 1\./);
    assert.throws(
      () => jvp(pair, [x, y], [x, vector(1)]),
      /Entry 1 in v has invalid size: should be \[2\] but got \[1\]\./,
    );
  });

  test('check what is a tensor', () => {
    const given = /The inputs given to vjp must be either a Tensor or an array of Tensors but /;
    // @ts-expect-error a number is no tensor
    assert.throws(() => vjp((a) => a, 3, v), new RegExp(`${given.source}the given inputs is 3\\.`));
    // @ts-expect-error a number is no tensor
    assert.throws(() => vjp((a, _) => a, [x, 3], v), new RegExp(`${given.source}the value at index 1 is 3\\.`));
    assert.throws(
      // @ts-expect-error a number is no tensor
      () => jvp(() => 3, x, v),
      /The outputs of the user-provided function given to jvp must be either a Tensor or an array of Tensors but the given outputs/,
    );
  });
});

describe('hvp and vhp', () => {
  for (const [name, product] of Object.entries({ hvp, vhp })) {
    test(`${name} is the product with the Hessian`, () => {
      assert.deepEqual(values(product((t) => t.pow(3).sum().mul(t.select(0, 0)), x, v)), [9, [132, 132]]);
      assert.deepEqual(values(product((a, b) => a.pow(2).mul(b).sum(), [x, y], [v, v])), [
        23,
        [
          [8, 140],
          [2, 40],
        ],
      ]);
      assert.deepEqual(values(product((t) => t.pow(3), vector(2))), [[8], [12]]);
    });

    test(`${name} gives zeros where there is no dependence, an error in strict mode`, () => {
      const first = (a: Tensor, _: Tensor): Tensor => a.pow(2).sum();
      const [, found] = product(first, [x, y], [v, v]);
      assert.deepEqual(values(found), [
        [2, 20],
        [0, 0],
      ]);
      assert.throws(() => product(first, [x, y], [v, v], { strict: true }), ofOneInput);
      assert.deepEqual(values(product((t) => t.sum(), x, v)), [3, [0, 0]]);
      assert.throws(() => product((t) => t.sum(), x, v, { strict: true }), linear);
      assert.deepEqual(values(product((t) => t.pow(2).sum(), x, v, { strict: true })[1]), [2, 20]);
    });

    test(`${name} is recorded if asked`, () => {
      const t = leaf(1, 2);
      const [output, found] = product((a) => a.pow(3).sum(), t, v, { createGraph: true });
      assert.deepEqual(values([output, found]), [9, [6, 120]]);
      assert.deepEqual(values(autograd.grad(found.sum(), t)[0]), [6, 60]);
      assert.equal(product((a) => a.pow(3).sum(), t, v)[1].requiresGrad, false);
    });

    test(`${name} is of functions of one element`, () => {
      assert.throws(
        () => product((t) => t.mul(2), x, v),
        new RegExp(`The Tensor returned by the function given to ${name} should contain a single element`),
      );
      assert.throws(
        // @ts-expect-error an array is no tensor
        () => product((t) => [t.sum()], x, v),
        new RegExp(`The function given to ${name} should return a single Tensor`),
      );
      assert.throws(() => product((t) => t.sum(), x), /The vector v can only be null if the input/);
    });
  }
});

describe('jacobian', () => {
  test('has the shape of the output followed by that of the input', () => {
    assert.deepEqual(values(jacobian((t) => t.exp().sum().mul(t), x)), [
      [12.8256, 7.3891],
      [5.4366, 24.8855],
    ]);
    assert.deepEqual(values(jacobian((t) => t.sum(), x)), [1, 1]);
    const matrix = zeros(2, 3, { dtype: 'float64' });
    assert.deepEqual(jacobian((t) => t.matmul(t.t()), matrix).shape, [2, 2, 2, 3]);
    assert.deepEqual(jacobian((t) => t.narrow(0, 0, 0), x).shape, [0, 2]);
  });

  test('of arrays is an array for each output', () => {
    assert.deepEqual(values(jacobian((a, b) => [a.mul(b), b.sum()], [x, y])), [
      [
        [
          [3, 0],
          [0, 5],
        ],
        [
          [1, 0],
          [0, 2],
        ],
      ],
      [
        [0, 0],
        [1, 1],
      ],
    ]);
    assert.deepEqual(values(jacobian((t) => [t.mul(2)], [x])), [
      [
        [
          [2, 0],
          [0, 2],
        ],
      ],
    ]);
  });

  test('is zero where there is no dependence, an error in strict mode', () => {
    assert.deepEqual(values(jacobian(() => vector(1), x)), [[0, 0]]);
    assert.throws(() => jacobian(() => vector(1), x, { strict: true }), notComputed);
    assert.throws(
      () => jacobian((a, _) => a.mul(2), [x, y], { strict: true }),
      /^AdjointError: Output 0 of the user-provided function is independent of input 1\. This is not allowed in strict mode\.$/,
    );
    assert.throws(() => jacobian((t) => t.mul(2), leaf(1, 2), { strict: true, createGraph: true }), constantJacobian);
  });

  test('is recorded if asked', () => {
    const t = leaf(1, 2);
    const found = jacobian((a) => a.pow(3), t, { createGraph: true });
    assert.deepEqual(values(found), [
      [3, 0],
      [0, 12],
    ]);
    assert.deepEqual(values(autograd.grad(found.sum(), t)[0]), [6, 12]);
    assert.equal(jacobian((a) => a.pow(3), t).requiresGrad, false);
    assert.equal(t.grad, null);
  });
});

describe('hessian', () => {
  test('is the matrix of second derivatives', () => {
    assert.deepEqual(values(hessian((t) => t.pow(3).sum().mul(t.select(0, 0)), x)), [
      [12, 12],
      [12, 12],
    ]);
    assert.deepEqual(values(hessian((t) => t.pow(3).sum().view(1, 1), x)), [
      [6, 0],
      [0, 12],
    ]);
  });

  test('of arrays is a block for each pair of inputs', () => {
    const zero = [
      [0, 0],
      [0, 0],
    ];
    const mixed = [
      [2, 0],
      [0, 4],
    ];
    assert.deepEqual(values(hessian((a, b) => a.pow(2).mul(b).sum(), [x, y])), [
      [
        [
          [6, 0],
          [0, 10],
        ],
        mixed,
      ],
      [mixed, zero],
    ]);
    const cubes = [
      [6, 0],
      [0, 12],
    ];
    assert.deepEqual(values(hessian((a, _) => a.pow(3).sum(), [x, y])), [
      [cubes, zero],
      [zero, zero],
    ]);
  });

  test('in strict mode, all second derivatives have to be there', () => {
    assert.deepEqual(values(hessian((t) => t.pow(3).sum(), x, { strict: true })), [
      [6, 0],
      [0, 12],
    ]);
    assert.throws(() => hessian((t) => t.sum(), x, { strict: true }), linear);
    assert.throws(
      () => hessian((a, _) => a.pow(3).sum(), [x, y], { strict: true }),
      /the jacobian of the user-provided function with respect to input 1 is independent of the input/,
    );
    assert.throws(
      () => hessian((a, b) => a.pow(3).sum().add(b.pow(3).sum()), [x, y], { strict: true }),
      /^AdjointError: Output 0 of the user-provided function is independent of input 1\. This is not allowed in strict mode\.$/,
    );
  });

  test('is recorded if asked', () => {
    const t = leaf(1, 2);
    const found = hessian((a) => a.pow(4).sum(), t, { createGraph: true });
    assert.deepEqual(values(autograd.grad(found.sum(), t)[0]), [24, 48]);
    assert.equal(hessian((a) => a.pow(4).sum(), t).requiresGrad, false);
  });

  test('is of functions of one element', () => {
    assert.throws(
      () => hessian((t) => t.mul(2), x),
      /returned by the function given to hessian should contain a single element/,
    );
    // @ts-expect-error an array is no tensor
    assert.throws(() => hessian((t) => [t.sum()], x), /The function given to hessian should return a single Tensor/);
  });
});

describe('jacobian and hessian as one batch', () => {
  const strategies = ['reverse-mode', 'forward-mode'] as const;

  for (const strategy of strategies) {
    const options = { vectorize: true, strategy };
    const ofHessian = { vectorize: true, outerJacobianStrategy: strategy };

    test(`by ${strategy} are what they are row by row`, () => {
      const both = (a: Tensor, b: Tensor): [Tensor, Tensor] => [a.sum().mul(b), a.exp()];
      const [a, b] = [x, vector(3, 5, 7)];
      assert.deepEqual(values(jacobian(both, [a, b], options)), values(jacobian(both, [a, b])));
      const single = (t: Tensor): Tensor => t.exp().sum().mul(t);
      assert.deepEqual(values(jacobian(single, a, options)), values(jacobian(single, a)));
      const mixed = (s: Tensor, t: Tensor): Tensor => s.pow(3).sum().mul(t.sum()).mul(s.select(0, 0));
      assert.deepEqual(values(hessian(mixed, [a, b], ofHessian)), values(hessian(mixed, [a, b])));
      assert.deepEqual(values(hessian((t) => t.pow(3).sum(), a, ofHessian)), [
        [6, 0],
        [0, 12],
      ]);
    });

    test(`by ${strategy} are zero where there is no dependence`, () => {
      assert.deepEqual(values(jacobian((a, _) => a.mul(2), [x, vector(1)], options)), [
        [
          [2, 0],
          [0, 2],
        ],
        [[0], [0]],
      ]);
      assert.deepEqual(values(jacobian(() => vector(1), x, options)), [[0, 0]]);
      assert.deepEqual(values(hessian((t) => t.sum(), x, ofHessian)), [
        [0, 0],
        [0, 0],
      ]);
    });

    test(`by ${strategy} have the shapes of empty tensors`, () => {
      assert.deepEqual(jacobian((t) => t.narrow(0, 0, 0), x, options).shape, [0, 2]);
      assert.deepEqual(jacobian((t) => t.sum(), zeros(0, { dtype: 'float64' }), options).shape, [0]);
    });

    test(`by ${strategy} cannot be strict`, () => {
      assert.throws(() => jacobian((t) => t, x, { ...options, strict: true }), { code: 'unsupported' });
      assert.throws(() => hessian((t) => t.sum(), x, { ...ofHessian, strict: true }), { code: 'unsupported' });
    });
  }

  test('by reverse mode are recorded if asked', () => {
    const t = leaf(1, 2);
    const cubes = jacobian((a) => a.pow(3), t, { vectorize: true, createGraph: true });
    assert.deepEqual(values(autograd.grad(cubes.sum(), t)[0]), [6, 12]);
    const fourth = hessian((a) => a.pow(4).sum(), t, { vectorize: true, createGraph: true });
    assert.deepEqual(values(autograd.grad(fourth.sum(), t)[0]), [24, 48]);
  });

  test('have the dtype of the input by reverse mode, of the output by forward mode', () => {
    const widened = (strategy: (typeof strategies)[number]): string =>
      jacobian((t) => t.to('float64').mul(2), x.float(), { vectorize: true, strategy }).dtype;
    assert.deepEqual(strategies.map(widened), ['float32', 'float64']);
  });

  test('by forward mode can be no other', () => {
    const strategy = 'forward-mode';
    assert.throws(
      () => jacobian((t) => t, x, { strategy }),
      /strategy: "forward-mode" is only implemented for vectorize: true/,
    );
    assert.throws(() => jacobian((t) => t, x, { strategy, vectorize: true, createGraph: true }), {
      code: 'unsupported',
    });
    assert.throws(
      () => hessian((t) => t.sum(), x, { outerJacobianStrategy: strategy }),
      /outerJacobianStrategy: "forward-mode" is only implemented for vectorize: true/,
    );
    const mixed = 'mixed' as 'forward-mode';
    assert.throws(
      () => jacobian((t) => t, x, { strategy: mixed }),
      /Expected strategy to be either "forward-mode" or "reverse-mode", got "mixed"/,
    );
  });
});
