"""``python -m minisparse``: what to paste into a bug report; ``selftest``: are the gradients right here?"""

import importlib
import importlib.metadata
import platform
import sys

import numpy as np

import minisparse
from minisparse import backend, data, kernels, processors, threads
from minisparse.errors import UserError


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def main() -> int:
    """Print versions, backend, threads and data folders."""
    print(f"minisparse {minisparse.__version__}, Python {platform.python_version()}, {platform.platform()}")
    for package in ("numpy", "scipy", "scikit-learn", "matplotlib", "numba", "threadpoolctl"):
        print(f"  {package} {_version(package)}")
    try:
        print(backend.describe())
    except UserError as error:
        print(f"backend: {error}")
    quota = processors.cpu_quota()
    granted = "none" if quota is None else f"{quota:g}"
    print(f"processors: {processors.cpu_count()} to use (affinity {processors.bound_to()}, quota {granted})")
    name = kernels.table(np.empty(0)).__name__.rpartition(".")[2]
    print(f"sparse kernels on the CPU: {name.removeprefix('with_')}")
    if name == "with_numba":
        import numba

        print(f"  numba threads {numba.get_num_threads()}")
    import scipy.linalg  # noqa: F401  (loads the BLAS that is reported below)
    import threadpoolctl

    threads.follow_quota()
    for pool in threadpoolctl.threadpool_info():
        print(f"  {pool['internal_api']} {pool.get('version')}: {pool['num_threads']} threads")
    for folder in data.folders():
        found = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else ["no such folder"]
        print(f"data folder {folder}: {', '.join(found) or 'empty'}")
    return 0


def command(argv: list[str]) -> int:
    """Do what the command line asks for; return the exit status."""
    if argv not in ([], ["selftest"]):
        print("usage: python -m minisparse [selftest]", file=sys.stderr)
        return 0 if argv in (["-h"], ["--help"]) else 2
    if not argv:
        return main()
    from minisparse import selftest

    try:
        return selftest.run()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))
