"""Planting a mistake: one line of this library exchanged (the catalogue of them is `catalogue`).

A mutant is the library's own source with the one line that carries the equation tag replaced by a wrong one, compiled
next to the original: there is no second copy of any pass, and nothing is patched. So the catalogue follows the library.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import textwrap
from collections.abc import Callable
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from ..equations import TAG, code_line, module_of


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One classic mistake.

    Attributes
    ----------
    code : str
        Stable name, as a gradient check reports it.
    family : str
        "affine", "loss", "recurrent", "sparse" or "optimiser".
    tag : str
        Of the line that is exchanged.
    wrong : str
        The wrong line.
    visible : tuple of str
        The gradients (or, for an optimiser, the parameters) in which it shows first.
    sentence : str
        What the student reads, at most 25 words.
    story : str
        Where it comes from.
    only : tuple of str
        Activations or storages for which it is a mistake; all if empty.

    Examples
    --------
    >>> mistake = minisparse.gradcheck.catalogue.find("bptt-not-transposed")
    >>> mistake.right, mistake.wrong
    ('da[t] = W.matmul_t(da[t + 1], times=slope(kept[t]))', 'da[t] = W.matmul(da[t + 1]) * slope(kept[t])')
    """

    code: str
    family: str
    tag: str
    wrong: str
    visible: tuple[str, ...]
    sentence: str
    story: str
    only: tuple[str, ...] = ()

    @property
    def right(self) -> str:
        """The library's own line."""
        return code_line(self.tag)

    def concerns(self, part: Any) -> bool:
        """Whether the line is run by this model, optimiser, hook or function, and is a mistake in it."""
        parts = [part, *(getattr(part, "weights", {}) or {}).values(), getattr(part, "activation", None)]
        kinds = {getattr(p, "storage", getattr(p, "name", None)) for p in parts if p is not None}
        if self.only and not kinds & set(self.only):
            return False
        home = module_of(self.tag)
        parts.append(getattr(part, "normalise", None))
        return any(_home(p) == home for p in parts) or (home == _KERNELS and _home(part) == _OPTIMISERS)

    def plant(self, part: Any) -> Any:
        """Return a copy of a model, optimiser, hook or function of the library that makes this mistake.

        Parameters
        ----------
        part : object
            Every other line that it runs is the library's own; what is not of this library is returned as it is.

        Examples
        --------
        >>> wrong_loss = minisparse.gradcheck.catalogue.find("loss-sign").plant(minisparse.softmax_cross_entropy)
        >>> wrong_loss(numpy.zeros((2, 1)), numpy.array([0]))[1].ravel()
        array([ 0.5, -0.5])
        """
        mutants = {module_of(self.tag): _mutant(self.tag, self.wrong)}
        if _KERNELS in mutants:
            mutants[_OPTIMISERS] = _on_kernels(mutants[_KERNELS])
        return _rebuilt(part, lambda name: mutants.get(name) or importlib.import_module(name))


def restored(part: Any) -> Any:
    """Return a copy of a model, optimiser, hook or function whose every line is the library's own.

    Examples
    --------
    >>> wrong_loss = minisparse.gradcheck.catalogue.find("loss-sign").plant(minisparse.softmax_cross_entropy)
    >>> minisparse.gradcheck.mistakes.restored(wrong_loss) is minisparse.softmax_cross_entropy
    True
    """
    return _rebuilt(part, importlib.import_module)


def _rebuilt(part: Any, module: Callable[[str], ModuleType]) -> Any:
    twin = _twin(part, module)
    if hasattr(twin, "weights") and hasattr(twin, "config"):
        for name, value in list(vars(twin).items()):
            if isinstance(value, dict):
                setattr(twin, name, {key: _twin(entry, module) for key, entry in value.items()})
            elif isinstance(value, list):
                setattr(twin, name, [_twin(entry, module) for entry in value])
            else:
                setattr(twin, name, _twin(value, module))
    return twin


def _twin(part: Any, module: Callable[[str], ModuleType]) -> Any:
    """Return a part that runs the lines of the modules that `module` names."""
    home, name = _home(part), getattr(part, "__name__", type(part).__name__)
    if not home.startswith("minisparse."):
        return copy.copy(part) if hasattr(part, "config") else part
    if isinstance(part, FunctionType):
        return getattr(module(home), name, part)
    if hasattr(part, "slope"):
        known = module(home).ACTIVATIONS.get(part.name)
        return dataclasses.replace(part, slope=known.slope) if known else part
    twin = copy.copy(part)
    twin.__class__ = getattr(module(home), name, type(part))
    for own in [key for key in vars(twin) if callable(getattr(type(twin), key, None))]:
        delattr(twin, own)  # a method that was exchanged on the object
    if hasattr(part, "state"):
        twin.state = copy.deepcopy(part.state)
    return twin


_KERNELS, _OPTIMISERS = "minisparse.kernels.reference", "minisparse.optim"


def _home(part: Any) -> str:
    """Return the module whose lines a part runs; an activation's is that of its slope."""
    if hasattr(part, "slope"):
        return part.slope.__module__
    return part.__module__ if isinstance(part, FunctionType) else type(part).__module__


@functools.lru_cache(maxsize=256)
def _mutant(tag: str, wrong: str) -> ModuleType:
    """Compile the module that carries a tag with that one line exchanged."""
    original = importlib.import_module(module_of(tag))
    with open(original.__file__, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for number, line in enumerate(lines):
        match = TAG.match(line)
        if match and match["tag"] == tag:
            lines[number] = textwrap.indent(wrong, line[: len(line) - len(line.lstrip())])
    return _compiled(original, "\n".join(lines))


@functools.lru_cache(maxsize=64)
def _on_kernels(mutant: ModuleType) -> ModuleType:
    """Compile the optimisers so that they take these kernels, whatever the arrays are."""
    original = importlib.import_module(_OPTIMISERS)
    with open(original.__file__, encoding="utf-8") as file:
        optimisers = _compiled(original, file.read())
    optimisers.kernels = SimpleNamespace(table=lambda *arrays: mutant)
    return optimisers


def _compiled(original: ModuleType, text: str) -> ModuleType:
    module = ModuleType(original.__name__, original.__doc__)
    module.__package__, module.__file__ = original.__package__, original.__file__
    module.__dict__.setdefault("np", np)  # a line may be written with it in every module
    exec(compile(text, original.__file__, "exec"), module.__dict__)
    return module
