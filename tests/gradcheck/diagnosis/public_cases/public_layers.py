"""Norms, convolution, embedding, attention, residual blocks, tied weights and losses, examples first."""

import numpy as np
from gradcheck.diagnosis.public_cases.public_case import Pair, PublicCase, changed, softmax, with_change

EPS = 1e-5


def norm_pair(layer, axis):
    shape = (6, 4)

    def inputs(rng):
        return {
            "x": 1.5 * rng.standard_normal(shape) + 0.5,
            "gamma": rng.uniform(0.5, 2, 4),
            "beta": rng.standard_normal(4),
        }

    def forward(x, gamma, beta):
        centred = x - x.mean(axis, keepdims=True)
        std = np.sqrt((centred**2).mean(axis, keepdims=True) + EPS)
        return gamma * centred / std + beta, {"x": x, "xhat": centred / std, "std": std, "gamma": gamma}

    def backward(dy, k, over=axis, through_mean=1.0, through_std=1.0, scale=True, power=1):
        dxhat = dy * k["gamma"] if scale else dy
        mean = dxhat.mean(over, keepdims=True)
        along = k["xhat"] * (dxhat * k["xhat"]).mean(over, keepdims=True)
        dx = (dxhat - through_mean * mean - through_std * along) / k["std"] ** power
        return {"x": dx, "gamma": (dy * k["xhat"]).sum(0), "beta": dy.sum(0)}

    return Pair(layer, inputs, forward, backward)


BATCH, LAYER = norm_pair("batch norm", 0), norm_pair("layer norm", 1)
NORM_CASES = [
    PublicCase(BATCH, "the standard deviation is taken for a constant", with_change(BATCH, through_std=0), ("x",),
               ("along: cache['xhat']", "along: x plus a constant")),
    PublicCase(BATCH, "the mean is taken for a constant", with_change(BATCH, through_mean=0), ("x",),
               ("along: one number all along axis 0",)),
    PublicCase(BATCH, "sums stand where means belong", with_change(BATCH, through_mean=6, through_std=6), ("x",),
               ("along: x",)),
    PublicCase(BATCH, "dgamma takes x for the normalised x",
               changed(BATCH, gamma=lambda g, dy, k: (dy * k["x"]).sum(0)),
               ("gamma",), ("operand: x is used where cache['xhat'] belongs",)),
    PublicCase(BATCH, "dbeta is a mean over the batch", changed(BATCH, beta=lambda g, dy, k: dy.mean(0)), ("beta",),
               ("factor: 1/6",)),
    PublicCase(BATCH, "dx forgets gamma", with_change(BATCH, scale=False), ("x",), ("factor: 1/gamma",)),
    PublicCase(BATCH, "dgamma and dbeta are exchanged",
               changed(BATCH, gamma=lambda g, dy, k: g["beta"], beta=lambda g, dy, k: g["gamma"]), ("gamma", "beta"),
               ("swapped",)),
    PublicCase(BATCH, "dx is divided by the variance", with_change(BATCH, power=2), ("x",),
               ("factor: 1/cache['std']",)),
    PublicCase(BATCH, "means run over the features", with_change(BATCH, over=1), ("x",), ("mixed: axis 1",)),
    PublicCase(BATCH, "the standard deviation's term has the wrong sign", with_change(BATCH, through_std=-1), ("x",),
               ("along: cache['xhat']", "along: x plus a constant")),
    PublicCase(LAYER, "means run over the batch", with_change(LAYER, over=0), ("x",), ("mixed: axis 0",)),
    PublicCase(LAYER, "the standard deviation is taken for a constant", with_change(LAYER, through_std=0), ("x",),
               ("along: cache['xhat']", "along: x plus a constant")),
    PublicCase(LAYER, "dgamma takes x for the normalised x",
               changed(LAYER, gamma=lambda g, dy, k: (dy * k["x"]).sum(0)),
               ("gamma",), ("operand: x is used where cache['xhat'] belongs",)),
    PublicCase(LAYER, "sums stand where means belong", with_change(LAYER, through_mean=4, through_std=4), ("x",),
               ("along: x",)),
]  # fmt: skip


def softmax_forward(z):
    p = softmax(z)
    return p, p


SOFTMAX = Pair("softmax", lambda rng: {"z": rng.standard_normal((5, 3))}, softmax_forward,
               lambda dy, p: {"z": p * (dy - (dy * p).sum(1, keepdims=True))})  # fmt: skip


def log_softmax_forward(z):
    top = z - z.max(1, keepdims=True)
    return top - np.log(np.exp(top).sum(1, keepdims=True)), softmax(z)


LOG_SOFTMAX = Pair("log-softmax", lambda rng: {"z": rng.standard_normal((5, 3))}, log_softmax_forward,
                   lambda dy, p: {"z": dy - p * dy.sum(1, keepdims=True)})  # fmt: skip


def entropy_inputs(rng):
    return {"z": rng.standard_normal((5, 3)), "labels": rng.integers(0, 3, 5)}


def entropy_forward(z, labels):
    p = softmax(z)
    return -np.log(p[np.arange(len(z)), labels]).mean(), (p, labels)


