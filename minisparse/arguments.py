"""What a caller hands over, made what it should be or refused in a sentence: numbers, names, seeds."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .backend import to_numpy
from .errors import InputError
from .protocols import Rng, Seed

PURPOSES = ("pattern", "signs", "weights", "batches", "rewiring", "subset", "pairs", "noise")
"""What an integer seed is drawn for: each has a stream of its own, whose number is its place here, for ever."""


def generator(rng: Seed, purpose: str) -> Rng:
    """Return the generator that a seed stands for; a generator is returned as it is.

    One integer can serve a whole experiment: its stream for one purpose is independent of those for all others, as it
    is made from ``numpy.random.SeedSequence(seed, spawn_key=(purpose,))``. Two draws for one purpose (the patterns of
    two layers, say) need two seeds, or one generator.

    Parameters
    ----------
    rng : int, Generator or RandomState
    purpose : str
        One of `PURPOSES`.

    Returns
    -------
    Generator or RandomState

    Raises
    ------
    ValueError
        If it is neither a generator nor an integer of at least 0.

    Examples
    --------
    >>> a, b = (minisparse.generator(0, purpose) for purpose in ("pattern", "weights"))
    >>> a.random() == b.random(), minisparse.generator(a, "weights") is a
    (False, True)
    """
    if isinstance(rng, (np.random.Generator, np.random.RandomState)):
        return rng
    purpose = chosen("purpose", purpose, PURPOSES)
    if is_seed(rng):
        return np.random.default_rng(np.random.SeedSequence(int(rng), spawn_key=(PURPOSES.index(purpose),)))
    raise InputError(
        f"rng must be a seed, an integer of at least 0, or a numpy.random.Generator or RandomState, got {shown(rng)}"
    )


def is_seed(rng: Any) -> bool:
    """Whether something is an integer seed."""
    return isinstance(rng, numbers.Integral) and not isinstance(rng, bool) and rng >= 0


def number(name: str, value: Any) -> Any:
    """Return a real number as it is, and refuse whatever else there is.

    Examples
    --------
    >>> minisparse.arguments.number("lr", "fast")
    Traceback (most recent call last):
    ...
    minisparse.errors.InputError: lr must be a number, got 'fast'
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if not isinstance(value, numbers.Real) or isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} must be a number, got {shown(value)}")
    return value


def whole(name: str, value: Any, least: int | None = None) -> int:
    """Return a whole number as an int; 3.0 is one.

    Examples
    --------
    >>> minisparse.arguments.whole("epochs", 3.0), minisparse.arguments.whole("epochs", numpy.int64(2))
    (3, 2)
    """
    try:
        found = number(name, value)
        if int(found) == found and (least is None or found >= least):
            return int(found)
    except (InputError, ValueError, OverflowError):
        pass
    raise InputError(
        f"{name} must be a whole number{'' if least is None else f' of at least {least}'}, got {shown(value)}"
    )


def within(name: str, value: Any, low: float, high: float = math.inf) -> Any:
    """Return a finite number that is at least `low` and at most `high`.

    Examples
    --------
    >>> minisparse.arguments.within("p, the density,", 0.5, 0, 1)
    0.5
    >>> minisparse.arguments.within("w_max", -1, 0)
    Traceback (most recent call last):
    ...
    minisparse.errors.InputError: w_max must be a finite number of at least 0, got -1
    """
    found = number(name, value)
    if not (math.isfinite(found) and low <= found <= high):
        bounds = f"a finite number of at least {low:g}" if high == math.inf else f"a number from {low:g} to {high:g}"
        raise InputError(f"{name} must be {bounds}, got {shown(value)}")
    return found


def switch(name: str, value: Any) -> bool:
    """Return True or False.

    Examples
    --------
    >>> minisparse.arguments.switch("every", numpy.bool_(True))
    True
    """
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def chosen(what: str, name: Any, choices: Iterable[Any], also: str = "") -> Any:
    """Return the one of some names that is meant; upper and lower case are the same.

    Examples
    --------
    >>> minisparse.arguments.chosen("storage", "CSR", ["dense", "csr"])
    'csr'
    >>> minisparse.arguments.chosen("storage", "rows", ["dense", "csr"])
    Traceback (most recent call last):
    ...
    minisparse.errors.InputError: storage 'rows' is unknown; choose one of dense, csr
    """
    choices = list(choices)
    if isinstance(name, str) and name.lower() in choices:
        return name.lower()
    raise InputError(f"{what} {shown(name)} is unknown; choose one of {', '.join(map(str, choices))}{also}")


def is_array(thing: Any) -> bool:
    """Whether something is an array of numbers, truth values or symbols, of any library."""
    return getattr(getattr(thing, "dtype", None), "kind", "") in tuple("fiubcO") and hasattr(thing, "shape")


