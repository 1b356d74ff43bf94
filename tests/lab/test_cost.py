"""What a run will cost: FLOPs against counted products, bytes against what is allocated, refusals before that."""

import argparse
import json
import subprocess
import sys
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest

import minisparse as ms
from minisparse import kernels
from minisparse.lab import cost

DIGITS = ms.load("digits")


def test_flops_are_those_of_the_published_cost_model():
    def mnist(n, p, storage):
        return cost.flops(n, p, storage, 28, 28, 10, 100)

    assert f"{mnist(500, 1, 'dense'):.2g}" == "4.2e+09"
    assert f"{mnist(10_000, 1, 'dense'):.3g}" == "1.62e+12"
    assert f"{mnist(10_000, 0.1, 'csr'):.3g}" == "1.65e+11"
    assert f"{mnist(30_000, 0.01, 'csr'):.3g}" == "1.55e+11"
    assert mnist(2000, 0.1, "auto") == mnist(2000, 0.1, "csr")
    assert mnist(2000, 0.1, "dense") == mnist(2000, 1, "dense")


@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_flops_are_those_of_the_products_that_a_step_makes(storage, monkeypatch):
    n, p, steps, inputs, classes, batch = 30, 0.2, 5, 4, 3, 7
    weights = ms.make_weights(ms.fixed_count(n, n, round(p * n * n), np.random.default_rng(0)), storage)
    model, counted = ms.RNN(inputs, weights, classes), []
    stored = weights.nnz if storage == "csr" else n * n
    bind, outer = type(weights).bind, type(weights).outer

    def bound(self, w):
        real = bind(self, w)

        def matmul(x, plus=None):
            counted.append(2 * stored * x.shape[1] * x.any())  # h_0 = 0 is multiplied, and not counted
            return real.matmul(x, plus)

        def matmul_t(dy, times=None):
            counted.append(2 * stored * dy.shape[1])
            return real.matmul_t(dy, times)

        return argparse.Namespace(matmul=matmul, matmul_t=matmul_t)

    def summed(self, dy, x):
        counted.append(2 * stored * dy.shape[0] * dy.shape[2])
        return outer(self, dy, x)

    monkeypatch.setattr(type(weights), "bind", bound)
    monkeypatch.setattr(type(weights), "outer", summed)
    params = model.init(np.random.default_rng(1))
    logits, cache = model.forward(params, np.ones((steps, inputs, batch), np.float32))
    model.backward(np.ones_like(logits), cache)
    ends = 4 * batch * steps * n * inputs + 6 * batch * n * classes
    expected = sum(counted) + ends + 12 * stored
    assert cost.flops(n, p, storage, steps, inputs, classes, batch) == pytest.approx(expected, rel=1e-12)


def held(n, p, storage, dtype, steps, batch, signs=None):
    """Bytes allocated while a network is made and trained: (held after a step, peak)."""
    rng, after = np.random.default_rng(0), []
    data = ms.Dataset(
        "toy", np.zeros((3 * batch, steps, 2), np.float32), np.zeros(3 * batch, int),
        np.zeros((2 * batch, steps, 2), np.float32), np.zeros(2 * batch, int), 2,
    )  # fmt: skip
    tracemalloc.start()
    try:
        pattern = ms.full(n, n) if p == 1 else ms.bernoulli(n, n, p, rng)
        model = ms.RNN(2, ms.make_weights(pattern, storage), 2)
        params = model.init(rng, dtype=dtype, signs=signs)
        hook = [lambda run: after.append(tracemalloc.get_traced_memory()[0])]
        ms.fit(model, params, ms.Adam(), data, 1, rng, batch_size=batch, after_step=hook, quiet=True)
        return after[-1], tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.skipif("numba" not in kernels.table(np.empty(0)).__name__, reason="without Numba Adam has temporaries")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("p", "storage", "signs"), [(1, "dense", False), (1, "dense", True), (0.3, "dense", False), (0.3, "csr", True)]
)
def test_memory_is_what_is_allocated_from_the_pattern_to_the_last_step(p, storage, signs, dtype):
    n, steps, batch = 700, 2, 2
    for small in (20, 200):  # kernels of either size, and imports, are there
        held(small, p, storage, dtype, steps, batch)
    after, peak = held(n, p, storage, dtype, steps, batch, np.ones((n, 1)) if signs else None)
    expected = cost.memory(n, p, storage, dtype) + cost.activations(n, steps, batch, storage, dtype)
    beside = 30 * n * np.dtype(dtype).itemsize + 50_000  # input, readout, biases, their moments
    assert 0.98 * expected <= after <= 1.01 * expected + beside
    assert peak <= 1.01 * expected + beside


