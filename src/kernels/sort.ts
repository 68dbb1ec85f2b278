/**
 * Stable sorting of typed arrays: every element becomes a key of one or two 32-bit integers that compare as the elements do, and a
 * permutation is sorted by one byte of the keys after another, the least significant first.
 */
import type { ElementType, TypedArray } from './element.ts';

/** One int32 for each element, or two, of which the second decides first. */
export type Keys = readonly Int32Array[];

const signBit = 1 << 31;
const greatest = ~signBit;

/**
 * The keys of some elements. NaN is greater than every number, and -0 equals 0.
 * @param descending whether a greater element has a smaller key
 */
export function keysOf(elements: TypedArray, type: ElementType, descending: boolean): Keys {
  const flip = descending ? -1 : 0;
  switch (type) {
    case 'float64':
    case 'int64':
      return wideKeys(elements, flip);
    case 'float32':
      return [float32Keys(elements as Float32Array, flip)];
    default:
      return [Int32Array.from(elements as Int32Array, (value) => value ^ flip)];
  }
}

function float32Keys(elements: Float32Array, flip: number): Int32Array {
  const words = new Int32Array(elements.buffer, elements.byteOffset, elements.length);
  const keys = new Int32Array(elements.length);
  for (let i = 0; i < keys.length; i++) {
    const value = elements[i];
    const bits = words[i];
    // of negative numbers the greater ones are smaller in size
    let key = bits ^ ((bits >> 31) & greatest);
    if (value === 0) key = 0;
    else if (Number.isNaN(value)) key = greatest;
    keys[i] = key ^ flip;
  }
  return keys;
}

function wideKeys(elements: TypedArray, flip: number): Keys {
  const n = elements.length;
  const words = new Int32Array(elements.buffer, elements.byteOffset, 2 * n);
  const floats = elements instanceof Float64Array ? elements : null;
  const low = new Int32Array(n);
  const high = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    let a = words[2 * i];
    let b = words[2 * i + 1];
    if (floats) {
      const value = floats[i];
      const sign = b >> 31;
      a ^= sign;
      b ^= sign & greatest;
      if (value === 0) a = b = 0;
      else if (Number.isNaN(value)) {
        a = -1;
        b = greatest;
      }
    }
    // the low word has no sign
    low[i] = a ^ signBit ^ flip;
    high[i] = b ^ flip;
  }
  return [low, high];
}

/** Up to this many elements, inserting each among those before it is quicker. */
const few = 48;

/**
 * Puts into `out` the numbers of the elements with the smallest keys, smallest first, of the `length` elements from `first` on.
 * Elements with equal keys stay in order.
 */
export function smallest(keys: Keys, first: number, length: number, out: Int32Array): void {
  if (out.length <= few) {
    insert(keys, first, length, out);
    return;
  }
  const permutation = new Int32Array(length);
  for (let i = 0; i < length; i++) permutation[i] = i;
  for (const words of keys) sortByWord(permutation, words, first);
  out.set(permutation.subarray(0, out.length));
}

/** Keeps the smallest so far in order. */
function insert(keys: Keys, first: number, length: number, out: Int32Array): void {
  const major = keys[keys.length - 1];
  const minor = keys[0];
  const wanted = out.length;
  if (wanted === 0) return;
  let count = 0;
  for (let i = 0; i < length; i++) {
    const a = major[first + i];
    const b = minor[first + i];
    let j = count;
    if (count < wanted) count++;
    else {
      const last = first + out[--j];
      if (major[last] < a || (major[last] === a && minor[last] <= b)) continue;
    }
    for (; j > 0; j--) {
      const other = first + out[j - 1];
      if (major[other] < a || (major[other] === a && minor[other] <= b)) break;
      out[j] = out[j - 1];
    }
    out[j] = i;
  }
}

/** Sorts a permutation by one word of the keys. */
function sortByWord(permutation: Int32Array, words: Int32Array, first: number): void {
  const n = permutation.length;
  const counts = new Int32Array(4 * 256);
  for (let i = 0; i < n; i++) {
    const word = words[first + i] ^ signBit;
    counts[word & 255]++;
    counts[256 + ((word >>> 8) & 255)]++;
    counts[512 + ((word >>> 16) & 255)]++;
    counts[768 + (word >>> 24)]++;
  }
  const any = words[first] ^ signBit;
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
      to[places[((words[first + number] ^ signBit) >>> shift) & 255]++] = number;
    }
    const sorted = to;
    to = from;
    from = sorted;
  }
  if (from !== permutation) permutation.set(from);
}
