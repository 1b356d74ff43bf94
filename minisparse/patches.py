"""A convolution over patches: the image is cut into squares that do not overlap, each read by the same filters.

As no pixel lies in two patches, cutting an image up and putting it together again is one transposition each way.
The stem is that of a public spiking port of G2GNet (Konstantaropoulos et al. 2025, arXiv 2508.14140).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from . import activations
from .activations import Activation
from .arguments import expect, generator, parameter_of, shown, whole
from .backend import Array, array_module, asarray
from .errors import InputError
from .initialise import normal
from .protocols import Seed


class PatchConv:
    """Filters over patches that do not overlap, then a nonlinearity: kernel, stride and patch have one size.

    ``h[p, f] = φ(Σ_ijc K[f, ijc] patch_p[i, j, c] + c_f)``. The units of a patch are together (patch after patch,
    row by row of the image), so contiguous groups of units are regions of the image.

    Parameters
    ----------
    image : (height, width) or (channels, height, width)
        The input's pixels. A row of the image is one row of the data: all its pixels of the first channel, then those
        of the second, and so on.
    patches_per_side : int
        Patches along either side; it must divide both.
    filters : int
    activation : str or Activation

    Attributes
    ----------
    n_in, n_out : int
        Pixels that come in, units that go out: patches x filters.

    Raises
    ------
    ValueError
        If the image cannot be cut evenly.

    Examples
    --------
    >>> stem = minisparse.PatchConv((3, 32, 32))
    >>> stem.n_out, stem.size
    (512, (8, 8))
    """

    def __init__(
        self,
        image: tuple[int, ...],
        patches_per_side: int = 4,
        filters: int = 32,
        activation: str | Activation = "relu",
    ):
        channels, height, width = image_of(image)
        filters, patches_per_side = whole("filters", filters), whole("patches_per_side", patches_per_side)
        if min(channels, height, width, patches_per_side, filters) < 1 or any(
            side % patches_per_side for side in (height, width)
        ):
            raise InputError(
                f"an image of {height} x {width} pixels cannot be cut into {patches_per_side} x {patches_per_side} "
                f"equal patches for {filters} filters; all must be at least 1, and patches_per_side divide both sides"
            )
        self.image, self.filters, self.patches_per_side = (channels, height, width), filters, patches_per_side
        self.size = height // patches_per_side, width // patches_per_side
        self.activation = activations.get(activation)
        self.n_in, self.n_out = channels * height * width, patches_per_side**2 * filters

    def config(self) -> dict:
        """Describe the structure in plain values."""
        shape = {"stem": "PatchConv", "image": list(self.image), "patches_per_side": self.patches_per_side}
        return {**shape, "filters": self.filters, "activation": self.activation.name}

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shape of each parameter."""
        return {"K": (self.filters, self._pixels), "c": (self.filters, 1)}

    def init(self, rng: Seed, dtype: type = np.float32) -> dict[str, Array]:
        """Draw filters by He's rule, N(0, 2 / pixels of a patch), and offsets of 0.

        Returns
        -------
        dict of arrays
            K (filters, patch height x patch width x channels), c (filters, 1).
        """
        rng, pixels = generator(rng, "weights"), self._pixels
        K = normal(rng, (self.filters, pixels), math.sqrt(2 / pixels), dtype)
        return {"K": K, "c": asarray(np.zeros((self.filters, 1)), dtype=dtype)}

    @property
    def _pixels(self) -> int:
        return self.image[0] * math.prod(self.size)

    def forward(self, params: dict[str, Array], x: Array) -> tuple[Array, SimpleNamespace]:
        """Return the units (n_out, batch), patch after patch, and what `backward` needs.

        Parameters
        ----------
        params : dict of arrays
        x : (n_in, batch) or (height, channels width, batch)
        """
        check_stem(params, x, self.image, self.filters, self._pixels)
        array_module(x, params["K"])
        patches = self._cut(x)
        a = params["K"] @ patches + params["c"]  # (C9)
        a = self._patch_major(a)
        h = self.activation(a)  # (C10) (n_out, batch)
        return h, SimpleNamespace(x=x, K=params["K"], patches=patches, kept=self.activation.kept(a, h))

    def backward(self, dh: Array, cache: SimpleNamespace, wrt_x: bool = False) -> dict[str, Array]:
        """Return the gradients of K and c, and with `wrt_x` that of the input.

        Parameters
        ----------
        dh : (n_out, batch)
        cache : namespace
            From `forward`.
        wrt_x : bool
        """
        da = self._filter_major(dh * self.activation.slope(cache.kept))  # (C11)
        dK = da @ cache.patches.T  # (C12)
        dc = da.sum(axis=1, keepdims=True)  # (C13)
        if not wrt_x:
            return {"K": dK, "c": dc}
        dpatches = cache.K.T @ da  # (C14)
        dx = self._put_together(dpatches).reshape(cache.x.shape)  # (C15)
        return {"K": dK, "c": dc, "x": dx}

    def _cut(self, x: Array) -> Array:
        """Arrange (y i, channel x j, batch) as (i j channel, y x batch): one column per patch of each example."""
        (rows, columns), side = self.size, self.patches_per_side
        x = x.reshape(side, rows, self.image[0], side, columns, -1)
        return x.transpose(1, 4, 2, 0, 3, 5).reshape(self._pixels, -1)

    def _put_together(self, patches: Array) -> Array:
        """Undo `_cut`."""
        side = self.patches_per_side
        patches = patches.reshape(*self.size, self.image[0], side, side, -1)
        return patches.transpose(3, 0, 2, 4, 1, 5)

    def _patch_major(self, a: Array) -> Array:
        """Arrange (filters, patches batch) as (patches filters, batch)."""
        return a.reshape(self.filters, self.patches_per_side**2, -1).swapaxes(0, 1).reshape(self.n_out, -1)

    def _filter_major(self, da: Array) -> Array:
        """Undo `_patch_major`."""
        return da.reshape(self.patches_per_side**2, self.filters, -1).swapaxes(0, 1).reshape(self.filters, -1)


def image_of(image: tuple[int, ...]) -> tuple[int, int, int]:
    """Return an image's channels, height and width; an image of two numbers has one channel.

    Examples
    --------
    >>> minisparse.patches.image_of((28, 28))
    (1, 28, 28)
    """
    if not isinstance(image, Sequence) or isinstance(image, str) or len(image) not in (2, 3):
        raise InputError(f"image must be (height, width) or (channels, height, width), got {shown(image)}")
    sides = [whole("each side of the image", side) for side in image]
    return tuple(sides) if len(sides) == 3 else (1, *sides)


def check_stem(params: dict[str, Array], x: Array, image: tuple[int, ...], filters: int, size: int) -> None:
    """Refuse an image, or filters K (filters, size) and offsets c (filters, 1), that do not fit."""
    expect(params=params, x=x)
    if math.prod(x.shape[:-1]) != math.prod(image):
        raise InputError(f"x must hold {math.prod(image)} pixels {image} per example, got shape {tuple(x.shape)}")
    for name, shape in (("K", (filters, size)), ("c", (filters, 1))):
        if parameter_of(params, name).shape != shape:
            raise InputError(f"{name} must have shape {shape}, got {tuple(params[name].shape)}")
