"""Storage by rows: index arrays once, and the memory of a large sparse network."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.layers import bernoulli, storages

import minisparse as ms


@storages
def test_index_arrays_are_made_once(storage, monkeypatch):
    rng = np.random.default_rng(0)
    weights = ms.make_weights(bernoulli(5, 5, 0.5, rng), storage)
    w, x = weights.from_values(rng.standard_normal(weights.nnz)), np.ones((5, 2))
    for _ in range(2):
        weights.bind(w).matmul_t(x)
        weights.outer(x, x)
    monkeypatch.setattr(ms.Pattern, "transposed", property(lambda self: pytest.fail("sorted again")))
    monkeypatch.setattr(ms.Pattern, "mask", lambda self: pytest.fail("spread again"))
    weights.bind(w).matmul_t(x)
    weights.outer(x, x)


LARGE = """
import resource, sys, tempfile
from pathlib import Path
import numpy as np, minisparse as ms
n = 20_000
pattern = ms.bernoulli(n, n, 0.01, np.random.default_rng(0))
assert abs(pattern.nnz - 4_000_000) < 20_000
model = ms.RNN(28, ms.make_weights(pattern), 10)
assert model.weights["W_rec"].storage == "csr"
params, opt = model.init(np.random.default_rng(1)), ms.Adam()
x = np.ones((2, 28, 3), np.float32)
logits, cache = model.forward(params, x)
opt.step(params, model.backward(logits, cache))
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "large.npz"
    ms.save(path, model, params, opt)
    assert path.stat().st_size < 100e6
    again = model.init(np.random.default_rng(2))
    fresh = ms.Adam()
    ms.load_checkpoint(path, model, again, fresh)
for name in params:
    assert np.array_equal(params[name], again[name])
    assert np.array_equal(opt.state["v." + name], fresh.state["v." + name])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="resource is a POSIX module")
def test_twenty_thousand_neurons_are_built_trained_and_saved_without_a_full_matrix():
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    peak = int(done.stdout)
    print(f"peak {peak / 1e9:.2f} GB; a full float32 matrix alone has 1.6 GB")
    assert peak < 1.6e9


ROOT = Path(__file__).parents[2]


STEPS = """
import resource, sys
import numpy as np
import minisparse as ms
nodes, density, steps = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(0)
images, labels = rng.random((100 * steps, 28, 28), dtype=np.float32), rng.integers(0, 10, 100 * steps)
data = ms.Dataset("noise", images, labels, images[:100], labels[:100], 10)
weights = ms.make_weights(ms.bernoulli(nodes, nodes, density, rng), "csr")
model = ms.RNN(28, weights, 10)
params = model.init(rng)
before = params["W_rec"].copy()
ms.fit(model, params, ms.Adam(), data, 1, rng, quiet=True)
assert (params["W_rec"] != before).mean() > 0.2
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("nodes", "steps", "megabytes"), [(10_000, 3, 2048), (20_000, 1, 4096)])
def test_a_large_sparse_network_trains_in_little_memory(nodes, steps, megabytes):
    command = [sys.executable, "-c", STEPS, str(nodes), "0.01", str(steps)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < megabytes
    print(f"{nodes} neurons: {done.stdout.strip()} MiB at most")
