"""A student's file is read line by line, whatever was done to it."""

import pytest

from minisparse.errors import InputError
from minisparse.exercises.answers import answers, is_blank
from minisparse.exercises.lines import LESSONS, stub

BPTT = stub("bptt")


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_new_stub_is_blank(lesson):
    assert set(answers(stub(lesson), lesson).values()) == {""}


def test_an_answer_may_have_many_lines():
    many = "    dW_in = 0\n    for t in range(len(x)):\n        dW_in = dW_in + da[t] @ x[t].T"
    text = BPTT.replace("    dW_in = ...", f"    # my own words\n\n{many}")
    assert answers(text, "bptt")["R8"] == "dW_in = 0\nfor t in range(len(x)):\n    dW_in = dW_in + da[t] @ x[t].T"
    inside = BPTT.replace(
        "        da[t] = ...", "        dh = W.matmul_t(da[t + 1])\n        da[t] = dh * slope(kept[t])"
    )
    assert answers(inside, "bptt")["R7"] == "dh = W.matmul_t(da[t + 1])\nda[t] = dh * slope(kept[t])"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text.replace("# (R7) your line", ""), r"the mark # \(R7\) is missing"),
        (lambda text: text + "    da[t] = 1  # (R7) your line\n", r"line \d+: the mark # \(R7\) is there twice"),
        (
            lambda text: text.replace("    slope = phi.factor", "    slope = np"),
            r"above \(R6\) the given line is missing",
        ),
        (lambda text: text + "#" * 300_000, "letters; a file of answers has at most"),
        (lambda text: "", r"the mark # \(R4\) is missing"),
    ],
)
def test_a_broken_file_gets_one_sentence(change, sentence):
    with pytest.raises(InputError, match=sentence):
        answers(change(BPTT), "bptt")


def test_three_points_are_a_blank_but_not_in_an_index():
    assert [is_blank(text) for text in ("dx = ...", "for t in ...:", "slope=lambda h: ...,", "", "...")] == [True] * 5
    assert [is_blank(text) for text in ("dx = x[..., 0]", "dx = (", "dx = 0", "slope=lambda h: h,")] == [False] * 4
