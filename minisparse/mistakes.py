"""The catalogue of classic gradient mistakes: each is one line of this library, exchanged.

A mutant is the library's own source with the one line that carries the equation tag replaced by a wrong one, compiled
beside the original: there is no second copy of any pass, and nothing is patched. So the catalogue follows the library.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from .equations import TAG, code_line, module_of


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One classic mistake.

    Attributes
    ----------
    code : str
        Stable name, as a gradient check reports it.
    family : str
        "affine", "loss", "recurrent", "sparse" or "optimiser".
    tag : str
        Of the line that is exchanged.
    wrong : str
        The wrong line.
    visible : tuple of str
        The gradients (or, for an optimiser, the parameters) in which it shows first.
    sentence : str
        What the student reads, at most 25 words.
    story : str
        Where it comes from.
    only : tuple of str
        Activations or storages for which it is a mistake; all if empty.

    Examples
    --------
    >>> mistake = minisparse.mistakes.find("bptt-not-transposed")
    >>> mistake.right, mistake.wrong
    ('da[t - 1] = W.matmul_t(da[t]) * slope(h[t])', 'da[t - 1] = W.matmul(da[t]) * slope(h[t])')
    """

    code: str
    family: str
    tag: str
    wrong: str
    visible: tuple[str, ...]
    sentence: str
    story: str
    only: tuple[str, ...] = ()

    @property
    def right(self) -> str:
        """The library's own line."""
        return code_line(self.tag)

    def concerns(self, part: Any) -> bool:
        """Whether the line is run by this model, optimiser, hook or function, and is a mistake in it."""
        parts = [part, *(getattr(part, "weights", {}) or {}).values(), getattr(part, "activation", None)]
        kinds = {getattr(p, "storage", getattr(p, "name", None)) for p in parts if p is not None}
        if self.only and not kinds & set(self.only):
            return False
        home = module_of(self.tag)
        parts.append(getattr(part, "normalise", None))
        return any(_home(p) == home for p in parts) or (home == _KERNELS and hasattr(part, "kernels"))

    def plant(self, part: Any) -> Any:
        """Return a copy of a model, optimiser, hook or function of the library that makes this mistake.

        Parameters
        ----------
        part : object
            Every other line that it runs is the library's own; what is not of this library is returned as it is.

        Examples
        --------
        >>> wrong_loss = minisparse.mistakes.find("loss-sign").plant(minisparse.softmax_cross_entropy)
        >>> wrong_loss(numpy.zeros((2, 1)), numpy.array([0]))[1].ravel()
        array([ 0.5, -0.5])
        """
        home, mutant = module_of(self.tag), _mutant(self.tag, self.wrong)
        return _rebuilt(part, lambda name: mutant if name == home else importlib.import_module(name))


def restored(part: Any) -> Any:
    """Return a copy of a model, optimiser, hook or function whose every line is the library's own.

    Examples
    --------
    >>> wrong_loss = minisparse.mistakes.find("loss-sign").plant(minisparse.softmax_cross_entropy)
    >>> minisparse.mistakes.restored(wrong_loss) is minisparse.softmax_cross_entropy
    True
    """
    return _rebuilt(part, importlib.import_module)


def _rebuilt(part: Any, module: Callable[[str], ModuleType]) -> Any:
    twin = _twin(part, module)
    if hasattr(twin, "weights") and hasattr(twin, "config"):
        for name, value in list(vars(twin).items()):
            if isinstance(value, dict):
                setattr(twin, name, {key: _twin(entry, module) for key, entry in value.items()})
            else:
                setattr(twin, name, _twin(value, module))
    return twin


def _twin(part: Any, module: Callable[[str], ModuleType]) -> Any:
    """Return a part that runs the lines of the modules that `module` names."""
    home, name = _home(part), getattr(part, "__name__", type(part).__name__)
    if not home.startswith("minisparse."):
        return copy.copy(part) if hasattr(part, "config") else part
    if isinstance(part, FunctionType):
        return getattr(module(home), name, part)
    if hasattr(part, "slope"):
        known = module(home).ACTIVATIONS.get(part.name)
        return dataclasses.replace(part, slope=known.slope) if known else part
    twin = copy.copy(part)
    twin.__class__ = getattr(module(home), name, type(part))
    for own in [key for key in vars(twin) if callable(getattr(type(twin), key, None))]:
        delattr(twin, own)  # a method that was exchanged on the object
    if hasattr(part, "kernels"):
        kernels = module(_KERNELS)
        twin.kernels = type(twin).kernels if kernels is importlib.import_module(_KERNELS) else lambda w: kernels
    if hasattr(part, "state"):
        twin.state = copy.deepcopy(part.state)
    return twin


