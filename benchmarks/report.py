"""What a run leaves behind: lines of a table, one JSON file, three plots."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from minisparse import plot, provenance
from minisparse.backend import cpu_count
from minisparse.files import write_aside

WIDTHS = (9, 47, 38)


def line(row: dict) -> str:
    """Return a row as a line of the table."""
    head = " ".join(f"{row[key]:{width}}" for key, width in zip(("part", "case", "quantity"), WIDTHS, strict=True))
    if "median" not in row:
        return f"{head} {row['status']}: {row['remark']}"
    low, high = row["quartiles"]
    spread = f"({low:.3g} to {high:.3g}; {row['rounds']})" if row["rounds"] > 1 else "(once)"
    status = "" if row["status"] == "ok" else f"{row['status']} "
    number = f"{row['median']:8.3g} {row['unit']:4}"
    return f"{head} {number} {spread:26} {status}{row['remark']}".rstrip()


HEADER = f"{'part':{WIDTHS[0]}} {'case':{WIDTHS[1]}} {'quantity':{WIDTHS[2]}}   median      (quartiles; rounds)"


CHANGED = "+changes"
"""Behind the commit of a checkout whose files are not the commit's."""


def made_by(command: str) -> dict:
    """Return what a run needs to be judged: command, commit, versions, a hash of the sources."""
    here = Path(__file__).resolve().parent
    folders = (here, here.parent / "minisparse")
    sources = [str(path.relative_to(here.parent)) for folder in folders for path in sorted(folder.rglob("*.py"))]
    stamp = provenance.stamp(command, also=sources)
    if _changed(here) and not stamp["commit"].endswith(CHANGED):
        stamp["commit"] += CHANGED
    for package in ("torch", "matplotlib"):
        try:
            stamp["versions"][package] = version(package)
        except PackageNotFoundError:
            continue
    return stamp


def _changed(folder: Path) -> bool:
    """Whether git sees changes in a folder; the stamp of the library looks at its own and the chapters' only."""
    git = ["git", "-C", str(folder), "status", "--porcelain", "--", "."]
    try:
        return bool(subprocess.run(git, capture_output=True, text=True).stdout.strip())
    except OSError:
        return False


def threads() -> dict[str, int]:
    """Return how many threads each library in use has."""
    import sys

    from threadpoolctl import threadpool_info

    found = {"processors": cpu_count()}
    found |= {pool["internal_api"]: pool["num_threads"] for pool in threadpool_info()}
    if sys.modules.get("numba"):
        found["numba"] = sys.modules["numba"].get_num_threads()
    return found


def write(path: Path, stamp: dict, rows: list[dict]) -> None:
    """Write all rows so far, aside and renamed."""
    text = json.dumps({"made_by": stamp, "rows": rows}, indent=1, allow_nan=False) + "\n"
    write_aside(path, lambda file: file.write(text.encode()))


def read(path: Path) -> dict:
    """Read what `write` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def draw(folder: Path, rows: list[dict]) -> list[Path]:
    """Draw the plots that the rows have numbers for; return the files."""
    drawn = []
    for name, make in (("time", _time), ("memory", _memory), ("limit", _limit)):
        rows_of = [row for row in rows if "median" in row]
        if (made := make(rows_of)) is not None:
            drawn.append(folder / f"{name}.png")
            plot.save(made[0], drawn[-1], alt=made[1])
    return drawn


def _time(rows: list[dict]) -> tuple | None:
    lines: dict[str, dict[int, float]] = {}
    for row in rows:
        if row["part"] == "rnn" and row["p"] < 1:
            for side, seconds in row["seconds"].items():
                if side != "NumPy" and (side, row["p"]) != ("dense", 0.01):
                    lines.setdefault(f"{side}, p = {row['p']:g}", {})[row["synapses"]] = 1e3 * seconds
        elif row["part"] == "growth" and row["quantity"] == "CSR step":
            lines.setdefault("CSR, 100 afferents", {})[row["synapses"]] = row["median"]
    return _lines(lines, "time per training step [ms]", "Time per training step against synapses", log=True)


def _memory(rows: list[dict]) -> tuple | None:
    lines: dict[str, dict[int, float]] = {}
    for row in rows:
        if row["part"] == "growth" and "storage" in row:
            lines.setdefault(f"{row['storage']}, 100 afferents", {})[row["synapses"]] = row["median"]
    return _lines(lines, "peak memory inside fit [MB]", "Peak memory of training against synapses", log=True)


def _limit(rows: list[dict]) -> tuple | None:
    lines: dict[str, dict[int, float]] = {}
    for row in rows:
        if row["part"] == "limits" and "side" in row:
            limit = "reads from L2" if row["side"] == "CSR" else "peak of a product"
            name = f"{row['side']}, p = {row['p']:g}: of the {limit}"
            lines.setdefault(name, {})[row["synapses"]] = 100 / row["median"]
    return _lines(
        lines, "share of the physical limit [%]", "Share of what the machine can do against synapses", log=False
    )


def _lines(lines: dict[str, dict[int, float]], ylabel: str, title: str, log: bool) -> tuple | None:
    """Return a figure with a line per entry, and its text in words; nothing if there is nothing to show."""
    if not lines:
        return None
    figure, axes = plot.figure()
    for style, (name, points) in zip(itertools.cycle(plot.LINES), lines.items(), strict=False):
        x = sorted(points)
        axes.plot(x, [points[each] for each in x], label=name, **style)
    axes.set(xscale="log", xlabel="synapses", ylabel=ylabel, title=title)
    if log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, None)
    axes.legend(fontsize=8)
    ends = [f"{name}: {points[max(points)]:.3g} at {max(points):,}" for name, points in lines.items()]
    return figure, f"{title}; {ylabel} at the largest size: {'; '.join(ends)}."


def sentence(error: BaseException) -> str:
    """Return what an error says, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()) if str(error) else type(error).__name__


def finite(value: Any) -> Any:
    """Return a row with nan and inf as None: JSON has no name for them."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
