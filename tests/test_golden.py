"""Golden numbers: what every model and rule computes in a few training steps, on both storages, recorded once.

A change that moves a number here changes what recorded results mean. ``python tests/test_golden.py --write`` records
them anew.
"""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import minisparse as ms

FILE = Path(__file__).with_name("golden.json")
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
STORAGES = ("dense", "csr")


def dataset(
    time: int = 4, inputs: int = 4, classes: int = 3, dtype: type = np.float64, samples: int = 24
) -> ms.Dataset:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((2, samples, time, inputs)).astype(dtype)
    y = rng.integers(0, classes, (2, samples))
    return ms.Dataset("golden", x[0], y[0], x[1], y[1], classes)


def layer(post: int, pre: int, density: float, storage: str, seed: int):
    return ms.make_weights(ms.bernoulli(post, pre, density, np.random.default_rng(seed)), storage)


def rnn(storage: str, **settings) -> ms.RNN:
    return ms.RNN(4, layer(9, 9, 0.5, storage, 1), 3, **settings)


def mlp(storage: str, inputs: int = 16, **settings) -> ms.MLP:
    sparse = [layer(9, inputs, 0.4, storage, 1), layer(8, 9, 0.4, storage, 2)]
    return ms.MLP([*sparse, ms.make_weights(ms.full(3, 8), "dense")], **settings)


def conv(storage: str, stem) -> ms.ConvNet:
    return ms.ConvNet(stem, mlp(storage, stem.n_out))


SIGNS = np.where(np.arange(9) % 3, 1, -1)[:, None]
SCHEDULE = {"fraction": 0.3, "every": 1, "unit": "epochs", "decay": "cosine"}
MODELS = {
    "rnn-relu": lambda s: rnn(s),
    "rnn-tanh": lambda s: rnn(s, activation="tanh"),
    "rnn-one-bias": lambda s: rnn(s, activation="sigmoid", biases=1),
    "rnn-dendritic": lambda s: rnn(s, activation="tanh", normalise=ms.Dendritic("matched")),
    "rnn-joint": lambda s: rnn(s, activation="tanh", normalise=ms.Joint("matched")),
    "mlp-sigmoid": lambda s: mlp(s),
    "mlp-dendritic": lambda s: mlp(s, normalise=ms.Dendritic(), shared_scale=True),
    "mlp-lp-constant": lambda s: mlp(s, normalise=ms.LpConstant(2)),
    "mlp-lp-variable": lambda s: mlp(s, normalise=[ms.LpVariable(1, "matched"), ms.WeightNorm()]),
    "mlp-relu": lambda s: mlp(s, activation="relu"),
    "conv-pool": lambda s: conv(s, ms.ConvPool((4, 4), 2, size=3, pool=2)),
    "conv-patches": lambda s: conv(s, ms.PatchConv((4, 4), 2, filters=3)),
}
OPTIMISERS = {
    "sgd": lambda: ms.SGD(0.1),
    "momentum": lambda: ms.SGD(0.1, momentum=0.9, decay=0.1),
    "decay": lambda: ms.Adam(0.05, decay=0.1),
}
RULES = {
    "dale": lambda: ({"after_step": [ms.Dale(SIGNS)]}, "rnn-tanh"),
    "cosine": lambda: ({"after_step": [ms.Cosine()]}, "rnn-tanh"),
    "set": lambda: ({"after_epoch": [ms.SET(0.3, std=0.1)]}, "mlp-relu"),
    "set-recurrent": lambda: ({"after_epoch": [ms.SET(0.3, std=0.1), ms.Dale(SIGNS)]}, "rnn-tanh"),
    "rigl": lambda: ({"after_step": [ms.RigL(**SCHEDULE)]}, "mlp-relu"),
    "hebbian": lambda: ({"after_step": [ms.Hebbian(**SCHEDULE)]}, "mlp-relu"),
    "hebbian-cosine": lambda: ({"after_step": [ms.Hebbian("cosine", **SCHEDULE)]}, "mlp-relu"),
    "deep-rewiring": lambda: ({"after_step": [ms.DeepRewiring()]}, "mlp-relu"),
    "cannistraci-hebb": lambda: ({"after_step": [ms.CannistraciHebb(**SCHEDULE)]}, "mlp-relu"),
}


