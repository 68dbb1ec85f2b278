/** Matrix products by a BLAS of the system, where there is one, give what WebAssembly gives. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { collectGarbage } from '../../src/host/garbage.ts';
import { config, type DType, manualSeed, rand, setBlasEnabled, type Tensor } from '../../src/index.ts';
import { currentBlas } from '../../src/kernels/blas.ts';

after(() => setBlasEnabled(true));

const found = config().blas;
const skip = found === null ? 'no BLAS on this machine' : false;

// comes first: a library that kernels hold is not unloaded
const countsThreads = found?.startsWith('OpenBLAS') ? false : 'no OpenBLAS on this machine';
test('it remembers that it is to use one thread, whatever garbage is collected', { skip: countsThreads }, async () => {
  collectGarbage();
  await setImmediate();
  await setImmediate();
  const { load } = createRequire(import.meta.url)('koffi');
  assert.equal(load(currentBlas()?.file).func('int openblas_get_num_threads()')(), 1);
});

manualSeed(1);

const cases: Record<string, (dtype: DType) => readonly [Tensor, Tensor]> = {
  'dense matrices': (dtype) => [rand(70, 50, { dtype }), rand(50, 60, { dtype })],
  'transposed matrices': (dtype) => [rand(50, 70, { dtype }).t(), rand(60, 50, { dtype }).t()],
  'parts of matrices': (dtype) => [
    rand(99, 80, { dtype }).narrow(0, 5, 70).narrow(1, 3, 50),
    rand(70, 64, { dtype }).narrow(0, 9, 50).narrow(1, 0, 60),
  ],
  'columns that lie apart': (dtype) => [rand(70, 50, 2, { dtype }).select(2, 1), rand(50, 60, { dtype })],
  'a row that is repeated': (dtype) => [rand(1, 50, { dtype }).expand(70, 50), rand(50, 60, { dtype })],
  'one column': (dtype) => [rand(200, 300, { dtype }), rand(300, 1, { dtype })],
  'a batch': (dtype) => [rand(3, 40, 50, { dtype }), rand(3, 60, 50, { dtype }).transpose(1, 2)],
  'a batch of one matrix': (dtype) => [rand(40, 50, { dtype }).expand(3, 2, 40, 50), rand(3, 2, 50, 60, { dtype })],
};

for (const dtype of ['float32', 'float64'] as const) {
  for (const [name, make] of Object.entries(cases)) {
    test(`${name} of ${dtype}`, { skip }, () => {
      const [a, b] = make(dtype);
      setBlasEnabled(true);
      const native = a.matmul(b);
      setBlasEnabled(false);
      const own = a.matmul(b);
      assert.deepEqual(native.shape, own.shape);
      assert.ok(Number(native.sub(own).abs().max().item()) < (dtype === 'float32' ? 1e-4 : 1e-12));
    });
  }
}

test('it can be switched off, and config says so', { skip }, () => {
  setBlasEnabled(false);
  assert.equal(config().blas, null);
  setBlasEnabled(true);
  assert.equal(config().blas, found);
});
