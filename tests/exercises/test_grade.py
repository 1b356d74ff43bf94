"""A class is marked: everyone gets a mark or a sentence, and nothing outside the folder changes."""

import csv
import io
import os

import pytest
from helpers.submissions import KINDS, school

from minisparse.errors import InputError
from minisparse.exercises import grade
from minisparse.exercises.command import main


def marked(folder, outside):
    (outside / "kept.txt").write_text("kept")
    before = {path: path.read_bytes() for path in folder.rglob("*.py")}
    graded = list(grade.grade(folder, jobs=2, seconds=3))
    assert len(graded) == len(before)
    assert {path: path.read_bytes() for path in folder.rglob("*.py")} == before
    assert [path.name for path in outside.iterdir()] == ["kept.txt"]
    for each in graded:
        kind = each.student.partition("-")[0]
        if kind == "right":
            assert each.report is not None, (each.student, each.problem)
            assert each.report.ok, (each.student, str(each.report))
        else:
            assert each.report is None or not each.report.ok or "print" in str(each.report), each.student
            assert each.problem or any(part.sentence for part in each.report.parts) or not each.report.findings
    return graded


@pytest.mark.skipif(os.name != "posix", reason="limits of memory and processes need POSIX")
def test_everyone_of_a_small_class_gets_a_mark_or_a_sentence(tmp_path, capsys):
    outside = tmp_path / "outside"
    outside.mkdir()
    school(tmp_path / "class", 4, outside, exercises=["loss", "linear"])
    marked(tmp_path / "class", outside)
    assert main(["grade", str(tmp_path / "class")]) == 0
    said = capsys.readouterr().out
    assert all(kind in said for kind in KINDS)
    written = {path.name for path in (tmp_path / "class").iterdir() if path.is_file()}
    assert written == {"marks.csv", "mistakes.png", "mistakes.svg"}
    rows = list(csv.DictReader(io.StringIO((tmp_path / "class" / "marks.csv").read_text())))
    assert {row["student"].partition("-")[0] for row in rows} == set(KINDS)
    assert all(row["sentence"] for row in rows if row["state"] == "wrong")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="limits of memory and processes need POSIX")
def test_everyone_of_a_large_class_gets_a_mark_or_a_sentence(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    school(tmp_path / "class", 200, outside)
    found = grade.mistakes(marked(tmp_path / "class", outside))
    assert len(found) > 20


def test_what_is_no_submission_is_refused_or_gets_a_sentence(tmp_path):
    with pytest.raises(InputError, match="holds no submission; one is FOLDER/STUDENT/EXERCISE"):
        grade.submissions(tmp_path)
    for name in ("ada", "bob", "cem"):
        (tmp_path / name).mkdir()
    (tmp_path / "ada" / "loss.py").symlink_to("/etc/passwd")
    (tmp_path / "bob" / "loss.py").mkdir()
    (tmp_path / "cem" / "loss.py").write_bytes(b"\xff")
    (tmp_path / "cem" / "notes.txt").write_text("not mine")
    problems = {each.student: each.problem for each in grade.grade(tmp_path)}
    assert "is a regular file" in problems["ada"]
    assert "regular file" in problems["bob"]
    assert "is no text in UTF-8" in problems["cem"]


def test_a_spreadsheet_takes_no_cell_for_a_formula():
    table = grade.as_csv([grade.Graded("=1+1", "loss", None, "@SUM(A1)")])
    assert "'=1+1" in table
    assert "'@SUM(A1)" in table
    assert grade.mistakes([grade.Graded(name, "loss", None, "no file") for name in "ab"]) == [("file", 2, "no file")]
