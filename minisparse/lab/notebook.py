"""Chapters as notebooks: the same text and code, with reStructuredText turned into Markdown."""

from __future__ import annotations

import ast
import json
import re
import shlex
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..files import write_aside
from . import folded
from .provenance import ROOT

INLINE = re.compile(
    r":math:`([^`]+)`|``(.+?)``|`([^`<]+?)\s*<([^>`]+)>`_+|:[a-z:]+:`([^`<]+?)(?:\s*<[^>`]*>)?`", re.DOTALL
)
"""Mathematics; a literal; a link, as text and address; any other role."""
UNDERLINES = {"=": "# ", "-": "## ", "~": "### "}
MATHS = re.compile(r"( *)\.\. math::(.*)")
TABLE = re.compile(r"( *)\.\. list-table::(.*)")
BRANCH = "notebooks"
"""The branch of the repository whose notebooks Colab and Binder open."""


def parts(source: str) -> Iterator[tuple[str, str]]:
    """Divide a percent script into cells.

    The docstring and the comments that follow ``# %%`` are text, all else is code.

    Parameters
    ----------
    source : str

    Yields
    ------
    (str, str)
        "markdown" and Markdown, or "code" and code.

    Examples
    --------
    >>> source = '\"\"\"\\nTitle\\n=====\\n\"\"\"\\n\\n# %%\\n# Let :math:`x = 1`.\\n\\nx = 1\\n'
    >>> list(minisparse.lab.notebook.parts(source))
    [('markdown', '# Title'), ('markdown', 'Let $x = 1$.'), ('code', 'x = 1')]
    """
    lines = source.splitlines()
    begin = 0
    if (text := ast.get_docstring(tree := ast.parse(source))) is not None:
        yield "markdown", markdown(text)
        begin = tree.body[0].end_lineno or 0
    for number, block in enumerate(re.split(r"^# %%.*\n?", "\n".join(lines[begin:]), flags=re.MULTILINE)):
        rest = block.splitlines()
        end = next((k for k, line in enumerate(rest) if not line.startswith("#")), len(rest)) if number else 0
        found = "markdown", markdown("\n".join(line[1:].removeprefix(" ") for line in rest[:end]))
        yield from ((kind, text) for kind, text in (found, ("code", "\n".join(rest[end:]).strip())) if text)


def markdown(text: str) -> str:
    """Return the Markdown of a chapter's reStructuredText: headings, lists, tables, literals, links, mathematics.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> minisparse.lab.notebook.markdown("Two\\n---\\n``W`` and\\n\\n.. math:: W = 2")
    '## Two\\n`W` and\\n\\n$$\\nW = 2\\n$$'
    """
    lines, done, plain = textwrap.dedent(text).splitlines(), [], []
    while lines:
        line = lines.pop(0)
        if found := MATHS.fullmatch(line) or TABLE.fullmatch(line):
            inside = [found[2]]
            while lines and (not lines[0].strip() or len(lines[0]) - len(lines[0].lstrip()) > len(found[1])):
                inside.append(lines.pop(0))
            shown = _displayed(inside) if MATHS.fullmatch(line) else _table(inside[1:])
            done += [_inline(plain), textwrap.indent(shown, found[1]), ""]
            plain = []
        elif lines and line and re.fullmatch(r"([=~-])\1{2,}", lines[0]) and len(lines[0]) >= len(line):
            plain.append(UNDERLINES[lines.pop(0)[0]] + line)
        else:
            plain.append(line)
    return "\n".join([*done, _inline(plain)]).strip()


def _inline(lines: Iterable[str]) -> str:
    def turned(match: re.Match) -> str:
        maths, literal, text, address, role = (part and re.sub(r"\s+", " ", part) for part in match.groups())
        if text:
            return f"[{text}]({address})"
        return f"${maths.strip()}$" if maths else f"`{literal or role}`"

    return INLINE.sub(turned, "\n".join(lines))


def _table(lines: Iterable[str]) -> str:
    """Return a list table, whose first row is its head, as a table."""
    rows: list[list[str]] = []
    for line in (line.strip() for line in lines):
        if re.match(r"\* -( |$)", line):
            rows.append([line[4:]])
        elif re.match(r"-( |$)", line):
            rows[-1].append(line[2:])
        elif line and rows:
            rows[-1][-1] += f" {line}"
    shown = ["| " + " | ".join(re.sub(r"\$.*?\$", _barless, _inline([cell])) for cell in row) + " |" for row in rows]
    return "\n".join([shown[0], "|---" * len(rows[0]) + "|", *shown[1:]])


