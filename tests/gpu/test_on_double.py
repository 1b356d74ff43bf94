"""The whole of a training run over the strict double: the same numbers as NumPy, and nothing moves inside a step."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable

import numpy as np
import pytest
import strict_double

import minisparse
from minisparse.groups import labelled
from minisparse.kernels import Rows, with_cupy

BACKENDS = ("numpy", strict_double.cupy)
EXACT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture
def xp():
    with minisparse.use(strict_double.cupy) as module:
        yield module


@pytest.fixture(params=["dense", "csr", "grouped"])
def storage(request) -> str:
    return request.param


@pytest.fixture(params=["relu", "tanh"])
def activation(request) -> str:
    return request.param


def pattern() -> minisparse.Pattern:
    """7 neurons in 3 groups; neuron 2 receives nothing, neuron 4 sends nothing."""
    mask = np.random.default_rng(0).random((7, 7)) < 0.5
    mask[2, :], mask[:, 4] = False, False
    return labelled(minisparse.Pattern.from_mask(mask), (np.arange(7) % 3, np.arange(7) // 3))


def signs() -> np.ndarray:
    return np.where(np.arange(7) % 3 == 0, -1, 1)[:, None]


def network(storage: str, activation: str = "relu", dtype: type = np.float64):
    """Return a model, its parameters, a batch and its labels, on the current backend."""
    model = minisparse.RNN(2, minisparse.make_weights(pattern(), storage), 4, activation)
    params = model.init(np.random.default_rng(1), dtype=dtype, w_max=0.5, signs=signs())
    x = minisparse.asarray(np.random.default_rng(2).standard_normal((5, 2, 3)), dtype=dtype)
    return model, params, x, minisparse.asarray(np.array([0, 3, 1]))


def task() -> minisparse.Dataset:
    rng = np.random.default_rng(3)
    x, labels = rng.standard_normal((33, 5, 2)), rng.integers(0, 4, 33)
    return minisparse.Dataset("toy", x[:23], labels[:23], x[23:], labels[23:], 4)


def train_step(model, params, x, labels, opt, dale) -> dict:
    logits, cache = model.forward(params, x)
    loss, dlogits = minisparse.softmax_cross_entropy(logits, labels)
    grads = model.backward(dlogits, cache, wrt_x=True)
    opt.step(params, {name: grad for name, grad in grads.items() if name != "x"})
    dale.project(model, params)
    return {"logits": logits, "loss": loss, "dlogits": dlogits, **{f"d{name}": grad for name, grad in grads.items()}}


def on_each(run: Callable[[], dict]) -> tuple[dict, dict]:
    """Run once per backend; return both results on the host."""
    results = []
    for backend in BACKENDS:
        with minisparse.use(backend):
            results.append({name: minisparse.to_numpy(value) for name, value in run().items()})
    return tuple(results)


def assert_same(run: Callable[[], dict]) -> None:
    host, device = on_each(run)
    assert host.keys() == device.keys()
    for name in host:
        assert host[name].dtype == device[name].dtype, name
        np.testing.assert_allclose(device[name], host[name], **EXACT, err_msg=name)


def test_forward_and_backward_are_numpys(storage, activation) -> None:
    def run() -> dict:
        model, params, x, labels = network(storage, activation)
        logits, cache = model.forward(params, x)
        loss, dlogits = minisparse.softmax_cross_entropy(logits, labels)
        return {"logits": logits, "loss": loss, "dlogits": dlogits, **model.backward(dlogits, cache, wrt_x=True)}

    assert_same(run)


@pytest.mark.parametrize("make_opt", [minisparse.Adam, lambda: minisparse.SGD(0.1, momentum=0.9)], ids=["Adam", "SGD"])
@pytest.mark.parametrize("mode", ["enforced", "init_only"])
def test_three_steps_with_dales_rule_are_numpys(storage, make_opt, mode) -> None:
    def run() -> dict:
        model, params, x, labels = network(storage)
        opt, dale = make_opt(), minisparse.Dale(signs(), mode)
        for _ in range(3):
            last = train_step(model, params, x, labels, opt, dale)
        moments = {name: value for name, value in opt.state.items() if name != "step"}
        violations = np.array(dale.violations(model, params))
        assert violations == 0 or mode == "init_only"
        return {**last, **params, **moments, "violations": violations}

    assert_same(run)


def test_float32_stays_float32(xp, storage) -> None:
    model, params, x, labels = network(storage, dtype=np.float32)
    opt = minisparse.Adam()
    last = train_step(model, params, x, labels, opt, minisparse.Dale(signs()))
    arrays = {**last, **params, **{name: value for name, value in opt.state.items() if name != "step"}}
    assert {name: value.dtype for name, value in arrays.items()} == dict.fromkeys(arrays, np.dtype("f4"))


def test_nothing_moves_inside_a_training_step(xp, storage, activation) -> None:
    model, params, x, labels = network(storage, activation)
    opt, dale = minisparse.Adam(), minisparse.Dale(signs())
    with strict_double.counted() as first:
        train_step(model, params, x, labels, opt, dale)
    with strict_double.counted() as later:
        train_step(model, params, x, labels, opt, dale)
    assert first["to_host"] == 0
    assert (later["to_host"], later["to_device"]) == (0, 0)


def test_an_epoch_moves_a_handful_however_many_steps_it_has(xp, storage) -> None:
    def moves(epochs: int, batch_size: int) -> tuple[int, int]:
        model, params, *_ = network(storage)
        hooks = [minisparse.Dale(signs())]
        with strict_double.counted() as moved:
            minisparse.fit(
                model,
                params,
                minisparse.Adam(),
                task(),
                epochs,
                np.random.default_rng(4),
                batch_size,
                hooks,
                quiet=True,
            )
        return moved["to_host"], moved["to_device"]

    (host_1, device_1), (host_3, device_3) = moves(1, 5), moves(3, 5)
    assert (host_3 - host_1) / 2 <= 4
    assert (device_3 - device_1) / 2 <= 4
    assert moves(3, 23) == moves(3, 2)


def test_fit_gives_numpys_history_and_resumes_into_it(storage, tmp_path) -> None:
    histories, final = {}, {}
    for backend in BACKENDS:
        with minisparse.use(backend) as xp:
            name = xp.__name__

            def run(epochs: int, **settings: object) -> tuple[list[dict], dict]:
                model, params, *_ = network(storage)
                history = minisparse.fit(
                    model, params, minisparse.Adam(0.01), task(), epochs, np.random.default_rng(4), 5,
                    after_step=[minisparse.Dale(signs())], quiet=True, **settings,
                )  # fmt: skip
                rows = [{key: value for key, value in row.items() if key != "seconds"} for row in history]
                return rows, {key: minisparse.to_numpy(value) for key, value in params.items()}

            histories[name], final[name] = run(2)
            checkpoint = tmp_path / f"{name}.npz"
            run(1, checkpoint=checkpoint)
            resumed, params = run(2, checkpoint=checkpoint, resume=True)
        assert resumed == histories[name]
        assert all(np.array_equal(params[key], final[name][key]) for key in params)
    ours, numpys = histories["strict_double"], histories["numpy"]
    assert len(ours) == 3
    assert ours[-1]["train_loss"] < ours[1]["train_loss"]
    for column in ("train_loss", "test_loss", "test_accuracy"):
        device, host = (np.array([row[column] for row in rows], float) for rows in (ours, numpys))
        np.testing.assert_allclose(device, host, **EXACT, err_msg=column)


def test_a_checkpoint_crosses_backends(storage, tmp_path) -> None:
    with minisparse.use(strict_double.cupy):
        model, params, *_ = network(storage)
        minisparse.save(tmp_path / "net.npz", model, params, minisparse.Adam())
    with minisparse.use("numpy"):
        model, blank, *_ = network(storage)
        blank = {name: np.zeros_like(value) for name, value in blank.items()}
        minisparse.load_checkpoint(tmp_path / "net.npz", model, blank, minisparse.Adam())
    assert all(np.array_equal(blank[name], params[name].get()) for name in params)


def test_evaluate_and_the_gains_are_numpys(storage) -> None:
    def run() -> dict:
        model, params, *_ = network(storage)
        data, weights = task().to_backend(), model.weights["W_rec"]
        loss, accuracy = minisparse.evaluate(model, params, data.x_test, data.y_test, batch_size=4)
        return {
            "loss": np.array(loss),
            "accuracy": np.array(accuracy),
            "forward": np.array(minisparse.forward_gain(weights, params["W_rec"])),
            "backward": np.array(minisparse.backward_gain(weights, params["W_rec"], signs())),
        }

    assert_same(run)


def test_states_and_what_is_read_from_them_are_numpys(storage, activation) -> None:
    def run() -> dict:
        model, params, *_ = network(storage, activation)
        data, rng = task().to_backend(), np.random.default_rng(4)
        test = data.x_test, data.y_test
        h = minisparse.last_states(model, params, data.x_test, batch_size=4)
        changes = minisparse.sign_changes(params["W_rec"], params["W_rec"] - 0.1)
        assert type(h) is np.ndarray
        return {
            "states": h,
            "active": minisparse.active_share(minisparse.asarray(h)),
            "r": minisparse.correlations(minisparse.asarray(h))[0],
            "dropout": minisparse.dropout_accuracy(model, params, *test, [0, 0.5, 0.9], rng, batch_size=4),
            "gradients": np.array(minisparse.gradient_statistics(params["W_rec"])["mean"]),
            "signs": np.array([changes["positive_to_negative"], changes["negative_growth"]]),
        }

    assert_same(run)


def test_packing_and_broadcasts_are_numpys(storage) -> None:
    def run() -> dict:
        weights = minisparse.make_weights(pattern(), storage)
        matrix = minisparse.asarray(np.random.default_rng(5).standard_normal((7, 7)))
        w = weights.pack(matrix)
        column = matrix[:, :1]
        return {
            "matrix": weights.unpack(w),
            "values": weights.values(weights.from_values(weights.values(w))),
            "row_sum": weights.row_sum(w),
            "by_row": weights.unpack(w * weights.by_row(column)),
            "by_col": weights.unpack(w * weights.by_col(column)),
        }

    assert_same(run)


def test_the_gradient_check_passes(xp, storage, activation) -> None:
    report = minisparse.check(*network(storage, activation))
    report.assert_ok()
    assert {row.tensor for row in report.rows} >= {"W_in", "W_rec", "W_out", "x", "logits"}


def test_two_training_steps_are_the_closed_form_s(xp, storage) -> None:
    model, params, x, labels = network(storage)
    dale = minisparse.Dale(signs())
    minisparse.check_steps(model, params, x, labels, minisparse.Adam(lr=0.1), [dale]).assert_ok()
    forgetful = minisparse.gradcheck.catalogue.find("adam-derived-weight").plant(minisparse.Adam(lr=0.1))
    report = minisparse.check_steps(model, params, x, labels, forgetful, [dale])
    assert report.codes == ("adam-derived-weight", "step")


def test_the_gradient_check_finds_a_planted_error(xp, storage) -> None:
    model, *rest = network(storage, "tanh")
    backward = model.backward
    model.backward = lambda *args, **kwargs: {
        name: grad * (1.01 if name == "W_rec" else 1) for name, grad in backward(*args, **kwargs).items()
    }
    report = minisparse.check(model, *rest)
    assert [(finding.code, finding.tensor) for finding in report.findings] == [("factor", "W_rec")]
    assert report.findings[0].evidence["factor"] == pytest.approx(1.01)


def test_host_and_device_do_not_mix(xp, storage) -> None:
    model, params, x, _ = network(storage)
    with pytest.raises(TypeError, match=r"strict_double.*numpy|numpy.*strict_double"):
        model.forward(params, x.get())


def test_rules_follow_their_arguments_whatever_the_backend_in_force(storage) -> None:
    with minisparse.use(strict_double.cupy):
        model, params, x, labels = network(storage)
    with minisparse.use("numpy"):
        dale = minisparse.Dale(signs())
        train_step(model, params, x, labels, minisparse.Adam(), dale)
        assert dale.violations(model, params) == 0
        assert np.isfinite(minisparse.backward_gain(model.weights["W_rec"], params["W_rec"], signs()))


C_TYPES = {"int": np.int32, "long long": np.int64, "float": np.float32, "double": np.float64}


def rows_of(pattern: minisparse.Pattern, xp: types.ModuleType) -> Rows:
    """Return a pattern's index arrays as the kernels see them."""
    return minisparse.CsrWeights(pattern)._rows(xp.zeros(1))


