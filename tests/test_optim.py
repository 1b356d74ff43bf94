"""Optimisers: the published recurrences, decay and the cosine of the rate, exact zeros, and resumed runs."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given

import minisparse as ms
from minisparse import testing

BELOW, ABOVE = 100, 40_000


"""Sizes on both sides of the one from which Adam runs in parallel."""


def adam(w, gradients, lr, beta1, beta2, eps):
    """Kingma & Ba (2015), one entry, plain floats: the path of the parameter."""
    m = v = 0.0
    for k, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        w -= lr * (m / (1 - beta1**k)) / (math.sqrt(v / (1 - beta2**k)) + eps)
        yield w


def sgd(w, gradients, lr, momentum):
    u = 0.0
    for g in gradients:
        u = momentum * u + g
        w -= lr * u
        yield w


CASES = {
    "adam": (ms.Adam, adam, {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}),
    "adam, other numbers": (ms.Adam, adam, {"lr": 0.05, "beta1": 0.5, "beta2": 0.75, "eps": 0.125}),
    "adam without memory": (ms.Adam, adam, {"lr": 0.01, "beta1": 0, "beta2": 0, "eps": 1e-8}),
    "sgd": (ms.SGD, sgd, {"lr": 0.1, "momentum": 0.0}),
    "momentum": (ms.SGD, sgd, {"lr": 0.1, "momentum": 0.9}),
}


def layouts(rng, shape, dtype=np.float64):
    """The same numbers in C order, in Fortran order, and as every second column of a larger array."""
    numbers = rng.uniform(1, 2, shape).astype(dtype)
    spaced = np.zeros((shape[0], 2 * shape[1]), dtype)[:, ::2]
    spaced[:] = numbers
    return {"C": numbers.copy(), "F": np.asfortranarray(numbers), "spaced": spaced, "transposed": numbers.T.copy().T}


@pytest.mark.parametrize("size", [BELOW, ABOVE])
@pytest.mark.parametrize("case", CASES)
def test_five_steps_are_the_published_recurrence(case, size):
    make, recurrence, settings = CASES[case]
    rng = np.random.default_rng(0)
    params = layouts(rng, (size // 10, 10))
    start = {name: w.copy() for name, w in params.items()}
    gradients = [rng.standard_normal((size // 10, 10)) * rng.choice([1e-6, 1, 1e3], (size // 10, 10)) for _ in range(5)]
    opt, taken = make(**settings), []
    for g in gradients:
        opt.step(params, {"C": g, "F": g, "spaced": np.asfortranarray(g), "transposed": g})
        taken.append({name: w.copy() for name, w in params.items()})
    sample = {(0, 0), (size // 10 - 1, 9), *zip(rng.integers(0, size // 10, 40), rng.integers(0, 10, 40), strict=True)}
    for place in sample:
        for name in params:
            path = recurrence(float(start[name][place]), [float(g[place]) for g in gradients], **settings)
            largest = 0.0
            for k, expected in enumerate(path):
                largest = max(largest, abs(expected))
                assert abs(taken[k][name][place] - expected) <= 1e-15 * largest, (name, place, k)


@pytest.mark.parametrize("size", [BELOW, ABOVE])
def test_the_defaults_are_the_published_ones(size):
    params, again = ({"w": np.ones(size)} for _ in range(2))
    grads = {"w": np.linspace(-1, 1, size)}
    one, other = ms.Adam(), ms.Adam(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8)
    for _ in range(3):
        one.step(params, grads)
        other.step(again, grads)
    np.testing.assert_array_equal(params["w"], again["w"])


@pytest.mark.parametrize("size", [BELOW, ABOVE])
@pytest.mark.parametrize("case", CASES)
def test_float32_stays_float32_and_is_the_float64_step_rounded(case, size):
    make, _, settings = CASES[case]
    paths = {}
    for dtype in (np.float32, np.float64):
        rng = np.random.default_rng(0)
        params, opt = layouts(rng, (size // 10, 10), dtype), make(**settings)
        for _ in range(5):
            g = rng.standard_normal((size // 10, 10)).astype(np.float32).astype(dtype)
            opt.step(params, dict.fromkeys(params, g))
        assert {a.dtype for a in (*params.values(), *(v for k, v in opt.state.items() if k != "step"))} == {
            np.dtype(dtype)
        }
        paths[dtype] = params
    for name, w in paths[np.float32].items():
        np.testing.assert_allclose(w, paths[np.float64][name], rtol=1e-5, atol=1e-5)


def bits(a):
    return a.view(f"i{a.itemsize}")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [BELOW, ABOVE])
@pytest.mark.parametrize("case", CASES)
def test_what_never_had_a_gradient_keeps_its_bits(case, size, dtype):
    make, _, settings = CASES[case]
    rng = np.random.default_rng(0)
    w = rng.standard_normal(size).astype(dtype)
    w[:6] = [0.0, -0.0, np.finfo(dtype).tiny, -np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max, -1.0]
    still = rng.random(size) < 0.5
    still[:6] = True
    before, params, opt = w.copy(), {"w": w}, make(**settings)
    for _ in range(5):
        opt.step(params, {"w": np.where(still, 0, rng.standard_normal(size)).astype(dtype)})
    np.testing.assert_array_equal(bits(w)[still], bits(before)[still])
    assert np.all(w[~still] != before[~still])


@pytest.mark.parametrize("case", CASES)
def test_the_state_is_flat_and_empty_before_the_first_step(case):
    make, _, settings = CASES[case]
    opt, params = make(**settings), {"a": np.ones(3), "b": np.ones((2, 2))}
    assert opt.state == {}
    opt.step(params, {"a": np.ones(3), "b": np.ones((2, 2))})
    opt.step(params, {"a": np.ones(3), "b": np.ones((2, 2))})
    moments = ("m", "v") if make is ms.Adam else ("m",) if settings["momentum"] else ()
    assert set(opt.state) == {"step"} | {f"{m}.{name}" for m in moments for name in params}
    assert opt.state["step"] == 2
    for moment in moments:
        assert opt.state[f"{moment}.b"].shape == (2, 2)
        assert opt.state[f"{moment}.b"] is not opt.state.get("v.a")


@pytest.mark.parametrize("case", CASES)
def test_steps_are_taken_in_place_and_gradients_are_only_read(case):
    make, _, settings = CASES[case]
    w, g = np.ones((4, 3)), np.full((4, 3), 0.5)
    params, opt = {"w": w}, make(**settings)
    g.flags.writeable = False
    for _ in range(3):
        opt.step(params, {"w": g})
    assert params["w"] is w
    assert np.all(w < 1)
    assert np.all(g == 0.5)


@pytest.mark.parametrize(
    ("grads", "sentence"),
    [
        ({"a": np.ones(2)}, "params and grads must have the same keys; only one of them has b"),
        ({"a": np.ones(2), "b": np.ones(3), "x": np.ones(1)}, "only one of them has x"),
        ({"a": np.ones(2), "b": np.ones((3, 1))}, r"grads\['b'\] must have shape \(3,\), got \(3, 1\)"),
        ({"a": np.ones(2), "b": np.ones(())}, r"grads\['b'\] must have shape \(3,\), got \(\)"),
    ],
)
@pytest.mark.parametrize("case", ["adam", "momentum"])
def test_gradients_of_something_else_are_refused_before_anything_changes(case, grads, sentence):
    make, _, settings = CASES[case]
    opt, params = make(**settings), {"a": np.ones(2), "b": np.ones(3)}
    opt.step(params, {"a": np.ones(2), "b": np.ones(3)})
    before = {k: np.copy(v) for k, v in {**params, **opt.state}.items()}
    with pytest.raises(ms.UserError, match=sentence):
        opt.step(params, grads)
    for key, value in {**params, **opt.state}.items():
        np.testing.assert_array_equal(value, before[key])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ms.Adam(lr=0), "lr must be above 0, got 0"),
        (lambda: ms.SGD(lr=-1), "lr must be above 0, got -1"),
        (lambda: ms.SGD(lr=float("nan")), "lr must be above 0, got nan"),
        (lambda: ms.SGD(momentum=1), "momentum must be at least 0 and below 1, got 1"),
        (lambda: ms.Adam(beta1=1.0), "beta1 must be at least 0 and below 1"),
        (lambda: ms.Adam(beta2=-0.1), "beta2 must be at least 0 and below 1"),
        (lambda: ms.Adam(eps=0), "eps must be above 0, got 0"),
    ],
)
def test_rates_out_of_range_are_refused(make, sentence):
    with pytest.raises(ms.UserError, match=sentence):
        make()


def test_an_optimiser_describes_itself_in_plain_values():
    assert ms.Adam(lr=0.1).config() == {"optimiser": "Adam", "lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    assert repr(ms.SGD(lr=0.5, momentum=0.9)) == "SGD(lr=0.5, momentum=0.9)"


@given(testing.activities(1), testing.choices(1e-2, 1.0, 1e6))
def test_the_first_step_of_adam_is_the_learning_rate_against_the_gradient(value, scale):
    g = float(value[0]) * scale
    params = {"w": np.zeros(1)}
    ms.Adam(lr=0.125).step(params, {"w": np.array([g])})
    assert params["w"][0] == pytest.approx(-math.copysign(0.125, g), rel=2e-5)


@pytest.mark.parametrize("make", [ms.Adam, lambda: ms.SGD(momentum=0.9)])
@pytest.mark.parametrize("other", [3, 300])
def test_the_moments_of_another_model_are_refused_and_nothing_moves(make, other):
    opt = make()
    opt.step({"W": np.ones((20, 20))}, {"W": np.ones((20, 20))})
    before = {key: np.array(value) for key, value in opt.state.items()}
    params = {"W": np.ones((other, 20))}
    with pytest.raises(ms.UserError, match="make a new optimiser for another model"):
        opt.step(params, {"W": np.ones((other, 20))})
    assert np.all(params["W"] == 1)
    assert all(np.array_equal(opt.state[key], value) for key, value in before.items())


OPTIMISERS = {"Adam": ms.Adam, "SGD": ms.SGD, "momentum": lambda **s: ms.SGD(momentum=0.9, **s)}


@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_without_a_gradient_the_decay_is_a_power_and_only_weights_decay(make):
    opt, lr, decay = make(lr=0.1, decay=0.5), 0.1, 0.5
    params = {name: np.array([[1.0, -2.0]]) for name in ("W0", "W_rec", "K", "b0", "c", "s0", "g0")}
    for _ in range(100):
        opt.step(params, {name: np.zeros((1, 2)) for name in params})
    left = np.array([[1.0, -2.0]]) * (1 - lr * decay) ** 100
    for name, w in params.items():
        expected = left if name in ("W0", "W_rec", "K") else [[1.0, -2.0]]
        np.testing.assert_allclose(w, expected, rtol=1e-12)


@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_the_step_is_the_one_without_decay_plus_the_decay(make):
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal((4, 3)), rng.standard_normal((6, 4, 3))
    with_decay, without = {"W0": start.copy()}, {"W0": start.copy()}
    one, other = make(lr=0.1, decay=0.2), make(lr=0.1)
    for g in gradients:
        before, moved = with_decay["W0"].copy(), without["W0"].copy()
        one.step(with_decay, {"W0": g})
        other.step(without, {"W0": g})
        np.testing.assert_allclose(
            with_decay["W0"] - before, without["W0"] - moved - 0.1 * 0.2 * before, rtol=0, atol=1e-14
        )


@pytest.mark.parametrize("storage", ["dense", "csr", "grouped"])
@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_after_100_steps_absent_synapses_are_plus_zero(make, storage):
    rng = np.random.default_rng(0)
    pattern = ms.group_to_group(7, 6, 3, p_within=0.8, p_between=0.2, rng=rng)
    model = ms.MLP([ms.make_weights(pattern, storage), ms.make_weights(ms.full(4, 7))], "relu")
    params, opt = model.init(rng), make(lr=0.01, decay=0.1)
    x, labels = rng.standard_normal((6, 20)).astype(np.float32), rng.integers(0, 4, 20)
    start = params["W0"].copy()
    for _ in range(100):
        logits, cache = model.forward(params, x)
        opt.step(params, model.backward(ms.softmax_cross_entropy(logits, labels)[1], cache))
    weights, w = model.weights["W0"], params["W0"]
    off = weights.from_values(np.ones(weights.nnz, np.float32)) == 0
    assert off.any() or storage == "csr"
    assert not w[off].view("i4").any(), "every bit of an absent synapse is 0"
    assert np.all(w[~off] != start[~off])


@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_check_steps_knows_the_closed_form_with_decay(make):
    rng = np.random.default_rng(0)
    model = ms.MLP([ms.make_weights(ms.full(7, 5)), ms.make_weights(ms.full(4, 7))], "tanh")
    given = model, model.init(rng, dtype=float, w_max=0.5), rng.standard_normal((5, 3)), np.array([0, 3, 1])
    ms.check_steps(*given, make(lr=0.1, decay=0.3), steps=3).assert_ok()
    broken = make(lr=0.1, decay=0.3)
    broken._update = lambda lr, w, grad, *moments: np.multiply(w, 0.99, out=w)
    assert "step" in ms.check_steps(*given, broken, steps=3).codes


def test_decay_is_described_only_where_there_is_some():
    assert ms.Adam(decay=0.01).config()["decay"] == 0.01
    assert repr(ms.SGD(lr=0.5, decay=0.1)) == "SGD(lr=0.5, momentum=0.0, decay=0.1)"
    assert "decay" not in ms.Adam().config()


@pytest.mark.parametrize("decay", [-0.1, 100.0, float("nan")])
def test_a_decay_out_of_range_is_refused(decay):
    with pytest.raises(ms.UserError, match="decay must be at least 0 and below 1 / lr = 10"):
        ms.Adam(lr=0.1, decay=decay)


def rates(epochs, steps, opt, schedule):
    for epoch in range(1, epochs + 1):
        for step in range(steps):
            yield opt.lr
            schedule(SimpleNamespace(opt=opt, epoch=epoch, epochs=epochs, step=step, steps=steps))


@pytest.mark.parametrize("lowest", [0.0, 0.05])
def test_the_rate_is_half_a_cosine_from_lr_to_the_lowest(lowest):
    opt = ms.SGD(lr=0.2)
    found = list(rates(3, 4, opt, ms.Cosine(lowest)))
    expected = [lowest + (0.2 - lowest) * (1 + math.cos(math.pi * k / 12)) / 2 for k in range(12)]
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert found[0] == 0.2
    assert opt.lr == 0.2, "the next run starts anew"
    assert opt.state == {}
    with pytest.raises(ms.UserError, match="must be at least 0, got -1"):
        ms.Cosine(-1)


@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_the_step_is_taken_at_the_rate_of_the_moment(make):
    opt, plain = make(lr=0.2, decay=0.1), make(lr=0.05, decay=0.1)
    opt.state["lr"] = 0.05
    one, other = ({"W0": np.array([1.0, -1.0])} for _ in range(2))
    for _ in range(3):
        opt.step(one, {"W0": np.array([0.3, 0.1])})
        plain.step(other, {"W0": np.array([0.3, 0.1])})
    np.testing.assert_array_equal(one["W0"], other["W0"])


def test_a_run_on_a_schedule_resumes_bit_for_bit(tmp_path):
    digits = ms.load("digits")

    def start():
        rng = np.random.default_rng(0)
        model = ms.MLP([ms.make_weights(ms.fixed_count(20, 64, 300, rng)), ms.make_weights(ms.full(10, 20))], "relu")
        return model, model.init(rng, w_max=0.2), ms.Adam(lr=0.01, decay=0.1), np.random.default_rng(1)

    def train(stops=False, resume=False):
        def stop(run):
            if stops and run.epoch == 3:
                raise KeyboardInterrupt

        model, params, opt, rng = start()
        settings = {"after_step": [ms.Cosine(0.001)], "after_epoch": [stop], "quiet": True, "resume": resume}
        ms.fit(model, params, opt, digits, 4, rng, 100, checkpoint=tmp_path / "run.npz", **settings)
        return params

    whole = train()
    with pytest.raises(KeyboardInterrupt):
        train(stops=True)
    resumed = train(resume=True)
    for name, w in whole.items():
        np.testing.assert_array_equal(w, resumed[name])


@pytest.mark.parametrize("make", [ms.Adam, ms.SGD])
def test_a_parameter_may_have_a_rate_of_its_own(make):
    rng = np.random.default_rng(0)
    params = {"W_rec": rng.standard_normal((3, 2)), "b": rng.standard_normal((3, 1))}
    grads = {name: rng.standard_normal(value.shape) for name, value in params.items()}
    own, slow, fast = ({name: value.copy() for name, value in params.items()} for _ in range(3))
    opt = make(lr=0.01, decay=0.1, rates={"W_rec": 0.5})
    for _ in range(2):
        opt.step(own, grads)
    for rate, found in ((0.01, slow), (0.5, fast)):
        plain = make(lr=rate, decay=0.1)
        for _ in range(2):
            plain.step(found, grads)
    np.testing.assert_allclose(own["W_rec"], fast["W_rec"], rtol=1e-12)
    np.testing.assert_array_equal(own["b"], slow["b"])
    assert opt.config()["rates"] == {"W_rec": 0.5}


def test_rates_follow_a_schedule_in_proportion_and_unknown_names_are_refused():
    opt = ms.SGD(lr=0.1, rates={"w": 0.4})
    opt.state["lr"] = 0.05
    params = {"w": np.array([1.0]), "b": np.array([1.0])}
    opt.step(params, {"w": np.array([1.0]), "b": np.array([1.0])})
    np.testing.assert_allclose([params["w"][0], params["b"][0]], [0.8, 0.95])
    with pytest.raises(ValueError, match="rates names W, but the parameters are b"):
        ms.Adam(rates={"W": 0.1}).step({"b": np.ones(1)}, {"b": np.ones(1)})
    with pytest.raises(ValueError, match=r"rates\['W'\] must be above 0"):
        ms.Adam(rates={"W": 0.0})


@pytest.mark.parametrize("make", [ms.Adam, ms.SGD])
def test_check_steps_knows_rates(make):
    rng = np.random.default_rng(0)
    model = ms.RNN(2, ms.make_weights(ms.bernoulli(7, 7, 0.5, rng)), 4, "tanh")
    params, x = model.init(rng, dtype=float, w_max=0.5), rng.standard_normal((5, 2, 3))
    ms.check_steps(model, params, x, np.array([0, 3, 1]), make(lr=0.01, rates={"W_rec": 0.2})).assert_ok()


@pytest.mark.parametrize("make", [ms.SGD, ms.Adam])
def test_decay_names_the_parameters_that_it_does_not_know(make, recwarn):
    params = {name: np.ones((1, 1)) for name in ("W0", "w1", "theta", "b0", "s0", "c")}
    opt = make(decay=0.1)
    with pytest.warns(UserWarning, match="decay does not act on w1, theta: only names that begin with W or K"):
        opt.step(params, params)
    opt.step(params, params)
    make().step(params, params)
    make(decay=0.1).step({"W0": params["W0"]}, {"W0": params["W0"]})
    assert not recwarn.list
