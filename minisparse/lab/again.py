"""Recorded results, run again: all of a file to verify its claims, or a few of its cells to confirm a stale file."""

from __future__ import annotations

import json
import math
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ..errors import InputError
from ..lab import provenance, results

TOLERANCE = 0.05
"""Largest relative difference of a number. On the machine that made a row the numbers are the same; elsewhere another
order of summation can lead a training run astray by a few per cent."""
POINTS = 2.0
"""Largest difference of an accuracy of one network, in points; and of a claim's number that is called "A - B": how far
two accuracies lie apart has no size of its own that a share of it could be taken of."""
ACCURACIES = ("accuracy", "before_rewiring", "after_rewiring")
"""Entries of a cell's row that are accuracies in percent, epoch by epoch."""


def verify(name: str, tolerance: float = TOLERANCE) -> list[str]:
    """Run a result file's command again and compare its claims; return a sentence for each that differs.

    Parameters
    ----------
    name : str
        A file in ``chapters/results/`` without its ending, or "FILE:FIGURE" for one figure of it.
    tolerance : float
        Largest relative difference of a number.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If there is no such file or figure.
    """
    stem, _, figure = name.partition(":")
    kept = [row for row in results.read(results.RESULTS / f"{stem}.jsonl") if row["part"] == "claim"]
    kept = [row for row in kept if not figure or row["figure"] == figure]
    if not kept:
        raise InputError(f"there is no claim under {name!r}; the files are {_known()}")
    with tempfile.TemporaryDirectory() as out:
        failed = _run(kept[0]["made_by"]["command"], out)
        again = results.read(Path(out) / "rows.jsonl")
    return [f"{name}: {failed}"] if failed else _claims_differ(stem, kept, again, tolerance)


def confirm(stem: str, cells: int = 2, claims_anew: bool = False) -> list[str]:
    """Run a few cells of a stale result file again; if all agrees, mark its rows as confirmed by the present sources.

    The recorded command runs in a folder of its own, in which every other cell counts as done, so that it makes its
    claims anew from old and new rows. Compared are, of each cell that runs, its accuracies after the last epoch, which
    may differ by two points; of one without accuracies, every plain number except the seconds, which may differ by 5 %;
    and whether it stayed finite. Of each claim, the status, and the numbers, which may differ by 5 %, or
    by two points if they are differences "A - B".

    If all agrees, the file is written anew: rows stay as they were recorded, but each gains (or renews) ``confirmed``:
    the commit, the keys of the cells that ran and how many cells there are, and the hash of the sources; ``also`` lists
    those that the run loaded beyond the row's own. Otherwise the file stays as it is.

    Parameters
    ----------
    stem : str
        A file in ``chapters/results/`` without its ending.
    cells : int
        How many are run; see `sample`.
    claims_anew : bool
        After a change of how a chapter judges its rows: claims are not compared, but taken as they are made now.

    Returns
    -------
    list of str
        A sentence for each difference; none if all agrees, or if the file is not stale and nothing was run.

    Raises
    ------
    ValueError
        If there is no such file, or it has no cells.
    """
    file = results.RESULTS / f"{stem}.jsonl"
    rows = stale_rows(stem)
    if not rows:
        return []
    recorded = file.read_bytes()
    command = next((row for row in rows if row["part"] == "claim"), rows[0])["made_by"]["command"]
    chosen = {row["key"]: row for row in sample(rows, cells)}
    with tempfile.TemporaryDirectory() as out:
        others = [_as_present(row) for row in rows if "key" in row and row["key"] not in chosen]
        results.write(Path(out) / "rows.jsonl", others)
        failed = _run(command, out, "--resume")
        again = results.read(Path(out) / "rows.jsonl")
    if failed:
        return [f"{stem}: {failed}"]
    differ = _differences(stem, rows, chosen, again, claims_anew)
    if differ or file.read_bytes() != recorded:
        return differ or [f"{stem}: the file was edited during the run; confirm it again"]
    new = [row for row in again if row.get("key") in chosen or row["part"] == "claim"]
    if claims_anew:
        judged = [row for row in again if row["part"] == "claim"]
        rows = [row for row in rows if row["part"] != "claim"]
        rows += [{**row, "made_by": {**row["made_by"], "command": command}} for row in judged]
    of = sum("key" in row for row in rows)
    commit, loaded = new[-1]["made_by"]["commit"], _loaded(new)
    results.write(file, [_confirmed(row, commit, loaded, [*chosen], of) for row in rows])
    return []


