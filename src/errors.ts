/** What went wrong, for programs to branch on; the message is for people and may be reworded, the code never is. */
export type ErrorCode =
  | 'argument' // a value of the wrong kind, an unknown option, a size that is no size
  | 'shape' // shapes that do not fit each other or the operation
  | 'dtype' // a dtype that the operation does not take, or operands that may not be mixed
  | 'index' // an index or a dimension out of range
  | 'memory' // more memory asked for than there is
  | 'autograd' // the graph cannot be differentiated as asked
  | 'inplace' // a write that would invalidate a gradient
  | 'unsupported'; // known to PyTorch, not here yet

/** Base class of every error that Adjoint throws. A call that throws has changed nothing. */
export class AdjointError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.name = 'AdjointError';
    this.code = code;
  }
}

/** A short text of any value for an error message. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return value.name ? `function ${value.name}` : 'a function';
  if (Array.isArray(value)) {
    return value.length <= 8 ? `[${value.map(show).join(', ')}]` : `an array of ${value.length} elements`;
  }
  if (typeof value === 'object' && value !== null) {
    // the tag first: a bundler may have renamed the class
    const name = (value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] ?? value.constructor?.name;
    return name && name !== 'Object' ? `a ${name}` : `{ ${Object.keys(value).join(', ')} }`;
  }
  return String(value);
}
