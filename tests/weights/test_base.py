"""The three linear maps are the plain matrix products, over every storage."""

import numpy as np
import pytest
from helpers.layers import bernoulli, bits, layers, storages

import minisparse as ms
from minisparse.groups import labelled


def close(found, expected, dtype):
    assert found.dtype == dtype
    assert found.shape == expected.shape
    tolerance = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@layers
def test_values_travel_in_pattern_order_and_come_back_bit_for_bit(weights, dtype, rng):
    mask = weights.pattern.mask()
    values = rng.choice([-1.5, -0.0, 0.0, np.nan, np.inf, 1e-40, 2.5], weights.nnz).astype(dtype)
    w = weights.from_values(values)
    assert w.shape == {"dense": weights.shape, "csr": (weights.nnz,)}.get(weights.storage, (w.size,))
    assert bits(weights.values(w)) == bits(values)
    matrix = np.zeros(weights.shape, dtype)
    matrix[mask] = values
    assert bits(weights.unpack(w)) == bits(matrix)
    assert bits(weights.pack(matrix)) == bits(w)
    for made in (w, weights.values(w), weights.unpack(w), weights.pack(matrix)):
        assert not any(np.shares_memory(made, other) for other in (values, matrix) + ((w,) if made is not w else ()))


@layers
def test_the_maps_are_the_plain_matrix_products(weights, dtype, rng):
    mask = weights.pattern.mask()
    (n_post, n_pre), batch, steps = weights.shape, rng.integers(1, 6), rng.integers(0, 5)
    matrix = (rng.standard_normal(weights.shape) * mask).astype(dtype)
    x, dy = (rng.standard_normal((steps + 1, n, batch)).astype(dtype) for n in (n_pre, n_post))
    w = weights.pack(matrix)
    W = weights.bind(w)
    close(W.matmul(x[0]), matrix @ x[0], dtype)
    close(W.matmul_t(dy[0]), matrix.T @ dy[0], dtype)
    close(weights.unpack(weights.outer(dy[0], x[0])), dy[0] @ x[0].T * mask, dtype)
    stacked = np.einsum("tib,tjb->ij", dy[:steps], x[:steps]).astype(dtype) * mask
    close(weights.unpack(weights.outer(dy[:steps], x[:steps])), stacked, dtype)
    assert weights.outer(dy, x).shape == w.shape
    close(weights.row_sum(w), matrix.sum(axis=1, keepdims=True), dtype)
    g, s = rng.standard_normal((n_post, 1)).astype(dtype), rng.standard_normal((n_pre, 1)).astype(dtype)
    close(weights.unpack(w * weights.by_row(g)), matrix * g, dtype)
    close(weights.unpack(w * weights.by_col(s)), matrix * s.T, dtype)


@storages
def test_an_empty_stack_gives_zeros(storage):
    weights = ms.make_weights(bernoulli(4, 3, 0.7, np.random.default_rng(0)), storage)
    for dtype in (np.float32, np.float64):
        for dy, x in [((0, 4, 5), (0, 3, 5)), ((2, 4, 0), (2, 3, 0)), ((4, 0), (3, 0))]:
            dw = weights.outer(np.zeros(dy, dtype), np.zeros(x, dtype))
            assert bits(weights.unpack(dw)) == np.zeros((4, 3), int).tolist()
            assert dw.dtype == dtype


@storages
def test_products_take_what_is_added_and_what_they_are_multiplied_by(storage):
    pattern = ms.group_to_group(8, 8, 2, p_between=0.3, rng=np.random.default_rng(0))
    weights = ms.make_weights(pattern, storage)
    rng = np.random.default_rng(1)
    values, x, y = rng.standard_normal(weights.nnz), rng.standard_normal((8, 5)), rng.standard_normal((8, 5))
    bound, before = weights.bind(weights.from_values(values)), y.copy()
    np.testing.assert_allclose(bound.matmul(x, plus=y), bound.matmul(x) + y, rtol=1e-12)
    np.testing.assert_allclose(bound.matmul(x, plus=x), bound.matmul(x) + x, rtol=1e-12)
    np.testing.assert_allclose(bound.matmul_t(x, times=y), bound.matmul_t(x) * y, rtol=1e-12)
    np.testing.assert_array_equal(y, before)
    with pytest.raises(ms.errors.InputError, match=r"plus must have the shape of the product, \(8, 1\), got \(8, 5\)"):
        bound.matmul(x[:, :1], plus=y)


@storages
def test_the_products_take_slices_and_transposes(storage):
    rng = np.random.default_rng(0)
    weights = ms.make_weights(bernoulli(6, 5, 0.5, rng), storage)
    w = weights.from_values(rng.standard_normal(weights.nnz))
    W, matrix = weights.bind(w), weights.unpack(w)
    wide = rng.standard_normal((4, 8, 12))
    x, dy = wide[1:3, 1:6, ::2], wide.transpose(0, 2, 1)[1:3, ::2, :6]
    close(W.matmul(x[0]), matrix @ x[0], float)
    close(W.matmul_t(dy[0]), matrix.T @ dy[0], float)
    expected = np.einsum("tib,tjb->ij", dy, x) * weights.pattern.mask()
    close(weights.unpack(weights.outer(dy, x)), expected, float)


