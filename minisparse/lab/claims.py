"""Claims: a paper's statement against the numbers of our seeds, whether it holds, and what has not been run yet."""

from __future__ import annotations

import math
import re
import statistics
import textwrap
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ..errors import InputError
from .provenance import ROOT, words_of

STATUSES = (
    "REPRODUCED",
    "REPRODUCED AT REDUCED SIZE",
    "REPRODUCED ONLY IN RELEASED-CODE MODE",
    "NOT REPRODUCED",
    "NOT RUN",
    "REPORTED",
)
"""What a claim can come to; REPORTED: numbers without a gate, because the paper gives none."""
PAPERS = {
    **dict.fromkeys(("dale", "gain", "representations", "sparse_rnn"), "Fruengel & Oberlaender 2025"),
    **dict.fromkeys(("dendritic", "equations"), "Bird & Cuntz"),
    "g2gnet": "Konstantaropoulos, Smirnakis & Papadopouli 2025, the abstract",
    "rewiring": "Mocanu et al. 2018, Bellec et al. 2018, Evci et al. 2020, Zhang et al. 2024",
}
"""The paper whose statements a chapter tests."""
WITHOUT_EFFECT = ("yes", "resume", "record", "budget", "jobs", "scheduler", "out", "data-dir")
"""Flags that leave a chapter's rows as they are."""


def spread(values: Sequence[float | None], digits: int = 1) -> str:
    """Return the mean and, of two or more values, their standard deviation (n - 1); None is no value.

    Examples
    --------
    >>> [minisparse.lab.claims.spread(values) for values in ([1.0, 2.0, None], [3.0], [])]
    ['1.5 ± 0.7', '3.0', 'none']
    """
    found = [value for value in values if value is not None]
    if not found:
        return "none"
    sd = f" ± {statistics.stdev(found):.{digits}f}" if len(found) > 1 else ""
    return f"{statistics.mean(found):.{digits}f}{sd}"


def status(holds: bool | None, full: bool = True) -> str:
    """Return a claim's status.

    Parameters
    ----------
    holds : bool or None
        Whether it is as the paper says; None where the paper gives no gate.
    full : bool
        Whether the setting is the paper's.

    Returns
    -------
    str
        One of `STATUSES`.
    """
    if holds is None:
        return "REPORTED"
    return "NOT REPRODUCED" if not holds else "REPRODUCED" if full else "REPRODUCED AT REDUCED SIZE"


def near(values: Sequence[float], mean: float, sd: float, seeds: int = 10) -> bool:
    """Whether the mean of some seeds is a paper's: within twice the standard error of their difference, plus 1.

    Parameters
    ----------
    values : sequence of float
        Ours, in percent; without any the answer is no.
    mean, sd : float
        The paper's, over that many seeds.
    seeds : int

    Returns
    -------
    bool

    Examples
    --------
    >>> minisparse.lab.claims.near([88.0, 90.0], 90.3, 2.0), minisparse.lab.claims.near([80.0, 81.0], 90.3, 2.0)
    (True, False)
    """
    if not values:
        return False
    ours = statistics.variance(values) / len(values) if len(values) > 1 else 0.0
    return abs(statistics.mean(values) - mean) <= 2 * math.sqrt(sd**2 / seeds + ours) + 1


def clearly(more: Sequence[float], less: Sequence[float], level: float = 0.05) -> bool | None:
    """Whether the mean of one set of values is above that of another, by Welch's test.

    Parameters
    ----------
    more, less : sequence of float
        One value per seed.
    level : float
        Largest one-sided p value that counts as clear.

    Returns
    -------
    bool or None
        None where one set has fewer than three values: nothing can be told.

    Examples
    --------
    >>> clearly = minisparse.lab.claims.clearly
    >>> clearly([90, 91, 92], [80, 82, 84]), clearly([80, 90, 100], [81, 89, 97]), clearly([90, 91], [1, 2])
    (True, False, None)
    """
    from scipy.stats import ttest_ind

    if min(len(more), len(less)) < 3:
        return None
    if statistics.stdev(more) == statistics.stdev(less) == 0:
        return statistics.mean(more) > statistics.mean(less)
    return bool(ttest_ind(more, less, equal_var=False, alternative="greater").pvalue < level)


