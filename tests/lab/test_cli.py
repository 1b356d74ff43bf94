"""The command line of chapters: presets, refusals, how a run ends, and what a notebook is spared."""

import argparse
import io
import json
import os
import pickle
import subprocess
import sys
import warnings

import pytest

import minisparse as ms
from minisparse import lab
from minisparse.backend import cpu_count
from minisparse.errors import InputError
from minisparse.lab import cli, provenance

SCRIPT = """
from minisparse import lab
from minisparse.errors import InputError

lab.chapter("tiny", "A tiny chapter", {"epochs": 3, "seeds": 2, "time": "1 s"}, {"epochs": 1, "time": "1 s"})
print("café ± 1 μ")
import matplotlib.pyplot
print(matplotlib.get_backend())
raise InputError("café")
"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Return a function that parses a command line of a chapter ``tiny``, as its script would."""
    for module, name in ((sys, "excepthook"), (warnings, "formatwarning")):
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setenv("MPLBACKEND", "svg")

    def parse(*words, trains=True, script="tiny.py"):
        monkeypatch.setattr(sys, "argv", [script, "--out", str(tmp_path / "out"), *words])
        defaults = {"nodes": 30, "density": [1.0, 0.1], "epochs": 3, "seeds": 2, "first_seed": 0} if trains else {}
        return cli.chapter(
            "tiny", "", {**defaults, "time": "1 s"}, {**({"epochs": 1} if trains else {}), "time": "1 s"},
            {"epochs": 80, "time": "a day"}, lambda flag: flag("--lr", help="rate", type=float, default=0.5),
        )  # fmt: skip

    return parse


def test_presets_change_defaults_and_a_flag_that_is_given_wins(tiny, tmp_path):
    args = tiny("--smoke", "--seeds", "5", "--lr=0.1")
    assert (args.epochs, args.seeds, args.nodes, args.density, args.lr) == (1, 5, 30, [1.0, 0.1], 0.1)
    assert (args.dataset, args.storage, args.jobs, args.out) == ("digits", "auto", 1, tmp_path / "out")
    assert args.command == f"python chapters/tiny.py --out {tmp_path / 'out'} --smoke --seeds 5 --lr=0.1"
    assert args.made_by["command"] == args.command
    assert tiny("--paper").epochs == 80
    assert (tiny().jobs, tiny("--jobs", "3").jobs) == (cpu_count(), 3)
    assert not hasattr(tiny(trains=False), "jobs")


def test_the_end_of_the_budget_is_a_hook_that_reaches_other_processes(tiny):
    (free,) = tiny().hooks
    (soon,) = pickle.loads(pickle.dumps(tiny("--budget", "1e-9").hooks))
    assert not free.passed()
    assert soon.passed()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--nodes", "0"], "--nodes must be at least 1, got 0"),
        (["--jobs", "0"], "--jobs must be at least 1, got 0"),
        (["--first-seed", "-1"], "--first-seed must be at least 0, got -1"),
        (["--budget", "0"], "--budget must be above 0 minutes, got 0"),
        (["--budget", "nan"], "--budget must be above 0 minutes, got nan"),
        (["--density", "0"], "density"),
        (["--dataset", "mnis"], "data set 'mnis' is unknown; choose one of digits"),
        (["--storage", "coo"], "storage 'coo' is unknown; choose one of auto, dense, csr, grouped"),
    ],
)
def test_what_does_not_fit_is_one_sentence_before_anything_is_written(words, sentence, tiny, tmp_path):
    with pytest.raises(InputError, match=sentence):
        tiny(*words)
    assert not (tmp_path / "out").exists()


def test_a_flag_is_not_shortened(tiny, capsys):
    """A command that is recorded means the same when there are more flags."""
    with pytest.raises(SystemExit):
        tiny("--epoch", "1")
    assert "unrecognized arguments: --epoch 1" in capsys.readouterr().err


def test_a_notebook_or_gallery_keeps_its_hooks_and_its_own_command_line_is_not_read(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sys.excepthook, warnings.formatwarning
    args = tiny("--no-such-flag", script="ipykernel_launcher.py")
    assert (sys.excepthook, warnings.formatwarning, os.environ["MPLBACKEND"]) == (*before, "svg")
    assert (args.epochs, str(args.out)) == (3, "out/tiny")
    assert not list((tmp_path / "out" / "tiny").iterdir())


def test_without_chapters_nothing_is_recorded(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    with pytest.raises(InputError, match=r"^--record needs the chapters"):
        tiny("--record")
    tiny()


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("budget", 3, "budget\n"),
        ("input", 2, "error: input\n"),
        ("stop", 130, "interrupted; the same command with --resume goes on from here\n"),
        ("bug", 1, "KeyError: 'bug'\n"),
    ],
)
def test_an_end_is_told_in_one_line_and_a_bug_with_its_traceback(end, code, said, capsys):
    kinds = {"budget": ms.errors.BudgetSpent, "input": InputError, "stop": KeyboardInterrupt, "bug": KeyError}
    if code == 1:
        cli._mendable(kinds[end], kinds[end](end), None)
    else:
        with pytest.raises(SystemExit) as left:
            cli._mendable(kinds[end], kinds[end](end), None)
        assert left.value.code == code
    assert capsys.readouterr().err == said


def test_a_script_survives_the_terminal_and_the_notebook_that_started_it(tmp_path):
    script = tmp_path / "tiny.py"
    script.write_text(SCRIPT, encoding="utf-8")
    poor = {**os.environ, "MPLBACKEND": "module://no.such.backend", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, str(script), "--out", str(tmp_path / "out")], env=poor, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr == "error: caf?\n"
    assert done.stdout.splitlines()[1:] == ["caf? ? 1 ?", "agg"]
    assert not list((tmp_path / "out").iterdir()), "the lock is gone"


def test_more_than_an_hour_needs_a_yes(capsys):
    found = {"runs": 1, "flops": 1.0, "bytes": 1.0, "seconds": 3599.0, "rates": {"csr": 1e9}, "available": 1e9}
    lab.confirm(argparse.Namespace(yes=False, jobs=4), found)
    found["seconds"] = 7560.0
    lab.confirm(argparse.Namespace(yes=True, jobs=4), found)
    assert capsys.readouterr().out.count("cost: 1 run, about") == 2
    with pytest.raises(InputError, match=r"^this takes about 2\.1 h on this machine; add --yes to start it, or"):
        lab.confirm(argparse.Namespace(yes=False, jobs=4), found)


def test_no_more_cells_run_at_once_than_memory_holds():
    found = {"runs": 1, "flops": 1.0, "bytes": 4e8, "seconds": 1.0, "rates": {"csr": 1e9}, "available": 1e9}
    args = argparse.Namespace(yes=False, jobs=4)
    lab.confirm(args, found)
    assert args.jobs == 2


def test_the_lab_loads_nothing_until_it_is_used():
    code = (
        "import json, sys, minisparse.lab; print(json.dumps([name for name in sys.modules if 'minisparse.' in name]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.load(io.StringIO(done.stdout)) == ["minisparse.lab"]
    with pytest.raises(AttributeError, match="no attribute 'laboratory'"):
        _ = lab.laboratory
