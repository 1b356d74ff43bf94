"""What the estimators share: training by `minisparse.fit`, the network's output, a state that can be pickled."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import model_file
from ..backend import asarray, to_numpy
from ..connectivity import check_density
from ..dale import Dale
from ..data.dataset import Dataset
from ..errors import InputError
from ..evolve import SET, CannistraciHebb, DeepRewiring, Hebbian, RigL
from ..normalise import Dendritic, Joint, Plain, WeightNorm
from ..optim import Adam
from ..train import fit

NORMALISERS = {
    "plain": Plain,
    "dendritic": lambda: Dendritic("matched"),
    "joint": lambda: Joint("matched"),
    "weight_norm": WeightNorm,
}
"""Rules by name; each starts with the weights as they were drawn."""
RULES = {
    "set": lambda std, when: SET(0.3, std=std, **when),
    "rigl": lambda std, when: RigL(0.3, every=1, unit="epochs", **when),
    "hebbian": lambda std, when: Hebbian(fraction=0.3, **when),
    "cannistraci_hebb": lambda std, when: CannistraciHebb(fraction=0.3, **when),
    "deep_rewiring": lambda std, when: DeepRewiring(),
}
"""Rules of evolution by name, with the scale `std` of the first weights, which SET's newcomers have, too."""
WHEN = {True: {"decay": "cosine", "stop": 0.75}, False: {"decay": None, "stop": 1.0}}
"""Schedule of a named rule: in `fit` the share falls to 0 at three quarters; in `partial_fit` no end is known."""
AT_EPOCHS = (SET,)
"""Rules that are called after an epoch; all others look at every step, and say themselves when it is time."""
TYPES = (np.float64, np.float32)
"""Of X: the first, if it has none of them."""
LARGEST = 10_000
"""Samples that are predicted at a time."""


class SparseEstimator(BaseEstimator):
    """What all share; a kind of network says how it is made (`_network`) and how X is read (`_shaped`)."""

    _loss: Any
    _metrics: tuple[str, ...]

    def __init__(
        self, density, evolve, normalise, activation, lr, decay, epochs, batch_size, patience, validation_fraction,
        random_state, verbose,
    ):  # fmt: skip
        self.density = density
        self.evolve = evolve
        self.normalise = normalise
        self.activation = activation
        self.lr = lr
        self.decay = decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.verbose = verbose

    def _start(self, X: np.ndarray, n_out: int) -> None:
        """Draw pattern, signs and weights, each from a stream of its own."""
        check_density(self.density)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)]
        self.loss_curve_, self.n_iter_ = [], 0
        self.signs_, self._order = None, streams[3]
        self.model_, self.params_ = self._network(X.shape[1], n_out, X.dtype.type, *streams[:3])
        self._opt = Adam(self.lr, decay=self.decay)

    def _train(self, X: np.ndarray, targets: np.ndarray, whole: bool) -> None:
        """Train the network that is there, by `minisparse.fit`: to the end, or for one epoch."""
        epochs, patience = (self.epochs, self.patience) if whole else (1, None)
        parts, where = self._parts(X, targets, held=patience is not None)
        after_step, after_epoch = self._hooks(WHEN[whole])
        history = fit(
            self.model_, self.params_, self._opt, Dataset("X", *parts, self.model_.n_out), epochs, self._order,
            self.batch_size, after_step, after_epoch, patience, quiet=not self.verbose, loss=self._loss,
            metrics=self._metrics, label=f"{type(self).__name__} (tested on {where})",
        )  # fmt: skip
        self.loss_curve_ += [row["train_loss"] for row in history[1:]]
        self.n_iter_ += len(history) - 1

    def _parts(self, X: np.ndarray, targets: np.ndarray, held: bool) -> tuple[tuple[np.ndarray, ...], str]:
        """Return training samples and targets, those that each epoch is tested on, and what these are."""
        x = self._shaped(X)
        if not held:
            seen = slice(None if self.verbose else 1)  # nobody looks at the test: one sample is enough
            return (x, targets, x[seen], targets[seen]), "its training samples"
        train, test = train_test_split(
            np.arange(len(x)), test_size=self.validation_fraction, stratify=targets if is_classifier(self) else None,
            random_state=int(self._order.integers(2**31 - 1)),
        )  # fmt: skip
        return (x[train], targets[train], x[test], targets[test]), "samples that were held back"

    def _hooks(self, when: dict) -> tuple[list, list]:
        """Return what is called after a step and after an epoch; a rule is a copy, as estimators keep their own."""
        dale = [] if self.signs_ is None else [Dale(self.signs_)]
        if self.evolve is None:
            return dale, []
        if isinstance(self.evolve, str):
            rule = _named("evolve", self.evolve, RULES)(self._std, when)
        else:
            rule = copy.deepcopy(self.evolve)
        if isinstance(rule, DeepRewiring | SET) and self.signs_ is not None:
            rule.signs = np.sign(self.signs_)
        return (dale, [rule, *dale]) if isinstance(rule, AT_EPOCHS) else ([rule, *dale], dale)

    def _normaliser(self) -> Any:
        if isinstance(self.normalise, str):
            return _named("normalise", self.normalise, NORMALISERS)()
        return copy.deepcopy(self.normalise)

    def _output(self, X: Any) -> np.ndarray:
        """Return what the network says, (outputs, samples), computed a batch at a time."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=TYPES)
        x = np.moveaxis(self._shaped(X), 0, -1).astype(next(iter(self.params_.values())).dtype)
        starts = range(0, x.shape[-1], LARGEST)
        parts = [self.model_.forward(self.params_, asarray(x[..., k : k + LARGEST]))[0] for k in starts]
        return np.concatenate([to_numpy(part) for part in parts], axis=1)

    def _shaped(self, X: np.ndarray) -> np.ndarray:
        """Return X as the network reads a sample."""
        return X

    def __getstate__(self) -> dict:
        """Keep the network as plain arrays: a model holds functions, which cannot be pickled."""
        state = dict(super().__getstate__())
        if "model_" in state:
            state["model_"], state["params_"] = None, model_file.to_arrays(self.model_, self.params_)
        return state

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        if "model_" in state:
            self.model_, self.params_ = model_file.from_arrays(state["params_"])


def _named(what: str, name: str, table: dict) -> Any:
    if name not in table:
        raise InputError(f"{what}={name!r} is unknown; choose None, one of {', '.join(table)}, or pass a rule")
    return table[name]