class Launch:
    """Stands for a compiled kernel: compares what it is launched with, argument by argument, with its C signature."""

    def __init__(self, code: str, name: str, options: tuple = ()):
        signature = re.search(rf"__global__ void {name}\(([^)]*)\)", code)[1]
        declared = [parameter.rpartition(" ")[0].removeprefix("const ") for parameter in re.split(r",\s*", signature)]
        self.dtypes = [C_TYPES[c.rstrip("*")] for c in declared]
        self.pointers = sum(c.endswith("*") for c in declared)

    def __call__(self, grid: tuple, block: tuple, args: tuple) -> None:
        *pointers, nnz, steps, n_post, n_pre, batch = args
        assert [a.dtype for a in args] == self.dtypes
        assert len(pointers) == self.pointers
        assert all(type(a) is strict_double.ndarray and a.flags.c_contiguous for a in pointers)
        assert [a.shape for a in pointers] == [(nnz,), (nnz,), (steps, n_post, batch), (steps, n_pre, batch), (nnz,)]
        assert grid[0] * block[0] >= nnz * with_cupy.WARP > (grid[0] - 1) * block[0]


@pytest.fixture
def cupys_kernels(xp, monkeypatch):
    """The kernels for CuPy, over the double and a stand-in for what launches a kernel."""
    monkeypatch.setitem(sys.modules, "cupy", types.SimpleNamespace(RawKernel=Launch))
    monkeypatch.setattr(with_cupy, "SAMPLED_BELOW", 1)
    with_cupy._sddmm_kernel.cache_clear()
    yield with_cupy
    with_cupy._sddmm_kernel.cache_clear()


