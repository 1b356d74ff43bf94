"""Every line of a derivative is an exercise, cut from the library."""

import ast
import itertools

import pytest

from minisparse import equations
from minisparse.errors import InputError
from minisparse.exercises import bench, lines, texts


def test_every_tag_with_a_derivative_is_an_exercise_and_no_other():
    asked = set(equations.tags()) - set(bench.NO_DERIVATIVE)
    assert set(lines.lesson_of()) == asked == set(texts.ASKS) == set(texts.SHAPES)
    assert list(dict.fromkeys(lines.lesson_of().values())) == list(texts.LESSONS)


@pytest.mark.parametrize("lesson", texts.LESSONS)
def test_a_stub_reads_as_the_library_with_its_lines_blank(lesson):
    stub, mine = lines.stub(lesson), [tag for tag, name in lines.lesson_of().items() if name == lesson]
    ast.parse(stub)
    code = [row.strip() for row in stub.splitlines()]
    for tag in mine:
        assert sum(row.endswith(f"# ({tag}) {lines.YOURS}") for row in code) == 1, tag
        assert not any(row.startswith(lines.line(tag).solution) for row in code), tag
    first = next(node for node in ast.parse(stub).body if isinstance(node, ast.If))
    assert "SystemExit" in ast.unparse(first), "running the file must end before a student's line"
    assert not any(isinstance(node, ast.FunctionDef) and node.lineno < first.lineno for node in ast.parse(stub).body)


def test_hints_come_nearer_and_none_is_the_line():
    for tag in lines.lesson_of():
        asked = lines.line(tag)
        assert len(asked.hints) == 3, tag
        for text in (asked.asks, *asked.hints):
            assert asked.solution not in text, tag
            assert len(text) < 200, tag
            assert text.endswith("."), tag
        assert "..." in asked.blank, tag
    for a, b in itertools.combinations(texts.LESSONS.values(), 2):
        assert not set(a.modules) & set(b.modules)


def test_a_line_that_is_no_exercise_is_refused():
    with pytest.raises(InputError, match="no exercise asks for the line R1"):
        lines.line("R1")
