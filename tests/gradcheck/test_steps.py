"""Training steps are compared with the optimiser's closed form."""

import numpy as np
import pytest

import minisparse as ms


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


@pytest.mark.parametrize("opt", [ms.Adam, ms.SGD])
def test_steps_of_a_float32_model_are_checked_in_float64(opt):
    rng = np.random.default_rng(0)
    model = ms.RNN(2, ms.make_weights(ms.full(7, 7)), 4, "tanh")
    params, x = model.init(rng, w_max=0.5), rng.standard_normal((5, 2, 3)).astype(np.float32)
    ms.check_steps(model, params, x, np.array([0, 3, 1]), opt()).assert_ok()
    assert params["W_in"].dtype == np.float32
