"""The benchmarks: their statistics, what is written, and that one part's trouble is not another's. Nothing is timed."""

import doctest
import importlib
import json
import math
import pkgutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import benchmarks
import minisparse as ms
from benchmarks import __main__ as command
from benchmarks import growth, kernels, networks, peers, report, timing


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(timing, "PAUSE", 0.0)
    monkeypatch.setattr(timing, "ROUNDS", timing.ROUNDS)  # comes back after what runs with --quick


def side(result, log, name):
    call = timing.Call(lambda: log.append(name) or result)
    return call


positive = st.floats(1e-6, 1e6)


@given(st.lists(positive, min_size=1, max_size=20))
def test_quartiles_are_in_order_and_among_the_values(values):
    low, median, high = timing.quartiles(values)
    assert min(values) <= low <= median <= high <= max(values)
    assert math.isclose(median, float(np.median(values)))


def test_quartiles_of_seven_rounds_are_the_second_fourth_and_sixth():
    low, median, high = timing.quartiles([7, 1, 5, 3, 6, 2, 4])
    assert (low, median, high) == (2.5, 4.0, 5.5)


@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=9), positive)
def test_a_ratio_is_taken_round_by_round(pairs, drift):
    above, below = zip(*pairs, strict=True)
    found = timing.ratios(above, below)
    assert found == [a / b for a, b in pairs]
    slower = timing.ratios([drift * a for a in above], [drift * b for b in below])
    np.testing.assert_allclose(slower, found, rtol=1e-12)  # a machine that slows down changes no ratio


@given(st.floats(-2, 3), positive)
def test_the_exponent_of_a_power_law_is_found(power, factor):
    sizes = [1000, 2000, 5000, 40_000]
    assert timing.exponent(sizes, [factor * n**power for n in sizes]) == pytest.approx(power, abs=1e-6)


def test_sides_take_turns_and_the_first_round_does_not_count(monkeypatch):
    monkeypatch.setattr(timing, "ROUNDS", 3)
    log = []
    times = timing.interleave({name: side(1.0, log, name) for name in "ab"})
    assert log == ["a", "b"] * 4
    assert {name: len(each) for name, each in times.items()} == {"a": 3, "b": 3}


def test_a_part_of_the_work_is_scaled_to_all_of_it():
    whole, part = timing.Call(lambda: None), timing.Call(lambda: None, scale=1e9)
    assert part() > whole()


@pytest.mark.parametrize(
    ("other", "status"), [(1.0 + 1e-7, "ok"), (1.0 + 1e-4, "DISAGREE"), (float("nan"), "DISAGREE")]
)
def test_sides_that_compute_the_same_must_agree(other, status):
    sides = {"ours": timing.Call(lambda: 1.0), "theirs": timing.Call(lambda: other)}
    (row,) = timing.compare("case", sides, "ours")
    assert (row["quantity"], row["status"]) == ("theirs / ours", status)
    (row,) = timing.compare("case", sides, "ours", same=["ours"])
    assert row["status"] == "ok"
    assert "results" not in row


def test_entries_in_the_wrong_place_disagree(monkeypatch):
    monkeypatch.setattr(timing, "ROUNDS", 1)
    y = 50 + np.random.default_rng(0).standard_normal((1000, 100), np.float32)  # as products are: much in common
    swapped = y.copy()
    swapped[[3, 4]] = y[[4, 3]]
    rounded = (y.astype(float) * (1 + 1e-7 * np.random.default_rng(1).standard_normal(y.shape))).astype(np.float32)
    sides = {name: timing.Call(lambda each=each: each) for name, each in (("y", y), ("b", swapped), ("c", rounded))}
    assert [row["status"] for row in timing.compare("case", sides, "y")] == ["DISAGREE", "ok"]


def test_the_bound_counts_a_row_of_activity_for_each_synapse_product_and_step():
    pattern, steps, batch = growth.fixed_afferents(9, 4), 5, 3
    read = 0
    for _product in range(3):
        for _t in range(1, steps):
            for row in np.split(pattern.indices, pattern.indptr[1:-1]):
                read += sum(np.empty(batch, np.float32).nbytes for _ in row)
    assert kernels.bound(pattern.nnz, bandwidth=1.0, steps=steps, batch=batch) == read
    assert kernels.bound(pattern.nnz, bandwidth=10.0, steps=steps, batch=batch) == read / 10


def test_every_neuron_has_its_afferents():
    pattern = growth.fixed_afferents(30, 7)
    assert set(pattern.afferents()) == {7}
    assert pattern.shape == (30, 30)


def test_the_gather_gives_the_entries_of_the_product():
    rng = np.random.default_rng(0)
    pattern, dy, x = ms.bernoulli(200, 150, 0.6, rng), rng.random((200, 4)), rng.random((150, 4))
    found = kernels.gather_and_dot(pattern.rows, pattern.indices, dy, x)
    np.testing.assert_allclose(found, (dy @ x.T)[pattern.mask()])


