"""Exercises of the chapters, marked: a number against the expected one, or the run that leads to it."""

from __future__ import annotations

import argparse
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, RunError
from ..exercises import child
from . import folded, verify
from .page import NEVER, fill
from .provenance import ROOT, stamp
from .questions import Number, Question, as_written, exercises, expected, names, record
from .rows import read

PROGRAM, SCRIPT = 120.0, 3600.0
"""Seconds that an exercise's Python may take, and a changed chapter, which runs on one processor."""


def marked(question: Question, answers: Sequence[str]) -> list[tuple[str, bool]]:
    """Mark numbers against the expected ones.

    Parameters
    ----------
    question : Question
    answers : sequence of str
        Each a number (or "never"), in the order in which they are asked for, or ``NAME=NUMBER``.

    Returns
    -------
    list of (str, bool)
        A sentence for each answer, which does not tell the number, and whether it is right.

    Raises
    ------
    ValueError
        If the exercise asks for no number, or an answer is none.

    Examples
    --------
    >>> question = minisparse.lab.questions.exercises("bptt")[4]
    >>> minisparse.lab.marking.marked(question, ["512", "factor_half=2"])
    [('factor: 512 is right', True), ('factor_half: 2 is not it', False)]
    """
    if not question.numbers:
        raise InputError("this exercise asks for words, not for a number; compare yours with --solution")
    known, places, found = expected(question), {number.name: number for number in question.numbers}, []
    if len(answers) > len(places):
        raise InputError(f"this exercise asks for {', '.join(places)}, got {len(answers)} answers")
    for place, answer in zip(question.numbers, answers, strict=False):
        name, _, text = answer.rpartition("=")
        if (name := name or place.name) not in places:
            raise InputError(f"{name!r} is not asked for; asked for are {', '.join(places)}")
        try:
            value = NEVER if text == "never" else float(text)
        except ValueError:
            raise InputError(f"{text!r} is no number") from None
        right = is_within(value, known[name], places[name].tolerance)
        found.append((f"{name}: {text} is {'right' if right else 'not it'}", right))
    return found


def is_within(value: float, wanted: float, tolerance: float) -> bool:
    """Whether a number is within the tolerance of another; delays without end are equal.

    Parameters
    ----------
    value, wanted, tolerance : float

    Returns
    -------
    bool

    Examples
    --------
    >>> minisparse.lab.marking.is_within(2.03, 2.0, 0.05), minisparse.lab.marking.is_within(1e6, 30, 5)
    (True, False)
    """
    return min(value, wanted) >= NEVER or abs(value - wanted) <= tolerance + 1e-9 * abs(wanted)


def measured(question: Question) -> dict[str, float]:
    """Run what an exercise's numbers come from, in a process and a temporary folder of its own.

    The Python of an exercise, and the chapter with an exercise's change, stand in a file of text. They run as an answer
    does, in a process with limits (`minisparse.exercises.walls`): both may read this checkout too, and the changed
    chapter may write in the temporary folder. A command without a change runs the chapter as it is: ``python
    chapters/NAME.py`` with flags of that chapter, and no other.

    Parameters
    ----------
    question : Question

    Returns
    -------
    dict of float

    Raises
    ------
    ValueError
        If it has no run, its command is none of a chapter of this checkout, or its change no longer fits the chapter.
    RuntimeError
        If the run fails.
    """
    if not question.run:
        raise InputError("this exercise has nothing to run; --hint and --solution show what there is")
    with tempfile.TemporaryDirectory() as out:
        if not question.command:
            return _limited("program", question.run, [n.name for n in question.numbers], seconds=PROGRAM)["numbers"]
        script, *flags = verify.arguments(question.command)
        path = str(changed(question, ROOT / script, Path(out)))
        if question.change:
            _limited("script", path, [*flags, "--jobs", "1", "--out", f"{out}/out"], seconds=SCRIPT, writes=out)
        else:
            _run([path, *flags, "--out", f"{out}/out"], out)
        return of_rows(question.numbers, read(Path(out) / "out" / "rows.jsonl"))


def _limited(kind: str, *given: Any, seconds: float, writes: str = "") -> dict[str, Any]:
    """Run what stands in an exercise in a child process with limits, and return its result."""
    imports = ("joblib", "minisparse.lab.recipes", "matplotlib.font_manager") if writes else ()
    (result,) = child.run([(kind, given)], seconds, child.Room((str(ROOT),), writes, imports))
    if result["state"] != "done":
        raise RunError(f"the run failed: {result['findings'][0]['sentence']}")
    return result


