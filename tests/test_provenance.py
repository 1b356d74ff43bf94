"""What makes a recorded row stale: a source that does something else, not one that says it in other words."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    "an import": ("import numpy", "import scipy"),
    "a base": ("Step(dict)", "Step(list)"),
    "an annotation": ("size: int", "size: float"),
    "a case": ("1 | None", "2 | None"),
    "a constant of a case": ("x is True", "x is None"),
    "a slice": ("::2", "1::2"),
    "async": ("async for", "for"),
    "two statements swapped": ("    w -= rate * g\n    g *= 1\n", "    g *= 1\n    w -= rate * g\n"),
}


@pytest.fixture
def hashed(tmp_path, monkeypatch):
    """Return a function from a file's text to its hash."""
    monkeypatch.setattr(provenance, "ROOT", tmp_path)

    def of(text, name="source.py"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return provenance.sources_hash([name])

    return of


@pytest.mark.parametrize("what", SAME)
def test_text_and_layout_leave_the_hash_as_it_is(what, hashed):
    assert SAME[what][0] in SOURCE
    assert hashed(SOURCE.replace(*SAME[what], 1)) == hashed(SOURCE)


@pytest.mark.parametrize("what", OTHER)
def test_what_the_code_does_changes_the_hash(what, hashed):
    assert OTHER[what][0] in SOURCE
    assert hashed(SOURCE.replace(*OTHER[what], 1)) != hashed(SOURCE)


@given(st.text(), st.text())
def test_strings_are_told_apart(one, other):
    trees = [provenance._tree(ast.parse(f"f({text!r})")) for text in (one, other)]
    assert (trees[0] == trees[1]) == (one == other)


def test_every_version_of_python_finds_the_same_hash(hashed):
    assert hashed(SOURCE) == "aeb1964a2dbb3b12d85dae649503cc50e2838fbf36f2d5ae6d940fbda2e5655d"


def test_other_files_and_python_that_does_not_parse_count_byte_by_byte(hashed):
    for name, text in (("table.jsonl", '{"a": 1}\n'), ("broken.py", "def f(:\n")):
        assert hashed(text, name) == hashed(text, name)
        assert hashed(text + "# more\n", name) != hashed(text, name)


def test_names_of_files_count_and_so_does_a_file_that_is_gone(hashed, tmp_path):
    assert hashed(SOURCE) != hashed(SOURCE, "other.py")
    before = hashed(SOURCE)
    (tmp_path / "source.py").unlink()
    assert provenance.sources_hash(["source.py"]) != before


def test_a_row_whose_sources_changed_reads_stale(hashed):
    row = {"made_by": {"sources": ["source.py"], "sources_sha256": hashed("a = 1\n")}}
    assert not provenance.is_stale(row)
    hashed('"""In words."""\na = 1  # one\n')
    assert not provenance.is_stale(row)
    hashed("a = 2\n")
    assert provenance.is_stale(row)


def test_the_library_itself_is_among_its_sources():
    assert "minisparse/__init__.py" in provenance.stamp("python a.py")["sources"]
