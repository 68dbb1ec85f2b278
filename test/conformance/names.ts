/** Finds PyTorch's operators here, by the rules of the public API. */
import * as adjoint from '../../src/index.ts';

/** Calls an operator as PyTorch's samples do: with the positional arguments, then those by name. */
export type Call = (args: readonly unknown[], kwargs: { readonly [name: string]: unknown }) => unknown;

type Function = (...args: unknown[]) => unknown;

/** `log_softmax` is `logSoftmax`; a leading or trailing underscore stays. */
export const camelCase = (name: string): string =>
  name.replace(/(?<=[^_])_+([^_])/g, (_, letter: string) => letter.toUpperCase());

/** Python's operators with the tensor on the right. */
const reflected: { readonly [name: string]: string } = {
  __radd__: 'add',
  __rsub__: 'sub',
  __rmul__: 'mul',
  __rdiv__: 'div',
  __rmod__: 'remainder',
  __rpow__: 'pow',
  __rmatmul__: 'matmul',
  __rand__: 'bitwiseAnd',
  __ror__: 'bitwiseOr',
  __rxor__: 'bitwiseXor',
};

/** The function or method that a dotted name of PyTorch's stands for, if there is one. */
function lookUp(name: string): Function | undefined {
  const path = name.split('.').map(camelCase);
  const last = path.pop() as string;
  let namespace: unknown = adjoint;
  for (const part of path) namespace = (namespace as { [name: string]: unknown } | undefined)?.[part];
  const found = (namespace as { [name: string]: unknown } | undefined)?.[last];
  if (typeof found === 'function') return found as Function;
  if (path.length > 0) return undefined;
  const member = Object.getOwnPropertyDescriptor(adjoint.Tensor.prototype, last);
  if (typeof member?.value === 'function') return (x, ...rest) => (member.value as Function).apply(x, rest);
  return member?.get && ((x) => member.get?.call(x));
}

/** How to call an operator of PyTorch's here, or undefined if it is missing. */
export function resolve(name: string): Call | undefined {
  if (name === '__getitem__') {
    const index = lookUp('index');
    return index && (([x, items]) => index(x, ...(items as unknown[])));
  }
  const operator = lookUp(reflected[name] ?? name);
  if (!operator) return undefined;
  if (name in reflected) return ([x, other]) => operator(other, x);
  return (args, kwargs) => {
    const named = Object.entries(kwargs).map(([key, value]) => [camelCase(key), value]);
    return named.length > 0 ? operator(...args, Object.fromEntries(named)) : operator(...args);
  };
}
