"""Planting exchanges one line, everywhere in a part that runs it, and nothing else."""

import numpy as np

import minisparse as ms
from minisparse.gradcheck import catalogue, mistakes


def recurrent():
    rng = np.random.default_rng(0)
    model = ms.RNN(2, ms.make_weights(ms.bernoulli(7, 7, 0.5, rng)), 4, "tanh")
    return model, model.init(rng, dtype=float, w_max=0.7), rng.standard_normal((5, 2, 3))


def test_a_mutant_leaves_the_library_and_the_model_as_they_are():
    model, params, x = recurrent()
    logits, cache = model.forward(params, x)
    before = model.backward(logits, cache)
    for row in catalogue.catalogue():
        twin = row.plant(model)
        assert twin is not model
        twin.backward(logits, twin.forward(params, x)[1], wrt_x=True)
    after = model.backward(logits, cache)
    assert type(model) is ms.RNN
    assert all(np.array_equal(before[name], after[name]) for name in before)
    opt = ms.Adam()
    opt.step({"w": np.ones(2)}, {"w": np.ones(2)})
    twin = catalogue.find("adam-no-bias-correction").plant(opt)
    twin.step({"w": np.ones(2)}, {"w": np.ones(2)})
    assert (opt.state["step"], twin.state["step"]) == (1, 2)


def test_planting_reaches_every_part_that_a_part_holds():
    grouped = ms.make_weights(ms.group_to_group(8, 8, 2, p_between=0.5, rng=np.random.default_rng(0)), "grouped")
    stem = ms.ConvPool((5, 7), 2, 2, activation="relu")
    head = ms.MLP([ms.make_weights(ms.full(8, stem.n_out)), grouped], "tanh", ms.Dendritic())
    network = ms.ConvNet(stem, head)
    inside = {
        "C4": lambda model: type(model.stem),
        "N1": lambda model: model.stem.activation.slope,
        "A7": lambda model: type(model.head),
        "D5": lambda model: type(model.head.rules[0]),
        "N2": lambda model: model.head.activation.slope,
        "S6": lambda model: type(model.head.weights["W1"]._rest),
    }
    for tag, held in inside.items():
        row = next(row for row in catalogue.catalogue() if row.tag == tag)
        assert row.concerns(network), tag
        planted = row.plant(network)
        changed = [other for other, part in inside.items() if part(planted) is not part(network)]
        homes = {other for other in inside if ms.equations.module_of(other) == ms.equations.module_of(tag)}
        assert set(changed) == homes, "the part that runs the line, and no other"
        assert held(mistakes.restored(planted)) is held(network)


def test_a_mistake_concerns_only_what_runs_its_line():
    plain, switched = recurrent()[0], ms.Adam(decay=0.1)
    concerned = {row.code for row in catalogue.catalogue() if row.concerns(plain)}
    assert {"bptt-no-slope", "slope-tanh-twice", "sparse-no-mask", "plain-clipped"} <= concerned
    assert not {"bptt-rule-skipped", "slope-leaky", "sparse-dW-column-order", "norm-scale-forgotten"} & concerned
    assert not any(row.concerns(plain) for row in catalogue.catalogue("optimiser"))
    decay = catalogue.find("decay-sign")
    assert decay.concerns(switched)
    assert not decay.concerns(ms.Adam())


def test_a_line_may_be_exchanged_for_several():
    loss = mistakes.Mistake("mine", "loss", "L1", "half = batch * 2\ndlogits = onehot / half", (), "", "")
    assert loss.plant(ms.softmax_cross_entropy)(np.zeros((2, 1)), np.array([0]))[1].tolist() == [[0.5], [0]]


def test_what_is_not_of_the_library_stays_as_it_is():
    def own_loss(logits, labels):
        return logits.sum(), np.ones_like(logits)

    assert catalogue.find("loss-sign").plant(own_loss) is own_loss


def test_parts_that_hold_each_other_are_copied_once():
    class Own:
        """A model of somebody's, whose layer knows it."""

        def config(self):
            return {}

    outer, inner = Own(), Own()
    outer.layers, inner.owner, outer.rule = [inner], outer, ms.Dendritic()
    inner.rule = outer.rule
    row = catalogue.find("norm-scale-forgotten")
    assert row.concerns(outer)
    planted = row.plant(outer)
    assert planted.layers[0].owner is planted
    assert planted.layers[0].rule is planted.rule
    assert type(planted.rule) is not type(outer.rule)