@storages
@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (
            lambda V, w: V.bind(w).matmul(np.ones(3)),
            r"W expects 3 inputs \(pre\) but x has shape \(3,\); x must be \(units, batch\)",
        ),
        (
            lambda V, w: V.bind(w).matmul(np.ones((4, 2))),
            r"W expects 3 inputs \(pre\) but x has shape \(4, 2\); x must be \(units, batch\)",
        ),
        (
            lambda V, w: V.bind(w).matmul_t(np.ones(4)),
            r"W expects 4 outputs \(post\) but dy has shape \(4,\); dy must be \(units, batch\)",
        ),
        (lambda V, w: V.bind(w).matmul_t(np.ones((3, 2))), r"W expects 4 outputs \(post\) but dy has shape \(3, 2\)"),
        (lambda V, w: V.bind(w).matmul(np.ones((2, 3, 2))), r"x must be \(units, batch\)"),
        (
            lambda V, w: V.outer(np.ones(4), np.ones(3)),
            r"W expects 4 outputs \(post\) but dy has shape \(4,\); "
            r"dy must be \(units, batch\) or \(time, units, batch\)",
        ),
        (lambda V, w: V.outer(np.ones((3, 2)), np.ones((4, 2))), r"W expects 4 outputs \(post\) but dy"),
        (lambda V, w: V.outer(np.ones((4, 2)), np.ones((4, 2))), r"W expects 3 inputs \(pre\) but x"),
        (lambda V, w: V.outer(np.ones((4, 2)), np.ones((3, 1))), r"dy \(4, 2\) and x \(3, 1\) must agree in time"),
        (lambda V, w: V.outer(np.ones((2, 4, 2)), np.ones((1, 3, 2))), "must agree in time and batch"),
        (lambda V, w: V.outer(np.ones((2, 4, 2)), np.ones((3, 2))), "must agree in time and batch"),
        (lambda V, w: V.bind(w[:-1]), "must have shape .* got"),
        (lambda V, w: V.row_sum(w[:-1]), "must have shape .* got"),
        (lambda V, w: V.values(w[:-1]), "must have shape .* got"),
        (lambda V, w: V.unpack(w[:-1]), "must have shape .* got"),
        (lambda V, w: V.from_values(np.ones(3)), r"values, one per synapse, must have shape \(5,\) .* got \(3,\)"),
        (lambda V, w: V.from_values(np.ones((5, 1))), "values, one per synapse, must have shape"),
        (lambda V, w: V.pack(np.ones((3, 4))), r"a matrix \(post, pre\) must have shape \(4, 3\) .* got \(3, 4\)"),
        (lambda V, w: V.by_row(np.ones(4)), r"a number per postsynaptic neuron must have shape \(4, 1\)"),
        (lambda V, w: V.by_row(np.ones((3, 1))), r"a number per postsynaptic neuron must have shape \(4, 1\)"),
        (lambda V, w: V.by_col(np.ones(3)), r"a number per presynaptic neuron must have shape \(3, 1\)"),
        (lambda V, w: V.by_col(np.ones((4, 1))), r"a number per presynaptic neuron must have shape \(3, 1\)"),
    ],
)
def test_wrong_shapes_are_refused_by_a_sentence_that_names_thing_and_fix(storage, use, sentence):
    weights = ms.make_weights(
        labelled(ms.Pattern([0, 2, 2, 3, 5], [0, 2, 1, 0, 1], (4, 3)), ([0, 0, 1, 1], [0, 0, 1])), storage
    )
    with pytest.raises(ms.UserError, match=sentence) as refused:
        use(weights, weights.from_values(np.ones(5)))
    assert "\n" not in str(refused.value)


@storages
def test_a_weights_object_holds_structure_only(storage):
    pattern = bernoulli(4, 3, 0.5, np.random.default_rng(0))
    weights = ms.make_weights(pattern, storage)
    assert (weights.shape, weights.nnz, weights.pattern is pattern) == ((4, 3), pattern.nnz, True)
    assert repr(weights) == f"{type(weights).__name__}({pattern!r})"
    first, second = weights.from_values(np.ones(pattern.nnz)), weights.from_values(np.zeros(pattern.nnz))
    bound = weights.bind(first)
    weights.bind(second)
    np.testing.assert_array_equal(bound.matmul(np.ones((3, 1)))[:, 0], pattern.afferents())
    np.testing.assert_array_equal(bound.matmul_t(np.ones((4, 1)))[:, 0], pattern.efferents())


@storages
def test_two_models_on_one_weights_object_are_rewired_apart(storage):
    shared = ms.make_weights(bernoulli(5, 5, 0.5, np.random.default_rng(0)), storage)
    first = ms.RNN(2, shared, 3)
    second, third = first.copy(), ms.RNN(2, shared, 3)
    params, x = first.init(np.random.default_rng(1)), np.ones((4, 2, 3), np.float32)
    assert second.weights is not first.weights
    assert second.weights["W_rec"] is first.weights["W_rec"]
    assert second.config() == first.config()
    before, _ = first.forward(params, x)

    second.weights["W_rec"] = ms.make_weights(labelled(ms.full(5, 5), shared.pattern.groups), storage)
    other, _ = second.forward({**params, "W_rec": second.weights["W_rec"].pack(np.ones((5, 5), np.float32))}, x)
    after, cache = first.forward(params, x)
    np.testing.assert_array_equal(after, before)
    assert not np.array_equal(after, other)
    assert first.weights["W_rec"] is third.weights["W_rec"] is shared

    logits, cache = first.forward(params, x)
    first.weights["W_rec"] = second.weights["W_rec"]
    assert first.backward(logits, cache)["W_rec"].shape == params["W_rec"].shape, "backward uses the cache's weights"
