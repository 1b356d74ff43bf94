"""Every chapter runs to its end over the strict double, so nothing in it needs NumPy's leniency."""

import json
import runpy
import sys
import warnings
from pathlib import Path

import pytest
import strict_double

import minisparse

CHAPTERS = sorted((Path(__file__).parents[2] / "chapters").glob("*.py"))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_gives_the_same_numbers_as_on_numpy(chapter, tmp_path, monkeypatch):
    curves, verdicts = {}, {}
    flags = [] if chapter.stem == "checks" else ["--storage", "dense"]
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    for name, backend in (("numpy", "numpy"), ("double", strict_double.cupy)):
        out = tmp_path / name
        monkeypatch.setattr(sys, "argv", [str(chapter), "--smoke", *flags, "--out", str(out)])
        with minisparse.use(backend):
            runpy.run_path(str(chapter), run_name="__main__")
        rows = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
        curves[name] = [row["accuracy"] for row in rows if "accuracy" in row]
        kept = [row for row in rows if row["part"] != "steps" and "accuracy" not in row]
        verdicts[name] = [{key: value for key, value in row.items() if key != "made_by"} for row in kept]
    assert curves["numpy"] or verdicts["numpy"]
    assert verdicts["numpy"] == verdicts["double"]
    for ours, theirs in zip(curves["numpy"], curves["double"], strict=True):
        assert ours == pytest.approx(theirs, abs=2)
