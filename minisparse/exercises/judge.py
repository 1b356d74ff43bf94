"""What runs an answer and says what is wrong with it: inside a child process alone (see `child`)."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from ..gradcheck import catalogue, check_pair
from ..gradcheck.mistakes import Mistake
from ..gradcheck.report import Finding
from . import passes
from .answers import complete, is_blank
from .bench import benches
from .passes import text

CLOSE = 1e-3
"""A number found with a pencil may be off by this share: three digits of a fraction are enough."""
LONGEST_SENTENCE = 400
"""Letters of what an answer's own error may say."""


class NotAllowed(BaseException):
    """An answer asked for what no answer needs: a file, the network, another process."""


def judge_line(tag: str, answer: str) -> dict[str, Any]:
    """Run one answer in the place of the library's line and check what comes out.

    Parameters
    ----------
    tag, answer : str

    Returns
    -------
    dict
        ``state`` ("done", "wrong" or "new"), and ``findings``, a list of dicts of code, tensor and sentence.
    """
    if is_blank(answer):
        return {"state": "new", "findings": []}
    if (problem := _syntax(answer)) is not None:
        return wrong("syntax", problem)
    mistake = Mistake("yours", "yours", tag, answer.strip("\n"), (), "", "")
    for bench in benches(tag):
        report = bench.check(mistake.plant)
        if not report.ok:
            told = [{"code": f.code, "tensor": f.tensor, "sentence": _unspoilt(f)} for f in report.findings]
            told = told or [{"code": "not-told", "tensor": "", "sentence": "no entry of a gradient could be told."}]
            return {"state": "wrong", "findings": told, "where": bench.name}
    return {"state": "done", "findings": []}


def _unspoilt(finding: Finding) -> str:
    """Return a finding's sentence without the right line."""
    return catalogue.find(finding.code).sentence if "right" in finding.evidence else finding.sentence


def judge_pass(name: str, answer: str) -> dict[str, Any]:
    """Run a student's file of a whole pass, and check its pencil answers and its gradients.

    Parameters
    ----------
    name, answer : str
        Of the task, and the text of the file.

    Returns
    -------
    dict
        ``parts``, a list of results as of `judge_line`, each with its ``name``.
    """
    module = passes.task(name)
    space: dict[str, Any] = {"__name__": "exercise"}
    exec(compile(answer, f"{name}.py", "exec"), space)
    given = space.get("pencil") if isinstance(space.get("pencil"), dict) else {}
    told = [{"name": key, **_number(given.get(key, ...), wanted)} for key, wanted in module.pencil().items()]
    try:
        grads = _gradients(module, space)
    except NotImplementedError:  # how nbgrader marks a blank
        grads = [{"name": key, "state": "new", "findings": []} for key in text.gradients(text.source(module))]
    except Exception as error:  # the numbers keep their marks
        grads = [{"name": key, **wrong(*_raised(error))} for key in text.gradients(text.source(module))]
    return {"parts": told + grads}


def _number(given: Any, wanted: float) -> dict[str, Any]:
    if given is ...:
        return {"state": "new", "findings": []}
    try:
        apart = abs(float(given) - wanted)
    except (TypeError, ValueError):
        return wrong("number", f"{str(given)[:40]!r} is no number.")
    if apart <= CLOSE * max(1.0, abs(wanted)):
        return {"state": "done", "findings": []}
    return wrong("number", f"it is not {float(given):g}.")