def entropy_backward(dy, cache, divide=True, late=False):
    p, labels = cache
    dz = p / len(p) if late else p.copy()
    dz[np.arange(len(p)), labels] -= 1
    return {"z": dy * (dz / len(p) if divide and not late else dz)}


ENTROPY = Pair("cross-entropy", entropy_inputs, entropy_forward, entropy_backward)
SOFTMAX_CASES = [
    PublicCase(SOFTMAX, "differentiated like a sigmoid, p (1 - p)", lambda dy, p: {"z": dy * p * (1 - p)}, ("z",),
               ("diagonal",)),
    PublicCase(LOG_SOFTMAX, "the softmax term has the wrong sign",
               lambda dy, p: {"z": dy + p * dy.sum(1, keepdims=True)}, ("z",), ("term-sign",)),
    PublicCase(ENTROPY, "not divided by the number of examples", with_change(ENTROPY, divide=False), ("z",),
               ("factor: = 5",)),
    PublicCase(ENTROPY, "1 is taken away after the division by N", with_change(ENTROPY, late=True), ("z",),
               ("confined: label", "along: label")),
]  # fmt: skip


def conv_inputs(rng):
    return {"x": rng.standard_normal((2, 2, 5, 4)), "w": rng.standard_normal((3, 2, 2, 2)), "b": rng.standard_normal(3)}


def windows(x, w):
    return [(i, j) for i in range(x.shape[2] - w.shape[2] + 1) for j in range(x.shape[3] - w.shape[3] + 1)]


def conv_forward(x, w, b):
    y = np.zeros((len(x), len(w), x.shape[2] - 1, x.shape[3] - 1))
    for i, j in windows(x, w):
        y[:, :, i, j] = np.einsum("nchw,fchw->nf", x[:, :, i : i + 2, j : j + 2], w) + b
    return y, (x, w)


def conv_backward(dy, cache, add=True, flip=False, add_x=True, last=False):
    x, w = cache
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    kernel = w[:, :, ::-1, ::-1] if flip else w
    for i, j in windows(x, w):
        part = np.einsum("nf,nchw->fchw", dy[-last:, :, i, j], x[-last:, :, i : i + 2, j : j + 2])
        dw = dw + part if add else part
        back = np.einsum("nf,fchw->nchw", dy[:, :, i, j], kernel)
        dx[:, :, i : i + 2, j : j + 2] = back + add_x * dx[:, :, i : i + 2, j : j + 2]
    return {"x": dx, "w": dw, "b": dy.sum((0, 2, 3))}


CONV = Pair("convolution", conv_inputs, conv_forward, conv_backward)
CONV_CASES = [
    PublicCase(CONV, "dw is written with = over the windows", with_change(CONV, add=False), ("w",), ("summand",)),
    PublicCase(CONV, "the kernel is flipped on the way back", with_change(CONV, flip=True), ("x",),
               ("operand: w flipped along axes 2 and 3",)),
    PublicCase(CONV, "dx is written with = over the windows", with_change(CONV, add_x=False), ("x",), ("summand",)),
    PublicCase(CONV, "db is a mean over examples and places", changed(CONV, b=lambda g, dy, k: dy.mean((0, 2, 3))),
               ("b",), ("factor: 1/(",)),
    PublicCase(CONV, "dw takes the last example only", with_change(CONV, last=True), ("w",), ("summand: last",)),
]  # fmt: skip


def embed_inputs(rng):
    return {"E": rng.standard_normal((5, 3)), "tokens": np.array([1, 4, 1, 0])}


def embed_backward(dy, cache, repeat=True, divide=1):
    shape, tokens = cache
    dE = np.zeros(shape)
    if repeat:
        np.add.at(dE, tokens, dy)
    else:
        dE[tokens] += dy
    return {"E": dE / divide}


EMBED = Pair("embedding", embed_inputs, lambda E, tokens: (E[tokens], (E.shape, tokens)), embed_backward)
EMBED_CASES = [
    PublicCase(EMBED, "a token that comes twice counts once", with_change(EMBED, repeat=False), ("E",), ("summand",)),
    PublicCase(EMBED, "the gradient is divided by the number of tokens", with_change(EMBED, divide=4), ("E",),
               ("factor: 1/4",)),
]  # fmt: skip


def ridge_inputs(rng):
    return {
        "W": rng.standard_normal((3, 4)), "b": rng.standard_normal(4), "x": rng.standard_normal((5, 3)),
        "target": rng.standard_normal((5, 4)), "lam": np.array(0.3),
    }  # fmt: skip


def ridge_forward(W, b, x, target, lam):
    apart = x @ W + b - target
    loss = (apart**2).sum() / (2 * len(x)) + 0.5 * lam * (W * W).sum()
    return loss, (apart, W, b, x, lam)


def ridge_backward(dy, cache, weight=1, bias=0):
    apart, W, b, x, lam = cache
    da = dy * apart / len(x)
    return {
        "W": x.T @ da + dy * weight * lam * W, "b": da.sum(0) + dy * bias * lam * b, "x": da @ W.T, "target": -da,
        "lam": dy * 0.5 * (W * W).sum(),
    }  # fmt: skip


