"""Recorded results, run again: all of a file, or a few of its cells, of which its claims are then judged once more."""

from __future__ import annotations

import json
import math
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..arguments import shown
from ..errors import InputError
from ..files import write_aside
from . import cli, provenance, rows

TOLERANCE = 0.05
"""Largest relative difference of a number. On the machine that made a row the numbers are the same; elsewhere another
order of summation can lead a training run astray by a few per cent."""
POINTS = 2.0
"""Largest difference of an accuracy of one network, in points; and of a claim's number that is called "A - B": how far
two accuracies lie apart has no size of its own that a share of it could be taken of."""
ACCURACIES = ("accuracy", "before_rewiring", "after_rewiring")
"""Entries of a cell's row that are accuracies in percent, epoch by epoch."""
DROPPED = ("--yes", "--resume", "--record", "--rows", "--budget", "--scheduler", "--out", "--data-dir")
"""Flags that a recorded command is run again without."""


def verify(name: str, cells: int | None = None, stamp: bool = False) -> list[str]:
    """Run a result file's command again, compare its claims, and return a sentence for each that differs.

    With `cells` only so many cells run (see `sample`), all others count as done. Compared are then, of each cell that
    ran, its accuracies after the last epoch, which may differ by two points; of one without accuracies, every plain
    number except the seconds, which may differ by 5 %; and whether it stayed finite. Of each claim, with or without
    `cells`, the status, and the numbers, which may differ by 5 %, or by two points if they are differences "A - B".

    Parameters
    ----------
    name : str
        A file in ``chapters/results/`` without its ending, or "FILE:FIGURE" for one figure of it.
    cells : int, optional
        How many cells are run; all, if it is not given.
    stamp : bool
        If all agrees, write into the rows that they are of the present golden numbers and run part, and how that is
        known: ``verified``, with the commit and how many cells ran, of how many. The numbers stay as recorded; claims
        that are not run are taken from the chapter as it is now.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If there is no such file, figure or cell, or the recorded command is not one of a chapter of this checkout.
    """
    stem, _, figure = name.partition(":")
    file = _file(stem)
    table = rows.read(file)
    claims = [row for row in _claims(table) if figure in ("", row["figure"])]
    if not claims:
        raise InputError(f"there is no claim under {name!r}, so nothing can be compared; record the file again")
    if stamp and figure:
        raise InputError(f"--stamp is for a whole file: --verify {stem} --stamp")
    words, recorded = arguments(claims[0]["made_by"]["command"]), {row["key"]: row for row in table if "key" in row}
    state, chosen = provenance.state(Path(words[0]).stem), sample(recorded.values(), cells) if cells is not None else []
    with tempfile.TemporaryDirectory() as out:
        if chosen:
            done = [{**row, "made_by": row["made_by"] | state} for row in recorded.values() if row not in chosen]
            rows.write(Path(out) / "rows.jsonl", done)
            words.append("--resume")
        command = [sys.executable, *words, "--out", out]
        ended = subprocess.run(command, cwd=provenance.ROOT, capture_output=True, text=True, encoding="utf-8")
        again = rows.read(Path(out) / "rows.jsonl")
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or [f"it said nothing and ended with code {ended.returncode}"]
        return [f"{name}: the command failed: {said[-1]}"]
    now = {row["key"]: row for row in again if "key" in row}
    if now.keys() != recorded.keys():
        return [f"{stem}: its command has other cells by now; record it again"]
    differ = [text for row in chosen for text in cell_differs(f"{stem}, cell {row['key']}", row, now[row["key"]])]
    differ += claims_differ(stem, claims, again)
    if stamp and not differ:
        ran = {"cells": len(chosen or recorded), "of": len(recorded), "commit": again[-1]["made_by"]["commit"]}
        planned = [row for row in again if row.get("status") == "NOT RUN"]
        kept = [_stamped(row, state, ran) for row in table if row.get("status") != "NOT RUN"]
        rows.write(file, kept + planned)
    return differ


