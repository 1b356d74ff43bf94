"""A whole pass as a notebook for nbgrader: solutions between marks, and a locked test with a point for each part."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from typing import Any

from .exercise import Pass
from .passes import task
from .passes import text as texts
from .report import Report

IMPORTS = "import numpy as np\n\nimport minisparse"


def notebook(name: str) -> dict[str, Any]:
    """Return the instructor's notebook of a whole pass, in the format of Jupyter (4.5) and nbgrader (3).

    Parameters
    ----------
    name : str
        Such as "linear".

    Returns
    -------
    dict
        To be written as JSON. ``nbgrader generate_assignment`` takes the solutions out.
    """
    exercise, module = Pass(name), task(name)
    source = texts.source(module)
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    backward = ast.get_source_segment(source, functions["backward"]) or ""
    backward = backward.replace("# BEGIN SOLUTION", "### BEGIN SOLUTION").replace("# END SOLUTION", "### END SOLUTION")
    told = str(module.__doc__).partition(texts.DERIVATION)[0]
    asked = "\n".join(f"* `{key}`: {question}" for key, question, _ in module.PENCIL)
    answers = [f'pencil["{key}"] = {value:g}' for key, value in module.pencil().items()]
    pencil = ["pencil = {}", "### BEGIN SOLUTION", *answers, "### END SOLUTION"]
    cells = [
        _text(f"# {_as_markdown(told)}"),
        _code(f"{name}-imports", IMPORTS, locked=True),
        _text(
            f"## With a pencil\n\n{module.PENCIL_CASE}\n\n{asked}\n\n"
            f'Write `pencil["{module.PENCIL[0][0]}"] = ...` and so on.'
        ),
        _code(f"{name}-pencil", "\n".join(pencil), solution=True),
        _text("## In code\n\n`forward` is given, `backward` is yours."),
        _code(f"{name}-forward", ast.get_source_segment(source, functions["forward"]) or "", locked=True),
        _code(f"{name}-backward", backward, solution=True),
        _code(
            f"{name}-mark",
            f'report = minisparse.exercises.mark_cells("{name}", forward, backward, pencil)\nreport',
            locked=True,
        ),
    ]
    for number, part in enumerate(exercise.parts):
        test = f'assert report["{part}"].state == "done", report["{part}"].sentence or "not yet"'
        cells.append(_code(f"{name}-test-{number}", test, locked=True, points=1))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def mark_cells(name: str, forward: Callable, backward: Callable, pencil: dict[str, float]) -> Report:
    """Mark what the cells of a notebook define.

    Parameters
    ----------
    name : str
        Of the whole pass.
    forward, backward : functions
        Defined in the notebook; their source is run again in a child process.
    pencil : dict
        The numbers.

    Returns
    -------
    Report
    """
    sources = [inspect.getsource(function) for function in (forward, backward)]
    numbers = {key: value for key, value in pencil.items() if isinstance(value, int | float)}
    return Pass(name).mark("\n\n".join([f"import numpy as np\n\npencil = {numbers!r}", *sources]))


def _as_markdown(told: str) -> str:
    """Turn the little reST of a task's text into Markdown."""
    told = re.sub(r":math:`([^`]*)`", r"$\1$", told).replace("``", "`")
    return re.sub(r"\.\. math:: (.*)", r"$$\1$$", told)


def _text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": _identifier(source), "metadata": {}, "source": source}


def _code(name: str, source: str, solution: bool = False, locked: bool = False, points: int = 0) -> dict[str, Any]:
    told = {
        "grade": bool(points),
        "grade_id": name,
        "locked": locked,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    told |= {"points": points} if points else {}
    return {
        "cell_type": "code", "execution_count": None, "id": _identifier(name), "metadata": {"nbgrader": told},
        "outputs": [], "source": source,
    }  # fmt: skip


def _identifier(text: str) -> str:
    return re.sub(r"\W+", "-", text)[:48].strip("-") or "cell"
