"""Sweeps: every cell is run once, its row is kept, and what is killed or out of time loses only the cells in flight."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

import minisparse as ms
from minisparse.errors import BudgetSpent, InputError, RunError
from minisparse.lab import provenance, rows, sweep

EPOCHS = 3
posix = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")


def cells_of(**axes):
    return [{"part": "cells", "config": config} for config in sweep.grid(**axes)]


def square(config, checkpoint):
    return {"y": config["x"] ** 2}


class Counting:
    """A cell's function that remembers what it ran."""

    def __init__(self, failing=()):
        self.ran, self.failing = [], failing

    def __call__(self, config, checkpoint):
        self.ran.append(config["x"])
        if config["x"] in self.failing:
            raise self.failing[config["x"]]
        return square(config, checkpoint)


def test_a_grid_is_all_combinations_and_the_last_axis_changes_fastest():
    found = sweep.grid(rule="plain", p=(1.0, 0.1), seed=np.arange(2), hidden=[[30, 30]])
    assert [(row["p"], row["seed"]) for row in found] == [(1.0, 0), (1.0, 1), (0.1, 0), (0.1, 1)]
    assert all(row["rule"] == "plain" and row["hidden"] == [30, 30] for row in found)
    assert json.loads(json.dumps(found)) == found
    with pytest.raises(InputError, match="p has no values"):
        sweep.grid(p=[])


def test_rows_come_in_the_order_of_the_cells_and_are_kept(tmp_path):
    cells = cells_of(x=[3, 1, 2])
    found = sweep.run(cells, square, tmp_path, quiet=True, command="python a.py")
    assert [row["y"] for row in found] == [9, 1, 4]
    assert all(row["key"] == rows.key(cell["config"]) for cell, row in zip(cells, found, strict=True))
    assert {row["made_by"]["command"] for row in found} == {"python a.py"}
    assert rows.read(tmp_path / "rows.jsonl") == found
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_cells_of_one_config_run_once_and_keep_their_parts(tmp_path):
    counting = Counting()
    found = sweep.run([{"part": part, "config": {"x": 2}} for part in "ab"], counting, tmp_path, quiet=True)
    assert counting.ran == [2]
    assert [(row["part"], row["y"]) for row in found] == [("a", 4), ("b", 4)]


@pytest.mark.parametrize("part", ["golden", "run"])
def test_only_missing_and_stale_rows_are_run(part, tmp_path):
    table = sweep.run(cells_of(x=[0, 1, 2]), Counting(), tmp_path, quiet=True)
    table[1]["made_by"][part] = "of before"
    rows.write(tmp_path / "rows.jsonl", [*table[:2], {"part": "earlier"}])
    again = Counting()
    found = sweep.run(cells_of(x=[0, 1, 2, 3]), again, tmp_path, quiet=True)
    assert again.ran == [1, 2, 3]
    assert [row["y"] for row in found] == [0, 1, 4, 9]
    assert not any(map(provenance.is_stale, found))


def test_only_a_checkpoint_of_the_same_state_is_gone_on_from(tmp_path, monkeypatch):
    paths = []

    def cut_short(config, path):
        paths.append(path)
        path.touch()
        raise InputError("cut short; go on")

    for golden in ("a", "a", "b"):
        monkeypatch.setattr(provenance, "state", lambda chapter, golden=golden: {"golden": golden, "run": ""})
        with pytest.raises(RunError, match="cut short"):
            sweep.run(cells_of(x=1), cut_short, tmp_path, quiet=True)
    assert paths[0] == paths[1] != paths[2]
    sweep.run(cells_of(x=1), square, tmp_path, quiet=True)
    assert [path.name for path in tmp_path.glob("*.npz")] == [paths[0].name], "the finished cell's checkpoint is gone"


