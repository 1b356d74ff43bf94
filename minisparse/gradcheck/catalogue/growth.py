"""Scores of synapses that do not exist yet."""

from ..mistakes import Mistake

ROWS = (
    Mistake(
        "growth-signed",
        "growth",
        "E6",
        "return lambda rows: sum_outer(dpost[..., rows, :], pre)",
        ("W0",),
        "The growth score has a sign: absent synapses whose weight should fall are passed over. Take the magnitude.",
        "The largest gradient is taken for the largest magnitude.",
        ("RigL",),
    ),
    Mistake(
        "growth-magnitudes-added",
        "growth",
        "E6",
        "return lambda rows: sum_outer(xp.abs(dpost[..., rows, :]), xp.abs(pre))",
        ("W0",),
        "Magnitudes are taken before the sum over the batch; examples that cancel then count as agreement.",
        "| | is moved inside the product, where it is harmless for one example.",
        ("RigL",),
    ),
)
