"""Losses of several answers: against differences and automatic differentiation, and beside the loss of one answer."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minisparse as ms
from minisparse import testing


def cross_entropy(z, labels, mask):
    z = z - anp.max(z, axis=-2, keepdims=True)
    log_softmax = z - anp.log(anp.sum(anp.exp(z), axis=-2, keepdims=True))
    chosen = anp.sum(log_softmax * (np.arange(z.shape[-2])[:, None] == labels[..., None, :]), axis=-2)
    return -anp.sum(mask * chosen) / np.sum(mask)


def squares(y, target, mask):
    return anp.sum(mask * anp.mean((y - target) ** 2, axis=-2)) / np.sum(mask)


LOSSES = {"cross_entropy_per_step": cross_entropy, "mean_squared_error": squares}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("examples", [5, pytest.param(120, marks=pytest.mark.slow)])
def test_a_loss_agrees_with_both_oracles(name, examples):
    @settings(max_examples=examples)
    @given(testing.sizes(3, distinct=False), testing.generators(), st.booleans(), st.booleans())
    def holds(sizes, rng, every, masked):
        steps, outputs, batch = sizes
        loss, shape = getattr(ms, name), (steps, outputs, batch) if every else (outputs, batch)
        columns = (*shape[:-2], batch)
        output = rng.standard_normal(shape)
        target = rng.integers(0, outputs, columns) if name == "cross_entropy_per_step" else rng.standard_normal(shape)
        mask = (rng.random(columns) < 0.7) + 0.1 if masked else np.ones(columns)
        given_mask = (mask,) if masked else ()
        value, doutput = loss(output, target, *given_mask)
        expected, grad = autograd.value_and_grad(LOSSES[name])(output, target, mask)
        assert value == pytest.approx(expected, rel=1e-12)
        assert np.abs(doutput - grad).max() <= 1e-10
        report = ms.check_pair(
            lambda output: loss(output, target, *given_mask), lambda dy, d: {"output": dy * d}, {"output": output}
        )
        assert not [row for row in report.rows if row.error > 1e-6], str(report)

    holds()


def test_with_one_answer_per_example_it_is_the_usual_loss():
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((4, 6)), rng.integers(0, 4, 6)
    for ours, usual in zip(
        ms.cross_entropy_per_step(logits, labels), ms.softmax_cross_entropy(logits, labels), strict=True
    ):
        assert ours == pytest.approx(usual, rel=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_has_the_dtype_of_the_output(dtype):
    output = np.ones((3, 2, 4), dtype)
    assert ms.mean_squared_error(output, np.zeros((3, 2, 4)), np.ones((3, 4)))[1].dtype == dtype
    assert ms.cross_entropy_per_step(output, np.zeros((3, 4), int), np.ones((3, 4), bool))[1].dtype == dtype


def test_an_answer_that_does_not_count_has_a_gradient_of_exactly_0():
    mask = np.array([[1, 0], [0, 1]])
    for loss, target in (
        (ms.mean_squared_error, np.zeros((2, 3, 2))),
        (ms.cross_entropy_per_step, np.zeros((2, 2), int)),
    ):
        _, doutput = loss(np.random.default_rng(0).standard_normal((2, 3, 2)), target, mask)
        assert not doutput[0, :, 1].any()
        assert doutput[0, :, 0].all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: ms.softmax_cross_entropy(np.zeros((3, 2, 1)), np.zeros((3, 1), int)),
            "take loss=cross_entropy_per_st",
        ),
        (
            lambda: ms.cross_entropy_per_step(np.zeros((3, 2, 1)), np.zeros(3, int)),
            r"labels must be \(3, 1\), one class",
        ),
        (lambda: ms.cross_entropy_per_step(np.zeros((3, 2, 1)), np.full((3, 1), 2)), r"labels must lie in 0\.\.1"),
        (
            lambda: ms.mean_squared_error(np.zeros((3, 2)), np.zeros(2)),
            r"the shape of the output, \(3, 2\), got \(2,\)",
        ),
        (lambda: ms.mean_squared_error(np.zeros((3, 2)), np.zeros((3, 2)), np.zeros(2)), "no answer counts"),
        (lambda: ms.mean_squared_error(np.zeros((3, 2)), np.zeros((3, 2)), np.ones(3)), r"the mask must be \(2,\)"),
    ],
)
def test_what_does_not_fit_is_said(call, sentence):
    with pytest.raises(ms.UserError, match=sentence):
        call()
