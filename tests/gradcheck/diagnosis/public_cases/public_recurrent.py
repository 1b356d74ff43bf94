"""RNN, LSTM and GRU as courses and tutorials write them, batch first within a step, and their usual mistakes."""

import numpy as np
from gradcheck.diagnosis.public_cases.public_case import Pair, PublicCase, sigmoid, with_change

T, B, D, H = 4, 2, 5, 6


def rnn_inputs(rng):
    return {
        "x": rng.standard_normal((T, B, D)),
        "h0": 0.5 * rng.standard_normal((B, H)),
        "Wx": 0.5 * rng.standard_normal((D, H)),
        "Wh": 0.5 * rng.standard_normal((H, H)),
        "b": 0.3 * rng.standard_normal(H),
    }


def rnn_forward(x, h0, Wx, Wh, b):
    h = [h0]
    for step in x:
        h.append(np.tanh(step @ Wx + h[-1] @ Wh + b))
    return np.stack(h[1:]), (x, h, Wx, Wh)


def rnn_backward(dy, cache, slope=lambda h: 1 - h * h, way=lambda Wh: Wh.T, state=0, reach=99, keep=sum, carry=1):
    x, h, Wx, Wh = cache
    dx, parts = np.zeros_like(x), {"Wx": [], "Wh": [], "b": []}
    cut = [t for t in range(len(x)) if carry == 0]
    grads_h0 = 0
    if reach < 99:
        return truncated(dy, cache, reach)
    dh_next = np.zeros_like(h[0])
    for t in reversed(range(len(x))):
        da = (dy[t] + dh_next) * slope(h[t + 1])
        dx[t] = da @ Wx.T
        parts["Wx"].append(x[t].T @ da)
        parts["Wh"].append(h[t + state].T @ da)
        parts["b"].append(da.sum(0))
        dh_next = 0 * da @ way(Wh) if cut else da @ way(Wh)
        grads_h0 = dh_next
    return {"x": dx, "h0": grads_h0, **{name: keep(terms) for name, terms in parts.items()}}


def truncated(dy, cache, reach):
    """Every output goes back `reach` steps and no further."""
    x, h, Wx, Wh = cache
    grads = {"x": np.zeros_like(x), "h0": np.zeros_like(h[0])}
    grads |= {"Wx": np.zeros_like(Wx), "Wh": np.zeros_like(Wh), "b": np.zeros(Wh.shape[0])}
    for out in range(len(x)):
        dh = dy[out]
        for t in range(out, max(out - reach, -1), -1):
            da = dh * (1 - h[t + 1] ** 2)
            grads["x"][t] += da @ Wx.T
            grads["Wx"] += x[t].T @ da
            grads["Wh"] += h[t].T @ da
            grads["b"] += da.sum(0)
            dh = da @ Wh.T
            if t == 0:
                grads["h0"] += dh
    return grads


RNN = Pair("rnn", rnn_inputs, rnn_forward, rnn_backward)
RNN_CASES = [
    PublicCase(RNN, "dWh takes the new state h[t] where the old one belongs", with_change(RNN, state=1), ("Wh",),
               ("operand: h[t + 1] for h[t]",)),
    PublicCase(RNN, "what comes back from the next step is forgotten", with_change(RNN, carry=0), ("x",),
               ("truncated: at its own time step only", "zero")),
    PublicCase(RNN, "the slope is taken of tanh(h), h being activated already",
               with_change(RNN, slope=lambda h: 1 - np.tanh(h) ** 2), ("x",), ("operand: (1 - tanh(",)),
    PublicCase(RNN, "the way back multiplies by Wh and not its transpose", with_change(RNN, way=lambda Wh: Wh), ("x",),
               ("step-factor: a step back", "operand: Wh")),
    PublicCase(RNN, "backpropagation stops after two steps", with_change(RNN, reach=2), ("x",),
               ("truncated: for one step back",)),
    PublicCase(RNN, "weight gradients are a mean over time",
               with_change(RNN, keep=lambda terms: sum(terms) / len(terms)), ("Wx", "Wh", "b"), ("factor: 1/4",)),
    PublicCase(RNN, "weight gradients are written with = and not +=", with_change(RNN, keep=lambda terms: terms[-1]),
               ("Wx", "Wh"), ("summand",)),
]  # fmt: skip


