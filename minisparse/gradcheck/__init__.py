"""The gradient checker: compare with differences, recognise classic mistakes, explain the rest. Needs NumPy alone."""

from .checker import check, check_pair, pair
from .comparison import TOLERANCE, compare
from .probe import STEP
from .report import Finding, GradientReport
from .steps import check_steps

__all__ = ["STEP", "TOLERANCE", "Finding", "GradientReport", "check", "check_pair", "check_steps", "compare", "pair"]
