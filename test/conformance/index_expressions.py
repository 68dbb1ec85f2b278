"""Records index-expressions.json: what PyTorch's x[...] picks, for many index expressions.

    python3 index_expressions.py > index-expressions.json

Every x holds 0, 1, 2, ... in its shape. Fields of a case:
    shape    of x
    items    what stands between the brackets: numbers, booleans, null and nested arrays are themselves, "..." is the ellipsis,
             {slice: [start, stop, step]}, {tensor: dtype, shape, data}
    error    PyTorch's message, if it refuses; otherwise
    picked   {shape, data} of x[...]
    view     whether it shares the memory of x
    grad     the gradient of the sum of 1, 2, 3, ... times the elements picked, flat
    put      x after x[...] = -1, -2, -3, ..., flat; null where an element is picked more than once
"""

import json
import random
import sys
import warnings

import torch

warnings.simplefilter("ignore")
random.seed(0)


def tensor(data, dtype="int64"):
    t = torch.tensor(data, dtype=getattr(torch, dtype))
    return {"tensor": dtype, "shape": list(t.shape), "data": t.flatten().tolist()}


def cut(*bounds):
    return {"slice": [*bounds, None, None, None][:3]}


def decode(item):
    if item == "...":
        return ...
    if isinstance(item, dict) and "slice" in item:
        return slice(*item["slice"])
    if isinstance(item, dict):
        return torch.tensor(item["data"], dtype=getattr(torch, item["tensor"])).reshape(item["shape"])
    return item


def record(shape, *items):
    n = torch.Size(shape).numel()
    x = torch.arange(float(n)).reshape(shape)
    index = tuple(decode(item) for item in items)
    case = {"shape": shape, "items": items}
    try:
        picked = x[index]
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        return case | {"error": str(error)}
    weights = torch.arange(1.0, picked.numel() + 1).reshape(picked.shape)
    leaf = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad((leaf[index] * weights).sum(), leaf)
    put = None
    if picked.unique().numel() == picked.numel():
        put = x.clone()
        put[index] = -weights
        put = put.int().flatten().tolist()
    return case | {
        "picked": {"shape": list(picked.shape), "data": picked.int().flatten().tolist()},
        "view": picked._base is not None,
        "grad": grad.int().flatten().tolist(),
        "put": put,
    }


SHAPE = [3, 4, 2]
mask = lambda shape: tensor((torch.rand(shape, generator=generator) > 0.5).tolist(), "bool")  # noqa: E731
generator = torch.Generator().manual_seed(0)
VOCABULARY = [
    0, 1, -1, -2, None, None, True, False, "...", "...",
    cut(), cut(1), cut(None, -1), cut(-2, None), cut(None, None, 2), cut(1, 100), cut(3, 1), cut(-100, 2),
    [0, 1], [-1, 0], [1], [[0, 1], [1, 0]], [[0], [1]], [], [True, False, True], [False, True],
    tensor([0, 1]), tensor([1, 1, 0]), tensor([[0, -1]], "int32"), tensor(1), tensor(-1, "int32"), tensor([1, 0], "int32"),
    tensor([True, False, True], "bool"), tensor([False, True], "bool"), tensor([True, True, False, True], "bool"),
    tensor(True, "bool"), tensor(False, "bool"), mask([3, 4]), mask([4, 2]), mask([3, 4, 2]),
]  # fmt: skip
cases = [
    record(SHAPE),
    record(SHAPE, 3),
    record(SHAPE, -4),
    record(SHAPE, 0, 4),
    record(SHAPE, 0, 0, 0, 0),
    record(SHAPE, [3]),
    record(SHAPE, cut(), [-5]),
    record(SHAPE, [0, 1], [0, 1, 2]),
    record(SHAPE, tensor([0.5], "float32")),
    record(SHAPE, tensor([True] * 4, "bool")),
    record(SHAPE, cut(None, None, -1)),
    record(SHAPE, cut(None, None, 0)),
    record([], 0),
    record([]),
    record([], "..."),
    record([], None, True),
    record([], tensor(True, "bool")),
    record([], tensor(False, "bool")),
    record([0, 2], tensor([], "int64")),
    record([0, 2], cut(), [1]),
    record([0, 2], [0]),
    record([2, 3, 2, 2], cut(), [0, 1], cut(), [1, 0]),
    record([2, 3, 2, 2], cut(), [0, 1], [1, 0]),
    record([2, 3, 2, 2], 0, cut(), [1, 0]),
    record([2, 3, 2, 2], [1, 0], 0, [1, 0]),
    record([2, 3, 2, 2], [1], None, [0]),
    record([2, 3, 2, 2], tensor([[0], [1]]), cut(), tensor([[0, 1, 1]])),
]
cases += [record(SHAPE, item) for item in VOCABULARY]
seen = set()
while len(seen) < 360:
    items = random.choices(VOCABULARY, k=random.choice([2, 2, 3, 3, 4]))
    key = json.dumps(items)
    # a second ellipsis is an error here and stands for nothing there
    if key in seen or items.count("...") > 1:
        continue
    case = record(SHAPE, *items)
    # of those that are refused, and of those that pick nothing, a few are enough
    if ("error" in case or 0 in case["picked"]["shape"]) and random.random() < 0.9:
        continue
    seen.add(key)
    cases.append(case)

lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
sys.stdout.write(f'{{"torch": "{torch.__version__.split("+")[0]}", "cases": [\n{lines}\n]}}\n')
