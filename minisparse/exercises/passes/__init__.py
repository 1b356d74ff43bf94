"""Whole backward passes to write, in the order of their difficulty: a staircase of ten tasks, a module for each.

A module is the one source of all that belongs to its task; `text` takes stub and solution from it. Its parts:

* the docstring: a title, what the task teaches with every symbol and shape, and, for the solution, the derivation;
* `MINUTES`, `TEACHES`, three `HINTS`, `PENCIL_CASE` and `PENCIL`: (key in ``pencil()``, question, hint); a hint ends
  in the formula with the numbers put in;
* ``inputs(rng)``, ``y, cache = forward(**inputs)`` and ``grads = backward(dy, cache)``, whose solution stands between
  two comment lines; ``SUPPORT(inputs)``, where there is one, says which gradients may differ from 0;
* `MISTAKES`: (code, sentence, line of the solution, wrong line or lines), or tuples of lines for a slip in several
  places; no two with the same wrong gradient;
* `OTHER_FORMS`: other right bodies.
"""

import importlib
from types import ModuleType

from ...errors import InputError

TASKS = (
    "linear", "softmax", "two_layers", "masked", "dendritic", "rnn", "layer_norm", "conv_pool", "lstm", "attention",
)  # fmt: skip


def task(name: str) -> ModuleType:
    """Return the module of a task.

    Examples
    --------
    >>> from minisparse.exercises import passes
    >>> passes.task("linear").__doc__.splitlines()[0]
    'A linear layer'
    """
    if name not in TASKS:
        raise InputError(f"there is no task {name!r}; the tasks are {', '.join(TASKS)}")
    return importlib.import_module(f"{__name__}.{name}")
