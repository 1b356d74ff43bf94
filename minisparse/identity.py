"""What makes two things the same: the settings of a hook or a rule in plain values, and hashes of arrays."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .backend import to_numpy

DIGITS = 16
"""Hexadecimal digits that stand for an array among settings."""


def digest(arrays: Mapping[str, Any]) -> str:
    """Return a hash (SHA-256) of arrays: of their names, types, shapes and content.

    Examples
    --------
    >>> one, other = {"x": numpy.zeros(2)}, {"x": numpy.zeros((2, 1))}
    >>> minisparse.identity.digest(one) == minisparse.identity.digest(other)
    False
    """
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(to_numpy(arrays[name]))
        array = np.ascontiguousarray(array).reshape(array.shape)
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        found.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        found.update(array.reshape(-1).view(np.uint8) if array.size else b"")
    return found.hexdigest()


def name_of(thing: Any) -> str:
    """Return the name of a function, or of a thing's class.

    Examples
    --------
    >>> minisparse.identity.name_of(minisparse.Adam()), minisparse.identity.name_of(minisparse.full)
    ('Adam', 'full')
    """
    if isinstance(thing, functools.partial):
        return f"partial of {name_of(thing.func)}"
    return getattr(thing, "__qualname__", None) or type(thing).__name__


def described(thing: Any) -> dict[str, Any]:
    """Return the settings of a hook, a rule or another part of a run, in plain values that JSON keeps.

    They are what its method ``config()`` returns, if it has one; else its attributes that are plain: numbers, truth
    values, text, None, arrays (as a hash), and tuples, dicts and dataclasses of such. Left out are ``state``, which
    changes in a run, lists, in which hooks keep records, and names that begin with ``_``.

    Parameters
    ----------
    thing : object

    Returns
    -------
    dict
        Flat; a setting of a part has both names, with a dot between.

    Examples
    --------
    >>> minisparse.identity.described(minisparse.ClipNorm(1.0))
    {'max_norm': 1.0}
    >>> minisparse.identity.described(minisparse.RigL(0.2))["schedule.fraction"]
    0.2
    """
    if isinstance(thing, functools.partial):
        return _flat({"arguments": thing.args, **thing.keywords})
    if callable(getattr(thing, "config", None)) and not isinstance(thing, type):
        return _flat(thing.config())
    own = {name: value for name, value in _attributes(thing).items() if not isinstance(value, list)}
    return _flat({name: value for name, value in own.items() if name != "state" and not name.startswith("_")})


def written(thing: Any) -> str:
    """Return a thing's name and settings as text.

    Examples
    --------
    >>> minisparse.identity.written(minisparse.LpConstant(2))
    "LpConstant(extras=['s'], init_scale=paper, p=2, shared=True)"
    """
    settings = ", ".join(f"{name}={value}" for name, value in sorted(described(thing).items()))
    return f"{name_of(thing)}({settings})"


def _attributes(thing: Any) -> dict[str, Any]:
    return getattr(thing, "__dict__", {}) if not isinstance(thing, type) and not hasattr(thing, "__qualname__") else {}


class _NotPlain(Exception):
    """A value that says nothing that could be compared."""


def _flat(settings: Mapping[str, Any], prefix: str = "", depth: int = 3) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in settings.items():
        key = f"{prefix}{name}"
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        if isinstance(value, Mapping) and depth:
            found |= _flat(value, f"{key}.", depth - 1)
            continue
        try:
            found[key] = _plain(value, depth)
        except _NotPlain:
            continue
    return found


def _plain(value: Any, depth: int) -> Any:
    """Return a value as JSON would give it back."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "dtype") and hasattr(value, "shape") and value.dtype.kind in "biufcSU":
        return f"an array {tuple(value.shape)} with the hash {digest({'': value})[:DIGITS]}"
    if isinstance(value, (list, tuple, set, frozenset)) and depth:
        items = [_plain(item, depth - 1) for item in value]
        return sorted(items, key=repr) if isinstance(value, (set, frozenset)) else items
    if callable(value) and hasattr(value, "__qualname__"):
        return value.__qualname__
    raise _NotPlain
