/**
 * The random number generator: PyTorch's CPU generator, draw for draw. After `manualSeed(s)` the same calls yield the
 * same numbers as `torch.manual_seed(s)` and PyTorch's CPU kernels.
 *
 * A Mersenne Twister (MT19937) supplies 32-bit words; each distribution spends them exactly as PyTorch does, because one
 * word too many would shift every later number. Arrays are filled from first element to last; which element of a tensor
 * comes first is the caller's business.
 */
import { AdjointError, show } from '../errors.ts';
import type { TypedArray } from '../kernels/element.ts';

type FloatArray = Extract<TypedArray, Float32Array | Float64Array>;
type LongArray = Extract<TypedArray, BigInt64Array>;

const fround = Math.fround;

/** Words of state, and the distance between the two words that the recurrence combines. */
const STATE = 624;
const SHIFT = 397;

/** The seed of a generator that was not given one. */
const DEFAULT_SEED = 67280421310721n;

/** Box-Muller on whole blocks of this many numbers; shorter arrays are sampled one by one. */
const NORMAL_BLOCK = 16;

const FLOAT_UNIT = 2 ** -24;
const DOUBLE_UNIT = 2 ** -53;

const FLOAT_MAX = (2 - 2 ** -23) * 2 ** 127;

/** Byte offsets in PyTorch's serialised generator. `left` counts the words to the next turn, this one included. */
const LAYOUT = {
  seed: 0,
  left: 8,
  seeded: 12,
  next: 16,
  state: 24, // 624 words of 8 bytes, the high halves zero
  spareNormal: 5024,
  hasSpareNormal: 5040,
  size: 5056,
};

export class Generator {
  /** The raw state, and its tempered words, of which those from `#next` on are still to be handed out. */
  readonly #state = new Int32Array(STATE);
  readonly #words = new Uint32Array(STATE);
  #next = STATE;
  #seed = DEFAULT_SEED;

  /** The second number of the last Box-Muller pair, kept for the next call that samples one by one. */
  #spareNormal: number | null = null;

  /** @param seed As for `manualSeed`; PyTorch's constant 67280421310721 when omitted, as for `torch.Generator()`. */
  constructor(seed: number | bigint = DEFAULT_SEED) {
    this.manualSeed(seed);
  }

