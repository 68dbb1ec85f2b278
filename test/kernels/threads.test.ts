/** Kernels shared among threads give what one thread gives. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { getNumThreads, manualSeed, rand, setBlasEnabled, setNumThreads, type Tensor } from '../../src/index.ts';

const own = getNumThreads();
after(() => {
  setNumThreads(own);
  setBlasEnabled(true);
});

/** The results with one thread and with several: often, so that workers have started and fallen asleep in between. */
function compare(name: string, compute: () => Tensor, tolerance = 0): void {
  test(name, () => {
    setNumThreads(1);
    const alone = compute();
    setNumThreads(3);
    for (let round = 0; round < 20; round++) {
      const shared = compute();
      assert.deepEqual(shared.shape, alone.shape);
      assert.ok(Number(shared.sub(alone).abs().max().item()) <= tolerance, `round ${round}`);
    }
  });
}

manualSeed(1);
const long = rand(300_001);
const matrix = rand(601, 503);
const many = rand(40, 33, 65);

compare('one dense row', () => long.exp().mul(2).add(long));
compare('rows', () => matrix.t().tanh().add(matrix.t()));
compare('a broadcast operand and a strided one', () =>
  matrix.mul(matrix.select(0, 3)).div(matrix.select(1, 7).unsqueeze(1)),
);
compare('reductions along rows and columns', () =>
  matrix.sum(1).add(matrix.t().amax(0)).mean().add(matrix.sum(0).sum()),
);
compare('a long row to one number', () => long.sum().add(long.amax()).add(long.var()), 0.2);
compare('the softmax', () => matrix.softmax(1));
compare('a scan', () => matrix.cumsum(0).add(matrix.t().cumsum(1).t()));
compare('positions of extrema', () => matrix.argmax(1));
compare('elements at indices', () => matrix.indexSelect(0, matrix.select(1, 0).argsort()));
for (const blas of [true, false]) {
  const products = (name: string, compute: () => Tensor): void =>
    compare(
      `${name}${blas ? '' : ' without BLAS'}`,
      () => {
        setBlasEnabled(blas);
        return compute();
      },
      1e-3,
    );
  products('a matrix product', () => matrix.mm(matrix.t()));
  products('a product of few rows', () => matrix.narrow(0, 7, 20).mm(matrix.t()));
  products('products of a batch', () => many.bmm(many.transpose(1, 2)));
  products('a product added to a row', () => long.narrow(0, 5, 601).addmm(matrix, matrix.t()));
}
compare('a matrix and a vector', () => matrix.mv(matrix.select(0, 0)), 1e-3);

test('the number of threads is a positive integer', () => {
  for (const count of [0, -1, 1.5, Number.NaN]) assert.throws(() => setNumThreads(count), { code: 'argument' });
  setNumThreads(2);
  assert.equal(getNumThreads(), 2);
});
