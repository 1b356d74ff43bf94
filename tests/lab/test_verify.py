"""Recorded results are run again: what agrees is stamped, what differs is told, and nothing else is ever run."""

import json
import shutil
import sys
from pathlib import Path

import pytest

import minisparse
from minisparse.errors import InputError
from minisparse.lab import __main__ as lab
from minisparse.lab import page, provenance, rows, verify

CHAPTER = """
import os
from minisparse import lab

BEST = 90.0
NOT_RUN = [lab.claims.not_run("2B", "it grows", "80 %", "python chapters/tiny.py --epochs 80 --record")]


def add(flag):
    flag("--rule", help="a rule", default="plain")


def run_cell(config, checkpoint):
    with open("ran", "a") as log:
        log.write(f"{lab.rows.key(config)}\\n")
    return {"accuracy": [10.0, BEST * config["density"]], "seconds": config["nodes"] + config["density"]}


args = lab.chapter("tiny", "", {"epochs": 1, "seeds": 2, "time": "1 s"}, {"time": "1 s"}, add=add)
configs = lab.sweep.grid(nodes=[20, 10], density=[1.0, 0.5], seed=range(args.seeds))
rows = lab.cells(args, "tiny", [{"part": "cells", "config": c} for c in configs], run_cell, lambda row: "")
found = {"mean": [row["accuracy"][-1] for row in rows]}
lab.finish(args, "tiny", [lab.claims.claim("1A", "it learns", "here", found, "REPRODUCED"), *NOT_RUN], [])
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Return a checkout with one chapter of eight cells, whose results are recorded, and its rows."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("chapters/results", "tests"):
        (root / name).mkdir(parents=True)
    shutil.copytree(Path(minisparse.__file__).parent, root / "minisparse", ignore=shutil.ignore_patterns("*.nb?"))
    (root / "tests" / "golden.json").write_text("[1.0]")
    (root / "chapters" / "tiny.py").write_text(CHAPTER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(root))
        command = [sys.executable, "chapters/tiny.py", "--record", "--jobs", "1"]
        verify.subprocess.run(command, cwd=root, check=True, capture_output=True)
    return root, rows.read(root / "chapters" / "results" / "tiny.jsonl")


@pytest.fixture
def tiny(recorded, monkeypatch):
    """Return that checkout, as it was after the recording."""
    root, table = recorded
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setattr(provenance, "GOLDEN", root / "tests" / "golden.json")
    for module in (provenance, lab, page):
        monkeypatch.setattr(module, "ROOT", root)
    for module in (rows, page):
        monkeypatch.setattr(module, "RESULTS", root / "chapters" / "results")
    (root / "chapters" / "tiny.py").write_text(CHAPTER)
    (root / "ran").unlink(missing_ok=True)
    rows.write(root / "chapters" / "results" / "tiny.jsonl", table)
    return root


def edit(root, old, new):
    """Change what the chapter does."""
    script = root / "chapters" / "tiny.py"
    assert old in script.read_text()
    script.write_text(script.read_text().replace(old, new))


def file_of(root):
    return root / "chapters" / "results" / "tiny.jsonl"


def results(*words):
    return lab.main(["results", *words])


def test_a_few_cells_that_agree_keep_the_file_after_an_intended_change(tiny, capsys):
    before = rows.read(file_of(tiny))
    edit(tiny, "BEST = 90.0", "BEST = 90.1")
    edit(tiny, '"it grows"', '"it grows and grows"')
    assert all(map(provenance.is_stale, before))
    assert results("--verify", "tiny", "--cells", "2") == 0
    assert capsys.readouterr().out == "tiny: the same\n"
    assert rows.read(file_of(tiny)) == before, "nothing is stamped that nobody asked for"

    assert results("--verify", "tiny", "--cells", "2", "--stamp") == 0
    assert capsys.readouterr().out == "tiny: the same, and stamped so\n"
    after = rows.read(file_of(tiny))
    assert not any(map(provenance.is_stale, after))
    chosen = [row["key"] for row in verify.sample(before, 2)]
    assert sorted((tiny / "ran").read_text().split()) == sorted(2 * chosen), "only these were run, each time"
    for old, new in zip(before[:-1], after[:-1], strict=True):
        assert (new["verified"]["cells"], new["verified"]["of"]) == (2, 8)
        assert new["verified"]["commit"] == after[-1]["made_by"]["commit"]
        same = {name: value for name, value in new.items() if name not in ("verified", "made_by")}
        assert same == {name: value for name, value in old.items() if name != "made_by"}
        assert new["made_by"] == old["made_by"] | provenance.state("tiny")
    assert (after[-1]["status"], after[-1]["claim"]) == ("NOT RUN", "it grows and grows")


@pytest.mark.parametrize(
    ("planted", "sentence"),
    [
        ("a cell that runs", "tiny, cell {key}: accuracy was 48.0, is 45.0"),
        ("a cell that does not", "tiny, 1A: mean was 67.5, is 73.75"),
        ("the code", "tiny, cell {key}: accuracy was 45.0, is 40.0"),
    ],
)
def test_a_number_that_differs_leaves_the_file_as_it_is(planted, sentence, tiny, capsys):
    table = rows.read(file_of(tiny))
    chosen = [row["key"] for row in verify.sample(table, 2)]
    for row in table:
        if planted == "a cell that runs" and row.get("key") == chosen[0]:
            row["accuracy"][-1] = 48.0
    if planted == "a cell that does not":
        other = next(row for row in table if row["key"] not in chosen and row["config"]["density"] == 0.5)
        other["accuracy"][-1] = 95.0
    if planted == "the code":
        edit(tiny, "BEST = 90.0", "BEST = 80.0")
    rows.write(file_of(tiny), table)
    before = file_of(tiny).read_bytes()
    assert results("--verify", "tiny", "--cells", "2", "--stamp") == 1
    assert file_of(tiny).read_bytes() == before
    assert sentence.format(key=chosen[0]) in capsys.readouterr().out.splitlines()


def test_claims_and_figures_are_made_anew_from_the_recorded_cells_without_a_run(tiny, capsys):
    before = rows.read(file_of(tiny))
    edit(tiny, '"it learns"', '"it learns well"')
    edit(tiny, "*NOT_RUN], [])", '*NOT_RUN], ["2C.png"])')
    drawn = 'for kind in (".png", ".svg"):\n    (args.out / f"2C{kind}").write_bytes(b"new")\n'
    edit(tiny, "found = {", f"{drawn}found = {{")
    assert results("--redraw", "tiny") == 0
    assert capsys.readouterr().out.split() == ["tiny-2C.png", "tiny-2C.svg"]
    assert file_of(tiny).with_name("tiny-2C.svg").read_bytes() == b"new"
    after = rows.read(file_of(tiny))
    assert after[:-2] == before[:-2], "the cells stay as recorded"
    assert [row["claim"] for row in after[-2:]] == ["it learns well", "it grows"]
    assert after[-2]["made_by"] == before[-2]["made_by"]
    assert not (tiny / "ran").exists()
    assert results("--redraw", "nothing") == 2


def test_without_a_number_of_cells_all_are_run(tiny):
    assert verify.verify("tiny:1A") == []
    assert len((tiny / "ran").read_text().split()) == 8


def test_a_command_that_has_other_cells_or_fails_is_one_sentence(tiny):
    edit(tiny, "seed=range(args.seeds)", "seed=range(3)")
    assert verify.verify("tiny", 1) == ["tiny: its command has other cells by now; record it again"]
    edit(tiny, "import os", "raise SystemExit('no such data')")
    assert verify.verify("tiny", 1) == ["tiny: the command failed: no such data"]


@pytest.fixture
def never(tiny, monkeypatch):
    """Return the checkout, in which whatever starts a process fails the test."""

    def start(*words, **options):
        raise AssertionError(f"{words} was run")

    monkeypatch.setattr(verify.subprocess, "run", start)
    return tiny


@pytest.mark.parametrize(
    "command",
    [
        'python -c \'open("planted", "w")\'',
        "python chapters/../planted.py",
        "python ../chapters/tiny.py",
        "python /tmp/chapters/tiny.py",
        "python chapters/none.py",
        "python chapters/tiny.py; touch planted",
        "sh chapters/tiny.py",
        "FOO=1 python chapters/tiny.py",
        "python -i chapters/tiny.py",
        "python",
        "",
        "python 'chapters/tiny.py",
        "python chapters/tiny.py --evil",
        "python chapters/tiny.py --evil=1",
        "python chapters/tiny.py --seeds 1 -c pass",
        "python chapters/tiny.py -m planted",
    ],
)
def test_a_crafted_result_file_runs_nothing(command, never, capsys):
    table = rows.read(file_of(never))
    for row in table:
        row["made_by"]["command"] = command
    rows.write(file_of(never), table)
    assert results("--verify", "tiny", "--cells", "1", "--stamp") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("error: ")
    assert "record" in said
    assert not (never / "planted").exists()


@pytest.mark.parametrize("name", ["../results/tiny", "/etc/passwd", "tine", "", "tiny.jsonl", "..", "tiny/"])
def test_the_name_of_a_result_file_leads_nowhere_else(name, never):
    with pytest.raises(InputError, match=r"there is no result file .*; the files are tiny$"):
        verify.verify(name)


def test_what_cannot_be_verified_is_one_sentence(never, capsys):
    for words, sentence in (
        (["--verify", "tiny:9Z"], "there is no claim under 'tiny:9Z'"),
        (["--verify", "tiny", "--cells", "0"], "--cells must be at least 1, got 0"),
        (["--verify", "tiny:1A", "--stamp"], "--stamp is for a whole file: --verify tiny --stamp"),
        (["--stamp"], "--cells and --stamp go with --verify FILE"),
        (["--cells", "2"], "--cells and --stamp go with --verify FILE"),
    ):
        assert results(*words) == 2
        assert sentence in capsys.readouterr().err
    rows.write(file_of(never), [row for row in rows.read(file_of(never)) if "key" not in row])
    with pytest.raises(InputError, match="the file has no cells of which a few could be run; leave --cells out"):
        verify.verify("tiny", 2)


def test_flags_that_change_no_row_or_reach_elsewhere_are_left_out(never):
    command = (
        "python chapters/tiny.py --record --seeds 2 --out /elsewhere --scheduler tcp://there:1 --rule 'a; b' --resume "
        "--jobs 2 --budget=5 --data-dir .. --epochs -1"
    )
    assert verify.arguments(command) == [
        "chapters/tiny.py", "--seeds", "2", "--rule", "a; b", "--jobs", "2", "--epochs", "-1", "--yes",
    ]  # fmt: skip


OUTSIDE = [
    'python -c \'open("ran", "w")\'',
    "python /tmp/other.py",
    "python chapters/../../other.py",
    "python chapters/sub/tiny.py",
    "python ../other.py",
    "python chapters/link.py",
    "python chapters/tiny.py; touch ran",
    "python chapters/tiny.py --rule plain -- --record",
    "python -m pytest",
    "sh chapters/tiny.py",
    "python chapters/tiny.py --unknown x",
    "python 'chapters/tiny.py",
    "",
]


@pytest.mark.parametrize("command", OUTSIDE)
def test_a_file_of_rows_runs_nothing_but_a_chapter_of_this_checkout(tiny, tmp_path, monkeypatch, command, capsys):
    (tmp_path / "other.py").write_text("open('ran', 'w')")
    link = tiny / "chapters" / "link.py"
    link.unlink(missing_ok=True)
    link.symlink_to(tmp_path / "other.py")
    monkeypatch.setattr(verify.subprocess, "run", lambda *_, **__: pytest.fail("nothing is to be run"))
    table = rows.read(file_of(tiny))
    rows.write(file_of(tiny), [{**row, "made_by": row["made_by"] | {"command": command}} for row in table])
    for words in (["--verify", "tiny"], ["--redraw", "tiny"]):
        assert results(*words) == 2
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1
        assert len(error) < 500


@pytest.mark.parametrize("name", ["../tiny", "/etc/passwd", "sub/tiny", "tiny.jsonl", "", ".", "outside"])
def test_result_files_go_by_plain_names(tiny, tmp_path, monkeypatch, name, capsys):
    for folder in (tiny / "chapters", tmp_path):
        shutil.copy(file_of(tiny), folder / "tiny.jsonl")
    link = file_of(tiny).with_name("outside.jsonl")
    link.unlink(missing_ok=True)
    link.symlink_to(tmp_path / "tiny.jsonl")
    monkeypatch.setattr(verify.subprocess, "run", lambda *_, **__: pytest.fail("nothing is to be run"))
    for flag in ("--verify", "--redraw"):
        assert results(flag, name) == 2
        assert f"there is no result file {name!r}" in capsys.readouterr().err
    link.unlink()


def test_recorded_rows_of_elsewhere_are_not_taken(tiny):
    assert verify.arguments("python chapters/tiny.py --rows /elsewhere/rows.jsonl --seeds 1")[1:] == [
        "--seeds",
        "1",
        "--yes",
    ]


def test_every_recorded_command_is_one_that_would_be_run():
    files = sorted(rows.RESULTS.glob("*.jsonl"))
    assert files
    for path in files:
        command = rows.read(path)[-1]["made_by"]["command"]
        assert verify.arguments(command)[0] == command.split()[1]


def test_without_chapters_there_is_nothing_to_write(never, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert results("--write") == 2
    assert capsys.readouterr().err.startswith("error: python -m minisparse.lab results needs the chapters")
    assert not list(tmp_path.iterdir())


def test_what_is_generated_is_written_and_compared(never, monkeypatch, capsys):
    monkeypatch.setattr(page, "readme", lambda old: "new text\n")
    monkeypatch.setattr(page, "results_md", lambda: "results\n")
    assert results() == 1
    assert capsys.readouterr().err.startswith("README.md, RESULTS.md differ from the result files; run: python -m")
    assert (results("--write"), results()) == (0, 0)
    assert (never / "RESULTS.md").read_text() == "results\n"
    for name in ("README.md", "RESULTS.md"):
        (never / name).unlink()


def test_how_far_two_accuracies_lie_apart_may_differ_by_points():
    def claim(name, number):
        return {"part": "claim", "figure": "1A", "claim": "c", "status": "REPORTED", "numbers": {name: number}}

    for name, before, now, near in (
        ("sparse - dense", 0.1, -1.8, True),
        ("sparse - dense", 0.1, -2.0, False),
        ("mean", 50.0, 52.0, True),
        ("mean", 50.0, 53.0, False),
    ):
        differ = verify.claims_differ("tiny", [claim(name, before)], [claim(name, now)])
        assert (not differ) == near, (name, now)
    other = {**claim("mean", 50.0), "status": "NOT REPRODUCED"}
    assert verify.claims_differ("tiny", [claim("mean", 50.0)], [other]) == ["tiny, 1A: REPORTED became NOT REPRODUCED"]
    assert verify.claims_differ("tiny", [other], []) == ["tiny, 1A: the claim is gone"]


@pytest.mark.parametrize(
    ("old", "new", "agree"),
    [
        ({"accuracy": [1.0, 90.0]}, {"accuracy": [7.0, 88.1]}, True),
        ({"accuracy": [1.0, 90.0]}, {"accuracy": [1.0, 87.9]}, False),
        ({"accuracy": [90.0]}, {}, False),
        ({"accuracy": [90.0], "gain": 1.0}, {"accuracy": [90.0], "gain": 2.0}, True),
        ({"after_rewiring": [90.0]}, {"after_rewiring": [80.0]}, False),
        ({"gain": 2.0, "seconds": 1.0}, {"gain": 2.09, "seconds": 9.0}, True),
        ({"gain": 2.0}, {"gain": 2.11}, False),
        ({"gain": 2.0}, {"gain": None}, False),
        ({"gain": 2.0, "delay": None}, {"gain": 2.0, "delay": 3}, False),
        ({"gain": 2.0}, {"gain": float("nan")}, False),
        ({"non_finite": {}}, {"non_finite": {}}, True),
        ({"non_finite": {}}, {"accuracy": [90.0]}, False),
        ({"accuracy": [90.0]}, {"non_finite": {}}, False),
        ({"seconds": 1.0}, {"seconds": 1.0}, False),
    ],
)
def test_what_is_compared_of_a_cell(old, new, agree):
    found = verify.cell_differs("a cell", old, new)
    assert (not found) == agree, found


def test_a_sample_spreads_over_settings_before_seeds_and_prefers_cheap_cells():
    def cell(cost, **config):
        return {"key": json.dumps(config), "config": config, "seconds": cost}

    cells = [cell(9, p=1.0, n=9, seed=0), cell(1, p=0.1, n=1, seed=0), cell(1, p=0.1, n=1, seed=1), cell(2, p=1.0, n=1)]
    assert verify.sample([{"part": "claim"}, *cells], 3) == [cells[1], cells[3], cells[0]]
    assert verify.sample(cells, 9) == [cells[1], cells[3], cells[0], cells[2]]
    untimed = [{name: value for name, value in row.items() if name != "seconds"} for row in cells]
    for row, nodes in zip(untimed, (30, 20, 20, 10), strict=True):
        row["config"]["nodes"] = nodes
    assert verify.sample(untimed, 1) == [untimed[3]]