def test_a_fresh_start_drops_rows_and_checkpoints_of_cells_and_nothing_else(tmp_path):
    names = ("0123456789ab-0123456789ab.npz", ".rows.jsonl.12-34.part", "weights.npz")
    for name in names:
        (tmp_path / name).touch()
    sweep.run(cells_of(x=1), square, tmp_path, quiet=True)
    counting = Counting()
    sweep.run(cells_of(x=1), counting, tmp_path, quiet=True, fresh=True)
    assert counting.ran == [1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl", "weights.npz"]


def test_a_failing_cell_ends_the_sweep_after_the_others_and_is_named(tmp_path, capsys):
    failing = Counting({1: InputError("x must not be 1; take 2"), 2: KeyError("lost")})
    with pytest.raises(RunError, match=r'2 of 4 cells failed; cell \{"x": 1\}: x must not be 1; take 2'):
        sweep.run(cells_of(x=range(4)), failing, tmp_path, quiet=True)
    assert failing.ran == [0, 1, 2, 3]
    shown = capsys.readouterr().err
    assert shown.count("Traceback") == 1
    assert "KeyError: 'lost'" in shown
    mended = Counting()
    assert [row["y"] for row in sweep.run(cells_of(x=range(4)), mended, tmp_path, quiet=True)] == [0, 1, 4, 9]
    assert mended.ran == [1, 2]


def test_what_does_not_fit_is_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="jobs must be a whole number of at least 1, got 0"):
        sweep.run(cells_of(x=1), square, tmp_path, jobs=0)
    with pytest.raises(InputError, match="must hold plain values"):
        sweep.run([{"config": {"x": np.ones(2)}}], square, tmp_path)
    with pytest.raises(RunError, match="ndarray is not JSON serializable"):
        sweep.run(cells_of(x=1), lambda *_: {"y": np.ones(2)}, tmp_path, quiet=True)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'--scheduler needs Dask.*pip install "minisparse\[scale\]"'):
        sweep.run(cells_of(x=1), square, tmp_path, scheduler="tcp://a:8786")


def test_each_cell_is_a_line_with_the_time_left(tmp_path, capsys):
    sweep.run(cells_of(x=[1, 2]), square, tmp_path, shown=lambda row: f"y = {row['y']}")
    sweep.run(cells_of(x=[1, 2]), square, tmp_path)
    first, second, third, _ = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"cell 1 of 2: y = 1; about (\d+|under 1) s left", first)
    assert second == "cell 2 of 2: y = 4"
    assert third.startswith("cell 1 of 2: ")


def test_a_chapter_starts_afresh_unless_it_resumes(tmp_path):
    args = SimpleNamespace(out=tmp_path, command="python chapters/dale.py", resume=False)

    def ran(resume=False):
        args.resume, counting = resume, Counting()
        found = sweep.cells(args, "dale", cells_of(x=[1, 2]), counting, lambda row: "")
        assert found == rows.read(tmp_path / "rows.jsonl")
        return counting.ran

    assert (ran(), ran(), ran(resume=True)) == ([1, 2], [1, 2], [])


