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


@pytest.mark.parametrize("task", ["classes", "numbers"])
@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_two_leaky_layers_with_a_loss_at_every_step_train_as_their_twin(storage, activation, task):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    sizes, alphas, n_out, steps, batch = (6, 30, 20), (0.3, 0.7), 4, 7, 11
    rng = np.random.default_rng(0)
    patterns = [ms.bernoulli(n, n, 0.3, rng) for n in sizes[1:]]
    layers = [
        ms.Recurrent(n_in, ms.make_weights(pattern, storage), activation, alpha=alpha, start=True)
        for n_in, pattern, alpha in zip(sizes, patterns, alphas, strict=False)
    ]
    model, opt = ms.SequenceRNN(layers, n_out), ms.Adam(lr=1e-2)
    params = model.init(rng, float, w_max=0.3)
    masks = {f"W_rec{k}": torch.from_numpy(pattern.mask()) for k, pattern in enumerate(patterns)}

    def dense(name, value):
        return model.weights[name].unpack(value) if name in model.weights else value

    twin = {name: torch.tensor(dense(name, value), requires_grad=True) for name, value in params.items()}
    twin_opt = torch.optim.Adam(twin.values(), lr=1e-2)
    phi = getattr(torch, activation)

    for _ in range(10):
        x, noise = rng.standard_normal((steps, 6, batch)), [rng.standard_normal((steps, n, batch)) for n in sizes[1:]]
        mask = rng.integers(0, 2, (steps, batch))
        numbers, labels = rng.standard_normal((steps, n_out, batch)), rng.integers(0, n_out, (steps, batch))
        loss, target = (ms.mean_squared_error, numbers) if task == "numbers" else (ms.cross_entropy_per_step, labels)
        logits, cache = model.forward(params, x, noise)
        value, dlogits = loss(logits, target, mask)
        opt.step(params, model.backward(dlogits, cache))

        states = list(torch.from_numpy(x))
        for k, alpha in enumerate(alphas):
            h, above = twin[f"h_init{k}"].expand(-1, batch), []
            for t, below in enumerate(states):
                recurrent = (twin[f"W_rec{k}"] * masks[f"W_rec{k}"]) @ h
                b = twin[f"b_in{k}"] + twin[f"b_rec{k}"] + torch.from_numpy(noise[k][t])
                h = (1 - alpha) * h + alpha * phi(twin[f"W_in{k}"] @ below + recurrent + b)
                above.append(h)
            states = above
        answers = torch.stack([twin["W_out"] @ h + twin["b_out"] for h in states])
        counts = torch.from_numpy(mask.astype(bool))
        chosen, wanted = answers.transpose(1, 2)[counts], torch.from_numpy(target)
        if task == "numbers":
            other = torch.nn.functional.mse_loss(chosen, wanted.transpose(1, 2)[counts])
        else:
            other = torch.nn.functional.cross_entropy(chosen, wanted[counts])
        twin_opt.zero_grad()
        other.backward()
        twin_opt.step()
        assert np.abs(logits - answers.detach().numpy()).max() <= 1e-9
        assert float(value) == pytest.approx(other.item(), rel=1e-9)

    for name, theirs in twin.items():
        theirs = (theirs * masks.get(name, 1)).detach().numpy()
        assert np.abs(dense(name, params[name]) - theirs).max() <= 1e-9, name
