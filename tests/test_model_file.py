"""A network in a file: what was saved comes back bit for bit, and what is no whole model file is refused."""

import io
import itertools
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import minisparse as ms
from minisparse import model_file
from minisparse.model_file import STORAGES

GROUPED = lambda post, pre: ms.group_to_group(post, pre, 3, p_between=0.3, rng=np.random.default_rng(1))  # noqa: E731
RULES = [ms.Plain(), ms.Dendritic(7.5, shared=False), ms.Dendritic(), ms.LpConstant(3), ms.LpVariable(1), ms.Joint()]


def layer(post, pre, storage):
    return ms.make_weights(GROUPED(post, pre), storage)


def rnn(storage="csr", rule=None, activation="relu", biases=2):
    return ms.RNN(4, layer(9, 9, storage), 3, activation, rule, biases)


def mlp(storage="csr", rule=None, activation="relu", n_in=16, shared=False):
    layers = [layer(9, n_in, storage), layer(8, 9, storage), ms.make_weights(ms.full(3, 8))]
    return ms.MLP(layers, activation, [rule, ms.Dendritic()], shared)


def sequence(storage="csr", rule=None, activation="tanh", every=True, **settings):
    layers = [
        ms.Recurrent(n_in, layer(n, n, storage), activation, rule, **settings)
        for n_in, n in ((4, 9), (9, 7))
    ]  # fmt: skip
    return ms.SequenceRNN(layers, 3, every)


MODELS = {
    **{f"rnn {s} {r!r} {k}": rnn(s, r) for s, (k, r) in itertools.product(STORAGES, enumerate(RULES))},
    **{f"mlp {s} {r!r} {k}": mlp(s, r) for s, (k, r) in itertools.product(STORAGES, enumerate(RULES))},
    **{f"{kind.__name__} {a}": kind(activation=a) for kind in (rnn, mlp) for a in ("relu", "tanh", "sigmoid")},
    **{f"sequence {s} {r!r} {k}": sequence(s, r) for s, (k, r) in itertools.product(STORAGES, enumerate(RULES))},
    "leaky": sequence(alpha=0.3, start=True, biases=1),
    "leaky, an answer after the last step": sequence(every=False, alpha=np.float32(0.7)),
    "one bias": rnn(biases=1),
    "shared scale": mlp(rule=ms.Dendritic("matched"), shared=True),
    "pool": ms.ConvNet(ms.ConvPool((2, 4, 6), 4, size=3, activation="tanh"), mlp(n_in=8, rule=ms.Joint())),
    "patches": ms.ConvNet(ms.PatchConv((4, 4), 2, filters=3), mlp("grouped", n_in=12)),
    "readout alone": ms.MLP([ms.make_weights(ms.full(3, 16))]),
    "no groups": ms.RNN(4, ms.make_weights(ms.bernoulli(9, 9, 0.3, np.random.default_rng(0)), "csr"), 3),
}
LOADS = """
import sys, numpy as np, minisparse as ms
for place in sys.argv[1:]:
    model, params = ms.load_model(place + ".npz")
    with np.load(place + ".expected.npz") as kept:
        logits, _ = model.forward(params, kept["x"])
        assert logits.tobytes() == kept["logits"].tobytes() and logits.dtype == kept["logits"].dtype, place
print(len(sys.argv) - 1)
"""


def started(model, dtype=np.float32):
    return model.init(np.random.default_rng(2), dtype)


def inputs(model, dtype=np.float32):
    shape = (5, model.n_in, 6) if isinstance(model, ms.RNN | ms.SequenceRNN) else (model.n_in, 6)
    return np.random.default_rng(3).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("name", MODELS)
def test_what_was_saved_comes_back(tmp_path, name):
    model, dtype = MODELS[name], np.float64 if "2" in name else np.float32
    params = started(model, dtype)
    ms.save_model(tmp_path / "model.npz", model, params)
    again, loaded = ms.load_model(tmp_path / "model.npz")
    assert type(again) is type(model)
    assert again.config() == model.config()
    assert {k: w.storage for k, w in again.weights.items()} == {k: w.storage for k, w in model.weights.items()}
    for key, weights in model.weights.items():
        assert weights.pattern == again.weights[key].pattern
        groups = weights.pattern.groups
        assert groups is None or all(map(np.array_equal, groups, again.weights[key].pattern.groups))
    assert {k: (v.dtype, v.tobytes()) for k, v in loaded.items()} == {
        k: (v.dtype, v.tobytes()) for k, v in params.items()
    }
    (ours, ours_cache), (theirs, cache) = (
        m.forward(p, inputs(model, dtype)) for m, p in ((model, params), (again, loaded))
    )
    assert ours.tobytes() == theirs.tobytes()
    ours, theirs = model.backward(ours, ours_cache), again.backward(theirs, cache)
    assert all(ours[k].tobytes() == theirs[k].tobytes() for k in params)


