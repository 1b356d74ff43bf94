"""What a model, a storage, a rule and a hook are: the names that one part of the library asks of another.

A class of your own needs no base class: it is a `Normaliser`, say, if it has these methods. For some kinds there is a
face with fewer to write. Each kind has a page with a complete example, and `minisparse.testing.laws` tests them all:

* an activation: `minisparse.Activation` from a value and a slope (docs/own_activation.md);
* a `Normaliser`: a size and its derivative, with `minisparse.normalise.Scaled` (docs/own_normaliser.md);
* a `Rule` that rewires: a prune score and a growth score, with `minisparse.evolve.Rule` (docs/own_rewiring.md);
* a `Hook` and a `Loss`: one function each (docs/own_hook_and_loss.md);
* a `Layer` and a `Model`: forward and backward, and what says which synapses are in force (docs/own_model.md).
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .backend import Array

Rng = np.random.Generator | np.random.RandomState
Seed = Rng | int
"""What may be given where numbers are drawn: a generator, or an integer (`arguments.generator`)."""


class Bound(Protocol):
    """Packed weights, ready for the products of one forward and backward pass: from ``weights.bind(w)``."""

    def matmul(self, x: Array, plus: Array | None = None) -> Array:
        """Return W x + plus, (n_post, batch)."""
        ...

    def matmul_t(self, dy: Array, times: Array | None = None) -> Array:
        """Return Wᵀ dy ∘ times, (n_pre, batch)."""
        ...


class Weights(Protocol):
    """A storage: which synapses exist and how their numbers are packed; it holds no numbers itself."""

    @property
    def storage(self) -> str:
        """Name of the storage: "dense", "csr", "grouped"."""
        ...

    @property
    def own_threads(self) -> bool:
        """Whether its kernels run a thread pool of their own."""
        ...

    pattern: Any
    shape: tuple[int, int]
    nnz: int

    def from_values(self, values: Array) -> Array:
        """Pack (nnz,) values in pattern order."""
        ...

    def values(self, w: Array) -> Array:
        """Return packed weights as (nnz,) values in pattern order."""
        ...

    def pack(self, matrix: Array) -> Array:
        """Pack a matrix (post, pre)."""
        ...

    def unpack(self, w: Array) -> Array:
        """Return packed weights as a matrix (post, pre)."""
        ...

    def bind(self, w: Array) -> Bound:
        """Prepare packed weights for products."""
        ...

    def outer(self, dy: Array, x: Array) -> Array:
        """Return the packed gradient dy xᵀ, summed over the batch (and over time for stacks)."""
        ...

    def masked(self, w: Array) -> Array:
        """Set packed values off the pattern to +0.0, in place."""
        ...

    def afferents(self, like: Array) -> Array:
        """Return the number of each neuron's synapses, at least 1, (n_post, 1)."""
        ...

    def row_sum(self, w: Array) -> Array:
        """Return each neuron's summed afferent values, (n_post, 1)."""
        ...

    def row_dot(self, a: Array, b: Array) -> Array:
        """Return each neuron's sum of products of two packed arrays, (n_post, 1)."""
        ...

    def by_row(self, g: Array) -> Array:
        """Shape (n_post, 1) so that it broadcasts against packed weights."""
        ...

    def by_col(self, s: Array) -> Array:
        """Shape (n_pre, 1) so that it broadcasts against packed weights."""
        ...


class Normaliser(Protocol):
    """How a raw parameter v becomes an effective weight w, and the way back; see docs/own_normaliser.md.

    One that has ``invariants(weights, v, w, *extras)``, which returns ``{sentence: (found, expected)}``, declares what
    holds for its weights; `minisparse.testing.laws` compares.
    """

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of the rule's further parameters: "s", "g"."""
        ...

    def init(self, weights: Weights, v: Array) -> dict[str, Array]:
        """Return the initial values of the rule's further parameters."""
        ...

    def forward(self, weights: Weights, v: Array, *extras: Array) -> tuple[Array, Any]:
        """Return the effective packed weight and what `backward` needs."""
        ...

    def backward(self, dw: Array, cache: Any) -> dict[str, Array]:
        """Return the gradients of v and of the further parameters."""
        ...


