"""Whole programs: imports and first steps, the chapters' short runs, and training where Numba is not installed."""

from __future__ import annotations

import json
import shutil
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
CACHED, COLD = 2, 8
"""Bars: a first step with compiled kernels at hand, over `import numba`; seconds of one that has to compile them."""
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
        sides = {words: Call(lambda words=words: _kept("-c", words)) for words in (base, "import minisparse")}
        if not lacking("numba"):
            program = Path(folder) / "one_line.py"  # Numba caches what stands in a file
            program.write_text(ONE_LINE)
            sides["one line, compiled"] = Call(lambda: _kept(str(program)))
        sides["first step, compiled"] = Call(lambda: _kept("-c", FIRST_STEP))
        for made in compare("a new process", sides, base, same=(), rounds=1 if quick else None):
            bar = f"; bar {CACHED}" if made["quantity"].startswith("first step") else ""
            yield made | {"remark": made["remark"] + bar}
    for name, run in {} if quick or lacking("numba") else {"empty": _cold, "that cannot be written": _no_cache}.items():
        case, quantity = f"a new process, a cache {name}", "first step, compiling"
        try:
            yield row(case, quantity, [Call(run)()], "s", f"bar {COLD} s")
        except ProgramError as error:
            yield not_run(case, quantity, str(error), "FAILED")


def _kept(*words: str) -> None:
    """Run Python as a user does: what is compiled stays on the disk, Python's own byte code, too."""
    python(*words, PYTHONDONTWRITEBYTECODE="")


def _cold() -> None:
    """Take a first step where no compiled kernel lies in the cache."""
    with tempfile.TemporaryDirectory() as fresh:
        python("-c", FIRST_STEP, NUMBA_CACHE_DIR=fresh)


def _no_cache() -> None:
    """Take a first step of an installed copy that Numba finds no place for a cache beside, nor in the home folder.

    A file stands where each folder would have to be made: permissions do not stop an administrator.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "minisparse")
        shutil.copytree(ROOT / "minisparse", copy, ignore=shutil.ignore_patterns("__pycache__"))
        for each in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
            (each / "__pycache__").touch()
        nowhere = str(copy / "py.typed" / "home")
        homes = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "NUMBA_CACHE_DIR"), nowhere)
        python("-c", FIRST_STEP, folder=Path(folder), PYTHONDONTWRITEBYTECODE="1", **homes)


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
