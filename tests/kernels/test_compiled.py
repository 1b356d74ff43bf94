"""Compiled kernels without a folder to keep them, from files that were cut short, and where Numba is switched off."""

import math
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import minisparse as ms
from minisparse import kernels

numba = pytest.importorskip("numba")
from minisparse.kernels import compiled  # noqa: E402 - it needs Numba

PACKAGE = Path(ms.__file__).parent
PRODUCT = """
import numpy as np, minisparse as ms
w = ms.make_weights(ms.full(3, 3), "csr")
print(w.bind(np.arange(9.0)).matmul(np.ones((3, 2)))[:, 0])
"""


def product(tmp_path, **environment):
    """Compute a product in a process of its own; return what it says on stderr."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-c", PRODUCT], capture_output=True, text=True, env={**clean, **environment}, cwd=tmp_path
    )
    assert done.stdout == "[ 3. 12. 21.]\n", done.stderr
    return [line for line in done.stderr.splitlines() if "compiling sparse kernels" not in line]


def without_a_folder(tmp_path):
    """Return the environment of a copy of the package beside which nothing can be written, as in a container."""
    shutil.copytree(PACKAGE, tmp_path / "site/minisparse", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "site/minisparse/kernels/__pycache__").write_text("not a folder")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    return {"PYTHONPATH": str(tmp_path / "site"), "HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null",
            "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has its cache in another place")
def test_without_a_folder_beside_the_package_the_temporary_one_is_taken(tmp_path):
    environment = without_a_folder(tmp_path)
    folder = tmp_path / "temporary" / f"minisparse-kernels-{os.getuid()}"
    (line,) = product(tmp_path, **environment)
    assert line.startswith("minisparse: no folder for compiled kernels can be written")
    assert line.endswith(f"they are kept in {folder}")
    assert folder.stat().st_mode & 0o777 == 0o700
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.nbc")}
    assert kept
    product(tmp_path, **environment)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.nbc")} == kept, "and used again"
    folder.chmod(0o777)
    assert product(tmp_path, **environment)[0].endswith("each process compiles them"), "others may write there"


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_a_file_that_is_cut_short_is_compiled_again(tmp_path, ending):
    product(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    files = list((tmp_path / "cache").rglob(f"*.{ending}"))
    assert files
    for path in files:
        os.truncate(path, path.stat().st_size // 2)
    (line,) = product(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    assert line.startswith("minisparse: a file of compiled kernels in ")
    assert line.endswith(" is damaged; they are compiled again")
    assert product(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "cache")) == []


@pytest.mark.slow
@pytest.mark.parametrize("value", ["0", "abc", "99999", "-1"])
def test_a_number_of_threads_that_is_none_is_said_and_not_taken(tmp_path, value):
    (line,) = product(tmp_path, NUMBA_NUM_THREADS=value)
    assert line.startswith(f"minisparse: NUMBA_NUM_THREADS={value} is no number from 1 to ")


@pytest.mark.slow
def test_where_numba_is_switched_off_scipy_computes(tmp_path):
    (line,) = product(tmp_path, NUMBA_DISABLE_JIT="1")
    assert line == "minisparse: no kernels with numba (NUMBA_DISABLE_JIT is set); the next library takes over"


@pytest.mark.parametrize(
    ("wanted", "quota", "taken", "said"),
    [("", None, None, 0), ("", 2.0, "2", 0), ("0", None, "4", 1), ("abc", 1.5, "2", 1), ("32", None, "32", 0),
     ("33", None, "4", 1), ("3", 1.0, "3", 0)],
)  # fmt: skip
def test_threads_are_set_where_nobody_has_or_not_to_a_number(monkeypatch, capsys, wanted, quota, taken, said):
    monkeypatch.delitem(sys.modules, "numba")  # as before its import
    monkeypatch.setattr(kernels, "bound_to", lambda: 4)
    monkeypatch.setattr(kernels, "cpu_count", lambda: 4 if quota is None else math.ceil(quota))
    monkeypatch.setenv("NUMBA_NUM_THREADS", wanted) if wanted else monkeypatch.delenv("NUMBA_NUM_THREADS", False)
    kernels.say.cache_clear()
    kernels.choose_threads()
    assert os.environ.get("NUMBA_NUM_THREADS") == taken
    assert capsys.readouterr().err.count("is no number from 1 to") == said


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Return what loads a file with a function to compile, as a new process would."""
    kernels.say.cache_clear()
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    source = tmp_path / "own.py"
    source.write_text("def doubled(a):\n    return a + a\n")

    def load(**options):
        return compiled.compiled(**options)(runpy.run_path(str(source))["doubled"])

    return load


def test_a_damaged_file_is_compiled_again_and_mended(own, tmp_path, capsys):
    assert own()(2.0) == 4
    (index,) = tmp_path.rglob("*.nbi")
    for size in (0, index.stat().st_size // 2):
        os.truncate(index, size)
        kernels.say.cache_clear()
        assert own()(2.0) == 4
        assert capsys.readouterr().err.count("is damaged; they are compiled again") == 1
    again = own()
    assert again(2.0) == 4
    assert sum(again.stats.cache_hits.values()) == 1
    assert not capsys.readouterr().err


def test_code_with_threads_is_kept_apart_from_that_without(own):
    assert own()(2.0) == 4
    given = (numba.float64,), own().targetctx
    assert own()._cache.load_overload(*given) is not None
    threaded = own(parallel=True)._cache
    assert threaded.load_overload(*given) is None
    threaded._said.cancel()


def test_what_takes_long_to_compile_is_said_once(own, monkeypatch, capsys):
    monkeypatch.setattr(compiled, "PATIENCE", 0)
    doubled = own()
    assert doubled(2.0) == 4
    assert doubled(2) == 4
    assert capsys.readouterr().err.count("compiling sparse kernels, once") == 1
    kernels.say.cache_clear()
    assert own()(2.0) == 4
    assert not capsys.readouterr().err


@pytest.mark.parametrize("part", ["_load_overload", "_guard_against_spurious_io_errors"])
def test_with_a_numba_that_names_its_parts_otherwise_its_own_way_is_taken(own, monkeypatch, capsys, part):
    assert own()(2.0) == 4
    ways = []
    monkeypatch.setattr(compiled._Cache, part, property(lambda cache: cache.no_such_part))
    monkeypatch.setattr(compiled.FunctionCache, "load_overload", lambda *given: ways.append("Numba's"))
    assert own()(2.0) == 4
    assert ways == ["Numba's"]
    assert "damaged" not in capsys.readouterr().err


def test_a_full_disk_is_said_and_what_was_compiled_runs(own, monkeypatch, capsys):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    doubled = own()
    monkeypatch.setattr(doubled._cache._cache_file, "save", full)
    assert doubled(2.0) == 4
    assert doubled(2) == 4
    assert capsys.readouterr().err.count("cannot be kept") == 1


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows gives each user a temporary folder")
def test_code_is_kept_in_no_folder_that_others_may_write_to(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    folder = tmp_path / f"minisparse-kernels-{os.getuid()}"
    find = compiled._temporary_folder.__wrapped__
    kernels.say.cache_clear()
    assert find() == str(folder)
    folder.chmod(0o770)
    assert find() == ""
    folder.rmdir()
    (tmp_path / "another").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "another")
    assert find() == ""
    folder.unlink()
    folder.write_text("a file")
    assert find() == ""
    assert capsys.readouterr().err.count("each process compiles them") == 1