def claim(
    figure: str, statement: str, setting: str, found: dict[str, Sequence[float | None] | float], status: str,
    paper: str = "", digits: int = 1, note: str = "",
) -> dict:  # fmt: skip
    """Return a row that sets a paper's statement against our numbers.

    Parameters
    ----------
    figure : str
        Of the paper: "6B", "Eq 4", "Table 1".
    statement, setting : str
        What the paper says, and what we ran.
    found : dict
        Our numbers by name: a list of values, one per seed (None is no value), whose mean and standard deviation are
        shown; or one number, which is kept for the comparison in `verify` and not shown: say it in the note.
    status : str
        One of `STATUSES`.
    paper : str
        The paper's number, "" if it gives none.
    digits : int
        Behind the point.
    note : str
        What else there is to say about ours.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If the status is unknown.

    Examples
    --------
    >>> row = minisparse.lab.claims.claim("6B", "it learns", "digits", {"p = 1": [1.0, 2.0]}, "REPORTED")
    >>> row["ours"], row["numbers"]
    ('p = 1 1.5 ± 0.7', {'p = 1': 1.5})
    """
    if status not in STATUSES:
        raise InputError(f"status {status!r} is unknown; choose one of {', '.join(STATUSES)}")
    lists = {name: values for name, values in found.items() if isinstance(values, Collection)}
    ours = "; ".join([*(f"{name} {spread(values, digits)}" for name, values in lists.items()), *filter(None, [note])])
    finite = {name: [v for v in lists.get(name, [v]) if v is not None] for name, v in found.items()}
    numbers = {name: statistics.mean(values) for name, values in finite.items() if values}
    said = {"figure": figure, "claim": statement, "setting": setting, "ours": ours, "paper": paper, "status": status}
    return {"part": "claim", **said, "numbers": numbers}


class Judged(list):
    """The claims of one run, as rows; each is printed when it is judged.

    Parameters
    ----------
    setting : str
        What was run.
    full : bool
        Whether that is the paper's setting.

    Examples
    --------
    >>> claims = minisparse.lab.Judged("digits, 2 seeds")
    >>> claims.judge("6B", "it learns", {"accuracy (%)": [90.0, 92.0]}, True)
      6B   it learns: REPRODUCED AT REDUCED SIZE
           accuracy (%) 91.0 ± 1.4
    """

    def __init__(self, setting: str, full: bool = False):
        super().__init__()
        self.setting, self.full = setting, full

    def judge(self, figure: str, statement: str, found: dict, holds: bool | None = None, paper: str = "",
              **more: Any) -> None:  # fmt: skip
        """Add and print a claim.

        Parameters
        ----------
        figure, statement, found, paper
            As for `claim`.
        holds : bool, optional
            Whether it is as the paper says; without it the numbers are REPORTED.
        **more
            ``digits`` and ``note`` of `claim`; ``setting`` and ``full``, where they differ from those of the run.
        """
        setting, full = more.pop("setting", self.setting), more.pop("full", self.full)
        self.append(claim(figure, statement, setting, found, status(holds, full), paper, **more))
        for text in (f"  {figure:4s} {statement}: {self[-1]['status']}", f"{'':7s}{self[-1]['ours']}"):
            print(textwrap.fill(text, 100, subsequent_indent=" " * 7))


def matched(number: str, paper: dict[str, float], ours: dict[str, float]) -> bool:
    """Print the number that an effect hangs on, in the paper's networks and in ours, and whether they are equal.

    Parameters
    ----------
    number : str
        What it is.
    paper, ours : dict
        Name of a network to its number; the same names.

    Returns
    -------
    bool
        Whether they are equal, to one in a hundred.

    Examples
    --------
    >>> minisparse.lab.claims.matched("gain per step", {"dense": 10.0, "sparse": 1.0}, {"dense": 10.0, "sparse": 2.0})
    the number: gain per step
      dense         the paper's 10         here 10         equal
      sparse        the paper's 1          here 2          NOT equal
    False
    """
    print(f"the number: {number}")
    equal = {name: math.isclose(value, ours[name], rel_tol=0.01) for name, value in paper.items()}
    for name, value in paper.items():
        print(f"  {name:14s}the paper's {value:<11.3g}here {ours[name]:<11.3g}{'NOT ' * (not equal[name])}equal")
    return all(equal.values())


