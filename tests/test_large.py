"""Large sparse networks train in the memory that their synapses need."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
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
