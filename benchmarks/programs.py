"""Whole programs: imports and first steps, the chapters' short runs, and training where Numba is not installed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import timing
from .peers import ROOT, ProgramError, lacking, python
from .timing import Call, compare, not_run, row

FIRST_STEP = """
import numpy as np, minisparse as ms
rng = np.random.default_rng(0)
model = ms.RNN(28, ms.CsrWeights(ms.bernoulli(200, 200, 0.1, rng)), 10)
params, opt = model.init(rng), ms.Adam()
logits, cache = model.forward(params, rng.random((28, 28, 100), np.float32))
loss, dlogits = ms.softmax_cross_entropy(logits, rng.integers(0, 10, 100))
opt.step(params, model.backward(dlogits, cache))
"""
ONE_LINE = """
import numba, numpy

@numba.njit(cache=True)
def double(x):
    return 2 * x

double(numpy.ones(1, numpy.float32))
"""
"""What any program pays that calls a compiled function of Numba's, be it read from the cache."""
WITHOUT_NUMBA = """
import json, sys
sys.modules["numba"] = None
from benchmarks import networks, timing
timing.PAUSE, timing.ROUNDS = {pause}, {rounds}
for row in networks.storages_side_by_side({n}, {p}):
    print(json.dumps(row))
"""


def startup(quick: bool) -> Iterator[dict]:
    """Seconds until the library is there and the first step is done, over those of importing Numba (or NumPy)."""
    base = "import numpy" if lacking("numba") else "import numba"
    with tempfile.TemporaryDirectory() as folder:

        def cold() -> None:
            with tempfile.TemporaryDirectory() as fresh:
                python("-c", FIRST_STEP, NUMBA_CACHE_DIR=fresh)

        sides = {words: Call(lambda words=words: python("-c", words)) for words in (base, "import minisparse")}
        if not lacking("numba"):
            program = Path(folder) / "one_line.py"  # Numba caches what stands in a file
            program.write_text(ONE_LINE)
            sides["one line, compiled"] = Call(lambda: python(str(program)))
        sides["first step, compiled"] = Call(lambda: python("-c", FIRST_STEP))
        yield from compare("a new process", sides, base, same=(), rounds=1 if quick else None)
        if not quick:
            yield row("a new process", "first step, compiling", [Call(cold)()], "s")


def chapters(quick: bool) -> Iterator[dict]:
    """Seconds of each chapter's --smoke run, once."""
    for path in sorted((ROOT / "chapters").glob("gain.py" if quick else "*.py")):
        with tempfile.TemporaryDirectory() as out:
            run = Call(lambda path=path, out=out: python(str(path), "--smoke", "--out", out))
            try:
                yield row(path.name, "--smoke", [run()], "s")
            except ProgramError as error:
                yield not_run(path.name, "--smoke", str(error), "FAILED")


def no_numba(quick: bool) -> Iterator[dict]:
    """CSR against dense storage where Numba is not installed."""
    for p in (0.05, 0.01):
        program = WITHOUT_NUMBA.format(n=300 if quick else 2000, p=p, pause=timing.PAUSE, rounds=timing.ROUNDS)
        for line in python("-c", program).splitlines():
            yield json.loads(line)
