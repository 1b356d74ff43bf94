"""What runs an answer and says what is wrong with it: inside a child process alone (see `child`)."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..gradcheck import catalogue
from ..gradcheck.mistakes import Mistake
from ..gradcheck.report import Finding
from .answers import complete, is_blank
from .bench import benches

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


def guarded(kind: str, *given: Any) -> dict[str, Any]:
    """Return what the judge of this kind of answer says, with what was printed; whatever an answer raises becomes one sentence."""
    printed = _Capped()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), np.errstate(all="ignore"):
        try:
            result = JUDGES[kind](*given)
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


JUDGES: dict[str, Callable] = {"line": judge_line}


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
        name = getattr(error, "name", None) or said
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
