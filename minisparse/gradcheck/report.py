"""What a gradient check found, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from .render import as_html, as_program


class Entry(NamedTuple):
    """The verdict on one entry of a tensor.

    Attributes
    ----------
    place : tuple of int or None
        None for a direction.
    analytic : float
    verdict : {"agrees", "disagrees", "not told"}
    reason : str
        Why it cannot be told: kink, fine structure, rounding, domain, or precision (of what forward computes with).
        "complex step" where that has told it, "nothing moves" where no output depends on the entry.
    numeric, bar : float
        The slope, and how far off it may be.
    """

    place: tuple[int, ...] | None
    analytic: float
    verdict: str
    reason: str
    numeric: float
    bar: float


@dataclass(frozen=True)
class Row:
    """The verdict on one tensor.

    Attributes
    ----------
    tensor : str
    shape : tuple of int
    judged, not_judged : int
        Entries of which it is told whether they agree, and those of which it is not, for `reason`.
    reason : str
        Why some entries could not be judged, or "".
    worst : tuple of int or None
        Index of the largest disagreement (None in directional mode).
    analytic, numeric : float
        The two gradients there.
    error : float
        ``|analytic - numeric| / (max|numeric| + 1e-8 |f|)`` there, dimensionless. The verdict does not rest on it: each
        entry is judged against itself.
    total : int
        Entries that could be judged.
    sampled : bool
        Whether only some of them were looked at, because the others agree in groups, along random directions.
    entries : tuple of Entry
        Those that were looked at. After a dozen that disagree the rest is left alone.
    """

    tensor: str
    shape: tuple[int, ...]
    judged: int
    not_judged: int
    reason: str
    worst: tuple[int, ...] | None
    analytic: float
    numeric: float
    error: float
    total: int = 0
    sampled: bool = False
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: a stable code, the tensor, a sentence, and what it rests on.

    Attributes
    ----------
    code : str
        See `GradientReport`.
    tensor : str
    sentence : str
    evidence : dict
        Numbers and names behind the sentence, such as ``{"factor": 0.25, "quantity": "1/4 (x.shape[1])"}``.
    """

    code: str
    tensor: str
    sentence: str
    evidence: dict[str, Any] = field(default_factory=dict)


class GradientError(AssertionError):
    """A gradient is wrong; the report is written, and what is wrong explained, when the message is read.

    Hypothesis raises an error for every smaller example that it tries, and shows the last one alone.
    """

    def __init__(self, report: GradientReport):
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        return str(self.report)


