"""Record what PyTorch's reductions and scans give: for every dtype and special value, and sums of many layouts to the last bit.

    python3 reductions.py | gzip -9n > reductions.json.gz

`inputs`: tensors, encoded as in opinfo.json.gz. `cases`: [op, which input, other args, kwargs, results]; results is a list, or null where
PyTorch refuses.
`sums`: [dtype, shape, order, step, dim, dims, result]. The elements, in row-major order of `shape`, are those of `element`; what is summed
along `dims` is that tensor with its dimensions in `order` and only every `step`-th element along dimension `dim` of that.
"""
import base64, itertools, json, random, sys, warnings
import numpy as np
import torch

warnings.filterwarnings('ignore')
torch.set_num_threads(1)
inf, nan = float('inf'), float('nan')
DTYPES = ['bool', 'uint8', 'int8', 'int16', 'int32', 'int64', 'float32', 'float64']


def enc(v):
    if isinstance(v, torch.Tensor):
        data = base64.b64encode(v.contiguous().numpy().tobytes()).decode()
        return {'$tensor': str(v.dtype)[6:], 'shape': list(v.shape), 'data': data}
    if isinstance(v, torch.dtype): return {'$dtype': str(v)[6:]}
    if isinstance(v, float): return {'$float': repr(v)}
    if isinstance(v, (list, tuple)): return [enc(x) for x in v]
    return v


def samples(dtype):
    t = getattr(torch, dtype)
    if dtype == 'bool':
        yield torch.tensor([[True, False, True], [True, True, True]])
    elif dtype.startswith('float'):
        yield torch.tensor([[1.5, -2.25, 3.0, 3.0], [0.5, 4.0, -2.25, -7.5], [0.0, 2.0, 1.0, -0.5]], dtype=t)
        yield torch.tensor([[nan, 1, 2], [inf, 1, inf], [-inf, -inf, -inf], [inf, -inf, 0], [0.0, -0.0, nan]], dtype=t)
        yield torch.linspace(-3, 3, 60, dtype=t).reshape(2, 30)
        yield torch.tensor(2.5, dtype=t)
    else:
        info = torch.iinfo(t)
        yield torch.tensor([[7, 2, 9, 9], [1, 0, 3, info.max], [5, info.min, 4, 9]], dtype=t)
        yield torch.tensor(3, dtype=t)
    for shape in [(0,), (2, 0), (0, 3)]: yield torch.zeros(shape, dtype=t)


def forms():
    f32, f64, i32, i64 = torch.float32, torch.float64, torch.int32, torch.int64
    for op in ['sum', 'nansum']:
        for dtype in ['bool', 'uint8', 'int32', 'float32', 'float64']: yield op, (), {'dtype': getattr(torch, dtype)}
    for op in ['sum', 'nansum', 'mean', 'nanmean', 'amax', 'amin', 'all', 'any', 'var', 'std']:
        yield op, (), {}
        for dim in [0, 1, -1, [0, 1]]:
            yield op, (dim,), {}
            yield op, (dim,), {'keepdim': True}
    for op in ['prod', 'aminmax', 'max', 'min', 'argmax', 'argmin', 'median', 'nanmedian']:
        yield op, (), {}
        for dim in [0, -1]:
            yield (op, (), {'dim': dim}) if op == 'aminmax' else (op, (dim,), {})
            yield op, (), {'dim': dim, 'keepdim': True}
    for op in ['argmax', 'argmin']: yield op, (), {'keepdim': True}
    for dim in [0, -1]: yield 'mode', (dim,), {'keepdim': dim == 0}
    for interpolation in ['linear', 'lower', 'higher', 'midpoint', 'nearest']:
        for q in [0.0, 0.3, 0.5, 1.0]: yield 'quantile', (q,), {'dim': 0, 'interpolation': interpolation}
        yield 'nanquantile', (0.6,), {'dim': -1, 'keepdim': True, 'interpolation': interpolation}
    yield 'quantile', (0.25,), {}
    yield 'nanquantile', (0.75,), {'keepdim': True}
    for op in ['cumsum', 'cumprod', 'cummax', 'cummin', 'logcumsumexp', 'softmax', 'log_softmax', 'logsumexp', 'count_nonzero']:
        for dim in [0, -1]: yield op, (dim,), {}
    for op in ['cumsum', 'cumprod']:
        for dtype in [torch.bool, i32, f32]: yield op, (0,), {'dtype': dtype}
    for op in ['softmax', 'log_softmax', 'mean', 'prod']:
        for dtype in [f32, f64, i64]: yield op, () if op in ('mean', 'prod') else (0,), {'dtype': dtype}
    for dim in [[0, 1], [-1]]: yield 'logsumexp', (dim,), {'keepdim': True}
    yield 'count_nonzero', (), {}
    yield 'count_nonzero', ([0, 1],), {}
    yield 'all', ([],), {}
    for op in ['var', 'std']:
        yield op, (False,), {}
        yield op, (0, False, True), {}
        for correction in [0, 2, 3, 4]: yield op, (), {'dim': 0, 'correction': correction}
    for op in ['var_mean', 'std_mean']:
        yield op, (), {}
        yield op, (0,), {'correction': 0, 'keepdim': True}
    for p in [0, 1, 2, 3, 0.5, -1, inf, -inf, 'fro']:
        yield 'norm', (p,), {}
        yield 'norm', (p, 0), {'keepdim': True}
    yield 'norm', (2,), {'dtype': f64}


