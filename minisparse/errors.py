"""Errors that a user can fix: one sentence that names the thing and the fix; chapters print no traceback."""

from __future__ import annotations

LONGEST = 500
"""Letters of a message; of a longer one the middle is left out, since the fix stands at the end."""


class UserError(Exception):
    """Base of every error a user can fix; chapters print it as one line and end with exit code 2."""

    def __init__(self, message: str = "", *more: object):
        super().__init__(shortened(message) if isinstance(message, str) else message, *more)


def shortened(text: str, length: int = LONGEST) -> str:
    """Return a text of at most so many letters.

    Examples
    --------
    >>> minisparse.errors.shortened("one two three four", 13)
    'one ... four'
    """
    half = (length - 5) // 2
    return text if len(text) <= length else f"{text[:half].rstrip()} ... {text[-half:].lstrip()}"


class InputError(UserError, ValueError):
    """A value, shape or option that does not fit."""


class ArrayError(UserError, TypeError):
    """Something that is no array, or arrays of two libraries at once."""


class FileError(UserError, OSError):
    """A file or folder that cannot be read, written or trusted."""


class BackendMissing(UserError, ImportError):
    """The array library asked for is not installed."""


class DeviceMissing(UserError, RuntimeError):
    """The array library is installed but finds no device to run on."""


class NonFiniteError(UserError, FloatingPointError):
    """A loss became nan or inf.

    Attributes
    ----------
    epoch, step : int or None
        Both counted from 1; step is None for a test loss, and epoch 0 is before training.
    tensor : str or None
        The first to hold inf or nan; "loss" if it was the loss itself, None if nobody could look (on a GPU).
    """

    def __init__(self, message: str, epoch: int | None = None, step: int | None = None, tensor: str | None = None):
        super().__init__(message)
        self.epoch, self.step, self.tensor = epoch, step, tensor

    def as_row(self) -> dict:
        """Return what a sweep records instead of an accuracy.

        Examples
        --------
        >>> minisparse.errors.NonFiniteError("the loss became inf", 1, 3, "h").as_row()
        {'error': 'the loss became inf', 'epoch': 1, 'step': 3, 'tensor': 'h'}
        """
        return {"error": str(self), "epoch": self.epoch, "step": self.step, "tensor": self.tensor}


class RunError(UserError, RuntimeError):
    """A cell of a sweep, or a process that runs cells, that failed."""


class BudgetSpent(UserError, RuntimeError):
    """The time budget of a run is spent; chapters end with exit code 3, and nothing that is finished is lost."""
