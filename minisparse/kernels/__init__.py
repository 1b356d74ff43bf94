"""Sparse kernels: one module per library, the same signatures in each; `table` picks by the array.

``spmm(rows, values, x, plus)``  W x + plus for W given row by row; x is (n_pre, batch), plus is optional
``sddmm(rows, dy, x)``       dy xᵀ on the synapses only; stacks (time, units, batch) are summed over time
``row_sum(rows, values)``    (n_post, 1), an empty row gives 0
``add_blocks(blocks, values, x, out)``  out += W x for W made of dense blocks, values (groups, post slots, pre slots)
``put_outer(blocks, dy, x, out)``  the blocks of dy xᵀ into out; padding is undefined
``product(W, x, plus)``      W x + plus of a full matrix
``affine(W, x, b)``          W x + b of a full matrix and a stack (time, units, batch), to be read step by step
``sum_outer(dy, x)``         dy xᵀ, the full matrix, summed over time if the arguments are stacks
``relu(a, out)``             max(a, 0)
``factor(slope, kept)``      slope(kept), to be multiplied with
``steps(stack)``             a stack (time, units, batch) to be filled from its last step to its first
``adam(w, grad, m, v, ...)`` one optimiser step in place
``sgd(w, grad, [m], ...)``   the same for gradient descent
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import numpy as np

from ..backend import Array, array_module
from ..errors import InputError
from ..processors import bound_to, cpu_count

MOST = (1 << 31) - 1
"""Synapses that an int32 can count."""


class Rows:
    """Index arrays of one pattern on one device, row by row.

    Attributes
    ----------
    indptr, indices : array
        Compressed rows, int64 and int32.
    shape : (int, int)
        (n_post, n_pre).
    """

    def __init__(self, indptr: np.ndarray, indices: np.ndarray, shape: tuple[int, int], put: Callable):
        self.indptr, self.indices, self.shape = put(indptr), put(indices), shape
        self._host_indptr, self._put = indptr, put

    @functools.cached_property
    def short_indptr(self) -> Array:
        """`indptr` as int32, for libraries that count so; made when a kernel first asks for it."""
        if self._host_indptr[-1] > MOST:
            raise InputError(
                f"a GPU takes at most {MOST:,} synapses in compressed rows, got {self._host_indptr[-1]:,}; "
                'lower the density, or choose storage="dense"'
            )
        return self._put(self._host_indptr.astype(np.int32))

    @functools.cached_property
    def rows(self) -> Array:
        """Row of each synapse, int32; made when a kernel first asks for it."""
        return self._put(np.repeat(np.arange(self.shape[0], dtype=np.int32), np.diff(self._host_indptr)))


class Members:
    """The neurons of one side of a layer, group by group, on one device.

    Attributes
    ----------
    order, starts : array
        Group g is ``order[starts[g]:starts[g + 1]]``, int32 and int64.
    slots : (n,) array
        Where each neuron is if every group is padded to `width` places, int64.
    width : int
        Size of the largest group.
    """

    def __init__(self, labels: np.ndarray, count: int, put: Callable):
        sizes = np.bincount(labels, minlength=count)
        starts, order = np.concatenate([[0], np.cumsum(sizes)]), np.argsort(labels, kind="stable")
        self.width, self.count = max(1, int(sizes.max())), count
        slots = np.empty(labels.size, np.int64)
        slots[order] = np.arange(labels.size) + (np.arange(count) * self.width - starts[:-1])[labels[order]]
        self.order, self.starts, self.slots = put(order.astype(np.int32)), put(starts), put(slots)

    def padded(self, x: Array) -> Array:
        """Return x (n, ...) group by group, (count, width, ...); padding is 0."""
        out = array_module(x).zeros((self.count * self.width, *x.shape[1:]), dtype=x.dtype)
        out[self.slots] = x
        return out.reshape(self.count, self.width, *x.shape[1:])

    def gathered(self, blocked: Array) -> Array:
        """Return (count, width, ...) neuron by neuron, (n, ...): what `padded` took apart."""
        return blocked.reshape(self.count * self.width, *blocked.shape[2:])[self.slots]


class Blocks(NamedTuple):
    """Which neurons each dense block joins; `turned` are the blocks of Wᵀ."""

    post: Members
    pre: Members

    @property
    def turned(self) -> Blocks:
        return Blocks(self.pre, self.post)


def table(*arrays: Array) -> ModuleType:
    """Return the kernels for these arrays' library and dtypes; what has no kernel of its own gets the reference."""
    key = tuple([(type(array), getattr(array, "dtype", None)) for array in arrays])  # a Python number has none
    found = _tables.get(key)
    if found is None:
        found = _tables[key] = _table(array_module(*arrays).__name__, *{dtype for _, dtype in key if dtype})
    return found


_tables: dict[tuple, ModuleType] = {}


def _table(library: str, *dtypes: np.dtype) -> ModuleType:
    if any(dtype.kind != "f" or dtype.itemsize not in (4, 8) or not dtype.isnative for dtype in dtypes):
        return _load("reference")
    return _load({"numpy": _numpy_kernels(), "cupy": "with_cupy"}.get(library, "reference"))


@functools.cache
def _numpy_kernels() -> str:
    """Return the module that computes with NumPy arrays here: the first that can be loaded."""
    for name in ("numba", "scipy"):
        if name in _left:
            say(_left[name])
        elif importlib.util.find_spec(name):
            try:
                if name == "numba":
                    choose_threads()
                _load(f"with_{name}")
                return f"with_{name}"
            except Exception as error:  # of no use here, as Numba is with a NumPy that it does not know
                say(f"no kernels with {name} ({' '.join(str(error).split())[:200]}); the next library takes over")
    return "reference"


@functools.cache
def _load(name: str) -> ModuleType:
    return importlib.import_module(f".{name}", __name__)


THREADS = "NUMBA_NUM_THREADS"
CROWD = 8
"""Threads per processor above which a number of threads is a slip."""


def choose_threads() -> None:
    """Set the number of threads of compiled code, if nobody has, or not to one that can be; Numba reads it once."""
    wanted, count = os.environ.get(THREADS, "").strip(), cpu_count()
    fits = wanted.isdecimal() and 1 <= int(wanted) <= CROWD * count
    if fits or (not wanted and count == bound_to()):  # without a quota Numba counts as we do
        return
    with contextlib.suppress(KeyError, ValueError):  # Numba is not loaded, or has no threads yet
        sys.modules["numba"].threading_layer()
        return
    if wanted:
        say(f"{THREADS}={wanted[:20]} is no number from 1 to {CROWD * count}; sparse kernels take {count} threads")
    os.environ[THREADS] = str(count)


_left: dict[str, str] = {}
"""Libraries that cannot compute in this process any more, and why."""


def leave(library: str, reason: str) -> None:
    """Take no kernels of a library from now on; the next product says why."""
    _left[library] = reason
    _tables.clear()
    _numpy_kernels.cache_clear()


@functools.cache
def say(text: str) -> None:
    """Write a line to stderr, once in a process; in one piece, because other processes may write there, too."""
    if sys.stderr is not None:  # a program with windows has none
        sys.stderr.write(f"minisparse: {text}\n")
        sys.stderr.flush()
