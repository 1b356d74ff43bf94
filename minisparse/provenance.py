"""What made a row: command, commit, versions, and a hash of the sources that changes when what they do does."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .backend import describe

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("numpy", "scipy", "scikit-learn", "numba", "cupy")
UNREAD = ("ctx", "kind", "type_comment")
"""Fields of a syntax tree that follow from where a node stands, or are text."""


def stamp(command: str, chapter: str = "", also: Iterable[str] = ()) -> dict:
    """Say what made a row: command, commit, versions, backend, and a hash of the sources in use.

    Parameters
    ----------
    command : str
    chapter : str
        Name of the chapter's script.
    also : list of str
        Further sources, relative to the checkout if they are inside.

    Returns
    -------
    dict
    """
    loaded = {module.__file__ for name, module in list(sys.modules.items()) if name.partition(".")[0] == "minisparse"}
    own = [f"chapters/{chapter}.py"] if chapter else []
    files = sorted({*(str(Path(file).relative_to(ROOT)) for file in loaded), *own, *also})
    return {
        "command": command,
        "commit": _commit(),
        "backend": describe(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES if _version(name)},
        "sources": files,
        "sources_sha256": sources_hash(files),
    }


def renew(made_by: dict) -> dict:
    """Stamp again with what is loaded by now; if a source was edited since, what it was then stands."""
    return made_by if has_changed(made_by) else stamp(made_by["command"], also=made_by["sources"])


def sources_hash(files: Iterable[str]) -> str:
    """Return one hash over what source files do (paths relative to the checkout).

    Of Python that is its syntax tree without docstrings: comments, layout and docstrings are text, and editing them
    leaves the hash as it is. Any other file counts byte by byte, and so does Python that does not parse.

    Parameters
    ----------
    files : iterable of str
        A file that is not there counts as empty.

    Returns
    -------
    str
        64 hexadecimal digits, the same on every supported version of Python.
    """
    digest = hashlib.sha256()
    for file in files:
        path = ROOT / file
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{file}\0{_meaning(content, path.suffix == '.py')}\0".encode())
    return digest.hexdigest()


@functools.lru_cache(maxsize=1024)
def _meaning(content: bytes, is_python: bool) -> str:
    """Return a hash of what a file does."""
    if is_python:
        with contextlib.suppress(SyntaxError, ValueError):
            content = _tree(ast.parse(content)).encode("utf-8", "backslashreplace")
    return hashlib.sha256(content).hexdigest()


def _tree(node: Any) -> str:
    """Return a syntax tree as text: node types and fields by name, without what holds nothing, position or text.

    `ast.dump` would do, but what it writes of empty fields changes from one version of Python to the next.
    """
    if isinstance(node, list):
        return f"[{','.join(_tree(item) for item in node if not _is_text(item))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, []) and name not in UNREAD]
    return f"{type(node).__name__}({','.join(f'{name}={_tree(value)}' for name, value in fields)})"


def _is_text(statement: Any) -> bool:
    """Whether a statement is a string and nothing else: a docstring, wherever it stands."""
    return isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str)


@functools.cache
def library_hash() -> str:
    """Return a hash of all of the library, taken once: later edits are not what this process has loaded."""
    return sources_hash(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "minisparse").rglob("*.py")))


def has_changed(made_by: dict) -> bool:
    """Whether sources have changed since they were stamped; only a row whose sources have not saves running a cell."""
    return sources_hash(made_by["sources"]) != made_by["sources_sha256"]


def is_stale(row: dict) -> bool:
    """Whether the sources that made a row have changed since, and so have those that confirmed it, if any have."""
    return has_changed(row["made_by"]) and ("confirmed" not in row or has_changed(confirmation(row)))


def confirmation(row: dict) -> dict:
    """Return the stamp of the sources that `again.confirm` has found to agree with a row: its own, and further ones."""
    confirmed = row["confirmed"]
    return {**confirmed, "sources": sorted({*row["made_by"]["sources"], *confirmed["also"]})}


@functools.cache
def _commit() -> str:
    try:
        git = ["git", "-C", str(ROOT)]
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        dirty = subprocess.run(
            [*git, "status", "--porcelain", "--", "minisparse", "chapters/*.py"], capture_output=True, text=True
        )
        return head.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