def lstm_inputs(rng):
    return {
        "x": rng.standard_normal((T, B, D)),
        "h0": 0.5 * rng.standard_normal((B, H)),
        "c0": 0.5 * rng.standard_normal((B, H)),
        "W": 0.5 * rng.standard_normal((D, 4 * H)),
        "U": 0.5 * rng.standard_normal((H, 4 * H)),
        "b": 0.3 * rng.standard_normal(4 * H),
    }


def lstm_forward(x, h0, c0, W, U, b):
    h, c, gates = [h0], [c0], []
    for step in x:
        i, f, o, g = np.split(step @ W + h[-1] @ U + b, 4, axis=1)
        i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
        c.append(f * c[-1] + i * g)
        h.append(o * np.tanh(c[-1]))
        gates.append((i, f, o, g))
    return np.stack(h[1:]), {"x": x, "h": h, "c": c, "gates": gates, "W": W, "U": U}


def lstm_backward(dy, k, carry=1, gate=1, state=0):
    x, h, c, W, U = k["x"], k["h"], k["c"], k["W"], k["U"]
    grads = {"x": np.zeros_like(x), "W": np.zeros_like(W), "U": np.zeros_like(U), "b": np.zeros(W.shape[1])}
    dh_next, dc_next = np.zeros_like(h[0]), np.zeros_like(c[0])
    for t in reversed(range(len(x))):
        i, f, o, g = k["gates"][t]
        dh = dy[t] + dh_next
        dc = dh * o * (1 - np.tanh(c[t + 1]) ** 2) + carry * dc_next
        slopes = (
            dc * g * i * (1 - i),
            dc * c[t] * f * (1 - f),
            dh * np.tanh(c[t + 1]) * o * (1 - o),
            dc * i * (1 - g * g),
        )
        da = np.hstack(slopes)
        grads["x"][t] = da @ W.T
        grads["W"] += x[t].T @ da
        grads["U"] += h[t + state].T @ da
        grads["b"] += da.sum(0)
        dh_next, dc_next = da @ U.T, dc * k["gates"][t][gate]
    return {**grads, "h0": dh_next, "c0": dc_next}


LSTM = Pair("lstm", lstm_inputs, lstm_forward, lstm_backward)


def cell_inputs(rng):
    names = "ifog"
    inputs = {"x": rng.standard_normal((3, D)), "h": rng.standard_normal((3, H)), "c": rng.standard_normal((3, H))}
    inputs |= {f"W{name}": 0.5 * rng.standard_normal((D, H)) for name in names}
    return inputs | {f"U{name}": 0.5 * rng.standard_normal((H, H)) for name in names}


def cell_forward(x, h, c, **w):
    i, f, o = (sigmoid(x @ w[f"W{name}"] + h @ w[f"U{name}"]) for name in "ifo")
    g = np.tanh(x @ w["Wg"] + h @ w["Ug"])
    c_new = f * c + i * g
    return o * np.tanh(c_new), {"x": x, "h": h, "c": c, "i": i, "f": f, "o": o, "g": g, "c_new": c_new, "w": w}


def cell_backward(dy, k, slope=lambda c: 1 - np.tanh(c) ** 2, gate=lambda s: s * (1 - s), old="c"):
    dc = dy * k["o"] * slope(k["c_new"])
    da = {
        "i": dc * k["g"] * k["i"] * (1 - k["i"]),
        "f": dc * k[old] * k["f"] * (1 - k["f"]),
        "o": dy * np.tanh(k["c_new"]) * gate(k["o"]),
        "g": dc * k["i"] * (1 - k["g"] ** 2),
    }
    grads = {"x": sum(da[n] @ k["w"][f"W{n}"].T for n in da), "h": sum(da[n] @ k["w"][f"U{n}"].T for n in da)}
    grads |= {f"W{n}": k["x"].T @ da[n] for n in da} | {f"U{n}": k["h"].T @ da[n] for n in da}
    return {**grads, "c": dc * k["f"]}


