/** The numbers that every library starts from: the same ones in TypeScript and, in peers/data.py, in Python. */

/** Mixes the bits of an index, so that neighbours have nothing in common. */
function mix(index: number): number {
  let bits = index | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
  return (bits ^ (bits >>> 15)) >>> 0;
}

const start = (seed: number): number => Math.imul(seed, 0x9e3779b9);

/** `count` numbers between -scale and scale. */
export function uniform(count: number, seed: number, scale = 1): Float32Array {
  const from = start(seed);
  return Float32Array.from({ length: count }, (_, i) => ((mix(from + i) >>> 8) / 2 ** 23 - 1) * scale);
}

/** `count` whole numbers from 0 to `classes` - 1. */
export function labels(count: number, classes: number, seed: number): Int32Array {
  const from = start(seed);
  return Int32Array.from({ length: count }, (_, i) => mix(from + i) % classes);
}

/** Weight and bias of a linear layer, [out, in] and [out], in the range that PyTorch would draw them from. */
export function linear(inputs: number, outputs: number, seed: number): { weight: Float32Array; bias: Float32Array } {
  const scale = 1 / Math.sqrt(inputs);
  return { weight: uniform(outputs * inputs, seed, scale), bias: uniform(outputs, seed + 1, scale) };
}
