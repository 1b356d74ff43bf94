"""Other forms of a report: a table for a notebook, a program that runs the check again."""

from __future__ import annotations

import html
import itertools
import math
from typing import Any

WRONG, RIGHT, UNSEEN = "#f4c7b8", "#cfe8d5", "#eeeeee"
"""Colours of entries."""
MOST = 400
"""Entries of a tensor up to which each is shown."""
HEADS = ("tensor", "shape", "judged", "worst at", "analytic", "numeric", "verdict")


def as_html(report: Any) -> str:
    """Return a table of a report; of a wrong tensor its entries, the wrong ones in colour.

    Parameters
    ----------
    report : GradientReport

    Returns
    -------
    str
        HTML without style sheets or scripts.
    """
    lines = ["<table><tr>", *(f"<th>{head}</th>" for head in HEADS), "</tr>"]
    for row in report.rows:
        wrong = any(entry.verdict == "disagrees" for entry in row.entries)
        worst = "" if row.worst is None else ", ".join(map(str, row.worst))
        cells = (row.tensor, " × ".join(map(str, row.shape)), f"{row.judged} of {row.total or row.judged}", worst,
                 f"{row.analytic:.6g}", f"{row.numeric:.6g}", "disagrees" if wrong else "agrees")  # fmt: skip
        colour = f' style="background:{WRONG}"' if wrong else ""
        lines += [f"<tr{colour}>", *(f"<td>{html.escape(cell)}</td>" for cell in cells), "</tr>"]
        if wrong and (picture := _picture(row)):
            lines.append(f"<tr><td></td><td colspan={len(HEADS) - 1}>{picture}</td></tr>")
    said = [f"{finding.tensor}: {finding.sentence} [{finding.code}]" for finding in report.findings]
    texts = [*said, *report.notes, report.verdict()]
    return "".join([*lines, "</table>", *(f"<p>{html.escape(text)}</p>" for text in texts)])


def as_program(case: tuple | None) -> str:
    """Return a program that checks a pair of functions again.

    Parameters
    ----------
    case : tuple or None
        Of forward, backward, inputs and settings of `check_pair`; None if it was not that which was checked.

    Returns
    -------
    str
    """
    if case is None:
        return "# a model of the library was checked: minisparse.check(model, params, x, labels)\n"
    *functions, inputs, settings = case
    lines = ["import numpy as np", "import minisparse", ""]
    for function, role in zip(functions, ("forward", "backward"), strict=True):
        name, home = getattr(function, "__qualname__", "<lambda>"), getattr(function, "__module__", None)
        named = name.isidentifier() and home not in (None, "__main__")
        lines.append(f"from {home} import {name} as {role}" if named else f"# put {role} here ({name})")
    if isinstance(inputs, dict):
        lines += ["", "inputs = {", *(f"    {name!r}: {_literal(value)}," for name, value in inputs.items()), "}"]
    else:
        lines += ["", "inputs = [", *(f"    {_literal(value)}," for value in inputs), "]"]
    extra = "".join(f", {key}={value!r}" for key, value in settings.items())
    return "\n".join([*lines, f"print(minisparse.check_pair(forward, backward, inputs{extra}))", ""])


def _literal(value: Any) -> str:
    """Write a value so that Python reads the same numbers again."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name!r}: {_literal(each)}" for name, each in value.items()) + "}"
    return f"np.array({value.tolist()!r}, dtype={str(value.dtype)!r})" if hasattr(value, "dtype") else repr(value)


def _picture(row: Any) -> str:
    """Return a small table of a tensor's entries: wrong, right, and not looked at."""
    entries = {entry.place: entry for entry in row.entries if entry.place is not None}
    if not entries or not 0 < math.prod(row.shape) <= MOST:
        return ""
    width, cells = row.shape[-1] if row.shape else 1, []
    for k, place in enumerate(itertools.product(*map(range, row.shape))):
        entry = entries.get(place)
        wrong = entry is not None and entry.verdict == "disagrees"
        colour = WRONG if wrong else RIGHT if entry is not None and entry.verdict == "agrees" else UNSEEN
        text = f"{entry.analytic:.3g} / {entry.numeric:.3g}" if entry is not None and wrong else ""
        cells.append(("<tr>" if k % width == 0 else "") + f'<td style="background:{colour}">{text}</td>')
    return f"<table>{''.join(cells)}</table>analytic / numeric where they disagree"
