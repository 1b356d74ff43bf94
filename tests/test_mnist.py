"""The chapter on the real MNIST files, as a user would run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


def accuracy(folder, *flags):
    """Run the chapter with 1,000 neurons and one seed; return its accuracy after each epoch."""
    if "MINISPARSE_DATA" not in os.environ:
        pytest.skip("MINISPARSE_DATA does not name a folder with the MNIST files")
    flags = ["--dataset", "mnist", "--nodes", "1000", "--seeds", "1", "--figure", "6B", "--out", folder, *flags]
    command = [sys.executable, ROOT / "chapters" / "dale.py", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "epoch 1/" in done.stderr
    (row,) = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    assert row["origin"] == "official"
    assert row["violations"] == 0
    return row["accuracy"]


def test_a_sparse_network_learns_in_one_epoch(tmp_path):
    assert accuracy(tmp_path, "--density", "0.1", "--epochs", "1")[-1] >= 65


def test_a_dense_network_stays_at_chance_for_two_long_epochs(tmp_path):
    assert max(accuracy(tmp_path, "--density", "1", "--epochs", "2")) <= 15
