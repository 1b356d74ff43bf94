"""Dale's principle: a neuron's outgoing weights all have one sign, kept by a clamp after each step."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from .arguments import chosen, parameter_of, signs_of, storage_of
from .backend import Array, array_module
from .errors import InputError
from .protocols import Hook, Model, Run, Weights


class Dale:
    """Clamp weights that crossed to the wrong side back to 0; the optimiser's moments are left alone.

    Parameters
    ----------
    signs : (n_pre, 1)
        Sign of each presynaptic neuron's outgoing weights (+1, -1; only the sign counts).
    mode : {"enforced", "init_only"}
        "enforced" clamps. "init_only" leaves the signs to the initialisation, which is what the published notebook of
        Fruengel & Oberlaender (2025) computes: its clamp edits a copy that the next forward pass rebuilds.
    parameter : str
        Key of the weight in the parameters.

    Raises
    ------
    ValueError
        If the mode is unknown or the signs are not a column of non-zero numbers.

    Examples
    --------
    >>> model = minisparse.RNN(1, minisparse.make_weights(minisparse.full(2, 2)), 1)
    >>> params = {"W_rec": numpy.array([[1.0, 2.0], [-3.0, -4.0]])}
    >>> minisparse.Dale(numpy.array([[1], [-1]])).project(model, params)
    >>> params["W_rec"]
    array([[ 1.,  0.],
           [ 0., -4.]])
    """

    def __init__(self, signs: np.ndarray, mode: str = "enforced", parameter: str = "W_rec"):
        signs = signs_of(signs)
        if signs.ndim != 2 or signs.shape[1] != 1 or not np.all(np.abs(signs) == 1):
            raise InputError(f"signs must be a column (n_pre, 1) of +1 and -1, got shape {signs.shape}")
        mode = chosen("Dale mode", mode, ("enforced", "init_only"))
        self.signs, self.mode, self.parameter = signs.astype(np.int8), mode, parameter
        self._limits: tuple = (None,)

    def __call__(self, run: Run) -> None:
        """Hook of `fit`: project after a step or a rewiring."""
        self.project(run.model, run.params)

    def project(self, model: Model, params: dict[str, Array]) -> None:
        """Set every weight of the wrong sign to +0.0, in place ("init_only": leave it)."""
        self._expect(model, params)
        if self.mode == "enforced":
            w = params[self.parameter]  # (O5)
            lowest, highest = self._bounds(model.weights[self.parameter], w)
            w.clip(lowest, highest, out=w)

    def violations(self, model: Model, params: dict[str, Array]) -> int:
        """Count the weights whose sign is not their presynaptic neuron's."""
        self._expect(model, params)
        weights, w = model.weights[self.parameter], params[self.parameter]
        return int((w * weights.by_col(array_module(w).asarray(self.signs)) < 0).sum())

    def _expect(self, model: Model, params: dict[str, Array]) -> None:
        storage_of(model, self.parameter)
        parameter_of(params, self.parameter)

    def acts_on(self, rule: object) -> bool:
        """Whether a rule that rewires may touch the weights whose signs are enforced here."""
        names = getattr(rule, "parameters", None)
        return self.mode == "enforced" and (names is None or self.parameter in names)

    def _bounds(self, weights: Weights, w: Array) -> tuple[Array, Array]:
        """Return the smallest and largest value each synapse may take; kept until the pattern changes."""
        if self._limits[0] is not weights or self._limits[1].dtype != w.dtype or type(self._limits[1]) is not type(w):
            lowest, highest = (
                weights.by_col(array_module(w).asarray(np.where(self.signs == sign, 0.0, bound), dtype=w.dtype))
                for sign, bound in ((1, -np.inf), (-1, np.inf))
            )
            self._limits = (weights, lowest, highest)
        return self._limits[1:]


def check_rules(after_step: Sequence[Hook], after_epoch: Sequence[Hook]) -> None:
    """Refuse hooks that would leave weights of the wrong sign: a rule's newcomers, with no clamp after them.

    A rule that has ``keeps_signs(signs) -> bool`` says itself whether its newcomers agree with the signs; of another
    one nothing is known, so a `Dale` must follow it among the same hooks.

    Parameters
    ----------
    after_step, after_epoch : sequences of hooks
        As for `fit`.

    Raises
    ------
    ValueError
        If the wrong signs would stay.

    Warns
    -----
    UserWarning
        If they would be set to 0, so that such newcomers are the first to go at the next rewiring.

    Examples
    --------
    >>> signs = numpy.array([[1], [-1]])
    >>> minisparse.dale.check_rules([minisparse.Dale(signs)], [minisparse.SET(signs=signs)])
    """
    dales = [hook for hook in (*after_step, *after_epoch) if isinstance(hook, Dale)]
    for where, hooks in (("after_step", after_step), ("after_epoch", after_epoch)):
        for place, rule in enumerate(hooks):
            for dale in dales if hasattr(rule, "rewire") else ():
                knows = getattr(rule, "keeps_signs", None)
                if not dale.acts_on(rule) or (knows and knows(dale.signs)):
                    continue
                name = type(rule).__name__
                fix = f"make it {name}(signs=dale.signs)" if hasattr(rule, "signs") else "draw them with their sign"
                drawn = f"{name} draws new synapses without regard to the signs that Dale enforces on {dale.parameter}"
                if dale not in hooks[place + 1 :]:
                    raise InputError(f"{drawn}, and none clamps them; {fix}, or put Dale after it in {where}")
                if knows:
                    warnings.warn(f"{drawn}; those of the wrong sign become 0 and go first: {fix}", stacklevel=4)