class Loss(Protocol):
    """A loss and its gradient with respect to the network's output; see docs/own_hook_and_loss.md."""

    def __call__(self, output: Array, target: Array, /, *mask: Array) -> tuple[Array, Array]:
        """Return the value and the gradient; both are divided here and nowhere else. A mask says what counts."""
        ...


class Layer(Protocol):
    """A part of a network: structure alone; its numbers are a dict of parameters. See docs/own_model.md."""

    def init(self, rng: Seed, dtype: type = ...) -> dict[str, Array]:
        """Draw the parameters; (nnz,) numbers for a sparse one, so that all storages start alike."""
        ...

    def config(self) -> dict[str, Any]:
        """Describe the structure in plain values."""
        ...

    def forward(self, params: dict[str, Array], x: Array) -> tuple[Array, Any]:
        """Return the output and what `backward` needs."""
        ...

    def backward(self, dh: Array, cache: Any, wrt_x: bool = False) -> dict[str, Array]:
        """Return the gradients, under the keys of the parameters, and with `wrt_x` that of the input as "x"."""
        ...


@runtime_checkable
class Model(Protocol):
    """A network: structure alone; its numbers are a dict of parameters. See docs/own_model.md.

    One that is drawn, copied and tested as those of this library are has ``init(rng, dtype)``, as a `Layer`, and
    ``copy()``, a model that can be rewired on its own.
    """

    n_in: int
    n_out: int

    @property
    def weights(self) -> MutableMapping[str, Weights]:
        """The storage of each sparse parameter: the one place that says which synapses are in force."""
        ...

    def config(self) -> dict[str, Any]:
        """Describe the structure in plain values."""
        ...

    def forward(self, params: dict[str, Array], x: Array) -> tuple[Array, Any]:
        """Return the output and what `backward` needs."""
        ...

    def backward(self, dlogits: Array, cache: Any, wrt_x: bool = False) -> dict[str, Array]:
        """Return the gradients, under the keys of the parameters."""
        ...

    def weight(self, params: dict[str, Array], name: str) -> Array:
        """Return the effective packed weight of a sparse parameter."""
        ...


class Optimiser(Protocol):
    """What takes a step down the gradient, in place."""

    state: dict[str, Any]

    @property
    def lr(self) -> float:
        """Learning rate of the next step."""
        ...

    def rate(self, name: str) -> float:
        """Learning rate of the next step of one parameter."""
        ...

    def config(self) -> dict[str, Any]:
        """Describe the optimiser in plain values."""
        ...

    def step(self, params: dict[str, Array], grads: dict[str, Array]) -> None:
        """Update the parameters in place."""
        ...


class Hook(Protocol):
    """Called by `fit` before or after a step, or after an epoch; see docs/own_hook_and_loss.md.

    One with memory keeps it in ``state``, a flat dict of arrays, and forgets it in ``begin()``, called when a run
    starts. A run is resumed only with hooks of the same settings: what ``config()`` returns, plain values by name, or
    else its public attributes that are plain (`identity.described`); what else changes in a run begins with ``_``. A
    hook that looks at ``run.epochs`` says so by ``needs_epochs = True``.
    """

    def __call__(self, run: Run) -> None:
        """Look at a run, or change it."""
        ...


class Rule(Protocol):
    """A hook that rewires: it puts another pattern in force and carries values and moments over.

    See docs/own_rewiring.md; `minisparse.evolve.Rule` asks for a score alone.
    """

    def __call__(self, run: Run) -> None:
        """Rewire when it is time."""
        ...

    def rewire(self, model: Model, params: dict[str, Array], opt: Optimiser, rng: Seed) -> Mapping[str, Any]:
        """Rewire every sparse parameter once; return what was removed and grown."""
        ...


@dataclass
class Run:
    """What a hook is given: the present state of a training run.

    Attributes
    ----------
    model, params, opt
        As handed to `fit`; `params` is updated in place.
    rng : Generator
        For hooks that rewire.
    epoch, epochs : int
        Counted from 1; 0 is before training.
    step, steps : int
        Of the epoch, counted from 0.
    cache, grads
        Of the last step's forward and backward pass.
    """

    model: Model
    params: dict[str, Array]
    opt: Optimiser
    rng: Rng
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    cache: Any = field(default=None, repr=False)
    grads: dict[str, Array] | None = field(default=None, repr=False)
