"""What is not run yet: every figure has a row, every row's command is one its chapter takes, and a run replaces it."""

import re
import runpy
import shlex
import sys
import warnings
from pathlib import Path

import pytest

from minisparse.lab import cli, provenance, results, targets

ROOT = Path(__file__).parent.parent
TARGETS = results.read(ROOT / "chapters" / "targets.jsonl")
COMMANDS = sorted({row["command"] for row in TARGETS if row["command"]})
ON_A_GPU = [command for command in COMMANDS if command.startswith("BACKEND=cupy ")]
FIGURES = (
    *("1", "2A", "2B", "2C", "2D", "2E", "3A", "3B", "4A", "4B", "5A", "5B", "5C", "5D", "5E"),
    *("6A", "6B", "6C", "6D", "6E", "6F", "S1", "S2", "S3", "S4", "S5A", "S5B", "S5C"),
    *("Table S1", "Table S2", "Table S3"),
)


class ParsedError(Exception):
    """A command line was taken."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one_that_its_chapter_takes(command, monkeypatch):
    def stop(args):
        check(args)
        raise ParsedError(args)

    check = cli._check
    monkeypatch.setattr(cli, "_check", stop)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    python, script, *flags = shlex.split(command.removeprefix("BACKEND=cupy "))
    assert python == "python"
    monkeypatch.setattr(sys, "argv", [str(ROOT / script), *flags])
    with pytest.raises(ParsedError) as parsed:
        runpy.run_path(str(ROOT / script), run_name="__main__")
    (args,) = parsed.value.args
    assert args.record
    if command in ON_A_GPU:
        assert args.paper
        assert args.yes
        assert args.resume
        assert args.budget == 60
    assert targets.setting(args.command) == targets.setting(command)


def test_two_settings_do_not_share_a_folder():
    folders = {shlex.split(command)[shlex.split(command).index("--out") + 1] for command in ON_A_GPU}
    assert len(folders) == len(ON_A_GPU)


def test_every_figure_and_table_has_a_row():
    listed = (ROOT / "RESULTS.md").read_text(encoding="utf-8")
    for figure in FIGURES:
        assert re.search(rf"^\| {figure} \|.*\|$", listed, re.MULTILINE), figure


def claim(figure, command, status="REPRODUCED"):
    return {**results.claim(figure, "it holds", "here", "1", "", status), "made_by": {"command": command}}


def test_a_recorded_run_takes_the_place_of_its_row():
    row = {"figure": "6C", "claim": "", "paper": "", "command": "BACKEND=cupy python a.py --paper --sizes 1 2 --record"}
    missing = targets.missing

    def left(figure, command, **status):
        return missing([row], [claim(figure, command, **status)])

    for command in (
        "python a.py --paper --sizes 1 2 --record",
        "python a.py --sizes 1 2 --paper --jobs 2 --budget 5 --out there --yes --resume --record",
        "python a.py --paper --sizes 1 2 --budget=5",
    ):
        assert left("6C", command) == []
        assert left("6D", command) == [row]
        assert left("6C", command, status="NOT RUN") == [row]
    for command in ("python a.py --sizes 1 2", "python b.py --paper --sizes 1 2", "python a.py --paper --sizes 2 1"):
        assert left("6C", command) == [row]
    drawing = {**row, "command": ""}
    assert missing([drawing], [claim("6C", "python a.py")]) == [drawing]


def test_the_list_of_results_drops_a_row_when_its_run_is_recorded(tmp_path, monkeypatch):
    for module in (results, provenance):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(results, "RESULTS", tmp_path / "chapters" / "results")
    rows = [
        {"figure": figure, "claim": "it grows", "paper": "2", "command": f"BACKEND=cupy python a.py --figure {figure}"}
        for figure in ("1A", "1B")
    ]
    results.write(tmp_path / "chapters" / "targets.jsonl", rows)
    assert results.results_md().count("NOT RUN") == 2
    done = claim("1A", "python a.py --figure 1A --record")
    done["made_by"] |= {"commit": "abc", "backend": "backend: cupy", "sources": []}
    done["made_by"]["sources_sha256"] = provenance.sources_hash([])
    results.write(tmp_path / "chapters" / "results" / "a.jsonl", [done])
    listed = results.results_md()
    assert "| 1A | it holds | here | 1 | no number | REPRODUCED |" in listed
    assert "| 1B | it grows | `BACKEND=cupy python a.py --figure 1B` | 2 | NOT RUN |" in listed
    assert listed.count("1A |") == 1