@pytest.fixture
def rows(xp) -> Rows:
    return rows_of(pattern(), xp)


def test_a_slope_that_cannot_be_recorded_is_computed(cupys_kernels, xp) -> None:
    kept = xp.asarray([0.5, 1.0])
    np.testing.assert_array_equal(cupys_kernels.factor(lambda a: xp.exp(a), kept).get(), np.exp([0.5, 1.0]))


@pytest.mark.parametrize(("wanted", "modes"), [(None, []), ("0", []), ("1", [with_cupy.TF32_MATH, 0])])
def test_a_product_rounds_its_factors_where_that_is_asked_for_and_nowhere_else(monkeypatch, wanted, modes) -> None:
    monkeypatch.delenv("CUPY_TF32", raising=False)
    if wanted:
        monkeypatch.setenv("CUPY_TF32", wanted)
    found = []
    cublas = types.SimpleNamespace(getMathMode=lambda handle: 0, setMathMode=lambda handle, mode: found.append(mode))
    device = types.SimpleNamespace(get_cublas_handle=lambda: None)
    fakes = {"cupy.cuda.device": device, "cupy_backends.cuda.libs": types.SimpleNamespace(cublas=cublas)}
    for name in ("cupy", "cupy.cuda", "cupy_backends", "cupy_backends.cuda"):
        fakes[name] = types.SimpleNamespace()
    for name, fake in fakes.items():
        monkeypatch.setitem(sys.modules, name, fake)
    with with_cupy._math_mode():
        assert found == modes[:1]
    assert found == modes


