/**
 * Kernels that compute a scalar expression for every element of broadcast, strided operands.
 *
 * Descriptor, in 32-bit words: the length of the inner loop; the number of outer dimensions; for each operand and then the result, two
 * words: its address and its inner stride in bytes, or for a parameter the number itself as a float64; then for each outer
 * dimension, outermost first: its size, then the stride of each operand and of the result, in bytes. A unit of work is one run of the inner loop.
 */
import {
  loadFour,
  loadOne,
  loadParameter,
  loadStrided,
  type Operand,
  storeFour,
  storeOne,
  storeStrided,
} from './access.ts';
import { bytesOf, type ElementType } from './element.ts';
import type { Expr } from './expr.ts';
import { type Lanes, Lowering } from './lower.ts';
import { compile, type Kernel } from './module.ts';
import {
  type Code,
  concat,
  FunctionBuilder,
  forLoop,
  type HostFunction,
  i32,
  type Local,
  when,
  whileLoop,
} from './wasm.ts';

export const headerWords = 2;
export const operandWords = 2;

/**
 * @param e what to compute
 * @param type the dtype in which the expression's numbers are computed
 * @param operands one for each input of the expression
 * @param result the type to which the value is converted for storing
 */
export function pointwiseKernel(e: Expr, type: ElementType, operands: readonly Operand[], result: Operand): Kernel {
  const fn = new FunctionBuilder(['i32', 'i32', 'i32']);
  const [descriptor, begin, end] = fn.params;
  const imports: HostFunction[] = [];
  const lowering = new Lowering(fn, imports);
  const all = [...operands, result];
  const wordAddress = (k: number): Code => i32.add(descriptor.get, i32.const(4 * (headerWords + operandWords * k)));
  const field = (k: number, word: number): Code =>
    i32.load(descriptor.get, 4 * (headerWords + operandWords * k + word));

  const inner = fn.local('i32');
  const left = fn.local('i32');
  const row = fn.local('i32');
  const pointers = all.map((o) => (o.mode === 'parameter' ? undefined : fn.local('i32')));
  const strides = all.map((o) => (o.mode === 'strided' ? fn.local('i32') : undefined));
  const setup: Code[] = [inner.set(i32.load(descriptor.get))];
  for (const [k, stride] of strides.entries()) if (stride) setup.push(stride.set(field(k, 1)));

  // What does not move along the inner loop is loaded before it.
  lowering.begin([]);
  const parameters = operands.map((o, k) =>
    o.mode === 'parameter' ? loadParameter(lowering, o.type, wordAddress(k)) : undefined,
  );
  setup.push(...lowering.body);
  lowering.begin([]);
  const splats = operands.map((o, k) =>
    o.mode === 'splat' ? loadOne(lowering, o.type, (pointers[k] as Local).get) : undefined,
  );
  const beforeInner = lowering.body;

  const step = (k: number, count: number): Code => {
    const pointer = pointers[k];
    if (!pointer || all[k].mode === 'splat') return [];
    const stride = strides[k];
    return pointer.add(stride ? i32.mul(stride.get, i32.const(count)) : bytesOf[all[k].type] * count);
  };
  /** The next `count` elements. Eight are two fours side by side: all loads, then all arithmetic, then all stores (see host/wide.ts). */
  const group = (count: 8 | 4 | 1): Code => {
    const fours = count === 8 ? [0, 4] : [0];
    lowering.begin([]);
    const inputs = fours.map((first) =>
      operands.map((o, k): Lanes => {
        const ready = parameters[k] ?? splats[k];
        if (ready) return ready;
        const address = (pointers[k] as Local).get;
        if (count === 1) return loadOne(lowering, o.type, address);
        return o.mode === 'strided'
          ? loadStrided(lowering, o.type, address, (strides[k] as Local).get)
          : loadFour(lowering, o.type, address, first * bytesOf[o.type]);
      }),
    );
    const code = lowering.body;
    const values = inputs.map((own) => {
      lowering.begin(own);
      const value = lowering.convert(lowering.value(e, type), result.type);
      code.push(...lowering.body);
      return value;
    });
    lowering.begin([]);
    for (const first of fours.toReversed()) {
      const value = values[first / 4];
      const address = (pointers[operands.length] as Local).get;
      if (count === 1) storeOne(lowering, address, value);
      else if (result.mode === 'strided')
        storeStrided(lowering, address, (strides[operands.length] as Local).get, value);
      else storeFour(lowering, address, value, first * bytesOf[result.type]);
    }
    return concat([...code, ...lowering.body, ...all.map((_, k) => step(k, count))]);
  };
  /** Groups of so many elements as long as there are enough left. */
  const groups = (count: 8 | 4 | 1): Code =>
    whileLoop(i32.geS(left.get, i32.const(count)), [...group(count), ...left.add(-count)]);
  const few = [...groups(4), ...groups(1)];
  // Four elements of 64 bits are a pair of vectors already, and what is loaded, stored or converted between widths in part does not pair.
  const pairs =
    all.every((o) => o.mode === 'parameter' || (o.mode !== 'strided' && bytesOf[o.type] === 4)) &&
    !lowering.changesWidth;
  const along = [...(pairs ? groups(8) : []), ...few];

  const body: Code[] = [
    concat(setup),
    concat(lowering.prologue),
    forLoop(row, begin.get, end.get, 1, [
      ...concat(pointers.map((p, k) => p?.set(field(k, 0)) ?? [])),
      ...seekRow(fn, descriptor, row, headerWords + operandWords * all.length, pointers),
      ...concat(beforeInner),
      ...left.set(inner.get),
      ...along,
    ]),
  ];
  return compile(fn, concat(body), imports);
}

/**
 * Moves pointers to row number `row` of the outer dimensions, whose sizes and strides stand at word `first` of the descriptor (their
 * number is the descriptor's word 1).
 */
export function seekRow(
  fn: FunctionBuilder,
  descriptor: Local,
  row: Local,
  first: number,
  pointers: readonly (Local | undefined)[],
): Code {
  const words = 1 + pointers.length;
  const dims = fn.local('i32');
  const entry = fn.local('i32');
  const rest = fn.local('i32');
  const index = fn.local('i32');
  const move = (steps: Code): Code =>
    concat(pointers.map((p, k) => p?.add(i32.mul(steps, i32.load(entry.get, 4 * (1 + k)))) ?? []));
  return [
    ...dims.set(i32.load(descriptor.get, 4)),
    ...when(dims.get, [
      ...rest.set(row.get),
      // from the innermost of the outer dimensions outward; the outermost takes what is left, without a division
      ...entry.set(
        i32.add(descriptor.get, i32.add(i32.mul(dims.get, i32.const(4 * words)), i32.const(4 * (first - words)))),
      ),
      ...whileLoop(i32.gtS(dims.get, i32.const(1)), [
        ...index.set(i32.remU(rest.get, i32.load(entry.get))),
        ...rest.set(i32.divU(rest.get, i32.load(entry.get))),
        ...move(index.get),
        ...entry.add(-4 * words),
        ...dims.add(-1),
      ]),
      ...move(rest.get),
    ]),
  ];
}
