"""Records what PyTorch draws for calls that depend on memory layout, dtype and training mode: python3 draws.py > draws.json"""
import json
import torch
from torch.nn import functional as F

torch_of = lambda f: lambda *args: f(*args[:-1], dtype=args[-1]) if isinstance(args[-1], torch.dtype) else f(*args)
scope = {
    "float64": torch.float64, "int32": torch.int32, "int64": torch.int64, "uint8": torch.uint8, "bool": torch.bool,
    "empty": torch_of(torch.empty), "ones": torch_of(torch.ones), "rand": torch_of(torch.rand), "tensor": torch_of(torch.tensor),
    "randLike": torch.rand_like, "randnLike": torch.randn_like, "randintLike": torch.randint_like,
    "randperm": torch_of(torch.randperm), "normal": torch.normal, "bernoulli": torch.bernoulli, "multinomial": torch.multinomial,
    "linspace": torch.linspace, "dropout": F.dropout, "dropout1d": F.dropout1d, "dropout2d": F.dropout2d, "dropout3d": F.dropout3d,
    "alphaDropout": lambda x, p: F.alpha_dropout(x, p, training=True),
    "featureAlphaDropout": lambda x, p: F.feature_alpha_dropout(x, p, training=True),
    "rrelu": lambda x, lower, upper: F.rrelu(x, lower, upper, training=True),
    "init": torch.nn.init, "math": __import__("math"),
}
scope["init"].truncNormal_ = torch.nn.init.trunc_normal_
scope["init"].xavierUniform_ = torch.nn.init.xavier_uniform_
scope["init"].xavierNormal_ = torch.nn.init.xavier_normal_
scope["init"].kaimingNormal_ = torch.nn.init.kaiming_normal_

CALLS = """
empty(4, 3).t().uniform_()
empty(2, 3, 4).permute(2, 0, 1).uniform_(-1, 1)
empty(3, 4).narrow(1, 1, 2).uniform_()
empty(4, float64).uniform_(0.1, 0.7)
empty(5, 4).t().normal_()
empty(5, 4).normal_(1, 2)
empty(6, 6).narrow(1, 0, 3).normal_()
empty(4, 3).t().exponential_(2)
empty(4, 3).t().bernoulli_(0.3)
empty(2, 3).bernoulli_(tensor([0.2, 0.5, 0.9]))
empty(3, 2).t().bernoulli_(tensor([0.2, 0.5, 0.9]))
empty(2, 3).bernoulli_(tensor([0.2, 0.5, 0.9], float64))
empty(6, bool).bernoulli_(0.5)
empty(3).random_()
empty(3, float64).random_()
empty(3, int64).random_()
empty(3, int32).random_()
empty(8, uint8).random_()
empty(8, bool).random_()
empty(4, int64).random_(5)
empty(4, 2).t().random_(-3, 9)
randLike(ones(4, 3).t())
randLike(ones(3, 4).narrow(1, 1, 2).t())
randnLike(ones(5, 4).t())
randnLike(ones(5, 4))
randintLike(ones(4, 3).t(), 10)
randintLike(ones(3), -5, 5)
bernoulli(ones(4, 3).t(), 0.4)
randperm(7, int32)
bernoulli(linspace(0, 1, 12).reshape(4, 3).t())
bernoulli(tensor([0.5, 0.25, 0.75], float64))
normal(tensor([1., 2., 3.]), 0.5)
normal(0.5, tensor([1., 2., 3.]))
normal(tensor([1., 2., 3.]), tensor([[0.1], [10.]]))
normal(ones(5, 4).t(), 1.5)
multinomial(tensor([[0.1, 0.2, 0.7], [5., 1., 1.]]), 2)
multinomial(tensor([[0.1, 0.2, 0.7], [5., 1., 1.]], float64), 4, True)
dropout(ones(4, 3).t(), 0.5)
dropout(ones(3, 4), 0.0)
dropout(ones(3, 4), 1.0)
dropout(ones(5, float64), 0.3)
dropout1d(ones(3, 4), 0.5)
dropout2d(ones(2, 3, 2, 2), 0.4)
dropout3d(ones(2, 1, 2, 2), 0.5)
alphaDropout(linspace(-2, 2, 9), 0.3)
featureAlphaDropout(ones(2, 3, 2), 0.5)
rrelu(tensor([-1., 2., 0., -3., -0.5]), 0.1, 0.4)
init.truncNormal_(empty(20))
init.truncNormal_(empty(3, 4), 1, 0.5, 0.8, 1.1)
init.xavierUniform_(empty(3, 4), 2)
init.xavierNormal_(empty(3, 4, 2))
init.kaimingNormal_(empty(4, 5), math.sqrt(5))
""".strip().splitlines()


def record(call):
    torch.manual_seed(7)
    out = eval(call, scope)
    # what the call leaves of the stream
    return {"call": call, "dtype": str(out.dtype)[6:], "shape": list(out.shape), "values": out.flatten().tolist(), "next": torch.rand(1).item()}


print(json.dumps({"torch": torch.__version__, "seed": 7, "calls": [record(call) for call in CALLS]}))
