"""Four student-written layers with right and wrong backward passes, as unseen cases for a gradient checker."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

EPS = 1e-5
LEAKY_SLOPE = 0.2


@dataclass(frozen=True)
class Case:
    """One wrong backward pass and the codes that name its mistake."""

    layer: str
    mistake: str
    inputs: Callable
    forward: Callable
    backward: Callable
    wrong: Callable
    expected: dict


# Layer normalisation: x (units, batch), gain and shift (units, 1).


def layer_norm_inputs(rng):
    """Random activity, gain and shift."""
    units, batch = 6, 4
    return {
        "x": 0.5 + 1.7 * rng.standard_normal((units, batch)),
        "gain": rng.uniform(0.4, 1.8, (units, 1)),
        "shift": 0.5 * rng.standard_normal((units, 1)),
    }


def layer_norm_forward(x, gain, shift):
    """Normalise every column to mean 0 and variance 1, then scale and shift."""
    centred = x - x.mean(axis=0, keepdims=True)
    var = (centred**2).mean(axis=0, keepdims=True)
    inv_std = 1.0 / np.sqrt(var + EPS)
    xhat = centred * inv_std
    y = gain * xhat + shift
    return y, {"x": x, "gain": gain, "centred": centred, "xhat": xhat, "inv_std": inv_std}


def layer_norm_backward(dy, cache):
    """Gradient of the layer normalisation."""
    xhat, inv_std, gain = cache["xhat"], cache["inv_std"], cache["gain"]
    dgain = (dy * xhat).sum(axis=1, keepdims=True)
    dshift = dy.sum(axis=1, keepdims=True)
    dxhat = dy * gain
    mean_term = dxhat.mean(axis=0, keepdims=True)
    var_term = xhat * (dxhat * xhat).mean(axis=0, keepdims=True)
    dx = inv_std * (dxhat - mean_term - var_term)
    return {"x": dx, "gain": dgain, "shift": dshift}


def layer_norm_wrong_fixed_variance(dy, cache):
    """Wrong backward."""
    xhat, inv_std, gain = cache["xhat"], cache["inv_std"], cache["gain"]
    dgain = (dy * xhat).sum(axis=1, keepdims=True)
    dshift = dy.sum(axis=1, keepdims=True)
    dxhat = dy * gain
    dx = inv_std * (dxhat - dxhat.mean(axis=0, keepdims=True))
    return {"x": dx, "gain": dgain, "shift": dshift}


def layer_norm_wrong_centred_in_gain(dy, cache):
    """Wrong backward."""
    xhat, inv_std, gain = cache["xhat"], cache["inv_std"], cache["gain"]
    dgain = (dy * cache["centred"]).sum(axis=1, keepdims=True)
    dshift = dy.sum(axis=1, keepdims=True)
    dxhat = dy * gain
    mean_term = dxhat.mean(axis=0, keepdims=True)
    var_term = xhat * (dxhat * xhat).mean(axis=0, keepdims=True)
    dx = inv_std * (dxhat - mean_term - var_term)
    return {"x": dx, "gain": dgain, "shift": dshift}


def layer_norm_wrong_batch_axis(dy, cache):
    """Wrong backward."""
    xhat, inv_std, gain = cache["xhat"], cache["inv_std"], cache["gain"]
    dgain = (dy * xhat).sum(axis=1, keepdims=True)
    dshift = dy.sum(axis=1, keepdims=True)
    dxhat = dy * gain
    mean_term = dxhat.mean(axis=1, keepdims=True)
    var_term = xhat * (dxhat * xhat).mean(axis=1, keepdims=True)
    dx = inv_std * (dxhat - mean_term - var_term)
    return {"x": dx, "gain": dgain, "shift": dshift}


def layer_norm_wrong_no_gain(dy, cache):
    """Wrong backward."""
    xhat, inv_std = cache["xhat"], cache["inv_std"]
    dgain = (dy * xhat).sum(axis=1, keepdims=True)
    dshift = dy.sum(axis=1, keepdims=True)
    mean_term = dy.mean(axis=0, keepdims=True)
    var_term = xhat * (dy * xhat).mean(axis=0, keepdims=True)
    dx = inv_std * (dy - mean_term - var_term)
    return {"x": dx, "gain": dgain, "shift": dshift}


def layer_norm_wrong_inverse_variance(dy, cache):
    """Wrong backward."""
    xhat, inv_std, gain = cache["xhat"], cache["inv_std"], cache["gain"]
    dgain = (dy * xhat).sum(axis=1, keepdims=True)
    dshift = dy.sum(axis=1, keepdims=True)
    dxhat = dy * gain
    mean_term = dxhat.mean(axis=0, keepdims=True)
    var_term = xhat * (dxhat * xhat).mean(axis=0, keepdims=True)
    dx = inv_std**2 * (dxhat - mean_term - var_term)
    return {"x": dx, "gain": dgain, "shift": dshift}


def layer_norm_wrong_dy_overwritten(dy, cache):
    """Wrong backward."""
    xhat, inv_std = cache["xhat"], cache["inv_std"]
    dy = dy * cache["gain"]
    dgain = (dy * xhat).sum(axis=1, keepdims=True)
    dshift = dy.sum(axis=1, keepdims=True)
    mean_term = dy.mean(axis=0, keepdims=True)
    var_term = xhat * (dy * xhat).mean(axis=0, keepdims=True)
    dx = inv_std * (dy - mean_term - var_term)
    return {"x": dx, "gain": dgain, "shift": dshift}


# Attention weights: query (d, batch), keys (m, d), output softmax over the m keys, (m, batch).


def attention_inputs(rng):
    """Random queries and keys."""
    d, m, batch = 5, 7, 3
    return {"query": 1.2 * rng.standard_normal((d, batch)), "keys": rng.standard_normal((m, d))}


def attention_forward(query, keys):
    """Softmax of the scaled dot products of every query with all keys."""
    scale = 1.0 / np.sqrt(query.shape[0])
    scores = scale * (keys @ query)
    e = np.exp(scores - scores.max(axis=0, keepdims=True))
    weights = e / e.sum(axis=0, keepdims=True)
    return weights, {"query": query, "keys": keys, "scale": scale, "scores": scores, "weights": weights.copy()}


def attention_backward(dy, cache):
    """Gradient of the attention weights."""
    query, keys, scale, a = cache["query"], cache["keys"], cache["scale"], cache["weights"]
    dscores = a * (dy - (a * dy).sum(axis=0, keepdims=True))
    return {"query": scale * (keys.T @ dscores), "keys": scale * (dscores @ query.T)}


def attention_wrong_diagonal_softmax(dy, cache):
    """Wrong backward."""
    query, keys, scale, a = cache["query"], cache["keys"], cache["scale"], cache["weights"]
    dscores = dy * a * (1.0 - a)
    return {"query": scale * (keys.T @ dscores), "keys": scale * (dscores @ query.T)}


def attention_wrong_scale_once(dy, cache):
    """Wrong backward."""
    query, keys, scale, a = cache["query"], cache["keys"], cache["scale"], cache["weights"]
    dscores = a * (dy - (a * dy).sum(axis=0, keepdims=True))
    return {"query": scale * (keys.T @ dscores), "keys": dscores @ query.T}


def attention_wrong_loop_assigns(dy, cache):
    """Wrong backward."""
    query, keys, scale, a = cache["query"], cache["keys"], cache["scale"], cache["weights"]
    dquery = np.zeros_like(query)
    dkeys = np.zeros_like(keys)
    for i in range(query.shape[1]):
        jacobian = np.diag(a[:, i]) - np.outer(a[:, i], a[:, i])
        dscores = jacobian @ dy[:, i]
        dquery[:, i] = scale * (keys.T @ dscores)
        dkeys = scale * np.outer(dscores, query[:, i])
    return {"query": dquery, "keys": dkeys}


def attention_wrong_batch_axis(dy, cache):
    """Wrong backward."""
    query, keys, scale, a = cache["query"], cache["keys"], cache["scale"], cache["weights"]
    dscores = a * (dy - (a * dy).sum(axis=1, keepdims=True))
    return {"query": scale * (keys.T @ dscores), "keys": scale * (dscores @ query.T)}


def attention_wrong_cross_entropy_shortcut(dy, cache):
    """Wrong backward."""
    query, keys, scale, a = cache["query"], cache["keys"], cache["scale"], cache["weights"]
    dscores = a - dy
    return {"query": scale * (keys.T @ dscores), "keys": scale * (dscores @ query.T)}


def attention_wrong_scores_for_weights(dy, cache):
    """Wrong backward."""
    query, keys, scale, s = cache["query"], cache["keys"], cache["scale"], cache["scores"]
    dscores = s * (dy - (s * dy).sum(axis=0, keepdims=True))
    return {"query": scale * (keys.T @ dscores), "keys": scale * (dscores @ query.T)}


# Leaky recurrent integrator: h[t] = (1 - alpha) h[t-1] + alpha tanh(w x[t] + u h[t-1] + b), all states returned.


def leaky_inputs(rng):
    """Random sequence, weights, bias, first state and scalar leak."""
    time, n_in, units, batch = 6, 3, 4, 2
    return {
        "x": rng.standard_normal((time, n_in, batch)),
        "w": 0.7 * rng.standard_normal((units, n_in)),
        "u": 0.6 * rng.standard_normal((units, units)),
        "b": 0.3 * rng.standard_normal((units, 1)),
        "h0": 0.8 * rng.standard_normal((units, batch)),
        "alpha": np.array(rng.uniform(0.25, 0.4)),
    }


def leaky_forward(x, w, u, b, h0, alpha):
    """Run the integrator over the sequence."""
    h = h0
    prev, rate, states = [], [], []
    for x_t in x:
        r = np.tanh(w @ x_t + u @ h + b)
        prev.append(h)
        rate.append(r)
        h = (1.0 - alpha) * h + alpha * r
        states.append(h)
    cache = {"x": x, "w": w, "u": u, "alpha": alpha, "prev": np.array(prev), "rate": np.array(rate)}
    cache["states"] = np.array(states)
    return np.array(states), cache


def leaky_backward(dy, cache):
    """Back-propagation through time."""
    x, w, u, alpha, prev, rate = (cache[k] for k in ("x", "w", "u", "alpha", "prev", "rate"))
    dx, dw, du = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u)
    db, dalpha = np.zeros((len(u), 1)), np.zeros(())
    dh = np.zeros_like(dy[0])
    for t in reversed(range(len(x))):
        dh = dh + dy[t]
        da = alpha * dh * (1.0 - rate[t] ** 2)
        dalpha += (dh * (rate[t] - prev[t])).sum()
        dw += da @ x[t].T
        du += da @ prev[t].T
        db += da.sum(axis=1, keepdims=True)
        dx[t] = w.T @ da
        dh = (1.0 - alpha) * dh + u.T @ da
    return {"x": dx, "w": dw, "u": du, "b": db, "h0": dh, "alpha": dalpha}


def leaky_wrong_u_not_transposed(dy, cache):
    """Wrong backward."""
    x, w, u, alpha, prev, rate = (cache[k] for k in ("x", "w", "u", "alpha", "prev", "rate"))
    dx, dw, du = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u)
    db, dalpha = np.zeros((len(u), 1)), np.zeros(())
    dh = np.zeros_like(dy[0])
    for t in reversed(range(len(x))):
        dh = dh + dy[t]
        da = alpha * dh * (1.0 - rate[t] ** 2)
        dalpha += (dh * (rate[t] - prev[t])).sum()
        dw += da @ x[t].T
        du += da @ prev[t].T
        db += da.sum(axis=1, keepdims=True)
        dx[t] = w.T @ da
        dh = (1.0 - alpha) * dh + u @ da
    return {"x": dx, "w": dw, "u": du, "b": db, "h0": dh, "alpha": dalpha}


def leaky_wrong_leak_swapped(dy, cache):
    """Wrong backward."""
    x, w, u, alpha, prev, rate = (cache[k] for k in ("x", "w", "u", "alpha", "prev", "rate"))
    dx, dw, du = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u)
    db, dalpha = np.zeros((len(u), 1)), np.zeros(())
    dh = np.zeros_like(dy[0])
    for t in reversed(range(len(x))):
        dh = dh + dy[t]
        da = alpha * dh * (1.0 - rate[t] ** 2)
        dalpha += (dh * (rate[t] - prev[t])).sum()
        dw += da @ x[t].T
        du += da @ prev[t].T
        db += da.sum(axis=1, keepdims=True)
        dx[t] = w.T @ da
        dh = alpha * dh + u.T @ da
    return {"x": dx, "w": dw, "u": du, "b": db, "h0": dh, "alpha": dalpha}


def leaky_wrong_state_after_update(dy, cache):
    """Wrong backward."""
    x, w, u, alpha, prev, rate = (cache[k] for k in ("x", "w", "u", "alpha", "prev", "rate"))
    states = cache["states"]
    dx, dw, du = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u)
    db, dalpha = np.zeros((len(u), 1)), np.zeros(())
    dh = np.zeros_like(dy[0])
    for t in reversed(range(len(x))):
        dh = dh + dy[t]
        da = alpha * dh * (1.0 - rate[t] ** 2)
        dalpha += (dh * (rate[t] - prev[t])).sum()
        dw += da @ x[t].T
        du += da @ states[t].T
        db += da.sum(axis=1, keepdims=True)
        dx[t] = w.T @ da
        dh = (1.0 - alpha) * dh + u.T @ da
    return {"x": dx, "w": dw, "u": du, "b": db, "h0": dh, "alpha": dalpha}


def leaky_wrong_alpha_drive_only(dy, cache):
    """Wrong backward."""
    x, w, u, alpha, prev, rate = (cache[k] for k in ("x", "w", "u", "alpha", "prev", "rate"))
    dx, dw, du = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u)
    db, dalpha = np.zeros((len(u), 1)), np.zeros(())
    dh = np.zeros_like(dy[0])
    for t in reversed(range(len(x))):
        dh = dh + dy[t]
        da = alpha * dh * (1.0 - rate[t] ** 2)
        dalpha += (dh * rate[t]).sum()
        dw += da @ x[t].T
        du += da @ prev[t].T
        db += da.sum(axis=1, keepdims=True)
        dx[t] = w.T @ da
        dh = (1.0 - alpha) * dh + u.T @ da
    return {"x": dx, "w": dw, "u": du, "b": db, "h0": dh, "alpha": dalpha}


def leaky_wrong_dx_appended(dy, cache):
    """Wrong backward."""
    x, w, u, alpha, prev, rate = (cache[k] for k in ("x", "w", "u", "alpha", "prev", "rate"))
    dx, dw, du = [], np.zeros_like(w), np.zeros_like(u)
    db, dalpha = np.zeros((len(u), 1)), np.zeros(())
    dh = np.zeros_like(dy[0])
    for t in reversed(range(len(x))):
        dh = dh + dy[t]
        da = alpha * dh * (1.0 - rate[t] ** 2)
        dalpha += (dh * (rate[t] - prev[t])).sum()
        dw += da @ x[t].T
        du += da @ prev[t].T
        db += da.sum(axis=1, keepdims=True)
        dx.append(w.T @ da)
        dh = (1.0 - alpha) * dh + u.T @ da
    return {"x": np.stack(dx), "w": dw, "u": du, "b": db, "h0": dh, "alpha": dalpha}


def leaky_wrong_last_output_only(dy, cache):
    """Wrong backward."""
    x, w, u, alpha, prev, rate = (cache[k] for k in ("x", "w", "u", "alpha", "prev", "rate"))
    dx, dw, du = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u)
    db, dalpha = np.zeros((len(u), 1)), np.zeros(())
    dh = dy[-1].copy()
    for t in reversed(range(len(x))):
        da = alpha * dh * (1.0 - rate[t] ** 2)
        dalpha += (dh * (rate[t] - prev[t])).sum()
        dw += da @ x[t].T
        du += da @ prev[t].T
        db += da.sum(axis=1, keepdims=True)
        dx[t] = w.T @ da
        dh = (1.0 - alpha) * dh + u.T @ da
    return {"x": dx, "w": dw, "u": du, "b": db, "h0": dh, "alpha": dalpha}


# Weight-normalised layer: rows of v scaled to length 1, times gain, plus bias, then a leaky rectifier.


def weight_norm_inputs(rng):
    """Random activity, direction matrix, gain and bias."""
    n_in, units, batch = 5, 4, 7
    return {
        "x": rng.standard_normal((n_in, batch)),
        "v": rng.uniform(0.5, 1.6, (units, 1)) * rng.standard_normal((units, n_in)),
        "gain": rng.uniform(0.5, 1.9, (units, 1)),
        "bias": 0.6 * rng.standard_normal((units, 1)),
    }


def weight_norm_forward(x, v, gain, bias):
    """Apply the normalised weights, the bias and the leaky rectifier."""
    norm = np.sqrt((v**2).sum(axis=1, keepdims=True))
    vhat = v / norm
    w = gain * vhat
    z = w @ x + bias
    y = np.where(z > 0, z, LEAKY_SLOPE * z)
    return y, {"x": x, "v": v, "gain": gain, "norm": norm, "vhat": vhat, "w": w, "z": z}


def weight_norm_backward(dy, cache):
    """Gradient of the weight-normalised layer."""
    x, gain, norm, vhat, w, z = (cache[k] for k in ("x", "gain", "norm", "vhat", "w", "z"))
    dz = dy * np.where(z > 0, 1.0, LEAKY_SLOPE)
    dw = dz @ x.T
    dgain = (dw * vhat).sum(axis=1, keepdims=True)
    dv = gain / norm * (dw - vhat * dgain)
    return {"x": w.T @ dz, "v": dv, "gain": dgain, "bias": dz.sum(axis=1, keepdims=True)}


def weight_norm_wrong_projection_on_v(dy, cache):
    """Wrong backward."""
    x, gain, norm, vhat, w, z = (cache[k] for k in ("x", "gain", "norm", "vhat", "w", "z"))
    dz = dy * np.where(z > 0, 1.0, LEAKY_SLOPE)
    dw = dz @ x.T
    dgain = (dw * vhat).sum(axis=1, keepdims=True)
    dv = gain / norm * (dw - cache["v"] * dgain)
    return {"x": w.T @ dz, "v": dv, "gain": dgain, "bias": dz.sum(axis=1, keepdims=True)}


def weight_norm_wrong_raw_weight_in_dx(dy, cache):
    """Wrong backward."""
    x, gain, norm, vhat, z = (cache[k] for k in ("x", "gain", "norm", "vhat", "z"))
    dz = dy * np.where(z > 0, 1.0, LEAKY_SLOPE)
    dw = dz @ x.T
    dgain = (dw * vhat).sum(axis=1, keepdims=True)
    dv = gain / norm * (dw - vhat * dgain)
    return {"x": cache["v"].T @ dz, "v": dv, "gain": dgain, "bias": dz.sum(axis=1, keepdims=True)}


def weight_norm_wrong_bias_in_dgain(dy, cache):
    """Wrong backward."""
    x, gain, norm, vhat, w, z = (cache[k] for k in ("x", "gain", "norm", "vhat", "w", "z"))
    dz = dy * np.where(z > 0, 1.0, LEAKY_SLOPE)
    dw = dz @ x.T
    dgain = (dz * z / gain).sum(axis=1, keepdims=True)
    dv = gain / norm * (dw - vhat * (dw * vhat).sum(axis=1, keepdims=True))
    return {"x": w.T @ dz, "v": dv, "gain": dgain, "bias": dz.sum(axis=1, keepdims=True)}


def weight_norm_wrong_plain_relu_mask(dy, cache):
    """Wrong backward."""
    x, gain, norm, vhat, w, z = (cache[k] for k in ("x", "gain", "norm", "vhat", "w", "z"))
    dz = dy * (z > 0)
    dw = dz @ x.T
    dgain = (dw * vhat).sum(axis=1, keepdims=True)
    dv = gain / norm * (dw - vhat * dgain)
    return {"x": w.T @ dz, "v": dv, "gain": dgain, "bias": dz.sum(axis=1, keepdims=True)}


def weight_norm_wrong_keys_exchanged(dy, cache):
    """Wrong backward."""
    x, gain, norm, vhat, w, z = (cache[k] for k in ("x", "gain", "norm", "vhat", "w", "z"))
    dz = dy * np.where(z > 0, 1.0, LEAKY_SLOPE)
    dw = dz @ x.T
    dgain = (dw * vhat).sum(axis=1, keepdims=True)
    dbias = dz.sum(axis=1, keepdims=True)
    dv = gain / norm * (dw - vhat * dgain)
    return dict(zip(("x", "v", "gain", "bias"), (w.T @ dz, dv, dbias, dgain), strict=False))


def weight_norm_wrong_no_gain_in_dv(dy, cache):
    """Wrong backward."""
    x, norm, vhat, w, z = (cache[k] for k in ("x", "norm", "vhat", "w", "z"))
    dz = dy * np.where(z > 0, 1.0, LEAKY_SLOPE)
    dw = dz @ x.T
    dgain = (dw * vhat).sum(axis=1, keepdims=True)
    dv = (dw - vhat * dgain) / norm
    return {"x": w.T @ dz, "v": dv, "gain": dgain, "bias": dz.sum(axis=1, keepdims=True)}


LAYER_NORM = ("layer_norm", layer_norm_inputs, layer_norm_forward, layer_norm_backward)
ATTENTION = ("attention", attention_inputs, attention_forward, attention_backward)
LEAKY = ("leaky", leaky_inputs, leaky_forward, leaky_backward)
WEIGHT_NORM = ("weight_norm", weight_norm_inputs, weight_norm_forward, weight_norm_backward)


def _case(layer, mistake, wrong, expected):
    """Case of one of the four layers."""
    name, inputs, forward, backward = layer
    return Case(name, mistake, inputs, forward, backward, wrong, expected)


CASES = [
    _case(
        LAYER_NORM,
        "The variance is treated as a constant: the projection on the normalised activity is missing.",
        layer_norm_wrong_fixed_variance,
        {"x": ("along",)},
    ),
    _case(
        LAYER_NORM,
        "The gain gradient uses the centred activity, not yet divided by the standard deviation.",
        layer_norm_wrong_centred_in_gain,
        {"gain": ("operand", "factor")},
    ),
    _case(
        LAYER_NORM,
        "Both means are taken over the batch, as in batch normalisation, instead of over the units.",
        layer_norm_wrong_batch_axis,
        {"x": ("operand", "along")},
    ),
    _case(
        LAYER_NORM,
        "The gradient of the activity forgets the gain: dy stands where gain * dy belongs.",
        layer_norm_wrong_no_gain,
        {"x": ("factor", "operand")},
    ),
    _case(
        LAYER_NORM,
        "The gradient of the activity is divided by the variance instead of the standard deviation.",
        layer_norm_wrong_inverse_variance,
        {"x": ("factor",)},
    ),
    _case(
        LAYER_NORM,
        "dy is overwritten with gain * dy before the gradients of gain and shift are computed.",
        layer_norm_wrong_dy_overwritten,
        {"shift": ("factor",), "gain": ("factor",)},
    ),
    _case(
        ATTENTION,
        "The softmax is differentiated like a sigmoid, a * (1 - a), without the terms between keys.",
        attention_wrong_diagonal_softmax,
        {"keys": ("along", "operand")},
    ),
    _case(
        ATTENTION,
        "The scale 1 / sqrt(d) is missing in the gradient of the keys.",
        attention_wrong_scale_once,
        {"keys": ("factor",)},
    ),
    _case(
        ATTENTION,
        "The loop over examples assigns the key gradient instead of adding to it.",
        attention_wrong_loop_assigns,
        {"keys": ("summand",)},
    ),
    _case(
        ATTENTION,
        "The sum in the softmax gradient runs over the batch instead of over the keys.",
        attention_wrong_batch_axis,
        {"keys": ("operand", "along")},
    ),
    _case(
        ATTENTION,
        "The shortcut for softmax with cross-entropy is used, with dy taken for the target.",
        attention_wrong_cross_entropy_shortcut,
        {"query": ("not-linear",), "keys": ("not-linear",)},
    ),
    _case(
        ATTENTION,
        "The softmax gradient uses the scores where the softmax weights belong.",
        attention_wrong_scores_for_weights,
        {"keys": ("operand",)},
    ),
    _case(
        LEAKY,
        "The recurrent weight is not transposed on the way back through time.",
        leaky_wrong_u_not_transposed,
        {"h0": ("step-factor", "operand", "transpose")},
    ),
    _case(
        LEAKY,
        "The state is carried back with alpha instead of 1 - alpha.",
        leaky_wrong_leak_swapped,
        {"h0": ("step-factor",)},
    ),
    _case(
        LEAKY,
        "The gradient of the recurrent weight uses the new state instead of the previous one.",
        leaky_wrong_state_after_update,
        {"u": ("operand", "permuted")},
    ),
    _case(
        LEAKY,
        "The gradient of the leak forgets the decay: rate stands where rate minus previous state belongs.",
        leaky_wrong_alpha_drive_only,
        {"alpha": ("operand",)},
    ),
    _case(
        LEAKY,
        "The input gradients are appended in the backward loop and never put back in order.",
        leaky_wrong_dx_appended,
        {"x": ("permuted",)},
    ),
    _case(
        LEAKY,
        "Only the gradient of the last output enters, although all states are returned.",
        leaky_wrong_last_output_only,
        {"x": ("confined", "summand"), "b": ("confined", "summand")},
    ),
    _case(
        WEIGHT_NORM,
        "The projection term uses the raw row of v instead of the row of length 1.",
        weight_norm_wrong_projection_on_v,
        {"v": ("along", "operand")},
    ),
    _case(
        WEIGHT_NORM,
        "The input gradient goes back through the raw v instead of the normalised weight.",
        weight_norm_wrong_raw_weight_in_dx,
        {"x": ("operand", "factor")},
    ),
    _case(
        WEIGHT_NORM,
        "The gain gradient uses z / gain, although z still contains the bias.",
        weight_norm_wrong_bias_in_dgain,
        {"gain": ("operand", "along")},
    ),
    _case(
        WEIGHT_NORM,
        "The leaky rectifier is differentiated like a plain one, with slope 0 below zero.",
        weight_norm_wrong_plain_relu_mask,
        {"bias": ("confined", "factor")},
    ),
    _case(
        WEIGHT_NORM,
        "The gradients of gain and bias are returned in the wrong order.",
        weight_norm_wrong_keys_exchanged,
        {"gain": ("swapped",), "bias": ("swapped",)},
    ),
    _case(
        WEIGHT_NORM,
        "The gain is missing in the gradient of v.",
        weight_norm_wrong_no_gain_in_dv,
        {"v": ("factor",)},
    ),
]
