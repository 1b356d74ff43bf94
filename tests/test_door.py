"""At the door: what a newcomer hands over works, or one sentence names the thing and the fix."""

import warnings

import numpy as np
import pytest
import scipy.sparse

import minisparse as ms
from minisparse import lab

RNN = ms.RNN(8, ms.bernoulli(5, 5, 0.5, 0), 10)
PARAMS = RNN.init(0)
MLP = ms.MLP([ms.bernoulli(5, 8, 0.3, 0), ms.full(10, 5)])
SIGNS = ms.dale_signs(5, 0.4, 0)
X, PIXELS = np.ones((4, 8, 3), np.float32), np.ones((6, 4, 8), np.float32)
LABELS = np.zeros(6, int)
LOGITS, CACHE = RNN.forward(PARAMS, X)
WEIGHTS = ms.make_weights(ms.full(3, 4))
STATES = np.random.default_rng(0).standard_normal((4, 50))
LAYER = ms.Recurrent(8, ms.full(5, 5), alpha=0.5, start=True)
SEQUENCE = ms.SequenceRNN([LAYER, ms.Recurrent(5, ms.full(3, 3))], 2)
ANSWERS, STEPS = SEQUENCE.forward(SEQUENCE.init(0), X)
TINY = ms.Dataset("tiny", PIXELS, LABELS, PIXELS, LABELS, 1)
RUN = {"model": RNN, "params": RNN.init(0), "opt": ms.SGD(), "dataset": TINY, "epochs": 0, "rng": 0, "quiet": True}
CALLS = [
    (ms.bernoulli, {"n_post": 3, "n_pre": 3, "p": 0.5, "rng": 0}),
    (ms.fixed_count, {"n_post": 3, "n_pre": 3, "count": 4, "rng": 0}),
    (ms.full, {"n_post": 3, "n_pre": 3}),
    (ms.dale_signs, {"n": 5, "fraction": 0.4, "rng": 0}),
    (ms.Pattern, {"indptr": [0, 1], "indices": [0], "shape": (1, 1)}),
    (ms.group_to_group, {"n_post": 4, "n_pre": 4, "groups": 2, "p_within": 1.0, "rng": 0, "grouping": "index"}),
    (ms.make_weights, {"pattern": ms.full(2, 2), "storage": "auto", "backend": "numpy"}),
    (ms.RNN, {"n_in": 2, "weights": ms.full(3, 3), "n_out": 2, "activation": "relu", "normalise": None, "biases": 2}),
    (ms.Recurrent, {"n_in": 2, "weights": ms.full(3, 3), "activation": "tanh", "alpha": 0.5, "start": True}),
    (ms.Recurrent, {"n_in": 2, "weights": ms.full(3, 3), "normalise": None, "biases": 1}),
    (ms.SequenceRNN, {"layers": [LAYER], "n_out": 2, "every": True}),
    (ms.Noisy, {"model": SEQUENCE, "sd": 0.1, "rng": 0}),
    (ms.Truncated, {"model": SEQUENCE, "back": 2}),
    (ms.MLP, {"weights": [ms.full(3, 4), ms.full(2, 3)], "activation": "relu", "normalise": None}),
    (ms.ConvPool, {"image": (8, 8), "filters": 2, "size": 3, "pool": 2}),
    (ms.PatchConv, {"image": (8, 8), "patches_per_side": 2, "filters": 2}),
    (ms.ConvNet, {"stem": ms.ConvPool((8, 8), 2), "head": ms.MLP([ms.full(10, 8)])}),
    (RNN.init, {"rng": 0, "dtype": np.float32, "w_max": 0.1, "signs": SIGNS}),
    (LAYER.init, {"rng": 0, "dtype": np.float32, "w_max": 0.1, "signs": SIGNS}),
    (LAYER.forward, {"params": LAYER.init(0), "x": X, "noise": np.zeros((4, 5, 3))}),
    (LAYER.backward, {"dh": np.ones((4, 5, 3)), "cache": STEPS.layer0, "back": 2}),
    (SEQUENCE.init, {"rng": 0, "dtype": np.float32, "w_max": 0.1, "signs": [SIGNS, None]}),
    (SEQUENCE.forward, {"params": SEQUENCE.init(0), "x": X, "noise": [np.zeros((4, 5, 3)), None]}),
    (SEQUENCE.backward, {"dlogits": ANSWERS, "cache": STEPS, "back": 2}),
    (SEQUENCE.weight, {"params": SEQUENCE.init(0), "name": "W_rec1"}),
    (MLP.init, {"rng": 0, "dtype": np.float32, "w_max": 0.1}),
    (RNN.forward, {"params": PARAMS, "x": X}),
    (RNN.backward, {"dlogits": LOGITS, "cache": CACHE}),
    (MLP.forward, {"params": MLP.init(0), "x": X[0]}),
    (MLP.weight, {"params": MLP.init(0), "name": "W0"}),
    (WEIGHTS.pack, {"matrix": np.ones((3, 4))}),
    (WEIGHTS.from_values, {"values": np.ones(12)}),
    (WEIGHTS.outer, {"dy": np.ones((3, 2)), "x": np.ones((4, 2))}),
    (ms.Dendritic, {"init_scale": "paper"}),
    (ms.LpConstant, {"p": 2, "init_scale": "paper"}),
    (ms.Activation, {"name": "a", "value": np.tanh, "slope": np.tanh, "keeps": "value"}),
    (ms.softmax_cross_entropy, {"logits": LOGITS, "labels": LABELS[:3]}),
    (ms.cross_entropy_per_step, {"logits": ANSWERS, "labels": np.zeros((4, 3), int), "mask": np.ones((4, 3))}),
    (ms.mean_squared_error, {"output": ANSWERS, "target": ANSWERS, "mask": np.ones((4, 3))}),
    (ms.ClipNorm, {"max_norm": 1.0}),
    (ms.SGD, {"lr": 0.1, "momentum": 0.5, "decay": 0.1, "rates": {"W0": 0.1}}),
    (ms.Adam, {"lr": 0.1, "beta1": 0.5, "beta2": 0.9, "eps": 1e-8}),
    (ms.SGD().step, {"params": RNN.init(0), "grads": RNN.backward(LOGITS, CACHE)}),
    (ms.Cosine, {"lowest": 0.0}),
    (ms.Dale, {"signs": SIGNS, "mode": "enforced"}),
    (ms.Dale(SIGNS).violations, {"model": RNN, "params": PARAMS}),
    (
        ms.SET,
        {"zeta": 0.3, "std": 1.0, "every": 1, "unit": "steps", "stop": 1.0, "signs": SIGNS, "parameters": "W_rec"},
    ),
    (ms.SET.from_density(0.3).pattern, {"n_post": 3, "n_pre": 3, "rng": 0}),
    (ms.RigL, {"fraction": 0.3, "scope": "anywhere", "groups": {"W0": ([0], [0])}}),
    (ms.Hebbian, {"score": "pearson", "batches": 5, "ema": 0.3, "prune": "magnitude"}),
    (ms.DeepRewiring, {"l1": 0.1, "noise": 0.1, "seed": 0, "signs": SIGNS}),
    (ms.SET().rewire, {"model": RNN.copy(), "params": RNN.init(0), "opt": ms.SGD(), "rng": 0, "share": 0.3}),
    (ms.load, {"name": "digits"}),
    (ms.Dataset, {"name": "a", "x_train": X, "y_train": LABELS[:4], "x_test": X, "y_test": LABELS[:4], "n_classes": 1}),
    (ms.subset_per_class, {"dataset": TINY, "count": 1, "rng": 0}),
    (ms.evaluate, {"model": RNN, "params": PARAMS, "x": PIXELS, "labels": LABELS, "batch_size": 100}),
    (ms.fit, RUN),
    (ms.fit, {**RUN, "batch_size": 10, "after_step": (), "after_epoch": (), "patience": 1}),
    (ms.fit, {**RUN, "epochs": 1, "before_step": (), "loss": ms.softmax_cross_entropy, "metrics": ("accuracy",)}),
    (
        ms.evaluate,
        {
            "model": RNN,
            "params": PARAMS,
            "x": PIXELS,
            "labels": LABELS,
            "loss": ms.softmax_cross_entropy,
            "metrics": ("accuracy",),
        },
    ),
    (ms.forward_gain, {"weights": RNN.weights["W_rec"], "w": PARAMS["W_rec"]}),
    (ms.backward_gain, {"weights": RNN.weights["W_rec"], "w": PARAMS["W_rec"], "signs": SIGNS}),
    (ms.training_delay, {"accuracies": [1.0, 30.0], "threshold": 20.0}),
    (ms.last_states, {"model": RNN, "params": PARAMS, "x": PIXELS}),
    (ms.random_pairs, {"units": 4, "count": 3, "rng": 0}),
    (ms.correlations, {"h": STATES, "pairs": 3, "rng": 0}),
    (ms.gradient_statistics, {"grads": np.ones(3)}),
    (ms.to_numpy, {"x": np.ones(2)}),
    (ms.use, {"backend": "numpy"}),
    (ms.code_line, {"tag": "R7"}),
    (ms.generator, {"rng": 0, "purpose": "weights"}),
    (ms.plot.of_density, {"p": 0.1}),
]
WRONG = (
    *(None, "nonsense", -1, 0, 2.5, float("nan"), True, (), {}, object()),
    *(np.zeros(0), np.ones((2, 2, 2, 2)), np.array(["a"]), {"W_rec": None}),
)


