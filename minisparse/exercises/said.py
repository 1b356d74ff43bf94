"""What is said of an answer that cannot be read, or that does not run: one sentence."""

from __future__ import annotations

import ast
import re
from types import TracebackType
from typing import Any

from ..errors import UserError
from .answers import complete

LONGEST = 400
"""Letters of what an answer's own error may say."""
_SHAPES = re.compile("shape|dimension|broadcast|aligned|out of bounds|axis|einstein")


def wrong(code: str, sentence: str) -> dict[str, Any]:
    """Return the result for an answer with one thing wrong."""
    return {"state": "wrong", "findings": [{"code": code, "tensor": "", "sentence": sentence}]}


def syntax(answer: str) -> str | None:
    """Return what Python cannot read in a line, or None."""
    inner = complete(answer).replace("\n", "\n" + " " * 8)
    try:
        compile(f"def _():\n    for _ in _:\n        {inner}", "answer", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        text = (getattr(error, "text", None) or "").strip()
        said = getattr(error, "msg", None) or error
        return f"Python cannot read it: {said}" + (f", in `{text}`" if text else "") + "."
    return None


def raised(error: BaseException, file: str = "", answer: str = "") -> tuple[str, str]:
    """Return code and sentence of an error that an answer raised.

    Parameters
    ----------
    error : exception
    file : str
        What the answer was compiled as: the innermost of its frames tells names and shapes.
    answer : str
        Its text, from whose line the names are taken.

    Examples
    --------
    >>> from minisparse.exercises.said import raised
    >>> raised(ZeroDivisionError("division by zero"))
    ('raises', 'it raises ZeroDivisionError: division by zero.')
    """
    said = re.sub(r"\s+", " ", str(error)).strip()[:LONGEST].rstrip(".")
    if isinstance(error, SyntaxError):
        return "syntax", f"Python cannot read it: {error.msg}, in line {error.lineno or 1}."
    frame = _frame(error, file)
    known = {} if frame is None else frame.tb_frame.f_locals
    rows = answer.splitlines()
    number = frame.tb_lineno if frame is not None and frame.tb_lineno <= len(rows) else 0
    row = rows[number - 1].strip() if number and len(rows) > 1 else answer.strip() if len(rows) == 1 else ""
    place = f" in `{row.partition('  #')[0]}`" + (f" (line {number})" if len(rows) > 20 else "") if row else ""
    if isinstance(error, NameError):
        name = getattr(error, "name", None) or (re.findall(r"'(.*?)'", said) or [said])[0]
        names = sorted(name for name in known if name.isidentifier() and not name.startswith("_"))[:20]
        return "name", f"the name {name} is not known there{place}; known are {', '.join([*names, 'np'])}."
    if isinstance(error, UserError):
        return "refused", f"{said}{place}."
    if isinstance(error, ValueError | IndexError | TypeError | AttributeError) and (told := _objects(row, known)):
        return "object", f"{told}{place}."
    if isinstance(error, IndexError):
        return "index", f"an index does not fit{place}: {_shapes(row, known) or said}."
    if isinstance(error, ValueError) and _SHAPES.search(said):
        shapes = _shapes(row, known)
        return "shape", f"the shapes do not fit{place}: {shapes or said}."
    return "raises", f"it raises {type(error).__name__}{place}: {said or 'without a word'}."


def _frame(error: BaseException, file: str) -> TracebackType | None:
    """Return the innermost frame of a file, or of all."""
    trace, last, found = error.__traceback__, None, None
    while trace is not None:
        last = trace
        found = trace if file and trace.tb_frame.f_code.co_filename == file else found
        trace = trace.tb_next
    return found if file else last


def _names(row: str) -> list[str]:
    try:
        tree = ast.parse(complete(row))
    except SyntaxError:
        return []
    return list(dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)))


def _shapes(row: str, known: dict[str, Any]) -> str:
    """Return the shapes of the arrays that a line names."""
    shapes = {name: getattr(known.get(name), "shape", None) for name in _names(row)}
    return ", ".join(f"{name} is {shape}" for name, shape in shapes.items() if isinstance(shape, tuple))


def _objects(row: str, known: dict[str, Any]) -> str:
    """Return what to use of an object that a line takes for an array."""
    for name in _names(row):
        kind = type(known.get(name))
        if kind.__module__.startswith("minisparse.weights") and not re.search(rf"\b{name}\.(matmul|outer|row|by)", row):
            calls = [each for each in ("matmul", "matmul_t", "outer") if hasattr(kind, each)]
            return f"{name} is no array but a {kind.__name__}: use its {', '.join(calls)}"
    return ""
