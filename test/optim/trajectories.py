"""Records how PyTorch's optimizers move two parameters in ten steps: python3 trajectories.py > trajectories.json"""
import json
import torch

CASES = [
    ["SGD", {"lr": 0.1}],
    ["SGD", {"lr": 0.1, "maximize": True}],
    ["SGD", {"lr": 0.1, "weight_decay": 0.2}],
    ["SGD", {"lr": 0.1, "momentum": 0.9}],
    ["SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}],
    ["SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}],
    ["SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": True}],
    ["Adam", {}],
    ["Adam", {"lr": 0.05, "betas": [0.8, 0.9], "eps": 1e-3}],
    ["Adam", {"lr": 0.05, "betas": [0.4, 0.9], "weight_decay": 0.3}],
    ["Adam", {"lr": 0.05, "amsgrad": True}],
    ["Adam", {"lr": 0.05, "amsgrad": True, "weight_decay": 0.1, "maximize": True}],
    ["Adam", {"lr": 0.05, "weight_decay": 0.3, "decoupled_weight_decay": True}],
    ["AdamW", {"lr": 0.05}],
    ["AdamW", {"lr": 0.05, "weight_decay": 0.5, "amsgrad": True}],
]


def run(name, options, dtype):
    weight = torch.tensor([[0.5, -1.0, 0.25], [2.0, 0.125, -0.75]], dtype=dtype, requires_grad=True)
    bias = torch.tensor([0.1, -0.2, 0.3], dtype=dtype, requires_grad=True)
    x = torch.tensor([[1.0, 2.0], [-1.5, 0.5], [0.25, -2.0], [3.0, 1.0]], dtype=dtype)
    y = torch.tensor([[0.5, -0.5, 0.0], [1.0, 0.25, -1.0], [0.0, 0.75, 0.5], [-0.25, 0.0, 1.0]], dtype=dtype)
    optimizer = getattr(torch.optim, name)([weight, bias], **options)
    steps = []
    for step in range(10):
        optimizer.zero_grad()
        # the gradient vanishes in some steps, where only what was before moves the parameters
        loss = ((x @ weight + bias).tanh() - y).square().sum() * (step % 4 != 2)
        loss.backward()
        optimizer.step()
        steps.append([loss.item(), *weight.flatten().tolist(), *bias.tolist()])
    return steps


print(json.dumps({
    "torch": torch.__version__,
    "cases": [
        {"optimizer": name, "options": options, "dtype": dtype, "steps": run(name, options, getattr(torch, dtype))}
        for name, options in CASES
        for dtype in ["float64", "float32"]
    ],
}))