def test_the_index_arrays_of_a_csr_matrix_take_what_is_said():
    weights = ms.make_weights(ms.bernoulli(200, 200, 0.3, np.random.default_rng(0)), "csr")
    w = weights.from_values(np.zeros(weights.nnz, np.float32))
    columns, order = weights._columns(w)
    rows = weights._rows(w)
    found = sum(a.nbytes for a in (rows.indptr, rows.indices, columns.indptr, columns.indices, order))
    said = cost.memory(200, weights.nnz / 200**2, "csr") - 5 * w.nbytes
    assert found == said


@pytest.mark.parametrize(("storage", "p"), [("dense", 1), ("csr", 0.3)])
def test_activations_are_what_a_long_run_allocates(storage, p):
    n, steps, batch = 120, 40, 100
    held(n, p, storage, np.float32, 3, batch)  # kernels are there
    _, peak = held(n, p, storage, np.float32, steps, batch)
    said = cost.activations(n, steps, batch, storage) + cost.memory(n, p, storage)
    assert 0.8 * said <= peak <= 1.2 * said


def test_what_does_not_fit_is_refused_before_anything_is_made(monkeypatch):
    monkeypatch.setattr(cost, "available", lambda: 24 * 10**9)
    tracemalloc.start()
    with pytest.raises(ms.UserError) as caught:
        cost.preflight(50_000, 1, "dense")
    with pytest.raises(ms.UserError) as sparse:
        cost.preflight(50_000, 0.01, "dense")
    with pytest.raises(ms.UserError) as other_way:
        cost.preflight(35_000, 1, "csr")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    fits = int(str(caught.value).split("some ")[1].split(" neurons")[0].replace(",", ""))
    assert str(caught.value) == (
        "n=50,000 dense needs 40 GB (16 bytes per weight), 24 GB are free; "
        f"at density 1 some {fits:,} neurons fit; lower --nodes or --density"
    )
    cost.preflight(fits, 1, "dense")
    assert 38_000 < fits < 38_800
    assert str(sparse.value) == (
        "n=50,000 dense needs 50 GB (20.1 bytes per weight), 24 GB are free; at density 0.01 csr needs 800 MB: "
        "--storage csr"
    )
    assert str(other_way.value).endswith("at density 1 dense needs 20 GB: --storage dense")
    cost.preflight(50_000, 0.01, "csr")
    cost.preflight(50_000, 0.01)
    cost.preflight(50_000, 0.01, "grouped")
    with pytest.raises(ms.UserError, match="at density 1 dense needs 20 GB: --storage dense"):
        cost.preflight(35_000, 1, "grouped")
    with pytest.raises(ms.UserError, match="density must be above 0"):
        cost.preflight(10, 0, "csr")


def test_on_a_gpu_more_is_counted_and_the_sentence_names_it(monkeypatch):
    places, synapses = 5000**2, 2_500_000
    on_host = cost.memory(5000, 0.1, "csr")
    monkeypatch.setattr(cost, "current_module", lambda: types.SimpleNamespace(__name__="cupy"))
    monkeypatch.setattr(cost, "available", lambda: 10**8)
    assert cost.memory(5000, 0.1, "csr") == on_host + 4 * synapses + 8 * 5001 + 4 * places
    assert cost.activations(100, 28, 10, "csr") == cost.activations(100, 28, 10, "dense") == 5 * 28 * 10 * 100 * 4
    with pytest.raises(ms.UserError, match=r"needs 190 MB .* 100 MB are free on the GPU; .* lower --nodes"):
        cost.preflight(5000, 0.1, "csr")


def test_an_estimate_adds_up_runs_and_takes_the_largest():
    rates = {"dense": 1e9, "csr": 1e8}
    small = {"nodes": 100, "density": 1, "storage": "dense", "epochs": 2}
    large = {"nodes": 800, "density": 0.1, "storage": "auto", "epochs": 3, "seed": 4}
    one, other, both = (cost.estimate(DIGITS, runs, rates=rates) for runs in ([small], [large], [small, large]))
    for key in ("flops", "seconds", "runs"):
        assert both[key] == pytest.approx(one[key] + other[key])
    assert both["bytes"] == max(one["bytes"], other["bytes"])
    own = cost.memory(100, 1, "dense") + cost.activations(100, 8, 100, "dense")
    assert one["bytes"] == own + cost.beside(100, 8, 10) + cost.samples_of(DIGITS) + cost.OVERHEAD
    assert one["seconds"] == pytest.approx(one["flops"] / 1e9)
    trained = 2 * len(DIGITS.x_train) * cost.flops(100, 1, "dense", 8, 8, 10, 1)
    assert 0.9 * one["flops"] < trained < 1.2 * one["flops"]
    few = cost.estimate(DIGITS, [{**large, "per_class": 5}], rates=rates)
    assert few["flops"] < 0.5 * other["flops"]
    layers = cost.estimate(DIGITS, [{**large, "model": "feedforward"}], rates=rates)
    assert layers["flops"] < 0.2 * other["flops"]


