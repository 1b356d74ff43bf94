"""Functions as people write them, turned into the one form that is checked: named arrays in, one array out.

Inputs may come by position or as dicts of dicts, the output may be a number or several arrays, and the gradients a
tuple. Nothing is guessed: what has a name keeps it, what has a place gets the name of its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..backend import array_module
from ..errors import InputError
from .probe import PAIR, is_float


def adapted(
    forward: Callable, backward: Callable, inputs: Any, wrt: Iterable[str] | None
) -> tuple[Callable, Callable, dict[str, Any]]:
    """Return forward, backward and inputs in the form that is checked.

    Parameters
    ----------
    forward, backward : callable
    inputs : dict, list or tuple
        A list or tuple is handed to forward by position; its arrays are called x0, x1 and so on. A dict in a dict is
        handed on as it is; its arrays have dotted names.
    wrt : names, optional
        The order of gradients that come as a tuple; the float arrays among the inputs if omitted.

    Returns
    -------
    forward, backward : callable
    inputs : dict
    """
    by_place = isinstance(inputs, (list, tuple))
    named = {f"x{k}": value for k, value in enumerate(inputs)} if by_place else dict(inputs)
    flat = dict(_flat(named))
    order = list(wrt) if wrt is not None else [name for name, value in flat.items() if is_float(value)]
    layout: list[tuple] = []

    def run(**values: Any) -> tuple:
        given = _nested(values, named)
        result = forward(*given.values()) if by_place else forward(**given)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise InputError(PAIR)
        y, cache = result
        if isinstance(y, (bool, int, float)):
            y = np.array(float(y))
        if isinstance(y, (list, tuple)):
            y, layout[:] = _joined(y)
        return y, cache

    def back(dy: Any, cache: Any) -> Any:
        grads = backward(tuple(_parted(dy, layout)) if layout else dy, cache)
        if isinstance(grads, (list, tuple)):
            if len(grads) != len(order):
                names = ", ".join(order)
                raise InputError(f"backward returns {len(grads)} gradients, but {len(order)} are asked for: {names}")
            return dict(zip(order, grads, strict=True))
        if isinstance(grads, dict):
            return dict(_flat(grads))
        if is_float(grads) and len(order) == 1:
            return {order[0]: grads}
        return grads

    return run, back, flat


def _flat(values: dict[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield (f"{before}{name}" if before else name), value


def _nested(values: dict[str, Any], like: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Put values with dotted names back into dicts of dicts."""
    return {
        name: _nested(values, value, f"{before}{name}.")
        if isinstance(value, dict) and value
        else values[f"{before}{name}" if before else name]
        for name, value in like.items()
    }


def _joined(outputs: Sequence) -> tuple[Any, list[tuple]]:
    """Return several outputs as one vector, and their shapes."""
    if not outputs or not all(hasattr(y, "dtype") for y in outputs):
        raise InputError(PAIR)
    xp = array_module(*outputs)
    return xp.concatenate([y.reshape(-1) for y in outputs]), [tuple(y.shape) for y in outputs]


def _parted(dy: Any, shapes: list[tuple]) -> Iterable[Any]:
    start = 0
    for shape in shapes:
        size = int(np.prod(shape))
        yield dy[start : start + size].reshape(shape)
        start += size
