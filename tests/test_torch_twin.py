"""The same recurrent network in PyTorch, step by step (PyTorch is never a dependency)."""

import numpy as np
import pytest

import minisparse as ms

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-4), (np.float64, 1e-9)])
def test_training_steps_equal_those_of_the_published_recipe(storage, activation, dtype, tolerance):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch.nn.utils import prune

    n, n_in, n_out, steps, size = 50, 7, 5, 6, 20
    rng = np.random.default_rng(0)
    pattern = ms.bernoulli(n, n, 0.2, rng)
    model = ms.RNN(n_in, ms.make_weights(pattern, storage), n_out, activation)
    weights = model.weights["W_rec"]
    params, opt = model.init(rng, dtype=dtype, w_max=0.1), ms.Adam(lr=1e-3)

    twin = torch.nn.RNN(n_in, n, nonlinearity=activation, dtype=torch.from_numpy(np.zeros(1, dtype)).dtype)
    readout = torch.nn.Linear(n, n_out, dtype=twin.weight_ih_l0.dtype)

    def put(parameter, value):
        parameter.data = torch.from_numpy(np.ascontiguousarray(value).copy())

    put(twin.weight_ih_l0, params["W_in"])
    put(twin.weight_hh_l0, weights.unpack(params["W_rec"]))
    put(twin.bias_ih_l0, params["b_in"][:, 0])
    put(twin.bias_hh_l0, params["b_rec"][:, 0])
    put(readout.weight, params["W_out"])
    put(readout.bias, params["b_out"][:, 0])
    prune.custom_from_mask(twin, "weight_hh_l0", torch.from_numpy(pattern.mask()))
    twin_opt = torch.optim.Adam([*twin.parameters(), *readout.parameters()], lr=1e-3)

    for _ in range(10):
        x, labels = rng.standard_normal((steps, n_in, size)).astype(dtype), rng.integers(0, n_out, size)
        logits, cache = model.forward(params, x)
        loss, dlogits = ms.softmax_cross_entropy(logits, labels)
        opt.step(params, model.backward(dlogits, cache))
        twin_opt.zero_grad()
        _, last = twin(torch.from_numpy(x.transpose(0, 2, 1).copy()))
        twin_loss = torch.nn.functional.cross_entropy(readout(last[0]), torch.from_numpy(labels))
        twin_loss.backward()
        twin_opt.step()
        assert float(loss) == pytest.approx(twin_loss.item(), rel=tolerance)

    pairs = {
        "W_in": twin.weight_ih_l0,
        "W_rec": twin.weight_hh_l0_orig,
        "b_in": twin.bias_ih_l0[:, None],
        "b_rec": twin.bias_hh_l0[:, None],
        "W_out": readout.weight,
        "b_out": readout.bias[:, None],
    }
    for name, theirs in pairs.items():
        ours = weights.unpack(params[name]) if name == "W_rec" else params[name]
        theirs = theirs.detach().numpy() * (pattern.mask() if name == "W_rec" else 1)
        assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max(), name
