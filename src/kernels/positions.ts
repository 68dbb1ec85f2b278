/**
 * Kernels that turn indices into positions: for each element of a grid, where the grid alone would lead plus index * stride.
 *
 * Descriptor, in 32-bit words: the length of the inner loop; the number of outer dimensions; the address of the positions, which are int32,
 * dense and in row-major order; the size that indices have to stay below; the stride; what is added to negative indices; the
 * number of the first element whose index is out of bounds, to be -1 before; the address of the indices and their inner stride in bytes;
 * the inner stride of the grid in elements; then for each outer dimension, outermost first: its size, the stride of the
 * indices in bytes and that of the grid in elements. A unit of work is one run of the inner loop.
 */
import { bytesOf, type ElementType } from './element.ts';
import { compile, type Kernel } from './module.ts';
import { seekRow } from './pointwise.ts';
import { type Code, concat, FunctionBuilder, forLoop, i32, i64, when } from './wasm.ts';

export const outOfBoundsWord = 6;
const headerWords = 10;

const loadIndex: { readonly [type in ElementType]?: (address: Code) => Code } = {
  int32: i32.load,
  int16: i32.load16s,
  int8: i32.load8s,
  uint8: i32.load8u,
};

/**
 * @param type of the indices
 * @param further whether the positions have been begun, and the grid is in them
 */
export function positionsKernel(type: ElementType, further: boolean): Kernel {
  const fn = new FunctionBuilder(['i32', 'i32', 'i32']);
  const [descriptor, begin, end] = fn.params;
  const wide = loadIndex[type] === undefined;
  const [inner, size, stride, wrap, step, gridStep] = Array.from({ length: 6 }, () => fn.local('i32'));
  const [row, i, index, grid, out] = Array.from({ length: 5 }, () => fn.local('i32'));
  const value = fn.local(wide ? 'i64' : 'i32');
  const word = (k: number): Code => i32.load(descriptor.get, 4 * k);

  const read = wide
    ? [
        ...value.set(i64.load(index.get)),
        ...value.set(i64.add(value.get, i64.and(i64.shrS(value.get, i64.const(63n)), i64.extendI32U(wrap.get)))),
      ]
    : [
        ...value.set((loadIndex[type] as (address: Code) => Code)(index.get)),
        ...value.set(i32.add(value.get, i32.and(i32.shrS(value.get, i32.const(31)), wrap.get))),
      ];
  const outside = wide
    ? i32.or(i64.ltS(value.get, i64.const(0n)), i64.geS(value.get, i64.extendI32U(size.get)))
    : i32.geU(value.get, size.get);
  const offset = i32.mul(wide ? i32.wrapI64(value.get) : value.get, stride.get);
  const noneYet = i32.ltS(word(outOfBoundsWord), i32.const(0));
  const number = i32.add(i32.mul(row.get, inner.get), i.get);

  return compile(
    fn,
    concat([
      ...[inner.set(word(0)), size.set(word(3)), stride.set(word(4)), wrap.set(word(5))],
      ...[step.set(word(8)), gridStep.set(word(9))],
      forLoop(row, begin.get, end.get, 1, [
        ...out.set(i32.add(word(2), i32.mul(i32.mul(row.get, inner.get), i32.const(bytesOf.int32)))),
        ...index.set(word(7)),
        ...grid.set(i32.const(0)),
        ...seekRow(fn, descriptor, row, headerWords, [index, grid]),
        ...forLoop(i, i32.const(0), inner.get, 1, [
          ...read,
          ...when(outside, when(noneYet, i32.store(descriptor.get, number, 4 * outOfBoundsWord))),
          ...i32.store(out.get, i32.add(further ? i32.load(out.get) : grid.get, offset)),
          ...out.add(bytesOf.int32),
          ...index.add(step.get),
          ...grid.add(gridStep.get),
        ]),
      ]),
    ]),
  );
}
