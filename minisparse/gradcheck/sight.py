"""What each kind of check sees of each catalogued mistake: planted, checked, and written down, nothing assumed."""

from __future__ import annotations

import numpy as np

from ..activations import ACTIVATIONS
from ..backend import Array, use
from ..connectivity import bernoulli
from ..dale import Dale
from ..losses import softmax_cross_entropy
from ..optim import Adam
from ..rnn import RNN
from ..weights.make import make_weights
from .catalogue import Mistake, catalogue
from .checker import of_loss, pair
from .comparison import compare
from .steps import check_steps

CHECKS = ("ones", "random", "exact zeros", "two steps")
"""A cotangent of ones; a random one; the same, and exact zeros off the pattern; all that over two training steps."""
SIZES = {"batch": 3, "time": 5, "units": 7, "inputs": 2, "classes": 4}
"""Pairwise different and at least 2, so that a ratio or a transposed matrix has one cause."""


def what_each_check_sees(sizes: dict[str, int] = SIZES, seed: int = 0, family: str | None = None) -> list[dict]:
    """Plant every catalogued mistake of a recurrent network and its training, and run every kind of check on it.

    Parameters
    ----------
    sizes : dict
        batch, time, units, inputs and classes.
    seed : int
    family : str, optional
        Of the mistakes; all if omitted.

    Returns
    -------
    list of dict
        One per mistake: code, family, tag, and whether each check of `CHECKS` caught it.

    Examples
    --------
    >>> rows = minisparse.gradcheck.sight.what_each_check_sees(family="sparse")
    >>> all(row["two steps"] for row in rows), all(row["random"] for row in rows)
    (True, False)
    """
    found = []
    for row in catalogue(family):
        storage = "csr" if "csr" in row.only else "dense"
        activation = next((name for name in ACTIVATIONS if name in row.only), "tanh")
        small = example(storage, activation, {**SIZES, **sizes}, seed)
        parts = small[0], softmax_cross_entropy, Adam(lr=0.1, eps=0.01, decay=0.1), Dale(small[-1])
        if row.concerns(*parts):
            caught = _caught(row, parts, *small[1:4], seed)
            found.append({"code": row.code, "family": row.family, "tag": row.tag, **caught})
    return found


def example(storage: str, activation: str, sizes: dict[str, int] = SIZES, seed: int = 0) -> tuple:
    """Return a small model with signed weights: model, params, x, labels, signs; all in float64.

    Its arrays are NumPy's, whatever the backend: a check is thousands of passes of few numbers, and on a GPU each of
    them would wait for its launches.

    Examples
    --------
    >>> model, params, x, labels, signs = minisparse.gradcheck.sight.example("csr", "tanh")
    >>> x.shape
    (5, 2, 3)
    """
    rng = np.random.default_rng([seed, 5])
    n = sizes["units"]
    model = RNN(sizes["inputs"], make_weights(bernoulli(n, n, 0.5, rng), storage), sizes["classes"], activation)
    signs = np.where(np.arange(n)[:, None] % 3, 1, -1)
    with use("numpy"):
        params = model.init(rng, dtype=np.float64, w_max=0.8, signs=signs)
    x = 2 * rng.standard_normal((sizes["time"], sizes["inputs"], sizes["batch"]))
    return model, params, x, rng.integers(0, sizes["classes"], sizes["batch"]), signs


def _caught(row: Mistake, parts: tuple, params: dict, x: Array, labels: Array, seed: int) -> dict[str, bool]:
    model = parts[0]
    wrong, loss, opt, dale = map(row.plant, parts)
    logits, _ = model.forward(params, x)
    on_pattern, whole = _on_pattern(wrong, params, x), pair(wrong, params, x)

    def passes(functions: dict, **settings: object) -> bool:
        return compare(**functions, **settings, mode="direction").report.ok  # what one entry shows, a direction does

    ones = passes(on_pattern, dy=np.ones(logits.shape)) and passes(of_loss(loss, logits, labels), dy=np.ones(()))
    random = passes(on_pattern, seed=seed) and passes(of_loss(loss, logits, labels), seed=seed)
    zeros = random and passes(whole, seed=seed)
    steps = zeros and check_steps(wrong, params, x, labels, opt, [dale], seed=seed).ok
    return dict(zip(CHECKS, (not ones, not random, not zeros, not steps), strict=True))


def _on_pattern(model: RNN, params: dict, x: np.ndarray) -> dict:
    """Return a pair that speaks of existing synapses only, as a check does that knows nothing of masks."""
    functions, weights = pair(model, params, x), model.weights["W_rec"]

    def forward(W_rec: np.ndarray, **rest: np.ndarray) -> tuple:
        return functions["forward"](W_rec=weights.from_values(W_rec), **rest)

    def backward(dy: np.ndarray, cache: object) -> dict:
        grads = functions["backward"](dy, cache)
        return {**grads, "W_rec": weights.values(grads["W_rec"])}

    return {
        "forward": forward,
        "backward": backward,
        "inputs": {**params, "W_rec": weights.values(params["W_rec"]), "x": x},
    }
