import { AdjointError, show } from '../errors.ts';

/** One element as a tensor hands it out; a complex number is its real and its imaginary part. */
export type PrintableElement = number | bigint | boolean | readonly [re: number, im: number];

/** What a tensor offers in order to be printed: the geometry of a strided view, and a way to read its storage. */
export interface Printable {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  /** The element at a position of the storage, counted in elements. */
  at(position: number): PrintableElement;
}

/** What is printed of a tensor after its data. */
export interface PrintedSuffix {
  readonly requiresGrad?: boolean;
  /** Name of the backward node, such as `MulBackward0`; takes the place of `requires_grad`. */
  readonly gradFn?: string;
  /** The text of its tangent. */
  readonly tangent?: string;
}

/** Options of {@link setPrintoptions}; one that is absent or `null` keeps its value, except for `sciMode`. */
export interface PrintOptions {
  /** Digits after the decimal point, 0 to 100. Default 4. */
  precision?: number | null;
  /** Tensors of more elements than this are summarised. Default 1000. */
  threshold?: number | null;
  /** Elements shown at either end of a summarised dimension. Default 3. */
  edgeitems?: number | null;
  /** Columns after which a line is broken. Default 80. */
  linewidth?: number | null;
  /** Scientific notation always (`true`), never (`false`), or where the values call for it (`null`, the default). */
  sciMode?: boolean | null;
  /** A set of values to start from, which the other options override. */
  profile?: 'default' | 'short' | 'full' | null;
}

interface Settings {
  precision: number;
  threshold: number;
  edgeitems: number;
  linewidth: number;
  sciMode: boolean | null;
}

const profiles = {
  default: { precision: 4, threshold: 1000, edgeitems: 3, linewidth: 80 },
  short: { precision: 2, threshold: 1000, edgeitems: 2, linewidth: 80 },
  full: { precision: 4, threshold: Number.POSITIVE_INFINITY, edgeitems: 3, linewidth: 80 },
};

const isInteger = (least: number, most: number) => (value: unknown) =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most;

const validity: Record<keyof PrintOptions, [isValid: (value: unknown) => boolean, expected: string]> = {
  precision: [isInteger(0, 100), 'an integer from 0 to 100'],
  threshold: [(value) => typeof value === 'number' && value >= 0, 'a number that is not negative'],
  edgeitems: [isInteger(0, Number.MAX_SAFE_INTEGER), 'a non-negative integer'],
  linewidth: [isInteger(1, Number.MAX_SAFE_INTEGER), 'a positive integer'],
  sciMode: [(value) => typeof value === 'boolean', 'true, false or null'],
  profile: [(value) => Object.keys(profiles).includes(value as string), Object.keys(profiles).map(show).join(', ')],
};

let settings: Settings = { ...profiles.default, sciMode: null };

/**
 * Sets how tensors are printed from now on, as `torch.set_printoptions` does: a call that does not name `sciMode`
 * sets it back to `null`, and `{ profile: 'default' }` restores everything.
 *
 * @throws AdjointError `argument` for an unknown option or a value out of its range; nothing is set then.
 */
