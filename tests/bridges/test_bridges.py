"""What comes back over a bridge is what went: logits, weights and patterns."""

import doctest
import itertools
import sys

import numpy as np
import pytest
from hypothesis import given

import minisparse as ms
from minisparse import bridges, testing
from minisparse.bridges.needed import needed

RNG = np.random.default_rng(0)
PATTERNS = [ms.bernoulli(9, 9, 0.3, RNG), ms.fixed_count(5, 7, 0, RNG), ms.full(4, 6), ms.bernoulli(6, 11, 0.4, RNG)]


@given(testing.sizes(2), testing.generators())
def test_a_layer_goes_through_scipy_and_numpy(sizes, rng):
    post, pre = sizes
    pattern = ms.bernoulli(post, pre, 0.4, rng)
    for storage in ("dense", "csr"):
        weights = ms.make_weights(pattern, storage)
        w = weights.from_values(rng.integers(-1, 2, pattern.nnz).astype(float))  # a weight of 0 is a synapse, too
        again, values = bridges.pattern_from(bridges.to_scipy(weights, w))
        assert again == pattern
        np.testing.assert_array_equal(values, weights.values(w))
    assert bridges.pattern_from(pattern.mask())[0] == pattern
    again, values = bridges.pattern_from(weights.unpack(w))
    assert again.shape == tuple(sizes)
    np.testing.assert_array_equal(values, w[w != 0])


def test_every_form_of_scipy_is_taken_and_repeated_places_add_up():
    from scipy import sparse

    matrix = sparse.coo_array((np.array([1.0, 2.0, 4.0]), (np.array([1, 0, 1]), np.array([2, 0, 2]))), (2, 3))
    for form in (matrix, sparse.csr_matrix(matrix), sparse.csc_array(matrix), sparse.lil_array(matrix)):
        pattern, values = bridges.pattern_from(form)
        assert pattern == ms.Pattern([0, 1, 2], [0, 2], (2, 3))
        np.testing.assert_array_equal(values, [2.0, 5.0])
    assert matrix.nnz == 3


def test_what_is_no_matrix_is_a_sentence():
    for source in (np.ones(3), np.array([["a"]]), 5):
        with pytest.raises(ms.UserError, match=r"a mask must be a matrix \(post, pre\) of numbers"):
            bridges.pattern_from(source)
    with pytest.raises(ms.UserError, match="packed weights belong to a storage"):
        bridges.to_scipy(ms.full(2, 2), np.ones((2, 2)))


def test_a_missing_library_is_a_sentence():
    with pytest.raises(ms.UserError, match="this function needs nosuchthing: pip install nosuchthing") as caught:
        needed("nosuchthing.inside")
    assert isinstance(caught.value, ImportError)


RULES = [None, ms.Dendritic("matched"), ms.Joint("matched"), ms.LpVariable(1, "matched")]


def rnn(activation="relu", rule=None, biases=2, p=0.4, storage="auto"):
    pattern = ms.bernoulli(11, 11, p, np.random.default_rng(1))
    return ms.RNN(3, ms.make_weights(pattern, storage), 4, activation, rule, biases)


def mlp(activation="relu", rule=None, storage="auto"):
    hidden = ms.bernoulli(9, 15, 0.3, np.random.default_rng(1)), ms.bernoulli(8, 9, 0.5, np.random.default_rng(2))
    return ms.MLP([ms.make_weights(pattern, storage) for pattern in (*hidden, ms.full(4, 8))], activation, rule)


MODELS = [kind(a, r) for kind, a, r in itertools.product((rnn, mlp), ("relu", "tanh", "sigmoid"), RULES)]
MODELS += [rnn(biases=1), rnn("sigmoid", biases=1), rnn(p=1.0), rnn(storage="csr"), mlp(storage="csr")]


def sequence(activation="tanh", rule=None, storage="auto", every=True, **settings):
    """Two layers, of which the settings are the second one's."""
    one, two = ms.bernoulli(11, 11, 0.4, 1), ms.bernoulli(7, 7, 0.5, 2)
    first = ms.Recurrent(3, ms.make_weights(one, storage), "relu", alpha=0.6)
    second = ms.Recurrent(11, ms.make_weights(two, storage), activation, rule, **settings)
    return ms.SequenceRNN([first, second], 4, every)


MODELS += [sequence(a, r, alpha=0.3, start=True) for a, r in itertools.product(("relu", "tanh", "sigmoid"), RULES)]
MODELS += [sequence(storage="csr", every=False, biases=1), sequence(start=True, every=False)]