def _differences(stem: str, rows: list[dict], chosen: dict, again: list[dict], claims_anew: bool) -> list[str]:
    """Say where the rows of a run of chosen cells differ from those recorded, or why they do not confirm them."""
    if {row["key"] for row in again if "key" in row} != {row["key"] for row in rows if "key" in row}:
        return [f"{stem}: its command has other cells by now; record it again"]
    differ = [
        sentence
        for row in again
        if row.get("key") in chosen
        for sentence in _cell_differs(f"{stem}, cell {row['key']}", chosen[row["key"]], row)
    ]
    if not claims_anew:
        differ += _claims_differ(stem, [row for row in rows if row["part"] == "claim"], again, TOLERANCE)
    new = [row for row in again if row.get("key") in chosen or row["part"] == "claim"]
    unseen = _loaded(rows) - _loaded(new)
    unseen = sorted(source for source in unseen if (provenance.ROOT / source).is_file())
    if unseen:
        differ.append(f"{stem}: the cells that ran say nothing about {', '.join(unseen)}; try more with --cells")
    if any(provenance.has_changed(row["made_by"]) for row in new):
        differ.append(f"{stem}: the sources were edited during the run; confirm it again")
    return differ


def _loaded(rows: Iterable[dict]) -> set[str]:
    """Return the sources that made some rows."""
    return {source for row in rows for source in row["made_by"]["sources"]}


def stale_rows(stem: str) -> list[dict]:
    """Return the rows of a result file that has cells if it is stale, else none.

    Raises
    ------
    ValueError
        If there is no such file, or it has no cells.
    """
    rows = results.read(results.RESULTS / f"{stem}.jsonl")
    if not rows:
        raise InputError(f"there is no result file {stem!r}; the files are {_known()}")
    if not any(map(provenance.is_stale, rows)):
        return []
    if not any("key" in row for row in rows):
        raise InputError(f"{stem} has no cells of which a few could be run; record it again")
    return rows


def sample(rows: Iterable[dict], count: int) -> list[dict]:
    """Choose cells to run again, cheap ones that differ in more than the seed.

    Each next one has the least cost over the square of the number of settings that none before has. The cost is the
    row's seconds; where rows lack them, the neurons.

    Parameters
    ----------
    rows : iterable of dict
    count : int

    Returns
    -------
    list of dict
        All cells if there are no more; always the same ones.

    Raises
    ------
    ValueError
        If the count is below 1.
    """
    if count < 1:
        raise InputError(f"--cells must be at least 1, got {count}")
    left = [row for row in rows if "key" in row]
    timed = all("seconds" in row for row in left)
    covered: set[tuple[str, str]] = set()
    chosen: list[dict] = []

    def price(row: dict) -> tuple[float, int]:
        fresh = len(_settings(row) - covered)
        cost = row["seconds"] if timed else row.get("neurons") or row["config"].get("nodes", 1)
        return (cost / fresh**2 if fresh else math.inf), -fresh

    while left and len(chosen) < count:
        chosen.append(min(left, key=price))
        covered |= _settings(chosen[-1])
        left.remove(chosen[-1])
    return chosen


def report(verified: Iterable[str], confirmed: Iterable[str], cells: int = 2, claims_anew: bool = False) -> int:
    """Verify or confirm result files, print what differs, and return the exit code."""
    code = 0
    for name in verified:
        differ = verify(name)
        print("\n".join(differ) or f"{name}: the same", flush=True)
        code |= bool(differ)
    for stem in confirmed:
        rows = stale_rows(stem)
        if not rows:
            print(f"{stem} is not stale, there is nothing to confirm", flush=True)
            continue
        differ = confirm(stem, cells, claims_anew)
        ran = f"{len(sample(rows, cells))} of {sum('key' in row for row in rows)} cells"
        agree = f"{stem}: {ran} run again agree; put it into RESULTS.md with python -m minisparse.results --write"
        print("\n".join(differ) or agree, flush=True)
        code |= bool(differ)
    return code


