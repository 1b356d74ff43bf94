"""To PyTorch and back, patterns from and to SciPy, NumPy and NetworkX, and other libraries' gradients in the checker.

PyTorch, JAX and NetworkX are imported by the functions that need them, and are no dependencies.
"""

from .gradients import pair_of_jax, pair_of_torch
from .patterns import pattern_from, to_networkx, to_scipy
from .pytorch import from_torch, to_torch

__all__ = ["from_torch", "pair_of_jax", "pair_of_torch", "pattern_from", "to_networkx", "to_scipy", "to_torch"]
