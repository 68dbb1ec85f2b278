/** What becomes of the figures: comparisons, the table, the chart. */

/** What a library did in a row: seconds per step (or per node) or bytes, one for each round; or why there are none. */
export type Outcome = Figures | { lacks: string } | { error: string };
export interface Figures {
  values: number[];
  median: number;
  minimum: number;
  /** What is compared of the results, of rows that are timed. */
  checks?: number[];
  /** How many cores the library kept busy meanwhile. */
  cores?: number;
  /** What a reader should know. */
  note?: string;
}

export interface Result {
  row: string;
  unit: 'seconds' | 'bytes';
  /** Which library, by its key, the others are compared with. */
  subject: string;
  outcomes: Record<string, Outcome>;
}

export interface Report {
  date: string;
  host: Record<string, string | number>;
  threads: number;
  /** How many cores were kept busy by other programs while times were taken. */
  disturbance: number;
  libraries: Record<string, { name: string; about: Record<string, unknown> }>;
  results: Result[];
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** An outcome of measurements. */
export function measured(values: number[], more: Pick<Figures, 'checks' | 'cores' | 'note'> = {}): Figures {
  return { values, median: median(values), minimum: Math.min(...values), ...more };
}

/**
 * What the subject of a row takes as a multiple of what a peer takes. By medians, that is the median, over the rounds, of the quotient within
 * each round, in which both met the same load on the machine.
 */
export function ratio(result: Result, peer: string, by: 'median' | 'minimum'): number | null {
  const [own, other] = [result.outcomes[result.subject], result.outcomes[peer]];
  if (!own || !other || !('values' in own) || !('values' in other)) return null;
  if (by === 'minimum') return own.minimum / other.minimum;
  const rounds = Math.min(own.values.length, other.values.length);
  return median(Array.from({ length: rounds }, (_, i) => own.values[i] / other.values[i]));
}

/** By how much check values differ at most, relatively; what is next to zero is the same as zero. */
export function difference(own: readonly number[], other: readonly number[]): number {
  const differences = own.slice(0, other.length).map((a, i) => {
    const [b, scale] = [other[i], Math.max(Math.abs(a), Math.abs(other[i]))];
    return Math.abs(a - b) <= 1e-7 ? 0 : Math.abs(a - b) / scale;
  });
  return differences.some(Number.isNaN) ? Infinity : Math.max(0, ...differences);
}

/** Three digits, and a unit: 12.3 us. */
export function show(value: number, unit: Result['unit']): string {
  const units: [number, string][] =
    unit === 'bytes'
      ? [
          [1e9, 'GB'],
          [1e6, 'MB'],
          [1e3, 'kB'],
          [1, 'B'],
        ]
      : [
          [1, 's'],
          [1e-3, 'ms'],
          [1e-6, 'us'],
          [1e-9, 'ns'],
        ];
  const [size, name] = units.find(([size]) => value >= size) ?? units[units.length - 1];
  return `${digits(value / size)} ${name}`;
}

/** Three digits; fewer of small values. */
export function digits(value: number): string {
  if (value >= 99.95) return String(Number(value.toPrecision(3)));
  if (value < 0.01) return String(Number(value.toPrecision(1)));
  return value.toFixed(value >= 9.995 ? 1 : value >= 0.1 ? 2 : 3);
}

function cell(result: Result, key: string, by: 'median' | 'minimum'): string {
  const outcome = result.outcomes[key];
  if (!outcome) return '';
  if ('lacks' in outcome) return '-';
  if ('error' in outcome) return 'failed';
  const absolute = `${show(outcome[by], result.unit)}${outcome.note ? '*' : ''}`;
  const times = key === result.subject ? null : ratio(result, key, by);
  return times === null ? absolute : `${digits(times)}  (${absolute})`;
}

/** The peers of a report, in the order of its libraries. */
const peersOf = (report: Report): string[] =>
  Object.keys(report.libraries).filter((key) => report.results.some((r) => r.subject !== key && key in r.outcomes));

/** The table of ratios, with the absolute figures in brackets. */
export function table(report: Report, by: 'median' | 'minimum'): string {
  const peers = peersOf(report);
  const lines = [
    ['', 'Adjoint', ...peers.map((key) => report.libraries[key].name)],
    ...report.results.map((result) => [result.row, ...[result.subject, ...peers].map((key) => cell(result, key, by))]),
  ];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const aligned = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]);
  return lines.map((line) => line.map(aligned).join('  ').trimEnd()).join('\n');
}

