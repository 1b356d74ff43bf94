"""Four layers with right backward passes and six typical mistakes each, for testing a gradient checker."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

EPS = 1e-5


@dataclass(frozen=True)
class Case:
    layer: str
    mistake: str
    inputs: Callable
    forward: Callable
    backward: Callable
    wrong: Callable
    expected: dict


def layernorm_inputs(rng):
    return {
        "x": 1.5 * rng.normal(size=(5, 7)) + 0.7,
        "gain": rng.uniform(0.5, 2.0, size=(5, 1)),
        "shift": rng.normal(size=(5, 1)),
    }


def layernorm_forward(x, gain, shift):
    centred = x - x.mean(axis=0, keepdims=True)
    std = np.sqrt((centred**2).mean(axis=0, keepdims=True) + EPS)
    xhat = centred / std
    return gain * xhat + shift, {"x": x, "centred": centred, "std": std, "xhat": xhat, "gain": gain}


def layernorm_backward(dy, cache):
    xhat, std = cache["xhat"], cache["std"]
    dxhat = dy * cache["gain"]
    mean = dxhat.mean(axis=0, keepdims=True)
    projection = xhat * (dxhat * xhat).mean(axis=0, keepdims=True)
    return {
        "x": (dxhat - mean - projection) / std,
        "gain": (dy * xhat).sum(axis=1, keepdims=True),
        "shift": dy.sum(axis=1, keepdims=True),
    }


def layernorm_constant_std(dy, cache):
    dxhat = dy * cache["gain"]
    dcentred = dxhat / cache["std"]
    dx = dcentred - dcentred.mean(axis=0, keepdims=True)
    dgain = (dy * cache["xhat"]).sum(axis=1, keepdims=True)
    return {"x": dx, "gain": dgain, "shift": dy.sum(axis=1, keepdims=True)}


def layernorm_batchnorm_axes(dy, cache):
    xhat, std = cache["xhat"], cache["std"]
    batch = dy.shape[1]
    dgain = np.sum(dy * xhat, axis=1, keepdims=True)
    dshift = np.sum(dy, axis=1, keepdims=True)
    dx = cache["gain"] / std / batch * (batch * dy - dshift - xhat * dgain)
    return {"x": dx, "gain": dgain, "shift": dshift}


def layernorm_centred_for_xhat(dy, cache):
    grads = layernorm_backward(dy, cache)
    dgain = np.sum(dy * cache["centred"], axis=1, keepdims=True)
    return {"x": grads["x"], "gain": dgain, "shift": grads["shift"]}


def layernorm_gain_forgotten(dy, cache):
    xhat, std = cache["xhat"], cache["std"]
    units = dy.shape[0]
    dx = units * dy - dy.sum(axis=0, keepdims=True) - xhat * (dy * xhat).sum(axis=0, keepdims=True)
    return {
        "x": dx / (units * std),
        "gain": (dy * xhat).sum(axis=1, keepdims=True),
        "shift": dy.sum(axis=1, keepdims=True),
    }


def layernorm_variance_for_std(dy, cache):
    xhat, var = cache["xhat"], cache["std"] ** 2
    dxhat = dy * cache["gain"]
    dx = dxhat - dxhat.mean(axis=0) - xhat * np.mean(dxhat * xhat, axis=0)
    return {
        "x": dx / var,
        "gain": (dy * xhat).sum(axis=1, keepdims=True),
        "shift": dy.sum(axis=1, keepdims=True),
    }


def layernorm_gain_shift_exchanged(dy, cache):
    grads = layernorm_backward(dy, cache)
    dx, dgain, dshift = grads["x"], grads["gain"], grads["shift"]
    return dict(zip(("x", "shift", "gain"), (dx, dgain, dshift), strict=False))


def attention_inputs(rng):
    return {"query": 1.2 * rng.normal(size=(3, 6)), "key": 1.2 * rng.normal(size=(3, 4))}


def attention_forward(query, key):
    scale = 1.0 / np.sqrt(query.shape[0])
    score = scale * (key.T @ query)
    weight = np.exp(score - score.max(axis=0, keepdims=True))
    weight = weight / weight.sum(axis=0, keepdims=True)
    return weight, {"query": query, "key": key, "score": score, "weight": weight, "scale": scale}


def attention_backward(dy, cache):
    weight, scale = cache["weight"], cache["scale"]
    dscore = weight * (dy - (dy * weight).sum(axis=0, keepdims=True))
    return {"query": scale * (cache["key"] @ dscore), "key": scale * (cache["query"] @ dscore.T)}


def attention_sigmoid_slope(dy, cache):
    weight, scale = cache["weight"], cache["scale"]
    dscore = dy * weight * (1.0 - weight)
    return {"query": scale * (cache["key"] @ dscore), "key": scale * (cache["query"] @ dscore.T)}


def attention_sum_over_queries(dy, cache):
    weight, scale = cache["weight"], cache["scale"]
    inner = np.sum(dy * weight, axis=-1, keepdims=True)
    dscore = weight * (dy - inner)
    return {"query": scale * (cache["key"] @ dscore), "key": scale * (cache["query"] @ dscore.T)}


def attention_scale_forgotten(dy, cache):
    weight = cache["weight"]
    dscore = weight * (dy - (dy * weight).sum(axis=0, keepdims=True))
    return {"query": cache["scale"] * (cache["key"] @ dscore), "key": cache["query"] @ dscore.T}


def attention_key_reshaped(dy, cache):
    weight, scale = cache["weight"], cache["scale"]
    dscore = weight * (dy - (dy * weight).sum(axis=0, keepdims=True))
    dkey = scale * (dscore @ cache["query"].T)
    return {"query": scale * (cache["key"] @ dscore), "key": dkey.reshape(cache["key"].shape)}


def attention_key_overwritten(dy, cache):
    query, key, weight, scale = cache["query"], cache["key"], cache["weight"], cache["scale"]
    dquery, dkey = np.zeros_like(query), np.zeros_like(key)
    for j in range(query.shape[1]):
        p = weight[:, j]
        jacobian = np.diag(p) - np.outer(p, p)
        dscore = jacobian @ dy[:, j]
        dquery[:, j] = scale * (key @ dscore)
        dkey = scale * np.outer(query[:, j], dscore)
    return {"query": dquery, "key": dkey}


def attention_cross_entropy_shortcut(dy, cache):
    dscore = cache["weight"] - dy
    scale = cache["scale"]
    return {"query": scale * (cache["key"] @ dscore), "key": scale * (cache["query"] @ dscore.T)}


def integrator_inputs(rng):
    return {
        "x": rng.normal(size=(6, 3, 5)),
        "weight": 0.7 * rng.normal(size=(4, 3)),
        "recurrent": 0.6 * rng.normal(size=(4, 4)),
        "bias": 0.4 * rng.normal(size=(4, 1)),
        "leak": rng.uniform(0.25, 0.75, size=(4, 1)),
        "start": 0.5 * rng.normal(size=(4, 5)),
    }


def integrator_forward(x, weight, recurrent, bias, leak, start):
    states, rates = [start], []
    for x_t in x:
        rates.append(np.tanh(weight @ x_t + recurrent @ states[-1] + bias))
        states.append((1.0 - leak) * states[-1] + leak * rates[-1])
    cache = {"x": x, "weight": weight, "recurrent": recurrent, "leak": leak}
    cache.update(states=np.stack(states), rates=np.stack(rates))
    return np.stack(states[1:]), cache


def integrator_empty(cache):
    _, units, batch = cache["states"].shape
    return {
        "x": np.zeros_like(cache["x"]),
        "weight": np.zeros_like(cache["weight"]),
        "recurrent": np.zeros_like(cache["recurrent"]),
        "bias": np.zeros((units, 1)),
        "leak": np.zeros((units, 1)),
        "start": np.zeros((units, batch)),
    }


def integrator_backward(dy, cache):
    x, weight, recurrent, leak = cache["x"], cache["weight"], cache["recurrent"], cache["leak"]
    states, rates = cache["states"], cache["rates"]
    grads = integrator_empty(cache)
    dstate = np.zeros_like(states[0])
    for t in reversed(range(len(x))):
        dstate = dstate + dy[t]
        drive = dstate * leak * (1.0 - rates[t] ** 2)
        grads["x"][t] = weight.T @ drive
        grads["weight"] += drive @ x[t].T
        grads["recurrent"] += drive @ states[t].T
        grads["bias"] += drive.sum(axis=1, keepdims=True)
        grads["leak"] += (dstate * (rates[t] - states[t])).sum(axis=1, keepdims=True)
        dstate = (1.0 - leak) * dstate + recurrent.T @ drive
    grads["start"] = dstate
    return grads


def integrator_recurrent_untransposed(dy, cache):
    x, weight, recurrent, leak = cache["x"], cache["weight"], cache["recurrent"], cache["leak"]
    states, rates = cache["states"], cache["rates"]
    grads = integrator_empty(cache)
    dstate = np.zeros_like(states[0])
    for t in reversed(range(len(x))):
        dstate = dstate + dy[t]
        drive = dstate * leak * (1.0 - rates[t] ** 2)
        grads["x"][t] = weight.T @ drive
        grads["weight"] += drive @ x[t].T
        grads["recurrent"] += drive @ states[t].T
        grads["bias"] += drive.sum(axis=1, keepdims=True)
        grads["leak"] += (dstate * (rates[t] - states[t])).sum(axis=1, keepdims=True)
        dstate = (1.0 - leak) * dstate + recurrent @ drive
    grads["start"] = dstate
    return grads


def integrator_truncated(dy, cache, horizon=2):
    x, weight, recurrent, leak = cache["x"], cache["weight"], cache["recurrent"], cache["leak"]
    states, rates = cache["states"], cache["rates"]
    grads = integrator_empty(cache)
    for end in range(len(x)):
        dstate = dy[end]
        for t in range(end, max(-1, end - horizon - 1), -1):
            drive = dstate * leak * (1.0 - rates[t] ** 2)
            grads["x"][t] += weight.T @ drive
            grads["weight"] += drive @ x[t].T
            grads["recurrent"] += drive @ states[t].T
            grads["bias"] += drive.sum(axis=1, keepdims=True)
            grads["leak"] += (dstate * (rates[t] - states[t])).sum(axis=1, keepdims=True)
            dstate = (1.0 - leak) * dstate + recurrent.T @ drive
            if t == 0:
                grads["start"] += dstate
    return grads


def integrator_slope_of_state(dy, cache):
    x, weight, recurrent, leak = cache["x"], cache["weight"], cache["recurrent"], cache["leak"]
    states, rates = cache["states"], cache["rates"]
    grads = integrator_empty(cache)
    dstate = np.zeros_like(states[0])
    for t in reversed(range(len(x))):
        dstate = dstate + dy[t]
        drive = dstate * leak * (1.0 - states[t + 1] ** 2)
        grads["x"][t] = weight.T @ drive
        grads["weight"] += drive @ x[t].T
        grads["recurrent"] += drive @ states[t].T
        grads["bias"] += drive.sum(axis=1, keepdims=True)
        grads["leak"] += (dstate * (rates[t] - states[t])).sum(axis=1, keepdims=True)
        dstate = (1.0 - leak) * dstate + recurrent.T @ drive
    grads["start"] = dstate
    return grads


def integrator_state_off_by_one(dy, cache):
    x, weight, recurrent, leak = cache["x"], cache["weight"], cache["recurrent"], cache["leak"]
    states, rates = cache["states"], cache["rates"]
    grads = integrator_empty(cache)
    dstate = np.zeros_like(states[0])
    for t in reversed(range(len(x))):
        dstate = dstate + dy[t]
        drive = dstate * leak * (1.0 - rates[t] ** 2)
        grads["x"][t] = weight.T @ drive
        grads["weight"] += drive @ x[t].T
        grads["recurrent"] += drive @ states[t + 1].T
        grads["bias"] += drive.sum(axis=1, keepdims=True)
        grads["leak"] += (dstate * (rates[t] - states[t])).sum(axis=1, keepdims=True)
        dstate = (1.0 - leak) * dstate + recurrent.T @ drive
    grads["start"] = dstate
    return grads


def integrator_leak_without_decay(dy, cache):
    x, weight, recurrent, leak = cache["x"], cache["weight"], cache["recurrent"], cache["leak"]
    states, rates = cache["states"], cache["rates"]
    grads = integrator_empty(cache)
    dstate = np.zeros_like(states[0])
    for t in reversed(range(len(x))):
        dstate = dstate + dy[t]
        drive = dstate * leak * (1.0 - rates[t] ** 2)
        grads["x"][t] = weight.T @ drive
        grads["weight"] += drive @ x[t].T
        grads["recurrent"] += drive @ states[t].T
        grads["bias"] += drive.sum(axis=1, keepdims=True)
        grads["leak"] += (dstate * rates[t]).sum(axis=1, keepdims=True)
        dstate = (1.0 - leak) * dstate + recurrent.T @ drive
    grads["start"] = dstate
    return grads


def integrator_time_reversed(dy, cache):
    x, weight, recurrent, leak = cache["x"], cache["weight"], cache["recurrent"], cache["leak"]
    states, rates = cache["states"], cache["rates"]
    grads = integrator_empty(cache)
    dstate, dx = np.zeros_like(states[0]), []
    for t in reversed(range(len(x))):
        dstate = dstate + dy[t]
        drive = dstate * leak * (1.0 - rates[t] ** 2)
        dx.append(weight.T @ drive)
        grads["weight"] += drive @ x[t].T
        grads["recurrent"] += drive @ states[t].T
        grads["bias"] += drive.sum(axis=1, keepdims=True)
        grads["leak"] += (dstate * (rates[t] - states[t])).sum(axis=1, keepdims=True)
        dstate = (1.0 - leak) * dstate + recurrent.T @ drive
    grads["x"], grads["start"] = np.stack(dx), dstate
    return grads


def weightnorm_inputs(rng):
    x = rng.normal(size=(5, 8))
    return {
        "x": x + 0.05 * np.sign(x),
        "weight": rng.normal(size=(3, 5)) * np.array([[0.6], [1.0], [1.7]]),
        "gain": rng.uniform(0.6, 1.8, size=(3, 1)),
        "bias": rng.normal(size=(3, 1)),
    }


def weightnorm_forward(x, weight, gain, bias):
    rate = np.maximum(x, 0.0)
    norm = np.sqrt((weight**2).sum(axis=1, keepdims=True))
    unit = weight / norm
    drive = unit @ rate
    cache = {"x": x, "rate": rate, "weight": weight, "norm": norm, "unit": unit, "drive": drive, "gain": gain}
    return gain * drive + bias, cache


def weightnorm_backward(dy, cache):
    unit, norm = cache["unit"], cache["norm"]
    ddrive = dy * cache["gain"]
    dunit = ddrive @ cache["rate"].T
    return {
        "x": (unit.T @ ddrive) * (cache["x"] > 0),
        "weight": (dunit - unit * (dunit * unit).sum(axis=1, keepdims=True)) / norm,
        "gain": (dy * cache["drive"]).sum(axis=1, keepdims=True),
        "bias": dy.sum(axis=1, keepdims=True),
    }


def weightnorm_projection_missing(dy, cache):
    ddrive = dy * cache["gain"]
    return {
        "x": (cache["unit"].T @ ddrive) * (cache["x"] > 0),
        "weight": ddrive @ cache["rate"].T / cache["norm"],
        "gain": (dy * cache["drive"]).sum(axis=1, keepdims=True),
        "bias": dy.sum(axis=1, keepdims=True),
    }


def weightnorm_projection_over_all(dy, cache):
    unit, norm = cache["unit"], cache["norm"]
    ddrive = dy * cache["gain"]
    dunit = ddrive @ cache["rate"].T
    return {
        "x": (unit.T @ ddrive) * (cache["x"] > 0),
        "weight": (dunit - unit * np.sum(dunit * unit)) / norm,
        "gain": (dy * cache["drive"]).sum(axis=1, keepdims=True),
        "bias": dy.sum(axis=1, keepdims=True),
    }


def weightnorm_norm_forgotten(dy, cache):
    unit = cache["unit"]
    ddrive = dy * cache["gain"]
    dunit = ddrive @ cache["rate"].T
    return {
        "x": (unit.T @ ddrive) * (cache["x"] > 0),
        "weight": dunit - unit * (dunit * unit).sum(axis=1, keepdims=True),
        "gain": (dy * cache["drive"]).sum(axis=1, keepdims=True),
        "bias": dy.sum(axis=1, keepdims=True),
    }


def weightnorm_raw_weight_to_x(dy, cache):
    grads = weightnorm_backward(dy, cache)
    dx = cache["weight"].T @ (dy * cache["gain"])
    dx[cache["x"] <= 0] = 0.0
    return {**grads, "x": dx}


def weightnorm_rectifier_forgotten(dy, cache):
    grads = weightnorm_backward(dy, cache)
    return {**grads, "x": cache["unit"].T @ (dy * cache["gain"])}


def weightnorm_bias_flat(dy, cache):
    grads = weightnorm_backward(dy, cache)
    return {**grads, "bias": np.sum(dy, axis=1)}


LAYERNORM = (layernorm_inputs, layernorm_forward, layernorm_backward)
ATTENTION = (attention_inputs, attention_forward, attention_backward)
INTEGRATOR = (integrator_inputs, integrator_forward, integrator_backward)
WEIGHTNORM = (weightnorm_inputs, weightnorm_forward, weightnorm_backward)

CASES = [
    Case(
        "layernorm",
        "The standard deviation is treated as a constant.",
        *LAYERNORM,
        layernorm_constant_std,
        {"x": ("along",)},
    ),
    Case(
        "layernorm",
        "The batch-norm formula was pasted: its means run over the batch.",
        *LAYERNORM,
        layernorm_batchnorm_axes,
        {"x": ("mixed",)},
    ),
    Case(
        "layernorm",
        "The gain gradient uses the centred input, not divided by its deviation.",
        *LAYERNORM,
        layernorm_centred_for_xhat,
        {"gain": ("operand", "factor")},
    ),
    Case(
        "layernorm",
        "The gradient of x starts from dy and forgets the gain.",
        *LAYERNORM,
        layernorm_gain_forgotten,
        {"x": ("factor", "operand")},
    ),
    Case(
        "layernorm",
        "The gradient of x is divided by the variance and not by its root.",
        *LAYERNORM,
        layernorm_variance_for_std,
        {"x": ("factor", "operand")},
    ),
    Case(
        "layernorm",
        "The gradients of gain and shift are returned under each other's name.",
        *LAYERNORM,
        layernorm_gain_shift_exchanged,
        {"gain": ("swapped",)},
    ),
    Case(
        "attention",
        "The softmax is differentiated like a sigmoid, p * (1 - p).",
        *ATTENTION,
        attention_sigmoid_slope,
        {"query": ("diagonal",)},
    ),
    Case(
        "attention",
        "The inner sum of the softmax runs over the queries and not over the keys.",
        *ATTENTION,
        attention_sum_over_queries,
        {"query": ("mixed",)},
    ),
    Case(
        "attention",
        "The key gradient forgets the scale 1 / sqrt(units).",
        *ATTENTION,
        attention_scale_forgotten,
        {"key": ("factor",)},
    ),
    Case(
        "attention",
        "The key gradient is reshaped where it should be transposed.",
        *ATTENTION,
        attention_key_reshaped,
        {"key": ("permuted",)},
    ),
    Case(
        "attention",
        "The key gradient is overwritten for each query and not added up.",
        *ATTENTION,
        attention_key_overwritten,
        {"key": ("summand",)},
    ),
    Case(
        "attention",
        "The cross-entropy shortcut p - target is used with dy as the target.",
        *ATTENTION,
        attention_cross_entropy_shortcut,
        {"query": ("not-linear",)},
    ),
    Case(
        "integrator",
        "The recurrent weight is not transposed in the step back.",
        *INTEGRATOR,
        integrator_recurrent_untransposed,
        {"x": ("step-factor",)},
    ),
    Case(
        "integrator",
        "Back-propagation stops two steps before each output.",
        *INTEGRATOR,
        integrator_truncated,
        {"x": ("truncated",)},
    ),
    Case(
        "integrator",
        "The slope of tanh is taken from the state and not from the rate.",
        *INTEGRATOR,
        integrator_slope_of_state,
        {"bias": ("operand", "factor")},
    ),
    Case(
        "integrator",
        "The recurrent gradient uses the state after the step, not before it.",
        *INTEGRATOR,
        integrator_state_off_by_one,
        {"recurrent": ("operand",)},
    ),
    Case(
        "integrator",
        "The leak gradient forgets that the leak also lets the old state decay.",
        *INTEGRATOR,
        integrator_leak_without_decay,
        {"leak": ("operand",)},
    ),
    Case(
        "integrator",
        "The input gradients are collected backwards and never turned round.",
        *INTEGRATOR,
        integrator_time_reversed,
        {"x": ("permuted",)},
    ),
    Case(
        "weightnorm",
        "The weight gradient lacks the projection onto the row.",
        *WEIGHTNORM,
        weightnorm_projection_missing,
        {"weight": ("along",)},
    ),
    Case(
        "weightnorm",
        "The projection sums over the whole weight and not over each row.",
        *WEIGHTNORM,
        weightnorm_projection_over_all,
        {"weight": ("mixed", "along")},
    ),
    Case(
        "weightnorm",
        "The weight gradient is not divided by the row length.",
        *WEIGHTNORM,
        weightnorm_norm_forgotten,
        {"weight": ("factor",)},
    ),
    Case(
        "weightnorm",
        "The gradient of x goes through the raw weight, not the normalised one.",
        *WEIGHTNORM,
        weightnorm_raw_weight_to_x,
        {"x": ("operand", "factor")},
    ),
    Case(
        "weightnorm",
        "The gradient of x forgets the rectifier on the input.",
        *WEIGHTNORM,
        weightnorm_rectifier_forgotten,
        {"x": ("confined",)},
    ),
    Case(
        "weightnorm",
        "The bias gradient is flat and not a column.",
        *WEIGHTNORM,
        weightnorm_bias_flat,
        {"bias": ("shape",)},
    ),
]
