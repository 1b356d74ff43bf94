"""A stale result file is confirmed by a few of its cells: run again, they agree with what is recorded, or it stays."""

import json
import subprocess
import sys

import pytest

from minisparse.errors import InputError
from minisparse.lab import again, provenance, results, sweep

CHAPTER = """
import sys
from pathlib import Path
from types import SimpleNamespace
from minisparse.lab import provenance, results, sweep

LAYOUT, BEST = 1, 90.0


def measure(config, checkpoint):
    with open("ran", "a") as log:
        log.write(f"{results.key(config)}\\n")
    return {"accuracy": [10.0, BEST * config["density"]], "seconds": config["nodes"] + config["density"]}


args = SimpleNamespace(out=Path("out"), command="python chapters/tiny.py --record", resume="--resume" in sys.argv)
if "--out" in sys.argv:
    args.out = Path(sys.argv[sys.argv.index("--out") + 1])
made_by = provenance.stamp(args.command, also=[__file__])
args.out.mkdir(exist_ok=True)
config = sweep.grid(nodes=[20, 10], density=[1.0, 0.5], seed=range(2))
rows = results.run_cells(args, "tiny", [{"part": "cells", "config": c} for c in config], measure, lambda row: "")
mean = sum(row["accuracy"][-1] for row in rows) / len(rows)
results.append(args.out, [results.claim("1A", "it learns", "here", f"{mean:g}", "", "REPRODUCED", mean=mean)], made_by)
if "--record" in sys.argv:
    results.record(args.out, "tiny", ["rows.jsonl"])
"""
STALE = "| REPRODUCED, STALE |"
AGREE = "; sources changed since: 2 of 8 cells run again at commit {} agree\n"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Return the rows of a chapter of eight cells, and the folder it was recorded in."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("chapters", "results"):
        (folder / name).mkdir()
    (folder / "chapters" / "tiny.py").write_text(CHAPTER)
    subprocess.run([sys.executable, "chapters/tiny.py"], cwd=folder, check=True)
    return folder, results.read(folder / "out" / "rows.jsonl")


@pytest.fixture
def tiny(recorded, monkeypatch):
    """Return that folder, its file recorded and fresh."""
    folder, rows = recorded
    monkeypatch.setattr(results, "ROOT", folder)
    monkeypatch.setattr(results, "RESULTS", folder / "results")
    (folder / "chapters" / "tiny.py").write_text(CHAPTER)
    (folder / "ran").unlink(missing_ok=True)
    results.write(folder / "results" / "tiny.jsonl", rows)
    return folder


def edit(folder, old, new):
    """Change what the chapter does."""
    script = folder / "chapters" / "tiny.py"
    assert old in script.read_text()
    script.write_text(script.read_text().replace(old, new))


def rows_of(folder):
    return results.read(folder / "results" / "tiny.jsonl")


def test_cells_that_agree_confirm_the_file_and_only_they_are_run(tiny, capsys):
    before = rows_of(tiny)
    edit(tiny, "LAYOUT, BEST = 1", "LAYOUT, BEST = 2")
    assert all(map(provenance.is_stale, before))
    assert STALE in results.results_md()
    assert results.main(["--confirm", "tiny"]) == 0
    assert capsys.readouterr().out.startswith("tiny: 2 of 8 cells run again agree")

    after = rows_of(tiny)
    assert not any(map(provenance.is_stale, after))
    assert [{name: value for name, value in row.items() if name != "confirmed"} for row in after] == before
    chosen = [row["config"] for row in again.sample(before, 2)]
    assert [(config["nodes"], config["density"]) for config in chosen] == [(10, 0.5), (20, 1.0)]
    keys = [results.key(config) for config in chosen]
    assert sorted((tiny / "ran").read_text().split()) == sorted(keys)
    for row in after:
        assert (row["confirmed"]["cells"], row["confirmed"]["of"]) == (keys, 8)
    commit = after[0]["confirmed"]["commit"]
    assert STALE not in results.results_md()
    assert AGREE.format(commit) in results.results_md()

    assert results.main(["--confirm", "tiny"]) == 0
    assert capsys.readouterr().out == "tiny is not stale, there is nothing to confirm\n"
    assert len((tiny / "ran").read_text().split()) == 2