def fingerprint(model, params: dict, history: list[dict]) -> dict[str, list[float]]:
    """Sum up a trained network: losses, and for each parameter its length and its projection on a fixed vector."""
    found = {"loss": [row["test_loss"] for row in history], "accuracy": [row["test_accuracy"] for row in history]}
    for name, w in params.items():
        values = model.weights[name].values(w) if name in model.weights else w
        values = ms.to_numpy(values).astype(np.float64).ravel()
        found[name] = [float(np.linalg.norm(values)), float(values @ np.cos(np.arange(values.size)))]
        if name in model.weights:
            pattern = model.weights[name].pattern
            found[f"{name}.pattern"] = [pattern.nnz, float(np.sin(pattern.rows * 7.0 + pattern.indices).sum())]
    return found


def train(model, opt, dtype: type = np.float64, data: ms.Dataset | None = None, epochs: int = 2, w_max=None, **hooks):
    """Three steps an epoch."""
    data = data or dataset(dtype=dtype)
    params = model.init(np.random.default_rng(2), dtype, w_max=w_max)
    for hook in hooks.get("after_step", ()):
        if isinstance(hook, ms.DeepRewiring):
            hook.align(model, params)
    rng = np.random.default_rng(3)
    history = ms.fit(model, params, opt, data, epochs, rng, len(data.x_train) // 3, quiet=True, **hooks)
    return fingerprint(model, params, history)


def vanishing(storage: str) -> dict:
    """Return a recurrent network of 28 steps at the published start: its gradient shrinks out of float32's range."""
    data = dataset(28, 28, 10, np.float32, 30)
    model = ms.RNN(28, layer(60, 60, 0.3, storage, 1), 10)
    return train(model, ms.Adam(1e-3), np.float32, data, 1, w_max=1e-3)


def cases() -> dict:
    found = {}
    for storage in STORAGES:
        for name, make in MODELS.items():
            for dtype in (np.float64, np.float32):
                found[f"{name} {storage} {dtype.__name__}"] = functools.partial(
                    lambda make, storage, dtype: train(make(storage), ms.Adam(0.02), dtype), make, storage, dtype
                )
        for name, opt in OPTIMISERS.items():
            found[f"{name} {storage} float64"] = functools.partial(
                lambda opt, storage: train(MODELS["rnn-tanh"](storage), opt()), opt, storage
            )
        for name, rule in RULES.items():

            def run(rule=rule, storage=storage):
                hooks, model = rule()
                return train(MODELS[model](storage), ms.Adam(0.02), **hooks)

            found[f"{name} {storage} float64"] = run
        found[f"vanishing {storage} float32"] = functools.partial(vanishing, storage)
    return found


CASES = cases()


@pytest.mark.parametrize("case", CASES)
def test_every_model_and_rule_still_gives_its_golden_numbers(case):
    golden, now = json.loads(FILE.read_text())[case], CASES[case]()
    assert now.keys() == golden.keys()
    for name, numbers in golden.items():
        tolerance = TOLERANCE[case.rpartition(" ")[2]]
        np.testing.assert_allclose(now[name], numbers, rtol=tolerance, atol=tolerance, err_msg=f"{case}: {name}")


def test_both_storages_have_the_same_golden_numbers():
    golden = json.loads(FILE.read_text())
    assert golden.keys() == CASES.keys()
    for case in CASES:
        twin = golden[case.replace(" csr ", " dense ")]
        for name, numbers in golden[case].items():
            tolerance = TOLERANCE[case.rpartition(" ")[2]]
            np.testing.assert_allclose(numbers, twin[name], rtol=tolerance, atol=tolerance, err_msg=f"{case}: {name}")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("python tests/test_golden.py --write records the golden numbers again; pytest compares with them")
    lines = ",\n".join(f"{json.dumps(case)}: {json.dumps(run())}" for case, run in CASES.items())
    FILE.write_text("{\n" + lines + "\n}\n")
