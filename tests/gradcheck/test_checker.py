"""The checker: it passes what is right and fails what is wrong, over pairs and models."""

import subprocess
import sys

import numpy as np
import pytest
from helpers.pairs import LAYOUTS, affine, affine_backward, affine_inputs, codes
from hypothesis import given, settings

import minisparse as ms
from minisparse import testing


def test_a_right_pair_passes_in_both_modes():
    for mode in ("entries", "direction"):
        report = ms.check_pair(affine, affine_backward, affine_inputs(), mode=mode)
        report.assert_ok()
        assert [row.tensor for row in report.rows] == ["W", "x", "b"]
        assert all(row.error < 1e-8 for row in report.rows)


@pytest.mark.parametrize("mode", ["entries", "direction"])
def test_a_wrong_gradient_is_named_with_its_tensor(mode):
    def transposed(dy, cache):
        return {**affine_backward(dy, cache), "W": 2 * dy @ cache[1].T}

    report = ms.check_pair(affine, transposed, affine_inputs(), mode=mode)
    assert codes(report) == {("factor" if mode == "entries" else "mismatch", "W")}
    assert not report.ok
    with pytest.raises(AssertionError, match="GRADIENTS DISAGREE"):
        report.assert_ok()
    row = next(row for row in report.rows if row.tensor == "W")
    assert row.analytic == pytest.approx(2 * row.numeric, rel=1e-6)


def test_a_softmax_backward_that_returns_zeros_is_caught():
    def forward(z):
        e = np.exp(z - z.max(axis=0))
        return e / e.sum(axis=0), z

    report = ms.check_pair(forward, lambda dy, z: {"z": 0 * z}, {"z": np.array([[0.3, 1.0], [0.2, -1.0]])})
    assert codes(report) == {("zero", "z")}


def test_a_forgotten_mask_is_caught_only_by_the_exact_zeros():
    mask = np.array([[True, False, True], [False, True, True]])
    given = {"W": np.random.default_rng(0).standard_normal((2, 3)) * mask, "x": np.ones((3, 2))}

    def forward(W, x):
        return (W * mask) @ x, x

    def unmasked(dy, x):
        return {"W": dy @ x.T}

    report = ms.check_pair(forward, unmasked, given, wrt=["W"], support={"W": mask})
    assert codes(report) == {("off-pattern", "W")}
    assert report.not_checked == ("x",)
    ms.check_pair(
        forward, lambda dy, x: {"W": np.where(mask, dy @ x.T, 0)}, given, wrt=["W"], support={"W": mask}
    ).assert_ok()


def test_bad_questions_are_refused():
    for arguments, sentence in [
        ({"wrt": ["V"]}, "wrt names 'V'"),
        ({"mode": "all"}, "mode 'all' is unknown"),
        ({"support": {"W": np.ones((3, 4), bool)}}, r"support\['W'\] must have shape \(4, 3\)"),
    ]:
        with pytest.raises(ms.UserError, match=sentence):
            ms.check_pair(affine, affine_backward, affine_inputs(), **arguments)
    for forward, inputs, sentence in [
        (lambda x: x, {"x": np.ones(3)}, "forward must return a pair"),
        (lambda x: ([1.0], x), {"x": np.ones(3)}, "forward must return a pair"),
        (lambda x: (x, x), {"x": "text"}, "no float array among the inputs"),
        (lambda x: (x, x), {"x": np.ones((3, 0))}, "the output has no entries"),
    ]:
        with pytest.raises(ms.UserError, match=sentence):
            ms.check_pair(forward, lambda dy, x: {"x": dy}, inputs)
    with pytest.raises(ms.UserError, match="nan or inf"):
        ms.check_pair(affine, affine_backward, {**affine_inputs(), "b": np.full((4, 1), np.inf)})


@settings(max_examples=40)
@given(testing.networks())
def test_directional_mode_agrees_on_right_models(network):
    ms.check(network.model, network.params, network.x, network.labels, mode="direction").assert_ok()