def test_too_many_synapses_for_an_int32_are_a_sentence() -> None:
    rows = Rows(np.array([0, 1 << 31]), np.zeros(0, np.int32), (1, 1 << 32), np.asarray)
    with pytest.raises(minisparse.errors.InputError, match=r'at most 2,147,483,647 .* storage="dense"'):
        rows.short_indptr  # noqa: B018


@pytest.mark.parametrize("shapes", [((7, 3), (7, 3)), ((5, 7, 3), (5, 7, 3)), ((0, 7, 3), (0, 7, 3))])
@pytest.mark.parametrize("dtypes", [("f4", "f4"), ("f8", "f8"), ("f8", "f4"), ("f4", "f8")])
def test_the_raw_kernel_is_launched_with_what_its_signature_says(cupys_kernels, rows, xp, shapes, dtypes) -> None:
    dy, x = (xp.zeros(shape, dtype=dtype) for shape, dtype in zip(shapes, dtypes, strict=True))
    with strict_double.counted() as moved:
        out = cupys_kernels.sddmm(rows, dy, x)
        cupys_kernels.sddmm(rows, dy.swapaxes(-1, -2).copy().swapaxes(-1, -2), x)
    assert out.shape == (rows.rows.size,)
    assert moved["to_host"] == 0


REWIRING = {
    "RigL": lambda: minisparse.RigL(0.4, every=1),
    "Hebbian": lambda: minisparse.Hebbian(absolute=True, fraction=0.4),
    "running": lambda: minisparse.Hebbian("cosine", ema=0.5, fraction=0.4),
    "pruned by C": lambda: minisparse.Hebbian(prune="correlation", fraction=0.4),
    "CannistraciHebb": lambda: minisparse.CannistraciHebb(fraction=0.4),
    "DeepRewiring": lambda: minisparse.DeepRewiring(l1=5, noise=5),
    "SET": lambda: minisparse.SET(0.4),
}