def test_a_second_run_in_a_folder_says_that_it_is_in_use(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with sweep.alone(tmp_path):
            lock = tmp_path / ".in-use"
            host = lock.read_text().partition(" ")[2]
            with sweep.alone(tmp_path):
                assert lock.exists(), "a lock of this process is no obstacle"
            assert lock.exists()
            lock.write_text(f"{other.pid} {host}")
            with pytest.raises(InputError, match=f"--out {tmp_path} is in use by another run .process {other.pid} "):
                sweep.run(cells_of(x=1), square, tmp_path)
    finally:
        other.communicate(b"\n")
    lock.write_text(f"{other.pid} {host}")
    assert sweep.run(cells_of(x=1), square, tmp_path, quiet=True)[0]["y"] == 1, "that process has ended"
    assert not lock.exists()
    lock.write_text("1 on-another-machine")
    with pytest.raises(InputError, match=r"if it has ended, delete .*\.in-use"):
        sweep.run(cells_of(x=1), square, tmp_path)


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that stays where it is until a test moves it."""
    seconds = [1e9]
    monkeypatch.setattr(sweep.time, "time", lambda: seconds[0])
    return seconds


@pytest.fixture
def cell(clock):
    """Return a function that makes a cell which trains a tiny network, a second per epoch; ``ran`` holds the epochs."""
    digits, ran = ms.load("digits"), []

    def until(deadline):
        def train(config, checkpoint):
            rng = np.random.default_rng(config["seed"])
            model = ms.RNN(8, ms.make_weights(ms.bernoulli(6, 6, 0.5, rng), "dense"), 10)
            params = model.init(rng)

            def tick(run):
                clock[0] += 1
                ran.append((config["seed"], run.epoch))

            history = ms.fit(
                model, params, ms.Adam(), digits, EPOCHS, rng, after_step=[deadline], after_epoch=[tick],
                checkpoint=checkpoint, resume=True, quiet=True,
            )  # fmt: skip
            return {"loss": [row["test_loss"] for row in history], "w": params["W_rec"].tolist()}

        return train

    until.ran = ran
    return until


def numbers(found):
    return [(row["config"], row["loss"], row["w"]) for row in found]


@pytest.mark.parametrize(("seconds", "done"), [(EPOCHS - 1, 0), (EPOCHS, 1), (EPOCHS + 1, 1), (0, 0)])
def test_a_budget_stops_a_sweep_inside_or_between_cells_and_it_goes_on_as_if_undisturbed(
    seconds, done, cell, clock, tmp_path
):
    cells = [{"part": "cells", "config": config} for config in sweep.grid(seed=range(2))]
    free = sweep.Deadline()
    expected = numbers(sweep.run(cells, cell(free), tmp_path / "reference", quiet=True))
    cell.ran.clear()
    end = sweep.Deadline(clock[0] + seconds)
    with pytest.raises(BudgetSpent, match=rf"^the time budget is spent with {done} of 2 cells done; the same command"):
        sweep.run(cells, cell(end), tmp_path / "out", quiet=True, deadline=end)
    assert len(cell.ran) == seconds
    assert len(rows.read(tmp_path / "out" / "rows.jsonl")) == done
    assert numbers(sweep.run(cells, cell(free), tmp_path / "out", quiet=True, deadline=free)) == expected
    assert cell.ran == [(seed, epoch + 1) for seed in range(2) for epoch in range(EPOCHS)]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["rows.jsonl"]


def test_a_deadline_ends_a_run_at_the_first_step_of_an_epoch_alone(clock):
    deadline = sweep.Deadline(clock[0])
    deadline(SimpleNamespace(step=1))
    with pytest.raises(BudgetSpent, match="goes on from its checkpoint"):
        deadline(SimpleNamespace(step=0))
    sweep.Deadline(clock[0] + 1)(SimpleNamespace(step=0))


def test_a_failure_before_the_end_of_the_budget_is_told(clock, tmp_path):
    def failing(config, checkpoint):
        clock[0] += 60
        raise InputError("x must not be so")

    with pytest.raises(RunError, match=r"1 of 3 cells failed; .*: x must not be so; the time budget is spent, and"):
        sweep.run(cells_of(x=range(3)), failing, tmp_path, quiet=True, deadline=sweep.Deadline(clock[0] + 60))


SCRIPT = """
import json, os, sys, time
from pathlib import Path
from minisparse import backend
from minisparse.lab import ends, sweep

sys.excepthook = ends.OneLine()
folder, count, seconds, jobs, scheduler = Path(sys.argv[1]), *map(json.loads, sys.argv[2:])
OFFSET = 3


def cell(config, checkpoint):
    with open(folder / "log", "a") as log:
        log.write(f"{config['x']} {os.getpid()}\\n")
    time.sleep(seconds)
    passed = [os.environ.get("MINISPARSE_DATA"), backend.current_module().__name__]
    threads = os.environ.get("OPENBLAS_NUM_THREADS"), os.environ.get("NUMBA_NUM_THREADS")
    return {"y": config["x"] ** 2 + OFFSET, "threads": threads, "passed": passed}


sweep.run([{"config": config} for config in sweep.grid(x=range(count))], cell, folder, jobs, scheduler)
"""


def start(folder, count, seconds, jobs=1, scheduler=None):
    """Start a script that sweeps; all cells run in a process group of its own."""
    folder.mkdir(exist_ok=True)
    script = folder.parent / "script.py"
    script.write_text(SCRIPT)
    words = [sys.executable, str(script), str(folder), *map(json.dumps, (count, seconds, jobs, scheduler))]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("NUM_THREADS")}
    environment["MINISPARSE_DATA"] = "there"
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True)


def finish(child):
    _, errors = child.communicate(timeout=240)
    assert child.returncode == 0, errors


def begun(folder):
    """Return the cells in the order in which they were begun, with their processes."""
    log = folder / "log"
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def in_flight(folder, finished):
    """Wait until so many rows are there and another cell is in flight; returns its process."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        known = begun(folder)
        if len(known) > len(rows.read(folder / "rows.jsonl")) >= finished:
            return int(known[-1][1])
        time.sleep(0.02)
    raise AssertionError("no cell was seen in flight")


def in_order(folder, count):
    assert [row["y"] for row in rows.read(folder / "rows.jsonl")] == [x**2 + 3 for x in range(count)]


@posix
def test_a_killed_run_loses_the_cell_in_flight_and_goes_on_with_the_missing_ones(tmp_path):
    folder = tmp_path / "out"
    child = start(folder, 4, 0.3)
    in_flight(folder, finished=2)
    child.kill()
    child.communicate()
    assert (folder / ".in-use").exists()
    finish(start(folder, 4, 0.0, jobs=2))
    in_order(folder, 4)
    assert len(begun(folder)) <= 5
    assert not (folder / ".in-use").exists()
    elsewhere = [row for row in rows.read(folder / "rows.jsonl") if row["threads"] != [None, None]]
    assert elsewhere, "cells of the second run were in processes with their share of the threads"
    share = str(max(1, ms.backend.cpu_count() // 2))
    for row in elsewhere:
        assert row["threads"] == [share, share]
        assert row["passed"] == ["there", "numpy"]


@posix
@pytest.mark.slow
def test_three_kills_lose_only_the_cells_in_flight(tmp_path):
    folder, lost, orphans = tmp_path / "out", 0, []
    for kill, finished in (("parent", 4), ("worker", 9), ("all", 15)):
        child = start(folder, 24, 1.0, jobs=2)
        worker = in_flight(folder, finished)
        if kill == "worker":
            os.kill(worker, signal.SIGKILL)
            _, errors = child.communicate(timeout=60)
            assert child.returncode == 2
            assert errors.count("a process that ran cells was killed") == 1
        else:
            child.kill()
            child.wait(timeout=60)
            if kill == "all":
                os.killpg(child.pid, signal.SIGKILL)
            orphans.append(child.pid)
        lost += 4  # two in flight, and two that joblib has handed to the processes already
    finish(start(folder, 24, 0.1, jobs=2))
    for group in orphans:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    in_order(folder, 24)
    assert 24 < len(begun(folder)) <= 24 + lost


@posix
@pytest.mark.slow
def test_a_cluster_runs_the_cells_and_a_worker_that_is_killed_loses_its_own(tmp_path):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: a sweep on a cluster")
    folder = tmp_path / "out"
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        child = start(folder, 8, 0.5, 1, cluster.scheduler_address)
        os.kill(in_flight(folder, finished=2), signal.SIGKILL)
        finish(child)
    in_order(folder, 8)
    assert 8 <= len(begun(folder)) <= 10
    assert len({process for _, process in begun(folder)}) >= 2
    assert max(Counter(x for x, _ in begun(folder)).values()) <= 2


@pytest.mark.slow
def test_a_cluster_that_is_not_there_or_has_no_workers_is_one_sentence(tmp_path):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: a sweep on a cluster")
    with pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        sweep.run(cells_of(x=1), square, tmp_path, scheduler="tcp://127.0.0.1:9")
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None, processes=False) as cluster,
        pytest.raises(InputError, match="has no workers; start some with `dask worker"),
    ):
        sweep.run(cells_of(x=1), square, tmp_path, scheduler=cluster.scheduler_address)
