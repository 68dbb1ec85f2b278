/** Running sums, products and extrema along a dimension. Running values of float32 are kept in float64, as in PyTorch. */
import { alongBatch } from '../../autograd/batch-rules.ts';
import {
  apply,
  applyInPlace,
  applySeveral,
  type Primitive,
  primitive,
  primitiveOfSeveral,
  result,
  vjp,
} from '../../autograd/primitive.ts';
import { checkDType, type DType } from '../../core/dtype.ts';
import { named } from '../../core/named.ts';
import { checkDim } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError } from '../../errors.ts';
import { approximation } from '../../kernels/approx.ts';
import * as s from '../../kernels/expr.ts';
import { type ExtremumCode, launchExtremumScan, launchScan, type ScanCode } from '../launch/lines.ts';
import { accumulating, checkFloating, positions, type ValuesAndIndices } from './along.ts';
import { productBefore, recurrence, scanType, shift } from './recurrence.ts';

interface Scanned {
  readonly dim: number;
  readonly dtype: DType;
}

const [x, state] = [s.input(0), s.input(1)];
const running = (initial: number, value: s.Expr): ScanCode => ({
  initial,
  output: value,
  next: value,
  kernels: new Map(),
});

const scan = (code: ScanCode, input: Tensor, { dim, dtype }: Scanned, reverse = false): Tensor => {
  const out = Tensor.empty(input.shape, dtype);
  launchScan(code, [input], dim, scanType(dtype), out, reverse);
  return out;
};

const runningSum = running(0, s.add(state, x));
interface Direction extends Scanned {
  readonly reverse: boolean;
}
const Cumsum: Primitive<Direction> = primitive<Direction>(
  'Cumsum',
  (params, input) => scan(runningSum, input, params, params.reverse),
  [vjp((g, { params }) => apply(Cumsum, { ...params, reverse: !params.reverse }, [g]))],
);
alongBatch(Cumsum);
/** The dtype of running sums and products. */
function runningDType(call: string, input: Tensor, dtype: DType | null): DType {
  const own = accumulating(input, dtype);
  if (own !== 'bool') return own;
  throw new AdjointError(
    'dtype',
    `${call}: truth values have no running ${call === 'cumsum' ? 'sums' : 'products'}; use another dtype than bool`,
  );
}
const cumsumOf = (input: Tensor, dim: number, dtype: DType | null): Direction => ({
  dim: checkDim(dim, input.ndim),
  dtype: runningDType('cumsum', input, dtype),
  reverse: false,
});

/**
 * The sums of all elements up to each along `dim` (torch.cumsum). Integers and bool give int64.
 * @param dtype to cast to before summing
 */
export const cumsum = named('cumsum', ['dim', 'dtype'], (input: Tensor, dim: number, dtype: DType | null = null) =>
  apply(Cumsum, cumsumOf(input, dim, dtype), [input]),
);

const runningProduct = running(1, s.mul(state, x));
const Cumprod: Primitive<Scanned> = primitive<Scanned>(
  'Cumprod',
  (params, input) => scan(runningProduct, input, params),
  [
    // the products before each element, and from it on what each later cotangent is multiplied by
    vjp((g, { params: { dim } }, input) => {
      const factors = input.to(g.dtype);
      return productBefore(factors, dim, false).mul(recurrence(factors, g, { dim, reverse: true, after: true }));
    }, 0),
  ],
);
alongBatch(Cumprod);
const cumprodOf = (input: Tensor, dim: number, dtype: DType | null): Scanned => ({
  dim: checkDim(dim, input.ndim),
  dtype: runningDType('cumprod', input, dtype),
});

/**
 * The products of all elements up to each along `dim` (torch.cumprod). Integers and bool give int64. Derivatives of any order are right
 * where elements are zero.
 * @param dtype to cast to before multiplying
 */
export const cumprod = named('cumprod', ['dim', 'dtype'], (input: Tensor, dim: number, dtype: DType | null = null) =>
  apply(Cumprod, cumprodOf(input, dim, dtype), [input]),
);

const inPlaceDType = (call: string, self: Tensor, dtype: DType | null): DType => {
  if (dtype === null || checkDType(dtype) === self.dtype) return self.dtype;
  throw new AdjointError(
    'dtype',
    `${call}: provided dtype must match the dtype of self tensor: got ${dtype} for ${self.dtype}`,
  );
};

