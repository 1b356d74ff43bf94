"""Sweeps: every cell is run once, and its row is kept."""

import json
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import cloudpickle
import numpy as np
import pytest

from minisparse import files
from minisparse.errors import InputError, RunError
from minisparse.lab import provenance, results, sweep, workers


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

    def __getstate__(self):
        """Nothing of it is in a row."""


def test_a_grid_is_all_combinations_and_the_last_axis_changes_fastest():
    found = sweep.grid(rule="plain", p=(1.0, 0.1), seed=np.arange(2), hidden=[[30, 30]])
    assert [(row["p"], row["seed"]) for row in found] == [(1.0, 0), (1.0, 1), (0.1, 0), (0.1, 1)]
    assert all(row["rule"] == "plain" and row["hidden"] == [30, 30] for row in found)
    assert json.loads(json.dumps(found)) == found
    with pytest.raises(InputError, match="p has no values"):
        sweep.grid(p=[])


def test_rows_come_in_the_order_of_the_cells_and_are_files_of_one_line(tmp_path):
    cells = cells_of(x=[3, 1, 2])
    rows = sweep.run(cells, square, tmp_path, quiet=True, command="python a.py")
    assert [row["y"] for row in rows] == [9, 1, 4]
    for cell, row in zip(cells, rows, strict=True):
        assert row["key"] == results.key(cell["config"])
        assert row["made_by"]["command"] == "python a.py"
        assert any(name.endswith("test_sweep.py") for name in row["made_by"]["sources"])
        text = (tmp_path / "cells" / f"{row['key']}.json").read_text()
        assert text.count("\n") == 1
        assert json.loads(text) == row
    assert len(list((tmp_path / "cells").iterdir())) == 3


def test_only_missing_and_stale_rows_are_run(tmp_path):
    first = sweep.run(cells_of(x=[0, 1, 2]), Counting(), tmp_path, quiet=True)
    stale = {**first[1], "made_by": {**first[1]["made_by"], "sources_sha256": "of older sources"}}
    results.write(tmp_path / "cells" / f"{stale['key']}.json", [stale])
    (tmp_path / "cells" / f"{first[2]['key']}.json").unlink()
    again = Counting()
    rows = sweep.run(cells_of(x=[0, 1, 2, 3]), again, tmp_path, quiet=True)
    assert again.ran == [1, 2, 3]
    assert [row["y"] for row in rows] == [0, 1, 4, 9]
    assert not any(map(provenance.is_stale, rows))


def test_a_row_keeps_the_stamp_of_the_sources_it_began_with(tmp_path, monkeypatch):
    source = tmp_path / "source.py"
    source.write_text("a = 1\n")
    monkeypatch.setattr(sweep, "_home", lambda function: [str(source)])
    (row,) = sweep.run(cells_of(x=1), lambda *_: {"n": source.write_text("a = 22\n")}, tmp_path, quiet=True)
    assert provenance.is_stale(row)


def test_only_a_checkpoint_of_the_same_sources_is_gone_on_from(tmp_path, monkeypatch):
    (cell,) = cells_of(x=1)
    source, cutting = tmp_path / "source.py", tmp_path / "cutting"
    monkeypatch.setattr(sweep, "_home", lambda function: [str(source)])

    def cut_short(config, path):
        if cutting.exists():
            path.touch()
            raise InputError("cut short; go on")
        return {"found": path.exists()}

    def begin(text):
        source.write_text(text)
        with pytest.raises(RunError, match="cut short"):
            sweep.run([cell], cut_short, tmp_path, quiet=True)
        for marker in (tmp_path / "cells").glob("*.started"):  # as a run that started afresh would
            marker.unlink()

    def go_on(text):
        source.write_text(text)
        (row,) = sweep.run([cell], cut_short, tmp_path, quiet=True)
        for path in (tmp_path / "cells").iterdir():
            path.unlink()
        assert not list(tmp_path.glob("*.npz"))
        return row["found"]

    for before, after, found in (("a = 1", "a = 1", True), ("a = 1", "a = 2", False)):
        cutting.touch()
        begin(before)
        cutting.unlink()
        assert go_on(after) is found


def test_a_fresh_start_drops_the_checkpoints_of_cells_and_nothing_else(tmp_path):
    for name in ("0123456789ab.npz", "0123456789ab-cdef.npz", "weights.npz"):
        (tmp_path / name).touch()
    with sweep.shared(tmp_path, fresh=True, what="a"):
        assert [path.name for path in tmp_path.glob("*.npz")] == ["weights.npz"]


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