@pytest.mark.parametrize(
    ("text", "size"), [("1024K\n", 1 << 20), ("2M", 2 << 20), ("512", 512), ("what", 1 << 20), ("", 1 << 20)]
)
def test_the_cache_is_as_large_as_the_system_says(tmp_path, text, size):
    (tmp_path / "size").write_text(text)
    assert kernels.cache_size(tmp_path / "size") == size
    assert kernels.cache_size(tmp_path / "missing") == 1 << 20


def test_a_synapse_adds_at_least_its_value_gradient_moments_and_indices():
    cells = [(n, count) for n in (300, 600) for count in (40, 80)]
    csr = growth.per_synapse({cell: growth.peak_in_fit(*cell, "csr") for cell in cells})
    moved = growth.per_synapse({cell: growth.bytes_of_transpose(*cell) for cell in cells})
    assert moved == pytest.approx(12, abs=2)
    assert csr - moved == pytest.approx(20, abs=4)


def test_the_frozen_numpy_reference_trains_as_we_do():
    pattern = networks.random_pattern(30, 0.3)
    ours = networks.recurrent(pattern, "csr", steps=6, batch=5)
    theirs = networks.masked_numpy(networks.recurrent(pattern, "dense", steps=6, batch=5))
    losses = [(ours.step(), theirs()) for _ in range(4)]
    np.testing.assert_allclose(*zip(*losses, strict=True), rtol=1e-5)
    assert losses[-1][0] < losses[0][0]


def test_scikit_learn_trains_as_we_do(monkeypatch):
    monkeypatch.setattr(timing, "ROUNDS", 2)
    sparse, learn = networks._epochs((30, 20), 0.5, batch=10, samples=100)
    assert "results" not in sparse
    assert (learn["quantity"], learn["status"]) == ("scikit-learn / full dense", "ok")
    assert learn["difference"] < timing.AGREE


