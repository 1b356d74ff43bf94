"""Find the mistake: one line of a small network is wrong. Which, and why? The seed decides; there is no end of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..connectivity import bernoulli, full
from ..gradcheck import check_steps
from ..gradcheck.catalogue import Mistake, catalogue
from ..mlp import MLP
from ..normalise import Dendritic
from ..optim import Adam
from ..rnn import RNN
from ..weights import make_weights
from . import small
from .lines import lesson_of

STEPS, UNITS = 240, 12
CHOICES = 4
"""Sentences from which the reason is chosen."""


class Riddle(NamedTuple):
    """A small network with one wrong line.

    Attributes
    ----------
    network : str
        What kind it is.
    mistake : Mistake
    right, wrong : list of float
        The loss before each step of training, without and with the mistake.
    report : tuple of str
        What a check over two steps finds, tensor by tensor, without any explanation.
    reasons : tuple of str
        Sentences; one of them is the mistake's.
    """

    network: str
    mistake: Mistake
    right: list[float]
    wrong: list[float]
    report: tuple[str, ...]
    reasons: tuple[str, ...]


@functools.lru_cache(maxsize=4)
def riddle(seed: int) -> Riddle:
    """Return the riddle of a seed.

    Examples
    --------
    >>> from minisparse.exercises.find_mistake import riddle
    >>> riddle(3).mistake == riddle(3).mistake
    True
    """
    rng = np.random.default_rng(seed)
    told, model, params = _network(rng)
    x, labels = small.signs_of_sums(rng)
    x = x if isinstance(model, RNN) else x.reshape(-1, x.shape[2])
    parts = (model, Adam())
    usable = [row for row in catalogue() if row.tag in lesson_of() and any(row.concerns(part) for part in parts)]
    for k in rng.permutation(len(usable)):
        with np.errstate(all="ignore"):
            report, seen = _report(usable[k], model, params, x[..., :3], labels[:3])
        if seen:  # some mistakes cannot show in some networks, some do not even run
            break
    mistake = usable[k]

    def trained(plant: Callable) -> list[float]:
        given = {name: value.copy() for name, value in params.items()}
        return small.learning(plant(model), given, plant(Adam(lr=0.02)), x, labels, STEPS)

    with np.errstate(all="ignore"):
        right, wrong = trained(lambda part: part), trained(mistake.plant)
    return Riddle(told, mistake, right, wrong, report, _reasons(mistake, usable, rng))


def _network(rng: np.random.Generator) -> tuple[str, Any, dict]:
    activation, storage = rng.choice(["tanh", "relu"]), rng.choice(["dense", "csr"])
    if rng.random() < 0.6:
        model: Any = RNN(2, make_weights(bernoulli(UNITS, UNITS, 0.4, rng), storage), 4, str(activation))
        told = f"a recurrent network of {UNITS} {activation} units, synapses {storage}"
        return told, model, model.init(rng, dtype=np.float64, w_max=0.5)
    layers = [make_weights(bernoulli(UNITS, 12, 0.5, rng), storage), make_weights(full(4, UNITS), "dense")]
    model = MLP(layers, str(activation), normalise=Dendritic("matched"))
    told = f"a feedforward network of {UNITS} {activation} units, synapses {storage}, dendritic normalisation"
    return told, model, model.init(rng, dtype=np.float64)


def _report(
    mistake: Mistake, model: Any, params: dict, x: np.ndarray, labels: np.ndarray
) -> tuple[tuple[str, ...], bool]:
    """Return a line per tensor, with two gradients and what two steps changed, and whether anything is wrong."""
    plant = mistake.plant
    try:
        report = check_steps(plant(model), params, x, labels, plant(Adam(lr=0.02)))
    except ValueError:
        return (), False
    told: dict[str, list[str]] = {}
    for row in (row for row in report.rows if row.tensor != "logits"):
        wrong = any(entry.verdict == "disagrees" for entry in row.entries) or (not row.entries and row.error > 1e-6)
        told.setdefault(row.tensor, []).append(f"{row.analytic:.3g} for {row.numeric:.3g}" if wrong else "right")
    rows = [f"{'':<8}{'gradient 1':<22}{'step 1':<22}{'gradient 2':<22}step 2"]
    for name, cells in told.items():
        cells = cells if name in params else [cell for pair in zip(cells, ("", ""), strict=False) for cell in pair]
        rows.append(f"{name:<8}{''.join(f'{cell:<22}' for cell in cells)}".rstrip())
    return tuple(rows), not report.ok


def _reasons(mistake: Mistake, usable: list[Mistake], rng: np.random.Generator) -> tuple[str, ...]:
    drawn = [usable[k] for k in rng.permutation(len(usable))]
    order = sorted(drawn, key=lambda row: (row.tag != mistake.tag, row.family != mistake.family))
    others = [row.sentence for row in order if row != mistake]
    chosen = [mistake.sentence, *others[: CHOICES - 1]]
    return tuple(chosen[k] for k in rng.permutation(len(chosen)))