def test_what_does_not_fit_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="jobs must be at least 1, got 0"):
        sweep.run(cells_of(x=1), square, tmp_path, jobs=0)
    with pytest.raises(InputError, match="must hold plain values"):
        sweep.run([{"config": {"x": np.ones(2)}}], square, tmp_path)
    with pytest.raises(RunError, match="ndarray is not JSON serializable"):
        sweep.run(cells_of(x=1), lambda *_: {"y": np.ones(2)}, tmp_path, quiet=True)


def test_elsewhere_than_on_a_terminal_each_cell_is_a_line_with_the_time_left(tmp_path, capsys):
    sweep.run(cells_of(x=[1, 2]), square, tmp_path, shown=lambda row: f"y = {row['y']}")
    sweep.run(cells_of(x=[1, 2]), square, tmp_path)
    first, second, third, _ = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"cell 1 of 2: y = 1; about \d+ s left", first)
    assert second == "cell 2 of 2: y = 4"
    assert third.startswith("cell 1 of 2: ")


def test_a_chapter_starts_afresh_unless_it_resumes_or_joins_another_run(tmp_path):
    args = SimpleNamespace(out=tmp_path, command="python chapters/dale.py", resume=False)

    def ran(resume=False):
        args.resume, counting = resume, Counting()
        rows = results.run_cells(args, "dale", cells_of(x=[1, 2]), counting, lambda row: "")
        assert rows == results.read(tmp_path / "rows.jsonl")
        return counting.ran

    assert (ran(), ran(), ran(resume=True)) == ([1, 2], [1, 2], [])
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
    with sweep.shared(tmp_path, fresh=False, what=results.key({"dale": [results.key({"x": x}) for x in (1, 2)]})):
        assert (ran(), ran()) == ([1, 2], [])


def test_a_chapter_does_not_join_a_run_of_other_cells(tmp_path):
    args = SimpleNamespace(out=tmp_path, command="python chapters/dale.py", resume=False)

    def other(config, checkpoint):
        for name, cells in (("dale", cells_of(x=3)), ("gain", cells_of(x=1))):
            with pytest.raises(InputError, match=f"--out {tmp_path} is in use by a run of other cells"):
                results.run_cells(args, name, cells, Counting(), lambda row: "")
        return {}

    rows = results.run_cells(args, "dale", cells_of(x=1), other, lambda row: "")
    assert results.read(tmp_path / "rows.jsonl") == rows
    args.resume = True
    assert results.run_cells(args, "dale", cells_of(x=[1, 2]), Counting(), lambda row: "")[1]["y"] == 4


def test_a_cluster_that_is_not_there_or_does_not_suit_is_one_sentence(tmp_path, monkeypatch):
    for found, sentence in (({}, "has no workers; start some"), ({"tcp://a:1": 4}, "run several cells in one process")):
        with pytest.raises(InputError, match=sentence):
            workers._suitable(SimpleNamespace(nthreads=lambda found=found: found), "tcp://a:8786")
    counted = workers._suitable(SimpleNamespace(nthreads=lambda: {"tcp://a:1": 1, "tcp://a:2": 1, "tcp://b:1": 1}), "")
    assert counted == {"a": 2, "b": 1}
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'--scheduler needs Dask.*pip install "minisparse\[scale\]"'):
        sweep.run(cells_of(x=1), square, tmp_path, scheduler="tcp://a:8786")


def test_a_worker_of_other_sources_fails_its_cells(tmp_path):
    elsewhere = {"environment": {}, "arrays": "numpy", "library": "of another checkout", "share": 1}
    work = workers.Work(square, tmp_path, provenance.stamp("python a.py") | {"function": ""}, elsewhere=elsewhere)
    _, outcome, (sentence, _) = work(*cells_of(x=1))
    assert outcome == "failed"
    assert re.search("the worker on .* has other sources of minisparse", sentence)


@pytest.mark.parametrize("locks", [True, False])
def test_a_file_is_held_by_one_and_gone_afterwards(tmp_path, monkeypatch, locks):
    if not locks:
        monkeypatch.setattr(files, "fcntl", None)
    path = tmp_path / "a.started"
    with files.held(path) as first, files.held(path) as second:
        assert first
        assert second is None
        assert files.is_held(path)
    assert not path.exists()
    assert not files.is_held(path)


