"""Equation tags hold code, catalogue and chapters together."""

import ast
import inspect
import re
import textwrap
from collections import Counter
from pathlib import Path

import pytest

import minisparse as ms
from minisparse import conv, equations, losses, patches, rnn
from minisparse.gradcheck import catalogue

ROOT = Path(__file__).parent.parent


def listed(source):
    """The tags a chapter shows: tuples of nothing but tags. (Figures of papers have names like S3, too.)"""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Tuple) and all(isinstance(item, ast.Constant) for item in node.elts):
            names = [str(item.value) for item in node.elts]
            if all(re.fullmatch(r"[ALRCDENSO]\d+", name) for name in names):
                yield from names


IN_CHAPTERS = Counter(
    tag for chapter in (ROOT / "chapters").glob("*.py") for tag in listed(chapter.read_text(encoding="utf-8"))
)
BACKWARD = [rnn.RNN.backward, conv.ConvPool.backward, patches.PatchConv.backward, losses.softmax_cross_entropy]


@pytest.mark.parametrize("tag", equations.tags())
def test_each_tag_stands_once_in_the_code_and_once_in_a_chapter(tag):
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "minisparse").rglob("*.py"))
    assert len(re.findall(rf"\S  # \({tag}\)", sources)) == 1
    assert IN_CHAPTERS[tag] == 1, f"({tag}) should stand in one chapter, once"
    assert ms.code_line(tag).strip()


def test_chapters_and_catalogue_use_no_tag_that_does_not_exist():
    assert set(IN_CHAPTERS) <= set(equations.tags())
    assert {row.tag for row in catalogue.catalogue()} <= set(equations.tags())
    with pytest.raises(ms.UserError, match="no line of the library carries the equation tag R99"):
        ms.code_line("R99")


def test_the_letters_are_those_of_the_families():
    assert {tag[0] for tag in equations.tags()} <= set("ALRCDENSO")


@pytest.mark.parametrize("function", BACKWARD, ids=lambda f: f.__qualname__)
def test_every_gradient_in_a_backward_pass_is_one_tagged_statement(function):
    source, seen = textwrap.dedent(inspect.getsource(function)), 0
    for node in ast.walk(ast.parse(source)):
        names = [ast.unparse(target) for target in getattr(node, "targets", ())]
        if any(re.fullmatch(r"d[A-Za-z]\w*(\[.*\])?", name) for name in names) and names != ["da"]:
            assert node.lineno == node.end_lineno, names
            assert re.search(r"# \([A-Z]\d+\)", source.splitlines()[node.lineno - 1]), f"{names} carries no tag"
            seen += 1
    assert seen >= 1
