"""Random functions with known derivatives, over 12 orders of magnitude, beside kinks and domain edges."""

import numpy as np

TABLE = {
    "sin": (np.sin, np.cos),
    "exp": (np.exp, np.exp),
    "tanh": (np.tanh, lambda u: 1 / np.cosh(u) ** 2),
    "square": (lambda u: u * u, lambda u: 2 * u),
    "cube": (lambda u: u**3, lambda u: 3 * u**2),
    "log": (np.log, lambda u: 1 / u),
    "sqrt": (np.sqrt, lambda u: 0.5 / np.sqrt(u)),
    "reciprocal": (lambda u: 1 / u, lambda u: -1 / u**2),
    "relu": (lambda u: np.where(u.real > 0, u, 0), lambda u: np.where(u > 0, 1.0, 0.0)),
    "abs": (np.abs, np.sign),
}
"""A function of one number, and its derivative."""
SMOOTH = ("sin", "exp", "tanh", "square", "cube")
KINDS = {
    "smooth": SMOOTH,
    "wide": (*SMOOTH, "log", "sqrt", "reciprocal"),
    "edge": ("log", "sqrt", "reciprocal"),
    "kink": ("relu", "abs", "sin"),
    "float32": SMOOTH,
    "float16": SMOOTH,
}
"""Which functions of the table each kind adds up."""


def draw(kind, seed):
    """Return forward, backward and inputs of a sum of one to three random terms per entry and output."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    size, outputs = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    x = rng.uniform(0.3, 3, size) * rng.choice([-1, 1], size)
    if kind in ("wide", "edge"):
        x = x * 10.0 ** rng.uniform(-6, 6, size)
    terms = []
    for k in range(size):
        for _ in range(rng.integers(1, 4)):
            name = str(rng.choice(KINDS[kind]))
            positive, near = name in ("log", "sqrt", "reciprocal"), 10.0 ** rng.uniform(-6, 0)
            slope, shift = 10.0 ** rng.uniform(-2, 0.5) / x[k] * (1 if positive else rng.choice([-1, 1])), 0.0
            if kind in ("edge", "kink"):  # the edge, or the kink, is at x (1 - near)
                shift = -slope * x[k] * (1 - near * (1 if positive else rng.choice([-1, 1])))
            if kind == "kink" and rng.random() < 0.1:
                shift = -slope * x[k]
            size_of_term = 10.0 ** (rng.uniform(-6, 6) if kind == "wide" else rng.uniform(-1, 1))
            terms.append((int(rng.integers(outputs)), k, name, slope, shift, size_of_term * rng.choice([-1, 1])))
    return *summed(terms, size, outputs, kind if kind.startswith("float") else None), {"x": x}


def summed(terms, size, outputs, inside=None):
    """Return forward and backward of sums of terms c f(slope x_k + shift), each of one output; f may see fewer."""

    def forward(x):
        y = np.zeros(outputs, x.dtype)
        for j, k, name, slope, shift, c in terms:
            u = slope * x[k] + shift
            y[j] += c * TABLE[name][0](u.astype(inside) if inside else u)
        return y, x

    def backward(dy, x):
        dx = np.zeros(size)
        for j, k, name, slope, shift, c in terms:
            dx[k] += dy[j] * c * slope * TABLE[name][1](slope * x[k] + shift)
        return {"x": dx}

    return forward, backward
