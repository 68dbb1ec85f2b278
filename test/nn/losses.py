"""Records what PyTorch's losses give, with their gradients: python3 losses.py > losses.json"""
import json
import torch
from torch.nn import functional as F

torch.manual_seed(0)
real = lambda *shape: torch.randn(*shape, dtype=torch.float64)
TENSORS = {
    "x": real(4, 3), "y": real(4, 3), "z": real(4, 3), "image": real(2, 3, 2, 2), "row": real(3),
    "probabilities": torch.softmax(real(4, 3), 1), "unit": torch.rand(4, 3, dtype=torch.float64),
    "pixels": torch.softmax(real(2, 3, 2, 2), 1),
    "classes": torch.tensor([2, 0, 1, 2]), "some": torch.tensor([2, -100, 1, 1]), "none": torch.full((4,), -100),
    "areas": torch.tensor([[[0, 1], [2, 2]], [[1, 1], [0, 2]]]), "one": torch.tensor(1),
    "weight": torch.tensor([0.5, 2.0, 0.25], dtype=torch.float64), "signs": torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64),
    "signsOfAll": torch.tensor([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0], [1.0, 1.0, -1.0], [1.0, -1.0, -1.0]], dtype=torch.float64),
    "labels": torch.tensor([[2, 0, -1], [1, -1, 0], [-1, 1, 2], [0, 1, 2]]),
    "variances": torch.tensor([0.5, 1e-9, 2.0, 1.0], dtype=torch.float64),
}
CALLS = [
    *(["nll_loss", ["x", "classes"], k] for k in [{}, {"reduction": "sum"}, {"reduction": "none"}, {"weight": "weight"}]),
    *(["nll_loss", ["x", "some"], k] for k in [{}, {"weight": "weight"}, {"weight": "weight", "reduction": "none"}]),
    ["nll_loss", ["x", "classes"], {"ignore_index": 2, "weight": "weight"}],
    ["nll_loss", ["x", "none"], {"reduction": "sum"}],
    ["nll_loss", ["image", "areas"], {"weight": "weight", "ignore_index": 1}],
    ["nll_loss", ["image", "areas"], {"reduction": "none"}],
    ["nll_loss", ["row", "one"], {"weight": "weight", "reduction": "none"}],
    *(["cross_entropy", ["x", "some"], {"label_smoothing": 0.2, "weight": w, "reduction": r}]
      for w in [None, "weight"] for r in ["none", "mean", "sum"]),
    *(["cross_entropy", ["image", "areas"], {"label_smoothing": 0.1, "weight": "weight", "ignore_index": 0, "reduction": r}] for r in ["none", "mean"]),
    *(["cross_entropy", ["x", "probabilities"], {"label_smoothing": s, "weight": w, "reduction": r}]
      for s, w, r in [(0.0, None, "mean"), (0.1, None, "sum"), (0.1, "weight", "mean"), (0.0, "weight", "none")]),
    ["cross_entropy", ["image", "pixels"], {}],
    ["cross_entropy", ["row", "one"], {}],
    ["cross_entropy", ["row", "weight"], {"reduction": "sum"}],
    ["mse_loss", ["x", "y"], {}], ["mse_loss", ["x", "row"], {"reduction": "sum"}],
    ["l1_loss", ["x", "y"], {}], ["l1_loss", ["x", "x"], {"reduction": "none"}],
    ["smooth_l1_loss", ["x", "y"], {"beta": 0.5}], ["smooth_l1_loss", ["x", "y"], {"beta": 0.0, "reduction": "sum"}],
    ["huber_loss", ["x", "y"], {"delta": 0.5, "reduction": "none"}],
    ["binary_cross_entropy", ["unit", "probabilities"], {"weight": "row"}],
    ["binary_cross_entropy_with_logits", ["x", "unit"], {"weight": "row", "pos_weight": "weight", "reduction": "sum"}],
    ["kl_div", ["x", "probabilities"], {"reduction": "batchmean"}], ["kl_div", ["x", "y"], {"log_target": True}],
    ["poisson_nll_loss", ["x", "unit"], {"full": True}], ["poisson_nll_loss", ["unit", "probabilities"], {"log_input": False}],
    ["gaussian_nll_loss", ["x", "y", "variances"], {"full": True}], ["gaussian_nll_loss", ["x", "y", 0.5], {"reduction": "sum"}],
    ["hinge_embedding_loss", ["x", "signsOfAll"], {"margin": 0.5}],
    ["cosine_embedding_loss", ["x", "y", "signs"], {"margin": 0.1, "reduction": "none"}],
    ["margin_ranking_loss", ["x", "y", "signsOfAll"], {"margin": 0.3}],
    ["soft_margin_loss", ["x", "signsOfAll"], {}],
    ["triplet_margin_loss", ["x", "y", "z"], {"swap": True, "p": 3.0, "reduction": "none"}],
    ["multi_margin_loss", ["x", "classes"], {"p": 2, "margin": 0.8, "weight": "weight"}],
    ["multilabel_margin_loss", ["x", "labels"], {"reduction": "none"}],
    ["multilabel_soft_margin_loss", ["x", "unit"], {"weight": "weight"}],
]
DIFFERENTIABLE = {"x", "y", "z", "image", "row", "unit", "probabilities", "pixels"}
# PyTorch has no derivative with respect to these
WITHOUT = {("binary_cross_entropy", "row"), ("binary_cross_entropy_with_logits", "row")}


def numbers(t):
    return {"shape": list(t.shape), "values": [float(v) for v in t.flatten()]}


def record(name, args, kwargs):
    leaves = {n: t.clone().requires_grad_(n in DIFFERENTIABLE and (name, n) not in WITHOUT) for n, t in TENSORS.items()}
    of = lambda v: leaves[v] if isinstance(v, str) and v in leaves else v
    # 'none' is a reduction as well as a tensor
    out = getattr(F, name)(*map(of, args), **{k: v if k == "reduction" else of(v) for k, v in kwargs.items()})
    wanted = sorted({a for a in args if isinstance(a, str) and leaves[a].requires_grad})
    weights = torch.linspace(0.5, 1.5, out.numel(), dtype=torch.float64).reshape(out.shape)
    gradients = torch.autograd.grad((out * weights).sum(), [leaves[n] for n in wanted], allow_unused=True)
    return {
        "call": name, "args": args, "kwargs": kwargs, "output": numbers(out),
        "gradients": {n: None if g is None else numbers(g + 0) for n, g in zip(wanted, gradients)},
    }


print(json.dumps({
    "torch": torch.__version__,
    "tensors": {n: {**numbers(t), "dtype": str(t.dtype)[6:], "leaf": n in DIFFERENTIABLE} for n, t in TENSORS.items()},
    "calls": [record(*call) for call in CALLS],
}))
