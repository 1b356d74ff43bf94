"""What a gradient check found, as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """The verdict on one tensor.

    Attributes
    ----------
    tensor : str
    shape : tuple of int
    judged, not_judged : int
        Entries compared, and entries left out for `reason`.
    reason : str
        Why some entries could not be judged, or "".
    worst : tuple of int or None
        Index of the largest disagreement (None in directional mode).
    analytic, numeric : float
        The two gradients there.
    error : float
        ``max|analytic - numeric| / (max|numeric| + 1e-8 |f|)``, dimensionless.
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


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: a stable code, the tensor, and a sentence."""

    code: str
    tensor: str
    sentence: str


class GradientReport:
    """What a gradient check found, as data; printing it is one rendering.

    Attributes
    ----------
    rows : tuple of Row
        One per tensor checked.
    findings : tuple of Finding
        Everything that is wrong; empty if all is well. Codes: missing, extra, shape, aliased, changed-input,
        not-deterministic, not-finite, off-pattern, mismatch, unjudged.
    not_checked : tuple of str
        Inputs left out.
    mode : str
        "entries" or "direction".

    Examples
    --------
    >>> def forward(x):
    ...     return x * x, x
    >>> report = minisparse.check_pair(forward, lambda dy, x: {"x": dy * x}, {"x": numpy.array([1.0, 3.0])})
    >>> report.ok, [finding.code for finding in report.findings]
    (False, ['mismatch'])
    """

    def __init__(
        self, rows: Iterable[Row], findings: Iterable[Finding], not_checked: Iterable[str] = (), mode: str = "entries"
    ):
        self.rows, self.findings, self.not_checked = tuple(rows), tuple(findings), tuple(not_checked)
        self.mode = mode

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def assert_ok(self) -> None:
        """Raise AssertionError with the whole report if anything is wrong."""
        if not self.ok:
            raise AssertionError(str(self))

    def to_dict(self) -> dict:
        """Return the report in plain values."""
        return {
            "ok": self.ok,
            "mode": self.mode,
            "rows": [asdict(row) for row in self.rows],
            "findings": [asdict(finding) for finding in self.findings],
            "not_checked": list(self.not_checked),
        }

    def __add__(self, other: GradientReport) -> GradientReport:
        return GradientReport(
            self.rows + other.rows, self.findings + other.findings, self.not_checked + other.not_checked, self.mode
        )

    def __str__(self) -> str:
        lines = [
            f"{'tensor':10s}{'shape':>14s}{'judged':>9s}{'worst at':>12s}{'analytic':>14s}{'numeric':>14s}{'error':>9s}"
        ]
        for row in self.rows:
            judged = f"{row.judged}/{row.judged + row.not_judged}"
            worst = "-" if row.worst is None else ",".join(map(str, row.worst))
            shape = " x ".join(map(str, row.shape)) or "scalar"
            lines.append(
                f"{row.tensor:10s}{shape:>14s}{judged:>9s}{worst:>12s}"
                f"{row.analytic:14.6e}{row.numeric:14.6e}{row.error:9.1e}"
            )
            if row.not_judged:
                lines.append(f"{'':10s}{row.not_judged} not judged here: {row.reason}")
        lines += [f"NOT CHECKED: {', '.join(self.not_checked)}"] if self.not_checked else []
        lines += [f"{finding.tensor}: {finding.sentence} [{finding.code}]" for finding in self.findings]
        return "\n".join([*lines, "gradients agree" if self.ok else "GRADIENTS DISAGREE"])

    __repr__ = __str__