def started(model, dtype=np.float32):
    settings = {"w_max": 0.5} if isinstance(model, ms.RNN | ms.SequenceRNN) else {}
    return model.init(np.random.default_rng(3), dtype, **settings)


def parts(model):
    return getattr(model, "layers", [model])


@pytest.mark.torch
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_module_gives_the_same_logits_and_comes_back_bit_for_bit(model, dtype):
    torch = pytest.importorskip("torch")
    params, x = started(model, dtype), np.random.default_rng(4).standard_normal((6, 5, 3)).astype(dtype)
    params |= {name: value + 1 for name, value in params.items() if name.startswith("h_init")}
    module = ms.to_torch(model, params)
    ours, _ = model.forward(params, np.ascontiguousarray(x.transpose(1, 2, 0)))
    theirs = module(torch.from_numpy(x)).detach().numpy()
    assert theirs.shape == ((6, 5, 4) if getattr(model, "every", False) else (6, 4))
    assert np.abs(np.moveaxis(ours, -1, 0) - theirs).max() <= 1e-6 * max(1, np.abs(ours).max())
    again, taken = ms.from_torch(module)
    assert [k.activation for k in parts(again)] == [k.activation for k in parts(model)]
    assert type(again) is type(model)
    for name, weights in model.weights.items():
        assert again.weights[name].pattern == weights.pattern
        effective = weights.values(model.weight(params, name))
        assert again.weights[name].values(taken[name]).tobytes() == effective.tobytes()
    dense = [name for name in taken if name not in model.weights]
    assert set(dense) == {name for name in params if name[0] in "Wbh"} - set(model.weights)
    assert all(taken[name].tobytes() == params[name].tobytes() for name in dense)
    same = ms.to_torch(again, taken).state_dict()
    assert all(torch.equal(value, same[name]) for name, value in module.state_dict().items())


@pytest.mark.torch
def test_training_in_pytorch_leaves_absent_synapses_absent():
    torch = pytest.importorskip("torch")
    for model in (rnn("tanh"), rnn("sigmoid"), mlp("tanh"), sequence(every=False, start=True)):
        params = started(model)
        module = ms.to_torch(model, params)
        opt = torch.optim.Adam(module.parameters(), lr=0.1)
        x, labels = torch.randn(20, 5, 3), torch.arange(20) % 4
        losses = []
        for _ in range(30):
            opt.zero_grad()
            loss = torch.nn.functional.cross_entropy(module(x), labels)
            loss.backward()
            opt.step()
            losses.append(loss.item())
        assert losses[-1] < 0.7 * losses[0]
        again, taken = ms.from_torch(module)
        name = next(iter(model.weights))
        assert again.weights[name].pattern == model.weights[name].pattern
        logits, _ = again.forward(taken, np.ascontiguousarray(x.numpy().transpose(1, 2, 0)))
        np.testing.assert_allclose(logits.T, module(x).detach(), atol=1e-5)


@pytest.mark.torch
def test_modules_of_ones_own_are_taken():
    torch = pytest.importorskip("torch")
    from torch import nn
    from torch.nn.utils import prune

    recurrent, readout = nn.RNN(3, 11, batch_first=True), nn.Linear(11, 4, bias=False)
    prune.random_unstructured(recurrent, "weight_hh_l0", 0.6)
    x = torch.randn(6, 5, 3)
    model, params = ms.from_torch(recurrent, readout)
    assert model.weights["W_rec"].nnz == round(0.4 * 121)
    logits, _ = model.forward(params, x.numpy().transpose(1, 2, 0).copy())
    np.testing.assert_allclose(logits.T, readout(recurrent(x)[1][0]).detach(), atol=1e-6)

    deep, theirs = nn.RNN(3, 11, num_layers=2, batch_first=True), nn.Linear(11, 4)
    prune.random_unstructured(deep, "weight_hh_l1", 0.6)
    for every, read in ((False, lambda h: h[:, -1]), (True, lambda h: h)):
        model, params = ms.from_torch(deep, theirs, every=every)
        logits, _ = model.forward(params, x.numpy().transpose(1, 2, 0).copy())
        wanted = theirs(read(deep(x)[0])).detach().numpy()
        np.testing.assert_allclose(np.moveaxis(logits, -1, 0), wanted, atol=1e-6)
    assert (model.weights["W_rec0"].nnz, model.weights["W_rec1"].nnz) == (121, round(0.4 * 121))

    phi = nn.ReLU()  # one object, used twice
    chain = nn.Sequential(nn.Flatten(), nn.Linear(15, 9), phi, nn.Linear(9, 8), phi, nn.Linear(8, 4))
    prune.l1_unstructured(chain[1], "weight", 0.5)
    model, params = ms.from_torch(chain)
    logits, _ = model.forward(params, x.numpy().transpose(1, 2, 0).copy())
    np.testing.assert_allclose(logits.T, chain(x).detach(), atol=1e-6)
    bare, taken = ms.from_torch(chain[1], chain[3], chain[5], activation="relu")
    assert all(taken[name].tobytes() == params[name].tobytes() for name in params)
    assert bare.config() == model.config()


