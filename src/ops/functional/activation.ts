/**
 * Activations: the pointwise functions of torch.nn.functional. Each is one expression; `inplace: true`, where PyTorch has it, writes the
 * result over the input and returns that.
 *
 * At a kink the derivative is PyTorch's, as given with each function.
 */
import { drawn } from '../../autograd/lift.ts';
import type { Scalar } from '../../core/dtype.ts';
import { defaultGenerator } from '../../core/generator.ts';
import { type Arguments, named } from '../../core/named.ts';
import { checkDim, showShape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import type { Expr } from '../../kernels/expr.ts';
import * as s from '../../kernels/expr.ts';
import { Pointwise, tensorOperand } from '../pointwise/pointwise-operator.ts';

/** The operator to apply to the input, and its further operands. */
type Choice = [operator: Pointwise, ...operands: (Tensor | Scalar)[]];

/** Defines an activation by the choice that its parameters make; it has `inplace` as a last parameter. */
function activation<const Names extends readonly string[], Params extends readonly unknown[]>(
  name: string,
  names: Names,
  choose: (...params: Params) => Choice,
): (x: Tensor, ...args: Arguments<[...Names, 'inplace'], [...Params, inplace?: boolean]>) => Tensor {
  return named(name, [...names, 'inplace'], (x: Tensor, ...params: [...Params, inplace?: boolean]): Tensor => {
    const [operator, ...operands] = choose(...(params.slice(0, names.length) as unknown as Params));
    tensorOperand(name, x);
    return params[names.length] === true ? operator.callInPlace(x, ...operands) : operator.call(x, ...operands);
  });
}

const floating = { domain: 'floating' } as const;
const between = (x: Expr, low: s.Scalar, high: s.Scalar): Expr => s.and(s.gt(x, low), s.lt(x, high));

const Hardtanh = new Pointwise('Hardtanh', (x, low, high) => s.min(s.max(x, low), high), 3, {
  derivatives: [(x, low, high) => s.number(between(x, low, high)), null, null],
});
/** x limited to [minVal, maxVal], with derivative 0 on the limits (torch.nn.functional.hardtanh). */
export const hardtanh = activation('hardtanh', ['minVal', 'maxVal'], (minVal: number = -1, maxVal: number = 1) => [
  Hardtanh,
  minVal,
  maxVal,
]);
/** x limited to [0, 6], with derivative 0 on the limits (torch.nn.functional.relu6). */
export const relu6 = activation('relu6', [], () => [Hardtanh, 0, 6]);

const Hardsigmoid = new Pointwise('Hardsigmoid', (x) => s.div(s.min(s.max(s.add(x, 3), 0), 6), 6), 1, {
  ...floating,
  derivatives: [(x) => s.select(between(x, -3, 3), 1 / 6, 0)],
});
/** (x + 3) / 6 limited to [0, 1], with derivative 0 where a limit is met (torch.nn.functional.hardsigmoid). */
export const hardsigmoid = activation('hardsigmoid', [], () => [Hardsigmoid]);

const Hardswish = new Pointwise('Hardswish', (x) => s.div(s.mul(x, s.min(s.max(s.add(x, 3), 0), 6)), 6), 1, {
  ...floating,
  derivatives: [(x) => s.select(s.le(x, -3), 0, s.select(s.lt(x, 3), s.add(s.div(x, 3), 0.5), 1))],
});
/** x * hardsigmoid(x), with derivative 0 at -3 and 1 at 3 (torch.nn.functional.hardswish). */
export const hardswish = activation('hardswish', [], () => [Hardswish]);

const LeakyRelu = new Pointwise('LeakyRelu', (x, slope) => s.select(s.gt(x, 0), x, s.mul(x, slope)), 2, {
  derivatives: [(x, slope) => s.select(s.gt(x, 0), 1, slope), null],
});
/** x where it is positive, else negativeSlope * x, with derivative negativeSlope at 0 (torch.nn.functional.leaky_relu). */
export const leakyRelu = activation('leakyRelu', ['negativeSlope'], (negativeSlope: number = 0.01) => [
  LeakyRelu,
  negativeSlope,
]);

const exponentialUnit = (name: string): Pointwise =>
  new Pointwise(
    name,
    (x, below, above, rate) => s.select(s.le(x, 0), s.mul(below, s.expm1(s.mul(x, rate))), s.mul(above, x)),
    4,
    {
      ...floating,
      derivatives: [
        (x, below, above, rate) => s.select(s.le(x, 0), s.mul(s.mul(below, rate), s.exp(s.mul(x, rate))), above),
        null,
        null,
        null,
      ],
    },
  );
const Elu = exponentialUnit('Elu');
const Celu = exponentialUnit('Celu');
/** x where it is positive, else alpha * (e^x - 1), with derivative alpha at 0 (torch.nn.functional.elu). */
export const elu = activation('elu', ['alpha'], (alpha: number = 1) => [Elu, alpha, 1, 1]);
/** x where it is positive, else alpha * (e^(x / alpha) - 1), whose derivative is continuous (torch.nn.functional.celu). */
export const celu = activation('celu', ['alpha'], (alpha: number = 1) => {
  if (alpha === 0) throw new AdjointError('argument', 'celu: alpha must not be 0');
  return [Celu, alpha, 1, 1 / alpha];
});
// of the fixed point of mean 0 and variance 1
const seluAlpha = 1.6732632423543772;
const seluScale = 1.0507009873554805;
/** scale * elu(x, alpha) with the constants that normalise a network by itself (torch.nn.functional.selu). */
export const selu = activation('selu', [], () => [Elu, seluAlpha * seluScale, seluScale, 1]);

const Silu = new Pointwise('Silu', (x) => s.mul(x, s.sigmoid(x)), 1, floating);
/** x * sigmoid(x), also called swish (torch.nn.functional.silu). */
export const silu = activation('silu', [], () => [Silu]);

/** log(1 + e^x) without overflow. */
const softplusExpr = (x: Expr): Expr => s.add(s.max(x, 0), s.log1p(s.exp(s.neg(s.abs(x)))));
const Mish = new Pointwise('Mish', (x) => s.mul(x, s.tanh(softplusExpr(x))), 1, floating);
/** x * tanh(log(1 + e^x)) (torch.nn.functional.mish). */
export const mish = activation('mish', [], () => [Mish]);

const Threshold = new Pointwise('Threshold', (x, limit, value) => s.select(s.le(x, limit), value, x), 3, {
  derivatives: [(x, limit) => s.number(s.gt(x, limit)), null, null],
});
/** x where it is above `threshold`, else `value`, with derivative 0 at the threshold (torch.nn.functional.threshold). */
export const threshold = activation('threshold', ['threshold', 'value'], (limit: number, value: number) => [
  Threshold,
  limit,
  value,
]);

const RandomRelu = new Pointwise('RreluWithNoise', (x, slope) => s.mul(x, slope), 2, {
  derivatives: [(_, slope) => slope, null],
});
/** A slope for each element: 1 where it is positive, else drawn from the uniform distribution. */
function drawSlopes(x: Tensor, lower: number, upper: number): Tensor {
  const elements = x.toTypedArray();
  const below = Array.from(elements, Number).map((v) => v <= 0);
  const numbers = new Float64Array(below.filter(Boolean).length);
  defaultGenerator.uniform(numbers, lower, upper);
  let next = 0;
  const slopes = Tensor.empty(x.shape, x.dtype);
  const out = slopes.storage.elements();
  below.forEach((negative, i) => {
    out[i] = negative ? numbers[next++] : 1;
  });
  return slopes;
}
/**
 * Leaky relu whose slope for elements of at most 0 is, in training, drawn for each from the uniform distribution on [lower, upper), and
 * else is the middle of both (torch.nn.functional.rrelu).
 */
export const rrelu = named(
  'rrelu',
  ['lower', 'upper', 'training', 'inplace'],
  (
    x: Tensor,
    lower: number = 1 / 8,
    upper: number = 1 / 3,
    training: boolean = false,
    inplace: boolean = false,
  ): Tensor => {
    if (!training) return leakyRelu(x, (lower + upper) / 2, inplace);
    const slopes = drawn([tensorOperand('rrelu', x)], ([of]) => drawSlopes(of as Tensor, lower, upper));
    return inplace ? RandomRelu.callInPlace(x, slopes) : RandomRelu.call(x, slopes);
  },
);

/** `leakyRelu` in place (torch.nn.functional.leaky_relu_). */
export const leakyRelu_ = named(
  'leakyRelu_',
  ['negativeSlope'],
  (x: Tensor, negativeSlope?: number): Tensor => leakyRelu(x, negativeSlope, true),
);
/** `hardtanh` in place (torch.nn.functional.hardtanh_). */
export const hardtanh_ = named(
  'hardtanh_',
  ['minVal', 'maxVal'],
  (x: Tensor, minVal?: number, maxVal?: number): Tensor => hardtanh(x, minVal, maxVal, true),
);
/** `elu` in place (torch.nn.functional.elu_). */
export const elu_ = named('elu_', ['alpha'], (x: Tensor, alpha?: number): Tensor => elu(x, alpha, true));
/** `celu` in place (torch.nn.functional.celu_). */
export const celu_ = named('celu_', ['alpha'], (x: Tensor, alpha?: number): Tensor => celu(x, alpha, true));
/** `selu` in place (torch.nn.functional.selu_). */
export const selu_ = (x: Tensor): Tensor => selu(x, true);
/** `threshold` in place (torch.nn.functional.threshold_). */
export const threshold_ = named(
  'threshold_',
  ['threshold', 'value'],
  (x: Tensor, limit: number, value: number): Tensor => threshold(x, limit, value, true),
);
/** `rrelu` in place (torch.nn.functional.rrelu_). */
export const rrelu_ = named(
  'rrelu_',
  ['lower', 'upper', 'training'],
  (x: Tensor, lower?: number, upper?: number, training?: boolean): Tensor => rrelu(x, lower, upper, training, true),
);

const Gelu = new Pointwise('Gelu', (x) => s.mul(s.mul(x, 0.5), s.add(1, s.erf(s.mul(x, Math.SQRT1_2)))), 1, floating);
const GeluTanh = new Pointwise(
  'Gelu',
  (x) => {
    const inner = s.mul(Math.sqrt(2 / Math.PI), s.add(x, s.mul(0.044715, s.mul(s.square(x), x))));
    return s.mul(s.mul(x, 0.5), s.add(1, s.tanh(inner)));
  },
  1,
  floating,
);
/**
 * x * Phi(x) with the normal distribution function Phi, exactly or, with approximate: 'tanh', as
 * x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) (torch.nn.functional.gelu).
 */
export const gelu = named('gelu', ['approximate'], (x: Tensor, approximate: 'none' | 'tanh' = 'none'): Tensor => {
  if (approximate !== 'none' && approximate !== 'tanh') {
    throw new AdjointError('argument', `gelu: approximate must be 'none' or 'tanh', got ${show(approximate)}`);
  }
  return (approximate === 'none' ? Gelu : GeluTanh).call(tensorOperand('gelu', x));
});

const Softplus = new Pointwise(
  'Softplus',
  (x, beta, limit) => s.select(s.gt(s.mul(x, beta), limit), x, s.div(s.log1p(s.exp(s.mul(x, beta))), beta)),
  3,
  {
    ...floating,
    derivatives: [(x, beta, limit) => s.select(s.gt(s.mul(x, beta), limit), 1, s.sigmoid(s.mul(x, beta))), null, null],
  },
);
/** log(1 + e^(beta * x)) / beta; where beta * x is above `threshold`, x itself (torch.nn.functional.softplus). */
export const softplus = named(
  'softplus',
  ['beta', 'threshold'],
  (x: Tensor, beta: number = 1, threshold: number = 20): Tensor =>
    Softplus.call(tensorOperand('softplus', x), beta, threshold),
);

const LogSigmoid = new Pointwise('LogSigmoid', (x) => s.neg(softplusExpr(s.neg(x))), 1, {
  ...floating,
  derivatives: [(x) => s.sigmoid(s.neg(x))],
});
/** log(1 / (1 + e^-x)) without overflow (torch.nn.functional.logsigmoid). */
export const logsigmoid = (x: Tensor): Tensor => LogSigmoid.call(tensorOperand('logsigmoid', x));

// PyTorch makes the next two of others, by whose last step their nodes are called
const Softsign = new Pointwise('Div', (x) => s.div(x, s.add(1, s.abs(x))), 1, floating);
/** x / (1 + |x|) (torch.nn.functional.softsign). */
export const softsign = (x: Tensor): Tensor => Softsign.call(tensorOperand('softsign', x));
const Tanhshrink = new Pointwise('Sub', (x) => s.sub(x, s.tanh(x)), 1, floating);
/** x - tanh(x) (torch.nn.functional.tanhshrink). */
export const tanhshrink = (x: Tensor): Tensor => Tanhshrink.call(tensorOperand('tanhshrink', x));

const inside = (x: Expr, limit: Expr): Expr => s.and(s.ge(x, s.neg(limit)), s.le(x, limit));
const Softshrink = new Pointwise(
  'Softshrink',
  (x, limit) =>
    s.select(s.gt(x, limit), s.sub(x, limit), s.select(s.lt(x, s.neg(limit)), s.add(x, limit), s.raw('mul', x, 0))),
  2,
  { derivatives: [(x, limit) => s.number(s.not(inside(x, limit))), null] },
);
/** x moved toward 0 by `lambd`, but not beyond; derivative 0 on the limits (torch.nn.functional.softshrink). @throws if lambd < 0 */
export const softshrink = named('softshrink', ['lambd'], (x: Tensor, lambd: number = 0.5): Tensor => {
  if (!(lambd >= 0)) {
    throw new AdjointError(
      'argument',
      `softshrink: lambda must be greater or equal to 0, but found to be ${show(lambd)}.`,
    );
  }
  return Softshrink.call(tensorOperand('softshrink', x), lambd);
});

const Hardshrink = new Pointwise('Hardshrink', (x, limit) => s.select(inside(x, limit), 0, x), 2, {
  derivatives: [(x, limit) => s.number(s.not(inside(x, limit))), null],
});
/** 0 where |x| <= lambd, else x; derivative 0 on the limits (torch.nn.functional.hardshrink). */
export const hardshrink = named(
  'hardshrink',
  ['lambd'],
  (x: Tensor, lambd: number = 0.5): Tensor => Hardshrink.call(tensorOperand('hardshrink', x), lambd),
);

const Prelu = new Pointwise('PreluKernel', (x, weight) => s.select(s.gt(x, 0), x, s.mul(weight, x)), 2, {
  derivatives: [(x, weight) => s.select(s.gt(x, 0), 1, weight), (x) => s.select(s.gt(x, 0), 0, x)],
});
/**
 * x where it is positive, else weight * x, with derivative `weight` at 0 (torch.nn.functional.prelu).
 * @param weight one element, or one for each channel, along dimension 1
 * @throws if their number is another
 */
export const prelu = named('prelu', ['weight'], (x: Tensor, weight: Tensor): Tensor => {
  tensorOperand('prelu', x);
  const n = tensorOperand('prelu: weight', weight).numel();
  if (n === 1) return Prelu.call(x, weight.reshape([]));
  const channels = x.ndim > 1 ? x.shape[1] : 1;
  if (n !== channels || weight.ndim > 1) {
    throw new AdjointError(
      'shape',
      `prelu: Mismatch of parameter numbers and input channel size. Found parameter numbers = ${n} and channel size = ${channels}.`,
    );
  }
  return Prelu.call(x, weight.reshape([n, ...x.shape.slice(2).map(() => 1)]));
});

const Glu = new Pointwise('Glu', (a, b) => s.mul(a, s.sigmoid(b)), 2, floating);
/**
 * a * sigmoid(b), where a and b are the halves of `x` along `dim` (torch.nn.functional.glu).
 * @throws if the size along it is odd
 */
export const glu = named('glu', ['dim'], (x: Tensor, dim: number = -1): Tensor => {
  if (tensorOperand('glu', x).ndim === 0) {
    throw new AdjointError('shape', 'glu does not support 0-dimensional tensors');
  }
  const d = checkDim(dim, x.ndim);
  const size = x.shape[d];
  if (size % 2 !== 0) {
    throw new AdjointError(
      'shape',
      `glu: Halving dimension must be even, but dimension ${d} is size ${size} in shape ${showShape(x.shape)}`,
    );
  }
  return Glu.call(x.narrow(d, 0, size / 2), x.narrow(d, size / 2, size / 2));
});
