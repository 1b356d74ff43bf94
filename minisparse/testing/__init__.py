"""Tests for what you wrote yourself: laws for a rule, a loss, a layer or a model, and Hypothesis strategies.

`laws` needs NumPy alone. The strategies need the extra ``test``: they are loaded when one is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .judge import KINDS, Broken, Law, LawError, Verdict, kind_of, laws

_STRATEGIES = (
    *("Network", "activities", "choices", "cotangents", "densities", "dtypes", "fractions", "generators", "labels"),
    *("load_profile", "networks", "patterns", "seeds", "sizes", "storages", "weights"),
)
__all__ = ["KINDS", "Broken", "Law", "LawError", "Verdict", "kind_of", "laws"]


if TYPE_CHECKING:
    from .strategies import Network as Network
    from .strategies import activities as activities
    from .strategies import choices as choices
    from .strategies import cotangents as cotangents
    from .strategies import densities as densities
    from .strategies import dtypes as dtypes
    from .strategies import fractions as fractions
    from .strategies import generators as generators
    from .strategies import labels as labels
    from .strategies import load_profile as load_profile
    from .strategies import networks as networks
    from .strategies import patterns as patterns
    from .strategies import seeds as seeds
    from .strategies import sizes as sizes
    from .strategies import storages as storages
    from .strategies import weights as weights


def __getattr__(name: str) -> Any:
    if name not in _STRATEGIES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.strategies"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *_STRATEGIES])
