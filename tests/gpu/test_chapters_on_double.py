"""Every chapter runs to its end over the strict double, so nothing in it needs NumPy's leniency."""

import json
import runpy
import sys
import warnings
from pathlib import Path

import pytest
import strict_double
from helpers.mistakes import few_mistakes

import minisparse

ON_NUMPY = ("bptt", "checks")
"""Chapters that use nothing but NumPy, whatever the backend."""
CHAPTERS = sorted(p for p in (Path(__file__).parents[2] / "chapters").glob("*.py") if p.stem not in ON_NUMPY)
SHORT = {
    "dale": "--figure 6B --nodes 20 --epochs 1 --density 1 0.1",
    "g2gnet": "--epochs 1",
    "dendritic": "--figure 1D --epochs 1",
    "rewiring": "--rules static RigL",
    "sparse_rnn": "--figure 2C",
    "equations": "--seeds 1",
    "task": "--w-max 0.5 --epochs 1 --trials 100",
}


@pytest.fixture(params=[pytest.param("whole", marks=pytest.mark.slow), "short"])
def flags(request, monkeypatch):
    """Flags of a chapter; the short form plants every eighth mistake and trains one small network."""
    if request.param == "whole":
        return lambda chapter: []
    few_mistakes(monkeypatch)
    return lambda chapter: SHORT.get(chapter.stem, "").split()


SLOW = ("g2gnet", "equations", "dendritic")
"""Chapters whose short form takes seconds, too."""


@pytest.mark.parametrize(
    "chapter",
    [pytest.param(path, marks=[pytest.mark.slow] * (path.stem in SLOW)) for path in CHAPTERS],
    ids=lambda path: path.stem,
)
def test_a_chapter_gives_the_same_numbers_as_on_numpy(chapter, flags, tmp_path, monkeypatch):
    curves, verdicts = {}, {}
    monkeypatch.setattr(minisparse.plot, "save", lambda *_, **__: None)  # what is drawn is on the host
    trains = "args.storage" in chapter.read_text(encoding="utf-8") or "def run_cell" in chapter.read_text("utf-8")
    given = [*flags(chapter), *(["--storage", "dense"] if trains else [])]
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    for name, backend in (("numpy", "numpy"), ("double", strict_double.cupy)):
        out = tmp_path / name
        monkeypatch.setattr(sys, "argv", [str(chapter), "--smoke", *given, "--out", str(out)])
        with minisparse.use(backend):
            runpy.run_path(str(chapter), run_name="__main__")
        rows = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
        curves[name] = [row.get("accuracy") or row.get("after_rewiring", []) for row in rows if "config" in row]
        kept = [row for row in rows if row["part"] in ("lies", "sizes", "catalogue", "findings", "numbers")]
        verdicts[name] = [{key: value for key, value in row.items() if key != "made_by"} for row in kept]
    assert curves["numpy"] if trains else verdicts["numpy"]
    assert verdicts["numpy"] == verdicts["double"]
    for ours, theirs in zip(curves["numpy"], curves["double"], strict=True):
        assert ours == pytest.approx(theirs, abs=6)  # percent: sums in another order; on NumPy two storages differ so
