"""``python -m minisparse.lab``: ``results``, what is generated from recorded results, and recorded results run again;
``notebooks``, the chapters as notebooks; ``exercise``, the chapters' exercises with hints, solutions and marks.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import InputError, UserError
from ..files import expanded, write_aside
from .provenance import ROOT, checkout


def main(argv: list[str] | None = None) -> int:
    """Compare README.md and RESULTS.md with the result files, write them, or verify result files; or write notebooks.

    Parameters
    ----------
    argv : list of str, optional
        By default the command line's.

    Returns
    -------
    int
        The exit code: 1 if something differs, 2 if there is something to mend.
    """
    parser = argparse.ArgumentParser(prog="python -m minisparse.lab")
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    results = tasks.add_parser("results", help="what is generated from recorded results, and results run again")
    results.add_argument("--write", action="store_true", help="write README.md's generated part and RESULTS.md")
    results.add_argument("--verify", metavar="FILE[:FIGURE]", nargs="+", help="run a result file's command and compare")
    results.add_argument("--cells", metavar="N", type=int, help="run only N cells, the others count as done")
    what = "note in rows that agree that they are of the present golden numbers and run part"
    results.add_argument("--stamp", action="store_true", help=what)
    results.add_argument(
        "--redraw", metavar="FILE", nargs="+", help="judge and draw again from a file's recorded cells"
    )
    notebooks = tasks.add_parser("notebooks", help="the chapters as notebooks")
    notebooks.add_argument("folder", metavar="DIR", type=Path, help="where they are written")
    notebooks.add_argument("--flags", default="", help='of every chapter\'s command line, as --flags="--smoke"')
    said = "address of the project's Git repository: then with badges, a cell that installs minisparse where it is "
    said += "missing, and dale for a GPU"
    notebooks.add_argument("--repository", default="", metavar="URL", help=said)
    _exercise(tasks.add_parser("exercise", help="the chapters' exercises: hints, solutions and marks"))
    args = parser.parse_args(argv)
    try:
        checkout(f"python -m minisparse.lab {args.task}")
        if args.task == "exercise":
            from .marking import answer

            return answer(args)
        if args.task == "notebooks":
            from .notebook import write_notebooks

            print(
                "\n".join(
                    f"wrote {path}" for path in write_notebooks(expanded(args.folder), args.flags, args.repository)
                )
            )
            return 0
        if not args.verify and (args.stamp or args.cells is not None):
            raise InputError("--cells and --stamp go with --verify FILE")
        if args.redraw:
            from .verify import redraw

            print("\n".join(name for file in args.redraw for name in redraw(file)))
            return 0
        return _verify(args) if args.verify else _pages(args.write)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _exercise(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the task ``exercise``."""
    parser.add_argument("chapter", nargs="?", help="name of a chapter; without it all exercises are listed")
    parser.add_argument("number", nargs="?", type=int, help="which exercise; without it the chapter's are listed")
    parser.add_argument("--hint", nargs="?", const=1, type=int, metavar="N", help="show the first N hints")
    parser.add_argument("--solution", action="store_true", help="show the solution")
    parser.add_argument("--answer", nargs="+", metavar="NUMBER", help="mark numbers, or NAME=NUMBER")
    parser.add_argument("--run", action="store_true", help="run it, and set its numbers against the expected ones")
    parser.add_argument("--record", action="store_true", help="with --run: keep its numbers as the expected ones")


def _verify(args: argparse.Namespace) -> int:
    """Verify result files, and print what differs."""
    from .verify import verify

    code = 0
    for name in args.verify:
        differ = verify(name, args.cells, args.stamp)
        print("\n".join(differ) or f"{name}: the same{', and stamped so' * args.stamp}", flush=True)
        code |= bool(differ)
    return code


def _pages(write: bool) -> int:
    """Write what is generated, or say what is not as it would be written."""
    from .page import readme, results_md

    wrong = []
    for path, text in ((ROOT / "README.md", readme), (ROOT / "RESULTS.md", lambda old: results_md())):
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
        new = text(old)
        if write:
            write_aside(path, lambda file, new=new: file.write(new.encode()))
        elif new != old:
            wrong.append(path.name)
    if wrong:
        what = f"{', '.join(wrong)} differ from the result files; run: python -m minisparse.lab results --write"
        print(what, file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; what is written is whole, start the same command again")
