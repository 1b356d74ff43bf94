"""Read a student's file: which lines were written, which are still blank, and which marks are lost."""

from __future__ import annotations

import ast
import functools
import re
import textwrap

from ..errors import InputError
from .lines import MARK, lesson_of, stub

LONGEST = 200_000
"""Letters of a file of answers; no lesson needs a tenth of it."""


def answers(text: str, lesson: str) -> dict[str, str]:
    """Return what a file answers to each line of a lesson, by tag.

    Parameters
    ----------
    text : str
        The student's file.
    lesson : str

    Returns
    -------
    dict of str
        The line as it was written, with the lines above it that are not given; "" if it is still blank.

    Raises
    ------
    ValueError
        If a mark is missing or there twice: the sentence says which.

    Examples
    --------
    >>> text = minisparse.exercises.lines.stub("loss").replace("dlogits = ...", "dlogits = 1 / batch")
    >>> minisparse.exercises.answers.answers(text, "loss")
    {'L1': 'dlogits = 1 / batch'}
    """
    if len(text) > LONGEST:
        raise InputError(f"this file has {len(text)} letters; a file of answers has at most {LONGEST}")
    rows, above = text.splitlines(), _given_above(lesson)
    found: dict[str, str] = {}
    last = -1
    for number, row in enumerate(rows):
        mark = MARK.match(row)
        if not mark or mark["tag"] not in above:
            continue
        tag = mark["tag"]
        if tag in found:
            raise InputError(f"line {number + 1}: the mark # ({tag}) is there twice; leave it at one line")
        given = next((k for k in range(number - 1, last, -1) if rows[k].strip() == above[tag]), None)
        if above[tag] and given is None:
            raise InputError(f"line {number + 1}: above ({tag}) the given line is missing: {above[tag]}; put it back")
        first = last + 1 if given is None else given + 1
        written = [row for row in rows[first:number] if row.strip() and not row.lstrip().startswith("#")]
        answer = textwrap.dedent("\n".join([*written, mark["code"]])).strip("\n")
        found[tag], last = "" if is_blank(answer) else answer, number
    lost = [tag for tag, name in lesson_of().items() if name == lesson and tag not in found]
    if lost:
        raise InputError(
            f"the mark # ({lost[0]}) is missing: put it back at the end of the line that answers {lost[0]}"
        )
    return found


def is_blank(answer: str) -> bool:
    """Whether an answer still holds the three points of the blank.

    Examples
    --------
    >>> is_blank = minisparse.exercises.answers.is_blank
    >>> is_blank("dx = ..."), is_blank("dx = x[..., 0]"), is_blank("for t in ...:")
    (True, False, True)
    """
    try:
        tree = ast.parse(complete(answer))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return bool(re.search(r"(=|return|in)\s*\.\.\.", answer)) or answer.strip() in ("", "...")
    inside = {
        id(node) for part in ast.walk(tree) if isinstance(part, ast.Subscript) for node in ast.walk(part.slice)
    }  # x[..., 0] is no blank
    return not tree.body or any(
        isinstance(node, ast.Constant) and node.value is Ellipsis and id(node) not in inside for node in ast.walk(tree)
    )


def complete(answer: str) -> str:
    """Return an answer as statements that parse by themselves: a loop's head gets a body, an entry a call.

    Examples
    --------
    >>> minisparse.exercises.answers.complete("for t in range(3):")
    'for t in range(3): pass'
    """
    last = answer.rstrip().rpartition("\n")[2].strip()
    if last.endswith(":") and not last.startswith("#"):
        return answer.rstrip() + " pass"
    if last.endswith(",") and re.match(r"\w+=", last):
        return f"_({answer.strip()})"
    return answer


@functools.cache
def _given_above(lesson: str) -> dict[str, str]:
    """Return the line that stands above each blank in the stub; "" if that is another blank."""
    found, above = {}, ""
    for row in stub(lesson).splitlines():
        mark = MARK.match(row)
        if mark and lesson_of().get(mark["tag"]) == lesson:
            found[mark["tag"]], above = above, ""
        elif row.strip() and not row.strip().startswith("#"):
            above = row.strip()
    return found
