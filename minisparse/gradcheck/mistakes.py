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
from collections.abc import Callable, Iterator
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
        A module of the catalogue: "affine", "recurrent", "convolution" and so on.
    tag : str
        Of the line that is exchanged.
    wrong : str
        The wrong line, or lines.
    visible : tuple of str
        The gradients (or, for an optimiser, the parameters) in which it shows first, in the network that the line is
        written for; empty if that is everything below.
    sentence : str
        What the student reads, at most 25 words.
    story : str
        Where it comes from.
    only : tuple of str
        Kinds of parts for which it is a mistake, all if empty: an activation, a storage, a class, or a switch that is
        on ("shared_scale", "decay").

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

    def concerns(self, *parts: Any) -> bool:
        """Whether the line is run by these models, optimisers, hooks or functions, and is a mistake in them."""
        held = list(_held(parts))
        if self.only and not any(set(self.only) & _kinds(part) for part in held):
            return False
        homes = {_home(part) for part in held}
        home = module_of(self.tag)
        return home in homes or (home == _KERNELS and _OPTIMISERS in homes)

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


def _rebuilt(part: Any, module: Callable[[str], ModuleType], done: dict[int, Any] | None = None) -> Any:
    """Return a copy of a part, and of all parts that it holds, that runs the lines of the modules `module` names."""
    done = {} if done is None else done
    if type(part) in (list, tuple, dict):
        keys = part.keys() if type(part) is dict else range(len(part))
        new = {key: _rebuilt(part[key], module, done) for key in keys}
        same = all(new[key] is part[key] for key in keys)
        return part if same else new if type(part) is dict else type(part)(new.values())
    if not _is_part(part):
        return part
    home, name = _home(part), getattr(part, "__name__", type(part).__name__)
    if isinstance(part, FunctionType):
        return getattr(module(home), name, part)
    if hasattr(part, "slope"):
        known = home.startswith(_OURS) and module(home).ACTIVATIONS.get(part.name)
        return dataclasses.replace(part, slope=known.slope) if known else part
    if id(part) in done:
        return done[id(part)]
    twin = done[id(part)] = copy.copy(part)
    if home.startswith(_OURS):
        object.__setattr__(twin, "__class__", getattr(module(home), name, type(part)))
        for own in [key for key in vars(twin) if callable(getattr(type(twin), key, None))]:
            delattr(twin, own)  # a method that was exchanged on the object
    for key, value in getattr(twin, "__dict__", {}).items():
        vars(twin)[key] = copy.deepcopy(value) if key == "state" else _rebuilt(value, module, done)
    return twin


def _held(part: Any, done: set[int] | None = None) -> Iterator[Any]:
    """Yield a part and all parts that it holds, as `_rebuilt` copies them."""
    done = set() if done is None else done
    if type(part) in (list, tuple, dict):
        inner = part.values() if type(part) is dict else part
    elif _is_part(part) and id(part) not in done:
        done.add(id(part))
        yield part
        inner = getattr(part, "__dict__", {}).values()
    else:
        return
    for each in inner:
        yield from _held(each, done)


def _is_part(part: Any) -> bool:
    """Whether this may run a tagged line: a function, storage, rule, hook or optimiser of ours, or any model."""
    ours = _home(part).startswith(_OURS) and not _home(part).startswith(_STRUCTURE)
    return ours or (hasattr(part, "config") and not isinstance(part, type))


def _kinds(part: Any) -> set[str]:
    """Return what a mistake's `only` may name: of an activation or storage its name, of all else class and switches."""
    names = (getattr(part, "storage", ""), getattr(part, "name", ""), type(part).__name__)
    on = (key for key, value in getattr(part, "__dict__", {}).items() if isinstance(value, (bool, float)) and value)
    return {name for name in (*names, *on) if isinstance(name, str)}


_OURS = "minisparse."
_STRUCTURE = ("minisparse.connectivity", "minisparse.kernels")
_KERNELS, _OPTIMISERS = "minisparse.kernels.reference", "minisparse.optim"


def _home(part: Any) -> str:
    """Return the module whose lines a part runs; an activation's is that of its slope."""
    if hasattr(part, "slope"):
        return part.slope.__module__ or ""
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
