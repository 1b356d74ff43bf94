"""minisparse: sparse, brain-inspired networks from scratch, every forward pass beside its hand-derived backward pass.

Every public name is importable from here; each module is loaded when one of its names is first used.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

__version__ = "0.2.0"

_HOMES = {
    "backend": ("array_module", "asarray", "describe", "to_numpy", "use"),
    "connectivity": ("Pattern", "bernoulli", "dale_signs", "fixed_count", "full"),
    "groups": ("group_to_group",),
    "weights": ("CsrWeights", "DenseWeights", "GroupedWeights", "make_weights"),
    "normalise": ("Dendritic", "Joint", "LpConstant", "LpVariable", "Plain", "WeightNorm"),
    "activations": ("Activation", "relu", "sigmoid", "tanh"),
    "losses": ("softmax_cross_entropy",),
    "mlp": ("MLP",),
    "conv": ("ConvNet", "ConvPool"),
    "patches": ("PatchConv",),
    "rnn": ("RNN",),
    "optim": ("SGD", "Adam", "Cosine"),
    "dale": ("Dale",),
    "evolve": ("SET", "CannistraciHebb", "DeepRewiring", "Hebbian", "RigL"),
    "data": ("Dataset", "batches", "load", "subset_per_class"),
    "checkpoint": ("load_checkpoint", "save"),
    "train": ("evaluate", "fit"),
    "measure": (
        *("backward_gain", "forward_gain", "predicted_gain", "training_delay", "gradient_statistics", "sign_changes"),
        *("last_states", "active_share", "random_pairs", "correlations", "mutual_information", "dropout_accuracy"),
    ),
    "gradcheck": ("GradientReport", "check", "check_pair", "check_steps", "pair"),
    "equations": ("code_line",),
    "errors": ("UserError",),
}
_MODULES = (*_HOMES, "files", "initialise", "kernels", "lab", "nonfinite", "plot", "protocols", "testing", "threads")
_MOVED = {
    "cost": "lab.cost",
    "mistakes": "gradcheck.catalogue",
    "probe": "gradcheck.probe",
    "recipes": "lab.recipes",
    "results": "lab.rows",
    "sweep": "lab.sweep",
}
"""Modules of version 0.1, and where they live now."""
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = [*_HOME_OF, *(module for module in _MODULES if module not in _HOME_OF)]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        value = getattr(importlib.import_module(f".{_HOME_OF[name]}", __name__), name)
    elif name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    elif name in _MOVED:
        home = f"{__name__}.{_MOVED[name]}"
        warnings.warn(f"minisparse.{name} is now {home}; import it from there", DeprecationWarning, stacklevel=2)
        value = importlib.import_module(home)
    else:
        raise AttributeError(f"module 'minisparse' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
