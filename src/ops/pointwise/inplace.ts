/**
 * The in-place forms of pointwise functions. Each is named for the function whose result it writes over its first argument, with a
 * trailing underscore, takes the same arguments and returns the first.
 *
 * @throws if that argument is a leaf that requires grad while the graph is recorded, if it is smaller than what the operands broadcast to,
 * or if its dtype cannot hold the result
 */
import * as p from './pointwise.ts';
import { inPlace } from './pointwise-operator.ts';

export const neg_ = inPlace(p.neg);
export const abs_ = inPlace(p.abs);
export const sign_ = inPlace(p.sign);
export const sgn_ = inPlace(p.sgn);
export const sinc_ = inPlace(p.sinc);
export const deg2rad_ = inPlace(p.deg2rad);
export const rad2deg_ = inPlace(p.rad2deg);
export const square_ = inPlace(p.square);
export const reciprocal_ = inPlace(p.reciprocal);
export const sqrt_ = inPlace(p.sqrt);
export const rsqrt_ = inPlace(p.rsqrt);
export const exp_ = inPlace(p.exp);
export const exp2_ = inPlace(p.exp2);
export const expm1_ = inPlace(p.expm1);
export const log_ = inPlace(p.log);
export const log2_ = inPlace(p.log2);
export const log10_ = inPlace(p.log10);
export const log1p_ = inPlace(p.log1p);
export const sin_ = inPlace(p.sin);
export const cos_ = inPlace(p.cos);
export const tan_ = inPlace(p.tan);
export const asin_ = inPlace(p.asin);
export const acos_ = inPlace(p.acos);
export const atan_ = inPlace(p.atan);
export const sinh_ = inPlace(p.sinh);
export const cosh_ = inPlace(p.cosh);
export const tanh_ = inPlace(p.tanh);
export const asinh_ = inPlace(p.asinh);
export const acosh_ = inPlace(p.acosh);
export const atanh_ = inPlace(p.atanh);
export const erf_ = inPlace(p.erf);
export const erfc_ = inPlace(p.erfc);
export const sigmoid_ = inPlace(p.sigmoid);
export const relu_ = inPlace(p.relu);
export const floor_ = inPlace(p.floor);
export const ceil_ = inPlace(p.ceil);
export const trunc_ = inPlace(p.trunc);
export const frac_ = inPlace(p.frac);
export const round_ = inPlace(p.round);
export const logit_ = inPlace(p.logit);
export const nanToNum_ = inPlace(p.nanToNum);
export const add_ = inPlace(p.add);
export const sub_ = inPlace(p.sub);
export const mul_ = inPlace(p.mul);
export const div_ = inPlace(p.div);
export const trueDivide_ = inPlace(p.trueDivide);
export const floorDivide_ = inPlace(p.floorDivide);
export const fmod_ = inPlace(p.fmod);
export const remainder_ = inPlace(p.remainder);
export const pow_ = inPlace(p.pow);
export const xlogy_ = inPlace(p.xlogy);
export const copysign_ = inPlace(p.copysign);
export const ldexp_ = inPlace(p.ldexp);
export const heaviside_ = inPlace(p.heaviside);
export const atan2_ = inPlace(p.atan2);
export const hypot_ = inPlace(p.hypot);
export const lerp_ = inPlace(p.lerp);
export const addcmul_ = inPlace(p.addcmul);
export const addcdiv_ = inPlace(p.addcdiv);
export const clamp_ = inPlace(p.clamp);
export const clampMin_ = inPlace(p.clampMin);
export const clampMax_ = inPlace(p.clampMax);
export const maskedFill_ = inPlace(p.maskedFill);
export const logicalAnd_ = inPlace(p.logicalAnd);
export const logicalOr_ = inPlace(p.logicalOr);
export const logicalXor_ = inPlace(p.logicalXor);
export const logicalNot_ = inPlace(p.logicalNot);
export const bitwiseAnd_ = inPlace(p.bitwiseAnd);
export const bitwiseOr_ = inPlace(p.bitwiseOr);
export const bitwiseXor_ = inPlace(p.bitwiseXor);
export const bitwiseNot_ = inPlace(p.bitwiseNot);
