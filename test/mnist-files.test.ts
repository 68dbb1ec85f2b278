import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDigits, parseIdx } from '../examples/mnist/idx.ts';

describe('the digits', () => {
  const { train, test: unseen } = loadDigits();

  test('are all there', () => {
    assert.deepEqual(train.images.shape, [60000, 28, 28]);
    assert.deepEqual(train.labels.shape, [60000]);
    assert.deepEqual(unseen.images.shape, [10000, 28, 28]);
    assert.deepEqual(unseen.labels.shape, [10000]);
  });

  test('have the labels that MNIST has', () => {
    assert.deepEqual([...train.labels.data.subarray(0, 10)], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    assert.deepEqual([...unseen.labels.data.subarray(0, 10)], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    const counts = new Array(10).fill(0);
    for (const label of train.labels.data) counts[label]++;
    assert.deepEqual(counts, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
  });

  test('have the mean and the deviation that mnist.ts normalises with', () => {
    const { data } = train.images;
    let sum = 0;
    let squares = 0;
    for (const pixel of data) {
      sum += pixel / 255;
      squares += (pixel / 255) ** 2;
    }
    const mean = sum / data.length;
    assert.equal(mean.toFixed(4), '0.1307');
    assert.equal(Math.sqrt(squares / data.length - mean ** 2).toFixed(4), '0.3081');
  });
});

describe('parseIdx', () => {
  const file = (...bytes: number[]) => Uint8Array.from(bytes);

  test('reads sizes and elements, wherever the bytes lie in their buffer', () => {
    const bytes = file(99, 0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6).subarray(1);
    assert.deepEqual(parseIdx(bytes, 2, 'test'), { shape: [2, 3], data: file(1, 2, 3, 4, 5, 6) });
  });

  const refused = (bytes: Uint8Array, message: RegExp) =>
    assert.throws(() => parseIdx(bytes, 1, 'labels'), { message });

  test('refuses what is no idx file', () => {
    refused(
      file(0, 0, 8, 3, 0, 0, 0, 0),
      /^labels is no idx file .* \(magic number 2049\): it has the magic number 2051$/,
    );
    refused(file(0, 0, 8), /^labels is no idx file .*: it has only 3 bytes$/);
  });

  test('refuses a file that is cut off or too long', () => {
    refused(file(0, 0, 8, 1, 0, 0, 0, 2, 7), /^labels is damaged: its sizes 2 ask for 2 bytes, it has 1$/);
    refused(file(0, 0, 8, 1, 0, 0, 0, 2, 7, 8, 9), /^labels is damaged: its sizes 2 ask for 2 bytes, it has 3$/);
  });
});
