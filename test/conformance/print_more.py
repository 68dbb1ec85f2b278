"""Records print-more.json: tricky tensors and the exact text PyTorch prints for them.

    python3 print_more.py > print-more.json

Fields of a case:
    dtype, shape       of the tensor
    strides, storage   its layout and what lies under it; without strides it is contiguous
    options            for set_printoptions on top of the defaults, or null
    text               repr(x)
    requiresGradTail   what takes the place of the closing parenthesis of text when x has requires_grad
    gradFnTails        grad_fn name -> the same for a result of that node which has the values of x
The tails are recorded for floating point and complex tensors only.
Elements: nan, inf, -inf, -0.0 and integers beyond 2**53 are strings, a complex number is a pair.
"""

import itertools
import json
import math
import sys

import torch

nan, inf = math.nan, math.inf
cases = []


def encode(value):
    if isinstance(value, complex):
        return [encode(value.real), encode(value.imag)]
    if isinstance(value, float) and (not math.isfinite(value) or (value == 0 and math.copysign(1, value) < 0)):
        return str(value)
    if isinstance(value, int) and abs(value) >= 2**53:
        return str(value)
    return value


def tail(x, text):
    assert repr(x).startswith(text[:-1])
    return repr(x)[len(text) - 1 :]


def record(values, shape=None, dtype=torch.float32, strides=None, **options):
    storage = torch.tensor(values, dtype=dtype).reshape(-1)
    shape = [storage.numel()] if shape is None else shape
    x = storage.reshape(shape) if strides is None else storage.as_strided(shape, strides)
    torch.set_printoptions(profile="default")
    torch.set_printoptions(**options)
    case = {"dtype": str(dtype).removeprefix("torch."), "shape": shape, "storage": [encode(v) for v in storage.tolist()]}
    if strides is not None:
        case["strides"] = strides
    case |= {"options": options or None, "text": repr(x)}
    if dtype.is_floating_point or dtype.is_complex:
        leaf = x.detach().requires_grad_()
        case["requiresGradTail"] = tail(leaf, case["text"])
        # An operation on an expanded tensor would compute every element.
        results = [leaf.view_as(leaf)] if strides is not None else [leaf.clone(), leaf.as_strided(leaf.shape, leaf.stride())]
        case["gradFnTails"] = {type(result.grad_fn).__name__: tail(result, case["text"]) for result in results}
    cases.append(case)


REAL = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
COMPLEX = [torch.complex64, torch.complex128]
INTEGRAL = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]

# Without dimensions, and without elements.
for dtype in REAL:
    for value in [0.0, -0.0, 1, -3, 0.5, 1 / 3, 1e-5, 12345.678, 6e4, nan, inf, -inf]:
        record([value], [], dtype)
for value in [1e8, 1.00000001e8, 1e10, 1e21, 1.5e22, 1e-4, 9.9999e-5, 1e-310, 1.7e308, 0.1 + 0.2]:
    record([value], [], torch.float64)
for dtype in INTEGRAL:
    record([torch.iinfo(dtype).min], [], dtype)
for dtype in [*REAL, *COMPLEX, *INTEGRAL, torch.bool]:
    for shape in [[0], [0, 3], [2, 0, 1]]:
        record([], shape, dtype)

# Where one notation gives way to another: ratio 1000, largest 1e8, smallest 1e-4.
for dtype in [torch.float32, torch.float64]:
    for values in [
        [1, 1000], [1, 1001], [0.5, 500], [0.5, 500.5], [1e8], [1e8 + 8], [1e8 + 0.5], [1e-4, 0.05], [1.0001e-4, 0.05],
        [0.99e-4, 0.05], [0, 1e-5], [-0.0, 1000, 1], [-1, 1, 0], [0, 0.5, -0.0], [-1000, 999.5], [-12, 3, inf], [nan, nan],
        [inf, 1, 2], [-inf, 100], [-inf, 0.5], [nan, 1e9], [nan, 0], [inf, -inf, nan, 0, -0.0], [nan, 1e-20, inf, -1],
        [9.99995, 1], [99999.5, 99999.96], [0.99996, 0.5], [0.00014999, 0.1], [-0.00012, 0.01], [3e38, 1e-38],
    ]:  # fmt: skip
        record(values, dtype=dtype)

# Ties, which round to even.
record([0.03125, 0.09375, 0.15625, 0.21875, -0.03125, 2.03125])
record([1.00005e6, 1.00015e6, 9.99985e6, 9.99995e6, 1e10])
record([1000050, 1000150, 1000250, 9999950, 9999850, 2e9], dtype=torch.float64)
record([2.0**-13, 3 * 2.0**-13, 5 * 2.0**-13, 1.0], dtype=torch.float64)
for precision, sci_mode in itertools.product([0, 1, 3], [True, False, None]):
    record([0.5, 1.5, 2.5, 0.25, 0.75, 0.0625, 0.1875, -12.5, 4.5], precision=precision, sci_mode=sci_mode)
    record([15, 25, 250, 350, 95, 5, 1e22, 0], dtype=torch.float64, precision=precision, sci_mode=sci_mode)

