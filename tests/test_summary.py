"""What a network shows of itself."""

import numpy as np
import pytest

import minisparse as ms
from minisparse.summary import in_bytes

SPARSE = ms.make_weights(ms.bernoulli(12, 12, 0.3, 0), "csr")
STEM = ms.ConvPool((8, 8), 2)
MODELS = [
    ms.RNN(3, SPARSE, 2, normalise=ms.Dendritic(shared=False), biases=1),
    ms.MLP([SPARSE, ms.full(5, 12), ms.full(2, 5)], normalise=ms.Dendritic(), shared_scale=True),
    ms.MLP([SPARSE, ms.full(2, 12)], normalise=ms.Joint()),
    ms.ConvNet(STEM, ms.MLP([ms.full(3, STEM.n_out)])),
    ms.ConvNet(ms.PatchConv((8, 8), 2, 3), ms.MLP([ms.full(3, 12)])),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_the_table_lists_the_parameters_that_init_draws_and_counts_them(model):
    params, text = model.init(0), repr(model)
    assert list(model.shapes()) == list(params)
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[2:-1]] == list(params)
    count = sum(model.weights[name].nnz if name in model.weights else value.size for name, value in params.items())
    assert lines[-1].split()[0] == f"{count:,}"
    for name, shape in model.shapes().items():
        assert name in model.weights or params[name].shape == shape
    assert max(map(len, lines)) <= 100


def test_density_storage_and_memory_are_those_of_the_weights():
    text, pattern = repr(MODELS[0]), SPARSE.pattern
    assert text.splitlines()[0] == "RNN: 3 inputs, 2 outputs, relu"
    assert f"{pattern.density:.3g}      csr" in text
    numbers = sum(value.size for value in MODELS[0].init(0).values())
    assert in_bytes(4 * numbers + pattern.indptr.nbytes + pattern.indices.nbytes) in text


def test_a_notebook_shows_a_table():
    shown = MODELS[0]._repr_html_()
    assert shown.startswith("<div><p>RNN: 3 inputs")
    assert shown.count("<tr>") == 1 + len(MODELS[0].shapes())


def test_a_model_of_your_own_shows_its_sparse_weights():
    class Own(ms.summary.Summary):
        n_in, n_out, weights = 12, 12, {"W": SPARSE}

    assert "W             12 x 12" in repr(Own()).replace("post x pre", "")
    assert "12 x 12" in repr(Own())


@pytest.mark.parametrize("storage", ["dense", "csr", "grouped"])
def test_stored_is_how_many_numbers_a_packed_array_holds(storage):
    weights = ms.make_weights(ms.group_to_group(6, 5, 2, p_between=0.3, rng=0), storage)
    assert weights.stored == np.size(weights.from_values(np.ones(weights.nnz)))
