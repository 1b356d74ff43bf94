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


def knobs(flag):
    flag("--lr", help="rate", type=float, default=0.5)
    flag("--numbers", help="n", type=float, nargs="+", default=[1.0])
    for name in ("--layers", "--pairs"):
        flag(name, help="n", type=int, default=2)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Return a function that parses a command line of a chapter ``tiny``, as its script would."""
    for module, name in ((sys, "excepthook"), (warnings, "formatwarning")):
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setenv("MPLBACKEND", "svg")

    def parse(*words, trains=True, script="tiny.py"):
        monkeypatch.setattr(sys, "argv", [script, "--out", str(tmp_path / "out"), *words])
        defaults = {"nodes": 30, "density": [1.0, 0.1], "epochs": 3, "seeds": 2, "first_seed": 0, "checkpoint_every": 1}
        defaults = defaults if trains else {}
        return cli.chapter(
            "tiny", "", {**defaults, "time": "1 s"}, {**({"epochs": 1} if trains else {}), "time": "1 s"},
            {"epochs": 80, "time": "a day"}, knobs,
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
        (["--checkpoint-every", "0"], "--checkpoint-every must be at least 1, got 0"),
        (["--checkpoint-every", "some"], "argument --checkpoint-every: invalid int value: 'some'"),
        (["--first-seed", "-1"], "--first-seed must be at least 0, got -1"),
        (["--seeds", "99999999999999999999"], r"--seeds must be at most 1,000, got 1e\+20"),
        (["--seeds", "9" * 10_000], "--seeds"),
        (["--jobs", "100000"], "--jobs must be at most"),
        (["--nodes", "10000000"], r"--nodes must be at most 1,000,000, got 1e\+07"),
        (["--nodes=--"], "--nodes"),
        (["--lr", "inf"], "--lr must be a finite number, got inf"),
        (["--lr", "nan"], "--lr must be a finite number, got nan"),
        (["--lr", "0"], "--lr must be above 0, got 0"),
        (["--layers", "0"], "--layers must be at least 1, got 0"),
        (["--pairs", "1000000000"], r"--pairs must be at most 100,000, got 1e\+09"),
        (["--numbers", "1", "-3"], "--numbers must be above 0, got -3"),
        (["--rows", "nowhere.jsonl"], "--rows nowhere.jsonl is no file; name a file of recorded rows"),
        (["--data-dir", "~no-such-user/data"], "'~no-such-user/data' can be no path"),
        (["--dataset", "m" * 10_000], "data set a str is unknown; choose one of digits"),
        (["--" + "x" * 10_000], "unrecognized arguments"),
        (["--budget", "0"], "--budget must be above 0 minutes, got 0"),
        (["--budget", "nan"], "--budget must be above 0 minutes, got nan"),
        (["--density", "0"], "density"),
        (["--dataset", "mnis"], "data set 'mnis' is unknown; choose one of digits"),
        (["--storage", "coo"], "storage 'coo' is unknown; choose one of auto, dense, csr, grouped"),
    ],
)
def test_what_does_not_fit_is_one_sentence_before_anything_is_written(words, sentence, tiny, tmp_path):
    with pytest.raises(ms.UserError, match=sentence) as caught:
        tiny(*words)
    assert len(str(caught.value)) <= 500
    assert not (tmp_path / "out").exists()


def test_a_flag_is_not_shortened(tiny):
    """A command that is recorded means the same when there are more flags."""
    with pytest.raises(InputError, match="unrecognized arguments: --epoch 1; --help lists the flags"):
        tiny("--epoch", "1")


def test_a_path_may_begin_with_the_home_folder(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    args = tiny("--out=~/here", "--data-dir=~/data")
    assert (args.out, args.data_dir) == (tmp_path / "here", tmp_path / "data")
    assert args.out.is_dir()


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
    with pytest.raises(InputError, match=r"^a run needs about 400 MB, 300 MB are free; choose fewer neurons"):
        lab.confirm(args, {**found, "available": 3e8})


def test_the_lab_loads_nothing_until_it_is_used():
    code = (
        "import json, sys, minisparse.lab; print(json.dumps([name for name in sys.modules if 'minisparse.' in name]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.load(io.StringIO(done.stdout)) == ["minisparse.lab"]
    with pytest.raises(AttributeError, match="no attribute 'laboratory'"):
        _ = lab.laboratory