def test_a_new_process_gives_the_same_logits_bit_for_bit(tmp_path):
    places = [str(tmp_path / str(k)) for k in range(len(MODELS))]
    for place, model in zip(places, MODELS.values(), strict=True):
        params, x = started(model), inputs(model)
        ms.save_model(f"{place}.npz", model, params)
        np.savez(f"{place}.expected.npz", x=x, logits=model.forward(params, x)[0])
    done = subprocess.run([sys.executable, "-c", LOADS, *places], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == (str(len(MODELS)), 0), done.stderr


def test_a_trained_and_rewired_network_is_saved_with_its_pattern(tmp_path):
    rng, model = np.random.default_rng(0), mlp()
    params = started(model)
    ms.SET(0.5, std=0.1).rewire(model, params, ms.Adam(), rng)
    ms.save_model(tmp_path / "model.npz", model, params)
    again, loaded = ms.load_model(tmp_path / "model.npz")
    assert again.weights["W0"].pattern == model.weights["W0"].pattern != GROUPED(9, 16)
    assert loaded["W0"].tobytes() == params["W0"].tobytes()


def content(model=None):
    file = io.BytesIO()
    model = model or rnn()
    np.savez(file, **model_file.to_arrays(model, started(model)))
    return file.getvalue()


def changed(model=None, note=None, compressed=False, **arrays):
    """The file of a network, some of its arrays or of the words of its note exchanged."""
    model = model or rnn()
    kept = model_file.to_arrays(model, started(model)) | arrays
    text = kept["note"].tobytes().decode()
    for old, new in (note or {}).items():
        assert old in text
        text = text.replace(old, new)
    kept["note"] = np.frombuffer(text.encode(), np.uint8)
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **{k: v for k, v in kept.items() if v is not None})
    return file.getvalue()


def with_header(shape):
    """A part whose header promises more numbers than follow."""
    file, header = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(io.BytesIO(content())) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, header.getvalue() if name == "params/W_in.npy" else old.read(name))
    return file.getvalue()


