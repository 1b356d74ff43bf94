"""Libraries that are asked for when they are needed, and not before."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import BackendMissing


def needed(name: str) -> Any:
    """Import a library that is no dependency, or say how it is installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise BackendMissing(f"this function needs {package}: pip install {package}") from error
