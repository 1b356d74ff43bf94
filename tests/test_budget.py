"""A time budget: what is done stays done, and going on gives the rows of an undisturbed run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import minisparse as ms
from minisparse.errors import BudgetSpent, InputError, RunError
from minisparse.lab import budget, sweep

ROOT = Path(__file__).parent.parent
EPOCHS = 4
CELLS = [{"part": "cells", "config": config} for config in sweep.grid(seed=range(3))]


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that stands until a test moves it."""
    seconds = [1e9]
    monkeypatch.setattr(time, "time", lambda: seconds[0])
    monkeypatch.setattr(time, "sleep", lambda by: seconds.__setitem__(0, seconds[0] + by))
    return seconds


@pytest.fixture
def cell(clock):
    """Return a cell that trains a tiny network, one second per epoch, and keeps the epochs in ``cell.ran``."""
    digits = ms.load("digits")

    def train(config, checkpoint):
        rng = np.random.default_rng(config["seed"])
        model = ms.RNN(8, ms.make_weights(ms.bernoulli(6, 6, 0.5, rng)), 10)
        params = model.init(rng)

        def tick(run):
            time.sleep(1)
            train.ran.append((config["seed"], run.epoch))

        history = ms.fit(
            model, params, ms.Adam(), digits, EPOCHS, rng, after_epoch=[tick], checkpoint=checkpoint, resume=True,
            quiet=True,
        )  # fmt: skip
        return {"loss": [row["test_loss"] for row in history], "w": params["W_rec"].tolist()}

    train.ran = []
    return train


def numbers(rows):
    return [(row["config"], row["loss"], row["w"]) for row in rows]


@pytest.mark.parametrize(("seconds", "done"), [(6, 1), (EPOCHS, 1), (2 * EPOCHS - 1, 1), (0.5, 0), (3 * EPOCHS - 1, 2)])
def test_a_sweep_stops_inside_or_between_cells_and_goes_on_as_if_undisturbed(seconds, done, cell, tmp_path):
    expected = numbers(sweep.run(CELLS, cell, tmp_path / "reference", quiet=True))
    cell.ran.clear()
    kept = []
    with pytest.raises(BudgetSpent, match=rf"^stopped after \S+ minutes with {done} of 3 cells done; "):
        sweep.run(CELLS, cell, tmp_path / "out", quiet=True, minutes=seconds / 60, keep=kept.append)
    assert len(cell.ran) == np.ceil(seconds)
    assert len(kept) == done
    assert len(list((tmp_path / "out" / "cells").glob("*.json"))) == done
    assert numbers(sweep.run(CELLS, cell, tmp_path / "out", quiet=True)) == expected
    assert cell.ran == [(seed, epoch + 1) for seed in range(3) for epoch in range(EPOCHS)]
    assert not list((tmp_path / "out").glob("*.npz"))


def test_budget_after_budget_comes_to_the_same_rows(cell, tmp_path):
    expected = numbers(sweep.run(CELLS, cell, tmp_path / "reference", quiet=True))
    for _ in range(5):
        with pytest.raises(BudgetSpent):
            sweep.run(CELLS, cell, tmp_path / "out", quiet=True, minutes=2 / 60)
    assert numbers(sweep.run(CELLS, cell, tmp_path / "out", quiet=True, minutes=3 / 60)) == expected


def test_a_cell_whose_last_epoch_is_over_is_finished(cell, tmp_path):
    rows = sweep.run(CELLS, cell, tmp_path, quiet=True, minutes=3 * EPOCHS / 60)
    assert [row["config"] for row in rows] == [each["config"] for each in CELLS]
    assert cell.ran == [(seed, epoch + 1) for seed in range(3) for epoch in range(EPOCHS)]


def test_a_fit_without_a_checkpoint_is_not_cut_short(clock):
    digits = ms.load("digits")
    model = ms.MLP([ms.make_weights(ms.full(10, 64))])
    with budget.until(clock[0]):
        history = ms.fit(
            model, model.init(np.random.default_rng(0)), ms.SGD(lr=0.1), digits, 2, np.random.default_rng(1), quiet=True
        )
    assert len(history) == 3


def test_a_failure_before_the_end_of_the_budget_is_told(clock, tmp_path):
    def failing(config, checkpoint):
        time.sleep(60)
        raise InputError("x must not be so")

    with pytest.raises(RunError, match=r"1 of 3 cells failed; .*: x must not be so; the time budget was spent before"):
        sweep.run(CELLS, failing, tmp_path, quiet=True, minutes=1)


def test_a_run_does_not_wait_for_others_beyond_its_budget(clock, tmp_path):
    def joined(config, checkpoint):
        with pytest.raises(BudgetSpent, match="with 0 of 1 cells done"):
            sweep.run(CELLS[:1], joined, tmp_path, quiet=True, minutes=1)
        return {}

    sweep.run(CELLS[:1], joined, tmp_path, quiet=True)


@pytest.mark.parametrize("minutes", [0, -1, float("nan")])
def test_a_budget_that_is_none_is_refused(minutes, tmp_path):
    with pytest.raises(InputError, match=r"the time budget, must be above 0, got (0|-1|nan)"):
        sweep.run(CELLS, lambda config, _: {}, tmp_path, minutes=minutes)


def chapter(name, *flags):
    command = [sys.executable, str(ROOT / "chapters" / f"{name}.py"), *map(str, flags)]
    return subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=240)


def curves(folder):
    rows = map(json.loads, (folder / "rows.jsonl").read_text().splitlines())
    return [{k: v for k, v in row.items() if k not in ("made_by", "seconds")} for row in rows]


@pytest.mark.parametrize("value", ["0", "-2", "nan"])
def test_a_chapter_refuses_a_budget_that_is_none(value, tmp_path):
    done = chapter("dale", "--smoke", "--out", tmp_path / "out", f"--budget={value}")
    assert (done.returncode, done.stderr) == (2, f"error: --budget must be above 0 minutes, got {value}\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("sparse_rnn", ("--jobs", 2, "--figure", "2C", "--sizes", 20, "--density", 0.5, "--epochs", 20, "--seeds", 2)),
        ("representations", ("--nodes", 20, "--epochs", 20, "--seeds", 1, "--pairs", 4)),
    ],
)
def test_a_chapter_ends_with_its_budget_and_goes_on_with_resume(name, flags, tmp_path):
    """The first run stops at once, the second somewhere or not at all, the last one finishes."""
    reference = chapter(name, *flags, "--out", tmp_path / "reference")
    assert reference.returncode == 0, reference.stderr
    minutes, stopped, out = 1e-4, [], tmp_path / "out"
    while (done := chapter(name, *flags, "--out", out, "--resume", "--budget", minutes)).returncode == 3:
        assert not list(out.glob("*.png"))
        written = curves(out) if (out / "rows.jsonl").exists() else []
        assert not any(row["part"] == "claim" for row in written)
        stopped.append(done.stderr)
        minutes = 0.04 if minutes < 0.04 else 60
    assert done.returncode == 0, done.stderr
    assert stopped
    for sentence in stopped:
        assert sentence.startswith("stopped after ")
        assert sentence.endswith("of 2 cells done; the same command with --resume goes on from here\n")
    assert curves(out) == curves(tmp_path / "reference")


def test_a_flag_is_not_shortened(tmp_path):
    """A command that is recorded means the same when there are more flags."""
    done = chapter("dale", "--smoke", "--out", tmp_path / "out", "--epoch", 1)
    assert done.returncode == 2
    assert "unrecognized arguments: --epoch 1" in done.stderr
