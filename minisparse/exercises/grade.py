"""Mark the submissions of a class: a folder per student, each file in a process of its own with limits."""

from __future__ import annotations

import collections
import csv
import io
import os
import queue
import stat
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError, UserError
from ..files import write_aside
from .exercise import get, names
from .report import Report

SECONDS = 5.0
"""Time limit of one line, or of one whole pass."""
LARGEST = 1 << 20
"""Bytes of a submission that are read."""


class Graded(NamedTuple):
    """One submission.

    Attributes
    ----------
    student, exercise : str
    report : Report or None
        None if the file could not be read as answers.
    problem : str
        Why not.
    """

    student: str
    exercise: str
    report: Report | None
    problem: str = ""

    @property
    def score(self) -> str:
        """Parts done, of all."""
        return "0" if self.report is None else "{} of {}".format(*self.report.score)


def submissions(folder: Path) -> list[tuple[str, str, Path]]:
    """Return (student, exercise, file) of every file FOLDER/STUDENT/EXERCISE.py, in order.

    Raises
    ------
    ValueError
        If there is none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; it should hold a folder for each student, with files such as bptt.py")
    known = set(names())
    found = [
        (student.name, path.stem, path)
        for student in sorted(folder.iterdir())
        if student.is_dir() and not student.is_symlink()
        for path in sorted(student.iterdir())
        if path.suffix == ".py" and path.stem in known
    ]
    if not found:
        raise InputError(
            f"{folder} holds no submission; one is FOLDER/STUDENT/EXERCISE.py, such as {folder}/ada/bptt.py"
        )
    return found


def grade(folder: Path, jobs: int = 2, seconds: float = SECONDS) -> Iterator[Graded]:
    """Mark every submission below a folder, several at a time, and yield each as it is ready."""
    waiting: queue.Queue[Any] = queue.Queue()
    todo = iter(submissions(folder))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                each = next(todo, None)
            if each is None:
                break
            waiting.put(_graded(*each, seconds))
        waiting.put(None)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    running = len(threads)
    while running:
        told = waiting.get()
        running -= told is None
        if told is not None:
            yield told


def _graded(student: str, exercise: str, path: Path, seconds: float) -> Graded:
    try:
        return Graded(student, exercise, get(exercise).mark(read_answers(path), seconds))
    except UserError as error:
        return Graded(student, exercise, None, str(error))
    except Exception as error:  # one submission must not end the marking of all others
        return Graded(student, exercise, None, f"it cannot be marked: {type(error).__name__}: {str(error)[:200]}")


def read_answers(path: Path) -> str:
    """Return the text of a file of answers.

    Raises
    ------
    ValueError
        If it is no regular file, too large, or no text.
    """
    try:
        opened = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(opened, "rb") as file:
            told = os.fstat(file.fileno())
            if not stat.S_ISREG(told.st_mode):
                raise InputError(f"{path} is no regular file; a submission is a text file")
            if told.st_size > LARGEST:
                raise InputError(f"{path} has {told.st_size} bytes; a file of answers has at most {LARGEST}")
            return file.read(LARGEST).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(
            f"{path} is not there; begin with: python -m minisparse.exercises start {path.stem}"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8 (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); a submission is a regular file") from error


def rows(graded: Sequence[Graded]) -> list[dict[str, str]]:
    """Return one row per part: student, exercise, part, state, mistake and sentence."""
    found = []
    for each in graded:
        base = {"student": each.student, "exercise": each.exercise}
        if each.report is None:
            found.append({**base, "part": "", "state": "wrong", "mistake": "file", "sentence": each.problem})
            continue
        for part in each.report.parts:
            first = part.findings[0] if part.findings else None
            told = {"mistake": first.code if first else "", "sentence": first.sentence if first else ""}
            found.append({**base, "part": part.name, "state": part.state, **told})
    return found


def as_csv(graded: Sequence[Graded]) -> str:
    """Return the rows as CSV; a cell that a spreadsheet would take for a formula gets an apostrophe."""
    text = io.StringIO()
    told = [
        {key: f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell for key, cell in row.items()}
        for row in rows(graded)
    ]
    writer = csv.DictWriter(text, ("student", "exercise", "part", "state", "mistake", "sentence"), lineterminator="\n")
    writer.writeheader()
    writer.writerows(told)
    return text.getvalue()


def mistakes(graded: Sequence[Graded]) -> list[tuple[str, int, str]]:
    """Return (code, how many students made it, sentence), the most frequent first."""
    made: dict[str, set[str]] = collections.defaultdict(set)
    said: dict[str, str] = {}
    for row in rows(graded):
        if row["state"] == "wrong":
            made[row["mistake"]].add(row["student"])
            said.setdefault(row["mistake"], row["sentence"])
    return sorted(((code, len(who), said[code]) for code, who in made.items()), key=lambda each: (-each[1], each[0]))


def as_text(graded: Sequence[Graded]) -> str:
    """Return a table of the marks, and one of the mistakes."""
    ordered = sorted(graded, key=lambda each: (each.student, each.exercise))
    width = min(24, max((len(each.student) for each in ordered), default=0))
    table = [f"{'student':<{width}}  {'exercise':<14}{'done':<10}"]
    for each in ordered:
        table.append(
            f"{each.student[:width]:<{width}}  {each.exercise:<14}{each.score:<10}{each.problem[:90]}".rstrip()
        )
    table += ["", f"{'students':>8}  mistake"]
    table += [f"{count:>8}  {code:<28} {sentence[:80]}".rstrip() for code, count, sentence in mistakes(graded)[:20]]
    return "\n".join(table)


def draw(graded: Sequence[Graded], path: Path, most: int = 10) -> None:
    """Draw the most frequent mistakes as bars, for the next lecture."""
    from .. import plot

    found = mistakes(graded)[:most][::-1]
    figure, axes = plot.figure(size=(8.0, 1.2 + 0.4 * len(found)))
    axes.barh([code for code, _, _ in found], [count for _, count, _ in found], color="#4c72b0")
    axes.set_xlabel("students")
    top = f"{found[-1][0]} is the most frequent mistake" if found else "nobody made a mistake"
    axes.set_title(top)
    plot.save(figure, path, alt=f"{top}: {found[-1][1]} students." if found else top)


def write(graded: Sequence[Graded], folder: Path) -> list[Path]:
    """Write marks.csv, and mistakes.png and .svg if Matplotlib is there, into the folder of the submissions."""
    path = folder / "marks.csv"
    write_aside(path, lambda file: file.write(as_csv(graded).encode()))
    written = [path]
    try:
        draw(graded, folder / "mistakes.png")
        written.append(folder / "mistakes.png")
    except ImportError:
        pass
    return written