def not_run(figure: str, statement: str, paper: str = "", command: str = "", needs: str = "") -> dict:
    """Return a claim that nobody has run yet, with the command that would and what that needs.

    Parameters
    ----------
    figure, statement, paper : str
        As for `claim`.
    command : str
        ``[NAME=VALUE ...] python chapters/NAME.py [--flag ...]``; "" for a drawing, which has nothing to run.
    needs : str
        Why it has not been run; without it that is said by the command.

    Returns
    -------
    dict
    """
    needs = needs or ("a GPU" if "cupy" in command else "an hour or more of two cores" if command else "")
    needs += ", and the Sleep data" * ("--dataset sleep" in command)
    return {**claim(figure, statement, "", {}, "NOT RUN", paper), "command": command, "needs": needs}


def planned(name: str, table: str = "") -> list[dict]:
    """Return a chapter's claims that nobody has run yet.

    Parameters
    ----------
    name : str
        The chapter's.
    table : str
        If not given, ``chapters/not_run/NAME.txt``. An entry is "figure | statement | paper", over several lines if
        all but the first are indented. Its last line may be "$ cpu FLAGS" or "$ gpu FLAGS": the flags of the chapter
        that would run it, on a GPU at the paper's size.

    Returns
    -------
    list of dict
        From `not_run`.

    Examples
    --------
    >>> (row,) = minisparse.lab.claims.planned("dale", "6B | dense waits | no number\\n    $ cpu --seeds 3")
    >>> row["command"]
    'python chapters/dale.py --seeds 3 --record'
    """
    found, table = [], table or (ROOT / "chapters" / "not_run" / f"{name}.txt").read_text(encoding="utf-8")
    for entry in re.split(r"\n(?!\s)", table.strip()):
        text, _, run = entry.partition("$ ")
        figure, statement, paper = (" ".join(part.split()) for part in f"{text} ||".split("|")[:3])
        kind, _, flags = run.strip().partition(" ")
        command = f"python chapters/{name}.py {flags} --record" if kind else ""
        if kind == "gpu":
            flags = f"--paper {flags} --out out/gpu/{figure.replace(' ', '-')} --yes --resume"
            command = f"BACKEND=cupy python chapters/{name}.py {flags} --record"
        found.append(not_run(figure, statement, paper, " ".join(command.split())))
    return found


def setting(command: str) -> dict[str, list[str]]:
    """Return what a chapter's command line asks for: its script and flags, without those that change no row.

    Parameters
    ----------
    command : str
        ``[NAME=VALUE ...] python SCRIPT [--flag [VALUE ...] ...]``

    Returns
    -------
    dict
        The values given to each flag; the script is under "".

    Examples
    --------
    >>> minisparse.lab.claims.setting("BACKEND=cupy python chapters/gain.py --figure 6C 6D --jobs 2 --record")
    {'': ['chapters/gain.py'], 'figure': ['6C', '6D']}
    """
    found: dict[str, list[str]] = {"": []}
    flag = ""
    for word in words_of(command):
        if word.startswith("--"):
            flag, _, value = word[2:].partition("=")
            found[flag] = [value] if value else []
        else:
            found[flag].append(word)
    return {flag: values for flag, values in found.items() if flag not in WITHOUT_EFFECT}


def missing(wanted: Iterable[dict], recorded: Iterable[dict]) -> list[dict]:
    """Return the claims not run that no recorded claim answers: of the same figure, from a command of the same setting.

    Parameters
    ----------
    wanted : iterable of dict
        From `not_run`; one recorded twice counts once. Without a command there is nothing to run, and it stays.
    recorded : iterable of dict
        Claims of result files.

    Returns
    -------
    list of dict
    """
    answered = [(row["figure"], setting(row["made_by"]["command"])) for row in recorded if row["status"] != "NOT RUN"]
    once = {(row["figure"], row["claim"], row["command"]): row for row in wanted}.values()
    return [row for row in once if not row["command"] or (row["figure"], setting(row["command"])) not in answered]
