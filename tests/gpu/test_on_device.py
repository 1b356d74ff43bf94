"""CuPy on a real device gives NumPy's numbers, and nothing comes back to the host inside a training step."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import minisparse
from benchmarks import launches
from minisparse import kernels
from minisparse.kernels import reference
from minisparse.lab import cost

pytestmark = pytest.mark.gpu

DTYPES = ("float32", "float64")
RTOL = {"float32": 2e-4, "float64": 1e-10}
"""Of the largest entry: summing in another order costs digits, in proportion to the terms' sizes."""


@pytest.fixture
def cupy():
    with minisparse.use("cupy") as module:
        yield module


@pytest.fixture(params=["dense", "csr"])
def storage(request) -> str:
    return request.param


def bernoulli(n_post: int, n_pre: int, p: float) -> minisparse.Pattern:
    return minisparse.bernoulli(n_post, n_pre, p, np.random.default_rng(0))


def gaps() -> minisparse.Pattern:
    """Neurons that receive nothing, first, last and between, and one that sends nothing."""
    mask = np.random.default_rng(0).random((40, 70)) < 0.3
    mask[[0, 17, 39]], mask[:, 5] = False, False
    return minisparse.Pattern.from_mask(mask)


PATTERNS = {
    "sparse": bernoulli(200, 300, 0.03),
    "gaps": gaps(),
    "full": minisparse.full(9, 4),
    "one synapse": minisparse.Pattern.from_mask(np.eye(5, 3) * [0, 1, 0]),
    "no synapse": minisparse.Pattern.from_mask(np.zeros((5, 3))),
    "square": bernoulli(128, 128, 0.5),
}


@pytest.fixture(params=PATTERNS)
def pattern(request) -> minisparse.Pattern:
    return PATTERNS[request.param]


def rows_of(pattern: minisparse.Pattern, xp: ModuleType) -> kernels.Rows:
    """Return a pattern's index arrays as the kernels see them."""
    return minisparse.CsrWeights(pattern)._rows(xp.zeros(1))


