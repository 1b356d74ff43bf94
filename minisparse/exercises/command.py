"""Exercises that mark themselves. Without a command: the list."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError, UserError
from ..files import write_aside
from . import games, grade, passes, progress
from .exercise import Lesson, Pass, get, names
from .notebook import notebook
from .report import Report


def main(given: Sequence[str] | None = None) -> int:
    """Run one command; without one, list the exercises."""
    parser = argparse.ArgumentParser("python -m minisparse.exercises", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    start = commands.add_parser("start", help="write exercises/NAME.py, to be filled in")
    start.add_argument("name", metavar="NAME")
    mark = commands.add_parser("mark", help="mark a file: the same as python exercises/NAME.py")
    mark.add_argument("file", metavar="NAME|FILE")
    _mark_flags(mark)
    cells = commands.add_parser(
        "notebook", help="write exercises/NAME.ipynb of a whole pass, with solutions, for nbgrader"
    )
    cells.add_argument("name", metavar="NAME")
    marked = commands.add_parser("grade", help="mark a class: FOLDER/STUDENT/EXERCISE.py, one process each")
    marked.add_argument("folder", type=Path, metavar="FOLDER")
    marked.add_argument("--jobs", type=_whole, default=2, metavar="N", help="submissions at a time (default 2)")
    marked.add_argument("--seconds", type=_whole, default=5, metavar="S", help="limit of one answer (default 5)")
    mistake = commands.add_parser("mistake", help="one line of a small network is wrong: which, and why?")
    mistake.add_argument(
        "--seed", type=_whole, default=0, metavar="N", help="each number is another riddle (default 0)"
    )
    mistake.add_argument("--answer", metavar="TAG", help="the line that is wrong, such as R7")
    mistake.add_argument("--why", type=int, metavar="NUMBER", help="which of the reasons shown")
    curve = commands.add_parser("curve", help="four curves of learning: which belongs to which gain, or gain step?")
    curve.add_argument("kind", choices=("gain", "step"))
    curve.add_argument("--seed", type=_whole, default=0, metavar="N", help="each number is another riddle (default 0)")
    curve.add_argument(
        "--answer", metavar="LETTERS", help="the curves from the smallest number to the largest, such as BDAC"
    )
    args = parser.parse_args(given)
    try:
        if args.command == "notebook":
            return _notebook(args.name)
        if args.command == "grade":
            return _grade(args.folder, max(1, min(args.jobs, 64)), float(max(1, args.seconds)))
        if args.command == "mistake":
            return _said(*games.mistake(args.seed, args.answer, args.why))
        if args.command == "curve":
            return _said(*games.curve(args.kind, args.seed, args.answer))
        if args.command == "start":
            return _start(args.name)
        if args.command == "mark":
            path = Path(args.file)
            return _mark(path if path.suffix == ".py" else progress.FOLDER / f"{args.file}.py", args)
        print(_listed())
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to 999999999")
    return int(text)


def _said(text: str, right: bool) -> int:
    print(text)
    return 0 if right else 1


def mark_file(path: str) -> int:
    """Mark the file that calls this, with the flags that it was started with.

    Returns
    -------
    int
        Exit code: 0 if all is done, 1 if not, 2 if the file cannot be marked.
    """
    parser = argparse.ArgumentParser(f"python {Path(path).name}", description="Mark this file.")
    _mark_flags(parser)
    args = parser.parse_args()
    try:
        return _mark(Path(path), args)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


def _mark_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hint", action="store_true", help="show the next hint for the first part that is not done")
    parser.add_argument("--solution", metavar="PART", help="show the solution of one part")
    parser.add_argument("--json", metavar="FILE", help="write the marks as Gradescope reads them")


def _start(name: str) -> int:
    exercise, path = get(name), progress.FOLDER / f"{name}.py"
    if not isinstance(exercise, Lesson | Pass):
        raise InputError(
            f"{name} is one line of {exercise.lesson}; start that: "
            f"python -m minisparse.exercises start {exercise.lesson}"
        )
    if path.exists():
        raise InputError(
            f"{path} is there already; move it away to begin anew, or go on with: python {path.as_posix()}"
        )
    write_aside(path, lambda file: file.write(exercise.stub.encode()))
    print(f'{path.as_posix()} is written: fill in the lines that end in "your line", then: python {path.as_posix()}')
    return 0


def _mark(path: Path, args: argparse.Namespace) -> int:
    exercise = get(path.stem)
    if args.solution:
        print(exercise.solution(args.solution))
        return 0
    report = exercise.mark(grade.read(path))
    progress.record(report, path.parent)
    print(report)
    if args.json:
        write_aside(args.json, lambda file: file.write(json.dumps(gradescope(report), indent=1).encode()))
    first = next((part for part in report.parts if part.state != "done"), None)
    if first and args.hint:
        hints = exercise.hints(first.name)
        shown = progress.next_hint(f"{report.name}.{first.name}", len(hints) - 1, path.parent)
        print(f"\nhint {shown + 1} of {len(hints)} for {first.name}: {hints[shown]}")
    elif first:
        print(f"\nnext: {first.name}; a hint: python {path.as_posix()} --hint")
    return 0 if report.ok else 1


def gradescope(report: Report) -> dict:
    """Return marks in the form that Gradescope's autograder reads.

    Returns
    -------
    dict
        ``score``, and ``tests``, each with ``name``, ``score``, ``max_score`` and ``output``.
    """
    tests = [
        {
            "name": f"{part.name}: {part.what}",
            "score": float(part.state == "done"),
            "max_score": 1.0,
            "output": part.sentence,
        }
        for part in report.parts
    ]
    return {"score": sum(test["score"] for test in tests), "tests": tests}


def _notebook(name: str) -> int:
    if not isinstance(get(name), Pass):
        raise InputError(f"{name} is no whole pass, so it has no notebook; there are {', '.join(passes.TASKS)}")
    path = progress.FOLDER / f"{name}.ipynb"
    text = json.dumps(notebook(name), indent=1, ensure_ascii=False) + "\n"
    write_aside(path, lambda file: file.write(text.encode()))
    print(f"{path.as_posix()} is written, with solutions: nbgrader generate_assignment takes them out")
    return 0


def _grade(folder: Path, jobs: int, seconds: float) -> int:
    graded = []
    total = len(grade.submissions(folder))
    for each in grade.grade(folder, jobs, seconds):
        graded.append(each)
        if sys.stderr.isatty():
            print(f"\r{len(graded)} of {total}", end="", file=sys.stderr)
    written = grade.write(graded, folder)
    print(grade.as_text(graded))
    print(f"\nwrote {', '.join(str(path) for path in written)}")
    return 0


def _listed() -> str:
    found = progress.read()
    rows = [f"{'exercise':<14}{'minutes':>7}  {'state':<9} what it teaches"]
    for name in names():
        exercise = get(name)
        told = progress.state(name, exercise.parts, found)
        rows.append(f"{name:<14}{exercise.minutes:>7}  {told:<9} {exercise.teaches}")
    told = [
        "",
        f"begin one:         python -m minisparse.exercises start {names()[0]}",
        "find the mistake:  python -m minisparse.exercises mistake --seed 0",
        "read the curve:    python -m minisparse.exercises curve gain --seed 0",
    ]
    return "\n".join([*rows, *told])
