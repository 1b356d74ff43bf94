"""A loss that is inf or nan stops the run, and names the first tensor that was."""

import pickle

import numpy as np
import pytest
from helpers.runs import Run, X, Y

import minisparse as ms
from minisparse.errors import NonFiniteError


def stopped(run, epochs=4, **settings):
    """Train into a loss that is no number; returns the error."""
    with pytest.raises(NonFiniteError) as caught, np.errstate(all="ignore"):
        run.fit(epochs, **settings)
    assert isinstance(caught.value, ms.UserError)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("spoiled", [np.nan, np.inf])
def test_a_loss_that_is_no_number_is_traced_to_its_epoch_and_step(spoiled):
    seen = []

    def spoil(run):
        seen.append((run.epoch, run.step))
        if seen[-1] == (2, 0):
            run.params["W_out"][0] = spoiled

    error = stopped(Run(), after_step=[spoil])
    assert str(error) == (
        "the loss became nan at epoch 2, step 2 of 3: the first tensor to hold inf or nan is W_out, then logits; use a "
        "smaller learning rate, smaller initial weights or float64"
    )
    assert seen == [(1, 0), (1, 1), (1, 2), (2, 0)]  # at once: the step is not taken
    assert error.as_row() == {"error": str(error), "epoch": 2, "step": 2, "tensor": "W_out"}
    copied = pickle.loads(pickle.dumps(error))
    assert copied.as_row() == error.as_row()


@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_activity_that_overflows_is_traced_to_its_time_step(storage):
    x = np.ones((30, 28, 3), np.float32)
    dataset = ms.Dataset("long", x, np.zeros(30, int), np.zeros((5, 28, 3), np.float32), np.zeros(5, int), 3)
    run = Run(storage)
    run.params["W_rec"] = run.model.weights["W_rec"].from_values(np.full(run.model.weights["W_rec"].nnz, 1e4, "f"))
    run.params["b_in"][:] = run.params["b_rec"][:] = 0  # the test, all zeros, stays finite
    with np.errstate(all="ignore"):
        _, cache = run.model.forward(run.params, np.moveaxis(x, 0, -1))
    wrong = int(np.argmax(~np.isfinite(cache.h).all(axis=(1, 2))))
    error = stopped(run, dataset=dataset)
    assert (error.epoch, error.step) == (1, 1)
    assert error.tensor == f"h at time step {wrong} (28 time steps)"
    assert 2 < wrong < 20


def test_a_layer_of_a_feedforward_network_is_named():
    weights = [ms.make_weights(ms.full(4, 12)), ms.make_weights(ms.full(4, 4)), ms.make_weights(ms.full(3, 4))]
    run = Run()
    run.model = ms.MLP(weights, "relu")
    run.params = run.model.init(np.random.default_rng(0))
    for name in ("b0", "b1", "b2"):
        run.params[name][:] = 0
    run.params["W0"][:], run.params["W1"][:] = 1e25, 1e25
    dataset = ms.Dataset("ones", X[:25] ** 2, Y[:25], 0 * X[25:], Y[25:], 3)
    error = stopped(run, dataset=dataset, after_step=[])
    assert error.tensor == "h[2]"
    assert "the first tensor to hold inf or nan is h[2], then logits;" in str(error)


def test_a_gradient_that_overflows_under_a_finite_loss_is_named_at_the_next_one():
    run = Run()
    backward = run.model.backward

    def overflowing(dlogits, cache):
        grads = backward(dlogits, cache)
        if run.opt.state.get("step") == 3:
            grads["W_in"] = grads["W_in"] * np.float32(1e38) * np.float32(1e38)
        return grads

    run.model.backward = overflowing
    error = stopped(run)
    assert (error.epoch, error.step) == (2, 2)
    assert error.tensor == "the gradient of W_in one step earlier"
    assert "is the gradient of W_in one step earlier, then m.W_in of Adam, then v.W_in of Adam, then W_in;" in str(
        error
    )


def test_a_normalised_weight_that_overflows_is_named_as_such():
    run = Run(normalise=ms.Dendritic())
    run.params["s_rec"][:] = 3e38
    run.params["W_rec"] *= 1000
    assert stopped(run).tensor == "the effective W_rec"


def test_a_test_loss_that_is_no_number_is_no_result(tmp_path):
    x = X.copy()
    x[25] *= 1e30
    dataset = ms.Dataset("far", X[:25], Y[:25], x[25:], Y[25:], 3)
    run = Run()
    run.params["W_in"] *= 1e10
    error = stopped(run, dataset=dataset, batch_size=5)
    assert str(error).startswith("the loss became nan in the test before training: the first tensor to hold inf or nan")
    assert (error.epoch, error.step, error.tensor) == (0, None, "h at time step 1 (4 time steps)")

    def last(run):
        if (run.epoch, run.step) == (1, 2):
            run.params["b_out"][1] = np.nan

    error = stopped(Run(), after_step=[last], checkpoint=tmp_path / "run.npz")
    assert (error.epoch, error.step, error.tensor) == (1, None, "b_out")
    assert "in the test after epoch 1" in str(error)
    assert not (tmp_path / "run.npz").exists()


def test_logits_too_far_apart_are_said_to_be():
    run = Run()
    run.params["b_out"][:] = np.array([[3e38], [-3e38], [0]], "f")
    error = stopped(run)
    assert error.tensor == "loss"
    assert "the logits reach 3.0e+38: their softmax overflowed" in str(error)


def test_a_memory_that_overflows_while_the_loss_stays_finite_is_no_result(tmp_path):
    """Adam's v in float32: after one gradient above 1.8e19 it would stay inf, and every later step would be 0."""

    def kick(run):
        if (run.epoch, run.step) == (2, 1):
            run.grads["W_rec"] = run.grads["W_rec"] + np.float32(3e19)

    run = Run()
    error = stopped(run, before_step=[kick], checkpoint=tmp_path / "run.npz")
    assert (error.epoch, error.step, error.tensor) == (2, 3, "v.W_rec of Adam")
    assert str(error).startswith("v.W_rec of Adam holds inf or nan after epoch 2, step 3 of 3: ")
    assert "ClipNorm" in str(error)
    assert len(str(error)) < 500
    kept = Run().fit(1, checkpoint=tmp_path / "run.npz", resume=True, before_step=[kick])
    assert len(kept.history) == 2, "the epoch before is kept"

    whole = Run(dtype=np.float64)
    whole.fit(3, before_step=[kick])
    assert all(np.isfinite(w).all() for w in whole.opt.state.values())
