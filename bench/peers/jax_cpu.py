"""The programs of ../rows.ts in JAX, each step compiled by jit, on the processor. Loops are `lax.scan`."""

import math
import os

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import data
from serve import Library, serve


def array(shape, seed, scale=1.0):
    return jnp.asarray(data.uniform(math.prod(shape), seed, scale).reshape(shape))


def layer(inputs, outputs, seed):
    weight, bias = data.linear(inputs, outputs, seed)
    return jnp.array(weight.T), jnp.array(bias)


def apply(weights, x):
    kernel, bias = weights
    return x @ kernel + bias


def results(compiled, *arguments):
    """A step that calls a compiled function and lists what it returns."""
    return lambda: jax.tree.leaves(compiled(*arguments))


def scalar(record):
    x, y = jnp.float32(1.5), jnp.float32(0.75)
    multiply = jax.jit(lambda x, y: x * y)
    return (lambda: [jax.vjp(multiply, x, y)[0]]) if record else results(multiply, x, y)


def poly():
    def f(x):
        return 9 * x**4 + 2 * x**3 + 3 * x**2 + 6 * x + 1

    return results(jax.jit(jax.value_and_grad(f)), jnp.float32(2))


def chain(n):
    def f(x, a, b):
        return lax.scan(lambda y, _: (y * a + b, None), x, length=n)[0]

    return results(jax.jit(jax.value_and_grad(f, (0, 1, 2))), jnp.float32(0.5), jnp.float32(1), jnp.float32(2.0**-21))


def pointwise(n):
    def f(x, y):
        return jnp.tanh(x * y + jnp.exp(-x)).sum()

    return results(jax.jit(jax.value_and_grad(f, (0, 1))), array([n], 1), array([n], 2))


REDUCTIONS = {
    'sum': lambda x: x.sum(),
    'max-last': lambda x: x.max(1),
    'max-first': lambda x: x.max(0),
    'var': lambda x: x.var(ddof=1),
}


def reduce(n, what):
    return results(jax.jit(REDUCTIONS[what]), array([n, n], 1))


def cross_entropy(logits, target):
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), target[:, None], 1)
    return -chosen.mean()


def softmax(rows, classes):
    target = jnp.asarray(data.labels(rows, classes, 2))
    return results(jax.jit(jax.value_and_grad(cross_entropy)), array([rows, classes], 1, 4.0), target)


def matmul(n):
    def f(a, b, cotangent):
        product, pullback = jax.vjp(jnp.matmul, a, b)
        return product, pullback(cotangent)

    return results(jax.jit(f), array([n, n], 1), array([n, n], 2), array([n, n], 3))


def training(update, state):
    """A step that moves a state on."""

    def step():
        nonlocal state
        state, loss = update(state)
        return [loss]

    return step


def mlp_tiny():
    x, y = array([32, 2], 5), array([32, 1], 6)

    def loss_of(weights, x, y):
        first, second = weights
        return jnp.square(apply(second, jnp.tanh(apply(first, x))) - y).mean()

    @jax.jit
    def update(weights, x, y):
        loss, grads = jax.value_and_grad(loss_of)(weights, x, y)
        return jax.tree.map(lambda w, g: w - 0.01 * g, weights, grads), loss

    return training(lambda weights: update(weights, x, y), (layer(2, 16, 1), layer(16, 1, 3)))


def mlp():
    x, y = array([64, 784], 7), jnp.asarray(data.labels(64, 10, 8))

    def loss_of(weights, x, y):
        first, second, third = weights
        hidden = jax.nn.relu(apply(second, jax.nn.relu(apply(first, x))))
        return cross_entropy(apply(third, hidden), y)

    def adam(w, g, m, v, t):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        return w - 1e-4 * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), m, v

    @jax.jit
    def update(state, x, y):
        weights, m, v, t = state
        loss, grads = jax.value_and_grad(loss_of)(weights, x, y)
        moved = jax.tree.map(lambda *leaves: adam(*leaves, t), weights, grads, m, v)
        weights, m, v = jax.tree.transpose(jax.tree.structure(weights), jax.tree.structure((0, 0, 0)), moved)
        return (weights, m, v, t + 1), loss

    weights = layer(784, 256, 1), layer(256, 128, 3), layer(128, 10, 5)
    zeros = jax.tree.map(jnp.zeros_like, weights)
    return training(lambda state: update(state, x, y), (weights, zeros, zeros, jnp.float32(1)))


def attention(batch, tokens, width, heads):
    def f(x, to_qkv, to_out):
        qkv = apply(to_qkv, x).reshape(batch, tokens, 3, heads, width // heads)
        mixed = jax.nn.dot_product_attention(qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2], is_causal=True)
        return jnp.square(apply(to_out, mixed.reshape(batch, tokens, width))).mean()

    leaves = array([batch, tokens, width], 5), layer(width, 3 * width, 1), layer(width, width, 3)
    return results(jax.jit(jax.value_and_grad(f, (0, 1, 2))), *leaves)


serve(
    Library(
        about={'version': jax.__version__, 'threads': int(os.environ['BENCH_THREADS'])},
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
        read=np.asarray,
        finish=jax.block_until_ready,
    )
)
