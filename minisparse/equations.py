"""Read a line of the library by its equation tag, so that a chapter shows the code that runs and never a copy."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from .errors import InputError

TAG = re.compile(r"^(?P<code>.*\S)\s+# \((?P<tag>[A-Z]\d+)\)(?:\s.*)?$")


@functools.cache
def _lines() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = TAG.match(line)
            if match:
                place = f"{path.relative_to(package.parent).as_posix()}:{number}"
                if match["tag"] in found:
                    raise InputError(f"equation tag {match['tag']} is at {found[match['tag']][1]} and at {place}")
                found[match["tag"]] = match["code"].strip(), place
    return found


def code_line(tag: str) -> str:
    """Return the tagged line of the library's source.

    Parameters
    ----------
    tag : str
        Such as "R7": a letter per family (A affine, L loss, R recurrent, C convolution, D normalisation, E evolution).

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If no line, or more than one, carries the tag.

    Examples
    --------
    >>> minisparse.code_line("R7")
    'da[t] = W.matmul_t(da[t + 1], times=slope(kept[t]))'
    """
    if not isinstance(tag, str) or tag not in _lines():
        raise InputError(f"no line of the library carries the equation tag {tag}; there are {', '.join(_lines())}")
    return _lines()[tag][0]


def module_of(tag: str) -> str:
    """Return the name of the module that carries a tag.

    Examples
    --------
    >>> minisparse.equations.module_of("L1")
    'minisparse.losses'
    """
    code_line(tag)
    return _lines()[tag][1].rpartition(":")[0].removesuffix(".py").replace("/", ".")


def tags() -> tuple[str, ...]:
    """Return every equation tag in the library.

    Examples
    --------
    >>> "L1" in minisparse.equations.tags()
    True
    """
    return tuple(_lines())