_KERNELS = "minisparse.kernels.reference"


def _home(part: Any) -> str:
    """Return the module whose lines a part runs; an activation's is that of its slope."""
    if hasattr(part, "slope"):
        return part.slope.__module__
    return part.__module__ if isinstance(part, FunctionType) else type(part).__module__


@functools.lru_cache(maxsize=256)
def _mutant(tag: str, wrong: str) -> ModuleType:
    """Compile the module that carries a tag with that one line exchanged."""
    original = importlib.import_module(module_of(tag))
    with open(original.__file__, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for number, line in enumerate(lines):
        match = TAG.match(line)
        if match and match["tag"] == tag:
            lines[number] = line[: len(line) - len(line.lstrip())] + wrong
    module = ModuleType(original.__name__, original.__doc__)
    module.__package__, module.__file__ = original.__package__, original.__file__
    exec(compile("\n".join(lines), original.__file__, "exec"), module.__dict__)
    return module


def catalogue(family: str | None = None) -> tuple[Mistake, ...]:
    """Return every catalogued mistake, or those of one family.

    Examples
    --------
    >>> len(minisparse.mistakes.catalogue()) >= 30
    True
    """
    return tuple(mistake for mistake in _CATALOGUE if family in (None, mistake.family))


def find(code: str) -> Mistake:
    """Return one mistake by its code.

    Raises
    ------
    KeyError
        If there is none.
    """
    return {mistake.code: mistake for mistake in _CATALOGUE}[code]


_RELU, _TANH, _DENSE, _CSR = ("relu",), ("tanh",), ("dense",), ("csr",)
_ALL = ("W_in", "W_rec", "b_in", "b_rec", "x")

_CATALOGUE = (
    # affine: y = W x + b, here the readout and the input map
    Mistake(
        "affine-dW-transposed",
        "affine",
        "R4",
        "dW_out = h[-1] @ dlogits.T",
        ("W_out",),
        "dW is x dyᵀ, the transpose of the right one: rows of a weight belong to what receives, dy xᵀ.",
        "Row- and column-vector texts are mixed; with as many outputs as inputs even the shape agrees.",
    ),
    Mistake(
        "affine-dW-mean",
        "affine",
        "R4",
        "dW_out = dlogits @ h[-1].T / dlogits.shape[1]",
        ("W_out",),
        "dW is divided by the batch here although the loss has divided already: only sum.",
        "Every chapter of a textbook divides somewhere; two of them meet.",
    ),
    Mistake(
        "affine-dW-wrong-input",
        "affine",
        "R4",
        "dW_out = dlogits @ h[-2].T",
        ("W_out",),
        "dW of the readout uses the state before last; the readout saw the last one.",
        "An off-by-one between h_0..h_T and a list of T outputs.",
    ),
    Mistake(
        "affine-bias-one-example",
        "affine",
        "R5",
        "db_out = dlogits[:, -1:]",
        ("b_out",),
        "The bias counts the last example only; it is shared by all, so sum over the batch.",
        "Code for one example is given a batch; the shape still fits.",
    ),
    Mistake(
        "affine-bias-mean",
        "affine",
        "R5",
        "db_out = dlogits.mean(axis=1, keepdims=True)",
        ("b_out",),
        "The bias takes the mean over the batch although the loss has divided already: sum.",
        "A mean keeps numbers small and looks safe.",
    ),
    Mistake(
        "affine-dx-missing",
        "affine",
        "R12",
        "pass",
        ("x",),
        "No gradient for the input is returned: a layer below this one would never learn.",
        "A first layer needs no dx, so it is forgotten until the layer is stacked.",
    ),
    Mistake(
        "affine-dx-zero",
        "affine",
        "R12",
        'grads["x"] = xp.zeros_like(x)',
        ("x",),
        "The gradient of the input is 0: the way back ends here.",
        "A placeholder that was never filled in.",
    ),
    Mistake(
        "affine-dx-slope-twice",
        "affine",
        "R12",
        'grads["x"] = cache.W_in.T @ (da * slope(h[1:]))',
        ("x",),
        "dx passes the nonlinearity a second time; da has passed it already.",
        "da and dh are confused; the slope of ReLU is its own square, so ReLU forgives it.",
        ("tanh", "sigmoid"),
    ),
    # loss
    Mistake(
        "loss-divided-twice",
        "loss",
        "L1",
        "dlogits = (xp.exp(log_softmax) - onehot) / batch / batch",
        ("logits",),
        "The gradient is divided by the batch twice.",
        "Once as written in the loss, once more because the backward pass 'averages'.",
    ),
    Mistake(
        "loss-not-divided",
        "loss",
        "L1",
        "dlogits = xp.exp(log_softmax) - onehot",
        ("logits",),
        "The loss is a mean over the batch, its gradient is not: divide by the batch.",
        "The gradient of one example, copied from a slide.",
    ),
    Mistake(
        "loss-sign",
        "loss",
        "L1",
        "dlogits = (onehot - xp.exp(log_softmax)) / batch",
        ("logits",),
        "The sign is turned: training would climb.",
        "target - output, as in the delta rule of 1960, where a plus followed.",
    ),
    Mistake(
        "loss-no-onehot",
        "loss",
        "L1",
        "dlogits = xp.exp(log_softmax) / batch",
        ("logits",),
        "The label is missing: softmax minus one-hot is the gradient.",
        "The derivative of log-sum-exp alone.",
    ),
    Mistake(
        "loss-no-softmax",
        "loss",
        "L1",
        "dlogits = (logits - onehot) / batch",
        ("logits",),
        "Logits stand where their softmax belongs.",
        "The gradient of a squared error, kept when the loss was changed.",
    ),
    Mistake(
        "loss-zero",
        "loss",
        "L1",
        "dlogits = (xp.exp(log_softmax) - xp.exp(log_softmax)) / batch",
        ("logits",),
        "The gradient is 0 everywhere: nothing would be learnt.",
        "Softmax and one-hot both add up to 1, so a check that only sums them sees nothing.",
    ),
    # recurrent: back-propagation through time
    Mistake(
        "bptt-not-transposed",
        "recurrent",
        "R7",
        "da[t - 1] = W.matmul(da[t]) * slope(h[t])",
        _ALL,
        "Going back in time multiplies by W; each neuron hears through column j, so by Wᵀ.",
        "A recurrent matrix is square, so nothing complains.",
    ),
    Mistake(
        "bptt-no-slope",
        "recurrent",
        "R7",
        "da[t - 1] = W.matmul_t(da[t])",
        _ALL,
        "A step back in time does not pass the nonlinearity: multiply by its slope.",
        "The slope is applied once at the end and forgotten inside the loop.",
    ),
    Mistake(
        "bptt-slope-at-next-step",
        "recurrent",
        "R7",
        "da[t - 1] = W.matmul_t(da[t]) * slope(h[t + 1])",
        _ALL,
        "The slope is taken one step too late: at h of t + 1 in place of t.",
        "Lists of T activations and of T + 1 states differ by one.",
    ),
    Mistake(
        "bptt-slope-at-last-step",
        "recurrent",
        "R7",
        "da[t - 1] = W.matmul_t(da[t]) * slope(h[t - 1])",
        _ALL,
        "The slope is taken one step too early: at h of t - 1 in place of t.",
        "Lists of T activations and of T + 1 states differ by one.",
    ),
    Mistake(
        "bptt-slope-inside",
        "recurrent",
        "R7",
        "da[t - 1] = W.matmul_t(da[t] * slope(h[t]))",
        _ALL,
        "The slope is multiplied before Wᵀ; it belongs to the receiving side, after it.",
        "Brackets: Wᵀ(da ∘ φ') is not (Wᵀ da) ∘ φ'.",
    ),
    Mistake(
        "bptt-last-step-only",
        "recurrent",
        "R7",
        "da[t - 1] = 0 * da[t]",
        _ALL,
        "Only the last time step gets a gradient: nothing flows back in time.",
        "The state is detached between steps, as for stateful mini-batches.",
    ),
    Mistake(
        "bptt-truncated",
        "recurrent",
        "R7",
        "da[t - 1] = W.matmul_t(da[t]) * slope(h[t]) * (t > len(x) - 3)",
        _ALL,
        "The way back is cut after three steps (truncated BPTT); the forward pass has no such cut.",
        "A setting for long sequences, left on.",
    ),
    Mistake(
        "bptt-loop-not-reversed",
        "recurrent",
        "R13",
        "for t in range(1, len(x)):",
        _ALL,
        "The loop runs forward in time, so each step reads a gradient that is not there yet.",
        "range(1, T) is what the forward pass has.",
    ),
    Mistake(
        "bptt-no-slope-at-readout",
        "recurrent",
        "R6",
        "da[-1] = cache.W_out.T @ dlogits",
        _ALL,
        "The last step's gradient does not pass the nonlinearity: multiply by its slope.",
        "dh_T is taken for da_T.",
    ),
    Mistake(
        "bptt-wrong-slope-at-readout",
        "recurrent",
        "R6",
        "da[-1] = (cache.W_out.T @ dlogits) * slope(h[-2])",
        _ALL,
        "The last step's slope is taken at the state before.",
        "Lists of T activations and of T + 1 states differ by one.",
    ),
    Mistake(
        "bptt-over-time-steps",
        "recurrent",
        "R6",
        "da[-1] = (cache.W_out.T @ dlogits) * slope(h[-1]) / len(x)",
        _ALL,
        "Everything below the readout is divided by the number of time steps; the loss has no such mean.",
        "A mean over time belongs to a loss at every step.",
    ),
    Mistake(
        "bptt-dW-same-step",
        "recurrent",
        "R10",
        "dw = cache.weights.outer(da[1:], h[2:])",
        ("W_rec",),
        "dW pairs da of t with h of t; the synapses saw h of t - 1.",
        "The most common slip of all: h_t h_tᵀ looks symmetric and right.",
    ),
    Mistake(
        "bptt-dW-transposed",
        "recurrent",
        "R10",
        "dw = cache.weights.outer(h[1:-1], da[1:])",
        ("W_rec",),
        "dW is h daᵀ: rows and columns of the recurrent weights are exchanged.",
        "A recurrent matrix is square, so nothing complains.",
    ),
    Mistake(
        "bptt-dW-overwritten",
        "recurrent",
        "R10",
        "dw = cache.weights.outer(da[1:2], h[1:-1][:1])",
        ("W_rec",),
        "dW holds the last summand of the loop only: = was written for +=.",
        "The loop ends at the first time step, so that summand survives.",
    ),
    Mistake(
        "bptt-dW-in-overwritten",
        "recurrent",
        "R8",
        "dW_in = sum_outer(da[:1], x[:1])",
        ("W_in",),
        "dW_in holds the last summand of the loop only: = was written for +=.",
        "The loop ends at the first time step, so that summand survives.",
    ),
    Mistake(
        "bptt-x-off-by-one",
        "recurrent",
        "R8",
        "dW_in = sum_outer(da[1:], x[:-1])",
        ("W_in",),
        "dW_in pairs da of t with the input of t - 1.",
        "Inputs are counted from 0, states from 1.",
    ),
    Mistake(
        "bptt-db-mean",
        "recurrent",
        "R9",
        "db = da.mean(axis=(0, 2))[:, None]",
        ("b_in", "b_rec"),
        "The bias takes a mean over time and batch; it is added at every step, so sum.",
        "axis=(0, 2) is easier to get right than sum against mean.",
    ),
    Mistake(
        "bptt-db-overwritten",
        "recurrent",
        "R9",
        "db = da[0].sum(axis=1)[:, None]",
        ("b_in", "b_rec"),
        "The bias counts the first time step only: = was written for += in the loop.",
        "The loop ends at the first time step, so that summand survives.",
    ),
    Mistake(
        "slope-of-argument",
        "recurrent",
        "N2",
        "slope=lambda h: 1 - array_module(h).arctanh(h) ** 2,",
        _ALL,
        "The slope of tanh is 1 - h² of its value; 1 - a² uses its argument.",
        "The cache holds a where the formula wants h.",
        _TANH,
    ),
    Mistake(
        "slope-always-1",
        "recurrent",
        "N1",
        "slope=lambda h: (h >= 0).astype(h.dtype),",
        _ALL,
        "Silent units pass a gradient: the slope of ReLU is 0 where its value is 0.",
        ">= for >: every value of a ReLU is at least 0.",
        _RELU,
    ),
    # sparse
    Mistake(
        "sparse-no-mask",
        "sparse",
        "S3",
        "return kernels.table(dy).sum_outer(dy, x)",
        ("W_rec",),
        "Absent synapses get a gradient: apply the mask to dW.",
        "The forward pass does not show them, so no difference quotient does either.",
        _DENSE,
    ),
    Mistake(
        "sparse-unmasked-transpose",
        "sparse",
        "S2",
        "return (self._w + (self._w == 0) * abs(self._w).max()).T @ dy",
        _ALL,
        "Wᵀ on the way back holds weights that the mask removes on the way forward.",
        "The mask is applied to a copy, and the backward pass reaches for the original.",
        _DENSE,
    ),
    Mistake(
        "sparse-rows-for-columns",
        "sparse",
        "S5",
        "return kernels.table(dy, self._w).spmm(self._transposed[0], self._w, dy)",
        _ALL,
        "The transposed product reads the values row by row where its structure runs column by column.",
        "Index arrays are turned, the values are not reordered with them.",
        _CSR,
    ),
    Mistake(
        "sparse-dW-column-order",
        "sparse",
        "S6",
        "return kernels.table(dy, x).sddmm(self._rows(dy), dy, x)[self._columns(dy)[1]]",
        ("W_rec",),
        "The gradients of the synapses are right but stand column by column; the weights stand row by row.",
        "The transposed structure is used for a product and its order is kept.",
        _CSR,
    ),
    # optimiser, and what follows the step
    Mistake(
        "adam-counts-from-0",
        "optimiser",
        "O6",
        'self.state["step"] = self.state.get("step", -1) + 1',
        _ALL,
        "The bias correction counts steps from 0, so the first one divides by 0: count from 1.",
        "for k in range(steps).",
    ),
    Mistake(
        "adam-no-bias-correction",
        "optimiser",
        "O3",
        "w -= lr * m / (xp.sqrt(v) + eps)",
        _ALL,
        "Adam's moments start at 0 and are not corrected for it.",
        "The correction fades, so long runs look alike.",
    ),
    Mistake(
        "adam-mean-not-weighted",
        "optimiser",
        "O1",
        "m += grad",
        _ALL,
        "The running mean adds the whole gradient; its weight is 1 - β1.",
        "The heavy-ball rule of SGD has no such weight.",
    ),
    Mistake(
        "adam-not-squared",
        "optimiser",
        "O2",
        "v += (1 - beta2) * abs(grad)",
        _ALL,
        "The second moment averages |g|; it is the mean of g².",
        "A root follows, so the units are wrong and nothing else is.",
    ),
    Mistake(
        "adam-buffer-reused",
        "optimiser",
        "O4",
        'moments.append(self.state.setdefault(f"{moment} {w.shape}", self.state[key]))',
        ("b_rec",),
        "Two parameters of one shape share a buffer, so each moves with the other's moments.",
        "A scratch array is allocated once per shape to save memory.",
    ),
    Mistake(
        "adam-derived-weight",
        "optimiser",
        "O4",
        "moments.append(0 * self.state[key])",
        _ALL,
        "The moments start anew at every step: they belong to a derived weight that each step rebuilds.",
        "Moments are kept per array, and the array is a product made in the forward pass.",
    ),
    Mistake(
        "clamp-on-a-copy",
        "optimiser",
        "O5",
        "w = model.weight(params, self.parameter).copy()",
        ("W_rec",),
        "The clamp edits a derived matrix that the next forward pass rebuilds: signs are not kept.",
        "The published notebook of the sparse recurrent networks paper does this.",
    ),
)
