"""What a caller hands over: seeds with a stream per purpose, numbers, names."""

import itertools

import numpy as np
import pytest

import minisparse as ms
from minisparse import arguments


def test_one_integer_gives_independent_streams():
    drawn = [ms.generator(7, purpose).random(4000) for purpose in arguments.PURPOSES]
    for one, other in itertools.combinations(drawn, 2):
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / 4000**0.5
        assert not np.intersect1d(one, other).size
    for purpose in arguments.PURPOSES:
        again, of_another_seed = ms.generator(np.int64(7), purpose), ms.generator(8, purpose)
        assert again.random() == drawn[arguments.PURPOSES.index(purpose)][0] != of_another_seed.random()


def test_the_streams_are_those_that_are_documented():
    by_hand = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(2,)))
    assert ms.generator(3, "weights").random() == by_hand.random()


def test_a_generator_is_used_as_it_is():
    for rng in (np.random.default_rng(0), np.random.RandomState(0)):
        assert ms.generator(rng, "pattern") is rng


@pytest.mark.parametrize("rng", [None, -1, 1.5, True, "0", np.random])
def test_what_is_no_seed_is_refused(rng):
    with pytest.raises(ms.UserError, match="rng must be a seed, an integer of at least 0"):
        ms.bernoulli(3, 3, 0.5, rng)


def test_a_whole_run_from_one_integer_can_be_repeated():
    def run():
        digits = ms.subset_per_class(ms.load("digits"), 10, 0)
        model = ms.RNN(8, ms.bernoulli(10, 10, 0.3, 0), 10)
        params, rewired = model.init(0), []
        hooks = [ms.SET(0.2, std=0.01), lambda run: rewired.append(run.rng.random())]
        return ms.fit(model, params, ms.SGD(), digits, 1, 0, after_epoch=hooks, quiet=True)[1]["test_loss"], rewired

    assert run() == run()
    order, rewiring = ms.generator(0, "batches"), ms.generator(0, "rewiring")
    assert order.random() != rewiring.random()


def test_every_parameter_of_a_model_has_its_own_numbers():
    stem = ms.PatchConv((4, 4), 2, 3)
    model = ms.ConvNet(stem, ms.MLP([np.ones((12, 12)), ms.full(2, 12)]))
    drawn = np.concatenate([value.ravel() for name, value in model.init(0).items() if name != "c"])
    assert np.unique(drawn).size == drawn.size
    with pytest.raises(ms.UserError, match=r"make it once with minisparse.generator\(seed"):
        ms.initialise.uniform(0, (2, 2), 1.0)


def test_names_may_be_written_in_upper_case():
    model = ms.RNN(2, ms.make_weights(ms.full(3, 3), "CSR"), 2, activation="ReLU")
    assert (model.activation, model.weights["W_rec"].storage) == (ms.relu, "csr")
    assert ms.load("Digits").name == "digits"
    assert ms.Dale(np.ones((2, 1)), "Enforced").mode == "enforced"
    assert ms.SET(0.1, unit="EPOCHS").schedule.unit == "epochs"
