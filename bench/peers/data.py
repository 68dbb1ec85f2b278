"""The numbers that every library starts from: those of ../data.ts."""

import math

import numpy as np


def mix(index):
    """Mixes the bits of an index, so that neighbours have nothing in common."""
    bits = (index ^ (index >> np.uint32(16))) * np.uint32(0x21F0AAAD)
    bits = (bits ^ (bits >> np.uint32(15))) * np.uint32(0x735A2D97)
    return bits ^ (bits >> np.uint32(15))


def indices(count, seed):
    return np.arange(count, dtype=np.uint32) + np.uint32(seed * 0x9E3779B9 % 2**32)


def uniform(count, seed, scale=1.0):
    """`count` numbers between -scale and scale."""
    return (((mix(indices(count, seed)) >> np.uint32(8)) / 2.0**23 - 1) * scale).astype(np.float32)


def labels(count, classes, seed):
    """`count` whole numbers from 0 to `classes` - 1."""
    return (mix(indices(count, seed)) % np.uint32(classes)).astype(np.int64)


def linear(inputs, outputs, seed):
    """Weight and bias of a linear layer, [out, in] and [out], in the range that PyTorch would draw them from."""
    scale = 1 / math.sqrt(inputs)
    return uniform(outputs * inputs, seed, scale).reshape(outputs, inputs), uniform(outputs, seed + 1, scale)
