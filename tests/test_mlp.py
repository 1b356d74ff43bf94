"""Feedforward networks: what is missing is named."""

import numpy as np
import pytest

import minisparse as ms


@pytest.mark.parametrize("name", ["W0", "b1", "s0"])
def test_a_network_names_the_parameter_that_is_missing(name):
    layers = [ms.make_weights(ms.full(4, 3)), ms.make_weights(ms.full(2, 4))]
    model = ms.MLP(layers, normalise=ms.Dendritic())
    params = model.init(np.random.default_rng(0))
    del params[name]
    with pytest.raises(ms.UserError, match=f"params has no '{name}'; model.init makes every parameter"):
        model.forward(params, np.ones((3, 2), np.float32))
