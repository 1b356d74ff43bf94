"""Clipping: the length of the gradient, and nothing else."""

from types import SimpleNamespace

import numpy as np
import pytest

import minisparse as ms
from minisparse import clip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_long_gradient_is_shortened_and_a_short_one_left_alone(dtype):
    rng = np.random.default_rng(0)
    grads = {"W": rng.standard_normal((3, 4)).astype(dtype), "b": rng.standard_normal((3, 1)).astype(dtype)}
    run, length = SimpleNamespace(grads=dict(grads)), clip.norm(grads)
    ms.ClipNorm(0.5 * length)(run)
    assert clip.norm(run.grads) == pytest.approx(0.5 * length, rel=1e-6)
    for name, grad in run.grads.items():
        assert grad.dtype == dtype
        assert grad == pytest.approx(0.5 * grads[name], rel=1e-6)
    run = SimpleNamespace(grads=grads)
    ms.ClipNorm(2 * length)(run)
    assert run.grads is grads


def test_a_length_that_is_none_is_refused():
    with pytest.raises(ms.UserError, match="max_norm, the largest length of a gradient, must be above 0, got 0"):
        ms.ClipNorm(0)
