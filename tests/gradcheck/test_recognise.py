"""Classic mistakes are recognised only where they show."""

import numpy as np
import pytest

import minisparse as ms


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
