"""The book: every chapter opens with its figure, every public name and every tagged line has its place."""

import importlib.util
import re
import subprocess
import sys

import book
import equation_table
import look
import pytest

import minisparse
from minisparse import equations, gradcheck, measure, testing
from minisparse.lab.provenance import ROOT

CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("*.py"))


def test_every_tagged_line_is_derived_checked_and_proven_or_says_why_not():
    assert equation_table.gaps() == []
    assert {tag for row in equation_table.table() for tag in row["tags"]} == set(equations.tags())


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("R1 R14", "R14", "(R1) stands 0 times in TABLE"),
        ("N3 |", "N3 R99 |", "(R99) is no tag of the library"),
        (
            "dale::test_the_clamp_is",
            "dale::test_a_clamp_is",
            "there is no test 'dale::test_a_clamp_is_the_published_one'",
        ),
    ],
)
def test_a_gap_in_the_table_is_said(monkeypatch, old, new, sentence):
    monkeypatch.setattr(equation_table, "TABLE", equation_table.TABLE.replace(old, new))
    assert any(sentence in text for text in equation_table.gaps())


def test_the_reference_holds_every_public_name():
    described = book.modules()
    listed = {name for names in described.values() for name in names}
    assert {name for name in minisparse.__all__ if name not in minisparse._MODULES} <= listed
    assert set(measure.__all__) <= set(described["measure"])
    assert set(gradcheck.__all__) <= set(described["gradcheck"])
    assert {"load_profile", "seeds", "generators", "sizes", "laws"} & set(vars(testing)) <= set(described["testing"])
    for module, names in described.items():
        text = book.reference(module, names)
        assert all(f":: {name}\n" in text for name in names), module


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_s_page_opens_with_a_figure_that_has_its_text(name):
    source = (ROOT / "chapters" / f"{name}.py").read_text(encoding="utf-8")
    path = book.lead(name, source)
    if path is None:
        assert f"{name}.jsonl" not in {file.name for file in book.rows.RESULTS.iterdir()}
        return
    assert len(book.alt_of(path)) > 20


def test_the_order_is_that_of_the_table_and_bptt_is_first():
    order = book.Order("")
    assert sorted(["gain.py", "new.py", "dale.py", "bptt.py"], key=order) == ["bptt.py", "dale.py", "gain.py", "new.py"]


def test_a_broken_link_and_an_address_of_the_network_are_found(tmp_path):
    text = '<a href="b.html">b</a><a href="#x">x</a><p id="y"><a href="#y">y</a><img src="https://a.b/c.png">'
    (tmp_path / "a.html").write_text(text, encoding="utf-8")
    count, wrong = look.links(tmp_path)
    assert count == 3
    assert [re.sub(r"^a.html:? ", "", text) for text in wrong] == [
        "b.html does not exist", "#x has no such place", "loads https://a.b/c.png"
    ]  # fmt: skip


def test_a_cell_that_only_sets_up_is_folded_with_what_it_prints():
    code, printed = (
        ".. code-block:: Python\n\n\n    ",
        ".. rst-class:: sphx-glr-script-out\n\n .. code-block:: none\n\n    ",
    )
    set_up = f'{code}import a\n    args = lab.chapter("a")\n\n\n{printed}backend\n\n\n\n'
    lesson = f"Lesson\n\n{code}import a\n    x = 1\n\n{printed}1\n\nEnd\n"
    begin, inside, end = book.fold(f"Title\n\n{set_up}{lesson}").partition(set_up.rstrip())
    assert inside
    assert re.fullmatch(r"Title\n\n\.\. raw:: html\n\n   <details.*</summary>\n\n", begin)
    assert end == f"\n\n.. raw:: html\n\n   </details>\n\n{lesson}"


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("sphinx_gallery"), reason='needs pip install -e ".[docs]"')
def test_the_book_is_built_without_a_warning_and_a_browser_finds_nothing_wrong(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-E", "-b", "html", "docs", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if not look.browser():
        pytest.skip("needs Chromium")
    assert look.links(tmp_path)[1] + look.complaints(tmp_path) == []
