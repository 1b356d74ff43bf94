"""Runs that are killed and started again leave no trace."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from minisparse.lab import rows

EPOCHS = 36


RUN = f"""
import json, sys, time
import numpy as np, minisparse as ms

class Mean:
    def __init__(self):
        self.state = {{"mean": np.zeros((24, 1), np.float32)}}

    def __call__(self, run):
        self.state["mean"] = 0.9 * self.state["mean"] + run.params["b_rec"] * run.rng.random(dtype=np.float32)
        run.params["b_rec"] -= np.float32(1e-4) * self.state["mean"]

checkpoint, result, every = sys.argv[1:]
rng = np.random.default_rng(0)
model = ms.RNN(8, ms.make_weights(ms.bernoulli(24, 24, 0.4, rng), "dense"), 10)
signs = ms.dale_signs(24, 0.2, rng)
params, opt, mean = model.init(rng, signs=signs), ms.Adam(), Mean()
x, y = rng.random((1600, 8, 8), np.float32), rng.integers(0, 10, 1600)
task = ms.Dataset("toy", x[:1400], y[:1400], x[1400:], y[1400:], 10)
print("ready", flush=True)
start = time.perf_counter()
history = ms.fit(
    model, params, opt, task, {EPOCHS}, np.random.default_rng(1), batch_size=200,
    after_step=[ms.Dale(signs), mean], checkpoint=checkpoint, resume=True, quiet=True,
    checkpoint_every=int(every),
)
print(time.perf_counter() - start)
rows = json.dumps([{{k: v for k, v in row.items() if k != "seconds"}} for row in history])
np.savez(result, history=rows, **params, **{{"opt." + k: v for k, v in opt.state.items()}}, mean=mean.state["mean"])
"""


def start(checkpoint, result, every=1):
    """Start or restart the run; it is about to train when this returns."""
    child = subprocess.Popen(
        [sys.executable, "-c", RUN, checkpoint, result, str(every)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if child.stdout.readline() != "ready\n":
        pytest.fail(child.communicate()[1])
    return child


def read(result):
    with np.load(result, allow_pickle=False) as file:
        return {name: (file[name].dtype.str, file[name].shape, file[name].tobytes()) for name in file.files}


def epoch_of(checkpoint):
    with np.load(checkpoint, allow_pickle=False) as file:
        return json.loads(str(file["note"]))["history"][-1]["epoch"]


def kill_and_restart(folder, kills, every=1):
    undisturbed = start(folder / "reference.npz", folder / "reference.result.npz")
    seconds = float(undisturbed.communicate(timeout=120)[0])
    expected = read(folder / "reference.result.npz")
    assert len(json.loads(np.load(folder / "reference.result.npz")["history"].item())) == EPOCHS + 1

    moments, reached, finished = random.Random(0), [], 0
    checkpoint, result = folder / "run.npz", folder / "run.result.npz"
    while True:
        child = start(checkpoint, result, every)
        if len(reached) < kills:
            time.sleep(moments.uniform(0, 0.8 * seconds))
            child.kill()
        _, errors = child.communicate(timeout=120)
        if child.returncode == -signal.SIGKILL:
            if checkpoint.exists():
                reached.append(epoch_of(checkpoint))
            continue
        assert child.returncode == 0, errors
        assert read(result) == expected
        assert sorted(p.name for p in folder.glob(".*")) == []
        checkpoint.unlink()
        finished += 1
        if len(reached) == kills:
            break
    assert any(0 < epoch < EPOCHS for epoch in reached), "no kill fell into the middle of a run"
    print(f"killed {kills} times after epochs {reached}, finished {finished} times")


posix = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")


@posix
def test_two_kills_leave_no_trace(tmp_path):
    kill_and_restart(tmp_path, kills=2)


SWEEP = """
import sys, time
from pathlib import Path
from minisparse.lab import sweep

def cell(config, checkpoint):
    time.sleep(0.1)
    return {"y": config["x"] ** 2}

print("ready", flush=True)
sweep.run([{"config": config} for config in sweep.grid(x=range(40))], cell, Path(sys.argv[1]), 2, quiet=True)
"""
RECORDING = """
import sys
from pathlib import Path
from minisparse.lab import rows

print("ready", flush=True)
for k in range(10**9):
    rows.write(Path(sys.argv[1]) / "rows.jsonl", [{"part": "note", "k": k, "of": 3000}] * 3000)
"""


def killed(program, folder, seconds):
    """Start a program in a process group of its own and kill all of it; returns whether it ended before."""
    child = subprocess.Popen(
        [sys.executable, "-c", program, folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    if child.stdout.readline() != "ready\n":
        pytest.fail(child.communicate()[1])
    try:
        _, errors = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        return False
    assert child.returncode == 0, errors
    return True


@posix
@pytest.mark.slow
def test_a_hundred_and_forty_kills_of_a_training_leave_no_trace(tmp_path):
    kill_and_restart(tmp_path, kills=140)


@posix
@pytest.mark.slow
def test_thirty_kills_between_checkpoints_leave_no_trace(tmp_path):
    kill_and_restart(tmp_path, kills=30, every=2)


@posix
@pytest.mark.slow
def test_thirty_kills_of_sweeps_with_two_jobs_lose_the_cells_in_flight_alone(tmp_path):
    moments, kills, finished = random.Random(0), 0, 0
    while kills < 30:
        folder = tmp_path / str(finished)
        folder.mkdir(exist_ok=True)
        if not killed(SWEEP, folder, moments.uniform(0.5, 3)):
            kills += 1
            continue
        found = {row["config"]["x"]: row["y"] for row in rows.read(folder / "rows.jsonl")}
        assert found == {x: x**2 for x in range(40)}
        assert [path.name for path in folder.iterdir()] == ["rows.jsonl"]
        finished += 1
    print(f"killed {kills} times, finished {finished} times")


@posix
@pytest.mark.slow
def test_thirty_kills_of_a_recording_leave_a_whole_file(tmp_path):
    moments = random.Random(0)
    for _ in range(30):
        assert not killed(RECORDING, tmp_path, moments.uniform(0.02, 0.5))
        found = rows.read(tmp_path / "rows.jsonl")
        assert len(found) in (0, 3000)
        assert len({row["k"] for row in found}) <= 1
