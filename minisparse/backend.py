"""Where arrays are born, which library computes on them, and who owns the threads.

``BACKEND=numpy|cupy`` decides where arrays are *created*; every function then follows its arguments.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from types import ModuleType
from typing import Any

import numpy as np

from .errors import ArrayError, BackendMissing, DeviceMissing, InputError
from .processors import cpu_count as cpu_count

Array = Any
"""A NumPy or CuPy array (or one of a module handed to `use`)."""

CHOICES = ("numpy", "cupy")
_module_of_type: dict[type, ModuleType] = {np.ndarray: np}
_current: ModuleType | None = None


def array_module(*arrays: Array) -> ModuleType:
    """Return the library that the arrays belong to; nothing is imported.

    Parameters
    ----------
    *arrays : array
        At least one array. NumPy scalars count as NumPy; Python numbers have no say.

    Returns
    -------
    module
        ``numpy``, ``cupy``, or the module given to `use`.

    Raises
    ------
    TypeError
        If the arrays live in different libraries, or one is not an array.

    Examples
    --------
    >>> import numpy, minisparse
    >>> minisparse.array_module(numpy.zeros(3)).__name__
    'numpy'
    """
    found = None
    for array in arrays:
        module = _module_of_type.get(type(array)) or _find_module(array)
        if module is None or module is found:
            continue
        if found is not None:
            raise ArrayError(
                f"arrays of {found.__name__} and of {module.__name__} were mixed; "
                f"move them to one side with minisparse.asarray or minisparse.to_numpy first"
            )
        found = module
    return found or np


def _find_module(array: Array) -> ModuleType | None:
    """Slow path of `array_module`: classify a type that was not seen before."""
    if isinstance(array, (bool, int, float)):
        return None
    if isinstance(array, (np.ndarray, np.generic)):
        return np
    for kind in type(array).__mro__:
        module = _module_of_type.get(kind) or sys.modules.get(kind.__module__.partition(".")[0])
        if isinstance(array, getattr(module, "ndarray", ())):
            _module_of_type[type(array)] = module
            return module
    raise ArrayError(f"expected an array, got {type(array).__name__}; make one with minisparse.asarray")


def asarray(x: Any, dtype: Any = None) -> Array:
    """Make an array on the current backend, moving it there if it lives elsewhere.

    Parameters
    ----------
    x : array_like
        Numbers in any form, or an array of any backend.
    dtype : dtype, optional
        Kept when omitted.

    Returns
    -------
    array
        On the current backend, same shape.

    Examples
    --------
    >>> minisparse.asarray([1, 2], dtype="float32").dtype
    dtype('float32')
    """
    xp = current_module()
    if isinstance(x, xp.ndarray):
        return x if dtype is None or x.dtype == dtype else x.astype(dtype)
    return xp.asarray(x if isinstance(x, (list, tuple, bool, int, float)) else to_numpy(x), dtype=dtype)


def to_numpy(x: Array) -> np.ndarray:
    """Bring an array to the host as a NumPy array (a NumPy array is returned as it is).

    Examples
    --------
    >>> minisparse.to_numpy(minisparse.asarray([1.0, 2.0]))
    array([1., 2.])
    """
    if isinstance(x, (dict, set)):
        raise ArrayError(f"expected an array, got a {type(x).__name__}; move its arrays one by one")
    return x.get() if hasattr(x, "get") and not isinstance(x, np.ndarray) else np.asarray(x)


class _Restore:
    """What `use` returns: in a ``with`` block the previous backend comes back at the end."""

    def __init__(self, previous: ModuleType | None):
        self._previous = previous

    def __enter__(self) -> ModuleType:
        return current_module()

    def __exit__(self, *exception: object) -> None:
        global _current
        _current = self._previous


def use(backend: str | ModuleType) -> _Restore:
    """Choose where arrays are created from now on, or inside a ``with`` block.

    Parameters
    ----------
    backend : {"numpy", "cupy"} or module
        A module must follow NumPy's names and have an ``ndarray`` type.

    Returns
    -------
    context manager
        Optional to use; leaving it restores the backend that was in force.

    Raises
    ------
    ValueError
        For an unknown name.
    ImportError
        If CuPy is not installed.
    RuntimeError
        If CuPy finds no CUDA device, or cannot compute on it.

    Examples
    --------
    >>> with minisparse.use("numpy") as xp:
    ...     xp.__name__
    'numpy'
    """
    global _current
    module = _open(backend.lower()) if isinstance(backend, str) else backend
    if not hasattr(module, "ndarray"):
        raise InputError(f"a backend must be one of {', '.join(CHOICES)}, or a module of arrays, got {module!r}")
    _module_of_type[module.ndarray] = module
    restore, _current = _Restore(_current), module
    return restore


def current_module() -> ModuleType:
    """Return the library arrays are created with; the first call reads ``BACKEND``."""
    if _current is None:
        use(os.environ.get("BACKEND", "numpy"))
    return _current


def _open(name: str) -> ModuleType:
    """Import a backend by name and prove that it can compute."""
    if name not in CHOICES:
        raise InputError(f"BACKEND={name!r} is unknown; choose one of {', '.join(CHOICES)}")
    if name == "numpy":
        return np
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise BackendMissing(
            f"BACKEND=cupy needs CuPy, which does not import ({error}); "
            'run: pip install "cupy-cuda12x[ctk]" (CUDA 12) or pip install "cupy-cuda13x[ctk]" (CUDA 13)'
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        raise DeviceMissing(
            f"BACKEND=cupy found no usable GPU; CUDA says: {error}; check `nvidia-smi`, or run with BACKEND=numpy"
        ) from error
    if count == 0:
        raise DeviceMissing(
            "BACKEND=cupy found no GPU: CUDA counts 0 devices; check `nvidia-smi`, or use BACKEND=numpy"
        )
    _prove(cupy)
    return cupy


@functools.cache
def _prove(cupy: ModuleType) -> None:
    """Have a kernel compiled and a product computed, once: CuPy loads what it needs for them when it is asked."""
    try:
        ones = cupy.ones((2, 2), dtype=np.float32)
        found = float(((ones + ones) @ ones).sum())
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise DeviceMissing(
            f"BACKEND=cupy found a GPU, but a first product fails on it: {reason}; CuPy's compiler and libraries come "
            'with pip install "cupy-cuda12x[ctk]" (CUDA 12) or "cupy-cuda13x[ctk]" (CUDA 13); or use BACKEND=numpy'
        ) from error
    if found != 16:
        raise DeviceMissing(f"BACKEND=cupy found a GPU that computes 16 as {found}; check `nvidia-smi`")


def describe() -> str:
    """Say in one line what computes: ``backend: numpy 2.4.0, 2 threads`` or the GPU's name.

    Examples
    --------
    >>> minisparse.describe().startswith("backend: ")
    True
    """
    xp = current_module()
    if xp.__name__ == "cupy":
        name = xp.cuda.runtime.getDeviceProperties(xp.cuda.Device().id)["name"].decode()
        return f"backend: cupy {xp.__version__} on {name}{', float32 products in TF32' if uses_tf32() else ''}"
    return f"backend: {xp.__name__} {getattr(xp, '__version__', '')}, {cpu_count()} threads"


def uses_tf32() -> bool:
    """Whether float32 products on a GPU round their factors to TF32, 10 bits of mantissa: ``CUPY_TF32=1`` asks for it.

    Examples
    --------
    >>> minisparse.backend.uses_tf32()
    False
    """
    return int(os.environ.get("CUPY_TF32") or 0) > 0


np.empty((1 << 25) - (1 << 16), np.uint8)
"""Made and freed once, untouched: from now on glibc keeps blocks of up to 32 MiB for the next step's arrays. Until it
has seen one freed, it hands them back to the system, and every step pays for their pages again."""
