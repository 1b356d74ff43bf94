"""Rules that rewire: some synapses are removed and as many grown elsewhere; nothing is differentiated.

One routine (`Rule`, which a rule of your own inherits from): what goes is lowest in a prune score, what comes is
highest in a growth score or drawn at random, and a `Schedule` says when and how many. What survives keeps its value and
the optimiser's moments bit for bit; a new synapse's moments are 0. Choices are made on the host. No array of all
possible synapses is made, but where a rule says so: random places are counted, not listed, and scores are looked at a
block of rows at a time.
"""

from .correlation import Hebbian
from .deep import DeepRewiring
from .gradient import RigL
from .places import flat_places, smallest, vacant
from .routine import Rule
from .schedule import Schedule
from .site import Rewired, Site, exchange
from .sparse_evolution import SET
from .topology import CannistraciHebb

__all__ = [
    "SET",
    "CannistraciHebb",
    "DeepRewiring",
    "Hebbian",
    "Rewired",
    "RigL",
    "Rule",
    "Schedule",
    "Site",
    "exchange",
    "flat_places",
    "smallest",
    "vacant",
]
