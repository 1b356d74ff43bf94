"""Exercises as objects: one line, one file of lines."""

from __future__ import annotations

import dataclasses

from ..errors import InputError
from . import child, lines
from .answers import answers, is_blank
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
        (False, 'x')
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


def names() -> tuple[str, ...]:
    """Return the names of all exercises that have a file, in order.

    Examples
    --------
    >>> "bptt" in minisparse.exercises.names()
    True
    """
    return tuple(lines.LESSONS)


def get(name: str) -> LineExercise | Lesson:
    """Return an exercise by its name, or that of a single line by its tag.

    Parameters
    ----------
    name : str
        Such as "bptt" or "R7".

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> minisparse.exercises.get("R7").question
    'The gradient of the drive of step t, from that of step t + 1. Shape (units, batch).\\nda[t] = ...'
    """
    if name in lines.LESSONS:
        return Lesson(name)
    if name.upper() in lines.lesson_of():
        return LineExercise(name.upper())
    raise InputError(f"no exercise is called {name!r}; there are {', '.join(names())}, and tags such as R7")
