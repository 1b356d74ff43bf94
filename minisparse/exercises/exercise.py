"""Exercises as objects: one line, a file of lines, a whole backward pass."""

from __future__ import annotations

import ast
import dataclasses
import textwrap
from types import ModuleType
from typing import Any

from ..errors import InputError
from . import child, lines, passes
from .answers import answers, is_blank
from .passes import text as texts
from .report import Part, Report


@dataclasses.dataclass(frozen=True)
class LineExercise:
    """One line of the library, to be written.

    Attributes
    ----------
    name : str
        Its tag.
    """

    name: str

    @property
    def lesson(self) -> str:
        """The file of lines that it belongs to."""
        return lines.line(self.name).lesson

    @property
    def question(self) -> str:
        """What is asked, and the blank."""
        asked = lines.line(self.name)
        return f"{asked.asks} {asked.shape}\n{asked.blank}"

    @property
    def hints(self) -> tuple[str, ...]:
        """From gentle to nearly the line."""
        return lines.line(self.name).hints

    @property
    def solution(self) -> str:
        """The library's own line."""
        return lines.line(self.name).solution

    def mark(self, text: str, seconds: float = child.SECONDS) -> Report:
        """Run an answer in a child process, in the place of the library's line, and say what is wrong with it.

        Parameters
        ----------
        text : str
            One or several lines of Python, such as ``"da[t] = ..."``.
        seconds : float
            Time limit.

        Returns
        -------
        Report

        Examples
        --------
        >>> report = minisparse.exercises.get("N2").mark("slope=lambda h: 1 - h,")
        >>> report.ok, report.findings[0].tensor
        (False, 'a')
        """
        (result,) = child.run([("line", (self.name, text))], seconds)
        return Report(self.name, (Part.read(self.name, lines.line(self.name).blank, result),))


@dataclasses.dataclass(frozen=True)
class Lesson:
    """The lines of one part of the library, in one file.

    Attributes
    ----------
    name : str
    """

    name: str

    @property
    def title(self) -> str:
        """In words."""
        return lines.LESSONS[self.name].title

    @property
    def teaches(self) -> str:
        """In one sentence."""
        return lines.LESSONS[self.name].teaches

    @property
    def minutes(self) -> int:
        """For somebody who does it for the first time."""
        return lines.LESSONS[self.name].minutes

    @property
    def parts(self) -> tuple[str, ...]:
        """Tags of its lines."""
        return tuple(tag for tag, lesson in lines.lesson_of().items() if lesson == self.name)

    @property
    def stub(self) -> str:
        """The file that is filled in."""
        return lines.stub(self.name)

    def hints(self, part: str) -> tuple[str, ...]:
        """Hints of one line."""
        return lines.line(part).hints

    def solution(self, part: str) -> str:
        """The library's own line."""
        return lines.line(part).solution

    def mark(self, text: str, seconds: float = child.SECONDS) -> Report:
        """Mark a whole file.

        Parameters
        ----------
        text : str
            The file's text.
        seconds : float
            Time limit of one line.

        Returns
        -------
        Report

        Raises
        ------
        ValueError
            If a mark such as ``# (L1)`` is missing, or there twice.
        """
        given = answers(text, self.name)
        open_ones = [tag for tag, answer in given.items() if not is_blank(answer)]
        told = dict(zip(open_ones, child.run([("line", (tag, given[tag])) for tag in open_ones], seconds), strict=True))
        blank = {"state": "new", "findings": []}
        parts = (Part.read(tag, lines.line(tag).blank, told.get(tag, blank)) for tag in given)
        return Report(self.name, tuple(parts))