def redraw(name: str) -> list[str]:
    """Judge a result file's claims and draw its figures once more, from its recorded cells: no cell is run.

    Parameters
    ----------
    name : str
        A file in ``chapters/results/`` without its ending.

    Returns
    -------
    list of str
        The names of the files written beside it. A claim keeps the command of its cells.

    Raises
    ------
    ValueError
        If there is no such file, it has no cells, or its command does not end.
    """
    path = _file(name)
    table = rows.read(path)
    cells = [row for row in table if "key" in row]
    if not cells:
        raise InputError(f"there is no result file {name!r} with cells")
    made_by = table[-1]["made_by"]  # of the run that ended; one that it went on from may have made its first cells
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, *arguments(made_by["command"]), "--rows", str(path), "--out", out]
        ended = subprocess.run(command, cwd=provenance.ROOT, capture_output=True, text=True, encoding="utf-8")
        if ended.returncode:
            raise InputError(
                f"{name}: the command failed: {(ended.stderr.strip().splitlines() or ['nothing said'])[-1]}"
            )
        claims = [{**row, "made_by": made_by} for row in rows.read(Path(out) / "rows.jsonl") if "key" not in row]
        rows.write(path, cells + claims)
        written = []
        for figure in sorted(Path(out).glob("*.png")) + sorted(Path(out).glob("*.svg")):
            target = path.with_name(figure.name if figure.stem == name else f"{name}-{figure.name}")
            write_aside(target, lambda file, figure=figure: file.write(figure.read_bytes()))
            written.append(target.name)
    return written


def arguments(command: str) -> list[str]:
    """Return the words after ``python`` that run a recorded command again; nothing of them is handed to a shell.

    Parameters
    ----------
    command : str
        ``python chapters/NAME.py [--flag [VALUE ...] ...]``, from a result file.

    Returns
    -------
    list of str
        Without flags such as ``--record`` and ``--out``.

    Raises
    ------
    ValueError
        If it is no chapter of this checkout, or a flag is not one that the chapter takes.
    """
    try:
        python, script, *rest = shlex.split(command)
    except ValueError:
        python = script = ""
    file = provenance.ROOT / script
    if python != "python" or not provenance.CHAPTER.fullmatch(script) or not provenance.is_ours(file):
        raise InputError(
            f"{command[:120]!r} is no `python chapters/NAME.py` of this checkout; record the result file again"
        )
    words, kept = [script], True
    known = [
        flag for path in (file, Path(cli.__file__)) for flag in re.findall('"(--[a-z-]+)"', path.read_text("utf-8"))
    ]
    known += [f"--{option.replace('_', '-')}" for option in cli.OPTIONS]
    for word in rest:
        flag = word.partition("=")[0]
        if re.match("-[^0-9.]", word):
            if flag not in known:
                raise InputError(f"{script} takes no {flag}, which its recorded command has; record it again")
            kept = flag not in DROPPED
        words += [word] if kept else []
    return [*words, "--yes"]  # a few cells are quick, whatever all of them would take


def sample(table: Iterable[dict], count: int) -> list[dict]:
    """Choose cells to run again, cheap ones that differ in more than the seed.

    Each next one has the least cost over the square of the number of settings that none before has. The cost is the
    row's seconds; where rows lack them, the neurons.

    Parameters
    ----------
    table : iterable of dict
    count : int

    Returns
    -------
    list of dict
        All cells if there are no more; always the same ones.

    Raises
    ------
    ValueError
        If the count is below 1, or there are no cells.
    """
    if count < 1:
        raise InputError(f"--cells must be at least 1, got {count}")
    left = [row for row in table if "key" in row]
    if not left:
        raise InputError("the file has no cells of which a few could be run; leave --cells out")
    timed = all(_is_number(row.get("seconds")) for row in left)
    covered: set[tuple[str, str]] = set()
    chosen: list[dict] = []

    def price(row: dict) -> tuple[float, int]:
        fresh = len(_settings(row) - covered)
        cost = row["seconds"] if timed else _neurons(row)
        return (cost / fresh**2 if fresh else math.inf), -fresh

    while left and len(chosen) < count:
        chosen.append(min(left, key=price))
        covered |= _settings(chosen[-1])
        left.remove(chosen[-1])
    return chosen


