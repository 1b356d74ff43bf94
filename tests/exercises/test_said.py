"""An error of an answer becomes one sentence with the line, its names and their shapes."""

import numpy as np
import pytest

import minisparse as ms
from minisparse.exercises.said import raised, syntax

W, dy = np.ones((4, 3)), np.ones((4, 5))
BOUND = ms.make_weights(ms.full(4, 3), "dense").bind(W)


@pytest.mark.parametrize(
    ("answer", "code", "sentence"),
    [
        ("dx = W @ dy", "shape", "the shapes do not fit in `dx = W @ dy`: W is (4, 3), dy is (4, 5)."),
        ("dx = Wt @ dy", "name", "the name Wt is not known there in `dx = Wt @ dy`; known are B, W, dy, np."),
        ("dx = W[7]", "index", "an index does not fit in `dx = W[7]`: W is (4, 3)."),
        ("dx = B.T @ dy", "object", "B is no array but a BoundDense: use its matmul, matmul_t in `dx = B.T @ dy`."),
        ("dx = B.matmul(dy)", "refused", "x"),
        ("dx = 1 / 0", "raises", "it raises ZeroDivisionError in `dx = 1 / 0`: division by zero."),
        ("dx = {}['W']", "raises", "it raises KeyError in `dx = {}['W']`: 'W'."),
    ],
)
def test_each_kind_of_error_has_its_sentence(answer, code, sentence):
    try:
        exec(compile(f"def f(W, dy, B):\n {answer}\nf(W, dy, B)", "answer", "exec"), {"W": W, "dy": dy, "B": BOUND})
    except Exception as error:
        told = raised(error, "answer", answer)
    assert told[0] == code
    assert sentence in told[1]
    assert "\n" not in told[1]


def test_of_a_long_file_the_line_is_told():
    lines = [*["#"] * 30, "dx = W @ dy"]
    with pytest.raises(ValueError) as failed:
        exec(compile("\n".join(lines), "linear.py", "exec"), {"W": W, "dy": dy})
    assert "in `dx = W @ dy` (line 31): W is (4, 3)" in raised(failed.value, "linear.py", "\n".join(lines))[1]


def test_what_python_cannot_read_is_said():
    assert syntax("da = (") == "Python cannot read it: '(' was never closed, in `da = (`."
    assert syntax("for t in range(3):") is None
    assert syntax("slope=lambda h: h,") is None
    assert "Python cannot read it" in syntax("=")