@dataclasses.dataclass(frozen=True)
class Pass:
    """The backward pass of a layer, with a pencil exercise before it.

    Attributes
    ----------
    name : str
    """

    name: str

    @property
    def _module(self) -> ModuleType:
        return passes.task(self.name)

    @property
    def title(self) -> str:
        """In words."""
        return str(self._module.__doc__).partition("\n")[0]

    @property
    def teaches(self) -> str:
        """In one sentence."""
        told = self._module.TEACHES
        return f"{told[0].upper()}{told[1:]}."

    @property
    def minutes(self) -> int:
        """For somebody who does it for the first time."""
        return self._module.MINUTES

    @property
    def parts(self) -> tuple[str, ...]:
        """The questions for a pencil, by what they ask for, then the gradients."""
        return (*(key for key, *_ in self._module.PENCIL), *texts.gradients(texts.source(self._module)))

    @property
    def stub(self) -> str:
        """The file that is filled in."""
        blank = texts.blanked(texts.source(self._module))
        told = ast.parse(blank).body[0]
        rows = blank.splitlines()
        head = "\n".join(rows[: told.end_lineno - 1] if rows[told.end_lineno - 1] == '"""' else rows[: told.end_lineno])
        body = "\n".join(rows[told.end_lineno :]).replace(IMPORT, "", 1).strip()
        case = textwrap.indent(textwrap.fill(self._module.PENCIL_CASE, 100), "# ")
        asked = [f'    "{key}": ...,  # {question}' for key, question, _ in self._module.PENCIL]
        pencil = "\n".join([PENCIL, case, "pencil = {", *asked, "}"])
        start = START.format(name=self.name)
        return "\n".join([head.rstrip(), "", start, "", MAIN, IMPORT, "", pencil, "", CODE, body, ""])

    def hints(self, part: str) -> tuple[str, ...]:
        """Hints for a gradient; for a number the way to it, which ends in the formula with the numbers put in."""
        return {key: (hint,) for key, _, hint in self._module.PENCIL}.get(part, self._module.HINTS)

    def solution(self, part: str) -> str:
        """The number of a question, or the body of the backward pass; its derivation is on the exercise's page."""
        if part in (numbers := self._module.pencil()):
            return f"{round(numbers[part], 9) + 0:g}"
        return texts.solution(texts.source(self._module))

    def mark(self, text: str, seconds: float = child.SECONDS) -> Report:
        """Mark a whole file.

        Parameters
        ----------
        text : str
            The file's text.
        seconds : float
            Time limit.

        Returns
        -------
        Report
        """
        (result,) = child.run([("pass", (self.name, text))], seconds)
        found = {part["name"]: part for part in result.get("parts", ())}
        asked = {key: question for key, question, _ in self._module.PENCIL}
        blank: dict[str, Any] = {"state": "new", "findings": []}
        rest = blank if "parts" in result else result
        told = [Part.read(key, asked.get(key, f"the gradient d{key}"), found.get(key, rest)) for key in self.parts]
        told[0] = dataclasses.replace(told[0], printed=result.get("printed", ""))
        return Report(self.name, tuple(told))


START = '''Write your answers into this file and run it:

    python exercises/{name}.py                       marks each number and each gradient, and names the mistake
    python exercises/{name}.py --hint                the next hint for the first part that is open
    python exercises/{name}.py --solution PART       the solution of one part

Three points are a blank. A blank of the code may become several lines, and there may be more lines above it.
"""'''
MAIN = """if __name__ == "__main__":
    from minisparse.exercises import mark_file

    raise SystemExit(mark_file(__file__))  # what is below is read and never run here
"""
IMPORT = "import numpy as np"
PENCIL = "# ---- 1. With a pencil: put your number where three points are ----"
CODE = "# ---- 2. In code: forward is given, backward is yours ----"


def names() -> tuple[str, ...]:
    """Return the names of all exercises that have a file: whole passes, in their order, then lines of the library.

    Examples
    --------
    >>> "bptt" in minisparse.exercises.names(), "lstm" in minisparse.exercises.names()
    (True, True)
    """
    return (*passes.TASKS, *lines.LESSONS)


def get(name: str) -> LineExercise | Lesson | Pass:
    """Return an exercise by its name, or that of a single line by its tag.

    Parameters
    ----------
    name : str
        Such as "bptt", "lstm" or "R7".

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> print(minisparse.exercises.get("R7").question)
    The gradient of the drive of step t, from that of step t + 1. Shape (units, batch).
    da[t] = ...
    """
    if name in lines.LESSONS:
        return Lesson(name)
    if name in passes.TASKS:
        return Pass(name)
    if name.upper() in lines.lesson_of():
        return LineExercise(name.upper())
    raise InputError(f"no exercise is called {name!r}; there are {', '.join(names())}, and tags such as R7")