def is_column(thing: Any, length: int) -> bool:
    """Whether something is an array (length, 1) of real numbers.

    Examples
    --------
    >>> minisparse.arguments.is_column(numpy.ones((3, 1)), 3), minisparse.arguments.is_column([[1], [2]], 2)
    (True, False)
    """
    return is_array(thing) and thing.dtype.kind in "fiu" and tuple(thing.shape) == (length, 1)


def _has(*names: str) -> Callable[[Any], bool]:
    return lambda thing: all(hasattr(thing, name) for name in names) and not isinstance(thing, type)


KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "model": (_has("forward", "backward", "weights"), "a network, such as minisparse.RNN makes"),
    "head": (_has("forward", "backward", "weights", "n_in"), "a network, such as minisparse.MLP makes"),
    "stem": (_has("forward", "backward", "init", "n_out"), "a stem, such as minisparse.ConvPool makes"),
    "params": (lambda thing: isinstance(thing, dict), "a dict of arrays, as model.init makes"),
    "grads": (lambda thing: isinstance(thing, dict), "a dict of arrays, as model.backward returns"),
    "cache": (_has("__dict__"), "what forward returned beside its output"),
    "opt": (_has("step", "state", "config"), "an optimiser, such as minisparse.Adam()"),
    "loss": (callable, "a function of output and target, such as minisparse.mean_squared_error"),
    "dataset": (_has("x_train", "y_test", "n_classes"), "a minisparse.Dataset, as minisparse.load returns"),
    "weights": (_has("pattern", "bind"), "a storage, as minisparse.make_weights returns"),
    "path": (lambda thing: isinstance(thing, (str, os.PathLike)), "the path of a file or folder"),
}
"""What an argument of a name must be, all over the library; of any other name, an array."""


def expect(**given: Any) -> None:
    """Refuse arguments that are not what their names say (`KINDS`); their shapes are for others to check.

    Examples
    --------
    >>> minisparse.arguments.expect(x=numpy.ones(3), opt="adam")
    Traceback (most recent call last):
    ...
    minisparse.errors.InputError: opt must be an optimiser, such as minisparse.Adam(), got 'adam'
    """
    for name, thing in given.items():
        fits, what = KINDS.get(name, (is_array, "an array of numbers"))
        if not fits(thing):
            raise InputError(f"{name} must be {what}, got {shown(thing)}")


def signs_of(signs: Any, name: str = "signs") -> np.ndarray:
    """Return signs on the host, +1, -1 or 0, whatever their strength; their shape is for others to check.

    Examples
    --------
    >>> minisparse.arguments.signs_of([[2.0], [-0.5]])
    array([[ 1.],
           [-1.]])
    """
    signs = signs if is_array(signs) else np.asarray(signs)
    if signs.dtype.kind not in "fiu":
        raise InputError(f"{name} must be a column (n_pre, 1) of +1 and -1, got {shown(signs)} of {signs.dtype}")
    return np.sign(to_numpy(signs))


def storage_of(model: Any, name: str) -> Any:
    """Return the storage of a model's sparse parameter.

    Examples
    --------
    >>> minisparse.arguments.storage_of(minisparse.RNN(2, numpy.eye(3), 2), "W")
    Traceback (most recent call last):
    ...
    minisparse.errors.InputError: the model has no sparse parameter 'W'; it has W_rec
    """
    expect(model=model)
    if not isinstance(name, str) or name not in model.weights:
        raise InputError(f"the model has no sparse parameter {shown(name)}; it has {', '.join(model.weights)}")
    return model.weights[name]


def parameter_of(params: Any, name: str) -> Any:
    """Return an array of the parameters."""
    found = params.get(name) if isinstance(params, dict) else None
    if hasattr(found, "shape"):
        return found
    expect(params=params)
    if name not in params:
        raise InputError(f"params has no {name!r}; model.init makes every parameter")
    raise InputError(f"{name} must be an array of numbers, got {shown(found)}")


def shown(value: Any) -> str:
    """Return how a value is written in a sentence: short ones as they are, others by their type and shape.

    Examples
    --------
    >>> minisparse.arguments.shown(None), minisparse.arguments.shown(numpy.zeros((2, 3)))
    ('None', 'an array (ndarray) of shape (2, 3)')
    """
    if isinstance(value, (np.ndarray, list, tuple, dict, set)) or hasattr(value, "shape"):
        shape = tuple(value.shape) if hasattr(value, "shape") else None
        return f"a {type(value).__name__}" if shape is None else f"an array ({type(value).__name__}) of shape {shape}"
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else f"a {type(value).__name__}"
