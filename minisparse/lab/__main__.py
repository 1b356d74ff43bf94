"""``python -m minisparse.lab results``: what is generated from recorded results, and recorded results run again."""

from __future__ import annotations

import argparse
import sys

from ..errors import InputError, UserError
from ..files import write_aside
from .provenance import checkout


def main(argv: list[str] | None = None) -> int:
    """Compare README.md and RESULTS.md with the result files, write them, or verify result files.

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
    results = parser.add_subparsers(dest="task", required=True, metavar="TASK").add_parser("results", help=__doc__)
    results.add_argument("--write", action="store_true", help="write README.md's generated part and RESULTS.md")
    what = "run the command of a result file again and compare its claims"
    results.add_argument("--verify", metavar="FILE[:FIGURE]", nargs="+", help=what)
    results.add_argument("--cells", metavar="N", type=int, help="run only N cells, the others count as done")
    what = "if all agrees, note in the rows that they are of the present golden numbers and run part of the chapter"
    results.add_argument("--stamp", action="store_true", help=what)
    args = parser.parse_args(argv)
    try:
        checkout("python -m minisparse.lab results")
        if args.verify:
            from .verify import report

            return report(args.verify, args.cells, args.stamp)
        if args.cells is not None or args.stamp:
            raise InputError("--cells and --stamp go with --verify FILE")
        return _pages(args.write)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _pages(write: bool) -> int:
    """Write what is generated, or say what is not as it would be written."""
    from .page import readme, results_md

    wrong, root = [], checkout("--write")
    for path, text in ((root / "README.md", readme), (root / "RESULTS.md", lambda old: results_md())):
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
        new = text(old)
        if write:
            write_aside(path, lambda file, new=new: file.write(new.encode()))
        elif new != old:
            wrong.append(path.name)
    if wrong:
        what = f"{', '.join(wrong)} differ from the result files; run: python -m minisparse.lab results --write"
        print(what, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