RIDGE = Pair("regulariser", ridge_inputs, ridge_forward, ridge_backward)
RIDGE_CASES = [
    PublicCase(RIDGE, "the regulariser is forgotten", with_change(RIDGE, weight=0), ("W",),
               ("along: lacks 0.3 = lam times W", "along: lacks lam")),
    PublicCase(RIDGE, "twice the regulariser", with_change(RIDGE, weight=2), ("W",), ("along: times W too much",)),
    PublicCase(RIDGE, "the regulariser has the wrong sign", with_change(RIDGE, weight=-1), ("W",),
               ("along: times W", "term-sign")),
    PublicCase(RIDGE, "the bias is regularised, too", with_change(RIDGE, bias=1), ("b",),
               ("along: times b too much",)),
]  # fmt: skip


def attention_inputs(rng):
    return {name: rng.standard_normal((4, 3)) for name in "qkv"}


def attention_forward(q, k, v):
    a = softmax(q @ k.T / np.sqrt(3))
    return a @ v, {"q": q, "k": k, "v": v, "a": a}


def attention_backward(dy, c, scale=3**-0.5, inner=lambda da, a: (da * a).sum(1, keepdims=True), turned=True):
    da = dy @ c["v"].T
    ds = c["a"] * (da - inner(da, c["a"])) * scale
    return {"q": ds @ c["k"], "k": ds.T @ c["q"], "v": (c["a"].T if turned else c["a"]) @ dy}


ATTENTION = Pair("attention", attention_inputs, attention_forward, attention_backward)
ATTENTION_CASES = [
    PublicCase(ATTENTION, "1/√d is forgotten", with_change(ATTENTION, scale=1), ("q", "k"), ("factor: √3",)),
    PublicCase(ATTENTION, "the softmax is differentiated like a sigmoid",
               with_change(ATTENTION, inner=lambda da, a: da * a), ("q", "k"), ("diagonal", "along: cache['a']")),
    PublicCase(ATTENTION, "dv takes the weights and not their transpose", with_change(ATTENTION, turned=False), ("v",),
               ("operand: cache['a']",)),
    PublicCase(ATTENTION, "dq and dk are exchanged",
               changed(ATTENTION, q=lambda g, dy, c: g["k"], k=lambda g, dy, c: g["q"]), ("q", "k"), ("swapped",)),
    PublicCase(ATTENTION, "the softmax's sum runs over the queries",
               with_change(ATTENTION, inner=lambda da, a: (da * a).sum(0, keepdims=True)), ("q",), ("mixed",)),
]  # fmt: skip


def block_inputs(rng):
    return {"x": rng.standard_normal((4, 3)), "W1": rng.standard_normal((3, 5)), "W2": rng.standard_normal((5, 3))}


def block_forward(x, W1, W2):
    h = np.maximum(x @ W1, 0)
    return x + h @ W2, (x, h, W1, W2)


def block_backward(dy, cache, straight=1, branch=1):
    x, h, W1, W2 = cache
    da = (dy @ W2.T) * (h > 0)
    return {"x": straight * dy + branch * da @ W1.T, "W1": x.T @ da, "W2": h.T @ dy}


BLOCK = Pair("residual", block_inputs, block_forward, block_backward)
BLOCK_CASES = [
    PublicCase(BLOCK, "the way past the layers is forgotten", with_change(BLOCK, straight=0), ("x",),
               ("path: dy itself to the gradient is missing",)),
    PublicCase(BLOCK, "the way past the layers counts twice", with_change(BLOCK, straight=2), ("x",),
               ("path: once too often",)),
    PublicCase(BLOCK, "the layers are forgotten", with_change(BLOCK, branch=0), ("x",), ("unchanged",)),
]  # fmt: skip


def tied_inputs(rng):
    return {"W": rng.standard_normal((5, 3)), "x": rng.standard_normal((4, 5))}


def tied_forward(W, x):
    h = np.tanh(x @ W)
    return h @ W.T, (W, x, h)


def tied_backward(dy, cache, encoder=1, decoder=1):
    W, x, h = cache
    da = (dy @ W) * (1 - h * h)
    return {"W": encoder * x.T @ da + decoder * dy.T @ h, "x": da @ W.T}


TIED = Pair("tied weights", tied_inputs, tied_forward, tied_backward)
TIED_CASES = [
    PublicCase(TIED, "the encoder's share is forgotten", with_change(TIED, encoder=0), ("W",), ("along: x", "path")),
    PublicCase(TIED, "the decoder's share is forgotten", with_change(TIED, decoder=0), ("W",),
               ("along: cache[2]", "path")),
]  # fmt: skip
CASES = [
    *NORM_CASES,
    *SOFTMAX_CASES,
    *CONV_CASES,
    *EMBED_CASES,
    *RIDGE_CASES,
    *ATTENTION_CASES,
    *BLOCK_CASES,
    *TIED_CASES,
]
PAIRS = [BATCH, LAYER, SOFTMAX, LOG_SOFTMAX, ENTROPY, CONV, EMBED, RIDGE, ATTENTION, BLOCK, TIED]