def call(op, x, args, kwargs):
    try:
        r = getattr(torch, op)(x, *args, **kwargs)
    except Exception:
        return None
    return [enc(t) for t in ([r] if isinstance(r, torch.Tensor) else r)]


def element(n, dtype):
    """Numbers with as many digits as the dtype holds, of both signs and some magnitudes."""
    k = (np.arange(n, dtype=np.uint64) * 2654435761) % 2**32
    return torch.tensor((k.astype(np.float64) / 2**32 - 0.5) / 3 * 2.0 ** (k % 7).astype(np.float64)).to(dtype)


def sums():
    rng = random.Random(1)
    layouts = [([n], [0], 1, 0, d) for n in [1, 3, 4, 5, 7, 8, 9, 31, 32, 33, 511, 513, 8191, 70001] for d in [None]]
    layouts += [([n], [0], 3, 0, None) for n in [10, 100, 4000]]
    layouts += [([r, c], o, s, d, [k]) for r, c in [(3, 5), (40, 7), (600, 3), (70, 37), (33, 100), (9000, 4)]
                for o in [[0, 1], [1, 0]] for s, d in [(1, 0), (2, 0), (2, 1)] for k in [0, 1]]
    for _ in range(60):
        shape = [rng.randint(1, 12) for _ in range(rng.randint(3, 4))]
        n = len(shape)
        layouts.append((shape, list(range(n)), 1, 0, sorted(rng.sample(range(n), rng.randint(1, n)))))
    for (shape, order, step, dim, dims), dtype in itertools.product(layouts, [torch.float32, torch.float64]):
        x = element(int(np.prod(shape)), dtype).reshape(shape).permute(order)
        x = x[(slice(None),) * dim + (slice(None, None, step),)]
        result = x.sum() if dims is None else x.sum(dims)
        if result.numel() <= 100: yield [str(dtype)[6:], shape, order, step, dim, dims, enc(result)]


def by_accident(op, x, kwargs):
    """Calls whose results in PyTorch are nobody's intention: a cast of NaN to an integer, an empty tensor or a scalar of a dtype that is refused else,
    the mean of infinities by Welford's recurrence, a most frequent value where NaN is none or the first."""
    special = x.is_floating_point() and not x.isfinite().all()
    if special and (op in ('var_mean', 'std_mean', 'mode') or kwargs.get('dtype') in (torch.uint8, torch.int32, torch.int64)): return True
    if op in ('cumsum', 'cumprod') and kwargs.get('dtype') == torch.bool and (x.numel() == 0 or x.ndim == 0): return True
    if op.endswith('median') and x.numel() == 0 and not x.is_floating_point(): return True
    return op.endswith('softmax') and x.numel() == 0 and not kwargs.get('dtype', x.dtype).is_floating_point


inputs = [x for dtype in DTYPES for x in samples(dtype)]
cases = [[op, i, [enc(a) for a in args], {k: enc(v) for k, v in kwargs.items()}, call(op, x, args, kwargs)]
         for i, x in enumerate(inputs) for op, args, kwargs in forms() if not by_accident(op, x, kwargs)]
out = {'torch': torch.__version__, 'inputs': [enc(x) for x in inputs], 'cases': cases, 'sums': list(sums())}
json.dump(out, sys.stdout, separators=(',', ':'))
