"""Measure what minisparse costs, as ratios of interleaved runs: a table, one JSON file, three plots.

Every comparison takes turns (A B C A B C ...), seven rounds, and three where a step takes seconds; each round gives a
ratio, and the table shows the median of the ratios and their quartiles. Times in seconds belong to the machine. Where
two sides compute the same, they start from the same numbers, and their last losses (or products, as one weighted sum)
stand in the row: more than 1e-5 apart (1e-4 for peers) reads DISAGREE. With --quick there are three rounds.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import minisparse as ms
from minisparse.backend import CHOICES
from minisparse.errors import InputError, UserError
from minisparse.files import expanded
from minisparse.kernels.stacks import reused

from . import against, failing, growth, kernels, launches, memory, networks, programs, report, timing
from .timing import not_run

Part = Callable[[bool], Iterator[dict]]
PARTS: dict[str, Part] = {
    part.__name__: part
    for part in (
        *(
            networks.rnn,
            networks.vanishing,
            networks.mlp,
            networks.grouped,
            against.peers,
            kernels.kernels,
            kernels.limits,
            growth.growth,
            memory.memory,
        ),
        *(growth.rewiring, failing.failing, programs.startup, programs.chapters, programs.no_numba, networks.crossover),
        launches.launches,
    )
}
QUICK_PAUSE, QUICK_ROUNDS = 0.02, 3
"""Of --quick, whose ratios are no measurement."""
LEFT_OUT = ("crossover", "chapters", "launches")
"""Run only by name: these take long, or need a GPU; continuous integration runs the chapters, too."""
ON_A_GPU = ("rnn", "mlp", "grouped", "growth", "crossover", "launches")


def chosen(names: Sequence[str]) -> list[str]:
    """Return the parts to run: those named, or all but what takes long.

    Raises
    ------
    InputError
        If there is no such part.
    """
    if unknown := [name for name in names if name not in PARTS]:
        raise InputError(f"there is no part {', '.join(map(repr, unknown))}; choose from {', '.join(PARTS)}")
    return list(dict.fromkeys(names)) or [name for name in PARTS if name not in LEFT_OUT]


def rows_of(name: str, quick: bool, backend: str) -> Iterator[dict]:
    """Yield the rows of a part; one that fails, or cannot run here, says so in a row."""
    if reason := _unusable(name, backend):
        yield {"part": name, **not_run("all", name, reason)}
        return
    try:
        with ms.use(backend), reused():  # as in `fit`, which keeps memory from step to step
            for row in PARTS[name](quick):
                yield {"part": name, **row}
    except Exception as error:
        yield {"part": name, **not_run("the rest", name, report.sentence(error), "FAILED")}


def _unusable(name: str, backend: str) -> str:
    """Say why a part cannot run on a backend, or nothing."""
    try:
        with ms.use(backend):
            return "" if backend == "numpy" or name in ON_A_GPU else "it measures the CPU"
    except UserError as error:
        return str(error)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    texts = [f"  {name:10} {part.__doc__.splitlines()[0]}" for name, part in PARTS.items()]
    left_out = f"all but {', '.join(LEFT_OUT)} if none is named"
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(["parts:", *texts, "", "time on two cores: under 25 minutes, --quick under 1 minute"]),
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to run; {left_out}")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all of it works")
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks"), help="folder (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="file for the numbers, plots beside it (default: in --out)")
    parser.add_argument("--record", action="store_true", help="keep the run in benchmarks/results and RESULTS.md")
    default = os.environ.get("BACKEND", "numpy")
    choices = f"{{{','.join(CHOICES)}}}"
    parser.add_argument("--backend", default=default, metavar=choices, help="where arrays live (default: %(default)s)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the chosen parts; returns the exit code."""
    args = arguments(argv)
    command = " ".join(["python -m benchmarks", *(sys.argv[1:] if argv is None else argv)])
    try:
        args.out, args.json = expanded(args.out), args.json and expanded(args.json)
        if args.backend not in CHOICES:
            raise InputError(f"there is no backend {args.backend!r}; choose from {', '.join(CHOICES)}")
        names = chosen(args.parts)
        file = args.json or args.out / "benchmarks.json"
        with ms.use("numpy" if _unusable("rnn", args.backend) else args.backend):
            stamp = report.made_by(command)
        report.write(file, stamp, [])
        if args.quick:
            timing.PAUSE, timing.ROUNDS = QUICK_PAUSE, QUICK_ROUNDS
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return run(names, args.quick, args.backend, file, stamp, args.record)


def run(names: Sequence[str], quick: bool, backend: str, file: Path, stamp: dict, record: bool = False) -> int:
    """Run parts, print their rows, and draw; returns 1 if a part failed, results disagree, or nothing ran.

    The file is written anew after each part: whatever happens loses no more than the one at work.
    """
    print(f"{stamp['backend']}, commit {stamp['commit']}", report.HEADER, sep="\n", flush=True)
    rows: list[dict] = []
    begin, code = time.perf_counter(), 0

    def keep() -> None:
        measured = {"threads": report.threads(), "seconds": round(time.perf_counter() - begin, 1)}
        report.write(file, stamp | measured, rows)

    try:
        for name in names:
            for row in rows_of(name, quick, backend):
                rows.append(report.finite(row))
                print(report.line(row), flush=True)
            keep()
    except KeyboardInterrupt:
        print(f"interrupted; the {len(rows)} rows so far are kept", file=sys.stderr)
        code = 130
    keep()
    drawn = report.draw(file.parent, rows)
    print(f"{time.perf_counter() - begin:.0f} s; wrote {', '.join(map(str, [file, *drawn]))}")
    if record and not code:
        print(
            f"recorded in {', '.join(str(path.relative_to(report.HERE.parent)) for path in report.record(file, drawn))}"
        )
    wrong = [row for row in rows if row["status"] in ("FAILED", "DISAGREE")]
    for row in wrong:
        print(f"{row['status']}: {row['part']}, {row['case']}, {row['quantity']}: {row['remark']}", file=sys.stderr)
    if not (ran := any("median" in row for row in rows)):
        print("nothing was measured", file=sys.stderr)
    return code or int(bool(wrong) or not ran)


if __name__ == "__main__":
    sys.exit(main())
