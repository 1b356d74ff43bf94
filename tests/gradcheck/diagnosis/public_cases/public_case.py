"""What a public case is: a right pair, a wrong backward pass, and the names that a good answer may give it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Pair:
    layer: str
    inputs: Callable
    forward: Callable
    backward: Callable


@dataclass(frozen=True)
class PublicCase:
    """A wrong backward pass.

    Attributes
    ----------
    pair : Pair
    mistake : str
    wrong : callable
    at : tuple of str
        The tensors whose finding is judged.
    accepted : tuple of str
        Right names: "code", or "code: words of the sentence".
    """

    pair: Pair
    mistake: str
    wrong: Callable
    at: tuple[str, ...]
    accepted: tuple[str, ...]

    def accepts(self, finding: Any) -> bool:
        codes = ((name.partition(": ")[0], name.partition(": ")[2]) for name in self.accepted)
        return any(finding.code == code and words in finding.sentence for code, words in codes)


def with_change(pair: Pair, **change: Any) -> Callable:
    return lambda dy, cache: pair.backward(dy, cache, **change)


def changed(pair: Pair, **rewrite: Callable) -> Callable:
    """Return a backward pass whose gradients of some tensors are made by functions of (right, dy, cache)."""

    def backward(dy: Any, cache: Any) -> dict:
        grads = pair.backward(dy, cache)
        return {**grads, **{name: make(grads, dy, cache) for name, make in rewrite.items()}}

    return backward


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def softmax(z: np.ndarray, axis: int = -1) -> np.ndarray:
    e = np.exp(z - z.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)
