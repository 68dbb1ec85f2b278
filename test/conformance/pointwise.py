"""Record what PyTorch's pointwise operators give for every dtype: promotion, wrapping integers, special values, writes in place.

    python3 pointwise.py | gzip -9n > pointwise.json.gz

A case is [op, args, kwargs, result]; tensors are encoded as in opinfo.json.gz. An op with a trailing underscore is in place; its result is
null where PyTorch says that the tensor written to cannot hold it.
"""
import base64, itertools, json, sys, warnings
import torch

warnings.filterwarnings('ignore')
inf, nan = float('inf'), float('nan')
INTS = ['uint8', 'int8', 'int16', 'int32', 'int64']
DTYPES = ['bool', *INTS, 'float32', 'float64']
UNARY = '''neg abs sign square reciprocal sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh
    acosh atanh erf erfc sigmoid relu floor ceil trunc frac round logit nan_to_num isnan isinf isfinite logical_not bitwise_not'''.split()
BINARY = '''add sub mul div floor_divide remainder fmod pow maximum minimum atan2 hypot eq ne lt le gt ge logical_and logical_or
    logical_xor bitwise_and bitwise_or bitwise_xor'''.split()
FLOATS = [0.0, -0.0, inf, -inf, nan, 0.5, -0.5, 1.0, -1.0, 1.5, 2.5, -2.5, 1e-40, 3e38, 100.0, -100.0, 0.25, 1234.5678]


def sample(dtype, which=0):
    if dtype == 'bool': return torch.tensor([[True, False, True, False], [True, True, False, False]][which])
    t = getattr(torch, dtype)
    if dtype.startswith('float'):
        pairs = [(1.5, 2.5), (-5.5, 2.0), (5.5, -2.0), (inf, 1.0), (1.0, inf), (nan, 1.0), (0.0, -1.0), (-0.0, 3.0), (2.0, 0.5), (-8.0, 3.0),
                 (1.0, 0.0), (0.0, 0.0), (-1.0, inf), (7.0, 7.0)]
        return torch.tensor([p[which] for p in pairs], dtype=t)
    info = torch.iinfo(t)
    pairs = [(7, 2), (info.max, 3), (info.min, 3), (1, 1), (100, 7), (5, 5)]
    if info.min < 0: pairs += [(-7, 2), (7, -2), (-7, -2), (-8, 4)]
    return torch.tensor([p[which] for p in pairs], dtype=t)


def enc(v):
    if isinstance(v, torch.Tensor):
        return {'$tensor': str(v.dtype)[6:], 'shape': list(v.shape), 'data': base64.b64encode(v.contiguous().numpy().tobytes()).decode()}
    return v


cases = []


def record(op, args, kwargs={}, call=None):
    args = list(args)
    try:
        out = (call or getattr(torch, op, None) or getattr(torch.Tensor, op))(*[a.clone() if isinstance(a, torch.Tensor) else a for a in args], **kwargs)
    except (RuntimeError, TypeError) as e:
        if "can't be cast" not in str(e) or op.startswith('bitwise'): return
        out = None  # a result that the tensor written to cannot hold
    cases.append([op, [enc(a) for a in args], kwargs, enc(out)])


def fit(a, b):
    """Two samples, cut to a common length."""
    n = min(len(a), len(b))
    return a[:n], b[:n]


for dtype in DTYPES:
    x = torch.tensor(FLOATS, dtype=getattr(torch, dtype)) if dtype.startswith('float') else sample(dtype)
    for op in UNARY:
        record(op, [x])
        if hasattr(torch.Tensor, op + '_'): record(op + '_', [x])
    record('round', [x], {'decimals': 2})
    record('round', [x], {'decimals': -2})
    record('logit', [x], {'eps': 0.1})
    record('nan_to_num', [x], {'nan': 1.5, 'posinf': 2.5, 'neginf': -3.5})
    for lo, hi in ((0, 1), (-0.5, 1.5), (2, 1), (None, 1), (0.5, None)): record('clamp', [x, lo, hi])
    for value in (3, 1.5, True): record('masked_fill', [x, torch.arange(len(x)) % 2 == 0, value])

for a, b in itertools.product(DTYPES, DTYPES):
    x, y = fit(sample(a, 0), sample(b, 1))
    for op in BINARY:
        record(op, [x, y])
        if hasattr(torch.Tensor, op + '_') and not op in ('eq', 'ne', 'lt', 'le', 'gt', 'ge'): record(op + '_', [x, y])
    for mode in ('trunc', 'floor'):
        record('div', [x, y], {'rounding_mode': mode})
        record('div_', [x, y], {'rounding_mode': mode})
    for op in ('add', 'mul', 'div', 'maximum'): record(op, [x, y[0]])
    record('add', [x[0], y[0]])
    record('add', [x, y], {'alpha': 2})
    record('sub', [x, y], {'alpha': 3})
    record('clamp', [x, y, y[0]])
    record('addcmul', [x, y, y], {'value': 2})
    record('addcdiv', [x, y, y], {'value': 2})

reflected = {'add': lambda s, x: s + x, 'sub': lambda s, x: s - x, 'mul': lambda s, x: s * x, 'div': lambda s, x: s / x, 'pow': lambda s, x: s ** x, 'remainder': lambda s, x: s % x}
for dtype, scalar in itertools.product(DTYPES, (2, -3, 1.5, 0.5, 0, True)):
    x = sample(dtype)
    for op in BINARY:
        if scalar == 0 and op in ('floor_divide', 'remainder', 'fmod') and dtype == 'bool': continue  # two errors in one
        if op in ('maximum', 'minimum', 'atan2', 'hypot') or op.startswith('logical'): continue  # tensors only
        record(op, [x, scalar])
        if hasattr(torch.Tensor, op + '_') and not op in ('eq', 'ne', 'lt', 'le', 'gt', 'ge'): record(op + '_', [x, scalar])
        if op in reflected: record(op, [scalar, x], call=reflected[op])

for dtype in ('float32', 'float64'):
    x, y = sample(dtype), sample(dtype, 1)
    for w in (0.25, 0.5, 1.0, 0.75): record('lerp', [x, y, w])
    record('lerp', [x, y, y])
    for n in (0, 1, 2, 3, 4, 0.5, -1, -0.5, -2, 7, 2.5): record('pow', [torch.tensor(FLOATS, dtype=x.dtype), n])

json.dump({'torch': torch.__version__, 'cases': cases}, sys.stdout, separators=(',', ':'))
print(len(cases), file=sys.stderr)
