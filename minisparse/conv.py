"""A convolution in front of a network: filters shared over the image, max-pooling, a nonlinearity.

The convolution is one matrix product, of the filters with every patch of the image.
"""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import activations
from .activations import Activation
from .arguments import expect, generator, whole
from .backend import Array, array_module, asarray
from .errors import InputError
from .initialise import glorot
from .patches import check_stem, image_of
from .protocols import Model, Seed
from .summary import Summary
from .threads import share_threads


class ConvPool:
    """Filters over every patch of an image (no padding), the largest of each square, then a nonlinearity.

    ``a[f, y, x] = Σ_ijc K[f, ijc] image[c, y+i, x+j] + c_f`` and ``h = φ(max of a over pool x pool)``: for a rising φ
    the same as pooling the values φ(a), as Bird & Cuntz do (Figure 3D), at a quarter of the cost.

    Parameters
    ----------
    image : (height, width) or (channels, height, width)
        The input's pixels. A row of the image is one row of the data: all its pixels of the first channel, then those
        of the second, and so on.
    filters : int
    size : int
        Side of a filter in pixels.
    pool : int
        Side of the squares; convolved rows and columns that fill no square are dropped, as usual.
    activation : str or Activation

    Attributes
    ----------
    n_in, n_out : int
        Pixels that come in, units that go out: filters x rows x columns.

    Raises
    ------
    ValueError
        If the image is smaller than one filter and square.

    Examples
    --------
    >>> minisparse.ConvPool((28, 28), filters=20).n_out
    2880
    """

    def __init__(
        self,
        image: tuple[int, ...],
        filters: int,
        size: int = 5,
        pool: int = 2,
        activation: str | Activation = "sigmoid",
    ):
        channels, height, width = image_of(image)
        filters, size, pool = whole("filters", filters), whole("size", size), whole("pool", pool, 1)
        rows, columns = (height - size + 1) // pool, (width - size + 1) // pool
        if min(filters, size, pool, rows, columns) < 1:
            raise InputError(
                f"an image of {height} x {width} pixels is too small for filters of {size} x {size} and squares of "
                f"{pool} x {pool}; all must be at least 1, and {size + pool - 1} pixels are needed each way"
            )
        self.image, self.filters, self.size, self.pool = (channels, height, width), filters, size, pool
        self.squares = rows, columns
        self.activation = activations.get(activation)
        self.n_in, self.n_out = channels * height * width, filters * rows * columns

    def config(self) -> dict:
        """Describe the structure in plain values."""
        shape = {"image": list(self.image), "filters": self.filters, "size": self.size, "pool": self.pool}
        return {**shape, "activation": self.activation.name}

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shape of each parameter."""
        return {"K": (self.filters, self.size**2 * self.image[0]), "c": (self.filters, 1)}

    def init(self, rng: Seed, dtype: type = np.float32) -> dict[str, Array]:
        """Draw filters by Glorot's rule, uniform in ±√(6 / (fan-in + fan-out)), and offsets of 0.

        Returns
        -------
        dict of arrays
            K (filters, size² channels), the channel fastest; c (filters, 1).
        """
        rng, area = generator(rng, "weights"), self.size**2
        fan_in, fan_out = area * self.image[0], area * self.filters
        return {
            "K": glorot(rng, (self.filters, fan_in), fan_in, fan_out, dtype),
            "c": asarray(np.zeros((self.filters, 1)), dtype=dtype),
        }

    def forward(self, params: dict[str, Array], x: Array) -> tuple[Array, SimpleNamespace]:
        """Return the units (n_out, batch), filter after filter, and what `backward` needs.

        Parameters
        ----------
        params : dict of arrays
        x : (n_in, batch) or (height, channels width, batch)
        """
        check_stem(params, x, self.image, self.filters, self.size**2 * self.image[0])
        patches = self._patches(x)
        a = params["K"] @ patches + params["c"]  # (C1)
        squares = self._into_squares(a)
        winner = squares.argmax(axis=0)  # the first, where several are largest
        largest = squares.max(axis=0)
        h = self.activation(largest)  # (C2) (n_out, batch)
        kept = self.activation.kept(largest, h)
        return h, SimpleNamespace(x=x, K=params["K"], patches=patches, winner=winner, kept=kept)

    def backward(self, dh: Array, cache: SimpleNamespace, wrt_x: bool = False) -> dict[str, Array]:
        """Return the gradients of K and c, and with `wrt_x` that of the input.

        Parameters
        ----------
        dh : (n_out, batch)
        cache : namespace
            From `forward`.
        wrt_x : bool
        """
        xp = array_module(dh)
        place = xp.arange(self.pool**2).reshape(-1, 1, 1)
        dmax = dh * self.activation.slope(cache.kept)  # (C3)
        da = self._from_squares((cache.winner == xp.asarray(place)) * dmax)  # (C4)
        dK = da @ cache.patches.T  # (C5)
        dc = da.sum(axis=1, keepdims=True)  # (C6)
        if not wrt_x:
            return {"K": dK, "c": dc}
        dpatches = cache.K.T @ da  # (C7)
        dx = self._collect(dpatches, cache.x.shape)  # (C8)
        return {"K": dK, "c": dc, "x": dx}

    def _patches(self, x: Array) -> Array:
        """Lay out the pixel under each place of a filter, for all patches: (size² channels, y x batch).

        It is one copy of a view; on a GPU a stack of views would bring a list of their addresses along.
        """
        planes, (rows, columns) = self._planes(x), (n * self.pool for n in self.squares)
        channel, down, right, example = planes.strides
        shape = self.size, self.size, self.image[0], rows, columns, x.shape[-1]  # (i, j, channel, y, x, batch)
        strides = down, right, channel, down, right, example
        view = array_module(x).lib.stride_tricks.as_strided(planes, shape=shape, strides=strides)
        return view.reshape(self.size**2 * self.image[0], -1)

    def _collect(self, dpatches: Array, shape: tuple[int, ...]) -> Array:
        """Add up, for each pixel, what comes from every patch that holds it."""
        total = array_module(dpatches).zeros(shape, dtype=dpatches.dtype)
        parts = dpatches.reshape(self.size**2, self.image[0], *(n * self.pool for n in self.squares), -1)
        for pixels, part in zip(self._parts(self._planes(total)), parts, strict=True):
            pixels += part
        return total

    def _planes(self, x: Array) -> Array:
        """View data as (channels, height, width, batch)."""
        channels, height, width = self.image
        return x.reshape(height, channels, width, x.shape[-1]).swapaxes(0, 1)

    def _parts(self, planes: Array) -> list[Array]:
        """View the pixel under each place (i, j) of a filter, for all patches: size² of (channels, y, x, batch)."""
        rows, columns = (n * self.pool for n in self.squares)
        offsets = itertools.product(range(self.size), repeat=2)
        return [planes[:, i : i + rows, j : j + columns] for i, j in offsets]

    def _into_squares(self, a: Array) -> Array:
        """Arrange (filters, y x batch) as (pool², n_out, batch)."""
        rows, columns = self.squares
        a = a.reshape(self.filters, rows, self.pool, columns, self.pool, -1)
        return a.transpose(2, 4, 0, 1, 3, 5).reshape(self.pool**2, self.n_out, -1)

    def _from_squares(self, squares: Array) -> Array:
        """Undo `_into_squares`."""
        rows, columns = self.squares
        squares = squares.reshape(self.pool, self.pool, self.filters, rows, columns, -1)
        return squares.transpose(2, 3, 0, 4, 1, 5).reshape(self.filters, -1)


class ConvNet(Summary):
    """A stem and the network that reads it, trained together.

    Parameters
    ----------
    stem : ConvPool
        Or any object with its methods: parameters of its own, no sparse ones.
    head : MLP
        Reads the stem's units.

    Attributes
    ----------
    weights : dict
        The head's sparse storages.

    Raises
    ------
    ValueError
        If the sizes do not fit.

    Examples
    --------
    >>> rng = numpy.random.default_rng(0)
    >>> stem = minisparse.ConvPool((8, 8), filters=3)
    >>> model = minisparse.ConvNet(stem, minisparse.MLP([minisparse.make_weights(minisparse.full(10, stem.n_out))]))
    >>> params = model.init(rng)
    >>> logits, cache = model.forward(params, numpy.ones((8, 8, 5), numpy.float32))
    >>> list(params), logits.shape
    (['K', 'c', 'W0', 'b0'], (10, 5))
    """

    def __init__(self, stem: Any, head: Model):
        expect(stem=stem, head=head)
        if stem.n_out != head.n_in:
            raise InputError(f"the stem has {stem.n_out} units (post) but the head expects {head.n_in} inputs (pre)")
        self.stem, self.head = stem, head
        self.n_in, self.n_out = stem.n_in, head.n_out

    @property
    def weights(self) -> dict:
        """The head's sparse storages."""
        return self.head.weights

    def config(self) -> dict:
        """Describe the structure in plain values: two models with equal configs can share parameters."""
        return {**self.head.config(), "model": type(self).__name__, "stem": self.stem.config()}

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shape of each parameter as a matrix, the stem's first."""
        return {**getattr(self.stem, "shapes", dict)(), **getattr(self.head, "shapes", lambda: Summary.shapes(self))()}

    def copy(self) -> ConvNet:
        """Return a model that can be rewired on its own."""
        return ConvNet(self.stem, self.head.copy())

    def init(self, rng: Seed, dtype: type = np.float32, **settings: Any) -> dict[str, Array]:
        """Draw the stem's parameters, then the head's with its settings."""
        rng = generator(rng, "weights")
        return {**self.stem.init(rng, dtype), **self.head.init(rng, dtype, **settings)}

    def weight(self, params: dict[str, Array], name: str) -> Array:
        """Return the effective packed weight of a sparse parameter."""
        return self.head.weight(params, name)

    @share_threads
    def forward(self, params: dict[str, Array], x: Array) -> tuple[Array, SimpleNamespace]:
        """Run over a batch of images.

        Parameters
        ----------
        params : dict of arrays
        x : (pixels, batch) or (height, channels width, batch)

        Returns
        -------
        logits : (n_out, batch)
        cache : namespace
        """
        h, stem = self.stem.forward(params, x)
        logits, head = self.head.forward(params, h)
        return logits, SimpleNamespace(x=x, h=head.h, stem=stem, head=head, links=head.links)

    @share_threads
    def backward(self, dlogits: Array, cache: SimpleNamespace, wrt_x: bool = False) -> dict[str, Array]:
        """Back-propagate through the head, then the stem.

        Parameters
        ----------
        dlogits : (n_out, batch)
        cache : namespace
            From `forward`.
        wrt_x : bool
            Also return ``"x"``, the gradient of the image.

        Returns
        -------
        dict of arrays
            The keys, shapes and dtypes of the parameters.
        """
        dhead = self.head.backward(dlogits, cache.head, wrt_x=True)
        dstem = self.stem.backward(dhead.pop("x"), cache.stem, wrt_x)
        last = {"x": dstem.pop("x")} if wrt_x else {}
        return {**dstem, **dhead, **last}
