"""Every chapter runs to its end over the strict double, so nothing in it needs NumPy's leniency."""

import json
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import strict_double

import minisparse

CHAPTERS = sorted((Path(__file__).parents[2] / "chapters").glob("*.py"))


def cli_help(chapter):
    command = [sys.executable, str(chapter), "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_gives_the_same_numbers_as_on_numpy(chapter, tmp_path, monkeypatch):
    curves, verdicts = {}, {}
    trains = "--epochs" in cli_help(chapter)
    flags = ["--storage", "dense"] if trains else []
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    for name, backend in (("numpy", "numpy"), ("double", strict_double.cupy)):
        out = tmp_path / name
        monkeypatch.setattr(sys, "argv", [str(chapter), "--smoke", *flags, "--out", str(out)])
        with minisparse.use(backend):
            runpy.run_path(str(chapter), run_name="__main__")
        rows = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
        curves[name] = [row.get("accuracy") or row.get("after_rewiring", []) for row in rows if "config" in row]
        kept = [row for row in rows if row["part"] in ("lies", "sizes", "catalogue", "findings")]
        verdicts[name] = [{key: value for key, value in row.items() if key != "made_by"} for row in kept]
    assert curves["numpy"] if trains else verdicts["numpy"]
    assert verdicts["numpy"] == verdicts["double"]
    for ours, theirs in zip(curves["numpy"], curves["double"], strict=True):
        assert ours == pytest.approx(theirs, abs=2)
