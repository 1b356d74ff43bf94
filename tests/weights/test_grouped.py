"""Grouped storage is the masked dense matrix: in its maps, under the gradient check, in training, over a checkpoint."""

import importlib.util

import numpy as np
import pytest
from helpers.layers import modular
from hypothesis import given, settings
from hypothesis import strategies as st

import minisparse as ms
from minisparse import kernels, testing
from minisparse.groups import labelled
from minisparse.kernels import Blocks, Members, reference
from minisparse.weights.grouped import within_groups

TOLERANCE = {np.float32: 1e-6, np.float64: 1e-12}
rules = pytest.mark.parametrize(
    "rule", [None, ms.Dendritic("matched"), ms.Joint("matched"), ms.LpVariable(1, "matched")]
)


def close(found, expected, dtype):
    """Equal to 1e-6 or 1e-12 of the largest entry."""
    assert found.dtype == dtype
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype] * max(1, np.abs(expected).max(initial=0)))


def bits(a):
    return np.ascontiguousarray(a).view(f"i{a.itemsize}")


@st.composite
def gappy(draw):
    """Draw a modular pattern; some have lost whole rows or columns."""
    _, pattern = draw(modular(high=40))
    mask = pattern.mask()
    mask[draw(st.lists(st.integers(0, len(mask) - 1), max_size=3))] = False
    mask[:, draw(st.lists(st.integers(0, mask.shape[1] - 1), max_size=3))] = False
    return labelled(ms.Pattern.from_mask(mask), pattern.groups)


@settings(max_examples=40)
@given(gappy(), testing.dtypes(), st.integers(1, 5), st.integers(0, 3), testing.generators())
def test_the_maps_are_those_of_the_masked_matrix(pattern, dtype, batch, steps, rng):
    (n_post, n_pre), weights, dense = pattern.shape, ms.GroupedWeights(pattern), ms.DenseWeights(pattern)
    values = rng.standard_normal(pattern.nnz).astype(dtype)
    w, matrix = weights.from_values(values), dense.from_values(values)
    assert w.shape == (weights.size,)
    x, dy = (rng.standard_normal((steps + 1, n, batch)).astype(dtype) for n in (n_pre, n_post))
    close(weights.bind(w).matmul(x[0]), matrix @ x[0], dtype)
    close(weights.bind(w).matmul_t(dy[0]), matrix.T @ dy[0], dtype)
    for first, second in ((dy[0], x[0]), (dy, x), (dy[:0], x[:0])):
        close(weights.unpack(weights.outer(first, second)), dense.outer(first, second), dtype)
    close(weights.row_sum(w), dense.row_sum(matrix), dtype)


@given(gappy(), testing.dtypes(), testing.generators())
def test_padding_is_plus_zero_in_everything_that_is_packed(pattern, dtype, rng):
    weights = ms.GroupedWeights(pattern)
    stored = weights.from_values(np.ones(pattern.nnz)) != 0
    assert stored.sum() == pattern.nnz
    odd = [-1.0, -0.0, 1.0, np.nan, np.inf, -np.inf]
    dy, x = (rng.choice(odd, (n, 3)).astype(dtype) for n in pattern.shape)
    matrix = rng.choice(odd, pattern.shape).astype(dtype)
    with np.errstate(invalid="ignore"):
        packed = (
            weights.outer(dy, x),
            weights.outer(np.stack([dy] * 2), np.stack([x] * 2)),
            weights.pack(matrix),
            weights.masked(rng.choice(odd, weights.size).astype(dtype)),
        )
    for w in packed:
        assert not bits(w)[~stored].any()


def test_masking_is_done_in_place():
    pattern = ms.group_to_group(7, 5, 3, 0.5, 0.2, rng=np.random.default_rng(0))
    for dtype in (np.float32, np.float64, int, object):
        weights, w = ms.GroupedWeights(pattern), np.ones(ms.GroupedWeights(pattern).size, dtype)
        assert weights.masked(w) is w
        assert w.sum() == pattern.nnz


