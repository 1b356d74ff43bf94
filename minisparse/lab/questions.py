"""Exercises of the chapters. Their one source is chapters/exercises/NAME.md; pages, notebooks, the guide for
instructors and the command line draw from it.

Such a file is Markdown: a title ``# NAME``, then for each exercise ``## 1`` and the question, two or three parts
``### Hint``, and ``### Solution``. An exercise that has numbers has in between ``### Run``, a block with one command of
the chapter or with Python that computes them, and ``### Numbers``, a line for each: ``* NAME: WHAT, within TOLERANCE``.
WHAT is a number; ``recorded``, if Python has to run for it; or ``FIELD of KEY=VALUE; ...``, the mean over those rows
that the command writes. ``### Change`` before it holds lines of the chapter to exchange first, as a ``diff`` block. In
the solution ``{run | NAME}`` or ``{run | NAME | FORMAT}`` is a recorded number of the exercise, and all that
`page.fill` knows may be used.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..arguments import shown
from ..errors import InputError
from . import rows
from .page import NEVER
from .provenance import ROOT, is_ours

FOLDER = ROOT / "chapters" / "exercises"
RECORDED = FOLDER / "runs.jsonl"
"""What each run came to, with the command and the versions that made it."""
PARTS = ("Hint", "Change", "Run", "Numbers", "Solution")
NUMBER = re.compile(r"\* (\w+): (.+), within (\S+)")
BLOCK = re.compile(r"```(\w*)\n(.*?)\n```", re.DOTALL)


@dataclass(frozen=True)
class Number:
    """A number that an exercise asks for: its value or where it is recorded, and how far an answer may be from it."""

    name: str
    what: str
    tolerance: float

    @property
    def typed(self) -> float | None:
        """The value, if it stands in the source, as that of a pencil exercise does."""
        try:
            return float(self.what)
        except ValueError:
            return None


@dataclass(frozen=True)
class Question:
    """One exercise of a chapter, in Markdown."""

    chapter: str
    number: int
    text: str
    hints: tuple[str, ...]
    solution: str
    change: tuple[tuple[str, str], ...] = ()
    run: str = ""
    numbers: tuple[Number, ...] = ()

    @property
    def command(self) -> str:
        """The chapter's command, if the numbers come from one and not from Python."""
        return self.run if self.run.startswith("python ") else ""


def names() -> list[str]:
    """Return the names of the chapters that have exercises.

    Returns
    -------
    list of str

    Examples
    --------
    >>> "dale" in minisparse.lab.questions.names()
    True
    """
    return sorted(path.stem for path in FOLDER.glob("*.md") if is_ours(path))


def exercises(chapter: str) -> list[Question]:
    """Read the exercises of a chapter.

    Parameters
    ----------
    chapter : str

    Returns
    -------
    list of Question

    Raises
    ------
    ValueError
        If there are none, or their file is not of the form said above.

    Examples
    --------
    >>> minisparse.lab.questions.exercises("bptt")[4].numbers[0].what
    '512'
    """
    if chapter not in names():
        raise InputError(f"there are no exercises of {shown(chapter)}; there are those of {', '.join(names())}")
    return parse((FOLDER / f"{chapter}.md").read_text(encoding="utf-8"), chapter)


