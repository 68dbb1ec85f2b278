"""The programs of ../rows.ts in PyTorch, eager."""

import os

import torch
import torch.nn.functional as F
from torch import nn

import data
from serve import Library, serve

torch.set_num_threads(int(os.environ['BENCH_THREADS']))


def leaf(shape, seed, scale=1.0):
    count = torch.Size(shape).numel()
    return torch.from_numpy(data.uniform(count, seed, scale)).reshape(shape).requires_grad_()


def taken(x):
    """The gradient of a leaf, which is cleared."""
    grad, x.grad = x.grad, None
    return grad


def layer(inputs, outputs, seed):
    made = nn.Linear(inputs, outputs)
    weight, bias = data.linear(inputs, outputs, seed)
    made.load_state_dict({'weight': torch.from_numpy(weight), 'bias': torch.from_numpy(bias)})
    return made


def scalar(record):
    x = torch.tensor(1.5, requires_grad=record)
    y = torch.tensor(0.75)
    return lambda: [x * y]


def poly():
    x = torch.tensor(2.0, requires_grad=True)

    def step():
        y = 9 * x**4 + 2 * x**3 + 3 * x**2 + 6 * x + 1
        y.backward()
        return [y, taken(x)]

    return step


def chain(n):
    x = torch.tensor(0.5, requires_grad=True)
    a = torch.tensor(1.0, requires_grad=True)
    b = torch.tensor(2.0**-21, requires_grad=True)

    def step():
        y = x
        for _ in range(n):
            y = y * a + b
        y.backward()
        return [y.detach(), taken(x), taken(a), taken(b)]

    return step


def pointwise(n):
    x, y = leaf([n], 1), leaf([n], 2)

    def step():
        loss = torch.tanh(x * y + torch.exp(-x)).sum()
        loss.backward()
        return [loss, taken(x), taken(y)]

    return step


REDUCTIONS = {
    'sum': lambda x: x.sum(),
    'max-last': lambda x: x.amax(1),
    'max-first': lambda x: x.amax(0),
    'var': lambda x: x.var(),
}


def reduce(n, what):
    x, function = leaf([n, n], 1).detach(), REDUCTIONS[what]
    return lambda: [function(x)]


def softmax(rows, classes):
    logits = leaf([rows, classes], 1, 4.0)
    target = torch.from_numpy(data.labels(rows, classes, 2))

    def step():
        loss = F.cross_entropy(logits, target)
        loss.backward()
        return [loss, taken(logits)]

    return step


def matmul(n):
    a, b, cotangent = leaf([n, n], 1), leaf([n, n], 2), leaf([n, n], 3).detach()

    def step():
        product = a @ b
        product.backward(cotangent)
        return [product, taken(a), taken(b)]

    return step


def training(model, optimizer, loss_of, x, y):
    def step():
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return [loss]

    return step


def mlp_tiny():
    model = nn.Sequential(layer(2, 16, 1), nn.Tanh(), layer(16, 1, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x = leaf([32, 2], 5).detach()
    return training(model, optimizer, F.mse_loss, x, leaf([32, 1], 6).detach())


def mlp():
    model = nn.Sequential(layer(784, 256, 1), nn.ReLU(), layer(256, 128, 3), nn.ReLU(), layer(128, 10, 5))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    x = leaf([64, 784], 7).detach()
    return training(model, optimizer, F.cross_entropy, x, torch.from_numpy(data.labels(64, 10, 8)))


def attention(batch, tokens, width, heads):
    to_qkv, to_out = layer(width, 3 * width, 1), layer(width, width, 3)
    x = leaf([batch, tokens, width], 5)
    leaves = [x, *to_qkv.parameters(), *to_out.parameters()]

    def step():
        qkv = to_qkv(x).reshape(batch, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        loss = to_out(mixed.transpose(1, 2).reshape(batch, tokens, width)).square().mean()
        loss.backward()
        return [loss, *map(taken, leaves)]

    return step


serve(
    Library(
        about={'version': torch.__version__, 'threads': torch.get_num_threads()},
        programs={
            'scalar': scalar,
            'poly': poly,
            'chain': chain,
            'pointwise': pointwise,
            'reduce': reduce,
            'softmax': softmax,
            'matmul': matmul,
            'mlp-tiny': mlp_tiny,
            'mlp': mlp,
            'attention': attention,
        },
        read=lambda x: x.detach().numpy(),
    )
)