MEASURED = """
import json, resource, sys
import numpy as np
import minisparse as ms
from minisparse.lab import cost, recipes

run, (samples, steps, inputs) = json.loads(sys.argv[1]), json.loads(sys.argv[2])
rng = np.random.default_rng(0)


def trained(run, samples, steps, inputs, epochs=1):
    x = rng.random((samples + 200, steps, inputs), dtype=np.float32)
    y = rng.integers(0, 10, samples + 200)
    data = ms.Dataset("toy", x[:samples], y[:samples], x[samples:], y[samples:], 10)
    net = recipes.MODELS[run.get("model", "recurrent")](data, run["nodes"], run["density"], 0, storage=run["storage"])
    ms.fit(net.model, net.params, ms.Adam(), data, epochs, net.rng, after_step=net.after_step, quiet=True)
    return data


for nodes in (40, 300):  # kernels of either size are there
    trained({**run, "nodes": nodes}, 200, 3, 8)
def now():
    return 1024 * int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])


before = now()
open("/proc/self/clear_refs", "w").write("5")  # the peak from here on
data = trained(run, samples, steps, inputs)
peak = 1024 * int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
print(peak - before, cost.estimate(data, [{**run, "epochs": 1}], rates={"dense": 1e9, "csr": 1e9})["bytes"])
"""
CONFIGURATIONS = [  # of a run, and of its data: samples, steps in time, inputs
    ({"nodes": 3000, "density": 1, "storage": "dense"}, (1000, 28, 28)),
    ({"nodes": 2500, "density": 0.3, "storage": "dense"}, (1000, 28, 28)),
    ({"nodes": 4000, "density": 0.1, "storage": "csr"}, (1000, 28, 28)),
    ({"nodes": 1000, "density": 0.1, "storage": "csr"}, (30_000, 28, 28)),
    ({"nodes": 1000, "density": 1, "storage": "dense"}, (8000, 32, 96)),
    ({"nodes": 3000, "density": 0.1, "storage": "csr"}, (500, 8, 4000)),
    ({"nodes": 6000, "density": 0.2, "storage": "csr", "model": "feedforward"}, (10_000, 28, 28)),
]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of a process is read as Linux says it")
@pytest.mark.skipif("numba" not in kernels.table(np.empty(0)).__name__, reason="without Numba Adam has temporaries")
@pytest.mark.parametrize(("run", "sizes"), CONFIGURATIONS)
def test_the_estimate_of_a_run_is_within_ten_per_cent_of_the_peak_of_its_process(run, sizes):
    command = [sys.executable, "-c", MEASURED, json.dumps(run), json.dumps(sizes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peak, said = map(int, done.stdout.split())
    print(f"{run} {sizes}: peak {peak / 1e6:.0f} MB, estimate {said / 1e6:.0f} MB, {said / peak - 1:+.1%}")
    assert said == pytest.approx(peak, rel=0.1)


@pytest.mark.parametrize("nodes", [-5, 0, 2.5, float("nan"), "5", None])
def test_a_number_of_neurons_that_is_none_is_refused(nodes):
    run = {"nodes": nodes, "density": 1, "storage": "dense", "epochs": 1}
    for call in (
        lambda: cost.memory(nodes, 1, "dense"), lambda: cost.activations(nodes, 28, 100, "csr"),
        lambda: cost.flops(nodes, 1, "dense", 28, 28, 10, 100), lambda: cost.preflight(nodes, 1, "csr"),
        lambda: cost.estimate(DIGITS, [run], rates={"dense": 1.0}),
    ):  # fmt: skip
        with pytest.raises(ms.UserError, match="nodes must be a whole number of at least 1"):
            call()


def test_the_estimate_is_said_in_two_lines():
    found = {"flops": 3.2e15, "bytes": 1.6e9, "seconds": 7560}
    more = {**found, "runs": 2, "rates": {"dense": 8e10, "csr": 1.2e10}, "available": 24.1e9}
    assert cost.describe(more).splitlines() == [
        "cost: 2 runs, about 3.2e+15 FLOPs, 1.6 GB, 2.1 h on this machine",
        "      (products measured here: 80 GFLOP/s dense, 12 GFLOP/s csr; 24 GB of memory are free)",
    ]


def test_rates_are_measured_in_the_time_given():
    rates = cost.calibrate(0.1, ["csr"])
    assert list(rates) == ["csr"]
    assert 1e7 < rates["csr"] < 1e16
