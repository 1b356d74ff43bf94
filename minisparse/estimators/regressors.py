"""The regressors: numbers in, numbers out, trained on the mean squared error."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from ..errors import InputError
from ..step_losses import mean_squared_error
from .base import TYPES, SparseEstimator
from .networks import SparseMLP, SparseRNN


class SparseRegressor(RegressorMixin, SparseEstimator):
    """What the two regressors share."""

    _loss, _metrics = staticmethod(mean_squared_error), ("mean_absolute_error",)

    def fit(self, X: np.ndarray, y: np.ndarray) -> SparseRegressor:
        """Draw a network and train it.

        Parameters
        ----------
        X : (samples, features)
            float32 is kept, everything else becomes float64; the network computes in that type.
        y : (samples,) or (samples, outputs)
            Numbers. They are taken as they are: scale them to about 1 if they are far from it
            (`sklearn.compose.TransformedTargetRegressor`).

        Returns
        -------
        self
        """
        X, targets = self._validated(X, y, reset=True)
        self._start(X, targets.shape[1])
        self._train(X, targets, whole=True)
        return self

    def partial_fit(self, X: np.ndarray, y: np.ndarray) -> SparseRegressor:
        """Train for one epoch on these samples; the first call draws the network.

        As nobody knows how many calls will come, `patience` is not looked at, and a rule of evolution given by name
        exchanges a constant share after each of them. To a rule of your own each call is a training of one epoch.

        Parameters
        ----------
        X : (samples, features)
        y : (samples,) or (samples, outputs)
            As many outputs as at the first call.

        Returns
        -------
        self
        """
        first = not hasattr(self, "n_outputs_")
        X, targets = self._validated(X, y, reset=first)
        if first:
            self._start(X, targets.shape[1])
        self._train(X, targets, whole=False)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the numbers of each sample, of the form of the y that was fitted."""
        output = self._output(X).T
        return output[:, 0] if self._one else output

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return X, and y as (samples, outputs)."""
        X, y = validate_data(self, X, y, reset=reset, dtype=TYPES, multi_output=True, y_numeric=True)
        targets = y.reshape(len(X), -1).astype(X.dtype)
        if reset:
            self.n_outputs_, self._one = targets.shape[1], y.ndim == 1
        elif targets.shape[1] != self.n_outputs_:
            raise InputError(f"y has {targets.shape[1]} outputs, but the first call had {self.n_outputs_}")
        return X, targets

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class SparseMLPRegressor(SparseRegressor, SparseMLP):
    """A feedforward network with sparse hidden layers, as a scikit-learn regressor.

    Its network and its parameters are those of `SparseMLPClassifier`; the loss is the mean squared error over samples
    and outputs, in the square of the unit of y.

    Parameters
    ----------
    hidden, density, evolve, normalise, activation, lr, decay, epochs, batch_size, patience, validation_fraction,
    random_state, verbose
        As for `SparseMLPClassifier`.

    Attributes
    ----------
    n_outputs_ : int
        Numbers that are predicted for each sample.
    n_features_in_, n_iter_ : int
        Features of a sample, and epochs trained.
    loss_curve_ : list of float
        Mean loss of each epoch.
    model_, params_ : MLP and dict of arrays
        The network, for `to_torch`, `save_model`, `check` and the rest of the library.

    Examples
    --------
    >>> X = numpy.random.default_rng(0).standard_normal((300, 5))
    >>> y = X[:, 0] * X[:, 1]
    >>> regressor = minisparse.SparseMLPRegressor(density=0.5, epochs=40, random_state=0).fit(X[:200], y[:200])
    >>> regressor.score(X[200:], y[200:]) > 0.8  # the share of the variance that is explained
    True
    """


class SparseRNNRegressor(SparseRegressor, SparseRNN):
    """A recurrent network with sparse recurrent synapses, which reads a sample step by step, as a regressor.

    Its network and its parameters are those of `SparseRNNClassifier`; the numbers are read from the last state, the
    loss is the mean squared error over samples and outputs.

    Parameters
    ----------
    n_inputs, units, density, inhibitory
        As for `SparseRNNClassifier`.
    evolve, normalise, activation, lr, decay, epochs, batch_size, patience, validation_fraction, random_state, verbose
        As for `SparseMLPClassifier`; evolution and normaliser are those of the recurrent synapses.

    Attributes
    ----------
    signs_ : (units, 1) or None
        Sign of each neuron's outgoing weights, times its strength at the start.
    n_outputs_, n_features_in_, n_iter_, loss_curve_, model_, params_
        As for `SparseMLPRegressor`; the model is an `RNN`.

    Examples
    --------
    >>> X = numpy.random.default_rng(0).standard_normal((200, 6))  # six steps of one number
    >>> y = X[:, ::2].mean(axis=1)
    >>> regressor = minisparse.SparseRNNRegressor(units=30, epochs=20, lr=1e-2, random_state=0).fit(X, y)
    >>> regressor.score(X, y) > 0.8
    True
    """
