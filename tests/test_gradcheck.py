"""The checker: it passes what is right, fails what is wrong, and says where it cannot judge."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings

import minisparse as ms
from minisparse import testing


def affine(W, x, b):
    return W @ x + b, (W, x)


def affine_backward(dy, cache):
    W, x = cache
    return {"W": dy @ x.T, "x": W.T @ dy, "b": dy.sum(axis=1, keepdims=True)}


def affine_inputs():
    rng = np.random.default_rng(0)
    return {"W": rng.standard_normal((4, 3)), "x": rng.standard_normal((3, 2)), "b": rng.standard_normal((4, 1))}


def codes(report):
    return {(finding.code, finding.tensor) for finding in report.findings}


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


@pytest.mark.parametrize(
    ("backward", "found"),
    [
        (lambda dy, cache: {"W": affine_backward(dy, cache)["W"]}, {("missing", "x"), ("missing", "b")}),
        (lambda dy, cache: {**affine_backward(dy, cache), "b": dy.sum(axis=1)}, {("shape", "b")}),
        (lambda dy, cache: {**affine_backward(dy, cache), "c": dy}, {("extra", "c")}),
        (lambda dy, cache: {**affine_backward(dy, cache), "x": np.full((3, 2), np.nan)}, {("not-finite", "x")}),
    ],
)
def test_structure_comes_before_numbers(backward, found):
    assert codes(ms.check_pair(affine, backward, affine_inputs())) == found


def test_one_array_under_two_names_is_named():
    def forward(a, b):
        return a + b, None

    report = ms.check_pair(
        forward, lambda dy, _: dict.fromkeys("ab", dy * 1), {"a": np.ones((2, 2)), "b": np.ones((2, 2))}
    )
    assert codes(report) == {("aliased", "b")}


def test_functions_that_remember_or_change_their_input_are_named():
    calls = []

    def forgetful(x):
        calls.append(1)
        return x * len(calls), x

    assert ("not-deterministic", "y") in codes(ms.check_pair(forgetful, lambda dy, x: {"x": dy}, {"x": np.ones(3)}))

    def greedy(x):
        x += 1
        return x, None

    with pytest.raises(ms.UserError, match="forward writes into one of its inputs"):
        ms.check_pair(greedy, lambda dy, _: {"x": dy}, {"x": np.ones(3)})


def test_entries_at_a_kink_are_counted_and_not_judged():
    def forward(x):
        return np.maximum(x, 0), x

    def backward(dy, x):
        return {"x": dy * (x > 0)}

    x = np.array([-1.0, 0.0, 1e-7, -3e-6, 2.0, 3.0, -2.0])
    report = ms.check_pair(forward, backward, {"x": x})
    report.assert_ok()
    assert (report.rows[0].judged, report.rows[0].not_judged) == (4, 3)
    mostly = ms.check_pair(forward, backward, {"x": np.array([0.0, 0.0, 1.0])})
    assert codes(mostly) == {("unjudged", "x")}
    wrong = ms.check_pair(forward, lambda dy, x: {"x": dy * (x > -10)}, {"x": x})
    assert codes(wrong) == {("confined", "x")}


def test_a_smooth_mistake_is_never_excused_as_a_kink():
    for seed in range(20):
        x = np.random.default_rng(seed).standard_normal((3, 4))
        report = ms.check_pair(
            lambda x: (np.exp(3 * x) * np.sin(9 * x), x), lambda dy, x: {"x": dy * 1.00001 * _slope(x)}, {"x": x}
        )
        assert not report.ok
        assert report.rows[0].not_judged == 0


def _slope(x):
    return 3 * np.exp(3 * x) * np.sin(9 * x) + 9 * np.exp(3 * x) * np.cos(9 * x)


def test_a_report_is_data_and_text():
    report = ms.check_pair(affine, affine_backward, affine_inputs())
    assert report.to_dict()["ok"] is True
    assert [row["tensor"] for row in report.to_dict()["rows"]] == ["W", "x", "b"]
    assert "gradients agree" in str(report)


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

LAYOUTS = {
    "as it is": lambda a: a,
    "read-only": lambda a: _read_only(a),
    "Fortran order": np.asfortranarray,
    "every other entry of a larger array": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "reversed twice": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "float32": lambda a: a.astype(np.float32),
    "float16": lambda a: a.astype(np.float16),
    "big-endian": lambda a: a.astype(">f8"),
    "integers": lambda a: a.astype(np.int64),
    "nested lists": lambda a: a.tolist(),
}


def _read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


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


def test_a_cotangent_of_ones_leaves_nothing_to_judge_behind_a_softmax():
    def softmax(z):
        e = np.exp(z - z.max(axis=0))
        return e / e.sum(axis=0), None

    z = {"z": np.random.default_rng(0).standard_normal((4, 3))}
    report = ms.check_pair(softmax, lambda dy, _: {"z": np.zeros((4, 3))}, z, dy=np.ones((4, 3)))
    assert report.codes == ("unjudged",)
    with pytest.raises(ms.UserError, match=r"dy must have the shape of the output, \(4, 3\), got \(3, 4\)"):
        ms.check_pair(softmax, lambda dy, _: {"z": dy}, z, dy=np.ones((3, 4)))


def test_steps_are_checked_against_the_closed_form_of_every_optimiser():
    rng = np.random.default_rng(0)
    model = ms.RNN(2, ms.make_weights(ms.bernoulli(7, 7, 0.5, rng)), 4, "tanh")
    params, x, labels = model.init(rng, dtype=float, w_max=0.5), rng.standard_normal((5, 2, 3)), np.array([0, 3, 1])
    before = {name: value.copy() for name, value in params.items()}
    for opt in (ms.Adam(lr=0.1), ms.SGD(lr=0.1), ms.SGD(lr=0.1, momentum=0.9)):
        ms.check_steps(model, params, x, labels, opt, steps=4).assert_ok()
        assert opt.state == {}
    assert all(np.array_equal(params[name], before[name]) for name in params)

    class Halved(ms.SGD):
        def _update(self, w, grad, *moments):
            super()._update(w, grad / 2, *moments)

    Halved.__name__ = "SGD"
    report = ms.check_steps(model, params, x, labels, Halved(lr=0.1))
    assert report.codes == ("step",)
    assert "step 1 changes an entry by" in report.findings[0].sentence

    class Unknown(ms.SGD):
        pass

    assert ms.check_steps(model, params, x, labels, Unknown(lr=0.1)).notes
    assert ms.check_steps(model, params, x, labels, ms.Adam(), steps=1).blind
    used = ms.Adam()
    used.step({"w": np.ones(1)}, {"w": np.ones(1)})
    with pytest.raises(ms.UserError, match="pass a new one"):
        ms.check_steps(model, params, x, labels, used)
    with pytest.raises(ms.UserError, match="steps must be at least 1"):
        ms.check_steps(model, params, x, labels, ms.Adam(), steps=0)


X = {"x": np.array([1.0, 2.0, 3.0])}


def cube(x):
    return x**2, x


@pytest.mark.parametrize(
    ("gradient", "code", "words"),
    [
        (lambda dy, x: None, "type", "no array of numbers (NoneType)"),
        (lambda dy, x: "abc", "type", "no array of numbers (str)"),
        (lambda dy, x: [[1], [1, 2]], "type", "no array of numbers"),
        (lambda dy, x: (2 * dy * x).astype(object), "type", "no array of numbers"),
        (lambda dy, x: 2 * dy * x + 5j, "type", "complex (complex128)"),
        (lambda dy, x: (2 * dy * x).astype(int), "type", "of whole numbers (int64)"),
        (lambda dy, x: (2 * dy * x)[:2], "shape", "has shape (2,), not (3,)"),
    ],
)
def test_a_malformed_gradient_is_named_and_nothing_crashes(gradient, code, words):
    report = ms.check_pair(cube, lambda dy, x: {"x": gradient(dy, x)}, X)
    assert report.codes == (code,)
    assert words in report.findings[0].sentence


def test_a_backward_that_answers_only_once_or_only_this_cotangent_keeps_its_report():
    for wrong in ({}, {"x": np.zeros(5)}):
        report = ms.check_pair(cube, lambda dy, x, wrong=wrong: {"x": 3 * dy * x} if (dy != 0).all() else wrong, X)
        assert report.codes == ("mismatch",)
    report = ms.check_pair(lambda x: (x**2, [x]), lambda dy, c: {"x": 2 * dy * c.pop()}, X)
    assert report.codes == ("not-deterministic",)
    assert "leave the cache as it is" in report.findings[0].sentence

    def greedy(dy, x):
        dy *= 2
        return {"x": dy * x}

    with pytest.raises(ms.UserError, match="backward writes into dy"):
        ms.check_pair(cube, greedy, X)


@pytest.mark.parametrize("cache", [lambda x: [x, [0, x]], lambda x: [x, [np.array("a")] * 2], lambda x: (x, {"k": x})])
def test_whatever_is_in_the_cache_a_wrong_gradient_is_reported(cache):
    report = ms.check_pair(lambda x: (x**2, cache(x)), lambda dy, c: {"x": dy * c[0]}, X)
    assert report.codes == ("factor",)


def test_a_support_may_be_lists_or_numbers_and_its_names_must_exist():
    wrong = lambda dy, x: {"x": 2 * dy * x * [1, 0, 1]}  # noqa: E731
    for support in ([1, 0, 1], np.array([1, 0, 1]), np.array([1.0, 0, 1]), [True, False, True]):
        ms.check_pair(lambda x: (x**2 * [1, 0, 1], x), wrong, X, support={"x": support}).assert_ok()
    with pytest.raises(ms.UserError, match="support names w, but there is no such input"):
        ms.check_pair(cube, wrong, X, support={"w": np.ones(3)})


def test_minus_zero_off_the_pattern_is_zero():
    W = np.array([[1.0, 0], [0, 2]])
    report = ms.check_pair(
        lambda W, x: ((W * (W != 0)) @ x, (W != 0, x)),
        lambda dy, c: {"W": np.outer(dy, c[1]) * c[0]},
        {"W": W, "x": np.array([-1.0, 1.0])},
        wrt="W",
        support={"W": W != 0},
    )
    report.assert_ok()


def test_wrt_may_be_one_name_or_any_iterable_but_not_nothing():
    wrong = lambda dy, x: {"x": 30 * dy * x}  # noqa: E731
    for wrt in ("x", ["x"], iter(["x"]), {"x"}):
        assert ms.check_pair(cube, wrong, X, wrt=wrt).codes == ("factor",)
    for arguments, sentence in [({"wrt": []}, "wrt names nothing"), ({"dy": np.zeros(3)}, "dy is 0")]:
        with pytest.raises(ms.UserError, match=sentence):
            ms.check_pair(cube, wrong, X, **arguments)


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


def test_what_differences_cannot_resolve_is_refused():
    with pytest.raises(ms.UserError, match="forward computes in float32"):
        ms.check_pair(
            lambda x: (np.tanh(x.astype(np.float32)).astype(float), x),
            lambda dy, x: {"x": dy},
            {"x": np.random.default_rng(0).standard_normal((3, 2))},
        )
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


class WrongBias(ms.RNN):
    def backward(self, dlogits, cache, wrt_x=False):
        grads = super().backward(dlogits, cache, wrt_x=wrt_x)
        grads["b_in"] = 2 * grads["b_in"]
        return grads


@pytest.mark.parametrize("density", [0.5, 1.0])
def test_a_mistake_that_cannot_show_is_never_recognised(density):
    rng = np.random.default_rng(0)
    pattern = ms.full(7, 7) if density == 1 else ms.bernoulli(7, 7, density, rng)
    model = WrongBias(2, ms.make_weights(pattern), 4, "tanh")
    params, x, labels = model.init(rng, dtype=float, w_max=0.5), rng.standard_normal((5, 2, 3)), np.array([0, 3, 1])
    report = ms.check(model, params, x, labels)
    assert [(finding.code, finding.tensor) for finding in report.findings] == [("factor", "b_in")]
    steps = ms.check_steps(model, params, x, labels, ms.SGD(lr=0.1))
    assert steps.codes == ("factor",)


@pytest.mark.parametrize("opt", [ms.Adam, ms.SGD])
def test_steps_of_a_float32_model_are_checked_in_float64(opt):
    rng = np.random.default_rng(0)
    model = ms.RNN(2, ms.make_weights(ms.full(7, 7)), 4, "tanh")
    params, x = model.init(rng, w_max=0.5), rng.standard_normal((5, 2, 3)).astype(np.float32)
    ms.check_steps(model, params, x, np.array([0, 3, 1]), opt()).assert_ok()
    assert params["W_in"].dtype == np.float32
