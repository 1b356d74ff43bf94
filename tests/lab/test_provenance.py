"""What makes a recorded row stale: other golden numbers or another run part, not other words."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.errors import InputError
from minisparse.lab import provenance

SOURCE = '''"""A module."""

import numpy as np

RATE = 0.5
"""How fast."""


class Step(dict):
    """A step."""

    size: int = 3


def step(w, g, /, rate=RATE, *rest, name="sgd", **more):
    """Go downhill."""
    # a comment
    w -= rate * g
    g *= 1
    match rest:
        case (1 | None, *_, {"a": x}) if x is True:
            raise ValueError(f"{name!r:>{len(name)}} and {x:.3f}" " fails") from None
    async def later(): yield [i async for i in w if i] or (lambda *, k=1j: k)(k=b"1")
    return {**more, "w": w[..., ::2] @ g, "x": (y := -w[1:]), "t": np.ones((3,), "f4")}, y
'''
SAME = {
    "a module docstring": ('"""A module."""', '"""Another text, used as ``__doc__``."""'),
    "no docstring": ('    """Go downhill."""\n', ""),
    "a class docstring": ('"""A step."""', "'''One.'''"),
    "text under a constant": ('"""How fast."""\n', ""),
    "a comment": ("# a comment", "# other words"),
    "a new comment": ("    return", "    # why\n    return"),
    "blank lines and blanks": ("    w -= rate * g\n", "    w  -=  (rate*g)\n\n"),
    "other quotes": ('name="sgd"', "name='sgd'"),
    "a line broken": ("RATE = 0.5", "RATE = (\n    0.5\n)"),
}
OTHER = {
    "a number": ("0.5", "0.25"),
    "a number's type": ("g *= 1", "g *= 1.0"),
    "a truth for a number": ("g *= 1", "g *= True"),
    "an operator": ("w -= rate", "w += rate"),
    "a name": ("rate * g", "rate * w"),
    "a string argument": ('"f4"', '"f8"'),
    "a default": ("rate=RATE", "rate=0"),
    "a default that is a string": ('"sgd"', '"adam"'),
    "a message": (" fails", " failed"),
    "a conversion": ("!r", "!s"),
    "a base": ("Step(dict)", "Step(list)"),
    "an annotation": ("size: int", "size: float"),
    "a case": ("1 | None", "2 | None"),
    "a constant of a case": ("x is True", "x is None"),
    "a slice": ("::2", "1::2"),
    "async": ("async for", "for"),
    "two statements swapped": ("    w -= rate * g\n    g *= 1\n", "    g *= 1\n    w -= rate * g\n"),
}


RUN = """
def run_cell(config, checkpoint):
    return step, Step, np.ones(RATE)


def drawn(rows, width=3):
    return width


print(drawn(1))
"""


@pytest.fixture
def hashed(tmp_path):
    """Return a function from a chapter's text to the hash of its run part."""

    def of(text):
        (tmp_path / "chapter.py").write_text(text, encoding="utf-8")
        return provenance.run_part(tmp_path / "chapter.py")

    return of


@pytest.mark.parametrize("what", SAME)
def test_text_and_layout_leave_the_hash_as_it_is(what, hashed):
    assert SAME[what][0] in SOURCE
    assert hashed(SOURCE.replace(*SAME[what], 1) + RUN) == hashed(SOURCE + RUN)


@pytest.mark.parametrize("what", OTHER)
def test_what_the_run_part_does_changes_the_hash(what, hashed):
    assert OTHER[what][0] in SOURCE
    assert hashed(SOURCE.replace(*OTHER[what], 1) + RUN) != hashed(SOURCE + RUN)


@pytest.mark.parametrize("name", ["run_cell", "run"])
def test_what_the_run_part_does_not_read_leaves_the_hash_as_it_is(name, hashed):
    run = RUN.replace("run_cell", name)
    before = hashed(SOURCE + run)
    assert before != hashed(SOURCE)
    for old, new in (("width=3", "width=4"), ("return width", "return 2 * width"), ("print(drawn(1))", "drawn(2)")):
        assert old in run
        assert hashed(SOURCE + run.replace(old, new)) == before
    assert hashed(SOURCE + run + "\nargs = 3\n") == before
    reads_more = run.replace("return step", "print(1)\n    return step")
    assert hashed(SOURCE + reads_more) == before, "printing is no part of it"
    assert hashed(SOURCE + run.replace("return step", "return drawn, step")) != before


@pytest.mark.parametrize(
    "judging",
    [
        "\nrow = 3\n",
        "\nfor row in range(3):\n    drawn(row)\n",
        "\nk = [row for row in range(3)]\n",
        "\ndef row():\n    return 3\n",
    ],
)
def test_a_name_of_the_cells_own_is_not_that_of_the_file(judging, hashed):
    run = RUN.replace("return step", "row = [k for k in (lambda rows: rows)([1])]\n    return row, step")
    before = hashed(SOURCE + run)
    assert hashed(SOURCE + run + judging) == before
    read = run.replace("row = [", "value = [")  # now `row` is the file's
    assert hashed(SOURCE + read + "\nrow = 3\n") != hashed(SOURCE + read + "\nrow = 4\n")


@given(st.text(), st.text())
def test_strings_are_told_apart(one, other):
    trees = [provenance._tree(ast.parse(f"f({text!r})")) for text in (one, other)]
    assert (trees[0] == trees[1]) == (one == other)


def test_every_version_of_python_finds_the_same_hash(hashed):
    assert hashed(SOURCE + RUN) == "04587dba7949"


def test_a_row_reads_stale_after_a_change_of_golden_numbers_or_of_the_run_part(tmp_path, monkeypatch):
    chapter, golden = tmp_path / "chapters" / "tiny.py", tmp_path / "golden.json"
    chapter.parent.mkdir()
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setattr(provenance, "GOLDEN", golden)
    chapter.write_text(SOURCE + RUN)
    golden.write_text("[1.0]")
    row = {"made_by": provenance.stamp("python chapters/tiny.py --smoke", "tiny")}
    assert not provenance.is_stale(row)
    chapter.write_text(SOURCE.replace("# a comment", "# other words") + RUN)
    assert not provenance.is_stale(row)
    for path, text in ((golden, "[1.1]"), (chapter, SOURCE.replace("0.5", "0.25") + RUN)):
        before = path.read_text()
        path.write_text(text)
        assert provenance.is_stale(row)
        path.write_text(before)
    assert not provenance.is_stale(row)
    assert provenance.is_stale({"made_by": {"command": "python chapters/tiny.py"}}), "a row of an older version"


def test_without_chapters_what_needs_them_is_refused_in_one_sentence(tmp_path, monkeypatch):
    provenance.checkout("--record")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    with pytest.raises(InputError, match=r"^--record needs the chapters, which .* does not hold; run it in a clone"):
        provenance.checkout("--record")