def test_a_worker_limits_its_threads():
    """Both counts are pushed up first; the process is a new one, because its settings stay."""
    code = (
        "import threadpoolctl, numba; from minisparse import backend, workers; backend.cpu_count = lambda: 4\n"
        "threadpoolctl.threadpool_limits(4, 'blas')\n"
        "workers.settle({}, 'numpy', workers.provenance.library_hash(), 2)\n"
        "print(max(p['num_threads'] for p in threadpoolctl.threadpool_info() if p['user_api'] == 'blas'),"
        " numba.get_num_threads())"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "4", "NUMBA_NUM_THREADS": "4"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["2", "2"], done.stderr


def test_a_lock_on_a_file_that_has_lost_its_name_counts_for_nothing(tmp_path, monkeypatch):
    """Between our opening a marker and our locking it, whoever held it may finish and remove it."""
    path, lock, lost = tmp_path / "a.started", files.lock, []

    def late(file, **options):
        if not lost:
            lost.append(file)
            path.unlink()
        return lock(file, **options)

    monkeypatch.setattr(files, "lock", late)
    with files.held(path) as file:
        assert file is not lost[0]
        assert files.is_held(path)
    assert not path.exists()


def test_writers_of_one_file_take_turns(tmp_path):
    rows = [[{"writer": writer, "n": n} for n in range(200)] for writer in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda k: results.write(tmp_path / "rows.jsonl", rows[k % 4]), range(40)))
    assert results.read(tmp_path / "rows.jsonl") in rows
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_another_function_on_the_same_configs_is_another_result(tmp_path):
    cells = [{"config": {"x": 3}}]
    (first,) = sweep.run(cells, lambda config, _: {"y": config["x"]}, tmp_path, quiet=True)
    (again,) = sweep.run(cells, lambda config, _: {"y": 10 * config["x"]}, tmp_path, quiet=True)
    assert (first["y"], again["y"]) == (3, 30)


def scaled(k, config, checkpoint):
    return {"y": k * config["x"]}


def cubed(config, checkpoint):
    return {"y": config["x"] ** 3}


def calling(function):
    return lambda config, checkpoint: function(config, checkpoint)


def of_closure(k, among=()):
    return lambda config, checkpoint: {"y": k * config["x"], "in": k in among}


def of_default(k):
    return lambda config, checkpoint, k=k: {"y": k}


def of_keyword(k):
    return lambda config, checkpoint, *, k=k: {"y": k}


class Scale:
    def __init__(self, k):
        self.k = k

    def __call__(self, config, checkpoint):
        return {"y": self.k}

    def once(self, config, checkpoint):
        return {"y": self.k}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (of_closure(1), of_closure(2)),
        (of_closure(1), of_closure(1.0)),
        (of_closure(1, {"a", "b"}), of_closure(1, {"a", "c"})),
        (of_closure(np.ones(2)), of_closure(np.zeros(2))),
        (of_default(1), of_default(2)),
        (of_keyword(1), of_keyword(2)),
        (partial(scaled, 1), partial(scaled, 2)),
        (partial(scaled, k=1), partial(scaled, k=2)),
        (partial(square), partial(cubed)),
        (calling(square), calling(cubed)),
        (Scale(1), Scale(2)),
        (Scale(1).once, Scale(2).once),
    ],
)
def test_what_a_function_holds_is_part_of_what_it_is(one, other):
    assert workers.identity(one) != workers.identity(other)
    for function in (one, other):
        assert workers.identity(function) == workers.identity(cloudpickle.loads(cloudpickle.dumps(function)))


def test_the_file_of_a_partial_or_an_object_is_among_the_sources():
    for function in (square, partial(partial(scaled), 1), Scale(1), Scale(1).once):
        assert sweep._home(function) == ["tests/test_sweep.py"]


def test_what_a_function_says_of_itself_is_not():
    def made(text):
        found = {}
        exec(text, found)
        return workers.identity(found["f"])

    inner = "    def g():\n        {}\n        return 1\n    return g()\n"
    said = made('def f(config, _):\n    "Say."\n' + inner.format('"Say more."'))
    silent = "def f(config, _):\n" + inner.replace("        {}\n", "")
    assert said == made(silent)
    assert said != made(silent.replace("1", "2"))


def test_a_function_that_cannot_be_told_from_another_is_one_sentence(tmp_path):
    lock = threading.Lock()
    with pytest.raises(InputError, match=r"cannot be told from another one \(cannot pickle '_thread.lock' object\)"):
        sweep.run(cells_of(x=1), lambda *_: {"y": lock.locked()}, tmp_path)
