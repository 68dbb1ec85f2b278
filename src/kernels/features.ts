import { drop, encodeModule, FunctionBuilder, f32x4, v128 } from './wasm.ts';

const builder = new FunctionBuilder([]);

/** Whether the engine has relaxed SIMD, whose fused multiply-add we use (Node 22 and later, current browsers). */
export const relaxedSimd: boolean = WebAssembly.validate(
  encodeModule(builder, drop(f32x4.relaxedMadd(v128.zero, v128.zero, v128.zero)), []),
);
