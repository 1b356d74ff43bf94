"""The exercises of the chapters: their source, its refusals, and what is drawn from it."""

import re

import pytest

from minisparse.lab import folded, questions
from minisparse.lab.provenance import ROOT

CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("*.py"))
EVERY = [question for name in questions.names() for question in questions.exercises(name)]
GOOD = """# a

## 1
What is $2 \\cdot 3$?

### Hint
Add.

### Hint
Twice.

### Run
```python
six = 2 * 3
```

### Numbers
* six: 6, within 0

### Solution
$6$.
"""


def test_every_chapter_has_exercises_and_points_at_them():
    assert questions.names() == CHAPTERS
    for name in CHAPTERS:
        source = (ROOT / "chapters" / f"{name}.py").read_text(encoding="utf-8")
        assert f"chapters/exercises/{name}.md" in source
        assert source.count("# Exercises\n# ---------\n") == source.count("# Read next\n# ---------\n") == 1


@pytest.mark.parametrize("question", EVERY, ids=lambda q: f"{q.chapter}-{q.number}")
def test_every_exercise_has_hints_a_solution_and_numbers_that_are_known(question):
    assert 2 <= len(question.hints) <= 3
    assert not re.search(r"DRAFT|\{run\b", folded.solution(question))
    assert set(questions.expected(question)) == {number.name for number in question.numbers}
    assert all(number.tolerance >= 0 for number in question.numbers)
    if question.command:
        known = questions.record_of(question)
        assert known["made_by"]["command"] == question.command
        assert known["seconds"] < 200


def test_a_source_is_taken_apart():
    (question,) = questions.parse(GOOD, "a")
    assert question.text == "What is $2 \\cdot 3$?"
    assert question.hints == ("Add.", "Twice.")
    assert (question.run, question.command) == ("six = 2 * 3", "")
    assert questions.expected(question) == {"six": 6}
    assert folded.solution(question).startswith("$6$.")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# a\n", "# b\n", "the first line must be `# a`"),
        ("## 1\n", "## 2\n", "numbered from 1, got 2"),
        ("### Hint\nTwice.\n\n", "", "two or three hints"),
        ("### Solution\n$6$.\n", "", "one solution"),
        ("### Solution\n$6$.\n", "### Solution\n", "none of them empty"),
        ("What is $2 \\cdot 3$?", "", "must have a text"),
        ("### Solution", "### Answer", "its parts must be Hint, Change, Run, Numbers, Solution"),
        ("### Numbers\n* six: 6, within 0\n\n", "", "go together"),
        ("* six: 6, within 0", "* six: 6", "a number is a line"),
        ("```python\n", "", "each one block"),
        ("### Run", "### Change\n```diff\n-x\n+y\n```\n\n### Run", "a change goes with a command"),
        ("### Run", "### Change\n```diff\nx\n```\n\n### Run", "a change goes with a command"),
    ],
)
def test_a_source_of_another_form_is_refused_with_the_place(old, new, said):
    assert old in GOOD
    with pytest.raises(ValueError, match=r"exercise.* of a: ") as refused:
        questions.parse(GOOD.replace(old, new, 1), "a")
    assert said in str(refused.value)


def test_a_change_has_lines_that_go_and_lines_that_come():
    run = "### Run\n```\npython chapters/a.py\n```"
    good = GOOD.replace("### Run\n```python\nsix = 2 * 3\n```", "### Change\n```diff\n-x\n-y\n+z\n-v\n```\n\n" + run)
    assert questions.parse(good, "a")[0].change == (("x\ny", "z"), ("v", ""))
    with pytest.raises(ValueError, match="begins with - or"):
        questions.parse(good.replace("-x\n", "x\n"), "a")


def test_a_chapter_without_exercises_is_named():
    with pytest.raises(ValueError, match=r"no exercises of 'x'; there are those of bptt"):
        questions.exercises("x")


def test_what_is_not_recorded_says_how_to_record_it():
    (question,) = questions.parse(GOOD.replace("six: 6", "six: recorded"), "a")
    with pytest.raises(ValueError, match="exercise a 1 --run --record"):
        questions.expected(question)


def test_a_recorded_run_takes_the_place_of_an_older_one(tmp_path, monkeypatch):
    monkeypatch.setattr(questions, "RECORDED", tmp_path / "runs.jsonl")
    (question,) = questions.parse(GOOD.replace("six: 6", "six: recorded").replace("$6$", "{run | six | .1f}"), "a")
    for value in (5.0, 6.0):
        questions.record(question, {"six": value}, 1.0, {"command": "c"})
    assert len(questions.rows.read(questions.RECORDED)) == 1
    assert folded.solution(question).startswith("6.0.")
    (other,) = questions.parse(GOOD.replace("six: 6", "six: recorded").replace("2 * 3\n`", "2 * 4\n`"), "a")
    assert questions.record_of(other) == {}, "another run has other numbers"
