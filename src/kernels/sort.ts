/**
 * Stable sorting of typed arrays, by their bytes: every element becomes a key of one or two 32-bit words that compare as unsigned integers
 * do, and a permutation is sorted by one byte of the keys after another, the least significant first.
 */
import type { ElementType, TypedArray } from './element.ts';

/** Words that compare, as unsigned integers, like the elements of an array; the more significant ones come last. */
export type Keys = readonly Uint32Array[];

const signBit = 0x80000000;

/**
 * The keys of some elements. NaN is greater than every number, and -0 equals 0.
 * @param descending whether a greater element has a smaller key
 */
export function keysOf(elements: TypedArray, type: ElementType, descending: boolean): Keys {
  const n = elements.length;
  const flip = descending ? -1 : 0;
  const low = new Uint32Array(n);
  if (type === 'float64' || type === 'int64') {
    const words = new Uint32Array(elements.buffer, elements.byteOffset, 2 * n);
    const high = new Uint32Array(n);
    for (let i = 0; i < n; i++) {
      let [a, b] = [words[2 * i], words[2 * i + 1]];
      if (type === 'int64') b ^= signBit;
      else {
        const value = elements[i];
        // biome-ignore lint/suspicious/noSelfCompare: only NaN differs from itself
        if (value !== value) a = b = -1;
        else if (value === 0) [a, b] = [0, signBit];
        else if (b & signBit) [a, b] = [~a, ~b];
        else b ^= signBit;
      }
      low[i] = a ^ flip;
      high[i] = b ^ flip;
    }
    return [low, high];
  }
  if (type === 'float32') {
    const words = new Uint32Array(elements.buffer, elements.byteOffset, n);
    for (let i = 0; i < n; i++) {
      const value = elements[i];
      const bits = words[i];
      // biome-ignore lint/suspicious/noSelfCompare: only NaN differs from itself
      const key = value !== value ? -1 : value === 0 ? signBit : bits & signBit ? ~bits : bits ^ signBit;
      low[i] = key ^ flip;
    }
    return [low];
  }
  for (let i = 0; i < n; i++) low[i] = (elements[i] as number) ^ signBit ^ flip;
  return [low];
}

/** Below this many elements, inserting each into those before it is quicker. */
const few = 48;

/**
 * Sorts a permutation of 0, ..., length - 1 by the keys of the elements `first`, `first + 1`, ... that it numbers.
 * Elements with equal keys stay in the order in which the permutation has them.
 */
export function sortPermutation(permutation: Int32Array, keys: Keys, first: number): void {
  if (permutation.length <= few) insert(permutation, keys, first);
  else for (const words of keys) sortByWord(permutation, words, first);
}

function insert(permutation: Int32Array, keys: Keys, first: number): void {
  const major = keys[keys.length - 1];
  const minor = keys[0];
  for (let i = 1; i < permutation.length; i++) {
    const moving = permutation[i];
    const [a, b] = [major[first + moving], minor[first + moving]];
    let j = i;
    for (; j > 0; j--) {
      const other = first + permutation[j - 1];
      if (major[other] < a || (major[other] === a && minor[other] <= b)) break;
      permutation[j] = permutation[j - 1];
    }
    permutation[j] = moving;
  }
}

function sortByWord(permutation: Int32Array, words: Uint32Array, first: number): void {
  const n = permutation.length;
  const counts = new Int32Array(4 * 256);
  for (let i = 0; i < n; i++) {
    const word = words[first + i];
    counts[word & 255]++;
    counts[256 + ((word >>> 8) & 255)]++;
    counts[512 + ((word >>> 16) & 255)]++;
    counts[768 + (word >>> 24)]++;
  }
  const any = words[first];
  let from: Int32Array = permutation;
  let to: Int32Array = new Int32Array(n);
  for (let byte = 0; byte < 4; byte++) {
    const shift = 8 * byte;
    const places = counts.subarray(256 * byte, 256 * (byte + 1));
    if (places[(any >>> shift) & 255] === n) continue; // all have the same
    let place = 0;
    for (let digit = 0; digit < 256; digit++) {
      const count = places[digit];
      places[digit] = place;
      place += count;
    }
    for (let i = 0; i < n; i++) {
      const number = from[i];
      to[places[(words[first + number] >>> shift) & 255]++] = number;
    }
    [from, to] = [to, from];
  }
  if (from !== permutation) permutation.set(from);
}
