"""Dale's principle: outgoing weights keep their sign if it is enforced, and do not if it is only initialised."""

import numpy as np
import pytest
from hypothesis import given

import minisparse as ms
from minisparse import testing


def network(n, density, storage, dtype=np.float32):
    rng = np.random.default_rng(3)
    pattern = ms.full(n, n) if density == 1 else ms.bernoulli(n, n, density, rng)
    signs = ms.dale_signs(n, 0.4, rng)
    model = ms.RNN(8, ms.make_weights(pattern, storage), 10)
    return model, model.init(rng, dtype=dtype, signs=signs), signs


@pytest.fixture(scope="module")
def digits():
    return ms.load("digits")


def train(model, params, digits, hook, steps=20):
    opt, rng = ms.Adam(), np.random.default_rng(0)
    for _, (x, labels) in zip(range(steps), ms.batches(digits.x_train, digits.y_train, 50, rng), strict=False):
        logits, cache = model.forward(params, x)
        _, dlogits = ms.softmax_cross_entropy(logits, labels)
        opt.step(params, model.backward(dlogits, cache))
        hook(opt)
    return opt


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("density", [1, 0.3])
def test_enforced_signs_hold_after_every_step(digits, storage, density):
    model, params, signs = network(60, density, storage)
    rule, untouched, crossed = ms.Dale(signs), ms.Dale(signs, "init_only"), []
    start = params["W_rec"].copy()
    assert rule.violations(model, params) == 0

    def after_step(opt):
        crossed.append(rule.violations(model, params))
        moments = {key: np.copy(opt.state[key]) for key in ("m.W_rec", "v.W_rec")}
        untouched.project(model, params)
        assert rule.violations(model, params) == crossed[-1]
        rule.project(model, params)
        assert rule.violations(model, params) == 0
        for key, moment in moments.items():
            np.testing.assert_array_equal(opt.state[key], moment)

    train(model, params, digits, after_step)
    assert len(crossed) == 20
    assert sum(crossed) > 20, "without steps across 0 the clamp was not tested"
    matrix = model.weights["W_rec"].unpack(params["W_rec"])
    assert np.all(matrix * signs.T >= 0)
    assert np.all((matrix != 0).any(axis=0)), "every column still has weights that show its sign"
    assert (params["W_rec"] != start).mean() > 0.2
    assert not np.signbit(params["W_rec"][params["W_rec"] == 0]).any()


@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_signs_that_are_only_initialised_are_violated(digits, storage):
    model, params, signs = network(60, 0.3, storage)
    free = {name: w.copy() for name, w in params.items()}
    rule = ms.Dale(signs, mode="init_only")
    train(model, params, digits, lambda opt: rule.project(model, params))
    train(model, free, digits, lambda opt: None)
    assert rule.violations(model, params) > 50
    np.testing.assert_array_equal(params["W_rec"], free["W_rec"])


@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_as_a_hook_of_fit_it_clamps_after_each_step(digits, storage):
    model, params, signs = network(30, 0.5, storage)
    seen, rule = [], ms.Dale(signs)
    hooks = [rule, lambda run: seen.append(rule.violations(run.model, run.params))]
    ms.fit(model, params, ms.Adam(lr=0.01), digits, 1, np.random.default_rng(0), after_step=hooks, quiet=True)
    assert seen == [0] * 15
    assert (params["W_rec"] == 0).any()


@given(testing.networks(), testing.dtypes(), testing.generators())
def test_the_clamp_is_the_published_one(network, dtype, rng):
    weights = network.model.weights["W_rec"]
    n = weights.shape[0]
    signs = rng.choice([-1, 1], (n, 1))
    matrix = rng.choice([-2.0, -1e-40, -0.0, 0.0, 1e-40, 0.5, np.inf, -np.inf], (n, n)).astype(dtype)
    model, params = ms.RNN(1, weights, 1), {"W_rec": weights.pack(matrix)}
    packed = params["W_rec"]
    ms.Dale(signs * rng.uniform(0.5, 10, (n, 1))).project(model, params)
    assert params["W_rec"] is packed
    assert packed.dtype == dtype
    wrong = matrix * signs.T < 0
    after = weights.unpack(packed)
    np.testing.assert_array_equal(after, np.where(wrong | ~weights.pattern.mask(), 0, matrix))
    assert not np.signbit(after[wrong]).any()


@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_a_clamped_weight_grows_back_with_its_allowed_sign_only(storage):
    weights = ms.make_weights(ms.full(2, 2), storage)
    model, rule = ms.RNN(1, weights, 1), ms.Dale(np.array([[1], [-1]]))
    params = {"W_rec": weights.pack(np.array([[0.5, -0.5], [0.5, -0.5]]))}
    opt = ms.SGD(lr=1.0)

    def step(*gradient):
        opt.step(params, {"W_rec": weights.pack(np.array(gradient))})
        rule.project(model, params)
        return weights.unpack(params["W_rec"]).tolist()

    assert step([1.0, -1.0], [1.0, -1.0]) == [[0, 0], [0, 0]]
    assert step([-1.0, 1.0], [1.0, -1.0]) == [[1, -1], [0, 0]]


def test_the_limits_follow_a_new_pattern_and_a_new_dtype():
    rng, signs = np.random.default_rng(0), np.array([[1], [-1], [1], [-1], [1]])
    rule = ms.Dale(signs)
    for count, storage, dtype in [(12, "csr", float), (12, "csr", float), (12, "csr", np.float32), (9, "dense", float)]:
        weights = ms.make_weights(ms.fixed_count(5, 5, count, rng), storage)
        model = ms.RNN(1, weights, 1)
        params = {"W_rec": weights.from_values(rng.standard_normal(weights.nnz).astype(dtype))}
        assert rule.violations(model, params) > 0
        kept = params["W_rec"] * weights.by_col(signs) > 0
        before = params["W_rec"].copy()
        rule.project(model, params)
        np.testing.assert_array_equal(params["W_rec"], np.where(kept, before, 0))
        assert params["W_rec"].dtype == dtype