def _gradients(module: ModuleType, space: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results of all gradients; a finding is named by the task's own mistakes, or by the checker."""
    inputs = module.inputs(np.random.default_rng(0))
    y, cache = module.forward(**inputs)
    dy = np.random.default_rng(1).standard_normal(np.shape(y))
    right = module.backward(dy, cache)
    for name in ("forward", "backward"):
        if not callable(space.get(name)):
            return [{"name": key, **wrong("missing", f"the file has no function {name}.")} for key in right]
    own_y, own_cache = space["forward"](**{key: np.copy(value) for key, value in inputs.items()})
    if np.shape(own_y) != np.shape(y) or not np.allclose(own_y, y):
        return [
            {"name": key, **wrong("forward", "forward does not compute what it did: put it back.")} for key in right
        ]
    own = space["backward"](dy.copy(), own_cache)
    if not isinstance(own, dict):
        return [{"name": key, **wrong("missing", "backward has to return a dict of gradients.")} for key in right]
    written = [key for key in right if own.get(key, ...) is not ...]
    told = {key: {"state": "new", "findings": []} for key in right}
    if written:
        told |= _checked(module, space, inputs, written, own, dy)
    return [{"name": key, **told[key]} for key in right]


def _checked(
    module: ModuleType, space: dict[str, Any], inputs: dict, written: list[str], own: dict, dy: np.ndarray
) -> dict[str, dict[str, Any]]:
    def backward(dy: Any, cache: Any) -> dict[str, Any]:
        grads = space["backward"](dy, cache)
        return {key: grads[key] for key in written}

    support = module.SUPPORT(inputs) if hasattr(module, "SUPPORT") else None
    support = {key: where for key, where in (support or {}).items() if key in written} or None
    report = check_pair(space["forward"], backward, inputs, wrt=written, support=support)
    bad = {} if report.ok else {f.tensor: f for f in reversed(report.findings)}
    told = {key: {"state": "done", "findings": []} for key in written}
    for key, finding in bad.items():
        code, sentence = _mistaken(module, inputs, key, own[key], dy) or (finding.code, f"{finding.sentence}.")
        for each in [key] if key in told else written:
            told[each] = wrong(code, sentence)
    return told


def _mistaken(module: ModuleType, inputs: dict, key: str, own: Any, dy: np.ndarray) -> tuple[str, str] | None:
    """Return code and sentence of the task's mistake that gives just this gradient."""
    source = text.source(module)
    for code, sentence, line, other in module.MISTAKES:
        space: dict[str, Any] = {"__name__": "exercise"}
        exec(compile(text.mistaken(source, line, other), module.__file__, "exec"), space)
        try:
            grad = space["backward"](dy.copy(), space["forward"](**inputs)[1])[key]
        except (ValueError, IndexError):
            continue
        right = module.backward(dy.copy(), module.forward(**inputs)[1])[key]
        if (
            np.shape(grad) == np.shape(own)
            and np.allclose(grad, own, rtol=1e-9)
            and not (np.shape(right) == np.shape(own) and np.allclose(right, own, rtol=1e-9))
        ):
            return code, sentence
    return None


def guarded(kind: str, *given: Any) -> dict[str, Any]:
    """Return what the judge of this kind says, with what was printed; an answer's error becomes one sentence."""
    printed = _Capped()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), np.errstate(all="ignore"):
        try:
            result = JUDGES[kind](*given)
        except SyntaxError as error:
            result = wrong("syntax", f"Python cannot read it: {error.msg}, in line {error.lineno}.")
        except NotAllowed as error:
            result = wrong("not-allowed", str(error))
        except MemoryError:
            result = wrong(
                "memory", "it asks for more memory than an answer may take; no array here is larger than 1 kB."
            )
        except RecursionError:
            result = wrong("recursion", "it calls itself without end.")
        except (SystemExit, KeyboardInterrupt):
            result = wrong("ended", "it ends the program; an answer only computes.")
        except BaseException as error:
            result = wrong(*_raised(error))
    if printed.text:
        result["printed"] = printed.text
    return result


JUDGES: dict[str, Callable] = {"line": judge_line, "pass": judge_pass}


class _Capped(io.TextIOBase):
    """Keeps the first letters that are printed."""

    text = ""

    def write(self, text: str) -> int:
        self.text += text[: max(0, 200 - len(self.text))]
        return len(text)


def wrong(code: str, sentence: str) -> dict[str, Any]:
    """Return the result for an answer with one thing wrong."""
    return {"state": "wrong", "findings": [{"code": code, "tensor": "", "sentence": sentence}]}


def _syntax(answer: str) -> str | None:
    try:
        compile(
            f"def _():\n    for _ in _:\n        {complete(answer).replace(chr(10), chr(10) + ' ' * 8)}",
            "answer",
            "exec",
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        text = (getattr(error, "text", None) or "").strip()
        return (
            f"Python cannot read it: {getattr(error, 'msg', None) or error}" + (f", in `{text}`" if text else "") + "."
        )
    return None


def _raised(error: BaseException) -> tuple[str, str]:
    said = re.sub(r"\s+", " ", str(error))[:LONGEST_SENTENCE]
    if isinstance(error, NameError):
        name = getattr(error, "name", None) or (re.findall(r"'(.*?)'", said) or [said])[0]
        return "name", f"the name {name} is not known there; known are {', '.join(_known(error))}."
    if isinstance(error, ValueError | IndexError) and re.search(
        "shape|dimension|broadcast|aligned|out of bounds|axis", said
    ):
        return "shape", f"the shapes do not fit: {said}."
    return "raises", f"it raises {type(error).__name__}: {said or 'without a word'}."


def _known(error: BaseException) -> list[str]:
    """Return the names that the function has where the error was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    names = {} if trace is None else {**trace.tb_frame.f_locals}
    return sorted(name for name in names if name.isidentifier() and not name.startswith("_"))[:20] + ["np"]
