"""Models around a model: noise drawn at every forward pass, or a gradient that goes back a few steps only.

They change how a network is trained; its structure and its parameters are those of the model inside.
"""

from __future__ import annotations

import copy
from collections.abc import MutableMapping, Sequence
from typing import Any

from .arguments import expect, generator, number, shown, whole
from .backend import Array
from .errors import InputError
from .initialise import normal
from .protocols import Model, Rng, Seed, Weights
from .sequence import SequenceRNN
from .summary import Summary


class Wrapper(Summary):
    """What the models around a model share: all is handed to the one inside, ``model``.

    Examples
    --------
    >>> inside = minisparse.RNN(8, minisparse.full(20, 20), 10)
    >>> minisparse.wrappers.Wrapper(inside).shapes() == inside.shapes()
    True
    """

    def __init__(self, model: Model):
        expect(model=model)
        self.model: Any = model
        self.n_in, self.n_out = model.n_in, model.n_out

    @property
    def weights(self) -> MutableMapping[str, Weights]:
        """The storage of each sparse parameter."""
        return self.model.weights

    @property
    def generators(self) -> dict[str, Rng]:
        """What the passes draw from, by purpose; `fit` keeps their states in a checkpoint."""
        return getattr(self.model, "generators", {})

    @property
    def innermost(self) -> Model:
        """The model inside, and inside that one, until it is none of these."""
        return getattr(self.model, "innermost", self.model)

    def config(self) -> dict[str, Any]:
        """Describe the structure in plain values."""
        return self.model.config()

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shape of each parameter as a matrix."""
        return self.model.shapes()

    def init(self, *args: Any, **settings: Any) -> dict[str, Array]:
        """Draw parameters; arguments as for the model inside."""
        return self.model.init(*args, **settings)

    def weight(self, params: dict[str, Array], name: str) -> Array:
        """Return the effective packed weight of a sparse parameter."""
        return self.model.weight(params, name)

    def forward(self, params: dict[str, Array], x: Array, *noise: Any) -> tuple[Array, Any]:
        """Run the model inside."""
        return self.model.forward(params, x, *noise)

    def backward(self, dlogits: Array, cache: Any, wrt_x: bool = False, **settings: Any) -> dict[str, Array]:
        """Return the gradients of the model inside."""
        return self.model.backward(dlogits, cache, wrt_x, **settings)


class Noisy(Wrapper):
    """A network whose recurrent units get noise: new numbers N(0, sd²) in every step, unit and example.

    They are added to the drives, ``φ(a_t + noise_t)``, and the gradient is that of the pass with these numbers. They
    are part of the network in training and in testing: the rows of `fit` are tested with noise, and
    ``evaluate(noisy.model, params, ...)`` tests without. For the same reason `check` takes ``noisy.model``.

    In a leaky unit, ``alpha`` below 1, noise of ``sd = σ √(2 / alpha)`` moves the state by about σ, whatever alpha is
    (Song, Yang & Wang 2016): exactly, where φ is the identity and nothing else drives it, by ``σ √(2 / (2 - alpha))``.

    Parameters
    ----------
    model : SequenceRNN
    sd : float, or a float for each layer
        Standard deviation of the noise, in the unit of the drives.
    rng : int, Generator or RandomState
        `fit` keeps its state in a checkpoint, so that a resumed run draws what an undisturbed one does.

    Examples
    --------
    >>> layer = minisparse.Recurrent(3, minisparse.full(20, 20), "tanh", alpha=0.2)
    >>> model = minisparse.Noisy(minisparse.SequenceRNN([layer], 2), sd=0.3, rng=0)
    >>> params, x = model.init(0), numpy.ones((5, 3, 4), numpy.float32)
    >>> bool((model.forward(params, x)[0] == model.forward(params, x)[0]).any())
    False
    >>> model.model.forward(params, x)[0].shape  # without noise
    (5, 2, 4)
    """

    def __init__(self, model: Model, sd: float | Sequence[float], rng: Seed):
        super().__init__(model)
        layers = getattr(self.innermost, "layers", None)
        if not isinstance(self.innermost, SequenceRNN) or "noise" in super().generators:
            raise InputError(
                f"Noisy takes a SequenceRNN without noise, not {shown(model)}; an RNN is "
                "SequenceRNN([Recurrent(...)], n_out, every=False)"
            )
        each = list(sd) if isinstance(sd, (list, tuple)) else [sd] * len(layers)
        if len(each) != len(layers) or not all(number("sd", one) >= 0 for one in each):
            raise InputError(f"sd must be a number of at least 0, or one for each of {len(layers)} layers, got {sd}")
        self.sd, self.sizes = each, [layer.n for layer in layers]
        self.rng = generator(rng, "noise")

    @property
    def generators(self) -> dict[str, Rng]:
        """The generator of the noise, beside those of the model inside."""
        return {**super().generators, "noise": self.rng}

    def config(self) -> dict[str, Any]:
        """Describe the structure in plain values."""
        return {**self.model.config(), "noise": [float(sd) for sd in self.sd]}

    def copy(self) -> Noisy:
        """Return a model that can be rewired on its own, with a generator of its own in the same state."""
        return Noisy(self.model.copy(), self.sd, copy.deepcopy(self.rng))

    def forward(self, params: dict[str, Array], x: Array) -> tuple[Array, Any]:
        """Run the model inside with noise that is drawn here; arguments as for it."""
        sizes = [(len(x), n, x.shape[-1]) for n in self.sizes]
        noise = [normal(self.rng, size, sd, x.dtype) for size, sd in zip(sizes, self.sd, strict=True)]
        return self.model.forward(params, x, noise)


class Truncated(Wrapper):
    """A recurrent network whose gradient goes back a few steps only: truncated back-propagation through time.

    Its forward pass is that of the model inside, and so is what it computes in a test. It is for training: what `check`
    would say of the gradient is that it is another one.

    Parameters
    ----------
    model : RNN or SequenceRNN
    back : int
        Steps, see `Recurrent.backward`.

    Examples
    --------
    >>> model = minisparse.Truncated(minisparse.RNN(8, minisparse.full(20, 20), 10), back=5)
    >>> logits, cache = model.forward(model.init(0), numpy.ones((20, 8, 3), numpy.float32))
    >>> dx = model.backward(logits, cache, wrt_x=True)["x"]
    >>> bool(dx[:-5].any()), bool(dx[-5:].any())
    (False, True)
    """

    def __init__(self, model: Model, back: int):
        super().__init__(model)
        if not hasattr(self.innermost, "layer") and not hasattr(self.innermost, "layers"):
            raise InputError(f"Truncated takes a recurrent network, such as SequenceRNN, not {shown(model)}")
        self.back = whole("back", back, 1)

    def config(self) -> dict[str, Any]:
        """Describe the structure in plain values."""
        return {**self.model.config(), "back": self.back}

    def copy(self) -> Truncated:
        """Return a model that can be rewired on its own."""
        return Truncated(self.model.copy(), self.back)

    def backward(self, dlogits: Array, cache: Any, wrt_x: bool = False) -> dict[str, Array]:
        """Back-propagate through the last steps; arguments as for the model inside."""
        return self.model.backward(dlogits, cache, wrt_x, back=self.back)
