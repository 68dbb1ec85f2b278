/**
 * Kernels that carry runs of elements between a dense array and given places of a table: out of the table, into it, or into it in
 * combination with what is there.
 *
 * Descriptor, in 32-bit words: the addresses of the table, of the positions and of the dense array, then the length of a run. The
 * positions are int32, one for each run, in elements of the table. A unit of work is one run. Runs go in order, so of several that
 * meet in one place of the table the last one counts; for this reason work into the table cannot be split.
 */
import { loadFour, loadOne, storeFour, storeOne } from './access.ts';
import { bytesOf, type ElementType } from './element.ts';
import * as s from './expr.ts';
import { Lowering } from './lower.ts';
import { compile, type Kernel } from './module.ts';
import {
  type Code,
  concat,
  copyBytes,
  FunctionBuilder,
  forLoop,
  i32,
  i64,
  type Local,
  v128,
  when,
  whileLoop,
} from './wasm.ts';

/** What becomes of an element of the table at which one of the dense array arrives. */
export type Combination = 'set' | 'add' | 'mul' | 'min' | 'max';

/** Out of the table into the dense array. `single` is for runs of one element. */
export const gatherKernel = (type: ElementType, single: boolean): Kernel =>
  runKernel((run) => copyRun(run, type, single, (table, dense) => [table, dense]));

/** Out of the dense array into the table. */
export const scatterKernel = (type: ElementType, how: Combination, single: boolean): Kernel =>
  runKernel((run) =>
    how === 'set' ? copyRun(run, type, single, (table, dense) => [dense, table]) : combineRun(run, type, how),
  );

/** What the code of one run works with: pointers to its first elements, which it may move, and its length. */
interface Run {
  readonly fn: FunctionBuilder;
  /** Where to put what is to be done once, before the runs. */
  readonly setup: Code[];
  readonly table: Local;
  readonly dense: Local;
  readonly length: Local;
  readonly left: Local;
}

interface RunCode {
  readonly bytes: number;
  readonly code: Code;
}

function runKernel(write: (run: Run) => RunCode): Kernel {
  const fn = new FunctionBuilder(['i32', 'i32', 'i32']);
  const [descriptor, begin, end] = fn.params;
  const [table, dense, length, left, k, position] = Array.from({ length: 6 }, () => fn.local('i32'));
  const setup: Code[] = [];
  const { bytes, code } = write({ fn, setup, table, dense, length, left });
  const word = (index: number): Code => i32.load(descriptor.get, 4 * index);
  return compile(
    fn,
    concat([
      length.set(word(3)),
      position.set(i32.add(word(1), i32.mul(begin.get, i32.const(4)))),
      dense.set(i32.add(word(2), i32.mul(i32.mul(begin.get, length.get), i32.const(bytes)))),
      concat(setup),
      forLoop(k, begin.get, end.get, 1, [
        ...table.set(i32.add(word(0), i32.mul(i32.load(position.get), i32.const(bytes)))),
        ...code,
        ...position.add(4),
      ]),
    ]),
  );
}

/** From so many bytes on, calling what the engine has for copying pays. */
const longRun = 512;

const copyOne: Record<number, (from: Code, to: Code) => Code> = {
  1: (from, to) => i32.store8(to, i32.load8u(from)),
  2: (from, to) => i32.store16(to, i32.load16s(from)),
  4: (from, to) => i32.store(to, i32.load(from)),
  8: (from, to) => i64.store(to, i64.load(from)),
};

function copyRun(
  { table, dense, length, left }: Run,
  type: ElementType,
  single: boolean,
  direction: (table: Code, dense: Code) => [from: Code, to: Code],
): RunCode {
  const bytes = bytesOf[type];
  const [from, to] = direction(table.get, dense.get);
  if (single) return { bytes, code: [...copyOne[bytes](from, to), ...dense.add(bytes)] };
  const step = (count: number): Code => [...table.add(count), ...dense.add(count), ...left.add(-count)];
  const code = [
    ...left.set(i32.mul(length.get, i32.const(bytes))),
    ...when(i32.geS(left.get, i32.const(longRun)), [
      ...copyBytes(to, from, left.get),
      ...dense.add(left.get),
      ...left.set(i32.const(0)),
    ]),
    ...whileLoop(i32.geS(left.get, i32.const(16)), [...v128.store(to, v128.load(from)), ...step(16)]),
    ...whileLoop(left.get, [...copyOne[bytes](from, to), ...step(bytes)]),
  ];
  return { bytes, code };
}

const combinations = { add: s.add, mul: s.mul, min: s.min, max: s.max };

function combineRun(
  { fn, setup, table, dense, length, left }: Run,
  type: ElementType,
  how: keyof typeof combinations,
): RunCode {
  const bytes = bytesOf[type];
  const lowering = new Lowering(fn, []);
  const value = combinations[how](s.input(0), s.input(1));
  const group = (count: 4 | 1): Code => {
    const load = count === 4 ? loadFour : loadOne;
    lowering.begin([]);
    const inputs = [table, dense].map((pointer) => load(lowering, type, pointer.get));
    const loads = lowering.body;
    lowering.begin(inputs);
    const result = lowering.value(value, type);
    (count === 4 ? storeFour : storeOne)(lowering, table.get, result);
    const step = [table.add(bytes * count), dense.add(bytes * count), left.add(-count)];
    return concat([...loads, ...lowering.body, ...step]);
  };
  const code = [
    ...left.set(length.get),
    ...whileLoop(i32.geS(left.get, i32.const(4)), group(4)),
    ...whileLoop(left.get, group(1)),
  ];
  setup.push(...lowering.prologue);
  return { bytes, code };
}
