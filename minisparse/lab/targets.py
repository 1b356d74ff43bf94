"""What a paper shows and no result file holds yet: ``chapters/targets.jsonl``, and whether a target has been run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

WITHOUT_EFFECT = ("yes", "resume", "record", "budget", "jobs", "scheduler", "out", "data-dir")
"""Flags that leave a chapter's rows as they are."""


def setting(command: str) -> dict[str, list[str]]:
    """Return what a chapter's command line asks for: its script and flags, without those that change no row.

    Parameters
    ----------
    command : str
        ``[NAME=VALUE ...] python SCRIPT [--flag [VALUE ...] ...]``

    Returns
    -------
    dict
        The values given to each flag; the script stands under "".

    Examples
    --------
    >>> minisparse.lab.targets.setting("BACKEND=cupy python chapters/gain.py --figure 6C 6D --jobs 2 --record")
    {'': ['chapters/gain.py'], 'figure': ['6C', '6D']}
    """
    words = shlex.split(command)
    found: dict[str, list[str]] = {"": []}
    flag = ""
    for word in words[words.index("python") + 1 :]:
        if word.startswith("--"):
            flag, _, value = word[2:].partition("=")
            found[flag] = [value] if value else []
        else:
            found[flag].append(word)
    return {flag: values for flag, values in found.items() if flag not in WITHOUT_EFFECT}


def missing(targets: Iterable[dict], claims: Iterable[dict]) -> list[dict]:
    """Return the targets that no recorded claim answers: of the same figure, made by a command of the same setting.

    Parameters
    ----------
    targets : iterable of dict
        With figure and command; without a command there is nothing to run, and the target stays.
    claims : iterable of dict
        Rows of result files.

    Returns
    -------
    list of dict
    """
    answered = [(row["figure"], setting(row["made_by"]["command"])) for row in claims if row["status"] != "NOT RUN"]
    return [row for row in targets if not row["command"] or (row["figure"], setting(row["command"])) not in answered]


def table(targets: Iterable[dict]) -> list[str]:
    """Return the lines of a Markdown table of targets.

    Parameters
    ----------
    targets : iterable of dict
        With figure, claim, paper and command.

    Returns
    -------
    list of str
    """
    lines = ["| figure | claim | command | paper | status |", "|---|---|---|---|---|"]
    for row in targets:
        command = f"`{row['command']}`" if row["command"] else ""
        status = "NOT RUN" if command else "a drawing, nothing to run"
        lines.append(f"| {row['figure']} | {row['claim']} | {command} | {row['paper'] or 'no number'} | {status} |")
    return lines
