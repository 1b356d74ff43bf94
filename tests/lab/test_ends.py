"""How a run ends: one line for what the user can mend and for a signal, a traceback for a bug."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import minisparse as ms
from minisparse.errors import InputError
from minisparse.lab import ends

SCRIPT = """
import signal, sys, time
from minisparse import lab
from minisparse.lab import ends

for name in ends.SIGNALS:
    signal.signal(getattr(signal, name), signal.SIG_DFL)  # these tests may be run by nohup

args = lab.chapter("tiny", "A tiny chapter", {"epochs": 3, "seeds": 2, "time": "1 s"}, {"epochs": 1, "time": "1 s"})


def run_cell(config, checkpoint):
    if config["x"]:
        sys.stdout.write("begun\\n")  # at once: the other process writes one, too
        sys.stdout.flush()
        time.sleep(60)
    return {"y": 1}


lab.sweep.run([{"config": {"x": x}} for x in range(3)], run_cell, args.out, jobs=args.jobs, quiet=True)
"""
KEPT = "; finished cells are in {out}/rows.jsonl, of the others the last epoch is kept; the same command with --resume"


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        (ms.errors.BudgetSpent("budget"), 3, "budget\n"),
        (InputError("input"), 2, "error: input\n"),
        (KeyboardInterrupt(), 130, "interrupted; nothing is saved; start the same command again\n"),
        (ends.Stopped(signal.SIGTERM), 143, "ended by SIGTERM; nothing is saved; start the same command again\n"),
        (KeyError("bug"), 1, "KeyError: 'bug'\n"),
    ],
)
def test_an_end_is_told_in_one_line_and_a_bug_with_its_traceback(end, code, said, capsys):
    hook = ends.OneLine()
    if code == 1:
        hook(type(end), end, None)
    else:
        with pytest.raises(SystemExit) as left:
            hook(type(end), end, None)
        assert left.value.code == code
    assert capsys.readouterr().err == said


def test_rows_of_another_kind_are_the_files_fault(capsys):
    hook = ends.OneLine()
    hook.rows = "a.jsonl"
    with pytest.raises(SystemExit):
        hook(TypeError, TypeError("no list"), None)
    assert capsys.readouterr().err.startswith("error: --rows a.jsonl holds something else than this chapter's cells")


def test_of_rows_the_one_that_is_unlike_the_others_is_named_by_its_line(tmp_path, capsys):
    made = {"command": "python chapters/dale.py"}
    table = [{"key": str(k), "config": {}, "made_by": made, "accuracy": [1.0], "delay": k or None} for k in range(4)]
    table[2]["accuracy"] = [1.0, "two"]
    table[3]["more"] = {}
    hook = ends.OneLine()
    hook.rows = str(tmp_path / "a.jsonl")
    Path(hook.rows).write_text("\n" + "".join(json.dumps(row) + "\n" for row in table))
    with pytest.raises(SystemExit):
        hook(TypeError, TypeError("no list"), None)
    assert f"--rows {hook.rows} line 4, under 'accuracy', holds something else than" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="Windows ends a process without a word")
def test_a_signal_between_two_cells_is_one_line_too(tmp_path):
    """While a row is written, and other processes are at work."""
    script = SCRIPT.replace("quiet=True)", "shown=lambda row: os.kill(os.getpid(), signal.SIGHUP))")
    (tmp_path / "tiny.py").write_text(f"import os, signal\n{script}", encoding="utf-8")
    command = [sys.executable, str(tmp_path / "tiny.py"), "--out", str(tmp_path / "out"), "--jobs", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr == f"ended by SIGHUP{KEPT.format(out=tmp_path / 'out')} goes on from there\n"
    assert done.returncode == 129


@pytest.mark.skipif(os.name != "posix", reason="Windows ends a process without a word")
@pytest.mark.parametrize(("name", "jobs"), [("SIGTERM", 1), ("SIGHUP", 2)])
def test_a_signal_ends_a_run_in_one_line_and_the_same_command_goes_on(name, jobs, tmp_path):
    (tmp_path / "tiny.py").write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "tiny.py"), "--out", str(tmp_path / "out"), "--jobs", str(jobs)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while run.stdout.readline() not in ("begun\n", ""):
        pass
    end = time.time() + 20
    while not (tmp_path / "out" / "rows.jsonl").exists() and time.time() < end:
        time.sleep(0.05)
    run.send_signal(getattr(signal, name))
    _, said = run.communicate(timeout=20)
    assert said == f"ended by {name}{KEPT.format(out=tmp_path / 'out')} goes on from there\n"
    assert run.returncode == 128 + getattr(signal, name)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["rows.jsonl"], "the lock is gone"