/** What there is to say about single cells of the table: a line for each, and an empty one. */
export function remarks({ libraries, results }: Report): string {
  const lines = results.flatMap(({ row, outcomes }) =>
    Object.entries(outcomes).flatMap(([key, outcome]) => {
      const { name } = libraries[key];
      if ('lacks' in outcome) return `- ${row}, ${name}: ${outcome.lacks}\n`;
      if ('error' in outcome) return `failed ${row}, ${name}: ${outcome.error.trim().split('\n')[0]}\n`;
      return outcome.note ? `* ${row}, ${name}: ${outcome.note}\n` : [];
    }),
  );
  return lines.length > 0 ? `${lines.join('')}\n` : '';
}

/** Colours that stand out from a light and from a dark background. */
const palette = ['#e4572e', '#4c8bf5', '#2a9d6f', '#8fbf3f', '#a26bd4', '#c99a1b'];
const ink = '#7b828c';

/**
 * For each row, how long each peer takes as a multiple of what Adjoint takes, on a logarithmic axis. To the right of the line at 1
 * Adjoint is ahead.
 */
export function chart(report: Report): string {
  const peers = peersOf(report);
  const rows = report.results
    .map((result) => ({
      name: result.row,
      points: peers.flatMap((key, i) => {
        const times = ratio(result, key, 'median');
        return times === null
          ? []
          : [{ times: 1 / times, colour: palette[i % palette.length], name: report.libraries[key].name }];
      }),
    }))
    .filter(({ points }) => points.length > 0);
  const all = rows.flatMap(({ points }) => points.map(({ times }) => times));
  const low = Math.floor(Math.log10(Math.min(1 / 2, ...all)));
  const high = Math.ceil(Math.log10(Math.max(2, ...all)));
  const [left, right, top, step, width] = [190, 24, 78, 22, 860];
  const height = top + rows.length * step + 40;
  const x = (times: number) => round(left + ((Math.log10(times) - low) / (high - low)) * (width - left - right));
  const bottom = top + rows.length * step;

  const parts: string[] = [];
  const text = (at: number, y: number, what: string, more = '') =>
    parts.push(`<text x="${round(at)}" y="${round(y)}" ${more}>${escaped(what)}</text>`);
  const line = (x1: number, y1: number, x2: number, y2: number, more: string) =>
    parts.push(`<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" ${more}/>`);

  text(left, 22, 'How much longer than Adjoint, or how much more memory', 'font-size="15" font-weight="600"');
  let at = left;
  for (const [i, key] of peers.entries()) {
    const { name } = report.libraries[key];
    parts.push(`<circle cx="${at + 5}" cy="42" r="5" fill="${palette[i % palette.length]}"/>`);
    text(at + 15, 46, name);
    at += 36 + name.length * 6.6;
  }
  for (let power = low; power <= high; power++) {
    const label = power >= 0 ? `${10 ** power}` : `1/${10 ** -power}`;
    line(
      x(10 ** power),
      top - 8,
      x(10 ** power),
      bottom,
      `stroke="${ink}" stroke-opacity="${power === 0 ? 0.9 : 0.25}"`,
    );
    for (const y of [top - 12, bottom + 16]) text(x(10 ** power), y, `${label}×`, 'text-anchor="middle"');
  }
  text(x(1) - 8, bottom + 34, 'Adjoint is slower', 'text-anchor="end" font-style="italic"');
  text(x(1) + 8, bottom + 34, 'Adjoint is faster', 'font-style="italic"');
  for (const [i, { name, points }] of rows.entries()) {
    const y = top + (i + 0.5) * step;
    if (i % 2 === 0)
      parts.push(
        `<rect x="0" y="${y - step / 2}" width="${width}" height="${step}" fill="${ink}" fill-opacity="0.08"/>`,
      );
    text(left - 14, y + 4, name, 'text-anchor="end"');
    const ends = [1, ...points.map(({ times }) => times)];
    line(x(Math.min(...ends)), y, x(Math.max(...ends)), y, `stroke="${ink}" stroke-opacity="0.5" stroke-width="2"`);
    for (const { times, colour, name: peer } of points.toReversed()) {
      parts.push(
        `<circle cx="${x(times)}" cy="${y}" r="5" fill="${colour}"><title>${escaped(`${name}, ${peer}: ${digits(times)}×`)}</title></circle>`,
      );
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="${ink}">
${parts.join('\n')}
</svg>
`;
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const round = (value: number): number => Math.round(value * 10) / 10;
