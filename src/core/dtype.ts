import { AdjointError, show } from '../errors.ts';
import { type ElementType, elementTypes, isFloat } from '../kernels/element.ts';

/** The type of a tensor's elements. `float32` is the default; integers and `bool` do not take part in differentiation. */
export type DType = ElementType;
/** The dtypes that gradients can have. */
export type FloatDType = 'float32' | 'float64';

/** Where PyTorch takes a Python scalar. */
export type Scalar = number | boolean | bigint;

let defaultDType: FloatDType = 'float32';

/** The dtype of `tensor([1, 2])` and of the factories that are not told one (torch.get_default_dtype). */
export const getDefaultDtype = (): FloatDType => defaultDType;

/** Sets the default floating dtype (torch.set_default_dtype). */
export function setDefaultDtype(dtype: FloatDType): void {
  if (!isFloat(dtype))
    throw new AdjointError('dtype', `the default dtype is 'float32' or 'float64', got ${show(dtype)}`);
  defaultDType = dtype;
}

/** Whether the dtype is one that gradients can have. */
export const isFloatingPoint = isFloat as (dtype: DType) => dtype is FloatDType;

/** Throws unless `value` names a dtype. */
export function checkDType(value: unknown): DType {
  if (typeof value === 'string' && (elementTypes as readonly string[]).includes(value)) return value as DType;
  throw new AdjointError('dtype', `unknown dtype ${show(value)}; known are ${elementTypes.join(', ')}`);
}

const order: Record<DType, number> = {
  bool: 0,
  uint8: 1,
  int8: 1,
  int16: 2,
  int32: 3,
  int64: 4,
  float32: 5,
  float64: 6,
};
const category = (dtype: DType): number => (dtype === 'bool' ? 0 : isFloat(dtype) ? 2 : 1);

/** The smallest dtype that holds both (torch.promote_types). */
export function promoteTypes(a: DType, b: DType): DType {
  if (a === b) return a;
  if (order[a] === order[b]) return 'int16';
  return order[a] > order[b] ? a : b;
}

/** The dtype of a scalar operand: JavaScript cannot tell 2 from 2.0, so a whole number counts as an integer. */
export function dtypeOfScalar(value: Scalar): DType {
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'bigint' || Number.isInteger(value) ? 'int64' : defaultDType;
}

interface Typed {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/**
 * The dtype that an operation on these operands computes in (torch.result_type): tensors with dimensions decide; tensors without, and
 * after them scalars, only when they are of a higher category (bool, integer, floating).
 */
export function resultType(operands: readonly (Typed | Scalar)[]): DType {
  return commonFloat(operands) ?? promotedType(operands);
}

/** The floating dtype of all tensors among the operands, if they have one and the same: scalars do not raise it. */
function commonFloat(operands: readonly (Typed | Scalar)[]): DType | null {
  let common: DType | null = null;
  for (let k = 0; k < operands.length; k++) {
    const x = operands[k];
    if (typeof x !== 'object' || x.dtype === common) continue;
    if (common !== null || !isFloat(x.dtype)) return null;
    common = x.dtype;
  }
  return common;
}

function promotedType(operands: readonly (Typed | Scalar)[]): DType {
  let dimensioned: DType | undefined;
  let zeroDimensional: DType | undefined;
  let scalar: DType | undefined;
  for (const x of operands) {
    if (typeof x !== 'object') scalar = promoted(scalar, dtypeOfScalar(x));
    else if (x.shape.length > 0) dimensioned = promoted(dimensioned, x.dtype);
    else zeroDimensional = promoted(zeroDimensional, x.dtype);
  }
  const ofTensors = raised(dimensioned, zeroDimensional);
  // a scalar of a higher category brings that category, not its own width
  return raised(ofTensors, scalar !== undefined && isFloat(scalar) ? defaultDType : scalar) ?? defaultDType;
}

const promoted = (a: DType | undefined, b: DType): DType => (a === undefined ? b : promoteTypes(a, b));

/** `a`, unless `b` is of a higher category. */
const raised = (a: DType | undefined, b: DType | undefined): DType | undefined => {
  if (a === undefined || b === undefined) return a ?? b;
  return category(b) > category(a) ? promoteTypes(a, b) : a;
};

/** Whether values of `from` may be written into a tensor of `to` (torch.can_cast). */
export const canCast = (from: DType, to: DType): boolean => category(from) <= category(to);
