"""Peers beside ours: each computes the same, an absent one says so, the page judges; memory beside its preflight."""

import pytest

from benchmarks import against, memory, peers, report, timing


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(timing, "PAUSE", 0.0)


TASKS = {
    "recurrent": against.recurrent_task(30, 0.3, 3, steps=6, batch=5),
    "feedforward": against.feedforward_task((30, 20, 20), 0.3, 3, batch=10),
}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_plain_numpy_in_a_process_of_its_own_trains_as_we_do(monkeypatch, task):
    monkeypatch.setattr(timing, "ROUNDS", 1)
    begin = task.make().step()
    (row,) = against._beside(task, "NumPy, masked", against.LIBRARIES["NumPy, masked"])
    assert row["status"] == "ok"
    assert row["difference"] < 1e-5
    assert row["results"]["CSR"] < begin


@pytest.mark.torch
@pytest.mark.parametrize("name", [name for name in against.LIBRARIES if name != "NumPy, masked"])
def test_every_peer_that_is_installed_trains_as_we_do(monkeypatch, name):
    if reason := against.missing(name):
        pytest.skip(reason)
    monkeypatch.setattr(timing, "ROUNDS", 2)
    rows = [row for task in TASKS.values() for row in against._beside(task, name, against.LIBRARIES[name])]
    assert {row["status"] for row in rows} == {"ok"}
    assert max(row["difference"] for row in rows) < 1e-5


def test_a_peer_that_is_not_installed_has_one_row_with_the_command(monkeypatch):
    here = peers.importlib.util.find_spec
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: name in ("numpy", "sklearn") and here(name))
    monkeypatch.setattr(against, "tasks", lambda quick: [])
    rows = list(against.peers(quick=False))
    assert {row["status"] for row in rows} == {"NOT INSTALLED"}
    assert [row["peer"] for row in rows] == [name for name in against.LIBRARIES if name[:5] not in ("NumPy", "sciki")]
    assert rows[0]["remark"].startswith('SparseProp is not installed; run: pip install -e ".[peers]" && ')


def test_compiling_needs_a_compiler(monkeypatch):
    monkeypatch.setattr(against, "elsewhere", lambda module: "")
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "compiler" in against.missing("PyTorch, masked and compiled")
    assert not against.missing("PyTorch, masked")


def test_a_network_that_is_too_large_for_a_peer_is_not_run():
    (row,) = against._beside(TASKS["recurrent"], "it", against.Library("it.py", "it", {}, most=10))
    assert row["status"] == "NOT RUN"
    assert "left out" in row["remark"]


def test_the_page_says_for_each_peer_who_is_first_and_why_not():
    def row(case, p, ratio, **more):
        return {"part": "peers", "peer": "A", **timing.row(case, "A / CSR", [ratio], p=p, **more)}

    rows = [row("small", 0.1, 0.8, products=30.0), row("large", 0.01, 4.0), row("half", 0.2, 0.5, products=20.0)]
    text = report.verdict(rows)
    assert text.startswith(
        "minisparse is first in 1 of the 2 rows at p <= 0.1. Behind by a factor of 1.25: small (30 % "
    )
    assert "Behind by a factor of 2: half (20 % " in text
    absent = {"part": "peers", "peer": "B", **timing.not_run("all", "B / CSR", "B is not installed", "NOT INSTALLED")}
    made = {"command": "c", "commit": "abc", "processor": "P", "backend": "b", "python": "3", "versions": {}}
    page = report.page({"made_by": made, "rows": [*rows, absent]}, [])
    assert page.index("## peers") < page.index("### A\n\nminisparse is first") < page.index("| small |")
    assert page.index("| small |") < page.index("### B\n\nNot measured: B is not installed.") < page.index("| all |")


def test_the_preflight_of_a_row_counts_the_matrix_and_the_activity():
    sizes = (1000, 0.1, "csr")
    least = memory.cost.memory(*sizes) + memory.cost.activations(1000, 28, 100, "csr")
    assert least <= memory.preflight_bytes(*sizes) < 1.2 * least


@pytest.mark.slow
def test_the_measured_peak_is_near_the_preflight():
    row = memory.beside_preflight(1000, 0.1, "csr")
    assert 0.8 < row["median"] < 1.2
    assert row["measured"] > 1000 * 1000 * 0.1 * 32
