"""Dale's principle: a neuron's outgoing weights all have one sign, kept by a clamp after each step."""

from __future__ import annotations

import numpy as np

from .backend import Array, array_module, to_numpy
from .errors import InputError
from .protocols import Model, Run, Weights


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
        signs = np.sign(to_numpy(signs))
        if signs.ndim != 2 or signs.shape[1] != 1 or not np.all(np.abs(signs) == 1):
            raise InputError(f"signs must be a column (n_pre, 1) of +1 and -1, got shape {signs.shape}")
        if mode not in ("enforced", "init_only"):
            raise InputError(f"Dale mode {mode!r} is unknown; choose enforced or init_only")
        self.signs, self.mode, self.parameter = signs.astype(np.int8), mode, parameter
        self._limits: tuple = (None,)

    def __call__(self, run: Run) -> None:
        """Hook of `fit`: project after a step or a rewiring."""
        self.project(run.model, run.params)

    def project(self, model: Model, params: dict[str, Array]) -> None:
        """Set every weight of the wrong sign to +0.0, in place ("init_only": leave it)."""
        if self.mode == "enforced":
            w = params[self.parameter]  # (O5)
            lowest, highest = self._bounds(model.weights[self.parameter], w)
            w.clip(lowest, highest, out=w)

    def violations(self, model: Model, params: dict[str, Array]) -> int:
        """Count the weights whose sign is not their presynaptic neuron's."""
        weights, w = model.weights[self.parameter], params[self.parameter]
        return int((w * weights.by_col(array_module(w).asarray(self.signs)) < 0).sum())

    def _bounds(self, weights: Weights, w: Array) -> tuple[Array, Array]:
        """Return the smallest and largest value each synapse may take; kept until the pattern changes."""
        if self._limits[0] is not weights or self._limits[1].dtype != w.dtype or type(self._limits[1]) is not type(w):
            lowest, highest = (
                weights.by_col(array_module(w).asarray(np.where(self.signs == sign, 0.0, bound), dtype=w.dtype))
                for sign, bound in ((1, -np.inf), (-1, np.inf))
            )
            self._limits = (weights, lowest, highest)
        return self._limits[1:]
