"""What a network shows of itself: its parameters, their sizes and storage, what they need in memory."""

from __future__ import annotations

import html
import math
from typing import Any

BYTES = 4
"""Of a float32, in which parameters are drawn if nothing else is asked for."""
COLUMNS = ("parameter", "post x pre", "density", "storage", "numbers")


class Summary:
    """A base for models: ``repr(model)`` is a table of the parameters, in a notebook one in HTML.

    A model of your own gets it by inheriting from it; with a method `shapes` it lists its dense parameters, too.

    Examples
    --------
    >>> minisparse.RNN(8, minisparse.bernoulli(300, 300, 0.1, rng=0), 10)
    RNN: 8 inputs, 10 outputs, relu
      parameter  post x pre  density  storage  numbers
      W_in          300 x 8        1    dense    2,400
      W_rec       300 x 300   0.0986      csr    8,876
      b_in          300 x 1                        300
      b_rec         300 x 1                        300
      W_out        10 x 300        1    dense    3,000
      b_out          10 x 1                         10
      14,886 parameters, 97 kB in float32 with the index arrays of the patterns
    """

    weights: dict
    n_in: int
    n_out: int

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shape of each parameter as a matrix; here of the sparse ones, which is what all models have."""
        return {name: weights.shape for name, weights in self.weights.items()}

    def _rows(self) -> list[tuple[str, ...]]:
        found = []
        for name, (post, pre) in self.shapes().items():
            said = ("", "", f"{post * pre:,}") if pre == 1 else ("1", "dense", f"{post * pre:,}")
            if name in self.weights:
                weights = self.weights[name]
                said = f"{weights.pattern.density:.3g}", weights.storage, f"{weights.nnz:,}"
            found.append((name, f"{post} x {pre}", *said))
        return found

    def _head(self) -> str:
        phi = getattr(getattr(self, "activation", None), "name", None)
        return f"{type(self).__name__}: {self.n_in} inputs, {self.n_out} outputs" + (f", {phi}" if phi else "")

    def _foot(self) -> str:
        count = size = 0
        for name, shape in self.shapes().items():
            weights: Any = self.weights.get(name)
            if weights is None:
                count, size = count + math.prod(shape), size + BYTES * math.prod(shape)
                continue
            count, size = count + weights.nnz, size + BYTES * getattr(weights, "stored", weights.nnz)
            if not weights.pattern.is_full:
                size += weights.pattern.indptr.nbytes + weights.pattern.indices.nbytes
        return f"{count:,} parameters, {in_bytes(size)} in float32 with the index arrays of the patterns"

    def __repr__(self) -> str:
        rows = [COLUMNS, *self._rows()]
        width = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join([row[0].ljust(width[0]), *map(str.rjust, row[1:], width[1:])]).rstrip() for row in rows]
        return "\n  ".join([self._head(), *lines, self._foot()])

    def _repr_html_(self) -> str:
        def line(row: tuple[str, ...], kind: str) -> str:
            return "<tr>" + "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in row) + "</tr>"

        body = "".join(line(row, "td") for row in self._rows())
        table = f"<table><thead>{line(COLUMNS, 'th')}</thead><tbody>{body}</tbody></table>"
        return f"<div><p>{html.escape(self._head())}</p>{table}<p>{html.escape(self._foot())}</p></div>"


def in_bytes(size: float) -> str:
    """Return a number of bytes as a reader writes it.

    Examples
    --------
    >>> [minisparse.summary.in_bytes(size) for size in (12, 95_800, 3.2e9)]
    ['12 B', '96 kB', '3.2 GB']
    """
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.{0 if size >= 10 or unit == 'B' else 1}f} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
