"""One command line for every chapter, and one way to end when the user has something to mend."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import math
import os
import shlex
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from .. import data, plot
from ..arguments import shown
from ..backend import cpu_count, current_module, describe
from ..connectivity import check_density
from ..errors import FileError, InputError, shortened
from ..files import expanded
from . import cost, ends
from .provenance import checkout, stamp
from .sweep import Deadline, alone

STORAGES = ("auto", "dense", "csr", "grouped")
OPTIONS: dict[str, dict[str, Any]] = {
    "dataset": {"help": f"one of {', '.join(data.NAMES)}"},
    "nodes": {"type": int, "help": "neurons"},
    "density": {"type": float, "nargs": "+", "metavar": "P", "help": "share of the synapses that exist, up to 1"},
    "epochs": {"type": int, "help": "passes over the training set"},
    "seeds": {"type": int, "help": "how many seeds: 0, 1, ..."},
    "first-seed": {"type": int, "help": "the first seed"},
    "checkpoint-every": {
        "type": int,
        "metavar": "EPOCHS",
        "help": "write a run's checkpoint after so many epochs; one that is killed does those since again",
    },
    "storage": {"help": f"how recurrent weights are kept: {', '.join(STORAGES)}"},
}
"""Flags that every chapter that needs them shares, under one name and with one meaning."""
TRAINING: dict[str, dict[str, Any]] = {
    "--data-dir": {"help": "folder that holds the data sets; without it $MINISPARSE_DATA, then data/"},
    "--jobs": {
        "type": int,
        "help": "cells that run at once, each in a process of its own; without it one per "
        "processor, as far as memory reaches, and 1 with --smoke and on a GPU",
    },
    "--scheduler": {"metavar": "ADDRESS", "help": "a Dask scheduler whose workers run the cells, as tcp://host:8786"},
    "--rows": {"type": Path, "metavar": "FILE", "help": "recorded rows to take instead of running anything"},
    "--budget": {"type": float, "default": math.inf, "metavar": "MINUTES", "help": "then end, with exit code 3"},
}
"""Flags of every chapter that trains."""
BOUNDS: dict[str, tuple[float, float]] = {
    "nodes": (1, 10**6),
    "sizes": (1, 10**8),
    "equals": (0, 10**8),
    "replica": (0, 10**6),
    "layers": (1, 100),
    "groups": (1, 10**4),
    "epochs": (1, 10**6),
    "seeds": (1, 1000),
    "first_seed": (0, 2**31),
    "checkpoint_every": (1, 10**6),
    "jobs": (1, max(8, 4 * cpu_count())),
    "images": (2, 10**6),
    "pairs": (1, 10**5),
    "batch": (1, 10**6),
    "few": (1, 10**6),
    "per_class": (0, 10**6),
    "lr": (1e-12, 1e6),
    "steps": (1e-12, 1e6),
    "numbers": (1e-12, 1e6),
    "inhibition_gain": (1e-12, 1e6),
    "decay": (0, 1),
    "between": (0, 1),
    "epsilon": (0, 10**6),
}
"""The least and the largest value of a flag, of whichever chapter; every other number must be finite."""
ASK_ABOVE = 3600.0
"""Seconds of work that a chapter does not start without ``--yes``."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are sentences like all others."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{shortened(message, 300)}; --help lists the flags")


