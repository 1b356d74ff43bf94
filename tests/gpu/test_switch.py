"""``BACKEND`` decides where arrays are made, says plainly when it cannot, and importing minisparse costs nothing."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import strict_double

import minisparse

ROOT = Path(__file__).parents[2]
ASK = """
import minisparse
try:
    print("made", type(minisparse.asarray([1.0])))
except Exception as error:
    kinds = [kind.__name__ for kind in type(error).__mro__]
    print(*kinds, "|", error)
"""


def python(*args: str, **environment: str | None) -> subprocess.CompletedProcess:
    """Run Python in a process of its own with these environment variables (None: unset)."""
    names = {"BACKEND": None, **environment}
    env = {name: value for name, value in os.environ.items() if name not in names}
    env |= {name: value for name, value in names.items() if value is not None}
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, env=env, cwd=ROOT, timeout=120)


def answer(code: str = ASK, **environment: str | None) -> str:
    done = python("-c", code, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def fake_cupy(folder: Path, count: str, ones: str = "None") -> str:
    """Write a package that passes for CuPy, with expressions for its device count and for `ones`; return its path."""
    package = folder / "cupy"
    package.mkdir()
    (package / "__init__.py").write_text(
        f"""
import types
def getDeviceCount():
    return {count}
cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=getDeviceCount))
class ndarray: pass
def ones(*args, **kwargs):
    return {ones}
""",
        encoding="utf-8",
    )
    return str(folder)


NO_DRIVER = "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version"
RAISES = f"(_ for _ in ()).throw(OSError({NO_DRIVER!r}))"


@pytest.mark.parametrize("value", [None, "numpy"])
def test_numpy_is_the_default(value) -> None:
    assert answer(BACKEND=value) == "made <class 'numpy.ndarray'>"


def test_an_unknown_backend_lists_the_choices() -> None:
    kinds, message = answer(BACKEND="tensorflow").split(" | ")
    assert "ValueError" in kinds
    assert "'tensorflow'" in message
    assert "numpy, cupy" in message


def test_a_missing_cupy_is_answered_with_the_line_to_run() -> None:
    kinds, message = answer("import sys; sys.modules['cupy'] = None" + ASK, BACKEND="cupy").split(" | ")
    assert "ImportError" in kinds
    assert 'pip install "cupy-cuda12x[ctk]"' in message
    assert 'pip install "cupy-cuda13x[ctk]"' in message


@pytest.mark.parametrize(("count", "words"), [(RAISES, NO_DRIVER), ("0", "0 devices")])
def test_a_cupy_without_a_device_is_answered_in_cudas_words(tmp_path, count, words) -> None:
    kinds, message = answer(BACKEND="cupy", PYTHONPATH=fake_cupy(tmp_path, count)).split(" | ")
    assert "RuntimeError" in kinds
    assert words in message
    assert "nvidia-smi" in message
    assert "BACKEND=numpy" in message


NO_COMPILER = "DynamicLibNotFoundError: Failure finding libnvrtc.so"
NUMBERS = "__import__('numpy').ones(*args, **kwargs)"


@pytest.mark.parametrize(
    ("ones", "words"),
    [
        (
            f"(_ for _ in ()).throw(RuntimeError({NO_COMPILER!r} + chr(10) + 'and where it was looked for'))",
            NO_COMPILER,
        ),
        (f"2 * {NUMBERS}", "computes 16 as 64.0"),
    ],
)
def test_a_device_that_cannot_compute_is_refused(tmp_path, ones, words) -> None:
    kinds, message = answer(BACKEND="cupy", PYTHONPATH=fake_cupy(tmp_path, "1", ones)).split(" | ")
    assert "RuntimeError" in kinds
    assert words in message
    assert "looked for" not in message
    assert "[ctk]" in message or "16" in words


def test_importing_minisparse_imports_numpy_alone_and_starts_no_thread() -> None:
    code = """
import json, sys, threading
import numpy.random
before = set(sys.modules)
def others():
    new = {name.partition(".")[0] for name in set(sys.modules) - before}
    return sorted(new - set(sys.stdlib_module_names) - {"minisparse", "numpy"})
import minisparse
at_import = others()
minisparse.RNN, minisparse.Adam, minisparse.Dale, minisparse.fit, minisparse.make_weights, minisparse.check
print(json.dumps([at_import, others(), threading.active_count()]))
"""
    assert json.loads(answer(code)) == [[], [], 1]


@pytest.mark.parametrize("name", minisparse.__all__)
def test_every_public_name_is_importable_from_the_top(name) -> None:
    home = minisparse._HOME_OF.get(name, name)
    if importlib.util.find_spec(f"minisparse.{home}") is None:
        pytest.skip(f"minisparse.{home} is not written yet")
    value = getattr(minisparse, name)
    module = importlib.import_module(f"minisparse.{home}")
    assert value is (getattr(module, name) if name in minisparse._HOME_OF else module)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="nosuch"):
        minisparse.nosuch  # noqa: B018


def test_use_restores_the_backend_it_found() -> None:
    with minisparse.use("numpy"):
        with minisparse.use(strict_double.cupy):
            assert type(minisparse.asarray([1.0])) is strict_double.ndarray
        assert type(minisparse.asarray([1.0])) is np.ndarray


def test_functions_follow_their_arguments_and_refuse_a_mixture() -> None:
    with minisparse.use(strict_double.cupy) as xp:
        device = minisparse.asarray([1.0])
    assert minisparse.array_module(device, 2.0) is xp
    assert minisparse.array_module(np.ones(1), np.float32(1)) is np
    for mixture in ((device, np.ones(1)), (np.ones(1), device)):
        with pytest.raises(TypeError, match="numpy") as caught:
            minisparse.array_module(*mixture)
        assert "strict_double" in str(caught.value)


def test_device_tests_skip_without_a_device_unless_one_is_required(tmp_path) -> None:
    nowhere = {"PYTHONPATH": fake_cupy(tmp_path, RAISES)}
    one = ["-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/gpu/test_on_device.py", "-k", "dale"]
    assert "deselected" in python(*one, **nowhere).stdout
    skipped = python(*one, "-m", "gpu", **nowhere)
    assert skipped.returncode == 0
    assert NO_DRIVER in skipped.stdout
    required = python(*one, "--require-gpu", **nowhere)
    assert required.returncode == 1
    assert NO_DRIVER in required.stdout
