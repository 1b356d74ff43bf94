"""Optimisers over dicts: ``opt.step(params, grads)`` updates the parameters in place."""

from __future__ import annotations

from . import kernels
from .backend import Array, array_module
from .errors import InputError


class _Optimiser:
    """Keeps ``state``, a flat dict of arrays (empty before the first step) that checkpoints carry."""

    moments: tuple[str, ...] = ()

    def __init__(self, **settings: float):
        self.settings = settings
        self.state: dict = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in self.settings.items())})"

    def config(self) -> dict:
        """Describe the optimiser in plain values."""
        return {"optimiser": type(self).__name__, **self.settings}

    def step(self, params: dict[str, Array], grads: dict[str, Array]) -> None:
        """Take one step down the gradient, in place.

        Parameters
        ----------
        params, grads : dict of arrays
            Same keys and shapes.

        Raises
        ------
        ValueError
            If the keys or shapes differ; nothing has been changed then.
        """
        if params.keys() != grads.keys():
            odd = sorted(params.keys() ^ grads.keys())
            raise InputError(f"params and grads must have the same keys; only one of them has {', '.join(odd)}")
        for name, w in params.items():
            if w.shape != grads[name].shape:
                raise InputError(f"grads[{name!r}] must have shape {tuple(w.shape)}, got {tuple(grads[name].shape)}")
            for key in (f"{moment}.{name}" for moment in self.moments):
                if key in self.state and self.state[key].shape != w.shape:
                    raise InputError(
                        f"this optimiser's {key} has shape {tuple(self.state[key].shape)} but {name} has "
                        f"{tuple(w.shape)}; make a new optimiser for another model"
                    )
        self.state["step"] = self.state.get("step", 0) + 1  # (O6)
        for name, w in params.items():
            moments = []
            for moment in self.moments:
                key = f"{moment}.{name}"
                if key not in self.state:
                    self.state[key] = array_module(w).zeros_like(w)
                moments.append(self.state[key])  # (O4)
            self._update(w, grads[name], *moments)

    def _update(self, w: Array, grad: Array, *moments: Array) -> None:
        raise NotImplementedError


class SGD(_Optimiser):
    """Gradient descent: ``u ← momentum·u + dw``, ``w ← w - lr·u``.

    Parameters
    ----------
    lr : float
        Learning rate.
    momentum : float
        0 <= momentum < 1.

    Examples
    --------
    >>> params = {"w": numpy.array([1.0])}
    >>> minisparse.SGD(lr=0.5).step(params, {"w": numpy.array([1.0])})
    >>> params["w"]
    array([0.5])
    """

    kernels = staticmethod(kernels.table)

    def __init__(self, lr: float = 1e-2, momentum: float = 0.0):
        _check_rate("lr", lr, positive=True)
        _check_rate("momentum", momentum)
        super().__init__(lr=lr, momentum=momentum)
        self.moments = ("m",) if momentum else ()

    def _update(self, w: Array, grad: Array, *moments: Array) -> None:
        self.kernels(w).sgd(w, grad, *moments, **self.settings)


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

    Examples
    --------
    >>> params = {"w": numpy.array([1.0, 0.0])}
    >>> minisparse.Adam(lr=0.1).step(params, {"w": numpy.array([3.0, 0.0])})
    >>> params["w"]
    array([0.9, 0. ])
    """

    moments = ("m", "v")
    kernels = staticmethod(kernels.table)

    def __init__(self, lr: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8):
        _check_rate("lr", lr, positive=True)
        _check_rate("beta1", beta1)
        _check_rate("beta2", beta2)
        _check_rate("eps", eps, positive=True)
        super().__init__(lr=lr, beta1=beta1, beta2=beta2, eps=eps)

    def _update(self, w: Array, grad: Array, *moments: Array) -> None:
        self.kernels(w).adam(w, grad, *moments, **self.settings, step=self.state["step"])


def _check_rate(name: str, value: float, positive: bool = False) -> None:
    if not (value > 0 if positive else 0 <= value < 1):
        raise InputError(f"{name} must be {'above 0' if positive else 'at least 0 and below 1'}, got {value}")