@pytest.mark.parametrize(("function", "right"), CALLS, ids=lambda call: getattr(call, "__qualname__", ""))
@pytest.mark.filterwarnings("ignore")
def test_whatever_is_handed_over_an_error_is_a_sentence(function, right):
    function(**right)
    for name in right.keys() - {"quiet"}:
        for wrong in WRONG:
            try:
                function(**{**right, name: wrong})
            except ms.UserError:
                pass
            except Exception as error:
                pytest.fail(f"{function.__qualname__}({name}={wrong!r}) ends in {type(error).__name__}: {error}")


def test_passes_take_their_arguments_by_name():
    logits, cache = RNN.forward(params=PARAMS, x=X)
    np.testing.assert_array_equal(logits, LOGITS)
    assert RNN.backward(dlogits=logits, cache=cache, wrt_x=True)["x"].shape == X.shape


def test_a_grid_goes_into_run(tmp_path):
    cells = lab.sweep.grid(x=[1, 2], seed=0)
    rows = lab.sweep.run(cells, lambda config, _: {"y": 2 * config["x"]}, tmp_path, quiet=True, command="none")
    assert [(row["config"], row["y"]) for row in rows] == [(cells[0], 2), (cells[1], 4)]
    with pytest.raises(ms.UserError, match="a cell must be a dict of settings, or have one under 'config', got 3"):
        lab.sweep.run([3], dict, tmp_path)


def test_whole_numbers_may_be_floats_and_probabilities_whole():
    assert ms.bernoulli(4.0, 3, 1, 0) == ms.full(4, 3)
    with pytest.raises(ms.UserError, match="density must be above 0 and at most 1, got 0"):
        ms.bernoulli(3, 3, 0, 0)
    with pytest.raises(ms.UserError, match=r"n_post must be a whole number, got 2\.5"):
        ms.bernoulli(2.5, 3, 0.5, 0)


def test_a_first_network_of_a_newcomer_runs_without_a_word():
    mask = scipy.sparse.random_array((20, 20), density=0.2, rng=np.random.default_rng(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        signs = ms.dale_signs(20, 0.2, 1)
        model = ms.RNN(8, mask, 10, activation="ReLU")
        hooks = {"after_step": [ms.Dale(signs)], "after_epoch": [ms.SET(0.2, std=0.01, signs=signs)]}
        params = model.init(1, signs=signs)
        ms.fit(model, params, ms.Adam(decay=0.01), ms.load("digits"), 1, 1, quiet=True, **hooks)
    assert ms.Dale(signs).violations(model, params) == 0
