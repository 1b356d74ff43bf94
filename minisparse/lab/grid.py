"""The settings of a sweep: their combinations, and what counts as a cell."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arguments import shown
from ..errors import InputError


def grid(**axes: Any) -> list[dict]:
    """Return all combinations of settings, the last one changing fastest.

    Parameters
    ----------
    **axes : list, tuple, range or array, or a single value
        A single value is the same in every combination; a setting that is itself a list goes into another list.

    Returns
    -------
    list of dict

    Examples
    --------
    >>> minisparse.lab.sweep.grid(density=[1.0, 0.1], seed=range(2), nodes=50)[1]
    {'density': 1.0, 'seed': 1, 'nodes': 50}
    """
    for name, axis in axes.items():
        axis = axis.tolist() if isinstance(axis, np.ndarray) else axis
        axes[name] = list(axis) if isinstance(axis, (list, tuple, range)) else [axis]
        if not axes[name]:
            raise InputError(f"{name} has no values, so the grid would be empty; give it at least one")
    return [dict(zip(axes, combination, strict=True)) for combination in itertools.product(*axes.values())]


def as_cells(cells: Iterable[dict]) -> list[dict]:
    """Return cells as a list; a dict without a ``config``, as `grid` makes them, is the config of one.

    Examples
    --------
    >>> minisparse.lab.grid.as_cells(minisparse.lab.sweep.grid(seed=[1]))
    [{'config': {'seed': 1}}]
    """
    cells = [cells] if isinstance(cells, dict) or not isinstance(cells, Iterable) else list(cells)
    for cell in cells:
        if not isinstance(cell, dict) or not isinstance(cell.get("config", {}), dict):
            raise InputError(f"a cell must be a dict of settings, or have one under 'config', got {shown(cell)}")
    return [cell if "config" in cell else {"config": cell} for cell in cells]
