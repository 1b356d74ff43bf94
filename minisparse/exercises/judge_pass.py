"""Judge a whole pass: pencil answers, then each gradient, each with the mistake that gives just this."""

from __future__ import annotations

import functools
import re
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ..gradcheck import GradientReport, check_pair
from . import passes
from .passes import text
from .said import raised, wrong

CLOSE = 1e-3
"""A number found with a pencil may be off by this share: three digits of a fraction are enough."""
NEW = {"state": "new", "findings": []}
DONE = {"state": "done", "findings": []}


class _Version(NamedTuple):
    """What a task gives with one of its mistakes."""

    code: str
    sentence: str
    grads: dict[str, np.ndarray]
    pencil: dict[str, float]


def judge_pass(name: str, answer: str) -> dict[str, Any]:
    """Run a student's file of a whole pass, and check its pencil answers and its gradients.

    Parameters
    ----------
    name, answer : str
        Of the task, and the text of the file.

    Returns
    -------
    dict
        ``parts``, a list of results as of `judge.judge_line`, each with its ``name``.
    """
    module = passes.task(name)
    space: dict[str, Any] = {"__name__": "exercise"}
    try:
        exec(compile(answer, f"{name}.py", "exec"), space)
    except (MemoryError, RecursionError):
        raise
    except Exception as error:
        return wrong(*raised(error, f"{name}.py", answer))
    given = space.get("pencil") if isinstance(space.get("pencil"), dict) else {}
    if odd := [key for key in given if key not in module.pencil()]:
        return wrong(
            "question", f"pencil asks no {str(odd[0])[:40]!r}; its questions are {', '.join(module.pencil())}."
        )
    told = [{"name": key, **_number(name, key, given.get(key, ...), right)} for key, right in module.pencil().items()]
    keys = text.gradients(text.source(module))
    try:
        grads = _gradients(name, module, space)
    except NotImplementedError:  # how nbgrader marks a blank
        grads = dict.fromkeys(keys, NEW)
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # the numbers keep their marks
        grads = dict.fromkeys(keys, wrong(*raised(error, f"{name}.py", answer)))
    return {"parts": told + [{"name": key, **grads[key]} for key in keys]}


def _number(name: str, key: str, given: Any, right: float) -> dict[str, Any]:
    if given is ...:
        return NEW
    try:
        number = float(given)
    except (TypeError, ValueError):
        return wrong("number", f"{str(given)[:40]!r} is no number.")
    if _near(number, right):
        return DONE
    fits = [version for version in _versions(name) if _near(number, version.pencil.get(key, np.nan))]
    if fits:
        return wrong(fits[0].code, fits[0].sentence if len(fits) == 1 else f"Perhaps: {fits[0].sentence}")
    if _near(-number, right):
        return wrong("sign", f"{number:g} has the wrong sign.")
    return wrong("number", f"it is not {number:g}.")


def _near(number: float, right: float) -> bool:
    return abs(number - right) <= CLOSE * max(1.0, abs(right))


def _gradients(name: str, module: ModuleType, space: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the result of each gradient."""
    inputs, y, dy, right = _case(name)
    missing = next((each for each in ("forward", "backward") if not callable(space.get(each))), "")
    if missing:
        return dict.fromkeys(right, wrong("missing", f"the file has no function {missing}."))
    own_y, cache = space["forward"](**{key: np.copy(value) for key, value in inputs.items()})
    if np.shape(own_y) != np.shape(y) or not np.allclose(own_y, y):
        return dict.fromkeys(right, wrong("forward", "forward does not compute what it did: put it back."))
    own = space["backward"](dy.copy(), cache)
    if not isinstance(own, dict):
        return dict.fromkeys(right, wrong("missing", "backward has to return a dict of gradients."))
    if odd := [key for key in own if key not in right]:
        said = f"backward returns {str(odd[0])[:40]!r}; the names of the gradients are {', '.join(right)}."
        return dict.fromkeys(right, wrong("question", said))
    written = [key for key in right if own.get(key, ...) is not ...]
    told = {key: DONE if key in written else NEW for key in right}
    report = _report(module, space, inputs, written) if written else None
    if report is None or report.ok:
        return told
    for tensor in dict.fromkeys(finding.tensor for finding in report.raw):
        for key in [tensor] if tensor in written else written:
            told[key] = wrong(*(_mistake(name, key, own[key]) or _explained(report, tensor, module)))
    return told


def _explained(report: GradientReport, tensor: str, module: ModuleType) -> tuple[str, str]:
    """Return code and sentence of the checker's first finding in a tensor; it takes its time."""
    finding = next(finding for finding in report.findings if finding.tensor == tensor)
    return finding.code, f"{_with_names(finding.sentence, module)}."


@functools.cache
def _case(name: str) -> tuple[dict[str, Any], np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return inputs, output, a random cotangent and the right gradients of a task."""
    module = passes.task(name)
    inputs = module.inputs(np.random.default_rng(0))
    y, cache = module.forward(**inputs)
    dy = np.random.default_rng(1).standard_normal(np.shape(y))
    return inputs, y, dy, module.backward(dy.copy(), cache)


def _report(module: ModuleType, space: dict[str, Any], inputs: dict[str, Any], written: list[str]) -> GradientReport:
    """Return the checker's report on the gradients that are written."""

    def backward(dy: Any, cache: Any) -> dict[str, Any]:
        grads = space["backward"](dy, cache)
        return {key: grads[key] for key in written}

    support = module.SUPPORT(inputs) if hasattr(module, "SUPPORT") else {}
    support = {key: where for key, where in support.items() if key in written}
    return check_pair(space["forward"], backward, inputs, wrt=written, support=support or None)


def _mistake(name: str, key: str, own: Any) -> tuple[str, str] | None:
    """Return code and sentence of the task's mistake that gives just this gradient."""
    right = _case(name)[3][key]
    for version in _versions(name):
        grad = version.grads.get(key)
        if grad is not None and _same(grad, own) and not _same(right, own):
            return version.code, version.sentence
    return None


def _same(one: Any, other: Any) -> bool:
    return np.shape(one) == np.shape(other) and np.allclose(one, other, rtol=1e-9, equal_nan=True)


@functools.cache
def _versions(name: str) -> tuple[_Version, ...]:
    """Return what each mistake of a task gives; one that does not run with these shapes gives nothing."""
    module, found = passes.task(name), []
    inputs, _, dy, _ = _case(name)
    for code, sentence, line, other in module.MISTAKES:
        space: dict[str, Any] = {"__name__": "exercise"}
        exec(compile(text.mistaken(text.source(module), line, other), module.__file__, "exec"), space)
        results: list[dict] = []
        for compute in (
            lambda space=space: space["backward"](dy.copy(), space["forward"](**inputs)[1]),
            space["pencil"],
        ):
            try:
                results.append(compute())
            except (ValueError, IndexError):
                results.append({})
        found.append(_Version(code, sentence, *results))
    return tuple(found)


def _with_names(sentence: str, module: ModuleType) -> str:
    """Put the student's names for what the cache holds into a sentence."""
    row = re.search(r"^    (.*) = cache$", text.source(module), flags=re.MULTILINE)
    names = row[1].split(", ") if row else []
    return re.sub(r"cache\[(\d+)\]", lambda at: names[int(at[1])] if int(at[1]) < len(names) else at[0], sentence)