IMPORT = """
import builtins, os, subprocess, sys, threading
import numpy
ours = {"minisparse", "numpy"}

class Blocked:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in ours and top not in sys.stdlib_module_names:
            raise ImportError(f"{name} is blocked")

def never(*args, **kwargs):
    raise AssertionError("a thread or a process was started")

sys.meta_path.insert(0, Blocked())
threading.Thread.start = subprocess.Popen.__init__ = os.fork = os.posix_spawn = never
import minisparse.gradcheck
import minisparse.gradcheck.steps
x = numpy.ones((2, 3))
assert minisparse.gradcheck.check_pair(lambda x: (x * x, x), lambda dy, x: {"x": 2 * dy * x}, {"x": x}).ok
assert minisparse.gradcheck.check_pair(lambda x: (x * x, x), lambda dy, x: {"x": dy}, {"x": x}).findings
print(sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - ours))
"""


def test_the_checker_needs_numpy_alone_and_starts_nothing():
    done = subprocess.run([sys.executable, "-S", "-c", SITE + IMPORT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


SITE = f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}\n"


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name not in ("integers", "nested lists")])
def test_a_model_too_takes_any_layout(storage, layout):
    rng = np.random.default_rng(0)
    model = ms.RNN(2, ms.make_weights(ms.bernoulli(7, 7, 0.5, rng), storage), 4, "tanh")
    params = {name: np.round(value * 8) / 8 for name, value in model.init(rng, dtype=float, w_max=1.0).items()}
    x, labels = np.round(rng.standard_normal((5, 2, 3)) * 4) / 4, np.array([0, 3, 1])
    right = ms.check(model, params, x, labels)
    laid = {name: LAYOUTS[layout](value) for name, value in params.items()}
    report = ms.check(model, laid, LAYOUTS[layout](x), labels)
    report.assert_ok()
    for mine, theirs in zip(report.rows[:-1], right.rows[:-1], strict=True):
        assert mine.analytic == pytest.approx(theirs.analytic, rel=1e-12), mine.tensor


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (np.ones((5, 2, 0)), "the output has no entries"),
        (np.ones((0, 2, 3)), "at least one time step"),
        (np.ones((5, 3, 3)), "W_in expects 2 inputs per time step"),
        (np.full((5, 2, 3), np.nan), "nan or inf"),
    ],
)
def test_what_cannot_be_checked_is_one_sentence(x, sentence):
    model = ms.RNN(2, ms.make_weights(ms.full(7, 7)), 4, "tanh")
    params = model.init(np.random.default_rng(0))
    with pytest.raises(ms.UserError, match=sentence):
        ms.check(model, params, x)


def test_whole_number_input_of_a_model_is_converted_and_said_so():
    model = ms.RNN(2, ms.make_weights(ms.full(7, 7)), 4, "tanh")
    params = model.init(np.random.default_rng(0), dtype=float, w_max=0.5)
    report = ms.check(model, params, np.arange(30).reshape(5, 2, 3) % 3, np.array([0, 1, 2]))
    report.assert_ok()
    assert report.notes == ("x was given as int64 and is checked as float64",)


def test_a_cotangent_of_ones_finds_a_slope_of_0_behind_a_softmax():
    def softmax(z):
        e = np.exp(z - z.max(axis=0))
        return e / e.sum(axis=0), None

    z = {"z": np.random.default_rng(0).standard_normal((4, 3))}
    report = ms.check_pair(softmax, lambda dy, _: {"z": np.zeros((4, 3))}, z, dy=np.ones((4, 3)))
    assert report.ok, "the columns add up to 1, so nothing moves their sum"
    with pytest.raises(ms.UserError, match=r"dy must have the shape of the output, \(4, 3\), got \(3, 4\)"):
        ms.check_pair(softmax, lambda dy, _: {"z": dy}, z, dy=np.ones((3, 4)))
