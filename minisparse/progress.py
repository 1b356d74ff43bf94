"""What `fit` shows while it trains."""

from __future__ import annotations

import sys


def tested(row: dict) -> str:
    """Return what a row of the history says of the test: the first metric, or the loss if there is none.

    Examples
    --------
    >>> minisparse.progress.tested({"test_loss": 0.5, "test_accuracy": 91.25})
    '91.2 %'
    """
    others = {name: value for name, value in row.items() if name.startswith("test_") and name != "test_loss"}
    name, value = next(iter(others.items()), ("test_loss", row["test_loss"]))
    return f"{value:.1f} %" if name == "test_accuracy" else f"{name.removeprefix('test_')} {value:.4g}"


class Progress:
    """A bar over all steps on a terminal, a line per epoch elsewhere, both on stderr."""

    def __init__(self, epochs: int, steps: int, label: str, quiet: bool):
        self._epochs, self._steps, self._label, self._quiet = epochs, steps, f"{label}: " if label else "", quiet
        self._bar = None

    def start(self, done: int) -> None:
        """Begin after `done` epochs."""
        if not self._quiet and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=self._epochs * self._steps, initial=done * self._steps, unit="step", dynamic_ncols=True
            )

    def step(self) -> None:
        """Count a step."""
        if self._bar is not None:
            self._bar.update()

    def epoch(self, row: dict) -> None:
        """Say how an epoch ended."""
        text = (
            f"{self._label}epoch {row['epoch']}/{self._epochs}  loss {row['train_loss']:.4f}  "
            f"test {tested(row)}  {row['seconds']:.1f} s"
        )
        if self._bar is not None:
            self._bar.set_description(text)
        elif not self._quiet:
            print(text, file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()
