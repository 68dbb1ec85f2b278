/** The loops in which kernels walk through tensors: as few as their strides allow. */
import type { Shape } from '../../core/shape.ts';
import type { Mode } from '../../kernels/access.ts';

/** How an operand moves along the innermost loop, as a number to build the keys of kernels of. */
export const modes: readonly Mode[] = ['contiguous', 'splat', 'strided', 'parameter'];
const contiguous = 0;
const splat = 1;
const strided = 2;
export const parameter = 3;

/** How an operand of this stride, in elements, moves. */
export const modeOf = (stride: number): number => (stride === 1 ? contiguous : stride === 0 ? splat : strided);

/** Dimensions of a loop nest, outermost first, and the strides of each operand along them, in elements. */
export interface Loops {
  readonly sizes: number[];
  /** strides[k][d] */
  readonly strides: number[][];
}

/** Drops dimensions of size 1 and joins those that all operands walk through in one stride. */
export function foldLoops(shape: Shape, strides: readonly Shape[]): Loops {
  const sizes: number[] = [];
  const folded: number[][] = [];
  for (let k = 0; k < strides.length; k++) folded.push([]);
  for (let d = shape.length - 1; d >= 0; d--) {
    const size = shape[d];
    if (size === 1) continue;
    const outer = sizes.length - 1;
    if (outer >= 0 && continues(strides, folded, d, sizes[outer])) sizes[outer] *= size;
    else {
      sizes.push(size);
      for (let k = 0; k < strides.length; k++) folded[k].push(strides[k][d]);
    }
  }
  sizes.reverse();
  for (let k = 0; k < folded.length; k++) folded[k].reverse();
  return { sizes, strides: folded };
}

/** Whether a step along dimension `d` is for all operands one beyond the end of the loop that was folded last. */
function continues(strides: readonly Shape[], folded: readonly number[][], d: number, size: number): boolean {
  for (let k = 0; k < strides.length; k++) {
    const own = folded[k];
    if (strides[k][d] !== own[own.length - 1] * size) return false;
  }
  return true;
}