  /**
   * Restarts the stream from `seed`, an integer from -2^63 to 2^64 - 1 (a number must be a safe integer; a negative one
   * counts from 2^64 down). Only its low 32 bits select the stream. Mirrors `torch.Generator.manual_seed`.
   */
  manualSeed(seed: number | bigint): this {
    this.#seed = BigInt.asUintN(64, toBigInt('manualSeed', 'the seed', seed, -(2n ** 63n), 2n ** 64n - 1n));
    const state = this.#state;
    state[0] = Number(BigInt.asIntN(32, this.#seed));
    for (let i = 1; i < STATE; i++) {
      const previous = state[i - 1];
      state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
    this.#next = STATE;
    this.#spareNormal = null;
    return this;
  }

  /** The seed that the stream was last started from. Mirrors `torch.Generator.initial_seed`. */
  initialSeed(): bigint {
    return this.#seed;
  }

  /** Restarts the stream from a seed of the platform's entropy and returns it. Mirrors `torch.Generator.seed`. */
  seed(): bigint {
    return this.manualSeed(crypto.getRandomValues(new BigUint64Array(1))[0]).#seed;
  }

  /**
   * Everything that determines the numbers to come, in the byte layout of `torch.Generator.get_state`, so that a state
   * saved by either continues in the other.
   */
  getState(): Uint8Array {
    const bytes = new Uint8Array(LAYOUT.size);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(LAYOUT.seed, this.#seed, true);
    view.setInt32(LAYOUT.left, STATE + 1 - this.#next, true);
    view.setInt32(LAYOUT.seeded, 1, true);
    view.setUint32(LAYOUT.next, this.#next, true);
    for (let i = 0; i < STATE; i++) view.setInt32(LAYOUT.state + 8 * i, this.#state[i], true);
    if (this.#spareNormal !== null) {
      view.setFloat64(LAYOUT.spareNormal, this.#spareNormal, true);
      view.setInt32(LAYOUT.hasSpareNormal, 1, true);
    }
    return bytes;
  }

  /** Continues from what `getState` returned. Mirrors `torch.Generator.set_state`. */
  setState(state: Uint8Array): this {
    if (!(state instanceof Uint8Array) || state.length !== LAYOUT.size) {
      const given = state instanceof Uint8Array ? `${state.length} bytes` : show(state);
      throw new AdjointError(
        'argument',
        `setState expects the ${LAYOUT.size} bytes (a Uint8Array) that getState returns, but got ${given}`,
      );
    }
    const view = new DataView(state.buffer, state.byteOffset, state.length);
    const left = view.getInt32(LAYOUT.left, true);
    if (view.getInt32(LAYOUT.seeded, true) !== 1 || left < 1 || left > STATE) {
      throw new AdjointError(
        'argument',
        'setState got bytes that are not the state of a generator: pass what getState returned',
      );
    }
    this.#seed = view.getBigUint64(LAYOUT.seed, true);
    this.#next = STATE + 1 - left;
    for (let i = 0; i < STATE; i++) this.#state[i] = view.getInt32(LAYOUT.state + 8 * i, true);
    this.#temper();
    const hasSpare = view.getInt32(LAYOUT.hasSpareNormal, true) !== 0;
    this.#spareNormal = hasSpare ? view.getFloat64(LAYOUT.spareNormal, true) : null;
    return this;
  }

  /** The next word of the stream, an integer from 0 to 2^32 - 1. */
  random(): number {
    if (this.#next === STATE) this.#twist();
    const next = this.#next;
    this.#next = next + 1;
    return this.#words[next];
  }

  /** The next two words of the stream as one integer from 0 to 2^64 - 1, the first word in its high half. */
  random64(): bigint {
    const high = this.random();
    return (BigInt(high) << 32n) | BigInt(this.random());
  }

  /**
   * Fills `out` from the uniform distribution on [from, to), at one word for a `float32` and two for a `float64`.
   * Mirrors `Tensor.uniform_`.
   *
   * @throws AdjointError `argument` unless from <= to and both bounds and their difference are finite in out's dtype.
   */
  uniform(out: FloatArray, from = 0, to = 1): void {
    const max = out instanceof Float32Array ? FLOAT_MAX : Number.MAX_VALUE;
    if (!(Math.abs(from) <= max && Math.abs(to) <= max && from <= to && to - from <= max)) {
      throw new AdjointError(
        'argument',
        `uniform_ expects to return a [from, to) range with from <= to and both bounds and their difference finite, but found from=${show(from)} and to=${show(to)}`,
      );
    }
    if (out instanceof Float32Array) this.#uniformFloats(out, fround(from), fround(to));
    else this.#uniformDoubles(out, from, to);
  }

  /**
   * Fills `out` from the normal distribution by the Box-Muller transform. Mirrors `Tensor.normal_`.
   *
   * PyTorch has two ways to spend the stream. A contiguous tensor of at least 16 elements is filled with uniform numbers
   * that are then transformed in blocks of 16, drawing the last block afresh when the size is no multiple of 16. Any
   * other tensor is sampled one by one in double precision, where the second number of a pair waits for the next call.
   *
   * @param contiguous Whether the tensor that `out` stands for is contiguous.
   * @throws AdjointError `argument` if `std` is negative or NaN.
   */
  normal(out: FloatArray, mean = 0, std = 1, contiguous = true): void {
    if (!(std >= 0)) {
      throw new AdjointError('argument', `normal expects std >= 0.0, but found std ${show(std)}`);
    }
    if (out.length < NORMAL_BLOCK || !contiguous) {
      for (let i = 0; i < out.length; i++) out[i] = multiplyAdd(this.#normal(), std, mean);
      return;
    }
    const rest = out.length % NORMAL_BLOCK;
    this.uniform(out);
    boxMuller(out.subarray(0, out.length - rest), mean, std);
    if (rest > 0) {
      const last = out.subarray(-NORMAL_BLOCK);
      this.uniform(last);
      boxMuller(last, mean, std);
    }
  }

  /**
   * Fills `out` with 1 with probability p and 0 otherwise. With one `p` for all, or with a `Float64Array` of one per
   * element, each decision takes a double-precision uniform number (two words); with a `Float32Array` a single-precision
   * one (one word). Mirrors `Tensor.bernoulli_`; `x.bernoulli()` takes x itself as the probabilities.
   *
   * @throws AdjointError `argument` if a probability is outside [0, 1]; `shape` if their number is not that of `out`.
   */
  bernoulli(out: TypedArray, p: number | FloatArray): void {
    if (typeof p !== 'number' && p.length !== out.length) {
      throw new AdjointError(
        'shape',
        `bernoulli_ expects one p per element, ${out.length} of them, but got ${p.length}`,
      );
    }
    for (const value of typeof p === 'number' ? [p] : p) {
      if (!(value >= 0 && value <= 1)) {
        throw new AdjointError('argument', `bernoulli_ expects p to be in [0, 1], but got p=${show(value)}`);
      }
    }
    const { cells, step } = smallIntegerCells(out);
    if (typeof p === 'number') {
      for (let i = 0; i < out.length; i++) cells[i * step] = this.#double() < p ? 1 : 0;
    } else if (p instanceof Float64Array) {
      for (let i = 0; i < out.length; i++) cells[i * step] = this.#double() < p[i] ? 1 : 0;
    } else {
      for (let i = 0; i < out.length; i++) cells[i * step] = this.#float() < p[i] ? 1 : 0;
    }
  }

  /**
   * Fills `out` with integers from `low` to `high - 1`, all about equally likely: low + word mod (high - low), where the
   * word has 64 bits if `out` is an `int64` or floating array and the range is 2^32 or more, and 32 bits otherwise (the
   * rule of PyTorch 1; late versions of PyTorch 2 turn to 64 bits at 2^28). Mirrors `torch.randint` and
   * `Tensor.random_(from, to)`.
   *
   * @throws AdjointError `argument` unless low < high and out's dtype holds every integer from `low` to `high - 1`.
   */
  randint(out: TypedArray, low: number | bigint, high: number | bigint): void {
    const [min, max] = integerRange(out);
    const from = toBigInt('randint', 'low', low, min, max);
    const to = toBigInt('randint', 'high', high, min, max + 1n);
    if (from >= to) {
      throw new AdjointError(
        'argument',
        `random_ expects 'from' to be less than 'to', but got from=${from} >= to=${to}`,
      );
    }
    const range = to - from;
    const wide = range >= 2n ** 32n && !(out instanceof Int32Array);
    if (!wide && isSafe(from) && isSafe(to)) {
      this.#smallIntegers(out, Number(from), Number(range));
      return;
    }
    for (let i = 0; i < out.length; i++) {
      const value = from + ((wide ? this.random64() : BigInt(this.random())) % range);
      if (out instanceof BigInt64Array) out[i] = value;
      else out[i] = Number(value);
    }
  }

  /**
   * Fills `out` with a random permutation of 0 to out.length - 1, by Fisher and Yates' shuffle from the front with one
   * word per exchange. Mirrors `torch.randperm`.
   *
   * @throws AdjointError `argument` if out's dtype does not hold out.length - 1 exactly.
   */
  randperm(out: TypedArray): void {
    const n = out.length;
    const [, max] = integerRange(out);
    if (n - 1 > max) {
      throw new AdjointError(
        'argument',
        `randperm of ${n} elements needs a dtype that holds ${n - 1}, but this one ends at ${max}`,
      );
    }
    const { cells, step } = smallIntegerCells(out);
    for (let i = 0; i < n; i++) cells[i * step] = i;
    for (let i = 0; i < n - 1; i++) {
      const here = i * step;
      const there = here + modulo(this.random(), n - i) * step;
      const value = cells[here];
      cells[here] = cells[there];
      cells[there] = value;
    }
  }

  /**
   * Fills `out` from the exponential distribution of rate `lambda`, -log(1 - u) / lambda for a double-precision uniform
   * u. Mirrors `Tensor.exponential_`.
   *
   * @throws AdjointError `argument` unless lambda > 0.
   */
  exponential(out: FloatArray, lambda = 1): void {
    if (!(lambda > 0)) {
      throw new AdjointError('argument', `exponential_ expects lambda > 0.0, but found lambda=${show(lambda)}`);
    }
    const scale = -1 / lambda;
    for (let i = 0; i < out.length; i++) out[i] = scale * Math.log1p(-this.#double());
  }

  /**
   * Draws category numbers with probability proportional to their weights: `samples` for each row of the row-major
   * `weights`, `categories` per row, into the rows of `out`. Without replacement, or for a single sample, each weight is
   * divided by an exponential number and the largest quotients win, in order; otherwise a uniform number is looked up
   * in the cumulative weights. Mirrors `torch.multinomial`.
   *
   * @throws AdjointError `argument` if a weight is negative or not finite, a row has no positive weight, or a row has
   *   fewer categories than samples to draw without replacement; `shape` if the lengths do not fit together.
   */
  multinomial(out: LongArray, weights: FloatArray, categories: number, samples: number, replacement = false): void {
    const rows = checkMultinomial(out, weights, categories, samples, replacement);
    const { cells, step } = smallIntegerCells(out);
    if (replacement && samples > 1) {
      const cumulative = weights.slice(0, categories);
      for (let row = 0; row < rows; row++) {
        accumulate(cumulative, weights.subarray(row * categories, (row + 1) * categories));
        for (let i = 0; i < samples; i++) {
          cells[(row * samples + i) * step] = lowerBound(cumulative, this.#double());
        }
      }
      return;
    }
    const keys = weights.slice();
    this.exponential(keys);
    for (let i = 0; i < keys.length; i++) keys[i] = weights[i] / keys[i];
    for (let row = 0; row < rows; row++) {
      const rowKeys = keys.subarray(row * categories, (row + 1) * categories);
      const ranked = Array.from(rowKeys, (_, category) => category).sort((a, b) => rowKeys[b] - rowKeys[a] || a - b);
      for (let i = 0; i < samples; i++) cells[(row * samples + i) * step] = ranked[i];
    }
  }

  /** Advances the state by one full turn of the recurrence. */
  #twist(): void {
    const state = this.#state;
    let i = 0;
    for (; i < STATE - SHIFT; i++) state[i] = state[i + SHIFT] ^ twisted(state[i], state[i + 1]);
    for (; i < STATE - 1; i++) state[i] = state[i + SHIFT - STATE] ^ twisted(state[i], state[i + 1]);
    state[i] = state[SHIFT - 1] ^ twisted(state[i], state[0]);
    this.#temper();
    this.#next = 0;
  }

  /** Derives the words that the state stands for. */
  #temper(): void {
    const state = this.#state;
    const words = this.#words;
    for (let i = 0; i < STATE; i++) {
      let word = state[i];
      word ^= word >>> 11;
      word ^= (word << 7) & 0x9d2c5680;
      word ^= (word << 15) & 0xefc60000;
      words[i] = word ^ (word >>> 18);
    }
  }

  /** A uniform number on [0, 1) with 24 random bits. */
  #float(): number {
    return (this.random() & 0xffffff) * FLOAT_UNIT;
  }

  /** A uniform number on [0, 1) with 53 random bits. */
  #double(): number {
    const high = this.random() & 0x1fffff;
    return (high * 2 ** 32 + this.random()) * DOUBLE_UNIT;
  }

  /** A standard normal number, by Box-Muller in double precision. */
  #normal(): number {
    const spare = this.#spareNormal;
    if (spare !== null) {
      this.#spareNormal = null;
      return spare;
    }
    const angle = 2 * Math.PI * this.#double();
    const radius = Math.sqrt(-2 * Math.log1p(-this.#double()));
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** from + u (to - from) rounded once, as by a fused multiply-add: exact here, since doubles hold the product. */
  #uniformFloats(out: Float32Array, from: number, to: number): void {
    const words = this.#words;
    const width = fround(to - from);
    for (let i = 0; i < out.length; ) {
      if (this.#next === STATE) this.#twist();
      const offset = this.#next - i;
      const end = Math.min(out.length, STATE - offset);
      for (; i < end; i++) {
        const value = fround((words[i + offset] & 0xffffff) * FLOAT_UNIT * width + from);
        out[i] = value === to ? from : value;
      }
      this.#next = i + offset;
    }
  }

  #uniformDoubles(out: Float64Array, from: number, to: number): void {
    const width = to - from;
    for (let i = 0; i < out.length; i++) {
      const value = multiplyAdd(this.#double(), width, from);
      out[i] = value === to ? from : value;
    }
  }

  /** from + word mod range without bigints; both halves of an `int64` are written as an `int32` each. */
  #smallIntegers(out: TypedArray, from: number, range: number): void {
    if (!(out instanceof BigInt64Array)) {
      for (let i = 0; i < out.length; i++) out[i] = from + modulo(this.random(), range);
      return;
    }
    const halves = new Int32Array(out.buffer, out.byteOffset, 2 * out.length);
    for (let i = 0; i < out.length; i++) {
      const value = from + modulo(this.random(), range);
      halves[2 * i] = value;
      halves[2 * i + 1] = Math.floor(value / 2 ** 32);
    }
  }
}

/** The generator that every random call uses unless it is given another; seeded from the platform's entropy. */
export const defaultGenerator: Generator = new Generator();
defaultGenerator.seed();

/** The part of the recurrence that mixes two neighbouring words of state. */
function twisted(a: number, b: number): number {
  return (((a & 0x80000000) | (b & 0x7fffffff)) >>> 1) ^ (-(b & 1) & 0x9908b0df);
}

/** a mod b for integers 0 <= a < 2^32 and 0 < b <= 2^32; the quotient's rounding cannot cross an integer. */
function modulo(a: number, b: number): number {
  return a - Math.floor(a / b) * b;
}

/** Splits a double's 53 bits into two halves. */
const SPLITTER = 2 ** 27 + 1;

/**
 * a * b + c rounded once, as the fused multiply-add of PyTorch's vectorised kernels: the product's rounding error
 * (Dekker) and the sum's (Knuth) are added back. Without those errors where the product is near overflow.
 */
function multiplyAdd(a: number, b: number, c: number): number {
  const product = a * b;
  const aHigh = a * SPLITTER - (a * SPLITTER - a);
  const bHigh = b * SPLITTER - (b * SPLITTER - b);
  const aLow = a - aHigh;
  const bLow = b - bHigh;
  const productError = aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
  const sum = product + c;
  const shift = sum - product;
  const error = productError + (product - (sum - shift) + (c - shift));
  return Number.isFinite(error) ? sum + error : sum;
}

/** Turns each block of 16 uniform numbers, the first 8 paired with the last 8, into normal ones. */
function boxMuller(data: FloatArray, mean: number, std: number): void {
  if (data instanceof Float32Array) boxMullerFloats(data, fround(mean), fround(std));
  else boxMullerDoubles(data, mean, std);
}

function boxMullerDoubles(data: Float64Array, mean: number, std: number): void {
  for (let block = 0; block < data.length; block += NORMAL_BLOCK) {
    for (let i = block; i < block + NORMAL_BLOCK / 2; i++) {
      const radius = Math.sqrt(-2 * Math.log(1 - data[i]));
      const angle = 2 * Math.PI * data[i + 8];
      data[i] = multiplyAdd(radius * Math.cos(angle), std, mean);
      data[i + 8] = multiplyAdd(radius * Math.sin(angle), std, mean);
    }
  }
}

const TWO_PI = fround(2 * Math.PI);
const FOUR_OVER_PI = fround(4 / Math.PI);
const QUARTER_PI = [0.78515625, 2.4187564849853516e-4, 3.774894977445941e-8].map(fround);
const COS_0 = fround(2.443315711809948e-5);
const COS_1 = fround(-1.388731625493765e-3);
const COS_2 = fround(4.166664568298827e-2);
const SIN_0 = fround(-1.9515295891e-4);
const SIN_1 = fround(8.3321608736e-3);
const SIN_2 = fround(-1.6666654611e-1);

/**
 * In single precision PyTorch takes logarithm, sine and cosine from Cephes' approximations, with fused multiply-adds.
 * Each `fround(a * b + c)` below is one such: the product of two floats is exact in a double.
 */
function boxMullerFloats(data: Float32Array, mean: number, std: number): void {
  for (let block = 0; block < data.length; block += NORMAL_BLOCK) {
    for (let i = block; i < block + NORMAL_BLOCK / 2; i++) {
      const radius = fround(Math.sqrt(-2 * logFloat(1 - data[i])));
      const angle = fround(TWO_PI * data[i + 8]);

      // Reduce to x in [-pi/4, pi/4] by the nearest even multiple of pi/4, which is three floats of descending size.
      const octant = (Math.trunc(fround(angle * FOUR_OVER_PI)) + 1) & ~1;
      let x = fround(angle - octant * QUARTER_PI[0]);
      x = fround(x - octant * QUARTER_PI[1]);
      x = fround(x - octant * QUARTER_PI[2]);
      const z = fround(x * x);
      let even = fround(COS_0 * z + COS_1);
      even = fround(even * z + COS_2);
      even = fround(fround(even * z) * z - z * 0.5);
      even = fround(even + 1);
      let odd = fround(SIN_0 * z + SIN_1);
      odd = fround(odd * z + SIN_2);
      odd = fround(fround(odd * z) * x + x);
      const swap = (octant & 2) !== 0;
      const cos = (swap ? odd : even) * (1 - (((octant + 2) & 4) >> 1));
      const sin = (swap ? even : odd) * (1 - ((octant & 4) >> 1));

      data[i] = fround(radius * cos) * std + mean;
      data[i + 8] = fround(radius * sin) * std + mean;
    }
  }
}

const SQRT_HALF_MANTISSA = fround(Math.SQRT1_2) * 2 ** 24;
const LOG_2 = [0.693359375, -2.1219444e-4].map(fround);
const LOG = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
].map(fround);

/** log(u) in single precision for a multiple u of 2^-24 in (0, 1]. */
function logFloat(u: number): number {
  // u = 2^exponent (1 + x) with 1 + x between sqrt(1/2) and sqrt(2).
  const count = u * 2 ** 24;
  const zeros = Math.clz32(count);
  const mantissa = count << (zeros - 8);
  const below = (mantissa - SQRT_HALF_MANTISSA) >>> 31;
  const exponent = 8 - zeros - below;
  const x = (mantissa << below) * FLOAT_UNIT - 1;
  const z = fround(x * x);
  let y = fround(LOG[0] * x + LOG[1]);
  for (let i = 2; i < LOG.length; i++) y = fround(y * x + LOG[i]);
  y = fround(fround(y * x) * z + fround(exponent * LOG_2[1]));
  y = fround(y - z * 0.5);
  return fround(fround(x + y) + exponent * LOG_2[0]);
}

/** Where to write small non-negative integers: `out` itself, or the low halves of an `int64` array set to zero. */
function smallIntegerCells(out: TypedArray): { cells: Exclude<TypedArray, LongArray>; step: number } {
  if (!(out instanceof BigInt64Array)) return { cells: out, step: 1 };
  out.fill(0n);
  return { cells: new Int32Array(out.buffer, out.byteOffset, 2 * out.length), step: 2 };
}

/** The ends of the longest run of integers around 0 that the array's dtype holds exactly. */
function integerRange(out: TypedArray): readonly [bigint, bigint] {
  if (out instanceof Float32Array) return [-(2n ** 24n), 2n ** 24n];
  if (out instanceof Float64Array) return [-(2n ** 53n), 2n ** 53n];
  const bits = BigInt(8 * out.BYTES_PER_ELEMENT);
  if (out instanceof Uint8Array) return [0n, 2n ** bits - 1n];
  return [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n];
}

function toBigInt(call: string, name: string, value: number | bigint, min: bigint, max: bigint): bigint {
  if (typeof value === 'number' ? !Number.isSafeInteger(value) : typeof value !== 'bigint') {
    throw new AdjointError(
      'argument',
      `${call} expects ${name} to be a safe integer or a bigint, but got ${show(value)}`,
    );
  }
  const integer = BigInt(value);
  if (integer < min || integer > max) {
    throw new AdjointError('argument', `${call} expects ${name} from ${min} to ${max}, but got ${integer}`);
  }
  return integer;
}

function isSafe(value: bigint): boolean {
  return Number.isSafeInteger(Number(value));
}

/** Checks the arguments of `multinomial` and returns the number of rows. */
function checkMultinomial(
  out: LongArray,
  weights: FloatArray,
  categories: number,
  samples: number,
  replacement: boolean,
): number {
  const rows = weights.length / categories;
  if (!(Number.isInteger(rows) && samples > 0 && out.length === rows * samples)) {
    throw new AdjointError(
      'shape',
      `multinomial expects weights of rows x ${categories} categories and an output of rows x ${samples} samples, at least one, but got ${weights.length} and ${out.length} elements`,
    );
  }
  if (!replacement && samples > categories) {
    throw new AdjointError(
      'argument',
      `cannot sample n_sample > prob_dist.size(-1) samples without replacement: ${samples} of ${categories}`,
    );
  }
  for (let start = 0; start < weights.length; start += categories) {
    let sum = 0;
    for (const weight of weights.subarray(start, start + categories)) {
      if (!(weight >= 0 && weight < Infinity)) {
        throw new AdjointError(
          'argument',
          `probability tensor contains either \`inf\`, \`nan\` or element < 0: ${weight}`,
        );
      }
      sum += weight;
    }
    if (sum === 0) throw new AdjointError('argument', 'invalid multinomial distribution (sum of probabilities <= 0)');
  }
  return rows;
}

/** Writes the running sums of `weights`, as fractions of their total, in the array's own precision. */
function accumulate(cumulative: FloatArray, weights: FloatArray): void {
  cumulative[0] = weights[0];
  for (let i = 1; i < weights.length; i++) cumulative[i] = cumulative[i - 1] + weights[i];
  const total = cumulative[weights.length - 1];
  for (let i = 0; i < weights.length; i++) cumulative[i] /= total;
}

/** The first index at which the ascending `values` reach `target`. */
function lowerBound(values: FloatArray, target: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle] < target) low = middle + 1;
    else high = middle;
  }
  return low;
}
