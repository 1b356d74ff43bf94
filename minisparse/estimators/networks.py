"""The two kinds of network: the settings of an estimator, how it makes its network, how it reads a sample."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from ..backend import Array
from ..connectivity import Pattern, dale_signs, fixed_count, full
from ..errors import InputError
from ..initialise import he
from ..mlp import MLP
from ..protocols import Rng
from ..rnn import RNN
from ..weights.make import make_weights
from .base import SparseEstimator


class SparseMLP(SparseEstimator):
    """A feedforward network, which reads the features of a sample at once."""

    def __init__(
        self,
        hidden: tuple[int, ...] | int = (100,),
        density: float = 0.1,
        evolve: Any = None,
        normalise: Any = None,
        activation: Any = "relu",
        lr: float = 1e-2,
        decay: float = 0.0,
        epochs: int = 50,
        batch_size: int = 32,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        random_state: Any = None,
        verbose: bool = False,
    ):
        self.hidden = hidden
        super().__init__(
            density, evolve, normalise, activation, lr, decay, epochs, batch_size, patience, validation_fraction,
            random_state, verbose,
        )  # fmt: skip

    def _network(
        self, n_in: int, n_out: int, dtype: type, patterns: Rng, _signs: Rng, values: Rng
    ) -> tuple[MLP, dict[str, Array]]:
        sizes = [n_in, *np.atleast_1d(self.hidden).astype(int).tolist()]
        layers = [_sparse(post, pre, self.density, patterns) for pre, post in itertools.pairwise(sizes)]
        weights = [make_weights(pattern) for pattern in (*layers, full(n_out, sizes[-1]))]
        model = MLP(weights, self.activation, self._normaliser())
        params = model.init(values, dtype)
        scale = dtype(1 if model.activation.name == "relu" else math.sqrt(0.5))
        for k, (layer, rule) in enumerate(zip(weights, model.rules, strict=True)):
            params[f"W{k}"], params[f"b{k}"] = he(values, layer, dtype) * scale, 0 * params[f"b{k}"]
            params |= {f"{extra}{k}": value for extra, value in rule.init(layer, params[f"W{k}"]).items()}
        self._std = math.sqrt(2 / max(1.0, self.density * n_in)) * float(scale)
        return model, params


class SparseRNN(SparseEstimator):
    """A recurrent network, which reads the features of a sample step by step, and answers after the last step."""

    def __init__(
        self,
        n_inputs: int = 1,
        units: int = 100,
        density: float = 0.1,
        inhibitory: float | None = None,
        evolve: Any = None,
        normalise: Any = None,
        activation: Any = "relu",
        lr: float = 3e-3,
        decay: float = 0.0,
        epochs: int = 50,
        batch_size: int = 32,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        random_state: Any = None,
        verbose: bool = False,
    ):
        self.n_inputs = n_inputs
        self.units = units
        self.inhibitory = inhibitory
        super().__init__(
            density, evolve, normalise, activation, lr, decay, epochs, batch_size, patience, validation_fraction,
            random_state, verbose,
        )  # fmt: skip

    def _shaped(self, X: np.ndarray) -> np.ndarray:
        if self.n_inputs < 1 or X.shape[1] % self.n_inputs:
            raise InputError(
                f"X has {X.shape[1]} features, which are no whole number of steps of n_inputs={self.n_inputs}"
            )
        return X.reshape(len(X), -1, self.n_inputs)

    def _network(
        self, n_in: int, n_out: int, dtype: type, patterns: Rng, signs: Rng, values: Rng
    ) -> tuple[RNN, dict[str, Array]]:
        pattern = _sparse(self.units, self.units, self.density, patterns)
        model = RNN(self.n_inputs, make_weights(pattern), n_out, self.activation, self._normaliser())
        if self.inhibitory is not None:
            self.signs_ = _balanced(dale_signs(self.units, self.inhibitory, signs))
        strength = np.ones((self.units, 1)) if self.signs_ is None else self.signs_
        mean = 0 if self.signs_ is None else abs(strength.mean()) / 2
        afferents = pattern.nnz / self.units
        self._std = 1 / max(math.sqrt(afferents), 1)
        w_max = 1 / max(math.sqrt(afferents * float(np.mean(strength**2)) / 3), afferents * mean)
        return model, model.init(values, dtype, w_max, self.signs_)


def _sparse(n_post: int, n_pre: int, density: float, rng: Rng) -> Pattern:
    """Draw a pattern of this density, with one synapse at least."""
    places = n_post * n_pre
    return full(n_post, n_pre) if density == 1 else fixed_count(n_post, n_pre, max(1, round(density * places)), rng)


def _balanced(signs: np.ndarray) -> np.ndarray:
    """Make the inhibitory neurons as much stronger as they are fewer: the column's sum is 0 if there are both kinds."""
    inhibitory, excitatory = int((signs < 0).sum()), int((signs > 0).sum())
    return np.where(signs < 0, -excitatory / inhibitory, 1.0) if inhibitory and excitatory else signs.astype(float)
