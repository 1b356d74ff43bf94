"""Where each tagged line can be judged, whatever is put in its place."""

from __future__ import annotations

from ..errors import InputError
from . import places, sequences
from .places import Bench

__all__ = ["NO_DERIVATIVE", "Bench", "benches", "tags"]

FORWARD = "a line of a forward pass: nothing is differentiated in it"
CHOICE = "a rule's choice of what goes, comes or is remembered: it has no derivative"
NO_DERIVATIVE = {
    **dict.fromkeys(("A1", "A2", "C1", "C2", "C9", "C10", "D2"), FORWARD),
    **dict.fromkeys(("R1", "R2", "R3", "R14", "R15", "R18", "R19", "R20", "R28", "S1", "S4"), FORWARD),
    **dict.fromkeys(("E1", "E2", "E3", "E5", "E7", "E8", "E9", "E10", "E11", "E12", "E13"), CHOICE),
    **dict.fromkeys(("E14", "E15", "E16", "E17", "E18"), CHOICE),
    **dict.fromkeys(("E4", "O8"), "a schedule: a number over time, which nothing differentiates"),
}
"""Tags that no bench judges, each with its reason."""


def benches(tag: str, seed: int = 0) -> tuple[Bench, ...]:
    """Return where a tagged line is judged.

    Parameters
    ----------
    tag : str
    seed : int
        Of patterns, parameters, data and cotangents.

    Returns
    -------
    tuple of Bench
        The same objects each time.

    Raises
    ------
    ValueError
        If the line has no derivative (`NO_DERIVATIVE` says why), or there is no such tag.

    Examples
    --------
    >>> [bench.name for bench in minisparse.exercises.bench.benches("C4")]
    ['alone, sigmoid', 'before a network, relu']
    """
    if tag in NO_DERIVATIVE:
        raise InputError(f"({tag}) is {NO_DERIVATIVE[tag]}")
    if tag not in _PLACES:
        raise InputError(f"no bench for a tag {tag!r}; there are {', '.join(_PLACES)}")
    return tuple(bench for place in _PLACES[tag] for bench in place(seed))


def tags() -> tuple[str, ...]:
    """Return every tag that has benches.

    Examples
    --------
    >>> "R7" in minisparse.exercises.bench.tags()
    True
    """
    return tuple(_PLACES)


_PLACES: dict[str, tuple[places.Place, ...]] = {
    "N1": (places.nonlinearity("relu"),),
    "N2": (places.nonlinearity("tanh"),),
    "N3": (places.nonlinearity("sigmoid"),),
    "L1": (places.loss,),
    "L2": (sequences.losses("cross_entropy_per_step"),),
    "L3": (sequences.losses("mean_squared_error"),),
    **dict.fromkeys(("R4", "R5", "R16", "R6", "R13", "R7", "R8", "R9", "R10", "R12"), (places.recurrent,)),
    "R11": (places.recurrent, places.recurrent_by_rules),
    "R17": (sequences.heard(1),),
    **dict.fromkeys(("R21", "R22", "R23"), (sequences.heard(0.3),)),
    **dict.fromkeys(("R24", "R25", "R26"), (sequences.heard(1), sequences.heard(0.3))),
    **dict.fromkeys(("R29", "R30", "R31", "R32"), (sequences.stacked,)),
    "R27": (sequences.truncated,),
    **dict.fromkeys(("A3", "A4", "A7", "A8"), (places.feedforward,)),
    "A5": (places.feedforward, places.feedforward_by_rules),
    "A6": (places.shared_scale,),
    **dict.fromkeys(("C3", "C4", "C5", "C6", "C7", "C8"), (places.convolution,)),
    **dict.fromkeys(("C11", "C12", "C13", "C14", "C15"), (places.patches,)),
    "D1": (places.plain, places.recurrent),
    **dict.fromkeys(("D3", "D4", "D5"), (places.rules, places.recurrent_by_rules, places.feedforward_by_rules)),
    **dict.fromkeys(("S2", "S3"), (places.maps("dense"),)),
    **dict.fromkeys(("S5", "S6"), (places.maps("csr"), places.maps("grouped"))),
    "E6": (places.growth,),
    **dict.fromkeys(("O1", "O2", "O3", "O5", "O6"), (places.adam,)),
    **dict.fromkeys(("O4", "O7"), (places.with_memory,)),
}