def draw(dtype: str, *shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def assert_close(device, host: np.ndarray, name: str = "") -> None:
    assert type(device).__module__.startswith("cupy"), name
    assert device.dtype == host.dtype, name
    scale = np.abs(host).max(initial=0)
    np.testing.assert_allclose(device.get(), host, rtol=0, atol=RTOL[host.dtype.name] * scale, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [1, 33])
def test_spmm(cupy, pattern, dtype, batch) -> None:
    values, x = draw(dtype, pattern.nnz), draw(dtype, pattern.shape[1], batch)
    y = kernels.table(cupy.asarray(x)).spmm(rows_of(pattern, cupy), cupy.asarray(values), cupy.asarray(x))
    assert y.flags.c_contiguous
    assert_close(y, reference.spmm(rows_of(pattern, np), values, x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [1, 33])
@pytest.mark.parametrize("steps", [None, 0, 1, 5])
def test_sddmm(cupy, pattern, dtype, batch, steps) -> None:
    stack = () if steps is None else (steps,)
    dy, x = (draw(dtype, *stack, units, batch) for units in pattern.shape)
    product = kernels.table(cupy.asarray(dy)).sddmm
    rows, expected = rows_of(pattern, cupy), reference.sddmm(rows_of(pattern, np), dy, x)
    assert_close(product(rows, cupy.asarray(dy), cupy.asarray(x)), expected)
    scattered = (cupy.asarray(np.ascontiguousarray(a.swapaxes(-1, -2))).swapaxes(-1, -2) for a in (dy, x))
    assert_close(product(rows, *scattered), expected, "not contiguous")


@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("float64", "float32")])
def test_sddmm_of_two_precisions_is_no_garbage(cupy, dtypes) -> None:
    pattern = PATTERNS["gaps"]
    dy, x = (draw(dtype, units, 33) for dtype, units in zip(dtypes, pattern.shape, strict=True))
    found = kernels.table(cupy.asarray(dy)).sddmm(rows_of(pattern, cupy), cupy.asarray(dy), cupy.asarray(x))
    expected = reference.sddmm(rows_of(pattern, np), dy, x)
    np.testing.assert_allclose(found.get(), expected, rtol=0, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("dtype", DTYPES)
def test_row_sum(cupy, pattern, dtype) -> None:
    values = draw(dtype, pattern.nnz)
    sums = kernels.table(cupy.asarray(values)).row_sum(rows_of(pattern, cupy), cupy.asarray(values))
    assert_close(sums, reference.row_sum(rows_of(pattern, np), values))


@pytest.mark.parametrize("dtype", DTYPES)
def test_adam(cupy, dtype) -> None:
    w, m, v = draw(dtype, 50, 20), np.zeros((50, 20), dtype), np.zeros((50, 20), dtype)
    grad = draw(dtype, 20, 50).T.copy()
    grad[3] = 0
    device = [cupy.asarray(array) for array in (w, grad, m, v)]
    untouched = device[0][3].copy()
    for step in (1, 2, 3):
        settings = {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "step": step}
        reference.adam(w, grad, m, v, **settings)
        kernels.table(device[0]).adam(*device, **settings)
    for name, array, host in zip(("w", "grad", "m", "v"), device, (w, grad, m, v), strict=True):
        assert_close(array, host, name)
    assert bool((device[0][3] == untouched).all())


def signs(n: int) -> np.ndarray:
    return np.where(np.arange(n) % 3 == 0, -1, 1)[:, None]


def network(
    storage: str, activation: str = "tanh", dtype: str = "float64", n: int = 60, steps: int = 5, batch: int = 33
):
    """Return a model, its parameters, a batch and its labels, on the current backend."""
    mask = np.random.default_rng(0).random((n, n)) < 0.3
    mask[2], mask[:, 4] = False, False
    model = minisparse.RNN(3, minisparse.make_weights(minisparse.Pattern.from_mask(mask), storage), 4, activation)
    params = model.init(np.random.default_rng(1), dtype=dtype, w_max=0.2, signs=signs(n))
    x = minisparse.asarray(np.random.default_rng(2).standard_normal((steps, 3, batch)), dtype=dtype)
    return model, params, x, minisparse.asarray(np.arange(batch) % 4)


def train_step(model, params, x, labels, opt, dale) -> dict:
    logits, cache = model.forward(params, x)
    loss, dlogits = minisparse.softmax_cross_entropy(logits, labels)
    grads = model.backward(dlogits, cache)
    opt.step(params, grads)
    dale.project(model, params)
    return {"logits": logits, "loss": loss, "dlogits": dlogits, **{f"d{name}": grad for name, grad in grads.items()}}


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("steps", "batch"), [(5, 33), (1, 33), (5, 1)])
def test_forward_and_backward(storage, activation, dtype, steps, batch) -> None:
    def run() -> dict:
        model, params, x, labels = network(storage, activation, dtype, steps=steps, batch=batch)
        logits, cache = model.forward(params, x)
        loss, dlogits = minisparse.softmax_cross_entropy(logits, labels)
        return {"logits": logits, "loss": loss, "dlogits": dlogits, **model.backward(dlogits, cache, wrt_x=True)}

    with minisparse.use("numpy"):
        host = run()
    with minisparse.use("cupy"):
        device = run()
    assert device.keys() == host.keys()
    for name in host:
        assert_close(device[name], np.asarray(host[name]), name)


def test_off_the_pattern_a_dense_gradient_is_plus_zero_even_beside_inf(cupy) -> None:
    pattern = PATTERNS["square"]
    weights = minisparse.DenseWeights(pattern)
    dy, x = cupy.asarray(draw("float32", 128, 3)), cupy.asarray(draw("float32", 128, 3))
    dy[0, 0], x[5, 1] = np.inf, np.nan
    bits = weights.outer(dy, x).view("i4").get()
    assert not bits[~pattern.mask()].any()


