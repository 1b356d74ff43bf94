"""One style for every figure: colour-blind-safe, and every line also differs in dash and marker."""

from __future__ import annotations

import os
from typing import Any

from .errors import InputError
from .files import write_aside

LINES = (
    {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    {"color": "#D55E00", "linestyle": "--", "marker": "s"},
    {"color": "#009E73", "linestyle": "-.", "marker": "^"},
    {"color": "#CC79A7", "linestyle": ":", "marker": "D"},
    {"color": "#56B4E9", "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "v"},
    {"color": "#000000", "linestyle": (0, (1, 1)), "marker": "x"},
)
"""Keyword arguments of the first, second, ... line of an axes (Okabe & Ito's colours)."""

STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "lines.markersize": 4,
    "figure.dpi": 100,
    "savefig.dpi": 150,
}


def figure(rows: int = 1, columns: int = 1, size: tuple[float, float] = (6.4, 4.0), **subplots: Any) -> tuple:
    """Make a figure in the library's style, without any global state.

    Parameters
    ----------
    rows, columns : int
        Grid of axes.
    size : (float, float)
        Width and height in inches.
    **subplots
        As for ``matplotlib.figure.Figure.subplots``.

    Returns
    -------
    figure, axes

    Examples
    --------
    >>> figure, axes = minisparse.plot.figure()
    >>> axes.get_xlabel()
    ''
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        made = Figure(figsize=size, layout="constrained")
        return made, made.subplots(rows, columns, **subplots)


def save(figure: Any, path: str | os.PathLike, alt: str) -> None:
    """Write a figure as PNG with its alternative text inside.

    Parameters
    ----------
    figure : matplotlib figure
    path : path
        Written aside and renamed.
    alt : str
        What the figure shows, in a sentence that says the finding; for those who cannot see it.

    Raises
    ------
    ValueError
        If the text is missing.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> figure, _ = minisparse.plot.figure()
    >>> minisparse.plot.save(figure, "out.png", alt="")
    Traceback (most recent call last):
    ...
    minisparse.errors.InputError: a figure needs alternative text: pass alt=, a sentence that says what it shows
    """
    if not alt.strip():
        raise InputError("a figure needs alternative text: pass alt=, a sentence that says what it shows")
    import matplotlib

    with matplotlib.rc_context(STYLE):
        write_aside(path, lambda file: figure.savefig(file, format="png", metadata={"Description": alt}))
