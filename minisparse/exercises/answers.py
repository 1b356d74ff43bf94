"""Read a student's file: which lines were written, which are still blank, and which marks are lost."""

from __future__ import annotations

import ast
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
    rows, given = text.splitlines(), {_bare(row) for row in stub(lesson).splitlines()}
    found: dict[str, str] = {}
    for number, row in enumerate(rows):
        mark = MARK.match(row)
        if not mark or lesson_of().get(mark["tag"]) != lesson:
            continue
        if mark["tag"] in found:
            raise InputError(f"line {number + 1}: the mark # ({mark['tag']}) is there twice; leave it at one line")
        first = number
        while first and not MARK.match(rows[first - 1]) and _bare(rows[first - 1]) not in given:
            first -= 1
        answer = textwrap.dedent("\n".join([*rows[first:number], mark["code"]])).strip("\n")
        found[mark["tag"]] = "" if is_blank(answer) else answer
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


def _bare(row: str) -> str:
    return row.strip() if not row.strip().startswith("#") else "#"
