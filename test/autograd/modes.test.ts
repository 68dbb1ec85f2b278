/** noGrad, enableGrad and setGradEnabled. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import {
  enableGrad,
  inferenceMode,
  isGradEnabled,
  isInferenceModeEnabled,
  noGrad,
  ones,
  setGradEnabled,
  tensor,
} from '../../src/index.ts';

const x = tensor([1, 2], { requiresGrad: true });

afterEach(() => {
  assert.equal(isGradEnabled(), true, 'a test left the mode switched');
  assert.equal(isInferenceModeEnabled(), false, 'a test left the mode switched');
});

describe('noGrad', () => {
  test('records nothing and returns what the callback returns', () => {
    const y = noGrad(() => x.mul(2));
    assert.deepEqual(y.tolist(), [2, 4]);
    assert.equal(y.requiresGrad, false);
    assert.equal(y.gradFn, null);
    assert.equal(y.isLeaf, true);
    assert.equal(
      noGrad(() => 'a value'),
      'a value',
    );
  });

  test('nests, and enableGrad records inside it', () => {
    noGrad(() => {
      assert.equal(isGradEnabled(), false);
      enableGrad(() => {
        assert.equal(isGradEnabled(), true);
        assert.equal(x.mul(2).requiresGrad, true);
        noGrad(() => assert.equal(x.mul(2).requiresGrad, false));
        assert.equal(isGradEnabled(), true);
      });
      assert.equal(isGradEnabled(), false);
    });
  });

  test('a leaf may be written to, and stays a leaf', () => {
    const w = tensor([1, 2], { requiresGrad: true });
    noGrad(() => w.sub_(1));
    assert.deepEqual(w.tolist(), [0, 1]);
    assert.ok(w.isLeaf && w.requiresGrad);
  });

  test('does not keep a graph that was recorded before from being run', () => {
    const w = tensor([1, 2], { requiresGrad: true });
    const loss = w.mul(w).sum();
    noGrad(() => loss.backward({ retainGraph: true }));
    inferenceMode(() => loss.backward());
    assert.deepEqual(w.grad?.tolist(), [4, 8]);
  });

  test('a new tensor may still ask for a gradient', () => {
    const w = noGrad(() => ones(2, { requiresGrad: true }));
    assert.equal(w.requiresGrad, true);
  });

  test('ends when the callback throws', () => {
    assert.throws(
      () =>
        noGrad(() => {
          enableGrad(() => {
            throw new RangeError('inside');
          });
        }),
      RangeError,
    );
    assert.equal(isGradEnabled(), true);
  });

  test('refuses an async callback, which would outlive it', () => {
    for (const mode of [noGrad, enableGrad, inferenceMode] as ((f: () => unknown) => unknown)[]) {
      assert.throws(() => mode(async () => x.mul(2)), {
        code: 'argument',
        message: /^an async callback cannot run in a mode/,
      });
      assert.equal(isGradEnabled(), true);
    }
    // even one that fails itself
    assert.throws(() => noGrad(() => Promise.reject(new Error('later'))), { code: 'argument' });
  });

  test('the form for `using` lasts until it is disposed of', () => {
    const guard = noGrad();
    assert.equal(x.mul(2).requiresGrad, false);
    guard[Symbol.dispose]();
    assert.equal(x.mul(2).requiresGrad, true);

    const outer = noGrad();
    const inner = enableGrad();
    assert.equal(isGradEnabled(), true);
    inner[Symbol.dispose]();
    assert.equal(isGradEnabled(), false);
    outer[Symbol.dispose]();
  });
});

describe('setGradEnabled', () => {
  test('switches for a callback', () => {
    assert.equal(
      setGradEnabled(false, () => x.mul(2).requiresGrad),
      false,
    );
    assert.equal(
      noGrad(() => setGradEnabled(true, () => x.mul(2).requiresGrad)),
      true,
    );
  });

  test('switches from now on without one', () => {
    setGradEnabled(false);
    assert.equal(x.mul(2).requiresGrad, false);
    const guard = setGradEnabled(true);
    assert.equal(x.mul(2).requiresGrad, true);
    guard[Symbol.dispose]();
    assert.equal(isGradEnabled(), false);
    setGradEnabled(true);
  });

  test('takes a truth value', () => {
    assert.throws(() => setGradEnabled(0 as never), { code: 'argument', message: /takes true or false, got 0/ });
  });
});
