"""Exercises as objects, as a notebook uses them."""

import pytest

import minisparse as ms
from minisparse.errors import InputError
from minisparse.exercises.passes import TASKS


def test_a_line_is_marked_where_it_stands_in_the_library():
    report = ms.exercises.get("r7").mark("da[t] = W.matmul(da[t + 1]) * slope(kept[t])")
    assert not report.ok
    assert report.findings[0].code == "bptt-not-transposed"
    assert "R7" in str(report)
    assert "not transposed" not in str(report)
    assert "<table>" in report._repr_html_()
    assert "Wᵀ" in report._repr_html_()
    assert ms.exercises.get("R7").solution == ms.code_line("R7")


def test_a_file_of_lines_and_a_whole_pass_are_marked_part_by_part():
    lesson = ms.exercises.get("loss")
    solved = lesson.stub.replace("dlogits = ...", ms.code_line("L1"))
    assert lesson.mark(solved).ok
    assert [part.state for part in lesson.mark(lesson.stub).parts] == ["new"]
    task = ms.exercises.get("linear")
    some = task.stub.replace("dW = ...", "dW = dy @ x.T").replace(
        '"db[0, 0]": ...', f'"db[0, 0]": {task.solution("db[0, 0]")}'
    )
    report = task.mark(some)
    assert {part.name for part in report.parts if part.state == "done"} == {"W", "db[0, 0]"}
    assert report.score == (2, 7)
    assert report["x"].state == "new"


def test_every_exercise_has_its_texts():
    for name in ms.exercises.names():
        exercise = ms.exercises.get(name)
        assert exercise.title, name
        assert exercise.teaches.endswith("."), name
        assert 5 <= exercise.minutes <= 60, name
        for part in exercise.parts:
            assert exercise.hints(part), (name, part)
            assert exercise.solution(part), (name, part)
        compile(exercise.stub, name, "exec")
        assert ":math:" not in exercise.stub, name
    assert set(TASKS) <= set(ms.exercises.names())
    with pytest.raises(InputError, match="no exercise is called 'nothing'; there are linear, "):
        ms.exercises.get("nothing")
