"""Records functions of zeros, infinities and NaN, with their derivatives: python3 special_values.py > special-values.json"""
import json
import torch

VALUES = [0.0, -0.0, 1.0, -2.5, float("inf"), -float("inf"), float("nan"), 3.0]
UNARY = ["sinc", "sgn", "deg2rad", "rad2deg"]
BINARY = ["fmax", "fmin", "logaddexp", "logaddexp2", "xlogy", "copysign", "heaviside", "ldexp", "float_power", "true_divide", "isclose"]


def texts(t):
    # a tensor of zeros may come without memory: adding makes it an ordinary one
    return [str(v) for v in (t + torch.zeros(t.shape, dtype=torch.float64)).tolist()]


def record(name, *inputs):
    inputs = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in inputs]
    out = getattr(torch, name)(*inputs)
    gradients = None
    if out.requires_grad and name != "heaviside":
        gradients = [texts(g) for g in torch.autograd.grad(out.sum(), inputs)]
    return {"call": name, "output": [str(float(v)) for v in out.tolist()], "gradients": gradients}


pairs = [(a, b) for a in VALUES for b in VALUES]
print(json.dumps({
    "torch": torch.__version__,
    "values": [str(v) for v in VALUES],
    "calls": [record(n, VALUES) for n in UNARY] + [record(n, *map(list, zip(*pairs))) for n in BINARY],
}))
