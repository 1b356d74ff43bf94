"""Rows of results: one JSON object per line, with all it takes to run it again. A row whose ``part`` is "claim" sets
one of a paper's statements against our numbers.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import textwrap
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..arguments import shown
from ..errors import FileError, InputError, shortened
from ..files import write_aside
from .claims import STATUSES
from .provenance import ROOT

RESULTS = ROOT / "chapters" / "results"
"""Where ``--record`` puts rows and figures."""
ANY = {"part": str, "key": str, "config": dict, "made_by": dict, "command": str, "needs": str}
"""What these entries are, in every row that has them."""
CELL = {"key": str, "config": dict, "made_by": dict}
"""What every row of a cell has."""
CLAIM = {
    **dict.fromkeys(("figure", "claim", "setting", "ours", "paper", "status"), str),
    "numbers": dict,
    "made_by": dict,
}
"""What every row of a claim has."""
WORDS = {str: "a text", dict: "an object"}
LONGEST_NUMBER = 100
"""Digits of a whole number in a row."""


def key(config: dict) -> str:
    """Return a short hash of a configuration: equal settings, equal key.

    Parameters
    ----------
    config : dict
        Plain values.

    Returns
    -------
    str
        Twelve hexadecimal digits.

    Raises
    ------
    ValueError
        If a value is not plain.

    Examples
    --------
    >>> minisparse.lab.rows.key({"a": 1, "b": 2}) == minisparse.lab.rows.key({"b": 2, "a": 1})
    True
    """
    try:
        return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]
    except TypeError as error:
        raise InputError(f"config {config} must hold plain values: {error}") from error


def seeds(rows: Iterable[dict]) -> list[list[dict]]:
    """Put the rows together whose settings differ in nothing but the seed.

    Parameters
    ----------
    rows : iterable of dict
        Of cells.

    Returns
    -------
    list of list of dict
        In the order of their first rows.

    Examples
    --------
    >>> rows = [{"config": {"nodes": n, "seed": seed}} for seed in range(2) for n in (10, 20)]
    >>> [[row["config"]["seed"] for row in group] for group in minisparse.lab.rows.seeds(rows)]
    [[0, 1], [0, 1]]
    """
    found: dict[str, list[dict]] = {}
    for row in rows:
        found.setdefault(key({**row["config"], "seed": 0}), []).append(row)
    return list(found.values())


def read(path: Path) -> list[dict]:
    """Read rows; a file that does not exist has none.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of dict

    Raises
    ------
    OSError
        If the file cannot be read, a line is no JSON object, or the row of a cell or of a claim lacks what every such
        row has (`CELL`, `CLAIM`); the sentence names the line. So does the one of a row (`Row`) that is asked for
        another entry that it lacks.
    """
    if not os.path.isfile(path):
        return []
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror or error}); check the path") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            wrong, row = _parse(line)
            if wrong:
                raise FileError(f"{path} line {number} {wrong}; delete the line or the file")
            rows.append(Row(row, f"{path} line {number}"))
    return rows


class Row(dict):
    """A row that knows where it was read: an entry that it lacks is a sentence, not a KeyError.

    Parameters
    ----------
    entries : dict
    where : str
        File and line.

    Examples
    --------
    >>> minisparse.lab.rows.Row({"part": "cells"}, "rows.jsonl line 1")["accuracy"]
    Traceback (most recent call last):
    ...
    minisparse.errors.FileError: rows.jsonl line 1 has no 'accuracy', which is read here; make the row again
    """

    def __init__(self, entries: dict, where: str):
        super().__init__(entries)
        self.where = where

    def __missing__(self, name: str) -> None:
        raise FileError(f"{self.where} has no {name!r}, which is read here; make the row again")

    def __reduce__(self) -> tuple:
        return Row, (dict(self), self.where)


def unlike(table: Iterable[dict]) -> str:
    """Return where an entry of a cell is of another kind than in the other rows; "" if none stands out.

    Parameters
    ----------
    table : iterable of Row

    Returns
    -------
    str

    Examples
    --------
    >>> of = minisparse.lab.rows.Row
    >>> table = [of({"key": "", "accuracy": value}, f"a.jsonl line {k}") for k, value in enumerate(([1], 2, [3]), 1)]
    >>> minisparse.lab.rows.unlike(table)
    "a.jsonl line 2, under 'accuracy',"
    """
    cells, odd = [row for row in table if "key" in row], []
    for name in dict.fromkeys(name for row in cells for name in row):
        kinds = [(_kind(row[name]), row) for row in cells if name in row]
        (_, most), *others = Counter(kind for kind, _ in kinds).most_common()
        odd += [(count, f"{next(row for kind, row in kinds if kind == other).where}, under {name!r},")
                for other, count in others if count < most]  # fmt: skip
    return min(odd, default=(0, ""), key=lambda found: found[0])[1]


def _kind(value: Any) -> str:
    """Return what an entry holds, in one word; a number may be missing, as that of a delay without end."""
    if isinstance(value, list):
        return f"list of {', '.join(sorted({_kind(item) for item in value}))}"
    return "number" if value is None or isinstance(value, (bool, int, float)) else type(value).__name__


def _parse(line: bytes) -> tuple[str, dict]:
    """Return what is wrong with a line, in words, and its row."""
    try:
        row = json.loads(line.decode("utf-8"), parse_int=_whole)
    except UnicodeDecodeError as error:
        return f"is no text in UTF-8 (at its byte {error.start + 1})", {}
    except (ValueError, RecursionError) as error:  # no JSON, a number of thousands of digits, lists in lists in lists
        return f"is no JSON object ({shortened(str(error), 100)})", {}
    if not isinstance(row, dict):
        return f"is no JSON object but {shown(row)}", {}
    kinds = CLAIM if row.get("part") == "claim" else CELL if "key" in row else {}
    for name, kind in {**kinds, **{name: kind for name, kind in ANY.items() if name in row}}.items():
        if name not in row:
            return f"has no {name!r}, which it should have", {}
        if not isinstance(row[name], kind):
            return f"has {shown(row[name])} under {name!r}, which should be {WORDS[kind]}", {}
    if not isinstance(row.get("made_by", {"command": ""}).get("command"), str):
        return "does not say under 'made_by' which 'command' made it", {}
    if kinds is CLAIM and row["status"] not in STATUSES:
        return f"has the status {shown(row['status'])}, which is none of {', '.join(STATUSES)}", {}
    if kinds is CLAIM and not all(type(value) in (int, float) for value in row["numbers"].values()):
        return "has something under 'numbers' that is no number", {}
    return "", row


def _whole(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def recorded(file: str, words: str = "") -> None:
    """Print what another command came to, from its result file; nothing if there is none.

    Parameters
    ----------
    file : str
        In ``chapters/results/``, without its ending.
    words : str
        Only the claims with these words.

    Examples
    --------
    >>> minisparse.lab.rows.recorded("no-such-file")
    """
    claims = [row for row in read(RESULTS / f"{file}.jsonl") if row["part"] == "claim" and words in row["claim"]]
    for row in (row for row in claims if row["status"] != "NOT RUN"):
        text = f"  {row['figure']:4s} {row['claim']}: {row['status']}; {row['ours']}"
        print(textwrap.fill(text, 100, subsequent_indent=" " * 7))


def read_once(path: Path) -> list[dict]:
    """Read rows once, as long as their file has not changed; leave them as they are.

    Returns
    -------
    list of dict
    """
    return _read_once(path, path.stat().st_mtime_ns)


@functools.lru_cache(64)
def _read_once(path: Path, changed: int) -> list[dict]:
    return read(path)


def write(path: Path, rows: Iterable[dict]) -> None:
    """Write rows so that a reader finds the old file or the new one, never a part of one.

    Parameters
    ----------
    path : Path
    rows : iterable of dict
    """
    text = "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)
    write_aside(path, lambda file: file.write(text.encode()))


def finish(args: Namespace, name: str, claims: Iterable[dict], files: Iterable[str], suffix: str = "") -> None:
    """End a chapter: add its claims to its rows, record all if ``--record`` is given, and say what was written.

    ``rows.jsonl`` then holds the rows of the cells and these rows, older ones that no cell has made are dropped.
    Recorded, it is called ``NAME+SUFFIX.jsonl``, the figure ``NAME+SUFFIX.png`` keeps its name, and any other figure
    gets ``NAME+SUFFIX-`` before its own.

    Parameters
    ----------
    args : namespace
        From `cli.chapter`.
    name : str
        The chapter's.
    claims : iterable of dict
        From `claims.claim` and `claims.not_run`, or other rows with a ``part``. A claim that is not run and has a
        command is kept in the file without a suffix alone, so that a chapter lists it once.
    files : iterable of str
        The figures in ``args.out``, each a PNG file with an SVG file beside it.
    suffix : str
        Says in what a run differs from the default one: "-mnist-1000".
    """
    table, files = Path(args.out) / "rows.jsonl", [file for file in files if file != "rows.jsonl"]
    kept = [{**row, "made_by": args.made_by} for row in claims if not (suffix and row.get("command"))]
    write(table, [row for row in read(table) if "key" in row] + kept)
    named = f"{name}{suffix}"
    targets = {"rows.jsonl": f"{named}.jsonl", f"{named}.png": f"{named}.png"}
    for file in ["rows.jsonl", *files] if args.record else ():
        target = RESULTS / targets.get(file, f"{named}-{file}")
        for kind in (target.suffix, ".svg")[: 1 + (target.suffix == ".png")]:
            content = (Path(args.out) / file).with_suffix(kind).read_bytes()
            write_aside(target.with_suffix(kind), lambda handle, content=content: handle.write(content))
    if args.record:
        print(f"recorded in {RESULTS}")
    for file in [*files, "rows.jsonl"]:
        print(f"wrote {Path(args.out) / file}")
