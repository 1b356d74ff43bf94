"""The support matrix: every Python, the oldest and the newest libraries, without Numba, and which wheels exist.

nox                                  # a quick part of the tests in every session; missing interpreters are skipped
nox -s newest-3.13 lowest-3.10       # two of them; nox -l lists all
nox -s newest-3.13 -- --full         # all default tests
nox -s newest-3.13 -- tests/test_rnn.py -k gradient    # what comes after -- goes to pytest
nox -s wheels                        # asks the package index for wheels of other systems; nothing is installed
"""

from __future__ import annotations

import configparser

import nox
from nox.command import CommandFailed

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
OLD = ("3.10", "3.12")
"""The first Python that is supported, and the last for which the oldest libraries have wheels."""
QUICK = (
    *("tests/test_rnn.py", "tests/test_mlp.py", "tests/test_checkpoint.py", "tests/test_fork.py", "tests/test_plot.py"),
    *("tests/test_processors.py", "tests/kernels/test_products.py", "tests/kernels/test_compiled.py"),
    *("tests/kernels/test_with_scipy.py", "tests/estimators"),
)
PLATFORMS = {
    "Linux arm64": ("manylinux2014_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64"),
    "Linux x86-64, musl": ("musllinux_1_1_x86_64", "musllinux_1_2_x86_64"),
    "Linux arm64, musl": ("musllinux_1_1_aarch64", "musllinux_1_2_aarch64"),
    "macOS arm64": ("macosx_11_0_arm64", "macosx_12_0_arm64", "macosx_14_0_arm64"),
    "Windows x86-64": ("win_amd64",),
    "Windows arm64": ("win_arm64",),
}
nox.options.sessions = ["newest", "lowest", "without_numba"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.stop_on_first_error = False


def required(extra: str = "") -> list[str]:
    """Return what setup.cfg asks for."""
    config = configparser.ConfigParser()
    config.read("setup.cfg")
    text = config["options.extras_require"][extra] if extra else config["options"]["install_requires"]
    return [line.strip() for line in text.splitlines() if line.strip()]


def tests(session: nox.Session, *installed: str) -> None:
    """Install these, say the versions, and run the self-test and the tests."""
    session.install(*installed)
    session.env["NUMBA_CACHE_DIR"] = session.create_tmp()
    session.run("python", "-m", "minisparse")
    session.run("python", "-m", "minisparse", "selftest")
    given = [flag for flag in session.posargs if flag != "--full"]
    names = () if session.posargs else QUICK
    session.run("python", "-m", "pytest", "-q", *names, *given)


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """Run the tests with the newest libraries that a Python has."""
    tests(session, "-e", ".[fast,test]")


@nox.session(python=OLD)
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest libraries that setup.cfg promises."""
    oldest = [line.replace(">=", "==") for line in [*required(), *required("fast")]]
    tests(session, "-e", ".[fast,test]", *oldest)


@nox.session(python=PYTHONS[3])
def without_numba(session: nox.Session) -> None:
    """Run the tests with SciPy's kernels."""
    tests(session, "-e", ".[test]")


@nox.session(python=False)
def wheels(session: nox.Session) -> None:
    """Say for which systems every required package has a wheel, and for which Numba has one too."""
    version = next((flag for flag in session.posargs if flag in PYTHONS), PYTHONS[2])
    for name, tags in PLATFORMS.items():
        found = [_resolves(session, version, tags, lines) for lines in (required(), [*required(), *required("fast")])]
        session.log(
            f"Python {version}, {name}: {'yes' if found[0] else 'no'}, with Numba {'yes' if found[1] else 'no'}"
        )


def _resolves(session: nox.Session, version: str, tags: tuple[str, ...], lines: list[str]) -> bool:
    """Whether pip finds wheels of all packages and of what these need; it reads their metadata and installs nothing."""
    command = ("python3", "-m", "pip", "install", "--dry-run", "--ignore-installed", "--only-binary=:all:", "--quiet")
    platforms = [part for tag in tags for part in ("--platform", tag)]
    where = ("--target", session.create_tmp(), "--python-version", version)
    try:
        session.run(*command, *where, *platforms, *lines, external=True, silent=True)
    except CommandFailed:
        return False
    return True
