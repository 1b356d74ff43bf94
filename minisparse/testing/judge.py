"""Laws: what a rule, a loss, a layer or a model of your own must keep, each with a name and a sentence if it is broken.

Every law is a generator function of what is tested: it yields a sentence for each thing that is wrong. Its name is the
law's name, its docstring what the law demands.
"""

from __future__ import annotations

import inspect
import sysconfig
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arguments import chosen, shown
from ..errors import InputError
from . import of_functions, of_hooks, of_models, of_normalisers, of_rewiring

KINDS: dict[str, tuple[type, tuple[Callable, ...]]] = {
    "activation": (of_functions.ActivationCase, of_functions.ACTIVATION),
    "loss": (of_functions.LossCase, of_functions.LOSS),
    "normaliser": (of_normalisers.Case, of_normalisers.LAWS),
    "rewiring": (of_rewiring.Case, (*of_rewiring.LAWS, *of_hooks.MEMORY)),
    "hook": (of_hooks.Case, of_hooks.LAWS),
    "layer": (of_models.Case, of_models.LAYER),
    "model": (of_models.Case, of_models.MODEL),
}
"""What can be tested: the case that is made of it, and its laws."""


class Broken(NamedTuple):
    """A law that does not hold: its name, and a sentence that says what is wrong."""

    name: str
    sentence: str


class LawError(AssertionError):
    """Laws are broken; the message names each of them, with its sentence."""

    def __init__(self, verdict: Verdict):
        super().__init__(verdict)
        self.verdict = verdict

    def __str__(self) -> str:
        return str(self.verdict)


@dataclass(frozen=True)
class Law:
    """One law for one rule: call it, and it raises an `AssertionError` if it is broken.

    Attributes
    ----------
    name : str
    demand : str
        What it demands.
    broken : callable
        Returns a sentence that says what is wrong, or None.
    """

    name: str
    demand: str
    broken: Callable[[], str | None]

    @property
    def __name__(self) -> str:  # what pytest shows
        return self.name

    def __call__(self) -> None:
        sentence = self.broken()
        if sentence is not None:
            raise AssertionError(f"{self.name}: {sentence}")

    def __repr__(self) -> str:
        return f"{self.name}: {self.demand}"


@dataclass(frozen=True)
class Verdict:
    """What `laws` found; printing it lists every law.

    Attributes
    ----------
    rule : object
    kind : str
    held : list of str
        Names of the laws that hold.
    failed : list of Broken
        (name, sentence) of those that do not.
    exempt : dict
        Names of those that were left out, and why.
    """

    rule: Any
    kind: str
    held: list[str]
    failed: list[Broken]
    exempt: dict[str, str]

    @property
    def ok(self) -> bool:
        """Whether no law is broken."""
        return not self.failed

    def __str__(self) -> str:
        head = f"{_name(self.rule)} ({self.kind}) " + ("keeps all laws" if self.ok else "breaks a law")
        said = [f"  holds    {name}" for name in self.held]
        said += [f"  exempt   {name} ({reason})" for name, reason in self.exempt.items()]
        return "\n".join([head, *said, *(f"  BROKEN   {name}: {sentence}" for name, sentence in self.failed)])