class GradientReport:
    """What a gradient check found, as data; printing it is one rendering.

    Attributes
    ----------
    rows : tuple of Row
        One per tensor checked.
    findings : tuple of Finding
        Everything that is wrong; empty if all is well. They are explained when they are read for the first time, which
        takes longer than the check; `ok` does not ask for it. Their codes:

        * the answer itself: missing, extra, type, shape, changed-input, not-deterministic, state, unused, not-finite;
        * the numbers, explained: zero, sign, factor, step-factor, operand, along, path, term-sign, unchanged, confined,
          summand, truncated, mixed, diagonal, transpose, permuted, swapped, summed, ignores-dy, not-linear,
          off-pattern;
        * the numbers, not explained: mismatch, unjudged;
        * for models of this library, a code of the catalogue;
        * for training steps: step, constraint.
    not_checked : tuple of str
        Inputs left out.
    mode : str
        "entries" or "direction".
    sizes : dict
        Shapes of the inputs and the output, or the named sizes of a model.
    blind : tuple of str
        What these sizes cannot show.
    notes : tuple of str
        What was done to the inputs before the check.
    raw : tuple of Finding
        The findings as the check left them, until they are explained.
    case : tuple or None
        What `reproduce` writes down: forward, backward, inputs, settings.

    Examples
    --------
    >>> def forward(x):
    ...     return x * x, x
    >>> report = minisparse.check_pair(forward, lambda dy, x: {"x": dy * x}, {"x": numpy.array([1.0, 3.0])})
    >>> report.ok, [finding.code for finding in report.findings]
    (False, ['factor'])
    """

    def __init__(
        self,
        rows: Iterable[Row],
        findings: Iterable[Finding],
        not_checked: Iterable[str] = (),
        mode: str = "entries",
        sizes: dict[str, Any] | None = None,
        blind: Iterable[str] = (),
        notes: Iterable[str] = (),
        explain: Callable[[], tuple[Iterable[Finding], Iterable[str]]] | None = None,
    ):
        self.rows, self.raw, self.not_checked = tuple(rows), tuple(findings), tuple(not_checked)
        self._explain = explain
        self.case: tuple | None = None
        self.mode, self.sizes, self.blind, self.notes = mode, dict(sizes or {}), tuple(blind), tuple(notes)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that is wrong; explained when it is read for the first time."""
        self._read()
        return self.raw

    @property
    def blind(self) -> tuple[str, ...]:
        """What the sizes cannot show."""
        self._read()
        return self._blind

    @blind.setter
    def blind(self, codes: Iterable[str]) -> None:
        self._blind = tuple(codes)

    def _read(self) -> None:
        if self._explain:
            explain, self._explain = self._explain, None
            findings, blind = explain()
            self.raw, self._blind = tuple(findings), tuple(blind)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the findings, each once, in order."""
        return tuple(dict.fromkeys(finding.code for finding in self.findings))

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.raw

    def assert_ok(self) -> None:
        """Raise `GradientError` with the whole report if anything is wrong."""
        __tracebackhide__ = True  # pytest shows the caller's line, not this one
        if not self.ok:
            raise GradientError(self)

    def to_dict(self) -> dict:
        """Return the report in plain values."""
        return {
            "ok": self.ok,
            "mode": self.mode,
            "rows": [asdict(row) for row in self.rows],
            "findings": [asdict(finding) for finding in self.findings],
            "not_checked": list(self.not_checked),
            "sizes": self.sizes,
            "blind": list(self.blind),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [
            f"{'tensor':10s}{'shape':>14s}{'judged':>9s}{'worst at':>12s}{'analytic':>14s}{'numeric':>14s}{'error':>9s}"
        ]
        for row in self.rows:
            judged = f"{row.judged}/{row.total or row.judged + row.not_judged}"
            worst = "-" if row.worst is None else ",".join(map(str, row.worst))
            shape = " x ".join(map(str, row.shape)) or "scalar"
            lines.append(
                f"{row.tensor:10s}{shape:>14s}{judged:>9s}{worst:>12s}"
                f"{row.analytic:14.6e}{row.numeric:14.6e}{row.error:9.1e}"
            )
            if row.sampled:
                lines.append(
                    f"{'':10s}{row.judged + row.not_judged} one by one, all others in groups along random directions"
                )
            if row.not_judged:
                lines.append(f"{'':10s}{row.not_judged} cannot be told: {row.reason}")
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"NOT CHECKED: {', '.join(self.not_checked)}"] if self.not_checked else []
        lines += [f"{finding.tensor}: {finding.sentence} [{finding.code}]" for finding in self.findings]
        lines += [self.verdict()]
        if self.sizes:
            sizes = ", ".join(f"{name} {' x '.join(map(str, size)) or 'scalar'}" for name, size in _shown(self.sizes))
            lines.append(
                f"sizes {sizes}: {'they cannot show ' + ', '.join(self.blind) if self.blind else 'no blind spot'}"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Show the report in a notebook."""
        return as_html(self)

    def reproduce(self) -> str:
        """Return a short program that runs the check again: the inputs as numbers, the functions by their names.

        Returns
        -------
        str
            Where a function has no name that could be imported, a line says that it has to be put there.
        """
        return as_program(self.case)

    def verdict(self) -> str:
        """Say whether gradients agree, and of how many entries, unless it is all."""
        if not self.ok:
            return "GRADIENTS DISAGREE"
        told, hidden = (sum(getattr(row, what) for row in self.rows) for what in ("judged", "not_judged"))
        where = f" where it can be told ({told} of {told + hidden})" if hidden else ""
        return f"gradients agree{where}" + ("; large tensors by a sample" if any(r.sampled for r in self.rows) else "")

    __repr__ = __str__


def _shown(sizes: dict[str, Any]) -> Iterable[tuple[str, tuple]]:
    return ((name, size if isinstance(size, tuple) else (size,)) for name, size in sizes.items())
