"""What an exercise's marks look like: as text, in a notebook, as data."""

from __future__ import annotations

import dataclasses
import html
import textwrap
from typing import Any

from ..gradcheck.report import Finding

STATES = {"done": "done", "wrong": "wrong", "new": "not yet"}
"""What the state of a part is called."""
_COLOURS = {"done": "#cfe8d5", "wrong": "#f4c7b8", "new": "#eeeeee"}


@dataclasses.dataclass(frozen=True)
class Part:
    """The marks of one line, or of one question.

    Attributes
    ----------
    name, what : str
        Such as "R7" and "da[t] = ...".
    state : str
        "done", "wrong" or "new".
    findings : tuple of Finding
        What is wrong, the most telling first; empty if nothing is.
    where : str
        The network in which it showed first.
    printed : str
        The beginning of what the answer printed.
    """

    name: str
    what: str
    state: str
    findings: tuple[Finding, ...] = ()
    where: str = ""
    printed: str = ""

    @classmethod
    def read(cls, name: str, what: str, result: dict[str, Any]) -> Part:
        """Make a part from what the child process says."""
        found = tuple(Finding(f["code"], f["tensor"], f["sentence"]) for f in result["findings"])
        return cls(name, what, result["state"], found, result.get("where", ""), result.get("printed", ""))

    @property
    def sentence(self) -> str:
        """The first finding, with its code and where it showed; "" if nothing is wrong."""
        if not self.findings:
            return ""
        first = self.findings[0]
        beside = ", ".join(text for text in (first.code, self.where) if text)
        return f"{first.sentence} [{beside}]"


class Report:
    """The marks of an exercise.

    Attributes
    ----------
    name : str
    parts : tuple of Part
    """

    def __init__(self, name: str, parts: tuple[Part, ...]):
        self.name, self.parts = name, parts

    @property
    def ok(self) -> bool:
        """Whether every part is done."""
        return all(part.state == "done" for part in self.parts)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong in all parts."""
        return tuple(finding for part in self.parts for finding in part.findings)

    def __getitem__(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)

    @property
    def score(self) -> tuple[int, int]:
        """How many parts are done, and how many there are."""
        return sum(part.state == "done" for part in self.parts), len(self.parts)

    def __str__(self) -> str:
        done, total = self.score
        rows = [f"{self.name}: {done} of {total} done"] if total > 1 else []
        first, second = (max((len(getattr(part, what)) for part in self.parts), default=0) for what in ("name", "what"))
        said: dict[str, str] = {"": ""}
        printed = next((part.printed for part in self.parts if part.printed), "")
        for part in self.parts:
            rows.append(f"  {part.name:<{first}}  {part.what:<{second}}  {STATES[part.state]}")
            text = f"as for {said[part.sentence]}" if said.get(part.sentence) else part.sentence
            if part.findings and part.findings[0].code not in ("number", "mismatch"):  # these say no cause
                said.setdefault(part.sentence, part.name)
            rows += textwrap.wrap(text, 92, initial_indent="       ", subsequent_indent="       ")
        rows += [f"  it prints: {' '.join(printed.split())[:80]}"] if printed else []
        return "\n".join(rows)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = []
        for part in self.parts:
            cells = (part.name, part.what, STATES[part.state], part.sentence)
            inner = "".join(f'<td style="text-align:left">{html.escape(cell)}</td>' for cell in cells)
            rows.append(f'<tr style="background:{_COLOURS[part.state]}">{inner}</tr>')
        return f"<table>{''.join(rows)}</table>"