CELL = Pair("lstm cell", cell_inputs, cell_forward, cell_backward)
LSTM_CASES = [
    PublicCase(LSTM, "the cell's own way back, dc_next, is forgotten", with_change(LSTM, carry=0), ("x",),
               ("step-factor: what a step back multiplies by", "path")),
    PublicCase(LSTM, "dc_next is multiplied by the input gate, not the forget gate", with_change(LSTM, gate=0), ("x",),
               ("step-factor: what a step back multiplies by",)),
    PublicCase(LSTM, "dc_next is added twice", with_change(LSTM, carry=2), ("x",),
               ("step-factor: what a step back multiplies by", "step-factor: 2")),
    PublicCase(LSTM, "dU takes the new state for the old one", with_change(LSTM, state=1), ("U",),
               ("operand: h[t + 1] for h[t]",)),
    PublicCase(CELL, "1 - tanh(tanh(c))² instead of 1 - tanh(c)²",
               with_change(CELL, slope=lambda c: 1 - np.tanh(np.tanh(c)) ** 2), ("c",), ("operand: 1 - tanh",)),
    PublicCase(CELL, "the output gate's slope is taken of an activated value",
               with_change(CELL, gate=lambda s: sigmoid(s) * (1 - sigmoid(s))), ("Wo", "Uo"),
               ("operand: σ(", "along: Wo", "along: Uo")),
    PublicCase(CELL, "the forget gate gets the new cell state for the old one", with_change(CELL, old="c_new"),
               ("Wf", "Uf"), ("operand: cache['c_new'] is used where c belongs", "along: Wf", "along: Uf")),
]  # fmt: skip


def gru_inputs(rng):
    inputs = {"x": rng.standard_normal((3, D)), "h": rng.standard_normal((3, H))}
    inputs |= {f"W{name}": 0.5 * rng.standard_normal((D, H)) for name in "zrn"}
    return inputs | {f"U{name}": 0.5 * rng.standard_normal((H, H)) for name in "zrn"}


def gru_forward(x, h, Wz, Wr, Wn, Uz, Ur, Un):
    z, r = sigmoid(x @ Wz + h @ Uz), sigmoid(x @ Wr + h @ Ur)
    kept = r * h
    n = np.tanh(x @ Wn + kept @ Un)
    weights = {"Wz": Wz, "Wr": Wr, "Wn": Wn, "Uz": Uz, "Ur": Ur, "Un": Un}
    return (1 - z) * n + z * h, {"x": x, "h": h, "z": z, "r": r, "n": n, "kept": kept, **weights}


def gru_backward(dy, k, straight=1, sign=1, state="kept", gate=lambda s: s * (1 - s), through_reset=1):
    da_n = dy * (1 - k["z"]) * (1 - k["n"] ** 2)
    da_z = sign * dy * (k["h"] - k["n"]) * k["z"] * (1 - k["z"])
    dkept = da_n @ k["Un"].T
    da_r = dkept * k["h"] * gate(k["r"])
    dh = straight * dy * k["z"] + dkept * k["r"] + da_z @ k["Uz"].T + through_reset * da_r @ k["Ur"].T
    grads = {"x": da_z @ k["Wz"].T + da_r @ k["Wr"].T + da_n @ k["Wn"].T, "h": dh, "Un": k[state].T @ da_n}
    grads |= {"Wz": k["x"].T @ da_z, "Wr": k["x"].T @ da_r, "Wn": k["x"].T @ da_n}
    return {**grads, "Uz": k["h"].T @ da_z, "Ur": k["h"].T @ da_r}


GRU = Pair("gru", gru_inputs, gru_forward, gru_backward)
GRU_CASES = [
    PublicCase(GRU, "the straight path z · dy to the old state is forgotten", with_change(GRU, straight=0), ("h",),
               ("path: cache['z']",)),
    PublicCase(GRU, "the update gate's gradient has the wrong sign", with_change(GRU, sign=-1), ("Wz", "Uz"),
               ("sign", "along: Wz", "along: Uz")),
    PublicCase(GRU, "dUn takes h where r · h belongs", with_change(GRU, state="h"), ("Un",),
               ("operand: h is used where cache['kept'] belongs", "factor: cache['r']")),
    PublicCase(GRU, "the reset gate's slope is taken of an activated value",
               with_change(GRU, gate=lambda s: sigmoid(s) * (1 - sigmoid(s))), ("Wr", "Ur"), ("operand: σ(",)),
    PublicCase(GRU, "the path through the reset gate to the old state is forgotten", with_change(GRU, through_reset=0),
               ("h",), ("path", "along: Ur")),
]  # fmt: skip
CASES = [*LSTM_CASES, *GRU_CASES, *RNN_CASES]
PAIRS = [LSTM, CELL, GRU, RNN]