def test_nan_stays_visible():
    weights = ms.make_weights(ms.full(1, 1))
    params = {"W_rec": np.array([[np.nan]])}
    ms.Dale(np.ones((1, 1))).project(ms.RNN(1, weights, 1), params)
    assert np.isnan(params["W_rec"]).all()


@pytest.mark.parametrize(
    ("signs", "mode", "sentence"),
    [
        (np.ones(3), "enforced", r"signs must be a column \(n_pre, 1\) of \+1 and -1, got shape \(3,\)"),
        (np.ones((1, 3)), "enforced", r"got shape \(1, 3\)"),
        (np.array([[1], [0], [-1]]), "enforced", r"of \+1 and -1"),
        (np.array([[1], [np.nan], [-1]]), "enforced", r"of \+1 and -1"),
        (np.ones((3, 1)), "enforce", "Dale mode 'enforce' is unknown; choose one of enforced, init_only"),
    ],
)
def test_bad_signs_and_modes_are_refused(signs, mode, sentence):
    with pytest.raises(ms.UserError, match=sentence):
        ms.Dale(signs, mode)


@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_signs_of_another_network_are_refused_by_their_shape(storage):
    model, params, _ = network(6, 1, storage)
    for use in (ms.Dale.project, ms.Dale.violations):
        with pytest.raises(ms.UserError, match=r"a number per presynaptic neuron must have shape \(6, 1\)"):
            use(ms.Dale(np.ones((5, 1))), model, params)


@pytest.mark.parametrize("steps", [2, 3, 6])
def test_the_first_gradient_has_passed_the_recurrent_weights_two_times_less_than_there_are_steps(steps):
    """With an input at step 0 alone ReLU passes a positive factor on: every passage of doubled weights doubles it."""
    model, params, _ = network(12, 1, "dense", dtype=np.float64)
    params = {name: 0 * value if name.startswith("b_") else value for name, value in params.items()}
    x, dz = np.zeros((steps, 8, 3)), np.random.default_rng(0).standard_normal((10, 3))
    x[0] = np.random.default_rng(1).standard_normal((8, 3))

    def grads(factor):
        scaled = {**params, "W_rec": factor * params["W_rec"]}
        return model.backward(dz, model.forward(scaled, x)[1])

    once, twice = grads(1.0), grads(2.0)
    assert once["W_rec"].any()
    np.testing.assert_array_equal(twice["W_rec"], 2.0 ** (steps - 2) * once["W_rec"])
    np.testing.assert_array_equal(twice["W_in"], 2.0 ** (steps - 1) * once["W_in"])


class Grows:
    """A rewiring rule of somebody else's, of which nothing is known."""

    def rewire(self, *_):
        return {}

    def __call__(self, run):
        pass


SIGNS = ms.dale_signs(6, 0.5, 0)
DALE = ms.Dale(SIGNS)


@pytest.mark.parametrize(
    ("after_step", "after_epoch", "sentence"),
    [
        ([DALE], [ms.SET()], r"none clamps them; make it SET\(signs=dale.signs\), or put Dale after it in after_epoch"),
        ([DALE], [ms.SET(signs=-SIGNS)], "without regard to the signs that Dale enforces on W_rec"),
        ([ms.SET(signs=SIGNS), DALE], [ms.SET()], "put Dale after it in after_epoch"),
        ([ms.SET()], [DALE], "put Dale after it in after_step"),
        ([DALE, ms.DeepRewiring()], [], r"make it DeepRewiring\(signs=dale.signs\)"),
        ([DALE], [Grows()], "Grows draws new synapses .* draw them with their sign, or put Dale after it"),
    ],
)
def test_hooks_that_would_leave_the_wrong_signs_are_refused(digits, after_step, after_epoch, sentence):
    model = ms.RNN(8, np.tri(6), 10)
    params, hooks = model.init(0, signs=SIGNS), {"after_step": after_step, "after_epoch": after_epoch}
    with pytest.raises(ms.UserError, match=sentence):
        ms.fit(model, params, ms.SGD(), digits, 1, 0, **hooks)


def test_newcomers_that_the_clamp_sets_to_0_are_told_of(digits):
    with pytest.warns(UserWarning, match=r"those of the wrong sign become 0 and go first: make it SET\(signs="):
        ms.dale.check_rules([], [ms.SET(), DALE])


def test_with_its_neurons_signs_set_leaves_no_violation_wherever_dale_is(digits):
    model, seen = ms.RNN(8, ms.bernoulli(30, 30, 0.3, 0), 10), []
    signs = ms.dale_signs(30, 0.4, 0)
    params, dale = model.init(0, w_max=0.1, signs=signs), ms.Dale(signs)
    hooks = [ms.SET(0.3, std=0.05, signs=dale.signs), lambda run: seen.append(dale.violations(run.model, run.params))]
    ms.fit(model, params, ms.Adam(), digits, 2, 0, after_step=[dale], after_epoch=hooks, quiet=True)
    assert seen == [0, 0]


def test_rules_that_cannot_break_the_signs_are_let_be(recwarn):
    ms.dale.check_rules([DALE], [ms.RigL(), ms.SET(signs=SIGNS), ms.CannistraciHebb()])
    ms.dale.check_rules([DALE], [ms.SET(parameters=("W0",))])
    ms.dale.check_rules([ms.Dale(SIGNS, "init_only")], [ms.SET()])
    ms.dale.check_rules([], [Grows(), DALE])
    assert not recwarn.list