export function setPrintoptions(options: PrintOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw new AdjointError('argument', `setPrintoptions: expected an object of options, but got ${show(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(validity, name)) {
      const known = Object.keys(validity).join(', ');
      throw new AdjointError('argument', `setPrintoptions: unknown option ${show(name)}; the options are ${known}`);
    }
  }
  const given = Object.entries(options).filter(([, value]) => value !== null && value !== undefined);
  for (const [name, value] of given) {
    const [isValid, expected] = validity[name as keyof PrintOptions];
    if (!isValid(value)) {
      throw new AdjointError('argument', `setPrintoptions: ${name} should be ${expected}, but got ${show(value)}`);
    }
  }
  const { profile, ...values } = Object.fromEntries(given) as { profile?: keyof typeof profiles } & Partial<Settings>;
  settings = { ...settings, ...(profile && profiles[profile]), sciMode: null, ...values };
}

/**
 * The text of PyTorch's `repr(tensor)`, to the character. A tensor of more elements than `threshold` is summarised:
 * only the elements that are shown are read, and they alone decide on the format.
 */
export function formatTensor(tensor: Printable, suffix: PrintedSuffix = {}): string {
  const { dtype, shape } = tensor;
  const prefix = 'tensor(';
  const size = `size=(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  const suffixes: string[] = [];
  let data: string;
  if (shape.includes(0)) {
    // Without elements nothing tells the dtype, so even int64 and bool are named.
    if (shape.length !== 1) suffixes.push(size);
    if (dtype !== 'float32') suffixes.push(`dtype=torch.${dtype}`);
    data = '[]';
  } else {
    if (settings.edgeitems === 0) suffixes.push(size);
    if (!['float32', 'complex64', 'int64', 'bool'].includes(dtype)) suffixes.push(`dtype=torch.${dtype}`);
    data = formatData(tensor, prefix.length);
  }
  if (suffix.gradFn !== undefined) suffixes.push(`grad_fn=<${suffix.gradFn}>`);
  else if (suffix.requiresGrad) suffixes.push('requires_grad=True');
  if (suffix.tangent !== undefined) suffixes.push(`tangent=${suffix.tangent}`);
  return appendSuffixes(prefix + data, suffixes, prefix.length);
}

/** Appends each suffix to the last line where it fits, else to a line of its own. */
function appendSuffixes(text: string, suffixes: readonly string[], indent: number): string {
  // PyTorch counts the line two columns longer than it is.
  let column = text.length - text.lastIndexOf('\n') + 1;
  for (const suffix of suffixes) {
    if (column + suffix.length + 2 > settings.linewidth) {
      text += `,\n${' '.repeat(indent)}${suffix}`;
      column = indent + suffix.length;
    } else {
      text += `, ${suffix}`;
      column += suffix.length + 2;
    }
  }
  return `${text})`;
}

/** The elements between their brackets, which begin after `indent` columns. */
function formatData(tensor: Printable, indent: number): string {
  const { dtype, shape, strides, offset } = tensor;
  const { threshold, edgeitems, linewidth } = settings;
  const rank = shape.length;
  const summarised = shape.reduce((count, size) => count * size, 1) > threshold;
  if (summarised && edgeitems === 0 && rank > 0) return '[...]';

  const elided = shape.map((size) => summarised && size > 2 * edgeitems);
  const shown = shape.map((size, dim) =>
    elided[dim]
      ? Array.from({ length: 2 * edgeitems }, (_, i) => (i < edgeitems ? i : size - 2 * edgeitems + i))
      : Array.from({ length: size }, (_, i) => i),
  );

  const elements: PrintableElement[] = [];
  const read = (dim: number, position: number): void => {
    if (dim === rank) elements.push(tensor.at(position));
    else for (const index of shown[dim]) read(dim + 1, position + index * strides[dim]);
  };
  read(0, offset);

  const { cells, width } = formatElements(dtype, elements);
  const cellsPerLine = Math.max(1, Math.floor((linewidth - indent - (rank - 1)) / (width + 2)));
  let next = 0;
  const lay = (dim: number): string => {
    if (dim === rank) return cells[next++];
    const innermost = dim === rank - 1;
    const items = shown[dim].map(() => lay(dim + 1));
    if (elided[dim]) items.splice(edgeitems, 0, innermost ? ' ...' : '...');
    const lines = innermost ? joinGroups(items, cellsPerLine) : items;
    const lineBreak = '\n'.repeat(Math.max(1, rank - 1 - dim));
    return `[${lines.join(`,${lineBreak}${' '.repeat(indent + dim + 1)}`)}]`;
  };
  return lay(0);
}

/** Joins each `size` successive items to a line. */
function joinGroups(items: readonly string[], size: number): string[] {
  const lines: string[] = [];
  for (let start = 0; start < items.length; start += size) lines.push(items.slice(start, start + size).join(', '));
  return lines;
}

/** Printed elements, and the width that PyTorch reckons for each: nan and inf may be wider, they do not count. */
interface Cells {
  cells: string[];
  width: number;
}

function formatElements(dtype: string, elements: readonly PrintableElement[]): Cells {
  if (dtype.startsWith('complex')) return formatComplex(elements as readonly (readonly [number, number])[]);
  if (/^b?float/.test(dtype)) return formatFloats(elements as readonly number[]);
  const texts = elements.map((value) => (dtype === 'bool' ? (value ? 'True' : 'False') : String(value)));
  return pad(texts, longest(texts));
}

function formatComplex(elements: readonly (readonly [re: number, im: number])[]): Cells {
  const re = formatFloats(elements.map((element) => element[0]));
  const im = formatFloats(elements.map((element) => element[1]));
  const cells = im.cells.map((cell, i) => {
    const imaginary = cell.trimStart();
    return `${re.cells[i]}${imaginary.startsWith('-') ? '' : '+'}${imaginary}j`;
  });
  return { cells, width: re.width + im.width + 1 };
}

/** All values share one notation, which those that are finite and not zero decide on. */
function formatFloats(values: readonly number[]): Cells {
  const { precision, sciMode } = settings;
  const decisive = values.filter((value) => Number.isFinite(value) && value !== 0);
  let smallest = Number.POSITIVE_INFINITY;
  let largest = 0;
  for (const value of decisive) {
    smallest = Math.min(smallest, Math.abs(value));
    largest = Math.max(largest, Math.abs(value));
  }
  const wide = largest / smallest > 1000 || largest > 1e8 || smallest < 1e-4;
  let write = (value: number): string => fixed(value, precision);
  if (decisive.length > 0 && (sciMode ?? wide)) write = (value) => scientific(value, precision);
  else if (decisive.every(Number.isInteger)) write = (value) => `${fixed(value, 0)}.`;
  const texts = values.map((value) => (Number.isFinite(value) ? write(value) : nonFinite(value)));
  return pad(texts, longest(decisive.map(write)));
}

const nonFinite = (value: number): string => (Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf');

const longest = (texts: readonly string[]): number => texts.reduce((width, text) => Math.max(width, text.length), 1);

const pad = (texts: readonly string[], width: number): Cells => ({
  cells: texts.map((text) => text.padStart(width)),
  width,
});

/** Python's `f'{value:.{places}f}'`. */
function fixed(value: number, places: number): string {
  const magnitude = Math.abs(value);
  // From 1e21 on toFixed turns to exponents, but there is no fraction any more.
  if (magnitude >= 1e21) return sign(value) + BigInt(magnitude) + (places > 0 ? `.${'0'.repeat(places)}` : '');
  return sign(value) + tieToEven(magnitude.toFixed(places), magnitude, places);
}

/** Python's `f'{value:.{places}e}'`. */
function scientific(value: number, places: number): string {
  const magnitude = Math.abs(value);
  const [mantissa, exponent] = magnitude.toExponential(places).split('e');
  const digits = tieToEven(mantissa, magnitude, places - Number(exponent));
  return `${sign(value)}${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
}

const sign = (value: number): string => (value < 0 || Object.is(value, -0) ? '-' : '');

/**
 * JavaScript and Python both round the exact binary value, but JavaScript rounds a tie up and Python to the even digit.
 * So after a tie an odd last digit, which is never 0, should have been one less.
 */
function tieToEven(digits: string, magnitude: number, places: number): string {
  const last = Number(digits.at(-1));
  return last % 2 === 1 && isTie(magnitude, places) ? digits.slice(0, -1) + (last - 1) : digits;
}

/** Whether `magnitude`, exactly, lies halfway between two multiples of `10 ** -places`. */
function isTie(magnitude: number, places: number): boolean {
  // magnitude = m * 2**e with m odd is an odd number of halves of 10**-places when m * 5**places * 2**(e + places + 1) is odd:
  // for places >= 0 the power of two alone decides, and scaling by it is exact.
  if (places >= 0) return (magnitude * 2 ** (places + 1)) % 2 === 1;
  const unit = 10n ** BigInt(-places);
  return Number.isInteger(magnitude) && 2n * (BigInt(magnitude) % unit) === unit;
}
