"""Answers are judged: right forms pass, every catalogued mistake is named, all else gets one sentence."""

import pytest
from helpers.forms import FORMS

from minisparse.exercises import lines
from minisparse.exercises.judge import guarded
from minisparse.gradcheck import catalogue

FEW = {"L1", "N2", "A6", "R7", "S6", "D4", "C4", "C15", "O3", "E6"}
"""One line of each lesson, judged by default."""
tags = pytest.mark.parametrize(
    "tag", [pytest.param(tag, marks=[] if tag in FEW else pytest.mark.slow) for tag in lines.lesson_of()]
)


@tags
def test_the_line_of_the_library_and_other_right_forms_pass(tag):
    assert len(set(FORMS[tag])) >= 2
    for answer in (lines.line(tag).solution, *FORMS[tag]):
        assert guarded("line", tag, answer)["state"] == "done", answer


@tags
def test_every_mistake_of_a_line_is_named_and_the_right_line_is_not_told(tag):
    rows = [row for row in catalogue.catalogue() if row.tag == tag]
    assert len(rows) >= 2
    for row in rows:
        told = guarded("line", tag, row.wrong)
        assert told["state"] == "wrong", row.code
        assert told["findings"][0]["code"] == row.code
        assert not any(lines.line(tag).solution in finding["sentence"] for finding in told["findings"])


@pytest.mark.parametrize(
    ("answer", "code", "sentence"),
    [
        ("da[t] = W.matmul_t(da[t + 1]", "syntax", "was never closed"),
        (
            "da[t] = Wt @ da[t + 1]",
            "name",
            "the name Wt is not known there in `da[t] = Wt @ da[t + 1]`; known are W, da,",
        ),
        ("dq = dq + 1", "name", "the name dq is not known there"),
        ("da[t] = W.matmul_t(da[t + 1]).T", "shape", "the shapes do not fit"),
        ("da[t] = 1 / 0", "raises", "it raises ZeroDivisionError in `da[t] = 1 / 0`: division by zero."),
        ("raise SystemExit", "ended", "it ends the program"),
        ("def f(): f()\nf()", "recursion", "it calls itself without end"),
        ("for t in range(3): pass\nda[t] = 'x'", "raises", "it raises ValueError"),
    ],
)
def test_what_does_not_run_gets_one_sentence(answer, code, sentence):
    told = guarded("line", "R7", answer)
    assert (told["state"], told["findings"][0]["code"]) == ("wrong", code)
    assert sentence in told["findings"][0]["sentence"]
    assert "\n" not in told["findings"][0]["sentence"]


def test_what_is_printed_is_kept_and_does_no_harm():
    told = guarded("line", "L1", f"print('here', batch)\n{lines.line('L1').solution}")
    assert told["state"] == "done"
    assert told["printed"].startswith("here 3\n")
    assert len(told["printed"]) <= 200
    assert guarded("line", "L1", "dlogits = ...") == {"state": "new", "findings": []}
