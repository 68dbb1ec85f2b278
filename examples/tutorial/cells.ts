'use tsover'; // in this file, + - * / % and ** work on tensors

import { autograd, manualSeed, noGrad, rand, randn, sigmoid, sum, tensor } from 'adjoint';

/** The cells of the tutorial, in order: each begins with its name. Both editions show them and run them as they stand here. */
export function* cells() {
  yield 'seed';
  manualSeed(2620986840);

  yield 'leaf';
  let x = rand(2, 2, { requiresGrad: true });
  console.log(x);

  yield 'requiresGrad_';
  const w = tensor([1, 2, 3]);
  console.log(w.requiresGrad);
  console.log(w.requiresGrad_());

  yield 'gradFn';
  let y = sum(x * 3);
  console.log(y, y.gradFn);

  yield 'isLeaf';
  console.log(x.isLeaf, x.gradFn);
  console.log(y.isLeaf, y.gradFn?.nextFunctions);

  yield 'beforeBackward';
  console.log(x.grad);

  yield 'backward';
  y.backward(); // computes the gradient
  console.log(x.grad);

  yield 'accumulation';
  let y2 = sum(x * 4);
  y2.backward();
  console.log(x.grad);

  yield 'zeroing';
  y2 = sum(x * 4);
  x.grad?.zero_();
  y2.backward();
  console.log(x.grad);

  yield 'secondBackward';
  try {
    y.backward(); // the second time, without retainGraph: an error
  } catch (error) {
    console.log(`${error}`);
  }

  yield 'retainGraph';
  x = rand(2, 2, { requiresGrad: true });
  y = sum(x * 3);

  y.backward({ retainGraph: true });

  yield 'retainedFirst';
  console.log(x.grad);

  yield 'retainedSecond';
  y.backward({ retainGraph: true }); // gradients add up
  console.log(x.grad);

  yield 'autogradGrad';
  console.log(autograd.grad(y, x));

  yield 'detach';
  const y1 = y.detach();
  console.log(sigmoid(y1));

  yield 'noGrad';
  x = randn(3, { requiresGrad: true });

  console.log(x.requiresGrad);
  console.log((x ** 2).requiresGrad);

  noGrad(() => {
    console.log((x ** 2).requiresGrad);
  });

  yield 'polynomial';
  x = tensor(1, { requiresGrad: true });
  y = 2 * x ** 3 + 5 * x ** 2 + 8;

  yield 'derivatives';
  let firstDerivative = autograd.grad(y, x, {
    retainGraph: true,
    createGraph: true,
  });
  const secondDerivative = autograd.grad(firstDerivative, x);

  yield 'secondDerivative';
  console.log(secondDerivative);

  yield 'exercise1';
  x = tensor(2, { requiresGrad: true });
  y = 9 * x ** 4 + 2 * x ** 3 + 3 * x ** 2 + 6 * x + 1;

  yield 'exercise2';
  firstDerivative = autograd.grad(y, x, {
    retainGraph: true,
    createGraph: true,
  });
  console.log(firstDerivative);

  yield 'exercise2Backward';
  y.backward();

  yield 'exercise2Gradient';
  console.log(x.grad);

  yield 'exercise3';
  x = tensor(1, { requiresGrad: true });
  const z = tensor(2, { requiresGrad: true });
  y = x ** 2 + z ** 3;

  yield 'exercise4';
  const firstDerivativeX = autograd.grad(y, x, {
    retainGraph: true,
    createGraph: true,
  });
  console.log(firstDerivativeX);

  const firstDerivativeZ = autograd.grad(y, z, {
    retainGraph: true,
    createGraph: true,
  });
  console.log(firstDerivativeZ);

  yield 'exercise5';
  console.log(x.data);

  yield 'picture';
  console.log(autograd.toDot(y, { params: { x, z, y }, showSaved: true }));
}
