"""Networks to be rewired, and their weights by place."""

from minisparse import evolve


def by_place(weights, packed):
    return dict(zip(evolve.flat_places(weights.pattern).tolist(), weights.values(packed).tolist(), strict=True))
