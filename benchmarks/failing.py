"""What a failing property test costs: Hypothesis with the checker, against Hypothesis with central differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import minisparse as ms
from minisparse.testing import generators, sizes

from .timing import Call, compare

EXAMPLES = 100
"""Of one property test, as Hypothesis draws them by default."""


def failing(quick: bool) -> Iterator[dict]:
    """A property test of a wrong layer, until its message is there, against one with np.testing.assert_allclose."""
    for name, (layer, count) in LAYERS.items():
        sides = {"checker": Call(_until_it_fails(layer, count, _by_checker)),
                 "assert_allclose": Call(_until_it_fails(layer, count, _by_hand))}  # fmt: skip
        yield from compare(f"{name}, wrong", sides, "assert_allclose", same=(), rounds=3 if quick else None)


def _until_it_fails(layer: Callable, count: int, judge: Callable) -> Callable[[], None]:
    from hypothesis import Phase, given, settings

    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
              phases=(Phase.generate, Phase.shrink))  # fmt: skip
    @given(sizes(count), generators())
    def test(sizes: Any, rng: Any) -> None:
        judge(*layer(sizes, rng))

    def run() -> None:
        try:
            test()
        except AssertionError as error:
            str(error)
        else:
            raise RuntimeError("a wrong layer has passed")

    return run


def _by_checker(forward: Callable, backward: Callable, inputs: dict) -> None:
    ms.check_pair(forward, backward, inputs).assert_ok()


def _by_hand(forward: Callable, backward: Callable, inputs: dict) -> None:
    y, cache = forward(**inputs)
    dy = np.random.default_rng(0).standard_normal(y.shape)
    grads = backward(dy, cache)
    for name, value in inputs.items():
        numeric = np.zeros(value.shape)
        for place in np.ndindex(value.shape):
            ahead, behind = value.copy(), value.copy()
            ahead[place] += 1e-5
            behind[place] -= 1e-5
            change = forward(**{**inputs, name: ahead})[0] - forward(**{**inputs, name: behind})[0]
            numeric[place] = (dy * change).sum() / 2e-5
        np.testing.assert_allclose(grads[name], numeric, rtol=1e-5, atol=1e-7)


def _readme(sizes: Any, rng: Any) -> tuple:
    """The layer of the README, with a mean where a sum belongs."""
    post, pre, batch = sizes

    def forward(W: np.ndarray, b: np.ndarray, x: np.ndarray) -> tuple:
        y = np.tanh(W @ x + b)
        return y, (W, x, y)

    def backward(dy: np.ndarray, cache: tuple) -> dict:
        W, x, y = cache
        da = dy * (1 - y * y)
        return {"W": da @ x.T, "b": da.mean(axis=1, keepdims=True), "x": W.T @ da}

    draw = rng.standard_normal
    return forward, backward, {"W": draw((post, pre)), "b": draw((post, 1)), "x": draw((pre, batch))}


def _layer_norm(sizes: Any, rng: Any) -> tuple:
    """Layer normalisation, whose gradient lacks the term through the variance."""
    units, batch = sizes

    def forward(x: np.ndarray, gain: np.ndarray) -> tuple:
        centred = x - x.mean(axis=0)
        deviation = np.sqrt((centred**2).mean(axis=0) + 1e-5)
        return gain * centred / deviation, (centred / deviation, deviation, gain)

    def backward(dy: np.ndarray, cache: tuple) -> dict:
        normal, deviation, gain = cache
        dn = dy * gain
        return {"x": (dn - dn.mean(axis=0)) / deviation, "gain": (dy * normal).sum(axis=1, keepdims=True)}

    return forward, backward, {"x": rng.standard_normal((units, batch)), "gain": rng.standard_normal((units, 1))}


def _gru(sizes: Any, rng: Any) -> tuple:
    """One step of a GRU, whose gradient lacks the path through the reset gate."""
    units, inputs, batch = sizes
    shapes = {"x": (inputs, batch), "h": (units, batch), **{f"W{k}": (units, inputs) for k in "rzn"},
              **{f"U{k}": (units, units) for k in "rzn"}}  # fmt: skip

    def sigmoid(a: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-a))

    def forward(x, h, Wr, Wz, Wn, Ur, Uz, Un):
        r, z = sigmoid(Wr @ x + Ur @ h), sigmoid(Wz @ x + Uz @ h)
        n = np.tanh(Wn @ x + Un @ (r * h))
        return (1 - z) * n + z * h, (x, h, Wr, Wz, Wn, Ur, Uz, Un, r, z, n)

    def backward(dy: np.ndarray, cache: tuple) -> dict:
        x, h, Wr, Wz, Wn, Ur, Uz, Un, r, z, n = cache
        dn, dz = dy * (1 - z) * (1 - n * n), dy * (h - n) * z * (1 - z)
        drh = Un.T @ dn
        dr = 0 * drh  # the path that is missing: drh * h * r * (1 - r)
        return {
            "x": Wn.T @ dn + Wz.T @ dz + Wr.T @ dr, "h": dy * z + drh * r + Uz.T @ dz + Ur.T @ dr,
            "Wr": dr @ x.T, "Wz": dz @ x.T, "Wn": dn @ x.T, "Ur": dr @ h.T, "Uz": dz @ h.T, "Un": dn @ (r * h).T,
        }  # fmt: skip

    return forward, backward, {name: rng.standard_normal(shape) for name, shape in shapes.items()}


LAYERS = {"the README's layer": (_readme, 3), "layer norm": (_layer_norm, 2), "GRU": (_gru, 3)}
