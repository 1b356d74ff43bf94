"""Sweeps of scripts: whoever runs a cell, it is run once, and what is killed loses only the cells in flight."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from minisparse import backend, files

SCRIPT = """
import json, os, sys, time
from pathlib import Path
from minisparse import backend
from minisparse.lab import cli, sweep

sys.excepthook = cli._mendable
folder, cells, seconds, jobs, scheduler = Path(sys.argv[1]), *map(json.loads, sys.argv[2:])
OFFSET = 3

def threads():
    import numba
    return max(pool["num_threads"] for pool in threads_module._blas_pools().info()), numba.get_num_threads()

def cell(config, checkpoint):
    with open(folder / "log", "a") as log:
        log.write(f"{config['x']}\\n")
    time.sleep(seconds)
    passed = [os.environ.get("MINISPARSE_DATA"), os.environ.get("BACKEND"), backend.current_module().__name__]
    return {"y": config["x"] ** 2 + OFFSET, "threads": threads(), "passed": passed}

cells = [{"part": "cells", "config": config} for config in sweep.grid(x=range(cells))]
rows = sweep.run(cells, cell, folder, jobs, scheduler)
table = [{name: row[name] for name in ("part", "config", "y", "threads", "passed")} for row in rows]
(folder / "table.json").write_text(json.dumps(table))
"""
posix = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")


def start(folder, cells, seconds, jobs=1, scheduler=None, **environment):
    """Start a script that sweeps; all cells run in a process group of its own."""
    folder.mkdir(exist_ok=True)
    script = folder.parent / "script.py"
    script.write_text(SCRIPT)
    words = [sys.executable, str(script), str(folder), *map(json.dumps, (cells, seconds, jobs, scheduler))]
    environment = {**os.environ, "MINISPARSE_DATA": "there", **environment}
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True)


def finish(child):
    _, errors = child.communicate(timeout=240)
    assert child.returncode == 0, errors


def table(folder):
    return json.loads((folder / "table.json").read_text())


def runs(folder):
    """How often each cell was begun."""
    return Counter((folder / "log").read_text().split())


def in_flight(folder, finished=0):
    """Wait until so many cells are finished and one is in flight; returns the markers of those in flight."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        begun = [path for path in folder.glob("cells/*.started") if not path.with_suffix(".json").exists()]
        begun = [path for path in begun if files.is_held(path) and path.stat().st_size]
        if begun and len(list(folder.glob("cells/*.json"))) >= finished:
            return begun
        time.sleep(0.02)
    raise AssertionError("no cell was seen in flight")


def test_two_runs_in_one_folder_share_the_cells(tmp_path):
    folder = tmp_path / "out"
    both = [start(folder, 12, 0.2), start(folder, 12, 0.2)]
    for child in both:
        finish(child)
    assert set(runs(folder).values()) == {1}
    assert [row["y"] for row in table(folder)] == [x**2 + 3 for x in range(12)]
    assert not list(folder.glob("cells/*.started"))


def test_a_script_runs_its_cells_in_processes_with_their_share_of_the_threads(tmp_path):
    before = os.environ.copy()
    child = start(tmp_path / "out", 4, 0.1, jobs=2, BACKEND="numpy")
    finish(child)
    share = max(1, backend.cpu_count() // 2)
    for row in table(tmp_path / "out"):
        assert row["threads"][0] <= share
        assert row["threads"][1] == share
        assert row["passed"] == ["there", "numpy", "numpy"]
    assert os.environ == before


@posix
def test_a_run_killed_inside_a_cell_goes_on_as_if_undisturbed(tmp_path):
    finish(start(tmp_path / "reference", 5, 0.0))
    folder = tmp_path / "out"
    child = start(folder, 5, 0.3)
    (marker,) = in_flight(folder, finished=2)
    assert f"pid {child.pid} " in marker.read_text()
    child.kill()
    child.communicate()
    assert not files.is_held(marker)
    assert not marker.with_suffix(".json").exists()
    finish(start(folder, 5, 0.0))
    assert table(folder) == table(tmp_path / "reference")
    assert runs(folder).total() <= 6


@posix
def test_workers_end_soon_after_their_parent_is_killed(tmp_path):
    child = start(tmp_path / "out", 2, 60.0, jobs=2)
    markers = in_flight(tmp_path / "out")
    child.kill()
    deadline = time.monotonic() + 10
    while any(map(files.is_held, markers)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
    child.communicate()


@posix
@pytest.mark.slow
def test_three_kills_lose_only_the_cells_in_flight(tmp_path):
    finish(start(tmp_path / "reference", 24, 0.0, jobs=2))
    folder, lost = tmp_path / "out", 0
    for kill, finished in (("parent", 4), ("worker", 9), ("all", 15)):
        child = start(folder, 24, 3.0, jobs=2)
        markers = in_flight(folder, finished)
        if kill == "worker":
            os.kill(int(re.search(r"pid (\d+)", markers[0].read_text()).group(1)), signal.SIGKILL)
            _, errors = child.communicate(timeout=60)
            assert child.returncode == 2
            assert errors.count("a process that ran cells was killed") == 1
        else:
            (os.killpg if kill == "all" else os.kill)(child.pid, signal.SIGKILL)
            child.communicate(timeout=60)
        lost += 2
    finish(start(folder, 24, 3.0, jobs=2))
    assert table(folder) == table(tmp_path / "reference")
    assert 24 < runs(folder).total() <= 24 + lost
    print(f"24 cells were begun {runs(folder).total()} times over three kills")


@posix
@pytest.mark.slow
def test_a_killed_dask_worker_loses_nothing(tmp_path):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: a sweep on a cluster")
    address, folder = tmp_path / "address", tmp_path / "out"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with contextlib.ExitStack() as stack:
        for words in (["scheduler", "--port", "0"], ["worker", "--nworkers", "2", "--nthreads", "1"]):
            words = [*dask, *words, "--scheduler-file", str(address), "--no-dashboard"]
            child = subprocess.Popen(words, cwd=tmp_path, start_new_session=True, **quiet)
            stack.callback(child.wait)
            stack.callback(os.killpg, child.pid, signal.SIGKILL)
            while not address.exists():
                time.sleep(0.1)
        scheduler = json.loads(address.read_text())["address"]
        with distributed.Client(scheduler) as client:
            client.wait_for_workers(2, timeout=60)
        child = start(folder, 8, 1.0, 1, scheduler)
        pid = re.search(r"pid (\d+)", in_flight(folder, finished=2)[0].read_text()).group(1)
        os.kill(int(pid), signal.SIGKILL)
        finish(child)
    assert [row["y"] for row in table(folder)] == [x**2 + 3 for x in range(8)]
    assert runs(folder).total() == 9
    assert not list(folder.glob("cells/*.started"))
