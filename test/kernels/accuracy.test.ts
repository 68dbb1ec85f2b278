/** The compiled kernels of the transcendental functions, on float32, against float64 of the host. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as adjoint from '../../src/index.ts';
import { type Transcendental, transcendental1, transcendental2 } from '../../src/kernels/expr.ts';
import { hostMath } from '../../src/kernels/host-math.ts';

const unary = adjoint as unknown as Record<Transcendental, (x: adjoint.Tensor) => adjoint.Tensor>;
const binary = adjoint as unknown as Record<Transcendental, (x: adjoint.Tensor, y: adjoint.Tensor) => adjoint.Tensor>;

const bits = new Int32Array(1);
const asFloat = new Float32Array(bits.buffer);
/** Floats in the order of the number line, one apart. */
const rank = (x: number): number => {
  asFloat[0] = x;
  return bits[0] < 0 ? -(bits[0] & 0x7fffffff) : bits[0];
};
const ulps = (got: number, want: number): number => {
  const rounded = Math.fround(want);
  if (Number.isNaN(rounded) || Number.isNaN(got))
    return Number.isNaN(rounded) && Number.isNaN(got) ? 0 : Number.POSITIVE_INFINITY;
  return Math.abs(rank(got) - rank(rounded));
};

/** Numbers of both signs over the whole range, densest between 1e-3 and 1e3, from a fixed recurrence. */
function samples(n: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) / 2 ** 24;
  };
  return Float32Array.from({ length: n }, (_, i) => {
    const decades = i % 4 === 0 ? 38 : i % 4 === 1 ? 1 : 3;
    return (random() < 0.5 ? -1 : 1) * 10 ** ((random() * 2 - 1) * decades);
  });
}

for (const name of transcendental1) {
  test(`${name} of float32 is within 2 ulp`, () => {
    const x = samples(20_001, 7);
    const y = unary[name](adjoint.tensor(x)).toTypedArray() as Float32Array;
    for (let i = 0; i < x.length; i++) {
      const error = ulps(y[i], hostMath[name](x[i]));
      assert.ok(error <= 2, `${name}(${x[i]}) = ${y[i]} is ${error} ulp from ${hostMath[name](x[i])}`);
    }
  });
}

for (const name of transcendental2) {
  test(`${name} of float32 is within 2 ulp`, () => {
    const x = samples(20_001, 11);
    const y = samples(20_001, 13);
    const z = binary[name](adjoint.tensor(x), adjoint.tensor(y)).toTypedArray() as Float32Array;
    for (let i = 0; i < x.length; i++) {
      const error = ulps(z[i], hostMath[name](x[i], y[i]));
      assert.ok(error <= 2, `${name}(${x[i]}, ${y[i]}) = ${z[i]} is ${error} ulp off`);
    }
  });
}
