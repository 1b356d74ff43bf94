"""Four hand-written layers with right and wrong backward passes, for testing a diagnosing gradient checker."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

EPS = 1e-5
SLOPE = 0.1


@dataclass(frozen=True)
class Case:
    layer: str
    mistake: str
    inputs: Callable
    forward: Callable
    backward: Callable
    wrong: Callable
    expected: dict


# Layer normalisation: x (units, batch), gain (units, 1), shift (units, 1).


def layernorm_inputs(rng):
    return {
        "x": 0.7 + 1.8 * rng.standard_normal((5, 7)),
        "gain": rng.uniform(0.5, 2.0, (5, 1)),
        "shift": rng.standard_normal((5, 1)),
    }


def layernorm_forward(x, gain, shift):
    mu = x.mean(axis=0, keepdims=True)
    var = ((x - mu) ** 2).mean(axis=0, keepdims=True)
    inv_std = 1.0 / np.sqrt(var + EPS)
    xhat = (x - mu) * inv_std
    y = gain * xhat + shift
    return y, (x, xhat, inv_std, gain)


def layernorm_backward(dy, cache):
    _x, xhat, inv_std, gain = cache
    dxhat = dy * gain
    mean_d = dxhat.mean(axis=0, keepdims=True)
    mean_dx = (dxhat * xhat).mean(axis=0, keepdims=True)
    return {
        "x": inv_std * (dxhat - mean_d - xhat * mean_dx),
        "gain": (dy * xhat).sum(axis=1, keepdims=True),
        "shift": dy.sum(axis=1, keepdims=True),
    }


def layernorm_wrong_variance_constant(dy, cache):
    _x, xhat, inv_std, gain = cache
    dxhat = dy * gain
    dcentred = dxhat * inv_std
    dx = dcentred - dcentred.mean(axis=0, keepdims=True)
    dgain = (dy * xhat).sum(axis=1, keepdims=True)
    dshift = dy.sum(axis=1, keepdims=True)
    return {"x": dx, "gain": dgain, "shift": dshift}


def layernorm_wrong_batchnorm_axis(dy, cache):
    x, xhat, inv_std, gain = cache
    m = x.shape[1]
    dxhat = dy * gain
    dx = inv_std / m * (m * dxhat - dxhat.sum(axis=1, keepdims=True) - xhat * (dxhat * xhat).sum(axis=1, keepdims=True))
    return {"x": dx, "gain": (dy * xhat).sum(axis=1, keepdims=True), "shift": dy.sum(axis=1, keepdims=True)}


def layernorm_wrong_gain_from_raw_input(dy, cache):
    x, xhat, inv_std, gain = cache
    dxhat = dy * gain
    dx = inv_std * (dxhat - dxhat.mean(axis=0, keepdims=True) - xhat * (dxhat * xhat).mean(axis=0, keepdims=True))
    dgain = np.sum(dy * x, axis=1, keepdims=True)
    dshift = np.sum(dy, axis=1, keepdims=True)
    return {"x": dx, "gain": dgain, "shift": dshift}


def layernorm_wrong_gain_forgotten(dy, cache):
    _x, xhat, inv_std, _ = cache
    dx = inv_std * (dy - dy.mean(axis=0, keepdims=True) - xhat * (dy * xhat).mean(axis=0, keepdims=True))
    dgain = np.sum(dy * xhat, axis=1, keepdims=True)
    dshift = np.sum(dy, axis=1, keepdims=True)
    return {"x": dx, "gain": dgain, "shift": dshift}


def layernorm_wrong_sum_for_mean(dy, cache):
    x, xhat, inv_std, gain = cache
    n = x.shape[0]
    dxhat = dy * gain
    centred = xhat / inv_std
    dvar = np.sum(dxhat * centred, axis=0, keepdims=True) * -0.5 * inv_std**3
    dmu = -np.sum(dxhat * inv_std, axis=0, keepdims=True)
    dx = dxhat * inv_std + dvar * 2.0 * centred / n + dmu
    dgain = np.sum(dy * xhat, axis=1, keepdims=True)
    dshift = np.sum(dy, axis=1, keepdims=True)
    return {"x": dx, "gain": dgain, "shift": dshift}


def layernorm_wrong_divided_by_variance(dy, cache):
    x, xhat, _, gain = cache
    var = x.var(axis=0, keepdims=True)
    dxhat = dy * gain
    inner = dxhat - dxhat.mean(axis=0, keepdims=True) - xhat * (dxhat * xhat).mean(axis=0, keepdims=True)
    dx = inner / (var + EPS)
    dgain = np.sum(dy * xhat, axis=1, keepdims=True)
    dshift = np.sum(dy, axis=1, keepdims=True)
    return {"x": dx, "gain": dgain, "shift": dshift}


# Attention weights: q (queries, units, batch), k (keys, units, batch), result (queries, keys, batch).


def attention_inputs(rng):
    return {"q": rng.standard_normal((3, 4, 6)), "k": rng.standard_normal((5, 4, 6))}


def attention_forward(q, k):
    scores = np.einsum("idb,jdb->ijb", q, k) / np.sqrt(q.shape[1])
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p, {"q": q, "k": k, "p": p}


def attention_backward(dy, cache):
    q, k, p = cache["q"], cache["k"], cache["p"]
    ds = p * (dy - (dy * p).sum(axis=1, keepdims=True))
    ds = ds / np.sqrt(q.shape[1])
    return {"q": np.einsum("ijb,jdb->idb", ds, k), "k": np.einsum("ijb,idb->jdb", ds, q)}


def attention_wrong_softmax_like_sigmoid(dy, cache):
    q, k, p = cache["q"], cache["k"], cache["p"]
    ds = dy * p * (1.0 - p) / np.sqrt(q.shape[1])
    return {"q": np.einsum("ijb,jdb->idb", ds, k), "k": np.einsum("ijb,idb->jdb", ds, q)}


def attention_wrong_softmax_axis(dy, cache):
    q, k, p = cache["q"], cache["k"], cache["p"]
    ds = p * (dy - np.sum(dy * p, axis=0, keepdims=True))
    ds = ds / np.sqrt(q.shape[1])
    return {"q": np.einsum("ijb,jdb->idb", ds, k), "k": np.einsum("ijb,idb->jdb", ds, q)}


def attention_wrong_cross_entropy_shortcut(dy, cache):
    q, k, p = cache["q"], cache["k"], cache["p"]
    ds = (p - dy) / np.sqrt(q.shape[1])
    return {"q": np.einsum("ijb,jdb->idb", ds, k), "k": np.einsum("ijb,idb->jdb", ds, q)}


def attention_wrong_key_overwritten(dy, cache):
    q, k, p = cache["q"], cache["k"], cache["p"]
    scale = 1.0 / np.sqrt(q.shape[1])
    dq = np.zeros_like(q)
    dk = np.zeros_like(k)
    for i in range(q.shape[0]):
        ds = p[i] * (dy[i] - (dy[i] * p[i]).sum(axis=0)) * scale
        dq[i] = (ds[:, None, :] * k).sum(axis=0)
        dk = ds[:, None, :] * q[i]
    return {"q": dq, "k": dk}


def attention_wrong_einsum_letter(dy, cache):
    q, k, p = cache["q"], cache["k"], cache["p"]
    ds = p * (dy - (dy * p).sum(axis=1, keepdims=True)) / np.sqrt(q.shape[1])
    return {"q": np.einsum("ijb,jdc->idb", ds, k), "k": np.einsum("ijb,idb->jdb", ds, q)}


def attention_wrong_reshape_for_transpose(dy, cache):
    q, k, p = cache["q"], cache["k"], cache["p"]
    ds = p * (dy - (dy * p).sum(axis=1, keepdims=True)) / np.sqrt(q.shape[1])
    dq = np.einsum("ijb,jdb->idb", ds, k)
    dk = np.matmul(ds.transpose(2, 1, 0), q.transpose(2, 0, 1))
    return {"q": dq, "k": dk.reshape(k.shape)}


# Leaky integrator: h[t] = (1 - leak) h[t-1] + leak tanh(w_in x[t] + w_rec h[t-1] + bias), all states returned.


def leaky_inputs(rng):
    return {
        "x": rng.standard_normal((7, 3, 5)),
        "h0": 0.8 * rng.standard_normal((4, 5)),
        "w_in": 0.7 * rng.standard_normal((4, 3)),
        "w_rec": 0.5 * rng.standard_normal((4, 4)),
        "bias": 0.4 * rng.standard_normal((4, 1)),
        "leak": rng.uniform(0.3, 0.7, (4, 1)),
    }


def leaky_forward(x, h0, w_in, w_rec, bias, leak):
    h = h0
    before, rates, states = [], [], []
    for t in range(x.shape[0]):
        r = np.tanh(w_in @ x[t] + w_rec @ h + bias)
        before.append(h)
        h = (1.0 - leak) * h + leak * r
        rates.append(r)
        states.append(h)
    y = np.stack(states)
    return y, (x, w_in, w_rec, leak, np.stack(before), np.stack(rates), y)


def leaky_backward(dy, cache):
    x, w_in, w_rec, leak, before, rates, _ = cache
    dx, dw_in, dw_rec = np.zeros_like(x), np.zeros_like(w_in), np.zeros_like(w_rec)
    dbias, dleak = np.zeros_like(leak), np.zeros_like(leak)
    dh = np.zeros_like(before[0])
    for t in reversed(range(x.shape[0])):
        dh = dh + dy[t]
        da = dh * leak * (1.0 - rates[t] ** 2)
        dx[t] = w_in.T @ da
        dw_in += da @ x[t].T
        dw_rec += da @ before[t].T
        dbias += da.sum(axis=1, keepdims=True)
        dleak += (dh * (rates[t] - before[t])).sum(axis=1, keepdims=True)
        dh = (1.0 - leak) * dh + w_rec.T @ da
    return {"x": dx, "h0": dh, "w_in": dw_in, "w_rec": dw_rec, "bias": dbias, "leak": dleak}


def leaky_wrong_leak_path_forgotten(dy, cache):
    x, w_in, w_rec, leak, before, rates, _ = cache
    dx, dw_in, dw_rec = np.zeros_like(x), np.zeros_like(w_in), np.zeros_like(w_rec)
    dbias, dleak = np.zeros_like(leak), np.zeros_like(leak)
    dh = np.zeros_like(before[0])
    for t in reversed(range(x.shape[0])):
        dh = dh + dy[t]
        da = dh * leak * (1.0 - rates[t] ** 2)
        dx[t] = w_in.T @ da
        dw_in += da @ x[t].T
        dw_rec += da @ before[t].T
        dbias += da.sum(axis=1, keepdims=True)
        dleak += (dh * (rates[t] - before[t])).sum(axis=1, keepdims=True)
        dh = w_rec.T @ da
    return {"x": dx, "h0": dh, "w_in": dw_in, "w_rec": dw_rec, "bias": dbias, "leak": dleak}


def leaky_wrong_leak_with_new_state(dy, cache):
    x, w_in, w_rec, leak, before, rates, states = cache
    dx, dw_in, dw_rec = np.zeros_like(x), np.zeros_like(w_in), np.zeros_like(w_rec)
    dbias, dleak = np.zeros_like(leak), np.zeros_like(leak)
    dh = np.zeros_like(before[0])
    for t in reversed(range(x.shape[0])):
        dh = dh + dy[t]
        da = dh * leak * (1.0 - rates[t] ** 2)
        dx[t] = w_in.T @ da
        dw_in += da @ x[t].T
        dw_rec += da @ before[t].T
        dbias += da.sum(axis=1, keepdims=True)
        dleak += (dh * (rates[t] - states[t])).sum(axis=1, keepdims=True)
        dh = (1.0 - leak) * dh + w_rec.T @ da
    return {"x": dx, "h0": dh, "w_in": dw_in, "w_rec": dw_rec, "bias": dbias, "leak": dleak}


def leaky_wrong_truncated(dy, cache, bptt_truncate=2):
    x, w_in, w_rec, leak, before, rates, _ = cache
    dx, dw_in, dw_rec = np.zeros_like(x), np.zeros_like(w_in), np.zeros_like(w_rec)
    dbias, dleak = np.zeros_like(leak), np.zeros_like(leak)
    dh0 = np.zeros_like(before[0])
    for t in range(x.shape[0]):
        dh = dy[t]
        for s in range(t, max(-1, t - bptt_truncate - 1), -1):
            da = dh * leak * (1.0 - rates[s] ** 2)
            dx[s] += w_in.T @ da
            dw_in += da @ x[s].T
            dw_rec += da @ before[s].T
            dbias += da.sum(axis=1, keepdims=True)
            dleak += (dh * (rates[s] - before[s])).sum(axis=1, keepdims=True)
            dh = (1.0 - leak) * dh + w_rec.T @ da
        if t <= bptt_truncate:
            dh0 += dh
    return {"x": dx, "h0": dh0, "w_in": dw_in, "w_rec": dw_rec, "bias": dbias, "leak": dleak}


def leaky_wrong_not_turned_back(dy, cache):
    x, w_in, w_rec, leak, before, rates, _ = cache
    dw_in, dw_rec = np.zeros_like(w_in), np.zeros_like(w_rec)
    dbias, dleak = np.zeros_like(leak), np.zeros_like(leak)
    dh = np.zeros_like(before[0])
    dxs = []
    for t in reversed(range(x.shape[0])):
        dh = dh + dy[t]
        da = dh * leak * (1.0 - rates[t] ** 2)
        dxs.append(w_in.T @ da)
        dw_in += da @ x[t].T
        dw_rec += da @ before[t].T
        dbias += da.sum(axis=1, keepdims=True)
        dleak += (dh * (rates[t] - before[t])).sum(axis=1, keepdims=True)
        dh = (1.0 - leak) * dh + w_rec.T @ da
    return {"x": np.stack(dxs), "h0": dh, "w_in": dw_in, "w_rec": dw_rec, "bias": dbias, "leak": dleak}


def leaky_wrong_only_last_dy(dy, cache):
    x, w_in, w_rec, leak, before, rates, _ = cache
    dx, dw_in, dw_rec = np.zeros_like(x), np.zeros_like(w_in), np.zeros_like(w_rec)
    dbias, dleak = np.zeros_like(leak), np.zeros_like(leak)
    dh = dy[-1]
    for t in reversed(range(x.shape[0])):
        da = dh * leak * (1.0 - rates[t] ** 2)
        dx[t] = w_in.T @ da
        dw_in += da @ x[t].T
        dw_rec += da @ before[t].T
        dbias += da.sum(axis=1, keepdims=True)
        dleak += (dh * (rates[t] - before[t])).sum(axis=1, keepdims=True)
        dh = (1.0 - leak) * dh + w_rec.T @ da
    return {"x": dx, "h0": dh, "w_in": dw_in, "w_rec": dw_rec, "bias": dbias, "leak": dleak}


def leaky_wrong_slope_from_state(dy, cache):
    x, w_in, w_rec, leak, before, rates, states = cache
    dx, dw_in, dw_rec = np.zeros_like(x), np.zeros_like(w_in), np.zeros_like(w_rec)
    dbias, dleak = np.zeros_like(leak), np.zeros_like(leak)
    dh = np.zeros_like(before[0])
    for t in reversed(range(x.shape[0])):
        dh = dh + dy[t]
        da = dh * leak * (1.0 - states[t] ** 2)
        dx[t] = w_in.T @ da
        dw_in += da @ x[t].T
        dw_rec += da @ before[t].T
        dbias += da.sum(axis=1, keepdims=True)
        dleak += (dh * (rates[t] - before[t])).sum(axis=1, keepdims=True)
        dh = (1.0 - leak) * dh + w_rec.T @ da
    return {"x": dx, "h0": dh, "w_in": dw_in, "w_rec": dw_rec, "bias": dbias, "leak": dleak}


# Layer with weight rows of length 1: y = leaky_relu(gain * (v / |v|) x + bias).


def unitrow_inputs(rng):
    return {
        "x": rng.standard_normal((4, 6)),
        "v": 1.3 * rng.standard_normal((3, 4)),
        "gain": rng.uniform(0.6, 1.9, (3, 1)),
        "bias": 0.3 * rng.standard_normal((3, 1)),
    }


def unitrow_forward(x, v, gain, bias):
    norm = np.sqrt((v**2).sum(axis=1, keepdims=True))
    w = v / norm
    z = w @ x
    a = gain * z + bias
    y = np.where(a > 0, a, SLOPE * a)
    return y, {"x": x, "v": v, "w": w, "norm": norm, "gain": gain, "z": z, "a": a}


def unitrow_backward(dy, cache):
    w, gain = cache["w"], cache["gain"]
    da = dy * np.where(cache["a"] > 0, 1.0, SLOPE)
    dz = gain * da
    dw = dz @ cache["x"].T
    return {
        "x": w.T @ dz,
        "v": (dw - w * (dw * w).sum(axis=1, keepdims=True)) / cache["norm"],
        "gain": (da * cache["z"]).sum(axis=1, keepdims=True),
        "bias": da.sum(axis=1, keepdims=True),
    }


def unitrow_wrong_norm_constant(dy, cache):
    da = dy * np.where(cache["a"] > 0, 1.0, SLOPE)
    dz = cache["gain"] * da
    dv = (dz @ cache["x"].T) / cache["norm"]
    dgain = np.sum(da * cache["z"], axis=1, keepdims=True)
    return {"x": cache["w"].T @ dz, "v": dv, "gain": dgain, "bias": np.sum(da, axis=1, keepdims=True)}


def unitrow_wrong_not_divided(dy, cache):
    w = cache["w"]
    da = dy * np.where(cache["a"] > 0, 1.0, SLOPE)
    dz = cache["gain"] * da
    dw = dz @ cache["x"].T
    dv = dw - w * np.sum(dw * w, axis=1, keepdims=True)
    dgain = np.sum(da * cache["z"], axis=1, keepdims=True)
    return {"x": w.T @ dz, "v": dv, "gain": dgain, "bias": np.sum(da, axis=1, keepdims=True)}


def unitrow_wrong_projection_axis(dy, cache):
    w = cache["w"]
    da = dy * np.where(cache["a"] > 0, 1.0, SLOPE)
    dz = cache["gain"] * da
    dw = dz @ cache["x"].T
    dv = (dw - w * np.sum(dw * w, axis=0, keepdims=True)) / cache["norm"]
    dgain = np.sum(da * cache["z"], axis=1, keepdims=True)
    return {"x": w.T @ dz, "v": dv, "gain": dgain, "bias": np.sum(da, axis=1, keepdims=True)}


def unitrow_wrong_raw_weight_back(dy, cache):
    v, w = cache["v"], cache["w"]
    da = dy * np.where(cache["a"] > 0, 1.0, SLOPE)
    dz = cache["gain"] * da
    dw = dz @ cache["x"].T
    dv = (dw - w * np.sum(dw * w, axis=1, keepdims=True)) / cache["norm"]
    dgain = np.sum(da * cache["z"], axis=1, keepdims=True)
    return {"x": v.T @ dz, "v": dv, "gain": dgain, "bias": np.sum(da, axis=1, keepdims=True)}


def unitrow_wrong_plain_relu_mask(dy, cache):
    w = cache["w"]
    da = dy * (cache["a"] > 0)
    dz = cache["gain"] * da
    dw = dz @ cache["x"].T
    dv = (dw - w * np.sum(dw * w, axis=1, keepdims=True)) / cache["norm"]
    dgain = np.sum(da * cache["z"], axis=1, keepdims=True)
    return {"x": w.T @ dz, "v": dv, "gain": dgain, "bias": np.sum(da, axis=1, keepdims=True)}


def unitrow_wrong_gain_without_chain(dy, cache):
    w = cache["w"]
    slope = np.where(cache["a"] > 0, 1.0, SLOPE)
    da = dy * slope
    dz = cache["gain"] * da
    dw = dz @ cache["x"].T
    dv = (dw - w * np.sum(dw * w, axis=1, keepdims=True)) / cache["norm"]
    dgain = np.sum(slope * cache["z"], axis=1, keepdims=True)
    return {"x": w.T @ dz, "v": dv, "gain": dgain, "bias": np.sum(da, axis=1, keepdims=True)}


LAYERNORM = (layernorm_inputs, layernorm_forward, layernorm_backward)
ATTENTION = (attention_inputs, attention_forward, attention_backward)
LEAKY = (leaky_inputs, leaky_forward, leaky_backward)
UNITROW = (unitrow_inputs, unitrow_forward, unitrow_backward)

CASES = [
    Case(
        "layernorm",
        "The variance is treated as a constant.",
        *LAYERNORM,
        layernorm_wrong_variance_constant,
        {"x": ("along",)},
    ),
    Case(
        "layernorm",
        "The means in the input gradient run over the batch, as in batch normalisation.",
        *LAYERNORM,
        layernorm_wrong_batchnorm_axis,
        {"x": ("mixed",)},
    ),
    Case(
        "layernorm",
        "The gain gradient uses the raw input instead of the normalised one.",
        *LAYERNORM,
        layernorm_wrong_gain_from_raw_input,
        {"gain": ("operand",)},
    ),
    Case(
        "layernorm",
        "The gain is forgotten on the way to the input.",
        *LAYERNORM,
        layernorm_wrong_gain_forgotten,
        {"x": ("factor", "operand")},
    ),
    Case(
        "layernorm",
        "The gradient through the mean is not divided by the number of units.",
        *LAYERNORM,
        layernorm_wrong_sum_for_mean,
        {"x": ("along",)},
    ),
    Case(
        "layernorm",
        "The input gradient is divided by the variance instead of its root.",
        *LAYERNORM,
        layernorm_wrong_divided_by_variance,
        {"x": ("factor",)},
    ),
    Case(
        "attention",
        "The softmax is differentiated like a sigmoid, p (1 - p).",
        *ATTENTION,
        attention_wrong_softmax_like_sigmoid,
        {"q": ("diagonal",)},
    ),
    Case(
        "attention",
        "The sum in the softmax gradient runs over the queries instead of the keys.",
        *ATTENTION,
        attention_wrong_softmax_axis,
        {"q": ("operand",)},
    ),
    Case(
        "attention",
        "The shortcut p - target of softmax with cross-entropy is used.",
        *ATTENTION,
        attention_wrong_cross_entropy_shortcut,
        {"q": ("not-linear",)},
    ),
    Case(
        "attention",
        "The key gradient is overwritten at each query instead of added up.",
        *ATTENTION,
        attention_wrong_key_overwritten,
        {"k": ("summand",)},
    ),
    Case(
        "attention",
        "A wrong letter in einsum sums the keys over the batch.",
        *ATTENTION,
        attention_wrong_einsum_letter,
        {"q": ("mixed",)},
    ),
    Case(
        "attention",
        "The key gradient is reshaped where its axes should be transposed.",
        *ATTENTION,
        attention_wrong_reshape_for_transpose,
        {"k": ("permuted", "transpose")},
    ),
    Case(
        "leaky",
        "The step back leaves out the path through the leak.",
        *LEAKY,
        leaky_wrong_leak_path_forgotten,
        {"x": ("step-factor",)},
    ),
    Case(
        "leaky",
        "The leak gradient uses the state after the step instead of the one before.",
        *LEAKY,
        leaky_wrong_leak_with_new_state,
        {"leak": ("operand", "factor")},
    ),
    Case(
        "leaky",
        "Back-propagation through time stops after two steps back.",
        *LEAKY,
        leaky_wrong_truncated,
        {"x": ("truncated",)},
    ),
    Case(
        "leaky",
        "The input gradients are collected backwards and not turned round.",
        *LEAKY,
        leaky_wrong_not_turned_back,
        {"x": ("permuted",)},
    ),
    Case(
        "leaky",
        "Only dy of the last time step enters.",
        *LEAKY,
        leaky_wrong_only_last_dy,
        {"w_in": ("confined", "summand")},
    ),
    Case(
        "leaky",
        "The tanh slope is taken from the state instead of the tanh value.",
        *LEAKY,
        leaky_wrong_slope_from_state,
        {"bias": ("operand",)},
    ),
    Case("unitrow", "The row norm is treated as a constant.", *UNITROW, unitrow_wrong_norm_constant, {"v": ("along",)}),
    Case(
        "unitrow",
        "The weight gradient is not divided by the row norm.",
        *UNITROW,
        unitrow_wrong_not_divided,
        {"v": ("factor",)},
    ),
    Case(
        "unitrow",
        "The projection sums over the units instead of along each row.",
        *UNITROW,
        unitrow_wrong_projection_axis,
        {"v": ("operand",)},
    ),
    Case(
        "unitrow",
        "The input gradient uses the weight before normalisation.",
        *UNITROW,
        unitrow_wrong_raw_weight_back,
        {"x": ("operand", "factor")},
    ),
    Case(
        "unitrow",
        "The mask of a plain ReLU is used for a leaky one.",
        *UNITROW,
        unitrow_wrong_plain_relu_mask,
        {"bias": ("confined",)},
    ),
    Case(
        "unitrow",
        "The gain gradient is the local derivative, not multiplied by dy.",
        *UNITROW,
        unitrow_wrong_gain_without_chain,
        {"gain": ("ignores-dy",)},
    ),
]
