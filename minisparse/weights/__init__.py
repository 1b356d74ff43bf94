"""The three linear maps ``y = W x``, ``dx = Wᵀ dy`` and ``dW = dy xᵀ`` (on the synapses), over a storage.

A storage object holds structure only; the numbers travel as one *packed* array whose shape is the storage's own:
(post, pre) for dense, (nnz,) for CSR, (stored,) for grouped. Every pass of the library sees just these maps and never
asks which storage it is.
"""

from .base import affine, check_units, sum_outer
from .csr import CsrWeights
from .dense import DenseWeights
from .grouped import GroupedWeights, within_groups
from .make import STORAGES, Weights, choose_storage, make_weights

__all__ = [
    "STORAGES", "CsrWeights", "DenseWeights", "GroupedWeights", "Weights", "affine", "check_units", "choose_storage",
    "make_weights", "sum_outer", "within_groups",
]  # fmt: skip