def _barless(formula: re.Match) -> str:
    """Return a formula without the sign that ends a cell of a table."""
    return formula[0].replace(r"\|", r"\Vert ").replace("|", r"\vert ")


def _displayed(lines: Iterable[str]) -> str:
    """Return a block of mathematics; its paragraphs are aligned, as Sphinx does it."""
    parts = [part.strip() for part in re.split(r"\n\s*\n", "\n".join(line.strip() for line in lines)) if part.strip()]
    parts = [f"\\begin{{split}}{part}\\end{{split}}" if r"\\" in part else part for part in parts]
    whole = parts[0] if len(parts) == 1 else "\\begin{aligned}\n" + " \\\\\n".join(parts) + "\n\\end{aligned}"
    return f"$$\n{whole}\n$$"


def notebook(path: Path, flags: Sequence[str] = (), repository: str = "", backend: str = "") -> dict:
    """Return a chapter as a notebook, without output.

    Parameters
    ----------
    path : Path
        Of the script.
    flags : sequence of str
        Its command line, which stands in a cell of its own.
    repository : str
        Address of the project's Git repository: then the first cells open the notebook on Colab and Binder, and install
        minisparse where it is missing, as there.
    backend : str
        "cupy" for a notebook on a GPU.

    Returns
    -------
    dict
        In Jupyter's format 4.5.
    """
    heading, *rest = parts(path.read_text(encoding="utf-8"))
    asked = folded.as_markdown(path.stem)
    rest = [(kind, folded.insert(text, "## Read next", asked)) for kind, text in rest]
    stem = f"{path.stem}-{backend}" if backend else path.stem
    first = [heading, *_installing(repository, stem, "cuda12" if backend else "fast")] if repository else [heading]
    words = ", ".join(json.dumps(word) for word in (path.name, *flags))
    chosen = f'import os\n\nos.environ["BACKEND"] = "{backend}"\n' if backend else ""
    first.append(("code", f"{chosen}import sys\n\nsys.argv = [{words}]  # flags follow the name; --help lists them"))
    device = {"accelerator": "GPU", "colab": {"gpuType": "T4"}} if backend else {}
    return {
        "cells": [_cell(number, *found) for number, found in enumerate((*first, *rest))],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            **device,
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _installing(repository: str, stem: str, extra: str) -> Iterator[tuple[str, str]]:
    """Give a cell of badges, where the address is one of GitHub, and the cell that installs the library.

    A badge is text: its picture would come from the network.
    """
    address = repository.rstrip("/").removesuffix(".git")
    if found := re.search(r"github\.com[/:]([\w.-]+/[\w.-]+)$", address):
        colab = f"https://colab.research.google.com/github/{found[1]}/blob/{BRANCH}/{stem}.ipynb"
        binder = f"https://mybinder.org/v2/gh/{found[1]}/{BRANCH}?labpath={stem}.ipynb"
        yield "markdown", f"**[Open in Colab]({colab})** · **[Open in Binder]({binder})**"
    name = address.rpartition("/")[2]
    lines = (
        "import importlib.util",
        "",
        'if importlib.util.find_spec("minisparse") is None:',
        f"    !git clone --quiet --depth 1 {repository}",
        f'    %pip install --quiet -e "{name}[{extra}]"',
        f"    %cd {name}",
    )
    yield "code", "\n".join(lines)


def _cell(number: int, kind: str, text: str) -> dict:
    cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text.splitlines(keepends=True)}
    return {**cell, "execution_count": None, "outputs": []} if kind == "code" else cell


def write_notebooks(folder: Path, flags: str = "", repository: str = "") -> list[Path]:
    """Write every chapter of this checkout as a notebook; with a repository also dale for a GPU, dale-cupy.

    Parameters
    ----------
    folder : Path
        Made if it is missing.
    flags : str
        Of every chapter's command line.
    repository : str
        As for `notebook`.

    Returns
    -------
    list of Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    chapters = {path.stem: (path, "") for path in sorted((ROOT / "chapters").glob("*.py"))}
    if repository:
        chapters["dale-cupy"] = ROOT / "chapters" / "dale.py", "cupy"
    for stem, (path, backend) in chapters.items():
        made = notebook(path, shlex.split(flags), repository, backend)
        text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
        write_aside(folder / f"{stem}.ipynb", lambda file, text=text: file.write(text.encode()))
    return [folder / f"{stem}.ipynb" for stem in chapters]