def test_a_confirmed_file_is_stale_after_the_next_change_and_can_be_confirmed_again(tiny):
    edit(tiny, "LAYOUT, BEST = 1", "LAYOUT, BEST = 2")
    assert again.confirm("tiny") == []
    first = rows_of(tiny)
    edit(tiny, "LAYOUT, BEST = 2", "LAYOUT, BEST = 3")
    assert all(map(provenance.is_stale, first))
    assert STALE in results.results_md()
    assert "agree" not in results.results_md().partition("## tiny")[2]
    assert again.confirm("tiny", cells=3) == []
    second = rows_of(tiny)
    assert {len(row["confirmed"]["cells"]) for row in second} == {3}
    assert not any(map(provenance.is_stale, second))
    edit(tiny, "LAYOUT, BEST = 3", "LAYOUT, BEST = 1")
    assert not any(map(provenance.is_stale, second)), "what made the rows is back"
    assert "agree" not in results.results_md().partition("## tiny")[2]


@pytest.mark.parametrize(
    ("planted", "sentence"),
    [
        ("the cell", "tiny, cell {key}: accuracy was 48.0, is 45.0"),
        ("another cell", "tiny, 1A: mean was 67.5, is 73.75"),
        ("the claim", "tiny, 1A: NOT REPRODUCED became REPRODUCED"),
    ],
)
def test_a_number_that_differs_leaves_the_file_as_it_is(planted, sentence, tiny, capsys):
    rows = rows_of(tiny)
    chosen = [row["key"] for row in again.sample(rows, 2)]
    if planted == "the cell":
        next(row for row in rows if row["key"] == chosen[0])["accuracy"][-1] = 48.0
    elif planted == "another cell":
        next(row for row in rows if row["key"] not in chosen and row["config"]["density"] == 0.5)["accuracy"][-1] = 95.0
    else:
        rows[-1]["status"] = "NOT REPRODUCED"
    results.write(tiny / "results" / "tiny.jsonl", rows)
    edit(tiny, "LAYOUT, BEST = 1", "LAYOUT, BEST = 2")
    before = (tiny / "results" / "tiny.jsonl").read_bytes()
    assert results.main(["--confirm", "tiny"]) == 1
    assert (tiny / "results" / "tiny.jsonl").read_bytes() == before
    assert sentence.format(key=chosen[0]) in capsys.readouterr().out.splitlines()
    assert "REPRODUCED, STALE |" in results.results_md()


def test_how_far_two_accuracies_lie_apart_may_differ_by_points():
    def claim(name, number):
        return {"part": "claim", "figure": "1A", "claim": "c", "status": "REPORTED", "numbers": {name: number}}

    for name, before, now, near in (
        ("sparse - dense", 0.1, -1.8, True),
        ("sparse - dense", 0.1, -2.0, False),
        ("mean", 50.0, 52.0, True),
        ("mean", 50.0, 53.0, False),
    ):
        differ = again._claims_differ("tiny", [claim(name, before)], [claim(name, now)], again.TOLERANCE)
        assert (not differ) == near, (name, now)


def test_code_that_computes_something_else_is_not_confirmed(tiny):
    edit(tiny, "BEST = 1, 90.0", "BEST = 1, 80.0")
    differ = again.confirm("tiny")
    assert [sentence.partition(":")[0].split()[1] for sentence in differ[:2]] == ["cell", "cell"]
    assert all(map(provenance.is_stale, rows_of(tiny)))


def test_what_cannot_be_confirmed_is_one_sentence(tiny, capsys):
    edit(tiny, "seed=range(2)", "seed=range(3)")
    assert again.confirm("tiny") == ["tiny: its command has other cells by now; record it again"]
    edit(tiny, "import sys", "raise SystemExit('no such data')")
    assert again.confirm("tiny") == ["tiny: the command failed: no such data"]
    with pytest.raises(InputError, match="--cells must be at least 1, got 0"):
        again.confirm("tiny", cells=0)
    with pytest.raises(InputError, match="there is no result file 'tine'; the files are tiny"):
        again.confirm("tine")
    results.write(tiny / "results" / "tiny.jsonl", rows_of(tiny)[-1:])
    assert results.main(["--confirm", "tiny"]) == 2
    assert "tiny has no cells of which a few could be run; record it again" in capsys.readouterr().err