def laws(
    rule: Any,
    kind: str | None = None,
    *,
    generate_only: bool = False,
    on_fail: str | None = "raise",
    exempt: dict[str, str] | None = None,
    **given: Any,
) -> Any:
    """Test a rule of your own with the laws that this library's own rules keep.

    Parameters
    ----------
    rule : object
        An activation, normaliser, rewiring rule, hook, loss, layer or model. It is not changed: copies of it run.
    kind : {"activation", "normaliser", "rewiring", "hook", "loss", "layer", "model"}, optional
        What it is; found by its methods if omitted.
    generate_only : bool
        Return the laws and run none, for ``@pytest.mark.parametrize("law", laws(rule, generate_only=True))``; each law
        is called without an argument.
    on_fail : {"raise", None}
        Raise if a law is broken, or return what was found in any case.
    exempt : dict, optional
        ``{"name of a law": "reason"}``: laws that the rule cannot keep.
    **given
        For a loss: target="classes" or "numbers". For a rewiring rule or a hook: model, if it needs one of a kind of
        its own. For a layer or model: x, an input with a column per example, if it takes neither (n_in, batch) nor
        (time, n_in, batch).

    Returns
    -------
    Verdict, or list of Law if `generate_only`

    Raises
    ------
    LawError
        An `AssertionError` that names every broken law. If the first one is broken, that the rule runs at all, the
        others are not tried.
    ValueError
        If the kind cannot be told, or a name is unknown.

    Examples
    --------
    >>> wrong = minisparse.Activation("square", lambda a: a * a, lambda a: a, keeps="argument")
    >>> for name, sentence in minisparse.testing.laws(wrong, on_fail=None).failed[:1]:
    ...     print(name)
    the slope is the derivative
    >>> minisparse.testing.laws(minisparse.tanh).ok
    True
    """
    if isinstance(rule, type):
        raise InputError(f"laws tests a rule that is made, such as {rule.__name__}(), not the class")
    kind = kind_of(rule) if kind is None else chosen("kind", kind, KINDS)
    on_fail = None if on_fail is None else chosen("on_fail", on_fail, ("raise",), " or None")
    make, functions = KINDS[kind]
    case = _made(make, rule, given)
    exempt = dict(exempt or {})
    names = {_title(function): function for function in functions if _applies(function, case)}
    for name in exempt:
        chosen("law", name, names)
    found = [_law(name, function, case) for name, function in names.items() if name not in exempt]
    if generate_only:
        return found
    verdict = _judged(rule, kind, found, exempt)
    if on_fail and not verdict.ok:
        raise LawError(verdict)
    return verdict


def kind_of(rule: Any) -> str:
    """Return what a rule is, by its methods: a key of `KINDS`.

    Examples
    --------
    >>> [minisparse.testing.kind_of(rule) for rule in (minisparse.relu, minisparse.SET(), minisparse.ClipNorm(1))]
    ['activation', 'rewiring', 'hook']
    """

    def has(*names: str) -> bool:
        return all(hasattr(rule, name) for name in names)

    if has("rewire"):
        return "rewiring"
    if has("value", "slope"):
        return "activation"
    if has("forward", "backward"):
        if has("extras"):
            return "normaliser"
        return "model" if has("weights", "n_out") else "layer"
    arguments = _required(rule) if callable(rule) else 0
    if arguments in (1, 2):
        return "hook" if arguments == 1 else "loss"
    raise InputError(f"{shown(rule)} is none of {', '.join(KINDS)}, by its methods; name one as kind=")


def _required(rule: Callable) -> int:
    """Count the arguments that a callable must be given."""
    try:
        parameters = inspect.signature(rule).parameters.values()
    except (TypeError, ValueError):
        return 0
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def _made(make: type, rule: Any, given: dict[str, Any]) -> Any:
    known = list(inspect.signature(make).parameters)[1:]
    for name in given:
        if name not in known:
            said = f"it takes {', '.join(known)}" if known else "it takes none"
            raise InputError(f"laws of this kind take no argument {name!r}; {said}")
    return make(rule, **given)


def _title(function: Callable) -> str:
    return function.__name__.replace("_", " ")


def _applies(function: Callable, case: Any) -> bool:
    return getattr(function, "applies", lambda case: True)(case)


def _law(name: str, function: Callable[[Any], Iterable[str]], case: Any) -> Law:
    def broken() -> str | None:
        try:
            with np.errstate(all="ignore"):
                return next(iter(function(case)), None)
        except Exception as error:  # whatever a rule of somebody's own may raise
            frames = traceback.extract_tb(error.__traceback__)
            place = ([frame for frame in frames if _is_own(frame.filename)] or frames)[-1]
            return f"it raises {type(error).__name__}: {error} ({place.name}, line {place.lineno})"

    demand = " ".join((function.__doc__ or name).split())
    return Law(name, demand, broken)


def _is_own(file: str) -> bool:
    """Whether a file is the user's: neither of this library nor of what is installed."""
    places = [Path(__file__).parents[1], *(sysconfig.get_path(each) for each in ("stdlib", "purelib", "platlib"))]
    return not any(Path(file).is_relative_to(place) for place in places)


def _judged(rule: Any, kind: str, found: list[Law], exempt: dict[str, str]) -> Verdict:
    held, failed = [], []
    for k, law in enumerate(found):
        sentence = law.broken()
        if sentence is None:
            held.append(law.name)
            continue
        failed.append(Broken(law.name, sentence))
        if k == 0:
            break
    return Verdict(rule, kind, held, failed, exempt)


def _name(rule: Any) -> str:
    names = (getattr(rule, name, None) for name in ("__name__", "name"))
    return next((name for name in names if isinstance(name, str)), type(rule).__name__)