/** The in-place form of cumsum (torch.Tensor.cumsum_). @throws if `dtype` is not that of the tensor */
export const cumsum_ = named('cumsum_', ['dim', 'dtype'], (self: Tensor, dim: number, dtype: DType | null = null) =>
  applyInPlace(Cumsum, cumsumOf(self, dim, inPlaceDType('cumsum_', self, dtype)), [self]),
);
/** The in-place form of cumprod (torch.Tensor.cumprod_). @throws if `dtype` is not that of the tensor */
export const cumprod_ = named('cumprod_', ['dim', 'dtype'], (self: Tensor, dim: number, dtype: DType | null = null) =>
  applyInPlace(Cumprod, cumprodOf(self, dim, inPlaceDType('cumprod_', self, dtype)), [self]),
);

const extremumScan = (name: string, code: ExtremumCode): Primitive<number> =>
  primitiveOfSeveral<number>(
    name,
    (dim, input) => {
      const values = Tensor.empty(input.shape, input.dtype);
      const indices = Tensor.empty(input.shape, 'int64');
      launchExtremumScan(code, input, dim, values, indices);
      return [values, indices];
    },
    [
      // the cotangents of a run that has the same extremum are summed where it stands, at the start of the run
      vjp(([g], { params: dim }, indices) => {
        if (!g || g.ndim === 0) return g;
        const starts = indices.eq(positions(g.shape, dim));
        const sums = recurrence(starts.logicalNot().to(g.dtype), g, { dim, reverse: true, after: true });
        return sums.mul(starts);
      }, result - 1),
    ],
  );

const Cummax = alongBatch(extremumScan('Cummax', { seek: 'max', kernels: new Map() }));
const Cummin = alongBatch(extremumScan('Cummin', { seek: 'min', kernels: new Map() }));

const valuesAndIndices = ([values, indices]: readonly Tensor[]): ValuesAndIndices => ({ values, indices });

/**
 * The greatest of all elements up to each along `dim`, and where it stands: the last place among equals; NaN counts as the greatest
 * (torch.cummax). The gradient goes to that place.
 */
export const cummax = named('cummax', ['dim'], (input: Tensor, dim: number) =>
  valuesAndIndices(applySeveral(Cummax, checkDim(dim, input.ndim), [input])),
);
/** The least of all elements up to each along `dim`, otherwise as `cummax` (torch.cummin). */
export const cummin = named('cummin', ['dim'], (input: Tensor, dim: number) =>
  valuesAndIndices(applySeveral(Cummin, checkDim(dim, input.ndim), [input])),
);

const [low, high] = [s.min(x, state), s.max(x, state)];
type Function = (a: s.Expr) => s.Expr;
const runningLogSum = (exp: Function, log1p: Function): ScanCode => ({
  ...running(
    Number.NEGATIVE_INFINITY,
    // equal infinities have no difference
    s.select(s.and(s.eq(low, high), s.isInfinite(high)), high, s.add(high, log1p(exp(s.sub(low, high))))),
  ),
  gathers: true,
});
const logSums: Partial<Record<DType, ScanCode>> = {
  // kept in float64, which needs no more than the accuracy of float32
  float32: runningLogSum(approximation.exp, approximation.log1p),
  float64: runningLogSum(s.exp, s.log1p),
};
const Logcumsumexp: Primitive<number> = primitive<number>(
  'Logcumsumexp',
  (dim, input) => scan(logSums[input.dtype] as ScanCode, input, { dim, dtype: input.dtype }),
  [
    // S[i] = g[i] + e^(y[i] - y[i+1]) S[i+1], then times e^(x[i] - y[i]): all factors are at most 1
    vjp(
      (g, { params: dim }, input, y) => {
        if (input.ndim === 0) return g;
        // running sums grow; only the first has nothing before it
        const factors = shift(y, dim, false).sub(y).clampMax(0).exp();
        return recurrence(factors, g, { dim, reverse: true, after: true }).mul(input.sub(y).exp());
      },
      0,
      result,
    ),
  ],
);
alongBatch(Logcumsumexp);
/**
 * The logarithm of the sums of e^x of all elements up to each along `dim`, computed without overflow (torch.logcumsumexp).
 * @throws if the dtype is not floating
 */
export const logcumsumexp = named('logcumsumexp', ['dim'], (input: Tensor, dim: number): Tensor => {
  checkFloating('logcumsumexp', input.dtype);
  return apply(Logcumsumexp, checkDim(dim, input.ndim), [input]);
});
