"""One style for every figure: colour-blind-safe, and every line also differs in dash and marker.

`style` has what a figure begins with, and all of it can be had from here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .arguments import expect, shown
from .backend import Array, to_numpy
from .errors import InputError
from .files import write_aside
from .protocols import Weights
from .style import (
    DENSITIES,
    LINES,
    STYLE,
    band,
    can_draw,
    epochs,
    figure,
    name_lines,
    notebook,
    of_density,
)
from .weights.make import as_weights

__all__ = [
    "DENSITIES",
    "LINES",
    "STYLE",
    "band",
    "can_draw",
    "connectivity",
    "epochs",
    "figure",
    "name_lines",
    "notebook",
    "of_density",
    "save",
    "unrolled",
]
CELLS = 400
"""Rows or columns of a picture of a pattern, at most; beyond that, neurons share one."""


def connectivity(weights: Weights | Any, w: Array | None = None, title: str = "", axes: Any = None) -> Any:
    """Draw which synapses exist: a row per receiving neuron, a column per sending one; large layers in blocks.

    Parameters
    ----------
    weights : storage, pattern, mask or SciPy sparse matrix
    w : array, optional
        Packed weights, as in the parameters of a model: excitatory (above 0) and inhibitory ones (below) are told
        apart. A weight of 0 is drawn as white as no synapse.
    title : str
        What the figure shows, in a sentence; the counts if omitted.
    axes : matplotlib axes, optional
        Where to draw, by default in a new figure.

    Returns
    -------
    figure
        For `save`, and a notebook shows it.

    Raises
    ------
    ValueError
        If the packed weights do not fit the pattern.

    Examples
    --------
    >>> figure = minisparse.plot.connectivity(minisparse.bernoulli(50, 40, 0.1, rng=0))
    >>> figure.get_axes()[0].get_title(loc="left")
    'Each of 50 neurons has 4.3 of 40 inputs, on average'
    """
    weights = as_weights(weights)
    pattern, (n_post, n_pre) = weights.pattern, weights.shape
    if w is not None and not hasattr(w, "shape"):
        raise InputError(f"w must be packed weights, as in params['W_rec'], got {shown(w)}")
    values = np.ones(pattern.nnz) if w is None else np.sign(to_numpy(weights.values(w)))
    tall, wide = (-(-n // CELLS) for n in (n_post, n_pre))
    grid = np.zeros((-(-n_post // tall), -(-n_pre // wide)))
    np.add.at(grid, (pattern.rows // tall, pattern.indices // wide), values)
    places = np.outer(*(np.diff([*range(0, n, step), n]) for n, step in ((n_post, tall), (n_pre, wide))))
    grid /= places
    if axes is None:
        _, axes = figure(size=(6.8, 5.6))
    from matplotlib.colors import LinearSegmentedColormap

    colours = ["white", "black"] if w is None else [LINES[0]["color"], "white", LINES[1]["color"]]
    largest = max(abs(grid).max(), 1e-12)
    image = axes.imshow(
        grid, LinearSegmentedColormap.from_list("synapses", colours), vmin=0 if w is None else -largest, vmax=largest,
        interpolation="nearest", extent=(0, n_pre, n_post, 0),
        aspect="equal" if 0.5 < n_post / n_pre < 2 else "auto",
    )  # fmt: skip
    said = f"Each of {n_post} neurons has {pattern.nnz / n_post:.3g} of {n_pre} inputs, on average"
    axes.set_title(title or said, loc="left")
    axes.set(xlabel="presynaptic neuron", ylabel="postsynaptic neuron")
    axes.spines[["top", "right"]].set_visible(True)
    for place, kind, line in ((0.55, "excitatory", LINES[1]), (0.48, "inhibitory", LINES[0])) if w is not None else ():
        axes.text(1.02, place, kind, color=line["color"], transform=axes.transAxes)
    if w is None and tall * wide > 1:
        axes.get_figure().colorbar(image, ax=axes, fraction=0.05, label=f"density in blocks of {tall} x {wide}")
    return axes.get_figure()


def unrolled(
    path: str | os.PathLike,
    highlight: Sequence[str] | None = None,
    names: dict[str, str] | None = None,
    values: dict[str, str] | None = None,
    title: str = "",
    alt: str = "",
) -> None:
    """Draw a recurrent network over three time steps, with what runs forward and what runs backward.

    Parameters
    ----------
    path : path
        Of the PNG file.
    highlight : sequence of str, optional
        The path to show, as links such as "h1>h2" (forward), "h2>h1" (backward) and nodes such as "h1"; of the rest,
        what runs forward is drawn pale and what runs backward is left out. Without it everything is drawn.
    names : dict, optional
        Other names of links and nodes, by what `highlight` calls them.
    values : dict, optional
        What is written above or below a node.
    title, alt : str
        What the figure shows, in a sentence; drawn, and as alternative text. Needed with `highlight`.
    """
    drawn, axes = figure(size=(7.2, 3.4))
    axes.set(xlim=(-0.6, 4.9), ylim=(-1.55, 1.05) if highlight else (-1.35, 1.45), title=title)
    axes.axis("off")
    words = {"names": names or {}, "highlight": highlight}

    def node(key: str, x: float, y: float) -> None:
        _node(axes, key, (x, y), **words, value=(values or {}).get(key, ""))

    node("h0", 0.0, 0.3)
    for t in range(3):
        here = 1.2 * t + 1.2
        node(f"h{t + 1}", here, 0.3)
        back = f"$W^\\top da_{t}$" if t else ""
        _link(axes, f"h{t}>h{t + 1}", (1.2 * t, 0.3), (here, 0.3), "$W$", back, **words)
        node(f"x{t}", here, -1.1)
        _link(axes, f"x{t}>h{t + 1}", (here, -1.1), (here, 0.3), "$W_{in}$", f"$W_{{in}}^\\top da_{t}$", **words)
    node("z", 4.6, 0.3)
    _link(axes, "h3>z", (3.6, 0.3), (4.6, 0.3), "$W_{out}$", r"$W_{out}^\top dz$", **words)
    if highlight is None:
        axes.text(-0.5, 1.25, "solid: forward", color=LINES[0]["color"])
        axes.text(1.1, 1.25, "dashed: backward", color=LINES[1]["color"])
        alt = (
            "The recurrent network unrolled over three steps: solid arrows forward, dashed arrows carry gradients back."
        )
    save(drawn, path, alt=alt)


def _node(axes: Any, key: str, place: tuple, names: dict, highlight: Sequence[str] | None, value: str) -> None:
    """Draw a circle of the unrolled network, with a value above it or, for an input, below."""
    (x, y), middle = place, {"ha": "center", "va": "center"} | ({"size": 12} if highlight else {})
    on_path = highlight is None or any(key in link.split(">") for link in highlight)
    box = {"boxstyle": "circle,pad=0.3", "fc": "white", "ec": "black" if on_path else "0.6"}
    box |= {"lw": 2.4} if key in (highlight or ()) else {}
    axes.text(x, y, names.get(key, f"${'_'.join(key)}$"), bbox=box, color=box["ec"], **middle)
    if value:
        axes.text(x, y + (0.5 if y > 0 else -0.42), value, **middle)


def _link(
    axes: Any,
    key: str,
    start: tuple,
    end: tuple,
    name: str,
    backward: str,
    names: dict,
    highlight: Sequence[str] | None,
) -> None:
    """Draw an arrow of the unrolled network, and beside it the one back."""
    shape = {"arrowstyle": "-|>", "connectionstyle": "arc3,rad=-0.14", "lw": 1.6, "shrinkA": 15, "shrinkB": 15}
    ahead, back = (shape | {"color": line["color"]} for line in LINES[:2])
    reverse = ">".join(reversed(key.split(">")))
    middle = {"ha": "center", "va": "center"} | ({"size": 12} if highlight else {})
    forward_shown, backward_shown = (highlight is None or link in highlight for link in (key, reverse))
    (x0, y0), (x1, y1) = start, end
    axes.annotate("", end, start, arrowprops=ahead if forward_shown else {**ahead, "color": "0.82"})
    if backward and backward_shown:
        axes.annotate("", start, end, arrowprops={**back, "linestyle": "--"})
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    across = np.array([y1 - y0, x0 - x1]) / np.hypot(x1 - x0, y1 - y0)
    near, far = (0.2, 0.24) if y0 == y1 else (0.3 if highlight else 0.24, 0.36)
    if forward_shown:
        axes.text(*(centre - near * across), names.get(key, name), color=ahead["color"], **middle)
    if backward_shown:
        axes.text(*(centre + far * across), names.get(reverse, backward), color=back["color"], **{"size": 8, **middle})


def save(figure: Any, path: str | os.PathLike, alt: str) -> None:
    """Write a figure as PNG, and beside it as SVG, with its alternative text inside; in a notebook show it, too.

    Parameters
    ----------
    figure : matplotlib figure
    path : path
        Of the PNG file. Both are written aside and renamed.
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
    expect(path=path)
    if not hasattr(figure, "savefig"):
        raise InputError(f"figure must be a Matplotlib figure, as plot.figure makes it, got {shown(figure)}")
    if not isinstance(alt, str) or not alt.strip():
        raise InputError("a figure needs alternative text: pass alt=, a sentence that says what it shows")
    import matplotlib

    for axes in figure.get_axes():
        if title := axes.get_title():  # a sentence begins at the left
            axes.set_title("")
            axes.set_title(title, loc="left")
    with matplotlib.rc_context(STYLE):
        write_aside(path, lambda file: figure.savefig(file, format="png", metadata={"Description": alt}))
        about = {"Description": alt, "Date": None}
        write_aside(Path(path).with_suffix(".svg"), lambda file: figure.savefig(file, format="svg", metadata=about))
    if notebook():
        from IPython.display import Image, display

        display(Image(filename=path, width=round(100 * figure.get_figwidth()), alt=alt))