@pytest.mark.parametrize("rule", REWIRING)
def test_the_same_synapses_are_rewired(storage, rule) -> None:
    def run() -> dict:
        model, params, x, labels = network(storage, "tanh")
        opt, hook, rng = minisparse.Adam(1e-2), REWIRING[rule](), np.random.default_rng(4)
        steps = types.SimpleNamespace(model=model, params=params, opt=opt, rng=rng, epoch=0, epochs=4, steps=1, step=0)
        before = model.weights["W_rec"].pattern
        for steps.epoch in (1, 2, 3):
            logits, steps.cache = model.forward(params, x)
            grads = model.backward(minisparse.softmax_cross_entropy(logits, labels)[1], steps.cache)
            opt.step(params, grads)
            hook(steps)
        after = model.weights["W_rec"].pattern
        assert after != before
        moments = {name: value for name, value in opt.state.items() if name != "step"}
        return {"indptr": after.indptr, "indices": after.indices, **params, **moments}

    assert_same(run)


def test_a_loss_that_is_no_number_ends_the_run_at_the_end_of_its_epoch(xp):
    model, params, _, _ = network("csr")
    steps = []

    def spoil(run):
        steps.append(run.step)
        run.params["W_out"][0] = float("nan")

    rng = np.random.default_rng(4)
    with pytest.raises(minisparse.errors.NonFiniteError) as caught, np.errstate(all="ignore"):
        minisparse.fit(model, params, minisparse.Adam(), task(), 2, rng, 5, after_step=[spoil], quiet=True)
    assert steps == [0, 1, 2, 3, 4]
    error = caught.value
    assert (error.epoch, error.step, error.tensor) == (1, 2, None)
    assert "at epoch 1, step 2 of 5; on a GPU losses are read once per epoch" in str(error)


def test_the_tensors_that_are_no_number_are_found_on_the_device(xp):
    model, params, x, _ = network("csr")
    params["W_rec"] = 1e200 * abs(params["W_rec"])
    with np.errstate(all="ignore"):
        logits, cache = model.forward(params, x)
    run = types.SimpleNamespace(epoch=1, model=model, params=params, opt=minisparse.Adam(), grads=None)
    assert "h at time step" in str(minisparse.nonfinite.error(float("nan"), "here", run, cache, logits))
