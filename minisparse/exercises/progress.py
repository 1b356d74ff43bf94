"""What a student has done so far: one small JSON file beside the exercises. Nothing is sent anywhere."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import FileError
from ..files import write_aside
from .report import Report

FOLDER = Path("exercises")
"""Where the files are that a student fills in."""
FILE = "progress.json"


def read(folder: Path = FOLDER) -> dict[str, dict]:
    """Return the states ("tried", "done") and the numbers of hints shown, by the parts' names.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return {"states": {}, "hints": {}}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {kind: {str(key): value for key, value in found[kind].items()} for kind in ("states", "hints")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileError(f"{path} cannot be read as progress ({error}); move it away to begin anew") from error


def record(report: Report, folder: Path = FOLDER) -> None:
    """Keep what a report says: a part that was done once stays done."""
    found = read(folder)
    for part in report.parts:
        key = f"{report.name}.{part.name}"
        if part.state != "new" and found["states"].get(key) != "done":
            found["states"][key] = "done" if part.state == "done" else "tried"
    _write(found, folder)


def next_hint(key: str, last: int, folder: Path = FOLDER) -> int:
    """Return which hint is shown next for a part, from 0; the last one is shown again and again."""
    found = read(folder)
    shown = min(int(found["hints"].get(key, 0)), last)
    found["hints"][key] = shown + 1
    _write(found, folder)
    return shown


def state(name: str, parts: tuple[str, ...], found: dict[str, dict]) -> str:
    """Return "new", "tried" with a count, or "done", of a whole exercise."""
    states = [found["states"].get(f"{name}.{part}") for part in parts]
    done = states.count("done")
    return "done" if done == len(states) else f"{done} of {len(states)}" if any(states) else "new"


def _write(found: dict[str, dict], folder: Path) -> None:
    text = json.dumps(found, indent=1, sort_keys=True)
    write_aside(folder / FILE, lambda file: file.write(text.encode()))