def _run(words: list[str], folder: str) -> str:
    """Run Python as an argument list, with this checkout's library, and return what it prints."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run([sys.executable, *words], cwd=folder, env={**os.environ, "PYTHONPATH": path},
                          capture_output=True, text=True, encoding="utf-8")  # fmt: skip
    if done.returncode:
        raise RunError(f"the run failed: {(done.stderr.strip().splitlines() or ['nothing said'])[-1]}")
    return done.stdout


def changed(question: Question, script: Path, folder: Path) -> Path:
    """Return the script to run: the chapter's own, or a copy of it in which the exercise's change is made.

    Parameters
    ----------
    question : Question
    script, folder : Path

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If the lines to exchange are not in the chapter, or more than once.
    """
    if not question.change:
        return script
    text = script.read_text(encoding="utf-8")
    for goes, comes in question.change:
        places = [found.span() for found in re.finditer(rf"^{re.escape(goes)}$", text, re.MULTILINE)]
        if len(places) != 1:
            raise InputError(f"the change of exercise {question.number} does not fit {script.name}: {goes.strip()!r}")
        text = text[: places[0][0]] + comes + text[places[0][1] :]
    copy = folder / script.name
    copy.write_text(text, encoding="utf-8")
    return copy


def of_rows(wanted: Iterable[Number], table: Iterable[dict]) -> dict[str, float]:
    """Take numbers from the rows of a run: the mean of a field over some rows, of a curve its end.

    Parameters
    ----------
    wanted : iterable of Number
        Each with ``FIELD of KEY=VALUE; ...``, of a row, its ``config`` or its ``numbers``; ``log10`` may stand before.
    table : iterable of dict

    Returns
    -------
    dict of float
        A delay without end counts as `page.NEVER`, and so does a mean with one.

    Raises
    ------
    ValueError
        If no row fits.

    Examples
    --------
    >>> table = [{"part": "6B", "config": {"density": p}, "delay": d} for p, d in ((1.0, None), (0.1, 0), (0.1, 1))]
    >>> wanted = [minisparse.lab.questions.Number(f"at{p}", f"delay of density=0.{p}", 0) for p in (1,)]
    >>> minisparse.lab.marking.of_rows(wanted, table)
    {'at1': 0.5}
    """
    flat = [{**row.get("config", {}), **row.get("numbers", {}), **row} for row in table]
    found = {}
    for number in wanted:
        if number.typed is not None:
            found[number.name] = number.typed
            continue
        field, _, where = number.what.partition(" of ")
        logarithm, field = field.startswith("log10 "), field.removeprefix("log10 ")
        settings = dict(part.strip().split("=", 1) for part in where.split(";"))
        values = [row[field] for row in flat if field in row and all(_same(row.get(k), v) for k, v in settings.items())]
        if not values:
            raise InputError(f"the run has no row with {field} and {where}")
        ends = [value[-1] if isinstance(value, list) else value for value in values]
        mean = NEVER if None in ends else statistics.mean(ends)
        found[number.name] = math.log10(mean) if logarithm else min(NEVER, mean)
    return found


def _same(value: object, text: str) -> bool:
    """Whether a setting is what a text says: a number of the same value, or the beginning of a text."""
    if isinstance(value, (int, float)):
        return math.isclose(value, float(text))
    return str(value) == text or (text.endswith("*") and str(value).startswith(text[:-1]))


def answer(args: argparse.Namespace) -> int:
    """Do what the command line asks: list, show, mark or run exercises.

    Parameters
    ----------
    args : namespace
        ``chapter``, ``number``, ``hint``, ``solution``, ``answer``, ``run`` and ``record``.

    Returns
    -------
    int
        The exit code: 1 if an answer is wrong or a run is outside the tolerance.
    """
    if args.number is None:
        print("\n".join(_listed([args.chapter] if args.chapter else names())))
        return 0
    questions = exercises(args.chapter)
    if not 1 <= args.number <= len(questions):
        raise InputError(f"{args.chapter} has the exercises 1 to {len(questions)}, got {args.number}")
    question = questions[args.number - 1]
    if args.hint and not 1 <= args.hint <= len(question.hints):
        raise InputError(f"this exercise has {len(question.hints)} hints, got --hint {args.hint}")
    shown_parts = [*question.hints[: args.hint or 0], *([fill(folded.solution(question))] if args.solution else [])]
    if shown_parts:
        print("\n\n".join(shown_parts))
    if args.answer:
        verdicts = marked(question, args.answer)
        print("\n".join(sentence for sentence, _ in verdicts))
        return int(not all(right for _, right in verdicts))
    if args.run:
        return _measured(question, args.record)
    if not shown_parts:
        print(f"{folded.asked(question)}\n\n{_offered(question)}")
    return 0


def _listed(chapters: Iterable[str]) -> Iterable[str]:
    for question in (question for chapter in chapters for question in exercises(chapter)):
        kind = "run" if question.command else "pencil" if question.numbers else "words"
        first = " ".join(question.text.split())
        begin = f"{question.chapter} {question.number}"
        yield f"{begin:18s}{kind:8s}{first[:70].rstrip()}{'...' if len(first) > 70 else ''}"


def _offered(question: Question) -> str:
    """Return what can be done with an exercise, as a command line."""
    numbers = len(question.numbers)
    marks = f" [--answer {' '.join(['NUMBER'] * numbers)}] [--run]" if numbers else ""
    return f"python -m minisparse.lab exercise {question.chapter} {question.number} [--hint 1] [--solution]{marks}"


def _spent() -> float:
    """Return the processor seconds of all processes that this one has started and seen end."""
    now = os.times()
    return now.children_user + now.children_system


def _measured(question: Question, keep: bool) -> int:
    """Run an exercise, and say its numbers beside those expected."""
    if question.command:
        print(f"{question.command}: {folded.lasting(question)}", flush=True)
    begin = _spent()
    found = measured(question)
    if keep:
        command = question.command or f"python -m minisparse.lab exercise {question.chapter} {question.number} --run"
        record(question, found, _spent() - begin, stamp(command, question.chapter if question.command else ""))
    wanted, code = expected(question), 0
    for number in question.numbers:
        name, near_it = number.name, is_within(found[number.name], wanted[number.name], number.tolerance)
        said = f"{as_written(found[name])}, expected {as_written(wanted[name])} ± {number.tolerance:g}"
        print(f"{name}: {said}: {'within' if near_it else 'OUTSIDE'} the tolerance")
        code |= not near_it
    return int(code)
