"""How every figure looks: colours, dashes, markers and letters, and the axes that a figure begins with."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from .connectivity import check_density

LINES = (
    {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    {"color": "#D55E00", "linestyle": "--", "marker": "s"},
    {"color": "#009E73", "linestyle": "-.", "marker": "^"},
    {"color": "#CC79A7", "linestyle": ":", "marker": "D"},
    {"color": "#56B4E9", "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "v"},
    {"color": "#000000", "linestyle": (0, (1, 1)), "marker": "x"},
)
"""Keyword arguments of the first, second, ... line of an axes (Okabe & Ito's colours)."""

DENSITIES = {
    1.0: {"color": "#D55E00", "linestyle": "-", "marker": "s"},
    0.5: {"color": "#B58900", "linestyle": (0, (5, 1, 1, 1)), "marker": "D"},
    0.3: {"color": "#CC79A7", "linestyle": "-.", "marker": "^"},
    0.2: {"color": "#009E73", "linestyle": ":", "marker": "v"},
    0.1: {"color": "#0072B2", "linestyle": "--", "marker": "o"},
    0.05: {"color": "#56B4E9", "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "P"},
    0.01: {"color": "#000000", "linestyle": (0, (1, 1)), "marker": "x"},
}
"""The line of a density, the same in every figure: dense is red-orange, sparse is blue, as in the papers."""

STYLE = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 11,
    "lines.markersize": 5,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "svg.fonttype": "none",
    "svg.hashsalt": "minisparse",
}


def notebook() -> Any:
    """Return the shell of the notebook that runs this, or None outside of notebooks.

    Examples
    --------
    >>> minisparse.plot.notebook() is None
    True
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell if hasattr(shell, "kernel") else None


def can_draw() -> bool:
    """Whether Matplotlib is installed; if it is not, as in a browser, a line says so.

    Examples
    --------
    >>> minisparse.plot.can_draw()
    True
    """
    found = importlib.util.find_spec("matplotlib") is not None
    if not found:
        print("Matplotlib is not installed, so there are no figures; all the rest runs")
    return found


def figure(rows: int = 1, columns: int = 1, size: tuple[float, float] = (6.4, 4.0), **subplots: Any) -> tuple:
    """Make a figure in the library's style, without any global state. A notebook shows it as the last value of a cell.

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

    if shell := notebook():
        from IPython.core.pylabtools import select_figure_formats

        select_figure_formats(shell, {"png"})
    with matplotlib.rc_context(STYLE):
        made = Figure(figsize=size, layout="constrained")
        return made, made.subplots(rows, columns, **subplots)


def of_density(p: float) -> dict:
    """Return the line of a density: that of the nearest one in `DENSITIES`, by ratio.

    Examples
    --------
    >>> minisparse.plot.of_density(0.1)["color"], minisparse.plot.of_density(0.9)["marker"]
    ('#0072B2', 's')
    """
    check_density(p)
    return DENSITIES[min(DENSITIES, key=lambda q: abs(np.log(q / p)))]


def epochs(axes: Any) -> None:
    """Name the horizontal axis "epoch" and give it whole numbers.

    Examples
    --------
    >>> figure, axes = minisparse.plot.figure()
    >>> minisparse.plot.epochs(axes)
    >>> axes.get_xlabel()
    'epoch'
    """
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def name_lines(axes: Any, size: float = 11.0) -> None:
    """Write the name of each line at its right end, in its colour, none over another, instead of a legend.

    Call it when limits and scales are set: the places are taken from them.

    Parameters
    ----------
    axes : matplotlib axes
        A line's name is its label; one without a label or without a finite value gets none.
    size : float
        Of the letters, in points.

    Examples
    --------
    >>> figure, axes = minisparse.plot.figure()
    >>> _ = axes.plot([0, 1], [0, 1], label="up"), axes.plot([0, 1], [0.1, 1], label="up, too")
    >>> minisparse.plot.name_lines(axes)
    >>> [text.get_text() for text in axes.texts]
    ['up', 'up, too']
    """
    axes.get_xlim(), axes.get_ylim()  # settles the limits that the lines ask for
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = []
    for line in axes.get_lines():
        x, y = (np.asarray(values, dtype=float) for values in line.get_data())
        finite = np.flatnonzero(np.isfinite(y))
        if not line.get_label().startswith("_") and finite.size:
            ends.append((to_axes.transform((x[finite[-1]], y[finite[-1]]))[1], line))
    ends = sorted(ends, key=lambda end: end[0])
    gap = 1.25 * size / 72 / (axes.get_position().height * axes.get_figure().get_figheight())
    places = np.array([min(max(place, 0.0), 1.0) for place, _ in ends])
    for _ in range(200):
        close = np.flatnonzero(np.diff(places) < 0.999 * gap)
        if not close.size:
            break
        for low in close:  # move both apart, by half of what is missing each
            lack = (gap - (places[low + 1] - places[low])) / 2
            places[low], places[low + 1] = places[low] - lack, places[low + 1] + lack
        places += max(0.0, -places[0])
    for place, (_, line) in zip(places, ends, strict=True):
        where = {"xycoords": axes.transAxes, "xytext": (6, 0), "textcoords": "offset points", "va": "center"}
        axes.annotate(line.get_label(), (1.0, place), color=line.get_color(), size=size, **where)


def band(axes: Any, curves: Sequence, style: dict, label: str, x: Sequence | None = None) -> None:
    """Draw the mean of some curves as a line, and a band from the lowest to the highest of them.

    Parameters
    ----------
    axes : matplotlib axes
    curves : sequence of sequences
        One per seed, all of one length.
    style : dict
        One of `LINES`.
    label : str
        For the legend.
    x : sequence, optional
        Where the values belong; 1, 2, ... by default: epochs.

    Examples
    --------
    >>> figure, axes = minisparse.plot.figure()
    >>> minisparse.plot.band(axes, [[1, 2, 3], [3, 2, 1]], minisparse.plot.LINES[0], "two seeds")
    >>> axes.lines[0].get_ydata().tolist()
    [2.0, 2.0, 2.0]
    """
    values = np.array(curves)
    places = np.arange(1, values.shape[1] + 1) if x is None else x
    axes.plot(places, values.mean(0), label=label, markevery=max(1, values.shape[1] // 8), **style)
    axes.fill_between(places, values.min(0), values.max(0), color=style["color"], alpha=0.15, linewidth=0)
