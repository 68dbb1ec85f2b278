/** Vectors of 256 bits, where the engine has them, compute what those of 128 bits do. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

/** Prints whether vectors are wide, and results to the last bit. */
const program = `
  import { config, manualSeed, nn, rand, setBlasEnabled } from 'adjoint';
  setBlasEnabled(false);
  manualSeed(1);
  const x = rand(37, 45, { requiresGrad: true });
  const y = rand(45, 29);
  const loss = nn.functional.crossEntropy(x.matmul(y).tanh().add(x.exp().sum(1, true)), rand(37, 29).softmax(1));
  loss.backward();
  const results = [loss, x.grad, x.amax(0), x.var(1), x.to('float64').mul(3).cumsum(1), x.mul(100).to('int32').sum(0)];
  console.log(JSON.stringify([config().wideVectors, results.map((result) => result.tolist())]));
`;

function run(vectors?: string): [wide: boolean, results: unknown] {
  const { ADJOINT_VECTORS: _, ...others } = process.env;
  const env = vectors === undefined ? others : { ...others, ADJOINT_VECTORS: vectors };
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program], { env, encoding: 'utf8' }));
}

test('with and without wide vectors', () => {
  const [wide, results] = run();
  const [without, expected] = run('128');
  assert.equal(without, false);
  const { v8_enable_wasm_simd256_revec: built } = process.config.variables as Record<string, unknown>;
  assert.equal(wide, built === 1);
  assert.deepEqual(results, expected);
});