# Lines of every length before each suffix, and rows that just fit.
for dtype, length, value in itertools.product([torch.float32, torch.float64], range(8, 22), [1.0, -10.0, 1.5]):
    if length < 18 or value == 1.0:
        record([value] * length, dtype=dtype)
for shape in [[2, 9], [2, 10], [2, 18], [1, 19], [1, 1, 24], [2, 1, 2, 2], [1, 2, 1, 2, 3], [2, 2, 2, 1, 1]]:
    record([k + 0.25 for k in range(math.prod(shape))], shape)
record(list(range(25)), [25], torch.int64)
record([-(10**k) for k in range(19)], [19], torch.int64)
record([2**63 - 1, -(2**63), 2**53 + 1], [3], torch.int64)
record([-128, 127, 0], [3, 1], torch.int8)
record([True, False] * 12, [2, 12], torch.bool)
record([True] * 30, [30], torch.bool)
for dtype in [torch.float16, torch.bfloat16]:
    record([0.1, -2.5, 1 / 3], dtype=dtype)
    record([1, 2048, 3], dtype=dtype)
    record([1e-7, 1], dtype=dtype)

# Complex numbers: each part has its own notation.
for dtype in COMPLEX:
    for values in [
        [1 + 2j], [0.5 - 1j, 3 + 0.25j], [complex(-0.0, -0.0), complex(0.0, 0.0)], [complex(nan, -inf), 1.5j],
        [complex(inf, nan), 1 + 1000.5j], [1e-6 + 1j, 1 - 1j], [-12 + 3j, 1 - 1000j], [1e9 + 1e-9j], [1 / 3 - 2j / 3] * 7,
    ]:  # fmt: skip
        record(values, dtype=dtype)
        record(values[:1], [], dtype)

# Summaries, of views of few elements: the elided ones take no part in the format.
ramp = [k / 4 for k in range(40)]
record(ramp, [1000], strides=[0])
record(ramp, [1001], strides=[0])
for shape, strides in [
    ([6, 167], [1, 0]), ([7, 143], [3, 0]), ([3, 400], [2, 0]), ([400, 3], [0, 2]), ([1001, 1], [0, 1]), ([1, 1001], [1, 0]),
    ([7, 7, 21], [1, 2, 0]), ([2, 7, 2, 40], [1, 3, 5, 0]), ([7, 1, 1, 7, 21], [3, 1, 1, 1, 0]), ([1048576, 1048576], [0, 0]),
]:  # fmt: skip
    record(ramp, shape, strides=strides)
    record([k * 7 % 11 for k in range(40)], shape, torch.int64, strides=strides)
record([1, 2, 3, 1e9] + [nan] * 400 + [4, 5, 6], [401], strides=[1], threshold=100)
record([1.5, -2, 3] + [1e-9] * 20 + [4, 5.25, 6], threshold=10)
record([k % 2 == 0 for k in range(12)], [12], torch.bool, threshold=5)
record([complex(k, -k / 2) for k in range(12)], [12], torch.complex64, threshold=5)
record([[1.5] * 3] * 12, [12, 3], torch.float64, threshold=5, edgeitems=1)

# Options.
for options in [
    {"profile": "short"}, {"profile": "full"}, {"precision": 8}, {"precision": 20}, {"linewidth": 30}, {"linewidth": 1},
    {"sci_mode": True}, {"sci_mode": False}, {"edgeitems": 0}, {"threshold": 0, "edgeitems": 0}, {"threshold": 0},
    {"threshold": 3, "edgeitems": 2, "linewidth": 40}, {"profile": "short", "precision": 3, "linewidth": 50},
]:  # fmt: skip
    record([k / 8 - 3 for k in range(40)], [4, 10], **options)
    record([k * 1e5 for k in range(12)], [12], torch.float64, **options)
    record([1e-5 * 7**k for k in range(8)], [2, 4], torch.float64, **options)
    record([0.0, -0.0, nan], [3], **options)
    record([5], [], torch.int64, **options)
    record([], [0], **options)
    record([0.5 - 1j, 12 + 1e-5j], [2], torch.complex64, **options)

# One case to a line.
lines = ",\n".join(json.dumps(case) for case in cases)
sys.stdout.write(f'{{"torch": "{torch.__version__.split("+")[0]}", "cases": [\n{lines}\n]}}\n')