@pytest.mark.parametrize("mode", ["enforced", "init_only"])
def test_three_steps_with_dales_rule(storage, mode) -> None:
    def run() -> tuple[dict, int]:
        model, params, x, labels = network(storage)
        opt, dale = minisparse.Adam(0.01), minisparse.Dale(signs(60), mode)
        for _ in range(3):
            train_step(model, params, x, labels, opt, dale)
        return params, dale.violations(model, params)

    with minisparse.use("numpy"):
        host, host_violations = run()
    with minisparse.use("cupy"):
        device, violations = run()
    assert violations == host_violations
    assert violations == 0 or mode == "init_only"
    for name in host:
        np.testing.assert_allclose(device[name].get(), host[name], rtol=1e-6, atol=1e-8, err_msg=name)


def test_fit_agrees_with_numpy_and_resumes(storage, tmp_path) -> None:
    rng = np.random.default_rng(3)
    x, labels = rng.standard_normal((120, 5, 3)), rng.integers(0, 4, 120)
    task = minisparse.Dataset("toy", x[:90], labels[:90], x[90:], labels[90:], 4)

    def run(epochs: int, **settings: object) -> tuple[list[dict], dict]:
        model, params, *_ = network(storage)
        history = minisparse.fit(
            model, params, minisparse.Adam(0.01), task, epochs, np.random.default_rng(4), 20,
            after_step=[minisparse.Dale(signs(60))], quiet=True, **settings,
        )  # fmt: skip
        return history, {name: minisparse.to_numpy(value) for name, value in params.items()}

    with minisparse.use("numpy"):
        expected, _ = run(2)
    with minisparse.use("cupy"):
        history, params = run(2)
        run(1, checkpoint=tmp_path / "net.npz")
        resumed, resumed_params = run(2, checkpoint=tmp_path / "net.npz", resume=True)
    for row, host, again in zip(history, expected, resumed, strict=True):
        for column in ("train_loss", "test_loss", "test_accuracy"):
            assert row[column] == host[column] or row[column] == pytest.approx(host[column], rel=1e-6)
            assert again[column] == row[column] or again[column] == pytest.approx(row[column], rel=1e-9)
    for name in params:
        np.testing.assert_allclose(resumed_params[name], params[name], rtol=1e-7, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_gradient_check_passes(cupy, storage, activation) -> None:
    minisparse.check(*network(storage, activation, n=7, batch=3)).assert_ok()


def test_evaluate_and_the_gains(storage) -> None:
    def run() -> list[float]:
        model, params, x, labels = network(storage)
        weights = model.weights["W_rec"]
        return [
            *minisparse.evaluate(model, params, x.transpose(2, 0, 1), labels, batch_size=10),
            minisparse.forward_gain(weights, params["W_rec"]),
            minisparse.backward_gain(weights, params["W_rec"], signs(60)),
        ]

    with minisparse.use("numpy"):
        host = run()
    with minisparse.use("cupy"):
        assert run() == pytest.approx(host, rel=1e-9)


@pytest.mark.parametrize(("storage", "p"), [("dense", 1), ("csr", 0.3), ("csr", 0.02)])
def test_memory_is_what_training_takes(cupy, storage, p) -> None:
    n, steps, batch, pool = 400, 10, 50, cupy.get_default_memory_pool()
    x = np.zeros((3 * batch, steps, 2), np.float32)
    task = minisparse.Dataset("toy", x, np.zeros(len(x), int), x[:batch], np.zeros(batch, int), 2)
    pool.free_all_blocks()
    before = pool.total_bytes()
    model = minisparse.RNN(
        2, minisparse.make_weights(minisparse.full(n, n) if p == 1 else bernoulli(n, n, p), storage), 2
    )
    params = model.init(0)
    minisparse.fit(model, params, minisparse.Adam(), task, 1, 0, batch, quiet=True)
    said = cost.memory(n, p, storage) + cost.activations(n, steps, batch, storage)
    assert 0.7 * said < pool.total_bytes() - before < 1.4 * said


@pytest.fixture
def reads(cupy, monkeypatch) -> SimpleNamespace:
    """Count what comes back to the host: item, float, bool, tolist and asnumpy all go through get."""
    counter, get = SimpleNamespace(count=0), cupy.ndarray.get

    def counting(self, *args, **kwargs):
        counter.count += 1
        return get(self, *args, **kwargs)

    monkeypatch.setattr(cupy.ndarray, "get", counting)
    float(cupy.ones(()))
    assert counter.count == 1
    counter.count = 0
    return counter


def test_a_product_leaves_what_is_added_and_gives_the_same_bits_again(cupy, storage) -> None:
    pattern, x, y = PATTERNS["sparse"], *(cupy.asarray(draw("float32", n, 33)) for n in (300, 200))
    weights = minisparse.make_weights(pattern, storage)
    values = draw("float32", pattern.nnz)
    bound, before = weights.bind(weights.from_values(cupy.asarray(values))), y.copy()
    first, again = (bound.matmul(x, plus=y) for _ in range(2))
    assert bool((first == again).all())
    assert bool((y == before).all())
    assert_close(first, reference.spmm(rows_of(pattern, np), values, x.get()) + y.get())
    assert_close(bound.matmul_t(first, times=x), bound.matmul_t(first).get() * x.get())
    assert bound.matmul(x, plus=y.astype("float64")).dtype == np.float64
    with pytest.raises(minisparse.errors.InputError, match="plus must have the shape of the product"):
        bound.matmul(x, plus=y[:, :1])


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_a_factor_is_the_slope(cupy, activation) -> None:
    phi = minisparse.activations.get(activation)
    h, dh = (cupy.asarray(draw("float32", n, 7)) for n in (40, 40))
    expected = (dh * phi.slope(h)).get()
    assert_close(dh * phi.factor(h), expected)
    assert_close(phi.factor(h).onto(dh.copy()), expected)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sgd(cupy, momentum, dtype) -> None:
    arrays = [draw(dtype, 50, 20), draw(dtype, 20, 50).T.copy(), np.zeros((50, 20), dtype)][: 3 if momentum else 2]
    device = [cupy.asarray(array) for array in arrays]
    for _ in range(3):
        reference.sgd(*arrays, lr=0.1, momentum=momentum)
        kernels.table(device[0]).sgd(*device, lr=0.1, momentum=momentum)
    for array, host in zip(device, arrays, strict=True):
        assert_close(array, host)


def test_the_sampled_and_the_whole_product_agree(cupy, monkeypatch) -> None:
    table, rows = kernels.table(cupy.zeros(1)), rows_of(PATTERNS["gaps"], cupy)
    dy, x = (cupy.asarray(draw("float64", 5, n, 33)) for n in PATTERNS["gaps"].shape)
    found = []
    for below in (0, 1):
        monkeypatch.setattr(table, "SAMPLED_BELOW", below)
        found.append(table.sddmm(rows, dy, x))
    assert_close(found[0], found[1].get())


@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize("alpha", [1, 0.3])
@pytest.mark.parametrize("back", [None, 2])
def test_stacked_layers_with_a_leak_noise_and_a_learnt_start(storage, every, alpha, back) -> None:
    def run() -> dict:
        weights = [minisparse.make_weights(bernoulli(n, n, 0.4), storage) for n in (30, 20)]
        layers = [minisparse.Recurrent(3, weights[0], "tanh", alpha=alpha, start=True)]
        layers += [minisparse.Recurrent(30, weights[1], alpha=alpha)]
        model = minisparse.SequenceRNN(layers, 4, every)
        params, rng = model.init(np.random.default_rng(1), dtype=float, w_max=0.2), np.random.default_rng(2)
        x, noise = (minisparse.asarray(rng.standard_normal((5, n, 7))) for n in (3, 30))
        logits, cache = model.forward(params, x, [noise, None])
        labels, mask = rng.integers(0, 4, (5, 7)), rng.random((5, 7)) < 0.7
        if every:
            labels, mask = minisparse.asarray(labels), minisparse.asarray(mask)
            loss, dlogits = minisparse.cross_entropy_per_step(logits, labels, mask)
        else:
            loss, dlogits = minisparse.mean_squared_error(logits, 0 * logits + 0.5)
        grads = model.backward(dlogits, cache, wrt_x=True, back=back)
        step = SimpleNamespace(grads=grads)
        minisparse.ClipNorm(0.01)(step)
        return {"logits": logits, "loss": loss, **grads, **{f"{name} clipped": g for name, g in step.grads.items()}}

    with minisparse.use("numpy"):
        host = run()
    with minisparse.use("cupy"):
        device = run()
    assert device.keys() == host.keys()
    for name in host:
        assert_close(device[name], np.asarray(host[name]), name)


@pytest.mark.parametrize(("storage", "density"), [("dense", 1), ("dense", 0.1), ("csr", 0.1), ("csr", 0.02)])
def test_a_training_step_has_few_launches(cupy, storage, density) -> None:
    assert 0 < launches.counted(launches.recurrent(storage, density)) <= launches.AIM


@pytest.mark.skipif(not launches.EMULATED.exists(), reason="a GPU does not count its copies")
@pytest.mark.parametrize("case", launches.CASES)
def test_a_training_step_copies_nothing_to_or_from_the_host(cupy, case) -> None:
    step = launches.CASES[case]()
    for _ in range(2):
        step()
    assert launches.asked(step, "h2d", "d2h") == 0


def test_measures_bring_numbers_to_the_host_and_no_weights(storage, monkeypatch) -> None:
    x = np.random.default_rng(5).standard_normal((40, 5, 3))

    def run() -> list:
        model, params, *_ = network(storage)
        weights = model.weights["W_rec"]
        before, after = (weights.values(w) for w in (params["W_rec"], 0.5 - params["W_rec"]))
        statistics = minisparse.gradient_statistics(before * (before > 0.05))
        changes = minisparse.sign_changes(before, after)
        shares = minisparse.last_states(model, params, minisparse.asarray(x), 10, of=minisparse.active_share)
        gain = minisparse.forward_gain(weights, params["W_rec"])
        decades, sorted_ones = statistics["decades"], [statistics["median"], *statistics["quantiles"].values()]
        assert list(decades) == [-2, -1]
        if launches.EMULATED.exists():  # which does not sort
            sorted_ones = []
        found = [*decades.values(), statistics["mean"], statistics["zeros"], *sorted_ones, *changes.values()]
        return [*found, gain, *shares]

    with minisparse.use("numpy"):
        host = run()
    with minisparse.use("cupy") as cupy:
        sizes, get = [], cupy.ndarray.get
        monkeypatch.setattr(cupy.ndarray, "get", lambda self, *a, **k: sizes.append(self.size) or get(self, *a, **k))
        assert run() == pytest.approx(host, rel=1e-9)
    assert 0 < max(sizes) <= 10


def test_nothing_comes_back_inside_a_training_step(cupy, storage, reads) -> None:
    model, params, x, labels = network(storage)
    opt, dale = minisparse.Adam(), minisparse.Dale(signs(60))
    for _ in range(2):
        train_step(model, params, x, labels, opt, dale)
    assert reads.count == 0


def test_host_and_device_do_not_mix(cupy, storage) -> None:
    model, params, x, _ = network(storage)
    with pytest.raises(TypeError, match=r"numpy.*cupy|cupy.*numpy"):
        model.forward(params, x.get())


def test_the_backend_is_described_by_the_devices_name(cupy) -> None:
    assert minisparse.describe().startswith(f"backend: cupy {cupy.__version__} on ")
