"""minisparse: sparse, brain-inspired networks from scratch, every forward pass with its hand-derived backward pass.

Every public name is importable from here; each module is loaded when one of its names is first used.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_HOMES = {
    "backend": ("array_module", "asarray", "describe", "to_numpy", "use"),
    "connectivity": ("Pattern", "bernoulli", "dale_signs", "fixed_count", "full"),
    "groups": ("group_to_group",),
    "weights": ("CsrWeights", "DenseWeights", "GroupedWeights", "make_weights"),
    "normalise": ("Dendritic", "Joint", "LpConstant", "LpVariable", "Plain", "WeightNorm"),
    "activations": ("Activation", "relu", "sigmoid", "tanh"),
    "arguments": ("generator",),
    "losses": ("softmax_cross_entropy",),
    "step_losses": ("cross_entropy_per_step", "mean_squared_error"),
    "clip": ("ClipNorm",),
    "mlp": ("MLP",),
    "conv": ("ConvNet", "ConvPool"),
    "patches": ("PatchConv",),
    "recurrent": ("Recurrent",),
    "rnn": ("RNN",),
    "sequence": ("SequenceRNN",),
    "wrappers": ("Noisy", "Truncated"),
    "optim": ("SGD", "Adam", "Cosine"),
    "dale": ("Dale",),
    "evolve": ("SET", "CannistraciHebb", "DeepRewiring", "Hebbian", "RigL"),
    "data": ("Dataset", "batches", "load", "subset_per_class"),
    "checkpoint": ("load_checkpoint", "save"),
    "model_file": ("load_model", "save_model"),
    "estimators": ("SparseMLPClassifier", "SparseMLPRegressor", "SparseRNNClassifier", "SparseRNNRegressor"),
    "bridges": ("from_torch", "to_torch"),
    "train": ("evaluate", "fit"),
    "measure": (
        *("backward_gain", "forward_gain", "predicted_gain", "training_delay", "gradient_statistics", "sign_changes"),
        *("gain_step", "input_sd", "dendritic_step"),
        *("last_states", "active_share", "random_pairs", "correlations", "mutual_information", "dropout_accuracy"),
    ),
    "gradcheck": ("GradientError", "GradientReport", "check", "check_layer", "check_pair", "check_steps", "pair"),
    "equations": ("code_line",),
    "errors": ("UserError",),
}
_MODULES = (
    *_HOMES,
    "exercises",
    "files",
    "initialise",
    "kernels",
    "lab",
    "leak",
    "metrics",
    "nonfinite",
    "patterns",
    "plot",
    "processors",
    "protocols",
    "selftest",
    "style",
    "summary",
    "testing",
    "threads",
)
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


if TYPE_CHECKING:  # what a type checker and an editor see
    from .activations import Activation as Activation
    from .activations import relu as relu
    from .activations import sigmoid as sigmoid
    from .activations import tanh as tanh
    from .arguments import generator as generator
    from .backend import (
        array_module as array_module,
    )
    from .backend import (
        asarray as asarray,
    )
    from .backend import (
        describe as describe,
    )
    from .backend import (
        to_numpy as to_numpy,
    )
    from .backend import (
        use as use,
    )
    from .bridges import from_torch as from_torch
    from .bridges import to_torch as to_torch
    from .checkpoint import load_checkpoint as load_checkpoint
    from .checkpoint import save as save
    from .clip import ClipNorm as ClipNorm
    from .connectivity import (
        Pattern as Pattern,
    )
    from .connectivity import (
        bernoulli as bernoulli,
    )
    from .connectivity import (
        dale_signs as dale_signs,
    )
    from .connectivity import (
        fixed_count as fixed_count,
    )
    from .connectivity import (
        full as full,
    )
    from .conv import ConvNet as ConvNet
    from .conv import ConvPool as ConvPool
    from .dale import Dale as Dale
    from .data import Dataset as Dataset
    from .data import batches as batches
    from .data import load as load
    from .data import subset_per_class as subset_per_class
    from .equations import code_line as code_line
    from .errors import UserError as UserError
    from .estimators import SparseMLPClassifier as SparseMLPClassifier
    from .estimators import SparseMLPRegressor as SparseMLPRegressor
    from .estimators import SparseRNNClassifier as SparseRNNClassifier
    from .estimators import SparseRNNRegressor as SparseRNNRegressor
    from .evolve import (
        SET as SET,
    )
    from .evolve import (
        CannistraciHebb as CannistraciHebb,
    )
    from .evolve import (
        DeepRewiring as DeepRewiring,
    )
    from .evolve import (
        Hebbian as Hebbian,
    )
    from .evolve import (
        RigL as RigL,
    )
    from .gradcheck import (
        GradientError as GradientError,
    )
    from .gradcheck import (
        GradientReport as GradientReport,
    )
    from .gradcheck import (
        check as check,
    )
    from .gradcheck import (
        check_layer as check_layer,
    )
    from .gradcheck import (
        check_pair as check_pair,
    )
    from .gradcheck import (
        check_steps as check_steps,
    )
    from .gradcheck import (
        pair as pair,
    )
    from .groups import group_to_group as group_to_group
    from .losses import softmax_cross_entropy as softmax_cross_entropy
    from .measure import (
        active_share as active_share,
    )
    from .measure import (
        backward_gain as backward_gain,
    )
    from .measure import (
        correlations as correlations,
    )
    from .measure import (
        dendritic_step as dendritic_step,
    )
    from .measure import (
        dropout_accuracy as dropout_accuracy,
    )
    from .measure import (
        forward_gain as forward_gain,
    )
    from .measure import (
        gain_step as gain_step,
    )
    from .measure import (
        gradient_statistics as gradient_statistics,
    )
    from .measure import (
        input_sd as input_sd,
    )
    from .measure import (
        last_states as last_states,
    )
    from .measure import (
        mutual_information as mutual_information,
    )
    from .measure import (
        predicted_gain as predicted_gain,
    )
    from .measure import (
        random_pairs as random_pairs,
    )
    from .measure import (
        sign_changes as sign_changes,
    )
    from .measure import (
        training_delay as training_delay,
    )
    from .mlp import MLP as MLP
    from .model_file import load_model as load_model
    from .model_file import save_model as save_model
    from .normalise import (
        Dendritic as Dendritic,
    )
    from .normalise import (
        Joint as Joint,
    )
    from .normalise import (
        LpConstant as LpConstant,
    )
    from .normalise import (
        LpVariable as LpVariable,
    )
    from .normalise import (
        Plain as Plain,
    )
    from .normalise import (
        WeightNorm as WeightNorm,
    )
    from .optim import SGD as SGD
    from .optim import Adam as Adam
    from .optim import Cosine as Cosine
    from .patches import PatchConv as PatchConv
    from .recurrent import Recurrent as Recurrent
    from .rnn import RNN as RNN
    from .sequence import SequenceRNN as SequenceRNN
    from .step_losses import cross_entropy_per_step as cross_entropy_per_step
    from .step_losses import mean_squared_error as mean_squared_error
    from .train import evaluate as evaluate
    from .train import fit as fit
    from .weights import (
        CsrWeights as CsrWeights,
    )
    from .weights import (
        DenseWeights as DenseWeights,
    )
    from .weights import (
        GroupedWeights as GroupedWeights,
    )
    from .weights import (
        make_weights as make_weights,
    )
    from .wrappers import Noisy as Noisy
    from .wrappers import Truncated as Truncated


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
