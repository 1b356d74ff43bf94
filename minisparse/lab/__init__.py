"""What runs experiments and records them; nothing of the library imports it. Each part is loaded at its first use."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "chapter": "cli",
    "confirm": "cli",
    "cells": "sweep",
    "finish": "rows",
    "Judged": "claims",
    "matched": "claims",
}
_MODULES = ("claims", "cli", "cost", "folded", "marking", "notebook", "page", "provenance", "questions", "recipes",
            "rows", "sweep", "verify")  # fmt: skip
__all__ = [*_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in __all__:
        module = importlib.import_module(f".{_HOMES.get(name, name)}", __name__)
        return getattr(module, name) if name in _HOMES else module
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
