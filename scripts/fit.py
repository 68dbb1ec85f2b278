"""Finds the coefficients of src/kernels/approx.ts, narrow-approx.ts and host-math.ts and prints them, lowest power first.

Run with Python 3, numpy and mpmath. Beside each table stands the largest relative error of the approximation itself,
before any rounding.
"""

import mpmath as mp
import numpy as np

mp.mp.dps = 50


def minimax(f, low, high, n, m=0):
    """p/q of degrees n and m, q(0) = 1, whose largest relative error on [low, high] is least.

    Lawson's method: least squares over Chebyshev nodes, each node's weight multiplied by its error from round to round
    until the errors are level. The quotient is made linear in its coefficients by the denominator of the round before.
    """
    nodes = 400
    x = (low + high) / 2 + (high - low) / 2 * np.cos(np.pi * (np.arange(nodes) + 0.5) / nodes)
    y = np.array([float(f(mp.mpf(v))) for v in x])
    scale = max(abs(low), abs(high))
    powers = np.stack([(x / scale) ** k for k in range(max(n, m) + 1)], axis=1)
    weight, q, least = np.ones(nodes) / nodes, np.ones(nodes), np.inf
    for _ in range(100):
        row = np.sqrt(weight) / (y * q)
        system = np.concatenate([powers[:, : n + 1], -y[:, None] * powers[:, 1 : m + 1]], axis=1)
        solution = np.linalg.lstsq(system * row[:, None], y * row, rcond=None)[0]
        p, q = powers[:, : n + 1] @ solution[: n + 1], 1 + powers[:, 1 : m + 1] @ solution[n + 1 :]
        error = abs(p / q / y - 1)
        if error.max() < least:
            least, best = error.max(), solution
        weight *= error
        weight /= weight.sum()
    numerator = [c / scale**k for k, c in enumerate(best[: n + 1])]
    return least, numerator, [1] + [c / scale**k for k, c in enumerate(best[n + 1 :], 1)]


def chebyshev(f, low, high, n):
    """A polynomial of degree n near the minimax one, from many digits: for float64."""
    coefficients, error = mp.chebyfit(f, [low, high], n + 1, error=True)
    return error, coefficients[::-1], [1]


def odd(f):
    """f(x) / x as a function of x^2."""
    return lambda z: f(mp.sqrt(z)) / mp.sqrt(z) if z else mp.diff(f, 0)


def print_table(name, fitted):
    error, *quotient = fitted
    print(f'{name}: {float(error):.2g}')
    for table in quotient:
        if len(table) > 1:
            print('  [' + ', '.join(repr(float(c)) for c in table) + ']')


# m in [1/c, 2/c) with c = 181/128 puts s = (m - 1) / (m + 1) into this range
s = (2 - 181 / 128) / (2 + 181 / 128)
scaled_erfc = lambda x: mp.exp(x * x) * mp.erfc(x)

print_table('(2^(f/4) - 1) / f, f in [-1/2, 1/2]', minimax(lambda f: mp.expm1(f / 4 * mp.log(2)) / f, -0.5, 0.5, 4))
print_table('(2^f - 1) / f', minimax(lambda f: mp.expm1(f * mp.log(2)) / f, -0.5, 0.5, 6))
for n in 4, 5:
    print_table(
        'float32: (e^f - 1 - f) / f^2 in powers of f, |f| <= 0.3475',
        minimax(lambda f: (mp.expm1(f) - f) / f**2, -0.3475, 0.3475, n),
    )
print_table(
    'float32: (tanh(x) / x - 1) / x^2 in x^2, x in [0, 0.7]',
    minimax(lambda z: (odd(mp.tanh)(z) - 1) / z, 0, 0.7**2, 5),
)
print_table(
    'float32: (log(1 + f) - f) / f^2 in powers of f, f in [-1/4, 1/2]',
    minimax(lambda f: (mp.log1p(f) - f) / f**2, -0.25, 0.5, 9),
)
print_table('2 atanh(s) / s in s^2', minimax(odd(lambda s: 2 * mp.atanh(s)), 0, s * s, 3))
print_table('the same for pow', minimax(odd(lambda s: 2 * mp.atanh(s)), 0, s * s, 4))
print_table('sin(r) / r in r^2, r in [0, pi/2]', minimax(odd(mp.sin), 0, (np.pi / 2) ** 2, 5))
print_table('tan(r) / r in r^2, r in [0, pi/4]', minimax(odd(mp.tan), 0, (np.pi / 4) ** 2, 2, 2))
print_table('atan(q) / q in q^2, q in [0, 1]', minimax(odd(mp.atan), 0, 1, 10))
print_table('tanh(x) / x in x^2, x in [0, 9.05]', minimax(odd(mp.tanh), 0, 9.05**2, 4, 5))
print_table('erf(x) / x in x^2, x in [0, 3.93]', minimax(odd(mp.erf), 0, 3.93**2, 6, 6))
print_table(
    'exp(x^2) erfc(x) / t in t = 1 / (1 + 0.3 x), x in [0, 10.1]',
    minimax(lambda t: scaled_erfc((1 / t - 1) / mp.mpf(0.3)) / t, 1 / (1 + 0.3 * 10.1), 1, 10),
)
print_table('float64: erf(x) / x in x^2, x in [0, 1/2]', chebyshev(odd(mp.erf), 0, 0.25, 9))
print_table(
    'float64: (1 + 2 x) exp(x^2) erfc(x) in u = (x - 3) / (x + 3), x in [1/2, 27.5]',
    chebyshev(lambda u: (lambda x: (1 + 2 * x) * scaled_erfc(x))(3 * (1 + u) / (1 - u)), -2.5 / 3.5, 24.5 / 30.5, 21),
)
