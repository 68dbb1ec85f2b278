/** What the kernels of products are written with: the arithmetic of each element type, and a few phrases. */
import { relaxedSimd } from './features.ts';
import { type Code, FunctionBuilder, f32, f32x4, f64, f64x2, i32, i32x4, i64, i64x2, select, v128 } from './wasm.ts';

/** The element types that products are computed in. */
export type ProductType = 'float32' | 'float64' | 'int32' | 'int64';

/** What product kernels need to know of an element type. */
export interface Arithmetic {
  readonly bytes: 4 | 8;
  /** Elements in a vector. */
  readonly lanes: 4 | 2;
  readonly loadSplat: (address: Code) => Code;
  readonly add: Binary;
  /** a * b + c */
  readonly multiplyAdd: (a: Code, b: Code, c: Code) => Code;
  readonly extractLane: (vector: Code, lane: number) => Code;
  readonly scalarType: 'f32' | 'f64' | 'i32' | 'i64';
  readonly scalar: {
    readonly load: (address: Code, offset?: number) => Code;
    readonly store: (address: Code, value: Code, offset?: number) => Code;
    readonly add: Binary;
    readonly mul: Binary;
  };
}

type Binary = (a: Code, b: Code) => Code;

const twoSteps = (shape: { add: Binary; mul: Binary }) => ({
  multiplyAdd: (a: Code, b: Code, c: Code): Code => shape.add(c, shape.mul(a, b)),
});
const fused = (shape: { add: Binary; mul: Binary; relaxedMadd: Arithmetic['multiplyAdd'] }) =>
  relaxedSimd ? { multiplyAdd: shape.relaxedMadd } : twoSteps(shape);
const narrow = { bytes: 4, lanes: 4, loadSplat: v128.load32Splat } as const;
const wide = { bytes: 8, lanes: 2, loadSplat: v128.load64Splat } as const;

export const arithmetic: Record<ProductType, Arithmetic> = {
  float32: { ...narrow, ...f32x4, ...fused(f32x4), scalarType: 'f32', scalar: f32 },
  float64: { ...wide, ...f64x2, ...fused(f64x2), scalarType: 'f64', scalar: f64 },
  int32: { ...narrow, ...i32x4, ...twoSteps(i32x4), scalarType: 'i32', scalar: i32 },
  int64: { ...wide, ...i64x2, ...twoSteps(i64x2), scalarType: 'i64', scalar: i64 },
};

/** A function of so many numbers of 32 bits. */
export const parameters = (count: number): FunctionBuilder => new FunctionBuilder(new Array<'i32'>(count).fill('i32'));

export const times = (a: Code, b: Code | number): Code => i32.mul(a, typeof b === 'number' ? i32.const(b) : b);
/** The lesser of two sizes. */
export const least = (a: Code, b: Code): Code => select(i32.ltS(a, b), a, b);
