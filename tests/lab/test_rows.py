"""Rows: what is written is read, and what a chapter leaves behind, recorded or not."""

import json
import pickle
from types import SimpleNamespace

import pytest

from minisparse.errors import FileError, InputError
from minisparse.lab import claims, rows

MADE_BY = {"command": "python chapters/tiny.py"}
CLAIM = {**claims.claim("9Z", "earlier", "here", {}, "REPORTED"), "made_by": MADE_BY}
CELL = {"part": "cells", "key": "0123456789ab", "config": {}, "made_by": {"command": "earlier"}}


@pytest.fixture
def args(tmp_path):
    """Return what `cli.chapter` would, with a row of a cell, a claim of an earlier run and two figures there."""
    rows.write(tmp_path / "rows.jsonl", [CELL, CLAIM])
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


def line(row, **changes):
    """A row as a line of a file; an entry changed to None is left out."""
    return json.dumps({name: value for name, value in (row | changes).items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfe{}", "line 2 is no text in UTF-8"),
        (b"[" * 100_000, "line 2 is no JSON object"),
        (b'{"a": ' * 100_000, "line 2 is no JSON object"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "line 2 is no JSON object .a number of 10000 digits"),
        (b"[1, 2]", "line 2 is no JSON object but a list"),
        (b'"text"', "line 2 is no JSON object but 'text'"),
        (b"null", "line 2 is no JSON object but None"),
        (line(CELL, made_by=None), "line 2 has no 'made_by', which it should have"),
        (line(CELL, made_by="me"), "line 2 has 'me' under 'made_by', which should be an object"),
        (line(CELL, made_by={}), "line 2 does not say under 'made_by' which 'command' made it"),
        (line(CELL, config=[]), "line 2 has a list under 'config', which should be an object"),
        (line(CELL, part=3), "line 2 has 3 under 'part', which should be a text"),
        (line(CLAIM, figure=None), "line 2 has no 'figure'"),
        (line(CLAIM, status="GOOD"), "line 2 has the status 'GOOD', which is none of REPRODUCED"),
        (line(CLAIM, numbers={"a": "b"}), "line 2 has something under 'numbers' that is no number"),
    ],
)
def test_a_line_that_is_no_row_is_named_in_one_sentence(content, sentence, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(line(CELL) + b"\n" + content + b"\n")
    with pytest.raises(FileError, match=sentence) as caught:
        rows.read(path)
    assert str(caught.value).endswith("; delete the line or the file")
    assert len(str(caught.value)) <= 500


def test_an_entry_that_a_row_lacks_is_asked_for_in_vain_in_one_sentence(tmp_path):
    rows.write(tmp_path / "rows.jsonl", [CELL])
    (row,) = pickle.loads(pickle.dumps(rows.read(tmp_path / "rows.jsonl")))
    assert row == CELL
    with pytest.raises(FileError, match=r"rows\.jsonl line 1 has no 'accuracy', which is read here"):
        row["accuracy"]


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
    claim = {**claims.claim("2B", "it grows", "digits", {"p = 1": [1.0, 2.0]}, "REPORTED"), "made_by": MADE_BY}
    left = {**claims.not_run("2B", "it grows further"), "made_by": MADE_BY}
    rows.write(results / "tiny.jsonl", [CELL, claim, {**claim, "claim": "it falls"}, left])
    rows.recorded("tiny", "grows")
    assert capsys.readouterr().out == "  2B   it grows: REPORTED; p = 1 1.5 ± 0.7\n"
