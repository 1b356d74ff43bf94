"""Gradients that were written for another library, in the form that the checker takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..errors import InputError
from .needed import needed


def pair_of_torch(function: Any, *inputs: Any) -> dict[str, Any]:
    """Turn a `torch.autograd.Function` of your own into the arguments of `check_pair`.

    Parameters
    ----------
    function : subclass of torch.autograd.Function
    *inputs
        What ``function.apply`` is called with: tensors or arrays of fractions are checked, all else is passed on.

    Returns
    -------
    dict
        forward, backward and inputs, under the names that ``function.forward`` gives them. A gradient that is None
        counts as 0, as PyTorch counts it.

    Examples
    --------
    >>> x = numpy.arange(1.0, 7.0)
    >>> import torch  # doctest: +SKIP
    >>> class Square(torch.autograd.Function):  # doctest: +SKIP
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     def backward(ctx, dy):
    ...         return dy * ctx.saved_tensors[0]  # the factor 2 is missing
    >>> given = minisparse.bridges.pair_of_torch(Square, x)  # doctest: +SKIP
    >>> print(minisparse.check_pair(**given).findings[0].sentence)  # doctest: +SKIP
    the gradient is the right one times 0.5 = 1/2...
    """
    torch = needed("torch")
    if not hasattr(function, "apply"):
        raise InputError(f"pair_of_torch takes a torch.autograd.Function, the class itself, got {function!r}")

    def forward(**values: Any) -> tuple[Any, SimpleNamespace]:
        given = {name: torch.tensor(v) if isinstance(v, np.ndarray) else v for name, v in values.items()}
        wrt = {name: v.requires_grad_() for name, v in given.items() if torch.is_tensor(v) and v.is_floating_point()}
        y = function.apply(*given.values())
        outputs = y if isinstance(y, tuple) else (y,)
        arrays = tuple(one.detach().numpy() for one in outputs)
        saved = [one.detach().numpy() for one in getattr(outputs[0].grad_fn, "saved_tensors", ()) if one is not None]

        def pull(dys: tuple) -> dict[str, np.ndarray]:
            settings = {"retain_graph": True, "allow_unused": True, "materialize_grads": True}
            grads = torch.autograd.grad(outputs, list(wrt.values()), [torch.tensor(dy) for dy in dys], **settings)
            return {name: grad.numpy() for name, grad in zip(wrt, grads, strict=True)}

        return arrays if isinstance(y, tuple) else arrays[0], SimpleNamespace(saved=saved, pull=pull)

    def backward(dy: Any, cache: SimpleNamespace) -> dict[str, np.ndarray]:
        return cache.pull(dy if isinstance(dy, tuple) else (dy,))

    skip = 0 if "setup_context" in vars(function) else 1
    return {"forward": forward, "backward": backward, "inputs": _named_inputs(function.forward, inputs, skip)}


def pair_of_jax(function: Callable, *inputs: Any) -> dict[str, Any]:
    """Turn a function with a `jax.custom_vjp` of your own into the arguments of `check_pair`.

    Parameters
    ----------
    function : callable
        As `jax.custom_vjp` made it; its value is what the function itself returns, not what its forward rule does.
    *inputs : arrays

    Returns
    -------
    dict
        forward, backward and inputs, under the names of the function's arguments.

    Examples
    --------
    >>> x = numpy.arange(1.0, 7.0)
    >>> import jax  # doctest: +SKIP
    >>> square = jax.custom_vjp(lambda x: x * x)  # doctest: +SKIP
    >>> square.defvjp(lambda x: (x * x, x), lambda x, dy: (dy * x,))  # doctest: +SKIP
    >>> given = minisparse.bridges.pair_of_jax(square, x)  # doctest: +SKIP
    >>> print(minisparse.check_pair(**given).findings[0].sentence)  # doctest: +SKIP
    the gradient is the right one times 0.5 = 1/2...
    """
    jax = needed("jax")
    precise = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64

    def forward(**values: Any) -> tuple[Any, SimpleNamespace]:
        with precise(True):
            given = [jax.numpy.asarray(v) if isinstance(v, np.ndarray) else v for v in values.values()]
            y, (_, pull) = function(*given), jax.vjp(function, *given)
            return jax.tree.map(np.array, y), SimpleNamespace(pull=lambda dy: pull(jax.tree.map(jax.numpy.asarray, dy)))

    def backward(dy: Any, cache: SimpleNamespace) -> dict[str, np.ndarray]:
        with precise(True):
            grads = cache.pull(dy)
        return {name: np.array(grad) for name, grad in zip(named, grads, strict=True) if grad.dtype.kind == "f"}

    named = _named_inputs(getattr(function, "fun", function), inputs, 0)
    return {"forward": forward, "backward": backward, "inputs": named}


def _named_inputs(function: Callable, inputs: tuple, skip: int) -> dict[str, Any]:
    """Name the inputs as the function's arguments are; arrays and tensors become NumPy arrays."""
    arguments = list(inspect.signature(function).parameters.values())[skip:]
    names = [one.name for one in arguments if one.kind is not one.VAR_POSITIONAL]
    names = names[: len(inputs)] + [f"x{k}" for k in range(len(names), len(inputs))]
    return {name: _as_numpy(value) for name, value in zip(names, inputs, strict=True)}


def _as_numpy(value: Any) -> Any:
    if hasattr(value, "detach"):
        return value.detach().cpu().numpy().copy()
    return np.array(value) if hasattr(value, "dtype") and hasattr(value, "shape") else value
