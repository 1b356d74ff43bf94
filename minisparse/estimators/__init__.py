"""Sparse networks as scikit-learn estimators: ``fit(X, y)``, ``predict(X)``, grids, pipelines.

They make the patterns, the model and its first weights; training is `minisparse.fit`, there is no second loop. The
network itself is in ``model_`` and ``params_``, for everything else that this library does with one.

This module needs scikit-learn, and is loaded when one of its names is first used.
"""

from .base import NORMALISERS, RULES
from .classifiers import SparseMLPClassifier, SparseRNNClassifier
from .regressors import SparseMLPRegressor, SparseRNNRegressor

__all__ = [
    "NORMALISERS",
    "RULES",
    "SparseMLPClassifier",
    "SparseMLPRegressor",
    "SparseRNNClassifier",
    "SparseRNNRegressor",
]
