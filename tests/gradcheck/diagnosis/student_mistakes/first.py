"""Four layers with right backward passes and six typical mistakes each, as cases for a diagnosing gradient checker."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Case:
    layer: str
    mistake: str
    inputs: Callable
    forward: Callable
    backward: Callable
    wrong: Callable
    expected: dict


# Layer normalisation: every example is normalised over its units.

LAYERNORM_EPS = 1e-5


def layernorm_inputs(rng):
    n, batch = 7, 3
    return {
        "x": 0.5 + 1.5 * rng.standard_normal((n, batch)),
        "gamma": 1.0 + 0.5 * rng.standard_normal((n, 1)),
        "beta": 0.5 * rng.standard_normal((n, 1)),
    }


def layernorm_forward(x, gamma, beta):
    centred = x - x.mean(axis=0, keepdims=True)
    var = (centred**2).mean(axis=0, keepdims=True)
    inv_std = 1.0 / np.sqrt(var + LAYERNORM_EPS)
    xhat = centred * inv_std
    return gamma * xhat + beta, (x, xhat, inv_std, gamma)


def layernorm_backward(dy, cache):
    _, xhat, inv_std, gamma = cache
    dxhat = gamma * dy
    mean_d = dxhat.mean(axis=0, keepdims=True)
    mean_dx = (dxhat * xhat).mean(axis=0, keepdims=True)
    return {
        "x": inv_std * (dxhat - mean_d - xhat * mean_dx),
        "gamma": (dy * xhat).sum(axis=1, keepdims=True),
        "beta": dy.sum(axis=1, keepdims=True),
    }


def layernorm_variance_constant(dy, cache):
    _, _, inv_std, gamma = cache
    grads = layernorm_backward(dy, cache)
    dxhat = gamma * dy
    grads["x"] = inv_std * (dxhat - dxhat.mean(axis=0, keepdims=True))
    return grads


def layernorm_counts_batch(dy, cache):
    x, xhat, inv_std, gamma = cache
    grads = layernorm_backward(dy, cache)
    n = x.shape[1]
    dxhat = gamma * dy
    sum_d = dxhat.sum(axis=0, keepdims=True)
    sum_dx = (dxhat * xhat).sum(axis=0, keepdims=True)
    grads["x"] = inv_std / n * (n * dxhat - sum_d - xhat * sum_dx)
    return grads


def layernorm_gain_outside(dy, cache):
    _, xhat, inv_std, gamma = cache
    grads = layernorm_backward(dy, cache)
    mean_d = dy.mean(axis=0, keepdims=True)
    mean_dx = (dy * xhat).mean(axis=0, keepdims=True)
    grads["x"] = gamma * inv_std * (dy - mean_d - xhat * mean_dx)
    return grads


def layernorm_reuses_name(dy, cache):
    _, xhat, inv_std, gamma = cache
    dy = gamma * dy
    dgamma = (dy * xhat).sum(axis=1, keepdims=True)
    dbeta = dy.sum(axis=1, keepdims=True)
    dx = inv_std * (dy - dy.mean(axis=0) - xhat * (dy * xhat).mean(axis=0))
    return {"x": dx, "gamma": dgamma, "beta": dbeta}


def layernorm_raw_input(dy, cache):
    x = cache[0]
    grads = layernorm_backward(dy, cache)
    grads["gamma"] = (dy * x).sum(axis=1, keepdims=True)
    return grads


def layernorm_exchanged(dy, cache):
    grads = layernorm_backward(dy, cache)
    return {"x": grads["x"], "gamma": grads["beta"], "beta": grads["gamma"]}


# Scaled dot-product self-attention: q and k are (time, d, batch), v is (time, m, batch),
# the weights are (time of the query, time of the key, batch).


def attention_inputs(rng):
    time, d, m, batch = 5, 6, 4, 3
    return {
        "q": rng.standard_normal((time, d, batch)),
        "k": rng.standard_normal((time, d, batch)),
        "v": rng.standard_normal((time, m, batch)),
    }


def attention_forward(q, k, v):
    scores = np.einsum("tdb,sdb->tsb", q, k) / np.sqrt(q.shape[1])
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = e / e.sum(axis=1, keepdims=True)
    y = np.einsum("tsb,smb->tmb", weights, v)
    return y, {"q": q, "k": k, "v": v, "weights": weights}


def attention_dscores(dy, cache):
    a = cache["weights"]
    da = np.einsum("tmb,smb->tsb", dy, cache["v"])
    return a * (da - (a * da).sum(axis=1, keepdims=True))


def attention_from_dscores(dy, dscores, cache):
    q, k, a = cache["q"], cache["k"], cache["weights"]
    scale = 1.0 / np.sqrt(q.shape[1])
    return {
        "q": scale * np.einsum("tsb,sdb->tdb", dscores, k),
        "k": scale * np.einsum("tsb,tdb->sdb", dscores, q),
        "v": np.einsum("tsb,tmb->smb", a, dy),
    }


def attention_backward(dy, cache):
    return attention_from_dscores(dy, attention_dscores(dy, cache), cache)


def attention_no_scale(dy, cache):
    grads = attention_backward(dy, cache)
    dscores = attention_dscores(dy, cache)
    grads["q"] = np.einsum("tsb,sdb->tdb", dscores, cache["k"])
    grads["k"] = np.einsum("tsb,tdb->sdb", dscores, cache["q"])
    return grads


def attention_softmax_uncentred(dy, cache):
    da = np.einsum("tmb,smb->tsb", dy, cache["v"])
    dscores = cache["weights"] * da
    return attention_from_dscores(dy, dscores, cache)


def attention_softmax_as_sigmoid(dy, cache):
    a = cache["weights"]
    da = np.einsum("tmb,smb->tsb", dy, cache["v"])
    dscores = a * (1.0 - a) * da
    return attention_from_dscores(dy, dscores, cache)


def attention_weights_not_transposed(dy, cache):
    grads = attention_backward(dy, cache)
    grads["v"] = np.einsum("tsb,smb->tmb", cache["weights"], dy)
    return grads


def attention_overwrites_keys(dy, cache):
    q, k = cache["q"], cache["k"]
    scale = 1.0 / np.sqrt(q.shape[1])
    dscores = attention_dscores(dy, cache)
    dq, dk = np.zeros_like(q), np.zeros_like(k)
    for t in range(q.shape[0]):
        for s in range(k.shape[0]):
            dq[t] += scale * dscores[t, s] * k[s]
            dk[s] = scale * dscores[t, s] * q[t]
    return {"q": dq, "k": dk, "v": np.einsum("tsb,tmb->smb", cache["weights"], dy)}


def attention_query_for_key(dy, cache):
    q = cache["q"]
    grads = attention_backward(dy, cache)
    dscores = attention_dscores(dy, cache)
    grads["q"] = np.einsum("tsb,sdb->tdb", dscores, q) / np.sqrt(q.shape[1])
    return grads


# Leaky integrator: r[t] = (1 - alpha) * r[t-1] + alpha * tanh(W_in x[t] + b) from r[-1] = 0,
# with one leak per unit.


def leaky_inputs(rng):
    time, units, n_in, batch = 5, 7, 2, 3
    return {
        "x": rng.standard_normal((time, n_in, batch)),
        "W_in": rng.standard_normal((units, n_in)) / np.sqrt(n_in),
        "b": 0.3 * rng.standard_normal((units, 1)),
        "alpha": rng.uniform(0.15, 0.4, (units, 1)),
    }


def leaky_forward(x, W_in, b, alpha):
    time, _, batch = x.shape
    r = np.zeros((time, W_in.shape[0], batch))
    drive = np.zeros_like(r)
    previous = np.zeros_like(r[0])
    for t in range(time):
        drive[t] = np.tanh(W_in @ x[t] + b)
        r[t] = (1.0 - alpha) * previous + alpha * drive[t]
        previous = r[t]
    return r, (x, W_in, b, alpha, drive, r)


def leaky_backward(dy, cache):
    x, W_in, b, alpha, drive, r = cache
    dx, dW_in, db, dalpha = np.zeros_like(x), np.zeros_like(W_in), np.zeros_like(b), np.zeros_like(alpha)
    carry = np.zeros_like(r[0])
    for t in reversed(range(len(x))):
        previous = r[t - 1] if t > 0 else np.zeros_like(r[0])
        dr = dy[t] + carry
        dpre = alpha * dr * (1.0 - drive[t] ** 2)
        dx[t] = W_in.T @ dpre
        dW_in += dpre @ x[t].T
        db += dpre.sum(axis=1, keepdims=True)
        dalpha += (dr * (drive[t] - previous)).sum(axis=1, keepdims=True)
        carry = (1.0 - alpha) * dr
    return {"x": dx, "W_in": dW_in, "b": db, "alpha": dalpha}


def leaky_carries_alpha(dy, cache):
    x, W_in, b, alpha, drive, r = cache
    dx, dW_in, db, dalpha = np.zeros_like(x), np.zeros_like(W_in), np.zeros_like(b), np.zeros_like(alpha)
    carry = np.zeros_like(r[0])
    for t in reversed(range(len(x))):
        previous = r[t - 1] if t > 0 else np.zeros_like(r[0])
        dr = dy[t] + carry
        dpre = alpha * dr * (1.0 - drive[t] ** 2)
        dx[t] = W_in.T @ dpre
        dW_in += dpre @ x[t].T
        db += dpre.sum(axis=1, keepdims=True)
        dalpha += (dr * (drive[t] - previous)).sum(axis=1, keepdims=True)
        carry = alpha * dr
    return {"x": dx, "W_in": dW_in, "b": db, "alpha": dalpha}


def leaky_carries_one_step(dy, cache):
    x, W_in, b, alpha, drive, r = cache
    dx, dW_in, db, dalpha = np.zeros_like(x), np.zeros_like(W_in), np.zeros_like(b), np.zeros_like(alpha)
    carry = np.zeros_like(r[0])
    for t in reversed(range(len(x))):
        previous = r[t - 1] if t > 0 else np.zeros_like(r[0])
        dr = dy[t] + carry
        dpre = alpha * dr * (1.0 - drive[t] ** 2)
        dx[t] = W_in.T @ dpre
        dW_in += dpre @ x[t].T
        db += dpre.sum(axis=1, keepdims=True)
        dalpha += (dr * (drive[t] - previous)).sum(axis=1, keepdims=True)
        carry = (1.0 - alpha) * dy[t]
    return {"x": dx, "W_in": dW_in, "b": db, "alpha": dalpha}


def leaky_slope_at_state(dy, cache):
    x, W_in, b, alpha, drive, r = cache
    dx, dW_in, db, dalpha = np.zeros_like(x), np.zeros_like(W_in), np.zeros_like(b), np.zeros_like(alpha)
    carry = np.zeros_like(r[0])
    for t in reversed(range(len(x))):
        previous = r[t - 1] if t > 0 else np.zeros_like(r[0])
        dr = dy[t] + carry
        dpre = alpha * dr * (1.0 - r[t] ** 2)
        dx[t] = W_in.T @ dpre
        dW_in += dpre @ x[t].T
        db += dpre.sum(axis=1, keepdims=True)
        dalpha += (dr * (drive[t] - previous)).sum(axis=1, keepdims=True)
        carry = (1.0 - alpha) * dr
    return {"x": dx, "W_in": dW_in, "b": db, "alpha": dalpha}


def leaky_alpha_with_new_state(dy, cache):
    alpha, drive, r = cache[3:]
    grads = leaky_backward(dy, cache)
    dalpha = np.zeros_like(alpha)
    dr = np.zeros_like(r[0])
    for t in reversed(range(len(r))):
        dr = dy[t] + (1.0 - alpha) * dr
        dalpha += (dr * (drive[t] - r[t])).sum(axis=1, keepdims=True)
    grads["alpha"] = dalpha
    return grads


def leaky_list_not_reversed(dy, cache):
    x, W_in, _, alpha, drive, r = cache
    grads = leaky_backward(dy, cache)
    dx = []
    dr = np.zeros_like(r[0])
    for t in reversed(range(len(x))):
        dr = dy[t] + (1.0 - alpha) * dr
        dx.append(W_in.T @ (alpha * dr * (1.0 - drive[t] ** 2)))
    grads["x"] = np.stack(dx)
    return grads


def leaky_stops_before_zero(dy, cache):
    x, W_in, b, alpha, drive, r = cache
    dx, dW_in, db, dalpha = np.zeros_like(x), np.zeros_like(W_in), np.zeros_like(b), np.zeros_like(alpha)
    carry = np.zeros_like(r[0])
    for t in range(len(x) - 1, 0, -1):
        dr = dy[t] + carry
        dpre = alpha * dr * (1.0 - drive[t] ** 2)
        dx[t] = W_in.T @ dpre
        dW_in += dpre @ x[t].T
        db += dpre.sum(axis=1, keepdims=True)
        dalpha += (dr * (drive[t] - r[t - 1])).sum(axis=1, keepdims=True)
        carry = (1.0 - alpha) * dr
    return {"x": dx, "W_in": dW_in, "b": db, "alpha": dalpha}


# Weight normalisation: the rows of v are scaled to length 1 and then stretched by g.


def weightnorm_inputs(rng):
    units, n_in, batch = 7, 4, 3
    return {
        "x": rng.standard_normal((n_in, batch)),
        "v": rng.standard_normal((units, n_in)),
        "g": rng.uniform(0.5, 2.0, (units, 1)),
        "b": 0.3 * rng.standard_normal((units, 1)),
    }


def weightnorm_forward(x, v, g, b):
    norm = np.sqrt((v**2).sum(axis=1, keepdims=True))
    w = g * v / norm
    return w @ x + b, (x, v, g, norm, w)


def weightnorm_backward(dy, cache):
    x, v, g, norm, w = cache
    dw = dy @ x.T
    direction = v / norm
    dg = (dw * direction).sum(axis=1, keepdims=True)
    return {
        "x": w.T @ dy,
        "v": g / norm * (dw - dg * direction),
        "g": dg,
        "b": dy.sum(axis=1, keepdims=True),
    }


def weightnorm_norm_constant(dy, cache):
    x, _, g, norm, _ = cache
    grads = weightnorm_backward(dy, cache)
    grads["v"] = g / norm * (dy @ x.T)
    return grads


def weightnorm_raw_weights(dy, cache):
    v = cache[1]
    grads = weightnorm_backward(dy, cache)
    grads["x"] = v.T @ dy
    return grads


def weightnorm_batch_mean(dy, cache):
    x, v, g, norm, w = cache
    dw = dy @ x.T / x.shape[1]
    direction = v / norm
    dg = (dw * direction).sum(axis=1, keepdims=True)
    dv = g / norm * (dw - dg * direction)
    return {"x": w.T @ dy, "v": dv, "g": dg, "b": dy.mean(axis=1, keepdims=True)}


def weightnorm_flat_columns(dy, cache):
    x, v, g, norm, w = cache
    dw = dy @ x.T
    direction = v / norm
    dg = (dw * direction).sum(axis=1)
    dv = g / norm * (dw - dg[:, None] * direction)
    return {"x": w.T @ dy, "v": dv, "g": dg, "b": dy.sum(axis=1)}


def weightnorm_norm_of_matrix(dy, cache):
    x, v, g, _, w = cache
    norm = np.linalg.norm(v)
    dw = dy @ x.T
    dg = (dw * v).sum(axis=1, keepdims=True) / norm
    dv = g / norm * dw - g * dg / norm**2 * v
    return {"x": w.T @ dy, "v": dv, "g": dg, "b": dy.sum(axis=1, keepdims=True)}


def weightnorm_gain_without_dy(dy, cache):
    x, v, _, norm, _ = cache
    grads = weightnorm_backward(dy, cache)
    grads["g"] = (v / norm @ x).sum(axis=1, keepdims=True)
    return grads


LAYERNORM = ("layernorm", layernorm_inputs, layernorm_forward, layernorm_backward)
ATTENTION = ("attention", attention_inputs, attention_forward, attention_backward)
LEAKY = ("leaky", leaky_inputs, leaky_forward, leaky_backward)
WEIGHTNORM = ("weightnorm", weightnorm_inputs, weightnorm_forward, weightnorm_backward)


def make_case(layer, mistake, wrong, expected):
    name, inputs, forward, backward = layer
    return Case(name, mistake, inputs, forward, backward, wrong, expected)


CASES = [
    make_case(
        LAYERNORM,
        "the variance is treated as a constant, so its projection term is missing in dx",
        layernorm_variance_constant,
        {"x": ("along",)},
    ),
    make_case(
        LAYERNORM,
        "the sums over units are divided by the batch size instead of the number of units",
        layernorm_counts_batch,
        {"x": ("along",)},
    ),
    make_case(
        LAYERNORM,
        "the gain is pulled out of the means in dx, as in batch normalisation",
        layernorm_gain_outside,
        {"x": ("along", "operand")},
    ),
    make_case(
        LAYERNORM,
        "dy is overwritten by gamma * dy before dgamma and dbeta are taken from it",
        layernorm_reuses_name,
        {"gamma": ("factor",), "beta": ("factor",)},
    ),
    make_case(
        LAYERNORM,
        "dgamma uses the raw input x in place of the normalised one",
        layernorm_raw_input,
        {"gamma": ("operand",)},
    ),
    make_case(
        LAYERNORM,
        "dgamma and dbeta are returned in each other's place",
        layernorm_exchanged,
        {"gamma": ("swapped",), "beta": ("swapped",)},
    ),
    make_case(
        ATTENTION,
        "the scale 1/sqrt(d) is forgotten in dq and dk",
        attention_no_scale,
        {"q": ("factor",), "k": ("factor",)},
    ),
    make_case(
        ATTENTION,
        "the softmax backward leaves out the subtracted sum over keys",
        attention_softmax_uncentred,
        {"q": ("along",), "k": ("along",)},
    ),
    make_case(
        ATTENTION,
        "the softmax is differentiated like a sigmoid, a * (1 - a), without the off-diagonal part",
        attention_softmax_as_sigmoid,
        {"q": ("along", "operand"), "k": ("along", "operand")},
    ),
    make_case(
        ATTENTION,
        "dv uses the attention weights without transposing them",
        attention_weights_not_transposed,
        {"v": ("operand", "transpose")},
    ),
    make_case(
        ATTENTION,
        "dk is overwritten instead of accumulated in the loop over queries, so only the last query counts",
        attention_overwrites_keys,
        {"k": ("summand",)},
    ),
    make_case(
        ATTENTION,
        "dq uses q in place of k",
        attention_query_for_key,
        {"q": ("operand",)},
    ),
    make_case(
        LEAKY,
        "the gradient is carried back with alpha instead of 1 - alpha",
        leaky_carries_alpha,
        {"W_in": ("step-factor",), "b": ("step-factor",)},
    ),
    make_case(
        LEAKY,
        "the carried gradient is taken from dy[t] alone, so it reaches back only one step",
        leaky_carries_one_step,
        {"x": ("truncated", "operand"), "W_in": ("truncated", "operand")},
    ),
    make_case(
        LEAKY,
        "the tanh slope is taken at the state r instead of at the tanh value",
        leaky_slope_at_state,
        {"W_in": ("operand", "factor"), "b": ("operand", "factor")},
    ),
    make_case(
        LEAKY,
        "dalpha uses the new state r[t] in place of the previous state r[t-1]",
        leaky_alpha_with_new_state,
        {"alpha": ("operand", "factor")},
    ),
    make_case(
        LEAKY,
        "dx is collected in a list while going backwards and never put back in order",
        leaky_list_not_reversed,
        {"x": ("permuted",)},
    ),
    make_case(
        LEAKY,
        "the backward loop stops before time step 0",
        leaky_stops_before_zero,
        {"x": ("confined",)},
    ),
    make_case(
        WEIGHTNORM,
        "the norm is treated as a constant, so the projection term is missing in dv",
        weightnorm_norm_constant,
        {"v": ("along",)},
    ),
    make_case(
        WEIGHTNORM,
        "dx uses the raw v in place of the normalised weights",
        weightnorm_raw_weights,
        {"x": ("operand", "factor")},
    ),
    make_case(
        WEIGHTNORM,
        "parameter gradients are averaged over the batch instead of summed",
        weightnorm_batch_mean,
        {"v": ("factor",), "g": ("factor",)},
    ),
    make_case(
        WEIGHTNORM,
        "sums without keepdims make dg and db flat instead of columns",
        weightnorm_flat_columns,
        {"g": ("shape",), "b": ("shape",)},
    ),
    make_case(
        WEIGHTNORM,
        "the backward takes the norm of the whole matrix v, the axis being forgotten",
        weightnorm_norm_of_matrix,
        {"g": ("factor", "operand")},
    ),
    make_case(
        WEIGHTNORM,
        "dg is the local derivative only, not multiplied by dy",
        weightnorm_gain_without_dy,
        {"g": ("ignores-dy",)},
    ),
]