@pytest.mark.parametrize("name", ["with_scipy"] + ["with_numba"] * (importlib.util.find_spec("numba") is not None))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(300, 290, 2), (9, 400, 1), (40, 30, 30), (260, 300, 1)])
def test_the_block_kernels_agree_with_their_meaning(name, dtype, sizes):
    n_post, n_pre, count = sizes
    rng, kernel = np.random.default_rng(0), kernels._load(name)
    labels = (rng.integers(0, count, n_post), rng.integers(0, max(1, count - 1), n_pre))
    blocks = Blocks(*(Members(side, count, np.asarray) for side in labels))
    values = np.zeros((count, blocks.post.width, blocks.pre.width), dtype)
    mask = labels[0][:, None] == labels[1]
    matrix = rng.standard_normal(mask.shape).astype(dtype) * mask
    for g in range(count):
        rows, columns = (np.flatnonzero(side == g) for side in labels)
        values[g, : rows.size, : columns.size] = matrix[np.ix_(rows, columns)]
    wide = rng.standard_normal((3, 400, 14)).astype(dtype)
    x, dy = wide[:, :n_pre, ::2], wide[:, n_post - 1 :: -1, :7] if n_post < 400 else wide[:, ::-1, :7]
    y, dx = np.ones((n_post, 7), dtype), np.ones((n_pre, 7), dtype)
    kernel.add_blocks(blocks, values, x[0], y)
    kernel.add_blocks(blocks.turned, values.swapaxes(1, 2), dy[0], dx)
    tolerance = 30 * TOLERANCE[dtype]
    np.testing.assert_allclose(y, matrix @ x[0] + 1, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(dx, matrix.T @ dy[0] + 1, rtol=tolerance, atol=tolerance)
    for stack in (slice(0), slice(1), slice(3)):
        found, expected = np.full_like(values, np.nan), np.full_like(values, np.nan)
        kernel.put_outer(blocks, dy[stack], x[stack], found)
        reference.put_outer(blocks, dy[stack], x[stack], expected)
        real = np.zeros(values.shape, bool)
        for g in range(count):
            real[g, : (labels[0] == g).sum(), : (labels[1] == g).sum()] = True
        np.testing.assert_allclose(found[real], expected[real], rtol=tolerance, atol=tolerance)


def mlp(rule, storage="grouped", dtype=np.float64):
    rng = np.random.default_rng(0)
    below = ms.group_to_group(9, 7, 3, 1.0, 0.3, rng=rng)
    above = ms.group_to_group(8, 9, 3, 0.7, 0.2, rng=rng, grouping="mixer", layer=1)
    layers = [ms.make_weights(p, storage) for p in (below, above)] + [ms.make_weights(ms.full(4, 8), "dense")]
    model = ms.MLP(layers, "relu", rule)
    return model, model.init(np.random.default_rng(1), dtype=dtype, w_max=0.8)


def rnn(rule, dtype=np.float64):
    pattern = ms.group_to_group(7, 7, 3, 0.8, 0.3, rng=np.random.default_rng(0), grouping=("stride", "index"))
    model = ms.RNN(2, ms.make_weights(pattern, "grouped"), 4, "tanh", rule)
    return model, model.init(np.random.default_rng(1), dtype=dtype, w_max=0.8)


@rules
@pytest.mark.parametrize(("make", "shape"), [(mlp, (7, 3)), (rnn, (5, 2, 3))])
def test_the_gradient_check_passes(make, shape, rule):
    x = np.random.default_rng(2).standard_normal(shape)
    ms.check(*make(rule), x, np.array([0, 3, 1])).assert_ok()


@rules
@pytest.mark.parametrize(("make", "shape"), [(mlp, (7, 3)), (rnn, (5, 2, 3))])
def test_padding_stays_zero_through_a_hundred_steps_and_dense_learns_the_same(make, shape, rule):
    rng = np.random.default_rng(3)
    (model, params), opt = make(rule), ms.Adam(0.01)
    dense = model.copy()
    for name, weights in model.weights.items():
        dense.weights[name] = ms.DenseWeights(weights.pattern)
    twin = {k: dense.weights[k].from_values(model.weights[k].values(v)) if k in model.weights else v.copy()
            for k, v in params.items()}  # fmt: skip
    other = ms.Adam(0.01)
    for _ in range(100):
        x, labels = rng.standard_normal(shape), rng.integers(0, 4, 3)
        for net, p, o in ((model, params, opt), (dense, twin, other)):
            logits, cache = net.forward(p, x)
            o.step(p, net.backward(ms.softmax_cross_entropy(logits, labels)[1], cache))
    for name, weights in model.weights.items():
        if weights.storage == "grouped":
            unused = weights.from_values(np.ones(weights.nnz)) == 0
            assert unused.any()
            for packed in (params[name], opt.state[f"m.{name}"], opt.state[f"v.{name}"]):
                assert not bits(packed)[unused].any()
        np.testing.assert_allclose(weights.unpack(params[name]), dense.weights[name].unpack(twin[name]), atol=1e-9)


def test_rewiring_keeps_the_groups_and_masks_the_blocks():
    (model, params), opt, rng = mlp(None), ms.Adam(), np.random.default_rng(0)
    x, labels = rng.standard_normal((7, 3)), np.array([0, 3, 1])
    logits, cache = model.forward(params, x)
    opt.step(params, model.backward(ms.softmax_cross_entropy(logits, labels)[1], cache))
    before = model.weights["W0"].pattern
    ms.SET(0.5).rewire(model, params, opt, rng)
    after = model.weights["W0"].pattern
    assert after != before
    assert all(np.array_equal(a, b) for a, b in zip(after.groups, before.groups, strict=True))
    assert within_groups(after).sum() != within_groups(before).sum(), "synapses moved out of the blocks"
    assert opt.state["m.W0"].shape == params["W0"].shape == (model.weights["W0"].size,)
    ms.check(model, params, x, labels).assert_ok()


def test_grouped_storage_of_a_pattern_without_groups_is_refused_in_one_sentence():
    for make in (ms.GroupedWeights, lambda pattern: ms.make_weights(pattern, "grouped")):
        with pytest.raises(ms.UserError, match="grouped storage needs a pattern that knows its groups") as refused:
            make(ms.full(3, 2))
        assert "\n" not in str(refused.value)


def test_a_run_resumes_from_its_checkpoint_bit_for_bit(tmp_path):
    rng = np.random.default_rng(4)
    data = ms.Dataset("toy", rng.standard_normal((40, 7)), rng.integers(0, 4, 40),
                      rng.standard_normal((10, 7)), rng.integers(0, 4, 10), 4)  # fmt: skip

    def run(epochs, **settings):
        (model, params), opt = mlp(ms.Dendritic("matched"), dtype=np.float32), ms.Adam(0.01)
        rule = ms.SET(0.2)
        ms.fit(
            model, params, opt, data, epochs, np.random.default_rng(5), 8, after_epoch=[rule], quiet=True, **settings
        )
        return model, params, opt

    _, whole, opt = run(3)
    run(2, checkpoint=tmp_path / "net.npz")
    model, resumed, again = run(3, checkpoint=tmp_path / "net.npz", resume=True)
    assert model.weights["W0"].storage == "grouped"
    assert model.weights["W0"].pattern.groups is not None
    for name in whole:
        np.testing.assert_array_equal(bits(resumed[name]), bits(whole[name]))
    for name in set(opt.state) - {"step"}:
        np.testing.assert_array_equal(bits(again.state[name]), bits(opt.state[name]))
