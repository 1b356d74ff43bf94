"""Exercises as text: for the page of a chapter, its notebook, the guide for instructors and the terminal."""

from __future__ import annotations

import re
import textwrap

from .page import fill
from .questions import BLOCK, Question, as_written, exercises, expected, names, record_of

LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")


def solution(question: Question) -> str:
    """Return the solution as Markdown: the text with the numbers of its run, the change and the code that compute them.

    What else `page.fill` knows is left for it.

    Parameters
    ----------
    question : Question

    Returns
    -------
    str
    """

    def value(match: re.Match) -> str:
        return as_written(expected(question)[match[1]], match[2] or ".3g")

    parts = [re.sub(r"\{run \| (\w+)(?: \| ([^}]+))?\}", value, question.solution)]
    if question.change:
        lines = [sign + line for pair in question.change for sign, part in zip("-+", pair, strict=True) if part
                 for line in part.splitlines()]  # fmt: skip
        parts += [f"The change in `chapters/{question.chapter}.py`:", "\n".join(["```diff", *lines, "```"])]
    if question.run and not question.command:
        parts += ["The same in Python:", f"```python\n{question.run}\n```"]
    if question.numbers:
        known = expected(question)
        said = (
            f"`{n.name}` {as_written(known[n.name])}{f' ± {n.tolerance:g}' * bool(n.tolerance)}"
            for n in question.numbers
        )
        parts.append(f"Numbers: {', '.join(said)}.")
    return "\n\n".join(parts)


def asked(question: Question) -> str:
    """Return the question as Markdown, with the command of its run and how long it takes.

    Parameters
    ----------
    question : Question

    Returns
    -------
    str
    """
    parts = [question.text]
    if question.command:
        after = " after the change" if question.change else ""
        parts.append(f"Run{after}, {lasting(question)}: `{question.command}`")
    if question.numbers:
        parts.append(f"Asked for: {', '.join(f'`{number.name}`' for number in question.numbers)}.")
    return "\n\n".join(parts)


def lasting(question: Question) -> str:
    """Return how much processor time an exercise's run took where it was recorded, in words.

    Parameters
    ----------
    question : Question

    Returns
    -------
    str
    """
    seconds = record_of(question).get("seconds")
    if seconds is None:
        return "time unknown"
    long = f"{max(1, round(seconds / 10)) * 10} s" if seconds < 90 else f"{round(seconds / 60)} minutes"
    return f"about {long} of processor time"


def folded(question: Question, with_solution: bool) -> list[tuple[str, str]]:
    """Return what stands below a question, each with its title: hints, and the solution if it is wanted.

    Parameters
    ----------
    question : Question
    with_solution : bool

    Returns
    -------
    list of (str, str)
    """
    hints = [(f"Hint {k}", hint) for k, hint in enumerate(question.hints, 1)]
    return [*hints, *([("Solution", solution(question))] if with_solution else [])]


def as_markdown(chapter: str, with_solutions: bool = False) -> str:
    """Return a chapter's exercises as Markdown, with hints and solutions folded.

    Parameters
    ----------
    chapter : str
    with_solutions : bool

    Returns
    -------
    str
        Empty if the chapter has none.
    """
    parts = []
    for question in exercises(chapter) if chapter in names() else ():
        parts.append(f"**Exercise {question.number}.** {asked(question)}")
        for title, text in folded(question, with_solutions):
            parts.append(f'<details class="exercise"><summary>{title}</summary>\n\n{text}\n\n</details>')
    return "\n\n".join(parts)


def as_page(chapter: str) -> str:
    """Return a chapter's exercises in reStructuredText for its page, with hints and solutions folded.

    Parameters
    ----------
    chapter : str

    Returns
    -------
    str
        Empty if the chapter has none.
    """

    def raw(text: str) -> list[str]:
        return [".. raw:: html", "", f"   {text}", ""]

    lines: list[str] = []
    for question in exercises(chapter) if chapter in names() else ():
        lines += [restructured(f"**Exercise {question.number}.** {asked(question)}"), ""]
        for title, text in folded(question, True):
            lines += raw(f'<details class="exercise"><summary>{title}</summary>')
            lines += [restructured(text), "", *raw("</details>")]
    return fill("\n".join(lines))


def guide(text: str) -> str:
    """Put the exercises of a chapter, with solutions, where a page of Markdown has a line ``{exercises: NAME}``.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    return re.sub(r"^\{exercises: (\w+)\}$", lambda found: as_markdown(found[1], True), text, flags=re.MULTILINE)


def restructured(text: str) -> str:
    """Return the reStructuredText of Markdown as the sources use it: blocks, formulas, literals, links and lists.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> minisparse.lab.folded.restructured("`W` is $2$:\\n\\n$$\\nW = 2\\n$$")
    '``W`` is :math:`2`:\\n\\n.. math::\\n\\n   W = 2'
    """
    done = []
    for part in re.split(r"(```.*?```|\$\$.*?\$\$)", text, flags=re.DOTALL):
        if part.startswith("$$"):
            done.append(f".. math::\n\n{textwrap.indent(part.strip('$').strip(), '   ')}")
        elif part.startswith("```"):
            language, code = BLOCK.fullmatch(part).groups()
            done.append(f".. code-block:: {language or 'text'}\n\n{textwrap.indent(code, '   ')}")
        else:
            inline = re.sub(r"`([^`]+)`", r"``\1``", part)
            inline = re.sub(r"\$([^$]+)\$", lambda found: f":math:`{' '.join(found[1].split())}`", inline)
            done.append(LINK.sub(r"`\1 <\2>`__", inline))
    return "".join(done)


def insert(text: str, heading: str, block: str) -> str:
    """Put a block before a heading of a page; a text without it stays as it is.

    Parameters
    ----------
    text, heading, block : str

    Returns
    -------
    str
    """
    before, found, after = text.partition(f"\n{heading}")
    return f"{before.rstrip()}\n\n{block}\n{found}{after}" if block and found else text