@pytest.mark.torch
def test_what_cannot_be_taken_is_a_sentence():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    for modules, sentence in [
        ([nn.LSTM(3, 5), nn.Linear(5, 4)], "takes RNNs and a Linear.* got LSTM, Linear"),
        ([nn.RNN(3, 5, bidirectional=True), nn.Linear(10, 4)], "an RNN of one direction"),
        ([nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2)], "the same everywhere"),
        ([nn.Linear(3, 5), nn.GELU(), nn.Linear(5, 4)], "got Linear, GELU, Linear"),
        ([nn.Linear(3, 5), nn.Linear(5, 4)], "name what stands between the Linears"),
        ([nn.Linear(3, 5).half()], "weight is torch.float16; convert the module by .float"),
        ([nn.ReLU()], "got ReLU"),
        ([np.ones(3)], "takes modules of PyTorch, got a ndarray"),
    ]:
        with pytest.raises(ms.UserError, match=sentence):
            ms.from_torch(*modules)
    with pytest.raises(ms.UserError, match=r"takes a torch\.autograd\.Function, the class itself"):
        bridges.pair_of_torch(np.tanh, np.ones(3))
    stem = ms.ConvPool((8, 8), 3)
    net = ms.ConvNet(stem, ms.MLP([ms.make_weights(ms.full(4, stem.n_out))]))
    with pytest.raises(ms.UserError, match="to_torch takes an RNN, a SequenceRNN or an MLP, not a ConvNet"):
        ms.to_torch(net, net.init(RNG))
    model = rnn(ms.Activation("gelu", lambda a, out: a, lambda a: a))
    with pytest.raises(ms.UserError, match="no activation 'gelu'"):
        ms.to_torch(model, started(model))


@pytest.mark.torch
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_layer_goes_through_networkx(pattern):
    networkx = pytest.importorskip("networkx")
    weights = ms.make_weights(pattern)
    w = weights.from_values(RNG.integers(-1, 2, pattern.nnz) / 4)
    graph = bridges.to_networkx(weights, w)
    again, values = bridges.pattern_from(graph)
    assert again == pattern
    np.testing.assert_array_equal(values, weights.values(w))
    n_post, n_pre = pattern.shape
    if n_post == n_pre:  # SciPy's (post, pre) is NetworkX's adjacency matrix, transposed
        theirs = networkx.to_numpy_array(graph, nonedge=0.0)
        np.testing.assert_array_equal(theirs.T, weights.unpack(w))
        apart = bridges.to_networkx(weights, w, recurrent=False)
        assert apart.number_of_nodes() == 2 * n_post
        assert bridges.pattern_from(apart)[0] == pattern


@pytest.mark.torch
def test_graphs_of_ones_own_are_taken():
    networkx = pytest.importorskip("networkx")
    pattern, values = bridges.pattern_from(networkx.DiGraph([("a", "b"), ("b", "c", {"weight": 2.5})]))
    assert pattern == ms.Pattern([0, 0, 1, 2], [0, 1], (3, 3))
    np.testing.assert_array_equal(values, [1.0, 2.5])
    pattern, _ = bridges.pattern_from(networkx.Graph([(0, 1)]))
    assert pattern == ms.Pattern([0, 1, 2], [1, 0], (2, 2))
    pattern, _ = bridges.pattern_from(networkx.watts_strogatz_graph(20, 4, 0.1, seed=0))
    assert (pattern.shape, pattern.nnz) == ((20, 20), 80)
    edges = networkx.bipartite.random_graph(5, 7, 0.5, seed=0)
    pattern, _ = bridges.pattern_from(edges)
    assert (pattern.shape, pattern.nnz) == ((7, 5), edges.number_of_edges())
    with pytest.raises(ms.UserError, match="two neurons have one synapse each way"):
        bridges.pattern_from(networkx.MultiDiGraph([(0, 1), (0, 1)]))
    wrong = networkx.DiGraph([(0, 1)])
    wrong.nodes[0]["bipartite"], wrong.nodes[1]["bipartite"] = 1, 0
    with pytest.raises(ms.UserError, match="an edge leaves a neuron that only receives"):
        bridges.pattern_from(wrong)


