"""The classifiers: classes in, probabilities out, trained on the cross-entropy."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from ..errors import InputError
from ..losses import softmax_cross_entropy
from .base import TYPES, SparseEstimator
from .networks import SparseMLP, SparseRNN


class SparseClassifier(ClassifierMixin, SparseEstimator):
    """What the two classifiers share."""

    _loss, _metrics = staticmethod(softmax_cross_entropy), ("accuracy",)

    def fit(self, X: np.ndarray, y: np.ndarray) -> SparseClassifier:
        """Draw a network and train it.

        Parameters
        ----------
        X : (samples, features)
            float32 is kept, everything else becomes float64; the network computes in that type.
        y : (samples,)
            Classes, of any kind.

        Returns
        -------
        self
        """
        X, y = self._validated(X, y, reset=True)
        self.classes_ = np.unique(y)
        self._start(X, len(self.classes_))
        self._train(X, self._labels(y), whole=True)
        return self

    def partial_fit(self, X: np.ndarray, y: np.ndarray, classes: np.ndarray | None = None) -> SparseClassifier:
        """Train for one epoch on these samples; the first call draws the network.

        As nobody knows how many calls will come, `patience` is not looked at, and a rule of evolution given by name
        exchanges a constant share after each of them. To a rule of your own each call is a training of one epoch.

        Parameters
        ----------
        X : (samples, features)
        y : (samples,)
        classes : array, optional
            All classes that will ever come; needed at the first call only, and those of y if omitted there.

        Returns
        -------
        self
        """
        first = not hasattr(self, "classes_")
        X, y = self._validated(X, y, reset=first)
        if first:
            self.classes_ = np.unique(y if classes is None else classes)
            self._start(X, len(self.classes_))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise InputError(f"classes is {classes}, but the first call had {self.classes_}; they cannot change")
        self._train(X, self._labels(y), whole=False)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable class of each sample, (samples,)."""
        chosen = self._output(X).argmax(axis=0)
        return self.classes_[chosen]

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the probability of each class, (samples, classes), in the order of ``classes_``."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the natural logarithm of `predict_proba`, (samples, classes)."""
        logits = self._output(X)
        shifted = logits - logits.max(axis=0)
        return (shifted - np.log(np.exp(shifted).sum(axis=0))).T

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        X, y = validate_data(self, X, y, reset=reset, dtype=TYPES)
        check_classification_targets(y)
        return X, column_or_1d(y, warn=True)

    def _labels(self, y: np.ndarray) -> np.ndarray:
        """Return the place of each sample's class in ``classes_``."""
        labels = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        if (unknown := self.classes_[labels] != y).any():
            raise InputError(f"y holds {np.unique(y[unknown])}, which are none of the classes {self.classes_}")
        return labels


class SparseMLPClassifier(SparseClassifier, SparseMLP):
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


class SparseRNNClassifier(SparseClassifier, SparseRNN):
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
