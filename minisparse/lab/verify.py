"""Recorded results, run again: all of a file, or a few of its cells, of which its claims are then judged once more."""

from __future__ import annotations

import ast
import json
import math
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ..errors import InputError
from . import cli, provenance, rows

TOLERANCE = 0.05
"""Largest relative difference of a number. On the machine that made a row the numbers are the same; elsewhere another
order of summation can lead a training run astray by a few per cent."""
POINTS = 2.0
"""Largest difference of an accuracy of one network, in points; and of a claim's number that is called "A - B": how far
two accuracies lie apart has no size of its own that a share of it could be taken of."""
ACCURACIES = ("accuracy", "before_rewiring", "after_rewiring")
"""Entries of a cell's row that are accuracies in percent, epoch by epoch."""
DROPPED = ("--yes", "--resume", "--record", "--budget", "--scheduler", "--out", "--data-dir")
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
    file, table = _recorded(stem)
    claims = [row for row in _claims(table) if figure in ("", row["figure"])]
    if not claims:
        raise InputError(f"there is no claim under {name!r}, so nothing can be compared; record the file again")
    if stamp and figure:
        raise InputError(f"--stamp is for a whole file: --verify {stem} --stamp")
    words = arguments(claims[0]["made_by"]["command"])
    state = provenance.state(Path(words[0]).stem)
    chosen = {row["key"]: row for row in sample(table, cells)} if cells is not None else {}
    others = [{**row, "made_by": row["made_by"] | state} for row in table if "key" in row and row["key"] not in chosen]
    with tempfile.TemporaryDirectory() as out:
        if chosen:
            rows.write(Path(out) / "rows.jsonl", others)
            words.append("--resume")
        command = [sys.executable, *words, "--out", out]
        done = subprocess.run(command, cwd=provenance.ROOT, capture_output=True, text=True, encoding="utf-8")
        again = rows.read(Path(out) / "rows.jsonl")
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"it said nothing and ended with code {done.returncode}"]
        return [f"{name}: the command failed: {said[-1]}"]
    ran = {row["key"]: row for row in again if "key" in row}
    of = sum("key" in row for row in table)
    if chosen and ran.keys() != {row["key"] for row in table if "key" in row}:
        return [f"{stem}: its command has other cells by now; record it again"]
    differ = [text for key, old in chosen.items() for text in cell_differs(f"{stem}, cell {key}", old, ran[key])]
    differ += claims_differ(stem, claims, again)
    if stamp and not differ:
        verified = {"commit": again[-1]["made_by"]["commit"], "cells": len(chosen) or of, "of": of}
        planned = [row for row in again if row.get("status") == "NOT RUN"]
        kept = [row for row in table if row.get("status") != "NOT RUN"]
        rows.write(file, [*(_stamped(row, state, verified) for row in kept), *planned])
    return differ


def report(names: Iterable[str], cells: int | None = None, stamp: bool = False) -> int:
    """Verify result files, print what differs or that nothing does, and return the exit code."""
    code = 0
    for name in names:
        differ = verify(name, cells, stamp)
        same = f"{name}: the same" + (", and stamped so" if stamp else "")
        print("\n".join(differ) or same, flush=True)
        code |= bool(differ)
    return code


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
    found, file = provenance.CHAPTER.fullmatch(script), provenance.ROOT / script
    if python != "python" or not found or not file.is_file():
        raise InputError(f"{command!r} is no `python chapters/NAME.py` of this checkout; record the result file again")
    known, words, kept = flags_of(file), [script], True
    for word in rest:
        if word.startswith("--"):
            flag = word.partition("=")[0]
            if flag not in known:
                raise InputError(f"{script} takes no {flag}, which its recorded command has; record it again")
            kept = flag not in DROPPED
        elif re.match("-[^0-9.]", word):
            raise InputError(f"{word!r} in the recorded command of {script} is no flag and no value; record it again")
        words += [word] if kept else []
    return [*words, "--yes"] if "--paper" in known else words  # a few cells are quick, whatever all of them would take


def flags_of(file: Path) -> set[str]:
    """Return the flags that a chapter takes: its own, and those of `cli.chapter`.

    Parameters
    ----------
    file : Path
        The chapter's script, which is read and not run.

    Returns
    -------
    set of str
    """
    own, shared = (ast.walk(ast.parse(path.read_text(encoding="utf-8"))) for path in (file, Path(cli.__file__)))
    own, shared = list(own), list(shared)
    texts = {str(node.value) for node in [*own, *shared] if isinstance(node, ast.Constant)}
    found = {text for text in texts if re.fullmatch("--[a-z][a-z-]*", text)} | {f"--{name}" for name in cli.OPTIONS}
    has_paper = any(isinstance(node, ast.keyword) and node.arg == "paper" for node in own)
    return found if has_paper else found - {"--paper", "--yes"}


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
    return [
        f"{what}: {name} was {before.get(name)}, is {now.get(name)}"
        for name in {**before, **now}
        if name in old and not _near(now.get(name), before.get(name), POINTS if name in ACCURACIES else 0.0)
    ]


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
            if not _near(now["numbers"].get(name), value, POINTS if " - " in name else 0.0):
                differ.append(f"{what}: {name} was {value:.6g}, is {now['numbers'].get(name)}")
    return differ


def _recorded(stem: str) -> tuple[Path, list[dict]]:
    """Return a result file and its rows; a name is compared with the files there, so it cannot lead elsewhere."""
    known = {path.stem: path for path in sorted(rows.RESULTS.glob("*.jsonl"))}
    if stem not in known:
        raise InputError(f"there is no result file {stem!r}; the files are {', '.join(known)}")
    return known[stem], rows.read(known[stem])


def _claims(table: Iterable[dict]) -> list[dict]:
    return [row for row in table if row["part"] == "claim" and row["status"] != "NOT RUN"]


def _stamped(row: dict, state: dict[str, str], verified: dict) -> dict:
    made_by = {name: value for name, value in row["made_by"].items() if "sources" not in name and name != "function"}
    kept = {name: value for name, value in row.items() if name != "confirmed"}
    return {**kept, "made_by": made_by | state, "verified": verified}


def _settings(row: dict) -> set[tuple[str, str]]:
    return {(name, json.dumps(value)) for name, value in row["config"].items() if name != "seed"}


def _numbers(row: dict) -> dict[str, float]:
    """Return what is compared of a cell."""
    last = {name: row[name][-1] for name in ACCURACIES if row.get(name)}
    plain = {name: value for name, value in row.items() if type(value) in (int, float) and name != "seconds"}
    return last or plain


def _near(now: float | None, value: float | None, points: float) -> bool:
    if now is None or value is None:
        return False
    return abs(now - value) <= (points or TOLERANCE * max(abs(value), 1e-9))