@functools.lru_cache(maxsize=64)
def parse(text: str, chapter: str) -> list[Question]:
    """Take the text of a source apart.

    Parameters
    ----------
    text : str
    chapter : str
        Its title has to be this name.

    Returns
    -------
    list of Question

    Raises
    ------
    ValueError
        If a heading, a part or a line is not of the form, naming the exercise.

    Examples
    --------
    >>> text = "# a\\n\\n## 1\\nWhy?\\n\\n### Hint\\nOne.\\n\\n### Hint\\nTwo.\\n\\n### Solution\\nSo.\\n"
    >>> minisparse.lab.questions.parse(text, "a")[0].hints
    ('One.', 'Two.')
    """
    title, *found = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)
    if title.strip() != f"# {chapter}":
        raise InputError(f"exercises of {chapter}: the first line must be `# {chapter}`, then `## 1`")
    if found[::2] != [str(k + 1) for k in range(len(found) // 2)]:
        raise InputError(f"exercises of {chapter}: they must be numbered from 1, got {', '.join(found[::2])}")
    return [_question(chapter, int(number), body) for number, body in zip(found[::2], found[1::2], strict=True)]


def _question(chapter: str, number: int, body: str) -> Question:
    text, *found = (part.strip() for part in re.split(r"^### (.*)\n", body, flags=re.MULTILINE))
    heads, contents = found[::2], found[1::2]

    def wrong(what: str) -> InputError:
        return InputError(f"exercise {number} of {chapter}: {what}")

    if any(head not in PARTS for head in heads) or heads != sorted(heads, key=PARTS.index):
        raise wrong(f"its parts must be {', '.join(PARTS)}, in this order, got {', '.join(heads)}")
    parts = {head: [content for h, content in zip(heads, contents, strict=True) if h == head] for head in PARTS}
    if not text or not all(contents) or not 2 <= len(parts["Hint"]) <= 3 or len(parts["Solution"]) != 1:
        raise wrong("it must have a text, two or three hints, one solution, and none of them empty")
    if bool(parts["Run"]) != bool(parts["Numbers"]) or len(parts["Run"]) > 1 or len(parts["Change"]) > 1:
        raise wrong("a run and its numbers go together, and a change goes with them, each once")
    blocks = [BLOCK.fullmatch(content) for content in (*parts["Change"], *parts["Run"])]
    if not all(blocks):
        raise wrong("a change and a run are each one block between ``` and ```")
    *change, run = [block[2] for block in blocks] if parts["Run"] else [""]
    if change and not run.startswith("python "):
        raise wrong("a change goes with a command of the chapter")
    lines = [NUMBER.fullmatch(line) for content in parts["Numbers"] for line in content.splitlines()]
    if not all(lines):
        raise wrong("a number is a line `* NAME: WHAT, within TOLERANCE`")
    asked = tuple(Number(line[1], line[2], float(line[3])) for line in lines)
    return Question(chapter, number, text, tuple(parts["Hint"]), parts["Solution"][0],
                    tuple(pair for diff in change for pair in _exchanged(diff, wrong)), run, asked)  # fmt: skip


def _exchanged(diff: str, wrong: Callable[[str], InputError]) -> Iterator[tuple[str, str]]:
    """Give each run of lines that goes, with the lines that come in its place."""
    if not all(re.match("[-+]", line) for line in diff.splitlines()):
        raise wrong("every line of a change begins with - or +")
    for goes, comes in re.findall(r"((?:^-.*\n?)+)((?:^\+.*\n?)*)", diff, re.MULTILINE):
        yield tuple("\n".join(line[1:] for line in part.splitlines()) for part in (goes, comes))


def record_of(question: Question) -> dict:
    """Return the recorded row of an exercise's run: its ``numbers``, ``seconds`` and ``made_by``.

    Parameters
    ----------
    question : Question

    Returns
    -------
    dict
        Empty if it was never recorded, or for another run than the present one.
    """
    return next((row for row in rows.read(RECORDED) if row.items() >= _key(question).items()), {})


def _key(question: Question) -> dict:
    change = ["\n".join(pair) for pair in question.change]
    return {"chapter": question.chapter, "exercise": question.number, "run": question.run, "change": change}


def record(question: Question, numbers: dict[str, float], seconds: float, made_by: dict) -> None:
    """Keep what an exercise's run has come to, in place of what was known of it.

    Parameters
    ----------
    question : Question
    numbers : dict of float
    seconds : float
        Of processor time that the run took.
    made_by : dict
        From `provenance.stamp`.
    """
    new = {"part": "run", **_key(question), "numbers": numbers, "seconds": round(seconds, 1), "made_by": made_by}
    same = ("chapter", "exercise")
    kept = [row for row in rows.read(RECORDED) if [row[k] for k in same] != [new[k] for k in same]]
    rows.write(RECORDED, sorted([*kept, new], key=lambda row: [row[k] for k in same]))


def expected(question: Question) -> dict[str, float]:
    """Return the numbers that an exercise asks for.

    Parameters
    ----------
    question : Question

    Returns
    -------
    dict of float
        In the order of the source.

    Raises
    ------
    ValueError
        If one of them is not recorded.

    Examples
    --------
    >>> minisparse.lab.questions.expected(minisparse.lab.questions.exercises("bptt")[4])
    {'factor': 512.0, 'factor_half': 0.001953125}
    """
    known = record_of(question).get("numbers", {})
    found = {n.name: known.get(n.name) if n.typed is None else n.typed for n in question.numbers}
    if missing := [name for name, value in found.items() if value is None]:
        command = f"python -m minisparse.lab exercise {question.chapter} {question.number} --run --record"
        raise InputError(f"{', '.join(missing)} of this exercise is not recorded; run {command}")
    return found


def as_written(value: float, form: str = ".4g") -> str:
    """Return a number as text; a delay without end is "never".

    Parameters
    ----------
    value : float
    form : str

    Returns
    -------
    str

    Examples
    --------
    >>> minisparse.lab.questions.as_written(1e6), minisparse.lab.questions.as_written(0.256)
    ('never', '0.256')
    """
    return "never" if value >= NEVER else format(value, form)
