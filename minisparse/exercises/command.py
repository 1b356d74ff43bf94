"""Exercises that mark themselves. Without a command: the list."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError, UserError
from ..files import expanded, write_aside
from . import games, grade, passes, progress
from .exercise import Lesson, Pass, get, names
from .notebook import notebook
from .report import Report


def main(given: Sequence[str] | None = None) -> int:
    """Run one command; without one, list the exercises."""
    args = _parser().parse_args(given)
    run = {"mark": _mark_by_name, "start": _start, "notebook": _notebook, "grade": _grade}
    run |= {"mistake": _mistake, "curve": _curve, None: _list}
    try:
        return run[args.command](args)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m minisparse.exercises", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    start = commands.add_parser("start", help="write exercises/NAME.py, to be filled in")
    start.add_argument("name", metavar="NAME")
    mark = commands.add_parser("mark", help="mark a file: the same as python exercises/NAME.py")
    mark.add_argument("file", metavar="NAME|FILE")
    _mark_flags(mark)
    mistake = commands.add_parser("mistake", help="one line of a small network is wrong: which, and why?")
    mistake.add_argument("--answer", metavar="TAG", help="the line that is wrong, such as R7")
    mistake.add_argument("--why", type=int, metavar="NUMBER", help="which of the reasons shown")
    curve = commands.add_parser("curve", help="four curves of learning: which belongs to which gain, or gain step?")
    curve.add_argument("kind", choices=("gain", "step"))
    curve.add_argument("--answer", metavar="LETTERS", help="from the smallest number to the largest, such as BDAC")
    for riddle in (mistake, curve):
        riddle.add_argument("--seed", type=_whole, default=0, metavar="N", help="each is another riddle (default 0)")
    marked = commands.add_parser("grade", help="mark a class: FOLDER/STUDENT/EXERCISE.py, one process each")
    marked.add_argument("folder", type=Path, metavar="FOLDER")
    marked.add_argument("--jobs", type=_whole, default=2, metavar="N", help="submissions at a time (default 2)")
    marked.add_argument("--seconds", type=_whole, default=5, metavar="S", help="limit of one answer (default 5)")
    cells = commands.add_parser("notebook", help="write a whole pass as a notebook with solutions, for nbgrader")
    cells.add_argument("name", metavar="NAME")
    return parser


def _list(args: argparse.Namespace) -> int:
    print(_listed())
    return 0


def _mark_by_name(args: argparse.Namespace) -> int:
    path = expanded(args.file)
    return _mark(path if path.suffix == ".py" else progress.FOLDER / f"{args.file}.py", args)


def _mistake(args: argparse.Namespace) -> int:
    return _said(*games.mistake(args.seed, args.answer, args.why))


def _curve(args: argparse.Namespace) -> int:
    return _said(*games.curve(args.kind, args.seed, args.answer))


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
    parser.add_argument(
        "--hint",
        nargs="?",
        const="",
        metavar="PART",
        help="the next hint, for the first part that is open or for this one",
    )
    parser.add_argument("--solution", metavar="PART", help="show the solution of one part")
    parser.add_argument("--json", metavar="FILE", help="write the marks as Gradescope reads them")


def _start(args: argparse.Namespace) -> int:
    name = args.name
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
    args.solution, args.hint = (_part(asked, exercise.parts) for asked in (args.solution, args.hint))
    for asked in (args.solution, args.hint):
        if asked and asked not in exercise.parts:
            raise InputError(f"{exercise.name} has no part {asked!r}; its parts are {', '.join(exercise.parts)}")
    if args.solution:
        print(exercise.solution(args.solution))
        return 0
    report = exercise.mark(grade.read_answers(path))
    progress.record(report, path.parent)
    print(report)
    if args.json:
        write_aside(args.json, lambda file: file.write(json.dumps(gradescope(report), indent=1).encode()))
    first = next((part for part in report.parts if part.state != "done"), None)
    first = report[args.hint] if args.hint else first
    if first and args.hint is not None:
        hints = exercise.hints(first.name)
        shown = progress.next_hint(f"{report.name}.{first.name}", len(hints) - 1, path.parent)
        print(f"\nhint {shown + 1} of {len(hints)} for {first.name}: {hints[shown]}")
        if shown == len(hints) - 1:
            print(f"that was the last; the solution: python {path.as_posix()} --solution '{first.name}'")
    elif first:
        print(f"\nnext: {first.name}; a hint: python {path.as_posix()} --hint")
    return 0 if report.ok else 1


def _part(asked: str | None, parts: tuple[str, ...]) -> str | None:
    """Return a part as it is called: dW is W."""
    return asked[1:] if asked and asked not in parts and asked[1:] in parts and asked[0] == "d" else asked


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


def _notebook(args: argparse.Namespace) -> int:
    name = args.name
    if not isinstance(get(name), Pass):
        raise InputError(f"{name} is no whole pass, so it has no notebook; there are {', '.join(passes.TASKS)}")
    path = progress.FOLDER / f"{name}.ipynb"
    text = json.dumps(notebook(name), indent=1, ensure_ascii=False) + "\n"
    write_aside(path, lambda file: file.write(text.encode()))
    print(f"{path.as_posix()} is written, with solutions: nbgrader generate_assignment takes them out")
    return 0


def _grade(args: argparse.Namespace) -> int:
    folder, jobs, seconds = expanded(args.folder), max(1, min(args.jobs, 64)), float(max(1, args.seconds))
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
    found, rows = progress.read(), []
    whole = [name for name in names() if isinstance(get(name), Pass)]
    for head, group in (("whole passes", whole), ("lines of the library", [n for n in names() if n not in whole])):
        rows.append(f"{head:<21}{'minutes':>7}  {'state':<9} what it teaches")
        for name in group:
            exercise = get(name)
            state = progress.state(name, exercise.parts, found)
            rows += textwrap.wrap(
                f"  {name:<19}{exercise.minutes:>7}  {state:<9} {exercise.teaches}", 110, subsequent_indent=" " * 40
            )
        rows.append("")
    told = [
        f"begin here, and go down: python -m minisparse.exercises start {whole[0]}",
        "which line is wrong?     python -m minisparse.exercises mistake --seed 0",
        "which curve is whose?    python -m minisparse.exercises curve gain --seed 0",
    ]
    return "\n".join([*rows, *told])
