"""Where outputs are too many to ask for each, what the gradients alone tell; else which sizes to use."""

import numpy as np
import pytest

import minisparse as ms

rng = np.random.default_rng(1)
LAYER = {"W": rng.standard_normal((40, 30)), "x": rng.standard_normal((30, 32)), "b": rng.standard_normal((40, 1))}


def forward(W, x, b):
    return np.tanh(W @ x + b), (W, x, np.tanh(W @ x + b))


def right(dy, cache):
    W, x, y = cache
    da = dy * (1 - y * y)
    return {"W": da @ x.T, "x": W.T @ da, "b": da.sum(axis=1, keepdims=True)}


@pytest.mark.parametrize(
    ("tensor", "change", "code", "words"),
    [
        ("b", lambda g: g / 32, "factor", "1 / 32 (x.shape[1] = y.shape[1])"),
        ("b", lambda g: 0 * g, "zero", "0 everywhere"),
        ("W", lambda g: -g, "sign", "wrong sign"),
        ("W", lambda g: g * np.arange(1, 41)[:, None], "factor", "each index of axis 0"),
        ("W", lambda g: g + 0.1 * g**2, "mismatch", "too large to explain: use sizes"),
    ],
)
def test_what_the_gradients_alone_tell(tensor, change, code, words):
    def wrong(dy, cache):
        grads = right(dy, cache)
        return {**grads, tensor: change(grads[tensor])}

    ms.check_pair(forward, right, LAYER).assert_ok()
    report = ms.check_pair(forward, wrong, LAYER)
    assert report.codes == (code,)
    assert words in report.findings[0].sentence


def test_a_turned_square_matrix_is_seen():
    square = {"W": rng.standard_normal((36, 36)), "x": rng.standard_normal((36, 50))}
    report = ms.check_pair(
        lambda W, x: (W @ x, (W, x)), lambda dy, c: {"W": c[1] @ dy.T, "x": c[0].T @ dy}, square
    )
    assert report.codes == ("transpose",)
