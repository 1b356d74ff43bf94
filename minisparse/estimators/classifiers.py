"""The two classifiers: how each makes its network, and how it reads a sample."""

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
from .base import SparseClassifier


class SparseMLPClassifier(SparseClassifier):
    """A feedforward network with sparse hidden layers, as a scikit-learn classifier.

    Of each hidden layer's possible synapses the share `density` exists, chosen at random; the readout is full. First
    weights are N(0, 2 / fan-in) for "relu" and N(0, 1 / fan-in) for others, with the fan-in of each neuron's own
    synapses. The loss is the cross-entropy, the optimiser Adam. Samples have no weights: `fit` takes no sample_weight.

    Parameters
    ----------
    hidden : tuple of int, or int
        Neurons of each hidden layer.
    density : float
        Synapses over possible synapses, 0 < density <= 1.
    evolve : {None, "set", "rigl", "hebbian", "cannistraci_hebb", "deep_rewiring"} or rule
        How synapses are exchanged while the network learns: by none, a rule of `minisparse.evolve` with the settings
        named in ``estimators.RULES``, or a rule with settings of your own. SET is called after every epoch, others
        after every step.
    normalise : {None, "plain", "dendritic", "joint", "weight_norm"} or rule
        From raw parameter to weight in the hidden layers.
    activation : {"relu", "tanh", "sigmoid"} or Activation
        Of the hidden layers.
    lr, decay : float
        Learning rate, and decoupled weight decay, of `Adam`.
    epochs : int
        Passes over the samples.
    batch_size : int
    patience : int, optional
        Hold back the share `validation_fraction` of the samples, and stop after so many epochs in a row without a new
        lowest loss on them.
    validation_fraction : float
        Is not looked at without `patience`.
    random_state : int, RandomState or None
        Of synapses, first weights, order of the samples and rewiring, a stream each.
    verbose : bool
        Show a line for each epoch.

    Attributes
    ----------
    classes_ : (classes,)
    n_features_in_, n_iter_ : int
        Features of a sample, and epochs trained.
    loss_curve_ : list of float
        Mean loss (nats) of each epoch.
    model_, params_ : MLP and dict of arrays
        The network, for `to_torch`, `save_model`, `check` and the rest of the library.

    Examples
    --------
    >>> digits = minisparse.load("digits")
    >>> X, test = (x.reshape(-1, 64) for x in (digits.x_train, digits.x_test))
    >>> classifier = minisparse.SparseMLPClassifier(density=0.2, epochs=5, random_state=0)
    >>> classifier.fit(X, digits.y_train).score(test, digits.y_test) > 0.85
    True
    >>> classifier.model_.weights["W0"]
    DenseWeights(Pattern(100 x 64, 1280 synapses, density 0.2))
    """

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


class SparseRNNClassifier(SparseClassifier):
    """A recurrent network with sparse recurrent synapses, which reads a sample step by step, as a classifier.

    A sample's features are a sequence, row by row in time: ``X[i] = (x_0, x_1, ...)`` with `n_inputs` numbers for each
    step. The class is read from the last state. Recurrent weights start uniform, of a size at which activity neither
    grows nor shrinks by much in a step; under Dale's principle inhibitory weights are stronger in proportion, so that
    excitation and inhibition balance. Samples have no weights: `fit` takes no sample_weight.

    Parameters
    ----------
    n_inputs : int
        Inputs per time step; it divides the number of features.
    units : int
        Recurrent neurons.
    density : float
        Recurrent synapses over possible ones, 0 < density <= 1.
    inhibitory : float, optional
        Share of inhibitory neurons, for Dale's principle: a neuron's outgoing recurrent weights all have one sign,
        which a clamp (`Dale`) keeps after every step. Without it a neuron's weights may have both.
    evolve, normalise, activation, lr, decay, epochs, batch_size, patience, validation_fraction, random_state, verbose
        As for `SparseMLPClassifier`; evolution and normaliser are those of the recurrent synapses.

    Attributes
    ----------
    signs_ : (units, 1) or None
        Sign of each neuron's outgoing weights, times its strength at the start.
    classes_, n_features_in_, n_iter_, loss_curve_, model_, params_
        As for `SparseMLPClassifier`; the model is an `RNN`.

    Examples
    --------
    >>> digits = minisparse.load("digits")  # eight rows of eight pixels: eight steps
    >>> X, test = (x.reshape(-1, 64) for x in (digits.x_train, digits.x_test))
    >>> classifier = minisparse.SparseRNNClassifier(8, inhibitory=0.2, epochs=5, random_state=0)
    >>> classifier.fit(X, digits.y_train).score(test, digits.y_test) > 0.85
    True
    """

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
