"""Rows: what is written is read, and what a chapter leaves behind, recorded or not."""

from types import SimpleNamespace

import pytest

from minisparse.errors import FileError, InputError
from minisparse.lab import claims, rows

MADE_BY = {"command": "python chapters/tiny.py"}
CELL = {"part": "cells", "key": "0123456789ab", "config": {}, "made_by": {"command": "earlier"}}


@pytest.fixture
def args(tmp_path):
    """Return what `cli.chapter` would, with a row of a cell, a claim of an earlier run and two figures there."""
    rows.write(tmp_path / "rows.jsonl", [CELL, {"part": "claim", "made_by": MADE_BY}])
    for name in ("tiny.png", "2C.png"):
        (tmp_path / name).write_bytes(name.encode())
        (tmp_path / name).with_suffix(".svg").write_bytes(b"<svg/>")
    return SimpleNamespace(out=tmp_path, made_by=MADE_BY, record=False)


@pytest.fixture
def results(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("results")
    monkeypatch.setattr(rows, "RESULTS", folder)
    return folder


def test_equal_settings_have_an_equal_key_and_a_value_that_is_not_plain_is_refused():
    assert rows.key({"a": 1, "b": [2]}) == rows.key({"b": [2], "a": 1}) != rows.key({"a": 1, "b": [3]})
    with pytest.raises(InputError, match="must hold plain values"):
        rows.key({"a": {1, 2}})


def test_rows_are_read_as_they_were_written_and_a_broken_line_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    assert rows.read(path) == []
    rows.write(path, [{"a": 1.5}, {"b": "±"}])
    assert rows.read(path) == [{"a": 1.5}, {"b": "±"}]
    path.write_text('{"a": 1}\n{"b": \n')
    with pytest.raises(FileError, match=r"rows.jsonl line 2 is no JSON object .*; delete the line or the file"):
        rows.read(path)


def test_a_chapter_ends_with_its_claims_in_place_of_earlier_ones(args, results, capsys):
    made = claims.claim("1A", "it learns", "here", {}, "REPORTED")
    rows.finish(args, "tiny", [made], ["tiny.png", "2C.png"])
    assert rows.read(args.out / "rows.jsonl") == [CELL, {**made, "made_by": MADE_BY}]
    assert not list(results.iterdir())
    assert capsys.readouterr().out.splitlines() == [
        f"wrote {args.out / name}" for name in ("tiny.png", "2C.png", "rows.jsonl")
    ]


@pytest.mark.parametrize(
    ("suffix", "names"),
    [
        ("", ["tiny-2C.png", "tiny-2C.svg", "tiny.jsonl", "tiny.png", "tiny.svg"]),
        (
            "-mnist",
            [
                "tiny-mnist-2C.png",
                "tiny-mnist-2C.svg",
                "tiny-mnist-tiny.png",
                "tiny-mnist-tiny.svg",
                "tiny-mnist.jsonl",
            ],
        ),
    ],
)
def test_recorded_files_are_named_after_the_chapter_and_its_setting(suffix, names, args, results, capsys):
    args.record = True
    rows.finish(args, "tiny", [], ["tiny.png", "2C.png"], suffix)
    assert sorted(path.name for path in results.iterdir()) == names
    assert (results / f"tiny{suffix}.jsonl").read_bytes() == (args.out / "rows.jsonl").read_bytes()
    assert (results / f"tiny{suffix}-2C.png").read_bytes() == b"2C.png"
    assert f"recorded in {results}" in capsys.readouterr().out


def test_what_is_not_run_is_listed_once_in_the_file_of_the_default_run(args, results):
    planned = claims.not_run("2B", "it grows", "80 %", "python chapters/tiny.py --paper --record")
    table = claims.not_run("Table 1", "a network", "94 %")
    for suffix, figures in (("", ["2B", "Table 1"]), ("-mnist", ["Table 1"])):
        rows.finish(args, "tiny", [planned, table], [], suffix)
        found = [row["figure"] for row in rows.read(args.out / "rows.jsonl") if row["part"] == "claim"]
        assert found == figures


def test_what_another_command_came_to_is_said_from_its_file(results, capsys):
    claim = claims.claim("2B", "it grows", "digits", {"p = 1": [1.0, 2.0]}, "REPORTED")
    left = claims.not_run("2B", "it grows further")
    rows.write(results / "tiny.jsonl", [CELL, claim, {**claim, "claim": "it falls"}, left])
    rows.recorded("tiny", "grows")
    assert capsys.readouterr().out == "  2B   it grows: REPORTED; p = 1 1.5 ± 0.7\n"
