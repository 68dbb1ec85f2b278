import { AdjointError, show } from '../errors.ts';

/** Whether a value is an options object, rather than a tensor, an array or anything with a class of its own. */
export const isOptions = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/** Throws if `options` is no plain object or has a key that is not `known`. */
export function checkOptions(call: string, options: object, known: readonly string[]): void {
  if (!isOptions(options))
    throw new AdjointError('argument', `${call}: options must be a plain object, got ${show(options)}`);
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new AdjointError(
        'argument',
        `${call}: unknown option ${show(key)}; known are ${known.map(show).join(', ')}`,
      );
    }
  }
}