def test_a_source_that_the_cells_did_not_load_is_not_confirmed(tiny):
    rows = rows_of(tiny)
    rows[0]["made_by"]["sources"] = sorted([*rows[0]["made_by"]["sources"], "minisparse/conv.py"])
    results.write(tiny / "results" / "tiny.jsonl", rows)
    (sentence,) = again.confirm("tiny")
    assert sentence == "tiny: the cells that ran say nothing about minisparse/conv.py; try more with --cells"


def test_a_confirmed_row_does_not_save_running_its_cell(tiny, tmp_path):
    """A table made on --resume would hold numbers of two states of the code under the stamp of one."""
    edit(tiny, "LAYOUT, BEST = 1", "LAYOUT, BEST = 2")
    assert again.confirm("tiny") == []
    row = rows_of(tiny)[0]
    ran = []
    found = sweep.run(
        [{"part": "cells", "config": row["config"]}], lambda *_: ran.append(1) or {"accuracy": [1.0]}, tmp_path,
        done=[row], quiet=True,
    )  # fmt: skip
    assert ran == [1]
    assert "confirmed" not in found[0]


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
    found = again._cell_differs("a cell", old, new)
    assert (not found) == agree, found


def test_a_sample_spreads_over_settings_before_seeds_and_prefers_cheap_cells():
    def cell(cost, **config):
        return {"key": json.dumps(config), "config": config, "seconds": cost}

    cells = [cell(9, p=1.0, n=9, seed=0), cell(1, p=0.1, n=1, seed=0), cell(1, p=0.1, n=1, seed=1), cell(2, p=1.0, n=1)]
    assert again.sample([{"part": "claim"}, *cells], 3) == [cells[1], cells[3], cells[0]]
    assert again.sample(cells, 9) == [cells[1], cells[3], cells[0], cells[2]]
    untimed = [{name: value for name, value in row.items() if name != "seconds"} for row in cells]
    for row, nodes in zip(untimed, (30, 20, 20, 10), strict=True):
        row["config"]["nodes"] = nodes
    assert again.sample(untimed, 1) == [untimed[3]]


def test_a_run_of_a_chapter_does_not_load_what_confirms_it(tiny):
    sources = {source for row in rows_of(tiny) for source in row["made_by"]["sources"]}
    assert "minisparse/results.py" in sources
    assert "minisparse/again.py" not in sources


def test_a_heading_names_the_file_and_the_paper_of_its_chapter(tiny):
    rows = rows_of(tiny)
    for stem in ("checks", "sparse_rnn-2C-mnist-500"):
        results.write(tiny / "results" / f"{stem}.jsonl", rows)
    listed = results.results_md().splitlines()
    for stem in ("checks", "sparse_rnn-2C-mnist-500"):
        (tiny / "results" / f"{stem}.jsonl").unlink()
    assert {"## checks", "## tiny", "## sparse_rnn-2C-mnist-500 (Fruengel & Oberlaender 2025)"} <= set(listed)


def test_claims_are_made_anew_if_asked_for_and_the_cells_stay_as_recorded(tiny):
    before = results.read(results.RESULTS / "tiny.jsonl")
    edit(tiny, '"REPRODUCED"', '"NOT REPRODUCED"')
    assert again.confirm("tiny") == ["tiny, 1A: REPRODUCED became NOT REPRODUCED"]
    assert again.confirm("tiny", claims_anew=True) == []
    after = results.read(results.RESULTS / "tiny.jsonl")
    assert not any(map(provenance.is_stale, after))
    cells, claims = ([row for row in after if (row["part"] == "claim") == wanted] for wanted in (False, True))
    assert [{k: v for k, v in row.items() if k != "confirmed"} for row in cells] == before[:-1]
    assert [(row["status"], row["made_by"]["command"]) for row in claims] == [
        ("NOT REPRODUCED", before[-1]["made_by"]["command"])
    ]
