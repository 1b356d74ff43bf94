"""What is asked of a function: any layout, any scale, and where differences cannot tell."""

import numpy as np
import pytest
from helpers.pairs import LAYOUTS, X, affine, affine_backward
from hypothesis import given

import minisparse as ms
from minisparse import testing


@given(testing.sizes(3), testing.generators(), testing.choices(*LAYOUTS), testing.choices("W", "x", "b"))
def test_however_an_input_is_laid_out_the_numbers_are_the_same_and_it_is_left_alone(shape, rng, layout, which):
    post, pre, batch = shape
    whole = {"W": (post, pre), "x": (pre, batch), "b": (post, 1)}
    given_inputs = {name: rng.integers(-4, 5, size).astype(float) for name, size in whole.items()}  # exact in float16
    right = ms.check_pair(affine, affine_backward, given_inputs)
    changed = {**given_inputs, which: LAYOUTS[layout](given_inputs[which])}
    before = repr(changed)
    report = ms.check_pair(affine, affine_backward, changed)
    assert report.rows == tuple(sorted(right.rows, key=lambda row: list(changed).index(row.tensor)))
    assert report.ok
    assert repr(changed) == before
    told = layout in ("integers", "nested lists")
    assert len(report.notes) == told
    if told:
        assert report.notes[0].startswith(f"{which} was given as")


@pytest.mark.parametrize(
    ("forward", "backward", "x"),
    [
        (lambda x: (1 / x, x), lambda dy, x: {"x": -dy / x**2}, [1e3, 0.1]),
        (lambda x: (np.log(x), x), lambda dy, x: {"x": dy / x}, [1e3, 1.0, 1e-3]),
        (lambda x: (-np.log(x), x), lambda dy, x: {"x": -dy / x}, [0.989, 0.01, 0.001]),
        (lambda x: (np.sqrt(x), x), lambda dy, x: {"x": dy / (2 * np.sqrt(x))}, [1, 1e-4, 4]),
        (lambda x: (np.arcsin(x), x), lambda dy, x: {"x": dy / np.sqrt(1 - x * x)}, [0.1, 0.999]),
        (lambda x: (np.sin(x), x), lambda dy, x: {"x": dy * np.cos(x)}, [300.0, 0.5]),
        (lambda x: (np.exp(x), x), lambda dy, x: {"x": dy * np.exp(x)}, [70.0, 21.0, 0.2]),
        (lambda x: (3 * x, x), lambda dy, x: {"x": 3 * dy}, [1e15, 2e15]),
        (lambda x: (x * x, x), lambda dy, x: {"x": 2 * dy * x}, [1e-9, 3e-9]),
    ],
)
def test_a_right_pair_is_not_accused_however_it_bends_or_scales(forward, backward, x):
    report = ms.check_pair(forward, backward, {"x": np.array(x)})
    assert report.codes in ((), ("unjudged",)), str(report)
    wrong = ms.check_pair(forward, lambda dy, x: {"x": 1.01 * backward(dy, x)["x"]}, {"x": np.array(x)})
    assert not wrong.ok


def test_what_single_precision_hides_is_not_told():
    x = {"x": np.random.default_rng(0).standard_normal((3, 2))}
    for kind, words in (("f4", "about 7 digits inside"), ("f2", "half precision")):

        def single(x, kind=kind):
            return np.tanh(x.astype(kind)).astype(float), x

        assert not ms.check_pair(single, lambda dy, x: {"x": dy}, x).ok
        right = ms.check_pair(single, lambda dy, x: {"x": dy / np.cosh(x) ** 2}, x)
        assert not {"mismatch", "factor"} & set(right.codes)
        assert words in "".join(right.notes)
    halves = {"x": np.arange(6.0).astype(np.float32) / 3}
    ms.check_pair(lambda x: (2 * x, x), lambda dy, x: {"x": 2 * dy}, halves).assert_ok()
    with pytest.raises(ms.UserError, match="forward returns complex128"):
        ms.check_pair(lambda x: (x + 2j * x, x), lambda dy, x: {"x": dy}, X)


def test_a_table_of_indices_is_left_as_it_is():
    def forward(x, idx):
        return x[idx], (x.shape, idx)

    def backward(dy, cache):
        dx = np.zeros(cache[0])
        np.add.at(dx, cache[1], dy)
        return {"x": dx}

    report = ms.check_pair(forward, backward, {"x": np.ones((4, 3)), "idx": [[0, 1], [2, 2]]})
    report.assert_ok()
    assert report.not_checked == ("idx",)