def chapter(
    name: str, doc: str, defaults: dict[str, Any], smoke: dict, paper: dict | None = None, add: Any = None
) -> argparse.Namespace:
    """Parse a chapter's command line and prepare its output folder.

    In a run of the script, not in a notebook, from here on an error of the user's to mend ends the
    chapter with one line on stderr and exit code 2, a spent ``--budget`` with one line and exit code 3; and no other
    run may use the output folder.

    Parameters
    ----------
    name : str
        The script's name; also names the output folder.
    doc : str
        Shown by ``--help``.
    defaults : dict
        Of those of nodes, density (a list), epochs, seeds, first_seed and checkpoint_every that the chapter has a use
        for, and ``time``: what the default run takes. May hold dataset and storage. A chapter that trains nothing has
        none of them.
    smoke, paper : dict
        What ``--smoke`` and ``--paper`` change in the defaults, with a ``time`` of their own. A flag that is given
        wins over both. A chapter that has no paper setting gives none.
    add : callable, optional
        Adds the chapter's own flags to the parser.

    Returns
    -------
    namespace
        The flags; ``out`` is a Path to an existing, writable folder; ``command`` the command line, ``made_by`` the
        stamp of the rows. ``hooks`` holds the `sweep.Deadline` of ``--budget``, without end if there is none: give
        ``*args.hooks`` to ``after_step`` of every `fit` that keeps a checkpoint. It is always there, because a
        checkpoint goes on only with the hooks that it was made with.
    """
    given = Path(sys.argv[0]).stem == name  # a notebook has another name there, if it sets none
    own = given and plot.notebook() is None
    ended = ends.OneLine()
    if own:
        sys.excepthook = ended
        ends.listen()
        warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
        os.environ["MPLBACKEND"] = "agg"  # a notebook hands on its own, which is not installed everywhere
    for stream in (stream for stream in (sys.stdout, sys.stderr) if hasattr(stream, "reconfigure")):
        stream.reconfigure(errors="replace")  # a terminal that lacks a letter shows a question mark
    shape = argparse.RawDescriptionHelpFormatter
    parser = _Parser(prog=f"{name}.py", description=doc, formatter_class=shape, allow_abbrev=False)
    parser.epilog = f"expected time on two cores: {defaults['time']} by default"
    trains = "epochs" in defaults
    values = {"dataset": "digits", "storage": "auto", "first_seed": 0, **defaults} if trains else defaults

    def flag(name: str, help: str, **options: Any) -> None:
        default = options.pop("default", values.get(name.removeprefix("--").replace("-", "_")))
        shown = " ".join(map(str, default)) if isinstance(default, (list, tuple)) else default
        said = help if default is None else f"{help} (default: {shown})"
        parser.add_argument(name, default=default, help=said, **options)

    def switch(name: str, help: str, among: Any = parser) -> None:
        among.add_argument(name, action="store_true", help=help)

    preset = parser.add_mutually_exclusive_group()
    switch("--smoke", f"a tiny run that only shows that it works ({smoke['time']})", preset)
    if paper:
        switch("--paper", f"the paper's own setting ({paper['time']})", preset)
    if trains:
        switch("--resume", "continue an interrupted run of the same command")
    switch("--yes", "start even if it takes more than an hour")
    switch("--record", "copy rows and figures into chapters/results/")
    shared = {f"--{option}": settings for option, settings in OPTIONS.items() if option.replace("-", "_") in values}
    flag("--out", "folder for figures and rows", default=f"out/{name}")
    for option, settings in (shared | (TRAINING if trains else {})).items():
        flag(option, **settings)
    if add:
        add(flag)

    argv = sys.argv[1:] if given else []
    for word in argv:
        if word.endswith("=--"):  # argparse would make it an empty list
            raise InputError(f"{shortened(word[:-3], 60)} has no value; --help lists the flags")
    chosen, _ = parser.parse_known_args(argv)
    changes = smoke if chosen.smoke else paper if paper and chosen.paper else {}
    parser.set_defaults(**{key: value for key, value in changes.items() if key != "time"})
    args = parser.parse_args(argv)
    args.command = shlex.join(["python", f"chapters/{name}.py", *argv])
    _check(args)
    args.out = _writable(args.out)
    ended.rows = str(getattr(args, "rows", None) or "")
    if trains:
        last = "last epoch" if getattr(args, "checkpoint_every", 1) == 1 else "last checkpoint"
        ended.saved = f"finished cells are in {args.out / 'rows.jsonl'}, of the others the {last} is kept"
        ended.saved += "; the same command with --resume goes on from there"
    args.made_by = stamp(args.command, name)
    if getattr(args, "jobs", 1) is None:
        args.jobs = 1 if args.smoke or current_module() is not np else cpu_count()
    args.hooks = [Deadline(time.time() + 60 * getattr(args, "budget", math.inf))]
    if own:
        held = contextlib.ExitStack()
        held.enter_context(alone(args.out))
        atexit.register(held.close)
    print(describe(), flush=True)
    return args


def confirm(args: argparse.Namespace, estimate: dict) -> None:
    """Print what a chapter's runs will cost; start nothing longer than an hour that was not asked for by ``--yes``.

    No more cells run at once than memory holds.

    Parameters
    ----------
    args : namespace
        From `chapter`.
    estimate : dict
        From `cost.estimate`.

    Raises
    ------
    ValueError
        If it takes more than an hour and ``--yes`` is missing.
    """
    if getattr(args, "rows", None):
        return
    print(cost.describe(estimate), flush=True)
    if estimate["bytes"] > estimate["available"]:
        size, free = cost.size(estimate["bytes"]), cost.size(estimate["available"])
        raise InputError(f"a run needs about {size}, {free} are free; choose fewer neurons, or a lower density")
    args.jobs = max(1, min(args.jobs, int(estimate["available"] // estimate["bytes"])))
    if estimate["seconds"] > ASK_ABOVE and not args.yes:
        mend = "add --yes to start it, or choose fewer neurons, epochs, densities or seeds"
        raise InputError(f"this takes about {cost.duration(estimate['seconds'])} on this machine; {mend}")


def _check(args: argparse.Namespace) -> None:
    """Refuse bad values before anything is loaded or written."""
    given = vars(args)
    for name in ("out", "data_dir", "rows"):
        if given.get(name) is not None:
            given[name] = expanded(given[name])
    if args.record:
        checkout("--record")
    if args.record and given.get("rows"):
        raise InputError("--rows takes what is recorded already; leave out --record")
    if given.get("rows") and not os.path.isfile(args.rows):
        raise InputError(f"--rows {args.rows} is no file; name a file of recorded rows")
    for name, values in given.items():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, (int, float)) and not isinstance(value, bool) and name != "budget":
                _within(f"--{name.replace('_', '-')}", value, *BOUNDS.get(name, (-math.inf, math.inf)))
    for density in given.get("density", ()):
        check_density(density)
    if not given.get("budget", math.inf) > 0:
        raise InputError(f"--budget must be above 0 minutes, got {args.budget:g}")
    for name, what, choices in (("dataset", "data set", data.NAMES), ("storage", "storage", STORAGES)):
        if given.get(name, choices[0]) not in choices:
            raise InputError(f"{what} {shown(given[name])} is unknown; choose one of {', '.join(choices)}")


def _within(flag: str, value: float, least: float, most: float) -> None:
    """Refuse a number outside its bounds, or one that is not finite."""
    if not math.isfinite(value):
        raise InputError(f"{flag} must be a finite number, got {value}")
    if value < least:
        raise InputError(f"{flag} must be {'above 0' if least == 1e-12 else f'at least {least:,}'}, got {value:g}")
    if value > most:
        raise InputError(f"{flag} must be at most {most:,}, got {value:g}")


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise FileError(f"--out {folder} cannot be written ({error.strerror}); name another folder") from error
    return folder