def _run(command: str, out: str, *flags: str) -> str:
    """Run a recorded command into another folder, without recording it; return what went wrong, if anything did."""
    words = [word for word in shlex.split(command)[1:] if word != "--record"]
    words += ["--budget", "inf"] if any(word.startswith("--budget") for word in words) else []
    words = [sys.executable, *words, *flags, "--out", out]
    done = subprocess.run(words, cwd=results.ROOT, capture_output=True, text=True)
    if not done.returncode:
        return ""
    said = done.stderr.strip().splitlines() or [f"it said nothing and ended with code {done.returncode}"]
    if "add --yes" in said[-1] and "--yes" not in flags:  # it asks because of cells that need not run
        return _run(command, out, *flags, "--yes")
    return f"the command failed: {said[-1]}"


def _known() -> str:
    return ", ".join(path.stem for path in sorted(results.RESULTS.glob("*.jsonl")))


def _settings(row: dict) -> set[tuple[str, str]]:
    return {(name, json.dumps(value)) for name, value in row["config"].items() if name != "seed"}


def _as_present(row: dict) -> dict:
    """Return a row stamped as if the present sources had made it, so that a run takes its cell for done."""
    sources = row["made_by"]["sources"]
    return {**row, "made_by": {**row["made_by"], "sources_sha256": provenance.sources_hash(sources)}}


def _confirmed(row: dict, commit: str, loaded: set[str], cells: list[str], of: int) -> dict:
    found = {"commit": commit, "cells": cells, "of": of, "also": sorted(loaded - set(row["made_by"]["sources"]))}
    stamp = provenance.confirmation({**row, "confirmed": found})
    return {**row, "confirmed": {**found, "sources_sha256": provenance.sources_hash(stamp["sources"])}}


def _numbers(row: dict) -> dict[str, float]:
    """Return what is compared of a cell."""
    last = {name: row[name][-1] for name in ACCURACIES if row.get(name)}
    plain = {name: value for name, value in row.items() if type(value) in (int, float) and name != "seconds"}
    return last or plain


def _cell_differs(what: str, old: dict, new: dict) -> list[str]:
    if ("non_finite" in old) != ("non_finite" in new):
        stayed = ["stayed finite", "did not stay finite"]
        return [f"{what} {stayed['non_finite' in old]}, now it {stayed['non_finite' in new]}"]
    before, now = _numbers(old), _numbers(new)
    if not before and "non_finite" not in old:
        return [f"{what} holds no number to compare; record the file again"]
    return [
        f"{what}: {name} was {before.get(name)}, is {now.get(name)}"
        for name in {**before, **now}
        if name in old and not _near(now.get(name), before.get(name), TOLERANCE, POINTS if name in ACCURACIES else 0.0)
    ]


def _claims_differ(stem: str, kept: Iterable[dict], again: Iterable[dict], tolerance: float) -> list[str]:
    found = {(row["figure"], row["claim"]): row for row in again if row["part"] == "claim"}
    differ = []
    for row in kept:
        now = found.get((row["figure"], row["claim"]))
        if now is None:
            differ.append(f"{stem}, {row['figure']}: the claim is gone")
            continue
        if now["status"] != row["status"]:
            differ.append(f"{stem}, {row['figure']}: {row['status']} became {now['status']}")
        for name, value in row["numbers"].items():
            if not _near(now["numbers"].get(name), value, tolerance, POINTS if " - " in name else 0.0):
                differ.append(f"{stem}, {row['figure']}: {name} was {value:.6g}, is {now['numbers'].get(name)}")
    return differ


def _near(now: float | None, value: float | None, relative: float, absolute: float = 0.0) -> bool:
    if now is None or value is None:
        return False
    return abs(now - value) <= (absolute or relative * max(abs(value), 1e-9))
