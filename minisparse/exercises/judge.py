"""What runs an answer and says what is wrong with it: inside a child process alone (see `child`)."""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..equations import module_of
from ..gradcheck import catalogue
from ..gradcheck.mistakes import Mistake
from ..gradcheck.report import Finding
from .answers import is_blank
from .bench import benches
from .judge_pass import judge_pass
from .said import raised, syntax, wrong


class NotAllowed(BaseException):
    """An answer asked for what no answer needs: a file, the network, another process."""


class Refused(PermissionError):
    """The same, asked by a program that has some room: what it calls may try a file and do without."""


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
    if (problem := syntax(answer)) is not None:
        return wrong("syntax", problem)
    mistake = Mistake("yours", "yours", tag, answer.strip("\n"), (), "", "")
    for bench in benches(tag):
        try:
            report = bench.check(mistake.plant)
        except (MemoryError, RecursionError):
            raise
        except Exception as error:
            return wrong(*raised(error, sys.modules[module_of(tag)].__file__, answer))
        if not report.ok:
            told = [_told(finding, tag) for finding in report.findings]
            told = told or [{"code": "not-told", "tensor": "", "sentence": "no entry of a gradient could be told."}]
            return {"state": "wrong", "findings": told, "where": bench.name}
    return {"state": "done", "findings": []}


def run_program(text: str, names: Sequence[str]) -> dict[str, Any]:
    """Run the Python of an exercise, and return the numbers that it makes.

    Parameters
    ----------
    text : str
    names : sequence of str

    Returns
    -------
    dict
        As of `judge_line`, with the numbers by name.

    Examples
    --------
    >>> minisparse.exercises.judge.run_program("x = 2**9", ["x"])
    {'state': 'done', 'findings': [], 'numbers': {'x': 512.0}}
    """
    space: dict[str, Any] = {"__name__": "program"}
    exec(compile(text, "program", "exec"), space)
    return {"state": "done", "findings": [], "numbers": {name: float(space[name]) for name in names}}


def run_script(path: str, flags: Sequence[str]) -> dict[str, Any]:
    """Run a script with flags, as from a command line, and say whether it came to its end.

    Parameters
    ----------
    path : str
    flags : sequence of str
    """
    sys.argv = [path, *flags]
    runpy.run_path(path, run_name="__main__")
    return {"state": "done", "findings": []}


def _told(finding: Finding, tag: str) -> dict[str, Any]:
    """Return a finding without the right line; of mistakes that are equal here the one of this line."""
    told = {"code": finding.code, "tensor": finding.tensor, "sentence": finding.sentence}
    if finding.code == "missing":
        told["sentence"] = f"no gradient of {finding.tensor} comes out."
    if "tag" in finding.evidence:
        rows = [catalogue.find(code) for code in (finding.code, *finding.evidence["alternatives"])]
        mine = next((row for row in rows if row.tag == tag), rows[0])
        told |= {"code": mine.code, "sentence": mine.sentence}
    return told


def guarded(kind: str, *given: Any) -> dict[str, Any]:
    """Return what the judge of this kind says, with what was printed; an answer's error becomes one sentence."""
    printed = _Capped()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), np.errstate(all="ignore"):
        try:
            result = JUDGES[kind](*given)
        except (NotAllowed, Refused) as error:
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
            result = wrong(*raised(error))
    if printed.text:
        result["printed"] = printed.text
    return result


JUDGES: dict[str, Callable] = {"line": judge_line, "pass": judge_pass, "program": run_program, "script": run_script}


class _Capped(io.TextIOBase):
    """Keeps the first letters that are printed."""

    text = ""

    def write(self, text: str) -> int:
        self.text += text[: max(0, 200 - len(self.text))]
        return len(text)
