/** A number as Python prints a float: 1 as 1.0, 0.00001 as 1e-05. */
export function pythonFloat(x: number): string {
  if (Number.isNaN(x)) return 'nan';
  if (!Number.isFinite(x)) return x > 0 ? 'inf' : '-inf';
  const size = Math.abs(x);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    const [digits, exponent] = x.toExponential().split('e');
    return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
  }
  return Number.isInteger(x) ? `${x}.0` : String(x);
}

/** An array as Python prints a tuple. */
export const pythonTuple = (list: readonly number[]): string =>
  list.length === 1 ? `(${list[0]},)` : `(${list.join(', ')})`;

/** A boolean as Python prints it. */
export const pythonBool = (value: boolean): string => (value ? 'True' : 'False');
