"""What the papers measure on a network: gains, activity, pairs of neurons."""

from .activity import active_share, dropout_accuracy, last_states
from .collapse import collapse, spread
from .gains import (
    backward_gain,
    dendritic_step,
    forward_gain,
    gain_step,
    gradient_statistics,
    input_sd,
    predicted_gain,
    sign_changes,
    training_delay,
)
from .pairs import correlations, mutual_information, random_pairs

__all__ = [
    "active_share", "backward_gain", "collapse", "correlations", "dendritic_step", "dropout_accuracy", "forward_gain",
    "gain_step", "gradient_statistics", "input_sd", "last_states", "mutual_information", "predicted_gain",
    "random_pairs", "sign_changes", "spread", "training_delay",
]  # fmt: skip