@pytest.mark.torch
def test_every_torch_reference_computes_what_we_do(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(timing, "ROUNDS", 2)
    rows = [*networks._rnn(40, 0.3), *networks._rnn(40, 1), *kernels._products(60, 0.2)]
    rows += networks._mlp((30, 20, 20), 0.3, batch=10, momentum=0.9, threads=[1], count=3)
    theirs = [row for row in rows if row["quantity"].startswith("PyTorch")]
    assert len(theirs) == 4
    for row in theirs:
        assert row["status"] == "ok"
        assert row["difference"] <= timing.AGREE


def test_what_is_not_installed_is_not_run_and_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(timing, "ROUNDS", 1)
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    rows = list(networks._mlp((30, 20), 0.5, batch=5, momentum=0.0, threads=[1], count=1))
    assert rows[0]["status"] == "NOT RUN"
    assert rows[0]["remark"] == 'PyTorch is not installed; run: pip install -e ".[bench]"'
    assert {row["status"] for row in rows[1:]} == {"ok"}
    (row,) = kernels.limits(quick=True)
    assert row["remark"] == 'Numba is not installed; run: pip install -e ".[fast]"'


PEER = """
import sys
print("ready", "9.9", flush=True)
for line in sys.stdin:
    if line == "3\\n":
        sys.exit("it had enough")
    print(*[0.5] * int(line), 7.0, flush=True)
"""


def test_a_peer_answers_with_seconds_and_a_result_and_says_why_it_ended(tmp_path, monkeypatch):
    (tmp_path / "peer.py").write_text(PEER)
    monkeypatch.setattr(peers, "REFERENCES", tmp_path)
    with peers.Peer("peer.py", threads=1, count=2, x=np.ones(2)) as peer:
        assert (peer(), peer.result, peer.version) == (0.5, 7.0, "9.9")
    with peers.Peer("peer.py", threads=1, count=3) as peer, pytest.raises(peers.ProgramError, match="it had enough"):
        peer()
    (tmp_path / "peer.py").write_text("import no_such_module")
    with pytest.raises(peers.ProgramError, match="no_such_module"), peers.Peer("peer.py", threads=1):
        pass


def test_a_program_of_ours_runs_on_the_cpu_whatever_the_backend_here(monkeypatch):
    monkeypatch.setenv("BACKEND", "cupy")
    assert peers.python("-c", "import minisparse; print(type(minisparse.asarray([1])).__module__)") == "numpy\n"


def test_every_blas_is_loaded_before_the_list_of_them_is_kept():
    program = """
from benchmarks.networks import random_pattern, recurrent
from minisparse.threads import blas_pools
for storage in ("dense", "csr"):
    recurrent(random_pattern(30, 0.3), storage, steps=3, batch=5).step()
from threadpoolctl import ThreadpoolController
print(len(blas_pools()), len(ThreadpoolController().select(user_api="blas")))
"""
    kept, loaded = peers.python("-c", program).split()
    assert kept == loaded


def test_changes_to_the_benchmarks_alone_mark_the_commit(monkeypatch, tmp_path):
    changed = report._changed
    monkeypatch.setattr(report.provenance, "stamp", lambda command: {"commit": "abc", "versions": {}})
    for answer, commit in ((True, "abc+changes"), (False, "abc")):
        monkeypatch.setattr(report, "_changed", lambda folder, answer=answer: answer)
        assert report.made_by("it")["commit"] == commit
    assert not changed(tmp_path)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    assert not changed(tmp_path)
    (tmp_path / "new.py").touch()
    assert changed(tmp_path)


def parts(**named):
    """Return parts by name; each yields the rows it is given and then raises what is no row."""

    def part(rows):
        def run(quick):
            """Yield what was given."""
            for row in rows:
                if isinstance(row, BaseException):
                    raise row
                yield row

        return run

    return {name: part(rows) for name, rows in named.items()}


FINE = timing.row("N = 1", "b / a", [1.0, 2.0, 4.0], "", "fine", n=1)


@pytest.mark.parametrize(("trouble", "code"), [(ValueError("two\nlines"), 1), (KeyboardInterrupt(), 130)])
def test_trouble_in_a_part_loses_no_finished_row(tmp_path, monkeypatch, capsys, trouble, code):
    monkeypatch.setattr(command, "PARTS", parts(first=[FINE], second=[FINE, trouble, FINE], third=[FINE]))
    assert command.main(["--json", str(tmp_path / "new" / "found.json")]) == code
    found = report.read(tmp_path / "new" / "found.json")
    kept = [(row["part"], row["status"]) for row in found["rows"]]
    expected = [("first", "ok"), ("second", "ok")]
    assert kept == (expected if code == 130 else [*expected, ("second", "FAILED"), ("third", "ok")])
    assert found["made_by"]["versions"]["numpy"] == np.__version__
    assert found["made_by"]["threads"]["processors"] >= 1
    printed = capsys.readouterr()
    assert ("interrupted; the 2 rows so far are kept" if code == 130 else "ValueError: two lines") in printed.err
    assert "        2" in printed.out


def test_rows_are_written_after_every_part(tmp_path, monkeypatch):
    file, seen = tmp_path / "benchmarks.json", []

    def second(quick):
        """Look at the file."""
        seen.extend(report.read(file)["rows"])
        yield FINE

    monkeypatch.setattr(command, "PARTS", {**parts(first=[FINE]), "second": second})
    assert command.main(["--out", str(tmp_path)]) == 0
    assert seen == [{"part": "first", **FINE}]
    assert not list(tmp_path.glob(".*"))


def test_numbers_survive_the_file_and_nan_becomes_null(tmp_path):
    row = timing.row(
        "N = 1", "b / a", [0.1, 0.2, 0.30000000000000004], "", "", seconds={"a": 1e-7}, results={"a": math.nan}
    )
    report.write(tmp_path / "rows.json", {"commit": "abc"}, [report.finite({"part": "x", **row})])
    found = report.read(tmp_path / "rows.json")
    assert found["rows"] == [{"part": "x", **row, "results": {"a": None}}]
    json.dumps(found, allow_nan=False)


def test_parts_are_chosen_by_name():
    assert command.chosen([]) == [name for name in command.PARTS if name not in command.LEFT_OUT]
    assert command.chosen(["mlp", "rnn", "mlp"]) == ["mlp", "rnn"]
    assert set(command.LEFT_OUT) | set(command.ON_A_GPU) <= set(command.PARTS)


def test_an_unknown_part_is_named_in_one_sentence(tmp_path, capsys):
    assert command.main(["rnn", "rrn", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"error: there is no part 'rrn'; choose from {', '.join(command.PARTS)}\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("by", ["option", "environment"])
def test_an_unknown_backend_is_named_in_one_sentence(tmp_path, monkeypatch, capsys, by):
    monkeypatch.setenv("BACKEND", "bogus" if by == "environment" else "numpy")
    option = ["--backend", "bogus"] if by == "option" else []
    assert command.main(["rnn", *option, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == "error: there is no backend 'bogus'; choose from numpy, cupy\n"
    assert not (tmp_path / "out").exists()


def test_a_run_that_measures_nothing_ends_with_an_error(tmp_path, monkeypatch, capsys):
    absent = timing.not_run("all", "it", "not here")
    monkeypatch.setattr(command, "PARTS", parts(first=[absent]))
    assert command.main(["--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "nothing was measured\n"
    monkeypatch.setattr(command, "PARTS", parts(first=[absent, FINE]))
    assert command.main(["--out", str(tmp_path)]) == 0


@pytest.mark.slow
def test_the_quick_run_of_every_cheap_part_succeeds(tmp_path):
    names = [name for name in command.PARTS if name not in ("startup", "chapters")]
    peers.python("-m", "benchmarks", *names, "--quick", "--out", str(tmp_path))
    rows = report.read(tmp_path / "benchmarks.json")["rows"]
    assert {row["part"] for row in rows} == set(names)
    assert {row["status"] for row in rows} <= {"ok", "NOT RUN", "NOT INSTALLED"}


def test_help_lists_every_part_with_what_it_measures(capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for name, part in command.PARTS.items():
        assert f"  {name:10} {part.__doc__.splitlines()[0]}" in text


def test_what_cannot_run_on_a_backend_is_not_run_and_says_why(monkeypatch):
    monkeypatch.setattr(command, "ON_A_GPU", ())
    (row,) = command.rows_of("rnn", True, "cupy")
    assert row["status"] == "NOT RUN"
    assert row["remark"].startswith("BACKEND=cupy ") or row["remark"] == "it measures the CPU"


@pytest.mark.slow
def test_three_plots_are_drawn_and_say_what_they_show(tmp_path):
    seconds = {"CSR": 0.1, "dense": 0.4, "PyTorch": 0.5}
    rows = [{"part": "rnn", **timing.row("", "", [4.0], p=0.1, synapses=n, seconds=seconds)} for n in (100, 400)]
    rows.append({"part": "growth", **timing.row("", "CSR step", [9.0], "ms", synapses=100)})
    rows.append({"part": "growth", **timing.row("", "peak inside fit, CSR", [2.0], "MB", synapses=100, storage="CSR")})
    rows.append({"part": "limits", **timing.row("", "CSR step / L2", [2.0], p=0.1, synapses=100, side="CSR")})
    drawn = report.draw(tmp_path, rows)
    assert [path.name for path in drawn] == ["time.png", "memory.png", "limit.png"]
    for path, words in zip(
        drawn, ("CSR, p = 0.1: 100 at 400", "CSR, 100 afferents: 2 at 100", "50 at 100"), strict=True
    ):
        assert words.encode() in path.read_bytes()
    assert report.draw(tmp_path, [{"part": "rnn", **timing.not_run("", "", "no")}]) == []


def test_the_recorded_page_is_what_its_numbers_say():
    if not report.RECORDED.is_file():
        assert not report.PAGE.exists()
        return
    plots = [name for name in ("time.png", "memory.png", "limit.png") if (report.RECORDED.parent / name).is_file()]
    assert report.PAGE.read_text(encoding="utf-8") == report.page(report.read(report.RECORDED), plots)


def test_a_page_shows_numbers_and_what_did_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RECORDED", tmp_path / "results" / "benchmarks.json")
    monkeypatch.setattr(report, "PAGE", tmp_path / "RESULTS.md")
    rows = [
        {"part": "rnn", **timing.row("N = 5", "PyTorch / CSR", [1.0, 2.0, 4.0], remark="4 ms and 2 ms")},
        {"part": "rnn", **timing.not_run("N = 6", "PyTorch / CSR", "torch is missing")},
    ]
    made = {
        "command": "python -m benchmarks --record",
        "commit": "abc",
        "processor": "P",
        "backend": "backend: numpy 2",
    }
    made |= {"python": "3.11", "versions": {"numpy": "2"}}
    report.write(tmp_path / "run.json", made, rows)
    report.record(tmp_path / "run.json", [])
    text = (tmp_path / "RESULTS.md").read_text()
    assert "| N = 5 | PyTorch / CSR | 2 | 1.5 to 3 | 3 | 4 ms and 2 ms |" in text
    assert "| N = 6 | PyTorch / CSR | NOT RUN |  |  | torch is missing |" in text
    assert "commit abc, on P" in text


def test_the_processor_is_named_as_far_as_the_system_says(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("model name\t: Some CPU\ncpu family\t: 25\nmodel\t: 1\nflags\t: fpu avx2\nmodel name\t: Some CPU\n")
    assert report.processor(file) == "Some CPU, family 25, model 1, AVX2"
    assert report.processor(tmp_path / "missing") == ""


def test_more_lines_than_styles_are_all_drawn():
    figure, text = report._lines({f"line {k}": {10: 1.0, 20: k} for k in range(9)}, "y", "title", log=False)
    assert len(figure.axes[0].lines) == 9
    assert "line 8: 8 at 20" in text


def test_the_examples_in_the_docstrings_are_right():
    for module in pkgutil.iter_modules(benchmarks.__path__):
        found = doctest.testmod(importlib.import_module(f"benchmarks.{module.name}"))
        assert not found.failed, module.name
