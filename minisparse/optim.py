"""Optimisers over dicts: ``opt.step(params, grads)`` updates the parameters in place; and a schedule for their rate."""

from __future__ import annotations

import math
import warnings

from . import kernels
from .arguments import expect, number, shown
from .backend import Array, array_module
from .errors import InputError
from .protocols import Run


class _Optimiser:
    """Keeps ``state``, a flat dict of arrays (empty before the first step) that checkpoints carry."""

    moments: tuple[str, ...] = ()

    def __init__(self, decay: float = 0.0, rates: dict[str, float] | None = None, **settings: float):
        if not isinstance({} if rates is None else rates, dict):
            raise InputError(f"rates must be a dict of numbers, such as {{'W_rec': 0.05}}, got {shown(rates)}")
        self.settings, self.decay, self.rates = settings, decay, dict(rates or {})
        self.state: dict = {}
        for name, rate in {"lr": settings["lr"], **self.rates}.items():
            _check_rate(name if name == "lr" else f"rates[{name!r}]", rate, positive=True)
        if not 0 <= number("decay", decay) * settings["lr"] < 1:
            raise InputError(f"decay must be at least 0 and below 1 / lr = {1 / settings['lr']:g}, got {decay}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in self._described().items())})"

    def config(self) -> dict:
        """Describe the optimiser in plain values."""
        return {"optimiser": type(self).__name__, **self._described()}

    def _described(self) -> dict:
        more = {"decay": self.decay, "rates": self.rates}
        return {**self.settings, **{name: value for name, value in more.items() if value}}

    @property
    def lr(self) -> float:
        """The rate of the next step: the one asked for, or what a schedule has put in ``state["lr"]``."""
        return self.state.get("lr", self.settings["lr"])

    def rate(self, name: str) -> float:
        """The rate of the next step of one parameter; a schedule changes all in proportion."""
        return self.lr * (self.rates[name] / self.settings["lr"]) if name in self.rates else self.lr

    def step(self, params: dict[str, Array], grads: dict[str, Array]) -> None:
        """Take one step down the gradient, in place.

        Parameters
        ----------
        params, grads : dict of arrays
            Same keys and shapes.

        Raises
        ------
        ValueError
            If the keys or shapes differ, or `rates` names no parameter; nothing has been changed then.

        Warns
        -----
        UserWarning
            At the first step, if there is decay and a parameter that it does not recognise as a weight or as none.
        """
        expect(params=params, grads=grads)
        if unknown := self.rates.keys() - params.keys():
            raise InputError(f"rates names {', '.join(sorted(unknown))}, but the parameters are {', '.join(params)}")
        if params.keys() != grads.keys():
            odd = sorted(params.keys() ^ grads.keys())
            raise InputError(f"params and grads must have the same keys; only one of them has {', '.join(odd)}")
        for name, w in params.items():
            if getattr(w, "shape", None) != getattr(grads[name], "shape", ()):
                expect(**{name: w, f"grads[{name!r}]": grads[name]})
                raise InputError(f"grads[{name!r}] must have shape {tuple(w.shape)}, got {tuple(grads[name].shape)}")
            for moment in self.moments:
                key = f"{moment}.{name}"
                if key in self.state and self.state[key].shape != w.shape:
                    raise InputError(
                        f"this optimiser's {key} has shape {tuple(self.state[key].shape)} but {name} has "
                        f"{tuple(w.shape)}; make a new optimiser for another model"
                    )
        if self.decay and "step" not in self.state:
            _say_what_stays(params)
        self.state["step"] = self.state.get("step", 0) + 1  # (O6)
        for name, w in params.items():
            moments = []
            for moment in self.moments:
                key = f"{moment}.{name}"
                if key not in self.state:
                    self.state[key] = array_module(w).zeros_like(w)
                moments.append(self.state[key])  # (O4)
            lr = self.rate(name)
            if self.decay and decays(name):
                w -= lr * self.decay * w  # (O7)
            self._update(lr, w, grads[name], *moments)

    def _update(self, lr: float, w: Array, grad: Array, *moments: Array) -> None:
        raise NotImplementedError


NO_WEIGHTS = ("b", "c", "g", "h", "s")
"""How the names of what never decays begin: biases, offsets, scales of a rule, an initial state."""


def decays(name: str) -> bool:
    """Whether weight decay acts on a parameter: on weights W... and filters K, not on biases, offsets and scales.

    Examples
    --------
    >>> [name for name in ("W_in", "W0", "K", "b0", "c", "s0") if minisparse.optim.decays(name)]
    ['W_in', 'W0', 'K']
    """
    return name.startswith(("W", "K"))


def _say_what_stays(params: dict[str, Array]) -> None:
    """Warn of parameters whose name does not say whether they are weights: they do not decay."""
    if unknown := [name for name in params if not decays(name) and not name.startswith(NO_WEIGHTS)]:
        warnings.warn(
            f"decay does not act on {', '.join(unknown)}: only names that begin with W or K are weights to it; rename "
            f"what should decay, and begin the name of what should not with one of {', '.join(NO_WEIGHTS)}",
            stacklevel=3,
        )


class SGD(_Optimiser):
    """Gradient descent: ``u ← momentum·u + dw``, ``w ← w - lr·u``.

    Parameters
    ----------
    lr : float
        Learning rate.
    momentum : float
        0 <= momentum < 1.
    decay : float
        Decoupled weight decay, ``w ← w - lr·decay·w`` before the step: see `Adam`.
    rates : dict, optional
        Learning rates of single parameters, by name: ``{"W_rec": 0.05}``.

    Examples
    --------
    >>> params = {"w": numpy.array([1.0])}
    >>> minisparse.SGD(lr=0.5).step(params, {"w": numpy.array([1.0])})
    >>> params["w"]
    array([0.5])
    """

    def __init__(
        self, lr: float = 1e-2, momentum: float = 0.0, decay: float = 0.0, rates: dict[str, float] | None = None
    ):
        _check_rate("momentum", momentum)
        super().__init__(decay, rates, lr=lr, momentum=momentum)
        self.moments = ("m",) if momentum else ()

    def _update(self, lr: float, w: Array, grad: Array, *moments: Array) -> None:
        kernels.table(w).sgd(w, grad, *moments, lr=lr, momentum=self.settings["momentum"])


class Adam(_Optimiser):
    """Adam (Kingma & Ba 2015) with bias correction; eps is added after it.

    ``m ← β1 m + (1-β1) g``, ``v ← β2 v + (1-β2) g²``, ``w ← w - lr (m/(1-β1^k)) / (√(v/(1-β2^k)) + eps)``.

    An entry whose gradient was always 0 keeps its bits: 0 / (0 + eps) is 0. So training the stored synapses alone is
    the same as training a masked matrix.

    Parameters
    ----------
    lr : float
    beta1, beta2 : float
        Decay of the running mean and of the running square, 0 <= β < 1.
    eps : float
        Added to the root, in units of the gradient.
    decay : float
        Decoupled weight decay, ``w ← w - lr·decay·w`` before the step (Loshchilov & Hutter 2019), of weights and
        filters, not of biases and scales (`decays`). An absent synapse stays +0.0. Added to the gradient in its place,
        the decay would be divided by the root of its own square: full-size steps, however small it is.
    rates : dict, optional
        Learning rates of single parameters, by name: ``{"W_rec": 0.05}``.

    Examples
    --------
    >>> params = {"w": numpy.array([1.0, 0.0])}
    >>> minisparse.Adam(lr=0.1).step(params, {"w": numpy.array([3.0, 0.0])})
    >>> params["w"]
    array([0.9, 0. ])
    """

    moments = ("m", "v")

    def __init__(
        self,
        lr: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        decay: float = 0.0,
        rates: dict[str, float] | None = None,
    ):
        _check_rate("beta1", beta1)
        _check_rate("beta2", beta2)
        _check_rate("eps", eps, positive=True)
        super().__init__(decay, rates, lr=lr, beta1=beta1, beta2=beta2, eps=eps)

    def _update(self, lr: float, w: Array, grad: Array, *moments: Array) -> None:
        kernels.table(w).adam(w, grad, *moments, **{**self.settings, "lr": lr}, step=self.state["step"])


class Cosine:
    """Half a cosine from the optimiser's learning rate down to `lowest`; a hook of `fit`, for after_step.

    ``lr(t) = lowest + (lr - lowest) (1 + cos(π t)) / 2`` for the share t of the steps asked of `fit` that are done: the
    first step is taken at lr, the one after the last would be taken at `lowest`. The rate of the next step is in
    ``opt.state["lr"]``, which checkpoints carry; ``opt.settings`` keep the rate asked for. At the end it is removed, so
    the next `fit` starts at lr; one that stops early (`patience`) leaves it.

    Parameters
    ----------
    lowest : float
        Rate at the end, at least 0.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> opt, rates = minisparse.SGD(lr=1.0), []
    >>> for step in range(4):
    ...     rates.append(round(opt.lr, 3))
    ...     minisparse.Cosine()(SimpleNamespace(opt=opt, epoch=1, epochs=1, step=step, steps=4))
    >>> rates
    [1.0, 0.854, 0.5, 0.146]
    """

    needs_epochs = True

    def __init__(self, lowest: float = 0.0):
        if not number("lowest", lowest) >= 0:
            raise InputError(f"lowest, the learning rate at the end, must be at least 0, got {lowest}")
        self.lowest = lowest

    def __call__(self, run: Run) -> None:
        """Set the rate of the next step."""
        done, total = (run.epoch - 1) * run.steps + run.step + 1, run.epochs * run.steps
        lr = run.opt.settings["lr"]
        if done < total:
            run.opt.state["lr"] = self.lowest + (lr - self.lowest) / 2 * (1 + math.cos(math.pi * done / total))  # (O8)
        else:
            run.opt.state.pop("lr", None)


def _check_rate(name: str, value: float, positive: bool = False) -> None:
    number(name, value)
    if not (value > 0 if positive else 0 <= value < 1):
        raise InputError(f"{name} must be {'above 0' if positive else 'at least 0 and below 1'}, got {value}")
