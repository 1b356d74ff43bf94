"""Where lines of recurrent layers run whose states are heard at every step, leak, or are cut off from their past."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import step_losses
from ..recurrent import Recurrent, windows
from ..sequence import SequenceRNN
from .places import Bench, Place, drawn_params, network, paired, sparse_weights


@dataclass(frozen=True)
class Heard:
    """A recurrent layer whose states are heard at every step, and whether its gradient is cut."""

    layer: Recurrent
    every: bool = True
    truncated: bool = False


def _heard(storage: str, phi: str, alpha: float, rng: np.random.Generator, batch: int) -> tuple[Recurrent, dict]:
    """Return a layer with a first state, and parameters and input for it."""
    layer = Recurrent(2, sparse_weights(6, 6, storage, rng), phi, alpha=alpha, start=True)
    params = drawn_params(layer, rng, 0.7)
    params["h_init"] = rng.standard_normal((6, 1))
    return layer, {**params, "x": rng.standard_normal((5, 2, batch))}


def heard(alpha: float) -> Place:
    """Return recurrent layers that leak by alpha, with a cotangent for the state of every step."""

    @functools.cache
    def place(seed: int) -> tuple[Bench, ...]:
        rng = np.random.default_rng([seed, 9])

        def bench(storage: str, phi: str) -> Bench:
            layer, inputs = _heard(storage, phi, alpha, rng, batch=3)

            def functions(part: Heard) -> dict:
                return {
                    "forward": lambda x, **params: part.layer.forward(params, x),
                    "backward": lambda dh, cache: part.layer.backward(dh, cache, wrt_x=True),
                    "inputs": inputs,
                    "support": _support(layer),
                }

            return paired(f"{storage}, {phi}, alpha {alpha:g}", Heard(layer), functions, seed)

        return bench("dense", "tanh"), bench("csr", "relu")

    return place


@functools.cache
def stacked(seed: int) -> tuple[Bench, ...]:
    """Return two layers that leak and start anywhere, with an answer at every step, or after the last."""
    rng = np.random.default_rng([seed, 11])

    def bench(storage: str, phi: str, every: bool) -> Bench:
        layers = [_heard(storage, phi, 0.4, rng, batch=3)[0]]
        layers.append(Recurrent(6, sparse_weights(7, 7, storage, rng), phi, alpha=0.6, start=True))
        model = SequenceRNN(layers, 4, every)
        name = f"{storage}, {phi}, two layers, {'every step' if every else 'last step'}"
        return network(name, model, (5, 2, 3), seed)

    return bench("dense", "tanh", True), bench("csr", "relu", False)


def losses(name: str) -> Place:
    """Return a loss of answers at every step, some of which count more than others, and of one answer per example."""

    @functools.cache
    def place(seed: int) -> tuple[Bench, ...]:
        rng = np.random.default_rng([seed, 12])

        def bench(*steps: int) -> Bench:
            output, numbers = 2 * rng.standard_normal((*steps, 4, 3)), rng.standard_normal((*steps, 4, 3))
            target = numbers if name == "mean_squared_error" else rng.integers(0, 4, (*steps, 3))
            mask = rng.uniform(0.2, 1, (*steps, 3))

            def functions(loss: Any) -> dict:
                return {
                    "forward": lambda output: loss(output, target, mask),
                    "backward": lambda dy, doutput: {"output": dy * doutput},
                    "inputs": {"output": output},
                }

            title = f"{'5 steps' if steps else '1 answer'}, 4 outputs, 3 examples"
            return paired(title, getattr(step_losses, name), functions, seed)

        return bench(5), bench()

    return place


@functools.cache
def truncated(seed: int) -> tuple[Bench, ...]:
    """Return layers whose gradient is cut, against differences in which the windows' first states are held still."""
    rng, back = np.random.default_rng([seed, 10]), 2

    def bench(storage: str, alpha: float) -> Bench:
        layer, inputs = _heard(storage, "tanh", alpha, rng, batch=1)
        frozen = layer.forward(inputs, inputs["x"])[1].h

        def functions(part: Heard) -> dict:
            def forward(x: np.ndarray, **params: np.ndarray) -> tuple:
                h = []
                for start, stop in reversed(windows(len(x), back)):
                    first = frozen[start] if start else params["h_init"]
                    h.append(layer.forward({**params, "h_init": first}, x[start:stop])[0])
                return np.concatenate(h), layer.forward(params, x)[1]

            return {
                "forward": forward,
                "backward": lambda dh, cache: part.layer.backward(dh, cache, wrt_x=True, back=back),
                "inputs": inputs,
                "support": _support(layer),
            }

        return paired(f"{storage}, alpha {alpha:g}, two steps back", Heard(layer, truncated=True), functions, seed)

    return bench("dense", 1), bench("csr", 0.3)


def _support(layer: Any) -> dict[str, np.ndarray]:
    return {name: weights.from_values(np.ones(weights.nnz)) != 0 for name, weights in layer.weights.items()}
