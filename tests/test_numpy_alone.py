"""NumPy alone is enough for the library and three chapters, as in a browser: no threads, no file written elsewhere."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BROWSER = """
import os, runpy, sys
GONE = {"matplotlib", "scipy", "numba", "sklearn", "joblib", "threadpoolctl", "tqdm", "pooch", "sympy", "cupy"}
HOME = os.getcwd() + os.sep
seen = []

class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in GONE else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)

def watch(event, args):
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.system", "_thread.start_new_thread"):
        seen.append(event)
    writes = event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or event in ("os.mkdir", "os.rename", "os.remove"):
        place = args[0]
        if not isinstance(place, int) and not (os.path.realpath(os.fsdecode(place)) + os.sep).startswith(HOME):
            seen.append(f"{event} {place}")

sys.meta_path = [Without(finder) for finder in sys.meta_path]
sys.addaudithook(watch)
sys.argv = sys.argv[1:]
names = runpy.run_path(sys.argv[0], run_name="__main__")
import minisparse
print("from", minisparse.__file__)
print("kernels", minisparse.kernels._numpy_kernels())
print("seen", seen, sorted(GONE & set(sys.modules)))
"""
TRAINING = """
import numpy as np
import minisparse as ms
rng = np.random.default_rng(0)
x, y = rng.standard_normal((60, 5, 4)).astype("float32"), rng.integers(0, 3, 60)
own = ms.Dataset("own", x, y, x, y, 3)
for storage in ("dense", "csr", "grouped"):
    pattern = ms.group_to_group(12, 12, 3, p_between=0.3, rng=rng)
    model = ms.RNN(4, ms.make_weights(pattern, storage), 3)
    params = model.init(rng)
    ms.fit(model, params, ms.Adam(lr=1e-2), own, epochs=1, rng=rng, batch_size=10, checkpoint="run.npz", quiet=True)
    report = ms.check(model, model.init(rng, dtype=np.float64), rng.standard_normal((5, 4, 3)), y[:3])
    print(storage, "gradients agree" if report.ok else report)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Copy the library and its chapters: no repository around them, as in a browser."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("minisparse", "chapters"):
        left_out = shutil.ignore_patterns("__pycache__", "results")
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    (folder / "chapters" / "training.py").write_text(TRAINING, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("training", "grouped gradients agree"),
        ("bptt", "gradients agree"),
        pytest.param("checks", "a normalised layer", marks=pytest.mark.slow),
        pytest.param("equations", "Eq 6, p = 2 as printed", marks=pytest.mark.slow),
    ],
)
def test_with_nothing_but_numpy_it_runs_and_without_figures_a_line_says_so(name, said, copy, tmp_path):
    command = [sys.executable, "-c", BROWSER, str(copy / "chapters" / f"{name}.py"), "--smoke"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "PATH": ""},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *_, place, kernels, seen = done.stdout.splitlines()
    assert place == f"from {copy / 'minisparse' / '__init__.py'}"
    assert kernels == "kernels reference"
    assert seen == "seen [] []"
    assert said in done.stdout
    chapter = name != "training"
    assert done.stdout.count("Matplotlib is not installed, so there are no figures; all the rest runs") == chapter
    written = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {"rows.jsonl" if chapter else "run.npz"}