def affine_of_torch(wrong=lambda dW, db, dx: (dW, db, dx)):
    import torch

    class Affine(torch.autograd.Function):
        @staticmethod
        def forward(ctx, W, b, x, steps):
            y = torch.tanh(W @ x + b)
            ctx.save_for_backward(W, x, y)
            return y

        @staticmethod
        def backward(ctx, dy):
            W, x, y = ctx.saved_tensors
            da = dy * (1 - y * y)
            return (*wrong(da @ x.T, da.sum(1, keepdim=True), W.T @ da), None)

    return Affine


ARGUMENTS = [np.random.default_rng(5).standard_normal(shape) for shape in ((4, 3), (4, 1), (3, 5))]


@pytest.mark.torch
def test_the_checker_reads_a_function_of_pytorch():
    torch = pytest.importorskip("torch")
    right = bridges.pair_of_torch(affine_of_torch(), *ARGUMENTS, 7)
    report = ms.check_pair(**right)
    assert report.ok, report
    assert {row.tensor for row in report.rows} == {"W", "b", "x"}
    mistakes = [
        (lambda dW, db, dx: (dW, db / 5, dx), "b", "factor", "times 0.2 = 1/5"),
        (lambda dW, db, dx: (-dW, db, dx), "W", "sign", "is minus the right one"),
        (lambda dW, db, dx: (dW, db, None), "x", "zero", ""),
    ]
    for wrong, tensor, code, sentence in mistakes:
        tensors = [torch.tensor(value) for value in ARGUMENTS]
        report = ms.check_pair(**bridges.pair_of_torch(affine_of_torch(wrong), *tensors, 7))
        (found,) = report.findings
        assert (found.tensor, found.code) == (tensor, code)
        assert sentence in found.sentence


@pytest.mark.torch
def test_the_checker_reads_two_outputs_and_setup_context():
    torch = pytest.importorskip("torch")

    class Both(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x.sin(), x.cos()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*output)

        @staticmethod
        def backward(ctx, dsin, dcos):
            sin, cos = ctx.saved_tensors
            return dsin * cos - dcos * sin

    assert ms.check_pair(**bridges.pair_of_torch(Both, ARGUMENTS[0])).ok


@pytest.mark.torch
def test_the_checker_reads_a_custom_vjp_of_jax():
    jax = pytest.importorskip("jax")

    def make(factor):
        @jax.custom_vjp
        def affine(W, b, x):
            return jax.numpy.tanh(W @ x + b)

        def forward(W, b, x):
            y = affine(W, b, x)
            return y, (W, x, y)

        def backward(kept, dy):
            W, x, y = kept
            da = dy * (1 - y * y)
            return da @ x.T, factor * da.sum(1, keepdims=True), W.T @ da

        affine.defvjp(forward, backward)
        return affine

    assert ms.check_pair(**bridges.pair_of_jax(make(1.0), *ARGUMENTS)).ok
    report = ms.check_pair(**bridges.pair_of_jax(make(0.5), *ARGUMENTS))
    assert "b: the gradient is the right one times 0.5 = 1/2" in str(report)


@pytest.mark.torch
@pytest.mark.parametrize("name", bridges.__all__)
def test_the_examples_run_where_the_libraries_are(name):
    thing = getattr(bridges, name)
    for library in ("torch", "jax", "networkx"):
        if f"import {library}" in thing.__doc__ or f"from {library}" in thing.__doc__ or name == f"to_{library}":
            pytest.importorskip(library)
    text = thing.__doc__.replace("  # doctest: +SKIP", "")
    test = doctest.DocTestParser().get_doctest(text, {"minisparse": ms, "numpy": np}, name, None, 0)
    assert test.examples
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(test).failed == 0


def test_without_pytorch_the_way_to_it_is_said(monkeypatch):
    for name in ("torch", "torch.nn", "torch.nn.utils.prune"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ms.UserError, match="this function needs torch: pip install torch"):
        ms.to_torch(mlp(), started(mlp()))
