/**
 * The in-place forms of pointwise functions. Each is named for the function whose result it writes over its first argument, with a
 * trailing underscore, takes the same arguments and returns the first.
 *
 * @throws if that argument is a leaf that requires grad while the graph is recorded, if it is smaller than what the operands broadcast to,
 * or if its dtype cannot hold the result
 */
import * as p from './pointwise.ts';
import { inPlace } from './pointwise-operator.ts';

/** `neg`, written over its first argument, which it returns (torch.Tensor.neg_). */
export const neg_ = inPlace(p.neg);
/** `abs`, written over its first argument, which it returns (torch.Tensor.abs_). */
export const abs_ = inPlace(p.abs);
/** `sign`, written over its first argument, which it returns (torch.Tensor.sign_). */
export const sign_ = inPlace(p.sign);
/** `sgn`, written over its first argument, which it returns (torch.Tensor.sgn_). */
export const sgn_ = inPlace(p.sgn);
/** `sinc`, written over its first argument, which it returns (torch.Tensor.sinc_). */
export const sinc_ = inPlace(p.sinc);
/** `deg2rad`, written over its first argument, which it returns (torch.Tensor.deg2rad_). */
export const deg2rad_ = inPlace(p.deg2rad);
/** `rad2deg`, written over its first argument, which it returns (torch.Tensor.rad2deg_). */
export const rad2deg_ = inPlace(p.rad2deg);
/** `square`, written over its first argument, which it returns (torch.Tensor.square_). */
export const square_ = inPlace(p.square);
/** `reciprocal`, written over its first argument, which it returns (torch.Tensor.reciprocal_). */
export const reciprocal_ = inPlace(p.reciprocal);
/** `sqrt`, written over its first argument, which it returns (torch.Tensor.sqrt_). */
export const sqrt_ = inPlace(p.sqrt);
/** `rsqrt`, written over its first argument, which it returns (torch.Tensor.rsqrt_). */
export const rsqrt_ = inPlace(p.rsqrt);
/** `exp`, written over its first argument, which it returns (torch.Tensor.exp_). */
export const exp_ = inPlace(p.exp);
/** `exp2`, written over its first argument, which it returns (torch.Tensor.exp2_). */
export const exp2_ = inPlace(p.exp2);
/** `expm1`, written over its first argument, which it returns (torch.Tensor.expm1_). */
export const expm1_ = inPlace(p.expm1);
/** `log`, written over its first argument, which it returns (torch.Tensor.log_). */
export const log_ = inPlace(p.log);
/** `log2`, written over its first argument, which it returns (torch.Tensor.log2_). */
export const log2_ = inPlace(p.log2);
/** `log10`, written over its first argument, which it returns (torch.Tensor.log10_). */
export const log10_ = inPlace(p.log10);
/** `log1p`, written over its first argument, which it returns (torch.Tensor.log1p_). */
export const log1p_ = inPlace(p.log1p);
/** `sin`, written over its first argument, which it returns (torch.Tensor.sin_). */
export const sin_ = inPlace(p.sin);
/** `cos`, written over its first argument, which it returns (torch.Tensor.cos_). */
export const cos_ = inPlace(p.cos);
/** `tan`, written over its first argument, which it returns (torch.Tensor.tan_). */
export const tan_ = inPlace(p.tan);
/** `asin`, written over its first argument, which it returns (torch.Tensor.asin_). */
export const asin_ = inPlace(p.asin);
/** `acos`, written over its first argument, which it returns (torch.Tensor.acos_). */
export const acos_ = inPlace(p.acos);
/** `atan`, written over its first argument, which it returns (torch.Tensor.atan_). */
export const atan_ = inPlace(p.atan);
/** `sinh`, written over its first argument, which it returns (torch.Tensor.sinh_). */
export const sinh_ = inPlace(p.sinh);
/** `cosh`, written over its first argument, which it returns (torch.Tensor.cosh_). */
export const cosh_ = inPlace(p.cosh);
/** `tanh`, written over its first argument, which it returns (torch.Tensor.tanh_). */
export const tanh_ = inPlace(p.tanh);
/** `asinh`, written over its first argument, which it returns (torch.Tensor.asinh_). */
export const asinh_ = inPlace(p.asinh);
/** `acosh`, written over its first argument, which it returns (torch.Tensor.acosh_). */
export const acosh_ = inPlace(p.acosh);
/** `atanh`, written over its first argument, which it returns (torch.Tensor.atanh_). */
export const atanh_ = inPlace(p.atanh);
/** `erf`, written over its first argument, which it returns (torch.Tensor.erf_). */
export const erf_ = inPlace(p.erf);
/** `erfc`, written over its first argument, which it returns (torch.Tensor.erfc_). */
export const erfc_ = inPlace(p.erfc);
/** `sigmoid`, written over its first argument, which it returns (torch.Tensor.sigmoid_). */
export const sigmoid_ = inPlace(p.sigmoid);
/** `relu`, written over its first argument, which it returns (torch.Tensor.relu_). */
export const relu_ = inPlace(p.relu);
/** `floor`, written over its first argument, which it returns (torch.Tensor.floor_). */
export const floor_ = inPlace(p.floor);
/** `ceil`, written over its first argument, which it returns (torch.Tensor.ceil_). */
export const ceil_ = inPlace(p.ceil);
/** `trunc`, written over its first argument, which it returns (torch.Tensor.trunc_). */
export const trunc_ = inPlace(p.trunc);
/** `frac`, written over its first argument, which it returns (torch.Tensor.frac_). */
export const frac_ = inPlace(p.frac);
/** `round`, written over its first argument, which it returns (torch.Tensor.round_). */
export const round_ = inPlace(p.round);
/** `logit`, written over its first argument, which it returns (torch.Tensor.logit_). */
export const logit_ = inPlace(p.logit);
/** `nanToNum`, written over its first argument, which it returns (torch.Tensor.nan_to_num_). */
export const nanToNum_ = inPlace(p.nanToNum);
/** `add`, written over its first argument, which it returns (torch.Tensor.add_). */
export const add_ = inPlace(p.add);
/** `sub`, written over its first argument, which it returns (torch.Tensor.sub_). */
export const sub_ = inPlace(p.sub);
/** `mul`, written over its first argument, which it returns (torch.Tensor.mul_). */
export const mul_ = inPlace(p.mul);
/** `div`, written over its first argument, which it returns (torch.Tensor.div_). */
export const div_ = inPlace(p.div);
/** `trueDivide`, written over its first argument, which it returns (torch.Tensor.true_divide_). */
export const trueDivide_ = inPlace(p.trueDivide);
/** `floorDivide`, written over its first argument, which it returns (torch.Tensor.floor_divide_). */
export const floorDivide_ = inPlace(p.floorDivide);
/** `fmod`, written over its first argument, which it returns (torch.Tensor.fmod_). */
export const fmod_ = inPlace(p.fmod);
/** `remainder`, written over its first argument, which it returns (torch.Tensor.remainder_). */
export const remainder_ = inPlace(p.remainder);
/** `pow`, written over its first argument, which it returns (torch.Tensor.pow_). */
export const pow_ = inPlace(p.pow);
/** `xlogy`, written over its first argument, which it returns (torch.Tensor.xlogy_). */
export const xlogy_ = inPlace(p.xlogy);
/** `copysign`, written over its first argument, which it returns (torch.Tensor.copysign_). */
export const copysign_ = inPlace(p.copysign);
/** `ldexp`, written over its first argument, which it returns (torch.Tensor.ldexp_). */
export const ldexp_ = inPlace(p.ldexp);
/** `heaviside`, written over its first argument, which it returns (torch.Tensor.heaviside_). */
export const heaviside_ = inPlace(p.heaviside);
/** `atan2`, written over its first argument, which it returns (torch.Tensor.atan2_). */
export const atan2_ = inPlace(p.atan2);
/** `hypot`, written over its first argument, which it returns (torch.Tensor.hypot_). */
export const hypot_ = inPlace(p.hypot);
/** `lerp`, written over its first argument, which it returns (torch.Tensor.lerp_). */
export const lerp_ = inPlace(p.lerp);
/** `addcmul`, written over its first argument, which it returns (torch.Tensor.addcmul_). */
export const addcmul_ = inPlace(p.addcmul);
/** `addcdiv`, written over its first argument, which it returns (torch.Tensor.addcdiv_). */
export const addcdiv_ = inPlace(p.addcdiv);
/** `clamp`, written over its first argument, which it returns (torch.Tensor.clamp_). */
export const clamp_ = inPlace(p.clamp);
/** `clampMin`, written over its first argument, which it returns (torch.Tensor.clamp_min_). */
export const clampMin_ = inPlace(p.clampMin);
/** `clampMax`, written over its first argument, which it returns (torch.Tensor.clamp_max_). */
export const clampMax_ = inPlace(p.clampMax);
/** `maskedFill`, written over its first argument, which it returns (torch.Tensor.masked_fill_). */
export const maskedFill_ = inPlace(p.maskedFill);
/** `logicalAnd`, written over its first argument, which it returns (torch.Tensor.logical_and_). */
export const logicalAnd_ = inPlace(p.logicalAnd);
/** `logicalOr`, written over its first argument, which it returns (torch.Tensor.logical_or_). */
export const logicalOr_ = inPlace(p.logicalOr);
/** `logicalXor`, written over its first argument, which it returns (torch.Tensor.logical_xor_). */
export const logicalXor_ = inPlace(p.logicalXor);
/** `logicalNot`, written over its first argument, which it returns (torch.Tensor.logical_not_). */
export const logicalNot_ = inPlace(p.logicalNot);
/** `bitwiseAnd`, written over its first argument, which it returns (torch.Tensor.bitwise_and_). */
export const bitwiseAnd_ = inPlace(p.bitwiseAnd);
/** `bitwiseOr`, written over its first argument, which it returns (torch.Tensor.bitwise_or_). */
export const bitwiseOr_ = inPlace(p.bitwiseOr);
/** `bitwiseXor`, written over its first argument, which it returns (torch.Tensor.bitwise_xor_). */
export const bitwiseXor_ = inPlace(p.bitwiseXor);
/** `bitwiseNot`, written over its first argument, which it returns (torch.Tensor.bitwise_not_). */
export const bitwiseNot_ = inPlace(p.bitwiseNot);
