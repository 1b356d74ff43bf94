"""The gradient checker: compare with differences, recognise classic mistakes, explain the rest. Needs NumPy alone."""

from .checker import check, check_pair, check_part, of_loss, pair
from .comparison import TOLERANCE, compare
from .layers import check_layer
from .probe import STEP
from .report import Finding, GradientError, GradientReport
from .steps import check_steps

__all__ = [
    "STEP", "TOLERANCE", "Finding", "GradientError", "GradientReport", "check", "check_layer", "check_pair",
    "check_part", "check_steps", "compare", "of_loss", "pair",
]  # fmt: skip