def cell_differs(what: str, old: dict, new: dict) -> list[str]:
    """Return a sentence for each number of a cell that is not near its recorded one.

    Parameters
    ----------
    what : str
        What the sentences call the cell.
    old, new : dict
        Its row as recorded, and as it is now.

    Returns
    -------
    list of str
    """
    if ("non_finite" in old) != ("non_finite" in new):
        stayed = ["stayed finite", "did not stay finite"]
        return [f"{what} {stayed['non_finite' in old]}, now it {stayed['non_finite' in new]}"]
    before, now = _numbers(old), _numbers(new)
    if not before and "non_finite" not in old:
        return [f"{what} holds no number to compare; record the file again"]
    names = [name for name in {**before, **now} if name in old]
    return [text for k in names for text in _differs(what, k, before.get(k), now.get(k), k in ACCURACIES)]


def claims_differ(stem: str, kept: Iterable[dict], again: Iterable[dict]) -> list[str]:
    """Return a sentence for each claim that is gone, has another status or another number.

    Parameters
    ----------
    stem : str
        The result file's name.
    kept, again : iterable of dict
        Claims as recorded, and rows as they are now.

    Returns
    -------
    list of str
    """
    found = {(row["figure"], row["claim"]): row for row in _claims(again)}
    differ = []
    for row in kept:
        now, what = found.get((row["figure"], row["claim"])), f"{stem}, {row['figure']}"
        if now is None:
            differ.append(f"{what}: the claim is gone")
            continue
        if now["status"] != row["status"]:
            differ.append(f"{what}: {row['status']} became {now['status']}")
        for name, value in row["numbers"].items():
            differ += _differs(what, name, value, now["numbers"].get(name), " - " in name)
    return differ


def _file(name: str) -> Path:
    """Return a result file by its plain name: one that lies in ``chapters/results/``, links included."""
    files = {path.stem: path for path in sorted(rows.RESULTS.glob("*.jsonl")) if provenance.is_ours(path)}
    if name not in files:
        raise InputError(f"there is no result file {shown(name)}; the files are {', '.join(files)}")
    return files[name]


def _claims(table: Iterable[dict]) -> list[dict]:
    return [row for row in table if row["part"] == "claim" and row["status"] != "NOT RUN"]


def _stamped(row: dict, state: dict[str, str], verified: dict) -> dict:
    made_by = {name: value for name, value in row["made_by"].items() if "sources" not in name and name != "function"}
    kept = {name: value for name, value in row.items() if name != "confirmed"}
    return {**kept, "made_by": made_by | state, "verified": verified}


def _settings(row: dict) -> set[tuple[str, str]]:
    return {(name, json.dumps(value)) for name, value in row["config"].items() if name != "seed"}


def _neurons(row: dict) -> float:
    return next(filter(_is_number, (row.get("neurons"), row["config"].get("nodes"))), 1) or 1


def _numbers(row: dict) -> dict[str, float]:
    """Return what is compared of a cell."""
    last = {
        name: row[name][-1] for name in ACCURACIES if isinstance(row.get(name), list) and _is_number(*row[name][-1:])
    }
    plain = {name: value for name, value in row.items() if _is_number(value) and name != "seconds"}
    return last or plain


def _is_number(value: Any = None) -> bool:
    return type(value) in (int, float)


def _differs(what: str, name: str, old: float | None, new: float | None, in_points: bool) -> list[str]:
    near = POINTS if in_points else TOLERANCE * max(abs(old or 0.0), 1e-9)
    same = None not in (old, new) and abs(new - old) <= near
    return [] if same else [f"{what}: {name} was {old}, is {new}"]