HUGE = 10**12
DENSE = lambda: rnn("dense")  # noqa: E731
SENTENCE = (
    r"model\.npz (is no whole model file \(.+\); write one with|is damaged \(.+\); write it again with|"
    r"is of another kind \(.+\); name another file)"
)
FOREIGN = {
    "empty": lambda: b"",
    "text": lambda: b"epoch 3, loss 0.1\n" * 99,
    "half": lambda: content()[: len(content()) // 2],
    "another archive": lambda: _archive(x=np.ones(3)),
    "a pickle in it": lambda: changed(extra=np.array([{}], dtype=object)),
    "text in it": lambda: changed(extra=np.array("abc")),
    "compressed": lambda: changed(compressed=True),
    "more promised than there is": lambda: with_header((HUGE,)),
    "no note": lambda: _archive(**{"params/W_in": np.ones(3)}),
    "another format": lambda: changed(note={model_file.FORMAT: "minisparse model 2"}),
    "a note nested too deep": lambda: _archive(note=np.frombuffer(b"[" * 100_000, np.uint8)),
    "a model that is unknown": lambda: changed(note={'"RNN"': '"os"'}),
    "a setting of a layer that is unknown": lambda: changed(sequence(), note={'"start"': '"begin"'}),
    "a leak that is none": lambda: changed(sequence(), note={'"alpha": 1,': '"alpha": 1.5,'}),
    "a layer too few": lambda: changed(sequence(), note={'"W_rec1"': '"W_rec2"'}),
    "a layer that does not fit": lambda: changed(sequence(), **{"params/W_in1": np.ones((7, 5), np.float32)}),
    "a rule that is unknown": lambda: changed(note={'"Plain"': '"WeightNorm"'}),
    "an activation that is unknown": lambda: changed(note={'"relu"': '"eval"'}),
    "a setting that is unknown": lambda: changed(note={'"rule": "Plain"': '"rule": "Plain", "x": 1'}),
    "a huge dense layer": lambda: changed(DENSE(), note={"[9, 9]": f"[{HUGE}, 9]"}),
    "a huge full layer": lambda: changed(
        ms.RNN(4, ms.make_weights(ms.full(9, 9)), 3), note={"[9, 9]": f"[{HUGE}, {HUGE}]"}
    ),
    "sparse stored as dense": lambda: changed(note={'"csr"': '"dense"'}),
    "no groups, stored in groups": lambda: changed(MODELS["no groups"], note={'"csr"': '"grouped"'}),
    "a group with a huge number": lambda: changed(
        rnn("grouped"), **{"pattern/W_rec/post": np.array([2**31 - 1] + 8 * [0], np.int32)}
    ),
    "negative groups": lambda: changed(**{"pattern/W_rec/post": np.full(9, -1, np.int32)}),
    "another neuron": lambda: changed(**{"pattern/W_rec/indptr": np.zeros(11, np.int64)}),
    "indices that do not ascend": lambda: changed(
        **{"pattern/W_rec/indices": np.zeros(rnn().weights["W_rec"].nnz, int)}
    ),
    "no indices": lambda: changed(**{"pattern/W_rec/indices": None}),
    "a parameter too few": lambda: changed(**{"params/b_in": None}),
    "a parameter too many": lambda: changed(**{"params/b0": np.ones((9, 1))}),
    "a bias of another size": lambda: changed(**{"params/b_in": np.ones((8, 1))}),
    "whole numbers as weights": lambda: changed(**{"params/W_rec": np.ones(rnn().weights["W_rec"].nnz, int)}),
    "numbers off the pattern": lambda: changed(DENSE(), **{"params/W_rec": np.ones((9, 9), np.float32)}),
    "an image of another size": lambda: changed(MODELS["pool"], note={"[2, 4, 6]": f"[2, {HUGE}, 6]"}),
    "a stem that is unknown": lambda: changed(MODELS["pool"], note={'"ConvPool"': '"ConvNet"'}),
    "more filters": lambda: changed(MODELS["pool"], note={'"filters": 4': f'"filters": {HUGE}'}),
    "a layer with another name": lambda: changed(mlp(), note={'"W2"': '"W3"'}),
}


def _archive(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_no_whole_model_file_is_refused_in_one_sentence(tmp_path, what):
    path = tmp_path / "model.npz"
    path.write_bytes(FOREIGN[what]())
    with pytest.raises(ms.UserError, match=SENTENCE) as caught:
        ms.load_model(path)
    assert isinstance(caught.value, OSError)
    assert "\n" not in str(caught.value)


def test_no_flipped_bit_goes_unnoticed(tmp_path):
    # Zip leaves some fields unread (dates, attributes): a file may load, but then as it was saved.
    path, whole, rng = tmp_path / "model.npz", content(), np.random.default_rng(0)
    expected = {k: v.tobytes() for k, v in started(rnn()).items()}
    for place in rng.integers(len(whole), size=80):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << int(rng.integers(8)))]) + whole[place + 1 :])
        try:
            _, params = ms.load_model(path)
        except ms.UserError:
            continue
        assert {k: v.tobytes() for k, v in params.items()} == expected


def test_a_checkpoint_and_a_missing_file_are_told_apart(tmp_path):
    ms.save(tmp_path / "run.npz", rnn(), started(rnn()), ms.Adam())
    with pytest.raises(ms.UserError, match="is no whole model file"):
        ms.load_model(tmp_path / "run.npz")
    with pytest.raises(ms.UserError, match=r"none\.npz does not exist; check the path"):
        ms.load_model(tmp_path / "none.npz")
    with pytest.raises(ms.UserError, match="is a folder; name a file"):
        ms.load_model(tmp_path)


class Mine(ms.Plain):
    """A rule of one's own."""


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (rnn(rule=Mine()), "names a normaliser of this library .*, not your own Mine"),
        (rnn(activation=ms.Activation("gelu", np.tanh, np.cos)), "names an activation .*, not your own gelu"),
        (type("Net", (ms.RNN,), {})(4, layer(9, 9, "csr"), 3), "not a Net of your own"),
        (ms.Truncated(ms.Noisy(sequence(), 0.1, 0), 2), r"what is inside of a Truncated: save its \.innermost"),
    ],
)
def test_what_a_file_could_not_give_back_is_refused(tmp_path, model, sentence):
    with pytest.raises(ms.UserError, match=sentence):
        ms.save_model(tmp_path / "model.npz", model, started(model))
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_plain_and_small(tmp_path):
    model = rnn()
    ms.save_model(tmp_path / "model.npz", model, started(model))
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        assert file["params/W_rec"].shape == (model.weights["W_rec"].nnz,)
        assert json.loads(file["note"].tobytes())["model"]["model"] == "RNN"
