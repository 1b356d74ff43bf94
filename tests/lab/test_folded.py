"""Exercises as text: pages, notebooks and the guide have every question; notebooks have no solutions."""

import re

from minisparse.lab import folded, notebook, questions
from minisparse.lab.provenance import ROOT

CHAPTERS = questions.names()
EVERY = [question for name in CHAPTERS for question in questions.exercises(name)]


def test_pages_and_notebooks_hold_every_question_and_only_pages_the_solutions():
    for name in CHAPTERS:
        page, book = folded.as_page(name), notebook.notebook(ROOT / "chapters" / f"{name}.py")
        cells = "".join("".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "markdown")
        asked = questions.exercises(name)
        assert page.count("<summary>Solution</summary>") == len(asked)
        assert page.count("<details") == page.count("</details>") == sum(len(q.hints) + 1 for q in asked)
        assert "Solution</summary>" not in cells
        for question in asked:
            assert f"**Exercise {question.number}.** {question.text}" in cells
            assert all(hint in cells for hint in question.hints)
            assert question.solution[:60] not in cells


def test_markdown_becomes_what_the_pages_read():
    text = "A `literal` and $x\ny$, a [page](https://a.b/c):\n\n```python\nx = `1`\n```\n\nand\n\n$$\na = b\n$$"
    assert folded.restructured(text) == (
        "A ``literal`` and :math:`x y`, a `page <https://a.b/c>`__:\n\n.. code-block:: python\n\n   x = `1`\n\nand\n\n"
        ".. math::\n\n   a = b"
    )


def test_the_guide_has_the_exercises_of_every_chapter():
    guide = (ROOT / "docs" / "lectures" / "guide.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\{exercises: (\w+)\}$", guide, re.MULTILINE)) == CHAPTERS
    assert "{exercises:" not in folded.guide(guide)
    assert folded.guide(guide).count("<summary>Solution</summary>") == len(EVERY)
